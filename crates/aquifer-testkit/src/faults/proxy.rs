//! The proxy's threads and sockets.

use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::course::{Course, Next};
use super::mangle::Mangler;
use super::{Counts, Fault, Protocol, Side, What, When};

/// What is read in one go.
const CHUNK_BYTES: usize = 64 * 1024;

/// A TCP proxy on a loopback port that the system chose, for one server. See the [module](super).
///
/// It owns a thread that accepts and two for each connection; all end when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    protocol: Protocol,
    state: Mutex<State>,
    /// Something happened that those who wait may want to know.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    ended: bool,
    armed: Option<Fault>,
    /// Whether the fault that was armed last has happened.
    fired: bool,
    /// Counts up with each arming.
    epoch: u64,
    /// New connections are closed at once.
    refuses: bool,
    /// All connections stand still until then.
    still_until: Option<Instant>,
    accepted: u64,
    links: Vec<Link>,
    /// What passed over connections that have ended since the last arming: the one with most messages.
    ended_counts: Counts,
    threads: Vec<JoinHandle<()>>,
}

/// One connection, as long as a direction of it is open.
#[derive(Debug)]
struct Link {
    number: u64,
    client: TcpStream,
    server: TcpStream,
    /// Directions that are open.
    open: u8,
    /// [`What::Vanish`] or [`What::Strand`] has happened to it.
    vanished: bool,
    epoch: u64,
    counts: Counts,
}

impl FaultProxy {
    /// Starts a proxy in front of `upstream`, without a fault.
    ///
    /// # Errors
    ///
    /// When the system refuses a socket.
    pub fn start(upstream: SocketAddr, protocol: Protocol) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = State {
            upstream,
            ended: false,
            armed: None,
            fired: false,
            epoch: 0,
            refuses: false,
            still_until: None,
            accepted: 0,
            links: Vec::new(),
            ended_counts: Counts::default(),
            threads: Vec::new(),
        };
        let shared =
            Arc::new(Shared { protocol, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.lock().ended {
                    return;
                }
                // A connection whose server cannot be reached is closed at once.
                let _ = accepting.accept(client);
            }
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has `fault` happen once; what is counted begins at zero. The fault before it, if it has not happened, will not.
    pub fn arm(&self, fault: Fault) {
        self.begin(Some(fault));
        if let When::Elapsed(after) = fault.when {
            let shared = Arc::clone(&self.shared);
            let mut state = self.shared.lock();
            let epoch = state.epoch;
            state.threads.push(std::thread::spawn(move || shared.at_time(after, epoch, fault)));
        }
    }

    /// No fault from now on; what is counted begins at zero.
    pub fn count(&self) {
        self.begin(None);
    }

    fn begin(&self, fault: Option<Fault>) {
        let mut state = self.shared.lock();
        state.epoch += 1;
        state.ended_counts = Counts::default();
        (state.armed, state.fired, state.still_until) = (fault, false, None);
        self.shared.changed.notify_all();
    }

    /// Whether the fault that was armed last has happened.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.shared.lock().fired
    }

    /// What has passed since the last arming, of the connection with most messages.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.shared.lock();
        let since = state.links.iter().filter(|link| link.epoch == state.epoch);
        since
            .map(|link| link.counts)
            .chain([state.ended_counts])
            .max_by_key(messages)
            .unwrap_or_default()
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// Closes new connections at once, or takes them again.
    pub fn refuse(&self, refuses: bool) {
        self.shared.lock().refuses = refuses;
    }

    /// Ends every connection in order, as [`What::Cut`], also those of which the server was to hear nothing.
    pub fn cut_all(&self) {
        for link in &mut self.shared.lock().links {
            link.vanished = false;
            link.happens(What::Cut, Side::Client);
        }
        self.shared.changed.notify_all();
    }

    /// Sends connections from now on to another server.
    pub fn redirect(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        self.cut_all();
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        // One that was accepted meanwhile is cut, too.
        self.cut_all();
        let threads = std::mem::take(&mut self.shared.lock().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Link {
    /// Ends what the fault ends.
    fn happens(&self, what: What, side: Side) {
        match what {
            What::Cut => {
                let _ = self.client.shutdown(Shutdown::Both);
                let _ = self.server.shutdown(Shutdown::Both);
            }
            What::Reset => {
                reset(&self.client);
                reset(&self.server);
            }
            What::Strand => reset(&self.client),
            What::HalfClose => {
                let to = if side == Side::Client { &self.server } else { &self.client };
                let _ = to.shutdown(Shutdown::Write);
            }
            _ => {}
        }
    }
}

/// Linux ends a TCP connection by RST when it is connected to nowhere.
fn reset(socket: &TcpStream) {
    let _ = rustix::net::connect_unspec(socket);
    let _ = socket.shutdown(Shutdown::Both);
}

/// Whether the server hears nothing of it, and nothing afterwards.
fn is_unheard(what: What) -> bool {
    matches!(what, What::Vanish | What::Strand)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        let upstream = {
            let mut state = self.lock();
            state.accepted += 1;
            if state.refuses {
                return Ok(());
            }
            state.upstream
        };
        let server = TcpStream::connect(upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let pairs = [
            (Side::Client, client.try_clone()?, server.try_clone()?),
            (Side::Server, server.try_clone()?, client.try_clone()?),
        ];
        let mut state = self.lock();
        let (number, epoch) = (state.accepted, state.epoch);
        let counts = Counts::default();
        state.links.push(Link { number, client, server, open: 2, vanished: false, epoch, counts });
        // Those that have ended are not kept.
        state.threads.retain(|thread| !thread.is_finished());
        for (side, from, to) in pairs {
            let shared = Arc::clone(self);
            let thread = std::thread::spawn(move || {
                let mut way = Way { number, side, to, twice: None, throttle: None, mangler: None };
                shared.pass(&mut way, from);
                shared.ends(&way);
            });
            state.threads.push(thread);
        }
        Ok(())
    }

    /// Passes one direction on until its source ends, or a fault ends it.
    fn pass(&self, way: &mut Way, mut from: TcpStream) {
        let mut course = Course::new(self.protocol, way.side, self.lock().epoch);
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut bytes = &mut buffer[..read];
            while !bytes.is_empty() && !self.has_vanished(way) {
                let (next, what) = self.decide(&mut course, way, bytes);
                if let Some(What::Mangle(mutation, seed)) = what {
                    let messages = course.messages();
                    way.mangler = Some(Mangler::new(self.protocol, messages, mutation, seed));
                }
                if self.stand_still() || self.carry_out(way, what, bytes).is_err() {
                    return;
                }
                if way.write(&bytes[..next]).is_err() {
                    return;
                }
                bytes = &mut bytes[next..];
            }
        }
    }

    /// How many bytes pass now, and what happens before.
    fn decide(&self, course: &mut Course, way: &Way, bytes: &[u8]) -> (usize, Option<What>) {
        let mut state = self.lock();
        course.follow(state.epoch);
        let armed = state.armed.filter(|fault| !matches!(fault.when, When::Elapsed(_)));
        let decided = match course.next(bytes, armed) {
            Next::Pass(len) => (len, None),
            Next::Happens(what) => {
                (state.armed, state.fired) = (None, true);
                self.changed.notify_all();
                (0, Some(what))
            }
        };
        let epoch = state.epoch;
        if let Some(link) = state.links.iter_mut().find(|link| link.number == way.number) {
            if link.epoch != epoch {
                (link.epoch, link.counts) = (epoch, Counts::default());
            }
            let counts = &mut link.counts;
            let (sent, whole) = match way.side {
                Side::Client => (&mut counts.client_bytes, &mut counts.client_messages),
                Side::Server => (&mut counts.server_bytes, &mut counts.server_messages),
            };
            (*sent, *whole) = (course.bytes, course.whole);
        }
        decided
    }

    /// Does what the fault is; an error ends the direction.
    fn carry_out(&self, way: &mut Way, what: Option<What>, bytes: &mut [u8]) -> Result<()> {
        let Some(what) = what else { return Ok(()) };
        match what {
            What::Cut | What::Reset | What::HalfClose => {
                let state = self.lock();
                if let Some(link) = state.links.iter().find(|link| link.number == way.number) {
                    link.happens(what, way.side);
                }
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            What::Delay(pause) => self.wait(pause),
            What::Throttle { bytes, pause } => way.throttle = Some((bytes.max(1), pause)),
            What::Corrupt(mask) => bytes[0] ^= mask,
            // Done with what passes next.
            What::Mangle(..) => {}
            What::Vanish | What::Strand => {
                let mut state = self.lock();
                let link = state.links.iter_mut().find(|link| link.number == way.number);
                if let Some(link) = link {
                    link.vanished = true;
                    link.happens(what, way.side);
                }
            }
            What::Twice => {
                let upstream = self.lock().upstream;
                way.twice = Some(TcpStream::connect(upstream)?);
            }
        }
        Ok(())
    }

    /// Waits until [`FaultProxy::arm`] or the end says otherwise, at most so long.
    fn wait(&self, pause: Duration) {
        let state = self.lock();
        let epoch = state.epoch;
        let stays = |state: &mut State| !state.ended && state.epoch == epoch;
        let _ = self.changed.wait_timeout_while(state, pause, stays);
    }

    fn has_vanished(&self, way: &Way) -> bool {
        let state = self.lock();
        state.links.iter().any(|link| link.number == way.number && link.vanished)
    }

    /// Waits while all connections stand still. True if the proxy has ended.
    fn stand_still(&self) -> bool {
        loop {
            let state = self.lock();
            if state.ended {
                return true;
            }
            let now = Instant::now();
            let Some(until) = state.still_until.filter(|until| *until > now) else { return false };
            drop(state);
            self.wait(until - now);
        }
    }

    /// A fault at a time, on all connections.
    fn at_time(&self, after: Duration, epoch: u64, fault: Fault) {
        self.wait(after);
        let mut state = self.lock();
        if state.ended || state.epoch != epoch {
            return;
        }
        (state.armed, state.fired) = (None, true);
        if let What::Delay(pause) = fault.what {
            state.still_until = Some(Instant::now() + pause);
        }
        for link in &mut state.links {
            link.vanished |= is_unheard(fault.what);
            link.happens(fault.what, fault.side);
        }
    }

    /// A direction has ended: its target hears of it.
    fn ends(&self, way: &Way) {
        let is_unheard = |state: &mut State| {
            let vanished = |link: &Link| link.number == way.number && link.vanished;
            !state.ended && state.links.iter().any(vanished)
        };
        drop(self.changed.wait_while(self.lock(), is_unheard));
        let _ = way.to.shutdown(Shutdown::Write);
        let mut state = self.lock();
        let Some(at) = state.links.iter().position(|link| link.number == way.number) else {
            return;
        };
        state.links[at].open -= 1;
        if state.links[at].open == 0 {
            // Its sockets go; what has passed is kept until it is of the past.
            let link = state.links.swap_remove(at);
            if link.epoch == state.epoch && messages(&link.counts) > messages(&state.ended_counts) {
                state.ended_counts = link.counts;
            }
        }
    }
}

fn messages(counts: &Counts) -> u64 {
    counts.client_messages + counts.server_messages
}

/// One direction of a connection, and what has become of it.
#[derive(Debug)]
struct Way {
    number: u64,
    side: Side,
    to: TcpStream,
    twice: Option<TcpStream>,
    throttle: Option<(usize, Duration)>,
    mangler: Option<Mangler>,
}

impl Way {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(mangler) = &mut self.mangler else { return self.send(bytes) };
        match mangler.take(bytes) {
            Some(mangled) => {
                self.mangler = None;
                self.send(&mangled)
            }
            None => Ok(()),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(twice) = &mut self.twice {
            // What becomes of it there is nobody's business.
            let _ = twice.write_all(bytes);
        }
        let Some((most, pause)) = self.throttle else { return self.to.write_all(bytes) };
        for piece in bytes.chunks(most) {
            std::thread::sleep(pause);
            self.to.write_all(piece)?;
        }
        Ok(())
    }
}
