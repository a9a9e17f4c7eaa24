//! How many system calls a cached query costs: one write, one read, and one wait in between.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use aquifer_driver::Value;

use support::{SERVER, connect, run};

/// The server to use, and how many queries to run, when this program runs under `strace`.
const URL: &str = "AQUIFER_TEST_URL";
const QUERIES: &str = "AQUIFER_TEST_QUERIES";

/// Also what is measured, as a process of its own.
#[test]
fn point_selects_over_one_session_give_their_rows() {
    let url = std::env::var(URL).unwrap_or_else(|_| SERVER.url());
    let queries = std::env::var(QUERIES).map_or(10, |text| text.parse::<i64>().unwrap());
    run(async {
        let mut session = connect(&url).await.unwrap();
        for n in 0..queries {
            let rows = session.query("SELECT $1::int8 + 1, 'river'", &(n,)).await.unwrap();
            assert_eq!(rows, [[Value::Int(n + 1), "river".into()]]);
        }
    });
}

/// The system calls of a run of the test above with so many queries, by name.
fn calls(queries: i64) -> BTreeMap<String, i64> {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "|cat >&2", "-e", "signal=none"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "point_selects_over_one_session_give_their_rows", "--nocapture"])
        .env(URL, SERVER.url())
        .env(QUERIES, queries.to_string())
        .output()
        .expect("strace is not installed; `cargo xtask test` says how to install it");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let mut calls = BTreeMap::new();
    for line in log.lines() {
        // A line is a process, a space and a call; the end of one that was interrupted is not a call.
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        if let Some((name, _)) = call.split_once('(').filter(|_| !call.starts_with('<')) {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

#[test]
fn a_cached_query_is_one_write_one_wait_and_one_read() {
    const MORE: i64 = 1000;
    // What is spent on starting and logging in is the same for both.
    let (few, many) = (calls(50), calls(50 + MORE));
    let spent = |name: &str| {
        let of = |calls: &BTreeMap<String, i64>| calls.get(name).copied().unwrap_or(0);
        of(&many) - of(&few)
    };
    assert_eq!(spent("sendto"), MORE, "{many:?}");
    // What the log-in is told may come in a piece more or less.
    let reads = spent("recvfrom") - MORE;
    assert!((-MORE / 50..=MORE / 50).contains(&reads), "{reads} more than queries: {many:?}");
    let total: i64 = many.keys().map(|name| spent(name)).sum();
    // A wait now and then ends without anything having come.
    assert!(total <= 3 * MORE + MORE / 50, "{total} for {MORE} queries: {many:?}");
}
