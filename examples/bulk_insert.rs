//! Many rows at once: a slice of structs in one call, a batch of different statements in one flight, and
//! a prepared statement in a transaction.
#![forbid(unsafe_code)]

use std::time::Instant;

use aquifer::{Db, Result, ToParams};

#[derive(ToParams)]
struct Reading {
    station_id: i64,
    minute: i64,
    level_m: f64,
}

fn readings(station_id: i64, count: i64) -> Vec<Reading> {
    (0..count)
        .map(|minute| Reading { station_id, minute, level_m: 1.5 + (minute % 20) as f64 / 100.0 })
        .collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;
    db.exec("CREATE TABLE readings (station_id INTEGER, minute INTEGER, level_m REAL)", ()).await?;

    // A slice of structs becomes multi-row statements, split where the engine's limit on parameters
    // asks for it. However many there are, it is all or nothing.
    let many = readings(1, 20_000);
    let start = Instant::now();
    let done = db
        .exec_named(
            "INSERT INTO readings (station_id, minute, level_m)
             VALUES (:station_id, :minute, :level_m)",
            &many[..],
        )
        .await?;
    println!("a slice:   {} rows (in {:.0?})", done.rows_affected(), start.elapsed());

    // A batch: any statements, sent together, each with a result of its own.
    let mut tx = db.begin().await?;
    let start = Instant::now();
    let mut batch = tx.batch();
    for Reading { station_id, minute, level_m } in readings(2, 1_000) {
        let ticket =
            batch.exec("INSERT INTO readings VALUES (?, ?, ?)", (station_id, minute, level_m));
        drop(ticket);
    }
    let count = batch.get::<i64>("SELECT count(*) FROM readings", ());
    let mut done = batch.send().await?;
    println!("a batch:   {} rows by now (in {:.0?})", done.take(count)?, start.elapsed());
    // The results that nobody took: an error among them ends the transaction.
    done.finish()?;
    tx.commit().await?;

    // One by one, with a statement that the engine has checked.
    let insert = db.prepare("INSERT INTO readings VALUES (?, ?, ?)").await?;
    let start = Instant::now();
    let mut tx = db.begin().await?;
    for Reading { station_id, minute, level_m } in readings(3, 1_000) {
        insert.on(&mut tx).exec((station_id, minute, level_m)).await?.expect(1)?;
    }
    tx.commit().await?;
    println!("prepared:  1000 rows (in {:.0?})", start.elapsed());

    let by_station: Vec<(i64, i64)> =
        db.select("SELECT station_id, count(*) FROM readings GROUP BY 1 ORDER BY 1", ()).await?;
    println!("by station: {by_station:?}");
    Ok(())
}
