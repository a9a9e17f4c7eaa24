use super::*;

#[test]
fn every_value_comes_back_as_it_was_bound() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT ?1");
    let mut statement = handle.statement(id).unwrap();
    let mut echo = |bind: &dyn Fn(&mut Statement<'_>) -> Result<()>| {
        bind(&mut statement).unwrap();
        let mut rows = rest(&mut statement);
        rows.pop().unwrap().pop().unwrap()
    };
    assert_eq!(echo(&|s| s.bind_null(1)), Owned::Null);
    for value in [0, -1, i64::MIN, i64::MAX] {
        assert_eq!(echo(&|s| s.bind_i64(1, value)), Owned::Integer(value));
    }
    for value in [0.0, -0.5, f64::MAX, f64::INFINITY, f64::MIN_POSITIVE] {
        assert_eq!(echo(&|s| s.bind_f64(1, value)), Owned::Real(value));
    }
    assert_eq!(echo(&|s| s.bind_f64(1, f64::NAN)), Owned::Null);
    let long = "é".repeat(100_000);
    for value in ["", "a", "é\u{10ffff}", "a\0b\0", &long] {
        assert_eq!(echo(&|s| s.bind_text(1, value)), Owned::Text(value.into()));
        assert_eq!(echo(&|s| s.bind_blob(1, value.as_bytes())), Owned::Blob(value.into()));
    }
    assert_eq!(echo(&|s| s.bind_zeroblob(1, 5)), Owned::Blob(vec![0; 5]));
    assert_eq!(echo(&|s| s.bind_zeroblob(1, 0)), Owned::Blob(vec![]));
}

#[test]
fn every_value_comes_back_as_it_was_stored() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a)").unwrap();
    let id = prepare(&mut handle, "INSERT INTO t VALUES (?)");
    let mut insert = handle.statement(id).unwrap();
    insert.bind_text(1, "a\0b").unwrap();
    insert.run().unwrap();
    insert.bind_blob(1, b"\0\xff").unwrap();
    insert.run().unwrap();
    insert.bind_blob(1, b"").unwrap();
    insert.run().unwrap();
    insert.bind_f64(1, 3.0).unwrap();
    insert.run().unwrap();
    let stored = query(&mut handle, "SELECT a, length(a), typeof(a) FROM t");
    assert_eq!(stored[0][0], Owned::Text(b"a\0b".to_vec()));
    assert_eq!(stored[1][..2], [Owned::Blob(b"\0\xff".to_vec()), Owned::Integer(2)]);
    assert_eq!(stored[2][..2], [Owned::Blob(vec![]), Owned::Integer(0)]);
    assert_eq!(stored[3][0], Owned::Real(3.0));
}

#[test]
fn text_that_is_not_utf8_is_handed_over_as_it_is() {
    let mut handle = memory();
    let rows = query(&mut handle, "SELECT CAST(x'61ff62' AS TEXT), CAST(x'' AS TEXT)");
    assert_eq!(rows, [[Owned::Text(b"a\xffb".to_vec()), Owned::Text(vec![])]]);
}

#[test]
fn text_of_a_utf16_database_arrives_as_utf8() {
    let mut handle = memory();
    handle
        .exec("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES ('é€')")
        .unwrap();
    let id = prepare(&mut handle, "SELECT a, a FROM t");
    let mut statement = handle.statement(id).unwrap();
    let row = statement.next_row().unwrap().unwrap();
    // The first read converts the cell; the second finds it converted, and the first stays
    // readable.
    let first = row.cell(0).unwrap();
    let again = row.cell(0).unwrap();
    let other = row.cell(1).unwrap();
    for cell in [first, again, other] {
        assert_eq!(cell, Cell::Text("é€".as_bytes()));
    }
}

#[test]
fn cells_stay_readable_while_others_are_read() {
    let mut handle = memory();
    let sql =
        "SELECT x'00', 'text', 7, 1.5, NULL, zeroblob(4), substr('longer than small', 3), x''";
    let id = prepare(&mut handle, sql);
    let mut statement = handle.statement(id).unwrap();
    let row = statement.next_row().unwrap().unwrap();
    assert_eq!((row.len(), row.is_empty()), (8, false));
    let first: Vec<Cell<'_>> = (0..8).map(|index| row.cell(index).unwrap()).collect();
    let second: Vec<Cell<'_>> = (0..8).rev().map(|index| row.cell(index).unwrap()).collect();
    assert!(first.iter().eq(second.iter().rev()));
    assert_eq!(
        first,
        [
            Cell::Blob(b"\0"),
            Cell::Text(b"text"),
            Cell::Integer(7),
            Cell::Real(1.5),
            Cell::Null,
            Cell::Blob(&[0; 4]),
            Cell::Text(b"nger than small"),
            Cell::Blob(b""),
        ]
    );
    let kinds: Vec<CellKind> = first.iter().map(Cell::kind).collect();
    assert_eq!(
        kinds[..5],
        [CellKind::Blob, CellKind::Text, CellKind::Integer, CellKind::Real, CellKind::Null]
    );
}

#[test]
fn a_column_out_of_range_is_an_error() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT 1, 2");
    let mut statement = handle.statement(id).unwrap();
    let row = statement.next_row().unwrap().unwrap();
    for index in [2, i32::MAX as usize, u32::MAX as usize, usize::MAX] {
        assert_eq!(row.cell(index).unwrap_err().code(), Code::RANGE);
    }
    let message = "there is no column 2: the row has 2, counted from 0";
    assert_eq!(row.cell(2).unwrap_err().message(), message);
    assert_eq!(row.cell(1).unwrap(), Cell::Integer(2));
}

#[test]
fn a_parameter_out_of_range_is_an_error() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT ?1");
    let mut statement = handle.statement(id).unwrap();
    for index in [0, 2, i32::MAX as usize, u32::MAX as usize + 2, usize::MAX] {
        for outcome in [
            statement.bind_null(index),
            statement.bind_i64(index, 1),
            statement.bind_f64(index, 1.0),
            statement.bind_text(index, "x"),
            statement.bind_blob(index, b"x"),
            statement.bind_zeroblob(index, 1),
        ] {
            assert_eq!(outcome.unwrap_err().code(), Code::RANGE, "{index}");
        }
    }
    statement.bind_i64(1, 5).unwrap();
    assert_eq!(rest(&mut statement), [[Owned::Integer(5)]]);
}

#[test]
fn a_value_beyond_the_limit_is_too_big() {
    let mut handle = memory();
    handle.set_limit(Limit::Length, 1_000);
    let id = prepare(&mut handle, "SELECT ?1");
    let mut statement = handle.statement(id).unwrap();
    let big = vec![b'x'; 1_001];
    let text = std::str::from_utf8(&big).unwrap();
    assert_eq!(statement.bind_blob(1, &big).unwrap_err().code(), Code::TOOBIG);
    assert_eq!(statement.bind_text(1, text).unwrap_err().code(), Code::TOOBIG);
    assert_eq!(statement.bind_zeroblob(1, u64::MAX).unwrap_err().code(), Code::TOOBIG);
    statement.bind_blob(1, &big[..1_000]).unwrap();
    assert_eq!(rest(&mut statement).len(), 1);
    let error = handle.exec("SELECT zeroblob(1001)").unwrap_err();
    assert_eq!(error.code(), Code::TOOBIG);
    let error = handle.exec("SELECT hex(zeroblob(900))").unwrap_err();
    assert_eq!(error.code(), Code::TOOBIG);
}

#[test]
fn bindings_are_kept_over_runs_until_they_are_cleared() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT ?1, ?2");
    let mut statement = handle.statement(id).unwrap();
    statement.bind_text(1, "kept").unwrap();
    let row = [Owned::Text(b"kept".to_vec()), Owned::Null];
    for _ in 0..2 {
        assert_eq!(rest(&mut statement), std::slice::from_ref(&row));
        statement.reset().unwrap();
    }
    // Also in the middle of a run, where registers may point into a parameter.
    assert!(statement.next_row().unwrap().is_some());
    statement.clear_bindings().unwrap();
    assert_eq!(rest(&mut statement), [[Owned::Null, Owned::Null]]);
}

#[test]
fn a_finished_statement_stays_finished_until_it_is_reset() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT 1");
    let mut statement = handle.statement(id).unwrap();
    assert_eq!(rest(&mut statement).len(), 1);
    assert!(statement.next_row().unwrap().is_none());
    assert!(statement.next_row().unwrap().is_none());
    statement.reset().unwrap();
    statement.reset().unwrap();
    assert_eq!(rest(&mut statement).len(), 1);
}

#[test]
fn an_abandoned_statement_can_be_bound_and_run_again() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT value + ?1 FROM json_each('[1, 2, 3]')");
    for base in [0, 10, 20] {
        let mut statement = handle.statement(id).unwrap();
        statement.bind_i64(1, base).unwrap();
        let row = statement.next_row().unwrap().unwrap();
        assert_eq!(row.cell(0).unwrap(), Cell::Integer(base + 1));
        assert!(statement.is_running());
    }
    assert!(handle.statement(id).unwrap().is_running());
    // It goes on where it was left, too.
    let mut statement = handle.statement(id).unwrap();
    assert_eq!(rest(&mut statement), [[Owned::Integer(22)], [Owned::Integer(23)]]);
    assert!(!statement.is_running());
}

#[test]
fn borrowed_values_are_read_in_place_and_gone_afterwards() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a, b, c)").unwrap();
    let insert = prepare(&mut handle, "INSERT INTO t VALUES (?, ?, ?) RETURNING a, b, c");
    {
        let text = String::from("a\0text");
        let blob = vec![7_u8; 3_000];
        let mut statement = handle.statement(insert).unwrap();
        let rows = statement.with_borrowed(|borrowed| {
            borrowed.bind_text(1, &text).unwrap();
            borrowed.bind_blob(2, &blob).unwrap();
            borrowed.statement().bind_i64(3, 9).unwrap();
            assert_eq!(borrowed.bind_text(4, "x").unwrap_err().code(), Code::RANGE);
            rest(&mut borrowed.statement())
        });
        assert_eq!(rows, [[Owned::Text(text.into_bytes()), Owned::Blob(blob), Owned::Integer(9)]]);
    }
    let mut statement = handle.statement(insert).unwrap();
    assert_eq!(rest(&mut statement), [[Owned::Null, Owned::Null, Owned::Null]]);
    assert_eq!(number(&mut handle, "SELECT count(*) FROM t WHERE length(b) = 3000"), 1);
}

#[test]
fn borrowed_values_are_unbound_by_a_panic_in_the_middle_of_rows() {
    let mut handle = memory();
    let id = prepare(&mut handle, "SELECT ?1 FROM json_each('[1, 2, 3]')");
    let text = String::from("only for now");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        handle.statement(id).unwrap().with_borrowed(|borrowed| {
            borrowed.bind_text(1, &text).unwrap();
            assert!(borrowed.statement().next_row().unwrap().is_some());
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    drop(text);
    let mut statement = handle.statement(id).unwrap();
    assert!(!statement.is_running());
    assert_eq!(rest(&mut statement), vec![[Owned::Null]; 3]);
}
