//! tokio-postgres in deadpool-postgres, which keeps statements by their text; no ping (its default).

use std::pin::pin;
use std::str::FromStr;

use ::tokio_postgres::types::ToSql;
use ::tokio_postgres::{Config, NoTls};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use futures_util::TryStreamExt;

use super::caller::{Caller, SlowReader, Streams};
use super::tokio_postgres::{divided, station};
use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{CONNECTIONS, POINT, SCAN, TASKS};
use crate::workload::shared::{DIVIDE, RAISE};
use crate::workload::sqlite::{Scan, Station, key};
use crate::workload::transaction::{self, LOCK, SET, raised};

fn pool(setting: &Setting) -> Result<Pool> {
    let config = Config::from_str(url(setting)?)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, recycling);
    Ok(Pool::builder(manager).max_size(CONNECTIONS).build()?)
}

/// For the workloads of many tasks.
#[derive(Clone)]
pub struct Pooled(Pool);

impl Caller for Pooled {
    type Error = Failure;

    async fn open(setting: &Setting) -> Result<Self> {
        Ok(Self(pool(setting)?))
    }

    async fn select(&self, key: i64) -> Result<Station> {
        let session = self.0.get().await?;
        let statement = session.prepare_cached(POINT).await?;
        station(&session.query_one(&statement, &[&key]).await?)
    }

    async fn raise(&self, key: i64) -> Result<u64> {
        let session = self.0.get().await?;
        let statement = session.prepare_cached(RAISE).await?;
        Ok(session.execute(&statement, &[&key]).await?)
    }

    async fn divide(&self, key: i64, by: i64) -> Result<Option<Station>> {
        let session = self.0.get().await?;
        let statement = session.prepare_cached(DIVIDE).await?;
        divided(session.query_one(&statement, &[&key, &by]).await)
    }
}

impl Streams for Pooled {
    async fn stream(&self, count: u64, reader: &mut SlowReader) -> Result<()> {
        let session = self.0.get().await?;
        let statement = session.prepare_cached(SCAN).await?;
        let limit = count as i64;
        let params: [&(dyn ToSql + Sync); 1] = [&limit];
        let mut rows = pin!(session.query_raw(&statement, params).await?);
        let mut scan = Scan::default();
        while let Some(row) = rows.try_next().await? {
            station(&row)?.check(scan.next())?;
            reader.row().await?;
        }
        scan.done(Request { first: 0, count })
    }
}

#[derive(Clone)]
struct Point(Pool);

impl Client for Point {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let session = self.0.get().await?;
        let statement = session.prepare_cached(POINT).await?;
        let row = session.query_one(&statement, &[&key]).await?;
        station(&row)?.check(key)
    }
}

pub fn pool_1(setting: &Setting) -> Result<Box<dyn Subject>> {
    Ok(Box::new(Sequential::new(setting.threads.runtime()?, Point(pool(setting)?), 1)))
}

pub fn pool_64(setting: &Setting) -> Result<Box<dyn Subject>> {
    Ok(Box::new(Tasks::new(setting.threads.runtime()?, Point(pool(setting)?), TASKS)))
}

#[derive(Clone)]
struct Raise(Pool);

impl Client for Raise {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let mut session = self.0.get().await?;
        let transaction = session.transaction().await?;
        let lock = transaction.prepare_cached(LOCK).await?;
        let row = transaction.query_one(&lock, &[&key]).await?;
        let (id, level_m): (i64, f64) = (row.try_get(0)?, row.try_get(1)?);
        ensure(id == key, "another row was locked than was asked for")?;
        let set = transaction.prepare_cached(SET).await?;
        let changed = transaction.execute(&set, &[&key, &raised(level_m)]).await?;
        transaction.commit().await?;
        ensure(changed == 1, "an update changed another number of rows")
    }
}

pub fn raise(setting: &Setting) -> Result<Box<dyn Subject>> {
    let tasks = transaction::TASKS;
    Ok(Box::new(Tasks::new(setting.threads.runtime()?, Raise(pool(setting)?), tasks)))
}
