//! [`Query`]: a statement with its head, and reading a file of them.
//!
//! Pure: text in, queries or everything that is wrong out. Nothing here knows a database; whether one
//! accepts the statements is decided by [`check`](crate::check).

use aquifer::sql::{Lexis, ParsedNamed, SqlTextError, SqlTextErrorKind, TokenKind, Tokens, split};
use aquifer_driver::suggest;

use crate::diagnostic::Diagnostic;
use crate::head::{self, Head, Kind, Limit, Line, LineKind};
use crate::parameter::Parameter;
use crate::route::Route;

/// A named, typed statement.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// The name: `stations.get`. Also its label in metrics.
    pub name: String,
    /// What its result becomes.
    pub kind: Kind,
    /// How requests reach it.
    pub route: Route,
    /// What it does, for people.
    pub doc: String,
    /// Its parameters in the order of their declaration; `limit`, if it has one, is the last.
    pub parameters: Vec<Parameter>,
    /// How many rows it gives.
    pub limit: Option<Limit>,
    /// The statement and its `:names`.
    pub named: ParsedNamed,
    /// For each distinct `:name` of the statement, its position in `parameters`.
    pub uses: Vec<usize>,
    /// Where it stands.
    pub location: Location,
}

/// Where a query stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The file as the user named it.
    pub file: String,
    /// Line and column of the query's name, from 1.
    pub name: (usize, usize),
    /// Line and column of its route.
    pub route: (usize, usize),
    /// The line and column of the statement's first character.
    pub sql: (usize, usize),
}

impl Location {
    /// A mistake at the query's name.
    pub(crate) fn at_name(&self, message: impl Into<String>) -> Diagnostic {
        self.at(self.name, message)
    }

    /// A mistake at the query's route.
    pub(crate) fn at_route(&self, message: impl Into<String>) -> Diagnostic {
        self.at(self.route, message)
    }

    /// A mistake at a byte of the statement `sql`.
    pub(crate) fn at_sql(
        &self,
        sql: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Diagnostic {
        let (line, column) = aquifer::sql::line_column(sql, offset);
        // Only the statement's first line starts in the middle of a line of the file.
        let column = if line == 1 { column + self.sql.1 - 1 } else { column };
        self.at((self.sql.0 + line - 1, column), message)
    }

    fn at(&self, (line, column): (usize, usize), message: impl Into<String>) -> Diagnostic {
        Diagnostic { file: self.file.clone(), line, column, message: message.into(), hint: None }
    }
}

/// Reads the queries of a file. Each starts with a head of `--` comments whose first line is `name`, and
/// ends with a semicolon.
///
/// # Errors
///
/// Everything that is wrong with the file, in order. Never panics, whatever the text.
pub fn parse(file: &str, text: &str, lexis: &Lexis) -> Result<Vec<Query>, Vec<Diagnostic>> {
    let (queries, errors) = read(file, text, lexis);
    if errors.is_empty() { Ok(queries) } else { Err(errors) }
}

/// The queries of a file that nothing is wrong with, and everything that is wrong with the others.
pub(crate) fn read(file: &str, text: &str, lexis: &Lexis) -> (Vec<Query>, Vec<Diagnostic>) {
    let mut queries = Vec::new();
    let mut errors = Vec::new();
    let mut covered = 0;
    let stray = |from: usize, to: usize, errors: &mut Vec<Diagnostic>| {
        // Between statements there are only comments and semicolons.
        for line in comment_lines(text, from, to, lexis) {
            if line.is_known_key() {
                errors.push(
                    Diagnostic::at(file, text, line.at, "this head has no statement after it")
                        .with_hint("write the statement, or remove the head"),
                );
                break;
            }
        }
    };
    for range in split(text, lexis) {
        stray(covered, range.start, &mut errors);
        covered = range.end;
        if let Some(query) = statement(file, text, range.start, range.end, lexis, &mut errors) {
            queries.push(query);
        }
    }
    stray(covered, text.len(), &mut errors);
    errors.sort_by_key(|error| (error.line, error.column));
    (queries, errors)
}

/// The `--` comments of a part of the text that start their line.
fn comment_lines<'a>(text: &'a str, from: usize, to: usize, lexis: &Lexis) -> Vec<Line<'a>> {
    let Some(part) = text.get(from..to) else { return Vec::new() };
    Tokens::new(part, lexis)
        .filter(|token| token.kind == TokenKind::Comment)
        .filter_map(|token| {
            let at = from + token.start;
            let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let starts_line = text[line_start..at].trim_matches([' ', '\t', '\u{feff}']).is_empty();
            starts_line.then(|| Line::of(token.text(part), at)).flatten()
        })
        .collect()
}

fn statement(
    file: &str,
    text: &str,
    start: usize,
    end: usize,
    lexis: &Lexis,
    errors: &mut Vec<Diagnostic>,
) -> Option<Query> {
    let part = &text[start..end];
    let sql_at = Tokens::new(part, lexis)
        .find(|token| token.is_significant())
        .map_or(end, |token| start + token.start);
    let before = errors.len();
    for token in Tokens::new(part, lexis) {
        if let TokenKind::Unterminated(construct) = token.kind {
            errors.push(
                Diagnostic::at(
                    file,
                    text,
                    start + token.start,
                    format!("the {construct} that starts here is not closed"),
                )
                .with_hint("close it"),
            );
        }
    }
    for line in comment_lines(text, sql_at, end, lexis) {
        if line.is_known_key() {
            let (message, hint) = if line.kind() == LineKind::Key("name") {
                ("a new head inside a statement", "end the statement before it with `;`")
            } else {
                (
                    "a line of a head inside a statement",
                    "move it above the statement, below `name`; start a plain comment with `---`",
                )
            };
            errors.push(Diagnostic::at(file, text, line.at, message).with_hint(hint));
            break;
        }
    }
    let lines = comment_lines(text, start, sql_at, lexis);
    let Some(name_line) = lines.iter().position(|line| line.kind() == LineKind::Key("name")) else {
        if errors.len() == before {
            let near = lines.iter().find_map(|line| match line.kind() {
                LineKind::Key(key) => suggest::nearest(key, ["name"]).map(|_| line.at),
                LineKind::Plain => line.slip().filter(|slip| slip.key == "name").map(|_| line.at),
            });
            errors.push(
                Diagnostic::at(
                    file,
                    text,
                    near.unwrap_or(sql_at),
                    "this statement has no `name` line",
                )
                .with_hint("start its head with `-- name: stations.get :one`"),
            );
        }
        return None;
    };
    if let Some(early) = lines[..name_line].iter().find(|line| line.is_known_key()) {
        errors.push(
            Diagnostic::at(file, text, early.at, "a line of a head before its `name` line")
                .with_hint("`-- name:` comes first"),
        );
    }
    for line in &lines[..name_line] {
        // What introduces a file is prose, and may begin with any word.
        if let Some(slip) = line.slip().filter(|slip| slip.has_value) {
            errors.push(
                Diagnostic::at(file, text, line.text_at(), slip.message).with_hint(slip.hint),
            );
        }
    }
    let head = head::read(file, text, &lines[name_line..], errors);
    let sql = &text[sql_at..end];
    let named = match ParsedNamed::parse(sql, lexis) {
        Ok(named) => Some(named),
        Err(error) => {
            if errors.len() == before {
                errors.push(sql_error(file, text, sql_at, &error));
            }
            None
        }
    };
    let (head, named) = (head?, named?);
    if errors.len() > before {
        // What is misplaced would be reported again as missing.
        return None;
    }
    let query = build(file, text, head, named, sql_at, lexis, errors);
    query.filter(|_| errors.len() == before)
}

/// Puts head and statement together: every parameter that is used is declared, and the reverse.
fn build(
    file: &str,
    text: &str,
    head: Head,
    named: ParsedNamed,
    sql_at: usize,
    lexis: &Lexis,
    errors: &mut Vec<Diagnostic>,
) -> Option<Query> {
    let mut uses = Vec::new();
    for name in named.names() {
        let index = head.parameters.iter().position(|(parameter, _)| parameter.name == name);
        match index {
            Some(index) => uses.push(index),
            None => {
                let known = head.parameters.iter().map(|(parameter, _)| parameter.name.as_str());
                let hint = match suggest::nearest(name, known) {
                    Some(near) => format!("did you mean `:{near}`?"),
                    None => format!("declare it with `-- param {name}: int64`"),
                };
                let at = first_use(named.sql(), name, lexis).unwrap_or(0);
                errors.push(
                    Diagnostic::at(file, text, sql_at + at, format!("`:{name}` is not declared"))
                        .with_hint(hint),
                );
            }
        }
    }
    for (index, (parameter, at)) in head.parameters.iter().enumerate() {
        // `limit` acts without being used.
        let acts = head.limit.is_some() && parameter.name == "limit";
        if !uses.contains(&index) && !acts {
            errors.push(
                Diagnostic::at(
                    file,
                    text,
                    *at,
                    format!(
                        "`{}` is declared but `:{}` is not used",
                        parameter.name, parameter.name
                    ),
                )
                .with_hint("use it in the statement, or remove its `param` line"),
            );
        }
    }
    let place = |at| aquifer::sql::line_column(text, at);
    Some(Query {
        location: Location {
            file: file.to_owned(),
            name: place(head.name_at),
            route: place(head.route_at),
            sql: place(sql_at),
        },
        name: head.name,
        kind: head.kind,
        route: head.route,
        doc: head.doc,
        parameters: head.parameters.into_iter().map(|(parameter, _)| parameter).collect(),
        limit: head.limit,
        named,
        uses,
    })
}

fn first_use(sql: &str, name: &str, lexis: &Lexis) -> Option<usize> {
    Tokens::new(sql, lexis)
        .find(|token| {
            token.kind == TokenKind::Named && token.text(sql).strip_prefix(':') == Some(name)
        })
        .map(|token| token.start)
}

/// The same mistake with its place in the file instead of the place in the statement.
fn sql_error(file: &str, text: &str, sql_at: usize, error: &SqlTextError) -> Diagnostic {
    let (message, hint) = match error.kind() {
        SqlTextErrorKind::PositionalInNamed => (
            "a placeholder without a name".to_owned(),
            "write `:name` and declare it with `-- param name: int64`",
        ),
        SqlTextErrorKind::AdjacentNames => (
            "two parameters without anything between them".to_owned(),
            "put an operator or a comma between",
        ),
        SqlTextErrorKind::DoubledCast => {
            ("`::::` is not a cast".to_owned(), "write `::`; nothing needs to be doubled here")
        }
        SqlTextErrorKind::NoQuestionOperator => {
            ("`??` means nothing on this engine".to_owned(), "remove it")
        }
        SqlTextErrorKind::Unterminated(construct) => {
            (format!("the {construct} that starts here is not closed"), "close it")
        }
        _ => (error.to_string(), "correct the statement"),
    };
    Diagnostic::at(file, text, sql_at + error.offset().unwrap_or(0), message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Query>, Vec<String>> {
        parse("q.sql", text, &Lexis::sqlite())
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    const GET: &str = "-- name: a.get :one\n-- http: GET /a/{id}\n-- param id: int64\n";
    const LIST: &str = "-- name: a.list :many\n-- http: GET /a\n";

    #[test]
    fn several_queries_stand_in_one_file() {
        let text = format!(
            "-- A file's own comment: with a colon.\n\n\
             {GET}SELECT ';', id FROM a -- not the end;\nWHERE id = :id OR :id IS NULL;\n\n\
             /* between */ ;\n{LIST}SELECT 1"
        );
        let queries = parsed(&text).unwrap();
        assert_eq!(queries.len(), 2);
        assert_eq!(queries[0].uses, [0]);
        assert!(queries[0].named.sql().starts_with("SELECT ';'"));
        assert!(queries[0].named.sql().ends_with("IS NULL"));
        assert_eq!(queries[0].location.name, (3, 10));
        assert_eq!(queries[0].location.sql, (6, 1));
        assert_eq!(queries[1].named.sql(), "SELECT 1");
    }

    #[test]
    fn used_and_declared_parameters_must_agree() {
        let errors = parsed(&format!("{GET}SELECT :idd, 'x:y', \":z\";")).unwrap_err();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(
            errors[0],
            "q.sql:3:10: `id` is declared but `:id` is not used\n  \
             use it in the statement, or remove its `param` line"
        );
        assert_eq!(errors[1], "q.sql:4:8: `:idd` is not declared\n  did you mean `:id`?");
    }

    #[test]
    fn limit_is_a_parameter_that_need_not_be_used() {
        let queries = parsed(&format!("{LIST}-- limit: 5 max 9\nSELECT 1;")).unwrap();
        assert_eq!(queries[0].parameters[0].name, "limit");
        assert!(queries[0].uses.is_empty());
        let queries = parsed(&format!("{LIST}-- limit: 5 max 9\nSELECT 1 LIMIT :limit;")).unwrap();
        assert_eq!(queries[0].uses, [0]);
    }

    #[test]
    fn mistakes_of_the_file_are_found() {
        for (text, place, says) in [
            ("SELECT 1;", "1:1", "no `name` line"),
            ("-- nam: a :one\nSELECT 1;", "1:3", "no `name` line"),
            ("-- http: GET /a\n-- name: a :one\nSELECT 1;", "1:3", "before its `name`"),
            ("-- name: a :one\n-- http: GET /a\n", "1:3", "no statement after it"),
            ("-- name: a :one\n-- http: GET /a\n;\n", "1:3", "no statement after it"),
            (
                "-- name: a :one\n-- http: GET /a\nSELECT 1\n-- name: b :one\n-- http: GET /b\nSELECT 2;",
                "4:3",
                "a new head inside",
            ),
            (
                "-- name: a :one\n-- http: GET /a\nSELECT :i\n-- param i: int64\n;",
                "4:3",
                "a line of a head inside",
            ),
            ("-- name: a :one\n-- http: GET /a\nSELECT ?;", "3:8", "a placeholder without a name"),
            ("-- name: a :one\n-- http: GET /a\nSELECT $1;", "3:8", "a placeholder without a name"),
            ("-- name: a :one\n-- http: GET /a\nSELECT 'x;", "3:8", "the string that starts here"),
            (
                "-- name: a :one\n-- http: GET /a\n  SELECT :a:b;",
                "3:12",
                "without anything between",
            ),
        ] {
            let errors = parsed(text).unwrap_err();
            assert!(errors[0].starts_with(&format!("q.sql:{place}: ")), "{text}\n{errors:#?}");
            assert!(errors[0].contains(says), "{text}\n{errors:#?}");
        }
    }

    #[test]
    fn a_line_of_a_head_without_its_colon_does_not_pass_for_a_comment() {
        for (text, place) in [
            (format!("{LIST}-- limit 50 max 500\nSELECT 1;"), "3:4"),
            (format!("{LIST}-- param x int64\nSELECT 1;"), "3:4"),
            (format!("-- limit 50\n{LIST}SELECT 1;"), "1:4"),
            (format!("{GET}SELECT :id;\n{LIST}  --limit : 5\nSELECT 1;"), "7:5"),
            ("-- name a.list :many\n-- http: GET /a\nSELECT 1;".to_owned(), "1:3"),
        ] {
            let errors = parsed(&text).unwrap_err();
            assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
            assert!(errors[0].starts_with(&format!("q.sql:{place}: ")), "{text}\n{errors:#?}");
        }
        // Introductions, comments of three dashes and the statement's own comments are free.
        let free = format!(
            "-- Name and route stand in each head.\n-- limit what you read\n\n{LIST}\
             --- limit 50\n-- Sorted.\nSELECT 1\n-- limit 50\n;"
        );
        assert_eq!(parsed(&free).unwrap()[0].limit, None);
    }

    #[test]
    fn mistakes_of_several_queries_are_shown_at_once_in_order() {
        let errors =
            parsed("-- name: a\nSELECT 1;\n-- name: b :one\n-- htp: GET /b\nSELECT ?;\nSELECT 2;")
                .unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["1", "4", "6"], "{errors:#?}");
    }

    #[test]
    fn places_in_the_statement_are_places_in_the_file() {
        let text = format!("{GET}  SELECT :id,\n  x;");
        let query = &parsed(&text).unwrap()[0];
        let sql = query.named.sql();
        let at = |needle| {
            let error = query.location.at_sql(sql, sql.find(needle).unwrap(), "");
            (error.line, error.column)
        };
        assert_eq!(at(":id"), (4, 10));
        assert_eq!(at("x"), (5, 3));
    }

    #[test]
    fn no_text_panics() {
        let seed = format!("{GET}SELECT :id, 'é' /* c */;\n{LIST}-- limit: 1 max 2\nSELECT \"q\";");
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut bytes = seed.clone().into_bytes();
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len().max(1);
                match state >> 61 {
                    _ if bytes.is_empty() => break,
                    0..=3 => {
                        bytes[at] = b"-:;'\"/*{}()=?$ \n\xc3\x00na"[(state >> 20) as usize % 20]
                    }
                    4 | 5 => {
                        bytes.remove(at);
                    }
                    _ => bytes.truncate(at + 1),
                }
            }
            let _ = parsed(&String::from_utf8_lossy(&bytes));
        }
    }
}
