//! Ours with `multiplex`: statements of many tasks share connections.

use std::marker::PhantomData;

use ::aquifer::Db;

use super::caller::{Caller, SlowReader, Streams};
use crate::failure::Result;
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{CONNECTIONS, POINT, SCAN};
use crate::workload::shared::{DIVIDE, DIVISION_BY_ZERO, RAISE};
use crate::workload::sqlite::{Scan, Station, StationRef};

/// Who shares what: parameters for the URL.
pub trait Lane: Send + Sync + 'static {
    const PARAMETERS: &'static str;
}

macro_rules! lanes {
    ($($(#[$doc:meta])* $name:ident = $parameters:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Lane for $name {
            const PARAMETERS: &'static str = $parameters;
        }
    )*};
}

lanes! {
    /// Each call has a connection to itself.
    Off = "",
    /// Reads share one connection.
    Reads1 = "&pool_multiplex=reads&pool_multiplex_connections=1",
    /// Reads share two.
    Reads2 = "&pool_multiplex=reads&pool_multiplex_connections=2",
    /// Reads and writes share one, with a Sync for each.
    Statements1 = "&pool_multiplex=statements&pool_multiplex_connections=1",
    /// Reads and writes share two.
    Statements2 = "&pool_multiplex=statements&pool_multiplex_connections=2",
}

#[derive(Debug)]
pub struct Ours<L> {
    db: Db,
    lane: PhantomData<L>,
}

impl<L> Clone for Ours<L> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), lane: PhantomData }
    }
}

/// The database, with the pool that all of ours have.
///
/// # Errors
///
/// If there is no server.
pub async fn open<L: Lane>(setting: &Setting) -> Result<Db> {
    let url = format!("{}{}", url(setting)?, L::PARAMETERS);
    let db = Db::builder(&url)?.max_open(CONNECTIONS as u32).open()?;
    db.ping().await?;
    Ok(db)
}

impl<L: Lane> Caller for Ours<L> {
    type Error = ::aquifer::Error;

    async fn open(setting: &Setting) -> Result<Self> {
        Ok(Self { db: open::<L>(setting).await?, lane: PhantomData })
    }

    // No async function around it: it would be all that it is.
    fn select(&self, key: i64) -> impl Future<Output = ::aquifer::Result<Station>> + Send {
        self.db.get(POINT, (key,))
    }

    async fn raise(&self, key: i64) -> Result<u64> {
        Ok(self.db.exec(RAISE, (key,)).await?.rows_affected())
    }

    async fn divide(&self, key: i64, by: i64) -> Result<Option<Station>> {
        match self.db.get(DIVIDE, (key, by)).await {
            Ok(station) => Ok(Some(station)),
            Err(error) if error.sqlstate() == Some(DIVISION_BY_ZERO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl<L: Lane> Streams for Ours<L> {
    async fn stream(&self, count: u64, reader: &mut SlowReader) -> Result<()> {
        let mut rows = self.db.query(SCAN, (count as i64,)).await?;
        let mut scan = Scan::default();
        while let Some(row) = rows.next().await? {
            let station: StationRef<'_> = row.scan()?;
            station.check(scan.next())?;
            reader.row().await?;
        }
        scan.done(crate::drive::Request { first: 0, count })
    }
}
