//! Two connections to one file: who waits, for how long, and what they are told.

mod support;

use std::future::poll_fn;
use std::task::Poll;

use aquifer_driver::{
    Access, Command, Connection, ErrorKind, Retry, RowBatch, Status, TxOptions, Value, Want,
};
use aquifer_testkit::client::{begin, command, commit, execute, rollback, script, step};

use support::{Dir, connect, connector, run};

async fn pair(dir: &Dir, query: &str) -> (Box<dyn Connection>, Box<dyn Connection>) {
    let url = dir.url("locks.db", query);
    let mut one = connect(&url).await;
    script(
        &mut *one,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 0)",
    )
    .await
    .unwrap();
    let two = connect(&url).await;
    (one, two)
}

#[test]
fn a_second_writer_waits_for_busy_timeout_and_no_longer() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "busy_timeout=30ms").await;
        begin(&mut *one).await.unwrap();
        let error = begin(&mut *two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert_eq!(error.retry(), Retry::Transaction);
        assert_eq!(two.status(), Status::Idle);
        let error = execute(&mut *two, "UPDATE t SET n = 1", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert_eq!(error.code(), Some("SQLITE_BUSY"));
        commit(&mut *one).await.unwrap();
        execute(&mut *two, "UPDATE t SET n = 2", &()).await.unwrap();
    });
}

#[test]
fn a_writer_that_waits_gets_the_lock_when_it_is_free() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "busy_timeout=20s").await;
        begin(&mut *one).await.unwrap();
        two.start(Command::Begin(TxOptions::new())).unwrap();
        let mut rows = RowBatch::new();
        let waits = poll_fn(|cx| Poll::Ready(two.poll_next(cx, &mut rows).is_pending())).await;
        assert!(waits);
        commit(&mut *one).await.unwrap();
        step(&mut *two, &mut rows).await.unwrap();
        assert_eq!(two.status(), Status::Transaction);
    });
}

#[test]
fn a_cancel_ends_the_wait_for_a_lock() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "busy_timeout=1h").await;
        begin(&mut *one).await.unwrap();
        two.start(Command::Begin(TxOptions::new())).unwrap();
        two.canceller().cancel().await;
        let mut rows = RowBatch::new();
        let error = step(&mut *two, &mut rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(two.status(), Status::Idle);
        rollback(&mut *one).await.unwrap();
        begin(&mut *two).await.unwrap();
    });
}

#[test]
fn readers_do_not_wait_for_the_writer() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "").await;
        begin(&mut *one).await.unwrap();
        execute(&mut *one, "UPDATE t SET n = 5", &()).await.unwrap();
        let before = two.counters().rounds;
        let set = execute(&mut *two, "SELECT n FROM t WHERE id = 1", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(0)));
        assert_eq!(two.counters().rounds, before);
        commit(&mut *one).await.unwrap();
        let set = execute(&mut *two, "SELECT n FROM t WHERE id = 1", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(5)));
    });
}

#[test]
fn with_a_rollback_journal_a_reader_waits_on_the_worker() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "journal_mode=delete&busy_timeout=20s").await;
        let sql = "SELECT n FROM t WHERE id = ?";
        execute(&mut *two, sql, &(1,)).await.unwrap();
        // An exclusive lock shuts readers out.
        script(&mut *one, "BEGIN EXCLUSIVE").await.unwrap();
        execute(&mut *one, "UPDATE t SET n = 6", &()).await.unwrap();
        let before = two.counters().rounds;
        two.start(Command::Execute { sql, params: &(1,), want: Want::All }).unwrap();
        let mut rows = RowBatch::new();
        let waits = poll_fn(|cx| Poll::Ready(two.poll_next(cx, &mut rows).is_pending())).await;
        assert!(waits);
        commit(&mut *one).await.unwrap();
        step(&mut *two, &mut rows).await.unwrap();
        assert_eq!(rows.row(0).unwrap().decode::<i64>(0).unwrap(), 6);
        assert_eq!(two.counters().rounds, before + 1);
    });
}

#[test]
fn a_busy_commit_leaves_the_transaction_open() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "journal_mode=delete&busy_timeout=20ms").await;
        command(&mut *two, Command::Begin(TxOptions::new().read_only())).await.unwrap();
        execute(&mut *two, "SELECT n FROM t", &()).await.unwrap();
        begin(&mut *one).await.unwrap();
        execute(&mut *one, "UPDATE t SET n = 7", &()).await.unwrap();
        let error = commit(&mut *one).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert_eq!(one.status(), Status::Transaction);
        commit(&mut *two).await.unwrap();
        commit(&mut *one).await.unwrap();
        assert_eq!(one.status(), Status::Idle);
        let set = execute(&mut *two, "SELECT n FROM t", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(7)));
    });
}

#[test]
fn a_stale_snapshot_cannot_write_and_says_why() {
    let dir = Dir::new();
    run(async {
        let (mut one, mut two) = pair(&dir, "busy_timeout=20ms").await;
        command(&mut *one, Command::Begin(TxOptions::new().lock_late())).await.unwrap();
        execute(&mut *one, "SELECT n FROM t", &()).await.unwrap();
        execute(&mut *two, "UPDATE t SET n = 1", &()).await.unwrap();
        let error = execute(&mut *one, "UPDATE t SET n = 2", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialization);
        assert_eq!(error.retry(), Retry::Transaction);
        rollback(&mut *one).await.unwrap();
        execute(&mut *one, "UPDATE t SET n = 2", &()).await.unwrap();
    });
}

#[test]
fn a_connection_for_reading_may_come_first_and_refuses_writes() {
    let dir = Dir::new();
    run(async {
        let connector = connector(&dir.url("new.db", ""));
        let mut reader = std::sync::Arc::clone(&connector).connect(Access::ReadOnly).await.unwrap();
        let mut writer = connector.connect(Access::ReadWrite).await.unwrap();
        script(&mut *writer, "CREATE TABLE t (n); INSERT INTO t VALUES (1)").await.unwrap();
        let set = execute(&mut *reader, "SELECT n FROM t", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(1)));
        for sql in ["INSERT INTO t VALUES (2)", "CREATE TABLE u (n)", "BEGIN IMMEDIATE"] {
            let error = execute(&mut *reader, sql, &()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{sql}");
            assert!(error.nothing_sent());
        }
        let error = script(&mut *reader, "SELECT 1; DELETE FROM t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
        assert_eq!(begin(&mut *reader).await.unwrap_err().kind(), ErrorKind::ReadOnly);
        assert_eq!(reader.status(), Status::Idle);
        let mode = execute(&mut *reader, "PRAGMA journal_mode", &()).await.unwrap();
        assert_eq!(mode.scalar(), Some(&Value::Text("wal".into())));
    });
}

#[test]
fn many_connections_may_create_one_file_at_once() {
    let dir = Dir::new();
    let connector = connector(&dir.url("race.db", ""));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let connector = std::sync::Arc::clone(&connector);
            let access = if n % 2 == 0 { Access::ReadOnly } else { Access::ReadWrite };
            std::thread::spawn(move || run(connector.connect(access)).map(drop))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}
