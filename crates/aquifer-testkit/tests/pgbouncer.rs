//! PgBouncer in front of a server, seen with PostgreSQL's own client.
#![cfg(all(unix, feature = "postgres"))]

use aquifer_testkit::pgbouncer::{Options, PgBouncer, PoolMode};
use aquifer_testkit::postgres::{Auth, Error, Server, Settings};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

fn server(auth: Auth) -> Server {
    Server::start(Settings::new().auth(auth)).unwrap()
}

fn psql(server: &Server, url: &str) -> Command {
    let mut psql = server.program("psql");
    psql.args([url, "-X", "-q", "-A", "-t"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    psql
}

/// What one statement gives, or the error.
fn execute(server: &Server, url: &str, sql: &str) -> Result<String, String> {
    let output = psql(server, url).args(["-c", sql]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A client that has executed a statement, and stays connected.
fn idle_client(server: &Server, url: &str) -> Child {
    let mut client = psql(server, url).spawn().unwrap();
    client.stdin.as_mut().unwrap().write_all(b"SELECT 7;\n").unwrap();
    let mut answer = String::new();
    BufReader::new(client.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer, "7\n");
    client
}

fn one_connection(mode: PoolMode) -> Options {
    // Seconds; who waits in vain is told so.
    Options::new(mode).pool_size(1).set("query_wait_timeout", "1")
}

#[test]
fn a_transaction_pool_lends_a_connection_for_a_transaction() {
    let server = server(Auth::Trust);
    let bouncer = PgBouncer::start(&server, one_connection(PoolMode::Transaction)).unwrap();
    let mut idle = idle_client(&server, &bouncer.url());
    assert_eq!(execute(&server, &bouncer.url(), "SELECT 1").unwrap(), "1\n");
    drop(idle.stdin.take());
    idle.wait().unwrap();
}

#[test]
fn a_session_pool_lends_a_connection_for_a_session() {
    let server = server(Auth::Trust);
    let bouncer = PgBouncer::start(&server, one_connection(PoolMode::Session)).unwrap();
    let mut idle = idle_client(&server, &bouncer.url());
    let error = execute(&server, &bouncer.url(), "SELECT 1").unwrap_err();
    assert!(error.contains("query_wait_timeout"), "{error}");
    drop(idle.stdin.take());
    idle.wait().unwrap();
    assert_eq!(execute(&server, &bouncer.url(), "SELECT 1").unwrap(), "1\n");
}

#[test]
fn a_statement_pool_refuses_transactions() {
    let server = server(Auth::Trust);
    let bouncer = PgBouncer::start(&server, PoolMode::Statement).unwrap();
    assert_eq!(execute(&server, &bouncer.url(), "SELECT 1").unwrap(), "1\n");
    assert!(execute(&server, &bouncer.url(), "BEGIN").is_err());
}

#[test]
fn both_sides_ask_for_the_password() {
    for auth in [Auth::Password, Auth::Md5, Auth::Scram] {
        let server = server(auth);
        let bouncer =
            PgBouncer::start(&server, Options::new(PoolMode::Transaction).auth(auth)).unwrap();
        assert_eq!(execute(&server, &bouncer.url(), "SELECT 1").unwrap(), "1\n");
        let wrong = bouncer.url_of("aquifer", "wrong", "aquifer");
        let error = execute(&server, &wrong, "SELECT 1").unwrap_err();
        assert!(error.contains("authentication failed"), "{error}");
        assert!(bouncer.console("SHOW DATABASES").unwrap().contains("pgbouncer|"));
    }
    let refused = Options::new(PoolMode::Session).auth(Auth::Cert);
    assert!(matches!(PgBouncer::start(&server(Auth::Trust), refused), Err(Error::Refused(_))));
}

#[test]
fn every_database_of_the_server_is_there() {
    let server = server(Auth::Trust);
    let bouncer = PgBouncer::start(&server, PoolMode::Transaction).unwrap();
    let database = server.fresh_database().unwrap();
    let url = bouncer.url_of("anyone", "", database.name());
    let found = execute(&server, &url, "SELECT current_database(), current_user").unwrap();
    assert_eq!(found, format!("{}|aquifer\n", database.name()));
}

#[test]
fn what_it_dislikes_is_in_the_error_and_nothing_is_left() {
    let server = server(Auth::Trust);
    let options = Options::new(PoolMode::Session).set("no_such_parameter", "1");
    let error = PgBouncer::start(&server, options).unwrap_err();
    assert!(error.to_string().contains("no_such_parameter"), "{error}");

    let bouncer = PgBouncer::start(&server, PoolMode::Session).unwrap();
    assert!(bouncer.log().contains("process up"));
    let address = bouncer.address();
    TcpStream::connect(address).unwrap();
    drop(bouncer);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
