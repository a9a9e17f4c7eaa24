//! Rust text without its comments and literals, so that a rule about code does not read prose.

/// `text` with every comment, string and character literal replaced by spaces; the lines stay.
pub(super) fn only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(character) = rest.chars().next() {
        let length = literal_or_comment(rest, after_word);
        if length > 0 {
            let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
            code.extend(rest[..length].chars().map(blank));
            rest = &rest[length..];
            after_word = false;
        } else {
            code.push(character);
            rest = &rest[character.len_utf8()..];
            after_word = character.is_alphanumeric() || character == '_';
        }
    }
    code
}

/// How many bytes of a comment or literal `text` begins with. `after_word`: it continues an identifier,
/// so that `r` or `b` is not a prefix.
fn literal_or_comment(text: &str, after_word: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return string(text);
    }
    if text.starts_with('\'') {
        return character(text);
    }
    if after_word {
        return 0;
    }
    ["br", "cr", "b", "c", "r"]
        .into_iter()
        .find_map(|prefix| {
            let body = text.strip_prefix(prefix)?;
            let length = if prefix.ends_with('r') {
                raw_string(body)
            } else if body.starts_with('"') {
                string(body)
            } else if body.starts_with('\'') {
                character(body)
            } else {
                0
            };
            (length > 0).then_some(prefix.len() + length)
        })
        .unwrap_or(0)
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `#"..."#` with any number of `#`; 0 if it is none.
fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", &text[..hashes]);
    let body = hashes + 1;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

/// The length of a character literal; 0 if the quote begins a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => {
            // The escaped character may itself be a quote.
            let after = characters.nth(1).map_or(text.len(), |(at, _)| at);
            text[after..].find('\'').map_or(0, |at| after + at + 1)
        }
        Some(_) => characters.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        assert_eq!(only("a // unsafe\nb"), "a          \nb");
        assert_eq!(only("a /* x /* y */\n z */ b"), "a             \n      b");
        assert_eq!(
            only(r#"f("unsafe \" x", b"y", 'z', '\'')"#),
            "f(             ,     ,    ,     )"
        );
        assert_eq!(only("g(r#\"a \" b\"#)"), "g(          )");
    }

    #[test]
    fn lifetimes_and_identifiers_are_code() {
        for code in ["fn f<'a>(x: &'a str) {}", "let number = r + b;", "r#type::new()"] {
            assert_eq!(only(code), code);
        }
        assert_eq!(only("for\"x\""), "for   ");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_text() {
        assert_eq!(only("a \"b"), "a   ");
        assert_eq!(only("a /* b"), "a     ");
        assert_eq!(only("'"), "'");
    }

    #[test]
    fn an_escaped_unicode_character_is_one_literal() {
        assert_eq!(only(r"x('\u{1b}', y)"), "x(        , y)");
        assert_eq!(only("x('é', y)"), "x(   , y)");
    }
}
