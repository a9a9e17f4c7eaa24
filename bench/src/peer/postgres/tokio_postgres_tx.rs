//! tokio-postgres inserting rows in a transaction, one after the other and all in flight.

use std::str::FromStr;

use ::tokio_postgres::{Client as Session, Config, Statement};
use futures_util::future::join_all;

use super::tokio_postgres::open;
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::server::url;
use crate::workload::copy::{Arrivals, EMPTY};
use crate::workload::transaction::{INSERT, INSERTS};

struct Insert<const JOINED: bool> {
    session: Session,
    insert: Statement,
    arrivals: Arrivals,
}

impl<const JOINED: bool> Client for Insert<JOINED> {
    async fn prepare(&mut self) -> Result<()> {
        Ok(self.session.batch_execute(EMPTY).await?)
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let Self { session, insert, arrivals } = self;
        let transaction = session.transaction().await?;
        let (transaction_ref, insert, arrivals) = (&transaction, &*insert, &*arrivals);
        let one = |number| async move {
            let row = arrivals.row(number);
            transaction_ref.execute(insert, &[&row.id, &row.code, &row.river, &row.level_m]).await
        };
        let mut inserted = 0;
        let numbers = request.first..request.first + request.count;
        if JOINED {
            for done in join_all(numbers.map(one)).await {
                inserted += done?;
            }
        } else {
            for number in numbers {
                inserted += one(number).await?;
            }
        }
        transaction.commit().await?;
        ensure(inserted == request.count, "another number of rows was inserted than was sent")
    }
}

fn inserting<const JOINED: bool>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let config = Config::from_str(url(setting)?)?;
    let client = runtime.block_on(async {
        let session = open(&config).await?;
        let insert = session.prepare(INSERT).await?;
        Ok::<_, Failure>(Insert::<JOINED> { session, insert, arrivals: Arrivals::new() })
    })?;
    Ok(Box::new(Sequential::new(runtime, client, INSERTS)))
}

pub fn awaited(setting: &Setting) -> Result<Box<dyn Subject>> {
    inserting::<false>(setting)
}

pub fn joined(setting: &Setting) -> Result<Box<dyn Subject>> {
    inserting::<true>(setting)
}
