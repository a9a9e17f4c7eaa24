//! tokio-postgres: a prepared statement on a client, its connection a task of the same runtime.

use std::pin::pin;
use std::str::FromStr;

use ::tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use ::tokio_postgres::error::SqlState;
use ::tokio_postgres::types::{ToSql, Type};
use ::tokio_postgres::{Client as Session, Config, NoTls, Row, SimpleQueryMessage, Statement};
use futures_util::TryStreamExt;
use futures_util::future::join_all;

use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::copy::{Arrivals, COPY_IN, EMPTY, copy_out};
use crate::workload::postgres::{FLIGHT, HELLO, Login, POINT, SCAN, scanned};
use crate::workload::sqlite::{Scan, Station, key};

pub(super) fn station(row: &Row) -> Result<Station> {
    Ok(Station {
        id: row.try_get(0)?,
        code: row.try_get(1)?,
        river: row.try_get(2)?,
        level_m: row.try_get(3)?,
    })
}

/// The row of a select that may have been refused because it divides by zero.
pub(super) fn divided(answer: Result<Row, ::tokio_postgres::Error>) -> Result<Option<Station>> {
    match answer {
        Ok(row) => station(&row).map(Some),
        Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn open(config: &Config) -> Result<Session> {
    let (session, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(session)
}

struct Prepared {
    session: Session,
    statement: Statement,
}

fn prepared(setting: &Setting, sql: &str) -> Result<(tokio::runtime::Runtime, Prepared)> {
    let runtime = setting.threads.runtime()?;
    let config = Config::from_str(url(setting)?)?;
    let prepared = runtime.block_on(async {
        let session = open(&config).await?;
        let statement = session.prepare(sql).await?;
        Ok::<_, Failure>(Prepared { session, statement })
    })?;
    Ok((runtime, prepared))
}

struct Point(Prepared);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let row = self.0.session.query_one(&self.0.statement, &[&key]).await?;
        station(&row)?.check(key)
    }
}

pub fn point(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, prepared) = prepared(setting, POINT)?;
    Ok(Box::new(Sequential::new(runtime, Point(prepared), 1)))
}

struct Pipeline(Prepared);

impl Client for Pipeline {
    async fn call(&mut self, request: Request) -> Result<()> {
        let Prepared { session, statement } = &self.0;
        let selects = (request.first..request.first + request.count).map(|operation| async move {
            let key = key(operation);
            let row = session.query_one(statement, &[&key]).await?;
            station(&row)?.check(key)
        });
        for done in join_all(selects).await {
            done?;
        }
        Ok(())
    }
}

pub fn pipeline(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, prepared) = prepared(setting, POINT)?;
    runtime.block_on(prepared.session.batch_execute("BEGIN"))?;
    Ok(Box::new(Sequential::new(runtime, Pipeline(prepared), FLIGHT)))
}

struct Scanner(Prepared);

impl Client for Scanner {
    async fn call(&mut self, request: Request) -> Result<()> {
        let count = request.count as i64;
        let params: [&(dyn ToSql + Sync); 1] = [&count];
        let rows = self.0.session.query_raw(&self.0.statement, params).await?;
        let mut rows = pin!(rows);
        let mut scan = Scan::default();
        while let Some(row) = rows.try_next().await? {
            station(&row)?.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn scan(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, prepared) = prepared(setting, SCAN)?;
    Ok(Box::new(Sequential::new(runtime, Scanner(prepared), scanned(setting))))
}

struct Collector(Prepared);

impl Client for Collector {
    async fn call(&mut self, request: Request) -> Result<()> {
        let rows = self.0.session.query(&self.0.statement, &[&(request.count as i64)]).await?;
        let stations: Vec<Station> = rows.iter().map(station).collect::<Result<_>>()?;
        let mut scan = Scan::default();
        for station in &stations {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn collect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, prepared) = prepared(setting, SCAN)?;
    Ok(Box::new(Sequential::new(runtime, Collector(prepared), scanned(setting))))
}

const TYPES: [Type; 4] = [Type::INT8, Type::TEXT, Type::TEXT, Type::FLOAT8];

struct Load {
    session: Session,
    arrivals: Arrivals,
}

impl Client for Load {
    async fn prepare(&mut self) -> Result<()> {
        Ok(self.session.batch_execute(EMPTY).await?)
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let sink = self.session.copy_in(COPY_IN).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
        for number in request.first..request.first + request.count {
            let row = self.arrivals.row(number);
            writer.as_mut().write(&[&row.id, &row.code, &row.river, &row.level_m]).await?;
        }
        let loaded = writer.finish().await?;
        ensure(loaded == request.count, "another number of rows was taken than was sent")
    }
}

pub fn load(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let config = Config::from_str(url(setting)?)?;
    let load = Load { session: runtime.block_on(open(&config))?, arrivals: Arrivals::new() };
    Ok(Box::new(Sequential::new(runtime, load, scanned(setting))))
}

struct Unload(Session);

impl Client for Unload {
    async fn call(&mut self, request: Request) -> Result<()> {
        let data = self.0.copy_out(&copy_out(request.count)).await?;
        let mut rows = pin!(BinaryCopyOutStream::new(data, &TYPES));
        let mut scan = Scan::default();
        while let Some(row) = rows.try_next().await? {
            let station = Station {
                id: row.try_get(0)?,
                code: row.try_get::<&str>(1)?.to_owned(),
                river: row.try_get::<&str>(2)?.to_owned(),
                level_m: row.try_get(3)?,
            };
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn unload(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let config = Config::from_str(url(setting)?)?;
    let session = runtime.block_on(open(&config))?;
    Ok(Box::new(Sequential::new(runtime, Unload(session), scanned(setting))))
}

struct Connect(Config);

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for _ in 0..request.count {
            let (session, connection) = self.0.connect(NoTls).await?;
            let connection = tokio::spawn(connection);
            let answer = session.simple_query(HELLO).await?;
            let seven = answer.iter().any(
                |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("7")),
            );
            drop(session);
            connection.await??;
            ensure(seven, "the server did not say 7")?;
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let config = Config::from_str(&Login::url(url(setting)?))?;
    Ok(Box::new(Sequential::new(runtime, Connect(config), 1)))
}
