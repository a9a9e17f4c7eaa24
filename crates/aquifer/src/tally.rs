//! [`Tally`]: calls counted with the connection that served them.
//!
//! A lock for the sums of all calls costs as much as a tenth of what a `Db` adds to a select by key. Whoever
//! has a connection has its tally to himself, so counting there needs none; calls that share one have a tally under the lock
//! that they take anyway. Reading adds up all tallies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquifer_pool::{Histogram, Recorder, RecorderView};

use crate::observe::CallStats;

/// Counts calls that went well at their first answer: how long each took, to its first row and to its end.
/// Others are rare, or slow in themselves.
pub(crate) struct Tally {
    /// There until it is given back.
    sheet: Option<Recorder<SUMS>>,
    home: Arc<Tallies>,
}

/// The sums beside the times.
const ROWS: usize = 0;
const SLOW: usize = 1;
const SUMS: usize = 2;

/// All tallies there are, for reading, and those that no connection has. As many as there ever were
/// connections at a time.
#[derive(Default)]
pub(crate) struct Tallies {
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    all: Vec<RecorderView<SUMS>>,
    free: Vec<Recorder<SUMS>>,
}

impl Tallies {
    /// A tally for a new connection; what an earlier one counted there stays.
    pub(crate) fn tally(self: &Arc<Self>) -> Tally {
        let mut shelf = self.lock();
        let sheet = shelf.free.pop().unwrap_or_else(|| {
            let sheet = Recorder::new();
            shelf.all.push(sheet.view());
            sheet
        });
        Tally { sheet: Some(sheet), home: Arc::clone(self) }
    }

    pub(crate) fn add_to(&self, calls: &mut CallStats) {
        let mut spans = Histogram::new();
        for view in &self.lock().all {
            view.add_to(&mut spans);
            calls.rows += view.sum(ROWS);
            calls.slow += view.sum(SLOW);
        }
        calls.calls += spans.count();
        calls.first_row.merge(&spans);
        calls.last_row.merge(&spans);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    #[inline]
    pub(crate) fn count(&mut self, elapsed: Duration, rows: u64, slow: bool) {
        let Some(sheet) = &mut self.sheet else { return };
        sheet.add(ROWS, rows);
        if slow {
            sheet.add(SLOW, 1);
        }
        sheet.record(elapsed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(sheet) = self.sheet.take() {
            self.home.lock().free.push(sheet);
        }
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("sheet", &self.sheet).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tallies").field("all", &self.lock().all.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_is_used_again_and_keeps_what_it_counted() {
        let tallies = Arc::new(Tallies::default());
        let (mut one, mut two) = (tallies.tally(), tallies.tally());
        one.count(Duration::from_micros(5), 1, false);
        two.count(Duration::from_secs(2), 0, true);
        drop(one);
        let mut three = tallies.tally();
        three.count(Duration::from_micros(7), 2, false);
        let mut calls = CallStats::default();
        tallies.add_to(&mut calls);
        assert_eq!((calls.calls, calls.rows, calls.slow, calls.failures), (3, 3, 1, 0));
        assert_eq!(calls.first_row.sum(), Duration::from_micros(2_000_012));
        assert_eq!(calls.last_row.count(), 3);
        assert_eq!(tallies.lock().all.len(), 2);
    }
}
