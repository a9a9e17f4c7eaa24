//! `?` into the engine's own placeholders, and lists into as many placeholders as they have elements.
//!
//! On every engine `?` is a placeholder and `??` a literal `?` (PostgreSQL's JSON operators: `data ?? 'key'`, `??|`, `@??`),
//! except inside strings, quoted identifiers and comments. A text that uses the engine's own form (`$1` on PostgreSQL;
//! `?1`, `:name`, `@name`, `$name` on SQLite) is left exactly as it is, and a `?` in it is an operator where one can stand;
//! a `?` that stands where only a value can stand is an error, because the two forms number their values differently.
//!
//! A text that ends inside a string or comment is refused when something in it has to be rewritten, and otherwise left for
//! the server to judge.

use std::borrow::Cow;

use super::error::{SqlTextError, SqlTextErrorKind};
use super::lexis::Lexis;
use super::position::Position;
use super::style::{Style, Writer};
use super::token::{Token, TokenKind, Tokens};

/// Which placeholders a text was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// None at all.
    None,
    /// `?`.
    Question,
    /// The engine's own: `$1`, `?1`.
    Native,
}

/// A text with the engine's placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewritten<'a> {
    /// What to send, and the key of statement caches. Borrowed where nothing had to change.
    pub text: Cow<'a, str>,
    /// How many values it takes.
    pub params: usize,
    /// What it was written with.
    pub form: Form,
}

/// Rewrites `?` and `??` for an engine, once per text; see the head of this module for the rules.
///
/// # Errors
///
/// Both forms in one text; `??` where the engine has no operator `?`; a text that ends inside a string or comment and has
/// placeholders to rewrite.
pub fn rewrite<'a>(
    sql: &'a str,
    lexis: &Lexis,
    style: Style,
) -> Result<Rewritten<'a>, SqlTextError> {
    let mut writer: Option<Writer<'a>> = None;
    let mut params = 0;
    let mut found = false;
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next_special() {
        match token.kind {
            TokenKind::Question => {
                found = true;
                params += 1;
                if style.is_numbered() {
                    let writer = writer.get_or_insert_with(|| Writer::new(sql, style, 16));
                    writer.copy_to(token.start);
                    writer.param(params);
                    writer.skip_to(token.end);
                }
            }
            TokenKind::EscapedQuestion => {
                found = true;
                if !lexis.question_mark_operators {
                    return Err(SqlTextError::at(
                        SqlTextErrorKind::NoQuestionOperator,
                        sql,
                        lexis,
                        token.start,
                    ));
                }
                let writer = writer.get_or_insert_with(|| Writer::new(sql, style, 16));
                writer.copy_to(token.start + 1);
                writer.skip_to(token.end);
            }
            TokenKind::Numbered | TokenKind::Native => return native(sql, lexis),
            TokenKind::Named if lexis.colon_params => return native(sql, lexis),
            TokenKind::Unterminated(construct) if found => {
                return Err(SqlTextError::at(
                    SqlTextErrorKind::Unterminated(construct),
                    sql,
                    lexis,
                    token.start,
                ));
            }
            _ => {}
        }
    }
    Ok(Rewritten {
        text: writer.map_or(Cow::Borrowed(sql), |writer| Cow::Owned(writer.finish())),
        params,
        form: if params > 0 { Form::Question } else { Form::None },
    })
}

/// A text in the engine's own form: unchanged, but checked for a `?` that must be a value.
fn native<'a>(sql: &'a str, lexis: &Lexis) -> Result<Rewritten<'a>, SqlTextError> {
    let mut counter = NativeCount::default();
    let mut position = Position::start();
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next() {
        if token.kind == TokenKind::Question {
            if !lexis.question_mark_operators || !position.can_be_operator(sql, &token, &tokens) {
                return Err(SqlTextError::at(
                    SqlTextErrorKind::MixedForms,
                    sql,
                    lexis,
                    token.start,
                ));
            }
            position.pass_operator();
        } else {
            counter.count(sql, lexis, &token);
            position.pass(sql, &token);
        }
    }
    Ok(Rewritten { text: Cow::Borrowed(sql), params: counter.params, form: Form::Native })
}

/// Counts the engine's own placeholders as the engine does: by the largest number; a new name takes the next one.
#[derive(Default)]
struct NativeCount<'a> {
    params: usize,
    names: Vec<&'a str>,
}

impl<'a> NativeCount<'a> {
    fn count(&mut self, sql: &'a str, lexis: &Lexis, token: &Token) {
        let text = token.text(sql);
        match token.kind {
            TokenKind::Numbered => {
                // A number too large for any engine is the server's to refuse.
                self.params = self.params.max(text[1..].parse().unwrap_or(0));
            }
            TokenKind::Native => self.name(text),
            TokenKind::Named if lexis.colon_params => self.name(text),
            _ => {}
        }
    }

    fn name(&mut self, text: &'a str) {
        if !self.names.contains(&text) {
            self.names.push(text);
            self.params += 1;
        }
    }
}

/// How many values a text takes, in whichever form it is written. Never fails: a text that [`rewrite`] refuses is counted
/// as far as it can be read.
pub fn count(sql: &str, lexis: &Lexis) -> usize {
    let mut questions = 0;
    let mut native = NativeCount::default();
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next_special() {
        match token.kind {
            TokenKind::Question => questions += 1,
            _ => native.count(sql, lexis, &token),
        }
    }
    if native.params > 0 { native.params } else { questions }
}

/// Rewrites a text from `?` to the placeholders of another engine. Strings, quoted identifiers, comments and operators stay
/// as they are; `??` becomes `?`.
///
/// Calls on a `Db` do this themselves; this is for text that goes elsewhere. The text is read as PostgreSQL reads it for
/// [`Style::Dollar`], as SQLite for [`Style::NumberedQuestion`], and as standard SQL for the others.
/// [`Style::Question`] gives the text back as it is. A text already in the target's form is left untouched.
///
/// # Errors
///
/// Both forms in one text; `??` where the engine has no operator `?`; a text that ends inside a string or comment.
pub fn rebind(sql: &str, style: Style) -> Result<Cow<'_, str>, SqlTextError> {
    let lexis = match style {
        Style::Question => return Ok(Cow::Borrowed(sql)),
        Style::Dollar => Lexis::postgres(),
        Style::NumberedQuestion => Lexis::sqlite(),
        Style::At => {
            let mut lexis = Lexis::standard();
            lexis.bracket_identifiers = true;
            lexis.nested_comments = true;
            lexis
        }
        Style::Colon => Lexis::standard(),
    };
    rewrite(sql, &lexis, style).map(|rewritten| rewritten.text)
}

/// What one `?` (or `:name`) stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// One value.
    One,
    /// This many values, with commas between them.
    List(usize),
}

/// Whether lists are made longer, so that lists of many lengths share a few statement texts (and do not flush the statement
/// cache).
///
/// Only a list that stands alone as an element of `IN (...)` or `NOT IN (...)` is ever padded: there, one value more than
/// once changes nothing. Lists anywhere else (`VALUES (?)`, `f(?)`, `ARRAY[?]`) keep their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Every list keeps its length.
    Exact,
    /// Lists grow to the next of a few sizes (`padded_len`), but never so far that the statement has more than this many
    /// parameters: the engine's limit. More than that without padding is an error.
    UpTo(usize),
}

/// A text whose lists are expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct Expanded<'a> {
    /// What to send.
    pub text: Cow<'a, str>,
    /// How many values it takes.
    pub params: usize,
    /// How many placeholders each argument got. Where a list got more than it has elements, bind its last element again.
    pub slots: Vec<usize>,
}

/// Rewrites a text like [`rewrite`], and each `?` whose argument is a list into as many placeholders.
///
/// # Errors
///
/// As [`rewrite`]; more or fewer placeholders than arguments; an empty list; a list in a text in the engine's own form; more
/// parameters than [`Padding::UpTo`] allows.
pub(crate) fn expand<'a>(
    sql: &'a str,
    lexis: &Lexis,
    style: Style,
    args: &[Arg],
    padding: Padding,
) -> Result<Expanded<'a>, SqlTextError> {
    let rewritten = rewrite(sql, lexis, style)?;
    if rewritten.params != args.len() {
        return Err(SqlTextError::nowhere(SqlTextErrorKind::ArgumentCount {
            placeholders: rewritten.params,
            arguments: args.len(),
        }));
    }
    if args.iter().all(|arg| *arg == Arg::One) {
        if let Padding::UpTo(max) = padding
            && rewritten.params > max
        {
            return Err(SqlTextError::nowhere(SqlTextErrorKind::TooManyParams {
                params: rewritten.params,
                max,
            }));
        }
        return Ok(Expanded {
            text: rewritten.text,
            params: rewritten.params,
            slots: vec![1; args.len()],
        });
    }
    if rewritten.form == Form::Native {
        return Err(SqlTextError::nowhere(SqlTextErrorKind::ListInNativeForm));
    }
    let marks = marks(sql, lexis);
    let mut groups = Vec::with_capacity(args.len());
    for (index, (arg, mark)) in args.iter().zip(params_of(&marks)).enumerate() {
        if *arg == Arg::List(0) {
            return Err(SqlTextError::at(
                SqlTextErrorKind::EmptyList(format!("argument {}", index + 1)),
                sql,
                lexis,
                mark.start,
            ));
        }
        groups.push(Group::new(*arg, 1, mark.element));
    }
    let (slots, params) = fit(&groups, padding).map_err(SqlTextError::nowhere)?;
    let mut writer = Writer::new(sql, style, params * 4);
    let mut next = 1;
    let mut sizes = slots.iter();
    for mark in &marks {
        writer.copy_to(mark.start);
        if mark.escape {
            writer.text("?");
        } else {
            let size = sizes.next().copied().unwrap_or(1);
            writer.params(next, size);
            next += size;
        }
        writer.skip_to(mark.end);
    }
    Ok(Expanded { text: Cow::Owned(writer.finish()), params, slots })
}

/// A place in a text that is rewritten.
struct Mark {
    start: usize,
    end: usize,
    /// `??`, not a placeholder.
    escape: bool,
    /// Stands alone in an `IN` list.
    element: bool,
}

fn marks(sql: &str, lexis: &Lexis) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut position = Position::start();
    let mut tokens = Tokens::new(sql, lexis);
    while let Some(token) = tokens.next() {
        if let TokenKind::Question | TokenKind::EscapedQuestion = token.kind {
            let escape = token.kind == TokenKind::EscapedQuestion;
            marks.push(Mark {
                start: token.start,
                end: token.end,
                escape,
                element: !escape && position.is_list_element(&tokens),
            });
        }
        position.pass(sql, &token);
    }
    marks
}

fn params_of(marks: &[Mark]) -> impl Iterator<Item = &Mark> {
    marks.iter().filter(|mark| !mark.escape)
}

/// An argument that is to be given a number of placeholders.
pub(super) struct Group {
    size: usize,
    uses: usize,
    paddable: bool,
}

impl Group {
    /// `uses`: how many times its placeholders are written with values of their own.
    pub(super) fn new(arg: Arg, uses: usize, in_list: bool) -> Group {
        let (size, list) = match arg {
            Arg::One => (1, false),
            Arg::List(size) => (size, true),
        };
        Group { size, uses, paddable: list && in_list }
    }
}

/// The placeholders of each group, and the parameters of the whole statement.
pub(super) fn fit(
    groups: &[Group],
    padding: Padding,
) -> Result<(Vec<usize>, usize), SqlTextErrorKind> {
    let mut params = groups
        .iter()
        .fold(0_usize, |sum, group| sum.saturating_add(group.size.saturating_mul(group.uses)));
    let mut sizes: Vec<usize> = groups.iter().map(|group| group.size).collect();
    if let Padding::UpTo(max) = padding {
        let Some(mut spare) = max.checked_sub(params) else {
            return Err(SqlTextErrorKind::TooManyParams { params, max });
        };
        for (group, size) in groups.iter().zip(&mut sizes) {
            if group.paddable && group.uses > 0 {
                let padded = padded_len(group.size, group.size + spare / group.uses);
                let growth = (padded - group.size) * group.uses;
                *size = padded;
                spare -= growth;
                params += growth;
            }
        }
    }
    Ok((sizes, params))
}

/// The size a list of `n` is padded to: the next of 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, ..., at most `max`.
///
/// Three sizes for each power of two: at most a quarter of the placeholders is padding, and lists of up to 32 766 elements
/// share 43 texts. A list longer than `max` keeps its length.
pub(crate) fn padded_len(n: usize, max: usize) -> usize {
    if n <= 4 || n >= max {
        return n;
    }
    let power = 1_usize << n.ilog2();
    let padded = [power, power + power / 4, power + power / 2]
        .into_iter()
        .find(|size| *size >= n)
        .unwrap_or_else(|| power.saturating_mul(2));
    padded.min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const LITE: Lexis = Lexis::sqlite();

    fn pg(sql: &str) -> String {
        rewrite(sql, &PG, Style::Dollar).unwrap().text.into_owned()
    }

    fn kind<T: std::fmt::Debug>(result: Result<T, SqlTextError>) -> SqlTextErrorKind {
        result.unwrap_err().kind().clone()
    }

    #[test]
    fn question_marks_are_numbered_in_order() {
        assert_eq!(
            pg("SELECT * FROM t WHERE a = ? AND b IN (?,?) LIMIT ?"),
            "SELECT * FROM t WHERE a = $1 AND b IN ($2,$3) LIMIT $4"
        );
        assert_eq!(pg("SELECT ?::int, ?::text[]"), "SELECT $1::int, $2::text[]");
        assert_eq!(pg("WHERE a=?AND b=?"), "WHERE a=$1 AND b=$2");
    }

    #[test]
    fn text_that_needs_no_change_is_borrowed() {
        for (sql, lexis, style, params) in [
            ("SELECT 1", PG, Style::Dollar, 0),
            ("SELECT '?' , \"?\", $$?$$ -- ?", PG, Style::Dollar, 0),
            ("SELECT $1, $2", PG, Style::Dollar, 2),
            ("SELECT ?, ?", MY, Style::Question, 2),
            ("SELECT ?, ?", LITE, Style::Question, 2),
            ("SELECT ?2, ?1", LITE, Style::Question, 2),
            ("", PG, Style::Dollar, 0),
        ] {
            let rewritten = rewrite(sql, &lexis, style).unwrap();
            assert!(matches!(rewritten.text, Cow::Borrowed(text) if text == sql), "{sql}");
            assert_eq!(rewritten.params, params, "{sql}");
        }
    }

    #[test]
    fn tricky_postgres_texts() {
        for (sql, wanted) in [
            ("SELECT 'it''s ?', ?", "SELECT 'it''s ?', $1"),
            (r"SELECT 'c:\', ?", r"SELECT 'c:\', $1"),
            (r"SELECT E'it\'s ?', ?", r"SELECT E'it\'s ?', $1"),
            ("SELECT $$?$$, $x$ $$ ? $x$, ?", "SELECT $$?$$, $x$ $$ ? $x$, $1"),
            ("SELECT /* ? /* ? */ ? */ ?", "SELECT /* ? /* ? */ ? */ $1"),
            ("SELECT ? -- ?\r, ?", "SELECT $1 -- ?\r, $2"),
            ("SELECT a$b$, ?, c$d$", "SELECT a$b$, $1, c$d$"),
            ("SELECT data ?? 'a' AND id = ?", "SELECT data ? 'a' AND id = $1"),
            ("SELECT data ??| ? OR data ??& ?", "SELECT data ?| $1 OR data ?& $2"),
            ("SELECT data @?? ?::jsonpath", "SELECT data @? $1::jsonpath"),
            ("SELECT data->?->>?", "SELECT data->$1->>$2"),
            ("SELECT data ?? ?", "SELECT data ? $1"),
            ("SELECT data ???", "SELECT data ?$1"),
            ("SELECT a[?:?]", "SELECT a[$1:$2]"),
            ("SELECT U&\"?\", u&'?', ?", "SELECT U&\"?\", u&'?', $1"),
            ("SELECT '12:30', ?::time", "SELECT '12:30', $1::time"),
            ("SELECT data ?? 'a'", "SELECT data ? 'a'"),
        ] {
            assert_eq!(pg(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn tricky_mysql_and_sqlite_texts_are_counted() {
        for (lexis, sql, params) in [
            (MY, r#"SELECT 'it\'s ?', "a\"?", `b?`, ?"#, 1),
            (MY, "SELECT ? # ?\n, ?", 2),
            (MY, "SELECT ?--?", 2),
            (MY, "SELECT ? -- ?", 1),
            (MY, "SELECT /*!80000 ? */ ? /* ? */", 2),
            (MY, "SELECT @a := ?, @'x?'", 1),
            (LITE, r"SELECT 'c:\', ?, [a?], `b?`", 1),
            (LITE, "SELECT ? /* ? ", 1),
            (LITE, "SELECT ?1, ?3", 3),
            (LITE, "SELECT :a, @b, $c, :a, ?7, :d", 8),
            (LITE, "SELECT $1, $2, $1", 2),
        ] {
            let rewritten = rewrite(sql, &lexis, Style::Question).unwrap();
            assert_eq!(rewritten.params, params, "{sql}");
            assert_eq!(rewritten.text, sql);
            assert_eq!(count(sql, &lexis), params, "{sql}");
        }
    }

    #[test]
    fn native_text_keeps_its_operators() {
        for sql in [
            "SELECT data ? 'a' FROM t WHERE id = $1",
            "SELECT $1::jsonb ? $2",
            "SELECT data ?| $1, data @? '$.a', ?- l",
            "SELECT data ?? $1",
        ] {
            let rewritten = rewrite(sql, &PG, Style::Dollar).unwrap();
            assert_eq!(rewritten.text, sql);
            assert_eq!(rewritten.form, Form::Native);
        }
    }

    #[test]
    fn mixing_both_forms_is_refused_with_its_place() {
        for (lexis, sql, line, column) in [
            (PG, "SELECT * FROM t\nWHERE a = $1 AND b = ?", 2, 22),
            (PG, "SELECT ?, $1", 1, 8),
            (PG, "SELECT $1 LIMIT ?", 1, 17),
            (LITE, "SELECT ?1, ?", 1, 12),
            (LITE, "SELECT ?, :a", 1, 8),
        ] {
            let error = rewrite(sql, &lexis, Style::Dollar).unwrap_err();
            assert_eq!(*error.kind(), SqlTextErrorKind::MixedForms, "{sql}");
            assert_eq!((error.line(), error.column()), (Some(line), Some(column)), "{sql}");
        }
    }

    #[test]
    fn escape_is_refused_where_no_operator_has_a_question_mark() {
        for lexis in [MY, LITE] {
            assert_eq!(
                kind(rewrite("SELECT a ?? b", &lexis, Style::Question)),
                SqlTextErrorKind::NoQuestionOperator
            );
        }
        assert_eq!(rewrite("SELECT '??'", &MY, Style::Question).unwrap().params, 0);
    }

    #[test]
    fn unterminated_text_is_refused_only_when_it_has_placeholders() {
        use crate::sql::Construct;
        assert_eq!(
            kind(rewrite("SELECT ?, 'a", &PG, Style::Dollar)),
            SqlTextErrorKind::Unterminated(Construct::String)
        );
        let sql = "SELECT 'a ?";
        assert_eq!(rewrite(sql, &PG, Style::Dollar).unwrap().text, sql);
    }

    #[test]
    fn rebind_gives_each_style_and_leaves_native_text() {
        let sql = "SELECT '?' WHERE a = ? AND b = ?";
        assert_eq!(rebind(sql, Style::Question).unwrap(), sql);
        assert_eq!(rebind(sql, Style::Dollar).unwrap(), "SELECT '?' WHERE a = $1 AND b = $2");
        assert_eq!(rebind(sql, Style::At).unwrap(), "SELECT '?' WHERE a = @p1 AND b = @p2");
        assert_eq!(rebind(sql, Style::Colon).unwrap(), "SELECT '?' WHERE a = :arg1 AND b = :arg2");
        assert_eq!(
            rebind(sql, Style::NumberedQuestion).unwrap(),
            "SELECT '?' WHERE a = ?1 AND b = ?2"
        );
        assert_eq!(rebind("SELECT $1", Style::Dollar).unwrap(), "SELECT $1");
        assert_eq!(rebind("SELECT [a?], ?", Style::At).unwrap(), "SELECT [a?], @p1");
    }

    fn expanded(
        sql: &str,
        lexis: &Lexis,
        style: Style,
        args: &[Arg],
        padding: Padding,
    ) -> (String, usize, Vec<usize>) {
        let expanded = expand(sql, lexis, style, args, padding).unwrap();
        (expanded.text.into_owned(), expanded.params, expanded.slots)
    }

    #[test]
    fn lists_are_expanded_in_every_style() {
        let sql = "SELECT '?' WHERE a = ? AND b IN (?) AND c = ?";
        let args = [Arg::One, Arg::List(3), Arg::One];
        assert_eq!(
            expanded(sql, &MY, Style::Question, &args, Padding::Exact),
            ("SELECT '?' WHERE a = ? AND b IN (?, ?, ?) AND c = ?".into(), 5, vec![1, 3, 1])
        );
        assert_eq!(
            expanded(sql, &PG, Style::Dollar, &args, Padding::Exact).0,
            "SELECT '?' WHERE a = $1 AND b IN ($2, $3, $4) AND c = $5"
        );
        assert_eq!(
            expanded(
                "a ?? ? AND b IN(?)",
                &PG,
                Style::Dollar,
                &[Arg::One, Arg::List(2)],
                Padding::Exact
            )
            .0,
            "a ? $1 AND b IN($2, $3)"
        );
        let plain = expand("a = ?", &MY, Style::Question, &[Arg::One], Padding::Exact).unwrap();
        assert!(matches!(plain.text, Cow::Borrowed(_)));
    }

    #[test]
    fn only_lists_in_in_are_padded() {
        let args = [Arg::List(7), Arg::List(7)];
        let (text, params, slots) =
            expanded("a NOT IN (?) OR b = f(?)", &MY, Style::Question, &args, Padding::UpTo(100));
        assert_eq!(slots, [8, 7]);
        assert_eq!(params, 15);
        assert_eq!(text, format!("a NOT IN (?{}) OR b = f(?{})", ", ?".repeat(7), ", ?".repeat(6)));
    }

    #[test]
    fn padding_stays_within_the_engine_limit() {
        let sql = "a IN (?) AND b IN (?) AND c = ?";
        let args = [Arg::List(7), Arg::List(9), Arg::One];
        assert_eq!(expanded(sql, &LITE, Style::Question, &args, Padding::UpTo(18)).2, [8, 9, 1]);
        assert_eq!(expanded(sql, &LITE, Style::Question, &args, Padding::UpTo(17)).2, [7, 9, 1]);
        assert_eq!(
            kind(expand(sql, &LITE, Style::Question, &args, Padding::UpTo(16))),
            SqlTextErrorKind::TooManyParams { params: 17, max: 16 }
        );
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let try_expand =
            |sql, args: &[Arg]| kind(expand(sql, &PG, Style::Dollar, args, Padding::Exact));
        assert_eq!(
            try_expand("a = ?", &[Arg::One, Arg::List(1)]),
            SqlTextErrorKind::ArgumentCount { placeholders: 1, arguments: 2 }
        );
        assert_eq!(
            try_expand("a = ? AND b IN (?)", &[Arg::List(1)]),
            SqlTextErrorKind::ArgumentCount { placeholders: 2, arguments: 1 }
        );
        assert_eq!(
            try_expand("a = $1", &[]),
            SqlTextErrorKind::ArgumentCount { placeholders: 1, arguments: 0 }
        );
        assert_eq!(
            try_expand("a IN (?)", &[Arg::List(0)]),
            SqlTextErrorKind::EmptyList("argument 1".into())
        );
        assert_eq!(try_expand("a IN ($1)", &[Arg::List(2)]), SqlTextErrorKind::ListInNativeForm);
    }

    #[test]
    fn padded_sizes_are_few_and_close() {
        let sizes: Vec<usize> = (1..=33).map(|n| padded_len(n, 1000)).collect();
        let mut distinct = sizes.clone();
        distinct.dedup();
        assert_eq!(distinct, [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40]);
        assert_eq!(padded_len(900, 1000), 1000);
        assert_eq!(padded_len(1001, 1000), 1001);
        assert_eq!(padded_len(usize::MAX - 1, usize::MAX), usize::MAX);
        let mut all: Vec<usize> = (1..=32_766).map(|n| padded_len(n, 32_766)).collect();
        all.dedup();
        assert_eq!(all.len(), 43);
        assert!(
            (1..=32_766).all(|n| padded_len(n, 32_766) >= n && padded_len(n, 32_766) * 3 <= n * 4)
        );
    }
}
