//! Handshakes in memory: which certificates each mode accepts, and what is sent.

use std::path::PathBuf;
use std::sync::Arc;

use aquifer_driver::{Dsn, EmptyEnvironment};
use aquifer_net::GivenFiles;
use proptest::prelude::*;
use rcgen::{BasicConstraints, IsCa, SerialNumber};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::authority::{Authority, Server, expire, self_signed};
use super::*;
use crate::config::Config;

/// The files of a test: name, content; all readable by their owner only.
fn files(files: &[(&str, &str)]) -> GivenFiles {
    let file =
        |(name, text): &(&str, &str)| (PathBuf::from(*name), text.as_bytes().to_vec(), 0o600);
    GivenFiles(files.iter().map(file).collect())
}

fn load(text: &str, files: &GivenFiles) -> Result<(Config, Tls)> {
    let dsn = Dsn::native("postgres", &format!("user=app {text}"));
    let config = Config::read(&dsn, &EmptyEnvironment, files)?;
    let tls = Tls::load(&config.ssl, files)?;
    Ok((config, tls))
}

/// What the server saw of a client that got through.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    name: Option<String>,
    /// Certificates that the client sent.
    chain: usize,
}

/// A handshake between a client of this configuration and a server.
async fn handshake(
    text: &str,
    files: &GivenFiles,
    server: &Server<'_>,
) -> Result<Seen, rustls::Error> {
    let (config, tls) = load(text, files).unwrap();
    let name = tls.server_name(&config.hosts[0], [127, 0, 0, 1].into()).unwrap();
    let direct = config.ssl.negotiation == crate::config::SslNegotiation::Direct;
    let connector = TlsConnector::from(tls.client(direct).unwrap());
    let acceptor = TlsAcceptor::from(server.config());
    let (near, far) = tokio::io::duplex(1 << 16);
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    let error = |error: std::io::Error| match error.get_ref() {
        Some(inner) => inner.downcast_ref::<rustls::Error>().unwrap().clone(),
        None => rustls::Error::General(error.to_string()),
    };
    client.map_err(error)?;
    let server = server.map_err(error)?;
    let session = server.get_ref().1;
    Ok(Seen {
        name: session.server_name().map(str::to_owned),
        chain: session.peer_certificates().map_or(0, <[_]>::len),
    })
}

async fn accepted(text: &str, files: &GivenFiles, server: &Server<'_>) -> bool {
    match handshake(text, files, server).await {
        Ok(_) => true,
        Err(rustls::Error::InvalidCertificate(_)) => false,
        Err(error) => panic!("{text}: {error}"),
    }
}

#[tokio::test]
async fn each_mode_accepts_the_certificates_it_promises_to() {
    let authority = Authority::new("ours");
    let stranger = Authority::new("stranger");
    let roots = files(&[("/root", &authority.pem)]);
    let good = authority.issue(&["db1"]);
    let other_name = authority.issue(&["db2"]);
    let foreign = stranger.issue(&["db1"]);
    let own = self_signed(&["db1"], |_| ());
    let old = authority.issue_with(&["db1"], expire);
    let old_other_name = authority.issue_with(&["db2"], expire);
    let nameless = authority.issue(&[]);
    // In the order of the rows: prefer, require, require with roots, verify-ca, verify-full.
    for (what, certificate, expected) in [
        ("good", &good, [true, true, true, true, true]),
        ("another name", &other_name, [true, true, true, true, false]),
        ("no name", &nameless, [true, true, true, true, false]),
        ("another issuer", &foreign, [true, true, false, false, false]),
        ("self-signed", &own, [true, true, false, false, false]),
        ("expired", &old, [true, true, false, false, false]),
        ("expired, another name", &old_other_name, [true, true, false, false, false]),
    ] {
        let server = Server::new(certificate);
        let mut found = Vec::new();
        for mode in [
            "sslmode=prefer sslrootcert=/root",
            "sslmode=require sslrootcert=/missing",
            "sslmode=require sslrootcert=/root",
            "sslmode=verify-ca sslrootcert=/root",
            "sslmode=verify-full sslrootcert=/root",
        ] {
            found.push(accepted(&format!("host=db1 {mode}"), &roots, &server).await);
        }
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn addresses_are_checked_and_never_sent() {
    let authority = Authority::new("ours");
    let roots = files(&[("/root", &authority.pem)]);
    let issued = authority.issue(&["127.0.0.1", "::1", "db1"]);
    let server = Server::new(&issued);
    let full = "sslmode=verify-full sslrootcert=/root";
    for (host, name) in [("db1", Some("db1")), ("127.0.0.1", None), ("::1", None)] {
        let seen = handshake(&format!("host={host} {full}"), &roots, &server).await.unwrap();
        assert_eq!(seen.name.as_deref(), name, "{host}");
    }
    assert!(!accepted(&format!("host=10.0.0.1 {full}"), &roots, &server).await);
    let seen = handshake(&format!("host=db1 sslsni=0 {full}"), &roots, &server).await.unwrap();
    assert_eq!(seen.name, None);
    // The name is that of the host, whatever is dialled.
    assert!(accepted(&format!("host=db1 hostaddr=10.0.0.1 {full}"), &roots, &server).await);
}

#[tokio::test]
async fn a_certificate_among_the_roots_is_trusted_for_its_name_and_time() {
    // As `openssl req -x509` makes them: marked as an authority.
    let authority = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let own = self_signed(&["db1"], authority);
    let plain = self_signed(&["db1"], |_| ());
    let old = self_signed(&["db1"], |params| {
        authority(params);
        expire(params);
    });
    let future = self_signed(&["db1"], |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    });
    for (certificate, ca, full, other) in [
        (&own, true, true, false),
        (&plain, true, true, false),
        (&old, false, false, false),
        (&future, false, false, false),
    ] {
        let roots = files(&[("/root", &certificate.pem)]);
        let server = Server::new(certificate);
        let with = async |text: &str| {
            accepted(&format!("{text} sslrootcert=/root"), &roots, &server).await
        };
        assert_eq!(with("host=db2 sslmode=verify-ca").await, ca);
        assert_eq!(with("host=db1 sslmode=verify-full").await, full);
        assert_eq!(with("host=db2 sslmode=verify-full").await, other);
    }
}

#[tokio::test]
async fn what_is_revoked_is_refused() {
    let authority = Authority::new("ours");
    let list = authority.revoke(&[7]);
    let files = files(&[
        ("/root", &authority.pem),
        ("/list", &list),
        ("/bad", "-----BEGIN X509 CRL-----\n"),
    ]);
    let issue = |serial: u64| {
        authority.issue_with(&["db1"], |params| {
            params.serial_number = Some(SerialNumber::from(serial));
        })
    };
    let text = "host=db1 sslmode=verify-full sslrootcert=/root";
    let (revoked, good) = (issue(7), issue(8));
    let with_list = format!("{text} sslcrl=/list");
    assert!(!accepted(&with_list, &files, &Server::new(&revoked)).await);
    assert!(accepted(&with_list, &files, &Server::new(&good)).await);
    assert!(accepted(&format!("{text} sslcrl=/missing"), &files, &Server::new(&revoked)).await);
    let error = load(&format!("{text} sslcrl=/bad"), &files).unwrap_err();
    assert!(error.to_string().contains("/bad"), "{error}");
}

#[tokio::test]
async fn what_is_revoked_in_a_directory_of_lists_is_refused() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let files = files(&[
        ("/root", &format!("{}{}", authority.pem, other.pem)),
        ("/lists/0a1b2c3d.r0", &other.revoke(&[8])),
        ("/lists/0a1b2c3d.r1", &authority.revoke(&[7])),
        // OpenSSL would not look at these.
        ("/lists/0a1b2c3d.0", "a certificate"),
        ("/lists/README", "junk"),
        ("/bad/0a1b2c3d.r0", "-----BEGIN X509 CRL-----\n"),
        ("/empty/README", "no list"),
    ]);
    let issue = |serial: u64| {
        authority.issue_with(&["db1"], |params| {
            params.serial_number = Some(SerialNumber::from(serial));
        })
    };
    let text = "host=db1 sslmode=verify-full sslrootcert=/root";
    let (revoked, good) = (issue(7), issue(8));
    let listed = format!("{text} sslcrldir=/lists");
    assert!(!accepted(&listed, &files, &Server::new(&revoked)).await);
    assert!(accepted(&listed, &files, &Server::new(&good)).await);
    for (text, part) in [
        ("sslcrldir=/bad", "/bad/0a1b2c3d.r0"),
        ("sslcrldir=/none", "/none"),
        ("sslcrldir=/empty", "/empty"),
    ] {
        let error =
            load(&format!("sslmode=verify-full sslrootcert=/root {text}"), &files).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_encrypted_key_is_opened_by_its_password_and_by_nothing_else() {
    let plain = include_str!("fixtures/client_key.pem");
    let pair = rcgen::KeyPair::from_pem(plain).unwrap();
    let client =
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap().pem();
    let authority = Authority::new("ours");
    let issued = authority.issue(&["db1"]);
    let server = Server { clients: Some(&client), ..Server::new(&issued) };
    let aes = include_str!("fixtures/client_key_aes.pem");
    let der = {
        let digits: String = aes.lines().filter(|line| !line.starts_with('-')).collect();
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, digits).unwrap()
    };
    let mut given = files(&[
        ("/root", &authority.pem),
        ("/crt", &client),
        ("/plain", plain),
        ("/aes", aes),
        ("/with-text", &format!("Bag Attributes\n    friendlyName: app\n{aes}")),
        ("/des3", include_str!("fixtures/client_key_des3.pem")),
        ("/scrypt", include_str!("fixtures/client_key_scrypt.pem")),
        ("/legacy", include_str!("fixtures/client_key_legacy.pem")),
        ("/pbes1", include_str!("fixtures/client_key_pbes1.pem")),
    ]);
    given.0.push(("/der".into(), der, 0o600));
    let text = "host=db1 sslmode=verify-full sslrootcert=/root sslcert=/crt";
    for key in ["/plain", "/aes", "/with-text", "/der", "/des3", "/scrypt"] {
        let text = format!("{text} sslkey={key} sslpassword=hunter2");
        assert_eq!(handshake(&text, &given, &server).await.unwrap().chain, 1, "{key}");
        if key == "/plain" {
            continue;
        }
        for (password, part) in [("", "is encrypted"), ("sslpassword=hunter3", "does not open")] {
            let text = format!("sslmode=require sslcert=/crt sslkey={key} {password}");
            let error = load(&text, &given).unwrap_err();
            assert!(error.to_string().contains(part), "{key}: {error}");
            assert!(!format!("{error:?}").contains("hunter3"));
        }
    }
    for key in ["/legacy", "/pbes1"] {
        let text = format!("sslmode=require sslcert=/crt sslkey={key} sslpassword=hunter2");
        let error = load(&text, &given).unwrap_err();
        assert!(error.to_string().contains("not supported"), "{key}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_required_must_be_there_and_be_asked_for() {
    let authority = Authority::new("ours");
    let (issued, client) = (authority.issue(&["db1"]), authority.issue(&["app"]));
    let given = files(&[("/root", &authority.pem), ("/crt", &client.pem), ("/key", &client.key)]);
    let text = "host=db1 sslmode=verify-full sslrootcert=/root sslcertmode=require";
    for missing in ["", "sslcert=/missing"] {
        let error = load(&format!("{text} {missing}"), &given).unwrap_err();
        assert!(error.to_string().contains("sslcertmode=require"), "{error}");
    }
    for (clients, enough) in [(Some(&*authority.pem), true), (None, false)] {
        let server = Server { clients, ..Server::new(&issued) };
        let (config, tls) = load(&format!("{text} sslcert=/crt sslkey=/key"), &given).unwrap();
        let name = tls.server_name(&config.hosts[0], [127, 0, 0, 1].into()).unwrap();
        // Not once: a resumed session would ask for nothing.
        for _ in 0..2 {
            let (client, asked) = tls.handshake(false).unwrap();
            let acceptor = TlsAcceptor::from(server.config());
            let (near, far) = tokio::io::duplex(1 << 16);
            let connector = TlsConnector::from(client);
            let (near, far) =
                tokio::join!(connector.connect(name.clone(), near), acceptor.accept(far));
            near.unwrap();
            far.unwrap();
            assert_eq!(asked.is_enough(), enough);
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_sent_with_the_issuers_that_are_known() {
    let authority = Authority::new("ours");
    let between = authority.intermediate("between");
    let server = authority.issue(&["db1"]);
    let client = between.issue(&["app"]);
    let roots = format!("{}{}", authority.pem, between.pem);
    let given = files(&[("/root", &roots), ("/crt", &client.pem), ("/key", &client.key)]);
    let server = Server { clients: Some(&authority.pem), ..Server::new(&server) };
    let text = "host=db1 sslmode=verify-full sslrootcert=/root";
    let with = format!("{text} sslcert=/crt sslkey=/key");
    assert_eq!(handshake(&with, &given, &server).await.unwrap().chain, 2);
    for without in
        [format!("{with} sslcertmode=disable"), format!("{text} sslcert=/missing sslkey=/key")]
    {
        handshake(&without, &given, &server).await.unwrap_err();
    }
    let inline = format!(
        "host=db1 sslmode=verify-full sslinline=true sslrootcert='{roots}' sslcert='{}' sslkey='{}'",
        client.pem, client.key
    );
    assert_eq!(handshake(&inline, &files(&[]), &server).await.unwrap().chain, 2);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new("ours");
    let (client, other) = (authority.issue(&["app"]), authority.issue(&["other"]));
    let encrypted = include_str!("fixtures/encrypted_key.pem");
    let mut given = files(&[
        ("/root", &authority.pem),
        ("/crt", &client.pem),
        ("/key", &client.key),
        ("/other", &other.key),
        ("/open", &client.key),
        ("/encrypted", encrypted),
        ("/junk", "hunter2"),
        ("/empty", ""),
    ]);
    given.0[4].2 = 0o640;
    for (text, parts) in [
        ("sslmode=verify-full sslrootcert=/missing", ["/missing", "verify-full"]),
        ("sslmode=verify-ca sslinline=1", ["verify-ca", "sslrootcert"]),
        ("sslmode=verify-ca sslrootcert=/junk", ["/junk", "no certificate"]),
        ("sslmode=require sslrootcert=/empty", ["/empty", "no certificate"]),
        ("sslcert=/junk sslkey=/key", ["/junk", "no certificate"]),
        ("sslcert=/crt sslkey=/missing", ["/missing", "does not exist"]),
        ("sslcert=/crt sslkey=/open", ["/open", "0600"]),
        ("sslcert=/crt sslkey=/encrypted", ["/encrypted", "is encrypted"]),
        ("sslcert=/crt sslkey=/junk", ["/junk", "neither in PEM nor in DER"]),
        ("sslcert=/crt sslkey=/root", ["/root", "no key"]),
        ("sslcert=/crt sslkey=/other", ["client certificate", "key"]),
        ("sslcert=/crt sslinline=1", ["`sslcert`", "no certificate"]),
    ] {
        let error = load(text, &given).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        for part in parts {
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    load("sslmode=disable sslcert=/junk sslrootcert=/junk", &given).unwrap();
}

#[tokio::test]
async fn versions_of_tls_have_bounds() {
    static OLD: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
    static NEW: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
    let authority = Authority::new("ours");
    let issued = authority.issue(&["db1"]);
    let none = files(&[]);
    for (text, versions, agreed) in [
        ("ssl_max_protocol_version=TLSv1.2", &OLD, true),
        ("ssl_max_protocol_version=TLSv1.2", &NEW, false),
        ("ssl_min_protocol_version=TLSv1.3", &OLD, false),
        ("ssl_min_protocol_version=TLSv1.3", &NEW, true),
        ("ssl_min_protocol_version=TLSv1", &OLD, true),
    ] {
        let server = Server { versions, ..Server::new(&issued) };
        let found = handshake(&format!("host=db1 sslmode=require {text}"), &none, &server).await;
        assert_eq!(found.is_ok(), agreed, "{text}: {found:?}");
    }
}

#[tokio::test]
async fn certificates_of_version_1_work_where_no_chain_is_checked() {
    let pem = include_str!("fixtures/version_1.pem");
    let none = files(&[]);
    let issued = super::authority::Issued { pem: pem.to_owned(), key: pem.to_owned() };
    let server = Server::new(&issued);
    assert!(accepted("host=db1 sslmode=require", &none, &server).await);
    let itself = files(&[("/root", pem)]);
    assert!(accepted("host=db1 sslmode=verify-ca sslrootcert=/root", &itself, &server).await);
    let other = files(&[("/root", &Authority::new("ours").pem)]);
    assert!(!accepted("host=db1 sslmode=verify-ca sslrootcert=/root", &other, &server).await);
    assert!(
        !accepted("host=localhost sslmode=verify-full sslrootcert=/root", &itself, &server).await
    );
}

#[tokio::test]
async fn a_certificate_whose_key_the_server_does_not_have_is_refused_in_every_mode() {
    let authority = Authority::new("ours");
    let (issued, other) = (authority.issue(&["db1"]), authority.issue(&["db1"]));
    let old = include_str!("fixtures/version_1.pem");
    let given = files(&[("/root", &authority.pem), ("/old", old)]);
    for chain in [issued.pem.as_str(), old] {
        let stolen = Server { chain, key: &other.key, ..Server::new(&issued) };
        for text in [
            "sslmode=prefer",
            "sslmode=require",
            "sslmode=verify-ca sslrootcert=/root",
            "sslmode=verify-ca sslrootcert=/old",
        ] {
            let found = handshake(&format!("host=db1 {text}"), &given, &stolen).await;
            assert!(
                matches!(found, Err(rustls::Error::InvalidCertificate(_))),
                "{text}: {found:?}"
            );
        }
    }
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused_where_names_are_checked() {
    let authority = Authority::new("ours");
    let given = files(&[("/root", &authority.pem)]);
    let name = |text: &str| {
        let (config, tls) = load(text, &given).unwrap();
        tls.server_name(&config.hosts[0], [127, 0, 0, 1].into())
    };
    let error = name("host='a b' sslmode=verify-full sslrootcert=/root").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let address = ServerName::IpAddress(IpAddr::from([127, 0, 0, 1]).into());
    assert_eq!(name("host='a b' sslmode=require").unwrap(), address);
    assert_eq!(name("hostaddr=10.0.0.1 sslmode=require").unwrap(), address);
    let dns = |name: &'static str| ServerName::DnsName(DnsName::try_from(name).unwrap());
    assert_eq!(name("host=db_1 sslmode=require").unwrap(), dns("db_1"));
}

/// Made with OpenSSL 3.0: a certificate for each algorithm, and `openssl dgst` of it. The line before
/// each has its name and, where RFC 5929 defines one, the hash.
const END_POINTS: &str = include_str!("fixtures/end_points.pem");

#[test]
fn end_points_are_hashed_as_their_certificates_are_signed() {
    let mut count = 0;
    for part in END_POINTS.split("-----END CERTIFICATE-----\n").filter(|part| !part.is_empty()) {
        let (line, body) = part.split_once('\n').unwrap();
        let (name, expected) = line.split_once(' ').unwrap_or((line, ""));
        let pem = format!("{body}-----END CERTIFICATE-----\n");
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let found = end_point_hash(&der).unwrap_or_default();
        let hex: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected.trim_end(), "{name}");
        count += 1;
    }
    assert_eq!(count, 14);
    assert_eq!(end_point_hash(b""), None);
    assert_eq!(end_point_hash(&[0x30, 0x80]), None);
}

proptest! {
    #[test]
    fn no_certificate_is_too_broken_to_be_hashed_or_left(
        which in 0usize..14, at: prop::sample::Index, byte: u8, length: prop::sample::Index,
    ) {
        let part = END_POINTS.split_inclusive("-----END CERTIFICATE-----\n").nth(which).unwrap();
        let mut der = CertificateDer::from_pem_slice(part.as_bytes()).unwrap().to_vec();
        let index = at.index(der.len());
        der[index] = byte;
        let hashed = end_point_hash(&der);
        prop_assert!(hashed.is_none_or(|hash| [28, 32, 48, 64].contains(&hash.len())));
        prop_assert_eq!(end_point_hash(&der[..length.index(der.len())]), None);
    }
}

#[test]
fn the_process_has_no_default_provider_because_of_us() {
    let (_, tls) = load("sslmode=require", &files(&[])).unwrap();
    assert_eq!(Arc::strong_count(&tls.client(false).unwrap()), 2);
    assert!(CryptoProvider::get_default().is_none());
}
