//! Many rows as one command (`COM_STMT_BULK_EXECUTE` of MariaDB): runs of one INSERT in a batch, inside a transaction.
//!
//! The answer has one count and one key for all rows. So only statements go this way of which both are known for each
//! row: those that insert exactly one ([`insert`]), into a table that generates no keys. And what the server does
//! with a row that does not fit its table depends, in a table without transactions, on which of several it is. So
//! each connection learns first, from a row that is sent alone: its outcome tells whether there are keys, and a
//! savepoint in the same flight, which is gone back to, whether anything was written that cannot be undone.
//!
//! The server undoes all rows when one fails, and does not say which. Then they are sent one by one, as if there
//! were no bulk; unless the savepoint says that some of them may have stayed.
//!
//! Outside a transaction each statement of a batch commits by itself, which a bulk would not.

use std::sync::Arc;

use aquifer_driver::{Batch, BatchItem, Error, ErrorKind, Outcome, Result, Step, Want};

use super::Pipeline;
use super::job::{Action, Arguments, Job, Role, Settled};
use crate::insert;
use crate::protocol::{command, frame};
use crate::server_error::ServerError;
use crate::statement::Statement;
use crate::types::{bind, bulk};

/// Most bytes of one command, also if the server takes more: all of it is in memory at once.
const BYTES_MAX: usize = 4 << 20;

/// Most rows of one command: each has an outcome of its own.
const ROWS_MAX: usize = 8192;

/// Changes nothing; warns if the transaction has written to a table without transactions.
const ASK: &str =
    "SAVEPOINT aquifer_bulk; ROLLBACK TO SAVEPOINT aquifer_bulk; RELEASE SAVEPOINT aquifer_bulk";

/// Rows of a batch that one job stands for.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    batch: Arc<Batch>,
    first: usize,
    count: usize,
    /// Not as one command: this was tried.
    singly: bool,
}

/// What is known of statements.
#[derive(Debug, Default)]
pub(super) struct Fitness {
    /// Those that can go as bulks, the one learnt last first.
    fit: Vec<u32>,
    /// Generates no keys; whether its table has transactions is asked.
    keyless: Option<u32>,
}

impl Fitness {
    /// More than this are not remembered: they are learnt again.
    const MAX: usize = 64;

    fn has(&self, statement: &Statement) -> bool {
        self.fit.contains(&statement.id)
    }

    fn learn(&mut self) -> bool {
        let Some(id) = self.keyless.take() else { return false };
        self.fit.retain(|known| *known != id);
        self.fit.truncate(Self::MAX - 1);
        self.fit.insert(0, id);
        true
    }

    fn forget(&mut self, statement: &Statement) {
        self.fit.retain(|id| *id != statement.id);
    }

    /// The server has forgotten all statements.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Pipeline {
    /// How many statements from the one at `first` on are sent together, if the server and they allow it; 0 for none.
    pub(super) fn bulk_of(&self, batch: &Batch, first: usize) -> usize {
        let Some(head) = batch.get(first) else { return 0 };
        if !self.settings.agreed.runs_bulks() || !fits(&head, &head) {
            return 0;
        }
        let rest = (first + 1..batch.len()).filter_map(|index| batch.get(index));
        let count = 1 + rest.take_while(|item| fits(item, &head)).count();
        let escapes = !self.server.takes_backslashes();
        if count > 1 && insert::is_of_one_row(head.sql, escapes) { count } else { 0 }
    }

    /// Queues rows that go together. The server must be able to take each.
    ///
    /// # Errors
    ///
    /// If it cannot take one.
    pub(super) fn add_bulk(
        &mut self,
        batch: &Arc<Batch>,
        first: usize,
        count: usize,
        statement: Option<Arc<Statement>>,
    ) -> Result<()> {
        let mut scratch = Vec::new();
        for item in (first..first + count).filter_map(|index| batch.get(index)) {
            if let Some(statement) = &statement {
                statement.check_count(item.count())?;
            }
            bulk::check(&item, self.reading.zone, &mut scratch)?;
        }
        let Some(item) = batch.get(first) else { return Ok(()) };
        let mut job = sibling(Action::Bulk);
        job.text = Some(Arc::clone(item.sql));
        job.given = item.count();
        job.statement = statement;
        job.bulk = Some(Box::new(Rows { batch: Arc::clone(batch), first, count, singly: false }));
        self.add(job);
        Ok(())
    }

    /// The bulk whose turn it is becomes a command, as many of its rows as go into one, or a row for itself; what is
    /// left of it waits behind.
    pub(super) fn encode_bulk(&mut self) {
        let Some(mut job) = self.jobs.remove(self.encoded) else { return };
        let (Some(mut rows), Some(statement)) = (job.bulk.take(), job.statement.take()) else {
            return;
        };
        // It may have been prepared anew since.
        let statement = match self.cache.find(&statement.text) {
            Some(kept) if kept.parameters == statement.parameters => kept,
            _ => statement,
        };
        let sent = match rows.singly || rows.count < 2 || !self.fitness.has(&statement) {
            true => 0,
            false => self.put_bulk(&statement, &rows),
        };
        let mut head = match sent {
            0 | 1 => single(&rows, self.reading.zone),
            _ => {
                let mut head = sibling(Action::Bulk);
                head.sequence = 1;
                head.given = job.given;
                head.bulk = Some(Box::new(Rows { count: sent, ..(*rows).clone() }));
                head
            }
        };
        head.text = job.text.take();
        head.statement = Some(Arc::clone(&statement));
        let taken = sent.max(1);
        if rows.count > taken {
            (rows.first, rows.count) = (rows.first + taken, rows.count - taken);
            job.text.clone_from(&head.text);
            (job.bulk, job.statement) = (Some(rows), Some(statement));
            self.jobs.insert(self.encoded, job);
        }
        if head.tells_keys {
            self.fitness.keyless = None;
            self.jobs.insert(self.encoded, asks(Role::Fitness));
        }
        self.jobs.insert(self.encoded, head);
        if sent > 1 {
            self.encoded += 1;
        }
    }

    /// Appends the command with as many of the rows as it takes; their number. Below 2 nothing is appended.
    fn put_bulk(&mut self, statement: &Statement, rows: &Rows) -> usize {
        self.flight_head();
        let arguments = usize::from(statement.parameters);
        let max = BYTES_MAX.min(self.settings.packet_max);
        let start = command::begin_bulk(&mut self.out, statement.id);
        let mut put = bulk::Rows::begin(&mut self.out, arguments, self.reading.zone);
        let mut count = 0;
        while count < rows.count.min(ROWS_MAX)
            && let Some(row) = rows.batch.get(rows.first + count)
        {
            let end = self.out.len();
            // What cannot be taken says so when it is alone.
            if !put.add(&mut self.out, &row).unwrap_or(false) {
                break;
            }
            if self.out.len() - start - frame::HEADER > max {
                self.out.truncate(end);
                break;
            }
            count += 1;
        }
        if count < 2 {
            self.out.truncate(start);
            return 0;
        }
        put.finish(&mut self.out);
        frame::finish(&mut self.out, start, 0);
        count
    }

    /// A row that was sent alone has told whether its table generates keys.
    pub(super) fn learn_keys(&mut self, job: &Job, outcome: Outcome) {
        if let (true, Some(statement)) = (job.tells_keys, &job.statement) {
            self.fitness.keyless = (outcome == Outcome::new(1, None)).then_some(statement.id);
        }
    }

    /// It is known whether the transaction can be undone as far as it has come; the rows that are next are a bulk if
    /// they can be one.
    pub(super) fn told_fitness(&mut self, undoable: bool) {
        let fit = undoable && self.fitness.learn();
        self.fitness.keyless = None;
        if let (false, Some(rows)) = (fit, self.jobs.front_mut().and_then(|job| job.bulk.as_mut()))
        {
            rows.singly = true;
        }
    }

    /// The outcomes of all but the last row of a bulk, and that one's.
    pub(super) fn bulk_succeeded(&mut self, job: &Job, outcome: Outcome) -> Outcome {
        let count = job.statements();
        if outcome.last_insert_id.is_some()
            && let Some(statement) = &job.statement
        {
            // The table has changed since it was learnt.
            self.fitness.forget(statement);
        }
        for _ in 1..count {
            let step = Ok(Step::EndOfSet(Outcome::new(1, None)));
            self.steps.push_back(Settled { step, columns: Some(Arc::clone(&self.no_columns)) });
        }
        // Each has inserted one; whatever else is counted is somebody's.
        Outcome::new(outcome.rows_affected.saturating_sub(count as u64 - 1), None)
    }

    /// A bulk failed: it is asked whether that has undone its rows, which then are sent one by one.
    pub(super) fn bulk_failed(&mut self, mut job: Job, error: Error) {
        let mut asks = asks(Role::Undone);
        asks.refused = Some(error);
        if let Some(rows) = &mut job.bulk {
            rows.singly = true;
        }
        (job.answering, job.arguments) = (false, Arguments::None);
        self.jobs.push_front(job);
        self.jobs.push_front(asks);
    }

    /// It is known whether the rows of the bulk that is next were undone.
    pub(super) fn told_undone(&mut self, asked: Job, undone: bool) {
        if undone || self.discarding {
            return;
        }
        let Some(job) = self.jobs.pop_front() else { return };
        let error = asked.refused.unwrap_or_else(unsent);
        let error = match self.server.in_transaction() {
            true => error.with_hint(
                "it is one of several rows that went as one, which of them is not known, and those before it may \
                 have stayed, because the transaction has written to a table without transactions",
            ),
            false => error,
        };
        self.settle_failure(&job, error);
    }
}

/// Whether a statement that failed may be run again, to find the row that fails.
pub(super) fn is_of_a_row(server: &ServerError) -> bool {
    !matches!(
        server.kind(),
        ErrorKind::Cancelled
            | ErrorKind::Timeout
            | ErrorKind::LockTimeout
            | ErrorKind::Deadlock
            | ErrorKind::Serialization
            | ErrorKind::ReadOnly
    )
}

/// The error of a statement behind one that failed.
#[cold]
pub(super) fn unsent() -> Error {
    Error::new(
        ErrorKind::TxFailed,
        "a statement before this one of the batch failed, so this one was not sent",
    )
}

fn fits(item: &BatchItem<'_>, head: &BatchItem<'_>) -> bool {
    let same = Arc::ptr_eq(item.sql, head.sql) || **item.sql == **head.sql;
    let count = item.count();
    let countable = count > 0 && count == head.count() && count <= bind::ARGUMENTS_MAX;
    same && countable && item.want == Want::Outcome
}

fn asks(role: Role) -> Job {
    let mut job = Job::own(ASK);
    (job.role, job.quiet) = (role, true);
    job
}

fn sibling(action: Action) -> Job {
    let mut job = Job::new(action, Role::Statement);
    (job.sibling, job.waits, job.want) = (true, true, Want::Outcome);
    job
}

/// The first of the rows, as a statement of its own.
fn single(rows: &Rows, zone: crate::types::Zone) -> Job {
    let mut job = sibling(Action::Execute);
    job.tells_keys = !rows.singly && rows.count > 2;
    let Some(row) = rows.batch.get(rows.first) else { return job };
    job.given = row.count();
    let mut held = Vec::new();
    match bind::put(&mut held, &row, zone) {
        Ok(()) => job.arguments = Arguments::Held(held),
        Err(error) => job.failed = Some(error),
    }
    job
}

impl Job {
    /// How many statements of the batch it stands for.
    pub(super) fn statements(&self) -> usize {
        self.bulk.as_ref().map_or(1, |rows| rows.count)
    }

    /// Runs a prepared statement.
    pub(super) fn executes(&self) -> bool {
        matches!(self.action, Action::Execute | Action::Bulk)
    }
}
