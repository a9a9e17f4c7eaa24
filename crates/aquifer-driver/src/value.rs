//! Values: [`ValueRef`], the neutral view that crosses between engines and Rust types, and [`Value`],
//! its owned form.

use std::fmt;

use crate::{Elements, Error, ErrorKind};

/// Days since 1970-01-01 in the proleptic Gregorian calendar; `i32::MAX` and `i32::MIN` are the
/// infinities of engines that have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A span of time in the three units that do not convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

/// A view of one value, in terms that are the same for every engine.
///
/// Arguments reach a driver as `ValueRef`s, and cells are read as them. Times are microseconds; a
/// timestamp counts from 1970-01-01T00:00:00, and its `i64::MAX` and `i64::MIN` are the infinities.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// SQL NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer that does not fit `Int`. Drivers that can only send signed integers refuse it.
    UInt(u64),
    /// A floating-point number.
    Float(f64),
    /// An exact decimal number in plain notation: `-12.50`. Also `NaN`, `Infinity`, `-Infinity`.
    Decimal(&'a str),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A calendar date.
    Date(Date),
    /// A time of day: microseconds since midnight.
    Time(i64),
    /// A date and time without a zone: microseconds since 1970-01-01T00:00:00.
    Timestamp(i64),
    /// An instant: microseconds since 1970-01-01T00:00:00 UTC.
    TimestampTz(i64),
    /// A span of time.
    Interval(Interval),
    /// A UUID's sixteen bytes.
    Uuid([u8; 16]),
    /// A JSON text.
    Json(&'a str),
    /// Values of one kind, for engines that have arrays.
    Array(&'a dyn ArrayRef),
    /// An array as it was read from a cell.
    Elements(Elements<'a>),
}

/// The elements of a [`ValueRef::Array`].
pub trait ArrayRef {
    /// How many elements there are.
    fn len(&self) -> usize;
    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Gives each element, in order, to `each`; stops at its first error.
    fn visit(&self, each: &mut dyn FnMut(ValueRef<'_>) -> crate::Result<()>) -> crate::Result<()>;
}

impl ValueRef<'_> {
    /// The kind's name as error messages use it: `text`, `integer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::UInt(_) => "unsigned integer",
            Self::Float(_) => "floating-point number",
            Self::Decimal(_) => "decimal",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::TimestampTz(_) => "timestamp with time zone",
            Self::Interval(_) => "interval",
            Self::Uuid(_) => "UUID",
            Self::Json(_) => "JSON",
            Self::Array(_) | Self::Elements(_) => "array",
        }
    }

    /// True for SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// An owned copy.
    pub fn to_owned(&self) -> crate::Result<Value> {
        Ok(match *self {
            Self::Null => Value::Null,
            Self::Bool(v) => Value::Bool(v),
            Self::Int(v) => Value::Int(v),
            Self::UInt(v) => Value::UInt(v),
            Self::Float(v) => Value::Float(v),
            Self::Decimal(v) => Value::Decimal(v.to_owned()),
            Self::Text(v) => Value::Text(v.to_owned()),
            Self::Bytes(v) => Value::Bytes(v.to_owned()),
            Self::Date(v) => Value::Date(v),
            Self::Time(v) => Value::Time(v),
            Self::Timestamp(v) => Value::Timestamp(v),
            Self::TimestampTz(v) => Value::TimestampTz(v),
            Self::Interval(v) => Value::Interval(v),
            Self::Uuid(v) => Value::Uuid(v),
            Self::Json(v) => Value::Json(v.to_owned()),
            Self::Array(v) => {
                let mut items = Vec::with_capacity(v.len().min(1024));
                v.visit(&mut |item| {
                    items.push(item.to_owned()?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            Self::Elements(v) => crate::elements::value(v, 0)
                .map_err(|error| Error::new(ErrorKind::Conversion, error.to_string()))?,
        })
    }

    /// The elements, if it is an array of either kind.
    pub fn as_array(&self) -> Option<&dyn ArrayRef> {
        match self {
            Self::Array(array) => Some(*array),
            Self::Elements(elements) => Some(elements),
            _ => None,
        }
    }
}

/// Shows the kind, never the value: values are the user's data.
impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueRef({})", self.kind())
    }
}

/// An owned value, for rows and arguments whose types are known only at run time.
///
/// `Debug` shows the value: a `Value` belongs to the user, and Aquifer itself never logs one.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// SQL NULL.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer beyond `i64`.
    UInt(u64),
    /// A floating-point number.
    Float(f64),
    /// An exact decimal number in plain notation.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A calendar date.
    Date(Date),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00, no zone.
    Timestamp(i64),
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    TimestampTz(i64),
    /// A span of time.
    Interval(Interval),
    /// A UUID's sixteen bytes.
    Uuid([u8; 16]),
    /// A JSON text.
    Json(String),
    /// An array.
    Array(Vec<Value>),
}

impl Value {
    /// A view of this value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(v) => ValueRef::Bool(*v),
            Self::Int(v) => ValueRef::Int(*v),
            Self::UInt(v) => ValueRef::UInt(*v),
            Self::Float(v) => ValueRef::Float(*v),
            Self::Decimal(v) => ValueRef::Decimal(v),
            Self::Text(v) => ValueRef::Text(v),
            Self::Bytes(v) => ValueRef::Bytes(v),
            Self::Date(v) => ValueRef::Date(*v),
            Self::Time(v) => ValueRef::Time(*v),
            Self::Timestamp(v) => ValueRef::Timestamp(*v),
            Self::TimestampTz(v) => ValueRef::TimestampTz(*v),
            Self::Interval(v) => ValueRef::Interval(*v),
            Self::Uuid(v) => ValueRef::Uuid(*v),
            Self::Json(v) => ValueRef::Json(v),
            Self::Array(v) => ValueRef::Array(v),
        }
    }

    /// True for SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl ArrayRef for Vec<Value> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn visit(&self, each: &mut dyn FnMut(ValueRef<'_>) -> crate::Result<()>) -> crate::Result<()> {
        self.iter().try_for_each(|value| each(value.as_ref()))
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident as $into:ty),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(<$into>::from(value))
            }
        }
    )*};
}
value_from! {
    bool => Bool as bool, i8 => Int as i64, i16 => Int as i64, i32 => Int as i64, i64 => Int as i64,
    u8 => Int as i64, u16 => Int as i64, u32 => Int as i64, f32 => Float as f64, f64 => Float as f64,
    &str => Text as String, String => Text as String, &[u8] => Bytes as Vec<u8>, Vec<u8> => Bytes as Vec<u8>,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_a_value_owns_back_to_the_same_value() {
        let value = Value::Array(vec![1.into(), Value::Null, "x".into(), Value::Uuid([7; 16])]);
        assert_eq!(value.as_ref().to_owned().unwrap(), value);
    }

    #[test]
    fn debug_of_a_view_does_not_show_the_data() {
        assert_eq!(format!("{:?}", ValueRef::Text("hunter2")), "ValueRef(text)");
    }
}
