//! A histogram that one owner counts in while others read it: no lock, and no atomic operation that costs more than a plain one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use super::{BUCKETS, Histogram, bucket};
use crate::clock::nanos;

/// Counts durations, and `N` sums beside them, for [`RecorderView`]s to read.
///
/// There is one recorder per set of figures, and counting takes it by `&mut`: so each figure has one writer at a time, and needs
/// loads and stores only. Where a recorder goes from thread to thread, whatever hands it over orders its figures, too.
pub struct Recorder<const N: usize = 0>(Arc<Figures<N>>);

/// Reads what a [`Recorder`] has counted, at any time and from any thread.
#[derive(Clone)]
pub struct RecorderView<const N: usize = 0>(Arc<Figures<N>>);

// In one piece, and what every record touches side by side: each line of cache counts where the work in between is large.
#[repr(C)]
struct Figures<const N: usize> {
    sum: AtomicU64,
    max: AtomicU64,
    others: [AtomicU64; N],
    buckets: [AtomicU64; BUCKETS],
}

impl<const N: usize> Recorder<N> {
    /// One that has counted nothing. Allocates its 5 KiB once.
    #[must_use]
    pub fn new() -> Recorder<N> {
        Recorder(Arc::new(Figures {
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
            others: [const { AtomicU64::new(0) }; N],
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }))
    }

    /// Adds to the sum of that index.
    ///
    /// # Panics
    /// An index of `N` or more.
    #[inline]
    pub fn add(&mut self, index: usize, n: u64) {
        let sum = &self.0.others[index];
        sum.store(sum.load(Relaxed) + n, Relaxed);
    }

    /// A reader of the same figures.
    #[must_use]
    pub fn view(&self) -> RecorderView<N> {
        RecorderView(Arc::clone(&self.0))
    }

    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, span: Duration) {
        self.record_nanos(nanos(span));
    }

    /// Counts one duration given in nanoseconds.
    #[inline]
    pub fn record_nanos(&mut self, nanos: u64) {
        let figures = &*self.0;
        figures.sum.store(figures.sum.load(Relaxed).saturating_add(nanos), Relaxed);
        if nanos > figures.max.load(Relaxed) {
            figures.max.store(nanos, Relaxed);
        }
        // Last, and released: whoever sees the count sees the rest.
        let bucket = &figures.buckets[bucket(nanos)];
        bucket.store(bucket.load(Relaxed) + 1, Release);
    }
}

impl<const N: usize> Default for Recorder<N> {
    fn default() -> Recorder<N> {
        Recorder::new()
    }
}

impl<const N: usize> RecorderView<N> {
    /// The sum of that index, as far as it has been added to.
    ///
    /// # Panics
    /// An index of `N` or more.
    #[must_use]
    pub fn sum(&self, index: usize) -> u64 {
        self.0.others[index].load(Relaxed)
    }

    /// Adds all that has been counted. What is being counted at this moment may be in the sum and the maximum already, and not
    /// yet in the count.
    pub fn add_to(&self, histogram: &mut Histogram) {
        let figures = &*self.0;
        for (mine, theirs) in histogram.buckets.iter_mut().zip(figures.buckets.iter()) {
            let n = theirs.load(Acquire);
            *mine += n;
            histogram.count += n;
        }
        histogram.sum = histogram.sum.saturating_add(figures.sum.load(Relaxed));
        histogram.max = histogram.max.max(figures.max.load(Relaxed));
    }
}

impl<const N: usize> fmt::Debug for Recorder<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl<const N: usize> fmt::Debug for RecorderView<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut histogram = Histogram::new();
        self.add_to(&mut histogram);
        histogram.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_recorder_counts_as_a_histogram_does() {
        let (mut recorder, mut plain) = (Recorder::<2>::new(), Histogram::new());
        for nanos in (0..2_000).map(|n| n * n * 37).chain([u64::MAX]) {
            recorder.record_nanos(nanos);
            plain.record_nanos(nanos);
        }
        let mut read = Histogram::new();
        recorder.view().add_to(&mut read);
        let all = |h: &Histogram| (h.count(), h.sum(), h.max());
        assert_eq!(all(&read), all(&plain));
        assert!(read.buckets().eq(plain.buckets()));
        recorder.view().add_to(&mut read);
        assert_eq!(read.count(), 2 * plain.count());
        recorder.add(1, 5);
        recorder.add(1, 2);
        assert_eq!((recorder.view().sum(0), recorder.view().sum(1)), (0, 7));
    }

    #[test]
    fn readers_never_see_a_count_without_its_sum() {
        let mut recorder = Recorder::<0>::new();
        let view = recorder.view();
        let writer = thread::spawn(move || {
            (0..200_000).for_each(|_| recorder.record_nanos(100));
            recorder
        });
        loop {
            let over = writer.is_finished();
            let mut seen = Histogram::new();
            view.add_to(&mut seen);
            assert!(seen.sum >= 100 * seen.count, "{} of {}", seen.sum, seen.count);
            if over {
                break;
            }
        }
        writer.join().unwrap().record_nanos(100);
        let mut seen = Histogram::new();
        view.add_to(&mut seen);
        assert_eq!((seen.count, seen.sum), (200_001, 20_000_100));
    }
}
