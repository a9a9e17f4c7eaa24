//! The fake engine's parser: texts into [`Statement`]s.

use aquifer_driver::{Result, Value};

use super::statement::{Aggregate, ColumnDef, Expr, Insert, Item, Op, Select, Source, Statement};
use super::token::{Spanned, Token, syntax, tokens};

/// One statement and how many placeholders it has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    pub(super) statement: Statement,
    pub(super) params: usize,
}

/// How deep expressions may nest.
const DEPTH_MAX: usize = 64;

/// Words that cannot be names.
const RESERVED: [&str; 24] = [
    "select",
    "from",
    "where",
    "order",
    "by",
    "limit",
    "insert",
    "into",
    "values",
    "update",
    "set",
    "delete",
    "create",
    "table",
    "drop",
    "alter",
    "and",
    "or",
    "not",
    "null",
    "in",
    "is",
    "returning",
    "as",
];

/// Exactly one statement; a semicolon at its end is allowed.
pub(super) fn parse_one(sql: &str) -> Result<Parsed> {
    let mut all = parse_script(sql)?;
    match (all.pop(), all.is_empty()) {
        (Some(parsed), true) => Ok(parsed),
        (Some(_), false) => Err(syntax("one statement was expected, several were given", 0)),
        (None, _) => Err(syntax("the text holds no statement", 0)),
    }
}

/// All statements of a text, in order.
pub(super) fn parse_script(sql: &str) -> Result<Vec<Parsed>> {
    let mut parser = Parser { tokens: tokens(sql)?, at: 0, end: sql.len(), params: 0, depth: 0 };
    let mut all = Vec::new();
    loop {
        while parser.sign(";") {}
        if parser.at == parser.tokens.len() {
            return Ok(all);
        }
        parser.params = 0;
        let statement = parser.statement()?;
        if parser.at != parser.tokens.len() && !parser.peek_sign(";") {
            return Err(parser.unexpected());
        }
        all.push(Parsed { statement, params: parser.params });
    }
}

struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    end: usize,
    params: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(_, at)| *at)
    }

    fn unexpected(&self) -> aquifer_driver::Error {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word: String = word.chars().take(40).collect();
                syntax(format!("syntax error near `{word}`"), self.place())
            }
            // Literals are not quoted: they may be data.
            Some(_) => syntax("syntax error", self.place()),
            None => syntax("the statement ends too early", self.place()),
        }
    }

    fn peek_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = self.peek_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &str) -> Result<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn peek_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        self.at += usize::from(found);
        found
    }

    /// All of these words, or none is consumed.
    fn words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for word in words {
            if !self.word(word) {
                self.at = start;
                return false;
            }
        }
        true
    }

    fn need_word(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) if !RESERVED.contains(&&*word.to_ascii_lowercase()) => {
                word.clone()
            }
            Some(Token::Quoted(name)) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name)
    }

    /// One or more, with commas between.
    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![each(self)?];
        while self.sign(",") {
            all.push(each(self)?);
        }
        Ok(all)
    }

    fn in_parens<T>(&mut self, each: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.need_sign("(")?;
        let all = self.list(each)?;
        self.need_sign(")")?;
        Ok(all)
    }

    fn statement(&mut self) -> Result<Statement> {
        let Some(Token::Word(first)) = self.peek() else { return Err(self.unexpected()) };
        let first = first.to_ascii_lowercase();
        let start = self.at;
        self.at += 1;
        match first.as_str() {
            "create" => self.create(),
            "drop" => {
                self.need_word("table")?;
                let if_exists = self.words(&["if", "exists"]);
                Ok(Statement::DropTable { name: self.name()?, if_exists })
            }
            "alter" => {
                self.need_word("table")?;
                let table = self.name()?;
                self.need_word("add")?;
                self.word("column");
                Ok(Statement::AddColumn { table, column: self.column()? })
            }
            "insert" => self.insert(),
            "select" => self.select().map(Statement::Select),
            "update" => {
                let table = self.name()?;
                self.need_word("set")?;
                let set = self.list(|p| {
                    let column = p.name()?;
                    p.need_sign("=")?;
                    Ok((column, p.expr()?))
                })?;
                let filter = self.filter()?;
                Ok(Statement::Update { table, set, filter, returning: self.returning()? })
            }
            "delete" => {
                self.need_word("from")?;
                let table = self.name()?;
                let filter = self.filter()?;
                Ok(Statement::Delete { table, filter, returning: self.returning()? })
            }
            "savepoint" => self.name().map(Statement::Savepoint),
            "release" => {
                self.word("savepoint");
                self.name().map(Statement::Release)
            }
            "rollback" => {
                if !self.word("to") {
                    return Ok(Statement::Rollback);
                }
                self.word("savepoint");
                self.name().map(Statement::RollbackTo)
            }
            "begin" => Ok(Statement::Begin),
            "commit" => Ok(Statement::Commit),
            "sleep" => self.expr().map(Statement::Sleep),
            "set" => {
                let name = self.name()?;
                self.need_sign("=")?;
                Ok(Statement::Set { name, value: self.expr()? })
            }
            "show" => self.name().map(Statement::Show),
            _ => {
                self.at = start;
                Err(self.unexpected())
            }
        }
    }

    fn create(&mut self) -> Result<Statement> {
        self.need_word("table")?;
        let if_not_exists = self.words(&["if", "not", "exists"]);
        let name = self.name()?;
        let columns = self.in_parens(Self::column)?;
        Ok(Statement::CreateTable { name, if_not_exists, columns })
    }

    fn column(&mut self) -> Result<ColumnDef> {
        let name = self.name()?;
        let mut column = ColumnDef {
            name,
            type_name: String::new(),
            primary: false,
            unique: false,
            not_null: false,
            default: None,
            check: None,
            references: None,
            constraint: None,
        };
        if let Some(Token::Word(word)) = self.peek() {
            column.type_name = word.to_ascii_uppercase();
            self.at += 1;
            if self.peek_sign("(") {
                self.in_parens(Self::expr)?;
            }
        }
        loop {
            if self.word("constraint") {
                column.constraint = Some(self.name()?);
            } else if self.words(&["primary", "key"]) {
                column.primary = true;
            } else if self.word("unique") {
                column.unique = true;
            } else if self.words(&["not", "null"]) {
                column.not_null = true;
            } else if self.word("null") {
                // The default, spelt out.
            } else if self.word("default") {
                let at = self.place();
                let Expr::Literal(value) = self.primary()? else {
                    return Err(syntax("a default must be a literal", at));
                };
                column.default = Some(value);
            } else if self.word("check") {
                self.need_sign("(")?;
                column.check = Some(self.expr()?);
                self.need_sign(")")?;
            } else if self.word("references") {
                let table = self.name()?;
                self.need_sign("(")?;
                column.references = Some((table, self.name()?));
                self.need_sign(")")?;
            } else {
                return Ok(column);
            }
        }
    }

    fn insert(&mut self) -> Result<Statement> {
        self.need_word("into")?;
        let table = self.name()?;
        let columns = if self.peek_sign("(") { self.in_parens(Self::name)? } else { Vec::new() };
        self.need_word("values")?;
        let rows = self.list(|p| p.in_parens(Self::expr))?;
        Ok(Statement::Insert(Insert { table, columns, rows, returning: self.returning()? }))
    }

    fn returning(&mut self) -> Result<Vec<Item>> {
        if self.word("returning") { self.list(Self::item) } else { Ok(Vec::new()) }
    }

    fn filter(&mut self) -> Result<Option<Expr>> {
        if self.word("where") { self.expr().map(Some) } else { Ok(None) }
    }

    fn select(&mut self) -> Result<Select> {
        let items = self.list(Self::item)?;
        let from = if self.word("from") { Some(self.source()?) } else { None };
        let filter = self.filter()?;
        let order = if self.words(&["order", "by"]) {
            self.list(|p| {
                let key = p.expr()?;
                let descending = p.word("desc");
                if !descending {
                    p.word("asc");
                }
                Ok((key, descending))
            })?
        } else {
            Vec::new()
        };
        let limit = if self.word("limit") { Some(self.expr()?) } else { None };
        Ok(Select { items, from, filter, order, limit })
    }

    fn source(&mut self) -> Result<Source> {
        let name = self.name()?;
        if name.eq_ignore_ascii_case("series") && self.sign("(") {
            let first = self.expr()?;
            self.need_sign(",")?;
            let last = self.expr()?;
            self.need_sign(")")?;
            return Ok(Source::Series(first, last));
        }
        Ok(Source::Table(name))
    }

    fn item(&mut self) -> Result<Item> {
        if self.sign("*") {
            return Ok(Item::Star);
        }
        let expr = self.expr()?;
        let name = if self.word("as") { self.name()? } else { label(&expr) };
        Ok(Item::Expr { expr, name })
    }

    fn expr(&mut self) -> Result<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(syntax("the expression nests too deep", self.place()));
        }
        let expr = self.either();
        self.depth -= 1;
        expr
    }

    fn either(&mut self) -> Result<Expr> {
        let mut left = self.both()?;
        while self.word("or") {
            left = binary(Op::Or, left, self.both()?);
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expr> {
        let mut left = self.negation()?;
        while self.word("and") {
            left = binary(Op::And, left, self.negation()?);
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expr> {
        if self.word("not") {
            return Ok(Expr::Not(Box::new(self.comparison()?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expr> {
        const OPS: [(&str, Op); 7] = [
            ("=", Op::Eq),
            ("<>", Op::Ne),
            ("!=", Op::Ne),
            ("<=", Op::Le),
            (">=", Op::Ge),
            ("<", Op::Lt),
            (">", Op::Gt),
        ];
        let left = self.sum()?;
        if self.word("is") {
            let negated = self.word("not");
            self.need_word("null")?;
            let test = Expr::IsNull(Box::new(left));
            return Ok(if negated { Expr::Not(Box::new(test)) } else { test });
        }
        let negated = self.words(&["not", "in"]);
        if negated || self.word("in") {
            let test = Expr::In(Box::new(left), self.in_parens(Self::expr)?);
            return Ok(if negated { Expr::Not(Box::new(test)) } else { test });
        }
        for (sign, op) in OPS {
            if self.sign(sign) {
                return Ok(binary(op, left, self.sum()?));
            }
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr> {
        let mut left = self.product()?;
        loop {
            let op = if self.sign("+") {
                Op::Add
            } else if self.sign("-") {
                Op::Sub
            } else if self.sign("||") {
                Op::Concat
            } else {
                return Ok(left);
            };
            left = binary(op, left, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Expr> {
        let mut left = self.primary()?;
        loop {
            let op = if self.sign("*") {
                Op::Mul
            } else if self.sign("/") {
                Op::Div
            } else {
                return Ok(left);
            };
            left = binary(op, left, self.primary()?);
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        let at = self.place();
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected()) };
        match token {
            Token::Literal(value) => {
                self.at += 1;
                Ok(Expr::Literal(value))
            }
            Token::Param => {
                self.at += 1;
                self.params += 1;
                Ok(Expr::Param(self.params - 1))
            }
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.expr()?;
                self.need_sign(")")?;
                Ok(inner)
            }
            Token::Sign("-") => {
                self.at += 1;
                let negative = match self.peek() {
                    Some(Token::Literal(Value::Int(v))) => Value::Int(-v),
                    Some(Token::Literal(Value::Float(v))) => Value::Float(-v),
                    _ => return Err(syntax("only a number can follow a minus sign", at)),
                };
                self.at += 1;
                Ok(Expr::Literal(negative))
            }
            Token::Word(_) if self.word("null") => Ok(Expr::Literal(Value::Null)),
            Token::Word(_) if self.word("true") => Ok(Expr::Literal(Value::Bool(true))),
            Token::Word(_) if self.word("false") => Ok(Expr::Literal(Value::Bool(false))),
            Token::Word(_) | Token::Quoted(_) => {
                let name = self.name()?;
                if self.sign("(") {
                    return self.call(&name, at);
                }
                if self.sign(".") {
                    // One table per statement: a qualifier says nothing new.
                    return self.name().map(Expr::Column);
                }
                Ok(Expr::Column(name))
            }
            Token::Sign(_) => Err(self.unexpected()),
        }
    }

    fn call(&mut self, name: &str, at: usize) -> Result<Expr> {
        let function = match name.to_ascii_lowercase().as_str() {
            "count" => Aggregate::Count,
            "max" => Aggregate::Max,
            "min" => Aggregate::Min,
            "sum" => Aggregate::Sum,
            _ => {
                return Err(aquifer_driver::Error::new(
                    aquifer_driver::ErrorKind::UndefinedObject,
                    format!("no such function: {name}"),
                )
                .with_code("FAKE_UNDEFINED")
                .with_sqlstate("42883")
                .with_position(u32::try_from(at).unwrap_or(u32::MAX)));
            }
        };
        if function == Aggregate::Count && self.sign("*") {
            self.need_sign(")")?;
            return Ok(Expr::Aggregate(function, None));
        }
        let inner = self.expr()?;
        self.need_sign(")")?;
        Ok(Expr::Aggregate(function, Some(Box::new(inner))))
    }
}

fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary(op, Box::new(left), Box::new(right))
}

/// The column name of an expression without `AS`.
fn label(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) => name.clone(),
        Expr::Aggregate(Aggregate::Count, _) => "count".to_owned(),
        Expr::Aggregate(Aggregate::Max, _) => "max".to_owned(),
        Expr::Aggregate(Aggregate::Min, _) => "min".to_owned(),
        Expr::Aggregate(Aggregate::Sum, _) => "sum".to_owned(),
        _ => "?column?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::ErrorKind;

    #[test]
    fn the_dialects_statements_parse() {
        for (sql, params) in [
            (
                "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s VARCHAR(20) NOT NULL UNIQUE, \
              n INT4 DEFAULT 3 CHECK (n > 0), p INTEGER REFERENCES q (id))",
                0,
            ),
            ("DROP TABLE IF EXISTS t", 0),
            ("ALTER TABLE t ADD COLUMN c TEXT", 0),
            ("INSERT INTO t (a, b) VALUES (?, ?), (?, 1 + ?) RETURNING a, b AS c", 4),
            (
                "SELECT *, count(*) FROM t WHERE a = ? AND (b IN (?, ?) OR c IS NOT NULL) \
              ORDER BY a DESC, b LIMIT ?",
                4,
            ),
            ("SELECT n FROM series(1, ?)", 1),
            ("SELECT -1 AS x, 'a' || ?", 1),
            ("UPDATE t SET a = a - ?, b = NULL WHERE id <> ?", 2),
            ("DELETE FROM t WHERE id = ?", 1),
            ("SAVEPOINT a;", 0),
            ("ROLLBACK TO SAVEPOINT a", 0),
            ("SLEEP ?", 1),
            ("SET zone = 'UTC'", 0),
        ] {
            assert_eq!(parse_one(sql).map(|parsed| parsed.params).unwrap(), params, "{sql}");
        }
        assert_eq!(parse_script("SELECT 1; ;SELECT ?; -- done").unwrap().len(), 2);
    }

    #[test]
    fn a_bad_text_is_a_syntax_error_that_points_and_quotes_no_literal() {
        for sql in
            ["SELEC 1", "SELECT FROM", "INSERT INTO t VALUES 'hunter2'", "", "SELECT 1; SELECT 2"]
        {
            let error = parse_one(sql).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Syntax, "{sql}");
            assert!(error.position().is_some() && !error.to_string().contains("hunter2"));
        }
        let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
        assert_eq!(parse_one(&deep).unwrap_err().kind(), ErrorKind::Syntax);
    }
}
