//! How each kind of option value reads, prints and is bounded.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use super::PoolOptions;

/// A value an option can have.
pub(super) trait OptionValue: Sized {
    /// What is bounded: the value, or what is inside the option.
    type Bound: PartialOrd + Show + Copy;
    const KIND: &'static str;
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
    fn bounded(&self) -> Option<Self::Bound>;
    fn scalar(&self) -> Scalar;
}

/// How a bound prints.
pub(super) trait Show {
    fn show(&self) -> String;
}

pub(super) fn check<V: OptionValue>(
    value: &V,
    range: &RangeInclusive<V::Bound>,
) -> Result<(), String> {
    match value.bounded() {
        Some(inner) if !range.contains(&inner) => {
            Err(format!("it must be within {} and {}", range.start().show(), range.end().show()))
        }
        _ => Ok(()),
    }
}

pub(super) fn show_bounds<V: OptionValue>(range: &RangeInclusive<V::Bound>) -> String {
    let joint = if V::KIND == bool::KIND { "or" } else { "to" };
    format!("{} {joint} {}", range.start().show(), range.end().show())
}

impl OptionValue for u32 {
    type Bound = u32;
    const KIND: &'static str = "count";

    fn parse(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| "it must be a whole number".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn bounded(&self) -> Option<u32> {
        Some(*self)
    }

    fn scalar(&self) -> Scalar {
        Scalar::Integer(u64::from(*self))
    }
}

impl OptionValue for f64 {
    type Bound = f64;
    const KIND: &'static str = "number";

    fn parse(text: &str) -> Result<f64, String> {
        let (digits, unit) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), 100.0),
            None => (text, 1.0),
        };
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value / unit),
            _ => Err("it must be a number such as `0.8` or `80%`".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn bounded(&self) -> Option<f64> {
        Some(*self)
    }

    fn scalar(&self) -> Scalar {
        Scalar::Float(*self)
    }
}

impl OptionValue for bool {
    type Bound = bool;
    const KIND: &'static str = "switch";

    fn parse(text: &str) -> Result<bool, String> {
        match text {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err("it must be `true` or `false`".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn bounded(&self) -> Option<bool> {
        Some(*self)
    }

    fn scalar(&self) -> Scalar {
        Scalar::Bool(*self)
    }
}

impl OptionValue for Duration {
    type Bound = Duration;
    const KIND: &'static str = "duration";

    fn parse(text: &str) -> Result<Duration, String> {
        parse_duration(text).ok_or_else(|| {
            "it must be a duration with units, such as `250ms`, `30s`, `1h30m`".to_owned()
        })
    }

    fn show(&self) -> String {
        show_duration(*self)
    }

    fn bounded(&self) -> Option<Duration> {
        Some(*self)
    }

    fn scalar(&self) -> Scalar {
        Scalar::Text(show_duration(*self))
    }
}

/// `off` is spelled out; for durations `0` is accepted as well, because `database/sql` users write it.
macro_rules! optional {
    ($inner:ty, $kind:literal, $off:pat) => {
        impl OptionValue for Option<$inner> {
            type Bound = <$inner as OptionValue>::Bound;
            const KIND: &'static str = $kind;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $off => Ok(None),
                    _ => <$inner>::parse(text)
                        .map(Some)
                        .map_err(|problem| format!("{problem}, or `off`")),
                }
            }

            fn show(&self) -> String {
                self.as_ref().map_or_else(|| "off".to_owned(), OptionValue::show)
            }

            fn bounded(&self) -> Option<Self::Bound> {
                self.as_ref().and_then(OptionValue::bounded)
            }

            fn scalar(&self) -> Scalar {
                self.as_ref().map_or_else(|| Scalar::Text("off".to_owned()), OptionValue::scalar)
            }
        }
    };
}

optional!(u32, "count or off", "off" | "none" | "all");
optional!(f64, "number or off", "off" | "none");
optional!(Duration, "duration or off", "off" | "none" | "0");

impl Show for u32 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for f64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for bool {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        show_duration(*self)
    }
}

const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// `250ms`, `1.5s`, `1h30m`. A number without a unit is refused: nobody can tell seconds from milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        let unit = match unit {
            "µs" => "us",
            other => other,
        };
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scale(number, *size)?)?;
        rest = next;
    }
    Some(Duration::from_nanos(total))
}

/// A decimal number times a whole one, exactly, or `None` if it does not come out even.
fn scale(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value = whole.parse::<u64>().ok()?.checked_mul(size)?;
    if number.contains('.') {
        let ten = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(size);
        if part % u128::from(ten) != 0 {
            return None;
        }
        value = value.checked_add(u64::try_from(part / u128::from(ten)).ok()?)?;
    }
    Some(value)
}

/// The shortest spelling with one unit: `90s`, `30m`, `250ms`.
pub fn show_duration(span: Duration) -> String {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".to_owned();
    }
    let (unit, size) =
        UNITS.iter().find(|(_, size)| nanos % size == 0).copied().unwrap_or(("ns", 1));
    format!("{}{unit}", nanos / size)
}

/// What a configuration file may hold for an option.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Integer(u64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Integer(value) => write!(f, "{value}"),
            Scalar::Float(value) => write!(f, "{value}"),
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Text(value) => f.write_str(value),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Scalar::Integer(value) => serializer.serialize_u64(*value),
            Scalar::Float(value) => serializer.serialize_f64(*value),
            Scalar::Bool(value) => serializer.serialize_bool(*value),
            Scalar::Text(value) => serializer.serialize_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a switch, or text such as \"250ms\" or \"off\"")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
                // A negative number has no place in any option; let the option say so by name.
                Ok(u64::try_from(value)
                    .map_or_else(|_| Scalar::Text(value.to_string()), Scalar::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for PoolOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scalars = self.scalars();
        let mut map = serializer.serialize_map(Some(scalars.len()))?;
        for (name, scalar) in scalars {
            map.serialize_entry(name, &scalar)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for PoolOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PoolOptions, D::Error> {
        let given = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
        let mut options = PoolOptions::default();
        for (name, scalar) in given {
            options.set(&name, &scalar.to_string()).map_err(de::Error::custom)?;
        }
        options.validate().map_err(de::Error::custom)?;
        Ok(options)
    }
}
