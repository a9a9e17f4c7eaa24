//! The blocking API, over the fake driver.
#![cfg(feature = "blocking")]

use std::time::Duration;

use aquifer::blocking::{Db, Executor};
use aquifer::{DbOptions, ErrorKind, Registry, Result, TxOptions};
use aquifer_testkit::fake::FakeServer;

fn open(server: &FakeServer, max_open: u32) -> Db {
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    let mut options = DbOptions::default();
    options.pool.max_open = max_open;
    Db::builder("fake:").unwrap().registry(registry).options(options).connect().unwrap()
}

fn stations(db: &Db) {
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE)", ()).unwrap();
    for (id, code) in [(1, "N-01"), (2, "N-02"), (3, "T-01")] {
        db.exec("INSERT INTO stations (id, code) VALUES (?, ?)", (id, code)).unwrap();
    }
}

fn count(mut db: impl Executor) -> i64 {
    db.get("SELECT count(*) FROM stations", ()).unwrap()
}

#[test]
fn a_call_beside_the_only_connections_transaction_is_refused_at_once() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    stations(&db);
    let nested = db.transaction(|tx| {
        tx.exec("INSERT INTO stations (id, code) VALUES (9, 'S-09')", ())?;
        db.get::<i64>("SELECT count(*) FROM stations", ())
    });
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::PoolDeadlock);
    assert_eq!(count(&db), 3, "it was rolled back");
}

#[test]
fn every_call_of_a_db_has_its_blocking_twin() {
    let server = FakeServer::new();
    let db = open(&server, 2);
    stations(&db);
    let labelled = db.label("stations").lax().timeout(Duration::from_secs(30));
    let code: String = labelled.get("SELECT code FROM stations WHERE id = ?", (2,)).unwrap();
    assert_eq!(code, "N-02");
    let none: Option<i64> = db.get_optional("SELECT id FROM stations WHERE id = ?", (9,)).unwrap();
    assert_eq!(none, None);
    let args = [("id", 3)];
    let named: String = db.get_named("SELECT code FROM stations WHERE id = :id", &args).unwrap();
    assert_eq!(named, "T-01");
    let mut rows = db.query("SELECT id, code FROM stations ORDER BY id", ()).unwrap();
    let mut seen = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let (id, code): (i64, &str) = row.scan().unwrap();
        seen.push(format!("{id}{code}"));
    }
    assert_eq!(seen, ["1N-01", "2N-02", "3T-01"]);
    assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["id", "code"]);
    drop(rows);
    let paged = db.cursor("SELECT id FROM stations ORDER BY id", ()).fetch_size(2).open();
    assert_eq!(paged.unwrap().collect::<i64>().unwrap(), [1, 2, 3]);
    let mut conn = db.acquire().unwrap();
    let paged = conn.cursor("SELECT id FROM stations WHERE id > ?", (1,)).open();
    assert_eq!(paged.unwrap().collect::<i64>().unwrap(), [2, 3]);
    drop(conn);
    let streamed: Result<Vec<i64>> = db.stream("SELECT id FROM stations ORDER BY id", ()).collect();
    assert_eq!(streamed.unwrap(), [1, 2, 3]);
    let by_id = db.prepare("SELECT code FROM stations WHERE id = ?").unwrap();
    assert_eq!(by_id.get::<String>((1,)).unwrap(), "N-01");
    let by_name = db.prepare_named("SELECT code FROM stations WHERE id = :id").unwrap();
    assert_eq!(by_name.select::<String>(&args).unwrap(), ["T-01"]);
    let mut batch = db.batch().atomic();
    let a = batch.exec("DELETE FROM stations WHERE id = ?", (1,));
    let b = batch.get::<i64>("SELECT count(*) FROM stations", ());
    let mut done = batch.send().unwrap();
    assert_eq!(done.take(a).unwrap().rows_affected(), 1);
    assert_eq!(done.take(b).unwrap(), 2);
    db.ping().unwrap();
    assert_eq!(&*db.label_stats()[0].0, "stations");
    assert_eq!(db.stats().in_use, 0);
    assert!(db.close().unwrap().is_clean());
    assert_eq!(db.ping().unwrap_err().kind(), ErrorKind::Closed);
    server.assert_no_violations();
}

#[test]
fn connections_transactions_and_savepoints_are_executors_too() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    stations(&db);
    let by_id = db.prepare("SELECT code FROM stations WHERE id = ?").unwrap();
    let mut tx = db.begin_with(TxOptions::new()).unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).unwrap().expect(1).unwrap();
    assert_eq!(count(&mut tx), 2);
    {
        let mut sp = tx.savepoint().unwrap();
        sp.exec("DELETE FROM stations WHERE id = ?", (2,)).unwrap().expect(1).unwrap();
        assert_eq!(count(&mut sp), 1);
        let mut inner = sp.savepoint().unwrap();
        inner.exec("DELETE FROM stations WHERE id = ?", (3,)).unwrap().expect(1).unwrap();
        inner.release().unwrap();
        assert_eq!(count(&mut sp), 0);
        drop(sp);
    }
    assert_eq!(by_id.on(&mut tx).get::<String>((2,)).unwrap(), "N-02");
    let mut rows = by_id.on(&mut tx).query((3,)).unwrap();
    assert_eq!(rows.collect::<String>().unwrap(), ["T-01"]);
    drop(rows);
    tx.commit().unwrap();
    let mut conn = db.acquire().unwrap();
    let ctx = conn.begin().unwrap();
    drop(ctx);
    let mut ctx = conn.begin().unwrap();
    ctx.exec("DELETE FROM stations", ()).unwrap().expect(2).unwrap();
    ctx.rollback().unwrap();
    assert_eq!(count(&mut conn), 2);
    drop(conn);
    assert_eq!(count(&db), 2);
    assert_eq!(server.counters().connects, 1);
    server.assert_no_violations();
}

#[test]
fn a_closure_commits_rolls_back_and_is_repeated_as_asked() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    stations(&db);
    let left: i64 = db
        .transaction(|tx| {
            tx.exec("DELETE FROM stations WHERE id = ?", (1,))?.expect(1)?;
            tx.get("SELECT count(*) FROM stations", ())
        })
        .unwrap();
    assert_eq!(left, 2);
    let failed = db.transaction(|tx| tx.exec("DELETE FROM stations", ())?.expect(17).map(drop));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::RowCount);
    assert_eq!(count(&db), 2);
    let mut attempts = 0;
    let failed = db.transaction_retry(TxOptions::new(), 3, |_| -> Result<()> {
        attempts += 1;
        Err(aquifer::Error::new(ErrorKind::Serialization, "another one won"))
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Serialization);
    assert_eq!(attempts, 3);
    let dropped = db.begin().unwrap();
    drop(dropped);
    assert_eq!(count(&db), 2);
    server.assert_no_violations();
}

#[test]
fn dropping_rows_early_leaves_a_clean_connection() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    for _ in 0..5 {
        let mut rows = db.query("SELECT n FROM series(1, ?)", (100_000,)).unwrap();
        assert!(rows.next().unwrap().is_some());
        drop(rows);
        assert_eq!(db.get::<i64>("SELECT 1", ()).unwrap(), 1);
    }
    assert_eq!(server.counters().connects, 1);
    server.assert_no_violations();
}

#[test]
fn a_timeout_ends_a_call_that_blocks() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    let error = db.timeout(Duration::from_millis(20)).exec("SLEEP 60000", ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let held = db.acquire().unwrap();
    let error = db.timeout(Duration::from_millis(20)).ping().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    drop(held);
    db.ping().unwrap();
}

#[test]
fn many_threads_share_one_handle() {
    let server = FakeServer::new();
    let db = open(&server, 2);
    stations(&db);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let db = db.clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(count(&db), 3);
                }
            });
        }
    });
    assert!(server.counters().connects <= 2);
    server.assert_no_violations();
}

fn refused<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Runtime);
    assert!(error.nothing_sent());
    assert!(error.to_string().contains("spawn_blocking"), "{error}");
}

#[tokio::test]
async fn inside_an_async_task_calls_are_refused_and_drops_are_safe() {
    let server = FakeServer::new();
    let driver = server.clone();
    let (db, tx, rows) = tokio::task::spawn_blocking(move || {
        let db = open(&driver, 3);
        stations(&db);
        let mut tx = db.begin().unwrap();
        tx.exec("DELETE FROM stations", ()).unwrap().expect(3).unwrap();
        let rows = db.query("SELECT n FROM series(1, ?)", (100_000,)).unwrap();
        (db, tx, rows)
    })
    .await
    .unwrap();
    refused(db.ping());
    refused(db.get::<i64>("SELECT 1", ()));
    refused(db.close());
    refused(db.begin());
    let mut stream = db.stream::<i64>("SELECT 1", ());
    refused(stream.next().unwrap());
    assert!(stream.next().is_none());
    let spawned = db.clone();
    tokio::spawn(async move { refused(spawned.ping()) }).await.unwrap();
    refused(tx.commit());
    drop((rows, stream));
    let thread = db.clone();
    let left = tokio::task::spawn_blocking(move || count(&thread)).await.unwrap();
    assert_eq!(left, 3);
    drop(db);
    server.assert_no_violations();
}

#[test]
fn a_call_is_allowed_wherever_a_runtime_is_only_entered() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let entered = other.enter();
    db.ping().unwrap();
    drop(entered);
    other.block_on(async { tokio::task::block_in_place(|| db.ping()) }).unwrap();
    refused(other.block_on(async { db.ping() }));
}

#[test]
fn what_outlives_its_handle_still_works() {
    let server = FakeServer::new();
    let db = open(&server, 1);
    let mut rows = db.query("SELECT n FROM series(1, ?)", (3,)).unwrap();
    drop(db);
    assert_eq!(rows.collect::<i64>().unwrap(), [1, 2, 3]);
}
