//! The same API without `async`, for scripts, tests and other programs that have no runtime.
//!
//! Every type here has the name, the calls and the meaning of its twin one level up; only `await` is
//! gone, rows are stepped with a plain [`Rows::next`], and a [`RowStream`] is an [`Iterator`].
//!
//! ```
//! use aquifer::blocking::Db;
//!
//! let db = Db::connect("sqlite::memory:")?;
//! db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT)", ())?;
//! db.exec("INSERT INTO stations (code) VALUES (?)", ("N-07",))?;
//! let mut rows = db.query("SELECT id, code FROM stations", ())?;
//! while let Some(row) = rows.next()? {
//!     let (id, code): (i64, &str) = row.scan()?;
//!     println!("{id} {code}");
//! }
//! # Ok::<(), aquifer::Error>(())
//! ```
//!
//! # Runtime
//!
//! [`Db::open`] starts one tokio runtime with one worker thread, named `aquifer-blocking`. It does what
//! goes on between calls: timers, the pool's maintenance, the rollback of what was dropped. A call itself
//! runs on the caller's thread. Clones of the handle, and everything made from it, share the runtime; it
//! is shut down in the background, without waiting, when the last of them goes. [`Db::close`] waits for
//! the connections first.
//!
//! # Inside async code
//!
//! A blocking call in an async task would stop every other task of its thread. It is refused with
//! [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) and nothing is sent. In
//! [`spawn_blocking`](tokio::task::spawn_blocking) and on plain threads it works. Dropping is safe
//! everywhere.

mod batch;
mod builder;
mod calls;
mod conn;
mod cursor;
mod db;
mod executor;
mod rows;
mod runtime;
mod stmt;
mod tx;

pub use batch::Batch;
pub use builder::Builder;
pub use conn::Conn;
pub use cursor::Cursor;
pub use db::Db;
pub use executor::{Executor, Place};
pub use rows::{RowStream, Rows};
pub use stmt::{NamedStmt, NamedStmtOn, Stmt, StmtOn};
pub use tx::{ConnTx, Savepoint, Tx};
