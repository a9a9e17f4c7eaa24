//! The servers that the testkit starts, seen with MariaDB's own client.
#![cfg(all(unix, feature = "mysql"))]

use aquifer_testkit::mysql::{Auth, Server, ServerCertificate, Settings, User};
use std::process::Stdio;

fn login(server: &Server, arguments: &[&str]) -> Result<String, String> {
    let mut client = server.program("mariadb");
    client.args(["--no-defaults", "-h", "127.0.0.1", "-N", "-B", "-e", "SELECT CURRENT_USER()"]);
    client.args(["-P", &server.port().to_string()]).args(arguments);
    let output = client.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn accounts_get_in_as_they_should_and_the_server_comes_back() {
    let settings = Settings::new()
        .tls(ServerCertificate::Good)
        .performance_schema()
        .user(User::new("ed", Auth::Ed25519).password("sig"))
        .user(User::new("safe", Auth::Native).password("tls").require_tls());
    let server = Server::start(settings).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(login(&server, &["-uaquifer", "-paquifer"]).unwrap(), "aquifer@%");
    assert_eq!(login(&server, &["-ued", "-psig"]).unwrap(), "ed@%");
    let ca = format!("--ssl-ca={}", server.ca_path().display());
    assert_eq!(login(&server, &["-usafe", "-ptls", &ca]).unwrap(), "safe@%");
    assert!(login(&server, &["-usafe", "-ptls", "--skip-ssl"]).unwrap_err().contains("1045"));
    assert!(login(&server, &["-ued", "-pno"]).unwrap_err().contains("1045"));
    assert_eq!(server.sql("SELECT @@performance_schema").unwrap(), "1\n");
    let database = server.fresh_database().unwrap();
    database.sql("CREATE TABLE t (n int) ENGINE=InnoDB; INSERT INTO t VALUES (7)").unwrap();
    server.restart().unwrap();
    assert_eq!(database.sql("SELECT n FROM t").unwrap(), "7\n");
    let name = database.name().to_owned();
    drop(database);
    assert!(!server.sql("SHOW DATABASES").unwrap().contains(&name));
    server.stop().unwrap();
    assert!(login(&server, &["-uaquifer", "-paquifer"]).is_err());
}
