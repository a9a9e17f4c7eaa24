//! When to dial again after a failure.

use crate::{clock::Nanos, random::Random};

/// An error that another try cannot cure is still tried again this often at least: somebody may have corrected the server.
const PERMANENT_MAX: u64 = 1_000_000_000;

/// The pause after failed dials: full jitter under a ceiling that doubles, so that many pools do not return together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    /// Dials failed in a row.
    pub(crate) failures: u64,
    /// Dials in a row that ended because their runtime did.
    aborts: u64,
    /// No dial before this.
    pub(crate) next_try: Nanos,
}

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff { failures: 0, aborts: 0, next_try: Nanos::START }
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Backoff::new();
    }

    pub(crate) fn failed(
        &mut self,
        transient: bool,
        min: u64,
        max: u64,
        now: Nanos,
        random: &mut Random,
    ) {
        self.failures += 1;
        self.pause(
            if transient { max } else { max.min(PERMANENT_MAX) },
            min,
            self.failures,
            now,
            random,
        );
    }

    /// The first loss of a runtime costs nothing; a dying runtime that swallows every dial must not be fed in a loop.
    pub(crate) fn aborted(&mut self, min: u64, max: u64, now: Nanos, random: &mut Random) {
        self.aborts += 1;
        if self.aborts > 1 {
            self.pause(max, min, self.aborts - 1, now, random);
        }
    }

    fn pause(&mut self, max: u64, min: u64, failures: u64, now: Nanos, random: &mut Random) {
        let doublings = (failures - 1).min(32) as u32;
        let ceiling = min.saturating_mul(1 << doublings).saturating_mul(2).min(max);
        self.next_try = now.after(random.between(min.min(ceiling), ceiling));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: u64 = 50_000_000;
    const MAX: u64 = 5_000_000_000;

    #[test]
    fn the_pause_grows_within_its_bounds_and_is_spread() {
        let mut random = Random::new(3);
        for failures in 1..=40u64 {
            let (mut least, mut most) = (u64::MAX, 0);
            for _ in 0..200 {
                let mut backoff = Backoff { failures: failures - 1, ..Backoff::new() };
                backoff.failed(true, MIN, MAX, Nanos(7), &mut random);
                let pause = backoff.next_try.since(Nanos(7));
                let ceiling = (MIN * 2).saturating_mul(1 << (failures - 1).min(32)).min(MAX);
                assert!((MIN..=ceiling).contains(&pause), "{failures}: {pause}");
                least = least.min(pause);
                most = most.max(pause);
            }
            assert!(least < most);
        }
    }

    #[test]
    fn success_forgets() {
        let mut backoff = Backoff { failures: 9, aborts: 2, next_try: Nanos(77) };
        backoff.succeeded();
        assert_eq!((backoff.failures, backoff.next_try), (0, Nanos::START));
    }

    #[test]
    fn an_incurable_error_is_tried_again_within_a_second() {
        let mut random = Random::new(3);
        let mut backoff = Backoff { failures: 30, ..Backoff::new() };
        backoff.failed(false, MIN, MAX, Nanos(0), &mut random);
        assert!(backoff.next_try <= Nanos(PERMANENT_MAX));
    }

    #[test]
    fn the_first_lost_runtime_costs_no_pause_the_second_does() {
        let mut random = Random::new(3);
        let mut backoff = Backoff::new();
        backoff.aborted(MIN, MAX, Nanos(5), &mut random);
        assert_eq!(backoff.next_try, Nanos::START);
        backoff.aborted(MIN, MAX, Nanos(5), &mut random);
        assert!(backoff.next_try > Nanos(5));
        assert_eq!(backoff.failures, 0);
    }
}
