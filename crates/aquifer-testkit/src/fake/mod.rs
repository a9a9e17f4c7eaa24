//! A whole engine in memory behind the driver contract: small, strict, and scripted by the test.
//!
//! [`FakeServer`] is the test's handle. It makes drivers and connectors, keeps its own books, injects
//! faults, and records what its callers do against the contract:
//!
//! ```
//! use aquifer_testkit::fake::{Fault, FakeServer, Injection, Operation};
//! use aquifer_driver::ErrorKind;
//!
//! let server = FakeServer::new();
//! let connector = server.connector();
//! // The second statement that mentions `orders` breaks the connection after the server has done it.
//! server.inject(Injection::new(Operation::Execute, Fault::LostDone).matching("orders").nth(2));
//! // ... run the code under test over `connector` ...
//! server.assert_clean();
//! ```
//!
//! # The dialect
//!
//! `CREATE TABLE [IF NOT EXISTS] t (col TYPE [PRIMARY KEY | UNIQUE | NOT NULL | DEFAULT literal |
//! CHECK (expr) | REFERENCES t (col) | CONSTRAINT name] …)`, `DROP TABLE [IF EXISTS]`,
//! `ALTER TABLE t ADD [COLUMN] …`, `INSERT INTO t [(cols)] VALUES (…), … [RETURNING …]`,
//! `SELECT … [FROM t | series(first, last)] [WHERE …] [ORDER BY … [DESC]] [LIMIT n]` with `count`,
//! `max`, `min`, `sum`, `UPDATE … SET … [WHERE …] [RETURNING …]`, `DELETE FROM … [WHERE …]
//! [RETURNING …]`, `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`, `BEGIN`, `COMMIT`, `ROLLBACK`, `SET name = …`,
//! `SHOW name`, and `SLEEP ms`, which waits for the clock. Placeholders are `?`.
//!
//! `SELECT n FROM series(1, ?)` makes large results that cost no memory.
//!
//! # Transactions
//!
//! There is one write lock for the whole engine: the first write of a transaction takes it, other
//! writers wait (or fail, see [`FakeOptions::writes_wait`]). Readers see what is committed; from
//! `REPEATABLE READ` on, what was committed when the transaction first looked.

mod answer;
mod cancel;
mod connection;
mod connector;
mod eval;
mod fault;
mod kind;
mod options;
mod parse;
mod server;
mod session;
mod statement;
mod table;
mod token;

pub use connection::FakeConnection;
pub use connector::{FakeConnector, FakeDriver};
pub use fault::{Event, Fault, Injection, Operation};
pub use options::{Abandon, Cells, FakeOptions};
pub use server::{ConnectionBook, FakeServer, LogEntry, ServerCounters};
