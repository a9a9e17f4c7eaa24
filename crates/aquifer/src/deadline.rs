//! Deadlines that cost nothing until a future really waits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// Polls `future` until it is ready or `deadline` passes (`None`). The timer is made only when the
/// future first has to wait.
///
/// Outside a tokio runtime there are no timers; the future then runs without its deadline, since only
/// work that needs no runtime gets that far.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = pin!(None);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        if timer.is_none() && Handle::try_current().is_ok() {
            timer.set(Some(sleep_until(deadline)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

/// What a call was at when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum During {
    /// Its statement ran, or waited for a lock. What only reads has changed nothing.
    Statement { reads: bool },
    /// The caller had rows and did not ask for more.
    Caller { reads: bool },
    /// A sign of life, or the check of a text, was awaited.
    Check,
    /// BEGIN was sent, and has to get the write lock of the whole database.
    BeginLocked,
    /// BEGIN was sent.
    Begin,
    /// COMMIT was sent.
    Commit,
    /// A savepoint was set or released, or the session reset.
    Control,
    /// The transaction was being rolled back.
    Rollback,
    /// What a dropped call had left was read off; nothing of this call was sent.
    Clearing,
}

impl During {
    /// The error of a call whose deadline passed during this.
    #[cold]
    pub(crate) fn passed(self) -> Error {
        let (message, hint) = match self {
            Self::Statement { reads: true } => (
                "the deadline passed while the statement ran",
                "the engine was told to stop; it only reads, so it may be repeated: give it more time, or look at its plan",
            ),
            Self::Statement { reads: false } => (
                "the deadline passed while the statement ran, or waited for a lock",
                "the engine was told to stop; give the call more time, or look at its plan and at who holds locks",
            ),
            Self::Caller { .. } => (
                "the deadline passed while the caller had the rows that were read",
                "the timeout covers reading to the end: read faster, collect the rows first, or use `without_timeout`",
            ),
            Self::Check => (
                "the deadline passed before the engine answered",
                "look at the engine and the network, or give the call more time",
            ),
            Self::BeginLocked => (
                "the deadline passed while the transaction waited for the write lock; it has not begun",
                "another connection or process is writing: shorten its transactions, or give `begin` more time",
            ),
            Self::Begin => (
                "the deadline passed before the transaction had begun",
                "look at the engine and the network, or give `begin` more time",
            ),
            Self::Commit => ("the deadline passed before the commit was answered", ""),
            Self::Control => (
                "the deadline passed while the session was prepared for what comes",
                "the engine was told to stop; give the call more time",
            ),
            Self::Rollback => (
                "the deadline passed while the transaction was rolled back",
                "that is finished before the connection is used again",
            ),
            Self::Clearing => (
                "the deadline passed while a dropped call of this connection was stopped",
                "nothing of this call was sent; give it more time",
            ),
        };
        let error = Error::new(ErrorKind::Timeout, message);
        let error = if hint.is_empty() { error } else { error.with_hint(hint) };
        match self {
            Self::Rollback | Self::Clearing => error.with_nothing_sent(true),
            // Reads, checks, and what is undone before anyone sees it, leave nothing behind.
            Self::Statement { reads: true }
            | Self::Caller { reads: true }
            | Self::Check
            | Self::BeginLocked
            | Self::Begin => error.with_retry(Retry::Safe),
            Self::Statement { .. } | Self::Caller { .. } | Self::Commit | Self::Control => error,
        }
    }
}

/// As [`within`], for calls whose own result is a `Result`.
pub(crate) async fn before<T>(
    deadline: Option<Instant>,
    during: During,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    match within(deadline, future).await {
        Some(result) => result,
        None => Err(during.passed()),
    }
}
