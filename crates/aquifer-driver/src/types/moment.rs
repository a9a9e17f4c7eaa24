//! Instants and intervals between the neutral units and Rust's types: what the standard library and the
//! crates of calendars share.
//!
//! Reading is exact or an error. Binding rounds to the nearest microsecond, the neutral unit, ties to
//! even: that is what PostgreSQL does with finer text, and clocks give nanoseconds that no one asked for.

use crate::civil::{self, Malformed, Span, Stamp};
use crate::{ConversionError, Date, Error, ErrorKind, Interval, Result, ValueRef};

const NUMBER: &str = "a number is not taken for a time: convert it in SQL (SQLite: \
                      datetime(column, 'unixepoch')), or read the number";
const NO_ZONE: &str = "it has no time zone: read it as a date and time without one";
pub(super) const INFINITE: &str = "it is infinite";
const TOO_FINE: &str = "it is finer than a microsecond";
pub(super) const OUT_OF_RANGE: &str = "out of range";

/// Why a value of another kind is refused, with the next step where one is known.
#[cold]
pub(super) fn other_kind(wanted: &'static str, value: &ValueRef<'_>) -> ConversionError {
    let error = ConversionError::kind(wanted, value);
    match value {
        ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Float(_) => error.with_hint(NUMBER),
        _ => error,
    }
}

#[cold]
pub(super) fn malformed(
    wanted: &'static str,
    value: &ValueRef<'_>,
    why: Malformed,
    form: &'static str,
) -> ConversionError {
    let error = ConversionError::value(wanted, value, why.reason());
    if why == Malformed::Form { error.with_hint(form) } else { error }
}

#[cold]
pub(super) fn out_of_range(wanted: &'static str, value: &ValueRef<'_>) -> ConversionError {
    ConversionError::value(wanted, value, OUT_OF_RANGE)
}

/// A date or one of the infinities.
pub(super) fn any_date(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<Date, ConversionError> {
    match value {
        ValueRef::Date(date) => Ok(*date),
        ValueRef::Text(text) => civil::parse_date(text)
            .map_err(|why| malformed(wanted, value, why, "dates read like 2026-11-20")),
        ValueRef::Timestamp(_) | ValueRef::TimestampTz(_) => {
            Err(other_kind(wanted, value).with_hint("take its date in SQL: CAST(column AS date)"))
        }
        _ => Err(other_kind(wanted, value)),
    }
}

pub(super) fn parse_stamp(
    wanted: &'static str,
    value: &ValueRef<'_>,
    text: &str,
) -> Result<Stamp, ConversionError> {
    civil::parse_stamp(text).map_err(|why| {
        malformed(wanted, value, why, "timestamps read like 2026-11-20 08:15:00.123456+00:00")
    })
}

pub(super) fn finite(
    wanted: &'static str,
    value: &ValueRef<'_>,
    stamp: Stamp,
) -> Result<Stamp, ConversionError> {
    if stamp.micros == i64::MAX || stamp.micros == i64::MIN {
        return Err(ConversionError::value(wanted, value, INFINITE));
    }
    Ok(stamp)
}

/// An instant: a finite stamp that fits in UTC. Text without an offset is in UTC, as SQLite's own clock
/// (`CURRENT_TIMESTAMP`) and its date functions have it.
pub(super) fn instant(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<Stamp, ConversionError> {
    let stamp = match value {
        ValueRef::TimestampTz(micros) => Stamp { micros: *micros, nanos: 0, offset: Some(0) },
        ValueRef::Text(text) => parse_stamp(wanted, value, text)?,
        ValueRef::Timestamp(_) => return Err(other_kind(wanted, value).with_hint(NO_ZONE)),
        _ => return Err(other_kind(wanted, value)),
    };
    finite(wanted, value, stamp)
}

/// An instant in nanoseconds since 1970-01-01T00:00:00 UTC.
pub(super) fn instant_nanos(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<i128, ConversionError> {
    let stamp = instant(wanted, value)?;
    let micros = stamp.utc_micros().ok_or_else(|| out_of_range(wanted, value))?;
    Ok(i128::from(micros) * 1000 + i128::from(stamp.nanos))
}

/// An interval of any parts.
pub(super) fn any_interval(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<Span, ConversionError> {
    match value {
        ValueRef::Interval(interval) => Ok(Span { interval: *interval, nanos: 0 }),
        // The span since midnight; MySQL's TIME is a span anyway.
        ValueRef::Time(micros) => {
            Ok(Span { interval: Interval { micros: *micros, ..Interval::default() }, nanos: 0 })
        }
        ValueRef::Text(text) => civil::parse_interval(text)
            .map_err(|why| malformed(wanted, value, why, "intervals read like P1DT2H30M")),
        ValueRef::Int(_) | ValueRef::UInt(_) | ValueRef::Float(_) => {
            Err(ConversionError::kind(wanted, value)
                .with_hint("a number has no unit: read the number, and convert it"))
        }
        _ => Err(ConversionError::kind(wanted, value)),
    }
}

/// An interval of whole microseconds.
pub(super) fn interval(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<Interval, ConversionError> {
    match any_interval(wanted, value)? {
        Span { interval, nanos: 0 } => Ok(interval),
        _ => Err(ConversionError::value(wanted, value, TOO_FINE)),
    }
}

/// An interval in nanoseconds, if it has neither months nor days, whose lengths vary.
pub(super) fn duration(
    wanted: &'static str,
    value: &ValueRef<'_>,
) -> Result<i128, ConversionError> {
    let Span { interval, nanos } = any_interval(wanted, value)?;
    if interval.months != 0 || interval.days != 0 {
        let reason = "its months and days have no fixed length";
        return Err(
            ConversionError::value(wanted, value, reason).with_hint("read it as an Interval")
        );
    }
    Ok(i128::from(interval.micros) * 1000 + i128::from(nanos))
}

/// The nearest microsecond, ties to even.
pub(super) fn round(nanos: i128) -> i128 {
    let (micros, rest) = (nanos.div_euclid(1000), nanos.rem_euclid(1000));
    micros + i128::from(rest > 500 || (rest == 500 && micros % 2 != 0))
}

#[cold]
pub(super) fn not_bindable(wanted: &'static str, reason: &'static str) -> Error {
    Error::new(ErrorKind::Argument, format!("cannot bind a {wanted}: {reason}"))
}

/// Nanoseconds in the neutral unit of timestamps.
pub(super) fn unit(wanted: &'static str, nanos: i128) -> Result<i64> {
    match i64::try_from(round(nanos)) {
        // The ends of the unit are the infinities.
        Ok(micros) if micros != i64::MAX && micros != i64::MIN => Ok(micros),
        _ => Err(not_bindable(wanted, OUT_OF_RANGE)),
    }
}

/// The argument for nanoseconds since 1970-01-01T00:00:00 UTC.
pub(super) fn bind_instant(wanted: &'static str, nanos: i128) -> Result<ValueRef<'static>> {
    unit(wanted, nanos).map(ValueRef::TimestampTz)
}

/// The argument for a duration in nanoseconds.
pub(super) fn bind_duration(wanted: &'static str, nanos: i128) -> Result<ValueRef<'static>> {
    match i64::try_from(round(nanos)) {
        Ok(micros) => Ok(ValueRef::Interval(Interval { micros, ..Interval::default() })),
        Err(_) => Err(not_bindable(wanted, OUT_OF_RANGE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_rounds_to_the_nearest_microsecond_and_ties_to_even() {
        for (nanos, want) in [
            (0, 0),
            (499, 0),
            (500, 0),
            (501, 1),
            (1499, 1),
            (1500, 2),
            (2500, 2),
            (-1, 0),
            (-500, 0),
            (-501, -1),
            (-1500, -2),
            (-999, -1),
        ] {
            assert_eq!(round(nanos), want, "{nanos}");
        }
    }

    #[test]
    fn the_infinities_are_never_bound_by_accident() {
        let end = i128::from(i64::MAX) * 1000;
        assert!(bind_instant("x", end).unwrap_err().to_string().contains("out of range"));
        assert!(bind_instant("x", end - 1000).is_ok());
        assert!(bind_duration("x", end).is_ok());
    }
}
