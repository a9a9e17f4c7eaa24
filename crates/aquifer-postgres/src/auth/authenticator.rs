//! The exchange: the server's requests in, the frames to send out.

use std::fmt;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::policy::Method;
use super::scram::{Binding, ClientFinal, ClientFirst};
use super::{
    ChannelBinding, Password, Policy, Request, SaltedPasswords, broken, md5, oauth, refused,
};

/// Random bytes of a nonce, as libpq has them.
pub(crate) const NONCE_BYTES: usize = 18;

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";
const OAUTH: &str = "OAUTHBEARER";

/// Who logs in, and over what.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) user: String,
    /// An empty one counts as none, as in libpq.
    pub(crate) password: Option<Password>,
    /// A token for OAUTHBEARER.
    pub(crate) token: Option<Password>,
    /// Whether the session runs over TLS.
    pub(crate) tls: bool,
    /// The hash of the server's certificate for `tls-server-end-point` (RFC 5929, section 4.1). `None`
    /// without TLS, and for a certificate whose signature has no single hash.
    pub(crate) end_point: Option<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// What follows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Send what was appended, if anything, and read on.
    Continue,
    /// The log-in is done, and everything the policy asks for has happened.
    Done,
}

/// One log-in of one connection.
pub(crate) struct Authenticator {
    policy: Policy,
    identity: Identity,
    salted: Arc<SaltedPasswords>,
    nonce: String,
    state: State,
}

enum State {
    /// Nothing has been asked.
    Start,
    /// A password is out.
    Answered,
    ScramFirst {
        scram: ClientFirst,
        bound: bool,
    },
    ScramFinal {
        scram: ClientFinal,
        bound: bool,
    },
    /// The server has proven that it knows the password.
    Verified {
        bound: bool,
    },
    TokenSent,
    /// The server has said why it does not take the token; its error comes next.
    TokenRefused,
    /// It is done, or has failed.
    Over,
}

impl Authenticator {
    /// `nonce` must be fresh random bytes from a generator fit for cryptography.
    pub(crate) fn new(
        policy: Policy,
        identity: Identity,
        salted: Arc<SaltedPasswords>,
        nonce: [u8; NONCE_BYTES],
    ) -> Self {
        Self { policy, identity, salted, nonce: STANDARD.encode(nonce), state: State::Start }
    }

    /// Takes the body of an `R` message and appends whole frames to `out`, which may then hold the password:
    /// whoever owns the buffer wipes it once it is sent.
    ///
    /// With a salted password that is not cached, this computes for as long as the server's iteration count
    /// asks, which is bounded (milliseconds for PostgreSQL's default, a second at most).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Authentication`] if the policy forbids what the server asks for, a password is missing, or
    /// the server cannot prove that it knows it; [`ErrorKind::Unsupported`] for methods that the driver does
    /// not have; [`ErrorKind::Protocol`] for requests that are malformed or out of order. Nothing is
    /// appended then, and the exchange is over.
    pub(crate) fn on_request(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        let length = out.len();
        // Left behind if anything below fails.
        let state = std::mem::replace(&mut self.state, State::Over);
        match Request::parse(body).and_then(|request| self.step(state, request, out)) {
            Ok(state) => {
                self.state = state;
                let done = matches!(self.state, State::Over);
                Ok(if done { Progress::Done } else { Progress::Continue })
            }
            Err(error) => {
                out.truncate(length);
                Err(error)
            }
        }
    }

    fn step(&self, state: State, request: Request<'_>, out: &mut Vec<u8>) -> Result<State> {
        match (state, request) {
            (State::Start, request) => self.start(request, out),
            (State::Answered, Request::Ok) => self.done(false),
            (State::TokenSent, Request::Ok) => self.done(false),
            (State::Verified { bound }, Request::Ok) => self.done(bound),
            (State::ScramFirst { scram, bound }, Request::SaslContinue(message)) => {
                let password = self.password()?;
                let keys = |salt: &[u8], count| self.salted.keys(password, salt, count);
                let (answer, scram) = scram.answer(message, keys)?;
                frame(out, |out| out.extend_from_slice(answer.as_bytes()))?;
                Ok(State::ScramFinal { scram, bound })
            }
            (State::ScramFinal { scram, bound }, Request::SaslFinal(message)) => {
                scram.verify(message)?;
                Ok(State::Verified { bound })
            }
            (State::ScramFirst { .. } | State::ScramFinal { .. }, Request::Ok) => {
                Err(refused("the server ended SCRAM without proof that it knows the password")
                    .with_hint("it may not be the server it says it is"))
            }
            (State::TokenSent, Request::SaslContinue(_)) => {
                frame(out, |out| out.extend_from_slice(oauth::AFTER_REFUSAL))?;
                Ok(State::TokenRefused)
            }
            _ => Err(broken("the server's authentication requests are out of order")),
        }
    }

    fn start(&self, request: Request<'_>, out: &mut Vec<u8>) -> Result<State> {
        match request {
            Request::Ok => {
                self.policy.require_auth.check(Method::None)?;
                self.done(false)
            }
            Request::CleartextPassword => {
                self.allow(Method::Password)?;
                let password = self.password()?.as_bytes();
                if password.contains(&0) {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        "the password holds a NUL byte, which the server's request for it cannot take",
                    ));
                }
                frame(out, |out| {
                    out.extend_from_slice(password);
                    out.push(0);
                })?;
                Ok(State::Answered)
            }
            Request::Md5Password { salt } => {
                self.allow(Method::Md5)?;
                let response =
                    md5::response(&self.identity.user, self.password()?.as_bytes(), salt);
                frame(out, |out| {
                    out.extend_from_slice(response.as_bytes());
                    out.push(0);
                })?;
                Ok(State::Answered)
            }
            Request::Sasl(mechanisms) => self.sasl(&mechanisms, out),
            Request::Gss => {
                self.policy.require_auth.check(Method::Gss)?;
                Err(unsupported("GSSAPI (7)"))
            }
            Request::Sspi => {
                self.policy.require_auth.check(Method::Sspi)?;
                Err(unsupported("SSPI (9)"))
            }
            Request::KerberosV5 => Err(unsupported("Kerberos V5 (2)")),
            Request::Unknown(code) => Err(unsupported(&format!("method {code}"))),
            Request::GssContinue | Request::SaslContinue(_) | Request::SaslFinal(_) => {
                Err(broken("the server's authentication requests are out of order"))
            }
        }
    }

    fn sasl(&self, mechanisms: &[&str], out: &mut Vec<u8>) -> Result<State> {
        let offers = |name: &str| mechanisms.contains(&name);
        if offers(SCRAM_PLUS) && !self.identity.tls {
            return Err(refused(
                "the server offers SCRAM-SHA-256-PLUS on a connection without TLS",
            )
            .with_hint("something between here and the server may have taken TLS away"));
        }
        if offers(SCRAM) || offers(SCRAM_PLUS) {
            self.policy.require_auth.check(Method::ScramSha256)?;
            return self.scram(mechanisms, out);
        }
        if offers(OAUTH) {
            self.allow(Method::OAuth)?;
            return self.oauth(out);
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the server offers only SASL mechanisms that this driver does not have: {}",
                mechanisms.join(", ")
            ),
        )
        .with_hint("let the server's pg_hba.conf ask for scram-sha-256 here")
        .with_nothing_sent(true))
    }

    fn scram(&self, mechanisms: &[&str], out: &mut Vec<u8>) -> Result<State> {
        let offers = |name: &str| mechanisms.contains(&name);
        let (mechanism, binding) = match (self.policy.channel_binding, &self.identity.end_point) {
            (ChannelBinding::Disable, _) | (ChannelBinding::Prefer, None) => (SCRAM, Binding::No),
            (_, Some(hash)) if offers(SCRAM_PLUS) => (SCRAM_PLUS, Binding::EndPoint(hash.clone())),
            (ChannelBinding::Prefer, Some(_)) => (SCRAM, Binding::NotOffered),
            (ChannelBinding::Require, _) if !self.identity.tls => {
                return Err(refused("channel binding is required, but the connection has no TLS")
                    .with_hint("set sslmode to `require` or stronger"));
            }
            (ChannelBinding::Require, None) => {
                return Err(refused(
                    "channel binding is required, but the signature of the server's certificate has \
                     no hash that it could use",
                )
                .with_hint("give the server a certificate signed with RSA or ECDSA and SHA-2"));
            }
            (ChannelBinding::Require, Some(_)) => return Err(not_bound()),
        };
        if !offers(mechanism) {
            return Err(refused(format!(
                "the server offers {SCRAM_PLUS} alone, and the policy or its certificate rules channel \
                 binding out"
            ))
            .with_hint("set channel_binding to `prefer`"));
        }
        // Before anything is sent.
        self.password()?;
        let bound = matches!(binding, Binding::EndPoint(_));
        let scram = ClientFirst::new("", self.nonce.clone(), binding);
        initial_response(out, mechanism, scram.message().as_bytes())?;
        Ok(State::ScramFirst { scram, bound })
    }

    fn oauth(&self, out: &mut Vec<u8>) -> Result<State> {
        let Some(token) = &self.identity.token else {
            return Err(refused(
                "the server asks for an OAuth token (OAUTHBEARER), and none is given",
            )
            .with_hint("give one before each connect, or let pg_hba.conf ask for scram-sha-256"));
        };
        if !self.identity.tls {
            return Err(refused("an OAuth token is not sent without TLS")
                .with_hint("set sslmode to `require` or stronger"));
        }
        initial_response(out, OAUTH, &oauth::message(token)?)?;
        Ok(State::TokenSent)
    }

    /// For methods that cannot bind to the channel.
    fn allow(&self, method: Method) -> Result<()> {
        self.policy.require_auth.check(method)?;
        match self.policy.channel_binding {
            ChannelBinding::Require => Err(not_bound()),
            _ => Ok(()),
        }
    }

    fn done(&self, bound: bool) -> Result<State> {
        if self.policy.channel_binding == ChannelBinding::Require && !bound {
            return Err(not_bound());
        }
        Ok(State::Over)
    }

    fn password(&self) -> Result<&Password> {
        self.identity.password.as_ref().filter(|password| !password.is_empty()).ok_or_else(|| {
            refused(format!(
                "the server asks for a password for user {:?}, and none is given",
                self.identity.user
            ))
            .with_hint(
                "it may stand in the URL, in PGPASSWORD, or in the password file (PGPASSFILE, ~/.pgpass)",
            )
        })
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("policy", &self.policy)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

#[cold]
fn not_bound() -> Error {
    refused(
        "channel binding is required, but the server lets the client log in without it",
    )
    .with_hint(
        "let pg_hba.conf ask for scram-sha-256 over TLS; behind a pooler that ends TLS, channel binding \
         cannot work",
    )
}

#[cold]
fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("unsupported authentication method: the server asks for {what}"),
    )
    .with_hint("let the server's pg_hba.conf ask for scram-sha-256 here")
    .with_nothing_sent(true)
}

/// SASLInitialResponse: the mechanism and the client's first message with its length.
fn initial_response(out: &mut Vec<u8>, mechanism: &str, message: &[u8]) -> Result<()> {
    let length = i32::try_from(message.len()).map_err(|_| too_long())?;
    frame(out, |out| {
        out.extend_from_slice(mechanism.as_bytes());
        out.push(0);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(message);
    })
}

/// A `p` message around what `write` appends.
fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    out.push(b'p');
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = i32::try_from(out.len() - start).map_err(|_| too_long())?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cold]
fn too_long() -> Error {
    Error::new(ErrorKind::Configuration, "the password or token is too long for a message")
}
