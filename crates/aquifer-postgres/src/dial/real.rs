//! Dialling real servers: what each mode makes of each kind of server, up to the word that the user is in.

use std::path::Path;

use aquifer_driver::{Dsn, Environment};
use aquifer_net::SystemFiles;
use aquifer_testkit::postgres::{Auth, Server, ServerCertificate, Settings};

use super::plan::Plan;
use super::*;
use crate::ServerError;
use crate::config::Config;

/// No variables, and a home directory without files.
struct Nowhere;

impl Environment for Nowhere {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

/// Goes through the plan until a server lets the user in.
async fn connect(text: &str) -> Result<Dialled> {
    let config = Config::from_dsn(&Dsn::native("postgres", text), &Nowhere)?;
    let tls = Tls::load(&config.ssl, &SystemFiles)?;
    let mut plan = Plan::new(&config, 7);
    while let Some(attempt) = plan.next() {
        let host = &config.hosts[attempt.host];
        match dial(host, &config.tcp, &tls, None, attempt.encryption, attempt.shuffle).await {
            Ok(mut dialled) => match start(&config, &mut dialled.stream).await {
                Ok(()) => return Ok(dialled),
                Err(error) => plan.failed(Failure::of_session(&error, dialled.tls()), error),
            },
            Err(undialled) => plan.failed(undialled.failure, undialled.error),
        }
    }
    Err(plan.into_error())
}

/// Sends the startup packet and reads until the session is ready. Only trust and certificates.
async fn start(config: &Config, stream: &mut Stream) -> Result<()> {
    let mut body = config.max_protocol_version.number().to_be_bytes().to_vec();
    for (name, value) in config.startup_parameters() {
        body.extend_from_slice(&[name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    let lost = |error: io::Error| Error::new(ErrorKind::Connect, error.to_string());
    stream.write_all(&[&length[..], &body].concat()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.map_err(lost)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.map_err(lost)?;
        match head[0] {
            b'Z' => return Ok(()),
            b'E' => return Err(ServerError::parse(&body)?.into_connect_error()),
            b'R' => assert_eq!(body, [0; 4], "the server asks for a password"),
            _ => {}
        }
    }
}

fn tcp(server: &Server, more: &str) -> String {
    format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=aquifer dbname=aquifer {more}",
        server.port()
    )
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[tokio::test]
async fn every_mode_reaches_a_server_with_a_good_certificate() {
    let server = Server::start(Settings::new().tls(ServerCertificate::Good)).unwrap();
    let root = server.ca_path();
    for (mode, encrypted) in [
        ("disable", false),
        ("allow", false),
        ("prefer", true),
        ("require", true),
        ("verify-ca", true),
        ("verify-full", true),
    ] {
        let text = tcp(&server, &format!("sslmode={mode} sslrootcert={}", shown(&root)));
        let dialled = connect(&text).await.unwrap();
        assert_eq!(dialled.tls(), encrypted, "{mode}");
        assert_eq!(dialled.end_point.is_some(), encrypted, "{mode}");
    }
    let text = format!(
        "host={} port={} user=aquifer sslmode=verify-full sslrootcert={}",
        shown(server.socket_dir()),
        server.port(),
        shown(&root)
    );
    assert!(!connect(&text).await.unwrap().tls(), "sockets are never encrypted");
}

#[tokio::test]
async fn allow_goes_on_to_tls_where_the_server_insists() {
    let server = Server::start(Settings::new().tls_required()).unwrap();
    assert!(connect(&tcp(&server, "sslmode=allow")).await.unwrap().tls());
    assert!(connect(&tcp(&server, "sslmode=prefer")).await.unwrap().tls());
    let error = connect(&tcp(&server, "sslmode=disable")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(error.sqlstate(), Some("28000"));
}

#[tokio::test]
async fn a_server_without_tls_is_reached_only_by_modes_that_can_do_without() {
    let server = Server::start(Settings::new()).unwrap();
    assert!(!connect(&tcp(&server, "sslmode=prefer")).await.unwrap().tls());
    let error = connect(&tcp(&server, "sslmode=require")).await.unwrap_err();
    assert!(error.to_string().contains("does not do TLS"), "{error}");
    // The first host has no server, the second has.
    let text = format!(
        "host=127.0.0.1,127.0.0.1 port=1,{} user=aquifer load_balance_hosts=random",
        server.port()
    );
    connect(&text).await.unwrap();
    let error =
        connect(&tcp(&server, "dbname=missing target_session_attrs=any")).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("3D000"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_host_passes_verify_ca_only() {
    let server = Server::start(Settings::new().tls(ServerCertificate::WrongHost)).unwrap();
    let with = |mode: &str| {
        tcp(&server, &format!("sslmode={mode} sslrootcert={}", shown(&server.ca_path())))
    };
    assert!(connect(&with("verify-ca")).await.unwrap().tls());
    let error = connect(&with("verify-full")).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.to_string().contains("another host"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_lets_its_role_in() {
    let settings = Settings::new().tls(ServerCertificate::Good).auth(Auth::Cert);
    let server = Server::start(settings).unwrap();
    let root = format!("sslmode=verify-full sslrootcert={}", shown(&server.ca_path()));
    let identity = format!(
        "{root} sslcert={} sslkey={}",
        shown(&server.client_certificate_path()),
        shown(&server.client_key_path())
    );
    assert!(connect(&tcp(&server, &identity)).await.unwrap().tls());
    let error = connect(&tcp(&server, &root)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
}
