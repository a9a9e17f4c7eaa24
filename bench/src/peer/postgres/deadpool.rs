//! tokio-postgres in deadpool-postgres, which keeps statements by their text; no ping (its default).

use std::str::FromStr;

use ::tokio_postgres::{Config, NoTls};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};

use super::tokio_postgres::station;
use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::Result;
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{CONNECTIONS, POINT, TASKS};
use crate::workload::sqlite::key;

fn pool(setting: &Setting) -> Result<Pool> {
    let config = Config::from_str(url(setting)?)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, recycling);
    Ok(Pool::builder(manager).max_size(CONNECTIONS).build()?)
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
