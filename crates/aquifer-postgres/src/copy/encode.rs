//! Rows into the formats of COPY.

use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ValueRef};

use super::CopyFormat;
use crate::types::{self, Codecs, Oid};

/// A column that is filled.
#[derive(Debug)]
pub(crate) struct Column {
    name: Box<str>,
    oid: Oid,
    usual: Usual,
}

impl Column {
    pub(crate) fn new(name: Box<str>, oid: Oid) -> Self {
        Self { name, oid, usual: Usual::of(oid) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The types whose usual values are written in place, without a look at the catalogue: they are most of
/// what rows are made of, and a row costs half as much with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usual {
    Int8,
    Int4,
    Float8,
    Text,
    None,
}

impl Usual {
    fn of(oid: Oid) -> Self {
        match oid {
            20 => Self::Int8,
            23 => Self::Int4,
            701 => Self::Float8,
            // text, varchar and bpchar: the same bytes.
            25 | 1042 | 1043 => Self::Text,
            _ => Self::None,
        }
    }
}

/// Writes rows in one format, and counts them.
#[derive(Debug)]
pub(crate) struct Encoder {
    columns: Box<[Column]>,
    codecs: Codecs,
    format: CopyFormat,
    /// The number of the row that was written last, from 1.
    row: u64,
    /// A cell's text before it is escaped.
    scratch: Vec<u8>,
}

/// What binary data begins with: a signature, flags, and the length of no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of binary data.
const TAIL: &[u8] = b"\xff\xff";

impl Encoder {
    pub(crate) fn new(columns: Box<[Column]>, codecs: Codecs, format: CopyFormat) -> Self {
        Self { columns, codecs, format, row: 0, scratch: Vec::new() }
    }

    /// The format in which this row, and those like it, can be sent as they are: binary if every column
    /// has a type whose binary form is known and this row has nothing that only a text can say.
    pub(crate) fn suits(columns: &[Column], codecs: &Codecs, row: &dyn Params) -> CopyFormat {
        let known = columns
            .iter()
            .all(|column| types::takes_binary(column.oid) || codecs.reads(column.oid));
        let mut scratch = Vec::new();
        let mut cells = Binary { left: columns, codecs, out: &mut scratch, inexact: false };
        // What is wrong with the row is told when it is written.
        let _ = row.bind(&mut cells);
        if known && !cells.inexact { CopyFormat::Binary } else { CopyFormat::Text }
    }

    pub(crate) fn format(&self) -> CopyFormat {
        self.format
    }

    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        if self.format == CopyFormat::Binary {
            out.extend_from_slice(HEAD);
        }
    }

    pub(crate) fn tail(&self, out: &mut Vec<u8>) {
        if self.format == CopyFormat::Binary {
            out.extend_from_slice(TAIL);
        }
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// If the row has another number of values than there are columns, or a value has no form that its
    /// column takes; the message says which row and column. Nothing is left in `out` then.
    #[inline]
    pub(crate) fn row(&mut self, row: &(impl Params + ?Sized), out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        self.row += 1;
        let columns = &*self.columns;
        let (bound, left) = if self.format == CopyFormat::Binary {
            out.extend_from_slice(&(columns.len() as u16).to_be_bytes());
            let mut cells = Binary { left: columns, codecs: &self.codecs, out, inexact: false };
            (row.bind(&mut cells), cells.left.len())
        } else {
            let csv = self.format == CopyFormat::Csv;
            let scratch = &mut self.scratch;
            let mut cells = Lines { columns, out, scratch, index: 0, csv };
            let bound = row.bind(&mut cells);
            let left = columns.len() - cells.index;
            out.push(b'\n');
            (bound, left)
        };
        if bound.is_ok() && left == 0 {
            return Ok(());
        }
        out.truncate(start);
        Err(self.refused(bound, columns.len() - left))
    }

    #[cold]
    fn refused(&self, bound: Result<()>, index: usize) -> Error {
        let row = self.row;
        let Err(error) = bound else {
            return Error::new(
                ErrorKind::ArgumentMismatch,
                format!("row {row} has {index} values for {} columns", self.columns.len()),
            );
        };
        let Some(column) = self.columns.get(index) else {
            return Error::new(
                ErrorKind::ArgumentMismatch,
                format!("row {row} has more values than the {} columns", self.columns.len()),
            );
        };
        let message = format!("row {row}, column `{}`: {}", column.name, error.message());
        let placed = Error::new(error.kind(), message).with_column(&*column.name);
        match error.hint() {
            Some(hint) => placed.with_hint(hint.to_owned()),
            None => placed,
        }
        .with_source(error)
    }
}

/// Cells in binary.
struct Binary<'a> {
    /// The columns that have no value yet.
    left: &'a [Column],
    codecs: &'a Codecs,
    out: &'a mut Vec<u8>,
    /// A value has no binary form.
    inexact: bool,
}

impl ParamSink for Binary<'_> {
    /// Part of whoever binds a row: which value it is is known there, and three quarters of this are not
    /// needed.
    #[inline(always)]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let Some((column, left)) = self.left.split_first() else { return Err(too_many()) };
        let usual = column.usual;
        match value {
            ValueRef::Int(v) if usual == Usual::Int8 => self.eight(v.to_be_bytes()),
            ValueRef::Float(v) if usual == Usual::Float8 => self.eight(v.to_be_bytes()),
            ValueRef::Int(v) if usual == Usual::Int4 && i64::from(v as i32) == v => {
                let mut sized = [0, 0, 0, 4, 0, 0, 0, 0];
                sized[4..].copy_from_slice(&(v as i32).to_be_bytes());
                self.out.extend_from_slice(&sized);
            }
            ValueRef::Text(v) if usual == Usual::Text && v.len() <= i32::MAX as usize => {
                self.out.reserve(4 + v.len());
                self.out.extend_from_slice(&(v.len() as i32).to_be_bytes());
                self.out.extend_from_slice(v.as_bytes());
            }
            ValueRef::Null => self.out.extend_from_slice(&(-1i32).to_be_bytes()),
            value => self.other(column, &value)?,
        }
        self.left = left;
        Ok(())
    }
}

impl Binary<'_> {
    #[inline]
    fn eight(&mut self, bytes: [u8; 8]) {
        let mut sized = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        sized[4..].copy_from_slice(&bytes);
        self.out.extend_from_slice(&sized);
    }

    #[inline(never)]
    fn other(&mut self, column: &Column, value: &ValueRef<'_>) -> Result<()> {
        let value = *value;
        let exact = types::put_binary(column.oid, value, self.out)?
            || self.codecs.put_binary(column.oid, value, self.out)?;
        if exact {
            return Ok(());
        }
        self.inexact = true;
        Err(no_binary_form(column.oid, value))
    }
}

/// Cells as text or CSV.
struct Lines<'a> {
    columns: &'a [Column],
    out: &'a mut Vec<u8>,
    scratch: &'a mut Vec<u8>,
    index: usize,
    csv: bool,
}

impl ParamSink for Lines<'_> {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let Some(column) = self.columns.get(self.index) else { return Err(too_many()) };
        if self.index > 0 {
            self.out.push(if self.csv { b',' } else { b'\t' });
        }
        match value {
            ValueRef::Null if self.csv => {}
            ValueRef::Null => self.out.extend_from_slice(b"\\N"),
            ValueRef::Text(text) => self.cell(text.as_bytes())?,
            _ => {
                let mut scratch = std::mem::take(self.scratch);
                scratch.clear();
                let put = types::put_column_text(column.oid, value, &mut scratch);
                let put = put.and_then(|()| self.cell(&scratch));
                *self.scratch = scratch;
                put?;
            }
        }
        self.index += 1;
        Ok(())
    }
}

impl Lines<'_> {
    fn cell(&mut self, text: &[u8]) -> Result<()> {
        if self.csv {
            quoted(text, self.out)
        } else {
            escaped(text, self.out)
        }
        Ok(())
    }
}

/// In quotes, so that it is neither NULL nor the end of the data nor a delimiter.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Without what ends a cell or a line, and without what is an escape itself.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    for (at, byte) in text.iter().enumerate() {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => continue,
        };
        out.extend_from_slice(&text[copied..at]);
        out.extend_from_slice(&[b'\\', letter]);
        copied = at + 1;
    }
    out.extend_from_slice(&text[copied..]);
}

#[cold]
fn too_many() -> Error {
    Error::new(ErrorKind::ArgumentMismatch, "there are more values than columns")
}

#[cold]
fn no_binary_form(oid: Oid, value: ValueRef<'_>) -> Error {
    let name = match types::name(oid) {
        "" => "a type that the driver does not know",
        name => name,
    };
    Error::new(
        ErrorKind::Argument,
        format!("a {} has no binary form for {name}, or is out of its range", value.kind()),
    )
    .with_hint("convert the value, or ask for CopyFormat::Text, which the server reads as it reads literals")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT4: Oid = 23;
    const TEXT: Oid = 25;
    const BYTEA: Oid = 17;

    fn columns(oids: &[Oid]) -> Box<[Column]> {
        oids.iter().map(|oid| Column::new(format!("c{oid}").into(), *oid)).collect()
    }

    fn encode(format: CopyFormat, oids: &[Oid], row: &dyn Params) -> Result<Vec<u8>> {
        let mut out = b"before".to_vec();
        let encoded = Encoder::new(columns(oids), Codecs::default(), format).row(row, &mut out);
        match encoded {
            Ok(()) => Ok(out.split_off(6)),
            Err(error) => {
                assert_eq!(out, b"before", "nothing is left behind");
                Err(error)
            }
        }
    }

    #[test]
    fn each_format_writes_what_the_manual_says() {
        let row = (7, "a\tb\\\"c\n", None::<i32>, [0xffu8, 0x5c].as_slice());
        let types = [INT4, TEXT, INT4, BYTEA];
        assert_eq!(
            encode(CopyFormat::Binary, &types, &row).unwrap(),
            b"\0\x04\0\0\0\x04\0\0\0\x07\0\0\0\x07a\tb\\\"c\n\xff\xff\xff\xff\0\0\0\x02\xff\\"
        );
        assert_eq!(
            encode(CopyFormat::Text, &types, &row).unwrap(),
            b"7\ta\\tb\\\\\"c\\n\t\\N\t\\\\xff5c\n"
        );
        assert_eq!(
            encode(CopyFormat::Csv, &types, &row).unwrap(),
            b"\"7\",\"a\tb\\\"\"c\n\",,\"\\xff5c\"\n"
        );
        // The end of the data, NULL and nothing at all are only texts.
        assert_eq!(encode(CopyFormat::Text, &[TEXT], &("\\.",)).unwrap(), b"\\\\.\n");
        assert_eq!(encode(CopyFormat::Text, &[TEXT], &("\\N",)).unwrap(), b"\\\\N\n");
        assert_eq!(encode(CopyFormat::Csv, &[TEXT], &("\\.",)).unwrap(), b"\"\\.\"\n");
        assert_eq!(encode(CopyFormat::Csv, &[TEXT], &("",)).unwrap(), b"\"\"\n");
    }

    #[test]
    fn a_row_that_does_not_fit_is_named_and_leaves_nothing() {
        for format in [CopyFormat::Binary, CopyFormat::Text, CopyFormat::Csv] {
            let short = encode(format, &[INT4, TEXT], &(1,)).unwrap_err();
            assert_eq!(short.message(), "row 1 has 1 values for 2 columns");
            let long = encode(format, &[INT4], &(1, 2)).unwrap_err();
            assert_eq!(long.message(), "row 1 has more values than the 1 columns");
            let bytes = encode(format, &[INT4, TEXT], &(1, [1u8].as_slice())).unwrap_err();
            assert!(bytes.message().starts_with("row 1, column `c25`: "), "{bytes}");
            assert_eq!(bytes.column(), Some("c25"));
        }
        let text = encode(CopyFormat::Binary, &[INT4], &("7",)).unwrap_err();
        assert_eq!(
            text.message(),
            "row 1, column `c23`: a text has no binary form for INT4, or is out of its range"
        );
    }

    #[test]
    fn binary_is_chosen_where_nothing_needs_the_servers_reading() {
        let suits = |oids: &[Oid], row: &dyn Params| {
            Encoder::suits(&columns(oids), &Codecs::default(), row)
        };
        assert_eq!(suits(&[INT4, TEXT], &(1, "a")), CopyFormat::Binary);
        assert_eq!(suits(&[INT4, TEXT], &(None::<i32>, "a")), CopyFormat::Binary);
        assert_eq!(suits(&[INT4, TEXT], &("1", "a")), CopyFormat::Text);
        assert_eq!(suits(&[INT4, 70_000], &(1, "sad")), CopyFormat::Text);
    }
}
