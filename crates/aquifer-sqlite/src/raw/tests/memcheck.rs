//! The tests of this layer once more under valgrind, which sees what they cannot: reads and writes of memory that is not ours,
//! decisions that depend on memory that was never written, memory that is lost.

use std::process::Command;

/// Given up on purpose, and so lost: a connection that SQLite would not close.
const LOST_ON_PURPOSE: &str = "closing_reports_a_statement_that_is_not_ours";
/// Random operations by the thousand, too many for the pace of valgrind.
const LONG: &str = "model::";

#[test]
fn the_layer_uses_its_own_memory_only_and_loses_none() {
    let tests = std::env::current_exe().expect("this program");
    let mut command = Command::new("valgrind");
    command.args([
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        // What the standard library keeps for a thread is possibly lost.
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
    ]);
    command.arg(tests).args(["raw::tests::", "--test-threads=2"]);
    for skipped in [LOST_ON_PURPOSE, LONG, "memcheck::"] {
        command.args(["--skip", skipped]);
    }
    let output = command.output().expect("`valgrind` is on the PATH");
    let said = String::from_utf8_lossy(&output.stdout);
    let found = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{found}", output.status);
    let passed =
        said.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next());
    let passed: usize = passed.expect("a summary").parse().expect("a number");
    assert!(passed >= 80, "only {passed} tests ran");
}
