use super::*;

#[test]
fn a_text_is_taken_one_statement_at_a_time() {
    let mut handle = memory();
    let sql = "SELECT 1; SELECT 2 ; -- the end";
    let first = handle.prepare(sql, Persistence::Transient).unwrap();
    assert_eq!(&sql[..first.tail], "SELECT 1;");
    let second = handle.prepare(&sql[first.tail..], Persistence::Transient).unwrap();
    assert_eq!(&sql[first.tail..][..second.tail], " SELECT 2 ;");
    let end = handle.prepare(&sql[first.tail + second.tail..], Persistence::Transient).unwrap();
    assert_eq!(end.statement, None);
    let id = second.statement.unwrap();
    assert_eq!(handle.statement(id).unwrap().sql(), " SELECT 2 ;");
    for empty in ["", " ", ";", "-- only a comment", "/* open"] {
        assert_eq!(handle.prepare(empty, Persistence::Transient).unwrap().statement, None);
    }
}

#[test]
fn a_nul_byte_in_the_text_is_refused_instead_of_ending_it() {
    let mut handle = memory();
    let error = handle.prepare("SELECT 1\0; DROP TABLE t", Persistence::Transient).unwrap_err();
    assert_eq!(error.offset(), Some(8));
    assert_eq!(error.message(), "the SQL text contains a NUL byte");
    assert!(handle.exec("SELECT 1;\0").is_err());
}

#[test]
fn a_syntax_error_names_its_place() {
    let mut handle = memory();
    let sql = "SELECT a FORM t";
    let error = handle.prepare(sql, Persistence::Transient).unwrap_err();
    assert_eq!(error.code(), Code::ERROR);
    assert_eq!(
        error.to_string(),
        "near \"t\": syntax error (SQLITE_ERROR) at byte 14 of the SQL text"
    );
    let error = handle.prepare("SELECT * FROM nope", Persistence::Transient).unwrap_err();
    assert!(error.message().contains("no such table: nope"));
}

#[test]
fn a_statement_knows_whether_it_reads_writes_or_explains() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a)").unwrap();
    for (sql, readonly, explain) in [
        ("SELECT a FROM t", true, false),
        ("INSERT INTO t VALUES (1)", false, false),
        ("INSERT INTO t VALUES (1) RETURNING a", false, false),
        ("BEGIN", true, false),
        ("EXPLAIN SELECT a FROM t", true, true),
        ("EXPLAIN QUERY PLAN DELETE FROM t", false, true),
    ] {
        let id = prepare(&mut handle, sql);
        let statement = handle.statement(id).unwrap();
        assert_eq!(statement.is_explain(), explain, "{sql}");
        if !explain {
            assert_eq!(statement.readonly(), readonly, "{sql}");
        }
    }
}

#[test]
fn parameters_are_found_by_index_and_by_name() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT ?, :a, @b, $c, ?9, :a");
    let statement = handle.statement(id).unwrap();
    assert_eq!(statement.parameter_count(), 9);
    let names: Vec<_> = (0..=10).map(|index| statement.parameter_name(index)).collect();
    let expected = [None, None, Some(":a"), Some("@b"), Some("$c"), None, None, None, None];
    for (name, expected) in names.iter().zip(expected) {
        assert_eq!(name.as_deref(), expected);
    }
    assert_eq!(names[9].as_deref(), Some("?9"));
    assert_eq!(names[10], None);
    assert_eq!(statement.parameter_name(usize::MAX), None);
    assert_eq!(statement.parameter_index(":a"), Some(2));
    assert_eq!(statement.parameter_index("a"), None);
    assert_eq!(statement.parameter_index(":a\0"), None);
}

#[test]
fn columns_tell_their_name_type_and_origin() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b VARCHAR(10), c)").unwrap();
    let id = prepare(&mut handle, "SELECT x.a, x.b AS named, x.c, 1 + 1 FROM t AS x");
    let statement = handle.statement(id).unwrap();
    assert_eq!(statement.column_count(), 4);
    let names: Vec<_> = (0..4).map(|index| statement.column_name(index).unwrap()).collect();
    assert_eq!(names, ["a", "named", "c", "1 + 1"]);
    let types: Vec<_> = (0..4).map(|index| statement.column_decltype(index)).collect();
    assert_eq!(types, [Some("INTEGER".into()), Some("VARCHAR(10)".into()), None, None]);
    let origin = statement.column_origin(1).unwrap();
    assert_eq!((origin.schema.as_str(), origin.table.as_str()), ("main", "t"));
    assert_eq!(origin.column, "b");
    assert_eq!(statement.column_origin(3), None);
    for beyond in [4, i32::MAX as usize, usize::MAX] {
        assert_eq!(statement.column_name(beyond), None);
        assert_eq!(statement.column_decltype(beyond), None);
        assert_eq!(statement.column_origin(beyond), None);
    }
    let id = prepare(&mut handle, "DELETE FROM t");
    let statement = handle.statement(id).unwrap();
    assert_eq!((statement.column_count(), statement.column_name(0)), (0, None));
}

#[test]
fn a_changed_schema_shows_in_the_row_and_in_the_counter() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    let id = prepare(&mut handle, "SELECT * FROM t");
    handle.exec("ALTER TABLE t ADD COLUMN b DEFAULT 'x'").unwrap();
    let mut statement = handle.statement(id).unwrap();
    assert_eq!(statement.column_count(), 1);
    assert_eq!(statement.status(StatementCounter::Reprepare, false), 0);
    assert_eq!(rest(&mut statement), [[Owned::Integer(1), Owned::Text(b"x".to_vec())]]);
    assert_eq!(statement.status(StatementCounter::Reprepare, false), 1);
    assert_eq!(statement.column_name(1).as_deref(), Some("b"));
    handle.exec("ALTER TABLE t DROP COLUMN b").unwrap();
    let mut statement = handle.statement(id).unwrap();
    statement.reset().unwrap();
    assert_eq!(rest(&mut statement), [[Owned::Integer(1)]]);
    handle.exec("DROP TABLE t").unwrap();
    let mut statement = handle.statement(id).unwrap();
    statement.reset().unwrap();
    let error = statement.next_row().unwrap_err();
    assert!(error.message().contains("no such table"), "{error}");
}
