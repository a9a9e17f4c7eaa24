//! Deadlines that cost nothing until a future really waits.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use aquifer_driver::{Error, ErrorKind, Result};
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

/// The error of a call whose deadline passed while the engine worked.
#[cold]
pub(crate) fn passed() -> Error {
    Error::new(ErrorKind::Timeout, "the deadline passed while the statement ran")
        .with_hint("the engine was told to stop; give the call more time, or look at its plan")
}

/// As [`within`], for calls whose own result is a `Result`.
pub(crate) async fn before<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    match within(deadline, future).await {
        Some(result) => result,
        None => Err(passed()),
    }
}
