//! The tokenizer: one pass over the bytes, no allocation, every byte in exactly one token.

use super::error::Construct;
use super::lexis::Lexis;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// Blanks and line ends; a byte order mark at the very start.
    Whitespace,
    /// A comment, without the line end after it.
    Comment,
    /// `/*!` or `/*!80000`: what follows, up to `*/`, is code on the engines that have this.
    ExecutableOpen,
    /// The `*/` of an executable comment.
    ExecutableClose,
    /// `'...'` with its prefix (`E`, `B`, `X`, `N`, `U&`), and where the engine says so `"..."`.
    String,
    /// `$tag$...$tag$`.
    DollarString,
    /// `"..."`, `` `...` ``, `[...]`.
    QuotedIdent,
    /// A keyword or a plain identifier.
    Word,
    /// Anything that starts with a digit.
    Number,
    /// `?`.
    Question,
    /// `??`.
    EscapedQuestion,
    /// The engine's own numbered placeholder: `$1`, `?1`.
    Numbered,
    /// `:name`.
    Named,
    /// A placeholder only the engine itself understands: SQLite's `@name`, `$name`, `:1`.
    Native,
    /// `::`.
    Cast,
    /// `:=`.
    Assign,
    /// Any other single byte: operators, brackets, separators.
    Symbol(u8),
    /// The text ends inside this. Reaches to the end of the text.
    Unterminated(Construct),
}

/// A token: what it is and which bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

impl Token {
    /// The token's text, given the text it was read from.
    pub fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.start..self.end]
    }

    /// Whether it is neither blank nor comment.
    pub fn is_significant(&self) -> bool {
        !matches!(
            self.kind,
            TokenKind::Whitespace
                | TokenKind::Comment
                | TokenKind::ExecutableOpen
                | TokenKind::ExecutableClose
        )
    }
}

/// The line and the column, both from 1, of a byte offset; the column counts characters.
pub fn line_column(sql: &str, offset: usize) -> (usize, usize) {
    let mut at = offset.min(sql.len());
    while !sql.is_char_boundary(at) {
        at -= 1;
    }
    let before = &sql[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    (line, 1 + before[line_start..].chars().count())
}

/// What a token that starts with this byte can be.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Class {
    Space,
    Word,
    Digit,
    Quote,
    DoubleQuote,
    Backtick,
    Bracket,
    Dash,
    Slash,
    Star,
    Hash,
    Question,
    Dollar,
    Colon,
    At,
    Other,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Class::Space,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'\'' => Class::Quote,
            b'"' => Class::DoubleQuote,
            b'`' => Class::Backtick,
            b'[' => Class::Bracket,
            b'-' => Class::Dash,
            b'/' => Class::Slash,
            b'*' => Class::Star,
            b'#' => Class::Hash,
            b'?' => Class::Question,
            b'$' => Class::Dollar,
            b':' => Class::Colon,
            b'@' => Class::At,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
};

const WORD: u8 = 1;
const NUMBER: u8 = 2;
const SPACE: u8 = 4;

/// Which bytes continue a word, a number, a blank.
const CONTINUES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80.. => WORD | NUMBER,
            b'$' => WORD,
            b'.' => NUMBER,
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Which bytes can start something other than a word, a number, a blank or a symbol of no meaning.
const SPECIAL: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Class::Space | Class::Word | Class::Digit | Class::Other = CLASS[byte] {
            table[byte] = false;
        }
        byte += 1;
    }
    table
};

/// Whether the byte can be part of a word that started before it.
#[inline]
pub(super) fn continues_word(byte: u8) -> bool {
    CONTINUES[byte as usize] & WORD != 0
}

/// Whether an `E'...'` string may go on in the next quoted segment (PostgreSQL joins segments across line ends).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    No,
    SameLine,
    NextLine,
}

/// The tokens of a text, in order. The texts of all tokens, put together, are the text.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    lexis: Lexis,
    in_executable: bool,
    continuation: Continuation,
}

impl<'a> Tokens<'a> {
    /// The tokens of `sql` as an engine with this `lexis` reads it.
    pub fn new(sql: &'a str, lexis: &Lexis) -> Tokens<'a> {
        Tokens {
            text: sql,
            at: 0,
            lexis: *lexis,
            in_executable: false,
            continuation: Continuation::No,
        }
    }

    /// The next token, where words, numbers, blanks and plain symbols may have been left out: for those who look for
    /// placeholders only. Twice as fast as [`next`](Iterator::next).
    #[inline]
    pub(super) fn next_special(&mut self) -> Option<Token> {
        if self.continuation == Continuation::No {
            self.skip_plain();
        }
        self.next()
    }

    /// Moves to the next special byte, or to the start of the word it belongs to (`E'...'`, `a$b`).
    #[inline]
    fn skip_plain(&mut self) {
        let bytes = self.text.as_bytes();
        let rest = &bytes[self.at..];
        let Some(length) = rest.iter().position(|byte| SPECIAL[*byte as usize]) else {
            self.at = bytes.len();
            return;
        };
        let special = self.at + length;
        let mut start = special;
        if let b'\'' | b'"' | b'$' = bytes[special] {
            if start > self.at && bytes[start - 1] == b'&' {
                start -= 1;
            }
            while start > self.at && CONTINUES[bytes[start - 1] as usize] & (WORD | NUMBER) != 0 {
                start -= 1;
            }
        }
        self.at = start;
    }

    #[inline]
    fn peek(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    #[inline]
    fn run(&self, mut at: usize, class: u8) -> usize {
        let bytes = self.text.as_bytes();
        while at < bytes.len() && CONTINUES[bytes[at] as usize] & class != 0 {
            at += 1;
        }
        at
    }

    #[inline]
    fn word(&mut self, start: usize) -> (TokenKind, usize) {
        if let Some(next @ (b'\'' | b'&')) = self.peek(start + 1)
            && let Some(token) = self.prefixed(start, next)
        {
            return token;
        }
        if start == 0 && self.text.starts_with('\u{feff}') {
            return (TokenKind::Whitespace, '\u{feff}'.len_utf8());
        }
        (TokenKind::Word, self.run(start + 1, WORD))
    }

    /// A string with a prefix: one letter before the quote, or `U&`.
    fn prefixed(&mut self, start: usize, next: u8) -> Option<(TokenKind, usize)> {
        let letter = self.text.as_bytes()[start].to_ascii_lowercase();
        let postgres = self.lexis.e_strings;
        if next == b'&' {
            if !(postgres && letter == b'u') {
                return None;
            }
            return match self.peek(start + 2)? {
                b'\'' => Some(self.string(start + 2, b'\'', false)),
                b'"' => Some(self.quoted_ident(start + 2, b'"')),
                _ => None,
            };
        }
        match letter {
            b'e' if postgres => Some(self.string(start + 1, b'\'', true)),
            b'x' | b'b' | b'n' => Some(self.string(start + 1, b'\'', self.lexis.backslash_escapes)),
            _ => None,
        }
    }

    /// A string whose opening quote is at `open`.
    fn string(&mut self, open: usize, quote: u8, backslash: bool) -> (TokenKind, usize) {
        if backslash && self.lexis.e_strings {
            self.continuation = Continuation::SameLine;
        }
        match self.close_quote(open + 1, quote, backslash) {
            Some(end) => (TokenKind::String, end),
            None => self.unterminated(Construct::String),
        }
    }

    fn quoted_ident(&self, open: usize, quote: u8) -> (TokenKind, usize) {
        match self.close_quote(open + 1, quote, false) {
            Some(end) => (TokenKind::QuotedIdent, end),
            None => self.unterminated(Construct::QuotedIdent),
        }
    }

    /// The end of a quoted text; a doubled quote does not close it.
    fn close_quote(&self, mut at: usize, quote: u8, backslash: bool) -> Option<usize> {
        let bytes = self.text.as_bytes();
        while at < bytes.len() {
            let byte = bytes[at];
            at += 1;
            if byte == quote {
                if bytes.get(at) != Some(&quote) {
                    return Some(at);
                }
                at += 1;
            } else if byte == b'\\' && backslash {
                at += 1;
            }
        }
        None
    }

    fn unterminated(&self, construct: Construct) -> (TokenKind, usize) {
        (TokenKind::Unterminated(construct), self.text.len())
    }

    fn line_comment(&self, from: usize) -> (TokenKind, usize) {
        let returns = self.lexis.return_ends_comment;
        let rest = &self.text.as_bytes()[from..];
        let length = rest.iter().position(|byte| *byte == b'\n' || (*byte == b'\r' && returns));
        (TokenKind::Comment, length.map_or(self.text.len(), |length| from + length))
    }

    fn dash(&self, start: usize) -> (TokenKind, usize) {
        if self.peek(start + 1) == Some(b'-') {
            let follows = self.peek(start + 2);
            // At the end of the text MySQL sees a NUL, a control character.
            let comment = !self.lexis.dash_dash_needs_space
                || follows.is_none_or(|byte| byte == b' ' || byte.is_ascii_control());
            if comment {
                return self.line_comment(start + 2);
            }
        }
        (TokenKind::Symbol(b'-'), start + 1)
    }

    fn slash(&mut self, start: usize) -> (TokenKind, usize) {
        if self.peek(start + 1) != Some(b'*') {
            return (TokenKind::Symbol(b'/'), start + 1);
        }
        let code = match self.peek(start + 2) {
            Some(b'!') if self.lexis.executable_comments => Some(start + 3),
            Some(b'M') if self.lexis.mariadb_comments && self.peek(start + 3) == Some(b'!') => {
                Some(start + 4)
            }
            _ => None,
        };
        if let Some(code) = code {
            self.in_executable = true;
            let digits = self.text.as_bytes()[code..]
                .iter()
                .take(6)
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            // Fewer than five digits are no version but code.
            let version = if digits >= 5 { digits } else { 0 };
            return (TokenKind::ExecutableOpen, code + version);
        }
        match self.close_comment(start + 2) {
            Some(end) => (TokenKind::Comment, end),
            None if self.lexis.open_comments => (TokenKind::Comment, self.text.len()),
            None => self.unterminated(Construct::Comment),
        }
    }

    fn close_comment(&self, mut at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut depth = 1_usize;
        while at + 1 < bytes.len() {
            match (bytes[at], bytes[at + 1]) {
                (b'*', b'/') => {
                    at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                (b'/', b'*') if self.lexis.nested_comments => {
                    at += 2;
                    depth += 1;
                }
                _ => at += 1,
            }
        }
        None
    }

    fn star(&mut self, start: usize) -> (TokenKind, usize) {
        if self.in_executable && self.peek(start + 1) == Some(b'/') {
            self.in_executable = false;
            return (TokenKind::ExecutableClose, start + 2);
        }
        (TokenKind::Symbol(b'*'), start + 1)
    }

    fn bracket(&self, start: usize) -> (TokenKind, usize) {
        if !self.lexis.bracket_identifiers {
            return (TokenKind::Symbol(b'['), start + 1);
        }
        match self.text.as_bytes()[start..].iter().position(|byte| *byte == b']') {
            Some(length) => (TokenKind::QuotedIdent, start + length + 1),
            None => self.unterminated(Construct::QuotedIdent),
        }
    }

    fn digits(&self, mut at: usize) -> usize {
        while self.peek(at).is_some_and(|byte| byte.is_ascii_digit()) {
            at += 1;
        }
        at
    }

    fn question(&self, start: usize) -> (TokenKind, usize) {
        match self.peek(start + 1) {
            Some(b'?') => (TokenKind::EscapedQuestion, start + 2),
            Some(b'0'..=b'9') if self.lexis.numbered_question => {
                (TokenKind::Numbered, self.digits(start + 1))
            }
            _ => (TokenKind::Question, start + 1),
        }
    }

    fn dollar(&self, start: usize) -> (TokenKind, usize) {
        if self.lexis.dollar_names
            && let Some(end) = self.native_name(start)
        {
            return (TokenKind::Native, end);
        }
        if self.lexis.dollar_params && self.peek(start + 1).is_some_and(|b| b.is_ascii_digit()) {
            return (TokenKind::Numbered, self.digits(start + 1));
        }
        if self.lexis.dollar_quotes
            && let Some(open) = self.dollar_tag(start)
        {
            let tag = &self.text[start..open];
            return match self.text[open..].find(tag) {
                Some(length) => (TokenKind::DollarString, open + length + tag.len()),
                None => self.unterminated(Construct::DollarString),
            };
        }
        if self.lexis.dollar_words {
            return (TokenKind::Word, self.run(start + 1, WORD));
        }
        (TokenKind::Symbol(b'$'), start + 1)
    }

    /// The end of `$tag$`, where there is one. A tag is a word without `$`.
    fn dollar_tag(&self, start: usize) -> Option<usize> {
        let mut at = start + 1;
        if self.peek(at)?.is_ascii_digit() {
            return None;
        }
        while let Some(byte) = self.peek(at) {
            at += 1;
            if byte == b'$' {
                return Some(at);
            }
            if !continues_word(byte) {
                return None;
            }
        }
        None
    }

    /// The end of SQLite's `$name`, `@name`: word characters, `::` between them, `(...)` without blanks after them.
    fn native_name(&self, start: usize) -> Option<usize> {
        let mut at = start + 1;
        let mut characters = 0_usize;
        while let Some(byte) = self.peek(at) {
            if continues_word(byte) {
                at += 1;
                characters += 1;
            } else if byte == b':' && self.peek(at + 1) == Some(b':') {
                at += 2;
            } else if byte == b'(' && characters > 0 && self.text.as_bytes()[start] == b'$' {
                let rest = &self.text.as_bytes()[at..];
                let close = rest
                    .iter()
                    .position(|byte| *byte == b')' || CONTINUES[*byte as usize] & SPACE != 0);
                if let Some(length) = close
                    && rest[length] == b')'
                {
                    at += length + 1;
                }
                break;
            } else {
                break;
            }
        }
        (characters > 0).then_some(at)
    }

    fn colon(&self, start: usize) -> (TokenKind, usize) {
        match self.peek(start + 1) {
            Some(b':') => (TokenKind::Cast, start + 2),
            Some(b'=') => (TokenKind::Assign, start + 2),
            Some(b'0'..=b'9') if self.lexis.colon_params => {
                (TokenKind::Native, self.run(start + 1, WORD))
            }
            Some(_) => match name_end(&self.text[start + 1..]) {
                0 => (TokenKind::Symbol(b':'), start + 1),
                length => (TokenKind::Named, start + 1 + length),
            },
            None => (TokenKind::Symbol(b':'), start + 1),
        }
    }

    fn at_sign(&self, start: usize) -> (TokenKind, usize) {
        if self.lexis.at_sign_params
            && let Some(end) = self.native_name(start)
        {
            return (TokenKind::Native, end);
        }
        (TokenKind::Symbol(b'@'), start + 1)
    }

    /// Decides whether the token just read keeps an `E'...'` string open for another segment.
    fn follow_continuation(&mut self, kind: TokenKind, start: usize, end: usize) {
        let bytes = &self.text.as_bytes()[start..end];
        self.continuation = match kind {
            TokenKind::Whitespace if bytes.contains(&b'\n') || bytes.contains(&b'\r') => {
                Continuation::NextLine
            }
            TokenKind::Whitespace => self.continuation,
            TokenKind::Comment if bytes.starts_with(b"--") => self.continuation,
            // `string` has just opened it.
            TokenKind::String if self.continuation == Continuation::SameLine => {
                Continuation::SameLine
            }
            _ => Continuation::No,
        };
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let first = self.peek(start)?;
        let continued = self.continuation;
        let (kind, end) = match CLASS[first as usize] {
            Class::Space => (TokenKind::Whitespace, self.run(start + 1, SPACE)),
            Class::Word => self.word(start),
            Class::Digit => (TokenKind::Number, self.run(start + 1, NUMBER)),
            Class::Quote => {
                // A plain string after `E'...'` on the same line is not a continuation.
                self.continuation = Continuation::No;
                let backslash = self.lexis.backslash_escapes || continued == Continuation::NextLine;
                self.string(start, b'\'', backslash)
            }
            Class::DoubleQuote if self.lexis.double_quoted_strings => {
                self.string(start, b'"', self.lexis.backslash_escapes)
            }
            Class::DoubleQuote => self.quoted_ident(start, b'"'),
            Class::Backtick if self.lexis.backtick_identifiers => self.quoted_ident(start, b'`'),
            Class::Bracket => self.bracket(start),
            Class::Dash => self.dash(start),
            Class::Slash => self.slash(start),
            Class::Star => self.star(start),
            Class::Hash if self.lexis.hash_comments => self.line_comment(start + 1),
            Class::Question => self.question(start),
            Class::Dollar => self.dollar(start),
            Class::Colon => self.colon(start),
            Class::At => self.at_sign(start),
            Class::Backtick | Class::Hash | Class::Other => (TokenKind::Symbol(first), start + 1),
        };
        self.at = end;
        if self.continuation != Continuation::No {
            self.follow_continuation(kind, start, end);
        }
        Some(Token { kind, start, end })
    }
}

/// The length of the parameter name that `text` starts with: a letter or `_`, then letters, digits, `_`, and `.` where the
/// name goes on after it.
fn name_end(text: &str) -> usize {
    let mut end = 0;
    let mut after_dot = None;
    for (at, character) in text.char_indices() {
        let part = character == '_' || character.is_alphabetic();
        let fits = if end == 0 { part } else { part || character.is_numeric() };
        if fits {
            end = at + character.len_utf8();
            after_dot = None;
        } else if character == '.' && end > 0 && after_dot.is_none() {
            after_dot = Some(at);
        } else {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::TokenKind::*;
    use super::*;

    fn kinds(lexis: &Lexis, sql: &str) -> Vec<TokenKind> {
        Tokens::new(sql, lexis).map(|token| token.kind).filter(|kind| *kind != Whitespace).collect()
    }

    fn texts<'a>(lexis: &Lexis, sql: &'a str) -> Vec<&'a str> {
        Tokens::new(sql, lexis)
            .filter(|token| token.kind != Whitespace)
            .map(|token| token.text(sql))
            .collect()
    }

    const PG: Lexis = Lexis::postgres();
    const MY: Lexis = Lexis::mysql();
    const MARIA: Lexis = Lexis::mariadb();
    const LITE: Lexis = Lexis::sqlite();
    const ALL: [Lexis; 5] = [PG, MY, MARIA, LITE, Lexis::standard()];

    #[test]
    fn plain_statement_is_words_symbols_and_a_placeholder() {
        for lexis in &ALL {
            assert_eq!(
                kinds(lexis, "SELECT a.b, 1.5e3 FROM t\nWHERE x >= ?;"),
                [
                    Word,
                    Word,
                    Symbol(b'.'),
                    Word,
                    Symbol(b','),
                    Number,
                    Word,
                    Word,
                    Word,
                    Word,
                    Symbol(b'>'),
                    Symbol(b'='),
                    Question,
                    Symbol(b';')
                ]
            );
        }
    }

    #[test]
    fn doubled_quotes_stay_inside_on_every_engine() {
        for lexis in &ALL {
            assert_eq!(texts(lexis, "'it''s ?' ?"), ["'it''s ?'", "?"]);
            assert_eq!(texts(lexis, "'' ?"), ["''", "?"]);
            assert_eq!(texts(lexis, "\"a\"\"?\" ?"), ["\"a\"\"?\"", "?"]);
        }
    }

    #[test]
    fn backslash_escapes_where_the_engine_says_so() {
        assert_eq!(texts(&MY, r"'it\'s ?' ?"), [r"'it\'s ?'", "?"]);
        assert_eq!(texts(&MY, r#""a\"?" ?"#), [r#""a\"?""#, "?"]);
        assert_eq!(texts(&PG, r"'c:\' ?"), [r"'c:\'", "?"]);
        assert_eq!(texts(&LITE, r"'c:\' ?"), [r"'c:\'", "?"]);
        assert_eq!(texts(&PG, r"E'it\'s ?' ?"), [r"E'it\'s ?'", "?"]);
        assert_eq!(texts(&PG, r"e'\\' ?"), [r"e'\\'", "?"]);
        // Not a prefix: the word ends before its last letter.
        assert_eq!(texts(&PG, r"like'\' ?"), ["like", r"'\'", "?"]);
        assert_eq!(texts(&LITE, r"e'\' ?"), ["e", r"'\'", "?"]);
        let mut no_backslash = MY;
        no_backslash.backslash_escapes = false;
        assert_eq!(texts(&no_backslash, r"'\' ?"), [r"'\'", "?"]);
    }

    #[test]
    fn e_string_goes_on_after_a_line_end_only() {
        assert_eq!(texts(&PG, "E'a' -- c\n  'b\\'?' ?"), ["E'a'", "-- c", "'b\\'?'", "?"]);
        assert_eq!(texts(&PG, "E'a'\n'b\\'?'\n'c\\'?' ?"), ["E'a'", "'b\\'?'", "'c\\'?'", "?"]);
        assert_eq!(texts(&PG, "E'a', 'b\\' ?"), ["E'a'", ",", "'b\\'", "?"]);
        assert_eq!(texts(&PG, "'a'\n'b\\' ?"), ["'a'", "'b\\'", "?"]);
        assert_eq!(texts(&PG, "E'a'\n,'b\\' ?"), ["E'a'", ",", "'b\\'", "?"]);
        assert_eq!(texts(&PG, "E'a' /* \n */ 'b\\' ?"), ["E'a'", "/* \n */", "'b\\'", "?"]);
    }

    #[test]
    fn string_prefixes_belong_to_the_string() {
        assert_eq!(
            texts(&PG, "B'1' x'ff' N'n' U&'d\\0061' U&\"i?\" ?"),
            ["B'1'", "x'ff'", "N'n'", "U&'d\\0061'", "U&\"i?\"", "?"]
        );
        assert_eq!(texts(&PG, "u&?"), ["u", "&", "?"]);
        assert_eq!(texts(&LITE, "x'ff' u&'x'"), ["x'ff'", "u", "&", "'x'"]);
        assert_eq!(texts(&MY, "_utf8mb4'a?' n'b\\'?'"), ["_utf8mb4", "'a?'", "n'b\\'?'"]);
    }

    #[test]
    fn dollar_quotes_need_a_tag_that_matches() {
        assert_eq!(kinds(&PG, "$$it's ? :x$$ ?"), [DollarString, Question]);
        assert_eq!(kinds(&PG, "$a$ $$ ? $b$ $a$ ?"), [DollarString, Question]);
        assert_eq!(kinds(&PG, "$é$ ? $é$"), [DollarString]);
        // `$` inside a word opens nothing.
        assert_eq!(kinds(&PG, "a$b$c ?"), [Word, Question]);
        assert_eq!(kinds(&PG, "$1$ ?"), [Numbered, Symbol(b'$'), Question]);
        assert_eq!(kinds(&PG, "$a ?"), [Symbol(b'$'), Word, Question]);
        assert_eq!(kinds(&PG, "$a$ ?"), [Unterminated(Construct::DollarString)]);
        assert_eq!(kinds(&MY, "$$ ?"), [Word, Question]);
    }

    #[test]
    fn comments_of_each_engine() {
        for lexis in &ALL {
            assert_eq!(kinds(lexis, "-- ? 'x\n?"), [Comment, Question]);
            assert_eq!(kinds(lexis, "/* ? 'x */?"), [Comment, Question]);
            assert_eq!(kinds(lexis, "/*+ hint */?"), [Comment, Question]);
        }
        assert_eq!(kinds(&PG, "/* /* */ ? */ ?"), [Comment, Question]);
        assert_eq!(kinds(&LITE, "/* /* */ ? */"), [Comment, Question, Symbol(b'*'), Symbol(b'/')]);
        assert_eq!(kinds(&MY, "# ?\n?"), [Comment, Question]);
        assert_eq!(kinds(&PG, "a #- ?"), [Word, Symbol(b'#'), Symbol(b'-'), Question]);
        // MySQL reads `5--1` as an expression.
        assert_eq!(kinds(&MY, "5--?"), [Number, Symbol(b'-'), Symbol(b'-'), Question]);
        assert_eq!(kinds(&MY, "5--\t?"), [Number, Comment]);
        assert_eq!(kinds(&MY, "5--"), [Number, Comment]);
        assert_eq!(kinds(&PG, "5--?"), [Number, Comment]);
        // A carriage return ends the comment on PostgreSQL only.
        assert_eq!(kinds(&PG, "-- a\r?"), [Comment, Question]);
        assert_eq!(kinds(&LITE, "-- a\r?"), [Comment]);
        assert_eq!(kinds(&LITE, "/* ?"), [Comment]);
        assert_eq!(kinds(&PG, "/* ? /* */"), [Unterminated(Construct::Comment)]);
        assert_eq!(kinds(&PG, "/*/ ?"), [Unterminated(Construct::Comment)]);
    }

    #[test]
    fn executable_comments_are_code_on_mysql() {
        assert_eq!(
            texts(&MY, "/*!80000 a = ? */ * /*!b*/ /*!1*/"),
            ["/*!80000", "a", "=", "?", "*/", "*", "/*!", "b", "*/", "/*!", "1", "*/"]
        );
        assert_eq!(texts(&MY, "/*!100100?*/"), ["/*!100100", "?", "*/"]);
        assert_eq!(kinds(&MY, "/*M! ? */"), [Comment]);
        assert_eq!(texts(&MARIA, "/*M!100100 ? */"), ["/*M!100100", "?", "*/"]);
        assert_eq!(kinds(&PG, "/*! ? */"), [Comment]);
        // A closed one does not make the next `*/` special.
        assert_eq!(kinds(&MY, "*/"), [Symbol(b'*'), Symbol(b'/')]);
    }

    #[test]
    fn quoted_identifiers_of_each_engine() {
        assert_eq!(kinds(&MY, "`a``?` ?"), [QuotedIdent, Question]);
        assert_eq!(
            kinds(&LITE, "`a?` [b?] \"c?\" ?"),
            [QuotedIdent, QuotedIdent, QuotedIdent, Question]
        );
        assert_eq!(kinds(&PG, "a[?]"), [Word, Symbol(b'['), Question, Symbol(b']')]);
        assert_eq!(kinds(&MY, "\"a\""), [String]);
        let mut ansi = MY;
        ansi.double_quoted_strings = false;
        assert_eq!(kinds(&ansi, "\"a\\\" ?"), [QuotedIdent, Question]);
        assert_eq!(kinds(&PG, "\"a"), [Unterminated(Construct::QuotedIdent)]);
        assert_eq!(kinds(&LITE, "[a"), [Unterminated(Construct::QuotedIdent)]);
    }

    #[test]
    fn placeholders_of_each_engine() {
        assert_eq!(
            kinds(&PG, "? ?? ??? ?1"),
            [Question, EscapedQuestion, EscapedQuestion, Question, Question, Number]
        );
        assert_eq!(kinds(&PG, "$1 $23::int"), [Numbered, Numbered, Cast, Word]);
        assert_eq!(kinds(&LITE, "?1 ?23 ?"), [Numbered, Numbered, Question]);
        assert_eq!(
            kinds(&LITE, "$1 @a $b :1 :c $d::e(f)"),
            [Native, Native, Native, Native, Named, Native]
        );
        assert_eq!(kinds(&MY, "@a @@b"), [Symbol(b'@'), Word, Symbol(b'@'), Symbol(b'@'), Word]);
        assert_eq!(kinds(&PG, "j @? p"), [Word, Symbol(b'@'), Question, Word]);
        assert_eq!(
            kinds(&PG, "j ??| a ??& b"),
            [Word, EscapedQuestion, Symbol(b'|'), Word, EscapedQuestion, Symbol(b'&'), Word]
        );
    }

    #[test]
    fn colons_are_told_apart() {
        assert_eq!(kinds(&PG, ":a::int := :b"), [Named, Cast, Word, Assign, Named]);
        assert_eq!(
            kinds(&PG, "x[1:2] '12:30'"),
            [Word, Symbol(b'['), Number, Symbol(b':'), Number, Symbol(b']'), String]
        );
        assert_eq!(kinds(&PG, ": a :"), [Symbol(b':'), Word, Symbol(b':')]);
    }

    #[test]
    fn names_keep_their_last_byte_and_leave_trailing_dots() {
        for (sql, name) in [
            (":a_", ":a_"),
            (":a.", ":a"),
            (":a.b.c", ":a.b.c"),
            (":a..b", ":a"),
            (":a.0", ":a.0"),
            (":_1", ":_1"),
            (":größe.ü", ":größe.ü"),
            (":名前)", ":名前"),
            (":a→b", ":a"),
            (":a$b", ":a"),
        ] {
            assert_eq!(texts(&PG, sql)[0], name, "{sql}");
        }
        assert_eq!(kinds(&PG, ":→"), [Symbol(b':'), Word]);
        assert_eq!(kinds(&PG, ":1"), [Symbol(b':'), Number]);
    }

    #[test]
    fn unterminated_reaches_to_the_end_even_after_a_last_backslash() {
        assert_eq!(kinds(&PG, "? 'a?"), [Question, Unterminated(Construct::String)]);
        assert_eq!(kinds(&MY, r"'a\"), [Unterminated(Construct::String)]);
        assert_eq!(kinds(&MY, r"'a\'"), [Unterminated(Construct::String)]);
        let last = Tokens::new("'aé\\", &MY).last().unwrap();
        assert_eq!((last.start, last.end), (0, 5));
    }

    #[test]
    fn byte_order_mark_is_blank_at_the_start_only() {
        assert_eq!(kinds(&LITE, "\u{feff}SELECT"), [Word]);
        assert_eq!(kinds(&LITE, "x \u{feff}y"), [Word, Word]);
    }

    #[test]
    fn line_and_column_count_from_one_in_characters() {
        let sql = "aé\nbü?";
        assert_eq!(line_column(sql, 0), (1, 1));
        assert_eq!(line_column(sql, 3), (1, 3));
        assert_eq!(line_column(sql, 4), (2, 1));
        assert_eq!(line_column(sql, sql.find('?').unwrap()), (2, 3));
        assert_eq!(line_column(sql, 2), (1, 2));
        assert_eq!(line_column(sql, 999), (2, 4));
    }
}
