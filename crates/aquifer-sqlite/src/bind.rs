//! Arguments, straight into a statement's parameters.

use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ValueRef, civil};

use crate::errors::{self, Doing};
use crate::raw::Statement;

/// Binds every argument; the bytes that SQLite copied.
///
/// # Errors
///
/// `Arguments` for a wrong number, `Argument` for a value that SQLite does not have.
#[inline]
pub(crate) fn bind(
    statement: &mut Statement<'_>,
    parameters: usize,
    params: &dyn Params,
) -> Result<usize> {
    let mut binder = Binder { statement, parameters, bound: 0, bytes: 0 };
    params.bind(&mut binder)?;
    if binder.bound != parameters {
        return Err(wrong_count(parameters, params.count()));
    }
    Ok(binder.bytes)
}

#[cold]
pub(crate) fn wrong_count(takes: usize, given: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!("the statement takes {takes} arguments, {given} were given"),
    )
}

struct Binder<'a, 'h> {
    statement: &'a mut Statement<'h>,
    parameters: usize,
    bound: usize,
    bytes: usize,
}

impl Binder<'_, '_> {
    #[inline]
    fn text(&mut self, text: &str) -> crate::raw::Result<()> {
        self.bytes += text.len();
        self.statement.bind_text(self.bound, text)
    }

    #[inline]
    fn blob(&mut self, bytes: &[u8]) -> crate::raw::Result<()> {
        self.bytes += bytes.len();
        self.statement.bind_blob(self.bound, bytes)
    }
}

impl ParamSink for Binder<'_, '_> {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.bound += 1;
        let index = self.bound;
        if index > self.parameters {
            // Counted on, so that the message can say how many there were.
            return Ok(());
        }
        check(index, &value)?;
        match value {
            ValueRef::Bool(v) => self.statement.bind_i64(index, v.into()),
            ValueRef::Int(v) => self.statement.bind_i64(index, v),
            ValueRef::Float(v) => self.statement.bind_f64(index, v),
            ValueRef::Text(v) | ValueRef::Json(v) | ValueRef::Decimal(v) => self.text(v),
            ValueRef::Bytes(v) => self.blob(v),
            ValueRef::Uuid(v) => self.blob(&v),
            ValueRef::Date(v) => self.text(&civil::date(v)),
            ValueRef::Time(v) => match civil::time(v) {
                Some(time) => self.text(&time),
                None => return Err(refused(index, NO_TIME)),
            },
            ValueRef::Timestamp(v) => self.text(&civil::timestamp(v)),
            ValueRef::TimestampTz(v) => self.text(&civil::timestamp_tz(v)),
            ValueRef::Interval(v) => self.text(&civil::interval(v)),
            // Whatever else there is has been refused.
            _ => self.statement.bind_null(index),
        }
        .map_err(|error| errors::error(&error, Doing::Running).with_nothing_sent(true))
    }
}

/// Checks arguments without binding them: what has to go to the worker first is refused before.
#[derive(Debug, Default)]
pub(crate) struct Check {
    index: usize,
}

impl ParamSink for Check {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.index += 1;
        check(self.index, &value)
    }
}

const NO_TIME: &str = "a time of day that is not within one day";

/// Whether SQLite can take the value.
#[inline]
pub(crate) fn check(index: usize, value: &ValueRef<'_>) -> Result<()> {
    match *value {
        ValueRef::Int(_)
        | ValueRef::Text(_)
        | ValueRef::Null
        | ValueRef::Bytes(_)
        | ValueRef::Bool(_)
        | ValueRef::Json(_)
        | ValueRef::Decimal(_)
        | ValueRef::Uuid(_)
        | ValueRef::Date(_)
        | ValueRef::Timestamp(_)
        | ValueRef::TimestampTz(_)
        | ValueRef::Interval(_) => Ok(()),
        ValueRef::Float(v) if !v.is_nan() => Ok(()),
        ValueRef::Float(_) => Err(refused(index, "NaN, which SQLite would store as NULL")),
        ValueRef::Time(v) if civil::time(v).is_some() => Ok(()),
        ValueRef::Time(_) => Err(refused(index, NO_TIME)),
        ValueRef::UInt(_) => {
            Err(refused(index, "an unsigned integer beyond i64, which SQLite lacks")
                .with_hint("bind it as text or as a decimal"))
        }
        ValueRef::Array(_) | ValueRef::Elements(_) => Err(refused(index, "an array, which SQLite lacks").with_hint(
            "write `IN (?)` and pass `list(&values)`, or bind a JSON array and read it with `json_each`",
        )),
        _ => Err(refused(index, "of a kind that this driver does not know")),
    }
}

#[cold]
fn refused(index: usize, what: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("argument {index} is {what}"))
}
