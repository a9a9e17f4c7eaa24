//! [`Pace`]: how long a text takes, and whether its calls share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A text that takes so much longer than the quickest one has a connection to itself.
const SLOW_US: u32 = 1000;

/// What one call counts for at most: several in a row make a text slow.
const CAP_US: u32 = 4 * SLOW_US;

/// One of so many calls of such a text shares all the same, to see how long it takes by now.
const PROBE: u32 = 64;

/// What is remembered of a text.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// In microseconds, the later calls counting more.
    mean_us: AtomicU32,
    /// Its results are larger than what waits for a reader.
    large: AtomicBool,
    /// Calls that did not share since the last that did.
    skipped: AtomicU32,
}

impl Pace {
    /// It has taken that long.
    pub(super) fn note(&self, time: Duration) {
        let now = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        let before = self.mean_us.load(Ordering::Relaxed);
        // One call that takes long among quick ones says nothing of the text: it was the machine.
        let mean = (before - before / 8).saturating_add(now.min(CAP_US) / 8);
        self.mean_us.store(mean, Ordering::Relaxed);
    }

    /// Its result was large, or was not.
    #[inline]
    pub(super) fn note_large(&self, large: bool) {
        if self.large.load(Ordering::Relaxed) != large {
            self.large.store(large, Ordering::Relaxed);
        }
    }

    /// Whether its next call has a connection to itself, where the quickest text takes `floor_us`.
    #[inline]
    pub(super) fn goes_alone(&self, floor_us: u32) -> bool {
        let slow = self.mean_us.load(Ordering::Relaxed) > floor_us.saturating_add(SLOW_US);
        if !slow && !self.large.load(Ordering::Relaxed) {
            return false;
        }
        !self.skipped.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_multiple_of(PROBE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_text_goes_alone_and_is_tried_now_and_then() {
        let pace = Pace::default();
        pace.note(Duration::from_micros(200));
        assert!(!pace.goes_alone(150));
        (0..40).for_each(|_| pace.note(Duration::from_millis(5)));
        let shared = (0..PROBE).filter(|_| !pace.goes_alone(150)).count();
        assert_eq!(shared, 1);
        // Where everything takes as long, it is the network.
        assert!(!pace.goes_alone(4500));
        (0..40).for_each(|_| pace.note(Duration::from_micros(200)));
        assert!(!pace.goes_alone(150));
    }

    #[test]
    fn a_text_with_a_large_result_goes_alone_until_it_is_small_again() {
        let pace = Pace::default();
        pace.note_large(true);
        assert!(pace.goes_alone(u32::MAX));
        pace.note_large(false);
        assert!(!pace.goes_alone(u32::MAX));
    }
}
