//! The servers of the workloads that need one: each started once, ended with the process.
//!
//! Nothing is made durable and nothing runs beside the clients (`fsync`, `autovacuum` and `jit` are off), so
//! that a round differs from the next by its clients only.

use std::fs::read_to_string;
use std::sync::OnceLock;
use std::time::Duration;

use aquifer_testkit::postgres::{Auth, Role};
use aquifer_testkit::{mysql, postgres};

use crate::affinity;
use crate::failure::{Failure, Result};
use crate::process_clock;
use crate::registry::Scale;
use crate::workload::mysql as maria;
use crate::workload::postgres::{Login, SETTLE, schema, stations};
use crate::workload::{copy, shared};

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mysql,
}

/// How a server on this machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Socket {
    Tcp,
    Unix,
}

impl Socket {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
        }
    }
}

/// A running server that has the tables.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// What it says its version is.
    version: String,
}

#[derive(Debug)]
enum Process {
    Postgres(postgres::Server),
    Mysql(mysql::Server),
}

impl Server {
    /// This process's server of an engine; the first caller starts it. The caller's CPUs become the server's.
    ///
    /// # Errors
    ///
    /// If the engine is not installed or does not start.
    pub fn shared(engine: Engine, scale: Scale) -> Result<&'static Self> {
        static POSTGRES: OnceLock<Server> = OnceLock::new();
        static MYSQL: OnceLock<Server> = OnceLock::new();
        let started = match engine {
            Engine::Postgres => &POSTGRES,
            Engine::Mysql => &MYSQL,
        };
        match started.get() {
            Some(server) => {
                // It was started for another workload, and perhaps on other CPUs.
                server.family().into_iter().for_each(affinity::share);
                Ok(server)
            }
            None => {
                let server = match engine {
                    Engine::Postgres => Self::postgres(scale)?,
                    Engine::Mysql => Self::mysql(scale)?,
                };
                Ok(started.get_or_init(|| server))
            }
        }
    }

    fn postgres(scale: Scale) -> Result<Self> {
        let settings = postgres::Settings::new()
            .role(Role::new(Login::ROLE, Auth::Scram).password(Login::PASSWORD))
            .set("jit", "off")
            .set("shared_buffers", "256MB")
            // Every scan begins with the first row.
            .set("synchronize_seqscans", "off")
            .set("max_parallel_workers_per_gather", "0");
        let server = postgres::Server::start(settings)?;
        server.psql(&schema(stations(scale)))?;
        server.psql(copy::SCHEMA)?;
        server.psql(shared::SCHEMA)?;
        server.psql(SETTLE)?;
        let version = format!("PostgreSQL {}", server.psql("SHOW server_version")?.trim());
        Ok(Self { process: Process::Postgres(server), version })
    }

    fn mysql(scale: Scale) -> Result<Self> {
        // It offers no TLS, so peers that would ask for it first go on without.
        let settings = mysql::Settings::new()
            .option("innodb-buffer-pool-size=256M")
            .option("innodb-log-file-size=256M")
            .option("innodb-stats-persistent=OFF");
        let server = mysql::Server::start(settings)?;
        server.sql(&maria::schema(maria::stations(scale)))?;
        let version = server.sql("SELECT version()")?.trim().to_owned();
        Ok(Self { process: Process::Mysql(server), version })
    }

    pub fn url(&self, socket: Socket) -> String {
        match (&self.process, socket) {
            // Peers differ in whether they would ask for TLS first.
            (Process::Postgres(server), Socket::Tcp) => format!("{}?sslmode=disable", server.url()),
            (Process::Postgres(server), Socket::Unix) => {
                let folder = server.socket_dir().to_string_lossy().replace('/', "%2F");
                let host = format!("@{folder}:");
                format!("{}?sslmode=disable", server.url().replacen("@127.0.0.1:", &host, 1))
            }
            (Process::Mysql(server), _) => server.url(),
        }
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its processes, or its threads, as far as the system tells.
    fn family(&self) -> Vec<u32> {
        let numbers = |text: String| -> Vec<u32> {
            text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        match &self.process {
            Process::Postgres(server) => server.pid().map(|pid| {
                let children = read_to_string(format!("/proc/{pid}/task/{pid}/children"));
                let mut all = numbers(children.unwrap_or_default());
                all.push(pid);
                all
            }),
            Process::Mysql(server) => server.pid().map(|pid| {
                let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
                let names = threads.into_iter().flatten().flatten().map(|entry| entry.file_name());
                names.filter_map(|name| name.to_str()?.parse().ok()).collect()
            }),
        }
        .unwrap_or_default()
    }

    /// CPU time of all its processes so far, of those that have ended, too. Zero where the system does not
    /// tell.
    pub fn cpu(&self) -> Duration {
        match &self.process {
            Process::Postgres(server) => server.pid().and_then(cpu_of_family),
            // One process with a thread for each session.
            Process::Mysql(server) => server.pid().and_then(process_clock::cpu),
        }
        .unwrap_or_default()
    }
}

fn cpu_of_family(parent: u32) -> Option<Duration> {
    let mut all = cpu_of(parent)? + cpu_of_ended_children(parent)?;
    let children = read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        // One that has ended meanwhile is counted with its parent the next time.
        all += cpu_of(child).unwrap_or_default();
    }
    Some(all)
}

fn cpu_of(process: u32) -> Option<Duration> {
    let text = read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

fn cpu_of_ended_children(parent: u32) -> Option<Duration> {
    ended_children_ticks(&read_to_string(format!("/proc/{parent}/stat")).ok()?)
        .map(|ticks| Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// What `/proc` counts in: `USER_HZ`, which Linux does not change.
const TICKS_PER_SECOND: u64 = 100;

/// `cutime` and `cstime`, the 16th and the 17th field; the second one is in parentheses and may hold spaces.
fn ended_children_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The server that a peer is to use.
///
/// # Errors
///
/// If the workload has none: a mistake in its table.
pub fn url(setting: &crate::registry::Setting) -> Result<&str> {
    setting.server.as_deref().ok_or_else(|| Failure::new("the workload names no server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_ended_children_is_read_past_a_name_with_spaces() {
        let stat = "7 (post (x) gres) S 1 7 7 0 -1 0 1 2 3 4 10 20 30 40 20 0 1 0";
        assert_eq!(ended_children_ticks(stat), Some(70));
    }
}
