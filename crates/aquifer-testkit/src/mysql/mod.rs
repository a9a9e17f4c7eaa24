//! Real MariaDB servers for tests, started and stopped by the test itself.
//!
//! ```
//! use aquifer_testkit::mysql::{Auth, Server, Settings, User};
//!
//! let settings = Settings::new().user(User::new("ada", Auth::Ed25519).password("engine"));
//! let server = Server::start(settings).unwrap();
//! let database = server.fresh_database().unwrap();
//! assert_eq!(database.sql("SELECT 6 * 7").unwrap(), "42\n");
//! // ... connect the driver under test to `database.url()` ...
//! ```
//!
//! # One for each test, or one for all
//!
//! A server takes some seconds to make and to start, so tests that only need a database of their own share one,
//! in a `static`; it ends with the process:
//!
//! ```
//! # use aquifer_testkit::mysql::{Server, Settings};
//! use std::sync::LazyLock;
//! static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());
//! ```
//!
//! # What it needs
//!
//! `mariadbd`, `mariadb-install-db` and `mariadb`, on the `PATH` or where Debian puts them. As root the server runs
//! as the account `postgres`, else `nobody`.

mod database;
pub mod scripted;
mod server;
mod settings;

pub use crate::postgres::{Certificates, Error, ServerCertificate};
pub use database::Database;
pub use server::Server;
pub use settings::{Auth, Settings, User};
