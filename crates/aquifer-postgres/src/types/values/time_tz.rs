use std::fmt;

use aquifer_driver::civil;

use super::by_its_text;

/// A `timetz`: a time of day with an offset, but without the date that would give the offset a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeTz {
    /// Microseconds since midnight of the local clock.
    pub micros: i64,
    /// Seconds that the local clock is ahead of UTC.
    pub offset_seconds: i32,
}

impl TimeTz {
    fn parse(text: &str) -> Option<Self> {
        let at = text.rfind(['+', '-'])?;
        let (time, offset) = text.split_at(at);
        let time = civil::parse_time(time).ok().filter(|time| time.nanos == 0)?;
        let mut seconds = 0;
        let mut unit = 3600;
        for part in offset[1..].split(':') {
            let two = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            if !two || unit == 0 {
                return None;
            }
            seconds += part.parse::<i32>().ok()? * unit;
            unit /= 60;
        }
        let offset_seconds = if offset.starts_with('-') { -seconds } else { seconds };
        Some(Self { micros: time.micros, offset_seconds })
    }
}

/// As PostgreSQL reads it: `08:15:00.250-03:30:00`.
impl fmt::Display for TimeTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match civil::time(self.micros) {
            Some(time) => f.write_str(&time)?,
            // The server refuses it, and says why.
            None => write!(f, "{} us", self.micros)?,
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let distance = self.offset_seconds.unsigned_abs();
        let (hours, minutes, seconds) = (distance / 3600, distance / 60 % 60, distance % 60);
        write!(f, "{sign}{hours:02}:{minutes:02}:{seconds:02}")
    }
}

by_its_text!(TimeTz);
