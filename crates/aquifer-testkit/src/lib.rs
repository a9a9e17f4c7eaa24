//! Tests for Aquifer and its drivers.
//!
//! | for | use |
//! |---|---|
//! | testing a driver, ours or a third party's | [`conformance`]: the contract's rules as checks |
//! | testing what stands on drivers | [`fake`]: a strict engine in memory, with faults and books of its own |
//! | testing against PostgreSQL | `postgres` (a feature): real servers, started and stopped by the test |
//! | testing against MariaDB | `mysql` (a feature): the same for MariaDB |
//! | testing against MySQL 8 | `mysql::scripted`: a server in this process that speaks its protocol |
//! | testing through a pooler | `pgbouncer` (the same feature) |
//! | a network that fails | `faults` (the same feature): a proxy that cuts, delays and corrupts on command |
//! | malformed, hostile and rare streams | `scripted` (the same feature): a server that plays a script |
//! | threads in every order | `models` (a feature): many orders of a model's steps, by `shuttle` |
//! | dropping futures everywhere | [`drop_at_every_poll`], and [`Yielding`] around any driver |
//! | time | [`ManualClock`], or tokio's paused clock; [`Gate`] to hold one operation |
//! | counting | [`allocations`], [`TaskWatch`], [`Meter`] |
//! | talking to a connection by hand | [`client`], [`session`], [`block_on`] |
//!
//! # Testing a driver of your own
//!
//! Add this crate to your dev-dependencies and write one file, `tests/conformance.rs`:
//!
//! ```
//! use aquifer_testkit::conformance::{Database, Target};
//! # use aquifer_testkit::fake::FakeServer;
//! # fn my_connector() -> std::sync::Arc<dyn aquifer_driver::Connector> { FakeServer::new().connector() }
//!
//! fn target() -> Target {
//!     Target::new(
//!         // A query that gives the integers from 1 to its argument.
//!         "SELECT n FROM series(1, ?)",
//!         // A fresh, empty database for every check; the guard removes it afterwards.
//!         || Database { connector: my_connector(), guard: None },
//!     )
//!     // Where your engine differs from the default:
//!     .types("INTEGER", "REAL", "TEXT", "BLOB")
//!     .auto_key("INTEGER PRIMARY KEY")
//!     .last_insert_id(true)
//!     .returning(true)
//!     // Its own kinds of values:
//!     .kind("BLOB", aquifer_driver::Value::Bytes(vec![1, 2, 3]))
//! }
//!
//! mod conformance {
//!     use super::*;
//!     aquifer_testkit::conformance_suite!(target);
//! }
//! # fn main() { assert!(aquifer_testkit::conformance::run(&target(), "types").passed()); }
//! ```
//!
//! `cargo test` then runs one test per rule. Run the suite a second time with the connector in
//! [`Yielding`]: it uncovers what a driver that answers at once hides.

mod alloc;
mod block;
pub mod client;
mod clock;
pub mod conformance;
pub mod fake;
#[cfg(all(unix, feature = "postgres"))]
pub mod faults;
mod gate;
#[cfg(feature = "models")]
pub mod models;
#[cfg(all(unix, feature = "mysql"))]
pub mod mysql;
#[cfg(all(unix, feature = "postgres"))]
pub mod pgbouncer;
mod poll;
#[cfg(all(unix, feature = "postgres"))]
pub mod postgres;
mod rounds;
#[cfg(all(unix, feature = "postgres"))]
pub mod scripted;
pub mod session;
mod tasks;
mod yielding;

pub use alloc::{Allocations, Counted, CountingAllocator, allocations, allocations_of};
pub use block::{block_on, block_on_for};
pub use clock::{Clock, ManualClock, ManualSleep};
pub use gate::Gate;
pub use poll::{AtMost, Ended, YieldingFuture, at_most, drop_at_every_poll, yielding};
pub use rounds::Meter;
pub use tasks::TaskWatch;
pub use yielding::Yielding;
