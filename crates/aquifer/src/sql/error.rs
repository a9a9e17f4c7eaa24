//! What can be wrong with a text, where, and what to do about it.

use std::error::Error;
use std::fmt;

use super::lexis::Lexis;
use super::token::{TokenKind, Tokens, line_column};

/// Characters of SQL text shown on each side of the place.
const EXCERPT_SIDE: usize = 20;
/// Names listed in one message.
const NAMES_MAX: usize = 20;

/// A part of a text that has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Construct {
    /// `'...'`, and where the engine says so `"..."`.
    String,
    /// `$tag$...$tag$`.
    DollarString,
    /// `"..."`, `` `...` ``, `[...]`.
    QuotedIdent,
    /// `/* ... */`.
    Comment,
}

impl fmt::Display for Construct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Construct::String => "string",
            Construct::DollarString => "dollar-quoted string",
            Construct::QuotedIdent => "quoted identifier",
            Construct::Comment => "comment",
        })
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqlTextErrorKind {
    /// The text ends inside this, so its placeholders cannot be told from its strings.
    Unterminated(Construct),
    /// `?` and the engine's own form (`$1`, `?1`) in one text.
    MixedForms,
    /// `?` or the engine's own form in a text with named parameters.
    PositionalInNamed,
    /// `??` on an engine that has no operator with a `?` in it.
    NoQuestionOperator,
    /// `::::`, which other libraries need in order to write a cast.
    DoubledCast,
    /// `:a:b`.
    AdjacentNames,
    /// More or fewer `?` than arguments.
    ArgumentCount {
        /// `?` in the text.
        placeholders: usize,
        /// Arguments given.
        arguments: usize,
    },
    /// A list without elements; the argument's position (from 1) or its name.
    EmptyList(String),
    /// A list as argument of a text in the engine's own form, where nothing can be expanded.
    ListInNativeForm,
    /// More parameters than the engine takes in one statement.
    TooManyParams {
        /// Parameters needed.
        params: usize,
        /// What the engine takes.
        max: usize,
    },
    /// A `:name` nobody gave a value for.
    UnknownName {
        /// The name in the text.
        name: String,
        /// The names there are values for.
        known: Vec<String>,
        /// The one that was probably meant.
        suggestion: Option<String>,
    },
    /// A bulk insert of no rows.
    NoRows,
    /// A bulk insert whose text has no `VALUES (...)` with parameters in it.
    NoValuesGroup,
    /// A bulk insert whose text already has several groups after `VALUES`.
    SeveralValuesGroups,
    /// A bulk insert with this name outside the group that is repeated.
    NameOutsideValues(String),
    /// Not usable as an identifier; says why.
    InvalidIdentifier(&'static str),
    /// A character that cannot open a quoted identifier.
    InvalidQuote(char),
    /// A NUL byte in an identifier or literal.
    NulByte,
}

/// A text that cannot be used as it is: what is wrong, where, and what to do.
///
/// The message shows at most forty characters of the text around the place, with the contents of its strings left out, and
/// never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlTextError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: SqlTextErrorKind,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    offset: usize,
    line: usize,
    column: usize,
    excerpt: String,
}

impl SqlTextError {
    pub(super) fn at(
        kind: SqlTextErrorKind,
        sql: &str,
        lexis: &Lexis,
        offset: usize,
    ) -> SqlTextError {
        let (line, column) = line_column(sql, offset);
        let excerpt = excerpt(sql, lexis, offset);
        SqlTextError(Box::new(Inner { kind, place: Some(Place { offset, line, column, excerpt }) }))
    }

    pub(super) fn nowhere(kind: SqlTextErrorKind) -> SqlTextError {
        SqlTextError(Box::new(Inner { kind, place: None }))
    }

    /// What is wrong.
    pub fn kind(&self) -> &SqlTextErrorKind {
        &self.0.kind
    }

    /// Where, in bytes from the start of the text; `None` where the text as a whole is meant.
    pub fn offset(&self) -> Option<usize> {
        self.0.place.as_ref().map(|place| place.offset)
    }

    /// The line of [`offset`](Self::offset), from 1.
    pub fn line(&self) -> Option<usize> {
        self.0.place.as_ref().map(|place| place.line)
    }

    /// The column of [`offset`](Self::offset), in characters from 1.
    pub fn column(&self) -> Option<usize> {
        self.0.place.as_ref().map(|place| place.column)
    }
}

impl fmt::Display for SqlTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "SQL text, line {} column {}", place.line, place.column)?;
            if !place.excerpt.is_empty() {
                write!(f, ", at `{}`", place.excerpt)?;
            }
            f.write_str(": ")?;
        }
        match &self.0.kind {
            SqlTextErrorKind::Unterminated(what) => {
                write!(f, "the {what} that starts here is not closed; close it")?;
                match what {
                    Construct::String => f.write_str(
                        " (if the server reads backslashes in strings differently, tell the driver)",
                    ),
                    _ => Ok(()),
                }
            }
            SqlTextErrorKind::MixedForms => f.write_str(
                "`?` and the engine's own placeholders in one text; use one form (an operator with a `?` is written `??` in the `?` form)",
            ),
            SqlTextErrorKind::PositionalInNamed => f.write_str(
                "a positional placeholder in a text with named parameters; give it a `:name` (an operator with a `?` is written `??`)",
            ),
            SqlTextErrorKind::NoQuestionOperator => f.write_str(
                "`??` stands for an operator `?`, which this engine does not have; for a placeholder write one `?`",
            ),
            SqlTextErrorKind::DoubledCast => {
                f.write_str("`::::` is no operator; a cast needs no escape here, write `::`")
            }
            SqlTextErrorKind::AdjacentNames => f.write_str(
                "a named parameter directly after another; put an operator or, in an array slice, `: ` between them",
            ),
            SqlTextErrorKind::ArgumentCount {
                placeholders,
                arguments,
            } => write!(
                f,
                "the SQL text has {placeholders} placeholder{}, but {arguments} argument{} given",
                if *placeholders == 1 { "" } else { "s" },
                if *arguments == 1 { " was" } else { "s were" },
            ),
            SqlTextErrorKind::EmptyList(argument) => write!(
                f,
                "the list given for {argument} is empty, and `IN ()` is not SQL; skip the statement, or write a condition that is false"
            ),
            SqlTextErrorKind::ListInNativeForm => f.write_str(
                "a list cannot be expanded into the engine's own placeholders; write this text with `?` or `:name`",
            ),
            SqlTextErrorKind::TooManyParams { params, max } => write!(
                f,
                "the statement needs {params} parameters, the engine takes {max}; split the work, or pass the list another way (an array, a temporary table)"
            ),
            SqlTextErrorKind::UnknownName {
                name,
                known,
                suggestion,
            } => unknown_name(f, name, known, suggestion.as_deref()),
            SqlTextErrorKind::NoRows => {
                f.write_str("a bulk statement needs at least one row, and none was given; skip the call")
            }
            SqlTextErrorKind::NoValuesGroup => f.write_str(
                "a bulk statement needs one `VALUES (:a, ...)` group to repeat, and the SQL text has none; write one, or run it row by row",
            ),
            SqlTextErrorKind::SeveralValuesGroups => f.write_str(
                "a bulk statement repeats its `VALUES (...)` group, and this SQL text already has several; leave one",
            ),
            SqlTextErrorKind::NameOutsideValues(name) => write!(
                f,
                "`:{name}` stands outside the `VALUES (...)` group, so no one row can give its value; refer to the new row (`EXCLUDED.x`, `VALUES(x)`), or run it row by row"
            ),
            SqlTextErrorKind::InvalidIdentifier(why) => {
                write!(f, "not usable as an SQL identifier: {why}")
            }
            SqlTextErrorKind::InvalidQuote(quote) => write!(
                f,
                "{quote:?} does not quote identifiers; use '\"', '`' or '['"
            ),
            SqlTextErrorKind::NulByte => f.write_str(
                "a NUL byte cannot be part of SQL text; remove it, or bind the value as bytes",
            ),
        }
    }
}

impl Error for SqlTextError {}

fn unknown_name(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    known: &[String],
    suggestion: Option<&str>,
) -> fmt::Result {
    write!(f, "no value was given for `:{name}`")?;
    if let Some(suggestion) = suggestion {
        write!(f, "; did you mean `:{suggestion}`?")?;
    }
    if known.is_empty() {
        return f.write_str("; no names were given at all");
    }
    write!(f, " (names given: {}", known[..known.len().min(NAMES_MAX)].join(", "))?;
    if known.len() > NAMES_MAX {
        write!(f, " and {} more", known.len() - NAMES_MAX)?;
    }
    f.write_str(")")
}

/// A few characters on each side of `offset`, in one line, without the contents of strings.
fn excerpt(sql: &str, lexis: &Lexis, offset: usize) -> String {
    let mut before = String::new();
    let mut after = String::new();
    for token in Tokens::new(sql, lexis) {
        if token.start > offset.saturating_add(4 * EXCERPT_SIDE) {
            break;
        }
        let text = token.text(sql);
        let side = if token.start < offset { &mut before } else { &mut after };
        match token.kind {
            TokenKind::Whitespace => side.push(' '),
            TokenKind::Comment | TokenKind::Unterminated(Construct::Comment) => {
                side.push_str("/*…*/");
            }
            TokenKind::String | TokenKind::Unterminated(Construct::String) => side.push_str("'…'"),
            TokenKind::DollarString | TokenKind::Unterminated(Construct::DollarString) => {
                side.push_str("$$…$$");
            }
            _ => side.extend(text.chars().take(2 * EXCERPT_SIDE)),
        }
        // Long texts: keep only what can still be shown.
        if before.len() > 64 * EXCERPT_SIDE {
            before = tail(&before).to_owned();
        }
    }
    let mut shown = String::new();
    shown.push_str(tail(before.trim_start()));
    shown.extend(after.trim_end().chars().take(EXCERPT_SIDE));
    shown.trim().to_owned()
}

/// The last characters of `text` that still fit.
fn tail(text: &str) -> &str {
    let skip = text.chars().count().saturating_sub(EXCERPT_SIDE);
    text.char_indices().nth(skip).map_or("", |(at, _)| &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_at(sql: &str, offset: usize) -> SqlTextError {
        SqlTextError::at(SqlTextErrorKind::MixedForms, sql, &Lexis::postgres(), offset)
    }

    #[test]
    fn place_is_in_bytes_lines_and_characters() {
        let error = error_at("SELECT 1,\n  'é', ?", 18);
        assert_eq!(error.offset(), Some(18));
        assert_eq!(error.line(), Some(2));
        assert_eq!(error.column(), Some(8));
        assert!(error.to_string().starts_with("SQL text, line 2 column 8"));
    }

    #[test]
    fn contents_of_strings_and_comments_are_never_shown() {
        let sql = "SELECT 'secret', $$secret$$, /* secret */ \"a\", ? FROM t WHERE x = 'secret";
        for offset in 0..sql.len() {
            let text = error_at(sql, offset).to_string();
            assert!(!text.contains("secret"), "{text}");
        }
        let text = error_at(sql, sql.find('?').unwrap()).to_string();
        assert!(text.contains("\"a\", ? FROM t WHERE"), "{text}");
    }

    #[test]
    fn excerpt_is_bounded_for_any_text() {
        let long = "x".repeat(10_000);
        for sql in
            [format!("SELECT {long} ? {long}"), format!("SELECT {} ? 1", "a, ".repeat(5_000))]
        {
            let at = sql.find('?').unwrap();
            let shown = excerpt(&sql, &Lexis::postgres(), at);
            assert!(shown.chars().count() <= 2 * EXCERPT_SIDE, "{shown}");
            assert!(shown.contains('?'), "{shown}");
        }
    }

    #[test]
    fn unknown_name_lists_a_bounded_number_of_names() {
        let error = SqlTextError::nowhere(SqlTextErrorKind::UnknownName {
            name: "cod".into(),
            known: (0..30).map(|n| format!("n{n}")).collect(),
            suggestion: Some("code".into()),
        });
        let text = error.to_string();
        assert!(text.contains("did you mean `:code`?"), "{text}");
        assert!(text.contains("n19 and 10 more"), "{text}");
    }

    #[test]
    fn argument_count_reads_well_in_singular_and_plural() {
        let text = |placeholders, arguments| {
            SqlTextError::nowhere(SqlTextErrorKind::ArgumentCount { placeholders, arguments })
                .to_string()
        };
        assert_eq!(text(1, 2), "the SQL text has 1 placeholder, but 2 arguments were given");
        assert_eq!(text(2, 1), "the SQL text has 2 placeholders, but 1 argument was given");
    }
}
