//! Whether a statement leaves the session different from a fresh one.
//!
//! The server does not say so. Commands are known by the tag of their answer; functions that change the
//! session from within a query are known by name, in the text. Unknown ones stay unnoticed: functions of
//! the user's own that call `set_config`.

/// Words in a text that hint at a change which no command tag shows: settings by function, advisory locks
/// of the session, temporary objects. A word inside a string counts too: a reset too many does no harm.
const HINTS: [&str; 5] =
    ["set_config", "pg_advisory_lock", "pg_try_advisory_lock", "temp", "setseed"];

/// True if the text may change the session in a way that its command tag will not show.
pub(crate) fn in_text(sql: &str) -> bool {
    let sql = sql.as_bytes();
    HINTS.iter().any(|hint| {
        sql.windows(hint.len()).any(|window| window.eq_ignore_ascii_case(hint.as_bytes()))
    })
}

/// True if a command that is answered by this tag changes the session. `SET LOCAL` has the tag of `SET`,
/// and is told by its text where that is known.
pub(crate) fn in_tag(command: &str, sql: Option<&str>) -> bool {
    match command {
        "SET" => !sql.is_some_and(is_local),
        // Their bodies may hold any command.
        "DO" | "CALL" | "RESET" | "LISTEN" | "UNLISTEN" | "PREPARE" | "DECLARE CURSOR" | "LOAD"
        | "DISCARD ALL" | "DEALLOCATE" | "DEALLOCATE ALL" => true,
        _ => false,
    }
}

/// True if a command that is answered by this tag drops prepared statements, or may hold one that does.
pub(crate) fn may_drop_statements(command: &str) -> bool {
    matches!(command, "DO" | "CALL" | "DEALLOCATE" | "DEALLOCATE ALL" | "DISCARD ALL")
}

/// Of a text of several statements, all that begin with SET must be local, and the others be such as set nothing.
/// A semicolon within a string makes a piece more, which can only make the answer no.
fn is_local(sql: &str) -> bool {
    const SET_NOTHING: [&str; 6] = ["EXPLAIN", "SELECT", "INSERT", "UPDATE", "DELETE", "VALUES"];
    let is = |word: &str, known: &[&str]| known.iter().any(|k| word.eq_ignore_ascii_case(k));
    sql.split(';').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| {
        let mut words = piece.split_ascii_whitespace();
        match words.next() {
            Some(word) if is(word, &["SET"]) => {
                words.next().is_some_and(|word| is(word, &["LOCAL", "TRANSACTION", "CONSTRAINTS"]))
            }
            Some(word) => is(word, &SET_NOTHING),
            None => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_locks_and_temporary_tables_change_the_session() {
        assert!(in_tag("SET", Some("set search_path = a")) && in_tag("LISTEN", None));
        assert!(!in_tag("SET", Some("SET LOCAL work_mem = '1MB'")));
        assert!(in_tag("SET", Some("SET LOCAL work_mem = '1MB'; SET search_path = a")));
        assert!(!in_tag("SET", Some("SET LOCAL work_mem = '1MB';")));
        assert!(!in_tag("SET", Some("SET LOCAL a.b = 1; EXPLAIN EXECUTE x")));
        assert!(in_tag("SET", Some("SET LOCAL a.b = 1; /* now */ SET a.b = 2")));
        assert!(in_tag("DO", None) && in_tag("CALL", Some("CALL rotate()")));
        assert!(!in_tag("INSERT", Some("INSERT INTO t VALUES (1)")));
        assert!(in_text("SELECT Set_Config('a.b', $1, false)"));
        assert!(in_text("CREATE TEMP TABLE x (id int)"));
        assert!(!in_text("SELECT id FROM rivers WHERE id = $1"));
    }
}
