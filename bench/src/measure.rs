//! One slot: some operations of one peer, and what they took.

use std::time::{Duration, Instant};

use crate::allocation::{self, Allocated};
use crate::server::Server;

/// What a subject is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many operations, in the workload's unit.
    pub operations: u64,
    /// The number of the first one: runs do not repeat each other's keys.
    pub first: u64,
    pub watch: Watch,
    /// Where the operations go.
    pub server: Option<&'static Server>,
}

/// What is observed while operations run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Time: of the slot, and of every `sample`-th call (or run of calls) by itself.
    Time {
        /// Calls per sample of latency, for a caller that is alone.
        sample: u64,
    },
    /// Allocations.
    Allocations,
    /// Nothing: the profiler outside counts.
    Nothing,
}

/// What was observed.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    pub operations: u64,
    pub elapsed: Duration,
    /// Of this process, or of the program that is the peer.
    pub cpu: Duration,
    /// Of the server's processes, where there is a server.
    pub server: Duration,
    pub allocated: Allocated,
    /// Latencies in nanoseconds, in no order.
    pub samples: Vec<u32>,
    /// The fewest and the most operations of one task, where tasks compete.
    pub service: Option<(u64, u64)>,
    /// Bytes of memory that a program held while idle.
    pub resident: Option<u64>,
}

/// Runs from the first operation to the last; setting up and checking up stay outside.
#[derive(Debug)]
pub struct Meter {
    watch: Watch,
    cpu: Duration,
    server: Option<(&'static Server, Duration)>,
    started: Instant,
}

impl Meter {
    pub fn start(plan: &Plan) -> Self {
        let watch = plan.watch;
        // Before this process's clocks: asking for it takes time, in which nothing runs yet.
        let server = plan.server.map(|server| (server, server.cpu()));
        if watch == Watch::Allocations {
            allocation::start();
        }
        Self { watch, server, cpu: cpu(), started: Instant::now() }
    }

    pub fn stop(self, operations: u64, samples: Vec<u32>) -> Slot {
        let elapsed = self.started.elapsed();
        let cpu = cpu().saturating_sub(self.cpu);
        let counted = self.watch == Watch::Allocations;
        let allocated = if counted { allocation::stop() } else { Allocated::default() };
        let server = self.server.map(|(server, before)| server.cpu().saturating_sub(before));
        let server = server.unwrap_or_default();
        Slot { operations, elapsed, cpu, server, allocated, samples, ..Slot::default() }
    }
}

/// The time from one mark to the next, in nanoseconds.
#[inline]
pub fn lap(mark: &mut Instant) -> u32 {
    let now = Instant::now();
    let lap = now.duration_since(*mark);
    *mark = now;
    u32::try_from(lap.as_nanos()).unwrap_or(u32::MAX)
}

/// CPU time of this process, user and system, of all threads.
fn cpu() -> Duration {
    time(usage(libc::RUSAGE_SELF))
}

/// CPU time of the processes that this one started and that have ended.
pub fn cpu_of_children() -> Duration {
    time(usage(libc::RUSAGE_CHILDREN))
}

fn time(usage: libc::rusage) -> Duration {
    let part = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    part(usage.ru_utime) + part(usage.ru_stime)
}

#[allow(unsafe_code, reason = "the standard library does not tell CPU time")]
fn usage(who: libc::c_int) -> libc::rusage {
    // SAFETY: the structure is plain numbers, for which zero is a value, and it is ours to fill.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    }
}

/// The value below which this share of the samples lies; `None` without samples. Sorts them.
pub fn percentile(samples: &mut [u32], share: f64) -> Option<u32> {
    samples.sort_unstable();
    let last = samples.len().checked_sub(1)?;
    samples.get((last as f64 * share).round() as usize).copied()
}

/// The median; `None` of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn percentiles_are_samples() {
        let mut samples: Vec<u32> = (1..=101).rev().collect();
        assert_eq!(percentile(&mut samples, 0.5), Some(51));
        assert_eq!(percentile(&mut samples, 0.99), Some(100));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
