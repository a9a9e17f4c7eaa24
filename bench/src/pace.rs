//! Calls that begin at their times, whether earlier ones were answered or not; what they take is counted from
//! the time they were meant to begin, so that a queue is part of it.

use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::drive::{Client, Request, Subject};
use crate::failure::{Failure, Result};
use crate::measure::{Meter, Plan, Slot};

/// Calls whose time has come and which have not begun: more is a failure of the load, not a figure.
const DUE_MAX: usize = 10_000;

/// Calls at a fixed rate, while something else may go on beside them.
pub struct Paced<C> {
    client: C,
    interval: Duration,
    /// Lets what goes on beside the calls run; it waits while nothing is measured.
    open: watch::Sender<bool>,
    beside: Option<JoinHandle<Result<()>>>,
    runtime: Runtime,
}

/// Stands where what goes on beside the calls has to wait.
#[derive(Debug, Clone)]
pub struct Gate(watch::Receiver<bool>);

impl Gate {
    /// Returns while something is measured.
    ///
    /// # Errors
    ///
    /// When the measuring is over.
    pub async fn pass(&mut self) -> Result<()> {
        self.0.wait_for(|open| *open).await?;
        Ok(())
    }
}

impl<C: Client + Clone> Paced<C> {
    pub fn new(runtime: Runtime, client: C, per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second;
        Self { client, interval, open: watch::Sender::new(false), beside: None, runtime }
    }

    /// Has this go on beside the calls. It passes the gate again and again, and ends by failing at it.
    pub fn beside<F>(mut self, work: impl FnOnce(Gate) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let gate = Gate(self.open.subscribe());
        self.beside = Some(self.runtime.spawn(work(gate)));
        self
    }

    async fn calls(client: C, interval: Duration, plan: Plan) -> Result<Slot> {
        let (due, mut ready) = mpsc::channel(DUE_MAX);
        let meter = Meter::start(&plan);
        // A clock of its own: the runtime's has milliseconds.
        thread::spawn(move || {
            exact_sleep();
            let start = Instant::now();
            for number in 0..plan.operations {
                let at = start + interval.mul_f64(number as f64);
                thread::sleep(at.saturating_duration_since(Instant::now()));
                if due.try_send((number, at)).is_err() {
                    return;
                }
            }
        });
        let mut calls = JoinSet::new();
        let mut samples = Vec::with_capacity(plan.operations as usize);
        let mut begun = 0;
        while let Some((number, at)) = ready.recv().await {
            let mut client = client.clone();
            calls.spawn(async move {
                client.call(Request { first: plan.first + number, count: 1 }).await?;
                Ok::<_, Failure>(at.elapsed())
            });
            begun += 1;
            while let Some(done) = calls.try_join_next() {
                samples.push(nanos(done??));
            }
        }
        while let Some(done) = calls.join_next().await {
            samples.push(nanos(done??));
        }
        if begun < plan.operations {
            return Err(Failure::new("the calls came faster than they could be begun"));
        }
        Ok(meter.stop(plan.operations, samples))
    }
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Has the calling thread sleep as long as it asks for; the usual is up to 50 us more. Where the system does not let
/// us, it stays so.
fn exact_sleep() {
    let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(number) = thread.file_name() {
        let slack = std::path::Path::new("/proc").join(number).join("timerslack_ns");
        let _ = std::fs::write(slack, "1");
    }
}

impl<C: Client + Clone> Subject for Paced<C> {
    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        self.open.send_replace(true);
        let calls = Self::calls(self.client.clone(), self.interval, *plan);
        let slot = self.runtime.block_on(self.runtime.spawn(calls))?;
        self.open.send_replace(false);
        if let Some(ended) = self.beside.take_if(|beside| beside.is_finished()) {
            self.runtime.block_on(ended)??;
            return Err(Failure::new("what went on beside the calls has ended"));
        }
        slot
    }
}

impl<C> Drop for Paced<C> {
    fn drop(&mut self) {
        if let Some(beside) = self.beside.take() {
            beside.abort();
            // Ended, or as good as: how does not matter any more.
            let _ = self.runtime.block_on(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::Threads;
    use crate::measure::Watch;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone)]
    struct Counted(Arc<AtomicU64>);

    impl Client for Counted {
        async fn call(&mut self, request: Request) -> Result<()> {
            self.0.fetch_add(request.count, Ordering::Relaxed);
            Ok(())
        }
    }

    const PLAN: Plan =
        Plan { operations: 50, first: 0, watch: Watch::Time { sample: 1 }, server: None };

    #[test]
    fn every_call_is_made_and_timed_and_the_slot_takes_as_long_as_the_rate_says() {
        let count = Arc::new(AtomicU64::new(0));
        let runtime = Threads::Ct.runtime().unwrap();
        let mut subject = Paced::new(runtime, Counted(Arc::clone(&count)), 1_000);
        let slot = subject.run(&PLAN).unwrap();
        assert_eq!((count.load(Ordering::Relaxed), slot.samples.len()), (50, 50));
        assert!(slot.elapsed >= Duration::from_millis(49));
    }

    #[test]
    fn what_goes_on_beside_waits_between_the_slots_and_its_failure_is_told() {
        let passed = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&passed);
        let runtime = Threads::Mt.runtime().unwrap();
        let calls = Counted(Arc::default());
        let mut subject = Paced::new(runtime, calls, 1_000).beside(|mut gate| async move {
            gate.pass().await?;
            counted.fetch_add(1, Ordering::Relaxed);
            Err(Failure::new("no more rows"))
        });
        assert_eq!(passed.load(Ordering::Relaxed), 0);
        assert_eq!(subject.run(&PLAN).unwrap_err().to_string(), "no more rows");
        assert_eq!(passed.load(Ordering::Relaxed), 1);
    }
}
