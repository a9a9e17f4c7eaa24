//! Which types a statement's first Parse declares.

use aquifer_driver::{ArrayRef, ValueRef};

use super::catalogue::oid;
use super::{Oid, array};

/// The type to declare for an argument whose type the server has not said yet: BYTEA for bytes, its array
/// for arrays of bytes, and 0, "you say", for everything else, which then goes as text.
#[inline]
pub(crate) fn declared(value: ValueRef<'_>) -> Oid {
    match value {
        ValueRef::Bytes(_) => oid::BYTEA,
        ValueRef::Array(items) if holds_bytes(items, 0) => array(oid::BYTEA).unwrap_or(0),
        ValueRef::Elements(items) if holds_bytes(&items, 0) => array(oid::BYTEA).unwrap_or(0),
        _ => 0,
    }
}

fn holds_bytes(items: &dyn ArrayRef, depth: usize) -> bool {
    let mut found = false;
    // Errors come up again, and are told, when the array is written.
    let _ = items.visit(&mut |item| {
        found = found
            || match item {
                ValueRef::Bytes(_) => true,
                ValueRef::Array(items) if depth < super::array::DEPTH_MAX => {
                    holds_bytes(items, depth + 1)
                }
                ValueRef::Elements(items) if depth < super::array::DEPTH_MAX => {
                    holds_bytes(&items, depth + 1)
                }
                _ => false,
            };
        Ok(())
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::Value;

    #[test]
    fn only_bytes_and_arrays_of_bytes_are_declared() {
        let bytes = || Value::Bytes(vec![1]);
        let of = |value: &Value| declared(value.as_ref());
        assert_eq!(of(&bytes()), 17);
        assert_eq!(of(&Value::Array(vec![Value::Null, bytes()])), 1001);
        assert_eq!(of(&Value::Array(vec![Value::Array(vec![bytes()])])), 1001);
        assert_eq!(of(&Value::Array(vec![])), 0);
        assert_eq!(of(&Value::Array(vec!["a".into()])), 0);
        assert_eq!(of(&Value::Null), 0);
        assert_eq!(of(&1.into()), 0);
    }
}
