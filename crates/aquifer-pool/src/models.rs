//! The pool's shell in many orders of its threads' steps, by `shuttle`.
//!
//! Each model runs on threads that take turns where `turns.rs` says, and whose order is chosen anew in each run; the tasks of the pool
//! run on a tokio runtime with a clock of its own, driven by one of these threads. A failure prints the order, which can be
//! replayed. A wake-up that is lost ends a model by its bound of steps.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use aquifer_testkit::at_most;
use shuttle::{
    rand::{Rng, thread_rng},
    thread,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::coop::unconstrained,
};

use crate::{
    AcquireErrorKind, AcquireRequest, BoxFuture, CloseReason, Fate, Hooks, Lease, Manage, Pool,
    PoolOptions,
    turns::{explore, turn},
};

/// More than any of the models takes; a wake-up that was lost takes for ever.
const ROUNDS_MAX: u32 = 10_000;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Counts what is alive; all its work takes a few turns.
#[derive(Default)]
struct Server {
    live: AtomicU32,
    live_peak: AtomicU32,
}

struct Connection {
    fate: Fate,
    /// Nobody else has it.
    lent: bool,
    server: Arc<Server>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.live.fetch_sub(1, SeqCst);
    }
}

async fn a_while() {
    turn();
    tokio::task::yield_now().await;
    turn();
}

impl Manage for Server {
    type Connection = Connection;
    type Error = Infallible;

    fn connect(self: Arc<Self>) -> BoxFuture<Result<Connection, Infallible>> {
        Box::pin(async move {
            let live = self.live.fetch_add(1, SeqCst) + 1;
            self.live_peak.fetch_max(live, SeqCst);
            let connection =
                Connection { fate: Fate::Keep, lent: false, server: Arc::clone(&self) };
            a_while().await;
            Ok(connection)
        })
    }

    fn is_transient(&self, error: &Infallible) -> bool {
        match *error {}
    }

    fn check(self: Arc<Self>, connection: Connection) -> BoxFuture<Result<Connection, Infallible>> {
        Box::pin(async move {
            a_while().await;
            Ok(connection)
        })
    }

    fn on_release(&self, connection: &mut Connection) -> Fate {
        turn();
        connection.lent = false;
        std::mem::replace(&mut connection.fate, Fate::Keep)
    }

    fn recover(self: Arc<Self>, connection: Connection) -> BoxFuture<Option<Connection>> {
        Box::pin(async move {
            a_while().await;
            Some(connection)
        })
    }

    fn close(self: Arc<Self>, connection: Connection, _: CloseReason) -> BoxFuture<()> {
        Box::pin(async move {
            a_while().await;
            drop(connection);
        })
    }
}

/// A pool, and the runtime of its tasks.
struct World {
    server: Arc<Server>,
    pool: Pool<Server>,
    runtime: Arc<Runtime>,
    limit: u32,
    /// A millisecond, now and then.
    time_passes: bool,
}

impl World {
    fn new(options: PoolOptions) -> World {
        // Its clock runs, but no model takes as long as the shortest timer of the pool, which could make up for a lost wake-up.
        let runtime = Builder::new_current_thread().enable_time().build();
        let (server, limit) = (Arc::<Server>::default(), options.max_open);
        let runtime = Arc::new(runtime.expect("a runtime"));
        // All threads of a model are one to the system: whoever enters does so for all.
        let _inside = runtime.enter();
        let pool = Pool::with_seed(Arc::clone(&server), options, Hooks::new(), 1);
        let pool = pool.expect("valid options");
        World { server, pool, runtime, limit, time_passes: false }
    }

    fn of(max_open: u32) -> World {
        World::new(PoolOptions { max_open, ..PoolOptions::default() })
    }

    /// With so many connections open and idle.
    fn warm(self, connections: u32) -> World {
        self.runtime.block_on(self.pool.warm_up(connections)).expect("it is open");
        self
    }

    /// Runs threads beside the one that drives the pool's tasks, then looks at what is left.
    fn run(self, threads: Vec<Box<dyn FnOnce() + Send>>) {
        let inside = self.runtime.enter();
        if self.time_passes {
            self.runtime.block_on(async { tokio::time::pause() });
        }
        let done = Arc::new(AtomicBool::new(false));
        let driver = thread::spawn({
            let (done, runtime) = (Arc::clone(&done), Arc::clone(&self.runtime));
            let (pool, time_passes) = (self.pool.clone(), self.time_passes);
            move || {
                let mut rounds = 0;
                while !done.load(SeqCst) {
                    match time_passes && thread_rng().gen_bool(0.2) {
                        true => runtime.block_on(tokio::time::advance(ms(1))),
                        false => runtime.block_on(tokio::task::yield_now()),
                    }
                    thread::yield_now();
                    rounds += 1;
                    assert!(rounds < ROUNDS_MAX, "somebody waits for ever: {:?}", pool.stats());
                }
            }
        });
        let threads: Vec<_> = threads.into_iter().map(thread::spawn).collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        done.store(true, SeqCst);
        driver.join().expect("no panic");
        drop(inside);
        self.assert_whole();
    }

    /// Everything settles, is counted, and still works.
    fn assert_whole(&self) {
        self.runtime.block_on(async {
            if !self.time_passes {
                tokio::time::pause();
            }
            tokio::time::sleep(ms(6_000)).await;
            let stats = self.pool.stats();
            let busy = [stats.in_use, stats.waiters, stats.connecting, stats.checking];
            assert_eq!(busy, [0; 4], "{stats:?}");
            assert_eq!((stats.recovering, stats.closing), (0, 0), "{stats:?}");
            assert_eq!(stats.idle, self.server.live.load(SeqCst), "{stats:?}");
            assert_eq!(stats.acquires, stats.hold.count(), "{stats:?}");
            assert!(self.server.live_peak.load(SeqCst) <= self.limit);
            if self.pool.is_closed() {
                assert_eq!(stats.idle, 0, "{stats:?}");
            } else {
                drop(self.pool.acquire(&within(ms(1_000))).await.expect("it works"));
            }
        });
    }
}

/// tokio counts how often a thread's tasks have polled without a pause; the threads of a model are one to it.
fn block_on<F: Future>(future: F) -> F::Output {
    shuttle::future::block_on(unconstrained(future))
}

fn within(budget: Duration) -> AcquireRequest {
    AcquireRequest { timeout: Some(budget), ..AcquireRequest::default() }
}

fn boxed(thread: impl FnOnce() + Send + 'static) -> Box<dyn FnOnce() + Send> {
    Box::new(thread)
}

/// Nobody else may have it meanwhile.
fn use_it(lease: &mut Lease<'_, Server>) {
    assert!(!lease.lent, "lent twice");
    lease.lent = true;
    turn();
    assert!(lease.lent, "taken away");
}

/// Acquires, uses it, gives it back.
fn borrow(pool: &Pool<Server>, fate: Fate) -> Result<(), AcquireErrorKind> {
    let mut lease = block_on(pool.acquire(&within(ms(60_000)))).map_err(|error| error.kind())?;
    use_it(&mut lease);
    lease.fate = fate;
    Ok(())
}

/// Asks, and goes away after so many polls.
fn give_up(pool: &Pool<Server>, polls: usize) {
    let mut asking = pin!(pool.acquire(&within(ms(60_000))));
    if let Some(outcome) = block_on(at_most(polls, asking.as_mut())) {
        use_it(&mut outcome.expect("no time passes"));
    }
    // Other steps between the last poll and the drop.
    turn();
}

#[test]
fn a_connection_on_its_way_to_a_waiter_that_leaves_reaches_the_next() {
    explore(2_000, || {
        let world = World::of(1).warm(1);
        let [holder, leaver, stayer] = [(); 3].map(|()| world.pool.clone());
        let polls = thread_rng().gen_range(1..3);
        world.run(vec![
            boxed(move || borrow(&holder, Fate::Keep).unwrap()),
            boxed(move || give_up(&leaver, polls)),
            boxed(move || borrow(&stayer, Fate::Keep).unwrap()),
        ]);
    });
}

#[test]
fn a_wait_that_changes_hands_wakes_the_one_who_has_it() {
    explore(1_000, || {
        let world = World::of(1).warm(1);
        let [holder, waiter] = [(); 2].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || borrow(&holder, Fate::Keep).unwrap()),
            boxed(move || {
                let request = within(ms(60_000));
                let mut asking = Box::pin(unconstrained(waiter.acquire(&request)));
                let mut nobody = Context::from_waker(Waker::noop());
                match asking.as_mut().poll(&mut nobody) {
                    Poll::Ready(outcome) => use_it(&mut outcome.unwrap()),
                    Poll::Pending => use_it(&mut block_on(asking).unwrap()),
                }
            }),
        ]);
    });
}

#[test]
fn a_budget_that_ends_as_a_connection_comes_gives_one_of_the_two_and_loses_neither() {
    explore(2_000, || {
        let world = World { time_passes: true, ..World::of(1).warm(1) };
        let [holder, hasty, patient] = [(); 3].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || borrow(&holder, Fate::Recover).unwrap()),
            boxed(move || match block_on(hasty.acquire(&within(ms(1)))) {
                Ok(mut lease) => use_it(&mut lease),
                Err(error) => assert!(matches!(error.kind(), AcquireErrorKind::Timeout(_))),
            }),
            boxed(move || borrow(&patient, Fate::Keep).unwrap()),
        ]);
    });
}

#[test]
fn a_dial_whose_caller_leaves_serves_whoever_waits() {
    explore(1_000, || {
        let world = World::of(1);
        let [leaver, stayer] = [(); 2].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || give_up(&leaver, 1)),
            boxed(move || borrow(&stayer, Fate::Keep).unwrap()),
        ]);
    });
}

#[test]
fn a_connection_that_is_recovered_or_replaced_reaches_whoever_waits() {
    explore(2_000, || {
        let world = World::of(1).warm(1);
        let fates = [Fate::Recover, Fate::Discard(CloseReason::Broken), Fate::Keep];
        let first = fates[thread_rng().gen_range(0..3)];
        let [one, two, three] = [(); 3].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || borrow(&one, first).unwrap()),
            boxed(move || borrow(&two, Fate::Recover).unwrap()),
            boxed(move || give_up(&three, 2)),
        ]);
    });
}

#[test]
fn closing_beside_acquires_and_releases_ends_all_of_them_and_leaves_nothing() {
    explore(2_000, || {
        let world = World::of(2).warm(1);
        let [one, two, three, closer] = [(); 4].map(|()| world.pool.clone());
        let ends = |outcome| match outcome {
            Ok(()) | Err(AcquireErrorKind::Closed) => {}
            Err(other) => panic!("{other:?}"),
        };
        world.run(vec![
            boxed(move || ends(borrow(&one, Fate::Recover))),
            boxed(move || ends(borrow(&two, Fate::Keep))),
            boxed(move || ends(borrow(&three, Fate::Discard(CloseReason::Broken)))),
            boxed(move || closer.close_now()),
        ]);
    });
}

#[test]
fn whoever_waits_for_the_end_of_a_pool_sees_it() {
    explore(1_000, || {
        let world = World::of(1).warm(1);
        let [one, closer] = [(); 2].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || {
                // Served before, or refused.
                let _either = borrow(&one, Fate::Recover);
            }),
            boxed(move || assert!(block_on(closer.close(ms(60_000))).is_clean())),
        ]);
    });
}

#[test]
fn a_limit_that_moves_under_load_strands_nobody() {
    explore(1_000, || {
        let world = World::of(2).warm(2);
        let [one, two, three, resizer] = [(); 4].map(|()| world.pool.clone());
        world.run(vec![
            boxed(move || borrow(&one, Fate::Keep).unwrap()),
            boxed(move || borrow(&two, Fate::Discard(CloseReason::Broken)).unwrap()),
            boxed(move || borrow(&three, Fate::Recover).unwrap()),
            boxed(move || {
                resizer.resize(1).unwrap();
                turn();
                resizer.resize(2).unwrap();
            }),
        ]);
    });
}

#[test]
fn soak_random_threads_over_two_connections() {
    let minutes: Option<f64> =
        std::env::var("AQUIFER_SOAK_MINUTES").ok().map(|text| text.parse().expect("a number"));
    // About as many orders as fit into the time.
    let orders = minutes.map_or(2_000, |minutes| (minutes * 60.0 * 400.0) as usize);
    explore(orders, || {
        let check_after = thread_rng().gen_bool(0.3).then_some(ms(0));
        let options = PoolOptions { max_open: 2, check_after, ..PoolOptions::default() };
        let world = World::new(options);
        let threads = (0..4).map(|_| {
            let pool = world.pool.clone();
            boxed(move || {
                for _ in 0..3 {
                    match thread_rng().gen_range(0..6) {
                        0 => give_up(&pool, thread_rng().gen_range(0..4)),
                        1 => borrow(&pool, Fate::Recover).unwrap(),
                        2 => borrow(&pool, Fate::Discard(CloseReason::Broken)).unwrap(),
                        3 => drop(pool.try_acquire(&AcquireRequest::default())),
                        _ => borrow(&pool, Fate::Keep).unwrap(),
                    }
                }
            })
        });
        let threads = threads.collect();
        world.run(threads);
    });
}
