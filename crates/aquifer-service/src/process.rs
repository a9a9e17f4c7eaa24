//! The process's own figures, under the names that every Prometheus client library gives them.
//!
//! They come from `/proc`; elsewhere than on Linux there are none.

use crate::prometheus::Text;

/// Adds the `process_*` families.
#[cfg(target_os = "linux")]
pub(crate) fn write(text: &mut Text) {
    use crate::prometheus::Type;

    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let figures = Figures::parse(
        &read("/proc/self/stat"),
        &read("/proc/self/status"),
        &read("/proc/self/limits"),
        &read("/proc/stat"),
    );
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let mut one = |name, ty, help, value: Option<f64>| {
        if let Some(value) = value {
            text.single(name, ty, help, &[], value);
        }
    };
    one(
        "process_cpu_seconds_total",
        Type::Counter,
        "Total user and system CPU time spent in seconds.",
        figures.cpu_s,
    );
    one(
        "process_open_fds",
        Type::Gauge,
        "Number of open file descriptors.",
        Some(descriptors as f64),
    );
    one(
        "process_max_fds",
        Type::Gauge,
        "Maximum number of open file descriptors.",
        figures.descriptors_max,
    );
    one(
        "process_virtual_memory_bytes",
        Type::Gauge,
        "Virtual memory size in bytes.",
        figures.virtual_bytes,
    );
    one(
        "process_resident_memory_bytes",
        Type::Gauge,
        "Resident memory size in bytes.",
        figures.resident_bytes,
    );
    one(
        "process_start_time_seconds",
        Type::Gauge,
        "Start time of the process since unix epoch in seconds.",
        figures.started_s,
    );
    one("process_threads", Type::Gauge, "Number of OS threads.", figures.threads);
}

/// Adds nothing: there is no `/proc` here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write(_text: &mut Text) {}

/// The kernel's clock ticks per second as user space sees them (`USER_HZ`): 100 on every architecture
/// that Rust's standard library supports.
#[cfg(target_os = "linux")]
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(target_os = "linux")]
#[derive(Debug, Default, PartialEq)]
struct Figures {
    cpu_s: Option<f64>,
    descriptors_max: Option<f64>,
    virtual_bytes: Option<f64>,
    resident_bytes: Option<f64>,
    started_s: Option<f64>,
    threads: Option<f64>,
}

#[cfg(target_os = "linux")]
impl Figures {
    fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // The second field is the program's name in parentheses and may hold anything, blanks included.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
        let line = |text: &str, key: &str| -> Option<f64> {
            text.lines().find_map(|line| {
                line.strip_prefix(key)?.split_whitespace().next()?.parse::<f64>().ok()
            })
        };
        let ticks = |index| field(index).map(|ticks| ticks / TICKS_PER_SECOND);
        Self {
            cpu_s: ticks(11).zip(ticks(12)).map(|(user, kernel)| user + kernel),
            descriptors_max: line(limits, "Max open files"),
            virtual_bytes: line(status, "VmSize:").map(|kib| kib * 1024.0),
            resident_bytes: line(status, "VmRSS:").map(|kib| kib * 1024.0),
            started_s: ticks(19).zip(line(system, "btime")).map(|(after, boot)| boot + after),
            threads: line(status, "Threads:"),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_proc() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 13 14 15 16 17 18 1000 20";
        let status = "Name:\tx\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t7\n";
        let limits = "Max open files            1024                 4096                 files\n";
        let figures = Figures::parse(stat, status, limits, "cpu 1\nbtime 5000\n");
        assert_eq!(
            figures,
            Figures {
                cpu_s: Some(4.0),
                descriptors_max: Some(1024.0),
                virtual_bytes: Some(2_097_152.0),
                resident_bytes: Some(1_048_576.0),
                started_s: Some(5010.0),
                threads: Some(7.0),
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(Figures::parse("", "VmRSS: x", "", ""), Figures::default());
    }
}
