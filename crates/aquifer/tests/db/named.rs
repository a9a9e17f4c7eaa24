//! Named parameters, lists among them, and bulk inserts.

use aquifer::{ErrorKind, FromRow, Map, ToParams, list};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Operation};

use crate::support::*;

#[derive(ToParams, FromRow, Debug, PartialEq, Clone)]
struct Entry {
    id: i64,
    code: String,
    note: Option<String>,
}

fn entries(n: i64) -> Vec<Entry> {
    (0..n).map(|id| Entry { id, code: format!("c{id}"), note: None }).collect()
}

const INSERT: &str = "INSERT INTO log (id, code, note) VALUES (:id, :code, :note)";

async fn log(db: &aquifer::Db) {
    db.exec("DROP TABLE IF EXISTS log", ()).await.unwrap();
    db.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, code TEXT, note TEXT)", ()).await.unwrap();
}

async fn logged(db: &aquifer::Db) -> i64 {
    db.get("SELECT count(*) FROM log", ()).await.unwrap()
}

#[tokio::test]
async fn structs_and_maps_give_their_fields_by_name() {
    let server = FakeServer::new();
    let db = open_one(&server);
    log(&db).await;
    let one = Entry { id: 1, code: "a".into(), note: Some("n".into()) };
    assert_eq!(db.exec_named(INSERT, &one).await.unwrap().rows_affected(), 1);
    let map: Map = [("code", "b"), ("note", "m"), ("unused", "x")].into_iter().collect();
    let mut map = map;
    map.insert("id", 2);
    db.exec_named(INSERT, &map).await.unwrap();
    let got: Entry = db.get_named("SELECT * FROM log WHERE id = :id", &one).await.unwrap();
    assert_eq!(got, one);
    let none: Option<Entry> = db
        .get_optional_named("SELECT * FROM log WHERE id = :id", &Entry { id: 9, ..one.clone() })
        .await
        .unwrap();
    assert_eq!(none, None);
    let all: Vec<i64> = db
        .select_named("SELECT id FROM log WHERE code = :code OR code = 'b' ORDER BY id", &one)
        .await
        .unwrap();
    assert_eq!(all, [1, 2]);
    let mut rows =
        db.query_named("SELECT id FROM log WHERE id = :id OR id = :id", &one).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    assert!(rows.next().await.unwrap().is_none());
    drop(rows);
    let stmt = db.prepare_named("SELECT code FROM log WHERE id = :id").await.unwrap();
    assert_eq!(stmt.names(), ["id"]);
    assert_eq!(stmt.get::<String>(&one).await.unwrap(), "a");
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_name_without_a_value_is_refused_with_the_names_that_there_are() {
    let server = FakeServer::new();
    let db = open_one(&server);
    log(&db).await;
    let one = Entry { id: 1, code: "s3cret".into(), note: Some("s3cret".into()) };
    let seen = server.log().len();
    let error =
        db.exec_named("INSERT INTO log (id, code) VALUES (:id, :cod)", &one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    let text = format!("{error} {error:?}");
    assert!(text.contains(":cod") && text.contains("code"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let error = db.get_named::<i64>("SELECT :nothing_like_it", &one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(server.log().len(), seen, "nothing was sent");
}

#[derive(ToParams)]
struct Wanted<'a> {
    ids: aquifer::List<'a, i64>,
    code: &'a str,
}

#[tokio::test]
async fn a_list_may_stand_for_a_name() {
    let server = FakeServer::new();
    let db = open_one(&server);
    log(&db).await;
    db.exec_named(INSERT, &entries(5)[..]).await.unwrap();
    let text =
        "SELECT id FROM log WHERE (id IN (:ids) OR code = :code) AND id IN (:ids) ORDER BY id";
    let wanted = Wanted { ids: list(&[3, 1]), code: "c4" };
    assert_eq!(db.select_named::<i64>(text, &wanted).await.unwrap(), [1, 3]);
    let many: Vec<i64> = (0..50).collect();
    let wanted = Wanted { ids: list(&many), code: "c4" };
    assert_eq!(db.select_named::<i64>(text, &wanted).await.unwrap().len(), 5);
    let wanted = Wanted { ids: list(&[]), code: "c4" };
    let error = db.select_named::<i64>(text, &wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("ids"), "{error}");
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_bulk_splits_at_the_engines_limit_and_shares_its_texts() {
    let server = FakeServer::new();
    let db = open_one(&server);
    log(&db).await;
    server.clear_log();
    // 1000 parameters at most: 333 rows of three at a time.
    assert_eq!(db.exec_named(INSERT, &entries(1000)[..]).await.unwrap().rows_affected(), 1000);
    assert_eq!(logged(&db).await, 1000);
    let mut texts: Vec<_> =
        server.texts().into_iter().filter(|sql| sql.starts_with("INSERT")).collect();
    assert_eq!(texts.len(), 4);
    assert!(texts.iter().all(|sql| sql.matches('?').count() <= 1000));
    texts.dedup();
    assert_eq!(texts.len(), 2);
    assert_eq!(count(&server, Operation::Begin), 1);
    // What fits into one statement needs no transaction.
    log(&db).await;
    server.clear_log();
    db.exec_named(INSERT, &entries(333)[..]).await.unwrap();
    assert_eq!(count(&server, Operation::Begin), 0);
    let error = db.exec_named(INSERT, &entries(0)[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    let error = db.select_named::<i64>(INSERT, &entries(1000)[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_row_that_fails_in_the_second_statement_undoes_the_first() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        log(&db).await;
        let mut rows = entries(600);
        rows[550].id = 3;
        let error = db.exec_named(INSERT, &rows[..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert_eq!(logged(&db).await, 0, "on a Db");

        let mut conn = db.acquire().await.unwrap();
        conn.exec_named(INSERT, &rows[..]).await.unwrap_err();
        let n: i64 = conn.get("SELECT count(*) FROM log", ()).await.unwrap();
        assert_eq!(n, 0, "on a connection");
        // Within a transaction of the user's own SQL.
        conn.exec("BEGIN", ()).await.unwrap();
        conn.exec("INSERT INTO log (id) VALUES (-2)", ()).await.unwrap();
        conn.exec_named(INSERT, &rows[..]).await.unwrap_err();
        conn.exec("COMMIT", ()).await.unwrap();
        let n: i64 = conn.get("SELECT count(*) FROM log", ()).await.unwrap();
        assert_eq!(n, 1, "within a transaction by hand");
        drop(conn);

        let mut tx = db.begin().await.unwrap();
        tx.exec("INSERT INTO log (id) VALUES (-1)", ()).await.unwrap();
        tx.exec_named(INSERT, &rows[..]).await.unwrap_err();
        let n: i64 = tx.get("SELECT count(*) FROM log", ()).await.unwrap();
        assert_eq!(n, 2, "within a transaction only the bulk is undone");
        tx.exec_named(INSERT, &entries(600)[..]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(logged(&db).await, 602);
        assert_eq!(server.counters().connects, 1);
        assert_at_rest(&db, &server);
    }
}
