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

macro_rules! transaction {
    ($type:ty) => {
        impl $type {
            pub(crate) fn target(&mut self) -> Target<'_> {
                Target::session(&mut self.session)
            }

            calls! { self, &mut self }
            borrowing_calls! {}

            /// Commits.
            ///
            /// # Errors
            ///
            /// The engine's error: nothing was committed then, and the transaction is over.
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
            /// If the URL chose another driver, or a dropped call has not been cleared yet.
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
    /// If the URL chose another driver, or a dropped call has not been cleared yet.
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
