//! Stopping a command from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use aquifer_driver::{BoxFuture, Cancel};

use super::fault::{Event, Fault, Operation};
use super::server::Shared;

/// What a connection and its cancellers share.
#[derive(Debug, Default)]
pub(super) struct Ticket(Mutex<Slip>);

#[derive(Debug, Default)]
struct Slip {
    /// The command under way; 0 if none is.
    running: u64,
    /// The last command that someone wanted stopped.
    cancelled: u64,
    waker: Option<Waker>,
    /// Requests that have not arrived, nor been lost.
    on_their_way: usize,
}

impl Ticket {
    fn slip(&self) -> MutexGuard<'_, Slip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, number: u64) {
        self.slip().running = number;
    }

    pub(super) fn end(&self) {
        let mut slip = self.slip();
        slip.running = 0;
        slip.waker = None;
    }

    /// Keeps the waker for a cancel; true if one has come already.
    pub(super) fn is_cancelled(&self, waker: &Waker) -> bool {
        let mut slip = self.slip();
        if slip.running != 0 && slip.cancelled == slip.running {
            return true;
        }
        match &mut slip.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    /// A request has been met: it hits nothing else.
    pub(super) fn is_met(&self, number: u64) {
        self.slip().running = number;
    }

    /// Whether a request may still arrive.
    pub(super) fn is_awaited(&self) -> bool {
        self.slip().on_their_way > 0
    }

    fn running(&self) -> u64 {
        self.slip().running
    }

    /// Stops that command, if it is still the one under way.
    fn cancel(&self, number: u64) -> bool {
        let waker = {
            let mut slip = self.slip();
            if number == 0 || slip.running != number {
                return false;
            }
            slip.cancelled = number;
            slip.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// A request on its way.
struct Request(Arc<Ticket>);

impl Request {
    fn new(ticket: &Arc<Ticket>) -> Self {
        ticket.slip().on_their_way += 1;
        Self(Arc::clone(ticket))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let waker = {
            let mut slip = self.0.slip();
            slip.on_their_way -= 1;
            slip.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The driver's side of a canceller.
pub(super) struct FakeCancel {
    pub(super) connection: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) ticket: Arc<Ticket>,
}

impl Cancel for FakeCancel {
    fn cancel(&self) -> BoxFuture<'static, ()> {
        // The command is fixed now: a request that travels slowly must not hit a later one.
        let number = self.ticket.running();
        self.shared.state().counters.cancels += 1;
        let ordeal = self.shared.arrive(&Event {
            connection: self.connection,
            operation: Operation::Cancel,
            sql: None,
        });
        let shared = Arc::clone(&self.shared);
        let ticket = Arc::clone(&self.ticket);
        let hit = move || {
            if ticket.cancel(number) {
                shared.state().counters.cancels_hit += 1;
            }
        };
        if ordeal.is_nothing() {
            hit();
            return Box::pin(std::future::ready(()));
        }
        let request = Request::new(&self.ticket);
        Box::pin(async move {
            let _request = request;
            match ordeal.endure().await {
                None => hit(),
                Some(Fault::Panic) => panic!("injected: the cancel panics"),
                // The request was lost on its way.
                Some(_) => {}
            }
        })
    }
}
