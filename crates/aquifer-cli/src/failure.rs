//! [`Failure`]: why a command did not do what it was told, and the exit code that says so.

use std::fmt;

use aquifer::{Error, ErrorKind};
use aquifer_service::{DemoError, Diagnostic};

use crate::signals::Signal;
use crate::source::Purpose;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed cannot be meant: exit code 2.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
    /// The queries are wrong: exit code 1.
    Queries(Vec<Diagnostic>),
    /// A signal came before the service was ready.
    Interrupted(Signal),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub(crate) fn queries(diagnostics: Vec<Diagnostic>) -> Self {
        Self::Queries(diagnostics)
    }

    pub(crate) fn demo(error: DemoError) -> Self {
        match error {
            DemoError::Queries(diagnostics) => Self::Queries(diagnostics),
            error => Self::Failed(error.to_string()),
        }
    }

    /// A database that cannot be opened. An error about the DSN itself is wrong usage.
    pub(crate) fn database(error: Error, purpose: Purpose) -> Self {
        use std::error::Error as _;
        let mut message = match (error.kind(), error.hint()) {
            // The library's hint is for programmers; this program has the drivers that it has.
            (ErrorKind::UnknownDriver, hint)
                if !hint.is_some_and(|hint| hint.contains("sqlite:")) =>
            {
                format!(
                    "{}; this version serves SQLite only: pass the path of a file, or sqlite://PATH",
                    error.message()
                )
            }
            // Checking creates nothing, whatever the mode.
            (_, Some(hint)) if purpose == Purpose::Check && hint.contains("mode=rwc") => {
                format!("{}; pass the path of a database that exists", error.message())
            }
            _ => error.to_string(),
        };
        let mut source = error.source();
        while let Some(cause) = source {
            let mut text = cause.to_string();
            // The hint has been given, or replaced by a better one.
            if let Some(start) = error.hint().and_then(|hint| text.find(&format!("; {hint}"))) {
                text.truncate(start);
            }
            if !message.contains(&text) {
                message.push_str(&format!("\n  because: {text}"));
            }
            source = cause.source();
        }
        match error.kind() {
            ErrorKind::Configuration | ErrorKind::UnknownDriver => Self::Usage(message),
            _ => Self::Failed(message),
        }
    }

    /// The process's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Queries(_) => 1,
            Self::Interrupted(signal) => signal.exit_code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => write!(f, "error: {message}"),
            Self::Interrupted(_) => f.write_str("interrupted"),
            Self::Queries(diagnostics) => {
                for diagnostic in diagnostics {
                    writeln!(f, "{diagnostic}")?;
                }
                let count = diagnostics.len();
                write!(
                    f,
                    "error: {count} mistake{} in the queries",
                    if count == 1 { "" } else { "s" }
                )
            }
        }
    }
}
