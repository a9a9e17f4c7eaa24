//! What a statement leaves changed in its session, as far as its text tells.
//!
//! Servers that track the session report that something changed: settings, user variables, temporary tables, prepared
//! statements, the current database. What they do not report is known by words in the text; a word inside a string
//! counts too: a reset too many does no harm. What exactly has changed is known only for statements so simple that
//! nothing else can have: the rest counts as anything.

/// What servers do not report, or not always: locks by name, locked tables, open handlers, and variables that a query
/// sets along the way.
const UNTRACKED: [&str; 7] =
    ["get_lock", "lock table", "lock instance", "handler", "flush table", ":=", "into @"];

/// What servers report that track the session.
const TRACKED: [&str; 6] = ["set ", "use ", "temporary", "prepare ", "@", "call "];

/// Variables that setting them to their value in a fresh session undoes: nothing else hangs on them.
const KNOWN: [&str; 41] = [
    "auto_increment_increment",
    "auto_increment_offset",
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    "cte_max_recursion_depth",
    "default_storage_engine",
    "div_precision_increment",
    "foreign_key_checks",
    "group_concat_max_len",
    "innodb_lock_wait_timeout",
    "join_buffer_size",
    "lc_time_names",
    "lock_wait_timeout",
    "long_query_time",
    "max_execution_time",
    "max_heap_table_size",
    "max_length_for_sort_data",
    "max_recursive_iterations",
    "max_sort_length",
    "max_statement_time",
    "net_read_timeout",
    "net_write_timeout",
    "optimizer_switch",
    "read_buffer_size",
    "read_rnd_buffer_size",
    "sort_buffer_size",
    "sql_mode",
    "sql_notes",
    "sql_safe_updates",
    "sql_select_limit",
    "time_zone",
    "timestamp",
    "tmp_table_size",
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "unique_checks",
    "wait_timeout",
];

/// Most variables that are remembered; more count as anything.
const VARIABLES_MAX: usize = 32;

/// What is not as in a fresh session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    /// These variables, each once; `names` for all that `SET NAMES` sets.
    pub(crate) variables: Vec<&'static str>,
    /// The current database.
    pub(crate) database: bool,
    /// Anything at all.
    pub(crate) anything: bool,
}

impl Changed {
    /// What a statement of this text has changed, if it has changed something.
    pub(crate) fn by(sql: &str) -> Self {
        let mut changed = Self::default();
        let sql = sql.trim();
        let sql = sql.strip_suffix(';').unwrap_or(sql).trim_end();
        match sql.split_once(char::is_whitespace) {
            Some((word, rest)) if word.eq_ignore_ascii_case("use") && is_one_name(rest.trim()) => {
                changed.database = true;
            }
            Some((word, rest)) if word.eq_ignore_ascii_case("set") => match variables(rest) {
                Some(variables) => changed.variables = variables,
                None => changed.anything = true,
            },
            _ => changed.anything = true,
        }
        changed
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.database |= other.database;
        self.anything |= other.anything;
        for name in other.variables {
            if !self.variables.contains(&name) {
                self.variables.push(name);
            }
        }
        if self.variables.len() > VARIABLES_MAX {
            self.anything = true;
            self.variables.truncate(VARIABLES_MAX);
        }
    }

    /// True if anything that this changes is changed by the other, too.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.anything
            || other.anything
            || (self.database && other.database)
            || self.variables.iter().any(|name| other.variables.contains(name))
    }
}

fn is_one_name(text: &str) -> bool {
    let letters = |text: &str| {
        !text.is_empty()
            && text.chars().all(|letter| letter.is_alphanumeric() || "_$-".contains(letter))
    };
    match text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        Some(quoted) => !quoted.contains('`'),
        None => letters(text) && !text.contains("--"),
    }
}

/// The variables that are set; `None` if the text is any but assignments of plain values to known ones.
fn variables(text: &str) -> Option<Vec<&'static str>> {
    let mut names = Vec::new();
    for part in split(text)? {
        let mut words: Vec<&str> = part.split_whitespace().collect();
        if words.first()?.eq_ignore_ascii_case("names") {
            let plain = words[1..].iter().all(|word| !word.contains('='));
            let charsets = ["character_set_client", "character_set_connection"];
            let rest = ["character_set_results", "collation_connection"];
            (plain && words.len() > 1).then(|| names.extend(charsets.into_iter().chain(rest)))?;
            continue;
        }
        if words.len() > 1
            && ["session", "local"].iter().any(|word| words[0].eq_ignore_ascii_case(word))
        {
            words.remove(0);
        }
        let (name, value) = part[part.find(words[0])?..].split_once('=')?;
        let name = name.trim();
        let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        if value.trim().is_empty() || value.contains(':') && !value.contains(['\'', '"']) {
            return None;
        }
        names.push(*known);
    }
    Some(names)
}

/// The text between its commas; `None` if it has anything in it that might be more than names and plain values.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    let mut last = ' ';
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            // Whether it escapes is the server's setting.
            (Some(_), '\\') => return None,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, ',') => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            (None, ';' | '@' | '(' | ')' | '`' | '/' | '*' | '#' | '\\' | ':') => return None,
            (None, '-') if last == '-' => return None,
            _ => {}
        }
        last = letter;
    }
    parts.push(&text[from..]);
    quote.is_none().then_some(parts)
}

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

    #[test]
    fn plain_assignments_of_known_variables_are_told_from_all_else() {
        for (sql, names) in [
            ("SET sort_buffer_size = 65536;", &["sort_buffer_size"] as &[_]),
            ("set session SQL_MODE='ANSI,x', wait_timeout=?", &["sql_mode", "wait_timeout"]),
            ("SET LOCAL autocommit=OFF", &["autocommit"]),
            ("SET\tlock_wait_timeout = -1", &["lock_wait_timeout"]),
            ("SET sql_mode = ''", &["sql_mode"]),
        ] {
            assert_eq!(Changed::by(sql).variables, names, "{sql}");
            assert!(!Changed::by(sql).anything, "{sql}");
        }
        let names = Changed::by("SET NAMES latin1 COLLATE 'latin1_bin'");
        assert!(names.variables.contains(&"character_set_client") && !names.anything);
        for sql in [
            "SET @a = 1",
            "SET sql_mode = 'a', @a = 1",
            "SET sql_mode = CONCAT(@@sql_mode, 'x')",
            "SET sql_mode = (SELECT GET_LOCK('a', 1))",
            "SET @@session.sql_mode = 'a'",
            "SET GLOBAL sort_buffer_size = 1",
            "SET sql_mode = 'a'; SET @a = 1",
            "SET sql_mode = 'a\\', @a = 1, sql_mode = 'b'",
            "SET sql_mode = 'a",
            "SET sql_mode = /*! @a := */ 1",
            "SET sql_mode = 1 -- x",
            "SET sql_mode",
            "SET sql_mode =",
            "SET PASSWORD = 'x'",
            "SET STATEMENT sql_mode = 'a' FOR SELECT 1",
            "SET ROLE app",
            "SET unheard_of = 1",
            "SET NAMES = 1",
            "SET NAMES",
            "SET",
            "",
            "CALL p()",
            "USE a; SET @a = 1",
            "USE",
        ] {
            assert!(Changed::by(sql).anything, "{sql}");
        }
        for sql in ["USE shop", "use `a b`;", "USE shop-1"] {
            assert!(Changed::by(sql).database && !Changed::by(sql).anything, "{sql}");
        }
    }

    #[test]
    fn changes_add_up_and_overlap() {
        let mut changed = Changed::by("SET sql_mode = 1");
        changed.add(Changed::by("SET sql_mode = 2, sql_notes = 0"));
        changed.add(Changed::by("USE a"));
        assert_eq!(changed.variables, ["sql_mode", "sql_notes"]);
        assert!(changed.database && !changed.anything);
        assert!(changed.overlaps(&Changed::by("SET sql_notes = 1")));
        assert!(!changed.overlaps(&Changed::by("SET wait_timeout = 1")));
        assert!(changed.overlaps(&Changed::by("CALL p()")));
    }
}
