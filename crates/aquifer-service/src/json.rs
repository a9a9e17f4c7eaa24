//! Rows as JSON, written straight from their cells into the answer's buffer.
//!
//! Integers stay numbers of 64 bits, floats are the shortest text that reads back the same, NaN and
//! the infinities (which JSON lacks) are `null`; bytes are base64, dates and times ISO 8601, decimals
//! strings, so that no digit is lost on the way.

use std::io::Write as _;

use aquifer_driver::{ArrayRef, Columns, ConversionError, Row, ValueRef, civil, notation};

use crate::base64;

/// How the rows of one result are written: keys encoded once, and what the engine does not say by itself.
#[derive(Debug, Default)]
pub struct RowLayout {
    /// `{"id":`, then `,"code":`, ready to copy.
    keys: Vec<Box<[u8]>>,
    /// Columns declared as truth values on an engine that stores them as 0 and 1.
    is_bool: Vec<bool>,
}

impl RowLayout {
    /// The layout for these columns.
    pub fn of(columns: &Columns) -> Self {
        let mut layout = Self::default();
        for (index, column) in columns.iter().enumerate() {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            text(&mut key, &column.name);
            key.push(b':');
            layout.keys.push(key.into_boxed_slice());
            layout.is_bool.push(
                column.type_name.eq_ignore_ascii_case("BOOLEAN")
                    || column.type_name.eq_ignore_ascii_case("BOOL"),
            );
        }
        layout
    }

    /// Appends a row as an object.
    ///
    /// # Errors
    ///
    /// If a cell is damaged (text that is not UTF-8); the position of its column comes with it, and the
    /// buffer ends in the middle of the object.
    pub fn row(&self, out: &mut Vec<u8>, row: Row<'_>) -> Result<(), (usize, ConversionError)> {
        if self.keys.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        for (index, key) in self.keys.iter().enumerate() {
            out.extend_from_slice(key);
            let Some(cell) = row.cell(index) else {
                out.extend_from_slice(b"null");
                continue;
            };
            match cell.value().map_err(|error| (index, error))? {
                ValueRef::Int(value @ (0 | 1)) if self.is_bool[index] => {
                    out.extend_from_slice(if value == 1 { b"true" } else { b"false" });
                }
                other => value(out, &other),
            }
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends any value.
pub(crate) fn value(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    match *value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Bool(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
        ValueRef::Int(v) => number(out, v),
        ValueRef::UInt(v) => number(out, v),
        ValueRef::Float(v) if v.is_finite() => {
            // `Debug` is the shortest text that reads back the same, with an exponent where that is shorter.
            let _ = write!(out, "{v:?}");
        }
        ValueRef::Float(_) => out.extend_from_slice(b"null"),
        ValueRef::Decimal(v) | ValueRef::Text(v) => text(out, v),
        ValueRef::Bytes(v) => {
            out.push(b'"');
            base64::encode(out, v);
            out.push(b'"');
        }
        ValueRef::Date(_) | ValueRef::Time(_) | ValueRef::Interval(_) | ValueRef::Uuid(_) => {
            match notation::iso(value) {
                Some(iso) => text(out, iso.as_str()),
                // A time outside of its day has no text.
                None => out.extend_from_slice(b"null"),
            }
        }
        ValueRef::Timestamp(v) => timestamp(out, v, ""),
        ValueRef::TimestampTz(v) => timestamp(out, v, "Z"),
        // Engines that keep JSON as plain text may hold what is not JSON: that is text.
        ValueRef::Json(v) if serde_json::from_str::<serde::de::IgnoredAny>(v).is_ok() => {
            out.extend_from_slice(v.as_bytes());
        }
        ValueRef::Json(v) => text(out, v),
        ValueRef::Array(items) => array(out, items),
        ValueRef::Elements(items) => array(out, &items),
        // Kinds that later versions of the contract add.
        ref other => text(out, other.kind()),
    }
}

fn array(out: &mut Vec<u8>, items: &dyn ArrayRef) {
    out.push(b'[');
    let mut first = true;
    // The closure never fails, so the visit ends early only before an element that cannot be read.
    let visited = items.visit(&mut |item| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        self::value(out, &item);
        Ok(())
    });
    if visited.is_err() {
        out.extend_from_slice(if first { b"null" } else { b",null" });
    }
    out.push(b']');
}

fn number(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a `Vec` does not fail.
    let _ = write!(out, "{value}");
}

/// ISO 8601 with a `T`, as RFC 3339 and JavaScript want it.
fn timestamp(out: &mut Vec<u8>, micros: i64, zone: &str) {
    let iso = civil::timestamp(micros);
    match iso.as_str().split_once(' ') {
        Some((date, time)) => {
            let _ = write!(out, "\"{date}T{time}{zone}\"");
        }
        None => text(out, iso.as_str()),
    }
}

/// Appends a JSON string. Runs without special characters are copied whole.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..index]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.extend_from_slice(escape);
        }
        copied = index + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquifer_driver::{Column, Date, Encoding, Interval, RowBatch, Tag, Value};

    use super::*;

    fn written(v: &Value) -> String {
        let mut out = Vec::new();
        value(&mut out, &v.as_ref());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_of_value_has_its_json() {
        for (value, json) in [
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Int(i64::MIN), "-9223372036854775808"),
            (Value::UInt(u64::MAX), "18446744073709551615"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1e300), "1e300"),
            (Value::Float(f64::NAN), "null"),
            (Value::Float(f64::NEG_INFINITY), "null"),
            (Value::Decimal("1.50".into()), "\"1.50\""),
            (Value::Bytes(b"foo".to_vec()), "\"Zm9v\""),
            (Value::Date(Date(0)), "\"1970-01-01\""),
            (Value::Date(Date(i32::MAX)), "\"infinity\""),
            (Value::Time(3_600_000_000), "\"01:00:00\""),
            (Value::Timestamp(1_500_000), "\"1970-01-01T00:00:01.500\""),
            (Value::TimestampTz(0), "\"1970-01-01T00:00:00Z\""),
            (Value::TimestampTz(i64::MIN), "\"-infinity\""),
            (
                Value::Interval(Interval { months: 1, days: -2, micros: -1 }),
                "\"P1M-2DT-0.000001S\"",
            ),
            (Value::Interval(Interval::default()), "\"PT0S\""),
            (Value::Uuid([0xab; 16]), "\"abababab-abab-abab-abab-abababababab\""),
            (Value::Json("{\"a\": [1]}".into()), "{\"a\": [1]}"),
            (Value::Json("{a}".into()), "\"{a}\""),
            (Value::Array(vec![1.into(), Value::Null]), "[1,null]"),
        ] {
            assert_eq!(written(&value), json);
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
    }

    #[test]
    fn text_is_escaped_so_that_it_reads_back() {
        for text in ["", "plain", "q\"\\\n\r\t\u{0}\u{1f}\u{7f}é\u{2028}😀", "\"\""] {
            let json = written(&text.into());
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{json}");
        }
    }

    #[test]
    fn rows_become_objects_and_declared_truth_values_become_booleans() {
        let columns = Arc::new(Columns::new(vec![
            Column::new("id", Encoding::Tagged),
            Column::new("a\"b", Encoding::Tagged),
            Column::new("dry", Encoding::Tagged).with_type_name("BOOLEAN"),
        ]));
        let mut batch = RowBatch::new();
        batch.set_columns(&columns);
        batch.push_tagged_int(7).unwrap();
        batch.push_null();
        batch.push_tagged_int(1).unwrap();
        batch.end_row();
        let mut out = Vec::new();
        RowLayout::of(&columns).row(&mut out, batch.row(0).unwrap()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"id":7,"a\"b":null,"dry":true}"#);
    }

    #[test]
    fn damaged_text_names_its_column() {
        let columns = Arc::new(Columns::new(vec![
            Column::new("id", Encoding::Tagged),
            Column::new("name", Encoding::Tagged),
        ]));
        let mut batch = RowBatch::new();
        batch.set_columns(&columns);
        batch.push_tagged_int(7).unwrap();
        batch.push_tagged(Tag::Text, &[0xff]).unwrap();
        batch.end_row();
        let (column, _) =
            RowLayout::of(&columns).row(&mut Vec::new(), batch.row(0).unwrap()).unwrap_err();
        assert_eq!(column, 1);
    }

    #[test]
    fn random_floats_read_back_the_same() {
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29) ^ 0xa5a5;
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let json = written(&Value::Float(float));
                assert_eq!(json.parse::<f64>().unwrap(), float);
                assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(), "{json}");
            }
        }
    }
}
