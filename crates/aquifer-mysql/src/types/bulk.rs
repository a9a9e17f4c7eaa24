//! Arguments of many executions of one statement, as one command: the types once, then row by row each value behind
//! a byte that says whether there is one (`COM_STMT_BULK_EXECUTE` of MariaDB).

use aquifer_driver::{BatchItem, Error, ErrorKind, Result, ValueRef};
use mysql_common::constants::{ColumnType as Type, MariadbBulkIndicator as Indicator};

use super::{Clock, bind};

/// Rows that are being appended.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Where the types stand.
    types: usize,
    /// The type of each argument, as soon as one of its values is no NULL.
    kinds: Vec<Option<[u8; 2]>>,
    clock: Clock,
}

impl Rows {
    /// Leaves room for the types of so many arguments; the rows are appended behind it.
    pub(crate) fn begin(out: &mut Vec<u8>, arguments: usize, clock: Clock) -> Self {
        let types = out.len();
        out.resize(types + 2 * arguments, 0);
        Self { types, kinds: vec![None; arguments], clock }
    }

    /// Appends a row. False, with nothing appended, if an argument has another type than in the rows before it.
    ///
    /// # Errors
    ///
    /// If the engine cannot take an argument; nothing is appended then.
    pub(crate) fn add(&mut self, out: &mut Vec<u8>, row: &BatchItem<'_>) -> Result<bool> {
        let start = out.len();
        let added = self.append(out, row);
        if !matches!(added, Ok(true)) {
            out.truncate(start);
        }
        added
    }

    fn append(&mut self, out: &mut Vec<u8>, row: &BatchItem<'_>) -> Result<bool> {
        for (index, value) in row.values().enumerate() {
            let kind = match value {
                Some(ValueRef::Null) => {
                    out.push(Indicator::BULK_INDICATOR_NULL as u8);
                    continue;
                }
                // What rows mostly have, as `put_value` writes it.
                Some(ValueRef::Int(number)) => {
                    put_word(out, number.to_le_bytes());
                    [Type::MYSQL_TYPE_LONGLONG as u8, 0]
                }
                Some(ValueRef::Float(number)) if number.is_finite() => {
                    put_word(out, number.to_le_bytes());
                    [Type::MYSQL_TYPE_DOUBLE as u8, 0]
                }
                Some(value) => {
                    out.push(Indicator::BULK_INDICATOR_NONE as u8);
                    let (kind, flags) = bind::put_value(out, value, self.clock, index)?;
                    [kind as u8, flags]
                }
                None => return Err(no_array(index)),
            };
            if *self.kinds[index].get_or_insert(kind) != kind {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the types to their place. An argument that is always NULL is a text.
    pub(crate) fn finish(self, out: &mut [u8]) {
        for (index, kind) in self.kinds.into_iter().enumerate() {
            let at = self.types + 2 * index;
            let kind = kind.unwrap_or([Type::MYSQL_TYPE_VAR_STRING as u8, 0]);
            out[at..at + 2].copy_from_slice(&kind);
        }
    }
}

/// Appends a value of eight bytes.
#[inline]
fn put_word(out: &mut Vec<u8>, word: [u8; 8]) {
    let [a, b, c, d, e, f, g, h] = word;
    out.extend_from_slice(&[Indicator::BULK_INDICATOR_NONE as u8, a, b, c, d, e, f, g, h]);
}

/// Checks that the engine can take the arguments of a row that is sent later.
///
/// # Errors
///
/// If it cannot take one.
pub(crate) fn check(row: &BatchItem<'_>, clock: Clock, scratch: &mut Vec<u8>) -> Result<()> {
    for (index, value) in row.values().enumerate() {
        match value {
            None => return Err(no_array(index)),
            // Whatever their value is, these are taken.
            Some(
                ValueRef::Null
                | ValueRef::Bool(_)
                | ValueRef::Int(_)
                | ValueRef::UInt(_)
                | ValueRef::Text(_)
                | ValueRef::Json(_)
                | ValueRef::Bytes(_)
                | ValueRef::Uuid(_),
            ) => {}
            Some(ValueRef::Float(number)) if number.is_finite() => {}
            Some(value) => {
                scratch.clear();
                bind::put_value(scratch, value, clock, index)?;
            }
        }
    }
    Ok(())
}

#[cold]
fn no_array(index: usize) -> Error {
    Error::new(ErrorKind::Argument, format!("argument {}: {}", index + 1, bind::NO_ARRAYS))
        .with_hint(bind::LISTS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquifer_driver::{Batch, Params, Value, Want};

    use super::*;
    use crate::types::Zone;

    fn batch(rows: &[&dyn Params]) -> Batch {
        let (mut batch, sql) = (Batch::new(), Arc::from("INSERT"));
        rows.iter().for_each(|row| batch.push(&sql, *row, Want::Outcome).unwrap());
        batch
    }

    #[test]
    fn rows_follow_their_types_and_another_type_ends_them() {
        let batch = batch(&[&(None::<i64>, "ab"), &(7_i64, "c"), &(true, "d")]);
        let mut out = Vec::new();
        let mut rows = Rows::begin(&mut out, 2, Clock::of(Zone::Fixed(0)));
        let added: Vec<_> = batch.iter().map(|row| rows.add(&mut out, &row).unwrap()).collect();
        assert_eq!(added, [true, true, false]);
        rows.finish(&mut out);
        assert_eq!(out[..4], [8, 0, 253, 0]);
        assert_eq!(out[4..9], [1, 0, 2, b'a', b'b']);
        assert_eq!(out[9..], [0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'c']);
    }

    #[test]
    fn an_argument_that_is_always_null_has_a_type_all_the_same() {
        let batch = batch(&[&(None::<i64>,), &(None::<i64>,)]);
        let mut out = Vec::new();
        let mut rows = Rows::begin(&mut out, 1, Clock::of(Zone::Fixed(0)));
        assert!(batch.iter().all(|row| rows.add(&mut out, &row).unwrap()));
        rows.finish(&mut out);
        assert_eq!(out, [253, 0, 1, 1]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_leaves_nothing() {
        for value in [Value::Float(f64::NAN), Value::Array(vec![])] {
            let batch = batch(&[&vec![Value::Int(1), value]]);
            let row = batch.get(0).unwrap();
            let mut out = Vec::new();
            let mut rows = Rows::begin(&mut out, 2, Clock::of(Zone::Fixed(0)));
            let error = rows.add(&mut out, &row).unwrap_err();
            assert!(error.to_string().contains("argument 2"), "{error}");
            assert_eq!(out.len(), 4);
            let error = check(&row, Clock::of(Zone::Fixed(0)), &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument);
        }
    }
}
