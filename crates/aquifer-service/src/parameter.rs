//! [`Parameter`]: one declared parameter of a query, and reading its value from a request.
//!
//! Pure: text or JSON in, a typed [`Value`] or a reason out. Reasons say what was expected; they may
//! quote what the caller sent, because only the caller sees them.

use std::fmt;

use aquifer_driver::{Value, civil, notation, suggest};

use crate::base64;
use crate::storage::Storage;

/// Digits that a decimal may have.
const DECIMAL_MAX: usize = 1_000;
/// Characters of a refused value that a reason quotes.
const QUOTE_MAX: usize = 40;

/// The type of a parameter, as heads write it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterType {
    /// `int64`: a whole number.
    Int64,
    /// `float64`: a finite number.
    Float64,
    /// `text`.
    Text,
    /// `bool`: `true` or `false`.
    Bool,
    /// `date`: `2024-05-31`.
    Date,
    /// `timestamp`: `2024-05-31T12:00:00`, without a zone.
    Timestamp,
    /// `timestamptz`: `2024-05-31T12:00:00Z`; the zone is required.
    TimestampTz,
    /// `uuid`.
    Uuid,
    /// `decimal`: an exact number, kept digit by digit.
    Decimal,
    /// `bytes`: base64.
    Bytes,
    /// `json`: any JSON value.
    Json,
    /// `enum(a, b)`: one of these words.
    Enum(Vec<String>),
}

impl ParameterType {
    /// The names of the types, as heads write them, for messages.
    pub const NAMES: [&'static str; 12] = [
        "int64",
        "float64",
        "text",
        "bool",
        "date",
        "timestamp",
        "timestamptz",
        "uuid",
        "decimal",
        "bytes",
        "json",
        "enum",
    ];

    /// The type of that name; `enum` is not one, because its words are missing.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "text" => Self::Text,
            "bool" => Self::Bool,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "uuid" => Self::Uuid,
            "decimal" => Self::Decimal,
            "bytes" => Self::Bytes,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// The name that was meant by another one: an engine's name for the type, or a misspelling.
    pub(crate) fn meant(name: &str) -> Option<&'static str> {
        match &*name.to_ascii_lowercase() {
            "int" | "integer" | "bigint" | "int4" | "int8" | "i64" | "number" => Some("int64"),
            "float" | "double" | "real" | "f64" => Some("float64"),
            "string" | "varchar" | "str" => Some("text"),
            "boolean" => Some("bool"),
            "datetime" => Some("timestamp"),
            "numeric" => Some("decimal"),
            "blob" | "bytea" => Some("bytes"),
            "jsonb" => Some("json"),
            _ => suggest::nearest(name, Self::NAMES),
        }
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Decimal => "decimal",
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::Enum(words) => return write!(f, "enum({})", words.join(", ")),
        })
    }
}

/// One declared parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parameter {
    /// The name, as in `:name`.
    pub name: String,
    /// What values it takes.
    pub ty: ParameterType,
    /// What it is bound as, if not as the engine's own type: `timestamptz as unix`.
    pub storage: Option<Storage>,
    /// Whether it may be left out without a default: it is then NULL.
    pub optional: bool,
    /// What it is if it is left out.
    pub default: Option<Value>,
    /// The least value (numbers), or the least length in characters or bytes (text, bytes).
    pub min: Option<f64>,
    /// The greatest value or length.
    pub max: Option<f64>,
}

impl Parameter {
    /// A required parameter of that name and type without bounds.
    pub fn new(name: impl Into<String>, ty: ParameterType) -> Self {
        Self {
            name: name.into(),
            ty,
            storage: None,
            optional: false,
            default: None,
            min: None,
            max: None,
        }
    }

    /// The value when the request does not have it; `None` if it must.
    pub(crate) fn absent(&self) -> Option<Value> {
        match &self.default {
            Some(default) => Some(default.clone()),
            None => self.optional.then_some(Value::Null),
        }
    }

    /// Reads a value from a path or query string.
    ///
    /// # Errors
    ///
    /// The reason, as a problem's `errors` list shows it.
    pub fn from_text(&self, text: &str) -> Result<Value, String> {
        let value = match &self.ty {
            ParameterType::Int64 => text.parse().ok().map(Value::Int),
            ParameterType::Float64 => float(text),
            ParameterType::Text => Some(Value::Text(text.to_owned())),
            ParameterType::Bool => match text {
                "true" | "1" => Some(Value::Bool(true)),
                "false" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            ParameterType::Decimal => (text.len() <= DECIMAL_MAX && notation::is_decimal(text))
                .then(|| Value::Decimal(text.to_owned())),
            ParameterType::Bytes => base64::decode(text).map(Value::Bytes),
            ParameterType::Json => serde_json::from_str::<serde::de::IgnoredAny>(text)
                .is_ok()
                .then(|| Value::Json(text.to_owned())),
            ParameterType::Date => civil::parse_date(text)
                .ok()
                .filter(|date| !matches!(date.0, i32::MIN | i32::MAX))
                .map(Value::Date),
            ParameterType::Timestamp => match stamp(text) {
                Some(stamp) if stamp.offset.is_none() => Some(Value::Timestamp(stamp.micros)),
                _ => None,
            },
            ParameterType::TimestampTz => stamp(text)
                .filter(|stamp| stamp.offset.is_some())
                .and_then(civil::Stamp::utc_micros)
                .map(Value::TimestampTz),
            ParameterType::Uuid => notation::parse_uuid(text).map(Value::Uuid),
            ParameterType::Enum(words) => {
                words.iter().find(|word| *word == text).map(|word| Value::Text(word.clone()))
            }
        };
        match value {
            Some(value) if self.in_bounds(&value) => Ok(match self.storage {
                Some(storage) => storage.apply(value),
                None => value,
            }),
            _ => Err(format!("expected {}, got {}", self.expected(), quoted(text))),
        }
    }

    /// Reads a value from a JSON body, given as the text of its JSON value. `null` stands for absent.
    ///
    /// # Errors
    ///
    /// The reason, as a problem's `errors` list shows it.
    pub fn from_json(&self, raw: &str) -> Result<Value, String> {
        let raw = raw.trim();
        if self.ty == ParameterType::Json {
            return self.from_text(raw);
        }
        let wrong = |what: &str| Err(format!("expected {}, got {what}", self.expected()));
        match raw.as_bytes().first() {
            Some(b'n') => match self.absent() {
                Some(value) => Ok(value),
                None => wrong("null"),
            },
            Some(b'"') => match self.ty {
                // A quoted number is not a number; text that is exact by nature comes in quotes.
                ParameterType::Int64 | ParameterType::Float64 | ParameterType::Bool => {
                    wrong(&format!("the text {}", shortened(raw)))
                }
                _ => match serde_json::from_str::<String>(raw) {
                    Ok(text) => self.from_text(&text),
                    Err(_) => wrong("text that is not valid JSON"),
                },
            },
            Some(b't' | b'f') if self.ty == ParameterType::Bool => self.from_text(raw),
            Some(b'0'..=b'9' | b'-')
                if matches!(
                    self.ty,
                    ParameterType::Int64 | ParameterType::Float64 | ParameterType::Decimal
                ) =>
            {
                self.from_text(raw)
            }
            Some(b'{') => wrong("an object"),
            Some(b'[') => wrong("an array"),
            _ => wrong(&shortened(raw)),
        }
    }

    fn in_bounds(&self, value: &Value) -> bool {
        let measure = match value {
            // Bounds are whole numbers that a float holds exactly, so comparing loses nothing there.
            Value::Int(v) => *v as f64,
            Value::Float(v) => *v,
            Value::Decimal(v) => v.parse().unwrap_or(f64::NAN),
            Value::Text(v) => v.chars().count() as f64,
            Value::Bytes(v) => v.len() as f64,
            _ => return true,
        };
        self.min.is_none_or(|min| measure >= min) && self.max.is_none_or(|max| measure <= max)
    }

    /// What the parameter takes, for people: `an integer ≥ 1`.
    pub fn expected(&self) -> String {
        let mut what = match &self.ty {
            ParameterType::Int64 => "an integer".to_owned(),
            ParameterType::Float64 => "a number".to_owned(),
            ParameterType::Text => "text".to_owned(),
            ParameterType::Bool => "true or false".to_owned(),
            ParameterType::Date => "a date such as 2024-05-31".to_owned(),
            ParameterType::Timestamp => {
                "a timestamp without a zone such as 2024-05-31T12:00:00".to_owned()
            }
            ParameterType::TimestampTz => {
                "a timestamp with a zone such as 2024-05-31T12:00:00Z".to_owned()
            }
            ParameterType::Uuid => "a UUID".to_owned(),
            ParameterType::Decimal => "a decimal number".to_owned(),
            ParameterType::Bytes => "base64".to_owned(),
            ParameterType::Json => "JSON".to_owned(),
            ParameterType::Enum(words) => format!("one of {}", words.join(", ")),
        };
        let unit = match self.ty {
            ParameterType::Text => " characters",
            ParameterType::Bytes => " bytes",
            _ => "",
        };
        let of = if unit.is_empty() { "" } else { " of" };
        match (self.min, self.max) {
            (Some(min), Some(max)) if unit.is_empty() => {
                what.push_str(&format!(" from {min} to {max}"));
            }
            (Some(min), Some(max)) => what.push_str(&format!("{of} {min} to {max}{unit}")),
            (Some(min), None) => what.push_str(&format!("{of} ≥ {min}{unit}")),
            (None, Some(max)) => what.push_str(&format!("{of} ≤ {max}{unit}")),
            (None, None) => {}
        }
        what
    }
}

/// The value in quotes, shortened and without control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut shown: String =
        text.chars().take(QUOTE_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(QUOTE_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A finite number in JSON's or Rust's plain form; not `inf`, not `nan`.
fn float(text: &str) -> Option<Value> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse::<f64>().ok().filter(|value| plain && value.is_finite()).map(Value::Float)
}

/// A finite timestamp of whole microseconds, the finest that all engines keep.
fn stamp(text: &str) -> Option<civil::Stamp> {
    civil::parse_stamp(text)
        .ok()
        .filter(|stamp| stamp.nanos == 0 && !matches!(stamp.micros, i64::MIN | i64::MAX))
}

#[cfg(test)]
mod tests {
    use aquifer_driver::Date;

    use super::*;

    fn of(ty: ParameterType) -> Parameter {
        Parameter::new("p", ty)
    }

    #[test]
    fn every_type_reads_its_text() {
        for (ty, text, value) in [
            (ParameterType::Int64, "-7", Value::Int(-7)),
            (ParameterType::Int64, "9223372036854775807", Value::Int(i64::MAX)),
            (ParameterType::Float64, "1.5e3", Value::Float(1500.0)),
            (ParameterType::Text, "", Value::Text(String::new())),
            (ParameterType::Bool, "true", Value::Bool(true)),
            (ParameterType::Bool, "0", Value::Bool(false)),
            (ParameterType::Date, "1970-01-02", Value::Date(Date(1))),
            (ParameterType::Timestamp, "1970-01-01T00:00:01", Value::Timestamp(1_000_000)),
            (ParameterType::TimestampTz, "1970-01-01T01:00:00+01:00", Value::TimestampTz(0)),
            (
                ParameterType::Uuid,
                "00112233-4455-6677-8899-aabbccddeeff",
                Value::Uuid([
                    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
                    0xdd, 0xee, 0xff,
                ]),
            ),
            (
                ParameterType::Decimal,
                "-12345678901234567890.10",
                Value::Decimal("-12345678901234567890.10".into()),
            ),
            (ParameterType::Bytes, "Zm9v", Value::Bytes(b"foo".to_vec())),
            (ParameterType::Json, "[1]", Value::Json("[1]".into())),
            (ParameterType::Enum(vec!["new".into()]), "new", Value::Text("new".into())),
        ] {
            assert_eq!(of(ty.clone()).from_text(text), Ok(value), "{ty} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused_with_what_was_expected() {
        for (ty, text) in [
            (ParameterType::Int64, "1.0"),
            (ParameterType::Int64, "9223372036854775808"),
            (ParameterType::Int64, " 1"),
            (ParameterType::Float64, "NaN"),
            (ParameterType::Float64, "inf"),
            (ParameterType::Float64, "1e999"),
            (ParameterType::Bool, "yes"),
            (ParameterType::Date, "2023-02-29"),
            (ParameterType::Date, "infinity"),
            (ParameterType::Timestamp, "-infinity"),
            (ParameterType::TimestampTz, "1970-01-01T00:00:00.0000001Z"),
            (ParameterType::Timestamp, "1970-01-01T00:00:01Z"),
            (ParameterType::TimestampTz, "1970-01-01T00:00:01"),
            (ParameterType::Uuid, "00112233-4455-6677-8899-aabbccddeef"),
            (ParameterType::Uuid, "0011223344-55-6677-8899-aabbccddeeff"),
            (ParameterType::Decimal, "1e5"),
            (ParameterType::Decimal, "."),
            (ParameterType::Bytes, "Z"),
            (ParameterType::Json, "{"),
            (ParameterType::Enum(vec!["new".into(), "paid".into()]), "New"),
        ] {
            let reason = of(ty.clone()).from_text(text).unwrap_err();
            assert!(reason.starts_with("expected "), "{ty}: {reason}");
            assert!(reason.contains(&format!("got \"{text}\"")), "{ty}: {reason}");
        }
    }

    #[test]
    fn bounds_apply_to_numbers_and_to_lengths() {
        let id = Parameter { min: Some(1.0), ..of(ParameterType::Int64) };
        assert_eq!(id.from_text("0").unwrap_err(), "expected an integer ≥ 1, got \"0\"");
        assert_eq!(id.from_text("x").unwrap_err(), "expected an integer ≥ 1, got \"x\"");
        let code = Parameter { min: Some(2.0), max: Some(3.0), ..of(ParameterType::Text) };
        assert_eq!(code.from_text("éé"), Ok(Value::Text("éé".into())));
        assert_eq!(
            code.from_text("abcd").unwrap_err(),
            "expected text of 2 to 3 characters, got \"abcd\""
        );
    }

    #[test]
    fn json_numbers_and_texts_do_not_stand_in_for_each_other() {
        assert_eq!(of(ParameterType::Int64).from_json("7"), Ok(Value::Int(7)));
        assert!(of(ParameterType::Int64).from_json("\"7\"").is_err());
        assert!(of(ParameterType::Int64).from_json("7.5").is_err());
        assert!(of(ParameterType::Text).from_json("7").is_err());
        assert!(of(ParameterType::Bool).from_json("1").is_err());
        assert!(of(ParameterType::Text).from_json("{}").unwrap_err().contains("an object"));
        assert_eq!(of(ParameterType::Decimal).from_json("0.1"), Ok(Value::Decimal("0.1".into())));
        assert_eq!(of(ParameterType::Text).from_json(r#""a\u00e9""#), Ok(Value::Text("aé".into())));
    }

    #[test]
    fn a_json_null_stands_for_an_absent_value() {
        assert!(of(ParameterType::Int64).from_json("null").is_err());
        let optional = Parameter { optional: true, ..of(ParameterType::Int64) };
        assert_eq!(optional.from_json("null"), Ok(Value::Null));
        let defaulted = Parameter { default: Some(Value::Int(5)), ..of(ParameterType::Int64) };
        assert_eq!(defaulted.from_json("null"), Ok(Value::Int(5)));
        assert_eq!(of(ParameterType::Json).from_json("null"), Ok(Value::Json("null".into())));
    }

    #[test]
    fn long_values_are_quoted_in_part() {
        let reason = of(ParameterType::Int64).from_text(&"9".repeat(4_000)).unwrap_err();
        assert!(reason.chars().count() < 100, "{reason}");
    }
}
