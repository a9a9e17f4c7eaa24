//! One client of tokio-postgres that all tasks use: it pipelines by itself, with a Sync for each statement.

use std::str::FromStr;
use std::sync::Arc;

use ::tokio_postgres::{Client as Session, Config, Statement};

use super::caller::Caller;
use super::tokio_postgres::{divided, open, station};
use crate::failure::{Failure, Result};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::POINT;
use crate::workload::shared::{DIVIDE, RAISE};
use crate::workload::sqlite::Station;

#[derive(Clone)]
pub struct OneSession {
    session: Arc<Session>,
    point: Statement,
    raise: Statement,
    divide: Statement,
}

impl Caller for OneSession {
    type Error = Failure;

    async fn open(setting: &Setting) -> Result<Self> {
        let session = open(&Config::from_str(url(setting)?)?).await?;
        let point = session.prepare(POINT).await?;
        let raise = session.prepare(RAISE).await?;
        let divide = session.prepare(DIVIDE).await?;
        Ok(Self { session: Arc::new(session), point, raise, divide })
    }

    async fn select(&self, key: i64) -> Result<Station> {
        station(&self.session.query_one(&self.point, &[&key]).await?)
    }

    async fn raise(&self, key: i64) -> Result<u64> {
        Ok(self.session.execute(&self.raise, &[&key]).await?)
    }

    async fn divide(&self, key: i64, by: i64) -> Result<Option<Station>> {
        divided(self.session.query_one(&self.divide, &[&key, &by]).await)
    }
}
