//! [`Batch`]: many statements in one flight, each with its own result.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Error, ErrorKind, FromRow, Mapping, Outcome, Params, Result, RowBatch, Step,
    Want,
};
use tokio::time::Instant;

use crate::db::Db;
use crate::deadline::before;
use crate::done::Done;
use crate::link::{Link, no_rows};
use crate::observe::{Call, went_away};
use crate::target::{Place, Target};
use crate::text::Text;

/// Statements collected to be sent together.
///
/// On a `Db` each statement commits by itself, and the ones after a failed one still run; begin a
/// transaction and batch on that for all or nothing. Rows are kept in memory until they are taken.
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
    /// What became of each statement before sending.
    pushed: Vec<Pushed>,
    /// The text that was looked up last: batches repeat themselves.
    last: Option<(Box<str>, Arc<Text>)>,
    access: Access,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("statements", &self.pushed.len()).finish_non_exhaustive()
    }
}

/// A statement before sending: its text, if it will be sent.
type Pushed = std::result::Result<Arc<Text>, Error>;

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
    /// Its rows, in order; empty for statements that give none.
    rows: Vec<RowBatch>,
}

impl<'e> Batch<'e> {
    pub(crate) fn new(target: Target<'e>) -> Self {
        Self {
            id: RandomState::new().build_hasher().finish(),
            target,
            statements: aquifer_driver::Batch::new(),
            pushed: Vec::new(),
            last: None,
            access: Access::ReadOnly,
        }
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.pushed.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.pushed.is_empty()
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
        let index = self.pushed.len();
        let pushed = self.try_push(sql, params, want);
        self.pushed.push(pushed);
        Ticket { batch: self.id, index, read, result: PhantomData }
    }

    fn try_push(&mut self, sql: &str, params: impl Params, want: Want) -> Pushed {
        if params.has_lists() {
            let (text, buf) = self.target.handle().texts().expand(sql, &params)?;
            return self.add(text, &buf, want);
        }
        let text = match &self.last {
            Some((source, text)) if **source == *sql => Arc::clone(text),
            _ => {
                let text = self.target.handle().texts().get(sql)?;
                self.last = Some((sql.into(), Arc::clone(&text)));
                text
            }
        };
        text.check(params.count())?;
        self.add(text, &params, want)
    }

    fn add(&mut self, text: Arc<Text>, params: &dyn Params, want: Want) -> Pushed {
        if text.is_script() {
            return Err(Error::new(
                ErrorKind::Arguments,
                "a batch takes one statement at a time, this text has several",
            ));
        }
        if text.access() == Access::ReadWrite {
            self.access = Access::ReadWrite;
        }
        self.statements.push(text.shared_sql(), params, want)?;
        Ok(text)
    }

    /// Sends all statements, in as few flights as the driver can, and waits for all results.
    ///
    /// # Errors
    ///
    /// No connection in time, a lost connection, or the deadline. A statement's own error is its
    /// ticket's.
    pub async fn send(self) -> Result<BatchDone> {
        let Self { id, target, statements, pushed, access, .. } = self;
        let handle = target.handle().clone();
        let mut flight = Flight {
            db: &handle,
            pushed: &pushed,
            waited: Duration::ZERO,
            started: None,
            recorded: false,
        };
        let sent = if statements.is_empty() {
            Ok(Vec::new())
        } else {
            send(target, statements, access, &mut flight).await
        };
        flight.record(sent.as_deref());
        drop(flight);
        let mut results = sent.map_err(|error| handle.named(error))?;
        results.reverse();
        let results = pushed
            .into_iter()
            .map(|pushed| match pushed {
                Ok(_) => results.pop().unwrap_or_else(|| Err(missing())),
                Err(error) => Err(error),
            })
            .map(Some)
            .collect();
        Ok(BatchDone { id, results, db: handle })
    }
}

async fn send(
    target: Target<'_>,
    statements: aquifer_driver::Batch,
    access: Access,
    flight: &mut Flight<'_>,
) -> Result<Vec<Result<Ready>>> {
    match target.0 {
        Place::Db(db) => {
            let deadline = db.deadline();
            let mut lease = db.lease_for(access, deadline).await?;
            flight.waited = lease.waited();
            flight.started = Some(lease.acquired_at());
            let sent = run(&mut lease, statements, deadline).await;
            for (index, text) in flight.pushed.iter().flatten().enumerate() {
                let error = match &sent {
                    Ok(results) => results.get(index).and_then(|result| result.as_ref().err()),
                    Err(error) => Some(error),
                };
                if error.is_some_and(|error| error.kind() == ErrorKind::ReadOnly) {
                    // It looked like a read: the next batch with it goes to the writer.
                    text.is_a_write();
                }
            }
            sent
        }
        Place::Session(session) => {
            let deadline = session.deadline();
            flight.started = Some(Instant::now());
            session.ready(deadline).await?;
            let sent = run(session.link(), statements, deadline).await;
            match &sent {
                Ok(results) => {
                    if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
                        session.note(error);
                    }
                }
                Err(error) => session.note(error),
            }
            session.settle();
            sent
        }
    }
}

/// Records each statement of a batch as a call, once; also if the batch's future is dropped.
struct Flight<'a> {
    db: &'a Db,
    pushed: &'a [Pushed],
    waited: Duration,
    started: Option<Instant>,
    recorded: bool,
}

impl Flight<'_> {
    fn record(&mut self, sent: std::result::Result<&[Result<Ready>], &Error>) {
        self.recorded = true;
        let elapsed = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        let mut results = sent.ok().into_iter().flatten();
        let label = self.db.label_entry();
        for text in self.pushed.iter().flatten() {
            let (rows, error) = match (sent, results.next()) {
                (Err(error), _) => (0, Some(error)),
                (Ok(_), Some(Ok(ready))) => (ready.len() as u64, None),
                (Ok(_), Some(Err(error))) => (0, Some(error)),
                (Ok(_), None) => (0, None),
            };
            let call = Call {
                label: label.as_ref().map(|label| &*label.name),
                sql: text.source(),
                waited: self.waited,
                first_row: elapsed,
                elapsed,
                rows,
                error,
            };
            self.db.book().record(label.as_deref(), &call);
        }
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
    link: &mut Link,
    statements: aquifer_driver::Batch,
    deadline: Option<Instant>,
) -> Result<Vec<Result<Ready>>> {
    let count = statements.len();
    let mut results = Vec::with_capacity(count);
    link.start(Command::Batch(statements))?;
    before(deadline, async {
        let mut current = Ready::default();
        loop {
            let step = link.step().await?;
            if !matches!(step, Step::Failed(_)) && !link.batch().is_empty() {
                current.rows.push(link.take_batch());
            }
            match step {
                Step::Rows => {}
                Step::EndOfSet(outcome) => {
                    current.outcome = outcome;
                    results.push(Ok(std::mem::take(&mut current)));
                }
                Step::Failed(error) => {
                    current = Ready::default();
                    results.push(Err(error));
                }
                Step::End(outcome) => {
                    if results.len() < count {
                        current.outcome = outcome;
                        results.push(Ok(current));
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
    })
    .await?;
    Ok(results)
}

#[cold]
fn missing() -> Error {
    Error::new(ErrorKind::Protocol, "the driver gave fewer results than the batch has statements")
}

impl Ready {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.iter().map(RowBatch::len).sum()
    }

    /// The first row.
    pub(crate) fn first<T>(&self, mapping: Mapping) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        match self.rows.first().and_then(|batch| batch.row(0)) {
            Some(row) => row.columns().plan::<T>(mapping)?.read(row).map(Some),
            None => Ok(None),
        }
    }

    fn all<T>(&self, mapping: Mapping) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(first) = self.rows.first() else { return Ok(Vec::new()) };
        let plan = first.columns().plan::<T>(mapping)?;
        self.rows.iter().flat_map(RowBatch::rows).map(|row| plan.read(row)).collect()
    }
}

/// The results of a batch, each to be taken once.
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
            None => Err(Error::new(ErrorKind::Arguments, "the ticket belongs to another batch")),
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
