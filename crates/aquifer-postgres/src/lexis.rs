//! What stands where in SQL, by the rules of the server's own scanner: strings, quoted names, dollar quotes
//! and comments are passed over. Strings are read as with `standard_conforming_strings`.

/// As much of a text as matters to those who look for commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A key word, a name without quotes, or a number.
    Word(&'a str),
    /// The end of a statement; the last one needs none.
    End,
}

/// The words of a text and the ends of its statements.
pub(crate) fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(&byte) = bytes.get(at) {
            let next = bytes.get(at + 1).copied();
            at = match byte {
                b'\'' => literal(bytes, at, false),
                b'"' => quoted(bytes, at, b'"', false),
                b'-' if next == Some(b'-') => line_comment(bytes, at),
                b'/' if next == Some(b'*') => comment(bytes, at),
                b'$' => dollar_quoted(bytes, at).unwrap_or(at + 1),
                b';' => {
                    at += 1;
                    return Some(Token::End);
                }
                byte if is_name(byte) => {
                    let start = at;
                    at += bytes[at..].iter().take_while(|byte| is_name(**byte)).count();
                    let word = &sql[start..at];
                    // `E'...'`: the only string in which a backslash escapes a quote.
                    if word.eq_ignore_ascii_case("e") && bytes.get(at) == Some(&b'\'') {
                        at = literal(bytes, at, true);
                        continue;
                    }
                    return Some(Token::Word(word));
                }
                _ => at + 1,
            };
        }
        None
    })
}

/// The place behind a literal and those that go on with it.
pub(crate) fn literal(bytes: &[u8], start: usize, escapes: bool) -> usize {
    let mut end = quoted(bytes, start, b'\'', escapes);
    while let Some(next) = continued(bytes, end) {
        end = quoted(bytes, next, b'\'', escapes);
    }
    end
}

pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The place behind a quoted string or name.
pub(crate) fn quoted(bytes: &[u8], start: usize, quote: u8, escapes: bool) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        if escapes && byte == b'\\' {
            at += 2;
        } else if byte == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The place of the quote that goes on with a literal which ended at `end`: the server joins literals with
/// a line break and nothing but white space and `--` comments between them, and reads all of them as the
/// first.
fn continued(bytes: &[u8], end: usize) -> Option<usize> {
    let mut at = end;
    let mut broken = false;
    loop {
        match bytes.get(at)? {
            b'\n' | b'\r' => broken = true,
            b' ' | b'\t' | 0x0b | 0x0c => {}
            b'\'' if broken => return Some(at),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = line_comment(bytes, at);
                continue;
            }
            _ => return None,
        }
        at += 1;
    }
}

/// The end of the line that a `--` comment takes up.
pub(crate) fn line_comment(bytes: &[u8], start: usize) -> usize {
    start + memchr::memchr2(b'\n', b'\r', &bytes[start..]).unwrap_or(bytes.len() - start)
}

/// The place behind a comment; comments nest.
pub(crate) fn comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The place behind `$tag$ ... $tag$`; `None` if that is no dollar quote.
pub(crate) fn dollar_quoted(bytes: &[u8], start: usize) -> Option<usize> {
    let tag = bytes[start + 1..].iter().position(|byte| *byte == b'$')?;
    let name = &bytes[start + 1..start + 1 + tag];
    if name.first().is_some_and(u8::is_ascii_digit)
        || !name.iter().all(|byte| is_name(*byte) && *byte != b'$')
    {
        return None;
    }
    let mark = &bytes[start..start + tag + 2];
    let body = start + mark.len();
    let end = memchr::memmem::find(&bytes[body..], mark);
    Some(end.map_or(bytes.len(), |end| body + end + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_outside_of_strings_quotes_and_comments() {
        let sql = "SET a = 'LISTEN; x''y' /* LISTEN /* ; */ */; -- LISTEN\n\
                   select \"LISTEN\", E'\\'LISTEN;', $t$LISTEN;$t$, $1 from tbl$2 where x=7;";
        let words: Vec<_> = tokens(sql).collect();
        use Token::{End, Word};
        assert_eq!(words[..4], [Word("SET"), Word("a"), End, Word("select")]);
        assert_eq!(words[4..7], [Word("1"), Word("from"), Word("tbl$2")]);
        assert_eq!(words[7..], [Word("where"), Word("x"), Word("7"), End]);
    }
}
