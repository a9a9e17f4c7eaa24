//! Scripts played to clients that behave and to some that do not.
#![cfg(all(unix, feature = "postgres"))]

use aquifer_testkit::postgres::{Certificates, Frame, ServerCertificate, backend};
use aquifer_testkit::scripted::{Script, Scripted};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const STARTUP: &[u8] = b"\0\0\0\x09\0\x03\0\0\0";

fn connect(server: &Scripted) -> TcpStream {
    TcpStream::connect(server.address()).unwrap()
}

fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    stream.read_exact(&mut buffer).unwrap();
    buffer
}

fn start(scripts: impl IntoIterator<Item = Script>) -> Scripted {
    Scripted::start(scripts).unwrap()
}

#[test]
fn a_flight_is_what_the_client_sends_between_two_answers() {
    let script = Script::new().startup().send(backend::greeting());
    let script = script.expect("PBDES").send(backend::ready_for_query(b'I')).expect("X");
    let server = start([script]);
    let mut client = connect(&server);
    client.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").unwrap();
    assert_eq!(read(&mut client, 1), b"N");
    client.write_all(STARTUP).unwrap();
    read(&mut client, backend::greeting().len());
    for tag in b"PBDES" {
        client.write_all(&backend::message(*tag, b"")).unwrap();
    }
    assert_eq!(read(&mut client, 6), backend::ready_for_query(b'I'));
    client.write_all(&backend::message(b'X', b"")).unwrap();
    let played = server.finish();
    played[0].assert_completed();
    assert_eq!(played[0].client_flights(), ["!", "^", "PBDES", "X"]);
    assert_eq!(played[0].received.len(), 8 + 9 + 5 * 5 + 5);
    assert_eq!(played[0].flights[1][0].body, STARTUP[4..]);
}

#[test]
fn a_client_that_sends_something_else_fails_the_script_and_is_cut_off() {
    let server = start([Script::new().startup().expect("PS").send("never")]);
    let mut client = connect(&server);
    client.write_all(&[STARTUP, &backend::message(b'Q', b"x")].concat()).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let failure = server.finish()[0].failure.clone().unwrap();
    assert_eq!(failure, "step 2 (expect(\"PS\")): the client sent \"Q\"");
}

#[test]
fn a_client_that_leaves_or_is_silent_fails_the_script() {
    let patient = || Script::new().patience(Duration::from_millis(50)).startup();
    let server = start([patient(), Script::new().startup()]);
    let mut silent = connect(&server);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    drop(connect(&server));
    let played = server.finish();
    assert!(played[0].failure.as_ref().unwrap().ends_with("the client was silent for 50ms"));
    assert!(played[1].failure.as_ref().unwrap().ends_with("the client closed the connection"));
}

#[test]
#[should_panic(expected = "step 1 (startup): the client closed the connection")]
fn a_script_that_failed_is_not_completed() {
    let server = start([Script::new().startup()]);
    drop(connect(&server));
    server.finish()[0].assert_completed();
}

#[test]
fn pieces_arrive_complete_and_in_order() {
    let text = backend::error_response(&[(b'M', "a long story")]);
    let slow = Script::new().send_slowly(text.clone(), 7, Duration::from_millis(1));
    let server = start([Script::new().send_in_pieces(text.clone(), 1), slow]);
    for _ in 0..2 {
        let mut received = Vec::new();
        connect(&server).read_to_end(&mut received).unwrap();
        assert_eq!(received, text);
    }
}

#[test]
fn an_answer_is_made_from_what_the_client_sent() {
    let echo = |frames: &[Frame]| frames[0].body.clone();
    let server = start([Script::new().startup().expect("p").answer(echo)]);
    let mut client = connect(&server);
    client.write_all(&[STARTUP, &backend::message(b'p', b"nonce")].concat()).unwrap();
    assert_eq!(read(&mut client, 5), b"nonce");
}

#[test]
fn a_connection_ends_in_the_way_the_script_says() {
    let ends = [
        Script::new().send("a"),
        Script::new().send("a").half_close().await_bytes(4).await_close(),
        Script::new().send("a").reset(),
    ];
    let server = start(ends);
    let mut closed = connect(&server);
    assert_eq!(read(&mut closed, 1), b"a");
    assert_eq!(closed.read(&mut [0]).unwrap(), 0);

    let mut half = connect(&server);
    assert_eq!(read(&mut half, 1), b"a");
    assert_eq!(half.read(&mut [0]).unwrap(), 0);
    half.write_all(b"moreover").unwrap();
    half.shutdown(Shutdown::Both).unwrap();

    let mut reset = connect(&server);
    // What was sent may be lost with the reset.
    let error = std::iter::repeat_with(|| reset.read(&mut [0])).find_map(Result::err);
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::ConnectionReset));

    let played = server.finish();
    assert_eq!(played.len(), 3);
    played.iter().for_each(|played| played.assert_completed());
    assert_eq!(played[1].received, b"moreover");
}

#[test]
fn connections_without_a_script_are_counted_and_closed() {
    let server = start([Script::new().await_close()]);
    let first = connect(&server);
    let mut second = connect(&server);
    assert_eq!(second.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.surplus(), 1);
    drop(first);
    assert_eq!(server.finish().len(), 1);
}

#[test]
fn a_server_that_is_dropped_cuts_its_clients_off() {
    let server = start([Script::new().send("a").await_close()]);
    let (address, mut client) = (server.address(), connect(&server));
    assert_eq!(read(&mut client, 1), b"a");
    drop(server);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// The client's side of TLS that trusts this authority.
fn tls(certificates: &Certificates, protocols: &[&[u8]]) -> rustls::ClientConnection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates.authority.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    rustls::ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap()
}

#[test]
fn a_script_goes_on_encrypted_after_a_handshake() {
    for certificate in
        [ServerCertificate::Good, ServerCertificate::Sha384, ServerCertificate::Ed25519]
    {
        let certificates = Certificates::new(certificate).unwrap();
        let direct = Script::new().tls(certificates.clone()).startup().send("greeting").expect("X");
        let asked = Script::new().expect("!").send("S").tls(certificates.clone()).startup();
        let server = start([direct, asked.send("greeting").expect("X")]);
        for asks in [false, true] {
            let mut stream = connect(&server);
            if asks {
                stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").unwrap();
                assert_eq!(read(&mut stream, 1), b"S");
            }
            let protocols: &[&[u8]] = if asks { &[] } else { &[b"postgresql"] };
            let mut client = rustls::StreamOwned::new(tls(&certificates, protocols), stream);
            client.write_all(STARTUP).unwrap();
            let mut greeting = [0; 8];
            client.read_exact(&mut greeting).unwrap();
            assert_eq!(&greeting, b"greeting");
            client.write_all(&backend::message(b'X', b"")).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let played = server.finish();
        played.iter().for_each(|played| played.assert_completed());
        assert_eq!(played[0].client_flights(), ["^", "X"]);
        assert_eq!(played[1].client_flights(), ["!", "^", "X"]);
        assert_eq!(played[0].application_protocol.as_deref(), Some(&b"postgresql"[..]));
        assert_eq!(played[1].application_protocol, None);
    }
}
