//! Which texts insert exactly one row, whatever their arguments are.
//!
//! Such a statement affects one row or fails, so that what many of them did, run as one, is known of each.

use std::ops::Range;

use crate::placeholders;

/// A text that inserts one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OneRow {
    /// Where its values stand, with their parentheses.
    values: Range<usize>,
    /// All its values are arguments.
    pub(crate) only_arguments: bool,
}

impl OneRow {
    /// Reads `INSERT INTO t (a, b) VALUES (?, 7)`: names, placeholders and literals, and nothing that could skip a
    /// row, change another one, compute or give rows. `None` for anything else. `escapes`: a backslash in a string
    /// escapes.
    pub(crate) fn parse(sql: &str, escapes: bool) -> Option<Self> {
        Text { bytes: sql.as_bytes(), at: 0, escapes }.inserts()
    }

    /// The text for so many rows.
    pub(crate) fn repeated(&self, sql: &str, rows: usize) -> String {
        let values = &sql[self.values.clone()];
        let mut out = String::with_capacity(sql.len() + rows * (values.len() + 2));
        out.push_str(&sql[..self.values.end]);
        for _ in 1..rows {
            out.push_str(", ");
            out.push_str(values);
        }
        out.push_str(&sql[self.values.end..]);
        out
    }
}

struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
    escapes: bool,
}

impl<'a> Text<'a> {
    fn inserts(&mut self) -> Option<OneRow> {
        self.word("INSERT")?;
        let _ = self.word("LOW_PRIORITY").or_else(|| self.word("HIGH_PRIORITY"));
        let _ = self.word("INTO");
        self.name()?;
        if self.sign(b'.').is_some() {
            self.name()?;
        }
        if self.sign(b'(').is_some() {
            self.name()?;
            while self.sign(b',').is_some() {
                self.name()?;
            }
            self.sign(b')')?;
        }
        self.word("VALUES").or_else(|| self.word("VALUE"))?;
        self.sign(b'(')?;
        let start = self.at - 1;
        let (mut places, mut only_arguments) = (0, true);
        loop {
            let byte = self.peek()?;
            only_arguments &= matches!(byte, b'?' | b',' | b')');
            match byte {
                b'?' => {
                    places += 1;
                    self.at += 1;
                }
                b'\'' => self.at = placeholders::quoted(self.bytes, self.at, self.escapes)?,
                b',' | b'+' | b'.' => self.at += 1,
                // Two of them may begin a comment.
                b'-' if self.bytes.get(self.at + 1) != Some(&b'-') => self.at += 1,
                b')' => break,
                byte if is_letter(byte) => {
                    self.take_word()?;
                }
                _ => return None,
            }
        }
        self.sign(b')')?;
        let values = start..self.at;
        let _ = self.sign(b';');
        (self.peek().is_none() && places > 0).then_some(OneRow { values, only_arguments })
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        (self.peek()? == sign).then(|| self.at += 1)
    }

    fn take_word(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| !is_letter(*byte)).unwrap_or(rest.len());
        self.at += len;
        (len > 0).then_some(&rest[..len])
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let at = self.at;
        if self.take_word().is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes())) {
            return Some(());
        }
        self.at = at;
        None
    }

    fn name(&mut self) -> Option<()> {
        if self.peek()? == b'`' {
            self.at = placeholders::quoted(self.bytes, self.at, false)?;
            return Some(());
        }
        let name = self.take_word()?;
        // What may stand in the place of `INTO`, and means something else.
        let means_more = [b"IGNORE".as_slice(), b"DELAYED", b"VALUES", b"VALUE", b"SELECT", b"SET"];
        (!means_more.iter().any(|word| name.eq_ignore_ascii_case(word))).then_some(())
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_of_placeholders_and_literals_is_one_row_for_certain() {
        for (sql, expected) in [
            ("INSERT INTO t VALUES (?, ?)", true),
            ("insert into `a b`.t (id, `n``m`, größe) values (?, -1.5, 'it''s', NULL, ?) ; ", true),
            ("INSERT HIGH_PRIORITY t VALUE (DEFAULT, ?)", true),
            ("INSERT IGNORE INTO t VALUES (?)", false),
            ("INSERT IGNORE t VALUES (?)", false),
            ("INSERT DELAYED INTO t VALUES (?)", false),
            ("INSERT INTO t VALUES (?), (?)", false),
            ("INSERT INTO t VALUES (f(?))", false),
            ("INSERT INTO t VALUES (@a := ?)", false),
            ("INSERT INTO t VALUES ((SELECT 1), ?)", false),
            ("INSERT INTO t VALUES (1)", false),
            ("INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE n = 1", false),
            ("INSERT INTO t VALUES (?) RETURNING id", false),
            ("INSERT INTO t SELECT ?", false),
            ("INSERT INTO t SET n = ?", false),
            ("INSERT INTO t PARTITION (p) VALUES (?)", false),
            ("INSERT INTO t VALUES (?) -- no more", false),
            ("INSERT INTO t VALUES (1--\n, ?)", false),
            ("INSERT /*! IGNORE */ INTO t VALUES (?)", false),
            ("INSERT INTO t VALUES (\"?\")", false),
            ("REPLACE INTO t VALUES (?)", false),
            ("UPDATE t SET n = ?", false),
            ("INSERT INTO t VALUES ('?", false),
            ("INSERT INTO t VALUES (?", false),
        ] {
            assert_eq!(OneRow::parse(sql, true).is_some(), expected, "{sql}");
        }
    }

    #[test]
    fn the_values_are_repeated_and_nothing_else() {
        let sql = "INSERT INTO `t(?)` (a, b) VALUES (?, ')') ;";
        let row = OneRow::parse(sql, true).unwrap();
        assert!(!row.only_arguments);
        assert_eq!(row.repeated(sql, 1), sql);
        let expected = "INSERT INTO `t(?)` (a, b) VALUES (?, ')'), (?, ')'), (?, ')') ;";
        assert_eq!(row.repeated(sql, 3), expected);
        assert!(OneRow::parse("INSERT INTO t VALUES ( ? ,?)", true).unwrap().only_arguments);
    }
}
