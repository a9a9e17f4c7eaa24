//! The fake engine's text taken apart into words, literals and signs.

use aquifer_driver::{Error, ErrorKind, Result, Value};

/// One piece of a statement's text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or a bare name, as written.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// A number, string or blob.
    Literal(Value),
    /// `?`
    Param,
    /// Punctuation and operators.
    Sign(&'static str),
}

/// A token and where it starts, in bytes.
pub(super) type Spanned = (Token, usize);

const SIGNS: [&str; 17] =
    ["<>", "<=", ">=", "!=", "||", "(", ")", ",", ";", "=", "<", ">", "*", "+", "-", ".", "/"];

/// An error of the parser, with the place in the text.
pub(super) fn syntax(message: impl Into<String>, at: usize) -> Error {
    Error::new(ErrorKind::Syntax, message.into())
        .with_code("FAKE_SYNTAX")
        .with_sqlstate("42601")
        .with_position(u32::try_from(at).unwrap_or(u32::MAX))
}

/// All tokens of a text; comments and blanks are skipped.
pub(super) fn tokens(sql: &str) -> Result<Vec<Spanned>> {
    let bytes = sql.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b if b.is_ascii_whitespace() => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = sql[at..].find('\n').map_or(bytes.len(), |n| at + n);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = sql[at..]
                    .find("*/")
                    .map(|n| at + n + 2)
                    .ok_or_else(|| syntax("a comment does not end", start))?;
            }
            b'?' => {
                out.push((Token::Param, start));
                at += 1;
            }
            b'\'' => {
                let (text, end) = quoted(sql, at, '\'')?;
                out.push((Token::Literal(Value::Text(text)), start));
                at = end;
            }
            b'"' => {
                let (name, end) = quoted(sql, at, '"')?;
                out.push((Token::Quoted(name), start));
                at = end;
            }
            b'x' | b'X' if bytes.get(at + 1) == Some(&b'\'') => {
                let (digits, end) = quoted(sql, at + 1, '\'')?;
                let blob = hex(&digits).ok_or_else(|| syntax("a blob has a bad digit", start))?;
                out.push((Token::Literal(Value::Bytes(blob)), start));
                at = end;
            }
            b if b.is_ascii_digit() => {
                at = span(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'.');
                out.push((Token::Literal(number(&sql[start..at], start)?), start));
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                at = span(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'_');
                out.push((Token::Word(sql[start..at].to_owned()), start));
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| bytes[at..].starts_with(sign.as_bytes()));
                let sign = sign.ok_or_else(|| syntax("an unknown character", start))?;
                out.push((Token::Sign(sign), start));
                at += sign.len();
            }
        }
    }
    Ok(out)
}

fn span(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|b| !belongs(*b)).map_or(bytes.len(), |n| from + n)
}

/// The text between quotes that starts at `at`, and where it ends; a doubled quote stands for one.
fn quoted(sql: &str, at: usize, quote: char) -> Result<(String, usize)> {
    let mut text = String::new();
    let mut chars = sql[at + 1..].char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, at + 1 + offset + 1));
        }
    }
    Err(syntax("a quote does not end", at))
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok())
        .collect()
}

fn number(text: &str, at: usize) -> Result<Value> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Value::Int(value));
    }
    text.parse::<f64>().map(Value::Float).map_err(|_| syntax("a bad number", at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_comments_and_blobs_are_not_mistaken_for_signs() {
        let got = tokens("a -- ?\n /* ; */ 'it''s ?' x'00ff' \"q\"\"t\" 1.5").unwrap();
        let kinds: Vec<_> = got.into_iter().map(|(token, _)| token).collect();
        assert_eq!(
            kinds,
            [
                Token::Word("a".into()),
                Token::Literal(Value::Text("it's ?".into())),
                Token::Literal(Value::Bytes(vec![0, 0xff])),
                Token::Quoted("q\"t".into()),
                Token::Literal(Value::Float(1.5)),
            ]
        );
    }

    #[test]
    fn what_does_not_end_names_its_place() {
        for (sql, at) in [("SELECT 'abc", 7), ("a /* b", 2), ("a ` b", 2), ("1x2", 0)] {
            let error = tokens(sql).unwrap_err();
            assert_eq!((error.kind(), error.position()), (ErrorKind::Syntax, Some(at)), "{sql}");
        }
    }
}
