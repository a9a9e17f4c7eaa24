//! Arguments as text, for parameters whose type is not known or has no binary form for the value.

use std::io::Write;

use aquifer_driver::{Error, ErrorKind, Result, ValueRef, notation};

use super::clock;

/// Appends the text that the server's input functions read.
///
/// # Errors
///
/// If the value has no text form.
pub(super) fn scalar(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::Bool(v) => out.extend_from_slice(if v { b"true" } else { b"false" }),
        ValueRef::Int(v) => print(out, format_args!("{v}")),
        ValueRef::UInt(v) => print(out, format_args!("{v}")),
        ValueRef::Float(v) => float(v, out),
        ValueRef::Decimal(v) | ValueRef::Text(v) | ValueRef::Json(v) => {
            out.extend_from_slice(v.as_bytes());
        }
        ValueRef::Bytes(v) => {
            out.extend_from_slice(b"\\x");
            for byte in v {
                out.push(digit(byte >> 4));
                out.push(digit(byte & 15));
            }
        }
        ValueRef::Date(v) => clock::write_date(v, out),
        ValueRef::Timestamp(v) => clock::write_timestamp(v, "", out),
        ValueRef::TimestampTz(v) => clock::write_timestamp(v, "+00", out),
        _ => match notation::iso(&value) {
            Some(text) => out.extend_from_slice(text.as_str().as_bytes()),
            None => return Err(no_form(&value)),
        },
    }
    Ok(())
}

fn digit(half: u8) -> u8 {
    b"0123456789abcdef"[usize::from(half)]
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

/// The shortest text that reads back as the same number; whole ones are whole, so that integers take them.
fn float(v: f64, out: &mut Vec<u8>) {
    if v.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if v.is_infinite() {
        out.extend_from_slice(if v > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if v == 0.0 || (1e-5..1e16).contains(&v.abs()) {
        print(out, format_args!("{v}"));
    } else {
        print(out, format_args!("{v:e}"));
    }
}

#[cold]
fn no_form(value: &ValueRef<'_>) -> Error {
    let reason = match value {
        ValueRef::Time(_) => "it is not within one day",
        _ => "PostgreSQL has no such kind of value",
    };
    Error::new(ErrorKind::Argument, format!("cannot bind a {}: {reason}", value.kind()))
}
