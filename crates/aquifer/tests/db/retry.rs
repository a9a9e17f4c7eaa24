//! Connections that are found dead: tried again while nothing was sent, and never otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aquifer::driver::{ParamSink, ToValue, ValueRef};
use aquifer::{ErrorKind, Result, Retry, TxOptions};
use aquifer_testkit::fake::{FakeServer, Fault, Injection, Operation};

use crate::support::*;

/// An argument that counts how often it is bound.
struct Counting(Arc<AtomicUsize>);

impl ToValue for Counting {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        sink.put(ValueRef::Int(7))
    }
}

#[tokio::test]
async fn a_connection_dead_before_anything_was_sent_is_replaced_unseen() {
    let server = FakeServer::new();
    let db = open(&server);
    db.ping().await.unwrap();
    server.fail_next(Operation::Execute, Fault::LostUnsent);
    let bound = Arc::new(AtomicUsize::new(0));
    let got: i64 = db.get("SELECT ?", (Counting(Arc::clone(&bound)),)).await.unwrap();
    assert_eq!(got, 7);
    assert_eq!(bound.load(Ordering::Relaxed), 2, "the arguments are bound for each try");
    assert_eq!(server.counters().connects, 2);
    let calls = db.stats().calls;
    assert_eq!((calls.calls, calls.failures), (1, 0));
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn there_are_at_most_three_tries() {
    let server = FakeServer::new();
    let db = open(&server);
    server.inject(Injection::new(Operation::Execute, Fault::LostUnsent).always());
    let error = db.exec("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(count(&server, Operation::Execute), 3);
    assert_eq!(db.stats().calls.calls, 1);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn the_last_try_survives_a_pool_full_of_dead_connections() {
    let server = FakeServer::new();
    let db = builder(&server).max_open(10).open().unwrap();
    assert_eq!(db.warm_up(10).await.unwrap().open, 10);
    // The server was restarted: whatever was open before is dead.
    server.set_hook(|event| {
        let old = (1..=10).contains(&event.connection);
        (old && event.operation != Operation::Close).then_some(Fault::LostUnsent)
    });
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert_eq!(count(&server, Operation::Execute), 3);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn nothing_is_tried_again_once_it_may_have_been_sent() {
    for fault in [Fault::LostUndone, Fault::LostDone, Fault::Protocol] {
        let server = FakeServer::new();
        let db = open(&server);
        accounts(&db).await;
        let done = matches!(fault, Fault::LostDone);
        server.inject(Injection::new(Operation::Execute, fault).matching("UPDATE"));
        let error = db.exec(TAKE, (1, 1)).await.unwrap_err();
        assert!(!error.nothing_sent());
        assert_eq!(balances(&db).await, [100 - i64::from(done), 100]);
        assert_eq!(server.texts().iter().filter(|sql| sql.contains("UPDATE")).count(), 1);
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn within_a_transaction_or_a_held_connection_nothing_is_tried_again() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    server.inject(Injection::new(Operation::Execute, Fault::LostUnsent).matching("UPDATE"));
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.to_string().contains("injected"), "it says why: {error}");
    assert!(tx.commit().await.is_err());
    let mut conn = db.acquire().await.unwrap();
    server.inject(Injection::new(Operation::Execute, Fault::LostUnsent).matching("UPDATE"));
    assert!(conn.exec(TAKE, (1, 1)).await.is_err());
    assert!(conn.exec(TAKE, (1, 1)).await.is_err());
    drop(conn);
    assert_eq!(server.texts().iter().filter(|sql| sql.contains("UPDATE")).count(), 2);
    assert_eq!(balances(&db).await, [100, 100]);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn begin_and_prepare_are_tried_again() {
    let server = FakeServer::new();
    let db = open(&server);
    db.ping().await.unwrap();
    server.fail_next(Operation::Begin, Fault::LostUnsent);
    let tx = db.begin().await.unwrap();
    tx.commit().await.unwrap();
    server.fail_next(Operation::Prepare, Fault::LostUnsent);
    let stmt = db.prepare("SELECT 1 AS one").await.unwrap();
    assert_eq!(stmt.columns().names().collect::<Vec<_>>(), ["one"]);
    assert_eq!(count(&server, Operation::Begin), 2);
    assert_eq!(count(&server, Operation::Prepare), 2);
    // Not where the answer was lost: the transaction may be open.
    server.fail_next(Operation::Begin, Fault::LostDone);
    assert_eq!(db.begin().await.unwrap_err().kind(), ErrorKind::ConnectionLost);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_begin_that_deletes_old_marks_first_may_be_called_again_whatever_became_of_them() {
    let marked = TxOptions::new().mark_commit();
    for fault in [Fault::LostUnsent, Fault::LostUndone, Fault::LostDone, Fault::Protocol] {
        let server = FakeServer::new();
        let db = open(&server);
        let table = "CREATE TABLE aquifer_commits (id TEXT PRIMARY KEY, done INTEGER NOT NULL)";
        db.exec(table, ()).await.unwrap();
        // So many are deleted at a time.
        for _ in 0..64 {
            db.begin_with(marked).await.unwrap().commit().await.unwrap();
        }
        let begun = count(&server, Operation::Begin);
        let fails = || Injection::new(Operation::Script, fault.clone()).matching("DELETE");
        let mut conn = db.acquire().await.unwrap();
        server.inject(fails());
        let error = conn.begin_with(marked).await.unwrap_err();
        assert!(error.is_connection_lost(), "{error:?}");
        assert_eq!((error.nothing_sent(), error.retry()), (true, Retry::Safe), "{error:?}");
        drop(conn);
        // Where the connection is the pool's choice, it is done.
        server.inject(fails());
        db.begin_with(marked).await.unwrap().commit().await.unwrap();
        assert_eq!(count(&server, Operation::Begin), begun + 1);
        let left: i64 = db.get("SELECT count(*) FROM aquifer_commits", ()).await.unwrap();
        assert_eq!(left, 1, "they are deleted in the end");
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn of_a_ping_only_the_acquisition_is_tried_again() {
    let server = FakeServer::new();
    let db = open(&server);
    db.ping().await.unwrap();
    server.fail_next(Operation::Ping, Fault::LostUnsent);
    assert_eq!(db.ping().await.unwrap_err().kind(), ErrorKind::ConnectionLost);
    settled(&db).await;
    assert_eq!(db.stats().open_connections, 0, "the dead connection is gone");
    db.ping().await.unwrap();
    server.fail_next(Operation::Ping, Fault::Fail(ErrorKind::Permission));
    assert_eq!(db.ping().await.unwrap_err().kind(), ErrorKind::Permission);
    assert_eq!(db.stats().open_connections, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_driver_that_panics_costs_one_connection_and_nothing_else() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    server.inject(Injection::new(Operation::Execute, Fault::Panic).matching("UPDATE"));
    let task = tokio::spawn({
        let db = db.clone();
        async move { db.exec(TAKE, (1, 1)).await }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(balances(&db).await, [100, 100]);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_batch_on_a_dead_connection_is_sent_on_another_one_if_nothing_was_sent() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    server.fail_next(Operation::Batch, Fault::LostUnsent);
    let bound = Arc::new(AtomicUsize::new(0));
    let mut batch = db.batch();
    let taken = batch.exec(TAKE, (1, 1));
    let got = batch.get::<i64>("SELECT ?", (Counting(Arc::clone(&bound)),));
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(taken).unwrap().rows_affected(), 1);
    assert_eq!(done.take(got).unwrap(), 7);
    assert_eq!(bound.load(Ordering::Relaxed), 1, "the arguments were copied when they were given");
    assert_eq!(balances(&db).await, [99, 100]);
    assert_eq!(server.counters().connects, 2);

    server.fail_next(Operation::Batch, Fault::LostDone);
    let mut batch = db.batch();
    let _ = batch.exec(TAKE, (1, 1));
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Unknown));
    assert_eq!(balances(&db).await, [98, 100], "what may have been done is not done again");

    server.inject(Injection::new(Operation::Batch, Fault::LostUnsent).always());
    let mut batch = db.batch();
    let _ = batch.exec(TAKE, (1, 1));
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Safe));
    settled(&db).await;
    assert_at_rest(&db, &server);
}
