//! What a call of a `Db` costs over SQLite in memory: a point select by each way of reading it, a scan, a
//! named query, and inserts in a transaction.
//!
//! What the driver takes of it is measured in `aquifer-sqlite`; peers are compared in the workspace `bench/`.

use std::hint::black_box;

use aquifer::{Db, FromRow};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const TABLES: &str = "CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, river TEXT, level_m REAL); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
    INSERT INTO stations SELECT i, 'station-' || i, 'Nera', i * 0.5 FROM n; \
    CREATE TABLE readings (id INTEGER PRIMARY KEY, code TEXT, level_m REAL)";
const STATIONS: i64 = 1000;
const POINT: &str = "SELECT id, code, river, level_m FROM stations WHERE id = ?";
const POINT_NAMED: &str = "SELECT id, code, river, level_m FROM stations WHERE id = :id";
const LEVEL: &str = "SELECT level_m FROM stations WHERE id = ?";
const SCAN: &str = "SELECT id, code, river, level_m FROM stations";
const INSERT: &str = "INSERT INTO readings (code, level_m) VALUES (?, ?)";
const INSERTS: u32 = 100;

type StationTuple = (i64, String, String, f64);

#[derive(FromRow)]
struct Station {
    id: i64,
    code: String,
    river: String,
    level_m: f64,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

async fn open() -> Db {
    let db = Db::connect("sqlite::memory:").await.expect("a database");
    db.exec(TABLES, ()).await.expect("the tables");
    db
}

/// The keys of all stations, again and again.
fn keys() -> impl Iterator<Item = i64> {
    (1..=STATIONS).cycle()
}

fn point(c: &mut Criterion) {
    let runtime = runtime();
    let db = runtime.block_on(open());
    let mut group = c.benchmark_group("query/point");
    group.throughput(Throughput::Elements(1));

    let mut ids = keys();
    group.bench_function("tuple", |b| {
        b.iter(|| {
            let id = ids.next();
            let row: StationTuple = runtime.block_on(db.get(POINT, (id,))).expect("a station");
            black_box(row)
        });
    });
    group.bench_function("struct", |b| {
        b.iter(|| {
            let id = ids.next();
            let row: Station = runtime.block_on(db.get(POINT, (id,))).expect("a station");
            black_box((row.id, row.code, row.river, row.level_m))
        });
    });
    group.bench_function("scalar", |b| {
        b.iter(|| {
            let id = ids.next();
            let level: f64 = runtime.block_on(db.get(LEVEL, (id,))).expect("a level");
            black_box(level)
        });
    });
    group.bench_function("named", |b| {
        b.iter(|| {
            let id = ids.next();
            let args = [("id", id)];
            let row: Station =
                runtime.block_on(db.get_named(POINT_NAMED, &args)).expect("a station");
            black_box((row.id, row.code, row.river, row.level_m))
        });
    });
    group.finish();
}

fn scan(c: &mut Criterion) {
    let runtime = runtime();
    let db = runtime.block_on(open());
    let mut group = c.benchmark_group("query/1000 rows");
    group.throughput(Throughput::Elements(STATIONS.unsigned_abs()));

    group.bench_function("select", |b| {
        b.iter(|| {
            let rows: Vec<Station> = runtime.block_on(db.select(SCAN, ())).expect("the stations");
            assert_eq!(rows.len() as i64, STATIONS);
            black_box(rows)
        });
    });
    group.bench_function("borrowed", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut rows = db.query(SCAN, ()).await.expect("rows");
                let mut read = 0;
                while let Some(row) = rows.next().await.expect("a row") {
                    let (id, code, river, level): (i64, &str, &str, f64) =
                        row.scan().expect("values");
                    black_box((id, code, river, level));
                    read += 1;
                }
                assert_eq!(read, STATIONS);
            });
        });
    });
    group.finish();
}

fn inserts(c: &mut Criterion) {
    let runtime = runtime();
    let db = runtime.block_on(open());
    let mut group = c.benchmark_group("query/100 inserts");
    group.throughput(Throughput::Elements(INSERTS.into()));

    // Rolled back, so that the table does not grow with the number of samples.
    group.bench_function("batch in a transaction", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut tx = db.begin().await.expect("a transaction");
                let mut batch = tx.batch();
                for n in 0..INSERTS {
                    let _ = batch.exec(INSERT, ("some code", f64::from(n)));
                }
                batch.send().await.expect("an answer").finish().expect("the inserts");
                tx.rollback().await.expect("a rollback");
            });
        });
    });
    group.bench_function("one by one in a transaction", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut tx = db.begin().await.expect("a transaction");
                for n in 0..INSERTS {
                    tx.exec(INSERT, ("some code", f64::from(n))).await.expect("an insert");
                }
                tx.rollback().await.expect("a rollback");
            });
        });
    });
    group.finish();
}

criterion_group!(benches, point, scan, inserts);
criterion_main!(benches);
