//! What is about time, and about the end: the keeper's part of the decisions.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::super::call::Ending;
use super::line::{Line, Phase, Stop};
use super::{NOBODY, PLACES_KEPT, Place, Rig, Stage, State, Turn, closed, queued_too_long};

/// When to look again for ends of time, if none is known.
const FAR: Duration = Duration::from_secs(1);

/// What the keeper is to do.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Job {
    /// Drive: somebody was woken for it and did not come.
    Drive(usize),
    /// Drive, and move what stands behind the statement that takes long.
    Move(usize),
    /// As `Drive`, and tell the server to stop what is at the head.
    Stop(usize),
    /// Let a result grow beyond its credit: its caller does not come, and others stand behind it that cannot be moved.
    Lift(usize),
    /// Give up the connection: it does not stop.
    GiveUp(usize),
    /// Give the lease back.
    Release(usize),
    /// See to the queue.
    Lead,
}

/// Times, most of them in ticks of the keeper.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Bounds {
    /// A statement at the head for longer holds up what stands behind it.
    pub(in super::super) slow: u64,
    /// A statement that may write, and holds up others for longer, is stopped and runs elsewhere.
    pub(in super::super) hold: u64,
    /// A statement that nobody waits for is stopped after this.
    pub(in super::super) stop: u64,
    /// Another request to stop is sent after this.
    pub(in super::super) again: u64,
    /// A connection on which nothing stops is given up after this.
    pub(in super::super) patience: u64,
    /// A lease without work is given back after this.
    pub(in super::super) idle: u64,
    /// So long without work, and the keeper looks less often.
    pub(in super::super) drowsy: u64,
    /// A call waits in the queue for no longer.
    pub(in super::super) queue: Duration,
    /// All connections have as much under way, rather than the first as much as it takes.
    pub(in super::super) even: bool,
}

impl<R: Rig> State<R> {
    /// Nothing new is taken; what is queued is told so.
    pub(in super::super) fn close(&mut self, wakers: &mut Vec<Waker>) -> Vec<R> {
        self.closed = true;
        self.tell_queued(|_| true, &mut || Ending::Failed(closed()), wakers);
        (0..self.lines.len()).filter_map(|index| self.release(index)).collect()
    }

    /// The rig of a line with nothing under way.
    pub(in super::super) fn release(&mut self, index: usize) -> Option<R> {
        let line = &mut self.lines[index];
        if !line.order.is_empty() || !line.is_here() {
            return None;
        }
        match std::mem::replace(&mut line.phase, Phase::Vacant) {
            Phase::Here(rig) => {
                line.vacate();
                Some(rig)
            }
            other => {
                line.phase = other;
                None
            }
        }
    }

    /// The connections' runtime is gone: whatever is here goes elsewhere.
    pub(in super::super) fn orphan(&mut self, wakers: &mut Vec<Waker>) -> Vec<R> {
        let mut rigs = Vec::new();
        for index in 0..self.lines.len() {
            let line = &mut self.lines[index];
            match std::mem::replace(&mut line.phase, Phase::Vacant) {
                Phase::Here(rig) => {
                    rigs.push(rig);
                    let order = std::mem::take(&mut line.order);
                    line.vacate();
                    for &at in &*order {
                        self.send_off(at, wakers);
                    }
                }
                Phase::Out => {
                    line.phase = Phase::Out;
                    line.doomed = true;
                }
                Phase::Opening | Phase::Vacant => {}
            }
        }
        self.tell_queued(|_| true, &mut || Ending::Elsewhere, wakers);
        self.led = false;
        rigs
    }

    /// A call whose box is gone with its connection goes elsewhere, unless its caller has left.
    pub(super) fn send_off(&mut self, at: u32, wakers: &mut Vec<Waker>) {
        if at == NOBODY {
            return;
        }
        let place = &mut self.places[at as usize];
        if let Stage::Gone = place.stage {
            return self.vacant(at);
        }
        // What may write may have been run.
        place.stage = Stage::Lost { ran: place.marks.writes };
        self.counted.elsewhere += u64::from(!place.marks.writes);
        wakers.extend(place.waker.take());
    }

    /// The keeper's look: time goes on by one. An answer takes `network` ticks, whatever it is to.
    pub(in super::super) fn look(
        &mut self,
        now: Instant,
        network: u64,
        jobs: &mut Vec<Job>,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        self.tick += 1;
        self.now = Some(now);
        let (tick, bounds) = (self.tick, self.bounds);
        let mut busy = false;
        for index in 0..self.lines.len() {
            let line = &mut self.lines[index];
            if !line.is_here() {
                busy |= !matches!(line.phase, Phase::Vacant);
                continue;
            }
            busy = true;
            let Some(&head) = line.order.first() else {
                let idle = tick - line.used >= bounds.idle && self.queue.is_empty();
                if line.retiring || self.closed || idle {
                    jobs.push(Job::Release(index));
                } else if line.signalled && std::mem::replace(&mut line.seen, true) {
                    jobs.push(Job::Drive(index));
                }
                continue;
            };
            let age = tick - line.head_since;
            let forsaken =
                head == NOBODY || matches!(self.places[head as usize].stage, Stage::Gone);
            let alone = match (forsaken, line.forsaken) {
                (false, _) => None,
                (true, Some((head, since))) if head == line.passed => Some((head, since)),
                (true, _) => Some((line.passed, tick)),
            };
            line.forsaken = alone;
            let due = match alone {
                Some((_, since)) => tick - since >= bounds.stop && self.may_stop(index),
                None => self.is_to_make_way(index, age, bounds.slow + network),
            };
            let full = self.lines[index].full == Some(head);
            let lift = full && age >= bounds.hold && self.others_wait(index);
            let line = &mut self.lines[index];
            let again = |stop: Stop| stop.head != line.passed || tick - stop.since >= bounds.again;
            match line.stopping {
                Some(stop) if forsaken && tick - stop.first >= bounds.patience => {
                    jobs.push(Job::GiveUp(index));
                }
                last if due && last.is_none_or(again) => {
                    let sent = last.is_some_and(|last| last.sent);
                    let for_others = !forsaken || last.is_some_and(|last| last.for_others);
                    let (since, head) = (tick, line.passed);
                    let first =
                        last.filter(|last| last.head == head).map_or(tick, |last| last.first);
                    line.stopping = Some(Stop { first, since, head, sent, for_others });
                    jobs.push(Job::Stop(index));
                }
                _ if lift => {
                    line.full = None;
                    jobs.push(Job::Lift(index));
                }
                _ if age >= bounds.slow + network && !line.stalled => {
                    line.stalled = true;
                    line.went_badly();
                    jobs.push(Job::Move(index));
                }
                _ if line.signalled && std::mem::replace(&mut line.seen, true) => {
                    jobs.push(Job::Drive(index));
                }
                _ => {}
            }
        }
        self.skip_gone();
        if !self.queue.is_empty() {
            busy = true;
            let (bound, jammed) = (bounds.queue, self.is_jammed());
            if jammed {
                self.tell_queued(|_| true, &mut || Ending::Elsewhere, wakers);
            } else {
                let due = self.queue_due.is_none_or(|due| due <= now);
                if due || self.queue_gone > self.queue.len() / 2 {
                    self.tell_queued(
                        |since| now.saturating_duration_since(since) >= bound,
                        &mut || Ending::Failed(queued_too_long()),
                        wakers,
                    );
                    let since = |at: &u32| self.places[*at as usize].call.as_ref()?.since;
                    let oldest = self.queue.iter().filter_map(since).min();
                    // Whoever comes later has more time.
                    let due = oldest.and_then(|oldest| oldest.checked_add(bound));
                    self.queue_due = due.or(Some(now + FAR));
                }
                if tick - self.lead_since >= 2 {
                    if std::mem::take(&mut self.led)
                        && let Some(place) = self.places.get_mut(self.leader as usize)
                    {
                        place.marks.leads = false;
                    }
                    self.lead_since = tick;
                    jobs.push(Job::Lead);
                }
            }
        }
        if self.timed > 0 {
            busy = true;
            if self.earliest.is_none_or(|earliest| earliest <= now) {
                self.expire(now, wakers);
            }
        }
        if !busy {
            self.rest();
        }
        busy
    }

    /// Whether connections have had nothing to do for a while, and nobody waits.
    pub(in super::super) fn is_quiet(&self) -> bool {
        let rests = |line: &Line<R>| match line.phase {
            Phase::Vacant => true,
            Phase::Here(_) => {
                let idle = line.order.is_empty() && !line.signalled && line.stopping.is_none();
                idle && self.tick - line.used >= self.bounds.drowsy
            }
            Phase::Opening | Phase::Out => false,
        };
        self.queue.is_empty() && self.timed == 0 && self.lines.iter().all(rests)
    }

    /// The keeper has not looked for so many ticks. They count if nothing has come meanwhile: what has is younger.
    pub(in super::super) fn dozed(&mut self, ticks: u64) {
        if self.is_quiet() {
            self.tick += ticks;
        }
    }

    /// Gives back what many callers at once took.
    fn rest(&mut self) {
        if self.places.len() <= PLACES_KEPT || self.free.len() < self.places.len() {
            return;
        }
        self.places.truncate(PLACES_KEPT);
        self.free.retain(|at| (*at as usize) < PLACES_KEPT);
        self.places.shrink_to(PLACES_KEPT);
        self.free.shrink_to(PLACES_KEPT);
        self.queue.shrink_to(PLACES_KEPT);
        self.again.shrink_to(PLACES_KEPT);
    }

    /// Whether the statement at the head of a line, whose caller waits, has been there for so long that it makes way for
    /// those behind it, which cannot be moved. They may wait for each other without the server's knowing: the one at
    /// the head for a transaction, whose task waits for a call behind it.
    fn is_to_make_way(&self, index: usize, age: u64, slow: u64) -> bool {
        let line = &self.lines[index];
        let bound = match line.stopping {
            // Those that are left have waited long enough.
            Some(stop) if stop.for_others && stop.sent => slow.max(self.bounds.stop),
            _ => slow.max(self.bounds.hold),
        };
        if age < bound {
            return false;
        }
        let Some(&head) = line.order.first() else { return false };
        matches!(&line.phase, Phase::Here(rig) if rig.makes_way())
            && self.places[head as usize].marks.writes
            // A result whose reader does not come does not end by being stopped.
            && line.full != Some(head)
            && self.others_wait(index)
    }

    /// Whether anybody waits for what stands behind the head of a line.
    fn others_wait(&self, index: usize) -> bool {
        self.waiting_behind(index).next().is_some()
    }

    fn waiting_behind(&self, index: usize) -> impl Iterator<Item = &Place> {
        let behind = self.lines[index].order.iter().skip(1).filter(|at| **at != NOBODY);
        let places = behind.map(|at| &self.places[*at as usize]);
        places.filter(|place| matches!(place.stage, Stage::Flying(_)))
    }

    /// Whether a request to stop may hit the statements behind the head, too: those that only read are sent again, and so
    /// are those that have not taken effect. A write that waits for a standby when it is hit has.
    fn may_stop(&self, index: usize) -> bool {
        matches!(&self.lines[index].phase, Phase::Here(rig) if rig.makes_way())
            || self.waiting_behind(index).all(|place| !place.marks.writes)
    }

    /// Tells those whose time is up.
    fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut earliest = None;
        for place in &mut self.places {
            let Some(until) = place.until else { continue };
            match place.stage {
                Stage::Queued | Stage::Flying(_) if until <= now => {
                    place.marks.late = true;
                    wakers.extend(place.waker.take());
                }
                Stage::Queued | Stage::Flying(_) => {
                    earliest =
                        Some(earliest.map_or(until, |earliest: Instant| earliest.min(until)));
                }
                _ => {}
            }
        }
        // A place that is late stays so until its caller comes; it needs no other look.
        self.earliest = earliest.or(Some(now + FAR));
    }

    /// Whether the stop of a line that was due is to be asked for: what it is meant for is still at the head. The
    /// line's rig is out.
    pub(in super::super) fn confirm_stop(&mut self, index: usize) -> bool {
        let line = &mut self.lines[index];
        let still = !line.order.is_empty();
        let Some(stop) = &mut line.stopping else { return false };
        if still && stop.head == line.passed {
            stop.sent = true;
            return true;
        }
        self.put_off_stop(index);
        false
    }

    /// Nothing was moved from behind the head of a line: whoever drives it may see its end.
    pub(in super::super) fn put_off_move(&mut self, index: usize) {
        self.lines[index].stalled = false;
    }

    /// The stop of a line that was due is not asked for.
    pub(in super::super) fn put_off_stop(&mut self, index: usize) {
        let stopping = &mut self.lines[index].stopping;
        // One that was sent before may still hit: nothing is added until the line is clear.
        *stopping = stopping.filter(|stop| stop.sent);
    }

    /// The queue's next step, for the keeper.
    pub(in super::super) fn lead(&mut self) -> Option<Turn<R>> {
        self.duty()
    }

    /// A connection is to be given back as soon as nothing is under way.
    pub(in super::super) fn retire(&mut self, index: usize) {
        self.lines[index].retiring = true;
    }

    /// The rig of a line, if nobody drives it.
    pub(in super::super) fn rig(&self, index: usize) -> Option<&R> {
        match &self.lines[index].phase {
            Phase::Here(rig) => Some(rig),
            _ => None,
        }
    }
}
