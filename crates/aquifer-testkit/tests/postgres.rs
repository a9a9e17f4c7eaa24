//! The servers that the testkit starts, seen with PostgreSQL's own client.
#![cfg(all(unix, feature = "postgres"))]

use aquifer_testkit::postgres::{Auth, Error, Role, Server, ServerCertificate, Settings};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn start(settings: Settings) -> Server {
    Server::start(settings).unwrap_or_else(|error| panic!("{error}: {:?}", error))
}

/// What a client says who runs `SELECT current_user` with these connection parameters.
fn login(server: &Server, parameters: &str) -> Result<String, String> {
    let mut psql = server.program("psql");
    psql.args(["-X", "-w", "-A", "-t", "-c", "SELECT current_user", "-d"]);
    psql.arg(format!("host=127.0.0.1 port={} dbname=aquifer {parameters}", server.port()));
    let output = psql.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn refused(server: &Server, parameters: &str, because: &str) {
    let error = login(server, parameters).unwrap_err();
    assert!(error.contains(because), "{error}");
}

fn alive(pid: u32) -> bool {
    Command::new("sh")
        .args(["-c", "kill -0 $0 2>/dev/null", &pid.to_string()])
        .status()
        .unwrap()
        .success()
}

/// Waits for what must become true; a test fails that waits in vain.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_answers_over_tcp_and_over_its_socket() {
    let server = start(Settings::new());
    assert_eq!(login(&server, "user=aquifer").unwrap(), "aquifer");
    let socket = format!("user=aquifer host={}", server.socket_dir().display());
    assert_eq!(login(&server, &socket).unwrap(), "aquifer");
    assert_eq!(server.psql("SHOW fsync; SHOW server_encoding").unwrap(), "off\nUTF8\n");
    let mut psql = server.program("psql");
    let output = psql.args([&server.url(), "-X", "-A", "-t", "-c", "SELECT 1"]).output().unwrap();
    assert_eq!(output.stdout, b"1\n", "{output:?}");
}

#[test]
fn every_way_to_log_in_lets_in_whom_it_should() {
    let role = |name: &str, auth| Role::new(name, auth).password("right");
    let server = start(
        Settings::new()
            .auth(Auth::Reject)
            .role(Role::new("trusted", Auth::Trust))
            .role(role("clear", Auth::Password))
            .role(role("hashed", Auth::Md5))
            .role(role("scrammed", Auth::Scram).superuser()),
    );
    assert_eq!(login(&server, "user=trusted").unwrap(), "trusted");
    for name in ["clear", "hashed", "scrammed"] {
        assert_eq!(login(&server, &format!("user={name} password=right")).unwrap(), name);
        refused(&server, &format!("user={name} password=wrong"), "password authentication failed");
        let socket = format!("user={name} password=wrong host={}", server.socket_dir().display());
        refused(&server, &socket, "password authentication failed");
    }
    refused(&server, "user=aquifer password=aquifer", "pg_hba.conf rejects connection");
    let stored = "SELECT rolname, left(rolpassword, 3), rolsuper FROM pg_authid
                  WHERE rolname IN ('hashed', 'scrammed') ORDER BY 1";
    assert_eq!(server.psql(stored).unwrap(), "hashed|md5|f\nscrammed|SCR|t\n");
}

#[test]
fn the_first_role_logs_in_as_the_settings_say() {
    for (auth, stored) in [(Auth::Md5, "md5"), (Auth::Scram, "SCR"), (Auth::Password, "SCR")] {
        let server = start(Settings::new().auth(auth));
        assert_eq!(login(&server, "user=aquifer password=aquifer").unwrap(), "aquifer");
        refused(&server, "user=aquifer password=other", "password authentication failed");
        let query = "SELECT left(rolpassword, 3) FROM pg_authid WHERE rolname = 'aquifer'";
        assert_eq!(server.psql(query).unwrap().trim(), stored);
    }
}

#[test]
fn tls_is_verified_against_the_tests_own_authority() {
    let server = start(Settings::new().tls_required());
    let verified =
        format!("user=aquifer sslmode=verify-full sslrootcert={}", server.ca_path().display());
    assert_eq!(login(&server, &verified).unwrap(), "aquifer");
    assert_eq!(login(&server, &format!("{verified} host=localhost")).unwrap(), "aquifer");
    refused(&server, "user=aquifer sslmode=disable", "no encryption");
    assert_eq!(server.psql("SHOW ssl").unwrap(), "on\n");
}

#[test]
fn a_bad_certificate_is_bad_in_the_way_that_was_asked_for() {
    for (certificate, because) in [
        (ServerCertificate::WrongHost, "does not match host name"),
        (ServerCertificate::Expired, "certificate verify failed"),
        (ServerCertificate::UnknownAuthority, "certificate verify failed"),
    ] {
        let server = start(Settings::new().tls(certificate));
        let root = server.ca_path();
        let root = root.display();
        refused(&server, &format!("user=aquifer sslmode=verify-full sslrootcert={root}"), because);
        assert_eq!(login(&server, "user=aquifer sslmode=require").unwrap(), "aquifer");
    }
}

#[test]
fn a_channel_is_bound_with_the_hash_of_the_certificate() {
    for certificate in [ServerCertificate::Good, ServerCertificate::Sha384] {
        let server = start(Settings::new().auth(Auth::Scram).tls(certificate));
        let bound = "user=aquifer password=aquifer sslmode=require channel_binding=require";
        assert_eq!(login(&server, bound).unwrap(), "aquifer");
    }
    let server = start(Settings::new().auth(Auth::Scram).tls(ServerCertificate::Ed25519));
    refused(&server, "user=aquifer password=aquifer sslmode=require", "digest");
}

#[test]
fn a_client_certificate_is_asked_for_and_accepted() {
    let server = start(Settings::new().auth(Auth::Cert).tls(ServerCertificate::Good));
    let (certificate, key) = (server.client_certificate_path(), server.client_key_path());
    let shown =
        format!("sslmode=require sslcert={} sslkey={}", certificate.display(), key.display());
    assert_eq!(login(&server, &format!("user=aquifer {shown}")).unwrap(), "aquifer");
    refused(&server, &format!("user=testkit {shown}"), "certificate authentication failed");
    refused(&server, "user=aquifer sslmode=require", "requires a valid client certificate");
}

#[test]
fn what_the_server_dislikes_is_in_the_error() {
    let error = Server::start(Settings::new().set("no_such_parameter", "1")).unwrap_err();
    assert!(matches!(&error, Error::NotReady { log, .. } if log.contains("no_such_parameter")));
    let server = start(Settings::new());
    let error = server.psql("SELECT 1; SELECT nothing").unwrap_err();
    assert!(error.to_string().contains("column \"nothing\" does not exist"), "{error}");
}

#[test]
fn a_port_that_stays_taken_is_an_error_and_never_somebody_elses_server() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Server::start(Settings::new().set("port", port.to_string())).unwrap_err();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let server = start(Settings::new());
    let (pid, directory, port) =
        (server.pid().unwrap(), server.socket_dir().to_owned(), server.port());
    assert!(directory.exists() && alive(pid));
    drop(server);
    assert!(!directory.exists());
    assert!(!alive(pid));
    let error = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_test_that_panics_leaves_nothing_behind() {
    let server = start(Settings::new());
    let directory = server.socket_dir().to_owned();
    let panicked = std::thread::spawn(move || {
        let _server = server;
        panic!("as a test does");
    });
    assert!(panicked.join().is_err());
    assert!(!directory.exists());
}

#[test]
fn a_server_ends_when_the_process_that_started_it_is_killed() {
    const CHILD: &str = "AQUIFER_TESTKIT_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        // The process to be killed: this test once more, in a process of its own.
        let server = start(Settings::new());
        if std::env::var_os(CHILD).is_some_and(|how| how == "paused") {
            server.pause();
        }
        println!("\nserver {} {}", server.pid().unwrap(), server.socket_dir().display());
        std::thread::sleep(Duration::from_secs(600));
    }
    for how in ["running", "paused"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_server_ends_when_the_process_that_started_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, how)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.starts_with("server ")).unwrap();
        let mut words = line.split(' ').skip(1);
        let pid = words.next().unwrap().parse().unwrap();
        let directory = Path::new(words.next().unwrap());
        assert!(alive(pid) && directory.exists());
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        eventually("the server ends", || !alive(pid));
        eventually("its directory goes", || !directory.exists());
    }
}

#[test]
fn a_restarted_server_has_the_same_port_and_data() {
    let server = start(Settings::new());
    server.psql("CREATE TABLE t AS SELECT 7 AS n").unwrap();
    let (port, pid) = (server.port(), server.pid());
    server.restart().unwrap();
    assert_ne!(server.pid(), pid);
    assert_eq!(server.port(), port);
    assert_eq!(server.psql("SELECT n FROM t").unwrap(), "7\n");
    server.stop().unwrap();
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().unwrap();
    assert_eq!(server.psql("SELECT n FROM t").unwrap(), "7\n");
}

#[test]
fn a_killed_server_closes_its_connections_and_recovers() {
    let server = start(Settings::new());
    server.psql("CREATE TABLE t AS SELECT 7 AS n; CHECKPOINT").unwrap();
    let mut connection = TcpStream::connect(server.address()).unwrap();
    ask_for_tls(&mut connection);
    assert_eq!(connection.read(&mut [0]).unwrap(), 1);
    let segment = shared_memory(&server);
    server.kill9().unwrap();
    assert!(matches!(connection.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(server.pid(), None);
    assert!(!segments().contains(&segment), "segment {segment} is left");
    server.restart().unwrap();
    assert!(server.log().contains("was not properly shut down"));
    assert_eq!(server.psql("SELECT n FROM t").unwrap(), "7\n");
}

/// The System V segment of a server.
fn shared_memory(server: &Server) -> String {
    let text = std::fs::read_to_string(server.socket_dir().join("data/postmaster.pid")).unwrap();
    text.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().to_owned()
}

/// The ids of all of them.
fn segments() -> Vec<String> {
    let output = Command::new("ipcs").arg("-m").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| Some(line.split_whitespace().nth(1)?.to_owned())).collect()
}

fn ask_for_tls(connection: &mut TcpStream) {
    connection.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).unwrap();
}

#[test]
fn a_paused_server_accepts_and_is_silent_until_it_goes_on() {
    let server = start(Settings::new());
    server.pause();
    let mut connection = TcpStream::connect(server.address()).unwrap();
    ask_for_tls(&mut connection);
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = connection.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    server.resume();
    connection.set_read_timeout(None).unwrap();
    let mut answer = [0];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"N");
}

#[test]
fn a_standby_refuses_writes_until_it_is_promoted() {
    let server = start(Settings::new().standby());
    assert_eq!(server.psql("SHOW in_hot_standby").unwrap(), "on\n");
    let error = server.psql("CREATE TABLE t ()").unwrap_err();
    assert!(error.to_string().contains("read-only"), "{error}");
    assert_eq!(server.psql("SELECT pg_promote()").unwrap(), "t\n");
    server.psql("CREATE TABLE t ()").unwrap();
    let roles = Settings::new().standby().role(Role::new("r", Auth::Trust));
    assert!(matches!(Server::start(roles), Err(Error::Refused(_))));
}

#[test]
fn statements_are_those_of_clients_with_the_way_they_came() {
    let server = start(Settings::new().log_statements());
    server.psql("SELECT 'of the testkit'").unwrap();
    login(&server, "user=aquifer").unwrap();
    assert_eq!(server.statements(), ["statement: SELECT current_user"]);
}

#[test]
fn a_database_is_removed_with_its_connections() {
    let server = start(Settings::new());
    let names = || server.psql("SELECT datname FROM pg_database WHERE datname ~ '^test_'").unwrap();
    let (one, two) = (server.fresh_database().unwrap(), server.fresh_database().unwrap());
    one.psql("CREATE TABLE t ()").unwrap();
    two.psql("CREATE TABLE t ()").unwrap();
    let mut psql = server.program("psql");
    let mut open = psql
        .args([one.url(), "-X", "-q"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", one.name());
    eventually("somebody is connected", || server.psql(&count).unwrap() == "1\n");
    drop(one);
    assert_eq!(names(), format!("{}\n", two.name()));
    drop(two);
    assert_eq!(names(), "");
    drop(open.stdin.take());
    open.wait().unwrap();
}

#[test]
fn databases_are_made_at_once_by_many_threads() {
    let server = start(Settings::new());
    let names: std::collections::HashSet<String> = std::thread::scope(|scope| {
        let make = || {
            let database = server.fresh_database().unwrap();
            assert_eq!(database.psql("SELECT current_database()").unwrap().trim(), database.name());
            database.name().to_owned()
        };
        let making: Vec<_> = (0..6).map(|_| scope.spawn(make)).collect();
        making.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(names.len(), 6);
}

#[test]
fn servers_started_at_once_do_not_meet() {
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..6).map(|_| scope.spawn(|| start(Settings::new()))).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (index, server) in servers.iter().enumerate() {
        server.psql(&format!("CREATE TABLE t{index} ()")).unwrap();
    }
    for (index, server) in servers.iter().enumerate() {
        let tables =
            server.psql("SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$'").unwrap();
        assert_eq!(tables, format!("t{index}\n"));
    }
}
