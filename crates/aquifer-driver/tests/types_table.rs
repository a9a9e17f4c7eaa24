//! The tables of `docs/types.md` are what the code does.
//!
//! Each table is rendered from conversions that are really made, and compared with what stands between its
//! markers in the document. `UPDATE_DOCS=1 cargo test -p aquifer-driver --test types_table` rewrites them.

mod cells;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use std::borrow::Cow;

use aquifer_driver::{
    Cell, Date, Encoding, FromValue, Interval, Json, ParamSink, Result, Row, Tag, ToValue, Value,
    ValueRef, notation,
};
use cells::{Engine, stored};

/// A kind of cell, and samples of it that reach its corners.
struct Kind {
    name: &'static str,
    samples: Vec<(Vec<u8>, Encoding)>,
}

fn kinds() -> Vec<Kind> {
    fn kind<const N: usize, B: AsRef<[u8]>>(
        name: &'static str,
        encoding: Encoding,
        samples: [B; N],
    ) -> Kind {
        let samples = samples.iter().map(|bytes| (bytes.as_ref().to_vec(), encoding)).collect();
        Kind { name, samples }
    }
    let int = |v: i64| v.to_be_bytes();
    let float = |v: f64| v.to_le_bytes();
    vec![
        kind("boolean", Encoding::Bool, [[0], [1]]),
        kind("integer", Encoding::I64Be, [0, 1, -1, 300, i64::MIN, i64::MAX].map(int)),
        kind("unsigned", Encoding::U64Le, [1 << 63, u64::MAX].map(u64::to_le_bytes)),
        kind("float", Encoding::F64Le, [1.0, 1.5, 0.1, 1e300, f64::NAN, f64::INFINITY].map(float)),
        kind(
            "decimal",
            Encoding::Decimal,
            ["1", "42.00", "-12.50", "12345678901234567890123456789012345678901", "NaN"],
        ),
        kind(
            "text",
            Encoding::Text,
            [
                "",
                "a",
                "1",
                "-1.50",
                "true",
                "2026-11-20",
                "08:15:00.123456789",
                "2026-11-20 08:15:00",
                "2026-11-20 08:15:00+01:00",
                "P1M",
                "P1M-2D",
                "PT1H",
                "192.0.2.1",
                "2001:db8::1",
                "67e55044-10b1-426f-9247-bb680e5fe0c8",
                "{\"a\": 1}",
            ],
        ),
        kind("bytes", Encoding::Bytes, [&b""[..], b"1", b"Nera", b"\xff", &[7; 16]]),
        kind("date", Encoding::DateLe, [0, 20_777, i32::MAX - 1, i32::MAX].map(i32::to_le_bytes)),
        kind("time", Encoding::TimeLe, [0, 1, 86_400_000_000].map(i64::to_le_bytes)),
        kind(
            "timestamp",
            Encoding::TimestampLe,
            [0, 1_795_162_500_123_456, i64::MAX - 1, i64::MAX].map(i64::to_le_bytes),
        ),
        kind(
            "timestamp tz",
            Encoding::TimestampTzLe,
            [0, 1_795_162_500_123_456, i64::MAX - 1, i64::MAX].map(i64::to_le_bytes),
        ),
        kind("UUID", Encoding::Uuid, [[0; 16], [7; 16]]),
        kind("JSON", Encoding::Json, ["{\"a\": 1}", "1", "\"x\"", "null"]),
    ]
}

/// For each kind, how many of its samples convert: all, some or none.
fn outcomes(kinds: &[Kind], converts: fn(Cell<'_>) -> bool) -> Vec<&'static str> {
    let outcome = |kind: &Kind| {
        let count = kind
            .samples
            .iter()
            .filter(|(bytes, encoding)| converts(Cell::new(Some(bytes), *encoding)))
            .count();
        match count {
            0 => "",
            n if n == kind.samples.len() => "yes",
            _ => "if",
        }
    };
    kinds.iter().map(outcome).collect()
}

/// Lines whose labels are checked against the types they stand for: these must convert alike.
macro_rules! reads {
    ($kinds:ident: $($label:literal: $($type:ty),+;)*) => {{
        let mut table = Table::new("Rust type", $kinds.iter().map(|kind| kind.name));
        $(
            let alike: Vec<(&str, Vec<&str>)> = vec![$((
                stringify!($type),
                outcomes(&$kinds, |cell| <$type>::from_cell(cell).is_ok()),
            )),+];
            for (name, outcome) in &alike {
                assert_eq!(outcome, &alike[0].1, "{name} does not convert as {} does", alike[0].0);
            }
            table.line($label, alike[0].1.iter().copied());
        )*
        table
    }};
}

fn reading() -> Table {
    let kinds = kinds();
    reads! { kinds:
        "`bool`": bool;
        "`i8` `i16` `i32`": i8, i16, i32;
        "`i64` `isize`": i64, isize;
        "`u8` `u16` `u32`": u8, u16, u32;
        "`u64` `usize` `u128`": u64, usize, u128;
        "`i128`": i128;
        "`NonZero` of `i64` and narrower": NonZero<i64>, NonZero<i8>, NonZero<u16>;
        "`f64`": f64;
        "`f32`": f32;
        "`&str`": &str;
        "`String` `Box<str>` `Arc<str>` `Rc<str>` `Cow<str>`":
            String, Box<str>, Arc<str>, Rc<str>, Cow<'_, str>;
        "`&[u8]` `Cow<[u8]>`": &[u8], Cow<'_, [u8]>;
        "`Vec<u8>` `Box<[u8]>` `Arc<[u8]>` `Rc<[u8]>`": Vec<u8>, Box<[u8]>, Arc<[u8]>, Rc<[u8]>;
        "`[u8; N]`": [u8; 16];
        "`char`": char;
        "`IpAddr` `Ipv4Addr` `Ipv6Addr`": IpAddr, Ipv4Addr, Ipv6Addr;
        "`aquifer::Date`": Date;
        "`aquifer::Interval`": Interval;
        "`SystemTime`": SystemTime;
        "`std::time::Duration`": Duration;
        "chrono `NaiveDate`, time `Date`, jiff `civil::Date`":
            chrono::NaiveDate, time::Date, jiff::civil::Date;
        "chrono `NaiveTime`, time `Time`, jiff `civil::Time`":
            chrono::NaiveTime, time::Time, jiff::civil::Time;
        "chrono `NaiveDateTime`, time `PrimitiveDateTime`, jiff `civil::DateTime`":
            chrono::NaiveDateTime, time::PrimitiveDateTime, jiff::civil::DateTime;
        "chrono `DateTime<Utc>` `DateTime<FixedOffset>` `DateTime<Local>`":
            chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::FixedOffset>,
            chrono::DateTime<chrono::Local>;
        "time `OffsetDateTime` `UtcDateTime`, jiff `Timestamp`":
            time::OffsetDateTime, time::UtcDateTime, jiff::Timestamp;
        "chrono `TimeDelta`, time `Duration`, jiff `SignedDuration`":
            chrono::TimeDelta, time::Duration, jiff::SignedDuration;
        "jiff `Span`": jiff::Span;
        "uuid `Uuid` `Hyphenated` `Simple`":
            uuid::Uuid, uuid::fmt::Hyphenated, uuid::fmt::Simple;
        "rust_decimal `Decimal`": rust_decimal::Decimal;
        "serde_json `Value`, `Json<T>`": serde_json::Value, Json<serde_json::Value>;
        "`aquifer::Value` `ValueRef`": Value, ValueRef<'_>;
    }
}

/// The kinds that a type's samples are bound as.
fn bound_as(samples: &[&dyn ToValue]) -> String {
    struct Kinds(Vec<&'static str>);
    impl ParamSink for Kinds {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            if !self.0.contains(&value.kind()) {
                self.0.push(value.kind());
            }
            Ok(())
        }
    }
    let mut kinds = Kinds(Vec::new());
    for sample in samples {
        sample.bind(&mut kinds).unwrap();
    }
    kinds.0.join(", ")
}

macro_rules! binds {
    ($($label:literal: $($sample:expr),+;)*) => {{
        let mut table = Table::new("Rust type", ["bound as"]);
        $(table.line($label, [bound_as(&[$(&$sample),+])]);)*
        table
    }};
}

fn binding() -> Table {
    let chrono = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH;
    let time = time::UtcDateTime::UNIX_EPOCH;
    let jiff = jiff::Timestamp::UNIX_EPOCH;
    let jiff_civil = jiff::civil::DateTime::default();
    binds! {
        "`None`": None::<i64>;
        "`bool`": true;
        "`i8` to `i64`, `isize`, `u8` to `u32`, `NonZero` of them":
            1i8, 1i16, 1i32, 1i64, 1isize, 1u8, 1u16, 1u32, NonZero::<i64>::MIN;
        "`u64` `usize`": 1u64, u64::MAX, 1usize, usize::MAX;
        "`i128` `u128`": 1i128, 1u128, i128::from(u64::MAX), u128::MAX;
        "`f32` `f64`": 1f32, 1f64;
        "`&str` `String` `Box<str>` `Arc<str>` `Rc<str>` `Cow<str>` `char`":
            "a", String::new(), Box::<str>::from(""), Arc::<str>::from(""), Rc::<str>::from(""),
            Cow::from(""), 'a';
        "`&[u8]` `Vec<u8>` `[u8; N]` `Box<[u8]>` `Arc<[u8]>` `Rc<[u8]>`":
            &b""[..], vec![1u8], [1u8], Box::<[u8]>::from([1]), Arc::<[u8]>::from([1]),
            Rc::<[u8]>::from([1]);
        "`IpAddr` `Ipv4Addr` `Ipv6Addr`":
            IpAddr::from([127, 0, 0, 1]), Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST;
        "`aquifer::Date`, chrono `NaiveDate`, time `Date`, jiff `civil::Date`":
            Date(0), chrono.date_naive(), time.date(), jiff_civil.date();
        "chrono `NaiveTime`, time `Time`, jiff `civil::Time`":
            chrono.time(), time.time(), jiff_civil.time();
        "chrono `NaiveDateTime`, time `PrimitiveDateTime`, jiff `civil::DateTime`":
            chrono.naive_utc(), time::PrimitiveDateTime::new(time.date(), time.time()), jiff_civil;
        "`SystemTime`, chrono `DateTime` of any zone, time `OffsetDateTime` `UtcDateTime`, jiff `Timestamp`":
            UNIX_EPOCH, chrono, chrono.fixed_offset(), time, time::OffsetDateTime::UNIX_EPOCH, jiff;
        "`aquifer::Interval`, `std::time::Duration`, chrono `TimeDelta`, time `Duration`, jiff `SignedDuration` `Span`":
            Interval::default(), Duration::ZERO, chrono::TimeDelta::zero(), time::Duration::ZERO,
            jiff::SignedDuration::ZERO, jiff::Span::new();
        "uuid `Uuid`": uuid::Uuid::nil();
        "uuid `Hyphenated` `Simple`": uuid::Uuid::nil().hyphenated(), uuid::Uuid::nil().simple();
        "rust_decimal `Decimal`": rust_decimal::Decimal::ONE;
        "serde_json `Value`, `Json<T>`": serde_json::Value::Null, Json([1]);
    }
}

/// What SQLite keeps of each kind.
fn sqlite() -> Table {
    let at = 1_795_162_500_123_456;
    let uuid = *uuid::uuid!("67e55044-10b1-426f-9247-bb680e5fe0c8").as_bytes();
    let interval = Interval { months: 14, days: 3, micros: 1_500_000 };
    let mut table = Table::new("bound as", ["stored as", "example"]);
    for value in [
        ValueRef::Bool(true),
        ValueRef::Int(42),
        ValueRef::Float(1.5),
        ValueRef::Decimal("12.50"),
        ValueRef::Text("Nera"),
        ValueRef::Bytes(&[0xca, 0xfe]),
        ValueRef::Date(Date(20_777)),
        ValueRef::Time(29_700_250_000),
        ValueRef::Timestamp(at),
        ValueRef::TimestampTz(at),
        ValueRef::Interval(interval),
        ValueRef::Uuid(uuid),
        ValueRef::Json("{\"a\":1}"),
    ] {
        let batch = stored(&value, Engine::Sqlite).unwrap();
        let row: Row<'_> = batch.row(0).unwrap();
        let bytes = row.cell(0).unwrap().raw().unwrap();
        let tags = [
            (Tag::Int, "INTEGER"),
            (Tag::Float, "REAL"),
            (Tag::Text, "TEXT"),
            (Tag::Bytes, "BLOB"),
        ];
        let class = tags.iter().find(|(tag, _)| *tag as u8 == bytes[0]).unwrap().1;
        let example = match row.get::<ValueRef<'_>>(0).unwrap() {
            ValueRef::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("x'{hex}'")
            }
            ValueRef::Text(text) => format!("'{text}'"),
            _ => row.get::<String>(0).unwrap(),
        };
        table.line(value.kind(), [class.to_owned(), format!("`{example}`")]);
    }
    table
}

/// A table in Markdown, its columns padded so that the source reads well, too.
struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    fn new<'a>(first: &str, heads: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self { lines: Vec::new() };
        table.line(first, heads);
        table
    }

    fn line<T: Into<String>>(&mut self, first: &str, rest: impl IntoIterator<Item = T>) {
        let cells = std::iter::once(first.to_owned()).chain(rest.into_iter().map(Into::into));
        self.lines.push(cells.collect());
    }

    fn markdown(&self) -> String {
        let width = |at: usize| self.lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.lines[0].len()).map(width).collect();
        let mut out = String::new();
        for (at, line) in self.lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                out.push_str(&format!("| {cell:width$} "));
            }
            out.push_str("|\n");
            if at == 0 {
                widths
                    .iter()
                    .for_each(|width| out.push_str(&format!("|{}", "-".repeat(width + 2))));
                out.push_str("|\n");
            }
        }
        out
    }
}

#[test]
fn the_tables_of_the_document_are_what_the_code_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/types.md");
    let document = std::fs::read_to_string(path).expect("docs/types.md is there");
    let mut updated = document.clone();
    for (name, table) in [("reading", reading()), ("binding", binding()), ("sqlite", sqlite())] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = updated.find(&begin).expect("the table's first marker is there") + begin.len();
        let to = updated.find(&end).expect("the table's last marker is there");
        assert!(from <= to, "the markers of {name} are in order");
        updated.replace_range(from..to, &format!("\n{}\n", table.markdown()));
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &updated).expect("docs/types.md can be written");
    } else {
        assert!(
            updated == document,
            "docs/types.md does not say what the code does; \
             run: UPDATE_DOCS=1 cargo test -p aquifer-driver --test types_table"
        );
    }
}

#[test]
fn null_is_refused_by_all_but_options_and_values() {
    let null = Cell::new(None, Encoding::Tagged);
    assert!(String::from_cell(null).is_err());
    assert!(Vec::<u8>::from_cell(null).is_err());
    assert!(Date::from_cell(null).is_err());
    assert!(SystemTime::from_cell(null).is_err());
    assert!(Json::<Option<i64>>::from_cell(null).is_err());
    assert!(serde_json::Value::from_cell(null).is_err());
    assert_eq!(Option::<SystemTime>::from_cell(null).unwrap(), None);
    assert_eq!(Value::from_cell(null).unwrap(), Value::Null);
}

#[test]
fn strings_take_the_form_that_sqlite_stores() {
    for value in [
        ValueRef::Date(Date(-1)),
        ValueRef::Time(1),
        ValueRef::Timestamp(-1),
        ValueRef::TimestampTz(i64::MAX),
        ValueRef::Uuid([7; 16]),
    ] {
        let batch = stored(&value, Engine::Typed).unwrap();
        let text: String = batch.row(0).unwrap().get(0).unwrap();
        assert_eq!(text, notation::iso(&value).unwrap().as_str());
    }
}
