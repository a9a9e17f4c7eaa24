//! A borrowed connection.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    clock::Nanos,
    hooks::ConnectionInfo,
    manage::{CloseReason, Fate, Manage},
    pool::{Shared, quietly},
    state::{Out, SlotId, Taken},
};

/// A connection borrowed from a [`Pool`](crate::Pool); it goes back when this is dropped.
///
/// It borrows the handle that it came from, so that lending counts no reference to the pool (measured: 13 of 100 ns);
/// [`into_owned`](Lease::into_owned) gives one that stands alone, to be kept or sent to another task.
///
/// It belongs to the holder alone, for as long as the holder likes, even after the pool was closed. Dropping it works anywhere: in a
/// runtime, in another one, in none, while panicking. If the connection then needs work that only a runtime can do, it waits for the
/// next task that comes to the pool from one.
pub struct Lease<'p, M: Manage> {
    /// There until the lease ends.
    connection: Option<M::Connection>,
    home: Home<'p, M>,
    slot: SlotId,
    at: Nanos,
    waited: u64,
}

/// The pool that a lease goes back to.
enum Home<'p, M: Manage> {
    Borrowed(&'p Arc<Shared<M>>),
    Owned(Arc<Shared<M>>),
}

/// What the end of a lease measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// How long the connection was held.
    pub held: Duration,
    /// When it was given back.
    pub at: Instant,
}

impl<'p, M: Manage> Lease<'p, M> {
    #[inline]
    pub(crate) fn new(shared: &'p Arc<Shared<M>>, taken: Taken<M::Connection>) -> Lease<'p, M> {
        let Taken { connection, slot, at, waited } = taken;
        Lease { connection: Some(connection), home: Home::Borrowed(shared), slot, at, waited }
    }

    /// The same lease with a reference of its own to the pool.
    #[must_use]
    #[inline]
    pub fn into_owned(mut self) -> Lease<'static, M> {
        Lease {
            connection: self.connection.take(),
            home: Home::Owned(Arc::clone(self.shared())),
            slot: self.slot,
            at: self.at,
            waited: self.waited,
        }
    }

    #[inline]
    fn shared(&self) -> &Arc<Shared<M>> {
        match &self.home {
            Home::Borrowed(shared) => shared,
            Home::Owned(shared) => shared,
        }
    }

    /// The connection's number, age, idle time before this lease, and how often it was lent, this time included.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        self.shared().lock().state.history(self.slot).info(self.at)
    }

    /// When the connection was handed over: the clock was read then anyway.
    #[must_use]
    pub fn acquired_at(&self) -> Instant {
        self.shared().instant(self.at)
    }

    /// How long the acquire waited in the queue.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited)
    }

    /// Whether the slot was given to others meanwhile (`reclaim_after`); the connection will be closed when it comes back.
    #[must_use]
    pub fn is_reclaimed(&self) -> bool {
        self.shared().lock().state.is_reclaimed(self.slot)
    }

    /// Gives the connection back now, and what was measured.
    pub fn release(mut self) -> Released {
        self.finish(None, |_, _| {})
    }

    /// As [`release`](Lease::release), with a last word to the connection: `last` gets it and how long it was held, after the
    /// manager has judged it and before it goes back. For bookkeeping in the connection itself; it must not block.
    #[inline]
    pub fn release_with(mut self, last: impl FnOnce(&mut M::Connection, Duration)) -> Released {
        self.finish(None, last)
    }

    /// Gives the connection back to be closed.
    pub fn discard(mut self, reason: CloseReason) -> Released {
        self.finish(Some(reason), |_, _| {})
    }

    #[inline]
    fn finish(
        &mut self,
        discard: Option<CloseReason>,
        last: impl FnOnce(&mut M::Connection, Duration),
    ) -> Released {
        let (held, at) = match self.connection.take() {
            Some(connection) => self.give_back(connection, discard, last),
            None => (0, self.at),
        };
        Released { held: Duration::from_nanos(held), at: self.shared().instant(at) }
    }

    #[inline]
    fn give_back(
        &self,
        mut connection: M::Connection,
        discard: Option<CloseReason>,
        last: impl FnOnce(&mut M::Connection, Duration),
    ) -> (u64, Nanos) {
        let shared = self.shared();
        // Foreign code may panic; the connection goes back all the same.
        let judged = quietly(|| {
            let fate = match discard {
                Some(reason) => Fate::Discard(reason),
                None => shared.manager.on_release(&mut connection),
            };
            let now = shared.now();
            last(&mut connection, self.at.until(now));
            (fate, now)
        });
        let (fate, now) =
            judged.unwrap_or_else(|| (Fate::Discard(CloseReason::Broken), shared.now()));
        let mut out = Out::new();
        let held = shared.lock().state.release(self.slot, connection, fate, now, &mut out);
        shared.run(out);
        (held, now)
    }
}

impl<M: Manage> Drop for Lease<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection, None, |_, _| {});
        }
    }
}

impl<M: Manage> Deref for Lease<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        match &self.connection {
            Some(connection) => connection,
            // Only methods that consume the lease take it.
            None => unreachable!("a lease has its connection until it ends"),
        }
    }
}

impl<M: Manage> DerefMut for Lease<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("a lease has its connection until it ends"),
        }
    }
}

impl<M: Manage> fmt::Debug for Lease<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("info", &self.info())
            .field("waited", &self.waited())
            .finish_non_exhaustive()
    }
}
