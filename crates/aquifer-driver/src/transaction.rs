//! What a transaction is to be: [`TxOptions`].

use std::fmt;

/// How much of other transactions' work a transaction may see.
///
/// The names are the SQL standard's. An engine that lacks a level refuses it; it never takes a weaker
/// one silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Sees uncommitted work of others (engines may give more than this).
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// Every statement sees what was committed before the first one.
    RepeatableRead,
    /// As if the transactions had run one after the other.
    Serializable,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadUncommitted => "READ UNCOMMITTED",
            Self::ReadCommitted => "READ COMMITTED",
            Self::RepeatableRead => "REPEATABLE READ",
            Self::Serializable => "SERIALIZABLE",
        })
    }
}

/// Options of a transaction. The default leaves everything to the engine's own defaults.
///
/// ```
/// use aquifer_driver::{Isolation, TxOptions};
/// let options = TxOptions::serializable().read_only().deferrable();
/// assert_eq!(options.isolation, Some(Isolation::Serializable));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TxOptions {
    /// The isolation level; `None` is the engine's default.
    pub isolation: Option<Isolation>,
    /// Refuses writes; with replicas or SQLite's readers, also lets another connection do the work.
    pub read_only: bool,
    /// Waits for a snapshot that cannot fail to serialize (PostgreSQL; serializable and read only).
    pub deferrable: bool,
    /// Takes the write lock at the first write, not at once (SQLite). By default a transaction that may
    /// write starts with `BEGIN IMMEDIATE`, because an upgrade in the middle can fail with BUSY.
    pub lock_late: bool,
    /// Keeps track of the transaction, so that the outcome of a commit whose answer is lost can be asked for
    /// where the server remembers it: see [`track_commit`](Self::track_commit).
    pub track_commit: bool,
    /// Writes a row by which the outcome of a commit whose answer is lost can always be told: see
    /// [`mark_commit`](Self::mark_commit).
    pub mark_commit: bool,
}

impl TxOptions {
    /// How the table is made that [`mark_commit`](Self::mark_commit) needs, on any engine. `id` is the row's own,
    /// `done` is 1 in the row of a transaction and 0 in one that was written to keep a transaction from
    /// committing.
    pub const MARKS_TABLE: &str = "CREATE TABLE aquifer_commits (id CHAR(32) NOT NULL PRIMARY KEY, \
        done SMALLINT NOT NULL, made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) /*! ENGINE=InnoDB */";

    /// The engine's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The engine's defaults at this level.
    pub fn isolation(level: Isolation) -> Self {
        Self { isolation: Some(level), ..Self::default() }
    }

    /// [`Isolation::ReadCommitted`].
    pub fn read_committed() -> Self {
        Self::isolation(Isolation::ReadCommitted)
    }

    /// [`Isolation::RepeatableRead`].
    pub fn repeatable_read() -> Self {
        Self::isolation(Isolation::RepeatableRead)
    }

    /// [`Isolation::Serializable`].
    pub fn serializable() -> Self {
        Self::isolation(Isolation::Serializable)
    }

    /// Refuses writes.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Waits for a snapshot that cannot fail to serialize.
    #[must_use]
    pub fn deferrable(mut self) -> Self {
        self.deferrable = true;
        self
    }

    /// Takes the write lock at the first write (SQLite's `BEGIN DEFERRED`).
    #[must_use]
    pub fn lock_late(mut self) -> Self {
        self.lock_late = true;
        self
    }

    /// Keeps track of the transaction, so that a commit whose answer is lost is not
    /// [`CommitUnknown`](crate::ErrorKind::CommitUnknown) where the server can tell: the commit succeeds if the
    /// transaction took effect, and fails with [`Retry::Transaction`](crate::Retry::Transaction) if it was
    /// undone.
    ///
    /// PostgreSQL remembers its transactions by their numbers. Elsewhere, and where too much has happened to the
    /// server meanwhile, the outcome stays unknown; [`mark_commit`](Self::mark_commit) knows of no such limits.
    ///
    /// ```
    /// use aquifer_driver::TxOptions;
    /// let options = TxOptions::read_committed().track_commit();
    /// assert!(options.track_commit && !options.mark_commit);
    /// ```
    #[must_use]
    pub fn track_commit(mut self) -> Self {
        self.track_commit = true;
        self
    }

    /// As [`track_commit`](Self::track_commit), on every engine and whatever has happened to the server: the
    /// commit goes along with a row in the table `aquifer_commits`, which has to be there.
    #[must_use]
    pub fn mark_commit(mut self) -> Self {
        self.mark_commit = true;
        self
    }
}
