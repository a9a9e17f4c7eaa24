//! Where in a statement a token stands: can a value stand there, or only an operator?
//!
//! Needed where one character has two meanings: `?` beside the engine's own placeholders, `:` in array slices, and lists
//! that may be padded only inside `IN (...)`.

use super::keyword::Keyword;
use super::token::{Token, TokenKind, Tokens};

/// Operators that can be followed directly by a `?` that is a value, so that `=?` is no operator of its own.
const BEFORE_VALUE: &[&str] = &[
    "=", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/", "%", "||", "->", "->>", "#>", "#>>",
    "~", "~*", "!~", "&&", "@>", "<@",
];

/// What came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Start,
    /// An operator, or a keyword that needs a value after it.
    Operator,
    Open,
    Comma,
    Dot,
    /// `'x'` or a number: no value can follow it.
    Literal,
    /// A placeholder that ended at this byte.
    Param(usize),
    /// A name, `)`, `]`: a value ended here.
    Value,
    /// The keyword `IN`.
    In,
}

/// Depth of brackets up to which `IN (` is told apart; deeper ones count as something else.
const LISTS_MAX: u32 = 64;

/// What is known from the tokens so far.
#[derive(Debug, Clone)]
pub(super) struct Position {
    before: Before,
    /// Open `[`.
    slices: u32,
    /// Open `(`, and one bit for each that says whether it follows `IN`.
    depth: u32,
    lists: u64,
}

impl Position {
    pub(super) fn start() -> Position {
        Position { before: Before::Start, slices: 0, depth: 0, lists: 0 }
    }

    /// Moves past a token.
    pub(super) fn pass(&mut self, sql: &str, token: &Token) {
        self.before = match token.kind {
            TokenKind::Whitespace
            | TokenKind::Comment
            | TokenKind::ExecutableOpen
            | TokenKind::ExecutableClose => return,
            TokenKind::String | TokenKind::DollarString | TokenKind::Number => Before::Literal,
            TokenKind::QuotedIdent => Before::Value,
            TokenKind::Word if self.before == Before::Dot => Before::Value,
            TokenKind::Word => match Keyword::of(token.text(sql)) {
                Some(Keyword::In) => Before::In,
                Some(keyword) if keyword.expects_value() => Before::Operator,
                _ => Before::Value,
            },
            TokenKind::Question | TokenKind::Numbered | TokenKind::Named | TokenKind::Native => {
                Before::Param(token.end)
            }
            TokenKind::Symbol(b'(') => {
                if self.depth < LISTS_MAX {
                    let bit = 1 << self.depth;
                    self.lists &= !bit;
                    if self.before == Before::In {
                        self.lists |= bit;
                    }
                }
                self.depth = self.depth.saturating_add(1);
                Before::Open
            }
            TokenKind::Symbol(b')') => {
                self.depth = self.depth.saturating_sub(1);
                Before::Value
            }
            TokenKind::Symbol(b'[') => {
                self.slices = self.slices.saturating_add(1);
                Before::Open
            }
            TokenKind::Symbol(b']') => {
                self.slices = self.slices.saturating_sub(1);
                Before::Value
            }
            TokenKind::Symbol(b',' | b';') => Before::Comma,
            TokenKind::Symbol(b'.') => Before::Dot,
            TokenKind::Symbol(_)
            | TokenKind::EscapedQuestion
            | TokenKind::Cast
            | TokenKind::Assign
            | TokenKind::Unterminated(_) => Before::Operator,
        };
    }

    /// Moves past a `:name` that is a colon and a name.
    pub(super) fn pass_name(&mut self) {
        self.before = Before::Value;
    }

    /// Moves past a `?` that is an operator.
    pub(super) fn pass_operator(&mut self) {
        self.before = Before::Operator;
    }

    /// Whether a `:name` here is not a parameter but a colon before a name: the bound of an array slice (`a[1:n]`,
    /// `a[lo:hi]`) or the value of a key (`JSON_OBJECT('k':v)`).
    pub(super) fn is_plain_colon(&self) -> bool {
        match self.before {
            Before::Literal => true,
            Before::Value => self.slices > 0,
            _ => false,
        }
    }

    /// Whether a parameter ended exactly here.
    pub(super) fn is_directly_after_param(&self, token: &Token) -> bool {
        self.before == Before::Param(token.start)
    }

    /// Whether the placeholder `token` is, alone, an element of an `IN (...)` list, where a value more than once does no
    /// harm. `rest` are the tokens after it.
    pub(super) fn is_list_element(&self, rest: &Tokens<'_>) -> bool {
        let in_list =
            (1..=LISTS_MAX).contains(&self.depth) && self.lists >> (self.depth - 1) & 1 == 1;
        in_list
            && matches!(self.before, Before::Open | Before::Comma)
            && matches!(
                rest.clone().find(Token::is_significant),
                Some(Token { kind: TokenKind::Symbol(b')' | b','), .. })
            )
    }

    /// Whether the `?` that `token` is can be (part of) an operator, on an engine that has such operators. `rest` are the
    /// tokens after it. In doubt it can.
    pub(super) fn can_be_operator(&self, sql: &str, token: &Token, rest: &Tokens<'_>) -> bool {
        let bytes = sql.as_bytes();
        let is_operator = |byte: &u8| b"~!@#^&|?+-*/%<>=`".contains(byte);
        let before = bytes[..token.start].iter().rev().take_while(|byte| is_operator(byte)).count();
        let after = bytes[token.end..].iter().take_while(|byte| is_operator(byte)).count();
        if after > 0 {
            return true;
        }
        if before > 0 {
            return !BEFORE_VALUE.contains(&&sql[token.start - before..token.start]);
        }
        let follows_value =
            matches!(self.before, Before::Literal | Before::Value | Before::Param(_));
        follows_value
            && match rest.clone().find(Token::is_significant) {
                None => false,
                Some(next) => match next.kind {
                    TokenKind::Symbol(byte) => !matches!(byte, b')' | b',' | b';' | b']' | b'.'),
                    TokenKind::Cast | TokenKind::Assign => false,
                    TokenKind::Word => {
                        !Keyword::of(next.text(sql)).is_some_and(Keyword::ends_value)
                    }
                    _ => true,
                },
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Lexis;

    /// The answer of `ask` at the first token of a kind `wanted` accepts.
    fn at_first<T>(
        sql: &str,
        wanted: TokenKind,
        ask: impl Fn(&Position, &Token, &Tokens<'_>) -> T,
    ) -> T {
        let lexis = Lexis::postgres();
        let mut tokens = Tokens::new(sql, &lexis);
        let mut position = Position::start();
        while let Some(token) = tokens.next() {
            if token.kind == wanted {
                return ask(&position, &token, &tokens);
            }
            position.pass(sql, &token);
        }
        panic!("no such token in {sql}");
    }

    #[test]
    fn question_mark_is_an_operator_only_between_values() {
        for (sql, operator) in [
            ("data ? 'a'", true),
            ("data?'a'", true),
            ("(data) ? $1", true),
            ("data -> 'a' ? b", true),
            ("data @? p", true),
            ("data ?| a", true),
            ("data ?& a", true),
            ("?- l", true),
            ("\"data\" ? (a)", true),
            ("a['x'] ? 'b'", true),
            ("t.set ? 'b'", true),
            ("a = ?", false),
            ("a=?", false),
            ("a>=? AND", false),
            ("data->>?", false),
            ("IN (?)", false),
            ("VALUES (1, ?)", false),
            ("LIMIT ?", false),
            ("a BETWEEN ? AND 1", false),
            ("a ?", false),
            ("a ? AND b", false),
            ("a ?::int", false),
        ] {
            let got = at_first(sql, TokenKind::Question, |position, token, rest| {
                position.can_be_operator(sql, token, rest)
            });
            assert_eq!(got, operator, "{sql}");
        }
    }

    #[test]
    fn colon_before_a_name_is_plain_in_slices_and_after_literals() {
        for (sql, plain) in [
            ("a[1:n]", true),
            ("a[lo:hi]", true),
            ("a[lo :hi]", true),
            ("a[f(x):hi]", true),
            ("JSON_OBJECT('k':v)", true),
            ("a[:n]", false),
            ("a[1: :n]", false),
            ("ARRAY[1, :n]", false),
            ("a[CASE WHEN x THEN :n END]", false),
            ("a[f(:n)]", false),
            ("SELECT :n", false),
            ("DISTINCT ON (a) :n", false),
            ("a = :n", false),
            ("LIMIT:n", false),
        ] {
            let got = at_first(sql, TokenKind::Named, |position, _, _| position.is_plain_colon());
            assert_eq!(got, plain, "{sql}");
        }
    }

    #[test]
    fn list_elements_are_found_only_directly_in_an_in_list() {
        let deep = format!("IN {}?{}", "(".repeat(70), ")".repeat(70));
        for (sql, element) in [
            ("a IN (?)", true),
            ("a not in(/* c */ ? /* c */)", true),
            ("a IN (1, ?, 2)", true),
            ("a IN (f(1), ?)", true),
            ("a IN (? + 1)", false),
            ("a IN (-?)", false),
            ("a IN (f(?))", false),
            ("a IN (SELECT ?)", false),
            ("a IN (?::int)", false),
            ("VALUES (?)", false),
            ("a = ANY(?)", false),
            ("ARRAY[?]", false),
            ("t.in (?)", false),
            (&deep, false),
        ] {
            let got = at_first(sql, TokenKind::Question, |position, _, rest| {
                position.is_list_element(rest)
            });
            assert_eq!(got, element, "{sql}");
        }
    }
}
