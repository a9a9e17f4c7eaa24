//! [`Connection`]: what a driver does for its caller, command by command.
//!
//! # Who calls, and when
//!
//! A connection has one owner at a time. The owner calls [`start`](Connection::start) with a
//! [`Command`], then [`poll_next`](Connection::poll_next) until it answers [`Step::End`] or an error;
//! then the next command may start. There is no task of the driver's own behind it: I/O happens in
//! whatever task polls.
//!
//! # What a dropped future means
//!
//! Futures are made by the callers of this trait; a dropped one is simply an owner that stops polling in
//! the middle of a command. The connection stays where it was, counting the replies it is owed. The
//! pool then calls [`abandon`](Connection::abandon), which ends the command at once where that needs no
//! waiting, and otherwise [`poll_recover`](Connection::poll_recover) under a budget; before that, or
//! when the budget is half spent, it asks the [`Canceller`] to stop the server. A connection that is not
//! [`Status::Idle`] after all this is closed, never pooled.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::multiplex::Multiplex;
use crate::{Columns, Error, ErrorKind, ParamBuf, Params, Result, RowBatch, TxOptions, ValueRef};

/// A future on the heap, for calls that are not on the hot path.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a connection is told to do.
#[non_exhaustive]
pub enum Command<'a> {
    /// Run one statement through the statement cache.
    Execute {
        /// The text, in the engine's own placeholder form.
        sql: &'a str,
        /// The arguments; visited during `start`, never later.
        params: &'a dyn Params,
        /// What the caller will read.
        want: Want,
    },
    /// Run a text of one or more statements without arguments and without the cache. Each statement
    /// gives one result set ([`Step::EndOfSet`] between them).
    Script {
        /// The text.
        sql: &'a str,
    },
    /// Have the engine check a statement and keep it in the cache; ends without rows. What was learnt
    /// is taken with [`Connection::take_description`].
    Prepare {
        /// The text, in the engine's own placeholder form.
        sql: &'a str,
    },
    /// Run many statements in as few flights as the driver can. Each gives one result set, ended by
    /// [`Step::EndOfSet`] (the last one's by [`Step::End`]), or [`Step::Failed`] (a last one that failed
    /// is followed by `End`); inside a transaction, and on engines that stop at the first error, the
    /// statements after a failed one fail with [`TxFailed`](crate::ErrorKind::TxFailed).
    ///
    /// A batch that is [atomic](Batch::is_atomic) is given outside a transaction only to drivers that
    /// [take it](Connection::takes_atomic_batches): there, too, the statements after a failed one fail with
    /// `TxFailed`, nothing of the batch is kept then, and what fails as it is committed is its last
    /// statement. (Rows that cannot be read, [`Conversion`](crate::ErrorKind::Conversion), are no failure of
    /// their statement.) Inside a transaction it is a batch like any other.
    ///
    /// The caller keeps a handle of its own, to send the batch elsewhere if this connection turns out to be
    /// dead; the driver lets go of its one when the command is over.
    Batch(Arc<Batch>),
    /// Begin a transaction. Drivers may hold it back and send it with the first statement. Inside a
    /// transaction it fails in `start`, with nothing sent.
    Begin(TxOptions),
    /// Commit. If the connection breaks after it was sent, the error's kind is
    /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown). A failed transaction is rolled back, and the
    /// error's kind is [`TxFailed`](crate::ErrorKind::TxFailed). One that took effect and was not replicated
    /// as it should be is [`CommitNotReplicated`](crate::ErrorKind::CommitNotReplicated).
    Commit,
    /// Run a statement without arguments and commit, so that the server has both or neither of them: no
    /// commit without the statement, and no statement that waits for a commit which does not come. If the
    /// statement fails, its error is the command's, and nothing is committed. Given only to drivers that
    /// [take it](Connection::takes_commit_with); otherwise as [`Commit`](Self::Commit).
    CommitWith {
        /// The statement.
        sql: &'a str,
    },
    /// Roll back. Succeeds if no transaction is open any more.
    Rollback,
    /// Ask the engine for a sign of life.
    Ping,
    /// Put the session back into the state it had after connecting.
    Reset,
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Execute { .. } => "Execute",
            Self::Script { .. } => "Script",
            Self::Prepare { .. } => "Prepare",
            Self::Batch(_) => "Batch",
            Self::Begin(_) => "Begin",
            Self::Commit => "Commit",
            Self::CommitWith { .. } => "CommitWith",
            Self::Rollback => "Rollback",
            Self::Ping => "Ping",
            Self::Reset => "Reset",
        })
    }
}

/// How much of a statement's rows the caller will read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Want {
    /// All of them.
    #[default]
    All,
    /// The first one; a driver may stop the statement after it, but must let a data-modifying statement
    /// finish its work.
    First,
    /// None: only the outcome.
    Outcome,
    /// All of them, so many at a time: between the pages the engine waits. Each page is a round trip of
    /// its own. Engines and drivers that cannot do this take it for [`All`](Self::All).
    Paged(NonZeroU32),
}

/// How far a command has come.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// The batch holds rows; the result set goes on.
    Rows,
    /// The result set is over (the batch may hold its last rows); another one follows.
    EndOfSet(Outcome),
    /// The command is over (the batch may hold the last rows), and the connection is ready.
    End(Outcome),
    /// This statement of a batch failed; what becomes of its siblings, see [`Command::Batch`].
    Failed(Error),
}

/// What a statement did, besides giving rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Rows inserted, updated or deleted; for statements that give rows, as the engine counts.
    pub rows_affected: u64,
    /// The key that the engine generated for the last inserted row, on engines that tell.
    pub last_insert_id: Option<i64>,
}

impl Outcome {
    /// An outcome with this count and key.
    pub fn new(rows_affected: u64, last_insert_id: Option<i64>) -> Self {
        Self { rows_affected, last_insert_id }
    }
}

/// Where a connection stands. It comes from the engine's own word (`ReadyForQuery`, status flags,
/// `sqlite3_get_autocommit`), never from guesswork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Ready, and no transaction is open.
    Idle,
    /// Ready, inside a transaction.
    Transaction,
    /// Ready, inside a transaction that can only be rolled back.
    FailedTransaction,
    /// A command is under way, or replies are owed.
    Busy,
    /// Of no further use.
    Broken,
}

/// What [`Command::Prepare`] learnt.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Description {
    /// The placeholders, in order.
    pub parameters: Vec<Parameter>,
    /// The columns of the rows, empty for a statement that gives none.
    pub columns: Arc<Columns>,
    /// Whether the engine says that the statement only reads; `None` where it does not say.
    pub read_only: Option<bool>,
}

impl Description {
    /// A description of these parts.
    pub fn new(parameters: Vec<Parameter>, columns: Arc<Columns>, read_only: Option<bool>) -> Self {
        Self { parameters, columns, read_only }
    }
}

/// One placeholder of a prepared statement.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name, without the sign, where the engine knows names.
    pub name: Option<Box<str>>,
    /// The engine's name of its type, empty where the engine does not say.
    pub type_name: Box<str>,
}

impl Parameter {
    /// A placeholder of that name and type.
    pub fn new(name: Option<Box<str>>, type_name: impl Into<Box<str>>) -> Self {
        Self { name, type_name: type_name.into() }
    }
}

/// Statements and their arguments, collected before they are sent.
#[derive(Debug, Default)]
pub struct Batch {
    /// Texts; equal neighbours share one entry.
    texts: Vec<Arc<str>>,
    items: Vec<Item>,
    params: ParamBuf,
    atomic: bool,
}

#[derive(Debug)]
struct Item {
    text: usize,
    first: usize,
    count: usize,
    want: Want,
}

/// One statement of a [`Batch`].
#[derive(Debug, Clone, Copy)]
pub struct BatchItem<'a> {
    /// The text, in the engine's own placeholder form.
    pub sql: &'a Arc<str>,
    /// What the caller will read.
    pub want: Want,
    params: &'a ParamBuf,
    first: usize,
    count: usize,
}

impl<'a> BatchItem<'a> {
    /// How many arguments there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The argument at `index`, for as long as the batch lives; `None` beyond the last one, and for an
    /// array, which is only given to a sink.
    #[inline]
    pub fn get(&self, index: usize) -> Option<ValueRef<'a>> {
        if index < self.count { self.params.get(self.first + index) } else { None }
    }

    /// The arguments, in order, each as [`get`](Self::get) gives it.
    #[inline]
    pub fn values(&self) -> impl ExactSizeIterator<Item = Option<ValueRef<'a>>> + use<'a> {
        self.params.views(self.first..self.first + self.count)
    }

    /// Gives the arguments to the sink.
    ///
    /// # Errors
    ///
    /// The first one that the sink gives.
    pub fn bind(&self, sink: &mut dyn crate::ParamSink) -> Result<()> {
        self.params.bind_range(self.first..self.first + self.count, sink)
    }
}

impl Params for BatchItem<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn bind(&self, sink: &mut dyn crate::ParamSink) -> Result<()> {
        BatchItem::bind(self, sink)
    }

    fn has_lists(&self) -> bool {
        false
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes room for so many more statements, with an argument or so each.
    pub fn reserve(&mut self, statements: usize) {
        self.items.reserve(statements);
        self.params.reserve(statements);
    }

    /// Adds a statement; the arguments are copied now.
    ///
    /// # Errors
    ///
    /// The first one that an argument gives; the batch is then as it was.
    #[inline]
    pub fn push(
        &mut self,
        sql: &Arc<str>,
        params: &(impl Params + ?Sized),
        want: Want,
    ) -> Result<()> {
        let first = self.params.len();
        if let Err(error) = params.bind(&mut self.params) {
            self.params.truncate(first);
            return Err(error);
        }
        let text = match self.texts.last() {
            Some(last) if Arc::ptr_eq(last, sql) || **last == **sql => self.texts.len() - 1,
            _ => {
                self.texts.push(Arc::clone(sql));
                self.texts.len() - 1
            }
        };
        self.items.push(Item { text, first, count: self.params.len() - first, want });
        Ok(())
    }

    /// Takes all statements out, and keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.items.clear();
        self.params.clear();
        self.atomic = false;
    }

    /// How many bytes the arguments take.
    pub fn size(&self) -> usize {
        self.params.size()
    }

    /// Outside a transaction the statements are to be all or nothing.
    pub fn set_atomic(&mut self) {
        self.atomic = true;
    }

    /// See [`set_atomic`](Self::set_atomic).
    pub fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// [`ParamBuf::has_special`] of all arguments.
    pub fn has_special(&self) -> bool {
        self.params.has_special()
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The statement at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<BatchItem<'_>> {
        let item = self.items.get(index)?;
        Some(BatchItem {
            sql: &self.texts[item.text],
            want: item.want,
            params: &self.params,
            first: item.first,
            count: item.count,
        })
    }

    /// The statements, in order.
    pub fn iter(&self) -> impl Iterator<Item = BatchItem<'_>> {
        (0..self.items.len()).filter_map(|index| self.get(index))
    }
}

/// What a connection knows of a transaction whose commit was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitTrace {
    /// Nothing that tells whether it took effect, for this reason.
    Untold(&'static str),
    /// That it had changed nothing.
    Unchanged,
    /// How another connection can be asked: a text for [`Command::Script`], to be run outside a transaction. It
    /// also makes sure that a transaction which nobody will commit any more ends. It gives one row with one
    /// text: [`COMMITTED`](Self::COMMITTED), [`ROLLED_BACK`](Self::ROLLED_BACK),
    /// [`IN_PROGRESS`](Self::IN_PROGRESS) if it is to be asked again, or why it cannot be told.
    Query(String),
}

impl CommitTrace {
    /// It took effect.
    pub const COMMITTED: &str = "committed";
    /// It did not take effect, and will not.
    pub const ROLLED_BACK: &str = "rolled back";
    /// It has not ended.
    pub const IN_PROGRESS: &str = "in progress";
}

/// How another connection makes sure that a session whose connection is lost does nothing more, and keeps nothing
/// locked, on a server that has not noticed.
///
/// Both are texts for [`Command::Script`], to be run outside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    look: String,
    end: String,
}

impl Fence {
    /// The session is there no more, and what it had not committed is undone; or it runs something as another role.
    pub const GONE: &str = "gone";
    /// It runs nothing, whatever is on its way to it.
    pub const IDLE: &str = "idle";
    /// It runs a command.
    pub const RUNNING: &str = "running";
    /// It was ended, and is undoing what it had not committed.
    pub const ENDING: &str = "ending";

    /// A fence of these texts.
    #[must_use]
    pub fn new(look: String, end: String) -> Self {
        Self { look, end }
    }

    /// Says how the session stands: one row with one text, [`GONE`](Self::GONE), [`IDLE`](Self::IDLE),
    /// [`RUNNING`](Self::RUNNING), [`ENDING`](Self::ENDING), or any other if whoever is asked cannot know. It
    /// never takes another session for this one.
    #[must_use]
    pub fn look(&self) -> &str {
        &self.look
    }

    /// Ends the session. Run where [`look`](Self::look) has just given an answer, on the same connection. It may
    /// fail: the session may have ended by itself, or may not be ended by this role.
    #[must_use]
    pub fn end(&self) -> &str {
        &self.end
    }
}

/// Tells an engine to stop what a connection is doing. Cheap to make and to clone; works from any
/// thread, also after the connection is gone (then it does nothing).
#[derive(Clone)]
pub struct Canceller(Arc<dyn Cancel>);

/// The driver's side of a [`Canceller`].
pub trait Cancel: Send + Sync + 'static {
    /// Called when a deadline passes or a future is dropped. What can be done without waiting is done
    /// before this returns; the future does the rest, and may be dropped at any time. Cancelling a
    /// connection that has since gone on to another command must not hit that command.
    fn cancel(&self) -> BoxFuture<'static, ()>;
}

impl Canceller {
    /// A canceller that does this.
    pub fn new(cancel: Arc<dyn Cancel>) -> Self {
        Self(cancel)
    }

    /// See [`Cancel::cancel`].
    pub fn cancel(&self) -> BoxFuture<'static, ()> {
        self.0.cancel()
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

/// What a connection has done so far, for statistics and for tests that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Times the driver sent something and had to wait for the answer (SQLite: hops to the worker).
    pub rounds: u64,
    /// Times the engine was asked to confirm that all before is done: on PostgreSQL each Sync, and each text by the
    /// simple protocol. Statements that share one count once. 0 on engines without such a message.
    pub syncs: u64,
    /// Statements that the engine was asked to prepare.
    pub prepared: u64,
    /// Executions that found their statement in the cache.
    pub cache_hits: u64,
    /// Statements that had to leave the cache.
    pub evicted: u64,
    /// Statements that the cache holds now.
    pub cached: u64,
}

/// One session with an engine.
///
/// See the [module's documentation](self) for who calls what and when. Every method but
/// [`close`](Self::close) may be called on a broken connection, and then fails or does nothing.
pub trait Connection: Send + 'static {
    /// Starts a command. Called by the owner, only when no command is under way. It must not wait: it
    /// encodes, and may perform work that is certain to be short.
    ///
    /// # Errors
    ///
    /// If the command cannot be sent as it is (an argument that the engine cannot take, a wrong number
    /// of arguments where that is known, no open transaction to commit). Then nothing was sent, and the
    /// connection is as it was.
    fn start(&mut self, command: Command<'_>) -> Result<()>;

    /// As [`start`](Self::start), behind statements of the same transaction whose results nobody wants: they
    /// and the command are to make one flight. Called inside a transaction, only if the connection
    /// [takes queued statements](Self::takes_queued), with [`Execute`](Command::Execute),
    /// [`Batch`](Command::Batch), [`Commit`](Command::Commit) or [`Ping`](Command::Ping).
    ///
    /// They run in order, and the steps are the command's alone. Once one of them has failed, nothing behind
    /// it runs, and no COMMIT takes effect: its error is the command's, with its
    /// [number](Error::with_statement) in `queued`, counted from 1.
    ///
    /// # Errors
    ///
    /// As `start`, with the number of the queued statement if it is one of them that cannot be sent.
    fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        let _ = queued;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the driver takes no queued statements along with {command:?}"),
        )
        .with_nothing_sent(true))
    }

    /// Drives the command. `batch` is the caller's and is cleared by the driver before it is filled; the
    /// columns of a result set are set before its first rows, and also if it has none. The driver hands
    /// over a batch when it is full by the driver's own bound, so that memory stays bounded, and reads no
    /// further until it is asked again.
    ///
    /// # Errors
    ///
    /// The command's error. The command is over then; [`status`](Self::status) says what can follow.
    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>>;

    /// Adds to `to` the outcomes of a batch's statements that come next, are here already and gave no
    /// columns, each instead of the [`Step::EndOfSet`] that [`poll_next`](Self::poll_next) would have
    /// given for it. Called, if at all, right after an `EndOfSet`. Drivers whose answers come many at a
    /// time save a call for each; others add nothing, which is always right.
    fn take_outcomes(&mut self, to: &mut Vec<Outcome>) {
        let _ = to;
    }

    /// The owner wants no more rows of the command under way. Ends it if that takes no waiting; the
    /// status that results is returned, [`Status::Busy`] if replies are still owed. Called at most once
    /// per command; also harmless when none is under way.
    ///
    /// Whoever keeps the connection in its transaction may then go on calling
    /// [`poll_next`](Self::poll_next), which gives no more rows, until the command's end or error.
    fn abandon(&mut self) -> Status;

    /// Reads off what is owed and rolls back what is open, until the connection is [`Status::Idle`] (or
    /// [`Status::Broken`]). Called by the pool after [`abandon`](Self::abandon), under its budget; a
    /// recovery that is dropped half-way is followed by [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// If the connection cannot be saved.
    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Where the connection stands.
    fn status(&self) -> Status;

    /// True if the session differs from a fresh one in a way that the next borrower would notice
    /// (settings, temporary objects). The pool then sends [`Command::Reset`] before it lends the
    /// connection again, and closes it if that fails. Drivers that cannot tell say false.
    fn session_changed(&self) -> bool {
        false
    }

    /// Takes the session as it is now for the one that [`Command::Reset`] goes back to. Called when no
    /// command is under way, after a connection's first settings were made.
    fn adopt_session(&mut self) {}

    /// A handle to stop whatever this connection is doing.
    fn canceller(&self) -> Canceller;

    /// What the last [`Command::Prepare`] learnt; kept until it is taken or another command starts.
    fn take_description(&mut self) -> Option<Description>;

    /// What it has done so far.
    fn counters(&self) -> Counters;

    /// A query that asks the server how many sessions it has for clients like this one: its one row has
    /// one integer, or NULL where that cannot be told (behind a pooler). A second integer, if there is one,
    /// says after how many idle seconds the server closes a session. `None` for engines without such limits.
    ///
    /// Called when no command is under way: after a connect, and when the query is to be run, on the
    /// connection that it is run on, as a [`Command::Script`]. It is run at most once per `Db`, while the
    /// connection is idle, and only if somebody hears the answer.
    fn limit_query(&self) -> Option<String> {
        None
    }

    /// A text that asks for the plan of a statement that this connection keeps, whatever its arguments will
    /// be: it gives one row with one JSON document, and changes nothing. `None` for engines whose plans
    /// need no such care, and for a statement that is not kept.
    ///
    /// Called after a [`Command::Prepare`] of the statement's text, outside a transaction, and run as a
    /// [`Command::Script`] at once.
    fn plan_query(&self, sql: &str) -> Option<String> {
        let _ = sql;
        None
    }

    /// True if an [atomic](Batch::is_atomic) batch can be given outside a transaction: see
    /// [`Command::Batch`]. Callers begin a transaction where this is false.
    fn takes_atomic_batches(&self) -> bool {
        false
    }

    /// True if the connection takes [`Command::CommitWith`]. Callers send the statement and the commit one after
    /// the other where this is false.
    fn takes_commit_with(&self) -> bool {
        false
    }

    /// True if the connection has [`start_after`](Self::start_after). Callers send queued statements as a
    /// batch of their own, and wait for it, where this is false.
    fn takes_queued(&self) -> bool {
        false
    }

    /// What can be found out of the last transaction that was begun with
    /// [`track_commit`](TxOptions::track_commit), whose commit was not answered. Called then, mostly on a broken
    /// connection. Drivers that keep no track leave it at that: the outcome stays unknown.
    fn commit_trace(&self) -> CommitTrace {
        CommitTrace::Untold("the driver keeps no track of transactions")
    }

    /// How another connection ends this session on a server that does not notice that its connection is lost.
    /// Called for a transaction that was begun with [`mark_commit`](TxOptions::mark_commit) and whose commit was
    /// not answered. Drivers whose sessions cannot be told from others leave it at `None`: what such a session
    /// has locked stays locked until the server notices.
    fn fence(&self) -> Option<Fence> {
        None
    }

    /// The session as one that runs statements of several callers, for drivers whose protocol allows that.
    /// While any of them is [owed](Multiplex::owed) the status is [`Busy`](Status::Busy), no command may start,
    /// and [`abandon`](Self::abandon) and [`poll_recover`](Self::poll_recover) do for all of them what they do
    /// for a command. `None` for drivers that run one statement at a time.
    fn multiplex(&mut self) -> Option<&mut dyn Multiplex> {
        None
    }

    /// The driver's own type, for its own powers.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Says goodbye and frees what the engine holds for the session. The pool gives it a budget and
    /// drops the future when that is spent; dropping the connection without calling this must free
    /// everything on this side too.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

impl fmt::Debug for dyn Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("status", &self.status()).finish_non_exhaustive()
    }
}
