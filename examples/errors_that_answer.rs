//! Errors answer the next question: what was violated, may I repeat it, was anything sent?
#![forbid(unsafe_code)]

use aquifer::{Db, Error, ErrorKind, Result, Retry, TxOptions};

fn what_next(error: &Error) -> &'static str {
    match error.retry() {
        Retry::Safe => "repeat the call",
        Retry::Transaction => "repeat the transaction",
        Retry::Never => "do not repeat it",
        Retry::Unknown => "look before repeating",
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE)", ())
        .await?;
    let insert = "INSERT INTO stations (code) VALUES (?)";
    db.exec(insert, ("N-07",)).await?;

    // Which constraint? The same kind on every engine.
    let error = db.exec(insert, ("N-07",)).await.unwrap_err();
    if error.kind() == ErrorKind::UniqueViolation {
        println!("taken: {} ({})", error.constraint().unwrap_or("?"), what_next(&error));
    }
    let error = db.exec(insert, (None::<String>,)).await.unwrap_err();
    println!("{:?}: {}", error.kind(), error.column().or(error.constraint()).unwrap_or("?"));

    // Wrong calls fail before a connection is taken.
    let error = db.exec(insert, ("N-08", 1)).await.unwrap_err();
    println!("{error} (nothing sent: {})", error.nothing_sent());

    // Conversions name the column, the type and what was found; never the value.
    let error = db.get::<i64>("SELECT code FROM stations", ()).await.unwrap_err();
    println!("{error}");
    let error = db.get::<u8>("SELECT 300 AS level", ()).await.unwrap_err();
    println!("{error}");

    // Optimistic locking in one word.
    let update = "UPDATE stations SET code = ? WHERE id = ? AND code = ?";
    let error = db.exec(update, ("N-09", 1, "N-08")).await?.expect(1).unwrap_err();
    println!("{:?}: {error}", error.kind());

    // A label makes errors, statistics and leak reports say where.
    let error = db.label("stations.rename").exec("UPDATE station SET x = 1", ()).await.unwrap_err();
    println!("{error}");

    // What the engine undid because of others is run again, up to five times in all. The closure owns
    // what it uses.
    let mut attempts = 0;
    let count = db
        .transaction_retry(TxOptions::serializable(), 5, async |tx| {
            attempts += 1;
            if attempts < 3 {
                return Err(Error::new(ErrorKind::Serialization, "another transaction won"));
            }
            tx.get::<i64>("SELECT count(*) FROM stations", ()).await
        })
        .await?;
    println!("counted {count} after {attempts} attempts");
    Ok(())
}
