use super::*;

const COUNT: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) SELECT count(*), ?2 FROM n";

#[test]
fn a_spent_budget_stops_the_statement_and_a_larger_one_lets_it_finish_with_its_bindings() {
    let mut handle = memory();
    let id = prepare(&mut handle, COUNT);
    let mut statement = handle.statement(id).unwrap();
    statement.bind_i64(1, 20_000).unwrap();
    statement.bind_text(2, "kept").unwrap();
    handle.set_budget(Some(10_000));
    let error = handle.statement(id).unwrap().next_row().unwrap_err();
    assert_eq!(error.code(), Code::INTERRUPT);
    assert_eq!(error.interruption(), Some(Interruption::Budget));
    assert!(!handle.is_cancelled());
    // It stays spent.
    let error = handle.statement(id).unwrap().next_row().unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Budget));
    handle.set_budget(None);
    let rows = rest(&mut handle.statement(id).unwrap());
    assert_eq!(rows, [[Owned::Integer(20_000), Owned::Text(b"kept".to_vec())]]);
}

#[test]
fn a_budget_is_kept_to_within_its_ticks() {
    for ops in [0, 1, 255, 256, 257, 5_000, 100_000] {
        let mut handle = memory();
        let id = prepare(&mut handle, ENDLESS);
        handle.set_budget(Some(ops));
        let mut statement = handle.statement(id).unwrap();
        assert!(statement.next_row().is_err());
        let spent = statement.status(StatementCounter::VmStep, false);
        assert!(spent >= ops, "{spent} of {ops}");
        // SQLite looks at the counter when a loop closes, so a few operations come on top.
        assert!(spent <= ops + 2 * TICK_OPS + 50, "{spent} of {ops}");
    }
}

#[test]
fn a_budget_suffices_for_as_many_operations_however_often_the_statement_has_run() {
    let mut handle = memory();
    handle
        .exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x')")
        .unwrap();
    let id = prepare(&mut handle, "SELECT a FROM t WHERE id = ?");
    for _ in 0..2_000 {
        handle.set_budget(Some(20));
        let mut statement = handle.statement(id).unwrap();
        statement.bind_i64(1, 1).unwrap();
        assert_eq!(rest(&mut statement).len(), 1);
    }
}

#[test]
fn a_budget_is_shared_by_the_statements_that_follow() {
    let mut handle = memory();
    let id = prepare(&mut handle, COUNT);
    handle.set_budget(Some(100_000));
    let mut finished = 0;
    let error = loop {
        let mut statement = handle.statement(id).unwrap();
        statement.bind_i64(1, 500).unwrap();
        match statement.run() {
            Ok(()) => finished += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.interruption(), Some(Interruption::Budget));
    assert!((5..100).contains(&finished), "{finished}");
}

#[test]
fn preparing_counts_too() {
    let mut handle = memory();
    // Making the names of a subquery's columns different is one of the few long loops in which
    // SQLite looks up.
    let sql = format!("SELECT * FROM (SELECT {})", vec!["1 AS a"; 1_000].join(", "));
    handle.set_budget(Some(0));
    let error = handle.prepare(&sql, Persistence::Transient).unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Budget), "{error}");
    handle.set_budget(None);
    assert!(handle.prepare(&sql, Persistence::Transient).is_ok());
}

#[test]
fn a_budget_that_stops_a_write_in_autocommit_leaves_nothing_behind() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a)").unwrap();
    handle.set_budget(Some(10_000));
    let sql = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let error = handle.exec(sql).unwrap_err();
    assert_eq!(error.interruption(), Some(Interruption::Budget));
    handle.set_budget(None);
    assert!(handle.autocommit());
    assert_eq!(number(&mut handle, "SELECT count(*) FROM t"), 0);
}

#[test]
fn the_handlers_survive_what_sql_can_do_to_them() {
    let mut handle = memory();
    handle.exec("PRAGMA busy_timeout = 5000; PRAGMA busy_timeout = 0").unwrap();
    handle.restore_handlers();
    handle.set_budget(Some(1_000));
    assert!(handle.exec(ENDLESS).is_err());
}

#[test]
fn a_budget_has_no_say_in_one_long_operation_and_that_can_be_told() {
    let mut handle = memory();
    handle
        .exec(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE VIRTUAL TABLE f USING fts5(a);
             INSERT INTO t(a)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             SELECT i FROM n",
        )
        .unwrap();
    handle.set_budget(Some(0));
    assert_eq!(number(&mut handle, "SELECT count(*) FROM t"), 1_000);
    assert!(handle.exec("SELECT count(a) FROM t").is_err());
    handle.set_budget(None);
    for (sql, holds) in [
        ("SELECT count(*) FROM t", false),
        ("SELECT count(a) FROM t", true),
        ("SELECT count(*) FROM t WHERE id > ?", true),
        ("SELECT a FROM t WHERE id = ?", true),
        ("SELECT a, sum(id) FROM t GROUP BY 1 ORDER BY 2 DESC", true),
        ("SELECT 1 WHERE 7 > (SELECT count(*) FROM t)", false),
        ("SELECT * FROM f WHERE f MATCH 'x'", false),
        ("PRAGMA integrity_check", false),
        ("PRAGMA wal_checkpoint", false),
        ("BEGIN", false),
        ("COMMIT", false),
        ("SAVEPOINT s", false),
        ("EXPLAIN SELECT count(*) FROM t", true),
        ("SELECT 1; SELECT count(*) FROM t", true),
        ("/* a comment */ SELECT 1 -- the end", true),
    ] {
        let id = prepare(&mut handle, sql);
        assert_eq!(handle.budget_holds(id).unwrap(), holds, "{sql}");
        assert_eq!(handle.statement_count(), 1);
        assert!(handle.finalize(id));
        assert_eq!(handle.budget_holds(id).unwrap_err().code(), Code::MISUSE);
    }
}
