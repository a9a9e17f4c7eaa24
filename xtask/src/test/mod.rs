//! `cargo xtask test`: one `cargo test` over the workspace, its output passed on as it comes, and a
//! table at the end. Plain `cargo test`, because that is on every machine that has cargo, and runs
//! the documentation tests too.

mod summary;

use crate::failure::{Failure, Outcome};
use crate::requirements::{self, REQUIREMENTS};
use crate::workspace::{EVERYTHING, Workspace, cannot_start};
use std::io::{IsTerminal, PipeReader, Read, Write};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use summary::Summary;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let split = arguments.iter().position(|a| a == "--");
    let (ours, theirs) = arguments.split_at(split.unwrap_or(arguments.len()));
    if let Some(flag) = ours.iter().find(|a| a.starts_with('-')) {
        let message =
            format!("unknown option `{flag}`; what is meant for the test programs goes after `--`");
        return Err(Failure::usage(message));
    }
    if let [_, second, ..] = ours {
        return Err(Failure::usage(format!("one filter at a time; `{second}` is too many")));
    }
    requirements::ensure(REQUIREMENTS)?;

    // --no-fail-fast: one run shows every failure.
    let mut command = workspace.cargo(["test", "--no-fail-fast"]);
    command.args(EVERYTHING).args(ours).args(theirs);
    if std::io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        // Cargo writes to a pipe of ours and would take that for a file.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let started = Instant::now();
    let (status, summary) = watch(command)?;
    let summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
    println!("\n{}", summary.table(started.elapsed()));
    let narrowed = !ours.is_empty() || !theirs.is_empty();
    match verdict(status.success(), &summary, narrowed) {
        Ok(line) => {
            println!("{line}");
            Ok(())
        }
        Err(line) => Err(Failure::new(line)),
    }
}

/// What the run comes to, in one line. Cargo's exit status decides; the counts can only make it
/// worse: a run that tested nothing, or left tests out, has not passed.
fn verdict(cargo_succeeded: bool, summary: &Summary, narrowed: bool) -> Result<String, String> {
    let total = summary.total();
    if !cargo_succeeded {
        let names = summary.failures();
        if names.is_empty() {
            return Err(
                "test: FAILED before or outside a test; see cargo's message above".to_owned()
            );
        }
        let lines: Vec<String> = names.iter().map(|name| format!("  {name}")).collect();
        return Err(format!("test: FAILED\n{}", lines.join("\n")));
    }
    if summary.straggler {
        return Err("test: FAILED: a process that a test started is still running".to_owned());
    }
    if narrowed && total.passed == 0 {
        return Err("test: FAILED: no test matches".to_owned());
    }
    if total.passed == 0 {
        return Err("test: FAILED: cargo ran no test".to_owned());
    }
    if !narrowed && total.ignored > 0 {
        let ignored = total.ignored;
        return Err(format!(
            "test: FAILED: {ignored} ignored; nothing is skipped here: make it run, or remove it \
             (a code block in the documentation that cannot run is `no_run` or `text`)"
        ));
    }
    Ok(format!("test: passed: {} tests in {} suites", total.passed, total.suites))
}

/// How long a process that outlives the test that started it may take to end.
const STRAGGLER_SECONDS_MAX: u64 = 10;

/// Runs it, passes on its output byte by byte and reads along.
fn watch(mut command: Command) -> Outcome<(ExitStatus, Arc<Mutex<Summary>>)> {
    // One pipe for both streams keeps the lines of cargo and of the tests in their order.
    let (reader, writer) = std::io::pipe().map_err(Failure::new)?;
    command.stdout(writer.try_clone().map_err(Failure::new)?).stderr(writer);
    let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
    drop(command); // and with it our ends of the pipe, or it would never end
    let summary = Arc::new(Mutex::new(Summary::default()));
    let (open, closed) = channel::<()>();
    let reading = Arc::clone(&summary);
    std::thread::spawn(move || {
        pass_on(reader, &reading);
        drop(open);
    });
    let status = child.wait().map_err(Failure::new)?;
    // Whoever still holds the pipe was started by a test. Waiting on would be waiting for ever.
    let left = closed.recv_timeout(Duration::from_secs(STRAGGLER_SECONDS_MAX));
    if left == Err(RecvTimeoutError::Timeout) {
        summary.lock().unwrap_or_else(PoisonError::into_inner).straggler = true;
    }
    Ok((status, summary))
}

fn pass_on(mut from: PipeReader, summary: &Mutex<Summary>) {
    let mut line = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => &buffer[..read],
        };
        // Whoever reads us may have gone; the tests still run to their end and decide the exit code.
        let mut to = std::io::stdout().lock();
        let _ = to.write_all(read).and_then(|()| to.flush());
        for &byte in read {
            if byte == b'\n' {
                let text = String::from_utf8_lossy(&line);
                summary.lock().unwrap_or_else(PoisonError::into_inner).line(&text);
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(result: &str) -> Summary {
        let mut summary = Summary::default();
        summary.line("     Running unittests src/lib.rs (target/debug/deps/aquifer_pool-0a1b)");
        summary.line(result);
        summary
    }

    const PASSED: &str = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    const IGNORED: &str = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    const NOTHING: &str = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.01s";

    #[test]
    fn a_run_passes_only_if_cargo_says_so() {
        let good = verdict(true, &summary(PASSED), false);
        assert_eq!(good.unwrap(), "test: passed: 2 tests in 1 suites");
        assert!(verdict(false, &summary(PASSED), false).unwrap_err().contains("FAILED"));
    }

    #[test]
    fn an_ignored_test_fails_a_whole_run_but_not_a_narrowed_one() {
        assert!(verdict(true, &summary(IGNORED), false).unwrap_err().contains("1 ignored"));
        assert!(verdict(true, &summary(IGNORED), true).is_ok());
    }

    #[test]
    fn a_process_left_behind_fails_a_run_that_passed() {
        let mut summary = summary(PASSED);
        summary.straggler = true;
        assert!(verdict(true, &summary, false).unwrap_err().contains("still running"));
    }

    #[test]
    fn a_filter_that_matches_nothing_is_a_failure() {
        let nothing = verdict(true, &summary(NOTHING), true);
        assert_eq!(nothing.unwrap_err(), "test: FAILED: no test matches");
        assert!(verdict(true, &Summary::default(), false).is_err());
    }
}
