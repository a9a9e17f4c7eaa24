//! What of the server's message may be shown to anyone.
//!
//! The contract's errors never hold a bound parameter, and PostgreSQL quotes them: `invalid input syntax
//! for type integer: "…"`. What stands in quotes is shown if it is known to be no data: it is part of the
//! statement's text, or the name that a field of the report gives. In classes 22 (data exceptions) and 54
//! (limits) numbers are replaced, too (`time field value out of range: 25:00:00`), and quotes inside quoted data deceive
//! nobody: from the first to the last quote is one piece. What a function of the database raises can be
//! anything, so its text is not shown at all.

use std::borrow::Cow;

use super::Fields;

const HIDDEN: char = '…';

/// Opening and closing marks, in the languages of `lc_messages`.
const QUOTES: [(char, char); 7] =
    [('"', '"'), ('«', '»'), ('»', '«'), ('“', '”'), ('„', '“'), ('„', '”'), ('「', '」')];

/// True for the text of `RAISE`, `ASSERT` and their like in other languages.
pub(super) fn is_raised(fields: &Fields) -> bool {
    let file = fields.file.as_deref().unwrap_or_default();
    let routine = fields.routine.as_deref().unwrap_or_default();
    matches!(routine, "exec_stmt_raise" | "exec_stmt_assert")
        || ["plperl", "plpy", "pltcl", "plv8"].iter().any(|start| file.starts_with(start))
        || fields.sqlstate.is_some_and(|state| matches!(state.as_str(), "P0001" | "P0004"))
}

/// How much of the texts may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// All: there is no session yet, and so nothing was bound.
    Whole,
    /// What this statement says itself, and names.
    Of(&'a str),
}

/// The message, with what may be data replaced by `…`.
pub(super) fn message<'a>(fields: &'a Fields, shown: Shown<'_>) -> Cow<'a, str> {
    let message = fields.primary.as_deref().unwrap_or_default();
    let Shown::Of(sql) = shown else { return message.into() };
    let known = |piece: &str| is_known(fields, sql, piece);
    if fields.sqlstate.is_none_or(|state| !matches!(state.class(), "22" | "54")) {
        return without_foreign_quotes(message, Pieces::Pairs, known);
    }
    let quoted = without_foreign_quotes(message, Pieces::One, known);
    match without_numbers(&quoted) {
        Some(shown) => shown.into(),
        None => quoted,
    }
}

/// How far a quoted piece goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pieces {
    /// To the next closing mark: `column "a" of relation "t"` has two.
    Pairs,
    /// To the last quotation mark.
    One,
}

fn is_known(fields: &Fields, sql: &str, piece: &str) -> bool {
    let names =
        [&fields.schema, &fields.table, &fields.column, &fields.data_type, &fields.constraint];
    names.iter().any(|name| name.as_deref() == Some(piece)) || contains(sql, piece)
}

/// Unquoted names are folded to small letters by the server, so case does not count.
fn contains(sql: &str, piece: &str) -> bool {
    let (sql, piece) = (sql.as_bytes(), piece.as_bytes());
    piece.is_empty() || sql.windows(piece.len()).any(|at| at.eq_ignore_ascii_case(piece))
}

/// Replaces everything from the first quoted piece that is not known to the last quote: what is quoted
/// may hold quotes itself, so pairs cannot be trusted beyond it.
fn without_foreign_quotes(
    message: &str,
    pieces: Pieces,
    known: impl Fn(&str) -> bool,
) -> Cow<'_, str> {
    let mut from = 0;
    while let Some((open_at, open)) = find(&message[from..], is_open) {
        let start = from + open_at + open.len_utf8();
        let rest = &message[start..];
        // Of any kind: data in one kind of quotes may hold the other.
        let last = rest.rfind(is_quote);
        let (Some(next), Some(last)) = (rest.find(|mark| closes(open, mark)), last) else {
            return format!("{}{HIDDEN}", &message[..start]).into();
        };
        let length = if pieces == Pieces::One { last } else { next };
        if !known(&rest[..length]) {
            return format!("{}{HIDDEN}{}", &message[..start], &rest[last..]).into();
        }
        from = start + length + rest[length..].chars().next().map_or(0, char::len_utf8);
    }
    message.into()
}

fn find(text: &str, wanted: impl Fn(char) -> bool) -> Option<(usize, char)> {
    text.char_indices().find(|(_, mark)| wanted(*mark))
}

fn is_open(mark: char) -> bool {
    QUOTES.iter().any(|(open, _)| *open == mark)
}

fn is_quote(mark: char) -> bool {
    QUOTES.iter().any(|(open, close)| *open == mark || *close == mark)
}

fn closes(open: char, mark: char) -> bool {
    QUOTES.contains(&(open, mark))
}

/// Replaces words that begin with a digit, unless they are a type's modifier: `varying(3)`.
fn without_numbers(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        let inside = before.is_alphanumeric() || matches!(before, '_' | '(');
        before = char;
        if !char.is_ascii_digit() || inside {
            continue;
        }
        let mut end = start + 1;
        while let Some((at, next)) = chars.next_if(|(_, next)| {
            next.is_alphanumeric() || matches!(next, '.' | ':' | '-' | '+' | '/')
        }) {
            end = at + next.len_utf8();
            before = next;
        }
        // A sign belongs to its number.
        let sign = text[copied..start].ends_with(['-', '+']) as usize;
        out.push_str(&text[copied..start - sign]);
        out.push(HIDDEN);
        copied = end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::{ServerError, body};
    use super::*;
    use proptest::prelude::*;

    fn shown(code: &str, text: &str, sql: &str) -> String {
        let error = ServerError::parse(&body(&[(b'C', code), (b'M', text)])).unwrap();
        message(&error.0, Shown::Of(sql)).into_owned()
    }

    #[test]
    fn data_in_quotes_is_replaced() {
        for (code, text, expected) in [
            (
                "22P02",
                "invalid input syntax for type integer: \"s3\"",
                "invalid input syntax for type integer: \"…\"",
            ),
            (
                "22003",
                "value \"99\" is out of range for type integer",
                "value \"…\" is out of range for type integer",
            ),
            ("42P01", "relation \"s3\" does not exist", "relation \"…\" does not exist"),
            // The data itself holds quotes.
            (
                "22P02",
                "invalid input syntax: \"a\" s3 \"b\" of x",
                "invalid input syntax: \"…\" of x",
            ),
            ("22P02", "ungültige Eingabe: »s3«", "ungültige Eingabe: »…«"),
            ("22P02", "ungültige Eingabe: „s3“", "ungültige Eingabe: „…“"),
            ("22P02", "syntaxe invalide : « s3 »", "syntaxe invalide : «…»"),
            ("22P02", "never closed: \"s3", "never closed: \"…"),
            ("22P02", "Eingabe: »s3« \"s3\"", "Eingabe: »…\""),
        ] {
            assert_eq!(shown(code, text, "SELECT $1::int"), expected);
        }
    }

    #[test]
    fn what_the_statement_says_itself_is_shown() {
        for (code, text, sql) in [
            ("42P01", "relation \"stations\" does not exist", "SELECT * FROM Stations"),
            ("42601", "syntax error at or near \"FORM\"", "SELECT * FORM t"),
            ("22P02", "invalid input syntax for type integer: \"abc\"", "SELECT 'abc'::int"),
            ("22012", "division by zero", "SELECT 1 / $1"),
            ("22001", "value too long for type character varying(3)", "INSERT INTO t VALUES ($1)"),
        ] {
            assert_eq!(shown(code, text, sql), text);
        }
    }

    #[test]
    fn names_that_the_report_gives_are_shown() {
        let error = ServerError::parse(&body(&[
            (b'C', "23505"),
            (b'M', "duplicate key value violates unique constraint \"t_pkey\""),
            (b'n', "t_pkey"),
        ]))
        .unwrap();
        assert!(message(&error.0, Shown::Of("INSERT INTO t VALUES ($1)")).contains("t_pkey"));
    }

    #[test]
    fn numbers_of_data_exceptions_are_replaced() {
        let sql = "SELECT make_time($1, $2, $3)";
        assert_eq!(
            shown("22008", "time field value out of range: 25:00:00", sql),
            "time field value out of range: …"
        );
        assert_eq!(
            shown("22021", "invalid byte sequence: 0xe2 0x28", sql),
            "invalid byte sequence: … …"
        );
        assert_eq!(
            shown("2202E", "index -7 out of valid range, 0..3", sql),
            "index … out of valid range, …"
        );
        assert_eq!(shown("22003", "int4 out of range", sql), "int4 out of range");
        // Elsewhere a number is a count or a limit.
        let text = "there is no parameter $2 in 3";
        assert_eq!(shown("42P02", text, sql), text);
    }

    #[test]
    fn before_there_is_a_session_nothing_was_bound() {
        let text = "password authentication failed for user \"app\"";
        let error = ServerError::parse(&body(&[(b'C', "28P01"), (b'M', text)])).unwrap();
        assert_eq!(message(&error.0, Shown::Whole), text);
    }

    proptest! {
        #[test]
        fn a_secret_in_quotes_is_never_shown(
            before in "[a-z \"]{0,12}", secret in "[A-Z]{8}", after in "[a-z \"]{0,12}"
        ) {
            let text = format!("invalid input for type x: \"{before}{secret}{after}\"");
            let shown = shown("22P02", &text, "SELECT $1::x");
            prop_assert!(!shown.contains(&secret), "{text:?} shown as {shown:?}");
        }

        #[test]
        fn numbers_never_panic(text in "\\PC{0,40}") {
            let _ = without_numbers(&text);
            let _ = without_foreign_quotes(&text, Pieces::Pairs, |piece| piece.is_ascii());
        }
    }
}
