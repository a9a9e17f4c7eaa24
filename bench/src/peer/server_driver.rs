//! A network driver of ours without what is above it: no pool, no statistics, no rewriting of placeholders.
//!
//! The engines differ in their texts alone, which the peers of each give.

use std::future::poll_fn;
use std::sync::Arc;

use ::aquifer::drivers;
use aquifer_driver::{
    Access, Command, Connection, Connector, Dsn, Mapping, Params, ProcessEnvironment, RowBatch,
    Step, Want,
};

use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::sqlite::{Scan, Station, key};

fn connector(url: &str) -> Result<Arc<dyn Connector>> {
    Ok(drivers().connector(&Dsn::parse(url)?, &ProcessEnvironment)?)
}

struct Driver {
    connection: Box<dyn Connection>,
    batch: RowBatch,
}

impl Driver {
    async fn open(connector: &Arc<dyn Connector>) -> Result<Self> {
        let connection = Arc::clone(connector).connect(Access::ReadWrite).await?;
        Ok(Self { connection, batch: RowBatch::new() })
    }

    #[inline]
    fn start(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<()> {
        Ok(self.connection.start(Command::Execute { sql, params, want })?)
    }

    #[inline]
    async fn step(&mut self) -> Result<Step> {
        let Self { connection, batch } = self;
        Ok(poll_fn(|cx| connection.poll_next(cx, batch)).await?)
    }
}

fn driver(setting: &Setting) -> Result<(tokio::runtime::Runtime, Driver)> {
    let runtime = setting.threads.runtime()?;
    let driver = runtime.block_on(Driver::open(&connector(url(setting)?)?))?;
    Ok((runtime, driver))
}

struct Point {
    driver: Driver,
    sql: &'static str,
}

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        self.driver.start(self.sql, &(key,), Want::First)?;
        let mut last = self.driver.step().await?;
        let row = self.driver.batch.row(0).ok_or_else(|| Failure::new("no row"))?;
        let station: Station = row.columns().plan::<Station>(Mapping::Strict)?.read(row)?;
        while !matches!(last, Step::End(_)) {
            last = self.driver.step().await?;
        }
        station.check(key)
    }
}

/// One row at a time by `sql`, whose argument is the key.
pub fn point(setting: &Setting, sql: &'static str) -> Result<Box<dyn Subject>> {
    let (runtime, driver) = driver(setting)?;
    Ok(Box::new(Sequential::new(runtime, Point { driver, sql }, 1)))
}

struct Scanner {
    driver: Driver,
    sql: &'static str,
}

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        self.driver.start(self.sql, &(request.count as i64,), Want::All)?;
        let mut scan = Scan::default();
        loop {
            let last = self.driver.step().await?;
            let plan = self.driver.batch.columns().plan::<Station>(Mapping::Strict)?;
            for row in self.driver.batch.rows() {
                let station: Station = plan.read(row)?;
                station.check(scan.next())?;
            }
            if matches!(last, Step::End(_)) {
                return scan.done(request);
            }
            ensure(matches!(last, Step::Rows), "one statement gave several results")?;
        }
    }
}

/// So many rows in one result by `sql`, whose argument is how many.
pub fn scan(setting: &Setting, sql: &'static str, rows: u64) -> Result<Box<dyn Subject>> {
    let (runtime, driver) = driver(setting)?;
    Ok(Box::new(Sequential::new(runtime, Scanner { driver, sql }, rows)))
}

struct Connect {
    connector: Arc<dyn Connector>,
    hello: &'static str,
}

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let mut driver = Driver::open(&self.connector).await?;
            driver.connection.start(Command::Script { sql: self.hello })?;
            let mut seven = false;
            loop {
                let last = driver.step().await?;
                for row in driver.batch.rows() {
                    seven = row.get::<i32>(0)? == 7;
                }
                if matches!(last, Step::End(_)) {
                    break;
                }
            }
            driver.connection.close().await?;
            ensure(seven, "the server did not say 7")?;
        }
        Ok(())
    }
}

/// Connects to `url`, asks `hello`, whose answer is 7, and leaves. One connector, as a pool has one: it remembers what
/// does not depend on the connection.
pub fn connect(setting: &Setting, url: &str, hello: &'static str) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let connect = Connect { connector: connector(url)?, hello };
    Ok(Box::new(Sequential::new(runtime, connect, 1)))
}
