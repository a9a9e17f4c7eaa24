//! Why a server could not be started or talked to.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the testkit could not do what a test asked of a server.
///
/// The text is meant for the person who reads the failed test: it says what to install or contains what
/// the server said.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Programs that are not on this machine.
    NotInstalled {
        /// The programs that must be in one directory.
        programs: &'static [&'static str],
        /// The directories that were looked into.
        searched: Vec<PathBuf>,
    },
    /// This process is root, servers refuse to run as root, and there is neither an account `postgres`
    /// nor `nobody`.
    NoAccount,
    /// A program such as `initdb` or `psql` failed.
    Failed {
        /// Which one.
        program: String,
        /// What it printed.
        output: String,
    },
    /// The server ended, or did not become ready in time.
    NotReady {
        /// What became of it.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// The settings contradict each other, or the server's present state does not allow the call.
    Refused(&'static str),
    /// Making certificates failed.
    Certificates(String),
    /// The operating system refused something.
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { programs, searched } => {
                let folders: Vec<_> = searched.iter().map(|p| p.display().to_string()).collect();
                write!(
                    f,
                    "not installed: {}; `cargo xtask test` says how to install it (looked into {})",
                    programs.join(", "),
                    folders.join(", ")
                )
            }
            Self::NoAccount => f.write_str(
                "servers do not run as root, and there is no account `postgres` or `nobody` to run \
                 them as: add one, or run the tests as another user",
            ),
            Self::Failed { program, output } => write!(f, "{program} failed:\n{output}"),
            Self::NotReady { what, log } => {
                write!(f, "{what}; the end of the server's log:\n{log}")
            }
            Self::Refused(why) => f.write_str(why),
            Self::Certificates(why) => write!(f, "cannot make certificates: {why}"),
            Self::Io { doing, source: _ } => write!(f, "failed: {doing}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
