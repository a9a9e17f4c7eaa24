//! What a call that ran out of time says: where the time went, and whether it may be repeated.

use aquifer::{ErrorKind, Retry, TxOptions};
use aquifer_testkit::fake::{FakeServer, Fault, Injection, Operation};

use crate::support::{accounts, assert_at_rest, balances, ms, open, open_one, settled_in_time};

#[tokio::test(start_paused = true)]
async fn a_read_that_ran_out_of_time_may_be_repeated_and_a_write_may_not() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let quick = db.timeout(ms(50));
    server.inject(Injection::new(Operation::Execute, Fault::Hang).times(4));
    let read = quick.select::<i64>("SELECT balance FROM accounts", ()).await.unwrap_err();
    assert_eq!((read.kind(), read.retry()), (ErrorKind::Timeout, Retry::Safe));
    assert!(!read.nothing_sent());
    let one = quick.get::<i64>("SELECT balance FROM accounts", ()).await.unwrap_err();
    assert_eq!((one.kind(), one.retry()), (ErrorKind::Timeout, Retry::Safe));
    let write = quick.exec("UPDATE accounts SET balance = 0", ()).await.unwrap_err();
    assert_eq!((write.kind(), write.retry()), (ErrorKind::Timeout, Retry::Unknown));
    // A function of the user's may do anything; a text that is not known to read does not count as one.
    let unknown = quick.exec("SLEEP 60000", ()).await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.retry()), (ErrorKind::Timeout, Retry::Unknown));
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_reads_that_ran_out_of_time_may_be_repeated() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let quick = db.timeout(ms(50));
    for (second, retry) in [("SELECT 2", Retry::Safe), ("DELETE FROM accounts", Retry::Unknown)] {
        server.inject(Injection::new(Operation::Batch, Fault::Hang));
        let mut batch = quick.batch();
        let _ = batch.get::<i64>("SELECT 1", ());
        let _ = batch.exec(second, ());
        let error = batch.send().await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, retry), "{second}");
    }
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_begin_that_ran_out_of_time_has_not_begun_and_says_so() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let quick = db.timeout(ms(50));
    server.inject(Injection::new(Operation::Begin, Fault::Hang));
    let error = quick.begin_with(TxOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe));
    assert!(error.message().contains("before the transaction had begun"), "{error}");
    assert!(!error.to_string().contains("plan"), "{error}");
    settled_in_time(&db).await;
    assert_eq!(balances(&db).await, [100, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn time_that_a_slow_caller_spent_is_called_the_callers() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let quick = db.timeout(ms(50));
    for slow_caller in [true, false] {
        let mut rows = quick.query("SELECT n FROM series(1, 100000)", ()).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        if slow_caller {
            tokio::time::sleep(ms(60)).await;
        }
        server.inject(Injection::new(Operation::Fetch, Fault::Delay(ms(1000))));
        let error = loop {
            match rows.next().await {
                Ok(row) => assert!(row.is_some(), "the rows came to their end in time"),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe));
        assert_eq!(error.message().contains("the caller had the rows"), slow_caller, "{error}");
        drop(rows);
        settled_in_time(&db).await;
    }
    // A stream is read by the same rules.
    let mut stream = quick.stream::<i64>("SELECT n FROM series(1, 100000)", ());
    assert_eq!(stream.try_next().await.unwrap(), Some(1));
    tokio::time::sleep(ms(60)).await;
    server.inject(Injection::new(Operation::Fetch, Fault::Delay(ms(1000))));
    let error = loop {
        if let Err(error) = stream.try_next().await {
            break error;
        }
    };
    assert!(error.message().contains("the caller had the rows"), "{error}");
    drop(stream);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_had_to_clear_up_after_a_dropped_one_has_sent_nothing() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    server.inject(Injection::new(Operation::Cancel, Fault::Hang));
    assert!(tokio::time::timeout(ms(5), tx.exec("SLEEP 100", ())).await.is_err());
    tx.set_timeout(Some(ms(10)));
    let error = tx.exec("DELETE FROM accounts", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe));
    assert!(error.nothing_sent());
    tx.set_timeout(None);
    assert_eq!(tx.get::<i64>("SELECT count(*) FROM accounts", ()).await.unwrap(), 2);
    tx.commit().await.unwrap();
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}
