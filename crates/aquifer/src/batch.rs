//! [`Batch`]: many statements in one flight, each with its own result.

use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Error, ErrorKind, FromRow, Mapping, Outcome, Params, Result, Retry, RowBatch,
    Step, Want,
};
use tokio::time::Instant;

use crate::atomic;
use crate::db::{Db, retriable};
use crate::deadline::{During, before};
use crate::done::Done;
use crate::link::{DriverConn, no_rows};
use crate::observe::{Call, Counts, went_away};
use crate::rows::left_open;
use crate::session::{Scoped, Session, controls};
use crate::target::{Place, Target};
use crate::text::Text;

/// Statements collected to be sent together.
///
/// On a `Db` each statement commits by itself, and the ones after a failed one still run; in a
/// transaction nothing runs after the first that failed. [All or
/// nothing](crate#what-is-all-or-nothing) is a batch that is [`atomic`](Self::atomic), or one on a
/// transaction. Rows are kept in memory until they are taken.
///
/// ```
/// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
/// let mut batch = db.batch();
/// let renamed = batch.exec("UPDATE stations SET code = ? WHERE id = ?", ("N-07", 7));
/// let count = batch.get::<i64>("SELECT count(*) FROM stations", ());
/// let mut done = batch.send().await?;
/// println!("{} of {}", done.take(renamed)?.rows_affected(), done.take(count)?);
/// # Ok(()) }
/// ```
pub struct Batch<'e> {
    /// Tells its tickets from other batches'.
    id: u64,
    target: Target<'e>,
    statements: aquifer_driver::Batch,
    pushed: Pushed,
    /// The text that was looked up last had lists, and so is good for its arguments only.
    expanded: bool,
    access: Access,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("statements", &self.pushed.count).finish_non_exhaustive()
    }
}

/// What became of each statement before sending.
#[derive(Debug, Default)]
struct Pushed {
    count: usize,
    /// The texts of those that will be sent, each with how many in a row have it: batches are mostly long
    /// runs of one text.
    texts: Vec<(Arc<Text>, usize)>,
    /// Those that will not be sent, in order.
    refused: Vec<(usize, Error)>,
}

impl Pushed {
    /// The text of each statement that will be sent.
    fn sent(&self) -> impl Iterator<Item = &Arc<Text>> + Clone {
        self.texts.iter().flat_map(|(text, count)| std::iter::repeat_n(text, *count))
    }

    fn sent_count(&self) -> u64 {
        (self.count - self.refused.len()) as u64
    }

    /// The results of all, from the results of those that were sent.
    fn results(self, sent: Vec<Result<Ready>>) -> Vec<Option<Result<Ready>>> {
        if self.refused.is_empty() && sent.len() == self.count {
            return sent.into_iter().map(Some).collect();
        }
        let (mut sent, mut refused) = (sent.into_iter(), self.refused.into_iter().peekable());
        let result = |index| match refused.next_if(|(at, _)| *at == index) {
            Some((_, error)) => Err(error),
            None => sent.next().unwrap_or_else(|| Err(missing())),
        };
        (0..self.count).map(result).map(Some).collect()
    }
}

/// Where a batched statement's result will be: give it to [`BatchDone::take`].
#[must_use = "without it the statement's result cannot be taken"]
pub struct Ticket<T> {
    batch: u64,
    index: usize,
    read: fn(&Ready, Mapping) -> Result<T>,
    result: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.index).finish()
    }
}

/// One statement's result.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    outcome: Outcome,
    /// Its rows, in order; most of what comes by the thousand has none.
    #[expect(clippy::box_collection, reason = "a result without rows is to be small")]
    rows: Option<Box<Vec<RowBatch>>>,
}

impl<'e> Batch<'e> {
    pub(crate) fn new(target: Target<'e>) -> Self {
        Self {
            id: RandomState::new().build_hasher().finish(),
            target,
            statements: aquifer_driver::Batch::new(),
            pushed: Pushed::default(),
            expanded: false,
            access: Access::ReadOnly,
        }
    }

    /// The statements will be all or nothing: if one fails, or cannot be sent, [`send`](Self::send) fails
    /// with its error, whose [`statement`](Error::statement) says which one it was; those before it are
    /// undone, and those after it do not run.
    ///
    /// PostgreSQL gets them in one flight with one Sync, and takes them for one transaction. Elsewhere, and
    /// by PostgreSQL's simple protocol, a transaction is begun and committed around them; inside a
    /// transaction it is a savepoint, and the transaction goes on after a failure. Statements that begin or
    /// end a transaction are refused; those that cannot run in one (`VACUUM`) have no place here.
    ///
    /// ```
    /// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    /// let mut batch = db.batch().atomic();
    /// let taken = batch.exec("UPDATE tanks SET litres = litres - ? WHERE id = ?", (10, 1));
    /// let given = batch.exec("UPDATE tanks SET litres = litres + ? WHERE id = ?", (10, 2));
    /// let mut done = batch.send().await?;
    /// println!("{} and {}", done.take(taken)?.rows_affected(), done.take(given)?.rows_affected());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn atomic(mut self) -> Self {
        self.statements.set_atomic();
        self
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.pushed.count
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.pushed.count == 0
    }

    /// Adds a statement whose outcome is wanted. Arguments are copied now; what is wrong with them is
    /// said when the result is taken, and the statement is not sent.
    pub fn exec(&mut self, sql: &str, params: impl Params) -> Ticket<Done> {
        self.push(sql, params, Want::Outcome, |ready, _| Ok(Done::new(ready.outcome)))
    }

    /// Adds a query whose first row is wanted.
    pub fn get<T>(&mut self, sql: &str, params: impl Params) -> Ticket<T>
    where
        T: for<'r> FromRow<'r>,
    {
        self.push(sql, params, Want::First, |ready, mapping| {
            ready.first(mapping)?.ok_or_else(no_rows)
        })
    }

    /// Adds a query whose first row, if there is one, is wanted.
    pub fn get_optional<T>(&mut self, sql: &str, params: impl Params) -> Ticket<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        self.push(sql, params, Want::First, Ready::first)
    }

    /// Adds a query all of whose rows are wanted.
    pub fn select<T>(&mut self, sql: &str, params: impl Params) -> Ticket<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        self.push(sql, params, Want::All, Ready::all)
    }

    fn push<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        want: Want,
        read: fn(&Ready, Mapping) -> Result<T>,
    ) -> Ticket<T> {
        let index = self.pushed.count;
        self.pushed.count += 1;
        if let Err(error) = self.try_push(sql, params, want) {
            self.pushed.refused.push((index, error));
        }
        Ticket { batch: self.id, index, read, result: PhantomData }
    }

    fn try_push(&mut self, sql: &str, params: impl Params, want: Want) -> Result<()> {
        if params.has_lists() {
            let (text, buf) = self.target.handle().texts().expand(sql, &params)?;
            self.add(text, &buf, want)?;
            self.expanded = true;
            return Ok(());
        }
        match self.pushed.texts.last_mut() {
            // What was checked of the text then need not be checked again.
            Some((text, count)) if !self.expanded && text.source() == sql => {
                text.check(params.count())?;
                self.statements.push(text.shared_sql(), &params, want)?;
                *count += 1;
                Ok(())
            }
            _ => {
                let text = self.target.handle().texts().get(sql)?;
                text.check(params.count())?;
                self.add(text, &params, want)?;
                self.expanded = false;
                Ok(())
            }
        }
    }

    fn add(&mut self, text: Arc<Text>, params: &dyn Params, want: Want) -> Result<()> {
        if text.is_script() {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                "a batch takes one statement at a time, this text has several",
            ));
        }
        if text.controls()
            && let Place::Session(session) = &self.target.0
            && session.in_transaction()
        {
            return Err(controls());
        }
        self.statements.push(text.shared_sql(), params, want)?;
        if text.access() == Access::ReadWrite {
            self.access = Access::ReadWrite;
        }
        match self.pushed.texts.last_mut() {
            Some((last, count)) if Arc::ptr_eq(last, &text) => *count += 1,
            _ => self.pushed.texts.push((text, 1)),
        }
        Ok(())
    }

    /// Sends all statements, in as few flights as the driver can, and waits for all results.
    ///
    /// # Errors
    ///
    /// No connection in time, a lost connection, or the deadline. A statement's own error is its
    /// ticket's; of an [`atomic`](Self::atomic) batch it is the batch's.
    pub async fn send(self) -> Result<BatchDone> {
        let Self { id, target, statements, mut pushed, access, .. } = self;
        let handle = target.handle().clone();
        let atomic = statements.is_atomic();
        if atomic {
            if !pushed.refused.is_empty() {
                let (index, error) = pushed.refused.swap_remove(0);
                let error = atomic::of_statement(index, error.with_nothing_sent(true));
                return Err(handle.named(error));
            }
            atomic::check(pushed.sent()).map_err(|error| handle.named(error))?;
        }
        let mut flight = Flight {
            db: &handle,
            pushed: &pushed,
            waited: Duration::ZERO,
            started: None,
            recorded: false,
        };
        let mut sent = if statements.is_empty() {
            Ok(Vec::new())
        } else {
            send(target, Arc::new(statements), access, &mut flight).await
        };
        let failed = match &mut sent {
            Ok(results) if atomic => atomic::failed(results),
            _ => None,
        };
        flight.record(sent.as_deref());
        drop(flight);
        let sent = sent.map_err(|error| {
            let repeatable = error.is_timeout()
                && pushed.sent().all(|text| text.only_reads())
                && error.retry() != Retry::Transaction;
            handle.named(if repeatable { error.with_retry(Retry::Safe) } else { error })
        })?;
        if let Some(index) = failed {
            let error = sent.into_iter().nth(index).and_then(Result::err).unwrap_or_else(missing);
            return Err(handle.named(atomic::of_statement(index, error)));
        }
        Ok(BatchDone { id, results: pushed.results(sent), db: handle })
    }
}

async fn send(
    target: Target<'_>,
    statements: Arc<aquifer_driver::Batch>,
    access: Access,
    flight: &mut Flight<'_>,
) -> Result<Vec<Result<Ready>>> {
    match target.0 {
        Place::Db(db) => send_on_db(db, &statements, access, flight).await,
        Place::Session(session) => {
            let deadline = session.deadline();
            flight.started = Some(Instant::now());
            session.ready_for_queued(deadline).await?;
            let apart = statements.is_atomic()
                && (session.is_within_transaction()
                    || !atomic::goes_as_it_is(session.link(), &statements));
            if apart {
                return Box::pin(atomic::on_session(session, statements, deadline)).await;
            }
            run_in_session(session, statements, deadline).await
        }
        Place::Scoped(scope, None) => {
            Box::pin(send(Target::db(&scope), statements, access, flight)).await
        }
        Place::Scoped(scope, Some(session)) => {
            let scoped = Scoped::new(session, *scope);
            Box::pin(send(Target::session(scoped.session), statements, access, flight)).await
        }
    }
}

/// Runs a batch on a connection in hand.
pub(crate) async fn run_in_session(
    session: &mut Session,
    statements: Arc<aquifer_driver::Batch>,
    deadline: Option<Instant>,
) -> Result<Vec<Result<Ready>>> {
    session.ready_for_queued(deadline).await?;
    let count = statements.len();
    let sent = match session.start(Command::Batch(statements)) {
        Ok(()) => receive(session.link(), count, deadline).await,
        Err(error) => Err(error),
    };
    let sent = match sent {
        Ok(results) => {
            if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
                session.note(error);
            }
            Ok(results)
        }
        Err(error) if error.is_timeout() => Err(session.noted(session.late(error))),
        Err(error) => Err(session.noted(error)),
    };
    session.settle();
    sent
}

/// Sends a batch on a connection of the pool's; on another one, if the first was dead before anything was
/// sent, or if it could only read and a statement that looked like a read was none.
async fn send_on_db(
    db: &Db,
    statements: &Arc<aquifer_driver::Batch>,
    access: Access,
    flight: &mut Flight<'_>,
) -> Result<Vec<Result<Ready>>> {
    let deadline = db.deadline();
    let mut access = db.access(access);
    let mut attempt = 0;
    loop {
        let mut lease = db.lease_again(access, deadline, attempt).await?;
        flight.waited += lease.waited();
        flight.started.get_or_insert(lease.acquired_at());
        let sent = if statements.is_atomic() && !atomic::goes_as_it_is(&mut lease, statements) {
            let options = db.atomic_options(access);
            Box::pin(atomic::on_lease(db, lease, statements, options, deadline)).await
        } else {
            let sent = run(&mut lease, Arc::clone(statements), deadline).await;
            let sent = sent.and_then(|results| left_open(&lease).map(|()| results));
            drop(lease);
            sent
        };
        let is_write = |error: &Error| error.kind() == ErrorKind::ReadOnly;
        let misjudged = match &sent {
            Err(error) if retriable(error, attempt) => {
                attempt += 1;
                continue;
            }
            Err(error) if is_write(error) => {
                flight.pushed.sent().for_each(|text| text.is_a_write());
                true
            }
            Ok(results) => {
                let texts = flight.pushed.sent().zip(results);
                let refused = texts.filter(|(_, result)| result.as_ref().is_err_and(is_write));
                refused.map(|(text, _)| text.is_a_write()).count() > 0
            }
            Err(_) => false,
        };
        // Where nothing may write, nothing has been done: all of it runs again, in its order.
        if misjudged && access == Access::ReadOnly && db.may_write_elsewhere() {
            access = Access::ReadWrite;
            continue;
        }
        return sent;
    }
}

/// Records each statement of a batch as a call, once; also if the batch's future is dropped.
struct Flight<'a> {
    db: &'a Db,
    pushed: &'a Pushed,
    waited: Duration,
    started: Option<Instant>,
    recorded: bool,
}

impl Flight<'_> {
    fn record(&mut self, sent: std::result::Result<&[Result<Ready>], &Error>) {
        self.recorded = true;
        let elapsed = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        let mut counts = Counts { calls: self.pushed.sent_count(), ..Counts::default() };
        match sent {
            Err(_) => counts.failures = counts.calls,
            Ok(results) => {
                for result in results {
                    match result {
                        Ok(ready) => counts.rows += ready.len() as u64,
                        Err(_) => counts.failures += 1,
                    }
                }
            }
        }
        let label = self.db.label_entry();
        let name = label.as_ref().map(|label| &*label.name);
        let texts = self.pushed.sent().enumerate();
        let calls = texts.map(|(index, text)| {
            let (rows, error) = match sent.map(|results| results.get(index)) {
                Err(error) => (0, Some(error)),
                Ok(Some(Ok(ready))) => (ready.len() as u64, None),
                Ok(Some(Err(error))) => (0, Some(error)),
                Ok(None) => (0, None),
            };
            Call {
                label: name,
                sql: text.source(),
                waited: self.waited,
                first_row: elapsed,
                elapsed,
                rows,
                error,
                text: None,
            }
        });
        self.db.book().record_all(label.as_deref(), elapsed, &counts, calls);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.record(Err(&went_away()));
        }
    }
}

/// Runs a batch to its end. The statements' own errors are among the results.
pub(crate) async fn run(
    link: &mut DriverConn,
    statements: Arc<aquifer_driver::Batch>,
    deadline: Option<Instant>,
) -> Result<Vec<Result<Ready>>> {
    let count = statements.len();
    link.start(Command::Batch(statements))?;
    receive(link, count, deadline).await
}

/// Waits for the results of a batch that was started.
pub(crate) async fn receive(
    link: &mut DriverConn,
    count: usize,
    deadline: Option<Instant>,
) -> Result<Vec<Result<Ready>>> {
    let mut results = Vec::with_capacity(count);
    let mut current = Ready::default();
    let mut outcomes = Vec::new();
    let reading = poll_fn(|cx| {
        loop {
            let step = ready!(link.poll_step(cx))?;
            if !matches!(step, Step::Failed(_)) && !link.batch().is_empty() {
                current.rows.get_or_insert_default().push(link.take_batch());
            }
            match step {
                Step::Rows => {}
                Step::EndOfSet(outcome) => {
                    current.outcome = outcome;
                    results.push(Ok(std::mem::take(&mut current)));
                    link.take_outcomes(&mut outcomes);
                    results.extend(
                        outcomes.drain(..).map(|outcome| Ok(Ready { outcome, rows: None })),
                    );
                }
                Step::Failed(error) => {
                    current = Ready::default();
                    results.push(Err(error));
                }
                Step::End(outcome) => {
                    if results.len() < count {
                        current.outcome = outcome;
                        results.push(Ok(std::mem::take(&mut current)));
                    }
                    return Poll::Ready(Ok(()));
                }
                _ => {}
            }
        }
    });
    before(deadline, During::Statement { reads: false }, reading).await?;
    Ok(results)
}

#[cold]
pub(crate) fn missing() -> Error {
    Error::new(ErrorKind::Protocol, "the driver gave fewer results than the batch has statements")
}

impl Ready {
    fn rows(&self) -> &[RowBatch] {
        self.rows.as_ref().map_or(&[], |rows| rows)
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows().iter().map(RowBatch::len).sum()
    }

    /// The first row.
    pub(crate) fn first<T>(&self, mapping: Mapping) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        match self.rows().first().and_then(|batch| batch.row(0)) {
            Some(row) => row.columns().plan::<T>(mapping)?.read(row).map(Some),
            None => Ok(None),
        }
    }

    fn all<T>(&self, mapping: Mapping) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(first) = self.rows().first() else { return Ok(Vec::new()) };
        let plan = first.columns().plan::<T>(mapping)?;
        self.rows().iter().flat_map(RowBatch::rows).map(|row| plan.read(row)).collect()
    }
}

/// The results of a batch, each to be taken once.
#[must_use = "statements may have failed: take their results, or ask `finish`"]
pub struct BatchDone {
    id: u64,
    results: Vec<Option<Result<Ready>>>,
    db: Db,
}

impl fmt::Debug for BatchDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchDone").field("results", &self.results.len()).finish_non_exhaustive()
    }
}

impl BatchDone {
    /// The result of the statement that gave this ticket.
    ///
    /// # Errors
    ///
    /// The statement's error, what was wrong with its arguments, or a row that does not convert.
    pub fn take<T>(&mut self, ticket: Ticket<T>) -> Result<T> {
        let mine = ticket.batch == self.id;
        let result = match self.results.get_mut(ticket.index).filter(|_| mine) {
            Some(result) => match result.take() {
                Some(Ok(ready)) => (ticket.read)(&ready, self.db.mapping()),
                Some(Err(error)) => Err(error),
                None => Err(missing()),
            },
            None => {
                Err(Error::new(ErrorKind::ArgumentMismatch, "the ticket belongs to another batch"))
            }
        };
        result.map_err(|error| self.db.named(error))
    }

    /// Fails with the first error among the results that were not taken.
    ///
    /// # Errors
    ///
    /// That error.
    pub fn finish(self) -> Result<()> {
        let failed = self.results.into_iter().flatten().find_map(Result::err);
        match failed {
            Some(error) => Err(self.db.named(error)),
            None => Ok(()),
        }
    }
}
