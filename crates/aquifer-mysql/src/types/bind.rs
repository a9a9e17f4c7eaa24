//! Arguments of an Execute: visited once, written into the packet with the type that each has by itself.
//!
//! The server takes any type for any placeholder, so nothing has to be known of the statement. Integers go as
//! BIGINT, floats as DOUBLE, text as VARCHAR, bytes as BLOB (which has no charset, so that they stay as they are),
//! a UUID as its sixteen bytes.

use aquifer_driver::civil::{DAY_MICROS, year_month_day};
use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ValueRef};
use mysql_common::constants::ColumnType as Type;

use super::{Clock, Zone};
use crate::protocol::reader::put_bytes;

/// Most arguments of one statement: their number has 16 bits.
pub(crate) const ARGUMENTS_MAX: usize = 65_535;

/// In the byte after an argument's type.
const UNSIGNED: u8 = 0x80;

/// The types come with the values.
const TYPES_FOLLOW: u8 = 1;

/// What can be done about what is too long.
pub(crate) const RAISE: &str = "raise the server's max_allowed_packet, or split the work";

pub(super) const YEARS: &str = "MySQL's dates are those of the years 0 to 9999";
pub(super) const MONTHS: &str = "MySQL keeps no interval with months in it";
const NO_OFFSET: &str = "an instant cannot be told in the session's time zone, whose rules only the server \
                         knows: set `time_zone` to an offset such as +00:00, or bind a time without a zone";
pub(super) const NO_ARRAYS: &str = "MySQL has no arrays";
pub(super) const LISTS: &str = "a list is written as `IN (?)`, with a slice as its argument";
pub(super) const NO_NUMBER: &str = "MySQL has no such number: neither infinities nor NaN";

/// Appends the arguments: NULL bits, the types, the values. Nothing for a statement without any.
///
/// # Errors
///
/// If there are too many, or the engine cannot take one; what was appended is then of no use.
pub(crate) fn put(out: &mut Vec<u8>, params: &dyn Params, clock: Clock) -> Result<()> {
    put_all(out, params, clock, None)
}

/// Text and bytes that are sent before the others, piece by piece.
#[derive(Debug, Clone)]
pub(crate) struct Long {
    /// Those of more bytes than this.
    beyond: usize,
    /// Most bytes that the server takes of one.
    max: usize,
    /// The arguments, each by its index.
    pub(crate) values: Vec<(u16, Box<[u8]>)>,
}

impl Long {
    /// None yet; those of more bytes than `beyond` will be, of at most `max` each.
    pub(crate) fn new(beyond: usize, max: usize) -> Self {
        Self { beyond, max, values: Vec::new() }
    }

    /// Keeps the value if it is long; its type.
    ///
    /// # Errors
    ///
    /// If it is longer than the server takes.
    fn take(&mut self, value: ValueRef<'_>, index: usize) -> Result<Option<Type>> {
        let (bytes, kind) = match value {
            ValueRef::Text(v) | ValueRef::Json(v) => (v.as_bytes(), Type::MYSQL_TYPE_VAR_STRING),
            ValueRef::Bytes(v) => (v, Type::MYSQL_TYPE_BLOB),
            _ => return Ok(None),
        };
        if bytes.len() <= self.beyond {
            return Ok(None);
        }
        if bytes.len() > self.max {
            let (len, max) = (bytes.len(), self.max);
            let why = format!("its {len} bytes are more than the {max} that the server takes");
            return Err(refuse(index, &why).with_hint(RAISE));
        }
        // There are at most 65 535.
        self.values.push((index as u16, bytes.into()));
        Ok(Some(kind))
    }
}

/// As [`put`], but leaves out what is long.
///
/// # Errors
///
/// As [`put`], and if an argument alone is longer than the server takes.
pub(crate) fn put_short(
    out: &mut Vec<u8>,
    params: &dyn Params,
    clock: Clock,
    long: &mut Long,
) -> Result<()> {
    put_all(out, params, clock, Some(long))
}

#[inline]
fn put_all(
    out: &mut Vec<u8>,
    params: &dyn Params,
    clock: Clock,
    long: Option<&mut Long>,
) -> Result<()> {
    let count = params.count();
    if count == 0 {
        return Ok(());
    }
    if count > ARGUMENTS_MAX {
        return Err(Error::new(
            ErrorKind::ArgumentMismatch,
            format!("{count} arguments are more than the {ARGUMENTS_MAX} of one statement"),
        )
        .with_hint("split the work"));
    }
    let nulls = out.len();
    let types = nulls + count.div_ceil(8) + 1;
    out.resize(types + 2 * count, 0);
    out[types - 1] = TYPES_FOLLOW;
    let mut arguments = Arguments { out, nulls, types, count, clock, index: 0, long };
    params.bind(&mut arguments)?;
    let given = arguments.index;
    if given == count {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ArgumentMismatch,
        format!("{count} arguments were announced and {given} were given"),
    ))
}

struct Arguments<'a> {
    out: &'a mut Vec<u8>,
    nulls: usize,
    types: usize,
    count: usize,
    clock: Clock,
    index: usize,
    long: Option<&'a mut Long>,
}

impl ParamSink for Arguments<'_> {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        if self.index >= self.count {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                format!("more than the {} announced arguments were given", self.count),
            ));
        }
        let long = match &mut self.long {
            Some(long) => long.take(value, self.index)?,
            None => None,
        };
        let (kind, flags) = match long {
            Some(kind) => (kind, 0),
            None => put_value(self.out, value, self.clock, self.index)?,
        };
        let at = self.types + 2 * self.index;
        self.out[at] = kind as u8;
        self.out[at + 1] = flags;
        if kind == Type::MYSQL_TYPE_NULL {
            self.out[self.nulls + self.index / 8] |= 1 << (self.index % 8);
        }
        self.index += 1;
        Ok(())
    }
}

/// Appends a value; its type and whether that is unsigned. `index`: its place among the arguments.
///
/// # Errors
///
/// If the engine cannot take it.
#[inline]
pub(super) fn put_value(
    out: &mut Vec<u8>,
    value: ValueRef<'_>,
    clock: Clock,
    index: usize,
) -> Result<(Type, u8)> {
    let kind = match value {
        ValueRef::Null => Type::MYSQL_TYPE_NULL,
        ValueRef::Bool(v) => {
            out.push(v.into());
            Type::MYSQL_TYPE_TINY
        }
        ValueRef::Int(v) => {
            out.extend_from_slice(&v.to_le_bytes());
            Type::MYSQL_TYPE_LONGLONG
        }
        ValueRef::UInt(v) => {
            out.extend_from_slice(&v.to_le_bytes());
            return Ok((Type::MYSQL_TYPE_LONGLONG, UNSIGNED));
        }
        ValueRef::Float(v) if !v.is_finite() => return Err(refuse(index, NO_NUMBER)),
        ValueRef::Float(v) => {
            out.extend_from_slice(&v.to_le_bytes());
            Type::MYSQL_TYPE_DOUBLE
        }
        ValueRef::Decimal(v) => {
            if !v.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
                return Err(refuse(index, NO_NUMBER));
            }
            put_bytes(out, v.as_bytes());
            Type::MYSQL_TYPE_NEWDECIMAL
        }
        ValueRef::Text(v) | ValueRef::Json(v) => {
            put_bytes(out, v.as_bytes());
            Type::MYSQL_TYPE_VAR_STRING
        }
        ValueRef::Bytes(v) => {
            put_bytes(out, v);
            Type::MYSQL_TYPE_BLOB
        }
        ValueRef::Uuid(v) => {
            put_bytes(out, &v);
            Type::MYSQL_TYPE_BLOB
        }
        ValueRef::Date(v) => {
            let date = packed_date(v.0).ok_or_else(|| refuse(index, YEARS))?;
            out.push(4);
            out.extend_from_slice(&date);
            Type::MYSQL_TYPE_DATE
        }
        ValueRef::Timestamp(_) | ValueRef::TimestampTz(_) => {
            let v = in_zone(value, clock).map_err(|why| refuse(index, why))?;
            let day = i32::try_from(v.div_euclid(DAY_MICROS)).ok();
            let date = day.and_then(packed_date).ok_or_else(|| refuse(index, YEARS))?;
            out.push(11);
            out.extend_from_slice(&date);
            put_clock(out, v.rem_euclid(DAY_MICROS));
            Type::MYSQL_TYPE_DATETIME
        }
        ValueRef::Time(v) => {
            put_time(out, v);
            Type::MYSQL_TYPE_TIME
        }
        ValueRef::Interval(v) if v.months == 0 => {
            let micros = i64::from(v.days)
                .checked_mul(DAY_MICROS)
                .and_then(|days| days.checked_add(v.micros))
                .ok_or_else(|| refuse(index, "the interval is too long"))?;
            put_time(out, micros);
            Type::MYSQL_TYPE_TIME
        }
        ValueRef::Interval(_) => {
            return Err(refuse(index, MONTHS));
        }
        ValueRef::Array(_) | ValueRef::Elements(_) => {
            return Err(refuse(index, NO_ARRAYS).with_hint(LISTS));
        }
        _ => return Err(refuse(index, "MySQL has no type for this value")),
    };
    Ok((kind, 0))
}

#[cold]
fn refuse(index: usize, why: &str) -> Error {
    Error::new(ErrorKind::Argument, format!("argument {}: {why}", index + 1))
}

/// Microseconds since 1970 on the clocks of the session's time zone, in whole grains.
pub(super) fn in_zone(value: ValueRef<'_>, clock: Clock) -> Result<i64, &'static str> {
    match (value, clock.zone) {
        (ValueRef::Timestamp(v), _) => clock.truncate(v).ok_or(YEARS),
        (ValueRef::TimestampTz(v), Zone::Fixed(east)) => {
            clock.truncate(v).and_then(|v| v.checked_add(i64::from(east) * 1_000_000)).ok_or(YEARS)
        }
        _ => Err(NO_OFFSET),
    }
}

fn packed_date(day: i32) -> Option<[u8; 4]> {
    let (year, month, day) = year_month_day(day);
    let [low, high] = u16::try_from(year).ok().filter(|year| *year <= 9999)?.to_le_bytes();
    Some([low, high, month, day])
}

/// Hours, minutes, seconds and microseconds of less than a day.
fn put_clock(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros / 1_000_000;
    out.extend_from_slice(&[
        (seconds / 3600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
    ]);
    out.extend_from_slice(&((micros % 1_000_000) as u32).to_le_bytes());
}

fn put_time(out: &mut Vec<u8>, micros: i64) {
    let span = micros.unsigned_abs();
    let day_micros = DAY_MICROS as u64;
    out.push(12);
    out.push((micros < 0).into());
    // 107 million days at most.
    out.extend_from_slice(&((span / day_micros) as u32).to_le_bytes());
    put_clock(out, (span % day_micros) as i64);
}

#[cfg(test)]
mod tests {
    use aquifer_driver::{Date, Interval, Value};

    use super::*;

    fn bound(params: &dyn Params) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        put(&mut out, params, Clock::of(Zone::Fixed(0))).map(|()| out)
    }

    #[test]
    fn arguments_are_nulls_then_types_then_values() {
        assert!(bound(&()).unwrap().is_empty());
        let out = bound(&(7_i64, None::<i64>, "ab", u64::MAX)).unwrap();
        assert_eq!(out[..10], [0b10, 1, 8, 0, 6, 0, 253, 0, 8, 0x80]);
        assert_eq!(out[10..21], [7, 0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b']);
        assert_eq!(out[21..], [255; 8]);
    }

    #[test]
    fn times_are_packed_as_the_server_packs_them() {
        let values = vec![
            Value::Timestamp(1_795_162_500_250_000),
            Value::Date(Date(0)),
            Value::Time(-1),
            Value::Interval(Interval { months: 0, days: 34, micros: 0 }),
        ];
        let out = bound(&values).unwrap();
        let mut at = 2 + 8;
        for cell in [
            [11, 0xea, 7, 11, 20, 8, 15, 0, 0x90, 0xd0, 3, 0].as_slice(),
            &[4, 0xb2, 7, 1, 1],
            &[12, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
            &[12, 0, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(&out[at..at + cell.len()], cell);
            at += cell.len();
        }
    }

    #[test]
    fn an_instant_is_told_on_the_sessions_clocks_or_refused() {
        let instant = || (Value::TimestampTz(0),);
        let mut east = Vec::new();
        put(&mut east, &instant(), Clock::of(Zone::Fixed(19_800))).unwrap();
        assert_eq!(east[4..], [11, 0xb2, 7, 1, 1, 5, 30, 0, 0, 0, 0, 0]);
        let error = put(&mut Vec::new(), &instant(), Clock::of(Zone::Named)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.to_string().contains("time_zone"), "{error}");
        put(&mut Vec::new(), &(Value::Timestamp(0),), Clock::of(Zone::Named)).unwrap();
    }

    #[test]
    fn what_mysql_does_not_have_is_refused_with_its_place() {
        for value in [
            Value::Float(f64::NAN),
            Value::Float(f64::INFINITY),
            Value::Decimal("NaN".into()),
            Value::Date(Date(i32::MAX)),
            Value::Timestamp(i64::MIN),
            Value::Interval(Interval { months: 1, days: 0, micros: 0 }),
            Value::Array(vec![]),
        ] {
            let error = bound(&vec![Value::Int(1), value.clone()]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{value:?}");
            assert!(error.to_string().contains("argument 2"), "{error}");
        }
    }
}
