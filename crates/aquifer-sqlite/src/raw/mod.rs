//! A small, sound layer over the C library: the only `unsafe` code of the project.
//!
//! What it owns: one [`Handle`] per `sqlite3*`, together with every statement prepared on it. What
//! it never does: start a thread, sleep outside the busy handler, read a clock or the environment,
//! cache anything, interpret SQL, or know what the layers above call a value.
//!
//! # Why it is sound
//!
//! - **One owner.** Connections are opened with `SQLITE_OPEN_NOMUTEX`, so SQLite does no locking of
//!   its own: no two threads may be inside one connection. `Handle` is `Send` and not `Sync`, owns
//!   its statements in a slab, and lends them out only as [`Statement`], which borrows the handle
//!   exclusively. So the set moves between threads as one, and nothing that belongs to it can stay
//!   behind.
//! - **Statements are names.** Outside a borrow a statement is a [`StatementId`]: an index and a
//!   generation. A stale id is an error, never a dangling pointer.
//! - **Rows are borrows.** A [`Row`] borrows its `Statement`, which borrows the `Handle`: while a
//!   cell is readable, nothing can step, reset, rebind, finalise or close.
//! - **Only one thing crosses threads:** `sqlite3_interrupt`, under the lock that `close` takes
//!   before it frees the connection ([`Interrupter`]).
//! - **Nothing relies on a destructor running.** A forgotten `Statement` or `Row` only leaves a
//!   statement in the middle of its rows.
#![allow(unsafe_code)]

mod authorize;
mod backup;
mod bind;
mod busy;
mod code;
mod column;
mod config;
mod error;
mod exec;
mod explain;
mod extension;
mod handle;
mod inserted;
mod interrupt;
mod open;
mod prepare;
mod progress;
mod row;
mod serialize;
mod slab;
mod statement;
mod status;
mod wal;

#[cfg(test)]
mod tests;

pub use backup::{BackupEnd, BackupProgress, backup};
pub use bind::Borrowed;
pub use code::Code;
pub use column::ColumnOrigin;
pub use config::{Config, Limit};
pub use error::{Error, Interruption, Result};
pub use exec::Executed;
pub use handle::{Closed, Handle, TransactionState};
pub use interrupt::{Interrupter, Operation};
pub use open::{Location, Mode};
pub use prepare::{Persistence, Prepared};
pub use progress::TICK_OPS;
pub use row::{Cell, CellKind, Row};
pub use slab::StatementId;
pub use statement::Statement;
pub use status::{
    MemoryCounter, StatementCounter, compile_options, memory_highwater, memory_used, source_id,
    version, version_number,
};
pub use wal::{Checkpoint, CheckpointMode};
