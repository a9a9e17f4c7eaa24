//! Tables for people, JSON lines for programs.

use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::registry::Choice;
use crate::rounds::Compared;

/// Memory of less than this, in bytes, is not worth a line.
const PEAK_SHOWN: u64 = 1 << 20;

/// Prints one table: a row per peer, and what was promised.
pub fn print(choice: &Choice, compared: &Compared) {
    let workload = choice.workload;
    println!();
    println!("{}: {}", choice.name(), workload.about);
    println!(
        "mode {}, runtime {}; {}; p50 and p99 are of {}",
        choice.mode.name(),
        choice.threads.name(),
        compared.pinned,
        workload.sample_of
    );
    if let Some(version) = compared.version {
        println!("{version} over {}", choice.socket.name());
    }
    let Some(ours) = compared.figures.first() else { return };
    let mut rows = vec![
        [
            "peer",
            "ops/s",
            "ours / it",
            "p50 us",
            "p99 us",
            "CPU us",
            "server us",
            "ours / it by CPU",
            "allocs",
            "instr",
            "max/min",
        ]
        .map(str::to_owned),
    ];
    for figures in &compared.figures {
        let ratio = compared.ratio(ours.peer.name, figures.peer.name);
        rows.push([
            figures.peer.name.to_owned(),
            thousands(figures.ops_s),
            or_dash(ratio, 2),
            or_dash(figures.p50_us, 2),
            or_dash(figures.p99_us, 2),
            or_dash(Some(figures.cpu_us_op), 3),
            or_dash(figures.server_us_op, 3),
            or_dash(compared.cpu_ratio(ours.peer.name, figures.peer.name), 2),
            or_dash(figures.allocations, 3),
            or_dash(figures.instructions, 0),
            or_dash(figures.service, 2),
        ]);
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        println!("{}", line.trim_end());
    }
    for figures in &compared.figures {
        if let Some(mib) = figures.resident_mib() {
            println!("  {}: {mib:.1} MiB resident when idle", figures.peer.name);
        }
        if let Some(peak) = figures.peak.filter(|&peak| peak > PEAK_SHOWN) {
            let mib = peak as f64 / f64::from(1 << 20);
            println!("  {}: {mib:.1} MiB allocated at most at a time", figures.peer.name);
        }
    }
    if compared.by_cpu {
        println!("  goals of speed are judged by all CPU time: all that works here shares one CPU");
    }
    for goal in workload.goals {
        match goal.judge(compared) {
            Some((figure, true)) => println!("  kept    {goal}: {figure:.2}"),
            Some((figure, false)) => println!("  MISSED  {goal}: {figure:.2}"),
            None => println!("  -       {goal}: not measured"),
        }
    }
}

fn or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// `1234567.8` as `1 234 568`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A file of one JSON object per line.
#[derive(Debug)]
pub struct Json {
    file: LineWriter<File>,
}

/// One line: one peer in one table. What was not measured is null.
#[derive(Debug, Serialize)]
struct Line<'a> {
    workload: &'a str,
    mode: &'static str,
    /// What is pinned to which CPU.
    pinned: String,
    /// The server's version, and how it is reached.
    server: Option<&'static str>,
    socket: Option<&'static str>,
    /// `ct`, `mt`, or `none` for what needs no runtime.
    runtime: &'static str,
    peer: &'static str,
    ops_s: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    cpu_us_op: f64,
    /// CPU time of the server's processes.
    server_us_op: Option<f64>,
    /// The most bytes that the peer had allocated at a time.
    peak_bytes: Option<u64>,
    allocs_op: Option<f64>,
    instructions_op: Option<f64>,
    rounds: usize,
    /// What is counted as an operation.
    unit: &'static str,
    /// What p50 and p99 are of.
    sample_of: &'static str,
    /// Of competing tasks, the best served one's operations over the worst served one's.
    service_max_min: Option<f64>,
    /// Memory that a program of its own held while idle.
    resident_bytes: Option<u64>,
    /// How many times the peer's operations per second ours does.
    ours_ratio: Option<f64>,
    /// The same per second of client CPU.
    ours_ratio_cpu: Option<f64>,
    /// The same per second of CPU time, the server's included.
    ours_ratio_work: Option<f64>,
}

impl Json {
    /// # Errors
    ///
    /// If the file cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        Ok(Self { file: LineWriter::new(file) })
    }

    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&mut self, choice: &Choice, compared: &Compared) -> Result<()> {
        let name = choice.name();
        let ours = compared.figures.first().map(|ours| ours.peer.name);
        for figures in &compared.figures {
            let line = Line {
                workload: &name,
                mode: choice.mode.name(),
                pinned: compared.pinned.to_string(),
                server: compared.version,
                socket: compared.version.map(|_| choice.socket.name()),
                runtime: if figures.peer.runtime { choice.threads.name() } else { "none" },
                peer: figures.peer.name,
                ops_s: figures.ops_s,
                p50_us: figures.p50_us,
                p99_us: figures.p99_us,
                cpu_us_op: figures.cpu_us_op,
                server_us_op: figures.server_us_op,
                peak_bytes: figures.peak,
                allocs_op: figures.allocations,
                instructions_op: figures.instructions,
                rounds: figures.rates.len(),
                unit: choice.workload.unit,
                sample_of: choice.workload.sample_of,
                service_max_min: figures.service.filter(|service| service.is_finite()),
                resident_bytes: figures.resident,
                ours_ratio: ours.and_then(|ours| compared.ratio(ours, figures.peer.name)),
                ours_ratio_cpu: ours.and_then(|ours| compared.cpu_ratio(ours, figures.peer.name)),
                ours_ratio_work: ours.and_then(|ours| compared.work_ratio(ours, figures.peer.name)),
            };
            let line = serde_json::to_string(&line)?;
            writeln!(self.file, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_234_567.8), "1 234 568");
    }
}
