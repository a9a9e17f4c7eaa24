//! Dates and times in text: ISO 8601 and RFC 3339 to and from the neutral units of
//! [`ValueRef`](crate::ValueRef).
//!
//! Pure functions that allocate nothing and know no clock and no time zone database. Engines that store
//! text (SQLite) write these forms; the same parsers read what they and other programs wrote.
//!
//! | unit | written |
//! |---|---|
//! | date | `2026-11-20` |
//! | time | `08:15:00`, `08:15:00.250`, `08:15:00.123456` |
//! | timestamp | `2026-11-20 08:15:00.123456` |
//! | timestamp with time zone | `2026-11-20 08:15:00.123456+00:00`, always in UTC |
//! | interval | `P1Y2M3DT4H5M6.500S`, each part with its own sign |
//!
//! The fraction has no digits, three, or six: as few as say it exactly. Within the years 0000 to 9999 the
//! texts of one unit sort as their values do, and SQLite's date functions read them. That is why instants
//! end in `+00:00` and not in `Z`: `+` sorts before `.`, so a whole second stays before its fractions,
//! where `Z` would put it behind.
//!
//! Years are astronomical (0000 is 1 BC). Those beyond four digits carry a sign, `+12026-01-01`, and years
//! before 0000 a minus, `-0043-03-15`; neither sorts as text. Infinities are `infinity` and `-infinity`.

use crate::{Date, Interval};

/// Microseconds in one day.
pub const DAY_MICROS: i64 = 86_400_000_000;

const SECOND: i64 = 1_000_000;

/// The longest text is an interval's; 56 bytes are needed at most.
const LEN_MAX: usize = 64;

/// A short ASCII text on the stack.
#[derive(Clone, Copy)]
pub struct Iso {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl Iso {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; LEN_MAX], len: 0 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_all(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// `value` in decimal, with zeros in front up to `width`.
    fn push_number(&mut self, mut value: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while value > 0 || digits.len() - at < width {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self.push_all(&digits[at..]);
    }

    /// A year as at the head of a date.
    fn push_year(&mut self, year: i32) {
        if year < 0 {
            self.push(b'-');
        } else if year > 9999 {
            self.push(b'+');
        }
        self.push_number(year.unsigned_abs().into(), 4);
    }

    fn push_date(&mut self, days: i32) {
        let (year, month, day) = year_month_day(days);
        self.push_year(year);
        self.push(b'-');
        self.push_number(month.into(), 2);
        self.push(b'-');
        self.push_number(day.into(), 2);
    }

    /// `micros` are those of one day.
    fn push_time(&mut self, micros: u64) {
        let seconds = micros / SECOND as u64;
        self.push_number(seconds / 3600, 2);
        self.push(b':');
        self.push_number(seconds / 60 % 60, 2);
        self.push(b':');
        self.push_number(seconds % 60, 2);
        self.push_fraction(micros % SECOND as u64);
    }

    fn push_fraction(&mut self, micros: u64) {
        if micros == 0 {
            return;
        }
        self.push(b'.');
        if micros.is_multiple_of(1000) {
            self.push_number(micros / 1000, 3);
        } else {
            self.push_number(micros, 6);
        }
    }

    fn push_timestamp(&mut self, micros: i64) {
        self.push_date(micros.div_euclid(DAY_MICROS) as i32);
        self.push(b' ');
        self.push_time(micros.rem_euclid(DAY_MICROS) as u64);
    }

    fn literal(text: &str) -> Self {
        let mut out = Self::new();
        out.push_all(text.as_bytes());
        out
    }
}

impl std::ops::Deref for Iso {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Shows how long the text is, never the text: values are the user's data.
impl std::fmt::Debug for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Iso({} bytes)", self.len)
    }
}

const INFINITY: &str = "infinity";
const MINUS_INFINITY: &str = "-infinity";

/// A date's text: `2026-11-20`.
pub fn date(date: Date) -> Iso {
    match date.0 {
        i32::MAX => Iso::literal(INFINITY),
        i32::MIN => Iso::literal(MINUS_INFINITY),
        days => {
            let mut out = Iso::new();
            out.push_date(days);
            out
        }
    }
}

/// A time of day's text: `08:15:00.250`. The end of the day is `24:00:00`; `None` for microseconds that
/// are not within one day.
pub fn time(micros: i64) -> Option<Iso> {
    if !(0..=DAY_MICROS).contains(&micros) {
        return None;
    }
    let mut out = Iso::new();
    out.push_time(micros as u64);
    Some(out)
}

/// The text of a date and time without a zone: `2026-11-20 08:15:00.123456`.
pub fn timestamp(micros: i64) -> Iso {
    match micros {
        i64::MAX => Iso::literal(INFINITY),
        i64::MIN => Iso::literal(MINUS_INFINITY),
        _ => {
            let mut out = Iso::new();
            out.push_timestamp(micros);
            out
        }
    }
}

/// An instant's text, in UTC: `2026-11-20 08:15:00.123456+00:00`.
pub fn timestamp_tz(micros: i64) -> Iso {
    let mut out = timestamp(micros);
    if micros != i64::MAX && micros != i64::MIN {
        out.push_all(b"+00:00");
    }
    out
}

/// An interval's text, an ISO 8601 duration whose parts have their own signs: `P1Y2M-3DT4H5M6.500S`. The
/// empty one is `PT0S`.
pub fn interval(interval: Interval) -> Iso {
    let mut out = Iso::literal("P");
    let part = |out: &mut Iso, value: i64, unit: u8| {
        if value != 0 {
            if value < 0 {
                out.push(b'-');
            }
            out.push_number(value.unsigned_abs(), 1);
            out.push(unit);
        }
    };
    part(&mut out, (interval.months / 12).into(), b'Y');
    part(&mut out, (interval.months % 12).into(), b'M');
    part(&mut out, interval.days.into(), b'D');
    if interval.micros != 0 {
        out.push(b'T');
        part(&mut out, interval.micros / (3600 * SECOND), b'H');
        part(&mut out, interval.micros / (60 * SECOND) % 60, b'M');
        let rest = interval.micros % (60 * SECOND);
        if rest != 0 {
            if rest < 0 {
                out.push(b'-');
            }
            out.push_number(rest.unsigned_abs() / SECOND as u64, 1);
            out.push_fraction(rest.unsigned_abs() % SECOND as u64);
            out.push(b'S');
        }
    }
    if out.len == 1 { Iso::literal("PT0S") } else { out }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// The algorithm is Howard Hinnant's `civil_from_days`: eras of 400 years that start in March, so that
/// the leap day is the last of its year.
pub fn year_month_day(days: i32) -> (i32, u8, u8) {
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u8, day as u8)
}

/// The day counted from 1970-01-01; `None` if the calendar has no such day, or it is out of range.
pub fn days(year: i32, month: u8, day: u8) -> Option<i32> {
    if day == 0 || day > days_of_month(year, month)? {
        return None;
    }
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

fn days_of_month(year: i32, month: u8) -> Option<u8> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    })
}

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

/// Reads `2026-11-20`, with years as the [module](self) says, and the infinities.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> i64 {
        parse_stamp(text).unwrap().utc_micros().unwrap()
    }

    #[test]
    fn the_forms_are_as_documented() {
        assert_eq!(&*date(Date(0)), "1970-01-01");
        assert_eq!(&*date(Date(-719_528)), "0000-01-01");
        assert_eq!(&*date(Date(-719_529)), "-0001-12-31");
        assert_eq!(&*date(Date(2_932_896)), "9999-12-31");
        assert_eq!(&*date(Date(2_932_897)), "+10000-01-01");
        assert_eq!(&*date(Date(i32::MAX)), "infinity");
        assert_eq!(&*date(Date(i32::MAX - 1)), "+5881580-07-10");
        assert_eq!(&*time(0).unwrap(), "00:00:00");
        assert_eq!(&*time(29_700_250_000).unwrap(), "08:15:00.250");
        assert_eq!(&*time(DAY_MICROS - 1).unwrap(), "23:59:59.999999");
        assert_eq!(&*time(DAY_MICROS).unwrap(), "24:00:00");
        assert!(time(-1).is_none() && time(DAY_MICROS + 1).is_none());
        assert_eq!(&*timestamp(-1), "1969-12-31 23:59:59.999999");
        assert_eq!(&*timestamp_tz(1_000), "1970-01-01 00:00:00.001+00:00");
        assert_eq!(&*timestamp_tz(i64::MIN), "-infinity");
    }

    #[test]
    fn intervals_keep_the_sign_of_each_part() {
        let text = |months, days, micros| interval(Interval { months, days, micros });
        assert_eq!(&*text(0, 0, 0), "PT0S");
        assert_eq!(&*text(14, -3, 14_706_500_000), "P1Y2M-3DT4H5M6.500S");
        assert_eq!(&*text(-1, 0, -500_000), "P-1MT-0.500S");
        assert_eq!(&*text(0, 0, 3_600_000_000), "PT1H");
        assert_eq!(
            &*text(i32::MIN, i32::MIN, i64::MIN),
            "P-178956970Y-8M-2147483648DT-2562047788H-54.775808S"
        );
        let read = |text| parse_interval(text).unwrap().interval;
        assert_eq!(read("P3W"), Interval { months: 0, days: 21, micros: 0 });
        assert_eq!(read("-P1Y-2DT3S"), Interval { months: -12, days: 2, micros: -3_000_000 });
        assert_eq!(
            parse_interval("PT-0.0000001S"),
            Ok(Span { interval: Interval { micros: -1, ..Interval::default() }, nanos: 900 })
        );
    }

    #[test]
    fn what_is_not_an_interval_is_refused() {
        for text in [
            "", "P", "PT", "P1", "P1DT", "PD", "1D", "P1D2M", "P1M1M", "P1.5D", "P1H", "PT1D",
            "P 1D",
        ] {
            assert_eq!(parse_interval(text), Err(Malformed::Form), "{text}");
        }
        assert_eq!(parse_interval("P2147483648D"), Err(Malformed::Range));
        assert_eq!(parse_interval("P99999999999999999999D"), Err(Malformed::Range));
        assert_eq!(parse_interval("PT2562047789H"), Err(Malformed::Range));
        assert_eq!(parse_interval("PT0.1234567890S"), Err(Malformed::Digits));
    }

    #[test]
    fn offsets_of_every_form_name_the_same_instant() {
        let want = micros("2026-11-20T08:15:00Z");
        for text in [
            "2026-11-20 08:15Z",
            "2026-11-20t08:15:00z",
            "2026-11-20 08:15:00.000000000+00:00",
            "2026-11-20T09:15:00+01",
            "2026-11-20T10:45+0230",
            "2026-11-19 22:15:00-10:00",
            "2026-11-20 08:15:00-00:00",
        ] {
            assert_eq!(micros(text), want, "{text}");
        }
        assert_eq!(parse_stamp("2026-11-20 08:15").unwrap().offset, None);
        assert_eq!(parse_stamp("2026-11-20 08:15-10:30").unwrap().offset, Some(-37_800));
    }

    #[test]
    fn nanoseconds_are_read_beside_the_microseconds() {
        let stamp = parse_stamp("1970-01-01 00:00:00.123456789").unwrap();
        assert_eq!((stamp.micros, stamp.nanos), (123_456, 789));
        assert_eq!(parse_time("00:00:00.1").unwrap(), TimeOfDay { micros: 100_000, nanos: 0 });
        assert_eq!(parse_time("24:00:00.0").unwrap(), TimeOfDay { micros: DAY_MICROS, nanos: 0 });
    }

    #[test]
    fn what_is_not_a_date_or_time_is_refused_with_its_reason() {
        for (text, want) in [
            ("", Malformed::Form),
            ("2026-11-20", Malformed::Form),
            ("20261120T081500", Malformed::Form),
            ("26-11-20 08:15", Malformed::Form),
            ("12026-11-20 08:15", Malformed::Form),
            ("-0000-01-01 00:00", Malformed::Form),
            ("2026-1-20 08:15", Malformed::Form),
            (" 2026-11-20 08:15", Malformed::Form),
            ("2026-11-20  08:15", Malformed::Form),
            ("2026-11-20 08:15 ", Malformed::Form),
            ("2026-11-20 8:15", Malformed::Form),
            ("2026-11-20 08", Malformed::Form),
            ("2026-11-20 08:15:", Malformed::Form),
            ("2026-11-20 08:15:00.", Malformed::Form),
            ("2026-11-20 08:15.5", Malformed::Form),
            ("2026-11-20 08:15:00,5", Malformed::Form),
            ("2026-11-20 08:15+1", Malformed::Form),
            ("2026-11-20 08:15+01:", Malformed::Form),
            ("2026-11-20 08:15+01:00:00", Malformed::Form),
            ("2026-11-20 08:15Zulu", Malformed::Form),
            ("Infinity", Malformed::Form),
            ("2026-13-20 08:15", Malformed::Range),
            ("2026-00-20 08:15", Malformed::Range),
            ("2026-11-31 08:15", Malformed::Range),
            ("2026-02-29 08:15", Malformed::Range),
            ("1900-02-29 08:15", Malformed::Range),
            ("2026-11-00 08:15", Malformed::Range),
            ("2026-11-20 24:00", Malformed::Range),
            ("2026-11-20 25:00", Malformed::Range),
            ("2026-11-20 08:60", Malformed::Range),
            ("2026-11-20 08:15:61", Malformed::Range),
            ("2026-11-20 08:15+24:00", Malformed::Range),
            ("2026-11-20 08:15+01:60", Malformed::Range),
            ("+300000-01-01 00:00", Malformed::Range),
            ("+12345678-01-01 00:00", Malformed::Range),
            ("2016-12-31 23:59:60Z", Malformed::LeapSecond),
            ("2026-11-20 08:15:00.1234567890", Malformed::Digits),
        ] {
            assert_eq!(parse_stamp(text), Err(want), "{text}");
        }
        assert_eq!(parse_time("08:15Z"), Err(Malformed::Form));
        assert_eq!(parse_time("24:00:01"), Err(Malformed::Range));
        assert_eq!(parse_date("2026-11-20 00:00:00"), Err(Malformed::Form));
        // The day itself is a fine one, but it is the neutral form of the infinity.
        assert_eq!(parse_date("+5881580-07-11"), Err(Malformed::Range));
    }

    #[test]
    fn every_day_of_four_centuries_and_each_leap_rule_agrees_with_chrono() {
        for days in -146_097 / 2..146_097 {
            let other = chrono::NaiveDate::from_num_days_from_ce_opt(days + 719_163).unwrap();
            assert_eq!(&*date(Date(days)), other.format("%F").to_string());
        }
        assert!(days(2000, 2, 29).is_some() && days(1900, 2, 29).is_none());
        assert!(days(-4, 2, 29).is_some() && days(-100, 2, 29).is_none());
    }

    #[test]
    fn the_ends_of_the_ranges_come_back() {
        for days in [i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX] {
            assert_eq!(parse_date(&date(Date(days))), Ok(Date(days)));
        }
        for us in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            assert_eq!(micros(&timestamp(us)), us);
            assert_eq!(micros(&timestamp_tz(us)), us);
        }
    }

    /// Microseconds of the years 0000 to 9999.
    fn common() -> impl Strategy<Value = i64> {
        -62_167_219_200_000_000i64..=253_402_300_799_999_999
    }

    proptest! {
        #[test]
        fn dates_come_back(days: i32) {
            prop_assert_eq!(parse_date(&date(Date(days))), Ok(Date(days)));
            let (year, month, day) = year_month_day(days);
            prop_assert_eq!(super::days(year, month, day), Some(days));
        }

        #[test]
        fn times_come_back(us in 0..=DAY_MICROS) {
            let text = time(us).unwrap();
            prop_assert_eq!(parse_time(&text), Ok(TimeOfDay { micros: us, nanos: 0 }));
        }

        #[test]
        fn timestamps_come_back(us in prop_oneof![any::<i64>(), common()]) {
            let stamp = parse_stamp(&timestamp(us)).unwrap();
            prop_assert_eq!(stamp, Stamp { micros: us, nanos: 0, offset: None });
            prop_assert_eq!(micros(&timestamp_tz(us)), us);
        }

        #[test]
        fn intervals_come_back(months: i32, days: i32, micros: i64) {
            let want = Interval { months, days, micros };
            let span = parse_interval(&interval(want)).unwrap();
            prop_assert_eq!(span, Span { interval: want, nanos: 0 });
        }

        #[test]
        fn texts_sort_as_their_values(a in common(), b in common(), near in -2_000_000i64..2_000_000) {
            // Neighbours within seconds are where the fraction decides.
            for b in [b, a.saturating_add(near).clamp(-62_167_219_200_000_000, 253_402_300_799_999_999)] {
                prop_assert_eq!(a.cmp(&b), timestamp(a).as_str().cmp(timestamp(b).as_str()));
                prop_assert_eq!(a.cmp(&b), timestamp_tz(a).as_str().cmp(timestamp_tz(b).as_str()));
            }
        }

        #[test]
        fn chrono_writes_the_same(us in common()) {
            let other = chrono::DateTime::from_timestamp_micros(us).unwrap();
            prop_assert_eq!(timestamp_tz(us).as_str().to_owned(), other.format("%F %T%.f%:z").to_string());
            prop_assert_eq!(micros(&other.to_rfc3339()), us);
        }

        #[test]
        fn chrono_reads_the_same(
            us in common(),
            nanos in 0u16..1000,
            offset in -1439i32..1440,
            form in 0usize..3,
        ) {
            let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
            let local = chrono::DateTime::from_timestamp(
                us.div_euclid(SECOND),
                (us.rem_euclid(SECOND) * 1000) as u32 + u32::from(nanos),
            ).unwrap().with_timezone(&zone);
            let year = chrono::Datelike::year(&local);
            prop_assume!((0..=9999).contains(&year));
            let text = local.format(["%FT%T%.9f%:z", "%F %T%.f%z", "%F %T%.f%:z"][form]).to_string();
            let stamp = parse_stamp(&text).unwrap();
            prop_assert_eq!(stamp.utc_micros(), Some(us));
            prop_assert_eq!(stamp.nanos, nanos);
            prop_assert_eq!(stamp.offset, Some(offset * 60));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(
            text in "\\PC{0,20}|[-+0-9TZ:. PYMWDHS]{0,40}",
        ) {
            let _ = parse_time(&text);
            if let Ok(date) = parse_date(&text) {
                prop_assert_eq!(parse_date(&super::date(date)), Ok(date));
            }
            if let Ok(stamp) = parse_stamp(&text) {
                prop_assert_eq!(parse_stamp(&timestamp(stamp.micros)).unwrap().micros, stamp.micros);
            }
            if let Ok(span) = parse_interval(&text) {
                prop_assert_eq!(parse_interval(&interval(span.interval)).unwrap().interval, span.interval);
            }
        }
    }
}
