//! Dials: how many, when, and what becomes of their results.

use super::{
    Job, Out, SlotId, State, elision, elision::Demand, follow, slots::Phase, waiters::Seat,
};
use crate::{
    clock::Nanos,
    error::{AcquireError, DialError},
    manage::CloseReason,
};

impl<C, W, E> State<C, W, E> {
    /// Starts the dials that would help those who wait, and arranges for another look if the answer may change by itself.
    #[inline]
    pub(super) fn dial_for_waiters(&mut self, now: Nanos, out: &mut Out<C, W>) {
        if self.waiters.waiting() > 0 && self.room() > 0 && !self.closed {
            self.consider_dials(now, out);
        }
    }

    #[cold]
    fn consider_dials(&mut self, now: Nanos, out: &mut Out<C, W>) {
        if now < self.backoff.next_try {
            self.look_again(self.backoff.next_try, out);
            return;
        }
        let waiting = self.waiters.waiting();
        let counts = self.slots.counts;
        let demand = Demand {
            enabled: self.config.elide_dials,
            waiting,
            connecting: counts.connecting,
            checking: counts.checking,
            busy: counts.in_use + counts.recovering,
            hold: self.hold_usual,
            held: self.held_by_all(now).checked_div(u64::from(counts.in_use)).unwrap_or(0),
            connect: self.connect_usual,
            pressed: now.since(self.pressed_since),
        };
        for _ in 0..elision::dials(&demand).min(self.room()) {
            self.dial(None, now, out);
        }
        if waiting > self.slots.counts.connecting && self.room() > 0 {
            self.look_again(self.pressed_since.after(elision::patience(self.connect_usual)), out);
        }
    }

    /// How many dials may start now.
    #[inline]
    pub(super) fn room(&self) -> u32 {
        // While dials fail, one at a time finds out as much as many.
        let parallel = if self.backoff.failures > 0 { 1 } else { self.config.max_connecting };
        let free = self.limit.saturating_sub(self.slots.occupied());
        free.min(parallel.saturating_sub(self.slots.counts.connecting))
    }

    pub(super) fn dial(
        &mut self,
        replaces: Option<SlotId>,
        now: Nanos,
        out: &mut Out<C, W>,
    ) -> SlotId {
        let slot = self.open_dial(replaces, now, out);
        out.push(Job::Dial(slot));
        slot
    }

    fn open_dial(&mut self, replaces: Option<SlotId>, now: Nanos, out: &mut Out<C, W>) -> SlotId {
        let slot = self.slots.open(now);
        self.slots.get_mut(slot.index).replaces = replaces;
        self.begin_sweeping(now, out);
        slot
    }

    /// A slot for a dial that the caller performs: within the limit, the parallel bound and the back-off, or not at all.
    pub(crate) fn dial_on_demand(&mut self, now: Nanos, out: &mut Out<C, W>) -> Option<SlotId> {
        if self.closed || self.room() == 0 || now < self.backoff.next_try {
            return None;
        }
        let slot = self.open_dial(None, now, out);
        Some(slot)
    }

    /// The number of the connection in a slot.
    pub(crate) fn connection_id(&self, slot: SlotId) -> u64 {
        self.slots.get(slot.index).id
    }

    pub(crate) fn is_connecting(&self, slot: SlotId) -> bool {
        self.slots.holds(slot) && self.slots.get(slot.index).phase == Phase::Connecting
    }

    pub(crate) fn connecting(&self) -> u32 {
        self.slots.counts.connecting
    }

    /// Established connections and dials.
    pub(crate) fn staying(&self) -> u32 {
        self.slots.staying()
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether a task should still start or go on working for this slot.
    pub(crate) fn holds(&self, slot: SlotId) -> bool {
        self.slots.holds(slot)
    }

    pub(crate) fn connected(
        &mut self,
        slot: SlotId,
        connection: C,
        now: Nanos,
        out: &mut Out<C, W>,
    ) {
        if !self.slots.holds(slot) {
            self.orphan(connection, out);
            return;
        }
        self.backoff.succeeded();
        self.last_error = None;
        let index = slot.index;
        let took = now.since(self.slots.get(index).since);
        self.counters.connect.record_nanos(took);
        follow(&mut self.connect_usual, took);
        let spread = self.random.between(0, 2_000_000) as f64 / 1_000_000.0 - 1.0;
        let expires = self.expiry(now, spread);
        let entry = self.slots.get_mut(index);
        entry.connection = Some(connection);
        entry.created = now;
        entry.rested = now;
        entry.healthy = now;
        entry.spread = spread;
        entry.expires = expires;
        let replaces = entry.replaces.take();
        self.slots.set_phase(index, Phase::Idle, now);
        if let Some(old) = replaces {
            self.replace(old, index, now, out);
        }
        self.deliver(index, true, now, out);
        self.pump(now, out);
    }

    /// The old connection goes: now if it is idle, else when it comes back.
    fn replace(&mut self, old: SlotId, new: u32, now: Nanos, out: &mut Out<C, W>) {
        if !self.slots.holds(old) {
            return;
        }
        let entry = self.slots.get_mut(old.index);
        entry.retire = true;
        let rested = entry.rested;
        if entry.phase == Phase::Idle {
            self.slots.idle.retain(|&index| index != old.index);
            self.close_slot(old.index, CloseReason::MaxLifetime, now, out);
            // It takes over the place, too: idle time is that of the place, or `max_idle_time` would never be reached.
            self.slots.get_mut(new).rested = rested;
        }
    }

    /// A dial failed. An error that waiting cannot cure goes to those who wait.
    pub(crate) fn connect_failed(
        &mut self,
        slot: SlotId,
        error: DialError<E>,
        transient: bool,
        now: Nanos,
        out: &mut Out<C, W>,
    ) {
        if !self.give_up(slot) {
            return;
        }
        self.counters.connects_failed += 1;
        let (min, max) = (self.config.backoff_min, self.config.backoff_max);
        self.backoff.failed(transient, min, max, now, &mut self.random);
        if !transient {
            let hopeless = self.slots.staying() == self.slots.counts.connecting;
            let told = if hopeless { u32::MAX } else { 1 };
            for _ in 0..told.min(self.waiters.waiting()) {
                if let Some(waiter) = self.waiters.front() {
                    self.counters.wait_nanos += now.since(waiter.joined);
                }
                let error =
                    AcquireError::Connect { error: error.clone(), failures: self.backoff.failures };
                let waker = self.waiters.settle_front(Seat::Failed(Box::new(error)));
                out.wake(waker);
            }
        }
        self.last_error = Some(error);
        self.drained(out);
        self.pump(now, out);
    }

    /// The task that dialled ended without a result.
    pub(crate) fn connect_aborted(&mut self, slot: SlotId, now: Nanos, out: &mut Out<C, W>) {
        if !self.give_up(slot) {
            return;
        }
        self.counters.connects_failed += 1;
        let (min, max) = (self.config.backoff_min, self.config.backoff_max);
        self.backoff.aborted(min, max, now, &mut self.random);
        self.last_error = Some(DialError::RuntimeGone);
        self.drained(out);
        self.pump(now, out);
    }

    /// Frees the slot of a dial that came to nothing.
    fn give_up(&mut self, slot: SlotId) -> bool {
        if !self.slots.holds(slot) {
            return false;
        }
        if let Some(old) = self.slots.get_mut(slot.index).replaces.take()
            && self.slots.holds(old)
        {
            self.slots.get_mut(old.index).replacing = false;
        }
        self.slots.free(slot.index);
        true
    }

    /// When a connection made at `created` ends.
    pub(super) fn expiry(&self, created: Nanos, spread: f64) -> Nanos {
        match self.config.max_lifetime {
            None => Nanos::NEVER,
            Some(lifetime) => created
                .after((lifetime as f64 * (1.0 + spread * self.config.lifetime_jitter)) as u64),
        }
    }

    /// For how long the connections in use have been held, added up.
    pub(super) fn held_by_all(&self, now: Nanos) -> u64 {
        now.0.wrapping_mul(u64::from(self.slots.counts.in_use)).wrapping_sub(self.lent_at)
    }
}
