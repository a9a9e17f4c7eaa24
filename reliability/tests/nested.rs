//! Calls that need a second connection while the first is kept, and crowds over few connections: over `Db`, on every
//! engine, on real servers.

use std::sync::Arc;
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, TxOptions};
use aquifer_reliability::{Arena, Engine, Random, settled};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Longer than anybody waits in these tests, unless he waits for ever.
const BUDGET: Duration = Duration::from_secs(300);
const ONE: &str = "SELECT 1";

async fn pool(arena: &Arena, max_open: u32) -> Db {
    arena.direct().max_open(max_open).acquire_timeout(BUDGET).open().unwrap()
}

async fn rests(db: &Db, engine: Engine) {
    settled(db, "nested").await;
    let stats = db.stats();
    assert_eq!((stats.in_use, stats.waiters), (0, 0), "{engine}: {stats:#?}");
    assert!(db.close().await.is_clean());
}

#[tokio::test]
async fn a_call_within_a_transaction_over_the_last_connection_is_refused_at_once() {
    for engine in Engine::ALL {
        let arena = Arena::new(engine).await;
        let db = pool(&arena, 1).await;
        let outer = db.label("outer");
        let nested = outer.transaction(async |tx| {
            tx.exec("INSERT INTO marks (tag, part) VALUES (1, 1)", ()).await?;
            db.label("inner").get::<i64>(ONE, ()).await
        });
        let error = nested.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PoolDeadlock, "{engine}: {error:?}");
        assert!(error.nothing_sent() && error.to_string().contains("outer"), "{engine}: {error}");
        // Of a transaction in it as of a call, and of one that is repeated.
        let nested = db.transaction_retry(TxOptions::new(), 5, async |_| {
            db.transaction(async |tx| tx.get::<i64>(ONE, ()).await).await
        });
        assert_eq!(nested.await.unwrap_err().kind(), ErrorKind::PoolDeadlock, "{engine}");
        assert_eq!(db.stats().refused_deadlock, 2, "{engine}: a deadlock is not tried again");
        assert_eq!(db.get::<i64>("SELECT count(*) FROM marks", ()).await.unwrap(), 0, "{engine}");
        rests(&db, engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_transactions_that_all_need_another_connection_one_is_refused_and_the_others_go_on() {
    for engine in Engine::SERVERS {
        let arena = Arena::new(engine).await;
        let db = pool(&arena, 4).await;
        for round in 0..20 {
            let all_have_one = Arc::new(Barrier::new(4));
            let mut tasks = JoinSet::new();
            for _ in 0..4 {
                let (db, all_have_one) = (db.clone(), Arc::clone(&all_have_one));
                tasks.spawn(async move {
                    let outer = db.clone();
                    outer
                        .transaction(async |tx| {
                            assert_eq!(tx.get::<i64>(ONE, ()).await?, 1);
                            all_have_one.wait().await;
                            db.get::<i64>(ONE, ()).await
                        })
                        .await
                });
            }
            let outcomes = tasks.join_all().await;
            let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
            let kinds: Vec<_> = refused.map(Error::kind).collect();
            assert_eq!(kinds, [ErrorKind::PoolDeadlock], "{engine}, round {round}");
        }
        rests(&db, engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_only_looks_nested_is_left_alone() {
    for engine in Engine::ALL {
        let arena = Arena::new(engine).await;
        let db = pool(&arena, 2).await;
        let mut tasks = JoinSet::new();
        for task in 0..8_i64 {
            let db = db.clone();
            tasks.spawn(async move {
                for n in 0..20 {
                    let tag = task * 100 + n;
                    // Beside a transaction, not in it; and after one, whose `Tx` went to somebody else.
                    let one =
                        db.transaction(async |tx| tx.get::<i64>("SELECT ? + 0", (tag,)).await);
                    let (one, two) = tokio::join!(one, db.get::<i64>("SELECT ? + 1", (tag,)));
                    assert_eq!((one?, two?), (tag, tag + 1));
                    let tx = db.begin_with(TxOptions::new().read_only()).await?;
                    let other = tokio::spawn(async move { tx.rollback().await });
                    assert_eq!(db.get::<i64>("SELECT ? + 2", (tag,)).await?, tag + 2);
                    other.await.unwrap()?;
                }
                Ok::<(), Error>(())
            });
        }
        for outcome in tasks.join_all().await {
            outcome.unwrap_or_else(|error| panic!("{engine}: {error:?}"));
        }
        assert_eq!(db.stats().refused_deadlock, 0, "{engine}");
        rests(&db, engine).await;
    }
}

/// What keeps a connection without a closure around it.
async fn held(db: &Db, engine: Engine) {
    let hasty = db.timeout(Duration::from_millis(100));
    let names_the_holder = |error: Error, who: &str| {
        assert_eq!(error.kind(), ErrorKind::PoolTimeout, "{engine}: {error:?}");
        assert!(error.nothing_sent() && error.to_string().contains(who), "{engine}: {error}");
    };
    let conn = db.label("a conn").acquire().await.unwrap();
    names_the_holder(hasty.get::<i64>(ONE, ()).await.unwrap_err(), "a conn");
    drop(conn);
    let tx = db.label("a tx").begin().await.unwrap();
    names_the_holder(hasty.get::<i64>(ONE, ()).await.unwrap_err(), "a tx");
    drop(tx);
    let mut rows = db.label("rows").query(engine.series(), (100_000,)).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    names_the_holder(hasty.get::<i64>(ONE, ()).await.unwrap_err(), "rows");
    drop(rows);
    assert_eq!(db.get::<i64>(ONE, ()).await.unwrap(), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_connection_that_he_keeps_himself_learns_who_that_is_when_his_time_is_up()
 {
    for engine in Engine::ALL {
        let arena = Arena::new(engine).await;
        let db = pool(&arena, 1).await;
        held(&db, engine).await;
        rests(&db, engine).await;
    }
}

/// A crowd over ten connections: some lose patience, some are dropped, and in the middle of it the pool closes.
async fn crowd(engine: Engine, closes: bool) {
    const SIZE: u64 = 3_000;
    let arena = Arena::new(engine).await;
    let books = arena.books().await;
    let db = arena.direct().max_open(10).max_waiters(20_000).acquire_timeout(BUDGET);
    let db = db.open().unwrap();
    let mut random = Random::new(7);
    let mut tasks = JoinSet::new();
    for tag in 0..SIZE as i64 {
        let (db, fate, after) = (db.clone(), random.below(6), random.below(300));
        tasks.spawn(async move {
            let after = Duration::from_millis(after);
            let patient = if fate == 0 { db.timeout(after) } else { db.clone() };
            let call = patient.get::<i64>("SELECT ? + 0", (tag,));
            let ended = match fate {
                1 => tokio::time::timeout(after, call).await.ok(),
                _ => Some(call.await),
            };
            match ended {
                Some(Ok(answer)) => assert_eq!(answer, tag),
                Some(Err(error)) => {
                    let closed = closes && error.kind() == ErrorKind::Closed;
                    assert!(closed || (fate == 0 && error.is_timeout()), "{error:?}");
                }
                None => {}
            }
        });
    }
    if closes {
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(db.close().await.is_clean(), "{engine}");
    }
    let mut ended = 0;
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
        ended += 1;
    }
    assert_eq!(ended, SIZE);
    settled(&db, "the crowd").await;
    let stats = db.stats();
    assert_eq!(stats.acquires, stats.hold.count(), "{engine}: {stats:#?}");
    let made = stats.closed_total() + u64::from(stats.open_connections);
    assert_eq!(stats.connects_ok, made, "{engine}: {stats:#?}");
    assert!(stats.open_connections <= 10, "{engine}: {stats:#?}");
    assert!(db.close().await.is_clean(), "{engine}");
    if engine != Engine::Sqlite {
        books.at_most(0, Duration::from_secs(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_crowd_over_ten_connections_everybody_ends_and_the_counters_are_exact() {
    for engine in Engine::ALL {
        crowd(engine, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_over_a_crowd_ends_everybody_and_leaves_no_session() {
    for engine in Engine::ALL {
        crowd(engine, true).await;
    }
}
