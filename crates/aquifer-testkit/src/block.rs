//! Waiting for a future without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Wakes a parked thread, and remembers that it did.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs a future to its end on this thread, parking between polls.
///
/// It needs no runtime and starts none, so it also works on a thread of tokio's multi-thread runtime
/// (inside `block_in_place` if other tasks must go on) and inside a current-thread runtime whose tasks the
/// future does not wait for. The future is polled only when it was woken: a driver that loses its waker
/// hangs here, and that is the point; see [`block_on_for`].
pub fn block_on<F: Future>(future: F) -> F::Output {
    match run(future, None) {
        Some(output) => output,
        None => unreachable!("without a limit there is no end but the output"),
    }
}

/// As [`block_on`], but gives up after `limit` without a wake: `None` then.
///
/// A driver whose `Pending` is never followed by a wake is broken; this turns it into a failed test
/// instead of one that hangs.
pub fn block_on_for<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    run(future, Some(limit))
}

fn run<F: Future>(future: F, limit: Option<Duration>) -> Option<F::Output> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: std::thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let asleep = Instant::now();
        while !unpark.woken.swap(false, Ordering::AcqRel) {
            match limit {
                None => std::thread::park(),
                Some(limit) => {
                    let left = limit.saturating_sub(asleep.elapsed());
                    if left.is_zero() {
                        return None;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_is_woken_from_another_thread_ends() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || send.send(7));
        assert_eq!(block_on(receive), Ok(7));
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn a_future_that_nobody_wakes_is_given_up() {
        assert_eq!(block_on_for(Duration::from_millis(1), std::future::pending::<()>()), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn it_works_on_a_runtimes_own_thread() {
        assert_eq!(tokio::task::block_in_place(|| block_on(async { 7 })), 7);
    }
}
