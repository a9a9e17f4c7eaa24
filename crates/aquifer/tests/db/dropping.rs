//! Every call, dropped at every one of its polls: the next borrower meets a clean session.

use aquifer::{Db, Executor, Map, Result, ToParams};
use aquifer_testkit::at_most;
use aquifer_testkit::fake::{FakeOptions, FakeServer};

use crate::support::*;

fn engines() -> [FakeOptions; 3] {
    [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()]
}

/// Runs `work` on each engine, dropped after its first poll, after its second, and so on, until it ends.
async fn at_every_poll(work: impl AsyncFn(&Db) -> Result<()>) {
    for options in engines() {
        let server = FakeServer::with_options(options.batch_rows_max(8));
        let db = open_yielding(&server, 1);
        accounts(&db).await;
        let connects = server.counters().connects;
        for polls in 1.. {
            assert!(polls < 500, "it does not end");
            let ended = at_most(polls, work(&db)).await;
            // At once, on the one connection there is.
            let sum: i64 = db.get("SELECT sum(balance) FROM accounts", ()).await.unwrap();
            assert_eq!(sum, 200, "after {polls} polls");
            let setting: Option<String> = db.get("SHOW setting", ()).await.unwrap();
            assert_eq!(setting, None, "after {polls} polls");
            settled(&db).await;
            assert_at_rest(&db, &server);
            if let Some(result) = ended {
                result.unwrap();
                assert!(polls >= 2, "it was never dropped");
                break;
            }
        }
        assert_eq!(server.counters().connects, connects, "no connection was lost over it");
    }
}

const SELECT: &str = "SELECT n FROM series(1, 30)";

#[tokio::test]
async fn connect() {
    for options in engines() {
        let server = FakeServer::with_options(options);
        for polls in 1.. {
            let db = open_yielding(&server, 1);
            let done = at_most(polls, db.ping()).await;
            drop(db);
            while server.counters().open > 0 {
                tokio::task::yield_now().await;
            }
            server.assert_clean();
            if done.is_some() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn acquire_and_ping() {
    at_every_poll(async |db| {
        let mut conn = db.acquire().await?;
        conn.ping().await?;
        conn.reset().await?;
        drop(conn);
        db.ping().await
    })
    .await;
}

#[tokio::test]
async fn exec() {
    at_every_poll(async |db| db.exec("UPDATE accounts SET balance = balance", ()).await.map(drop))
        .await;
    at_every_poll(async |db| {
        db.exec("UPDATE accounts SET balance = balance; SELECT 1; SELECT 2", ()).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn one_row_and_all_rows() {
    at_every_poll(async |db| db.get::<i64>(SELECT, ()).await.map(drop)).await;
    at_every_poll(async |db| db.get_optional::<i64>(SELECT, ()).await.map(drop)).await;
    at_every_poll(async |db| db.select::<i64>(SELECT, ()).await.map(drop)).await;
}

#[tokio::test]
async fn rows_and_streams() {
    at_every_poll(async |db| {
        let mut rows = db.query("SELECT n FROM series(1, 30); SELECT 1; SELECT 2", ()).await?;
        rows.next().await?;
        while rows.next().await?.is_some() {}
        rows.next_result_set().await?;
        rows.next_result_set().await?;
        while rows.next().await?.is_some() {}
        Ok(())
    })
    .await;
    at_every_poll(async |db| {
        let mut stream = db.stream::<i64>(SELECT, ());
        while stream.try_next().await?.is_some() {}
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_of_a_held_connection() {
    at_every_poll(async |db| {
        let mut conn = db.acquire().await?;
        {
            let mut rows = conn.query(SELECT, ()).await?;
            rows.next().await?;
        }
        conn.get::<i64>("SELECT 1", ()).await?;
        {
            let mut stream = conn.stream::<i64>(SELECT, ());
            stream.try_next().await?;
        }
        conn.ping().await
    })
    .await;
}

#[tokio::test]
async fn a_batch() {
    at_every_poll(async |db| {
        let mut batch = db.batch();
        let one = batch.get::<i64>("SELECT 1", ());
        let all = batch.select::<i64>(SELECT, ());
        let none = batch.exec("UPDATE accounts SET balance = balance", ());
        let mut done = batch.send().await?;
        assert_eq!(done.take(one)?, 1);
        assert_eq!(done.take(all)?.len(), 30);
        done.take(none)?;
        Ok(())
    })
    .await;
}

/// Moves money there and, if it gets that far, leaves it there.
async fn transfer(mut db: impl Executor) -> Result<()> {
    db.exec(TAKE, (1, 1)).await?.expect(1)?;
    db.exec(TAKE, (-1, 2)).await?.expect(1).map(drop)
}

#[tokio::test]
async fn a_transaction() {
    at_every_poll(async |db| {
        let mut tx = db.begin().await?;
        transfer(&mut tx).await?;
        tx.commit().await.map(drop)
    })
    .await;
    at_every_poll(async |db| {
        let mut tx = db.begin().await?;
        tx.exec(TAKE, (1, 1)).await?;
        tx.rollback().await
    })
    .await;
    at_every_poll(async |db| db.transaction(async |tx| transfer(tx).await).await).await;
}

#[tokio::test]
async fn a_transaction_on_a_held_connection() {
    at_every_poll(async |db| {
        let mut conn = db.acquire().await?;
        let mut tx = conn.begin().await?;
        transfer(&mut tx).await?;
        tx.commit().await?;
        let mut tx = conn.begin().await?;
        tx.exec(TAKE, (1, 1)).await?;
        drop(tx);
        conn.get::<i64>("SELECT 1", ()).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn savepoints() {
    at_every_poll(async |db| {
        let mut tx = db.begin().await?;
        transfer(&mut tx).await?;
        let mut outer = tx.savepoint().await?;
        outer.exec(TAKE, (1, 1)).await?;
        let mut inner = outer.savepoint().await?;
        inner.exec(TAKE, (1, 1)).await?;
        drop(inner);
        let mut inner = outer.savepoint().await?;
        inner.exec(TAKE, (-1, 1)).await?;
        inner.release().await?;
        outer.release().await?;
        let mut undone = tx.savepoint().await?;
        undone.exec(TAKE, (1, 1)).await?;
        undone.rollback().await?;
        tx.commit().await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn statements() {
    at_every_poll(async |db| {
        let stmt = db.prepare("SELECT balance FROM accounts WHERE id = ?").await?;
        stmt.get::<i64>((1,)).await?;
        let mut tx = db.begin().await?;
        stmt.on(&mut tx).get::<i64>((1,)).await?;
        tx.rollback().await
    })
    .await;
}

struct Entry {
    id: i64,
    note: &'static str,
}

impl ToParams for Entry {
    fn param(&self, name: &str) -> Option<aquifer::driver::Argument<'_>> {
        match name {
            "id" => Some(aquifer::driver::Argument::view(&self.id)),
            "note" => Some(aquifer::driver::Argument::view(&self.note)),
            _ => None,
        }
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        each("id");
        each("note");
    }
}

#[tokio::test]
async fn a_bulk_that_needs_two_statements_is_all_or_nothing() {
    let entries: Vec<_> = (0..600).map(|id| Entry { id, note: "n" }).collect();
    for options in engines() {
        let server = FakeServer::with_options(options);
        for place in ["db", "tx", "conn"] {
            let db = open_yielding(&server, 1);
            db.exec("DROP TABLE IF EXISTS log", ()).await.unwrap();
            db.exec("CREATE TABLE log (id INTEGER, note TEXT)", ()).await.unwrap();
            for polls in 1.. {
                let insert = "INSERT INTO log (id, note) VALUES (:id, :note)";
                let work = async {
                    match place {
                        "db" => db.exec_named(insert, &entries[..]).await.map(drop),
                        "conn" => {
                            db.acquire().await?.exec_named(insert, &entries[..]).await.map(drop)
                        }
                        _ => {
                            let mut tx = db.begin().await?;
                            tx.exec_named(insert, &entries[..]).await?;
                            tx.commit().await.map(drop)
                        }
                    }
                };
                let ended = at_most(polls, work).await;
                let n: i64 = db.get("SELECT count(*) FROM log", ()).await.unwrap();
                assert!(n == 0 || n == 600, "{n} after {polls} polls");
                settled(&db).await;
                assert_at_rest(&db, &server);
                if ended.is_some() {
                    assert_eq!(n, 600);
                    break;
                }
                db.exec("DELETE FROM log", ()).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn close_and_warm_up() {
    for options in engines() {
        let server = FakeServer::with_options(options);
        for polls in 1.. {
            let db = open_yielding(&server, 3);
            let warm = at_most(polls, db.warm_up(3)).await;
            let open: Map = db.get("SELECT 1 AS one", ()).await.unwrap();
            assert_eq!(open.len(), 1);
            let closed = at_most(polls, db.close()).await;
            // A dropped close has closed all the same.
            assert!(db.ping().await.is_err());
            assert!(db.close().await.is_clean());
            server.assert_clean();
            drop(db);
            if warm.is_some() && closed.is_some() {
                break;
            }
        }
    }
}
