//! Where threads meet: before each look at what they share.
//!
//! What happens under the pool's lock is one step to everybody else, so a history of the pool is the order of such steps. The models
//! in `models.rs` try many of those orders, and take the next step wherever this is called; elsewhere it is nothing.

/// Another thread may come first.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn turn() {}

#[cfg(test)]
pub(crate) use model::{explore, turn};

#[cfg(test)]
mod model {
    use std::cell::Cell;

    use shuttle::{
        Config, FailurePersistence, MaxSteps, Runner,
        scheduler::{PctScheduler, RandomScheduler},
        sync::atomic::{AtomicBool, Ordering},
    };

    thread_local! {
        static EXPLORING: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn turn() {
        // A task of a model that failed unwinds; it must not come here again.
        if EXPLORING.get() && !std::thread::panicking() {
            // Not `yield_now`: that wakes the thread that calls it, and would make up for every wake-up that was lost.
            AtomicBool::new(false).load(Ordering::SeqCst);
        }
    }

    /// Runs a model in many orders: most of them random, some with few changes of thread, which is what rare faults need.
    pub(crate) fn explore(orders: usize, model: impl Fn() + Send + Sync + 'static) {
        let model = std::sync::Arc::new(move || {
            EXPLORING.set(true);
            model();
            EXPLORING.set(false);
        });
        let mut config = Config::new();
        // tokio's tasks are polled on these stacks.
        config.stack_size = 512 * 1024;
        // A wake-up that gets lost is a model that never ends.
        // The seed repeats it.
        config.failure_persistence = FailurePersistence::None;
        config.max_steps = MaxSteps::FailAfter(200_000);
        let seed =
            std::env::var("AQUIFER_SOAK_SEED").ok().map(|seed| seed.parse().expect("a number"));
        let seed: u64 = seed.unwrap_or(1);
        let random = RandomScheduler::new_from_seed(seed, orders * 3 / 4);
        eprintln!("random orders, seed {seed}");
        Runner::new(random, config.clone()).run({
            let model = std::sync::Arc::clone(&model);
            move || model()
        });
        eprintln!("orders with few changes, seed {seed}");
        let few = PctScheduler::new_from_seed(seed, 3, orders / 4);
        Runner::new(few, config).run(move || model());
    }
}
