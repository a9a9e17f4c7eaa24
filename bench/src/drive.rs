//! What makes the calls: one after the other, many tasks at once, or without a runtime.
//!
//! Every peer is driven by the same loops, so that a difference between two is theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

use crate::failure::{Failure, Result};
use crate::measure::{Meter, Plan, Slot, Watch, lap};

/// Something that can be measured: a peer, set up for a workload.
pub trait Subject {
    /// Called before each slot, outside what is measured.
    ///
    /// # Errors
    ///
    /// What the peer says.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does the operations and checks their answers.
    ///
    /// # Errors
    ///
    /// What the peer says, or a wrong answer.
    fn run(&mut self, plan: &Plan) -> Result<Slot>;
}

/// One call: operations `first` to `first + count - 1`.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub first: u64,
    pub count: u64,
}

/// A peer that is called from a task.
pub trait Client: Send + 'static {
    fn call(&mut self, request: Request) -> impl Future<Output = Result<()>> + Send;

    /// See [`Subject::prepare`].
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// The runtime a peer's tasks are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Threads {
    /// A current-thread runtime.
    Ct,
    /// A multi-thread runtime with two workers.
    Mt,
}

impl Threads {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "ct",
            Self::Mt => "mt",
        }
    }

    /// # Errors
    ///
    /// If the system gives no threads.
    pub fn runtime(self) -> Result<Runtime> {
        let mut builder = match self {
            Self::Ct => Builder::new_current_thread(),
            Self::Mt => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2);
                builder
            }
        };
        builder.enable_all().build().map_err(Failure::from)
    }
}

/// The calls of a plan: each of as many operations as the workload says.
fn requests(plan: &Plan, per_call: u64) -> impl Iterator<Item = Request> + use<> {
    let (first, operations) = (plan.first, plan.operations);
    (0..operations.div_ceil(per_call)).map(move |number| {
        let done = number * per_call;
        Request { first: first + done, count: per_call.min(operations - done) }
    })
}

/// Room for the latencies of a slot, so that taking one allocates nothing.
fn room(plan: &Plan, per_call: u64) -> (Vec<u32>, u64) {
    match plan.watch {
        Watch::Time { sample } => {
            let calls = plan.operations.div_ceil(per_call);
            (Vec::with_capacity((calls / sample) as usize + 1), sample)
        }
        Watch::Allocations | Watch::Nothing => (Vec::new(), u64::MAX),
    }
}

/// One task, one call after the other.
pub struct Sequential<C> {
    // Dropped before its runtime: clients may need it to say goodbye.
    client: Option<C>,
    runtime: Runtime,
    per_call: u64,
}

impl<C: Client> Sequential<C> {
    pub fn new(runtime: Runtime, client: C, per_call: u64) -> Self {
        Self { client: Some(client), runtime, per_call }
    }
}

impl<C: Client> Subject for Sequential<C> {
    fn prepare(&mut self) -> Result<()> {
        match &mut self.client {
            Some(client) => self.runtime.block_on(client.prepare()),
            None => Err(lost()),
        }
    }

    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        let mut client = self.client.take().ok_or_else(lost)?;
        let (plan, per_call) = (*plan, self.per_call);
        // A task of its own: `block_on` would run it outside the workers of a runtime that has some.
        let task = async move {
            let (mut samples, sample) = room(&plan, per_call);
            let meter = Meter::start(&plan);
            let mut mark = Instant::now();
            let mut until_sample = sample;
            for request in requests(&plan, per_call) {
                client.call(request).await?;
                until_sample -= 1;
                if until_sample == 0 {
                    until_sample = sample;
                    samples.push(lap(&mut mark));
                }
            }
            Ok::<_, Failure>((client, meter.stop(plan.operations, samples)))
        };
        let (client, slot) = self.runtime.block_on(self.runtime.spawn(task))??;
        self.client = Some(client);
        Ok(slot)
    }
}

#[cold]
fn lost() -> Failure {
    Failure::new("an earlier run failed and took the client along")
}

/// Of the calls of many tasks, every so many-th of a task is timed: a clock reading is not free.
const TASK_SAMPLE: u64 = 8;

/// Many tasks that take calls from one heap until it is empty.
pub struct Tasks<C> {
    client: C,
    runtime: Runtime,
    tasks: u64,
}

impl<C: Client + Clone> Tasks<C> {
    pub fn new(runtime: Runtime, client: C, tasks: u64) -> Self {
        Self { client, runtime, tasks }
    }

    async fn compete(client: C, tasks: u64, plan: Plan) -> Result<Slot> {
        let heap = Arc::new(Heap::new(&plan, tasks));
        let warm = Arc::new(Semaphore::new(0));
        let (open, gate) = watch::channel(false);
        let mut handles = Vec::with_capacity(tasks as usize);
        for _ in 0..tasks {
            let start = Start { warm: Arc::clone(&warm), gate: gate.clone() };
            handles.push(tokio::spawn(contender(client.clone(), Arc::clone(&heap), start, plan)));
        }
        // Nobody runs while the meter starts: it asks the system for the time of every process of the server.
        drop(warm.acquire_many(tasks as u32).await);
        let meter = Meter::start(&plan);
        open.send_replace(true);
        let mut served = Vec::with_capacity(handles.len());
        for handle in handles {
            served.push(handle.await??);
        }
        let mut slot = meter.stop(plan.operations, Vec::new());
        slot.samples = heap.samples();
        slot.service = served.iter().copied().min().zip(served.iter().copied().max());
        Ok(slot)
    }
}

/// What a task waits for before it begins.
struct Start {
    /// One for each task that has called once.
    warm: Arc<Semaphore>,
    /// True once the meter runs.
    gate: watch::Receiver<bool>,
}

struct Heap {
    next: AtomicU64,
    size: u64,
    /// One piece of memory for all tasks, filled from its start: a thousand pieces would take a place each in the caches that
    /// are measured.
    samples: Box<[AtomicU32]>,
    sampled: AtomicUsize,
}

impl Heap {
    fn new(plan: &Plan, tasks: u64) -> Self {
        // Each task's first call is timed.
        let room = match plan.watch {
            Watch::Time { .. } => plan.operations / TASK_SAMPLE + tasks,
            Watch::Allocations | Watch::Nothing => 0,
        };
        Self {
            next: AtomicU64::new(0),
            size: plan.operations,
            samples: (0..room).map(|_| AtomicU32::new(0)).collect(),
            sampled: AtomicUsize::new(0),
        }
    }

    fn is_timed(&self) -> bool {
        !self.samples.is_empty()
    }

    fn sample(&self, time: u32) {
        if let Some(sample) = self.samples.get(self.sampled.fetch_add(1, Ordering::Relaxed)) {
            sample.store(time, Ordering::Relaxed);
        }
    }

    fn samples(&self) -> Vec<u32> {
        let samples = self.samples.iter().take(self.sampled.load(Ordering::Relaxed));
        samples.map(|sample| sample.load(Ordering::Relaxed)).collect()
    }
}

async fn contender<C: Client>(
    mut client: C,
    heap: Arc<Heap>,
    mut start: Start,
    plan: Plan,
) -> Result<u64> {
    let mut served = 0_u64;
    // Once before the start, so that connections are open and statements known.
    let warmed_up = client.call(Request { first: 0, count: 1 }).await;
    start.warm.add_permits(1);
    warmed_up?;
    start.gate.wait_for(|open| *open).await.map_err(|_| Failure::new("the run was given up"))?;
    loop {
        let number = heap.next.fetch_add(1, Ordering::Relaxed);
        if number >= heap.size {
            return Ok(served);
        }
        let request = Request { first: plan.first + number, count: 1 };
        // One place for the call, so that a task is small: of a thousand, not all stay in the caches.
        let timed = heap.is_timed() && served.is_multiple_of(TASK_SAMPLE);
        let mark = timed.then(Instant::now);
        client.call(request).await?;
        if let Some(mut mark) = mark {
            heap.sample(lap(&mut mark));
        }
        served += 1;
    }
}

impl<C: Client + Clone> Subject for Tasks<C> {
    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        let work = Self::compete(self.client.clone(), self.tasks, *plan);
        self.runtime.block_on(self.runtime.spawn(work))?
    }
}

/// A peer that is called without a runtime, on the main thread.
pub struct Blocking<F> {
    call: F,
    per_call: u64,
    prepare: Box<dyn FnMut() -> Result<()>>,
}

impl<F: FnMut(Request) -> Result<()>> Blocking<F> {
    pub fn new(per_call: u64, call: F) -> Self {
        Self { call, per_call, prepare: Box::new(|| Ok(())) }
    }

    pub fn with_prepare(mut self, prepare: impl FnMut() -> Result<()> + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }
}

impl<F: FnMut(Request) -> Result<()>> Subject for Blocking<F> {
    fn prepare(&mut self) -> Result<()> {
        (self.prepare)()
    }

    fn run(&mut self, plan: &Plan) -> Result<Slot> {
        let (mut samples, sample) = room(plan, self.per_call);
        let meter = Meter::start(plan);
        let mut mark = Instant::now();
        let mut until_sample = sample;
        for request in requests(plan, self.per_call) {
            (self.call)(request)?;
            until_sample -= 1;
            if until_sample == 0 {
                until_sample = sample;
                samples.push(lap(&mut mark));
            }
        }
        Ok(meter.stop(plan.operations, samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_takes_what_is_left() {
        let plan = Plan { operations: 2_500, first: 7, watch: Watch::Nothing, server: None };
        let calls: Vec<(u64, u64)> =
            requests(&plan, 1_000).map(|request| (request.first, request.count)).collect();
        assert_eq!(calls, [(7, 1_000), (1_007, 1_000), (2_007, 500)]);
    }

    #[derive(Clone)]
    struct Counted(Arc<AtomicU64>);

    impl Client for Counted {
        async fn call(&mut self, request: Request) -> Result<()> {
            self.0.fetch_add(request.count, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(())
        }
    }

    #[test]
    fn tasks_share_the_operations_of_a_plan() {
        for threads in [Threads::Ct, Threads::Mt] {
            let count = Arc::new(AtomicU64::new(0));
            let mut subject =
                Tasks::new(threads.runtime().unwrap(), Counted(Arc::clone(&count)), 10);
            let watch = Watch::Time { sample: 1 };
            let plan = Plan { operations: 1_000, first: 0, watch, server: None };
            let slot = subject.run(&plan).unwrap();
            // Each task calls once before the start.
            assert_eq!(count.load(Ordering::Relaxed), 1_010);
            assert_eq!(slot.operations, 1_000);
            assert!(slot.samples.iter().any(|time| *time > 0));
            if threads == Threads::Ct {
                assert_eq!(slot.service, Some((100, 100)));
                // Of a hundred calls of a task, the first and every eighth after it.
                assert_eq!(slot.samples.len(), 130);
            }
        }
    }

    #[derive(Clone)]
    struct Failing;

    impl Client for Failing {
        async fn call(&mut self, _: Request) -> Result<()> {
            Err(Failure::new("no server"))
        }
    }

    #[test]
    fn tasks_that_fail_before_the_start_end_the_run() {
        let plan = Plan { operations: 10, first: 0, watch: Watch::Nothing, server: None };
        for threads in [Threads::Ct, Threads::Mt] {
            let mut subject = Tasks::new(threads.runtime().unwrap(), Failing, 2);
            assert_eq!(subject.run(&plan).unwrap_err().to_string(), "no server");
        }
    }

    #[test]
    fn a_failed_call_ends_the_run() {
        let plan = Plan { operations: 10, first: 0, watch: Watch::Nothing, server: None };
        let mut calls = 0;
        let mut subject = Blocking::new(1, |request| {
            calls += 1;
            crate::failure::ensure(request.first < 3, "too far")
        });
        assert_eq!(subject.run(&plan).unwrap_err().to_string(), "a wrong answer: too far");
        drop(subject);
        assert_eq!(calls, 4);
    }
}
