//! The contract of a `Db`, over the fake driver: one file per topic.

mod acquire;
mod retry;
mod routing;
mod rows;
mod support;
mod transactions;
