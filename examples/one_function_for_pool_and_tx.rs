//! One function for pool, connection and transaction: `impl Executor`. Its caller decides what belongs
//! together.
#![forbid(unsafe_code)]

use aquifer::{Db, Executor, Result};

/// Uses its executor twice, and passes it on: `&mut db`.
async fn rename(mut db: impl Executor, id: i64, code: &str) -> Result<()> {
    let old: String = db.get("SELECT code FROM stations WHERE id = ?", (id,)).await?;
    db.exec("UPDATE stations SET code = ? WHERE id = ?", (code, id)).await?.expect(1)?;
    note(&mut db, &format!("{old} is now {code}")).await
}

async fn note(mut db: impl Executor, text: &str) -> Result<()> {
    db.exec("INSERT INTO journal (text) VALUES (?)", (text,)).await.map(drop)
}

async fn journal(mut db: impl Executor) -> Result<Vec<String>> {
    db.select("SELECT text FROM journal ORDER BY rowid", ()).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec(
        "CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
         CREATE TABLE journal (text TEXT);
         INSERT INTO stations VALUES (1, 'A'), (2, 'B');",
        (),
    )
    .await?;

    rename(&db, 1, "N-01").await?;
    println!("on the pool:         {:?}", journal(&db).await?);

    let mut conn = db.acquire().await?;
    rename(&mut conn, 2, "N-02").await?;
    drop(conn);
    println!("on a connection:     {:?}", journal(&db).await?);

    let mut tx = db.begin().await?;
    rename(&mut tx, 1, "T-01").await?;
    // Within the transaction, a part that may fail on its own.
    let mut part = tx.savepoint().await?;
    let taken = rename(&mut part, 2, "T-01").await.unwrap_err();
    part.rollback().await?;
    note(&mut tx, &format!("not renamed: {:?}", taken.kind())).await?;
    tx.commit().await?;
    println!("in a transaction:    {:?}", journal(&db).await?);

    // Handles are cheap to clone, and the futures are `Send`: tasks take their own.
    let other = db.clone();
    let task = tokio::spawn(async move { rename(&other, 2, "N-20").await });
    task.await.expect("the task does not panic")?;
    println!("in a task:           {:?}", journal(&db).await?.last());
    Ok(())
}
