//! The floor of COPY: rows into one buffer that is written and used again, and rows out of the one that is read.

use super::floor::{Async, no_rows};
use super::wire::{self, Read};
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::copy::{Arrival, Arrivals, COPY_IN, EMPTY, copy_out};
use crate::workload::postgres::scanned;
use crate::workload::sqlite::{Scan, Station};

/// What is gathered before it is written, as in our driver.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
/// What binary data begins with.
pub(super) const HEAD: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const TAIL: &[u8; 2] = b"\xff\xff";

/// Appends a row.
#[inline]
pub(super) fn encode(row: Arrival<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\0\x04\0\0\0\x08");
    out.extend_from_slice(&row.id.to_be_bytes());
    for text in [row.code, row.river] {
        out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    match row.level_m {
        None => out.extend_from_slice(b"\xff\xff\xff\xff"),
        Some(level) => {
            out.extend_from_slice(b"\0\0\0\x08");
            out.extend_from_slice(&level.to_be_bytes());
        }
    }
}

struct Load {
    socket: Async,
    arrivals: Arrivals,
}

impl Load {
    /// Writes the message of data that was gathered, and begins another one.
    async fn write(&mut self) -> Result<()> {
        let out = &mut self.socket.wire.out;
        let len = (out.len() - 1) as u32;
        out[1..5].copy_from_slice(&len.to_be_bytes());
        self.socket.stream.write_all(out).await?;
        out.truncate(5);
        Ok(())
    }
}

impl Client for Load {
    async fn prepare(&mut self) -> Result<()> {
        self.socket.wire.query(EMPTY);
        self.socket.exchange(no_rows).await
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        self.socket.wire.query(COPY_IN);
        self.socket.until(b'G').await?;
        self.socket.wire.out.extend_from_slice(b"d\0\0\0\0");
        self.socket.wire.out.extend_from_slice(HEAD);
        for number in request.first..request.first + request.count {
            encode(self.arrivals.row(number), &mut self.socket.wire.out);
            if self.socket.wire.out.len() >= CHUNK_BYTES {
                self.write().await?;
            }
        }
        self.socket.wire.out.extend_from_slice(TAIL);
        self.write().await?;
        self.socket.wire.out.clear();
        self.socket.wire.out.extend_from_slice(b"c\0\0\0\x04");
        self.socket.exchange(no_rows).await?;
        let loaded = self.socket.wire.affected;
        ensure(loaded == request.count, "another number of rows was taken than was sent")
    }
}

pub fn load(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, "SELECT 1")?;
    let load = Load { socket, arrivals: Arrivals::new() };
    Ok(Box::new(Sequential::new(runtime, load, scanned(setting))))
}

struct Unload(Async);

impl Client for Unload {
    async fn call(&mut self, request: Request) -> Result<()> {
        let Async { wire, stream } = &mut self.0;
        wire.query(&copy_out(request.count));
        stream.write_all(&wire.out).await?;
        wire.out.clear();
        let mut scan = Scan::default();
        let mut begun = false;
        // The server sends a message a row, the head before the first one and the tail alone.
        let mut data = |mut body: &[u8]| {
            if !begun {
                begun = true;
                body = body.strip_prefix(HEAD).ok_or_else(|| Failure::new("no head"))?;
            }
            if body == TAIL {
                return Ok(());
            }
            let station: Station = wire::station(body)?;
            station.check(scan.next())
        };
        loop {
            let len = stream.read(wire.room()).await?;
            if let Read::Ready = wire.filled_with(len, b'd', &mut data)? {
                break;
            }
        }
        scan.done(request)
    }
}

pub fn unload(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, "SELECT 1")?;
    Ok(Box::new(Sequential::new(runtime, Unload(socket), scanned(setting))))
}
