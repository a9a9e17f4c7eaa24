//! `database/sql` for Rust: one small API over SQLite, PostgreSQL, MySQL and MariaDB, chosen by URL at run time.
//!
//! [`Db`] is a cheap handle to a pool. Its calls are [`exec`](Db::exec), [`get`](Db::get),
//! [`get_optional`](Db::get_optional), [`select`](Db::select), [`query`](Db::query),
//! [`stream`](Db::stream) and their `_named` twins; [`begin`](Db::begin) and
//! [`transaction`](Db::transaction) give transactions, [`prepare`](Db::prepare) a [`Stmt`],
//! [`acquire`](Db::acquire) a [`Conn`], [`batch`](Db::batch) many statements in one flight.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> aquifer::Result<()> {
//! use aquifer::Db;
//!
//! let db = Db::connect("sqlite::memory:").await?;
//! db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL)", ()).await?;
//! db.exec("INSERT INTO stations (code, level_m) VALUES (?, ?)", ("N-07", 1.84)).await?;
//! let (code, level): (String, Option<f64>) =
//!     db.get("SELECT code, level_m FROM stations WHERE id = ?", (1,)).await?;
//! assert_eq!((&*code, level), ("N-07", Some(1.84)));
//! # Ok(()) }
//! ```
//!
//! # What is all or nothing
//!
//! One statement is. Several statements in one text, outside a transaction, are each a transaction of
//! their own on SQLite, and one on PostgreSQL; the statements of a [`Batch`] are each their own
//! everywhere, unless it is [`atomic`](Batch::atomic). A bulk [`exec_named`](Db::exec_named) is all or nothing. To have several statements
//! together, [`begin`](Db::begin). `docs/atomicity.md` has the table, with what holds after an error.
//!
//! # Dropping
//!
//! Any future, [`Rows`], [`Tx`] or [`Conn`] may be dropped at any time. A statement under way is told to
//! stop, an open transaction is rolled back, and the connection is used again only when it is clean.
//!
//! # Runtime
//!
//! tokio, with timers (`enable_time` or `enable_all`): a call that has to wait for a connection elsewhere
//! fails with [`ErrorKind::Runtime`]. [`Db::open`] needs none; a `Db` may be used from several runtimes and dropped outside any.

#![forbid(unsafe_code)]

mod atomic;
mod backoff;
mod batch;
#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod commit;
mod conn;
mod cursor;
mod db;
mod deadline;
mod done;
mod errors;
mod executor;
#[cfg(feature = "explain")]
mod explain;
mod file;
mod first;
mod hooks;
mod lane;
mod link;
mod list;
mod manage;
mod map;
mod multiplex;
mod named;
mod observe;
mod options;
mod queue;
mod rows;
mod server_limit;
mod session;
mod source;
pub mod sql;
mod stats;
mod stmt;
mod stream;
mod tally;
mod target;
mod text;
mod tx;
mod volatility;
mod watched;

/// The contract between this crate and its drivers, and whatever is named only when a driver, a
/// `ToValue` or a `ToParams` is written by hand: `driver::ParamSink`, `driver::Dialect`, `driver::Status`.
pub use aquifer_driver as driver;
pub use aquifer_driver::{
    Array, Cell, Column, Columns, ConversionError, Date, Error, ErrorKind, FromRow, FromValue,
    Interval, Isolation, Params, Registry, Result, Retry, Row, ToParams, ToValue, TxOptions, Value,
    ValueRef,
};
pub use aquifer_pool::{Histogram, PoolOptions};
pub use batch::{Batch, BatchDone, Ticket};
pub use builder::Builder;
pub use conn::Conn;
pub use cursor::Cursor;
pub use db::Db;
pub use done::Done;
pub use executor::Executor;
#[cfg(feature = "explain")]
pub use explain::{Actual, Buffers, Explain, PlanNode, QueryPlan};
pub use hooks::Hooks;
pub use list::{List, list};
pub use map::{Map, Record};
pub use multiplex::MultiplexStats;
pub use named::NamedArgs;
#[cfg(feature = "explain")]
pub use observe::SlowPlan;
pub use observe::{Call, CallStats, Observer, TransactionEnd, TransactionOutcome};
pub use options::{CallOptions, DbOptions, Multiplexing, OptionHelp};
pub use rows::Rows;
pub use sql::{Ident, quote_ident, quote_literal, rebind};
pub use stats::{CloseReport, Stats, WarmUp};
pub use stmt::{NamedStmt, NamedStmtOn, Stmt, StmtOn};
pub use stream::RowStream;
pub use tx::{Committed, ConnTx, Savepoint, Tx};

/// The pool below a [`Db`]: what [`Hooks`] are given, and what an [`Observer`] is told.
pub mod pool {
    pub use aquifer_pool::{
        CloseReason, ConnectionInfo, Holder, HookFuture, PoolEvent, Stage, Warning,
    };

    pub use crate::link::DriverConn;
}

/// A JSON document as a value.
#[cfg(feature = "serde_json")]
pub use aquifer_driver::Json;

#[cfg(feature = "derive")]
pub use aquifer_derive::{FromRow, FromValue, ToParams, ToValue};

/// The SQLite driver's own types, for [`Conn::driver`].
#[cfg(feature = "sqlite")]
pub use aquifer_sqlite as sqlite;

/// The PostgreSQL driver's own types, for [`Conn::driver`].
#[cfg(feature = "postgres")]
pub use aquifer_postgres as postgres;

/// The MySQL and MariaDB driver's own types, for [`Conn::driver`].
#[cfg(feature = "mysql")]
pub use aquifer_mysql as mysql;

/// The drivers that are compiled in.
///
/// A program with a driver of its own adds it here and gives the registry to
/// [`Builder::registry`].
pub fn drivers() -> Registry {
    #[allow(unused_mut, reason = "without a driver feature nothing is added")]
    let mut registry = Registry::new();
    #[cfg(feature = "sqlite")]
    registry
        .register(aquifer_sqlite::SqliteDriver::new())
        .expect("the built-in drivers' schemes differ");
    #[cfg(feature = "postgres")]
    registry
        .register(aquifer_postgres::PostgresDriver::new())
        .expect("the built-in drivers' schemes differ");
    #[cfg(feature = "mysql")]
    registry
        .register(aquifer_mysql::MysqlDriver::new())
        .expect("the built-in drivers' schemes differ");
    registry
}

/// The documents, for `cargo test --doc` to compile their programs.
#[cfg(all(doctest, feature = "derive", feature = "sqlite"))]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/atomicity.md")]
    struct Atomicity;
    #[doc = include_str!("../../../docs/from-go.md")]
    struct FromGo;
    #[doc = include_str!("../../../docs/options.md")]
    struct Options;
    #[doc = include_str!("../../../docs/performance.md")]
    struct Performance;
    #[doc = include_str!("../../../docs/pool.md")]
    struct Pool;
    #[doc = include_str!("../../../docs/multiplexing.md")]
    struct Multiplexing;
    #[cfg(feature = "mysql")]
    #[doc = include_str!("../../../docs/mysql.md")]
    struct Mysql;
    #[cfg(feature = "postgres")]
    #[doc = include_str!("../../../docs/postgres.md")]
    struct Postgres;
    #[doc = include_str!("../../../docs/reliability.md")]
    struct Reliability;
    #[doc = include_str!("../../../docs/serve.md")]
    struct Serve;
    #[doc = include_str!("../../../docs/sqlite.md")]
    struct Sqlite;
    #[doc = include_str!("../../../docs/types.md")]
    struct Types;
}
