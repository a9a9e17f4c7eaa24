//! `cargo xtask bench`: hands over to bench/, a workspace of its own.

use crate::failure::{Failure, Outcome};
use crate::generate;
use crate::workspace::{Workspace, succeeds};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let manifest = workspace.root.join("bench/Cargo.toml");
    if !manifest.exists() {
        return Err(Failure::new("bench/Cargo.toml is missing from this checkout"));
    }
    let mut command = workspace.cargo(["run", "--release", "--manifest-path"]);
    command.arg(manifest).arg("--").args(arguments);
    // `--json FILE` is relative to where the user is, not to the project.
    command.current_dir(std::env::current_dir().map_err(Failure::new)?);
    if !succeeds(&mut command)? {
        return Err(Failure::new("bench: FAILED"));
    }
    // The README quotes what the bench has just written.
    if arguments.iter().any(|argument| argument == "--readme") {
        generate::run(workspace, &[])?;
    }
    Ok(())
}
