//! Lending and taking back, through the public interface on a paused clock.

mod common;

use aquifer_pool::{AcquireError, AcquireErrorKind, CloseReason, Fate, TimeoutCause, TimeoutKind};
use common::*;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_connection_comes_back_and_is_lent_again() {
    let server = Server::slow_connect(20);
    let pool = pool_of(&server, limit(3));
    let lease = pool.acquire(&request()).await.unwrap();
    assert_eq!((lease.id, lease.info().uses, lease.waited()), (1, 1, ms(20)));
    sleep(ms(7)).await;
    assert_eq!(lease.release().held, ms(7));
    let lease = pool.try_acquire(&request()).unwrap();
    assert_eq!((lease.id, lease.info().uses), (1, 2));
    assert!(pool.try_acquire(&request()).is_none());
    drop(lease);
    let stats = pool.stats();
    assert_eq!((stats.open_connections, stats.in_use, stats.idle, stats.connects_ok), (1, 0, 1, 1));
    assert_eq!((stats.acquires, stats.wait_count, stats.wait_duration), (2, 1, ms(20)));
    assert_eq!((stats.hold.count(), stats.hold.max(), stats.peak_in_use), (2, ms(7), 1));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_lent_last_in_first_out() {
    let server = Server::new();
    let pool = pool_of(&server, limit(3));
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.push(pool.acquire(&request()).await.unwrap());
    }
    leases.swap(0, 2);
    let order: Vec<u32> = leases.iter().map(|lease| lease.id).collect();
    drop(leases);
    let again: Vec<_> = (0..3).map(|_| pool.try_acquire(&request()).unwrap()).collect();
    let lent: Vec<u32> = again.iter().map(|lease| lease.id).collect();
    assert_eq!(lent, order.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_of_arrival_and_never_overtaken() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let first = pool.acquire(&request()).await.unwrap();
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..5 {
        let (pool, sender) = (pool.clone(), sender.clone());
        tokio::spawn(async move {
            let _lease = pool.acquire(&request()).await.unwrap();
            sender.send(n).unwrap();
            tokio::task::yield_now().await;
        });
        tokio::task::yield_now().await;
    }
    drop(first);
    assert!(pool.try_acquire(&request()).is_none());
    for n in 0..5 {
        assert_eq!(served.recv().await, Some(n));
    }
    assert_eq!(server.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_names_who_holds_the_connections() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let _long = pool.acquire(&labelled("reports")).await.unwrap();
    sleep(ms(30)).await;
    let _short = pool.acquire(&labelled("api")).await.unwrap();
    let started = Instant::now();
    let error = pool.acquire(&within(ms(250))).await.unwrap_err();
    assert_eq!(started.elapsed(), ms(250));
    assert_eq!(error.kind(), AcquireErrorKind::Timeout(TimeoutKind::Exhausted));
    let AcquireError::Timeout(report) = &error else { panic!("{error:?}") };
    let TimeoutCause::Exhausted { holders } = &report.cause else { panic!("{error:?}") };
    let named: Vec<_> = holders.iter().map(|h| (h.label.as_deref().unwrap(), h.held)).collect();
    assert_eq!(named, [("reports", ms(280)), ("api", ms(250))]);
    assert_eq!(
        error.to_string(),
        "no connection within 250ms: 2 of 2 connections were in use, the longest by reports for 280ms, by api for 250ms"
    );
    assert_eq!(pool.stats().timeouts(TimeoutKind::Exhausted), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_unfinished_is_recovered_before_it_is_lent() {
    let server = Server::new();
    server.recover_ms.store(40, std::sync::atomic::Ordering::SeqCst);
    let pool = pool_of(&server, limit(1));
    let mut lease = pool.acquire(&request()).await.unwrap();
    lease.fate = Fate::Recover;
    drop(lease);
    assert!(pool.try_acquire(&request()).is_none());
    let lease = pool.acquire(&request()).await.unwrap();
    assert_eq!((lease.id, lease.waited()), (1, ms(40)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_closed_and_another_dialled() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let mut lease = pool.acquire(&request()).await.unwrap();
    lease.fate = Fate::Discard(CloseReason::Broken);
    drop(lease);
    let lease = pool.acquire(&request()).await.unwrap();
    assert_eq!(lease.id, 2);
    lease.discard(CloseReason::Requested);
    sleep(ms(1)).await;
    assert_eq!(
        *server.closes.lock().unwrap(),
        [(1, CloseReason::Broken), (2, CloseReason::Requested)]
    );
    assert_eq!(server.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_fails_waiters_waits_for_leases_and_reports_the_rest() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let held = pool.acquire(&labelled("job")).await.unwrap();
    let _other = pool.acquire(&request()).await.unwrap();
    let waiter = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(&request()).await.map(drop) }
    });
    sleep(ms(1)).await;
    let report = pool.close(ms(100)).await;
    assert_eq!(report.holders.len(), 2);
    assert_eq!(report.holders[0].label.as_deref(), Some("job"));
    assert_eq!(waiter.await.unwrap().unwrap_err().kind(), AcquireErrorKind::Closed);
    assert_eq!(pool.acquire(&request()).await.unwrap_err().kind(), AcquireErrorKind::Closed);
    drop((held, _other));
    assert!(pool.close(ms(100)).await.is_clean());
    assert_eq!(server.live(), 0);
}
