//! sqlx: one connection, and its pool at its defaults but for the number of connections, also without the ping before
//! a connection is lent.

use std::str::FromStr;

use ::sqlx::mysql::{MySql, MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
use ::sqlx::{ConnectOptions, Connection, QueryBuilder};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::mysql::{
    CONNECTIONS, GIVEN, HELLO, INSERTS, POINT, SCAN, TASKS, row, scanned,
};
use crate::workload::sqlite::{Scan, Station, key};

fn connection(setting: &Setting) -> Result<(Runtime, MySqlConnection)> {
    let runtime = setting.threads.runtime()?;
    let options = MySqlConnectOptions::from_str(url(setting)?)?;
    let connection = runtime.block_on(options.connect())?;
    Ok((runtime, connection))
}

struct Point(MySqlConnection);

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
struct PoolPoint(MySqlPool);

impl Client for PoolPoint {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let station: Station = ::sqlx::query_as(POINT).bind(key).fetch_one(&self.0).await?;
        station.check(key)
    }
}

fn pool(setting: &Setting, ping: bool) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let options =
        MySqlPoolOptions::new().max_connections(CONNECTIONS as u32).test_before_acquire(ping);
    let pool = runtime.block_on(options.connect(url(setting)?))?;
    Ok(Box::new(Tasks::new(runtime, PoolPoint(pool), TASKS)))
}

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    pool(setting, true)
}

pub fn pool_64_no_ping(setting: &Setting) -> Result<Box<dyn Subject>> {
    pool(setting, false)
}

struct Scanner(MySqlConnection);

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

struct Insert(MySqlConnection);

impl Client for Insert {
    async fn prepare(&mut self) -> Result<()> {
        ::sqlx::query(GIVEN.empty).execute(&mut self.0).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut builder: QueryBuilder<MySql> =
            QueryBuilder::new("INSERT INTO readings (id, station_id, code, level_m) ");
        let rows = (request.first..request.first + request.count).map(row);
        builder.push_values(rows, |mut row, (id, station, code, level)| {
            row.push_bind(id).push_bind(station).push_bind(code).push_bind(level);
        });
        let done = builder.build().execute(&mut self.0).await?;
        ensure(done.rows_affected() == request.count, "another number of rows was inserted")
    }
}

pub fn insert(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, connection) = connection(setting)?;
    Ok(Box::new(Sequential::new(runtime, Insert(connection), INSERTS)))
}

struct Connect(MySqlConnectOptions);

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
    let options = MySqlConnectOptions::from_str(url(setting)?)?;
    Ok(Box::new(Sequential::new(runtime, Connect(options), 1)))
}
