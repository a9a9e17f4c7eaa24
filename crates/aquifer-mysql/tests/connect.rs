//! Ways to a session: parameters that the server must take, certificates, hooks, log-ins that MariaDB 10 does not
//! have.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aquifer_driver::{Access, Connector, Error, ErrorKind, Retry, Value};
use aquifer_mysql::{MysqlConnector, Secret};
use aquifer_testkit::at_most;
use aquifer_testkit::postgres::{Certificates, ServerCertificate};
use tokio::net::TcpListener;

use support::peer::{NONCE, Peer};
use support::{SERVER, Session, connect, connector, run};

#[test]
fn variables_charset_and_collation_are_set_at_the_log_in_and_after_a_reset() {
    run(async {
        let parameters = "sql_mode=ANSI_QUOTES&innodb_lock_wait_timeout=7&lock_wait_timeout=9\
                          &charset=utf8mb4,utf8&collation=utf8mb4_bin&default_storage_engine=it%27s";
        let error = connect(&format!("{}?{parameters}", SERVER.url())).await.err().unwrap();
        assert_eq!(error.code(), Some("1286"), "a text stays a text: {error}");
        let parameters = parameters.replace("it%27s", "MyISAM");
        let mut session = connect(&format!("{}?{parameters}", SERVER.url())).await.unwrap();
        for _ in 0..2 {
            let rows = session
                .query(
                    "SELECT @@sql_mode, @@innodb_lock_wait_timeout, @@lock_wait_timeout, \
                     @@collation_connection, @@default_storage_engine",
                    &(),
                )
                .await
                .unwrap();
            let is: [Value; 5] =
                ["ANSI_QUOTES".into(), 7.into(), 9.into(), "utf8mb4_bin".into(), "MyISAM".into()];
            assert_eq!(rows, [is]);
            assert!(!session.connection.session_changed());
            session.query("SET @a = 1", &()).await.unwrap();
            session.command(aquifer_driver::Command::Reset).await.unwrap();
        }
    });
}

#[test]
fn a_parameter_that_nobody_knows_is_an_error_of_the_log_in_with_a_hint() {
    run(async {
        let url = |parameters: &str| format!("{}?{parameters}", SERVER.url());
        let error = connect(&url("time_zones=1")).await.err().unwrap();
        assert_eq!((error.code(), error.retry()), (Some("1193"), Retry::Never), "{error}");
        assert!(error.hint().unwrap().contains("`time_zone`"), "{error:?}");
        let error = connect(&url("collation=utf8mb4_nowhere_ci")).await.err().unwrap();
        assert_eq!(error.code(), Some("1273"), "never another one instead: {error}");
    });
}

#[test]
fn the_server_s_books_show_the_program_s_attributes() {
    run(async {
        let url = format!("{}?connectionAttributes=program_name:shop,team:a%20b", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        let sql = "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs \
                   WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME IN \
                   ('program_name', 'team', '_client_name') ORDER BY ATTR_NAME";
        let rows = session.query(sql, &()).await.unwrap();
        let expected = [["_client_name", "aquifer"], ["program_name", "shop"], ["team", "a b"]];
        let expected: Vec<Vec<Value>> = expected
            .iter()
            .map(|row| row.iter().map(|text| Value::from(*text)).collect())
            .collect();
        assert_eq!(rows, expected);
    });
}

#[test]
fn a_client_certificate_opens_what_asks_for_one() {
    run(async {
        SERVER
            .sql("CREATE OR REPLACE USER certified@'%' REQUIRE X509")
            .expect("the administrator may");
        let url = |parameters: &str| {
            format!("{}?tls=true&{parameters}", SERVER.url_of("certified", "", ""))
        };
        let ca = SERVER.ca_path();
        let beside = |name: &str| ca.with_file_name(name).display().to_string();
        let trusted = format!("tlsCa={}", ca.display());
        let error = connect(&url(&trusted)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        let (certificate, key) = (beside("client.crt"), beside("client.key"));
        let shown = format!("{trusted}&tlsCert={certificate}&tlsKey={key}");
        let mut session = connect(&url(&shown)).await.unwrap();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
        for (certificate, key, says) in [
            ("/missing", key.as_str(), "/missing"),
            (certificate.as_str(), "/missing", "/missing"),
            (certificate.as_str(), certificate.as_str(), "no key"),
        ] {
            let text = url(&format!("{trusted}&ssl-cert={certificate}&ssl-key={key}"));
            let dsn = aquifer_driver::Dsn::parse(&text).unwrap();
            let made = MysqlConnector::from_dsn(&dsn, &aquifer_driver::EmptyEnvironment);
            let error = made.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(says), "{error}");
        }
    });
}

#[test]
fn a_server_is_trusted_by_its_own_certificate_and_refused_by_that_of_another() {
    run(async {
        let file = |name: &str| SERVER.ca_path().with_file_name(name).display().to_string();
        let url = |name: &str| format!("{}?tls=true&tlsCa={}", SERVER.url(), file(name));
        connect(&url("server.crt")).await.unwrap();
        let error = connect(&url("client.crt")).await.err().unwrap();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Never), "{error}");
        assert!(error.hint().unwrap().contains("`tlsCa`"), "{error:?}");
    });
}

#[test]
fn a_connect_or_a_close_that_is_dropped_at_any_poll_leaves_no_session() {
    run(async {
        let mut books = connect(&SERVER.url()).await.unwrap();
        let url = SERVER.url_of("empty", "", "aquifer");
        let connector: Arc<dyn Connector> = Arc::new(connector(&format!("{url}?tls=skip-verify")));
        let open = || Arc::clone(&connector).connect(Access::ReadWrite);
        let mut none_left = async || {
            let sql = "SELECT count(*) FROM information_schema.processlist WHERE user = 'empty'";
            while books.scalar(sql).await.unwrap() != Value::Int(0) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let mut polls = 1;
        while at_most(polls, open()).await.map(|opened| opened.unwrap()).is_none() {
            none_left().await;
            polls += 1;
        }
        assert!(polls > 3, "it was dropped {polls} times");
        none_left().await;
        for polls in 1..4 {
            let session = open().await.unwrap();
            let closed = at_most(polls, session.close()).await;
            assert!(closed.is_none_or(|closed| closed.is_ok()));
            none_left().await;
        }
    });
}

#[test]
fn certificates_are_read_again_when_their_files_have_changed() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let becomes = |name: &str| {
            // A file that replaces another is another file, whatever the clock says.
            let new = directory.path().join("new.pem");
            std::fs::copy(SERVER.ca_path().with_file_name(name), &new).unwrap();
            std::fs::rename(&new, &ca).unwrap();
        };
        becomes("ca.crt");
        let plain = connector(&format!("{}?tls=true&tlsCa={}", SERVER.url(), ca.display()));
        let hooked = connector(&format!("{}?tls=true&tlsCa={}", SERVER.url(), ca.display()))
            .before_connect(|mut config| async move {
                config.connection_attributes.push(("hooked".to_owned(), "yes".to_owned()));
                Ok(config)
            });
        let connectors: [Arc<dyn Connector>; 2] = [Arc::new(plain), Arc::new(hooked)];
        let all = async |expected: Option<ErrorKind>| {
            for connector in &connectors {
                let opened = Arc::clone(connector).connect(Access::ReadWrite).await;
                assert_eq!(opened.err().map(|error| error.kind()), expected);
            }
        };
        all(None).await;
        becomes("client.crt");
        all(Some(ErrorKind::Connect)).await;
        becomes("server.crt");
        all(None).await;
        std::fs::remove_file(&ca).unwrap();
        all(Some(ErrorKind::Configuration)).await;
        becomes("ca.crt");
        all(None).await;
    });
}

#[test]
fn a_hook_makes_the_configuration_of_each_connection() {
    run(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let outdated = connector(&SERVER.url_of("aquifer", "outdated", "aquifer"));
        let hooked = outdated.before_connect(move |mut config| {
            let turn = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                if turn == 2 {
                    return Err(Error::new(ErrorKind::Connect, "no token").with_retry(Retry::Safe));
                }
                config.password = Some(Secret::new("aquifer"));
                config.tls_ca = Some(SERVER.ca_path());
                config.tls = aquifer_mysql::TlsMode::Verify;
                Ok(config)
            }
        });
        let connector: Arc<dyn Connector> = Arc::new(hooked);
        for _ in 0..2 {
            Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap();
        }
        let error = Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap_err();
        assert_eq!((error.retry(), asked.load(Ordering::Relaxed)), (Retry::Safe, 3));
        let wrong = connector_of_a_bad_hook();
        let error = Session::open(wrong).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    });
}

fn connector_of_a_bad_hook() -> MysqlConnector {
    connector(&SERVER.url()).before_connect(|mut config| async {
        config.system_variables.push(("character_set_client".to_owned(), "gbk".to_owned()));
        Ok(config)
    })
}

#[test]
fn sha2_sends_the_password_over_tls_and_not_without() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let certificates = Certificates::new(ServerCertificate::Good).unwrap();
        let server = async {
            let peer = Peer::greet(&listener, "caching_sha2_password", true).await;
            let mut peer = peer.encrypt(&certificates).await;
            let login = peer.read().await;
            assert!(!login.windows(6).any(|part| part == b"secret"));
            peer.write(b"\x01\x04").await;
            assert_eq!(peer.read().await, b"secret\0");
            let setup = peer.let_in().await;
            assert!(setup.contains("SET NAMES utf8mb4"), "{setup}");
            peer.gone().await;
            let mut peer = Peer::greet(&listener, "caching_sha2_password", false).await;
            peer.read().await;
            peer.write(b"\x01\x04").await;
            peer.gone().await;
        };
        let client = async {
            let url = |tls: &str| format!("mysql://app:secret@127.0.0.1:{port}/shop?tls={tls}");
            let session = connect(&url("skip-verify")).await.unwrap();
            drop(session);
            let error = connect(&url("false")).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
            assert!(error.hint().unwrap().contains("TLS"));
        };
        tokio::join!(server, client);
    });
}

#[test]
fn parsec_and_a_second_plugin_are_answered() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let mut peer = Peer::greet(&listener, "mysql_native_password", false).await;
            let login = peer.read().await;
            assert!(login.windows(21).any(|part| part == b"mysql_native_password"));
            let switch =
                |plugin: &str, data: &[u8]| [b"\xfe", plugin.as_bytes(), b"\0", data].concat();
            peer.write(&switch("caching_sha2_password", &[NONCE.as_slice(), b"\0"].concat())).await;
            assert_eq!(peer.read().await.len(), 32);
            peer.write(&switch("parsec", &[9; 32])).await;
            assert!(peer.read().await.is_empty());
            peer.write(b"P\x00123456789012345678").await;
            assert_eq!(peer.read().await.len(), 96);
            peer.let_in().await;
            peer.gone().await;
        };
        let client = async {
            let url = format!("mysql://app:secret@127.0.0.1:{port}/shop?tls=preferred");
            drop(connect(&url).await.unwrap());
        };
        tokio::join!(server, client);
    });
}

#[test]
fn going_on_in_plain_text_is_decided_for_one_connection_only() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let certificates = Certificates::new(ServerCertificate::Good).unwrap();
        let server = async {
            for tls in [false, true, false] {
                let peer = Peer::greet(&listener, "mysql_native_password", tls).await;
                if tls {
                    let mut peer = peer.encrypt(&certificates).await;
                    peer.read().await;
                    peer.let_in().await;
                    peer.gone().await;
                } else {
                    let mut peer = peer;
                    assert_ne!(peer.read().await.len(), 32, "no request for TLS");
                    peer.let_in().await;
                    peer.gone().await;
                }
            }
            Peer::greet(&listener, "mysql_native_password", false).await.gone().await;
        };
        let client = async {
            let url = |more: &str| {
                format!("mysql://app:secret@127.0.0.1:{port}/shop?tls=skip-verify{more}")
            };
            let connector: Arc<dyn Connector> =
                Arc::new(connector(&url("&allowFallbackToPlaintext=true")));
            for _ in 0..3 {
                drop(Arc::clone(&connector).connect(Access::ReadWrite).await.unwrap());
            }
            let error = connect(&url("")).await.err().unwrap();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Never));
        };
        tokio::join!(server, client);
    });
}

#[test]
fn a_server_that_falls_silent_is_given_up_after_the_read_timeout() {
    run(async {
        let url = format!("{}?readTimeout=200ms", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
        let error = session.scalar("SELECT SLEEP(20)").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(error.to_string().contains("readTimeout"), "{error}");
        assert_eq!(session.status(), aquifer_driver::Status::Broken);
    });
}
