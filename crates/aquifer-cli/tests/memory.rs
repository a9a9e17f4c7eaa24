//! What the running program holds in memory. Linux says; elsewhere nothing here runs.
#![cfg(target_os = "linux")]

mod common;

use common::{Scratch, Serving};

/// What the README's first command may hold while idle. The debug build that tests run has the same heap
/// as the release build, and a larger text; `cargo xtask bench serve_start` measures the release build.
const RESIDENT_KIB_MAX: u64 = 40 * 1024;

fn resident_kib(serving: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[test]
fn a_service_that_has_answered_holds_less_than_40_mib() {
    let scratch = Scratch::new();
    // The start that makes the demo, and one that finds it.
    for start in ["first", "second"] {
        let serving = scratch.serve(&[]);
        for _ in 0..20 {
            assert_eq!(serving.get("/stations/7").0, 200);
            assert_eq!(serving.get("/stations?limit=1000").1.as_array().unwrap().len(), 200);
            let readings = serving.get("/stations/7/readings?limit=1000").1;
            assert_eq!(readings.as_array().unwrap().len(), 1_000);
            assert_eq!(serving.admin("/metrics").0, 200);
        }
        let resident = resident_kib(&serving);
        assert!(resident < RESIDENT_KIB_MAX, "{start} start: {resident} KiB");
        println!("{start} start: {resident} KiB");
        assert_eq!(serving.stop("INT").0, Some(0));
    }
}

#[test]
fn a_demo_in_memory_and_its_service_hold_less_than_40_mib() {
    let scratch = Scratch::new();
    let serving = scratch.serve(&["--memory"]);
    assert_eq!(serving.get("/stations/7").0, 200);
    let resident = resident_kib(&serving);
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
    println!("memory: {resident} KiB");
    assert_eq!(serving.stop("INT").0, Some(0));
}
