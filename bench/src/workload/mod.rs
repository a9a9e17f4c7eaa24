//! What is measured: a file per family, each with its table of workloads.

pub mod copy;
pub mod mysql;
pub mod pool;
pub mod postgres;
pub mod serve;
pub mod shared;
pub mod sqlite;
pub mod transaction;

use crate::registry::Workload;

/// Workloads that belong together.
#[derive(Debug)]
pub struct Family {
    pub workloads: &'static [Workload],
    /// The section of docs/performance.md that `--readme` writes.
    pub section: Option<&'static str>,
}

impl Family {
    const fn by_hand(workloads: &'static [Workload]) -> Self {
        Self { workloads, section: None }
    }

    const fn written(workloads: &'static [Workload], section: &'static str) -> Self {
        Self { workloads, section: Some(section) }
    }
}

/// Every family, in the order they are run.
pub const FAMILIES: &[Family] = &[
    Family::by_hand(pool::WORKLOADS),
    Family::by_hand(sqlite::WORKLOADS),
    Family::by_hand(postgres::WORKLOADS),
    Family::written(shared::WORKLOADS, "multiplexing"),
    Family::written(transaction::WORKLOADS, "transactions"),
    Family::by_hand(copy::WORKLOADS),
    Family::by_hand(mysql::WORKLOADS),
    Family::by_hand(serve::WORKLOADS),
];
