//! `Db` over a real MariaDB, by URL alone.

use std::sync::LazyLock;

use aquifer::{Db, ErrorKind, FromRow, Result, TxOptions, list};
use aquifer_testkit::mysql::{Database, Server, Settings};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

async fn shop() -> Result<(Database, Db)> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::connect(database.url()).await?;
    db.exec(
        "CREATE TABLE items (id BIGINT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, \
         price DECIMAL(10,2), made DATE)",
        (),
    )
    .await?;
    Ok((database, db))
}

#[derive(Debug, PartialEq, FromRow)]
struct Item {
    id: i64,
    code: String,
    price: Option<String>,
}

#[tokio::test]
async fn a_url_is_enough_for_prepared_statements_rows_and_errors() -> Result<()> {
    let (_database, db) = shop().await?;
    let done = db.exec("INSERT INTO items (code, price) VALUES (?, ?)", ("bolt", "1.50")).await?;
    assert_eq!(done.rows_affected(), 1);
    let item: Item = db.get("SELECT id, code, price FROM items WHERE code = ?", ("bolt",)).await?;
    assert_eq!(item, Item { id: 1, code: "bolt".into(), price: Some("1.50".into()) });
    let error = db.exec("INSERT INTO items (code) VALUES (?)", ("bolt",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(error.constraint(), Some("code"));
    let codes: Vec<String> =
        db.select("SELECT code FROM items WHERE id IN (?)", (list(&[1_i64, 2, 3]),)).await?;
    assert_eq!(codes, ["bolt"]);
    // As on every other engine, what an UPDATE finds is counted, changed or not.
    let found = db.exec("UPDATE items SET code = ? WHERE id = ?", ("bolt", 1)).await?;
    assert_eq!(found.rows_affected(), 1);
    Ok(())
}

#[tokio::test]
async fn a_transaction_is_kept_or_undone_as_a_whole() -> Result<()> {
    let (_database, db) = shop().await?;
    let mut tx = db.begin_with(TxOptions::serializable()).await?;
    tx.exec("INSERT INTO items (code) VALUES (?)", ("nut",)).await?;
    tx.rollback().await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM items", ()).await?, 0);
    let mut tx = db.begin().await?;
    for n in 0..10 {
        tx.exec("INSERT INTO items (code) VALUES (?)", (format!("nut{n}"),)).await?;
    }
    tx.commit().await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM items", ()).await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_was_changed_comes_back_as_a_fresh_one() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::connect(&format!("{}?pool_max_open=1", database.url())).await?;
    let mut conn = db.acquire().await?;
    conn.exec("SET @mine = 5", ()).await?;
    drop(conn);
    assert_eq!(db.get::<Option<i64>>("SELECT @mine", ()).await?, None);
    Ok(())
}

#[tokio::test]
async fn go_s_grammar_opens_the_same_database() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let dsn = format!("aquifer:aquifer@tcp(127.0.0.1:{})/{}", SERVER.port(), database.name());
    let db = Db::open_with("mysql", &dsn)?;
    assert_eq!(db.get::<String>("SELECT DATABASE()", ()).await?, database.name());
    Ok(())
}
