//! The `uuid` crate.

use uuid::Uuid;
use uuid::fmt::{Hyphenated, Simple};

use crate::{Cell, ConversionError, FromValue, ParamSink, Result, ToValue, ValueRef, notation};

/// Reads UUIDs, sixteen bytes, and text, hyphenated or not.
impl FromValue<'_> for Uuid {
    #[inline]
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        read("Uuid", cell)
    }
}

/// Binds a UUID. SQLite stores it as sixteen bytes; bind `uuid.hyphenated()` for text.
impl ToValue for Uuid {
    #[inline]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Uuid(self.into_bytes()))
    }
}

macro_rules! as_text {
    ($($type:ident)*) => {$(
        /// Reads what [`Uuid`] reads.
        impl FromValue<'_> for $type {
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                read(stringify!($type), cell).map(Self::from_uuid)
            }
        }

        /// Binds text in this form.
        impl ToValue for $type {
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                sink.put(ValueRef::Text(self.encode_lower(&mut [0; $type::LENGTH])))
            }
        }
    )*};
}
as_text! { Hyphenated Simple }

fn read(wanted: &'static str, cell: Cell<'_>) -> Result<Uuid, ConversionError> {
    let value = cell.value()?;
    let bytes = match value {
        ValueRef::Uuid(bytes) => bytes,
        ValueRef::Bytes(bytes) => bytes
            .try_into()
            .map_err(|_| ConversionError::value(wanted, &value, "it has not sixteen bytes"))?,
        ValueRef::Text(text) => notation::parse_uuid(text)
            .ok_or_else(|| ConversionError::value(wanted, &value, "it is not a UUID's text"))?,
        _ => return Err(ConversionError::kind(wanted, &value)),
    };
    Ok(Uuid::from_bytes(bytes))
}
