use aquifer_driver::{
    Cell, ConversionError, Encoding, FromValue, ParamSink, Result, ToValue, ValueRef,
};

use super::Malformed;
use crate::types;

/// A value of a composite type, or a `ROW(...)`, as a tuple of its fields: `Composite((1, "a"))`.
///
/// Fields are read from the text that the server writes, as [`String`] and numbers, dates, arrays and
/// [`Composite`]s read from text. A `bytea` field is its text (`\x00ff`): select such a field itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Composite<T>(pub T);

/// The fields of a composite's cell, one after the other: what `#[aquifer(composite)]` reads them from.
///
/// ```
/// use aquifer_driver::{Cell, ConversionError, Encoding};
/// use aquifer_postgres::CompositeFields;
///
/// fn pair(cell: Cell<'_>) -> Result<(i32, Option<String>), ConversionError> {
///     let mut fields = CompositeFields::of(cell, "pair", 2)?;
///     Ok((fields.next("a")?, fields.next("b")?))
/// }
/// let cell = Cell::new(Some(b"(7,)"), Encoding::Text);
/// assert_eq!(pair(cell).unwrap(), (7, None));
/// ```
#[derive(Debug)]
pub struct CompositeFields {
    wanted: &'static str,
    texts: std::vec::IntoIter<Option<String>>,
}

impl CompositeFields {
    /// The fields of a cell that must have `count` of them; `wanted` is what the message calls the type.
    ///
    /// # Errors
    ///
    /// If the cell is NULL, no composite, or one of another number of fields.
    pub fn of(cell: Cell<'_>, wanted: &'static str, count: usize) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let ValueRef::Text(text) = value else { return Err(ConversionError::kind(wanted, &value)) };
        match parse(text) {
            Some(texts) if texts.len() == count => Ok(Self { wanted, texts: texts.into_iter() }),
            Some(texts) => {
                let reason = format!("it has {} fields, the type {count}", texts.len());
                Err(ConversionError::value(wanted, &value, reason))
            }
            None => Err(ConversionError::value(wanted, &value, Malformed { wanted }.to_string())),
        }
    }

    /// The next field; after the last one, NULL. `name` is what the message calls it.
    ///
    /// # Errors
    ///
    /// The field's own, as the reason of one about the composite.
    pub fn next<T: for<'a> FromValue<'a>>(&mut self, name: &str) -> Result<T, ConversionError> {
        let text = self.texts.next().flatten();
        let cell = Cell::new(text.as_deref().map(str::as_bytes), Encoding::Literal);
        let read = T::from_cell(cell).or_else(|error| {
            // An array whose elements are escaped, which nothing can borrow.
            let items = text.as_deref().and_then(super::list::elements).ok_or(error)?;
            T::from_cell(Cell::new(Some(&items), Encoding::Array))
        });
        read.map_err(|error| {
            let reason = format!("its field `{name}`: {error}");
            ConversionError::value(self.wanted, &ValueRef::Text(""), reason)
        })
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

/// Puts a composite together out of its fields, in their order: what `#[aquifer(composite)]` writes them to.
///
/// ```
/// use aquifer_driver::{ParamSink, Result, ToValue};
/// use aquifer_postgres::CompositeText;
///
/// fn bind(a: i32, b: Option<&str>, sink: &mut dyn ParamSink) -> Result<()> {
///     let mut fields = CompositeText::new();
///     a.bind(&mut fields)?;
///     b.bind(&mut fields)?;
///     fields.finish(sink)
/// }
/// ```
#[derive(Debug, Default)]
pub struct CompositeText(String);

impl CompositeText {
    /// One without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds the whole of it.
    ///
    /// # Errors
    ///
    /// The sink's.
    pub fn finish(mut self, sink: &mut dyn ParamSink) -> Result<()> {
        if self.0.is_empty() {
            self.0.push('(');
        }
        self.0.push(')');
        sink.put(ValueRef::Text(&self.0))
    }
}

/// Takes each field as text; NULL is nothing at all.
impl ParamSink for CompositeText {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.0.push(if self.0.is_empty() { '(' } else { ',' });
        if !value.is_null() {
            let mut text = Vec::new();
            types::put_text(value, &mut text)?;
            super::quote(&String::from_utf8_lossy(&text), &mut self.0);
        }
        Ok(())
    }
}

macro_rules! composites {
    ($(($len:literal: $($name:ident $index:tt),*))*) => {$(
        /// Reads a composite of as many fields.
        impl<$($name: for<'a> FromValue<'a>),*> FromValue<'_> for Composite<($($name,)*)> {
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                let mut fields = CompositeFields::of(cell, "Composite", $len)?;
                Ok(Self(($(fields.next::<$name>(stringify!($index))?,)*)))
            }
        }

        /// Binds a composite's text.
        impl<$($name: ToValue),*> ToValue for Composite<($($name,)*)> {
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                let mut fields = CompositeText::new();
                $(self.0.$index.bind(&mut fields)?;)*
                fields.finish(sink)
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
