//! Log-ins that do not succeed, and what each says.

use aquifer_driver::{Error, ErrorKind, Retry};
use aquifer_testkit::mysql::scripted::{Account, Failure, Method, Release, Scripted, Stage};
use aquifer_testkit::mysql::{Certificates, ServerCertificate};

use crate::support::{connect, run};

fn server() -> Scripted {
    let method = Method::CachingSha2("secret".into());
    Scripted::new(Release::Mysql84)
        .account(Account::new("app").method(method))
        .tls(Certificates::new(ServerCertificate::Good).unwrap())
}

/// What a log-in fails with.
async fn refused(server: Scripted, parameters: &str) -> Error {
    let server = server.start().await.unwrap();
    let opened = connect(&server.url("app:secret", parameters)).await;
    let error = opened.expect_err("the log-in must fail");
    assert!(error.nothing_sent(), "nothing that a caller has asked for");
    assert!(error.to_string().contains("no session with 127.0.0.1"), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    error
}

#[test]
fn an_error_at_any_stage_of_the_log_in_is_the_server_s_with_its_number() {
    use ErrorKind::{Authentication, Connect, Resources, UndefinedObject};
    run(async {
        let stages = [Stage::Greeting, Stage::Response, Stage::End, Stage::Setup];
        for (number, state, kind, retry) in [
            // Too many connections: of the server, of the account, in an hour.
            (1040, "08004", Resources, Retry::Safe),
            (1203, "42000", Resources, Retry::Safe),
            (1226, "42000", Resources, Retry::Safe),
            // The host is blocked, or not allowed.
            (1129, "HY000", Connect, Retry::Never),
            (1130, "HY000", Authentication, Retry::Never),
            (1045, "28000", Authentication, Retry::Never),
            (1049, "42000", UndefinedObject, Retry::Never),
            // The account is locked, for ever or for some days, its password has expired, or it must use TLS.
            (3118, "HY000", Authentication, Retry::Never),
            (3955, "HY000", Authentication, Retry::Never),
            (1862, "HY000", Authentication, Retry::Never),
            (3159, "HY000", Authentication, Retry::Never),
            // The server goes down, or is closed to all but administrators.
            (1053, "08S01", Connect, Retry::Safe),
            (3032, "HY000", Connect, Retry::Safe),
            // Nothing that anybody knows.
            (3999, "HY000", Connect, Retry::Safe),
        ] {
            for stage in &stages[..3] {
                let failure = Failure::new(number, state, "This is why");
                let error = refused(server().refuse(*stage, failure), "").await;
                assert_eq!((error.kind(), error.retry()), (kind, retry), "{number} {stage:?}");
                assert_eq!(error.code(), Some(number.to_string().as_str()));
                let state = (*stage != Stage::Greeting).then_some(state);
                assert_eq!(error.sqlstate(), state, "{number} {stage:?}");
                assert!(error.to_string().contains("This is why"), "{error}");
            }
        }
        let failure = || Failure::new(1227, "42000", "Access denied; you need more privileges");
        let error = refused(server().refuse(Stage::Setup, failure()), "").await;
        assert_eq!((error.kind(), error.code()), (ErrorKind::Permission, Some("1227")), "{error}");
        let asks = Account::new("app").method(Method::Native("secret".into()));
        let asks = Scripted::new(Release::Mysql84).account(asks);
        let error = refused(asks.refuse(Stage::Question, failure()), "").await;
        assert_eq!(error.code(), Some("1227"), "{error}");
    });
}

#[test]
fn a_plugin_that_the_driver_does_not_have_is_named_with_what_to_do() {
    run(async {
        for (plugin, says) in [
            ("dialog", "PAM"),
            ("authentication_ldap_sasl_client", "LDAP"),
            ("authentication_kerberos_client", "Kerberos"),
            ("auth_gssapi_client", "Kerberos"),
            ("authentication_windows_client", "Windows"),
            ("authentication_fido_client", "security key"),
            ("authentication_webauthn_client", "security key"),
            ("authentication_oci_client", "OCI"),
            ("authentication_openid_connect_client", "OpenID"),
            ("somebody_s_own", "caching_sha2_password"),
        ] {
            let asks = || {
                let account = Account::new("app").method(Method::Asks(plugin.into(), vec![7; 20]));
                server_of(account)
            };
            for parameters in ["tls=skip-verify", "tls=false", "allowNativePasswords=false"] {
                let error = refused(asks(), parameters).await;
                assert_eq!(error.kind(), ErrorKind::Authentication, "{plugin}: {error}");
                assert_eq!(error.retry(), Retry::Never);
                assert!(error.to_string().contains(&format!("`{plugin}`")), "{error}");
                let hint = error.hint().unwrap();
                assert!(hint.contains(says), "{plugin}: {hint}");
            }
        }
    });
}

fn server_of(account: Account) -> Scripted {
    Scripted::new(Release::Mysql84)
        .account(account)
        .tls(Certificates::new(ServerCertificate::Good).unwrap())
}

#[test]
fn a_further_factor_without_a_password_is_refused_and_says_so() {
    run(async {
        // The packet of `AuthNextFactor`.
        let packet = b"\x02authentication_webauthn_client\0challenge".to_vec();
        let account = Account::new("app").method(Method::Says(packet));
        let error = refused(server_of(account), "").await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Authentication, Retry::Never));
        assert!(error.to_string().contains("factor"), "{error}");
        assert!(error.hint().is_some(), "{error:?}");
    });
}

#[test]
fn what_is_no_log_in_is_a_protocol_error() {
    run(async {
        for payload in [
            b"".to_vec(),
            b"\xfe".to_vec(),
            b"\xfe\0".to_vec(),
            b"\x01".to_vec(),
            b"\x01\x07".to_vec(),
            b"\x01\x03\x03".to_vec(),
            b"\x07abc".to_vec(),
            b"\xfb/etc/passwd".to_vec(),
            b"\xff".to_vec(),
            b"\xff\x15".to_vec(),
            b"\0\0".to_vec(),
            b"\xfecaching_sha2_password".to_vec(),
            b"\xfecaching_sha2_password\0short".to_vec(),
            b"\xfeclient_ed25519\0short".to_vec(),
            vec![0x01; 70_000],
        ] {
            let account = Account::new("app").method(Method::Says(payload.clone()));
            let error = refused(server_of(account), "").await;
            let shown = &payload[..payload.len().min(9)];
            let kinds = [ErrorKind::Protocol, ErrorKind::Authentication];
            assert!(kinds.contains(&error.kind()), "{shown:?}: {error}");
        }
    });
}

#[test]
fn older_protocols_are_refused_by_name() {
    run(async {
        for version in [0, 9, 11, 254] {
            let error = refused(server().protocol(version), "").await;
            assert_eq!(error.kind(), ErrorKind::Protocol, "{version}");
            assert!(error.to_string().contains(&format!("version {version}")), "{error}");
            assert_eq!(error.retry(), Retry::Never, "{version}");
        }
        use aquifer_testkit::mysql::scripted::capability::{PROTOCOL_41, SECURE_CONNECTION};
        for without in [PROTOCOL_41, SECURE_CONNECTION] {
            let error = refused(server().without(without), "").await;
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Never));
            assert!(error.to_string().contains("4.1"), "{error}");
        }
    });
}
