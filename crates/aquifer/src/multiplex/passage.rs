//! [`Passage`]: a call on its way through the shared connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aquifer_driver::{Access, Error, ErrorKind, FromRow, Outcome, Params, Result, RowBatch, Want};
use tokio::runtime;
use tokio::task::coop;
use tokio::time::Instant;

use super::call::Call;
use super::engine::{Caller, Mux};
use super::state::{Answer, Done, Enter, Refused, Turn, queued_too_long};
use super::{Verdict, shares};
use crate::db::Db;
use crate::deadline::During;
use crate::observe::{self, went_away};
use crate::text::Text;

/// A call that shares. Nothing is sent before it is polled; it may be dropped at any time.
pub(crate) struct Passage<'d, 's> {
    db: &'d Db,
    mux: &'d Mux,
    _here: Caller<'d>,
    /// As the user wrote it.
    sql: &'s str,
    /// Before it is queued, and once it is over.
    call: Option<Box<Call>>,
    /// Where it waits.
    at: Option<u32>,
    /// The runtime that it was made in.
    here: runtime::Id,
    started: Instant,
    reads: bool,
    /// It was given up while it was queued.
    queued: bool,
    /// Rows that were taken.
    rows: u64,
}

/// A call has to run on a connection of its own; nothing has come of it here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elsewhere {
    /// When it began: its time counts from there.
    pub(crate) since: Instant,
}

/// What happens to a call.
enum Event {
    Rows(Box<RowBatch>),
    Restart,
    Over(Done),
    Late { sent: bool },
    Elsewhere,
}

impl Passage<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(call) = self.call.take() {
            // A task that is always served at once must let others run, too.
            let budget = match coop::poll_proceed(cx) {
                Poll::Ready(budget) => budget,
                Poll::Pending => {
                    self.call = Some(call);
                    return Poll::Pending;
                }
            };
            budget.made_progress();
            let timeout = self.db.scope().timeout;
            let until = timeout.and_then(|timeout| self.started.checked_add(timeout));
            let (waker, here) = (cx.waker().clone(), self.here);
            match self.mux.enter(call, waker, here, self.started, until) {
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
                }
                Err(Refused(call)) => {
                    self.call = Some(call);
                    return Poll::Ready(Event::Elsewhere);
                }
            }
        }
        let Some(at) = self.at else { return Poll::Pending };
        Poll::Ready(match self.mux.turn(at, cx.waker()) {
            Turn::Wait | Turn::Introduce | Turn::Drive(_) | Turn::Open(_) => return Poll::Pending,
            Turn::Rows(rows) => Event::Rows(rows),
            Turn::Restart => Event::Restart,
            Turn::Late { sent } => Event::Late { sent },
            Turn::Done(done) => {
                self.at = None;
                Event::Over(done)
            }
        })
    }

    async fn event(&mut self) -> Event {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The call's end; `None` if it has to run on a connection of its own after all.
    fn judge(&mut self, done: Done) -> Result<Option<(Outcome, Option<Box<RowBatch>>)>> {
        let Done { call, part, answer, .. } = done;
        self.call = call;
        match answer {
            Answer::Elsewhere => Ok(None),
            Answer::Over(Ok(outcome)) => Ok(Some((outcome, part))),
            Answer::Over(Err(error)) if error.kind() == ErrorKind::ReadOnly && self.reads => {
                // The text looked like a read and is none; nothing was done.
                if let Some(call) = &self.call {
                    call.text.is_a_write();
                }
                self.mux.goes_elsewhere();
                Ok(None)
            }
            Answer::Over(Err(error)) => Err(self.db.texts().explain(error)),
        }
    }

    /// The error of a call whose time is up.
    #[cold]
    fn late(&self, sent: bool) -> Error {
        match sent {
            true => During::Statement { reads: self.reads }.passed(),
            false => queued_too_long(),
        }
    }

    fn record(&self, error: Option<&Error>) {
        let label = self.db.scope().label.as_deref();
        // Until its answer was read: when its task is polled is another matter.
        let ended = self.call.as_ref().and_then(|call| call.ended);
        let total = ended.unwrap_or_else(Instant::now).saturating_duration_since(self.started);
        let waited = match (&self.call, self.queued) {
            (_, true) => total,
            (Some(call), _) => call.waited,
            (None, _) => Duration::ZERO,
        };
        let elapsed = total.saturating_sub(waited);
        if error.is_none()
            && let Some(call) = self.call.as_ref().filter(|call| call.solo)
        {
            self.mux.measured(&call.text, elapsed);
        }
        let call = observe::Call {
            label: label.map(|label| &*label.name),
            sql: self.sql,
            waited,
            first_row: elapsed,
            elapsed,
            rows: self.rows,
            error,
            text: self.call.as_ref().map(|call| &call.text),
        };
        self.db.book().record(label, &call);
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        let error = self.db.named(error);
        if let Some(at) = self.at.take() {
            self.queued = self.mux.leave(at);
        }
        self.record(Some(&error));
        error
    }

    fn read<T>(&mut self, batch: &RowBatch, all: &mut Vec<T>) -> Result<()>
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
            self.rows += 1;
        }
        Ok(())
    }

    fn elsewhere<T>(&self) -> Result<std::result::Result<T, Elsewhere>> {
        Ok(Err(Elsewhere { since: self.started }))
    }

    /// The first row.
    pub(crate) async fn first<T>(mut self) -> Result<std::result::Result<Option<T>, Elsewhere>>
    where
        T: for<'r> FromRow<'r>,
    {
        let mut early = None;
        loop {
            let done = match self.event().await {
                Event::Over(done) => done,
                Event::Elsewhere => return self.elsewhere(),
                Event::Late { sent } => {
                    let error = self.late(sent);
                    return Err(self.fail(error));
                }
                // One row alone was larger than what is kept.
                Event::Rows(rows) => {
                    early = early.or(Some(rows));
                    continue;
                }
                Event::Restart => {
                    early = None;
                    continue;
                }
            };
            let part = match self.judge(done) {
                Ok(Some((_, part))) => part,
                Ok(None) => return self.elsewhere(),
                Err(error) => return Err(self.fail(error)),
            };
            let here = self.call.as_ref().map(|call| &call.rows);
            let row = match (&early, &part) {
                (None, None) => here.and_then(|rows| rows.row(0)),
                (early, part) => {
                    let batches = [early.as_deref(), part.as_deref(), here];
                    batches.into_iter().flatten().find_map(|batch| batch.row(0))
                }
            };
            let first = match row {
                Some(row) => row
                    .columns()
                    .plan::<T>(self.db.mapping())
                    .and_then(|plan| plan.read(row))
                    .map(Some),
                None => Ok(None),
            };
            return match first {
                Ok(first) => {
                    self.rows = u64::from(first.is_some());
                    self.record(None);
                    Ok(Ok(first))
                }
                Err(error) => Err(self.fail(error)),
            };
        }
    }

    /// All rows.
    pub(crate) async fn all<T>(mut self) -> Result<std::result::Result<Vec<T>, Elsewhere>>
    where
        T: for<'r> FromRow<'r>,
    {
        let mut all = Vec::new();
        let mut large = false;
        loop {
            match self.event().await {
                Event::Rows(batch) => {
                    large = true;
                    if let Err(error) = self.read(&batch, &mut all) {
                        return Err(self.fail(error));
                    }
                }
                Event::Restart => {
                    all.clear();
                    self.rows = 0;
                }
                Event::Over(done) => {
                    let part = match self.judge(done) {
                        Ok(Some((_, part))) => part,
                        Ok(None) => return self.elsewhere(),
                        Err(error) => return Err(self.fail(error)),
                    };
                    large |= part.is_some();
                    let mut read = part.map_or(Ok(()), |part| self.read(&part, &mut all));
                    if let Some(call) = self.call.take() {
                        read = read.and_then(|()| self.read(&call.rows, &mut all));
                        call.text.pace().note_large(large);
                        self.call = Some(call);
                    }
                    if let Err(error) = read {
                        return Err(self.fail(error));
                    }
                    self.record(None);
                    return Ok(Ok(all));
                }
                Event::Elsewhere => return self.elsewhere(),
                Event::Late { sent } => {
                    let error = self.late(sent);
                    return Err(self.fail(error));
                }
            }
        }
    }

    /// What it did.
    pub(crate) async fn outcome(mut self) -> Result<std::result::Result<Outcome, Elsewhere>> {
        loop {
            match self.event().await {
                Event::Rows(_) | Event::Restart => {}
                Event::Over(done) => {
                    return match self.judge(done) {
                        Ok(Some((outcome, _))) => {
                            self.record(None);
                            Ok(Ok(outcome))
                        }
                        Ok(None) => self.elsewhere(),
                        Err(error) => Err(self.fail(error)),
                    };
                }
                Event::Elsewhere => return self.elsewhere(),
                Event::Late { sent } => {
                    let error = self.late(sent);
                    return Err(self.fail(error));
                }
            }
        }
    }
}

impl Drop for Passage<'_, '_> {
    fn drop(&mut self) {
        if let Some(at) = self.at.take() {
            self.queued = self.mux.leave(at);
            let error = self.db.named(went_away());
            self.record(Some(&error));
        }
        if let Some(call) = self.call.take() {
            self.mux.keep(call);
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
        mux.alone(self.pool(Access::default()))
    }

    /// A call that shares connections with others, if this is one. What is wrong with its text or its arguments is
    /// said on the ordinary way.
    #[inline]
    pub(crate) fn sharing<'d, 's>(
        &'d self,
        sql: &'s str,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'d, 's>> {
        let mux = self.shared().mux.as_deref()?;
        self.sharing_in(mux, sql, None, params, want)
    }

    /// As [`sharing`](Self::sharing), for a statement whose rows nobody reads: only where shared sessions may write.
    #[inline]
    pub(crate) fn sharing_write<'d, 's>(
        &'d self,
        sql: &'s str,
        params: &impl Params,
    ) -> Option<Passage<'d, 's>> {
        let mux = self.mux_for(Want::Outcome)?;
        self.sharing_in(mux, sql, None, params, Want::Outcome)
    }

    /// As [`sharing`](Self::sharing), for a text that is worked out; if nobody reads its rows, as
    /// [`sharing_write`](Self::sharing_write).
    #[inline]
    pub(crate) fn sharing_text<'d, 's>(
        &'d self,
        text: &'s Arc<Text>,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'d, 's>> {
        let mux = self.mux_for(want)?;
        self.sharing_in(mux, text.source(), Some(text), params, want)
    }

    #[inline]
    fn mux_for(&self, want: Want) -> Option<&Mux> {
        let mux = self.shared().mux.as_deref()?;
        // Whose rows nobody reads is no read.
        (want != Want::Outcome || mux.takes_writes()).then_some(mux)
    }

    // Few share, and the others' calls are to stay small.
    #[inline(never)]
    fn sharing_in<'d, 's>(
        &'d self,
        mux: &'d Mux,
        sql: &'s str,
        text: Option<&Arc<Text>>,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'d, 's>> {
        let scope = self.scope();
        if params.has_lists()
            || scope.access == Some(Access::ReadWrite)
            || scope.timeout.is_some_and(|timeout| timeout.is_zero())
        {
            return None;
        }
        let known = |sql| match text {
            Some(text) => Some(Arc::clone(text)),
            None => self.texts().get(sql).ok(),
        };
        let (spare, here) = mux.spare().ok()?;
        let call = match spare {
            // Most calls are of a text that has just been called.
            Some(call) if text.is_none() && !call.made && call.text.source() == sql => call,
            Some(mut call) => {
                (call.text, call.made) = (known(sql)?, text.is_some());
                call
            }
            None => {
                let mut call = Box::new(Call::new(known(sql)?));
                call.made = text.is_some();
                call
            }
        };
        let mut passage = Passage {
            db: self,
            mux,
            _here: Caller::new(mux),
            sql,
            call: Some(call),
            at: None,
            here,
            started: Instant::now(),
            reads: true,
            queued: false,
            rows: 0,
        };
        let call = passage.call.as_mut()?;
        passage.reads = match shares(self, &call.text, passage.started) {
            Verdict::Reads => true,
            Verdict::Writes if mux.takes_writes() && scope.access.is_none() => false,
            Verdict::Writes | Verdict::Alone => return None,
        };
        if call.text.check(params.count()).is_err() || mux.goes_alone(&call.text) {
            return None;
        }
        // A session that may write does not prove that what was taken for a read is one.
        call.renew(want, mux.takes_writes());
        params.bind(&mut call.params).is_ok().then_some(passage)
    }
}
