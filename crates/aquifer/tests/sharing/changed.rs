//! Changes of a text that say nothing else to the server.

use aquifer::sql::{Lexis, TokenKind, Tokens};
use proptest::prelude::*;

/// One change for each token, used in turn.
#[derive(Debug, Clone)]
pub(crate) struct Changes(Vec<Change>);

#[derive(Debug, Clone)]
struct Change {
    /// In place of blanks, and around parentheses and commas.
    blank: &'static str,
    /// Which letters of a word change their case.
    case: u16,
    /// Whether a plain name is quoted.
    quote: bool,
}

pub(crate) fn changes() -> impl Strategy<Value = Changes> {
    let blank = proptest::sample::select(vec![
        " ",
        "\n",
        "\t\r\n ",
        " /* a */ ",
        " /* SELECT f( /* ; */ INTO x */ ",
        "\n-- FOR UPDATE; g(1)\n",
        "\u{c}",
    ]);
    let change = (blank, any::<u16>(), any::<bool>()).prop_map(|(blank, case, quote)| Change {
        blank,
        case,
        quote,
    });
    proptest::collection::vec(change, 1..40).prop_map(Changes)
}

/// The same statement in other clothes.
pub(crate) fn changed(sql: &str, changes: &Changes) -> String {
    let mut out = String::new();
    for (token, change) in Tokens::new(sql, &Lexis::postgres()).zip(changes.0.iter().cycle()) {
        let text = token.text(sql);
        match token.kind {
            TokenKind::Whitespace => out += change.blank,
            // The line end after it goes with the blank behind it.
            TokenKind::Comment => out += "/* c */",
            TokenKind::Symbol(b'(' | b')' | b',') => {
                out += change.blank;
                out += text;
                out += change.blank;
            }
            TokenKind::Word if change.quote && is_plain_name(text) => {
                out.push('"');
                out += &text.to_ascii_lowercase();
                out.push('"');
            }
            TokenKind::Word => out.extend(text.chars().enumerate().map(|(at, letter)| {
                match change.case >> (at % 16) & 1 {
                    0 => letter,
                    _ if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
                    _ => letter.to_ascii_uppercase(),
                }
            })),
            _ => out += text,
        }
    }
    out
}

/// The names that the statements use and that are no key words.
fn is_plain_name(word: &str) -> bool {
    word.len() == 1 && word.is_ascii()
        || ["count", "lower", "nextval", "pg_temp", "now"].contains(&word)
}
