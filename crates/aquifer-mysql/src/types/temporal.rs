//! Dates and times: the binary protocol's packed fields and the text protocol's digits, into the units of the
//! contract.
//!
//! A zero date, one without a month or a day, and one like the 31st of February, which MySQL allows in some SQL
//! modes, is no day of the calendar. Here it is a value of its own, far from all dates that MySQL has.

use aquifer_driver::civil::{DAY_MICROS, days};

/// The date that is none.
pub(super) const NO_DAY: i32 = i32::MIN;
/// The moment that is none.
pub(super) const NO_MOMENT: i64 = i64::MIN;

const SECOND: i64 = 1_000_000;

/// The fields of a binary DATE or DATETIME, without its length: none, 4, 7 or 11 bytes.
fn date_fields(bytes: &[u8]) -> Option<(i32, i64)> {
    let (date, clock) = match bytes.len() {
        0 => return Some((NO_DAY, 0)),
        4 | 7 | 11 => bytes.split_at(4),
        _ => return None,
    };
    let year = i32::from(u16::from_le_bytes([date[0], date[1]]));
    let day = days(year, date[2], date[3]).unwrap_or(NO_DAY);
    let [hour, minute, second] = clock.first_chunk::<3>().copied().unwrap_or_default();
    let micros = clock.get(3..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    Some((day, seconds * SECOND + i64::from(u32::from_le_bytes(micros))))
}

/// Days since 1970 of a binary DATE.
pub(super) fn date(bytes: &[u8]) -> Option<i32> {
    date_fields(bytes).map(|(day, _)| day)
}

/// Microseconds since 1970 of a binary DATETIME.
pub(super) fn date_time(bytes: &[u8]) -> Option<i64> {
    date_fields(bytes).map(|(day, micros)| moment(day, micros))
}

/// A binary DATE as text, as the text protocol has it.
pub(super) fn put_date_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    date_fields(bytes)?;
    let [a, b, month, day] = bytes.first_chunk::<4>().copied().unwrap_or_default();
    let year = u16::from_le_bytes([a, b]);
    put(out, format_args!("{year:04}-{month:02}-{day:02}"));
    Some(())
}

/// A binary DATETIME as text with so many digits of fraction; if it has more than the column says, with six.
pub(super) fn put_date_time_text(bytes: &[u8], digits: u8, out: &mut Vec<u8>) -> Option<()> {
    put_date_text(bytes, out)?;
    let clock = bytes.get(4..).unwrap_or_default();
    let [hour, minute, second] = clock.first_chunk::<3>().copied().unwrap_or_default();
    put(out, format_args!(" {hour:02}:{minute:02}:{second:02}"));
    let micros = clock.get(3..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
    let micros = u32::from_le_bytes(micros);
    let digits = match digits {
        0..=6 => digits,
        // The column does not say.
        _ if micros == 0 => 0,
        _ => 6,
    };
    if digits > 0 {
        let fraction = micros / 10_u32.pow(6 - u32::from(digits));
        put(out, format_args!(".{fraction:0width$}", width = usize::from(digits)));
    }
    Some(())
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing into memory does not fail.
    let _ = std::io::Write::write_fmt(out, text);
}

fn moment(day: i32, micros: i64) -> i64 {
    if day == NO_DAY { NO_MOMENT } else { i64::from(day) * DAY_MICROS + micros }
}

/// Microseconds of a binary TIME: none, 8 or 12 bytes. It may be negative, and longer than a day.
pub(super) fn time(bytes: &[u8]) -> Option<i64> {
    let (fixed, fraction) = match bytes.len() {
        0 => return Some(0),
        8 | 12 => bytes.split_at(8),
        _ => return None,
    };
    let day = i64::from(u32::from_le_bytes([fixed[1], fixed[2], fixed[3], fixed[4]]));
    let hours = day * 24 + i64::from(fixed[5]);
    let seconds = (hours * 60 + i64::from(fixed[6])) * 60 + i64::from(fixed[7]);
    let fraction = fraction.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let micros = seconds.checked_mul(SECOND)?.checked_add(fraction.into())?;
    Some(if fixed[0] == 0 { micros } else { -micros })
}

/// Days since 1970 of `2026-11-20`.
pub(super) fn date_of_text(text: &[u8]) -> Option<i32> {
    let (year, rest) = digits(text, b'-')?;
    let (month, day) = digits(rest, b'-')?;
    let (month, day) = (u8::try_from(month).ok()?, u8::try_from(number(day)?).ok()?);
    Some(days(i32::try_from(year).ok()?, month, day).unwrap_or(NO_DAY))
}

/// Microseconds since 1970 of `2026-11-20 08:15:00.25`.
pub(super) fn date_time_of_text(text: &[u8]) -> Option<i64> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let day = date_of_text(&text[..space])?;
    Some(moment(day, clock(&text[space + 1..])?))
}

/// Microseconds of `-838:59:59.000001`.
pub(super) fn time_of_text(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(text) => clock(text).map(|micros| -micros),
        None => clock(text),
    }
}

fn clock(text: &[u8]) -> Option<i64> {
    let (hours, rest) = digits(text, b':')?;
    let (minutes, rest) = digits(rest, b':')?;
    let (seconds, fraction) = match rest.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&rest[..dot], &rest[dot + 1..]),
        None => (rest, &rest[..0]),
    };
    let mut micros = 0;
    if !fraction.is_empty() {
        let missing = 6_usize.checked_sub(fraction.len())?;
        micros = number(fraction)? * 10_i64.pow(missing as u32);
    }
    // Each number has nine digits at most, so none of this overflows.
    Some(((hours * 60 + minutes) * 60 + number(seconds)?) * SECOND + micros)
}

fn digits(text: &[u8], end: u8) -> Option<(i64, &[u8])> {
    let at = text.iter().position(|byte| *byte == end)?;
    Some((number(&text[..at])?, &text[at + 1..]))
}

fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_text_say_the_same() {
        let packed = [0xea, 0x07, 11, 20, 8, 15, 0, 0x90, 0xd0, 3, 0];
        assert_eq!(date_time(&packed), date_time_of_text(b"2026-11-20 08:15:00.250000"));
        assert_eq!(date_time(&packed[..7]), date_time_of_text(b"2026-11-20 08:15:00"));
        assert_eq!(date(&packed[..4]), date_of_text(b"2026-11-20"));
        assert_eq!(date_time(&packed), Some(1_795_162_500_250_000));
        let packed = [1, 34, 0, 0, 0, 22, 59, 59, 1, 0, 0, 0];
        assert_eq!(time(&packed), time_of_text(b"-838:59:59.000001"));
        assert_eq!(time(&[]), time_of_text(b"00:00:00"));
        assert_eq!(date_time_of_text(b"1970-01-01 00:00:00.5"), Some(500_000));
    }

    #[test]
    fn a_zero_date_is_none() {
        assert_eq!(date(&[]), Some(NO_DAY));
        assert_eq!(date_of_text(b"0000-00-00"), Some(NO_DAY));
        assert_eq!(date_time_of_text(b"0000-00-00 00:00:00"), Some(NO_MOMENT));
        assert_eq!(date(&[0xea, 7, 2, 0]), Some(NO_DAY), "a month without a day");
    }

    #[test]
    fn dates_as_text_are_those_of_the_text_protocol() {
        let mut out = Vec::new();
        let packed = [0xea, 0x07, 2, 0, 8, 15, 0, 0x90, 0xd0, 3, 0];
        for (len, digits, text) in [
            (0, 0, "0000-00-00 00:00:00"),
            (0, 3, "0000-00-00 00:00:00.000"),
            (4, 0, "2026-02-00 00:00:00"),
            (7, 39, "2026-02-00 08:15:00"),
            (11, 2, "2026-02-00 08:15:00.25"),
            (11, 39, "2026-02-00 08:15:00.250000"),
        ] {
            out.clear();
            put_date_time_text(&packed[..len], digits, &mut out).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
        out.clear();
        put_date_text(&packed[..4], &mut out).unwrap();
        assert_eq!(out, b"2026-02-00");
        assert!(put_date_text(&packed[..5], &mut out).is_none());
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        for len in [1, 3, 5, 8, 12, 200] {
            assert_eq!(date_time(&vec![1; len]), None, "{len}");
        }
        for len in [1, 7, 9, 13] {
            assert_eq!(time(&vec![1; len]), None, "{len}");
        }
        for text in ["", "x", "2026-11", "2026-11-2x 1:2:3", "1:2", "1:2:3.1234567", "--1:2:3"] {
            assert_eq!(date_time_of_text(text.as_bytes()), None, "{text}");
            assert_eq!(time_of_text(text.as_bytes()), None, "{text}");
        }
    }
}
