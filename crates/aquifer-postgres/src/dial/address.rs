//! [`Address`]: how to reach a server again.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Encryption;
use crate::config::HostSpec;

/// A server that was reached, and how. A cancel request goes there and nowhere else: a name may lead to
/// another server by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As it was configured: the name that the certificate is checked against, and the messages.
    pub(crate) host: HostSpec,
    pub(crate) endpoint: Endpoint,
    /// What was agreed on: never [`Encryption::Offered`].
    pub(crate) encryption: Encryption,
}

/// The other end of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    /// The path of a socket; with `@` as its first letter, a name in the abstract namespace.
    Unix {
        path: PathBuf,
        /// The operating system's user that must serve it.
        peer: Option<Box<str>>,
    },
}
