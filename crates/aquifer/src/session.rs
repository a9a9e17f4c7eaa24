//! [`Session`]: a connection held across several calls, and what it owes.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Command, Error, ErrorKind, Outcome, Params, Result, Status, TxOptions, Want};
use aquifer_pool::CloseReason;
use tokio::time::Instant;

use crate::db::Db;
use crate::deadline::before;
use crate::link::Link;
use crate::manage::drain;
use crate::observe::{TransactionEnd, TransactionOutcome};
use crate::rows::{Owner, Rows, Watch};
use crate::source::Lease;
use crate::text::Text;

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
    /// Why the connection cannot be used any more.
    lost: bool,
}

/// The commands without arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Begin(TxOptions),
    Ping,
    Reset,
}

impl Order {
    fn command(self) -> Command<'static> {
        match self {
            Self::Begin(options) => Command::Begin(options),
            Self::Ping => Command::Ping,
            Self::Reset => Command::Reset,
        }
    }
}

#[derive(Debug)]
struct Transaction {
    begun: Instant,
    /// Savepoints open, the innermost last; its number is its name.
    depth: u32,
    /// What the engine said when it ended the transaction by itself.
    ended: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// Back to before the savepoint of this depth.
    ToSavepoint(u32),
    Rollback,
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
        Self { lease, db, transaction: None, owed: Owed::Nothing, lost: false }
    }

    #[inline]
    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.lease
    }

    #[inline]
    pub(crate) fn link_ref(&self) -> &Link {
        &self.lease
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn set_db(&mut self, db: Db) {
        self.db = db;
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction.is_some() && self.owed != Owed::Rollback
    }

    /// Closes the connection instead of giving it back.
    pub(crate) fn discard(self) {
        self.lease.discard(CloseReason::Requested);
    }

    pub(crate) fn depth(&self) -> u32 {
        self.transaction.as_ref().map_or(0, |transaction| transaction.depth)
    }

    /// When the next call has to be over: the scope's timeout, or the transaction's greatest age.
    fn deadline(&self) -> Option<Instant> {
        let call = self.db.deadline();
        let transaction = self.transaction.as_ref().zip(self.db.options().calls.transaction_max);
        match (call, transaction.map(|(transaction, max)| transaction.begun + max)) {
            (Some(call), Some(transaction)) => Some(call.min(transaction)),
            (call, transaction) => call.or(transaction),
        }
    }

    /// True if the transaction is older than it may become.
    fn is_too_old(&self) -> bool {
        self.transaction
            .as_ref()
            .zip(self.db.options().calls.transaction_max)
            .is_some_and(|(transaction, max)| transaction.begun.elapsed() >= max)
    }

    /// Makes the connection ready for the next command: reads off what is owed, rolls back what was
    /// dropped, and refuses if the transaction has ended.
    pub(crate) async fn ready(&mut self, deadline: Option<Instant>) -> Result<()> {
        if self.lost {
            return Err(lost());
        }
        match self.lease.status() {
            Status::Idle | Status::Transaction | Status::FailedTransaction => {}
            Status::Broken => return Err(self.lose(lost())),
            Status::Busy => {
                if self.lease.abandon() == Status::Busy {
                    let (cancel_after, budget) = self.db.drain_budget();
                    // A transaction that is too old has no time left, but must still be undone.
                    let limit = deadline.filter(|_| !self.is_too_old());
                    let drained = before(limit, drain(&mut self.lease, cancel_after, budget)).await;
                    if let Err(error) = drained {
                        return Err(if error.is_connection_lost() {
                            self.lose(error)
                        } else {
                            error
                        });
                    }
                }
            }
        }
        match self.owed {
            Owed::Nothing => {}
            Owed::Rollback => {
                self.run(Command::Rollback, deadline).await?;
                self.owed = Owed::Nothing;
                self.transaction = None;
            }
            Owed::ToSavepoint(depth) => {
                self.back_to(depth, deadline).await?;
                self.owed = Owed::Nothing;
            }
        }
        if self.is_too_old() && self.lease.status() != Status::Idle {
            // Not before the caller's own deadline: that one may have passed for this very reason.
            let budget = Instant::now() + self.db.drain_budget().1;
            self.run(Command::Rollback, Some(budget)).await?;
            if let Some(transaction) = &mut self.transaction {
                transaction.ended = Some("it was older than `transaction_max` allows".into());
            }
        }
        if let Some(transaction) = &self.transaction
            && self.lease.status() == Status::Idle
        {
            return Err(ended(transaction.ended.as_deref()));
        }
        Ok(())
    }

    /// Runs one command to its end. It is started now, so that the future holds no arguments.
    fn run(
        &mut self,
        command: Command<'_>,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Result<Outcome>> + use<'_> {
        let started = self.lease.start(command);
        async move {
            let result = match started {
                Ok(()) => before(deadline, self.lease.finish()).await,
                Err(error) => Err(error),
            };
            self.settle();
            if let Err(error) = &result {
                self.note(error);
            }
            result
        }
    }

    /// Undoes everything since the savepoint of this depth, and the savepoint.
    async fn back_to(&mut self, depth: u32, deadline: Option<Instant>) -> Result<()> {
        // The transaction is gone, and the savepoint with it: nothing to undo.
        if matches!(self.lease.status(), Status::Transaction | Status::FailedTransaction) {
            let name = savepoint_name(depth);
            self.run_text(&format!("ROLLBACK TO SAVEPOINT {name}"), deadline).await?;
            self.run_text(&format!("RELEASE SAVEPOINT {name}"), deadline).await?;
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.depth = depth - 1;
        }
        Ok(())
    }

    async fn run_text(&mut self, sql: &str, deadline: Option<Instant>) -> Result<Outcome> {
        self.run(Command::Execute { sql, params: &(), want: Want::Outcome }, deadline).await
    }

    /// Called when a command is over or given up: remembers that the connection broke.
    pub(crate) fn settle(&mut self) {
        if self.lease.status() == Status::Busy {
            self.lease.abandon();
        }
        if self.lease.status() == Status::Broken {
            self.lost = true;
        }
    }

    /// Remembers an error that may have ended the transaction.
    #[cold]
    pub(crate) fn note(&mut self, error: &Error) {
        if error.is_timeout() && self.lease.status() == Status::Busy {
            // What can be done without waiting is done here; the rest when the session is next used.
            drop(self.lease.connection().canceller().cancel());
        }
        if let Some(transaction) = &mut self.transaction
            && transaction.ended.is_none()
            && matches!(self.lease.status(), Status::Idle | Status::Broken)
        {
            transaction.ended = Some(error.message().into());
        }
    }

    #[cold]
    fn lose(&mut self, error: Error) -> Error {
        self.lost = true;
        error
    }

    /// The rows of a statement.
    pub(crate) async fn open<P: Params>(
        &mut self,
        text: Arc<Text>,
        params: P,
        want: Want,
    ) -> Result<Rows<'_>> {
        let deadline = self.deadline();
        if let Err(error) = text.check(params.count()) {
            return Err(self.db.named(error));
        }
        if let Err(error) = self.ready(deadline).await {
            return Err(self.db.named(error));
        }
        let watch = Watch {
            book: Arc::clone(self.db.book()),
            label: self.db.label_entry(),
            text,
            waited: Duration::ZERO,
            started: Instant::now(),
            first_row: None,
            rows: 0,
        };
        let mapping = self.db.mapping();
        let mut rows = Rows::new(Owner::Session(self), mapping, deadline, watch);
        rows.start(&params, want)?;
        rows.first_answer().await?;
        Ok(rows)
    }

    /// Sends a command that gives no rows, as a call of its own.
    pub(crate) async fn command(&mut self, order: Order) -> Result<Outcome> {
        let deadline = self.deadline();
        let result = match self.ready(deadline).await {
            Ok(()) => self.run(order.command(), deadline).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| self.db.named(error))
    }

    pub(crate) async fn begin(&mut self, options: TxOptions) -> Result<()> {
        if self.transaction.is_some() && self.owed != Owed::Rollback {
            return Err(Error::new(
                ErrorKind::TxDone,
                "a transaction is already open on this connection",
            )
            .with_hint("use `savepoint` for a transaction within it"));
        }
        self.command(Order::Begin(options)).await?;
        self.transaction = Some(Transaction { begun: Instant::now(), depth: 0, ended: None });
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<()> {
        let deadline = self.deadline();
        if let Err(error) = self.ready(deadline).await {
            self.finished(TransactionOutcome::Failed);
            return Err(self.db.named(error));
        }
        if self.lease.status() == Status::FailedTransaction {
            let why = self.transaction.as_mut().and_then(|transaction| transaction.ended.take());
            let rolled_back = self.run(Command::Rollback, deadline).await;
            self.finished(TransactionOutcome::Failed);
            rolled_back.map_err(|error| self.db.named(error))?;
            return Err(self.db.named(Error::new(
                ErrorKind::TxFailed,
                match why {
                    Some(why) => format!("nothing was committed: a statement had failed: {why}"),
                    None => "nothing was committed: a statement had failed".to_owned(),
                },
            )));
        }
        match self.run(Command::Commit, deadline).await {
            Ok(_) => {
                self.finished(TransactionOutcome::Committed);
                Ok(())
            }
            Err(error) => {
                let error = match error.kind() {
                    ErrorKind::Timeout | ErrorKind::ConnectionLost => error
                        .with_kind(ErrorKind::CommitUnknown)
                        .with_hint("look whether the transaction took effect before repeating it"),
                    _ => error,
                };
                let outcome = match error.kind() {
                    ErrorKind::CommitUnknown => TransactionOutcome::Unknown,
                    _ => TransactionOutcome::Failed,
                };
                // A commit that the engine refused but did not undo (SQLite: busy) must not linger.
                if matches!(self.lease.status(), Status::Transaction | Status::FailedTransaction) {
                    self.owed = Owed::Rollback;
                }
                self.report(outcome);
                if self.owed == Owed::Nothing {
                    self.transaction = None;
                }
                Err(self.db.named(error))
            }
        }
    }

    pub(crate) async fn rollback(&mut self) -> Result<()> {
        let deadline = self.deadline();
        self.owed = Owed::Rollback;
        self.report(TransactionOutcome::RolledBack);
        self.ready(deadline).await.map_err(|error| self.db.named(error))
    }

    /// A `Tx` was dropped: the next call, or the pool, rolls back.
    pub(crate) fn dropped(&mut self) {
        if self.transaction.is_some() && self.owed != Owed::Rollback {
            self.owed = Owed::Rollback;
            self.report(TransactionOutcome::Dropped);
        }
    }

    pub(crate) async fn savepoint(&mut self) -> Result<u32> {
        let deadline = self.deadline();
        self.ready(deadline).await.map_err(|error| self.db.named(error))?;
        // Asked only now: `ready` may have undone a dropped savepoint.
        let depth = self.depth() + 1;
        let sql = format!("SAVEPOINT {}", savepoint_name(depth));
        self.run_text(&sql, deadline).await.map_err(|error| self.db.named(error))?;
        if let Some(transaction) = &mut self.transaction {
            transaction.depth = depth;
        }
        Ok(depth)
    }

    pub(crate) async fn release_savepoint(&mut self, depth: u32) -> Result<()> {
        let deadline = self.deadline();
        let result = match self.ready(deadline).await {
            Ok(()) => {
                let sql = format!("RELEASE SAVEPOINT {}", savepoint_name(depth));
                self.run_text(&sql, deadline).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(_) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.depth = depth - 1;
                }
                Ok(())
            }
            Err(error) => Err(self.db.named(error)),
        }
    }

    pub(crate) async fn rollback_savepoint(&mut self, depth: u32) -> Result<()> {
        let deadline = self.deadline();
        self.owe_savepoint(depth);
        self.ready(deadline).await.map_err(|error| self.db.named(error))
    }

    /// A `Savepoint` was dropped: the next call undoes it.
    pub(crate) fn owe_savepoint(&mut self, depth: u32) {
        self.owed = match self.owed {
            Owed::Rollback => Owed::Rollback,
            Owed::ToSavepoint(outer) => Owed::ToSavepoint(outer.min(depth)),
            Owed::Nothing => Owed::ToSavepoint(depth),
        };
    }

    fn finished(&mut self, outcome: TransactionOutcome) {
        self.report(outcome);
        self.transaction = None;
        self.owed = Owed::Nothing;
    }

    fn report(&self, outcome: TransactionOutcome) {
        if let Some(transaction) = &self.transaction {
            let label = self.db.label_entry();
            let end = TransactionEnd {
                label: label.as_ref().map(|label| &*label.name),
                outcome,
                elapsed: transaction.begun.elapsed(),
            };
            self.db.book().tell(|observer| observer.transaction(&end));
        }
    }
}

fn savepoint_name(depth: u32) -> String {
    format!("aquifer_{depth}")
}

#[cold]
fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection is lost").with_nothing_sent(true)
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
