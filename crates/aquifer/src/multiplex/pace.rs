//! [`Pace`]: how long a text takes, and whether its calls share. [`Floor`]: how long all of them take at least.

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
    pub(crate) fn note_large(&self, large: bool) {
        if self.large.load(Ordering::Relaxed) != large {
            self.large.store(large, Ordering::Relaxed);
        }
    }

    /// Whether its next call has a connection to itself, where the quickest text takes `floor_us`.
    #[inline]
    pub(crate) fn goes_alone(&self, floor_us: u32) -> bool {
        let slow = self.mean_us.load(Ordering::Relaxed) > floor_us.saturating_add(SLOW_US);
        if !slow && !self.large.load(Ordering::Relaxed) {
            return false;
        }
        !self.skipped.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_multiple_of(PROBE)
    }
}

/// What the quickest call took of late, in microseconds: the network's part of all of them.
#[derive(Debug)]
pub(super) struct Floor {
    /// In this window and the last one that had any.
    us: AtomicU32,
    /// In this window.
    window_us: AtomicU32,
}

impl Floor {
    /// No call takes so long.
    pub(super) const UNKNOWN: u32 = u32::MAX;

    pub(super) const fn new() -> Self {
        let (us, window_us) = (AtomicU32::new(Self::UNKNOWN), AtomicU32::new(Self::UNKNOWN));
        Self { us, window_us }
    }

    #[inline]
    pub(super) fn us(&self) -> u32 {
        self.us.load(Ordering::Relaxed)
    }

    /// One has taken that long.
    #[inline]
    pub(super) fn note(&self, us: u32) {
        if us < self.window_us.load(Ordering::Relaxed) {
            self.window_us.store(us, Ordering::Relaxed);
            self.us.fetch_min(us, Ordering::Relaxed);
        }
    }

    /// A window is over: what was quicker before it counts no more.
    pub(super) fn next_window(&self) {
        match self.window_us.swap(Self::UNKNOWN, Ordering::Relaxed) {
            Self::UNKNOWN => {}
            us => self.us.store(us, Ordering::Relaxed),
        }
    }

    /// Nothing is known of the network any more.
    pub(super) fn forget(&self) {
        self.window_us.store(Self::UNKNOWN, Ordering::Relaxed);
        self.us.store(Self::UNKNOWN, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_rises_once_nothing_is_as_quick_as_it_was() {
        let floor = Floor::new();
        [300, 200, 4000].iter().for_each(|us| floor.note(*us));
        assert_eq!(floor.us(), 200);
        floor.next_window();
        [5000, 4500].iter().for_each(|us| floor.note(*us));
        assert_eq!(floor.us(), 200, "it may come back");
        floor.next_window();
        assert_eq!(floor.us(), 4500);
        // A window without calls says nothing.
        floor.next_window();
        floor.next_window();
        assert_eq!(floor.us(), 4500);
        floor.note(250);
        assert_eq!(floor.us(), 250);
        floor.forget();
        assert_eq!(floor.us(), Floor::UNKNOWN);
    }

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
