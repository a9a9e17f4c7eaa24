//! Ours, as a user meets it.

use ::aquifer::driver::ParamSink;
use ::aquifer::{Conn, Db, Params};

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::mysql::{
    CONNECTIONS, FLIGHT, GIVEN, INSERTS, MADE, POINT, SCAN, TASKS, insert_values as values, row,
    scanned,
};
use crate::workload::sqlite::{Scan, Station, StationRef, key, reading};

async fn open(setting: &Setting) -> Result<Db> {
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

fn conn(setting: &Setting) -> Result<(tokio::runtime::Runtime, Conn)> {
    let runtime = setting.threads.runtime()?;
    let conn =
        runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.acquire().await?) })?;
    Ok((runtime, conn))
}

/// On one connection in hand, without the pool.
pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
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

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Tasks::new(runtime, Point(db), TASKS)))
}

struct Flight(Conn);

impl Client for Flight {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut batch = self.0.batch();
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
    }
}

/// Many statements written at once and answered in turn, on one connection.
pub fn pipeline(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
    Ok(Box::new(Sequential::new(runtime, Flight(conn), FLIGHT)))
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

struct Insert {
    conn: Conn,
    keys: bool,
}

impl Client for Insert {
    async fn prepare(&mut self) -> Result<()> {
        let target = if self.keys { MADE } else { GIVEN };
        self.conn.exec(target.empty, ()).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut tx = self.conn.begin().await?;
        let mut batch = tx.batch();
        let mut tickets = Vec::with_capacity(request.count as usize);
        for operation in request.first..request.first + request.count {
            tickets.push(match self.keys {
                true => batch.exec(MADE.insert, reading(operation)),
                false => batch.exec(GIVEN.insert, row(operation)),
            });
        }
        let mut results = batch.send().await?;
        for ticket in tickets {
            let done = results.take(ticket)?;
            let right = done.rows_affected() == 1 && done.last_insert_id().is_some() == self.keys;
            ensure(right, "an insert changed another number of rows, or its key is not told")?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn batch(setting: &Setting, keys: bool) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
    Ok(Box::new(Sequential::new(runtime, Insert { conn, keys }, INSERTS)))
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    batch(setting, false)
}

pub fn insert_keys(setting: &Setting) -> Result<Box<dyn Subject>> {
    batch(setting, true)
}

struct Values {
    conn: Conn,
    sql: String,
}

impl Client for Values {
    async fn prepare(&mut self) -> Result<()> {
        self.conn.exec(GIVEN.empty, ()).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let done = self.conn.exec(&self.sql, Rows(request)).await?;
        ensure(done.rows_affected() == request.count, "another number of rows was inserted")
    }
}

/// The arguments of a statement for so many rows.
struct Rows(Request);

impl Params for Rows {
    fn count(&self) -> usize {
        4 * self.0.count as usize
    }

    fn bind(&self, sink: &mut dyn ParamSink) -> ::aquifer::Result<()> {
        let Request { first, count } = self.0;
        (first..first + count).map(row).try_for_each(|row| row.bind(sink))
    }
}

pub fn insert_values(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
    let client = Values { conn, sql: values(INSERTS) };
    Ok(Box::new(Sequential::new(runtime, client, INSERTS)))
}
