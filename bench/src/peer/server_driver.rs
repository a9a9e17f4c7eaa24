//! Our PostgreSQL driver without what is above it: no pool, no statistics, no rewriting of placeholders.

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
use crate::workload::postgres::{HELLO, Login, POINT, SCAN, scanned};
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

struct Point(Driver);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        self.0.start(POINT, &(key,), Want::First)?;
        let mut last = self.0.step().await?;
        let row = self.0.batch.row(0).ok_or_else(|| Failure::new("no row"))?;
        let station: Station = row.columns().plan::<Station>(Mapping::Strict)?.read(row)?;
        while !matches!(last, Step::End(_)) {
            last = self.0.step().await?;
        }
        station.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, driver) = driver(setting)?;
    Ok(Box::new(Sequential::new(runtime, Point(driver), 1)))
}

struct Scanner(Driver);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        self.0.start(SCAN, &(request.count as i64,), Want::All)?;
        let mut scan = Scan::default();
        loop {
            let last = self.0.step().await?;
            let plan = self.0.batch.columns().plan::<Station>(Mapping::Strict)?;
            for row in self.0.batch.rows() {
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

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, driver) = driver(setting)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(driver), scanned(setting))))
}

struct Connect(Arc<dyn Connector>);

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let mut driver = Driver::open(&self.0).await?;
            driver.connection.start(Command::Script { sql: HELLO })?;
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

/// One connector, as a pool has one: it remembers what does not depend on the connection.
pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let connector = connector(&Login::url(url(setting)?))?;
    Ok(Box::new(Sequential::new(runtime, Connect(connector), 1)))
}
