//! Connections on demand, before anybody needs them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::runtime::Handle as Runtime;

use crate::{
    error::{AcquireError, DialError},
    manage::Manage,
    pool::Pool,
    state::Out,
};

/// What [`Pool::warm_up`] achieved.
#[derive(Clone, Debug)]
pub struct WarmUpReport<E> {
    /// Connections asked for, cut down to the limit.
    pub wanted: u32,
    /// Connections established now, whoever dialled them.
    pub open: u32,
    /// Dials of this warm-up that succeeded.
    pub opened: u32,
    /// Dials of this warm-up that failed.
    pub failed: u32,
    /// What the last failed one said.
    pub last_error: Option<DialError<E>>,
}

impl<E> WarmUpReport<E> {
    /// Whether as many connections are open as were wanted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.open >= self.wanted
    }
}

/// The dials of one warm-up; they report here, even if nobody waits any more.
pub(crate) struct Batch<E> {
    tally: Mutex<Tally<E>>,
}

struct Tally<E> {
    pending: u32,
    opened: u32,
    failed: u32,
    last_error: Option<DialError<E>>,
}

impl<E> Batch<E> {
    fn new() -> Batch<E> {
        Batch { tally: Mutex::new(Tally { pending: 0, opened: 0, failed: 0, last_error: None }) }
    }

    fn lock(&self) -> MutexGuard<'_, Tally<E>> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opened(&self) {
        let mut tally = self.lock();
        tally.pending -= 1;
        tally.opened += 1;
    }

    pub(crate) fn failed(&self, error: DialError<E>) {
        let mut tally = self.lock();
        tally.pending -= 1;
        tally.failed += 1;
        tally.last_error = Some(error);
    }
}

impl<M: Manage> Pool<M> {
    /// Dials until `n` connections are open, `max_connecting` at a time, each with the hooks around a dial, never above the limit.
    ///
    /// Stops at the first failure, after the dials under way. Dropped: those dials go on, no further ones start.
    ///
    /// # Errors
    /// The pool is closed, or there is no tokio runtime. Failed dials are no error but part of the report.
    pub async fn warm_up(&self, n: u32) -> Result<WarmUpReport<M::Error>, AcquireError<M::Error>> {
        let shared = self.shared();
        let runtime = Runtime::try_current().map_err(|_| AcquireError::NoRuntime)?;
        let batch = Arc::new(Batch::new());
        let mut attempts = n;
        loop {
            let mut dialled = pin!(shared.dialled.notified());
            dialled.as_mut().enable();
            let now = shared.now();
            let (mut out, mut slots) = (Out::new(), Vec::new());
            let (wanted, open, connecting) = {
                let mut core = shared.lock();
                if core.state.is_closed() {
                    return Err(AcquireError::Closed);
                }
                let wanted = n.min(core.state.limit());
                while attempts > 0 && core.state.staying() < wanted {
                    let Some(slot) = core.state.dial_on_demand(now, &mut out) else { break };
                    slots.push(slot);
                    attempts -= 1;
                }
                let connecting = core.state.connecting();
                (wanted, core.state.staying() - connecting, connecting)
            };
            batch.lock().pending += slots.len() as u32;
            for slot in slots {
                shared.start_dial(slot, Some(Arc::clone(&batch)), &runtime);
            }
            // The maintenance task has to know of the new connections.
            out.upkeep |= shared.lock().state.is_upkeep_due(now);
            shared.run(out);
            {
                let tally = batch.lock();
                let over = tally.failed > 0 || attempts == 0 || open >= wanted || connecting == 0;
                if tally.pending == 0 && over {
                    return Ok(WarmUpReport {
                        wanted,
                        open,
                        opened: tally.opened,
                        failed: tally.failed,
                        last_error: tally.last_error.clone(),
                    });
                }
            }
            dialled.await;
        }
    }
}
