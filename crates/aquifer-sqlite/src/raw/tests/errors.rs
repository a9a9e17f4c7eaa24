use super::*;

fn code(handle: &mut Handle, sql: &str) -> &'static str {
    handle.exec(sql).unwrap_err().code().name()
}

#[test]
fn constraint_errors_name_their_kind() {
    let mut handle = memory();
    handle
        .exec(
            "PRAGMA foreign_keys = on;
             CREATE TABLE p(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL, c CHECK (c > 0));
             CREATE TABLE q(id REFERENCES p(id)); CREATE TABLE s(a INT) STRICT;
             CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES (1);
             INSERT INTO p VALUES (1, 1, 1, 1);
             CREATE TRIGGER tr BEFORE DELETE ON p BEGIN SELECT RAISE(ABORT, 'not that one'); END",
        )
        .unwrap();
    for (sql, name) in [
        ("INSERT INTO p VALUES (2, 1, 1, 1)", "SQLITE_CONSTRAINT_UNIQUE"),
        ("INSERT INTO p VALUES (1, 2, 1, 1)", "SQLITE_CONSTRAINT_PRIMARYKEY"),
        ("INSERT INTO p VALUES (2, 2, NULL, 1)", "SQLITE_CONSTRAINT_NOTNULL"),
        ("INSERT INTO p VALUES (2, 2, 1, 0)", "SQLITE_CONSTRAINT_CHECK"),
        ("INSERT INTO q VALUES (9)", "SQLITE_CONSTRAINT_FOREIGNKEY"),
        ("INSERT INTO s VALUES ('x')", "SQLITE_CONSTRAINT_DATATYPE"),
        ("INSERT INTO w VALUES (1)", "SQLITE_CONSTRAINT_PRIMARYKEY"),
        ("DELETE FROM p", "SQLITE_CONSTRAINT_TRIGGER"),
        ("INSERT INTO p(id) VALUES ('x')", "SQLITE_MISMATCH"),
    ] {
        assert_eq!(code(&mut handle, sql), name, "{sql}");
    }
    let error = handle.exec("INSERT INTO p VALUES (2, 1, 1, 1)").unwrap_err();
    assert_eq!(error.message(), "UNIQUE constraint failed: p.u");
    assert_eq!(error.code().primary().name(), "SQLITE_CONSTRAINT");
}

#[test]
fn a_file_that_is_no_database_says_so_at_the_first_statement() {
    let dir = Dir::new("notadb");
    let path = dir.file("a.db");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let mut handle = open(&path);
    assert_eq!(code(&mut handle, "SELECT * FROM sqlite_schema"), "SQLITE_NOTADB");
}

#[test]
fn a_corrupt_file_is_an_error_and_the_handle_closes() {
    let dir = Dir::new("corrupt");
    let path = dir.file("a.db");
    let mut handle = open(&path);
    handle
        .exec(
            "CREATE TABLE t(a);
             INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT hex(randomblob(20)) FROM n",
        )
        .unwrap();
    drop(handle);
    let mut content = std::fs::read(&path).unwrap();
    for page in content.chunks_mut(4096).skip(1) {
        page.fill(0xa5);
    }
    std::fs::write(&path, content).unwrap();
    let mut handle = open(&path);
    let id = prepare(&mut handle, "SELECT a FROM t");
    let error = handle.statement(id).unwrap().run().unwrap_err();
    assert_eq!(error.code().primary().name(), "SQLITE_CORRUPT");
    assert_eq!(handle.close(), Closed { statements_left: 1, ..Closed::default() });
}

#[test]
fn a_truncated_file_is_an_error() {
    let dir = Dir::new("truncated");
    let path = dir.file("a.db");
    let mut handle = open(&path);
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))").unwrap();
    drop(handle);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8192).unwrap();
    let mut handle = open(&path);
    let error = handle.exec("SELECT a FROM t").unwrap_err();
    assert!(matches!(error.code().primary().name(), "SQLITE_CORRUPT" | "SQLITE_IOERR"), "{error}");
}

#[test]
fn a_full_database_ends_the_statement_and_keeps_the_connection() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a); PRAGMA max_page_count = 10").unwrap();
    handle.exec("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    let error = handle.exec("INSERT INTO t VALUES (zeroblob(1000000))").unwrap_err();
    assert_eq!(error.code().name(), "SQLITE_FULL");
    // Only the statement is gone, or the whole transaction: SQLite knows.
    if !handle.autocommit() {
        handle.exec("COMMIT").unwrap();
    }
    handle.exec("INSERT INTO t VALUES (2)").unwrap();
    assert!(number(&mut handle, "SELECT count(*) FROM t") >= 1);
}

#[test]
fn a_failed_step_resets_the_statement_and_keeps_its_bindings() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (5)").unwrap();
    let id = prepare(&mut handle, "INSERT INTO t VALUES (?)");
    let mut statement = handle.statement(id).unwrap();
    statement.bind_i64(1, 5).unwrap();
    for _ in 0..2 {
        let error = statement.run().unwrap_err();
        assert_eq!(error.code().name(), "SQLITE_CONSTRAINT_UNIQUE");
        assert!(!statement.is_running());
    }
    handle.exec("DELETE FROM t").unwrap();
    handle.statement(id).unwrap().run().unwrap();
    assert_eq!(number(&mut handle, "SELECT a FROM t"), 5);
}

#[test]
fn an_error_never_shows_a_bound_value() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a UNIQUE, b CHECK (b <> a))").unwrap();
    let id = prepare(&mut handle, "INSERT INTO t VALUES (?, ?)");
    let mut statement = handle.statement(id).unwrap();
    statement.bind_text(1, "secret-7").unwrap();
    statement.bind_text(2, "secret-7").unwrap();
    let error = statement.run().unwrap_err();
    assert_eq!(error.code().name(), "SQLITE_CONSTRAINT_CHECK");
    assert!(!format!("{error} {error:?} {statement:?}").contains("secret"), "{error:?}");
}
