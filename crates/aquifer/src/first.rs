//! The light way of a read of one row, through a pool or on a connection in hand.
//!
//! It does what [`Rows`] would do for a call that ends with its first answer, as nearly all reads of one row
//! do, without making any: over a network that is half of what such a call takes beyond its driver. A call
//! that turns out not to be plain goes on as rows, and one that is dropped ends as they would.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquifer_driver::{Command, Error, FromRow, Mapping, Params, Result, Step, Want};
use aquifer_pool::Acquire;
use tokio::task::coop;
use tokio::time::Instant;

use crate::db::Db;
use crate::deadline::During;
use crate::errors;
use crate::link::{DriverConn, no_rows};
use crate::manage::Manager;
use crate::observe::Call;
use crate::rows::{Owner, Rows, Watch, closed};
use crate::session::Session;
use crate::source::Intent;
use crate::text::Text;

/// What has been done of a call before its rows are awaited.
pub(crate) enum Begun {
    /// Nothing but to work its text out.
    Not(Arc<Text>),
    /// Its rows are open, with this answer.
    Answered(Result<()>),
}

/// How far a call comes on the light way.
enum Reached {
    /// The driver has answered, or the time is up.
    Answer(Result<Step>),
    /// Nothing has been done, and the call is none for this way.
    Not(Result<Arc<Text>>),
    /// It has no connection, and gets none.
    Refused(Error),
}

/// Why a call has no connection at once.
enum Without {
    /// It has to wait for one.
    Queue,
    /// It is none for this way.
    Not(Result<Arc<Text>>),
}

/// What is said of a row that is missing: `Ok(None)`, or an error.
pub(crate) trait Shape<T>: Copy {
    /// What the caller gets.
    type Output;

    /// The row as the caller gets it; `None` if it must not be missing.
    fn shape(self, first: Option<T>) -> Option<Self::Output>;

    /// A row that was read, or could not be, as the caller gets it.
    fn found(self, row: Result<T>) -> Result<Self::Output>;
}

/// A row must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct One;

/// A row may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Optional;

impl<T> Shape<T> for One {
    type Output = T;

    #[inline]
    fn shape(self, first: Option<T>) -> Option<T> {
        first
    }

    #[inline]
    fn found(self, row: Result<T>) -> Result<T> {
        row
    }
}

impl<T> Shape<T> for Optional {
    type Output = Option<T>;

    #[inline]
    fn shape(self, first: Option<T>) -> Option<Option<T>> {
        Some(first)
    }

    #[inline]
    fn found(self, row: Result<T>) -> Result<Option<T>> {
        row.map(Some)
    }
}

impl Rows<'_> {
    /// The first row, in the shape that the caller wants.
    pub(crate) async fn shaped<T, S>(&mut self, shape: S) -> Result<S::Output>
    where
        T: for<'r> FromRow<'r>,
        S: Shape<T>,
    {
        let first = self.first::<T>().await?;
        shape.shape(first).ok_or_else(|| self.name(no_rows()))
    }
}

/// Runs a query for its first row.
///
/// The arguments are lent mutably, though nobody changes them: so their futures are `Send` where they are.
// Whoever waits has this future: rows, which few calls need, are boxed, and it keeps its arguments once, an async function twice.
#[inline]
pub(crate) fn through_pool<'c, T, P, S>(
    db: &'c Db,
    sql: &'c str,
    mut params: P,
    shape: S,
) -> impl Future<Output = Result<S::Output>>
where
    T: for<'r> FromRow<'r>,
    P: Params,
    S: Shape<T>,
{
    let mut call = ThroughPool { db, sql, text: None, acquire: None, lease: None, deadline: None };
    async move {
        let reached = poll_fn(|cx| call.poll(&mut params, cx)).await;
        if let Reached::Answer(Ok(Step::End(_))) = reached
            && let Some(first) = call.end::<T>()
        {
            return shape.shape(first).ok_or_else(|| call.db.named(no_rows()));
        }
        Box::pin(async move {
            let mut held = None;
            let begun = match reached {
                Reached::Not(text) => Begun::Not(text?),
                Reached::Answer(step) => {
                    let rows = held.insert(call.rows().ok_or_else(closed)?);
                    Begun::Answered(rows.answered(step))
                }
                Reached::Refused(error) => return Err(error),
            };
            let rows = call.db.open_text(begun, params, Want::First, &mut held).await?;
            rows.shaped(shape).await
        })
        .await
    }
}

/// As [`through_pool`], on a connection in hand.
#[inline]
pub(crate) fn in_hand<'c, T, P, S>(
    session: &'c mut Session,
    sql: &'c str,
    mut params: P,
    shape: S,
) -> impl Future<Output = Result<S::Output>>
where
    T: for<'r> FromRow<'r>,
    P: Params,
    S: Shape<T>,
{
    let mut call = InHand { session: Some(session), sql, run: None };
    async move {
        let reached = poll_fn(|cx| call.poll(&mut params, cx)).await;
        if let Reached::Answer(Ok(Step::End(_))) = reached
            && let Some(first) = call.end::<T>()
        {
            return shape.shape(first).ok_or_else(|| call.named(no_rows()));
        }
        Box::pin(async move {
            match reached {
                Reached::Answer(step) => {
                    let mut rows = call.rows().ok_or_else(closed)?;
                    if let Err(error) = rows.answered(step) {
                        return Err(rows.give_up(error));
                    }
                    rows.shaped(shape).await
                }
                Reached::Not(text) => {
                    let text = text?;
                    let session = call.session.take().ok_or_else(closed)?;
                    let held = &mut None;
                    session.open(text, params, Want::First, held).await?.shaped(shape).await
                }
                Reached::Refused(error) => Err(error),
            }
        })
        .await
    }
}

/// A call through a pool. It has its text from when it waits for a connection, or has one, until it is over.
struct ThroughPool<'d, 's> {
    db: &'d Db,
    sql: &'s str,
    text: Option<Arc<Text>>,
    /// While it waits for its connection.
    acquire: Option<Acquire<'d, Manager>>,
    lease: Option<aquifer_pool::Lease<'d, Manager>>,
    /// Where it waited for its connection. Else it had that at once, and begins then.
    deadline: Option<Instant>,
}

impl<'d> ThroughPool<'d, '_> {
    /// Takes a connection that is idle, or waits for one, and goes on until there is an answer, or none will come.
    #[inline]
    fn poll(&mut self, params: &mut dyn Params, cx: &mut Context<'_>) -> Poll<Reached> {
        if self.lease.is_some() {
            return self.poll_answer(cx);
        }
        if self.acquire.is_none() {
            match self.take(&*params, cx) {
                Ok(()) => return self.start(params, cx),
                Err(Without::Not(text)) => return Poll::Ready(Reached::Not(text)),
                Err(Without::Queue) => {}
            }
        }
        self.poll_queue(params, cx)
    }

    /// Takes a connection that is idle.
    #[inline]
    fn take(
        &mut self,
        params: &dyn Params,
        cx: &mut Context<'_>,
    ) -> std::result::Result<(), Without> {
        let db = self.db;
        // A task that is always served at once must let others run, too.
        let Poll::Ready(budget) = coop::poll_proceed(cx) else { return Err(Without::Queue) };
        if db.own_timeout().is_some_and(|timeout| timeout.is_zero()) {
            return Err(Without::Queue);
        }
        let source = &db.shared().source;
        // Where every connection can do everything, the text is asked of the connection, which needs no
        // lock for it.
        let text = if source.splits() { Some(self.known()?) } else { None };
        let access = text.as_ref().map(|text| text.access());
        let access = db.own_access().or(access).unwrap_or_default();
        let pool = source.route(Intent { access });
        if pool.is_crowded() {
            return Err(Without::Queue);
        }
        let Some(mut lease) = pool.try_acquire(&db.request(None)) else {
            return Err(Without::Queue);
        };
        let text = match text.or_else(|| lease.take_text(self.sql)) {
            Some(text) => text,
            None => self.known()?,
        };
        if !is_plain(&text, params.count()) {
            return Err(Without::Not(Ok(text)));
        }
        budget.made_progress();
        (self.text, self.lease) = (Some(text), Some(lease));
        Ok(())
    }

    fn known(&self) -> std::result::Result<Arc<Text>, Without> {
        self.db.text(self.sql).map_err(|error| Without::Not(Err(error)))
    }

    /// Waits for a connection, and goes on with it.
    #[inline(never)]
    fn poll_queue(&mut self, params: &mut dyn Params, cx: &mut Context<'_>) -> Poll<Reached> {
        let acquire = match &mut self.acquire {
            Some(acquire) => acquire,
            None => match self.join(params.count()) {
                Ok(acquire) => self.acquire.insert(acquire),
                Err(text) => return Poll::Ready(Reached::Not(text)),
            },
        };
        let acquired = ready!(Pin::new(acquire).poll(cx));
        self.acquire = None;
        match acquired {
            Ok(lease) => {
                if let Some(text) = &self.text {
                    self.db.texts().lent(text);
                }
                self.lease = Some(lease);
                self.start(params, cx)
            }
            Err(error) => {
                let waited = errors::waited(&error);
                Poll::Ready(Reached::Refused(self.refuse(waited, errors::acquire(error))))
            }
        }
    }

    /// Makes ready to wait for a connection. An error says how the call goes on without.
    fn join(
        &mut self,
        arguments: usize,
    ) -> std::result::Result<Acquire<'d, Manager>, Result<Arc<Text>>> {
        let db = self.db;
        let text = db.text(self.sql).map_err(Err)?;
        if !is_plain(&text, arguments) {
            return Err(Ok(text));
        }
        let access = db.own_access().unwrap_or_else(|| text.access());
        self.text = Some(text);
        self.deadline = db.deadline();
        Ok(db.pool(access).acquire(&db.request(self.deadline)))
    }

    #[inline]
    fn start(&mut self, params: &mut dyn Params, cx: &mut Context<'_>) -> Poll<Reached> {
        let (Some(text), Some(lease)) = (&self.text, &mut self.lease) else {
            return Poll::Ready(Reached::Refused(closed()));
        };
        let command = Command::Execute { sql: text.sql(), params, want: Want::First };
        match lease.start(command) {
            Ok(()) => self.poll_answer(cx),
            Err(error) => Poll::Ready(Reached::Answer(Err(error))),
        }
    }

    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Reached> {
        let Some(lease) = &mut self.lease else {
            return Poll::Ready(Reached::Refused(closed()));
        };
        if let Poll::Ready(step) = lease.poll_step(cx) {
            return Poll::Ready(Reached::Answer(step));
        }
        if self.db.own_timeout().is_none() {
            return Poll::Pending;
        }
        self.poll_deadline(cx)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Reached> {
        let (Some(deadline), Some(text)) = (self.ends_at(), &self.text) else {
            return Poll::Pending;
        };
        let Some(lease) = &mut self.lease else { return Poll::Pending };
        ready!(lease.poll_alarm(deadline, cx));
        Poll::Ready(Reached::Answer(Err(passed(text))))
    }

    fn ends_at(&self) -> Option<Instant> {
        let timeout = self.db.own_timeout()?;
        self.deadline.or_else(|| self.lease.as_ref()?.acquired_at().checked_add(timeout))
    }

    /// The call is over in good order, with this row. `None` leaves it as it was, for rows to say why.
    #[inline]
    fn end<T>(&mut self) -> Option<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let first = first::<T>(self.lease.as_ref()?, self.db.mapping()).ok()?;
        let (mut lease, text) = (self.lease.take()?, self.text.take()?);
        lease.keep_text(self.sql, text);
        let rows = u64::from(first.is_some());
        let (waited, mut elapsed) = (lease.waited(), Duration::ZERO);
        lease.release_with(|link, held| {
            elapsed = held;
            self.db.book().count(link.tally(), held, rows);
        });
        self.db.tell_first(self.sql, waited, elapsed, rows);
        Some(first)
    }

    /// The call as rows, if it has begun.
    #[cold]
    fn rows(&mut self) -> Option<Rows<'static>> {
        let deadline = self.ends_at();
        let mut lease = self.lease.take()?;
        let text = self.text.take()?;
        lease.keep_text(self.sql, Arc::clone(&text));
        let mut watch = Watch::new(self.db, text);
        watch.waited = lease.waited();
        watch.started = Some(lease.acquired_at());
        let owner = Owner::Lease(lease.into_owned());
        Some(Rows::new(owner, self.db.mapping(), deadline, watch))
    }

    /// The call is over before it had a connection.
    #[cold]
    fn refuse(&mut self, waited: Duration, error: Error) -> Error {
        let Some(text) = self.text.take() else { return error };
        let mut watch = Watch::new(self.db, text);
        watch.waited = waited;
        watch.refuse(error)
    }

    /// Within a call whose future is dropped.
    #[cold]
    fn dropped(&mut self) {
        self.acquire = None;
        match self.lease {
            Some(_) => drop(self.rows()),
            None => drop(self.text.take().map(|text| Watch::new(self.db, text))),
        }
    }
}

impl Drop for ThroughPool<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self.text.is_some() {
            self.dropped();
        }
    }
}

/// A call on a connection in hand.
struct InHand<'c, 's> {
    session: Option<&'c mut Session>,
    sql: &'s str,
    /// While it is under way.
    run: Option<Run>,
}

struct Run {
    text: Arc<Text>,
    started: Instant,
}

impl<'c> InHand<'c, '_> {
    #[inline]
    fn poll(&mut self, params: &mut dyn Params, cx: &mut Context<'_>) -> Poll<Reached> {
        let Some(session) = &mut self.session else {
            return Poll::Ready(Reached::Refused(closed()));
        };
        if self.run.is_none() {
            // Nobody else keeps a loop over one connection from holding up all other tasks.
            let budget = ready!(coop::poll_proceed(cx));
            let text = match session.link().take_text(self.sql) {
                Some(text) => text,
                None => match session.db().text(self.sql) {
                    Ok(text) => text,
                    Err(error) => return Poll::Ready(Reached::Not(Err(error))),
                },
            };
            budget.made_progress();
            if !session.takes_at_once(&text, params.count()) {
                session.link().keep_text(self.sql, Arc::clone(&text));
                return Poll::Ready(Reached::Not(Ok(text)));
            }
            let run = self.run.insert(Run { text, started: Instant::now() });
            let command = Command::Execute { sql: run.text.sql(), params, want: Want::First };
            if let Err(error) = session.link().start(command) {
                return Poll::Ready(Reached::Answer(Err(error)));
            }
        }
        if let Poll::Ready(step) = session.link().poll_step(cx) {
            return Poll::Ready(Reached::Answer(step));
        }
        if !session.has_deadline() {
            return Poll::Pending;
        }
        self.poll_deadline(cx)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Reached> {
        let (Some(session), Some(run)) = (&mut self.session, &self.run) else {
            return Poll::Pending;
        };
        let Some(deadline) = session.deadline_of(run.started) else { return Poll::Pending };
        ready!(session.link().poll_alarm(deadline, cx));
        Poll::Ready(Reached::Answer(Err(passed(&run.text))))
    }

    /// As [`ThroughPool::end`].
    #[inline]
    fn end<T>(&mut self) -> Option<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let session = self.session.as_mut()?;
        if !session.is_ready() {
            return None;
        }
        let first = first::<T>(session.link_ref(), session.db().mapping()).ok()?;
        let run = self.run.take()?;
        session.link().keep_text(self.sql, run.text);
        session.count_first(self.sql, run.started.elapsed(), u64::from(first.is_some()));
        Some(first)
    }

    /// As [`ThroughPool::rows`].
    #[cold]
    fn rows(&mut self) -> Option<Rows<'c>> {
        let session = self.session.take()?;
        let Run { text, started } = self.run.take()?;
        session.link().keep_text(self.sql, Arc::clone(&text));
        let (deadline, mapping) = (session.deadline_of(started), session.db().mapping());
        let mut watch = Watch::new(session.db(), text);
        watch.started = Some(started);
        Some(Rows::new(Owner::Session(session), mapping, deadline, watch))
    }

    #[cold]
    fn named(&self, error: Error) -> Error {
        match &self.session {
            Some(session) => session.db().named(error),
            None => error,
        }
    }
}

impl Drop for InHand<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self.run.is_some() {
            drop(self.rows());
        }
    }
}

impl Db {
    fn text(&self, sql: &str) -> Result<Arc<Text>> {
        self.texts().get(sql).map_err(|error| self.refused(sql, error))
    }

    /// Tells whoever wants to know, after the call was counted with its connection.
    #[inline]
    pub(crate) fn tell_first(&self, sql: &str, waited: Duration, elapsed: Duration, rows: u64) {
        if self.own_label().is_some() || self.book().is_watched() {
            self.tell_of_first(sql, waited, elapsed, rows);
        }
    }

    #[inline(never)]
    fn tell_of_first(&self, sql: &str, waited: Duration, elapsed: Duration, rows: u64) {
        let label = self.own_label();
        let call = Call {
            label: label.map(|label| &*label.name),
            sql,
            waited,
            first_row: elapsed,
            elapsed,
            rows,
            error: None,
            text: None,
        };
        self.book().record_counted(label, &call);
    }
}

/// True for what this way is for, on a connection of the pool's.
#[inline]
fn is_plain(text: &Text, arguments: usize) -> bool {
    // What leaves a transaction open is refused by rows.
    !text.is_script() && !text.controls() && text.check(arguments).is_ok()
}

#[cold]
fn passed(text: &Text) -> Error {
    During::Statement { reads: text.only_reads() }.passed()
}

/// The first row of the batch.
#[inline]
fn first<T>(link: &DriverConn, mapping: Mapping) -> Result<Option<T>>
where
    T: for<'r> FromRow<'r>,
{
    let Some(row) = link.batch().row(0) else { return Ok(None) };
    row.columns().plan::<T>(mapping)?.read(row).map(Some)
}
