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
/// It belongs to the holder alone, for as long as the holder likes, even after the pool was closed. Dropping it works anywhere: in a
/// runtime, in another one, in none, while panicking. If the connection then needs work that only a runtime can do, it waits for the
/// next task that comes to the pool from one.
pub struct Lease<M: Manage> {
    /// There until the lease ends.
    connection: Option<M::Connection>,
    shared: Arc<Shared<M>>,
    slot: SlotId,
    at: Nanos,
    waited: u64,
}

/// What the end of a lease measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// How long the connection was held.
    pub held: Duration,
    /// When it was given back.
    pub at: Instant,
}

impl<M: Manage> Lease<M> {
    #[inline]
    pub(crate) fn new(shared: Arc<Shared<M>>, taken: Taken<M::Connection>) -> Lease<M> {
        let Taken { connection, slot, at, waited } = taken;
        Lease { connection: Some(connection), shared, slot, at, waited }
    }

    /// The connection's number, age, idle time before this lease, and how often it was lent, this time included.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        self.shared.lock().state.history(self.slot).info(self.at)
    }

    /// When the connection was handed over: the clock was read then anyway.
    #[must_use]
    pub fn acquired_at(&self) -> Instant {
        self.shared.instant(self.at)
    }

    /// How long the acquire waited in the queue.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited)
    }

    /// Whether the slot was given to others meanwhile (`reclaim_after`); the connection will be closed when it comes back.
    #[must_use]
    pub fn is_reclaimed(&self) -> bool {
        self.shared.lock().state.is_reclaimed(self.slot)
    }

    /// Gives the connection back now, and what was measured.
    pub fn release(mut self) -> Released {
        self.finish(None)
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
        Released { held: Duration::from_nanos(held), at: self.shared.instant(at) }
    }

    #[inline]
    fn give_back(
        &self,
        mut connection: M::Connection,
        discard: Option<CloseReason>,
    ) -> (u64, Nanos) {
        let shared = &self.shared;
        let fate = match discard {
            Some(reason) => Fate::Discard(reason),
            None => quietly(|| shared.manager.on_release(&mut connection))
                .unwrap_or(Fate::Discard(CloseReason::Broken)),
        };
        let now = shared.now();
        let mut out = Out::new();
        let held = shared.lock().state.release(self.slot, connection, fate, now, &mut out);
        shared.run(out);
        (held, now)
    }
}

impl<M: Manage> Drop for Lease<M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection, None);
        }
    }
}

impl<M: Manage> Deref for Lease<M> {
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

impl<M: Manage> DerefMut for Lease<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("a lease has its connection until it ends"),
        }
    }
}

impl<M: Manage> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("info", &self.info())
            .field("waited", &self.waited())
            .finish_non_exhaustive()
    }
}
