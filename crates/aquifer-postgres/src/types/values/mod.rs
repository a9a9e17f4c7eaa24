//! Rust types for PostgreSQL's own types, for which neither the standard library nor the contract has one.
//!
//! They are read from the server's text and bound as text. The types of ranges' bounds and of maps' values
//! are those of the conversion table.

mod bits;
mod composite;
mod hstore;
mod list;
mod network;
mod point;
mod range;
mod time_tz;

pub use bits::Bits;
pub use composite::{Composite, CompositeFields, CompositeText};
pub use hstore::Hstore;
pub use list::List;
pub use network::{IpNet, MacAddr};
pub use point::Point;
pub use range::{Multirange, Range};
pub use time_tz::TimeTz;

use aquifer_driver::{Cell, ConversionError, ValueRef};

/// Why a text is not one of these types' values: told without the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    wanted: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it is not the text of a {}", self.wanted)
    }
}

impl std::error::Error for Malformed {}

/// The cell's text, taken apart by `parse`.
fn read<'r, T>(
    wanted: &'static str,
    cell: Cell<'r>,
    parse: impl FnOnce(&'r str) -> Option<T>,
) -> Result<T, ConversionError> {
    let value = cell.value()?;
    match value {
        ValueRef::Text(text) => parse(text).ok_or_else(|| {
            ConversionError::value(wanted, &value, Malformed { wanted }.to_string())
        }),
        _ => Err(ConversionError::kind(wanted, &value)),
    }
}

/// `FromStr` by `$type::parse`, reading by it, and binding by `Display`.
macro_rules! by_its_text {
    ($type:ident) => {
        impl std::str::FromStr for $type {
            type Err = super::Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text).ok_or(super::Malformed { wanted: stringify!($type) })
            }
        }

        /// Reads its text.
        impl aquifer_driver::FromValue<'_> for $type {
            fn from_cell(
                cell: aquifer_driver::Cell<'_>,
            ) -> Result<Self, aquifer_driver::ConversionError> {
                super::read(stringify!($type), cell, Self::parse)
            }
        }

        /// Binds its text.
        impl aquifer_driver::ToValue for $type {
            fn bind(&self, sink: &mut dyn aquifer_driver::ParamSink) -> aquifer_driver::Result<()> {
                sink.put(aquifer_driver::ValueRef::Text(&self.to_string()))
            }
        }
    };
}
use by_its_text;

/// Takes what stands in quotes off the front of `text`, which starts behind the opening one. A backslash
/// takes the next character as it is, and so does a quote before a quote.
fn unquote<'t>(text: &'t str, into: &mut String) -> Option<&'t str> {
    let mut rest = text;
    loop {
        let stop = rest.find(['"', '\\'])?;
        let (plain, after) = rest.split_at(stop);
        into.push_str(plain);
        let mut following = after[1..].chars();
        match (after.as_bytes()[0], following.next()) {
            (b'"', Some('"')) => into.push('"'),
            (b'"', _) => return Some(&after[1..]),
            (_, next) => into.push(next?),
        }
        rest = following.as_str();
    }
}

/// The text in front of one of `ends`, with or without quotes; `None` inside if there is nothing.
fn unquoted<'t>(text: &'t str, ends: &[char]) -> Option<(Option<String>, &'t str)> {
    let mut own = String::new();
    let mut rest = text;
    // A quoted empty text is there.
    let mut there = false;
    loop {
        match rest.chars().next()? {
            c if ends.contains(&c) => return Some((there.then_some(own), rest)),
            '"' => rest = unquote(&rest[1..], &mut own)?,
            '\\' => {
                let mut following = rest[1..].chars();
                own.push(following.next()?);
                rest = following.as_str();
            }
            c => {
                own.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        there = true;
    }
}

/// Appends a text in quotes.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
