//! Dates and times: between the neutral units, PostgreSQL's binary units, and its text.
//!
//! The text read here is what the server writes with `DateStyle = ISO` and any `IntervalStyle`. Years before
//! 1 are written `0044-03-15 BC`.

use std::io::Write;

use aquifer_driver::civil::{self, DAY_MICROS};
use aquifer_driver::{Date, Interval};

const DAYS_1970_TO_2000: i32 = 10_957;
const MICROS_1970_TO_2000: i64 = 946_684_800_000_000;
const SECOND: i64 = 1_000_000;

/// Days since 2000, infinities included; `None` if they do not fit.
pub(super) fn days_since_2000(date: Date) -> Option<i32> {
    match date.0 {
        infinity @ (i32::MAX | i32::MIN) => Some(infinity),
        // The ends are the infinities.
        days => days.checked_sub(DAYS_1970_TO_2000).filter(|days| *days != i32::MIN),
    }
}

/// Microseconds since 2000, infinities included; `None` if they do not fit.
pub(super) fn micros_since_2000(micros: i64) -> Option<i64> {
    match micros {
        infinity @ (i64::MAX | i64::MIN) => Some(infinity),
        micros => micros.checked_sub(MICROS_1970_TO_2000).filter(|micros| *micros != i64::MIN),
    }
}

/// Appends `2026-11-20`, `12026-01-01`, `0044-03-15 BC`, `infinity`.
pub(super) fn write_date(date: Date, out: &mut Vec<u8>) {
    match date.0 {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            let before_christ = write_day(days, out);
            out.extend_from_slice(before_christ);
        }
    }
}

/// Appends `2026-11-20 08:15:00.123456`, then `zone`.
pub(super) fn write_timestamp(micros: i64, zone: &str, out: &mut Vec<u8>) {
    match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        _ => {
            let before_christ = write_day(micros.div_euclid(DAY_MICROS) as i32, out);
            out.push(b' ');
            write_time(micros.rem_euclid(DAY_MICROS), out);
            out.extend_from_slice(zone.as_bytes());
            out.extend_from_slice(before_christ);
        }
    }
}

/// Appends `08:15:00.25`, with as few digits as say it.
fn write_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / SECOND;
    let (hours, minutes, fraction) = (seconds / 3600, seconds / 60 % 60, micros % SECOND);
    // Writing to a Vec does not fail.
    let _ = write!(out, "{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Appends the text of days since 2000; `None` if they are no day the server has.
pub(super) fn show_date(days: i32, out: &mut Vec<u8>) -> Option<()> {
    let days = match days {
        infinity @ (i32::MAX | i32::MIN) => infinity,
        days => days.checked_add(DAYS_1970_TO_2000)?,
    };
    write_date(Date(days), out);
    Some(())
}

/// Appends the text of microseconds since 2000; `None` beyond what the neutral unit has.
pub(super) fn show_timestamp(micros: i64, zone: &str, out: &mut Vec<u8>) -> Option<()> {
    let micros = match micros {
        infinity @ (i64::MAX | i64::MIN) => infinity,
        micros => micros.checked_add(MICROS_1970_TO_2000)?,
    };
    write_timestamp(micros, zone, out);
    Some(())
}

/// Appends a time of day's text; `None` if it is not within one day.
pub(super) fn show_time(micros: i64, out: &mut Vec<u8>) -> Option<()> {
    (0..=DAY_MICROS).contains(&micros).then(|| write_time(micros, out))
}

fn write_day(days: i32, out: &mut Vec<u8>) -> &'static [u8] {
    let (year, month, day) = civil::year_month_day(days);
    let shown = if year > 0 { i64::from(year) } else { 1 - i64::from(year) };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    if year > 0 { b"" } else { b" BC" }
}

/// Days since 2000.
pub(super) fn date(text: &[u8]) -> Option<i32> {
    match text {
        b"infinity" => return Some(i32::MAX),
        b"-infinity" => return Some(i32::MIN),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let mut scan = Scan(text);
    let days = scan.date(before_christ)?;
    scan.end()?;
    days.checked_sub(DAYS_1970_TO_2000)
}

/// Microseconds since midnight.
pub(super) fn time(text: &[u8]) -> Option<i64> {
    let mut scan = Scan(text);
    let micros = scan.time()?;
    scan.end()?;
    Some(micros)
}

/// Microseconds since 2000, in UTC if the text has an offset.
pub(super) fn timestamp(text: &[u8], with_zone: bool) -> Option<i64> {
    match text {
        b"infinity" => return Some(i64::MAX),
        b"-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let mut scan = Scan(text);
    let days = scan.date(before_christ)?;
    scan.eat(b' ')?;
    let time = scan.time()?;
    let offset = if with_zone { scan.offset()? } else { 0 };
    scan.end()?;
    let micros = i128::from(days - DAYS_1970_TO_2000) * i128::from(DAY_MICROS) + i128::from(time)
        - i128::from(offset) * i128::from(SECOND);
    i64::try_from(micros).ok()
}

fn era(text: &[u8]) -> (&[u8], bool) {
    match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    }
}

/// An interval's text in any `IntervalStyle`: `1 year 2 mons -3 days 04:05:06.5`,
/// `@ 1 year 2 mons -3 days 4 hours ago`, `+1-2 -3 +4:05:06.5`, `P1Y2M-3DT4H5M6.5S`.
pub(super) fn interval(text: &[u8]) -> Option<Interval> {
    let text = std::str::from_utf8(text).ok()?;
    match text {
        // PostgreSQL 17 and later, whose binary form of them is this.
        "infinity" => return Some(Interval { months: i32::MAX, days: i32::MAX, micros: i64::MAX }),
        "-infinity" => {
            return Some(Interval { months: i32::MIN, days: i32::MIN, micros: i64::MIN });
        }
        _ => {}
    }
    if text.starts_with('P') {
        let span = civil::parse_interval(text).ok()?;
        return (span.nanos == 0).then_some(span.interval);
    }
    let (text, sign) = match text.strip_prefix("@ ") {
        Some(text) => match text.strip_suffix(" ago") {
            Some(text) => (text, -1),
            None => (text, 1),
        },
        None => (text, 1),
    };
    let (mut months, mut days, mut micros) = (0i128, 0i128, 0i128);
    // The SQL standard's form writes one sign for all that follows it unsigned.
    let mut all = 1;
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let (own, digits) = match word.as_bytes().first()? {
            b'-' => (-1, &word[1..]),
            b'+' => (1, &word[1..]),
            _ => (all, word),
        };
        if digits.contains(':') {
            micros += own * clock_face(digits)?;
        } else if let Some((years, rest)) = digits.split_once('-') {
            months += own * (number(years)? * 12 + number(rest)?);
            all = own;
        } else if words
            .peek()
            .is_some_and(|unit| unit.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            let unit = words.next()?;
            match unit.strip_suffix('s').unwrap_or(unit) {
                "year" => months += own * number(digits)? * 12,
                "mon" => months += own * number(digits)?,
                "day" => days += own * number(digits)?,
                "hour" => micros += own * number(digits)? * 3600 * i128::from(SECOND),
                "min" => micros += own * number(digits)? * 60 * i128::from(SECOND),
                "sec" => micros += own * seconds(digits)?,
                _ => return None,
            }
        } else {
            // Days in the SQL standard's form, or a lone zero.
            days += own * number(digits)?;
            all = own;
        }
    }
    Some(Interval {
        months: i32::try_from(sign * months).ok()?,
        days: i32::try_from(sign * days).ok()?,
        micros: i64::try_from(sign * micros).ok()?,
    })
}

fn number(digits: &str) -> Option<i128> {
    let plain = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// `6` or `6.789`, in microseconds.
fn seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut micros = number(whole)?.checked_mul(SECOND.into())?;
    if text.len() > whole.len() {
        let scale = 10i128.checked_pow(6u32.checked_sub(fraction.len() as u32)?)?;
        micros += number(fraction)? * scale;
    }
    Some(micros)
}

/// `04:05:06.789`, in microseconds; the hours are any number.
fn clock_face(text: &str) -> Option<i128> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, rest) = rest.split_once(':').unwrap_or((rest, "0"));
    Some((number(hours)? * 3600 + number(minutes)? * 60) * i128::from(SECOND) + seconds(rest)?)
}

struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    /// As many digits as there are, from `min` to `max`.
    fn digits(&mut self, min: usize, max: usize) -> Option<i32> {
        let len = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(min..=max).contains(&len) {
            return None;
        }
        let (digits, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0')))
    }

    /// Days since 1970.
    fn date(&mut self, before_christ: bool) -> Option<i32> {
        let year = self.digits(4, 7)?;
        self.eat(b'-')?;
        let month = self.digits(2, 2)?;
        self.eat(b'-')?;
        let day = self.digits(2, 2)?;
        // There is no year 0: 1 BC comes before 1.
        let year = if before_christ { 1 - year } else { year };
        let days = civil::days(year, month as u8, day as u8)?;
        // Nothing the server has is out of this range, so the callers' sums do not overflow.
        (-2_000_000_000..=2_147_000_000).contains(&days).then_some(days)
    }

    fn time(&mut self) -> Option<i64> {
        let hours = self.digits(2, 2)?;
        self.eat(b':')?;
        let minutes = self.digits(2, 2)?;
        self.eat(b':')?;
        let seconds = self.digits(2, 2)?;
        let mut micros = i64::from(hours * 3600 + minutes * 60 + seconds) * SECOND;
        if self.eat(b'.').is_some() {
            let before = self.0.len();
            let fraction = self.digits(1, 6)?;
            let digits = before - self.0.len();
            micros += i64::from(fraction) * 10i64.pow(6 - digits as u32);
        }
        (minutes < 60 && seconds < 60 && micros <= DAY_MICROS).then_some(micros)
    }

    /// `+01`, `-03:30`, `+00:19:32`, in seconds.
    fn offset(&mut self) -> Option<i32> {
        let sign = match self.eat(b'+') {
            Some(()) => 1,
            None => {
                self.eat(b'-')?;
                -1
            }
        };
        let mut seconds = self.digits(2, 2)? * 3600;
        if self.eat(b':').is_some() {
            seconds += self.digits(2, 2)? * 60;
            if self.eat(b':').is_some() {
                seconds += self.digits(2, 2)?;
            }
        }
        Some(sign * seconds)
    }
}
