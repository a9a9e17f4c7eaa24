//! A line of a head whose colon is missing or misplaced: `-- limit 50 max 500`.
//!
//! Such a line is no `key:`, so it would pass for a comment, and the query would be served without its
//! limit. Pure: the text of a comment line in, what was meant out.

use aquifer_driver::suggest;

use crate::head::{KEYS, LATER};
use crate::parameter::ParameterType;
use crate::route::{Method, is_name};

/// Characters of a line that a message repeats.
const SHOWN_MAX: usize = 80;
/// What is typed in place of a colon.
const SEPARATORS: [char; 5] = [':', '=', ';', '：', '\u{a789}'];

/// A line that was meant as one of a head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    /// The key that was meant.
    pub(crate) key: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write.
    pub(crate) hint: String,
    /// The line goes on as that key's value would.
    pub(crate) has_value: bool,
}

/// What a comment's text (behind the dashes) that is no `key:` line was meant as.
///
/// A known key as the first word is enough. A word that only resembles one must be followed by what that
/// key's value looks like: prose begins with many words.
pub(crate) fn find(text: &str) -> Option<Slip> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let exact = KEYS.iter().chain(&LATER).find(|key| **key == word).copied();
    // Of the later keys a resemblance says too little: their values can be anything.
    let key = exact.or_else(|| suggest::nearest(word, KEYS))?;
    let separated = rest.trim_start().starts_with(SEPARATORS);
    let value = rest.trim_start().trim_start_matches(SEPARATORS).trim_start();
    let has_value = separated || looks_like(key, value);
    if exact.is_none() && !has_value {
        return None;
    }
    let message = match exact {
        Some(key) => format!("`{key}` without its colon is only a comment"),
        None => format!("`{word}` looks like `{key}:`, but is only a comment"),
    };
    let hint = if LATER.contains(&key) {
        format!("`{key}:` is not supported in this version; start a plain comment with `---`")
    } else {
        let line = meant(key, value);
        format!("write `{line}`; start a plain comment with `---`")
    };
    Some(Slip { key, message, hint, has_value })
}

/// Whether a text could be the value of that key.
fn looks_like(key: &str, value: &str) -> bool {
    let mut words = value.split_whitespace();
    match key {
        "limit" => value.starts_with(|c: char| c.is_ascii_digit()),
        "http" => words.take(2).any(|word| word.starts_with('/') || Method::named(word).is_some()),
        "name" => words.take(3).any(|word| word.starts_with(':')),
        "param" => {
            let name = words.next().unwrap_or_default();
            let mut rest = words.map(|word| word.trim_start_matches(SEPARATORS));
            let ty = rest.find(|word| !word.is_empty()).unwrap_or_default();
            let ty = ty.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let known = ParameterType::meant(ty).is_some();
            match name.strip_suffix(SEPARATORS) {
                Some(name) => is_name(name),
                None => is_name(name) && known,
            }
        }
        _ => false,
    }
}

/// The line as it should be, or its form where what follows the key is no value.
fn meant(key: &str, value: &str) -> String {
    let form = match key {
        "limit" => "-- limit: 50 max 500",
        "http" => "-- http: GET /stations/{id}",
        "name" => "-- name: stations.get :one",
        "param" => "-- param id: int64",
        _ => "-- doc: what the query does",
    };
    let fits = value.chars().take(SHOWN_MAX + 1).count() <= SHOWN_MAX
        && !value.contains(|c: char| c.is_control() || c == '`');
    if !fits || value.is_empty() || key != "doc" && !looks_like(key, value) {
        return form.to_owned();
    }
    if key != "param" {
        return format!("-- {key}: {value}");
    }
    let (name, ty) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let name = name.trim_end_matches(SEPARATORS);
    let ty = ty.trim_start().trim_start_matches(SEPARATORS).trim_start();
    if ty.is_empty() { form.to_owned() } else { format!("-- param {name}: {ty}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_its_colon_is_told_with_the_line_to_write() {
        for (text, key, line) in [
            (" limit 50 max 500", "limit", "-- limit: 50 max 500"),
            ("limit : 5", "limit", "-- limit: 5"),
            (" limit=5", "limit", "-- limit: 5"),
            (" limit： 5", "limit", "-- limit: 5"),
            (" limits 50", "limit", "-- limit: 50"),
            (" Limit 50", "limit", "-- limit: 50"),
            (" limit is what it is", "limit", "-- limit: 50 max 500"),
            (" param x int64", "param", "-- param x: int64"),
            (" param x = int64 min=1", "param", "-- param x: int64 min=1"),
            (" parm x: int64", "param", "-- param x: int64"),
            (" params x integer", "param", "-- param x: integer"),
            (" param", "param", "-- param id: int64"),
            (" http GET /a", "http", "-- http: GET /a"),
            (" htp /a", "http", "-- http: /a"),
            (" name a.get :one", "name", "-- name: a.get :one"),
            (" nam : a.get :one", "name", "-- name: a.get :one"),
            (" doc What it does.", "doc", "-- doc: What it does."),
            (" doc", "doc", "-- doc: what the query does"),
        ] {
            let slip = find(text).unwrap_or_else(|| panic!("{text} passes"));
            assert_eq!(slip.key, key, "{text}");
            assert!(slip.hint.starts_with(&format!("write `{line}`; ")), "{text}: {}", slip.hint);
        }
        let later = find(" cache 10s").unwrap();
        assert!(later.hint.contains("not supported"), "{later:?}");
    }

    #[test]
    fn prose_is_a_comment() {
        for text in [
            "",
            " Named after the river.",
            " names of stations, sorted",
            " limits apply",
            " parameters are bound",
            " Document this",
            " a limit of 50",
            " 50",
            " --",
            " Limit the rows to what fits.",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_message_repeats_is_short_and_printable() {
        for text in [format!("limit 5{}", "0".repeat(4_000)), "limit 5 \u{1b}[0m".to_owned()] {
            let hint = find(&text).unwrap().hint;
            assert!(hint.starts_with("write `-- limit: 50 max 500`"), "{hint}");
        }
    }
}
