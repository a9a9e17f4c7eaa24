//! sqlx: one connection, and its pool at its defaults but for the number of connections.

use std::str::FromStr;

use ::sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use ::sqlx::{ConnectOptions, Connection};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use super::floor_copy::{CHUNK_BYTES, HEAD, TAIL, encode};
use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::copy::{Arrivals, COPY_IN, EMPTY};
use crate::workload::postgres::{CONNECTIONS, HELLO, Login, POINT, SCAN, TASKS, scanned};
use crate::workload::sqlite::{Scan, Station, key};

fn connection(setting: &Setting) -> Result<(Runtime, PgConnection)> {
    let runtime = setting.threads.runtime()?;
    let options = PgConnectOptions::from_str(url(setting)?)?;
    let connection = runtime.block_on(options.connect())?;
    Ok((runtime, connection))
}

struct Point(PgConnection);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = ::sqlx::query_as(POINT).bind(key).fetch_one(&mut self.0).await?;
        station.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Point(connection), 1)))
}

#[derive(Clone)]
struct PoolPoint(PgPool);

impl Client for PoolPoint {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = ::sqlx::query_as(POINT).bind(key).fetch_one(&self.0).await?;
        station.check(key)
    }
}

async fn pool(setting: &Setting, ping: bool) -> Result<PoolPoint> {
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS as u32)
        .test_before_acquire(ping)
        .connect(url(setting)?)
        .await?;
    Ok(PoolPoint(pool))
}

pub fn pool_1(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, true))?;
    Ok(Box::new(Sequential::new(runtime, pool, 1)))
}

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, true))?;
    Ok(Box::new(Tasks::new(runtime, pool, TASKS)))
}

pub fn pool_64_no_ping(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, false))?;
    Ok(Box::new(Tasks::new(runtime, pool, TASKS)))
}

struct Scanner(PgConnection);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let query = ::sqlx::query_as::<_, Station>(SCAN).bind(request.count as i64);
        let mut rows = query.fetch(&mut self.0);
        let mut scan = Scan::default();
        while let Some(station) = rows.try_next().await? {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(connection), scanned(setting))))
}

struct Collector(PgConnection);

impl Client for Collector {
    async fn call(&mut self, request: Request) -> Result<()> {
        let query = ::sqlx::query_as(SCAN).bind(request.count as i64);
        let stations: Vec<Station> = query.fetch_all(&mut self.0).await?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn collect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Collector(connection), scanned(setting))))
}

/// sqlx takes bytes only: the floor's.
struct Load {
    connection: PgConnection,
    arrivals: Arrivals,
    buffer: Vec<u8>,
}

impl Client for Load {
    async fn prepare(&mut self) -> Result<()> {
        ::sqlx::query(EMPTY).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let Self { connection, arrivals, buffer } = self;
        let mut copy = connection.copy_in_raw(COPY_IN).await?;
        buffer.clear();
        buffer.extend_from_slice(HEAD);
        for number in request.first..request.first + request.count {
            encode(arrivals.row(number), buffer);
            if buffer.len() >= CHUNK_BYTES {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
        buffer.extend_from_slice(TAIL);
        copy.send(buffer.as_slice()).await?;
        let loaded = copy.finish().await?;
        ensure(loaded == request.count, "another number of rows was taken than was sent")
    }
}

pub fn load(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    let load = Load { connection, arrivals: Arrivals::new(), buffer: Vec::new() };
    Ok(Box::new(Sequential::new(runtime, load, scanned(setting))))
}

struct Connect(PgConnectOptions);

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let mut connection = self.0.connect().await?;
            let row = ::sqlx::raw_sql(HELLO).fetch_one(&mut connection).await?;
            let seven: i32 = ::sqlx::Row::try_get(&row, 0)?;
            connection.close().await?;
            ensure(seven == 7, "the server did not say 7")?;
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let options = PgConnectOptions::from_str(&Login::url(url(setting)?))?;
    Ok(Box::new(Sequential::new(runtime, Connect(options), 1)))
}
