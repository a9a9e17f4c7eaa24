//! The embedded SQLite driver of Aquifer.
//!
//! [`raw`] is the layer over the C library and holds the only `unsafe` code of the project;
//! everything above it is safe Rust.

#[doc(hidden)]
pub mod raw;
