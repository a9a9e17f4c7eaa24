//! The embedded SQLite driver of Aquifer.
//!
//! [`SqliteDriver`] goes into a registry; [`SqliteConnector`] is what it makes of a URL.
//!
//! [`raw`] is the layer over the C library and holds the only `unsafe` code of the project; everything
//! above it is safe Rust.

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
#[doc(hidden)]
pub mod raw;
mod reset;
mod worker;

pub use connection::SqliteConnection;
pub use connector::SqliteConnector;
pub use driver::SqliteDriver;
