//! Our transactions, as a user meets them.

use ::aquifer::{Conn, Db};

use super::aquifer::open;
use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::copy::{Arrivals, EMPTY};
use crate::workload::sqlite::key;
use crate::workload::transaction::{INSERT, INSERTS, LOCK, SET, TASKS, raised};

/// `AWAITED`: each statement's answer before the next statement.
#[derive(Clone)]
struct Raise<const AWAITED: bool>(Db);

impl<const AWAITED: bool> Client for Raise<AWAITED> {
    async fn call(&mut self, request: Request) -> Result<()> {
        let key = key(request.first);
        let mut tx = self.0.begin().await?;
        let (id, level_m): (i64, f64) = tx.get(LOCK, (key,)).await?;
        ensure(id == key, "another row was locked than was asked for")?;
        if AWAITED {
            let done = tx.exec(SET, (key, raised(level_m))).await?;
            ensure(done.rows_affected() == 1, "an update changed another number of rows")?;
        } else {
            tx.enqueue(SET, (key, raised(level_m))).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn raising<const AWAITED: bool>(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let db = runtime.block_on(open(setting))?;
    Ok(Box::new(Tasks::new(runtime, Raise::<AWAITED>(db), TASKS)))
}

pub fn raise(setting: &Setting) -> Result<Box<dyn Subject>> {
    raising::<false>(setting)
}

pub fn raise_awaited(setting: &Setting) -> Result<Box<dyn Subject>> {
    raising::<true>(setting)
}

#[derive(Debug, Clone, Copy)]
enum How {
    Enqueue,
    Batch,
    Await,
}

struct Insert {
    conn: Conn,
    arrivals: Arrivals,
    how: How,
}

impl Client for Insert {
    async fn prepare(&mut self) -> Result<()> {
        self.conn.exec(EMPTY, ()).await?;
        Ok(())
    }

    async fn call(&mut self, request: Request) -> Result<()> {
        let rows = request.first..request.first + request.count;
        let rows = rows.map(|number| {
            let row = self.arrivals.row(number);
            (row.id, row.code, row.river, row.level_m)
        });
        let mut tx = self.conn.begin().await?;
        let mut inserted = 0;
        match self.how {
            How::Enqueue => {
                for row in rows {
                    tx.enqueue(INSERT, row).await?;
                }
                // Who queues is not told; one that inserts no row fails, and the commit with it.
                inserted = request.count;
            }
            How::Batch => {
                let mut batch = tx.batch();
                let tickets: Vec<_> = rows.map(|row| batch.exec(INSERT, row)).collect();
                let mut results = batch.send().await?;
                for ticket in tickets {
                    inserted += results.take(ticket)?.rows_affected();
                }
            }
            How::Await => {
                for row in rows {
                    inserted += tx.exec(INSERT, row).await?.rows_affected();
                }
            }
        }
        tx.commit().await?;
        ensure(inserted == request.count, "another number of rows was inserted than was sent")
    }
}

fn inserting(setting: &Setting, how: How) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let conn =
        runtime.block_on(async { Ok::<_, Failure>(open(setting).await?.acquire().await?) })?;
    let insert = Insert { conn, arrivals: Arrivals::new(), how };
    Ok(Box::new(Sequential::new(runtime, insert, INSERTS)))
}

pub fn enqueue(setting: &Setting) -> Result<Box<dyn Subject>> {
    inserting(setting, How::Enqueue)
}

pub fn batch(setting: &Setting) -> Result<Box<dyn Subject>> {
    inserting(setting, How::Batch)
}

pub fn awaited(setting: &Setting) -> Result<Box<dyn Subject>> {
    inserting(setting, How::Await)
}
