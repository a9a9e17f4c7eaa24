//! May a statement run in a session that other tasks use as well? For multiplexing, on PostgreSQL 15 to 18.
//!
//! The answer errs towards no. What it cannot see: functions behind views, operators, casts, column defaults, triggers,
//! row security, and `row.function` in place of `function(row)`. What such a function writes is refused by a session
//! that is read only; settings, advisory locks and notifications of its are not.

use std::collections::BTreeSet;
use std::fmt;

use super::effects;
use super::grammar::{self, Role};
use super::lexis::Lexis;
use super::token::{Token, TokenKind, Tokens};

/// Longer texts do not share: reading one would hold up those behind it.
const TEXT_MAX: usize = 64 * 1024;

/// What [`sharing`] says about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sharing {
    /// Whether it may run beside others as far as its own words tell.
    pub verdict: Verdict,
    /// The functions that it calls: each name once, sorted, without its schema, and as the server folds it. Key words
    /// that may be syntax as well as a call (`over (`, `json_value (`) are among them: they are syntax where the server
    /// has no function of that name. Complete unless the verdict is [`Never`](Verdict::Never) for another reason than
    /// [`SessionFunction`](Unshared::SessionFunction).
    pub functions: Box<[Box<str>]>,
}

/// Whether a statement may run beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It reads, if its functions do.
    Read,
    /// It is one INSERT, UPDATE, DELETE or MERGE, or a WITH that has one: it may share a session, if its functions may,
    /// but not a transaction.
    Write,
    /// It needs a session of its own.
    Never(Unshared),
}

/// Why a statement needs a session of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unshared {
    /// It is empty.
    Empty,
    /// It is longer than 64 KiB.
    Long,
    /// It ends inside a quote or a comment, or has names with escapes (`U&"..."`).
    Unreadable,
    /// There are several statements.
    Several,
    /// It begins or ends a transaction, or sets a savepoint.
    Transaction,
    /// It sets something, or shows a setting (`SHOW`): a shared session has settings of its own.
    Setting,
    /// `LISTEN`, `UNLISTEN`, `NOTIFY`.
    Notify,
    /// `PREPARE`, `EXECUTE`, `DEALLOCATE`.
    Prepared,
    /// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`, `WHERE CURRENT OF`.
    Cursor,
    /// `COPY`.
    Copy,
    /// `LOCK`, or a query that locks the rows it reads (`FOR UPDATE`): others would wait with it.
    Lock,
    /// It names the schema of temporary tables.
    Temporary,
    /// `DO`, `CALL`: any statement may be within.
    Block,
    /// `EXPLAIN` of something that is no query.
    Explain,
    /// `VACUUM`, `ANALYZE`, `REINDEX`, `LOAD` and the like.
    Maintenance,
    /// It defines something: `CREATE`, `ALTER`, `DROP`, `GRANT`, `SELECT INTO`.
    Definition,
    /// It calls a function that keeps or changes something in the session, tells about it, waits, or does what a
    /// transaction that is read only does not refuse.
    SessionFunction,
    /// It reads a view that shows the session it is read in: `pg_settings`, `pg_cursors`.
    SessionView,
    /// It starts with a word that is not known, or has a place that can be read in two ways.
    Unknown,
}

impl fmt::Display for Unshared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Long => "it is longer than 64 KiB",
            Self::Unreadable => "it has an open quote or comment, or a name with escapes",
            Self::Several => "there are several statements",
            Self::Transaction => "it is about transactions",
            Self::Setting => "it is about the session's settings",
            Self::Notify => "it is about notifications",
            Self::Prepared => "it is about prepared statements",
            Self::Cursor => "it is about cursors",
            Self::Copy => "it copies",
            Self::Lock => "it takes locks",
            Self::Temporary => "it is about temporary tables",
            Self::Block => "it runs code of the server's",
            Self::Explain => "it explains what is no query",
            Self::Maintenance => "it is maintenance",
            Self::Definition => "it defines something",
            Self::SessionFunction => "it calls a function that belongs to a session",
            Self::SessionView => "it shows its session",
            Self::Unknown => "it is not known to read or write only",
        })
    }
}

/// Whether a text of PostgreSQL's may run in a session that other tasks use as well, and the functions it calls. One pass
/// over the text: for texts that are kept, once for each.
pub fn sharing(sql: &str, lexis: &Lexis) -> Sharing {
    let never = |reason| Sharing { verdict: Verdict::Never(reason), functions: Box::default() };
    if sql.len() > TEXT_MAX {
        return never(Unshared::Long);
    }
    let words = Words::new(sql, lexis);
    let mut reader = Reader::new(&words);
    match reader.read() {
        Err(reason) => never(reason),
        Ok(verdict) => {
            let about = reader.calls.iter().any(|name| effects::is_about_the_session(name));
            Sharing {
                verdict: if about { Verdict::Never(Unshared::SessionFunction) } else { verdict },
                functions: reader.calls.into_iter().collect(),
            }
        }
    }
}

/// A token that counts, with what its word means where it stands.
#[derive(Debug, Clone, Copy)]
struct Lexeme<'a> {
    kind: TokenKind,
    text: &'a str,
    /// Of a word without quotes that does not stand beside a point.
    keyword: Option<(&'static str, Role)>,
}

impl Lexeme<'_> {
    /// A name, or a word that may be one.
    fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::QuotedIdent | TokenKind::Named)
    }

    /// Whether what was before the next token is a whole value or name, so that no other can begin. Numbers with letters
    /// are not: servers before 15 read `1AND` as two tokens.
    fn ends_value(&self) -> bool {
        match self.kind {
            TokenKind::QuotedIdent
            | TokenKind::String
            | TokenKind::DollarString
            | TokenKind::Numbered
            | TokenKind::Symbol(b']') => true,
            TokenKind::Word => self.keyword.is_none(),
            TokenKind::Number => !self.text.bytes().any(|byte| byte.is_ascii_alphabetic()),
            _ => false,
        }
    }

    /// Its name as the server folds it; the last part of `:a.b`, which is what a slice `x[1:a.b(2)]` looks like.
    fn folded(&self) -> String {
        match self.kind {
            TokenKind::QuotedIdent => {
                let inner = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                inner.unwrap_or_default().replace("\"\"", "\"")
            }
            _ => {
                let last = self.text.rsplit([':', '.']).next();
                last.unwrap_or_default().to_ascii_lowercase()
            }
        }
    }
}

/// The tokens of a text that count.
struct Words<'a>(Vec<Lexeme<'a>>);

impl<'a> Words<'a> {
    fn new(sql: &'a str, lexis: &Lexis) -> Self {
        let point = TokenKind::Symbol(b'.');
        let mut words: Vec<Lexeme<'a>> = Vec::new();
        for token in Tokens::new(sql, lexis).filter(Token::is_significant) {
            let text = token.text(sql);
            let last = words.last_mut().filter(|last| last.kind == point);
            let after_point = last.is_some();
            let keyword = match token.kind {
                TokenKind::Word if !after_point => grammar::keyword(text),
                _ => None,
            };
            // `SELECT .5`, `t.a`: the first stays a key word.
            if after_point
                && matches!(token.kind, TokenKind::Word | TokenKind::QuotedIdent)
                && let [.., before, _] = words.as_mut_slice()
            {
                before.keyword = None;
            }
            words.push(Lexeme { kind: token.kind, text, keyword });
        }
        Self(words)
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.0.get(at).map(|lexeme| lexeme.kind)
    }

    fn keyword(&self, at: usize) -> Option<&'static str> {
        self.0.get(at)?.keyword.map(|(word, _)| word)
    }

    fn is(&self, at: usize, symbol: u8) -> bool {
        self.kind(at) == Some(TokenKind::Symbol(symbol))
    }

    /// The key word before.
    fn keyword_before(&self, at: usize) -> Option<&'static str> {
        self.keyword(at.checked_sub(1)?)
    }
}

/// What an open parenthesis is about.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    /// What follows its end may be the start of a value, although `)` comes before: `DISTINCT ON (a) f(x)`.
    value_follows: bool,
    /// A list of common table expressions is being read in it.
    with: bool,
    /// It holds an INSERT, whose query, which may begin with WITH, has not come.
    insert: bool,
}

/// Reads a statement from its first word to its last.
struct Reader<'w, 'a> {
    words: &'w Words<'a>,
    calls: BTreeSet<Box<str>>,
    frames: Vec<Frame>,
    /// The first word of a statement, or of a common table expression, may come now.
    head: bool,
    /// The parenthesis that was closed last lets a value follow.
    value_follows: bool,
    /// Where the word is that begins the INSERT or MERGE which was read last.
    into_head: Option<usize>,
    seen: bool,
    explains: bool,
    writes: bool,
    locks: bool,
    /// A word that may be a statement where none can be.
    unclear: bool,
}

impl<'w, 'a> Reader<'w, 'a> {
    fn new(words: &'w Words<'a>) -> Self {
        Self {
            words,
            calls: BTreeSet::new(),
            frames: vec![Frame::default()],
            head: true,
            value_follows: false,
            into_head: None,
            seen: false,
            explains: false,
            writes: false,
            locks: false,
            unclear: false,
        }
    }

    fn read(&mut self) -> Result<Verdict, Unshared> {
        let words = self.words;
        let mut at = 0;
        let mut over = false;
        while let Some(lexeme) = words.0.get(at) {
            if lexeme.kind == TokenKind::Symbol(b';') {
                over = self.seen;
                at += 1;
                continue;
            }
            if over {
                return Err(Unshared::Several);
            }
            if matches!(lexeme.kind, TokenKind::Unterminated(_)) {
                return Err(Unshared::Unreadable);
            }
            if at == 0 && words.keyword(0) == Some("explain") {
                at = self.skip_explain();
                continue;
            }
            self.pass(at, lexeme)?;
            at += 1;
        }
        if !self.seen {
            let empty = words.0.iter().all(|lexeme| lexeme.kind == TokenKind::Symbol(b';'));
            return Err(if empty { Unshared::Empty } else { Unshared::Unknown });
        }
        if self.frame().with {
            return Err(Unshared::Unknown);
        }
        match self.writes {
            true if self.explains => Err(Unshared::Explain),
            true => Ok(Verdict::Write),
            false if self.locks => Err(Unshared::Lock),
            false if self.unclear => Err(Unshared::Unknown),
            false => Ok(Verdict::Read),
        }
    }

    /// Behind `EXPLAIN` and its options.
    fn skip_explain(&mut self) -> usize {
        self.explains = true;
        let mut at = 1;
        while let Some("analyze" | "analyse" | "verbose") = self.words.keyword(at) {
            at += 1;
        }
        let options = at == 1
            && self.words.is(1, b'(')
            && !matches!(self.words.keyword(2), Some("select" | "with" | "values" | "table"))
            && !self.words.is(2, b'(');
        if options {
            while at < self.words.0.len() && !self.words.is(at, b')') {
                at += 1;
            }
            at += 1;
        }
        at
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn pass(&mut self, at: usize, lexeme: &Lexeme<'_>) -> Result<(), Unshared> {
        let head = std::mem::take(&mut self.head);
        match lexeme.kind {
            TokenKind::Symbol(b'(') => self.open(at, head),
            TokenKind::Symbol(b')') => {
                let closed = self.frames.pop().unwrap_or_default();
                if closed.with {
                    return Err(Unshared::Unknown);
                }
                self.value_follows = closed.value_follows;
            }
            _ if lexeme.is_name() => self.name(at, lexeme, head)?,
            _ if head => return Err(Unshared::Unknown),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, at: usize, head: bool) {
        let words = self.words;
        let before = words.keyword_before(at);
        let with = self.frame().with;
        let expression = with && matches!(before, Some("as" | "materialized"));
        // `WITH a AS (...) (SELECT ...)`; not `WITH a (x) AS ...`.
        let main = with && !expression && !self.is_column_list(at);
        if main {
            self.frame().with = false;
        }
        self.head = head || expression || main;
        if at > 0 {
            self.call(at - 1);
        }
        self.frames.push(Frame {
            value_follows: matches!(before, Some("on" | "operator" | "with")),
            ..Frame::default()
        });
    }

    /// Within a list of common table expressions: whether this parenthesis opens the names of one's columns.
    fn is_column_list(&self, at: usize) -> bool {
        let first = |at| {
            matches!(self.words.keyword(at), Some("with" | "recursive")) || self.words.is(at, b',')
        };
        at.checked_sub(2).is_some_and(first) && self.words.0[at - 1].is_name()
    }

    fn name(&mut self, at: usize, lexeme: &Lexeme<'_>, head: bool) -> Result<(), Unshared> {
        let words = self.words;
        if lexeme.kind == TokenKind::QuotedIdent && !lexeme.text.starts_with('"') {
            return Err(Unshared::Unreadable);
        }
        let mut parts = lexeme.text.split(['"', ':', '.']);
        if parts.clone().any(effects::is_temporary_schema) {
            return Err(Unshared::Temporary);
        }
        if parts.any(effects::shows_the_session) {
            return Err(Unshared::SessionView);
        }
        let keyword = words.keyword(at);
        let before = words.keyword_before(at);
        if let Some("with") = keyword
            && (head
                || at.checked_sub(1).is_some_and(|before| words.is(before, b'('))
                || self.frame().insert)
        {
            *self.frame() = Frame { with: true, insert: false, ..*self.frame() };
            return Ok(());
        }
        if head || self.is_main(at, keyword) {
            self.frame().with = false;
            return self.begin(at, keyword);
        }
        match keyword {
            Some("into") if self.into_head != at.checked_sub(1) => {
                return Err(Unshared::Definition);
            }
            Some("of") if before == Some("current") => return Err(Unshared::Cursor),
            Some("update" | "share" | "no" | "key") if before == Some("for") => self.locks = true,
            // `RETURNING WITH (OLD AS o)` is no list of common table expressions.
            Some("select" | "values" | "table" | "default" | "returning") => {
                self.frame().insert = false;
            }
            Some("insert" | "update" | "delete" | "merge") => {
                self.unclear |= !words.is(at + 1, b'(') && !self.frame().with;
            }
            _ => {}
        }
        Ok(())
    }

    /// Within a list of common table expressions: whether this word begins what comes after it.
    fn is_main(&mut self, at: usize, keyword: Option<&'static str>) -> bool {
        if !self.frame().with {
            return false;
        }
        let named = at.checked_sub(1).is_some_and(|before| {
            let names = ["with", "recursive", "by", "set", "to", "using", "default"];
            self.words.is(before, b',')
                || self.words.keyword(before).is_some_and(|word| names.contains(&word))
        });
        match keyword {
            Some("select" | "table") => true,
            Some("values" | "insert" | "update" | "delete" | "merge") => !named,
            _ => false,
        }
    }

    /// The first word of a statement, or of a common table expression.
    fn begin(&mut self, at: usize, keyword: Option<&'static str>) -> Result<(), Unshared> {
        self.seen = true;
        match keyword {
            Some("select" | "values" | "table") => {}
            Some("insert" | "merge") => {
                self.writes = true;
                self.into_head = Some(at);
                self.frame().insert = true;
            }
            Some("update" | "delete") => self.writes = true,
            _ if self.explains => return Err(Unshared::Explain),
            _ if self.frames.len() > 1 => return Err(Unshared::Unknown),
            Some(word) => return Err(by_head(word)),
            None => return Err(Unshared::Unknown),
        }
        Ok(())
    }

    /// Notes the function whose name ends here, before a parenthesis, unless it is sure to be none.
    fn call(&mut self, at: usize) {
        let words = self.words;
        let last = words.0[at];
        // A statement does not begin with a call: `EXPLAIN (...)`.
        if at == 0 || !last.is_name() || matches!(last.keyword, Some((_, Role::Syntax))) {
            return;
        }
        let mut first = at;
        while first > 1 && words.is(first - 1, b'.') && words.0[first - 2].is_name() {
            first -= 2;
        }
        // `x[a:f(1)]`: the colon is before it.
        let before = first.checked_sub(1).filter(|_| words.0[first].kind != TokenKind::Named);
        if let Some(before) = before.map(|before| words.0[before]) {
            let word = before.keyword.map(|(word, _)| word);
            let is_type = before.kind == TokenKind::Cast || word == Some("as");
            let is_table = word == Some("into");
            let is_syntax = matches!(
                (word, words.keyword(at)),
                (Some("order" | "group" | "partition"), Some("by"))
                    | (Some("fetch"), Some("first" | "next"))
                    | (Some("grouping"), Some("sets"))
            );
            let is_alias = match before.kind {
                TokenKind::Symbol(b')') => !self.value_follows,
                _ => before.ends_value(),
            };
            // Nothing in a list of common table expressions is a value, outside of their parentheses.
            if is_type || is_table || is_syntax || is_alias || self.frame().with {
                return;
            }
        }
        self.calls.insert(last.folded().into());
    }
}

/// Why a statement that begins with this word needs a session of its own.
fn by_head(word: &str) -> Unshared {
    match word {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Unshared::Transaction
        }
        "set" | "reset" | "discard" | "show" => Unshared::Setting,
        "listen" | "unlisten" | "notify" => Unshared::Notify,
        "prepare" | "execute" | "deallocate" => Unshared::Prepared,
        "declare" | "fetch" | "move" | "close" => Unshared::Cursor,
        "copy" => Unshared::Copy,
        "lock" => Unshared::Lock,
        "do" | "call" => Unshared::Block,
        "vacuum" | "analyze" | "analyse" | "reindex" | "refresh" | "cluster" | "checkpoint"
        | "load" => Unshared::Maintenance,
        "create" | "alter" | "drop" | "truncate" | "comment" | "grant" | "revoke" | "reassign"
        | "security" | "import" => Unshared::Definition,
        _ => Unshared::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Sharing {
        sharing(sql, &Lexis::postgres())
    }

    fn calls(sql: &str) -> Vec<String> {
        let sharing = of(sql);
        assert!(!matches!(sharing.verdict, Verdict::Never(_)), "{sql}: {sharing:?}");
        sharing.functions.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn what_reads_may_share_a_transaction() {
        for sql in [
            "SELECT 1",
            " /* a */ select * from t where id = $1 -- b\n ;",
            "(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY 1 LIMIT 5 OFFSET 2",
            "VALUES (1), (2)",
            "TABLE t",
            "WITH a AS (SELECT 1), b (x) AS MATERIALIZED (TABLE t) SELECT * FROM a, b",
            "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t",
            "WITH a AS (SELECT 1) (SELECT * FROM a)",
            "SELECT * FROM (WITH x(a) AS (SELECT 1) SELECT a FROM x) y",
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1",
            "EXPLAIN ANALYZE VERBOSE WITH a AS (SELECT 1) TABLE a",
            "SELECT t.update, t.into, \"delete\" FROM t",
            "SELECT substring(a FROM 1 FOR 2) FROM t FOR READ ONLY",
            "SELECT a ->> 'INTO', 'FOR UPDATE; DROP TABLE t' FROM t",
        ] {
            assert_eq!(of(sql).verdict, Verdict::Read, "{sql}");
        }
    }

    #[test]
    fn what_came_with_postgresql_16_to_18_reads_or_writes_as_it_does() {
        for sql in [
            "SELECT j.* FROM t, JSON_TABLE(t.doc, '$[*]' PASSING 1 AS n COLUMNS (i FOR ORDINALITY, \
             a int PATH '$.a' DEFAULT 0 ON EMPTY, NESTED PATH '$.b[*]' COLUMNS (b numeric(10, 2)))) AS j",
            "SELECT JSON_VALUE(a, '$.b' RETURNING int), JSON_QUERY(a, '$' WITH WRAPPER KEEP QUOTES), \
             JSON_EXISTS(a, '$.x' FALSE ON ERROR), JSON_OBJECT('k' VALUE 1 ABSENT ON NULL WITH UNIQUE KEYS) FROM t",
            "SELECT JSON_ARRAYAGG(a ORDER BY b NULL ON NULL), JSON_ARRAY(SELECT c FROM u) FROM t",
            "SELECT a IS JSON OBJECT WITH UNIQUE KEYS, b AT LOCAL, system_user, 0x1F, 1_000 FROM t",
            "SELECT s.a FROM (SELECT any_value(a) FROM t)",
            "EXPLAIN (ANALYZE, SERIALIZE, MEMORY, BUFFERS OFF) SELECT 1",
        ] {
            assert_eq!(of(sql).verdict, Verdict::Read, "{sql}");
        }
        assert_eq!(
            calls("SELECT * FROM JSON_TABLE(f(1), '$' PASSING g(2) AS n COLUMNS (a int PATH '$'))"),
            ["f", "g", "json_table"]
        );
        assert_eq!(calls("SELECT JSON_ARRAY(SELECT f(a) FROM t)"), ["f", "json_array"]);
        for sql in [
            "WITH m AS (MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE \
             WHEN NOT MATCHED BY SOURCE THEN UPDATE SET a = 1 RETURNING merge_action(), t.*) SELECT * FROM m",
            "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = 1 \
             RETURNING WITH (OLD AS o, NEW AS n) o.a, n.a",
            "INSERT INTO t (a) VALUES (1) RETURNING WITH (OLD AS o) o.a, new.a",
            "INSERT INTO t (a) OVERRIDING SYSTEM VALUE TABLE u ON CONFLICT DO NOTHING RETURNING old.a",
            "UPDATE t SET a = 1 RETURNING WITH (NEW AS n) n.a",
            "DELETE FROM t RETURNING WITH (OLD AS o) o.*",
        ] {
            assert_eq!(of(sql).verdict, Verdict::Write, "{sql}");
        }
        // Not known, and so by itself: what later versions begin with other words, too.
        for sql in [
            "WAIT FOR LSN '0/306EE20'",
            "REPACK t",
            "EXPLAIN (ANALYZE) MERGE INTO t USING u ON true",
        ] {
            assert!(matches!(of(sql).verdict, Verdict::Never(_)), "{sql}");
        }
    }

    #[test]
    fn one_change_may_share_a_session() {
        for sql in [
            "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING id",
            "INSERT INTO t WITH x(a) AS (SELECT 1) SELECT a FROM x",
            "UPDATE t SET a = 1 WHERE id = (SELECT id FROM q LIMIT 1 FOR UPDATE SKIP LOCKED)",
            "DELETE FROM t USING u WHERE t.id = u.id",
            "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
            "WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone",
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT count(*) FROM gone",
            "WITH a AS (WITH b AS (UPDATE t SET a = 1 RETURNING 1) TABLE b) SELECT 1",
        ] {
            assert_eq!(of(sql).verdict, Verdict::Write, "{sql}");
        }
    }

    #[test]
    fn what_needs_a_session_of_its_own_says_why() {
        use Unshared::*;
        for (sql, reason) in [
            ("", Empty),
            (" -- a", Empty),
            ("SELECT 1; SELECT 2", Several),
            ("SELECT 'a", Unreadable),
            ("SELECT U&\"d\\0061t\"(1)", Unreadable),
            ("BEGIN", Transaction),
            ("SAVEPOINT a", Transaction),
            ("SET a.b = 1", Setting),
            ("SHOW work_mem", Setting),
            ("LISTEN a", Notify),
            ("EXECUTE p", Prepared),
            ("FETCH ALL FROM c", Cursor),
            ("UPDATE t SET a = 1 WHERE CURRENT OF c", Cursor),
            ("COPY t TO STDOUT", Copy),
            ("LOCK TABLE t", Lock),
            ("SELECT * FROM t FOR NO KEY UPDATE", Lock),
            ("SELECT * FROM t FOR KEY SHARE OF t NOWAIT", Lock),
            ("SELECT * FROM pg_temp.t", Temporary),
            ("INSERT INTO \"pg_temp_3\".t VALUES (1)", Temporary),
            ("DO $$ BEGIN END $$", Block),
            ("CALL p()", Block),
            ("EXPLAIN ANALYZE DELETE FROM t", Explain),
            ("EXPLAIN EXECUTE p", Explain),
            ("VACUUM t", Maintenance),
            ("CREATE TABLE t AS SELECT 1", Definition),
            ("SELECT a INTO b FROM t", Definition),
            ("SELECT insert INTO b FROM t", Definition),
            ("WITH a AS (SELECT 1) SELECT * INTO b FROM a", Definition),
            ("SELECT pg_catalog . \"set_config\" ('a.b', $1, false)", SessionFunction),
            ("SELECT x[1:nextval('s')] FROM t", SessionFunction),
            ("UPDATE t SET a = Pg_Try_Advisory_Xact_Lock(1)", SessionFunction),
            ("SELECT isn_weak(true)", SessionFunction),
            ("SELECT show_limit()", SessionFunction),
            ("SELECT * FROM pg_catalog.pg_settings", SessionView),
            ("SELECT update FROM t", Unknown),
            ("GRAB t", Unknown),
            ("WITH a AS (GRAB t) SELECT 1", Unknown),
            ("WITH a AS (SELECT 1)", Unknown),
        ] {
            assert_eq!(of(sql).verdict, Verdict::Never(reason), "{sql}");
        }
        let long = format!("SELECT '{}'", "a".repeat(TEXT_MAX));
        assert_eq!(of(&long).verdict, Verdict::Never(Long));
    }

    #[test]
    fn calls_are_found_and_folded() {
        assert_eq!(
            calls("SELECT Lower(a), b . \"F\"(1), \"a\"\"b\" (2), c./* x */g\n() FROM h(3)"),
            ["F", "a\"b", "g", "h", "lower"]
        );
        assert_eq!(calls("SELECT DISTINCT ON (a) f(b) FROM t"), ["f"]);
        assert_eq!(calls("SELECT a OPERATOR(pg_catalog.+) f(b) FROM t"), ["f"]);
        assert_eq!(calls("SELECT x[f(1):g(2)], x[1:s.h(3)] FROM t"), ["f", "g", "h"]);
        assert_eq!(
            calls("SELECT a LIKE b ESCAPE f(c), - g(1), CASE WHEN h(1) THEN i(2) ELSE j(3) END"),
            ["f", "g", "h", "i", "j"]
        );
        assert_eq!(calls("INSERT INTO t (a, b) SELECT f(x), y FROM g(1) AS z(x, y)"), ["f", "g"]);
        assert_eq!(calls("UPDATE t SET a = f(1), b = DEFAULT RETURNING g(a)"), ["f", "g"]);
        assert_eq!(calls("SELECT substring(a, 1), substring(b FROM 1)"), ["substring"]);
        assert_eq!(calls("SELECT f (a := g(1), b => h(2))"), ["f", "g", "h"]);
    }

    #[test]
    fn what_only_looks_like_a_call_is_none() {
        for sql in [
            "SELECT a FROM t WHERE b IN (1) AND EXISTS (SELECT 1) AND c = ANY (ARRAY(SELECT 1)) AND (d) IS NULL",
            "SELECT CAST(a AS numeric(10, 2)), b::varchar(20), c::s.money_of(3), d::interval(3), CAST(e AS point(2))",
            "SELECT coalesce(a, nullif(b, 1), greatest(c, least(d, 2))), extract(year FROM e), position('a' IN f)",
            "SELECT trim(BOTH ' ' FROM a), ROW (1, 2), GROUPING (a) FROM t GROUP BY (a)",
            "WITH t(a, b) AS (VALUES (1, 2)), u (c) AS NOT MATERIALIZED (SELECT 3) SELECT * FROM t, u",
            "SELECT * FROM t x(a, b) JOIN u AS y(c) USING (c) CROSS JOIN LATERAL (SELECT 1) z(d)",
            "INSERT INTO s.t (a) VALUES (1)",
            "INSERT INTO t AS u (a) VALUES (DEFAULT)",
            "SELECT a FROM t ORDER BY (a), b LIMIT (1) OFFSET (2)",
            "SELECT 'f(1)', $$g(2)$$, \"h\" -- i(3)",
            "SELECT interval '1' day, timestamp(3) '2020-01-01', a LIKE ('b') FROM t",
        ] {
            assert_eq!(calls(sql), [""; 0], "{sql}");
        }
        assert_eq!(calls("SELECT count(*) FILTER (WHERE a) OVER (ORDER BY (b)) FROM t"), ["count"]);
        assert_eq!(calls("SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY (b))"), ["sum"]);
    }
}
