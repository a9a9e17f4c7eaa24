//! Log-ins that succeed, and what each takes.

use std::path::PathBuf;

use aquifer_driver::{ErrorKind, Retry};
use aquifer_testkit::mysql::scripted::{
    Account, Method, PUBLIC_KEY, Release, Running, Scripted, capability,
};
use aquifer_testkit::mysql::{Certificates, ServerCertificate};

use crate::support::{Mysql, connect, run};

/// The public key that MariaDB derives from the password `secret`: the example of its documentation of `ed25519`.
const ED25519_OF_SECRET: [u8; 32] = [
    0x64, 0x88, 0x14, 0x44, 0x45, 0x20, 0xe4, 0xf5, 0x60, 0x43, 0xa2, 0xec, 0x92, 0x15, 0xe6, 0x3b,
    0xe7, 0x99, 0x2d, 0x2d, 0x27, 0x0b, 0xc6, 0xde, 0xe8, 0x73, 0xe3, 0x61, 0x64, 0x78, 0x60, 0x96,
];

const MYSQL: [Release; 3] = [Release::Mysql80, Release::Mysql84, Release::Mysql9];

fn secret() -> String {
    "secret".to_owned()
}

fn certificates() -> Certificates {
    Certificates::new(ServerCertificate::Good).unwrap()
}

fn of(release: Release, method: Method) -> Scripted {
    Scripted::new(release).account(Account::new("app").method(method))
}

/// Opens a session and closes it; what the log-in ended with.
async fn log_in(server: &Running, account: &str, parameters: &str) -> aquifer_driver::Result<()> {
    let session = connect(&server.url(account, parameters)).await?;
    session.connection.close().await
}

/// The server's public key in a file that goes with the guard.
fn key_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public_key.pem");
    std::fs::write(&path, PUBLIC_KEY).unwrap();
    (folder, path)
}

#[test]
fn caching_sha2_takes_the_password_once_and_then_a_digest_of_it() {
    run(async {
        for release in MYSQL {
            let method = Method::CachingSha2(secret());
            let server = of(release, method).tls(certificates()).start().await.unwrap();
            // The first time needs a channel of its own; what is remembered then does not.
            let error = log_in(&server, "app:secret", "tls=false").await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Authentication, Retry::Never));
            assert!(error.hint().unwrap().contains("tls=true"), "{error:?}");
            log_in(&server, "app:secret", "tls=skip-verify").await.unwrap();
            log_in(&server, "app:secret", "tls=false").await.unwrap();
            server.forget_passwords();
            log_in(&server, "app:secret", "tls=false").await.unwrap_err();
            log_in(&server, "app:secret", "").await.unwrap();
            let hellos = server.hellos();
            assert!(hellos.iter().all(|hello| hello.plugin == "caching_sha2_password"));
            assert!(hellos.iter().all(|hello| hello.answer.len() == 32));
        }
    });
}

#[test]
fn a_wrong_password_is_refused_by_every_plugin_and_never_shown() {
    run(async {
        let methods = [
            Method::Native(secret()),
            Method::CachingSha2(secret()),
            Method::Sha256(secret()),
            Method::Ed25519(ED25519_OF_SECRET),
            Method::Parsec(secret()),
        ];
        for method in methods {
            let server =
                of(Release::Mysql84, method.clone()).tls(certificates()).start().await.unwrap();
            for tls in ["tls=skip-verify", "tls=false&allowPublicKeyRetrieval=true"] {
                // Twice, with nothing remembered and with the right one remembered.
                for remembered in [false, true] {
                    if remembered {
                        log_in(&server, "app:secret", tls).await.unwrap();
                    }
                    let error = log_in(&server, "app:hunter2", tls).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Authentication, "{method:?}: {error}");
                    assert_eq!((error.code(), error.sqlstate()), (Some("1045"), Some("28000")));
                    assert_eq!(error.retry(), Retry::Never);
                    assert!(error.nothing_sent());
                    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
                }
                let error = log_in(&server, "app", tls).await.unwrap_err();
                assert_eq!(error.code(), Some("1045"), "{method:?} without a password: {error}");
                let error = log_in(&server, "nobody:secret", tls).await.unwrap_err();
                assert_eq!(error.code(), Some("1045"), "{error}");
                server.forget_passwords();
            }
        }
    });
}

#[test]
fn passwords_of_sha2_go_encrypted_by_the_server_s_key_where_there_is_no_tls() {
    run(async {
        let (_guard, path) = key_file();
        // Longer than the challenge that hides it, and not of ASCII.
        let passwords = ["secret", "a much longer pässword than any challenge", "x"];
        for (password, release) in passwords.into_iter().zip(MYSQL) {
            let account = format!("app:{}", password.replace(' ', "%20"));
            for method in
                [Method::CachingSha2(password.to_owned()), Method::Sha256(password.to_owned())]
            {
                let plugin = match method {
                    Method::Sha256(_) => "sha256_password",
                    _ => "caching_sha2_password",
                };
                let server = of(release, method).start().await.unwrap();
                let error = log_in(&server, &account, "").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Authentication);
                assert!(error.hint().unwrap().contains("serverPubKey"), "{error:?}");
                let key = format!("serverPubKey={}", path.display());
                for parameters in [key.as_str(), "allowPublicKeyRetrieval=true"] {
                    server.forget_passwords();
                    log_in(&server, &account, parameters).await.unwrap();
                }
                assert!(server.proved(plugin));
            }
        }
    });
}

#[test]
fn an_account_without_a_password_gets_in_by_every_plugin_that_allows_it() {
    run(async {
        for method in [
            Method::Native(String::new()),
            Method::CachingSha2(String::new()),
            Method::Sha256(String::new()),
        ] {
            let server = of(Release::Mysql84, method).tls(certificates()).start().await.unwrap();
            log_in(&server, "app", "tls=skip-verify").await.unwrap();
        }
    });
}

#[test]
fn mariadb_s_signatures_are_those_that_it_expects() {
    run(async {
        for method in [Method::Ed25519(ED25519_OF_SECRET), Method::Parsec(secret())] {
            let server = of(Release::MariaDb118, method).start().await.unwrap();
            log_in(&server, "app:secret", "").await.unwrap();
            log_in(&server, "app:Secret", "").await.unwrap_err();
        }
    });
}

#[test]
fn several_ways_in_are_tried_in_turn() {
    run(async {
        let other = || "other".to_owned();
        let account = Account::new("app")
            .method(Method::Native(other()))
            .method(Method::Ed25519([7; 32]))
            .method(Method::CachingSha2(other()))
            .method(Method::Parsec(secret()));
        let server =
            Scripted::new(Release::MariaDb118).account(account).tls(certificates()).start();
        let server = server.await.unwrap();
        log_in(&server, "app:secret", "tls=skip-verify").await.unwrap();
        assert!(server.proved("parsec") && !server.proved("caching_sha2_password"));
        // A server that never has enough of it is not followed for ever.
        let mut account = Account::new("app");
        for _ in 0..20 {
            account = account.method(Method::Native(other()));
        }
        let server = Scripted::new(Release::Mysql84).account(account).start().await.unwrap();
        let error = log_in(&server, "app:secret", "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.to_string().contains("too many"), "{error}");
    });
}

#[test]
fn the_password_itself_goes_only_where_that_is_allowed_and_nobody_listens() {
    run(async {
        let method = || Method::Clear(secret());
        let server = of(Release::Mysql84, method()).tls(certificates()).start().await.unwrap();
        let error = log_in(&server, "app:secret", "tls=skip-verify").await.unwrap_err();
        assert!(error.hint().unwrap().contains("allowCleartextPasswords"), "{error:?}");
        log_in(&server, "app:secret", "tls=skip-verify&allowCleartextPasswords=true")
            .await
            .unwrap();
        for without in [0, capability::SSL] {
            let server = of(Release::Mysql84, method()).without(without);
            let server = server.tls(certificates()).start().await.unwrap();
            let parameters = "tls=false&allowCleartextPasswords=true";
            let error = log_in(&server, "app:secret", parameters).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(error.to_string().contains("not encrypted"), "{error}");
        }
    });
}

#[test]
fn a_client_takes_of_what_is_offered_what_it_knows_and_nothing_else() {
    run(async {
        use capability::*;
        let releases = [Release::Mysql80, Release::Mysql84, Release::Mysql9, Release::MariaDb118];
        for release in releases {
            let server = of(release, Method::Native(secret())).start().await.unwrap();
            let mut session = connect(&server.url("app:secret", "")).await.unwrap();
            assert_eq!(session.mysql().server_version(), release.version());
            assert_eq!(session.mysql().is_mariadb(), release.is_mariadb());
            let hello = server.hellos().pop().unwrap();
            let not_spoken = COMPRESS
                | ZSTD_COMPRESSION_ALGORITHM
                | OPTIONAL_RESULTSET_METADATA
                | QUERY_ATTRIBUTES
                | MULTI_FACTOR_AUTHENTICATION
                | CAN_HANDLE_EXPIRED_PASSWORDS
                | INTERACTIVE;
            assert_eq!(hello.flags & not_spoken, 0, "{:#x}", hello.flags);
            let spoken = PROTOCOL_41
                | SECURE_CONNECTION
                | PLUGIN_AUTH
                | CONNECT_ATTRS
                | SESSION_TRACK
                | DEPRECATE_EOF
                | FOUND_ROWS;
            assert_eq!(hello.flags & spoken, spoken, "{:#x}", hello.flags);
            assert_eq!(hello.flags & LONG_PASSWORD == 0, release.is_mariadb());
            assert_eq!(hello.mariadb_flags != 0, release.is_mariadb());
            assert_eq!((hello.user.as_str(), hello.database.as_deref()), ("app", Some("shop")));
            assert!(hello.attributes.iter().any(|(name, _)| name == "_client_name"));
        }
        // What a server does not have is not used, one by one.
        for without in [
            DEPRECATE_EOF,
            SESSION_TRACK,
            CONNECT_ATTRS,
            PLUGIN_AUTH_LENENC_CLIENT_DATA,
            PS_MULTI_RESULTS,
            DEPRECATE_EOF | SESSION_TRACK | CONNECT_ATTRS | PLUGIN_AUTH_LENENC_CLIENT_DATA,
            PLUGIN_AUTH | CONNECT_ATTRS,
        ] {
            let server = of(Release::Mysql80, Method::Native(secret())).without(without);
            let server = server.start().await.unwrap();
            log_in(&server, "app:secret", "").await.unwrap();
            assert_eq!(server.hellos()[0].flags & without, 0);
        }
    });
}

#[test]
fn a_unix_socket_is_private_to_caching_sha2_and_to_nothing_else() {
    run(async {
        let (guard, key) = key_file();
        let path = guard.path().join("mysql.sock");
        for method in [Method::CachingSha2(secret()), Method::Sha256(secret())] {
            let private = matches!(method, Method::CachingSha2(_));
            let server = of(Release::Mysql84, method).tls(certificates()).socket(&path);
            let server = server.start().await.unwrap();
            let url = |more: &str| {
                format!("mysql://app:secret@/shop?socket={}&tls=true&{more}", path.display())
            };
            match connect(&url("")).await {
                Ok(_) => assert!(private),
                Err(error) => {
                    assert!(!private && error.kind() == ErrorKind::Authentication, "{error}");
                }
            }
            server.forget_passwords();
            connect(&url(&format!("serverPubKey={}", key.display()))).await.unwrap();
            assert!(server.hellos().iter().all(|hello| !hello.encrypted));
            std::fs::remove_file(&path).unwrap();
        }
    });
}

#[test]
fn every_factor_of_an_account_has_a_password_of_its_own() {
    run(async {
        let account = || {
            Account::new("app")
                .method(Method::CachingSha2(secret()))
                .factor(Method::CachingSha2("second".to_owned()))
                .factor(Method::Clear("third".to_owned()))
        };
        let server = Scripted::new(Release::Mysql84).account(account()).tls(certificates()).start();
        let server = server.await.unwrap();
        let both = "password2=second&password3=third&allowCleartextPasswords=true";
        log_in(&server, "app:secret", both).await.unwrap();
        assert!(server.hellos()[0].flags & capability::MULTI_FACTOR_AUTHENTICATION != 0);
        for (parameters, code) in [
            // The server refuses who does not know of factors, and a wrong one.
            ("", Some("1045")),
            ("password2=x&password3=third&allowCleartextPasswords=true", Some("1045")),
            ("password2=second&password3=x&allowCleartextPasswords=true", Some("1045")),
            // The driver refuses what is not there or not allowed.
            ("password2=second&allowCleartextPasswords=true", None),
            ("password2=second&password3=third", None),
        ] {
            let error = log_in(&server, "app:secret", parameters).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Authentication, code), "{error}");
            for hidden in ["secret", "second", "third"] {
                // Its own words are of factors, not of passwords.
                assert!(!error.to_string().contains(hidden), "{error}");
            }
        }
    });
}
