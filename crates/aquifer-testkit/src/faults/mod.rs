//! A network that fails on command: a proxy on the loopback that cuts, resets, swallows, delays, throttles, corrupts or mangles
//! what passes, at a byte, at a message of the protocol, or at a time.
//!
//! ```no_run
//! use aquifer_testkit::faults::{Fault, FaultProxy, Protocol, Side, What, When};
//!
//! # fn run(server: std::net::SocketAddr) -> std::io::Result<()> {
//! let proxy = FaultProxy::start(server, Protocol::Postgres)?;
//! // ... connect to `proxy.address()`, and warm up ...
//! // The server's second message from now on is the last that arrives.
//! proxy.arm(Fault::new(Side::Server, When::Messages(2), What::Cut));
//! // ... the operation under test ...
//! assert!(proxy.fired());
//! # Ok(()) }
//! ```
//!
//! # How faults are placed
//!
//! Run the operation once behind [`FaultProxy::count`], and read from [`FaultProxy::counts`] how many messages and
//! bytes each side sent; then run it once for each of them.

mod course;
mod mangle;
mod messages;
mod proxy;

pub use proxy::FaultProxy;

use std::time::Duration;

/// What is spoken, which decides where a message ends. Encrypted connections have bytes only: [`Protocol::Bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// PostgreSQL's, version 3: a tag, and a length that counts itself.
    Postgres,
    /// MySQL's and MariaDB's: a length of three bytes, and a sequence number.
    Mysql,
    /// Any other: each piece that is read is a message.
    Bytes,
}

/// Who sends what a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client, to the server.
    Client,
    /// The server, to the client.
    Server,
}

/// Where in the traffic of a side, counted on each connection from the moment of [`FaultProxy::arm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// After so many bytes.
    Bytes(u64),
    /// After so many whole messages.
    Messages(u64),
    /// At this time, whatever passes; of all connections.
    Elapsed(Duration),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// Both directions end in order (FIN), as when a process ends or a proxy gives up.
    Cut,
    /// Both directions end at once (RST), as when a machine has restarted or a firewall has forgotten.
    Reset,
    /// The side says that it will send no more; the other direction stays.
    HalfClose,
    /// Nothing of the side passes for so long; then all of it.
    Delay(Duration),
    /// Nothing more passes in either direction, and neither end hears that the other has gone: what a network does that
    /// has lost the way. Until [`FaultProxy::cut_all`], or the proxy goes, too.
    Vanish,
    /// The same for the server; the client's side ends at once (RST), as when a firewall has forgotten a connection and
    /// tells only those who use it.
    Strand,
    /// From here on the side's bytes pass in pieces of so many, with a pause before each.
    Throttle {
        /// Bytes of a piece; at least 1.
        bytes: usize,
        /// Before each piece.
        pause: Duration,
    },
    /// The next byte arrives with these bits turned over.
    Corrupt(u8),
    /// From here on what the client sends goes to a second connection with the server as well, whose answers nobody
    /// reads: what a network does that repeats.
    Twice,
    /// The next message arrives otherwise than it was sent; the number decides where there is a choice.
    Mangle(Mutation, u64),
}

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// It never arrives.
    Omit,
    /// It arrives twice.
    Repeat,
    /// The one behind it arrives first. If there is none, neither arrives.
    Swap,
    /// It says that it is another one.
    Tag,
    /// It says that it is longer or shorter than it is, by a little or by gigabytes.
    Length,
    /// The end of its body is missing, and its length says so.
    Shorter,
    /// Something stands behind its body, and its length counts it.
    Longer,
    /// Its body is something else from somewhere on.
    Body,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Omit,
        Self::Repeat,
        Self::Swap,
        Self::Tag,
        Self::Length,
        Self::Shorter,
        Self::Longer,
        Self::Body,
    ];
}

/// One fault: it happens once, on the first connection that gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Whose bytes are counted and meant.
    pub side: Side,
    /// Where.
    pub when: When,
    /// What.
    pub what: What,
}

impl Fault {
    /// A fault.
    #[must_use]
    pub fn new(side: Side, when: When, what: What) -> Self {
        Self { side, when, what }
    }
}

/// What has passed since the last [`FaultProxy::arm`] or [`FaultProxy::count`], on the connection with most of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The client's bytes.
    pub client_bytes: u64,
    /// The client's whole messages.
    pub client_messages: u64,
    /// The server's bytes.
    pub server_bytes: u64,
    /// The server's whole messages.
    pub server_messages: u64,
}

impl Counts {
    /// The messages of a side.
    #[must_use]
    pub fn messages(&self, side: Side) -> u64 {
        match side {
            Side::Client => self.client_messages,
            Side::Server => self.server_messages,
        }
    }

    /// The bytes of a side.
    #[must_use]
    pub fn bytes(&self, side: Side) -> u64 {
        match side {
            Side::Client => self.client_bytes,
            Side::Server => self.server_bytes,
        }
    }
}
