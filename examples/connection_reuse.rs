//! The classic experiment: 50, 100 and 200 tasks over one pool. Few connections are opened, all the rest
//! of the calls reuse them.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use aquifer::{Db, Result};

const CALLS: u32 = 20;
const FILE: &str = "connection_reuse.db";

/// One task: a few short calls, each with its own turn at a connection. Gives its mean latency.
async fn work(db: Db) -> Result<Duration> {
    let start = Instant::now();
    for n in 0..CALLS {
        let _: i64 = db.get("SELECT max(level) FROM readings WHERE station = ?", (n % 8,)).await?;
    }
    Ok(start.elapsed() / CALLS)
}

#[tokio::main]
async fn main() -> Result<()> {
    // A file, because a database in memory lives in one connection.
    let db = Db::builder(&format!("sqlite://{FILE}"))?
        .max_open(8)
        .acquire_timeout(Duration::from_secs(30))
        .connect()
        .await?;
    db.exec(
        "DROP TABLE IF EXISTS readings;
         CREATE TABLE readings (station INTEGER, level REAL);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 800)
         INSERT INTO readings SELECT i % 8, i * 37 % 100 FROM n;",
        (),
    )
    .await?;

    println!(
        "{:>5} {:>6} {:>7} {:>7} {:>13} {:>9}",
        "tasks", "calls", "opened", "reused", "mean latency", "wait p99"
    );
    for tasks in [50, 100, 200] {
        let before = db.stats();
        let running: Vec<_> = (0..tasks).map(|_| tokio::spawn(work(db.clone()))).collect();
        let mut latency = Duration::ZERO;
        for task in running {
            latency += task.await.expect("the task does not panic")?;
        }
        let after = db.stats();
        let opened = after.connects_ok - before.connects_ok;
        let reused = after.acquires - before.acquires - opened;
        println!(
            "{tasks:>5} {:>6} {opened:>7} {reused:>7} {:>13.1?} {:>9.1?}",
            tasks * CALLS,
            latency / tasks,
            after.wait.diff(&before.wait).p99(),
        );
        assert!(after.open_connections <= 8);
    }
    println!("most connections lent at once: {}", db.stats().peak_in_use);

    assert!(db.close().await.is_clean());
    std::fs::remove_file(FILE).expect("the example made the file");
    Ok(())
}
