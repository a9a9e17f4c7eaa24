//! `:name` parameters: found once per text, written in the engine's own form, repeated for bulk inserts.
//!
//! A name is a letter or `_`, then letters (of any script), digits, `_`, and `.` between parts (`:station.code`, for nested
//! fields). Untouched are strings, quoted identifiers, comments, casts (`x::int`, `:x::int`), `:=`, the bounds of array
//! slices (`a[1:2]`, `a[lo:hi]`; write `a[lo : :hi]` for a parameter) and the values of JSON keys (`'k':v`). On an engine
//! whose operators contain `?`, such an operator may be written as it is (`data ? :key`) or as `??`.
//!
//! A name used twice is one value on engines with numbered placeholders (`$1 IS NULL OR a = $1`), and two values, both
//! filled from the same argument, where they are plain `?`. Where PostgreSQL finds two types for the one `$1`, cast it:
//! `:x::text`.

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::{SqlTextError, SqlTextErrorKind};
use super::keyword::Keyword;
use super::lexis::Lexis;
use super::placeholders::{Arg, Group, Padding, fit};
use super::position::Position;
use super::style::{Style, Writer};
use super::token::{Token, TokenKind, Tokens};

/// A text with named parameters, read once and usable any number of times.
#[derive(Debug, Clone)]
pub struct ParsedNamed {
    sql: Box<str>,
    lexis: Lexis,
    marks: Box<[Mark]>,
    /// Where each distinct name is first used, without its colon, in order of first use.
    names: Box<[Range<usize>]>,
}

/// A place in the text that is rewritten.
#[derive(Debug, Clone)]
struct Mark {
    start: usize,
    end: usize,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// `??`.
    Escape,
    Param {
        /// Index into the distinct names.
        name: usize,
        /// Stands alone in an `IN` list.
        element: bool,
    },
}

impl Mark {
    fn name(&self) -> Option<usize> {
        match self.what {
            What::Param { name, .. } => Some(name),
            What::Escape => None,
        }
    }
}

/// Which value a placeholder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedSlot {
    /// Index into [`ParsedNamed::names`].
    pub name: usize,
    /// Which element of the value, if it is a list; 0 otherwise.
    pub element: usize,
}

/// A text in the engine's own form, and where its values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedText {
    /// What to send.
    pub text: String,
    /// The values, in the order the engine wants them.
    pub slots: Vec<NamedSlot>,
}

/// The text of a bulk statement, and where its values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkText {
    /// What to send.
    pub text: String,
    /// How many rows it takes.
    pub rows: usize,
    /// The values of one row, in the order the engine wants them: indices into [`ParsedNamed::names`]. All rows follow each
    /// other in this order.
    pub row: Vec<usize>,
}

impl ParsedNamed {
    /// Finds the named parameters of a text.
    ///
    /// # Errors
    ///
    /// A positional placeholder beside or instead of names, `:a:b`, `::::`, `??` where the engine has no operator `?`, and a
    /// text with parameters that ends inside a string or comment.
    pub fn parse(sql: &str, lexis: &Lexis) -> Result<ParsedNamed, SqlTextError> {
        let mut marks = Vec::new();
        let mut names = Vec::new();
        let mut seen = BTreeMap::new();
        let mut position = Position::start();
        let mut cast_end = None;
        let mut tokens = Tokens::new(sql, lexis);
        while let Some(token) = tokens.next() {
            let refuse = |kind| Err(SqlTextError::at(kind, sql, lexis, token.start));
            match token.kind {
                TokenKind::Named if position.is_directly_after_param(&token) => {
                    return refuse(SqlTextErrorKind::AdjacentNames);
                }
                TokenKind::Named if !position.is_plain_colon() => {
                    let range = token.start + 1..token.end;
                    let name = *seen.entry(&sql[range.clone()]).or_insert_with(|| {
                        names.push(range);
                        names.len() - 1
                    });
                    marks.push(Mark {
                        start: token.start,
                        end: token.end,
                        what: What::Param { name, element: position.is_list_element(&tokens) },
                    });
                }
                TokenKind::Named => {
                    // A colon and a plain name: what follows stands after a name.
                    position.pass_name();
                    continue;
                }
                TokenKind::Numbered | TokenKind::Native => {
                    return refuse(SqlTextErrorKind::PositionalInNamed);
                }
                TokenKind::Question
                    if !lexis.question_mark_operators
                        || !position.can_be_operator(sql, &token, &tokens) =>
                {
                    return refuse(SqlTextErrorKind::PositionalInNamed);
                }
                TokenKind::EscapedQuestion if !lexis.question_mark_operators => {
                    return refuse(SqlTextErrorKind::NoQuestionOperator);
                }
                TokenKind::EscapedQuestion => {
                    marks.push(Mark { start: token.start, end: token.end, what: What::Escape })
                }
                TokenKind::Question => {
                    position.pass_operator();
                    continue;
                }
                TokenKind::Cast if cast_end == Some(token.start) => {
                    return refuse(SqlTextErrorKind::DoubledCast);
                }
                TokenKind::Cast => cast_end = Some(token.end),
                TokenKind::Unterminated(construct) if !marks.is_empty() => {
                    return refuse(SqlTextErrorKind::Unterminated(construct));
                }
                _ => {}
            }
            position.pass(sql, &token);
        }
        Ok(ParsedNamed { sql: sql.into(), lexis: *lexis, marks: marks.into(), names: names.into() })
    }

    /// The text as it was written.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The distinct names in order of first use, without colons.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|range| &self.sql[range.clone()])
    }

    /// For each of [`names`](Self::names), where it is in `known`.
    ///
    /// # Errors
    ///
    /// A name that is not in `known`, with all known names and the one that was probably meant. Known names the text does
    /// not use are no error.
    pub fn resolve<S: AsRef<str>>(&self, known: &[S]) -> Result<Vec<usize>, SqlTextError> {
        self.names()
            .enumerate()
            .map(|(index, name)| {
                known.iter().position(|candidate| candidate.as_ref() == name).ok_or_else(|| {
                    self.unknown_name(index, known.iter().map(|candidate| candidate.as_ref()))
                })
            })
            .collect()
    }

    /// The error for a name without a value: `name` is its index in [`names`](Self::names).
    pub fn unknown_name<'k>(
        &self,
        name: usize,
        known: impl IntoIterator<Item = &'k str>,
    ) -> SqlTextError {
        let range = self.names.get(name).cloned().unwrap_or(0..0);
        let place = range.start.saturating_sub(1);
        let name = &self.sql[range];
        let known: Vec<&str> = known.into_iter().collect();
        let kind = SqlTextErrorKind::UnknownName {
            name: name.to_owned(),
            suggestion: closest(name, &known).map(str::to_owned),
            known: known.into_iter().map(str::to_owned).collect(),
        };
        SqlTextError::at(kind, &self.sql, &self.lexis, place)
    }

    /// The text in the engine's own form, one value for each name.
    pub fn text(&self, style: Style) -> NamedText {
        let sizes = vec![1; self.names.len()];
        self.write(style, &sizes, &sizes)
    }

    /// The text in the engine's own form, with lists: `args` says for each of [`names`](Self::names) what it stands for.
    ///
    /// A list used several times is padded only if every use is an element of an `IN` list.
    ///
    /// # Errors
    ///
    /// Not as many `args` as names; an empty list; more parameters than `padding` allows.
    pub fn expand(
        &self,
        style: Style,
        args: &[Arg],
        padding: Padding,
    ) -> Result<NamedText, SqlTextError> {
        if args.len() != self.names.len() {
            return Err(SqlTextError::nowhere(SqlTextErrorKind::ArgumentCount {
                placeholders: self.names.len(),
                arguments: args.len(),
            }));
        }
        if let Some(empty) = args.iter().position(|arg| *arg == Arg::List(0)) {
            let range = self.names[empty].clone();
            let place = range.start - 1;
            let kind = SqlTextErrorKind::EmptyList(format!("`:{}`", &self.sql[range]));
            return Err(SqlTextError::at(kind, &self.sql, &self.lexis, place));
        }
        let mut uses = vec![0_usize; args.len()];
        let mut in_lists = vec![true; args.len()];
        for mark in &self.marks {
            if let What::Param { name, element } = mark.what {
                uses[name] += 1;
                in_lists[name] &= element;
            }
        }
        let groups: Vec<Group> = args
            .iter()
            .enumerate()
            .map(|(name, arg)| {
                let uses = if style.is_numbered() { 1 } else { uses[name] };
                Group::new(*arg, uses, in_lists[name])
            })
            .collect();
        let (sizes, _) = fit(&groups, padding).map_err(SqlTextError::nowhere)?;
        let elements: Vec<usize> = args
            .iter()
            .map(|arg| match arg {
                Arg::One => 1,
                Arg::List(elements) => *elements,
            })
            .collect();
        Ok(self.write(style, &sizes, &elements))
    }

    /// Writes `sizes[name]` placeholders for each name, filled from `elements[name]` elements.
    fn write(&self, style: Style, sizes: &[usize], elements: &[usize]) -> NamedText {
        let slots_of = |name: usize| {
            (0..sizes[name])
                .map(move |slot| NamedSlot { name, element: slot.min(elements[name] - 1) })
        };
        let mut slots = Vec::with_capacity(sizes.iter().sum());
        let mut firsts = Vec::new();
        if style.is_numbered() {
            for name in 0..sizes.len() {
                firsts.push(slots.len() + 1);
                slots.extend(slots_of(name));
            }
        }
        let mut writer = Writer::new(&self.sql, style, slots.len());
        for mark in &self.marks {
            writer.copy_to(mark.start);
            match mark.name() {
                None => writer.text("?"),
                Some(name) => {
                    let first = match firsts.get(name) {
                        Some(first) => *first,
                        None => {
                            slots.extend(slots_of(name));
                            1
                        }
                    };
                    writer.params(first, sizes[name]);
                }
            }
            writer.skip_to(mark.end);
        }
        NamedText { text: writer.finish(), slots }
    }

    /// The text of a bulk statement for `rows` rows: its `VALUES (...)` group is repeated, what stands before and after it
    /// (`ON CONFLICT`, `ON DUPLICATE KEY UPDATE`, `RETURNING`) is kept.
    ///
    /// The group is the first one after a `VALUES` (or `VALUES ROW`, and on MySQL `VALUE`) that has named parameters in it,
    /// wherever it stands, so `UPDATE ... FROM (VALUES (:id, :level)) AS v(id, level)` works too.
    ///
    /// # Errors
    ///
    /// No rows; no such group; a further group after it; and with several rows a name outside the group.
    pub fn bulk(&self, style: Style, rows: usize) -> Result<BulkText, SqlTextError> {
        if rows == 0 {
            return Err(SqlTextError::nowhere(SqlTextErrorKind::NoRows));
        }
        let group = self.values_group()?;
        if rows == 1 {
            let single = self.text(style);
            return Ok(BulkText {
                text: single.text,
                rows,
                row: single.slots.iter().map(|slot| slot.name).collect(),
            });
        }
        let row = self.row(&group, style)?;
        let (before, inside, after) = self.around(&group);
        let mut writer = Writer::new(&self.sql, style, (group.len() + 2 * row.len() + 2) * rows);
        let escape = |writer: &mut Writer<'_>, mark: &Mark| {
            writer.copy_to(mark.start);
            writer.text("?");
            writer.skip_to(mark.end);
        };
        for mark in before {
            escape(&mut writer, mark);
        }
        writer.copy_to(group.start);
        let mut written = 0;
        for index in 0..rows {
            if index > 0 {
                writer.text(", ");
                writer.rewind_to(group.start);
            }
            let first = index * row.len();
            for mark in inside {
                let Some(name) = mark.name() else {
                    escape(&mut writer, mark);
                    continue;
                };
                writer.copy_to(mark.start);
                let number = if style.is_numbered() {
                    // A row holds each name once, in the order of the names.
                    first + name + 1
                } else {
                    written += 1;
                    written
                };
                writer.param(number);
                writer.skip_to(mark.end);
            }
            writer.copy_to(group.end);
        }
        for mark in after {
            escape(&mut writer, mark);
        }
        Ok(BulkText { text: writer.finish(), rows, row })
    }

    /// How many rows one bulk statement can take on an engine with at most `max_params` parameters in a statement.
    ///
    /// # Errors
    ///
    /// As [`bulk`](Self::bulk) for several rows, and a single row that does not fit.
    pub fn rows_per_statement(
        &self,
        style: Style,
        max_params: usize,
    ) -> Result<usize, SqlTextError> {
        let row = self.row(&self.values_group()?, style)?.len();
        match max_params / row {
            0 => Err(SqlTextError::nowhere(SqlTextErrorKind::TooManyParams {
                params: row,
                max: max_params,
            })),
            rows => Ok(rows),
        }
    }

    /// The values of one row of the group; refuses names outside it.
    fn row(&self, group: &Range<usize>, style: Style) -> Result<Vec<usize>, SqlTextError> {
        let (before, inside, after) = self.around(group);
        if let Some((mark, name)) =
            before.iter().chain(after).find_map(|mark| Some((mark, mark.name()?)))
        {
            let name = self.sql[self.names[name].clone()].to_owned();
            return Err(SqlTextError::at(
                SqlTextErrorKind::NameOutsideValues(name),
                &self.sql,
                &self.lexis,
                mark.start,
            ));
        }
        let mut row = Vec::with_capacity(inside.len());
        for name in inside.iter().filter_map(Mark::name) {
            // Names are numbered by first use and all of them are in the group: a new one is one larger than all before.
            if !style.is_numbered() || name >= row.len() {
                row.push(name);
            }
        }
        Ok(row)
    }

    /// The marks before, inside and after the group.
    fn around(&self, group: &Range<usize>) -> (&[Mark], &[Mark], &[Mark]) {
        let start = self.marks.partition_point(|mark| mark.start < group.start);
        let end = self.marks.partition_point(|mark| mark.start < group.end);
        (&self.marks[..start], &self.marks[start..end], &self.marks[end..])
    }

    /// The first `(...)` or `ROW (...)` after `VALUES` that has a named parameter in it.
    fn values_group(&self) -> Result<Range<usize>, SqlTextError> {
        let mut tokens = Tokens::new(&self.sql, &self.lexis).filter(Token::is_significant);
        let mut after_dot = false;
        while let Some(token) = tokens.next() {
            let values = !after_dot && self.is_values(&token);
            after_dot = token.kind == TokenKind::Symbol(b'.');
            if !values {
                continue;
            }
            let Some(group) = self.group(&mut tokens.clone()) else {
                continue;
            };
            if !self.around(&group).1.iter().any(|mark| mark.name().is_some()) {
                continue;
            }
            let next = tokens.find(|token| token.start >= group.end);
            return match next {
                Some(next) if next.kind == TokenKind::Symbol(b',') => Err(SqlTextError::at(
                    SqlTextErrorKind::SeveralValuesGroups,
                    &self.sql,
                    &self.lexis,
                    next.start,
                )),
                _ => Ok(group),
            };
        }
        Err(SqlTextError::nowhere(SqlTextErrorKind::NoValuesGroup))
    }

    fn is_values(&self, token: &Token) -> bool {
        token.kind == TokenKind::Word
            && match Keyword::of(token.text(&self.sql)) {
                Some(Keyword::Values) => true,
                // MySQL's synonym.
                Some(Keyword::Value) => self.lexis.user_variables,
                _ => false,
            }
    }

    /// The balanced group the tokens start with.
    fn group(&self, tokens: &mut impl Iterator<Item = Token>) -> Option<Range<usize>> {
        let mut token = tokens.next()?;
        let start = token.start;
        if token.kind == TokenKind::Word && Keyword::of(token.text(&self.sql)) == Some(Keyword::Row)
        {
            token = tokens.next()?;
        }
        if token.kind != TokenKind::Symbol(b'(') {
            return None;
        }
        let mut depth = 1_usize;
        for token in tokens {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') if depth == 1 => return Some(start..token.end),
                TokenKind::Symbol(b')') => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// The name that was probably meant: the same but for case, the last part of a nested one, or a few letters away.
fn closest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let lower = name.to_lowercase();
    let near = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        if candidate == lower {
            return Some(0);
        }
        let distance = strsim::osa_distance(&candidate, &lower);
        if distance <= 1.max(lower.chars().count() / 3) {
            return Some(distance);
        }
        (last(&candidate) == last(&lower)).then_some(usize::MAX)
    };
    known
        .iter()
        .filter_map(|candidate| Some((near(candidate)?, *candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Construct;

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const LITE: Lexis = Lexis::sqlite();

    fn parse(sql: &str) -> ParsedNamed {
        ParsedNamed::parse(sql, &PG).unwrap()
    }

    fn names(parsed: &ParsedNamed) -> Vec<&str> {
        parsed.names().collect()
    }

    fn refused(sql: &str, lexis: &Lexis) -> SqlTextErrorKind {
        ParsedNamed::parse(sql, lexis).unwrap_err().kind().clone()
    }

    /// Text and the name of each slot.
    fn written(sql: &str, lexis: &Lexis, style: Style) -> (String, Vec<String>) {
        let parsed = ParsedNamed::parse(sql, lexis).unwrap();
        let text = parsed.text(style);
        let names = names(&parsed);
        let slots = text.slots.iter().map(|slot| names[slot.name].to_owned());
        (text.text, slots.collect())
    }

    #[test]
    fn names_become_placeholders_in_order() {
        let sql = "INSERT INTO t (a, b) VALUES (:a, :b_1)";
        assert_eq!(
            written(sql, &PG, Style::Dollar),
            ("INSERT INTO t (a, b) VALUES ($1, $2)".into(), vec!["a".into(), "b_1".into()])
        );
        assert_eq!(written(sql, &MY, Style::Question).0, "INSERT INTO t (a, b) VALUES (?, ?)");
        assert_eq!(
            written(sql, &LITE, Style::NumberedQuestion).0,
            "INSERT INTO t (a, b) VALUES (?1, ?2)"
        );
    }

    #[test]
    fn a_name_used_twice_is_one_value_where_placeholders_are_numbered() {
        let sql = "SELECT :a IS NULL OR x = :a AND y = :b";
        let (text, slots) = written(sql, &PG, Style::Dollar);
        assert_eq!(text, "SELECT $1 IS NULL OR x = $1 AND y = $2");
        assert_eq!(slots, ["a", "b"]);
        let (text, slots) = written(sql, &MY, Style::Question);
        assert_eq!(text, "SELECT ? IS NULL OR x = ? AND y = ?");
        assert_eq!(slots, ["a", "a", "b"]);
    }

    #[test]
    fn what_only_looks_like_a_name_is_left_alone() {
        for (sql, wanted) in [
            ("SELECT '12:30', ':x', \":x\", :a", "SELECT '12:30', ':x', \":x\", $1"),
            ("SELECT $$:x$$, /* :x */ :a -- :x", "SELECT $$:x$$, /* :x */ $1 -- :x"),
            ("SELECT x::int, :a::text, '1'::int", "SELECT x::int, $1::text, '1'::int"),
            ("SELECT f(k := :a)", "SELECT f(k := $1)"),
            ("SELECT f(k :=:a)", "SELECT f(k :=$1)"),
            (
                "SELECT v[1:2], v[lo:hi], v[lo : :a], v[:a]",
                "SELECT v[1:2], v[lo:hi], v[lo : $1], v[$1]",
            ),
            ("SELECT v[1:n][2:m], :a", "SELECT v[1:n][2:m], $1"),
            ("SELECT JSON_OBJECT('k':v, 'l': :a)", "SELECT JSON_OBJECT('k':v, 'l': $1)"),
            ("SELECT data ? :a", "SELECT data ? $1"),
            ("SELECT data ?| :a, data @? :b", "SELECT data ?| $1, data @? $2"),
            ("SELECT data ?? :a", "SELECT data ? $1"),
            ("SELECT data->:a->>:b", "SELECT data->$1->>$2"),
            ("SELECT E'\\':x', :a", "SELECT E'\\':x', $1"),
            ("SELECT :a. FROM t", "SELECT $1. FROM t"),
            ("SELECT LIMIT:a", "SELECT LIMIT$1"),
        ] {
            let (text, _) = written(sql, &PG, Style::Dollar);
            assert_eq!(text.replace("LIMIT $1", "LIMIT$1"), wanted, "{sql}");
        }
        assert_eq!(written("SELECT @a := :b", &MY, Style::Question).0, "SELECT @a := ?");
        assert_eq!(written("SELECT [:x], :a", &LITE, Style::Question).0, "SELECT [:x], ?");
    }

    #[test]
    fn name_ends_where_it_should_even_at_the_end_of_the_text() {
        for (sql, name) in [
            ("SELECT :a_", "a_"),
            ("SELECT :a.b", "a.b"),
            ("SELECT :a.", "a"),
            ("SELECT (:größe)", "größe"),
            ("SELECT :a::int", "a"),
            ("SELECT :a;", "a"),
        ] {
            assert_eq!(names(&parse(sql)), [name], "{sql}");
        }
    }

    #[test]
    fn other_placeholders_are_refused() {
        for (sql, lexis) in [
            ("SELECT :a, ?", MY),
            ("SELECT ?", MY),
            ("SELECT :a, $1", PG),
            ("WHERE a = :a AND b = ?", PG),
            ("SELECT :a, ?1", LITE),
            ("SELECT :a, @b", LITE),
            ("SELECT :a, $b", LITE),
        ] {
            assert_eq!(refused(sql, &lexis), SqlTextErrorKind::PositionalInNamed, "{sql}");
        }
        assert_eq!(refused("SELECT a ?? :b", &MY), SqlTextErrorKind::NoQuestionOperator);
    }

    #[test]
    fn mistakes_are_refused_where_they_are() {
        let error = ParsedNamed::parse("SELECT :a:b", &PG).unwrap_err();
        assert_eq!(*error.kind(), SqlTextErrorKind::AdjacentNames);
        assert_eq!(error.column(), Some(10));
        assert_eq!(refused("SELECT x::::int", &PG), SqlTextErrorKind::DoubledCast);
        assert_eq!(
            refused("SELECT :a, 'x", &PG),
            SqlTextErrorKind::Unterminated(Construct::String)
        );
    }

    #[test]
    fn unknown_name_says_which_exist_and_which_was_meant() {
        let parsed = parse("INSERT INTO t VALUES (:code, :rivr)");
        assert_eq!(parsed.resolve(&["rivr", "code"]).unwrap(), [1, 0]);
        let error = parsed.resolve(&["id", "code", "river"]).unwrap_err();
        assert_eq!(error.column(), Some(30));
        let text = error.to_string();
        assert!(text.contains("no value was given for `:rivr`; did you mean `:river`? (names given: id, code, river)"), "{text}");
        let none: [&str; 0] = [];
        assert!(parsed.resolve(&none).unwrap_err().to_string().contains("no names were given"));
    }

    #[test]
    fn suggestions_are_close_or_absent() {
        assert_eq!(closest("Code", &["river", "code"]), Some("code"));
        assert_eq!(closest("code", &["river", "station.code"]), Some("station.code"));
        assert_eq!(closest("levl", &["level", "lever"]), Some("level"));
        assert_eq!(closest("zzz", &["river", "code"]), None);
    }

    #[test]
    fn lists_are_expanded_and_padded_by_name() {
        let parsed = parse("a IN (:ids) AND b = :b AND c NOT IN (:ids)");
        let args = [Arg::List(7), Arg::One];
        let text = parsed.expand(Style::Dollar, &args, Padding::UpTo(100)).unwrap();
        assert_eq!(
            text.text,
            "a IN ($1, $2, $3, $4, $5, $6, $7, $8) AND b = $9 AND c NOT IN ($1, $2, $3, $4, $5, $6, $7, $8)"
        );
        let elements: Vec<_> = text.slots.iter().map(|slot| (slot.name, slot.element)).collect();
        assert_eq!(
            elements,
            [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 6), (1, 0)]
        );
        let text =
            parsed.expand(Style::Question, &[Arg::List(2), Arg::One], Padding::Exact).unwrap();
        assert_eq!(text.text, "a IN (?, ?) AND b = ? AND c NOT IN (?, ?)");
        let elements: Vec<_> = text.slots.iter().map(|slot| (slot.name, slot.element)).collect();
        assert_eq!(elements, [(0, 0), (0, 1), (1, 0), (0, 0), (0, 1)]);
    }

    #[test]
    fn list_used_outside_in_is_not_padded() {
        let parsed = parse("a IN (:ids) AND f(:ids)");
        let text = parsed.expand(Style::Dollar, &[Arg::List(7)], Padding::UpTo(100)).unwrap();
        assert_eq!(text.slots.len(), 7);
    }

    #[test]
    fn wrong_lists_are_refused() {
        let parsed = parse("a IN (:ids)");
        let refused = |args: &[Arg], padding| {
            parsed.expand(Style::Question, args, padding).unwrap_err().kind().clone()
        };
        assert_eq!(
            refused(&[Arg::List(0)], Padding::Exact),
            SqlTextErrorKind::EmptyList("`:ids`".into())
        );
        assert_eq!(
            refused(&[], Padding::Exact),
            SqlTextErrorKind::ArgumentCount { placeholders: 1, arguments: 0 }
        );
        assert_eq!(
            refused(&[Arg::List(9)], Padding::UpTo(8)),
            SqlTextErrorKind::TooManyParams { params: 9, max: 8 }
        );
    }

    #[test]
    fn bulk_repeats_the_group_and_keeps_the_tail() {
        let parsed = parse(
            "INSERT INTO t (a, b) values (:a, f(:b, ')')) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b RETURNING id",
        );
        let bulk = parsed.bulk(Style::Dollar, 3).unwrap();
        assert_eq!(
            bulk.text,
            "INSERT INTO t (a, b) values ($1, f($2, ')')), ($3, f($4, ')')), ($5, f($6, ')')) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b RETURNING id"
        );
        assert_eq!(bulk.row, [0, 1]);
        assert_eq!(parsed.bulk(Style::Dollar, 1).unwrap().text, parsed.text(Style::Dollar).text);
    }

    #[test]
    fn bulk_finds_the_right_group() {
        for (lexis, sql, wanted) in [
            (
                MY,
                "INSERT INTO t VALUES (:a) ON DUPLICATE KEY UPDATE a = VALUES(a)",
                "INSERT INTO t VALUES (?), (?) ON DUPLICATE KEY UPDATE a = VALUES(a)",
            ),
            (MY, "INSERT INTO t VALUE(:a)", "INSERT INTO t VALUE(?), (?)"),
            (MY, "INSERT INTO t VALUES ROW(:a)", "INSERT INTO t VALUES ROW(?), ROW(?)"),
            (
                LITE,
                "INSERT INTO t (\"values\") VALUES /* (:x) */ (:a) -- tail",
                "INSERT INTO t (\"values\") VALUES /* (:x) */ (?), (?) -- tail",
            ),
            (
                PG,
                "UPDATE t SET x = v.x FROM (VALUES (:a::int)) AS v(x) WHERE t.a ?? 'k'",
                "UPDATE t SET x = v.x FROM (VALUES (?::int), (?::int)) AS v(x) WHERE t.a ? 'k'",
            ),
            (
                PG,
                "WITH d AS (VALUES (1)) INSERT INTO t VALUES (:a ?? 'x')",
                "WITH d AS (VALUES (1)) INSERT INTO t VALUES (? ? 'x'), (? ? 'x')",
            ),
        ] {
            let parsed = ParsedNamed::parse(sql, &lexis).unwrap();
            assert_eq!(parsed.bulk(Style::Question, 2).unwrap().text, wanted);
        }
    }

    #[test]
    fn bulk_row_follows_the_style() {
        let parsed = parse("INSERT INTO t VALUES (:a, :b, :a)");
        let bulk = parsed.bulk(Style::Dollar, 2).unwrap();
        assert_eq!(bulk.text, "INSERT INTO t VALUES ($1, $2, $1), ($3, $4, $3)");
        assert_eq!(bulk.row, [0, 1]);
        let bulk = parsed.bulk(Style::Question, 2).unwrap();
        assert_eq!(bulk.text, "INSERT INTO t VALUES (?, ?, ?), (?, ?, ?)");
        assert_eq!(bulk.row, [0, 1, 0]);
        assert_eq!(parsed.rows_per_statement(Style::Dollar, 65_535).unwrap(), 32_767);
        assert_eq!(parsed.rows_per_statement(Style::Question, 65_535).unwrap(), 21_845);
    }

    #[test]
    fn impossible_bulk_statements_are_refused() {
        let refused =
            |sql: &str, rows| parse(sql).bulk(Style::Dollar, rows).unwrap_err().kind().clone();
        assert_eq!(refused("INSERT INTO t VALUES (:a)", 0), SqlTextErrorKind::NoRows);
        assert_eq!(refused("SELECT :a", 2), SqlTextErrorKind::NoValuesGroup);
        assert_eq!(refused("INSERT INTO t VALUES (:a", 2), SqlTextErrorKind::NoValuesGroup);
        assert_eq!(
            refused("INSERT INTO t VALUES (:a), (:b)", 2),
            SqlTextErrorKind::SeveralValuesGroups
        );
        assert_eq!(
            refused("INSERT INTO t VALUES (:a) ON CONFLICT DO UPDATE SET x = :x", 2),
            SqlTextErrorKind::NameOutsideValues("x".into())
        );
        let parsed = parse("INSERT INTO t VALUES (:a, :b)");
        assert_eq!(
            *parsed.rows_per_statement(Style::Dollar, 1).unwrap_err().kind(),
            SqlTextErrorKind::TooManyParams { params: 2, max: 1 }
        );
    }
}
