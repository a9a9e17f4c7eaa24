//! [`Driver`] and [`Connector`]: from a URL to connections.

use std::fmt;
use std::sync::Arc;

use crate::{BoxFuture, Connection, Dialect, Dsn, Environment, Result, ServerObserver};

/// An engine's entry in a [`Registry`](crate::Registry). A third party's driver implements this and is
/// registered beside the built-in ones.
pub trait Driver: Send + Sync + 'static {
    /// The driver's name: `sqlite`.
    fn name(&self) -> &'static str;

    /// The URL schemes it answers to, its name among them.
    fn schemes(&self) -> &'static [&'static str];

    /// The options it takes in a URL's query, for help and for "did you mean".
    fn options(&self) -> &'static [DriverOption];

    /// Reads a URL or DSN into a connector. Called once by `Db::open`: checks everything that can be
    /// checked without I/O, and dials nothing. The environment (variables, home, user) is asked only
    /// through `environment`.
    ///
    /// # Errors
    ///
    /// If the DSN cannot be used; the message names the part, never a password.
    fn connector(&self, dsn: &Dsn, environment: &dyn Environment) -> Result<Arc<dyn Connector>>;
}

/// One option of a driver's URL: the single definition from which parsing, checks, help and docs come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverOption {
    /// The key as it stands in the URL.
    pub name: &'static str,
    /// The default, as it would be written.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
}

impl DriverOption {
    /// An option of that name, default and meaning.
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { name, default, help }
    }
}

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// Anything.
    #[default]
    ReadWrite,
    /// Reading only. Connectors with [`Layout::ReadersAndWriter`], and those whose sessions
    /// [multiplex](crate::Dialect::multiplexes), give a connection that refuses writes with
    /// [`ReadOnly`](crate::ErrorKind::ReadOnly); others may ignore this.
    ReadOnly,
}

/// How connections to this target are to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Layout {
    /// A pool of equal connections.
    #[default]
    Equal,
    /// One connection that writes and a pool of others that only read (SQLite files in WAL mode).
    ReadersAndWriter,
    /// Exactly one connection, opened once, never closed for age or idleness, because closing it loses
    /// the data (SQLite in memory).
    One,
}

/// A parsed DSN: makes connections. Shared by everything that a `Db` does.
pub trait Connector: Send + Sync + 'static {
    /// Opens a connection. Called by the pool in a task of its own, which outlives whoever waits for
    /// the connection and has the pool's connect budget: dropping the future gives up and must free
    /// everything.
    ///
    /// # Errors
    ///
    /// If no connection can be had. [`Error::retry`](crate::Error::retry) says whether dialling again
    /// may help: [`Retry::Safe`](crate::Retry::Safe) for a refused or timed-out dial or a server that is
    /// starting or full, [`Retry::Never`](crate::Retry::Never) for a wrong password or a missing file.
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>>;

    /// As [`connect`](Self::connect), with someone who hears what the server says besides answers, from the
    /// log-in on. Called instead of `connect` where anybody wants to hear. Engines that say nothing need
    /// not implement it.
    ///
    /// # Errors
    ///
    /// As `connect`.
    fn connect_observed(
        self: Arc<Self>,
        access: Access,
        observer: Arc<dyn ServerObserver>,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        let _ = observer;
        self.connect(access)
    }

    /// How this engine's SQL text differs.
    fn dialect(&self) -> &Dialect;

    /// How connections are to be kept.
    fn layout(&self) -> Layout;

    /// Where connections go, for messages and metrics: `db1:5432/shop`, `demo.db`. Never a password.
    fn target(&self) -> &str;

    /// Called once, when the `Db` has closed and its last connection is gone.
    fn closed(&self) {}
}

impl fmt::Debug for dyn Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("target", &self.target()).finish_non_exhaustive()
    }
}
