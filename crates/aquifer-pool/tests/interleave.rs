//! Cancellation at every point, many waiters, ends of runtimes, panics.

mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use aquifer_pool::{AcquireErrorKind, CloseReason, Fate, Hooks, Pool, PoolOptions, TimeoutKind};
use aquifer_testkit::at_most;
use common::*;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep, timeout},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// After everything settled: nothing lent, nobody waiting, every live connection accounted for, the limit never passed.
async fn assert_whole(pool: &Pool<Server>, server: &Server, limit: u32) {
    sleep(ms(5_000)).await;
    let stats = pool.stats();
    assert_eq!(
        (stats.in_use, stats.waiters, stats.connecting, stats.closing),
        (0, 0, 0, 0),
        "{stats:?}"
    );
    assert_eq!((stats.checking, stats.recovering), (0, 0), "{stats:?}");
    assert_eq!(stats.idle, server.live(), "{stats:?}");
    assert!(server.live_peak.load(SeqCst) <= limit);
    let lease = pool.acquire(&within(ms(1_000))).await.expect("the pool still works");
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn an_acquire_dropped_at_any_poll_loses_nothing() {
    // Through a dial, through a check, through a recovery, and by hand-over.
    for scenario in 0..4 {
        for polls in 0..6 {
            let server = Server::slow_connect(10);
            server.check_ms.store(10, SeqCst);
            server.recover_ms.store(10, SeqCst);
            let options = PoolOptions { check_after: Some(ms(100)), ..limit(1) };
            let pool = pool_of(&server, options);
            let mut held = None;
            if scenario > 0 {
                let mut lease = pool.acquire(&request()).await.unwrap();
                match scenario {
                    1 => {
                        drop(lease);
                        sleep(ms(200)).await;
                    }
                    2 => {
                        lease.fate = Fate::Recover;
                        drop(lease);
                    }
                    _ => held = Some(lease.into_owned()),
                }
            }
            let asking = pool.clone();
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let releaser = tokio::spawn(async move {
                let _ = gone.await;
                drop(held);
            });
            let acquire = asking.acquire(&request());
            let attempt = tokio::select! {
                biased;
                attempt = at_most(polls, acquire) => attempt,
                () = async { let _ = go.send(()); std::future::pending().await } => None,
            };
            if let Some(outcome) = attempt {
                outcome.unwrap();
            }
            releaser.await.unwrap();
            assert_whole(&pool, &server, 1).await;
            if scenario != 1 {
                assert_eq!(server.dials(), 1, "scenario {scenario}, {polls} polls");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_handed_to_a_dropped_acquire_goes_to_the_next_in_line() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let held = pool.acquire(&request()).await.unwrap();
    let mut first = Box::pin(pool.acquire(&request()));
    let mut second = pin!(pool.acquire(&request()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut cx).is_pending());
    drop(held);
    assert_eq!(pool.stats().in_use, 1, "reserved for the first");
    assert!(second.as_mut().poll(&mut cx).is_pending());
    drop(first);
    let Poll::Ready(Ok(lease)) = second.as_mut().poll(&mut cx) else { panic!("it was next") };
    assert_eq!(lease.id, 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_may_change_its_waker() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let held = pool.acquire(&request()).await.unwrap();
    let mut waiting = Box::pin({
        let pool = pool.clone();
        async move { pool.acquire(&request()).await.map(drop) }
    });
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    let task = tokio::spawn(waiting);
    tokio::task::yield_now().await;
    drop(held);
    timeout(ms(100), task).await.expect("the task's own waker was used").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiters_with_random_cancellation_over_ten_connections() {
    let server = Server::slow_connect(3);
    let options = PoolOptions { max_waiters: 20_000, ..limit(10) };
    let pool = pool_of(&server, options);
    let served = Arc::new(AtomicU32::new(0));
    let mut tasks = Vec::new();
    let mut seed = 88_172_645_463_325_252u64;
    let mut random = move |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    for _ in 0..10_000 {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        let (patience, work, fate) = (random(4_000), random(4), random(50));
        tasks.push(tokio::spawn(async move {
            let budget = at_most(usize::MAX, pool.acquire(&within(ms(60_000))));
            if let Ok(Some(lease)) = timeout(ms(patience), budget).await {
                let mut lease = lease.unwrap();
                served.fetch_add(1, SeqCst);
                sleep(ms(work)).await;
                lease.fate = match fate {
                    0 => Fate::Discard(CloseReason::Broken),
                    1 => Fate::Recover,
                    _ => Fate::Keep,
                };
            }
        }));
    }
    for (n, task) in tasks.into_iter().enumerate() {
        if n % 7 == 0 {
            task.abort();
        }
        let _ = task.await;
    }
    assert_whole(&pool, &server, 10).await;
    let stats = pool.stats();
    assert!(served.load(SeqCst) > 1_000);
    assert!(stats.acquires > u64::from(served.load(SeqCst)));
    assert_eq!(stats.acquires, stats.hold.count());
    assert_eq!(stats.connects_ok, stats.closed_total() + u64::from(stats.open_connections));
}

#[tokio::test(start_paused = true)]
async fn the_spike_ends_with_the_connections_that_could_serve_it() {
    let server = Server::slow_connect(150);
    let pool = pool_of(&server, PoolOptions { min_idle: 5, ..limit(50) });
    let report = pool.warm_up(5).await.unwrap();
    assert!(report.is_complete());
    assert_eq!((report.opened, report.failed, report.open), (5, 0, 5));
    let started = Instant::now();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let _lease = pool.acquire(&request()).await.unwrap();
                sleep(ms(2)).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed();
    assert!(took <= ms(30), "{took:?} of virtual time");
    sleep(ms(1_000)).await;
    let open = pool.stats().open_connections;
    assert!((5..=6).contains(&open), "{open}");
}

#[tokio::test(start_paused = true)]
async fn closed_loops_that_keep_a_queue_standing_do_grow_the_pool() {
    let server = Server::slow_connect(150);
    let pool = pool_of(&server, limit(20));
    pool.warm_up(5).await.unwrap();
    for _ in 0..40 {
        let pool = pool.clone();
        tokio::spawn(async move {
            loop {
                let lease = pool.acquire(&request()).await.unwrap();
                sleep(ms(2)).await;
                drop(lease);
            }
        });
    }
    sleep(ms(2_000)).await;
    assert_eq!(pool.stats().open_connections, 20);
}

#[test]
fn a_lease_dropped_outside_any_runtime_goes_back() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let lease = runtime().block_on(pool.acquire(&request())).unwrap();
    // The runtime is gone. A clean connection needs none.
    drop(lease);
    let mut lease = pool.try_acquire(&request()).unwrap();
    lease.fate = Fate::Recover;
    drop(lease);
    // This one needs work: it waits for somebody with a runtime, who may well be the next caller.
    assert!(pool.try_acquire(&request()).is_none());
    assert_eq!(pool.stats().recovering, 1);
    let lease = runtime().block_on(pool.acquire(&request())).unwrap();
    assert_eq!((lease.id, server.recovers.load(SeqCst)), (1, 1));
    lease.discard(CloseReason::Broken);
    assert_eq!(pool.stats().closing, 1);
    let lease = runtime().block_on(pool.acquire(&request())).unwrap();
    assert_eq!(lease.id, 2);
    assert_eq!(server.live(), 1);
}

#[test]
fn acquiring_outside_a_runtime_gives_what_is_idle_or_says_why_not() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let refused = pin!(pool.acquire(&request())).poll(&mut cx);
    let Poll::Ready(Err(error)) = refused else { panic!("there is no runtime") };
    assert_eq!(error.kind(), AcquireErrorKind::NoRuntime);
    drop(runtime().block_on(pool.acquire(&request())).unwrap());
    let Poll::Ready(Ok(lease)) = pin!(pool.acquire(&request())).poll(&mut cx) else {
        panic!("one is idle")
    };
    assert_eq!(lease.id, 1);
}

#[test]
fn a_runtime_that_ends_in_the_middle_of_a_dial_frees_the_slot() {
    let server = Server::slow_connect(60_000);
    let pool = pool_of(&server, limit(1));
    let first = runtime();
    let outcome =
        first.block_on(async { timeout(ms(20), pool.acquire(&request())).await.map(drop) });
    assert!(outcome.is_err());
    assert_eq!(pool.stats().connecting, 1);
    drop(first);
    assert_eq!((pool.stats().connecting, server.live()), (0, 0));
    server.connect_ms.store(0, SeqCst);
    runtime()
        .block_on(async { timeout(ms(5_000), pool.acquire(&request())).await.unwrap().unwrap() });
    assert_eq!(server.live_peak.load(SeqCst), 1);
}

#[test]
fn a_waiter_on_another_runtime_takes_over_when_the_dialling_one_ends() {
    let server = Server::slow_connect(60_000);
    let pool = pool_of(&server, limit(1));
    let first = runtime();
    let _ = first.block_on(async { timeout(ms(20), pool.acquire(&request())).await.map(drop) });
    let (ready, waits) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn({
        let pool = pool.clone();
        move || {
            runtime().block_on(async move {
                let mut acquire = pin!(pool.acquire(&within(ms(20_000))));
                std::future::poll_fn(|cx| {
                    let polled = acquire.as_mut().poll(cx);
                    let _ = ready.send(());
                    polled
                })
                .await
                .map(|lease| lease.id)
            })
        }
    });
    waits.recv().unwrap();
    server.connect_ms.store(0, SeqCst);
    drop(first);
    assert_eq!(waiter.join().unwrap().unwrap(), 2);
    assert_eq!(server.live_peak.load(SeqCst), 1);
}

#[test]
fn a_runtime_that_stands_still_does_not_keep_the_slots_it_works_for() {
    let server = Server::slow_connect(60_000);
    let pool = pool_of(&server, limit(1));
    // It lives on, but nobody drives it any more: its dial and its maintenance task get nowhere.
    let asleep = runtime();
    let _ = asleep.block_on(async { timeout(ms(5), pool.acquire(&request())).await.map(drop) });
    assert_eq!(pool.stats().connecting, 1);
    server.connect_ms.store(0, SeqCst);
    let awake = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let lease = awake.block_on(pool.acquire(&within(ms(60_000)))).unwrap();
    assert_eq!(lease.id, 2);
    assert!(lease.waited() >= ms(15_000), "not before the budget of the dial and the grace");
    drop(lease);
    drop(asleep);
    assert_eq!((pool.stats().idle, server.live()), (1, 1));
}

#[test]
fn a_wait_that_moves_to_another_runtime_takes_its_deadline_along() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let first = runtime();
    let _held = first.block_on(pool.acquire(&request())).unwrap();
    let mut acquire = Box::pin(pool.acquire(&within(ms(500))));
    let begun = first.block_on(at_most(1, acquire.as_mut()));
    assert!(begun.is_none());
    // The first runtime, whose maintenance task looked at the deadline, is not driven any more.
    let second = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let error = second
        .block_on(async { timeout(ms(5_000), acquire).await })
        .expect("by itself")
        .unwrap_err();
    assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::Exhausted));
}

#[test]
fn work_left_outside_a_runtime_is_done_by_maintenance() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let lease = runtime.block_on(pool.acquire(&request())).unwrap();
    lease.discard(CloseReason::Requested);
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    while server.live() > 0 && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(server.closed_for(CloseReason::Requested), 1);
}

#[test]
fn two_runtimes_share_a_pool() {
    let server = Server::new();
    let pool = pool_of(&server, limit(3));
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let pool = pool.clone();
            std::thread::spawn(move || {
                let run = async move {
                    let tasks: Vec<_> = (0..50)
                        .map(|_| {
                            let pool = pool.clone();
                            tokio::spawn(async move {
                                let lease = pool.acquire(&request()).await.unwrap();
                                tokio::task::yield_now().await;
                                drop(lease);
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                };
                if n % 2 == 0 {
                    runtime().block_on(run);
                } else {
                    Builder::new_multi_thread()
                        .worker_threads(2)
                        .enable_all()
                        .build()
                        .unwrap()
                        .block_on(run);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = pool.stats();
    assert_eq!((stats.acquires, stats.in_use, stats.waiters), (200, 0, 0));
    assert!(server.live_peak.load(SeqCst) <= 3);
}

#[test]
fn a_storm_from_many_threads_loses_nothing() {
    let server = Server::new();
    let options = PoolOptions { check_after: Some(ms(1)), max_waiters: 100_000, ..limit(3) };
    let pool = pool_of(&server, options);
    let threads: Vec<_> = (0..2u64)
        .map(|thread| {
            let pool = pool.clone();
            std::thread::spawn(move || {
                let runtime =
                    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(async move {
                    let tasks: Vec<_> = (0..16u64)
                        .map(|task| {
                            let pool = pool.clone();
                            tokio::spawn(async move {
                                for turn in 0..500u64 {
                                    let dice = (thread * 7 + task * 31 + turn * 13) % 23;
                                    let polls = if dice < 4 { dice as usize } else { usize::MAX };
                                    let acquire = Box::pin(pool.acquire(&within(ms(30_000))));
                                    let Some(outcome) = at_most(polls, acquire).await else {
                                        continue;
                                    };
                                    let mut lease = outcome.unwrap();
                                    if dice % 5 == 0 {
                                        tokio::task::yield_now().await;
                                    }
                                    lease.fate = match dice {
                                        7 => Fate::Recover,
                                        8 => Fate::Discard(CloseReason::Broken),
                                        _ => Fate::Keep,
                                    };
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let runtime = runtime();
    let report = runtime.block_on(async {
        drop(pool.acquire(&request()).await.unwrap());
        pool.close(ms(5_000)).await
    });
    assert!(report.is_clean(), "{report:?}");
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiters, stats.open_connections, server.live()), (0, 0, 0, 0));
    assert_eq!(stats.acquires, stats.hold.count());
    assert!(server.live_peak.load(SeqCst) <= 3);
}

#[test]
fn a_pool_dropped_outside_any_runtime_drops_its_connections() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let (one, two) = runtime().block_on(async {
        (pool.acquire(&request()).await.unwrap(), pool.acquire(&request()).await.unwrap())
    });
    drop(one);
    let two = two.into_owned();
    drop(pool);
    assert_eq!(server.live(), 1);
    drop(two);
    assert_eq!(server.live(), 0);
    assert_eq!(Arc::strong_count(&server), 1, "nothing holds the pool any more");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_pool_end_with_its_last_handle() {
    let server = Server::new();
    let pool = pool_of(&server, PoolOptions { min_idle: 2, ..limit(3) });
    drop(pool.acquire(&request()).await.unwrap());
    sleep(ms(3_000)).await;
    assert!(server.live() >= 2);
    drop(pool);
    sleep(ms(3_000)).await;
    assert_eq!(server.live(), 0);
    assert_eq!(Arc::strong_count(&server), 1);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_in_the_middle_of_everything_leaves_nothing() {
    for step in 0..40 {
        let server = Server::slow_connect(7);
        server.close_ms.store(3, SeqCst);
        server.recover_ms.store(5, SeqCst);
        server.check_ms.store(5, SeqCst);
        let options = PoolOptions {
            check_after: Some(ms(4)),
            min_idle: 2,
            maintenance_period: ms(10),
            ..limit(4)
        };
        let pool = pool_of(&server, options);
        let tasks: Vec<_> = (0..20u64)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    sleep(ms(n % 5)).await;
                    if let Ok(mut lease) = pool.acquire(&request()).await {
                        sleep(ms(n % 9)).await;
                        lease.fate = match n % 3 {
                            0 => Fate::Recover,
                            1 => Fate::Discard(CloseReason::Dirty),
                            _ => Fate::Keep,
                        };
                    }
                })
            })
            .collect();
        sleep(ms(step)).await;
        let (one, two) = tokio::join!(pool.close(ms(1_000)), pool.close(ms(1_000)));
        assert!(one.is_clean() && two.is_clean(), "step {step}: {one:?}");
        for task in tasks {
            task.await.unwrap();
        }
        let stats = pool.stats();
        assert_eq!(
            (server.live(), stats.open_connections, stats.connecting),
            (0, 0, 0),
            "step {step}"
        );
        assert!(server.live_peak.load(SeqCst) <= 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_panics_gives_its_connection_back() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let holder = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _lease = pool.acquire(&request()).await.unwrap();
            panic!("asked to");
        }
    });
    assert!(holder.await.unwrap_err().is_panic());
    assert_eq!(pool.stats().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_manager_costs_one_connection() {
    for place in ["connect", "check", "on_release", "recover", "close"] {
        let server = Server::new();
        let options = PoolOptions { check_after: Some(ms(10)), ..limit(1) };
        let pool = pool_of(&server, options);
        *server.panic_in.lock().unwrap() = place;
        match place {
            "connect" => {
                let error = pool.acquire(&within(ms(300))).await.unwrap_err();
                assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::ConnectFailing));
                assert!(error.to_string().contains("the connect panicked"), "{error}");
            }
            "check" => {
                drop(pool.acquire(&request()).await.unwrap());
                sleep(ms(50)).await;
                drop(pool.acquire(&request()).await.unwrap());
            }
            "recover" => {
                let mut lease = pool.acquire(&request()).await.unwrap();
                lease.fate = Fate::Recover;
            }
            _ => pool.acquire(&request()).await.unwrap().fate = Fate::Discard(CloseReason::Broken),
        }
        // The pool's tasks have to run into it.
        sleep(ms(50)).await;
        *server.panic_in.lock().unwrap() = "";
        assert_whole(&pool, &server, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_that_panic_or_hang_cost_one_connection() {
    let server = Server::new();
    let calls = Arc::new(AtomicU32::new(0));
    let hooks = Hooks::<Server>::new()
        .after_release({
            let calls = Arc::clone(&calls);
            move |_, _| {
                let n = calls.fetch_add(1, SeqCst);
                Box::pin(async move {
                    match n {
                        0 => panic!("asked to"),
                        1 => std::future::pending().await,
                        2 => Err(Fault("no")),
                        3 => Ok(false),
                        _ => Ok(true),
                    }
                })
            }
        })
        .on_event(|_| panic!("asked to"))
        .on_error(|_, _| panic!("asked to"))
        .on_warning(|_| panic!("asked to"));
    let pool = Pool::with_seed(Arc::clone(&server), limit(1), hooks, 1).unwrap();
    for n in 1..=5 {
        let lease = pool.acquire(&request()).await.unwrap();
        assert_eq!(lease.id, n);
        drop(lease);
        sleep(ms(3_000)).await;
    }
    assert_eq!(pool.acquire(&request()).await.unwrap().id, 5);
    assert_eq!(pool.stats().closed(CloseReason::HookRefused), 3);
}

#[tokio::test(start_paused = true)]
async fn a_free_pool_does_not_starve_other_tasks() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    drop(pool.acquire(&request()).await.unwrap());
    let greedy = tokio::spawn(async move {
        loop {
            drop(pool.acquire(&request()).await.unwrap());
        }
    });
    // On one thread this comes back only because an acquire takes part in cooperative scheduling.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    greedy.abort();
}

#[test]
fn every_future_and_handle_may_cross_threads() {
    fn may_cross<T: Send>(_: &T) {}
    fn may_be_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn is_static<T: Send + 'static>(_: &T) {}
    let pool = pool_of(&Server::new(), limit(1));
    may_be_shared(&pool);
    may_cross(&pool.acquire(&request()));
    may_cross(&pool.close(Duration::ZERO));
    may_cross(&pool.warm_up(1));
    let lease = runtime().block_on(pool.acquire(&request())).unwrap();
    may_cross(&lease);
    is_static(&lease.into_owned());
}
