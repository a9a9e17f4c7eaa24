//! The embedded SQLite driver of Aquifer.
//!
//! [`SqliteDriver`] goes into a registry; [`SqliteConnector`] is what it makes of a URL.
//!
//! [`raw`] is the layer over the C library and holds the only `unsafe` code of the project; everything
//! above it is safe Rust.

mod connector;
mod driver;
mod location;
mod options;
#[doc(hidden)]
pub mod raw;

pub use connector::SqliteConnector;
pub use driver::SqliteDriver;
