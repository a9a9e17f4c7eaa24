//! Arguments as literals in a statement's text, for `interpolateParams`.
//!
//! Each literal has the type that the argument would have by itself. All text of a session is UTF-8, in which no
//! byte of a letter is a quote or a backslash; bytes go as hexadecimal digits.

use std::fmt::Write;

use aquifer_driver::civil::{DAY_MICROS, year_month_day};
use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ValueRef};

use super::{Clock, bind};
use crate::placeholders;

/// The text with its arguments written in. `escapes`: a backslash in a string escapes. `several`: it may be several
/// statements.
///
/// # Errors
///
/// If it is not certain where the placeholders are, their number is another than that of the arguments, or the
/// engine cannot take one.
pub(crate) fn interpolate(
    sql: &str,
    params: &dyn Params,
    clock: Clock,
    escapes: bool,
    several: bool,
) -> Result<String> {
    let found = placeholders::search(sql, escapes).filter(|(_, are)| several || !are);
    let (places, _) = found.ok_or_else(uncertain)?;
    if places.len() != params.count() {
        return Err(Error::new(
            ErrorKind::ArgumentMismatch,
            format!(
                "the statement takes {} arguments, {} were given",
                places.len(),
                params.count()
            ),
        ));
    }
    let mut literals = Literals {
        out: String::with_capacity(sql.len()),
        sql,
        places,
        from: 0,
        next: 0,
        clock,
        escapes,
    };
    params.bind(&mut literals)?;
    if literals.next != literals.places.len() {
        return Err(Error::new(
            ErrorKind::ArgumentMismatch,
            format!("{} arguments were announced and {} were given", params.count(), literals.next),
        ));
    }
    let Literals { mut out, from, .. } = literals;
    out.push_str(&sql[from..]);
    Ok(out)
}

#[cold]
fn uncertain() -> Error {
    Error::new(
        ErrorKind::Argument,
        "arguments cannot be written into this text: it is several statements, is not closed, or has a versioned \
         comment or a backslash in double quotes",
    )
    .with_hint("rewrite it, or set `interpolateParams=false`")
}

struct Literals<'a> {
    out: String,
    sql: &'a str,
    places: Vec<usize>,
    /// How much of the text is written.
    from: usize,
    next: usize,
    clock: Clock,
    escapes: bool,
}

impl ParamSink for Literals<'_> {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let Some(place) = self.places.get(self.next).copied() else {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                format!("more than the {} announced arguments were given", self.places.len()),
            ));
        };
        self.out.push_str(&self.sql[self.from..place]);
        // Spaces keep it from growing together with what stands beside it. Two dashes and a space were a comment.
        if !self.out.ends_with('-') {
            self.out.push(' ');
        }
        put(&mut self.out, value, self.clock, self.escapes).map_err(|why| {
            Error::new(ErrorKind::Argument, format!("argument {}: {why}", self.next + 1))
        })?;
        self.out.push(' ');
        (self.from, self.next) = (place + 1, self.next + 1);
        Ok(())
    }
}

fn put(
    out: &mut String,
    value: ValueRef<'_>,
    clock: Clock,
    escapes: bool,
) -> Result<(), &'static str> {
    match value {
        ValueRef::Null => out.push_str("NULL"),
        ValueRef::Bool(v) => out.push_str(if v { "TRUE" } else { "FALSE" }),
        ValueRef::Int(v) => write(out, format_args!("{v}")),
        ValueRef::UInt(v) => write(out, format_args!("{v}")),
        ValueRef::Float(v) if v.is_finite() => write(out, format_args!("{v:e}")),
        ValueRef::Float(_) => return Err(bind::NO_NUMBER),
        ValueRef::Decimal(v) => {
            let digits = v.strip_prefix(['-', '+']).unwrap_or(v);
            let points = digits.bytes().filter(|byte| *byte == b'.').count();
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if !plain || points > 1 || digits.len() == points {
                return Err("only decimals in plain notation can be written into a text");
            }
            out.push_str(v);
        }
        ValueRef::Text(v) | ValueRef::Json(v) => quote(out, v, escapes),
        ValueRef::Bytes(v) => hexadecimal(out, v),
        ValueRef::Uuid(v) => hexadecimal(out, &v),
        ValueRef::Date(v) => {
            out.push_str("DATE'");
            date(out, v.0)?;
            out.push('\'');
        }
        ValueRef::Timestamp(_) | ValueRef::TimestampTz(_) => {
            let micros = bind::in_zone(value, clock)?;
            out.push_str("TIMESTAMP'");
            date(out, i32::try_from(micros.div_euclid(DAY_MICROS)).map_err(|_| bind::YEARS)?)?;
            out.push(' ');
            time_of_day(out, micros.rem_euclid(DAY_MICROS) as u64);
            out.push('\'');
        }
        ValueRef::Time(v) => time(out, v),
        ValueRef::Interval(v) if v.months == 0 => {
            let days = i64::from(v.days) * DAY_MICROS;
            time(out, days.checked_add(v.micros).ok_or("the interval is too long")?);
        }
        ValueRef::Interval(_) => return Err(bind::MONTHS),
        _ => return Err("MySQL has no type for this value"),
    }
    Ok(())
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into memory does not fail.
    let _ = out.write_fmt(text);
}

fn quote(out: &mut String, text: &str, escapes: bool) {
    out.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => out.push_str("''"),
            '\\' if escapes => out.push_str("\\\\"),
            '\0' if escapes => out.push_str("\\0"),
            '\n' if escapes => out.push_str("\\n"),
            '\r' if escapes => out.push_str("\\r"),
            '\x1a' if escapes => out.push_str("\\Z"),
            letter => out.push(letter),
        }
    }
    out.push('\'');
}

/// With its charset it is a string, and never taken for a number.
fn hexadecimal(out: &mut String, bytes: &[u8]) {
    out.push_str("_binary x'");
    for byte in bytes {
        write(out, format_args!("{byte:02x}"));
    }
    out.push('\'');
}

fn date(out: &mut String, day: i32) -> Result<(), &'static str> {
    let (year, month, day) = year_month_day(day);
    if !(0..=9999).contains(&year) {
        return Err(bind::YEARS);
    }
    write(out, format_args!("{year:04}-{month:02}-{day:02}"));
    Ok(())
}

fn time(out: &mut String, micros: i64) {
    out.push_str(if micros < 0 { "TIME'-" } else { "TIME'" });
    time_of_day(out, micros.unsigned_abs());
    out.push('\'');
}

fn time_of_day(out: &mut String, micros: u64) {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write(out, format_args!("{hours:02}:{minutes:02}:{seconds:02}"));
    if fraction != 0 {
        write(out, format_args!(".{fraction:06}"));
    }
}

#[cfg(test)]
mod tests {
    use aquifer_driver::{Date, Value};

    use super::*;
    use crate::types::Zone;

    fn written(sql: &str, params: &dyn Params, escapes: bool) -> Result<String> {
        interpolate(sql, params, Clock::of(Zone::Fixed(3600)), escapes, false)
    }

    #[test]
    fn arguments_become_literals_of_their_own_type() {
        for (value, text) in [
            (Value::Null, "NULL"),
            (Value::Int(-5), "-5"),
            (Value::UInt(u64::MAX), "18446744073709551615"),
            (Value::Float(0.1), "1e-1"),
            (Value::Decimal("-12.50".into()), "-12.50"),
            (Value::Bytes(b"a'\\".to_vec()), "_binary x'61275c'"),
            (Value::Date(Date(0)), "DATE'1970-01-01'"),
            (Value::Timestamp(500_000), "TIMESTAMP'1970-01-01 00:00:00.500000'"),
            (Value::TimestampTz(0), "TIMESTAMP'1970-01-01 01:00:00'"),
            (Value::Time(-3_020_399_000_001), "TIME'-838:59:59.000001'"),
        ] {
            assert_eq!(written("a?", &(value,), true).unwrap(), format!("a {text} "));
        }
    }

    #[test]
    fn a_literal_behind_dashes_is_no_comment() {
        assert_eq!(written("SELECT 1--?", &(-5,), true).unwrap(), "SELECT 1---5 ");
        assert_eq!(written("SELECT 1--?", &("a",), true).unwrap(), "SELECT 1--'a' ");
    }

    #[test]
    fn text_is_quoted_as_the_servers_mode_has_it() {
        let text = ("it's\\ a \"b\"\0\n\r\x1a?",);
        let escaped = written("SELECT '?', ?", &text, true).unwrap();
        assert_eq!(escaped, "SELECT '?',  'it''s\\\\ a \"b\"\\0\\n\\r\\Z?' ");
        let plain = written("SELECT ?", &text, false).unwrap();
        assert_eq!(plain, "SELECT  'it''s\\ a \"b\"\0\n\r\x1a?' ");
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_shows_no_argument() {
        for (sql, value) in [
            ("SELECT ?", Value::Float(f64::NAN)),
            ("SELECT ?", Value::Decimal("1e5".into())),
            ("SELECT ?", Value::Decimal("1 OR 1".into())),
            ("SELECT ?", Value::Decimal(".".into())),
            ("SELECT ?", Value::Date(Date(i32::MAX))),
            ("SELECT ?", Value::Array(vec![])),
            ("SELECT ?, ?", Value::Text("secret".into())),
            ("SELECT ?; DROP TABLE t", Value::Text("secret".into())),
            ("SELECT /*! ? */", Value::Text("secret".into())),
        ] {
            let error = written(sql, &(value,), true).unwrap_err();
            let kinds = [ErrorKind::Argument, ErrorKind::ArgumentMismatch];
            assert!(kinds.contains(&error.kind()), "{error}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }
}
