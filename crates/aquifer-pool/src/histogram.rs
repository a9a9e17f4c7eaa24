//! A histogram of durations with fixed memory: recording is an increment, never an allocation.
//!
//! Buckets are linear up to 16 ns and then sixteen per power of two, so a quantile is at most 6.25 % above the truth, up to
//! about 2.4 hours; what is longer falls into the last bucket, while `max` and `sum` stay exact.

mod recorder;

use std::{fmt, time::Duration};

pub use self::recorder::{Recorder, RecorderView};

use crate::clock::nanos;

const STEP_BITS: u32 = 4;
const STEPS: usize = 1 << STEP_BITS;
const TOP_BIT: u32 = 43;
const BUCKETS: usize = (TOP_BIT - STEP_BITS + 1) as usize * STEPS + STEPS;

/// Counts of durations, from nanoseconds to hours, in 5 KiB.
///
/// Not shared between threads by itself: the pool keeps its own under its lock. Snapshots are clones; [`Histogram::diff`] of two
/// snapshots tells what happened between them.
#[derive(Clone)]
pub struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram. Allocates its 5 KiB once.
    #[must_use]
    pub fn new() -> Histogram {
        Histogram { buckets: Box::new([0; BUCKETS]), count: 0, sum: 0, max: 0 }
    }

    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, span: Duration) {
        self.record_nanos(nanos(span));
    }

    /// Counts one duration given in nanoseconds.
    #[inline]
    pub fn record_nanos(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }

    /// Counts `n` durations of the same length.
    pub fn record_many(&mut self, span: Duration, n: u64) {
        if n > 0 {
            let nanos = nanos(span);
            self.buckets[bucket(nanos)] += n;
            self.count += n;
            self.sum = self.sum.saturating_add(nanos.saturating_mul(n));
            self.max = self.max.max(nanos);
        }
    }

    /// Counts `n` durations of zero: what an operation that did not have to wait adds.
    pub(crate) fn record_zeros(&mut self, n: u64) {
        self.buckets[0] += n;
        self.count += n;
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their exact sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The exact longest; zero when empty. Of a [`diff`](Histogram::diff): the upper edge of the highest bucket that grew.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The exact mean; zero when empty.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum.checked_div(self.count).unwrap_or(0))
    }

    /// The duration that a share `q` (0 to 1) of all counted durations did not exceed, at most 6.25 % too high; zero when empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        if self.count == 0 {
            return Duration::ZERO;
        }
        let rank = ((self.count as f64 * q.clamp(0.0, 1.0)).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, &n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                let edge = if index == BUCKETS - 1 { self.max } else { upper_edge(index) };
                return Duration::from_nanos(edge.min(self.max));
            }
        }
        self.max()
    }

    /// The median.
    #[must_use]
    pub fn p50(&self) -> Duration {
        self.quantile(0.5)
    }

    /// The 99th percentile.
    #[must_use]
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    /// Adds everything `other` counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// What was counted after `earlier`, which must be an older snapshot of the same histogram.
    #[must_use]
    pub fn diff(&self, earlier: &Histogram) -> Histogram {
        let mut between = self.clone();
        let mut highest = None;
        for (index, (now, then)) in
            between.buckets.iter_mut().zip(earlier.buckets.iter()).enumerate()
        {
            *now = now.saturating_sub(*then);
            if *now > 0 {
                highest = Some(index);
            }
        }
        between.count = self.count.saturating_sub(earlier.count);
        between.sum = self.sum.saturating_sub(earlier.sum);
        between.max = match highest {
            Some(index) if index < BUCKETS - 1 => upper_edge(index).min(self.max),
            Some(_) => self.max,
            None => 0,
        };
        between
    }

    /// How many durations were at most `bound`, to the resolution of the buckets: what a cumulative metric exports.
    #[must_use]
    pub fn count_up_to(&self, bound: Duration) -> u64 {
        self.buckets[..=bucket(nanos(bound))].iter().sum()
    }

    /// The buckets that counted something, as (upper edge, count), shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counted = self.buckets.iter().enumerate().filter(|(_, n)| **n > 0);
        counted.map(|(index, &n)| (Duration::from_nanos(upper_edge(index)), n))
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p50", &self.p50())
            .field("p99", &self.p99())
            .field("max", &self.max())
            .finish()
    }
}

#[inline]
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let top = 63 - nanos.leading_zeros();
    let step = (nanos >> (top - STEP_BITS)) as usize & (STEPS - 1);
    let index = (top - STEP_BITS + 1) as usize * STEPS + step;
    index.min(BUCKETS - 1)
}

/// The largest number of nanoseconds that falls into a bucket.
fn upper_edge(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = (index / STEPS - 1) as u32;
    let low = ((index % STEPS + STEPS) as u64) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn every_value_falls_into_the_bucket_whose_edges_enclose_it() {
        let mut random = Random::new(11);
        for _ in 0..100_000 {
            let shift = random.between(0, 43);
            let value = random.between(0, (1u64 << shift) - 1);
            let index = bucket(value);
            assert!(value <= upper_edge(index), "{value}");
            assert!(index == 0 || value > upper_edge(index - 1), "{value}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_never_below_the_truth_and_at_most_a_sixteenth_above() {
        let mut histogram = Histogram::new();
        let mut random = Random::new(5);
        let mut values: Vec<u64> = (0..10_000).map(|_| random.between(0, 50_000_000)).collect();
        values.iter().for_each(|&v| histogram.record_nanos(v));
        values.sort_unstable();
        for q in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let truth = values[((values.len() as f64 * q).ceil() as usize).max(1) - 1];
            let said = nanos(histogram.quantile(q));
            assert!(
                said >= truth && said as f64 <= truth as f64 * 1.0625 + 1.0,
                "q {q}: {said} for {truth}"
            );
        }
        assert_eq!(nanos(histogram.max()), *values.last().unwrap());
        assert_eq!(nanos(histogram.sum()), values.iter().sum::<u64>());
        assert_eq!(histogram.buckets().map(|(_, n)| n).sum::<u64>(), 10_000);
    }

    #[test]
    fn many_at_once_count_as_one_by_one() {
        let (mut once, mut each) = (Histogram::new(), Histogram::new());
        for (span, n) in [(0, 0), (7, 3), (1_000_000, 1_000), (u64::MAX, 2)] {
            let span = Duration::from_nanos(span);
            once.record_many(span, n);
            (0..n).for_each(|_| each.record(span));
        }
        assert!(once.buckets().eq(each.buckets()));
        let all = |h: &Histogram| (h.count(), h.sum(), h.max());
        assert_eq!(all(&once), all(&each));
    }

    #[test]
    fn merge_and_diff_are_inverse_in_counts() {
        let (mut a, mut b) = (Histogram::new(), Histogram::new());
        (0..100).for_each(|n| a.record_nanos(n * 1_000));
        (0..50).for_each(|n| b.record_nanos(n * 77_000));
        let mut both = a.clone();
        both.merge(&b);
        let only_b = both.diff(&a);
        assert_eq!(only_b.count(), 50);
        assert_eq!(only_b.sum(), b.sum());
        assert_eq!(only_b.p50(), b.p50());
        assert!(only_b.max() >= b.max());
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        let empty = Histogram::new();
        assert_eq!(
            (empty.p99(), empty.mean(), empty.max(), empty.count()),
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0)
        );
    }

    #[test]
    fn count_up_to_is_cumulative() {
        let mut histogram = Histogram::new();
        [1_000, 2_000, 1_000_000].iter().for_each(|&v| histogram.record_nanos(v));
        assert_eq!(histogram.count_up_to(Duration::from_micros(10)), 2);
        assert_eq!(histogram.count_up_to(Duration::from_secs(1)), 3);
    }
}
