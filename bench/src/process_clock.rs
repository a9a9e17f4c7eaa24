//! The CPU time of a process with threads, those that have ended included.
#![allow(unsafe_code, reason = "the standard library reads no clock of another process")]

use std::time::Duration;

/// User and system time that process `pid` has taken so far, to the nanosecond; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn cpu(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both places are ours, and live through the calls.
    let read = unsafe {
        libc::clock_getcpuclockid(pid, &mut clock) == 0
            && libc::clock_gettime(clock, &mut time) == 0
    };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    read.then(|| Duration::new(seconds, nanos))
}

/// Elsewhere it is not known.
#[cfg(not(target_os = "linux"))]
pub fn cpu(_pid: u32) -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_taken_time_and_takes_more() {
        let before = cpu(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu(std::process::id()).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(before > Duration::ZERO);
        assert_eq!(cpu(u32::MAX), None);
    }
}
