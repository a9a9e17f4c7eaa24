use std::ops::Bound;

use aquifer_driver::{
    Cell, ConversionError, Encoding, FromValue, ParamSink, Result, ToValue, ValueRef,
};

use super::{Malformed, unquoted};
use crate::types::array;

/// A range: `int4range`, `numrange`, `tstzrange`, and those of your own.
///
/// PostgreSQL brings ranges of whole numbers and of dates into the form `[lower,upper)` itself, so what is
/// read need not be what was bound. A range whose bounds enclose nothing is [`Empty`](Self::Empty).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range<T> {
    /// It has no values.
    Empty,
    /// From the lower bound to the upper one.
    Between(Bound<T>, Bound<T>),
}

impl<T> From<std::ops::Range<T>> for Range<T> {
    fn from(range: std::ops::Range<T>) -> Self {
        Self::Between(Bound::Included(range.start), Bound::Excluded(range.end))
    }
}

impl<T> From<std::ops::RangeInclusive<T>> for Range<T> {
    fn from(range: std::ops::RangeInclusive<T>) -> Self {
        let (lower, upper) = range.into_inner();
        Self::Between(Bound::Included(lower), Bound::Included(upper))
    }
}

impl<T> From<std::ops::RangeFrom<T>> for Range<T> {
    fn from(range: std::ops::RangeFrom<T>) -> Self {
        Self::Between(Bound::Included(range.start), Bound::Unbounded)
    }
}

/// Reads a range whose bounds read as `T` does from text.
impl<T: for<'a> FromValue<'a>> FromValue<'_> for Range<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let ValueRef::Text(text) = value else {
            return Err(ConversionError::kind("Range", &value));
        };
        match parse(text)? {
            Some((range, "")) => Ok(range),
            _ => Err(malformed("Range", &value)),
        }
    }
}

/// Binds a range's text.
impl<T: ToValue> ToValue for Range<T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let mut text = String::new();
        write(self, &mut text)?;
        sink.put(ValueRef::Text(&text))
    }
}

/// Ranges in order, none of which touch: `int4multirange` and its like, of PostgreSQL 14 and later.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multirange<T>(pub Vec<Range<T>>);

/// Reads ranges whose bounds read as `T` does from text.
impl<T: for<'a> FromValue<'a>> FromValue<'_> for Multirange<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "Multirange";
        let value = cell.value()?;
        let ValueRef::Text(text) = value else {
            return Err(ConversionError::kind(NAME, &value));
        };
        let mut ranges = Vec::new();
        let Some(mut rest) = text.strip_prefix('{') else { return Err(malformed(NAME, &value)) };
        while rest != "}" {
            if !ranges.is_empty() {
                rest = rest.strip_prefix(',').ok_or_else(|| malformed(NAME, &value))?;
            }
            let Some((range, after)) = parse(rest)? else { return Err(malformed(NAME, &value)) };
            ranges.push(range);
            rest = after;
        }
        Ok(Self(ranges))
    }
}

/// Binds the ranges' text.
impl<T: ToValue> ToValue for Multirange<T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let mut text = String::from("{");
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            write(range, &mut text)?;
        }
        text.push('}');
        sink.put(ValueRef::Text(&text))
    }
}

#[cold]
fn malformed(wanted: &'static str, value: &ValueRef<'_>) -> ConversionError {
    ConversionError::value(wanted, value, Malformed { wanted }.to_string())
}

/// A range at the front of `text`, and what follows; `None` if there is none.
fn parse<T: for<'a> FromValue<'a>>(
    text: &str,
) -> Result<Option<(Range<T>, &str)>, ConversionError> {
    if let Some(rest) = text.strip_prefix("empty") {
        return Ok(Some((Range::Empty, rest)));
    }
    let Some((lower, rest)) = take(text, "[", "(") else { return Ok(None) };
    let Some((first, rest)) = unquoted(rest, &[',']) else { return Ok(None) };
    let Some(rest) = rest.strip_prefix(',') else { return Ok(None) };
    let Some((last, rest)) = unquoted(rest, &[']', ')']) else { return Ok(None) };
    let Some((upper, rest)) = take(rest, "]", ")") else { return Ok(None) };
    Ok(Some((Range::Between(read(first, lower)?, read(last, upper)?), rest)))
}

/// Whether the bound is inclusive.
fn take<'t>(text: &'t str, inclusive: &str, exclusive: &str) -> Option<(bool, &'t str)> {
    match text.strip_prefix(inclusive) {
        Some(rest) => Some((true, rest)),
        None => Some((false, text.strip_prefix(exclusive)?)),
    }
}

fn read<T: for<'a> FromValue<'a>>(
    text: Option<String>,
    inclusive: bool,
) -> Result<Bound<T>, ConversionError> {
    let Some(text) = text else { return Ok(Bound::Unbounded) };
    let value = T::from_cell(Cell::new(Some(text.as_bytes()), Encoding::Text))?;
    Ok(if inclusive { Bound::Included(value) } else { Bound::Excluded(value) })
}

fn write<T: ToValue>(range: &Range<T>, out: &mut String) -> Result<()> {
    match range {
        Range::Empty => out.push_str("empty"),
        Range::Between(lower, upper) => {
            out.push(if matches!(lower, Bound::Included(_)) { '[' } else { '(' });
            write_bound(lower, out)?;
            out.push(',');
            write_bound(upper, out)?;
            out.push(if matches!(upper, Bound::Included(_)) { ']' } else { ')' });
        }
    }
    Ok(())
}

fn write_bound<T: ToValue>(bound: &Bound<T>, out: &mut String) -> Result<()> {
    struct Quoted<'a>(&'a mut String);
    impl ParamSink for Quoted<'_> {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            // NULL is no bound.
            if !value.is_null() {
                let mut text = Vec::new();
                array::quoted(value, &mut text)?;
                self.0.push_str(&String::from_utf8_lossy(&text));
            }
            Ok(())
        }
    }
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => value.bind(&mut Quoted(out)),
        Bound::Unbounded => Ok(()),
    }
}
