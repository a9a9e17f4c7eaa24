use std::collections::BTreeMap;
use std::fmt;

use super::{by_its_text, quote, unquote};

/// A `hstore`, the extension's map of text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Hstore(pub BTreeMap<String, Option<String>>);

impl Hstore {
    fn parse(text: &str) -> Option<Self> {
        let mut map = BTreeMap::new();
        let mut rest = text;
        while !rest.is_empty() {
            if !map.is_empty() {
                rest = rest.strip_prefix(", ")?;
            }
            let mut key = String::new();
            rest = unquote(rest.strip_prefix('"')?, &mut key)?.strip_prefix("=>")?;
            let value = match rest.strip_prefix("NULL") {
                Some(after) => {
                    rest = after;
                    None
                }
                None => {
                    let mut value = String::new();
                    rest = unquote(rest.strip_prefix('"')?, &mut value)?;
                    Some(value)
                }
            };
            map.insert(key, value);
        }
        Some(Self(map))
    }
}

/// As the extension writes it: `"a"=>"1", "b"=>NULL`.
impl fmt::Display for Hstore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for (key, value) in &self.0 {
            if !out.is_empty() {
                out.push_str(", ");
            }
            quote(key, &mut out);
            out.push_str("=>");
            match value {
                Some(value) => quote(value, &mut out),
                None => out.push_str("NULL"),
            }
        }
        f.write_str(&out)
    }
}

by_its_text!(Hstore);
