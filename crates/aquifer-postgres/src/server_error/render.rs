//! The report for a terminal, with a caret under the place in the statement.

use std::fmt::Write;

use super::ServerError;

/// Lines shown above the one with the error.
const LINES_BEFORE: usize = 2;
/// Columns of a line shown on either side of the error; the rest is `…`.
const COLUMNS_MAX: usize = 60;
/// A tab is shown as this many blanks, so that the caret stands where it should on any terminal.
const TAB: &str = "        ";

impl ServerError {
    /// Everything the report says to a person, on several lines: message, code, `line:column` (both from 1,
    /// in characters), DETAIL, HINT, and the place in the statement with a caret.
    ///
    /// `sql` is the text that was sent. If a function of the database failed, its statement is shown instead.
    /// The result quotes the statement and perhaps data: it is for the person who wrote both.
    ///
    /// ```text
    /// ERROR: column "levl_m" does not exist (42703) at 2:8
    /// HINT: Perhaps you meant to reference the column "stations.level_m".
    ///
    ///   1 | SELECT id,
    ///   2 |        levl_m FROM stations
    ///     |        ^
    /// ```
    pub fn render(&self, sql: &str) -> String {
        let place = match (self.position(), self.internal_query(), self.internal_position()) {
            (Some(position), _, _) => Place::find(sql, position),
            (None, Some(query), Some(position)) => Place::find(query, position),
            _ => None,
        };
        let mut out = format!("{}: {}", self.severity(), self.message());
        if let Some(state) = self.sqlstate() {
            let _ = write!(out, " ({state})");
        }
        if let Some(place) = &place {
            let _ = write!(out, " at {}:{}", place.line, place.column);
        }
        out.push('\n');
        for (name, text) in
            [("DETAIL", self.detail()), ("HINT", self.hint()), ("CONTEXT", self.context())]
        {
            if let Some(text) = text {
                let _ = writeln!(out, "{name}: {text}");
            }
        }
        if let Some(place) = place {
            out.push('\n');
            place.draw(&mut out);
        }
        out
    }
}

struct Place<'a> {
    sql: &'a str,
    /// Both from 1, in characters.
    line: usize,
    column: usize,
}

impl<'a> Place<'a> {
    fn find(sql: &'a str, position: u32) -> Option<Self> {
        let byte = super::classify::byte_of(sql, position)? as usize;
        let before = &sql[..byte];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Some(Self {
            sql,
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        })
    }

    fn draw(&self, out: &mut String) {
        let digits = self.line.to_string().len().max(3);
        let first = self.line.saturating_sub(LINES_BEFORE + 1);
        let shown = self.line - first;
        for (index, line) in self.sql.split('\n').enumerate().skip(first).take(shown) {
            let line = line.trim_end_matches('\r');
            let _ = write!(out, "{:digits$} | ", index + 1);
            let (text, width) = window(line, self.column);
            let _ = writeln!(out, "{text}");
            if index + 1 == self.line {
                let _ = writeln!(out, "{:digits$} | {:width$}^", "", "");
            }
        }
    }
}

/// The part of a line around a column, and how wide what stands before the column is.
fn window(line: &str, column: usize) -> (String, usize) {
    let at = column - 1;
    let from = at.saturating_sub(COLUMNS_MAX);
    let mut text = String::new();
    let mut width = 0;
    let mut rest = line.chars().skip(from);
    if from > 0 {
        text.push('…');
        width = 1;
    }
    for char in rest.by_ref().take(at - from) {
        width += push(&mut text, char);
    }
    for char in rest.by_ref().take(COLUMNS_MAX) {
        push(&mut text, char);
    }
    if rest.next().is_some() {
        text.push('…');
    }
    text.truncate(text.trim_end().len());
    (text, width)
}

/// Appends the character as it is shown; its width in columns.
fn push(text: &mut String, char: char) -> usize {
    match char {
        '\t' => text.push_str(TAB),
        char if char.is_control() => text.push(' '),
        char => text.push(char),
    }
    match char {
        '\t' => TAB.len(),
        char => width(char),
    }
}

/// Columns of a character on a terminal. Rough on purpose: the blocks of East Asian and pictorial
/// characters are two wide, marks that combine and joiners have none.
fn width(char: char) -> usize {
    match u32::from(char) {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::body;
    use super::*;
    use proptest::prelude::*;

    fn at(sql: &str, needle: &str) -> String {
        let position = sql[..sql.find(needle).unwrap()].chars().count() + 1;
        let position = position.to_string();
        let fields = [(b'C', "42703"), (b'M', "no such column"), (b'P', &*position)];
        ServerError::parse(&body(&fields)).unwrap().render(sql)
    }

    #[test]
    fn a_caret_stands_under_the_place() {
        let error = ServerError::parse(&body(&[
            (b'V', "ERROR"),
            (b'C', "42703"),
            (b'M', "column \"levl_m\" does not exist"),
            (b'D', "It is not there."),
            (b'H', "Perhaps you meant to reference the column \"stations.level_m\"."),
            (b'P', "19"),
        ]))
        .unwrap();
        assert_eq!(
            error.render("SELECT id,\n       levl_m FROM stations"),
            "ERROR: column \"levl_m\" does not exist (42703) at 2:8\n\
             DETAIL: It is not there.\n\
             HINT: Perhaps you meant to reference the column \"stations.level_m\".\n\
             \n\
             \u{20} 1 | SELECT id,\n\
             \u{20} 2 |        levl_m FROM stations\n\
             \u{20}   |        ^\n"
        );
    }

    #[test]
    fn two_lines_of_context_stand_above() {
        let shown = at("a\r\nb\r\nc\r\nd x\r\ne", "x");
        assert!(shown.ends_with("\n\n  2 | b\n  3 | c\n  4 | d x\n    |   ^\n"), "{shown:?}");
    }

    #[test]
    fn tabs_are_eight_blanks_and_wide_characters_two_columns() {
        let shown = at("\t'水' x", "x");
        assert!(shown.ends_with("  1 |         '水' x\n    |              ^\n"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let sql = format!("{} x {}", "a".repeat(5_000), "b".repeat(5_000));
        let shown = at(&sql, "x");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 150), "{shown}");
        let column = lines[3].find('^').unwrap();
        assert_eq!(lines[2].chars().nth(column), Some('x'), "{shown}");
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        let error = ServerError::parse(&body(&[(b'M', "m"), (b'P', "7")])).unwrap();
        let shown = error.render("SELECT");
        assert!(shown.starts_with("ERROR: m at 1:7\n"));
        assert!(shown.ends_with("  1 | SELECT\n    |       ^\n"), "{shown}");
    }

    #[test]
    fn without_a_place_the_statement_is_not_shown() {
        let error = ServerError::parse(&body(&[(b'M', "m"), (b'P', "99")])).unwrap();
        assert_eq!(error.render("SELECT 1"), "ERROR: m\n");
        assert_eq!(ServerError::parse(b"\0").unwrap().render(""), "ERROR: \n");
    }

    #[test]
    fn a_statement_inside_a_function_is_shown_in_place_of_the_call() {
        let fields =
            [(b'M', "m"), (b'p', "8"), (b'q', "SELECT y"), (b'W', "PL/pgSQL function f() line 1")];
        let shown = ServerError::parse(&body(&fields)).unwrap().render("SELECT f()");
        assert!(shown.contains("CONTEXT: PL/pgSQL function f() line 1\n"));
        assert!(shown.ends_with("  1 | SELECT y\n    |        ^\n"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_and_place_can_be_drawn(sql in "[\\PC\n\t\r]{0,60}", position in 0..80_u32) {
            let position = position.to_string();
            let error = ServerError::parse(&body(&[(b'M', "m"), (b'P', &position)])).unwrap();
            let shown = error.render(&sql);
            prop_assert!(shown.starts_with("ERROR: m"));
            prop_assert!(shown.ends_with('\n'));
        }
    }
}
