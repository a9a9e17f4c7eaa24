//! What the pool decides. Events and the time come in, decisions go out; no clock, no lock, no task, no I/O.
//!
//! The shell (`pool`, `acquire`, `lease`, `task`, `maintenance`) holds one `State` under one mutex, calls one of these methods for each
//! event, and performs what `Out` says after it has let go of the mutex. Wakers and connections pass through as values, so a test can
//! use numbers for both.
//!
//! What always holds between two calls, and is tested by the model in `tests/model.rs`:
//! - connections, dials and goodbyes that count never exceed the limit, unless the limit was just lowered;
//! - while somebody waits, nothing is idle;
//! - a connection is in exactly one place: idle, lent, reserved for one waiter, or in one job.

mod adaptive;
mod backoff;
mod config;
mod dial;
mod elision;
mod report;
mod slots;
mod sweep;
mod waiters;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::{
    adaptive::Adaptive,
    backoff::Backoff,
    report::Counters,
    slots::{Phase, Slots},
    sweep::Timers,
    waiters::{Seat, Waiters},
};
pub(crate) use self::{
    config::{Config, GRACE, Passes},
    slots::SlotId,
    waiters::WaiterId,
};
use crate::{
    clock::Nanos,
    error::{AcquireError, DialError},
    hooks::ConnectionInfo,
    manage::{CloseReason, Fate},
    random::Random,
    stats::{Move, Warning},
};

pub(crate) struct State<C, W, E> {
    config: Config,
    /// The limit in force.
    limit: u32,
    closed: bool,
    slots: Slots<C>,
    waiters: Waiters<W, E>,
    /// Since when somebody has been waiting without a break; meaningless while nobody does.
    pressed_since: Nanos,
    random: Random,
    backoff: Backoff,
    last_error: Option<DialError<E>>,
    hold_usual: Option<u64>,
    connect_usual: Option<u64>,
    /// Sum of the moments at which the connections in use were lent, wrapping: gives their total age without a walk.
    lent_at: u64,
    counters: Counters,
    timers: Timers,
    adaptive: Adaptive,
    /// Jobs that need a runtime, left by whoever had none; at most one per slot.
    parked: Vec<Job<C, W>>,
}

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

    fn push(&mut self, job: Job<C, W>) {
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

    fn wake(&mut self, waker: Option<W>) {
        if let Some(waker) = waker {
            match self.wake {
                None => self.wake = Some(waker),
                Some(_) => self.push(Job::Wake(waker)),
            }
        }
    }
}

impl<C, W, E> State<C, W, E> {
    pub(crate) fn new(config: Config, seed: u64) -> State<C, W, E> {
        State {
            limit: if config.adaptive { config.adaptive_min } else { config.max_open },
            closed: false,
            slots: Slots::new(),
            waiters: Waiters::new(),
            pressed_since: Nanos::START,
            random: Random::new(seed),
            backoff: Backoff::new(),
            last_error: None,
            hold_usual: None,
            connect_usual: None,
            lent_at: 0,
            counters: Counters::new(),
            timers: Timers::new(),
            adaptive: Adaptive::new(),
            parked: Vec::new(),
            config,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The most recently returned connection, if nobody is before the caller and nothing has to be done to it first.
    // The hottest path there is: measured at 8 ns less when its result needs no memory.
    #[inline(always)]
    pub(crate) fn try_take(
        &mut self,
        now: Nanos,
        holder: &mut Option<Arc<str>>,
        out: &mut Out<C, W>,
    ) -> Option<Taken<C>> {
        if now >= self.timers.upkeep_at {
            out.upkeep = true;
        }
        if self.waiters.waiting() > 0 {
            return None;
        }
        let index = *self.slots.idle.last()?;
        let slot = self.slots.get_mut(index);
        if now >= slot.expires {
            return self.take_below(now, holder, out);
        }
        if now.since(slot.healthy) >= self.config.check_after {
            return None;
        }
        slot.holder = holder.take();
        self.slots.idle.pop();
        self.lend(index, now);
        self.fetch(index, 0)
    }

    /// As `try_take`, when the topmost connection has expired.
    #[cold]
    fn take_below(
        &mut self,
        now: Nanos,
        holder: &mut Option<Arc<str>>,
        out: &mut Out<C, W>,
    ) -> Option<Taken<C>> {
        while let Some(&index) = self.slots.idle.last()
            && now >= self.slots.get(index).expires
        {
            self.slots.idle.pop();
            self.close_slot(index, CloseReason::MaxLifetime, now, out);
        }
        self.take_late(now, holder, out)
    }

    /// `try_take` out of line.
    fn take_late(
        &mut self,
        now: Nanos,
        holder: &mut Option<Arc<str>>,
        out: &mut Out<C, W>,
    ) -> Option<Taken<C>> {
        self.try_take(now, holder, out)
    }

    /// Takes a connection or gets in line. The caller has a runtime; `watched` if the maintenance task runs on the same one, and
    /// so can look at the deadline: if that task stands still, so would a timer of the caller's own.
    #[expect(clippy::too_many_arguments, reason = "what a wait consists of")]
    pub(crate) fn join(
        &mut self,
        now: Nanos,
        started: Nanos,
        deadline: Nanos,
        mut holder: Option<Arc<str>>,
        watched: bool,
        waker: W,
        out: &mut Out<C, W>,
    ) -> Joined<C, E> {
        if self.closed {
            out.garbage = Some(waker);
            return Joined::Refused(AcquireError::Closed);
        }
        if let Some(taken) = self.take_late(now, &mut holder, out) {
            out.garbage = Some(waker);
            return Joined::Taken(taken);
        }
        if deadline <= now {
            out.garbage = Some(waker);
            return Joined::Refused(self.timed_out(now, started));
        }
        let waiting = self.waiters.waiting();
        if waiting >= self.config.max_waiters {
            out.garbage = Some(waker);
            self.counters.refused_queue_full += 1;
            let max_waiters = self.config.max_waiters;
            return Joined::Refused(AcquireError::QueueFull { waiting, max_waiters });
        }
        if waiting == 0 {
            self.pressed_since = now;
        }
        let timer = !(watched && self.watch_deadline(deadline, out));
        let id = self.waiters.join(waker, holder, started, deadline, timer);
        self.counters.wait_count += 1;
        self.pump(now, out);
        Joined::Waiting { id, timer }
    }

    /// What has become of a wait. After `Ready` and `Failed` the id is spent.
    pub(crate) fn poll(&mut self, id: WaiterId, out: &mut Out<C, W>) -> Polled<C, E> {
        if matches!(self.waiters.get(id).seat, Seat::Waiting) {
            return Polled::Pending;
        }
        match self.waiters.leave(id) {
            (Seat::Granted(index), joined, waker) => {
                out.garbage = waker;
                let waited = self.slots.get(index).since.since(joined);
                match self.fetch(index, waited) {
                    Some(taken) => Polled::Ready(taken),
                    None => Polled::Failed(AcquireError::Closed),
                }
            }
            (Seat::Failed(error), _, waker) => {
                out.garbage = waker;
                Polled::Failed(*error)
            }
            (Seat::Waiting | Seat::Vacant, ..) => Polled::Pending,
        }
    }

    /// As `poll`, but the budget is spent: there is always an outcome.
    pub(crate) fn expire(&mut self, id: WaiterId, now: Nanos, out: &mut Out<C, W>) -> Polled<C, E> {
        match self.poll(id, out) {
            Polled::Pending => {
                let (_, joined, waker) = self.waiters.leave(id);
                out.garbage = waker;
                self.counters.wait_nanos += now.since(joined);
                Polled::Failed(self.timed_out(now, joined))
            }
            decided => decided,
        }
    }

    /// The caller went away. A connection reserved for it goes to the next in line.
    pub(crate) fn cancel(&mut self, id: WaiterId, now: Nanos, out: &mut Out<C, W>) {
        let (seat, joined, waker) = self.waiters.leave(id);
        out.garbage = waker;
        match seat {
            Seat::Granted(index) => {
                // It was lent for nothing: neither a use nor a hold.
                let slot = self.slots.get_mut(index);
                self.lent_at = self.lent_at.wrapping_sub(slot.since.0);
                slot.uses -= 1;
                slot.holder = None;
                self.slots.set_phase(index, Phase::Idle, now);
                self.deliver(index, true, now, out);
                self.pump(now, out);
            }
            Seat::Waiting => {
                self.counters.wait_nanos += now.since(joined);
                // It may have been woken to look after parked jobs.
                if !self.parked.is_empty() {
                    self.call_for_help(out);
                }
            }
            Seat::Failed(_) | Seat::Vacant => {}
        }
    }

    /// From now on the caller looks at the deadline itself.
    pub(crate) fn use_timer(&mut self, id: WaiterId) {
        self.waiters.get_mut(id).timer = true;
    }

    pub(crate) fn set_waker(&mut self, id: WaiterId, waker: W, out: &mut Out<C, W>) {
        out.garbage = self.waiters.get_mut(id).waker.replace(waker);
    }

    /// The past of a lent connection, as it was when it was lent.
    pub(crate) fn history(&self, slot: SlotId) -> History {
        self.slots.get(slot.index).history()
    }

    /// A lease came back. Gives how long it was out.
    #[inline]
    pub(crate) fn release(
        &mut self,
        slot: SlotId,
        connection: C,
        fate: Fate,
        now: Nanos,
        out: &mut Out<C, W>,
    ) -> u64 {
        let index = slot.index;
        let slot = self.slots.get_mut(index);
        slot.connection = Some(connection);
        slot.holder = None;
        slot.reported = false;
        slot.rested = now;
        slot.healthy = now;
        let held = now.since(slot.since);
        let (phase, retire, expired) = (slot.phase, slot.retire, now >= slot.expires);
        self.counters.hold.record_nanos(held);
        if phase == Phase::Reclaimed {
            self.slots.set_phase(index, Phase::Leaving, now);
            self.send_off(index, CloseReason::Reclaimed, now, out);
            return held;
        }
        self.lent_at = self.lent_at.wrapping_sub(self.slots.get(index).since.0);
        follow(&mut self.hold_usual, held);
        let refused = match fate {
            Fate::Discard(reason) => Some(reason),
            _ if self.closed => Some(CloseReason::PoolClosed),
            _ if expired || retire => Some(CloseReason::MaxLifetime),
            _ if self.slots.staying() > self.limit => Some(CloseReason::Resized),
            _ => None,
        };
        if let Some(reason) = refused {
            self.close_slot(index, reason, now, out);
            return held;
        }
        let (check, hook) = (self.config.check_on_release, self.config.after_release);
        let recover = fate == Fate::Recover;
        if recover || check || hook {
            self.send(index, Phase::Recovering, Errand::Clean { recover, check, hook }, now, out);
            return held;
        }
        self.slots.counts.in_use -= 1;
        let slot = self.slots.get_mut(index);
        slot.phase = Phase::Idle;
        if self.waiters.waiting() == 0 {
            self.rest(index, now, out);
        } else {
            if self.config.check_after > 0 {
                self.hand_over(index, now, out);
            } else {
                self.deliver(index, false, now, out);
            }
            self.dial_for_waiters(now, out);
        }
        held
    }

    /// Work on a connection ended well.
    pub(crate) fn errand_done(
        &mut self,
        slot: SlotId,
        connection: C,
        errand: Errand,
        now: Nanos,
        out: &mut Out<C, W>,
    ) {
        if !self.slots.holds(slot) {
            self.orphan(connection, out);
            return;
        }
        let entry = self.slots.get_mut(slot.index);
        entry.connection = Some(connection);
        entry.healthy = now;
        if let Errand::Clean { .. } = errand {
            entry.rested = now;
        }
        self.slots.set_phase(slot.index, Phase::Idle, now);
        let prepared = match errand {
            Errand::Prepare { .. } => true,
            Errand::IdleCheck => !self.config.before_acquire,
            Errand::Clean { .. } => false,
        };
        self.deliver(slot.index, prepared, now, out);
        self.pump(now, out);
    }

    /// Work on a connection ended badly. With the connection, if it has not been dropped.
    pub(crate) fn errand_failed(
        &mut self,
        slot: SlotId,
        connection: Option<C>,
        reason: CloseReason,
        now: Nanos,
        out: &mut Out<C, W>,
    ) {
        if !self.slots.holds(slot) {
            if let Some(connection) = connection {
                self.orphan(connection, out);
            }
            return;
        }
        match connection {
            Some(connection) => {
                self.slots.get_mut(slot.index).connection = Some(connection);
                self.close_slot(slot.index, reason, now, out);
            }
            None => {
                self.counters.closed[reason as usize] += 1;
                self.slots.free(slot.index);
                self.drained(out);
            }
        }
        self.pump(now, out);
    }

    /// A connection has been closed, or dropped instead.
    pub(crate) fn gone(&mut self, slot: SlotId, now: Nanos, out: &mut Out<C, W>) {
        if self.slots.holds(slot) {
            self.slots.free(slot.index);
            self.drained(out);
            self.pump(now, out);
        }
    }

    /// No more acquires; what is idle goes now, the rest as it comes back.
    pub(crate) fn close(&mut self, now: Nanos, out: &mut Out<C, W>) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.timers.upkeep_at = Nanos::NEVER;
        out.hasten = true;
        out.add_jobs(std::mem::take(&mut self.parked));
        while let Some(waiter) = self.waiters.front() {
            self.counters.wait_nanos += now.since(waiter.joined);
            let waker = self.waiters.settle_front(Seat::Failed(Box::new(AcquireError::Closed)));
            out.wake(waker);
        }
        while let Some(index) = self.slots.idle.pop() {
            self.close_slot(index, CloseReason::PoolClosed, now, out);
        }
        for (index, slot) in self.slots.iter() {
            if slot.phase == Phase::Connecting {
                out.push(Job::Abort(self.slots.id(index)));
            }
        }
        self.drained(out);
    }

    /// Whether a closed pool has nothing left that could come back.
    pub(crate) fn is_drained(&self) -> bool {
        self.closed
            && self.slots.occupied() + self.slots.counts.reclaimed + self.slots.counts.leaving == 0
    }

    pub(crate) fn set_config(&mut self, config: Config, now: Nanos, out: &mut Out<C, W>) {
        let limit = match config.adaptive {
            true => self.limit.clamp(config.adaptive_min, config.max_open),
            false => config.max_open,
        };
        self.config = config;
        for index in 0..self.slots.len() {
            let slot = self.slots.get(index);
            let expires = self.expiry(slot.created, slot.spread);
            self.slots.get_mut(index).expires = expires;
        }
        self.timers.sweep_now(now);
        self.set_limit(limit, now, out);
        out.hasten = true;
    }

    /// Applies a limit: surplus idle connections go now, those in use as they come back.
    fn set_limit(&mut self, limit: u32, now: Nanos, out: &mut Out<C, W>) {
        self.limit = limit;
        while self.slots.staying() > self.limit && !self.slots.idle.is_empty() {
            let index = self.slots.idle.remove(0);
            self.close_slot(index, CloseReason::Resized, now, out);
        }
        while self.slots.idle.len() > self.config.max_idle as usize {
            let index = self.slots.idle.remove(0);
            self.close_slot(index, CloseReason::MaxIdle, now, out);
        }
        self.pump(now, out);
    }

    /// Whether parked jobs or a missing maintenance task ask for somebody with a runtime.
    pub(crate) fn needs_upkeep(&self) -> bool {
        self.timers.upkeep_at == Nanos::START
    }

    pub(crate) fn is_upkeep_due(&self, now: Nanos) -> bool {
        now >= self.timers.upkeep_at
    }

    /// Connections of a closed pool that are neither lent nor gone.
    pub(crate) fn unfinished(&self) -> u32 {
        self.slots.occupied() + self.slots.counts.leaving - self.slots.counts.in_use
    }

    /// Leaves jobs for whoever comes with a runtime.
    pub(crate) fn park(&mut self, job: Job<C, W>, out: &mut Out<C, W>) {
        self.parked.push(job);
        self.timers.upkeep_at = Nanos::START;
        self.call_for_help(out);
    }

    pub(crate) fn take_parked(&mut self) -> Vec<Job<C, W>> {
        let parked = std::mem::take(&mut self.parked);
        self.timers.upkeep_at = self.timers.upkeep_due();
        parked
    }

    /// Wakes somebody who may have a runtime, without an outcome.
    fn call_for_help(&mut self, out: &mut Out<C, W>) {
        out.hasten = true;
        if let Some(waiter) = self.waiters.front() {
            let waker = waiter.waker.take();
            out.wake(waker);
        }
    }

    /// Serves waiters from what is idle, then dials for the rest.
    fn pump(&mut self, now: Nanos, out: &mut Out<C, W>) {
        while self.waiters.waiting() > self.slots.counts.checking {
            let Some(index) = self.slots.idle.pop() else { break };
            self.deliver(index, false, now, out);
        }
        self.dial_for_waiters(now, out);
    }

    /// Finds a place for a connection that is in none: the first waiter, the idle stack, or the way out.
    fn deliver(&mut self, index: u32, prepared: bool, now: Nanos, out: &mut Out<C, W>) {
        let slot = self.slots.get_mut(index);
        slot.phase = Phase::Idle;
        let (expired, retire) = (now >= slot.expires, slot.retire);
        let unchecked = now.since(slot.healthy);
        let refused = if self.closed {
            Some(CloseReason::PoolClosed)
        } else if expired || retire {
            Some(CloseReason::MaxLifetime)
        } else if self.slots.staying() >= self.limit {
            // It is in no count at the moment.
            Some(CloseReason::Resized)
        } else {
            None
        };
        if let Some(reason) = refused {
            self.close_slot(index, reason, now, out);
            return;
        }
        if !prepared && unchecked >= self.config.check_after {
            self.drop_expired_waiters(now, out);
            if self.waiters.waiting() > 0 {
                let check = self.config.check_on_acquire || unchecked >= self.config.check_idle;
                let errand = Errand::Prepare { check, hook: self.config.before_acquire };
                self.send(index, Phase::Checking, errand, now, out);
                return;
            }
        }
        self.hand_over(index, now, out);
    }

    /// Reserves a connection that is fit to be lent for the first in line, or puts it on the idle stack.
    #[inline]
    fn hand_over(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        self.drop_expired_waiters(now, out);
        let Some(waiter) = self.waiters.front() else {
            self.rest(index, now, out);
            return;
        };
        let (holder, waited) = (waiter.holder.take(), now.since(waiter.joined));
        self.counters.wait_nanos += waited;
        self.slots.get_mut(index).holder = holder;
        self.lend(index, now);
        let waker = self.waiters.settle_front(Seat::Granted(index));
        out.wake(waker);
    }

    /// A caller whose budget is spent would fail anyway: the connection goes to one that can use it.
    #[inline]
    fn drop_expired_waiters(&mut self, now: Nanos, out: &mut Out<C, W>) {
        while let Some(index) = self.waiters.first()
            && self.waiters.at(index).deadline <= now
        {
            self.time_out(index, now, out);
        }
    }

    /// Refuses one that is in line, because its budget is spent.
    fn time_out(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        let joined = self.waiters.at(index).joined;
        self.counters.wait_nanos += now.since(joined);
        // It leaves the line first: the report tells of the others.
        let waker = self.waiters.settle(index, Seat::Waiting);
        let error = self.timed_out(now, joined);
        self.waiters.at_mut(index).seat = Seat::Failed(Box::new(error));
        out.wake(waker);
    }

    /// Puts a connection on the idle stack, or closes it if that is full.
    #[inline]
    fn rest(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        if self.slots.idle.len() >= self.config.max_idle as usize {
            self.close_slot(index, CloseReason::MaxIdle, now, out);
            return;
        }
        self.slots.rest(index);
        self.timers.idle_peak = self.timers.idle_peak.max(self.slots.idle.len() as u32);
    }

    /// Makes a connection in phase `Idle` count as lent.
    #[inline]
    fn lend(&mut self, index: u32, now: Nanos) {
        let slot = self.slots.get_mut(index);
        slot.phase = Phase::InUse;
        slot.since = now;
        slot.uses += 1;
        self.lent_at = self.lent_at.wrapping_add(now.0);
        self.slots.counts.in_use += 1;
        self.timers.in_use_peak = self.timers.in_use_peak.max(self.slots.counts.in_use);
    }

    /// Takes a lent connection out of its slot.
    #[inline]
    fn fetch(&mut self, index: u32, waited: u64) -> Option<Taken<C>> {
        let id = self.slots.id(index);
        let slot = self.slots.get_mut(index);
        let connection = slot.connection.take()?;
        let at = slot.since;
        if waited == 0 {
            self.counters.acquired_at_once += 1;
        } else {
            self.counters.waited(waited, self.config.warn_wait);
        }
        Some(Taken { connection, slot: id, at, waited })
    }

    /// Begins a piece of work on a connection that is in its slot.
    fn send(&mut self, index: u32, phase: Phase, errand: Errand, now: Nanos, out: &mut Out<C, W>) {
        self.slots.set_phase(index, phase, now);
        let (slot, info) = (self.slots.id(index), self.info(index, now));
        if let Some(connection) = self.slots.get_mut(index).connection.take() {
            out.push(Job::Errand { slot, connection, errand, info });
        }
    }

    /// Begins to close a connection that is in its slot and on no list.
    fn close_slot(&mut self, index: u32, reason: CloseReason, now: Nanos, out: &mut Out<C, W>) {
        self.slots.set_phase(index, Phase::Closing, now);
        self.send_off(index, reason, now, out);
    }

    fn send_off(&mut self, index: u32, reason: CloseReason, now: Nanos, out: &mut Out<C, W>) {
        self.counters.closed[reason as usize] += 1;
        let (slot, info) = (Some(self.slots.id(index)), self.info(index, now));
        if let Some(connection) = self.slots.get_mut(index).connection.take() {
            out.push(Job::Close { slot, connection, reason, info });
        }
    }

    /// The late result of work that had been given up: its slot may serve another connection by now.
    fn orphan(&mut self, connection: C, out: &mut Out<C, W>) {
        let info =
            ConnectionInfo { id: 0, age: Default::default(), idle: Default::default(), uses: 0 };
        out.push(Job::Close { slot: None, connection, reason: CloseReason::RuntimeGone, info });
    }

    fn info(&self, index: u32, now: Nanos) -> ConnectionInfo {
        self.slots.get(index).history().info(now)
    }

    fn drained(&self, out: &mut Out<C, W>) {
        out.drained |= self.is_drained();
    }
}

/// A running mean that follows by an eighth.
#[inline]
fn follow(mean: &mut Option<u64>, sample: u64) {
    *mean = Some(match *mean {
        None => sample,
        Some(mean) => mean - mean / 8 + sample / 8,
    });
}
