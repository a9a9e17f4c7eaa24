//! The handle, and the shell around the decisions: one mutex, and what is done after it is let go.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tokio::{runtime::Handle as Runtime, sync::Notify, task::AbortHandle, time::Instant};

use crate::{
    acquire::{Acquire, AcquireRequest},
    clock::{Nanos, nanos},
    error::Holder,
    hooks::{Hooks, PoolEvent},
    lease::Lease,
    maintenance::maintain,
    manage::Manage,
    options::{OptionsError, PoolOptions},
    state::{Config, Job, Out, Passes, SlotId, State},
    stats::Stats,
    task::{self, Task},
    turns::turn,
};

/// A pool of connections: a cheap handle, to be cloned freely.
///
/// Making one dials nothing and needs no runtime; the first acquire does both. When the last handle is dropped, idle connections are
/// closed at once, and those still lent when they come back. The tasks of the pool (dials, checks, goodbyes, one for maintenance)
/// run on the tokio runtime of whoever caused them, which needs its time driver; when a runtime ends, whoever comes next from another one
/// carries on.
pub struct Pool<M: Manage> {
    handle: Arc<Handle<M>>,
}

/// Shared by the clones of one pool; leases and tasks hold what is inside instead, so that this knows when the last handle goes.
struct Handle<M: Manage> {
    shared: Arc<Shared<M>>,
}

pub(crate) type PoolState<M> = State<<M as Manage>::Connection, Waker, <M as Manage>::Error>;
pub(crate) type PoolOut<M> = Out<<M as Manage>::Connection, Waker>;
pub(crate) type PoolJob<M> = Job<<M as Manage>::Connection, Waker>;

pub(crate) struct Shared<M: Manage> {
    pub(crate) manager: Arc<M>,
    pub(crate) hooks: Hooks<M>,
    epoch: Instant,
    core: Mutex<Core<M>>,
    /// Wakes the maintenance task before its time.
    pub(crate) hasten: Notify,
    /// The last connection of a closed pool is gone.
    pub(crate) drained: Notify,
    /// A dial ended.
    pub(crate) dialled: Notify,
    /// A hint that newcomers have to wait, so that they prepare for it before they take the lock. Wrong at times, which costs a little.
    pub(crate) crowded: AtomicBool,
    task_count: AtomicU64,
}

/// What the mutex guards.
pub(crate) struct Core<M: Manage> {
    pub(crate) state: PoolState<M>,
    pub(crate) options: PoolOptions,
    /// The runtime of the maintenance task.
    pub(crate) maintained_by: Option<tokio::runtime::Id>,
    /// The last runtime that was seen to have timers.
    pub(crate) timed_by: Option<tokio::runtime::Id>,
    /// The newest task of each slot, by slot number.
    tasks: Vec<Running>,
}

#[derive(Default)]
struct Running {
    /// Tasks are numbered as they are started: a late entry must not hide a newer task.
    number: u64,
    handle: Option<AbortHandle>,
}

impl<M: Manage> Pool<M> {
    /// Makes a pool. Dials nothing, spawns nothing, needs no runtime.
    ///
    /// # Errors
    /// An option that is out of bounds or contradicts another.
    pub fn new(
        manager: Arc<M>,
        options: PoolOptions,
        hooks: Hooks<M>,
    ) -> Result<Pool<M>, OptionsError> {
        Pool::with_seed(manager, options, hooks, RandomState::new().build_hasher().finish())
    }

    /// As [`new`](Pool::new), with the seed for all jitter, so that a test can repeat a history.
    ///
    /// # Errors
    /// An option that is out of bounds or contradicts another.
    pub fn with_seed(
        manager: Arc<M>,
        options: PoolOptions,
        hooks: Hooks<M>,
        seed: u64,
    ) -> Result<Pool<M>, OptionsError> {
        options.validate()?;
        let state = State::new(Config::new(&options, hooks.passes()), seed);
        let shared = Arc::new(Shared {
            manager,
            hooks,
            epoch: Instant::now(),
            core: Mutex::new(Core {
                state,
                options,
                maintained_by: None,
                timed_by: None,
                tasks: Vec::new(),
            }),
            hasten: Notify::new(),
            drained: Notify::new(),
            dialled: Notify::new(),
            crowded: AtomicBool::new(false),
            task_count: AtomicU64::new(0),
        });
        Ok(Pool { handle: Arc::new(Handle { shared }) })
    }

    /// Borrows a connection: the most recently returned one if nobody waits, else in the order of arrival.
    ///
    /// The future does nothing until it is polled and may be dropped at any time: its place in the queue goes with it, and a connection
    /// that was already reserved for it goes to the next in line. A dial that it caused goes on.
    ///
    /// # Errors
    /// When awaited: the budget is spent (the error says why), the queue is full, the pool is closed, dialling failed in a way
    /// that another try cannot cure, or waiting was necessary outside a tokio runtime. See [`AcquireError`](crate::AcquireError).
    #[inline]
    pub fn acquire(&self, request: &AcquireRequest) -> Acquire<'_, M> {
        Acquire::new(&self.handle.shared, request)
    }

    /// Borrows an idle connection, if there is one that needs no check and nobody waits. Needs no runtime.
    pub fn try_acquire(&self, request: &AcquireRequest) -> Option<Lease<'_, M>> {
        let shared = &self.handle.shared;
        let now = shared.now();
        let mut holder = request.holder.clone();
        let mut out = Out::new();
        let taken = shared.lock().state.try_take(now, &mut holder, &mut out);
        let lease = taken.map(|taken| Lease::new(shared, taken));
        shared.run(out);
        lease
    }

    /// Whether a newcomer most likely has to wait: then [`acquire`](Pool::acquire) is the shorter way than to
    /// [`try_acquire`](Pool::try_acquire) first. A hint that costs no lock, and may be out of date until the next acquire.
    #[must_use]
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.handle.shared.crowded.load(Ordering::Relaxed)
    }

    /// Whether a connection is idle. Costs a lock, and is out of date at once: it says where to ask, not what comes of it.
    #[must_use]
    pub fn has_idle(&self) -> bool {
        self.handle.shared.lock().state.has_idle()
    }

    /// Whether no connection is idle and none may be opened: who comes has to wait for another one's. As
    /// [`has_idle`](Pool::has_idle), it is out of date at once.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.handle.shared.lock().state.is_exhausted()
    }

    /// A snapshot of everything the pool counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle.shared.lock().state.stats()
    }

    /// Who has held a connection for at least `min`, the longest first.
    #[must_use]
    pub fn holders(&self, min: Duration) -> Vec<Holder> {
        let shared = &self.handle.shared;
        let now = shared.now();
        shared.lock().state.holders(now, nanos(min), usize::MAX)
    }

    /// The options in force.
    #[must_use]
    pub fn options(&self) -> PoolOptions {
        self.handle.shared.lock().options.clone()
    }

    /// Changes any option while the pool runs. Budgets apply to what begins afterwards, limits and lifetimes at once: surplus idle
    /// connections are closed, those in use as they come back.
    ///
    /// # Errors
    /// An option that is out of bounds or contradicts another; nothing is changed then.
    pub fn set_options(&self, options: PoolOptions) -> Result<(), OptionsError> {
        self.handle.shared.change(move |current| *current = options)
    }

    /// Changes `max_open` while the pool runs, as [`set_options`](Pool::set_options) does.
    ///
    /// # Errors
    /// Zero, or less than `min_idle` or, with the adaptive policy, `adaptive_min`.
    pub fn resize(&self, max_open: u32) -> Result<(), OptionsError> {
        self.handle.shared.change(move |current| current.max_open = max_open)
    }

    /// Whether the pool was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.shared.lock().state.is_closed()
    }

    /// What makes the connections.
    #[must_use]
    pub fn manager(&self) -> &Arc<M> {
        &self.handle.shared.manager
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<M>> {
        &self.handle.shared
    }
}

impl<M: Manage> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Pool { handle: Arc::clone(&self.handle) }
    }
}

impl<M: Manage> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("Pool")
            .field("limit", &stats.limit)
            .field("in_use", &stats.in_use)
            .field("idle", &stats.idle)
            .field("connecting", &stats.connecting)
            .field("waiters", &stats.waiters)
            .finish_non_exhaustive()
    }
}

impl<M: Manage> Drop for Handle<M> {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl<M: Manage> Hooks<M> {
    fn passes(&self) -> Passes {
        Passes {
            before_acquire: self.before_acquire.is_some(),
            after_release: self.after_release.is_some(),
        }
    }
}

impl<M: Manage> Shared<M> {
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        Nanos(nanos(Instant::now().saturating_duration_since(self.epoch)))
    }

    pub(crate) fn instant(&self, at: Nanos) -> Instant {
        // "Never" must not overflow the clock of any platform.
        self.epoch + Duration::from_nanos(at.0).min(A_LIFETIME)
    }

    pub(crate) fn at(&self, instant: Instant) -> Nanos {
        Nanos(nanos(instant.saturating_duration_since(self.epoch)))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core<M>> {
        turn();
        // No foreign code runs under this lock, so nothing that could panic half way does.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides under the lock, and does what was decided after it.
    pub(crate) fn event<T>(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut PoolState<M>, Nanos, &mut PoolOut<M>) -> T,
    ) -> T {
        let now = self.now();
        let mut out = Out::new();
        let result = decide(&mut self.lock().state, now, &mut out);
        self.run(out);
        result
    }

    /// Does what was decided. Never called under the lock.
    #[inline(always)]
    pub(crate) fn run(self: &Arc<Self>, out: PoolOut<M>) {
        if out.is_nothing() {
            // It owns nothing: skips the code that would drop what it might own.
            std::mem::forget(out);
        } else {
            self.run_all(out);
        }
    }

    /// Does what was decided, and gives back what was taken along.
    #[cold]
    pub(crate) fn run_then<T>(self: &Arc<Self>, out: PoolOut<M>, taken: T) -> T {
        self.run_all(out);
        taken
    }

    fn run_all(self: &Arc<Self>, mut out: PoolOut<M>) {
        turn();
        if let Some(waker) = out.wake.take() {
            waker.wake();
        }
        if !out.is_light() {
            let runtime = Runtime::try_current().ok();
            self.perform(out, runtime.as_ref());
        }
    }

    /// As `run`, where the runtime at hand may be about to end: what needs one waits for somebody else's.
    pub(crate) fn run_without_runtime(self: &Arc<Self>, mut out: PoolOut<M>) {
        turn();
        if let Some(waker) = out.wake.take() {
            waker.wake();
        }
        self.perform(out, None);
    }

    #[cold]
    fn perform(self: &Arc<Self>, mut out: PoolOut<M>, runtime: Option<&Runtime>) {
        if out.hasten {
            self.hasten.notify_one();
        }
        if out.drained {
            self.drained.notify_waiters();
        }
        let mut jobs = out.take_jobs();
        if out.upkeep
            && let Some(runtime) = runtime
        {
            jobs.append(&mut self.upkeep(runtime));
        }
        for job in jobs {
            match job {
                Job::Wake(waker) => waker.wake(),
                Job::Abort(slot) => self.abort(slot),
                Job::Warn(warning) => {
                    if let Some(hook) = &self.hooks.on_warning {
                        quietly(|| hook(&warning));
                    }
                }
                Job::Moved(made) => self.tell(&PoolEvent::Moved(made)),
                job => match runtime {
                    Some(runtime) => self.start(job, runtime),
                    None => self.leave(job),
                },
            }
        }
    }

    /// Starts the maintenance task if it is missing, and gives the jobs that waited for a runtime.
    fn upkeep(self: &Arc<Self>, runtime: &Runtime) -> Vec<PoolJob<M>> {
        let now = self.now();
        let mut out = Out::new();
        let (generation, parked) = {
            let mut core = self.lock();
            let generation = core.state.start_maintenance(now, &mut out);
            if generation.is_some() {
                core.maintained_by = Some(runtime.id());
            }
            (generation, core.state.take_parked())
        };
        if let Some(generation) = generation {
            runtime.spawn(maintain(task::Upkeep::new(Arc::clone(self), generation)));
        }
        out.add_jobs(parked);
        if let Some(waker) = out.wake.take() {
            waker.wake();
        }
        out.take_jobs()
    }

    /// Starts a task for a job.
    fn start(self: &Arc<Self>, job: PoolJob<M>, runtime: &Runtime) {
        match job {
            Job::Dial(slot) => self.start_dial(slot, None, runtime),
            Job::Errand { slot, connection, errand, info } => {
                let task = Task::new(Arc::clone(self), slot, task::Kind::Errand, self.next_task());
                let (number, work) = (task.number, task::errand(task, connection, errand, info));
                self.register(slot, number, runtime.spawn(work).abort_handle());
            }
            Job::Close { slot: Some(slot), connection, reason, info } => {
                let task = Task::new(Arc::clone(self), slot, task::Kind::Close, self.next_task());
                let (number, work) = (task.number, task::close(task, connection, reason, info));
                self.register(slot, number, runtime.spawn(work).abort_handle());
            }
            Job::Close { slot: None, connection, reason, info } => {
                runtime.spawn(task::say_goodbye(Arc::clone(self), connection, reason, info));
            }
            Job::Wake(_) | Job::Abort(_) | Job::Warn(_) | Job::Moved(_) => {}
        }
    }

    pub(crate) fn start_dial(
        self: &Arc<Self>,
        slot: SlotId,
        batch: Option<Arc<crate::warm_up::Batch<M::Error>>>,
        runtime: &Runtime,
    ) {
        let mut task = Task::new(Arc::clone(self), slot, task::Kind::Dial, self.next_task());
        task.batch = batch;
        let (number, work) = (task.number, task::dial(task));
        self.register(slot, number, runtime.spawn(work).abort_handle());
    }

    fn next_task(&self) -> u64 {
        self.task_count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Remembers how to stop a task, unless it has ended meanwhile.
    fn register(&self, slot: SlotId, number: u64, handle: AbortHandle) {
        let too_late = {
            let mut core = self.lock();
            let closed = core.state.is_closed() && core.state.is_connecting(slot);
            let running = core.running(slot);
            if running.number < number {
                running.number = number;
                running.handle = Some(handle.clone());
            }
            closed
        };
        if too_late {
            handle.abort();
        }
    }

    /// Forgets a task that ends.
    pub(crate) fn forget(&self, slot: SlotId, number: u64) {
        let handle = {
            let mut core = self.lock();
            let running = core.running(slot);
            if running.number <= number {
                running.number = number;
                running.handle.take()
            } else {
                None
            }
        };
        drop(handle);
    }

    fn abort(&self, slot: SlotId) {
        let handle = self.lock().running(slot).handle.take();
        if let Some(handle) = handle {
            handle.abort();
        }
    }

    /// Keeps a job for whoever comes next with a runtime. To a closed pool nobody comes: there it ends at once.
    fn leave(self: &Arc<Self>, job: PoolJob<M>) {
        let now = self.now();
        let mut out = Out::new();
        let mut dropped = None;
        {
            let mut core = self.lock();
            let state = &mut core.state;
            match job {
                job if !state.is_closed() => state.park(job, &mut out),
                Job::Dial(slot) => state.connect_aborted(slot, now, &mut out),
                Job::Errand { slot, connection, .. } => {
                    dropped = Some(connection);
                    state.errand_failed(slot, None, crate::CloseReason::PoolClosed, now, &mut out);
                }
                Job::Close { slot, connection, .. } => {
                    dropped = Some(connection);
                    if let Some(slot) = slot {
                        state.gone(slot, now, &mut out);
                    }
                }
                Job::Wake(_) | Job::Abort(_) | Job::Warn(_) | Job::Moved(_) => {}
            }
        }
        quietly(|| drop(dropped));
        self.run_without_runtime(out);
    }

    /// Closes without waiting for anything.
    pub(crate) fn shut(self: &Arc<Self>) {
        self.event(|state, now, out| state.close(now, out));
    }

    fn change(self: &Arc<Self>, edit: impl FnOnce(&mut PoolOptions)) -> Result<(), OptionsError> {
        let now = self.now();
        let mut out = Out::new();
        {
            let mut core = self.lock();
            let mut options = core.options.clone();
            edit(&mut options);
            options.validate()?;
            let config = Config::new(&options, self.hooks.passes());
            core.options = options;
            core.state.set_config(config, now, &mut out);
        }
        self.run(out);
        Ok(())
    }

    pub(crate) fn tell(&self, event: &PoolEvent) {
        if let Some(hook) = &self.hooks.on_event {
            quietly(|| hook(event));
        }
    }
}

impl<M: Manage> Core<M> {
    fn running(&mut self, slot: SlotId) -> &mut Running {
        let index = slot.index as usize;
        if self.tasks.len() <= index {
            self.tasks.resize_with(index + 1, Running::default);
        }
        &mut self.tasks[index]
    }
}

const A_LIFETIME: Duration = Duration::from_secs(30 * 366 * 24 * 60 * 60);

/// Runs foreign code whose panic must not take the pool's bookkeeping along; the panic hook has reported it.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}
