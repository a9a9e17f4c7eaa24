//! Tests for Aquifer and its drivers: a fake driver, a conformance suite, and counters.

mod block;
pub mod client;
mod clock;
pub mod fake;
mod gate;

pub use block::{block_on, block_on_for};
pub use clock::{Clock, ManualClock, ManualSleep};
pub use gate::Gate;
