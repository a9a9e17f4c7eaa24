//! The ways that a statement can take: prepared in one flight, by a cursor, and with its arguments in the text.

mod support;

use std::num::NonZeroU32;

use aquifer_driver::{Batch, Command, ErrorKind, Step, TxOptions, Value, Want};

use support::{SERVER, Session, connect, run};

async fn rounds_of(session: &mut Session, sql: &str, params: &dyn aquifer_driver::Params) -> u64 {
    let before = session.connection.counters().rounds;
    session.query(sql, params).await.unwrap();
    session.connection.counters().rounds - before
}

#[test]
fn a_statement_is_prepared_and_run_in_one_flight() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        assert_eq!(rounds_of(&mut session, "SELECT ? + 1, 'a?'", &(1,)).await, 1);
        assert_eq!(session.connection.counters().prepared, 1);
        // Where the placeholders are is the server's word.
        assert_eq!(rounds_of(&mut session, "SELECT ? /*! + 1 */", &(1,)).await, 2);
        // What is refused is refused once, and the session goes on, in a transaction and outside.
        for begin in [false, true] {
            if begin {
                session.command(Command::Begin(TxOptions::new())).await.unwrap();
            }
            for (sql, kind) in [
                ("SELECT ? FROM", ErrorKind::Syntax),
                ("SELECT missing, ?", ErrorKind::UndefinedObject),
                ("SELECT ?; SELECT 2", ErrorKind::Syntax),
            ] {
                let error = session.query(sql, &(1,)).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(session.scalar("SELECT 7").await.unwrap(), Value::Int(7));
            }
            let error = session.query("SELECT ?", &(1, 2)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentMismatch, "{error}");
        }
        session.command(Command::Rollback).await.unwrap();
        // It cannot be prepared, and has no arguments.
        session.query("PREPARE own FROM 'SELECT 5'", &()).await.unwrap();
        assert_eq!(session.scalar("EXECUTE own").await.unwrap(), Value::Int(5));
    });
}

#[test]
fn pages_are_fetched_one_at_a_time_from_a_cursor() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let sql = "SELECT seq FROM seq_1_to_35 WHERE seq > ?";
        let want = Want::Paged(NonZeroU32::new(10).unwrap());
        for _ in 0..2 {
            let before = session.connection.counters().rounds;
            session.connection.start(Command::Execute { sql, params: &(0,), want }).unwrap();
            let mut pages = Vec::new();
            loop {
                let step = session.step().await.unwrap();
                if !session.batch.is_empty() {
                    pages.push(session.batch.rows().count());
                    // The next page is not asked for before it is wanted.
                    let rounds = session.connection.counters().rounds - before;
                    assert_eq!(rounds, 1 + pages.len() as u64);
                }
                if let Step::End(outcome) = step {
                    assert_eq!(outcome.rows_affected, 35);
                    break;
                }
            }
            assert_eq!(pages, [10, 10, 10, 5]);
        }
        // Given up in the middle; its statement goes, and the next one is not disturbed.
        session.connection.start(Command::Execute { sql, params: &(0,), want }).unwrap();
        session.step().await.unwrap();
        session.connection.abandon();
        session.recover().await.unwrap();
        assert_eq!(session.connection.counters().cached, 0);
        let rows = session.query(sql, &(33,)).await.unwrap();
        assert_eq!(rows, [[Value::Int(34)], [Value::Int(35)]]);
        // No rows, an error on the way, and what no cursor can be had for.
        for (sql, rows) in [("SELECT 1 FROM seq_1_to_9 WHERE seq < 0", 0), ("SHOW DATABASES", 1)] {
            let found = session.command(Command::Execute { sql, params: &(), want }).await.unwrap();
            assert!(found.len() >= rows, "{sql}");
        }
        let sql = "SELECT seq, (SELECT 1 UNION SELECT seq) FROM seq_1_to_9";
        session.command(Command::Execute { sql, params: &(), want }).await.unwrap_err();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn what_a_procedure_gives_out_is_a_result_of_its_own() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session
            .query(
                "CREATE PROCEDURE p (IN a INT, OUT b INT, INOUT c VARCHAR(9)) \
                 BEGIN SELECT a AS first; SET b = a * 2, c = concat(c, '!'); END",
                &(),
            )
            .await
            .unwrap();
        for _ in 0..2 {
            let rows = session.query("CALL p(?, ?, ?)", &(21, None::<i64>, "x")).await.unwrap();
            assert_eq!(rows, [vec![Value::Int(21)], vec![Value::Int(42), "x!".into()]]);
            let names: Vec<_> = session.batch.columns().names().map(str::to_owned).collect();
            assert_eq!(names, ["b", "c"]);
        }
    });
}

#[test]
fn a_procedure_that_fails_behind_a_result_gives_it_and_then_its_error() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "CREATE PROCEDURE fails () BEGIN SELECT 1 AS n UNION SELECT 2; \
                   SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'; SELECT 3; END";
        session.query(sql, &()).await.unwrap();
        for text in [false, true] {
            let sql = "CALL fails()";
            session
                .connection
                .start(match text {
                    true => Command::Script { sql },
                    false => Command::Execute { sql, params: &(), want: Want::All },
                })
                .unwrap();
            let mut rows = 0;
            let error = loop {
                match session.step().await {
                    Ok(step) => {
                        assert!(!matches!(step, Step::End(_)), "it has failed");
                        rows += session.batch.rows().count();
                    }
                    Err(error) => break error,
                }
            };
            assert_eq!((rows, error.code(), error.sqlstate()), (2, Some("1644"), Some("45000")));
            assert_eq!(session.scalar("SELECT 7").await.unwrap(), Value::Int(7));
        }
    });
}

#[test]
fn arguments_in_the_text_give_what_prepared_ones_give() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut prepared = connect(database.url()).await.unwrap();
        let url = format!("{}?interpolateParams=true", database.url());
        let mut written = connect(&url).await.unwrap();
        let values = [
            (Value::Int(i64::MIN), "BIGINT"),
            (Value::UInt(u64::MAX), "BIGINT UNSIGNED"),
            (Value::Float(-1.5e-300), "DOUBLE"),
            (Value::Decimal("-12345678901234567890.123456789".into()), "DECIMAL(60,9)"),
            (Value::Text("it's \\ \"?\" \0\r\n\x1a ä😀".into()), "TEXT"),
            (Value::Bytes((0..=255).collect()), "BLOB"),
            (Value::Json("{\"a\": \"\\\\ '\"}".into()), "JSON"),
            (Value::Date(aquifer_driver::Date(-719_162)), "DATE"),
            (Value::Timestamp(-1), "DATETIME(6)"),
            (Value::TimestampTz(1_795_162_500_000_001), "TIMESTAMP(6) NULL"),
            (Value::Time(-3_020_399_999_999), "TIME(6)"),
            (Value::Uuid([7; 16]), "UUID"),
            (Value::Null, "INT"),
        ];
        for mode in ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"] {
            written.query("SET sql_mode = ?", &(mode,)).await.unwrap();
            for (value, ddl) in &values {
                let ddl = format!("CREATE OR REPLACE TABLE t (n INT, v {ddl})");
                prepared.query(&ddl, &()).await.unwrap();
                let sql = "INSERT INTO t (n, v) VALUES (-?, ?) -- it's ?\n";
                written.query(sql, &vec![Value::Int(-1), value.clone()]).await.unwrap();
                let sql = "SELECT n, v FROM t WHERE n = ? AND v <=> ?";
                let row = [vec![Value::Int(1), value.clone()]];
                assert_eq!(prepared.query(sql, &row[0]).await.unwrap(), row, "{mode}");
                assert_eq!(written.query(sql, &row[0]).await.unwrap(), row, "{mode}");
            }
        }
        let counters = written.connection.counters();
        assert_eq!((counters.prepared, counters.cached), (0, 0));
        assert_eq!(rounds_of(&mut written, "SELECT ?", &("new",)).await, 1);
    });
}

#[test]
fn a_text_into_which_arguments_cannot_be_written_is_an_error_and_never_prepared_instead() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?interpolateParams=true", database.url());
        let mut session = connect(&url).await.unwrap();
        for sql in ["SELECT /*! ? */", "SELECT ?; DO 0", "SELECT '\\' ?", "SELECT \"\\a\", ?"] {
            let error = session.query(sql, &("secret",)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{sql}: {error}");
            assert!(error.nothing_sent());
        }
        assert_eq!(session.connection.counters().prepared, 0);
        let error = session.query("SELECT ? FROM", &("secret",)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        // Several statements in one text stay an error, and a body with semicolons none.
        let error = session.query("DO 1; DO 2", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        session.query("CREATE PROCEDURE p () BEGIN DO 1; DO 2; END", &()).await.unwrap();
        let mut batch = Batch::new();
        batch.push(&"SELECT ?".into(), &(1,), Want::All).unwrap();
        batch.push(&"SELECT ?".into(), &("it's",), Want::All).unwrap();
        let rows = session.command(Command::Batch(batch.into())).await.unwrap();
        assert_eq!(rows, [[Value::Int(1)], ["it's".into()]]);
    });
}
