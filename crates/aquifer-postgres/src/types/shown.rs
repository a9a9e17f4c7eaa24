//! Binary forms as the text that the server's output functions would write.
//!
//! For types that the contract has as text. Queries ask for their text at once; a binary COPY sends this.
//! Where the text depends on the session, it is that of time zone UTC and of `lc_monetary = 'C'`.

use std::io::Write;
use std::net::Ipv4Addr;

use super::catalogue::oid;
use super::{Oid, clock, numeric};

/// True if [`write`] knows the type.
pub(super) fn knows(oid: Oid) -> bool {
    range_of(oid).is_some()
        || subtype(oid).is_some()
        || matches!(
            oid,
            oid::INET
                | oid::CIDR
                | oid::MACADDR
                | oid::MACADDR8
                | oid::BIT
                | oid::VARBIT
                | oid::TIMETZ
                | oid::MONEY
                | oid::TID
                | oid::PG_LSN
                | oid::POINT
                | oid::LSEG
                | oid::BOX
                | oid::PATH
                | oid::POLYGON
                | oid::LINE
                | oid::CIRCLE
        )
}

/// Appends the text; `None` if the cell is damaged.
pub(super) fn write(oid: Oid, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut read = Read(cell);
    match oid {
        oid::INET | oid::CIDR => network(&mut read, out)?,
        oid::MACADDR => hex(read.take(6)?, out),
        oid::MACADDR8 => hex(read.take(8)?, out),
        oid::BIT | oid::VARBIT => bits(&mut read, out)?,
        oid::TIMETZ => time_with_zone(&mut read, out)?,
        oid::MONEY => money(i64::from_be_bytes(read.array()?), out),
        oid::TID => {
            let block = u32::from_be_bytes(read.array()?);
            print(out, format_args!("({block},{})", u16::from_be_bytes(read.array()?)));
        }
        oid::PG_LSN => {
            let lsn = u64::from_be_bytes(read.array()?);
            print(out, format_args!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff));
        }
        oid::POINT => points(&mut read, 1, out)?,
        oid::LSEG => {
            out.push(b'[');
            points(&mut read, 2, out)?;
            out.push(b']');
        }
        oid::BOX => points(&mut read, 2, out)?,
        oid::PATH => {
            let (open, close) = if read.array::<1>()? == [0] { (b'[', b']') } else { (b'(', b')') };
            let count = u32::from_be_bytes(read.array()?);
            out.push(open);
            points(&mut read, count, out)?;
            out.push(close);
        }
        oid::POLYGON => {
            let count = u32::from_be_bytes(read.array()?);
            out.push(b'(');
            points(&mut read, count, out)?;
            out.push(b')');
        }
        oid::LINE => numbers(b'{', &mut read, 3, b'}', out)?,
        oid::CIRCLE => {
            out.push(b'<');
            points(&mut read, 1, out)?;
            out.push(b',');
            float(f64::from_be_bytes(read.array()?), out);
            out.push(b'>');
        }
        _ => match range_of(oid) {
            Some(range) => {
                let count = u32::from_be_bytes(read.array()?);
                out.push(b'{');
                for index in 0..count {
                    if index > 0 {
                        out.push(b',');
                    }
                    write(range, read.sized()?, out)?;
                }
                out.push(b'}');
            }
            None => range(subtype(oid)?, &mut read, out)?,
        },
    }
    read.0.is_empty().then_some(())
}

/// The range type of a multirange type.
fn range_of(multirange: Oid) -> Option<Oid> {
    Some(match multirange {
        oid::INT4MULTIRANGE => oid::INT4RANGE,
        oid::INT8MULTIRANGE => oid::INT8RANGE,
        oid::NUMMULTIRANGE => oid::NUMRANGE,
        oid::DATEMULTIRANGE => oid::DATERANGE,
        oid::TSMULTIRANGE => oid::TSRANGE,
        oid::TSTZMULTIRANGE => oid::TSTZRANGE,
        _ => return None,
    })
}

/// The type of a range type's bounds.
fn subtype(range: Oid) -> Option<Oid> {
    Some(match range {
        oid::INT4RANGE => oid::INT4,
        oid::INT8RANGE => oid::INT8,
        oid::NUMRANGE => oid::NUMERIC,
        oid::DATERANGE => oid::DATE,
        oid::TSRANGE => oid::TIMESTAMP,
        oid::TSTZRANGE => oid::TIMESTAMPTZ,
        _ => return None,
    })
}

/// The flags of range_send in the server's rangetypes.c, then each bound that is there with its length.
fn range(bound: Oid, read: &mut Read<'_>, out: &mut Vec<u8>) -> Option<()> {
    const EMPTY: u8 = 1;
    const LOWER_INCLUSIVE: u8 = 2;
    const UPPER_INCLUSIVE: u8 = 4;
    const LOWER_INFINITE: u8 = 8;
    const UPPER_INFINITE: u8 = 16;
    let [flags] = read.array()?;
    if flags & EMPTY != 0 {
        out.extend_from_slice(b"empty");
        return Some(());
    }
    out.push(if flags & LOWER_INCLUSIVE != 0 { b'[' } else { b'(' });
    if flags & LOWER_INFINITE == 0 {
        scalar(bound, read.sized()?, out)?;
    }
    out.push(b',');
    if flags & UPPER_INFINITE == 0 {
        scalar(bound, read.sized()?, out)?;
    }
    out.push(if flags & UPPER_INCLUSIVE != 0 { b']' } else { b')' });
    Some(())
}

/// A bound of a built-in range.
fn scalar(oid: Oid, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match oid {
        oid::INT4 => print(out, format_args!("{}", i32::from_be_bytes(cell.try_into().ok()?))),
        oid::INT8 => print(out, format_args!("{}", i64::from_be_bytes(cell.try_into().ok()?))),
        oid::NUMERIC => numeric::decode(cell, out)?,
        oid::DATE => clock::show_date(i32::from_be_bytes(cell.try_into().ok()?), out)?,
        _ => {
            let micros = i64::from_be_bytes(cell.try_into().ok()?);
            let zone = if oid == oid::TIMESTAMPTZ { "+00" } else { "" };
            let quoted = micros != i64::MAX && micros != i64::MIN;
            if quoted {
                out.push(b'"');
            }
            clock::show_timestamp(micros, zone, out)?;
            if quoted {
                out.push(b'"');
            }
        }
    }
    Some(())
}

struct Read<'a>(&'a [u8]);

impl<'a> Read<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = i32::from_be_bytes(self.array()?);
        self.take(usize::try_from(len).ok()?)
    }
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

/// Family, bits, whether it is a CIDR, length, address.
fn network(read: &mut Read<'_>, out: &mut Vec<u8>) -> Option<()> {
    let [family, bits, cidr, len] = read.array()?;
    let whole = match (family, len) {
        (2, 4) => {
            print(out, format_args!("{}", Ipv4Addr::from(read.array::<4>()?)));
            32
        }
        (3, 16) => {
            version_6(read.array()?, out);
            128
        }
        _ => return None,
    };
    if bits > whole {
        return None;
    }
    if cidr != 0 || bits != whole {
        print(out, format_args!("/{bits}"));
    }
    Some(())
}

/// As the server's pg_inet_net_ntop: the longest run of two zero groups or more is left out, and what may
/// hold an IPv4 address ends in one.
fn version_6(address: [u8; 16], out: &mut Vec<u8>) {
    let mut groups = [0u16; 8];
    for (group, pair) in groups.iter_mut().zip(address.as_chunks::<2>().0) {
        *group = u16::from_be_bytes(*pair);
    }
    let (mut start, mut len) = (0, 0);
    let mut at = 0;
    while at < 8 {
        let zeros = groups[at..].iter().take_while(|group| **group == 0).count();
        if zeros > len {
            (start, len) = (at, zeros);
        }
        at += zeros.max(1);
    }
    if len < 2 {
        len = 0;
    }
    let with_4 = len > 0 && start == 0 && (len == 6 || (len == 5 && groups[5] == 0xffff));
    let mut at = 0;
    while at < 8 {
        if len > 0 && at == start {
            out.extend_from_slice(b"::");
            at += len;
            continue;
        }
        if at > 0 && !out.ends_with(b":") {
            out.push(b':');
        }
        if at == 6 && with_4 {
            let [.., a, b, c, d] = address;
            print(out, format_args!("{}", Ipv4Addr::new(a, b, c, d)));
            return;
        }
        print(out, format_args!("{:x}", groups[at]));
        at += 1;
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push(b':');
        }
        print(out, format_args!("{byte:02x}"));
    }
}

fn bits(read: &mut Read<'_>, out: &mut Vec<u8>) -> Option<()> {
    let count = usize::try_from(i32::from_be_bytes(read.array()?)).ok()?;
    let bytes = read.take(count.div_ceil(8))?;
    out.extend((0..count).map(|bit| b'0' + (bytes[bit / 8] >> (7 - bit % 8) & 1)));
    Some(())
}

/// Microseconds of the local time, then seconds west of UTC.
fn time_with_zone(read: &mut Read<'_>, out: &mut Vec<u8>) -> Option<()> {
    clock::show_time(i64::from_be_bytes(read.array()?), out)?;
    let west = i32::from_be_bytes(read.array()?);
    let distance = west.unsigned_abs();
    if distance >= 24 * 3600 {
        return None;
    }
    let (hours, minutes, seconds) = (distance / 3600, distance / 60 % 60, distance % 60);
    print(out, format_args!("{}{hours:02}", if west > 0 { '-' } else { '+' }));
    if minutes != 0 || seconds != 0 {
        print(out, format_args!(":{minutes:02}"));
    }
    if seconds != 0 {
        print(out, format_args!(":{seconds:02}"));
    }
    Some(())
}

fn money(cents: i64, out: &mut Vec<u8>) {
    let amount = cents.unsigned_abs();
    out.extend_from_slice(if cents < 0 { b"-$" } else { b"$" });
    let whole = (amount / 100).to_string();
    for (at, digit) in whole.bytes().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(digit);
    }
    print(out, format_args!(".{:02}", amount % 100));
}

/// Each has 16 bytes, so the count needs no bound of its own.
fn points(read: &mut Read<'_>, count: u32, out: &mut Vec<u8>) -> Option<()> {
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        numbers(b'(', read, 2, b')', out)?;
    }
    Some(())
}

fn numbers(
    open: u8,
    read: &mut Read<'_>,
    count: usize,
    close: u8,
    out: &mut Vec<u8>,
) -> Option<()> {
    out.push(open);
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        float(f64::from_be_bytes(read.array()?), out);
    }
    out.push(close);
    Some(())
}

/// As float8out writes it: the shortest digits, with an exponent below 1e-4 and from 1e15 on.
fn float(v: f64, out: &mut Vec<u8>) {
    if v.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if v.is_infinite() {
        out.extend_from_slice(if v > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if v == 0.0 || (1e-4..1e15).contains(&v.abs()) {
        print(out, format_args!("{v}"));
    } else {
        let text = format!("{v:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        print(out, format_args!("{digits}e{sign}{exponent:0>2}"));
    }
}
