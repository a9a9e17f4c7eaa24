//! Log-ins at real servers, and what they write when they refuse a statement.
//!
//! A client of a few lines, on a blocking socket: what is tested is the exchange and the reports, not a
//! connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind};
use aquifer_testkit::postgres::{Auth, Role, Server, ServerCertificate, Settings};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};

use super::*;
use crate::ServerError;

const PASSWORD: &str = "hunter2-s3cret";

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Client(Box<dyn Stream>);

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

impl Client {
    fn plain(server: &Server) -> Self {
        Self(Box::new(connect(server)))
    }

    /// Over TLS, with the hash that binds to it.
    fn tls(server: &Server) -> (Self, Option<Vec<u8>>) {
        let mut socket = connect(server);
        socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
        let mut answer = [0];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"S");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(server.ca_path()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        session.complete_io(&mut socket).unwrap();
        let hash = crate::tls::end_point_hash(&session.peer_certificates().unwrap()[0]);
        (Self(Box::new(rustls::StreamOwned::new(session, socket))), hash)
    }

    fn send(&mut self, tag: &[u8], body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        self.0.write_all(&[tag, &length, body].concat()).unwrap();
        self.0.flush().unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; length as usize - 4];
        self.0.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    fn log_in(&mut self, login: &Login<'_>) -> aquifer_driver::Result<()> {
        let startup =
            [&b"\0\x03\0\0user\0"[..], login.role.as_bytes(), b"\0database\0aquifer\0\0"].concat();
        self.send(b"", &startup);
        let policy = Policy { channel_binding: login.binding, ..Policy::default() };
        let identity = Identity {
            user: login.role.to_owned(),
            password: Some(login.password.into()),
            token: None,
            tls: login.tls,
            end_point: login.end_point.clone(),
        };
        let salted = Arc::clone(&login.salted);
        let mut authenticator = Authenticator::new(policy, identity, salted, [9; NONCE_BYTES]);
        loop {
            match self.receive() {
                (b'R', body) => {
                    let mut out = Vec::new();
                    let progress = authenticator.on_request(&body, &mut out)?;
                    self.0.write_all(&out).unwrap();
                    self.0.flush().unwrap();
                    if progress == Progress::Done {
                        break;
                    }
                }
                (b'E', body) => return Err(ServerError::parse(&body)?.into_connect_error()),
                (tag, _) => panic!("{:?} during authentication", char::from(tag)),
            }
        }
        while self.receive().0 != b'Z' {}
        Ok(())
    }

    /// Runs a statement with one text parameter; its error.
    fn refusal(&mut self, sql: &str, parameter: &str) -> Error {
        self.send(b"P", &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
        let length = u32::try_from(parameter.len()).unwrap().to_be_bytes();
        let bind = [&b"\0\0\0\0\0\x01"[..], &length, parameter.as_bytes(), b"\0\0"].concat();
        self.send(b"B", &bind);
        self.send(b"E", b"\0\0\0\0\0");
        self.send(b"S", b"");
        let mut error = None;
        loop {
            match self.receive() {
                (b'E', body) => {
                    error = Some(ServerError::parse(&body).unwrap().into_error(Some(sql)));
                }
                (b'Z', _) => return error.unwrap_or_else(|| panic!("{sql} was not refused")),
                _ => {}
            }
        }
    }
}

struct Login<'a> {
    role: &'a str,
    password: &'a str,
    tls: bool,
    end_point: Option<Vec<u8>>,
    binding: ChannelBinding,
    salted: Arc<SaltedPasswords>,
}

impl Login<'_> {
    fn new(role: &str) -> Login<'_> {
        Login {
            role,
            password: PASSWORD,
            tls: false,
            end_point: None,
            binding: ChannelBinding::Prefer,
            salted: Arc::new(SaltedPasswords::new(SaltedPasswords::ENTRIES)),
        }
    }
}

fn server() -> Server {
    let role = |name: &str, auth| Role::new(name, auth).password(PASSWORD);
    Server::start(
        Settings::new()
            .tls(ServerCertificate::Good)
            .role(role("clear", Auth::Password))
            .role(role("hashed", Auth::Md5))
            .role(role("scram", Auth::Scram)),
    )
    .unwrap()
}

#[test]
fn a_real_server_lets_us_in_by_every_method() {
    let server = server();
    for role in ["aquifer", "clear", "hashed", "scram"] {
        let login = Login::new(role);
        for _ in 0..2 {
            Client::plain(&server).log_in(&login).unwrap();
        }
        assert_eq!(login.salted.derivations(), u64::from(role == "scram"), "{role}");

        let wrong = Login { password: "wrong", ..Login::new(role) };
        if role != "aquifer" {
            let error = Client::plain(&server).log_in(&wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            assert_eq!(error.sqlstate(), Some("28P01"));
        }
    }
}

#[test]
fn a_real_server_agrees_on_the_channel() {
    let server = server();
    for binding in [ChannelBinding::Prefer, ChannelBinding::Require, ChannelBinding::Disable] {
        let (mut client, end_point) = Client::tls(&server);
        let login = Login { tls: true, end_point, binding, ..Login::new("scram") };
        client.log_in(&login).unwrap();
    }
    // The hash of another certificate: somebody stands between.
    let (mut client, _) = Client::tls(&server);
    let end_point = Some(vec![0; 32]);
    let login = Login { tls: true, end_point, ..Login::new("scram") };
    let error = client.log_in(&login).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(error.message().contains("channel binding"), "{error}");
    // Binding required, and a method that cannot.
    let (mut client, end_point) = Client::tls(&server);
    let binding = ChannelBinding::Require;
    let login = Login { tls: true, end_point, binding, ..Login::new("clear") };
    assert_eq!(client.log_in(&login).unwrap_err().kind(), ErrorKind::Authentication);
}

#[test]
fn a_real_server_agrees_on_the_hash_of_its_certificate() {
    let server = |certificate| {
        let role = Role::new("scram", Auth::Scram).password(PASSWORD);
        Server::start(Settings::new().tls(certificate).role(role)).unwrap()
    };
    let sha384 = server(ServerCertificate::Sha384);
    let (mut client, end_point) = Client::tls(&sha384);
    assert_eq!(end_point.as_ref().map(Vec::len), Some(48));
    let binding = ChannelBinding::Require;
    client.log_in(&Login { tls: true, end_point, binding, ..Login::new("scram") }).unwrap();

    // A signature without a hash: no binding, and if it is required, no log-in.
    let ed25519 = server(ServerCertificate::Ed25519);
    let (mut client, end_point) = Client::tls(&ed25519);
    assert_eq!(end_point, None);
    let login = Login { tls: true, binding, ..Login::new("scram") };
    let error = client.log_in(&login).unwrap_err();
    assert!(error.message().contains("has no hash"), "{error}");
    // Without that it says that it cannot bind, and is let in.
    let (mut client, end_point) = Client::tls(&ed25519);
    client.log_in(&Login { tls: true, end_point, ..Login::new("scram") }).unwrap();
}

#[test]
fn no_report_of_a_real_server_shows_a_bound_parameter() {
    let server = server();
    server
        .psql(
            "CREATE TABLE t (id text PRIMARY KEY, n int CHECK (n < 3), v varchar(3), e int NOT NULL DEFAULT 0);
             CREATE TYPE mood AS ENUM ('sad');
             CREATE FUNCTION loud(x text) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION '% is too loud', x USING HINT = 'whisper ' || x, ERRCODE = '23505'; END $$;
             CREATE FUNCTION dynamic(x text) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN EXECUTE format('SELECT %I FROM t', x); RETURN 1; END $$;
             INSERT INTO t (id) VALUES ('hunter2-s3cret'), ('12345678')",
        )
        .unwrap();
    let mut client = Client::plain(&server);
    client.log_in(&Login::new("aquifer")).unwrap();
    let secret = PASSWORD;
    let mut wrong = Vec::new();
    for (sql, parameter, kind) in [
        ("SELECT $1::int", secret, ErrorKind::Data),
        ("SELECT $1::int", "99912345678", ErrorKind::Data),
        ("SELECT $1::text::int", "12345678 hunter2-s3cret \" x \" y", ErrorKind::Data),
        ("SELECT $1::numeric", secret, ErrorKind::Data),
        ("SELECT $1::uuid", secret, ErrorKind::Data),
        ("SELECT $1::date", secret, ErrorKind::Data),
        ("SELECT $1::timestamptz", "12345678-12345678", ErrorKind::Data),
        ("SELECT $1::bool", secret, ErrorKind::Data),
        ("SELECT $1::json", "{\"hunter2-s3cret\"", ErrorKind::Data),
        ("SELECT $1::inet", secret, ErrorKind::Data),
        ("SELECT $1::int[]", "{hunter2-s3cret", ErrorKind::Data),
        ("SELECT $1::int4range", "[hunter2-s3cret", ErrorKind::Data),
        ("SELECT $1::mood", secret, ErrorKind::Data),
        ("SELECT $1::bytea", "\\xhunter2-s3cret", ErrorKind::Data),
        ("SELECT $1::point", secret, ErrorKind::Data),
        ("SELECT $1::tsquery", "hunter2-s3cret &", ErrorKind::Syntax),
        ("SELECT $1::jsonpath", "$.hunter2-s3cret.[", ErrorKind::Syntax),
        ("SELECT 'x' ~ $1", "hunter2-s3cret(", ErrorKind::Data),
        ("SELECT now() AT TIME ZONE $1", secret, ErrorKind::Data),
        ("SELECT date_trunc($1, now())", secret, ErrorKind::Data),
        ("SELECT make_date($1, 13, 1)", "12345678", ErrorKind::Data),
        ("SELECT to_date($1, 'YYYY')", secret, ErrorKind::Data),
        ("SELECT chr($1)", "12345678", ErrorKind::Database),
        ("SELECT get_byte('x'::bytea, $1)", "12345678", ErrorKind::Data),
        ("SELECT $1::regclass", secret, ErrorKind::UndefinedObject),
        ("SELECT $1::regtype", "hunter2_s3cret", ErrorKind::UndefinedObject),
        ("SELECT $1::text::regclass", "hunter2_s3cret", ErrorKind::UndefinedObject),
        ("SELECT nextval($1)", "hunter2_s3cret", ErrorKind::UndefinedObject),
        ("SELECT current_setting($1)", "hunter2_s3cret", ErrorKind::UndefinedObject),
        ("SELECT set_config('datestyle', $1, true)", secret, ErrorKind::Data),
        ("SELECT pg_read_file($1)", secret, ErrorKind::Database),
        ("SELECT encode('x'::bytea, $1)", secret, ErrorKind::Data),
        ("SELECT convert_to('x', $1)", secret, ErrorKind::Data),
        ("SELECT loud($1)", secret, ErrorKind::UniqueViolation),
        ("SELECT dynamic($1)", secret, ErrorKind::UndefinedObject),
        ("INSERT INTO t (id) VALUES ($1)", secret, ErrorKind::UniqueViolation),
        ("INSERT INTO t (id, n) VALUES ('a', $1)", "12345678", ErrorKind::CheckViolation),
        ("INSERT INTO t (id, v) VALUES ('a', $1)", secret, ErrorKind::Data),
        ("INSERT INTO t (id, e) VALUES ($1, NULL)", "hunter2_s3cret", ErrorKind::NotNullViolation),
    ] {
        let error = client.refusal(sql, parameter);
        let source = std::error::Error::source(&error).unwrap().to_string();
        let shown = format!("{error} {error:?} {source}").to_lowercase();
        if ["hunter2", "s3cret", "12345678"].iter().any(|secret| shown.contains(secret)) {
            wrong.push(format!("{sql}: shown: {shown}"));
        }
        if error.kind() != kind {
            wrong.push(format!("{sql}: {:?}, {error}, {:?}", error.kind(), error.detail()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_real_server_points_at_the_place() {
    let server = server();
    let mut client = Client::plain(&server);
    client.log_in(&Login::new("aquifer")).unwrap();
    let sql = "SELECT 'é€水',\n\tlevl_m, $1\nFROM pg_class";
    let error = client.refusal(sql, "1");
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    assert_eq!(error.message(), "column \"levl_m\" does not exist");
    assert_eq!(error.position(), Some(sql.find("levl_m").unwrap() as u32));
    let report = std::error::Error::source(&error).unwrap().downcast_ref::<ServerError>().unwrap();
    let shown = report.render(sql);
    assert!(shown.starts_with("ERROR: column \"levl_m\" does not exist (42703) at 2:2\n"));
    assert!(shown.ends_with("  2 |         levl_m, $1\n    |         ^\n"), "{shown}");
}
