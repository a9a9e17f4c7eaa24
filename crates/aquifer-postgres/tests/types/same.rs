//! Values that are the same, and outcomes that are.

use aquifer_driver::{Error, Value};

/// Equal, with NaN equal to itself and zeros told apart.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => a == b,
    }
}

/// What became of a query: its one row, or the class of its error (kind and SQLSTATE).
pub(crate) type Outcome = Result<Vec<Value>, String>;

/// The class of an error.
pub(crate) fn class(error: &Error) -> String {
    format!("{} {}", error.kind().name(), error.sqlstate().unwrap_or("by the driver"))
}

/// Two outcomes are the same row, or errors of the same class.
pub(crate) fn same_outcome(a: &Outcome, b: &Outcome) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}
