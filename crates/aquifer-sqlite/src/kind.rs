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

/// PRAGMAs that take an argument and only read, check or tidy with it.
const READING: [&str; 13] = [
    "foreign_key_check",
    "foreign_key_list",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "optimize",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "wal_checkpoint",
];

/// PRAGMAs whose argument goes into the file: it is everybody's, not the session's.
const OF_THE_FILE: [&str; 8] = [
    "application_id",
    "auto_vacuum",
    "encoding",
    "journal_mode",
    "page_size",
    "schema_version",
    "user_version",
    "default_cache_size",
];

fn is_one_of(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether a PRAGMA of this name sets nothing by its argument.
pub(crate) fn only_reads(pragma: &[u8]) -> bool {
    is_one_of(&READING, pragma)
}

/// Whether the text is a PRAGMA, or explains one: SQLite applies either while it prepares it.
pub(crate) fn is_pragma(sql: &str) -> bool {
    argument_of_pragma(sql).is_some()
}

/// What follows the word `PRAGMA`.
fn argument_of_pragma(sql: &str) -> Option<&[u8]> {
    let mut words = Words { rest: sql.as_bytes() };
    let mut word = words.next()?;
    if word.eq_ignore_ascii_case(b"EXPLAIN") {
        word = words.next()?;
        if word.eq_ignore_ascii_case(b"QUERY") {
            words.next()?;
            word = words.next()?;
        }
    }
    word.eq_ignore_ascii_case(b"PRAGMA").then_some(words.rest)
}

/// Whether running the statement may leave the session different: a setting, an attached database, a
/// temporary object. It says yes where the text does not tell for sure.
pub(crate) fn changes_session(sql: &str) -> bool {
    if let Some(pragma) = argument_of_pragma(sql) {
        return pragma_sets(pragma);
    }
    let mut words = Words { rest: sql.as_bytes() };
    match words.next() {
        Some(word) if is_one_of(&["ATTACH", "DETACH"], word) => true,
        // `CREATE TEMP TABLE t`, `CREATE TABLE temp.t`.
        Some(word) if word.eq_ignore_ascii_case(b"CREATE") => {
            words.rest.windows(4).any(|four| four.eq_ignore_ascii_case(b"TEMP"))
        }
        _ => false,
    }
}

fn pragma_sets(pragma: &[u8]) -> bool {
    let Some(end) = pragma.iter().position(|byte| matches!(byte, b'=' | b'(')) else {
        return false;
    };
    let before = &pragma[..end];
    let plain = |byte: &u8| is_word(*byte) || *byte == b'.' || byte.is_ascii_whitespace();
    if !before.iter().all(plain) {
        // A quoted name or a comment.
        return true;
    }
    let name =
        before.split(|byte| !is_word(*byte)).rfind(|word| !word.is_empty()).unwrap_or_default();
    !only_reads(name) && !is_one_of(&OF_THE_FILE, name)
}

/// Whether a text holds no statement: white space, comments and semicolons only.
pub(crate) fn is_blank(sql: &str) -> bool {
    let mut words = Words { rest: sql.as_bytes() };
    loop {
        words.rest = words.rest.trim_ascii_start();
        match words.rest {
            [] => return true,
            [b'-', b'-', ..] => words.skip_past(b"\n"),
            [b'/', b'*', rest @ ..] => {
                words.rest = rest;
                words.skip_past(b"*/");
            }
            [b';', rest @ ..] => words.rest = rest,
            rest if rest.starts_with(BOM) => words.rest = &rest[BOM.len()..],
            _ => return false,
        }
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes();

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
                // A byte order mark is white space to SQLite.
                _ if self.rest.starts_with(BOM) => self.rest = &self.rest[BOM.len()..],
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

    #[test]
    fn what_changes_the_session_is_told_from_what_does_not() {
        for sql in [
            "PRAGMA query_only = 1",
            " -- x\n pragma main.cache_size(5)",
            "PRAGMA \"query_only\"=1",
            "PRAGMA /* table_info( */ query_only = 1",
            "EXPLAIN QUERY PLAN PRAGMA foreign_keys=off",
            "explain pragma foreign_keys=off",
            "\u{feff}PRAGMA query_only=1",
            "attach 'a.db' as a",
            "DETACH a",
            "create temporary table t (n)",
            "CREATE TABLE temp.t (n)",
            "CREATE VIEW \"TEMP\".v AS SELECT 1",
        ] {
            assert!(changes_session(sql), "{sql}");
        }
        for sql in [
            "PRAGMA query_only",
            "PRAGMA main.table_info(t)",
            "PRAGMA user_version = 7",
            "PRAGMA journal_mode=wal",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "CREATE TABLE t (n)",
            "SELECT 'PRAGMA x = 1'",
            "INSERT INTO t VALUES ('temp')",
            "BEGIN",
            "",
        ] {
            assert!(!changes_session(sql), "{sql}");
        }
    }

    #[test]
    fn only_space_comments_and_semicolons_are_blank() {
        for sql in ["", " \t\r\n;;", "-- a", "/* b */ ; -- c\n", "/* never ends"] {
            assert!(is_blank(sql), "{sql:?}");
        }
        for sql in ["SELECT 1", "; x", "-- a\n)", "/* a */ '"] {
            assert!(!is_blank(sql), "{sql:?}");
        }
    }
}
