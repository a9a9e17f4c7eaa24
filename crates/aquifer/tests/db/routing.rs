//! Layouts: one connection that is the database, and readers beside a writer.

use aquifer::driver::{Access, Layout};
use aquifer::{Db, ErrorKind, Multiplexing, TxOptions};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};

use crate::support::*;

fn split() -> (FakeServer, Db) {
    let server = FakeServer::with_options(FakeOptions::new().layout(Layout::ReadersAndWriter));
    let db = builder(&server).max_open(4).open().unwrap();
    (server, db)
}

fn writers(server: &FakeServer) -> usize {
    server.connections().iter().filter(|book| book.access == Access::ReadWrite).count()
}

/// The access of the connection that ran the last statement with this text.
fn ran_on(server: &FakeServer, text: &str) -> Access {
    let entry = server
        .log()
        .into_iter()
        .rfind(|entry| entry.sql.as_deref().is_some_and(|sql| sql.contains(text)))
        .unwrap();
    let books = server.connections();
    books.iter().find(|book| book.number == entry.connection).unwrap().access
}

#[tokio::test]
async fn reads_go_to_readers_and_writes_to_the_writer() {
    let (server, db) = split();
    accounts(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    db.exec(TAKE, (1, 1)).await.unwrap();
    assert_eq!(ran_on(&server, "SELECT balance"), Access::ReadOnly);
    assert_eq!(ran_on(&server, "UPDATE"), Access::ReadWrite);
    let names: Vec<_> = db.stats().pools.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["readers", "writer"]);
    assert_eq!(db.stats().max_open_connections, 4);
    assert_eq!(writers(&server), 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_read_that_was_misjudged_goes_to_the_writer_and_is_remembered() {
    let (server, db) = split();
    let text = "SELECT 1 AS misjudged";
    server.set_hook(move |event| {
        // The engine's word: on a reader this is refused.
        let reader = event.connection == 1;
        (event.operation == Operation::Execute && reader && event.sql == Some(text))
            .then_some(Fault::Fail(ErrorKind::ReadOnly))
    });
    for _ in 0..3 {
        assert_eq!(db.get::<i64>(text, ()).await.unwrap(), 1);
    }
    let runs: Vec<_> = server
        .log()
        .into_iter()
        .filter(|entry| entry.sql.as_deref() == Some(text))
        .map(|entry| entry.connection)
        .collect();
    assert_eq!(runs, [1, 2, 2, 2]);
    assert_eq!(db.stats().calls.calls, 3);
    assert_eq!(db.stats().calls.failures, 0);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_misjudged_read_that_was_to_share_a_flight_is_counted_as_gone_elsewhere() {
    let server = FakeServer::with_options(FakeOptions::new().layout(Layout::ReadersAndWriter));
    let db = builder(&server).max_open(2).multiplex(Multiplexing::Reads).open().unwrap();
    let text = "SELECT 1 AS misjudged";
    server.set_hook(move |event| {
        let misjudged = event.sql.is_some_and(|sql| sql.contains(text));
        (misjudged && event.connection == 1).then_some(Fault::Fail(ErrorKind::ReadOnly))
    });
    for _ in 0..3 {
        assert_eq!(db.get::<i64>(text, ()).await.unwrap(), 1);
    }
    assert_eq!(db.get::<i64>("SELECT 2", ()).await.unwrap(), 2);
    let counted = db.stats().multiplex;
    assert_eq!((counted.shared, counted.flights, counted.elsewhere), (2, 2, 1), "{counted:?}");
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_read_only_scope_refuses_writes() {
    let (server, db) = split();
    accounts(&db).await;
    let reader = db.read_only();
    let error = reader.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let mut tx = reader.begin().await.unwrap();
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(tx.get::<i64>("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap(), 100);
    tx.commit().await.unwrap();
    let mut conn = reader.acquire().await.unwrap();
    assert_eq!(conn.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    drop(conn);
    assert_eq!(balances(&db).await, [100, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_read_only_scope_begins_read_only_transactions_where_all_connections_are_equal() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut tx = db.read_only().begin().await.unwrap();
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    tx.rollback().await.unwrap();
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn transactions_and_batches_go_where_their_kind_belongs() {
    let (server, db) = split();
    accounts(&db).await;
    let mut tx = db.begin_with(TxOptions::new().read_only()).await.unwrap();
    let _: i64 = tx.get("SELECT 11", ()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ran_on(&server, "SELECT 11"), Access::ReadOnly);
    let mut tx = db.begin().await.unwrap();
    let _: i64 = tx.get("SELECT 12", ()).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(ran_on(&server, "SELECT 12"), Access::ReadWrite);
    let mut batch = db.batch();
    let one = batch.get::<i64>("SELECT 13", ());
    let two = batch.get::<i64>("SELECT 14", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!((done.take(one).unwrap(), done.take(two).unwrap()), (13, 14));
    assert_eq!(ran_on(&server, "SELECT 13"), Access::ReadOnly);
    let mut batch = db.batch();
    let one = batch.get::<i64>("SELECT 15", ());
    let two = batch.exec(TAKE, (1, 1));
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(one).unwrap(), 15);
    assert_eq!(done.take(two).unwrap().rows_affected(), 1);
    assert_eq!(ran_on(&server, "SELECT 15"), Access::ReadWrite);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_split_pool_cannot_shrink_to_less_than_a_writer_and_a_reader() {
    let (server, db) = split();
    assert_eq!(db.resize(1).unwrap_err().kind(), ErrorKind::Configuration);
    db.resize(2).unwrap();
    accounts(&db).await;
    let held = db.read_only().acquire().await.unwrap();
    assert_eq!(db.stats().max_open_connections, 2);
    assert_eq!(server.counters().open, 2);
    drop(held);
}

#[tokio::test]
async fn with_a_limit_of_one_the_one_connection_reads_and_writes() {
    let server = FakeServer::with_options(FakeOptions::new().layout(Layout::ReadersAndWriter));
    let db = open_one(&server);
    accounts(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(server.counters().connects, 1);
}

fn memory() -> (FakeServer, Db) {
    let server = FakeServer::with_options(FakeOptions::like_sqlite().layout(Layout::One));
    let db = builder(&server)
        .max_open(8)
        .max_idle(0)
        .max_lifetime(ms(1000))
        .max_idle_time(ms(1000))
        .set("check_on_acquire", "true")
        .unwrap()
        .set("recover_timeout", "1ms")
        .unwrap()
        .open()
        .unwrap();
    (server, db)
}

#[tokio::test(start_paused = true)]
async fn the_only_connection_is_never_closed_for_age_idleness_or_a_failed_check() {
    let (server, db) = memory();
    server.inject(Injection::new(Operation::Ping, Fault::Fail(ErrorKind::Database)).always());
    accounts(&db).await;
    for _ in 0..10 {
        tokio::time::sleep(ms(60_000)).await;
        assert_eq!(balances(&db).await, [100, 100]);
    }
    assert_eq!(db.stats().max_open_connections, 1);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn no_cancelled_call_costs_the_only_connection() {
    let (server, db) = memory();
    accounts(&db).await;
    // A recovery that takes far longer than its budget elsewhere.
    server.set_latency(Operation::Recover, Some(ms(5_000)));
    for round in 0..5 {
        let quick = db.timeout(ms(10));
        assert_eq!(quick.exec("SLEEP 60000", ()).await.unwrap_err().kind(), ErrorKind::Timeout);
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        match round % 3 {
            0 => drop(tx),
            1 => {
                tx.set_timeout(Some(ms(1)));
                assert!(tx.exec("SLEEP 60000", ()).await.is_err());
                drop(tx);
            }
            _ => tx.rollback().await.unwrap(),
        }
        assert_eq!(db.timeout(ms(60_000)).get::<i64>("SELECT 1", ()).await.ok(), {
            // The queue's own budget may pass first.
            if round % 3 == 2 { Some(1) } else { None }
        });
        settled_in_time(&db).await;
    }
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn the_only_connection_cannot_be_multiplied() {
    let (_server, db) = memory();
    let error = db.resize(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    db.resize(1).unwrap();
    assert_eq!(db.warm_up(5).await.unwrap().open, 1);
}

#[tokio::test]
async fn a_batch_that_was_misjudged_goes_to_the_writer_as_a_whole() {
    let (server, db) = split();
    let text = "SELECT 1 AS misjudged";
    db.get::<i64>("SELECT 0", ()).await.unwrap();
    server.set_hook(move |event| {
        // The engine's word: on a reader this is refused.
        let misjudged = event.sql.is_some_and(|sql| sql.contains(text));
        (misjudged && event.connection == 1).then_some(Fault::Fail(ErrorKind::ReadOnly))
    });
    for _ in 0..3 {
        let mut batch = db.batch();
        let read = batch.get::<i64>("SELECT 2", ());
        let misjudged = batch.get::<i64>(text, ());
        let mut done = batch.send().await.unwrap();
        assert_eq!(done.take(read).unwrap(), 2);
        assert_eq!(done.take(misjudged).unwrap(), 1);
    }
    let batches = server.log().into_iter().filter(|entry| entry.operation == Operation::Batch);
    let runs: Vec<_> = batches.map(|entry| entry.connection == 1).collect();
    assert_eq!(runs, [true, false, false, false], "remembered");
    // Where only readers are wanted, the refusal is the answer.
    let reading = db.read_only();
    let mut batch = reading.batch();
    let refused = batch.get::<i64>(text, ());
    let sent = batch.send().await;
    let error = match sent {
        Ok(mut done) => done.take(refused).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert_at_rest(&db, &server);
}
