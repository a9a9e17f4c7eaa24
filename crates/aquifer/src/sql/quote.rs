//! Identifiers and literals in SQL text, for the cases a bound value cannot serve: names of tables and columns, DDL,
//! `SET`, `LISTEN`.

use std::fmt;
use std::str::FromStr;

use super::error::{SqlTextError, SqlTextErrorKind};
use super::lexis::Lexis;

/// The longest part of a name, in bytes: what PostgreSQL keeps (it cuts longer names silently), and the least of all engines.
const PART_BYTES_MAX: usize = 63;
/// Database, schema, name.
const PARTS_MAX: usize = 3;

/// A checked name of a table, column or the like, possibly qualified: `stations`, `app.stations`.
///
/// Each part is a letter or `_`, then letters, digits, `_` and `$`, at most 63 bytes; at most three parts. So it is safe in SQL
/// text as it is ([`Display`](fmt::Display) writes it so) and safe quoted ([`quoted`](Self::quoted)); quoted, it can also be
/// a keyword. On PostgreSQL the two differ: unquoted names are folded to lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(Box<str>);

impl Ident {
    /// Checks a name, parts separated by dots.
    ///
    /// # Errors
    ///
    /// The name is not of that form; the message says which rule it breaks and does not repeat the name.
    pub fn new(name: &str) -> Result<Ident, SqlTextError> {
        let invalid = |why| Err(SqlTextError::nowhere(SqlTextErrorKind::InvalidIdentifier(why)));
        let mut parts = 0;
        for part in name.split('.') {
            parts += 1;
            let mut characters = part.chars();
            match characters.next() {
                None if name.is_empty() => return invalid("it is empty"),
                None => return invalid("a part of it is empty"),
                Some(first) if first != '_' && !first.is_alphabetic() => {
                    return invalid("a part of it starts with neither a letter nor `_`");
                }
                Some(_) => {}
            }
            if !characters.all(|c| c == '_' || c == '$' || c.is_alphanumeric()) {
                return invalid(
                    "it has a character that is no letter, digit, `_` or `$` (for any other name use `quote_ident`)",
                );
            }
            if part.len() > PART_BYTES_MAX {
                return invalid("a part of it is longer than 63 bytes");
            }
        }
        if parts > PARTS_MAX {
            return invalid("it has more than three parts");
        }
        Ok(Ident(name.into()))
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts: one, or with qualifiers before it up to three.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// The name with every part quoted as the engine wants it: `"app"."stations"`.
    pub fn quoted(&self, lexis: &Lexis) -> String {
        let quote = lexis.ident_quote();
        let mut out = String::with_capacity(self.0.len() + 6);
        for (index, part) in self.parts().enumerate() {
            if index > 0 {
                out.push('.');
            }
            // No part can contain a quote.
            out.push(quote);
            out.push_str(part);
            out.push(quote);
        }
        out
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Ident {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ident {
    type Err = SqlTextError;

    fn from_str(name: &str) -> Result<Ident, SqlTextError> {
        Ident::new(name)
    }
}

impl TryFrom<&str> for Ident {
    type Error = SqlTextError;

    fn try_from(name: &str) -> Result<Ident, SqlTextError> {
        Ident::new(name)
    }
}

/// Quotes one name, whatever characters it has: `"` (all engines but MySQL), `` ` `` (MySQL, SQLite) or `[` (SQLite, SQL
/// Server). A dot in it is part of the name.
///
/// # Errors
///
/// An empty name, a NUL byte, another quote character, and for `[` a `]` in the name (SQLite cannot escape it).
pub fn quote_ident(name: &str, quote: char) -> Result<String, SqlTextError> {
    let refuse = |kind| Err(SqlTextError::nowhere(kind));
    if name.is_empty() {
        return refuse(SqlTextErrorKind::InvalidIdentifier("it is empty"));
    }
    if name.contains('\0') {
        return refuse(SqlTextErrorKind::NulByte);
    }
    let close = match quote {
        '"' | '`' => quote,
        '[' if name.contains(']') => {
            return refuse(SqlTextErrorKind::InvalidIdentifier(
                "it has a `]`, which cannot be written between `[` and `]`; quote it with '\"'",
            ));
        }
        '[' => ']',
        _ => return refuse(SqlTextErrorKind::InvalidQuote(quote)),
    };
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for character in name.chars() {
        out.push(character);
        if character == close {
            out.push(close);
        }
    }
    out.push(close);
    Ok(out)
}

/// Quotes a text as a string literal of an engine. Prefer a bound value wherever the engine takes one.
///
/// Quotes are doubled. A backslash is escaped where the engine reads it in every string (MySQL), and on PostgreSQL makes the
/// literal an `E'...'`, which is right whatever `standard_conforming_strings` says. The text of the connection must be UTF-8,
/// as it always is with our drivers.
///
/// # Errors
///
/// A NUL byte: PostgreSQL has no literal for it, and SQLite stops reading there.
pub fn quote_literal(text: &str, lexis: &Lexis) -> Result<String, SqlTextError> {
    if text.contains('\0') {
        return Err(SqlTextError::nowhere(SqlTextErrorKind::NulByte));
    }
    let escaped = lexis.backslash_escapes || (lexis.e_strings && text.contains('\\'));
    let mut out = String::with_capacity(text.len() + 3);
    if escaped && !lexis.backslash_escapes {
        out.push('E');
    }
    out.push('\'');
    for character in text.chars() {
        match character {
            '\'' => out.push_str("''"),
            '\\' if escaped => out.push_str("\\\\"),
            // As the server's own library does: logs stay in one line, and files survive Windows.
            '\n' if lexis.backslash_escapes => out.push_str("\\n"),
            '\r' if lexis.backslash_escapes => out.push_str("\\r"),
            '\x1a' if lexis.backslash_escapes => out.push_str("\\Z"),
            _ => out.push(character),
        }
    }
    out.push('\'');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const LITE: Lexis = Lexis::sqlite();

    #[test]
    fn plain_and_qualified_names_are_identifiers() {
        for name in ["a", "_a1$", "app.stations", "db.app.stations", "größe", "select"] {
            let ident = Ident::new(name).unwrap();
            assert_eq!(ident.as_str(), name);
            assert_eq!(ident.to_string(), name);
        }
        assert_eq!(Ident::new("app.stations").unwrap().quoted(&PG), "\"app\".\"stations\"");
        assert_eq!(Ident::new("app.stations").unwrap().quoted(&MY), "`app`.`stations`");
        assert_eq!(Ident::new("select").unwrap().quoted(&LITE), "\"select\"");
    }

    #[test]
    fn anything_else_is_no_identifier() {
        let long = "a".repeat(64);
        for name in [
            "", ".", "a.", ".a", "1a", "$a", "a b", "a-b", "a\"", "a`", "a;--", "a'b", "a\0",
            "a.b.c.d", &long, "a\n",
        ] {
            let error = Ident::new(name).unwrap_err();
            assert!(matches!(error.kind(), SqlTextErrorKind::InvalidIdentifier(_)), "{name}");
        }
        assert!(Ident::new(&"a".repeat(63)).is_ok());
        assert!("a; DROP TABLE t".parse::<Ident>().is_err());
        assert!(!Ident::new("s3cret!").unwrap_err().to_string().contains("s3cret"));
    }

    #[test]
    fn any_name_can_be_quoted() {
        assert_eq!(quote_ident("we\"ird.na`me", '"').unwrap(), "\"we\"\"ird.na`me\"");
        assert_eq!(quote_ident("we\"ird.na`me", '`').unwrap(), "`we\"ird.na``me`");
        assert_eq!(quote_ident("a[b", '[').unwrap(), "[a[b]");
        for (name, quote) in [("", '"'), ("a\0b", '"'), ("a]b", '['), ("a", '\'')] {
            assert!(quote_ident(name, quote).is_err(), "{name:?}");
        }
    }

    #[test]
    fn literals_of_each_engine() {
        for (text, pg, my, lite) in [
            ("it's", "'it''s'", "'it''s'", "'it''s'"),
            ("", "''", "''", "''"),
            (r"c:\x", r"E'c:\\x'", r"'c:\\x'", r"'c:\x'"),
            (r"\'", r"E'\\'''", r"'\\'''", r"'\'''"),
            ("a\nb\r\x1a\"", "'a\nb\r\x1a\"'", "'a\\nb\\r\\Z\"'", "'a\nb\r\x1a\"'"),
        ] {
            assert_eq!(quote_literal(text, &PG).unwrap(), pg);
            assert_eq!(quote_literal(text, &MY).unwrap(), my);
            assert_eq!(quote_literal(text, &LITE).unwrap(), lite);
        }
        let mut no_backslash = MY;
        no_backslash.backslash_escapes = false;
        assert_eq!(quote_literal(r"c:\x", &no_backslash).unwrap(), r"'c:\x'");
        let error = quote_literal("secret\0", &PG).unwrap_err();
        assert_eq!(*error.kind(), SqlTextErrorKind::NulByte);
        assert!(!error.to_string().contains("secret"));
    }
}
