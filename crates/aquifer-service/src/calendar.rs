//! Dates and times as text: ISO 8601 in, ISO 8601 out.
//!
//! Days and microseconds count from 1970-01-01 in the proleptic Gregorian calendar, as
//! [`ValueRef`](aquifer_driver::ValueRef) has them.

use std::fmt::{self, Write};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a civil date (Howard Hinnant's algorithm, on years that start in March).
fn days(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date of days since 1970-01-01.
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Exactly `width` digits.
fn digits(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `2024-05-31` as days since 1970-01-01.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let year = i64::from(digits(parts.next()?, 4)?);
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days(year, month, day)).ok()
}

/// A time of day with its fraction, in microseconds since midnight.
fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = match parts.next() {
        Some(second) => digits(second, 2)?,
        None if fraction.is_none() => 0,
        None => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let Some(fraction) = fraction {
        if fraction.is_empty() || fraction.len() > 9 {
            return None;
        }
        let padded = format!("{fraction:0<9}");
        let nanos = digits(&padded, 9)?;
        if nanos % 1_000 != 0 {
            return None;
        }
        micros = i64::from(nanos / 1_000);
    }
    Some(
        (i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000 + micros,
    )
}

/// `2024-05-31T12:00:00.25` (or with a blank for the `T`), and the zone's offset in seconds if there is
/// one (`Z`, `+02:00`).
pub(crate) fn parse_timestamp(text: &str) -> Option<(i64, Option<i64>)> {
    let date = parse_date(text.get(..10)?)?;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
        return Some((i64::from(date) * MICROS_PER_DAY, None));
    };
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    let offset = match zone {
        None => None,
        Some("Z" | "z") => Some(0),
        Some(zone) => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hour, minute) = zone[1..].split_once(':')?;
            let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
            if hour > 23 || minute > 59 {
                return None;
            }
            Some(sign * (i64::from(hour) * 3_600 + i64::from(minute) * 60))
        }
    };
    let local = i64::from(date) * MICROS_PER_DAY + parse_time(clock)?;
    Some((local, offset))
}

/// Writes `2024-05-31`; years beyond four digits with a sign, as ISO 8601 has it.
pub(crate) fn write_date(out: &mut impl Write, days: i64) -> fmt::Result {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        write!(out, "{year:04}-{month:02}-{day:02}")
    } else {
        write!(out, "{year:+07}-{month:02}-{day:02}")
    }
}

/// Writes `12:00:00`, with a fraction only where there is one.
pub(crate) fn write_time(out: &mut impl Write, micros: i64) -> fmt::Result {
    let seconds = micros.div_euclid(1_000_000);
    let fraction = micros.rem_euclid(1_000_000);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    match fraction {
        0 => Ok(()),
        _ if fraction % 1_000 == 0 => write!(out, ".{:03}", fraction / 1_000),
        _ => write!(out, ".{fraction:06}"),
    }
}

/// Writes `2024-05-31T12:00:00`, without a zone.
pub(crate) fn write_timestamp(out: &mut impl Write, micros: i64) -> fmt::Result {
    write_date(out, micros.div_euclid(MICROS_PER_DAY))?;
    out.write_char('T')?;
    write_time(out, micros.rem_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(micros: i64) -> String {
        let mut out = String::new();
        write_timestamp(&mut out, micros).unwrap();
        out
    }

    #[test]
    fn dates_count_from_1970() {
        for (text, days) in
            [("1970-01-01", 0), ("1969-12-31", -1), ("2000-02-29", 11_016), ("2024-05-31", 19_874)]
        {
            assert_eq!(parse_date(text), Some(days), "{text}");
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "24-1-1",
            "2024-05-3",
            "x",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_reads_back() {
        for day in -150_000..150_000 {
            let mut text = String::new();
            write_date(&mut text, day).unwrap();
            assert_eq!(parse_date(&text).map(i64::from), Some(day), "{text}");
        }
    }

    #[test]
    fn timestamps_keep_microseconds_and_zone() {
        assert_eq!(parse_timestamp("1970-01-02"), Some((86_400_000_000, None)));
        assert_eq!(parse_timestamp("1970-01-01 00:01"), Some((60_000_000, None)));
        assert_eq!(parse_timestamp("1970-01-01T00:00:01.000250Z"), Some((1_000_250, Some(0))));
        assert_eq!(
            parse_timestamp("1970-01-01T02:00:00+02:00"),
            Some((7_200_000_000, Some(7_200)))
        );
        assert_eq!(parse_timestamp("1970-01-01T00:00:00-05:30"), Some((0, Some(-19_800))));
        for bad in [
            "1970-01-01T",
            "1970-01-01T25:00:00",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.0000001",
            "1970-01-01T00:00:00+2",
            "1970-01-01Tü",
            "é",
        ] {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn fractions_are_written_only_where_there_are_some() {
        assert_eq!(shown(0), "1970-01-01T00:00:00");
        assert_eq!(shown(1_500_000), "1970-01-01T00:00:01.500");
        assert_eq!(shown(-1), "1969-12-31T23:59:59.999999");
    }
}
