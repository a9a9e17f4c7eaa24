//! The pipeline: commands in, bytes out; bytes in, steps out. It counts the replies that are owed.
//!
//! Nothing here reads, writes or waits. A command is encoded as one flight of messages; for each message
//! that the server answers, an [`Expect`] is queued, and for each statement a [`Work`]. Replies must come
//! in that order; anything else ends the connection. An error makes the server skip to the next Sync, and
//! so do we.
//!
//! The same queues serve one owner at a time, who starts the next command when the last has ended, and
//! can serve several, because nothing assumes that only one command is owed.

mod command;
mod committed;
mod control;
mod copy;
mod lone;
mod receive;
mod rows;
#[cfg(test)]
mod tests;
mod trace;
mod work;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use aquifer_driver::{
    Columns, CommitTrace, Counters, Description, Error, ErrorKind, Result, Retry, Status,
};
use aquifer_net::{Flow, Input, Statements};

use crate::multiplex::Lane;
use crate::parameters::Parameters;
use crate::protocol::backend::{CopyFormat, Ready};
use crate::server_error::ServerError;
use crate::session_observer::SessionObserver;
use crate::statement::{Shape, Statement};
use crate::types::{Codecs, Oid};

pub(crate) use command::{ARGUMENTS_MAX, KEPT_BYTES, copy_in_a_batch, declared};
use control::Forgotten;
use copy::Phase;
pub(crate) use copy::{CopyStep, Direction};
use lone::Lone;
use trace::{Known, Trace};
use work::{Expect, Role, Settled, Work};

pub(crate) use lone::{BOUND, ONE_SELECTED, counted};
pub(crate) use receive::{
    FEATURE_NOT_SUPPORTED, INVALID_STATEMENT_NAME, PROTOCOL_VIOLATION, QUERY_CANCELED,
    is_of_the_schema, is_state, not_replicated, unexpected,
};
pub(crate) use rows::{append_rows, malformed, take_found};

/// How statements reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StatementMode {
    /// Named statements that the server keeps.
    #[default]
    Named,
    /// The unnamed statement, parsed at each use; only its types are remembered. For poolers that give
    /// each transaction another server connection.
    Described,
    /// The simple protocol, with the arguments written into the text.
    Simple,
}

/// What a pipeline is made with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mode: StatementMode,
    /// Each transaction may have another session: what belongs to one is refused outside of them.
    pub(crate) pooled: bool,
    /// Most statements that are kept.
    pub(crate) statements_max: usize,
    /// Distinguishes this connection's statement names from those of others behind a pooler.
    pub(crate) name_prefix: Box<str>,
    pub(crate) observer: Option<Arc<dyn SessionObserver>>,
}

impl Settings {
    /// Statements have names, which last as long as the session.
    #[inline]
    pub(crate) fn names_last(&self) -> bool {
        self.mode == StatementMode::Named && !self.pooled
    }
}

/// The state of one session. See the [module's documentation](self).
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) settings: Settings,
    pub(crate) input: Input,
    /// The flight under way, kept whole until its end so that a statement can be sent again.
    pub(crate) out: Vec<u8>,
    /// How much of `out` is written.
    pub(crate) sent: usize,
    /// Whether any of the command under way was written.
    pub(crate) touched: bool,
    /// The statements of several callers that are under way; while there are any, no command is.
    pub(crate) lane: Lane,
    /// The server waits to be asked for the next page of this many rows.
    next_page: Option<NonZeroU32>,
    expected: VecDeque<Expect>,
    works: VecDeque<Work>,
    /// What stands for the two queues on the hot path; they are empty then.
    lone: Option<Lone>,
    /// Nothing is left of earlier commands that a new one would have to forget.
    fresh: bool,
    /// Results that are ready to be given.
    steps: VecDeque<Settled>,
    /// The error of the segment that the server is skipping.
    failure: Option<Failure>,
    /// Whether a command is under way, and has not given its last step.
    running: bool,
    /// The owner's batch holds a row that is handed over when its statement has ended.
    holding_first: bool,
    /// Nobody reads the rest: rows are skipped.
    discarding: bool,
    pub(crate) broken: bool,
    /// Where the COPY under way stands.
    copy: Phase,
    /// The server's answer to a COPY, until it is given.
    copy_begun: Option<CopyFormat>,
    pub(crate) ready: Ready,
    /// A BEGIN has succeeded in the segment under way, whose end has not come.
    began: bool,
    /// A BEGIN that goes with the first statement.
    held_begin: Option<Cow<'static, str>>,
    /// The kept BEGIN of the transaction that was begun last, unless statements may have been dropped since then.
    begun_by: Option<Arc<Statement>>,
    /// A flight that is to be sent again, when the server has skipped it.
    forgotten_begin: Option<Forgotten>,
    /// Who the server is, for transactions that are tracked.
    server: Known,
    /// What tells whether the transaction that was begun last took effect, if it is tracked.
    trace: Option<Trace>,
    pub(crate) cache: Statements<Statement>,
    pub(crate) codecs: Codecs,
    /// Statements that the server still keeps and we do not: closed at the head of the next flight, and
    /// forgotten when the server has said so.
    pub(crate) closing: VecDeque<Box<str>>,
    names: u64,
    description: Option<Description>,
    /// The statement that was described last.
    described: Option<Arc<Statement>>,
    parameters: Parameters,
    pub(crate) counters: Counters,
    session_changed: bool,
    /// What changed the session since it was fresh.
    changes: Changes,
    /// What made the session that a reset goes back to.
    adopted: Changes,
    /// Statements of a batch that are prepared in the flight under way.
    siblings: Vec<Sibling>,
    /// Those before this place are of no use any more: a statement of the batch drops them.
    siblings_from: usize,
    /// Whether a reset must also drop the statements that the user prepared by hand.
    user_prepared: bool,
    /// Cells that had to be re-encoded, until they are appended to their batch.
    pub(crate) scratch: Vec<u8>,
    no_columns: Arc<Columns>,
}

/// Why a segment failed.
#[derive(Debug)]
struct Failure {
    error: Error,
    /// What the server said, if it was the server.
    server: Option<ServerError>,
    /// It was said before the statement ran: while it was parsed, or planned anew.
    planning: bool,
}

/// Commands that changed the session.
#[derive(Debug, Default)]
struct Changes {
    texts: Vec<Arc<str>>,
    /// Something changed that no text can repeat: a statement with arguments, or too many of them.
    unrepeatable: bool,
}

impl Changes {
    /// More settings than this are not repeated: the connection is made anew instead.
    const MAX: usize = 64;

    fn add(&mut self, text: Option<Arc<str>>) {
        match text {
            Some(text) if self.texts.len() < Self::MAX => self.texts.push(text),
            _ => self.unrepeatable = true,
        }
    }
}

/// A statement that several works of one flight use, of which the first prepares it.
#[derive(Debug)]
struct Sibling {
    name: Box<str>,
    text: Arc<str>,
    declared: Vec<Oid>,
    /// How its results lie, once they were described.
    shape: Option<Arc<Shape>>,
    /// Why it could not be prepared.
    failure: Option<ServerError>,
}

impl Pipeline {
    pub(crate) fn new(settings: Settings, parameters: Parameters) -> Self {
        Self {
            cache: Statements::new(settings.statements_max),
            codecs: Codecs::default(),
            settings,
            input: Input::default(),
            out: Vec::new(),
            sent: 0,
            touched: false,
            lane: Lane::default(),
            next_page: None,
            expected: VecDeque::new(),
            works: VecDeque::new(),
            lone: None,
            fresh: false,
            steps: VecDeque::new(),
            failure: None,
            running: false,
            holding_first: false,
            discarding: false,
            broken: false,
            copy: Phase::None,
            copy_begun: None,
            ready: Ready::Idle,
            began: false,
            held_begin: None,
            begun_by: None,
            forgotten_begin: None,
            server: Known::Unasked,
            trace: None,
            closing: VecDeque::new(),
            names: 0,
            description: None,
            described: None,
            parameters,
            counters: Counters::default(),
            session_changed: false,
            changes: Changes::default(),
            adopted: Changes::default(),
            siblings: Vec::new(),
            siblings_from: 0,
            user_prepared: false,
            scratch: Vec::new(),
            no_columns: Arc::new(Columns::empty()),
        }
    }

    /// True if nothing of the command under way has been written.
    #[inline]
    pub(crate) fn untouched(&self) -> bool {
        !self.touched
    }

    /// True while a BEGIN waits for the first statement.
    #[inline]
    pub(crate) fn holds_begin(&self) -> bool {
        self.held_begin.is_some()
    }

    /// False if there is nothing to do before more bytes come.
    #[inline]
    pub(crate) fn may_advance(&self) -> bool {
        !self.input.is_drained()
            || !self.steps.is_empty()
            || !self.owes()
            || self.next_page.is_some()
            || self.copy != Phase::None
    }

    /// True while replies are owed.
    #[inline]
    pub(crate) fn owes(&self) -> bool {
        self.lone.is_some() || !self.expected.is_empty()
    }

    pub(crate) fn status(&self) -> Status {
        if self.broken {
            Status::Broken
        } else if self.running || self.owes() || self.lane.is_busy() {
            Status::Busy
        } else if self.held_begin.is_some() {
            Status::Transaction
        } else {
            match self.ready {
                Ready::Idle => Status::Idle,
                Ready::Transaction => Status::Transaction,
                Ready::Failed => Status::FailedTransaction,
            }
        }
    }

    /// Who reads and writes the types that are not built in; for a session that has run nothing of its owner's.
    pub(crate) fn set_codecs(&mut self, codecs: Codecs) {
        self.codecs = codecs;
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.cached = self.cache.len() as u64;
        counters
    }

    pub(crate) fn take_description(&mut self) -> Option<Description> {
        self.description.take()
    }

    /// The statement that was described last, since it was taken.
    pub(crate) fn take_described(&mut self) -> Option<Arc<Statement>> {
        self.described.take()
    }

    /// The statement of that text, if the server keeps it by a name.
    pub(crate) fn kept(&self, sql: &str) -> Option<&Arc<Statement>> {
        self.cache.peek(sql).filter(|statement| !statement.name.is_empty())
    }

    /// See [`Connection::commit_trace`](aquifer_driver::Connection::commit_trace).
    pub(crate) fn commit_trace(&self) -> CommitTrace {
        match &self.trace {
            Some(trace) => trace.tell(),
            None => CommitTrace::Untold("the server does not tell what became of transactions"),
        }
    }

    pub(crate) fn session_changed(&self) -> bool {
        self.session_changed
    }

    /// Takes the session as it is for the one that a reset goes back to.
    pub(crate) fn adopt_session(&mut self) {
        let Changes { texts, unrepeatable } = std::mem::take(&mut self.changes);
        self.adopted.unrepeatable |= unrepeatable;
        for text in texts {
            self.adopted.add(Some(text));
        }
        self.session_changed = false;
    }

    /// True if all that the command under way belongs to is undone when the session ends: it stands in an
    /// open transaction, and cannot have committed that.
    fn is_undone_by_a_break(&self) -> bool {
        let begun = self.began || self.works.iter().any(|work| work.role == Role::Begin);
        let scripts = self.works.iter().any(|work| work.role == Role::Script);
        (self.ready != Ready::Idle || begun) && (!scripts || !self.touched)
    }

    /// The owner wants no more rows. A flight of which nothing was written is taken back.
    pub(crate) fn abandon(&mut self) -> Status {
        if self.running {
            self.running = false;
            self.steps.clear();
            self.unfold();
            if !self.touched && !self.broken {
                self.take_back();
            } else {
                if self.next_page.take().is_some() {
                    // Ends the portal along with its segment.
                    self.end_segment();
                }
                self.abandon_copy();
                self.discarding = !self.expected.is_empty();
            }
        }
        self.status()
    }

    /// Forgets the flight that was encoded and not sent.
    fn take_back(&mut self) {
        for work in self.works.drain(..) {
            if work.begin.is_some() {
                self.held_begin = work.begin;
            }
        }
        self.siblings.clear();
        self.expected.clear();
        self.out.clear();
        self.failure = None;
    }

    /// A statement that the server keeps and we do not want any more.
    pub(crate) fn close_later(&mut self, statement: &Statement) {
        if !statement.name.is_empty() {
            self.closing.push_back(statement.name.clone());
        }
    }

    /// The connection is of no more use, for this reason. What the server said last explains it better
    /// than a closed socket does.
    pub(crate) fn broke(&mut self, error: Error) -> Error {
        self.broken = true;
        if self.lane.is_busy() {
            return self.break_lane(error);
        }
        self.running = false;
        self.unfold();
        self.expected.clear();
        self.steps.clear();
        // The question before a BEGIN does nothing.
        let untouched = !self.touched || self.works.iter().any(|work| work.role == Role::Server);
        let committing = !untouched && self.works.iter().any(|work| work.role == Role::Commit);
        let undone = self.is_undone_by_a_break();
        if let Some(trace) = &mut self.trace
            && self.works.iter().any(|work| work.role == Role::Trace)
        {
            trace.is_without_commit = true;
        }
        self.works.clear();
        let error = match self.failure.take() {
            Some(Failure { error: said, server: Some(server), .. }) if server.is_fatal() => {
                if said.kind() == ErrorKind::Database {
                    said.with_kind(ErrorKind::ConnectionLost)
                } else {
                    said
                }
            }
            _ => error,
        };
        if committing {
            return Error::new(
                ErrorKind::CommitUnknown,
                "the connection broke between COMMIT and its answer: it may have taken effect or not",
            )
            .with_hint("look whether the work is there before doing it again")
            .with_source(error);
        }
        let error = error.with_nothing_sent(untouched);
        match error.kind() {
            ErrorKind::ConnectionLost | ErrorKind::Protocol if undone => {
                error.with_retry(Retry::Transaction)
            }
            _ if untouched => error.with_retry(Retry::Safe),
            // The answer could not be read: what was sent may have been done.
            ErrorKind::Protocol => error.with_retry(Retry::Unknown),
            _ => error,
        }
    }
}

impl Flow for Pipeline {
    #[inline]
    fn output(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    #[inline]
    fn wrote(&mut self, len: usize) {
        self.sent += len;
        self.touched = true;
        if self.lane.is_busy() {
            self.forget_written();
        }
    }

    #[inline]
    fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    fn receive_unasked(&mut self) -> Result<()> {
        if self.lane.is_busy() && self.touched {
            return self.hear_farewell();
        }
        self.receive_unasked()
    }

    fn broke(&mut self, error: Error) -> Error {
        self.broke(error)
    }
}
