//! What is bound comes back, whether the engine has a type for it or stores it by SQLite's conventions.

mod cells;

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aquifer_driver::{
    Date, Error, ErrorKind, FromValue, Interval, Json, Result, RowBatch, ToValue, Value,
};
use cells::{Engine, stored};
use proptest::prelude::*;

/// Reads the only cell.
fn read<'r, T: FromValue<'r>>(batch: &'r RowBatch) -> Result<T> {
    match batch.row(0) {
        Some(row) => row.get(0),
        None => Err(Error::new(ErrorKind::NoRows, "no value was stored")),
    }
}

/// There and back.
fn returned<T: ToValue + for<'r> FromValue<'r>>(value: &T, engine: Engine) -> Result<T> {
    read(&stored(value, engine)?)
}

const BOTH: [Engine; 2] = [Engine::Typed, Engine::Sqlite];
const DAY_NANOS: i64 = 86_400_000_000_000;
const BILLION: i128 = 1_000_000_000;

type Checked = Result<(), TestCaseError>;

/// `value` comes back as it was, and so does it as an `Option`.
fn same<T>(value: T) -> Checked
where
    T: ToValue + for<'r> FromValue<'r> + PartialEq + Debug,
{
    for engine in BOTH {
        let back: T = returned(&value, engine).map_err(fail)?;
        prop_assert_eq!(&back, &value, "{:?}", engine);
        let batch = stored(&value, engine).map_err(fail)?;
        prop_assert_eq!(read::<Option<T>>(&batch).map_err(fail)?, Some(back));
    }
    Ok(())
}

/// `value` comes back within half a microsecond, at a whole one; `nanos` says where a value is.
fn nearest<T>(value: T, nanos: impl Fn(&T) -> i128) -> Checked
where
    T: ToValue + for<'r> FromValue<'r> + PartialEq + Debug,
{
    let was = nanos(&value);
    for engine in BOTH {
        let is = nanos(&returned(&value, engine).map_err(fail)?);
        prop_assert_eq!(is % 1000, 0);
        prop_assert!((is - was).abs() <= 500, "{} became {} ({:?})", was, is, engine);
    }
    Ok(())
}

/// [`nearest`], and exactly if cut to whole microseconds.
fn moment<T>(make: impl Fn(i128) -> T, at: i128, nanos: impl Fn(&T) -> i128) -> Checked
where
    T: ToValue + for<'r> FromValue<'r> + PartialEq + Debug,
{
    same(make(at - at.rem_euclid(1000)))?;
    nearest(make(at), nanos)
}

fn fail(error: aquifer_driver::Error) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Nanoseconds since 1970 within the years that all crates have: -9998 to 9999.
fn instants() -> impl Strategy<Value = i128> {
    let seconds = prop_oneof![-377_673_580_800i64..253_402_207_200, -100i64..100];
    (seconds, 0i64..1_000_000_000)
        .prop_map(|(seconds, nanos)| i128::from(seconds) * BILLION + i128::from(nanos))
}

/// Nanoseconds that fit microseconds in an `i64`.
fn durations() -> impl Strategy<Value = i128> {
    let end = i128::from(i64::MAX) * 1000;
    prop_oneof![-end..end, (-5_000_000_000i64..5_000_000_000).prop_map(i128::from)]
}

proptest! {
    // Integration tests have no place beside a lib.rs for failed cases: they are printed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers(a: i8, b: u16, c: i32, d: i64, e: u32, f: usize, g: isize) {
        same(a)?;
        same(b)?;
        same(c)?;
        same(d)?;
        same(e)?;
        same(f >> 1)?;
        same(g)?;
    }

    #[test]
    fn wide_integers(a in any::<i128>(), b in any::<u128>(), shift in 65u32..128) {
        same(a)?;
        same(b | 1 << 127)?;
        same(a >> shift)?;
        same(b >> shift)?;
        let unsigned = u64::MAX - (b as u64 >> 1);
        prop_assert_eq!(returned(&unsigned, Engine::Typed).map_err(fail)?, unsigned);
        // SQLite has no integer for it, and must not get another number.
        prop_assert_eq!(stored(&unsigned, Engine::Sqlite).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn non_zero_integers(a: NonZero<i64>, b: NonZero<u8>, c: NonZero<i128>, d: NonZero<u32>) {
        same(a)?;
        same(b)?;
        same(c)?;
        same(d)?;
    }

    #[test]
    fn floats(
        a in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        b in prop::num::f32::NORMAL | prop::num::f32::ZERO,
    ) {
        same(a)?;
        same(b)?;
    }

    #[test]
    fn text_and_bytes(text: String, bytes: Vec<u8>, letter: char, truth: bool, four: [u8; 4]) {
        same(text.clone())?;
        same(Box::<str>::from(&*text))?;
        same(Arc::<str>::from(&*text))?;
        same(Rc::<str>::from(&*text))?;
        same(bytes.clone())?;
        same(Box::<[u8]>::from(&*bytes))?;
        same(Arc::<[u8]>::from(&*bytes))?;
        same(Rc::<[u8]>::from(&*bytes))?;
        same(letter)?;
        same(truth)?;
        same(four)?;
        let batch = stored(&text, Engine::Sqlite).map_err(fail)?;
        prop_assert_eq!(read::<&str>(&batch).map_err(fail)?, &*text);
    }

    #[test]
    fn addresses(four: Ipv4Addr, six: Ipv6Addr) {
        same(four)?;
        same(six)?;
        same(IpAddr::from(four))?;
        same(IpAddr::from(six))?;
    }

    #[test]
    fn neutral_dates_and_intervals(days: i32, months: i32, micros: i64) {
        same(Date(days))?;
        same(Interval { months, days, micros })?;
    }

    #[test]
    fn values_of_the_kinds_that_sqlite_has(
        int: i64, float in prop::num::f64::NORMAL, text: String, bytes: Vec<u8>,
    ) {
        for value in [Value::Int(int), Value::Float(float), Value::Text(text), Value::Bytes(bytes)] {
            same(value)?;
        }
    }

    #[test]
    fn values_of_the_kinds_that_only_typed_engines_have(
        truth: bool, days: i32, micros: i64, uuid: [u8; 16],
    ) {
        for value in [
            Value::Bool(truth),
            Value::Decimal(format!("{days}.{}", micros.unsigned_abs())),
            Value::Date(Date(days)),
            Value::Time(micros),
            Value::Timestamp(micros),
            Value::TimestampTz(micros),
            Value::Uuid(uuid),
            Value::Json(format!("[{micros}]")),
        ] {
            prop_assert_eq!(returned(&value, Engine::Typed).map_err(fail)?, value);
        }
    }

    #[test]
    fn system_times(nanos in instants()) {
        let make = |nanos: i128| {
            let distance = Duration::from_nanos_u128(nanos.unsigned_abs());
            if nanos < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
        };
        moment(make, nanos, |time: &SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        })?;
    }

    #[test]
    fn durations_of_the_standard_library(nanos in durations()) {
        let make = |nanos: i128| Duration::from_nanos_u128(nanos.unsigned_abs());
        moment(make, nanos.abs(), |duration| duration.as_nanos() as i128)?;
    }

    #[test]
    fn chrono_types(nanos in instants(), of_day in 0..DAY_NANOS, delta in durations()) {
        use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, NaiveTime, TimeDelta, Utc};
        let utc = |nanos: i128| {
            let (seconds, fraction) = (nanos.div_euclid(BILLION), nanos.rem_euclid(BILLION));
            DateTime::<Utc>::from_timestamp(seconds as i64, fraction as u32).unwrap()
        };
        fn since<Z: chrono::TimeZone>(time: &DateTime<Z>) -> i128 {
            i128::from(time.timestamp()) * BILLION + i128::from(time.timestamp_subsec_nanos())
        }
        moment(utc, nanos, since)?;
        moment(|nanos| DateTime::<FixedOffset>::from(utc(nanos)), nanos, since)?;
        moment(|nanos| DateTime::<Local>::from(utc(nanos)), nanos, since)?;
        moment(|nanos| utc(nanos).naive_utc(), nanos, |t: &NaiveDateTime| since(&t.and_utc()))?;
        same(utc(nanos).date_naive())?;
        let time = |nanos: i128| {
            NaiveTime::from_num_seconds_from_midnight_opt(
                (nanos / BILLION) as u32, (nanos % BILLION) as u32,
            ).unwrap()
        };
        if of_day < DAY_NANOS - 500 {
            moment(time, of_day.into(), |time: &NaiveTime| {
                i128::from((*time - NaiveTime::MIN).num_nanoseconds().unwrap())
            })?;
        }
        let make = |nanos: i128| {
            TimeDelta::new(nanos.div_euclid(BILLION) as i64, nanos.rem_euclid(BILLION) as u32).unwrap()
        };
        moment(make, delta, |delta| {
            i128::from(delta.num_seconds()) * BILLION + i128::from(delta.subsec_nanos())
        })?;
    }

    #[test]
    fn chrono_dates_of_all_its_years(days in -95_746_129i32..=95_745_399) {
        // The whole range of NaiveDate, from its first day in the year -262143.
        same(chrono::NaiveDate::from_num_days_from_ce_opt(days).unwrap())?;
    }

    #[test]
    fn time_types(nanos in instants(), of_day in 0..DAY_NANOS, delta in durations()) {
        use time::{Duration, OffsetDateTime, PrimitiveDateTime, Time, UtcDateTime};
        let utc = |nanos| UtcDateTime::from_unix_timestamp_nanos(nanos).unwrap();
        moment(utc, nanos, |time| time.unix_timestamp_nanos())?;
        moment(|nanos| OffsetDateTime::from(utc(nanos)), nanos, |t| t.unix_timestamp_nanos())?;
        let plain = |nanos| PrimitiveDateTime::new(utc(nanos).date(), utc(nanos).time());
        moment(plain, nanos, |time| time.as_utc().unix_timestamp_nanos())?;
        same(utc(nanos).date())?;
        if of_day < DAY_NANOS - 500 {
            moment(|nanos| Time::MIDNIGHT + Duration::nanoseconds(nanos as i64), of_day.into(), |time| {
                (*time - Time::MIDNIGHT).whole_nanoseconds()
            })?;
        }
        moment(Duration::nanoseconds_i128, delta, |delta| delta.whole_nanoseconds())?;
    }

    #[test]
    fn jiff_types(nanos in instants(), of_day in 0..DAY_NANOS, delta in durations()) {
        use jiff::civil::{DateTime, Time};
        use jiff::{SignedDuration, Timestamp, tz::TimeZone};
        let instant = |nanos| Timestamp::from_nanosecond(nanos).unwrap();
        moment(instant, nanos, |time| time.as_nanosecond())?;
        let plain = |nanos| instant(nanos).to_zoned(TimeZone::UTC).datetime();
        moment(plain, nanos, |time: &DateTime| {
            time.to_zoned(TimeZone::UTC).unwrap().timestamp().as_nanosecond()
        })?;
        same(plain(nanos).date())?;
        if of_day < DAY_NANOS - 500 {
            moment(|nanos| Time::midnight() + SignedDuration::from_nanos(nanos as i64), of_day.into(), |time| {
                time.duration_since(Time::midnight()).as_nanos()
            })?;
        }
        let make = |nanos: i128| SignedDuration::new((nanos / BILLION) as i64, (nanos % BILLION) as i32);
        moment(make, delta, |delta| delta.as_nanos())?;
    }

    #[test]
    fn jiff_spans_in_their_three_units(
        months in 0i32..200_000, days in 0i32..7_000_000, micros in 0i64..600_000_000_000_000_000,
        minus: bool,
    ) {
        let span = jiff::Span::new().months(months).days(days)
            .seconds(micros / 1_000_000).nanoseconds(micros % 1_000_000 * 1000);
        let span = if minus { -span } else { span };
        for engine in BOTH {
            let back: jiff::Span = returned(&span, engine).map_err(fail)?;
            prop_assert_eq!(back.fieldwise(), span.fieldwise());
        }
    }

    #[test]
    fn uuids(bytes: [u8; 16]) {
        let uuid = uuid::Uuid::from_bytes(bytes);
        same(uuid)?;
        same(uuid.hyphenated())?;
        same(uuid.simple())?;
        // Each form is read by each type.
        for engine in BOTH {
            let text = stored(&uuid.hyphenated(), engine).map_err(fail)?;
            prop_assert_eq!(read::<uuid::Uuid>(&text).map_err(fail)?, uuid);
            let binary = stored(&uuid, engine).map_err(fail)?;
            prop_assert_eq!(read::<uuid::fmt::Simple>(&binary).map_err(fail)?, uuid.simple());
            prop_assert_eq!(read::<Vec<u8>>(&binary).map_err(fail)?, bytes.to_vec());
        }
    }

    #[test]
    fn decimals_keep_value_and_scale(low: u32, mid: u32, high: u32, minus: bool, scale in 0u32..=28) {
        let decimal = rust_decimal::Decimal::from_parts(low, mid, high, minus, scale);
        same(decimal)?;
        for engine in BOTH {
            let back = returned(&decimal, engine).map_err(fail)?;
            prop_assert_eq!(back.scale(), decimal.scale());
        }
    }

    #[test]
    fn json(tree in documents(), numbers: Vec<i32>, word: String) {
        same(tree.clone())?;
        same(Json(tree))?;
        same(Json(numbers))?;
        same(Json((word, 1u8)))?;
    }
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Tree;
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<u64>().prop_map(Tree::from),
        any::<String>().prop_map(Tree::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Tree::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn null_comes_back_as_none() {
    for engine in BOTH {
        let batch = stored(&None::<i64>, engine).unwrap();
        assert_eq!(read::<Option<uuid::Uuid>>(&batch).unwrap(), None);
        let error = read::<uuid::Uuid>(&batch).unwrap_err();
        assert!(error.to_string().contains("use an Option"), "{error}");
    }
}
