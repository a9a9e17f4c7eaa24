//! Tests for Aquifer and its drivers: a fake driver, a conformance suite, and counters.

mod block;
pub mod client;
mod clock;
pub mod conformance;
pub mod fake;
mod gate;
mod poll;
mod yielding;

pub use block::{block_on, block_on_for};
pub use clock::{Clock, ManualClock, ManualSleep};
pub use gate::Gate;
pub use poll::{AtMost, Ended, YieldingFuture, at_most, drop_at_every_poll, yielding};
pub use yielding::Yielding;
