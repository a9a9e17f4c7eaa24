//! [`Engine`]: a SQLite handle and everything that moves between threads with it.
//!
//! It runs statements; it knows neither threads nor tasks. Whoever has it, the calling thread or the
//! worker, has SQLite to itself.

use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{
    Batch, Columns, Counters, Description, Error, ErrorKind, Outcome, Parameter, Params, Result,
    Retry, RowBatch, Tag, Want,
};

use crate::batch::bind_to;
use crate::bind::{bind, wrong_count};
use crate::cache::{Cache, Entry};
use crate::errors::{self, Doing};
use crate::kind::{self, Kind};
use crate::options::Options;
use crate::raw::{
    self, Cell, Code, Handle, Interruption, Persistence, Prepared, Row, Statement, StatementId,
};
use crate::session::Session;

/// Arguments that a statement keeps after its run, in bytes; beyond that they are given up.
const BOUND_KEEP: usize = 4096;

/// What a batch may hold before it is handed over: rows, and bytes.
const ROWS_MAX: usize = 1024;
const BYTES_MAX: usize = 64 * 1024;

/// A handle with its statements and settings.
pub(crate) struct Engine {
    pub(crate) handle: Handle,
    pub(crate) options: Arc<Options>,
    pub(crate) cache: Cache,
    /// Whether everything is in memory, and nobody else's: no lock is ever waited for.
    pub(crate) private: bool,
    /// The connection was asked for reading only.
    pub(crate) reader: bool,
    /// The transaction that is open was begun for reading only.
    pub(crate) read_only_tx: bool,
    /// What a lock is waited for on the worker, in milliseconds: the option, or a later PRAGMA.
    pub(crate) busy_timeout_ms: u32,
    /// What a reset goes back to.
    pub(crate) session: Session,
    /// Shared by every statement without rows.
    none: Arc<Columns>,
    pub(crate) description: Option<Description>,
    counters: Counters,
}

/// A statement under way: bound, and perhaps in the middle of its rows.
#[derive(Debug)]
pub(crate) struct Run {
    place: usize,
    want: Want,
    /// Rows have been read.
    started: bool,
    /// Bytes that SQLite holds as arguments.
    bound: usize,
}

impl Run {
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// To be run from its first row, after it was stopped before any row reached the caller.
    pub(crate) fn again(mut self) -> Self {
        self.started = false;
        self
    }
}

/// How far a run has come.
#[derive(Debug)]
pub(crate) enum Filled {
    /// The batch is full, or the budget low: there may be more rows.
    Full,
    /// The statement is over and reset.
    Done(Outcome),
}

/// Why something did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Not here: the budget is spent, or a lock would have to be waited for.
    Later,
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    #[cold]
    fn of(raw: &raw::Error, doing: Doing, inline: bool) -> Self {
        let spent = raw.interruption() == Some(Interruption::Budget);
        let busy = raw.code().primary() == Code::BUSY && raw.interruption().is_none();
        if inline && (spent || busy) { Self::Later } else { Self::Error(errors::error(raw, doing)) }
    }

    /// A lock that cannot be had by waiting: others have the file open.
    #[cold]
    fn for_want_of_the_file(self) -> Self {
        match self {
            Self::Error(error) if error.kind() == ErrorKind::LockTimeout => Self::Error(
                error.with_retry(Retry::Never).with_hint(
                    "the journal mode changes only while nobody else has the file open, and this pool's own \
                     connections have: say `journal_mode=...` in the URL",
                ),
            ),
            other => other,
        }
    }

    /// The error, where `Later` cannot come up.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Later => Error::new(
                ErrorKind::Database,
                "a statement was stopped by a budget that nobody had set",
            ),
        }
    }
}

/// What a text turned out to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// No statement: white space or a comment.
    Nothing,
    /// A statement without columns.
    Plain(usize),
    /// A statement with columns.
    Rows(usize),
}

/// What became of a text that is to be executed.
pub(crate) enum Started {
    /// The text holds no statement.
    Nothing,
    /// Ready to step here.
    Inline(Run),
    /// Ready to step on the worker.
    Worker(Run),
    /// Even preparing it has to be done on the worker.
    Late,
}

/// Where a piece of work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Inline,
    Worker,
}

impl Engine {
    pub(crate) fn new(handle: Handle, options: &Arc<Options>, reader: bool) -> Self {
        Self {
            handle,
            options: Arc::clone(options),
            cache: Cache::new(options.statement_cache),
            private: false,
            reader,
            read_only_tx: false,
            busy_timeout_ms: u32::try_from(options.busy_timeout.as_millis()).unwrap_or(u32::MAX),
            session: Session::default(),
            none: Arc::default(),
            description: None,
            counters: Counters::default(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.cached = self.cache.len() as u64;
        counters
    }

    pub(crate) fn none(&self) -> &Arc<Columns> {
        &self.none
    }

    /// Sets what the following work may take: a budget and no waiting here, no budget and the busy
    /// timeout there.
    #[inline]
    pub(crate) fn limit(&mut self, place: Place) {
        match (place, self.options.inline_budget) {
            (Place::Inline, Some(ops)) => {
                self.handle.set_budget(Some(ops.get()));
                self.handle.busy_timeout(0);
            }
            _ => {
                self.handle.set_budget(None);
                self.handle.busy_timeout(self.busy_timeout_ms);
            }
        }
    }

    /// Says whether everything is in memory, and nobody else's.
    pub(crate) fn set_private(&mut self, private: bool) {
        self.private = private;
    }

    pub(crate) fn is_reader(&self) -> bool {
        self.reader
    }

    /// Declares the session as it is now fresh.
    pub(crate) fn adopt_session(&mut self) {
        self.session = Session::read(self);
    }

    /// Takes back what a PRAGMA may have changed of the waiting for locks.
    pub(crate) fn restore_limits(&mut self) {
        self.busy_timeout_ms = self.session.busy_timeout_ms;
        self.handle.restore_handlers();
        self.limit(Place::Worker);
    }

    #[inline]
    pub(crate) fn runs_inline(&self) -> bool {
        self.options.inline_budget.is_some()
    }

    /// Finds or prepares a statement.
    ///
    /// # Errors
    ///
    /// SQLite's, a wrong number of arguments for a text without a statement, or a write where that is
    /// refused; `Later` if it has to be done on the worker.
    #[inline]
    pub(crate) fn find(
        &mut self,
        place: Place,
        sql: &str,
        params: &dyn Params,
    ) -> Result<Found, Failure> {
        let at = match self.cache.find(sql) {
            Some(at) => {
                self.counters.cache_hits += 1;
                at
            }
            None => match self.prepare_to_run(place, sql)? {
                Some(at) => at,
                None if params.count() > 0 => {
                    return Err(wrong_count(0, params.count()).into());
                }
                None => return Ok(Found::Nothing),
            },
        };
        let refuses = self.refuses_writes();
        let entry = self.cache.entry(at);
        if refuses && !entry.reads {
            return Err(read_only(self.reader).into());
        }
        if entry.changes_session {
            self.session.changed = true;
        }
        Ok(if entry.columns.is_empty() { Found::Plain(at) } else { Found::Rows(at) })
    }

    /// Binds a statement's arguments.
    #[inline]
    pub(crate) fn bound(&mut self, place: usize, params: &dyn Params, want: Want) -> Result<Run> {
        let entry = self.cache.entry(place);
        let mut statement =
            self.handle.statement(entry.id).map_err(|raw| errors::error(&raw, Doing::Running))?;
        let bound = bind(&mut statement, entry.parameters, params)?;
        Ok(Run { place, want, started: false, bound })
    }

    /// Finds or prepares a statement and binds its arguments.
    #[inline]
    pub(crate) fn start(
        &mut self,
        place: Place,
        sql: &str,
        params: &dyn Params,
        want: Want,
    ) -> Result<Started> {
        let at = match self.find(place, sql, params) {
            Ok(Found::Plain(at) | Found::Rows(at)) => at,
            Ok(Found::Nothing) => return Ok(Started::Nothing),
            Err(Failure::Later) => return Ok(Started::Late),
            Err(Failure::Error(error)) => return Err(error),
        };
        let run = self.bound(at, params, want)?;
        Ok(if self.cache.entry(at).inline { Started::Inline(run) } else { Started::Worker(run) })
    }

    /// Runs statements of a batch that share one text without columns, on the worker, until one fails;
    /// which one that was, and why. `done` is told every outcome.
    ///
    /// Arguments are bound over those of the statement before: only the last ones have to be taken back.
    pub(crate) fn run_plain(
        &mut self,
        place: usize,
        batch: &Batch,
        range: Range<usize>,
        mut done: impl FnMut(Outcome),
    ) -> Result<(), (usize, Error)> {
        let entry = self.cache.entry(place);
        let (kind, parameters) = (entry.kind, entry.parameters);
        if !matches!(kind, Kind::Insert | Kind::Change) {
            // Each may change what the next one meets.
            for index in range {
                let Some(item) = batch.get(index) else { break };
                let run = self.bound(place, &item, Want::Outcome);
                let outcome = run.and_then(|run| self.run(run)).map_err(|error| (index, error))?;
                done(outcome);
            }
            return Ok(());
        }
        self.handle.take_inserted();
        let mut statement = match self.handle.statement(entry.id) {
            Ok(statement) => statement,
            Err(raw) => return Err((range.start, errors::error(&raw, Doing::Running))),
        };
        statement.with_borrowed(|borrowed| {
            for index in range {
                let Some(item) = batch.get(index) else { break };
                bind_to(&item, borrowed, parameters).map_err(|error| (index, error))?;
                let mut statement = borrowed.statement();
                statement
                    .run()
                    .and_then(|()| statement.reset())
                    .map_err(|raw| (index, errors::error(&raw, Doing::Running)))?;
                let changes = u64::try_from(statement.changes()).unwrap_or(0);
                let key = statement.take_inserted_rowid();
                done(Outcome::new(changes, key.filter(|_| kind == Kind::Insert && changes > 0)));
            }
            Ok(())
        })
    }

    /// Runs a bound statement to its end, without rows.
    fn run(&mut self, mut run: Run) -> Result<Outcome> {
        let mut batch = RowBatch::new();
        loop {
            match self.fill(Place::Worker, &mut run, &mut batch) {
                Ok(Filled::Done(outcome)) => return Ok(outcome),
                Ok(Filled::Full) => {}
                Err(failure) => return Err(failure.error()),
            }
        }
    }

    /// Whether writes are refused now.
    #[inline]
    fn refuses_writes(&mut self) -> bool {
        if self.read_only_tx && self.handle.autocommit() {
            self.read_only_tx = false;
        }
        self.reader || self.read_only_tx
    }

    /// As [`prepare`](Self::prepare), for a run: a PRAGMA has its effect even if that never comes.
    #[cold]
    fn prepare_to_run(&mut self, place: Place, sql: &str) -> Result<Option<usize>, Failure> {
        self.session.changed |= kind::is_pragma(sql) && kind::changes_session(sql);
        self.prepare_by(place, sql, Handle::prepare)
    }

    /// Prepares a text of one statement, without any effect of it, and keeps it; `None` if it holds none.
    ///
    /// # Errors
    ///
    /// SQLite's; `Unsupported` for a PRAGMA that SQLite would apply.
    #[cold]
    pub(crate) fn prepare(&mut self, place: Place, sql: &str) -> Result<Option<usize>, Failure> {
        if kind::is_pragma(sql) {
            self.prepare_by(place, sql, |handle, sql, persistence| {
                handle.prepare_inert(sql, persistence, kind::only_reads)
            })
        } else {
            self.prepare_by(place, sql, Handle::prepare)
        }
    }

    fn prepare_by(
        &mut self,
        place: Place,
        sql: &str,
        prepare: impl FnOnce(&mut Handle, &str, Persistence) -> raw::Result<Prepared>,
    ) -> Result<Option<usize>, Failure> {
        if place == Place::Inline {
            if !self.runs_inline() {
                return Err(Failure::Later);
            }
            self.limit(place);
        }
        let inline = place == Place::Inline;
        let failed = |raw: &raw::Error| Failure::of(raw, Doing::Preparing, inline);
        let prepared = prepare(&mut self.handle, sql, Persistence::Persistent).map_err(|raw| {
            if raw.code().primary() == Code::AUTH { applied().into() } else { failed(&raw) }
        })?;
        let Some(id) = prepared.statement else {
            return Ok(None);
        };
        self.counters.prepared += 1;
        // Not even prepared: a PRAGMA would be applied.
        if !kind::is_blank(&sql[prepared.tail..]) {
            self.handle.finalize(id);
            return Err(several().into());
        }
        let statement = self.handle.statement(id).map_err(|raw| failed(&raw))?;
        let mut entry = Entry::new(sql, id, &statement, &self.none);
        let query = entry.kind == Kind::Query && entry.reads && !entry.columns.is_empty();
        if query && self.runs_inline() {
            match self.handle.budget_holds(id) {
                Ok(holds) => entry.inline = holds,
                Err(raw) => {
                    self.handle.finalize(id);
                    return Err(failed(&raw));
                }
            }
        }
        let (at, evicted) = self.cache.insert(entry, &mut self.handle);
        self.counters.evicted += evicted;
        Ok(Some(at))
    }

    /// Steps until the batch is full, the budget low, or the statement over. `batch` is emptied first.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        place: Place,
        run: &mut Run,
        batch: &mut RowBatch,
    ) -> Result<Filled, Failure> {
        let inline = place == Place::Inline;
        let entry = self.cache.entry(run.place);
        let low = match (inline, self.options.inline_budget) {
            (true, Some(ops)) => u64::from(ops.get() / 4),
            _ => 0,
        };
        if !run.started && entry.kind == Kind::Insert {
            self.handle.take_inserted();
        }
        let mut statement = match self.handle.statement(entry.id) {
            Ok(statement) => statement,
            Err(raw) => return Err(Failure::of(&raw, Doing::Running, inline)),
        };
        if run.started {
            // On the worker the buffer may have been through another statement.
            batch.set_columns(&entry.columns);
        }
        loop {
            match statement.next_row() {
                Ok(Some(row)) if run.started => {
                    if let Err(failure) = take(batch, &row, run.want) {
                        return Err(give_up(batch, &mut statement, failure));
                    }
                }
                Ok(Some(_)) => {
                    entry.refresh(&statement);
                    batch.set_columns(&entry.columns);
                    run.started = true;
                    let Some(row) = statement.current_row() else { continue };
                    if let Err(failure) = take(batch, &row, run.want) {
                        return Err(give_up(batch, &mut statement, failure));
                    }
                    if run.want == Want::First {
                        if entry.reads {
                            break;
                        }
                        // It must do its work, but nobody wants the other rows.
                        run.want = Want::Outcome;
                    }
                }
                Ok(None) => {
                    if !run.started {
                        entry.refresh(&statement);
                        batch.set_columns(&entry.columns);
                    }
                    break;
                }
                Err(raw) => {
                    batch.clear();
                    let failure = Failure::of(&raw, Doing::Running, inline);
                    let alone = entry.sets_journal_mode();
                    return Err(if alone { failure.for_want_of_the_file() } else { failure });
                }
            }
            if batch.len() >= ROWS_MAX || batch.byte_len() >= BYTES_MAX {
                return Ok(Filled::Full);
            }
            if inline
                && !batch.is_empty()
                && statement.budget_left().is_some_and(|left| left <= low)
            {
                return Ok(Filled::Full);
            }
        }
        let reset = statement.reset();
        if run.bound > BOUND_KEEP {
            // Cannot fail: the statement has just been reset.
            let _ = statement.clear_bindings();
        }
        if let Err(raw) = reset {
            batch.clear();
            return Err(Failure::of(&raw, Doing::Running, inline));
        }
        let kind = entry.kind;
        if kind == Kind::Query {
            return Ok(Filled::Done(Outcome::default()));
        }
        Ok(Filled::Done(self.outcome(kind)))
    }

    /// What a statement that is over has done.
    fn outcome(&mut self, kind: Kind) -> Outcome {
        match kind {
            Kind::Insert => {
                let changes = u64::try_from(self.handle.changes()).unwrap_or(0);
                let key = self.handle.take_inserted().then(|| self.handle.last_insert_rowid());
                Outcome::new(changes, key.filter(|_| changes > 0))
            }
            Kind::Change => Outcome::new(u64::try_from(self.handle.changes()).unwrap_or(0), None),
            Kind::Pragma => {
                self.after_pragma();
                Outcome::default()
            }
            Kind::Attach => {
                self.private = false;
                Outcome::default()
            }
            Kind::Query | Kind::Other => Outcome::default(),
        }
    }

    /// `PRAGMA busy_timeout` replaces this driver's handler; its timeout is kept, the handler is not.
    #[cold]
    fn after_pragma(&mut self) {
        if let Ok(Some(ms)) = self.integer("PRAGMA busy_timeout")
            && ms > 0
        {
            self.busy_timeout_ms = u32::try_from(ms).unwrap_or(u32::MAX);
        }
        self.handle.restore_handlers();
    }

    /// Runs a text whose rows nobody wants, outside the cache.
    pub(crate) fn exec(&mut self, sql: &str) -> Result<(), raw::Error> {
        self.handle.exec(sql).map(drop)
    }

    /// The first cell of a query's first row, if that is an integer.
    pub(crate) fn integer(&mut self, sql: &str) -> Result<Option<i64>, raw::Error> {
        self.first(sql, |cell| match cell {
            Cell::Integer(value) => Some(value),
            _ => None,
        })
    }

    /// The first cell of a query's first row, as `read` sees it.
    pub(crate) fn first<T>(
        &mut self,
        sql: &str,
        read: impl FnOnce(Cell<'_>) -> Option<T>,
    ) -> Result<Option<T>, raw::Error> {
        let Some(id) = self.handle.prepare(sql, Persistence::Transient)?.statement else {
            return Ok(None);
        };
        let mut value = Ok(None);
        match self.handle.statement(id).and_then(|mut statement| {
            if let Some(row) = statement.next_row()? {
                value = row.cell(0).map(read);
            }
            statement.reset()
        }) {
            Ok(()) => {}
            Err(error) => value = Err(error),
        }
        self.handle.finalize(id);
        value
    }

    /// Ends a run in the middle of its rows.
    pub(crate) fn stop(&mut self, run: &Run) {
        let entry = self.cache.entry(run.place);
        if let Ok(mut statement) = self.handle.statement(entry.id) {
            // The error of an abandoned run is nobody's.
            let _ = statement.reset();
        }
    }

    /// Whether a run only reads, so that interrupting it changes nothing.
    pub(crate) fn only_reads(&mut self, run: &Run) -> bool {
        let entry = self.cache.entry(run.place);
        entry.reads && entry.kind == Kind::Query
    }

    /// Takes a script's statement in, outside the cache, ready to step.
    ///
    /// # Errors
    ///
    /// If it has parameters, or writes where that is refused; it is gone then.
    pub(crate) fn adopt(&mut self, id: StatementId, text: &str) -> Result<Run> {
        // A PRAGMA has had its effect already.
        self.session.changed |= kind::changes_session(text);
        let refuses = self.refuses_writes();
        let refused = match self.handle.statement(id) {
            Ok(statement) => {
                let entry = Entry::new(text, id, &statement, &self.none);
                if entry.parameters > 0 {
                    wrong_count(entry.parameters, 0)
                } else if refuses && !entry.reads {
                    read_only(self.reader)
                } else {
                    let place = self.cache.adopt(entry);
                    return Ok(Run { place, want: Want::All, started: false, bound: 0 });
                }
            }
            Err(raw) => errors::error(&raw, Doing::Preparing),
        };
        self.handle.finalize(id);
        Err(refused)
    }

    /// Frees what [`adopt`](Self::adopt) took in.
    pub(crate) fn dismiss(&mut self, place: usize) {
        self.cache.dismiss(place, &mut self.handle);
    }

    /// Prepares a statement into the cache and describes it.
    pub(crate) fn describe(&mut self, place: Place, sql: &str) -> Result<(), Failure> {
        self.description = None;
        let at = match self.cache.find(sql) {
            Some(at) => {
                self.counters.cache_hits += 1;
                Some(at)
            }
            None => self.prepare(place, sql)?,
        };
        let Some(at) = at else {
            self.description =
                Some(Description::new(Vec::new(), Arc::clone(&self.none), Some(true)));
            return Ok(());
        };
        let entry = self.cache.entry(at);
        let statement = self
            .handle
            .statement(entry.id)
            .map_err(|raw| Failure::of(&raw, Doing::Preparing, false))?;
        let parameters = (1..=entry.parameters)
            .map(|index| {
                let name = statement.parameter_name(index);
                // `?7` is a number, not a name.
                let name = name.filter(|name| !name.starts_with('?'));
                Parameter::new(name.map(|name| name[1..].into()), "")
            })
            .collect();
        self.description =
            Some(Description::new(parameters, Arc::clone(&entry.columns), Some(entry.reads)));
        Ok(())
    }
}

/// Appends a row.
#[inline]
fn take(batch: &mut RowBatch, row: &Row<'_>, want: Want) -> Result<(), Failure> {
    if want == Want::Outcome {
        return Ok(());
    }
    let mut failed = None;
    let read = row.visit(|_, cell| {
        let pushed = match cell {
            Cell::Integer(value) => batch.push_tagged_int(value),
            Cell::Real(value) => batch.push_tagged_float(value),
            Cell::Text(text) => batch.push_tagged(Tag::Text, text),
            Cell::Blob(bytes) => batch.push_tagged(Tag::Bytes, bytes),
            Cell::Null => {
                batch.push_null();
                Ok(())
            }
        };
        if let Err(error) = pushed {
            failed = Some(error);
        }
    });
    if let Err(raw) = read {
        return Err(Failure::of(&raw, Doing::Running, false));
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    batch.end_row();
    Ok(())
}

/// A row could not be taken: the statement must not stay in the middle of its rows.
#[cold]
fn give_up(batch: &mut RowBatch, statement: &mut Statement<'_>, failure: Failure) -> Failure {
    batch.clear();
    // What stopping brings up is beside the point now.
    let _ = statement.reset();
    failure
}

#[cold]
pub(crate) fn read_only(reader: bool) -> Error {
    let (what, hint) = if reader {
        ("the statement writes, and this connection only reads", "use a call that may write")
    } else {
        ("the statement writes, and this transaction only reads", "begin it without `read_only`")
    };
    Error::new(ErrorKind::ReadOnly, what).with_hint(hint).with_nothing_sent(true)
}

#[cold]
fn applied() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a PRAGMA that sets something cannot be prepared only: SQLite may apply it at once",
    )
    .with_hint("execute it, without preparing it first")
    .with_nothing_sent(true)
}

#[cold]
fn several() -> Error {
    Error::new(ErrorKind::Syntax, "the text holds more than one statement")
        .with_hint("run several statements as a script, without arguments, or one by one")
        .with_nothing_sent(true)
}
