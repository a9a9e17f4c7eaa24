//! The pause before a transaction is run again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(200);

/// A random pause (full jitter) whose bound doubles with each attempt, counted from 1.
pub(crate) fn pause(attempt: u32) -> Duration {
    let bound = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    // The standard library's per-process random keys are random enough to spread retries.
    let random = RandomState::new().hash_one(attempt);
    bound.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64)
}
