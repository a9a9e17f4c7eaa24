//! The `serde_json` crate: JSON documents as trees, and as any type that serde knows.

use serde::{Deserialize, Serialize};
use serde_json::Value as Tree;
use serde_json::error::Category;

use crate::{
    Cell, ConversionError, Error, ErrorKind, FromValue, ParamSink, Result, ToValue, ValueRef,
};

/// A value that is stored as a JSON document: `Json<Settings>` both as a column's type and as an
/// argument.
///
/// `T` may borrow from the row: `Json<&RawValue>` gives the document's text as it is stored, checked.
/// SQL NULL is not the document `null`; use `Option<Json<T>>` for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

/// Reads JSON and text. Integers, floating-point numbers and truth values are documents, too: a SQLite
/// column declared `JSON` has NUMERIC affinity, and turns the text `12` into a number. Bytes are refused,
/// because SQLite's JSONB can look like text: its `123` has the bytes of `3123`.
impl<'r, T: Deserialize<'r>> FromValue<'r> for Json<T> {
    fn from_cell(cell: Cell<'r>) -> Result<Self, ConversionError> {
        let name = std::any::type_name::<T>;
        let value = cell.value()?;
        let read = match value {
            ValueRef::Json(text) | ValueRef::Text(text) => serde_json::from_str(text),
            ValueRef::Int(v) => T::deserialize(Tree::from(v)),
            ValueRef::UInt(v) => T::deserialize(Tree::from(v)),
            ValueRef::Bool(v) => T::deserialize(Tree::from(v)),
            ValueRef::Float(v) if v.is_finite() => T::deserialize(Tree::from(v)),
            ValueRef::Bytes(_) => {
                return Err(ConversionError::kind(format!("Json<{}>", name()), &value)
                    .with_hint("select json(column), which turns SQLite's JSONB into text"));
            }
            _ => return Err(ConversionError::kind(format!("Json<{}>", name()), &value)),
        };
        read.map(Json).map_err(|error| {
            ConversionError::value(format!("Json<{}>", name()), &value, reason(&error))
        })
    }
}

/// Binds the document. Floating-point numbers that JSON has not (NaN and the infinities) become `null`, as
/// serde_json has it.
impl<T: Serialize> ToValue for Json<T> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        match serde_json::to_string(&self.0) {
            Ok(text) => sink.put(ValueRef::Json(&text)),
            // What serde says may quote the value.
            Err(_) => Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "cannot bind a Json<{}>: it does not serialize",
                    std::any::type_name::<T>()
                ),
            )
            .with_hint("the keys of a JSON object are text, numbers or truth values")),
        }
    }
}

/// Reads what [`Json`] reads.
impl FromValue<'_> for Tree {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        Json::from_cell(cell).map(|Json(tree)| tree)
    }
}

/// Binds the document.
impl ToValue for Tree {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        Json(self).bind(sink)
    }
}

/// What serde says of a document, without the data that its messages quote.
#[cold]
fn reason(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => match missing_field(&error.to_string()) {
            Some(field) => format!("its JSON has no field `{field}`"),
            None => "its JSON has not the type's shape".to_owned(),
        },
        Category::Eof => "its JSON ends too early".to_owned(),
        Category::Syntax | Category::Io => "it is not JSON".to_owned(),
    };
    match (error.line(), error.column()) {
        // Numbers and truth values are read without a text, so they have no place.
        (0, _) => what,
        (line, column) => format!("{what}: line {line} column {column}"),
    }
}

/// The one message that names only what the type has, not what the document holds.
fn missing_field(message: &str) -> Option<&str> {
    Some(message.strip_prefix("missing field `")?.split_once('`')?.0)
}
