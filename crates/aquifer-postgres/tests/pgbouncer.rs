//! Behind a real PgBouncer in transaction mode: what it can do runs, and for the rest it is shown what happens.

mod support;

use std::sync::Arc;

use aquifer_driver::{
    Access, Batch, Command, Connector, ErrorKind, Status, TxOptions, Value, Want,
};
use aquifer_postgres::Listener;
use aquifer_testkit::client;
use aquifer_testkit::pgbouncer::{Options, PgBouncer, PoolMode};
use aquifer_testkit::postgres::{Server, Settings};

use support::{Session, connect, connector, run, until};

fn pooled(connections: u32) -> (Server, PgBouncer) {
    let server = Server::start(Settings::new()).unwrap();
    let options = Options::new(PoolMode::Transaction).pool_size(connections);
    let bouncer = PgBouncer::start(&server, options).unwrap();
    (server, bouncer)
}

fn described(bouncer: &PgBouncer) -> String {
    format!("{}?default_query_exec_mode=cache_describe", bouncer.url())
}

async fn transaction(session: &mut Session, task: i64, n: i64) {
    client::begin(&mut *session.connection).await.unwrap();
    let insert = "INSERT INTO t VALUES ($1::int8, $2::int8)";
    session.query(insert, &(task, n)).await.unwrap();
    let both = session.query("SELECT pg_backend_pid() = $1::int", &(1,)).await.unwrap();
    assert_eq!(both.len(), 1);
    session.query(insert, &(task, n + 1000)).await.unwrap();
    if n % 3 == 0 {
        client::rollback(&mut *session.connection).await.unwrap();
    } else {
        client::commit(&mut *session.connection).await.unwrap();
    }
}

#[test]
fn without_named_statements_many_tasks_share_few_connections() {
    const TASKS: i64 = 8;
    const ROUNDS: i64 = 30;
    let (server, bouncer) = pooled(2);
    server.psql("CREATE TABLE t (task int8, n int8)").unwrap();
    let local = tokio::task::LocalSet::new();
    run(local.run_until(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let url = described(&bouncer);
                tokio::task::spawn_local(async move {
                    let mut session = connect(&url).await.unwrap();
                    for n in 0..ROUNDS {
                        let sql = format!("SELECT $1::int8 * {}, $2::text", task + 2);
                        let rows = session.query(&sql, &(n, "a")).await.unwrap();
                        assert_eq!(rows, [[Value::Int(n * (task + 2)), "a".into()]]);
                        transaction(&mut session, task, n).await;
                        let mut batch = Batch::new();
                        for k in 0..10_i64 {
                            let sql = format!("SELECT $1::int8 + {}", (k + task) % 3);
                            batch.push(&sql.into(), &(k,), Want::All).unwrap();
                        }
                        let sets = client::batch(&mut *session.connection, batch).await.unwrap();
                        for (k, set) in sets.into_iter().enumerate() {
                            let k = k as i64;
                            let sum = Value::Int(k + (k + task) % 3);
                            assert_eq!(set.unwrap().scalar(), Some(&sum));
                        }
                        let failed = session.query("SELECT 1 / $1::int8", &(0_i64,)).await;
                        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Data);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    let committed = (0..ROUNDS).filter(|n| n % 3 != 0).count() * 2 * TASKS as usize;
    let rows = server.psql("SELECT count(*) FROM t").unwrap();
    assert_eq!(rows, format!("{committed}\n"));
    let used = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'aquifer'";
    assert_eq!(server.psql(used).unwrap(), "2\n");
    let kept = server.psql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'");
    assert_eq!(kept.unwrap(), "0\n");
}

/// Keeps the connection of the server's that was used last, so that another client gets another one.
async fn hold(bouncer: &PgBouncer) -> Session {
    let mut holder = connect(&described(bouncer)).await.unwrap();
    client::begin(&mut *holder.connection).await.unwrap();
    holder.query("SELECT 1", &()).await.unwrap();
    holder
}

#[test]
fn a_named_statement_heals_where_the_pooler_has_changed_the_connection() {
    let (_server, bouncer) = pooled(3);
    run(async {
        let mut session = connect(&bouncer.url()).await.unwrap();
        let sql = "SELECT $1::int8 + 1";
        session.query(sql, &(1,)).await.unwrap();
        let mut holder = hold(&bouncer).await;
        // Outside a transaction it is prepared again on the new connection, and nobody notices.
        let counted = session.connection.counters().prepared;
        assert_eq!(session.query(sql, &(1,)).await.unwrap(), [[Value::Int(2)]]);
        assert_eq!(session.connection.counters().prepared, counted + 1);
        // Inside one it fails once, says that the statement is unknown, and is forgotten.
        let mut second = hold(&bouncer).await;
        client::begin(&mut *session.connection).await.unwrap();
        let unknown = session.query(sql, &(1,)).await.unwrap_err();
        assert_eq!(unknown.sqlstate(), Some("26000"), "{unknown}");
        assert_eq!(session.status(), Status::FailedTransaction);
        client::rollback(&mut *session.connection).await.unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        assert_eq!(session.query(sql, &(1,)).await.unwrap(), [[Value::Int(2)]]);
        client::commit(&mut *session.connection).await.unwrap();
        for held in [&mut holder, &mut second] {
            client::rollback(&mut *held.connection).await.unwrap();
        }
    });
}

#[test]
fn what_belongs_to_a_session_is_refused_outside_transactions_and_nothing_is_sent() {
    let (server, bouncer) = pooled(1);
    server.psql("CREATE TABLE kept (id int)").unwrap();
    run(async {
        for url in [described(&bouncer), format!("{}?pooler=transaction", bouncer.url())] {
            let mut session = connect(&url).await.unwrap();
            for sql in [
                "SET work_mem = '1234kB'",
                "RESET work_mem",
                "LISTEN channel",
                "UNLISTEN *",
                "CREATE TEMP TABLE t (id int)",
                "SELECT 1 AS id INTO TEMP t",
                "SELECT pg_advisory_lock(1)",
                "SELECT set_config('work_mem', '1234kB', false)",
                "PREPARE p AS SELECT 1",
                "DISCARD ALL",
            ] {
                for script in [false, true] {
                    let counted = session.connection.counters().rounds;
                    let refused = match script {
                        true => session.script(sql).await,
                        false => session.query(sql, &()).await,
                    };
                    let refused = refused.expect_err(sql);
                    assert_eq!(refused.kind(), ErrorKind::Unsupported, "{sql}: {refused}");
                    assert!(refused.nothing_sent() && refused.hint().is_some(), "{refused:?}");
                    assert_eq!(session.connection.counters().rounds, counted, "{sql}");
                    assert_eq!(session.status(), Status::Idle);
                }
            }
            assert!(!session.connection.session_changed());
            // A batch is refused as a whole.
            let mut batch = Batch::new();
            for sql in ["INSERT INTO kept VALUES (1)", "LISTEN channel"] {
                batch.push(&sql.into(), &(), Want::All).unwrap();
            }
            let refused = client::batch(&mut *session.connection, batch).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
            let mut listener = Listener::connect(&url).await.unwrap();
            let refused = listener.listen("channel").await.unwrap_err();
            assert!(refused.message().contains("LISTEN"), "{refused}");
            assert_eq!(session.scalar("SELECT count(*) FROM kept").await.unwrap(), Value::Int(0));
        }
    });
}

#[test]
fn what_belongs_to_a_transaction_is_kept_for_it() {
    let (_server, bouncer) = pooled(1);
    run(async {
        let mut session = connect(&described(&bouncer)).await.unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        session.query("SET LOCAL work_mem = '2345kB'", &()).await.unwrap();
        session.query("CREATE TEMP TABLE t (id int) ON COMMIT DROP", &()).await.unwrap();
        session.query("SELECT pg_advisory_xact_lock(1)", &()).await.unwrap();
        assert_eq!(session.scalar("SHOW work_mem").await.unwrap(), Value::from("2345kB"));
        client::commit(&mut *session.connection).await.unwrap();
        assert_ne!(session.scalar("SHOW work_mem").await.unwrap(), Value::from("2345kB"));
        session.script("BEGIN; SET LOCAL work_mem = '2345kB'; COMMIT").await.unwrap();
    });
}

#[test]
fn undeclared_settings_and_listening_stay_with_the_connection_behind_the_pooler() {
    let (_server, bouncer) = pooled(2);
    run(async {
        let url = format!("{}&pooler=none", described(&bouncer));
        let mut session = connect(&url).await.unwrap();
        session.query("SET work_mem = '1234kB'", &()).await.unwrap();
        session.query("LISTEN channel", &()).await.unwrap();
        assert!(session.connection.session_changed(), "a pool knows that it is to be reset");
        let listens = "SELECT count(*) FROM pg_listening_channels()";
        let mut holder = hold(&bouncer).await;
        let shown = session.scalar("SHOW work_mem").await.unwrap();
        assert_ne!(shown, Value::from("1234kB"), "this is another connection");
        assert_eq!(session.scalar(listens).await.unwrap(), Value::Int(0));
        client::rollback(&mut *holder.connection).await.unwrap();
    });
}

#[test]
fn a_setting_in_the_connection_string_is_refused_by_name() {
    let (_server, bouncer) = pooled(1);
    run(async {
        let url = format!("{}&work_mem=1MB", described(&bouncer));
        let refused = connect(&url).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Connect, "{refused:?}");
        assert!(refused.to_string().contains("work_mem"), "{refused}");
    });
}

#[test]
fn a_transaction_has_its_options_behind_the_pooler_too() {
    let (_server, bouncer) = pooled(1);
    run(async {
        let mut session = connect(&described(&bouncer)).await.unwrap();
        let options = TxOptions::serializable().read_only();
        client::command(&mut *session.connection, Command::Begin(options)).await.unwrap();
        let level = session.scalar("SHOW transaction_isolation").await.unwrap();
        assert_eq!(level, Value::from("serializable"));
        let refused = session.query("CREATE TABLE never (id int)", &()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
        assert_eq!(
            client::commit(&mut *session.connection).await.unwrap_err().kind(),
            ErrorKind::TxFailed
        );
    });
}

#[test]
fn a_stop_reaches_the_server_through_the_pooler_and_ends_the_session() {
    let (server, bouncer) = pooled(1);
    run(async {
        let mut session = connect(&described(&bouncer)).await.unwrap();
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let canceller = session.connection.canceller();
        let stopped = async {
            until(|| server.psql(sleeps).unwrap() == "1\n").await;
            canceller.cancel().await;
        };
        let (ended, ()) = tokio::join!(session.query("SELECT pg_sleep(3600)", &()), stopped);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(server.psql(sleeps).unwrap(), "0\n");
        // Another request of the pooler's may hit whoever has that connection by then.
        assert_eq!(session.status(), Status::Broken);
        let mut next = connect(&described(&bouncer)).await.unwrap();
        assert_eq!(next.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_pooler_of_statements_says_that_it_has_no_transactions() {
    let server = Server::start(Settings::new()).unwrap();
    let bouncer = PgBouncer::start(&server, PoolMode::Statement).unwrap();
    run(async {
        let mut session = connect(&described(&bouncer)).await.unwrap();
        let rows = session.query("SELECT $1::int8", &(1,)).await.unwrap();
        assert_eq!(rows, [[Value::Int(1)]]);
        client::begin(&mut *session.connection).await.unwrap();
        let refused = session.query("SELECT 1", &()).await.unwrap_err();
        assert!(refused.to_string().contains("transaction"), "{refused:?}");
    });
}

#[test]
fn a_session_for_reading_is_one_whether_the_pooler_refuses_or_ignores_the_setting() {
    let server = Server::start(Settings::new()).unwrap();
    for ignored in [false, true] {
        let mut options = Options::new(PoolMode::Session).pool_size(2);
        if ignored {
            options = options.set("ignore_startup_parameters", "default_transaction_read_only");
        }
        let bouncer = PgBouncer::start(&server, options).unwrap();
        run(async {
            let connector: Arc<dyn Connector> = Arc::new(connector(&bouncer.url()));
            let connection = connector.connect(Access::ReadOnly).await.unwrap();
            let mut session = Session { connection, batch: Default::default() };
            assert!(session.connection.multiplex().is_some());
            for _ in 0..2 {
                let refused = session.script("CREATE TABLE never (id int)").await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ReadOnly);
                session.command(Command::Reset).await.unwrap();
            }
        });
    }
}
