//! Many orders of a model's steps, by `shuttle`.
//!
//! A crate whose threads share something calls [`turn`] before each look at it, and its models run in [`explore`].

use std::cell::Cell;
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
}

/// Within a model another of its threads may go on here; elsewhere it is nothing.
pub fn turn() {
    // A task of a model that failed unwinds; it must not come here again.
    if EXPLORING.get() && !std::thread::panicking() {
        // Not `yield_now`: that wakes the thread that calls it, and would make up for a wake-up that was lost.
        AtomicBool::new(false).load(Ordering::SeqCst);
    }
}

/// Runs a model in many orders: most of them random, some with few changes of thread, which is what rare faults need.
///
/// They come from a seed, `AQUIFER_SOAK_SEED` or 1, which is printed and repeats them.
///
/// # Panics
///
/// When the model does, and when it takes 200 000 steps: a wake-up that gets lost is a model that never ends.
pub fn explore(orders: usize, model: impl Fn() + Send + Sync + 'static) {
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
    config.max_steps = MaxSteps::FailAfter(200_000);
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
