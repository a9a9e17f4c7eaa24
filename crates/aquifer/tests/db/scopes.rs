//! Timeouts and labels of one call, one statement, one connection, one savepoint.

use std::collections::BTreeMap;

use aquifer::ErrorKind;
use aquifer_testkit::fake::{FakeServer, Fault, Injection, Operation};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_statement_takes_a_timeout_and_a_label_wherever_it_runs() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let stmt = db.prepare("SELECT balance FROM accounts WHERE id = ?").await.unwrap();
    let named = db.prepare_named("SELECT balance FROM accounts WHERE id = :id").await.unwrap();
    let stopped = |error: aquifer::Error| {
        assert_eq!((error.kind(), error.label()), (ErrorKind::Timeout, Some("balance")), "{error}");
    };
    let id = BTreeMap::from([("id", 1)]);
    let hang = || server.inject(Injection::new(Operation::Execute, Fault::Hang));

    hang();
    let quick = stmt.timeout(ms(50)).label("balance");
    stopped(quick.get::<i64>((1,)).await.unwrap_err());
    hang();
    stopped(quick.query((1,)).await.unwrap_err());
    hang();
    let quick = named.timeout(ms(50)).label("balance");
    stopped(quick.get::<i64>(&id).await.unwrap_err());

    let mut tx = db.begin().await.unwrap();
    tx.set_label(Some("transfer"));
    hang();
    let call = stmt.on(&mut tx).timeout(ms(50)).label("balance");
    stopped(call.get::<i64>((1,)).await.unwrap_err());
    hang();
    let call = stmt.on(&mut tx).timeout(ms(50)).label("balance");
    stopped(call.query((1,)).await.unwrap_err());
    hang();
    let call = named.on(&mut tx).timeout(ms(50)).label("balance");
    stopped(call.select::<i64>(&id).await.unwrap_err());
    // The statement's scope ends with its call; the transaction keeps its own.
    let error = tx.exec("SELECT nonsense", ()).await.unwrap_err();
    assert_eq!(error.label(), Some("transfer"));
    tx.commit().await.unwrap();

    let labels: Vec<_> = db.label_stats().into_iter().map(|(name, s)| (name, s.failures)).collect();
    assert_eq!(labels, [("balance".into(), 6), ("transfer".into(), 1)]);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_bulk_statement_has_its_scope_for_all_its_parts_and_no_longer() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let insert = db.prepare_named("INSERT INTO accounts (id, balance) VALUES (:id, :balance)");
    let insert = insert.await.unwrap();
    // More than one statement can take.
    let rows: Vec<_> = (10..1010).map(|id| BTreeMap::from([("id", id), ("balance", 1)])).collect();
    let mut tx = db.begin().await.unwrap();
    tx.set_label(Some("outer"));
    let done = insert.on(&mut tx).label("bulk").exec(&rows[..]).await.unwrap();
    assert_eq!(done.rows_affected(), 1000);
    assert_eq!(tx.get::<i64>("SELECT count(*) FROM accounts", ()).await.unwrap(), 1002);
    tx.commit().await.unwrap();
    let labels: Vec<_> = db.label_stats().into_iter().map(|(name, s)| (name, s.calls)).collect();
    assert_eq!(labels, [("bulk".into(), 2), ("outer".into(), 1)]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_gives_the_transaction_its_timeout_and_label_back() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.set_label(Some("outer"));
    let mut savepoint = tx.savepoint().await.unwrap();
    savepoint.set_timeout(Some(ms(50)));
    savepoint.set_label(Some("inner"));
    let error = savepoint.exec("SLEEP 60000", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.label()), (ErrorKind::Timeout, Some("inner")));
    assert!(savepoint.driver::<aquifer_testkit::fake::FakeConnection>().is_err(), "still clearing");
    assert_eq!(savepoint.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert!(savepoint.driver::<aquifer_testkit::fake::FakeConnection>().is_ok());
    savepoint.release().await.unwrap();
    let error = tx.exec("SELECT nonsense", ()).await.unwrap_err();
    assert_eq!(error.label(), Some("outer"));
    tx.exec("SLEEP 100", ()).await.unwrap();
    tx.rollback().await.unwrap();
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_connection_can_be_labelled_and_the_label_taken_off() {
    let server = FakeServer::new();
    let db = open(&server).label("job");
    let mut conn = db.acquire().await.unwrap();
    let label = |error: aquifer::Error| error.label().map(str::to_owned);
    assert_eq!(label(conn.exec("nonsense", ()).await.unwrap_err()).as_deref(), Some("job"));
    conn.set_label(Some("step"));
    assert_eq!(label(conn.exec("nonsense", ()).await.unwrap_err()).as_deref(), Some("step"));
    conn.set_label(None);
    assert_eq!(label(conn.exec("nonsense", ()).await.unwrap_err()), None);
    drop(conn);
    assert_at_rest(&db, &server);
}
