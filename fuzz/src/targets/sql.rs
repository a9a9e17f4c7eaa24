//! SQL text: the tokenizer and what stands on it, as each engine reads it.
//!
//! The promise that matters most: rewriting touches placeholders and nothing else. A rewrite that changed
//! where a string ends would turn data into SQL.

use aquifer::sql::{
    Lexis, NamedText, ParsedNamed, Style, Token, TokenKind, Tokens, classify, count, line_column,
    quote_literal, rewrite, split,
};

pub(super) const WORDS: &[&str] = &[
    "'",
    "''",
    "\"",
    "`",
    "[",
    "]",
    "\\",
    "\\'",
    "E'",
    "$$",
    "$a$",
    "?",
    "??",
    "?1",
    "$1",
    ":a",
    ":b",
    "::",
    ":=",
    "@x",
    "--",
    "-- ",
    "\n",
    "\r",
    "/*",
    "*/",
    "/*!",
    "/*M!80000",
    "#",
    ";",
    ",",
    "(",
    ")",
    " IN (?)",
    " VALUES (:a, :b)",
    " BEGIN ",
    " END",
    " CREATE TRIGGER ",
    " SELECT ",
    "1",
    "e1",
    "é",
];

const ENGINES: [(Lexis, Style); 4] = [
    (Lexis::postgres(), Style::Dollar),
    (Lexis::mysql(), Style::Question),
    (Lexis::mariadb(), Style::Question),
    (Lexis::sqlite(), Style::NumberedQuestion),
];

pub(super) fn tokens(bytes: &[u8]) {
    let Ok(sql) = std::str::from_utf8(bytes) else {
        return;
    };
    for (lexis, _) in ENGINES {
        let mut end = 0;
        for token in Tokens::new(sql, &lexis) {
            assert_eq!(token.start, end, "a gap or an overlap in {sql:?}");
            assert!(token.end > token.start, "an empty token in {sql:?}");
            end = token.end;
            if let TokenKind::Unterminated(_) = token.kind {
                assert_eq!(end, sql.len(), "{sql:?}");
            }
            let (line, column) = line_column(sql, token.start);
            assert!(line > 0 && column > 0);
        }
        assert_eq!(end, sql.len(), "the tokens of {sql:?} do not reach its end");

        let statements: Vec<_> = split(sql, &lexis).collect();
        assert!(statements.windows(2).all(|pair| pair[0].end < pair[1].start), "{sql:?}");
        for token in Tokens::new(sql, &lexis).filter(Token::is_significant) {
            let kept = statements.iter().any(|s| s.start <= token.start && token.end <= s.end);
            assert!(kept || token.kind == TokenKind::Symbol(b';'), "{token:?} of {sql:?} is lost");
        }
        let _ = classify(sql, &lexis);

        if let Ok(literal) = quote_literal(sql, &lexis) {
            let mut tokens = Tokens::new(&literal, &lexis);
            let only = tokens.next().map(|token| (token.kind, token.end));
            assert_eq!(only, Some((TokenKind::String, literal.len())), "{literal:?}");
        }
    }
}

pub(super) fn placeholders(bytes: &[u8]) {
    let Ok(sql) = std::str::from_utf8(bytes) else {
        return;
    };
    for (lexis, style) in ENGINES {
        let rewritten = match rewrite(sql, &lexis, style) {
            Ok(rewritten) => rewritten,
            Err(error) => {
                assert!(error.offset().is_some_and(|place| place <= sql.len()), "{sql:?}: {error}");
                continue;
            }
        };
        if rewritten.text == sql {
            continue;
        }
        assert_only_placeholders_differ(sql, &rewritten.text, &lexis);
        if !has_escape(sql, &lexis) {
            assert_eq!(count(&rewritten.text, &lexis), rewritten.params, "{:?}", rewritten.text);
            let again = rewrite(&rewritten.text, &lexis, style).expect("the engine's own form");
            assert_eq!(again.text, rewritten.text);
        }
    }
}

pub(super) fn named(bytes: &[u8]) {
    let Ok(sql) = std::str::from_utf8(bytes) else {
        return;
    };
    for (lexis, style) in ENGINES {
        let parsed = match ParsedNamed::parse(sql, &lexis) {
            Ok(parsed) => parsed,
            Err(error) => {
                assert!(error.offset().is_some_and(|place| place <= sql.len()), "{sql:?}: {error}");
                continue;
            }
        };
        let names = parsed.names().len();
        let NamedText { text, slots, .. } = parsed.text(style);
        assert!(slots.iter().all(|slot| slot.name < names), "{sql:?}");
        if names == 0 && !has_escape(sql, &lexis) {
            assert_eq!(text, sql);
            continue;
        }
        assert_only_placeholders_differ(sql, &text, &lexis);
        if has_escape(sql, &lexis) {
            continue;
        }
        assert_eq!(written(&text, &lexis), slots.len(), "{text:?}");
        if let Ok(bulk) = parsed.bulk(style, 3) {
            assert_eq!(written(&bulk.text, &lexis), 3 * bulk.row.len(), "{:?}", bulk.text);
        }
    }
}

/// How many values the placeholders take that a rewrite has written. A colon that is no parameter (the
/// slice `a[1:n]`) stays, and is not counted.
fn written(sql: &str, lexis: &Lexis) -> usize {
    let numbered = Tokens::new(sql, lexis)
        .filter(|token| token.kind == TokenKind::Numbered)
        .filter_map(|token| token.text(sql)[1..].parse().ok())
        .max();
    let questions = || Tokens::new(sql, lexis).filter(|t| t.kind == TokenKind::Question).count();
    numbered.unwrap_or_else(questions)
}

fn has_escape(sql: &str, lexis: &Lexis) -> bool {
    Tokens::new(sql, lexis).any(|token| token.kind == TokenKind::EscapedQuestion)
}

/// The engine reads the same words, strings and operators before and after.
fn assert_only_placeholders_differ(before: &str, after: &str, lexis: &Lexis) {
    // Before, `??` is one question mark that is an operator; after, each is one.
    let operator = |doubled| if doubled { "??" } else { "?" };
    let shape = |sql: &str, doubled| -> String {
        Tokens::new(sql, lexis)
            .filter(Token::is_significant)
            .map(|token| match token.kind {
                TokenKind::Question | TokenKind::Numbered | TokenKind::Named => "?".to_owned(),
                TokenKind::EscapedQuestion => operator(doubled).to_owned(),
                _ => format!("\u{1}{}", token.text(sql)),
            })
            .collect()
    };
    assert_eq!(shape(before, false), shape(after, true), "{before:?} became {after:?}");
}
