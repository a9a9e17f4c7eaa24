//! How an engine's placeholders look, and writing them.

use super::token::continues_word;

/// How an engine's placeholders look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// `?`: MySQL, SQLite.
    Question,
    /// `?1`: SQLite. One value can be used several times.
    NumberedQuestion,
    /// `$1`: PostgreSQL. One value can be used several times.
    Dollar,
    /// `@p1`: SQL Server. One value can be used several times.
    At,
    /// `:arg1`: Oracle. One value can be used several times.
    Colon,
}

impl Style {
    /// Whether placeholders carry a number, so that one value can stand in several places.
    pub fn is_numbered(self) -> bool {
        self != Style::Question
    }

    fn prefix(self) -> &'static str {
        match self {
            Style::Question | Style::NumberedQuestion => "?",
            Style::Dollar => "$",
            Style::At => "@p",
            Style::Colon => ":arg",
        }
    }
}

/// A copy of a text with placeholders put in.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    sql: &'a str,
    style: Style,
    out: String,
    copied: usize,
    /// The last thing written is a number: a word must not touch it.
    after_number: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(sql: &'a str, style: Style, extra: usize) -> Writer<'a> {
        Writer {
            sql,
            style,
            out: String::with_capacity(sql.len() + extra),
            copied: 0,
            after_number: false,
        }
    }

    /// Copies the text up to `end`.
    pub(super) fn copy_to(&mut self, end: usize) {
        let piece = &self.sql[self.copied..end];
        self.copied = end;
        self.text(piece);
    }

    /// Leaves out the text up to `end`.
    pub(super) fn skip_to(&mut self, end: usize) {
        self.copied = end;
    }

    /// Goes back, to copy a part of the text again.
    pub(super) fn rewind_to(&mut self, start: usize) {
        self.copied = start;
    }

    pub(super) fn text(&mut self, piece: &str) {
        if let Some(first) = piece.bytes().next() {
            // `?and` is fine, `$1and` is not.
            if self.after_number && continues_word(first) {
                self.out.push(' ');
            }
            self.after_number = false;
            self.out.push_str(piece);
        }
    }

    /// Writes placeholder `number`, from 1.
    pub(super) fn param(&mut self, number: usize) {
        if !self.style.is_numbered() {
            self.out.push('?');
            return;
        }
        // `LIMIT?` is fine, `LIMIT$1` is one word.
        if self.out.bytes().next_back().is_some_and(continues_word) {
            self.out.push(' ');
        }
        self.out.push_str(self.style.prefix());
        push_number(&mut self.out, number);
        self.after_number = true;
    }

    /// Writes `count` placeholders from `first` on, with commas.
    pub(super) fn params(&mut self, first: usize, count: usize) {
        for number in first..first + count {
            if number > first {
                self.text(", ");
            }
            self.param(number);
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.copy_to(self.sql.len());
        self.out
    }
}

fn push_number(out: &mut String, mut number: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sql: &str, style: Style) -> String {
        let mut writer = Writer::new(sql, style, 0);
        for (number, (at, _)) in sql.match_indices('?').enumerate() {
            writer.copy_to(at);
            writer.param(number + 1);
            writer.skip_to(at + 1);
        }
        writer.finish()
    }

    #[test]
    fn every_style_writes_its_form() {
        for (style, text) in [
            (Style::Question, "a = ? AND b = ?"),
            (Style::NumberedQuestion, "a = ?1 AND b = ?2"),
            (Style::Dollar, "a = $1 AND b = $2"),
            (Style::At, "a = @p1 AND b = @p2"),
            (Style::Colon, "a = :arg1 AND b = :arg2"),
        ] {
            assert_eq!(written("a = ? AND b = ?", style), text);
        }
    }

    #[test]
    fn numbers_do_not_melt_into_their_neighbours() {
        assert_eq!(written("LIMIT?OFFSET?", Style::Dollar), "LIMIT $1 OFFSET $2");
        assert_eq!(written("?1", Style::Dollar), "$1 1");
        assert_eq!(written("??", Style::Dollar), "$1 $2");
        assert_eq!(written("(?,?)::t", Style::Dollar), "($1,$2)::t");
        assert_eq!(written("é?é", Style::Dollar), "é $1 é");
        assert_eq!(written("LIMIT?OFFSET?", Style::Question), "LIMIT?OFFSET?");
    }

    #[test]
    fn numbers_of_any_size() {
        let mut out = String::new();
        for number in [0, 7, 10, 65_535, usize::MAX] {
            push_number(&mut out, number);
            out.push(' ');
        }
        assert_eq!(out, format!("0 7 10 65535 {} ", usize::MAX));
    }
}
