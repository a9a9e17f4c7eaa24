//! As `dropping`, over a real SQLite file with its readers and its writer: every call, dropped at every one
//! of its polls.

use std::time::Duration;

use aquifer::driver::{Driver, Dsn, EmptyEnvironment};
use aquifer::sqlite::SqliteDriver;
use aquifer::{Builder, Db, Executor, Result};
use aquifer_testkit::{Yielding, at_most};

use crate::support::*;

const SELECT: &str = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 3000) \
                      SELECT id FROM n";

/// One reader and one writer, so that whatever is left on either meets the next borrower.
async fn at_every_poll(name: &str, work: impl AsyncFn(&Db) -> Result<()>) {
    let folder = Folder::new(name);
    // Pending wherever the contract allows it: a file in the page cache keeps nobody waiting.
    let dsn = Dsn::parse(&folder.url()).unwrap();
    let connector = SqliteDriver::new().connector(&dsn, &EmptyEnvironment).unwrap();
    let db = Builder::from_connector(Yielding::new(connector))
        .max_open(2)
        .acquire_timeout(Duration::from_secs(60))
        .open()
        .unwrap();
    accounts(&db).await;
    // From outside: an open transaction of the other handle would keep it from writing.
    let outside = Db::connect(&folder.url()).await.unwrap();
    for polls in 1.. {
        assert!(polls < 2000, "it does not end");
        let ended = at_most(polls, work(&db)).await;
        let sum: i64 = db.get("SELECT sum(balance) FROM accounts", ()).await.unwrap();
        assert_eq!(sum, 200, "the reader, after {polls} polls");
        let done = db.exec("UPDATE accounts SET balance = balance WHERE id = 1", ()).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "the writer, after {polls} polls");
        settled_in_time(&db).await;
        let sum: i64 = outside.get("SELECT sum(balance) FROM accounts", ()).await.unwrap();
        assert_eq!(sum, 200, "from outside, after {polls} polls");
        outside.exec("UPDATE accounts SET balance = balance WHERE id = 1", ()).await.unwrap();
        if let Some(result) = ended {
            result.unwrap();
            assert!(polls > 5, "it was hardly ever dropped: {polls}");
            break;
        }
    }
    assert_eq!(db.stats().in_use, 0);
    assert!(db.close().await.is_clean());
}

async fn transfer(mut db: impl Executor) -> Result<()> {
    db.exec(TAKE, (1, 1)).await?.expect(1)?;
    db.exec(TAKE, (-1, 2)).await?.expect(1).map(drop)
}

#[tokio::test]
async fn sqlite_calls_of_a_db() {
    at_every_poll("calls", async |db| {
        db.ping().await?;
        db.exec("UPDATE accounts SET balance = balance", ()).await?;
        db.exec("UPDATE accounts SET balance = balance; SELECT 1; SELECT 2", ()).await?;
        db.get::<i64>(SELECT, ()).await?;
        db.get_optional::<i64>(SELECT, ()).await?;
        db.select::<i64>(SELECT, ()).await?;
        let stmt = db.prepare("SELECT balance FROM accounts WHERE id = ?").await?;
        stmt.get::<i64>((1,)).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn sqlite_rows_streams_and_batches() {
    at_every_poll("rows", async |db| {
        let mut rows = db.query(SELECT, ()).await?;
        while rows.next().await?.is_some() {}
        let mut stream = db.stream::<i64>(SELECT, ());
        while stream.try_next().await?.is_some() {}
        let mut batch = db.batch();
        let all = batch.select::<i64>(SELECT, ());
        let none = batch.exec("UPDATE accounts SET balance = balance", ());
        let mut done = batch.send().await?;
        assert_eq!(done.take(all)?.len(), 3000);
        done.take(none).map(drop)
    })
    .await;
}

#[tokio::test]
async fn sqlite_held_connections() {
    at_every_poll("conn", async |db| {
        let mut conn = db.acquire().await?;
        conn.ping().await?;
        {
            let mut rows = conn.query(SELECT, ()).await?;
            rows.next().await?;
        }
        let mut tx = conn.begin().await?;
        tx.exec(TAKE, (1, 1)).await?;
        drop(tx);
        conn.get::<i64>("SELECT 1", ()).await?;
        conn.reset().await
    })
    .await;
}

#[tokio::test]
async fn sqlite_transactions_and_savepoints() {
    at_every_poll("tx", async |db| {
        let mut tx = db.begin().await?;
        transfer(&mut tx).await?;
        let mut kept = tx.savepoint().await?;
        transfer(&mut kept).await?;
        kept.release().await?;
        let mut undone = tx.savepoint().await?;
        undone.exec(TAKE, (1, 1)).await?;
        undone.rollback().await?;
        tx.commit().await?;
        let mut tx = db.begin().await?;
        tx.exec(TAKE, (1, 1)).await?;
        tx.rollback().await?;
        db.transaction(async |tx| transfer(tx).await).await
    })
    .await;
}
