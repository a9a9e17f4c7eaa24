//! Text into values, to the nanosecond.

use super::{DAY_MICROS, INFINITY, MINUS_INFINITY, SECOND, days};
use crate::{Date, Interval};

/// Why a text is not a date, a time or an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The text has another form.
    Form,
    /// The form is right, but a field is out of its range (a 13th month, 24 hours), the calendar has no
    /// such day, or the whole does not fit the unit.
    Range,
    /// The second is 60: the neutral units have no leap seconds.
    LeapSecond,
    /// The fraction has more than nine digits.
    Digits,
}

impl Malformed {
    /// The reason as error messages use it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Form => "its text has another form",
            Self::Range => "a part of it is out of range",
            Self::LeapSecond => "it is a leap second",
            Self::Digits => "its fraction has more than nine digits",
        }
    }
}

/// A time of day, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// Microseconds since midnight: `0..=DAY_MICROS`, where the last is `24:00:00`.
    pub micros: i64,
    /// Nanoseconds beyond the microseconds: `0..1000`.
    pub nanos: u16,
}

/// A date and time, to the nanosecond, with the offset that was written behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// What the clock on the wall showed: microseconds since 1970-01-01T00:00:00. `i64::MAX` and
    /// `i64::MIN` are the infinities.
    pub micros: i64,
    /// Nanoseconds beyond the microseconds: `0..1000`.
    pub nanos: u16,
    /// Seconds that the wall clock is ahead of UTC; `None` if the text says nothing.
    pub offset: Option<i32>,
}

impl Stamp {
    /// Microseconds since 1970-01-01T00:00:00 UTC, for a wall clock without an offset taken as UTC;
    /// `None` if they do not fit.
    pub fn utc_micros(self) -> Option<i64> {
        if self.micros == i64::MAX || self.micros == i64::MIN {
            return Some(self.micros);
        }
        let micros = self.micros.checked_sub(i64::from(self.offset.unwrap_or(0)) * SECOND)?;
        (micros != i64::MAX && micros != i64::MIN).then_some(micros)
    }
}

/// An interval, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The interval, rounded towards the past.
    pub interval: Interval,
    /// Nanoseconds beyond it: `0..1000`.
    pub nanos: u16,
}

/// Reads `2026-11-20`, with years as the [module](super) says, and the infinities.
///
/// # Errors
///
/// If the text is anything else, blanks and a time behind the date included.
pub fn parse_date(text: &str) -> Result<Date, Malformed> {
    match text {
        INFINITY => return Ok(Date(i32::MAX)),
        MINUS_INFINITY => return Ok(Date(i32::MIN)),
        _ => {}
    }
    let mut scan = Scan { rest: text.as_bytes() };
    let days = scan.date()?;
    scan.end()?;
    finite_date(days).map(Date)
}

/// Reads `08:15`, `08:15:00` or `08:15:00.123456789`. `24:00:00`, the end of the day, is a time.
///
/// # Errors
///
/// If the text is anything else, or an offset follows.
pub fn parse_time(text: &str) -> Result<TimeOfDay, Malformed> {
    let mut scan = Scan { rest: text.as_bytes() };
    let time = scan.time()?;
    scan.end()?;
    Ok(time)
}

/// Reads a date, `T` or one blank, a time of day, and perhaps an offset: `Z`, `+01`, `+0100`, `+01:00`.
/// Also the infinities.
///
/// # Errors
///
/// If the text is anything else; `24:00:00` belongs to no date.
pub fn parse_stamp(text: &str) -> Result<Stamp, Malformed> {
    match text {
        INFINITY => return Ok(Stamp { micros: i64::MAX, nanos: 0, offset: None }),
        MINUS_INFINITY => return Ok(Stamp { micros: i64::MIN, nanos: 0, offset: None }),
        _ => {}
    }
    let mut scan = Scan { rest: text.as_bytes() };
    let days = scan.date()?;
    if !(scan.eat(b'T') || scan.eat(b' ') || scan.eat(b't')) {
        return Err(Malformed::Form);
    }
    let time = scan.time()?;
    let offset = scan.offset()?;
    scan.end()?;
    if time.micros == DAY_MICROS {
        return Err(Malformed::Range);
    }
    let micros = i128::from(days) * i128::from(DAY_MICROS) + i128::from(time.micros);
    match i64::try_from(micros) {
        Ok(micros) if micros != i64::MIN && micros != i64::MAX => {
            Ok(Stamp { micros, nanos: time.nanos, offset })
        }
        _ => Err(Malformed::Range),
    }
}

/// Reads an ISO 8601 duration: `P1Y2M3W4DT5H6M7.5S`, each part optional but not all, each with a sign if
/// it needs one; `-P1D` turns all signs.
///
/// # Errors
///
/// If the text is anything else, a part comes twice or out of order, or the units overflow.
pub fn parse_interval(text: &str) -> Result<Span, Malformed> {
    let mut scan = Scan { rest: text.as_bytes() };
    let turn = scan.sign();
    if !scan.eat(b'P') {
        return Err(Malformed::Form);
    }
    let (mut months, mut days, mut nanos) = (0i128, 0i128, 0i128);
    let mut last = 0;
    let mut clock = false;
    loop {
        if !clock && scan.eat(b'T') {
            clock = true;
            if scan.rest.is_empty() {
                return Err(Malformed::Form);
            }
        }
        if scan.rest.is_empty() {
            break;
        }
        let sign = turn * scan.sign();
        let whole = i128::from(scan.long()?);
        let fraction = scan.fraction()?;
        let Some((&unit, rest)) = scan.rest.split_first() else { return Err(Malformed::Form) };
        scan.rest = rest;
        let order = match (clock, unit) {
            (false, b'Y') => {
                months += sign * whole * 12;
                1
            }
            (false, b'M') => {
                months += sign * whole;
                2
            }
            (false, b'W') => {
                days += sign * whole * 7;
                3
            }
            (false, b'D') => {
                days += sign * whole;
                4
            }
            (true, b'H') => {
                nanos += sign * whole * 3_600_000_000_000;
                5
            }
            (true, b'M') => {
                nanos += sign * whole * 60_000_000_000;
                6
            }
            (true, b'S') => {
                nanos += sign * (whole * 1_000_000_000 + i128::from(fraction.unwrap_or(0)));
                7
            }
            _ => return Err(Malformed::Form),
        };
        if order <= last || (fraction.is_some() && order != 7) {
            return Err(Malformed::Form);
        }
        last = order;
    }
    if last == 0 {
        return Err(Malformed::Form);
    }
    let range = |_| Malformed::Range;
    Ok(Span {
        interval: Interval {
            months: months.try_into().map_err(range)?,
            days: days.try_into().map_err(range)?,
            micros: nanos.div_euclid(1000).try_into().map_err(range)?,
        },
        nanos: nanos.rem_euclid(1000) as u16,
    })
}

fn finite_date(days: i32) -> Result<i32, Malformed> {
    if days == i32::MAX || days == i32::MIN { Err(Malformed::Range) } else { Ok(days) }
}

/// What is left to read.
struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Form) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(Malformed::Form) }
    }

    fn sign(&mut self) -> i128 {
        if self.eat(b'-') {
            return -1;
        }
        self.eat(b'+');
        1
    }

    fn digit(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        if !first.is_ascii_digit() {
            return None;
        }
        self.rest = rest;
        Some(first - b'0')
    }

    /// A number of exactly two digits, at most `max`.
    fn two(&mut self, max: u8) -> Result<u8, Malformed> {
        match (self.digit(), self.digit()) {
            (Some(tens), Some(ones)) if tens * 10 + ones <= max => Ok(tens * 10 + ones),
            (Some(_), Some(_)) => Err(Malformed::Range),
            _ => Err(Malformed::Form),
        }
    }

    /// A number of any length.
    fn long(&mut self) -> Result<u64, Malformed> {
        let mut value = u64::from(self.digit().ok_or(Malformed::Form)?);
        while let Some(digit) = self.digit() {
            value = value
                .checked_mul(10)
                .and_then(|value| value.checked_add(digit.into()))
                .ok_or(Malformed::Range)?;
        }
        Ok(value)
    }

    /// `.` and one to nine digits, as nanoseconds; `None` if there is no dot.
    fn fraction(&mut self) -> Result<Option<u32>, Malformed> {
        if !self.eat(b'.') {
            return Ok(None);
        }
        let mut nanos = u32::from(self.digit().ok_or(Malformed::Form)?);
        let mut left = 8u32;
        while let Some(digit) = self.digit() {
            left = left.checked_sub(1).ok_or(Malformed::Digits)?;
            nanos = nanos * 10 + u32::from(digit);
        }
        Ok(Some(nanos * 10u32.pow(left)))
    }

    /// Four digits, or a sign and four to seven.
    fn year(&mut self) -> Result<i32, Malformed> {
        let negative = self.eat(b'-');
        let signed = negative || self.eat(b'+');
        let mut year = 0i32;
        let mut count = 0;
        while (count < 4 || signed)
            && let Some(digit) = self.digit()
        {
            count += 1;
            if count > 7 {
                return Err(Malformed::Range);
            }
            year = year * 10 + i32::from(digit);
        }
        if count < 4 || (negative && year == 0) {
            return Err(Malformed::Form);
        }
        Ok(if negative { -year } else { year })
    }

    fn date(&mut self) -> Result<i32, Malformed> {
        let year = self.year()?;
        self.expect(b'-')?;
        let month = self.two(12)?;
        self.expect(b'-')?;
        let day = self.two(31)?;
        days(year, month, day).ok_or(Malformed::Range)
    }

    fn time(&mut self) -> Result<TimeOfDay, Malformed> {
        let hour = self.two(24)?;
        self.expect(b':')?;
        let minute = self.two(59)?;
        let (mut second, mut nanos) = (0, 0);
        if self.eat(b':') {
            second = self.two(60)?;
            if second == 60 {
                return Err(Malformed::LeapSecond);
            }
            nanos = self.fraction()?.unwrap_or(0);
        }
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        if hour == 24 && (seconds != 86_400 || nanos != 0) {
            return Err(Malformed::Range);
        }
        Ok(TimeOfDay {
            micros: seconds * SECOND + i64::from(nanos / 1000),
            nanos: (nanos % 1000) as u16,
        })
    }

    /// Seconds ahead of UTC, if anything follows.
    fn offset(&mut self) -> Result<Option<i32>, Malformed> {
        if self.eat(b'Z') || self.eat(b'z') {
            return Ok(Some(0));
        }
        let sign = match self.rest.first() {
            None => return Ok(None),
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return Err(Malformed::Form),
        };
        self.rest = &self.rest[1..];
        let hours = self.two(23)?;
        let minutes = if self.eat(b':') || !self.rest.is_empty() { self.two(59)? } else { 0 };
        Ok(Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)))
    }
}
