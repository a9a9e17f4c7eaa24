//! `transaction_max`: a forgotten transaction ends, though nobody calls.

use std::time::Duration;

use aquifer::{Db, DbOptions, ErrorKind};
use aquifer_testkit::fake::{FakeServer, Operation};

use crate::support::*;

fn open_limited(server: &FakeServer) -> Db {
    open_with(server, |options| {
        options.calls.transaction_max = Some(ms(200));
        options.pool.max_open = 2;
    })
}

/// Lets time pass until the server has no open transaction.
async fn until_rolled_back(server: &FakeServer) {
    for _ in 0..1000 {
        if server.connections().iter().all(|book| !book.in_transaction) {
            return;
        }
        tokio::time::sleep(ms(10)).await;
    }
    panic!("the transaction is still open: {:#?}", server.connections());
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_transaction_is_rolled_back_while_nobody_calls() {
    let server = FakeServer::new();
    let db = open_limited(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    until_rolled_back(&server).await;
    assert_eq!(balances(&db).await, [100, 100]);
    let sent = server.log().len();
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert!(error.to_string().contains("transaction_max"), "{error}");
    let error = tx.get::<i64>("SELECT 1", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxDone);
    assert_eq!(server.log().len(), sent, "nothing more is sent");
    settled_in_time(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn forgotten_rows_within_a_transaction_do_not_keep_it_open() {
    let server = FakeServer::new();
    let db = open_limited(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    let mut rows = tx.query("SELECT n FROM series(1, 100000)", ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    until_rolled_back(&server).await;
    let error = loop {
        match rows.next().await {
            Ok(row) => assert!(row.is_some(), "the rows came to their end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::TxDone | ErrorKind::Timeout), "{error}");
    drop(rows);
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert!(error.to_string().contains("transaction_max"), "{error}");
    tx.rollback().await.unwrap();
    settled_in_time(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_held_connection_begins_anew_and_only_its_transactions_are_watched() {
    let server = FakeServer::new();
    let db = open_limited(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    until_rolled_back(&server).await;
    drop(tx);
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (5, 1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [95, 100]);
    // One that the user's own SQL begins has no owner here, and no limit.
    conn.exec("BEGIN", ()).await.unwrap();
    conn.exec(TAKE, (5, 2)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    conn.exec("COMMIT", ()).await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await, [95, 95]);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn transactions_that_end_in_time_are_not_rolled_back() {
    let server = FakeServer::new();
    let db = open_limited(&server);
    accounts(&db).await;
    for _ in 0..5 {
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        tokio::time::sleep(ms(100)).await;
        tx.commit().await.unwrap();
    }
    assert_eq!(balances(&db).await, [95, 100]);
    assert_eq!(count(&server, Operation::Rollback), 0);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_forgotten_transaction_of_sqlite_lets_others_write() {
    let folder = Folder::new("forgotten");
    let mut options = DbOptions::default();
    options.calls.transaction_max = Some(ms(200));
    let db = Db::builder(&folder.url()).unwrap().options(options).open().unwrap();
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    // Another process, in effect: it waits for the lock, and gets it without a call of the `Tx`.
    let other = Db::connect(&folder.url()).await.unwrap();
    let other = other.timeout(Duration::from_secs(60));
    loop {
        match other.exec(TAKE, (5, 2)).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}"),
        }
    }
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert!(error.to_string().contains("transaction_max"), "{error}");
    drop(tx);
    assert_eq!(balances(&db).await, [100, 95]);
}
