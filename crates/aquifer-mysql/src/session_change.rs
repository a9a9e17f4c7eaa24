//! Whether a statement leaves the session different from a fresh one in a way that the server does not report.
//!
//! Servers that track the session report settings, user variables, temporary tables, prepared statements and the
//! current database. What they do not report is known by words in the text; a word inside a string counts too: a
//! reset too many does no harm.

/// What servers do not report, or not always: locks by name, locked tables, open handlers, and variables that a query
/// sets along the way.
const UNTRACKED: [&str; 7] =
    ["get_lock", "lock table", "lock instance", "handler", "flush table", ":=", "into @"];

/// What servers report that track the session.
const TRACKED: [&str; 6] = ["set ", "use ", "temporary", "prepare ", "@", "call "];

/// True if the text may change the session unreported.
pub(crate) fn in_text(sql: &str, tracks: bool) -> bool {
    let sql = sql.as_bytes();
    let has = |hints: &[&str]| {
        hints.iter().any(|hint| {
            sql.windows(hint.len()).any(|window| window.eq_ignore_ascii_case(hint.as_bytes()))
        })
    };
    has(&UNTRACKED) || (!tracks && has(&TRACKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_noticed_always_and_settings_where_nobody_tracks() {
        assert!(in_text("SELECT Get_Lock('a', 1)", true));
        assert!(in_text("LOCK TABLES t READ", true));
        assert!(!in_text("SET @a = 1", true) && in_text("SET @a = 1", false));
        assert!(!in_text("SELECT id FROM rivers WHERE id = ?", false));
    }
}
