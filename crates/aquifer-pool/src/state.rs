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
mod deadlock;
mod dial;
mod elision;
mod limits;
mod out;
mod queue;
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
    deadlock::Keeper,
    report::Counters,
    slots::{Phase, Slots},
    sweep::Timers,
    waiters::{Seat, Waiters},
};
pub(crate) use self::{
    config::{Config, GRACE, Passes},
    deadlock::Kept,
    out::{Errand, History, Job, Joined, Out, Polled, Taken},
    slots::SlotId,
    waiters::WaiterId,
};
use crate::{
    clock::Nanos,
    error::DialError,
    hooks::ConnectionInfo,
    manage::{CloseReason, Fate},
    random::Random,
};

pub(crate) struct State<C, W, E> {
    config: Config,
    /// The limit in force.
    limit: u32,
    closed: bool,
    slots: Slots<C>,
    waiters: Waiters<W, E>,
    /// Those of them that keep a lease, and perhaps some that have ended.
    keepers: Vec<Keeper>,
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

impl<C, W, E> State<C, W, E> {
    pub(crate) fn new(config: Config, seed: u64) -> State<C, W, E> {
        State {
            limit: if config.adaptive { config.adaptive_min } else { config.max_open },
            closed: false,
            slots: Slots::new(),
            waiters: Waiters::new(),
            keepers: Vec::new(),
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
        } else if self.config.check_after > 0 {
            // One waiter fewer is no reason to dial: those who join, and time, are.
            self.hand_over(index, now, out);
        } else {
            self.deliver(index, false, now, out);
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

    /// Whether parked jobs or a missing maintenance task ask for somebody with a runtime.
    pub(crate) fn needs_upkeep(&self) -> bool {
        self.timers.upkeep_at == Nanos::START
    }

    pub(crate) fn is_upkeep_due(&self, now: Nanos) -> bool {
        now >= self.timers.upkeep_at
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
}

/// A running mean that follows by an eighth.
#[inline]
fn follow(mean: &mut Option<u64>, sample: u64) {
    *mean = Some(match *mean {
        None => sample,
        Some(mean) => mean - mean / 8 + sample / 8,
    });
}
