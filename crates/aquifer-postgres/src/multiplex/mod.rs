//! The lane: statements of several callers under way in one session, by ticket.
//!
//! Nothing here reads, writes or waits. It is the other mode of a [`Pipeline`]: the same cache, names, buffers
//! and counters, but a queue of small entries in the place of the queues of a command. [`push`] encodes
//! behind what is under way, [`receive`] takes the answers apart message by message, [`whole`] takes those of
//! kept statements that have come as a whole, which is nearly all of them.
//!
//! Statements between two Syncs are a segment. The answer to its last one is held until ReadyForQuery: what
//! fails as the implicit transaction is committed is that one's error.

mod push;
mod receive;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::VecDeque;
use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Error, ErrorKind, Outcome, Result, Retry, Want};

use crate::pipeline::{KEPT_BYTES, Pipeline};
use crate::protocol::frame::{self, Found};
use crate::server_error::ServerError;
use crate::statement::{Shape, Statement};
use crate::types::Oid;

/// The statements under way, and where the first of them stands.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Those that were pushed and are not answered, in order.
    owed: VecDeque<Owed>,
    stage: Stage,
    head: Head,
    /// The segment has failed, or was given up: nothing but its ReadyForQuery is to come.
    skipping: bool,
    /// The server has stopped one of them, and whoever stops things does not know yet.
    was_hit: bool,
    /// The server has told that what is committed now was not replicated.
    unreplicated: bool,
    /// Statements that are prepared by one under way, and used by it and by those behind it.
    firsts: VecDeque<First>,
    /// How many firsts have left the queue: the number of the one at its head.
    firsts_gone: usize,
    /// The names in the Close messages under way.
    closing: VecDeque<Box<str>>,
    /// How many bytes were written and forgotten: where in the stream the output begins.
    written: u64,
    /// Nobody wants the answers any more.
    abandoned: bool,
    /// The session broke before anything of these was written.
    unsent: Vec<Ticket>,
}

/// One statement under way.
#[derive(Debug)]
struct Owed {
    ticket: Ticket,
    want: Want,
    /// A Sync follows it.
    ends_segment: bool,
    /// How many Close messages stand before it, whose answers come first.
    closes: u32,
    /// Where in the stream its messages begin.
    start: u64,
    what: What,
}

/// How a statement was sent, and so what its answer is made of.
#[derive(Debug)]
enum What {
    /// Bind and Execute of a statement that is kept.
    Kept(Arc<Statement>),
    /// Parse, Describe, Bind and Execute: the first that uses the text, with so many arguments.
    First(usize, usize),
    /// Bind and Execute by the name that a first one has given.
    Follower(usize, usize),
}

/// A statement that is prepared by one under way.
#[derive(Debug)]
struct First {
    /// Empty if nobody else can use it.
    name: Box<str>,
    text: Arc<str>,
    /// The types that the arguments declared themselves.
    declared: Box<[Oid]>,
    parameters: Box<[Oid]>,
    state: Known,
    /// How many under way need it, itself among them.
    users: usize,
}

/// What is known of a statement that is being prepared.
#[derive(Debug)]
enum Known {
    /// Nothing yet.
    Asked,
    /// How its results lie as text. It is kept from now on, if it has a name.
    Described(Arc<Statement>, Arc<Shape>),
    /// That there is none: it failed, or was not run.
    Gone,
}

/// The answer that the statement at the head of the queue is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// The first one: CloseComplete, then ParseComplete or BindComplete.
    #[default]
    Begin,
    /// ParameterDescription.
    Parameters,
    /// RowDescription or NoData.
    Fields,
    /// BindComplete.
    Bind,
    /// Rows, ended by CommandComplete or EmptyQueryResponse.
    Rows,
    /// ReadyForQuery.
    Ready,
}

/// What has come so far for the statement at the head of the queue.
#[derive(Debug, Default)]
struct Head {
    /// There was room for its first rows.
    roomed: bool,
    /// Nobody reads the rest of its rows.
    skips: bool,
    /// A row of it could not be read.
    failure: Option<Error>,
    outcome: Outcome,
}

/// Why no more answers were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All that have come were.
    All,
    /// There is no room for the rows that come next.
    Full,
}

impl Lane {
    /// True while the server owes anything, or will when all is written.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        !self.owed.is_empty() || self.skipping
    }

    /// How many statements are not answered.
    #[inline]
    pub(crate) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Whether the server has stopped a statement; true once.
    #[inline]
    pub(crate) fn take_hit(&mut self) -> bool {
        std::mem::take(&mut self.was_hit)
    }

    /// Nobody wants the answers any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// The server has broken off the wait for its standby.
    pub(crate) fn unreplicated(&mut self) {
        self.unreplicated = true;
    }

    fn first(&self, number: usize) -> Option<&First> {
        self.firsts.get(number.checked_sub(self.firsts_gone)?)
    }

    fn first_mut(&mut self, number: usize) -> Option<&mut First> {
        self.firsts.get_mut(number.checked_sub(self.firsts_gone)?)
    }

    /// The statement at the head is answered.
    fn next(&mut self) -> Option<Owed> {
        self.stage = Stage::Begin;
        self.head = Head::default();
        self.owed.pop_front()
    }

    /// One that used it is over.
    fn release(&mut self, what: &What) {
        let (What::First(number, _) | What::Follower(number, _)) = *what else { return };
        if let Some(first) = self.first_mut(number) {
            first.users -= 1;
        }
        while self.firsts.front().is_some_and(|first| first.users == 0) {
            self.firsts.pop_front();
            self.firsts_gone += 1;
        }
    }
}

impl Owed {
    /// The text, where the statement is still known.
    fn text<'a>(&'a self, lane: &'a Lane) -> Option<&'a Arc<str>> {
        match &self.what {
            What::Kept(statement) => Some(&statement.text),
            What::First(number, _) | What::Follower(number, _) => {
                lane.first(*number).map(|first| &first.text)
            }
        }
    }

    /// The statement, once it is described.
    fn statement<'a>(&'a self, lane: &'a Lane) -> Option<&'a Arc<Statement>> {
        match &self.what {
            What::Kept(statement) => Some(statement),
            What::First(number, _) | What::Follower(number, _) => {
                match &lane.first(*number)?.state {
                    Known::Described(statement, _) => Some(statement),
                    Known::Asked | Known::Gone => None,
                }
            }
        }
    }

    /// How the rows lie.
    fn shape<'a>(&'a self, lane: &'a Lane) -> Option<&'a Arc<Shape>> {
        match &self.what {
            What::Kept(statement) => Some(statement.shape()),
            What::First(number, _) | What::Follower(number, _) => {
                match &lane.first(*number)?.state {
                    Known::Described(_, shape) => Some(shape),
                    Known::Asked | Known::Gone => None,
                }
            }
        }
    }
}

impl Pipeline {
    /// Nobody wants the answers any more: they are still to be taken.
    pub(crate) fn abandon_lane(&mut self) {
        self.lane.abandoned = self.lane.is_busy();
    }

    /// All that was owed has been taken, and the next statements have nothing to do with it.
    pub(crate) fn lane_ended(&mut self) {
        self.lane.abandoned = false;
        self.touched = false;
        self.shrink_scratch();
    }

    /// Takes back all statements, of which nothing was written.
    pub(crate) fn take_back_lane(&mut self, answers: &mut dyn Answers) {
        self.out.clear();
        self.sent = 0;
        self.reopen(usize::MAX);
        while let Some(owed) = self.lane.next() {
            answers.not_run(owed.ticket);
        }
        self.lane = Lane { written: self.lane.written, ..Lane::default() };
    }

    /// So many Close messages were not heard: the names are still to be closed.
    fn reopen(&mut self, closes: usize) {
        let closes = closes.min(self.lane.closing.len());
        self.closing.extend(self.lane.closing.drain(..closes));
    }

    /// Nothing that is written is sent again: what fails is pushed again.
    #[inline]
    pub(crate) fn forget_written(&mut self) {
        if self.sent == self.out.len() {
            self.lane.written += self.sent as u64;
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > KEPT_BYTES {
                self.out.shrink_to(KEPT_BYTES);
            }
        } else if self.sent > KEPT_BYTES && self.sent > self.out.len() / 2 {
            self.lane.written += self.sent as u64;
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The session is of no more use, for this reason, and nothing is owed any more.
    pub(crate) fn break_lane(&mut self, error: Error) -> Error {
        self.broken = true;
        let sent = self.lane.written + self.sent as u64;
        let untouched = self.lane.owed.front().is_none_or(|owed| owed.start >= sent);
        let unsent = self.lane.owed.iter().filter(|owed| owed.start >= sent);
        let unsent = unsent.map(|owed| owed.ticket).collect();
        self.lane = Lane { unsent, ..Lane::default() };
        let error = error.with_nothing_sent(untouched);
        match error.kind() {
            _ if untouched => error.with_retry(Retry::Safe),
            // The answer could not be read: what was sent may have been done.
            ErrorKind::Protocol => error.with_retry(Retry::Unknown),
            _ => error,
        }
    }

    /// The session broke: those of which nothing was written were not run.
    #[cold]
    pub(crate) fn tell_unsent(&mut self, answers: &mut dyn Answers) {
        for ticket in self.lane.unsent.drain(..) {
            answers.not_run(ticket);
        }
    }

    /// Writing failed: what the server said last, if it is among what has come.
    pub(crate) fn hear_farewell(&mut self) -> Result<()> {
        while let Ok(Found::Whole(frame)) = frame::find(&self.input.bytes, self.input.at) {
            self.input.at = frame.end;
            if frame.tag == b'E'
                && let Ok(server) = ServerError::parse(&self.input.bytes[frame.body..frame.end])
                && server.is_fatal()
            {
                return Err(self.broke(over(server)));
            }
        }
        Ok(())
    }
}

/// Takes what nobody reads.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Answers for Nobody {
    fn room(&mut self, _: Ticket) -> Room<'_> {
        Room::Skip
    }

    fn answered(&mut self, _: Ticket, _: Result<Outcome>) {}

    fn not_run(&mut self, _: Ticket) {}
}

/// The server has ended the session.
#[cold]
fn over(server: ServerError) -> Error {
    let error = server.into_error(None);
    match error.kind() {
        ErrorKind::Database => error.with_kind(ErrorKind::ConnectionLost),
        _ => error,
    }
}
