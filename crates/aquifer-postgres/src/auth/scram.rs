//! The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 5929), message by message.
//!
//! A struct per state: [`ClientFirst`] awaits the server's first message and becomes [`ClientFinal`], which
//! awaits its last.

use aquifer_driver::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::salted::SharedKeys;
use super::{broken, refused};

/// The most rounds a server may ask for. It is the server that says how much work the client does before
/// it knows the server, so there must be a limit: this many take about a second. PostgreSQL's default is
/// 4 096, the highest count that anybody recommends for PBKDF2-HMAC-SHA-256 is 600 000.
pub(super) const ITERATIONS_MAX: u32 = 2_000_000;
/// PostgreSQL's salts have 16 bytes.
const SALT_BYTES_MAX: usize = 256;
/// PostgreSQL's nonces have 24 characters, and ours come before them.
const NONCE_CHARS_MAX: usize = 512;

/// The header that says how the exchange is tied to the TLS session (RFC 5802, section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// `n`: the client cannot or will not.
    No,
    /// `y`: the client would, but the server does not offer it. A server that does offer it then knows that
    /// somebody has removed the offer on the way, and refuses.
    NotOffered,
    /// `p=tls-server-end-point`: by the hash of the server's certificate.
    EndPoint(Vec<u8>),
}

impl Binding {
    fn header(&self) -> &'static str {
        match self {
            Self::No => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::EndPoint(hash) => hash,
            _ => &[],
        }
    }
}

/// The client's first message is out.
pub(super) struct ClientFirst {
    binding: Binding,
    nonce: String,
    bare: String,
}

impl ClientFirst {
    /// `user` is empty for PostgreSQL, which has the name from the startup message. It needs no escapes
    /// here, since only test vectors give one.
    pub(super) fn new(user: &str, nonce: String, binding: Binding) -> Self {
        let bare = format!("n={user},r={nonce}");
        Self { binding, nonce, bare }
    }

    /// client-first-message
    pub(super) fn message(&self) -> String {
        format!("{}{}", self.binding.header(), self.bare)
    }

    /// Takes server-first-message; the answer is client-final-message.
    pub(super) fn answer(
        self,
        server_first: &[u8],
        keys: impl FnOnce(&[u8], u32) -> SharedKeys,
    ) -> Result<(String, ClientFinal)> {
        let first = ServerFirst::parse(server_first)?;
        if first.nonce.len() <= self.nonce.len() || !first.nonce.starts_with(&self.nonce) {
            return Err(refused(
                "the server's SCRAM nonce does not continue ours: it answers somebody else, or not at all",
            ));
        }
        let mut bound = self.binding.header().as_bytes().to_vec();
        bound.extend_from_slice(self.binding.data());
        let without_proof = format!("c={},r={}", STANDARD.encode(bound), first.nonce);
        let auth_message = format!("{},{},{without_proof}", self.bare, first.text);

        let keys = keys(&first.salt, first.iterations);
        let proof = STANDARD.encode(keys.client_proof(auth_message.as_bytes()));
        Ok((format!("{without_proof},p={proof}"), ClientFinal { keys, auth_message }))
    }
}

/// The client's proof is out; the server's is owed.
pub(super) struct ClientFinal {
    keys: SharedKeys,
    auth_message: String,
}

impl ClientFinal {
    /// Takes server-final-message. The comparison takes the same time for every wrong signature.
    pub(super) fn verify(self, server_final: &[u8]) -> Result<()> {
        let text = text(server_final)?;
        if let Some(reason) = text.strip_prefix("e=") {
            let reason: String = reason.chars().take(100).collect();
            return Err(refused(format!("the server ended SCRAM with the error {reason:?}")));
        }
        let signature = text
            .strip_prefix("v=")
            .map(|rest| rest.split(',').next().unwrap_or_default())
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .ok_or_else(|| broken("the server's last SCRAM message is malformed"))?;
        if self.keys.is_server_signature(self.auth_message.as_bytes(), &signature) {
            return Ok(());
        }
        Err(refused("the server could not prove that it knows the password")
            .with_hint("it may not be the server it says it is"))
    }
}

struct ServerFirst<'a> {
    text: &'a str,
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    /// `r=NONCE,s=SALT,i=COUNT`, and perhaps extensions, which are ignored unless they are mandatory.
    fn parse(message: &'a [u8]) -> Result<Self> {
        let wrong = || broken("the server's first SCRAM message is malformed");
        let text = text(message)?;
        if text.starts_with("m=") {
            return Err(broken(
                "the server demands a SCRAM extension that this driver does not know",
            ));
        }
        let mut parts = text.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name);
        let nonce = part("r=").ok_or_else(wrong)?;
        let salt = part("s=").ok_or_else(wrong)?;
        let count = part("i=").ok_or_else(wrong)?;

        if nonce.len() > NONCE_CHARS_MAX || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        let salt = STANDARD.decode(salt).map_err(|_| wrong())?;
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(broken(format!(
                "the server's SCRAM salt has {} bytes; 1 to {SALT_BYTES_MAX} are taken",
                salt.len()
            )));
        }
        if count.is_empty() || count.len() > 20 || !count.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(wrong());
        }
        let iterations = count.parse().unwrap_or(u32::MAX);
        if iterations == 0 || iterations > ITERATIONS_MAX {
            return Err(broken(format!(
                "the server asks for {count} SCRAM iterations; 1 to {ITERATIONS_MAX} are done"
            ))
            .with_hint("lower `scram_iterations` on the server and set the password again"));
        }
        Ok(Self { text, nonce, salt, iterations })
    }
}

fn text(message: &[u8]) -> Result<&str> {
    std::str::from_utf8(message).map_err(|_| broken("the server's SCRAM message is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::{Password, SaltedPasswords};
    use super::*;
    use aquifer_driver::ErrorKind;
    use proptest::prelude::*;

    /// RFC 7677, section 3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn answer(server_first: &str) -> Result<(String, ClientFinal)> {
        let salted = SaltedPasswords::new(1);
        ClientFirst::new("user", NONCE.to_owned(), Binding::No)
            .answer(server_first.as_bytes(), |salt, count| {
                salted.keys(&Password::from("pencil"), salt, count)
            })
    }

    fn refusal<T>(result: Result<T>) -> (ErrorKind, String) {
        let error = result.err().expect("a refusal");
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn the_exchange_of_rfc_7677_is_reproduced() {
        let first = ClientFirst::new("user", NONCE.to_owned(), Binding::No);
        assert_eq!(first.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (message, last) = answer(SERVER_FIRST).unwrap();
        assert_eq!(message, CLIENT_FINAL);
        last.verify(SERVER_FINAL.as_bytes()).unwrap();
    }

    #[test]
    fn the_header_says_how_the_channel_is_bound() {
        for (binding, header, bound) in [
            (Binding::No, "n,,", "biws"),
            (Binding::NotOffered, "y,,", "eSws"),
            (
                Binding::EndPoint(vec![1, 2, 3]),
                "p=tls-server-end-point,,",
                "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAQID",
            ),
        ] {
            let first = ClientFirst::new("", "abc".to_owned(), binding);
            assert_eq!(first.message(), format!("{header}n=,r=abc"));
            let salted = SaltedPasswords::new(1);
            let keys = |salt: &[u8], count| salted.keys(&Password::from("p"), salt, count);
            let (message, _) = first.answer(b"r=abcd,s=AAAA,i=1", keys).unwrap();
            assert!(message.starts_with(&format!("c={bound},r=abcd,p=")), "{message}");
        }
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_refused() {
        for wrong in ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", "v=AAAA", "v="] {
            let (_, last) = answer(SERVER_FIRST).unwrap();
            let (kind, message) = refusal(last.verify(wrong.as_bytes()));
            assert_eq!(kind, ErrorKind::Authentication);
            assert_eq!(message, "the server could not prove that it knows the password");
        }
    }

    #[test]
    fn a_last_message_that_is_none_is_refused() {
        for wrong in ["", "x", "v", "v=!", "v=6rri", "p=AAAA"] {
            let (_, last) = answer(SERVER_FIRST).unwrap();
            let (kind, _) = refusal(last.verify(wrong.as_bytes()));
            let malformed = wrong != "v=6rri";
            assert_eq!(kind == ErrorKind::Protocol, malformed, "{wrong:?}");
        }
        let (_, last) = answer(SERVER_FIRST).unwrap();
        let (kind, message) = refusal(last.verify(b"e=invalid-proof"));
        assert_eq!(kind, ErrorKind::Authentication);
        assert!(message.contains("invalid-proof"));
    }

    #[test]
    fn a_nonce_that_is_not_ours_and_more_is_refused() {
        for nonce in [NONCE, "rOprNGfwEbeRWgbNEkq0x", "x"] {
            let (kind, _) = refusal(answer(&format!("r={nonce},s=AAAA,i=1")));
            assert_eq!(kind, ErrorKind::Authentication, "{nonce}");
        }
    }

    #[test]
    fn a_first_message_out_of_bounds_is_refused_before_any_work() {
        let salt = STANDARD.encode([0; SALT_BYTES_MAX + 1]);
        let nonce = format!("{NONCE}{}", "x".repeat(NONCE_CHARS_MAX));
        for wrong in [
            String::new(),
            format!("r={NONCE}x"),
            format!("r={NONCE}x,s=AAAA"),
            format!("s=AAAA,r={NONCE}x,i=1"),
            format!("r={NONCE}x,s=,i=1"),
            format!("r={NONCE}x,s=!,i=1"),
            format!("r={NONCE}x,s={salt},i=1"),
            format!("r={nonce},s=AAAA,i=1"),
            format!("r={NONCE}é,s=AAAA,i=1"),
            format!("r={NONCE}x,s=AAAA,i="),
            format!("r={NONCE}x,s=AAAA,i=0"),
            format!("r={NONCE}x,s=AAAA,i=-1"),
            format!("r={NONCE}x,s=AAAA,i=+1"),
            format!("r={NONCE}x,s=AAAA,i={}", ITERATIONS_MAX + 1),
            format!("r={NONCE}x,s=AAAA,i=99999999999999999999"),
            format!("m=x,r={NONCE}x,s=AAAA,i=1"),
        ] {
            let (kind, message) = refusal(answer(&wrong));
            assert_eq!(kind, ErrorKind::Protocol, "{wrong:?}: {message}");
        }
        let (_, message) = refusal(answer(&format!("r={NONCE}x,s=AAAA,i=2000001")));
        assert!(message.contains("2000001"), "{message}");
    }

    #[test]
    fn extensions_that_are_not_mandatory_are_passed_over_and_signed() {
        assert!(answer(&format!("r={NONCE}x,s=AAAA,i=1,x=later")).is_ok());
        let (_, last) = answer(SERVER_FIRST).unwrap();
        last.verify(format!("{SERVER_FINAL},x=later").as_bytes()).unwrap();
    }

    proptest! {
        #[test]
        fn any_first_and_last_message_is_answered_or_refused(
            first in prop::collection::vec(any::<u8>(), 0..60),
            last in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let text = String::from_utf8_lossy(&first);
            prop_assert!(answer(&text).is_err());
            let (_, state) = answer(&format!("r={NONCE}x,s=AAAA,i=1")).unwrap();
            prop_assert!(state.verify(&last).is_err());
        }
    }
}
