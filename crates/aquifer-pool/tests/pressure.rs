//! Waves, crowds, ageing: what the pool does to its connections under load, on a paused clock.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use aquifer_pool::{
    AcquireErrorKind, CloseReason, Fate, Hooks, Pool, PoolOptions, Stats, TimeoutKind,
};
use common::*;
use tokio::{
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};

/// Xorshift: a history that repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// So many calls at once, each of five milliseconds; ends with the last of them.
async fn wave(pool: &Pool<Server>, calls: u32) {
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let pool = pool.clone();
        tasks.spawn(async move {
            let _lease = pool.acquire(&within(ms(60_000))).await.unwrap();
            sleep(ms(5)).await;
        });
    }
    tasks.join_all().await;
}

fn opened_and_closed(server: &Server) -> (u32, usize) {
    (server.dials(), server.closes.lock().unwrap().len())
}

#[tokio::test(start_paused = true)]
async fn waves_of_load_open_connections_once_and_close_none_within_the_limits() {
    let server = Server::slow_connect(20);
    let pool = pool_of(&server, limit(10));
    wave(&pool, 400).await;
    assert_eq!(opened_and_closed(&server), (10, 0), "the first wave fills the pool");
    // Twenty minutes: below the first lifetime, and each pause below the idle time.
    for _ in 0..20 {
        sleep(Duration::from_secs(60)).await;
        wave(&pool, 400).await;
    }
    assert_eq!(opened_and_closed(&server), (10, 0), "{:?}", pool.stats());
    assert_eq!(pool.stats().acquires, 21 * 400);
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_the_idle_time_costs_each_connection_once_and_the_next_wave_one_dial_each() {
    let server = Server::slow_connect(20);
    let options = PoolOptions { max_idle_time: Some(ms(60_000)), min_idle: 2, ..limit(10) };
    let pool = pool_of(&server, options);
    for waves in 1..=5 {
        wave(&pool, 400).await;
        sleep(ms(120_000)).await;
        let stats = pool.stats();
        assert_eq!(stats.idle, 2, "down to min_idle, and no further: {stats:?}");
        assert_eq!(opened_and_closed(&server), (8 * waves + 2, 8 * waves as usize));
        assert_eq!(server.closed_for(CloseReason::MaxIdleTime), 8 * waves as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_born_together_do_not_die_together_and_none_is_missing_meanwhile() {
    let server = Server::slow_connect(50);
    let options = PoolOptions {
        max_lifetime: Some(Duration::from_secs(1_000)),
        max_idle_time: None,
        check_period: None,
        max_connecting: 4,
        ..limit(44)
    };
    let pool = pool_of(&server, options);
    assert!(pool.warm_up(40).await.unwrap().is_complete());
    let (mut closed, mut worst) = (0, 0);
    // From before the first of them is old to after the last, second by second.
    for _ in 0..1_150 {
        sleep(ms(1_000)).await;
        let now = server.closes.lock().unwrap().len();
        worst = worst.max(now - closed);
        closed = now;
        let open = pool.stats().open_connections;
        assert!(open >= 40, "{open} open: one was closed before its replacement was there");
    }
    assert!(closed >= 40, "{closed}");
    assert_eq!(server.closed_for(CloseReason::MaxLifetime), closed);
    // Two hundred seconds for forty: a fifth each second on average, and chance puts some together.
    assert!(worst <= 4, "{worst} in one second");
}

/// What has to hold when nobody is in the pool any more.
fn assert_exact(stats: &Stats, served: u64) {
    assert_eq!((stats.in_use, stats.waiters, stats.connecting), (0, 0, 0), "{stats:?}");
    assert_eq!((stats.acquires, stats.hold.count()), (served, served), "{stats:?}");
    assert_eq!(stats.connects_ok, stats.closed_total() + u64::from(stats.open_connections));
}

/// What became of ten thousand callers who found ten connections taken.
#[derive(Default)]
struct Crowd {
    came: AtomicU64,
    served: Mutex<Vec<u64>>,
    timed_out: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
}

impl Crowd {
    const SIZE: u64 = 10_000;

    /// They come one after the other; a third lose patience, some have a short budget, some are aborted.
    async fn gather(self: &Arc<Self>, pool: &Pool<Server>, dice: &mut Dice) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for number in 0..Self::SIZE {
            let (pool, crowd) = (pool.clone(), Arc::clone(self));
            let patience = if dice.below(3) == 0 { dice.below(2_000) } else { 600_000 };
            let budget = if dice.below(10) == 0 { dice.below(2_000) + 1 } else { 500_000 };
            let (work, fate) = (dice.below(4), dice.below(50));
            tasks.spawn(async move {
                crowd.came.fetch_add(1, SeqCst);
                let acquire = pool.acquire(&within(ms(budget)));
                let Ok(outcome) = timeout(ms(patience), acquire).await else {
                    crowd.left.fetch_add(1, SeqCst);
                    return;
                };
                match outcome {
                    Ok(mut lease) => {
                        crowd.served.lock().unwrap().push(number);
                        sleep(ms(work)).await;
                        lease.fate = match fate {
                            0 => Fate::Discard(CloseReason::Broken),
                            1 => Fate::Recover,
                            _ => Fate::Keep,
                        };
                    }
                    Err(error) if error.kind() == AcquireErrorKind::Closed => {
                        crowd.refused.fetch_add(1, SeqCst);
                    }
                    Err(error) => {
                        let spent = AcquireErrorKind::Timeout(TimeoutKind::Exhausted);
                        let kind = error.kind();
                        assert!(kind == spent || matches!(kind, AcquireErrorKind::Timeout(_)));
                        crowd.timed_out.fetch_add(1, SeqCst);
                    }
                }
            });
        }
        // On one thread they come in the order in which they were spawned.
        while self.came.load(SeqCst) < Self::SIZE {
            yield_now().await;
        }
        tasks
    }

    fn served(&self) -> u64 {
        self.served.lock().unwrap().len() as u64
    }

    fn ended(&self) -> u64 {
        let others = [&self.timed_out, &self.refused, &self.left];
        self.served() + others.iter().map(|n| n.load(SeqCst)).sum::<u64>()
    }
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_waiters_those_who_stay_are_served_in_the_order_they_came() {
    for seed in 1..=5 {
        let server = Server::slow_connect(3);
        let options = PoolOptions { max_waiters: 20_000, ..limit(10) };
        let pool = pool_of(&server, options);
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(pool.acquire(&request()).await.unwrap());
        }
        let crowd = Arc::new(Crowd::default());
        let tasks = crowd.gather(&pool, &mut Dice(seed * 0x9e37_79b9)).await;
        // Some had no patience at all.
        let waiters = u64::from(pool.stats().waiters);
        assert_eq!(waiters + crowd.left.load(SeqCst), Crowd::SIZE);
        drop(held);
        tasks.join_all().await;
        sleep(ms(5_000)).await;
        assert_eq!(crowd.ended(), Crowd::SIZE, "seed {seed}: everybody ends");
        let (served, stats) = (crowd.served(), pool.stats());
        assert!(served > 5_000, "seed {seed}: {served}");
        assert_exact(&stats, served + 10);
        let timed_out: u64 = TimeoutKind::ALL.iter().map(|kind| stats.timeouts(*kind)).sum();
        assert_eq!(timed_out, crowd.timed_out.load(SeqCst), "seed {seed}");
        assert_eq!(stats.wait_count, Crowd::SIZE + 10, "seed {seed}: each waited once");
        assert!(crowd.served.lock().unwrap().is_sorted(), "seed {seed}: somebody was overtaken");
        assert!(server.live_peak.load(SeqCst) <= 10);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_a_pool_with_ten_thousand_waiters_ends_every_one_of_them() {
    for after in [0, 1, 7, 300, 600] {
        let server = Server::slow_connect(3);
        server.close_ms.store(2, SeqCst);
        let options = PoolOptions { max_waiters: 20_000, ..limit(10) };
        let pool = pool_of(&server, options);
        let crowd = Arc::new(Crowd::default());
        let tasks = crowd.gather(&pool, &mut Dice(7)).await;
        sleep(ms(after)).await;
        assert!(pool.close(ms(1_000)).await.is_clean());
        tasks.join_all().await;
        assert_eq!(crowd.ended(), Crowd::SIZE, "after {after} ms");
        assert!(crowd.refused.load(SeqCst) > 0, "after {after} ms: it was over before");
        assert_exact(&pool.stats(), crowd.served());
        assert_eq!((server.live(), pool.stats().open_connections), (0, 0), "after {after} ms");
    }
}

/// The fewest and the most calls that any of a thousand tasks had served in ten seconds.
async fn least_and_most_served(work: impl Fn(u64) -> u64) -> (u64, u64) {
    let server = Server::new();
    let pool = pool_of(&server, limit(10));
    pool.warm_up(10).await.unwrap();
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..1_000).map(|_| AtomicU64::new(0)).collect());
    let mut tasks = JoinSet::new();
    for n in 0..1_000 {
        let (pool, counts, work) = (pool.clone(), Arc::clone(&counts), work(n));
        tasks.spawn(async move {
            loop {
                let _lease = pool.acquire(&within(ms(60_000))).await.unwrap();
                counts[n as usize].fetch_add(1, SeqCst);
                sleep(ms(work)).await;
            }
        });
    }
    sleep(ms(10_000)).await;
    tasks.shutdown().await;
    assert!(pool.stats().acquires >= 30_000, "{:?}", pool.stats());
    let counts = counts.iter().map(|count| count.load(SeqCst));
    (counts.clone().min().unwrap(), counts.max().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_over_ten_connections_are_served_equally_often() {
    let (least, most) = least_and_most_served(|_| 2).await;
    assert!(most - least <= 1, "between {least} and {most}");
}

#[tokio::test(start_paused = true)]
async fn those_whose_calls_are_short_are_served_no_more_often_than_those_whose_are_long() {
    // Some come back to the line sooner, and so gain a few places per round, but no round.
    let (least, most) = least_and_most_served(|n| 1 + n % 3).await;
    assert!(most - least <= 2, "between {least} and {most}");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_seeds_spread_every_generation_of_lifetimes() {
    for seed in 0..100 {
        let server = Server::new();
        let options = PoolOptions {
            max_lifetime: Some(Duration::from_secs(100)),
            max_idle_time: None,
            check_period: None,
            ..limit(12)
        };
        let pool =
            Pool::with_seed(Arc::clone(&server), options, Hooks::new(), seed).expect("options");
        pool.warm_up(10).await.unwrap();
        // Three generations: replacements are spread anew, they do not fall into step.
        let (mut closed, mut worst) = (0, 0);
        for _ in 0..330 {
            sleep(ms(1_000)).await;
            let now = server.closes.lock().unwrap().len();
            worst = worst.max(now - closed);
            closed = now;
        }
        assert!(closed >= 20, "seed {seed}: {closed}");
        assert!(worst <= 5, "seed {seed}: {worst} of 10 in one second");
    }
}
