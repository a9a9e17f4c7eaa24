//! Cells into Rust types: [`FromValue`], the conversion table's reading half.
//!
//! Exact conversions succeed (an integral DECIMAL into `i64`, 0 and 1 into `bool`, digits in text into a
//! number); everything else is a typed error, never a truncation. Floating-point types take the nearest
//! value, as they always do, and refuse what is out of range.

use std::borrow::Cow;
use std::fmt;

use crate::{Cell, Column, Encoding, Error, ErrorKind, Value, ValueRef, notation};

/// A type that one cell becomes. `'r` is the life of the row, for types that borrow from it.
pub trait FromValue<'r>: Sized {
    /// Reads a cell.
    ///
    /// # Errors
    ///
    /// If the cell holds another kind of value, or one that this type cannot hold.
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError>;

    /// Reads a cell into a `Vec` of this type: the elements of an array. Bytes (`u8`) have cells of their
    /// own, which is why a type may say otherwise.
    ///
    /// # Errors
    ///
    /// If the cell is no array, or an element does not convert; the message says which.
    #[doc(hidden)]
    #[inline]
    fn vec_from_cell(cell: Cell<'r>) -> Result<Vec<Self>, ConversionError> {
        crate::elements::read(cell)
    }
}

/// Why a cell did not become the wanted type. It holds no data, only kinds and names.
#[derive(Debug)]
pub struct ConversionError(Box<Conversion>);

#[derive(Debug)]
struct Conversion {
    wanted: Option<Cow<'static, str>>,
    found: &'static str,
    reason: Option<Cow<'static, str>>,
    hint: Option<&'static str>,
    /// Where in an array: `[2][0]`; empty outside arrays.
    element: String,
}

impl ConversionError {
    /// `value` is of a kind that `wanted` (a Rust type's name) cannot take.
    #[cold]
    pub fn kind(wanted: impl Into<Cow<'static, str>>, value: &ValueRef<'_>) -> Self {
        let wanted = wanted.into();
        Self(Box::new(Conversion {
            hint: value.is_null().then_some("use an Option for a column that may be NULL"),
            wanted: Some(wanted),
            found: value.kind(),
            reason: None,
            element: String::new(),
        }))
    }

    /// `value` is of the right kind, but not a value that `wanted` can hold. The reason must not quote
    /// the value.
    #[cold]
    pub fn value(
        wanted: impl Into<Cow<'static, str>>,
        value: &ValueRef<'_>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Conversion {
            wanted: Some(wanted.into()),
            found: value.kind(),
            reason: Some(reason.into()),
            hint: None,
            element: String::new(),
        }))
    }

    /// Says what the reader should do next. The hint must not quote the value.
    #[cold]
    #[must_use]
    pub fn with_hint(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    #[cold]
    pub(crate) fn damaged(reason: &'static str) -> Self {
        Self(Box::new(Conversion {
            wanted: None,
            found: "cell",
            reason: Some(reason.into()),
            hint: None,
            element: String::new(),
        }))
    }

    #[cold]
    pub(crate) fn not_utf8() -> Self {
        Self(Box::new(Conversion {
            wanted: None,
            found: "text",
            reason: Some("it is not valid UTF-8".into()),
            hint: Some("read it as bytes"),
            element: String::new(),
        }))
    }

    /// The error with its place in an array, counted from 0.
    #[cold]
    pub(crate) fn in_element(mut self, index: usize) -> Self {
        self.0.element.insert_str(0, &format!("[{index}]"));
        self
    }

    /// The error with its place: column position, name and type.
    #[cold]
    pub fn at(self, index: usize, column: &Column) -> Error {
        let place = if column.type_name.is_empty() {
            format!("column {index} \"{}\"", column.name)
        } else {
            format!("column {index} \"{}\" ({})", column.name, column.type_name)
        };
        let error = Error::new(ErrorKind::Conversion, format!("{place}: {self}"))
            .with_column(&*column.name);
        match self.0.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if !inner.element.is_empty() {
            write!(f, "element {}: ", inner.element)?;
        }
        write!(f, "cannot read {}", inner.found)?;
        if let Some(wanted) = &inner.wanted {
            write!(f, " as {wanted}")?;
        }
        if let Some(reason) = &inner.reason {
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConversionError {}

const OUT_OF_RANGE: &str = "out of range";
const NOT_INTEGRAL: &str = "it has a fractional part";
const NOT_A_NUMBER: &str = "it is not a number";

/// Any integer value that is exact, whatever the cell's kind.
fn integer(wanted: &'static str, value: &ValueRef<'_>) -> Result<i128, ConversionError> {
    match *value {
        ValueRef::Int(v) => Ok(v.into()),
        ValueRef::UInt(v) => Ok(v.into()),
        ValueRef::Bool(v) => Ok(v.into()),
        ValueRef::Float(v) => {
            if v.is_nan() || v.is_infinite() {
                Err(ConversionError::value(wanted, value, OUT_OF_RANGE))
            } else if v.fract() != 0.0 {
                Err(ConversionError::value(wanted, value, NOT_INTEGRAL))
            } else if v.abs() >= 1e20 {
                Err(ConversionError::value(wanted, value, OUT_OF_RANGE))
            } else {
                Ok(v as i128)
            }
        }
        ValueRef::Decimal(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            if fraction.bytes().any(|digit| digit != b'0') {
                return Err(ConversionError::value(wanted, value, NOT_INTEGRAL));
            }
            parse_integer(wanted, value, whole)
        }
        ValueRef::Text(text) => parse_integer(wanted, value, text),
        ValueRef::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => parse_integer(wanted, value, text),
            Err(_) => Err(ConversionError::value(wanted, value, NOT_A_NUMBER)),
        },
        _ => Err(ConversionError::kind(wanted, value)),
    }
}

fn parse_integer(
    wanted: &'static str,
    value: &ValueRef<'_>,
    text: &str,
) -> Result<i128, ConversionError> {
    text.parse::<i128>().map_err(|error| {
        let reason = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                OUT_OF_RANGE
            }
            _ => NOT_A_NUMBER,
        };
        ConversionError::value(wanted, value, reason)
    })
}

macro_rules! integers {
    (@ $type:ident $($more:item)*) => {
        impl FromValue<'_> for $type {
            $($more)*

            #[inline]
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                if let Some(v) = cell.int() && let Ok(v) = Self::try_from(v) {
                    return Ok(v);
                }
                #[inline(never)]
                fn general(bytes: Option<&[u8]>, encoding: Encoding) -> Result<$type, ConversionError> {
                let cell = Cell::new(bytes, encoding);
                    const NAME: &str = stringify!($type);
                    let value = cell.value()?;
                    if let ValueRef::Int(v) = value && let Ok(v) = $type::try_from(v) {
                        return Ok(v);
                    }
                    let wide = integer(NAME, &value)?;
                    $type::try_from(wide)
                        .map_err(|_| ConversionError::value(NAME, &value, OUT_OF_RANGE))
                }
                general(cell.raw(), cell.encoding())
            }
        }
    };
    ($($type:ident)*) => {$(integers! { @ $type })*};
}
integers! { i8 i16 i32 i64 i128 u16 u32 u64 isize usize }
integers! { @ u8
    #[inline]
    fn vec_from_cell(cell: Cell<'_>) -> Result<Vec<Self>, ConversionError> {
        match cell.as_bytes() {
            Some(bytes) => Ok(bytes.to_vec()),
            None => match cell.value()? {
                ValueRef::Uuid(bytes) => Ok(bytes.to_vec()),
                ValueRef::Elements(_) => crate::elements::read(cell),
                other => Err(ConversionError::kind("Vec<u8>", &other)),
            },
        }
    }
}

/// As the other integers; the upper half of its range is beyond the `i128` that they go by.
impl FromValue<'_> for u128 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        match (integer("u128", &value), value) {
            (Ok(wide), _) => Self::try_from(wide)
                .map_err(|_| ConversionError::value("u128", &value, OUT_OF_RANGE)),
            (Err(error), ValueRef::Decimal(text)) => {
                let whole = text.trim_end_matches('0').strip_suffix('.').unwrap_or(text);
                whole.parse().map_err(|_| error)
            }
            (Err(error), ValueRef::Text(text)) => text.parse().map_err(|_| error),
            (Err(error), _) => Err(error),
        }
    }
}

/// The nearest `f64`, whatever the cell's kind.
fn float(wanted: &'static str, value: &ValueRef<'_>) -> Result<f64, ConversionError> {
    let text = match *value {
        ValueRef::Float(v) => return Ok(v),
        ValueRef::Int(v) => {
            let wide = v as f64;
            return if wide as i128 == i128::from(v) {
                Ok(wide)
            } else {
                Err(ConversionError::value(wanted, value, "it has more digits than the type holds"))
            };
        }
        ValueRef::UInt(v) => {
            let wide = v as f64;
            return if wide as i128 == i128::from(v) {
                Ok(wide)
            } else {
                Err(ConversionError::value(wanted, value, "it has more digits than the type holds"))
            };
        }
        ValueRef::Decimal(text) | ValueRef::Text(text) => text,
        ValueRef::Bytes(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| ConversionError::value(wanted, value, NOT_A_NUMBER))?,
        _ => return Err(ConversionError::kind(wanted, value)),
    };
    let number: f64 =
        text.parse().map_err(|_| ConversionError::value(wanted, value, NOT_A_NUMBER))?;
    if number.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(ConversionError::value(wanted, value, OUT_OF_RANGE));
    }
    Ok(number)
}

impl FromValue<'_> for f64 {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        #[inline(never)]
        fn general(bytes: Option<&[u8]>, encoding: Encoding) -> Result<f64, ConversionError> {
            let cell = Cell::new(bytes, encoding);
            float("f64", &cell.value()?)
        }
        match cell.float() {
            Some(v) => Ok(v),
            None => general(cell.raw(), cell.encoding()),
        }
    }
}

impl FromValue<'_> for f32 {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let wide = float("f32", &value)?;
        let narrow = wide as f32;
        if narrow.is_infinite() && wide.is_finite() {
            return Err(ConversionError::value("f32", &value, OUT_OF_RANGE));
        }
        Ok(narrow)
    }
}

impl FromValue<'_> for bool {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        match value {
            ValueRef::Bool(v) => Ok(v),
            ValueRef::Int(0) => Ok(false),
            ValueRef::Int(1) => Ok(true),
            ValueRef::Text(text) => match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(ConversionError::value("bool", &value, "it is not a truth value")),
            },
            ValueRef::Int(_) | ValueRef::UInt(_) => {
                Err(ConversionError::value("bool", &value, "only 0 and 1 are truth values"))
            }
            // MySQL's BIT(1).
            ValueRef::Bytes([0]) => Ok(false),
            ValueRef::Bytes([1]) => Ok(true),
            _ => Err(ConversionError::kind("bool", &value)),
        }
    }
}

impl<'r> FromValue<'r> for &'r str {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        #[inline(never)]
        fn general(bytes: Option<&[u8]>, encoding: Encoding) -> Result<&str, ConversionError> {
            let cell = Cell::new(bytes, encoding);
            let value = cell.value()?;
            match value {
                ValueRef::Text(text) | ValueRef::Json(text) | ValueRef::Decimal(text) => Ok(text),
                ValueRef::Bytes(bytes) => {
                    std::str::from_utf8(bytes).map_err(|_| ConversionError::not_utf8())
                }
                _ => Err(ConversionError::kind("&str", &value)),
            }
        }
        match cell.text() {
            Some(text) => Ok(text),
            None => general(cell.raw(), cell.encoding()),
        }
    }
}

impl FromValue<'_> for String {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        #[inline(never)]
        fn general(bytes: Option<&[u8]>, encoding: Encoding) -> Result<String, ConversionError> {
            let cell = Cell::new(bytes, encoding);
            let value = cell.value()?;
            match value {
                ValueRef::Text(text) | ValueRef::Json(text) | ValueRef::Decimal(text) => {
                    Ok(text.to_owned())
                }
                ValueRef::Bytes(bytes) => std::str::from_utf8(bytes)
                    .map(str::to_owned)
                    .map_err(|_| ConversionError::not_utf8()),
                _ => text_of("String", value),
            }
        }
        match cell.text() {
            Some(text) => Ok(text.to_owned()),
            None => general(cell.raw(), cell.encoding()),
        }
    }
}

/// The text form of a value that is not text: numbers as Rust prints them, the others as [`notation`]
/// writes them.
#[cold]
fn text_of(wanted: &'static str, value: ValueRef<'_>) -> Result<String, ConversionError> {
    Ok(match value {
        ValueRef::Int(v) => v.to_string(),
        ValueRef::UInt(v) => v.to_string(),
        ValueRef::Float(v) => v.to_string(),
        ValueRef::Bool(v) => v.to_string(),
        _ => match notation::iso(&value) {
            Some(iso) => iso.as_str().to_owned(),
            None => match value {
                ValueRef::Time(micros) => span_text(micros),
                _ => return Err(ConversionError::kind(wanted, &value)),
            },
        },
    })
}

/// A time that is negative or beyond a day, as MySQL writes it: `-838:59:59.000001`.
fn span_text(micros: i64) -> String {
    let (sign, span) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (seconds, fraction) = (span / 1_000_000, span % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}"),
    }
}

impl FromValue<'_> for Box<str> {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        String::from_cell(cell).map(String::into_boxed_str)
    }
}

impl<'r> FromValue<'r> for Cow<'r, str> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        match value {
            ValueRef::Text(text) | ValueRef::Json(text) | ValueRef::Decimal(text) => {
                Ok(Cow::Borrowed(text))
            }
            _ => String::from_cell(cell).map(Cow::Owned),
        }
    }
}

impl<'r> FromValue<'r> for &'r [u8] {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        match cell.as_bytes() {
            Some(bytes) => Ok(bytes),
            None => Err(ConversionError::kind("&[u8]", &cell.value()?)),
        }
    }
}

/// Bytes for `Vec<u8>`, the elements of an array for all others.
impl<'r, T: FromValue<'r>> FromValue<'r> for Vec<T> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        T::vec_from_cell(cell)
    }
}

impl<'r> FromValue<'r> for Cow<'r, [u8]> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        <&[u8]>::from_cell(cell).map(Cow::Borrowed)
    }
}

impl<const N: usize> FromValue<'_> for [u8; N] {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let wanted = || format!("[u8; {N}]");
        let value = cell.value()?;
        let bytes: &[u8] = match &value {
            ValueRef::Bytes(bytes) => bytes,
            ValueRef::Uuid(bytes) => bytes,
            other => return Err(ConversionError::kind(wanted(), other)),
        };
        bytes.try_into().map_err(|_| {
            ConversionError::value(wanted(), &value, format!("it has {} bytes", bytes.len()))
        })
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Option<T> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        if cell.is_null() { Ok(None) } else { T::from_cell(cell).map(Some) }
    }
}

impl<'r, T: FromValue<'r>> FromValue<'r> for Box<T> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        T::from_cell(cell).map(Box::new)
    }
}

impl FromValue<'_> for Value {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        match cell.value()? {
            ValueRef::Elements(elements) => crate::elements::value(elements, 0),
            value => value.to_owned().map_err(|_| ConversionError::kind("Value", &value)),
        }
    }
}

impl<'r> FromValue<'r> for ValueRef<'r> {
    #[inline]
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        cell.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Cell<'_> {
        Cell::new(Some(s.as_bytes()), Encoding::Text)
    }

    fn decimal(s: &str) -> Cell<'_> {
        Cell::new(Some(s.as_bytes()), Encoding::Decimal)
    }

    fn message<'r, T: FromValue<'r>>(cell: Cell<'r>) -> String {
        match T::from_cell(cell) {
            Ok(_) => panic!("the conversion succeeded"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn text_of_digits_becomes_a_checked_integer() {
        assert_eq!(u8::from_cell(text("255")).unwrap(), 255);
        assert_eq!(message::<u8>(text("256")), "cannot read text as u8: out of range");
        assert_eq!(message::<u8>(text("-1")), "cannot read text as u8: out of range");
        assert_eq!(message::<i64>(text("foo")), "cannot read text as i64: it is not a number");
    }

    #[test]
    fn only_integral_decimals_become_integers() {
        assert_eq!(i64::from_cell(decimal("42.00")).unwrap(), 42);
        assert!(message::<i64>(decimal("42.01")).contains("fractional"));
        assert!(message::<i64>(decimal("NaN")).contains("not a number"));
        assert_eq!(i64::from_cell(decimal("-9223372036854775808")).unwrap(), i64::MIN);
    }

    #[test]
    fn floats_become_integers_only_if_integral() {
        let bytes = 3.0f64.to_le_bytes();
        assert_eq!(i32::from_cell(Cell::new(Some(&bytes), Encoding::F64Le)).unwrap(), 3);
        let bytes = 1.5f64.to_le_bytes();
        assert!(message::<i32>(Cell::new(Some(&bytes), Encoding::F64Le)).contains("fractional"));
        let bytes = f64::NAN.to_le_bytes();
        assert!(message::<i32>(Cell::new(Some(&bytes), Encoding::F64Le)).contains("range"));
    }

    #[test]
    fn integers_beyond_a_floats_digits_are_refused() {
        let bytes = (1i64 << 53).to_le_bytes();
        assert!(f64::from_cell(Cell::new(Some(&bytes), Encoding::I64Le)).is_ok());
        let bytes = ((1i64 << 53) + 1).to_le_bytes();
        assert!(message::<f64>(Cell::new(Some(&bytes), Encoding::I64Le)).contains("digits"));
        assert!(message::<f64>(decimal("1e999")).contains("range"));
    }

    #[test]
    fn null_into_a_plain_type_says_to_use_an_option() {
        let null = Cell::new(None, Encoding::I64Le);
        let error =
            i64::from_cell(null).unwrap_err().at(2, &Column::new("level_m", Encoding::I64Le));
        assert_eq!(
            error.to_string(),
            "column 2 \"level_m\": cannot read NULL as i64; use an Option for a column that may be NULL"
        );
        assert_eq!(Option::<i64>::from_cell(null).unwrap(), None);
    }

    #[test]
    fn truth_values_are_0_1_and_the_words() {
        for (word, want) in
            [("1", true), ("t", true), ("True", true), ("f", false), ("FALSE", false)]
        {
            assert_eq!(bool::from_cell(text(word)).unwrap(), want);
        }
        assert!(message::<bool>(text("yes")).contains("truth"));
        assert!(message::<bool>(Cell::new(Some(&[2]), Encoding::U8)).contains("0 and 1"));
    }

    #[test]
    fn numbers_become_their_text_form_in_owned_strings_only() {
        let bytes = 42i64.to_le_bytes();
        let cell = Cell::new(Some(&bytes), Encoding::I64Le);
        assert_eq!(String::from_cell(cell).unwrap(), "42");
        assert_eq!(message::<&str>(cell), "cannot read integer as &str");
    }
}
