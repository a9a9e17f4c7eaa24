//! A pool of connections that knows no SQL: fair, bounded, and able to explain itself.
//!
//! A [`Pool`] lends connections that a [`Manage`] implementation makes. Idle connections are lent last in, first out; callers that
//! have to wait are served first come, first served, and a newcomer never overtakes one. A dial belongs to the pool and outlives the
//! caller that caused it. At no time are there more connections, dials included, than the limit says.
//!
//! Everything it decides it decides in `state`, which is pure; `docs/pool.md` lists every option with its default and the reason.
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use aquifer_pool::*;
//! # #[derive(Debug)] struct Numbers;
//! # impl Manage for Numbers {
//! #     type Connection = u32;
//! #     type Error = Infallible;
//! #     fn connect(self: Arc<Self>) -> BoxFuture<Result<u32, Infallible>> { Box::pin(async { Ok(7) }) }
//! #     fn is_transient(&self, _: &Infallible) -> bool { true }
//! #     fn check(self: Arc<Self>, connection: u32) -> BoxFuture<Result<u32, Infallible>> { Box::pin(async move { Ok(connection) }) }
//! #     fn on_release(&self, _: &mut u32) -> Fate { Fate::Keep }
//! #     fn recover(self: Arc<Self>, connection: u32) -> BoxFuture<Option<u32>> { Box::pin(async move { Some(connection) }) }
//! #     fn close(self: Arc<Self>, _: u32, _: CloseReason) -> BoxFuture<()> { Box::pin(async {}) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::new(Arc::new(Numbers), PoolOptions { max_open: 20, ..PoolOptions::default() }, Hooks::new())?;
//! let lease = pool.acquire(&AcquireRequest::default()).await?;
//! assert_eq!(*lease, 7);
//! drop(lease); // back in the pool
//! assert_eq!(pool.stats().idle, 1);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod acquire;
mod clock;
mod close;
mod error;
mod histogram;
mod hooks;
mod lease;
mod maintenance;
mod manage;
#[cfg(test)]
mod models;
mod options;
mod pool;
mod random;
mod scope;
mod state;
mod stats;
mod task;
mod turns;
mod warm_up;

pub use self::{
    acquire::{Acquire, AcquireRequest},
    close::CloseReport,
    error::{
        AcquireError, AcquireErrorKind, DialError, Holder, TimeoutCause, TimeoutKind, TimeoutReport,
    },
    histogram::{Histogram, Recorder, RecorderView},
    hooks::{ConnectionInfo, HookFuture, Hooks, PoolEvent, Stage},
    lease::{Lease, Released},
    manage::{BoxFuture, CloseReason, Fate, Manage},
    options::{OPTIONS, OptionInfo, OptionsError, PoolOptions, parse_duration, show_duration},
    pool::Pool,
    scope::{LeaseScope, Scoped},
    stats::{Move, MoveReason, Stats, Warning},
    warm_up::WarmUpReport,
};
