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
    scope::LeaseScope,
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

    /// For work during which this lease is kept: a wait within it that could never end is an error at once.
    #[must_use]
    pub fn scope(&self) -> LeaseScope<M> {
        let kept = self.shared().lock().state.kept(self.slot);
        LeaseScope::new(self.shared(), kept)
    }

    /// Gives the slot to others while the connection is kept, which is of no more use, and will be closed when it comes back: so that
    /// whoever holds it can wait for another one. False, and nothing has changed, if as many as `reclaim_max` are out like this.
    pub fn surrender(&mut self) -> bool {
        let shared = self.shared();
        let now = shared.now();
        let mut out = Out::new();
        let surrendered = shared.lock().state.surrender(self.slot, now, &mut out);
        shared.run(out);
        surrendered
    }

    /// Gives the connection back now, and what was measured.
    pub fn release(mut self) -> Released {
        self.finish(None)
    }

    /// Gives the connection back after a last word to it: `last` gets it and how long it was held. For bookkeeping in the
    /// connection itself, which then needs no other reading of the clock; it must not block.
    #[inline]
    pub fn release_with(mut self, last: impl FnOnce(&mut M::Connection, Duration)) {
        let Some(connection) = &mut self.connection else { return };
        let shared: &Arc<Shared<M>> = match &self.home {
            Home::Borrowed(shared) => shared,
            Home::Owned(shared) => shared,
        };
        let fate = judge(shared, connection);
        let now = shared.now();
        // Should this panic, the connection is still here to be given back.
        last(connection, self.at.until(now));
        if let Some(connection) = self.connection.take() {
            put_back(shared, self.slot, connection, fate, now);
        }
    }

    /// Gives the connection back to be closed.
    pub fn discard(mut self, reason: CloseReason) -> Released {
        self.finish(Some(reason))
    }

    fn finish(&mut self, discard: Option<CloseReason>) -> Released {
        let (held, at) = match self.connection.take() {
            Some(connection) => self.give_back(connection, discard),
            None => (0, self.at),
        };
        Released { held: Duration::from_nanos(held), at: self.shared().instant(at) }
    }

    #[inline]
    fn give_back(
        &self,
        mut connection: M::Connection,
        discard: Option<CloseReason>,
    ) -> (u64, Nanos) {
        let shared = self.shared();
        let fate = match discard {
            Some(reason) => Fate::Discard(reason),
            None => judge(shared, &mut connection),
        };
        let now = shared.now();
        (put_back(shared, self.slot, connection, fate, now), now)
    }
}

/// What the manager says of a connection that comes back. Foreign code may panic; the connection goes back all the same.
#[inline]
fn judge<M: Manage>(shared: &Shared<M>, connection: &mut M::Connection) -> Fate {
    quietly(|| shared.manager.on_release(connection)).unwrap_or(Fate::Discard(CloseReason::Broken))
}

#[inline(always)]
fn put_back<M: Manage>(
    shared: &Arc<Shared<M>>,
    slot: SlotId,
    connection: M::Connection,
    fate: Fate,
    now: Nanos,
) -> u64 {
    let mut out = Out::new();
    let held = shared.lock().state.release(slot, connection, fate, now, &mut out);
    shared.run(out);
    held
}

impl<M: Manage> Drop for Lease<'_, M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection, None);
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
