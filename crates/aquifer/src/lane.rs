//! [`Lane`]: reads whose rows are collected, from many tasks, in one flight.
//!
//! Opt-in (`multiplex`), for engines whose sessions do not [multiplex](crate::multiplex). Whoever finds no leader leads: it lets the tasks that are ready join, takes
//! a connection, sends everything that is queued as one batch, and hands out the results. Each statement
//! is its own, with its own error; they are reads outside transactions, so what a dropped leader left
//! unanswered is simply sent again by the next one. Where the driver refuses a whole flight, each of its
//! calls is sent by itself.
//!
//! It never carries writes, or scripts; nor texts whose last result was large: those behind it would wait for that,
//! and it gains nothing.
//!
//! Everything is used again, calls with their arguments and rows, and places, so that a call costs no
//! allocation, and a flight few. The one mutex is held for moves of pointers and for copying arguments
//! into the flight's batch.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use aquifer_driver::{
    Access, Batch, Command, Error, ErrorKind, FromRow, ParamBuf, Params, Result, RowBatch, Step,
    Want,
};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::batch::missing;
use crate::db::Db;
use crate::deadline::During;
use crate::link::DriverConn;
use crate::multiplex::MultiplexStats;
use crate::observe::{self, went_away};
use crate::text::Text;

/// Statements in one flight, so that no answer waits for more than these.
const FLIGHT_MAX: usize = 128;

/// Flights that a statement may be part of before a lost connection is its error.
const FLIGHTS_PER_CALL: u32 = 3;

/// Memory that a call keeps for arguments, and for rows, until it is used again; and a flight for each call's rows.
const CALL_KEEP: usize = 1024;
const ROWS_KEEP: usize = 4 * 1024;

/// Bytes of rows, from which a hop of a result's own costs next to nothing.
const LARGE: usize = ROWS_KEEP;

/// The queue in front of the connections that only read.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where callers wait, by number; as many as ever waited at once.
    places: Vec<Place>,
    free: Vec<usize>,
    /// Places whose calls are to be sent.
    queue: VecDeque<usize>,
    /// Someone has the duty to send what is queued.
    led: bool,
    /// Calls and flights to be used again.
    #[expect(clippy::vec_box, reason = "the boxes go round")]
    calls: Vec<Box<Call>>,
    flight: Option<Box<Flight>>,
    counted: MultiplexStats,
}

/// Where one caller waits. It is free again when both the caller and the queue or the flight let go.
#[derive(Debug, Default)]
struct Place {
    stage: Stage,
    waker: Option<Waker>,
    call: Option<Box<Call>>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Free,
    Waiting,
    /// The caller is to lead the next flight.
    Leading,
    Done(Result<()>),
    /// The caller wants no answer any more.
    Gone,
}

/// A statement and what it gave.
#[derive(Debug)]
struct Call {
    text: Arc<Text>,
    params: ParamBuf,
    want: Want,
    rows: RowBatch,
    /// What does not fit one batch.
    more: Vec<RowBatch>,
    flights: u32,
    /// A flight with others was refused.
    alone: bool,
}

/// What is on the way.
#[derive(Debug, Default)]
struct Flight {
    /// The places of its calls, in order.
    places: Vec<usize>,
    /// How many of them have been told.
    told: usize,
    /// What the next ones are to be told, and their rows; there may be more buffers than answers. The first beyond them
    /// belongs to the call that is being answered.
    answers: Vec<Answer>,
    rows: Vec<RowBatch>,
    /// Further rows of that call.
    more: Vec<RowBatch>,
    wakers: Vec<Waker>,
}

#[derive(Debug)]
struct Answer {
    result: Result<()>,
    more: Vec<RowBatch>,
}

impl From<Result<()>> for Answer {
    fn from(result: Result<()>) -> Self {
        Self { result, more: Vec::new() }
    }
}

impl State {
    fn free(&mut self, at: usize) -> Option<Box<Call>> {
        let place = &mut self.places[at];
        (place.stage, place.waker) = (Stage::Free, None);
        self.free.push(at);
        place.call.take()
    }

    fn keep(&mut self, call: Option<Box<Call>>) {
        if let Some(mut call) = call
            && self.calls.len() < FLIGHT_MAX
        {
            call.params.shrink(CALL_KEEP);
            call.rows.shrink(ROWS_KEEP);
            call.more.clear();
            self.calls.push(call);
        }
    }

    /// Tells a caller; its waker, if it waits.
    fn tell(&mut self, at: usize, answer: Result<()>) -> Option<Waker> {
        let place = &mut self.places[at];
        if let Stage::Gone = place.stage {
            let call = self.free(at);
            self.keep(call);
            return None;
        }
        place.stage = Stage::Done(answer);
        place.waker.take()
    }

    /// Gives the duty to the next caller who still waits, or to nobody.
    #[must_use]
    fn pass_on(&mut self) -> Option<Waker> {
        while let Some(&at) = self.queue.front() {
            let place = &mut self.places[at];
            if let Stage::Gone = place.stage {
                self.queue.pop_front();
                let call = self.free(at);
                self.keep(call);
                continue;
            }
            place.stage = Stage::Leading;
            return place.waker.take();
        }
        self.led = false;
        None
    }

    /// Takes what is queued into a flight.
    fn board(&mut self, flight: &mut Flight) -> Result<Batch> {
        let mut batch = Batch::new();
        batch.reserve(self.queue.len().min(FLIGHT_MAX));
        while flight.places.len() < FLIGHT_MAX
            && let Some(&at) = self.queue.front()
        {
            let place = &mut self.places[at];
            let gone = matches!(place.stage, Stage::Gone);
            let alone = place.call.as_ref().is_some_and(|call| call.alone);
            if alone && !gone && !flight.places.is_empty() {
                break;
            }
            self.queue.pop_front();
            match &mut place.call {
                Some(call) if !gone => {
                    flight.places.push(at);
                    self.counted.resent += u64::from(call.flights > 0);
                    call.flights += 1;
                    batch.push(call.text.shared_sql(), &call.params, call.want)?;
                }
                _ => {
                    let call = self.free(at);
                    self.keep(call);
                }
            }
            if alone && !gone {
                break;
            }
        }
        if flight.rows.len() < flight.places.len() {
            flight.rows.resize_with(flight.places.len(), RowBatch::new);
        }
        self.counted.flights += u64::from(!batch.is_empty());
        Ok(batch)
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a call; its place, and whether the caller has to lead.
    fn enter(&self, call: Box<Call>, waker: Waker) -> (usize, bool) {
        let mut state = self.lock();
        let place = Place { stage: Stage::Waiting, waker: Some(waker), call: Some(call) };
        let at = match state.free.pop() {
            Some(at) => {
                state.places[at] = place;
                at
            }
            None => {
                state.places.push(place);
                state.places.len() - 1
            }
        };
        state.queue.push_back(at);
        state.counted.shared += 1;
        (at, !std::mem::replace(&mut state.led, true))
    }

    /// What has shared so far.
    pub(crate) fn stats(&self) -> MultiplexStats {
        self.lock().counted
    }

    fn poll(&self, at: usize, cx: &Context<'_>) -> Poll<Turn> {
        let mut state = self.lock();
        let place = &mut state.places[at];
        match &mut place.stage {
            Stage::Leading => {
                place.stage = Stage::Waiting;
                Poll::Ready(Turn::Lead)
            }
            Stage::Done(answer) => {
                let answer = std::mem::replace(answer, Ok(()));
                match state.free(at) {
                    Some(call) => Poll::Ready(Turn::Done(call, answer)),
                    None => Poll::Pending,
                }
            }
            Stage::Waiting | Stage::Free | Stage::Gone => {
                match &mut place.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// A caller goes without its answer; the text of its call. One who leads must not take the duty along.
    fn leave(&self, at: usize) -> Option<Arc<Text>> {
        let mut state = self.lock();
        let place = &mut state.places[at];
        let text = place.call.as_ref().map(|call| Arc::clone(&call.text));
        let waker = match std::mem::replace(&mut place.stage, Stage::Gone) {
            Stage::Leading => state.pass_on(),
            Stage::Done(_) => {
                let call = state.free(at);
                state.keep(call);
                None
            }
            Stage::Waiting | Stage::Free | Stage::Gone => None,
        };
        drop(state);
        wake(waker);
        text
    }
}

enum Turn {
    Lead,
    Done(Box<Call>, Result<()>),
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The duty to send what is queued; dropped, it goes to the next caller, with whatever of its flight is
/// unanswered.
struct Duty<'a> {
    lane: &'a Lane,
    flight: Box<Flight>,
}

impl<'a> Duty<'a> {
    fn new(lane: &'a Lane) -> Self {
        let flight = lane.lock().flight.take().unwrap_or_default();
        Self { lane, flight }
    }

    /// Sends what is queued and hands out the results. The leader's own statement is among them.
    ///
    /// # Errors
    ///
    /// No connection in time, or by `until`.
    async fn fly(mut self, db: &Db, until: Option<Instant>) -> Result<()> {
        // Everyone who is ready now gets into this flight.
        tokio::task::yield_now().await;
        let mut lease = db.lease_for(Access::ReadOnly, until).await?;
        let boarded = self.lane.lock().board(&mut self.flight);
        let read = match boarded {
            Ok(batch) if batch.is_empty() => return Ok(()),
            Ok(batch) => match lease.start(Command::Batch(Arc::new(batch))) {
                Ok(()) => poll_fn(|cx| self.poll_read(&mut lease, cx)).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        drop(lease);
        match read {
            Ok(()) => {
                let untold = self.flight.places.len() - self.flight.told;
                self.flight.answers.resize_with(untold, || Err(missing()).into());
                self.hand_out();
            }
            Err(error) => {
                self.hand_out();
                self.fail(error);
            }
        }
        Ok(())
    }

    /// Reads answers until the flight is over; those that are here are handed out before it waits.
    fn poll_read(&mut self, link: &mut DriverConn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let count = self.flight.places.len();
        loop {
            let Poll::Ready(step) = link.poll_step(cx) else {
                self.hand_out();
                return Poll::Pending;
            };
            let flight = &mut *self.flight;
            let at = flight.answers.len();
            let over = matches!(step, Ok(Step::End(_)) | Err(_));
            if flight.told + at < count {
                if !matches!(step, Ok(Step::Failed(_)) | Err(_)) && !link.batch().is_empty() {
                    // Of one row nothing more comes.
                    if flight.rows[at].is_empty() {
                        link.swap_batch(&mut flight.rows[at]);
                    } else {
                        flight.more.push(link.take_batch());
                    }
                }
                match step? {
                    Step::EndOfSet(_) | Step::End(_) => {
                        let more = std::mem::take(&mut flight.more);
                        flight.answers.push(Answer { result: Ok(()), more });
                    }
                    Step::Failed(error) => {
                        flight.more.clear();
                        flight.answers.push(Err(error).into());
                    }
                    _ => {}
                }
            } else {
                step?;
            }
            if over {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Tells the next callers what is known.
    fn hand_out(&mut self) {
        let flight = &mut *self.flight;
        if flight.answers.is_empty() {
            return;
        }
        let over = flight.answers.len();
        let mut state = self.lane.lock();
        for (answer, rows) in flight.answers.drain(..).zip(&mut flight.rows) {
            let at = flight.places[flight.told];
            flight.told += 1;
            if let Some(call) = &mut state.places[at].call {
                std::mem::swap(&mut call.rows, rows);
                call.more = answer.more;
            }
            rows.shrink(ROWS_KEEP);
            flight.wakers.extend(state.tell(at, answer.result));
        }
        drop(state);
        // What has come of the next answer stays its.
        if over < flight.rows.len() {
            flight.rows.swap(0, over);
        }
        flight.wakers.drain(..).for_each(Waker::wake);
    }

    /// The flight has failed as a whole: what is unanswered is sent again, unless that is in vain.
    #[cold]
    fn fail(&mut self, error: Error) {
        let flight = &mut *self.flight;
        let rest = flight.places.split_off(flight.told);
        let lost = error.is_connection_lost();
        let mut state = self.lane.lock();
        if !lost && let [at] = rest[..] {
            flight.wakers.extend(state.tell(at, Err(error)));
        } else {
            for at in rest {
                let mut again = true;
                if let Some(call) = &mut state.places[at].call {
                    call.alone |= !lost;
                    again = !lost || call.flights < FLIGHTS_PER_CALL;
                }
                if again {
                    flight.places.push(at);
                } else {
                    let error = Error::new(ErrorKind::ConnectionLost, error.message().to_owned());
                    flight.wakers.extend(state.tell(at, Err(error)));
                }
            }
        }
        drop(state);
        flight.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Duty<'_> {
    fn drop(&mut self) {
        let mut flight = std::mem::take(&mut self.flight);
        let mut state = self.lane.lock();
        for at in flight.places.drain(flight.told..).rev() {
            state.queue.push_front(at);
        }
        flight.places.clear();
        flight.answers.clear();
        flight.more.clear();
        flight.told = 0;
        for rows in &mut flight.rows {
            rows.shrink(ROWS_KEEP);
        }
        state.flight = Some(flight);
        let waker = state.pass_on();
        drop(state);
        wake(waker);
    }
}

/// A call on its way through the lane. Nothing is sent before it is polled; it may be dropped at any time.
pub(crate) struct Passage<'a> {
    db: &'a Db,
    lane: &'a Lane,
    /// Before it is queued.
    call: Option<Box<Call>>,
    /// Where it waits.
    at: Option<usize>,
    started: Instant,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    leading: Option<Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>>,
}

impl Passage<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Box<Call>>, Result<()>)> {
        if let Some(call) = self.call.take() {
            let (at, leads) = self.lane.enter(call, cx.waker().clone());
            self.at = Some(at);
            if leads {
                self.lead(None);
            } else if self.deadline.is_none() {
                return Poll::Pending;
            }
        }
        match self.poll_answer(cx) {
            Poll::Pending => {
                ready!(self.poll_deadline(cx));
                Poll::Ready((None, Err(During::Statement { reads: true }.passed())))
            }
            ready => ready,
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Box<Call>>, Result<()>)> {
        let Some(at) = self.at else { return Poll::Pending };
        loop {
            if let Some(leading) = &mut self.leading {
                let led = ready!(leading.as_mut().poll(cx));
                self.leading = None;
                if let Err(error) = led {
                    return Poll::Ready((None, Err(error)));
                }
            }
            match ready!(self.lane.poll(at, cx)) {
                // Each waits for a connection from when it was called, not from when it came to lead.
                Turn::Lead => {
                    let until =
                        self.started.checked_add(self.db.shared().options.pool.acquire_timeout);
                    self.lead(until.map(|until| until.max(Instant::now() + MOMENT)));
                }
                Turn::Done(call, answer) => {
                    self.at = None;
                    return Poll::Ready((Some(call), answer));
                }
            }
        }
    }

    fn lead(&mut self, until: Option<Instant>) {
        let duty = Duty::new(self.lane);
        self.leading = Some(Box::pin(duty.fly(self.db, until)));
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.timer.is_none() && Handle::try_current().is_ok() {
            self.timer = Some(Box::pin(sleep_until(deadline)));
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    fn record(&self, sql: &str, rows: u64, error: Option<&Error>) {
        let label = self.db.own_label();
        let elapsed = self.started.elapsed();
        let call = observe::Call {
            label: label.map(|label| &*label.name),
            sql,
            waited: Duration::ZERO,
            first_row: elapsed,
            elapsed,
            rows,
            error,
            text: None,
        };
        self.db.book().record(label, &call);
    }

    /// Leaves the queue, and says so to those who count.
    #[cold]
    fn leave(&mut self, error: &Error) {
        // The flight first, so that the connection is free and its calls are queued again.
        self.leading = None;
        if let Some(at) = self.at.take()
            && let Some(text) = self.lane.leave(at)
        {
            self.record(text.source(), 0, Some(error));
        }
    }
}

/// What a leader who has waited long waits for a connection at least.
const MOMENT: Duration = Duration::from_millis(1);

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.call.is_some() {
            self.lane.lock().keep(self.call.take());
        }
        if self.at.is_some() {
            self.leave(&went_away());
        }
    }
}

impl Db {
    /// A call that is to share a flight with others, if this is one. What is wrong with its text or its
    /// arguments is said on the ordinary way.
    #[inline]
    pub(crate) fn passage(
        &self,
        sql: &str,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'_>> {
        let lane = self.shared().lane.as_ref()?;
        self.passage_in(lane, sql, None, params, want)
    }

    /// As [`passage`](Self::passage), for a text that is worked out.
    #[inline]
    pub(crate) fn passage_of_text(
        &self,
        text: &Arc<Text>,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'_>> {
        let lane = self.shared().lane.as_ref()?;
        self.passage_in(lane, text.source(), Some(text), params, want)
    }

    // Few have a lane, and the others' calls are to stay small.
    #[inline(never)]
    fn passage_in<'a>(
        &'a self,
        lane: &'a Lane,
        sql: &str,
        text: Option<&Arc<Text>>,
        params: &impl Params,
        want: Want,
    ) -> Option<Passage<'a>> {
        if params.has_lists() || self.own_access() == Some(Access::ReadWrite) {
            return None;
        }
        let known = |sql| match text {
            Some(text) => Some(Arc::clone(text)),
            None => self.texts().get(sql).ok(),
        };
        let spare = lane.lock().calls.pop();
        let call = match spare {
            // Most calls are of a text that has just been called.
            Some(call) if text.is_none() && call.text.source() == sql => call,
            Some(mut call) => {
                call.text = known(sql)?;
                call
            }
            None => Box::new(Call {
                text: known(sql)?,
                params: ParamBuf::new(),
                want,
                rows: RowBatch::new(),
                more: Vec::new(),
                flights: 0,
                alone: false,
            }),
        };
        let mut passage = Passage {
            db: self,
            lane,
            call: Some(call),
            at: None,
            started: Instant::now(),
            deadline: self.deadline(),
            timer: None,
            leading: None,
        };
        let call = passage.call.as_mut()?;
        let fits = call.text.access() == Access::ReadOnly
            && !call.text.is_script()
            && call.text.check(params.count()).is_ok()
            // Only its size counts here.
            && (want == Want::First || !call.text.pace().goes_alone(u32::MAX));
        (call.want, call.flights, call.alone) = (want, 0, false);
        call.params.clear();
        (fits && params.bind(&mut call.params).is_ok()).then_some(passage)
    }
}

/// What comes of it.
impl Passage<'_> {
    /// The call with its answer. `None` if its text is no read after all.
    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Box<Call>>>> {
        let (call, answer) = ready!(self.poll(cx));
        let Some(call) = call else {
            let error = answer.map_or_else(|error| error, |()| missing());
            let error = self.db.named(error);
            self.leave(&error);
            return Poll::Ready(Err(error));
        };
        Poll::Ready(match answer {
            Err(error) if error.kind() == ErrorKind::ReadOnly && self.db.own_access().is_none() => {
                call.text.is_a_write();
                self.lane.lock().counted.elsewhere += 1;
                Ok(None)
            }
            Err(error) => {
                let error = self.db.named(error);
                self.record(call.text.source(), 0, Some(&error));
                self.call = Some(call);
                Err(error)
            }
            Ok(()) => Ok(Some(call)),
        })
    }

    /// The first row of a read. `None` if the text is no read after all.
    // Polled where it stands: a future of its own would keep it twice.
    pub(crate) fn poll_first<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Option<T>>>>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(call) = ready!(self.poll_call(cx))? else { return Poll::Ready(Ok(None)) };
        let first = match call.rows.row(0) {
            Some(row) => {
                let plan = row.columns().plan::<T>(self.db.mapping());
                plan.and_then(|plan| plan.read(row)).map(Some)
            }
            None => Ok(None),
        };
        let first = first.map_err(|error| self.db.named(error));
        self.record(call.text.source(), call.rows.len() as u64, first.as_ref().err());
        // It goes back when the passage does.
        self.call = Some(call);
        Poll::Ready(first.map(Some))
    }

    /// The rows of a read. `None` if the text is no read after all.
    pub(crate) fn poll_all<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Vec<T>>>>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(call) = ready!(self.poll_call(cx))? else { return Poll::Ready(Ok(None)) };
        call.text.pace().note_large(call.rows.byte_len() > LARGE || !call.more.is_empty());
        let batches = || std::iter::once(&call.rows).chain(&call.more);
        let rows = batches().map(RowBatch::len).sum();
        let read = || {
            let mut all = Vec::with_capacity(rows);
            for batch in batches().filter(|batch| !batch.is_empty()) {
                let plan = batch.columns().plan::<T>(self.db.mapping())?;
                for row in batch.rows() {
                    all.push(plan.read(row)?);
                }
            }
            Ok(all)
        };
        let all = read().map_err(|error| self.db.named(error));
        self.record(call.text.source(), rows as u64, all.as_ref().err());
        self.call = Some(call);
        Poll::Ready(all.map(Some))
    }
}
