//! A deadline holds though the engine never keeps anyone waiting: real SQLite, whose answers are always
//! there before they are asked for.

use aquifer::{Db, Error, ErrorKind, Retry};

use crate::support::{Folder, ms};

const MANY: &str = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 100000) SELECT id FROM n";

/// Waits, in the way of a caller that does not let go of its thread either, until the time is up.
fn dawdle() {
    std::thread::sleep(ms(1100));
}

fn assert_slow_caller(error: &Error) {
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe), "{error}");
    assert!(error.message().contains("the caller had the rows"), "{error}");
}

async fn a_slow_caller_runs_out_of_time(db: &Db) {
    db.get::<i64>("SELECT 1", ()).await.unwrap();
    // Time enough for everything but the caller's own pause.
    let limited = db.timeout(ms(1000));

    let mut rows = limited.query(MANY, ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    dawdle();
    let mut seen = 1;
    let error = loop {
        match rows.next().await {
            Ok(row) => assert!(row.is_some(), "the rows came to their end in time"),
            Err(error) => break error,
        }
        seen += 1;
    };
    assert_slow_caller(&error);
    assert!(seen < 100_000, "the next batch was given all the same");
    drop(rows);

    let mut stream = limited.stream::<i64>(MANY, ());
    assert_eq!(stream.try_next().await.unwrap(), Some(1));
    dawdle();
    let error = loop {
        match stream.try_next().await {
            Ok(row) => assert!(row.is_some(), "the rows came to their end in time"),
            Err(error) => break error,
        }
    };
    assert_slow_caller(&error);
    drop(stream);

    let mut tx = db.begin().await.unwrap();
    tx.set_timeout(Some(ms(1000)));
    let mut rows = tx.query(MANY, ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    dawdle();
    let error = loop {
        match rows.next().await {
            Ok(row) => assert!(row.is_some(), "the rows came to their end in time"),
            Err(error) => break error,
        }
    };
    assert_slow_caller(&error);
    drop(rows);
    tx.set_timeout(None);
    assert_eq!(tx.get::<i64>("SELECT 7", ()).await.unwrap(), 7, "the transaction goes on");
    tx.commit().await.unwrap();

    // Whoever has all rows is not told that the end came late.
    let mut rows = limited.query("SELECT 1", ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    dawdle();
    assert!(rows.next().await.unwrap().is_none());
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_slow_caller_over_memory_runs_out_of_time() {
    a_slow_caller_runs_out_of_time(&Db::open("sqlite::memory:").unwrap()).await;
}

#[tokio::test]
async fn a_slow_caller_over_a_file_runs_out_of_time() {
    let folder = Folder::new("slow");
    let db = Db::connect(&folder.url()).await.unwrap();
    a_slow_caller_runs_out_of_time(&db).await;
}
