//! Instructions of one operation: the difference of a longer and a shorter run under callgrind, each a process of its
//! own; what starting and connecting cost is in both.

use std::process::Command;

use crate::Result;
use crate::operation::Operation;
use crate::servers::Servers;

/// How often at most it is measured: what disturbs a run makes it longer, never shorter.
const TRIES: usize = 3;

/// The least of some measurements; one is enough if it is no more than `expected`.
pub(crate) fn least(operation: &Operation, servers: &Servers, enough: Option<f64>) -> Result<f64> {
    let url = servers.url(operation.engine);
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let short = collected(operation, operation.run, &url)?;
        let long = collected(operation, 3 * operation.run, &url)?;
        let each = long.saturating_sub(short) as f64 / (2 * operation.run) as f64;
        least = least.min(each.round());
        if enough.is_some_and(|enough| least <= enough) {
            break;
        }
    }
    Ok(least)
}

fn collected(operation: &Operation, operations: u64, url: &str) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(std::env::current_exe()?);
    command.args(["--once", operation.name, &operations.to_string(), url]);
    let output = command.output().map_err(|error| format!("cannot start valgrind: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} failed under valgrind: {report}", operation.name).into());
    }
    read(&report).ok_or_else(|| format!("callgrind did not say what it collected: {report}").into())
}

/// `==123== Collected : 4567`.
fn read(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_profilers_last_lines() {
        let report = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(read(report), Some(123_456));
        assert_eq!(read("killed"), None);
    }
}
