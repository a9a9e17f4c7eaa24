//! Values that are made up, to the server and back, down every path.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use aquifer_driver::{
    Cell, Date, Encoding, FromValue, Interval, ParamSink, Result, ToValue, Value, ValueRef,
};
use aquifer_postgres::{Bits, Composite, Hstore, IpNet, MacAddr, Multirange, Point, Range, TimeTz};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::sync::Mutex;

use crate::paths::{Paths, query};
use crate::same::{Outcome, same};
use crate::support::SERVER;

/// Values of each type that are tried, at least.
const CASES: u32 = 24;

const TYPES: &str = "CREATE EXTENSION hstore; CREATE TYPE pair AS (a int4, b text); \
                     CREATE TYPE text_range AS RANGE (subtype = text); \
                     CREATE DOMAIN words AS text[]; CREATE DOMAIN small AS int2; \
                     CREATE EXTENSION citext; \
                     CREATE TYPE mood AS ENUM ('sad', 'very happy', 'it''s', 'a,b', '42'); \
                     CREATE DOMAIN frame AS mood; CREATE DOMAIN pairs AS pair;";

/// Sends values to a database of its own.
struct Trips {
    runtime: tokio::runtime::Runtime,
    paths: Mutex<Paths>,
    _database: aquifer_testkit::postgres::Database,
}

impl Trips {
    fn new() -> Self {
        let database = SERVER.fresh_database().unwrap();
        database.psql(TYPES).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let paths = Mutex::new(runtime.block_on(Paths::open(database.url(), "")));
        Self { runtime, paths, _database: database }
    }

    /// What all paths agree on.
    fn outcome(&self, of: &str, value: &Value) -> Result<Outcome, TestCaseError> {
        let mut differences = Vec::new();
        let first = self.runtime.block_on(async {
            let mut paths = self.paths.lock().await;
            let sql = query(of);
            let compared = paths.compare(&sql, value.clone(), &mut differences);
            tokio::time::timeout(Duration::from_secs(60), compared).await.expect("it hangs")
        });
        prop_assert!(differences.is_empty(), "{:?}", differences);
        Ok(first)
    }

    /// What the server gives for the value.
    fn given(&self, of: &str, value: &Value) -> Result<Value, TestCaseError> {
        match self.outcome(of, value)? {
            Ok(mut row) => Ok(row.swap_remove(0)),
            Err(class) => Err(TestCaseError::fail(format!("{of} {value:?}: {class}"))),
        }
    }

    fn each<T: Debug>(
        &self,
        values: impl Strategy<Value = T>,
        check: impl Fn(T) -> Result<(), TestCaseError>,
    ) {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        if let Err(error) = TestRunner::new(config).run(&values, check) {
            panic!("{error}");
        }
    }

    /// The value itself comes back.
    fn same(&self, of: &str, values: impl Strategy<Value = Value>) {
        self.each(values, |value| {
            let given = self.given(of, &value)?;
            prop_assert!(same(&given, &value), "{} {:?} {:?}", of, value, given);
            Ok(())
        });
    }

    /// A text is accepted, and what the server makes of it is what it makes of that again.
    fn settles(&self, of: &str, values: impl Strategy<Value = String>) {
        self.each(values, |text| {
            let given = self.given(of, &text.into())?;
            let again = self.given(of, &given)?;
            prop_assert!(same(&given, &again), "{} {:?} {:?}", of, given, again);
            Ok(())
        });
    }

    /// The Rust value comes back.
    fn typed<T>(&self, of: &str, values: impl Strategy<Value = T>)
    where
        T: ToValue + for<'r> FromValue<'r> + PartialEq + Debug,
    {
        self.each(values, |value| {
            let given = self.given(of, &bound(&value))?;
            let Value::Text(text) = &given else { panic!("{of}: {given:?}") };
            let read = T::from_cell(Cell::new(Some(text.as_bytes()), Encoding::Text));
            prop_assert_eq!(read.map_err(|e| TestCaseError::fail(e.to_string()))?, value);
            Ok(())
        });
    }
}

/// What is sent for a Rust value.
fn bound(value: &impl ToValue) -> Value {
    struct Take(Value);
    impl ParamSink for Take {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            self.0 = value.to_owned()?;
            Ok(())
        }
    }
    let mut take = Take(Value::Null);
    value.bind(&mut take).unwrap();
    take.0
}

/// Any text that PostgreSQL has: all of Unicode but NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| text.replace('\0', "\u{202e}")),
        "[{}\",\\\\; ()'%NULa\u{1}\u{a0}\u{1f980}\u{301}]{0,12}",
    ]
}

fn integer(value: i64) -> Value {
    Value::Int(value)
}

/// Also with more digits than any other type holds.
fn decimal() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "(0|-?[1-9][0-9]{0,30})(\\.[0-9]{1,30})?",
        1 => "-?[1-9][0-9]{300}(\\.[0-9]{1,300})?",
        1 => Just("NaN".to_owned()),
        1 => "-?Infinity",
    ]
    .prop_filter("zero has no sign", |text| {
        !text.starts_with('-') || text.contains(|c: char| ('1'..='9').contains(&c) || c == 'I')
    })
    .prop_map(Value::Decimal)
}

fn float() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, QUIET_NAN, SUBNORMAL, ZERO};
    prop_oneof![
        POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE | QUIET_NAN,
        (-1000i32..1000).prop_map(|n| f64::from(n) / 8.0),
    ]
}

fn narrow() -> impl Strategy<Value = f64> {
    use proptest::num::f32::{INFINITE, NEGATIVE, NORMAL, POSITIVE, QUIET_NAN, SUBNORMAL, ZERO};
    (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE | QUIET_NAN).prop_map(f64::from)
}

/// From 4713 BC to 5874897, and the infinities.
fn date() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(i32::MAX),
        1 => Just(i32::MIN),
        4 => -2_440_588..2_145_031_948i32,
        4 => -800_000..100_000i32,
    ]
    .prop_map(|days| Value::Date(Date(days)))
}

/// From 4713 BC to where microseconds since 1970 end.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        4 => -210_866_803_200_000_000..9_223_371_331_200_000_000i64,
        4 => -63_000_000_000_000_000..253_402_300_800_000_000i64,
        2 => (-100_000..100_000i64).prop_map(|seconds| seconds * 1_000_000),
    ]
}

fn time() -> impl Strategy<Value = Value> {
    prop_oneof![0..=86_400_000_000i64, (0..86_400i64).prop_map(|s| s * 1_000_000)]
        .prop_map(Value::Time)
}

fn interval() -> impl Strategy<Value = Value> {
    let parts = prop_oneof![
        any::<(i32, i32, i64)>(),
        (-30..30i32, -40..40i32, -100_000_000_000..100_000_000_000i64),
    ];
    // Those at the very end are the infinities of PostgreSQL 17.
    parts.prop_map(|(months, days, micros)| Value::Interval(Interval { months, days, micros }))
}

/// With the spaces and escapes that `jsonb` writes.
fn document() -> impl Strategy<Value = Value> {
    let words = vec(text().prop_map(|word| serde_json::to_string(&word).unwrap()), 0..4);
    let numbers = vec(any::<i64>().prop_map(|n| n.to_string()), 0..4);
    prop_oneof![words, numbers].prop_map(|items| Value::Json(format!("[{}]", items.join(", "))))
}

#[test]
fn scalars_come_back() {
    let trips = Trips::new();
    trips.same("bool", any::<bool>().prop_map(Value::Bool));
    trips.same("int2", any::<i16>().prop_map(|v| integer(v.into())));
    trips.same("small", any::<i16>().prop_map(|v| integer(v.into())));
    trips.same("int4", any::<i32>().prop_map(|v| integer(v.into())));
    trips.same("int8", any::<i64>().prop_map(integer));
    trips.same("oid", any::<u32>().prop_map(|v| integer(v.into())));
    trips.same("xid8", any::<u64>().prop_map(|v| i64::try_from(v).map_or(Value::UInt(v), integer)));
    trips.same("float4", narrow().prop_map(Value::Float));
    trips.same("float8", float().prop_map(Value::Float));
    trips.same("numeric", decimal());
    trips.same("text", text().prop_map(Value::Text));
    trips.same("varchar", text().prop_map(Value::Text));
    trips.same("bytea", vec(any::<u8>(), 0..40).prop_map(Value::Bytes));
    trips.same("uuid", any::<[u8; 16]>().prop_map(Value::Uuid));
    trips.same("json", document());
    trips.same("jsonb", document());
}

#[test]
fn dates_and_times_come_back() {
    let trips = Trips::new();
    trips.same("date", date());
    trips.same("time", time());
    trips.same("timestamp", micros().prop_map(Value::Timestamp));
    trips.same("timestamptz", micros().prop_map(Value::TimestampTz));
    trips.same("interval", interval());
    let offsets = prop_oneof![-57_599..57_600i32, (-56..56i32).prop_map(|q| q * 900)];
    trips.typed(
        "timetz",
        (0..86_400_000_000i64, offsets)
            .prop_map(|(micros, offset_seconds)| TimeTz { micros, offset_seconds }),
    );
}

#[test]
fn arrays_come_back_with_their_nulls_dimensions_and_whatever_stands_in_them() {
    let trips = Trips::new();
    let list = |items: BoxedStrategy<Value>| {
        let maybe = option::weighted(0.8, items).prop_map(|item| item.unwrap_or(Value::Null));
        vec(maybe, 0..5).prop_map(Value::Array)
    };
    for (of, items) in [
        ("int8[]", any::<i64>().prop_map(integer).boxed()),
        ("int2[]", any::<i16>().prop_map(|v| integer(v.into())).boxed()),
        ("bool[]", any::<bool>().prop_map(Value::Bool).boxed()),
        ("float8[]", float().prop_map(Value::Float).boxed()),
        ("numeric[]", decimal().boxed()),
        ("text[]", text().prop_map(Value::Text).boxed()),
        ("words", text().prop_map(Value::Text).boxed()),
        ("uuid[]", any::<[u8; 16]>().prop_map(Value::Uuid).boxed()),
        ("jsonb[]", document().boxed()),
        ("date[]", date().boxed()),
        ("timestamptz[]", micros().prop_map(Value::TimestampTz).boxed()),
        ("interval[]", interval().boxed()),
    ] {
        trips.same(of, list(items));
    }
    // Without bytes among the elements nothing says that they are bytes.
    let bytes = vec(vec(any::<u8>(), 0..9).prop_map(Value::Bytes), 1..5).prop_map(Value::Array);
    trips.same("bytea[]", bytes);

    let cuboid = (1..3usize, 1..3usize, 1..4usize).prop_flat_map(|(a, b, c)| {
        let item = option::of(text()).prop_map(|item| item.map_or(Value::Null, Value::Text));
        let row = vec(item, c).prop_map(Value::Array);
        vec(vec(row, b).prop_map(Value::Array), a).prop_map(Value::Array)
    });
    trips.same("text[]", cuboid);

    // Lower bounds are read over.
    trips.each((-5..5i32, vec(any::<i32>(), 1..4)), |(lower, items)| {
        let texts: Vec<_> = items.iter().map(i32::to_string).collect();
        let upper = lower + items.len() as i32 - 1;
        let literal = format!("[{lower}:{upper}]={{{}}}", texts.join(","));
        let given = trips.given("int4[]", &literal.into())?;
        let items = items.into_iter().map(|v| integer(v.into())).collect();
        prop_assert_eq!(given, Value::Array(items));
        Ok(())
    });
}

#[test]
fn types_that_are_read_as_text_come_back() {
    let trips = Trips::new();
    let networks = (any::<IpAddr>(), 0..=128u8).prop_map(|(address, prefix)| {
        IpNet::new(address, prefix).unwrap_or_else(|| IpNet::from(address))
    });
    trips.typed("inet", networks);
    trips.typed("macaddr", any::<[u8; 6]>().prop_map(MacAddr));
    trips.typed("varbit", vec(any::<bool>(), 0..40).prop_map(Bits::from_iter));
    let finite = || float().prop_filter("comparable", |v| !v.is_nan());
    trips.typed("point", (finite(), finite()).prop_map(|(x, y)| Point { x, y }));
    trips.typed("pair", (any::<Option<i32>>(), option::of(text())).prop_map(Composite));
    let map =
        btree_map(text(), option::of(text()), 0..4).prop_map(|map: BTreeMap<_, _>| Hstore(map));
    trips.typed("hstore", map);
    trips.settles(
        "money",
        any::<i32>().prop_map(|cents| format!("{}.{:02}", cents / 100, cents.abs() % 100)),
    );
    trips.settles("cidr", any::<IpAddr>().prop_map(|address| address.to_string()));
    trips.settles("macaddr8", any::<[u8; 6]>().prop_map(|bytes| MacAddr(bytes).to_string()));
    trips.settles(
        "tsvector",
        vec(text(), 0..4).prop_map(|words| {
            let quoted =
                |word: &String| format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"));
            words.iter().filter(|word| !word.is_empty()).map(quoted).collect::<Vec<_>>().join(" ")
        }),
    );
}

#[test]
fn names_and_the_rest_of_the_text_family_come_back() {
    let trips = Trips::new();
    trips.same("bpchar", text().prop_map(Value::Text));
    trips.same("citext", text().prop_map(Value::Text));
    // The server cuts off what is longer than 63 bytes.
    trips.same("name", "[a-zA-Z_ \"'\u{e9}]{0,30}".prop_map(Value::Text));
    trips.same("\"char\"", "[a-zA-Z0-9 \"']".prop_map(Value::Text));
    trips.settles("char(7)", "[a-z\u{e9}]{0,7}");
    trips.settles("varchar(7)", "[a-z \u{e9}]{0,7}");
    trips.settles("xml", "[a-z ]{0,9}".prop_map(|text| format!("<a b=\"1\">{text}</a>")));
    let moods = ["sad", "very happy", "it's", "a,b", "42"].map(Value::from).to_vec();
    for of in ["mood", "frame"] {
        trips.same(of, prop::sample::select(moods.clone()));
    }
}

#[test]
fn numbers_of_objects_and_places_in_the_server_come_back() {
    let trips = Trips::new();
    for of in ["xid", "cid", "oid"] {
        trips.same(of, any::<u32>().prop_map(|v| integer(v.into())));
    }
    for of in ["regclass", "regtype", "regproc", "regrole", "regnamespace"] {
        // A number without an object is its own name.
        trips.settles(of, (1_000_000_000..2_000_000_000u32).prop_map(|number| number.to_string()));
    }
    trips.settles(
        "regclass",
        prop::sample::select(vec!["pg_class", "pg_type"]).prop_map(str::to_owned),
    );
    trips.settles("regtype", prop::sample::select(vec!["int4", "text[]"]).prop_map(str::to_owned));
    trips.settles("tid", (any::<u32>(), any::<u16>()).prop_map(|(a, b)| format!("({a},{b})")));
    trips.settles("pg_lsn", any::<(u32, u32)>().prop_map(|(a, b)| format!("{a:X}/{b:X}")));
}

#[test]
fn shapes_bits_and_documents_come_back() {
    let trips = Trips::new();
    let number = || (-4000..4000i32).prop_map(|n| f64::from(n) / 8.0);
    let point = move || (number(), number()).prop_map(|(x, y)| format!("({x},{y})"));
    let points = move |least: usize| vec(point(), least..5).prop_map(|points| points.join(","));
    trips.settles("lseg", (point(), point()).prop_map(|(a, b)| format!("[{a},{b}]")));
    trips.settles("box", (point(), point()).prop_map(|(a, b)| format!("{a},{b}")));
    trips.settles("path", points(1).prop_map(|points| format!("[{points}]")));
    trips.settles("path", points(1).prop_map(|points| format!("({points})")));
    trips.settles("polygon", points(1).prop_map(|points| format!("({points})")));
    trips.settles(
        "line",
        (1..99i32, number(), number()).prop_map(|(a, b, c)| format!("{{{a},{b},{c}}}")),
    );
    trips.settles("circle", (point(), 0..99u32).prop_map(|(centre, r)| format!("<{centre},{r}>")));
    trips.typed("bit(11)", vec(any::<bool>(), 11).prop_map(Bits::from_iter));
    trips.settles("tsquery", vec("[a-z]{1,5}", 1..4).prop_map(|words| words.join(" & ")));
    trips.settles("jsonpath", "[a-z]{1,5}".prop_map(|key| format!("$.\"{key}\"[*] ? (@ > 1)")));
    trips.typed("pairs", (any::<Option<i32>>(), option::of(text())).prop_map(Composite));
    let arrays = vec(point(), 0..3).prop_map(|points| {
        let quoted: Vec<_> = points.iter().map(|point| format!("\"{point}\"")).collect();
        format!("{{{}}}", quoted.join(","))
    });
    trips.settles("point[]", arrays);
}

#[test]
fn ranges_of_every_kind_settle() {
    let trips = Trips::new();
    let ends = || {
        (-9999..9999i32, 1..999i32, prop::sample::select(vec!["[)", "(]", "[]", "()"]))
            .prop_map(|(from, len, ends)| (from, from + len, ends))
    };
    let literal =
        |from: String, to: String, ends: &str| format!("{}{from},{to}{}", &ends[..1], &ends[1..]);
    let tenths =
        |n: i32| format!("{}{}.{}", if n < 0 { "-" } else { "" }, n.abs() / 10, n.abs() % 10);
    // Days of a fortnight of centuries.
    let day = |n: i32| format!("{:04}-01-{:02}", (n + 10_000) / 31 + 1000, (n + 10_000) % 31 + 1);
    for (of, many, text) in [
        (
            "int4range",
            "int4multirange",
            Box::new(|n: i32| n.to_string()) as Box<dyn Fn(i32) -> String>,
        ),
        ("int8range", "int8multirange", Box::new(|n: i32| (i64::from(n) << 33).to_string())),
        ("numrange", "nummultirange", Box::new(tenths)),
        ("daterange", "datemultirange", Box::new(day)),
        ("tsrange", "tsmultirange", Box::new(move |n| format!("{} 08:15:00.25", day(n)))),
        ("tstzrange", "tstzmultirange", Box::new(move |n| format!("{} 08:15:00+05:45", day(n)))),
    ] {
        let one = |(from, to, ends): (i32, i32, &str)| literal(text(from), text(to), ends);
        trips.settles(of, ends().prop_map(&one));
        trips.settles(of, prop::sample::select(vec!["empty", "(,)"]).prop_map(str::to_owned));
        let several = vec(ends(), 0..4).prop_map(|ranges| {
            format!("{{{}}}", ranges.into_iter().map(&one).collect::<Vec<_>>().join(","))
        });
        trips.settles(many, several);
    }
}

#[test]
fn ranges_come_back() {
    let trips = Trips::new();
    let ordered = |a: String, b: String| if a <= b { (a, b) } else { (b, a) };
    // In the order of bytes only if the database has that collation: letters of one case are alike.
    let texts = ("[a-m]{1,4}", "[n-z]{1,4}").prop_map(move |(a, b)| ordered(a, b));
    trips.typed("text_range", texts.prop_map(|(lower, upper)| Range::from(lower..upper)));
    let halves = prop_oneof![
        Just(Range::Empty),
        any::<i64>().prop_map(|lower| Range::from(lower..)),
        (i64::MIN..0, 0..i64::MAX).prop_map(|(lower, upper)| Range::from(lower..upper + 1)),
    ];
    trips.typed("int8range", halves);
    let many = vec((0..50i32, 1..9i32), 0..5).prop_map(|steps| {
        let mut at = 0;
        let mut range = |(gap, len): (i32, i32)| {
            let lower = at + gap + 1;
            at = lower + len;
            Range::from(lower..at)
        };
        Multirange(steps.into_iter().map(&mut range).collect())
    });
    trips.typed("int4multirange", many);
    for of in ["tsrange", "tstzrange"] {
        let moments = (micros(), micros()).prop_map(|(a, b)| (a.min(b), a.max(b)));
        trips.settles(
            of,
            moments.prop_map(|(a, b)| match bound(&Range::from(Moment(a)..=Moment(b))) {
                Value::Text(text) => text,
                other => panic!("{other:?}"),
            }),
        );
    }
}

/// A timestamp, as an argument.
#[derive(Debug, Clone)]
struct Moment(i64);

impl ToValue for Moment {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Timestamp(self.0))
    }
}
