//! What rows and values cost between a driver's buffer and the user's types: filling a batch, decoding it
//! into structs and tuples, single conversions from the forms that engines send.

use std::hint::black_box;
use std::sync::Arc;

use aquifer_driver::{
    Cell, Column, Columns, Encoding, Fields, FromRow, FromValue, Plan, Result, Row, RowBatch, Tag,
    Value,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ROWS: u64 = 1_000;

/// As the derive would have it.
struct Station {
    id: i64,
    code: String,
    river: String,
    level_m: Option<f64>,
}

impl<'r> FromRow<'r> for Station {
    fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
        for name in ["id", "code", "river", "level_m"] {
            plan.column(columns, name)?;
        }
        Ok(())
    }

    fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            id: fields.next(row)?,
            code: fields.next(row)?,
            river: fields.next(row)?,
            level_m: fields.next(row)?,
        })
    }
}

/// Tagged cells, as SQLite has them.
fn tagged() -> Arc<Columns> {
    let column = |name: &str| Column::new(name, Encoding::Tagged);
    Arc::new(Columns::new(["id", "code", "river", "level_m"].map(column)))
}

/// One encoding per column, as PostgreSQL's binary format has it.
fn typed() -> Arc<Columns> {
    Arc::new(Columns::new([
        Column::new("id", Encoding::I64Be),
        Column::new("code", Encoding::Text),
        Column::new("river", Encoding::Text),
        Column::new("level_m", Encoding::F64Be),
    ]))
}

const CODE: &str = "S-0000007";
const RIVER: &str = "River 42";

fn fill_tagged(batch: &mut RowBatch, columns: &Arc<Columns>) -> Result<()> {
    batch.clear();
    batch.set_columns(columns);
    for row in 0..ROWS as i64 {
        batch.push_tagged_int(row)?;
        batch.push_tagged(Tag::Text, CODE.as_bytes())?;
        batch.push_tagged(Tag::Text, RIVER.as_bytes())?;
        if row % 10 == 0 {
            batch.push_null();
        } else {
            batch.push_tagged_float(row as f64 / 100.0)?;
        }
        batch.end_row();
    }
    Ok(())
}

fn fill_typed(batch: &mut RowBatch, columns: &Arc<Columns>) -> Result<()> {
    batch.clear();
    batch.set_columns(columns);
    for row in 0..ROWS as i64 {
        batch.push_bytes(&row.to_be_bytes())?;
        batch.push_bytes(CODE.as_bytes())?;
        batch.push_bytes(RIVER.as_bytes())?;
        if row % 10 == 0 {
            batch.push_null();
        } else {
            batch.push_bytes(&(row as f64 / 100.0).to_be_bytes())?;
        }
        batch.end_row();
    }
    Ok(())
}

type Fill = fn(&mut RowBatch, &Arc<Columns>) -> Result<()>;

fn rows(c: &mut Criterion) {
    let kinds: [(&str, Arc<Columns>, Fill); 2] =
        [("tagged", tagged(), fill_tagged), ("typed", typed(), fill_typed)];
    for (kind, columns, fill) in kinds {
        let mut group = c.benchmark_group(format!("1000 rows, {kind}"));
        group.throughput(Throughput::Elements(ROWS));
        let mut batch = RowBatch::new();
        group.bench_function("fill", |b| {
            b.iter(|| {
                fill(&mut batch, &columns).expect("room");
                black_box(batch.byte_len())
            });
        });
        fill(&mut batch, &columns).expect("room");
        group.bench_function("into structs", |b| {
            b.iter(|| {
                let mut levels = 0;
                for (index, row) in batch.rows().enumerate() {
                    let station: Station = row.scan().expect("a station");
                    assert!(station.id == index as i64 && station.code.len() == CODE.len());
                    levels += usize::from(station.level_m.is_some());
                    black_box(station.river);
                }
                assert_eq!(levels, 900);
            });
        });
        group.bench_function("into borrowed tuples", |b| {
            b.iter(|| {
                let mut length = 0;
                for row in batch.rows() {
                    let (id, code, river, level): (i64, &str, &str, Option<f64>) =
                        row.scan().expect("a station");
                    black_box((id, level));
                    length += code.len() + river.len();
                }
                assert_eq!(length, ROWS as usize * (CODE.len() + RIVER.len()));
            });
        });
        group.bench_function("into values", |b| {
            b.iter(|| {
                for row in batch.rows() {
                    for index in 0..row.len() {
                        black_box(row.decode::<Value>(index).expect("a value"));
                    }
                }
            });
        });
        group.bench_function("one column by name", |b| {
            b.iter(|| {
                let rivers = batch.rows().map(|row| row.get::<&str>("river").expect("a river"));
                black_box(rivers.filter(|river| *river == RIVER).count())
            });
        });
        group.finish();
    }
}

fn plan(c: &mut Criterion) {
    // The columns in another order than the fields: each is looked up by its name.
    let names = ["level_m", "river", "code", "id"];
    let columns = Columns::new(names.map(|name| Column::new(name, Encoding::Tagged)));
    c.bench_function("plan of a struct, columns in another order", |b| {
        b.iter(|| black_box(Plan::of::<Station>(black_box(&columns)).expect("a plan")));
    });
}

/// One conversion: a cell as an engine sends it, and the type a user asks for.
fn convert<T: for<'r> FromValue<'r>>(
    c: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    bytes: &[u8],
    encoding: Encoding,
) {
    c.bench_function(name, |b| {
        b.iter(|| {
            let cell = Cell::new(Some(black_box(bytes)), encoding);
            black_box(T::from_cell(cell).expect("it converts"))
        });
    });
}

fn values(c: &mut Criterion) {
    let mut group = c.benchmark_group("convert");
    let group = &mut group;
    convert::<i64>(group, "i64 big-endian", &7_i64.to_be_bytes(), Encoding::I64Be);
    convert::<i32>(group, "i32 from i64", &7_i64.to_be_bytes(), Encoding::I64Be);
    convert::<i64>(group, "i64 from decimal text", b"1234567890", Encoding::Decimal);
    convert::<f64>(group, "f64 from integer", &7_i64.to_le_bytes(), Encoding::I64Le);
    convert::<String>(group, "String", b"a name of ordinary length", Encoding::Text);
    convert::<Vec<u8>>(group, "Vec<u8>", &[7; 64], Encoding::Bytes);
    let uuid = b"67e55044-10b1-426f-9247-bb680e5fe0c8";
    convert::<uuid::Uuid>(group, "Uuid from text", uuid, Encoding::Text);
    let at = b"2026-11-20 08:15:00.123456+02:00";
    convert::<chrono::DateTime<chrono::Utc>>(group, "DateTime from text", at, Encoding::Text);
    let micros = 1_795_162_500_123_456_i64.to_le_bytes();
    convert::<chrono::DateTime<chrono::Utc>>(
        group,
        "DateTime from microseconds",
        &micros,
        Encoding::TimestampTzLe,
    );
    let decimal = b"-12345678901234.5678";
    convert::<rust_decimal::Decimal>(group, "Decimal from text", decimal, Encoding::Decimal);
    let json = br#"{"river":"Nera","levels":[1.84,1.86,1.9]}"#;
    convert::<serde_json::Value>(group, "JSON", json, Encoding::Json);
}

criterion_group!(benches, rows, plan, values);
criterion_main!(benches);
