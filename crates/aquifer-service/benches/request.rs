//! What the service does around the database: reading files of queries, finding the route, turning a
//! request into arguments, and rows into JSON.

use std::hint::black_box;
use std::sync::Arc;

use aquifer::sql::Lexis;
use aquifer_driver::{Column, Columns, Encoding, RowBatch, Tag};
use aquifer_service::{Catalog, Input, RowLayout, Source, arguments};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const QUERIES: &str = include_str!("queries.sql");

fn sources() -> [Source; 1] {
    [Source { file: "queries.sql".to_owned(), text: QUERIES.to_owned() }]
}

fn catalog() -> Catalog {
    Catalog::parse(&sources(), &Lexis::sqlite()).expect("well-formed queries")
}

fn heads(c: &mut Criterion) {
    let sources = sources();
    let mut group = c.benchmark_group("queries");
    group.throughput(Throughput::Bytes(QUERIES.len() as u64));
    group.bench_function("a file of four", |b| {
        b.iter(|| {
            let catalog = Catalog::parse(black_box(&sources), &Lexis::sqlite()).expect("queries");
            assert_eq!(catalog.queries().len(), 4);
            catalog
        });
    });
    group.finish();
}

fn requests(c: &mut Criterion) {
    let catalog = catalog();
    let mut group = c.benchmark_group("request");
    group.bench_function("route with one parameter", |b| {
        b.iter(|| black_box(catalog.router().find(black_box("/stations/7/readings"))).is_some());
    });
    let query = |name: &str| {
        let query = catalog.queries().iter().find(|query| query.name == name);
        &query.expect("a query of this name").parameters[..]
    };

    let readings = query("stations.readings");
    group.bench_function("path and query string", |b| {
        b.iter(|| {
            let input = Input {
                path: &[("id", black_box("7"))],
                query: Some("after=2026-11-20T08%3A15%3A00Z&limit=50&verified=true"),
                body: None,
            };
            arguments(readings, &input).expect("good parameters")
        });
    });
    let create = query("readings.create");
    let body = br#"{"station": 7, "at": "2026-11-20T08:15:00.25+02:00", "level_m": 1.84,
        "state": "verified", "source": "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "note": "rising \u2192 fast", "photo": "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy"}"#;
    group.bench_function("JSON body", |b| {
        b.iter(|| {
            let input = Input { body: Some(black_box(body)), ..Input::default() };
            arguments(create, &input).expect("good parameters")
        });
    });
    group.bench_function("every parameter bad", |b| {
        b.iter(|| {
            let input = Input {
                path: &[("id", black_box("x"))],
                query: Some("after=yesterday&limit=9999&verified=perhaps&idd=1"),
                body: None,
            };
            let problem = arguments(readings, &input).expect_err("bad parameters");
            assert_eq!(problem.errors.len(), 5);
            problem.to_json("1a1fb5fa2ee-7", true)
        });
    });
    group.finish();
}

const ROWS: u64 = 1_000;

fn batch() -> RowBatch {
    let columns = Arc::new(Columns::new([
        Column::new("id", Encoding::Tagged),
        Column::new("code", Encoding::Tagged),
        Column::new("note", Encoding::Tagged),
        Column::new("level_m", Encoding::Tagged),
        Column::new("dry", Encoding::Tagged).with_type_name("BOOLEAN"),
        Column::new("at", Encoding::TimestampTzLe),
    ]));
    let mut batch = RowBatch::new();
    batch.set_columns(&columns);
    for row in 0..ROWS as i64 {
        batch.push_tagged_int(row).expect("room");
        batch.push_tagged(Tag::Text, b"S-0000007").expect("room");
        // Some text must be escaped.
        let note = if row % 10 == 0 { "\"high\"\nsince noon" } else { "nothing to report" };
        batch.push_tagged(Tag::Text, note.as_bytes()).expect("room");
        batch.push_tagged_float(row as f64 / 100.0).expect("room");
        batch.push_tagged_int(row % 2).expect("room");
        batch.push_bytes(&(1_795_162_500_000_000 + row).to_le_bytes()).expect("room");
        batch.end_row();
    }
    batch
}

fn json(c: &mut Criterion) {
    let batch = batch();
    let layout = RowLayout::of(batch.columns());
    let mut out = Vec::new();
    let mut encode = || {
        out.clear();
        for row in batch.rows() {
            layout.row(&mut out, row).expect("sound cells");
        }
        out.len()
    };
    let bytes = encode();
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("1000 rows of six columns", |b| {
        b.iter(|| assert_eq!(black_box(encode()), bytes));
    });
    group.finish();
}

criterion_group!(benches, heads, requests, json);
criterion_main!(benches);
