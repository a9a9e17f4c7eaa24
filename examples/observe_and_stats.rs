//! What a `Db` knows about itself: labels, slow calls, histograms, and an observer of your own.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aquifer::{Call, Db, Observer, Result, TransactionEnd};

/// An observer sees every call, with its text and never its arguments. Metrics, slow logs and tracing
/// are all made of this.
#[derive(Default)]
struct Log {
    rows: AtomicU64,
}

impl Observer for Log {
    fn call(&self, call: &Call<'_>) {
        self.rows.fetch_add(call.rows, Ordering::Relaxed);
    }

    fn slow(&self, call: &Call<'_>) {
        println!("slow: {} took too long", call.label.unwrap_or(call.sql));
    }

    fn transaction(&self, end: &TransactionEnd<'_>) {
        println!("transaction: {:?}", end.outcome);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let log = Arc::new(Log::default());
    let db = Db::builder("sqlite::memory:")?
        .slow_call(Duration::from_millis(20))
        .observer(log.clone())
        .connect()
        .await?;
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT)", ()).await?;

    // A label travels with a cheap clone of the handle.
    let writes = db.label("stations.add");
    for n in 0..50 {
        writes.exec("INSERT INTO stations (code) VALUES (?)", (format!("N-{n:02}"),)).await?;
    }
    let reads = db.label("stations.list");
    let codes: Vec<String> = reads.select("SELECT code FROM stations", ()).await?;
    let failed = reads.exec("SELECT nonsense", ()).await;
    println!("{} codes, then: {}", codes.len(), failed.unwrap_err());

    let report = db.label("report");
    let _: i64 = report
        .get(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)
             SELECT sum(i) FROM n",
            (),
        )
        .await?;
    drop(db.begin().await?);

    println!("{:<14} {:>5} {:>6} {:>4} {:>4}", "label", "calls", "failed", "slow", "rows");
    for (name, stats) in db.label_stats() {
        let aquifer::CallStats { calls, failures, slow, rows, .. } = stats;
        println!("{name:<14} {calls:>5} {failures:>6} {slow:>4} {rows:>4}");
    }
    let stats = db.stats();
    println!("the observer counted {} rows", log.rows.load(Ordering::Relaxed));
    println!("open {}, in use {}", stats.open_connections, stats.in_use);
    println!(
        "calls: p50 {:.1?}, p99 {:.1?}",
        stats.calls.last_row.p50(),
        stats.calls.last_row.p99()
    );
    println!("held:  p50 {:.1?}, waited p99 {:.1?}", stats.hold.p50(), stats.wait.p99());
    println!("closed cleanly: {}", db.close().await.is_clean());
    Ok(())
}
