//! What docs/mysql.md says of MariaDB in its table of differences.

mod support;

use aquifer_driver::{Command, ErrorKind, Step, Value, Want};

use support::{SERVER, connect, run};

#[test]
fn the_server_does_what_the_table_of_differences_says() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        for (sql, is) in [
            ("SELECT 'a' = 'A'", Value::Int(1)),
            ("SELECT 'a' = 'A' COLLATE utf8mb4_bin", Value::Int(0)),
            ("SELECT 'a' LIKE 'A'", Value::Int(1)),
            ("SELECT \"x\"", "x".into()),
            ("SELECT 1 || 0", Value::Int(1)),
            ("SELECT 5 / 2", Value::Decimal("2.5000".into())),
            ("SELECT @@tx_isolation", "REPEATABLE-READ".into()),
        ] {
            assert_eq!(session.scalar(sql).await.unwrap(), is, "{sql}");
        }
        for sql in [
            "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, n TINYINT CHECK (n > 0), d DATETIME, \
             j JSON, ok BOOLEAN)",
            "INSERT INTO t (n, d, j) VALUES (7, '2026-11-21 06:30:00.7', '{ \"b\": 1,  \"a\": 2 }')",
        ] {
            session.query(sql, &()).await.unwrap();
        }
        // Rounded or cut off is the server's setting; either way the fraction is gone.
        let rows = session.query("SELECT microsecond(d), j, ok FROM t", &()).await.unwrap();
        let kept = Value::Json("{ \"b\": 1,  \"a\": 2 }".into());
        assert_eq!(rows, [vec![Value::Int(0), kept, Value::Null]]);
        let sql = "INSERT INTO t (n) VALUES (1), (2), (3)";
        session.connection.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
        let Step::End(outcome) = session.step().await.unwrap() else { panic!("no rows") };
        assert_eq!((outcome.rows_affected, outcome.last_insert_id), (3, Some(2)), "the first");
        let rows = session.query("INSERT INTO t (n) VALUES (4), (5) RETURNING id", &()).await;
        assert_eq!(rows.unwrap(), [[Value::Int(5)], [Value::Int(6)]]);
        let error = session.query("INSERT INTO t (n) VALUES (0)", &()).await.unwrap_err();
        assert_eq!((error.kind(), error.constraint()), (ErrorKind::CheckViolation, Some("t.n")));
        let error = session.query("INSERT INTO t (n) VALUES (?)", &(300,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        let error = session.query("INSERT INTO t (id) VALUES (1)", &()).await.unwrap_err();
        assert_eq!(error.constraint(), Some("PRIMARY"));
    });
}
