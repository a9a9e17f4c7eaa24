//! What the decisions are told in: what to do, and what came of a request.

use super::{SlotId, WaiterId};
use crate::{
    clock::Nanos,
    error::AcquireError,
    hooks::ConnectionInfo,
    manage::CloseReason,
    stats::{Move, Warning},
};

/// What to do once the lock is released.
pub(crate) struct Out<C, W> {
    /// One waker is the common case and must not allocate.
    pub(crate) wake: Option<W>,
    /// Wakers are foreign code even when they are dropped.
    pub(crate) garbage: Option<W>,
    /// The maintenance task sleeps for longer than it should now.
    pub(crate) hasten: bool,
    /// The maintenance task is missing, or jobs are parked.
    pub(crate) upkeep: bool,
    /// The last connection of a closed pool is gone.
    pub(crate) drained: bool,
    /// Boxed because it is empty nearly always, and then costs one word to make and to drop.
    #[expect(clippy::box_collection, reason = "see above")]
    jobs: Option<Box<Vec<Job<C, W>>>>,
}

pub(crate) enum Job<C, W> {
    Wake(W),
    Dial(SlotId),
    Errand {
        slot: SlotId,
        connection: C,
        errand: Errand,
        info: ConnectionInfo,
    },
    /// Without a slot: the late result of work that had been given up.
    Close {
        slot: Option<SlotId>,
        connection: C,
        reason: CloseReason,
        info: ConnectionInfo,
    },
    /// Stop the task that works for this slot.
    Abort(SlotId),
    Warn(Warning),
    Moved(Move),
}

/// Work on a connection that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// On the way to a caller.
    Prepare { check: bool, hook: bool },
    /// In the background.
    IdleCheck,
    /// On the way back.
    Clean { recover: bool, check: bool, hook: bool },
}

/// A connection on its way to a caller.
pub(crate) struct Taken<C> {
    pub(crate) connection: C,
    pub(crate) slot: SlotId,
    pub(crate) at: Nanos,
    pub(crate) waited: u64,
}

/// A connection's past, in the pool's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) id: u64,
    pub(crate) created: Nanos,
    /// When it last came back; its idle time counts from here.
    pub(crate) rested: Nanos,
    pub(crate) uses: u64,
}

impl History {
    pub(crate) fn info(&self, now: Nanos) -> ConnectionInfo {
        let age = self.created.until(now);
        // A replacement takes over the idle time of its predecessor.
        let idle = self.rested.until(now).min(age);
        ConnectionInfo { id: self.id, age, idle, uses: self.uses }
    }
}

/// What a look at a wait found.
pub(crate) enum Polled<C, E> {
    Ready(Taken<C>),
    Failed(AcquireError<E>),
    Pending,
}

/// What joining the queue led to.
pub(crate) enum Joined<C, E> {
    Taken(Taken<C>),
    /// `timer`: nobody else looks at the deadline, the caller has to.
    Waiting {
        id: WaiterId,
        timer: bool,
    },
    Refused(AcquireError<E>),
}

impl<C, W> Out<C, W> {
    #[inline]
    pub(crate) fn new() -> Out<C, W> {
        Out { wake: None, garbage: None, hasten: false, upkeep: false, drained: false, jobs: None }
    }

    /// Whether there is nothing to do and nothing to drop.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        self.wake.is_none() && self.garbage.is_none() && self.is_light()
    }

    /// Whether there is nothing to do but perhaps wake one waiter.
    #[inline]
    pub(crate) fn is_light(&self) -> bool {
        !(self.hasten || self.upkeep || self.drained) && self.jobs.is_none()
    }

    pub(super) fn push(&mut self, job: Job<C, W>) {
        self.jobs.get_or_insert_default().push(job);
    }

    pub(crate) fn take_jobs(&mut self) -> Vec<Job<C, W>> {
        self.jobs.take().map_or_else(Vec::new, |jobs| *jobs)
    }

    pub(crate) fn add_jobs(&mut self, mut jobs: Vec<Job<C, W>>) {
        if !jobs.is_empty() {
            self.jobs.get_or_insert_default().append(&mut jobs);
        }
    }

    pub(super) fn wake(&mut self, waker: Option<W>) {
        if let Some(waker) = waker {
            match self.wake {
                None => self.wake = Some(waker),
                Some(_) => self.push(Job::Wake(waker)),
            }
        }
    }
}
