//! [`DriverConn`]: what the pool lends, a driver's connection with its row batch.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquifer_driver::{
    Batch, Command, Connection, Counters, Error, ErrorKind, FromRow, Outcome, Params, Result,
    RowBatch, Status, Step, Want,
};
use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use crate::deadline::{Alarm, During};
use crate::queue::Queue;
use crate::tally::Tally;
use crate::text::Text;
use crate::watched::Watched;

/// How much memory a row batch may keep while its connection rests.
const BATCH_KEEP: usize = 256 * 1024;

/// One physical connection, as hooks see it.
///
/// It runs SQL in the engine's own placeholder form and gives access to the driver; everything else
/// (scopes, deadlines, statistics) belongs to the `Db` above it.
pub struct DriverConn {
    /// A link goes in and out of the pool and from hand to hand with every call, so it is small.
    inner: Box<Inner>,
}

struct Inner {
    connection: Box<dyn Connection>,
    batch: RowBatch,
    /// The command under way has been abandoned: once is enough.
    abandoned: bool,
    /// The connection is a [`Watched`] one.
    watched: bool,
    /// Queued statements went out with the command under way, which has not answered yet.
    behind_queued: bool,
    /// Memory for the next transaction that queues statements.
    spare_queue: Option<Box<Queue>>,
    tally: Tally,
    alarm: Alarm,
    /// Where it was dialled: its socket is ready only while that runtime runs.
    home: Option<runtime::Id>,
    /// Texts that ran here lately, in front of the cache that all connections share.
    texts: [Option<Arc<Text>>; TEXTS_KEPT],
}

/// What the steps of a command that is read to its end have told so far.
#[derive(Default)]
struct Ending {
    total: Outcome,
    failed: Option<Error>,
}

/// Texts kept per connection.
const TEXTS_KEPT: usize = 8;

/// Where a text is kept. Most are literals, which are told apart by where they are and how long.
#[inline]
fn place(source: &str) -> usize {
    let address = source.as_ptr() as usize;
    (address ^ (address >> 6) ^ source.len()) % TEXTS_KEPT
}

impl DriverConn {
    pub(crate) fn new(connection: Box<dyn Connection>, tally: Tally) -> Self {
        let (batch, texts) = (RowBatch::new(), Default::default());
        Self {
            inner: Box::new(Inner {
                connection,
                batch,
                abandoned: false,
                watched: false,
                behind_queued: false,
                spare_queue: None,
                tally,
                alarm: Alarm::default(),
                home: Handle::try_current().ok().map(|runtime| runtime.id()),
                texts,
            }),
        }
    }

    /// Whether it was dialled in the runtime that this is called in.
    pub(crate) fn is_at_home(&self) -> bool {
        self.inner.home.is_none()
            || self.inner.home == Handle::try_current().ok().map(|here| here.id())
    }

    /// Runs a statement and discards its rows.
    ///
    /// # Errors
    ///
    /// The statement's error.
    pub async fn exec(&mut self, sql: &str, params: impl Params) -> Result<Outcome> {
        self.start(Command::Execute { sql, params: &params, want: Want::Outcome })?;
        self.finish().await
    }

    /// Runs a statement and returns its first row.
    ///
    /// # Errors
    ///
    /// The statement's error, a row that does not convert, or [`ErrorKind::NoRows`].
    pub async fn get<T>(&mut self, sql: &str, params: impl Params) -> Result<T>
    where
        T: for<'r> FromRow<'r>,
    {
        self.start(Command::Execute { sql, params: &params, want: Want::First })?;
        let mut first = None;
        loop {
            let step = self.step().await?;
            if first.is_none() {
                first = self.inner.batch.row(0).map(|row| row.scan());
            }
            if let Step::End(_) = step {
                break;
            }
        }
        first.unwrap_or_else(|| Err(no_rows()))
    }

    /// The driver's own connection.
    ///
    /// # Errors
    ///
    /// If the connection is another driver's.
    pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
        // What the caller starts there has not been abandoned.
        self.inner.abandoned = false;
        self.unwatch();
        self.inner.connection.as_any_mut().downcast_mut().ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("the connection is not a `{}`", name_of::<T>()),
            )
            .with_hint("ask for the connection type of the driver that the URL chose")
        })
    }

    /// Where the connection stands, in the engine's own word.
    pub fn status(&self) -> Status {
        self.inner.connection.status()
    }

    /// What the connection has done so far.
    pub fn counters(&self) -> Counters {
        self.inner.connection.counters()
    }

    #[inline]
    pub(crate) fn start(&mut self, command: Command<'_>) -> Result<()> {
        self.inner.abandoned = false;
        self.inner.connection.start(command)
    }

    /// As [`start`](Self::start), behind statements whose results nobody wants.
    pub(crate) fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        self.inner.abandoned = false;
        self.inner.connection.start_after(queued, command)?;
        self.inner.behind_queued = true;
        Ok(())
    }

    /// True until the command that was [started behind others](Self::start_after) has answered.
    pub(crate) fn is_behind_queued(&self) -> bool {
        self.inner.behind_queued
    }

    /// An empty queue.
    pub(crate) fn take_queue(&mut self) -> Box<Queue> {
        self.inner.spare_queue.take().unwrap_or_default()
    }

    /// Keeps the memory of a queue that was cleared.
    pub(crate) fn keep_queue(&mut self, queue: Box<Queue>) {
        self.inner.spare_queue = Some(queue);
    }

    #[inline]
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step>> {
        let inner = &mut *self.inner;
        let step = ready!(inner.connection.poll_next(cx, &mut inner.batch));
        inner.behind_queued = false;
        Poll::Ready(step)
    }

    /// Ready once the deadline of the command under way has passed.
    pub(crate) fn poll_alarm(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.alarm.poll(deadline, cx)
    }

    /// See [`Connection::take_outcomes`].
    pub(crate) fn take_outcomes(&mut self, to: &mut Vec<Outcome>) {
        self.inner.connection.take_outcomes(to);
    }

    pub(crate) async fn step(&mut self) -> Result<Step> {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    /// Reads the command under way to its end, discarding rows.
    pub(crate) async fn finish(&mut self) -> Result<Outcome> {
        let mut end = Ending::default();
        poll_fn(|cx| self.poll_finish(&mut end, cx)).await
    }

    /// As [`finish`](Self::finish), until the deadline.
    pub(crate) async fn finish_before(
        &mut self,
        deadline: Option<Instant>,
        during: During,
    ) -> Result<Outcome> {
        let mut end = Ending::default();
        poll_fn(|cx| match (self.poll_finish(&mut end, cx), deadline) {
            (Poll::Pending, Some(deadline)) => {
                self.poll_alarm(deadline, cx).map(|()| Err(during.passed()))
            }
            (polled, _) => polled,
        })
        .await
    }

    fn poll_finish(&mut self, end: &mut Ending, cx: &mut Context<'_>) -> Poll<Result<Outcome>> {
        loop {
            match ready!(self.poll_step(cx))? {
                Step::End(outcome) => {
                    add(&mut end.total, outcome);
                    return Poll::Ready(match end.failed.take() {
                        Some(error) => Err(error),
                        None => Ok(end.total),
                    });
                }
                Step::EndOfSet(outcome) => add(&mut end.total, outcome),
                Step::Failed(error) => {
                    end.failed.get_or_insert(error);
                }
                _ => {}
            }
        }
    }

    /// The text of that source, if it is kept here; it leaves its place, so that no reference is counted.
    #[inline]
    pub(crate) fn take_text(&mut self, source: &str) -> Option<Arc<Text>> {
        self.inner.texts[place(source)].take_if(|text| text.source() == source)
    }

    /// Puts a text where [`take_text`](Self::take_text) finds it by the same source.
    #[inline]
    pub(crate) fn keep_text(&mut self, source: &str, text: Arc<Text>) {
        self.inner.texts[place(source)] = Some(text);
    }

    #[inline]
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.inner.tally
    }

    #[inline]
    pub(crate) fn batch(&self) -> &RowBatch {
        &self.inner.batch
    }

    /// Exchanges the rows for a buffer that the driver may fill next.
    #[inline]
    pub(crate) fn swap_batch(&mut self, other: &mut RowBatch) {
        std::mem::swap(&mut self.inner.batch, other);
    }

    pub(crate) fn take_batch(&mut self) -> RowBatch {
        std::mem::take(&mut self.inner.batch)
    }

    #[inline]
    pub(crate) fn abandon(&mut self) -> Status {
        if self.inner.abandoned {
            return self.inner.connection.status();
        }
        self.inner.abandoned = true;
        self.inner.connection.abandon()
    }

    /// From `due` on, the open transaction is undone though nobody calls. Ends with
    /// [`unwatch`](Self::unwatch).
    #[cold]
    pub(crate) fn watch(&mut self, due: Instant, budget: Duration) {
        self.unwatch();
        if self.inner.watched {
            return;
        }
        self.inner.watched = Watched::around(&mut self.inner.connection, due, budget);
    }

    /// Nobody watches over the connection any more, unless its transaction is just being undone.
    #[inline]
    pub(crate) fn unwatch(&mut self) {
        if self.inner.watched {
            self.take_back();
        }
    }

    #[cold]
    fn take_back(&mut self) {
        let watched = self.inner.connection.as_any_mut().downcast_mut::<Watched>();
        if let Some(connection) = watched.and_then(|watched| watched.take_back()) {
            self.inner.connection = connection;
            self.inner.watched = false;
        }
    }

    pub(crate) fn connection(&mut self) -> &mut dyn Connection {
        &mut *self.inner.connection
    }

    pub(crate) fn into_connection(self) -> Box<dyn Connection> {
        self.inner.connection
    }

    /// Called when the connection goes back: one huge result must not stay in memory for ever.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.inner.batch.shrink(BATCH_KEEP);
    }
}

/// A script's outcome is the sum of its statements', with the last key.
fn add(total: &mut Outcome, outcome: Outcome) {
    total.rows_affected = total.rows_affected.saturating_add(outcome.rows_affected);
    if outcome.last_insert_id.is_some() {
        total.last_insert_id = outcome.last_insert_id;
    }
}

/// A type's own name: where it is defined is nobody's path to it.
fn name_of<T>() -> &'static str {
    let path = std::any::type_name::<T>();
    path.rsplit("::").next().unwrap_or(path)
}

#[cold]
pub(crate) fn no_rows() -> Error {
    Error::new(ErrorKind::NoRows, "the query gave no row")
        .with_hint("use `get_optional` where a row may be missing")
}

impl fmt::Debug for DriverConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverConn").field("status", &self.status()).finish_non_exhaustive()
    }
}
