//! Types of the standard library beyond numbers, text and bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::moment;
use crate::{Cell, ConversionError, FromValue, ParamSink, Result, ToValue, ValueRef};

/// Reads instants, and their text.
impl FromValue<'_> for SystemTime {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let nanos = moment::instant_nanos("SystemTime", &value)?;
        let distance = whole_nanos(nanos.unsigned_abs());
        let time = if nanos < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        time.ok_or_else(|| moment::out_of_range("SystemTime", &value))
    }
}

/// Binds an instant, to the nearest microsecond.
impl ToValue for SystemTime {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        let nanos = match self.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        };
        sink.put(moment::bind_instant("SystemTime", nanos)?)
    }
}

/// Reads intervals without months and days, and their text; a negative one is an error.
impl FromValue<'_> for Duration {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        let nanos = moment::duration("Duration", &value)?;
        u128::try_from(nanos)
            .map(whole_nanos)
            .map_err(|_| ConversionError::value("Duration", &value, "it is negative"))
    }
}

/// Binds an interval, to the nearest microsecond.
impl ToValue for Duration {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(moment::bind_duration("Duration", self.as_nanos() as i128)?)
    }
}

/// The nanoseconds are those of an `i64` of microseconds, so their seconds fit.
fn whole_nanos(nanos: u128) -> Duration {
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

/// Text that `T` itself can parse.
fn parsed<T: std::str::FromStr>(
    wanted: &'static str,
    cell: Cell<'_>,
    reason: &'static str,
) -> Result<T, ConversionError> {
    let value = cell.value()?;
    match value {
        ValueRef::Text(text) => {
            text.parse().map_err(|_| ConversionError::value(wanted, &value, reason))
        }
        _ => Err(ConversionError::kind(wanted, &value)),
    }
}

macro_rules! as_parsed_text {
    ($($type:ident => $reason:literal),* $(,)?) => {$(
        /// Reads its text form.
        impl FromValue<'_> for $type {
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                parsed(stringify!($type), cell, $reason)
            }
        }

        /// Binds its text form.
        impl ToValue for $type {
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                sink.put(ValueRef::Text(&self.to_string()))
            }
        }
    )*};
}
as_parsed_text! {
    IpAddr => "it is not an IP address",
    Ipv4Addr => "it is not an IPv4 address",
    Ipv6Addr => "it is not an IPv6 address",
}

/// Reads text of exactly one character.
impl FromValue<'_> for char {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        parsed("char", cell, "it is not one character")
    }
}

/// Binds text.
impl ToValue for char {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Text(self.encode_utf8(&mut [0; 4])))
    }
}

macro_rules! non_zero {
    ($($type:ident)*) => {$(
        /// Reads what the integer reads, and refuses 0.
        impl FromValue<'_> for NonZero<$type> {
            #[inline]
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                match Self::new($type::from_cell(cell)?) {
                    Some(value) => Ok(value),
                    None => Err(zero(concat!("NonZero<", stringify!($type), ">"), cell)),
                }
            }
        }

        /// Binds the integer.
        impl ToValue for NonZero<$type> {
            #[inline]
            fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
                self.get().bind(sink)
            }
        }
    )*};
}
non_zero! { i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 isize usize }

#[cold]
fn zero(wanted: &'static str, cell: Cell<'_>) -> ConversionError {
    match cell.value() {
        Ok(value) => ConversionError::value(wanted, &value, "it is 0"),
        Err(error) => error,
    }
}

/// Binds an integer, or a decimal beyond 64 bits.
impl ToValue for i128 {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        if let Ok(value) = i64::try_from(*self) {
            sink.put(ValueRef::Int(value))
        } else if let Ok(value) = u64::try_from(*self) {
            sink.put(ValueRef::UInt(value))
        } else {
            sink.put(ValueRef::Decimal(&self.to_string()))
        }
    }
}

/// Binds an integer, or a decimal beyond 64 bits.
impl ToValue for u128 {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        if let Ok(value) = u64::try_from(*self) {
            value.bind(sink)
        } else {
            sink.put(ValueRef::Decimal(&self.to_string()))
        }
    }
}

macro_rules! through {
    ($($type:ty as $inner:ty),* $(,)?) => {$(
        /// Reads a copy.
        impl FromValue<'_> for $type {
            #[inline]
            fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
                <$inner>::from_cell(cell).map(Into::into)
            }
        }
    )*};
}
through! {
    Arc<str> as String, Rc<str> as String,
    Box<[u8]> as Vec<u8>, Arc<[u8]> as Vec<u8>, Rc<[u8]> as Vec<u8>,
}
