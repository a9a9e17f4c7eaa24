//! The pool's errors as ours.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, Retry};
use aquifer_pool::{AcquireError, DialError, OPTIONS, OptionsError, TimeoutCause};

/// Why a connection could not be had.
#[cold]
pub(crate) fn acquire(error: AcquireError<Error>) -> Error {
    let message = error.to_string();
    let dial = error.dial_error().and_then(|dial| dial.error()).map(Arc::clone);
    let kind = match &error {
        AcquireError::Closed => ErrorKind::Closed,
        AcquireError::NoRuntime => ErrorKind::Runtime,
        AcquireError::QueueFull { .. } => ErrorKind::PoolFull,
        AcquireError::Deadlock { .. } => ErrorKind::PoolDeadlock,
        AcquireError::Connect { .. } => match &dial {
            Some(dial) => dial.kind(),
            None => ErrorKind::Connect,
        },
        _ => ErrorKind::PoolTimeout,
    };
    let mut out = match (&error, &dial) {
        // What the dial said is what the caller needs to read.
        (AcquireError::Connect { .. }, Some(dial)) => {
            let mut out = Error::new(kind, format!("cannot connect: {}", dial.message()));
            if let Some(code) = dial.code() {
                out = out.with_code(code.to_owned());
            }
            if let Some(state) = dial.sqlstate() {
                out = out.with_sqlstate(state);
            }
            if let Some(hint) = dial.hint() {
                out = out.with_hint(hint.to_owned());
            }
            out.with_retry(match dial.retry() {
                // What became of the log-in does not matter to the call, of which nothing was sent.
                Retry::Unknown => Retry::Safe,
                retry => retry,
            })
        }
        (_, Some(dial)) => Error::new(kind, format!("{message}: {}", dial.message())),
        _ => Error::new(kind, message),
    };
    if let AcquireError::Timeout(report) = &error
        && let TimeoutCause::Exhausted { .. } = &report.cause
    {
        out = out.with_hint(
            "raise `max_open`, or hold connections for less; a task that has a `Tx` or `Conn` makes all its calls on that one",
        );
    }
    if let AcquireError::Deadlock { .. } = &error {
        out = out.with_hint(
            "make this call on the transaction's own `tx`; where it has to be another connection, begin with both or raise `max_open`",
        );
    }
    // The dial's own words are in the message by now; what remains is why it said them.
    if let Some(cause) = dial.and_then(Cause::of) {
        out = out.with_source(cause);
    }
    out.with_nothing_sent(true)
}

/// How long the caller had waited.
#[cold]
pub(crate) fn waited(error: &AcquireError<Error>) -> Duration {
    match error {
        AcquireError::Timeout(report) => report.waited,
        _ => Duration::ZERO,
    }
}

/// Why a dial failed.
#[cold]
pub(crate) fn dial(error: DialError<Error>) -> Error {
    let out = Error::new(ErrorKind::Connect, error.to_string());
    match error.error() {
        Some(cause) => out.with_source(Shared(Arc::clone(cause))),
        None => out,
    }
}

/// An error that several waiters share, as a cause.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// What caused an error that several waiters share.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl Cause {
    fn of(error: Arc<Error>) -> Option<Self> {
        std::error::Error::source(&*error).is_some().then_some(Self(error))
    }

    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source() {
            Some(cause) => write!(f, "{cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Cause::source(self).and_then(std::error::Error::source)
    }
}

/// Why options were refused.
#[cold]
pub(crate) fn options(error: OptionsError) -> Error {
    let out = Error::new(ErrorKind::Configuration, error.to_string());
    match &error {
        OptionsError::Unknown { name } => {
            unknown_option(out, name, OPTIONS.iter().map(|option| option.name))
        }
        _ => out,
    }
}

/// Adds what the option may have been meant to be.
#[cold]
pub(crate) fn unknown_option<'a>(
    error: Error,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Error {
    match aquifer_driver::suggest::nearest(name, known) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}
