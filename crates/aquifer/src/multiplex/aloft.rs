//! [`Aloft`]: the statements under way on one connection, and those that are to be sent. No I/O: what drives the
//! connection is lent.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use aquifer_driver::multiplex::{Answers, Multiplex, Room, Ticket};
use aquifer_driver::{Error, ErrorKind, Outcome, Result, Retry, RowBatch};
use tokio::time::Instant;

use super::call::{Call, Ending};
use super::fifo::Fifo;
use super::state::{Landed, NOBODY};

#[cfg(test)]
mod tests;

/// From so many on, statements that are sent together have as few segments as can be. The server answers those of a segment
/// together: small ones wake callers, who send little, who get small ones. Of fewer, half are answered while the rest runs.
const ONE_SEGMENT: usize = 16;

/// Statements that have one segment at most: what stands behind one that fails runs again.
const SEGMENT_MAX: usize = 128;

/// What a result may take before its caller has to take rows.
const CREDIT: usize = 256 * 1024;

/// The statements under way, as the driver answers them, and those that are to be sent.
#[derive(Default)]
pub(super) struct Aloft {
    /// In order; the ticket of the first is `base`.
    flights: Fifo<Flight>,
    base: u32,
    /// How many of them were sent.
    sent: usize,
    /// Calls that have left before those ahead of them.
    early: VecDeque<Landed>,
    /// A request to stop is on its way, and may hit anyone.
    stopping: bool,
    /// A commit was not waited for to its end: stopping what holds up others does harm.
    unreplicated: bool,
    /// When what has come was read: one look at the clock for all.
    now: Option<Instant>,
}

#[derive(Default)]
struct Flight {
    call: Option<Box<Call>>,
    at: u32,
    stage: Stage,
    /// Nobody reads the rows.
    forgotten: bool,
    /// Its result may grow: its caller does not come, and others wait.
    unbounded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// To be sent, or under way.
    #[default]
    Open,
    /// Its rows have no room.
    Full,
    /// The server has run it, or not; it waits for those ahead of it.
    Over,
    /// It is no more than a place in the order: its caller was told already.
    Empty,
}

impl Flight {
    #[inline]
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over | Stage::Empty)
    }

    #[inline]
    fn end(&mut self, ending: Ending) {
        self.stage = Stage::Over;
        if let Some(call) = &mut self.call {
            call.ending = ending;
        }
    }

    /// Its caller is told before those ahead of it.
    #[cold]
    fn leave(&mut self) -> Option<Landed> {
        self.forgotten = true;
        let call = self.call.take()?;
        Some(Landed { at: std::mem::replace(&mut self.at, NOBODY), call: Some(call) })
    }
}

impl Aloft {
    /// How many there are, to be sent, under way or over.
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// How many are to be sent.
    pub(super) fn fresh(&self) -> usize {
        self.flights.len() - self.sent
    }

    /// This call is to be sent.
    #[inline(always)]
    pub(super) fn board(&mut self, at: u32, call: Box<Call>) {
        self.flights.push_back(Flight { at, call: Some(call), ..Flight::default() });
    }

    /// Encodes what is to be sent; in how many segments.
    ///
    /// # Errors
    ///
    /// One that ends the session: those behind the one that it is about were not sent.
    #[inline(always)]
    pub(super) fn push(&mut self, multiplex: &mut dyn Multiplex, one_each: bool) -> Result<u64> {
        let fresh = self.fresh();
        let Self { flights, base, sent, early, .. } = self;
        let length = match one_each {
            true => 1,
            false if fresh >= ONE_SEGMENT => fresh.div_ceil(fresh.div_ceil(SEGMENT_MAX)),
            false => fresh.div_ceil(2),
        };
        let (mut segments, mut segment) = (0, 0);
        while let Some(flight) = flights.get_mut(*sent) {
            let ticket = Ticket(base.wrapping_add(*sent as u32));
            let Some(call) = &flight.call else { break };
            let alone = call.tries.alone;
            if segment > 0 && (alone || segment == length) {
                multiplex.end_segment();
                (segment, segments) = (0, segments + 1);
            }
            match multiplex.push(ticket, call.text.shared_sql(), &call.params, call.want) {
                Ok(()) => segment = if alone { length } else { segment + 1 },
                Err(error) if error.is_connection_lost() => {
                    // That nothing was sent is said of this one.
                    let others = flights.iter().take(*sent).any(|flight| !flight.is_over());
                    return Err(match others {
                        true => error.with_nothing_sent(false).with_retry(Retry::Unknown),
                        false => error,
                    });
                }
                Err(error) => {
                    flight.end(Ending::Failed(error));
                    flight.stage = Stage::Empty;
                    early.extend(flight.leave());
                }
            }
            *sent += 1;
        }
        if segment > 0 {
            multiplex.end_segment();
            segments += 1;
        }
        Ok(segments)
    }

    /// Writes what was encoded, and takes what has come. Ready if nothing is owed, and no request to stop is on its way.
    ///
    /// # Errors
    ///
    /// One that ends the session.
    #[inline(always)]
    pub(super) fn poll_drive(
        &mut self,
        multiplex: &mut dyn Multiplex,
        cx: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        self.now = None;
        let polled = multiplex.poll_drive(cx, self);
        if let Poll::Ready(Ok(())) = polled {
            self.stopping = false;
        }
        polled
    }

    /// The connection is of no further use.
    #[cold]
    pub(super) fn lose(&mut self, error: &Error) {
        for (place, flight) in self.flights.iter_mut().enumerate() {
            if place >= self.sent {
                flight.end(Ending::Unsent);
            } else if !flight.is_over() {
                flight.end(Ending::Lost(copy(error)));
            }
        }
        self.sent = self.flights.len();
    }

    /// Makes way for what only waits behind the statement that takes long: it can run elsewhere. What is to be sent yet
    /// stays.
    pub(super) fn move_behind(&mut self) {
        let sent = self.flights.iter_mut().take(self.sent);
        for flight in sent.filter(|flight| !flight.is_over()).skip(1) {
            if flight.forgotten || flight.call.as_ref().is_none_or(|call| call.writes) {
                continue;
            }
            if let Some(call) = &mut flight.call {
                call.ending = Ending::Moved;
            }
            self.early.extend(flight.leave());
        }
    }

    /// Takes all of the result that is under way, whether its caller comes or not: it collects all in the end.
    pub(super) fn lift_credit(&mut self) {
        if let Some(head) = self.flights.first_mut() {
            head.unbounded = true;
            if head.stage == Stage::Full {
                head.stage = Stage::Open;
            }
        }
    }

    /// The statement that has been under way longest, and its place.
    pub(super) fn head(&self) -> Option<(u32, Option<&Call>)> {
        let head = self.flights.iter().find(|flight| !flight.is_over())?;
        Some((head.at, head.call.as_deref()))
    }

    /// The statement at the head is to be stopped: from now on, any may be hit.
    pub(super) fn stopping(&mut self) {
        self.stopping = true;
        if let Some(Flight { call: Some(call), forgotten: false, .. }) = self.flights.first_mut() {
            call.tries.makes_way = true;
        }
    }

    /// Whether a commit was not waited for to its end.
    pub(super) fn is_unreplicated(&self) -> bool {
        self.unreplicated
    }

    /// Nobody waits for the call of this place any more.
    pub(super) fn forget(&mut self, at: u32) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.at == at) {
            flight.forgotten = true;
        }
    }

    /// The next call that is over, here.
    #[inline(always)]
    pub(super) fn landed(&mut self) -> Option<Landed> {
        if let Some(landed) = self.early.pop_front() {
            return Some(landed);
        }
        loop {
            let head = self.flights.first_mut().filter(|head| head.is_over())?;
            let (at, call, empty) = (head.at, head.call.take(), head.stage == Stage::Empty);
            self.flights.pass();
            (self.base, self.sent) = (self.base.wrapping_add(1), self.sent.saturating_sub(1));
            if !empty {
                return Some(Landed { at, call });
            }
        }
    }

    /// Rows for which there is no room, and whose they are.
    pub(super) fn overflow(&mut self) -> Option<(u32, &mut RowBatch)> {
        let flight = self.flights.first_mut()?;
        match (&mut flight.call, flight.stage) {
            (Some(call), Stage::Full) => Some((flight.at, &mut call.rows)),
            _ => None,
        }
    }

    #[inline]
    fn flight(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        self.flights.get_mut(ticket.0.wrapping_sub(self.base) as usize)
    }

    #[inline]
    fn land(&mut self, ticket: Ticket, tell: impl FnOnce(&mut Call)) {
        let now = *self.now.get_or_insert_with(Instant::now);
        let Some(flight) = self.flight(ticket).filter(|flight| !flight.is_over()) else { return };
        flight.stage = Stage::Over;
        if let Some(call) = &mut flight.call {
            call.ended = Some(now);
            tell(call);
        }
    }

    #[cold]
    fn failed(&mut self, ticket: Ticket, error: Error) {
        let stopped = self.stopping
            && self.flight(ticket).is_some_and(|flight| !flight.forgotten)
            && error.kind() == ErrorKind::Cancelled;
        let ending = if stopped {
            Ending::Hit
        } else {
            self.unreplicated |= error.kind() == ErrorKind::CommitNotReplicated;
            Ending::Failed(error)
        };
        self.land(ticket, |call| call.ending = ending);
    }
}

impl Answers for Aloft {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        let Some(flight) = self.flight(ticket) else { return Room::Skip };
        if flight.is_over() {
            return Room::Skip;
        }
        flight.stage = Stage::Open;
        let unbounded = flight.unbounded;
        let (Some(call), false) = (&mut flight.call, flight.forgotten) else { return Room::Skip };
        let rows = &mut call.rows;
        if unbounded || rows.byte_len() < CREDIT {
            return Room::Into(rows);
        }
        flight.stage = Stage::Full;
        Room::Full
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        match answer {
            Ok(outcome) => self.land(ticket, |call| call.outcome = Some(outcome)),
            Err(error) => self.failed(ticket, error),
        }
    }

    fn not_run(&mut self, ticket: Ticket) {
        self.land(ticket, |call| call.ending = Ending::Unrun);
    }
}

/// The same to be said to another caller.
#[cold]
pub(super) fn copy(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message().to_owned())
        .with_nothing_sent(error.nothing_sent())
        .with_retry(error.retry());
    if let Some(hint) = error.hint() {
        copy = copy.with_hint(hint.to_owned());
    }
    if let Some(code) = error.code() {
        copy = copy.with_code(code.to_owned());
    }
    if let Some(state) = error.sqlstate() {
        copy = copy.with_sqlstate(state);
    }
    copy
}
