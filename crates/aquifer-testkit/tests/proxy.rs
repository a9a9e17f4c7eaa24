//! The counting proxy between PostgreSQL's own client and a real server.
#![cfg(all(unix, feature = "postgres"))]

use aquifer_testkit::postgres::{Proxy, Server, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

fn server() -> Server {
    Server::start(Settings::new().tls_required().hba("host all all 127.0.0.1/32 trust")).unwrap()
}

/// `psql` that executes this through the proxy.
fn psql(server: &Server, proxy: &Proxy, tls: &str, statements: &[&str]) -> Child {
    let mut psql = server.program("psql");
    let port = proxy.address().port();
    psql.arg(format!(
        "host=127.0.0.1 port={port} user=aquifer dbname=aquifer sslmode={tls} gssencmode=disable"
    ));
    psql.args(["-X", "-A", "-t"]);
    psql.args(statements.iter().flat_map(|statement| ["-c", statement]));
    psql.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn output(psql: Child) -> String {
    let output = psql.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_message_is_counted_and_passed_on() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    let rows = "SELECT generate_series(1, 3)";
    assert_eq!(output(psql(&server, &proxy, "disable", &[rows, "SELECT 7"])), "1\n2\n3\n7\n");
    let traffic = proxy.take_only();
    assert_eq!(traffic.client_flights()[..3], ["^", "Q", "Q"]);
    assert_eq!(traffic.flights[1].tags(), "Q TDDDCZ");
    assert_eq!(traffic.flights[1].client[0].body, format!("{rows}\0").as_bytes());
    assert_eq!(traffic.flights[1].client_reads, 1);
    assert_eq!(traffic.round_trips(), 3);
    assert_eq!((traffic.count_client(b'Q'), traffic.count_server(b'D')), (2, 4));
    assert!(!traffic.opaque && !traffic.truncated);
}

#[test]
fn what_was_taken_is_not_counted_again() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    for number in 0..2 {
        output(psql(&server, &proxy, "disable", &["SELECT 1"]));
        let traffic = proxy.take().into_iter().filter(|t| t.count_client(b'Q') > 0);
        assert_eq!(traffic.map(|t| t.connection).collect::<Vec<_>>(), [number]);
    }
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn encrypted_traffic_passes_uncounted() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    assert_eq!(output(psql(&server, &proxy, "require", &["SELECT 7"])), "7\n");
    let traffic = proxy.take_only();
    assert!(traffic.opaque);
    assert_eq!(traffic.flights[0].tags(), "! ~");
    assert_eq!(traffic.count_client(b'Q'), 0);
    assert!(
        traffic.flights[1..].iter().all(|flight| flight.client_bytes + flight.server_bytes > 0)
    );
}

#[test]
fn a_cut_connection_ends_on_both_sides() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    let sleeper = psql(&server, &proxy, "disable", &["SELECT pg_sleep(600)"]);
    let count = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'";
    let seen = (0..1000).any(|_| server.psql(count).unwrap() == "1\n");
    assert!(seen, "the statement never ran");
    proxy.cut();
    let output = sleeper.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("server closed the connection"));
}

#[test]
fn answers_that_are_held_come_later() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    proxy.hold_answers();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    client.read(&mut [0]).unwrap_err();
    assert_eq!(proxy.take_only().flights[0].tags(), "! ");
    proxy.release_answers();
    client.set_read_timeout(None).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 1);
}

#[test]
fn a_client_is_cut_off_when_no_server_is_there() {
    let server = server();
    let proxy = Proxy::start(server.address()).unwrap();
    server.stop().unwrap();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(proxy.connections(), 0);
    server.restart().unwrap();
    assert_eq!(output(psql(&server, &proxy, "disable", &["SELECT 7"])), "7\n");
}
