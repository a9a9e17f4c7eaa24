//! The `time` crate.

use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time, UtcDateTime, UtcOffset};

use super::{calendar, moment};
use crate::{Cell, ConversionError, FromValue, ParamSink, Result, ToValue, ValueRef};

/// The Julian day of 1970-01-01.
const EPOCH_JULIAN: i32 = 2_440_588;

/// Reads dates, and their text.
impl FromValue<'_> for Date {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "time::Date";
        let value = cell.value()?;
        let days = calendar::date(NAME, &value)?;
        days.checked_add(EPOCH_JULIAN)
            .and_then(|julian| Self::from_julian_day(julian).ok())
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds a date.
impl ToValue for Date {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Date(crate::Date(self.to_julian_day() - EPOCH_JULIAN)))
    }
}

/// Reads times of day, and their text; `24:00:00` is out of range.
impl FromValue<'_> for Time {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "time::Time";
        let value = cell.value()?;
        let nanos = calendar::time(NAME, &value)?;
        let seconds = nanos / 1_000_000_000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let fraction = (nanos % 1_000_000_000) as u32;
        Self::from_hms_nano(hours as u8, minutes as u8, (seconds % 60) as u8, fraction)
            .map_err(|_| moment::out_of_range(NAME, &value))
    }
}

/// Binds a time of day, to the nearest microsecond of the same day.
impl ToValue for Time {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let (hours, minutes, seconds, nanos) = self.as_hms_nano();
        let seconds = u64::from(hours) * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
        sink.put(calendar::bind_time(seconds * 1_000_000_000 + u64::from(nanos)))
    }
}

/// Reads timestamps without a time zone, and their text.
impl FromValue<'_> for PrimitiveDateTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "time::PrimitiveDateTime";
        let value = cell.value()?;
        let stamp = calendar::timestamp(NAME, &value)?;
        let nanos = i128::from(stamp.micros) * 1000 + i128::from(stamp.nanos);
        match UtcDateTime::from_unix_timestamp_nanos(nanos) {
            Ok(time) => Ok(Self::new(time.date(), time.time())),
            Err(_) => Err(moment::out_of_range(NAME, &value)),
        }
    }
}

/// Binds a timestamp without a time zone, to the nearest microsecond.
impl ToValue for PrimitiveDateTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let nanos = self.as_utc().unix_timestamp_nanos();
        sink.put(calendar::bind_timestamp("time::PrimitiveDateTime", nanos)?)
    }
}

/// Reads instants, and their text; text without an offset is in UTC.
impl FromValue<'_> for UtcDateTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "time::UtcDateTime";
        let value = cell.value()?;
        Self::from_unix_timestamp_nanos(moment::instant_nanos(NAME, &value)?)
            .map_err(|_| moment::out_of_range(NAME, &value))
    }
}

/// Binds the instant, to the nearest microsecond.
impl ToValue for UtcDateTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_instant("time::UtcDateTime", self.unix_timestamp_nanos())?)
    }
}

/// Reads instants, and their text. The offset is the text's own; instants that an engine keeps have 0.
impl FromValue<'_> for OffsetDateTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        const NAME: &str = "time::OffsetDateTime";
        let value = cell.value()?;
        let offset = moment::instant(NAME, &value)?.offset.unwrap_or(0);
        let nanos = moment::instant_nanos(NAME, &value)?;
        let time = Self::from_unix_timestamp_nanos(nanos).ok();
        let offset = UtcOffset::from_whole_seconds(offset).ok();
        time.zip(offset)
            .and_then(|(time, offset)| time.checked_to_offset(offset))
            .ok_or_else(|| moment::out_of_range(NAME, &value))
    }
}

/// Binds the instant, to the nearest microsecond. Its offset is not kept.
impl ToValue for OffsetDateTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_instant("time::OffsetDateTime", self.unix_timestamp_nanos())?)
    }
}

/// Reads intervals without months and days, and their text.
impl FromValue<'_> for Duration {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let nanos = moment::duration("time::Duration", &cell.value()?)?;
        Ok(Self::nanoseconds_i128(nanos))
    }
}

/// Binds an interval, to the nearest microsecond.
impl ToValue for Duration {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_duration("time::Duration", self.whole_nanoseconds())?)
    }
}
