//! [`Stats`]: what a `Db` knows about itself.

use std::ops::Deref;
use std::sync::Arc;

use aquifer_driver::{Error, Result};
use aquifer_pool::Holder;

use crate::errors;
use crate::multiplex::MultiplexStats;
use crate::observe::CallStats;
use crate::source::Source;

/// A snapshot of a `Db`'s pool and calls.
///
/// It dereferences to the pool's statistics, summed over all pools where there are several, so that
/// `db.stats().in_use` and `db.stats().wait.p99()` read as in Go's `DBStats`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    total: aquifer_pool::Stats,
    /// Each pool by name: `primary` (and `shared`), or `readers` and `writer`.
    pub pools: Vec<(Arc<str>, aquifer_pool::Stats)>,
    /// The calls.
    pub calls: CallStats,
    /// What calls have shared, with the option `multiplex`.
    pub multiplex: MultiplexStats,
}

impl Stats {
    pub(crate) fn new(
        pools: Vec<(Arc<str>, aquifer_pool::Stats)>,
        calls: CallStats,
        multiplex: MultiplexStats,
    ) -> Self {
        let mut total: Option<aquifer_pool::Stats> = None;
        for (_, stats) in &pools {
            match &mut total {
                Some(total) => total.merge(stats),
                None => total = Some(stats.clone()),
            }
        }
        Self { total: total.unwrap_or_default(), pools, calls, multiplex }
    }
}

impl Deref for Stats {
    type Target = aquifer_pool::Stats;

    fn deref(&self) -> &aquifer_pool::Stats {
        &self.total
    }
}

/// What [`Db::close`](crate::Db::close) found.
#[derive(Debug, Clone, Default)]
#[must_use = "it says whether any connection was still out"]
pub struct CloseReport {
    still_out: Vec<Holder>,
    unfinished: u32,
}

impl CloseReport {
    pub(crate) fn add(&mut self, report: aquifer_pool::CloseReport) {
        self.still_out.extend(report.holders);
        self.unfinished += report.unfinished;
    }

    /// Who still held a connection when the patience was spent, the longest first.
    pub fn still_out(&self) -> &[Holder] {
        &self.still_out
    }

    /// How many connections were given back, but not yet cleaned or closed, when the patience was spent.
    /// Their own budgets (`recover_timeout`, `close_timeout`) end that.
    pub fn unfinished(&self) -> u32 {
        self.unfinished
    }

    /// True if every connection is closed: nobody holds one ([`still_out`](Self::still_out)), and none is
    /// being closed still ([`unfinished`](Self::unfinished)).
    pub fn is_clean(&self) -> bool {
        self.still_out.is_empty() && self.unfinished == 0
    }
}

/// Opens connections ahead of use, the writer's first: without it nothing can be written.
pub(crate) async fn warm_up(source: &Source, connections: u32) -> Result<WarmUp> {
    let mut report = WarmUp::default();
    let pools: Vec<_> = source.pools().collect();
    let mut wanted = connections;
    for named in pools.into_iter().rev() {
        let pool = named.pool.warm_up(wanted).await.map_err(errors::acquire)?;
        report.wanted += pool.wanted;
        report.open += pool.open;
        report.failed += pool.failed;
        wanted = wanted.saturating_sub(pool.open);
        if let Some(error) = pool.last_error {
            report.last_error = Some(errors::dial(error));
        }
    }
    Ok(report)
}

/// What [`Db::warm_up`](crate::Db::warm_up) achieved.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WarmUp {
    /// Connections asked for, cut down to the limit.
    pub wanted: u32,
    /// Connections open now.
    pub open: u32,
    /// Dials that failed.
    pub failed: u32,
    /// What the last failed one said.
    pub last_error: Option<Error>,
}
