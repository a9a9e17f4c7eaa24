//! What a call over SQLite costs in allocations: what the caller keeps, and nothing per row beside it.
//!
//! Counted is the caller's thread. A short read runs there as a whole; of a long one the rows come from the
//! connection's worker in batches, and what is counted is taking them in.
#![cfg(feature = "sqlite")]

use aquifer::Db;
use aquifer_testkit::{Allocations, CountingAllocator, allocations_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const LEVEL: &str = "SELECT id, level_m FROM stations WHERE id = ?";
const SCAN: &str = "SELECT id, code, level_m FROM stations WHERE id <= ?";
const CODES: &str = "SELECT id, code FROM stations WHERE id <= ?";
/// Calls before counting: longer than the runtime takes to have made the task yield.
const WARM_UP: i64 = 300;

async fn stations(count: i64) -> Db {
    let db = Db::connect("sqlite::memory:").await.unwrap();
    db.exec("CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL)", ())
        .await
        .unwrap();
    db.exec(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
         INSERT INTO stations SELECT i, 'station-' || i, i * 0.5 FROM n",
        (count,),
    )
    .await
    .unwrap();
    db
}

async fn levels(db: &Db, calls: i64) {
    for id in 1..=calls {
        let (found, level): (i64, f64) = db.get(LEVEL, (id,)).await.unwrap();
        assert_eq!((found, level), (id, id as f64 * 0.5));
    }
}

async fn scan(db: &Db, count: i64) {
    let mut rows = db.query(SCAN, (count,)).await.unwrap();
    let mut read = 0;
    while let Some(row) = rows.next().await.unwrap() {
        let (id, code, level) = row.scan::<(i64, &str, Option<f64>)>().unwrap();
        read += 1;
        assert_eq!((id, level), (read, Some(read as f64 * 0.5)));
        assert!(code.starts_with("station-"));
    }
    assert_eq!(read, count);
}

async fn codes(db: &Db, count: i64) -> Allocations {
    let (rows, spent) = allocations_of(db.select::<(i64, String)>(CODES, (count,))).await;
    assert_eq!(rows.unwrap().len() as i64, count);
    spent
}

#[tokio::test]
async fn a_point_select_of_numbers_allocates_nothing() {
    let db = stations(WARM_UP).await;
    levels(&db, WARM_UP).await;
    let ((), spent) = allocations_of(levels(&db, WARM_UP)).await;
    assert_eq!(spent.count, 0, "{spent:?} for {WARM_UP} calls");
}

#[tokio::test]
async fn the_allocations_of_a_scan_do_not_grow_with_its_rows() {
    let db = stations(10_000).await;
    for count in [1000, 10_000, 10_000] {
        scan(&db, count).await;
    }
    let ((), short) = allocations_of(scan(&db, 1000)).await;
    let ((), long) = allocations_of(scan(&db, 10_000)).await;
    // 0 and 0 as a rule. How far the worker is ahead depends on timing, so a buffer may come into use late;
    // one per batch would be ten or more.
    assert!(long.count <= short.count + 3, "{short:?} for 1 000 rows, {long:?} for 10 000");
}

#[tokio::test]
async fn a_select_within_a_batch_allocates_the_strings_and_the_vector_once() {
    let db = stations(WARM_UP).await;
    levels(&db, WARM_UP).await;
    codes(&db, WARM_UP).await;
    assert_eq!(codes(&db, 0).await.count, 0);
    for count in [1, 4, 5, 100, WARM_UP] {
        let spent = codes(&db, count).await;
        // The vector is made for the rows that are there.
        assert_eq!(spent.count, count as u64 + 1, "{spent:?} for {count} rows");
    }
}

#[tokio::test]
async fn a_long_select_allocates_the_strings_and_the_growth_of_the_vector() {
    const COUNT: i64 = 10_000;
    let db = stations(COUNT).await;
    codes(&db, COUNT).await;
    let spent = codes(&db, COUNT).await;
    // A vector that doubles has grown fifteen times on the way to 10 000 from nothing.
    let beside = spent.count - COUNT as u64;
    assert!((1..=15).contains(&beside), "{spent:?} for {COUNT} rows");
}
