//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::drive::Threads;
use crate::failure::Result;
use crate::instructions::Once;
use crate::registry::{self, Choice, Mode, Scale};
use crate::rounds::Effort;
use crate::server::{Engine, Socket};

/// Runs Aquifer and its peers over the same work, interleaved, and prints the ratios.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub struct Arguments {
    /// Workloads, or how their names begin; all without any
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,

    /// Two short rounds over less data: a smoke test, not figures
    #[arg(long)]
    quick: bool,

    /// Write one JSON object per line and peer to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write the figures into docs/performance.md, and what the README quotes of them; whole families of workloads
    #[arg(long, conflicts_with = "quick")]
    pub readme: bool,

    /// Also count instructions per operation (needs valgrind)
    #[arg(long)]
    pub instructions: bool,

    /// Only these peers, and the first one that each workload has
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    peers: Vec<String>,

    /// What is pinned, where a workload does not say that itself
    #[arg(long, value_enum, default_value = "same")]
    mode: Mode,

    /// The runtime of the peers that need one, where a workload does not say that itself
    #[arg(long, value_enum, default_value = "ct")]
    runtime: Threads,

    /// How PostgreSQL is reached
    #[arg(long, value_enum, default_value = "tcp")]
    socket: Socket,

    /// Use database files instead of databases in memory, where a workload can
    #[arg(long)]
    file: bool,

    /// How many rounds
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// About how long a peer works at a time
    #[arg(long, value_name = "MS")]
    slot_ms: Option<u64>,

    /// Say what there is and stop
    #[arg(long)]
    list: bool,

    /// Run one peer of one workload, measuring nothing: to be run under a profiler
    #[arg(long, value_name = "PEER", requires = "operations")]
    once: Option<String>,

    /// How many operations `--once` does
    #[arg(long, value_name = "N")]
    operations: Option<u64>,

    /// The server that `--once` uses, with the tables that a comparison made there
    #[arg(long, value_name = "URL", requires = "once")]
    server: Option<String>,
}

/// What was asked for.
pub enum Task {
    List,
    Once(Once),
    Compare(Vec<Choice>),
}

impl Arguments {
    /// # Errors
    ///
    /// If a workload does not exist.
    pub fn task(&self) -> Result<Task> {
        if self.list {
            return Ok(Task::List);
        }
        let mut workloads = Vec::new();
        for name in &self.workloads {
            workloads.extend(registry::named(name)?);
        }
        if self.workloads.is_empty() {
            workloads.extend(registry::all());
        }
        if let (Some(peer), Some(operations)) = (&self.once, self.operations)
            && let Some(&workload) = workloads.first()
        {
            return Ok(Task::Once(Once {
                workload,
                peer: peer.clone(),
                operations,
                threads: self.runtime,
                file: self.file,
                server: self.server.clone(),
            }));
        }
        let choices = workloads.into_iter().map(|workload| {
            let mut only = self.peers.clone();
            if let (false, Some(first)) = (only.is_empty(), workload.peers.first()) {
                only.push(first.name.to_owned());
            }
            let (mode, threads) = workload.placed.unwrap_or((self.mode, self.runtime));
            let has_both = workload.server == Some(Engine::Postgres);
            Choice {
                workload,
                mode,
                threads,
                file: self.file && workload.stored,
                socket: if has_both { self.socket } else { Socket::Tcp },
                only,
            }
        });
        Ok(Task::Compare(choices.collect()))
    }

    /// How long to measure.
    pub fn effort(&self) -> Effort {
        let (rounds, slot_ms, scale) =
            if self.quick { (2, 50, Scale::Quick) } else { (5, 500, Scale::Full) };
        Effort {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            slot: Duration::from_millis(self.slot_ms.unwrap_or(slot_ms).max(1)),
            scale,
        }
    }
}
