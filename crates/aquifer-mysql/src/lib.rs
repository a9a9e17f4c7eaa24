//! The MySQL and MariaDB driver of Aquifer.
//!
//! The pieces, from the wire up: `protocol` turns bytes into packets and their meaning and back, `auth` answers the
//! server's questions, `types` turns cells and arguments into the contract's terms, `pipeline` counts what is owed
//! and decides what is sent. None of these does I/O. `dial`, `tls` and `login` open sessions, and `connection`'s shell
//! reads and writes their sockets, in the task of whoever polls. `kill` stops what a session is doing.
#![forbid(unsafe_code)]

mod access;
mod auth;
mod compression;
mod config;
mod connection;
mod connector;
mod dial;
mod driver;
mod fence;
#[doc(hidden)]
pub mod fuzzing;
mod insert;
mod io_timeout;
mod kill;
mod load;
mod login;
mod pipeline;
mod placeholders;
mod protocol;
mod server_error;
mod session_change;
mod setup;
mod statement;
mod tls;
mod types;

pub use config::{Compression, Config, Secret, TlsMode, ZeroDates};
pub use connection::MysqlConnection;
pub use connector::MysqlConnector;
pub use driver::MysqlDriver;
pub use server_error::ServerError;
