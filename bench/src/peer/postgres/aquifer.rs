//! Ours, as a user meets it.

use ::aquifer::{Conn, Db, Tx};

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{CONNECTIONS, FLIGHT, POINT, SCAN, TASKS, scanned};
use crate::workload::sqlite::{Scan, Station, StationRef, key};

pub(super) async fn open(setting: &Setting) -> Result<Db> {
    let db = Db::builder(url(setting)?)?.max_open(CONNECTIONS as u32).open()?;
    db.ping().await?;
    Ok(db)
}

struct PointConn(Conn);

impl Client for PointConn {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = self.0.get(POINT, (key,)).await?;
        station.check(key)
    }
}

/// On one connection in hand, without the pool.
pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let conn =
        runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.acquire().await?) })?;
    Ok(Box::new(Sequential::new(runtime, PointConn(conn), 1)))
}

#[derive(Clone)]
struct Point(Db);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = self.0.get(POINT, (key,)).await?;
        station.check(key)
    }
}

pub fn pool_1(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Sequential::new(runtime, Point(db), 1)))
}

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Tasks::new(runtime, Point(db), TASKS)))
}

/// A batch on what the macro is given.
macro_rules! flight {
    ($target:expr, $request:expr) => {{
        let request: Request = $request;
        let mut batch = $target.batch();
        let mut tickets = Vec::with_capacity(request.count as usize);
        for operation in request.first..request.first + request.count {
            let key = key(operation);
            tickets.push((key, batch.get::<Station>(POINT, (key,))));
        }
        let mut done = batch.send().await?;
        for (key, ticket) in tickets {
            done.take(ticket)?.check(key)?;
        }
        Ok(())
    }};
}

struct Pipeline(Tx);

impl Client for Pipeline {
    async fn call(&mut self, request: Request) -> Result<()> {
        flight!(self.0, request)
    }
}

pub fn pipeline(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let tx = runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.begin().await?) })?;
    Ok(Box::new(Sequential::new(runtime, Pipeline(tx), FLIGHT)))
}

struct Alone(Conn);

impl Client for Alone {
    async fn call(&mut self, request: Request) -> Result<()> {
        flight!(self.0, request)
    }
}

pub fn pipeline_alone(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let conn =
        runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.acquire().await?) })?;
    Ok(Box::new(Sequential::new(runtime, Alone(conn), FLIGHT)))
}

struct Scanner(Db);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows = self.0.query(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let station: Station = row.scan()?;
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Sequential::new(runtime, Scanner(db), scanned(setting))))
}

struct Borrower(Db);

impl Client for Borrower {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows = self.0.query(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let station: StationRef<'_> = row.scan()?;
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan_borrowed(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Sequential::new(runtime, Borrower(db), scanned(setting))))
}

struct Collector(Db);

impl Client for Collector {
    async fn call(&mut self, request: Request) -> Result<()> {
        let stations: Vec<Station> = self.0.select(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn collect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Sequential::new(runtime, Collector(db), scanned(setting))))
}
