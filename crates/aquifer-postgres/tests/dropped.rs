//! Futures dropped at every poll: the connection recovers or says that it is broken, and is never wrong.
//!
//! The server's answers come in pieces of a few bytes, so that there are many polls to be dropped at.

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Batch, Command, Status, Step, TxOptions, Value, Want};
use aquifer_testkit::postgres::Server;
use aquifer_testkit::{Ended, drop_at_every_poll};

use support::{Postgres, SERVER, Session, connect, run, until};

/// Passes bytes on, those of the server in small pieces. Its threads end with their connections.
fn trickle(upstream: SocketAddr, piece_bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(upstream).unwrap();
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let (from_client, to_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(from_client, to_server, usize::MAX));
            std::thread::spawn(move || pass(server, client, piece_bytes));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, piece_bytes: usize) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        for piece in buffer[..read].chunks(piece_bytes.min(4096)) {
            if piece_bytes < 4096 {
                // Long enough for the reader to find this piece alone.
                std::thread::sleep(Duration::from_micros(150));
            }
            if to.write_all(piece).is_err() {
                return;
            }
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

const PIECE_BYTES: usize = 9;

fn url(database: &aquifer_testkit::postgres::Database, address: SocketAddr) -> String {
    format!(
        "postgres://aquifer:aquifer@{address}/{}?sslmode=disable&statement_cache_capacity=3",
        database.name()
    )
}

/// Starts a command and reads it to its end.
async fn go(session: &mut Session, command: Command<'_>) {
    session.connection.start(command).unwrap();
    while let Ok(step) = session.step().await {
        if matches!(step, Step::End(_)) {
            break;
        }
    }
}

/// After a drop: the session recovers, is idle and right, and the server keeps no more than the books say.
async fn recovers(session: &mut Session, probe: i64) {
    session.connection.abandon();
    session.recover().await.unwrap();
    assert_eq!(session.status(), Status::Idle);
    let rows = session.query("SELECT $1::int8, 'right'", &(probe,)).await.unwrap();
    assert_eq!(rows, [[Value::Int(probe), Value::from("right")]]);
    let rows = session.script("SELECT count(*) FROM pg_prepared_statements").await.unwrap();
    let cached = session.connection.counters().cached;
    assert_eq!(rows[0][0], Value::Int(cached as i64), "statements at the server");
    assert!(cached <= 3);
}

/// Runs `operation` on one session, dropped at each of its polls, with `prepare` before each run.
async fn dropped_everywhere(
    prepare: impl AsyncFn(&mut Session),
    operation: impl AsyncFn(&mut Session),
    rows_allowed: &[&str],
) {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int)").unwrap();
    let address = trickle(SERVER.address(), PIECE_BYTES);
    let mut session = connect(&url(&database, address)).await.unwrap();
    let process = session.postgres().process_id();
    let mut probe = 0;
    prepare(&mut session).await;
    let drops = drop_at_every_poll(
        400,
        &mut session,
        async |session| operation(session).await,
        async |session, ended| {
            probe += 1;
            recovers(session, probe).await;
            let rows = database.psql("SELECT count(*) FROM t").unwrap();
            assert!(rows_allowed.contains(&rows.trim()), "{rows} rows after {ended:?}");
            database.psql("TRUNCATE t").unwrap();
            prepare(session).await;
        },
    )
    .await;
    assert!(drops > 1, "dropped only {drops} times");
    session.connection.abandon();
    session.recover().await.unwrap();
    let open =
        format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND state <> 'idle'");
    until(|| database.psql(&open).unwrap() == "0\n").await;
}

async fn nothing(_: &mut Session) {}

fn execute<'a>(sql: &'a str, params: &'a dyn aquifer_driver::Params) -> Command<'a> {
    Command::Execute { sql, params, want: Want::All }
}

const INSERT: &str = "INSERT INTO t VALUES ($1) RETURNING id, repeat('x', 60)";

#[test]
fn a_first_use_dropped_anywhere() {
    run(dropped_everywhere(
        async |session| {
            session.script("DEALLOCATE ALL").await.unwrap();
        },
        async |session| go(session, execute(INSERT, &(1,))).await,
        &["0", "1"],
    ));
}

#[test]
fn a_cached_use_dropped_anywhere() {
    run(dropped_everywhere(
        async |session| {
            go(session, Command::Prepare { sql: INSERT }).await;
        },
        async |session| go(session, execute(INSERT, &(1,))).await,
        &["0", "1"],
    ));
}

#[test]
fn a_prepare_dropped_anywhere() {
    run(dropped_everywhere(
        async |session| {
            session.script("DEALLOCATE ALL").await.unwrap();
        },
        async |session| go(session, Command::Prepare { sql: INSERT }).await,
        &["0"],
    ));
}

#[test]
fn a_failing_statement_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| go(session, execute("SELECT 1 / $1::int", &(0,))).await,
        &["0"],
    ));
}

fn batch() -> Arc<Batch> {
    let mut batch = Batch::new();
    for (n, sql) in [INSERT, "SELECT $1::int8", INSERT, "SELECT 1 / $1::int8", "SELECT $1::text"]
        .into_iter()
        .enumerate()
    {
        let n = if sql.contains('/') { 0 } else { n as i64 };
        let params: (i64,) = (n,);
        match sql.contains("text") {
            true => batch.push(&sql.into(), &("a",), Want::All).unwrap(),
            false => batch.push(&sql.into(), &params, Want::All).unwrap(),
        };
    }
    Arc::new(batch)
}

#[test]
fn a_batch_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| go(session, Command::Batch(batch())).await,
        &["0", "1", "2"],
    ));
}

#[test]
fn a_script_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| {
            let sql =
                "INSERT INTO t VALUES (1); SELECT 1, repeat('x', 50); INSERT INTO t VALUES (2)";
            go(session, Command::Script { sql }).await;
        },
        &["0", "2"],
    ));
}

/// All of a transaction, so that each of its awaits is dropped once.
async fn transaction(session: &mut Session, end: Command<'_>) {
    go(session, Command::Begin(TxOptions::new())).await;
    go(session, execute(INSERT, &(1,))).await;
    go(session, execute("SELECT 1", &())).await;
    go(session, execute(INSERT, &(2,))).await;
    go(session, end).await;
}

#[test]
fn a_transaction_that_commits_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| transaction(session, Command::Commit).await,
        &["0", "2"],
    ));
}

#[test]
fn a_transaction_that_rolls_back_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| transaction(session, Command::Rollback).await,
        &["0"],
    ));
}

#[test]
fn a_reset_and_a_ping_dropped_anywhere() {
    run(dropped_everywhere(
        nothing,
        async |session| {
            go(session, Command::Ping).await;
            go(session, execute("SET work_mem = '1MB'", &())).await;
            go(session, Command::Reset).await;
        },
        &["0"],
    ));
}

/// The sessions that the server has in this database.
fn sessions(server: &Server, name: &str) -> String {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    server.psql(&sql).unwrap()
}

#[test]
fn a_connect_dropped_anywhere_leaves_no_session_behind() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let address = trickle(SERVER.address(), 60);
        let url = format!("{}&application_name=dropped", url(&database, address));
        let drops = drop_at_every_poll(
            400,
            &mut (),
            async |()| connect(&url).await.unwrap(),
            async |(), ended| {
                if let Ended::Done(session) = ended {
                    session.connection.close().await.unwrap();
                }
                until(|| sessions(&SERVER, database.name()) == "0\n").await;
            },
        )
        .await;
        assert!(drops > 1, "dropped only {drops} times");
    });
}

#[test]
fn a_close_dropped_anywhere_ends_the_session() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let address = trickle(SERVER.address(), 200);
        let url = url(&database, address);
        for polls in 0..3 {
            let session = connect(&url).await.unwrap();
            let closing = session.connection.close();
            let _ = aquifer_testkit::at_most(polls, closing).await;
            until(|| sessions(&SERVER, database.name()) == "0\n").await;
        }
    });
}
