//! A server of a test's own, which it may kill.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aquifer_testkit::{mysql, postgres};

use crate::engine::Engine;

/// A server that loses nothing that it has acknowledged when its process is killed, unlike those that tests share.
#[derive(Debug)]
pub enum Server {
    /// PostgreSQL.
    Postgres(postgres::Server),
    /// MariaDB.
    Mysql(mysql::Server),
}

/// What a server's disk takes, when it is small.
const DISK_BYTES: u64 = 24 << 20;

/// How long a slow server runs at once.
const TURN: Duration = Duration::from_millis(3);

/// A server that is slow for as long as this is kept.
#[derive(Debug)]
pub struct Slowed {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || !matches!(ended, Some(Err(_))), "it is not slow");
    }
}

/// Runs the same on either server.
macro_rules! either {
    ($self:ident, $server:ident => $does:expr) => {
        match $self {
            Server::Postgres($server) => $does,
            Server::Mysql($server) => $does,
        }
    };
}

impl Server {
    /// Starts one that takes `connections` clients.
    ///
    /// # Panics
    ///
    /// For SQLite, and if it does not start.
    #[must_use]
    pub fn start(engine: Engine, connections: u32) -> Self {
        match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::Postgres => {
                let settings = postgres::Settings::new()
                    .max_connections(connections)
                    // Nothing need survive a crash of the machine, but all of one of the server.
                    .set("synchronous_commit", "on");
                Self::Postgres(postgres::Server::start(settings).expect("PostgreSQL starts"))
            }
            Engine::Mysql => {
                let settings = mysql::Settings::new()
                    .option(format!("max-connections={connections}"))
                    .option("innodb-flush-log-at-trx-commit=2");
                Self::Mysql(mysql::Server::start(settings).expect("MariaDB starts"))
            }
        }
    }

    /// Starts one that has no room for more than some megabytes, from the start or from
    /// [`fill_disk`](Self::fill_disk) on.
    ///
    /// # Panics
    ///
    /// For SQLite, and if it does not start.
    #[must_use]
    pub fn start_small(engine: Engine) -> Self {
        if engine != Engine::Mysql {
            return Self::start(engine, 60);
        }
        let file =
            format!("innodb-data-file-path=ibdata1:12M:autoextend:max:{}M", DISK_BYTES >> 20);
        let settings = mysql::Settings::new().option(file).option("innodb-file-per-table=0");
        Self::Mysql(mysql::Server::start(settings).expect("MariaDB starts"))
    }

    /// Where it listens, before and after a restart.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        either!(self, server => server.address())
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        either!(self, server => server.kill9().expect("it dies"));
    }

    /// Starts it again, stopping it before if it runs.
    pub fn restart(&self) {
        either!(self, server => server.restart().expect("it starts again"));
    }

    /// Has it stand still (SIGSTOP): the system still accepts connections for it.
    pub fn pause(&self) {
        either!(self, server => server.pause());
    }

    /// Lets it go on.
    pub fn resume(&self) {
        either!(self, server => server.resume());
    }

    /// From here on it runs only one part in so many of the time, all of its processes together, until what this gives is
    /// dropped. The rest of the time it stands still, for some tens of milliseconds at once.
    #[must_use]
    pub fn slowed(self: &Arc<Self>, parts: u32) -> Slowed {
        let (server, ends) = (Arc::clone(self), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let begun = Instant::now();
                server.resume();
                std::thread::sleep(TURN);
                server.pause();
                // However long that was: on a busy machine it is more than was asked for.
                std::thread::sleep(begun.elapsed() * (parts - 1));
            }
            server.resume();
        });
        Slowed { ends, thread: Some(thread) }
    }

    /// From here on it has no room for more than some megabytes; at a server made by
    /// [`start_small`](Self::start_small).
    pub fn fill_disk(&self) {
        // MariaDB takes a file that may not grow for the end of the world: its limit was set at its start.
        if let Self::Postgres(server) = self {
            server.limit_file_size(Some(DISK_BYTES)).expect("its limits can be set");
        }
    }

    /// Makes room again. False where there is none to be made: MariaDB's limit is that of its start, and it needs room
    /// even to remove what is there.
    pub fn empty_disk(&self) -> bool {
        let Self::Postgres(server) = self else { return false };
        server.limit_file_size(None).expect("its limits can be set");
        true
    }
}
