//! Limits that change while the pool runs, down to the end of it all.

use super::{Config, Job, Out, State, slots::Phase, waiters::Seat};
use crate::{clock::Nanos, error::AcquireError, manage::CloseReason};

impl<C, W, E> State<C, W, E> {
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

    /// Connections of a closed pool that are neither lent nor gone.
    pub(crate) fn unfinished(&self) -> u32 {
        self.slots.occupied() + self.slots.counts.leaving - self.slots.counts.in_use
    }

    pub(super) fn drained(&self, out: &mut Out<C, W>) {
        out.drained |= self.is_drained();
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
    pub(super) fn set_limit(&mut self, limit: u32, now: Nanos, out: &mut Out<C, W>) {
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
}
