//! Observation: one interface that every call passes, and the statistics that are always kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, ServerNotice, ServerObserver};
use aquifer_pool::{Histogram, PoolEvent, Warning};

#[cfg(feature = "explain")]
use crate::explain::SlowPlans;
use crate::tally::{Tallies, Tally};
use crate::text::Text;

/// Watches what a `Db` does: metrics, slow log, tracing and dashboards are observers.
///
/// Every method does nothing by default. They are called on the task that did the work, outside any
/// lock, and must not block. No bound parameter ever reaches an observer.
pub trait Observer: Send + Sync + 'static {
    /// A call has ended: its rows are read or given up, or it failed.
    fn call(&self, call: &Call<'_>) {
        let _ = call;
    }

    /// A call took longer than `slow_call`. Called right after [`call`](Self::call).
    fn slow(&self, call: &Call<'_>) {
        let _ = call;
    }

    /// How the engine goes about a read that took longer than `slow_plan`: asked of it afterwards, on a
    /// connection that was idle, without the arguments. Called on a task of its own, at most once a minute
    /// for each statement.
    #[cfg(feature = "explain")]
    fn slow_plan(&self, slow: &SlowPlan<'_>) {
        let _ = slow;
    }

    /// A transaction has ended.
    fn transaction(&self, end: &TransactionEnd<'_>) {
        let _ = end;
    }

    /// The pool of that name did something by itself: dialled, closed, checked, moved its limit.
    fn pool(&self, pool: &str, event: &PoolEvent) {
        let _ = (pool, event);
    }

    /// The pool of that name warns: in use beyond its share, long waits, a leak.
    fn warning(&self, pool: &str, warning: &Warning) {
        let _ = (pool, warning);
    }

    /// A server said something besides its answers, on a connection of the pool of that name: a warning, or
    /// the text of `RAISE NOTICE`. Its texts are the server's and may quote data; its severity and code do
    /// not. What arrives while a connection is idle is heard at its next use.
    fn notice(&self, pool: &str, notice: &ServerNotice<'_>) {
        let _ = (pool, notice);
    }

    /// A setting that the server reports by itself has changed on a connection of the pool of that name:
    /// PostgreSQL's `in_hot_standby` at a promotion, `TimeZone` after a `SET`.
    fn parameter(&self, pool: &str, name: &str, value: &str) {
        let _ = (pool, name, value);
    }

    /// A background error that no caller sees: a dial that failed, a check that failed.
    fn background_error(&self, pool: &str, error: &Error) {
        let _ = (pool, error);
    }
}

/// One finished call, as an [`Observer`] sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The scope's label, if it has one.
    pub label: Option<&'a str>,
    /// The text as it was written by the user, before expansion; never its arguments.
    pub sql: &'a str,
    /// Time in the pool's queue; of a call that shares a connection, until it was sent, in steps of 5 ms. One that was to share
    /// and had a connection to itself in the end has waited until it had that.
    pub waited: Duration,
    /// From the connection in hand to the first row, or to the end if there was none.
    pub first_row: Duration,
    /// From the connection in hand to the end.
    pub elapsed: Duration,
    /// Rows that the caller took.
    pub rows: u64,
    /// What went wrong.
    pub error: Option<&'a Error>,
    /// The text as the engine got it, where that is at hand.
    #[cfg_attr(
        not(feature = "explain"),
        expect(dead_code, reason = "plans are asked for with it")
    )]
    pub(crate) text: Option<&'a Arc<Text>>,
}

/// The plan of a slow read, as an [`Observer`] sees it.
///
/// It is the plan for whatever arguments there may be (on MariaDB and MySQL, which have none such, for the text
/// `'1'` in the place of each); the one that was slow may have had a plan for its own.
#[cfg(feature = "explain")]
#[derive(Debug)]
#[non_exhaustive]
pub struct SlowPlan<'a> {
    /// The label of the scope that the slow call had, if it had one.
    pub label: Option<&'a str>,
    /// The text as it was written by the user; never its arguments.
    pub sql: &'a str,
    /// How long the call took, from the connection in hand to the end.
    pub elapsed: Duration,
    /// The plan.
    pub plan: &'a crate::QueryPlan,
}

/// A finished transaction, as an [`Observer`] sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransactionEnd<'a> {
    /// The scope's label, if it has one.
    pub label: Option<&'a str>,
    /// How it ended.
    pub outcome: TransactionOutcome,
    /// From `begin` to the end.
    pub elapsed: Duration,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransactionOutcome {
    /// Committed.
    Committed,
    /// Rolled back on request.
    RolledBack,
    /// Dropped, and so rolled back.
    Dropped,
    /// Ended by the engine, or by a failed commit.
    Failed,
    /// The connection broke during the commit: nobody knows.
    Unknown,
}

/// Statistics of calls: of a whole `Db`, or of one label.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallStats {
    /// Calls that ended.
    pub calls: u64,
    /// Calls that ended with an error.
    pub failures: u64,
    /// Calls that took longer than `slow_call`.
    pub slow: u64,
    /// Rows that callers took.
    pub rows: u64,
    /// Time to the first row (or the end, without rows), from the connection in hand.
    pub first_row: Histogram,
    /// Time to the end.
    pub last_row: Histogram,
}

impl CallStats {
    fn record(&mut self, call: &Call<'_>, slow: bool) {
        self.calls += 1;
        self.failures += u64::from(call.error.is_some());
        self.slow += u64::from(slow);
        self.rows += call.rows;
        self.first_row.record(call.first_row);
        self.last_row.record(call.elapsed);
    }

    fn record_all(&mut self, elapsed: Duration, counts: &Counts, slow: bool) {
        self.calls += counts.calls;
        self.failures += counts.failures;
        self.slow += if slow { counts.calls } else { 0 };
        self.rows += counts.rows;
        self.first_row.record_many(elapsed, counts.calls);
        self.last_row.record_many(elapsed, counts.calls);
    }
}

/// What the statements of a batch come to.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) rows: u64,
}

/// One label's name and statistics; resolved once per scoped handle.
pub(crate) struct Label {
    pub(crate) name: Arc<str>,
    stats: Mutex<CallStats>,
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Label").field(&self.name).finish()
    }
}

/// All that a `Db` counts, and who watches it.
pub(crate) struct Book {
    total: Mutex<CallStats>,
    /// What is counted with the connections instead.
    tallies: Arc<Tallies>,
    labels: Mutex<HashMap<Arc<str>, Arc<Label>>>,
    labels_max: usize,
    slow_call: Option<Duration>,
    observers: Box<[Arc<dyn Observer>]>,
    /// Who asks for the plans of slow reads; only where somebody hears of them.
    #[cfg(feature = "explain")]
    plans: Option<SlowPlans>,
}

/// Where labels beyond the bound are counted.
const OTHER: &str = "_other";

impl Book {
    pub(crate) fn new(
        observers: Vec<Arc<dyn Observer>>,
        slow_call: Option<Duration>,
        labels_max: usize,
    ) -> Self {
        Self {
            total: Mutex::default(),
            tallies: Arc::default(),
            labels: Mutex::default(),
            labels_max,
            slow_call,
            observers: observers.into(),
            #[cfg(feature = "explain")]
            plans: None,
        }
    }

    /// From now on, reads that take this long have their plans asked for.
    #[cfg(feature = "explain")]
    pub(crate) fn wants_plans(&mut self, after: Duration) {
        self.plans = self.is_watched().then(|| SlowPlans::new(after));
    }

    /// Who asks for the plans of slow reads.
    #[cfg(feature = "explain")]
    pub(crate) fn plans(&self) -> Option<&SlowPlans> {
        self.plans.as_ref()
    }

    /// The label of that name; one shared entry beyond the bound.
    pub(crate) fn label(&self, name: &str) -> Arc<Label> {
        let mut labels = lock(&self.labels);
        if let Some(label) = labels.get(name) {
            return Arc::clone(label);
        }
        let name = if labels.len() < self.labels_max { name } else { OTHER };
        let name: Arc<str> = name.into();
        let label = labels
            .entry(Arc::clone(&name))
            .or_insert_with(|| Arc::new(Label { name, stats: Mutex::default() }));
        Arc::clone(label)
    }

    #[inline]
    pub(crate) fn record(&self, label: Option<&Label>, call: &Call<'_>) {
        let slow = self.is_slow(call.elapsed);
        lock(&self.total).record(call, slow);
        self.pass_on(label, call, slow);
    }

    /// As [`record`](Self::record), for a call that has been [counted](Self::count) with its connection.
    pub(crate) fn record_counted(&self, label: Option<&Label>, call: &Call<'_>) {
        self.pass_on(label, call, self.is_slow(call.elapsed));
    }

    /// Counts a call that went well at its first answer, without a lock.
    #[inline]
    pub(crate) fn count(&self, tally: &mut Tally, elapsed: Duration, rows: u64) {
        tally.count(elapsed, rows, self.is_slow(elapsed));
    }

    #[inline]
    fn is_slow(&self, elapsed: Duration) -> bool {
        self.slow_call.is_some_and(|bound| elapsed >= bound)
    }

    #[inline]
    fn pass_on(&self, label: Option<&Label>, call: &Call<'_>, slow: bool) {
        if let Some(label) = label {
            lock(&label.stats).record(call, slow);
        }
        if self.is_watched() {
            self.tell(|observer| {
                observer.call(call);
                if slow {
                    observer.slow(call);
                }
            });
            #[cfg(feature = "explain")]
            if let Some(plans) = &self.plans {
                plans.heard_of(call);
            }
        }
    }

    /// Where connections get their tallies from.
    pub(crate) fn tallies(&self) -> &Arc<Tallies> {
        &self.tallies
    }

    /// As [`record`](Self::record), for the statements of a batch, which take equally long: counted all at
    /// once, told one by one.
    pub(crate) fn record_all<'a>(
        &self,
        label: Option<&Label>,
        elapsed: Duration,
        counts: &Counts,
        calls: impl Iterator<Item = Call<'a>>,
    ) {
        let slow = self.is_slow(elapsed);
        lock(&self.total).record_all(elapsed, counts, slow);
        if let Some(label) = label {
            lock(&label.stats).record_all(elapsed, counts, slow);
        }
        if self.is_watched() {
            calls.for_each(|call| {
                self.tell(|observer| {
                    observer.call(&call);
                    if slow {
                        observer.slow(&call);
                    }
                });
            });
        }
    }

    /// True if there is any observer.
    pub(crate) fn is_watched(&self) -> bool {
        !self.observers.is_empty()
    }

    pub(crate) fn tell(&self, what: impl Fn(&dyn Observer)) {
        for observer in &self.observers {
            what(&**observer);
        }
    }

    pub(crate) fn calls(&self) -> CallStats {
        let mut calls = lock(&self.total).clone();
        self.tallies.add_to(&mut calls);
        calls
    }

    pub(crate) fn labels(&self) -> Vec<(Arc<str>, CallStats)> {
        let labels: Vec<_> = lock(&self.labels).values().cloned().collect();
        let mut labels: Vec<_> = labels
            .into_iter()
            .map(|label| (Arc::clone(&label.name), lock(&label.stats).clone()))
            .collect();
        labels.sort_by(|(a, _), (b, _)| a.cmp(b));
        labels
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("observers", &self.observers.len()).finish_non_exhaustive()
    }
}

/// The observers of a `Db`, as the driver meets them: under the name of one pool.
pub(crate) struct Ear {
    pub(crate) book: Arc<Book>,
    pub(crate) pool: Arc<str>,
}

impl ServerObserver for Ear {
    fn notice(&self, notice: &ServerNotice<'_>) {
        self.book.tell(|observer| observer.notice(&self.pool, notice));
    }

    fn parameter(&self, name: &str, value: &str) {
        self.book.tell(|observer| observer.parameter(&self.pool, name, value));
    }
}

/// What is recorded of a call whose future was dropped.
#[cold]
pub(crate) fn went_away() -> Error {
    Error::new(ErrorKind::Cancelled, "the caller went away before the call ended")
}

/// Statistics survive a panic elsewhere: they are sums, and never half-written in a way that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
