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

/// A batch of `TAKE`s on the first account, of which the one at `failing` is a duplicate instead.
async fn atomically(batch: aquifer::Batch<'_>, failing: Option<usize>) -> aquifer::Result<u64> {
    let mut batch = batch.atomic();
    let tickets: Vec<_> = (0..3)
        .map(|n| match failing == Some(n) {
            true => batch.exec(DUPLICATE, ()),
            false => batch.exec(TAKE, (1, 1)),
        })
        .collect();
    let mut done = batch.send().await?;
    tickets.into_iter().map(|ticket| done.take(ticket).map(|done| done.rows_affected())).sum()
}

#[tokio::test]
async fn an_atomic_batch_is_all_or_nothing_wherever_it_runs() {
    for options in [FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        accounts(&db).await;
        for failing in 0..3 {
            let error = atomically(db.label("nightly").batch(), Some(failing)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UniqueViolation);
            assert_eq!(error.statement(), Some(failing as u32 + 1));
            assert_eq!(error.label(), Some("nightly"));
            let mut conn = db.acquire().await.unwrap();
            atomically(conn.batch(), Some(failing)).await.unwrap_err();
            // The transaction around it goes on.
            let mut tx = conn.begin().await.unwrap();
            tx.exec(TAKE, (1, 2)).await.unwrap();
            atomically(tx.batch(), Some(failing)).await.unwrap_err();
            tx.exec(TAKE, (1, 2)).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(
                conn.get::<i64>("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap(),
                100
            );
        }
        // Nobody counts as done what was undone.
        let (_, nightly) = db.label_stats().into_iter().next().unwrap();
        assert_eq!((nightly.calls, nightly.failures), (9, 9));
        assert_eq!(atomically(db.batch(), None).await.unwrap(), 3);
        let mut tx = db.begin().await.unwrap();
        assert_eq!(atomically(tx.batch(), None).await.unwrap(), 3);
        let mut savepoint = tx.savepoint().await.unwrap();
        assert_eq!(atomically(savepoint.batch(), None).await.unwrap(), 3);
        savepoint.rollback().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(balances(&db).await, [94, 94]);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn an_atomic_batch_with_a_statement_that_cannot_be_sent_is_not_sent() {
    let server = FakeServer::new();
    let db = open(&server);
    for (text, kind) in
        [("SELECT ?", ErrorKind::ArgumentMismatch), ("COMMIT", ErrorKind::TxControl)]
    {
        let mut batch = db.batch().atomic();
        drop(batch.exec(TAKE, (1, 1)));
        drop(batch.exec(text, ()));
        let error = batch.send().await.unwrap_err();
        assert_eq!((error.kind(), error.nothing_sent()), (kind, true));
    }
    assert_eq!(server.counters().connects, 0);
}

#[tokio::test]
async fn an_atomic_batch_that_is_dropped_or_lost_or_late_is_undone() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    for operation in [Operation::Begin, Operation::Batch] {
        server.fail_next(operation, Fault::LostUndone);
        // A connection that was dead before anything was sent is replaced.
        let _ = atomically(db.batch(), Some(2)).await.unwrap_err();
        assert_eq!(balances(&db).await, [100, 100]);
    }
    let mut batch = db.batch().atomic();
    drop(batch.exec(TAKE, (1, 1)));
    drop(batch.exec("SLEEP 60000", ()));
    let sending = batch.send();
    tokio::select! {
        biased;
        done = sending => panic!("{done:?}"),
        () = async { for _ in 0..50 { tokio::task::yield_now().await } } => {}
    }
    settled_in_time(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    let quick = db.timeout(ms(10));
    let mut batch = quick.batch().atomic();
    drop(batch.exec(TAKE, (1, 1)));
    drop(batch.exec("SLEEP 60000", ()));
    assert_eq!(batch.send().await.unwrap_err().kind(), ErrorKind::Timeout);
    settled_in_time(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn over_sqlite_an_atomic_batch_reads_and_writes_where_it_may() {
    let folder = Folder::new("atomic");
    let db = aquifer::Db::open(&folder.url()).unwrap();
    db.exec("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER)", ()).await.unwrap();
    db.exec("INSERT INTO accounts VALUES (1, 100)", ()).await.unwrap();
    for failing in 0..3 {
        let error = atomically(db.batch(), Some(failing)).await.unwrap_err();
        assert_eq!(error.statement(), Some(failing as u32 + 1));
    }
    assert_eq!(atomically(db.batch(), None).await.unwrap(), 3);
    let mut batch = db.batch().atomic();
    let one = batch.get::<i64>("SELECT balance FROM accounts", ());
    let two = batch.get::<i64>("SELECT count(*) FROM accounts", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!((done.take(one).unwrap(), done.take(two).unwrap()), (97, 1));
    let refused = atomically(db.read_only().batch(), None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
}
