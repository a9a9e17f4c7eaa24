//! The pipeline: commands in, bytes out; bytes in, steps out. It counts the replies that are owed.
//!
//! Nothing here reads, writes or waits. A command becomes one or more [`Job`]s, each a command of the protocol, which
//! are answered in order. A job is encoded as soon as it can be: at once, or when the statement it runs is prepared,
//! or when those before it have succeeded. So a batch of known statements is one flight.
//!
//! The transaction's state is the server's word in every OK; errors do not carry it, so an error inside a
//! transaction is followed by a ping, whose answer does.

mod bulk;
mod command;
mod cursor;
mod job;
pub(crate) mod local;
mod lone;
mod receive;
mod rows;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::VecDeque;
use std::sync::Arc;

use aquifer_driver::{
    Columns, Counters, Description, Error, ErrorKind, Outcome, Result, Retry, ServerObserver,
    Status, Step,
};
use aquifer_net::{Flow, Input, Statements};

use crate::protocol::Agreed;
use crate::protocol::answer::ServerStatus;
use crate::session_change::Changed;
use crate::setup::Setup;
use crate::statement::Statement;
use crate::types::{Clock, Reading};
use job::{Job, Role, Settled};
use lone::Lone;

/// What a pipeline is made with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) agreed: Agreed,
    /// Most statements that are kept.
    pub(crate) statements_max: usize,
    /// How columns are read in a fresh session.
    pub(crate) reading: Reading,
    /// What makes a fresh session the one that was configured.
    pub(crate) setup: Setup,
    /// Most bytes of a command.
    pub(crate) packet_max: usize,
    /// Dates with times are told in whole multiples of so many microseconds.
    pub(crate) grain: i64,
    /// Texts of several statements are taken by all calls.
    pub(crate) several: bool,
    /// Which files of this machine a statement may load.
    pub(crate) files: local::Files,
    /// Arguments are written into texts, and nothing is prepared.
    pub(crate) interpolates: bool,
    /// A server that refuses a write because it only reads loses the connection.
    pub(crate) reject_read_only: bool,
}

/// Where the answer to the first job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its first packet, or that of its next result set, is due.
    Head,
    /// So many descriptions of parameters, then so many of columns.
    Parameters(u16, u16),
    /// So many descriptions of columns.
    Columns(u64),
    /// The end of the descriptions of parameters; then so many of columns.
    ParametersEnd(u16),
    ColumnsEnd,
    Rows,
}

/// The state of one session. See the [module's documentation](self).
#[derive(Debug)]
pub(crate) struct Pipeline {
    settings: Settings,
    /// How columns are read in the session's present time zone.
    reading: Reading,
    input: Input,
    /// The number that the next packet must have.
    sequence: u8,
    /// The flight under way.
    out: Vec<u8>,
    /// How much of `out` is written.
    sent: usize,
    /// Whether any of the command under way was written.
    touched: bool,
    jobs: VecDeque<Job>,
    /// The command under way, if it is a kept statement alone in its flight: instead of a job.
    lone: Option<Lone>,
    /// The command before was such a statement, and its answer came whole.
    fresh: bool,
    /// How many of the first jobs are encoded.
    encoded: usize,
    stage: Stage,
    /// The descriptions of columns that are being received, each behind its length.
    raw: Vec<u8>,
    /// What the Prepare under way was answered by.
    prepared: Option<crate::protocol::answer::Prepared>,
    /// Results that are ready to be given.
    steps: VecDeque<Settled>,
    /// Whether a command is under way, and has not given its last step.
    running: bool,
    /// The owner's batch holds a row that is handed over when its statement has ended.
    holding_first: bool,
    /// The first job's cursor has more rows, which are fetched when the owner asks.
    fetch_due: bool,
    local: local::Local,
    /// Nobody reads the rest: rows are skipped.
    discarding: bool,
    broken: bool,
    server: ServerStatus,
    cache: Statements<Statement>,
    /// Statements that the server still keeps and we do not: closed at the head of the next flight.
    closing: Vec<u32>,
    /// How many of them are encoded in the flight under way.
    closing_encoded: usize,
    /// The statement that the server would run as the one that was prepared last, if it still keeps it.
    last_prepared: Option<Arc<Statement>>,
    description: Option<Description>,
    counters: Counters,
    session_changed: bool,
    /// What is not as it was when the session was fresh.
    changed: Changed,
    /// What changed the session since it was fresh.
    changes: Changes,
    /// What made the session that a reset goes back to.
    adopted: Changes,
    /// Hears the server's warnings.
    observer: Option<Arc<dyn ServerObserver>>,
    /// The next transaction's level was set, or may have been, and the transaction is not known to have begun.
    level_pending: bool,
    /// The transaction was begun as one that only reads.
    reads_only: bool,
    /// The global number of the session's last write.
    last_gtid: Option<Box<str>>,
    /// Which statements can go as bulks.
    fitness: bulk::Fitness,
    /// Cells that had to be re-encoded, until they are appended to their batch.
    scratch: Vec<u8>,
    no_columns: Arc<Columns>,
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

    /// What these commands have changed in all.
    fn summary(&self) -> Changed {
        let mut all = Changed { anything: self.unrepeatable, ..Changed::default() };
        self.texts.iter().for_each(|text| all.add(Changed::by(text)));
        all
    }

    fn add(&mut self, text: Option<Arc<str>>) {
        match text {
            Some(text) if self.texts.len() < Self::MAX => self.texts.push(text),
            _ => self.unrepeatable = true,
        }
    }
}

impl Pipeline {
    pub(crate) fn new(settings: Settings, status: ServerStatus) -> Self {
        Self {
            cache: Statements::new(settings.statements_max),
            reading: settings.reading,
            settings,
            input: Input::default(),
            sequence: 0,
            out: Vec::new(),
            sent: 0,
            touched: false,
            jobs: VecDeque::new(),
            lone: None,
            fresh: false,
            encoded: 0,
            stage: Stage::Head,
            raw: Vec::new(),
            prepared: None,
            steps: VecDeque::new(),
            running: false,
            holding_first: false,
            fetch_due: false,
            local: local::Local::default(),
            discarding: false,
            broken: false,
            server: status,
            closing: Vec::new(),
            closing_encoded: 0,
            last_prepared: None,
            description: None,
            counters: Counters::default(),
            session_changed: false,
            changed: Changed::default(),
            changes: Changes::default(),
            adopted: Changes::default(),
            observer: None,
            level_pending: false,
            reads_only: false,
            last_gtid: None,
            fitness: bulk::Fitness::default(),
            scratch: Vec::new(),
            no_columns: Arc::new(Columns::empty()),
        }
    }

    /// True if nothing of the command under way has been written.
    #[inline]
    pub(crate) fn untouched(&self) -> bool {
        !self.touched
    }

    /// False if there is nothing to do before more bytes come.
    #[inline]
    pub(crate) fn may_advance(&self) -> bool {
        !self.input.is_drained() || self.waits_for_no_bytes()
    }

    fn waits_for_no_bytes(&self) -> bool {
        if self.is_lone() {
            return false;
        }
        !self.steps.is_empty() || self.fetch_due || self.jobs.is_empty() || self.encoded == 0
    }

    /// True while replies are owed.
    #[inline]
    pub(crate) fn owes(&self) -> bool {
        self.is_lone() || !self.jobs.is_empty()
    }

    pub(crate) fn status(&self) -> Status {
        if self.broken {
            Status::Broken
        } else if self.running || !self.jobs.is_empty() {
            Status::Busy
        } else if self.server.in_transaction() {
            Status::Transaction
        } else {
            Status::Idle
        }
    }

    /// Most bytes of a command, as the server says after the log-in.
    pub(crate) fn set_packet_max(&mut self, bytes: usize) {
        self.settings.packet_max = bytes;
    }

    /// How times are told to the session.
    #[inline]
    fn clock(&self) -> Clock {
        Clock { zone: self.reading.zone, grain: self.settings.grain }
    }

    /// How a fresh session is made.
    pub(crate) fn set_setup(&mut self, setup: Setup) {
        self.settings.setup = setup;
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.cached = self.cache.len() as u64;
        counters
    }

    /// Adds the outcomes that are here already, of statements without columns, up to the command's last one.
    pub(crate) fn take_outcomes(&mut self, to: &mut Vec<Outcome>) {
        while let Some(Settled { step: Ok(Step::EndOfSet(outcome)), columns: Some(columns) }) =
            self.steps.front()
            && columns.is_empty()
        {
            to.push(*outcome);
            self.steps.pop_front();
        }
    }

    pub(crate) fn take_description(&mut self) -> Option<Description> {
        self.description.take()
    }

    pub(crate) fn session_changed(&self) -> bool {
        // Without autocommit every statement would leave a transaction open.
        self.session_changed || !self.server.autocommits()
    }

    /// Takes the session as it is for the one that a reset goes back to.
    pub(crate) fn adopt_session(&mut self) {
        let Changes { texts, unrepeatable } = std::mem::take(&mut self.changes);
        self.adopted.unrepeatable |= unrepeatable;
        for text in texts {
            self.adopted.add(Some(text));
        }
        self.session_changed = false;
        self.changed = Changed::default();
    }

    /// Has `observer` hear the server's warnings from now on.
    pub(crate) fn set_observer(&mut self, observer: Arc<dyn ServerObserver>) {
        self.observer = Some(observer);
    }

    /// The global number of the session's last write, as the server writes it.
    pub(crate) fn last_gtid(&self) -> Option<&str> {
        self.last_gtid.as_deref()
    }

    /// The session was set up and is fresh now.
    pub(crate) fn adopt_nothing(&mut self) {
        self.is_fresh();
    }

    /// Nothing short of a reset makes the session fresh.
    fn anything_changed(&mut self) {
        self.session_changed = true;
        self.changed.anything = true;
    }

    fn is_fresh(&mut self) {
        self.changes = Changes::default();
        self.changed = Changed::default();
        self.session_changed = false;
    }

    /// The owner wants no more rows. A flight of which nothing was written is taken back.
    pub(crate) fn abandon(&mut self) -> Status {
        self.unfold();
        if self.wants_contents() {
            // An end of the contents would have the server keep what it has got so far.
            self.broken = true;
            self.jobs.clear();
            self.encoded = 0;
        }
        // A server that asks from now on asks in vain: nobody is left to give it anything.
        self.local = local::Local::default();
        if self.running {
            self.running = false;
            self.steps.clear();
            if !self.touched && !self.broken {
                self.take_back();
            } else {
                if self.level_pending {
                    self.anything_changed();
                }
                // What is not encoded is not sent.
                self.jobs.truncate(self.encoded);
                self.discarding = !self.jobs.is_empty();
            }
        }
        self.status()
    }

    /// Forgets the flight that was encoded and not sent; the orders to close statements go with the next one.
    fn take_back(&mut self) {
        self.lone = None;
        self.fresh = false;
        self.jobs.clear();
        self.encoded = 0;
        self.out.clear();
        self.sent = 0;
        self.closing_encoded = 0;
    }

    /// A statement that the server keeps and we do not want any more.
    fn close_later(&mut self, statement: &Statement) {
        self.closing.push(statement.id);
    }

    /// The connection is of no more use, for this reason.
    pub(crate) fn broke(&mut self, error: Error) -> Error {
        self.broken = true;
        self.running = false;
        self.steps.clear();
        self.fetch_due = false;
        let untouched = !self.touched;
        self.unfold();
        let mut encoded = self.jobs.iter().take(self.encoded);
        let committing = !untouched && encoded.any(|job| job.role == Role::Commit);
        let undone = self.is_undone_by_a_break();
        // A statement was refused, and the connection broke while the server was asked where that leaves the
        // transaction: the refusal says more.
        let probe = self.jobs.front_mut().filter(|job| job.role == Role::Probe);
        let refused = probe.and_then(|job| job.then.take()).and_then(|then| then.step.err());
        self.jobs.clear();
        self.encoded = 0;
        if committing {
            return Error::new(
                ErrorKind::CommitUnknown,
                "the connection broke between COMMIT and its answer: it may have taken effect or not",
            )
            .with_hint("look whether the work is there before doing it again")
            .with_source(error);
        }
        if let Some(refused) = refused {
            return refused;
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

    /// True if all that the command under way belongs to is undone when the session ends: it stands in an open
    /// transaction, and cannot have committed that.
    fn is_undone_by_a_break(&self) -> bool {
        let mut sent = self.jobs.iter().take(if self.touched { self.encoded } else { 0 });
        self.server.in_transaction() && sent.all(Job::stays_in_its_transaction)
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
    }

    #[inline]
    fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    fn receive_unasked(&mut self) -> Result<()> {
        self.receive_unasked()
    }

    fn broke(&mut self, error: Error) -> Error {
        self.broke(error)
    }
}
