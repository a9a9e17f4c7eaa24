//! [`Statements`]: a batch in SQLite's own terms, ready for the worker.
//!
//! Arguments are converted once, on the calling thread, where a bad one refuses the whole batch. The
//! worker then binds them without copying and without looking at them again: of the cost of a small insert, which is
//! some 3 000 instructions in SQLite, a copy of one short text takes 200 and a second conversion 400.

use std::sync::Arc;

use aquifer_driver::{Batch, ParamSink, Params, Result, ValueRef, Want, civil};

use crate::bind::{check, wrong_count};
use crate::errors::{self, Doing};
use crate::raw::Borrowed;

/// The statements of a batch with their arguments.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    items: Vec<Item>,
    arguments: Arguments,
}

#[derive(Debug)]
struct Item {
    sql: Arc<str>,
    want: Want,
    first: usize,
    end: usize,
}

/// Arguments of many statements, one after the other.
#[derive(Default)]
struct Arguments {
    values: Vec<Argument>,
    /// Kept as text, so that it need not be checked again.
    texts: String,
    bytes: Vec<u8>,
    /// The number of the next argument within its statement.
    index: usize,
}

/// Shows how many there are, never what they are.
impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arguments({})", self.values.len())
    }
}

#[derive(Clone, Copy)]
enum Argument {
    Null,
    Integer(i64),
    Real(f64),
    Text(usize, usize),
    Bytes(usize, usize),
}

impl Statements {
    /// Takes over a batch.
    ///
    /// # Errors
    ///
    /// `Argument` for a value that SQLite does not have.
    pub(crate) fn of(batch: &Batch) -> Result<Self> {
        let mut statements = Self::default();
        statements.items.reserve_exact(batch.len());
        for item in batch.iter() {
            let first = statements.arguments.values.len();
            statements.arguments.index = 0;
            item.bind(&mut statements.arguments)?;
            statements.items.push(Item {
                sql: Arc::clone(item.sql),
                want: item.want,
                first,
                end: statements.arguments.values.len(),
            });
        }
        Ok(statements)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// # Panics
    ///
    /// If there are not so many.
    #[inline]
    pub(crate) fn one(&self, index: usize) -> One<'_> {
        let item = &self.items[index];
        One {
            sql: &item.sql,
            want: item.want,
            values: &self.arguments.values[item.first..item.end],
            arguments: &self.arguments,
        }
    }

    /// Where the statements with the same text as the one at `index` end. (Equal neighbours share it.)
    pub(crate) fn same_until(&self, index: usize) -> usize {
        let sql = &self.items[index].sql;
        let same = self.items[index..].iter().take_while(|item| Arc::ptr_eq(&item.sql, sql));
        index + same.count()
    }
}

/// One statement of a batch.
#[derive(Clone, Copy)]
pub(crate) struct One<'a> {
    pub(crate) sql: &'a Arc<str>,
    pub(crate) want: Want,
    values: &'a [Argument],
    arguments: &'a Arguments,
}

impl<'a> One<'a> {
    /// Binds the arguments without copying them.
    ///
    /// # Errors
    ///
    /// SQLite's, and a wrong number of arguments.
    #[inline]
    pub(crate) fn bind_to(
        &self,
        borrowed: &mut Borrowed<'_, '_, 'a>,
        parameters: usize,
    ) -> Result<()> {
        if self.values.len() != parameters {
            return Err(wrong_count(parameters, self.values.len()));
        }
        for (before, value) in self.values.iter().enumerate() {
            let index = before + 1;
            match *value {
                Argument::Null => borrowed.statement().bind_null(index),
                Argument::Integer(v) => borrowed.statement().bind_i64(index, v),
                Argument::Real(v) => borrowed.statement().bind_f64(index, v),
                Argument::Text(start, end) => borrowed.bind_text(index, self.text(start, end)),
                Argument::Bytes(start, end) => borrowed.bind_blob(index, self.bytes(start, end)),
            }
            .map_err(|raw| errors::error(&raw, Doing::Running))?;
        }
        Ok(())
    }

    fn text(&self, start: usize, end: usize) -> &'a str {
        &self.arguments.texts[start..end]
    }

    fn bytes(&self, start: usize, end: usize) -> &'a [u8] {
        &self.arguments.bytes[start..end]
    }
}

impl Params for One<'_> {
    fn count(&self) -> usize {
        self.values.len()
    }

    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.values.iter().try_for_each(|value| {
            sink.put(match *value {
                Argument::Null => ValueRef::Null,
                Argument::Integer(v) => ValueRef::Int(v),
                Argument::Real(v) => ValueRef::Float(v),
                Argument::Text(start, end) => ValueRef::Text(self.text(start, end)),
                Argument::Bytes(start, end) => ValueRef::Bytes(self.bytes(start, end)),
            })
        })
    }

    fn has_lists(&self) -> bool {
        false
    }
}

impl Arguments {
    #[inline]
    fn text(&mut self, text: &str) -> Argument {
        let start = self.texts.len();
        self.texts.push_str(text);
        Argument::Text(start, self.texts.len())
    }

    #[inline]
    fn blob(&mut self, bytes: &[u8]) -> Argument {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Argument::Bytes(start, self.bytes.len())
    }
}

impl ParamSink for Arguments {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.index += 1;
        check(self.index, &value)?;
        let argument = match value {
            ValueRef::Bool(v) => Argument::Integer(v.into()),
            ValueRef::Int(v) => Argument::Integer(v),
            ValueRef::Float(v) => Argument::Real(v),
            ValueRef::Text(v) | ValueRef::Json(v) | ValueRef::Decimal(v) => self.text(v),
            ValueRef::Bytes(v) => self.blob(v),
            ValueRef::Uuid(v) => self.blob(&v),
            ValueRef::Date(v) => self.text(&civil::date(v)),
            ValueRef::Time(v) => match civil::time(v) {
                Some(time) => self.text(&time),
                // Refused by the check.
                None => Argument::Null,
            },
            ValueRef::Timestamp(v) => self.text(&civil::timestamp(v)),
            ValueRef::TimestampTz(v) => self.text(&civil::timestamp_tz(v)),
            ValueRef::Interval(v) => self.text(&civil::interval(v)),
            // Whatever else there is has been refused.
            _ => Argument::Null,
        };
        self.values.push(argument);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::{ErrorKind, ParamBuf, Value};

    #[test]
    fn arguments_come_back_as_sqlite_keeps_them() {
        let values = [
            (Value::Bool(true), Value::Int(1)),
            (Value::Text("é\0".into()), Value::Text("é\0".into())),
            (Value::Bytes(vec![]), Value::Bytes(vec![])),
            (Value::Uuid([7; 16]), Value::Bytes(vec![7; 16])),
            (Value::Float(0.5), Value::Float(0.5)),
            (Value::Timestamp(0), Value::Text("1970-01-01 00:00:00".into())),
            (Value::Null, Value::Null),
        ];
        let mut batch = Batch::new();
        let sql: Arc<str> = "?".into();
        let given: Vec<_> = values.iter().map(|(given, _)| given.clone()).collect();
        batch.push(&sql, &(1,), Want::All).unwrap();
        batch.push(&sql, &given, Want::First).unwrap();
        let statements = Statements::of(&batch).unwrap();
        let second = statements.one(1);
        let kept = ParamBuf::of(&second).unwrap();
        let expected: Vec<_> = values.into_iter().map(|(_, kept)| kept).collect();
        struct Collect(Vec<Value>);
        impl ParamSink for Collect {
            fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
                self.0.push(value.to_owned()?);
                Ok(())
            }
        }
        let mut collected = Collect(Vec::new());
        kept.bind(&mut collected).unwrap();
        assert_eq!(collected.0, expected);
        assert_eq!((second.count(), second.want), (7, Want::First));
    }

    #[test]
    fn a_bad_argument_is_counted_within_its_statement() {
        let mut batch = Batch::new();
        let sql: Arc<str> = "?".into();
        batch.push(&sql, &(1, 2), Want::All).unwrap();
        batch.push(&sql, &(1, f64::NAN), Want::All).unwrap();
        let error = Statements::of(&batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().starts_with("argument 2 is NaN"), "{error}");
    }
}
