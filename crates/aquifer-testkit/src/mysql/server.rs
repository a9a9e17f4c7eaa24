//! One MariaDB server: started, disturbed, stopped.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::database::{Admin, Database};
use super::settings::{Settings, quoted};
use crate::postgres::keeper::{self, Keeper};
use crate::postgres::server::{free_port, log_text, tail};
use crate::postgres::template::run;
use crate::postgres::{Account, Error, certificates, programs};

/// A server may take this long to become ready or to stop: long, since a machine that runs tests is busy.
const SERVER_SECONDS_MAX: u64 = 60;
/// How often another port is tried when somebody took the one the system gave us.
const PORTS_TRIED_MAX: u32 = 20;

/// A running MariaDB server in a temporary directory, on a port that the system chose.
///
/// Every server has an account `aquifer` with the password `aquifer` and all privileges
/// (`mysql_native_password`), and a database `aquifer`. Dropping it stops it and removes its directory. If the
/// process ends without dropping it, the server ends all the same, so a `static` one may serve all tests of a
/// file.
///
/// Its methods block; each is a matter of milliseconds to seconds.
#[derive(Debug)]
pub struct Server {
    admin: Admin,
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
}

impl Server {
    /// Makes and starts a server, and returns when it accepts connections.
    ///
    /// # Errors
    ///
    /// [`Error::NotInstalled`] without MariaDB; [`Error::NotReady`], with the server's log, if it does not
    /// like its settings.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        let server = programs::find(&["mariadbd"])?.join("mariadbd");
        let bin = programs::find(&["mariadb-install-db", "mariadb"])?;
        let account = Account::for_servers()?;
        let mut tried = 0;
        loop {
            tried += 1;
            let port = free_port()?;
            let arguments = |path: &Path| settings.arguments(path, port);
            // From here on, nothing stays if this process is killed.
            let mut keeper = Keeper::new("aquifer-my-", &account, "KILL", &server, arguments)?;
            let path = keeper.path().to_owned();
            install(&bin, account, &path)?;
            let first = path.join("first.sql");
            fs::write(&first, settings.first_statements())
                .map_err(Error::io("writing a file of the server's"))?;
            account.own(&first)?;
            if let Some(certificate) = settings.certificate {
                certificates::write(&path, account, certificate)?;
            }
            match start(&mut keeper, port) {
                Ok(pid) => {
                    let admin = Admin { bin, directory: path, account };
                    let running = Mutex::new(Running { keeper, pid: Some(pid) });
                    let databases = AtomicU64::new(0);
                    return Ok(Self { admin, port, settings, databases, running });
                }
                Err(error) if tried < PORTS_TRIED_MAX && port_was_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The URL of the account `aquifer` in the database `aquifer`, over TCP.
    pub fn url(&self) -> String {
        self.url_of("aquifer", "aquifer", "aquifer")
    }

    /// The URL of an account in a database, over TCP. The three go in as they are: they must not contain what
    /// a URL would need escaped.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("mysql://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens; IPv4 only.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its TCP port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.admin.directory.join("socket")
    }

    /// The certificate of the test's authority, if it has TLS.
    pub fn ca_path(&self) -> PathBuf {
        self.admin.directory.join("ca.crt")
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        log_text(&self.admin.directory.join("log"))
    }

    /// Executes SQL as the administrator in the database `aquifer`. Returns the rows, their columns separated
    /// by tabs.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] with what the server said, at the first statement that fails.
    pub fn sql(&self, sql: &str) -> Result<String, Error> {
        self.admin.sql("aquifer", sql)
    }

    /// A program of the server's installation, such as `mariadb`, under the server's account. It is not told
    /// where the server is.
    pub fn program(&self, name: &str) -> Command {
        self.admin.program(name)
    }

    /// Makes an empty database that is removed when it is dropped.
    ///
    /// # Errors
    ///
    /// As for [`Server::sql`].
    pub fn fresh_database(&self) -> Result<Database, Error> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql(&format!("CREATE DATABASE {}", quoted(&name, '`')))?;
        let url = self.url_of("aquifer", "aquifer", &name);
        Ok(Database { admin: self.admin.clone(), name, url })
    }

    /// The server's process id, unless it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.running().pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Stops it as an administrator would: sessions are told and closed. Its directory stays;
    /// [`Server::restart`] starts it again.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it does not stop.
    pub fn stop(&self) -> Result<(), Error> {
        self.running().end(Signal::TERM)
    }

    /// Kills it with SIGKILL, as a crash of the machine would.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if the process stays.
    pub fn kill9(&self) -> Result<(), Error> {
        self.running().end(Signal::KILL)
    }

    /// Stops it if it runs, and starts it again on the same port with the same data.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] if it does not start.
    pub fn restart(&self) -> Result<(), Error> {
        let mut running = self.running();
        running.end(Signal::TERM)?;
        let pid = start(&mut running.keeper, self.port)?;
        running.pid = Some(pid);
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
        running.keeper.limit_file_size(pid, bytes)
    }

    /// Stops the process where it is (SIGSTOP): connections stay open and nothing answers.
    pub fn pause(&self) {
        if let Some(pid) = self.running().pid {
            keeper::signal(pid, Signal::STOP);
        }
    }

    /// Lets it go on after [`Server::pause`].
    pub fn resume(&self) {
        if let Some(pid) = self.running().pid {
            keeper::signal(pid, Signal::CONT);
        }
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
        self.resume();
    }
}

impl Running {
    fn end(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(pid) = self.pid else { return Ok(()) };
        keeper::signal(pid, Signal::CONT);
        keeper::signal(pid, signal);
        match self.keeper.exited(Duration::from_secs(SERVER_SECONDS_MAX)) {
            Some(_) => {
                self.pid = None;
                Ok(())
            }
            None => Err(Error::NotReady {
                what: "the server does not stop".to_owned(),
                log: tail(&log_text(&self.keeper.log())),
            }),
        }
    }
}

/// Makes a data directory.
fn install(bin: &Path, account: Account, directory: &Path) -> Result<(), Error> {
    let mut install = account.command(&bin.join("mariadb-install-db"), directory);
    let mut data = std::ffi::OsString::from("--datadir=");
    data.push(directory.join("data"));
    // Servers that start remove the temporary tables that they find in theirs: it must not be everybody's.
    let mut temporary = std::ffi::OsString::from("--tmpdir=");
    temporary.push(directory.join("data"));
    install.arg("--no-defaults").arg(data).arg(temporary).args([
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        "--innodb-log-file-size=4M",
        "--innodb-flush-method=nosync",
    ]);
    run(&mut install)
}

/// Starts the server of `keeper` and waits until it accepts connections.
fn start(keeper: &mut Keeper, port: u16) -> Result<Pid, Error> {
    let logged = log_text(&keeper.log()).len();
    let fail = |keeper: &Keeper, what: String| {
        let log = log_text(&keeper.log());
        Error::NotReady { what, log: tail(log.get(logged..).unwrap_or(&log)) }
    };
    let pid = keeper.start()?;
    let until = Instant::now() + Duration::from_secs(SERVER_SECONDS_MAX);
    while Instant::now() < until {
        if let Some(code) = keeper.exited(Duration::from_millis(5)) {
            return Err(fail(keeper, format!("the server ended at its start, exit code {code}")));
        }
        // The line comes when the statements of the init file have run and the sockets listen.
        let log = log_text(&keeper.log());
        let new = log.get(logged..).unwrap_or(&log);
        if new.contains("ready for connections") && greets(port) {
            return Ok(pid);
        }
    }
    keeper::signal(pid, Signal::KILL);
    keeper.exited(Duration::from_secs(SERVER_SECONDS_MAX));
    Err(fail(keeper, format!("the server was not ready after {SERVER_SECONDS_MAX} s")))
}

/// Whether something at this port sends a packet that can be a server's greeting.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(SERVER_SECONDS_MAX)));
    let mut head = [0; 5];
    // Protocol version 10.
    stream.read_exact(&mut head).is_ok() && head[4] == 10
}

fn port_was_taken(error: &Error) -> bool {
    matches!(error, Error::NotReady { log, .. } if log.contains("Address already in use"))
}
