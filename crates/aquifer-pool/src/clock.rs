//! Time as the pool's decisions see it: nanoseconds since the pool was made.
//!
//! The shell reads `tokio::time::Instant` and converts; the decisions never read a clock, so a test can replay any history.

use std::time::Duration;

/// A point in time, in nanoseconds since the pool was made. Wraps after 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(pub(crate) u64);

impl Nanos {
    /// Later than anything that happens.
    pub(crate) const NEVER: Nanos = Nanos(u64::MAX);
    pub(crate) const START: Nanos = Nanos(0);

    /// Nanoseconds from `earlier` to here; zero when the clocks of two runtimes disagree about the order.
    #[inline]
    pub(crate) fn since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    #[inline]
    pub(crate) fn after(self, nanos: u64) -> Nanos {
        Nanos(self.0.saturating_add(nanos))
    }

    #[inline]
    pub(crate) fn until(self, later: Nanos) -> Duration {
        Duration::from_nanos(later.since(self))
    }
}

/// A span in nanoseconds; spans beyond 584 years are as good as unlimited.
#[inline]
pub(crate) fn nanos(span: Duration) -> u64 {
    // Not `as_nanos`: that multiplies in 128 bits, and this runs twice per acquire.
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}
