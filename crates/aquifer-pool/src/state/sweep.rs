//! What time alone brings about: ends of lives, checks of the idle, refills, leaks, warnings, moves of the limit.
//!
//! One look over all slots every `maintenance_period`, while there is anything to look at; between two looks only the dial timer.

use super::{
    Errand, GRACE, Job, Out, State,
    adaptive::Interval,
    slots::{Phase, SlotId},
};
use crate::{clock::Nanos, manage::CloseReason, stats::Warning};

#[derive(Clone, Debug)]
pub(super) struct Timers {
    /// From when on an acquire should look after the maintenance task and the parked jobs.
    pub(super) upkeep_at: Nanos,
    /// Which maintenance task is the current one; an older one ends by itself.
    generation: u64,
    alive: bool,
    /// When the maintenance task wakes next.
    planned: Nanos,
    dial_at: Nanos,
    sweep_at: Nanos,
    /// Not after the earliest deadline that is looked at for a waiter.
    expire_at: Nanos,
    /// The latest such deadline in the queue: they stand in order, others look for themselves.
    watched_until: Nanos,
    /// Most idle at once since the last sweep: a shortage shorter than that is no reason to dial.
    pub(super) idle_peak: u32,
    /// Most in use at once since the last sweep.
    pub(super) in_use_peak: u32,
    warn: Mark,
    adapt: Mark,
}

/// The counters when an interval began.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Nanos,
    busy: u64,
    holds: u64,
    held: u64,
    waits: u64,
    in_use_peak: u32,
}

impl Timers {
    pub(super) fn new() -> Timers {
        Timers {
            upkeep_at: Nanos::START,
            generation: 0,
            alive: false,
            planned: Nanos::NEVER,
            dial_at: Nanos::NEVER,
            sweep_at: Nanos::START,
            expire_at: Nanos::NEVER,
            watched_until: Nanos::START,
            idle_peak: 0,
            in_use_peak: 0,
            warn: Mark::default(),
            adapt: Mark::default(),
        }
    }

    pub(super) fn sweep_now(&mut self, now: Nanos) {
        self.sweep_at = now;
        self.planned = self.planned.min(now);
    }

    /// When a maintenance task that is on time would have been heard of.
    pub(super) fn upkeep_due(&self) -> Nanos {
        if self.alive { self.planned.after(GRACE) } else { Nanos::START }
    }
}

impl<C, W, E> State<C, W, E> {
    /// The number of a maintenance task to start, if there is none or the one there is stands still.
    pub(crate) fn start_maintenance(&mut self, now: Nanos, out: &mut Out<C, W>) -> Option<u64> {
        if self.closed || (self.timers.alive && now < self.timers.upkeep_due()) {
            return None;
        }
        if self.timers.alive {
            // It stands still with its runtime; those of its waiters that do not must look for themselves.
            self.rouse(out);
        }
        self.timers.generation += 1;
        self.timers.alive = true;
        self.timers.planned = now;
        if self.parked.is_empty() {
            self.timers.upkeep_at = self.timers.upkeep_due();
        }
        Some(self.timers.generation)
    }

    pub(crate) fn is_maintained(&self) -> bool {
        self.timers.alive
    }

    /// A maintenance task ended, or was dropped with its runtime.
    pub(crate) fn maintenance_ended(&mut self, generation: u64, out: &mut Out<C, W>) {
        if generation == self.timers.generation && !self.closed {
            self.timers.alive = false;
            self.timers.upkeep_at = Nanos::START;
            self.call_for_help(out);
            self.rouse(out);
        }
    }

    /// Wakes all that wait, so that each finds out who looks at its deadline now.
    fn rouse(&mut self, out: &mut Out<C, W>) {
        for waker in self.waiters.take_wakers() {
            out.wake(Some(waker));
        }
    }

    /// Whether the maintenance task can look at a newcomer's deadline: if it is not earlier than those before it.
    pub(super) fn watch_deadline(&mut self, deadline: Nanos, out: &mut Out<C, W>) -> bool {
        if self.waiters.waiting() == 0 {
            self.timers.watched_until = Nanos::START;
        }
        if !self.timers.alive || deadline < self.timers.watched_until {
            return false;
        }
        self.timers.watched_until = deadline;
        if deadline < self.timers.expire_at {
            self.timers.expire_at = deadline;
            self.plan(deadline, out);
        }
        true
    }

    /// Refuses the waiters whose budget is spent.
    fn expire_watched(&mut self, now: Nanos, out: &mut Out<C, W>) {
        self.timers.expire_at = Nanos::NEVER;
        while let Some(index) = self.waiters.first_watched() {
            let deadline = self.waiters.at(index).deadline;
            if deadline > now {
                self.timers.expire_at = deadline;
                return;
            }
            self.time_out(index, now, out);
        }
    }

    /// The maintenance task woke up. Gives when it should wake next; `None`: it should end.
    pub(crate) fn tick(
        &mut self,
        generation: u64,
        now: Nanos,
        out: &mut Out<C, W>,
    ) -> Option<Nanos> {
        if self.closed || generation != self.timers.generation {
            return None;
        }
        if now >= self.timers.sweep_at {
            self.sweep(now, out);
            let counts = self.slots.counts;
            let anything =
                self.slots.occupied() + counts.reclaimed + counts.leaving + self.waiters.waiting()
                    > 0;
            self.timers.sweep_at = if anything || self.config.min_idle > 0 {
                now.after(self.config.maintenance_period)
            } else {
                Nanos::NEVER
            };
        }
        if now >= self.timers.expire_at {
            self.expire_watched(now, out);
        }
        if now >= self.timers.dial_at {
            self.timers.dial_at = Nanos::NEVER;
            self.pump(now, out);
        }
        let Timers { dial_at, sweep_at, expire_at, .. } = self.timers;
        self.timers.planned = dial_at.min(sweep_at).min(expire_at);
        if self.parked.is_empty() {
            self.timers.upkeep_at = self.timers.upkeep_due();
        }
        Some(self.timers.planned)
    }

    /// Arranges for a look at dialling.
    pub(super) fn look_again(&mut self, at: Nanos, out: &mut Out<C, W>) {
        self.timers.dial_at = self.timers.dial_at.min(at);
        self.plan(at, out);
    }

    pub(super) fn begin_sweeping(&mut self, now: Nanos, out: &mut Out<C, W>) {
        if self.timers.sweep_at == Nanos::NEVER {
            self.timers.sweep_at = now.after(self.config.maintenance_period);
            self.plan(self.timers.sweep_at, out);
        }
    }

    fn plan(&mut self, at: Nanos, out: &mut Out<C, W>) {
        if at < self.timers.planned {
            self.timers.planned = at;
            out.hasten = true;
        }
    }

    fn sweep(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let peak = std::mem::replace(&mut self.timers.in_use_peak, self.slots.counts.in_use);
        self.counters.peak_in_use = self.counters.peak_in_use.max(peak);
        self.timers.adapt.in_use_peak = self.timers.adapt.in_use_peak.max(peak);
        if now.since(self.timers.warn.at) >= self.config.warn_period {
            self.warn(now, out);
        }
        if self.config.adaptive && now.since(self.timers.adapt.at) >= self.config.adaptive_period {
            self.adapt(now, out);
        }
        // After the limit has moved, if it does.
        self.reap(now, out);
        self.walk(now, out);
        self.check_idle(now, out);
        self.refill(now, out);
        self.pump(now, out);
    }

    /// Closes idle connections that are too old, or idle for too long.
    fn reap(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let mut at = 0;
        while at < self.slots.idle.len() {
            let index = self.slots.idle[at];
            let slot = self.slots.get(index);
            let reason = if now >= slot.expires {
                CloseReason::MaxLifetime
            } else if now.since(slot.rested) >= self.config.max_idle_time
                && self.slots.idle.len() > self.config.min_idle as usize
            {
                CloseReason::MaxIdleTime
            } else {
                at += 1;
                continue;
            };
            self.slots.idle.remove(at);
            self.close_slot(index, reason, now, out);
        }
    }

    /// Looks at each slot: replacements before expiry, reclaims, work that is overdue.
    fn walk(&mut self, now: Nanos, out: &mut Out<C, W>) {
        for index in 0..self.slots.len() {
            let slot = self.slots.get(index);
            let in_phase = now.since(slot.since);
            match slot.phase {
                Phase::Idle => self.replace_ahead(index, now, out),
                Phase::InUse
                    if slot.connection.is_none() && in_phase >= self.config.reclaim_after =>
                {
                    self.reclaim(index, now, out);
                }
                Phase::InUse => self.replace_ahead(index, now, out),
                Phase::Connecting if in_phase >= self.config.connect_overdue => {
                    let id = self.slots.id(index);
                    out.push(Job::Abort(id));
                    self.connect_aborted(id, now, out);
                }
                Phase::Checking if in_phase >= self.config.check_overdue => {
                    self.abandon(index, now, out)
                }
                Phase::Recovering if in_phase >= self.config.recover_overdue => {
                    self.abandon(index, now, out)
                }
                Phase::Closing | Phase::Leaving if in_phase >= self.config.close_overdue => {
                    let id = self.slots.id(index);
                    out.push(Job::Abort(id));
                    self.gone(id, now, out);
                }
                _ => {}
            }
        }
    }

    fn replace_ahead(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        let Some(lifetime) = self.config.max_lifetime else { return };
        let slot = self.slots.get(index);
        let ahead = (lifetime as f64 * self.config.replace_ahead) as u64;
        let due = ahead > 0 && now.after(ahead) >= slot.expires && !slot.replacing && !slot.retire;
        if due && self.waiters.waiting() == 0 && self.room() > 0 && now >= self.backoff.next_try {
            let old: SlotId = self.slots.id(index);
            self.slots.get_mut(index).replacing = true;
            self.dial(Some(old), now, out);
        }
    }

    /// Gives the slot of a lease that nobody seems to remember to others. The lease stays as it is: nobody can take a connection out of
    /// the hands of a running task. It counts apart, at most `reclaim_max` times, and is closed when it comes back.
    fn reclaim(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        let counts = self.slots.counts;
        if counts.reclaimed + counts.leaving >= self.config.reclaim_max {
            return;
        }
        let since = self.slots.get(index).since;
        self.lent_at = self.lent_at.wrapping_sub(since.0);
        self.slots.set_phase(index, Phase::Reclaimed, now);
        self.slots.get_mut(index).since = since;
        out.push(Job::Warn(Warning::Reclaimed { holder: self.holder(index, now) }));
    }

    /// Gives the slot of a lease whose connection is of no more use to others, though its holder keeps it. It counts apart
    /// as one that was reclaimed. False if as many as may be do so already.
    pub(crate) fn surrender(&mut self, slot: SlotId, now: Nanos, out: &mut Out<C, W>) -> bool {
        let counts = self.slots.counts;
        if !self.slots.holds(slot)
            || self.slots.get(slot.index).phase != Phase::InUse
            || counts.reclaimed + counts.leaving >= self.config.reclaim_max
        {
            return false;
        }
        let since = self.slots.get(slot.index).since;
        self.lent_at = self.lent_at.wrapping_sub(since.0);
        self.slots.set_phase(slot.index, Phase::Reclaimed, now);
        self.slots.get_mut(slot.index).since = since;
        self.pump(now, out);
        true
    }

    /// The runtime that works on a connection stands still: its task is stopped and its slot is used again.
    fn abandon(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        let id = self.slots.id(index);
        out.push(Job::Abort(id));
        self.errand_failed(id, None, CloseReason::RuntimeGone, now, out);
    }

    /// Starts background checks: the longest unchecked first, never more than half of the idle ones at a time.
    fn check_idle(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let half = (self.slots.idle.len() as u32 / 2).max(1);
        let mut allowed =
            half.min(self.config.max_connecting).saturating_sub(self.slots.counts.checking);
        let mut at = 0;
        while allowed > 0 && at < self.slots.idle.len() {
            let index = self.slots.idle[at];
            if now.since(self.slots.get(index).healthy) < self.config.check_period {
                at += 1;
                continue;
            }
            self.slots.idle.remove(at);
            self.send(index, Phase::Checking, Errand::IdleCheck, now, out);
            allowed -= 1;
        }
    }

    /// Dials for `min_idle` if it was not reached once since the last sweep.
    fn refill(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let idle = self.slots.idle.len() as u32 + self.slots.counts.checking;
        let best = std::mem::replace(&mut self.timers.idle_peak, idle).max(idle);
        let missing =
            self.config.min_idle.saturating_sub(best).saturating_sub(self.slots.counts.connecting);
        if now < self.backoff.next_try {
            return;
        }
        for _ in 0..missing.min(self.room()) {
            self.dial(None, now, out);
        }
    }

    fn warn(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let busy = self.counters.hold_nanos().wrapping_add(self.held_by_all(now));
        let elapsed = now.since(self.timers.warn.at);
        let share = busy.saturating_sub(self.timers.warn.busy) as f64
            / (elapsed as f64 * f64::from(self.limit));
        self.timers.warn = Mark { at: now, busy, ..Mark::default() };
        if share >= self.config.warn_in_use {
            let waiting = self.waiters.waiting();
            out.push(Job::Warn(Warning::InUse {
                share: share.min(1.0),
                limit: self.limit,
                waiting,
            }));
        }
        let (mut count, mut longest) = self.counters.take_long_waits();
        for waiter in self.waiters.iter() {
            let waited = now.since(waiter.joined);
            if waited < self.config.warn_wait {
                break;
            }
            count += 1;
            longest = longest.max(waited);
        }
        if count > 0 {
            let longest = std::time::Duration::from_nanos(longest);
            out.push(Job::Warn(Warning::Waits { count, longest }));
        }
        self.warn_of_leaks(now, out);
    }

    fn warn_of_leaks(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let mut holders = Vec::new();
        for index in 0..self.slots.len() {
            let slot = self.slots.get(index);
            if matches!(slot.phase, Phase::InUse | Phase::Reclaimed)
                && !slot.reported
                && now.since(slot.since) >= self.config.leak_after
            {
                self.slots.get_mut(index).reported = true;
                holders.push(self.holder(index, now));
            }
        }
        if !holders.is_empty() {
            let total = holders.len() as u32;
            holders.sort_by_key(|holder| std::cmp::Reverse(holder.held));
            holders.truncate(self.config.holders_max);
            out.push(Job::Warn(Warning::Leak { total, holders }));
        }
    }

    fn adapt(&mut self, now: Nanos, out: &mut Out<C, W>) {
        let (holds, held, waits) =
            (self.counters.holds(), self.counters.hold_nanos(), self.counters.wait_count);
        let before = self.timers.adapt;
        self.timers.adapt = Mark { at: now, holds, held, waits, ..Mark::default() };
        let made = self.adaptive.judge(&Interval {
            now,
            limit: self.limit,
            min: self.config.adaptive_min,
            max: self.config.max_open,
            tolerance: self.config.adaptive_tolerance,
            holds: holds - before.holds,
            held: held.saturating_sub(before.held),
            waits: waits - before.waits,
            in_use_peak: before.in_use_peak,
        });
        if let Some(made) = made {
            out.push(Job::Moved(made));
            self.set_limit(made.to, now, out);
        }
    }
}

#[cfg(test)]
impl<C, W, E> State<C, W, E> {
    pub(super) fn timers_planned(&self) -> Nanos {
        self.timers.planned
    }

    pub(super) fn timers_dial_at(&self) -> Nanos {
        self.timers.dial_at
    }

    pub(super) fn timers_sweep_at(&self) -> Nanos {
        self.timers.sweep_at
    }
}
