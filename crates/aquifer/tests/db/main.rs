//! The contract of a `Db`, over the fake driver: one file per topic.

mod acquire;
mod batch;
mod dropping;
mod retry;
mod routing;
mod rows;
mod runtimes;
mod stmt;
mod support;
mod transactions;
