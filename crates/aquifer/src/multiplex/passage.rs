//! [`Passage`]: a call on its way through the shared connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquifer_driver::{
    Access, Error, ErrorKind, FromRow, Outcome, Params, Result, Row, RowBatch, Want,
};
use tokio::runtime;
use tokio::task::coop;
use tokio::time::Instant;

use super::call::{Call, Ending};
use super::engine::{Caller, Mux, Rejected, here};
use super::state::{Enter, Turn, orphaned, queued_too_long};
use super::{Verdict, shares};
use crate::db::Db;
use crate::deadline::During;
use crate::first::Shape;
use crate::link::no_rows;
use crate::observe::{self, went_away};
use crate::text::Text;

/// A call that shares. Nothing is sent before it is polled; it may be dropped at any time.
pub(crate) struct Passage<'d, 's> {
    db: &'d Db,
    here: Caller<'d>,
    /// As the user wrote it.
    sql: &'s str,
    /// Once it is over, or refused.
    call: Option<Box<Call>>,
    /// Where it waits.
    at: Option<u32>,
    started: Instant,
    reads: bool,
    /// Rows that were taken while it was under way.
    rows: u64,
    /// The first rows of a result that is larger than what is kept.
    early: Option<Box<RowBatch>>,
}

/// A call has to run on a connection of its own; nothing has come of it here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elsewhere {
    /// When it began: its time counts from there.
    pub(crate) since: Instant,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Way {
    /// It has not begun: it does not share.
    Alone,
    /// Well.
    Over,
    /// It has to run on a connection of its own.
    Elsewhere,
    /// With an error.
    Failed(Error),
}

/// What came of a call that may share.
#[derive(Debug)]
pub(crate) enum Shared<T> {
    /// This.
    Done(T),
    /// It does not share, and has not begun.
    Not,
    /// It has to run on a connection of its own.
    Elsewhere(Elsewhere),
}

/// What happens to a call.
enum Event {
    /// It does not share.
    Alone,
    Rows(Box<RowBatch>),
    Restart,
    /// It is back.
    Over,
    /// Its connection is gone; whether it may have been run.
    Gone {
        ran: bool,
    },
    Late {
        sent: bool,
    },
    Elsewhere,
}

impl<'d> Passage<'d, '_> {
    #[inline(always)]
    fn mux(&self) -> &'d Mux {
        self.here.mux()
    }

    #[inline(never)]
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(at) = self.at else { return Poll::Pending };
        Poll::Ready(match self.mux().turn(at, cx.waker()) {
            Turn::Wait | Turn::Introduce | Turn::Drive(_) | Turn::Open(_) => return Poll::Pending,
            Turn::Rows(rows) => Event::Rows(rows),
            Turn::Restart => Event::Restart,
            Turn::Late { sent } => Event::Late { sent },
            Turn::Done(call) => {
                (self.at, self.call) = (None, Some(call));
                Event::Over
            }
            Turn::Gone { ran } => {
                self.at = None;
                Event::Gone { ran }
            }
        })
    }

    /// What became of the call.
    fn judge(&mut self, event: Event) -> Way {
        let error = match event {
            Event::Alone => return Way::Alone,
            Event::Over if self.went_well() => return Way::Over,
            Event::Late { sent: true } => During::Statement { reads: self.reads }.passed(),
            Event::Late { sent: false } => queued_too_long(),
            Event::Gone { ran: true } => orphaned(),
            Event::Over => match self.call.as_mut().map(|call| std::mem::take(&mut call.ending)) {
                Some(Ending::Failed(error))
                    if error.kind() == ErrorKind::ReadOnly && self.reads =>
                {
                    // The text looked like a read and is none; nothing was done.
                    if let Some(call) = &self.call {
                        call.text.is_a_write();
                    }
                    self.mux().goes_elsewhere();
                    return Way::Elsewhere;
                }
                Some(Ending::Failed(error)) => self.db.texts().explain(error),
                _ => return Way::Elsewhere,
            },
            _ => return Way::Elsewhere,
        };
        Way::Failed(self.fail(error, self.rows))
    }

    /// When its answer was read: when its task is polled is another matter.
    #[inline]
    fn total(&self) -> Duration {
        let ended = self.call.as_ref().and_then(|call| call.ended);
        ended.unwrap_or_else(Instant::now).saturating_duration_since(self.started)
    }

    /// It went well, with so many rows for its caller.
    #[inline]
    fn succeed(&mut self, rows: u64) {
        let total = self.total();
        let Some(call) = self.call.take() else { return };
        let waited = call.waited;
        let elapsed = if waited.is_zero() { total } else { total.saturating_sub(waited) };
        if call.tries.solo {
            self.mux().measured(&call.text, elapsed);
        }
        let book = self.db.book();
        let label = self.db.own_label();
        if label.is_none() && !book.is_watched() {
            return self.mux().keep_counted(call, |tally| book.count(tally, elapsed, rows));
        }
        // Whoever hears of it finds it counted.
        self.mux().count(|tally| book.count(tally, elapsed, rows));
        book.record_counted(label, &self.told(Some(&call), waited, elapsed, rows, None));
        self.mux().keep(call);
    }

    /// The call, for those who watch.
    fn told<'a>(
        &'a self,
        call: Option<&'a Call>,
        waited: Duration,
        elapsed: Duration,
        rows: u64,
        error: Option<&'a Error>,
    ) -> observe::Call<'a> {
        let label = self.db.own_label();
        observe::Call {
            label: label.map(|label| &*label.name),
            sql: self.sql,
            waited,
            first_row: elapsed,
            elapsed,
            rows,
            error,
            text: call.map(|call| &call.text),
        }
    }

    #[cold]
    fn fail(&mut self, error: Error, rows: u64) -> Error {
        let error = self.db.named(error);
        self.give_up(&error, rows);
        error
    }

    #[cold]
    fn give_up(&mut self, error: &Error, rows: u64) {
        let queued = self.at.take().is_some_and(|at| self.mux().leave(at));
        let (total, call) = (self.total(), self.call.as_deref());
        let waited = match queued {
            true => total,
            false => call.map_or(Duration::ZERO, |call| call.waited),
        };
        let elapsed = total.saturating_sub(waited);
        let label = self.db.own_label();
        self.db.book().record(label, &self.told(call, waited, elapsed, rows, Some(error)));
    }

    /// Goes on until the call is over, keeping no more than its first rows.
    #[cold]
    fn poll_over(&mut self, mut event: Event, cx: &mut Context<'_>) -> Poll<Way> {
        loop {
            match event {
                // One row alone was larger than what is kept.
                Event::Rows(rows) => drop(self.early.get_or_insert(rows)),
                Event::Restart => self.early = None,
                event => return Poll::Ready(self.judge(event)),
            }
            event = ready!(self.poll_turn(cx));
        }
    }

    /// What has happened to it, for those that want all rows.
    fn poll(
        &mut self,
        text: Option<&Arc<Text>>,
        params: &mut impl Params,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        let Some(at) = self.at else { return self.poll_begin(text, params, want, cx) };
        if self.is_back(at) { Poll::Ready(Event::Over) } else { self.poll_turn(cx) }
    }

    /// Takes the call back if it is over, as nearly always when it is polled again.
    #[inline(always)]
    fn is_back(&mut self, at: u32) -> bool {
        let Some(call) = self.mux().back(at) else { return false };
        (self.at, self.call) = (None, Some(call));
        true
    }

    /// Runs the call, if it shares: for its [first row](Self::first). The text is given where it is worked out. What is
    /// wrong with it or with its arguments is said on the ordinary way.
    ///
    /// The arguments are lent mutably, though nobody changes them: so a future that holds them is `Send` where they are.
    #[inline]
    pub(crate) fn poll_run(
        &mut self,
        text: Option<&Arc<Text>>,
        params: &mut impl Params,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Way> {
        let Some(at) = self.at else { return self.poll_first(text, params, want, cx) };
        if self.is_back(at) && self.went_well() {
            return Poll::Ready(Way::Over);
        }
        self.poll_again(cx)
    }

    // A function of its own, as the next one: what is done when the answer is here is little.
    #[inline(never)]
    fn poll_first(
        &mut self,
        text: Option<&Arc<Text>>,
        params: &mut impl Params,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Way> {
        let event = ready!(self.poll_begin(text, params, want, cx));
        self.poll_over(event, cx)
    }

    #[inline(never)]
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<Way> {
        let event = match self.at {
            Some(_) => ready!(self.poll_turn(cx)),
            None => Event::Over,
        };
        self.poll_over(event, cx)
    }

    #[inline]
    fn went_well(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.outcome.is_some())
    }

    /// Runs the call, if it shares, for what it does; as [`poll_run`](Self::poll_run).
    pub(crate) async fn outcome<P: Params>(
        mut self,
        text: Option<&Arc<Text>>,
        params: &mut P,
    ) -> Result<Shared<Outcome>> {
        Ok(match poll_fn(|cx| self.poll_run(text, params, Want::Outcome, cx)).await {
            Way::Over => {
                let outcome = self.call.as_ref().and_then(|call| call.outcome);
                self.succeed(0);
                Shared::Done(outcome.unwrap_or_default())
            }
            Way::Elsewhere => Shared::Elsewhere(self.elsewhere()),
            Way::Alone => Shared::Not,
            Way::Failed(error) => return Err(error),
        })
    }

    /// Where it goes on that has to run elsewhere.
    pub(crate) fn elsewhere(&self) -> Elsewhere {
        Elsewhere { since: self.started }
    }

    /// The first row of a call that went well, in the shape that the caller wants.
    #[inline]
    pub(crate) fn first<T, S>(&mut self, shape: S) -> Result<S::Output>
    where
        T: for<'r> FromRow<'r>,
        S: Shape<T>,
    {
        let Some(row) = self.first_row() else {
            self.succeed(0);
            return shape.shape(None).ok_or_else(|| self.db.named(no_rows()));
        };
        let plan = row.columns().plan::<T>(self.db.mapping());
        let read = shape.found(plan.and_then(|plan| plan.read(row)));
        // Looked at, not taken apart: it would be moved twice more.
        if read.is_ok() {
            self.succeed(1);
            return read;
        }
        self.unreadable(read)
    }

    #[cold]
    fn unreadable<T>(&mut self, read: Result<T>) -> Result<T> {
        read.map_err(|error| self.fail(error, 0))
    }

    #[inline]
    fn first_row(&self) -> Option<Row<'_>> {
        let call = self.call.as_deref()?;
        if self.early.is_none() && call.part.is_none() {
            return call.rows.row(0);
        }
        let batches = [self.early.as_deref(), call.part.as_deref(), Some(&call.rows)];
        batches.into_iter().flatten().find_map(|batch| batch.row(0))
    }

    /// Runs the call, if it shares, for all rows; as [`poll_run`](Self::poll_run).
    pub(crate) async fn all<T, P>(
        mut self,
        text: Option<&Arc<Text>>,
        params: &mut P,
    ) -> Result<Shared<Vec<T>>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
    {
        let mut all = Vec::new();
        let mut large = false;
        loop {
            let read = match poll_fn(|cx| self.poll(text, params, Want::All, cx)).await {
                Event::Rows(batch) => {
                    large = true;
                    let read = self.read(&batch, &mut all);
                    self.rows = all.len() as u64;
                    read
                }
                Event::Restart => {
                    all.clear();
                    self.rows = 0;
                    Ok(())
                }
                event => match self.judge(event) {
                    Way::Elsewhere => return Ok(Shared::Elsewhere(self.elsewhere())),
                    Way::Alone => return Ok(Shared::Not),
                    Way::Failed(error) => return Err(error),
                    Way::Over => match self.read_rest(large, &mut all) {
                        Ok(()) => {
                            self.succeed(all.len() as u64);
                            return Ok(Shared::Done(all));
                        }
                        failed => failed,
                    },
                },
            };
            if let Err(error) = read {
                return Err(self.fail(error, all.len() as u64));
            }
        }
    }

    /// The rows that are left when the call is over.
    #[inline]
    fn read_rest<T>(&mut self, large: bool, all: &mut Vec<T>) -> Result<()>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(call) = &self.call else { return Ok(()) };
        call.text.pace().note_large(large || call.part.is_some());
        if let Some(part) = &call.part {
            self.read(part, all)?;
        }
        self.read(&call.rows, all)
    }

    #[inline]
    fn read<T>(&self, batch: &RowBatch, all: &mut Vec<T>) -> Result<()>
    where
        T: for<'r> FromRow<'r>,
    {
        if batch.is_empty() {
            return Ok(());
        }
        let plan = batch.columns().plan::<T>(self.db.mapping())?;
        all.reserve(batch.len());
        for row in batch.rows() {
            all.push(plan.read(row)?);
        }
        Ok(())
    }
}

/// Its beginning.
impl Passage<'_, '_> {
    /// Begins, if the call shares.
    #[inline(always)]
    fn poll_begin(
        &mut self,
        text: Option<&Arc<Text>>,
        params: &impl Params,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        if params.has_lists() {
            return Poll::Ready(Event::Alone);
        }
        let Some(here) = here().filter(|here| self.mux().is_for(*here)) else {
            return Poll::Ready(Event::Alone);
        };
        let Some(mut call) = self.find_call(text) else { return Poll::Ready(Event::Alone) };
        if !self.fill_call(&mut call, params, want) {
            self.mux().keep(call);
            return Poll::Ready(Event::Alone);
        }
        match ready!(self.poll_enter(call, here, cx)) {
            Some(event) => Poll::Ready(event),
            None => self.poll_turn(cx),
        }
    }

    /// A call of its text, if the handle's calls share.
    #[inline(always)]
    fn find_call(&mut self, text: Option<&Arc<Text>>) -> Option<Box<Call>> {
        if self.db.own_access() == Some(Access::ReadWrite)
            || self.db.own_timeout().is_some_and(|timeout| timeout.is_zero())
        {
            return None;
        }
        match self.mux().spare() {
            // Most calls are of a text that has just been called.
            Some(call) if text.is_none() && call.is_of(self.sql) => Some(call),
            spare => self.another_text(spare, text),
        }
    }

    #[inline(never)]
    fn another_text(
        &self,
        spare: Option<Box<Call>>,
        text: Option<&Arc<Text>>,
    ) -> Option<Box<Call>> {
        let known = match text {
            Some(text) => Arc::clone(text),
            None => self.db.texts().get(self.sql).ok()?,
        };
        let mut call = match spare {
            Some(mut call) => {
                call.text = known;
                call
            }
            None => Box::new(Call::new(known)),
        };
        call.made = text.is_some();
        Some(call)
    }

    /// Puts the arguments in. False if it does not share, or something is wrong with them.
    #[inline]
    fn fill_call(&mut self, call: &mut Call, params: &impl Params, want: Want) -> bool {
        let mux = self.mux();
        self.reads = match shares(self.db, &call.text, self.started) {
            Verdict::Reads => true,
            Verdict::Writes if mux.takes_writes() && self.db.own_access().is_none() => false,
            Verdict::Writes | Verdict::Alone => return false,
        };
        if call.text.check(params.count()).is_err() || mux.goes_alone(&call.text) {
            return false;
        }
        // A session that may write does not prove that what was taken for a read is one.
        call.renew(want, mux.takes_writes());
        params.bind(&mut call.params).is_ok()
    }

    /// Queues the call. Ready if it is to go on at once.
    #[inline(always)]
    fn poll_enter(
        &mut self,
        call: Box<Call>,
        here: runtime::Id,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Event>> {
        let timeout = self.db.own_timeout();
        let until = timeout.and_then(|timeout| self.started.checked_add(timeout));
        match self.mux().enter(call, cx.waker().clone(), here, self.started, until) {
            Ok((at, enter)) => {
                self.at = Some(at);
                match enter {
                    Enter::Go => {}
                    Enter::Wait => return Poll::Pending,
                    Enter::Yield => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                // A task that is always served at once must let others run, too.
                match coop::poll_proceed(cx) {
                    Poll::Ready(budget) => budget.made_progress(),
                    Poll::Pending => return Poll::Pending,
                }
                Poll::Ready(None)
            }
            Err(Rejected::Alone(call)) => {
                self.mux().keep(call);
                Poll::Ready(Some(Event::Alone))
            }
            Err(Rejected::Elsewhere(call)) => {
                self.call = Some(call);
                Poll::Ready(Some(Event::Elsewhere))
            }
        }
    }
}

impl Drop for Passage<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self.at.is_some() {
            let error = self.db.named(went_away());
            self.give_up(&error, self.rows);
        }
        if let Some(call) = self.call.take() {
            self.mux().keep(call);
        }
    }
}

impl Db {
    /// Whether this call has nobody to share a connection with. It has one to itself then; what comes back is kept until it is
    /// over.
    #[inline]
    pub(crate) fn alone(&self, writes: bool) -> Option<Caller<'_>> {
        let mux = self.shared().mux.as_deref()?;
        if writes && !mux.takes_writes() {
            return None;
        }
        mux.alone(|| self.pool(Access::default()))
    }

    /// A call that may share connections with others.
    #[inline]
    pub(crate) fn sharing<'d, 's>(&'d self, sql: &'s str) -> Option<Passage<'d, 's>> {
        let mux = self.shared().mux.as_deref()?;
        Some(Passage {
            db: self,
            here: Caller::new(mux),
            sql,
            call: None,
            at: None,
            started: Instant::now(),
            reads: true,
            rows: 0,
            early: None,
        })
    }

    /// As [`sharing`](Self::sharing), for a statement whose rows nobody reads: only where shared sessions may write.
    #[inline]
    pub(crate) fn sharing_write<'d, 's>(&'d self, sql: &'s str) -> Option<Passage<'d, 's>> {
        let mux = self.shared().mux.as_deref()?;
        if mux.takes_writes() { self.sharing(sql) } else { None }
    }
}
