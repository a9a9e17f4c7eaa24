//! Cells whose wire form is not one of the contract's encodings, rewritten.

use aquifer_driver::civil::DAY_MICROS;
use aquifer_driver::{Encoding, Error, ErrorKind, Result, notation};

use super::catalogue::oid;
use super::codec::UserType;
use super::{Format, Oid, clock, column, name, numeric, shown, text};

/// How the cells of a column are rewritten. NULLs are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transcode {
    /// NUMERIC to decimal text.
    Numeric,
    /// The one byte of `"char"` to text.
    Char,
    /// The binary form of a type that the contract has as text.
    Shown(Oid),
    /// A binary array with elements of this type.
    Array(Oid),
    /// The literal of an array with elements of this type.
    TextArray(Oid),
    /// The text of an INT2VECTOR or OIDVECTOR.
    TextVector(Oid),
    /// The text of a BOOL.
    TextBool,
    /// The text of an INT2.
    TextInt2,
    /// The text of an INT4.
    TextInt4,
    /// The text of an INT8.
    TextInt8,
    /// The text of an OID, XID or CID.
    TextOid,
    /// The text of an XID8.
    TextXid8,
    /// The text of a FLOAT4.
    TextFloat4,
    /// The text of a FLOAT8.
    TextFloat8,
    /// The text of a BYTEA, in either form.
    TextBytea,
    /// The text of a UUID.
    TextUuid,
    /// The text of a DATE.
    TextDate,
    /// The text of a TIME.
    TextTime,
    /// The text of a TIMESTAMP.
    TextTimestamp,
    /// The text of a TIMESTAMPTZ.
    TextTimestampTz,
    /// The text of an INTERVAL.
    TextInterval,
    /// The text of a `"char"`.
    TextChar,
    /// Either form of a type that has a codec: [`Codecs::read`](super::Codecs::read) does it.
    User(UserType),
}

impl Transcode {
    /// Appends the cell in its column's encoding.
    ///
    /// # Errors
    ///
    /// If the cell is not of its type's form. Nothing is left in `out` then.
    pub(crate) fn run(self, cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        match self.append(cell, out) {
            Some(()) => Ok(()),
            None => {
                out.truncate(start);
                Err(self.unreadable())
            }
        }
    }

    fn append(self, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Numeric => numeric::decode(cell, out)?,
            Self::Char => match cell {
                [byte] => text::char(*byte, out),
                _ => return None,
            },
            Self::Shown(oid) => shown::write(oid, cell, out)?,
            Self::Array(element) => array(element, cell, out)?,
            Self::TextArray(element) => text_array(element, cell, out)?,
            Self::TextVector(element) => text_vector(element, cell, out)?,
            Self::TextBool => match cell {
                b"t" | b"true" => out.push(1),
                b"f" | b"false" => out.push(0),
                _ => return None,
            },
            Self::TextInt2 => out.extend_from_slice(&parse::<i16>(cell)?.to_be_bytes()),
            Self::TextInt4 => out.extend_from_slice(&parse::<i32>(cell)?.to_be_bytes()),
            Self::TextInt8 => out.extend_from_slice(&parse::<i64>(cell)?.to_be_bytes()),
            Self::TextOid => out.extend_from_slice(&parse::<u32>(cell)?.to_be_bytes()),
            Self::TextXid8 => out.extend_from_slice(&parse::<u64>(cell)?.to_be_bytes()),
            Self::TextFloat4 => out.extend_from_slice(&parse::<f32>(cell)?.to_be_bytes()),
            Self::TextFloat8 => out.extend_from_slice(&parse::<f64>(cell)?.to_be_bytes()),
            Self::TextBytea => text::bytea(cell, out)?,
            Self::TextUuid => {
                let text = std::str::from_utf8(cell).ok()?;
                out.extend_from_slice(&notation::parse_uuid(text)?);
            }
            Self::TextDate => out.extend_from_slice(&clock::date(cell)?.to_be_bytes()),
            Self::TextTime => {
                let micros = clock::time(cell)?;
                debug_assert!((0..=DAY_MICROS).contains(&micros));
                out.extend_from_slice(&micros.to_be_bytes());
            }
            Self::TextTimestamp => {
                out.extend_from_slice(&clock::timestamp(cell, false)?.to_be_bytes());
            }
            Self::TextTimestampTz => {
                out.extend_from_slice(&clock::timestamp(cell, true)?.to_be_bytes());
            }
            Self::TextInterval => {
                let interval = clock::interval(cell)?;
                out.extend_from_slice(&interval.micros.to_be_bytes());
                out.extend_from_slice(&interval.days.to_be_bytes());
                out.extend_from_slice(&interval.months.to_be_bytes());
            }
            Self::TextChar => match cell {
                [byte] => text::char(*byte, out),
                _ => out.extend_from_slice(cell),
            },
            Self::User(_) => return None,
        }
        Some(())
    }

    #[cold]
    fn unreadable(self) -> Error {
        let error = |what: &str| {
            Error::new(
                ErrorKind::Protocol,
                format!("the server sent a value of type {what} that cannot be read"),
            )
        };
        match self {
            Self::Numeric => error("NUMERIC"),
            Self::Char | Self::TextChar => error("\"char\""),
            Self::Shown(oid) => error(name(oid)),
            Self::Array(element) => error(&format!("{}[]", name(element))),
            Self::TextArray(element) => dated(&format!("{}[]", name(element))),
            Self::TextVector(element) => error(&format!("{}VECTOR", name(element))),
            Self::TextBool => error("BOOL"),
            Self::TextInt2 => error("INT2"),
            Self::TextInt4 => error("INT4"),
            Self::TextInt8 => error("INT8"),
            Self::TextOid => error("OID"),
            Self::TextXid8 => error("XID8"),
            Self::TextFloat4 => error("FLOAT4"),
            Self::TextFloat8 => error("FLOAT8"),
            Self::TextBytea => error("BYTEA"),
            Self::TextUuid => error("UUID"),
            Self::TextDate => dated("DATE"),
            Self::TextTime => error("TIME"),
            Self::TextTimestamp => dated("TIMESTAMP"),
            Self::TextTimestampTz => dated("TIMESTAMPTZ"),
            Self::TextInterval => error("INTERVAL"),
            Self::User(_) => error("that has a codec"),
        }
    }
}

/// The session's settings are to blame, not the server.
fn dated(what: &str) -> Error {
    Error::new(ErrorKind::Conversion, format!("the text of a value of type {what} cannot be read"))
        .with_hint("dates in text are read in the ISO style only: SET DateStyle = 'ISO'")
}

fn parse<T: std::str::FromStr>(cell: &[u8]) -> Option<T> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// Dimensions, at most, as the server has it.
const DEPTH_MAX: usize = 6;

/// The head of one level of an array in the contract's layout.
fn level(element: Encoding, len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::from(element as u8).to_be_bytes());
    out.extend_from_slice(&(len as u32).to_be_bytes());
}

/// What `write` appends, behind its length.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let len = i32::try_from(out.len() - start - 4).ok()?;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    Some(())
}

/// A binary array, as array_send of the server's arrayfuncs.c writes it: dimensions (i32), whether there are
/// NULLs (i32), the elements' type, each dimension's length and lower bound (i32), the elements.
fn array(expected: Oid, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (dimensions, rest) = word(cell)?;
    let (_, rest) = word(rest)?;
    let (oid, mut rest) = word(rest)?;
    if oid != expected {
        return None;
    }
    let element = column(oid, -1, Format::Binary);
    let dimensions = usize::try_from(dimensions).ok().filter(|n| *n <= DEPTH_MAX)?;
    if dimensions == 0 {
        level(element.encoding, 0, out);
        return rest.is_empty().then_some(());
    }
    let mut lens = [0; DEPTH_MAX];
    for len in &mut lens[..dimensions] {
        let (value, _lower_bound);
        (value, rest) = word(rest)?;
        (_lower_bound, rest) = word(rest)?;
        // Every element has at least its length: no count is believed that the cell cannot hold.
        *len = usize::try_from(value).ok().filter(|len| *len <= rest.len() / 4)?;
    }
    let lens = &lens[..dimensions];
    let total = lens.iter().try_fold(1usize, |total, len| total.checked_mul(*len))?;
    // An array without elements has no dimensions, or the one of an empty vector.
    if total > rest.len() / 4 || (total == 0 && dimensions > 1) {
        return None;
    }
    binary_level(element, lens, &mut rest, out)?;
    rest.is_empty().then_some(())
}

fn binary_level(
    element: super::ResultType,
    lens: &[usize],
    rest: &mut &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let (len, deeper) = lens.split_first()?;
    if !deeper.is_empty() {
        level(Encoding::Array, *len, out);
        for _ in 0..*len {
            sized(out, |out| binary_level(element, deeper, rest, out))?;
        }
        return Some(());
    }
    level(element.encoding, *len, out);
    if element.transcode.is_none() && element.skip == 0 {
        // The elements' own layout is the contract's: check it and take them all at once.
        let elements = *rest;
        for _ in 0..*len {
            let (_, after) = next(rest)?;
            *rest = after;
        }
        out.extend_from_slice(&elements[..elements.len() - rest.len()]);
        return Some(());
    }
    for _ in 0..*len {
        let (cell, after) = next(rest)?;
        *rest = after;
        match cell {
            None => out.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(cell) => {
                let cell = cell.get(usize::from(element.skip)..)?;
                sized(out, |out| rewrite(element, cell, out))?;
            }
        }
    }
    Some(())
}

fn rewrite(element: super::ResultType, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match element.transcode {
        Some(transcode) => transcode.append(cell, out),
        None => {
            out.extend_from_slice(cell);
            Some(())
        }
    }
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

/// One element: its bytes, `None` for NULL, and what follows.
fn next(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (len, rest) = word(bytes)?;
    if len == u32::MAX {
        return Some((None, rest));
    }
    let (cell, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((Some(cell), rest))
}

/// An array's literal: `{1,NULL,"a \"b\""}`, `[0:1]={{1},{2}}`.
fn text_array(element: Oid, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let element_type = column(element, -1, Format::Text);
    let delimiter = if element == oid::BOX { b';' } else { b',' };
    let mut literal = text::Literal::new(cell, delimiter)?;
    text_level(element_type, &mut literal, 0, out)?;
    literal.end()
}

fn text_level(
    element: super::ResultType,
    literal: &mut text::Literal<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    if depth >= DEPTH_MAX {
        return None;
    }
    literal.open()?;
    let start = out.len();
    let nested = literal.opens();
    level(if nested { Encoding::Array } else { element.encoding }, 0, out);
    let mut len = 0u32;
    let mut unquoted = Vec::new();
    while !literal.close(len == 0)? {
        if literal.opens() != nested {
            return None;
        }
        if nested {
            sized(out, |out| text_level(element, literal, depth + 1, out))?;
        } else {
            match literal.item(&mut unquoted)? {
                None => out.extend_from_slice(&(-1i32).to_be_bytes()),
                Some(item) => sized(out, |out| rewrite(element, item, out))?,
            }
        }
        len = len.checked_add(1)?;
    }
    out[start + 4..start + 8].copy_from_slice(&len.to_be_bytes());
    Some(())
}

fn text_vector(element: Oid, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let element = column(element, -1, Format::Text);
    let items = || cell.split(|b| *b == b' ').filter(|item| !item.is_empty());
    level(element.encoding, items().count(), out);
    for item in items() {
        sized(out, |out| rewrite(element, item, out))?;
    }
    Some(())
}
