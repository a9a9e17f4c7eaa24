//! One value in one format, for COPY: all cells of a COPY have the same.

use aquifer_driver::{Result, ValueRef};

use super::catalogue::oid;
use super::put::{binary, bytes_refused, sized};
use super::{Format, Oid, array, element, find, literal, numeric, put};

/// Beyond the types that are built in.
const FIRST_OF_USERS: Oid = 10_000;

/// True if the binary form of this type is known here.
pub(crate) fn takes_binary(oid: Oid) -> bool {
    oid < FIRST_OF_USERS && find(oid).is_some()
}

/// Appends a value in the type's binary form, behind its length (i32, -1 for NULL); false, with nothing
/// appended, if value and type have none in common.
///
/// # Errors
///
/// If the value must not reach the type in any form.
#[inline]
pub(crate) fn put_binary(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<bool> {
    match value {
        ValueRef::Null => {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            Ok(true)
        }
        ValueRef::Int(_) => {
            let start = out.len();
            if put(oid, value, out)? == Format::Binary {
                return Ok(true);
            }
            out.truncate(start);
            put_converted(oid, value, out)
        }
        ValueRef::Text(v)
            if matches!(oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::JSON | oid::NAME)
                && i32::try_from(v.len()).is_ok() =>
        {
            out.reserve(4 + v.len());
            out.extend_from_slice(&(v.len() as i32).to_be_bytes());
            out.extend_from_slice(v.as_bytes());
            Ok(true)
        }
        _ => put_converted(oid, value, out),
    }
}

fn put_converted(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    let mut exact = false;
    let done = sized(out, |out| {
        exact = match value {
            ValueRef::Array(items) => array::put(oid, items, out)? == Format::Binary,
            ValueRef::Elements(items) => array::put(oid, &items, out)? == Format::Binary,
            ValueRef::Text(text) if oid == oid::NUMERIC => numeric::encode(text, out),
            ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Float(_) if oid == oid::NUMERIC => {
                let mut text = Vec::with_capacity(24);
                literal::scalar(value, &mut text)?;
                std::str::from_utf8(&text).is_ok_and(|text| numeric::encode(text, out))
            }
            // Rounded as the server rounds a literal of this type.
            ValueRef::Float(v) if oid == oid::FLOAT4 => {
                let narrow = v as f32;
                let fits = narrow.is_finite() || !v.is_finite();
                if fits {
                    out.extend_from_slice(&narrow.to_be_bytes());
                }
                fits
            }
            ValueRef::UInt(v) => match i64::try_from(v) {
                Ok(v) => binary(oid, ValueRef::Int(v), out)?,
                Err(_) => false,
            },
            _ => binary(oid, value, out)?,
        };
        Ok(())
    });
    if done.is_err() || !exact {
        out.truncate(start);
    }
    done.map(|()| exact)
}

/// Appends a value as the text that the type's input function reads, without length. NULL has none, and
/// nothing is appended.
///
/// # Errors
///
/// If the value must not reach the type, or has no text form.
pub(crate) fn put_column_text(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::Null => Ok(()),
        ValueRef::Bytes(_) if oid != oid::BYTEA && oid < FIRST_OF_USERS => Err(bytes_refused(oid)),
        ValueRef::Array(items) => array::text(element(oid).unwrap_or(0), items, out),
        ValueRef::Elements(items) => array::text(element(oid).unwrap_or(0), &items, out),
        _ => literal::scalar(value, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::Value;

    fn exact(oid: Oid, value: impl Into<Value>) -> Option<Vec<u8>> {
        let mut out = b"before".to_vec();
        let value: Value = value.into();
        let exact = put_binary(oid, value.as_ref(), &mut out).unwrap();
        assert!(exact || out == b"before", "nothing is left behind");
        exact.then(|| out.split_off(6))
    }

    #[test]
    fn what_the_type_has_no_binary_form_for_is_told_and_not_written() {
        assert_eq!(exact(oid::INT4, 7), Some(vec![0, 0, 0, 4, 0, 0, 0, 7]));
        assert_eq!(exact(oid::INT4, 1i64 << 40), None);
        assert_eq!(exact(oid::INT4, "7"), None);
        assert_eq!(exact(oid::TEXT, "ab"), Some(b"\0\0\0\x02ab".to_vec()));
        assert_eq!(exact(oid::JSONB, "1"), Some(b"\0\0\0\x02\x011".to_vec()));
        assert_eq!(exact(oid::DATE, Value::Null), Some(vec![0xff; 4]));
        assert_eq!(exact(oid::FLOAT4, 1e300), None);
    }

    #[test]
    fn numbers_of_every_kind_go_into_numeric() {
        let seven = exact(oid::NUMERIC, Value::Decimal("7".into()));
        assert!(seven.is_some());
        assert_eq!(exact(oid::NUMERIC, 7), seven);
        assert_eq!(exact(oid::NUMERIC, 7.0), seven);
        assert_eq!(exact(oid::NUMERIC, "7"), seven);
        assert_eq!(exact(oid::NUMERIC, "seven"), None);
    }
}
