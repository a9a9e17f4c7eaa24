//! From SQLite's codes and messages to [`Error`]. Pure.
//!
//! SQLite's message is shown only where it is known to hold nothing but names and pieces of the SQL text.
//! Everything else may quote data (a JSON path, an FTS5 query, the text of `RAISE`): it goes into
//! [`Error::detail`].

use aquifer_driver::{Error, ErrorKind};

use crate::raw;

/// What was being done when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Reading the text: messages speak of the text alone.
    Preparing,
    /// Anything that has seen data.
    Running,
}

/// The driver's error for SQLite's.
#[cold]
pub(crate) fn error(raw: &raw::Error, doing: Doing) -> Error {
    if raw.interruption() == Some(raw::Interruption::Cancelled) {
        return Error::new(ErrorKind::Cancelled, "the statement was cancelled")
            .with_code(raw.code().name());
    }
    let message = raw.message();
    let error = match raw.code().primary().raw() {
        CONSTRAINT => constraint(raw.code().raw(), message),
        ERROR => general(message, doing),
        _ => coded(raw.code().raw(), message),
    };
    let error = error.with_code(raw.code().name());
    match raw.offset().and_then(|offset| u32::try_from(offset).ok()) {
        Some(offset) => error.with_position(offset),
        None => error,
    }
}

const ERROR: i32 = 1;
const CONSTRAINT: i32 = 19;

/// `SQLITE_ERROR`, which has a message for everything.
fn general(message: &str, doing: Doing) -> Error {
    const MISSING: [(&str, &str); 6] = [
        ("no such table", "table"),
        ("no such column", "column"),
        ("no such function", "function"),
        ("no such index", "index"),
        ("no such module", "module"),
        ("no such collation sequence", "collation"),
    ];
    for (start, what) in MISSING {
        if let Some(rest) = message.strip_prefix(start) {
            let name = rest.trim_start_matches(':').trim();
            // FTS5 says "no such column" of a word in a search term.
            if doing == Doing::Running && what == "column" {
                return Error::new(ErrorKind::UndefinedObject, "no such column")
                    .with_detail(message);
            }
            let error = Error::new(ErrorKind::UndefinedObject, message.to_owned());
            return match what {
                "table" => error.with_table(name),
                "column" => error.with_column(name),
                _ => error,
            };
        }
    }
    if message.starts_with("no such ") || message.starts_with("unknown database") {
        return Error::new(ErrorKind::UndefinedObject, message.to_owned());
    }
    if doing == Doing::Preparing {
        let syntax = message.contains("syntax error")
            || message.starts_with("unrecognized token")
            || message.starts_with("incomplete input")
            || message.contains("NUL byte");
        let kind = if syntax { ErrorKind::Syntax } else { ErrorKind::Database };
        return Error::new(kind, message.to_owned());
    }
    match message {
        "integer overflow" | "malformed JSON" => Error::new(ErrorKind::Data, message.to_owned()),
        _ if KNOWN.iter().any(|known| message.starts_with(known)) => {
            Error::new(ErrorKind::Database, message.to_owned())
        }
        _ => Error::new(ErrorKind::Database, "the statement failed while it ran")
            .with_detail(message)
            .with_hint("`detail()` has SQLite's message, which may quote data"),
    }
}

/// Beginnings of messages of running statements that hold no data.
const KNOWN: [&str; 7] = [
    "cannot start a transaction within a transaction",
    "cannot commit",
    "cannot rollback",
    "cannot VACUUM",
    "table ",
    "database ",
    "not authorized",
];

fn constraint(code: i32, message: &str) -> Error {
    let place = message.split_once(" constraint failed: ").map(|(_, place)| place);
    match code >> 8 {
        // UNIQUE, PRIMARYKEY, ROWID
        8 | 6 | 10 => {
            let error = Error::new(ErrorKind::UniqueViolation, message.to_owned());
            match place.and_then(|place| place.strip_prefix("index '")) {
                Some(index) => error.with_constraint(index.trim_end_matches('\'')),
                None => with_columns(error, place),
            }
        }
        // NOTNULL
        5 => with_columns(Error::new(ErrorKind::NotNullViolation, message.to_owned()), place),
        // CHECK: the constraint's name, or its expression.
        1 => {
            let error = Error::new(ErrorKind::CheckViolation, message.to_owned());
            match place {
                Some(place) => error.with_constraint(place),
                None => error,
            }
        }
        // FOREIGNKEY
        3 => Error::new(ErrorKind::ForeignKeyViolation, message.to_owned()),
        // DATATYPE: "cannot store TEXT value in INTEGER column t.c"
        12 => {
            let error = Error::new(ErrorKind::Data, message.to_owned());
            with_columns(error, message.rsplit_once(" column ").map(|(_, place)| place))
        }
        // TRIGGER: the text of RAISE, which may be computed from data.
        7 => Error::new(ErrorKind::Database, "a trigger refused the change")
            .with_detail(message)
            .with_hint("`detail()` has the text of its RAISE"),
        _ => Error::new(ErrorKind::Database, "a constraint was violated").with_detail(message),
    }
}

/// `stations.code`, or `stations.a, stations.b`.
fn with_columns(error: Error, place: Option<&str>) -> Error {
    let Some(place) = place else { return error };
    let mut columns = place.split(", ");
    let error = match columns.next().and_then(|first| first.split_once('.')) {
        Some((table, column)) if columns.next().is_none() => {
            error.with_table(table).with_column(column)
        }
        Some((table, _)) => error.with_table(table),
        None => error,
    };
    error.with_constraint(place)
}

/// Codes that say it all.
fn coded(code: i32, message: &str) -> Error {
    let (kind, text, hint): (_, &'static str, Option<&'static str>) = match (code & 0xff, code) {
        // BUSY_SNAPSHOT: waiting would not help.
        (_, 517) => (
            ErrorKind::Serialization,
            "another connection has written since this transaction first read",
            Some(
                "run the transaction again; a transaction that writes should begin without `lock_late`",
            ),
        ),
        (5, _) => (
            ErrorKind::LockTimeout,
            "the database is locked by another connection",
            Some("run the transaction again, or raise `busy_timeout`"),
        ),
        (6, _) => {
            (ErrorKind::LockTimeout, "a table is locked by a statement of this connection", None)
        }
        (8, _) => (ErrorKind::ReadOnly, "the database is read-only here", None),
        (9, _) => (ErrorKind::Cancelled, "the statement was interrupted", None),
        (13, _) => (ErrorKind::Resources, "the disk or the database is full", None),
        (7, _) => (ErrorKind::Resources, "SQLite ran out of memory", None),
        (11, _) => (
            ErrorKind::Corrupt,
            "the database file is damaged",
            Some("`PRAGMA integrity_check` tells where; restore it from a backup"),
        ),
        (26, _) => (ErrorKind::Corrupt, "the file is not a SQLite database", None),
        (18, _) => (ErrorKind::Data, "a text, blob, row or SQL text is too long for SQLite", None),
        (20, _) => (ErrorKind::Data, "a value has a type that its place does not take", None),
        (25, _) => (ErrorKind::Data, "a parameter or column does not exist", None),
        (23, _) => (ErrorKind::Permission, "the operation is not authorized", None),
        (3, _) => (ErrorKind::Permission, "the file's permissions forbid this", None),
        (10, _) => (ErrorKind::Io, "reading or writing the database file failed", None),
        (14, _) => (ErrorKind::Io, "a file of the database could not be opened", None),
        (22, _) => (ErrorKind::Unsupported, "the file is too large for this system", None),
        (17, _) => (
            ErrorKind::Database,
            "the schema changed again and again while the statement was prepared",
            None,
        ),
        (4, _) => {
            (ErrorKind::Database, "the transaction was rolled back under the statement", None)
        }
        _ => (ErrorKind::Database, "SQLite reported an error", None),
    };
    let error = Error::new(kind, text).with_detail(message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_violation_names_its_columns_or_its_index() {
        let one = constraint(2067, "UNIQUE constraint failed: stations.code");
        assert_eq!(one.kind(), ErrorKind::UniqueViolation);
        assert_eq!(one.constraint(), Some("stations.code"));
        assert_eq!((one.table(), one.column()), (Some("stations"), Some("code")));
        let two = constraint(2067, "UNIQUE constraint failed: t.a, t.b");
        assert_eq!(two.constraint(), Some("t.a, t.b"));
        assert_eq!((two.table(), two.column()), (Some("t"), None));
        let index = constraint(2067, "UNIQUE constraint failed: index 'by_code'");
        assert_eq!(index.constraint(), Some("by_code"));
        assert_eq!(index.table(), None);
    }

    #[test]
    fn messages_that_may_quote_data_are_kept_in_detail() {
        for (message, doing) in [
            ("bad JSON path: 'hunter2'", Doing::Running),
            ("fts5: syntax error near \"hunter2\"", Doing::Running),
            ("no such column: hunter2", Doing::Running),
        ] {
            let error = general(message, doing);
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert_eq!(error.detail(), Some(message));
        }
        let raise = constraint(1811, "hunter2 is too short");
        assert!(!raise.to_string().contains("hunter2"), "{raise}");
    }

    #[test]
    fn names_in_the_text_are_shown() {
        let error = general("no such column: levl_m", Doing::Preparing);
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert_eq!(error.column(), Some("levl_m"));
        let error = general("near \"SELCT\": syntax error", Doing::Preparing);
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert!(error.message().contains("SELCT"));
    }

    #[test]
    fn a_stale_snapshot_is_not_a_lock() {
        assert_eq!(coded(5, "").kind(), ErrorKind::LockTimeout);
        assert_eq!(coded(6 | (1 << 8), "").kind(), ErrorKind::LockTimeout);
        assert_eq!(coded(517, "").kind(), ErrorKind::Serialization);
    }
}
