//! mysql_async: one connection, and its pool at its defaults but for the number of connections, also without the reset
//! of connections that come back. Over TCP: asked for a connection to this machine, it would change to the server's
//! unix socket.

use ::mysql_async::prelude::Queryable;
use ::mysql_async::{
    Conn, Opts, OptsBuilder, Params, Pool, PoolConstraints, PoolOpts, TxOpts, Value,
};
use tokio::runtime::Runtime;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::mysql::{
    CONNECTIONS, GIVEN, HELLO, INSERTS, MADE, POINT, SCAN, TASKS, insert_values as values, row,
    scanned,
};
use crate::workload::sqlite::{Scan, Station, StationTuple, key, reading};

fn options(setting: &Setting) -> Result<OptsBuilder> {
    Ok(OptsBuilder::from_opts(Opts::from_url(url(setting)?)?).prefer_socket(false))
}

fn connection(setting: &Setting) -> Result<(Runtime, Conn)> {
    let runtime = setting.threads.runtime()?;
    let options = options(setting)?;
    let conn = runtime.block_on(Conn::new(options))?;
    Ok((runtime, conn))
}

fn station((id, code, river, level_m): StationTuple) -> Station {
    Station { id, code, river, level_m }
}

async fn select(conn: &mut Conn, key: i64) -> Result<()> {
    let row: Option<StationTuple> = conn.exec_first(POINT, (key,)).await?;
    station(row.ok_or_else(|| Failure::new("no row"))?).check(key)
}

struct Point(Conn);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        select(&mut self.0, key(request.first)).await
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Point(conn), 1)))
}

#[derive(Clone)]
struct PoolPoint(Pool);

impl Client for PoolPoint {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut conn = self.0.get_conn().await?;
        select(&mut conn, key(request.first)).await
    }
}

fn pool(setting: &Setting, reset: bool) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let constraints = PoolConstraints::new(CONNECTIONS, CONNECTIONS)
        .ok_or_else(|| Failure::new("a pool of no connections"))?;
    let pool = PoolOpts::default().with_constraints(constraints).with_reset_connection(reset);
    let options = options(setting)?.pool_opts(pool);
    let pool = runtime.block_on(async { Pool::new(options) });
    Ok(Box::new(Tasks::new(runtime, PoolPoint(pool), TASKS)))
}

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    pool(setting, true)
}

pub fn pool_64_no_reset(setting: &Setting) -> Result<Box<dyn Subject>> {
    pool(setting, false)
}

struct Scanner(Conn);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows = self.0.exec_iter(SCAN, (request.count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let row: StationTuple = ::mysql_async::from_row_opt(row)?;
            station(row).check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(conn), scanned(setting))))
}

/// In one statement.
struct Values {
    conn: Conn,
    sql: String,
}

impl Client for Values {
    async fn prepare(&mut self) -> Result<()> {
        Ok(self.conn.query_drop(GIVEN.empty).await?)
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut cells: Vec<Value> = Vec::with_capacity(4 * request.count as usize);
        for operation in request.first..request.first + request.count {
            let (id, station, code, level) = row(operation);
            cells.extend([id.into(), station.into(), code.into(), level.into()]);
        }
        self.conn.exec_drop(self.sql.as_str(), Params::Positional(cells)).await?;
        ensure(self.conn.affected_rows() == request.count, "another number of rows was inserted")
    }
}

pub fn insert_values(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = connection(setting)?;
    let client = Values { conn, sql: values(INSERTS) };
    Ok(Box::new(Sequential::new(runtime, client, INSERTS)))
}

/// By MariaDB's bulk command, in a transaction.
struct Batch {
    conn: Conn,
    keys: bool,
}

impl Client for Batch {
    async fn prepare(&mut self) -> Result<()> {
        let target = if self.keys { MADE } else { GIVEN };
        Ok(self.conn.query_drop(target.empty).await?)
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let operations = request.first..request.first + request.count;
        let mut transaction = self.conn.start_transaction(TxOpts::default()).await?;
        if self.keys {
            transaction.exec_batch(MADE.insert, operations.map(reading)).await?;
        } else {
            transaction.exec_batch(GIVEN.insert, operations.map(row)).await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn batch(setting: &Setting, keys: bool) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Batch { conn, keys }, INSERTS)))
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    batch(setting, false)
}

pub fn insert_keys(setting: &Setting) -> Result<Box<dyn Subject>> {
    batch(setting, true)
}

struct Connect(Opts);

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let mut conn = Conn::new(self.0.clone()).await?;
            let seven: Option<i32> = conn.query_first(HELLO).await?;
            conn.disconnect().await?;
            ensure(seven == Some(7), "the server did not say 7")?;
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let options = options(setting)?.into();
    Ok(Box::new(Sequential::new(runtime, Connect(options), 1)))
}
