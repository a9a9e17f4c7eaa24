//! Fuzz targets for everything that reads text or bytes from outside.
//!
//! A target is a plain `fn(&[u8])` that panics when a promise is broken, so it runs on the stable
//! toolchain: the default test run replays the corpus and a fixed number of mutations of it, and
//! `cargo xtask fuzz TARGET` goes on for as long as one likes.
//!
//! To add one: a function in a file of [`mod@targets`], its line in [`TARGETS`], and at least one input in
//! `corpus/<name>/`. This crate owns no knowledge of what it feeds; that is in the targets.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};
