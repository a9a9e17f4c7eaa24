//! Where the placeholders of a statement stand, and where those of a text end, if that is certain without the server.
//!
//! Texts are read as the server's scanner reads them: a `?` in a string, a quoted name or a comment is none. What
//! depends on settings that the server does not tell, or is run by some versions only, is uncertain; so is a text
//! of several statements.

/// The places of the placeholders; `None` if they are not certain. `escapes`: a backslash in a string escapes (the
/// server says so in its status).
pub(crate) fn find(sql: &str, escapes: bool) -> Option<Vec<usize>> {
    match search(sql, escapes)? {
        (_, true) => None,
        (places, false) => Some(places),
    }
}

/// As [`find`], also in a text of several statements, and whether it is one.
pub(crate) fn search(sql: &str, escapes: bool) -> Option<(Vec<usize>, bool)> {
    let (mut places, mut several) = (Vec::new(), false);
    scan(sql, escapes, |at, byte| match byte {
        b'?' => places.push(at),
        b';' => several |= !sql[at + 1..].trim().is_empty(),
        _ => {}
    })?;
    Some((places, several))
}

/// The statements of a text, each from its first word on; `None` if they are not certain. What is between the parts of
/// a body of statements counts, too.
pub(crate) fn statements(sql: &str, escapes: bool) -> Option<Vec<&str>> {
    let (mut statements, mut from) = (Vec::new(), None);
    scan(sql, escapes, |at, byte| match byte {
        b';' => statements.extend(from.take().map(|from| &sql[from..at])),
        byte if !byte.is_ascii_whitespace() => {
            from.get_or_insert(at);
        }
        _ => {}
    })?;
    statements.extend(from.map(|from| &sql[from..]));
    Some(statements)
}

/// Shows `see` each byte that is in no comment, and of strings and quoted names the first; `None` if it is not certain
/// which those are.
fn scan(sql: &str, escapes: bool, mut see: impl FnMut(usize, u8)) -> Option<()> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let seen = at;
        at = match byte {
            b'\'' => quoted(bytes, at, escapes)?,
            b'"' => {
                let end = quoted(bytes, at, escapes)?;
                // With ANSI_QUOTES it is a name, in which a backslash is a letter.
                if escapes && bytes[at..end].contains(&b'\\') {
                    return None;
                }
                end
            }
            b'`' => quoted(bytes, at, false)?,
            b'#' => {
                at = line(bytes, at);
                continue;
            }
            b'-' if next == Some(b'-')
                && bytes.get(at + 2).is_none_or(|after| *after <= b' ' || *after == 0x7f) =>
            {
                at = line(bytes, at);
                continue;
            }
            b'/' if next == Some(b'*') => {
                // `/*!` and `/*M!` are run by servers of some versions.
                if bytes[at + 2..].starts_with(b"!") || bytes[at + 2..].starts_with(b"M!") {
                    return None;
                }
                at += 4 + bytes[at + 2..].windows(2).position(|end| end == b"*/")?;
                continue;
            }
            _ => at + 1,
        };
        see(seen, byte);
    }
    Some(())
}

/// Behind the end of what is quoted from `at` on.
pub(crate) fn quoted(bytes: &[u8], at: usize, escapes: bool) -> Option<usize> {
    let quote = bytes[at];
    let mut at = at + 1;
    loop {
        let byte = *bytes.get(at)?;
        if byte == b'\\' && escapes {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
}

/// The end of the line.
fn line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_one_only_where_the_server_takes_it_for_one() {
        for (sql, escapes, count) in [
            ("SELECT ?, '?', \"?\", `?` -- ?\n, ? # ?", true, Some(2)),
            ("SELECT 'it''s ?', ?", true, Some(1)),
            (r"SELECT '\'?', ?", true, Some(1)),
            (r"SELECT '\', ?", false, Some(1)),
            (r"SELECT '\', ?", true, None),
            (r#"SELECT "\" ?", ?"#, true, None),
            (r"SELECT `\`, ?", true, Some(1)),
            ("SELECT 1--?", true, Some(1)),
            ("SELECT 1-- ?", true, Some(0)),
            ("SELECT /* ? */ ? /*+ ? */", true, Some(1)),
            ("SELECT /*! ? */", true, None),
            ("SELECT /*M!100100 ? */", true, None),
            ("SELECT /* ?", true, None),
            ("SELECT /*/ ? */ ?", true, Some(1)),
            ("SELECT 'ä?", true, None),
            ("SELECT ?; ", true, Some(1)),
            ("SELECT ?; SELECT ?", true, None),
            ("", true, Some(0)),
        ] {
            assert_eq!(find(sql, escapes).map(|found| found.len()), count, "{sql}");
        }
    }

    #[test]
    fn statements_end_where_the_server_ends_them() {
        for (sql, expected) in [
            ("", &[] as &[&str]),
            (" ; ;", &[]),
            ("SELECT 1", &["SELECT 1"]),
            ("a; -- b;\n /* c; */ 'd;' ;\n`e;`", &["a", "'d;' ", "`e;`"]),
            ("BEGIN;\u{e4};ROLLBACK;", &["BEGIN", "\u{e4}", "ROLLBACK"]),
        ] {
            assert_eq!(statements(sql, true).unwrap(), expected, "{sql}");
        }
        for sql in ["a; 'b", "/*! a; */", "a /*"] {
            assert_eq!(statements(sql, true), None, "{sql}");
        }
    }
}
