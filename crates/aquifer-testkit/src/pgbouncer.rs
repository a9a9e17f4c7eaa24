//! A real PgBouncer in front of a server, started and stopped like the server itself.
//!
//! ```
//! use aquifer_testkit::pgbouncer::{PgBouncer, PoolMode};
//! use aquifer_testkit::postgres::{Server, Settings};
//!
//! let server = Server::start(Settings::new()).unwrap();
//! let bouncer = PgBouncer::start(&server, PoolMode::Transaction).unwrap();
//! // ... connect the driver under test to `bouncer.url()` ...
//! assert!(bouncer.console("SHOW CONFIG").unwrap().contains("pool_mode|transaction"));
//! ```

use crate::postgres::keeper::{self, Keeper};
use crate::postgres::server::{free_port, log_text, tail};
use crate::postgres::template::run_with;
use crate::postgres::{Account, Auth, Error, Server, programs};
use rustix::process::{Pid, Signal};
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const READY_SECONDS_MAX: u64 = 60;
const PORTS_TRIED_MAX: u32 = 20;

/// For how long a client keeps a server's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// Until it disconnects.
    Session,
    /// For one transaction: what a session holds (prepared statements, settings, listening) is lost after it.
    Transaction,
    /// For one statement; transactions of several are refused.
    Statement,
}

/// What a [`PgBouncer`] is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    mode: PoolMode,
    auth: Auth,
    parameters: Vec<(String, String)>,
}

impl Options {
    /// Everyone gets in, and is the server's superuser `aquifer`; otherwise PgBouncer's own defaults.
    pub fn new(mode: PoolMode) -> Self {
        Self { mode, auth: Auth::Trust, parameters: Vec::new() }
    }

    /// How clients log in to PgBouncer, as `aquifer` with the password `aquifer`.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// The server's connections for each database and role at most.
    #[must_use]
    pub fn pool_size(self, connections: u32) -> Self {
        self.set("default_pool_size", connections.to_string())
    }

    /// Sets any parameter of the section `pgbouncer`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The whole of `pgbouncer.ini`.
    fn ini(&self, server: &Server, directory: &Path, port: u16) -> Result<String, Error> {
        let auth = match self.auth {
            Auth::Trust => "any",
            Auth::Password => "plain",
            Auth::Md5 => "md5",
            Auth::Scram => "scram-sha-256",
            Auth::Cert | Auth::Reject => {
                return Err(Error::Refused(
                    "the testkit's PgBouncer knows trust, password, md5 and scram",
                ));
            }
        };
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        let socket = server.socket_dir().display();
        let users = directory.join("users");
        let mut ini = format!(
            "[databases]\n* = host={socket} port={} user=aquifer password=aquifer\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = {auth}\nauth_file = {}\nadmin_users = aquifer\npool_mode = {mode}\n",
            server.port(),
            users.display()
        );
        for (name, value) in &self.parameters {
            let _ = writeln!(ini, "{name} = {value}");
        }
        Ok(ini)
    }
}

impl From<PoolMode> for Options {
    fn from(mode: PoolMode) -> Self {
        Self::new(mode)
    }
}

/// A running PgBouncer in front of a [`Server`], reached over TCP without TLS.
///
/// Dropping it stops it and removes its directory; it ends with the process in any case. It knows any database
/// of the server, by its name there.
#[derive(Debug)]
pub struct PgBouncer {
    keeper: Keeper,
    port: u16,
    /// Of the server, for PgBouncer's own console.
    psql: PathBuf,
    account: Account,
}

impl PgBouncer {
    /// Starts it and returns when it listens. The server may stop and start meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::NotInstalled`] without PgBouncer; [`Error::NotReady`], with its log, if it does not like its
    /// options.
    pub fn start(server: &Server, options: impl Into<Options>) -> Result<Self, Error> {
        let options = options.into();
        let program = programs::find(&["pgbouncer"])?.join("pgbouncer");
        let account = Account::for_servers()?;
        let ini = |path: &Path| vec![path.join("pgbouncer.ini").into_os_string()];
        // One process without anything outside its directory: it may be killed.
        let mut keeper = Keeper::new("aquifer-pgb-", &account, "KILL", &program, ini)?;
        let path = keeper.path().to_owned();
        let write = |name: &str, text: &str| {
            let file = path.join(name);
            fs::write(&file, text).map_err(Error::io("writing PgBouncer's configuration"))?;
            account.own(&file)
        };
        write("users", "\"aquifer\" \"aquifer\"\n")?;
        let mut tried = 0;
        let port = loop {
            tried += 1;
            let port = free_port()?;
            write("pgbouncer.ini", &options.ini(server, &path, port)?)?;
            match start(&mut keeper) {
                Ok(_) => break port,
                Err(Error::NotReady { log, .. })
                    if tried < PORTS_TRIED_MAX && log.contains("in use") => {}
                Err(error) => return Err(error),
            }
        };
        let psql = server.program("psql").get_program().into();
        Ok(Self { keeper, port, psql, account })
    }

    /// The URL of the role `aquifer` in the database `aquifer`, through it.
    pub fn url(&self) -> String {
        self.url_of("aquifer", "aquifer", "aquifer")
    }

    /// The URL of a role in a database, as [`Server::url_of`].
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens; IPv4 only.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        log_text(&self.keeper.log())
    }

    /// Executes a command of its administration console, such as `SHOW POOLS` or `RECONNECT`. Returns the
    /// rows, their columns separated by `|`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with what it said.
    pub fn console(&self, command: &str) -> Result<String, Error> {
        let mut psql: Command = self.account.command(&self.psql, self.keeper.path());
        psql.env("PGCONNECT_TIMEOUT", "10").env("PGPASSWORD", "aquifer");
        psql.args(["-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-U", "aquifer", "-d", "pgbouncer"]);
        psql.args(["-p", &self.port.to_string(), "-c", command]);
        run_with(&mut psql, "")
    }
}

/// Starts it, and waits until it says that it listens.
fn start(keeper: &mut Keeper) -> Result<Pid, Error> {
    let logged = log_text(&keeper.log()).len();
    let pid = keeper.start()?;
    let until = Instant::now() + Duration::from_secs(READY_SECONDS_MAX);
    loop {
        let exited = keeper.exited(Duration::from_millis(3));
        let log = log_text(&keeper.log());
        let log = log.get(logged..).unwrap_or_default();
        let what = match exited {
            Some(code) => format!("PgBouncer ended at its start, exit code {code}"),
            None if log.contains("process up:") => return Ok(pid),
            None if Instant::now() < until => continue,
            None => {
                keeper::signal(pid, Signal::KILL);
                format!("PgBouncer was not ready after {READY_SECONDS_MAX} s")
            }
        };
        return Err(Error::NotReady { what, log: tail(log) });
    }
}
