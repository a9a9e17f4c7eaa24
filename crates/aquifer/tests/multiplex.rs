//! Calls that share connections (`multiplex`), over an engine in memory.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use aquifer::pool::Warning;
use aquifer::{Builder, Call, Db, ErrorKind, Hooks, Multiplexing, Observer, list};
use aquifer_testkit::Gate;
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};

fn server() -> FakeServer {
    FakeServer::with_options(FakeOptions::like_postgres().multiplexes(true))
}

fn open(server: &FakeServer) -> Db {
    Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Reads)
        .max_open(4)
        .open()
        .unwrap()
}

const ECHO: &str = "SELECT ? AS n";

async fn echo(db: &Db, n: i64) {
    let got: i64 = db.get(ECHO, (n,)).await.unwrap();
    assert_eq!(got, n);
}

async fn each(db: &Db, tasks: i64, times: i64) {
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..times {
                    echo(&db, task * 1000 + n).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Polls so often, or until it is over.
async fn poll_times<F: Future>(mut future: Pin<&mut F>, times: usize) -> Option<F::Output> {
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_ready_share_one_connection_and_its_writes() {
    let server = server();
    let db = open(&server);
    each(&db, 64, 1).await;
    let before = server.counters();
    each(&db, 64, 20).await;
    let after = server.counters();
    assert_eq!(after.connects, 1);
    assert!(after.rounds - before.rounds <= 24, "{} rounds", after.rounds - before.rounds);
    let stats = db.stats();
    assert_eq!((stats.multiplex.shared, stats.multiplex.elsewhere), (64 * 21, 0));
    assert_eq!(stats.calls.calls, 64 * 21);
    assert_eq!(&*stats.pools[1].0, "shared");
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_lone_task_is_served_at_once_and_soon_on_a_connection_of_its_own() {
    let server = server();
    let db = open(&server);
    for n in 0..50 {
        echo(&db, n).await;
        tokio::task::yield_now().await;
    }
    // The seventeenth has one opened for those that come.
    let stats = db.stats().multiplex;
    assert_eq!((stats.shared, stats.flights, stats.segments), (17, 17, 17));
    assert_eq!(server.counters().connects, 2);
    // As soon as there is somebody to share with, it shares.
    let gate = Gate::new();
    server.inject(Injection::new(Operation::Execute, Fault::Hold(gate.clone())).matching("5"));
    let other = {
        let db = db.clone();
        tokio::spawn(async move { db.get::<i64>("SELECT 5 AS n", ()).await })
    };
    tokio::task::yield_now().await;
    for n in 0..50 {
        echo(&db, n).await;
    }
    assert_eq!(db.stats().multiplex.shared, 17 + 50);
    gate.open();
    assert_eq!(other.await.unwrap().unwrap(), 5);
    for n in 0..50 {
        echo(&db, n).await;
    }
    assert_eq!(db.stats().multiplex.shared, 17 + 50 + 16);
    assert_eq!((server.counters().connects, db.stats().calls.calls), (2, 151));
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_lone_task_does_not_wait_for_a_connection_while_a_shared_one_is_there() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Reads)
        .multiplex_connections(1)
        .max_open(2)
        .open()
        .unwrap();
    let held = db.acquire().await.unwrap();
    for n in 0..50 {
        echo(&db, n).await;
    }
    assert_eq!(db.stats().multiplex.shared, 50);
    drop(held);
    echo(&db, 50).await;
    assert_eq!((db.stats().multiplex.shared, server.counters().connects), (50, 2));
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn rows_are_collected_and_a_missing_one_is_missing() {
    let server = server();
    let db = open(&server);
    let all: Vec<i64> = db.select("SELECT n FROM series(1, ?)", (500,)).await.unwrap();
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
    let none: Option<i64> = db.get_optional("SELECT n FROM series(1, ?)", (0,)).await.unwrap();
    assert_eq!(none, None);
    let error = db.get::<i64>("SELECT n FROM series(1, ?)", (0,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRows);
    assert_eq!(db.stats().multiplex.shared, 3);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn an_error_is_its_own_calls_and_its_neighbours_run_again() {
    let server = server();
    let db = open(&server);
    let tasks: Vec<_> = (0..64i64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                if n % 7 == 3 {
                    let error = db.get::<i64>("SELECT nonsense", ()).await.unwrap_err();
                    assert_ne!(error.kind(), ErrorKind::NoRows);
                } else {
                    echo(&db, n).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stats = db.stats();
    assert!(stats.multiplex.resent > 0);
    assert_eq!((stats.calls.calls, stats.calls.failures), (64, 9));
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_text_that_turns_out_to_write_runs_on_a_connection_of_its_own() {
    let server = server();
    let db = open(&server);
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    server.inject(
        Injection::new(Operation::Execute, Fault::Fail(ErrorKind::ReadOnly)).matching("count"),
    );
    let count = "SELECT count(*) FROM t";
    assert_eq!(db.get::<i64>(count, ()).await.unwrap(), 0);
    assert_eq!(db.get::<i64>(count, ()).await.unwrap(), 0);
    let stats = db.stats();
    assert_eq!(stats.multiplex.shared, 1, "it is known from then on");
    assert_eq!(stats.multiplex.elsewhere, 1);
    assert_eq!((stats.calls.calls, stats.calls.failures), (3, 0));
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn calls_with_lists_share_and_what_is_learnt_of_their_texts_holds() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Statements)
        .max_open(4)
        .open()
        .unwrap();
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    db.exec("INSERT INTO t (id) VALUES (1)", ()).await.unwrap();
    db.exec("INSERT INTO t (id) VALUES (2)", ()).await.unwrap();
    let (some, gone) = ("SELECT id FROM t WHERE id IN (?)", "DELETE FROM t WHERE id IN (?)");
    let before = db.stats().multiplex.shared;
    let shared = || db.stats().multiplex.shared - before;
    assert_eq!(db.get::<i64>(some, (list(&[2, 3]),)).await.unwrap(), 2);
    assert_eq!(db.get_optional::<i64>(some, (list(&[3, 4]),)).await.unwrap(), None);
    assert_eq!(db.select::<i64>(some, (list(&[1, 2, 3]),)).await.unwrap(), [1, 2]);
    let stmt = db.prepare(some).await.unwrap();
    assert_eq!(stmt.get::<i64>((list(&[1, 3]),)).await.unwrap(), 1);
    assert_eq!(stmt.select::<i64>((list(&[1, 2]),)).await.unwrap(), [1, 2]);
    assert_eq!(shared(), 5);
    let error = db.get::<i64>(some, (list::<i64>(&[]),)).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Argument, true));
    assert_eq!(db.exec(gone, (list(&[1, 3]),)).await.unwrap().rows_affected(), 1);
    assert_eq!(shared(), 6);
    assert_eq!(db.select::<i64>(some, (list(&[1, 2]),)).await.unwrap(), [2]);
    // Not in a transaction.
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.select::<i64>(some, (list(&[1, 2]),)).await.unwrap(), [2]);
    assert_eq!(stmt.on(&mut tx).select::<i64>((list(&[1, 2]),)).await.unwrap(), [2]);
    assert_eq!(stmt.on(&mut tx).get::<i64>((list(&[2]),)).await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!(shared(), 7);
    // A text that turns out to write is known by its lists' length.
    let db = open(&server);
    server.inject(
        Injection::new(Operation::Execute, Fault::Fail(ErrorKind::ReadOnly)).matching("IN"),
    );
    for _ in 0..3 {
        assert_eq!(db.select::<i64>(some, (list(&[2, 3]),)).await.unwrap(), [2]);
    }
    let stats = db.stats().multiplex;
    assert_eq!((stats.shared, stats.elsewhere), (1, 1), "it is known from then on");
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn what_is_learnt_of_a_text_holds_for_named_calls_too() {
    let server = server();
    let db = open(&server);
    server.inject(
        Injection::new(Operation::Execute, Fault::Fail(ErrorKind::ReadOnly)).matching("AS n"),
    );
    let args = std::collections::HashMap::from([("n", 6)]);
    for _ in 0..3 {
        assert_eq!(db.get_named::<i64>("SELECT :n AS n", &args).await.unwrap(), 6);
    }
    let stats = db.stats().multiplex;
    assert_eq!((stats.shared, stats.elsewhere), (1, 1), "it is known from then on");
    // The same statement, by another name for its argument.
    let args = std::collections::HashMap::from([("m", 7)]);
    assert_eq!(db.get_named::<i64>("SELECT :m AS n", &args).await.unwrap(), 7);
    assert_eq!(db.stats().multiplex.shared, 2);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_not_noticed_and_one_that_is_lost_again_and_again_is() {
    let server = server();
    let db = open(&server);
    echo(&db, 1).await;
    server.inject(Injection::new(Operation::Execute, Fault::LostUndone).nth(5));
    each(&db, 16, 2).await;
    assert!(db.stats().multiplex.resent > 0);
    server.inject(Injection::new(Operation::Execute, Fault::LostUndone).times(3));
    let error = db.get::<i64>(ECHO, (1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    echo(&db, 2).await;
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_poll_takes_no_answer_from_its_neighbours() {
    let server = server();
    for warm in [false, true] {
        for polls in 0..6 {
            let db = open(&server);
            if warm {
                each(&db, 8, 2).await;
            }
            let neighbours: Vec<_> = (0..8)
                .map(|n| {
                    let db = db.clone();
                    tokio::spawn(async move { echo(&db, n).await })
                })
                .collect();
            {
                // Polled first, so it leads.
                let dropped = pin!(db.get::<i64>(ECHO, (99,)));
                poll_times(dropped, polls).await;
            }
            for neighbour in neighbours {
                neighbour.await.unwrap();
            }
            echo(&db, 7).await;
            drop(db.close().await);
        }
    }
    server.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn a_result_that_nobody_reads_holds_up_nobody() {
    let server = server();
    let db = open(&server);
    server.set_latency(Operation::Fetch, Some(Duration::from_millis(1)));
    // Twice what is kept for a reader, and more.
    let mut select = pin!(db.select::<i64>("SELECT n FROM series(1, ?)", (200_000,)));
    assert!(poll_times(select.as_mut(), 3).await.is_none());
    for n in 0..20 {
        echo(&db, n).await;
    }
    assert_eq!(select.await.unwrap().len(), 200_000);
    echo(&db, 1).await;
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_slow_statement_is_moved() {
    let server = server();
    let db = open(&server);
    echo(&db, 0).await;
    let gate = Gate::new();
    server.inject(Injection::new(Operation::Execute, Fault::Hold(gate.clone())).matching("5"));
    let slow = {
        let db = db.clone();
        tokio::spawn(async move { db.get::<i64>("SELECT 5 AS n", ()).await })
    };
    tokio::task::yield_now().await;
    each(&db, 8, 2).await;
    assert!(db.stats().multiplex.moved > 0);
    gate.open();
    assert_eq!(slow.await.unwrap().unwrap(), 5);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_that_goes_on_is_stopped_and_its_neighbours_run_again() {
    let server = server();
    let db = open(&server);
    echo(&db, 0).await;
    server.inject(Injection::new(Operation::Execute, Fault::Hang).matching("5"));
    {
        let slow = pin!(db.get::<i64>("SELECT 5 AS n", ()));
        assert!(poll_times(slow, 2).await.is_none());
    }
    each(&db, 8, 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.counters().cancels, 1);
    echo(&db, 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(db.stats().in_use, 0, "leases without work are given back");
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call_and_no_other() {
    let server = server();
    let db = open(&server);
    echo(&db, 0).await;
    server.inject(Injection::new(Operation::Execute, Fault::Hang).matching("5"));
    let error =
        db.timeout(Duration::from_millis(50)).get::<i64>("SELECT 5 AS n", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    echo(&db, 1).await;
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_fails_calls_as_a_pool_does() {
    let server = server();
    let db = open(&server);
    server.inject(
        Injection::new(Operation::Connect, Fault::FailForGood(ErrorKind::Authentication)).always(),
    );
    let error = db.get::<i64>(ECHO, (1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    server.clear_faults();
    server.inject(Injection::new(Operation::Connect, Fault::Fail(ErrorKind::Connect)).always());
    let error = db.get::<i64>(ECHO, (1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PoolTimeout);
    server.clear_faults();
    echo(&db, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_database_says_so_to_whoever_waits() {
    let server = server();
    let db = open(&server);
    let gate = Gate::new();
    server.inject(Injection::new(Operation::Connect, Fault::Hold(gate.clone())));
    let waits = {
        let db = db.clone();
        tokio::spawn(async move { db.get::<i64>(ECHO, (1,)).await })
    };
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    drop(db.close_within(Duration::from_millis(10)).await);
    assert_eq!(waits.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(db.get::<i64>(ECHO, (1,)).await.unwrap_err().kind(), ErrorKind::Closed);
    gate.open();
}

#[tokio::test(start_paused = true)]
async fn a_shared_write_that_waits_for_a_transaction_makes_way_for_its_tasks_calls() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Statements)
        .max_open(8)
        .open()
        .unwrap();
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.exec("INSERT INTO t (id) VALUES (?)", (0,)).await.unwrap();
    let writers: Vec<_> = (1..4i64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.exec("INSERT INTO t (id) VALUES (?)", (n,)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    // They wait for the transaction, and this waits for them.
    let behind = tokio::time::timeout(Duration::from_secs(60), db.get::<i64>(ECHO, (7,))).await;
    assert_eq!(behind.expect("a deadlock").unwrap(), 7);
    tx.commit().await.unwrap();
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap().rows_affected(), 1);
    }
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 4);
    let stats = db.stats().multiplex;
    assert_eq!((stats.shared, stats.elsewhere, server.counters().cancels), (5, 3, 3));
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_makes_way_keeps_its_deadline() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Statements)
        .max_open(8)
        .open()
        .unwrap();
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.exec("INSERT INTO t (id) VALUES (?)", (0,)).await.unwrap();
    let started = tokio::time::Instant::now();
    let hasty = db.timeout(Duration::from_millis(800));
    let write = hasty.exec("INSERT INTO t (id) VALUES (?)", (1,));
    let (write, ()) = tokio::join!(write, echo(&db, 7));
    assert_eq!(write.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(db.stats().multiplex.elsewhere, 1);
    // The clock is the test's.
    assert!(started.elapsed() < Duration::from_millis(1000), "{:?}", started.elapsed());
    tx.rollback().await.unwrap();
    server.assert_no_violations();
}

/// How long calls have waited, and taken.
#[derive(Default)]
struct Heard(Mutex<Vec<(Duration, Duration)>>);

impl Observer for Heard {
    fn call(&self, call: &Call<'_>) {
        self.0.lock().unwrap().push((call.waited, call.elapsed));
    }
}

/// The warnings, with the pools that they are about.
#[derive(Default)]
struct Warned(Mutex<Vec<String>>);

impl Observer for Warned {
    fn warning(&self, pool: &str, warning: &Warning) {
        self.0.lock().unwrap().push(format!("{pool}: {warning:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_kept_to_be_shared_are_no_leak() {
    let server = server();
    let warned = Arc::new(Warned::default());
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Reads)
        .multiplex_connections(1)
        .max_open(2)
        .observer(Arc::clone(&warned) as _)
        .open()
        .unwrap();
    // Begun and never over, so that the others are not alone.
    let mut company = pin!(db.get::<i64>(ECHO, (0,)));
    assert!(poll_times(company.as_mut(), 1).await.is_none());
    let shared = || db.stats().pools[1].1.clone();
    for n in 0..400 {
        echo(&db, n).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(shared().in_use, 1);
    }
    assert_eq!(shared().acquires, 1, "it was held all the time");
    assert_eq!(*warned.0.lock().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn time_in_the_queue_is_told_as_such() {
    let server = server();
    let heard = Arc::new(Heard::default());
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Reads)
        .max_open(4)
        .observer(Arc::clone(&heard) as _)
        .open()
        .unwrap();
    server.set_latency(Operation::Connect, Some(Duration::from_millis(300)));
    let hasty = db.timeout(Duration::from_millis(100));
    let (late, ()) = tokio::join!(hasty.get::<i64>(ECHO, (1,)), echo(&db, 2));
    assert_eq!(late.unwrap_err().kind(), ErrorKind::PoolTimeout);
    echo(&db, 3).await;
    let tenths = |time: &Duration| (time.as_millis() + 50) / 100;
    let heard = heard.0.lock().unwrap();
    let calls: Vec<_> = heard.iter().map(|(waited, took)| (tenths(waited), tenths(took))).collect();
    assert_eq!(calls, [(1, 0), (3, 0), (0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn calls_share_again_once_it_is_the_network_that_takes_long() {
    let server = server();
    let db = open(&server);
    // Somebody to share with, who is never there when others are.
    let mut company = pin!(db.get::<i64>(ECHO, (0,)));
    assert!(poll_times(company.as_mut(), 1).await.is_none());
    for n in 0..20 {
        echo(&db, n).await;
    }
    server.set_latency(Operation::Execute, Some(Duration::from_millis(4)));
    for n in 0..50 {
        echo(&db, n).await;
    }
    assert!(db.stats().multiplex.shared < 60, "{:?}", db.stats().multiplex);
    for n in 0..10_000 {
        echo(&db, n).await;
    }
    let before = db.stats().multiplex.shared;
    for n in 0..50 {
        echo(&db, n).await;
    }
    assert_eq!(db.stats().multiplex.shared, before + 50);
    assert_eq!(company.await.unwrap(), 0);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn where_commits_wait_for_a_standby_nothing_makes_way() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Statements)
        .hooks(Hooks::new().after_connect(|link, _| {
            Box::pin(async move {
                link.exec("SET synchronous_standby_names = 'one'", ()).await.map(drop)
            })
        }))
        .open()
        .unwrap();
    echo(&db, 0).await;
    server.inject(
        Injection::new(Operation::Execute, Fault::Delay(Duration::from_secs(2))).matching("5"),
    );
    let (slow, behind) =
        tokio::join!(db.get::<i64>("SELECT 5 AS n", ()), db.get::<i64>(ECHO, (1,)));
    assert_eq!((slow.unwrap(), behind.unwrap()), (5, 1));
    assert_eq!((db.stats().multiplex.elsewhere, server.counters().cancels), (0, 0));
    server.assert_no_violations();
}

#[test]
fn a_database_used_from_a_second_runtime_serves_both() {
    let server = server();
    let db = open(&server);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, two) = (runtime(), runtime());
    one.block_on(echo(&db, 1));
    two.block_on(echo(&db, 2));
    assert_eq!(db.stats().multiplex.shared, 1);
    drop(one);
    two.block_on(echo(&db, 3));
    assert_eq!(db.stats().multiplex.shared, 2, "the first one's connections have gone with it");
    two.block_on(async { drop(db.close().await) });
    server.assert_no_violations();
}

#[test]
fn a_runtime_whose_calls_did_not_share_keeps_no_other_from_it() {
    let server = server();
    let db = open(&server);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, two) = (runtime(), runtime());
    one.block_on(async {
        db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
        db.select::<i64>("DELETE FROM t", ()).await.unwrap();
    });
    two.block_on(echo(&db, 2));
    assert_eq!(db.stats().multiplex.shared, 1);
    one.block_on(echo(&db, 1));
    assert_eq!(db.stats().multiplex.shared, 1, "now they are the second one's");
    drop((one, two));
    server.assert_no_violations();
}

#[test]
fn a_runtime_takes_over_from_one_that_has_given_everything_back() {
    let server = server();
    let db = open(&server);
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let (one, two) = (runtime(), runtime());
    let rest = || tokio::time::sleep(Duration::from_secs(5));
    let shared = || db.stats().multiplex.shared;
    let dialled = || db.stats().pools[1].1.connects_ok;
    one.block_on(async {
        echo(&db, 1).await;
        rest().await;
    });
    assert_eq!((shared(), dialled()), (1, 1));
    // From here on the first one stands still, and so do its sockets: the second one dials.
    two.block_on(echo(&db, 2));
    assert_eq!((shared(), dialled()), (2, 2));
    one.block_on(async {
        echo(&db, 3).await;
        // Its keeper finds out, and leaves the second one's connection alone.
        rest().await;
        echo(&db, 4).await;
    });
    assert_eq!((shared(), dialled()), (2, 2), "a connection of the second one's was lent");
    two.block_on(async {
        each(&db, 4, 2).await;
        assert_eq!((shared(), dialled()), (2 + 8, 2));
        rest().await;
    });
    one.block_on(echo(&db, 5));
    assert_eq!((shared(), dialled()), (2 + 8 + 1, 3));
    // Its keeper has nothing to say about what is the first one's now.
    drop(two);
    one.block_on(echo(&db, 6));
    assert_eq!((shared(), dialled()), (2 + 8 + 2, 3));
    assert_eq!(db.stats().multiplex.elsewhere, 0);
    one.block_on(async { drop(db.close().await) });
    server.assert_no_violations();
}

#[test]
fn runtimes_that_take_over_from_each_other_at_any_time_get_their_own_answers() {
    const ROUNDS: i64 = 400;
    let server = server();
    let db = open(&server);
    let begin = std::sync::Barrier::new(2);
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let first = runtime();
    // Begun and never over, so that the others are not alone.
    let mut company = Box::pin(db.get::<i64>(ECHO, (0,)));
    assert!(first.block_on(poll_times(company.as_mut(), 1)).is_none());
    std::thread::scope(|threads| {
        for (number, runtime) in [(1, first), (2, runtime())] {
            let (db, begin) = (&db, &begin);
            threads.spawn(move || {
                begin.wait();
                runtime.block_on(async {
                    for round in 0..ROUNDS {
                        let n = number * 1_000_000 + round * 10;
                        tokio::join!(echo(db, n), echo(db, n + 1), echo(db, n + 2));
                        // By its own clock, which goes as fast as it likes: mostly long enough for the other one.
                        let rest = 100 * (round * 7 % 31) as u64;
                        tokio::time::sleep(Duration::from_millis(rest)).await;
                        // Without waiting, the other thread might never run meanwhile.
                        std::thread::yield_now();
                    }
                });
            });
        }
    });
    let stats = db.stats();
    assert_eq!(stats.calls.failures, 0, "{stats:#?}");
    let dialled = stats.pools[1].1.connects_ok;
    assert!(dialled > 2, "nobody took over: {stats:#?}");
    server.assert_no_violations();
}

#[test]
fn a_runtime_that_could_not_connect_keeps_no_other_from_it() {
    let server = server();
    let db = open(&server);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, two) = (runtime(), runtime());
    let gate = Gate::new();
    server.inject(Injection::new(Operation::Connect, Fault::Hold(gate.clone())));
    one.block_on(async {
        let held = pin!(db.get::<i64>(ECHO, (1,)));
        assert!(poll_times(held, 3).await.is_none());
    });
    drop(one);
    two.block_on(echo(&db, 2));
    assert_eq!(db.stats().multiplex.shared, 2);
    gate.open();
    two.block_on(async { drop(db.close().await) });
    server.assert_no_violations();
}

#[test]
fn options_that_cannot_be_are_refused_with_what_to_do() {
    let server = server();
    let of = |server: &FakeServer, mode| {
        Builder::from_connector(server.connector()).multiplex(mode).max_open(2).open()
    };
    let error = of(&server, Multiplexing::Reads).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().contains("`multiplex_connections` (2)"), "{error}");
    let builder = Builder::from_connector(server.connector()).multiplex(Multiplexing::Reads);
    let error = builder.multiplex_connections(0).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().contains("`multiplex_connections`"), "{error}");
    let error = of(&FakeServer::new(), Multiplexing::Statements).unwrap_err();
    assert!(error.message().contains("one statement at a time"), "{error}");
    assert!(of(&FakeServer::new(), Multiplexing::Reads).is_ok());
}

#[tokio::test(start_paused = true)]
async fn named_calls_and_kept_statements_share_too() {
    let server = server();
    let db = open(&server);
    let statement = db.prepare(ECHO).await.unwrap();
    assert_eq!(statement.get::<i64>((4,)).await.unwrap(), 4);
    assert_eq!(statement.select::<i64>((5,)).await.unwrap(), [5]);
    let args = std::collections::HashMap::from([("n", 6)]);
    assert_eq!(db.get_named::<i64>("SELECT :n AS n", &args).await.unwrap(), 6);
    assert_eq!(
        db.label("x").timeout(Duration::from_secs(9)).get::<i64>(ECHO, (7,)).await.unwrap(),
        7
    );
    assert_eq!(db.stats().multiplex.shared, 4);
    assert_eq!(db.label_stats()[0].1.calls, 1);
    server.assert_no_violations();
}

#[tokio::test(start_paused = true)]
async fn with_statements_single_writes_share_and_have_segments_of_their_own() {
    let server = server();
    let db = Builder::from_connector(server.connector())
        .multiplex(Multiplexing::Statements)
        .open()
        .unwrap();
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    let tasks: Vec<_> = (0..32i64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let done = db.exec("INSERT INTO t (id) VALUES (?)", (n / 2,)).await;
                done.map(|done| assert_eq!(done.rows_affected(), 1)).is_ok()
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += i32::from(task.await.unwrap());
    }
    assert_eq!(done, 16, "every second one has a key that is there");
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 16);
    let stats = db.stats().multiplex;
    assert_eq!((stats.shared, stats.segments, stats.resent), (33, 33, 0));
    // Named, and kept; a bulk of one statement is one.
    let rows = [40, 41].map(|n| std::collections::HashMap::from([("n", n)]));
    let named = "INSERT INTO t (id) VALUES (:n)";
    assert_eq!(db.exec_named(named, &rows[0]).await.unwrap().rows_affected(), 1);
    assert_eq!(db.exec_named(named, &rows[1..]).await.unwrap().rows_affected(), 1);
    let delete = db.prepare("DELETE FROM t WHERE id = ?").await.unwrap();
    for id in [40, 41] {
        assert_eq!(delete.exec((id,)).await.unwrap().rows_affected(), 1);
    }
    assert_eq!(db.stats().multiplex.shared, 37);
    // A transaction's are its own.
    let mut tx = db.begin().await.unwrap();
    assert_eq!(delete.on(&mut tx).exec((0,)).await.unwrap().rows_affected(), 1);
    tx.rollback().await.unwrap();
    assert_eq!(db.stats().multiplex.shared, 37);
    // A write whose answer is lost is not run again.
    server.inject(Injection::new(Operation::Execute, Fault::LostDone).matching("INSERT"));
    let error = db.exec("INSERT INTO t (id) VALUES (?)", (99,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 17);
    // One of which nothing was sent is, and so often as a read is.
    let unsent = || Injection::new(Operation::Execute, Fault::LostUnsent).matching("INSERT");
    server.inject(unsent().times(2));
    db.exec("INSERT INTO t (id) VALUES (?)", (100,)).await.unwrap();
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await.unwrap(), 18);
    server.inject(unsent().times(3));
    let error = db.exec("INSERT INTO t (id) VALUES (?)", (101,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.nothing_sent() && error.retry() == aquifer::Retry::Safe);
    server.assert_no_violations();
}
