//! What the driver itself costs: one row on the calling thread and on the worker, a scan, a batch.
//!
//! Peers are compared in the workspace `bench/`.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;

use aquifer_driver::{
    Access, Batch, Command, Connection, Driver, Dsn, EmptyEnvironment, Plan, RowBatch, Step,
    TxOptions, Want,
};
use aquifer_sqlite::SqliteDriver;
use aquifer_testkit::block_on;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TABLE: &str = "CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, river TEXT, level REAL); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
    INSERT INTO stations SELECT i, 'station-' || i, 'Nera', i * 0.5 FROM n; \
    CREATE TABLE readings (id INTEGER PRIMARY KEY, code TEXT, level REAL)";
const POINT: &str = "SELECT id, code, river, level FROM stations WHERE id = ?";
const SCAN: &str = "SELECT id, code, river, level FROM stations";
const INSERT: &str = "INSERT INTO readings (code, level) VALUES (?, ?)";

async fn connect(url: &str) -> Box<dyn Connection> {
    let dsn = Dsn::parse(url).expect("a URL");
    let connector = SqliteDriver::new().connector(&dsn, &EmptyEnvironment).expect("a connector");
    let mut connection = connector.connect(Access::ReadWrite).await.expect("a connection");
    run(&mut *connection, &mut RowBatch::new(), Command::Script { sql: TABLE }).await;
    connection
}

/// Runs a command to its end; the last rows stay in the batch.
async fn run(connection: &mut dyn Connection, rows: &mut RowBatch, command: Command<'_>) {
    connection.start(command).expect("a start");
    while !matches!(
        poll_fn(|cx| connection.poll_next(cx, rows)).await.expect("a step"),
        Step::End(_)
    ) {}
}

fn point(c: &mut Criterion) {
    let mut group = c.benchmark_group("sqlite/point");
    group.throughput(Throughput::Elements(1));
    for (name, url) in
        [("inline", "sqlite::memory:"), ("worker", "sqlite::memory:?inline_budget=off")]
    {
        let mut connection = block_on(connect(url));
        let mut rows = RowBatch::new();
        let mut id = 0_i64;
        group.bench_function(name, |b| {
            b.iter(|| {
                id = id % 1000 + 1;
                let params = (id,);
                let command = Command::Execute { sql: POINT, params: &params, want: Want::First };
                block_on(run(&mut *connection, &mut rows, command));
                let row = rows.row(0).expect("a row");
                black_box(row.decode::<&str>(1).expect("a code").len())
            });
        });
    }
    group.finish();
}

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("sqlite/scan");
    group.throughput(Throughput::Elements(100_000)).sample_size(20);
    for (name, url) in
        [("inline", "sqlite::memory:"), ("worker", "sqlite::memory:?inline_budget=off")]
    {
        let mut connection = block_on(connect(url));
        let mut rows = RowBatch::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                block_on(async {
                    let command = Command::Execute { sql: SCAN, params: &(), want: Want::All };
                    connection.start(command).expect("a start");
                    let mut plan = None;
                    loop {
                        let step = poll_fn(|cx| connection.poll_next(cx, &mut rows)).await;
                        let plan = plan.get_or_insert_with(|| {
                            Plan::of::<(i64, String, String, f64)>(rows.columns()).expect("a plan")
                        });
                        for row in rows.rows() {
                            let read: (i64, String, String, f64) = plan.read(row).expect("a row");
                            black_box(read);
                        }
                        if let Step::End(_) = step.expect("a step") {
                            break;
                        }
                    }
                });
            });
        });
    }
    group.finish();
}

fn batch(c: &mut Criterion) {
    let mut group = c.benchmark_group("sqlite/batch");
    group.throughput(Throughput::Elements(1000));
    let mut connection = block_on(connect("sqlite::memory:"));
    let mut rows = RowBatch::new();
    let insert: Arc<str> = INSERT.into();
    group.bench_function("1000 inserts in a transaction", |b| {
        b.iter(|| {
            block_on(async {
                run(&mut *connection, &mut rows, Command::Begin(TxOptions::new())).await;
                let mut batch = Batch::new();
                for n in 0..1000 {
                    let params = ("some code", f64::from(n));
                    batch.push(&insert, &params, Want::Outcome).expect("arguments");
                }
                run(&mut *connection, &mut rows, Command::Batch(batch.into())).await;
                run(&mut *connection, &mut rows, Command::Rollback).await;
            });
        });
    });
    group.finish();
}

criterion_group!(benches, point, scan, batch);
criterion_main!(benches);
