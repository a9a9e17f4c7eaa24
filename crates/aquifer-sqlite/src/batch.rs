//! The statements of a batch: checked on the calling thread, bound on the worker where they lie.
//!
//! Of the cost of a small insert, which is some 3 000 instructions in SQLite, a copy of one short text
//! takes 200.

use std::sync::Arc;

use aquifer_driver::{Batch, BatchItem, Result, ValueRef, civil};

use crate::bind::{Check, check, wrong_count};
use crate::errors::{self, Doing};
use crate::raw::Borrowed;

/// Checks every argument of a batch: a bad one refuses it all, before anything is sent.
///
/// # Errors
///
/// `Argument` for a value that SQLite does not have.
pub(crate) fn check_all(batch: &Batch) -> Result<()> {
    if !batch.has_special() {
        return Ok(());
    }
    batch.iter().try_for_each(|item| check_one(&item))
}

/// As [`check_all`]; the error has the statement's number.
///
/// # Errors
///
/// As [`check_all`].
pub(crate) fn check_queued(batch: &Batch) -> Result<()> {
    if !batch.has_special() {
        return Ok(());
    }
    batch.iter().zip(1..).try_for_each(|(item, number)| {
        let checked = check_one(&item);
        checked.map_err(|error| error.with_statement(number).with_nothing_sent(true))
    })
}

fn check_one(item: &BatchItem<'_>) -> Result<()> {
    for index in 0..item.count() {
        match item.get(index) {
            Some(value) => check(index + 1, &value)?,
            // An array is only given to a sink, which refuses it.
            None => item.bind(&mut Check::default())?,
        }
    }
    Ok(())
}

/// Where the statements with the same text as the one at `index` end.
pub(crate) fn same_until(batch: &Batch, index: usize) -> usize {
    let Some(first) = batch.get(index) else {
        return index;
    };
    let same = (index + 1..batch.len())
        .take_while(|next| batch.get(*next).is_some_and(|item| Arc::ptr_eq(item.sql, first.sql)));
    index + 1 + same.count()
}

/// Binds a statement's arguments without copying texts and bytes.
///
/// # Errors
///
/// SQLite's, and a wrong number of arguments.
#[inline]
pub(crate) fn bind_to<'a>(
    item: &BatchItem<'a>,
    borrowed: &mut Borrowed<'_, '_, 'a>,
    parameters: usize,
) -> Result<()> {
    if item.count() != parameters {
        return Err(wrong_count(parameters, item.count()));
    }
    for (before, value) in item.values().enumerate() {
        let index = before + 1;
        match value {
            Some(ValueRef::Text(v) | ValueRef::Json(v) | ValueRef::Decimal(v)) => {
                borrowed.bind_text(index, v)
            }
            Some(ValueRef::Bytes(v)) => borrowed.bind_blob(index, v),
            Some(ValueRef::Int(v)) => borrowed.statement().bind_i64(index, v),
            Some(ValueRef::Float(v)) => borrowed.statement().bind_f64(index, v),
            Some(ValueRef::Bool(v)) => borrowed.statement().bind_i64(index, v.into()),
            Some(ValueRef::Uuid(v)) => borrowed.statement().bind_blob(index, &v),
            Some(ValueRef::Date(v)) => borrowed.statement().bind_text(index, &civil::date(v)),
            Some(ValueRef::Time(v)) => match civil::time(v) {
                Some(time) => borrowed.statement().bind_text(index, &time),
                None => borrowed.statement().bind_null(index),
            },
            Some(ValueRef::Timestamp(v)) => {
                borrowed.statement().bind_text(index, &civil::timestamp(v))
            }
            Some(ValueRef::TimestampTz(v)) => {
                borrowed.statement().bind_text(index, &civil::timestamp_tz(v))
            }
            Some(ValueRef::Interval(v)) => {
                borrowed.statement().bind_text(index, &civil::interval(v))
            }
            // Whatever else there is has been refused by `check_all`.
            _ => borrowed.statement().bind_null(index),
        }
        .map_err(|raw| errors::error(&raw, Doing::Running))?;
    }
    Ok(())
}
