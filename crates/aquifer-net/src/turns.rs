//! Where threads meet: before each look at what they share.
//!
//! What a session and those who stop its commands share is one word, so a history of it is the order of its changes. The models in
//! `stop/models.rs` try many of those orders, and take the next step wherever this is called; elsewhere it is nothing.

/// Another thread may come first.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn turn() {}

#[cfg(test)]
pub(crate) use aquifer_testkit::models::{explore, turn};
