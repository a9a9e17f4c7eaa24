//! What is measured: a file per family, each with its table of workloads.

pub mod copy;
pub mod mysql;
pub mod pool;
pub mod postgres;
pub mod serve;
pub mod sqlite;

use crate::registry::Workload;

/// Every family's table, in the order they are run.
pub const FAMILIES: &[&[Workload]] = &[
    pool::WORKLOADS,
    sqlite::WORKLOADS,
    postgres::WORKLOADS,
    copy::WORKLOADS,
    mysql::WORKLOADS,
    serve::WORKLOADS,
];
