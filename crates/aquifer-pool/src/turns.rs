//! Where threads meet: before each look at what they share.
//!
//! What happens under the pool's lock is one step to everybody else, so a history of the pool is the order of such steps. The models
//! in `models.rs` try many of those orders, and take the next step wherever this is called; elsewhere it is nothing.

/// Another thread may come first.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn turn() {}

#[cfg(test)]
pub(crate) use aquifer_testkit::models::{explore, turn};
