//! [`Storage`]: the form in which a moment or a UUID is stored, where the engine has no type for it.
//!
//! SQLite compares texts byte by byte and never compares a text with a number or a blob: an argument in
//! another form than the column's finds nothing, or the wrong rows, without an error. Pure.

use std::fmt;

use aquifer_driver::{Value, ValueRef, civil, notation};

use crate::parameter::ParameterType;

/// What a parameter is bound as: `timestamptz as unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// `as text`: a UUID's hyphenated text in lower case; a moment as SQLite's `datetime()` and
    /// CURRENT_TIMESTAMP write it, `2024-05-31 12:00:00`, in UTC.
    Text,
    /// `as iso`: a moment as `2024-05-31T12:00:00Z`, in UTC; without the `Z` if it has no zone.
    Iso,
    /// `as unix`: the seconds since 1970-01-01T00:00:00Z, a whole number unless there is a fraction.
    Unix,
}

impl Storage {
    const ALL: [Self; 3] = [Self::Text, Self::Iso, Self::Unix];

    /// The form of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|storage| storage.as_str() == name)
    }

    /// As heads write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Iso => "iso",
            Self::Unix => "unix",
        }
    }

    /// The names of the forms that a type can be stored in.
    pub(crate) fn names(ty: &ParameterType) -> &'static [&'static str] {
        match ty {
            ParameterType::Timestamp | ParameterType::TimestampTz => &["text", "iso", "unix"],
            ParameterType::Uuid => &["text"],
            _ => &[],
        }
    }

    /// The value in this form; one that has no such form as it is.
    pub(crate) fn apply(self, value: Value) -> Value {
        let (micros, zone) = match value {
            Value::Timestamp(micros) => (micros, ""),
            Value::TimestampTz(micros) => (micros, "Z"),
            Value::Uuid(bytes) => {
                return match notation::iso(&ValueRef::Uuid(bytes)) {
                    Some(text) => Value::Text(text.as_str().to_owned()),
                    None => Value::Uuid(bytes),
                };
            }
            other => return other,
        };
        match self {
            Self::Text => Value::Text(civil::timestamp(micros).as_str().to_owned()),
            Self::Iso => Value::Text(format!(
                "{}{zone}",
                civil::timestamp(micros).as_str().replace(' ', "T")
            )),
            // SQLite compares whole numbers and floats by what they are worth.
            Self::Unix if micros % 1_000_000 == 0 => Value::Int(micros / 1_000_000),
            Self::Unix => Value::Float(micros as f64 / 1e6),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_written_as_it_is_stored() {
        let moment = 1_717_156_800_000_000;
        for (storage, value, stored) in [
            (Storage::Text, Value::TimestampTz(moment), "2024-05-31 12:00:00".into()),
            (Storage::Text, Value::Timestamp(moment), "2024-05-31 12:00:00".into()),
            (Storage::Iso, Value::TimestampTz(moment), "2024-05-31T12:00:00Z".into()),
            (Storage::Iso, Value::Timestamp(moment), "2024-05-31T12:00:00".into()),
            (Storage::Unix, Value::TimestampTz(moment), Value::Int(1_717_156_800)),
            (Storage::Unix, Value::TimestampTz(moment + 250_000), Value::Float(1_717_156_800.25)),
            (Storage::Unix, Value::TimestampTz(-1_000_000), Value::Int(-1)),
            (Storage::Text, Value::Uuid([0xab; 16]), "abababab-abab-abab-abab-abababababab".into()),
            (Storage::Unix, Value::Null, Value::Null),
        ] {
            assert_eq!(storage.apply(value.clone()), stored, "{storage} {value:?}");
        }
    }
}
