//! A server that plays a script: for what no real server does on demand.
//!
//! Each connection plays the next script, in the order of being accepted: a script is a list of steps that
//! wait for the client, send it bytes, or end the connection in one of several ways. What the client sent is
//! handed to the test afterwards.
//!
//! ```
//! use aquifer_testkit::postgres::backend;
//! use aquifer_testkit::scripted::{Script, Scripted};
//! use std::io::{Read, Write};
//!
//! let server = Scripted::start([Script::new()
//!     .startup()
//!     .send(backend::greeting())
//!     .expect("Q")
//!     .send_in_pieces(backend::error_response(&[(b'S', "ERROR"), (b'C', "42601"), (b'M', "no")]), 1)
//!     .reset()])
//! .unwrap();
//!
//! // In place of the driver under test:
//! let mut client = std::net::TcpStream::connect(server.address()).unwrap();
//! client.write_all(b"\0\0\0\x09\0\x03\0\0\0").unwrap();
//! client.read_exact(&mut vec![0; backend::greeting().len()]).unwrap();
//! client.write_all(b"Q\0\0\0\x05\0").unwrap();
//! client.read_to_end(&mut Vec::new()).unwrap_err();
//!
//! let played = server.finish();
//! played[0].assert_completed();
//! assert_eq!(played[0].client_flights(), ["^", "Q"]);
//! ```
//!
//! The server has threads of its own, one for each connection: it answers a driver that blocks, and does not
//! know a paused clock.

mod play;
mod script;

pub use play::Played;
pub use script::Script;

use play::play;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

/// A listening server with its scripts.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// Where the connection comes from that tells the acceptor to end.
    last: Option<SocketAddr>,
    /// Each connection, to end it early. Its script alone keeps it open.
    connections: Vec<Weak<TcpStream>>,
    playing: Vec<JoinHandle<Played>>,
    surplus: usize,
}

impl Scripted {
    /// Listens on a port of 127.0.0.1 that the system chose; the n-th connection plays the n-th script.
    /// Further connections are closed at once, see [`Scripted::surplus`].
    ///
    /// # Errors
    ///
    /// When the system refuses a socket.
    pub fn start(scripts: impl IntoIterator<Item = Script>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let mut scripts: std::collections::VecDeque<_> = scripts.into_iter().collect();
        let accepting = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut state = lock(&accepting);
                if state.last.is_some() && stream.peer_addr().ok() == state.last {
                    return;
                }
                match scripts.pop_front() {
                    Some(script) => {
                        let stream = Arc::new(stream);
                        state.connections.push(Arc::downgrade(&stream));
                        state.playing.push(std::thread::spawn(move || play(script, stream)));
                    }
                    None => state.surplus += 1,
                }
            }
        });
        Ok(Self { address, state, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A PostgreSQL URL of the role `aquifer` in the database `aquifer` at this server, without TLS.
    pub fn url(&self) -> String {
        format!("postgres://aquifer:aquifer@{}/aquifer?sslmode=disable", self.address)
    }

    /// How many connections came for which there was no script.
    pub fn surplus(&self) -> usize {
        lock(&self.state).surplus
    }

    /// Accepts no more, waits until the scripts that were begun have ended, and returns what became of them,
    /// by connection. A script's own patience bounds the wait.
    pub fn finish(mut self) -> Vec<Played> {
        self.stop_accepting();
        let playing = std::mem::take(&mut lock(&self.state).playing);
        playing.into_iter().filter_map(|thread| thread.join().ok()).collect()
    }

    fn stop_accepting(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        // Connections are accepted in order, so those that came before this one are played. The lock is held so
        // that the acceptor knows what it is when it sees it.
        let mut state = lock(&self.state);
        let wake = TcpStream::connect(self.address);
        state.last = wake.as_ref().ok().and_then(|wake| wake.local_addr().ok());
        drop(state);
        let _ = acceptor.join();
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop_accepting();
        let mut state = lock(&self.state);
        for connection in state.connections.iter().filter_map(Weak::upgrade) {
            // Nothing to do for one that has ended already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        let playing = std::mem::take(&mut state.playing);
        drop(state);
        for thread in playing {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
