//! The contract of a `Db`, over the fake driver: one file per topic.

mod acquire;
mod batch;
mod dropping;
mod hooks;
mod model;
mod named;
mod observer;
mod options;
mod retry;
mod routing;
mod rows;
mod runtimes;
mod scopes;
mod secrets;
mod stmt;
mod support;
mod timeouts;
mod transactions;
