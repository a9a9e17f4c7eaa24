//! PostgreSQL's values in both formats: what a server, or whoever plays one, sends in a row.
//!
//! An input is two bytes for the type's number, one for the format (odd: binary), then the cell.

use aquifer_driver::{Cell, FromValue, Value};
use aquifer_postgres::fuzzing;

pub(super) const WORDS: &[&str] = &[
    "\u{0}\u{0}\u{0}\u{1}",
    "\u{0}\u{0}\u{0}\u{17}",
    "\u{7f}",
    "{",
    "}",
    "{{1,2},{3,NULL}}",
    "[0:1]=",
    "\"a\\\"b\"",
    ",",
    "infinity",
    "2026-11-20 08:15:00.25+05:45",
    " BC",
    "1 year 2 mons -3 days 04:05:06.7",
    "@ 1 mon ago",
    "+1-2 -3 +4:05:06",
    "P1Y2M-3DT4H5M6.5S",
    "\\x00ff",
    "\\377",
    "-12.50",
    "NaN",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "[1,5)",
    "192.168.0.1/24",
];

/// What one byte of a cell may become: a NUMERIC of 8 bytes can have 131 072 digits before the point and 16 383
/// behind it.
const GROWTH_MAX: usize = 160_000;

pub(super) fn run(bytes: &[u8]) {
    let [high, low, format, cell @ ..] = bytes else { return };
    let oid = u32::from(u16::from_be_bytes([*high, *low]));
    let binary = format % 2 == 1;
    let Some(value) = read(oid, binary, cell) else { return };

    // Bound again it is the same value, in whatever form it goes; the catalogue's vectors are only read.
    const INT2VECTOR: u32 = 22;
    const OIDVECTOR: u32 = 30;
    if !binary || !fuzzing::is_binary_result(oid) || oid == INT2VECTOR || oid == OIDVECTOR {
        return;
    }
    // A time of day that no server sends is read, and then refused.
    let Ok((as_binary, argument)) = fuzzing::argument(oid, value.as_ref()) else { return };
    let (len, argument) = argument.split_first_chunk::<4>().expect("a length");
    assert_eq!(u32::from_be_bytes(*len) as usize, argument.len());
    let again = read(oid, as_binary, argument);
    assert!(
        again.as_ref().is_some_and(|again| same(again, &value)),
        "{oid} {value:?} {as_binary} {argument:?} {again:?}"
    );
}

fn read(oid: u32, binary: bool, cell: &[u8]) -> Option<Value> {
    let (encoding, bytes) = fuzzing::cell(oid, binary, cell).ok()?;
    assert!(bytes.len() <= (cell.len() + 1) * GROWTH_MAX);
    Value::from_cell(Cell::new(Some(&bytes), encoding)).ok()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
        // No server sends a zero with a sign.
        (Value::Decimal(a), Value::Decimal(b)) => {
            a == b || a.strip_prefix('-') == Some(b) || b.strip_prefix('-') == Some(a)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => a == b,
    }
}
