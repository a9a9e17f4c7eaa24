//! diesel-async over tokio-postgres, without libpq; it keeps statements by itself.

use ::diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::Result;
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{HELLO, Login, scanned};
use crate::workload::sqlite::{Scan, Station, key};

::diesel::table! {
    stations (id) {
        id -> BigInt,
        code -> Text,
        river -> Text,
        level_m -> Nullable<Double>,
    }
}

#[derive(Queryable)]
struct Found {
    id: i64,
    code: String,
    river: String,
    level_m: Option<f64>,
}

impl Found {
    #[inline]
    fn check(self, key: i64) -> Result<()> {
        let Self { id, code, river, level_m } = self;
        Station { id, code, river, level_m }.check(key)
    }
}

fn connection(setting: &Setting) -> Result<(Runtime, AsyncPgConnection)> {
    let runtime = setting.threads.runtime()?;
    let connection = runtime.block_on(AsyncPgConnection::establish(url(setting)?))?;
    Ok((runtime, connection))
}

struct Point(AsyncPgConnection);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let found: Found = stations::table.find(key).get_result(&mut self.0).await?;
        found.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Point(connection), 1)))
}

struct Scanner(AsyncPgConnection);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let query = stations::table.limit(request.count as i64);
        let mut rows = query.load_stream::<Found>(&mut self.0).await?;
        let mut scan = Scan::default();
        while let Some(found) = rows.try_next().await? {
            found.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(connection), scanned(setting))))
}

struct Collector(AsyncPgConnection);

impl Client for Collector {
    async fn call(&mut self, request: Request) -> Result<()> {
        let query = stations::table.limit(request.count as i64);
        let all: Vec<Found> = query.load(&mut self.0).await?;
        let mut scan = Scan::default();
        for found in all {
            found.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn collect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Collector(connection), scanned(setting))))
}

struct Connect(String);

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let mut connection = AsyncPgConnection::establish(&self.0).await?;
            connection.batch_execute(HELLO).await?;
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    Ok(Box::new(Sequential::new(runtime, Connect(Login::url(url(setting)?)), 1)))
}
