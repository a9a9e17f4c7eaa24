//! Values into text, on the stack.

use super::{DAY_MICROS, INFINITY, MINUS_INFINITY, SECOND, year_month_day};
use crate::{Date, Interval};

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
