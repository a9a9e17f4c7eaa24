//! Several runtimes, and none.

use std::future::pending;

use aquifer::ErrorKind;
use aquifer_testkit::block_on;
use aquifer_testkit::fake::FakeServer;
use tokio::runtime::{Builder, Runtime};

use crate::support::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn open_needs_no_runtime_and_a_call_without_one_says_so() {
    let server = FakeServer::new();
    let db = open(&server);
    assert_eq!(db.stats().open_connections, 0);
    let error = block_on(db.get::<i64>("SELECT 1", ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime);
    assert!(error.nothing_sent());
    assert_eq!(runtime().block_on(db.get::<i64>("SELECT 1", ())).unwrap(), 1);
}

#[test]
fn a_runtime_without_timers_is_told_what_to_enable() {
    let server = FakeServer::new();
    let db = open(&server);
    let bare = Builder::new_current_thread().build().unwrap();
    let error = bare.block_on(db.get::<i64>("SELECT 1", ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime);
    assert!(error.message().contains("`enable_time`"), "{error}");
    assert!(error.nothing_sent());
    assert_eq!(runtime().block_on(db.get::<i64>("SELECT 1", ())).unwrap(), 1);
}

#[test]
fn what_is_idle_serves_without_a_runtime() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let first = runtime();
    first.block_on(accounts(&db));
    for _ in 0..3 {
        assert_eq!(block_on(balances(&db)), [100, 100]);
        // Also one that was made without timers, and with a timeout that needs none.
        let bare = Builder::new_current_thread().build().unwrap();
        assert_eq!(bare.block_on(db.get::<i64>("SELECT 1", ())).unwrap(), 1);
        assert_eq!(block_on(db.timeout(ms(1000)).get::<i64>("SELECT 1", ())).unwrap(), 1);
    }
    block_on(async {
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        tx.commit().await.unwrap();
    });
    assert_eq!(block_on(balances(&db)), [99, 100]);
    server.assert_no_violations();
}

#[test]
fn a_runtime_may_end_with_work_under_way() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(4).open().unwrap();
    let first = runtime();
    first.block_on(accounts(&db));
    for kind in 0..4 {
        let db = db.clone();
        first.spawn(async move {
            match kind {
                0 => {
                    let mut tx = db.begin().await.unwrap();
                    tx.exec(TAKE, (1, 1)).await.unwrap();
                    pending::<()>().await;
                }
                1 => {
                    let mut rows = db.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
                    rows.next().await.unwrap();
                    pending::<()>().await;
                }
                2 => drop(db.exec("SLEEP 60000", ()).await),
                _ => {
                    let _conn = db.acquire().await.unwrap();
                    pending::<()>().await;
                }
            }
        });
    }
    first.block_on(async {
        while db.stats().in_use < 4 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    assert_eq!(db.stats().in_use, 0);
    let second = runtime();
    second.block_on(async {
        assert_eq!(balances(&db).await, [100, 100]);
        // All of the limit can be used.
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(db.acquire().await.unwrap());
        }
        drop(held);
        settled_in_time(&db).await;
        assert_at_rest(&db, &server);
        assert!(db.close().await.is_clean());
    });
    server.assert_clean();
}

#[test]
fn two_runtimes_use_one_pool_side_by_side() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(2).open().unwrap();
    runtime().block_on(accounts(&db));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                runtime().block_on(async {
                    for _ in 0..50 {
                        let mut tx = db.begin().await.unwrap();
                        tx.exec(TAKE, (1, 1)).await.unwrap();
                        tx.exec(TAKE, (-1, 2)).await.unwrap();
                        tx.commit().await.unwrap();
                    }
                });
            });
        }
    });
    runtime().block_on(async {
        assert_eq!(balances(&db).await, [-50, 250]);
        assert_at_rest(&db, &server);
    });
}

#[test]
fn rows_transactions_and_connections_may_be_dropped_outside() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(3).open().unwrap();
    let first = runtime();
    let (tx, rows, conn) = first.block_on(async {
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        let mut rows = db.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
        rows.next().await.unwrap();
        let mut conn = db.acquire().await.unwrap();
        drop(conn.begin().await.unwrap());
        (tx, rows, conn)
    });
    drop(first);
    drop(tx);
    drop(rows);
    drop(conn);
    assert_eq!(db.stats().in_use, 0);
    runtime().block_on(async {
        assert_eq!(balances(&db).await, [100, 100]);
        settled_in_time(&db).await;
        assert_at_rest(&db, &server);
    });
}

#[test]
fn the_handle_may_be_dropped_outside() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(3).open().unwrap();
    let first = runtime();
    let tx = first.block_on(async {
        db.warm_up(3).await.unwrap();
        db.begin().await.unwrap()
    });
    drop(first);
    drop(db);
    drop(tx);
    server.assert_clean();
    assert_eq!(server.connectors_closed(), 1);
    // Within one, as the last thing a runtime does.
    let db = open(&server);
    runtime().block_on(db.ping()).unwrap();
    drop(db);
    server.assert_clean();
    assert_eq!(server.connectors_closed(), 2);
}

#[test]
fn close_outside_a_runtime_does_not_hang() {
    let server = FakeServer::new();
    let db = open(&server);
    runtime().block_on(db.ping()).unwrap();
    let _ = block_on(db.close());
    assert_eq!(block_on(db.ping()).unwrap_err().kind(), ErrorKind::Closed);
    drop(db);
    server.assert_clean();
}
