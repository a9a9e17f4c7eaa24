//! sqlx: a worker thread per connection, its pool at its defaults but for the number of connections.

use ::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use ::sqlx::{Acquire, AssertSqlSafe, ConnectOptions};
use futures_util::TryStreamExt;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::sqlite::{
    CLEAR, COUNT, INSERT, INSERTS, POINT, POINTS, SCAN, Scan, Station, TASKS, key, reading,
    scanned, schema,
};

/// Connections of a pool over a file; in memory there can be only one.
const FILE_CONNECTIONS: u32 = 10;

fn options(setting: &Setting) -> SqliteConnectOptions {
    match &setting.folder {
        Some(folder) => SqliteConnectOptions::new()
            .filename(folder.join("sqlx.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal),
        None => SqliteConnectOptions::new().in_memory(true),
    }
}

async fn pool(setting: &Setting, stations: u64) -> Result<SqlitePool> {
    let connections = if setting.folder.is_some() { FILE_CONNECTIONS } else { 1 };
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options(setting))
        .await?;
    ::sqlx::raw_sql(AssertSqlSafe(schema(stations))).execute(&pool).await?;
    Ok(pool)
}

#[derive(Clone)]
struct Point(SqlitePool);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = ::sqlx::query_as(POINT).bind(key).fetch_one(&self.0).await?;
        station.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, POINTS))?;
    Ok(Box::new(Sequential::new(runtime, Point(pool), 1)))
}

pub fn point_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, POINTS))?;
    Ok(Box::new(Tasks::new(runtime, Point(pool), TASKS)))
}

struct PointConn(SqliteConnection);

impl Client for PointConn {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = ::sqlx::query_as(POINT).bind(key).fetch_one(&mut self.0).await?;
        station.check(key)
    }
}

/// One connection without a pool: the pool pings on every release.
pub fn point_conn(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let connection = runtime.block_on(async {
        let mut connection = options(setting).connect().await?;
        ::sqlx::raw_sql(AssertSqlSafe(schema(POINTS))).execute(&mut connection).await?;
        Ok::<_, Failure>(connection)
    })?;
    Ok(Box::new(Sequential::new(runtime, PointConn(connection), 1)))
}

struct Scanner(SqlitePool);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let mut rows =
            ::sqlx::query_as::<_, Station>(SCAN).bind(request.count as i64).fetch(&self.0);
        let mut scan = Scan::default();
        while let Some(station) = rows.try_next().await? {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, scanned(setting)))?;
    Ok(Box::new(Sequential::new(runtime, Scanner(pool), scanned(setting))))
}

struct Selecter(SqlitePool);

impl Client for Selecter {
    async fn call(&mut self, request: Request) -> Result<()> {
        let stations: Vec<Station> =
            ::sqlx::query_as(SCAN).bind(request.count as i64).fetch_all(&self.0).await?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn select(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, scanned(setting)))?;
    Ok(Box::new(Sequential::new(runtime, Selecter(pool), scanned(setting))))
}

struct Inserter(SqlitePool);

impl Client for Inserter {
    async fn prepare(&mut self) -> Result<()> {
        ::sqlx::query(CLEAR).execute(&self.0).await?;
        let left: i64 = ::sqlx::query_scalar(COUNT).fetch_one(&self.0).await?;
        ensure(left == 0, "the table was not cleared")
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut connection = self.0.acquire().await?;
        let mut transaction = connection.begin().await?;
        for operation in request.first..request.first + request.count {
            let (station, code, level) = reading(operation);
            let insert = ::sqlx::query(INSERT).bind(station).bind(code).bind(level);
            let done = insert.execute(&mut *transaction).await?;
            ensure(done.rows_affected() == 1, "an insert changed another number of rows")?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let pool = runtime.block_on(pool(setting, 0))?;
    Ok(Box::new(Sequential::new(runtime, Inserter(pool), INSERTS)))
}
