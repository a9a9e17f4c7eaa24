//! The future of an acquire, written by hand: on the fast path one clock reading, one lock, no allocation; on the slow path no
//! allocation either once the queue has been as long before.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
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
    pool::{PoolOut, Shared, quietly},
    scope::kept_around,
    state::{Joined, Out, Polled, WaiterId},
    turns::turn,
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
        // Boxed because nearly every wait goes without, and every acquire is moved about.
        sleep: Option<Pin<Box<Sleep>>>,
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

/// Whether the current runtime was built with timers. tokio says it only by a panic, whose message then is on stderr; nothing
/// but a caller who is about to wait asks, and once per runtime that has them.
#[cold]
fn has_timers() -> bool {
    quietly(|| drop(sleep_until(Instant::now()))).is_some()
}

type Outcome<'a, M> = Result<Lease<'a, M>, AcquireError<<M as Manage>::Error>>;

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

    /// Takes a connection or joins the queue; `None` if the wait has begun.
    #[cold]
    fn queue(self: Pin<&mut Self>, now: Nanos, cx: &mut Context<'_>) -> Option<Outcome<'a, M>> {
        let shared: &'a Arc<Shared<M>> = self.shared;
        let Ok(runtime) = Runtime::try_current() else { return Some(self.go_without_runtime(now)) };
        let (kept, waker) = (kept_around(shared), cx.waker().clone());
        let mut out = Out::new();
        let mut core = shared.lock();
        if core.timed_by != Some(runtime.id()) {
            drop(core);
            if !has_timers() {
                return Some(self.go_without_runtime(now));
            }
            core = shared.lock();
            core.timed_by = Some(runtime.id());
        }
        let this = self.project();
        let budget = now.after(nanos(this.timeout.unwrap_or(core.options.acquire_timeout)));
        *this.until = this.deadline.map_or(budget, |deadline| budget.min(shared.at(deadline)));
        let watched = core.maintained_by == Some(runtime.id());
        let holder = this.holder.take();
        let joined = core.state.join(now, now, *this.until, holder, watched, kept, waker, &mut out);
        drop(core);
        let outcome = match joined {
            Joined::Waiting { id, timer } => {
                *this.stage = Stage::Waiting(id);
                turn();
                shared.crowded.store(true, Relaxed);
                if timer {
                    let first = (*this.until).min(now.after(WATCH));
                    *this.sleep = Some(Box::pin(sleep_until(shared.instant(first))));
                }
                None
            }
            decided => {
                *this.stage = Stage::Done;
                turn();
                shared.crowded.store(false, Relaxed);
                Some(match decided {
                    Joined::Taken(taken) => Ok(Lease::new(shared, taken)),
                    Joined::Refused(error) => Err(error),
                    Joined::Waiting { .. } => Err(AcquireError::Closed),
                })
            }
        };
        shared.run(out);
        outcome
    }

    /// Takes a connection that is idle; without timers nobody can wait.
    #[cold]
    fn go_without_runtime(self: Pin<&mut Self>, now: Nanos) -> Outcome<'a, M> {
        let this = self.project();
        let shared: &'a Arc<Shared<M>> = this.shared;
        let mut out = Out::new();
        let taken = {
            let mut core = shared.lock();
            match core.state.is_closed() {
                true => Err(AcquireError::Closed),
                false => {
                    core.state.try_take(now, this.holder, &mut out).ok_or(AcquireError::NoRuntime)
                }
            }
        };
        *this.stage = Stage::Done;
        let outcome = taken.map(|taken| Lease::new(shared, taken));
        shared.run_without_runtime(out);
        outcome
    }

    /// Looks whether the wait is over.
    #[inline]
    fn wait(mut self: Pin<&mut Self>, id: WaiterId, cx: &mut Context<'_>) -> Poll<Outcome<'a, M>> {
        let this = self.as_mut().project();
        let shared: &'a Arc<Shared<M>> = this.shared;
        let mut out = Out::new();
        let polled = shared.lock().state.poll(id, &mut out);
        match polled {
            Polled::Pending => self.linger(id, cx),
            decided => Poll::Ready(self.end(decided, out)),
        }
    }

    /// Ends the wait with its outcome.
    #[inline]
    fn end(
        self: Pin<&mut Self>,
        decided: Polled<M::Connection, M::Error>,
        out: PoolOut<M>,
    ) -> Outcome<'a, M> {
        let this = self.project();
        let shared: &'a Arc<Shared<M>> = this.shared;
        *this.stage = Stage::Done;
        *this.sleep = None;
        let outcome = match decided {
            Polled::Ready(taken) => Ok(Lease::new(shared, taken)),
            Polled::Failed(error) => Err(error),
            // The callers have ruled it out.
            Polled::Pending => Err(AcquireError::Closed),
        };
        shared.run(out);
        outcome
    }

    /// Makes sure that somebody will wake it: the right waker, and somebody who looks at the clock.
    #[cold]
    fn linger(
        mut self: Pin<&mut Self>,
        id: WaiterId,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome<'a, M>> {
        let runtime = Runtime::try_current().ok().map(|runtime| runtime.id());
        // Cloning a waker is foreign code: not under the lock.
        let mut newer = Some(cx.waker().clone());
        loop {
            let this = self.as_mut().project();
            let shared: &'a Arc<Shared<M>> = this.shared;
            let mut out = Out::new();
            let mut needs_timer = false;
            let polled = {
                let mut core = shared.lock();
                let polled = core.state.poll(id, &mut out);
                if matches!(polled, Polled::Pending) {
                    if let Some(waker) = newer.take() {
                        core.state.set_waker(id, waker, &mut out);
                    }
                    out.upkeep = core.state.needs_upkeep();
                    let watched = core.state.is_maintained() && core.maintained_by == runtime;
                    if this.sleep.is_none() && !watched && runtime.is_some() {
                        core.state.use_timer(id);
                        needs_timer = true;
                    }
                }
                polled
            };
            if needs_timer {
                *this.sleep = Some(Box::pin(sleep_until(shared.instant(*this.until))));
            }
            let Polled::Pending = polled else { return Poll::Ready(self.end(polled, out)) };
            let fired = this.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
            if !fired {
                shared.run(out);
                return Poll::Pending;
            }
            let now = shared.now();
            if now >= *this.until {
                let decided = shared.lock().state.expire(id, now, &mut out);
                return Poll::Ready(self.end(decided, out));
            }
            out.upkeep |= shared.lock().state.is_upkeep_due(now);
            let next = shared.instant((*this.until).min(now.after(WATCH)));
            if let Some(sleep) = this.sleep {
                sleep.as_mut().reset(next);
            }
            shared.run(out);
        }
    }
}

impl<'a, M: Manage> Future for Acquire<'a, M> {
    type Output = Outcome<'a, M>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<'a, M>> {
        // A loop over free connections must let others run, as any tokio resource does.
        let budget = ready!(coop::poll_proceed(cx));
        if self.stage == Stage::New
            && let Some(lease) = self.as_mut().take()
        {
            budget.made_progress();
            return Poll::Ready(Ok(lease));
        }
        let polled = self.poll_late(cx);
        if polled.is_ready() {
            budget.made_progress();
        }
        polled
    }
}

impl<'a, M: Manage> Acquire<'a, M> {
    /// A connection that is there.
    #[inline(always)]
    fn take(self: Pin<&mut Self>) -> Option<Lease<'a, M>> {
        let this = self.project();
        let shared: &'a Arc<Shared<M>> = this.shared;
        if shared.crowded.load(Relaxed) {
            return None;
        }
        let now = shared.now();
        if this.deadline.is_some_and(|deadline| shared.at(deadline) <= now) {
            return None;
        }
        let mut out = Out::new();
        let taken = shared.lock().state.try_take(now, this.holder, &mut out);
        let Some(taken) = taken else {
            shared.run(out);
            return None;
        };
        *this.stage = Stage::Done;
        // The lease first, in case a waker panics; but moving it about costs, so not if there is nothing to run.
        let lease = Lease::new(shared, taken);
        if out.is_nothing() {
            std::mem::forget(out);
            return Some(lease);
        }
        Some(shared.run_then(out, lease))
    }

    /// Everything but the fast path.
    fn poll_late(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<'a, M>> {
        match self.stage {
            Stage::New => self.begin(cx),
            Stage::Waiting(id) => self.wait(id, cx),
            Stage::Done => panic!("`Acquire` was polled after it had finished"),
        }
    }

    fn begin(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<'a, M>> {
        let this = self.as_mut().project();
        let shared = *this.shared;
        let now = shared.now();
        if this.deadline.is_some_and(|deadline| shared.at(deadline) <= now) {
            *this.stage = Stage::Done;
            let mut core = shared.lock();
            return Poll::Ready(Err(match core.state.is_closed() {
                true => AcquireError::Closed,
                false => core.state.expired_before(now),
            }));
        }
        match self.as_mut().queue(now, cx) {
            Some(outcome) => Poll::Ready(outcome),
            None => match self.stage {
                // The timer has to be set going.
                Stage::Waiting(id) if self.sleep.is_some() => self.linger(id, cx),
                _ => Poll::Pending,
            },
        }
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
