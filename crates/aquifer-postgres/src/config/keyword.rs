//! The grammar of `key=value` connection strings.
//!
//! It is that of libpq (`conninfo_parse` in `fe-connect.c`), but a backslash at the very end is an error
//! instead of nothing.

use aquifer_driver::{Error, ErrorKind, Result};

/// Takes a connection string apart: the pairs in order, unquoted.
///
/// # Errors
///
/// `Configuration` for a key without `=`, a quote that is not closed and a backslash with nothing after
/// it. The message names the key if one came before, never a value.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_space).strip_prefix('=') else {
            return Err(no_equals(&pairs));
        };
        if key.is_empty() {
            return Err(malformed("an `=` without a name before it"));
        }
        let (value, after) = value(key, after.trim_start_matches(is_space))?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start_matches(is_space);
    }
    Ok(pairs)
}

/// The value at the beginning of `text`, and what follows it.
fn value<'t>(key: &str, text: &'t str) -> Result<(String, &'t str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices();
    if quoted {
        chars.next();
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) => value.push(escaped),
                None => {
                    return Err(malformed(&format!(
                        "a backslash with nothing after it in the value of `{}`",
                        shown(key)
                    )));
                }
            },
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && is_space(c) => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(malformed(&format!(
            "a quote that is not closed in the value of `{}`",
            shown(key)
        )));
    }
    Ok((value, ""))
}

/// As `isspace` in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// A name in a message: short, and only if it looks like one. Anything else may be a URL with its
/// password.
pub(crate) fn shown(name: &str) -> &str {
    let plausible = name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte));
    if plausible { name } else { "..." }
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the connection string has {what}"))
}

/// The word itself is not shown: it may be the rest of a password that was not quoted.
#[cold]
fn no_equals(before: &[(String, String)]) -> Error {
    let error = match before.last() {
        Some((key, _)) => malformed(&format!("a word without `=` after `{}`", shown(key))),
        None => malformed("a word without `=` at its beginning"),
    };
    error.with_hint("write `key=value`, with the value in single quotes if it has spaces")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_grammar_is_that_of_libpq() {
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("  \t\n"), []);
        assert_eq!(pairs("host=a port=1"), [pair("host", "a"), pair("port", "1")]);
        assert_eq!(pairs("host = a"), [pair("host", "a")]);
        assert_eq!(pairs("host =\n\ta "), [pair("host", "a")]);
        assert_eq!(pairs("user= password=foo"), [pair("user", "password=foo")]);
        assert_eq!(pairs("password="), [pair("password", "")]);
        assert_eq!(pairs("password=   "), [pair("password", "")]);
        assert_eq!(pairs("password='' user=x"), [pair("password", ""), pair("user", "x")]);
        assert_eq!(pairs("a='b c' d=e"), [pair("a", "b c"), pair("d", "e")]);
        assert_eq!(pairs("a='b''c'=d"), [pair("a", "b"), pair("'c'", "d")]);
        assert_eq!(pairs(r"a='it\'s \\ b'"), [pair("a", r"it's \ b")]);
        assert_eq!(pairs(r"a=b\ c\'\\"), [pair("a", r"b c'\")]);
        assert_eq!(pairs("a=b'c'"), [pair("a", "b'c'")]);
        assert_eq!(pairs("a=b=c"), [pair("a", "b=c")]);
        assert_eq!(pairs("dbname=données"), [pair("dbname", "données")]);
    }

    #[test]
    fn what_is_malformed_is_refused_without_showing_values() {
        for (text, part) in [
            ("host", "at its beginning"),
            ("host=a hunter2", "after `host`"),
            ("password='hunter2", "`password`"),
            (r"password=hunter2\", "backslash"),
            (r"password='hunter2\", "backslash"),
            ("=hunter2", "without a name"),
            ("pgsql://app:hunter2@db1?a='b", "of `...`"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    fn quoted(value: &str) -> String {
        format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(
            given in prop::collection::vec(("[a-z_]{1,12}", ".*"), 0..5),
            space in "[ \t\n]{0,2}",
        ) {
            let text: String = given
                .iter()
                .map(|(key, value)| format!("{key}{space}={space}{} ", quoted(value)))
                .collect();
            prop_assert_eq!(pairs(&text), given);
        }

        #[test]
        fn any_text_is_read_or_refused(text in r"[a-c='\\ \n]{0,20}") {
            if let Ok(pairs) = parse(&text) {
                prop_assert!(pairs.iter().all(|(key, _)| !key.is_empty()));
            }
        }
    }
}
