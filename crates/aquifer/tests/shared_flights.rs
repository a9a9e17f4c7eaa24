//! Reads that share a flight (`multiplex`) over SQLite, counted: hops to the worker, allocations, and
//! whose error is whose.
#![cfg(feature = "sqlite")]

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use aquifer::{Db, ErrorKind};
use aquifer_sqlite::SqliteConnection;
use aquifer_testkit::{CountingAllocator, allocations_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

const TWICE: &str = "SELECT ?1, ?1 * 2";
const TASKS: i64 = 64;

async fn open() -> Db {
    let url = "sqlite::memory:?inline_budget=off&pool_multiplex=reads&pool_max_open=1";
    Db::connect(url).await.unwrap()
}

async fn rounds(db: &Db) -> u64 {
    let mut conn = db.acquire().await.unwrap();
    let sqlite = conn.driver::<SqliteConnection>().unwrap();
    aquifer::driver::Connection::counters(sqlite).rounds
}

/// Every task reads so often, one read after the other.
async fn read_all(db: &Db, times: i64) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..times {
                    let key = task * 1000 + n;
                    let got: (i64, i64) = db.get(TWICE, (key,)).await.unwrap();
                    assert_eq!(got, (key, key * 2));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn all_tasks_that_are_ready_share_one_hop() {
    let db = open().await;
    read_all(&db, 2).await;
    let (before, stats) = (rounds(&db).await, db.stats().multiplex);
    read_all(&db, 20).await;
    let hops = rounds(&db).await - before;
    assert!((20..=24).contains(&hops), "{hops} hops for 20 reads of each of {TASKS} tasks");
    let counted = db.stats().multiplex;
    assert_eq!(counted.shared - stats.shared, 20 * TASKS as u64);
    // One at a time: a flight's beginning and its end.
    assert_eq!(counted.flights - stats.flights, hops, "{counted:?}");
    assert_eq!((counted.segments, counted.resent, counted.moved, counted.elsewhere), (0, 0, 0, 0));
}

const SERIES: &str = "WITH RECURSIVE s(n) AS (SELECT 1 WHERE ?2 > 0 UNION ALL SELECT n + 1 FROM s WHERE n < ?2) \
                      SELECT n, ?1, ?3 FROM s";

/// Rows that say whose they are, in as many batches as it takes.
async fn series(db: &Db, key: i64, rows: i64) {
    let word = "x".repeat(200);
    let all: Vec<(i64, i64, String)> = db.select(SERIES, (key, rows, &*word)).await.unwrap();
    assert_eq!(all.len() as i64, rows, "rows of another call, or too few");
    for (n, (got, whose, text)) in (1..).zip(all) {
        assert_eq!((got, whose), (n, key), "a row of another call");
        assert_eq!(text, word);
    }
}

#[tokio::test]
async fn results_of_several_rows_share_a_hop_and_are_whole_whatever_their_size() {
    let db = open().await;
    let all = async |rows: fn(i64) -> i64, times: i64| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    for n in 0..times {
                        series(&db, task * 1000 + n, rows(task + n)).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    all(|_| 3, 2).await;
    let before = rounds(&db).await;
    all(|n| n % 5, 20).await;
    let hops = rounds(&db).await - before;
    assert!((20..=24).contains(&hops), "{hops} hops for 20 reads of each of {TASKS} tasks");
    // One of a few batches here and there; then its text goes by itself, but now and then.
    all(|n| if n % 16 == 5 { 1500 } else { 2 }, 4).await;
    let stmt = db.prepare("SELECT ?1, ?1 * 2").await.unwrap();
    let before = rounds(&db).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let stmt = stmt.clone();
            tokio::spawn(async move {
                assert_eq!(stmt.get::<(i64, i64)>((n,)).await.unwrap(), (n, n * 2));
                assert_eq!(stmt.select::<(i64, i64)>((n,)).await.unwrap(), [(n, n * 2)]);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let hops = rounds(&db).await - before;
    assert!(hops <= 4, "{hops} hops for two reads of a kept statement by each of {TASKS} tasks");
}

#[tokio::test]
async fn a_shared_read_allocates_nothing_of_its_own() {
    let db = open().await;
    read_all(&db, 50).await;
    let ((), few) = allocations_of(read_all(&db, 50)).await;
    let ((), many) = allocations_of(read_all(&db, 150)).await;
    // Each flight needs a few: its batch, and what its leader does.
    let flights = 100;
    let more = many.count.saturating_sub(few.count);
    assert!(more <= 16 * flights, "{more} allocations for {} calls", 100 * TASKS);
}

#[tokio::test]
async fn a_refused_argument_is_its_own_callers_error() {
    let db = open().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let bad = n % 16 == 5;
                let value = if bad { f64::NAN } else { n as f64 };
                match db.get::<f64>("SELECT ?", (value,)).await {
                    Ok(got) => assert!(!bad && got == value),
                    Err(error) => {
                        assert!(bad, "{error}");
                        assert_eq!(error.kind(), ErrorKind::Argument);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(db.stats().calls.failures, 4);
}

#[tokio::test]
async fn a_read_dropped_at_any_poll_takes_no_answer_from_its_neighbours() {
    let db = open().await;
    for polls in 0..6 {
        let neighbours: Vec<_> = (0..8i64)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move { db.get::<(i64, i64)>(TWICE, (n,)).await })
            })
            .collect();
        {
            // Polled first, so it leads.
            let mut dropped = pin!(db.get::<(i64, i64)>(TWICE, (99,)));
            for _ in 0..polls {
                let over = poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_ready())).await;
                if over {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        for (n, neighbour) in neighbours.into_iter().enumerate() {
            let n = n as i64;
            assert_eq!(neighbour.await.unwrap().unwrap(), (n, n * 2));
        }
    }
    assert_eq!(db.stats().in_use, 0);
}
