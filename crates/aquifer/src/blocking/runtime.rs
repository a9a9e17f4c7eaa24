//! [`Runtime`]: where a blocking handle's background work runs; [`Held`]: what is dropped there.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use aquifer_driver::{Error, ErrorKind, Result};
use tokio::runtime::{EnterGuard, Handle};
use tokio::task::coop::consume_budget;

/// A tokio runtime with one worker thread, shared by everything that one blocking `Db` gave.
#[derive(Clone)]
pub(super) struct Runtime(Arc<Owned>);

struct Owned {
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // A plain drop would wait for the worker, and panics inside async code.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.0.handle.id()).finish()
    }
}

impl Runtime {
    pub(super) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aquifer-blocking")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Runtime, "the blocking handle's thread could not be started")
                    .with_source(error)
            })?;
        let handle = runtime.handle().clone();
        Ok(Self(Arc::new(Owned { handle, runtime: Some(runtime) })))
    }

    /// Runs a future to its end on this thread, with the runtime's timers and tasks.
    pub(super) fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.wait(future)?
    }

    /// As [`run`](Self::run), for any output.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        may_block()?;
        let _inside = self.enter();
        Ok(block_on(future))
    }

    /// Until the guard is dropped, what is spawned is spawned here.
    fn enter(&self) -> EnterGuard<'_> {
        self.0.handle.enter()
    }
}

/// Refuses inside an async task.
fn may_block() -> Result<()> {
    if Handle::try_current().is_ok() && inside_task() {
        return Err(inside_async());
    }
    Ok(())
}

#[cold]
fn inside_async() -> Error {
    Error::new(ErrorKind::Runtime, "a blocking call was made inside an async task")
        .with_hint("use `aquifer::Db` there, or make the call in `tokio::task::spawn_blocking`")
}

/// True if tokio is polling a future on this thread right now.
///
/// tokio has no question for that: `Handle::try_current` also answers in `spawn_blocking`, where blocking
/// is allowed. But only a future that is being polled has a budget, and a budget ends; elsewhere this
/// goes on for ever. tokio grants 128. The price, one early yield, is paid by a task that is about to get
/// an error. A task wrapped in `unconstrained` is not noticed; its call blocks, and works.
fn inside_task() -> bool {
    let mut nobody = Context::from_waker(Waker::noop());
    (0..1024).any(|_| pin!(consume_budget()).poll(&mut nobody).is_pending())
}

/// Polls on this thread, asleep in between. Unlike tokio's own it never panics, wherever it is called.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    // Most rows are already here: they need neither a waker nor its allocation.
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// A value that is dropped inside its runtime, so that what its drop starts has a place to run.
pub(super) struct Held<T> {
    /// `None` only once it is taken or being dropped.
    value: Option<T>,
    runtime: Runtime,
}

impl<T> Held<T> {
    pub(super) fn new(value: T, runtime: &Runtime) -> Self {
        Self { value: Some(value), runtime: runtime.clone() }
    }

    pub(super) fn get(&self) -> &T {
        self.value.as_ref().expect("taken only when it goes")
    }

    /// The value, and where its futures run.
    pub(super) fn parts(&mut self) -> (&mut T, &Runtime) {
        (self.value.as_mut().expect("taken only when it goes"), &self.runtime)
    }

    /// Ends the value with one of its own calls.
    pub(super) fn finish<U, F>(mut self, last: impl FnOnce(T) -> F) -> Result<U>
    where
        F: Future<Output = Result<U>>,
    {
        // Refused, the value must be dropped as it always is.
        may_block()?;
        let value = self.value.take().expect("taken only when it goes");
        self.runtime.run(last(value))
    }

    /// Ends the value with a call that does not wait.
    pub(super) fn end(mut self, last: impl FnOnce(T)) {
        let _inside = self.runtime.enter();
        last(self.value.take().expect("taken only when it goes"));
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        drop(self.value.take());
    }
}

impl<T: fmt::Debug> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
