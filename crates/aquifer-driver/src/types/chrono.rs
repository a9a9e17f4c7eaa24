//! The `chrono` crate.

use chrono::{
    DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
    TimeZone, Timelike, Utc,
};

use super::{calendar, moment};
use crate::{Cell, ConversionError, Date, FromValue, ParamSink, Result, ToValue, ValueRef};

/// 1970-01-01, counted from the first day of the first year.
const EPOCH_FROM_CE: i32 = 719_163;
const BILLION: i128 = 1_000_000_000;

/// Reads dates, and their text.
impl FromValue<'_> for NaiveDate {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::NaiveDate";
        let value = cell.value()?;
        let days = calendar::date(NAME, &value)?;
        days.checked_add(EPOCH_FROM_CE)
            .and_then(Self::from_num_days_from_ce_opt)
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a date.
impl ToValue for NaiveDate {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let days = self.num_days_from_ce() - EPOCH_FROM_CE;
        sink.put(ValueRef::Date(Date(days)))
    }
}

/// Reads times of day, and their text; `24:00:00` is out of range.
impl FromValue<'_> for NaiveTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::NaiveTime";
        let value = cell.value()?;
        let nanos = calendar::time(NAME, &value)?;
        let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        Self::from_num_seconds_from_midnight_opt(seconds as u32, nanos as u32)
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a time of day, to the nearest microsecond of the same day.
impl ToValue for NaiveTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        no_leap_second("chrono::NaiveTime", self.nanosecond())?;
        let seconds = u64::from(self.num_seconds_from_midnight());
        sink.put(calendar::bind_time(seconds * 1_000_000_000 + u64::from(self.nanosecond())))
    }
}

/// Reads timestamps without a time zone, and their text.
impl FromValue<'_> for NaiveDateTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::NaiveDateTime";
        let value = cell.value()?;
        let stamp = calendar::timestamp(NAME, &value)?;
        at(stamp.micros, stamp.nanos)
            .map(|time| time.naive_utc())
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a timestamp without a time zone, to the nearest microsecond.
impl ToValue for NaiveDateTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        const NAME: &str = "chrono::NaiveDateTime";
        sink.put(calendar::bind_timestamp(NAME, nanos(NAME, &self.and_utc())?)?)
    }
}

/// Reads instants, and their text; text without an offset is in UTC.
impl FromValue<'_> for DateTime<Utc> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::DateTime<Utc>";
        let value = cell.value()?;
        let stamp = moment::instant(NAME, &value)?;
        stamp
            .utc_micros()
            .and_then(|micros| at(micros, stamp.nanos))
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Reads instants, and their text. The offset is the text's own; instants that an engine keeps have 0.
impl FromValue<'_> for DateTime<FixedOffset> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::DateTime<FixedOffset>";
        let value = cell.value()?;
        let stamp = moment::instant(NAME, &value)?;
        stamp
            .utc_micros()
            .and_then(|micros| at(micros, stamp.nanos))
            .zip(FixedOffset::east_opt(stamp.offset.unwrap_or(0)))
            .map(|(time, offset)| time.with_timezone(&offset))
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Reads what `DateTime<Utc>` reads, and shows it in the machine's time zone.
impl FromValue<'_> for DateTime<Local> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        DateTime::<Utc>::from_cell(cell).map(Into::into)
    }
}

/// Binds the instant, to the nearest microsecond. Its zone and offset are not kept.
impl<Z: TimeZone> ToValue for DateTime<Z> {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        const NAME: &str = "chrono::DateTime";
        sink.put(moment::bind_instant(NAME, nanos(NAME, self)?)?)
    }
}

/// Reads intervals without months and days, and their text.
impl FromValue<'_> for TimeDelta {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "chrono::TimeDelta";
        let value = cell.value()?;
        let nanos = moment::duration(NAME, &value)?;
        let (seconds, nanos) = (nanos.div_euclid(BILLION), nanos.rem_euclid(BILLION));
        Self::new(seconds as i64, nanos as u32).ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds an interval, to the nearest microsecond.
impl ToValue for TimeDelta {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let nanos = i128::from(self.num_seconds()) * BILLION + i128::from(self.subsec_nanos());
        sink.put(moment::bind_duration("chrono::TimeDelta", nanos)?)
    }
}

fn at(micros: i64, nanos: u16) -> Option<DateTime<Utc>> {
    let fraction = micros.rem_euclid(1_000_000) as u32 * 1000 + u32::from(nanos);
    DateTime::from_timestamp(micros.div_euclid(1_000_000), fraction)
}

fn nanos<Z: TimeZone>(wanted: &'static str, time: &DateTime<Z>) -> Result<i128> {
    let fraction = time.timestamp_subsec_nanos();
    no_leap_second(wanted, fraction)?;
    Ok(i128::from(time.timestamp()) * BILLION + i128::from(fraction))
}

/// Chrono counts on to two billion nanoseconds within a leap second, which no neutral unit has.
fn no_leap_second(wanted: &'static str, nanos: u32) -> Result<()> {
    if nanos >= 1_000_000_000 {
        return Err(moment::not_bindable(wanted, "it is a leap second"));
    }
    Ok(())
}
