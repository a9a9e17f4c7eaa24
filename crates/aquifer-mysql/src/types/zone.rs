//! [`Zone`]: a session's time zone, as far as the driver can count with it; [`Clock`]: how times are told to it.

use aquifer_driver::civil::DAY_MICROS;

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// So many seconds east of UTC, always.
    Fixed(i32),
    /// Only the server knows its rules.
    Named,
}

/// How times are told to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) zone: Zone,
    /// Dates with times are told in whole multiples of so many microseconds; 1 for as they are.
    pub(crate) grain: i64,
}

impl Clock {
    /// The moment at or before this one that is a multiple of the grain, counted from the year 1.
    pub(crate) fn truncate(self, micros: i64) -> Option<i64> {
        /// From the year 1 to 1970.
        const DAYS: i64 = 719_162;
        if self.grain <= 1 {
            return Some(micros);
        }
        let since = i128::from(micros) + i128::from(DAYS) * i128::from(DAY_MICROS);
        let over = since.rem_euclid(self.grain.into());
        i64::try_from(i128::from(micros) - over).ok()
    }
}

#[cfg(test)]
impl Clock {
    /// A session in that zone that tells times as they are.
    pub(crate) const fn of(zone: Zone) -> Self {
        Self { zone, grain: 1 }
    }
}

impl Zone {
    /// Reads what `time_zone` is set to. Servers take offsets from `-13:59` to `+14:00`.
    pub(crate) fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("utc") {
            return Self::Fixed(0);
        }
        offset(text).map_or(Self::Named, Self::Fixed)
    }
}

fn offset(text: &str) -> Option<i32> {
    let (sign, clock) = match text.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    let number = |text: &str, max: i32| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i32>().ok().filter(|number| digits && *number <= max)
    };
    Some(sign * (number(hours, 14)? * 60 + number(minutes, 59)?) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_counted_with_and_names_are_the_servers() {
        for (text, zone) in [
            ("+00:00", Zone::Fixed(0)),
            ("UTC", Zone::Fixed(0)),
            ("+5:30", Zone::Fixed(19_800)),
            ("-03:30", Zone::Fixed(-12_600)),
            ("SYSTEM", Zone::Named),
            ("Europe/Berlin", Zone::Named),
            ("+99:00", Zone::Named),
            ("+1", Zone::Named),
            ("", Zone::Named),
            ("+ä", Zone::Named),
        ] {
            assert_eq!(Zone::parse(text), zone, "{text}");
        }
    }

    #[test]
    fn times_are_cut_to_whole_grains_and_never_rounded_up() {
        let cut = |grain, micros| Clock { zone: Zone::Fixed(0), grain }.truncate(micros);
        assert_eq!(cut(1, -1), Some(-1));
        assert_eq!(cut(1_000_000, 1_999_999), Some(1_000_000));
        assert_eq!(cut(1_000_000, -1), Some(-1_000_000));
        assert_eq!(cut(3_600_000_000, -1), Some(-3_600_000_000));
        assert_eq!(cut(1000, i64::MAX), Some(i64::MAX / 1000 * 1000));
        assert_eq!(cut(1000, i64::MIN), None);
    }
}
