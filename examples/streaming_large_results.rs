//! A result that does not fit into memory: borrowed rows, a stream of owned values, and leaving early.
#![forbid(unsafe_code)]

use std::time::Duration;

use aquifer::{Db, FromRow, Result};

const MANY: &str = "WITH RECURSIVE minutes (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM minutes)
    SELECT n, 'N-' || (n % 7) AS code, (n % 100) / 10.0 AS level_m FROM minutes LIMIT ?";

#[derive(FromRow)]
struct Reading {
    n: i64,
    code: String,
    level_m: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Db::connect("sqlite::memory:").await?;

    // Rows lend: nothing is allocated per row, and only a batch of them is in memory.
    let mut rows = db.query(MANY, (200_000,)).await?;
    let (mut count, mut sum) = (0u64, 0.0);
    while let Some(row) = rows.next().await? {
        let (_n, code, level_m): (i64, &str, f64) = row.scan()?;
        if code == "N-3" {
            count += 1;
            sum += level_m;
        }
    }
    println!("borrowed: {count} readings of N-3, mean level {:.3} m", sum / count as f64);

    // The same as a `futures::Stream` of owned values; it also has a `next` of its own.
    let mut stream = db.stream::<Reading>(MANY, (50_000,));
    let mut last = None;
    while let Some(reading) = stream.try_next().await? {
        last = Some(reading);
    }
    if let Some(Reading { n, code, level_m }) = last {
        println!("owned:    the last is number {n}, {code} at {level_m} m");
    }

    // Leaving early is cheap: what was not read is given up, and the connection is used again.
    for _ in 0..100 {
        let mut rows = db.query(MANY, (1_000_000_000,)).await?;
        rows.next().await?;
    }
    let stats = db.stats();
    println!("early:    100 endless results left, {} connection opened", stats.connects_ok);

    // A deadline covers the reading, too.
    let mut endless = db.timeout(Duration::from_millis(50)).query(MANY, (i64::MAX,)).await?;
    let error = loop {
        match endless.next().await {
            Ok(Some(_)) => {}
            Ok(None) => unreachable!("the query has no end"),
            Err(error) => break error,
        }
    };
    println!("deadline: {error}");
    Ok(())
}
