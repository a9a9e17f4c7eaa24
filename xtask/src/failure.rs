//! How a command ends when it does not succeed: what to print, and the exit code.

use std::fmt::Display;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Code 1: the work was done and failed, or could not be done. Code 2: the command line is wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Display) -> Failure {
        Failure { code: 1, message: message.to_string() }
    }

    pub(crate) fn usage(message: impl Display) -> Failure {
        Failure { code: 2, message: message.to_string() }
    }

    /// The command line is wrong and the help already printed says what it should be.
    pub(crate) fn silent_usage() -> Failure {
        Failure::usage("")
    }
}
