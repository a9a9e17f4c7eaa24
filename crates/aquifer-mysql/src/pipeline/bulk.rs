//! Many rows as one command: runs of one INSERT in a batch, inside a transaction.
//!
//! What is told of each statement must be what would be if it had been sent alone. So only statements go this way
//! that insert exactly one row ([`OneRow`]), into a table with transactions, and of which the keys are known:
//!
//! - None. MariaDB then gets the rows as they are (`COM_STMT_BULK_EXECUTE`), others as one INSERT of many rows.
//! - One for each row, of the engine's choice. Then it is one INSERT of many rows, because engines take the keys of as
//!   many rows as they know of beforehand at once, `@@auto_increment_increment` apart ("simple inserts"); for a bulk
//!   they take them as they go, and between them other sessions do.
//!
//! Which it is, a connection learns from rows that are sent alone: a key that is none of the arguments, none of which
//! is one that has a key generated, is the engine's. Whether the table has transactions, a savepoint in the same
//! flight tells, which is gone back to, and warns if not all can be undone.
//!
//! The last row goes alone if keys are generated: `LAST_INSERT_ID()` is its key then, and not that of the first of many.
//! Nor do rows go together where the SQL mode is not strict: a NULL for a column that takes none is an error of one row
//! and a zero in one of many.
//!
//! The server undoes all rows when one fails, and does not say which. Then they are sent one by one, as if there
//! were no such command; unless the savepoint says that some of them may have stayed.
//!
//! Outside a transaction each statement of a batch commits by itself, which it would not this way.

use std::sync::Arc;

use aquifer_driver::{
    Batch, BatchItem, Error, ErrorKind, Outcome, ParamSink, Params, Result, Step, ValueRef, Want,
};

use super::Pipeline;
use super::command::of_statement;
use super::job::{Action, Arguments, Job, Role, Settled};
use crate::insert::OneRow;
use crate::protocol::reader::{Reader, malformed};
use crate::protocol::{command, frame};
use crate::server_error::ServerError;
use crate::statement::Statement;
use crate::types::{bind, bulk};

/// Most bytes of one command, also if the server takes more: all of it is in memory at once.
const BYTES_MAX: usize = 4 << 20;

/// Most rows of one command: each has an outcome of its own.
const ROWS_MAX: usize = 8192;

/// Rows that are sent alone at most before a batch goes one by one, while they tell nothing.
const TRIES_MAX: u8 = 8;

/// Changes nothing; warns if the transaction has written to a table without transactions.
const ASK: &str =
    "SAVEPOINT aquifer_bulk; ROLLBACK TO SAVEPOINT aquifer_bulk; RELEASE SAVEPOINT aquifer_bulk";

/// The same, and warns as well where the SQL mode is not strict.
const ASK_FIRST: &str = "SAVEPOINT aquifer_bulk; ROLLBACK TO SAVEPOINT aquifer_bulk; RELEASE SAVEPOINT aquifer_bulk; \
     DO CAST(IF(@@sql_mode LIKE '%STRICT_%', '0', 'no') AS SIGNED)";

/// How far the keys of one statement are apart.
const ASK_STEP: &str = "SELECT @@auto_increment_increment";

/// Rows of a batch that one job stands for.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    batch: Arc<Batch>,
    first: usize,
    count: usize,
    form: OneRow,
    /// Not as one command: this was tried.
    singly: bool,
    tries: u8,
    /// The statement for one row, while it is one for many that runs.
    one: Option<Arc<Statement>>,
}

/// How the rows of a statement go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a bulk: there are no keys.
    Bulk,
    /// As one INSERT of many rows: each has a key of the engine's, or none.
    Values,
}

/// What is known of statements.
#[derive(Debug, Default)]
pub(super) struct Fitness {
    /// Those whose rows can go together, the one learnt last first.
    fit: Vec<(u32, Way)>,
    /// What a row alone has told; whether its table has transactions is asked.
    learnt: Option<(u32, Way)>,
    /// How far the keys of the statement that is sent next are apart.
    step: Option<i64>,
}

impl Fitness {
    /// More than this are not remembered: they are learnt again.
    const MAX: usize = 64;

    fn of(&self, statement: &Statement) -> Option<Way> {
        self.fit.iter().find(|(id, _)| *id == statement.id).map(|(_, way)| *way)
    }

    fn learn(&mut self, id: u32, way: Way) {
        self.forget(id);
        self.fit.truncate(Self::MAX - 1);
        self.fit.insert(0, (id, way));
    }

    fn forget(&mut self, id: u32) {
        self.fit.retain(|(known, _)| *known != id);
    }

    /// What was learnt may hold no more.
    pub(super) fn doubt(&mut self) {
        self.fit.clear();
        self.learnt = None;
    }

    /// The server has forgotten all statements.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Pipeline {
    /// How many statements from the one at `first` on may be sent together, and what the text of each is; `None` if it
    /// goes alone.
    pub(super) fn bulk_of(&self, batch: &Batch, first: usize) -> Option<(usize, OneRow)> {
        let head = batch.get(first)?;
        if !fits(&head, &head) {
            return None;
        }
        let rest = (first + 1..batch.len()).filter_map(|index| batch.get(index));
        let count = 1 + rest.take_while(|item| fits(item, &head)).count();
        let escapes = !self.server.takes_backslashes();
        (count > 1).then(|| OneRow::parse(head.sql, escapes)).flatten().map(|form| (count, form))
    }

    /// Queues rows that go together.
    ///
    /// # Errors
    ///
    /// If the engine cannot take an argument of one.
    pub(super) fn add_bulk(
        &mut self,
        batch: &Arc<Batch>,
        first: usize,
        (count, form): (usize, OneRow),
        statement: Option<Arc<Statement>>,
    ) -> Result<()> {
        let mut scratch = Vec::new();
        for index in first..first + count {
            let Some(item) = batch.get(index) else { break };
            if let Some(statement) = &statement {
                statement.check_count(item.count()).map_err(of_statement(index))?;
            }
            bulk::check(&item, self.clock(), &mut scratch).map_err(of_statement(index))?;
        }
        let Some(item) = batch.get(first) else { return Ok(()) };
        let mut job = sibling(Action::Bulk);
        job.text = Some(Arc::clone(item.sql));
        job.given = item.count();
        job.statement = statement;
        let batch = Arc::clone(batch);
        let rows = Rows { batch, first, count, form, singly: false, tries: TRIES_MAX, one: None };
        job.bulk = Some(Box::new(rows));
        self.add(job);
        Ok(())
    }

    /// The bulk whose turn it is becomes a command, as many of its rows as go into one, or a row for itself; what is
    /// left of it waits behind. Nothing else is under way.
    pub(super) fn encode_bulk(&mut self) {
        let at = self.encoded;
        let Some(mut job) = self.jobs.remove(at) else { return };
        let (Some(mut rows), Some(statement)) = (job.bulk.take(), job.statement.take()) else {
            return;
        };
        // It may have been prepared anew since.
        let statement = match self.cache.find(&statement.text) {
            Some(kept) if kept.parameters == statement.parameters => kept,
            _ => statement,
        };
        let way = self.fitness.of(&statement).filter(|_| !rows.singly && rows.count > 1);
        let together = match way {
            Some(Way::Bulk) => self.as_bulk(&statement, &rows),
            Some(Way::Values) => self.as_values(&statement, &rows),
            None => None,
        };
        let (head, before) = match together {
            Some((head, before)) => (head, before),
            None => {
                let mut head = self.single(&rows);
                head.statement = Some(Arc::clone(&statement));
                (head, Vec::new())
            }
        };
        let (taken, tells) = (head.statements(), head.tells_keys);
        if rows.count > taken {
            (rows.first, rows.count) = (rows.first + taken, rows.count - taken);
            rows.tries = rows.tries.saturating_sub(tells.into());
            (job.bulk, job.statement) = (Some(rows), Some(statement));
            self.jobs.insert(at, job);
        }
        if tells {
            self.fitness.learnt = None;
            self.jobs.insert(at, asks(Role::Fitness));
        }
        let is_encoded = head.action == Action::Bulk;
        self.jobs.insert(at, head);
        before.into_iter().rev().for_each(|job| self.jobs.insert(at, job));
        self.encoded += usize::from(is_encoded);
    }

    /// Appends a bulk with as many of the rows as it takes.
    fn as_bulk(&mut self, statement: &Arc<Statement>, rows: &Rows) -> Option<(Job, Vec<Job>)> {
        self.flight_head();
        let arguments = usize::from(statement.parameters);
        let max = BYTES_MAX.min(self.settings.packet_max);
        let start = command::begin_bulk(&mut self.out, statement.id);
        let clock = self.clock();
        let mut put = bulk::Rows::begin(&mut self.out, arguments, clock);
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
            return None;
        }
        put.finish(&mut self.out);
        let mut job = sibling(Action::Bulk);
        job.sequence = frame::finish(&mut self.out, start, 0);
        job.given = arguments;
        job.statement = Some(Arc::clone(statement));
        job.bulk = Some(Box::new(rows.head(count, statement)));
        Some((job, Vec::new()))
    }

    /// One INSERT of as many of the rows as it takes, and what goes before it.
    fn as_values(&mut self, statement: &Arc<Statement>, rows: &Rows) -> Option<(Job, Vec<Job>)> {
        let arguments = usize::from(statement.parameters);
        let max = BYTES_MAX.min(self.settings.packet_max);
        let (mut bytes, mut count) = (statement.text.len(), 0);
        while count < (rows.count - 1).min(ROWS_MAX).min(bind::ARGUMENTS_MAX / arguments.max(1))
            && let Some(row) = rows.batch.get(rows.first + count)
        {
            bytes += statement.text.len().max(row.values().map(bytes_of).sum());
            if bytes > max {
                break;
            }
            count += 1;
        }
        if count < 2 {
            return None;
        }
        let rows = rows.head(count, statement);
        let mut held = Vec::new();
        // What cannot be taken says so when it is alone.
        bind::put(&mut held, &rows, self.clock()).ok()?;
        let text: Arc<str> = rows.form.repeated(&statement.text, count).into();
        let mut job = sibling(Action::Execute);
        // It goes right behind what is before it.
        job.waits = false;
        job.given = rows.count();
        job.arguments = Arguments::Held(held);
        job.bulk = Some(Box::new(rows));
        let mut step = Job::own(ASK_STEP);
        (step.role, step.quiet) = (Role::KeyStep, true);
        self.fitness.step = None;
        let mut before = vec![step];
        match self.cache.find(&text) {
            Some(known) => job.statement = Some(known),
            None => {
                self.make_room();
                let mut learn = Job::new(Action::Prepare, Role::Learn);
                (learn.quiet, learn.text) = (true, Some(Arc::clone(&text)));
                before.push(learn);
            }
        }
        job.text = Some(text);
        Some((job, before))
    }

    /// The first of the rows, as a statement of its own.
    fn single(&self, rows: &Rows) -> Job {
        let mut job = sibling(Action::Execute);
        job.tells_keys = !rows.singly && rows.count > 2;
        if job.tells_keys {
            job.bulk = Some(Box::new(Rows { count: 1, ..rows.clone() }));
        }
        let Some(row) = rows.batch.get(rows.first) else { return job };
        job.given = row.count();
        match self.hold(&row) {
            Ok(arguments) => job.arguments = arguments,
            Err(error) => job.failed = Some(error),
        }
        job
    }

    /// Takes the row that says how far keys are apart.
    pub(super) fn hear_key_step(&mut self, row: &[u8]) -> Result<()> {
        let digits = Reader::new(row).bytes()?;
        let step = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        self.fitness.step = Some(step.ok_or_else(|| malformed("a number is none"))?);
        Ok(())
    }

    /// A row that was sent alone has told whether its table generates keys.
    pub(super) fn learn_keys(&mut self, job: &Job, outcome: Outcome) {
        let (true, Some(statement), Some(rows)) = (job.tells_keys, &job.statement, &job.bulk)
        else {
            return;
        };
        let bulks = self.settings.agreed.runs_bulks();
        self.fitness.learnt = match outcome.last_insert_id {
            _ if outcome.rows_affected != 1 => None,
            None if bulks => Some((statement.id, Way::Bulk)),
            None => Some((statement.id, Way::Values)),
            Some(key) => {
                let row = rows.batch.get(rows.first);
                let given = row.is_none_or(|row| row.values().any(|value| may_be_key(value, key)));
                let generated = rows.form.only_arguments && job.warnings == 0 && !given;
                generated.then_some((statement.id, Way::Values))
            }
        };
    }

    /// It is known whether the transaction can be undone as far as it has come; the rows that are next go together if
    /// they can.
    pub(super) fn told_fitness(&mut self, undoable: bool) {
        let learnt = self.fitness.learnt.take();
        if let (true, Some((id, way))) = (undoable, learnt) {
            self.fitness.learn(id, way);
        } else if let Some(rows) = self.jobs.front_mut().and_then(|job| job.bulk.as_mut()) {
            // The next row may tell what this one did not.
            rows.singly |= !undoable || rows.tries == 0;
        }
    }

    /// Gives the outcomes of all but the last row of a bulk; that one's is returned.
    pub(super) fn bulk_succeeded(&mut self, job: &Job, outcome: Outcome) -> Outcome {
        let Some(rows) = &job.bulk else { return outcome };
        let first = outcome.last_insert_id;
        let step = match (job.action, first) {
            // The table has changed since it was learnt: the key is the first row's.
            (Action::Bulk, Some(_)) => {
                rows.one.iter().for_each(|one| self.fitness.forget(one.id));
                None
            }
            _ => self.fitness.step,
        };
        let key = |index: usize| match (first, i64::try_from(index)) {
            (first, Ok(0)) => first,
            (Some(first), Ok(index)) => first.checked_add(step?.checked_mul(index)?),
            _ => None,
        };
        for index in 0..rows.count - 1 {
            let step = Ok(Step::EndOfSet(Outcome::new(1, key(index))));
            self.steps.push_back(Settled { step, columns: Some(Arc::clone(&self.no_columns)) });
        }
        // Each has inserted one; whatever else is counted is somebody's.
        let others = rows.count as u64 - 1;
        Outcome::new(outcome.rows_affected.saturating_sub(others), key(rows.count - 1))
    }

    /// A bulk failed: it is asked whether that has undone its rows, which then are sent one by one.
    pub(super) fn bulk_failed(&mut self, job: Job, error: Error) {
        let mut asks = asks(Role::Undone);
        asks.refused = Some(error);
        self.jobs.push_front(job.singly());
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

impl Rows {
    /// The first of them.
    fn head(&self, count: usize, one: &Arc<Statement>) -> Self {
        Self { count, one: Some(Arc::clone(one)), ..self.clone() }
    }

    fn items(&self) -> impl Iterator<Item = BatchItem<'_>> {
        (self.first..self.first + self.count).filter_map(|index| self.batch.get(index))
    }
}

/// The arguments of all rows, for one statement.
impl Params for Rows {
    fn count(&self) -> usize {
        self.items().map(|item| item.count()).sum()
    }

    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        self.items().try_for_each(|item| item.bind(sink))
    }

    fn has_lists(&self) -> bool {
        false
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

/// How many bytes an argument takes at most.
fn bytes_of(value: Option<ValueRef<'_>>) -> usize {
    /// The longest value of fixed length, a type, and a length.
    const FIXED: usize = 24;
    FIXED
        + match value {
            Some(ValueRef::Text(v) | ValueRef::Json(v) | ValueRef::Decimal(v)) => v.len(),
            Some(ValueRef::Bytes(v)) => v.len(),
            _ => 0,
        }
}

/// Whether an argument may be this key, or one in whose place the engine generates a key: NULL and 0. Servers take
/// anything for a number.
fn may_be_key(value: Option<ValueRef<'_>>, key: i64) -> bool {
    let number = match value {
        Some(ValueRef::Int(v)) => return v == 0 || v == key,
        Some(ValueRef::UInt(v)) => return v == 0 || v == key.cast_unsigned(),
        Some(ValueRef::Bool(v)) => return !v || key == 1,
        Some(ValueRef::Float(v)) => v,
        Some(ValueRef::Text(v) | ValueRef::Decimal(v)) => match v.trim().parse() {
            Ok(number) => number,
            // What is no number was not taken for one, or there were a warning.
            Err(_) => return false,
        },
        Some(ValueRef::Date(_) | ValueRef::Timestamp(_) | ValueRef::TimestampTz(_)) => {
            return false;
        }
        _ => return true,
    };
    number.abs() < 1.0 || (number - key as f64).abs() < 1.0
}

fn asks(role: Role) -> Job {
    let mut job = Job::own(if role == Role::Fitness { ASK_FIRST } else { ASK });
    (job.role, job.quiet) = (role, true);
    job
}

fn sibling(action: Action) -> Job {
    let mut job = Job::new(action, Role::Statement);
    (job.sibling, job.waits, job.want) = (true, true, Want::Outcome);
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

    /// Its rows, to be sent one by one.
    pub(super) fn singly(mut self) -> Self {
        let mut job = sibling(Action::Bulk);
        if let Some(rows) = &mut self.bulk {
            rows.singly = true;
            job.statement = rows.one.take();
        }
        job.text = job.statement.as_ref().map(|one| Arc::clone(&one.text));
        job.bulk = self.bulk;
        job
    }
}
