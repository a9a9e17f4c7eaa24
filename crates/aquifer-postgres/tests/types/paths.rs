//! One test that runs every type down every path that a value can take: the first use of a statement
//! (text both ways), later uses (binary where there is a binary form), statements without a name, and
//! the simple protocol.

use aquifer_driver::{Date, Interval, Value};

use crate::same::{Outcome, class, same_outcome};
use crate::support::{SERVER, Session, connect, run};

/// The ways from an argument to a row.
pub(crate) struct Paths {
    /// No statement is kept, so each use is a first one.
    pub(crate) first: Session,
    /// The types are known from uses before.
    cached: Session,
    /// As `cached`, without a name on the server.
    described: Session,
    /// Arguments written into the text.
    simple: Session,
}

impl Paths {
    /// Sessions with these settings.
    pub(crate) async fn open(url: &str, settings: &str) -> Self {
        // What the server refuses it would else write down, tens of thousands of times.
        let open = async |more: &str| {
            let url = format!("{url}?log_min_messages=panic{settings}{more}");
            connect(&url).await.unwrap()
        };
        Self {
            first: open("&statement_cache_capacity=0").await,
            cached: open("").await,
            described: open("&default_query_exec_mode=cache_describe").await,
            simple: open("&default_query_exec_mode=simple_protocol").await,
        }
    }

    /// What each path makes of the query.
    async fn outcomes(&mut self, sql: &str, params: &[Value]) -> [Outcome; 4] {
        let (first, cached, described, simple) = tokio::join!(
            outcome(&mut self.first, sql, params),
            later(&mut self.cached, sql, params),
            later(&mut self.described, sql, params),
            outcome(&mut self.simple, sql, params),
        );
        [first, cached, described, simple]
    }

    /// Runs the query down all paths; adds how those differ that may not.
    pub(crate) async fn compare(
        &mut self,
        sql: &str,
        value: Value,
        differences: &mut Vec<String>,
    ) -> Outcome {
        let [first, rest @ ..] = self.outcomes(sql, std::slice::from_ref(&value)).await;
        for (path, here) in ["cached", "described", "simple"].into_iter().zip(rest) {
            if !same_outcome(&first, &here) && !excused(path, &value, &first, &here) {
                differences.push(format!("{sql} of {value:?}: {first:?}, {path} {here:?}"));
            }
        }
        first
    }
}

async fn outcome(session: &mut Session, sql: &str, params: &[Value]) -> Outcome {
    match session.query(sql, &params).await {
        Ok(mut rows) => Ok(rows.pop().expect("a row")),
        Err(error) => Err(class(&error)),
    }
}

/// A use that is not the first one: if it was, another one. (Bytes make a statement of their own, which
/// takes the other's place.)
async fn later(session: &mut Session, sql: &str, params: &[Value]) -> Outcome {
    let prepared = session.connection.counters().prepared;
    let first = outcome(session, sql, params).await;
    if session.connection.counters().prepared == prepared {
        return first;
    }
    outcome(session, sql, params).await
}

pub(crate) fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| (*text).into()).collect()
}

/// Values of every kind, with those at the edges of the types that they may meet.
pub(crate) fn scalars() -> Vec<Value> {
    let mut values = vec![Value::Null, Value::Bool(true), Value::Bool(false)];
    for int in [0, 1, -1, 42, 127, 32_767, 32_768, -32_768, -32_769, 1 << 24, (1 << 24) + 1] {
        values.push(Value::Int(int));
    }
    for int in [i64::from(i32::MAX), 1 << 31, i64::from(i32::MIN), i64::from(i32::MIN) - 1] {
        values.push(Value::Int(int));
    }
    for int in [i64::from(u32::MAX), 1 << 32, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN] {
        values.push(Value::Int(int));
    }
    values.extend([Value::UInt(1 << 63), Value::UInt(u64::MAX)]);
    for float in [0.0, -0.0, 1.0, 1.5, 0.1, -2.5, 1e-5, 1e-7, 1e10, 1e15, 1e16, 1e300, 5e-324] {
        values.push(Value::Float(float));
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1.1f32.into(), 1e-50] {
        values.push(Value::Float(float));
    }
    for decimal in ["0", "0.00", "1", "-12.50", "99999999999999999999.5", "0.00001", "NaN"] {
        values.push(Value::Decimal(decimal.into()));
    }
    for decimal in ["Infinity", "-Infinity", "1e5", "", "12345678901234567890123456789012345678"] {
        values.push(Value::Decimal(decimal.into()));
    }
    values.extend(texts(&[
        "",
        "a",
        "42",
        " 42 ",
        "-1",
        "1.5",
        "true",
        "t",
        "NaN",
        "infinity",
        "-infinity",
        "NULL",
        "it's \"quoted\" \\ \u{202e}Gr\u{fc}\u{df}e \u{1f980}\u{1}\r\n",
        "2026-11-20",
        "08:15:00",
        "2026-11-20 08:15:00.25",
        "2026-11-20 08:15:00+05:45",
        "08:15:00+02",
        "0044-03-15 BC",
        "1 day 2 hours",
        "P1DT1H",
        "67e55044-10b1-426f-9247-bb680e5fe0c8",
        "{\"a\": [1, null]}",
        "192.168.0.1/24",
        "10.0.0.0/8",
        "::1",
        "08:00:2b:01:02:03",
        "101",
        "$1,234.50",
        "(1,2)",
        "((1,2),(3,4))",
        "{1,2,3}",
        "{1,NULL}",
        "{}",
        "[1,5)",
        "{[1,5)}",
        "1 2 3",
        "0/16B3748",
        "pg_class",
        "int4",
        "$.a",
        "a & b",
        "10:20:10,14",
        "\\x00ff",
        "nul \0 inside",
    ]));
    values.extend([vec![], vec![0, 1, 255], b"42".to_vec(), vec![1], vec![0; 8]].map(Value::Bytes));
    for days in [0, -1, 20_777, -719_162, -719_163, -2_440_588, -2_440_589, i32::MAX, i32::MIN] {
        values.push(Value::Date(Date(days)));
    }
    values.push(Value::Date(Date(i32::MAX - 1)));
    for micros in [0, 1, 29_700_000_000, 86_399_999_999, 86_400_000_000, 86_400_000_001, -1] {
        values.push(Value::Time(micros));
    }
    for micros in [0, -1, 1_795_162_500_250_000, -62_135_596_800_000_001, i64::MAX, i64::MIN] {
        values.extend([Value::Timestamp(micros), Value::TimestampTz(micros)]);
    }
    for micros in [i64::MAX - 1, i64::MIN + 1, -210_866_803_200_000_000] {
        values.extend([Value::Timestamp(micros), Value::TimestampTz(micros)]);
    }
    for (months, days, micros) in [
        (0, 0, 0),
        (14, 3, 14_706_789_000),
        (-1, 2, -500_000),
        (i32::MIN, i32::MIN, i64::MIN),
        (i32::MAX, i32::MAX, i64::MAX),
        (0, 0, -1),
    ] {
        values.push(Value::Interval(Interval { months, days, micros }));
    }
    values.extend([Value::Uuid([0; 16]), Value::Uuid([0xa7; 16])]);
    for json in ["{\"a\": [1, null]}", "1", "\"x\"", "null", "true", "{", "", "\"\\u0000\""] {
        values.push(Value::Json(json.into()));
    }
    values
}

/// Arrays of every kind of element, and of the shapes that matter.
pub(crate) fn arrays() -> Vec<Value> {
    let int = |items: &[i64]| Value::Array(items.iter().map(|v| Value::Int(*v)).collect());
    let mut arrays = vec![
        Value::Null,
        Value::Array(vec![]),
        Value::Array(vec![Value::Array(vec![])]),
        Value::Array(vec![int(&[1, 2]), int(&[3, 4])]),
        Value::Array(vec![Value::Array(vec![int(&[1])]), Value::Array(vec![int(&[2])])]),
        // Not rectangular.
        Value::Array(vec![int(&[1, 2]), int(&[3])]),
        Value::Array(vec![int(&[]), int(&[3])]),
        Value::Array(vec![int(&[1]), Value::Int(2)]),
        Value::Array(vec![int(&[1]), Value::Null]),
        int(&[1, 40_000, 1 << 40]),
        Value::Array(vec![Value::Null, Value::Null]),
        Value::Array(texts(&["a,b", "\"", "\\", "{", "NULL", "", " x ", "Gr\u{fc}\u{df}e"])),
        Value::Array(vec!["1".into(), Value::Int(2), Value::Float(3.0)]),
        Value::Array(vec![Value::Bytes(vec![0, 255]), Value::Null]),
        Value::Array(vec![Value::Bytes(vec![]), "\\x41".into()]),
        "{}".into(),
        "{1,NULL,\"2\"}".into(),
        "[2:3]={1,2}".into(),
        "{{1,2},{3,4}}".into(),
        "{1,{2}}".into(),
        "x".into(),
        Value::Int(1),
        Value::Bytes(vec![1]),
    ];
    for value in few(scalars(), 2) {
        arrays.push(Value::Array(vec![value, Value::Null]));
    }
    arrays
}

/// The first `max` values of each kind.
pub(crate) fn few(mut values: Vec<Value>, max: usize) -> Vec<Value> {
    let mut kinds = Vec::new();
    values.retain(|value| {
        let kind = std::mem::discriminant(value);
        kinds.push(kind);
        kinds.iter().filter(|known| **known == kind).count() <= max
    });
    values
}

/// Types of which arguments can be binary, so that the paths differ most: they get every value.
const IN_BINARY: [&str; 21] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "oid",
    "real",
    "double precision",
    "numeric",
    "text",
    "character varying",
    "character",
    "json",
    "jsonb",
    "bytea",
    "date",
    "time without time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
    "inet",
];

/// The names of the types that are built in and have values of their own, arrays apart.
async fn types(session: &mut Session) -> (Vec<String>, Vec<String>) {
    let sql = "SELECT format_type(oid, NULL), typcategory = 'A' FROM pg_type \
               WHERE oid < 10000 AND typtype IN ('b', 'r', 'm') ORDER BY oid";
    let (mut scalars, mut arrays) = (Vec::new(), Vec::new());
    for row in session.query(sql, &()).await.unwrap() {
        match row.as_slice() {
            [Value::Text(name), Value::Bool(true)] => arrays.push(name.clone()),
            [Value::Text(name), _] => scalars.push(name.clone()),
            other => panic!("{other:?}"),
        }
    }
    (scalars, arrays)
}

/// What a path may do otherwise, and why.
fn excused(path: &str, value: &Value, first: &Outcome, here: &Outcome) -> bool {
    // A literal cannot hold what a message can: the driver says so before the server can.
    path == "simple"
        && matches!(value, Value::Text(text) if text.contains('\0'))
        && first.as_ref().is_err_and(|class| class == "data 22021")
        && here.as_ref().is_err_and(|class| class == "argument by the driver")
}

/// What servers sent, of many types: the name of each type, and the text.
async fn fixtures(session: &mut Session) -> Vec<(String, Value)> {
    let mut fixtures = Vec::new();
    for line in include_str!("../../src/types/cases.txt").lines() {
        let [oid, text, _]: [&str; 3] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let name = session.scalar(&format!("SELECT format_type({oid}, NULL)")).await.unwrap();
        let Value::Text(name) = name else { panic!("{name:?}") };
        fixtures.push((name, text.into()));
    }
    fixtures
}

/// The value as its type, and what the server thinks that it is.
pub(crate) fn query(of: &str) -> String {
    format!("SELECT $1::{of} AS it, ($1::{of})::text AS said")
}

#[test]
fn every_type_takes_and_gives_the_same_on_every_path() {
    run(async {
        let mut paths = Paths::open(&SERVER.url(), "").await;
        let (scalar_types, array_types) = types(&mut paths.first).await;
        assert!(scalar_types.len() > 60 && array_types.len() > 50);
        let mut differences = Vec::new();
        let (mut taken, mut refused) = (0, 0);
        let in_binary = |name: &str| IN_BINARY.contains(&name.trim_end_matches("[]"));
        let of_scalars = scalar_types
            .iter()
            .map(|name| (name, if in_binary(name) { scalars() } else { few(scalars(), 3) }));
        let of_arrays = array_types
            .iter()
            .map(|name| (name, if in_binary(name) { arrays() } else { few(arrays(), 9) }));
        for (name, values) in of_scalars.chain(of_arrays) {
            let sql = query(name);
            for value in values {
                match paths.compare(&sql, value, &mut differences).await {
                    Ok(_) => taken += 1,
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} {refused}");

        // Settings that change the text of values.
        let fixtures = fixtures(&mut paths.first).await;
        for settings in [
            "",
            "&TimeZone=Asia/Kathmandu&IntervalStyle=sql_standard&bytea_output=escape",
            "&TimeZone=America/New_York&IntervalStyle=iso_8601&extra_float_digits=3",
            "&TimeZone=Africa/Monrovia&IntervalStyle=postgres_verbose",
        ] {
            let mut paths = Paths::open(&SERVER.url(), settings).await;
            for (name, value) in &fixtures {
                let given = paths.compare(&query(name), value.clone(), &mut differences).await;
                assert!(given.is_ok() || name == "bit", "{name} {value:?} {given:?}");
            }
        }
        assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
    });
}
