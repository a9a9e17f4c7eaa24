//! sqlx's pool at its defaults but for the number of connections, from many tasks.

use ::sqlx::postgres::{PgPool, PgPoolOptions};

use super::caller::Caller;
use crate::failure::Result;
use crate::registry::Setting;
use crate::server::url;
use crate::workload::postgres::{CONNECTIONS, POINT};
use crate::workload::shared::{DIVIDE, DIVISION_BY_ZERO, RAISE};
use crate::workload::sqlite::Station;

#[derive(Debug, Clone)]
pub struct Sqlx(PgPool);

impl Caller for Sqlx {
    type Error = ::sqlx::Error;

    async fn open(setting: &Setting) -> Result<Self> {
        let options = PgPoolOptions::new().max_connections(CONNECTIONS as u32);
        Ok(Self(options.connect(url(setting)?).await?))
    }

    fn select(&self, key: i64) -> impl Future<Output = ::sqlx::Result<Station>> + Send {
        ::sqlx::query_as(POINT).bind(key).fetch_one(&self.0)
    }

    async fn raise(&self, key: i64) -> Result<u64> {
        Ok(::sqlx::query(RAISE).bind(key).execute(&self.0).await?.rows_affected())
    }

    async fn divide(&self, key: i64, by: i64) -> Result<Option<Station>> {
        match ::sqlx::query_as(DIVIDE).bind(key).bind(by).fetch_one(&self.0).await {
            Ok(station) => Ok(Some(station)),
            Err(error) => match error.as_database_error().and_then(|error| error.code()) {
                Some(code) if code == DIVISION_BY_ZERO => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}
