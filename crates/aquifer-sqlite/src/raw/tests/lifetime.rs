use std::thread;

use super::*;

#[test]
fn a_handle_with_its_statements_moves_between_threads_in_the_middle_of_rows() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT value FROM json_each('[1, 2, 3, 4]')");
    handle.statement(id).unwrap().next_row().unwrap();
    for expected in 2..=4 {
        handle = thread::spawn(move || {
            let mut statement = handle.statement(id).unwrap();
            let row = statement.next_row().unwrap().unwrap();
            assert_eq!(row.cell(0).unwrap(), Cell::Integer(expected));
            handle
        })
        .join()
        .unwrap();
    }
    assert!(handle.statement(id).unwrap().next_row().unwrap().is_none());
    thread::spawn(move || drop(handle)).join().unwrap();
}

#[test]
fn what_crosses_threads_is_send() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Handle>();
    send::<Statement<'_>>();
    send::<Interrupter>();
    sync::<Interrupter>();
    send::<Error>();
    sync::<Error>();
}

#[test]
fn a_finalised_statement_is_an_error_and_its_name_is_not_used_again() {
    let mut handle = memory();
    let first = prepare(&mut handle, "SELECT 1");
    assert!(handle.finalize(first));
    assert!(!handle.finalize(first));
    let second = prepare(&mut handle, "SELECT 2");
    assert_ne!(first, second);
    let error = handle.statement(first).unwrap_err();
    assert_eq!(error.code(), Code::MISUSE);
    assert_eq!(error.message(), "the statement has been finalised: prepare it again");
    assert_eq!(handle.statement_count(), 1);
}

#[test]
fn a_statement_can_be_finalised_in_the_middle_of_its_rows() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)").unwrap();
    let id = prepare(&mut handle, "SELECT a FROM t");
    handle.statement(id).unwrap().next_row().unwrap();
    assert!(handle.finalize(id));
    assert_eq!(handle.transaction_state(None).unwrap(), TransactionState::None);
}

#[test]
fn closing_reports_the_statements_that_were_left_and_finalises_them() {
    let mut handle = memory();
    // A virtual table keeps statements of its own, which are SQLite's business.
    handle.exec("CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('x')").unwrap();
    let running = prepare(&mut handle, "SELECT a FROM f");
    handle.statement(running).unwrap().next_row().unwrap();
    prepare(&mut handle, "SELECT 2");
    let gone = prepare(&mut handle, "SELECT 3");
    handle.finalize(gone);
    assert_eq!(handle.close(), Closed { statements_left: 2, ..Closed::default() });
}

#[test]
fn closing_reports_a_statement_that_is_not_ours() {
    let handle = memory();
    let mut stmt = std::ptr::null_mut();
    // SAFETY: the handle is open, the text ends with a NUL, and the result has a place. The
    // statement is leaked on purpose, as an extension might.
    unsafe {
        libsqlite3_sys::sqlite3_prepare_v3(
            handle.db.as_ptr(),
            c"SELECT 'foreign'".as_ptr(),
            -1,
            0,
            &raw mut stmt,
            std::ptr::null_mut(),
        );
    }
    let raw = handle.db.as_ptr();
    let interrupter = handle.interrupter();
    let closed = handle.close();
    assert_eq!(closed.foreign, ["SELECT 'foreign'"]);
    assert!(closed.lingers);
    assert!(!interrupter.interrupt_current());
    // The statement still works, and so does the handler behind it.
    // SAFETY: the connection was left open because of this statement; now both go, in order, and
    // nothing else knows them.
    unsafe {
        assert_eq!(libsqlite3_sys::sqlite3_step(stmt), libsqlite3_sys::SQLITE_ROW);
        assert_eq!(libsqlite3_sys::sqlite3_finalize(stmt), libsqlite3_sys::SQLITE_OK);
        assert_eq!(libsqlite3_sys::sqlite3_close(raw), libsqlite3_sys::SQLITE_OK);
    }
}

#[test]
fn closing_rolls_back_what_was_not_committed() {
    let dir = Dir::new("rollback");
    let path = dir.file("a.db");
    let mut handle = open(&path);
    handle.exec("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1)").unwrap();
    drop(handle);
    assert_eq!(number(&mut open(&path), "SELECT count(*) FROM t"), 0);
}

#[test]
fn many_statements_run_side_by_side() {
    let mut handle = memory();
    let ids: Vec<StatementId> = (0..50)
        .map(|n| prepare(&mut handle, &format!("SELECT {n} + value FROM json_each('[0, 100]')")))
        .collect();
    for (n, id) in ids.iter().enumerate() {
        let mut statement = handle.statement(*id).unwrap();
        let row = statement.next_row().unwrap().unwrap();
        assert_eq!(row.cell(0).unwrap(), Cell::Integer(n as i64));
    }
    for (n, id) in ids.iter().enumerate().rev() {
        let mut statement = handle.statement(*id).unwrap();
        let row = statement.next_row().unwrap().unwrap();
        assert_eq!(row.cell(0).unwrap(), Cell::Integer(n as i64 + 100));
    }
    assert_eq!(handle.statement_count(), 50);
}

#[test]
fn dropped_borrows_leave_the_handle_usable() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT value FROM json_each('[1, 2]')");
    // Nothing happens when a borrow ends, so forgetting it makes no difference.
    assert!(!std::mem::needs_drop::<Statement<'_>>());
    assert!(!std::mem::needs_drop::<Row<'_>>());
    handle.statement(id).unwrap().next_row().unwrap();
    let mut statement = handle.statement(id).unwrap();
    assert!(statement.is_running());
    statement.reset().unwrap();
    assert_eq!(rest(&mut statement).len(), 2);
}
