//! `cargo xtask soak`: the long form of the tests named `soak_*`, one after the other.
//!
//! Such a test is an ordinary one: without AQUIFER_SOAK_MINUTES it does a bounded amount of work in
//! every test run; with it, it repeats that with new seeds until its share of the time is used up.
//! Debug builds, on purpose: their assertions and overflow checks are half of what a soak finds.

use crate::arguments::Arguments;
use crate::artifacts::{self, Program};
use crate::failure::{Failure, Outcome};
use crate::requirements::{self, REQUIREMENTS};
use crate::workspace::{Workspace, output};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

const MINUTES: &str = "AQUIFER_SOAK_MINUTES";
const SEED: &str = "AQUIFER_SOAK_SEED";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let minutes: Option<f64> = arguments.value("--minutes", "a number of minutes")?;
    let seed: Option<u64> = arguments.value("--seed", "a whole number")?;
    let words = arguments.words()?;
    let minutes = minutes
        .filter(|minutes| minutes.is_finite() && *minutes > 0.0)
        .ok_or_else(|| Failure::usage("soak needs --minutes N, more than 0"))?;
    let seed = seed.unwrap_or_else(from_clock);
    requirements::ensure(REQUIREMENTS)?;

    let programs = artifacts::build(workspace, &["test", "--no-run"], None)?;
    let tests = tests(&programs, words.first().map_or("", String::as_str))?;
    if tests.is_empty() {
        return Err(Failure::new("soak: no test named soak_* matches"));
    }
    // Three decimals: a test that reads the variable need not cope with more.
    let share = format!("{:.3}", minutes / tests.len() as f64);
    println!("soak: {} tests, {share} minutes each, seed {seed}", tests.len());

    let mut table = String::new();
    let mut failed = Vec::new();
    for (program, test) in &tests {
        println!("\nsoak: {}: {test}", program.name);
        let started = Instant::now();
        let status = Command::new(&program.executable)
            .args(["--exact", test, "--nocapture"])
            .env(MINUTES, &share)
            .env(SEED, seed.to_string())
            .env("CARGO_MANIFEST_DIR", &program.package)
            .current_dir(&program.package)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Failure::new(format!("{}: {error}", program.executable.display())))?;
        let result = if status.success() { "passed" } else { "FAILED" };
        let time = started.elapsed().as_secs_f64() / 60.0;
        table += &format!("{:<24}{test:<56}{time:>8.2} min  {result}\n", program.name);
        if !status.success() {
            failed.push(test);
        }
    }
    println!("\n{:<24}{:<56}{:>12}  result\n{table}", "suite", "test", "time");
    match failed.first() {
        None => {
            println!("soak: passed: {} tests, seed {seed}", tests.len());
            Ok(())
        }
        Some(test) => Err(Failure::new(format!(
            "soak: FAILED: {} of {}; to repeat the first:\n  cargo xtask soak --minutes {share} --seed {seed} {test}",
            failed.len(),
            tests.len()
        ))),
    }
}

fn from_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// All soak tests whose path contains `filter`, with the program that holds each.
fn tests<'a>(programs: &'a [Program], filter: &str) -> Outcome<Vec<(&'a Program, String)>> {
    let mut tests = Vec::new();
    for program in programs.iter().filter(|program| program.is_test) {
        let mut command = Command::new(&program.executable);
        command.args(["--list", "--format", "terse"]).current_dir(&program.package);
        let listed = output(&mut command)?;
        let found = listed.lines().filter_map(soak_test).filter(|test| test.contains(filter));
        tests.extend(found.map(|test| (program, test.to_owned())));
    }
    Ok(tests)
}

/// The path of the test on a line `path::of::soak_it: test`.
fn soak_test(line: &str) -> Option<&str> {
    let path = line.strip_suffix(": test")?;
    path.rsplit("::").next()?.starts_with("soak_").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_test_is_known_by_the_last_part_of_its_path() {
        assert_eq!(soak_test("model::soak_events: test"), Some("model::soak_events"));
        assert_eq!(soak_test("soak_pool: test"), Some("soak_pool"));
        assert_eq!(soak_test("soak_helpers::counts: test"), None);
        assert_eq!(soak_test("soak_pool: benchmark"), None);
    }

    #[test]
    fn minutes_must_be_given_and_positive() {
        let workspace = Workspace::locate();
        for line in ["", "--minutes 0", "--minutes -1", "--minutes NaN", "--minutes many"] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(run(&workspace, &words).unwrap_err().code, 2, "{line}");
        }
    }
}
