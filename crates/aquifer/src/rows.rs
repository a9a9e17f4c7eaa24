//! [`Rows`]: a lending cursor over a query's result.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquifer_driver::{
    Columns, Command, Error, ErrorKind, FromRow, Mapping, Outcome, Params, Result, Retry, Row,
    Status, Step, Want,
};
use tokio::time::Instant;

use crate::db::Db;
use crate::deadline::During;
use crate::link::DriverConn;
use crate::observe::{Book, Call, Label, went_away};
use crate::session::Session;
use crate::source::Lease;
use crate::text::Text;

/// The rows of a query, read one at a time and borrowed, so that nothing is allocated per row.
///
/// Rows from a `Db` own their connection and give it back when the last row is read, at
/// [`close`](Self::close), or on drop. Dropping them early is safe and cheap: what the engine still
/// sends is drained or cancelled in the background, under a budget.
///
/// ```
/// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
/// let mut rows = db.query("SELECT id, code, level_m FROM stations", ()).await?;
/// while let Some(row) = rows.next().await? {
///     let (id, code, level): (i64, &str, Option<f64>) = row.scan()?;
///     println!("{id} {code} {level:?}");
/// }
/// # Ok(()) }
/// ```
pub struct Rows<'c> {
    owner: Owner<'c>,
    state: State,
    /// The next row of the batch to give.
    next: usize,
    /// How many rows the batch has.
    here: usize,
    mapping: Mapping,
    deadline: Option<Instant>,
    /// Somebody has been waiting since the last answer: the time is the engine's, not the caller's.
    waiting: bool,
    watch: Watch,
    /// What is left to say about the columns once the connection is gone.
    columns: Option<Arc<Columns>>,
    keep_columns: bool,
    /// The caller of `query` has these rows: from now on, dropping them is an end like any other.
    lent: bool,
    outcome: Outcome,
}

pub(crate) enum Owner<'c> {
    Lease(Lease),
    Session(&'c mut Session),
    Gone,
}

impl Owner<'_> {
    #[inline]
    fn link(&mut self) -> Option<&mut DriverConn> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Session(session) => Some(session.link()),
            Self::Gone => None,
        }
    }

    #[inline]
    fn link_ref(&self) -> Option<&DriverConn> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Session(session) => Some(session.link_ref()),
            Self::Gone => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The engine has more to give.
    Reading,
    /// The batch holds the last rows of a set; another set follows.
    SetEnded,
    /// The other set was asked for, and has not answered yet.
    NextSet,
    /// The batch holds the last rows of all.
    Ended,
    /// All is read, failed or closed, and recorded.
    Closed,
}

/// The columns of rows that are closed.
static NO_COLUMNS: Columns = Columns::empty();

/// What the statistics will want to know about this call. It is recorded once: when the call ends, or, if
/// its future is dropped before, then.
#[derive(Debug)]
pub(crate) struct Watch {
    book: Arc<Book>,
    label: Option<Arc<Label>>,
    text: Arc<Text>,
    pub(crate) waited: Duration,
    /// When it had its connection.
    pub(crate) started: Option<Instant>,
    pub(crate) first_row: Option<Duration>,
    pub(crate) rows: u64,
    recorded: bool,
}

impl Watch {
    #[inline]
    pub(crate) fn new(db: &Db, text: Arc<Text>) -> Self {
        Self {
            book: Arc::clone(db.book()),
            label: db.label_entry(),
            text,
            waited: db.begun().map_or(Duration::ZERO, |since| since.elapsed()),
            started: None,
            first_row: None,
            rows: 0,
            recorded: false,
        }
    }

    #[inline]
    pub(crate) fn text(&self) -> &Arc<Text> {
        &self.text
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// The call is over: `elapsed` after it had its connection.
    #[inline]
    pub(crate) fn record(&mut self, elapsed: Duration, error: Option<&Error>) {
        self.recorded = true;
        self.book.record(
            self.label.as_deref(),
            &Call {
                label: self.label.as_ref().map(|label| &*label.name),
                sql: self.text.source(),
                waited: self.waited,
                first_row: self.first_row.unwrap_or(elapsed),
                elapsed,
                rows: self.rows,
                error,
                text: Some(&self.text),
            },
        );
    }

    /// The call goes on under another watch.
    #[cold]
    pub(crate) fn withdraw(&mut self) {
        self.recorded = true;
    }

    /// An error as the caller sees it.
    #[cold]
    pub(crate) fn name(&self, error: Error) -> Error {
        match &self.label {
            Some(label) => error.with_label(&label.name),
            None => error,
        }
    }

    /// The call is over before it had rows.
    #[cold]
    pub(crate) fn refuse(&mut self, error: Error) -> Error {
        let error = self.name(error);
        self.record(self.elapsed(), Some(&error));
        error
    }

    #[cold]
    fn dropped(&mut self) {
        self.refuse(went_away());
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        if !self.recorded {
            self.dropped();
        }
    }
}

impl<'c> Rows<'c> {
    #[inline]
    pub(crate) fn new(
        owner: Owner<'c>,
        mapping: Mapping,
        deadline: Option<Instant>,
        watch: Watch,
    ) -> Self {
        Self {
            owner,
            state: State::Reading,
            next: 0,
            here: 0,
            mapping,
            deadline,
            waiting: false,
            watch,
            columns: None,
            keep_columns: true,
            lent: false,
            outcome: Outcome::default(),
        }
    }

    /// Starts the statement. On an error nothing was sent; see [`give_up`](Self::give_up).
    #[inline]
    pub(crate) fn start(&mut self, params: &dyn Params, want: Want) -> Result<()> {
        let text = &self.watch.text;
        let command = if text.is_script() {
            Command::Script { sql: text.sql() }
        } else {
            Command::Execute { sql: text.sql(), params, want }
        };
        match &mut self.owner {
            Owner::Lease(lease) => lease.start(command),
            Owner::Session(session) => session.start(command),
            Owner::Gone => Err(closed()),
        }
    }

    /// The statement could not be started, or has failed before its first answer.
    #[cold]
    pub(crate) fn give_up(&mut self, error: Error) -> Error {
        self.fail(error)
    }

    /// As [`give_up`](Self::give_up), where the call goes on elsewhere; gives how long it had waited.
    #[cold]
    pub(crate) fn try_again(&mut self) -> Duration {
        self.state = State::Closed;
        self.watch.withdraw();
        self.let_go();
        self.watch.waited
    }

    /// An error as the caller sees it.
    #[cold]
    pub(crate) fn name(&self, error: Error) -> Error {
        self.watch.name(error)
    }

    /// The text, for another try.
    pub(crate) fn text(&self) -> &Arc<Text> {
        &self.watch.text
    }

    /// The rows that were opened go to the caller.
    #[inline]
    pub(crate) fn lend(held: Option<Self>) -> Result<Self> {
        let mut rows = held.ok_or_else(closed)?;
        rows.lent = true;
        Ok(rows)
    }

    /// The rows that were opened, for a call that ends with them.
    #[inline]
    pub(crate) fn opened(held: &mut Option<Self>) -> Result<&mut Self> {
        held.as_mut().ok_or_else(closed)
    }

    /// Waits for the first answer: rows, the end, or an error. An error leaves the rows as they are.
    #[inline]
    pub(crate) async fn first_answer(&mut self) -> Result<()> {
        poll_fn(|cx| self.poll_answer(cx)).await
    }

    /// The next row, or `None` at the end of the result set.
    ///
    /// The row borrows these rows: it must go before the next call. At the end of the last set the
    /// connection is given back.
    ///
    /// # Errors
    ///
    /// The engine's error, or [`ErrorKind::Timeout`] when the call's deadline passes. The rows are closed
    /// then.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "rows that are lent cannot be an iterator's")]
    pub fn next(&mut self) -> impl Future<Output = Result<Option<Row<'_>>>> {
        Next(Some(self))
    }

    /// The row that the last [`next`](Self::next) gave.
    #[inline]
    pub(crate) fn current(&self) -> Option<Row<'_>> {
        self.owner.link_ref()?.batch().row(self.next.checked_sub(1)?)
    }

    /// Moves to the next row of the batch, if there is one.
    #[inline]
    fn advance_here(&mut self) -> bool {
        let more = self.next < self.here;
        self.next += usize::from(more);
        self.watch.rows += u64::from(more);
        more
    }

    /// Moves to the next row; false at the end of the set.
    #[inline]
    pub(crate) fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.advance_here() {
                return Poll::Ready(Ok(true));
            }
            match self.state {
                State::Reading | State::NextSet => ready!(self.poll_step(cx))?,
                State::SetEnded | State::Closed => return Poll::Ready(Ok(false)),
                State::Ended => {
                    self.end();
                    return Poll::Ready(Ok(false));
                }
            }
        }
    }

    /// As [`poll_advance`](Self::poll_advance), kept out of the loops that callers write over rows.
    #[inline(never)]
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.poll_advance(cx)
    }

    /// Asks the driver for the next batch or the end; an error closes the rows.
    #[inline]
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.poll_answer(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(error))),
            polled => polled,
        }
    }

    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(link) = self.owner.link() else { return Poll::Ready(Err(closed())) };
        let Poll::Ready(step) = link.poll_step(cx) else { return self.poll_deadline(cx) };
        // What was waited for had its timer; a driver that is always ready has the clock, once a batch.
        // The first answer needs neither.
        if self.watch.first_row.is_some() && !self.waiting && self.is_too_late_for(&step) {
            return Poll::Ready(Err(self.passed()));
        }
        Poll::Ready(self.answered(step))
    }

    /// True if the answer has rows and the deadline has passed. A late end without rows is no harm: the
    /// caller has everything.
    fn is_too_late_for(&self, step: &Result<Step>) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let has_rows = match step {
            Ok(Step::Rows) => true,
            Ok(Step::EndOfSet(_) | Step::End(_)) => {
                self.owner.link_ref().is_some_and(|link| !link.batch().is_empty())
            }
            _ => false,
        };
        has_rows && Instant::now() >= deadline
    }

    /// The error of a deadline that passed though the driver kept nobody waiting.
    #[cold]
    fn passed(&self) -> Error {
        let reads = self.watch.text.only_reads();
        self.late(match self.lent && self.watch.rows > 0 {
            true => During::Caller { reads },
            false => During::Statement { reads },
        })
    }

    #[cold]
    fn late(&self, during: During) -> Error {
        match &self.owner {
            Owner::Session(session) => session.late(during.passed()),
            Owner::Lease(_) | Owner::Gone => during.passed(),
        }
    }

    /// Takes in what the driver has answered.
    #[inline]
    pub(crate) fn answered(&mut self, step: Result<Step>) -> Result<()> {
        (self.next, self.here) = (0, 0);
        self.waiting = false;
        let step = step?;
        if self.watch.first_row.is_none() && !matches!(step, Step::End(_)) {
            self.watch.first_row = Some(self.watch.elapsed());
        }
        match step {
            Step::Rows => self.state = State::Reading,
            Step::EndOfSet(outcome) => {
                self.outcome = outcome;
                self.state = State::SetEnded;
            }
            Step::End(outcome) => {
                self.outcome = outcome;
                self.state = State::Ended;
                match &self.owner {
                    Owner::Lease(lease) => left_open(lease)?,
                    Owner::Session(session) => session.still_open()?,
                    Owner::Gone => {}
                }
            }
            Step::Failed(error) => return Err(error),
            _ => {}
        }
        self.here = self.owner.link_ref().map_or(0, |link| link.batch().len());
        Ok(())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let asked = std::mem::replace(&mut self.waiting, true);
        if self.lent && !asked && self.watch.rows > 0 && Instant::now() >= deadline {
            return Poll::Ready(Err(self.passed()));
        }
        let Some(link) = self.owner.link() else { return Poll::Pending };
        ready!(link.poll_alarm(deadline, cx));
        Poll::Ready(Err(self.late(During::Statement { reads: self.watch.text.only_reads() })))
    }

    /// Goes on to the next result set, discarding what is left of this one. False at the end.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn next_result_set(&mut self) -> Result<bool> {
        loop {
            match self.state {
                State::Reading => {
                    poll_fn(|cx| self.poll_step(cx)).await?;
                }
                State::SetEnded => self.state = State::NextSet,
                State::NextSet => {
                    poll_fn(|cx| self.poll_step(cx)).await?;
                    return Ok(true);
                }
                State::Ended => {
                    self.end();
                    return Ok(false);
                }
                State::Closed => return Ok(false),
            }
        }
    }

    /// The current result set's columns.
    pub fn columns(&self) -> &Columns {
        match self.owner.link_ref() {
            Some(link) => link.batch().columns(),
            None => match &self.columns {
                Some(columns) => columns,
                None => &NO_COLUMNS,
            },
        }
    }

    /// What the current result set's statement did, besides giving rows; known once its last row is read.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Gives the connection back without reading the rest.
    ///
    /// The same as dropping the rows, in a word of its own.
    pub fn close(self) {}

    /// All rows of the current result set.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), and if a row does not convert.
    pub async fn collect<T>(&mut self) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let mut all = Vec::new();
        while poll_fn(|cx| self.poll_advance(cx)).await? {
            // The rows that are already here need no further poll.
            let first = self.next - 1;
            let Some(link) = self.owner.link_ref() else { return Err(closed()) };
            let batch = link.batch();
            let plan = match batch.columns().plan::<T>(self.mapping) {
                Ok(plan) => plan,
                Err(error) => return Err(self.fail(error)),
            };
            let len = batch.len();
            make_room(&mut all, len - first, self.state == State::Reading);
            let before = all.len();
            let mut failed = None;
            for index in first..len {
                let Some(row) = batch.row(index) else { break };
                match plan.read(row) {
                    Ok(value) => all.push(value),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            // The first one has been counted, converted or not.
            self.watch.rows += (all.len() - before).saturating_sub(1) as u64;
            self.next = len;
            if let Some(error) = failed {
                return Err(self.fail(error));
            }
        }
        Ok(all)
    }

    /// The first row, if there is one; further rows are discarded.
    #[inline]
    pub(crate) async fn first<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        if self.watch.text.is_script() {
            return Box::pin(self.first_of_script()).await;
        }
        if !poll_fn(|cx| self.poll_advance(cx)).await? {
            return Ok(None);
        }
        // Nobody can ask for the columns any more.
        self.keep_columns = false;
        let value = self.read()?;
        self.end();
        Ok(Some(value))
    }

    /// The first row of the first result set that has columns; every statement runs.
    async fn first_of_script<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        self.skip_to_columns().await?;
        let first = match poll_fn(|cx| self.poll_advance(cx)).await? {
            true => Some(self.read()?),
            false => None,
        };
        self.finish().await?;
        Ok(first)
    }

    /// All rows of the first result set that has columns, if the text has several statements: every one
    /// of them runs.
    pub(crate) async fn all<T>(&mut self) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        if !self.watch.text.is_script() {
            return self.collect().await;
        }
        self.skip_to_columns().await?;
        let all = self.collect().await?;
        self.finish().await?;
        Ok(all)
    }

    /// Goes on to the first result set that has columns, or to the end.
    async fn skip_to_columns(&mut self) -> Result<()> {
        while self.columns().is_empty() && self.next_result_set().await? {}
        Ok(())
    }

    /// The current row as `T`.
    #[inline]
    pub(crate) fn read<T>(&mut self) -> Result<T>
    where
        T: for<'r> FromRow<'r>,
    {
        let Some(row) = self.current() else { return Err(closed()) };
        match row.columns().plan::<T>(self.mapping).and_then(|plan| plan.read(row)) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Reads everything, keeping only the outcome.
    pub(crate) async fn finish(&mut self) -> Result<Outcome> {
        self.keep_columns = false;
        let mut total = Outcome::default();
        loop {
            while matches!(self.state, State::Reading | State::NextSet) {
                poll_fn(|cx| self.poll_step(cx)).await?;
            }
            total.rows_affected = total.rows_affected.saturating_add(self.outcome.rows_affected);
            if self.outcome.last_insert_id.is_some() {
                total.last_insert_id = self.outcome.last_insert_id;
            }
            if !self.next_result_set().await? {
                return Ok(total);
            }
        }
    }

    /// The call is over in good order: the connection is given back, and the call recorded.
    #[inline]
    fn end(&mut self) {
        self.state = State::Closed;
        let elapsed = self.let_go();
        self.watch.record(elapsed, None);
    }

    /// The call is over with an error.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        let mut error = self.watch.name(error);
        if self.state != State::Closed {
            self.state = State::Closed;
            if let Owner::Session(session) = &mut self.owner {
                error = session.noted(error);
            }
            let elapsed = self.let_go();
            self.watch.record(elapsed, Some(&error));
        }
        error
    }

    /// Gives the connection back, and says for how long the call had it: the release reads the clock
    /// anyway.
    #[inline]
    fn let_go(&mut self) -> Duration {
        self.here = 0;
        if self.keep_columns
            && let Some(link) = self.owner.link_ref()
        {
            self.columns = Some(Arc::clone(link.batch().columns()));
        }
        match std::mem::replace(&mut self.owner, Owner::Gone) {
            Owner::Lease(lease) => lease.release().held,
            Owner::Session(session) => {
                session.settle();
                self.watch.elapsed()
            }
            Owner::Gone => self.watch.elapsed(),
        }
    }
}

/// [`Rows::next`]. By hand: the state machine of an `async fn` is not inlined, and most rows are there
/// already.
struct Next<'r, 'c>(Option<&'r mut Rows<'c>>);

impl<'r> Future for Next<'r, '_> {
    type Output = Result<Option<Row<'r>>>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(rows) = self.0.take() else { return Poll::Ready(Err(closed())) };
        if !rows.advance_here() {
            match rows.poll_more(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(more) => return Poll::Ready(more.map(|_| None)),
                Poll::Pending => {
                    self.0 = Some(rows);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(rows.current()))
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if self.state == State::Closed {
            return;
        }
        if self.lent {
            if let Owner::Session(session) = &mut self.owner {
                session.leave_rows();
            }
            self.end();
        } else {
            // Within a call whose future is dropped: the watch says so.
            self.state = State::Closed;
            self.let_go();
        }
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("columns", &self.columns().names().collect::<Vec<_>>())
            .field("state", &self.state)
            .field("rows", &self.watch.rows)
            .finish_non_exhaustive()
    }
}

/// Room for so many more rows: exactly that for the last ones, and while there may be more, sizes that a
/// vector also grows through when it is pushed to one by one. Batches are of no round size: doubling what
/// the first one needs would hold up to twice as much as doubling one.
fn make_room<T>(all: &mut Vec<T>, more: usize, goes_on: bool) {
    let len = all.len() + more;
    if len > all.capacity() {
        let capacity = if goes_on { len.next_power_of_two() } else { len };
        all.reserve_exact(capacity - all.len());
    }
}

/// The connection goes back to the pool with this call, and a transaction cannot outlive it: better an
/// error than work that is undone without a word.
#[inline]
pub(crate) fn left_open(link: &DriverConn) -> Result<()> {
    match link.status() {
        Status::Transaction | Status::FailedTransaction => Err(open_transaction()),
        _ => Ok(()),
    }
}

#[cold]
fn open_transaction() -> Error {
    Error::new(ErrorKind::TxControl, "the text left a transaction open; it is rolled back")
        .with_hint("use `begin` or `transaction`, or hold a connection with `acquire`")
        .with_retry(Retry::Never)
}

#[cold]
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::ConnDone, "the rows are closed")
}

#[cfg(test)]
mod tests {
    use super::make_room;

    #[test]
    fn collected_rows_hold_no_more_than_rows_that_are_pushed_one_by_one() {
        for batch in [1, 7, 153, 2_500] {
            let mut all: Vec<u64> = Vec::new();
            let mut pushed: Vec<u64> = Vec::new();
            for _ in 0..50 {
                make_room(&mut all, batch, true);
                all.extend(0..batch as u64);
                (0..batch as u64).for_each(|row| pushed.push(row));
                assert!(all.capacity() <= pushed.capacity(), "{batch}");
            }
        }
    }

    #[test]
    fn the_last_rows_take_what_they_need() {
        let mut all: Vec<u64> = Vec::new();
        make_room(&mut all, 10, false);
        assert_eq!(all.capacity(), 10);
        all.extend(0..10);
        make_room(&mut all, 7, true);
        assert_eq!(all.capacity(), 32);
        all.extend(0..22);
        make_room(&mut all, 3, false);
        assert_eq!(all.capacity(), 35);
    }
}
