//! Ours by COPY, as a user meets it: on a connection of the pool.

use ::aquifer::Conn;
use ::aquifer::postgres::PostgresConnection;
use futures_util::stream;
use tokio::runtime::Runtime;

use super::aquifer::open;
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::copy::{Arrivals, COLUMNS, EMPTY, TABLE, Tuples, unloaded};
use crate::workload::postgres::scanned;
use crate::workload::sqlite::{Scan, Station};

fn conn(setting: &Setting) -> Result<(Runtime, Conn)> {
    let runtime = setting.threads.runtime()?;
    let conn =
        runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.acquire().await?) })?;
    Ok((runtime, conn))
}

/// How the rows are given.
#[derive(Debug, Clone, Copy)]
enum By {
    /// An iterator of tuples.
    Rows,
    /// An iterator of structs with derived names.
    Named,
    /// A stream of tuples.
    Stream,
    /// One tuple after the other.
    Writer,
}

struct Load {
    conn: Conn,
    arrivals: Arrivals,
    by: By,
}

impl Client for Load {
    async fn prepare(&mut self) -> Result<()> {
        self.conn.exec(EMPTY, ()).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let Self { conn, arrivals, by } = self;
        let postgres: &mut PostgresConnection = conn.driver()?;
        let into = postgres.copy_in_rows(TABLE, &COLUMNS);
        let rows = arrivals.rows(request);
        let loaded = match by {
            By::Rows => into.send(Tuples(rows)).await?,
            By::Named => into.send_named(rows).await?,
            By::Stream => into.send_stream(stream::iter(Tuples(rows))).await?,
            By::Writer => {
                let mut writer = into.start().await?;
                for row in Tuples(rows) {
                    writer.send(row).await?;
                }
                writer.finish().await?
            }
        };
        ensure(loaded == request.count, "another number of rows was taken than was sent")
    }
}

fn load(setting: &Setting, by: By) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
    let load = Load { conn, arrivals: Arrivals::new(), by };
    Ok(Box::new(Sequential::new(runtime, load, scanned(setting))))
}

pub fn rows(setting: &Setting) -> Result<Box<dyn Subject>> {
    load(setting, By::Rows)
}

pub fn named(setting: &Setting) -> Result<Box<dyn Subject>> {
    load(setting, By::Named)
}

pub fn stream(setting: &Setting) -> Result<Box<dyn Subject>> {
    load(setting, By::Stream)
}

pub fn writer(setting: &Setting) -> Result<Box<dyn Subject>> {
    load(setting, By::Writer)
}

struct Unload(Conn);

impl Client for Unload {
    async fn call(&mut self, request: Request) -> Result<()> {
        let postgres: &mut PostgresConnection = self.0.driver()?;
        let mut rows = postgres.copy_out_rows(&unloaded(request.count)).await?;
        let mut scan = Scan::default();
        while let Some(station) = rows.try_next::<Station>().await? {
            station.check(scan.next())?;
        }
        scan.done(request)
    }
}

pub fn unload(setting: &Setting) -> Result<Box<dyn Subject>> {
    let (runtime, conn) = conn(setting)?;
    Ok(Box::new(Sequential::new(runtime, Unload(conn), scanned(setting))))
}
