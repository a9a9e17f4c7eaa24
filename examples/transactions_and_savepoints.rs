//! Transactions: committed, dropped, run as a closure, and a savepoint that undoes only its part.
#![forbid(unsafe_code)]

use aquifer::{Db, ErrorKind, Executor, Result, TxOptions};

async fn show(mut db: impl Executor, when: &str) -> Result<()> {
    let balances: Vec<i64> = db.select("SELECT balance FROM accounts ORDER BY id", ()).await?;
    println!("{when:<42} {balances:?}");
    Ok(())
}

async fn transfer(mut db: impl Executor, from: i64, to: i64, amount: i64) -> Result<()> {
    db.exec("UPDATE accounts SET balance = balance - ? WHERE id = ?", (amount, from)).await?;
    // `expect` fails unless exactly one row changed: the account might not exist.
    db.exec("UPDATE accounts SET balance = balance + ? WHERE id = ?", (amount, to))
        .await?
        .expect(1)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0));
         INSERT INTO accounts VALUES (1, 100), (2, 0);",
        (),
    )
    .await?;
    show(&db, "at first").await?;

    let mut tx = db.begin().await?;
    transfer(&mut tx, 1, 2, 30).await?;
    tx.commit().await?;
    show(&db, "committed").await?;

    let mut tx = db.begin().await?;
    transfer(&mut tx, 1, 2, 30).await?;
    drop(tx);
    show(&db, "dropped, so rolled back").await?;

    let mut tx = db.begin().await?;
    transfer(&mut tx, 1, 2, 5).await?;
    let mut savepoint = tx.savepoint().await?;
    transfer(&mut savepoint, 1, 2, 50).await?;
    savepoint.rollback().await?;
    show(&mut tx, "savepoint undone, transaction still open").await?;
    tx.commit().await?;

    // As a closure: `Ok` commits, `Err` rolls back and is passed on.
    let failed = db.transaction(async |tx| transfer(tx, 1, 99, 20).await).await;
    println!("a closure that fails: {}", failed.unwrap_err());
    show(&db, "nothing of it stays").await?;

    let overdrawn = db.transaction(async |tx| transfer(tx, 1, 2, 1_000).await).await;
    assert_eq!(overdrawn.unwrap_err().kind(), ErrorKind::CheckViolation);

    let mut tx = db.begin_with(TxOptions::new().read_only()).await?;
    let refused = transfer(&mut tx, 1, 2, 1).await.unwrap_err();
    println!("a read-only transaction: {:?}", refused.kind());
    tx.rollback().await?;
    show(&db, "at last").await
}
