//! Closing a pool gracefully.

use std::{pin::pin, time::Duration};

use tokio::{runtime::Handle as Runtime, time::timeout};

use crate::{error::Holder, manage::Manage, pool::Pool};

/// What was still there when [`Pool::close`] stopped waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReport {
    /// Who still holds connections, the longest first. They are closed as they come back.
    pub holders: Vec<Holder>,
    /// Connections whose goodbye or cleaning was still under way; their budgets end it.
    pub unfinished: u32,
}

impl CloseReport {
    /// Whether every connection was closed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.holders.is_empty() && self.unfinished == 0
    }
}

impl<M: Manage> Pool<M> {
    /// Closes the pool for all its handles: callers that wait and those that come fail at once, dials are aborted, idle connections
    /// are closed; then waits up to `within` for those that are lent.
    ///
    /// May be called several times, at the same time as well. Dropped: the pool is closed all the same, only the waiting ends.
    /// Outside a tokio runtime it does not wait.
    pub async fn close(&self, within: Duration) -> CloseReport {
        let shared = self.shared();
        shared.shut();
        if Runtime::try_current().is_ok() {
            let drained = async {
                loop {
                    let mut notified = pin!(shared.drained.notified());
                    // Registered before the look, so that the last return cannot slip between the two.
                    notified.as_mut().enable();
                    if shared.lock().state.is_drained() {
                        return;
                    }
                    notified.await;
                }
            };
            // What is left when time is up is in the report.
            let _in_time = timeout(within, drained).await;
        }
        let now = shared.now();
        let core = shared.lock();
        CloseReport {
            holders: core.state.holders(now, 0, usize::MAX),
            unfinished: core.state.unfinished(),
        }
    }

    /// Closes the pool as [`close`](Pool::close) does, without waiting for anything.
    pub fn close_now(&self) {
        self.shared().shut();
    }
}
