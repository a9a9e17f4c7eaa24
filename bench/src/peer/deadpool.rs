//! deadpool's managed pool.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleResult};
use tokio::task::yield_now;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::Result;
use crate::registry::Setting;
use crate::workload::pool::{CONNECTIONS, Connection, Maker, Never, TASKS, full};

pub fn alone(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<false>::new(None))?;
    Ok(Box::new(Sequential::new(runtime, lender, 1)))
}

pub fn crowd(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<true>::new(None))?;
    Ok(Box::new(Tasks::new(runtime, lender, TASKS)))
}

pub fn crowd_with_timeout(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<true>::new(Some(Duration::from_secs(5))))?;
    Ok(Box::new(Tasks::new(runtime, lender, TASKS)))
}

impl Manager for Maker {
    type Type = Connection;
    type Error = Never;

    async fn create(&self) -> Result<Connection, Never> {
        Ok(self.make())
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<Never> {
        Ok(())
    }
}

#[derive(Clone)]
struct Lender<const HOLD: bool>(Pool<Maker>);

impl<const HOLD: bool> Lender<HOLD> {
    async fn new(wait: Option<Duration>) -> Result<Self> {
        let pool = Pool::builder(Maker::default())
            .max_size(CONNECTIONS as usize)
            .wait_timeout(wait)
            .runtime(Runtime::Tokio1)
            .build()?;
        let mut all: Vec<Object<Maker>> = Vec::new();
        for _ in 0..CONNECTIONS {
            all.push(pool.get().await?);
        }
        drop(all);
        full(pool.status().size)?;
        Ok(Self(pool))
    }
}

impl<const HOLD: bool> Client for Lender<HOLD> {
    async fn call(&mut self, _: Request) -> Result<()> {
        let mut connection = self.0.get().await?;
        connection.take()?;
        if HOLD {
            yield_now().await;
        }
        connection.give_back();
        Ok(())
    }
}
