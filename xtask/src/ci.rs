//! `cargo xtask ci`: the checks that are not tests, one after the other, until the first that fails.

use crate::failure::{Failure, Outcome};
use crate::workspace::{EVERYTHING, Workspace, line, succeeds};
use crate::{counters, examples, help, tidy};
use std::process::Command;
use std::time::Instant;

struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    /// A command of cargo's; repeating it needs nothing of ours.
    Cargo(fn(&Workspace) -> Vec<Command>),
    /// Our own work; repeated by `cargo xtask ci <name>`.
    Own(fn(&Workspace) -> Outcome),
}

/// In this order: the quick ones first.
const STEPS: &[Step] = &[
    Step { name: "fmt", work: Work::Cargo(fmt) },
    Step { name: "tidy", work: Work::Own(|workspace| tidy::run(workspace, &[])) },
    Step { name: "clippy", work: Work::Cargo(clippy) },
    Step { name: "docs", work: Work::Cargo(docs) },
    Step { name: "examples", work: Work::Own(examples::run) },
    Step { name: "bench", work: Work::Cargo(bench) },
    Step { name: "counters", work: Work::Own(|workspace| counters::run(workspace, &[])) },
];

pub(crate) fn run(workspace: &Workspace, wanted: &[String]) -> Outcome {
    let names = || STEPS.iter().map(|step| step.name);
    if let Some(name) = wanted.iter().find(|name| !names().any(|n| n == **name)) {
        return Err(help::unknown("step", name, names()));
    }
    let started = Instant::now();
    let steps =
        || STEPS.iter().filter(|step| wanted.is_empty() || wanted.iter().any(|w| w == step.name));
    for step in steps() {
        run_step(workspace, step)?;
    }
    let names: Vec<&str> = steps().map(|step| step.name).collect();
    let seconds = started.elapsed().as_secs_f64();
    println!("ci: passed: {} ({seconds:.1} s)", names.join(", "));
    Ok(())
}

fn run_step(workspace: &Workspace, step: &Step) -> Outcome {
    let name = step.name;
    let started = Instant::now();
    let failed = |repeat: String, message: &str| {
        let seconds = started.elapsed().as_secs_f64();
        Failure::new(format!(
            "{message}\nci: {name} FAILED after {seconds:.1} s; to repeat it:\n  {repeat}"
        ))
    };
    match step.work {
        Work::Cargo(commands) => {
            for mut command in commands(workspace) {
                println!("ci: {name}: {}", line(&command));
                if !succeeds(&mut command)? {
                    return Err(failed(line(&command), ""));
                }
            }
        }
        Work::Own(work) => {
            println!("ci: {name}");
            work(workspace).map_err(|f| failed(format!("cargo xtask ci {name}"), &f.message))?;
        }
    }
    println!("ci: {name}: ok ({:.1} s)\n", started.elapsed().as_secs_f64());
    Ok(())
}

fn fmt(workspace: &Workspace) -> Vec<Command> {
    let mut commands = vec![workspace.cargo(["fmt", "--all", "--check"])];
    // A workspace of its own, which `--all` does not reach.
    if workspace.root.join("bench/Cargo.toml").exists() {
        commands.push(workspace.cargo([
            "fmt",
            "--all",
            "--check",
            "--manifest-path",
            "bench/Cargo.toml",
        ]));
    }
    commands
}

fn clippy(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo(["clippy", "--all-targets"]);
    command.args(EVERYTHING).args(["--", "-D", "warnings"]);
    vec![command]
}

fn docs(workspace: &Workspace) -> Vec<Command> {
    let mut command = workspace.cargo(["doc", "--no-deps"]);
    command.args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings");
    vec![command]
}

/// The comparisons are a workspace of their own: nothing above builds them. Checked, not built: to build their unit
/// tests took nine minutes from nothing on two busy CPUs, after six for the check, and two after each change of one of our
/// crates; to run them takes a second. Whoever changes what they test runs them:
/// `cargo test --manifest-path bench/Cargo.toml`.
fn bench(workspace: &Workspace) -> Vec<Command> {
    const MANIFEST: [&str; 2] = ["--manifest-path", "bench/Cargo.toml"];
    if !workspace.root.join("bench/Cargo.toml").exists() {
        return Vec::new();
    }
    let mut clippy = workspace.cargo(["clippy", "--all-targets"]);
    clippy.args(MANIFEST).args(["--", "-D", "warnings"]);
    vec![clippy]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparisons_are_linted() {
        let lines: Vec<String> = bench(&Workspace::locate()).iter().map(line).collect();
        assert_eq!(
            lines,
            ["cargo clippy --all-targets --manifest-path bench/Cargo.toml -- -D warnings"]
        );
    }
}
