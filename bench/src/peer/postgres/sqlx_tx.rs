//! sqlx's transactions, statement by statement.

use std::str::FromStr;

use ::sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use ::sqlx::{ConnectOptions, Connection};

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::copy::{Arrivals, EMPTY};
use crate::workload::postgres::CONNECTIONS;
use crate::workload::sqlite::key;
use crate::workload::transaction::{INSERT, INSERTS, LOCK, SET, TASKS, raised};

#[derive(Clone)]
struct Raise(PgPool);

impl Client for Raise {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let mut tx = self.0.begin().await?;
        let locked = ::sqlx::query_as(LOCK).bind(key).fetch_one(&mut *tx);
        let (id, level_m): (i64, f64) = locked.await?;
        ensure(id == key, "another row was locked than was asked for")?;
        let done = ::sqlx::query(SET).bind(key).bind(raised(level_m)).execute(&mut *tx).await?;
        tx.commit().await?;
        ensure(done.rows_affected() == 1, "an update changed another number of rows")
    }
}

pub fn raise(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let options = PgPoolOptions::new().max_connections(CONNECTIONS as u32);
    let pool = runtime.block_on(options.connect(url(setting)?))?;
    Ok(Box::new(Tasks::new(runtime, Raise(pool), TASKS)))
}

struct Insert {
    connection: PgConnection,
    arrivals: Arrivals,
}

impl Client for Insert {
    async fn prepare(&mut self) -> Result<()> {
        ::sqlx::query(EMPTY).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let mut tx = self.connection.begin().await?;
        let mut inserted = 0;
        for number in request.first..request.first + request.count {
            let row = self.arrivals.row(number);
            let insert = ::sqlx::query(INSERT).bind(row.id).bind(row.code).bind(row.river);
            inserted += insert.bind(row.level_m).execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        ensure(inserted == request.count, "another number of rows was inserted than was sent")
    }
}

pub fn awaited(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let connection = runtime.block_on(PgConnectOptions::from_str(url(setting)?)?.connect())?;
    let insert = Insert { connection, arrivals: Arrivals::new() };
    Ok(Box::new(Sequential::new(runtime, insert, INSERTS)))
}
