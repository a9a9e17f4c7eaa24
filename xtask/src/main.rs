//! The project's own commands: `cargo xtask <command>`.
//!
//! Owns how the project is tested, checked, measured and fuzzed; CI runs nothing that a person
//! cannot type. Depends on the standard library alone, because everybody who tests Aquifer builds
//! this first. Never decides what a test means: it starts cargo and reports.

#![forbid(unsafe_code)]

mod arguments;
mod artifacts;
mod bench;
mod ci;
mod counters;
mod examples;
mod failure;
mod fuzz;
mod generate;
mod help;
mod requirements;
mod soak;
mod sqlstates;
mod test;
mod tidy;
mod workspace;

use failure::{Failure, Outcome};
use std::process::ExitCode;
use workspace::Workspace;

/// One command: its help and its work. `help` and CONTRIBUTING.md are written from this table.
struct Command {
    name: &'static str,
    /// What follows the name, in the usual notation.
    arguments: &'static str,
    summary: &'static str,
    /// Printed by `help <name>` below the summary.
    details: &'static str,
    run: fn(&Workspace, &[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "test",
        arguments: "[FILTER] [-- TEST-ARGS]",
        summary: "run every test of the workspace",
        details: "\
Checks first for the programs the tests need: as root on Debian it installs what is missing, elsewhere
it stops with the line to type. Then runs the unit, integration, compile-fail and documentation tests
of all crates with all features, and replays the fuzz corpus. Nothing is skipped: an ignored test is
an error.

FILTER runs the tests whose path contains it. What follows `--` goes to the test programs:
    cargo xtask test pool::state -- --nocapture",
        run: test::run,
    },
    Command {
        name: "ci",
        arguments: "[STEP...]",
        summary: "run every other check: fmt, tidy, clippy, docs, examples, bench, counters",
        details: "\
Each step is named and timed; the first that fails ends the run and says how to repeat it. With STEP,
only those. `.ci/run` is `cargo xtask test` and then this.",
        run: ci::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        summary: "check the house rules that clippy cannot",
        details: "Every finding names file, line, rule and reason. The rules stand in xtask/src/tidy/rules.rs.",
        run: tidy::run,
    },
    Command {
        name: "generate",
        arguments: "[--check]",
        summary: "rewrite the generated sections of the documents, and the generated files",
        details: "\
A generated section stands between `<!-- generated: NAME -->` and `<!-- end -->`. With --check nothing
is written, and a section that is out of date is an error; `tidy` does that.",
        run: generate::run,
    },
    Command {
        name: "bench",
        arguments: "[WORKLOAD...] [--quick] [--json FILE] [--readme]",
        summary: "measure Aquifer and its peers, interleaved, as ratios",
        details: "\
Builds the comparison in bench/ (a workspace of its own) in release mode and hands it all arguments.
`cargo xtask bench --help` is answered by it, and `--list` lists the workloads. With --readme the figures of whole families
of workloads go into docs/performance.md, and from there into the README.",
        run: bench::run,
    },
    Command {
        name: "counters",
        arguments: "[OPERATION...] [--update]",
        summary: "count what operations cost: instructions, round trips, Syncs, allocations, tasks",
        details: "\
Compares with counters/baseline.toml and fails if an operation takes more than 3 % more instructions, or more of
anything else. With --update writes the file: commit it with the change that explains it. Instructions of
another compiler are shown, and not compared.",
        run: counters::run,
    },
    Command {
        name: "soak",
        arguments: "--minutes N [--seed S] [FILTER]",
        summary: "run the long form of the tests named soak_*",
        details: "\
The minutes are for the whole run and shared out evenly; the tests run one after the other. Each is
told AQUIFER_SOAK_MINUTES (a decimal number, its own share) and AQUIFER_SOAK_SEED (a whole number).
Without a seed one is taken from the clock and printed, so that a failure can be repeated.",
        run: soak::run,
    },
    Command {
        name: "fuzz",
        arguments: "TARGET [--seconds N] [--seed S] [--input FILE]",
        summary: "feed mutated inputs to a fuzz target, on the stable toolchain",
        details: "\
Without TARGET, lists the targets. Mutates the files of fuzz/corpus/TARGET for N seconds (default 60)
and stops at the first input that panics, aborts or takes longer than ten seconds; the input is kept under
fuzz/artifacts/TARGET. --input runs one file, to look at what was found.",
        run: fuzz::run,
    },
    Command {
        name: "help",
        arguments: "[COMMAND]",
        summary: "show this, or all about one command",
        details: "",
        run: help::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&Workspace::locate(), &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("{}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        eprintln!("{}", help::overview());
        return Err(Failure::silent_usage());
    };
    let name = match name.as_str() {
        "-h" | "--help" => "help",
        name => name,
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(help::unknown("command", name, COMMANDS.iter().map(|c| c.name)));
    };
    // The bench answers for itself: only it knows its workloads.
    let asks_for_help = rest.iter().take_while(|a| *a != "--").any(|a| a == "-h" || a == "--help");
    if asks_for_help && command.name != "bench" {
        println!("{}", help::of(command));
        return Ok(());
    }
    (command.run)(workspace, rest)
}
