//! [`Session`]: a connection held across several calls, and what it owes.

pub(crate) mod queued;
mod tracked;

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Command, Connection, Description, Error, ErrorKind, Mapping, Outcome, Params, Result, Retry,
    Status, TxOptions, Want,
};
use aquifer_pool::CloseReason;
use tokio::time::Instant;

use crate::commit::Tracked;
use crate::db::Db;
use crate::deadline::{During, before, fails_transaction};
use crate::link::DriverConn;
use crate::manage::drain;
use crate::observe::{TransactionEnd, TransactionOutcome};
use crate::queue::{Queue, Way};
use crate::rows::{Owner, Rows, Watch};
use crate::source::Lease;
use crate::text::Text;
use crate::watched::TOO_OLD;

/// A lease with the handle it came from and the state of its transaction.
///
/// Whatever a dropped future left behind (replies that are owed, a rollback that nobody awaited) is paid
/// before the next command, by the next caller; the pool pays it if there is none.
pub(crate) struct Session {
    lease: Lease,
    db: Db,
    transaction: Option<Transaction>,
    /// A rollback that a dropped `Tx` or `Savepoint` could not wait for.
    owed: Owed,
    /// The command under way releases the savepoint of this depth. It is never abandoned: its answer
    /// says whether the savepoint can still be undone.
    releasing: Option<u32>,
    /// What is left of the command under way is rows that nobody wanted: they come to an end.
    rows_left: bool,
    /// Why the connection cannot be used any more.
    lost: bool,
    /// What goes out with the next call of the transaction; taken when its fate is known.
    queue: Option<Box<Queue>>,
    /// How many queued statements were sent since the last call, because the queue was full.
    sent_before: u32,
}

/// Rows that a transaction has left are read off for so many times the budget of a recovery before their
/// statement is stopped, which some engines answer by failing the transaction.
const ROWS_LEFT: u32 = 30;

/// The commands without arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Ping,
    Reset,
}

impl Order {
    fn command(self) -> Command<'static> {
        match self {
            Self::Ping => Command::Ping,
            Self::Reset => Command::Reset,
        }
    }

    fn during(self) -> During {
        match self {
            Self::Ping => During::Check,
            Self::Reset => During::Control,
        }
    }
}

#[derive(Debug)]
struct Transaction {
    begun: Instant,
    /// Savepoints open, the innermost last; its number is its name.
    depth: u32,
    /// What failed the transaction, or ended it without our asking.
    why: Option<Box<str>>,
    /// It must not go on, though the engine would let it.
    doomed: Option<Doom>,
    /// How its outcome can be found out, should the answer to its COMMIT be lost.
    tracked: Tracked,
    /// COMMIT was sent.
    committing: bool,
    /// Its end has been told to the observers.
    reported: bool,
}

impl Transaction {
    fn begun_now() -> Self {
        Self {
            begun: Instant::now(),
            depth: 0,
            why: None,
            doomed: None,
            tracked: Tracked::No,
            committing: false,
            reported: false,
        }
    }
}

/// Why a transaction must not go on.
#[derive(Debug)]
enum Doom {
    /// A savepoint was kept that its owner believes undone.
    Released,
    /// A queued statement failed, for this reason.
    Queued(Box<str>),
    /// Queued statements went out with a call that was given up.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// Back to before the savepoint of this depth.
    ToSavepoint(u32),
    /// That was done; the savepoint of this depth may still have to be released.
    Release(u32),
    Rollback,
}

/// A session under another scope, for as long as this lives.
pub(crate) struct Scoped<'s> {
    pub(crate) session: &'s mut Session,
    outer: Db,
}

impl<'s> Scoped<'s> {
    pub(crate) fn new(session: &'s mut Session, scope: Db) -> Self {
        let outer = std::mem::replace(&mut session.db, scope);
        Self { session, outer }
    }
}

impl Drop for Scoped<'_> {
    fn drop(&mut self) {
        std::mem::swap(&mut self.session.db, &mut self.outer);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("status", &self.lease.status())
            .field("transaction", &self.transaction)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(lease: Lease, db: Db) -> Self {
        Self {
            lease,
            db,
            transaction: None,
            owed: Owed::Nothing,
            releasing: None,
            rows_left: false,
            lost: false,
            queue: None,
            sent_before: 0,
        }
    }

    #[inline]
    pub(crate) fn link(&mut self) -> &mut DriverConn {
        &mut self.lease
    }

    #[inline]
    pub(crate) fn link_ref(&self) -> &DriverConn {
        &self.lease
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Counts a call that went well at its first answer.
    #[inline]
    pub(crate) fn count_first(&mut self, sql: &str, elapsed: Duration, rows: u64) {
        self.db.book().count(self.lease.tally(), elapsed, rows);
        self.db.tell_first(sql, Duration::ZERO, elapsed, rows);
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn set_db(&mut self, db: Db) {
        self.db = db;
    }

    /// From now on, calls end within `timeout`.
    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.db = match timeout {
            Some(timeout) => self.db.timeout(timeout),
            None => self.db.without_timeout(),
        };
    }

    /// From now on, calls are counted under `label`.
    pub(crate) fn set_label(&mut self, label: Option<&str>) {
        self.db = match label {
            Some(label) => self.db.label(label),
            None => self.db.without_label(),
        };
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction.is_some() && self.owed != Owed::Rollback
    }

    /// What the error of a passed deadline says about repeating, where it passed: see
    /// [`fails_transaction`].
    #[cold]
    pub(crate) fn late(&self, error: Error) -> Error {
        let fails = self.has_queued_under_way() || self.db.dialect().stop_fails_transaction;
        match self.in_transaction() && fails {
            true => fails_transaction(error),
            false => error,
        }
    }

    /// As [`in_transaction`](Self::in_transaction), also if the user's own SQL has begun it.
    pub(crate) fn is_within_transaction(&self) -> bool {
        let status = self.lease.status();
        self.in_transaction()
            || self.owed == Owed::Nothing
                && matches!(status, Status::Transaction | Status::FailedTransaction)
    }

    /// Closes the connection instead of giving it back, unless the data would go with it.
    pub(crate) fn discard(self) {
        if !self.db.keeps_its_connection() {
            self.lease.discard(CloseReason::Requested);
        }
    }

    /// An error if the statement that is over has ended the transaction with it, as DDL does on some
    /// engines.
    #[inline]
    pub(crate) fn still_open(&self) -> Result<()> {
        match self.lease.status() {
            Status::Idle if self.in_transaction() => Err(ended_by_statement()),
            _ => Ok(()),
        }
    }

    pub(crate) fn depth(&self) -> u32 {
        self.transaction.as_ref().map_or(0, |transaction| transaction.depth)
    }

    /// When the next call has to be over: the scope's timeout, or the transaction's greatest age.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline_in(&self.db)
    }

    fn deadline_in(&self, scope: &Db) -> Option<Instant> {
        self.sooner(scope.deadline())
    }

    /// True if a call that began now would have a [`deadline`](Self::deadline).
    #[inline]
    pub(crate) fn has_deadline(&self) -> bool {
        self.db.own_timeout().is_some() || self.transaction.is_some()
    }

    /// As [`deadline`](Self::deadline), for a call that began then.
    pub(crate) fn deadline_of(&self, started: Instant) -> Option<Instant> {
        let call = self.db.own_timeout().and_then(|timeout| started.checked_add(timeout));
        self.sooner(call)
    }

    fn sooner(&self, call: Option<Instant>) -> Option<Instant> {
        match (call, self.ends_at()) {
            (Some(call), Some(transaction)) => Some(call.min(transaction)),
            (call, transaction) => call.or(transaction),
        }
    }

    /// When the transaction is as old as it may become.
    fn ends_at(&self) -> Option<Instant> {
        let begun = self.transaction.as_ref()?.begun;
        begun.checked_add(self.db.options().calls.transaction_max?)
    }

    /// True if the transaction is older than it may become.
    #[inline]
    fn is_too_old(&self) -> bool {
        let Some(transaction) = &self.transaction else { return false };
        let max = self.db.options().calls.transaction_max;
        max.is_some_and(|max| transaction.begun.elapsed() >= max)
    }

    /// True if a statement can be started here and now; [`open`](Self::open) says what is against it.
    #[inline]
    pub(crate) fn takes_at_once(&self, text: &Text, arguments: usize) -> bool {
        !text.is_script() && !text.controls() && text.check(arguments).is_ok() && self.is_ready()
    }

    /// True if [`ready`](Self::ready) would have nothing to do, and nothing against the next command.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.queue.is_none() && self.is_clear()
    }

    /// True if [`clear`](Self::clear) would have nothing to do, and nothing against the next command.
    #[inline]
    fn is_clear(&self) -> bool {
        let status = self.lease.status();
        let open = match &self.transaction {
            None => {
                matches!(status, Status::Idle | Status::Transaction | Status::FailedTransaction)
            }
            Some(transaction) => {
                matches!(status, Status::Transaction | Status::FailedTransaction)
                    && transaction.doomed.is_none()
            }
        };
        let here = self.queue.as_ref().is_none_or(|queue| queue.way() == Way::Here);
        let paid = self.owed == Owed::Nothing && self.releasing.is_none() && here;
        open && paid && !self.lost && !self.is_too_old()
    }

    /// Makes the connection ready for the next command: reads off what is owed, rolls back what was
    /// dropped, refuses if the transaction has ended, and sends what is queued.
    ///
    /// May be dropped anywhere: what was not paid is owed still.
    pub(crate) async fn ready(&mut self, deadline: Option<Instant>) -> Result<()> {
        self.clear(deadline).await?;
        match self.queue.is_some() {
            true => Box::pin(self.send_queued(deadline)).await,
            false => Ok(()),
        }
    }

    /// As [`ready`](Self::ready), but leaves the queue as it is.
    async fn clear(&mut self, deadline: Option<Instant>) -> Result<()> {
        match self.is_clear() {
            true => Ok(()),
            // It is needed after drops and failures: in a box, every call's future is small.
            false => Box::pin(self.clear_what_is_left(deadline)).await,
        }
    }

    async fn clear_what_is_left(&mut self, deadline: Option<Instant>) -> Result<()> {
        // A transaction that is too old has no time left, but must still be undone.
        let deadline = match self.is_too_old() {
            true => Some(Instant::now() + self.db.drain_budget().1),
            false => deadline,
        };
        self.read_off(deadline).await?;
        self.queue_over();
        self.pay(deadline).await?;
        if self.is_too_old() {
            let open = self.lease.status() != Status::Idle;
            if open {
                self.run(Command::Rollback, During::Rollback, deadline).await?;
            }
            if let Some(transaction) = &mut self.transaction
                && (open || transaction.why.is_none())
            {
                transaction.why = Some(TOO_OLD.into());
            }
        }
        match &self.transaction {
            Some(transaction) if self.lease.status() == Status::Idle => {
                Err(ended(transaction.why.as_deref()))
            }
            Some(Transaction { doomed: Some(why), .. }) => Err(doomed(why)),
            _ => Ok(()),
        }
    }

    /// Reads off the replies that a dropped future left behind.
    async fn read_off(&mut self, deadline: Option<Instant>) -> Result<()> {
        if self.lost {
            return Err(self.lost());
        }
        match self.lease.status() {
            Status::Idle | Status::Transaction | Status::FailedTransaction => {}
            Status::Broken => {
                self.lost = true;
                return Err(self.lost());
            }
            Status::Busy => {
                if self.releasing.is_none() && self.lease.abandon() != Status::Busy {
                    return Ok(());
                }
                let (mut cancel_after, mut budget) = self.db.drain_budget();
                if self.in_transaction() {
                    // Some engines fail the transaction of a cancelled statement, so that is the last
                    // resort.
                    cancel_after = cancel_after.max(budget / 2);
                    if self.rows_left {
                        cancel_after = cancel_after.max(budget * ROWS_LEFT);
                        budget += cancel_after;
                    }
                }
                let reading = drain(&mut self.lease, cancel_after, budget);
                match before(deadline, During::Clearing, reading).await {
                    Ok(answer) => {
                        self.rows_left = false;
                        if let Err(error) = &answer {
                            self.note(error);
                        }
                        if let Some(depth) = self.releasing.take() {
                            self.released_unseen(depth, answer.is_ok());
                        }
                    }
                    Err(error) => {
                        if !error.is_connection_lost() {
                            return Err(error);
                        }
                        self.lost = true;
                        return Err(match &self.transaction {
                            // What it did before is gone, too.
                            Some(transaction) if !transaction.committing => {
                                error.with_retry(Retry::Transaction)
                            }
                            _ => error,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Does what dropped transactions and savepoints could not wait for.
    async fn pay(&mut self, deadline: Option<Instant>) -> Result<()> {
        loop {
            let status = self.lease.status();
            match self.owed {
                Owed::Nothing => return Ok(()),
                Owed::Rollback => {
                    // Once the engine has ended it, nothing more is sent.
                    if status != Status::Idle {
                        self.run(Command::Rollback, During::Rollback, deadline).await?;
                    }
                    self.owed = Owed::Nothing;
                    self.transaction = None;
                    self.lease.unwatch();
                }
                // The transaction is gone, and its savepoints with it.
                Owed::ToSavepoint(_) | Owed::Release(_) if status == Status::Idle => {
                    self.owed = Owed::Nothing;
                }
                Owed::ToSavepoint(depth) => {
                    let sql = format!("ROLLBACK TO SAVEPOINT {}", savepoint_name(depth));
                    self.run_text(&sql, deadline).await?;
                    self.owed = Owed::Release(depth);
                    if let Some(transaction) = &mut self.transaction {
                        // Whatever was wrong has been undone.
                        transaction.why = None;
                        transaction.doomed = None;
                    }
                }
                // A release that was cut short has failed the transaction: back once more.
                Owed::Release(depth) if status == Status::FailedTransaction => {
                    self.owed = Owed::ToSavepoint(depth);
                }
                Owed::Release(depth) => {
                    self.releasing = Some(depth);
                    self.run_text(&release_text(depth), deadline).await?;
                    self.set_depth(depth - 1);
                    self.owed = Owed::Nothing;
                }
            }
        }
    }

    /// Nobody waited for the answer to a release.
    fn released_unseen(&mut self, depth: u32, released: bool) {
        if !released {
            return;
        }
        self.set_depth(depth - 1);
        match self.owed {
            Owed::Release(owed) if owed == depth => self.owed = Owed::Nothing,
            Owed::ToSavepoint(owed) if owed == depth => {
                // Its owner was told, or may think, that it was undone; that is no longer possible.
                self.owed = Owed::Nothing;
                if let Some(transaction) = &mut self.transaction {
                    transaction.doomed = Some(Doom::Released);
                }
            }
            _ => {}
        }
    }

    fn set_depth(&mut self, depth: u32) {
        if let Some(transaction) = &mut self.transaction {
            transaction.depth = depth;
        }
    }

    /// Runs one command to its end. It is started now, so that the future holds no arguments.
    fn run(
        &mut self,
        command: Command<'_>,
        during: During,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Outcome>> + use<'_> {
        let started = self.lease.start(command);
        self.conclude(started, during, deadline)
    }

    /// As [`run`](Self::run), behind what is queued.
    fn run_behind(
        &mut self,
        command: Command<'_>,
        during: During,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Outcome>> + use<'_> {
        let started = self.start(command);
        self.conclude(started, during, deadline)
    }

    async fn run_text(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Outcome> {
        let command = Command::Execute { sql, params: &(), want: Want::Outcome };
        self.run(command, During::Control, deadline).await
    }

    async fn run_text_behind(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Outcome> {
        let command = Command::Execute { sql, params: &(), want: Want::Outcome };
        self.run_behind(command, During::Control, deadline).await
    }

    /// Called when the user has dropped rows before their end.
    pub(crate) fn leave_rows(&mut self) {
        self.settle();
        self.rows_left = self.lease.status() == Status::Busy;
    }

    /// Called when a command is over or given up: remembers that the connection broke.
    pub(crate) fn settle(&mut self) {
        match self.lease.status() {
            Status::Busy if self.releasing.is_none() => {
                self.lease.abandon();
            }
            Status::Busy => {}
            Status::Broken => {
                self.releasing = None;
                self.lost = true;
            }
            _ => self.releasing = None,
        }
        self.queue_over();
    }

    /// Remembers an error that may have failed or ended the transaction.
    #[cold]
    pub(crate) fn note(&mut self, error: &Error) {
        let status = self.lease.status();
        if error.is_timeout() && status == Status::Busy {
            // What can be done without waiting is done here; the rest when the session is next used.
            drop(self.lease.connection().canceller().cancel());
        }
        if let Some(transaction) = &mut self.transaction
            && transaction.why.is_none()
            && !matches!(status, Status::Busy | Status::Transaction)
        {
            transaction.why = Some(error.message().into());
        }
    }

    #[cold]
    fn lost(&self) -> Error {
        let why = self.transaction.as_ref().and_then(|transaction| transaction.why.as_deref());
        let lost = Error::new(
            ErrorKind::ConnectionLost,
            match why {
                Some(why) => format!("the connection is lost: {why}"),
                None => "the connection is lost".to_owned(),
            },
        )
        .with_nothing_sent(true);
        match &self.transaction {
            Some(transaction) if transaction.committing => lost,
            // What it did before is gone, too.
            Some(_) => lost.with_retry(Retry::Transaction),
            None => lost,
        }
    }

    /// The driver's own connection.
    pub(crate) fn driver<T: Connection>(&mut self) -> Result<&mut T> {
        let busy = self.lease.status() == Status::Busy
            && (self.releasing.is_some() || self.lease.abandon() == Status::Busy);
        if busy || self.owed != Owed::Nothing {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a call on this connection was dropped, and what it left is not cleared yet",
            )
            .with_nothing_sent(true)
            .with_hint("await any call first, such as `ping`"));
        }
        if self.queue.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "statements are queued that were not sent yet",
            )
            .with_nothing_sent(true)
            .with_hint("await `flush` first"));
        }
        self.lease.driver()
    }

    /// The rows of a statement, opened in `held`.
    #[inline]
    pub(crate) fn open<'s, 'h, P: Params>(
        &'s mut self,
        text: Arc<Text>,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'s>>,
    ) -> impl Future<Output = Result<&'h mut Rows<'s>>> {
        let (watch, deadline) = (Watch::new(&self.db, text), self.deadline());
        let mapping = self.db.mapping();
        self.open_watched(watch, deadline, mapping, params, want, held)
    }

    /// As [`open`](Self::open), for a call with a scope of its own.
    #[inline]
    pub(crate) fn open_in<'s, 'h, P: Params>(
        &'s mut self,
        scope: &Db,
        text: Arc<Text>,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'s>>,
    ) -> impl Future<Output = Result<&'h mut Rows<'s>>> {
        let (watch, deadline) = (Watch::new(scope, text), self.deadline_in(scope));
        self.open_watched(watch, deadline, scope.mapping(), params, want, held)
    }

    #[inline]
    async fn open_watched<'s, 'h, P: Params>(
        &'s mut self,
        mut watch: Watch,
        deadline: Option<Instant>,
        mapping: Mapping,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'s>>,
    ) -> Result<&'h mut Rows<'s>> {
        watch.started = Some(Instant::now());
        let ready = match watch.text().check(params.count()) {
            Ok(()) if watch.text().controls() && self.in_transaction() => Err(controls()),
            Ok(()) if self.is_ready() => Ok(()),
            Ok(()) if watch.text().is_script() => Box::pin(self.ready(deadline)).await,
            Ok(()) => Box::pin(self.ready_for_queued(deadline)).await,
            refused => refused,
        };
        if let Err(error) = ready {
            return Err(watch.refuse(error));
        }
        let rows = held.insert(Rows::new(Owner::Session(self), mapping, deadline, watch));
        let answer = match rows.start(&params, want) {
            Ok(()) => rows.first_answer().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(()) => Ok(rows),
            Err(error) => Err(rows.give_up(error)),
        }
    }

    /// Sends a command that gives no rows, as a call of its own.
    pub(crate) async fn command(&mut self, order: Order) -> Result<Outcome> {
        let deadline = self.deadline();
        let result = match self.ready(deadline).await {
            Ok(()) => self.run(order.command(), order.during(), deadline).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| self.db.named(error))
    }

    /// Has the engine check a text, on this connection.
    pub(crate) async fn describe(&mut self, text: &Text) -> Result<Description> {
        let deadline = self.deadline();
        let described = match self.ready(deadline).await {
            Ok(()) => {
                let command = Command::Prepare { sql: text.sql() };
                self.run(command, During::Check, deadline).await
            }
            Err(error) => Err(error),
        };
        match described {
            Ok(_) => Ok(self.lease.connection().take_description().unwrap_or_default()),
            Err(error) => Err(self.db.named(error)),
        }
    }

    pub(crate) async fn begin(
        &mut self,
        options: TxOptions,
        deadline: Option<Instant>,
    ) -> Result<()> {
        self.try_begin(options, deadline).await.map_err(|error| self.db.named(error))
    }

    async fn try_begin(&mut self, options: TxOptions, deadline: Option<Instant>) -> Result<()> {
        if self.in_transaction() {
            return Err(already_open());
        }
        self.ready(deadline).await?;
        if self.lease.status() != Status::Idle {
            // Begun by the user's own SQL.
            return Err(already_open());
        }
        let tracked = match () {
            // What only reads has no outcome.
            () if options.read_only => Tracked::No,
            () if options.mark_commit => Tracked::Marked,
            () if options.track_commit => Tracked::Traced,
            () => Tracked::No,
        };
        if tracked == Tracked::Marked {
            self.delete_marks(deadline).await?;
        }
        let mut options = options;
        options.track_commit = tracked == Tracked::Traced;
        // A future that is dropped before the answer must not leave a transaction that nobody knows.
        self.transaction = Some(Transaction { tracked, ..Transaction::begun_now() });
        self.owed = Owed::Rollback;
        let locks = self.db.begins_with_a_lock() && !options.read_only && !options.lock_late;
        let during = if locks { During::BeginLocked } else { During::Begin };
        let begun = self.run(Command::Begin(options), during, deadline).await;
        if begun.is_ok() {
            self.owed = Owed::Nothing;
            if let (Some(due), budget) = (self.ends_at(), self.db.drain_budget().1) {
                self.lease.watch(due, budget);
            }
        } else if matches!(self.lease.status(), Status::Idle | Status::Broken) {
            self.owed = Owed::Nothing;
            self.transaction = None;
        }
        begun.map(drop)
    }

    /// True if the outcome was found out, because the answer was lost.
    pub(crate) async fn commit(&mut self) -> Result<bool> {
        let deadline = self.deadline();
        self.try_commit(deadline).await.map_err(|error| self.db.named(error))
    }

    async fn try_commit(&mut self, deadline: Option<Instant>) -> Result<bool> {
        let tracked = self.transaction.as_ref().map_or(Tracked::No, |there| there.tracked);
        let ready = match tracked {
            // A mark goes with its COMMIT, and with nothing else.
            Tracked::Marked => self.ready(deadline).await,
            _ => self.ready_for_queued(deadline).await,
        };
        if let Err(error) = ready {
            self.over(TransactionOutcome::Failed);
            return Err(error);
        }
        if self.lease.status() == Status::FailedTransaction {
            let why = self.transaction.as_mut().and_then(|transaction| transaction.why.take());
            // Whatever becomes of the rollback, nothing was committed; what it leaves is owed.
            drop(self.run(Command::Rollback, During::Rollback, deadline).await);
            self.over(TransactionOutcome::Failed);
            return Err(failed(why.as_deref()));
        }
        if tracked != Tracked::No {
            return self.tracked_commit(tracked, deadline).await;
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.committing = true;
        }
        let error = match self.run_behind(Command::Commit, During::Commit, deadline).await {
            Ok(_) => {
                self.over(TransactionOutcome::Committed);
                return Ok(false);
            }
            Err(error) => error,
        };
        if error.kind() == ErrorKind::CommitNotReplicated {
            self.over(TransactionOutcome::Committed);
            return Err(error);
        }
        let unknown = error.is_timeout() || error.is_connection_lost();
        if !unknown || error.nothing_sent() {
            // A commit that the engine refused but did not undo (SQLite: busy) is undone now.
            self.over(TransactionOutcome::Failed);
            return Err(error);
        }
        self.over(TransactionOutcome::Unknown);
        Err(error
            .with_kind(ErrorKind::CommitUnknown)
            .with_hint("look whether the transaction took effect before repeating it"))
    }

    pub(crate) async fn rollback(&mut self) -> Result<()> {
        let deadline = self.deadline();
        self.report(TransactionOutcome::RolledBack);
        self.drop_queued();
        self.owed = Owed::Rollback;
        self.ready(deadline).await.map_err(|error| self.db.named(error))
    }

    /// A `Tx` was dropped: the next call, or the pool, rolls back.
    pub(crate) fn dropped(&mut self) {
        self.drop_queued();
        if self.transaction.is_some() && self.owed != Owed::Rollback {
            self.owed = Owed::Rollback;
            self.report(TransactionOutcome::Dropped);
        }
    }

    pub(crate) async fn savepoint(&mut self) -> Result<u32> {
        let deadline = self.deadline();
        self.ready_for_queued(deadline).await.map_err(|error| self.db.named(error))?;
        // Asked only now: `ready` may have undone a dropped savepoint.
        let depth = self.depth() + 1;
        let sql = format!("SAVEPOINT {}", savepoint_name(depth));
        self.run_text_behind(&sql, deadline).await.map_err(|error| self.db.named(error))?;
        if let Some(transaction) = &mut self.transaction {
            transaction.depth = depth;
        }
        Ok(depth)
    }

    pub(crate) async fn release_savepoint(&mut self, depth: u32) -> Result<()> {
        let deadline = self.deadline();
        let result = match self.ready_for_queued(deadline).await {
            Ok(()) => {
                self.releasing = Some(depth);
                self.run_text_behind(&release_text(depth), deadline).await
            }
            Err(error) => Err(error),
        };
        result.map(|_| self.set_depth(depth - 1)).map_err(|error| self.db.named(error))
    }

    pub(crate) async fn rollback_savepoint(&mut self, depth: u32) -> Result<()> {
        let deadline = self.deadline();
        self.owe_savepoint(depth);
        self.ready(deadline).await.map_err(|error| self.db.named(error))
    }

    /// A `Savepoint` was dropped: the next call undoes it.
    pub(crate) fn owe_savepoint(&mut self, depth: u32) {
        self.drop_queued();
        self.owed = match self.owed {
            Owed::Rollback => Owed::Rollback,
            Owed::ToSavepoint(outer) => Owed::ToSavepoint(outer.min(depth)),
            Owed::Nothing | Owed::Release(_) => Owed::ToSavepoint(depth),
        };
    }

    /// The transaction is over for its owner. What the engine still has open is owed a rollback.
    fn over(&mut self, outcome: TransactionOutcome) {
        self.report(outcome);
        self.drop_queued();
        if matches!(self.lease.status(), Status::Idle | Status::Broken) {
            self.transaction = None;
            self.owed = Owed::Nothing;
            self.lease.unwatch();
        } else {
            self.owed = Owed::Rollback;
        }
    }

    /// Tells the observers how the transaction ended, once.
    fn report(&mut self, outcome: TransactionOutcome) {
        let status = self.lease.status();
        let Some(transaction) = &mut self.transaction else { return };
        if std::mem::replace(&mut transaction.reported, true) {
            return;
        }
        let outcome = match outcome {
            TransactionOutcome::Dropped if transaction.committing => TransactionOutcome::Unknown,
            // The engine was first.
            TransactionOutcome::Dropped | TransactionOutcome::RolledBack
                if matches!(status, Status::Idle | Status::Broken) =>
            {
                TransactionOutcome::Failed
            }
            outcome => outcome,
        };
        let label = self.db.label_entry();
        let end = TransactionEnd {
            label: label.as_ref().map(|label| &*label.name),
            outcome,
            elapsed: transaction.begun.elapsed(),
        };
        self.db.book().tell(|observer| observer.transaction(&end));
    }
}

fn savepoint_name(depth: u32) -> String {
    format!("aquifer_{depth}")
}

fn release_text(depth: u32) -> String {
    format!("RELEASE SAVEPOINT {}", savepoint_name(depth))
}

/// A text that would begin or end a transaction behind the back of the `Tx` that it runs in.
#[cold]
pub(crate) fn controls() -> Error {
    Error::new(
        ErrorKind::TxControl,
        "the text begins or ends a transaction, and it runs in one that this library has begun",
    )
    .with_nothing_sent(true)
    .with_hint("end it with `commit` or `rollback`; use `savepoint` for a transaction within it")
}

#[cold]
fn already_open() -> Error {
    Error::new(ErrorKind::TxOpen, "a transaction is already open on this connection")
        .with_hint("use `savepoint` for a transaction within it")
}

#[cold]
fn ended_by_statement() -> Error {
    Error::new(ErrorKind::TxDone, "the statement has ended the transaction that it ran in")
        .with_nothing_sent(false)
        .with_hint(
            "the engine commits before and after such statements: what came before it is kept; run it outside a transaction",
        )
}

#[cold]
fn failed(why: Option<&str>) -> Error {
    Error::new(
        ErrorKind::TxFailed,
        match why {
            Some(why) => format!("nothing was committed: a statement had failed: {why}"),
            None => "nothing was committed: a statement had failed".to_owned(),
        },
    )
}

#[cold]
fn doomed(why: &Doom) -> Error {
    let (message, hint): (std::borrow::Cow<'static, str>, _) = match why {
        Doom::Released => (
            "a savepoint was kept although its release was given up, so the transaction cannot go on".into(),
            "roll it back; await `release` to its end",
        ),
        Doom::Queued(why) => (
            format!("nothing is committed: a queued statement had failed: {why}").into(),
            "roll it back; what was queued behind the statement has not run",
        ),
        Doom::Unknown => (
            "queued statements went out with a call that was given up, and what became of them is not known".into(),
            "roll it back; await the call that sends what is queued to its end",
        ),
    };
    Error::new(ErrorKind::TxFailed, message).with_nothing_sent(true).with_hint(hint)
}

#[cold]
fn ended(why: Option<&str>) -> Error {
    Error::new(
        ErrorKind::TxDone,
        match why {
            Some(why) => format!("the transaction has been ended: {why}"),
            None => "the transaction has ended".to_owned(),
        },
    )
    .with_hint("nothing more is sent; begin a new transaction")
}
