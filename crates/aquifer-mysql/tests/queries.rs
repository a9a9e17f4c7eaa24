//! Queries, transactions and errors on a real server, over each way in.

mod support;

use aquifer_driver::{Command, ErrorKind, Retry, Status, TxOptions, Value};

use support::{Mysql, SERVER, connect, run, socket_url};

#[test]
fn every_account_gets_in_over_its_own_way() {
    run(async {
        let ca = SERVER.ca_path();
        for url in [
            SERVER.url(),
            format!("{}?tls=false", SERVER.url()),
            format!("{}?tls=true&tlsCa={}", SERVER.url(), ca.display()),
            format!("{}?tls=verify-ca&tlsCa={}", SERVER.url(), ca.display()),
            SERVER.url_of("ed", "signs", "aquifer"),
            format!("{}?tls=false", SERVER.url_of("ed", "signs", "aquifer")),
            SERVER.url_of("safe", "tls", "aquifer"),
            SERVER.url_of("empty", "", "aquifer"),
            SERVER.url_of("empty", "", ""),
            socket_url(&SERVER),
        ] {
            let mut session = connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(session.scalar("SELECT 6 * 7").await.unwrap(), Value::Int(42), "{url}");
            let cipher = session.query("SHOW STATUS LIKE 'Ssl_cipher'", &()).await.unwrap();
            let encrypted = cipher[0][1] != Value::Text(String::new());
            let expected = !url.contains("tls=false") && !url.contains("socket=");
            assert_eq!(encrypted, expected, "{url}");
            assert!(session.mysql().is_mariadb());
            assert!(!session.mysql().server_version().starts_with("5.5.5"));
        }
    });
}

#[test]
fn who_may_not_come_in_is_told_why() {
    run(async {
        for (url, kind) in [
            (SERVER.url_of("aquifer", "wrong", "aquifer"), ErrorKind::Authentication),
            (SERVER.url_of("ed", "wrong", "aquifer"), ErrorKind::Authentication),
            (SERVER.url_of("aquifer", "aquifer", "missing"), ErrorKind::UndefinedObject),
            (
                format!("{}?tls=false", SERVER.url_of("safe", "tls", "aquifer")),
                ErrorKind::Authentication,
            ),
            (format!("{}?tls=verify-ca", SERVER.url()), ErrorKind::Connect),
        ] {
            let error = connect(&url).await.err().unwrap_or_else(|| panic!("{url} gets in"));
            assert_eq!(error.kind(), kind, "{url}: {error}");
            assert_eq!(error.retry(), Retry::Never, "{url}: {error}");
            assert!(error.nothing_sent());
            assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
        }
        let error = connect("mysql://aquifer@127.0.0.1:1/x").await.err().unwrap();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe));
    });
}

#[test]
fn a_known_statement_takes_one_round_and_sends_no_description_again() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let sql = "SELECT ? + 1 AS a, ? AS b";
        for n in 0..3_i64 {
            let rows = session.query(sql, &(n, "text")).await.unwrap();
            assert_eq!(rows, [[Value::Int(n + 1), "text".into()]]);
        }
        let counters = session.connection.counters();
        assert_eq!((counters.prepared, counters.cache_hits, counters.cached), (1, 2, 1));
        let before = counters.rounds;
        session.query(sql, &(1, "x")).await.unwrap();
        assert_eq!(session.connection.counters().rounds, before + 1);
    });
}

#[test]
fn a_statement_that_the_server_forgot_is_prepared_again() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT)", &()).await.unwrap();
        session.query("INSERT INTO t VALUES (?)", &(7,)).await.unwrap();
        let sql = "SELECT * FROM t WHERE n = ?";
        assert_eq!(session.query(sql, &(7,)).await.unwrap(), [[Value::Int(7)]]);
        session.query("ALTER TABLE t ADD COLUMN s VARCHAR(9) DEFAULT 'new'", &()).await.unwrap();
        let rows = session.query(sql, &(7,)).await.unwrap();
        assert_eq!(rows, [[Value::Int(7), "new".into()]]);
    });
}

#[test]
fn values_beyond_one_packet_go_there_and_back() {
    run(async {
        let url = format!("{}?tls=false", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        // The server's own limit is 16 MiB, which the driver has asked for.
        let error = session.query("SELECT ?", &(vec![0_u8; 17 << 20],)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert!(error.nothing_sent());
        session.script("SET GLOBAL max_allowed_packet = 67108864").await.unwrap();
        let mut session = connect(&url).await.unwrap();
        for len in [(16 << 20) - 1, 1 << 24, (1 << 24) + 1, 40 << 20] {
            let blob: Vec<u8> = (0..len).map(|n: usize| (n % 251) as u8).collect();
            for _ in 0..2 {
                let rows = session.query("SELECT ?, 'end'", &(blob.as_slice(),)).await.unwrap();
                assert!(rows[0][0] == Value::Bytes(blob.clone()), "{len}");
                assert_eq!(rows[0][1], "end".into());
            }
        }
        session.script("SET GLOBAL max_allowed_packet = 16777216").await.unwrap();
    });
}

#[test]
fn a_procedure_gives_all_its_results() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session
            .query("CREATE PROCEDURE p (IN n INT) BEGIN SELECT n; SELECT n + 1 AS b, 'x'; END", &())
            .await
            .unwrap();
        for _ in 0..2 {
            let rows = session.query("CALL p(?)", &(5,)).await.unwrap();
            assert_eq!(rows, [vec![Value::Int(5)], vec![Value::Int(6), "x".into()]]);
        }
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_deadlock_ends_the_transaction_and_a_duplicate_does_not() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut one = connect(database.url()).await.unwrap();
        let mut two = connect(database.url()).await.unwrap();
        one.query("CREATE TABLE t (id INT PRIMARY KEY, n INT)", &()).await.unwrap();
        one.query("INSERT INTO t VALUES (1, 0), (2, 0)", &()).await.unwrap();
        one.command(Command::Begin(TxOptions::new())).await.unwrap();
        let error = one.query("INSERT INTO t VALUES (1, 0)", &()).await.unwrap_err();
        assert_eq!((error.kind(), one.status()), (ErrorKind::UniqueViolation, Status::Transaction));
        assert_eq!(error.constraint(), Some("PRIMARY"));
        one.command(Command::Rollback).await.unwrap();
        one.query("ALTER TABLE t ADD CONSTRAINT positive CHECK (n >= 0)", &()).await.unwrap();
        let error = one.query("UPDATE t SET n = ?", &(-1,)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckViolation, "{error}");
        assert_eq!(error.constraint(), Some("positive"));
        one.command(Command::Begin(TxOptions::new())).await.unwrap();
        two.command(Command::Begin(TxOptions::read_committed())).await.unwrap();
        one.query("UPDATE t SET n = 1 WHERE id = 1", &()).await.unwrap();
        two.query("UPDATE t SET n = 1 WHERE id = 2", &()).await.unwrap();
        let (first, second) = tokio::join!(
            one.query("UPDATE t SET n = 2 WHERE id = 2", &()),
            two.query("UPDATE t SET n = 2 WHERE id = 1", &()),
        );
        let (error, victim, other) = match (first, second) {
            (Err(error), Ok(_)) => (error, one.status(), two.status()),
            (Ok(_), Err(error)) => (error, two.status(), one.status()),
            both => panic!("{both:?}"),
        };
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Deadlock, Retry::Transaction));
        assert_eq!((victim, other), (Status::Idle, Status::Transaction));
    });
}

#[test]
fn what_a_borrower_changes_is_noticed_and_undone_by_a_reset() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        assert!(!session.connection.session_changed(), "a fresh session is fresh");
        for sql in ["SELECT 1", "SELECT * FROM mysql.plugin", "SHOW VARIABLES LIKE 'a%'"] {
            session.query(sql, &()).await.unwrap();
            assert!(!session.connection.session_changed(), "{sql}");
        }
        for sql in [
            "SET @mine = 1",
            "SET sort_buffer_size = 65536",
            "SET autocommit = 0",
            "CREATE TEMPORARY TABLE aquifer.tt (n INT)",
            "USE mysql",
            "SELECT GET_LOCK('mine', 1)",
            "SELECT @mine := 2",
        ] {
            session.query(sql, &()).await.unwrap();
            assert!(session.connection.session_changed(), "{sql}");
            session.command(Command::Reset).await.unwrap();
            assert!(!session.connection.session_changed(), "after a reset of {sql}");
            let rows = session
                .query(
                    "SELECT @mine, DATABASE(), @@time_zone, @@autocommit, @@character_set_client",
                    &(),
                )
                .await
                .unwrap();
            let expected =
                [Value::Null, "aquifer".into(), "+00:00".into(), Value::Int(1), "utf8mb4".into()];
            assert_eq!(rows, [expected], "{sql}");
        }
    });
}
