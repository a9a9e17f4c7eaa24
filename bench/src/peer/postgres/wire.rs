//! The protocol by hand, as far as the workloads need it: what no driver can do with less.
//!
//! No types but the table's, no errors but "the server refused", no statement cache, no cancellation. Bytes
//! only: `floor` has the sockets.

use crate::failure::{Failure, Result, ensure};
use crate::workload::sqlite::Station;

const ROOM: usize = 128 * 1024;

/// What is to be written, and what was read and not understood yet.
pub(super) struct Wire {
    pub(super) out: Vec<u8>,
    /// How many rows the last command took, as its end said.
    pub(super) affected: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What the bytes read so far were.
pub(super) enum Read {
    More,
    Ready,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { out: Vec::new(), affected: 0, buffer: vec![0; ROOM].into(), start: 0, end: 0 }
    }

    fn message(&mut self, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
        if tag != 0 {
            self.out.push(tag);
        }
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        body(&mut self.out);
        let len = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }

    pub(super) fn startup(&mut self, user: &str, database: &str) {
        self.message(0, |out| {
            out.extend_from_slice(&196_608_u32.to_be_bytes());
            for text in ["user", user, "database", database, ""] {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
        });
    }

    /// A simple query.
    pub(super) fn query(&mut self, sql: &str) {
        self.message(b'Q', |out| {
            out.extend_from_slice(sql.as_bytes());
            out.push(0);
        });
    }

    /// SASLInitialResponse.
    pub(super) fn sasl_initial(&mut self, first: &str) {
        self.message(b'p', |out| {
            out.extend_from_slice(b"SCRAM-SHA-256\0");
            out.extend_from_slice(&(first.len() as u32).to_be_bytes());
            out.extend_from_slice(first.as_bytes());
        });
    }

    /// SASLResponse.
    pub(super) fn sasl_response(&mut self, last: &str) {
        self.message(b'p', |out| out.extend_from_slice(last.as_bytes()));
    }

    /// Prepares `sql`, with one parameter of type bigint.
    pub(super) fn prepare(&mut self, sql: &str) {
        self.message(b'P', |out| {
            out.extend_from_slice(b"s\0");
            out.extend_from_slice(sql.as_bytes());
            out.extend_from_slice(b"\0\0\x01\0\0\0\x14");
        });
        self.sync();
    }

    /// Runs it.
    #[inline]
    pub(super) fn execute(&mut self, argument: i64) {
        // Bind: unnamed portal, statement `s`, one binary argument, binary results. Execute: all rows.
        self.out.extend_from_slice(b"B\0\0\0\x1d\0s\0\0\x01\0\x01\0\x01\0\0\0\x08");
        self.out.extend_from_slice(&argument.to_be_bytes());
        self.out.extend_from_slice(b"\0\x01\0\x01E\0\0\0\x09\0\0\0\0\0");
    }

    #[inline]
    pub(super) fn sync(&mut self) {
        self.out.extend_from_slice(b"S\0\0\0\x04");
    }

    /// Where bytes go that are read.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.buffer[self.end..]
    }

    /// Takes bytes that were read, as far as they are whole messages.
    #[inline]
    pub(super) fn filled(
        &mut self,
        len: usize,
        row: &mut impl FnMut(Station) -> Result<()>,
    ) -> Result<Read> {
        self.filled_with(len, b'D', &mut |body: &[u8]| row(station(body)?))
    }

    /// The same, with each message of one kind given to `take`.
    #[inline]
    pub(super) fn filled_with(
        &mut self,
        len: usize,
        kind: u8,
        take: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Read> {
        ensure(len > 0, "the server closed the connection")?;
        self.end += len;
        while let Some((head, _)) = self.buffer[self.start..self.end].split_first_chunk::<5>() {
            let [tag, a, b, c, d] = *head;
            let end = self.start + 1 + u32::from_be_bytes([a, b, c, d]) as usize;
            if end > self.end {
                break;
            }
            let body = &self.buffer[self.start + 5..end];
            self.start = end;
            match tag {
                _ if tag == kind => take(body)?,
                b'Z' => return Ok(Read::Ready),
                b'C' => self.affected = affected(body),
                b'E' => return Err(refused(body)),
                _ => {}
            }
        }
        Ok(Read::More)
    }
}

#[cold]
fn refused(body: &[u8]) -> Failure {
    Failure::new(format!("the server refused: {}", String::from_utf8_lossy(body)))
}

#[cold]
fn malformed() -> Failure {
    Failure::new("a row has another form than the table")
}

/// `COPY 1000`, and a zero.
fn affected(body: &[u8]) -> u64 {
    let text = std::str::from_utf8(body).unwrap_or_default().trim_end_matches('\0');
    text.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[inline]
pub(super) fn station(body: &[u8]) -> Result<Station> {
    let mut rest = body.strip_prefix(b"\0\x04").ok_or_else(malformed)?;
    let id = i64::from_be_bytes(fixed(cell(&mut rest)?)?);
    let code = text(cell(&mut rest)?)?;
    let river = text(cell(&mut rest)?)?;
    let level_m = match cell(&mut rest)? {
        None => None,
        level => Some(f64::from_be_bytes(fixed(level)?)),
    };
    Ok(Station { id, code, river, level_m })
}

#[inline]
fn cell<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
    let (len, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
        *rest = after;
        return Ok(None);
    };
    let (cell, after) = after.split_at_checked(len).ok_or_else(malformed)?;
    *rest = after;
    Ok(Some(cell))
}

#[inline]
fn fixed(cell: Option<&[u8]>) -> Result<[u8; 8]> {
    cell.and_then(|cell| cell.try_into().ok()).ok_or_else(malformed)
}

#[inline]
fn text(cell: Option<&[u8]>) -> Result<String> {
    Ok(std::str::from_utf8(cell.ok_or_else(malformed)?)?.to_owned())
}
