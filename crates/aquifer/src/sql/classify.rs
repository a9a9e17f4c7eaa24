//! Does a text only read? For routing: what is not known to read goes where writes go.
//!
//! A text reads if each of its statements is a `SELECT`, `VALUES`, `TABLE`, `SHOW`, `EXPLAIN` (with `ANALYZE`: of a
//! statement that reads), a `WITH` of nothing but those, a reading `PRAGMA` or `COPY ... TO STDOUT`, without row locks,
//! `INTO`, assignments to session variables, and without the built-in functions that write or need the same session
//! (`nextval`, `pg_advisory_lock`, `last_insert_id`, ...). It errs towards writing: an unquoted column called `delete`
//! makes a `SELECT` a write. What a user-defined function does cannot be seen here; who calls one that writes says so.

use std::ops::Range;

use super::keyword::Keyword;
use super::lexis::Lexis;
use super::split::Boundaries;
use super::token::{Token, TokenKind, Tokens};

/// What a text does with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Reads only.
    Read,
    /// Cannot be told, or is about the session and not about data (`SET`, `BEGIN`). To be treated as a write.
    Unknown,
    /// Writes, or may write, or locks.
    Write,
}

/// What kind of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing but blanks and comments.
    Empty,
    /// `SELECT`, with or without `WITH`.
    Select,
    /// `VALUES`.
    Values,
    /// `TABLE t`.
    Table,
    /// `INSERT`, `REPLACE`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT` and the like.
    Ddl,
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK` of the whole transaction, `ABORT`.
    Rollback,
    /// `ROLLBACK TO` a savepoint.
    RollbackTo,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `PREPARE TRANSACTION`: ends the session's transaction without deciding it.
    PrepareTransaction,
    /// `SET`, `RESET`, `DISCARD`, `USE`: changes the session.
    Set,
    /// `SHOW`.
    Show,
    /// `PRAGMA`.
    Pragma,
    /// `EXPLAIN`, `DESCRIBE`.
    Explain,
    /// `COPY`.
    Copy,
    /// `CALL`, `DO`.
    Call,
    /// `VACUUM`, `ANALYZE`, `REINDEX`, `OPTIMIZE` and the like.
    Maintenance,
    /// `ATTACH`, `DETACH`.
    Attach,
    /// `LOCK`, `UNLOCK`.
    Lock,
    /// `LISTEN`, `UNLISTEN`, `NOTIFY`.
    Notify,
    /// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.
    Cursor,
    /// Anything else.
    Other,
}

/// What can be said about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Class {
    /// What the whole text does with data: the most of what one of its statements does.
    pub access: Access,
    /// The kind of its first statement.
    pub kind: Kind,
    /// Whether there are several statements. A semicolon at the end does not make it so.
    pub several: bool,
    /// Whether the first statement is a write with a `RETURNING` of its own, so that it returns rows.
    pub returning: bool,
    /// Whether any of its statements begins or ends a transaction; savepoints do neither.
    pub controls: bool,
    /// Whether any of its statements makes something that only its session sees: `ATTACH`, `CREATE
    /// TEMPORARY`.
    pub temporary: bool,
}

/// Looks at a text; see the head of this module for what counts as reading.
pub fn classify(sql: &str, lexis: &Lexis) -> Class {
    let mut boundaries = Boundaries::new(lexis);
    let mut judge = Judge::new();
    let mut class: Option<Class> = None;
    let mut conclude = |judge: &Judge| {
        let Some(next) = judge.verdict(sql) else {
            return;
        };
        match &mut class {
            None => class = Some(next),
            Some(class) => {
                class.access = class.access.max(next.access);
                class.several = true;
                class.controls |= next.controls;
                class.temporary |= next.temporary;
            }
        }
    };
    for token in Tokens::new(sql, lexis).filter(Token::is_significant) {
        if boundaries.pass(sql, &token) {
            conclude(&judge);
            judge = Judge::new();
        } else {
            judge.pass(sql, lexis, &token);
        }
    }
    conclude(&judge);
    class.unwrap_or(Class {
        access: Access::Unknown,
        kind: Kind::Empty,
        several: false,
        returning: false,
        controls: false,
        temporary: false,
    })
}

/// What the statement's tokens are looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its first word.
    Head,
    /// The first word after the common table expressions, and anything that writes.
    With,
    /// Anything that writes.
    Query,
    /// `RETURNING`.
    Change,
    Explain,
    Copy,
    Pragma,
    /// The words that change what a transaction statement is.
    Transaction,
    /// `TEMPORARY`, before what is created is described.
    Create,
    /// Nothing more.
    Done,
}

/// Looks at one statement.
#[derive(Debug)]
struct Judge {
    stage: Stage,
    kind: Kind,
    access: Access,
    /// Open parentheses, and how many there were at the first word.
    depth: usize,
    base: usize,
    /// The token before: its kind, its keyword, and where it is.
    last: TokenKind,
    last_keyword: Option<Keyword>,
    last_range: Range<usize>,
    /// Something in it writes.
    writes: bool,
    /// `INSERT` or `REPLACE` came last: a function if `(` follows.
    maybe_function: bool,
    returning: bool,
    temporary: bool,
    /// `EXPLAIN`: with `ANALYZE`; the explained statement is a query.
    analyze: bool,
    query: bool,
    /// `COPY ... TO STDOUT`.
    to_stdout: bool,
    /// `PRAGMA`: its name, `=` after it, `(` after it.
    name: Range<usize>,
    assigned: bool,
    argument: bool,
}

impl Judge {
    fn new() -> Judge {
        Judge {
            stage: Stage::Head,
            kind: Kind::Other,
            access: Access::Unknown,
            depth: 0,
            base: 0,
            last: TokenKind::Whitespace,
            last_keyword: None,
            last_range: 0..0,
            writes: false,
            maybe_function: false,
            returning: false,
            temporary: false,
            analyze: false,
            query: false,
            to_stdout: false,
            name: 0..0,
            assigned: false,
            argument: false,
        }
    }

    fn pass(&mut self, sql: &str, lexis: &Lexis, token: &Token) {
        let keyword = match token.kind {
            TokenKind::Word if self.last != TokenKind::Symbol(b'.') => Keyword::of(token.text(sql)),
            _ => None,
        };
        match token.kind {
            TokenKind::Symbol(b'(') => self.depth += 1,
            TokenKind::Symbol(b')') => self.depth = self.depth.saturating_sub(1),
            TokenKind::Unterminated(_) => self.writes = true,
            _ => {}
        }
        match self.stage {
            Stage::Head => self.head(token, keyword),
            Stage::With => {
                self.look_for_main(keyword);
                self.look_for_writes(sql, lexis, token, keyword);
            }
            Stage::Query => self.look_for_writes(sql, lexis, token, keyword),
            Stage::Change => self.look_for_returning(keyword),
            Stage::Explain => {
                self.explain(sql, token, keyword);
                self.look_for_writes(sql, lexis, token, keyword);
            }
            Stage::Copy => {
                self.copy(keyword);
                self.look_for_writes(sql, lexis, token, keyword);
            }
            Stage::Pragma => self.pragma(token),
            Stage::Transaction => self.transaction(keyword),
            Stage::Create => self.create(token, keyword),
            Stage::Done => {}
        }
        self.last = token.kind;
        self.last_keyword = keyword;
        self.last_range = token.start..token.end;
    }

    fn head(&mut self, token: &Token, keyword: Option<Keyword>) {
        use Keyword::*;
        if token.kind == TokenKind::Symbol(b'(') {
            return;
        }
        self.base = self.depth;
        let (kind, access, stage) = match keyword {
            Some(Select) => (Kind::Select, Access::Read, Stage::Query),
            Some(Values) => (Kind::Values, Access::Read, Stage::Query),
            Some(Table) => (Kind::Table, Access::Read, Stage::Query),
            Some(With) => (Kind::Other, Access::Unknown, Stage::With),
            Some(Insert | Replace) => (Kind::Insert, Access::Write, Stage::Change),
            Some(Update) => (Kind::Update, Access::Write, Stage::Change),
            Some(Delete) => (Kind::Delete, Access::Write, Stage::Change),
            Some(Merge) => (Kind::Merge, Access::Write, Stage::Change),
            Some(Explain | Describe | Desc) => (Kind::Explain, Access::Read, Stage::Explain),
            Some(Show) => (Kind::Show, Access::Read, Stage::Done),
            Some(Pragma) => (Kind::Pragma, Access::Write, Stage::Pragma),
            Some(Copy) => (Kind::Copy, Access::Read, Stage::Copy),
            Some(Begin) => (Kind::Begin, Access::Unknown, Stage::Transaction),
            Some(Commit | End) => (Kind::Commit, Access::Unknown, Stage::Transaction),
            Some(Rollback | Abort) => (Kind::Rollback, Access::Unknown, Stage::Transaction),
            Some(Start | Prepare) => (Kind::Other, Access::Unknown, Stage::Transaction),
            Some(Savepoint) => (Kind::Savepoint, Access::Unknown, Stage::Done),
            Some(Release) => (Kind::Release, Access::Unknown, Stage::Done),
            Some(Set | Reset | Discard | Use) => (Kind::Set, Access::Unknown, Stage::Done),
            Some(Create) => (Kind::Ddl, Access::Write, Stage::Create),
            Some(
                Alter | Drop | Truncate | Rename | Comment | Grant | Revoke | Reassign | Security,
            ) => (Kind::Ddl, Access::Write, Stage::Done),
            Some(
                Vacuum | Analyze | Reindex | Optimize | Repair | Refresh | Cluster | Checkpoint,
            ) => (Kind::Maintenance, Access::Write, Stage::Done),
            Some(Call | Do) => (Kind::Call, Access::Write, Stage::Done),
            Some(Attach | Detach) => (Kind::Attach, Access::Unknown, Stage::Done),
            Some(Lock | Unlock) => (Kind::Lock, Access::Write, Stage::Done),
            Some(Listen | Unlisten | Notify) => (Kind::Notify, Access::Write, Stage::Done),
            Some(Declare | Fetch | Move | Close) => (Kind::Cursor, Access::Unknown, Stage::Done),
            Some(Load | Import) => (Kind::Other, Access::Write, Stage::Done),
            _ => (Kind::Other, Access::Unknown, Stage::Done),
        };
        self.kind = kind;
        self.access = access;
        self.stage = stage;
    }

    /// Notes anything that makes a query more than a query.
    fn look_for_writes(
        &mut self,
        sql: &str,
        lexis: &Lexis,
        token: &Token,
        keyword: Option<Keyword>,
    ) {
        use Keyword::*;
        let opens = token.kind == TokenKind::Symbol(b'(');
        if std::mem::take(&mut self.maybe_function) && !opens {
            self.writes = true;
        }
        if opens && self.last_keyword.is_none() && is_writing_function(sql, self) {
            self.writes = true;
        }
        if token.kind == TokenKind::Assign && lexis.user_variables {
            self.writes = true;
        }
        match keyword {
            // `FOR UPDATE` as well as a data-modifying expression.
            Some(Update | Delete | Merge | Into) => self.writes = true,
            Some(Insert | Replace) => self.maybe_function = true,
            Some(Share | Key | No) if self.last_keyword == Some(For) => self.writes = true,
            // `LOCK IN SHARE MODE`
            Some(Share) if self.last_keyword == Some(In) => self.writes = true,
            // `NEXT VALUE FOR sequence`
            Some(Value) if self.last_keyword == Some(Next) => self.writes = true,
            _ => {}
        }
    }

    /// After `WITH`: the statement itself starts at the first such word outside parentheses that is not a name.
    fn look_for_main(&mut self, keyword: Option<Keyword>) {
        use Keyword::*;
        let names = matches!(self.last, TokenKind::Symbol(b','))
            || matches!(self.last_keyword, Some(With | Recursive | As | By | Set | Using));
        if self.depth != self.base || names {
            return;
        }
        let (kind, access, stage) = match keyword {
            Some(Select) => (Kind::Select, Access::Read, Stage::Query),
            Some(Values) => (Kind::Values, Access::Read, Stage::Query),
            Some(Table) => (Kind::Table, Access::Read, Stage::Query),
            Some(Insert | Replace) => (Kind::Insert, Access::Write, Stage::Change),
            Some(Update) => (Kind::Update, Access::Write, Stage::Change),
            Some(Delete) => (Kind::Delete, Access::Write, Stage::Change),
            Some(Merge) => (Kind::Merge, Access::Write, Stage::Change),
            _ => return,
        };
        self.kind = kind;
        self.access = access;
        self.stage = stage;
    }

    fn look_for_returning(&mut self, keyword: Option<Keyword>) {
        // After `SET` or a comma it is a column.
        if keyword == Some(Keyword::Returning)
            && self.depth == self.base
            && self.last_keyword != Some(Keyword::Set)
            && self.last != TokenKind::Symbol(b',')
        {
            self.returning = true;
        }
    }

    fn explain(&mut self, sql: &str, token: &Token, keyword: Option<Keyword>) {
        use Keyword::*;
        if self.query {
            return;
        }
        match keyword {
            Some(Analyze) => self.analyze = true,
            Some(Select | Values | Table | With) => self.query = true,
            Some(Create | Refresh | Declare | Execute | Call) => self.writes = true,
            // `EXPLAIN (ANALYZE off)`
            Some(False | Off) if self.last_keyword == Some(Analyze) => self.analyze = false,
            None if self.last_keyword == Some(Analyze)
                && self.depth > self.base
                && token.text(sql) == "0" =>
            {
                self.analyze = false;
            }
            _ => {}
        }
    }

    fn copy(&mut self, keyword: Option<Keyword>) {
        if self.depth > self.base {
            return;
        }
        match keyword {
            Some(Keyword::From) => self.writes = true,
            Some(Keyword::Stdout) if self.last_keyword == Some(Keyword::To) => {
                self.to_stdout = true;
            }
            _ => {}
        }
    }

    fn pragma(&mut self, token: &Token) {
        match token.kind {
            TokenKind::Symbol(b'=') => self.assigned = true,
            TokenKind::Symbol(b'(') => self.argument = true,
            TokenKind::Word | TokenKind::QuotedIdent | TokenKind::String
                if !self.assigned && !self.argument =>
            {
                self.name = token.start..token.end;
            }
            _ => {}
        }
    }

    fn create(&mut self, token: &Token, keyword: Option<Keyword>) {
        match keyword {
            Some(Keyword::Temp | Keyword::Temporary) => self.temporary = true,
            Some(Keyword::As) => self.stage = Stage::Done,
            _ if token.kind == TokenKind::Symbol(b'(') => self.stage = Stage::Done,
            _ => {}
        }
    }

    fn transaction(&mut self, keyword: Option<Keyword>) {
        use Keyword::*;
        self.kind = match (self.kind, keyword, self.last_keyword) {
            (Kind::Other, Some(Transaction), Some(Start)) => Kind::Begin,
            (Kind::Other, Some(Transaction), Some(Prepare)) => Kind::PrepareTransaction,
            (Kind::Rollback, Some(To), _) => Kind::RollbackTo,
            (Kind::Commit | Kind::Rollback, Some(Prepared), _) => Kind::Other,
            // MariaDB's block outside a stored program.
            (Kind::Begin, Some(Atomic), Some(Not)) => Kind::Other,
            (kind, _, _) => kind,
        };
    }

    /// `None` for a statement without any token.
    fn verdict(&self, sql: &str) -> Option<Class> {
        if self.last == TokenKind::Whitespace {
            return None;
        }
        let writes = self.writes || self.maybe_function;
        let reads = match self.stage {
            Stage::Explain => !self.analyze || (self.query && !writes),
            Stage::Copy => self.to_stdout && !writes,
            Stage::Pragma => self.is_reading_pragma(sql),
            Stage::With => false,
            _ => self.access == Access::Read && !writes,
        };
        Some(Class {
            access: match self.access {
                Access::Read | Access::Write if reads => Access::Read,
                Access::Read => Access::Write,
                access => access,
            },
            kind: self.kind,
            several: false,
            returning: self.returning,
            controls: matches!(
                self.kind,
                Kind::Begin | Kind::Commit | Kind::Rollback | Kind::PrepareTransaction
            ),
            temporary: self.temporary || self.kind == Kind::Attach,
        })
    }

    fn is_reading_pragma(&self, sql: &str) -> bool {
        let name = &sql[self.name.clone()];
        let listed = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        !self.assigned && (listed(PRAGMAS_READ) || (!self.argument && listed(PRAGMAS_SETTING)))
    }
}

/// Read with or without an argument.
const PRAGMAS_READ: &[&str] = &[
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Read without an argument, set with one.
const PRAGMAS_SETTING: &[&str] = &[
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "fullfsync",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "page_count",
    "page_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "threads",
    "trusted_schema",
    "user_version",
    "wal_autocheckpoint",
    "writable_schema",
];

/// Functions that write, lock, or answer about the session they are called in.
const FUNCTIONS_WRITE: &[&str] = &[
    // PostgreSQL
    "currval",
    "lastval",
    "nextval",
    "pg_cancel_backend",
    "pg_current_xact_id",
    "pg_export_snapshot",
    "pg_notify",
    "pg_reload_conf",
    "pg_switch_wal",
    "pg_terminate_backend",
    "set_config",
    "setval",
    "txid_current",
    // MySQL and MariaDB
    "found_rows",
    "get_lock",
    "is_used_lock",
    "last_insert_id",
    "lastval",
    "release_all_locks",
    "release_lock",
    "row_count",
    // SQLite
    "changes",
    "last_insert_rowid",
    "load_extension",
    "total_changes",
    "writefile",
];

/// The same by how their names start.
const FUNCTIONS_WRITE_PREFIX: &[&str] = &[
    "dblink",
    "lo_",
    "pg_advisory_",
    "pg_create_",
    "pg_drop_",
    "pg_logical_",
    "pg_replication_",
    "pg_try_advisory_",
];

/// Whether the name before a `(` is one of those.
fn is_writing_function(sql: &str, judge: &Judge) -> bool {
    let text = &sql[judge.last_range.clone()];
    let name = match judge.last {
        TokenKind::Word => text,
        TokenKind::QuotedIdent => &text[1..text.len() - 1],
        _ => return false,
    };
    FUNCTIONS_WRITE.iter().any(|known| known.eq_ignore_ascii_case(name))
        || FUNCTIONS_WRITE_PREFIX.iter().any(|prefix| {
            name.as_bytes()
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn transaction_control_is_seen_in_any_statement_and_savepoints_are_none() {
        let controls = |sql: &str| super::classify(sql, &Lexis::sqlite()).controls;
        for sql in [
            "COMMIT",
            "/* x */ commit and chain",
            "SELECT 1; ROLLBACK",
            "begin immediate",
            "END TRANSACTION",
            "START TRANSACTION READ ONLY",
            "PREPARE TRANSACTION 'a'",
        ] {
            assert!(controls(sql), "{sql}");
        }
        for sql in [
            "SELECT 'COMMIT'",
            "ROLLBACK TO SAVEPOINT a",
            "SAVEPOINT a; RELEASE a",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
            "SELECT 1 -- ; COMMIT",
            "COMMIT PREPARED 'a'",
        ] {
            assert!(!controls(sql), "{sql}");
        }
    }

    #[test]
    fn what_only_its_session_sees_is_known() {
        let temporary = |sql: &str| super::classify(sql, &Lexis::sqlite()).temporary;
        for sql in [
            "ATTACH 'a.db' AS a",
            "CREATE TEMP TABLE t (id)",
            "create or replace temporary view v as select 1",
            "SELECT 1; CREATE TABLE temp.t (id)",
        ] {
            assert!(temporary(sql), "{sql}");
        }
        for sql in ["CREATE TABLE t (temp)", "CREATE VIEW v AS SELECT temp FROM t", "SELECT temp"] {
            assert!(!temporary(sql), "{sql}");
        }
    }

    use super::*;

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const LITE: Lexis = Lexis::sqlite();
    const ALL: [Lexis; 3] = [PG, MY, LITE];

    fn access(sql: &str, lexis: &Lexis) -> Access {
        classify(sql, lexis).access
    }

    #[test]
    fn queries_read() {
        for lexis in &ALL {
            for sql in [
                "SELECT 1",
                "  -- c\n select * from t where a = ? order by 1 limit 2;",
                "(SELECT 1) UNION (SELECT 2)",
                "VALUES (1), (2)",
                "WITH a AS (SELECT 1), b(x) AS (SELECT 2) SELECT * FROM a, b",
                "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT x FROM a) SELECT * FROM a",
                "SELECT 'DELETE FROM t', \"delete\", t.update FROM t /* FOR UPDATE */ -- INTO",
                "SELECT replace(a, 'x', 'y'), substring(a FROM 1 FOR 2) FROM t",
                "EXPLAIN DELETE FROM t",
                "EXPLAIN SELECT 1",
                "SELECT count(*), max(updated) FROM inserts",
                "SELECT 1; SELECT 2;",
            ] {
                assert_eq!(access(sql, lexis), Access::Read, "{sql}");
            }
        }
        for sql in [
            "TABLE t",
            "SHOW server_version",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
            "EXPLAIN (ANALYZE off) DELETE FROM t",
            "EXPLAIN (ANALYZE 0, VERBOSE) DELETE FROM t",
            "COPY t TO STDOUT",
            "COPY (SELECT a FROM t) TO STDOUT (FORMAT binary)",
            "WITH RECURSIVE s AS (SELECT 1) SEARCH DEPTH FIRST BY id SET o SELECT * FROM s",
            "WITH a AS MATERIALIZED (SELECT 1) TABLE a",
            "SELECT f(k := 1)",
        ] {
            assert_eq!(access(sql, &PG), Access::Read, "{sql}");
        }
        for sql in [
            "SHOW TABLES",
            "DESC t",
            "DESCRIBE t",
            "EXPLAIN FORMAT=JSON SELECT 1",
            "SELECT insert(a, 1, 2, 'x') FROM t",
            "SELECT @a",
        ] {
            assert_eq!(access(sql, &MY), Access::Read, "{sql}");
        }
    }

    #[test]
    fn writes_are_seen_at_any_depth() {
        for lexis in &ALL {
            for sql in [
                "INSERT INTO t VALUES (1)",
                "replace into t values (1)",
                "UPDATE t SET a = 1",
                "DELETE FROM t",
                "MERGE INTO t USING u ON a = b WHEN MATCHED THEN DELETE",
                "CREATE TABLE t (a int)",
                "DROP TABLE t",
                "TRUNCATE t",
                "WITH a AS (SELECT 1) DELETE FROM t",
                "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
                "WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a",
                "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
                "WITH a AS (WITH b AS (SELECT 1) DELETE FROM t RETURNING *) SELECT * FROM a",
                "WITH a AS (SELECT * FROM (WITH c AS (UPDATE t SET a = 1 RETURNING *) SELECT 1) x) SELECT 1",
                "SELECT 1; DELETE FROM t",
                "SELECT * FROM t FOR UPDATE",
                "SELECT * FROM (SELECT * FROM t FOR SHARE) x",
                "VACUUM",
                "CALL p()",
            ] {
                assert_eq!(access(sql, lexis), Access::Write, "{sql}");
            }
        }
        for sql in [
            "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
            "SELECT * FROM t FOR KEY SHARE",
            "SELECT * INTO u FROM t",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN (BUFFERS, ANALYZE true) INSERT INTO t VALUES (1)",
            "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
            "EXPLAIN ANALYZE EXECUTE p",
            "EXPLAIN ANALYZE WITH a AS (DELETE FROM t RETURNING *) SELECT 1",
            "COPY t FROM STDIN",
            "COPY t TO '/tmp/x'",
            "COPY t TO PROGRAM 'sh'",
            "COPY (DELETE FROM t RETURNING *) TO STDOUT",
            "SELECT nextval('s')",
            "SELECT pg_catalog.nextval ('s')",
            "SELECT \"nextval\"('s')",
            "SELECT pg_advisory_lock(1)",
            "SELECT set_config('a', 'b', false)",
            "DO $$ BEGIN END $$",
            "NOTIFY a",
            "LOCK TABLE t",
            "REFRESH MATERIALIZED VIEW v",
            "COMMENT ON TABLE t IS 'x'",
        ] {
            assert_eq!(access(sql, &PG), Access::Write, "{sql}");
        }
        for sql in [
            "SELECT * FROM t LOCK IN SHARE MODE",
            "SELECT a INTO OUTFILE 'x' FROM t",
            "SELECT a INTO @x FROM t",
            "SELECT @x := 1",
            "SELECT 1 /*!50000 INTO OUTFILE 'x' */",
            "SELECT LAST_INSERT_ID()",
            "SELECT GET_LOCK('a', 1)",
            "SELECT NEXT VALUE FOR s",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "RENAME TABLE a TO b",
        ] {
            assert_eq!(access(sql, &MY), Access::Write, "{sql}");
        }
        assert_eq!(access("SELECT last_insert_rowid()", &LITE), Access::Write);
    }

    #[test]
    fn what_cannot_be_told_is_unknown() {
        for lexis in &ALL {
            for sql in [
                "",
                " -- c",
                "FROBNICATE",
                "SET a = 1",
                "BEGIN",
                "COMMIT",
                "WITH a AS (SELECT 1)",
                "42",
                "'x'",
            ] {
                assert_eq!(access(sql, lexis), Access::Unknown, "{sql}");
            }
            assert_eq!(access("SELECT 1; SET a = 1", lexis), Access::Unknown);
        }
        assert_ne!(access("SELECT 'open", &PG), Access::Read);
    }

    #[test]
    fn pragmas_read_by_a_closed_list() {
        for sql in [
            "PRAGMA table_info(t)",
            "PRAGMA main.table_info('t')",
            "pragma USER_VERSION",
            "PRAGMA journal_mode;",
            "PRAGMA integrity_check(10)",
        ] {
            assert_eq!(access(sql, &LITE), Access::Read, "{sql}");
            assert_eq!(classify(sql, &LITE).kind, Kind::Pragma);
        }
        for sql in [
            "PRAGMA user_version = 3",
            "PRAGMA user_version(3)",
            "PRAGMA journal_mode=WAL",
            "PRAGMA main.journal_mode = WAL",
            "PRAGMA optimize",
            "PRAGMA wal_checkpoint",
            "PRAGMA table_info = t",
            "PRAGMA something_new",
            "PRAGMA",
        ] {
            assert_eq!(access(sql, &LITE), Access::Write, "{sql}");
        }
    }

    #[test]
    fn kinds_are_told_by_the_first_statement() {
        for (sql, kind) in [
            ("", Kind::Empty),
            (";;", Kind::Empty),
            ("SELECT 1; DELETE FROM t", Kind::Select),
            ("WITH a AS (DELETE FROM t RETURNING 1) SELECT 1", Kind::Select),
            ("WITH a AS (SELECT 1) UPDATE t SET a = 1", Kind::Update),
            ("WITH update AS (SELECT 1) SELECT 1", Kind::Select),
            ("WITH a AS (SELECT 1), delete AS (SELECT 1) VALUES (1)", Kind::Values),
            ("REPLACE INTO t VALUES (1)", Kind::Insert),
            ("BEGIN IMMEDIATE", Kind::Begin),
            ("START TRANSACTION READ ONLY", Kind::Begin),
            ("START REPLICA", Kind::Other),
            ("BEGIN NOT DEFERRABLE", Kind::Begin),
            ("BEGIN NOT ATOMIC SELECT 1", Kind::Other),
            ("COMMIT AND CHAIN", Kind::Commit),
            ("COMMIT PREPARED 'x'", Kind::Other),
            ("END", Kind::Commit),
            ("ROLLBACK", Kind::Rollback),
            ("ROLLBACK TRANSACTION TO SAVEPOINT a", Kind::RollbackTo),
            ("ROLLBACK PREPARED 'x'", Kind::Other),
            ("ABORT", Kind::Rollback),
            ("SAVEPOINT a", Kind::Savepoint),
            ("RELEASE a", Kind::Release),
            ("PREPARE TRANSACTION 'x'", Kind::PrepareTransaction),
            ("PREPARE p AS SELECT 1", Kind::Other),
            ("USE db", Kind::Set),
            ("SHOW x", Kind::Show),
            ("ANALYZE t", Kind::Maintenance),
            ("ATTACH 'x' AS y", Kind::Attach),
            ("DECLARE c CURSOR FOR SELECT 1", Kind::Cursor),
        ] {
            assert_eq!(classify(sql, &PG).kind, kind, "{sql}");
        }
    }

    #[test]
    fn several_statements_are_told_from_one_with_a_semicolon() {
        for lexis in &ALL {
            for sql in ["SELECT 1", "SELECT 1;", "SELECT ';' ; -- ;\n /* x */ ;", ";SELECT 1"] {
                assert!(!classify(sql, lexis).several, "{sql}");
            }
            for sql in ["SELECT 1; SELECT 2", "BEGIN; COMMIT;", "SELECT 1; x"] {
                assert!(classify(sql, lexis).several, "{sql}");
            }
        }
        let trigger = "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; END;";
        assert!(!classify(trigger, &LITE).several);
        assert_eq!(classify(trigger, &LITE).kind, Kind::Ddl);
    }

    #[test]
    fn returning_counts_at_the_top_level_of_a_write_only() {
        for sql in [
            "INSERT INTO t VALUES (1) RETURNING id",
            "WITH a AS (SELECT 1) DELETE FROM t RETURNING *",
            "UPDATE t SET a = 1 returning *;",
        ] {
            assert!(classify(sql, &PG).returning, "{sql}");
        }
        for sql in [
            "INSERT INTO t (returning) VALUES (1)",
            "UPDATE t SET returning = 1",
            "UPDATE t SET a = 1, returning = 1",
            "WITH a AS (DELETE FROM t RETURNING *) UPDATE t SET a = 1",
            "WITH a AS (DELETE FROM t RETURNING *) SELECT 1",
            "INSERT INTO t VALUES ('RETURNING')",
            "INSERT INTO t VALUES (1); DELETE FROM t RETURNING *",
        ] {
            assert!(!classify(sql, &PG).returning, "{sql}");
        }
    }
}
