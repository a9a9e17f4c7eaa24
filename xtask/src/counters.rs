//! `cargo xtask counters`: hands over to counters/, built as for a release, but quicker.

use crate::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::requirements::{self, REQUIREMENTS};
use crate::workspace::{Workspace, succeeds};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let update = arguments.switch("--update");
    let names = arguments.words()?;
    requirements::ensure(REQUIREMENTS)?;
    let mut command =
        workspace.cargo(["run", "--profile", "counters", "--package", "aquifer-counters", "--"]);
    command.args(update.then_some("--update")).args(names);
    if succeeds(&mut command)? { Ok(()) } else { Err(Failure::new("counters: FAILED")) }
}
