//! [`Watched`]: a connection whose transaction ends in time, whether anybody calls or not.
//!
//! Around the driver's connection while a transaction with a greatest age is open (`transaction_max`), and
//! only then. One task per such transaction sleeps until that age. It then takes the connection, rolls back,
//! and puts it back; meanwhile the owner finds it [`Busy`](Status::Busy), and whatever the owner does next
//! says how the transaction ended.

use std::any::Any;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::{
    Batch, BoxFuture, Canceller, Command, CommitTrace, Connection, Counters, Description, Error,
    ErrorKind, Fence, Result, RowBatch, Status, Step,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Why a transaction ended that was too old.
pub(crate) const TOO_OLD: &str =
    "the transaction was older than `transaction_max` allows, and is rolled back";

/// See the [module's documentation](self).
pub(crate) struct Watched {
    held: Arc<Mutex<Held>>,
    canceller: Canceller,
    task: AbortHandle,
}

struct Held {
    /// Not here while its transaction is being undone, and once it is lost.
    connection: Option<Box<dyn Connection>>,
    flags: Flags,
}

#[derive(Default)]
struct Flags {
    /// It could not be saved.
    lost: bool,
    /// The transaction was undone here.
    ended: bool,
    /// The owner has seen that.
    told: bool,
    /// The owner's command has not come to its end.
    under_way: bool,
    /// It was abandoned, which is done once.
    abandoned: bool,
    /// The owner waits for the connection to come back.
    waker: Option<Waker>,
}

impl Flags {
    /// Waits for the connection that is away, if it can come back.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T>> {
        if self.lost {
            return Poll::Ready(Err(lost()));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn status_away(&self) -> Status {
        if self.lost { Status::Broken } else { Status::Busy }
    }
}

impl Watched {
    /// Has a connection with an open transaction watched over: it is undone at `due`, within `budget`. False
    /// without a runtime: then nobody can watch.
    pub(crate) fn around(
        connection: &mut Box<dyn Connection>,
        due: Instant,
        budget: Duration,
    ) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        let held = Arc::new(Mutex::new(Held { connection: None, flags: Flags::default() }));
        let task = runtime.spawn(watch(Arc::downgrade(&held), due, budget)).abort_handle();
        let canceller = connection.canceller();
        // It is in its place before the task can look: the task waits for the lock.
        let mut inside = lock(&held);
        let watched = Box::new(Self { held: Arc::clone(&held), canceller, task });
        inside.connection = Some(std::mem::replace(connection, watched));
        true
    }

    /// The connection, watched over no longer; `None` while it is away.
    pub(crate) fn take_back(&self) -> Option<Box<dyn Connection>> {
        let connection = lock(&self.held).connection.take();
        if connection.is_some() {
            self.task.abort();
        }
        connection
    }

    /// Uses the connection, unless it is away.
    fn with<T>(
        &mut self,
        away: impl FnOnce(&mut Flags) -> T,
        here: impl FnOnce(&mut Flags, &mut dyn Connection) -> T,
    ) -> T {
        let mut held = lock(&self.held);
        let Held { connection, flags } = &mut *held;
        match connection {
            Some(connection) => here(flags, &mut **connection),
            None => away(flags),
        }
    }
}

/// A driver that panics leaves the flags as they were, which is as good as any.
fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cold]
fn too_old() -> Error {
    Error::new(ErrorKind::TxDone, TOO_OLD)
        .with_hint("nothing more is sent; begin a new transaction, or raise `transaction_max`")
}

#[cold]
fn lost() -> Error {
    Error::new(
        ErrorKind::ConnectionLost,
        "the transaction was older than `transaction_max` allows, and could not be rolled back in time: the connection is given up",
    )
}

/// Sleeps until the transaction is due, and undoes it.
async fn watch(held: Weak<Mutex<Held>>, due: Instant, budget: Duration) {
    sleep_until(due).await;
    let away = match Away::take(&held, false) {
        Err(Status::Busy) => {
            // A call under way has the same deadline, and whoever awaits it clears up. What is still
            // there after that has been forgotten.
            sleep(budget).await;
            Away::take(&held, true)
        }
        taken => taken,
    };
    if let Ok(away) = away {
        away.undo(budget).await;
    }
}

/// A connection that is away from its owner. It goes back when this is dropped, or is lost.
struct Away {
    held: Arc<Mutex<Held>>,
    connection: Option<Box<dyn Connection>>,
    /// Its command was abandoned before.
    abandoned: bool,
}

impl Away {
    /// Takes a connection whose transaction is open; also one with a command under way, if `busy`.
    fn take(held: &Weak<Mutex<Held>>, busy: bool) -> std::result::Result<Self, Status> {
        let Some(held) = held.upgrade() else { return Err(Status::Broken) };
        let mut inside = lock(&held);
        let status = inside.connection.as_ref().map_or(Status::Broken, |there| there.status());
        let open = matches!(status, Status::Transaction | Status::FailedTransaction);
        if !(open || busy && status == Status::Busy) {
            return Err(status);
        }
        let connection = inside.connection.take();
        // From here on the owner is told how it ended, whatever it is at.
        let flags = &mut inside.flags;
        (flags.ended, flags.told, flags.under_way) = (true, false, false);
        let abandoned = flags.abandoned;
        drop(inside);
        Ok(Self { held, connection, abandoned })
    }

    async fn undo(mut self, budget: Duration) {
        let Some(connection) = &mut self.connection else { return };
        let abandoned = self.abandoned;
        let undone = timeout(budget, async {
            let status = if abandoned { connection.status() } else { connection.abandon() };
            if status == Status::Busy {
                connection.canceller().cancel().await;
            }
            poll_fn(|cx| connection.poll_recover(cx)).await
        });
        let saved = matches!(undone.await, Ok(Ok(())));
        if !saved || connection.status() != Status::Idle {
            self.connection = None;
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // Recovered, or lost: in the middle of it, as when the runtime ends, it is of no use.
        let saved = self.connection.take().filter(|there| there.status() == Status::Idle);
        let waker = {
            let mut held = lock(&self.held);
            held.flags.lost = saved.is_none();
            held.connection = saved;
            held.flags.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Watched {
    fn start_with(&mut self, start: impl FnOnce(&mut dyn Connection) -> Result<()>) -> Result<()> {
        self.with(
            |flags| {
                let error = if flags.lost { lost() } else { too_old() };
                Err(error.with_nothing_sent(true))
            },
            |flags, connection| {
                // Between the owner's look and this, the transaction may have gone, and nothing of it may
                // run outside one.
                if flags.ended && !std::mem::replace(&mut flags.told, true) {
                    return Err(too_old().with_nothing_sent(true));
                }
                start(connection)?;
                (flags.under_way, flags.abandoned) = (true, false);
                Ok(())
            },
        )
    }
}

impl Connection for Watched {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        self.start_with(|connection| connection.start(command))
    }

    fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        self.start_with(|connection| connection.start_after(queued, command))
    }

    fn takes_queued(&self) -> bool {
        lock(&self.held).connection.as_ref().is_some_and(|there| there.takes_queued())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        let mut held = lock(&self.held);
        let Held { connection: Some(connection), flags } = &mut *held else {
            return held.flags.wait(cx);
        };
        if flags.ended && !flags.under_way {
            flags.told = true;
            return Poll::Ready(Err(too_old()));
        }
        let step = connection.poll_next(cx, batch);
        if matches!(step, Poll::Ready(Ok(Step::End(_)) | Err(_))) {
            flags.under_way = false;
        }
        step
    }

    fn abandon(&mut self) -> Status {
        self.with(
            |flags| flags.status_away(),
            |flags, connection| {
                flags.abandoned = true;
                connection.abandon()
            },
        )
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut held = lock(&self.held);
        match &mut held.connection {
            Some(connection) => connection.poll_recover(cx),
            None => held.flags.wait(cx),
        }
    }

    fn status(&self) -> Status {
        let mut held = lock(&self.held);
        let Held { connection, flags } = &mut *held;
        let Some(connection) = connection else { return flags.status_away() };
        flags.told |= flags.ended;
        connection.status()
    }

    fn session_changed(&self) -> bool {
        lock(&self.held).connection.as_ref().is_some_and(|there| there.session_changed())
    }

    fn adopt_session(&mut self) {
        self.with(|_| (), |_, connection| connection.adopt_session());
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    fn take_description(&mut self) -> Option<Description> {
        self.with(|_| None, |_, connection| connection.take_description())
    }

    fn counters(&self) -> Counters {
        lock(&self.held).connection.as_ref().map(|there| there.counters()).unwrap_or_default()
    }

    fn limit_query(&self) -> Option<String> {
        lock(&self.held).connection.as_ref().and_then(|there| there.limit_query())
    }

    fn plan_query(&self, sql: &str) -> Option<String> {
        lock(&self.held).connection.as_ref().and_then(|there| there.plan_query(sql))
    }

    fn takes_atomic_batches(&self) -> bool {
        lock(&self.held).connection.as_ref().is_some_and(|there| there.takes_atomic_batches())
    }

    fn takes_commit_with(&self) -> bool {
        lock(&self.held).connection.as_ref().is_some_and(|there| there.takes_commit_with())
    }

    fn commit_trace(&self) -> CommitTrace {
        let held = lock(&self.held);
        let trace = held.connection.as_ref().map(|there| there.commit_trace());
        trace
            .unwrap_or(CommitTrace::Untold("the transaction was too old, and is being rolled back"))
    }

    fn fence(&self) -> Option<Fence> {
        lock(&self.held).connection.as_ref().and_then(|there| there.fence())
    }

    /// Not the driver's own type: that is had once nobody watches.
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        match self.take_back() {
            Some(connection) => connection.close(),
            // Whoever has it drops it, since nobody wants it back.
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // While the connection is away the task must bring its work to an end.
        if lock(&self.held).connection.is_some() {
            self.task.abort();
        }
    }
}
