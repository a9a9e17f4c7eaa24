//! What the pool tells: counters, statistics, causes of time-outs, holders.

use std::time::Duration;

use super::{SlotId, State, slots::Phase};
use crate::{
    clock::Nanos,
    error::{AcquireError, DialError, Holder, TimeoutCause, TimeoutKind, TimeoutReport},
    histogram::Histogram,
    manage::CloseReason,
    stats::Stats,
};

pub(super) struct Counters {
    /// Successful acquires that did not wait; they are the zeros of the wait histogram.
    pub(super) acquired_at_once: u64,
    wait: Histogram,
    pub(super) hold: Histogram,
    pub(super) connect: Histogram,
    pub(super) wait_count: u64,
    pub(super) wait_nanos: u64,
    pub(super) connects_failed: u64,
    pub(super) refused_queue_full: u64,
    pub(super) refused_deadlock: u64,
    pub(super) peak_in_use: u32,
    timeouts: [u64; TimeoutKind::ALL.len()],
    pub(super) closed: [u64; CloseReason::COUNT],
    long_waits: u64,
    longest_wait: u64,
}

impl Counters {
    pub(super) fn new() -> Counters {
        Counters {
            acquired_at_once: 0,
            wait: Histogram::new(),
            hold: Histogram::new(),
            connect: Histogram::new(),
            wait_count: 0,
            wait_nanos: 0,
            connects_failed: 0,
            refused_queue_full: 0,
            refused_deadlock: 0,
            peak_in_use: 0,
            timeouts: [0; TimeoutKind::ALL.len()],
            closed: [0; CloseReason::COUNT],
            long_waits: 0,
            longest_wait: 0,
        }
    }

    /// A successful wait ended.
    pub(super) fn waited(&mut self, nanos: u64, warn_wait: u64) {
        self.wait.record_nanos(nanos);
        self.notice_wait(nanos, warn_wait);
    }

    fn notice_wait(&mut self, nanos: u64, warn_wait: u64) {
        if nanos >= warn_wait {
            self.long_waits += 1;
            self.longest_wait = self.longest_wait.max(nanos);
        }
    }

    pub(super) fn take_long_waits(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.long_waits), std::mem::take(&mut self.longest_wait))
    }

    #[cfg(test)]
    pub(super) fn acquires(&self) -> u64 {
        self.acquired_at_once + self.wait.count()
    }

    #[cfg(test)]
    pub(super) fn timeouts_total(&self) -> u64 {
        self.timeouts.iter().sum()
    }

    pub(super) fn holds(&self) -> u64 {
        self.hold.count()
    }

    pub(super) fn hold_nanos(&self) -> u64 {
        // Sums of durations wrap after centuries.
        self.hold.sum().as_nanos() as u64
    }
}

impl<C, W, E> State<C, W, E> {
    /// The error for a budget that is spent, with its cause; counted.
    pub(super) fn timed_out(&mut self, now: Nanos, joined: Nanos) -> AcquireError<E> {
        let waited = now.since(joined);
        let report = self.timeout_report(now, waited);
        self.counters.timeouts[report.cause.kind() as usize] += 1;
        self.counters.notice_wait(waited, self.config.warn_wait);
        AcquireError::Timeout(Box::new(report))
    }

    /// The error for a deadline that had passed before anything began.
    pub(crate) fn expired_before(&mut self, now: Nanos) -> AcquireError<E> {
        self.counters.timeouts[TimeoutKind::Expired as usize] += 1;
        let report = TimeoutReport { cause: TimeoutCause::Expired, ..self.timeout_report(now, 0) };
        AcquireError::Timeout(Box::new(report))
    }

    fn timeout_report(&self, now: Nanos, waited: u64) -> TimeoutReport<E> {
        TimeoutReport {
            waited: Duration::from_nanos(waited),
            cause: self.cause(now),
            in_use: self.slots.counts.in_use,
            connecting: self.slots.counts.connecting,
            waiting: self.waiters.waiting(),
            limit: self.limit,
        }
    }

    fn cause(&self, now: Nanos) -> TimeoutCause<E> {
        let counts = self.slots.counts;
        let exhausted =
            || TimeoutCause::Exhausted { holders: self.holders(now, 0, self.config.holders_max) };
        if counts.in_use >= self.limit {
            return exhausted();
        }
        if self.backoff.failures > 0 {
            return TimeoutCause::ConnectFailing {
                failures: self.backoff.failures,
                last: self.last_error.clone().unwrap_or(DialError::RuntimeGone),
                next_try: now.until(self.backoff.next_try),
            };
        }
        if counts.connecting > 0 {
            let dialling = self.slots.iter().filter(|(_, slot)| slot.phase == Phase::Connecting);
            let longest = dialling.map(|(_, slot)| now.since(slot.since)).max().unwrap_or(0);
            return TimeoutCause::ConnectSlow { longest: Duration::from_nanos(longest) };
        }
        if counts.checking > 0 {
            return TimeoutCause::Checking { checking: counts.checking };
        }
        if counts.recovering + counts.closing > 0 && counts.in_use == 0 {
            return TimeoutCause::Recovering { recovering: counts.recovering + counts.closing };
        }
        exhausted()
    }

    /// Who has held a connection for at least `min` nanoseconds, the longest first.
    pub(crate) fn holders(&self, now: Nanos, min: u64, max: usize) -> Vec<Holder> {
        let lent = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot.phase, Phase::InUse | Phase::Reclaimed));
        let mut holders: Vec<Holder> = lent
            .filter(|(_, slot)| now.since(slot.since) >= min)
            .map(|(index, _)| self.holder(index, now))
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held));
        holders.truncate(max);
        holders
    }

    pub(super) fn holder(&self, index: u32, now: Nanos) -> Holder {
        let slot = self.slots.get(index);
        Holder {
            connection: slot.id,
            label: slot.holder.clone(),
            held: slot.since.until(now),
            reclaimed: slot.phase == Phase::Reclaimed,
        }
    }

    /// A connection is idle.
    pub(crate) fn has_idle(&self) -> bool {
        !self.slots.idle.is_empty()
    }

    /// No connection is idle, and none may be opened.
    pub(crate) fn is_exhausted(&self) -> bool {
        !self.has_idle() && self.slots.occupied() >= self.limit
    }

    pub(crate) fn stats(&self) -> Stats {
        let (counts, counters) = (self.slots.counts, &self.counters);
        let closed = |reason: CloseReason| counters.closed[reason as usize];
        let mut wait = counters.wait.clone();
        wait.record_zeros(counters.acquired_at_once);
        Stats {
            max_open_connections: self.config.max_open,
            open_connections: self.slots.established(),
            in_use: counts.in_use,
            idle: self.slots.idle.len() as u32,
            wait_count: counters.wait_count,
            wait_duration: Duration::from_nanos(counters.wait_nanos),
            max_idle_closed: closed(CloseReason::MaxIdle),
            max_idle_time_closed: closed(CloseReason::MaxIdleTime),
            max_lifetime_closed: closed(CloseReason::MaxLifetime),
            connecting: counts.connecting,
            checking: counts.checking,
            recovering: counts.recovering,
            closing: counts.closing,
            reclaimed: counts.reclaimed,
            waiters: self.waiters.waiting(),
            limit: self.limit,
            limit_idle: self.config.max_idle.min(self.limit),
            min_idle: self.config.min_idle.min(self.limit),
            peak_in_use: counters.peak_in_use.max(self.timers.in_use_peak),
            acquires: wait.count(),
            connects_ok: counters.connect.count(),
            connects_failed: counters.connects_failed,
            connect_failures_in_row: self.backoff.failures,
            refused_queue_full: counters.refused_queue_full,
            refused_deadlock: counters.refused_deadlock,
            wait,
            hold: counters.hold.clone(),
            connect: counters.connect.clone(),
            moves: self.adaptive.log(),
            timeouts: counters.timeouts,
            closed: counters.closed,
        }
    }

    /// A connection's slot is known by its lease only; tests and the shell ask for its phase through this.
    pub(crate) fn is_reclaimed(&self, slot: SlotId) -> bool {
        self.slots.holds(slot) && self.slots.get(slot.index).phase == Phase::Reclaimed
    }
}
