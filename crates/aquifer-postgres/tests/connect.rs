//! Opening sessions: every way to log in, every kind of encryption, several hosts, and servers that cannot.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use aquifer_driver::{Dsn, Environment, Error, ErrorKind, Result, Retry, Value};
use aquifer_postgres::PostgresConnector;
use aquifer_testkit::postgres::{
    Auth, Certificates, Proxy, Role, Server, ServerCertificate, Settings, backend,
};
use aquifer_testkit::scripted::{Script, Scripted};

use support::{Postgres, SERVER, Session, connect, run, socket_url, until};

const PASSWORD: &str = "hunter2-s3cret";

/// Variables and a home of the test's own.
#[derive(Default)]
struct Variables {
    home: Option<String>,
    all: Vec<(&'static str, String)>,
}

impl Environment for Variables {
    fn var(&self, name: &str) -> Option<String> {
        self.all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    fn user(&self) -> Option<String> {
        Some("nobody-in-particular".into())
    }

    fn home(&self) -> Option<String> {
        self.home.clone()
    }
}

async fn connect_in(environment: &Variables, text: &str) -> Result<Session> {
    let dsn = match text.contains("://") {
        true => Dsn::parse(text)?,
        false => Dsn::native("postgres", text),
    };
    Session::open(PostgresConnector::from_dsn(&dsn, environment)?).await
}

/// libpq's form, with the environment empty.
async fn native(text: &str) -> Result<Session> {
    connect_in(&Variables::default(), text).await
}

async fn refused(url: &str) -> Error {
    let error = connect(url).await.expect_err("a refusal");
    assert_silent(&error);
    error
}

/// No text of the error contains the password.
fn assert_silent(error: &Error) {
    let mut texts = vec![format!("{error} {error:?} {error:#?} {:?}", error.hint())];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        texts.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!texts.concat().contains(PASSWORD), "{texts:?}");
}

async fn one(session: &mut Session, sql: &str) -> Value {
    session.scalar(sql).await.unwrap()
}

async fn encrypted(session: &mut Session) -> bool {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    one(session, sql).await == Value::Bool(true)
}

fn roles(settings: Settings) -> Settings {
    let role = |name: &str, auth| Role::new(name, auth).password(PASSWORD);
    settings
        .role(role("clear", Auth::Password))
        .role(role("md5", Auth::Md5))
        .role(role("scram", Auth::Scram))
        .role(role("trusted", Auth::Trust))
        .role(role("rejected", Auth::Reject))
}

/// With TLS for those who want it, and roles for every way to log in.
static GUARDED: LazyLock<Server> = LazyLock::new(|| {
    let settings = roles(Settings::new().tls(ServerCertificate::Good)).max_connections(100);
    Server::start(settings).unwrap()
});

fn guarded(role: &str, password: &str, more: &str) -> String {
    format!("{}?{more}", GUARDED.url_of(role, password, "aquifer"))
}

#[test]
fn every_method_lets_the_right_password_in_and_no_other() {
    run(async {
        for mode in ["disable", "require"] {
            let more = format!("sslmode={mode}");
            for role in ["clear", "md5", "scram", "trusted"] {
                let mut session = connect(&guarded(role, PASSWORD, &more)).await.unwrap();
                assert_eq!(one(&mut session, "SELECT current_user::text").await, role.into());
                assert_eq!(encrypted(&mut session).await, mode == "require");
            }
            for role in ["clear", "md5", "scram"] {
                let wrong = refused(&guarded(role, "hunter2-s3cret-not", &more)).await;
                assert_eq!(wrong.kind(), ErrorKind::Authentication, "{role}: {wrong}");
                assert_eq!(wrong.sqlstate(), Some("28P01"));
                assert_ne!(wrong.retry(), Retry::Safe, "a wrong password stays wrong");
                let none = refused(&guarded(role, "", &more)).await;
                assert_eq!(none.kind(), ErrorKind::Authentication, "{role}: {none}");
            }
            let rejected = refused(&guarded("rejected", PASSWORD, &more)).await;
            assert_eq!(rejected.kind(), ErrorKind::Authentication, "{rejected}");
            assert_eq!(rejected.sqlstate(), Some("28000"));
        }
        let missing = refused(&GUARDED.url_of("trusted", PASSWORD, "nowhere")).await;
        assert_eq!(missing.sqlstate(), Some("3D000"), "{missing}");
        assert_ne!(missing.retry(), Retry::Safe);
    });
}

#[test]
fn only_required_methods_are_taken() {
    run(async {
        for (role, method) in
            [("clear", "password"), ("md5", "md5"), ("scram", "scram-sha-256"), ("trusted", "none")]
        {
            for known in ["password", "md5", "scram-sha-256", "none"] {
                for (allows, demand) in
                    [(known == method, known.to_owned()), (known != method, format!("!{known}"))]
                {
                    let more = format!("sslmode=disable&require_auth={demand}");
                    let url = guarded(role, PASSWORD, &more);
                    if allows {
                        connect(&url).await.unwrap_or_else(|e| panic!("{role}, {demand}: {e}"));
                    } else {
                        let error = refused(&url).await;
                        assert_eq!(error.kind(), ErrorKind::Authentication, "{demand}: {error}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_password_is_not_sent_where_a_stronger_method_is_required() {
    run(async {
        let proxy = Proxy::start(GUARDED.address()).unwrap();
        let url = proxy.url_of("clear", PASSWORD, "aquifer");
        refused(&format!("{url}&require_auth=scram-sha-256")).await;
        assert_eq!(proxy.take_only().count_client(b'p'), 0);
    });
}

#[test]
fn channel_binding_is_used_refused_and_required_as_asked() {
    run(async {
        for (role, mode, binding, works) in [
            ("scram", "require", "require", true),
            ("scram", "require", "prefer", true),
            ("scram", "require", "disable", true),
            ("scram", "disable", "require", false),
            ("scram", "disable", "prefer", true),
            ("md5", "require", "require", false),
            ("clear", "require", "require", false),
            ("trusted", "require", "require", false),
        ] {
            let more = format!("sslmode={mode}&channel_binding={binding}");
            let tried = connect(&guarded(role, PASSWORD, &more)).await;
            assert_eq!(tried.is_ok(), works, "{role} {more}");
            if let Err(error) = tried {
                assert_silent(&error);
                assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            }
        }
    });
}

#[test]
fn channel_binding_takes_the_hash_of_the_servers_certificate() {
    for (certificate, bound) in
        [(ServerCertificate::Sha384, true), (ServerCertificate::Ed25519, false)]
    {
        let settings = Settings::new().tls(certificate);
        let server =
            Server::start(settings.role(Role::new("scram", Auth::Scram).password(PASSWORD)));
        let server = server.unwrap();
        run(async {
            let url = server.url_of("scram", PASSWORD, "aquifer");
            let required = connect(&format!("{url}?sslmode=require&channel_binding=require")).await;
            assert_eq!(required.is_ok(), bound, "{certificate:?}");
            let disabled = format!("{url}?sslmode=require&channel_binding=disable");
            assert!(encrypted(&mut connect(&disabled).await.unwrap()).await);
        });
    }
}

/// What became of each mode: encrypted, plain, or refused.
async fn modes(server: &Server, more: &str) -> Vec<Option<bool>> {
    let mut found = Vec::new();
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=aquifer sslmode={mode} {more}",
            server.port()
        );
        found.push(match native(&text).await {
            Ok(mut session) => Some(encrypted(&mut session).await),
            Err(error) => {
                // Without certificates to trust nothing is dialled.
                let blind = more.is_empty() && mode.starts_with("verify");
                let kinds = match blind {
                    true => [ErrorKind::Configuration; 2],
                    false => [ErrorKind::Connect, ErrorKind::Authentication],
                };
                assert!(kinds.contains(&error.kind()), "{error}");
                assert_ne!(error.retry(), Retry::Safe, "{mode}: {error}");
                None
            }
        });
    }
    found
}

const PLAIN: Option<bool> = Some(false);
const TLS: Option<bool> = Some(true);
const NO: Option<bool> = None;

#[test]
fn each_mode_makes_of_each_server_what_it_says() {
    let root = |server: &Server| format!("sslrootcert={}", server.ca_path().display());
    let start = |certificate| Server::start(Settings::new().tls(certificate)).unwrap();
    run(async {
        // disable, allow, prefer, require, verify-ca, verify-full
        let server = Server::start(Settings::new()).unwrap();
        let trusted = format!("sslrootcert={}", GUARDED.ca_path().display());
        assert_eq!(modes(&server, &trusted).await, [PLAIN, PLAIN, PLAIN, NO, NO, NO]);
        let server = Server::start(Settings::new().tls_required()).unwrap();
        assert_eq!(modes(&server, &root(&server)).await, [NO, TLS, TLS, TLS, TLS, TLS]);
        assert_eq!(modes(&server, "").await, [NO, TLS, TLS, TLS, NO, NO]);
        let server = start(ServerCertificate::Good);
        assert_eq!(modes(&server, &root(&server)).await, [PLAIN, PLAIN, TLS, TLS, TLS, TLS]);
        let server = start(ServerCertificate::WrongHost);
        assert_eq!(modes(&server, &root(&server)).await, [PLAIN, PLAIN, TLS, TLS, TLS, NO]);
        // With a root certificate `require` checks like `verify-ca`; `prefer` checks nothing, since it would
        // go on without encryption, which is no better.
        let server = start(ServerCertificate::UnknownAuthority);
        assert_eq!(modes(&server, &root(&server)).await, [PLAIN, PLAIN, TLS, NO, NO, NO]);
        assert_eq!(modes(&server, "").await, [PLAIN, PLAIN, TLS, TLS, NO, NO]);
        let server = start(ServerCertificate::Expired);
        assert_eq!(modes(&server, &root(&server)).await, [PLAIN, PLAIN, TLS, NO, NO, NO]);
    });
}

#[test]
fn a_client_certificate_logs_its_role_in() {
    let settings = Settings::new().tls(ServerCertificate::Good).auth(Auth::Cert);
    let server = Server::start(settings).unwrap();
    run(async {
        let base = format!(
            "{}?sslmode=verify-full&sslrootcert={}",
            server.url(),
            server.ca_path().display()
        );
        let identity = format!(
            "{base}&sslcert={}&sslkey={}",
            server.client_certificate_path().display(),
            server.client_key_path().display()
        );
        assert!(encrypted(&mut connect(&identity).await.unwrap()).await);
        let without = refused(&base).await;
        assert_eq!(without.kind(), ErrorKind::Authentication);
        let unused = refused(&format!("{identity}&sslcertmode=disable")).await;
        assert_eq!(unused.kind(), ErrorKind::Authentication);
        let key = server.client_certificate_path();
        let mixed = format!("{base}&sslcert={}&sslkey={}", key.display(), key.display());
        assert_eq!(refused_early(&mixed).kind(), ErrorKind::Configuration);
    });
}

/// The error of a connector that cannot be made.
fn refused_early(url: &str) -> Error {
    let dsn = Dsn::parse(url).unwrap();
    PostgresConnector::from_dsn(&dsn, &Variables::default()).expect_err("a refusal")
}

#[test]
fn direct_negotiation_saves_a_round_trip_and_is_told_apart_from_a_server_that_cannot() {
    run(async {
        // PostgreSQL 15 takes the handshake for a startup packet and hangs up.
        let url = guarded("trusted", PASSWORD, "sslmode=require&sslnegotiation=direct");
        let old = refused(&url).await;
        assert_eq!(old.kind(), ErrorKind::Connect, "{old}");

        let certificates = Certificates::new(ServerCertificate::Good).unwrap();
        let root = certificates.authority.clone();
        let script = Script::new().tls(certificates).startup().send(backend::greeting());
        let server = Scripted::start([script.await_close()]).unwrap();
        let directory = Folder::new();
        let file = directory.write("root.crt", &root, 0o600);
        let text = format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=aquifer sslmode=verify-full \
             sslnegotiation=direct sslrootcert={file}",
            server.address().port()
        );
        drop(native(&text).await.unwrap());
        let played = server.finish();
        played[0].assert_completed();
        assert_eq!(played[0].application_protocol.as_deref(), Some(&b"postgresql"[..]));
    });
}

/// A temporary directory.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("aquifer-connect-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn unix_sockets_are_reached_and_a_missing_one_is_named() {
    run(async {
        let mut session = connect(&socket_url(&SERVER)).await.unwrap();
        let from = one(&mut session, "SELECT inet_client_addr() IS NULL").await;
        assert_eq!(from, Value::Bool(true));
        let missing = native("host=/nonexistent user=aquifer").await.err().unwrap();
        assert_eq!((missing.kind(), missing.retry()), (ErrorKind::Connect, Retry::Safe));
        assert!(missing.to_string().contains("/nonexistent/.s.PGSQL.5432"), "{missing}");
    });
}

/// A port where nobody listens.
fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn hosts_are_tried_in_order_and_each_failure_is_told() {
    run(async {
        let (dead, worse) = (dead_port(), dead_port());
        let text = format!(
            "host=127.0.0.1,localhost hostaddr=127.0.0.1,127.0.0.1 port={dead},{} user=aquifer",
            SERVER.port()
        );
        let mut session = native(&text).await.unwrap();
        assert_eq!(one(&mut session, "SELECT 1").await, Value::Int(1));
        let text = format!("host=127.0.0.1,127.0.0.1 port={dead},{worse} user=aquifer");
        let both = native(&text).await.err().unwrap();
        assert_eq!((both.kind(), both.retry()), (ErrorKind::Connect, Retry::Safe));
        let mut texts = format!("{both}");
        let mut source = std::error::Error::source(&both);
        while let Some(cause) = source {
            texts += &cause.to_string();
            source = cause.source();
        }
        for port in [dead, worse] {
            assert!(texts.contains(&port.to_string()), "{port} in {texts}");
        }
    });
}

#[test]
fn the_session_is_with_a_server_of_the_wanted_role() {
    let standby = Server::start(Settings::new().standby()).unwrap();
    let (primary, standby_port) = (SERVER.port(), standby.port());
    run(async {
        let open = async |order: [u16; 2], wanted: &str| {
            let text = format!(
                "host=127.0.0.1,127.0.0.1 port={},{} user=aquifer target_session_attrs={wanted}",
                order[0], order[1]
            );
            let mut session = native(&text).await.unwrap_or_else(|e| panic!("{wanted}: {e}"));
            let hot = session.postgres().in_hot_standby().unwrap();
            let asked = one(&mut session, "SELECT pg_is_in_recovery()").await;
            assert_eq!(asked, Value::Bool(hot));
            hot
        };
        for order in [[primary, standby_port], [standby_port, primary]] {
            assert!(!open(order, "read-write").await);
            assert!(!open(order, "primary").await);
            assert!(open(order, "standby").await);
            assert!(open(order, "read-only").await);
            assert!(open(order, "prefer-standby").await);
            assert_eq!(open(order, "any").await, order[0] == standby_port);
        }
        assert!(!open([primary, primary], "prefer-standby").await, "rather that than none");
        let text =
            format!("host=127.0.0.1 port={primary} user=aquifer target_session_attrs=standby");
        let none = native(&text).await.err().unwrap();
        assert_eq!((none.kind(), none.retry()), (ErrorKind::Connect, Retry::Safe));
        assert!(none.to_string().contains("standby"), "{none}");

        // Whether it is read-only is the session's business, too.
        let text = format!(
            "host=127.0.0.1 port={primary} user=aquifer options='-c default_transaction_read_only=on'"
        );
        native(&format!("{text} target_session_attrs=read-write")).await.err().unwrap();
        native(&format!("{text} target_session_attrs=read-only")).await.unwrap();

        // The role is kept up to date by the server.
        let mut session = connect(&standby.url()).await.unwrap();
        assert_eq!(session.postgres().in_hot_standby(), Some(true));
        assert_eq!(one(&mut session, "SELECT pg_promote()").await, Value::Bool(true));
        until(|| standby.psql("SELECT pg_is_in_recovery()").unwrap() == "f\n").await;
        session.scalar("SELECT 1").await.unwrap();
        assert_eq!(session.postgres().in_hot_standby(), Some(false));
    });
}

#[test]
fn hosts_are_balanced_at_random() {
    let other = Server::start(Settings::new()).unwrap();
    run(async {
        let text = format!(
            "host=127.0.0.1,127.0.0.1 port={},{} user=aquifer load_balance_hosts=random",
            SERVER.port(),
            other.port()
        );
        let mut seen = std::collections::BTreeSet::new();
        // That 64 draws are all the same happens once in 2^63.
        for _ in 0..64 {
            let mut session = native(&text).await.unwrap();
            let Value::Int(port) = one(&mut session, "SELECT inet_server_port()").await else {
                panic!("no port")
            };
            seen.insert(port);
            if seen.len() == 2 {
                return;
            }
        }
        panic!("only {seen:?}");
    });
}

#[test]
fn passwords_services_and_variables_come_from_where_libpq_finds_them() {
    run(async {
        let home = Folder::new();
        let port = GUARDED.port();
        let line =
            format!("# mine\nlocalhost:*:*:*:wrong\n127.0.0.1:{port}:aquifer:scram:{PASSWORD}\n");
        let passfile = home.write(".pgpass", &line, 0o600);
        let at_home = Variables { home: Some(home.0.display().to_string()), all: Vec::new() };
        let text = format!("host=127.0.0.1 port={port} user=scram dbname=aquifer");
        connect_in(&at_home, &text).await.unwrap();
        native(&format!("{text} passfile={passfile}")).await.unwrap();
        let given = connect_in(&at_home, &format!("{text} password=other")).await.err().unwrap();
        assert_eq!(given.sqlstate(), Some("28P01"), "a given password wins");
        fs::set_permissions(&passfile, Permissions::from_mode(0o644)).unwrap();
        let open = connect_in(&at_home, &text).await.err().unwrap();
        assert_silent(&open);
        assert_eq!(open.kind(), ErrorKind::Authentication);
        let hint = open.hint().unwrap_or_default();
        assert!(hint.contains(".pgpass") && hint.contains("0600"), "{open:?}");

        home.write(
            ".pg_service.conf",
            &format!("[other]\nuser=nobody\n[mine]\nhost=127.0.0.1\nport={port}\nuser=scram\ndbname=aquifer\n"),
            0o600,
        );
        let all = vec![("PGSERVICE", "mine".into()), ("PGPASSWORD", PASSWORD.into())];
        let environment = Variables { home: at_home.home.clone(), all };
        let mut session = connect_in(&environment, "").await.unwrap();
        assert_eq!(one(&mut session, "SELECT current_user::text").await, "scram".into());
        let mut session = connect_in(&environment, "user=md5").await.unwrap();
        assert_eq!(one(&mut session, "SELECT current_user::text").await, "md5".into());

        let all = vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", port.to_string()),
            ("PGUSER", "scram".into()),
            ("PGDATABASE", "aquifer".into()),
            ("PGPASSWORD", PASSWORD.into()),
            ("PGAPPNAME", "from the environment".into()),
            ("PGOPTIONS", "-c work_mem=1234kB".into()),
        ];
        let mut session = connect_in(&Variables { home: None, all }, "").await.unwrap();
        assert_eq!(one(&mut session, "SHOW application_name").await, "from the environment".into());
        assert_eq!(one(&mut session, "SHOW work_mem").await, "1234kB".into());
    });
}

#[test]
fn the_key_value_form_is_read_with_its_quotes_and_sends_settings() {
    run(async {
        let text = format!(
            "host = 127.0.0.1 port={} user=aquifer dbname = 'aquifer' application_name='it\\'s me' \
             search_path=elsewhere fallback_application_name=unused",
            SERVER.port()
        );
        let mut session = native(&text).await.unwrap();
        assert_eq!(one(&mut session, "SHOW application_name").await, "it's me".into());
        assert_eq!(one(&mut session, "SHOW search_path").await, "elsewhere".into());
        assert_eq!(one(&mut session, "SHOW client_encoding").await, "UTF8".into());
    });
}

#[test]
fn a_host_that_never_answers_is_given_up_after_connect_timeout() {
    let script = || Script::new().await_close();
    let server = Scripted::start([script(), script()]).unwrap();
    let port = server.address().port();
    run(async {
        let text = format!("host=127.0.0.1 port={port} user=aquifer connect_timeout=1");
        for more in ["sslmode=disable", "sslmode=require"] {
            let late = native(&format!("{text} {more}")).await.err().unwrap();
            assert_eq!((late.kind(), late.retry()), (ErrorKind::Connect, Retry::Safe), "{late}");
            assert!(late.to_string().contains("connect_timeout"), "{late}");
        }
    });
    assert_eq!(server.finish().len(), 2);
    run(async {
        // Each host has the whole budget, so the next is still reached; of several hosts each has one.
        for budget in ["connect_timeout=1", ""] {
            let server = Scripted::start([Script::new().await_close()]).unwrap();
            let text = format!(
                "host=127.0.0.1,127.0.0.1 port={},{} user=aquifer sslmode=disable {budget}",
                server.address().port(),
                SERVER.port()
            );
            native(&text).await.unwrap();
        }
    });
}

#[test]
fn a_full_server_may_be_tried_again() {
    let server = Server::start(Settings::new().max_connections(5)).unwrap();
    run(async {
        let mut held = Vec::new();
        let full = loop {
            match connect(&server.url()).await {
                Ok(session) => held.push(session),
                Err(error) => break error,
            }
            assert!(held.len() <= 5, "the server is never full");
        };
        assert_eq!(full.sqlstate(), Some("53300"), "{full}");
        assert_eq!((full.kind(), full.retry()), (ErrorKind::Connect, Retry::Safe));
        assert!(full.nothing_sent());
        let left = held.pop().unwrap();
        left.connection.close().await.unwrap();
        until(|| {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'aquifer'";
            // Refused, too, until the session has left.
            server.psql(sql).is_ok_and(|count| count == format!("{}\n", held.len()))
        })
        .await;
        connect(&server.url()).await.unwrap();
    });
}

/// What a scripted server does with one connection, and what came of it.
async fn met(script: Script, more: &str) -> (Result<Session>, Scripted) {
    let server = Scripted::start([script]).unwrap();
    let opened = connect(&format!("{}{more}", server.url())).await;
    (opened, server)
}

#[test]
fn servers_that_start_up_or_shut_down_may_be_tried_again() {
    run(async {
        for state in ["57P03", "57P01", "57P02"] {
            let fatal = backend::error_response(&[
                (b'S', "FATAL"),
                (b'V', "FATAL"),
                (b'C', state),
                (b'M', "the database system is starting up"),
            ]);
            let (opened, _server) = met(Script::new().startup().send(fatal), "").await;
            let error = opened.err().unwrap();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe), "{error}");
            assert_eq!(error.sqlstate(), Some(state));
        }
    });
}

#[test]
fn a_server_that_cannot_start_a_process_is_heard_in_its_bare_text() {
    run(async {
        let text = b"Ecould not fork new process for connection: Cannot allocate memory\n\0";
        for pieces in [1, 100] {
            let script = Script::new().startup().send_in_pieces(&text[..], pieces);
            let (opened, _server) = met(script, "").await;
            let error = opened.err().unwrap();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Safe), "{error}");
            assert!(error.to_string().contains("could not fork"), "{error}");
        }
    });
}

#[test]
fn protocol_3_2_brings_long_cancel_keys() {
    let key: Vec<u8> = (1..=32).collect();
    let greeting = [
        backend::authentication(0, &[]),
        backend::backend_key_data(4712, &key),
        backend::ready_for_query(b'I'),
    ]
    .concat();
    let stopped = backend::error_response(&[(b'S', "ERROR"), (b'C', "57014"), (b'M', "stopped")]);
    let server = Scripted::start([
        Script::new()
            .startup()
            .send(greeting)
            .expect("PDBES")
            .pause(std::time::Duration::from_millis(300))
            .send([stopped, backend::ready_for_query(b'I')].concat())
            .await_close(),
        Script::new().expect("%"),
        Script::new().await_close(),
    ])
    .unwrap();
    run(async {
        let url = format!("{}&max_protocol_version=3.2", server.url());
        let mut session = connect(&url).await.unwrap();
        assert_eq!(session.postgres().process_id(), 4712);
        let canceller = session.connection.canceller();
        let (asked, ended) = tokio::join!(
            async {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                canceller.cancel().await;
            },
            session.query("SELECT 1", &()),
        );
        let () = asked;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    });
    let played = server.finish();
    assert_eq!(played[0].received[4..8], [0, 3, 0, 2], "the version that is asked for");
    assert_eq!(played[1].received.len(), 4 + 4 + 4 + 32);
    assert_eq!(played[1].received[12..], key);
}

#[test]
fn an_older_server_brings_the_version_down_as_far_as_is_allowed() {
    let script = |version: u32, options: &[&str]| {
        let negotiate = backend::negotiate_protocol_version(version, options);
        Script::new().startup().send([negotiate, backend::greeting()].concat()).await_close()
    };
    run(async {
        for version in [0, 0x0003_0000] {
            let (opened, _server) = met(script(version, &[]), "&max_protocol_version=3.2").await;
            opened.unwrap();
        }
        let more = "&max_protocol_version=3.2&min_protocol_version=3.2";
        let (opened, _server) = met(script(0, &[]), more).await;
        let error = opened.err().unwrap();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Never));
        assert!(error.to_string().contains("3.0") && error.to_string().contains("3.2"), "{error}");
        let (opened, _server) = met(script(0, &["_pq_.fast"]), "&max_protocol_version=3.2").await;
        let error = opened.err().unwrap();
        assert!(error.to_string().contains("_pq_.fast"), "{error}");
        // PostgreSQL 15 does not know 3.2, and says so.
        connect(&format!("{}?max_protocol_version=3.2", SERVER.url())).await.unwrap();
        connect(&format!("{}?max_protocol_version=latest", SERVER.url())).await.unwrap();
    });
}

#[test]
fn methods_that_are_not_there_are_named() {
    run(async {
        for (code, name) in [(7, "GSS"), (9, "SSPI"), (2, "Kerberos"), (6, "method 6")] {
            let script = Script::new().startup().send(backend::authentication(code, &[]));
            let (opened, _server) = met(script, "").await;
            let error = opened.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().to_lowercase().contains(&name.to_lowercase()), "{error}");
        }
    });
}
