//! Pools that have nothing left to do.

use std::time::{Duration, Instant};

use aquifer::Db;

/// How long that may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the pool has nothing left to do but to lend.
///
/// # Panics
///
/// If that takes too long; `what` says after what.
pub async fn settled(db: &Db, what: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = db.stats();
        let busy = stats.in_use + stats.connecting + stats.checking + stats.recovering;
        if busy + stats.closing + stats.waiters == 0 {
            return;
        }
        assert!(Instant::now() < until, "{what}: the pool does not come to rest: {stats:#?}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
