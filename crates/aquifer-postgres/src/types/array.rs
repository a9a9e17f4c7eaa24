//! Arrays as arguments: binary if every element has a binary form, else a literal (`{1,NULL,"a b"}`).
//!
//! The literal's delimiter is a comma whatever the type: BOX, whose arrays want semicolons, would else be refused
//! at a first use, when its type is not known, and taken at later ones.

use aquifer_driver::{ArrayRef, Error, ErrorKind, Result, ValueRef};

use super::catalogue::oid;
use super::put::{binary as put_binary, bytes_refused, has_binary, sized};
use super::{Format, Oid, declare, element, literal};

/// How deep arrays may nest: more than the server's own limit, so that it is the one who refuses.
pub(super) const DEPTH_MAX: usize = 8;
const SERVER_DEPTH_MAX: usize = 6;

/// Appends an array, without length. `oid` is the parameter's type, 0 if it is not known.
pub(super) fn put(oid: Oid, items: &dyn ArrayRef, out: &mut Vec<u8>) -> Result<Format> {
    let oid = if oid == 0 { declare::declared(ValueRef::Array(items)) } else { oid };
    let element = element(oid).unwrap_or(0);
    let start = out.len();
    // Also of no elements, or of NULLs: some types have no receive function.
    if has_binary(element) {
        if binary(element, items, out)? {
            return Ok(Format::Binary);
        }
        out.truncate(start);
    }
    text(element, items, out)?;
    Ok(Format::Text)
}

/// Appends an array's literal, for where nothing but text goes.
pub(super) fn literal(items: &dyn ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    let oid = declare::declared(ValueRef::Array(items));
    text(element(oid).unwrap_or(0), items, out)
}

/// Why a visit ended early.
#[derive(PartialEq)]
enum Stop {
    /// It did not.
    No,
    /// An element is itself an array.
    Nested,
    /// There is no binary form.
    Text,
}

impl Stop {
    /// Ends the visit. The error is told to nobody.
    fn because(&mut self, why: Self) -> Result<()> {
        *self = why;
        Err(Error::new(ErrorKind::Argument, "the visit of an array ends early"))
    }
}

fn binary(element: Oid, items: &dyn ArrayRef, out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    if items.is_empty() {
        head(element, &[], out);
        return Ok(true);
    }
    head(element, &[items.len()], out);
    let mut writer = Writer { element, nulls: false, count: 0, stop: Stop::No, out };
    let visited = items.visit(&mut |item| writer.put(item));
    let (nulls, count, stop) = (writer.nulls, writer.count, writer.stop);
    match stop {
        Stop::No => visited?,
        Stop::Nested => {
            out.truncate(start);
            return nested(element, items, out);
        }
        Stop::Text => return Ok(false),
    }
    finish(nulls, start, out);
    Ok(count == items.len())
}

fn nested(element: Oid, items: &dyn ArrayRef, out: &mut Vec<u8>) -> Result<bool> {
    let start = out.len();
    if !has_leaf(items, 0) {
        head(element, &[], out);
        return Ok(true);
    }
    let mut lens = Vec::with_capacity(SERVER_DEPTH_MAX);
    shape(items, &mut lens);
    if lens.len() > SERVER_DEPTH_MAX {
        return Ok(false);
    }
    head(element, &lens, out);
    let mut writer = Writer { element, nulls: false, count: 0, stop: Stop::No, out };
    let visited = writer.put_level(items, &lens);
    let (nulls, stop) = (writer.nulls, writer.stop);
    if stop != Stop::No {
        return Ok(false);
    }
    visited?;
    finish(nulls, start, out);
    Ok(true)
}

/// The lengths along the first elements.
fn shape(items: &dyn ArrayRef, lens: &mut Vec<usize>) {
    lens.push(items.len());
    let mut first = true;
    let mut stop = Stop::No;
    let _ = items.visit(&mut |item| {
        if std::mem::take(&mut first)
            && lens.len() <= SERVER_DEPTH_MAX
            && let Some(items) = item.as_array()
        {
            shape(items, lens);
        }
        stop.because(Stop::Nested)
    });
}

/// True if there is an element that is no array.
fn has_leaf(items: &dyn ArrayRef, depth: usize) -> bool {
    let mut found = false;
    let mut stop = Stop::No;
    let visited = items.visit(&mut |item| {
        found = match item.as_array() {
            Some(items) if depth < DEPTH_MAX => has_leaf(items, depth + 1),
            _ => true,
        };
        if found { stop.because(Stop::Nested) } else { Ok(()) }
    });
    // What cannot be visited is not empty: writing it says why.
    found || visited.is_err()
}

/// The head of an array's binary form: dimensions, whether there are NULLs, the elements' type, and each
/// dimension's length and lower bound.
fn head(element: Oid, lens: &[usize], out: &mut Vec<u8>) {
    out.extend_from_slice(&(lens.len() as u32).to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&element.to_be_bytes());
    for len in lens {
        // More than fit would be more than the message's own length can say.
        out.extend_from_slice(&(*len as u32).to_be_bytes());
        out.extend_from_slice(&1u32.to_be_bytes());
    }
}

fn finish(nulls: bool, start: usize, out: &mut [u8]) {
    out[start + 7] = nulls.into();
}

struct Writer<'a> {
    element: Oid,
    nulls: bool,
    count: usize,
    stop: Stop,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn put(&mut self, item: ValueRef<'_>) -> Result<()> {
        self.count += 1;
        match item {
            ValueRef::Null => {
                self.nulls = true;
                self.out.extend_from_slice(&(-1i32).to_be_bytes());
                Ok(())
            }
            ValueRef::Array(_) | ValueRef::Elements(_) => self.stop.because(Stop::Nested),
            item => {
                let mut written = true;
                sized(self.out, |out| {
                    written = put_binary(self.element, item, out)?;
                    Ok(())
                })?;
                if written { Ok(()) } else { self.stop.because(Stop::Text) }
            }
        }
    }

    /// Every level must be as long as the first of its kind.
    fn put_level(&mut self, items: &dyn ArrayRef, lens: &[usize]) -> Result<()> {
        let Some((len, deeper)) = lens.split_first() else { return self.stop.because(Stop::Text) };
        if items.len() != *len {
            return self.stop.because(Stop::Text);
        }
        items.visit(&mut |item| match (item.as_array(), deeper.is_empty()) {
            (Some(items), false) => self.put_level(items, deeper),
            (None, true) => self.put(item),
            // Not rectangular: the server says so.
            _ => self.stop.because(Stop::Text),
        })
    }
}

pub(super) fn text(element: Oid, items: &dyn ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    if has_leaf(items, 0) {
        level(element, items, 0, out)
    } else {
        out.extend_from_slice(b"{}");
        Ok(())
    }
}

fn level(element: Oid, items: &dyn ArrayRef, depth: usize, out: &mut Vec<u8>) -> Result<()> {
    if depth >= DEPTH_MAX {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("an array argument nests deeper than {DEPTH_MAX}"),
        ));
    }
    out.push(b'{');
    let mut first = true;
    items.visit(&mut |item| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match item {
            ValueRef::Null => out.extend_from_slice(b"NULL"),
            ValueRef::Array(items) => level(element, items, depth + 1, out)?,
            ValueRef::Elements(items) => level(element, &items, depth + 1, out)?,
            ValueRef::Bytes(_) if element != oid::BYTEA => return Err(bytes_refused(element)),
            item => quoted(item, out)?,
        }
        Ok(())
    })?;
    out.push(b'}');
    Ok(())
}

/// One element, in quotes: so it is never taken for NULL, and a delimiter in it is none.
pub(super) fn quoted(item: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'"');
    let start = out.len();
    literal::scalar(item, out)?;
    let special = |byte: &u8| matches!(byte, b'"' | b'\\');
    if out[start..].iter().any(special) {
        let plain = out.split_off(start);
        for byte in plain {
            if special(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
    }
    out.push(b'"');
    Ok(())
}
