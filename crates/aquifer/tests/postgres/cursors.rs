//! Cursors: pages that the server computes when they are asked for.

use aquifer::{Db, ErrorKind, Result};
use aquifer_testkit::postgres::Proxy;

use super::SERVER;

const SERIES: &str = "SELECT n FROM generate_series(1, ?::int8) AS n";

/// A counter that moves with every row that is computed.
const COUNTED: &str = "SELECT nextval('computed') FROM generate_series(1, 1000)";

#[tokio::test]
async fn pages_are_computed_when_they_are_read() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::open(&format!("{}?pool_max_open=1", database.url()))?;
    db.exec("CREATE SEQUENCE computed", ()).await?;
    let mut tx = db.begin().await?;
    let mut rows = tx.cursor(COUNTED, ()).fetch_size(10).await?;
    for expected in 1..=11 {
        assert_eq!(rows.next().await?.unwrap().get::<i64>(0)?, expected);
    }
    drop(rows);
    let computed: i64 = tx.get("SELECT last_value FROM computed", ()).await?;
    assert_eq!(computed, 20, "two pages, and no more");

    // The transaction goes on, and the pages are complete.
    for _ in 0..2 {
        let mut rows = tx.cursor(SERIES, (25,)).fetch_size(10).await?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(row.get::<i64>(0)?);
        }
        assert_eq!(all, Vec::from_iter(1..=25));
        assert_eq!(rows.outcome().rows_affected, 25, "of all pages");
    }
    let mut rows = tx.cursor(SERIES, (25,)).fetch_size(10).await?;
    assert_eq!(rows.collect::<i64>().await?, Vec::from_iter(1..=25));
    drop(rows);
    let mut rows = tx.cursor(SERIES, (20,)).fetch_size(10).await?;
    assert_eq!(rows.collect::<i64>().await?.len(), 20);
    drop(rows);
    let refused = tx.cursor(SERIES, (1,)).fetch_size(0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Argument);
    tx.commit().await?;
    assert_eq!(db.get::<i64>("SELECT 1::int8", ()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn every_page_is_a_round_trip_also_outside_a_transaction() -> Result<()> {
    let proxy = Proxy::start(SERVER.address()).unwrap();
    let db = Db::open(&proxy.url())?;
    let mut conn = db.acquire().await?;
    conn.get::<i64>(SERIES, (1,)).await?;
    proxy.take_only();
    let mut rows = conn.cursor(SERIES, (30,)).fetch_size(10).await?;
    assert_eq!(rows.collect::<i64>().await?.len(), 30);
    drop(rows);
    // The server knows that a page was the last one only when it is asked for another.
    assert_eq!(proxy.take_only().client_flights(), ["BEH", "EH", "EH", "EH", "S"]);
    let mut rows = conn.cursor(SERIES, (30,)).await?;
    assert_eq!(rows.collect::<i64>().await?.len(), 30);
    drop(rows);
    Ok(())
}

#[tokio::test]
async fn a_cursor_of_a_db_holds_its_connection_until_its_rows_end() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::open(&format!("{}?pool_max_open=1", database.url()))?;
    db.exec("CREATE SEQUENCE computed", ()).await?;
    let rows = {
        let sql = COUNTED.to_owned();
        let cursor = db.label("slowly").cursor(&sql, ()).fetch_size(10);
        assert_eq!(db.stats().in_use, 0, "it is lazy");
        cursor.await?
    };
    // The rows need neither the handle, nor the text, nor the cursor.
    let read = tokio::spawn(async move {
        let mut rows = rows;
        for expected in 1..=11 {
            assert_eq!(rows.next().await?.unwrap().get::<i64>(0)?, expected);
        }
        Ok::<_, aquifer::Error>(rows)
    });
    let rows = read.await.unwrap()?;
    assert_eq!(db.stats().in_use, 1);
    drop(rows);
    let computed: i64 = db.get("SELECT last_value FROM computed", ()).await?;
    assert_eq!(computed, 20, "two pages, and no more");
    let mut rows = db.cursor(SERIES, (25,)).fetch_size(10).await?;
    assert_eq!(rows.collect::<i64>().await?.len(), 25);
    assert_eq!(db.stats().in_use, 0, "the end gives it back, not the drop");
    drop(rows);
    let refused = db.cursor(SERIES, (1,)).fetch_size(0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Argument);
    Ok(())
}
