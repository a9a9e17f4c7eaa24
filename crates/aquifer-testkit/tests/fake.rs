//! The fake driver's own behaviour: the engine, the books, the faults, and its strictness.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Connection, Dsn, EmptyEnvironment, ErrorKind, Registry, Retry, RowBatch,
    Status, Step, Value, Want,
};
use aquifer_testkit::client::{begin, commit, execute, read, recover, rollback, script, step};
use aquifer_testkit::fake::{Abandon, Cells, FakeOptions, FakeServer, Fault, Injection, Operation};
use aquifer_testkit::{Clock, Gate, ManualClock, block_on, block_on_for};

async fn connect(server: &FakeServer) -> Box<dyn Connection> {
    server.connector().connect(Access::ReadWrite).await.unwrap()
}

async fn with_table(server: &FakeServer) -> Box<dyn Connection> {
    let mut c = connect(server).await;
    execute(&mut *c, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL UNIQUE)", &())
        .await
        .unwrap();
    c
}

const INSERT: &str = "INSERT INTO t (s) VALUES (?)";
const COUNT: &str = "SELECT count(*) FROM t";

async fn count(c: &mut dyn Connection) -> i64 {
    match execute(c, COUNT, &()).await.unwrap().scalar() {
        Some(Value::Int(n)) => *n,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn statements_read_and_write_tables() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    let done = execute(&mut *c, "INSERT INTO t (s) VALUES (?), (?)", &("a", "b")).await.unwrap();
    assert_eq!((done.outcome.rows_affected, done.outcome.last_insert_id), (2, Some(2)));
    let got = execute(&mut *c, "SELECT s, id FROM t WHERE id IN (?, ?) ORDER BY id DESC", &(1, 2))
        .await
        .unwrap();
    assert_eq!(got.rows, [["b".into(), 2.into()], ["a".into(), 1.into()]] as [[Value; 2]; 2]);
    let got = execute(&mut *c, "UPDATE t SET s = s || ? WHERE id = ? RETURNING s", &("!", 1))
        .await
        .unwrap();
    assert_eq!((got.scalar(), got.outcome.rows_affected), (Some(&"a!".into()), 1));
    let gone = execute(&mut *c, "DELETE FROM t", &()).await.unwrap();
    assert_eq!(gone.outcome.rows_affected, 2);
    c.close().await.unwrap();
    server.assert_clean();
    assert_eq!((server.counters().closes, server.counters().drops), (1, 0));
}

#[tokio::test]
async fn a_statement_that_fails_half_way_has_done_nothing() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    let error =
        execute(&mut *c, "INSERT INTO t (s) VALUES (?), (?)", &("a", "a")).await.unwrap_err();
    assert_eq!((error.kind(), error.constraint()), (ErrorKind::UniqueViolation, Some("t_s_key")));
    assert_eq!(count(&mut *c).await, 0);
}

#[tokio::test]
async fn typed_cells_carry_every_neutral_kind() {
    let server = FakeServer::with_options(FakeOptions::new().cells(Cells::Typed));
    let mut c = connect(&server).await;
    execute(
        &mut *c,
        "CREATE TABLE k (a BOOLEAN, b BIGINT, c UBIGINT, d REAL, e DECIMAL, f TEXT, g BLOB, h DATE, \
         i TIME, j TIMESTAMP, k TIMESTAMPTZ, l UUID, m JSON, n INT4)",
        &(),
    )
    .await
    .unwrap();
    let row = vec![
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::UInt(u64::MAX),
        Value::Float(0.5),
        Value::Decimal("-12.50".into()),
        Value::Text("Nera".into()),
        Value::Bytes(vec![0, 255]),
        Value::Date(aquifer_driver::Date(-1)),
        Value::Time(1),
        Value::Timestamp(2),
        Value::TimestampTz(3),
        Value::Uuid([9; 16]),
        Value::Json("{}".into()),
        Value::Int(-5),
    ];
    let marks = vec!["?"; row.len()].join(", ");
    execute(&mut *c, &format!("INSERT INTO k VALUES ({marks})"), &row).await.unwrap();
    let got = execute(&mut *c, "SELECT * FROM k", &()).await.unwrap();
    assert_eq!(got.rows, [row]);
    let error = execute(&mut *c, "INSERT INTO k (b) VALUES (?)", &("x",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[tokio::test]
async fn a_writer_waits_for_the_other_writers_transaction() {
    let server = FakeServer::new();
    let mut a = with_table(&server).await;
    let mut b = connect(&server).await;
    begin(&mut *a).await.unwrap();
    execute(&mut *a, INSERT, &("a",)).await.unwrap();
    assert_eq!(count(&mut *b).await, 0);
    let waiting = tokio::spawn(async move { execute(&mut *b, INSERT, &("b",)).await.map(|_| b) });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    commit(&mut *a).await.unwrap();
    let mut b = waiting.await.unwrap().unwrap();
    assert_eq!(count(&mut *b).await, 2);
}

#[tokio::test]
async fn savepoints_undo_what_came_after_them() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let mut c = with_table(&server).await;
    begin(&mut *c).await.unwrap();
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    execute(&mut *c, "SAVEPOINT one", &()).await.unwrap();
    execute(&mut *c, INSERT, &("b",)).await.unwrap();
    execute(&mut *c, INSERT, &("b",)).await.unwrap_err();
    assert_eq!(c.status(), Status::FailedTransaction);
    assert_eq!(execute(&mut *c, COUNT, &()).await.unwrap_err().kind(), ErrorKind::TxFailed);
    execute(&mut *c, "ROLLBACK TO one", &()).await.unwrap();
    assert_eq!((c.status(), count(&mut *c).await), (Status::Transaction, 1));
    commit(&mut *c).await.unwrap();
    assert_eq!(count(&mut *c).await, 1);
}

#[tokio::test]
async fn a_begin_that_is_held_back_costs_no_round() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let mut c = with_table(&server).await;
    let before = server.counters().rounds;
    begin(&mut *c).await.unwrap();
    assert_eq!((c.status(), server.counters().rounds), (Status::Transaction, before));
    commit(&mut *c).await.unwrap();
    assert_eq!((c.status(), server.counters().rounds), (Status::Idle, before));
    begin(&mut *c).await.unwrap();
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    rollback(&mut *c).await.unwrap();
    assert_eq!(server.counters().rounds, before + 2);
    assert_eq!(count(&mut *c).await, 0);
}

#[tokio::test]
async fn large_results_come_in_bounded_batches() {
    let server = FakeServer::with_options(FakeOptions::new().batch_rows_max(10));
    let mut c = connect(&server).await;
    let set = execute(&mut *c, "SELECT n FROM series(1, ?)", &(95,)).await.unwrap();
    assert_eq!((set.rows.len(), set.batches, set.rows_max), (95, 10, 10));
    assert_eq!(server.counters().rows, 95);
}

#[tokio::test(start_paused = true)]
async fn sleep_and_latency_take_virtual_time() {
    let server = FakeServer::new();
    server.set_latency(Operation::Execute, Some(Duration::from_secs(5)));
    let mut c = connect(&server).await;
    let start = tokio::time::Instant::now();
    execute(&mut *c, "SLEEP ?", &(60_000,)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(65));
}

#[test]
fn a_manual_clock_needs_no_runtime_and_a_cancel_ends_the_sleep() {
    let clock = ManualClock::new();
    let server = FakeServer::with(FakeOptions::new(), Clock::Manual(clock.clone()));
    let mut c = block_on(connect(&server));
    let canceller = c.canceller();
    let limit = Duration::from_millis(1);
    assert!(block_on_for(limit, execute(&mut *c, "SLEEP 10", &())).is_none());
    clock.advance(Duration::from_millis(10));
    assert!(block_on(read(&mut *c, None)).is_ok());

    assert!(block_on_for(limit, execute(&mut *c, "SLEEP 10", &())).is_none());
    block_on(canceller.cancel());
    assert_eq!(block_on(read(&mut *c, None)).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!((server.counters().cancels, server.counters().cancels_hit), (1, 1));
    block_on(canceller.cancel());
    assert_eq!(block_on(execute(&mut *c, "SELECT 1", &())).unwrap().scalar(), Some(&1.into()));
    server.assert_no_violations();
}

#[tokio::test]
async fn a_slow_cancel_does_not_hit_the_next_command() {
    let server = FakeServer::new();
    let gate = Gate::new();
    let mut c = connect(&server).await;
    c.start(Command::Execute { sql: "SELECT 1", params: &(), want: Want::All }).unwrap();
    server.fail_next(Operation::Cancel, Fault::Hold(gate.clone()));
    let cancel = tokio::spawn(c.canceller().cancel());
    tokio::task::yield_now().await;
    read(&mut *c, None).await.unwrap();
    c.start(Command::Execute { sql: "SELECT 2", params: &(), want: Want::All }).unwrap();
    gate.open();
    cancel.await.unwrap();
    assert!(read(&mut *c, None).await.is_ok());
    assert_eq!(server.counters().cancels_hit, 0);
}

#[tokio::test]
async fn faults_strike_the_named_occasion_only() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    server.inject(
        Injection::new(Operation::Execute, Fault::Fail(ErrorKind::Deadlock))
            .matching("INSERT")
            .nth(2),
    );
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    assert_eq!(count(&mut *c).await, 1);
    let error = execute(&mut *c, INSERT, &("b",)).await.unwrap_err();
    assert_eq!((error.kind(), c.status()), (ErrorKind::Deadlock, Status::Idle));
    execute(&mut *c, INSERT, &("b",)).await.unwrap();
    assert_eq!(count(&mut *c).await, 2);
}

#[tokio::test]
async fn a_lost_connection_says_what_is_known_of_the_work() {
    for (fault, nothing_sent, left) in
        [(Fault::LostUnsent, true, 0), (Fault::LostUndone, false, 0), (Fault::LostDone, false, 1)]
    {
        let server = FakeServer::new();
        let mut c = with_table(&server).await;
        server.fail_next(Operation::Execute, fault.clone());
        let error = execute(&mut *c, INSERT, &("a",)).await.unwrap_err();
        assert_eq!((error.kind(), c.status()), (ErrorKind::ConnectionLost, Status::Broken));
        assert_eq!(error.nothing_sent(), nothing_sent, "{fault:?}");
        assert_eq!(count(&mut *connect(&server).await).await, left, "{fault:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_during_commit_leaves_the_outcome_unknown() {
    for (fault, left) in [(Fault::LostUndone, 0), (Fault::LostDone, 1)] {
        let server = FakeServer::new();
        let mut c = with_table(&server).await;
        begin(&mut *c).await.unwrap();
        execute(&mut *c, INSERT, &("a",)).await.unwrap();
        server.fail_next(Operation::Commit, fault);
        let error = commit(&mut *c).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::CommitUnknown, Retry::Unknown));
        assert_eq!(count(&mut *connect(&server).await).await, left);
    }
}

#[tokio::test]
async fn the_engine_can_end_a_transaction_by_itself() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    begin(&mut *c).await.unwrap();
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    server.fail_next(Operation::Execute, Fault::EndsTransaction(ErrorKind::Deadlock));
    execute(&mut *c, INSERT, &("b",)).await.unwrap_err();
    assert_eq!((c.status(), count(&mut *c).await), (Status::Idle, 0));
}

#[tokio::test]
async fn dials_fail_for_now_or_for_good() {
    let server = FakeServer::with_options(FakeOptions::new().connections_max(1));
    server.fail_next(Operation::Connect, Fault::Fail(ErrorKind::Connect));
    server.inject(
        Injection::new(Operation::Connect, Fault::FailForGood(ErrorKind::Authentication)).nth(2),
    );
    let dial = || server.connector().connect(Access::ReadWrite);
    assert_eq!(dial().await.unwrap_err().retry(), Retry::Safe);
    assert_eq!(dial().await.unwrap_err().retry(), Retry::Never);
    let kept = dial().await.unwrap();
    let full = dial().await.unwrap_err();
    assert_eq!((full.kind(), full.retry()), (ErrorKind::Resources, Retry::Safe));
    drop(kept);
    let counters = server.counters();
    assert_eq!((counters.dials, counters.connects, counters.open, counters.drops), (4, 1, 0, 1));
}

#[tokio::test]
async fn a_panic_leaves_a_broken_connection_and_an_intact_server() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    server.fail_next(Operation::Execute, Fault::Panic);
    let task = tokio::spawn(async move { execute(&mut *c, INSERT, &("a",)).await.map(drop) });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!((server.counters().open, count(&mut *connect(&server).await).await), (0, 0));
}

#[tokio::test]
async fn an_abandoned_command_owes_until_it_is_recovered() {
    let server = FakeServer::with_options(FakeOptions::new().batch_rows_max(2));
    let mut c = with_table(&server).await;
    begin(&mut *c).await.unwrap();
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    let series =
        Command::Execute { sql: "SELECT n FROM series(1, ?)", params: &(100,), want: Want::All };
    c.start(series).unwrap();
    assert!(matches!(step(&mut *c, &mut RowBatch::new()).await, Ok(Step::Rows)));
    assert_eq!(c.abandon(), Status::Busy);
    std::future::poll_fn(|cx| c.poll_recover(cx)).await.unwrap();
    assert_eq!((c.status(), count(&mut *c).await), (Status::Idle, 0));
    assert_eq!(server.counters().recoveries, 1);
    server.assert_no_violations();
}

#[tokio::test]
async fn an_abandoned_command_in_a_transaction_can_be_polled_to_its_end_without_rows() {
    let server = FakeServer::with_options(FakeOptions::new().batch_rows_max(2));
    let mut c = with_table(&server).await;
    begin(&mut *c).await.unwrap();
    execute(&mut *c, INSERT, &("a",)).await.unwrap();
    let sql = "SELECT n FROM series(1, 100)";
    c.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
    assert!(matches!(step(&mut *c, &mut RowBatch::new()).await, Ok(Step::Rows)));
    assert_eq!(c.abandon(), Status::Busy);
    let sets = read(&mut *c, None).await.unwrap();
    assert!(sets[0].as_ref().is_ok_and(|set| set.rows.is_empty()));
    assert_eq!((c.status(), count(&mut *c).await), (Status::Transaction, 1));
    server.assert_no_violations();
}

#[tokio::test]
async fn a_command_that_ends_at_once_keeps_its_transaction() {
    let server = FakeServer::with_options(FakeOptions::new().abandon(Abandon::Ends));
    let mut c = with_table(&server).await;
    begin(&mut *c).await.unwrap();
    c.start(Command::Execute { sql: COUNT, params: &(), want: Want::All }).unwrap();
    assert_eq!(c.abandon(), Status::Transaction);
    assert_eq!(count(&mut *c).await, 0);
    recover(&mut *c).await.unwrap();
    assert_eq!(c.status(), Status::Idle);
}

#[tokio::test]
async fn the_servers_books_on_statements_are_bounded() {
    let server = FakeServer::with_options(FakeOptions::new().statements_max(4));
    let mut c = connect(&server).await;
    for n in 0..40 {
        execute(&mut *c, &format!("SELECT {n}"), &()).await.unwrap();
    }
    execute(&mut *c, "SELECT 39", &()).await.unwrap();
    let book = server.connections()[0];
    assert_eq!((book.prepared, book.prepared_peak, server.counters().prepares), (4, 4, 40));
    let counters = c.counters();
    assert_eq!((counters.cached, counters.evicted, counters.cache_hits), (4, 36, 1));
}

#[tokio::test]
async fn misuse_is_recorded() {
    let server = FakeServer::new();
    let connector = server.connector();
    let mut c = Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap();
    let sql = "SELECT n FROM series(1, 1000)";
    let command = || Command::Execute { sql, params: &(), want: Want::All };
    c.start(command()).unwrap();
    c.start(Command::Ping).unwrap_err();
    read(&mut *c, None).await.unwrap();
    step(&mut *c, &mut RowBatch::new()).await.unwrap_err();
    c.start(command()).unwrap();
    std::future::poll_fn(|cx| c.poll_recover(cx)).await.unwrap();
    c.start(command()).unwrap();
    c.abandon();
    c.abandon();
    recover(&mut *c).await.unwrap();
    c.start(command()).unwrap();
    connector.closed();
    c.close().await.unwrap();
    let violations = server.violations();
    let parts = [
        "Ping was started while",
        "poll_next was called when no command",
        "without abandon",
        "twice for one",
        "twice for one",
        "Connector::closed",
        "close was called while",
    ];
    assert_eq!(violations.len(), parts.len(), "{violations:#?}");
    for (violation, part) in violations.iter().zip(parts) {
        assert!(violation.contains(part), "{violation} / {part}");
    }
}

#[tokio::test]
async fn urls_lead_to_the_server() {
    let server = FakeServer::new();
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    let open = |url: &str| registry.connector(&Dsn::parse(url).unwrap(), &EmptyEnvironment);
    let connector = open("fake://app:hunter2@shop?mode=ro").unwrap();
    assert_eq!(connector.target(), "shop");
    let mut c = connector.connect(Access::ReadWrite).await.unwrap();
    let error = execute(&mut *c, "CREATE TABLE t (a TEXT)", &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    let error = open("fake://shop?mod=ro").unwrap_err();
    assert!(error.to_string().contains("did you mean `mode`?"), "{error}");
}

#[tokio::test]
async fn a_hook_sees_what_arrives_and_can_strike() {
    let server = FakeServer::new();
    let mut c = with_table(&server).await;
    server.set_hook(|event| {
        let hit = event.sql.is_some_and(|sql| sql.contains("INSERT"));
        hit.then_some(Fault::Fail(ErrorKind::Serialization))
    });
    let error = execute(&mut *c, INSERT, &("a",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Serialization);
    server.clear_hook();
    server.clear_log();
    script(&mut *c, "SELECT 1; SELECT 2").await.unwrap();
    assert_eq!(server.texts(), ["SELECT 1; SELECT 2"]);
}
