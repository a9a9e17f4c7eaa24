//! A result that nobody reads stays at its server, but for what sockets hold.

use std::time::Duration;

use aquifer_reliability::{Arena, Engine};

/// Rows of a thousand bytes each.
const ROWS: u64 = 100_000;
/// Far more than the buffers of the sockets on the way, far less than the result.
const HELD_BYTES_MAX: u64 = 40_000_000;

async fn an_unread_result_waits(engine: Engine) {
    let sql = match engine {
        Engine::Postgres => format!("SELECT repeat('x', 1000) FROM generate_series(1, {ROWS})"),
        _ => format!("SELECT REPEAT('x', 1000) FROM seq_1_to_{ROWS}"),
    };
    let arena = Arena::new(engine).await;
    let proxy = arena.proxy().unwrap();
    let db = arena.through(&proxy).max_open(1).open().unwrap();
    let mut conn = db.acquire().await.unwrap();
    proxy.count();
    let mut rows = conn.query(&sql, ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    // Until no more comes for a while: the server waits.
    let (mut held, mut still) = (0, 0);
    while still < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = proxy.counts().server_bytes;
        still = if now == held { still + 1 } else { 0 };
        held = now;
        assert!(held < HELD_BYTES_MAX, "{engine}: {held} bytes came, and nobody read them");
    }
    let mut read = 1;
    while rows.next().await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, ROWS, "{engine}: what waited is all there");
    assert!(proxy.counts().server_bytes > ROWS * 1000);
}

#[tokio::test]
async fn postgres_waits_for_who_reads() {
    an_unread_result_waits(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_waits_for_who_reads() {
    an_unread_result_waits(Engine::Mysql).await;
}
