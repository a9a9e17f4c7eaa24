//! Options, hooks, budgets and reports, through the public interface on a paused clock.

mod common;

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use aquifer_pool::{
    AcquireErrorKind, AcquireRequest, CloseReason, Fate, Hooks, Pool, PoolEvent, PoolOptions,
    Stage, TimeoutKind, Warning,
};
use common::*;
use tokio::time::{Instant, sleep};

#[test]
fn making_a_pool_needs_no_runtime_dials_nothing_and_refuses_bad_options() {
    let server = Server::new();
    let pool = pool_of(&server, PoolOptions { min_idle: 3, ..limit(5) });
    assert_eq!((pool.stats().connecting, server.dials()), (0, 0));
    let bad = Pool::new(
        Arc::clone(&server),
        PoolOptions { max_open: 0, ..PoolOptions::default() },
        Hooks::new(),
    );
    assert!(bad.unwrap_err().to_string().contains("max_open"));
    assert!(pool.resize(2).unwrap_err().to_string().contains("min_idle"));
    assert_eq!(pool.options().max_open, 5, "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_takes_nothing() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    drop(pool.acquire(&request()).await.unwrap());
    let late = AcquireRequest { deadline: Some(Instant::now()), ..AcquireRequest::default() };
    let error = pool.acquire(&late).await.unwrap_err();
    assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::Expired));
    assert_eq!(pool.stats().idle, 1);
    let zero = pool.acquire(&within(ms(0))).await;
    assert!(zero.is_ok(), "a zero budget takes what is idle");
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_deadline_and_budget_wins() {
    let server = Server::slow_connect(60_000);
    let pool = pool_of(&server, limit(1));
    for (timeout, deadline, expected) in [(100, 40, 40), (30, 400, 30)] {
        let started = Instant::now();
        let asked = AcquireRequest {
            timeout: Some(ms(timeout)),
            deadline: Some(started + ms(deadline)),
            holder: None,
        };
        let error = pool.acquire(&asked).await.unwrap_err();
        assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::ConnectSlow));
        assert_eq!(started.elapsed(), ms(expected));
    }
    assert_eq!(server.dials(), 1, "the dial outlived both");
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_ends_at_its_deadline() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let _held = pool.acquire(&request()).await.unwrap();
    let started = Instant::now();
    pool.acquire(&within(ms(7_321))).await.unwrap_err();
    assert_eq!(started.elapsed(), ms(7_321));
}

#[tokio::test(start_paused = true)]
async fn a_curable_failure_is_retried_until_the_server_is_back() {
    let server = Server::new();
    server.refuse.store(3, SeqCst);
    let pool = pool_of(&server, limit(4));
    let lease = pool.acquire(&request()).await.unwrap();
    assert!(lease.waited() >= ms(50));
    let stats = pool.stats();
    assert_eq!((server.dials(), stats.connects_failed, stats.connect_failures_in_row), (4, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_is_named_as_the_cause() {
    let server = Server::new();
    server.refuse.store(u32::MAX, SeqCst);
    let pool = pool_of(&server, limit(4));
    let error = pool.acquire(&within(ms(2_000))).await.unwrap_err();
    assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::ConnectFailing));
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert!(error.to_string().contains("dials are failing"), "{error}");
    assert!(server.dials() < 20, "with back-off: {}", server.dials());
}

#[tokio::test(start_paused = true)]
async fn an_incurable_failure_is_told_at_once_with_the_real_error() {
    let server = Server::new();
    server.refuse.store(u32::MAX, SeqCst);
    server.incurable.store(true, SeqCst);
    let pool = pool_of(&server, limit(4));
    let started = Instant::now();
    let error = pool.acquire(&request()).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (AcquireErrorKind::Connect, ms(0)));
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    // The next caller waits for a fresh answer, not for long.
    let error = pool.acquire(&request()).await.unwrap_err();
    assert_eq!(error.kind(), AcquireErrorKind::Connect);
    assert!(started.elapsed() <= ms(1_000));
    assert_eq!(server.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_takes_too_long_is_given_up() {
    let server = Server::slow_connect(60_000);
    let pool = pool_of(&server, PoolOptions { connect_timeout: ms(300), ..limit(1) });
    let error = pool.acquire(&within(ms(1_000))).await.unwrap_err();
    assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::ConnectFailing));
    assert!(error.to_string().contains("budget of 300ms"), "{error}");
    assert!(server.live() <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_costs_its_budget_and_the_next_one_serves() {
    let server = Server::new();
    let options = PoolOptions { check_after: Some(ms(100)), check_timeout: ms(50), ..limit(2) };
    let pool = pool_of(&server, options);
    drop(pool.acquire(&request()).await.unwrap());
    sleep(ms(200)).await;
    server.check_ms.store(60_000, SeqCst);
    let lease = pool.acquire(&request()).await.unwrap();
    assert!(lease.waited() <= ms(50));
    assert_eq!(lease.id, 2);
    sleep(ms(100)).await;
    assert_eq!((pool.stats().closed(CloseReason::CheckFailed), server.live()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn dead_idle_connections_leave_in_the_background() {
    let server = Server::new();
    let pool = pool_of(&server, limit(4));
    pool.warm_up(4).await.unwrap();
    sleep(ms(31_000)).await;
    assert!(server.checks.load(SeqCst) >= 1);
    assert_eq!(server.live(), 4);
    server.checks_fail.store(true, SeqCst);
    sleep(ms(60_000)).await;
    assert_eq!(server.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_or_goodbye_that_hangs_is_cut_short() {
    let server = Server::new();
    server.recover_ms.store(60_000, SeqCst);
    server.close_ms.store(60_000, SeqCst);
    let pool = pool_of(&server, limit(1));
    pool.acquire(&request()).await.unwrap().fate = Fate::Recover;
    let lease = pool.acquire(&request()).await.unwrap();
    assert_eq!((lease.id, lease.waited()), (2, ms(1_000)), "dropped when its budget was spent");
    lease.discard(CloseReason::Requested);
    let lease = pool.acquire(&request()).await.unwrap();
    assert_eq!((lease.id, lease.waited()), (3, ms(2_000)), "until then it counts as open");
    assert_eq!(server.live_peak.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_never_exceeds_the_limit_and_reports_what_it_got() {
    let server = Server::slow_connect(10);
    let pool = pool_of(&server, limit(3));
    let report = pool.warm_up(10).await.unwrap();
    assert_eq!((report.wanted, report.open, report.opened, report.failed), (3, 3, 3, 0));
    assert_eq!(server.live_peak.load(SeqCst), 3);
    let again = pool.warm_up(2).await.unwrap();
    assert_eq!((again.wanted, again.open, again.opened), (2, 3, 0));

    let server = Server::slow_connect(10);
    let pool = pool_of(&server, PoolOptions { max_connecting: 1, ..limit(5) });
    tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            sleep(ms(25)).await;
            server.refuse.store(u32::MAX, SeqCst);
        }
    });
    let report = pool.warm_up(5).await.unwrap();
    assert_eq!((report.opened, report.failed, report.is_complete()), (2, 1, false));
    assert_eq!(report.last_error.unwrap().source().unwrap().to_string(), "connection refused");

    pool.close_now();
    assert_eq!(pool.warm_up(1).await.unwrap_err().kind(), AcquireErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_shares_with_dials_under_way() {
    let server = Server::slow_connect(10);
    let pool = pool_of(&server, limit(2));
    let (one, two) = tokio::join!(pool.warm_up(2), pool.warm_up(2));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.open, two.open, one.opened + two.opened, server.dials()), (2, 2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn resizing_applies_to_idle_lent_and_waiting() {
    let server = Server::new();
    let pool = pool_of(&server, PoolOptions { elide_dials: false, ..limit(4) });
    pool.warm_up(4).await.unwrap();
    let leases = [pool.acquire(&request()).await.unwrap(), pool.acquire(&request()).await.unwrap()];
    pool.resize(1).unwrap();
    sleep(ms(10)).await;
    assert_eq!((server.live(), pool.stats().limit), (2, 1));
    drop(leases);
    sleep(ms(10)).await;
    assert_eq!((server.live(), pool.stats().idle), (1, 1));
    assert_eq!(server.closed_for(CloseReason::Resized), 3);
    let _held = pool.acquire(&request()).await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(&request()).await.map(drop) }
    });
    sleep(ms(10)).await;
    pool.resize(2).unwrap();
    waiter.await.unwrap().unwrap();
    assert_eq!(pool.options().max_open, 2);
}

#[tokio::test(start_paused = true)]
async fn each_hook_is_called_in_its_place_and_sees_the_history() {
    let server = Server::new();
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let note = |log: &Arc<Mutex<Vec<String>>>| {
        let log = Arc::clone(log);
        move |text: String| log.lock().unwrap().push(text)
    };
    let (before_connect, after_connect) = (note(&log), note(&log));
    let (before_acquire, after_release, before_close) = (note(&log), note(&log), note(&log));
    let hooks = Hooks::<Server>::new()
        .before_connect(move || {
            before_connect("before_connect".into());
            Box::pin(async { Ok(()) })
        })
        .after_connect(move |connection, info| {
            after_connect(format!("after_connect {} {}", connection.id, info.id));
            // The connection may be borrowed across an await.
            Box::pin(async move {
                tokio::task::yield_now().await;
                connection.fate = Fate::Keep;
                Ok(())
            })
        })
        .before_acquire(move |_, info| {
            before_acquire(format!("before_acquire idle {:?} uses {}", info.idle, info.uses));
            Box::pin(async move { Ok(info.uses < 2) })
        })
        .after_release(move |_, info| {
            after_release(format!("after_release uses {}", info.uses));
            Box::pin(async { Ok(true) })
        })
        .before_close(move |connection, info, reason| {
            before_close(format!("before_close {} {reason} uses {}", connection.id, info.uses));
            Box::pin(async {})
        });
    let pool = Pool::new(Arc::clone(&server), limit(1), hooks).unwrap();
    for _ in 0..3 {
        drop(pool.acquire(&request()).await.unwrap());
        sleep(ms(40)).await;
    }
    assert_eq!(
        *log.lock().unwrap(),
        [
            "before_connect",
            "after_connect 1 1",
            "after_release uses 1",
            "before_acquire idle 40ms uses 1",
            "after_release uses 2",
            "before_acquire idle 40ms uses 2",
            "before_close 1 hook_refused uses 2",
            "before_connect",
            "after_connect 2 2",
            "after_release uses 1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn errors_and_events_reach_their_hooks() {
    let server = Server::new();
    server.refuse.store(1, SeqCst);
    let (errors, events) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let hooks = Hooks::<Server>::new()
        .on_error({
            let errors = Arc::clone(&errors);
            move |stage, error: &Fault| errors.lock().unwrap().push((stage, error.0))
        })
        .on_event({
            let events = Arc::clone(&events);
            move |event| {
                events.lock().unwrap().push(match event {
                    PoolEvent::Connected { connection, .. } => format!("connected {connection}"),
                    PoolEvent::ConnectFailed { .. } => "connect failed".to_owned(),
                    PoolEvent::Checked { connection, healthy } => {
                        format!("checked {connection} {healthy}")
                    }
                    PoolEvent::Closed { info, reason } => format!("closed {} {reason}", info.id),
                    other => format!("{other:?}"),
                });
            }
        });
    let options = PoolOptions { check_after: Some(ms(10)), ..limit(1) };
    let pool = Pool::new(Arc::clone(&server), options, hooks).unwrap();
    drop(pool.acquire(&request()).await.unwrap());
    sleep(ms(20)).await;
    server.checks_fail.store(true, SeqCst);
    drop(pool.acquire(&request()).await.unwrap());
    assert_eq!(
        *errors.lock().unwrap(),
        [(Stage::Connect, "connection refused"), (Stage::Check, "no pong")]
    );
    assert_eq!(
        *events.lock().unwrap(),
        ["connect failed", "connected 2", "checked 2 false", "connected 3"]
    );
    pool.close(ms(100)).await;
    assert_eq!(events.lock().unwrap().last().unwrap(), "closed 3 pool_closed");
}

#[tokio::test(start_paused = true)]
async fn warnings_name_the_leak_the_load_and_the_waits() {
    let server = Server::new();
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let hooks = Hooks::<Server>::new().on_warning({
        let kinds = Arc::clone(&kinds);
        move |warning| {
            kinds.lock().unwrap().push(match warning {
                Warning::InUse { share, .. } => format!("in use {share:.1}"),
                Warning::Waits { count, .. } => format!("waits {count}"),
                Warning::Leak { holders, .. } => {
                    format!("leak {}", holders[0].label.as_deref().unwrap())
                }
                other => format!("{other:?}"),
            });
        }
    });
    let options =
        PoolOptions { leak_after: Some(ms(15_000)), warn_wait: Some(ms(500)), ..limit(1) };
    let pool = Pool::new(Arc::clone(&server), options, hooks).unwrap();
    let held = pool.acquire(&labelled("nightly")).await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(&within(ms(60_000))).await.map(drop) }
    });
    sleep(ms(25_000)).await;
    drop(held);
    waiter.await.unwrap().unwrap();
    let told = kinds.lock().unwrap().clone();
    assert!(
        told.contains(&"in use 1.0".to_owned()) && told.contains(&"waits 1".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|one| *one == "leak nightly").count(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_lease_is_reclaimed_on_request_and_closed_when_it_returns() {
    let server = Server::new();
    let options = PoolOptions { reclaim_after: Some(ms(2_000)), reclaim_max: 1, ..limit(1) };
    let pool = pool_of(&server, options);
    let abandoned = pool.acquire(&labelled("lost")).await.unwrap();
    let lease = pool.acquire(&within(ms(10_000))).await.unwrap();
    assert_eq!(lease.id, 2);
    assert!(abandoned.is_reclaimed() && !lease.is_reclaimed());
    let holders = pool.holders(ms(0));
    assert!(holders[0].reclaimed && holders[0].label.as_deref() == Some("lost"));
    assert_eq!((pool.stats().reclaimed, pool.stats().open_connections), (1, 1));
    drop(abandoned);
    sleep(ms(10)).await;
    assert_eq!((server.live(), pool.stats().reclaimed), (1, 0));
    assert_eq!(server.closed_for(CloseReason::Reclaimed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_gives_its_slot_up_keeps_its_connection_and_lets_its_holder_have_another() {
    let server = Server::new();
    let pool = pool_of(&server, PoolOptions { reclaim_max: 1, ..limit(1) });
    let mut lost = pool.acquire(&labelled("lost")).await.unwrap();
    assert!(lost.surrender() && lost.is_reclaimed());
    assert!(!lost.surrender(), "it has none any more");
    let mut lease = pool.acquire(&within(ms(10_000))).await.unwrap();
    assert_eq!((lost.id, lease.id), (1, 2));
    assert!(!lease.surrender(), "as many as may be are out like this");
    assert_eq!((pool.stats().reclaimed, pool.stats().open_connections), (1, 1));
    drop(lost);
    sleep(ms(10)).await;
    assert_eq!((server.live(), pool.stats().reclaimed), (1, 0));
    assert_eq!(server.closed_for(CloseReason::Reclaimed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_given_up_goes_to_whoever_waits() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let mut lost = pool.acquire(&labelled("lost")).await.unwrap();
    let (other, ()) = tokio::join!(pool.acquire(&within(ms(10_000))), async {
        sleep(ms(1)).await;
        assert!(lost.surrender());
    });
    assert_eq!(other.unwrap().id, 2);
}

#[tokio::test(start_paused = true)]
async fn lifetimes_end_with_a_replacement_and_without_a_gap() {
    let server = Server::slow_connect(100);
    let options = PoolOptions {
        max_lifetime: Some(ms(60_000)),
        max_idle_time: None,
        check_period: None,
        ..limit(2)
    };
    let pool = pool_of(&server, options);
    drop(pool.acquire(&request()).await.unwrap());
    let waited = AtomicU32::new(0);
    for _ in 0..1_800 {
        let lease = pool.acquire(&request()).await.unwrap();
        if !lease.waited().is_zero() {
            waited.fetch_add(1, SeqCst);
        }
        sleep(ms(50)).await;
        drop(lease);
        sleep(ms(50)).await;
    }
    assert_eq!(waited.load(SeqCst), 0, "three minutes at 60 s each, and nobody waited for a dial");
    assert!(pool.stats().max_lifetime_closed >= 2);
    assert!(server.live_peak.load(SeqCst) <= 2);
}
