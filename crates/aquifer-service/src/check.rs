//! Checking queries against the database that they are for: the database prepares each of them and
//! says what it takes and gives.

use aquifer::sql::{self, Access, Lexis, Style, Tokens};
use aquifer::{Db, Error, ErrorKind, Stmt};
use aquifer_driver::Placeholder;

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::head::Kind;
use crate::query::Query;

/// A query that the database has accepted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checked {
    /// The prepared statement, labelled with the query's name.
    pub statement: Stmt,
    /// For each placeholder, in order, the position of its value among the query's parameters.
    pub slots: Vec<usize>,
}

/// The lexical rules of a database's engine.
pub fn lexis(db: &Db) -> Lexis {
    Lexis::from(db.dialect().grammar)
}

/// Has the database prepare every query of the catalogue. Runs none of them.
///
/// # Errors
///
/// All queries that make no sense on a pool's connection (transactions, settings, ATTACH, VACUUM: the
/// database is not even asked, because some engines carry out a setting while they prepare it), those that
/// the database refuses, and those that do not give what their heads say: rows from
/// `:one` and `:many`, no two columns of one name, nothing but reading for GET and QUERY.
pub async fn check(db: &Db, catalog: &Catalog) -> Result<Vec<Checked>, Vec<Diagnostic>> {
    let lexis = lexis(db);
    let style = match db.dialect().placeholder {
        Placeholder::Dollar => Style::Dollar,
        _ => Style::Question,
    };
    let mut checked = Vec::new();
    let mut errors = Vec::new();
    for query in catalog.queries() {
        if let Some(error) = misplaced(query, &lexis) {
            errors.push(error);
            continue;
        }
        let text = query.named.text(style);
        let slots = text.slots.iter().map(|slot| query.uses[slot.name]).collect();
        match db.label(&query.name).prepare(&text.text).await {
            Ok(statement) => {
                contradictions(query, &statement, &mut errors);
                checked.push(Checked { statement, slots });
            }
            Err(error) => errors.push(refusal(query, &text.text, &lexis, &error)),
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

/// A statement that is about the connection that happens to run it, or about files, and not about data.
fn misplaced(query: &Query, lexis: &Lexis) -> Option<Diagnostic> {
    let text = query.named.sql();
    let explained = explained(text, lexis);
    let class = sql::classify(explained, lexis);
    let (what, hint) = match class.kind {
        sql::Kind::Begin
        | sql::Kind::Commit
        | sql::Kind::Rollback
        | sql::Kind::RollbackTo
        | sql::Kind::Savepoint
        | sql::Kind::Release
        | sql::Kind::PrepareTransaction => (
            "controls a transaction",
            "remove it; each query is a transaction of its own, on any connection of a pool",
        ),
        sql::Kind::Pragma if class.access != Access::Read => (
            "sets something for one connection or for the file",
            "set it in the database's URL, or once with the database's own tools",
        ),
        sql::Kind::Set => (
            "sets something for one connection of many",
            "set it in the database's URL, or once with the database's own tools",
        ),
        sql::Kind::Attach => (
            "attaches or detaches a file on one connection of many",
            "query the file as a database of its own",
        ),
        sql::Kind::Lock | sql::Kind::Cursor => (
            "leaves something open on one connection of many",
            "remove it; the next query may run on another connection",
        ),
        sql::Kind::Maintenance if first_word(explained, lexis) == "VACUUM" => {
            ("rewrites the whole database", "run it with the database's own tools")
        }
        _ => return None,
    };
    let word = first_word(explained, lexis);
    let message = format!("`{}` {what}: {word} cannot be served", query.name);
    Some(query.location.at_sql(text, 0, message).with_hint(hint))
}

/// What follows `EXPLAIN` or `EXPLAIN QUERY PLAN`: SQLite carries out a PRAGMA that it explains.
fn explained<'a>(text: &'a str, lexis: &Lexis) -> &'a str {
    let words = Tokens::new(text, lexis).filter(sql::Token::is_significant);
    for (index, token) in words.enumerate().take(4) {
        let word = token.text(text).to_ascii_uppercase();
        if !matches!((index, &*word), (0, "EXPLAIN") | (1, "QUERY") | (2, "PLAN")) {
            return if index == 0 { text } else { &text[token.start..] };
        }
    }
    text
}

fn first_word(text: &str, lexis: &Lexis) -> String {
    Tokens::new(text, lexis)
        .find(sql::Token::is_significant)
        .map_or_else(String::new, |token| token.text(text).to_ascii_uppercase())
}

fn contradictions(query: &Query, statement: &Stmt, errors: &mut Vec<Diagnostic>) {
    let columns = statement.columns();
    let place = &query.location;
    match query.kind {
        Kind::One | Kind::Many if columns.is_empty() => errors.push(
            place
                .at_name(format!("`{}` is {} but gives no rows", query.name, query.kind.as_str()))
                .with_hint("write `:exec`, or add RETURNING"),
        ),
        Kind::Exec if !columns.is_empty() => errors.push(
            place
                .at_name(format!("`{}` is :exec but gives rows", query.name))
                .with_hint("write `:one` or `:many`"),
        ),
        _ => {}
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|earlier| earlier.name == column.name) {
            errors.push(
                place
                    .at_name(format!("two columns are called `{}`", column.name))
                    .with_hint("a JSON object has one value per name; rename one with AS"),
            );
        }
    }
    if query.route.method.is_safe() && statement.is_read_only() == Some(false) {
        errors.push(
            place
                .at_route(format!("{} must only read, but this writes", query.route.method))
                .with_hint("write `POST`, `PUT`, `PATCH` or `DELETE`"),
        );
    }
}

/// The database's refusal, at the place in the file that it points to.
fn refusal(query: &Query, text: &str, lexis: &Lexis, error: &Error) -> Diagnostic {
    let name = &query.name;
    let mut message = match error.kind() {
        // The database has not said anything of the statement.
        ErrorKind::Timeout
        | ErrorKind::Cancelled
        | ErrorKind::PoolTimeout
        | ErrorKind::PoolFull
        | ErrorKind::PoolDeadlock
        | ErrorKind::Closed
        | ErrorKind::Connect
        | ErrorKind::ConnectionLost => {
            format!("`{name}` could not be checked: {}", error.message())
        }
        _ => format!("the database refuses `{name}`: {}", error.message()),
    };
    if let Some(code) = error.code() {
        message.push_str(&format!(" ({code})"));
    }
    let sql = query.named.sql();
    let offset =
        error.position().and_then(|position| original(sql, text, position as usize, lexis));
    let diagnostic = query.location.at_sql(sql, offset.unwrap_or(0), message);
    match error.hint() {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// The byte of `sql`, with names, that a byte of `text`, with the engine's placeholders, comes from. Both
/// have the same tokens, blanks aside.
fn original(sql: &str, text: &str, position: usize, lexis: &Lexis) -> Option<usize> {
    let nth = Tokens::new(text, lexis)
        .filter(aquifer::sql::Token::is_significant)
        .position(|token| token.end > position)?;
    Tokens::new(sql, lexis)
        .filter(aquifer::sql::Token::is_significant)
        .nth(nth)
        .map(|token| token.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(statement: &str) -> Option<String> {
        let lexis = Lexis::sqlite();
        let text = format!("-- name: x :exec\n-- http: POST /x\n  {statement};");
        let queries = crate::query::parse("q.sql", &text, &lexis).unwrap();
        misplaced(&queries[0], &lexis).map(|error| error.to_string())
    }

    #[test]
    fn statements_about_the_connection_or_the_file_are_refused() {
        for statement in [
            "BEGIN",
            "BEGIN IMMEDIATE",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ROLLBACK TO s",
            "SAVEPOINT s",
            "RELEASE s",
            "ATTACH 'other.db' AS other",
            "DETACH other",
            "VACUUM",
            "vacuum /* all */ INTO 'copy.db'",
            "PRAGMA foreign_keys = off",
            "PRAGMA main.foreign_keys(0)",
            "EXPLAIN PRAGMA foreign_keys = off",
            "explain query plan pragma foreign_keys = off",
            "PRAGMA wal_checkpoint",
            "PRAGMA journal_mode = delete",
        ] {
            let said = refused(statement).unwrap_or_else(|| panic!("{statement} is let through"));
            assert!(said.starts_with("q.sql:3:3: `x` ") && said.contains("\n  "), "{said}");
        }
    }

    #[test]
    fn statements_about_data_are_not() {
        for statement in [
            "SELECT 1",
            "PRAGMA foreign_keys",
            "PRAGMA table_info(t)",
            "EXPLAIN QUERY PLAN SELECT 1",
            "EXPLAIN",
            "ANALYZE",
            "INSERT INTO t VALUES (1)",
            "CREATE TABLE begin_ (a)",
        ] {
            assert_eq!(refused(statement), None, "{statement}");
        }
    }

    #[test]
    fn what_the_database_did_not_answer_is_no_refusal() {
        let text = "-- name: x :one\n-- http: GET /x\nSELECT 1;";
        let lexis = Lexis::sqlite();
        let query = &crate::query::parse("q.sql", text, &lexis).unwrap()[0];
        let said = |kind| {
            let error = Error::new(kind, "why").with_hint("what to do");
            refusal(query, "SELECT 1", &lexis, &error).to_string()
        };
        for kind in [ErrorKind::Timeout, ErrorKind::PoolTimeout, ErrorKind::Connect] {
            assert_eq!(said(kind), "q.sql:3:1: `x` could not be checked: why\n  what to do");
        }
        assert_eq!(
            said(ErrorKind::Syntax),
            "q.sql:3:1: the database refuses `x`: why\n  what to do"
        );
    }

    #[test]
    fn a_position_behind_placeholders_is_found_again() {
        let sql = "SELECT :first, :second, nope FROM t";
        let text = "SELECT ?, ?, nope FROM t";
        let lexis = Lexis::sqlite();
        let found = original(sql, text, text.find("nope").unwrap(), &lexis);
        assert_eq!(found, sql.find("nope"));
        assert_eq!(original(sql, text, text.find('?').unwrap(), &lexis), sql.find(":first"));
        assert_eq!(original(sql, text, 1_000, &lexis), None);
    }
}
