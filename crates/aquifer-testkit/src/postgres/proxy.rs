//! A proxy between driver and server that writes down who sent what, message by message.
//!
//! It owns a thread that accepts and two for each connection; all end with it.

use super::error::Error;
use super::frame::{ENCRYPTION_ANSWER, Frame, GSS_REQUEST, SSL_REQUEST, Splitter, tags};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Messages kept for one connection until they are taken; later ones are only passed on.
pub const FRAMES_MAX: usize = 256 * 1024;
/// Bytes of bodies kept for one connection until they are taken; of later messages only the tags.
pub const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What passes in one go.
const CHUNK_BYTES: usize = 64 * 1024;

/// Some bytes of the client's, and what the server sent until the client sent more: one round trip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flight {
    /// The client's messages.
    pub client: Vec<Frame>,
    /// The server's messages.
    pub server: Vec<Frame>,
    /// The client's bytes.
    pub client_bytes: usize,
    /// The server's bytes.
    pub server_bytes: usize,
    /// In how many pieces the client's bytes came. One write of up to 64 KiB comes in one piece; several
    /// writes may come in one, too.
    pub client_reads: usize,
}

impl Flight {
    /// The client's tags and the server's, as in `PDBES 1tT2DCZ`.
    pub fn tags(&self) -> String {
        format!("{} {}", tags(&self.client), tags(&self.server))
    }
}

/// What passed over one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of the connection, by the order of being accepted, from 0.
    pub connection: usize,
    /// In order.
    pub flights: Vec<Flight>,
    /// Whether it is encrypted, or not the protocol at all; then only bytes are counted.
    pub opaque: bool,
    /// Whether there were more messages than [`FRAMES_MAX`], so that counts are too low.
    pub truncated: bool,
}

impl Traffic {
    /// How many times the client waited for the server: flights with bytes both ways.
    pub fn round_trips(&self) -> usize {
        self.flights.iter().filter(|f| f.client_bytes > 0 && f.server_bytes > 0).count()
    }

    /// The tags of the client's messages by flight: `["PDBES", "BES"]`.
    pub fn client_flights(&self) -> Vec<String> {
        self.flights.iter().map(|flight| tags(&flight.client)).collect()
    }

    /// How many messages with this tag the client sent.
    pub fn count_client(&self, tag: u8) -> usize {
        self.flights.iter().flat_map(|f| &f.client).filter(|frame| frame.tag == tag).count()
    }

    /// How many messages with this tag the server sent.
    pub fn count_server(&self, tag: u8) -> usize {
        self.flights.iter().flat_map(|f| &f.server).filter(|frame| frame.tag == tag).count()
    }
}

/// A TCP proxy on a port that the system chose.
///
/// What a side sends is written down before it is passed on. So when a call of the driver returns, all that
/// led to its answer is in the books. Flights are exact for a client that waits for answers; one that
/// pipelines meets the server's answers at arbitrary points: count its messages instead.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    /// Answers stay here.
    held: bool,
    connections: Vec<Connection>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    book: Book,
}

/// The two sides of a connection as messages.
#[derive(Debug)]
struct Book {
    client: Splitter,
    server: Splitter,
    flights: Vec<Flight>,
    /// Messages since the last take, kept or not.
    frames: usize,
    /// Bytes of their bodies.
    bodies_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Client,
    Server,
}

impl Proxy {
    /// Starts a proxy to `upstream`, which need not accept connections yet.
    ///
    /// # Errors
    ///
    /// When the system refuses a socket.
    pub fn start(upstream: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("binding"))?;
        let address = listener.local_addr().map_err(Error::io("asking for the port"))?;
        let shared =
            Arc::new(Shared { upstream, state: Mutex::default(), released: Condvar::new() });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A connection whose server cannot be reached is closed at once.
                if accepting.lock().ended {
                    return;
                }
                let _ = Shared::connect(&accepting, client);
            }
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the superuser `aquifer` in the database `aquifer`, through this proxy and without TLS.
    pub fn url(&self) -> String {
        self.url_of("aquifer", "aquifer", "aquifer")
    }

    /// The same for a role in a database; see [`Server::url_of`](super::Server::url_of).
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        let port = self.address.port();
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// How many connections it has passed on so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// What has passed since the last call, of each connection with any traffic.
    pub fn take(&self) -> Vec<Traffic> {
        let mut state = self.shared.lock();
        let taken = state.connections.iter_mut().enumerate().map(|(connection, c)| Traffic {
            connection,
            flights: std::mem::take(&mut c.book.flights),
            opaque: c.book.client.is_opaque(),
            truncated: c.book.take_kept() > FRAMES_MAX,
        });
        taken.filter(|traffic| !traffic.flights.is_empty()).collect()
    }

    /// [`Proxy::take`] for a test with one connection: what passed over it.
    ///
    /// # Panics
    ///
    /// If there was traffic on several, or none.
    pub fn take_only(&self) -> Traffic {
        let mut taken = self.take();
        assert_eq!(taken.len(), 1, "traffic on one connection was expected: {taken:?}");
        taken.remove(0)
    }

    /// Closes every connection in both directions, as a network that fails.
    pub fn cut(&self) {
        for connection in &self.shared.lock().connections {
            connection.cut();
        }
    }

    /// Keeps what servers send, until [`Proxy::release_answers`]. What clients send still passes.
    pub fn hold_answers(&self) {
        self.shared.lock().held = true;
    }

    /// Passes on what [`Proxy::hold_answers`] has kept.
    pub fn release_answers(&self) {
        self.shared.lock().held = false;
        self.shared.released.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.released.notify_all();
        self.cut();
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        // One that it accepted meanwhile is cut, too.
        self.cut();
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Connection {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(this: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(this.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let pairs = [
            (Side::Client, client.try_clone()?, server.try_clone()?),
            (Side::Server, server.try_clone()?, client.try_clone()?),
        ];
        let mut state = this.lock();
        let number = state.connections.len();
        state.connections.push(Connection { client, server, book: Book::new() });
        for (side, from, to) in pairs {
            let shared = Arc::clone(this);
            state.threads.push(std::thread::spawn(move || shared.pass(number, side, from, to)));
        }
        Ok(())
    }

    /// Passes bytes on until their source ends; then their target hears of it.
    fn pass(&self, number: usize, side: Side, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..read];
            let mut state = self.lock();
            while matches!(side, Side::Server) && state.held && !state.ended {
                state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.connections[number].book.write(side, bytes);
            drop(state);
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

impl Book {
    fn new() -> Self {
        Self {
            client: Splitter::client(),
            server: Splitter::server(),
            flights: Vec::new(),
            frames: 0,
            bodies_bytes: 0,
        }
    }

    /// How many messages there were since the last call.
    fn take_kept(&mut self) -> usize {
        self.bodies_bytes = 0;
        std::mem::take(&mut self.frames)
    }

    fn write(&mut self, side: Side, bytes: &[u8]) {
        let begins = match (side, self.flights.last()) {
            (_, None) => true,
            (Side::Client, Some(last)) => last.server_bytes > 0,
            (Side::Server, Some(_)) => false,
        };
        if begins {
            self.flights.push(Flight::default());
        }
        let Some(flight) = self.flights.last_mut() else { return };
        match side {
            Side::Client => {
                flight.client_bytes += bytes.len();
                flight.client_reads += 1;
                self.client.push(bytes);
                while let Some(frame) = self.client.next() {
                    if matches!(frame.tag, SSL_REQUEST | GSS_REQUEST) {
                        self.server.expect_answer();
                    }
                    keep(&mut flight.client, frame, &mut self.frames, &mut self.bodies_bytes);
                }
            }
            Side::Server => {
                flight.server_bytes += bytes.len();
                self.server.push(bytes);
                while let Some(frame) = self.server.next() {
                    if frame.tag == ENCRYPTION_ANSWER && frame.body != b"N" {
                        self.client.set_opaque();
                        self.server.set_opaque();
                    }
                    keep(&mut flight.server, frame, &mut self.frames, &mut self.bodies_bytes);
                }
            }
        }
    }
}

/// Adds a message to a flight within the bounds.
fn keep(kept: &mut Vec<Frame>, mut frame: Frame, frames: &mut usize, bodies_bytes: &mut usize) {
    *frames += 1;
    if *frames > FRAMES_MAX {
        return;
    }
    *bodies_bytes += frame.body.len();
    if *bodies_bytes > BODIES_BYTES_MAX {
        frame.body = Vec::new();
    }
    kept.push(frame);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_ends_where_the_client_goes_on_after_an_answer() {
        let mut book = Book::new();
        let mut write = |side, bytes: &[u8]| book.write(side, bytes);
        write(Side::Client, b"\0\0\0\x08\0\x03\0\0");
        write(Side::Server, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        write(Side::Client, b"P\0\0\0\x04S\0");
        write(Side::Client, b"\0\0\x04");
        write(Side::Server, b"1\0\0\0\x04");
        write(Side::Server, b"Z\0\0\0\x05I");
        let flights: Vec<_> = book.flights.iter().map(Flight::tags).collect();
        assert_eq!(flights, ["^ RZ", "PS 1Z"]);
        assert_eq!(book.flights[1].client_reads, 2);
    }

    #[test]
    fn nothing_is_read_into_what_is_encrypted() {
        let mut book = Book::new();
        book.write(Side::Client, b"\0\0\0\x08\x04\xd2\x16\x2f");
        book.write(Side::Server, b"S");
        book.write(Side::Client, b"\x16\x03\x01PPPPPPPPPP");
        assert!(book.client.is_opaque());
        let flights: Vec<_> = book.flights.iter().map(Flight::tags).collect();
        assert_eq!(flights, ["! ~", " "]);
        assert_eq!(book.flights[1].client_bytes, 13);
    }
}
