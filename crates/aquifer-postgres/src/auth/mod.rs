//! Who we are: the answers to the server's authentication requests, without I/O.
//!
//! [`Authenticator`] takes the bodies of `R` messages and appends the frames to send. It owns the order of
//! an exchange, what the policy (`require_auth`, `channel_binding`) allows, and the proof that the server
//! knows the password. It never opens a socket, reads a clock or draws a random number: the nonce comes in.
//! Passwords and keys are wiped when they are dropped and stand in no error and no `Debug`.

mod authenticator;
mod md5;
mod oauth;
mod password;
mod policy;
#[cfg(test)]
mod real;
mod request;
mod salted;
mod scram;
#[cfg(test)]
mod tests;

pub(crate) use authenticator::{Authenticator, Identity, NONCE_BYTES, Progress};
pub(crate) use password::Password;
pub(crate) use policy::{Policy, RequireAuth};

pub(crate) use crate::config::ChannelBinding;
pub(crate) use request::Request;
pub(crate) use salted::SaltedPasswords;

use aquifer_driver::{Error, ErrorKind};

/// The server, or our own policy, refuses the log-in.
#[cold]
fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Authentication, message.into())
}

/// The server does not keep to the protocol. Nothing of the user's was sent.
#[cold]
fn broken(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, message.into()).with_nothing_sent(true)
}
