//! The protocol by hand, as far as the workloads need it: what no driver can do with less.
//!
//! No types but the tables', no errors but "the server refused", no statement cache, no cancellation. Columns are
//! described once, when a statement is prepared (`MARIADB_CLIENT_CACHE_METADATA`). Bytes only: `floor` has the sockets.

use sha1::{Digest, Sha1};

use crate::failure::{Failure, Result, ensure};
use crate::workload::mysql::Row;
use crate::workload::sqlite::Station;

const ROOM: usize = 128 * 1024;
const HEADER: usize = 4;

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;

const BIGINT: u8 = 8;
const DOUBLE: u8 = 5;
const VAR_STRING: u8 = 253;

/// `CONNECT_WITH_DB`, `PROTOCOL_41`, `TRANSACTIONS`, `SECURE_CONNECTION`, `PLUGIN_AUTH`, `DEPRECATE_EOF`.
const CAPABILITIES: u32 = 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19 | 1 << 24;
/// `MARIADB_CLIENT_CACHE_METADATA`.
const MARIADB_CAPABILITIES: u32 = 1 << 4;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;

/// What comes next.
#[derive(Clone, Copy)]
enum Stage {
    /// The first packet of an answer.
    Head,
    /// So many descriptions; then rows, or nothing.
    Skip {
        left: u16,
        rows: bool,
    },
    Rows,
}

/// What is to be written, and what was read and not understood yet.
pub(super) struct Wire {
    pub(super) out: Vec<u8>,
    /// How many rows the last command changed.
    pub(super) affected: u64,
    statement: u32,
    preparing: bool,
    stage: Stage,
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
        Self {
            out: Vec::new(),
            affected: 0,
            statement: 0,
            preparing: false,
            stage: Stage::Head,
            buffer: vec![0; ROOM].into(),
            start: 0,
            end: 0,
        }
    }

    fn packet(&mut self, sequence: u8, payload: impl FnOnce(&mut Vec<u8>)) {
        let at = self.out.len();
        self.out.extend_from_slice(&[0, 0, 0, sequence]);
        payload(&mut self.out);
        let len = (self.out.len() - at - HEADER) as u32;
        self.out[at..at + 3].copy_from_slice(&len.to_le_bytes()[..3]);
    }

    /// The answer to a greeting, which is forgotten.
    pub(super) fn log_in(&mut self, user: &str, password: &str, database: &str) -> Result<()> {
        let (body, end) = self.whole().ok_or_else(|| Failure::new("there is no greeting"))?;
        let proof = proof(password, &nonce(&self.buffer[body..end])?);
        self.start = end;
        self.packet(1, |out| {
            out.extend_from_slice(&CAPABILITIES.to_le_bytes());
            out.extend_from_slice(&(1_u32 << 30).to_le_bytes());
            out.push(COLLATION);
            out.extend_from_slice(&[0; 19]);
            out.extend_from_slice(&MARIADB_CAPABILITIES.to_le_bytes());
            out.extend_from_slice(user.as_bytes());
            out.extend_from_slice(&[0, proof.len() as u8]);
            out.extend_from_slice(&proof);
            out.extend_from_slice(database.as_bytes());
            out.extend_from_slice(b"\0mysql_native_password\0");
        });
        Ok(())
    }

    /// A text.
    pub(super) fn query(&mut self, sql: &str) {
        self.packet(0, |out| {
            out.push(COM_QUERY);
            out.extend_from_slice(sql.as_bytes());
        });
    }

    pub(super) fn quit(&mut self) {
        self.packet(0, |out| out.push(COM_QUIT));
    }

    pub(super) fn prepare(&mut self, sql: &str) {
        self.preparing = true;
        self.packet(0, |out| {
            out.push(COM_STMT_PREPARE);
            out.extend_from_slice(sql.as_bytes());
        });
    }

    fn begin_execute(out: &mut Vec<u8>, statement: u32) {
        out.push(COM_STMT_EXECUTE);
        out.extend_from_slice(&statement.to_le_bytes());
        // No cursor; once.
        out.extend_from_slice(&[0, 1, 0, 0, 0]);
    }

    /// Runs the prepared statement with one BIGINT.
    #[inline]
    pub(super) fn execute(&mut self, argument: i64) {
        let statement = self.statement;
        self.packet(0, |out| {
            Self::begin_execute(out, statement);
            // Not NULL; the types follow; signed.
            out.extend_from_slice(&[0, 1, BIGINT, 0]);
            out.extend_from_slice(&argument.to_le_bytes());
        });
    }

    /// Runs the prepared statement with the values of some rows.
    #[inline]
    pub(super) fn execute_rows(&mut self, count: usize, rows: impl Iterator<Item = Row>) {
        let statement = self.statement;
        self.packet(0, |out| {
            Self::begin_execute(out, statement);
            out.resize(out.len() + (4 * count).div_ceil(8), 0);
            out.push(1);
            for _ in 0..count {
                out.extend_from_slice(&[BIGINT, 0, BIGINT, 0, VAR_STRING, 0, DOUBLE, 0]);
            }
            for (id, station, code, level) in rows {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&station.to_le_bytes());
                out.push(code.len() as u8);
                out.extend_from_slice(code.as_bytes());
                out.extend_from_slice(&level.to_le_bytes());
            }
        });
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

    /// The next packet's payload, if all of it is there.
    #[inline]
    fn whole(&self) -> Option<(usize, usize)> {
        let head = self.buffer[self.start..self.end].first_chunk::<HEADER>()?;
        let [a, b, c, _] = *head;
        let body = self.start + HEADER;
        let end = body + u32::from_le_bytes([a, b, c, 0]) as usize;
        (end <= self.end).then_some((body, end))
    }

    /// Takes bytes of a greeting; whether it is whole.
    pub(super) fn greeted(&mut self, len: usize) -> Result<bool> {
        ensure(len > 0, "the server closed the connection")?;
        self.end += len;
        Ok(self.whole().is_some())
    }

    /// Takes bytes that were read, as far as they are whole packets; each row goes to `take`.
    #[inline]
    pub(super) fn filled(
        &mut self,
        len: usize,
        take: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Read> {
        ensure(len > 0, "the server closed the connection")?;
        self.end += len;
        while let Some((body, end)) = self.whole() {
            let packet = &self.buffer[body..end];
            self.start = end;
            match (self.stage, packet.first().copied().ok_or_else(malformed)?) {
                (Stage::Rows, 0xfe) => {
                    self.stage = Stage::Head;
                    return Ok(Read::Ready);
                }
                (Stage::Head | Stage::Rows, 0xff) => return Err(refused(packet)),
                (Stage::Rows, _) => take(packet)?,
                (Stage::Head, 0) if self.preparing => {
                    let [_, a, b, c, d, e, f, g, h] =
                        *packet.first_chunk().ok_or_else(malformed)?;
                    self.statement = u32::from_le_bytes([a, b, c, d]);
                    self.preparing = false;
                    let left = u16::from_le_bytes([e, f]) + u16::from_le_bytes([g, h]);
                    self.stage = Stage::Skip { left, rows: false };
                }
                (Stage::Head, 0) => {
                    self.affected = affected(packet);
                    return Ok(Read::Ready);
                }
                (Stage::Head, columns) => {
                    self.stage = match packet.get(1) {
                        Some(0) => Stage::Rows,
                        _ => Stage::Skip { left: columns.into(), rows: true },
                    };
                }
                (Stage::Skip { left, rows }, _) if left > 1 => {
                    self.stage = Stage::Skip { left: left - 1, rows };
                }
                (Stage::Skip { rows: true, .. }, _) => self.stage = Stage::Rows,
                (Stage::Skip { .. }, _) => {
                    self.stage = Stage::Head;
                    return Ok(Read::Ready);
                }
            }
        }
        Ok(Read::More)
    }
}

#[cold]
fn refused(packet: &[u8]) -> Failure {
    Failure::new(format!("the server refused: {}", String::from_utf8_lossy(packet)))
}

#[cold]
fn malformed() -> Failure {
    Failure::new("an answer has another form than was expected")
}

/// The first number of an OK, up to 65 535.
fn affected(packet: &[u8]) -> u64 {
    match *packet {
        [_, 0xfc, low, high, ..] => u16::from_le_bytes([low, high]).into(),
        [_, count, ..] => count.into(),
        _ => 0,
    }
}

/// The twenty bytes of a greeting that a password is proved with.
fn nonce(greeting: &[u8]) -> Result<[u8; 20]> {
    let version = greeting.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    // Behind the version: the session's number, eight bytes of it, and 19 bytes further the rest.
    let first = version + 1 + 4;
    let rest = first + 8 + 19;
    let mut nonce = [0; 20];
    nonce[..8].copy_from_slice(greeting.get(first..first + 8).ok_or_else(malformed)?);
    nonce[8..].copy_from_slice(greeting.get(rest..rest + 12).ok_or_else(malformed)?);
    Ok(nonce)
}

/// `mysql_native_password`.
fn proof(password: &str, nonce: &[u8; 20]) -> [u8; 20] {
    let once: [u8; 20] = Sha1::digest(password).into();
    let twice: [u8; 20] = Sha1::digest(once).into();
    let mut mask = Sha1::new();
    mask.update(nonce);
    mask.update(twice);
    let mask: [u8; 20] = mask.finalize().into();
    std::array::from_fn(|at| once[at] ^ mask[at])
}

/// A row of the binary protocol.
#[inline]
pub(super) fn station(row: &[u8]) -> Result<Station> {
    let (&[_, nulls], rest) = row.split_first_chunk().ok_or_else(malformed)?;
    let (id, mut rest) = rest.split_first_chunk().ok_or_else(malformed)?;
    let code = text(&mut rest)?;
    let river = text(&mut rest)?;
    // The fourth column's bit: the first is the third.
    let level_m = match nulls & (1 << 5) {
        0 => Some(f64::from_le_bytes(*rest.first_chunk().ok_or_else(malformed)?)),
        _ => None,
    };
    Ok(Station { id: i64::from_le_bytes(*id), code, river, level_m })
}

#[inline]
fn text(rest: &mut &[u8]) -> Result<String> {
    let (len, after) = rest.split_first().ok_or_else(malformed)?;
    ensure(*len < 251, "a text of the table is longer than all of them")?;
    let (cell, after) = after.split_at_checked((*len).into()).ok_or_else(malformed)?;
    *rest = after;
    Ok(std::str::from_utf8(cell)?.to_owned())
}
