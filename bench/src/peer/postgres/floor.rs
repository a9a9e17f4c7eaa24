//! The floor: sockets and the protocol by hand, into the same structs, checked in the same way.

use std::fs::File;
use std::io::{Read as _, Write as _};

use tokio::runtime::Runtime;

use super::socket::{Address, Stream};
use super::wire::{Read, Wire};
use crate::drive::{Blocking, Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::postgres::{FLIGHT, POINT, SCAN, scanned};
use crate::workload::sqlite::{Scan, Station, key};

/// Nothing but an end is expected.
pub(super) fn no_rows(_: Station) -> Result<()> {
    Err(Failure::new("a row that nobody asked for"))
}

pub(super) struct Async {
    pub(super) wire: Wire,
    pub(super) stream: Stream,
}

impl Async {
    pub(super) fn open(setting: &Setting, sql: &str) -> Result<(Runtime, Self)> {
        let runtime = setting.threads.runtime()?;
        let this = runtime.block_on(Self::connect(setting, sql))?;
        Ok((runtime, this))
    }

    async fn connect(setting: &Setting, sql: &str) -> Result<Self> {
        let address = Address::of(setting)?;
        let mut this = Self { wire: Wire::new(), stream: address.connect().await? };
        this.wire.startup("aquifer", "aquifer");
        this.exchange(no_rows).await?;
        this.wire.prepare(sql);
        this.exchange(no_rows).await?;
        Ok(this)
    }

    /// Writes what waits and reads up to ReadyForQuery.
    #[inline]
    pub(super) async fn exchange(
        &mut self,
        mut row: impl FnMut(Station) -> Result<()>,
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

impl Async {
    /// Writes what waits and reads up to ReadyForQuery; each message of this kind goes to `take`.
    pub(super) async fn messages(
        &mut self,
        kind: u8,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.stream.write_all(&self.wire.out).await?;
        self.wire.out.clear();
        loop {
            let len = self.stream.read(self.wire.room()).await?;
            if let Read::Ready = self.wire.filled_with(len, kind, &mut take)? {
                return Ok(());
            }
        }
    }

    /// Writes what waits and reads up to a message of this kind, which the server follows with nothing: its
    /// body.
    pub(super) async fn until(&mut self, kind: u8) -> Result<Vec<u8>> {
        self.stream.write_all(&self.wire.out).await?;
        self.wire.out.clear();
        let mut found = None;
        loop {
            let len = self.stream.read(self.wire.room()).await?;
            let read = self.wire.filled_with(len, kind, &mut |body| {
                found = Some(body.to_vec());
                Ok(())
            })?;
            match (found, read) {
                (Some(body), _) => return Ok(body),
                (None, Read::Ready) => return Err(Failure::new("another answer than expected")),
                (None, Read::More) => found = None,
            }
        }
    }
}

struct Sync {
    wire: Wire,
    stream: File,
}

impl Sync {
    fn open(setting: &Setting, sql: &str) -> Result<Self> {
        let stream = Address::of(setting)?.connect_blocking()?;
        let mut this = Self { wire: Wire::new(), stream };
        this.wire.startup("aquifer", "aquifer");
        this.exchange(no_rows)?;
        this.wire.prepare(sql);
        this.exchange(no_rows)?;
        Ok(this)
    }

    #[inline]
    fn exchange(&mut self, mut row: impl FnMut(Station) -> Result<()>) -> Result<()> {
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

/// Encodes the selects of a request behind one Sync.
#[inline]
fn selects(wire: &mut Wire, request: Request) {
    for operation in request.first..request.first + request.count {
        wire.execute(key(operation));
    }
    wire.sync();
}

/// Checks the answers to [`selects`].
struct Answers {
    request: Request,
    seen: u64,
}

impl Answers {
    fn to(request: Request) -> Self {
        Self { request, seen: 0 }
    }

    #[inline]
    fn row(&mut self, station: Station) -> Result<()> {
        let operation = self.request.first + self.seen;
        self.seen += 1;
        station.check(key(operation))
    }

    #[inline]
    fn done(self) -> Result<()> {
        ensure(self.seen == self.request.count, "another number of rows than of selects")
    }
}

struct Selects(Async);

impl Client for Selects {
    async fn call(&mut self, request: Request) -> Result<()> {
        selects(&mut self.0.wire, request);
        let mut answers = Answers::to(request);
        self.0.exchange(|station| answers.row(station)).await?;
        answers.done()
    }
}

fn selecting(setting: &Setting, per_call: u64) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, POINT)?;
    Ok(Box::new(Sequential::new(runtime, Selects(socket), per_call)))
}

fn selecting_blocking(setting: &Setting, per_call: u64) -> Result<Box<dyn Subject>> {
    let mut socket = Sync::open(setting, POINT)?;
    Ok(Box::new(Blocking::new(per_call, move |request| {
        selects(&mut socket.wire, request);
        let mut answers = Answers::to(request);
        socket.exchange(|station| answers.row(station))?;
        answers.done()
    })))
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    selecting(setting, 1)
}

pub fn point_blocking(setting: &Setting) -> Result<Box<dyn Subject>> {
    selecting_blocking(setting, 1)
}

pub fn pipeline(setting: &Setting) -> Result<Box<dyn Subject>> {
    selecting(setting, FLIGHT)
}

/// Twice as many in flight.
pub fn pipeline_twice(setting: &Setting) -> Result<Box<dyn Subject>> {
    selecting(setting, 2 * FLIGHT)
}

/// The same, with memory that is as large as what a thousand callers keep, of which each select takes a part in turn.
pub fn pipeline_cold(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, POINT)?;
    Ok(Box::new(Sequential::new(runtime, Cold::new(Selects(socket)), 2 * FLIGHT)))
}

/// As [`pipeline_twice`], over each of two connections.
pub fn pipelines(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, selects) = TwoSelects::open(setting)?;
    Ok(Box::new(Sequential::new(runtime, selects, 4 * FLIGHT)))
}

/// As [`pipeline_cold`], over each of two connections.
pub fn pipelines_cold(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, selects) = TwoSelects::open(setting)?;
    Ok(Box::new(Sequential::new(runtime, Cold::new(selects), 4 * FLIGHT)))
}

/// Half of the selects over each of two connections.
struct TwoSelects(Selects, Selects);

impl TwoSelects {
    fn open(setting: &Setting) -> Result<(Runtime, Self)> {
        let (runtime, one) = Async::open(setting, POINT)?;
        let other = runtime.block_on(Async::connect(setting, POINT))?;
        Ok((runtime, Self(Selects(one), Selects(other))))
    }
}

impl Client for TwoSelects {
    async fn call(&mut self, request: Request) -> Result<()> {
        let half = request.count / 2;
        let one = Request { first: request.first, count: half };
        let other = Request { first: request.first + half, count: request.count - half };
        tokio::try_join!(self.0.call(one), self.1.call(other))?;
        Ok(())
    }
}

/// What a caller of ours keeps of its call (task, future, arguments, row) is in some 18 lines of a cache.
const COLD_LINES: usize = 18;
const LINE_BYTES: usize = 64;
const COLD_BYTES: usize = 1_000 * COLD_LINES * LINE_BYTES;

struct Cold<C> {
    selects: C,
    memory: Vec<u8>,
    /// Where the next select's part begins.
    at: usize,
}

impl<C> Cold<C> {
    fn new(selects: C) -> Self {
        Self { selects, memory: vec![0; COLD_BYTES], at: 0 }
    }
}

impl<C: Client> Client for Cold<C> {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let part = self.memory[self.at..].iter_mut().step_by(LINE_BYTES).take(COLD_LINES);
            part.for_each(|byte| *byte = byte.wrapping_add(1));
            self.at = (self.at + COLD_LINES * LINE_BYTES) % COLD_BYTES;
        }
        self.selects.call(request).await
    }
}

pub fn pipeline_blocking(setting: &Setting) -> Result<Box<dyn Subject>> {
    selecting_blocking(setting, FLIGHT)
}

struct Scanner(Async);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        self.0.wire.execute(request.count as i64);
        self.0.wire.sync();
        let mut scan = Scan::default();
        self.0.exchange(|station| station.check(scan.next())).await?;
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
        socket.wire.sync();
        let mut scan = Scan::default();
        socket.exchange(|station| station.check(scan.next()))?;
        scan.done(request)
    })))
}

struct Collector(Async);

impl Client for Collector {
    async fn call(&mut self, request: Request) -> Result<()> {
        self.0.wire.execute(request.count as i64);
        self.0.wire.sync();
        let mut stations = Vec::new();
        self.0
            .exchange(|station| {
                stations.push(station);
                Ok(())
            })
            .await?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn collect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, socket) = Async::open(setting, SCAN)?;
    Ok(Box::new(Sequential::new(runtime, Collector(socket), scanned(setting))))
}
