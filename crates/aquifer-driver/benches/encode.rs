//! What arguments and URLs cost on their way in: binding into a buffer, reading it back, a sink that
//! encodes as a wire protocol does, and taking a URL apart.

use std::hint::black_box;

use aquifer_driver::{Dsn, ParamBuf, ParamSink, Params, Result, Value, ValueRef};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A sink as a driver's: length-prefixed, big-endian, into one buffer.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn field(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}

impl ParamSink for Wire {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        match value {
            ValueRef::Null => self.0.extend_from_slice(&u32::MAX.to_be_bytes()),
            ValueRef::Bool(v) => self.field(&[v.into()]),
            ValueRef::Int(v) => self.field(&v.to_be_bytes()),
            ValueRef::Float(v) => self.field(&v.to_be_bytes()),
            ValueRef::Text(v) => self.field(v.as_bytes()),
            ValueRef::Bytes(v) => self.field(v),
            other => panic!("no argument here is a {}", other.kind()),
        }
        Ok(())
    }
}

type Tuple<'a> = (i64, &'a str, Option<f64>, bool, Option<&'a str>, &'a [u8]);

fn params(c: &mut Criterion) {
    let photo = [7_u8; 64];
    let tuple: Tuple<'_> = (7, "N-07", Some(1.84), true, None, &photo);
    let values: Vec<Value> = vec![
        Value::Int(7),
        "N-07".into(),
        Value::Float(1.84),
        Value::Bool(true),
        Value::Null,
        Value::Bytes(photo.to_vec()),
    ];
    let mut group = c.benchmark_group("6 arguments");
    group.throughput(Throughput::Elements(6));

    let mut wire = Wire::default();
    group.bench_function("a tuple into a wire buffer", |b| {
        b.iter(|| {
            wire.0.clear();
            black_box(&tuple).bind(&mut wire).expect("room");
            black_box(wire.0.len())
        });
    });
    group.bench_function("values into a wire buffer", |b| {
        b.iter(|| {
            wire.0.clear();
            black_box(&values[..]).bind(&mut wire).expect("room");
            black_box(wire.0.len())
        });
    });
    let mut kept = ParamBuf::new();
    group.bench_function("a tuple into a kept ParamBuf", |b| {
        b.iter(|| {
            kept.clear();
            black_box(&tuple).bind(&mut kept).expect("room");
            black_box(kept.len())
        });
    });
    group.bench_function("a tuple into a new ParamBuf", |b| {
        b.iter(|| black_box(ParamBuf::of(black_box(&tuple)).expect("room")));
    });
    group.bench_function("read from a ParamBuf", |b| {
        b.iter(|| {
            let nulls = (0..kept.len()).filter(|&index| match black_box(&kept).get(index) {
                Some(value) => value.is_null(),
                None => panic!("argument {index} is missing"),
            });
            assert_eq!(nulls.count(), 1);
        });
    });
    group.bench_function("a ParamBuf into a wire buffer", |b| {
        b.iter(|| {
            wire.0.clear();
            kept.bind_range(0..kept.len(), &mut wire).expect("room");
            black_box(wire.0.len())
        });
    });
    group.bench_function("values copied", |b| {
        b.iter(|| {
            for value in &values {
                black_box(value.as_ref().to_owned().expect("a value"));
            }
        });
    });
    group.finish();
}

const URLS: [(&str, &str); 3] = [
    ("memory", "sqlite::memory:"),
    ("a file with options", "sqlite:///srv/data/my%20stations.db?mode=rw&pool_max_open=20"),
    (
        "hosts with many options",
        "postgres://app:p%40ss@db1:5432,db2:5433/shop?application_name=orders&sslmode=verify-full\
         &pool_max_open=20&pool_min_idle=2&pool_acquire_timeout=250ms&options=-c%20search_path%3Dapp",
    ),
];

fn urls(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsn");
    for (name, url) in URLS {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut dsn = Dsn::parse(black_box(url)).expect("a URL");
                black_box((dsn.take_params("pool_").len(), dsn))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, params, urls);
criterion_main!(benches);
