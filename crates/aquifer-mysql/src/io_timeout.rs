//! [`IoTimeout`]: how long one direction of a connection may make no progress.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A bound on waiting for the socket; without one, nothing is timed.
#[derive(Debug)]
pub(crate) struct IoTimeout {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// It is being waited for.
    waiting: bool,
}

impl IoTimeout {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, sleep: None, waiting: false }
    }

    /// Something came or went, or nothing is waited for any more.
    #[inline]
    pub(crate) fn progress(&mut self) {
        self.waiting = false;
    }

    /// The limit, if nothing has come or gone for so long; else the task is woken when it is reached.
    #[inline]
    pub(crate) fn expired(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let limit = self.limit?;
        self.poll(cx, limit).is_ready().then_some(limit)
    }

    #[cold]
    fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !std::mem::replace(&mut self.waiting, true) {
            let now = Instant::now();
            // A limit of centuries is none.
            sleep.as_mut().reset(now.checked_add(limit).unwrap_or(now + Duration::from_hours(24)));
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn it_expires_only_when_nothing_moves_for_that_long() {
        let second = Duration::from_secs(1);
        let mut timeout = IoTimeout::new(Some(second));
        for _ in 0..3 {
            let waited = tokio::time::timeout(
                second / 2,
                poll_fn(|cx| match timeout.expired(cx) {
                    Some(limit) => Poll::Ready(limit),
                    None => Poll::Pending,
                }),
            );
            assert!(waited.await.is_err());
            timeout.progress();
        }
        let limit = poll_fn(|cx| timeout.expired(cx).map_or(Poll::Pending, Poll::Ready)).await;
        assert_eq!(limit, second);
        let mut none = IoTimeout::new(None);
        assert_eq!(poll_fn(|cx| Poll::Ready(none.expired(cx))).await, None);
    }
}
