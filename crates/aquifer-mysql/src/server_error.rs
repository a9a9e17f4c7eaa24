//! [`ServerError`]: what the server says when it refuses, and the contract's error that it becomes.

mod classify;
pub(crate) mod numbers;
mod shown;

use std::fmt;

use aquifer_driver::{Error, Result};

use crate::protocol::answer;
use crate::protocol::reader::{Reader, malformed};

/// An error as the server reported it; the `source` of the contract's error.
///
/// `Debug` and `Display` show number and state only: the text may quote data. [`message`](Self::message) is the
/// whole text.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    number: u16,
    sqlstate: Option<[u8; 5]>,
    message: String,
}

impl ServerError {
    /// Reads an error packet, its first byte included. Before the log-in it has no SQLSTATE.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(packet);
        if reader.u8()? != answer::ERR {
            return Err(malformed("it is no error"));
        }
        let number = reader.u16()?;
        let text = reader.rest();
        let (sqlstate, text) = match text.split_first_chunk::<6>() {
            Some((&[b'#', a, b, c, d, e], rest)) => (Some([a, b, c, d, e]), rest),
            _ => (None, text),
        };
        Ok(Self { number, sqlstate, message: String::from_utf8_lossy(text).into_owned() })
    }

    /// The engine's number: 1062 for a duplicate key.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The SQL standard's state, where the server gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_ref().and_then(|state| std::str::from_utf8(state).ok())
    }

    /// What the server said. It may quote data.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error of a statement, or of a session that the server ends. `sql` is the statement's text: what the
    /// server quotes of it may be shown.
    #[cold]
    pub(crate) fn into_error(self, sql: Option<&str>) -> Error {
        let (kind, retry) = self.classify();
        let error = self.describe(kind, sql.unwrap_or_default()).with_nothing_sent(false);
        let error = match self.number {
            numbers::TOO_MANY_STATEMENTS => error.with_hint(
                "raise the server's `max_prepared_stmt_count`, or lower `statement_cache_capacity` of its clients",
            ),
            _ => error,
        };
        match retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
        .with_source(self)
    }

    /// The error of a session that did not come about. Nothing the user wrote was sent.
    #[cold]
    pub(crate) fn into_connect_error(self) -> Error {
        let (kind, retry) = self.classify_connect();
        let hint = match self.number {
            3159 => Some("the server takes encrypted connections only: set tls=true"),
            1129 => Some(
                "an administrator of the server unblocks it (FLUSH HOSTS, or TRUNCATE performance_schema.host_cache)",
            ),
            1820 | 1862 => Some("the password has expired: set it anew with another client"),
            _ => None,
        };
        let error = Error::new(kind, self.message.clone())
            .with_code(self.number.to_string())
            .with_sqlstate(self.sqlstate().unwrap_or_default())
            .with_nothing_sent(true)
            .with_retry(retry);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
        .with_source(self)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerError")
            .field("number", &self.number)
            .field("sqlstate", &self.sqlstate())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {} ({}) of the server", self.number, self.sqlstate().unwrap_or("no state"))
    }
}

impl std::error::Error for ServerError {}
