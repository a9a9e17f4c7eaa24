//! A server of the test's own that speaks MySQL's protocol in this process: for MySQL 8, of which no server can be
//! installed beside the tests, and for what no real server does on demand.
//!
//! What it claims to be, it is: it greets with the capabilities of its release, checks every password by the
//! arithmetic of the plugin that it asks for (with other code than the driver's), remembers those of
//! `caching_sha2_password`, keeps prepared statements, ends results in the way that was agreed on. What statements
//! answer is the test's to say.
//!
//! ```
//! use aquifer_testkit::mysql::scripted::{Account, Answer, Column, Method, Release, Scripted};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let server = Scripted::new(Release::Mysql84)
//!     .account(Account::new("ada").method(Method::CachingSha2("engine".into())))
//!     .on("SELECT 1", |_| Answer::rows(vec![Column::bigint("1")], vec![vec![1.into()]]))
//!     .start()
//!     .await
//!     .unwrap();
//! // ... connect the driver under test to `server.url("ada:engine", "")` ...
//! assert_eq!(server.commands(), Vec::<String>::new());
//! # });
//! ```
//!
//! It lives in tasks of the runtime that started it, and ends when it is dropped.

mod answer;
mod commands;
mod compression;
mod login;
mod method;
mod packet;
mod proof;
mod release;
mod rsa;
mod wire;

pub use answer::{Answer, Cell, Column, Done, Failure, Rows};
pub use login::{Hello, Stage};
pub use method::{Account, Method};
pub use packet::{TRACK_GTIDS, TRACK_SCHEMA, TRACK_STATE, TRACK_VARIABLES};
pub use release::{Release, capability};
pub use rsa::PUBLIC_KEY;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::postgres::Certificates;
use wire::{Bytes, Channel, Fault};

type Rule = Box<dyn Fn(u32) -> Answer + Send + Sync>;

/// A server that has not started yet; see the [module's documentation](self).
pub struct Scripted {
    release: Release,
    without: u32,
    protocol: u8,
    certificates: Option<Certificates>,
    socket: Option<PathBuf>,
    accounts: Vec<Account>,
    rules: HashMap<String, Rule>,
    refusal: Option<(Stage, Failure)>,
}

/// One that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Vec<JoinHandle<()>>,
}

/// What all connections of a server share.
struct Shared {
    settings: Scripted,
    tls: Option<TlsAcceptor>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Digests that `caching_sha2_password` remembers, by account.
    remembered: HashMap<String, Vec<u8>>,
    hellos: Vec<Hello>,
    commands: Vec<String>,
    /// How often each text has been run.
    runs: HashMap<String, u32>,
    fault: Fault,
    /// Sessions that can be told to stop, by number.
    sessions: HashMap<u32, Ears>,
    /// Bytes that the latest connection was sent, before encryption.
    said: usize,
    tasks: Vec<JoinHandle<()>>,
    /// Plugins that let somebody in.
    proved: HashSet<String>,
    opened: u32,
    /// Nobody is refused any more.
    admits: bool,
    /// What sessions are told that wait for a command.
    farewell: Option<Failure>,
}

/// What a session hears while it runs a command, and while it waits for one.
#[derive(Debug, Clone, Default)]
struct Ears {
    stop: Arc<Notify>,
    leave: Arc<Notify>,
}

impl Scripted {
    /// A server of this release, without TLS and without accounts.
    pub fn new(release: Release) -> Self {
        Self {
            release,
            without: 0,
            protocol: 10,
            certificates: None,
            socket: None,
            accounts: Vec::new(),
            rules: HashMap::new(),
            refusal: None,
        }
    }

    /// Offers TLS with this certificate.
    #[must_use]
    pub fn tls(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Listens at a unix socket of this path, too.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Does not have these of its release's capabilities (see [`capability`]).
    #[must_use]
    pub fn without(mut self, capabilities: u32) -> Self {
        self.without |= capabilities;
        self
    }

    /// Greets with this version of the protocol in place of 10.
    #[must_use]
    pub fn protocol(mut self, version: u8) -> Self {
        self.protocol = version;
        self
    }

    /// Has this account, too.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Answers a statement of exactly this text; the argument counts how often it was run before. Describing a
    /// statement asks with 0. What has no rule is an error, except for transactions, `DO 0`, `SET …`, and what the
    /// driver asks for at its log-in.
    #[must_use]
    pub fn on(
        mut self,
        sql: impl Into<String>,
        answer: impl Fn(u32) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.rules.insert(sql.into(), Box::new(answer));
        self
    }

    /// Refuses every connection at this stage.
    #[must_use]
    pub fn refuse(mut self, stage: Stage, failure: Failure) -> Self {
        self.refusal = Some((stage, failure));
        self
    }

    /// Listens on a port of 127.0.0.1 that the system chose.
    ///
    /// # Errors
    ///
    /// When the system refuses a socket, or a certificate cannot be used.
    pub async fn start(self) -> io::Result<Running> {
        let tls = self.certificates.as_ref().map(wire::acceptor).transpose()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let socket = self.socket.as_ref().map(UnixListener::bind).transpose()?;
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { settings: self, tls, state });
        let accepted = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Segments of their own for what is said in pieces.
                if stream.set_nodelay(true).is_ok() {
                    accepted.serve(Box::new(stream), Channel::Network);
                }
            }
        });
        let accepted = Arc::clone(&shared);
        let local = socket.map(|socket| {
            tokio::spawn(async move {
                while let Ok((stream, _)) = socket.accept().await {
                    accepted.serve(Box::new(stream), Channel::Socket);
                }
            })
        });
        let accepting = std::iter::once(accepting).chain(local).collect();
        Ok(Running { address, shared, accepting })
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of this account (`user:password`) in the database `shop`, with these parameters.
    pub fn url(&self, account: &str, parameters: &str) -> String {
        format!("mysql://{account}@{}/shop?{parameters}", self.address)
    }

    /// What clients said of themselves, in the order of their log-ins.
    pub fn hellos(&self) -> Vec<Hello> {
        self.shared.lock().hellos.clone()
    }

    /// The commands of all sessions so far: `Query SELECT 1`, `Prepare …`, `Execute …`, `Ping`. What a driver does at
    /// its log-in is among them.
    pub fn commands(&self) -> Vec<String> {
        self.shared.lock().commands.clone()
    }

    /// Forgets the commands so far.
    pub fn forget_commands(&self) {
        self.shared.lock().commands.clear();
    }

    /// Whether a password was proved to this plugin.
    pub fn proved(&self, plugin: &str) -> bool {
        self.shared.lock().proved.contains(plugin)
    }

    /// Forgets what `caching_sha2_password` remembers, as a restart would.
    pub fn forget_passwords(&self) {
        self.shared.lock().remembered.clear();
    }

    /// From now on refuses nobody.
    pub fn admit(&self) {
        self.shared.lock().admits = true;
    }

    /// Ends every session that waits for a command, with this error, as MySQL 8 does after `wait_timeout`. How many
    /// those were; that they are told is a matter of a moment.
    pub fn end_sessions(&self, farewell: Failure) -> usize {
        let mut state = self.shared.lock();
        state.farewell = Some(farewell);
        state.sessions.values().for_each(|ears| ears.leave.notify_one());
        state.sessions.len()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.shared.lock().sessions.len()
    }

    /// How many connections were accepted.
    pub fn opened(&self) -> u32 {
        self.shared.lock().opened
    }

    /// How many bytes the latest connection was sent, before encryption.
    pub fn said(&self) -> usize {
        self.shared.lock().said
    }

    /// From now on closes each connection, old ones too, when it has sent so many bytes.
    pub fn cut_after(&self, bytes: usize) {
        self.shared.lock().fault = Fault::Cut(bytes);
    }

    /// From now on sends the byte at this place of each connection, of old ones too, with all its bits changed.
    pub fn damage(&self, at: usize) {
        self.shared.lock().fault = Fault::Damage(at);
    }

    /// From now on sends everything as it is.
    pub fn behave(&self) {
        self.shared.lock().fault = Fault::None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.iter().for_each(JoinHandle::abort);
        self.shared.lock().tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Serves a connection in a task of its own.
    fn serve(self: &Arc<Self>, stream: Box<dyn Bytes>, channel: Channel) {
        let connection = Arc::clone(self);
        let mut state = self.lock();
        state.opened += 1;
        let number = state.opened;
        // A client that goes away in the middle ends its connection, and nothing else.
        let task = tokio::spawn(async move {
            let _ = commands::serve(&connection, stream, channel, number).await;
        });
        state.tasks.retain(|task| !task.is_finished());
        state.tasks.push(task);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").field("release", &self.release).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}
