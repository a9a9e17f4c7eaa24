//! Where threads meet: before each look at what they share.
//!
//! What a session and those who stop its commands share is one word, so a history of it is the order of its changes. The models in
//! `stop/models.rs` try many of those orders, and take the next step wherever this is called; elsewhere it is nothing.

/// Another thread may come first.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn turn() {}

#[cfg(test)]
pub(crate) use model::{explore, turn};

#[cfg(test)]
mod model {
    use std::cell::Cell;
    use std::sync::Arc;

    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::sync::atomic::{AtomicBool, Ordering};
    use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

    thread_local! {
        static EXPLORING: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn turn() {
        // A task of a model that failed unwinds; it must not come here again.
        if EXPLORING.get() && !std::thread::panicking() {
            // Not `yield_now`: that wakes the thread that calls it, and would make up for a wake-up that was lost.
            AtomicBool::new(false).load(Ordering::SeqCst);
        }
    }

    /// Runs a model in many orders: most of them random, some with few changes of thread, which is what rare faults need.
    pub(crate) fn explore(orders: usize, model: impl Fn() + Send + Sync + 'static) {
        let model = Arc::new(move || {
            EXPLORING.set(true);
            model();
            EXPLORING.set(false);
        });
        let mut config = Config::new();
        // tokio's tasks are polled on these stacks.
        config.stack_size = 512 * 1024;
        // The seed repeats it.
        config.failure_persistence = FailurePersistence::None;
        // A wake-up that gets lost is a model that never ends.
        config.max_steps = MaxSteps::FailAfter(100_000);
        let seed = std::env::var("AQUIFER_SOAK_SEED").ok();
        let seed: u64 = seed.map_or(1, |seed| seed.parse().expect("a number"));
        eprintln!("random orders, seed {seed}");
        let random = RandomScheduler::new_from_seed(seed, orders * 3 / 4);
        let first = Arc::clone(&model);
        Runner::new(random, config.clone()).run(move || first());
        eprintln!("orders with few changes, seed {seed}");
        let few = PctScheduler::new_from_seed(seed, 3, orders / 4);
        Runner::new(few, config).run(move || model());
    }
}
