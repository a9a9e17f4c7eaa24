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
//! texts of all but intervals sort as their values do, and SQLite's date functions read them. That is why
//! instants end in `+00:00` and not in `Z`: `+` sorts before `.`, so a whole second stays before its fractions,
//! where `Z` would put it behind.
//!
//! Years are astronomical (0000 is 1 BC). Those beyond four digits carry a sign, `+12026-01-01`, and years
//! before 0000 a minus, `-0043-03-15`; neither sorts as text. Infinities are `infinity` and `-infinity`.

mod parse;
mod write;

pub use parse::{
    Malformed, Span, Stamp, TimeOfDay, parse_date, parse_interval, parse_stamp, parse_time,
};
pub use write::{Iso, date, interval, time, timestamp, timestamp_tz};

/// Microseconds in one day.
pub const DAY_MICROS: i64 = 86_400_000_000;

const SECOND: i64 = 1_000_000;
const INFINITY: &str = "infinity";
const MINUS_INFINITY: &str = "-infinity";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Date, Interval};
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
