//! What parameters make of calls: files that may be loaded, texts of several statements, times, names of columns.

mod support;

use std::path::Path;

use aquifer_driver::{Batch, Command, ErrorKind, Status, Step, Value, Want};
use tokio::net::TcpListener;

use support::peer::Peer;
use support::{Mysql as _, SERVER, connect, run};

/// A file of the tests' own, by its path.
fn file(name: &str, contents: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, contents).unwrap();
    path.display().to_string()
}

#[test]
fn a_file_is_loaded_if_it_is_allowed_and_no_other() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let rows: String = (0..20_000).map(|n| format!("{n}\trow {n}\n")).collect();
        let (one, other) = (file("one.tsv", &rows), file("other.tsv", "1\ta\n"));
        let empty = file("empty.tsv", "");
        let load = |path: &str| format!("LOAD DATA LOCAL INFILE '{path}' INTO TABLE t");
        let url = format!("{}?allowFiles={one},{empty},/missing.tsv", database.url());
        let mut session = connect(&url).await.unwrap();
        session.query("CREATE TABLE t (n INT, s VARCHAR(20))", &()).await.unwrap();
        session.query(&load(&one), &()).await.unwrap();
        session.script(&format!("DO 0; {}; {}", load(&one), load(&empty))).await.unwrap();
        let count = || "SELECT count(*) FROM t";
        assert_eq!(session.scalar(count()).await.unwrap(), Value::Int(40_000));
        // Not allowed; there is none; a directory. The session goes on.
        let directory = env!("CARGO_TARGET_TMPDIR");
        for (path, kind) in [
            (other.as_str(), ErrorKind::Unsupported),
            ("/missing.tsv", ErrorKind::Argument),
            (directory, ErrorKind::Unsupported),
        ] {
            let error = session.query(&load(path), &()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{path}: {error}");
            assert_eq!(session.status(), Status::Idle);
        }
        assert_eq!(session.scalar(count()).await.unwrap(), Value::Int(40_000));
        // All that statements name.
        let mut session = connect(&format!("{}?allowAllFiles=true", database.url())).await.unwrap();
        session.query(&load(&other), &()).await.unwrap();
        assert_eq!(session.scalar(count()).await.unwrap(), Value::Int(40_001));
        for path in ["/missing.tsv", directory] {
            let error = session.query(&load(path), &()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{path}: {error}");
            assert_eq!(session.scalar(count()).await.unwrap(), Value::Int(40_001));
        }
        // What is offered goes before what is allowed.
        let sql = load(&other);
        let done = session.mysql().load_data(&sql, &other, &b"1\n2\n"[..]).await.unwrap();
        assert_eq!(done.rows_affected, 2);
    });
}

#[test]
fn a_hostile_server_gets_no_file_even_if_all_are_allowed() {
    run(async {
        let secret = file("secret.txt", "hush");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = secret.clone();
        let server = tokio::spawn(async move {
            let mut peer = Peer::greet(&listener, "mysql_native_password", false).await;
            peer.read().await;
            peer.let_in().await;
            for _ in 0..4 {
                peer.read().await;
                peer.write(&[b"\xfb", asked.as_bytes()].concat()).await;
                assert!(peer.read().await.is_empty(), "it got something");
                peer.write(&[0, 0, 0, 2, 0, 0, 0]).await;
            }
            peer.gone().await;
        });
        let url =
            format!("mysql://a@127.0.0.1:{port}/?tls=false&allowAllFiles=true&allowFiles={secret}");
        let mut session = connect(&url).await.unwrap();
        for sql in [
            "SELECT 1",
            "LOAD DATA LOCAL INFILE '/other' INTO TABLE t",
            "LOAD DATA INFILE '/other' INTO TABLE t",
            &format!("SELECT '{secret}'"),
        ] {
            let error = session.script(sql).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error}");
            assert_eq!(session.status(), Status::Idle);
        }
        drop(session);
        server.await.unwrap();
    });
}

#[test]
fn several_statements_go_in_one_text_if_they_may() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY)", &()).await.unwrap();
        let error = session.query("DO 1; DO 2", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        let url = format!("{}?multiStatements=true", database.url());
        let mut session = connect(&url).await.unwrap();
        let sql =
            "INSERT INTO t VALUES (1), (2); SELECT n FROM t; UPDATE t SET n = n + 10 WHERE n = 1";
        session.connection.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
        let (mut affected, mut rows) = (Vec::new(), Vec::new());
        loop {
            let step = session.step().await.unwrap();
            rows.extend(session.batch.rows().map(|row| row.get::<i64>(0).unwrap()));
            match step {
                Step::EndOfSet(outcome) => affected.push(outcome.rows_affected),
                Step::End(outcome) => {
                    affected.push(outcome.rows_affected);
                    break;
                }
                _ => {}
            }
        }
        assert_eq!((affected, rows), (vec![2, 2, 1], vec![1, 2]));
        // What was done before an error stays done, and the session goes on.
        let sql = "INSERT INTO t VALUES (3); INSERT INTO t VALUES (3); INSERT INTO t VALUES (4)";
        let error = session.query(sql, &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(3));
        // Arguments, only where they are written into the text.
        let error = session.query("DO ?; SELECT ?", &(1, 2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentMismatch, "{error}");
        let mut written = connect(&format!("{url}&interpolateParams=true")).await.unwrap();
        let rows = written.query("SELECT ?; SELECT ?", &("a;b", 2)).await.unwrap();
        assert_eq!(rows, [[Value::from("a;b")], [Value::Int(2)]]);
        // One statement is prepared as ever.
        session.query("SELECT ?;", &(1,)).await.unwrap();
        assert_eq!(session.connection.counters().cached, 2);
    });
}

#[test]
fn times_are_cut_and_columns_have_their_tables_names() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?timeTruncate=1s&columnsWithAlias=true", database.url());
        for url in [url.clone(), format!("{url}&interpolateParams=true")] {
            let mut session = connect(&url).await.unwrap();
            let table = "CREATE OR REPLACE TABLE t (a DATETIME(6))";
            session.query(table, &()).await.unwrap();
            let row = [Value::Timestamp(1_999_999), Value::TimestampTz(-1)];
            session.query("INSERT INTO t (a) VALUES (?)", &row[..1].to_vec()).await.unwrap();
            let sql = "SELECT a, ? AS b, x.a AS c FROM t x";
            let rows = session.query(sql, &row[1..].to_vec()).await.unwrap();
            let cut = Value::Timestamp(1_000_000);
            assert_eq!((&rows[0][0], &rows[0][2]), (&cut, &cut));
            let names: Vec<_> = session.batch.columns().names().map(str::to_owned).collect();
            assert_eq!(names, ["x.a", "b", "x.c"]);
            let before = session.query("SELECT CAST(? AS CHAR)", &row[1..].to_vec()).await.unwrap();
            let Value::Text(text) = &before[0][0] else { panic!("{before:?}") };
            assert!(text.starts_with("1969-12-31 23:59:59"), "{text}");
            assert!(!text.contains("999"), "{text}");
        }
    });
}

/// Arguments are quoted before the first of several statements runs.
#[test]
fn arguments_are_not_written_beside_a_statement_that_names_the_sql_mode() {
    run(async {
        let options = "multiStatements=true&interpolateParams=true&sql_mode=NO_BACKSLASH_ESCAPES";
        let mut session = connect(&format!("{}?{options}", SERVER.url())).await.unwrap();
        let sets = "SET @@`SQL_Mode` = ''";
        let asks = "SELECT 1 FROM DUAL WHERE 'x' = ?";
        let hard = "\\' OR 1 = 1 -- ";
        let batch = |texts: &[&str]| {
            let mut batch = Batch::new();
            for text in texts {
                let text: std::sync::Arc<str> = (*text).into();
                let params: Vec<Value> =
                    text.contains('?').then(|| Value::Text(hard.into())).into_iter().collect();
                batch.push(&text, &params, Want::All).unwrap();
            }
            Command::Batch(batch.into())
        };
        for command in [
            batch(&[sets, asks]),
            batch(&[asks, asks, sets]),
            Command::Execute { sql: &format!("{sets}; {asks}"), params: &(hard,), want: Want::All },
        ] {
            let error = session.connection.start(command).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
            assert!(error.nothing_sent() && error.to_string().contains("sql_mode"), "{error}");
        }
        let mode = session.scalar("SELECT @@sql_mode").await.unwrap();
        assert_eq!(mode, Value::Text("NO_BACKSLASH_ESCAPES".into()), "nothing was sent");
        // Alone it is set, and what follows is quoted by it; without arguments nothing can be quoted wrongly.
        session.command(batch(&[sets, "DO 1"])).await.unwrap();
        assert!(session.query(asks, &(hard,)).await.unwrap().is_empty());
        assert_eq!(session.scalar("SELECT @@sql_mode").await.unwrap(), Value::Text("".into()));
    });
}
