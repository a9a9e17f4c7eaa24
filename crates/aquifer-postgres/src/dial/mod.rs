//! Sockets: TCP and unix, with TLS negotiated before the startup packet where the mode asks for it.
//!
//! `plan` decides, without I/O, which host is tried next and how; [`dial`] opens one socket; [`redial`]
//! opens another to the very same server, for a cancel request. Nothing here has a time limit: whoever
//! calls wraps the whole, and dropping the future closes the socket.

mod address;
#[cfg(unix)]
mod peer;
pub(crate) mod plan;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use aquifer_net::Stream;
use aquifer_net::tls::handshake_failed;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use self::address::{Address, Endpoint};
pub use self::plan::ConnectErrors;
pub(crate) use self::plan::{Encryption, Failure};
use crate::config::{HostSpec, TcpConfig};
use crate::tls::{self, Tls};

/// An open connection, before its startup packet.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) stream: Stream,
    /// What SCRAM-SHA-256-PLUS binds to, if the connection is encrypted and its certificate has such.
    pub(crate) end_point: Option<Vec<u8>>,
    /// How to reach the same server again.
    pub(crate) address: Address,
}

impl Dialled {
    /// True if the connection is encrypted.
    pub(crate) fn tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

/// Why there is no connection, and what that means for what is tried next.
#[derive(Debug)]
pub(crate) struct Undialled {
    pub(crate) failure: Failure,
    pub(crate) error: Error,
}

impl Undialled {
    fn unreachable(error: Error) -> Self {
        Self { failure: Failure::Unreachable, error }
    }

    fn unencrypted(error: Error) -> Self {
        Self { failure: Failure::Encryption, error }
    }
}

impl From<Undialled> for Error {
    fn from(undialled: Undialled) -> Self {
        undialled.error
    }
}

/// Opens a connection to a host: resolves its name, tries each of its addresses until one answers, and
/// encrypts. With a `shuffle`, the addresses are tried in an order drawn from it. A socket must be served by
/// the `peer`, if one is named.
///
/// # Errors
///
/// `Connect` if there is no connection or no encryption; [`Retry::Never`] if the server's certificate is
/// not accepted. The message names the host and each address.
pub(crate) async fn dial(
    host: &HostSpec,
    tcp: &TcpConfig,
    tls: &Tls,
    peer: Option<&str>,
    encryption: Encryption,
    shuffle: Option<u64>,
) -> Result<Dialled, Undialled> {
    if let Some(path) = host.socket() {
        shows_certificate(host, tls).map_err(Undialled::unencrypted)?;
        let stream = unix(&path, host, peer).await.map_err(Undialled::unreachable)?;
        let address = Address {
            host: host.clone(),
            endpoint: Endpoint::Unix { path, peer: peer.map(Into::into) },
            encryption: Encryption::Plain,
        };
        return Ok(Dialled { stream, end_point: None, address });
    }
    let mut addresses = resolve(host).await.map_err(Undialled::unreachable)?;
    if let Some(seed) = shuffle {
        plan::shuffle(&mut addresses, seed);
    }
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                set_options(&stream, host, tcp).map_err(Undialled::unreachable)?;
                return encrypt(stream, address, host, tls, encryption)
                    .await
                    .map_err(Undialled::unencrypted);
            }
            Err(error) => failures.push((address, error)),
        }
    }
    Err(Undialled::unreachable(unreachable(host, failures)))
}

/// Opens another connection to the same server over the same kind of encryption.
///
/// # Errors
///
/// As [`dial`].
pub(crate) async fn redial(address: &Address, tcp: &TcpConfig, tls: &Tls) -> Result<Dialled> {
    let host = &address.host;
    match &address.endpoint {
        Endpoint::Unix { path, peer } => {
            let stream = unix(path, host, peer.as_deref()).await?;
            Ok(Dialled { stream, end_point: None, address: address.clone() })
        }
        Endpoint::Tcp(to) => {
            let stream = TcpStream::connect(to)
                .await
                .map_err(|error| unreachable(host, vec![(*to, error)]))?;
            set_options(&stream, host, tcp)?;
            encrypt(stream, *to, host, tls, address.encryption).await
        }
    }
}

async fn resolve(host: &HostSpec) -> Result<Vec<SocketAddr>> {
    if let Some(address) = host.hostaddr {
        return Ok(vec![SocketAddr::new(address, host.port)]);
    }
    let found = tokio::net::lookup_host((host.host.as_str(), host.port))
        .await
        .map_err(|error| failed(host, "its name cannot be resolved", error))?;
    // Some resolvers answer once per kind of socket.
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.take(ADDRESSES_MAX) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// More addresses than a name has.
const ADDRESSES_MAX: usize = 256;

fn set_options(stream: &TcpStream, host: &HostSpec, tcp: &TcpConfig) -> Result<()> {
    let set = || {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if tcp.keepalives {
            let mut keepalive = TcpKeepalive::new();
            if let Some(idle) = tcp.keepalives_idle {
                keepalive = keepalive.with_time(idle);
            }
            if let Some(interval) = tcp.keepalives_interval {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(count) = tcp.keepalives_count {
                keepalive = keepalive.with_retries(count);
            }
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if tcp.user_timeout.is_some() {
            socket.set_tcp_user_timeout(tcp.user_timeout)?;
        }
        Ok(())
    };
    set().map_err(|error| failed(host, "the options of its socket cannot be set", error))
}

#[cfg(unix)]
async fn unix(path: &Path, host: &HostSpec, peer: Option<&str>) -> Result<Stream> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    // A name in Linux's abstract namespace is one that begins with a zero byte.
    let bytes = path.as_os_str().as_bytes();
    let abstract_name = bytes.strip_prefix(b"@").map(|rest| [b"\0", rest].concat());
    let name = abstract_name.as_deref().map_or(path, |name| Path::new(OsStr::from_bytes(name)));
    match tokio::net::UnixStream::connect(name).await {
        Ok(stream) => {
            if let Some(peer) = peer {
                peer::check(&stream, host, peer).await?;
            }
            Ok(Stream::Unix(stream))
        }
        Err(error) => {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let failed = failed(host, &format!("at its socket {}", path.display()), error);
            Err(if denied {
                failed.with_retry(Retry::Never)
            } else {
                failed.with_hint("is the server running, with its socket in that directory?")
            })
        }
    }
}

#[cfg(not(unix))]
async fn unix(_: &Path, host: &HostSpec, _: Option<&str>) -> Result<Stream> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{host}: unix sockets are not supported on this system"),
    ))
}

/// What asks the server for TLS in the place of a startup packet: a length and the number 80877103
/// (protocol-message-formats, SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

async fn encrypt(
    mut stream: TcpStream,
    address: SocketAddr,
    host: &HostSpec,
    tls: &Tls,
    encryption: Encryption,
) -> Result<Dialled> {
    let direct = encryption == Encryption::Direct;
    let mut dialled_as = encryption;
    if let Encryption::Offered | Encryption::Required = encryption {
        // Exactly one byte is read: had somebody in between put more behind it, it would go into the
        // handshake and break it, instead of being taken for the server's word (CVE-2021-23222).
        let mut answer = [0];
        let asked = async {
            stream.write_all(&SSL_REQUEST).await?;
            stream.read_exact(&mut answer).await
        };
        asked.await.map_err(|error| failed(host, "it was asked for TLS", error))?;
        dialled_as = match (answer[0], encryption) {
            (b'S', _) => Encryption::Required,
            (b'N', Encryption::Offered) => Encryption::Plain,
            (b'N', _) => {
                return Err(connect(host, "the server does not do TLS")
                    .with_hint("`sslmode` requires it")
                    .with_retry(Retry::Never));
            }
            // The text that follows is not shown: nobody knows who wrote it (CVE-2024-10977).
            (b'E', _) => {
                return Err(connect(host, "the server answered the request for TLS with an error")
                    .with_hint("its log says why"));
            }
            _ => {
                return Err(connect(
                    host,
                    "what listens there does not answer as a PostgreSQL server does",
                )
                .with_retry(Retry::Never));
            }
        };
    }
    let peer = address.ip();
    let address = |encryption| {
        let endpoint = Endpoint::Tcp(address);
        Address { host: host.clone(), endpoint, encryption }
    };
    if dialled_as == Encryption::Plain {
        shows_certificate(host, tls)?;
        let address = address(Encryption::Plain);
        return Ok(Dialled { stream: Stream::Tcp(stream), end_point: None, address });
    }
    let name = tls.server_name(host, peer)?;
    let (config, asked) = tls.handshake(direct)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let failed = connect(host, &format!("the TLS handshake failed: {error}"));
        handshake_failed(failed, error, "sslrootcert")
    })?;
    if !asked.is_enough() {
        return Err(unasked(host, "the server did not ask for the client's certificate"));
    }
    let (_, session) = stream.get_ref();
    if direct && !tls::agreed(session.alpn_protocol()) {
        return Err(connect(host, "the server did not agree to speak PostgreSQL's protocol")
            .with_hint("`sslnegotiation=direct` needs PostgreSQL 17 or later")
            .with_retry(Retry::Never));
    }
    let end_point = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .and_then(|certificate| tls::end_point_hash(certificate));
    Ok(Dialled { stream: Stream::Tls(Box::new(stream)), end_point, address: address(dialled_as) })
}

/// A connection without TLS shows no certificate.
fn shows_certificate(host: &HostSpec, tls: &Tls) -> Result<()> {
    match tls.needs_certificate() {
        true => Err(unasked(host, "it is not encrypted, so no client certificate can be shown")),
        false => Ok(()),
    }
}

#[cold]
fn unasked(host: &HostSpec, what: &str) -> Error {
    connect(host, what).with_hint("`sslcertmode=require` wants it").with_retry(Retry::Never)
}

#[cold]
fn connect(host: &HostSpec, what: &str) -> Error {
    Error::new(ErrorKind::Connect, format!("no connection to {host}: {what}"))
}

#[cold]
fn failed(host: &HostSpec, what: &str, error: io::Error) -> Error {
    connect(host, &format!("{what}: {error}")).with_source(error)
}

#[cold]
fn unreachable(host: &HostSpec, mut failures: Vec<(SocketAddr, io::Error)>) -> Error {
    let shown: Vec<String> = failures
        .iter()
        .map(|(address, error)| {
            // An address that is the host's name says nothing new.
            if host.to_string() == address.to_string() {
                error.to_string()
            } else {
                format!("{address}: {error}")
            }
        })
        .collect();
    match failures.pop() {
        Some((_, last)) => connect(host, &shown.join(", ")).with_source(last),
        None => connect(host, "its name has no address"),
    }
}

#[cfg(all(test, unix))]
mod real;
#[cfg(test)]
mod tests;
