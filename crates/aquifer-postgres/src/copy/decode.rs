//! The formats of COPY into rows.

use std::sync::Arc;

use aquifer_driver::{Columns, Error, ErrorKind, Result, RowBatch};

use super::CopyFormat;
use crate::protocol::frame;
use crate::statement::Shape;
use crate::types::Transcode;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Cells that were rewritten are handed over when they pass this many bytes: ten bytes of a NUMERIC can stand
/// for 131 072 digits.
const SCRATCH_BYTES: usize = 1 << 20;

/// Signature, flags, length of the extension.
const HEAD_BYTES: usize = SIGNATURE.len() + 8;

/// Turns data into rows, wherever it is cut. Text and binary; CSV is for other programs.
#[derive(Debug)]
pub(crate) struct Decoder {
    shape: Arc<Shape>,
    binary: bool,
    /// What came after the last whole row.
    rest: Vec<u8>,
    /// Cells that had to be rewritten, until they are appended to their batch.
    scratch: Vec<u8>,
    /// One cell without its escapes.
    plain: Vec<u8>,
    begun: bool,
    /// Bytes of the head's extension that are still to be passed over.
    extension: usize,
    ended: bool,
    /// There may be whole rows in `rest`.
    more: bool,
    /// How many rows there were.
    rows: u64,
}

impl Decoder {
    pub(crate) fn new(shape: Arc<Shape>, format: CopyFormat) -> Self {
        Self {
            shape,
            binary: format == CopyFormat::Binary,
            rest: Vec::new(),
            scratch: Vec::new(),
            plain: Vec::new(),
            begun: false,
            extension: 0,
            ended: false,
            more: false,
            rows: 0,
        }
    }

    pub(crate) fn columns(&self) -> &Arc<Columns> {
        &self.shape.columns
    }

    /// True if there may be rows without more data: then [`feed`](Self::feed) wants none.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Fills the batch with the rows that are whole with this data; there may be none.
    ///
    /// # Errors
    ///
    /// If the data is not of the format; the message says in which row. The batch is empty then, and there is
    /// nothing more to be read.
    pub(crate) fn feed(&mut self, data: &[u8], batch: &mut RowBatch) -> Result<()> {
        batch.set_columns(&self.shape.columns);
        batch.clear();
        let bytes = batch.bytes_mut();
        bytes.append(&mut self.rest);
        bytes.extend_from_slice(data);
        self.scratch.clear();
        self.more = false;
        let read = if self.binary { self.binary(batch) } else { self.text(batch) };
        let taken = read.inspect_err(|_| batch.clear())?;
        let bytes = batch.bytes_mut();
        self.rest.extend_from_slice(&bytes[taken..]);
        bytes.append(&mut self.scratch);
        self.scratch.shrink_to(2 * SCRATCH_BYTES);
        self.rows += batch.len() as u64;
        if self.rest.len() > frame::LARGE_MAX {
            batch.clear();
            return Err(malformed(self.rows));
        }
        Ok(())
    }

    /// The data is over.
    ///
    /// # Errors
    ///
    /// If it ended within a row.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() && self.extension == 0 && (self.ended || !self.binary) {
            return Ok(());
        }
        Err(malformed(self.rows))
    }

    /// The place up to which rows were whole.
    fn binary(&mut self, batch: &mut RowBatch) -> Result<usize> {
        let width = self.shape.cells.len();
        let (bytes, mut slots) = batch.locate();
        let mut row = self.rows;
        let mut at = 0;
        if !self.begun {
            let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Ok(0) };
            let [.., a, b, c, d] = *head;
            let extension = u32::from_be_bytes([a, b, c, d]) as usize;
            // Flags from bit 16 on change how the data is to be read, and none is known.
            if !head.starts_with(SIGNATURE) || head[11..13] != [0, 0] {
                return Err(malformed(row));
            }
            at = HEAD_BYTES;
            self.extension = extension;
            self.begun = true;
        }
        // Passed over as it comes, however long it says that it is.
        let passed = self.extension.min(bytes.len() - at);
        self.extension -= passed;
        at += passed;
        while let Some(count) = word::<2>(bytes, at).map(i16::from_be_bytes) {
            if self.ended {
                return Err(malformed(row));
            }
            if count == -1 {
                self.ended = true;
                at += 2;
                continue;
            }
            if usize::try_from(count) != Ok(width) {
                return Err(malformed(row));
            }
            let Some(end) = row_end(bytes, at + 2, width).ok_or_else(|| malformed(row))? else {
                break;
            };
            let mut cell = at + 2;
            for shape in &self.shape.cells {
                let len = word::<4>(bytes, cell).map_or(-1, i32::from_be_bytes);
                cell += 4;
                let Ok(len) = usize::try_from(len) else {
                    slots.push_null();
                    continue;
                };
                let value = cell..cell + len;
                cell += len;
                match shape.transcode {
                    None => {
                        let skip = usize::from(shape.skip).min(len);
                        slots.push((value.start + skip) as u32, (len - skip) as u32);
                    }
                    Some(transcode) => {
                        let from = self.scratch.len();
                        let value = value.start + usize::from(shape.skip).min(len)..value.end;
                        read(transcode, &self.shape, &bytes[value], &mut self.scratch)
                            .map_err(|error| in_row(row, error))?;
                        let place = place(bytes.len() + from, row)?;
                        slots.push(place, (self.scratch.len() - from) as u32);
                    }
                }
            }
            slots.end_row(width);
            row += 1;
            at = end;
            if self.scratch.len() >= SCRATCH_BYTES {
                self.more = true;
                break;
            }
        }
        Ok(at)
    }

    /// The place up to which lines were whole.
    fn text(&mut self, batch: &mut RowBatch) -> Result<usize> {
        let width = self.shape.cells.len();
        let (bytes, mut slots) = batch.locate();
        let mut row = self.rows;
        let mut at = 0;
        while let Some(len) = memchr::memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..at + len];
            let mut cell = 0;
            for (index, shape) in self.shape.cells.iter().enumerate() {
                if cell > line.len() {
                    return Err(malformed(row));
                }
                let rest = &line[cell..];
                let len = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
                let value = &rest[..len];
                let start = at + cell;
                cell += len + 1;
                if index + 1 == width && cell <= line.len() {
                    return Err(malformed(row));
                }
                if value == b"\\N" {
                    slots.push_null();
                    continue;
                }
                let escaped = memchr::memchr(b'\\', value).is_some();
                if !escaped && shape.transcode.is_none() {
                    slots.push(start as u32, len as u32);
                    continue;
                }
                let plain = if escaped {
                    self.plain.clear();
                    unescape(value, &mut self.plain).ok_or_else(|| malformed(row))?;
                    self.plain.as_slice()
                } else {
                    value
                };
                let from = self.scratch.len();
                match shape.transcode {
                    None => self.scratch.extend_from_slice(plain),
                    Some(transcode) => read(transcode, &self.shape, plain, &mut self.scratch)
                        .map_err(|error| in_row(row, error))?,
                }
                let place = place(bytes.len() + from, row)?;
                slots.push(place, (self.scratch.len() - from) as u32);
            }
            if width == 0 && !line.is_empty() {
                return Err(malformed(row));
            }
            slots.end_row(width);
            row += 1;
            at += len + 1;
            if self.scratch.len() >= SCRATCH_BYTES {
                self.more = true;
                break;
            }
        }
        Ok(at)
    }
}

fn read(transcode: Transcode, shape: &Shape, cell: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match transcode {
        Transcode::User(user) => shape.codecs.read(user, cell, out),
        transcode => transcode.run(cell, out),
    }
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Where the row ends whose cells begin at `at`: `None` inside if that is beyond the data, `None` outside if
/// no row looks like this.
fn row_end(bytes: &[u8], mut at: usize, width: usize) -> Option<Option<usize>> {
    let end_max = at + frame::LARGE_MAX;
    for _ in 0..width {
        let Some(len) = word::<4>(bytes, at).map(i32::from_be_bytes) else { return Some(None) };
        at += 4;
        match usize::try_from(len) {
            Ok(len) if at + len <= end_max => at += len,
            Err(_) if len == -1 => {}
            _ => return None,
        }
    }
    Some((at <= bytes.len()).then_some(at))
}

/// What the backslashes of the text format stand for.
fn unescape(mut cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some(at) = memchr::memchr(b'\\', cell) {
        out.extend_from_slice(&cell[..at]);
        out.push(match cell.get(at + 1)? {
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            other => *other,
        });
        cell = &cell[at + 2..];
    }
    out.extend_from_slice(cell);
    Some(())
}

/// Where a cell begins that is behind the data.
fn place(at: usize, row: u64) -> Result<u32> {
    u32::try_from(at).map_err(|_| {
        Error::new(ErrorKind::Resources, format!("row {} of a COPY would pass 4 GiB", row + 1))
    })
}

/// The messages around the data were right, so the session goes on: the table may have changed since its
/// columns were asked for.
#[cold]
fn malformed(row: u64) -> Error {
    Error::new(
        ErrorKind::Conversion,
        format!("the data of a COPY is not of its format in row {}", row + 1),
    )
}

#[cold]
fn in_row(row: u64, error: Error) -> Error {
    Error::new(error.kind(), format!("row {} of a COPY: {}", row + 1, error.message()))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::backend::Field;
    use crate::types::Codecs;
    use aquifer_driver::Value;

    fn decoder(format: CopyFormat) -> Decoder {
        let field = |name: &str, oid| Field {
            name: name.into(),
            table: 0,
            oid,
            modifier: -1,
            format: u16::from(format == CopyFormat::Binary),
        };
        // int4, text, numeric, jsonb: in place, in place, rewritten, without its first byte.
        let fields = [field("a", 23), field("b", 25), field("c", 1700), field("d", 3802)];
        Decoder::new(Arc::new(Shape::as_described(&fields, &Codecs::default())), format)
    }

    fn take(batch: &RowBatch, rows: &mut Vec<Vec<Value>>) {
        rows.extend(
            batch.rows().map(|row| (0..row.len()).map(|n| row.get(n).unwrap()).collect::<Vec<_>>()),
        );
    }

    const BINARY: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02xy\
        \0\x04\0\0\0\x04\0\0\0\x07\0\0\0\x02ab\0\0\0\x0a\0\x01\0\0\0\0\0\0\0\x05\0\0\0\x02\x011\
        \0\x04\0\0\0\x04\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
        \xff\xff";
    const TEXT: &[u8] = b"7\tab\t5\t1\n8\t\\N\t\\N\t\\N\n";

    fn expected() -> Vec<Vec<Value>> {
        vec![
            vec![7.into(), "ab".into(), Value::Decimal("5".into()), Value::Json("1".into())],
            vec![8.into(), Value::Null, Value::Null, Value::Null],
        ]
    }

    #[test]
    fn rows_are_the_same_wherever_the_data_is_cut() {
        for (format, data) in [(CopyFormat::Binary, BINARY), (CopyFormat::Text, TEXT)] {
            for at in 0..=data.len() {
                let (mut decoder, mut batch) = (decoder(format), RowBatch::new());
                let mut rows = Vec::new();
                for part in [&data[..at], &data[at..]] {
                    decoder.feed(part, &mut batch).unwrap();
                    take(&batch, &mut rows);
                }
                decoder.end().unwrap();
                assert_eq!(rows, expected(), "cut at {at}");
            }
        }
    }

    #[test]
    fn an_extension_of_the_head_is_passed_over_and_never_kept() {
        let (mut decoder, mut batch) = (decoder(CopyFormat::Binary), RowBatch::new());
        let mut head = BINARY[..HEAD_BYTES].to_vec();
        head[HEAD_BYTES - 4..].copy_from_slice(&u32::MAX.to_be_bytes());
        decoder.feed(&head, &mut batch).unwrap();
        for _ in 0..100 {
            decoder.feed(&[7; 64 * 1024], &mut batch).unwrap();
            assert!(decoder.rest.is_empty() && batch.is_empty());
        }
        assert_eq!(decoder.end().unwrap_err().kind(), ErrorKind::Conversion);
    }

    #[test]
    fn cells_that_grow_are_handed_over_in_portions() {
        // 1e131068 in ten bytes: one digit of 10 000, and its weight.
        const LARGE: &[u8] = b"\0\x01\x7f\xff\0\0\0\0\0\x01";
        let mut data = BINARY[..HEAD_BYTES - 1].to_vec();
        data.push(0);
        for _ in 0..100 {
            data.extend_from_slice(b"\0\x04\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\0\0\x0a");
            data.extend_from_slice(LARGE);
            data.extend_from_slice(b"\xff\xff\xff\xff");
        }
        data.extend_from_slice(b"\xff\xff");
        let (mut decoder, mut batch) = (decoder(CopyFormat::Binary), RowBatch::new());
        let mut rows = 0;
        decoder.feed(&data, &mut batch).unwrap();
        loop {
            assert!(batch.bytes_mut().len() < data.len() + 2 * SCRATCH_BYTES);
            rows += batch.len();
            if !decoder.has_more() {
                break;
            }
            decoder.feed(&[], &mut batch).unwrap();
        }
        decoder.end().unwrap();
        assert_eq!(rows, 100);
    }

    #[test]
    fn data_that_ends_early_is_not_taken_for_all() {
        for (format, data) in [(CopyFormat::Binary, BINARY), (CopyFormat::Text, TEXT)] {
            let (mut decoder, mut batch) = (decoder(format), RowBatch::new());
            decoder.feed(&data[..data.len() - 1], &mut batch).unwrap();
            assert_eq!(decoder.end().unwrap_err().kind(), ErrorKind::Conversion);
        }
    }

    #[test]
    fn damaged_data_is_an_error_that_names_the_row() {
        let mut wrong_count = BINARY.to_vec();
        wrong_count[22] = 3;
        let mut wrong_length = BINARY.to_vec();
        wrong_length[23] = 0x80;
        let mut after_end = BINARY.to_vec();
        after_end.extend_from_slice(b"\0\x04");
        for (format, data, row) in [
            (CopyFormat::Binary, wrong_count, 1),
            (CopyFormat::Binary, wrong_length, 1),
            (CopyFormat::Binary, after_end, 3),
            (CopyFormat::Binary, b"GIF89a-----------------".to_vec(), 1),
            (CopyFormat::Text, b"7\tab\t5\n".to_vec(), 1),
            (CopyFormat::Text, b"7\tab\t5\t1\t2\n".to_vec(), 1),
            (CopyFormat::Text, b"7\tab\t5\t1\n7\ta\\\t5\t1\n".to_vec(), 2),
            (CopyFormat::Text, b"seven\tab\t5\t1\n".to_vec(), 1),
        ] {
            let error = decoder(format).feed(&data, &mut RowBatch::new()).unwrap_err();
            assert!(error.message().contains(&format!("row {row}")), "{error}");
        }
    }

    #[test]
    fn escapes_of_the_text_format_are_undone() {
        let mut out = Vec::new();
        unescape(b"a\\tb\\nc\\\\d\\r\\b\\f\\v\\x", &mut out).unwrap();
        assert_eq!(out, b"a\tb\nc\\d\r\x08\x0c\x0bx");
        assert!(unescape(b"a\\", &mut out).is_none());
    }
}
