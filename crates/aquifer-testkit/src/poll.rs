//! Dropping a future at each of its polls, and polling it more often than it likes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How an operation that may be dropped has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<T> {
    /// It was dropped after that many polls, all of them pending.
    Dropped(usize),
    /// It was faster, and gave this.
    Done(T),
}

/// Runs `operation` again and again and drops it after its first poll, after its second, and so on, until
/// it completes before it can be dropped. After each run `check` looks at what is left.
///
/// Returns how often it was dropped. The polls in between are real ones: each waits for a wake.
///
/// An operation over something that is always ready has no pending poll to be dropped at: give it a
/// connector that is [`Yielding`](crate::Yielding), or a fake server with latencies.
///
/// ```
/// # aquifer_testkit::block_on(async {
/// use aquifer_testkit::{Ended, drop_at_every_poll};
/// use aquifer_testkit::fake::FakeServer;
/// use aquifer_testkit::{Yielding, client};
/// use aquifer_driver::{Access, Connector};
///
/// let server = FakeServer::new();
/// let connector = Yielding::new(server.connector());
/// let drops = drop_at_every_poll(
///     100,
///     &mut (),
///     async |()| connector.clone().connect(Access::ReadWrite).await.map(drop),
///     async |(), _| assert_eq!(server.counters().open, 0),
/// )
/// .await;
/// assert!(drops > 0);
/// # });
/// ```
///
/// # Panics
///
/// If the operation has not completed after `polls_max` polls.
pub async fn drop_at_every_poll<S, T>(
    polls_max: usize,
    state: &mut S,
    mut operation: impl AsyncFnMut(&mut S) -> T,
    mut check: impl AsyncFnMut(&mut S, Ended<T>),
) -> usize {
    for polls in 1..=polls_max {
        let ended = match at_most(polls, operation(state)).await {
            Some(output) => Ended::Done(output),
            None => Ended::Dropped(polls),
        };
        let done = matches!(ended, Ended::Done(_));
        check(state, ended).await;
        if done {
            return polls - 1;
        }
    }
    panic!("the operation has not completed after {polls_max} polls");
}

/// Polls a future at most `polls` times, then drops it: `None` then.
pub fn at_most<F: Future>(polls: usize, future: F) -> AtMost<F> {
    AtMost { future: Some(Box::pin(future)), left: polls }
}

/// Made by [`at_most`].
#[derive(Debug)]
pub struct AtMost<F> {
    future: Option<Pin<Box<F>>>,
    left: usize,
}

impl<F: Future> Future for AtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(future) = &mut this.future else { return Poll::Ready(None) };
        if this.left == 0 {
            this.future = None;
            return Poll::Ready(None);
        }
        this.left -= 1;
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            this.future = None;
            return Poll::Ready(Some(output));
        }
        if this.left == 0 {
            // Not at the next wake: whoever drops a future does not wait for it.
            this.future = None;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

/// Yields once before each poll of the future, so that other tasks run in between.
pub fn yielding<F: Future>(future: F) -> YieldingFuture<F> {
    YieldingFuture { future: Box::pin(future), yielded: false }
}

/// Made by [`yielding`].
#[derive(Debug)]
pub struct YieldingFuture<F> {
    future: Pin<Box<F>>,
    yielded: bool,
}

impl<F: Future> Future for YieldingFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if std::mem::replace(&mut self.yielded, false) {
            return self.future.as_mut().poll(cx);
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;

    async fn three_yields(log: &mut Vec<usize>) -> usize {
        for n in 0..3 {
            log.push(n);
            tokio::task::yield_now().await;
        }
        log.len()
    }

    #[test]
    fn an_operation_is_dropped_at_each_of_its_polls_once() {
        let mut seen = Vec::new();
        let mut log = Vec::new();
        let drops = block_on(drop_at_every_poll(
            10,
            &mut log,
            async |log| three_yields(log).await,
            async |log, ended| {
                seen.push((log.len(), ended));
                log.clear();
            },
        ));
        assert_eq!(drops, 3);
        let expected = [
            (1, Ended::Dropped(1)),
            (2, Ended::Dropped(2)),
            (3, Ended::Dropped(3)),
            (3, Ended::Done(3)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_yielding_future_is_pending_once_before_each_poll() {
        let mut pending = 0;
        let mut future = Box::pin(yielding(std::future::ready(7)));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while future.as_mut().poll(&mut cx).is_pending() {
            pending += 1;
        }
        assert_eq!(pending, 1);
    }
}
