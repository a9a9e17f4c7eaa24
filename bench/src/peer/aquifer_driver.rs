//! Our SQLite driver without what is above it: no pool, no statistics, no rewriting of placeholders.
//!
//! Once by its own type and once behind `dyn Connection`: the difference is what the choice of a driver
//! at run time costs.

use std::future::poll_fn;
use std::sync::Arc;

use ::aquifer::drivers;
use ::aquifer::sqlite::SqliteConnection;
use aquifer_driver::{
    Access, Command, Connection, Dsn, Mapping, Params, ProcessEnvironment, RowBatch, Step, Want,
};

use super::aquifer::url;
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::sqlite::{POINT, POINTS, SCAN, Scan, Station, key, scanned, schema};

/// How a connection is called: by its own type, or as any driver's.
trait View: Send + 'static {
    type Connection: Connection + ?Sized;

    fn connection(&mut self) -> &mut Self::Connection;
}

struct Any(Box<dyn Connection>);

impl View for Any {
    type Connection = dyn Connection;

    #[inline]
    fn connection(&mut self) -> &mut dyn Connection {
        &mut *self.0
    }
}

/// Known to be one of ours: checked when it was opened.
struct Own(Box<dyn Connection>);

impl View for Own {
    type Connection = SqliteConnection;

    #[inline]
    fn connection(&mut self) -> &mut SqliteConnection {
        self.0.as_any_mut().downcast_mut().expect("the connection was checked to be SQLite's")
    }
}

async fn open(setting: &Setting, stations: u64) -> Result<Box<dyn Connection>> {
    let dsn = Dsn::parse(&url(setting)?)?;
    let connector = drivers().connector(&dsn, &ProcessEnvironment)?;
    let mut connection = Arc::clone(&connector).connect(Access::ReadWrite).await?;
    let mut batch = RowBatch::new();
    connection.start(Command::Script { sql: &schema(stations) })?;
    while !matches!(step(&mut *connection, &mut batch).await?, Step::End(_)) {}
    Ok(connection)
}

async fn own(setting: &Setting, stations: u64) -> Result<Own> {
    let mut connection = open(setting, stations).await?;
    match connection.as_any_mut().is::<SqliteConnection>() {
        true => Ok(Own(connection)),
        false => Err(Failure::new("the connection is another driver's")),
    }
}

#[inline]
async fn step<C: Connection + ?Sized>(connection: &mut C, batch: &mut RowBatch) -> Result<Step> {
    Ok(poll_fn(|cx| connection.poll_next(cx, batch)).await?)
}

#[inline]
fn start<C: Connection + ?Sized>(
    connection: &mut C,
    sql: &str,
    params: &dyn Params,
    want: Want,
) -> Result<()> {
    Ok(connection.start(Command::Execute { sql, params, want })?)
}

struct Point<V> {
    view: V,
    batch: RowBatch,
}

impl<V: View> Client for Point<V> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let connection = self.view.connection();
        start(connection, POINT, &(key,), Want::First)?;
        let mut last = step(connection, &mut self.batch).await?;
        let row = self.batch.row(0).ok_or_else(|| Failure::new("no row"))?;
        let station: Station = row.columns().plan::<Station>(Mapping::Strict)?.read(row)?;
        while !matches!(last, Step::End(_)) {
            last = step(connection, &mut self.batch).await?;
        }
        station.check(key)
    }
}

pub fn point_dyn(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let view = Any(runtime.block_on(open(setting, POINTS))?);
    Ok(Box::new(Sequential::new(runtime, Point { view, batch: RowBatch::new() }, 1)))
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let view = runtime.block_on(own(setting, POINTS))?;
    Ok(Box::new(Sequential::new(runtime, Point { view, batch: RowBatch::new() }, 1)))
}

struct Scanner<V> {
    view: V,
    batch: RowBatch,
}

impl<V: View> Client for Scanner<V> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let connection = self.view.connection();
        start(connection, SCAN, &(request.count as i64,), Want::All)?;
        let mut scan = Scan::default();
        loop {
            let last = step(connection, &mut self.batch).await?;
            let plan = self.batch.columns().plan::<Station>(Mapping::Strict)?;
            for row in self.batch.rows() {
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

pub fn scan_dyn(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let view = Any(runtime.block_on(open(setting, scanned(setting)))?);
    let scanner = Scanner { view, batch: RowBatch::new() };
    Ok(Box::new(Sequential::new(runtime, scanner, scanned(setting))))
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let view = runtime.block_on(own(setting, scanned(setting)))?;
    let scanner = Scanner { view, batch: RowBatch::new() };
    Ok(Box::new(Sequential::new(runtime, scanner, scanned(setting))))
}
