//! Work during which a lease is kept: so that the pool can tell a wait that will end from one that cannot.
//!
//! Whoever waits for a connection inside such work keeps another one from coming back. If that is so for every connection, all wait for each
//! other, and the last to come is told instead. What surrounds a wait is known from the thread that polls it; that is what the
//! thread-local list is for, which holds something only while such work is being polled. An acquire that finds a connection never looks.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::task::{Id, try_id};

use crate::{manage::Manage, pool::Shared, state::Kept};

thread_local! {
    /// What is being polled on this thread, outermost first.
    static OPEN: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

struct Frame {
    /// Where the pool is; whoever put the frame here keeps it there.
    pool: usize,
    kept: Kept,
    /// Another task that this one happens to poll (a `LocalSet`) does not keep it waiting.
    task: Option<Id>,
}

/// A lease, as seen by work that runs while it is kept: made by [`Lease::scope`](crate::Lease::scope).
///
/// Running work in it promises that the lease does not go back before the work has ended. If a call inside then had to wait for a
/// connection while each one is kept by such work that itself waits, it fails at once with
/// [`AcquireError::Deadlock`](crate::AcquireError::Deadlock).
///
/// It sees what is polled within the work, on the same task. Waits in tasks that the work spawns and awaits, and leases that
/// no scope tells of, are not seen: their budget ends such a wait.
pub struct LeaseScope<M: Manage> {
    shared: Arc<Shared<M>>,
    kept: Kept,
}

impl<M: Manage> LeaseScope<M> {
    pub(crate) fn new(shared: &Arc<Shared<M>>, kept: Kept) -> LeaseScope<M> {
        LeaseScope { shared: Arc::clone(shared), kept }
    }

    /// Asynchronous work: the future ends with it, and may be dropped as it may.
    pub fn run<F: Future>(self, work: F) -> Scoped<M, F> {
        Scoped { scope: self, work }
    }

    /// Blocking work.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _open = self.open();
        work()
    }

    fn open(&self) -> Open {
        let frame = Frame { pool: address(&self.shared), kept: self.kept, task: try_id() };
        // A thread that is ending has no list any more; then nothing is noticed.
        let pushed = OPEN.try_with(|open| open.borrow_mut().push(frame)).is_ok();
        Open { pushed }
    }
}

impl<M: Manage> fmt::Debug for LeaseScope<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseScope").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future returned by [`LeaseScope::run`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<M: Manage, F> {
        scope: LeaseScope<M>,
        #[pin]
        work: F,
    }
}

impl<M: Manage, F: Future> Future for Scoped<M, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _open = this.scope.open();
        this.work.poll(cx)
    }
}

impl<M: Manage, F> fmt::Debug for Scoped<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

/// Takes the innermost frame away again, panic or not.
struct Open {
    pushed: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.pushed {
            let _ended = OPEN.try_with(|open| open.borrow_mut().pop());
        }
    }
}

fn address<M: Manage>(shared: &Arc<Shared<M>>) -> usize {
    Arc::as_ptr(shared).addr()
}

/// The leases of this pool that cannot go back before what is being polled now has ended.
pub(crate) fn kept_around<M: Manage>(shared: &Arc<Shared<M>>) -> Vec<Kept> {
    let around = |open: &RefCell<Vec<Frame>>| {
        let open = open.borrow();
        if open.is_empty() {
            return Vec::new();
        }
        let (pool, task) = (address(shared), try_id());
        let ours = open.iter().filter(|frame| frame.pool == pool && frame.task == task);
        ours.map(|frame| frame.kept).collect()
    };
    OPEN.try_with(around).unwrap_or_default()
}
