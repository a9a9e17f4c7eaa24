//! [`Line`]: one shared connection with the calls that are under way on it, for whoever drives it.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Error, ErrorKind, Outcome, Result, Retry, RowBatch};
use tokio::time::Instant;

use super::call::{Call, Ending};
use super::fifo::Fifo;
use super::state::{Landed, NOBODY, Rig};
use crate::source::Lease;

/// From so many on, statements that are sent together have one segment. The server answers those of a segment together:
/// smaller ones wake callers, who send little, who get small ones. Of fewer, half are answered while the rest runs.
const ONE_SEGMENT: usize = 16;

/// What a result may take before its caller has to take rows.
pub(super) const CREDIT: usize = 256 * 1024;

/// A shared connection.
pub(super) struct Line {
    lease: Lease,
    aloft: Aloft,
    /// Who is woken by the connection.
    waker: Waker,
    wakers: Vec<Waker>,
    /// Each statement has a segment to itself.
    one_each: bool,
    /// One that holds up others may be stopped.
    makes_way: bool,
    /// Nothing is owed, and no request to stop is on its way.
    clear: bool,
    lost: bool,
    pub(super) flights: u64,
    pub(super) segments: u64,
}

/// The statements under way, as the driver answers them, and those that are to be sent.
struct Aloft {
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
    at: u32,
    call: Option<Box<Call>>,
    /// Nobody reads the rows.
    forgotten: bool,
    /// The server has run it, or not; it waits for those ahead of it.
    over: bool,
    /// It is no more than a place in the order: its caller was told already.
    empty: bool,
    full: bool,
    /// Its result may grow: its caller does not come, and others wait.
    unbounded: bool,
}

impl Flight {
    #[inline]
    fn end(&mut self, ending: Ending) {
        self.over = true;
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
    #[inline]
    fn flight(&mut self, ticket: Ticket) -> Option<&mut Flight> {
        self.flights.get_mut(ticket.0.wrapping_sub(self.base) as usize)
    }

    #[inline]
    fn land(&mut self, ticket: Ticket, tell: impl FnOnce(&mut Call)) {
        let now = *self.now.get_or_insert_with(Instant::now);
        let Some(flight) = self.flight(ticket).filter(|flight| !flight.over) else { return };
        flight.over = true;
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
        flight.full = false;
        if flight.forgotten {
            return Room::Skip;
        }
        let unbounded = flight.unbounded;
        match &mut flight.call {
            Some(call) if unbounded || call.rows.byte_len() < CREDIT => Room::Into(&mut call.rows),
            Some(_) => {
                flight.full = true;
                Room::Full
            }
            None => Room::Skip,
        }
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

impl Line {
    pub(super) fn new(lease: Lease, waker: Waker, one_each: bool, makes_way: bool) -> Self {
        Self {
            lease,
            aloft: Aloft {
                flights: Fifo::new(),
                base: 0,
                sent: 0,
                early: VecDeque::new(),
                stopping: false,
                now: None,
                unreplicated: false,
            },
            waker,
            wakers: Vec::new(),
            one_each,
            makes_way,
            clear: true,
            lost: false,
            flights: 0,
            segments: 0,
        }
    }

    pub(super) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Sends what is to be sent, and takes what has come.
    pub(super) fn drive(&mut self) {
        if self.lost {
            return;
        }
        let Some(multiplex) = self.lease.connection().multiplex() else {
            return self.lose(&unable());
        };
        let Aloft { flights, base, sent, early, .. } = &mut self.aloft;
        let fresh = flights.len() - *sent;
        self.flights += u64::from(fresh > 0);
        let length = match self.one_each {
            true => 1,
            false if fresh >= ONE_SEGMENT => fresh,
            false => fresh.div_ceil(2),
        };
        let mut segment = 0;
        while let Some(flight) = flights.get_mut(*sent) {
            let ticket = Ticket(base.wrapping_add(*sent as u32));
            let Some(call) = &flight.call else { break };
            if segment > 0 && (call.tries.alone || segment == length) {
                multiplex.end_segment();
                (segment, self.segments) = (0, self.segments + 1);
            }
            match multiplex.push(ticket, call.text.shared_sql(), &call.params, call.want) {
                Ok(()) => segment = if call.tries.alone { length } else { segment + 1 },
                Err(error) if error.is_connection_lost() => {
                    // That nothing was sent is said of this one.
                    let others = flights.iter().take(*sent).any(|flight| !flight.over);
                    let error = match others {
                        true => error.with_nothing_sent(false).with_retry(Retry::Unknown),
                        false => error,
                    };
                    return self.lose(&error);
                }
                Err(error) => {
                    flight.end(Ending::Failed(error));
                    flight.empty = true;
                    early.extend(flight.leave());
                }
            }
            *sent += 1;
        }
        if segment > 0 {
            multiplex.end_segment();
            self.segments += 1;
        }
        let mut cx = Context::from_waker(&self.waker);
        self.aloft.now = None;
        let polled = multiplex.poll_drive(&mut cx, &mut self.aloft);
        self.clear = polled.is_ready();
        match polled {
            Poll::Ready(Err(error)) => self.lose(&error),
            Poll::Ready(Ok(())) => self.aloft.stopping = false,
            Poll::Pending => {}
        }
    }

    /// The connection is of no further use.
    #[cold]
    pub(super) fn lose(&mut self, error: &Error) {
        self.lost = true;
        let sent = self.aloft.sent;
        for (place, flight) in self.aloft.flights.iter_mut().enumerate() {
            if place >= sent {
                flight.end(Ending::Unsent);
            } else if !flight.over {
                flight.end(Ending::Lost(copy(error)));
            }
        }
        self.aloft.sent = self.aloft.flights.len();
    }

    /// Makes way for what only waits behind the statement that takes long: it can run elsewhere.
    pub(super) fn move_behind(&mut self) {
        let Aloft { flights, early, .. } = &mut self.aloft;
        for flight in flights.iter_mut().filter(|flight| !flight.over).skip(1) {
            if flight.forgotten || flight.call.as_ref().is_none_or(|call| call.writes) {
                continue;
            }
            if let Some(call) = &mut flight.call {
                call.ending = Ending::Moved;
            }
            early.extend(flight.leave());
        }
    }

    /// Takes all of the result that is under way, whether its caller comes or not: it collects all in the end.
    pub(super) fn lift_credit(&mut self) {
        if let Some(head) = self.aloft.flights.first_mut() {
            (head.unbounded, head.full) = (true, false);
        }
    }

    /// The statement that has been under way longest, and its place.
    pub(super) fn head(&self) -> Option<(u32, Option<&Call>)> {
        let head = self.aloft.flights.iter().find(|flight| !flight.over)?;
        Some((head.at, head.call.as_deref()))
    }

    /// The statement at the head is to be stopped: from now on, any may be hit.
    pub(super) fn stopping(&mut self) {
        self.aloft.stopping = true;
        self.clear = false;
        if let Some(Flight { call: Some(call), forgotten: false, .. }) =
            self.aloft.flights.first_mut()
        {
            call.tries.makes_way = true;
        }
    }

    /// How long the connection has lived.
    pub(super) fn age(&self) -> Duration {
        self.lease.info().age
    }
}

impl Rig for Box<Line> {
    #[inline]
    fn board(&mut self, at: u32, call: Box<Call>) {
        self.aloft.flights.push_back(Flight { at, call: Some(call), ..Flight::default() });
    }

    fn forget(&mut self, at: u32) {
        if let Some(flight) = self.aloft.flights.iter_mut().find(|flight| flight.at == at) {
            flight.forgotten = true;
        }
    }

    #[inline]
    fn landed(&mut self) -> Option<Landed> {
        let Aloft { flights, base, sent, early, .. } = &mut self.aloft;
        if let Some(landed) = early.pop_front() {
            return Some(landed);
        }
        loop {
            let head = flights.first_mut().filter(|head| head.over)?;
            let (at, call, empty) = (head.at, head.call.take(), head.empty);
            flights.pass();
            (*base, *sent) = (base.wrapping_add(1), sent.saturating_sub(1));
            if !empty {
                return Some(Landed { at, call });
            }
        }
    }

    fn overflow(&mut self) -> Option<(u32, &mut RowBatch)> {
        let flight = self.aloft.flights.first_mut()?;
        match (&mut flight.call, flight.full) {
            (Some(call), true) => Some((flight.at, &mut call.rows)),
            _ => None,
        }
    }

    fn is_lost(&self) -> bool {
        self.lost
    }

    fn makes_way(&self) -> bool {
        self.makes_way && !self.aloft.unreplicated
    }

    fn is_clear(&self) -> bool {
        self.clear
    }

    fn wakers(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("under_way", &self.aloft.flights.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
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

#[cold]
fn unable() -> Error {
    Error::new(ErrorKind::Unsupported, "this session runs one statement at a time")
}
