//! Packets over a socket, encrypted or not, and what can go wrong with them on purpose.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::compression::{self, Algorithm};
use crate::postgres::Certificates;

/// Most bytes of one packet's payload.
const PAYLOAD_MAX: usize = 0xff_ffff;

/// Most bytes of what a client sends in one command: a test does not need more.
const COMMAND_MAX: usize = 64 << 20;

/// What goes wrong with what the server sends, by the number of the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// The connection is closed before this byte.
    Cut(usize),
    /// This byte has all its bits changed.
    Damage(usize),
}

pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// Who can read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Network,
    Encrypted,
    /// It does not leave the machine.
    Socket,
}

/// One connection, as the server sees it.
pub(super) struct Wire {
    /// None while it is being encrypted.
    stream: Option<Box<dyn Bytes>>,
    channel: Channel,
    sequence: u8,
    said: usize,
    /// Once it is agreed on, from the end of the log-in on.
    compressed: Option<Compressed>,
}

/// The state of a session that is compressed.
struct Compressed {
    algorithm: Algorithm,
    /// The number of the next packet around packets.
    sequence: u8,
    /// What was taken apart and not read yet.
    inside: Vec<u8>,
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Bytes>, channel: Channel) -> Self {
        Self { stream: Some(stream), channel, sequence: 0, said: 0, compressed: None }
    }

    fn stream(&mut self) -> io::Result<&mut Box<dyn Bytes>> {
        self.stream.as_mut().ok_or_else(gone)
    }

    /// Who can read along.
    pub(super) fn channel(&self) -> Channel {
        self.channel
    }

    /// The client has asked to go on encrypted.
    pub(super) async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        let plain = self.stream.take().ok_or_else(gone)?;
        self.stream = Some(Box::new(acceptor.accept(plain).await?));
        self.channel = Channel::Encrypted;
        Ok(())
    }

    /// What is said next is no answer.
    pub(super) fn begins_anew(&mut self) {
        self.sequence = 0;
        if let Some(compressed) = &mut self.compressed {
            compressed.sequence = 0;
        }
    }

    /// From now on everything is compressed.
    pub(super) fn compress(&mut self, algorithm: Option<Algorithm>) {
        self.compressed =
            algorithm.map(|algorithm| Compressed { algorithm, sequence: 0, inside: Vec::new() });
    }

    /// Reads so many bytes, of what was compressed if it was.
    async fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let Some(mut compressed) = self.compressed.take() else {
            self.stream()?.read_exact(bytes).await?;
            return Ok(());
        };
        while compressed.inside.len() < bytes.len() {
            let mut head = [0; 7];
            self.stream()?.read_exact(&mut head).await?;
            let [a, b, c, number, d, e, f] = head;
            let mut body = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
            self.stream()?.read_exact(&mut body).await?;
            if number == 0 {
                compressed.sequence = 0;
            }
            if number != compressed.sequence {
                return Err(io::Error::other("the client's compressed packets are out of order"));
            }
            compressed.sequence = number.wrapping_add(1);
            let whole = u32::from_le_bytes([d, e, f, 0]) as usize;
            let body = compression::expand(compressed.algorithm, body, whole)?;
            compressed.inside.extend_from_slice(&body);
        }
        let rest = compressed.inside.split_off(bytes.len());
        bytes.copy_from_slice(&compressed.inside);
        compressed.inside = rest;
        self.compressed = Some(compressed);
        Ok(())
    }

    /// The next payload, put together of its packets.
    pub(super) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let mut head = [0; 4];
            self.read_exact(&mut head).await?;
            let [a, b, c, number] = head;
            let len = u32::from_le_bytes([a, b, c, 0]) as usize;
            if whole.is_empty() && number == 0 {
                self.sequence = 0;
            }
            if number != self.sequence || whole.len() + len > COMMAND_MAX {
                return Err(io::Error::other("the client's packets are out of order"));
            }
            self.sequence = number.wrapping_add(1);
            let start = whole.len();
            whole.resize(start + len, 0);
            self.read_exact(&mut whole[start..]).await?;
            if len < PAYLOAD_MAX {
                return Ok(whole);
            }
        }
    }

    /// Sends a payload, in as many packets as it takes.
    pub(super) async fn write(&mut self, shared: &Shared, payload: &[u8]) -> io::Result<()> {
        let mut packets = Vec::with_capacity(payload.len() + 8);
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at(rest.len().min(PAYLOAD_MAX));
            let [a, b, c, _] = (part.len() as u32).to_le_bytes();
            packets.extend_from_slice(&[a, b, c, self.sequence]);
            packets.extend_from_slice(part);
            self.sequence = self.sequence.wrapping_add(1);
            rest = after;
            if part.len() < PAYLOAD_MAX {
                break;
            }
        }
        if let Some(compressed) = &mut self.compressed {
            let (algorithm, sequence) = (compressed.algorithm, &mut compressed.sequence);
            packets = compression::wrap(algorithm, &packets, sequence)?;
        }
        self.write_raw(shared, packets).await
    }

    /// Sends these bytes as they are.
    pub(super) async fn write_raw(
        &mut self,
        shared: &Shared,
        mut bytes: Vec<u8>,
    ) -> io::Result<()> {
        let mut ends = false;
        let fault = shared.lock().fault;
        match fault {
            Fault::Cut(at) if at < self.said + bytes.len() => {
                bytes.truncate(at.saturating_sub(self.said));
                ends = true;
            }
            Fault::Damage(at) => {
                if let Some(byte) = at.checked_sub(self.said).and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 0xff;
                }
            }
            _ => {}
        }
        self.said += bytes.len();
        shared.lock().said = self.said;
        let stream = self.stream()?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        if ends { self.close().await } else { Ok(()) }
    }

    /// Ends the connection; what was sent arrives. An error, so that nobody goes on.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        let stream = self.stream()?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection.
        let mut nowhere = tokio::io::sink();
        let drained = tokio::io::copy(stream, &mut nowhere);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(100), drained).await;
        Err(gone())
    }

    /// Waits until the client closes the connection, or sends something.
    pub(super) async fn until_client_moves(&mut self) -> io::Result<()> {
        let mut byte = [0];
        // It may not send anything while it waits, so how much it is makes no difference.
        self.stream()?.read_exact(&mut byte).await?;
        Err(gone())
    }
}

/// The server's side of TLS with this certificate.
pub(super) fn acceptor(certificates: &Certificates) -> io::Result<TlsAcceptor> {
    let unusable = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let chain = CertificateDer::from_pem_slice(certificates.server.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes());
    let chain = vec![chain.map_err(|error| unusable(&error))?];
    let key = key.map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
