//! One PostgreSQL server: started, disturbed, stopped.

use super::account::Account;
use super::certificates;
use super::database::{Admin, Database};
use super::error::Error;
use super::keeper::{self, Keeper};
use super::programs;
use super::settings::{Settings, quoted};
use super::template::{ADMIN, Template};
use rustix::process::{Pid, Signal, test_kill_process};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server may take this long to become ready, to stop, or to have a port of its own again: long, since a
/// machine that runs tests is busy. Nothing waits longer than it must.
const SERVER_SECONDS_MAX: u64 = 60;
/// How often another port is tried when somebody took the one the system gave us.
const PORTS_TRIED_MAX: u32 = 20;
/// The lines of the log that go into errors and under failed tests.
const LOG_TAIL_LINES: usize = 40;

/// A running PostgreSQL server in a temporary directory, on a port that the system chose.
///
/// Every server has a superuser `aquifer` with the password `aquifer`, and a database `aquifer`. Dropping it
/// stops it and removes its directory. If the process ends without dropping it, the server ends all the
/// same, so a `static` one may serve all tests of a file.
///
/// Its methods block; each is a matter of milliseconds to a second.
#[derive(Debug)]
pub struct Server {
    admin: Admin,
    directory: PathBuf,
    port: u16,
    settings: Settings,
    databases: AtomicU64,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    keeper: Keeper,
    /// While it runs.
    pid: Option<Pid>,
    /// Whom [`Server::pause`] has stopped.
    paused: Vec<Pid>,
}

impl Server {
    /// Starts a server and returns when it accepts connections.
    ///
    /// The first call on a machine runs `initdb`; later ones copy what it made.
    ///
    /// # Errors
    ///
    /// [`Error::NotInstalled`] without PostgreSQL; [`Error::NotReady`], with the server's log, if it does
    /// not like its settings.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        let bin = programs::find(&["postgres", "initdb", "psql"])?;
        let account = Account::for_servers()?;
        let first_statements = settings.first_statements();
        if settings.standby && !first_statements.is_empty() {
            return Err(Error::Refused("a standby cannot have roles or passwords of its own"));
        }
        let arguments = |path: &Path| vec!["-D".into(), path.join("data").into_os_string()];
        let postgres = bin.join("postgres");
        // From here on, nothing stays if this process is killed.
        let mut keeper = Keeper::new("aquifer-pg-", &account, "QUIT", &postgres, arguments)?;
        let path = keeper.path().to_owned();
        let data = path.join("data");
        Template::new(&bin, account)?.copy_to(&data)?;
        if let Some(certificate) = settings.certificate {
            certificates::write(&path, account, certificate)?;
        }
        if settings.standby {
            write(account, &data.join("standby.signal"), "")?;
        }
        write(account, &data.join("pg_hba.conf"), &settings.hba_conf(ADMIN))?;

        let mut tried = 0;
        let (port, pid) = loop {
            tried += 1;
            let port = free_port()?;
            write(account, &data.join("postgresql.conf"), &settings.conf(&path, port))?;
            match start(&mut keeper, &data) {
                Ok(pid) => break (port, pid),
                Err(error) if tried < PORTS_TRIED_MAX && port_was_taken(&error) => {}
                Err(error) => return Err(error),
            }
        };
        let running = Mutex::new(Running { keeper, pid: Some(pid), paused: Vec::new() });
        let admin = Admin::new(bin, path.clone(), port, account);
        let databases = AtomicU64::new(0);
        let server = Self { admin, directory: path, port, settings, databases, running };
        if !first_statements.is_empty() {
            server.psql(&first_statements)?;
        }
        Ok(server)
    }

    /// The URL of the superuser `aquifer` in the database `aquifer`, over TCP.
    pub fn url(&self) -> String {
        self.url_of("aquifer", "aquifer", "aquifer")
    }

    /// The URL of a role in a database, over TCP. The three go in as they are: they must not contain what a
    /// URL would need escaped.
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens; IPv4 only.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its TCP port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its unix socket, whose name follows from the port.
    pub fn socket_dir(&self) -> &Path {
        &self.directory
    }

    /// The certificate of the test's authority, if it has TLS: for `sslrootcert`.
    pub fn ca_path(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// A certificate for the role `aquifer`, if it has TLS: for `sslcert`.
    pub fn client_certificate_path(&self) -> PathBuf {
        self.directory.join("client.crt")
    }

    /// The key of [`Server::client_certificate_path`]: for `sslkey`.
    pub fn client_key_path(&self) -> PathBuf {
        self.directory.join("client.key")
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        log_text(&self.directory.join("log"))
    }

    /// The statements that clients have had executed so far, oldest first, as the log names them:
    /// `statement: SELECT 1` by a simple query, `execute <unnamed>: SELECT 1` or `execute s1: SELECT 1` by
    /// an Execute message. The testkit's own are left out. Needs [`Settings::log_statements`].
    pub fn statements(&self) -> Vec<String> {
        statements(&self.log())
    }

    /// Executes SQL as an administrator in the database `aquifer`. Returns the rows, unaligned, their columns
    /// separated by `|`.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with what the server said, at the first statement that fails.
    pub fn psql(&self, sql: &str) -> Result<String, Error> {
        self.psql_in("aquifer", sql)
    }

    /// [`Server::psql`] in another database.
    ///
    /// # Errors
    ///
    /// As for [`Server::psql`].
    pub fn psql_in(&self, database: &str, sql: &str) -> Result<String, Error> {
        self.admin.psql(database, sql)
    }

    /// A program of the server's installation, such as `psql` or `pgbench`, under the server's account and
    /// without variables like `PGHOST`. It is not told where the server is.
    pub fn program(&self, name: &str) -> Command {
        self.admin.program(name)
    }

    /// Makes an empty database, owned by `aquifer`, that is removed when it is dropped.
    ///
    /// # Errors
    ///
    /// As for [`Server::psql`].
    pub fn fresh_database(&self) -> Result<Database, Error> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let create = format!("CREATE DATABASE {} OWNER aquifer", quoted(&name, '"'));
        self.psql(&create)?;
        let url = self.url_of("aquifer", "aquifer", &name);
        Ok(Database::new(self.admin.clone(), name, url))
    }

    /// The process id of the server's first process, unless it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.running().pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops it as an administrator would (`fast`): transactions are rolled back, clients are told that the
    /// server is shutting down (57P01). Its directory stays; [`Server::restart`] starts it again.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it does not stop.
    pub fn stop(&self) -> Result<(), Error> {
        self.running().end(Signal::INT)
    }

    /// Stops it if it runs, and starts it again on the same port with the same data.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it does not start.
    pub fn restart(&self) -> Result<(), Error> {
        let mut running = self.running();
        running.end(Signal::INT)?;
        let until = Instant::now() + Duration::from_secs(SERVER_SECONDS_MAX);
        loop {
            match start(&mut running.keeper, &self.directory.join("data")) {
                Ok(pid) => {
                    running.pid = Some(pid);
                    return Ok(());
                }
                // Somebody's outgoing connection may have the port for a while.
                Err(error) if port_was_taken(&error) && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills all of its processes with SIGKILL, as a crash of the machine would: clients see their
    /// connections reset or closed without a word, and [`Server::restart`] recovers from the log.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if a process stays.
    pub fn kill9(&self) -> Result<(), Error> {
        let mut running = self.running();
        running.resume();
        let Some(pid) = running.pid else { return Ok(()) };
        let memory = shared_memory(&self.directory.join("data/postmaster.pid"));
        // Stopped first, it starts no further process and does not mourn those it has.
        keeper::signal(pid, Signal::STOP);
        let children = keeper::children(pid);
        for &child in &children {
            keeper::signal(child, Signal::KILL);
        }
        running.end(Signal::KILL)?;
        let until = Instant::now() + Duration::from_secs(SERVER_SECONDS_MAX);
        while children.iter().any(|&child| test_kill_process(child).is_ok()) {
            if Instant::now() > until {
                return Err(running.not_ready("a process of the server's survived SIGKILL"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // The one thing of a killed server that is not in its directory.
        if let Some(id) = memory {
            self.admin.remove_shared_memory(&id);
        }
        Ok(())
    }

    /// Has the system refuse it to make any file longer than that, as a full disk would; `None` lifts it.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the system refuses that.
    #[cfg(target_os = "linux")]
    pub fn limit_file_size(&self, bytes: Option<u64>) -> Result<(), Error> {
        let running = self.running();
        let Some(pid) = running.pid else { return Ok(()) };
        for child in keeper::children(pid) {
            // One that has ended meanwhile writes nothing.
            let _ = running.keeper.limit_file_size(child, bytes);
        }
        running.keeper.limit_file_size(pid, bytes)
    }

    /// Stops all of its processes where they are (SIGSTOP): connections stay open and nothing answers, not
    /// even new connections, which the system still accepts.
    pub fn pause(&self) {
        let mut running = self.running();
        let Some(pid) = running.pid else { return };
        keeper::signal(pid, Signal::STOP);
        running.paused.push(pid);
        // Twice, for one that it was just starting.
        for _ in 0..2 {
            for child in keeper::children(pid) {
                keeper::signal(child, Signal::STOP);
                running.paused.push(child);
            }
        }
    }

    /// Lets it go on after [`Server::pause`].
    pub fn resume(&self) {
        self.running().resume();
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the end of the log of the server on port {}:\n{}",
                self.port,
                tail(&self.log())
            );
        }
        // The keeper does the rest when it is dropped.
        self.running().resume();
    }
}

impl Running {
    fn end(&mut self, signal: Signal) -> Result<(), Error> {
        self.resume();
        let Some(pid) = self.pid else { return Ok(()) };
        keeper::signal(pid, signal);
        match self.keeper.exited(Duration::from_secs(SERVER_SECONDS_MAX)) {
            Some(_) => {
                self.pid = None;
                Ok(())
            }
            None => Err(self.not_ready("the server does not stop")),
        }
    }

    fn resume(&mut self) {
        for pid in self.paused.drain(..).rev() {
            keeper::signal(pid, Signal::CONT);
        }
    }

    fn not_ready(&self, what: &str) -> Error {
        Error::NotReady { what: what.to_owned(), log: tail(&log_text(&self.keeper.log())) }
    }
}

/// Starts the server of `keeper` and waits until it accepts connections.
fn start(keeper: &mut Keeper, data: &Path) -> Result<Pid, Error> {
    let logged = log_text(&keeper.log()).len();
    let fail = |keeper: &Keeper, what: String| {
        let log = log_text(&keeper.log());
        Error::NotReady { what, log: tail(log.get(logged..).unwrap_or(&log)) }
    };
    let pid = keeper.start()?;
    let until = Instant::now() + Duration::from_secs(SERVER_SECONDS_MAX);
    let lock_file = data.join("postmaster.pid");
    while Instant::now() < until {
        if let Some(code) = keeper.exited(Duration::from_millis(3)) {
            return Err(fail(keeper, format!("the server ended at its start, exit code {code}")));
        }
        if fs::read_to_string(&lock_file).is_ok_and(|text| is_ready(&text, pid)) {
            return Ok(pid);
        }
    }
    keeper::signal(pid, Signal::KILL);
    keeper.exited(Duration::from_secs(SERVER_SECONDS_MAX));
    Err(fail(keeper, format!("the server was not ready after {SERVER_SECONDS_MAX} s")))
}

/// Whether `postmaster.pid` says that the server `pid` accepts connections: its first line is the process
/// id, its eighth the status.
fn is_ready(text: &str, pid: Pid) -> bool {
    let mut lines = text.lines();
    let first = lines.next().and_then(|line| line.parse().ok());
    let status = lines.nth(6).map(str::trim);
    first == Some(pid.as_raw_nonzero().get()) && matches!(status, Some("ready" | "standby"))
}

/// The id of the System V segment that `postmaster.pid` names in its seventh line, after the key.
fn shared_memory(lock_file: &Path) -> Option<String> {
    let text = fs::read_to_string(lock_file).ok()?;
    text.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
}

/// A port that is free now. Somebody may take it before the server does.
pub(crate) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(Error::io("asking for a free port"))
}

fn port_was_taken(error: &Error) -> bool {
    matches!(error, Error::NotReady { log, .. } if log.contains("Address already in use"))
}

fn write(account: Account, path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io("writing a file of the server's"))?;
    account.own(path)
}

pub(crate) fn log_text(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

/// The statements in a log. A line that begins with a tab continues the one before.
fn statements(log: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut continues = false;
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let (true, Some(last)) = (continues, statements.last_mut()) {
                last.push('\n');
                last.push_str(more);
            }
            continue;
        }
        let entry = line.split_once(" LOG:  ");
        let entry = entry.filter(|(head, text)| {
            let own = head.rsplit(' ').next().is_some_and(|who| who.starts_with(ADMIN));
            !own && (text.starts_with("statement: ") || text.starts_with("execute "))
        });
        continues = entry.is_some();
        statements.extend(entry.map(|(_, text)| text.to_owned()));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_what_this_very_process_has_written() {
        let pid = Pid::from_raw(42).unwrap();
        let text = |pid: u32, status: &str| {
            format!("{pid}\n/data\n1\n2\n/tmp\n127.0.0.1\n  3  4\n{status}\n")
        };
        assert!(is_ready(&text(42, "ready   "), pid));
        assert!(is_ready(&text(42, "standby "), pid));
        assert!(!is_ready(&text(42, "starting"), pid));
        assert!(!is_ready(&text(41, "ready   "), pid));
        assert!(!is_ready("42\n", pid));
    }

    #[test]
    fn statements_are_read_from_the_log_with_all_their_lines() {
        let log = "2026 UTC [1] LOG:  listening\n\
                   2026 UTC [2] a@b LOG:  execute s1: SELECT\n\
                   \t1\n\
                   2026 UTC [2] a@b DETAIL:  parameters: $1 = 'x\n\
                   \ty'\n\
                   2026 UTC [3] testkit@b LOG:  statement: CREATE DATABASE x\n\
                   2026 UTC [2] a@b LOG:  statement: COMMIT\n";
        assert_eq!(statements(log), ["execute s1: SELECT\n1", "statement: COMMIT"]);
    }
}
