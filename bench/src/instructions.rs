//! Instructions per operation: the difference of a longer and a shorter run under callgrind.
//!
//! Each run is a process of its own that sets one peer up and does so many operations; what setting up
//! costs is in both and cancels out. Only user mode is counted, of all threads.

use std::process::Command;

use crate::drive::Threads;
use crate::failure::{Failure, Result};
use crate::measure::{Plan, Watch};
use crate::registry::{Choice, Mode, Scale, Workload};
use crate::rounds::{Compared, Figures};
use crate::server::{Server, Socket};

/// One peer, once: what runs under the profiler.
#[derive(Debug)]
pub struct Once {
    pub workload: &'static Workload,
    pub peer: String,
    pub operations: u64,
    pub threads: Threads,
    pub file: bool,
    /// Where the server is, if one takes part.
    pub server: Option<String>,
}

impl Once {
    /// # Errors
    ///
    /// If the peer is unknown, cannot be set up, fails or answers wrongly.
    pub fn run(&self) -> Result<()> {
        let choice = Choice {
            workload: self.workload,
            mode: Mode::Same,
            threads: self.threads,
            file: self.file,
            socket: Socket::Tcp,
            only: vec![self.peer.clone()],
        };
        let peer = *choice.peers().first().ok_or_else(|| {
            Failure::new(format!("{} has no peer {}", self.workload.name, self.peer))
        })?;
        let folder = self.file.then(tempfile::tempdir).transpose()?;
        let server = match &self.server {
            None => match self.workload.server {
                Some(engine) => Some(Server::shared(engine, Scale::Counted)?.url(Socket::Tcp)),
                None => None,
            },
            given => given.clone(),
        };
        let path = folder.as_ref().map(|folder| folder.path().to_owned());
        let setting = choice.setting(Scale::Counted, path, server);
        let mut subject = (peer.build)(&setting)?;
        // The shorter run warms up like the longer one.
        let (warm_up, _) = self.workload.counted;
        subject.prepare()?;
        subject.run(&Plan {
            operations: warm_up,
            first: 0,
            watch: Watch::Nothing,
            server: None,
        })?;
        subject.prepare()?;
        subject.run(&Plan {
            operations: self.operations,
            first: warm_up,
            watch: Watch::Nothing,
            server: None,
        })?;
        Ok(())
    }
}

/// # Errors
///
/// If callgrind is not installed: the line to type.
pub fn available() -> Result<()> {
    let answer = Command::new("valgrind").arg("--version").output();
    match answer {
        Ok(answer) if answer.status.success() => Ok(()),
        _ => Err(Failure::new(
            "--instructions needs valgrind; type: sudo apt-get update && sudo apt-get install -y valgrind",
        )),
    }
}

/// Fills in the instructions of every peer of a table.
///
/// # Errors
///
/// A run that fails, or a profiler that does not answer as it should.
pub fn count(choice: &Choice, compared: &mut Compared) -> Result<()> {
    let (short, long) = choice.workload.counted;
    let server = compared.server.as_deref();
    let inside = |figures: &&mut Figures| !figures.peer.program && !figures.peer.foreign;
    for figures in compared.figures.iter_mut().filter(inside) {
        let few = run(choice, figures.peer.name, short, server)?;
        let many = run(choice, figures.peer.name, long, server)?;
        let difference = many.saturating_sub(few) as f64;
        figures.instructions = Some(difference / (long - short) as f64);
    }
    Ok(())
}

fn run(choice: &Choice, peer: &str, operations: u64, server: Option<&str>) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe()?);
    command.args(["--once", peer, "--operations", &operations.to_string()]);
    command.args(["--runtime", choice.threads.name()]);
    if choice.file {
        command.arg("--file");
    }
    if let Some(server) = server {
        command.args(["--server", server]);
    }
    command.arg(choice.workload.name);
    let output = command.output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::new(format!("{command:?} failed: {report}")));
    }
    collected(&report)
        .ok_or_else(|| Failure::new(format!("callgrind did not say what it collected: {report}")))
}

/// `==123== Collected : 4567`.
fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_profilers_last_lines() {
        let report = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(report), Some(123_456));
        assert_eq!(collected("killed"), None);
    }
}
