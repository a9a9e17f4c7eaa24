//! Whole exchanges, against a server written down here.

use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

const PASSWORD: &str = "hunter2";
const OK: [u8; 4] = [0; 4];
const END_POINT: &[u8] = b"hash of the certificate";

struct Setup {
    policy: Policy,
    identity: Identity,
    salted: Arc<SaltedPasswords>,
}

impl Setup {
    fn new() -> Self {
        Self {
            policy: Policy::default(),
            identity: Identity {
                user: "app".to_owned(),
                password: Some(PASSWORD.into()),
                token: None,
                tls: false,
                end_point: None,
            },
            salted: Arc::new(SaltedPasswords::new(SaltedPasswords::ENTRIES)),
        }
    }

    fn tls(mut self) -> Self {
        self.identity.tls = true;
        self.identity.end_point = Some(END_POINT.to_vec());
        self
    }

    fn require_auth(mut self, text: &str) -> Self {
        self.policy.require_auth = RequireAuth::parse(text).unwrap();
        self
    }

    fn channel_binding(mut self, binding: ChannelBinding) -> Self {
        self.policy.channel_binding = binding;
        self
    }

    fn password(mut self, password: &str) -> Self {
        self.identity.password = Some(password.into());
        self
    }

    fn no_password(mut self) -> Self {
        self.identity.password = None;
        self
    }

    fn token(mut self, token: &str) -> Self {
        self.identity.token = Some(token.into());
        self
    }

    fn start(&self) -> Client {
        let (policy, identity) = (self.policy.clone(), self.identity.clone());
        let salted = Arc::clone(&self.salted);
        Client(Authenticator::new(policy, identity, salted, [7; NONCE_BYTES]))
    }

    /// The error of the first request.
    fn refusal(&self, request: &[u8]) -> Error {
        let mut client = self.start();
        let error = client.ask(request).unwrap_err();
        let again = client.ask(&OK).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Protocol, "a failed exchange stays failed");
        error
    }
}

struct Client(Authenticator);

impl Client {
    /// The payload of the one frame that was answered, empty if none was.
    fn ask(&mut self, request: &[u8]) -> aquifer_driver::Result<(Progress, Vec<u8>)> {
        let mut out = b"before".to_vec();
        let progress = self.0.on_request(request, &mut out).inspect_err(|error| {
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains(PASSWORD), "{shown}");
        });
        let frame = out.strip_prefix(b"before").unwrap();
        let progress = match progress {
            Ok(progress) => progress,
            Err(error) => {
                assert!(frame.is_empty(), "nothing is sent after a refusal");
                return Err(error);
            }
        };
        if frame.is_empty() {
            return Ok((progress, Vec::new()));
        }
        assert_eq!(frame[0], b'p');
        let length = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!(length as usize, frame.len() - 1);
        Ok((progress, frame[5..].to_vec()))
    }

    fn done(&mut self) {
        assert_eq!(self.ask(&OK).unwrap(), (Progress::Done, Vec::new()));
    }
}

fn request(code: u8, body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, code], body].concat()
}

fn sasl(mechanisms: &[&str]) -> Vec<u8> {
    let names: String = mechanisms.iter().map(|name| format!("{name}\0")).collect();
    request(10, format!("{names}\0").as_bytes())
}

const BOTH: [&str; 2] = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];

/// The server of RFC 5802, with its own arithmetic.
struct ScramServer {
    mechanism: String,
    header: String,
    first_bare: String,
    first: String,
    salted: [u8; 32],
}

impl ScramServer {
    /// From SASLInitialResponse.
    fn accept(initial: &[u8], password: &str) -> Self {
        let end = initial.iter().position(|byte| *byte == 0).unwrap();
        let mechanism = String::from_utf8(initial[..end].to_vec()).unwrap();
        let rest = &initial[end + 1..];
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
        assert_eq!(length as usize, rest.len() - 4);
        let message = std::str::from_utf8(&rest[4..]).unwrap();
        let bare_at = message.match_indices(',').nth(1).unwrap().0 + 1;
        let (header, bare) = message.split_at(bare_at);
        let nonce = bare.strip_prefix("n=,r=").unwrap();
        assert_eq!(STANDARD.decode(nonce).unwrap().len(), NONCE_BYTES);
        let salt = b"0123456789abcdef";
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, 16, &mut salted);
        Self {
            mechanism,
            header: header.to_owned(),
            first_bare: bare.to_owned(),
            first: format!("r={nonce}server,s={},i=16", STANDARD.encode(salt)),
            salted,
        }
    }

    fn continue_request(&self) -> Vec<u8> {
        request(11, self.first.as_bytes())
    }

    /// Checks the client's proof and binding; the server's own proof.
    fn finish(&self, client_final: &[u8], bound: &[u8]) -> Vec<u8> {
        let message = std::str::from_utf8(client_final).unwrap();
        let (without_proof, proof) = message.split_once(",p=").unwrap();
        let (binding, nonce) = without_proof.split_once(",r=").unwrap();
        let binding = STANDARD.decode(binding.strip_prefix("c=").unwrap()).unwrap();
        assert_eq!(binding, [self.header.as_bytes(), bound].concat());
        assert!(self.first.starts_with(&format!("r={nonce},")));

        let signed = format!("{},{},{without_proof}", self.first_bare, self.first);
        let mac = |key: &[u8], text: &[u8]| -> [u8; 32] {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text);
            mac.finalize().into_bytes().into()
        };
        let client_key = mac(&self.salted, b"Client Key");
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let signature = mac(&stored_key, signed.as_bytes());
        let proof = STANDARD.decode(proof).unwrap();
        let recovered: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(recovered, client_key, "the client's proof");

        let server_key = mac(&self.salted, b"Server Key");
        let signature = STANDARD.encode(mac(&server_key, signed.as_bytes()));
        request(12, format!("v={signature}").as_bytes())
    }
}

/// A whole SCRAM log-in; the server as it saw the client.
fn log_in(setup: &Setup, mechanisms: &[&str], password: &str, bound: &[u8]) -> ScramServer {
    let mut client = setup.start();
    let (_, initial) = client.ask(&sasl(mechanisms)).unwrap();
    let server = ScramServer::accept(&initial, password);
    let (_, last) = client.ask(&server.continue_request()).unwrap();
    let (progress, nothing) = client.ask(&server.finish(&last, bound)).unwrap();
    assert_eq!((progress, nothing.len()), (Progress::Continue, 0));
    client.done();
    server
}

#[test]
fn a_trusting_server_is_taken_at_its_word() {
    Setup::new().start().done();
    Setup::new().no_password().start().done();
}

#[test]
fn a_cleartext_password_is_sent_with_its_nul() {
    let mut client = Setup::new().start();
    assert_eq!(client.ask(&request(3, b"")).unwrap(), (Progress::Continue, b"hunter2\0".to_vec()));
    client.done();
}

#[test]
fn an_md5_password_is_salted() {
    let mut client = Setup::new().start();
    let (_, answer) = client.ask(&request(5, &[1, 2, 3, 4])).unwrap();
    assert_eq!(answer, [md5::response("app", b"hunter2", [1, 2, 3, 4]).as_bytes(), b"\0"].concat());
    client.done();
}

#[test]
fn scram_without_tls_is_not_bound() {
    let server = log_in(&Setup::new(), &["SCRAM-SHA-256"], PASSWORD, b"");
    assert_eq!((&*server.mechanism, &*server.header), ("SCRAM-SHA-256", "n,,"));
}

#[test]
fn scram_over_tls_is_bound_to_the_certificate() {
    for binding in [ChannelBinding::Prefer, ChannelBinding::Require] {
        let setup = Setup::new().tls().channel_binding(binding);
        let server = log_in(&setup, &BOTH, PASSWORD, END_POINT);
        assert_eq!(server.mechanism, "SCRAM-SHA-256-PLUS");
        assert_eq!(server.header, "p=tls-server-end-point,,");
    }
}

#[test]
fn a_client_that_could_bind_says_so_when_it_is_not_offered() {
    let server = log_in(&Setup::new().tls(), &["SCRAM-SHA-256"], PASSWORD, b"");
    assert_eq!((&*server.mechanism, &*server.header), ("SCRAM-SHA-256", "y,,"));
}

#[test]
fn a_client_that_may_not_or_cannot_bind_does_not_claim_to() {
    let disabled = Setup::new().tls().channel_binding(ChannelBinding::Disable);
    assert_eq!(log_in(&disabled, &BOTH, PASSWORD, b"").header, "n,,");
    let mut no_hash = Setup::new().tls();
    no_hash.identity.end_point = None;
    assert_eq!(log_in(&no_hash, &BOTH, PASSWORD, b"").header, "n,,");
    // And the exchange fails if that is all there is.
    assert_eq!(disabled.refusal(&sasl(&BOTH[..1])).kind(), ErrorKind::Authentication);
}

#[test]
fn required_binding_that_cannot_be_had_is_refused_before_anything_is_sent() {
    let require = || Setup::new().channel_binding(ChannelBinding::Require);
    for (setup, ask, reason) in [
        (require(), sasl(&["SCRAM-SHA-256"]), "the connection has no TLS"),
        (require().tls(), sasl(&["SCRAM-SHA-256"]), "without it"),
        (require().tls(), request(3, b""), "without it"),
        (require().tls(), request(5, &[0; 4]), "without it"),
        (require().tls(), OK.to_vec(), "without it"),
    ] {
        let error = setup.refusal(&ask);
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(error.message().starts_with("channel binding is required"), "{error}");
        assert!(error.message().contains(reason), "{error}");
    }
    let mut no_hash = require().tls();
    no_hash.identity.end_point = None;
    assert!(no_hash.refusal(&sasl(&BOTH)).message().contains("has no hash"));
}

#[test]
fn plus_without_tls_is_a_sign_of_somebody_between() {
    let error = Setup::new().refusal(&sasl(&BOTH));
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("without TLS"), "{error}");
}

#[test]
fn a_second_log_in_derives_nothing() {
    let setup = Setup::new();
    for _ in 0..3 {
        log_in(&setup, &["SCRAM-SHA-256"], PASSWORD, b"");
    }
    assert_eq!(setup.salted.derivations(), 1);
}

#[test]
fn a_password_outside_ascii_is_prepared() {
    let setup = Setup::new().password("p\u{ad}\u{2168}");
    log_in(&setup, &["SCRAM-SHA-256"], "pIX", b"");
}

#[test]
fn the_server_must_prove_itself_before_it_is_content() {
    let setup = Setup::new();
    let mut client = setup.start();
    client.ask(&sasl(&["SCRAM-SHA-256"])).unwrap();
    let error = client.ask(&OK).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);

    let mut client = setup.start();
    let (_, initial) = client.ask(&sasl(&["SCRAM-SHA-256"])).unwrap();
    let server = ScramServer::accept(&initial, PASSWORD);
    client.ask(&server.continue_request()).unwrap();
    let error = client.ask(&OK).unwrap_err();
    assert!(error.message().contains("without proof"), "{error}");
}

#[test]
fn a_server_with_another_password_is_found_out() {
    let mut client = Setup::new().start();
    let (_, initial) = client.ask(&sasl(&["SCRAM-SHA-256"])).unwrap();
    let server = ScramServer::accept(&initial, "other");
    client.ask(&server.continue_request()).unwrap();
    let signature = STANDARD.encode([0; 32]);
    let error = client.ask(&request(12, format!("v={signature}").as_bytes())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.message().contains("could not prove"), "{error}");
}

#[test]
fn require_auth_is_checked_before_anything_is_sent() {
    for (require, ask, what) in [
        ("scram-sha-256", request(3, b""), "requested \"password\""),
        ("scram-sha-256", request(5, &[0; 4]), "requested \"md5\""),
        ("md5,none", sasl(&["SCRAM-SHA-256"]), "requested \"scram-sha-256\""),
        ("!gss", request(7, b""), "requested \"gss\""),
        ("none", request(9, b""), "requested \"sspi\""),
        ("!oauth", sasl(&["OAUTHBEARER"]), "requested \"oauth\""),
        ("!none", OK.to_vec(), "server did not perform any authentication"),
        ("md5", OK.to_vec(), "server did not perform any authentication"),
    ] {
        let error = Setup::new().require_auth(require).refusal(&ask);
        assert_eq!(error.kind(), ErrorKind::Authentication);
        let expected = format!("authentication method requirement \"{require}\" failed: ");
        assert!(error.message().starts_with(&expected), "{error}");
        assert!(error.message().ends_with(what), "{error}");
    }
    Setup::new().require_auth("none").start().done();
    Setup::new().require_auth("!md5").start().done();
    log_in(&Setup::new().require_auth("!md5,!none"), &["SCRAM-SHA-256"], PASSWORD, b"");
}

#[test]
fn a_missing_password_names_where_one_may_come_from() {
    for setup in [Setup::new().no_password(), Setup::new().password("")] {
        for ask in [request(3, b""), request(5, &[0; 4]), sasl(&["SCRAM-SHA-256"])] {
            let error = setup.refusal(&ask);
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(error.message().contains("\"app\""), "{error}");
            let hint = error.hint().unwrap();
            for place in ["URL", "PGPASSWORD", "PGPASSFILE"] {
                assert!(hint.contains(place), "{hint}");
            }
        }
    }
}

#[test]
fn a_password_that_cannot_be_sent_is_refused() {
    let error = Setup::new().password("hunter2\0x").refusal(&request(3, b""));
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn methods_that_are_not_there_are_named_with_what_to_change() {
    for (ask, name) in [
        (request(7, b""), "GSSAPI (7)"),
        (request(9, b""), "SSPI (9)"),
        (request(2, b""), "Kerberos V5 (2)"),
        (request(99, b""), "method 99"),
        (sasl(&["GS2-KRB5", "EXTERNAL"]), "GS2-KRB5, EXTERNAL"),
    ] {
        let error = Setup::new().refusal(&ask);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(name), "{error}");
        assert!(error.hint().unwrap().contains("pg_hba.conf"), "{error}");
        assert!(error.nothing_sent());
    }
}

#[test]
fn a_token_is_sent_over_tls_only() {
    let ask = sasl(&["OAUTHBEARER"]);
    let mut client = Setup::new().tls().token("t0ken").start();
    let (_, answer) = client.ask(&ask).unwrap();
    assert_eq!(answer, b"OAUTHBEARER\0\0\0\0\x17n,,\x01auth=Bearer t0ken\x01\x01");
    client.done();

    let error = Setup::new().token("t0ken").refusal(&ask);
    assert!(error.message().contains("without TLS"), "{error}");
    assert!(!format!("{error:?}").contains("t0ken"));
    assert!(Setup::new().tls().refusal(&ask).message().contains("none is given"));
}

#[test]
fn a_refused_token_is_acknowledged_and_then_nothing_more() {
    let mut client = Setup::new().tls().token("t0ken").start();
    client.ask(&sasl(&["OAUTHBEARER"])).unwrap();
    let refusal = request(11, br#"{"status":"invalid_token"}"#);
    assert_eq!(client.ask(&refusal).unwrap(), (Progress::Continue, vec![1]));
    assert_eq!(client.ask(&OK).unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn a_malformed_request_ends_the_exchange() {
    assert_eq!(Setup::new().refusal(&[0, 0, 0]).kind(), ErrorKind::Protocol);
    assert_eq!(Setup::new().refusal(&request(5, b"abc")).kind(), ErrorKind::Protocol);
}

#[test]
fn requests_out_of_order_are_refused() {
    for first in [request(8, b""), request(11, b"r=x"), request(12, b"v=x")] {
        assert_eq!(Setup::new().refusal(&first).kind(), ErrorKind::Protocol);
    }
    // No server asks twice: it would be fishing for the cleartext password.
    for then in [request(3, b""), request(5, &[0; 4]), sasl(&["SCRAM-SHA-256"])] {
        for first in [request(3, b""), request(5, &[0; 4]), sasl(&["SCRAM-SHA-256"])] {
            let mut client = Setup::new().start();
            client.ask(&first).unwrap();
            assert_eq!(client.ask(&then).unwrap_err().kind(), ErrorKind::Protocol);
        }
    }
    let mut client = Setup::new().start();
    client.done();
    assert_eq!(client.ask(&OK).unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn nothing_shown_holds_a_password_or_a_token() {
    let setup = Setup::new().tls().token("t0ken");
    let shown = format!("{:?} {:?} {:?}", setup.identity, setup.policy, setup.start().0);
    assert!(!shown.contains(PASSWORD) && !shown.contains("t0ken"), "{shown}");
    assert!(shown.contains("app"));
}

proptest! {
    /// Whatever a server says, it gets the password only by asking for it first.
    #[test]
    fn any_requests_are_answered_or_refused(
        codes in prop::collection::vec((0..14_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        tls in any::<bool>(),
    ) {
        let setup = if tls { Setup::new().tls() } else { Setup::new() };
        let mut client = setup.start();
        for (index, (code, body)) in codes.iter().enumerate() {
            let Ok((progress, answer)) = client.ask(&request(*code, body)) else { break };
            let cleartext = answer.starts_with(PASSWORD.as_bytes());
            prop_assert!(!cleartext || (index == 0 && *code == 3));
            if progress == Progress::Done {
                prop_assert_eq!(*code, 0);
                break;
            }
        }
    }
}
