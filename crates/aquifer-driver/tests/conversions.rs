//! What the conversion table refuses, and what its errors say.

use std::time::{Duration, SystemTime};

use aquifer_driver::{
    Cell, Column, Encoding, Error, ErrorKind, FromValue, Interval, Json, ParamBuf, Tag, ToValue,
};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

fn text(text: &str) -> Cell<'_> {
    Cell::new(Some(text.as_bytes()), Encoding::Text)
}

/// The error as a user meets it.
fn refused<'r, T: FromValue<'r>>(cell: Cell<'r>) -> Error {
    match T::from_cell(cell) {
        Ok(_) => panic!("the conversion succeeded"),
        Err(error) => error.at(0, &Column::new("c", cell.encoding())),
    }
}

fn bound(value: impl ToValue) -> Result<ParamBuf, Error> {
    ParamBuf::of(&(value,))
}

#[test]
fn numbers_are_never_taken_for_times() {
    let seconds = 1_795_162_500i64.to_be_bytes();
    let int = Cell::new(Some(&seconds), Encoding::I64Be);
    let julian = 2_461_364.8f64.to_be_bytes();
    let float = Cell::new(Some(&julian), Encoding::F64Be);
    for error in [
        refused::<DateTime<Utc>>(int),
        refused::<SystemTime>(int),
        refused::<NaiveDate>(int),
        refused::<time::PrimitiveDateTime>(float),
        refused::<jiff::Timestamp>(float),
    ] {
        assert_eq!(error.kind(), ErrorKind::Conversion);
        assert!(error.hint().unwrap().contains("unixepoch"), "{error}");
    }
    assert!(refused::<Duration>(int).hint().unwrap().contains("no unit"));
}

#[test]
fn zones_are_neither_invented_nor_lost() {
    let micros = 0i64.to_le_bytes();
    let plain = Cell::new(Some(&micros), Encoding::TimestampLe);
    let instant = Cell::new(Some(&micros), Encoding::TimestampTzLe);
    assert!(refused::<DateTime<Utc>>(plain).to_string().contains("no time zone"));
    assert!(refused::<NaiveDateTime>(instant).to_string().contains("read it as an instant"));
    let zoned = text("2026-11-20 08:15:00+00:00");
    assert!(refused::<NaiveDateTime>(zoned).to_string().contains("its text has an offset"));
    assert!(refused::<NaiveDate>(plain).hint().unwrap().contains("CAST"));
}

#[test]
fn text_without_an_offset_is_an_instant_in_utc() {
    let want: DateTime<Utc> = "2026-11-20T08:15:00Z".parse().unwrap();
    for form in ["2026-11-20 08:15:00", "2026-11-20T09:15+01", "2026-11-20 08:15:00.000Z"] {
        assert_eq!(DateTime::<Utc>::from_cell(text(form)).unwrap(), want, "{form}");
        assert_eq!(SystemTime::from_cell(text(form)).unwrap(), SystemTime::from(want), "{form}");
    }
}

#[test]
fn the_offset_of_a_text_is_kept_by_types_that_have_one() {
    let cell = text("2026-11-20 08:15:00-09:30");
    let chrono = DateTime::<FixedOffset>::from_cell(cell).unwrap();
    assert_eq!(chrono.to_rfc3339(), "2026-11-20T08:15:00-09:30");
    let time = time::OffsetDateTime::from_cell(cell).unwrap();
    assert_eq!((time.hour(), time.offset().whole_minutes()), (8, -570));
}

#[test]
fn nanoseconds_in_text_are_read_by_types_that_have_them() {
    let cell = text("1969-12-31T23:59:59.123456789Z");
    assert_eq!(DateTime::<Utc>::from_cell(cell).unwrap().timestamp_subsec_nanos(), 123_456_789);
    assert_eq!(time::UtcDateTime::from_cell(cell).unwrap().nanosecond(), 123_456_789);
    let jiff = jiff::Timestamp::from_cell(cell).unwrap();
    assert_eq!(jiff.to_string(), "1969-12-31T23:59:59.123456789Z");
    assert_eq!(
        NaiveTime::from_cell(text("00:00:00.000000001")).unwrap().format("%f").to_string(),
        "000000001"
    );
    assert!(refused::<Interval>(text("PT0.0000001S")).to_string().contains("microsecond"));
    assert_eq!(Duration::from_cell(text("PT0.0000001S")).unwrap(), Duration::from_nanos(100));
}

#[test]
fn infinities_and_the_end_of_the_day_are_refused_by_calendars() {
    let infinite = i64::MAX.to_le_bytes();
    let cell = Cell::new(Some(&infinite), Encoding::TimestampTzLe);
    assert!(refused::<DateTime<Utc>>(cell).to_string().contains("infinite"));
    assert!(refused::<time::Date>(text("-infinity")).to_string().contains("infinite"));
    assert!(refused::<jiff::civil::Time>(text("24:00:00")).to_string().contains("range"));
    assert!(refused::<time::Date>(text("+10000-01-01")).to_string().contains("range"));
    assert!(NaiveDate::from_cell(text("+10000-01-01")).is_ok());
}

#[test]
fn months_and_days_have_no_fixed_length() {
    for cell in [text("P1M"), text("P1D")] {
        assert!(refused::<Duration>(cell).hint().unwrap().contains("Interval"));
        assert!(refused::<chrono::TimeDelta>(cell).to_string().contains("no fixed length"));
    }
    assert!(refused::<Duration>(text("PT-1S")).to_string().contains("negative"));
    assert!(refused::<jiff::Span>(text("P1M-1D")).to_string().contains("sign"));
}

#[test]
fn times_beyond_the_neutral_units_are_not_bound() {
    let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
    let error = bound(leap).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.nothing_sent() && error.to_string().contains("leap second"), "{error}");
    assert!(bound(NaiveDate::MIN.and_time(leap)).is_err());
    assert!(bound(Duration::MAX).unwrap_err().to_string().contains("range"));
    assert!(bound(jiff::SignedDuration::MIN).is_err());
    assert!(bound(chrono::TimeDelta::MAX).is_err());
    assert!(bound(DateTime::<Utc>::MAX_UTC).is_ok());
}

#[test]
fn decimals_are_exact_or_refused() {
    let decimal = |text: &'static str| Cell::new(Some(text.as_bytes()), Encoding::Decimal);
    assert_eq!(Decimal::from_cell(decimal("12.50")).unwrap().to_string(), "12.50");
    assert_eq!(Decimal::from_cell(text("-0.10")).unwrap().to_string(), "-0.10");
    let long = "79228162514264337593543950336";
    assert!(refused::<Decimal>(decimal(long)).to_string().contains("more digits"));
    let fine = "0.00000000000000000000000000001";
    assert!(refused::<Decimal>(decimal(fine)).to_string().contains("more digits"));
    assert!(refused::<Decimal>(decimal("NaN")).to_string().contains("not finite"));
    assert!(refused::<Decimal>(text("1e5")).to_string().contains("plain notation"));
    assert!(refused::<Decimal>(text("1_000")).to_string().contains("plain notation"));
    let half = 0.5f64.to_le_bytes();
    let error = refused::<Decimal>(Cell::new(Some(&half), Encoding::F64Le));
    assert!(error.hint().unwrap().contains("TEXT column"), "{error}");
}

#[test]
fn the_widest_integers_are_read_to_their_ends() {
    let max = u128::MAX.to_string();
    assert_eq!(u128::from_cell(text(&max)).unwrap(), u128::MAX);
    let with_zeros = format!("{max}.00");
    let cell = Cell::new(Some(with_zeros.as_bytes()), Encoding::Decimal);
    assert_eq!(u128::from_cell(cell).unwrap(), u128::MAX);
    let ten = Cell::new(Some(b"10"), Encoding::Decimal);
    assert_eq!(u128::from_cell(ten).unwrap(), 10);
    let beyond = format!("{max}0");
    assert!(refused::<u128>(text(&beyond)).to_string().contains("out of range"));
    assert!(refused::<u128>(text("-1")).to_string().contains("out of range"));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings<'a> {
    #[serde(borrow)]
    name: &'a str,
    level: u8,
}

#[test]
fn json_documents_may_borrow_from_the_row() {
    let cell = text("{\"name\": \"Nera\", \"level\": 3}");
    let Json(settings) = Json::<Settings<'_>>::from_cell(cell).unwrap();
    assert_eq!(settings, Settings { name: "Nera", level: 3 });
    let Json(raw) = Json::<&RawValue>::from_cell(cell).unwrap();
    assert_eq!(raw.get().as_ptr(), cell.raw().unwrap().as_ptr());
}

#[test]
fn numbers_that_sqlite_made_of_json_are_still_documents() {
    let mut tagged = vec![Tag::Int as u8];
    tagged.extend_from_slice(&12i64.to_le_bytes());
    let cell = Cell::new(Some(&tagged), Encoding::Tagged);
    assert_eq!(Json::<u8>::from_cell(cell).unwrap(), Json(12));
    assert_eq!(serde_json::Value::from_cell(cell).unwrap(), serde_json::json!(12));
    assert!(
        refused::<Json<Vec<u8>>>(cell).to_string().ends_with("its JSON has not the type's shape")
    );
}

#[test]
fn jsonb_is_not_taken_for_text() {
    // SQLite's JSONB of 123: were it text, it would be 3123.
    let cell = Cell::new(Some(b"\x33123"), Encoding::Bytes);
    assert!(refused::<Json<i64>>(cell).hint().unwrap().contains("json(column)"));
}

#[test]
fn errors_of_json_say_where_and_not_what() {
    let error = refused::<Json<Settings<'_>>>(text("{\"name\": 1,\n \"level\": \"hunter2\"}"));
    assert!(error.to_string().contains("shape: line 1 column"), "{error}");
    let error = refused::<Json<Vec<u8>>>(text("[1,\n\"hunter2\"]"));
    assert!(error.to_string().contains("shape: line 2 column"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = refused::<Json<Settings<'_>>>(text("{\"name\": \"x\"}"));
    assert!(error.to_string().contains("its JSON has no field `level`"), "{error}");
    assert!(refused::<Json<i64>>(text("[1")).to_string().contains("shape"));
    assert!(refused::<Json<Vec<i64>>>(text("[1")).to_string().contains("ends too early"));
    assert!(refused::<Json<Vec<i64>>>(text("hunter2")).to_string().contains("it is not JSON"));
}

#[test]
fn a_value_that_does_not_serialize_is_not_bound_and_not_quoted() {
    struct Secret;
    impl Serialize for Secret {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("hunter2"))
        }
    }
    let error = bound(Json(Secret)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn no_error_quotes_the_cell() {
    const SECRET: &str = "hunter2";
    for error in [
        refused::<NaiveDate>(text(SECRET)),
        refused::<time::Time>(text(SECRET)),
        refused::<jiff::civil::DateTime>(text(SECRET)),
        refused::<SystemTime>(text(SECRET)),
        refused::<Interval>(text(SECRET)),
        refused::<Uuid>(text(SECRET)),
        refused::<Decimal>(text(SECRET)),
        refused::<std::net::IpAddr>(text(SECRET)),
        refused::<char>(text(SECRET)),
    ] {
        assert_eq!(error.kind(), ErrorKind::Conversion);
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}
