//! Waiting: from joining the line to an outcome.

use std::sync::Arc;

use super::{Joined, Kept, Out, Polled, State, WaiterId, slots::Phase, waiters::Seat};
use crate::{clock::Nanos, error::AcquireError};

impl<C, W, E> State<C, W, E> {
    /// Takes a connection or gets in line. The caller has a runtime; `watched` if the maintenance task runs on the same one, and
    /// so can look at the deadline: if that task stands still, so would a timer of the caller's own.
    ///
    /// `kept`: leases that cannot come back before this wait has ended.
    #[expect(clippy::too_many_arguments, reason = "what a wait consists of")]
    pub(crate) fn join(
        &mut self,
        now: Nanos,
        started: Nanos,
        deadline: Nanos,
        mut holder: Option<Arc<str>>,
        watched: bool,
        kept: Vec<Kept>,
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
        if let Some(error) = self.deadlock(&kept, now) {
            out.garbage = Some(waker);
            return Joined::Refused(error);
        }
        if waiting == 0 {
            self.pressed_since = now;
        }
        let timer = !(watched && self.watch_deadline(deadline, out));
        let id = self.waiters.join(waker, holder, started, deadline, timer);
        self.keep(id, kept);
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

    /// A caller whose budget is spent would fail anyway: the connection goes to one that can use it.
    #[inline]
    pub(super) fn drop_expired_waiters(&mut self, now: Nanos, out: &mut Out<C, W>) {
        while let Some(index) = self.waiters.first()
            && self.waiters.at(index).deadline <= now
        {
            self.time_out(index, now, out);
        }
    }

    /// Refuses one that is in line, because its budget is spent.
    pub(super) fn time_out(&mut self, index: u32, now: Nanos, out: &mut Out<C, W>) {
        let joined = self.waiters.at(index).joined;
        self.counters.wait_nanos += now.since(joined);
        // It leaves the line first: the report tells of the others.
        let waker = self.waiters.settle(index, Seat::Waiting);
        let error = self.timed_out(now, joined);
        self.waiters.at_mut(index).seat = Seat::Failed(Box::new(error));
        out.wake(waker);
    }
}
