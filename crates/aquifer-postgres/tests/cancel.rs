//! Stopping: a running command ends at the server, and no later one is ever hit.

mod support;

use std::time::Duration;

use aquifer_driver::{Command, ErrorKind, Status, Step, Value, Want};
use aquifer_testkit::client;
use aquifer_testkit::postgres::{Server, ServerCertificate, Settings};

use support::{Postgres, RUNTIME, SERVER, Session, connect, run, until};

/// How many statements of this session run at the server.
fn running(server: &Server, process: u32) -> String {
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND state = 'active'");
    server.psql(&sql).unwrap()
}

fn start(session: &mut Session, sql: &str) {
    session.connection.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
}

/// Sends what was started, and waits until the server runs it.
async fn until_it_runs(session: &mut Session, server: &Server) {
    let process = session.postgres().process_id();
    let poll = std::future::poll_fn(|cx| {
        assert!(session.connection.poll_next(cx, &mut session.batch).is_pending());
        std::task::Poll::Ready(())
    });
    poll.await;
    until(|| running(server, process) == "1\n").await;
}

/// A command runs, is stopped and ends; the session goes on. By polling on, and as after a dropped future.
async fn stops(session: &mut Session, server: &Server) {
    let process = session.postgres().process_id();
    for dropped in [false, true] {
        start(session, "SELECT pg_sleep(3600)");
        until_it_runs(session, server).await;
        let canceller = session.connection.canceller();
        if dropped {
            assert_eq!(session.connection.abandon(), Status::Busy);
            canceller.cancel().await;
            session.recover().await.unwrap();
        } else {
            canceller.cancel().await;
            let stopped = session.step().await.unwrap_err();
            assert_eq!(stopped.kind(), ErrorKind::Cancelled, "{stopped}");
            assert_eq!(stopped.sqlstate(), Some("57014"));
        }
        assert_eq!(running(server, process), "0\n");
        assert_eq!(session.status(), Status::Idle);
        let same = session.scalar("SELECT pg_backend_pid()").await.unwrap();
        assert_eq!(same, Value::Int(process.into()), "the session goes on");
    }
}

#[test]
fn a_running_statement_is_stopped_over_tcp() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        stops(&mut session, &SERVER).await;
    });
}

#[test]
fn a_running_statement_is_stopped_over_tls() {
    let server = Server::start(Settings::new().tls_required()).unwrap();
    run(async {
        let root = server.ca_path().display().to_string();
        let url = format!("{}?sslmode=verify-full&sslrootcert={root}", server.url());
        let mut session = connect(&url).await.unwrap();
        stops(&mut session, &server).await;
    });
}

#[test]
fn a_running_statement_is_stopped_over_tls_that_was_only_offered() {
    let server = Server::start(Settings::new().tls(ServerCertificate::Good)).unwrap();
    run(async {
        let mut session = connect(&server.url()).await.unwrap();
        stops(&mut session, &server).await;
    });
}

#[test]
fn a_running_statement_is_stopped_over_a_unix_socket() {
    run(async {
        let mut session = connect(&support::socket_url(&SERVER)).await.unwrap();
        stops(&mut session, &SERVER).await;
    });
}

#[test]
fn a_statement_stopped_in_a_transaction_fails_it_and_nothing_else() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        session.query("SELECT 1", &()).await.unwrap();
        start(&mut session, "SELECT pg_sleep(3600)");
        until_it_runs(&mut session, &SERVER).await;
        session.connection.canceller().cancel().await;
        assert_eq!(session.step().await.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(session.status(), Status::FailedTransaction);
        client::rollback(&mut *session.connection).await.unwrap();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_large_result_is_stopped_in_its_rows() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let process = session.postgres().process_id();
        for dropped in [false, true] {
            start(&mut session, "SELECT generate_series(1, 100000000), repeat('x', 1000)");
            assert!(matches!(session.step().await.unwrap(), Step::Rows));
            session.connection.canceller().cancel().await;
            if dropped {
                session.connection.abandon();
                session.recover().await.unwrap();
            } else {
                let stopped = loop {
                    match session.step().await {
                        Ok(step) => assert!(matches!(step, Step::Rows)),
                        Err(error) => break error,
                    }
                };
                assert_eq!(stopped.kind(), ErrorKind::Cancelled);
            }
            assert_eq!(running(&SERVER, process), "0\n");
            assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
        }
    });
}

#[test]
fn a_command_that_is_stopped_before_it_is_sent_is_never_sent() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int)").unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        for transaction in [false, true] {
            if transaction {
                client::begin(&mut *session.connection).await.unwrap();
            }
            start(&mut session, "INSERT INTO t VALUES (1)");
            session.connection.canceller().cancel().await;
            let stopped = session.step().await.unwrap_err();
            assert_eq!((stopped.kind(), stopped.nothing_sent()), (ErrorKind::Cancelled, true));
            let status = if transaction { Status::Transaction } else { Status::Idle };
            assert_eq!(session.status(), status);
        }
        session.query("INSERT INTO t VALUES (2)", &()).await.unwrap();
        assert_eq!(session.status(), Status::Transaction, "the BEGIN was not lost");
        client::commit(&mut *session.connection).await.unwrap();
        assert_eq!(database.psql("SELECT * FROM t").unwrap(), "2\n");
    });
}

#[test]
fn a_command_that_is_stopped_while_it_is_still_being_sent_ends() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        // More than sockets hold: the first poll cannot write it all.
        let large = "x".repeat(24 << 20);
        let sql = "SELECT length($1::text), pg_sleep(3600)";
        let params = (large.as_str(),);
        session
            .connection
            .start(Command::Execute { sql, params: &params, want: Want::All })
            .unwrap();
        std::future::poll_fn(|cx| {
            assert!(session.connection.poll_next(cx, &mut session.batch).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        // Asked before the server has it all: a request that comes too early has no effect there.
        let asked = session.connection.canceller().cancel();
        let (step, ()) = tokio::join!(session.step(), asked);
        assert_eq!(step.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn racing_requests_never_hit_a_later_statement() {
    RUNTIME.block_on(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let process = session.postgres().process_id();
        let mut stopped = 0;
        for n in 0..200_i64 {
            let canceller = session.connection.canceller();
            let asked = tokio::spawn(async move {
                // Spread over the life of the statement, from before it is sent to after its end.
                tokio::time::sleep(Duration::from_micros(n as u64 % 40 * 50)).await;
                canceller.cancel().await;
            });
            match session.query("SELECT $1::int8, pg_sleep(0.001)::text", &(n,)).await {
                Ok(rows) => assert_eq!(rows[0][0], Value::Int(n)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
                    stopped += 1;
                }
            }
            // The next statement starts at once, while the request may still be under way.
            let tagged = session.query("SELECT $1::int8, pg_sleep(0.001)::text", &(-n,)).await;
            match tagged {
                Ok(rows) => assert_eq!(rows[0][0], Value::Int(-n)),
                // Only a request that was made during it may hit it.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
                    stopped += 1;
                }
            }
            asked.await.unwrap();
            // Nothing is asked any more: this one must not be hit.
            let rows = session.query("SELECT $1::int8", &(n,)).await.unwrap();
            assert_eq!(rows, [[Value::Int(n)]]);
        }
        assert!(stopped > 0, "no request has hit anything");
        assert_eq!(session.postgres().process_id(), process);
    });
}
