//! `cargo xtask fuzz`: builds the mutation loop of fuzz/ fast but with every check on, and runs it.

use crate::failure::{Failure, Outcome};
use crate::workspace::{Workspace, cannot_start};

/// A profile of its own, given here because nothing but this command uses it: optimised, with the
/// assertions and overflow checks that make a wrong result loud.
const PROFILE: [&str; 5] = [
    "profile.fuzz.inherits='release'",
    "profile.fuzz.debug-assertions=true",
    "profile.fuzz.overflow-checks=true",
    "profile.fuzz.lto='off'",
    "profile.fuzz.codegen-units=16",
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let mut command = workspace.cargo(["run", "--quiet", "--profile", "fuzz", "--manifest-path"]);
    command.arg(workspace.root.join("fuzz/Cargo.toml"));
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    command.arg("--").args(arguments);
    // `--input FILE` is relative to where the user is, not to the project.
    command.current_dir(std::env::current_dir().map_err(Failure::new)?);
    let status = command.status().map_err(|error| cannot_start(&command, &error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(Failure::silent_usage()),
        _ => Err(Failure::new("fuzz: FAILED")),
    }
}
