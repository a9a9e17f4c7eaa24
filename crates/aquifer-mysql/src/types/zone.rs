//! [`Zone`]: a session's time zone, as far as the driver can count with it.

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// So many seconds east of UTC, always.
    Fixed(i32),
    /// Only the server knows its rules.
    Named,
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
}
