//! The contract of a `Db`, over the fake driver and, where an engine's own pace matters, over SQLite: one
//! file per topic.

mod acquire;
mod batch;
mod dropping;
#[cfg(feature = "sqlite")]
mod dropping_sqlite;
mod hooks;
mod model;
mod named;
mod observer;
#[cfg(feature = "sqlite")]
mod old_transactions;
mod options;
mod retry;
mod routing;
mod rows;
mod runtimes;
mod scopes;
mod secrets;
#[cfg(feature = "sqlite")]
mod slow_callers;
mod stmt;
mod support;
mod timeouts;
mod transactions;
