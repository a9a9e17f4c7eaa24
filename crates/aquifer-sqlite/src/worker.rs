//! [`Worker`]: the one thread of a connection, and the mailbox between it and the connection's owner.
//!
//! The thread is `aquifer-sqlite`. It starts when the connection first has something to do that may
//! block (for a file, that is opening it), sleeps on a condition variable when it has nothing to do, and
//! ends when its connection goes. It closes the handle that it was given last.
//!
//! Jobs and answers go through one mutex that nobody holds for longer than a few moves of pointers.
//! Buffers go round: a row batch that the owner has swapped out comes back to be filled again, so that
//! a job costs no allocation after the first ones.
//!
//! A hand-over may cost two thread switches, which is more than many a statement takes. So the small
//! results of a batch are held back and handed over together; what is large goes at once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use aquifer_driver::{Columns, Error, ErrorKind, Outcome, Result, RowBatch};

use crate::engine::Engine;
use crate::job::Job;
use crate::open::Opening;

/// Hand-overs that the worker is ahead of its reader, at most.
const AHEAD_MAX: usize = 2;

/// Results of a batch that are held back, at most; and their bytes, beyond which they are handed over.
const HELD_MAX: usize = 128;
const HELD_BYTES: usize = 64 * 1024;

/// Memory that a buffer may keep on its way back.
const BUFFER_KEEP: usize = 256 * 1024;

/// A buffer of no more memory counts as small: as many of them are kept as results are held back.
const SMALL: usize = 1024;

/// What a job tells before it is over.
#[derive(Debug)]
pub(crate) enum Event {
    /// Rows of a result set that goes on. They end a hand-over.
    Rows(Box<RowBatch>),
    /// A result set is over, and another statement follows; these are its last rows.
    Set {
        rows: Box<RowBatch>,
        outcome: Outcome,
        /// They end a hand-over: once they are taken, the worker may be one further ahead.
        ends: bool,
    },
    /// Statements without columns are over, and another follows. A batch has many.
    Plain(Vec<Outcome>),
    /// A statement of a batch failed.
    Failed(Error),
}

/// How a job ended: its last rows if there are columns, and the outcome.
pub(crate) type Ended = Result<(Option<Box<RowBatch>>, Outcome)>;

/// What the owner finds in the mailbox.
pub(crate) enum Answer {
    /// Rows have been swapped in; the result set goes on.
    Rows,
    /// A result set is over, and its last rows have been swapped in.
    Set(Outcome),
    /// A statement of a batch failed.
    Failed(Error),
    /// The job is over, and its last rows have been swapped in. Without an engine, it could not be opened.
    Ended(Option<Box<Engine>>, Result<Outcome>),
    /// The thread is gone, and the engine with it.
    Lost,
}

#[derive(Default)]
struct Mail {
    work: Option<(Box<Engine>, Job)>,
    events: VecDeque<Event>,
    ended: Option<(Option<Box<Engine>>, Ended)>,
    spare: Spare,
    /// Hand-overs of rows that were sent and not yet taken.
    ahead: usize,
    /// The owner, waiting for an answer.
    waker: Option<Waker>,
    /// The worker is waiting on the condition variable.
    asleep: bool,
    /// The owner wants no more rows of this job.
    discard: bool,
    /// The connection is going: nothing is sent any more.
    closed: bool,
    /// What the worker closes before it ends.
    closing: Option<Box<Engine>>,
    /// The thread has ended.
    gone: bool,
}

/// Buffers to fill.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "the boxes go round, in events and jobs' ends")]
struct Spare {
    large: Vec<Box<RowBatch>>,
    small: Vec<Box<RowBatch>>,
}

impl Spare {
    /// Takes a buffer in, unless there are enough like it.
    fn keep(&mut self, mut rows: Box<RowBatch>) {
        if rows.bytes_mut().capacity() > SMALL {
            if self.large.len() <= AHEAD_MAX {
                rows.shrink(BUFFER_KEEP);
                self.large.push(rows);
            }
        } else if self.small.len() < HELD_MAX {
            rows.shrink(SMALL);
            self.small.push(rows);
        }
    }

    fn pop(&mut self) -> Option<Box<RowBatch>> {
        self.large.pop().or_else(|| self.small.pop())
    }

    /// Takes in what another one has; the two change places where that is enough.
    fn take_in(&mut self, other: &mut Self) {
        for (ours, theirs, max) in [
            (&mut self.large, &mut other.large, AHEAD_MAX + 1),
            (&mut self.small, &mut other.small, HELD_MAX),
        ] {
            if ours.is_empty() {
                std::mem::swap(ours, theirs);
            } else {
                let room = max.saturating_sub(ours.len());
                ours.extend(theirs.drain(..theirs.len().min(room)));
            }
        }
    }
}

#[derive(Default)]
struct Shared {
    mail: Mutex<Mail>,
    /// Only the worker waits here.
    called: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        // Nothing panics under the lock; a thread that panicked elsewhere leaves the mail in order.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the worker if it sleeps.
    fn call(&self, mail: MutexGuard<'_, Mail>) {
        let asleep = mail.asleep;
        drop(mail);
        if asleep {
            self.called.notify_one();
        }
    }

    fn sleep<'a>(&self, mut mail: MutexGuard<'a, Mail>) -> MutexGuard<'a, Mail> {
        mail.asleep = true;
        let mut mail = self.called.wait(mail).unwrap_or_else(PoisonError::into_inner);
        mail.asleep = false;
        mail
    }
}

/// The owner's end. Dropping it ends the thread, as soon as it comes to look.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// Events taken and not yet handed on.
    inbox: VecDeque<Event>,
    /// Buffers swapped out since the worker last got any.
    emptied: Spare,
    /// What is left of the last [`Event::Plain`].
    plain: std::vec::IntoIter<Outcome>,
}

impl Worker {
    /// Starts the thread; with `opening`, its first job is that.
    ///
    /// # Errors
    ///
    /// `Resources` if the system gives no thread.
    pub(crate) fn spawn(opening: Option<Opening>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mailbox = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("aquifer-sqlite".into())
            .spawn(move || work(&mailbox, opening))
            .map_err(|error| {
                Error::new(ErrorKind::Resources, "no thread could be started for SQLite")
                    .with_source(error)
            })?;
        Ok(Self::over(shared))
    }

    fn over(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            inbox: VecDeque::new(),
            emptied: Spare::default(),
            plain: Vec::new().into_iter(),
        }
    }

    /// Hands over the engine with something to do. The last job must have ended.
    pub(crate) fn submit(&mut self, engine: Box<Engine>, job: Job) {
        let mut mail = self.shared.lock();
        mail.work = Some((engine, job));
        mail.discard = false;
        self.shared.call(mail);
    }

    /// The next outcome of a row of statements without columns, if that is what comes next.
    #[inline]
    pub(crate) fn next_plain(&mut self) -> Option<Outcome> {
        self.plain.next()
    }

    /// All outcomes of that row of statements that are left.
    pub(crate) fn take_plain(&mut self, to: &mut Vec<Outcome>) {
        to.extend(std::mem::take(&mut self.plain));
    }

    /// The next answer. Rows are swapped into `batch`, whose buffer goes back to the worker.
    /// A set without columns gives `none`.
    pub(crate) fn poll(
        &mut self,
        cx: &Context<'_>,
        batch: &mut RowBatch,
        none: &Arc<Columns>,
    ) -> Poll<Answer> {
        if let Some(outcome) = self.plain.next() {
            batch.set_columns(none);
            return Poll::Ready(Answer::Set(outcome));
        }
        if let Some(event) = self.inbox.pop_front() {
            return Poll::Ready(self.hand_on(event, batch, none));
        }
        let mut mail = self.shared.lock();
        if !mail.events.is_empty() {
            std::mem::swap(&mut mail.events, &mut self.inbox);
            drop(mail);
            if let Some(event) = self.inbox.pop_front() {
                return Poll::Ready(self.hand_on(event, batch, none));
            }
            mail = self.shared.lock();
        }
        if let Some((engine, ended)) = mail.ended.take() {
            mail.spare.take_in(&mut self.emptied);
            let outcome = match ended {
                Ok((Some(mut rows), outcome)) => {
                    std::mem::swap(batch, &mut *rows);
                    mail.spare.keep(rows);
                    Ok(outcome)
                }
                Ok((None, outcome)) => {
                    batch.set_columns(none);
                    Ok(outcome)
                }
                Err(error) => {
                    batch.clear();
                    Err(error)
                }
            };
            return Poll::Ready(Answer::Ended(engine, outcome));
        }
        if mail.gone {
            return Poll::Ready(Answer::Lost);
        }
        match &mut mail.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn hand_on(&mut self, event: Event, batch: &mut RowBatch, none: &Arc<Columns>) -> Answer {
        match event {
            Event::Rows(rows) => {
                self.swap(rows, batch, true);
                Answer::Rows
            }
            Event::Set { rows, outcome, ends } => {
                self.swap(rows, batch, ends);
                Answer::Set(outcome)
            }
            Event::Plain(outcomes) => {
                batch.set_columns(none);
                self.plain = outcomes.into_iter();
                // There is at least one.
                Answer::Set(self.plain.next().unwrap_or_default())
            }
            Event::Failed(error) => {
                batch.clear();
                Answer::Failed(error)
            }
        }
    }

    fn swap(&mut self, mut rows: Box<RowBatch>, batch: &mut RowBatch, ends: bool) {
        std::mem::swap(batch, &mut *rows);
        self.emptied.keep(rows);
        if ends {
            let mut mail = self.shared.lock();
            mail.ahead = mail.ahead.saturating_sub(1);
            mail.spare.take_in(&mut self.emptied);
            self.shared.call(mail);
        }
    }

    /// The owner wants no more rows of the job under way.
    pub(crate) fn discard(&mut self) {
        self.inbox.clear();
        self.plain = Vec::new().into_iter();
        let mut mail = self.shared.lock();
        mail.discard = true;
        mail.events.clear();
        mail.ahead = 0;
        self.shared.call(mail);
    }

    /// Has the engine closed by the thread, which then ends.
    pub(crate) fn close(&mut self, engine: Option<Box<Engine>>) {
        let mut mail = self.shared.lock();
        mail.closed = true;
        mail.waker = None;
        mail.events.clear();
        if mail.gone {
            // There is nobody left to do it.
            drop(mail);
            drop(engine);
            return;
        }
        // A job that ended unheard has left its engine here.
        let ended = mail.ended.take().and_then(|(engine, _)| engine);
        mail.closing = engine.or(ended);
        self.shared.call(mail);
    }

    /// Waits for the thread's last act.
    pub(crate) fn poll_gone(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut mail = self.shared.lock();
        if mail.gone {
            return Poll::Ready(());
        }
        mail.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.shared.lock().closed {
            self.close(None);
        }
    }
}

impl Mail {
    /// Adds events; whole queues change places where that is possible.
    fn hand_in(&mut self, held: &mut VecDeque<Event>) {
        if self.events.is_empty() {
            std::mem::swap(&mut self.events, held);
        } else {
            self.events.append(held);
        }
    }
}

/// The worker's end, for the job under way.
pub(crate) struct Outbox<'a> {
    shared: &'a Shared,
    /// Events that were not sent yet; they go with large rows, or when there are many, or at the end.
    held: &'a mut VecDeque<Event>,
    /// Result sets with columns among them, and their bytes.
    held_sets: usize,
    held_bytes: usize,
    /// Buffers at hand, so that a batch of many statements does not take the lock for each.
    at_hand: Spare,
    /// Outcomes of statements without columns, noted as one event.
    plain: Vec<Outcome>,
}

impl<'a> Outbox<'a> {
    fn new(shared: &'a Shared, held: &'a mut VecDeque<Event>) -> Self {
        let (at_hand, plain) = (Spare::default(), Vec::new());
        Self { shared, held, held_sets: 0, held_bytes: 0, at_hand, plain }
    }

    /// An empty batch to fill.
    pub(crate) fn buffer(&mut self) -> Box<RowBatch> {
        if let Some(rows) = self.at_hand.pop() {
            return rows;
        }
        self.refill();
        self.at_hand.pop().unwrap_or_default()
    }

    /// The same for a result that has filled one already: it is to have one that has grown.
    pub(crate) fn next_buffer(&mut self) -> Box<RowBatch> {
        if self.at_hand.large.is_empty() {
            self.refill();
        }
        self.buffer()
    }

    fn refill(&mut self) {
        self.at_hand.take_in(&mut self.shared.lock().spare);
    }

    /// A buffer that was not needed.
    pub(crate) fn keep(&mut self, rows: Box<RowBatch>) {
        self.at_hand.keep(rows);
    }

    /// Notes an event; it is sent with the next rows or the end of the job.
    pub(crate) fn note(&mut self, event: Event) {
        self.flush();
        self.held.push_back(event);
    }

    fn flush(&mut self) {
        if !self.plain.is_empty() {
            self.held.push_back(Event::Plain(std::mem::take(&mut self.plain)));
        }
    }

    /// Sends rows, after the events noted before, and waits until the reader is near enough.
    pub(crate) fn send(&mut self, event: Event) {
        self.note(event);
        (self.held_sets, self.held_bytes) = (0, 0);
        let mut mail = self.shared.lock();
        if mail.discard || mail.closed {
            drop(mail);
            for event in self.held.drain(..) {
                if let Event::Rows(rows) | Event::Set { rows, .. } = event {
                    self.at_hand.keep(rows);
                }
            }
            return;
        }
        mail.ahead += 1;
        mail.hand_in(self.held);
        let waker = mail.waker.take();
        drop(mail);
        if let Some(waker) = waker {
            waker.wake();
        }
        let mut mail = self.shared.lock();
        while mail.ahead >= AHEAD_MAX && !mail.discard && !mail.closed {
            mail = self.shared.sleep(mail);
        }
    }

    /// Takes room for so many outcomes of statements without columns.
    pub(crate) fn expect_plain(&mut self, statements: usize) {
        self.plain.reserve(statements);
    }

    /// Notes that a statement without columns is over.
    #[inline]
    pub(crate) fn plain(&mut self, outcome: Outcome) {
        self.plain.push(outcome);
    }

    /// Takes the outcome noted last back: it ends the job.
    pub(crate) fn take_plain(&mut self) -> Option<Outcome> {
        self.plain.pop()
    }

    /// Notes the end of a result set. With rows, it is held back as long as it is small and so are the
    /// ones before it.
    pub(crate) fn set(&mut self, rows: Option<Box<RowBatch>>, outcome: Outcome) {
        match rows {
            Some(rows) if rows.columns().is_empty() => {
                self.keep(rows);
                self.plain(outcome);
            }
            Some(rows) => {
                self.held_sets += 1;
                self.held_bytes += rows.byte_len();
                if self.held_sets >= HELD_MAX || self.held_bytes >= HELD_BYTES {
                    self.send(Event::Set { rows, outcome, ends: true });
                } else {
                    self.note(Event::Set { rows, outcome, ends: false });
                }
            }
            None => self.plain(outcome),
        }
    }
}

impl Drop for Outbox<'_> {
    fn drop(&mut self) {
        self.flush();
        self.shared.lock().spare.take_in(&mut self.at_hand);
    }
}

/// Tells the owner that the thread is gone, however it went.
struct Gone<'a>(&'a Shared);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let mut mail = self.0.lock();
        mail.gone = true;
        // What has ended well or badly is still the owner's to take.
        let left = (mail.work.take(), mail.closing.take());
        let waker = mail.waker.take();
        drop(mail);
        drop(left);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The thread.
fn work(shared: &Shared, opening: Option<Opening>) {
    let _gone = Gone(shared);
    let mut held = VecDeque::new();
    if let Some(opening) = opening {
        let opened = opening.open(&|| shared.lock().closed);
        let (engine, ended) = match opened {
            Ok(engine) => (Some(Box::new(engine)), Ok((None, Outcome::default()))),
            Err(error) => (None, Err(error)),
        };
        if !post(shared, &mut held, engine, ended) {
            return;
        }
    }
    loop {
        let mut mail = shared.lock();
        let (mut engine, job) = loop {
            if mail.closed {
                let engine = mail.closing.take();
                drop(mail);
                if let Some(engine) = engine {
                    engine.handle.close();
                }
                return;
            }
            if let Some(work) = mail.work.take() {
                break work;
            }
            mail = shared.sleep(mail);
        };
        drop(mail);
        let ended = {
            let mut out = Outbox::new(shared, &mut held);
            job.run(&mut engine, &mut out)
        };
        if !post(shared, &mut held, Some(engine), ended) {
            return;
        }
    }
}

/// Sends the end of a job and the engine; `false` if the thread should end.
fn post(
    shared: &Shared,
    held: &mut VecDeque<Event>,
    engine: Option<Box<Engine>>,
    ended: Ended,
) -> bool {
    let mut mail = shared.lock();
    if mail.closed {
        drop(mail);
        if let Some(engine) = engine {
            engine.handle.close();
        }
        return false;
    }
    if mail.discard {
        held.clear();
    }
    let alive = engine.is_some();
    mail.hand_in(held);
    mail.ended = Some((engine, ended));
    let waker = mail.waker.take();
    drop(mail);
    if let Some(waker) = waker {
        waker.wake();
    }
    alive
}

#[cfg(test)]
mod tests;
