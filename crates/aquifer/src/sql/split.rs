//! A text of several statements, cut at the semicolons that end them.
//!
//! Strings, comments and dollar quotes are respected, and so are the statements that contain others: SQLite's
//! `CREATE TRIGGER ... BEGIN ...; END`, PostgreSQL's `BEGIN ATOMIC ...; END` and parentheses, stored programs of MySQL and
//! MariaDB (which therefore need no `DELIMITER`; that line is a command of the `mysql` program, not SQL, and is not
//! understood here). Rows that follow a `COPY ... FROM STDIN` in a dump are not understood either.
//!
//! Cutting never fails: an unbalanced statement reaches to the end of the text and is the server's to refuse.

use std::iter::FusedIterator;
use std::ops::Range;

use super::keyword::Keyword;
use super::lexis::{Bodies, Lexis};
use super::token::{Token, TokenKind, Tokens};

/// The statements of a text, as byte ranges in order: without the semicolon, with the comments before them. Parts with
/// nothing but blanks and comments are left out.
pub fn split<'a>(sql: &'a str, lexis: &Lexis) -> Split<'a> {
    Split { sql, tokens: Tokens::new(sql, lexis), boundaries: Boundaries::new(lexis) }
}

/// The statements of a text; see [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    sql: &'a str,
    tokens: Tokens<'a>,
    boundaries: Boundaries,
}

impl Iterator for Split<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut range: Option<Range<usize>> = None;
        let mut blank = true;
        for token in self.tokens.by_ref() {
            match token.kind {
                TokenKind::Whitespace => continue,
                TokenKind::Comment => {}
                TokenKind::ExecutableOpen | TokenKind::ExecutableClose => blank = false,
                _ if self.boundaries.pass(self.sql, &token) => {
                    if !blank {
                        break;
                    }
                    range = None;
                    continue;
                }
                _ => blank = false,
            }
            let start = range.map_or(token.start, |range| range.start);
            range = Some(start..token.end);
        }
        range.filter(|_| !blank)
    }
}

impl FusedIterator for Split<'_> {}

/// What the first words of a statement say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Start,
    /// `CREATE` and so many tokens.
    Create(u8),
    /// `BEGIN`: MariaDB's block if `NOT ATOMIC` follows.
    Begin,
    /// `BEGIN NOT`.
    BeginNot,
    /// May contain other statements.
    Routine,
    /// Ends at the next semicolon.
    Plain,
}

/// What is open inside a routine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    Case,
    If,
    Loop,
}

/// What came directly before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Semicolon,
    /// The `BEGIN` of a block.
    Begin,
    /// An `END` that closes something; what, the next word says.
    End,
    /// A `REPEAT`: a function if `(` follows.
    Repeat,
    /// Something after which a word is a name.
    NameFollows,
}

/// `DEFINER = 'user'@'host'`, `AGGREGATE` and the like come between `CREATE` and what is created.
const CREATE_TOKENS_MAX: u8 = 16;

/// Finds the semicolons that end statements.
#[derive(Debug, Clone)]
pub(super) struct Boundaries {
    bodies: Bodies,
    head: Head,
    open: Vec<Block>,
    parens: usize,
    elseif: bool,
    last: Last,
}

impl Boundaries {
    pub(super) fn new(lexis: &Lexis) -> Boundaries {
        Boundaries {
            bodies: lexis.bodies,
            head: Head::Start,
            open: Vec::new(),
            parens: 0,
            elseif: false,
            last: Last::Other,
        }
    }

    /// Moves past a significant token; true if it is a semicolon that ends the statement.
    pub(super) fn pass(&mut self, sql: &str, token: &Token) -> bool {
        if token.kind == TokenKind::Symbol(b';') {
            if self.last == Last::End && self.bodies != Bodies::Trigger {
                self.close_end(None);
            }
            let ends = match self.bodies {
                Bodies::None => true,
                Bodies::Trigger => self.open.is_empty() || self.last == Last::End,
                Bodies::Atomic => self.open.is_empty() && self.parens == 0,
                Bodies::Stored => self.open.is_empty(),
            };
            if ends {
                self.head = Head::Start;
                self.open.clear();
                self.elseif = false;
            }
            self.last = Last::Semicolon;
            return ends;
        }
        match token.kind {
            TokenKind::Symbol(b'(') => self.parens += 1,
            TokenKind::Symbol(b')') => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        if self.head == Head::Plain {
            return false;
        }
        let keyword = match token.kind {
            TokenKind::Word if self.last != Last::NameFollows => Keyword::of(token.text(sql)),
            _ => None,
        };
        if self.head == Head::Routine {
            self.body(token, keyword);
        } else {
            self.head = self.next_head(keyword);
        }
        false
    }

    fn next_head(&mut self, keyword: Option<Keyword>) -> Head {
        use Keyword::*;
        match (self.head, self.bodies, keyword) {
            (_, Bodies::None, _) => Head::Plain,
            (Head::Start, _, Some(Explain | Query | Plan | Analyze)) => Head::Start,
            (Head::Start, _, Some(Create)) => Head::Create(0),
            (Head::Start, Bodies::Stored, Some(Begin)) => Head::Begin,
            (Head::Begin, _, Some(Not)) => Head::BeginNot,
            (Head::BeginNot, _, Some(Atomic)) => {
                self.open.push(Block::Begin);
                self.last = Last::Begin;
                Head::Routine
            }
            (head @ Head::Create(_), Bodies::Trigger, Some(Temp | Temporary)) => head,
            (Head::Create(_), Bodies::Trigger, Some(Trigger)) => Head::Routine,
            (head @ Head::Create(_), Bodies::Atomic, Some(Or | Replace)) => head,
            (Head::Create(_), Bodies::Atomic, Some(Function | Procedure)) => Head::Routine,
            (Head::Create(_), Bodies::Stored, Some(Function | Procedure | Trigger | Event)) => {
                Head::Routine
            }
            (Head::Create(_), Bodies::Stored, Some(Table)) => Head::Plain,
            (Head::Create(tokens), Bodies::Stored, _) if tokens < CREATE_TOKENS_MAX => {
                Head::Create(tokens + 1)
            }
            _ => Head::Plain,
        }
    }

    fn body(&mut self, token: &Token, keyword: Option<Keyword>) {
        match self.bodies {
            Bodies::None => {}
            Bodies::Trigger => self.trigger(keyword),
            Bodies::Atomic => self.atomic(keyword),
            Bodies::Stored => self.stored(token, keyword),
        }
        if let TokenKind::Symbol(b'.' | b'@') = token.kind {
            self.last = Last::NameFollows;
        }
    }

    /// `END` is a name in SQLite unless a statement can start there, so only one after a semicolon can be the last.
    fn trigger(&mut self, keyword: Option<Keyword>) {
        self.last = match keyword {
            Some(Keyword::Begin) if self.open.is_empty() => {
                self.open.push(Block::Begin);
                Last::Begin
            }
            Some(Keyword::End) if self.last == Last::Semicolon => Last::End,
            _ => Last::Other,
        };
    }

    /// `CASE` and `END` are reserved in PostgreSQL, and `BEGIN` opens a block only before `ATOMIC`.
    fn atomic(&mut self, keyword: Option<Keyword>) {
        let last = std::mem::replace(&mut self.last, Last::Other);
        match keyword {
            Some(Keyword::Begin) => self.last = Last::Begin,
            Some(Keyword::Atomic) if last == Last::Begin => self.open.push(Block::Begin),
            Some(Keyword::Case) if !self.open.is_empty() => self.open.push(Block::Case),
            Some(Keyword::End) => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn stored(&mut self, token: &Token, keyword: Option<Keyword>) {
        use Keyword::*;
        let mut last = std::mem::replace(&mut self.last, Last::Other);
        if last == Last::End {
            if self.close_end(keyword) {
                return;
            }
            last = Last::Other;
        }
        if last == Last::Repeat && token.kind == TokenKind::Symbol(b'(') {
            self.open.pop();
        }
        match keyword {
            Some(Begin) => {
                self.open.push(Block::Begin);
                self.last = Last::Begin;
            }
            Some(Case) => self.open.push(Block::Case),
            Some(Loop | While) => self.open.push(Block::Loop),
            Some(Repeat) => {
                self.open.push(Block::Loop);
                self.last = Last::Repeat;
            }
            Some(Elseif) => self.elseif = true,
            // An `IF` is known by its `THEN`: `IF(a, b, c)` and `IF EXISTS` have none.
            Some(Then) => {
                let elseif = std::mem::take(&mut self.elseif);
                if !elseif && self.open.last() != Some(&Block::Case) {
                    self.open.push(Block::If);
                }
            }
            // A column may be called `end`: it closes a block only where a statement can start.
            Some(End) => match self.open.last() {
                None => {}
                Some(Block::Begin) if !matches!(last, Last::Semicolon | Last::Begin) => {}
                Some(_) => self.last = Last::End,
            },
            _ => {}
        }
    }

    /// Closes what an `END` closes, by the word after it. True if that word belongs to the `END`.
    fn close_end(&mut self, keyword: Option<Keyword>) -> bool {
        use Keyword::*;
        let (block, suffix) = match keyword {
            Some(If) => (Block::If, true),
            Some(Loop | While | Repeat) => (Block::Loop, true),
            Some(Case) => (Block::Case, true),
            // MariaDB's `FOR ... END FOR`, which is not counted when it opens.
            Some(For) => return true,
            _ => match self.open.last() {
                Some(block @ (Block::Begin | Block::Case)) => (*block, false),
                _ => return false,
            },
        };
        if self.open.last() == Some(&block) {
            self.open.pop();
        }
        suffix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const LITE: Lexis = Lexis::sqlite();

    fn pieces<'a>(sql: &'a str, lexis: &Lexis) -> Vec<&'a str> {
        split(sql, lexis).map(|range| &sql[range]).collect()
    }

    #[test]
    fn statements_are_cut_at_semicolons_and_trimmed() {
        for lexis in [PG, MY, LITE, Lexis::standard()] {
            assert_eq!(pieces("SELECT 1 ;\n SELECT ';' ; ", &lexis), ["SELECT 1", "SELECT ';'"]);
            assert_eq!(pieces("SELECT 1", &lexis), ["SELECT 1"]);
            assert_eq!(pieces(" ;; -- x\n ; /* y */ ", &lexis), [""; 0]);
            assert_eq!(
                pieces("-- head\nSELECT 1; /* next */ SELECT 2 -- tail", &lexis),
                ["-- head\nSELECT 1", "/* next */ SELECT 2 -- tail"]
            );
            assert_eq!(
                pieces("BEGIN; UPDATE t SET a = 1; COMMIT", &lexis),
                ["BEGIN", "UPDATE t SET a = 1", "COMMIT"]
            );
            assert_eq!(pieces("BEGIN; END; SELECT 1", &lexis).len(), 3);
        }
    }

    #[test]
    fn strings_comments_and_quotes_hide_semicolons() {
        assert_eq!(
            pieces("SELECT $$a;b$$, E'\\';', \";\" /* ; /* ; */ ; */; SELECT 2", &PG).len(),
            2
        );
        assert_eq!(pieces("SELECT 'a\\';', \"b\\\";\", `c;` # ;\n; SELECT 2", &MY).len(), 2);
        assert_eq!(pieces("SELECT [a;b], `c;`; SELECT 2", &LITE).len(), 2);
        assert_eq!(
            pieces("/*!50000 SET a = 1 */; SELECT 2", &MY),
            ["/*!50000 SET a = 1 */", "SELECT 2"]
        );
        assert_eq!(
            pieces("SELECT 1; SELECT 'open; SELECT 2", &PG),
            ["SELECT 1", "SELECT 'open; SELECT 2"]
        );
    }

    #[test]
    fn sqlite_triggers_are_one_statement() {
        for trigger in [
            "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE u SET x = 1; DELETE FROM v; END",
            "create temp trigger if not exists a after insert on t begin select case when 1 then 2 end; end",
            "CREATE TRIGGER a AFTER UPDATE ON t BEGIN UPDATE u SET x = new.end WHERE begin = end; END",
            "EXPLAIN QUERY PLAN CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END",
        ] {
            let sql = format!("SELECT 0; {trigger}; SELECT 1");
            assert_eq!(pieces(&sql, &LITE), ["SELECT 0", trigger, "SELECT 1"]);
        }
        assert_eq!(pieces("CREATE TABLE trigger_ (begin, end); SELECT 1", &LITE).len(), 2);
        assert_eq!(pieces("CREATE TRIGGER a; SELECT 1", &LITE).len(), 2);
        assert_eq!(pieces("CREATE TRIGGER a BEGIN SELECT 1; SELECT 2", &LITE).len(), 1);
    }

    #[test]
    fn postgres_bodies_and_parentheses_are_kept_together() {
        for routine in [
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
            "CREATE FUNCTION g() RETURNS void AS $$ BEGIN x; END $$ LANGUAGE plpgsql",
            "DO $do$ BEGIN PERFORM 1; END $do$",
        ] {
            let sql = format!("SELECT 0; {routine}; SELECT 1");
            assert_eq!(pieces(&sql, &PG), ["SELECT 0", routine, "SELECT 1"]);
        }
        assert_eq!(
            pieces("BEGIN; CREATE FUNCTION f() RETURNS int RETURN 1; END; SELECT 1", &PG).len(),
            4
        );
    }

    #[test]
    fn stored_programs_are_one_statement() {
        for program in [
            "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END",
            "CREATE DEFINER=`root`@'%' PROCEDURE p(IN a INT) SQL SECURITY INVOKER l: BEGIN BEGIN END; SELECT 1; END l",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW IF NEW.x < 0 THEN SET NEW.x = 0; ELSEIF NEW.x > 9 THEN SET NEW.x = 9; END IF",
            "CREATE PROCEDURE p() BEGIN IF a THEN SELECT IF(b, 1, 2); ELSE SELECT 3; END IF; END",
            "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE IF b THEN SELECT 2; END IF; END CASE; SELECT CASE WHEN a THEN 1 END; END",
            "CREATE PROCEDURE p() BEGIN IF CASE WHEN a THEN 1 END THEN SELECT 1; END IF; SELECT 2; END",
            "CREATE PROCEDURE p() BEGIN WHILE a DO SELECT 1; END WHILE; l: LOOP LEAVE l; END LOOP l; REPEAT SET x = REPEAT('a', 3); UNTIL x END REPEAT; END",
            "CREATE FUNCTION f() RETURNS INT DETERMINISTIC WHILE a DO SET b = 1; END WHILE",
            "CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO BEGIN DELETE FROM t; DELETE FROM u; END",
            "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; SELECT 1; END",
            "CREATE PROCEDURE p() BEGIN SELECT t.end, end FROM t; DROP TABLE IF EXISTS t; SELECT 1; END",
            "CREATE PROCEDURE p() FOR i IN 1..3 DO SELECT i",
            "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END",
        ] {
            let sql = format!("SELECT 0; {program}; SELECT 1");
            assert_eq!(pieces(&sql, &MY), ["SELECT 0", program, "SELECT 1"]);
        }
        assert_eq!(
            pieces("CREATE TABLE event (begin INT); SELECT 1; CREATE VIEW v AS SELECT CASE WHEN 1 THEN 2 END; SELECT 2", &MY).len(),
            4
        );
    }
}
