//! Our pool, with its statistics, its timeouts and all else that is on by default.

use std::sync::Arc;

use aquifer_pool::{
    AcquireRequest, BoxFuture, CloseReason, Fate, Hooks, Manage, Pool, PoolOptions,
};
use tokio::task::yield_now;

use crate::drive::{Client, Request, Sequential, Subject, Tasks};
use crate::failure::{Result, ensure};
use crate::registry::Setting;
use crate::workload::pool::{CONNECTIONS, Connection, Maker, Never, TASKS, full};

pub fn alone(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<false>::new())?;
    Ok(Box::new(Sequential::new(runtime, lender, 1)))
}

pub fn crowd(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = runtime.block_on(Lender::<true>::new())?;
    Ok(Box::new(Tasks::new(runtime, lender, TASKS)))
}

/// Leases with a reference of their own to the pool, as they are where they outlive a handle.
pub fn alone_owned(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let lender = Owner(runtime.block_on(Lender::<false>::new())?);
    Ok(Box::new(Sequential::new(runtime, lender, 1)))
}

impl Manage for Maker {
    type Connection = Connection;
    type Error = Never;

    fn connect(self: Arc<Self>) -> BoxFuture<Result<Connection, Never>> {
        Box::pin(async move { Ok(self.make()) })
    }

    fn is_transient(&self, _: &Never) -> bool {
        false
    }

    fn check(self: Arc<Self>, connection: Connection) -> BoxFuture<Result<Connection, Never>> {
        Box::pin(async move { Ok(connection) })
    }

    fn on_release(&self, _: &mut Connection) -> Fate {
        Fate::Keep
    }

    fn recover(self: Arc<Self>, connection: Connection) -> BoxFuture<Option<Connection>> {
        Box::pin(async move { Some(connection) })
    }

    fn close(self: Arc<Self>, _: Connection, _: CloseReason) -> BoxFuture<()> {
        Box::pin(async {})
    }
}

#[derive(Clone)]
struct Lender<const HOLD: bool> {
    pool: Pool<Maker>,
    request: AcquireRequest,
}

impl<const HOLD: bool> Lender<HOLD> {
    async fn new() -> Result<Self> {
        let options = PoolOptions { max_open: CONNECTIONS, ..PoolOptions::default() };
        let pool = Pool::new(Arc::new(Maker::default()), options, Hooks::new())?;
        pool.warm_up(CONNECTIONS).await?;
        full(pool.stats().open_connections as usize)?;
        // Statistics are what is measured along with the pool: make sure that they are kept.
        let before = pool.stats().acquires;
        drop(pool.acquire(&AcquireRequest::default()).await?);
        ensure(pool.stats().acquires == before + 1, "an acquire was not counted")?;
        Ok(Self { pool, request: AcquireRequest::default() })
    }
}

impl<const HOLD: bool> Client for Lender<HOLD> {
    async fn call(&mut self, _: Request) -> Result<()> {
        let mut connection = self.pool.acquire(&self.request).await?;
        connection.take()?;
        if HOLD {
            yield_now().await;
        }
        connection.give_back();
        Ok(())
    }
}

#[derive(Clone)]
struct Owner(Lender<false>);

impl Client for Owner {
    async fn call(&mut self, _: Request) -> Result<()> {
        let mut connection = self.0.pool.acquire(&self.0.request).await?.into_owned();
        connection.take()?;
        connection.give_back();
        Ok(())
    }
}
