//! The conversion table beyond numbers, text and bytes: one file per family of Rust types.
//!
//! Each type is read from its own kind of [`ValueRef`](crate::ValueRef) and from that kind's text form,
//! because engines without such a kind (SQLite) store text. Nothing is guessed: a number is not a time,
//! a time without a zone is not an instant. `docs/types.md` shows the whole table.

#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod calendar;
#[cfg(feature = "chrono")]
mod chrono;
#[cfg(feature = "jiff")]
mod jiff;
mod moment;
mod neutral;
pub mod notation;
#[cfg(feature = "rust_decimal")]
mod rust_decimal;
#[cfg(feature = "serde_json")]
mod serde_json;
mod standard;
#[cfg(feature = "time")]
mod time;
#[cfg(feature = "uuid")]
mod uuid;

#[cfg(feature = "serde_json")]
pub use serde_json::Json;
