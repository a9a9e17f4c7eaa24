//! [`ServerObserver`]: hears what servers say besides answers, whatever the engine.

use std::fmt;

/// Hears what a server says besides answers: warnings, notes, settings that have changed.
///
/// Given to [`Connector::connect_observed`](crate::Connector::connect_observed). A driver calls it in the task
/// that polls the connection, in the order of arrival; it must not block.
pub trait ServerObserver: Send + Sync + 'static {
    /// The server said something that is not an error.
    fn notice(&self, notice: &ServerNotice<'_>) {
        let _ = notice;
    }

    /// A setting of the session that the server reports by itself has changed.
    fn parameter(&self, name: &str, value: &str) {
        let _ = (name, value);
    }
}

impl fmt::Debug for dyn ServerObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerObserver")
    }
}

/// Something a server said beside its answer.
///
/// The texts are the server's, or those of functions in the database, and may quote data: `Debug` shows
/// none of them, and whoever logs them decides that they may be logged.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ServerNotice<'a> {
    /// How bad it is, in the engine's word: `WARNING`, `NOTICE`.
    pub severity: &'a str,
    /// The engine's code, if it gives one: an SQLSTATE on PostgreSQL.
    pub code: Option<&'a str>,
    /// What it said.
    pub message: &'a str,
    /// Particulars.
    pub detail: Option<&'a str>,
    /// What to do about it.
    pub hint: Option<&'a str>,
}

impl<'a> ServerNotice<'a> {
    /// A notice of this severity and text.
    pub fn new(severity: &'a str, message: &'a str) -> Self {
        Self { severity, code: None, message, detail: None, hint: None }
    }

    /// Adds the engine's code.
    #[must_use]
    pub fn code(self, code: Option<&'a str>) -> Self {
        Self { code, ..self }
    }

    /// Adds particulars, and what to do.
    #[must_use]
    pub fn more(self, detail: Option<&'a str>, hint: Option<&'a str>) -> Self {
        Self { detail, hint, ..self }
    }
}

impl fmt::Debug for ServerNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerNotice")
            .field("severity", &self.severity)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
