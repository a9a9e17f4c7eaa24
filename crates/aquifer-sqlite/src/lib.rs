//! The embedded SQLite driver of Aquifer.
//!
//! [`SqliteDriver`] goes into a registry; [`SqliteConnector`] is what it makes of a URL;
//! [`SqliteConnection`] has what only SQLite has: backups, attached databases, checkpoints, extensions.
//! `docs/sqlite.md` is written for users; this is how it works.
//!
//! # Who runs what
//!
//! A connection is one SQLite handle with its prepared statements (the *engine*). It is a value that
//! moves: between commands the caller has it, and it goes, one pointer, to the connection's only thread,
//! the *worker*, whenever something might block. So SQLite is never used by two threads at once, and a
//! statement that was bound on one thread goes on, with its bindings and its rows, on the other.
//!
//! - **On the calling thread** runs only what is certain to be short: a query (`SELECT`, `VALUES`,
//!   `WITH ... SELECT`, `EXPLAIN`) that SQLite calls read-only and whose program has no operation that
//!   can take long by itself, under a budget of virtual-machine operations (`inline_budget`) and without
//!   waiting for locks. So do `BEGIN DEFERRED`, the ends of transactions that have written nothing, and
//!   `BEGIN IMMEDIATE` where all is in memory, so that there is no lock to wait for.
//! - **If the budget is spent or a lock is in the way** before any row has reached the caller, the query
//!   is run again from its start on the worker. SQLite keeps the bindings, so nothing is encoded twice.
//! - **Once rows have been handed over** a query can no longer be stopped and run again: it goes on, row
//!   after row, on the worker, without a budget. The rows handed over first are those that fit into one
//!   batch (1024 rows, 64 KiB) and three quarters of the budget.
//! - **Everything else** runs on the worker: what writes, waits for locks or syncs, scripts, batches (one
//!   hop for all their statements), `PRAGMA`, `COMMIT`.
//!
//! The worker fills row batches that go round between it and the caller's own, two ahead at most. It
//! starts when it is first needed (for a file that is opening it), and ends when its connection goes.
//!
//! # What keeps it honest
//!
//! - Where a transaction stands is `sqlite3_get_autocommit`'s word, never guessed.
//! - Every command is an operation of its own to the interrupter: a cancel never hits a later command.
//! - A worker that panics takes its engine down with it; the connection is broken and says so.
//!
//! [`raw`] is the layer over the C library and holds the only `unsafe` code of the project; everything
//! above it is safe Rust.

mod batch;
mod bind;
mod cache;
mod connection;
mod connector;
mod driver;
mod engine;
mod errors;
mod job;
mod kind;
mod location;
mod open;
mod options;
mod powers;
#[doc(hidden)]
pub mod raw;
mod reset;
mod session;
mod transaction;
mod worker;

pub use connection::SqliteConnection;
pub use connector::SqliteConnector;
pub use driver::SqliteDriver;
pub use powers::{BackupProgress, Checkpoint, CheckpointMode};
