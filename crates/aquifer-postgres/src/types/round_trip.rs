//! Arguments written and read back, by both ways that a value can go.

use aquifer_driver::{Date, ErrorKind, Interval, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::cases::{read, same};
use super::catalogue::oid;
use super::{Format, Oid, array, declared, name, put};

fn written(oid: Oid, value: &Value) -> (Format, Vec<u8>) {
    let mut out = vec![9];
    let format =
        put(oid, value.as_ref(), &mut out).unwrap_or_else(|e| panic!("{}: {e}", name(oid)));
    assert_eq!(out[..5], [&[9][..], &(out.len() as u32 - 5).to_be_bytes()].concat());
    (format, out.split_off(5))
}

/// The value comes back from its binary form, and from the text of a first use.
fn comes_back(oid: Oid, value: &Value) {
    let (format, cell) = written(oid, value);
    if !matches!(value, Value::Text(_) | Value::Json(_)) {
        assert_eq!(format, Format::Binary, "{} {value:?}", name(oid));
    }
    for (format, cell) in [(format, cell), written(0, value)] {
        let back = read(oid, format, &cell);
        assert!(
            back.as_ref().is_ok_and(|back| same(back, value)),
            "{} {format:?} {value:?} {back:?}",
            name(oid)
        );
    }
}

/// One value of each kind, with a type that has its binary form.
fn scalars() -> impl Strategy<Value = (Oid, Value)> {
    prop_oneof![
        any::<bool>().prop_map(|v| (oid::BOOL, v.into())),
        any::<i16>().prop_map(|v| (oid::INT2, v.into())),
        any::<i32>().prop_map(|v| (oid::INT4, v.into())),
        any::<i64>().prop_map(|v| (oid::INT8, v.into())),
        any::<u32>().prop_map(|v| (oid::OID, v.into())),
        any::<f32>().prop_map(|v| (oid::FLOAT4, v.into())),
        any::<f64>().prop_map(|v| (oid::FLOAT8, v.into())),
        decimal().prop_map(|v| (oid::NUMERIC, Value::Decimal(v))),
        "\\PC{0,20}|[{}\",\\\\; NUL]{0,8}".prop_map(|v| (oid::TEXT, v.into())),
        vec(any::<u8>(), 0..20).prop_map(|v| (oid::BYTEA, v.into())),
        date().prop_map(|v| (oid::DATE, Value::Date(Date(v)))),
        (0..=86_400_000_000i64).prop_map(|v| (oid::TIME, Value::Time(v))),
        micros().prop_map(|v| (oid::TIMESTAMP, Value::Timestamp(v))),
        micros().prop_map(|v| (oid::TIMESTAMPTZ, Value::TimestampTz(v))),
        any::<(i32, i32, i64)>().prop_map(|(months, days, micros)| {
            (oid::INTERVAL, Value::Interval(Interval { months, days, micros }))
        }),
        any::<[u8; 16]>().prop_map(|v| (oid::UUID, Value::Uuid(v))),
        "[a-z\"\\\\{}]{0,9}".prop_map(|v| (oid::JSON, Value::Json(format!("{v:?}")))),
    ]
}

fn decimal() -> impl Strategy<Value = String> {
    "(0|-?[1-9][0-9]{0,20})(\\.[0-9]{1,20})?"
}

/// Days since 1970 that PostgreSQL has.
fn date() -> impl Strategy<Value = i32> {
    prop_oneof![Just(i32::MAX), Just(i32::MIN), -2_440_588..2_145_042_541i32]
}

fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MAX),
        Just(i64::MIN),
        -210_866_803_200_000_000..9_223_372_036_854_000_000i64,
        -62_135_596_800_000_000..253_402_300_800_000_000i64,
    ]
}

proptest! {
    #[test]
    fn scalars_come_back((oid, value) in scalars()) {
        comes_back(oid, &value);
    }

    #[test]
    fn arrays_come_back_with_their_nulls(
        items in vec((scalars(), any::<bool>()), 1..6),
    ) {
        // The first one's type is that of all.
        let oid = items[0].0.0;
        let items: Vec<Value> = items
            .into_iter()
            .filter(|((other, _), _)| *other == oid)
            .map(|((_, value), null)| if null { Value::Null } else { value })
            .collect();
        let array = array(oid).unwrap();
        comes_back_as(array, &Value::Array(items.clone()));
        comes_back_as(array, &Value::Array(vec![Value::Array(items.clone()), Value::Array(items)]));
    }

    #[test]
    fn rectangles_come_back(rows in vec(vec(option::of(any::<i32>()), 3), 1..4)) {
        let rows = rows.into_iter().map(|row| Value::Array(row.into_iter().map(Into::into).collect()));
        comes_back_as(1007, &Value::Array(rows.collect()));
    }

    #[test]
    fn integers_of_any_size_are_never_cut(v: i64, oid in prop_oneof![
        Just(oid::INT2), Just(oid::INT4), Just(oid::OID), Just(oid::FLOAT4), Just(oid::FLOAT8),
        Just(oid::TEXT), Just(oid::NUMERIC), Just(oid::BOOL),
    ]) {
        let (format, cell) = written(oid, &v.into());
        match format {
            Format::Text => prop_assert_eq!(cell, v.to_string().into_bytes()),
            Format::Binary => match read(oid, format, &cell).unwrap() {
                Value::Int(back) => prop_assert_eq!(back, v),
                Value::Float(back) => prop_assert_eq!(back as i128, i128::from(v)),
                other => prop_assert!(false, "{:?}", other),
            },
        }
    }

    #[test]
    fn floats_are_narrowed_only_if_nothing_is_lost(v: f64, narrow: f32) {
        let (format, _) = written(oid::FLOAT4, &f64::from(narrow).into());
        prop_assert_eq!(format, Format::Binary);
        let (format, cell) = written(oid::FLOAT4, &v.into());
        if format == Format::Text {
            let text = String::from_utf8(cell).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), v.to_bits());
        }
    }
}

/// As [`comes_back`]; a JSON element is text to a text array's reader, and bytes go with their type.
fn comes_back_as(array: Oid, value: &Value) {
    let first = written(if declared(value.as_ref()) == 0 { 0 } else { array }, value);
    for (format, cell) in [written(array, value), first] {
        let back = read(array, format, &cell);
        assert!(
            back.as_ref().is_ok_and(|back| same(back, value)),
            "{} {format:?} {value:?} {back:?}",
            name(array)
        );
    }
}

#[test]
fn what_has_no_binary_form_in_common_stays_the_text_of_a_first_use() {
    for (oid, value) in [
        (oid::INT4, Value::Text("42".into())),
        (oid::INT2, 32_768.into()),
        (oid::INT4, i64::MAX.into()),
        (oid::NUMERIC, 1.5.into()),
        (oid::NUMERIC, Value::Decimal("1e5".into())),
        (oid::TEXT, 5.into()),
        (oid::INT4, true.into()),
        (oid::BOOL, 1.into()),
        (oid::TIMESTAMP, Value::Date(Date(0))),
        (oid::TIMESTAMP, Value::TimestampTz(0)),
        (oid::TIMESTAMPTZ, Value::Timestamp(0)),
        (oid::INET, "::1".into()),
        (oid::INT8, u64::MAX.into()),
        (oid::DATE, Value::Date(Date(i32::MIN + 1))),
        (oid::JSONB, Value::Json("{}".into())),
        (99_999, "red".into()),
    ] {
        let (format, cell) = written(oid, &value);
        if value != Value::Json("{}".into()) {
            assert_eq!(format, Format::Text, "{value:?}");
            assert_eq!(written(0, &value), (format, cell), "{value:?}");
        }
    }
    // Elements as well: one that has none makes the whole array text.
    let mixed = Value::Array(vec![1.into(), "2".into()]);
    assert_eq!(written(1007, &mixed), (Format::Text, b"{\"1\",\"2\"}".to_vec()));
}

#[test]
fn null_has_no_bytes_whatever_its_type() {
    for oid in [0, oid::INT4, oid::BYTEA, 1007] {
        let mut out = Vec::new();
        put(oid, Value::Null.as_ref(), &mut out).unwrap();
        assert_eq!(out, [0xff; 4]);
    }
}

#[test]
fn empty_arrays_are_empty_however_they_nest() {
    let empty = Value::Array(vec![]);
    let nested = Value::Array(vec![empty.clone(), empty.clone()]);
    for value in [&empty, &nested] {
        assert_eq!(written(0, value), (Format::Text, b"{}".to_vec()));
        let (format, cell) = written(1007, value);
        assert_eq!(read(1007, format, &cell).unwrap(), empty);
    }
}

#[test]
fn arrays_that_are_not_rectangular_or_too_deep_are_the_servers_to_refuse() {
    let row = |values: &[i64]| Value::Array(values.iter().map(|v| (*v).into()).collect());
    let ragged = Value::Array(vec![row(&[1, 2]), row(&[3])]);
    assert_eq!(written(1007, &ragged), written(0, &ragged));
    let half = Value::Array(vec![row(&[]), row(&[3])]);
    assert_eq!(written(1007, &half), (Format::Text, b"{{},{\"3\"}}".to_vec()));
    let mut deep = row(&[1]);
    for _ in 0..6 {
        deep = Value::Array(vec![deep]);
    }
    assert_eq!(written(1007, &deep).0, Format::Text);
    let mut out = Vec::new();
    let too_deep = Value::Array(vec![Value::Array(vec![deep])]);
    let error = put(1007, too_deep.as_ref(), &mut out).unwrap_err();
    assert_eq!((error.kind(), out.len()), (ErrorKind::Argument, 0));
}

#[test]
fn bytes_reach_bytea_and_nothing_that_would_misread_them() {
    let bytes = Value::Bytes(vec![0, 1]);
    assert_eq!(written(0, &bytes), (Format::Binary, vec![0, 1]));
    assert_eq!(written(oid::BYTEA, &bytes), (Format::Binary, vec![0, 1]));
    for (oid, value) in [(oid::TEXT, bytes.clone()), (1009, Value::Array(vec![bytes]))] {
        let mut out = Vec::new();
        let error = put(oid, value.as_ref(), &mut out).unwrap_err();
        assert_eq!((error.kind(), out.len()), (ErrorKind::Argument, 0));
        assert!(error.to_string().contains("TEXT"), "{error}");
    }
}

#[test]
fn a_time_beyond_its_day_is_refused_whether_the_type_is_known_or_not() {
    for oid in [0, oid::TIME] {
        let error = put(oid, Value::Time(-1).as_ref(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}
