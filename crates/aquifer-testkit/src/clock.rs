//! Time from outside: tokio's, or one that the test moves by hand.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Where a fake server takes its time from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// tokio's timer; a test that pauses tokio's clock has virtual time.
    #[default]
    Tokio,
    /// A clock that moves only when it is told to; needs no runtime.
    Manual(ManualClock),
}

impl Clock {
    /// A future that is ready after `duration`.
    pub(crate) fn timer(&self, duration: Duration) -> Timer {
        Timer(match self {
            Self::Tokio => Inner::Tokio(Box::pin(tokio::time::sleep(duration))),
            Self::Manual(clock) => Inner::Manual(clock.sleep(duration)),
        })
    }
}

/// Ready after some time.
pub(crate) struct Timer(Inner);

enum Inner {
    Tokio(Pin<Box<tokio::time::Sleep>>),
    Manual(ManualSleep),
}

impl Timer {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Inner::Tokio(sleep) => sleep.as_mut().poll(cx),
            Inner::Manual(sleep) => Pin::new(sleep).poll(cx),
        }
    }
}

/// A clock that stands still until the test moves it. Clones share the time.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Mutex<Dial>>);

#[derive(Default)]
struct Dial {
    now: Duration,
    next: u64,
    /// Who waits, by time and by number.
    waiting: BTreeMap<(Duration, u64), Waker>,
}

impl ManualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time since the clock was made.
    pub fn now(&self) -> Duration {
        self.dial().now
    }

    /// Moves the time on and wakes, in order, all who waited for less.
    pub fn advance(&self, duration: Duration) {
        let due = {
            let mut dial = self.dial();
            dial.now += duration;
            let first_later = (dial.now + Duration::from_nanos(1), 0);
            let later = dial.waiting.split_off(&first_later);
            std::mem::replace(&mut dial.waiting, later)
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// How long until the next sleeper is due; `None` if nobody sleeps.
    pub fn next_due(&self) -> Option<Duration> {
        let dial = self.dial();
        let (due, _) = dial.waiting.keys().next()?;
        Some(due.saturating_sub(dial.now))
    }

    /// A future that is ready once the clock has moved by `duration`.
    pub fn sleep(&self, duration: Duration) -> ManualSleep {
        let mut dial = self.dial();
        dial.next += 1;
        ManualSleep { key: (dial.now + duration, dial.next), clock: self.clone() }
    }

    fn dial(&self) -> std::sync::MutexGuard<'_, Dial> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dial = self.dial();
        f.debug_struct("ManualClock")
            .field("now", &dial.now)
            .field("waiting", &dial.waiting.len())
            .finish()
    }
}

/// Made by [`ManualClock::sleep`].
#[derive(Debug)]
pub struct ManualSleep {
    key: (Duration, u64),
    clock: ManualClock,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut dial = self.clock.dial();
        if dial.now >= self.key.0 {
            return Poll::Ready(());
        }
        dial.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        self.clock.dial().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepers_wake_when_their_time_has_come_and_not_before() {
        let clock = ManualClock::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut sleep = Box::pin(clock.sleep(Duration::from_millis(5)));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(4));
        assert_eq!(clock.next_due(), Some(Duration::from_millis(1)));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(1));
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
        drop(sleep);
        assert_eq!(clock.next_due(), None);
    }
}
