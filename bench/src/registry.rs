//! The table of workloads and the peers that run them.

use std::path::PathBuf;

use crate::affinity::{Affinity, Pinned};
use crate::drive::{Subject, Threads};
use crate::failure::{Failure, Result};
use crate::goal::Goal;
use crate::server::{Engine, Socket};
use crate::workload;

/// A kind of work that several peers can do.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// What one operation is, for `--list` and for the head of its table.
    pub about: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Calls per latency sample. What takes less than a few microseconds is timed in hundreds: a
    /// reading of the clock costs 25 ns.
    pub sample: u64,
    /// What one latency sample spans.
    pub sample_of: &'static str,
    /// A slot's operations are a multiple of this.
    pub granule: fn(Scale) -> u64,
    /// Operations of the shorter and of the longer run whose instructions are compared.
    pub counted: (u64, u64),
    /// Whether it can also run over a file (`--file`).
    pub stored: bool,
    /// Whose server takes part, if one does.
    pub server: Option<Engine>,
    /// Where it runs, whatever `--mode` and `--runtime` say: for what is about several CPUs.
    pub placed: Option<(Mode, Threads)>,
    /// Ours first: the table's ratios are to that one.
    pub peers: &'static [Peer],
    pub goals: &'static [Goal],
}

/// Somebody who can do a workload.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    /// Whether it needs a runtime.
    pub runtime: bool,
    /// Whether it is a process of its own, which neither our allocator nor our profiler sees.
    pub program: bool,
    /// Whether it is such a process, but one that does the operations and tells what they took.
    pub foreign: bool,
    pub build: fn(&Setting) -> Result<Box<dyn Subject>>,
}

impl Peer {
    pub const fn on_runtime(
        name: &'static str,
        build: fn(&Setting) -> Result<Box<dyn Subject>>,
    ) -> Self {
        Self { name, runtime: true, program: false, foreign: false, build }
    }

    pub const fn blocking(
        name: &'static str,
        build: fn(&Setting) -> Result<Box<dyn Subject>>,
    ) -> Self {
        Self { name, runtime: false, program: false, foreign: false, build }
    }

    pub const fn program(
        name: &'static str,
        build: fn(&Setting) -> Result<Box<dyn Subject>>,
    ) -> Self {
        Self { name, runtime: false, program: true, foreign: false, build }
    }

    pub const fn foreign(
        name: &'static str,
        build: fn(&Setting) -> Result<Box<dyn Subject>>,
    ) -> Self {
        Self { name, runtime: false, program: false, foreign: true, build }
    }
}

/// What is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Everything on one CPU: steady, and what ratios are quoted from.
    Same,
    /// A server on one CPU, this process on another; without a server as `same`.
    Split,
    /// Nothing pinned.
    Free,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Split => "split",
            Self::Free => "free",
        }
    }

    /// Pins the calling thread, and so the threads and processes that it starts later; `server` starts
    /// those of a server.
    pub fn pin<T>(self, affinity: &Affinity, server: impl FnOnce() -> T) -> (Pinned, T) {
        match self {
            Self::Same => {
                let pinned = affinity.one();
                (pinned, server())
            }
            Self::Split => affinity.apart(server),
            Self::Free => (affinity.all(), server()),
        }
    }
}

/// How much data there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Full,
    Quick,
    /// Small enough to be set up under a profiler.
    Counted,
}

/// The circumstances of a run.
#[derive(Debug, Clone)]
pub struct Setting {
    pub threads: Threads,
    pub scale: Scale,
    /// A folder for database files; `None` for databases in memory.
    pub folder: Option<PathBuf>,
    /// Where the server is that has the tables.
    pub server: Option<String>,
}

/// One workload in one setting: one table.
#[derive(Debug)]
pub struct Choice {
    pub workload: &'static Workload,
    pub mode: Mode,
    pub threads: Threads,
    pub file: bool,
    /// How the server is reached.
    pub socket: Socket,
    /// The peers that were asked for; all if empty.
    pub only: Vec<String>,
}

impl Choice {
    /// The workload's name in reports; over a file it is another one.
    pub fn name(&self) -> String {
        match self.file {
            true => format!("{}_file", self.workload.name),
            false => self.workload.name.to_owned(),
        }
    }

    pub fn peers(&self) -> Vec<&'static Peer> {
        let wanted =
            |peer: &&Peer| self.only.is_empty() || self.only.iter().any(|o| o == peer.name);
        self.workload.peers.iter().filter(wanted).collect()
    }

    pub fn setting(
        &self,
        scale: Scale,
        folder: Option<PathBuf>,
        server: Option<String>,
    ) -> Setting {
        Setting { threads: self.threads, scale, folder, server }
    }
}

/// Every workload.
pub fn all() -> impl Iterator<Item = &'static Workload> {
    workload::FAMILIES.iter().flat_map(|family| family.workloads)
}

/// The workloads whose name is, or begins with, this.
///
/// # Errors
///
/// If there is none.
pub fn named(name: &str) -> Result<Vec<&'static Workload>> {
    if let Some(exact) = all().find(|workload| workload.name == name) {
        return Ok(vec![exact]);
    }
    let found: Vec<_> = all().filter(|workload| workload.name.starts_with(name)).collect();
    if found.is_empty() {
        let names: Vec<_> = all().map(|workload| workload.name).collect();
        return Err(Failure::new(format!(
            "no workload is called {name} or begins so; there are: {}",
            names.join(", ")
        )));
    }
    Ok(found)
}

/// Prints the table.
pub fn list() {
    for workload in all() {
        let peers: Vec<_> = workload.peers.iter().map(|peer| peer.name).collect();
        println!("{:<16} {}", workload.name, workload.about);
        println!("{:<16} peers: {}", "", peers.join(", "));
        for goal in workload.goals {
            println!("{:<16} goal: {goal}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_goals_name_peers_that_exist() {
        let mut names = HashSet::new();
        for workload in all() {
            assert!(names.insert(workload.name), "{} twice", workload.name);
            let peers: HashSet<_> = workload.peers.iter().map(|peer| peer.name).collect();
            assert_eq!(peers.len(), workload.peers.len(), "{}", workload.name);
            for goal in workload.goals {
                for peer in goal.peers() {
                    assert!(peers.contains(peer), "{}: {peer}", workload.name);
                }
            }
            assert!(workload.counted.0 < workload.counted.1);
        }
    }

    #[test]
    fn a_family_is_found_by_how_its_names_begin() {
        assert_eq!(named("pool_1").unwrap().len(), 1);
        assert!(named("sqlite").unwrap().len() > 3);
        let error = named("sqlyte").unwrap_err().to_string();
        assert!(error.contains("there are: pool_1, "), "{error}");
    }
}
