//! What observers and statistics see: every call once, by its label, with its rows and its end.

use std::sync::{Arc, Mutex};

use aquifer::pool::{PoolEvent, Warning};
use aquifer::{Call, Db, Error, ErrorKind, Observer, TransactionEnd, TransactionOutcome};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};
use aquifer_testkit::{Gate, at_most};

use crate::support::*;

#[derive(Debug, Clone, PartialEq)]
struct Seen {
    label: Option<String>,
    sql: String,
    rows: u64,
    error: Option<ErrorKind>,
}

#[derive(Default)]
struct Watcher {
    calls: Mutex<Vec<Seen>>,
    slow: Mutex<Vec<String>>,
    ends: Mutex<Vec<(Option<String>, TransactionOutcome)>>,
    pool: Mutex<Vec<String>>,
}

impl Observer for Watcher {
    fn call(&self, call: &Call<'_>) {
        self.calls.lock().unwrap().push(Seen {
            label: call.label.map(str::to_owned),
            sql: call.sql.to_owned(),
            rows: call.rows,
            error: call.error.map(Error::kind),
        });
    }

    fn slow(&self, call: &Call<'_>) {
        self.slow.lock().unwrap().push(call.sql.to_owned());
    }

    fn transaction(&self, end: &TransactionEnd<'_>) {
        self.ends.lock().unwrap().push((end.label.map(str::to_owned), end.outcome));
    }

    fn pool(&self, pool: &str, event: &PoolEvent) {
        let word = match event {
            PoolEvent::Connected { .. } => "connected",
            PoolEvent::ConnectFailed { .. } => "failed",
            PoolEvent::Closed { .. } => "closed",
            _ => return,
        };
        self.pool.lock().unwrap().push(format!("{pool} {word}"));
    }

    fn warning(&self, pool: &str, warning: &Warning) {
        self.pool.lock().unwrap().push(format!("{pool} warns: {warning}"));
    }

    fn background_error(&self, pool: &str, error: &Error) {
        self.pool.lock().unwrap().push(format!("{pool} error: {}", error.kind().name()));
    }
}

impl Watcher {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    #[track_caller]
    fn one(&self) -> Seen {
        let mut calls = self.take();
        assert_eq!(calls.len(), 1, "{calls:#?}");
        calls.remove(0)
    }
}

fn watched(server: &FakeServer) -> (Db, Arc<Watcher>) {
    let watcher = Arc::new(Watcher::default());
    let db = builder(server).max_open(1).observer(Arc::clone(&watcher) as _).open().unwrap();
    (db, watcher)
}

#[tokio::test]
async fn every_way_a_call_can_end_is_seen_once() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    accounts(&db).await;
    watcher.take();
    let db = db.label("x");
    let series = "SELECT n FROM series(1, 100)";

    db.exec(TAKE, (0, 1)).await.unwrap();
    let expected = Seen { label: Some("x".into()), sql: TAKE.into(), rows: 0, error: None };
    assert_eq!(watcher.one(), expected);
    db.get::<i64>(series, ()).await.unwrap();
    assert_eq!((watcher.one().rows, db.stats().in_use), (1, 0));
    assert_eq!(db.get_optional::<i64>("SELECT n FROM series(1, 0)", ()).await.unwrap(), None);
    assert_eq!(watcher.one().error, None);
    db.select::<i64>(series, ()).await.unwrap();
    assert_eq!(watcher.one().rows, 100);

    // Rows that the caller gives up are an end like any other.
    let mut rows = db.query(series, ()).await.unwrap();
    rows.next().await.unwrap();
    rows.next().await.unwrap();
    assert!(watcher.take().is_empty());
    drop(rows);
    assert_eq!((watcher.one().rows, watcher.take().len()), (2, 0));
    let mut stream = db.stream::<i64>(series, ());
    stream.try_next().await.unwrap();
    drop(stream);
    assert_eq!(watcher.one().error, None);

    // Failures: of the engine, before anything was sent, of a row.
    db.exec("SELECT nonsense", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::UndefinedObject));
    db.exec(TAKE, (1,)).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::ArgumentMismatch));
    db.exec("SELECT 'open", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::Syntax));
    db.exec_named("SELECT :x", &aquifer::Map::new()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::ArgumentMismatch));
    db.select::<bool>("SELECT 'x' AS word", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::Conversion));

    // What is tried again is one call, too.
    server.fail_next(Operation::Execute, Fault::LostUnsent);
    db.get::<i64>("SELECT 1", ()).await.unwrap();
    assert_eq!(watcher.one().error, None);

    // On connections and in transactions.
    let mut conn = db.acquire().await.unwrap();
    conn.get::<i64>("SELECT 2", ()).await.unwrap();
    assert_eq!(watcher.one().label.as_deref(), Some("x"));
    drop(conn);
    let mut tx = db.begin().await.unwrap();
    tx.exec("SELECT nonsense", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::UndefinedObject));
    tx.rollback().await.unwrap();
    let ends = watcher.ends.lock().unwrap().clone();
    assert_eq!(ends, [(Some("x".into()), TransactionOutcome::RolledBack)]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_is_seen_as_cancelled() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    db.ping().await.unwrap();
    for place in ["queue", "answer", "rows", "session", "batch"] {
        let gate = Gate::new();
        let ended = match place {
            "queue" => {
                let _held = db.acquire().await.unwrap();
                at_most(1, db.get::<i64>("SELECT 1", ())).await.is_some()
            }
            "answer" => {
                server.fail_next(Operation::Execute, Fault::Hold(gate.clone()));
                at_most(1, db.get::<i64>("SELECT 1", ())).await.is_some()
            }
            "rows" => {
                server.fail_next(Operation::Fetch, Fault::Hold(gate.clone()));
                at_most(1, db.select::<i64>("SELECT n FROM series(1, 100)", ())).await.is_some()
            }
            "session" => {
                let mut conn = db.acquire().await.unwrap();
                server.fail_next(Operation::Execute, Fault::Hold(gate.clone()));
                at_most(1, conn.get::<i64>("SELECT 1", ())).await.is_some()
            }
            _ => {
                server.fail_next(Operation::Batch, Fault::Hold(gate.clone()));
                let mut batch = db.batch();
                let _ticket = batch.exec("SELECT 1", ());
                at_most(1, batch.send()).await.is_some()
            }
        };
        assert!(!ended, "{place}");
        assert_eq!(watcher.one().error, Some(ErrorKind::Cancelled), "{place}");
        gate.open();
        settled(&db).await;
    }
    // A call that was never polled never was.
    drop(db.get::<i64>("SELECT 1", ()));
    assert!(watcher.take().is_empty());
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn calls_that_end_in_a_timeout_are_seen_once_with_their_wait() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    let held = db.acquire().await.unwrap();
    db.timeout(ms(10)).exec("SELECT 1", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::PoolTimeout));
    drop(held);
    db.timeout(ms(10)).exec("SLEEP 1000", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::Timeout));
    let mut conn = db.acquire().await.unwrap();
    conn.set_timeout(Some(ms(10)));
    conn.exec("SLEEP 1000", ()).await.unwrap_err();
    assert_eq!(watcher.one().error, Some(ErrorKind::Timeout));
    let stats = db.stats();
    assert_eq!((stats.calls.calls, stats.calls.failures), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_bound_is_slow() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    db.exec("SLEEP 999", ()).await.unwrap();
    db.exec("SLEEP 1001", ()).await.unwrap();
    assert_eq!(*watcher.slow.lock().unwrap(), ["SLEEP 1001"]);
    assert_eq!(db.stats().calls.slow, 1);
}

#[tokio::test]
async fn each_statement_of_a_batch_is_a_call() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    accounts(&db).await;
    watcher.take();
    let mut batch = db.batch();
    let _a = batch.select::<i64>("SELECT id FROM accounts", ());
    let _b = batch.exec("SELECT nonsense", ());
    let _c = batch.exec(TAKE, (1, 1));
    drop(batch.send().await.unwrap());
    let seen: Vec<_> =
        watcher.take().into_iter().map(|seen| (seen.sql, seen.rows, seen.error)).collect();
    let expected = [
        ("SELECT id FROM accounts".to_owned(), 2, None),
        ("SELECT nonsense".to_owned(), 0, Some(ErrorKind::UndefinedObject)),
        (TAKE.to_owned(), 0, None),
    ];
    assert_eq!(seen, expected);
    server.fail_next(Operation::Batch, Fault::LostUndone);
    let mut batch = db.batch();
    let _a = batch.exec("SELECT 1", ());
    let _b = batch.exec("SELECT 2", ());
    batch.send().await.unwrap_err();
    let seen: Vec<_> = watcher.take().into_iter().map(|seen| seen.error).collect();
    assert_eq!(seen, [Some(ErrorKind::ConnectionLost); 2]);
}

#[tokio::test]
async fn labels_are_bounded() {
    let server = FakeServer::new();
    let db = open_with(&server, |options| options.calls.labels_max = 3);
    for n in 0..10 {
        let label = format!("label-{n}");
        db.label(&label).get::<i64>("SELECT 1", ()).await.unwrap();
    }
    let stats: Vec<_> =
        db.label_stats().into_iter().map(|(name, stats)| (name.to_string(), stats.calls)).collect();
    let expected = [("_other", 7), ("label-0", 1), ("label-1", 1), ("label-2", 1)]
        .map(|(n, c)| (n.to_owned(), c));
    assert_eq!(stats, expected);
    assert_eq!(db.stats().calls.calls, 10);
}

#[tokio::test(start_paused = true)]
async fn what_the_pool_does_by_itself_is_seen_under_its_name() {
    let server = FakeServer::with_options(FakeOptions::new());
    server.inject(Injection::new(Operation::Connect, Fault::Fail(ErrorKind::Connect)));
    let (db, watcher) = watched(&server);
    db.ping().await.unwrap();
    let held = db.label("hog").acquire().await.unwrap();
    tokio::time::sleep(ms(120_000)).await;
    drop(held);
    assert!(db.close().await.is_clean());
    let seen = watcher.pool.lock().unwrap().clone();
    let has = |what: &str| seen.iter().filter(|seen| seen.contains(what)).count();
    assert_eq!(
        (has("primary failed"), has("primary connected"), has("primary closed")),
        (1, 1, 1),
        "{seen:?}"
    );
    assert_eq!(has("primary error: connect"), 1, "{seen:?}");
    assert!(has("in use") >= 1 && has("by hog") == 1, "{seen:?}");
}

#[tokio::test]
async fn a_users_on_error_hook_is_called_beside_the_observers() {
    let server = FakeServer::new();
    let watcher = Arc::new(Watcher::default());
    let told = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&told);
    let hooks = aquifer::Hooks::new().on_error(move |_, _| *counted.lock().unwrap() += 1);
    let db = builder(&server).hooks(hooks).observer(Arc::clone(&watcher) as _).open().unwrap();
    server.fail_next(Operation::Connect, Fault::FailForGood(ErrorKind::Authentication));
    db.ping().await.unwrap_err();
    assert_eq!(*told.lock().unwrap(), 1);
    assert_eq!(watcher.pool.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_once_by_whatever_connection_and_outlive_it() {
    let server = FakeServer::new();
    let (db, watcher) = watched(&server);
    for n in 1..=3u64 {
        let _: i64 = db.get("SELECT 1", ()).await.unwrap();
        assert_eq!(db.stats().calls.calls, n);
    }
    let labelled = db.label("held");
    let mut conn = labelled.acquire().await.unwrap();
    let _: i64 = conn.get("SELECT 1", ()).await.unwrap();
    assert_eq!(db.stats().calls.calls, 4, "also while its connection is out");
    let none: Option<i64> = conn.get_optional("SELECT 1 WHERE 1 = 0", ()).await.ok().flatten();
    conn.discard();
    let _: i64 = db.get("SELECT 1", ()).await.unwrap();
    let calls = db.stats().calls;
    assert_eq!((calls.calls, calls.first_row.count(), calls.last_row.count()), (6, 6, 6));
    assert_eq!(calls.rows, 5 + u64::from(none.is_some()));
    assert_eq!(watcher.take().len(), 6);
    let labels = db.label_stats();
    assert_eq!((labels.len(), labels[0].1.calls), (1, 2));
}
