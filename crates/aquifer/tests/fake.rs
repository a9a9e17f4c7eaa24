//! A `Db` over the fake driver: what reaches the server, and what is left behind.

use std::time::Duration;

use aquifer::{Db, DbOptions, ErrorKind, Executor, Registry, Result};
use aquifer_testkit::fake::{FakeOptions, FakeServer};

fn open(server: &FakeServer, options: impl FnOnce(&mut DbOptions)) -> Db {
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    let mut all = DbOptions::default();
    options(&mut all);
    Db::builder("fake:").unwrap().options(all).registry(registry).open().unwrap()
}

async fn stations(db: &Db) {
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE, level REAL)", ())
        .await
        .unwrap();
    for (id, code, level) in [(1, "N-01", Some(1.5)), (2, "N-02", None), (3, "T-01", Some(0.25))] {
        let done = db
            .exec("INSERT INTO stations (id, code, level) VALUES (?, ?, ?)", (id, code, level))
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1);
    }
}

#[tokio::test]
async fn the_destination_type_decides_what_a_row_becomes() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 3);
    let t: (i64, String, Option<f64>) =
        db.get("SELECT id, code, level FROM stations WHERE id = ?", (2,)).await.unwrap();
    assert_eq!(t, (2, "N-02".to_owned(), None));
    let codes: Vec<String> = db.select("SELECT code FROM stations ORDER BY id", ()).await.unwrap();
    assert_eq!(codes, ["N-01", "N-02", "T-01"]);
    let none: Option<i64> =
        db.get_optional("SELECT id FROM stations WHERE id = ?", (99,)).await.unwrap();
    assert_eq!(none, None);
    let error = db.get::<i64>("SELECT id FROM stations WHERE id = ?", (99,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRows);
    let in_list: Vec<i64> = db
        .select("SELECT id FROM stations WHERE id IN (?) ORDER BY id", (aquifer::list(&[1, 3]),))
        .await
        .unwrap();
    assert_eq!(in_list, [1, 3]);
    let map: aquifer::Map = db.get("SELECT * FROM stations WHERE id = ?", (1,)).await.unwrap();
    assert_eq!(map.get("code"), Some(&"N-01".into()));
    server.assert_no_violations();
    assert_eq!(db.stats().in_use, 0);
}

#[tokio::test]
async fn rows_lend_each_row_and_give_the_connection_back_at_the_end() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let mut rows = db.query("SELECT id, code, level FROM stations ORDER BY id", ()).await.unwrap();
    let mut seen = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        let (id, code, level): (i64, &str, Option<f64>) = row.scan().unwrap();
        assert_eq!(row.get::<Option<f64>>("level").unwrap(), level);
        seen.push((id, code.to_owned()));
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(db.stats().in_use, 0);
    assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["id", "code", "level"]);
    server.assert_no_violations();
}

#[tokio::test]
async fn dropping_rows_early_leaves_a_clean_connection() {
    let server = FakeServer::new();
    let db = open(&server, |options| options.pool.max_open = 1);
    for _ in 0..5 {
        let mut rows = db.query("SELECT n FROM series(1, ?)", (100_000,)).await.unwrap();
        assert!(rows.next().await.unwrap().is_some());
        drop(rows);
        let one: i64 = db.get("SELECT 1", ()).await.unwrap();
        assert_eq!(one, 1);
    }
    assert_eq!(server.counters().connects, 1);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back_before_the_connection_is_lent_again() {
    let server = FakeServer::new();
    let db = open(&server, |options| options.pool.max_open = 1);
    stations(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await.unwrap().expect(1).unwrap();
    drop(tx);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 3);
    assert_eq!(server.counters().connects, 1);
    server.assert_no_violations();
}

#[tokio::test]
async fn savepoints_undo_only_what_came_after_them() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await.unwrap().expect(1).unwrap();
    {
        let mut sp = tx.savepoint().await.unwrap();
        sp.exec("DELETE FROM stations WHERE id = ?", (2,)).await.unwrap().expect(1).unwrap();
        let mut inner = sp.savepoint().await.unwrap();
        inner.exec("DELETE FROM stations WHERE id = ?", (3,)).await.unwrap().expect(1).unwrap();
        drop(inner);
        let n: i64 = sp.get("SELECT count(*) FROM stations", ()).await.unwrap();
        assert_eq!(n, 1);
        sp.rollback().await.unwrap();
    }
    let mut kept = tx.savepoint().await.unwrap();
    kept.exec("DELETE FROM stations WHERE id = ?", (3,)).await.unwrap().expect(1).unwrap();
    kept.release().await.unwrap();
    tx.commit().await.unwrap();
    let left: Vec<i64> = db.select("SELECT id FROM stations", ()).await.unwrap();
    assert_eq!(left, [2]);
    server.assert_no_violations();
}

async fn rename(mut db: impl Executor, id: i64, code: &str) -> Result<()> {
    db.exec("UPDATE stations SET code = ? WHERE id = ?", (code, id)).await?.expect(1)?;
    check(&mut db, id).await
}

async fn check(mut db: impl Executor, id: i64) -> Result<()> {
    let _: String = db.get("SELECT code FROM stations WHERE id = ?", (id,)).await?;
    Ok(())
}

#[tokio::test]
async fn one_function_takes_a_pool_a_connection_and_a_transaction() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    rename(&db, 1, "A").await.unwrap();
    let mut conn = db.acquire().await.unwrap();
    rename(&mut conn, 1, "B").await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    rename(&mut tx, 1, "C").await.unwrap();
    let mut sp = tx.savepoint().await.unwrap();
    rename(&mut sp, 1, "D").await.unwrap();
    sp.release().await.unwrap();
    tx.commit().await.unwrap();
    drop(conn);
    let spawned = db.clone();
    tokio::spawn(async move { rename(&spawned, 1, "E").await }).await.unwrap().unwrap();
    let code: String = db.get("SELECT code FROM stations WHERE id = ?", (1,)).await.unwrap();
    assert_eq!(code, "E");
}

#[tokio::test]
async fn a_transaction_closure_commits_or_rolls_back_and_can_be_spawned() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let spawned = db.clone();
    let n = tokio::spawn(async move {
        spawned
            .transaction(async |tx| {
                tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await?.expect(1)?;
                tx.get::<i64>("SELECT count(*) FROM stations", ()).await
            })
            .await
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(n, 2);
    let failed: Result<()> = db
        .transaction(async |tx| {
            tx.exec("DELETE FROM stations", ()).await?.expect(17)?;
            Ok(())
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::RowCount);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 2);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_batch_gives_each_statement_its_own_result() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let mut batch = db.batch();
    let a = batch.exec("UPDATE stations SET level = ? WHERE id = ?", (9.5, 1));
    let bad = batch.exec("INSERT INTO stations (id, code) VALUES (?, ?)", (1, "X"));
    let wrong = batch.exec("UPDATE stations SET level = ?", (1.0, 2.0));
    let b = batch.get::<f64>("SELECT level FROM stations WHERE id = ?", (1,));
    let c = batch.select::<i64>("SELECT id FROM stations ORDER BY id", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(a).unwrap().rows_affected(), 1);
    assert_eq!(done.take(bad).unwrap_err().kind(), ErrorKind::UniqueViolation);
    assert_eq!(done.take(wrong).unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(done.take(b).unwrap(), 9.5);
    assert_eq!(done.take(c).unwrap(), [1, 2, 3]);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_wrong_number_of_arguments_takes_no_connection() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    let error = db.exec("SELECT ?, ?", (1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert!(error.nothing_sent());
    assert_eq!(server.counters().connects, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_out_of_time_is_stopped_and_the_transaction_goes_on() {
    let server = FakeServer::new();
    let db = open(&server, |options| options.pool.max_open = 1);
    stations(&db).await;
    let quick = db.timeout(Duration::from_millis(50));
    let error = quick.exec("SLEEP 10000", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let mut tx = db.begin().await.unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await.unwrap().expect(1).unwrap();
    tx.set_timeout(Some(Duration::from_millis(50)));
    let error = tx.exec("SLEEP 10000", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    tx.set_timeout(None);
    let n: i64 = tx.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 2);
    tx.commit().await.unwrap();
    assert_eq!(server.counters().connects, 1);
    server.assert_no_violations();
}

#[tokio::test]
async fn labels_have_statistics_of_their_own() {
    let server = FakeServer::new();
    let db = open(&server, |_| {});
    stations(&db).await;
    let labelled = db.label("stations.get");
    let _: String = labelled.get("SELECT code FROM stations WHERE id = ?", (1,)).await.unwrap();
    let error = labelled.exec("SELECT nonsense", ()).await.unwrap_err();
    assert!(error.to_string().starts_with("stations.get: "), "{error}");
    let stats = db.label_stats();
    let (name, stats) = &stats[0];
    assert_eq!((&**name, stats.calls, stats.failures, stats.rows), ("stations.get", 2, 1, 1));
    assert_eq!(stats.last_row.count(), 2);
    assert!(db.stats().calls.calls >= 6);
}

#[tokio::test]
async fn a_failed_transaction_does_not_commit() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let db = open(&server, |_| {});
    stations(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await.unwrap().expect(1).unwrap();
    assert!(tx.exec("INSERT INTO stations (id, code) VALUES (?, ?)", (2, "x")).await.is_err());
    let error = tx.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxFailed);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 3);
    server.assert_no_violations();
}

#[tokio::test]
async fn reads_of_many_tasks_share_a_flight_and_each_gets_its_own_answer() {
    let server = FakeServer::new();
    let db = open(&server, |options| {
        options.pool.max_open = 1;
        options.calls.multiplex = aquifer::Multiplexing::Reads;
    });
    stations(&db).await;
    let before = server.counters();
    let tasks: Vec<_> = (0..300i64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                if n % 7 == 0 {
                    // Dropped half-way: nobody else may lose an answer over it.
                    let call = db.get::<i64>("SELECT ? AS n", (n,));
                    let _ = tokio::time::timeout(Duration::ZERO, call).await;
                    return;
                }
                if n % 11 == 0 {
                    let error = db.get::<i64>("SELECT nonsense", ()).await.unwrap_err();
                    assert_ne!(error.kind(), ErrorKind::NoRows);
                    return;
                }
                let got: i64 = db.get("SELECT ? AS n", (n,)).await.unwrap();
                assert_eq!(got, n);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(server.counters().connects, before.connects);
    assert_eq!(db.stats().in_use, 0);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_grows_too_old_is_rolled_back_and_says_so() {
    let server = FakeServer::new();
    let db = open(&server, |options| {
        options.calls.transaction_max = Some(Duration::from_secs(1));
    });
    stations(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec("DELETE FROM stations WHERE id = ?", (1,)).await.unwrap();
    let error = tx.exec("SLEEP 10000", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = tx.exec("DELETE FROM stations WHERE id = ?", (2,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert!(error.to_string().contains("transaction_max"), "{error}");
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxDone);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 3);
    server.assert_no_violations();
}

#[tokio::test]
async fn a_text_that_leaves_a_transaction_open_on_a_db_is_an_error() {
    let server = FakeServer::new();
    let db = open(&server, |options| options.pool.max_open = 1);
    stations(&db).await;
    for text in ["BEGIN", "BEGIN; DELETE FROM stations WHERE id = 1"] {
        let error = db.exec(text, ()).await.unwrap_err();
        assert!(error.to_string().contains("left a transaction open"), "{error}");
        let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
        assert_eq!(n, 3);
    }
    // On a connection in hand it is the caller's business.
    let mut conn = db.acquire().await.unwrap();
    conn.exec("BEGIN", ()).await.unwrap();
    conn.exec("DELETE FROM stations WHERE id = 1", ()).await.unwrap();
    conn.exec("COMMIT", ()).await.unwrap();
    drop(conn);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await.unwrap();
    assert_eq!(n, 2);
    server.assert_no_violations();
}
