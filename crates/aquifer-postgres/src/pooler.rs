//! What a pooler in transaction mode cannot keep: statements that change the session, outside a transaction.
//!
//! The pooler would run such a statement on a connection that somebody else has next, and report success. So
//! they are found by their text, before anything is sent. A function of the user's own that does the same is
//! not seen. Inside a transaction the same statements are let through: they count until its end, which may be
//! all that is wanted, and what they leave behind is the pooler's to reset.

use aquifer_driver::{Batch, Command, Error, ErrorKind, Result};

use crate::lexis::{Token, tokens};

/// Functions that change the session, or hold something for it.
const FUNCTIONS: [&str; 9] = [
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_shared",
    "pg_advisory_unlock_all",
    "set_config",
    "setseed",
];

/// # Errors
///
/// `Unsupported`, with nothing sent, if the command would change the session. For commands that begin
/// outside a transaction.
pub(crate) fn check(command: &Command<'_>) -> Result<()> {
    match command {
        Command::Execute { sql, .. } | Command::Script { sql } => check_text(sql),
        Command::Batch(batch) => check_batch(batch),
        _ => Ok(()),
    }
}

/// As [`check`], of one text.
pub(crate) fn check_text(sql: &str) -> Result<()> {
    refuse(Scan::default().session_state(sql))
}

fn check_batch(batch: &Batch) -> Result<()> {
    let mut scan = Scan::default();
    batch.iter().try_for_each(|item| refuse(scan.session_state(item.sql)))
}

fn refuse(found: Option<&'static str>) -> Result<()> {
    match found {
        None => Ok(()),
        Some(found) => Err(refused(found)),
    }
}

/// The error of what belongs to a session.
#[cold]
pub(crate) fn refused(found: &'static str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{found} belongs to a session, and behind a pooler in transaction mode the next statement has \
             another one"
        ),
    )
    .with_nothing_sent(true)
    .with_hint(
        "do it inside a transaction for as long as that lasts (SET LOCAL, pg_advisory_xact_lock), or connect \
         to the server itself; if there is no such pooler, say `pooler=none`",
    )
}

/// Goes through statements in the order in which they will run.
#[derive(Debug, Default)]
struct Scan {
    /// They are inside a transaction that one of them has begun.
    inside: bool,
}

impl Scan {
    /// What the first statement that changes the session changes.
    fn session_state(&mut self, sql: &str) -> Option<&'static str> {
        let mut head = [""; 5];
        let mut count = 0;
        let mut found = None;
        let mut into = false;
        let mut before = "";
        for token in tokens(sql).chain([Token::End]) {
            match token {
                Token::Word(word) => {
                    if let Some(place) = head.get_mut(count) {
                        *place = word;
                    }
                    count += 1;
                    if found.is_none() {
                        let function =
                            FUNCTIONS.iter().find(|name| name.eq_ignore_ascii_case(word));
                        found = function.copied();
                    }
                    if into && is_temporary(word) {
                        found = Some(TEMPORARY);
                    }
                    // `INSERT INTO temp` names a table.
                    let selects = !is(before, "INSERT") && !is(before, "MERGE");
                    into = (is(word, "INTO") && selects) || (into && is(word, "LOCAL"));
                    before = word;
                }
                Token::End => {
                    let was_inside = self.inside;
                    self.follow(&head);
                    if !was_inside && let Some(found) = found.or_else(|| command(&head)) {
                        return Some(found);
                    }
                    (head, count, found, into, before) = ([""; 5], 0, None, false, "");
                }
            }
        }
        None
    }

    /// Whether the next statement is inside a transaction.
    fn follow(&mut self, head: &[&str; 5]) {
        let [first, second, third, ..] = *head;
        if is(first, "BEGIN") || (is(first, "START") && is(second, "TRANSACTION")) {
            self.inside = true;
        }
        // To a savepoint it goes back inside.
        let back = [second, third].iter().any(|word| is(word, "TO"));
        let ends = ["COMMIT", "END", "ABORT"].iter().any(|word| is(first, word))
            || (is(first, "ROLLBACK") && !back)
            || (is(first, "PREPARE") && is(second, "TRANSACTION"));
        if ends {
            self.inside = false;
        }
    }
}

const TEMPORARY: &str = "a temporary table";

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn is_temporary(word: &str) -> bool {
    is(word, "TEMP") || is(word, "TEMPORARY")
}

/// Whether a command of these first words changes the session.
fn command(head: &[&str; 5]) -> Option<&'static str> {
    let [first, second, ..] = *head;
    let commands = [
        "SET",
        "RESET",
        "LISTEN",
        "UNLISTEN",
        "PREPARE",
        "EXECUTE",
        "DEALLOCATE",
        "DISCARD",
        "LOAD",
        "DECLARE",
        "CREATE",
    ];
    let found = *commands.iter().find(|name| is(first, name))?;
    match found {
        "SET" if ["LOCAL", "TRANSACTION", "CONSTRAINTS"].iter().any(|word| is(second, word)) => {
            None
        }
        "PREPARE" if is(second, "TRANSACTION") => None,
        "DECLARE" => Some("a cursor"),
        "CREATE" => {
            let modifiers = ["OR", "REPLACE", "GLOBAL", "LOCAL"];
            let mut rest = head[1..].iter();
            let kind = rest.find(|word| !modifiers.iter().any(|modifier| is(word, modifier)));
            kind.is_some_and(|word| is_temporary(word)).then_some(TEMPORARY)
        }
        found => Some(found),
    }
}

/// Whether a statement drops the prepared statements of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drops {
    None,
    /// It may: it names one, or has a body that may hold any command.
    Perhaps,
    All,
}

impl Drops {
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = tokens(sql).map(|token| match token {
            Token::Word(word) => word,
            Token::End => "",
        });
        let first = words.next().unwrap_or_default();
        if is(first, "DISCARD") {
            if words.next().is_some_and(|word| is(word, "ALL")) { Self::All } else { Self::None }
        } else if is(first, "DEALLOCATE") {
            let mut next = words.next().unwrap_or_default();
            if is(next, "PREPARE") {
                next = words.next().unwrap_or_default();
            }
            if is(next, "ALL") { Self::All } else { Self::Perhaps }
        } else if is(first, "DO") || is(first, "CALL") {
            Self::Perhaps
        } else {
            Self::None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquifer_driver::Want;

    use super::*;

    #[test]
    fn what_belongs_to_a_session_is_refused_before_it_is_sent() {
        for (sql, what) in [
            ("SET work_mem = '1MB'", "SET"),
            ("set session characteristics as transaction read only", "SET"),
            (" /* why */ SET TIME ZONE 'UTC'", "SET"),
            ("RESET ALL", "RESET"),
            ("LISTEN orders", "LISTEN"),
            ("unlisten *", "UNLISTEN"),
            ("PREPARE p AS SELECT 1", "PREPARE"),
            ("EXECUTE p", "EXECUTE"),
            ("DEALLOCATE ALL", "DEALLOCATE"),
            ("DISCARD ALL", "DISCARD"),
            ("LOAD 'auto_explain'", "LOAD"),
            ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "a cursor"),
            ("CREATE TEMP TABLE t (id int)", "a temporary table"),
            ("create or replace local temporary view v as select 1", "a temporary table"),
            ("SELECT 1 AS a INTO TEMPORARY TABLE t", "a temporary table"),
            ("WITH x AS (SELECT 1) SELECT pg_advisory_lock(7) FROM x", "pg_advisory_lock"),
            ("SELECT pg_catalog.set_config('a.b', $1, false)", "set_config"),
            ("SELECT 1; LISTEN a", "LISTEN"),
            ("BEGIN; SET LOCAL a.b = 1; COMMIT; SET a.b = 1", "SET"),
        ] {
            let error = check(&Command::Script { sql }).expect_err(sql);
            assert!(error.message().starts_with(&format!("{what} belongs")), "{sql}: {error}");
            assert!(error.nothing_sent() && error.kind() == ErrorKind::Unsupported);
            assert!(error.hint().is_some_and(|hint| hint.contains("pooler=none")));
        }
    }

    #[test]
    fn what_belongs_to_a_transaction_or_to_the_database_is_let_through() {
        for sql in [
            "SELECT 1",
            "",
            "SET LOCAL work_mem = '1MB'",
            "SET TRANSACTION READ ONLY",
            "SET CONSTRAINTS ALL DEFERRED",
            "PREPARE TRANSACTION 'x'",
            "CREATE TABLE temp_t (temp int)",
            "CREATE TABLE t AS SELECT 'SET' AS listen",
            "UPDATE t SET a = 1",
            "NOTIFY orders",
            "SELECT pg_advisory_xact_lock(7)",
            "SELECT 'pg_advisory_lock(7)' -- LISTEN",
            "INSERT INTO temp VALUES (1)",
            "BEGIN; LISTEN a; SAVEPOINT s; ROLLBACK TO s; SET a.b = 1; COMMIT",
            "DO $$ BEGIN EXECUTE 'SET a.b = 1'; END $$",
        ] {
            let checked = check(&Command::Script { sql });
            assert!(checked.is_ok(), "{sql}: {checked:?}");
        }
    }

    #[test]
    fn a_batch_is_followed_through_its_transactions() {
        let batch = |texts: &[&str]| {
            let mut batch = Batch::new();
            for sql in texts {
                batch.push(&Arc::from(*sql), &(), Want::All).unwrap();
            }
            check(&Command::Batch(Arc::new(batch)))
        };
        batch(&["BEGIN", "SET a.b = 1", "COMMIT"]).unwrap();
        batch(&["BEGIN", "COMMIT", "LISTEN a"]).unwrap_err();
    }

    #[test]
    fn dropping_statements_is_told_by_its_words() {
        for sql in ["DEALLOCATE ALL", "deallocate prepare all;", "/* x */ DISCARD ALL"] {
            assert_eq!(Drops::of(sql), Drops::All, "{sql}");
        }
        for sql in ["DEALLOCATE a", "DO $$ BEGIN END $$", "/* x */ call rotate()"] {
            assert_eq!(Drops::of(sql), Drops::Perhaps, "{sql}");
        }
        for sql in ["DISCARD PLANS", "SELECT 'DISCARD ALL'", "", "INSERT INTO do VALUES (1)"] {
            assert_eq!(Drops::of(sql), Drops::None, "{sql}");
        }
    }
}
