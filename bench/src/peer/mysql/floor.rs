//! The floor: sockets and the protocol by hand, into the same structs, checked in the same way.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::wire::{Read, Wire, station};
use crate::drive::{Blocking, Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::mysql::{POINT, SCAN, scanned};
use crate::workload::sqlite::{Scan, key};

/// The testkit's account, its password and its database.
pub(super) const ACCOUNT: &str = "aquifer";

pub(super) fn address(setting: &Setting) -> Result<SocketAddr> {
    let url = url(setting)?;
    let host = url.split('@').nth(1).and_then(|rest| rest.split('/').next());
    Ok(host.ok_or_else(|| Failure::new("the URL has no host"))?.parse()?)
}

/// Nothing but an end is expected.
pub(super) fn no_rows(_: &[u8]) -> Result<()> {
    Err(Failure::new("a row that nobody asked for"))
}

pub(super) struct Async {
    pub(super) wire: Wire,
    pub(super) stream: TcpStream,
}

impl Async {
    /// Connects and logs in.
    pub(super) async fn connect(address: SocketAddr, wire: Wire) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut this = Self { wire, stream };
        loop {
            let len = this.stream.read(this.wire.room()).await?;
            if this.wire.greeted(len)? {
                break;
            }
        }
        this.wire.log_in(ACCOUNT, ACCOUNT, ACCOUNT)?;
        this.exchange(no_rows).await?;
        Ok(this)
    }

    pub(super) fn open(setting: &Setting, sql: &str) -> Result<(Runtime, Self)> {
        let runtime = setting.threads.runtime()?;
        let address = address(setting)?;
        let this = runtime.block_on(async {
            let mut this = Self::connect(address, Wire::new()).await?;
            this.wire.prepare(sql);
            this.exchange(no_rows).await?;
            Ok::<_, Failure>(this)
        })?;
        Ok((runtime, this))
    }

    /// Writes what waits and reads up to the answer's end.
    #[inline]
    pub(super) async fn exchange(
        &mut self,
        mut row: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.stream.write_all(&self.wire.out).await?;
        self.wire.out.clear();
        loop {
            let len = self.stream.read(self.wire.room()).await?;
            if let Read::Ready = self.wire.filled(len, &mut row)? {
                return Ok(());
            }
        }
    }
}

struct Sync {
    wire: Wire,
    stream: std::net::TcpStream,
}

impl Sync {
    fn open(setting: &Setting, sql: &str) -> Result<Self> {
        let stream = std::net::TcpStream::connect(address(setting)?)?;
        stream.set_nodelay(true)?;
        let mut this = Self { wire: Wire::new(), stream };
        loop {
            let len = this.stream.read(this.wire.room())?;
            if this.wire.greeted(len)? {
                break;
            }
        }
        this.wire.log_in(ACCOUNT, ACCOUNT, ACCOUNT)?;
        this.exchange(no_rows)?;
        this.wire.prepare(sql);
        this.exchange(no_rows)?;
        Ok(this)
    }

    #[inline]
    fn exchange(&mut self, mut row: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.stream.write_all(&self.wire.out)?;
        self.wire.out.clear();
        loop {
            let len = self.stream.read(self.wire.room())?;
            if let Read::Ready = self.wire.filled(len, &mut row)? {
                return Ok(());
            }
        }
    }
}

struct Select(Async);

impl Client for Select {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        self.0.wire.execute(key);
        let mut seen = 0;
        self.0
            .exchange(|row| {
                seen += 1;
                station(row)?.check(key)
            })
            .await?;
        ensure(seen == 1, "another number of rows than one")
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, POINT)?;
    Ok(Box::new(Sequential::new(runtime, Select(socket), 1)))
}

pub fn point_blocking(setting: &Setting) -> Result<Box<dyn Subject>> {
    let mut socket = Sync::open(setting, POINT)?;
    Ok(Box::new(Blocking::new(1, move |request| {
        let key = key(request.first);
        socket.wire.execute(key);
        let mut seen = 0;
        socket.exchange(|row| {
            seen += 1;
            station(row)?.check(key)
        })?;
        ensure(seen == 1, "another number of rows than one")
    })))
}

struct Scanner(Async);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        self.0.wire.execute(request.count as i64);
        let mut scan = Scan::default();
        self.0.exchange(|row| station(row)?.check(scan.next())).await?;
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, SCAN)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(socket), scanned(setting))))
}

pub fn scan_blocking(setting: &Setting) -> Result<Box<dyn Subject>> {
    let mut socket = Sync::open(setting, SCAN)?;
    Ok(Box::new(Blocking::new(scanned(setting), move |request| {
        socket.wire.execute(request.count as i64);
        let mut scan = Scan::default();
        socket.exchange(|row| station(row)?.check(scan.next()))?;
        scan.done(request)
    })))
}
