//! Real PostgreSQL servers for tests, started and stopped by the test itself.
//!
//! ```
//! use aquifer_testkit::postgres::{Auth, Role, Server, Settings};
//!
//! let settings = Settings::new().role(Role::new("ada", Auth::Scram).password("engine"));
//! let server = Server::start(settings).unwrap();
//! let database = server.fresh_database().unwrap();
//! assert_eq!(database.psql("SELECT 6 * 7").unwrap(), "42\n");
//! // ... connect the driver under test to `database.url()` ...
//! ```
//!
//! # One for each test, or one for all
//!
//! A server takes about a third of a second to start, so a test that disturbs it, changes its settings or
//! reads its log has its own. Tests that only need a database of their own share one, in a `static`; it ends
//! with the process:
//!
//! ```
//! # use aquifer_testkit::postgres::{Server, Settings};
//! use std::sync::LazyLock;
//! static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());
//! ```
//!
//! # What it needs
//!
//! `postgres`, `initdb` and `psql` of the same version, on the `PATH` or where Debian puts them. As root the
//! server runs as the account `postgres`, else `nobody`.

mod account;
pub mod backend;
pub(crate) mod certificates;
mod database;
mod error;
pub mod frame;
pub(crate) mod keeper;
pub(crate) mod programs;
mod proxy;
pub(crate) mod server;
mod settings;
pub(crate) mod template;

pub(crate) use account::Account;
pub use certificates::Certificates;
pub use database::Database;
pub use error::Error;
pub use frame::Frame;
pub use proxy::{BODIES_BYTES_MAX, FRAMES_MAX, Flight, Proxy, Traffic};
pub use server::Server;
pub use settings::{Auth, Role, ServerCertificate, Settings};
