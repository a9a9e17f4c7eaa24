//! How many system calls a cached query costs: one write, one read, and one wait in between.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Outcome, Result, RowBatch, Value, Want};

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

/// So many times: statements of several callers, in segments.
#[test]
fn statements_of_several_callers_give_their_rows() {
    let url = std::env::var(URL).unwrap_or_else(|_| SERVER.url());
    let queries = std::env::var(QUERIES).map_or(10, |text| text.parse::<i64>().unwrap());
    let sql: Arc<str> = "SELECT $1::int8 + 1, 'river'".into();
    run(async {
        let mut session = connect(&url).await.unwrap();
        for n in 0..queries {
            let lane = session.connection.multiplex().unwrap();
            for ticket in 0..32 {
                lane.push(Ticket(ticket), &sql, &(n,), Want::All).unwrap();
                if ticket == 15 {
                    lane.end_segment();
                }
            }
            let mut answers = Sum { batch: RowBatch::new(), sum: 0 };
            std::future::poll_fn(|cx| lane.poll_drive(cx, &mut answers)).await.unwrap();
            assert_eq!(answers.sum, 32 * (n + 1));
        }
    });
}

struct Sum {
    batch: RowBatch,
    sum: i64,
}

impl Answers for Sum {
    fn room(&mut self, _: Ticket) -> Room<'_> {
        Room::Into(&mut self.batch)
    }

    fn answered(&mut self, _: Ticket, answer: Result<Outcome>) {
        answer.unwrap();
        self.sum += self.batch.row(0).unwrap().get::<i64>(0).unwrap();
    }

    fn not_run(&mut self, ticket: Ticket) {
        panic!("{ticket:?} was not run");
    }
}

/// The system calls of a run of one of the tests above with so many queries, by name.
fn calls(test: &str, queries: i64) -> BTreeMap<String, i64> {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "|cat >&2", "-e", "signal=none"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
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
    let test = "point_selects_over_one_session_give_their_rows";
    let (few, many) = (calls(test, 50), calls(test, 50 + MORE));
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

#[test]
fn statements_of_several_callers_share_one_write_and_need_no_look_at_an_empty_socket() {
    const MORE: i64 = 500;
    let test = "statements_of_several_callers_give_their_rows";
    let (few, many) = (calls(test, 50), calls(test, 50 + MORE));
    let spent = |name: &str| {
        let of = |calls: &BTreeMap<String, i64>| calls.get(name).copied().unwrap_or(0);
        of(&many) - of(&few)
    };
    assert_eq!(spent("sendto"), MORE, "{many:?}");
    // The answers of the two segments may come one after the other, and each after a wait. What was not waited for
    // is what the log-in and the server's other answers took.
    let (reads, waits) = (many["recvfrom"], many["epoll_wait"]);
    assert!(reads <= waits + MORE / 50, "{reads} reads after {waits} waits: {many:?}");
    assert!(reads <= 2 * (MORE + 50) + MORE / 50, "{many:?}");
}
