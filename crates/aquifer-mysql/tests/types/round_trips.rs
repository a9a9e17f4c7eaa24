//! Values of every type, chosen at random and the same in each run: written as arguments, read back by both protocols.

use aquifer_driver::{Command, Date, TxOptions, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::{SERVER, Session, connect, run};

/// Values of each type.
const VALUES: usize = 40;

fn int(strategy: impl Strategy<Value = i64> + 'static) -> BoxedStrategy<Value> {
    strategy.prop_map(Value::Int).boxed()
}

fn text(regex: &'static str) -> BoxedStrategy<Value> {
    regex.prop_map(Value::Text).boxed()
}

fn bytes(len: std::ops::Range<usize>) -> BoxedStrategy<Value> {
    vec(any::<u8>(), len).prop_map(Value::Bytes).boxed()
}

fn decimal(regex: &'static str) -> BoxedStrategy<Value> {
    regex.prop_map(Value::Decimal).boxed()
}

fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<Value> {
    proptest::sample::select(texts).prop_map(|text| Value::Text(text.into())).boxed()
}

/// Lines of two points, as the server keeps them: the SRID, then WKB.
fn line() -> BoxedStrategy<Value> {
    any::<[i16; 4]>()
        .prop_map(|numbers| {
            let mut line = vec![0, 0, 0, 0, 1, 2, 0, 0, 0, 2, 0, 0, 0];
            for number in numbers {
                line.extend_from_slice(&f64::from(number).to_le_bytes());
            }
            Value::Bytes(line)
        })
        .boxed()
}

/// Each type with the values that it holds exactly.
fn types() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let mut all = plain_types();
    // Every number of digits behind the seconds.
    const NAMES: [[&str; 3]; 7] = [
        ["TIME(0)", "DATETIME(0)", "TIMESTAMP(0) NULL"],
        ["TIME(1)", "DATETIME(1)", "TIMESTAMP(1) NULL"],
        ["TIME(2)", "DATETIME(2)", "TIMESTAMP(2) NULL"],
        ["TIME(3)", "DATETIME(3)", "TIMESTAMP(3) NULL"],
        ["TIME(4)", "DATETIME(4)", "TIMESTAMP(4) NULL"],
        ["TIME(5)", "DATETIME(5)", "TIMESTAMP(5) NULL"],
        ["TIME(6)", "DATETIME(6)", "TIMESTAMP(6) NULL"],
    ];
    for (digits, [time, datetime, timestamp]) in (0..).zip(NAMES) {
        let step = 10_i64.pow(6 - digits);
        let steps = move |from: i64, to: i64| (from / step..=to / step).prop_map(move |n| n * step);
        all.push((
            time,
            steps(-3_020_399_000_000, 3_020_399_000_000).prop_map(Value::Time).boxed(),
        ));
        let years = steps(-62_135_596_800_000_000, 253_402_300_799_000_000);
        all.push((datetime, years.prop_map(Value::Timestamp).boxed()));
        let years = steps(1_000_000, 2_147_483_647_000_000);
        all.push((timestamp, years.prop_map(Value::TimestampTz).boxed()));
    }
    all
}

fn plain_types() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let year_1 = -719_162_i32..=2_932_896;
    vec![
        ("TINYINT", int(any::<i8>().prop_map(i64::from))),
        ("TINYINT UNSIGNED", int(any::<u8>().prop_map(i64::from))),
        ("BOOLEAN", int(0..=1_i64)),
        ("SMALLINT", int(any::<i16>().prop_map(i64::from))),
        ("SMALLINT UNSIGNED", int(any::<u16>().prop_map(i64::from))),
        ("MEDIUMINT", int(-8_388_608..=8_388_607_i64)),
        ("MEDIUMINT UNSIGNED", int(0..=16_777_215_i64)),
        ("INT", int(any::<i32>().prop_map(i64::from))),
        ("INT UNSIGNED", int(any::<u32>().prop_map(i64::from))),
        ("INT(9) ZEROFILL", int(any::<u32>().prop_map(i64::from))),
        ("BIGINT", int(any::<i64>())),
        (
            "BIGINT UNSIGNED",
            any::<u64>().prop_map(|v| i64::try_from(v).map_or(Value::UInt(v), Value::Int)).boxed(),
        ),
        ("YEAR", int(1901..=2155_i64)),
        ("BIT(1)", int(0..=1_i64)),
        ("BIT(11)", int(0..2048_i64)),
        (
            "BIT(64)",
            any::<u64>().prop_map(|v| i64::try_from(v).map_or(Value::UInt(v), Value::Int)).boxed(),
        ),
        // A FLOAT has six digits in the text protocol.
        ("FLOAT", any::<i16>().prop_map(|v| Value::Float(f64::from(v) / 4.0)).boxed()),
        (
            "DOUBLE",
            any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::Float).boxed(),
        ),
        ("DECIMAL(65,30)", decimal("(0|-?[1-9][0-9]{0,34})\\.[0-9]{29}[1-9]")),
        ("DECIMAL(65,30)", decimal("-?[1-9][0-9]{34}\\.[0-9]{30}")),
        ("DECIMAL(65,0)", decimal("-?[1-9][0-9]{64}")),
        ("DECIMAL(30,30)", decimal("-?0\\.[0-9]{29}[1-9]")),
        ("DECIMAL(20,0)", decimal("(0|-?[1-9][0-9]{0,19})")),
        ("DECIMAL(9,4) UNSIGNED", decimal("(0|[1-9][0-9]{0,4})\\.[0-9]{4}")),
        ("CHAR(20)", text("(\\PC{0,19}[a-z])?")),
        ("VARCHAR(20)", text("\\PC{0,20}")),
        ("TINYTEXT", text("[a-zäö€😀'\\\\]{0,60}")),
        ("TEXT", text("\\PC{0,300}")),
        ("MEDIUMTEXT", text("\\PC{0,300}")),
        ("LONGTEXT", text("(.|\n){0,400}")),
        ("BINARY(5)", bytes(5..6)),
        ("VARBINARY(300)", bytes(0..300)),
        ("TINYBLOB", bytes(0..255)),
        ("BLOB", bytes(0..2000)),
        ("MEDIUMBLOB", bytes(0..2000)),
        ("LONGBLOB", bytes(0..2000)),
        ("ENUM('red','gre''en','blue')", one_of(&["red", "gre'en", "blue"])),
        ("SET('a','b','c')", one_of(&["", "a", "a,b", "a,b,c", "c"])),
        ("JSON", "[a-z\"\\\\{}é]{0,9}".prop_map(|v| Value::Json(format!("{v:?}"))).boxed()),
        // Others than RFC 9562's MariaDB 10.11 stores with their parts exchanged, whoever sends them.
        (
            "UUID",
            any::<[u8; 16]>()
                .prop_map(|mut id| {
                    id[8] = id[8] & 0x3f | 0x80;
                    Value::Uuid(id)
                })
                .boxed(),
        ),
        ("BINARY(16)", any::<[u8; 16]>().prop_map(|v| Value::Bytes(v.to_vec())).boxed()),
        ("INET6", any::<std::net::Ipv6Addr>().prop_map(|v| Value::Text(v.to_string())).boxed()),
        ("INET4", any::<std::net::Ipv4Addr>().prop_map(|v| Value::Text(v.to_string())).boxed()),
        (
            "POINT",
            any::<(i16, i16)>()
                .prop_map(|(x, y)| {
                    let mut point = vec![0, 0, 0, 0, 1, 1, 0, 0, 0];
                    point.extend_from_slice(&f64::from(x).to_le_bytes());
                    point.extend_from_slice(&f64::from(y).to_le_bytes());
                    Value::Bytes(point)
                })
                .boxed(),
        ),
        ("GEOMETRY", line()),
        ("LINESTRING", line()),
        ("DATE", year_1.prop_map(|v| Value::Date(Date(v))).boxed()),
    ]
}

async fn come_back(session: &mut Session, ddl: &str, values: &[Value]) {
    session.query(&format!("CREATE OR REPLACE TABLE t (n INT, v {ddl})"), &()).await.unwrap();
    session.command(Command::Begin(TxOptions::new())).await.unwrap();
    for (n, value) in values.iter().enumerate() {
        let row = vec![Value::Int(n as i64), value.clone()];
        let written = session.query("INSERT INTO t VALUES (?, ?)", &row).await;
        written.unwrap_or_else(|error| panic!("{ddl} {value:?}: {error} {:?}", error.detail()));
    }
    session.command(Command::Commit).await.unwrap();
    let sql = "SELECT v FROM t ORDER BY n";
    let binary = session.query(sql, &()).await.unwrap();
    let text = session.script(sql).await.unwrap();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(binary[n], std::slice::from_ref(value), "{ddl} in binary");
        assert_eq!(text[n], std::slice::from_ref(value), "{ddl} in text");
    }
}

#[test]
fn values_of_every_type_come_back_by_both_protocols() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let mut runner = TestRunner::deterministic();
        for (ddl, strategy) in types() {
            let mut values = vec![Value::Null];
            for _ in 0..VALUES {
                values.push(strategy.new_tree(&mut runner).unwrap().current());
            }
            come_back(&mut session, ddl, &values).await;
        }
    });
}

#[test]
fn a_decimal_reads_to_its_last_digit() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let number: rust_decimal::Decimal = "-7922816251426.4337593543950335".parse().unwrap();
        let sql = "SELECT CAST(? AS DECIMAL(40,16)), CAST('0012.50' AS DECIMAL(8,3))";
        let rows = session.query(sql, &(number,)).await.unwrap();
        let expected =
            ["-7922816251426.4337593543950335", "12.500"].map(|text| Value::Decimal(text.into()));
        assert_eq!(rows, [expected]);
    });
}

#[test]
fn a_float_keeps_its_digits_in_binary_and_six_of_them_in_text() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (v FLOAT)", &()).await.unwrap();
        session.query("INSERT INTO t VALUES (?)", &(16_777_215.0_f64,)).await.unwrap();
        let rows = session.query("SELECT v FROM t", &()).await.unwrap();
        assert_eq!(rows, [[Value::Float(16_777_215.0)]]);
        // So much the server itself writes.
        let rows = session.script("SELECT v FROM t").await.unwrap();
        assert_eq!(rows, [[Value::Float(16_777_200.0)]]);
    });
}
