//! The future of an acquire, written by hand: on the fast path one clock reading, one lock, no allocation; on the slow path no
//! allocation either once the queue has been as long before.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    runtime::Handle as Runtime,
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    clock::{Nanos, nanos},
    error::AcquireError,
    lease::Lease,
    manage::Manage,
    pool::Shared,
    state::{Joined, Out, Polled, WaiterId},
};

/// A waiter looks by itself this often whether the pool's own tasks stand still, because their runtime does.
const WATCH: u64 = 1_000_000_000;

/// How one acquire differs from the pool's options.
#[derive(Clone, Debug, Default)]
pub struct AcquireRequest {
    /// The budget instead of `acquire_timeout`. Zero: an idle connection at once or an error.
    pub timeout: Option<Duration>,
    /// A moment after which the caller is not interested any more; the earlier one of this and the budget wins. If it has passed
    /// already, nothing is taken.
    pub deadline: Option<Instant>,
    /// Who asks: a label for leak reports and time-outs.
    pub holder: Option<Arc<str>>,
}

pin_project! {
    /// The future returned by [`Pool::acquire`](crate::Pool::acquire). Lazy, and safe to drop at any time.
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<'a, M: Manage> {
        shared: &'a Arc<Shared<M>>,
        timeout: Option<Duration>,
        deadline: Option<Instant>,
        holder: Option<Arc<str>>,
        stage: Stage,
        // The end of the budget, once the wait has begun.
        until: Nanos,
        #[pin]
        sleep: Option<Sleep>,
    }

    impl<M: Manage> PinnedDrop for Acquire<'_, M> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Stage::Waiting(id) = *this.stage {
                this.shared.event(|state, now, out| state.cancel(id, now, out));
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Waiting(WaiterId),
    Done,
}

type Outcome<M> = Result<Lease<M>, AcquireError<<M as Manage>::Error>>;

impl<'a, M: Manage> Acquire<'a, M> {
    #[inline]
    pub(crate) fn new(shared: &'a Arc<Shared<M>>, request: &AcquireRequest) -> Acquire<'a, M> {
        Acquire {
            shared,
            timeout: request.timeout,
            deadline: request.deadline,
            holder: request.holder.clone(),
            stage: Stage::New,
            until: Nanos::NEVER,
            sleep: None,
        }
    }

    /// Joins the queue; `None` if the wait has begun.
    #[cold]
    fn queue(self: Pin<&mut Self>, now: Nanos, cx: &mut Context<'_>) -> Option<Outcome<M>> {
        let mut this = self.project();
        if Runtime::try_current().is_err() {
            *this.stage = Stage::Done;
            return Some(Err(AcquireError::NoRuntime));
        }
        let waker = cx.waker().clone();
        let shared: &'a Arc<Shared<M>> = this.shared;
        let mut out = Out::new();
        let joined = {
            let mut core = shared.lock();
            let budget = now.after(nanos(this.timeout.unwrap_or(core.options.acquire_timeout)));
            *this.until = this.deadline.map_or(budget, |deadline| budget.min(shared.at(deadline)));
            core.state.join(now, now, *this.until, this.holder.take(), waker, &mut out)
        };
        let outcome = match joined {
            Joined::Taken(taken) => Some(Ok(Lease::new(Arc::clone(shared), taken))),
            Joined::Refused(error) => Some(Err(error)),
            Joined::Waiting(id) => {
                *this.stage = Stage::Waiting(id);
                this.sleep
                    .set(Some(sleep_until(shared.instant((*this.until).min(now.after(WATCH))))));
                None
            }
        };
        if outcome.is_some() {
            *this.stage = Stage::Done;
        }
        shared.run(out);
        outcome
    }

    /// Looks at the wait, then at the clock.
    fn wait(self: Pin<&mut Self>, id: WaiterId, cx: &mut Context<'_>) -> Poll<Outcome<M>> {
        let mut this = self.project();
        let shared: &'a Arc<Shared<M>> = this.shared;
        let mut newer = None;
        loop {
            let mut out = Out::new();
            let mut stale = false;
            let mut polled = {
                let mut core = shared.lock();
                let polled = core.state.poll(id, &mut out);
                if matches!(polled, Polled::Pending) {
                    // `will_wake` may say no of a waker and its own clone: once replaced is enough.
                    match newer.take() {
                        Some(waker) => core.state.set_waker(id, waker, &mut out),
                        None => {
                            let known = core.state.waker(id);
                            stale = !known.is_some_and(|waker| waker.will_wake(cx.waker()));
                        }
                    }
                    out.upkeep = core.state.needs_upkeep();
                }
                polled
            };
            if stale {
                // Cloning a waker is foreign code: not under the lock.
                shared.run(out);
                newer = Some(cx.waker().clone());
                continue;
            }
            if matches!(polled, Polled::Pending)
                && let Some(sleep) = this.sleep.as_mut().as_pin_mut()
                && sleep.poll(cx).is_ready()
            {
                let now = shared.now();
                if now >= *this.until {
                    polled = shared.lock().state.expire(id, now, &mut out);
                } else {
                    out.upkeep |= shared.lock().state.is_upkeep_due(now);
                    let next = shared.instant((*this.until).min(now.after(WATCH)));
                    if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
                        sleep.reset(next);
                    }
                    shared.run(out);
                    continue;
                }
            }
            let outcome = match polled {
                Polled::Pending => {
                    shared.run(out);
                    return Poll::Pending;
                }
                Polled::Ready(taken) => Ok(Lease::new(Arc::clone(shared), taken)),
                Polled::Failed(error) => Err(error),
            };
            *this.stage = Stage::Done;
            this.sleep.set(None);
            shared.run(out);
            return Poll::Ready(outcome);
        }
    }
}

impl<M: Manage> Future for Acquire<'_, M> {
    type Output = Outcome<M>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<M>> {
        // A loop over free connections must let others run, as any tokio resource does.
        let budget = ready!(coop::poll_proceed(cx));
        let id = match self.stage {
            Stage::New => {
                let this = self.as_mut().project();
                let shared = *this.shared;
                let now = shared.now();
                let mut out = Out::new();
                let taken = {
                    let mut core = shared.lock();
                    if core.state.is_closed() {
                        Some(Err(AcquireError::Closed))
                    } else if this.deadline.is_some_and(|deadline| shared.at(deadline) <= now) {
                        Some(Err(core.state.expired_before(now)))
                    } else {
                        core.state.try_take(now, this.holder, &mut out).map(Ok)
                    }
                };
                let outcome = match taken {
                    Some(Ok(taken)) => {
                        *this.stage = Stage::Done;
                        Some(Ok(Lease::new(Arc::clone(shared), taken)))
                    }
                    Some(Err(error)) => {
                        *this.stage = Stage::Done;
                        Some(Err(error))
                    }
                    None => self.as_mut().queue(now, cx),
                };
                shared.run(out);
                match (outcome, self.stage) {
                    (Some(outcome), _) => {
                        budget.made_progress();
                        return Poll::Ready(outcome);
                    }
                    (None, Stage::Waiting(id)) => id,
                    (None, _) => return Poll::Pending,
                }
            }
            Stage::Waiting(id) => id,
            Stage::Done => panic!("`Acquire` was polled after it had finished"),
        };
        let outcome = ready!(self.wait(id, cx));
        budget.made_progress();
        Poll::Ready(outcome)
    }
}

impl<M: Manage> fmt::Debug for Acquire<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("stage", &self.stage)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}
