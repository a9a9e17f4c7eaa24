//! What kind of statement a text is. Pure: it reads the text's first words only.
//!
//! SQLite itself says whether a statement writes; what it does not say is whether `changes()` and
//! `last_insert_rowid()` are about this statement, and `sqlite3_stmt_readonly` is true for `COMMIT`.

/// The kinds that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SELECT`, `VALUES`, `WITH ... SELECT`, `EXPLAIN`.
    Query,
    /// `INSERT`, `REPLACE`: counts rows, and may have made a key.
    Insert,
    /// `UPDATE`, `DELETE`: counts rows.
    Change,
    /// `PRAGMA`: may have changed the connection.
    Pragma,
    /// `ATTACH`: the connection has another database, perhaps a file.
    Attach,
    /// Everything else: schema, transactions.
    Other,
}

impl Kind {
    /// The kind of the first statement of `sql`, which is valid.
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = Words { rest: sql.as_bytes() };
        match words.next() {
            Some(word) if word.eq_ignore_ascii_case(b"WITH") => {
                words.find_map(Self::of_verb).unwrap_or(Self::Other)
            }
            Some(word) if word.eq_ignore_ascii_case(b"EXPLAIN") => Self::Query,
            Some(word) if word.eq_ignore_ascii_case(b"PRAGMA") => Self::Pragma,
            Some(word) if word.eq_ignore_ascii_case(b"ATTACH") => Self::Attach,
            Some(word) => Self::of_verb(word).unwrap_or(Self::Other),
            None => Self::Other,
        }
    }

    fn of_verb(word: &[u8]) -> Option<Self> {
        const VERBS: [(&[u8], Kind); 6] = [
            (b"SELECT", Kind::Query),
            (b"VALUES", Kind::Query),
            (b"INSERT", Kind::Insert),
            (b"REPLACE", Kind::Insert),
            (b"UPDATE", Kind::Change),
            (b"DELETE", Kind::Change),
        ];
        VERBS.iter().find(|(verb, _)| verb.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind)
    }
}

/// The words outside parentheses, quotes and comments.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut depth = 0_usize;
        while let Some((&byte, after)) = self.rest.split_first() {
            match byte {
                b'-' if after.first() == Some(&b'-') => self.skip_past(b"\n"),
                b'/' if after.first() == Some(&b'*') => {
                    self.rest = &after[1..];
                    self.skip_past(b"*/");
                }
                b'\'' | b'"' | b'`' => {
                    self.rest = after;
                    self.skip_past(&[byte]);
                }
                b'[' => self.skip_past(b"]"),
                b'(' => {
                    depth += 1;
                    self.rest = after;
                }
                b')' => {
                    depth = depth.saturating_sub(1);
                    self.rest = after;
                }
                _ if is_word(byte) => {
                    let len = self.rest.iter().take_while(|byte| is_word(**byte)).count();
                    let (word, rest) = self.rest.split_at(len);
                    self.rest = rest;
                    if depth == 0 {
                        return Some(word);
                    }
                }
                _ => self.rest = after,
            }
        }
        None
    }
}

impl Words<'_> {
    fn skip_past(&mut self, end: &[u8]) {
        let at = self.rest.windows(end.len()).position(|window| window == end);
        self.rest = at.map_or(&[], |at| &self.rest[at + end.len()..]);
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_verb_outside_parentheses_and_comments_decides() {
        for (sql, kind) in [
            ("SELECT 1", Kind::Query),
            ("  -- update\n /* delete; */ select 1", Kind::Query),
            ("values (1)", Kind::Query),
            ("EXPLAIN QUERY PLAN DELETE FROM t", Kind::Query),
            (
                "WITH a AS (SELECT 1), b(x) AS MATERIALIZED (VALUES (2)) SELECT * FROM a",
                Kind::Query,
            ),
            ("with \"insert\" as (select ')' ) insert into t select 1", Kind::Insert),
            ("WITH [delete] AS (SELECT 1) UPDATE t SET a = 1", Kind::Change),
            ("with a as (select 1) delete from t", Kind::Change),
            ("REPLACE INTO t VALUES (1)", Kind::Insert),
            ("pragma user_version", Kind::Pragma),
            ("attach 'a.db' as a", Kind::Attach),
            ("BEGIN IMMEDIATE", Kind::Other),
            ("CREATE TABLE t AS SELECT 1", Kind::Other),
            ("", Kind::Other),
            ("/* never ends", Kind::Other),
        ] {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }
}
