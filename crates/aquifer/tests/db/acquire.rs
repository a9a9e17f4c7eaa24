//! Getting a connection through a `Db`, and what the pool says when there is none.

use std::error::Error as _;
use std::time::Duration;

use aquifer::{ErrorKind, Retry};
use aquifer_testkit::Gate;
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_timeout_names_who_holds_the_connections() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(1).acquire_timeout(ms(250)).open().unwrap();
    let held = db.label("nightly.report").acquire().await.unwrap();
    let error = db.label("stations.get").get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    assert_eq!(error.label(), Some("stations.get"));
    assert_eq!(error.retry(), Retry::Safe);
    let text = error.to_string();
    assert!(text.contains("nightly.report") && text.contains("1 of 1"), "{text}");
    drop(held);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_call_beside_the_only_connections_transaction_is_refused_at_once() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(1).open().unwrap();
    let begun = tokio::time::Instant::now();
    let placed = db.label("orders.place");
    let nested = placed.transaction(async |tx| {
        assert_eq!(tx.get::<i64>("SELECT 1", ()).await?, 1);
        db.label("stock.get").get::<i64>("SELECT 2", ()).await
    });
    let error = nested.await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(0), "no budget was spent");
    assert_eq!(error.kind(), ErrorKind::PoolDeadlock);
    assert_eq!((error.retry(), error.nothing_sent()), (Retry::Never, true));
    assert_eq!(error.label(), Some("stock.get"));
    assert!(error.to_string().contains("orders.place"), "{error}");
    assert!(error.hint().unwrap().contains("`tx`"), "{error}");
    assert_eq!(db.stats().refused_deadlock, 1);
    // The transaction was rolled back; calls beside each other wait for each other as ever.
    let one = db.transaction(async |tx| tx.get::<i64>("SELECT 1", ()).await);
    let (one, two) = tokio::join!(one, db.get::<i64>("SELECT 2", ()));
    assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_names_what_the_dials_fail_with() {
    let server = FakeServer::new();
    server.inject(Injection::new(Operation::Connect, Fault::Fail(ErrorKind::Connect)).always());
    let db = open(&server);
    let error = db.get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    let text = error.to_string();
    assert!(text.contains("injected: the dial failed"), "{text}");
    assert!(error.source().is_none(), "the dial's words are in the message, and it had no cause");
    assert!(server.counters().dials > 1, "transient failures are tried again");
}

#[tokio::test(start_paused = true)]
async fn a_transient_connect_error_is_tried_again_until_it_works() {
    let server = FakeServer::new();
    server.inject(Injection::new(Operation::Connect, Fault::Fail(ErrorKind::Connect)).times(3));
    let db = open(&server);
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert_eq!(server.counters().dials, 4);
    assert_eq!(db.stats().connects_failed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_connect_error_comes_through_at_once_as_itself() {
    let server = FakeServer::new();
    server.fail_next(Operation::Connect, Fault::FailForGood(ErrorKind::Authentication));
    let db = open(&server);
    let error = db.exec("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.nothing_sent());
    assert!(error.message().contains("refused for good"), "{error}");
    assert_eq!(server.counters().dials, 1);
}

#[tokio::test]
async fn beyond_max_waiters_a_call_is_refused_at_once() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(1).max_waiters(1).open().unwrap();
    let held = db.acquire().await.unwrap();
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.get::<i64>("SELECT 1", ()).await }
    });
    while db.stats().waiters == 0 {
        tokio::task::yield_now().await;
    }
    let error = db.get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolFull);
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(db.stats().refused_queue_full, 1);
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_scoped_and_acquire_timeout_bounds_the_queue() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(1).acquire_timeout(ms(500)).open().unwrap();
    let _held = db.acquire().await.unwrap();
    let start = tokio::time::Instant::now();
    let error = db.timeout(ms(100)).get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    // Paused time: what passed is what was waited for.
    let first = start.elapsed();
    let error = db.timeout(Duration::from_secs(60)).get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    let second = start.elapsed() - first;
    assert!(first < ms(150) && second >= ms(500) && second < ms(600), "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn the_default_query_timeout_covers_every_call_and_a_scope_overrules_it() {
    let server = FakeServer::new();
    let db = builder(&server).query_timeout(ms(100)).open().unwrap();
    let error = db.exec("SLEEP 200", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    db.timeout(ms(300)).exec("SLEEP 200", ()).await.unwrap();
    db.without_timeout().exec("SLEEP 200", ()).await.unwrap();
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_covers_the_reading_of_slow_batches() {
    let server = FakeServer::new();
    server.set_latency(Operation::Fetch, Some(ms(40)));
    let db = builder(&server).max_open(1).open().unwrap();
    let mut rows = db.timeout(ms(100)).query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
    let mut seen = 0;
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => seen += 1,
            Ok(None) => panic!("the deadline must pass first"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(seen, 64 * 3);
    assert!(rows.next().await.unwrap().is_none(), "closed after the error");
    drop(rows);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
    assert_eq!(server.counters().connects, 1);
}

#[tokio::test]
async fn a_timeout_beyond_all_time_is_none() {
    let server = FakeServer::new();
    let db = open(&server);
    assert_eq!(db.timeout(Duration::MAX).get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert!(db.close_within(Duration::MAX).await.is_clean());
}

#[tokio::test]
async fn warm_up_reports_a_partial_result() {
    let server = FakeServer::with_options(FakeOptions::new().connections_max(2));
    let db = builder(&server).max_open(5).open().unwrap();
    let report = db.warm_up(4).await.unwrap();
    assert_eq!((report.wanted, report.open), (4, 2));
    assert!(report.failed > 0);
    assert_eq!(report.last_error.unwrap().kind(), ErrorKind::Connect);
    let report = db.warm_up(2).await.unwrap();
    assert_eq!((report.wanted, report.open, report.failed), (2, 2, 0));
}

#[tokio::test]
async fn a_smaller_limit_closes_what_is_idle_and_what_comes_back() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(4).open().unwrap();
    db.warm_up(4).await.unwrap();
    let held = db.acquire().await.unwrap();
    db.resize(1).unwrap();
    while db.stats().closing > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.counters().open, 1);
    assert_eq!(db.stats().max_open_connections, 1);
    drop(held);
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert_eq!(db.resize(0).unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn close_reports_who_is_still_out_and_a_second_close_is_harmless() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(3).open().unwrap();
    db.warm_up(3).await.unwrap();
    let held = db.label("import").acquire().await.unwrap();
    let closed = db.close_within(ms(100)).await;
    assert!(!closed.is_clean());
    assert_eq!(closed.unfinished(), 0, "what is still out is in hand");
    assert_eq!(closed.still_out().len(), 1);
    assert_eq!(closed.still_out()[0].label.as_deref(), Some("import"));
    assert_eq!(server.connectors_closed(), 0);
    assert_eq!(db.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(db.begin().await.unwrap_err().kind(), ErrorKind::Closed);
    drop(held);
    assert!(db.close().await.is_clean());
    assert!(db.close().await.is_clean());
    assert_eq!(server.connectors_closed(), 1);
    drop(db);
    assert_eq!(server.connectors_closed(), 1);
    server.assert_clean();
}

#[tokio::test]
async fn a_connector_hears_of_the_end_even_if_nobody_closed() {
    let server = FakeServer::new();
    let db = open(&server);
    let held = db.acquire().await.unwrap();
    drop(db);
    assert_eq!(server.connectors_closed(), 0);
    drop(held);
    while server.connectors_closed() == 0 {
        tokio::task::yield_now().await;
    }
    server.assert_clean();
}

#[tokio::test]
async fn close_lets_open_work_finish_and_fails_those_who_wait() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(2).open().unwrap();
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    let mut rows = db.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.get::<i64>("SELECT 1", ()).await }
    });
    while db.stats().waiters == 0 {
        tokio::task::yield_now().await;
    }
    let closing = tokio::spawn({
        let db = db.clone();
        async move { db.close().await }
    });
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let mut seen = 0;
    while rows.next().await.unwrap().is_some() {
        seen += 1;
    }
    assert_eq!(seen, 1000);
    tx.exec(TAKE, (1, 1)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(closing.await.unwrap().is_clean());
    assert_eq!(server.counters().commits, 1);
    server.assert_clean();
}

#[tokio::test]
async fn close_during_a_dial_leaves_nothing() {
    let server = FakeServer::new();
    let gate = Gate::new();
    server.fail_next(Operation::Connect, Fault::Hold(gate.clone()));
    let db = open(&server);
    let dialling = tokio::spawn({
        let db = db.clone();
        async move { db.get::<i64>("SELECT 1", ()).await }
    });
    while gate.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(db.close().await.is_clean());
    assert_eq!(dialling.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    gate.open();
    server.assert_clean();
}

#[tokio::test]
async fn statistics_count_as_go_counts() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(2).max_idle(1).open().unwrap();
    let one = db.acquire().await.unwrap();
    let two = db.acquire().await.unwrap();
    let stats = db.stats();
    assert_eq!((stats.max_open_connections, stats.open_connections), (2, 2));
    assert_eq!((stats.in_use, stats.idle), (2, 0));
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.get::<i64>("SELECT 1", ()).await }
    });
    while db.stats().waiters == 0 {
        tokio::task::yield_now().await;
    }
    let waits = db.stats().wait_count;
    drop(one);
    waiting.await.unwrap().unwrap();
    drop(two);
    settled(&db).await;
    let stats = db.stats();
    // The first two had to wait for their dials, the third for a connection.
    assert_eq!((waits, stats.wait_count), (3, 3));
    assert_eq!((stats.in_use, stats.idle, stats.max_idle_closed), (0, 1, 1));
    assert_eq!(stats.acquires, 3);
    assert_eq!(stats.hold.count(), 3);
    assert_at_rest(&db, &server);
}
