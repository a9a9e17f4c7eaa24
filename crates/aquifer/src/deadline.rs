//! Deadlines that cost nothing until a future really waits.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use tokio::runtime::{self, Handle};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is used again, for deadlines of which nearly none passes.
///
/// To set a timer for each call and to clear it takes some 800 instructions; this one is left where it is for
/// as long as it goes off early enough, finds out then that nobody's time is up, and is set anew: once per
/// timeout, not per call. Until then it may wake, for nothing, the last task that waited.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    set: Option<Set>,
}

#[derive(Debug)]
struct Set {
    sleep: Pin<Box<Sleep>>,
    /// Whose timers it is one of: those of another runtime may stand still.
    runtime: runtime::Id,
    /// Who is woken. Whoever it is stays in memory until then, so that no other has the same address.
    woken: Address,
}

/// What a waker wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Address {
    data: usize,
    vtable: usize,
}

impl Address {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: std::ptr::from_ref(waker.vtable()).addr() }
    }
}

impl Alarm {
    /// Ready once the deadline has passed; until then the task is woken when it does.
    ///
    /// Outside a tokio runtime there are no timers, and nobody is woken.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(runtime) = Handle::try_current().map(|handle| handle.id()) else {
            return Poll::Pending;
        };
        if let Some(set) = &self.set
            && set.runtime == runtime
            && set.woken == Address::of(cx.waker())
            && set.sleep.deadline() <= deadline
            && !set.sleep.is_elapsed()
        {
            return Poll::Pending;
        }
        self.poll_timer(runtime, deadline, cx)
    }

    fn poll_timer(
        &mut self,
        runtime: runtime::Id,
        deadline: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let woken = Address::of(cx.waker());
        let set = match self.set.take().filter(|set| set.runtime == runtime) {
            Some(set) => set,
            None => Set { sleep: Box::pin(sleep_until(deadline)), runtime, woken },
        };
        let set = self.set.insert(set);
        set.woken = woken;
        if set.sleep.deadline() > deadline {
            set.sleep.as_mut().reset(deadline);
        }
        loop {
            // A task that may do no more for now must be on the timer's books all the same.
            if pin!(unconstrained(set.sleep.as_mut())).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if set.sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            set.sleep.as_mut().reset(deadline);
        }
    }
}

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
                "the engine is asked to stop; it only reads, so it may be repeated: give it more time, or look at its plan",
            ),
            Self::Statement { reads: false } => (
                "the deadline passed while the statement ran, or waited for a lock",
                "the engine is asked to stop; give the call more time, or look at its plan and at who holds locks",
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
                "the engine is asked to stop; give the call more time",
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

/// The error of a deadline that passed inside a transaction that the stop fails: neither this call nor the
/// others of the transaction have had an effect, and only all of them together can be repeated.
#[cold]
pub(crate) fn fails_transaction(error: Error) -> Error {
    if error.nothing_sent() {
        return error;
    }
    error.with_retry(Retry::Transaction).with_hint(
        "the transaction has failed with it: roll it back, and run all of it again with more time",
    )
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::task::coop;

    use super::*;

    async fn passes(alarm: &mut Alarm, deadline: Instant) {
        poll_fn(|cx| alarm.poll(deadline, cx)).await;
    }

    fn once(alarm: &mut Alarm, deadline: Instant) -> Poll<()> {
        alarm.poll(deadline, &mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_goes_off_at_its_last_deadline_whatever_it_was_set_to_before() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut alarm = Alarm::default();
        for (before, deadline) in [(10, 30), (90, 40), (60, 60), (61, 100)] {
            assert_eq!(once(&mut alarm, at(before)), Poll::Pending);
            passes(&mut alarm, at(deadline)).await;
            assert_eq!(Instant::now(), at(deadline));
        }
        assert_eq!(once(&mut alarm, at(99)), Poll::Ready(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_is_set_early_enough_is_left_alone() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        for call in 0..10 {
            assert_eq!(once(&mut alarm, begun + Duration::from_secs(30 + call)), Poll::Pending);
            let set = alarm.set.as_ref().unwrap();
            assert_eq!(set.sleep.deadline(), begun + Duration::from_secs(30));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_polled_last_is_woken() {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut alarm = Alarm::default();
        assert_eq!(once(&mut alarm, deadline), Poll::Pending);
        // Another task, which goes on to something else.
        let task = tokio::spawn(async move {
            poll_fn(|cx| {
                assert_eq!(alarm.poll(deadline, cx), Poll::Pending);
                Poll::Ready(())
            })
            .await;
            alarm
        });
        let mut alarm = task.await.unwrap();
        tokio::spawn(async move { passes(&mut alarm, deadline).await }).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_used_its_budget_up_is_woken_all_the_same() {
        while coop::has_budget_remaining() {
            poll_fn(|cx| coop::poll_proceed(cx).map(|budget| budget.made_progress())).await;
        }
        passes(&mut Alarm::default(), Instant::now() + Duration::from_secs(1)).await;
    }

    #[test]
    fn a_runtime_that_stands_still_keeps_no_other_from_its_time() {
        let runtime = || Builder::new_current_thread().enable_time().build().unwrap();
        let (one, other) = (runtime(), runtime());
        let mut alarm = Alarm::default();
        let soon = || Instant::now() + Duration::from_millis(1);
        one.block_on(async { assert_eq!(once(&mut alarm, soon()), Poll::Pending) });
        other.block_on(passes(&mut alarm, soon()));
        drop(one);
        assert_eq!(once(&mut alarm, soon()), Poll::Pending, "without a runtime nobody is woken");
        drop(other);
        drop(alarm);
    }
}
