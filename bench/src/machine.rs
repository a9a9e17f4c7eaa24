//! What the figures were taken on, for the head of a report.

use std::fs::read_to_string;

/// A few lines about the machine and what else it is doing.
pub fn describe() -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown CPU", |(_, name)| name.trim());
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("{cpus} x {cpu}, {} {}", std::env::consts::OS, kernel.trim());
    if let Some(load) = load().filter(|&load| load > 0.5) {
        text.push_str(&format!(
            "\nthe machine is busy (load {load:.1}): trust client CPU and ratios, not ops/s"
        ));
    }
    text
}

/// Processes that wanted a CPU during the last minute, on average.
fn load() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
