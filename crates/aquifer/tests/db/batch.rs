//! Batches: whose result is whose.

use aquifer::ErrorKind;
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Operation};

use crate::support::*;

const DUPLICATE: &str = "INSERT INTO accounts VALUES (1, 0)";

#[tokio::test]
async fn a_failure_at_any_place_is_its_own_and_the_others_have_theirs() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    for failing in 0..4 {
        let mut batch = db.batch();
        let tickets: Vec<_> = (0..4)
            .map(|n| {
                if n == failing {
                    batch.exec(DUPLICATE, ())
                } else {
                    batch.exec("UPDATE accounts SET balance = ? WHERE id = 2", (n,))
                }
            })
            .collect();
        assert_eq!((batch.len(), batch.is_empty()), (4, false));
        let mut done = batch.send().await.unwrap();
        for (n, ticket) in tickets.into_iter().enumerate() {
            let result = done.take(ticket);
            if n == failing {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::UniqueViolation);
            } else {
                assert_eq!(result.unwrap().rows_affected(), 1);
            }
        }
        done.finish().unwrap();
    }
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn every_kind_of_result_finds_its_ticket() {
    let server = FakeServer::with_options(FakeOptions::new().batch_rows_max(3));
    let db = open_one(&server);
    accounts(&db).await;
    let mut batch = db.batch();
    let all = batch.select::<i64>("SELECT n FROM series(1, ?)", (10,));
    let none = batch.get_optional::<i64>("SELECT balance FROM accounts WHERE id = ?", (9,));
    let missing = batch.get::<i64>("SELECT balance FROM accounts WHERE id = ?", (9,));
    let one = batch.get::<(i64, i64)>("SELECT id, balance FROM accounts WHERE id = ?", (1,));
    let wrong = batch.get::<(i64, i64)>("SELECT id FROM accounts WHERE id = ?", (1,));
    let refused = batch.exec("UPDATE accounts SET balance = ?", ());
    let script = batch.exec("SELECT 1; SELECT 2", ());
    let list = batch.select::<i64>(
        "SELECT id FROM accounts WHERE id IN (?) ORDER BY id",
        (aquifer::list(&[1, 2]),),
    );
    let empty = batch.select::<i64>("SELECT id FROM accounts WHERE id = 9", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(list).unwrap(), [1, 2]);
    assert_eq!(done.take(none).unwrap(), None);
    assert_eq!(done.take(missing).unwrap_err().kind(), ErrorKind::NoRows);
    assert_eq!(done.take(one).unwrap(), (1, 100));
    assert!(done.take(wrong).is_err());
    assert_eq!(done.take(refused).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(done.take(script).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(done.take(all).unwrap(), (1..=10).collect::<Vec<i64>>());
    assert!(done.take(empty).unwrap().is_empty());
    assert_eq!(count(&server, Operation::Batch), 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_text_with_lists_and_without_them_is_another_one_each_time() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    const SOME: &str = "SELECT id FROM accounts WHERE id IN (?) ORDER BY id";
    let mut batch = db.batch();
    let one = batch.select::<i64>(SOME, (1,));
    let two = batch.select::<i64>(SOME, (aquifer::list(&[1, 2]),));
    let refused = batch.select::<i64>(SOME, (1, 2));
    let again = batch.select::<i64>(SOME, (2,));
    let other = batch.select::<i64>("SELECT id FROM accounts WHERE id = ?", (1,));
    let last = batch.select::<i64>(SOME, (aquifer::list(&[2]),));
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(one).unwrap(), [1]);
    assert_eq!(done.take(two).unwrap(), [1, 2]);
    assert_eq!(done.take(refused).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(done.take(again).unwrap(), [2]);
    assert_eq!(done.take(other).unwrap(), [1]);
    assert_eq!(done.take(last).unwrap(), [2]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn an_empty_batch_takes_no_connection() {
    let server = FakeServer::new();
    let db = open(&server);
    db.batch().send().await.unwrap().finish().unwrap();
    let mut batch = db.batch();
    let refused = batch.exec("SELECT ?", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(refused).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(server.counters().connects, 0);
}

#[tokio::test]
async fn a_ticket_of_another_batch_is_refused() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let mut first = db.batch();
    let mine = first.get::<i64>("SELECT 1", ());
    let mut second = db.batch();
    let theirs = second.get::<i64>("SELECT 2", ());
    let mut done = first.send().await.unwrap();
    assert_eq!(done.take(theirs).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(done.take(mine).unwrap(), 1);
    drop(second);
}

#[tokio::test]
async fn finish_gives_the_first_failure_that_nobody_took() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut batch = db.batch();
    let first = batch.exec(DUPLICATE, ());
    let _second = batch.exec("SELECT nonsense", ());
    let mut done = batch.send().await.unwrap();
    assert!(done.take(first).is_err());
    assert_eq!(done.finish().unwrap_err().kind(), ErrorKind::UndefinedObject);
}

#[tokio::test]
async fn within_a_transaction_a_failure_stops_the_rest() {
    for (options, lives) in
        [(FakeOptions::like_sqlite(), true), (FakeOptions::like_postgres(), false)]
    {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        let mut batch = tx.batch();
        let before = batch.exec(TAKE, (1, 1));
        let failed = batch.exec(DUPLICATE, ());
        let after = batch.exec(TAKE, (10, 1));
        let mut done = batch.send().await.unwrap();
        assert_eq!(done.take(before).unwrap().rows_affected(), 1);
        assert_eq!(done.take(failed).unwrap_err().kind(), ErrorKind::UniqueViolation);
        assert_eq!(done.take(after).unwrap_err().kind(), ErrorKind::TxFailed);
        let result = tx.commit().await;
        if lives {
            result.unwrap();
            assert_eq!(balances(&db).await, [99, 100]);
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TxFailed);
            assert!(
                error.to_string().contains("accounts") || error.to_string().contains("unique"),
                "it says why: {error}"
            );
            assert_eq!(balances(&db).await, [100, 100]);
        }
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_is_the_batchs_error() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    server.fail_next(Operation::Batch, Fault::LostUndone);
    let mut batch = db.batch();
    let _a = batch.exec(TAKE, (1, 1));
    let _b = batch.exec(TAKE, (1, 2));
    let error = batch.send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(balances(&db).await, [100, 100]);
    // In a transaction, too, and the transaction knows.
    let mut tx = db.begin().await.unwrap();
    server.fail_next(Operation::Batch, Fault::LostDone);
    let mut batch = tx.batch();
    let _a = batch.exec(TAKE, (1, 1));
    assert!(batch.send().await.is_err());
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::ConnectionLost);
    assert!(tx.commit().await.is_err());
    assert_eq!(balances(&db).await, [100, 100]);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_a_deadline() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let quick = db.timeout(ms(10)).label("nightly");
    let mut batch = quick.batch();
    let _a = batch.exec(TAKE, (1, 1));
    let _b = batch.exec("SLEEP 60000", ());
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.label()), (ErrorKind::Timeout, Some("nightly")));
    assert_eq!(balances(&db).await, [99, 100]);
    // On a held connection the next call goes on.
    let mut conn = db.acquire().await.unwrap();
    conn.set_timeout(Some(ms(10)));
    let mut batch = conn.batch();
    let _a = batch.exec("SLEEP 60000", ());
    assert!(batch.send().await.is_err());
    conn.set_timeout(None);
    conn.exec(TAKE, (1, 1)).await.unwrap();
    drop(conn);
    assert_eq!(server.counters().connects, 1);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}
