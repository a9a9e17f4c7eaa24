//! Calls that share connections (`multiplex`), over PostgreSQL.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use aquifer::{Db, ErrorKind};
use aquifer_testkit::postgres::{Database, Proxy, Server, Settings};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

const ECHO: &str = "SELECT ?::int8, ?::text";
const SERIES: &str = "SELECT ?::int8 + i FROM generate_series(0, 99) i";

fn fresh(options: &str) -> (Database, Db) {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let url = format!("{}?pool_multiplex=reads&pool_max_open=6&{options}", database.url());
    let db = Db::open(&url).unwrap();
    (database, db)
}

async fn echo(db: &Db, n: i64) -> aquifer::Result<()> {
    let word = format!("w{n}");
    let (got, text): (i64, String) = db.get(ECHO, (n, &*word)).await?;
    assert_eq!((got, text), (n, word), "another call's answer");
    Ok(())
}

/// A small generator: what each task does is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What one task does: answers say whose they are, whatever happens in between.
async fn mixed(db: Db, task: i64, times: i64) {
    let mut dice = Dice(0x9E37_79B9 + task as u64);
    for time in 0..times {
        let n = task * 1_000_000 + time;
        match dice.roll(12) {
            0 => {
                // Polled at most once or twice, then dropped.
                let patience = Duration::from_micros(dice.roll(300));
                let _ = tokio::time::timeout(patience, echo(&db, n)).await;
            }
            1 => {
                let error = db.get::<i32>("SELECT 1 / ?::int4", (0,)).await.unwrap_err();
                assert_eq!(error.sqlstate(), Some("22012"), "{error}");
            }
            2 => {
                let error = db.get::<i32>("SELECT nonsense", ()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{error}");
            }
            3 => {
                let some: Vec<i64> = db.select(SERIES, (n,)).await.unwrap();
                assert_eq!(some, (n..n + 100).collect::<Vec<_>>());
            }
            4 => {
                let hasty = db.timeout(Duration::from_micros(1 + dice.roll(20_000)));
                if let Err(error) = echo(&hasty, n).await {
                    let known = [ErrorKind::Timeout, ErrorKind::PoolTimeout];
                    assert!(known.contains(&error.kind()), "{error}");
                }
            }
            5 => {
                let none: Option<i32> =
                    db.get_optional("SELECT id FROM t WHERE id = ?", (time,)).await.unwrap();
                assert_eq!(none, None);
            }
            _ => echo(&db, n).await.unwrap(),
        }
    }
}

async fn many(db: &Db, tasks: i64, times: i64) {
    let tasks: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(mixed(db.clone(), task, times))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn every_answer_is_its_own_whatever_becomes_of_the_others() {
    let (_database, db) = fresh("");
    // Until the function that they call is looked up, such texts do not share, and load the server's other sessions.
    while db.stats().multiplex.shared == 0 {
        // Two: one alone has nobody to share with.
        let (one, other) =
            tokio::join!(db.select::<i64>(SERIES, (0,)), db.select::<i64>(SERIES, (0,)));
        assert_eq!(one.unwrap(), other.unwrap());
    }
    many(&db, 64, 60).await;
    let stats = db.stats().multiplex;
    // How many depends on the machine: what was slow does not share.
    assert!(stats.shared > 500 && stats.resent > 0, "{stats:?}");
    assert!(stats.flights < stats.shared, "{stats:?}");
    assert!(db.close().await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn every_answer_is_its_own_on_several_threads() {
    let (_database, db) = fresh("");
    many(&db, 64, 60).await;
    assert!(db.close().await.is_clean());
}

#[tokio::test]
async fn statements_that_write_share_with_syncs_of_their_own() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let url = format!("{}?pool_multiplex=statements&pool_max_open=6", database.url());
    let db = Db::open(&url).unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.exec("INSERT INTO t VALUES (?)", (n / 2,)).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += i32::from(task.await.unwrap());
    }
    assert_eq!(done, 32, "every second one has a key that is there");
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 32);
    db.exec("TRUNCATE t", ()).await.unwrap();
    many(&db, 16, 30).await;
    let stats = db.stats().multiplex;
    assert!(stats.segments >= stats.shared - stats.resent - stats.elsewhere, "{stats:?}");
}

#[tokio::test]
async fn a_shared_write_on_a_connection_that_died_idle_runs_on_another() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let url = format!("{}?pool_multiplex=statements&pool_max_open=6", database.url());
    let db = Db::open(&url).unwrap();
    for n in 0..3 {
        db.exec("INSERT INTO t VALUES (?)", (n,)).await.unwrap();
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let name = database.name().to_owned();
        tokio::task::spawn_blocking(move || SERVER.psql_in(&name, kill).unwrap()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 3);
    assert!(db.stats().multiplex.resent >= 2, "{:?}", db.stats().multiplex);
}

#[tokio::test]
async fn shared_writes_that_wait_for_a_transaction_make_way_for_its_tasks_calls() {
    let database = SERVER.fresh_database().unwrap();
    database
        .psql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
        .unwrap();
    let url = format!("{}?pool_multiplex=statements&pool_max_open=8", database.url());
    let db = Db::open(&url).unwrap();
    let add = "UPDATE t SET n = n + 1 WHERE id = ?";
    db.exec(add, (1,)).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.exec(add, (1,)).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.exec(add, (1,)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    // They wait for the transaction, and this waits for them.
    let behind = tokio::time::timeout(Duration::from_secs(60), echo(&db, 7)).await;
    behind.expect("a deadlock").unwrap();
    tx.commit().await.unwrap();
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap().rows_affected(), 1);
    }
    assert_eq!(db.get::<i32>("SELECT n FROM t", ()).await.unwrap(), 6);
    let stats = db.stats().multiplex;
    assert!(stats.elsewhere >= 1, "{stats:?}");
    assert!(db.close().await.is_clean());
}

#[tokio::test]
async fn backends_that_are_killed_under_load_are_not_noticed() {
    let (database, db) = fresh("");
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let (db, over) = (db.clone(), std::sync::Arc::clone(&over));
            tokio::spawn(async move {
                let (mut n, mut lost) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    n += 1;
                    if let Err(error) = echo(&db, task * 1_000_000 + n).await {
                        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
                        lost += 1;
                    }
                }
                (n, lost)
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let name = database.name().to_owned();
        tokio::task::spawn_blocking(move || SERVER.psql_in(&name, kill).unwrap()).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let mut lost = 0;
    for task in tasks {
        let (made, gone) = task.await.unwrap();
        assert!(made > 0);
        lost += gone;
    }
    let stats = db.stats();
    let connects = stats.pools[1].1.connects_ok;
    assert!(connects > 3, "{connects} connections, {:?}", stats.multiplex);
    // Texts that seem slow, on a busy machine, have connections to themselves for a while.
    let alone = stats.calls.calls - stats.multiplex.shared + stats.multiplex.elsewhere;
    assert!(lost <= alone, "{lost} of {alone}");
}

#[tokio::test]
async fn a_function_that_writes_runs_on_a_connection_of_its_own() {
    let (database, db) = fresh("");
    database
        .psql("CREATE FUNCTION enter(int) RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES ($1) RETURNING id'")
        .unwrap();
    for n in 0..3 {
        assert_eq!(db.get::<i32>("SELECT enter(?)", (n,)).await.unwrap(), n);
    }
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 3);
    let stats = db.stats();
    assert!(stats.multiplex.shared <= 2, "{:?}", stats.multiplex);
    assert_eq!((stats.calls.calls, stats.calls.failures), (4, 0));
}

#[tokio::test]
async fn a_task_that_does_not_read_its_large_result_holds_up_no_other_call_of_its() {
    let (_database, db) = fresh("");
    echo(&db, 0).await.unwrap();
    let rows = "SELECT repeat('x', 100) FROM generate_series(1, 50000)";
    let mut select = Box::pin(db.select::<String>(rows, ()));
    for _ in 0..3 {
        std::future::poll_fn(|cx| std::task::Poll::Ready(select.as_mut().poll(cx).is_ready()))
            .await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for n in 0..50 {
        echo(&db, n).await.unwrap();
    }
    assert_eq!(select.await.unwrap().len(), 50_000);
    echo(&db, 1).await.unwrap();
}

#[tokio::test]
async fn what_nobody_waits_for_is_stopped() {
    let (database, db) = fresh("");
    echo(&db, 0).await.unwrap();
    let long = "SELECT count(*) FROM generate_series(1, 1000000000) i";
    let dropped = tokio::time::timeout(Duration::from_millis(30), db.get::<i64>(long, ())).await;
    assert!(dropped.is_err());
    for n in 0..20 {
        echo(&db, n).await.unwrap();
    }
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000%' \
                AND state = 'active' AND pid <> pg_backend_pid()";
    let waited = async {
        while database.psql(busy).unwrap().trim() != "0" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waited).await.unwrap();
    let error = db.timeout(Duration::from_millis(40)).get::<i64>(long, ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    for n in 0..20 {
        echo(&db, n).await.unwrap();
    }
}

#[tokio::test]
async fn one_task_costs_what_an_exclusive_call_costs_and_many_share_syncs() {
    let database = SERVER.fresh_database().unwrap();
    let proxy = Proxy::start(SERVER.address()).unwrap();
    let url = proxy.url_of("aquifer", "aquifer", database.name());
    let db = Db::open(&format!("{url}&pool_multiplex=reads&pool_max_open=3")).unwrap();
    echo(&db, 0).await.unwrap();
    proxy.take();
    for n in 0..3 {
        echo(&db, n).await.unwrap();
    }
    let flights: Vec<String> = proxy.take().iter().flat_map(|one| one.client_flights()).collect();
    assert_eq!(flights, ["BES", "BES", "BES"]);
    // After a call that was alone, the first one does not wait for others; then it does. On a machine that is held up
    // the keeper sends what has waited for too long meanwhile.
    let whole = format!("{}S", "BE".repeat(32));
    let mut all = String::new();
    for _ in 0..50 {
        proxy.take();
        let tasks: Vec<_> = (0..32)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move { echo(&db, n).await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        all = proxy.take().iter().flat_map(|one| one.client_flights()).collect();
        if all == whole {
            return;
        }
    }
    assert_eq!(all, whole);
}

/// Writes to a few rows, of which transactions lock some for a while: those that had their answer, and the others.
async fn hot_writes(db: Db, task: i32) -> (Vec<i32>, Vec<i32>) {
    let write = "WITH u AS (UPDATE t SET n = n + 1 WHERE id = ? RETURNING 1) \
                 INSERT INTO log SELECT ? FROM u";
    let mut dice = Dice(0x9E37_79B9 + task as u64);
    let (mut answered, mut others) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let id = task * 1000 + n;
        let scoped = match dice.roll(3) {
            0 => db.timeout(Duration::from_millis(1 + dice.roll(60))),
            _ => db.clone(),
        };
        let call = scoped.exec(write, (dice.roll(3) as i32, id));
        // Some are dropped.
        let patience = [dice.roll(60), 60_000][usize::from(dice.roll(4) > 0)];
        match tokio::time::timeout(Duration::from_millis(patience), call).await {
            Ok(Ok(done)) => {
                assert_eq!(done.rows_affected(), 1);
                answered.push(id);
            }
            Ok(Err(error)) => {
                let known = [ErrorKind::Timeout, ErrorKind::PoolTimeout];
                assert!(known.contains(&error.kind()), "{error}");
                others.push(id);
            }
            Err(_) => others.push(id),
        }
    }
    (answered, others)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_writes_take_effect_once_however_their_calls_end() {
    let database = SERVER.fresh_database().unwrap();
    let tables = "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE log (id int); \
                  INSERT INTO t SELECT i, 0 FROM generate_series(0, 2) i";
    database.psql(tables).unwrap();
    let url = format!("{}?pool_multiplex=statements&pool_max_open=40", database.url());
    let db = Db::open(&url).unwrap();
    let writers: Vec<_> = (0..16).map(|task| tokio::spawn(hot_writes(db.clone(), task))).collect();
    for n in 0..3 {
        // Long enough for what waits for it to make way.
        let mut tx = db.begin().await.unwrap();
        tx.exec("UPDATE t SET n = n + 1 WHERE id = ?", (n as i32,)).await.unwrap();
        for _ in 0..7 {
            echo(&db, n).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tx.commit().await.unwrap();
    }
    let (mut answered, mut others) = (Vec::new(), Vec::new());
    for writer in writers {
        let (some, more) = writer.await.unwrap();
        answered.extend(some);
        others.extend(more);
    }
    assert!(db.close().await.is_clean());
    let log = database.psql("SELECT id FROM log ORDER BY id").unwrap();
    let log: Vec<i32> = log.split_whitespace().map(|id| id.parse().unwrap()).collect();
    assert!(log.windows(2).all(|two| two[0] != two[1]), "once: {log:?}");
    assert!(answered.iter().all(|id| log.contains(id)), "what was answered has taken effect");
    assert!(log.iter().all(|id| answered.contains(id) || others.contains(id)));
}

#[tokio::test]
async fn a_result_whose_caller_waits_for_a_call_behind_it_makes_room() {
    let database = SERVER.fresh_database().unwrap();
    database
        .psql("CREATE TABLE large AS SELECT repeat('x', 1000) AS t FROM generate_series(1, 5000)")
        .unwrap();
    let options = "pool_multiplex=statements&pool_multiplex_connections=1&pool_max_open=3";
    let db = Db::open(&format!("{}?{options}", database.url())).unwrap();
    // The connection is open, and two that come together share it.
    let (one, two) = tokio::join!(echo(&db, 1), echo(&db, 2));
    one.and(two).unwrap();
    let before = db.stats().multiplex;
    let mut all = pin!(db.select::<String>("SELECT t FROM large", ()));
    let mut behind = pin!(echo(&db, 3));
    let both = poll_fn(|cx| {
        Poll::Ready((all.as_mut().poll(cx).is_ready(), behind.as_mut().poll(cx).is_ready()))
    });
    assert_eq!(both.await, (false, false), "both are under way");
    // From here on the task that has asked for the large result waits for the call behind it.
    let behind = tokio::time::timeout(Duration::from_secs(30), behind);
    behind.await.expect("the one in front makes room").unwrap();
    assert_eq!(all.await.unwrap().len(), 5000);
    let after = db.stats().multiplex;
    assert_eq!((after.shared - before.shared, after.elsewhere), (2, 0), "{after:?}");
}
