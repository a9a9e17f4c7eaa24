//! The `jiff` crate.
//!
//! There is no `Zoned`: an instant keeps no time zone, so it would not come back as it went in. Bind
//! `zoned.timestamp()`, and keep the zone's name in a column of its own.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span, Timestamp};

use super::{calendar, moment};
use crate::{
    Cell, ConversionError, FromValue, Interval, ParamSink, Result, ToValue, ValueRef, civil,
};

const BILLION: i128 = 1_000_000_000;

/// Reads dates, and their text.
impl FromValue<'_> for Date {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "jiff::civil::Date";
        let value = cell.value()?;
        date(calendar::date(NAME, &value)?).ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a date.
impl ToValue for Date {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        match days(*self) {
            Some(days) => sink.put(ValueRef::Date(crate::Date(days))),
            None => Err(moment::not_bindable("jiff::civil::Date", moment::OUT_OF_RANGE)),
        }
    }
}

/// Reads times of day, and their text; `24:00:00` is out of range.
impl FromValue<'_> for Time {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "jiff::civil::Time";
        let value = cell.value()?;
        time(calendar::time(NAME, &value)?).ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a time of day, to the nearest microsecond of the same day.
impl ToValue for Time {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(calendar::bind_time(nanos_of_day(*self)))
    }
}

/// Reads timestamps without a time zone, and their text.
impl FromValue<'_> for DateTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "jiff::civil::DateTime";
        let value = cell.value()?;
        let stamp = calendar::timestamp(NAME, &value)?;
        let day = stamp.micros.div_euclid(civil::DAY_MICROS) as i32;
        let rest = stamp.micros.rem_euclid(civil::DAY_MICROS) as u64 * 1000;
        date(day)
            .zip(time(rest + u64::from(stamp.nanos)))
            .map(|(date, time)| date.to_datetime(time))
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a timestamp without a time zone, to the nearest microsecond.
impl ToValue for DateTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        const NAME: &str = "jiff::civil::DateTime";
        let Some(days) = days(self.date()) else {
            return Err(moment::not_bindable(NAME, moment::OUT_OF_RANGE));
        };
        let day_nanos = i128::from(civil::DAY_MICROS) * 1000;
        let nanos = i128::from(days) * day_nanos + i128::from(nanos_of_day(self.time()));
        sink.put(calendar::bind_timestamp(NAME, nanos)?)
    }
}

/// Reads instants, and their text; text without an offset is in UTC.
impl FromValue<'_> for Timestamp {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "jiff::Timestamp";
        let value = cell.value()?;
        Self::from_nanosecond(moment::instant_nanos(NAME, &value)?)
            .map_err(|_| moment::out_of_range(NAME, &value))
    }
}

/// Binds the instant, to the nearest microsecond.
impl ToValue for Timestamp {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_instant("jiff::Timestamp", self.as_nanosecond())?)
    }
}

/// Reads intervals without months and days, and their text.
impl FromValue<'_> for SignedDuration {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let nanos = moment::duration("jiff::SignedDuration", &cell.value()?)?;
        Ok(Self::new((nanos / BILLION) as i64, (nanos % BILLION) as i32))
    }
}

/// Binds an interval, to the nearest microsecond.
impl ToValue for SignedDuration {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_duration("jiff::SignedDuration", self.as_nanos())?)
    }
}

/// Reads intervals, and their text, into months, days and seconds with their fraction. All must have one
/// sign, because a span has only one.
impl FromValue<'_> for Span {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "jiff::Span";
        let value = cell.value()?;
        let civil::Span { interval, nanos } = moment::any_interval(NAME, &value)?;
        let (months, days) = (interval.months, interval.days);
        let nanos = i128::from(interval.micros) * 1000 + i128::from(nanos);
        let signs = [months.signum(), days.signum(), nanos.signum() as i32];
        if signs.contains(&1) && signs.contains(&-1) {
            return Err(ConversionError::value(NAME, &value, "its parts differ in sign"));
        }
        let span = || -> Result<Span, jiff::Error> {
            Span::new()
                .try_months(months)?
                .try_days(days)?
                .try_seconds((nanos / BILLION) as i64)?
                .try_nanoseconds((nanos % BILLION) as i64)
        };
        span().map_err(|_| moment::out_of_range(NAME, &value))
    }
}

/// Binds an interval: years and months as months, weeks and days as days, and the rest to the nearest
/// microsecond.
impl ToValue for Span {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let months = i32::from(self.get_years()) * 12 + self.get_months();
        let days = self.get_weeks() * 7 + self.get_days();
        let seconds = i128::from(self.get_hours()) * 3600
            + i128::from(self.get_minutes()) * 60
            + i128::from(self.get_seconds());
        let nanos = seconds * BILLION
            + i128::from(self.get_milliseconds()) * 1_000_000
            + i128::from(self.get_microseconds()) * 1000
            + i128::from(self.get_nanoseconds());
        match i64::try_from(moment::round(nanos)) {
            Ok(micros) => sink.put(ValueRef::Interval(Interval { months, days, micros })),
            Err(_) => Err(moment::not_bindable("jiff::Span", moment::OUT_OF_RANGE)),
        }
    }
}

fn date(days: i32) -> Option<Date> {
    let (year, month, day) = civil::year_month_day(days);
    Date::new(year.try_into().ok()?, month as i8, day as i8).ok()
}

fn days(date: Date) -> Option<i32> {
    civil::days(date.year().into(), date.month() as u8, date.day() as u8)
}

fn time(nanos: u64) -> Option<Time> {
    let seconds = nanos / 1_000_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let fraction = (nanos % 1_000_000_000) as i32;
    Time::new(hours as i8, minutes as i8, (seconds % 60) as i8, fraction).ok()
}

fn nanos_of_day(time: Time) -> u64 {
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
    let seconds = (seconds + i64::from(time.second())) as u64;
    seconds * 1_000_000_000 + time.subsec_nanosecond() as u64
}
