use aquifer_driver::{
    Cell, ConversionError, Encoding, FromValue, ParamSink, Result, ToValue, ValueRef,
};

use super::Malformed;
use crate::types::array;

/// A value of a composite type, or a `ROW(...)`, as a tuple of its fields: `Composite((1, "a"))`.
///
/// Fields are read from the text that the server writes, as [`String`] and numbers, dates, arrays and
/// [`Composite`]s read from text. A `bytea` field is its text (`\x00ff`): select such a field itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Composite<T>(pub T);

/// The fields' texts, `None` for NULL.
fn fields(cell: Cell<'_>, count: usize) -> Result<Vec<Option<String>>, ConversionError> {
    const NAME: &str = "Composite";
    let value = cell.value()?;
    let ValueRef::Text(text) = value else { return Err(ConversionError::kind(NAME, &value)) };
    match parse(text) {
        Some(fields) if fields.len() == count => Ok(fields),
        Some(fields) => {
            let reason = format!("it has {} fields, the tuple {count}", fields.len());
            Err(ConversionError::value(NAME, &value, reason))
        }
        None => Err(ConversionError::value(NAME, &value, Malformed { wanted: NAME }.to_string())),
    }
}

fn parse(text: &str) -> Option<Vec<Option<String>>> {
    let mut fields = Vec::new();
    let mut rest = text.strip_prefix('(')?;
    loop {
        let (field, after) = super::unquoted(rest, &[',', ')'])?;
        fields.push(field);
        if after == ")" {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?;
    }
}

fn read<T: for<'a> FromValue<'a>>(field: Option<&Option<String>>) -> Result<T, ConversionError> {
    let text = field.and_then(|field| field.as_deref());
    T::from_cell(Cell::new(text.map(str::as_bytes), Encoding::Literal))
}

/// Takes each field as text; NULL is nothing at all.
struct Fields(String);

impl ParamSink for Fields {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.0.push(if self.0.is_empty() { '(' } else { ',' });
        if !value.is_null() {
            let mut text = Vec::new();
            array::quoted(value, &mut text)?;
            self.0.push_str(&String::from_utf8_lossy(&text));
        }
        Ok(())
    }
}

macro_rules! composites {
    ($(($len:literal: $($name:ident $index:tt),*))*) => {$(
        /// Reads a composite of as many fields.
        impl<$($name: for<'a> FromValue<'a>),*> FromValue<'_> for Composite<($($name,)*)> {
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                let fields = fields(cell, $len)?;
                Ok(Self(($(read::<$name>(fields.get($index))?,)*)))
            }
        }

        /// Binds a composite's text.
        impl<$($name: ToValue),*> ToValue for Composite<($($name,)*)> {
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                let mut fields = Fields(String::new());
                $(self.0.$index.bind(&mut fields)?;)*
                fields.0.push(')');
                sink.put(ValueRef::Text(&fields.0))
            }
        }
    )*};
}
composites! {
    (1: A 0)
    (2: A 0, B 1)
    (3: A 0, B 1, C 2)
    (4: A 0, B 1, C 2, D 3)
    (5: A 0, B 1, C 2, D 3, E 4)
    (6: A 0, B 1, C 2, D 3, E 4, F 5)
    (7: A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}
