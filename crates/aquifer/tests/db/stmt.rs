//! Statements are text: checked once, cached by connection, bounded.

use aquifer::ErrorKind;
use aquifer_testkit::fake::{FakeOptions, FakeServer};

use crate::support::*;

#[tokio::test]
async fn a_statement_knows_its_columns_and_runs_anywhere() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let stmt = db.prepare("SELECT id, balance FROM accounts WHERE id = ?").await.unwrap();
    assert_eq!(stmt.columns().names().collect::<Vec<_>>(), ["id", "balance"]);
    assert_eq!(stmt.parameters().len(), 1);
    assert_eq!(stmt.is_read_only(), Some(true));
    assert_eq!(stmt.get::<(i64, i64)>((1,)).await.unwrap(), (1, 100));
    assert_eq!(stmt.get_optional::<(i64, i64)>((9,)).await.unwrap(), None);
    assert_eq!(stmt.select::<(i64, i64)>((2,)).await.unwrap(), [(2, 100)]);
    let mut rows = stmt.query((1,)).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    drop(rows);
    let update = db.prepare(TAKE).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert_eq!(update.on(&mut tx).exec((1, 1)).await.unwrap().rows_affected(), 1);
    assert_eq!(stmt.on(&mut tx).get::<(i64, i64)>((1,)).await.unwrap(), (1, 99));
    tx.rollback().await.unwrap();
    let mut conn = db.acquire().await.unwrap();
    assert_eq!(stmt.on(&mut conn).get::<(i64, i64)>((1,)).await.unwrap(), (1, 100));
    drop(conn);
    assert_eq!(stmt.get::<(i64, i64)>(()).await.unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn what_is_wrong_with_a_text_is_said_when_it_is_prepared() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let error = db.prepare("SELECT id FROM nothing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    let error = db.label("labelled").prepare("SELECT 'open").await.unwrap_err();
    assert_eq!((error.kind(), error.label()), (ErrorKind::Syntax, Some("labelled")));
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn where_the_only_connection_is_held_a_statement_is_prepared_on_it() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    // The pool cannot know that the task waits for itself; it says who has the connection, and what to do.
    let error = db.prepare("SELECT 1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    assert!(error.hint().unwrap().contains("makes all its calls on that one"), "{error}");
    tx.exec("INSERT INTO accounts (id, balance) VALUES (3, 7)", ()).await.unwrap();
    let stmt = tx.prepare("SELECT balance FROM accounts WHERE id = ?").await.unwrap();
    assert_eq!(stmt.columns().names().collect::<Vec<_>>(), ["balance"]);
    assert_eq!(stmt.on(&mut tx).get::<i64>((3,)).await.unwrap(), 7);
    let mut savepoint = tx.savepoint().await.unwrap();
    let named = savepoint.prepare_named("SELECT id FROM accounts WHERE id = :id").await.unwrap();
    assert_eq!(named.names(), ["id"]);
    assert!(savepoint.prepare("SELECT nonsense").await.is_err());
    savepoint.release().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stmt.get::<i64>((3,)).await.unwrap(), 7);
    let mut conn = db.acquire().await.unwrap();
    assert_eq!(conn.prepare(TAKE).await.unwrap().parameters().len(), 2);
    drop(conn);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_statement_outlives_changes_to_the_schema_and_lost_connections() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let stmt = db.prepare("SELECT * FROM accounts WHERE id = ?").await.unwrap();
    assert_eq!(stmt.get::<(i64, i64)>((1,)).await.unwrap(), (1, 100));
    db.exec("ALTER TABLE accounts ADD COLUMN name TEXT", ()).await.unwrap();
    let row: (i64, i64, Option<String>) = stmt.get((1,)).await.unwrap();
    assert_eq!(row, (1, 100, None));
    let conn = db.acquire().await.unwrap();
    conn.discard();
    let row: (i64, i64, Option<String>) = stmt.get((1,)).await.unwrap();
    assert_eq!(row.0, 1);
    settled(&db).await;
    assert_eq!(server.counters().connects, 2);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn ten_thousand_texts_leave_a_bounded_number_of_statements() {
    let server = FakeServer::with_options(FakeOptions::new().statements_max(16));
    let db = open_with(&server, |options| {
        options.pool.max_open = 2;
        options.calls.texts_max = 100;
    });
    for n in 0..10_000 {
        let got: i64 = db.get(&format!("SELECT {n}"), ()).await.unwrap();
        assert_eq!(got, n);
    }
    assert!(server.prepared() <= 32);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_text_in_use_again_and_again_is_prepared_once_per_connection() {
    let server = FakeServer::new();
    let db = open_one(&server);
    for n in 0..100 {
        assert_eq!(db.get::<i64>("SELECT ?", (n,)).await.unwrap(), n);
    }
    assert_eq!(server.counters().prepares, 1);
}

#[tokio::test]
async fn lists_of_every_length_share_a_few_texts() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    server.clear_log();
    let stmt = db.prepare("SELECT id FROM accounts WHERE id IN (?) ORDER BY id").await.unwrap();
    for len in 1..=300_i64 {
        let ids: Vec<i64> = (1..=len).collect();
        let got: Vec<i64> = stmt.select((aquifer::list(&ids),)).await.unwrap();
        assert_eq!(got.len() as i64, len.min(2));
    }
    let mut texts = server.texts();
    texts.sort();
    texts.dedup();
    assert!(texts.len() <= 24, "{} distinct texts", texts.len());
    let empty: &[i64] = &[];
    let error = stmt.select::<i64>((aquifer::list(empty),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.nothing_sent());
    let many: Vec<i64> = (0..1001).collect();
    let error = stmt.select::<i64>((aquifer::list(&many),)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    let fits: Vec<i64> = (0..1000).collect();
    assert_eq!(stmt.select::<i64>((aquifer::list(&fits),)).await.unwrap(), [1, 2]);
    assert_at_rest(&db, &server);
}
