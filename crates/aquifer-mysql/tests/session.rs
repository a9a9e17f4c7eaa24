//! What a session keeps, loses and tells: changes undone, warnings, statements that do not fit, global numbers.

mod support;

use std::sync::{Arc, Mutex};

use aquifer_driver::{
    Access, Batch, Command, Connector, ErrorKind, Retry, RowBatch, ServerNotice, ServerObserver,
    Status, Step, TxOptions, Value, Want,
};
use aquifer_testkit::mysql::{Auth, Server, Settings, User};

use support::{Mysql, SERVER, Session, connect, connector, run};

/// Writes down what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<(String, String, String)>>);

impl Ear {
    fn heard(&self) -> Vec<(String, String, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ServerObserver for Ear {
    fn notice(&self, notice: &ServerNotice<'_>) {
        let heard = (notice.severity, notice.code.unwrap_or_default(), notice.message);
        let heard = (heard.0.to_owned(), heard.1.to_owned(), heard.2.to_owned());
        self.0.lock().unwrap().push(heard);
    }
}

async fn observed(url: &str) -> (Session, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let connector: Arc<dyn Connector> = Arc::new(connector(url));
    let hears: Arc<dyn ServerObserver> = Arc::<Ear>::clone(&ear);
    let connection = connector.connect_observed(Access::ReadWrite, hears).await.unwrap();
    (Session { connection, batch: RowBatch::new() }, ear)
}

fn server(settings: Settings) -> Server {
    Server::start(settings).unwrap_or_else(|error| panic!("no server: {error}"))
}

#[test]
fn known_changes_are_undone_one_by_one_and_the_statements_stay() {
    run(async {
        let url = format!("{}?sql_mode=ANSI", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        session.query("SET lock_wait_timeout = 11", &()).await.unwrap();
        session.connection.adopt_session();
        let fresh = "SELECT @@sql_mode, @@sort_buffer_size, @@time_zone, @@character_set_client, \
                     DATABASE(), @@autocommit, @@lock_wait_timeout, @@foreign_key_checks";
        let before = session.query(fresh, &()).await.unwrap();
        for sql in [
            "SET sort_buffer_size = 65536, sql_mode = ''",
            "SET time_zone = '+02:00'",
            "SET NAMES utf8mb3",
            "USE mysql",
            "SET SESSION autocommit = 0",
            "SET foreign_key_checks = OFF",
        ] {
            session.query(sql, &()).await.unwrap();
            assert!(session.connection.session_changed(), "{sql}");
            let kept = session.connection.counters();
            session.command(Command::Reset).await.unwrap();
            let counters = session.connection.counters();
            assert_eq!((counters.cached, counters.rounds), (kept.cached, kept.rounds + 1), "{sql}");
            assert!(!session.connection.session_changed(), "{sql}");
            assert_eq!(session.query(fresh, &()).await.unwrap(), before, "{sql}");
            let prepared = session.connection.counters().prepared;
            assert_eq!(prepared, kept.prepared, "{sql}: nothing was prepared again");
        }
        // What was adopted is restored by doing it again, and what nobody knows by forgetting everything.
        for sql in ["SET lock_wait_timeout = 5", "SET @a = 1", "SET SESSION TRANSACTION READ ONLY"]
        {
            session.query(sql, &()).await.unwrap();
            session.command(Command::Reset).await.unwrap();
            assert_eq!(session.connection.counters().cached, 0, "{sql}");
            assert_eq!(session.query(fresh, &()).await.unwrap(), before, "{sql}");
        }
    });
}

#[test]
fn a_statement_that_failed_may_have_changed_the_session() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "CREATE PROCEDURE p () BEGIN SET @mine = 1; SELECT * FROM missing; END";
        session.query(sql, &()).await.unwrap();
        session.query("CALL p()", &()).await.unwrap_err();
        assert!(session.connection.session_changed());
        session.command(Command::Reset).await.unwrap();
        assert_eq!(session.scalar("SELECT @mine").await.unwrap(), Value::Null);
        session.query("SELECT * FROM missing", &()).await.unwrap_err();
        assert!(!session.connection.session_changed(), "a query that failed has changed nothing");
    });
}

#[test]
fn a_session_begun_without_a_database_cannot_go_back_to_none() {
    run(async {
        let mut session = connect(&SERVER.url_of("aquifer", "aquifer", "")).await.unwrap();
        session.query("USE mysql", &()).await.unwrap();
        assert!(session.connection.session_changed());
        let error = session.command(Command::Reset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    });
}

/// MariaDB keeps a role through a reset, and does not tell of a temporary table that is made from a query.
#[test]
fn a_role_and_a_temporary_table_end_with_their_borrower() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TEMPORARY TABLE mine AS SELECT 1 AS n", &()).await.unwrap();
        assert!(session.connection.session_changed());
        session.command(Command::Reset).await.unwrap();
        let gone = session.query("SELECT n FROM mine", &()).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::UndefinedObject, "{gone}");
        session.query("CREATE ROLE IF NOT EXISTS borrowed", &()).await.unwrap();
        session.query("CREATE PROCEDURE takes() SET ROLE borrowed", &()).await.unwrap();
        let role = "SELECT CURRENT_ROLE()";
        for text in [
            "SET ROLE borrowed",
            "SET ROLE borrowed; SELECT * FROM missing",
            "CALL takes()",
            "EXECUTE IMMEDIATE CONCAT('SET ', 'ROLE borrowed')",
        ] {
            let _refused = session.script(text).await;
            assert_eq!(session.scalar(role).await.unwrap(), Value::Text("borrowed".into()));
            assert!(session.connection.session_changed(), "{text}");
            let before = session.connection.counters();
            session.command(Command::Reset).await.unwrap();
            let rounds = session.connection.counters().rounds - before.rounds;
            assert_eq!(rounds, 1, "{text}");
            assert!(!session.connection.session_changed(), "{text}");
            assert_eq!(session.scalar(role).await.unwrap(), Value::Null, "{text}");
        }
        // One that was adopted is the session's.
        session.query("SET ROLE borrowed", &()).await.unwrap();
        session.connection.adopt_session();
        session.query("SET @mine = 1", &()).await.unwrap();
        session.command(Command::Reset).await.unwrap();
        assert_eq!(session.scalar(role).await.unwrap(), Value::Text("borrowed".into()));
    });
}

#[test]
fn an_account_s_own_role_is_the_session_s_again() {
    run(async {
        let user = User::new("plain", Auth::Native).password("plain").without_privileges();
        let server = server(Settings::new().user(user));
        for sql in [
            "CREATE ROLE `its``own`",
            "CREATE ROLE other",
            "GRANT `its``own` TO plain@'%'",
            "GRANT other TO plain@'%'",
            "GRANT SELECT ON aquifer.* TO `its``own`",
            "SET DEFAULT ROLE `its``own` FOR plain@'%'",
        ] {
            server.sql(sql).unwrap();
        }
        let mut session = connect(&server.url_of("plain", "plain", "aquifer")).await.unwrap();
        for text in ["SET ROLE other", "SET ROLE NONE", "SET @a = 1"] {
            session.query(text, &()).await.unwrap();
            session.command(Command::Reset).await.unwrap();
            let role = session.scalar("SELECT CURRENT_ROLE()").await.unwrap();
            assert_eq!(role, Value::Text("its`own".into()), "{text}");
        }
    });
}

#[test]
fn warnings_are_heard_with_the_answer_that_they_belong_to() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let (mut session, ear) = observed(database.url()).await;
        assert!(ear.heard().is_empty());
        session.query("DROP TABLE IF EXISTS missing", &()).await.unwrap();
        let heard = ear.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!((heard[0].0.as_str(), heard[0].1.as_str()), ("Note", "1051"));
        assert!(heard[0].2.contains("missing"));
        // Rows come before, whole; the warnings of a script are those of its last statement.
        for _ in 0..2 {
            let rows = session.query("SELECT 1 / ?, 'a' UNION SELECT 2, 'b'", &(0,)).await.unwrap();
            assert_eq!(rows.len(), 2);
            assert_eq!(ear.heard()[0].1, "1365");
            let first = Command::Execute {
                sql: "SELECT 1 / 0",
                params: &(),
                want: aquifer_driver::Want::First,
            };
            assert_eq!(session.command(first).await.unwrap(), [[Value::Null]]);
            assert_eq!(ear.heard()[0].1, "1365");
        }
        session.script("SELECT 1; SELECT 1 / 0").await.unwrap();
        assert_eq!(ear.heard().len(), 1);
        let rounds = session.connection.counters().rounds;
        session.script("SELECT 1").await.unwrap();
        session.script("SELECT 1").await.unwrap();
        assert!(ear.heard().is_empty());
        assert_eq!(session.connection.counters().rounds, rounds + 2, "nothing is asked in vain");
        // Nobody hears: nobody asks.
        let mut deaf = connect(database.url()).await.unwrap();
        deaf.query("SELECT 1 / 0", &()).await.unwrap();
        let rounds = deaf.connection.counters().rounds;
        deaf.query("SELECT 1 / 0", &()).await.unwrap();
        assert_eq!(deaf.connection.counters().rounds, rounds + 1);
    });
}

#[test]
fn a_rollback_that_could_not_undo_everything_is_an_error() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE kept (n INT) ENGINE = MyISAM", &()).await.unwrap();
        session.query("CREATE TABLE undone (n INT) ENGINE = InnoDB", &()).await.unwrap();
        for by_text in [false, true] {
            session.command(Command::Begin(TxOptions::new())).await.unwrap();
            session.query("INSERT INTO undone VALUES (1)", &()).await.unwrap();
            session.query("INSERT INTO kept VALUES (1)", &()).await.unwrap();
            let ended = if by_text {
                session.query("ROLLBACK", &()).await
            } else {
                session.command(Command::Rollback).await
            };
            let error = ended.unwrap_err();
            assert_eq!((error.code(), error.retry()), (Some("1196"), Retry::Never), "{error}");
            assert_eq!(session.status(), Status::Idle);
        }
        assert_eq!(session.scalar("SELECT count(*) FROM undone").await.unwrap(), Value::Int(0));
        assert_eq!(session.scalar("SELECT count(*) FROM kept").await.unwrap(), Value::Int(2));
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        session.query("INSERT INTO undone VALUES (1)", &()).await.unwrap();
        session.command(Command::Rollback).await.unwrap();
        // In a script, wherever it stands, and whatever is warned of besides.
        for (script, refused) in [
            ("BEGIN; INSERT INTO kept VALUES (1); ROLLBACK", true),
            ("BEGIN; INSERT INTO kept VALUES (1); ROLLBACK; SELECT 'rollback'; DO 1", true),
            ("BEGIN; INSERT INTO undone VALUES (1); ROLLBACK; SELECT 1 / 0", false),
            ("BEGIN; INSERT INTO kept VALUES (1); COMMIT; SELECT 'rollback'", false),
            ("BEGIN; INSERT INTO kept VALUES (1); DROP TABLE IF EXISTS none; ROLLBACK", false),
            ("SAVEPOINT s; DROP TABLE IF EXISTS none; /* ; */ rollback; DO 1", false),
            ("BEGIN; SAVEPOINT s; INSERT INTO kept VALUES (1); ROLLBACK TO s; COMMIT", true),
        ] {
            let ended = session.script(script).await;
            assert_eq!(
                ended.as_ref().err().and_then(|error| error.code()),
                refused.then_some("1196"),
                "{script}"
            );
            assert_eq!(session.status(), Status::Idle, "{script}");
        }
        // In a batch, the statements behind it are run all the same.
        for texts in [
            &["BEGIN", "INSERT INTO kept VALUES (2)", "ROLLBACK", "SELECT 1"] as &[&str],
            &["BEGIN", "INSERT INTO kept VALUES (2)", "ROLLBACK"],
        ] {
            let mut batch = Batch::new();
            for text in texts {
                batch.push(&Arc::from(*text), &(), Want::All).unwrap();
            }
            session.connection.start(Command::Batch(batch.into())).unwrap();
            let mut failed = Vec::new();
            let mut at = 0;
            loop {
                match session.step().await.unwrap() {
                    Step::Failed(error) => {
                        failed.push((at, error.code().map(str::to_owned)));
                        at += 1;
                    }
                    Step::EndOfSet(_) => at += 1,
                    Step::End(_) => break,
                    _ => {}
                }
            }
            assert_eq!(failed, [(2, Some("1196".to_owned()))], "{texts:?}");
        }
    });
}

#[test]
fn a_rollback_that_nobody_waits_for_is_told_to_the_observer_if_it_could_not_undo_everything() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let (mut session, ear) = observed(database.url()).await;
        session.query("CREATE TABLE kept (n INT) ENGINE = MyISAM", &()).await.unwrap();
        for (engine, heard) in [("kept", true), ("undone", false)] {
            session.query("CREATE TABLE IF NOT EXISTS undone (n INT)", &()).await.unwrap();
            ear.heard();
            session.command(Command::Begin(TxOptions::new())).await.unwrap();
            session.query(&format!("INSERT INTO {engine} VALUES (1)"), &()).await.unwrap();
            // Whoever had it is gone.
            session.connection.abandon();
            session.recover().await.unwrap();
            assert_eq!(session.status(), Status::Idle);
            let told: Vec<_> = ear.heard().into_iter().map(|(_, code, _)| code).collect();
            assert_eq!(told.contains(&"1196".to_owned()), heard, "{told:?}");
        }
        // Which statement it was is not certain behind a procedure: that is no error.
        session.query("CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END", &()).await.unwrap();
        ear.heard();
        session
            .script("BEGIN; CALL two(); INSERT INTO kept VALUES (1); ROLLBACK; DO 1")
            .await
            .unwrap();
        assert!(ear.heard().iter().any(|(_, code, _)| code == "1196"));
    });
}

#[test]
fn where_the_server_takes_no_more_statements_ours_give_way_and_then_texts_are_run_unprepared() {
    let server = server(Settings::new().option("max-prepared-stmt-count=6"));
    run(async {
        let mut session = connect(&server.url()).await.unwrap();
        for n in 0..20_i64 {
            let sql = format!("SELECT {n} + ?");
            assert_eq!(session.query(&sql, &(n,)).await.unwrap(), [[Value::Int(2 * n)]]);
        }
        let counters = session.connection.counters();
        assert!(counters.evicted > 0 && counters.cached <= 6, "{counters:?}");
        session.connection.close().await.unwrap();
        // All of the server's statements are somebody else's.
        let mut holder = connect(&server.url()).await.unwrap();
        for n in 0..6 {
            // Those of the session that was closed go a little later.
            let sql = format!("PREPARE s{n} FROM 'DO {n}'");
            while holder.script(&sql).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        let mut other = connect(&server.url()).await.unwrap();
        assert_eq!(other.query("SELECT 42", &()).await.unwrap(), [[Value::Int(42)]]);
        let error = other.query("SELECT ?", &(1,)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Resources, Some("1461")), "{error}");
        assert!(error.nothing_sent());
        assert_eq!(other.scalar("SELECT 1").await.unwrap(), Value::Int(1));
        // Several are refused where they can be prepared, and so here as well; nor is it tried what is not certain.
        for sql in ["SELECT 1; SET GLOBAL max_connections = 50", "SELECT /*! 1; DO */ 1"] {
            let error = other.query(sql, &()).await.unwrap_err();
            assert_eq!(error.code(), Some("1461"), "{error}");
        }
        assert_ne!(other.scalar("SELECT @@max_connections").await.unwrap(), Value::Int(50));
    });
}

#[test]
fn the_server_s_limits_are_told_by_a_query() {
    let user = User::new("few", Auth::Native).password("few");
    let settings =
        Settings::new().user(user).option("max-connections=17").option("wait-timeout=99");
    let server = server(settings);
    run(async {
        server.sql("ALTER USER few@'%' WITH MAX_USER_CONNECTIONS 3").unwrap();
        let mine = format!("{}?wait_timeout=7", server.url());
        for (url, limit, idle) in
            [(server.url(), 17, 99), (server.url_of("few", "few", "aquifer"), 3, 99), (mine, 17, 7)]
        {
            let mut session = connect(&url).await.unwrap();
            let sql = session.connection.limit_query().unwrap();
            let told = session.script(&sql).await.unwrap();
            assert_eq!(told, [[Value::Int(limit), Value::Int(idle)]], "{url}");
        }
    });
}

#[test]
fn a_zone_that_is_meant_is_compared_with_the_session_s_by_the_server() {
    let server = server(Settings::new().option("default-time-zone=+01:00"));
    // No zone has a name here, and its own is one of the machine.
    run(async {
        for (query, agrees) in [
            ("", true),
            ("loc=UTC", true),
            ("loc=%2B01:00&time_zone=%2B01:00", true),
            ("loc=Europe/Berlin", false),
            ("loc=UTC&time_zone=SYSTEM", system_is_utc(&server)),
            ("loc=%2B00:30&time_zone=SYSTEM", false),
        ] {
            let opened = connect(&format!("{}?{query}", server.url())).await;
            assert_eq!(opened.is_ok(), agrees, "{query}");
            if let Err(error) = opened {
                assert_eq!((error.kind(), error.retry()), (ErrorKind::Configuration, Retry::Never));
                assert!(error.message().contains("`loc`") && error.hint().is_some(), "{error}");
            }
        }
        // With names it is the rules that count.
        server
            .sql(
                "INSERT INTO mysql.time_zone VALUES (1, 'N'), (2, 'N'); \
                 INSERT INTO mysql.time_zone_name VALUES ('Here', 1), ('There', 1), ('Elsewhere', 2); \
                 INSERT INTO mysql.time_zone_transition_type VALUES \
                 (1, 0, 3600, 0, 'A'), (2, 0, 3600, 0, 'B'), (2, 1, 7200, 1, 'C'); \
                 INSERT INTO mysql.time_zone_transition VALUES (2, 1617238800, 1), (2, 1635642000, 0)",
            )
            .unwrap();
        for (query, agrees) in [
            ("loc=Here&time_zone=There", true),
            ("loc=Here&time_zone=%2B01:00", true),
            ("loc=Here&time_zone=Elsewhere", false),
            ("loc=Elsewhere&time_zone=%2B01:00", false),
            ("loc=Nowhere&time_zone=Here", false),
        ] {
            let opened = connect(&format!("{}?{query}", server.url())).await;
            assert_eq!(opened.is_ok(), agrees, "{query}");
        }
    });
}

fn system_is_utc(server: &Server) -> bool {
    let told = server.sql("SELECT CONVERT_TZ('2021-07-15 12:00:00', 'SYSTEM', '+00:00')").unwrap();
    let winter =
        server.sql("SELECT CONVERT_TZ('2021-01-15 12:00:00', 'SYSTEM', '+00:00')").unwrap();
    told.contains("07-15 12:00:00") && winter.contains("01-15 12:00:00")
}

#[test]
fn a_server_that_only_reads_loses_the_connection_where_that_is_asked_for() {
    let user = User::new("writer", Auth::Native).password("w").without_privileges();
    let server = server(Settings::new().user(user));
    server.sql("CREATE TABLE t (n INT); GRANT SELECT, INSERT ON aquifer.* TO writer@'%'").unwrap();
    server.sql("SET GLOBAL read_only = ON").unwrap();
    run(async {
        let url = server.url_of("writer", "w", "aquifer");
        let mut session = connect(&url).await.unwrap();
        let error = session.query("INSERT INTO t VALUES (1)", &()).await.unwrap_err();
        assert_eq!((error.kind(), session.status()), (ErrorKind::ReadOnly, Status::Idle));

        let url = format!("{url}?rejectReadOnly=true");
        let mut session = connect(&url).await.unwrap();
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(0));
        let error = session.query("INSERT INTO t VALUES (?)", &(1,)).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Safe));
        assert!(error.nothing_sent() && error.code() == Some("1290"), "{error}");
        assert_eq!(session.status(), Status::Broken);

        let mut session = connect(&url).await.unwrap();
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        session.scalar("SELECT count(*) FROM t").await.unwrap();
        let error = session.query("INSERT INTO t VALUES (1)", &()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ReadOnly, Retry::Transaction));
        assert_eq!(session.status(), Status::Broken);

        let mut session = connect(&url).await.unwrap();
        session.command(Command::Begin(TxOptions::new().read_only())).await.unwrap();
        let error = session.query("INSERT INTO t VALUES (1)", &()).await.unwrap_err();
        assert_eq!((error.kind(), session.status()), (ErrorKind::ReadOnly, Status::Transaction));
    });
}

#[test]
fn the_last_write_s_global_number_is_on_its_connection() {
    let server = server(Settings::new().option("log-bin=log").option("server-id=7"));
    run(async {
        let mut session = connect(&server.url()).await.unwrap();
        session.query("SELECT 1", &()).await.unwrap();
        assert_eq!(session.mysql().last_gtid(), None);
        session.query("CREATE TABLE t (n INT)", &()).await.unwrap();
        let created = session.mysql().last_gtid().map(str::to_owned);
        session.query("INSERT INTO t VALUES (?)", &(1,)).await.unwrap();
        let first = session.mysql().last_gtid().map(str::to_owned);
        assert!(first.is_some() && first != created, "{created:?}, {first:?}");
        assert!(!session.connection.session_changed(), "a write is no change of the session");
        session.command(Command::Begin(TxOptions::new())).await.unwrap();
        session.query("INSERT INTO t VALUES (2)", &()).await.unwrap();
        assert_eq!(session.mysql().last_gtid().map(str::to_owned), first);
        session.command(Command::Commit).await.unwrap();
        let second = session.mysql().last_gtid().map(str::to_owned).unwrap();
        assert_ne!(Some(&second), first.as_ref());
        let told = session.scalar("SELECT @@last_gtid").await.unwrap();
        assert_eq!(told, Value::from(second.as_str()));
        session.query("SELECT * FROM t", &()).await.unwrap();
        assert_eq!(session.mysql().last_gtid(), Some(second.as_str()));
    });
}

#[test]
fn a_statement_that_could_not_be_prepared_runs_no_other_in_its_place() {
    let server = server(Settings::new().option("max-prepared-stmt-count=6"));
    run(async {
        let mut session = connect(&server.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT)", &()).await.unwrap();
        session.query("INSERT INTO t VALUES (?)", &(1,)).await.unwrap();
        // All that is left.
        let mut holder = connect(&server.url()).await.unwrap();
        for n in 0..4 {
            holder.script(&format!("PREPARE s{n} FROM 'DO {n}'")).await.unwrap();
        }
        session.query("SELECT ? + 1", &(2,)).await.unwrap();
        assert!(session.connection.counters().evicted > 0, "the limit was reached");
        let rows = session.script("SELECT n FROM t").await.unwrap();
        assert_eq!(rows, [[Value::Int(1)]]);
    });
}
