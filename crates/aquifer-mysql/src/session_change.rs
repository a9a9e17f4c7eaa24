//! What a statement leaves changed in its session, as far as its text tells.
//!
//! Servers that track the session report that something changed: settings, user variables, temporary tables, prepared
//! statements, the current database. What they do not report is known by words in the text; a word inside a string
//! counts too: a reset too many does no harm. What exactly has changed is known only for statements so simple that
//! nothing else can have: the rest counts as anything.
//!
//! What no text shows is a lock by name that a stored function or a trigger takes.

/// First words of statements after which servers may be silent: locks, open handlers, what holds for the next
/// transaction only (`SET TRANSACTION`), variables that something fills along the way, and whatever else a procedure
/// or a block of statements may do.
const UNTRACKED: [&str; 17] = [
    "backup", "begin", "call", "case", "execute", "flush", "for", "get", "handler", "if", "load",
    "lock", "loop", "repeat", "set", "while", "xa",
];
/// Those of them that are first words of nothing else, and so tell of a text of several statements as well.
const WITHIN: [&str; 9] =
    ["backup", "call", "execute", "flush", "get", "handler", "load", "lock", "xa"];

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
    /// The active role, which a reset alone does not take back.
    pub(crate) role: bool,
    /// Anything at all.
    pub(crate) anything: bool,
}

impl Changed {
    /// What a statement of this text has changed, if it has changed something.
    pub(crate) fn by(sql: &str) -> Self {
        let mut changed = Self { role: sets_role(sql), ..Self::default() };
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
        self.role |= other.role;
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

    /// True if the SQL mode may not be what it was.
    pub(crate) fn may_relax(&self) -> bool {
        self.anything || self.variables.contains(&"sql_mode")
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
    let bytes = sql.as_bytes();
    let has = |hint: &str| {
        bytes.windows(hint.len()).any(|window| window.eq_ignore_ascii_case(hint.as_bytes()))
    };
    begins_with_change(sql)
        || has("get_lock")
        // MariaDB does not tell of one that is made from a query.
        || has_word(sql, "temporary")
        || has(":=")
        || fills_variables(bytes)
        || (!tracks && TRACKED.iter().any(|hint| has(hint)))
}

/// Whether the first word of a statement says so.
fn begins_with_change(sql: &str) -> bool {
    let several = sql.trim_end().trim_end_matches(';').contains(';');
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    if !several {
        let word = first_word(sql);
        // `BEGIN` alone is the server's to report.
        return UNTRACKED.iter().any(|known| is(word, known))
            && (!is(word, "begin") || has_word(sql, "not"));
    }
    // Statements of a body and words in strings among them: where each begins is not certain.
    let mut set = false;
    words(sql).any(|word| {
        set |= is(word, "set");
        WITHIN.iter().any(|known| is(word, known)) || (set && is(word, "transaction"))
    })
}

/// Whether a text sets the session's role, or one of its statements may.
pub(crate) fn sets_role(sql: &str) -> bool {
    let mut words = words(sql);
    // `UPDATE t SET role = ?` sets a column.
    let only_one = !sql.contains(';') && !first_word(sql).eq_ignore_ascii_case("set");
    !only_one
        && words.any(|word| word.eq_ignore_ascii_case("set"))
        && words.any(|word| word.eq_ignore_ascii_case("role"))
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

fn has_word(sql: &str, known: &str) -> bool {
    words(sql).any(|word| word.eq_ignore_ascii_case(known))
}

/// The first word that is in no comment; a comment that servers run is none.
fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
        let rest = if let Some(comment) = sql.strip_prefix("/*") {
            match comment.strip_prefix("M!").or_else(|| comment.strip_prefix('!')) {
                Some(run) => Some(run.trim_start_matches(|letter: char| letter.is_ascii_digit())),
                None => comment.split_once("*/").map(|(_, rest)| rest),
            }
        } else if sql.starts_with("--") || sql.starts_with('#') {
            sql.split_once('\n').map(|(_, rest)| rest)
        } else {
            return words(sql).next().unwrap_or_default();
        };
        let Some(rest) = rest else { return "" };
        sql = rest.strip_prefix("*/").unwrap_or(rest);
    }
}

/// `INTO @a`, whatever is between the two.
fn fills_variables(sql: &[u8]) -> bool {
    let into = |at: &usize| sql[*at..*at + 4].eq_ignore_ascii_case(b"into");
    (0..sql.len().saturating_sub(4)).filter(into).any(|at| {
        let mut rest = &sql[at + 4..];
        loop {
            rest = rest.trim_ascii_start();
            let Some(comment) = rest.strip_prefix(b"/*") else { return rest.starts_with(b"@") };
            let Some(end) = comment.windows(2).position(|end| end == b"*/") else { return true };
            rest = &comment[end + 2..];
        }
    })
}

/// Whether a text sets the session's character set to one that is not UTF-8, for servers that do not tell what they
/// were told.
pub(crate) fn sets_charset(sql: &str) -> bool {
    let names = ["names", "charset", "character", "character_set_client", "character_set_results"];
    let sets = has_word(sql, "set") && names.iter().any(|name| has_word(sql, name));
    sets && !words(sql)
        .any(|word| word.get(..4).is_some_and(|utf| utf.eq_ignore_ascii_case("utf8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_noticed_always_and_settings_where_nobody_tracks() {
        assert!(in_text("SELECT Get_Lock('a', 1)", true));
        assert!(in_text("LOCK TABLES t READ", true));
        assert!(!in_text("SELECT @a", true) && in_text("SELECT @a", false));
        assert!(!in_text("SELECT id FROM rivers WHERE id = ?", false));
    }

    #[test]
    fn a_role_is_told_from_a_column_of_that_name() {
        for sql in ["SET ROLE app", "/* x */ set/**/role NONE", "DO 1; SET ROLE app"] {
            assert!(sets_role(sql) && Changed::by(sql).role, "{sql}");
        }
        for sql in ["UPDATE users SET role = ?", "SELECT role FROM users", "SET sql_mode = ''"] {
            assert!(!sets_role(sql), "{sql}");
        }
    }

    #[test]
    fn what_servers_do_not_tell_is_noticed_however_it_is_written() {
        for sql in [
            "SET TRANSACTION READ ONLY",
            "/* x */ -- y\n # z\n set\ttransaction isolation level read committed",
            "lock\ttables t write",
            "LOCK/**/TABLES t READ",
            "/*!50000 LOCK TABLES t READ */",
            "/*M!100500 BACKUP LOCK t */",
            "/*!*/ FLUSH TABLES WITH READ LOCK",
            "SELECT 1 INTO\n@a",
            "SELECT 1 INTO/* x *//**/ @a",
            "SELECT 1 /*! INTO @a */",
            "SELECT @a/**/:=1",
            "do GET_LOCK/**/ ('a', 1)",
            "XA START 'x'",
            "CALL p()",
            "EXECUTE IMMEDIATE 'LOCK TABLES t READ'",
            "CREATE/**/TEMPORARY TABLE t AS SELECT 1",
            "HANDLER t OPEN",
            "GET DIAGNOSTICS @p = NUMBER",
            "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (@a)",
            "BEGIN NOT ATOMIC DECLARE a INT; CALL p(); END",
            "BEGIN NOT ATOMIC\nEND",
            "IF 1 THEN CALL p(); END IF",
            "SELECT 1; LOCK TABLES t READ",
            "/* ; */ SET TRANSACTION READ ONLY",
            "SELECT ';'; SET /* x */ TRANSACTION READ ONLY",
        ] {
            assert!(in_text(sql, true), "{sql}");
        }
        for sql in [
            "BEGIN",
            "SELECT id FROM locks WHERE handler = 'x' AND call_id IN (SELECT 1)",
            "INSERT INTO t VALUES ('a@b')",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t LOCK IN SHARE MODE;",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "UPDATE t SET a = 1; SELECT 1",
            "(SELECT 1)",
            "START TRANSACTION; UPDATE t SET a = 1; COMMIT",
            "REPLACE INTO t SELECT 1",
            "",
            "/*",
            "--",
        ] {
            assert!(!in_text(sql, true), "{sql}");
        }
    }

    #[test]
    fn character_sets_are_told_from_utf_8() {
        for (sql, sets) in [
            ("SET NAMES gbk", true),
            ("set character set 'latin1'", true),
            ("SET @@character_set_client = big5", true),
            ("SET NAMES utf8mb4", false),
            ("SET sql_mode = ''", false),
            ("SELECT names FROM t", false),
        ] {
            assert_eq!(sets_charset(sql), sets, "{sql}");
        }
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
