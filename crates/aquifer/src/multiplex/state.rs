//! The decisions of multiplexing, without I/O: who waits where, what is sent next and over which connection, and
//! who has to see to it.
//!
//! Callers have places; places queue, fly, and are told. A connection is a line: its [`Rig`], which whoever drives
//! it takes out and puts back. Whatever happens while it is out is noted here, and looked at before it is put back,
//! under one lock: so nothing is missed.

mod line;
#[cfg(test)]
mod tests;
mod watch;

use std::task::Waker;
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Retry, RowBatch};
use tokio::time::Instant;

use self::line::{Line, Phase};
pub(super) use self::watch::{Bounds, Job};
use super::call::{Call, Ending};
use super::fifo::Fifo;

/// Calls that wait for room; further ones have a connection to themselves.
const QUEUE_MAX: usize = 65_536;

/// Calls that wait while another task drives a connection that has room for a part of them, before the next one is opened.
const SPREAD: usize = 8;

/// Of those that wait for room, so many are looked at to find one who is not awake yet: those before him are.
const PASS_MAX: usize = 64;

/// Places kept where nobody waits.
const PLACES_KEPT: usize = 256;

/// Calls kept to be used again.
const SPARE_MAX: usize = 1024;

/// Connections that may be lost under one call.
const LOST_MAX: u8 = 3;

/// How often a call may come back without having run: first it gets a segment to itself, then it goes elsewhere.
const UNRUN_ALONE: u8 = 3;
const UNRUN_MAX: u8 = 8;

/// How often a call may be hit by a stop that was meant for another one, before it goes elsewhere.
const HIT_MAX: u8 = 3;

/// Stands in a line for a statement that nobody waits for there any more.
pub(super) const NOBODY: u32 = u32::MAX;

/// What drives a connection, as far as this is concerned.
pub(super) trait Rig {
    /// A call is to be sent.
    fn board(&mut self, at: u32, call: Box<Call>);

    /// Nobody waits for the call of this place any more.
    fn forget(&mut self, at: u32);

    /// The next call that is over, here.
    fn landed(&mut self) -> Option<Landed>;

    /// Rows for which there is no room, and whose they are.
    fn overflow(&mut self) -> Option<(u32, &mut RowBatch)>;

    /// Whether the connection is of no further use.
    fn is_lost(&self) -> bool;

    /// Whether a statement that holds up others may be stopped, to run elsewhere.
    fn makes_way(&self) -> bool;

    /// Whether nothing is owed, and no request to stop is on its way.
    fn is_clear(&self) -> bool;

    /// Whom to wake.
    fn wakers(&mut self) -> &mut Vec<Waker>;
}

/// A call that has left its connection, with what has come of it; none if its caller was told before.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) at: u32,
    pub(super) call: Option<Box<Call>>,
}

/// What a caller does next.
#[derive(Debug)]
pub(super) enum Turn<R> {
    /// Waits: it will be woken.
    Wait,
    /// Says whom to wake, and asks again.
    Introduce,
    /// Drives a connection, and asks again.
    Drive(Held<R>),
    /// Gets a connection for this line, and asks again.
    Open(usize),
    /// Takes rows; there are more.
    Rows(Box<RowBatch>),
    /// Forgets the rows it has: the statement begins again.
    Restart,
    /// Has its call back, with what has come of it.
    Done(Box<Call>),
    /// Goes without its call, whose connection is gone with it; whether that may have done something.
    Gone { ran: bool },
    /// Its time is up; whether anything of it was sent.
    Late { sent: bool },
}

/// A rig, taken out of its line.
#[derive(Debug)]
pub(super) struct Held<R> {
    pub(super) line: usize,
    pub(super) rig: R,
}

/// Why a call does not share.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Box<Call>);

#[derive(Debug, Default)]
// One line of a cache.
#[repr(align(64))]
struct Place {
    stage: Stage,
    waker: Option<Waker>,
    /// While it is queued or told.
    call: Option<Box<Call>>,
    /// Rows that it has not taken yet, while it flies.
    part: Option<Box<RowBatch>>,
    /// When its time is up.
    until: Option<Instant>,
    marks: Marks,
}

impl Place {
    /// Whether there is more to it than its call.
    #[inline(always)]
    fn peculiar(&self) -> bool {
        self.marks.restart
            || self.marks.leads
            || self.waker.is_some()
            || self.part.is_some()
            || self.until.is_some()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// Rows were handed over.
    parted: bool,
    /// Rows that were handed over are void.
    restart: bool,
    /// What is under way for it may write.
    writes: bool,
    /// It has the duty to send what is queued.
    leads: bool,
    /// Its time is up.
    late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Free,
    Queued,
    /// On this line.
    Flying(u32),
    /// Its call is back.
    Told,
    /// Its call is gone with its connection; it may have been run.
    Lost {
        ran: bool,
    },
    /// The caller wants no answer any more; the queue or a line still has its number.
    Gone,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) shared: u64,
    pub(super) resent: u64,
    pub(super) moved: u64,
    pub(super) elsewhere: u64,
}

/// All of it.
#[derive(Debug)]
pub(super) struct State<R> {
    /// As many as ever waited at once.
    places: Vec<Place>,
    free: Vec<u32>,
    /// Places whose calls are to be sent.
    queue: Fifo<u32>,
    /// Those of them whose callers have left.
    queue_gone: usize,
    /// A moment before which nobody has waited there for too long.
    queue_due: Option<Instant>,
    /// Someone has the duty to send what is queued.
    led: bool,
    /// Who was the last to have it.
    leader: u32,
    /// The last time somebody saw to the queue.
    lead_since: u64,
    lines: Box<[Line<R>]>,
    /// How many were sent together last.
    last_batch: usize,
    #[expect(clippy::vec_box, reason = "the boxes go round")]
    spare: Vec<Box<Call>>,
    /// Calls that go back into the queue, for a moment.
    again: Vec<u32>,
    closed: bool,
    /// Places with an end of their time, and a moment before which none of them ends.
    timed: usize,
    earliest: Option<Instant>,
    /// The last time that was told.
    now: Option<Instant>,
    /// The keeper's clock.
    tick: u64,
    bounds: Bounds,
    pub(super) counted: Counted,
}

impl<R: Rig> State<R> {
    pub(super) fn new(lines: usize, bounds: Bounds) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            queue: Fifo::new(),
            queue_gone: 0,
            queue_due: None,
            led: false,
            leader: NOBODY,
            lead_since: 0,
            lines: (0..lines).map(|_| Line::new()).collect(),
            last_batch: 1,
            spare: Vec::new(),
            again: Vec::new(),
            closed: false,
            timed: 0,
            earliest: None,
            now: None,
            tick: 0,
            bounds,
            counted: Counted::default(),
        }
    }

    /// A call to be used again.
    pub(super) fn spare(&mut self) -> Option<Box<Call>> {
        self.spare.pop()
    }

    /// Keeps a call that [rests](Call::rest), to be used again.
    pub(super) fn keep(&mut self, call: Box<Call>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(call);
        }
    }

    /// How many are queued whose callers have not left.
    fn waiting(&self) -> usize {
        self.queue.len() - self.queue_gone
    }

    fn under_way(&self) -> usize {
        self.lines.iter().map(|line| line.order.len()).sum()
    }

    pub(super) fn has_connections(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.phase, Phase::Here(_) | Phase::Out))
    }

    /// Nobody waits, and there is no connection, nor will be one.
    pub(super) fn is_deserted(&mut self) -> bool {
        self.skip_gone();
        self.queue.is_empty() && self.lines.iter().all(|line| matches!(line.phase, Phase::Vacant))
    }

    /// Whether every connection is held up: whoever comes now would wait for others.
    fn is_jammed(&self) -> bool {
        self.lines
            .iter()
            .all(|line| matches!(line.phase, Phase::Here(_) | Phase::Out) && line.is_barred())
    }

    /// Queues a call.
    ///
    /// # Errors
    ///
    /// The call, if it is to go elsewhere.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        mut call: Box<Call>,
        waker: Waker,
        now: Instant,
        until: Option<Instant>,
    ) -> std::result::Result<(u32, Enter), Refused> {
        // Who finds somebody leading waits for him: if there is a jam, the leader has come before it, and the keeper sees it.
        if self.queue.len() >= QUEUE_MAX || (!self.led && self.is_jammed()) {
            self.counted.elsewhere += 1;
            return Err(Refused(call));
        }
        self.counted.shared += 1;
        let at = self.free.pop().unwrap_or_else(|| self.another_place());
        self.now = Some(now);
        if let Some(until) = until {
            self.timed += 1;
            self.earliest = Some(self.earliest.map_or(until, |earliest| earliest.min(until)));
        }
        (call.since, call.since_tick) = (Some(now), self.tick);
        let place = &mut self.places[at as usize];
        (place.waker, place.until) = (Some(waker), until);
        if self.closed {
            call.ending = Ending::Failed(closed());
            (place.stage, place.call) = (Stage::Told, Some(call));
            return Ok((at, Enter::Go));
        }
        place.stage = Stage::Queued;
        place.call = Some(call);
        self.queue.push_back(at);
        if self.led {
            return Ok((at, Enter::Wait));
        }
        self.lead_since = self.tick;
        if self.last_batch <= 1 && self.queue.len() == 1 && self.under_way() == 0 {
            return Ok((at, Enter::Go));
        }
        if self.lines.iter().all(|line| matches!(line.phase, Phase::Vacant)) {
            // Nobody may be there who looks after a leader that is not polled again: only who opens a connection sees to it.
            return Ok((at, Enter::Go));
        }
        (self.led, self.leader) = (true, at);
        self.places[at as usize].marks.leads = true;
        Ok((at, Enter::Yield))
    }

    #[cold]
    #[inline(never)]
    fn another_place(&mut self) -> u32 {
        self.places.push(Place::default());
        (self.places.len() - 1) as u32
    }

    /// What the caller of this place does next. `waker` is who is to be woken, once it has been asked for; what
    /// it leaves in there is to be dropped without the lock.
    pub(super) fn turn(&mut self, at: u32, known: &Waker, waker: &mut Option<Waker>) -> Turn<R> {
        let place = &mut self.places[at as usize];
        if std::mem::take(&mut place.marks.leads) {
            self.led = false;
        }
        if let Stage::Told | Stage::Lost { .. } = place.stage {
            if std::mem::take(&mut place.marks.restart) {
                return Turn::Restart;
            }
            return self.done(at, waker);
        }
        if place.marks.late {
            let sent = matches!(place.stage, Stage::Flying(_));
            return Turn::Late { sent };
        }
        if std::mem::take(&mut place.marks.restart) {
            return Turn::Restart;
        }
        if let Some(part) = place.part.take() {
            if let Stage::Flying(line) = place.stage
                && let line = &mut self.lines[line as usize]
                && line.full == Some(at)
            {
                (line.full, line.signalled, line.seen) = (None, true, false);
            }
            return Turn::Rows(part);
        }
        if let Some(turn) = self.duty() {
            return turn;
        }
        let place = &mut self.places[at as usize];
        if place.waker.as_ref().is_some_and(|there| there.will_wake(known)) {
            return Turn::Wait;
        }
        match waker.take() {
            Some(new) => {
                *waker = place.waker.replace(new);
                Turn::Wait
            }
            None => Turn::Introduce,
        }
    }

    /// The call of this place, if it is over with nothing left to tell: as nearly all are.
    #[inline(always)]
    pub(super) fn back(&mut self, at: u32) -> Option<Box<Call>> {
        let place = self.places.get_mut(at as usize)?;
        if place.stage != Stage::Told || place.peculiar() {
            return None;
        }
        let call = place.call.take()?;
        place.stage = Stage::Free;
        place.marks = Marks::default();
        self.free.push(at);
        Some(call)
    }

    fn done(&mut self, at: u32, waker: &mut Option<Waker>) -> Turn<R> {
        let place = &mut self.places[at as usize];
        if place.waker.is_some() {
            *waker = place.waker.take();
        }
        let done = match place.call.take() {
            Some(mut call) => {
                call.part = place.part.take();
                Turn::Done(call)
            }
            None => Turn::Gone { ran: place.stage == (Stage::Lost { ran: true }) },
        };
        self.vacant(at);
        done
    }

    /// A place is free again.
    fn vacant(&mut self, at: u32) {
        let place = std::mem::take(&mut self.places[at as usize]);
        self.timed -= usize::from(place.until.is_some());
        self.free.push(at);
    }

    /// What is to be done by whoever is awake.
    fn duty(&mut self) -> Option<Turn<R>> {
        let signalled = self.lines.iter().position(|line| line.signalled && line.is_here());
        if let Some(line) = signalled {
            return self.take(line).map(Turn::Drive);
        }
        if self.led {
            return None;
        }
        self.skip_gone();
        if self.queue.is_empty() {
            return None;
        }
        match self.choose()? {
            Choice::Take(line) => self.take(line).map(Turn::Drive),
            Choice::Open(line) => {
                self.lines[line].phase = Phase::Opening;
                Some(Turn::Open(line))
            }
        }
    }

    /// Lets go of the calls at the queue's head whose callers have left.
    fn skip_gone(&mut self) {
        while let Some(&at) = self.queue.first()
            && let Stage::Gone = self.places[at as usize].stage
        {
            self.queue.pop_front();
            self.queue_gone -= 1;
            self.bury(at);
        }
    }

    /// A call whose caller has left is over.
    #[cold]
    fn bury(&mut self, at: u32) {
        if let Some(mut call) = self.places[at as usize].call.take() {
            call.rest();
            self.keep(call);
        }
        self.vacant(at);
    }

    /// Where the queue's next calls go.
    fn choose(&self) -> Option<Choice> {
        let (mut busy, mut opening) = (false, false);
        let mut least = None;
        for (index, line) in self.lines.iter().enumerate() {
            match line.phase {
                Phase::Here(_) if !self.bounds.even && self.takes(index) => {
                    return Some(Choice::Take(index));
                }
                Phase::Here(_)
                    if self.bounds.even
                        && self.takes(index)
                        && line.order.len() < self.quota(index) =>
                {
                    let under_way = line.order.len();
                    if least.is_none_or(|(_, others)| under_way < others) {
                        least = Some((index, under_way));
                    }
                }
                Phase::Opening => opening = true,
                // Whoever drives it takes them with him: they are more together than over two. Unless he has been at it
                // for long: he may stand still.
                Phase::Out
                    if !self.bounds.even
                        && line.has_room()
                        && line.order.len() + self.queue.len() <= line.depth
                        && self.tick.saturating_sub(line.taken) <= 1 =>
                {
                    return None;
                }
                Phase::Out => busy |= line.has_room(),
                Phase::Here(_) | Phase::Vacant => {}
            }
        }
        if let Some((index, under_way)) = least
            && (opening || under_way + self.queue.len() <= SPREAD)
        {
            return Some(Choice::Take(index));
        }
        let least = least.map(|(index, _)| Choice::Take(index));
        // Whoever drives the one that has room will look at the queue before he leaves, and takes them then or with the next
        // answers.
        if least.is_none() && (opening || (busy && self.queue.len() < SPREAD)) {
            return None;
        }
        match self.lines.iter().position(|line| matches!(line.phase, Phase::Vacant)) {
            Some(vacant) => Some(Choice::Open(vacant)),
            None => least,
        }
    }

    /// Whether this line takes some of those that wait.
    fn takes(&self, index: usize) -> bool {
        let line = &self.lines[index];
        if self.bounds.even { line.has_room() } else { line.takes(self.waiting()) }
    }

    /// How many this line may have under way: its depth, or what is its even part of all.
    fn quota(&self, index: usize) -> usize {
        let depth = self.lines[index].depth;
        if !self.bounds.even {
            return depth;
        }
        let (mut all, mut lines) = (self.queue.len(), 0);
        for line in &self.lines {
            // One that takes no more has its part.
            if matches!(line.phase, Phase::Here(_) | Phase::Out) && line.has_room() {
                (all, lines) = (all + line.order.len(), lines + 1);
            }
        }
        all.div_ceil(lines.max(1)).min(depth)
    }

    /// Takes a rig out, with what it is to send.
    pub(super) fn take(&mut self, index: usize) -> Option<Held<R>> {
        let line = &mut self.lines[index];
        let mut rig = match std::mem::replace(&mut line.phase, Phase::Out) {
            Phase::Here(rig) => rig,
            other => {
                line.phase = other;
                return None;
            }
        };
        (line.signalled, line.seen, line.delegate) = (false, false, None);
        line.taken = self.tick;
        for at in line.left.drain(..) {
            rig.forget(at);
        }
        if !self.led {
            self.fill(index, &mut rig, false);
        }
        Some(Held { line: index, rig })
    }

    fn fill(&mut self, index: usize, rig: &mut R, new: bool) {
        let before = self.lines[index].order.len();
        let room = if self.takes(index) { self.quota(index).saturating_sub(before) } else { 0 };
        let mut boarded = 0;
        while boarded < room
            && let Some(at) = self.queue.pop_front()
        {
            let place = &mut self.places[at as usize];
            if place.stage == Stage::Gone {
                self.queue_gone -= 1;
                self.bury(at);
                continue;
            }
            let Some(mut call) = place.call.take() else { continue };
            place.stage = Stage::Flying(index as u32);
            place.marks.writes = call.writes;
            if call.since_tick != self.tick {
                call.waited += waited(call.since, self.now);
            }
            // It has waited for a new one.
            call.tries.solo = before == 0 && boarded == 0 && !new && self.queue.is_empty();
            self.lines[index].order.push_back(at);
            rig.board(at, call);
            boarded += 1;
        }
        if boarded > 0 {
            let line = &mut self.lines[index];
            self.last_batch = boarded;
            line.used = self.tick;
            if before == 0 {
                line.head_since = self.tick;
            }
            if line.order.len() >= line.depth && !self.queue.is_empty() {
                line.went_well(boarded);
            }
        }
    }

    /// Takes over what a rig has brought back. Whom to wake is left with the rig; not the caller `me`, who is awake.
    pub(super) fn land(&mut self, held: &mut Held<R>, me: Option<u32>) {
        let Held { line: index, rig } = held;
        let index = *index;
        let passed = self.lines[index].passed;
        while let Some(Landed { at, call }) = rig.landed() {
            let line = &mut self.lines[index];
            // As nearly all: it was answered, in its turn, and its caller waits.
            if let Some(answered) = &call
                && answered.outcome.is_some()
                && line.order.first() == Some(&at)
                && let Some(place) = self.places.get_mut(at as usize)
                && place.stage != Stage::Gone
            {
                line.pass();
                (place.stage, place.call) = (Stage::Told, call);
                if me != Some(at)
                    && let Some(waker) = place.waker.take()
                {
                    rig.wakers().push(waker);
                }
            } else {
                self.land_one(index, at, call, me, rig.wakers());
            }
        }
        // In their old order, before all others.
        while let Some(at) = self.again.pop() {
            self.queue.push_front(at);
        }
        let line = &mut self.lines[index];
        if line.passed != passed {
            if line.head_since != self.tick {
                // It takes long enough as it is.
                line.smooth = 0;
            }
            line.head_since = self.tick;
            line.stalled = false;
        }
        if let Some((at, rows)) = rig.overflow() {
            let place = &mut self.places[at as usize];
            if place.part.is_none() {
                let mut next = RowBatch::new();
                next.set_columns(rows.columns());
                place.part = Some(Box::new(std::mem::replace(rows, next)));
                place.marks.parted = true;
                // There is room again.
                line.signalled = true;
                if me != Some(at)
                    && let Some(waker) = place.waker.take()
                {
                    rig.wakers().push(waker);
                }
            } else {
                line.full = Some(at);
            }
        }
    }

    #[cold]
    fn land_one(
        &mut self,
        index: usize,
        at: u32,
        call: Option<Box<Call>>,
        me: Option<u32>,
        wakers: &mut Vec<Waker>,
    ) {
        let moved = call.as_ref().is_some_and(|call| matches!(call.ending, Ending::Moved));
        self.lines[index].leave(at, moved);
        let Some(mut call) = call.filter(|_| at != NOBODY) else { return };
        if let Stage::Gone = self.places[at as usize].stage {
            // The place's next caller must not be taken for the one who left.
            self.lines[index].left.retain(|left| *left != at);
            call.rest();
            self.keep(call);
            self.vacant(at);
            return;
        }
        if call.outcome.is_none() {
            match self.another_try(&mut call) {
                true => return self.requeue(at, call),
                false if matches!(call.ending, Ending::Elsewhere) => self.counted.elsewhere += 1,
                false => {}
            }
        }
        self.tell(at, call, me, wakers);
    }

    /// Whether a call that has come back without an answer is queued again; if not, what its caller is told.
    #[cold]
    fn another_try(&mut self, call: &mut Call) -> bool {
        match std::mem::replace(&mut call.ending, Ending::Elsewhere) {
            Ending::Moved => {
                self.counted.moved += 1;
                return true;
            }
            Ending::Unsent => {
                call.tries.lost += 1;
                return call.tries.lost < LOST_MAX;
            }
            Ending::Unrun => {
                call.tries.unrun += 1;
                call.tries.alone |= call.tries.unrun >= UNRUN_ALONE;
                self.counted.resent += u64::from(call.tries.unrun < UNRUN_MAX);
                return call.tries.unrun < UNRUN_MAX;
            }
            Ending::Hit => {
                call.tries.hit += 1;
                let again = !call.tries.makes_way && call.tries.hit < HIT_MAX;
                self.counted.resent += u64::from(again);
                return again;
            }
            Ending::Lost(error) => {
                call.tries.lost += 1;
                let repeatable = !call.writes || error.nothing_sent();
                if repeatable && call.tries.lost < LOST_MAX {
                    self.counted.resent += 1;
                    return true;
                }
                call.ending = Ending::Failed(match repeatable {
                    true => error.with_retry(Retry::Safe),
                    false => error,
                });
            }
            ending @ (Ending::Open | Ending::Failed(_) | Ending::Elsewhere) => {
                call.ending = ending;
            }
        }
        false
    }

    fn requeue(&mut self, at: u32, mut call: Box<Call>) {
        let place = &mut self.places[at as usize];
        call.rows.clear();
        (call.since, call.since_tick, call.ending) = (self.now, self.tick, Ending::Open);
        place.part = None;
        place.marks.restart |= std::mem::take(&mut place.marks.parted);
        (place.stage, place.call) = (Stage::Queued, Some(call));
        self.again.push(at);
    }

    /// Gives a call back to its caller.
    fn tell(&mut self, at: u32, call: Box<Call>, me: Option<u32>, wakers: &mut Vec<Waker>) {
        let place = &mut self.places[at as usize];
        (place.stage, place.call) = (Stage::Told, Some(call));
        if me != Some(at)
            && let Some(waker) = place.waker.take()
        {
            wakers.push(waker);
        }
    }

    /// Puts a rig back, unless there is more to do with it at once. Who is to be woken, and a rig that is to be
    /// dropped, both without the lock.
    pub(super) fn settle(&mut self, held: Held<R>, again: bool) -> Settled<R> {
        let Held { line: index, mut rig } = held;
        let line = &mut self.lines[index];
        if rig.is_lost() || line.doomed {
            let order = std::mem::take(&mut line.order);
            line.vacate();
            for &at in &*order {
                self.send_off(at, rig.wakers());
            }
            return Settled::Back { waker: self.hand_on(index), gone: Some(rig) };
        }
        if line.stopping.is_some() && rig.is_clear() {
            line.stopping = None;
        }
        if line.order.is_empty() && (line.retiring || self.closed) && rig.is_clear() {
            line.vacate();
            return Settled::Back { waker: self.hand_on(index), gone: Some(rig) };
        }
        let signalled = line.signalled;
        line.phase = Phase::Here(rig);
        let takes = || self.takes(index) && self.lines[index].order.len() < self.quota(index);
        let more = signalled || (!self.led && !self.queue.is_empty() && takes());
        if more
            && again
            && let Some(held) = self.take(index)
        {
            return Settled::Again(held);
        }
        Settled::Back { waker: self.hand_on(index), gone: None }
    }

    /// The caller of this place goes about what is left to do, if there is anything; else somebody who waits.
    fn hand_on(&mut self, index: usize) -> Option<Waker> {
        if self.lines[index].signalled
            && self.lines[index].is_here()
            && let Some(waker) = self.delegate(index)
        {
            // Who drives looks at the queue, too.
            return Some(waker);
        }
        if self.led {
            return None;
        }
        self.skip_gone();
        if self.queue.is_empty() || self.choose().is_none() {
            return None;
        }
        self.pass_on()
    }

    /// Gives the duty to send what is queued to someone who waits, unless somebody has it. He sees to what was signalled, too.
    fn pass_on(&mut self) -> Option<Waker> {
        if self.led {
            return None;
        }
        for &at in self.queue.iter().take(PASS_MAX) {
            let place = &mut self.places[at as usize];
            if let Stage::Queued = place.stage
                && let Some(waker) = place.waker.take()
            {
                place.marks.leads = true;
                (self.led, self.leader) = (true, at);
                return Some(waker);
            }
        }
        None
    }

    /// Wakes the one who has waited longest on a line.
    fn delegate(&mut self, index: usize) -> Option<Waker> {
        let line = &mut self.lines[index];
        for &at in &*line.order {
            if at == NOBODY {
                continue;
            }
            let place = &mut self.places[at as usize];
            if let Stage::Flying(_) = place.stage
                && let Some(waker) = place.waker.take()
            {
                line.delegate = Some(at);
                return Some(waker);
            }
        }
        line.delegate = None;
        None
    }

    /// There is something to do on a line; who is to be woken for it.
    pub(super) fn signal(&mut self, index: usize) -> Option<Waker> {
        let line = &mut self.lines[index];
        if line.signalled || matches!(line.phase, Phase::Vacant | Phase::Opening) {
            return None;
        }
        (line.signalled, line.seen) = (true, false);
        // Whoever has the rig looks again before he puts it back.
        if line.is_here() { self.delegate(index).or_else(|| self.pass_on()) } else { None }
    }

    /// A caller goes without its answer; who is to be woken, and a call that is to be dropped.
    pub(super) fn leave(&mut self, at: u32) -> Left {
        let place = &mut self.places[at as usize];
        let queued = matches!(place.stage, Stage::Queued);
        let mut left = Left { waker: None, old: place.waker.take(), queued };
        let led = std::mem::take(&mut place.marks.leads);
        match std::mem::replace(&mut place.stage, Stage::Gone) {
            Stage::Flying(index) => {
                place.part = None;
                let index = index as usize;
                let line = &mut self.lines[index];
                line.left.push(at);
                if line.full == Some(at) {
                    (line.full, line.signalled, line.seen) = (None, true, false);
                }
                if line.signalled && line.is_here() && line.delegate.is_none_or(|to| to == at) {
                    left.waker = self.delegate(index).or_else(|| self.pass_on());
                }
            }
            Stage::Told | Stage::Lost { .. } => self.bury(at),
            Stage::Queued => self.queue_gone += 1,
            Stage::Gone | Stage::Free => {}
        }
        if led {
            self.led = false;
            self.skip_gone();
            if !self.queue.is_empty() {
                left.waker = self.pass_on();
            }
        }
        left
    }

    /// A line has its connection, which is out at first.
    pub(super) fn opened(&mut self, index: usize, mut rig: R) -> Option<Held<R>> {
        let line = &mut self.lines[index];
        *line = Line::new();
        line.phase = Phase::Out;
        (line.used, line.head_since, line.taken) = (self.tick, self.tick, self.tick);
        if !self.led {
            self.fill(index, &mut rig, true);
        }
        Some(Held { line: index, rig })
    }

    /// A line gets no connection now. Those who have waited for `waited` are told why, all if that is `None`.
    pub(super) fn not_opened(
        &mut self,
        index: usize,
        now: Instant,
        waited: Option<Duration>,
        mut why: impl FnMut() -> Ending,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        self.lines[index].phase = Phase::Vacant;
        let usable = self
            .lines
            .iter()
            .any(|line| matches!(line.phase, Phase::Here(_) | Phase::Out | Phase::Opening));
        if !usable {
            let over = |since: Instant| {
                waited.is_none_or(|waited| now.saturating_duration_since(since) >= waited)
            };
            self.tell_queued(over, &mut why, wakers);
        }
        self.skip_gone();
        let more = !usable && !self.queue.is_empty();
        if more {
            self.lines[index].phase = Phase::Opening;
        }
        more
    }

    fn tell_queued(
        &mut self,
        which: impl Fn(Instant) -> bool,
        why: &mut impl FnMut() -> Ending,
        wakers: &mut Vec<Waker>,
    ) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|&at| {
            let place = &mut self.places[at as usize];
            if let Stage::Gone = place.stage {
                self.queue_gone -= 1;
                self.bury(at);
                return false;
            }
            let Some(mut call) = place.call.take() else { return false };
            if !call.since.is_none_or(&which) {
                place.call = Some(call);
                return true;
            }
            if std::mem::take(&mut place.marks.leads) {
                self.led = false;
            }
            call.waited += waited(call.since, self.now);
            call.ending = why();
            self.counted.elsewhere += u64::from(matches!(call.ending, Ending::Elsewhere));
            self.tell(at, call, None, wakers);
            false
        });
        self.queue = queue;
    }
}

/// What a caller does who has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Enter {
    /// Goes on at once.
    Go,
    /// Lets others join, then goes on.
    Yield,
    /// Waits.
    Wait,
}

enum Choice {
    Take(usize),
    Open(usize),
}

/// What became of a rig that was put back.
#[derive(Debug)]
pub(super) enum Settled<R> {
    Again(Held<R>),
    Back { waker: Option<Waker>, gone: Option<R> },
}

/// What a caller who leaves has left to do without the lock.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) waker: Option<Waker>,
    pub(super) old: Option<Waker>,
    /// It was in the queue, where nothing of it was sent.
    pub(super) queued: bool,
}

/// From one moment to the other, where both are known.
fn waited(since: Option<Instant>, now: Option<Instant>) -> Duration {
    match (since, now) {
        (Some(since), Some(now)) => now.saturating_duration_since(since),
        _ => Duration::ZERO,
    }
}

#[cold]
fn closed() -> Error {
    crate::errors::acquire(aquifer_pool::AcquireError::Closed)
}

/// The error of a write that was under way when the runtime of its connection went away.
#[cold]
pub(super) fn orphaned() -> Error {
    Error::new(
        ErrorKind::ConnectionLost,
        "the runtime of the shared connection has ended before the answer came",
    )
    .with_hint("it may have taken effect or not: look before doing it again")
    .with_retry(Retry::Unknown)
}

#[cold]
pub(super) fn queued_too_long() -> Error {
    Error::new(ErrorKind::PoolTimeout, "no shared connection had room in time")
        .with_hint(
            "raise `multiplex_connections`, or give calls that take long a connection of their own",
        )
        .with_nothing_sent(true)
        .with_retry(Retry::Safe)
}
