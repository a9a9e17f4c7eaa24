//! Dates, times of day and timestamps without a zone: what the crates of calendars share beyond
//! [`moment`](super::moment).

use super::moment;
use crate::civil::{self, Stamp, TimeOfDay};
use crate::{ConversionError, Result, ValueRef};

const ZONE: &str = "it has a time zone: read it as an instant";

/// A day, counted from 1970-01-01.
pub(super) fn date(wanted: &'static str, value: &ValueRef<'_>) -> Result<i32, ConversionError> {
    match moment::any_date(wanted, value)?.0 {
        i32::MAX | i32::MIN => Err(ConversionError::value(wanted, value, moment::INFINITE)),
        days => Ok(days),
    }
}

/// Nanoseconds since midnight, less than a day.
pub(super) fn time(wanted: &'static str, value: &ValueRef<'_>) -> Result<u64, ConversionError> {
    let TimeOfDay { micros, nanos } = match value {
        ValueRef::Time(micros) => TimeOfDay { micros: *micros, nanos: 0 },
        ValueRef::Text(text) => civil::parse_time(text).map_err(|why| {
            moment::malformed(wanted, value, why, "times read like 08:15:00.123456")
        })?,
        _ => return Err(moment::other_kind(wanted, value)),
    };
    // 24:00:00 is a time of day to the engines and to nobody else.
    if !(0..civil::DAY_MICROS).contains(&micros) {
        return Err(moment::out_of_range(wanted, value));
    }
    Ok(micros as u64 * 1000 + u64::from(nanos))
}

/// A date and time without a zone: a finite stamp without an offset.
pub(super) fn timestamp(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<Stamp, ConversionError> {
    let stamp = match value {
        ValueRef::Timestamp(micros) => Stamp { micros: *micros, nanos: 0, offset: None },
        ValueRef::Text(text) => moment::parse_stamp(wanted, value, text)?,
        ValueRef::TimestampTz(_) => return Err(moment::other_kind(wanted, value).with_hint(ZONE)),
        _ => return Err(moment::other_kind(wanted, value)),
    };
    if stamp.offset.is_some() {
        return Err(ConversionError::value(wanted, value, "its text has an offset").with_hint(ZONE));
    }
    moment::finite(wanted, value, stamp)
}

/// The argument for nanoseconds since midnight. It is never rounded into the next day.
pub(super) fn bind_time(nanos: u64) -> ValueRef<'static> {
    ValueRef::Time((moment::round(nanos.into()) as i64).min(civil::DAY_MICROS - 1))
}

/// The argument for a wall clock's nanoseconds since 1970-01-01T00:00:00.
pub(super) fn bind_timestamp(wanted: &'static str, nanos: i128) -> Result<ValueRef<'static>> {
    moment::unit(wanted, nanos).map(ValueRef::Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_rounded_into_the_next_day() {
        let last = civil::DAY_MICROS as u64 * 1000 - 1;
        assert!(matches!(bind_time(last), ValueRef::Time(us) if us == civil::DAY_MICROS - 1));
    }
}
