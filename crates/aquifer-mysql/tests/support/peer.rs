//! A server that a test plays by hand, packet by packet: for what MariaDB does not do.

use std::sync::Arc;

use aquifer_testkit::postgres::Certificates;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// The challenge of the greeting.
pub(crate) const NONCE: &[u8; 20] = b"0123456789abcdefghij";

const SSL: u32 = 0x800;
const MYSQL_8: u32 = 0x1 | 0x2 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x8_0000;
const DEPRECATE_EOF: u32 = 0x100_0000;

/// The bytes of a socket, encrypted or not.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

/// One connection, as the server sees it.
pub(crate) struct Peer<S> {
    stream: S,
    sequence: u8,
}

impl Peer<TcpStream> {
    /// Takes the next connection and greets as MySQL 8.
    pub(crate) async fn greet(listener: &TcpListener, plugin: &str, tls: bool) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = Self { stream, sequence: 0 };
        let flags = MYSQL_8 | DEPRECATE_EOF | if tls { SSL } else { 0 };
        let [a, b, c, d] = flags.to_le_bytes();
        let mut packet = b"\x0a8.4.3\0\x07\0\0\0".to_vec();
        packet.extend_from_slice(&NONCE[..8]);
        packet.extend_from_slice(&[0, a, b, 45, 2, 0, c, d, 21]);
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(&NONCE[8..]);
        packet.push(0);
        packet.extend_from_slice(plugin.as_bytes());
        packet.push(0);
        peer.write(&packet).await;
        peer
    }

    /// The client asks to go on encrypted, and so it does.
    pub(crate) async fn encrypt(
        mut self,
        certificates: &Certificates,
    ) -> Peer<TlsStream<TcpStream>> {
        let request = self.read().await;
        assert_eq!(request.len(), 32, "a request for TLS");
        let chain = vec![CertificateDer::from_pem_slice(certificates.server.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Peer { stream: acceptor.accept(self.stream).await.unwrap(), sequence: self.sequence }
    }
}

impl<S: Bytes> Peer<S> {
    pub(crate) async fn read(&mut self) -> Vec<u8> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await.unwrap();
        let [a, b, c, sequence] = head;
        let mut body = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        self.stream.read_exact(&mut body).await.unwrap();
        self.sequence = sequence.wrapping_add(1);
        body
    }

    pub(crate) async fn write(&mut self, payload: &[u8]) {
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        let packet = [[a, b, c, self.sequence].as_slice(), payload].concat();
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Lets the client in, and answers what it sets up; the text of that.
    pub(crate) async fn let_in(&mut self) -> String {
        self.write(&[0, 0, 0, 2, 0, 0, 0]).await;
        let sql = String::from_utf8(self.read().await).unwrap();
        self.write(&[0, 0, 0, 2 | 8, 0, 0, 0]).await;
        self.write(&[2]).await;
        self.write(b"\x03def\0\0\0\x01n\0\x0c\x3f\0\x14\0\0\0\x08\x81\0\0\0\0").await;
        self.write(b"\x03def\0\0\0\x01s\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0").await;
        // Who it is, it does not say.
        self.write(b"\x0816777216\xfb").await;
        self.write(&[0xfe, 0, 0, 2, 0, 0, 0]).await;
        sql
    }

    /// Waits until the client has gone.
    pub(crate) async fn gone(mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new()).await;
    }
}
