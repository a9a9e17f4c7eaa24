//! Playing a script on one connection, and writing down what the client did.

use super::script::{Script, Step};
use crate::postgres::frame::{GSS_REQUEST, SSL_REQUEST, STARTUP, Splitter, tags};
use crate::postgres::{Certificates, Frame};
use rustix::net::sockopt::set_socket_linger;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client that sends more than this to a script is stopped: it is a test that has gone wrong.
const RECEIVED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What became of a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Played {
    /// Why a step failed, with the step; `None` when all were played.
    pub failure: Option<String>,
    /// Every byte that the client sent, as far as the script has looked.
    pub received: Vec<u8>,
    /// The client's messages, those that came between two of the server's answers together.
    pub flights: Vec<Vec<Frame>>,
    /// The application protocol (ALPN) that a TLS handshake has agreed on; `None` if the client offered none.
    pub application_protocol: Option<Vec<u8>>,
}

impl Played {
    /// Does nothing if every step was played.
    ///
    /// # Panics
    ///
    /// Otherwise, with the step that failed and what the client had sent.
    pub fn assert_completed(&self) {
        if let Some(failure) = &self.failure {
            panic!("{failure}; the client had sent {:?}", self.client_flights());
        }
    }

    /// The tags of the client's messages by flight: `["^", "PBDES"]`.
    pub fn client_flights(&self) -> Vec<String> {
        self.flights.iter().map(tags).collect()
    }
}

pub(super) fn play(script: Script, stream: Arc<TcpStream>) -> Played {
    let mut player = Player {
        stream,
        tls: None,
        patience: script.patience,
        splitter: Splitter::client(),
        pending: VecDeque::new(),
        latest: Vec::new(),
        awaited_bytes: 0,
        answered: true,
        played: Played::default(),
    };
    // Segments of their own for what is sent in pieces. A connection that is closed already shows later.
    let _ = player.stream.set_nodelay(true);
    for (index, step) in script.steps.into_iter().enumerate() {
        let name = format!("step {} ({step:?})", index + 1);
        match player.step(step) {
            Ok(true) => {}
            Ok(false) => return player.played,
            Err(why) => {
                player.played.failure = Some(format!("{name}: {why}"));
                break;
            }
        }
    }
    player.close();
    player.played
}

#[derive(Debug)]
struct Player {
    stream: Arc<TcpStream>,
    tls: Option<ServerConnection>,
    patience: Duration,
    splitter: Splitter,
    /// Messages that no step has waited for yet.
    pending: VecDeque<Frame>,
    /// Those that the latest step has waited for.
    latest: Vec<Frame>,
    awaited_bytes: usize,
    /// Whether the server has sent something since the client did.
    answered: bool,
    played: Played,
}

impl Player {
    /// Whether the script goes on.
    fn step(&mut self, step: Step) -> Result<bool, String> {
        let until = Instant::now() + self.patience;
        match step {
            Step::Startup => loop {
                let frame = self.frame(until)?;
                match frame.tag {
                    SSL_REQUEST | GSS_REQUEST => self.send(b"N")?,
                    STARTUP => {
                        self.latest = vec![frame];
                        return Ok(true);
                    }
                    other => return Err(format!("the client sent {:?}", char::from(other))),
                }
            },
            Step::Expect(expected) => {
                self.latest.clear();
                for tag in expected.bytes() {
                    let frame = self.frame(until)?;
                    let found = frame.tag;
                    self.latest.push(frame);
                    if found != tag {
                        return Err(format!("the client sent {:?}", tags(&self.latest)));
                    }
                }
            }
            Step::AwaitBytes(bytes) => {
                self.awaited_bytes += bytes;
                while self.played.received.len() < self.awaited_bytes {
                    if self.receive(until)? == 0 {
                        return Err("the client closed the connection".to_owned());
                    }
                }
            }
            Step::AwaitClose => while self.receive(until)? > 0 {},
            Step::Send { bytes, piece_bytes, pause } => {
                for piece in bytes.chunks(piece_bytes) {
                    std::thread::sleep(pause);
                    self.send(piece)?;
                }
            }
            Step::Answer(answer) => {
                let bytes = answer(&self.latest);
                self.send(&bytes)?;
            }
            Step::Tls(certificates) => {
                let left = Some(self.patience);
                self.stream.set_read_timeout(left).map_err(|error| error.to_string())?;
                let mut tls = server(&certificates).map_err(|error| error.to_string())?;
                while tls.is_handshaking() {
                    let done = tls.complete_io(&mut &*self.stream);
                    done.map_err(|error| format!("the handshake failed: {error}"))?;
                }
                self.played.application_protocol = tls.alpn_protocol().map(<[u8]>::to_vec);
                self.tls = Some(tls);
            }
            Step::Pause(pause) => std::thread::sleep(pause),
            Step::HalfClose => {
                let closed = self.stream.shutdown(Shutdown::Write);
                closed.map_err(|error| error.to_string())?;
            }
            Step::Reset => {
                // Closing with no time to linger sends RST.
                let set = set_socket_linger(&*self.stream, Some(Duration::ZERO));
                set.map_err(|error| error.to_string())?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn frame(&mut self, until: Instant) -> Result<Frame, String> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Ok(frame);
            }
            if self.receive(until)? == 0 {
                return Err("the client closed the connection".to_owned());
            }
        }
    }

    /// Takes what the client has sent, waiting for some; 0 when it has closed or reset the connection.
    fn receive(&mut self, until: Instant) -> Result<usize, String> {
        let mut buffer = [0; 16 * 1024];
        let left = until.saturating_duration_since(Instant::now());
        let silent = || format!("the client was silent for {:?}", self.patience);
        if left.is_zero() {
            return Err(silent());
        }
        self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        let read = match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut &*self.stream).read(&mut buffer),
            None => (&*self.stream).read(&mut buffer),
        };
        match read {
            Ok(read) => {
                self.write_down(&buffer[..read])?;
                Ok(read)
            }
            // Over TLS, an end that was not announced is the second of these.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                ) =>
            {
                Ok(0)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(silent()),
                _ => Err(error.to_string()),
            },
        }
    }

    fn write_down(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.played.received.len() + bytes.len() > RECEIVED_BYTES_MAX {
            return Err(format!("the client sent more than {RECEIVED_BYTES_MAX} bytes"));
        }
        self.played.received.extend_from_slice(bytes);
        self.splitter.push(bytes);
        while let Some(frame) = self.splitter.next() {
            if std::mem::take(&mut self.answered) {
                self.played.flights.push(Vec::new());
            }
            self.played.flights.last_mut().into_iter().for_each(|f| f.push(frame.clone()));
            self.pending.push_back(frame);
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.answered = true;
        let sent = match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut &*self.stream).write_all(bytes),
            None => (&*self.stream).write_all(bytes),
        };
        sent.map_err(|error| format!("cannot send: {error}"))
    }

    /// Ends the connection so that the client still gets what was sent: closing with unread bytes would reset
    /// it.
    fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // A client that is gone already does not hear it.
            let _ = tls.write_tls(&mut &*self.stream);
            let _ = self.stream.shutdown(Shutdown::Write);
            return;
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        if self.stream.set_nonblocking(true).is_ok() {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = (&*self.stream).read(&mut buffer) {
                if self.write_down(&buffer[..read]).is_err() {
                    return;
                }
            }
        }
    }
}

/// The server's side of TLS with this certificate.
fn server(certificates: &Certificates) -> Result<ServerConnection, Box<dyn std::error::Error>> {
    let chain = CertificateDer::from_pem_slice(certificates.server.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(ServerConnection::new(Arc::new(config))?)
}
