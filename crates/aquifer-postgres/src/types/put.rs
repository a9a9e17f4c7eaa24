//! Arguments in binary, where value and type have a binary form in common; else as text.
//!
//! Text is the measure: the first use of a statement sends text, because the types are not known yet. So a
//! binary form stands here only if the server makes the same value of both; whatever is out of range or
//! otherwise doubtful goes as text, and the server says what it thinks of it.

use aquifer_driver::civil::DAY_MICROS;
use aquifer_driver::{Error, ErrorKind, Result, ValueRef};

use super::catalogue::oid;
use super::{Format, Oid, array, clock, literal, name, numeric};

/// Beyond the types that are built in.
const FIRST_OF_USERS: Oid = 10_000;

/// How many bytes an integer takes as an argument of this type, if all that fit into as many are [put](put()) in binary.
pub(crate) fn integer_len(oid: Oid) -> Option<u32> {
    match oid {
        oid::INT8 => Some(8),
        oid::INT4 => Some(4),
        _ => None,
    }
}

/// Appends one argument as Bind has it: its length (i32, -1 for NULL) and its bytes. `oid` is the
/// parameter's type, 0 if the server has not said it yet.
///
/// # Errors
///
/// If the value has no form that the type takes. Nothing is left in `out` then.
#[inline]
pub(crate) fn put(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<Format> {
    match value {
        ValueRef::Int(v) if oid == oid::INT8 => {
            let mut sized = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
            sized[4..].copy_from_slice(&v.to_be_bytes());
            out.extend_from_slice(&sized);
            Ok(Format::Binary)
        }
        ValueRef::Int(v) if oid == oid::INT4 && i32::try_from(v).is_ok() => {
            let mut sized = [0, 0, 0, 4, 0, 0, 0, 0];
            sized[4..].copy_from_slice(&(v as i32).to_be_bytes());
            out.extend_from_slice(&sized);
            Ok(Format::Binary)
        }
        ValueRef::Text(v) if i32::try_from(v.len()).is_ok() => {
            out.reserve(4 + v.len());
            out.extend_from_slice(&(v.len() as i32).to_be_bytes());
            out.extend_from_slice(v.as_bytes());
            Ok(Format::Text)
        }
        ValueRef::Null => {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            Ok(Format::Text)
        }
        _ => put_other(oid, value, out),
    }
}

fn put_other(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<Format> {
    let start = out.len();
    let mut format = Format::Binary;
    let done = sized(out, |out| {
        format = match value {
            ValueRef::Array(items) => array::put(oid, items, out)?,
            ValueRef::Elements(items) => array::put(oid, &items, out)?,
            _ if binary(oid, value, out)? => Format::Binary,
            _ => {
                literal::scalar(value, out)?;
                Format::Text
            }
        };
        Ok(())
    });
    if done.is_err() {
        out.truncate(start);
    }
    done.map(|()| format)
}

/// Appends an argument as the server's input functions read it, without length; NULL has no such text, and
/// appends nothing.
///
/// # Errors
///
/// If the value has no text form.
pub(crate) fn put_text(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::Null => Ok(()),
        ValueRef::Array(items) => array::literal(items, out),
        ValueRef::Elements(items) => array::literal(&items, out),
        value => literal::scalar(value, out),
    }
}

/// What `write` appends, behind its length.
pub(super) fn sized(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let len = i32::try_from(out.len() - start - 4).map_err(|_| {
        Error::new(ErrorKind::Argument, "an argument has more than 2 GiB")
            .with_hint("PostgreSQL takes values of up to 1 GiB: use large objects or several rows")
    })?;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

/// Appends the binary form, without length; false, with nothing appended, if there is none.
///
/// # Errors
///
/// If the value must not reach the type in any form.
pub(super) fn binary(oid: Oid, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<bool> {
    match (value, oid) {
        (ValueRef::Bool(v), oid::BOOL) => out.push(v.into()),
        (ValueRef::Int(v), _) => return Ok(integer(oid, v, out)),
        (ValueRef::Float(v), oid::FLOAT8) => out.extend_from_slice(&v.to_be_bytes()),
        (ValueRef::Float(v), oid::FLOAT4) => {
            let narrow = v as f32;
            if f64::from(narrow) != v && !v.is_nan() {
                return Ok(false);
            }
            out.extend_from_slice(&narrow.to_be_bytes());
        }
        (ValueRef::Decimal(v), oid::NUMERIC) => return Ok(numeric::encode(v, out)),
        (ValueRef::Text(v), oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::JSON)
        | (ValueRef::Json(v), oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::JSON) => {
            out.extend_from_slice(v.as_bytes());
        }
        (ValueRef::Text(v) | ValueRef::Json(v), oid::JSONB) => {
            out.push(1);
            out.extend_from_slice(v.as_bytes());
        }
        // A user's own type takes what the user says its binary form is.
        (ValueRef::Bytes(v), oid) if oid == oid::BYTEA || oid == 0 || oid >= FIRST_OF_USERS => {
            out.extend_from_slice(v);
        }
        (ValueRef::Bytes(_), oid) => return Err(bytes_refused(oid)),
        (ValueRef::Date(v), oid::DATE) => match clock::days_since_2000(v) {
            Some(days) => out.extend_from_slice(&days.to_be_bytes()),
            None => return Ok(false),
        },
        (ValueRef::Time(v), oid::TIME) if (0..=DAY_MICROS).contains(&v) => {
            out.extend_from_slice(&v.to_be_bytes());
        }
        (ValueRef::Timestamp(v), oid::TIMESTAMP) | (ValueRef::TimestampTz(v), oid::TIMESTAMPTZ) => {
            match clock::micros_since_2000(v) {
                Some(micros) => out.extend_from_slice(&micros.to_be_bytes()),
                None => return Ok(false),
            }
        }
        (ValueRef::Interval(v), oid::INTERVAL) => {
            out.extend_from_slice(&v.micros.to_be_bytes());
            out.extend_from_slice(&v.days.to_be_bytes());
            out.extend_from_slice(&v.months.to_be_bytes());
        }
        (ValueRef::Uuid(v), oid::UUID) => out.extend_from_slice(&v),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Whether [`binary`] has a form for any value of this type.
pub(super) fn has_binary(oid: Oid) -> bool {
    matches!(
        oid,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::OID
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::NUMERIC
            | oid::TEXT
            | oid::VARCHAR
            | oid::BPCHAR
            | oid::JSON
            | oid::JSONB
            | oid::BYTEA
            | oid::DATE
            | oid::TIME
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::UUID
    )
}

fn integer(oid: Oid, v: i64, out: &mut Vec<u8>) -> bool {
    match oid {
        oid::INT8 => out.extend_from_slice(&v.to_be_bytes()),
        oid::INT4 => match i32::try_from(v) {
            Ok(v) => out.extend_from_slice(&v.to_be_bytes()),
            Err(_) => return false,
        },
        oid::INT2 => match i16::try_from(v) {
            Ok(v) => out.extend_from_slice(&v.to_be_bytes()),
            Err(_) => return false,
        },
        oid::OID => match u32::try_from(v) {
            Ok(v) => out.extend_from_slice(&v.to_be_bytes()),
            Err(_) => return false,
        },
        oid::FLOAT8 if v.unsigned_abs() <= 1 << 53 => {
            out.extend_from_slice(&(v as f64).to_be_bytes());
        }
        oid::FLOAT4 if v.unsigned_abs() <= 1 << 24 => {
            out.extend_from_slice(&(v as f32).to_be_bytes());
        }
        _ => return false,
    }
    true
}

#[cold]
pub(super) fn bytes_refused(oid: Oid) -> Error {
    let known = match name(oid) {
        "" => "not an array of BYTEA",
        known => known,
    };
    Error::new(ErrorKind::Argument, format!("cannot bind bytes: the parameter is {known}"))
        .with_hint("bytes go into BYTEA: bind text, or cast the parameter in SQL, as in $1::bytea")
}
