use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn two(test: &str) -> (Dir, Handle, Handle) {
    let dir = Dir::new(test);
    let path = dir.file("a.db");
    let mut first = open(&path);
    first.exec("CREATE TABLE t(a)").unwrap();
    let second = open(&path);
    (dir, first, second)
}

#[test]
fn without_a_timeout_a_locked_database_is_busy_at_once() {
    let (_dir, mut first, mut second) = two("busy");
    first.exec("BEGIN IMMEDIATE").unwrap();
    let error = second.exec("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(error.code(), Code::BUSY);
    assert_eq!(error.interruption(), None);
    assert!(second.autocommit());
    first.exec("COMMIT").unwrap();
    second.exec("BEGIN IMMEDIATE").unwrap();
}

#[test]
fn with_a_timeout_a_lock_is_waited_for() {
    let (_dir, mut first, mut second) = two("wait");
    first.exec("BEGIN IMMEDIATE").unwrap();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        first.exec("COMMIT").unwrap();
    });
    second.busy_timeout(60_000);
    second.exec("INSERT INTO t VALUES (1)").unwrap();
    other.join().unwrap();
}

#[test]
fn a_timeout_runs_out() {
    let (_dir, mut first, mut second) = two("timeout");
    first.exec("BEGIN IMMEDIATE").unwrap();
    second.busy_timeout(20);
    let error = second.exec("INSERT INTO t VALUES (1)").unwrap_err();
    assert_eq!(error.code(), Code::BUSY);
    second.busy_timeout(0);
    assert_eq!(second.exec("INSERT INTO t VALUES (1)").unwrap_err().code(), Code::BUSY);
}

#[test]
fn an_interrupt_ends_the_wait_for_a_lock() {
    let (_dir, mut first, mut second) = two("interrupted-wait");
    first.exec("BEGIN IMMEDIATE").unwrap();
    second.busy_timeout(600_000);
    let interrupter = second.interrupter();
    let operation = second.begin();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        interrupter.interrupt(operation)
    });
    let begun = Instant::now();
    let error = second.exec("INSERT INTO t VALUES (1)").unwrap_err();
    assert!(other.join().unwrap());
    assert_eq!(error.interruption(), Some(Interruption::Cancelled), "{error:?}");
    // The timeout is ten minutes: that the test ends is the point.
    assert!(begun.elapsed() < Duration::from_secs(300));
    first.exec("ROLLBACK").unwrap();
    second.begin();
    second.exec("INSERT INTO t VALUES (1)").unwrap();
}

#[test]
fn an_abandoned_reader_holds_its_lock_until_it_is_reset() {
    let (_dir, mut reader, mut writer) = two("abandoned");
    writer.exec("INSERT INTO t VALUES (1), (2)").unwrap();
    let id = prepare(&mut reader, "SELECT a FROM t");
    assert!(reader.statement(id).unwrap().next_row().unwrap().is_some());
    // The borrow is over, the statement is not.
    assert_eq!(reader.transaction_state(None).unwrap(), TransactionState::Read);
    assert_eq!(writer.exec("INSERT INTO t VALUES (3)").unwrap_err().code(), Code::BUSY);
    reader.statement(id).unwrap().reset().unwrap();
    assert_eq!(reader.transaction_state(None).unwrap(), TransactionState::None);
    writer.exec("INSERT INTO t VALUES (3)").unwrap();
}

#[test]
fn a_finished_reader_holds_no_lock_even_without_a_reset() {
    let (_dir, mut reader, mut writer) = two("finished");
    let id = prepare(&mut reader, "SELECT a FROM t");
    assert!(rest(&mut reader.statement(id).unwrap()).is_empty());
    assert_eq!(reader.transaction_state(None).unwrap(), TransactionState::None);
    writer.exec("INSERT INTO t VALUES (3)").unwrap();
}

#[test]
fn a_stale_snapshot_cannot_be_upgraded() {
    let (_dir, mut first, mut second) = two("snapshot");
    first.exec("PRAGMA journal_mode = wal").unwrap();
    first.exec("BEGIN; SELECT * FROM t").unwrap();
    second.exec("INSERT INTO t VALUES (1)").unwrap();
    let error = first.exec("INSERT INTO t VALUES (2)").unwrap_err();
    assert_eq!(error.code().name(), "SQLITE_BUSY_SNAPSHOT");
}

#[test]
fn a_returning_statement_left_early_reports_what_its_commit_brings() {
    let (_dir, mut reader, mut writer) = two("returning");
    reader.exec("INSERT INTO t VALUES (1)").unwrap();
    let read = prepare(&mut reader, "SELECT a FROM t");
    assert!(reader.statement(read).unwrap().next_row().unwrap().is_some());
    let write = prepare(&mut writer, "INSERT INTO t VALUES (2), (3) RETURNING a");
    let mut statement = writer.statement(write).unwrap();
    assert!(statement.next_row().unwrap().is_some());
    // The reader's lock is in the way of the commit.
    assert_eq!(statement.reset().unwrap_err().code(), Code::BUSY);
    assert!(!statement.is_running());
    reader.statement(read).unwrap().reset().unwrap();
    assert_eq!(number(&mut reader, "SELECT count(*) FROM t"), 1);
}
