//! [`Tx`] and [`Savepoint`].

use std::time::Duration;

use aquifer_driver::{Connection, Result, TxOptions};
use aquifer_pool::LeaseScope;
use tokio::time::Instant;

use crate::db::Db;
use crate::manage::Manager;
use crate::session::Session;
use crate::target::{Target, borrowing_calls, calls};

/// What a commit has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Committed {
    /// The answer to the commit was lost, and it was found out that it took effect: see
    /// [`TxOptions::track_commit`].
    pub found_out: bool,
}

/// An open transaction. Committed by [`commit`](Self::commit); rolled back by
/// [`rollback`](Self::rollback) or by being dropped.
///
/// A statement that fails leaves the transaction open, unless the engine ends it (PostgreSQL then lets
/// nothing but a rollback through; SQLite and MySQL may undo it all). Once the engine has ended it,
/// nothing more is sent, and every call says how it ended.
///
/// Dropping it needs no waiting: it is rolled back in the background before its connection is used
/// again.
// It has no lifetime, so that closures over `&mut Tx` can be spawned: within a spawned future the
// compiler takes every lifetime in a closure's argument for any lifetime.
#[derive(Debug)]
pub struct Tx {
    session: Box<Session>,
    done: bool,
}

/// As [`Tx`], on a [`Conn`](crate::Conn) that it borrows. Dropping it rolls back before the
/// connection's next call.
#[derive(Debug)]
pub struct ConnTx<'c> {
    session: &'c mut Session,
    done: bool,
}

impl Tx {
    pub(crate) async fn begin(
        mut session: Session,
        options: TxOptions,
        deadline: Option<Instant>,
    ) -> Result<Self> {
        session.begin(options, deadline).await?;
        Ok(Self { session: Box::new(session), done: false })
    }

    /// For work that ends before this does.
    pub(crate) fn scope(&self) -> LeaseScope<Manager> {
        self.session.lease().scope()
    }
}

impl<'c> ConnTx<'c> {
    pub(crate) fn session(&mut self) -> &mut Session {
        self.session
    }

    pub(crate) async fn begin(session: &'c mut Session, options: TxOptions) -> Result<Self> {
        let deadline = session.db().deadline();
        session.begin(options, deadline).await?;
        Ok(Self { session, done: false })
    }
}

/// The calls that queue statements.
macro_rules! queueing_calls {
    () => {
        /// Queues a statement: it goes out with the next call, and nobody waits for its answer alone.
        ///
        /// On PostgreSQL whatever is queued and the call that is awaited next, also the commit, make one
        /// flight; a transaction of many changes takes one round trip. On SQLite they make one hop to the
        /// worker. On MySQL, where a statement behind a failed one would run all the same, the queue goes
        /// before the call, in as few flights as a [`batch`](Self::batch).
        ///
        /// Statements run in the order of the calls; rows that they give are discarded. Arguments are
        /// copied when this is polled. It waits only if 1 024 statements or 256 KiB of arguments are
        /// queued: then they are sent. [`flush`](Self::flush) sends them at any time. What is queued and
        /// not sent is thrown away by a rollback, and when this is dropped.
        ///
        /// ```
        /// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
        /// let mut tx = db.begin().await?;
        /// let balance: i64 = tx.get("SELECT balance FROM accounts WHERE id = ? FOR UPDATE", (1,)).await?;
        /// if balance >= 10 {
        ///     tx.enqueue("UPDATE accounts SET balance = balance - ? WHERE id = ?", (10, 1)).await?;
        ///     tx.enqueue("UPDATE accounts SET balance = balance + ? WHERE id = ?", (10, 2)).await?;
        /// }
        /// // Over a network, the second and last round trip of this transaction.
        /// tx.commit().await?;
        /// # Ok(()) }
        /// ```
        ///
        /// # Errors
        ///
        /// Its own are those of its text and its arguments, as far as they can be told here, with nothing
        /// queued, and, where it has to wait, those of [`flush`](Self::flush).
        ///
        /// A statement that fails fails the call that sends it: its error says which of those queued since
        /// the last call it was ([`Error::statement`](crate::Error::statement), from 1), and what its text
        /// is. Those behind it have not run, nor has that call, and a commit has committed nothing. From
        /// then on the transaction can only be rolled back, on every engine, or back to a savepoint that
        /// was set before the statement was queued. The same is true if the call is dropped, or its
        /// deadline passes, before anything of its answer has come.
        pub async fn enqueue<P: $crate::Params>(&mut self, sql: &str, params: P) -> Result<()> {
            let queued = self.session.enqueue(sql, &params);
            drop(params);
            match queued {
                Ok(false) => Ok(()),
                Ok(true) => Box::pin(self.session.flush_full()).await,
                Err(error) => Err(error),
            }
        }

        /// As [`enqueue`](Self::enqueue), with `:name` placeholders filled from a struct, a map, or, for a
        /// bulk `INSERT ... VALUES (...)`, a slice of them.
        ///
        /// A bulk that needs more than one statement is queued whole, and counts as that many of those
        /// queued. (For a statement that is [prepared](Self::prepare), see
        /// [`StmtOn::enqueue`](crate::StmtOn::enqueue).)
        ///
        /// # Errors
        ///
        /// As `enqueue`, and if a name has no value.
        pub async fn enqueue_named(
            &mut self,
            sql: &str,
            args: impl $crate::NamedArgs,
        ) -> Result<()> {
            let queued = self.session.enqueue_named(sql, &args);
            drop(args);
            match queued? {
                false => Ok(()),
                true => Box::pin(self.session.flush_full()).await,
            }
        }

        /// Sends what is [queued](Self::enqueue), and waits for it.
        ///
        /// # Errors
        ///
        /// That of a queued statement; the deadline, and a lost connection.
        pub async fn flush(&mut self) -> Result<()> {
            self.session.flush().await
        }
    };
}

macro_rules! transaction {
    ($type:ty) => {
        impl $type {
            pub(crate) fn target(&mut self) -> Target<'_> {
                Target::session(&mut self.session)
            }

            calls! { self, &mut self }
            borrowing_calls! {}
            queueing_calls! {}

            /// Commits, in one flight with what is [queued](Self::enqueue).
            ///
            /// # Errors
            ///
            /// The engine's error, or that of a queued statement: nothing was committed then, and the
            /// transaction is over.
            /// [`TxFailed`](crate::ErrorKind::TxFailed) if an earlier statement had failed it,
            /// [`TxDone`](crate::ErrorKind::TxDone) if the engine had ended it, and
            /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown) if the connection broke, or the
            /// deadline passed, before the answer came. A transaction that is
            /// [tracked](TxOptions::track_commit) finds out what became of it then, over another connection:
            /// the commit succeeds, or fails with [`Retry::Transaction`](crate::Retry::Transaction), and is
            /// `CommitUnknown` only where nobody can tell, or not in time (`commit_resolve_timeout`).
            /// [`CommitNotReplicated`](crate::ErrorKind::CommitNotReplicated) is no failure to commit: the
            /// transaction stands, and must not be run again, but a failover may lose it.
            pub async fn commit(mut self) -> Result<Committed> {
                let result = self.session.commit().await;
                // Until here a drop of this future is a drop of the transaction.
                self.done = true;
                result.map(|found_out| Committed { found_out })
            }

            /// Rolls back. Succeeds if the engine has already done so.
            ///
            /// # Errors
            ///
            /// If the connection broke; the transaction is gone then, too.
            pub async fn rollback(mut self) -> Result<()> {
                let result = self.session.rollback().await;
                self.done = true;
                result
            }

            /// Sets a savepoint: a transaction within this one.
            ///
            /// # Errors
            ///
            /// The engine's error.
            pub async fn savepoint(&mut self) -> Result<Savepoint<'_>> {
                Savepoint::begin(&mut self.session).await
            }

            /// The driver's own connection.
            ///
            /// # Errors
            ///
            /// If the URL chose another driver, a dropped call has not been cleared yet, or statements are
            /// queued.
            pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
                self.session.driver()
            }

            /// From now on, calls end within `timeout`; `None` sets no limit. A call that runs out of
            /// time is stopped; the transaction stays open.
            pub fn set_timeout(&mut self, timeout: Option<Duration>) {
                self.session.set_timeout(timeout);
            }

            /// From now on, calls are counted, and named in errors, as `label`. (Leak reports keep the
            /// label that the connection was taken with.)
            pub fn set_label(&mut self, label: Option<&str>) {
                self.session.set_label(label);
            }
        }

        impl Drop for $type {
            fn drop(&mut self) {
                if !self.done {
                    self.session.dropped();
                }
            }
        }
    };
}
transaction! { Tx }
transaction! { ConnTx<'_> }

/// A transaction within a transaction. Kept by [`release`](Self::release); undone by
/// [`rollback`](Self::rollback) or by being dropped.
#[derive(Debug)]
pub struct Savepoint<'t> {
    session: &'t mut Session,
    depth: u32,
    /// What the transaction around it had, if timeout or label were changed here.
    outer: Option<Db>,
    done: bool,
}

impl<'t> Savepoint<'t> {
    pub(crate) async fn begin(session: &'t mut Session) -> Result<Savepoint<'t>> {
        let depth = session.savepoint().await?;
        Ok(Savepoint { session, depth, outer: None, done: false })
    }

    pub(crate) fn target(&mut self) -> Target<'_> {
        Target::session(self.session)
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        self.session
    }

    calls! { self, &mut self }
    borrowing_calls! {}
    queueing_calls! {}

    /// Keeps what was done since the savepoint; the outer transaction decides in the end.
    ///
    /// # Errors
    ///
    /// The engine's error; the savepoint is then undone. If a release was given up half-way (its deadline
    /// passed, or its future was dropped) and took effect all the same, the transaction can only be
    /// rolled back.
    pub async fn release(mut self) -> Result<()> {
        self.session.release_savepoint(self.depth).await?;
        self.done = true;
        Ok(())
    }

    /// Undoes what was done since the savepoint.
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub async fn rollback(mut self) -> Result<()> {
        self.done = true;
        self.session.rollback_savepoint(self.depth).await
    }

    /// Sets a savepoint within this one.
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub async fn savepoint(&mut self) -> Result<Savepoint<'_>> {
        Savepoint::begin(self.session).await
    }

    /// The driver's own connection.
    ///
    /// # Errors
    ///
    /// If the URL chose another driver, a dropped call has not been cleared yet, or statements are queued.
    pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
        self.session.driver()
    }

    /// Until the savepoint ends, calls end within `timeout`; `None` sets no limit. A call that runs out of
    /// time is stopped; the savepoint stays open.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.keep_outer();
        self.session.set_timeout(timeout);
    }

    /// Until the savepoint ends, calls are counted, and named in errors, as `label`.
    pub fn set_label(&mut self, label: Option<&str>) {
        self.keep_outer();
        self.session.set_label(label);
    }

    fn keep_outer(&mut self) {
        if self.outer.is_none() {
            self.outer = Some(self.session.db().clone());
        }
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.session.owe_savepoint(self.depth);
        }
        if let Some(outer) = self.outer.take() {
            self.session.set_db(outer);
        }
    }
}
