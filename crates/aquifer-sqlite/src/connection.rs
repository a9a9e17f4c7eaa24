//! [`SqliteConnection`]: the owner's side.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use aquifer_driver::{
    Batch, BoxFuture, Cancel, Canceller, Columns, Command, Connection, Counters, Description,
    Error, ErrorKind, Outcome, ParamBuf, Params, Result, RowBatch, Status, Step, Want,
};

use crate::batch::{check_all, check_queued};
use crate::bind::Check;
use crate::engine::{Engine, Failure, Filled, Place, Run, Started};
use crate::job::Job;
use crate::open::Opening;
use crate::raw::{Interrupter, MemoryCounter};
use crate::worker::{Answer, Worker};

/// What a ping runs: it reads the first page of the file.
const PING: &str = "SELECT 1 FROM sqlite_schema LIMIT 1";

/// A connection to a SQLite database.
///
/// Applications reach it through `conn.driver::<SqliteConnection>()`, for what only SQLite has:
/// [`backup`](Self::backup), [`attach`](Self::attach), [`wal_checkpoint`](Self::wal_checkpoint),
/// [`load_extension`](Self::load_extension).
pub struct SqliteConnection {
    /// `None` while the worker has it.
    engine: Option<Box<Engine>>,
    /// Started when it is first needed.
    worker: Option<Worker>,
    interrupter: Interrupter,
    state: State,
    /// The owner has given up the command under way.
    abandoned: bool,
    /// The worker is rolling back for a recovery.
    recovering: bool,
    broken: bool,
    rounds: u64,
    /// Takes what nobody reads during a recovery.
    scratch: RowBatch,
    /// As they were when the engine went to the worker.
    counters: Counters,
    /// The columns of statements without rows.
    none: Arc<Columns>,
}

/// Where the command under way stands.
#[derive(Debug)]
enum State {
    /// None is.
    Ready,
    /// It is over, and its end has not been told; or it was abandoned here.
    Done,
    /// A bound query that has not given a row to the caller: it may still be run again elsewhere.
    Inline(Run),
    /// Rows have been handed over: the query goes on on the worker.
    Handed(Run),
    /// The worker is at it. Whether it can be interrupted without undoing anything.
    Away { only_reads: bool },
}

impl SqliteConnection {
    fn new(engine: Box<Engine>, worker: Option<Worker>) -> Self {
        Self {
            interrupter: engine.handle.interrupter(),
            none: Arc::clone(engine.none()),
            counters: engine.counters(),
            engine: Some(engine),
            worker,
            state: State::Ready,
            abandoned: false,
            recovering: false,
            broken: false,
            rounds: 0,
            scratch: RowBatch::new(),
        }
    }

    /// How many statements SQLite holds for this connection, cached ones among them; `None` while a
    /// command is under way on the worker.
    #[must_use]
    pub fn statement_count(&self) -> Option<usize> {
        self.engine.as_ref().map(|engine| engine.handle.statement_count())
    }

    /// Bytes of memory that SQLite's statements of this connection take; `None` while a command is under
    /// way on the worker.
    #[must_use]
    pub fn statement_memory(&self) -> Option<u64> {
        let engine = self.engine.as_ref()?;
        engine.handle.memory(MemoryCounter::Statements).ok().map(u64::from)
    }

    /// Opens a database; dropping the future gives up, and whatever was opened is closed by the worker.
    pub(crate) async fn open(opening: Opening) -> Result<Self> {
        if opening.path.is_none() {
            // Memory: nothing is read, waited for or written.
            return Ok(Self::new(Box::new(opening.open(&|| false)?), None));
        }
        let mut worker = Worker::spawn(Some(opening))?;
        let mut batch = RowBatch::new();
        let none = Arc::default();
        match poll_fn(|cx| worker.poll(cx, &mut batch, &none)).await {
            Answer::Ended(Some(engine), Ok(_)) => {
                let mut connection = Self::new(engine, Some(worker));
                connection.rounds = 1;
                Ok(connection)
            }
            Answer::Ended(_, Err(error)) => Err(error),
            _ => Err(lost()),
        }
    }

    /// The engine, if a command may start.
    fn ready(&mut self) -> Result<&mut Engine> {
        if self.broken {
            return Err(lost());
        }
        match (&self.state, &mut self.engine) {
            (State::Ready, Some(engine)) => Ok(engine),
            (State::Done, Some(engine)) if self.abandoned => Ok(engine),
            _ => Err(misuse("a command is under way")),
        }
    }

    /// Gives the engine to the worker with something to do.
    fn submit(&mut self, job: Job, only_reads: bool) -> Result<()> {
        if self.worker.is_none() {
            self.worker = Some(Worker::spawn(None)?);
        }
        if let (Some(worker), Some(engine)) = (&mut self.worker, self.engine.take()) {
            self.rounds += 1;
            self.counters = engine.counters();
            self.state = State::Away { only_reads };
            worker.submit(engine, job);
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<()> {
        let engine = self.ready()?;
        engine.handle.begin();
        match engine.start(Place::Inline, sql, params, want)? {
            Started::Inline(run) => {
                self.state = State::Inline(run);
                Ok(())
            }
            Started::Nothing => {
                self.state = State::Done;
                Ok(())
            }
            Started::Worker(run) => {
                let only_reads = engine.only_reads(&run);
                self.submit(Job::Run(run), only_reads)
            }
            Started::Late => {
                params.bind(&mut Check::default())?;
                let params = ParamBuf::of(&params)?;
                self.submit(Job::Execute { sql: sql.into(), params, want }, false)
            }
        }
    }

    /// Runs a transaction's command here if it neither waits nor writes, else on the worker.
    fn control(&mut self, sql: &'static str, quick: bool) -> Result<()> {
        if quick && let Some(engine) = &mut self.engine {
            engine.control(Place::Inline, sql)?;
            self.state = State::Done;
            return Ok(());
        }
        self.submit(Job::Control(sql), false)
    }

    /// Runs something on the worker, as a command of its own, and waits for it.
    pub(crate) async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.ready()?.handle.begin();
        self.abandoned = false;
        let (give, take) = std::sync::mpsc::sync_channel(1);
        let job = Job::Call(Box::new(move |engine| {
            // The receiver is only gone if nobody wants the answer any more.
            let _ = give.send(work(engine)?);
            Ok(())
        }));
        self.submit(job, false)?;
        let mut batch = RowBatch::new();
        poll_fn(|cx| self.poll_next(cx, &mut batch)).await?;
        take.try_recv().map_err(|_| lost())
    }

    /// Takes what the worker has. Rows of an abandoned command are dropped.
    fn poll_worker(&mut self, cx: &Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        loop {
            let Some(worker) = &mut self.worker else {
                return Poll::Ready(Err(self.lose()));
            };
            let step = match worker.poll(cx, batch, &self.none) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Answer::Rows) => Step::Rows,
                Poll::Ready(Answer::Set(outcome)) => Step::EndOfSet(outcome),
                Poll::Ready(Answer::Failed(error)) => Step::Failed(error),
                Poll::Ready(Answer::Ended(Some(engine), result)) => {
                    self.engine = Some(engine);
                    let was = std::mem::replace(&mut self.state, State::Ready);
                    if self.abandoned {
                        batch.clear();
                    }
                    return Poll::Ready(match (result, was) {
                        (Ok(outcome), _) => Ok(Step::End(outcome)),
                        // That a query was stopped is what abandoning it asked for.
                        (Err(error), State::Away { only_reads: true })
                            if self.abandoned && error.kind() == ErrorKind::Cancelled =>
                        {
                            Ok(Step::End(Outcome::default()))
                        }
                        (Err(error), _) => Err(error),
                    });
                }
                Poll::Ready(Answer::Ended(None, _) | Answer::Lost) => {
                    batch.clear();
                    return Poll::Ready(Err(self.lose()));
                }
            };
            if !self.abandoned {
                return Poll::Ready(Ok(step));
            }
        }
    }

    #[cold]
    fn lose(&mut self) -> Error {
        self.broken = true;
        self.state = State::Ready;
        lost()
    }

    fn transaction_status(engine: &Engine) -> Status {
        if engine.handle.autocommit() { Status::Idle } else { Status::Transaction }
    }

    /// Has everything closed: by the worker if there is one, because closing may write and sync.
    fn shut(&mut self) {
        let engine = self.engine.take();
        match &mut self.worker {
            Some(worker) => {
                if engine.is_none() {
                    self.interrupter.interrupt_current();
                }
                worker.close(engine);
            }
            None => drop(engine),
        }
    }
}

impl Connection for SqliteConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        let engine = self.ready()?;
        let result = match command {
            Command::Execute { sql, params, want } => self.execute(sql, params, want),
            Command::Ping => self.execute(PING, &(), Want::Outcome),
            Command::Script { sql } => {
                engine.handle.begin();
                self.submit(Job::Script(sql.into()), false)
            }
            Command::Prepare { sql } => {
                engine.handle.begin();
                match engine.describe(Place::Inline, sql) {
                    Ok(()) => {
                        self.state = State::Done;
                        Ok(())
                    }
                    Err(Failure::Later) => self.submit(Job::Prepare(sql.into()), true),
                    Err(Failure::Error(error)) => Err(error),
                }
            }
            Command::Batch(batch) => {
                engine.handle.begin();
                if batch.is_empty() {
                    self.state = State::Done;
                    Ok(())
                } else {
                    check_all(&batch)?;
                    self.submit(Job::Batch(batch), false)
                }
            }
            Command::Begin(options) => {
                engine.handle.begin();
                let (sql, quick) = engine.plan_begin(options)?;
                let quick = quick && engine.runs_inline();
                self.control(sql, quick)
            }
            Command::Commit => {
                engine.handle.begin();
                if engine.handle.autocommit() {
                    return Err(Error::new(ErrorKind::TxDone, "no transaction is open to commit"));
                }
                let quick = engine.ends_quickly();
                self.control("COMMIT", quick)
            }
            Command::Rollback => {
                engine.handle.begin();
                if engine.handle.autocommit() {
                    self.state = State::Done;
                    Ok(())
                } else if engine.ends_quickly() {
                    engine.rollback(Place::Inline)?;
                    self.state = State::Done;
                    Ok(())
                } else {
                    self.submit(Job::Rollback, false)
                }
            }
            Command::Reset => {
                engine.handle.begin();
                self.submit(Job::Reset, false)
            }
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the SQLite driver does not know the command {other:?}"),
            )),
        };
        if result.is_ok() {
            self.abandoned = false;
        } else if self.engine.is_some() {
            self.state = State::Ready;
        }
        result
    }

    fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        let engine = self.ready()?;
        if engine.handle.autocommit() {
            return Err(
                Error::new(ErrorKind::TxDone, "no transaction is open").with_nothing_sent(true)
            );
        }
        check_queued(queued)?;
        let job = match command {
            Command::Execute { sql, params, want } => {
                params.bind(&mut Check::default())?;
                Job::Execute { sql: sql.into(), params: ParamBuf::of(params)?, want }
            }
            Command::Batch(batch) => {
                check_all(&batch)?;
                Job::Batch(batch)
            }
            Command::Commit => Job::Control("COMMIT"),
            Command::Ping => Job::Nothing,
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("{other:?} cannot follow queued statements"),
                )
                .with_nothing_sent(true));
            }
        };
        engine.handle.begin();
        self.submit(Job::After(Arc::clone(queued), Box::new(job)), false)?;
        self.abandoned = false;
        Ok(())
    }

    fn takes_queued(&self) -> bool {
        true
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.broken {
            batch.clear();
            return Poll::Ready(Err(lost()));
        }
        if matches!(self.state, State::Away { .. }) {
            // A batch gives many of these in a row. (An abandoned command gives none.)
            if let Some(outcome) = self.worker.as_mut().and_then(Worker::next_plain) {
                batch.set_columns(&self.none);
                return Poll::Ready(Ok(Step::EndOfSet(outcome)));
            }
            return self.poll_worker(cx, batch);
        }
        match std::mem::replace(&mut self.state, State::Ready) {
            State::Ready | State::Away { .. } => {
                batch.clear();
                Poll::Ready(Err(misuse("no command is under way")))
            }
            State::Done => {
                batch.set_columns(&self.none);
                Poll::Ready(Ok(Step::End(Outcome::default())))
            }
            State::Inline(mut run) => {
                let Some(engine) = &mut self.engine else {
                    return Poll::Ready(Err(self.lose()));
                };
                engine.limit(Place::Inline);
                match engine.fill(Place::Inline, &mut run, batch) {
                    Ok(Filled::Done(outcome)) => Poll::Ready(Ok(Step::End(outcome))),
                    Ok(Filled::Full) => {
                        self.state = State::Handed(run);
                        Poll::Ready(Ok(Step::Rows))
                    }
                    // Not one row has reached the caller.
                    Err(Failure::Later) => match self.submit(Job::Run(run.again()), true) {
                        Ok(()) => self.poll_worker(cx, batch),
                        Err(error) => Poll::Ready(Err(error)),
                    },
                    Err(Failure::Error(error)) => Poll::Ready(Err(error)),
                }
            }
            State::Handed(run) => {
                if self.worker.is_none() {
                    match Worker::spawn(None) {
                        Ok(worker) => self.worker = Some(worker),
                        Err(error) => {
                            if let Some(engine) = &mut self.engine {
                                engine.stop(&run);
                            }
                            batch.clear();
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                match self.submit(Job::Run(run), true) {
                    Ok(()) => self.poll_worker(cx, batch),
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
        }
    }

    fn take_outcomes(&mut self, to: &mut Vec<Outcome>) {
        if matches!(self.state, State::Away { .. })
            && let Some(worker) = &mut self.worker
        {
            worker.take_plain(to);
        }
    }

    fn abandon(&mut self) -> Status {
        match &self.state {
            State::Ready => {}
            State::Done => self.abandoned = true,
            State::Inline(run) | State::Handed(run) => {
                if let Some(engine) = &mut self.engine {
                    engine.stop(run);
                }
                self.state = State::Done;
                self.abandoned = true;
            }
            State::Away { only_reads } => {
                if !self.abandoned {
                    self.abandoned = true;
                    if *only_reads {
                        self.interrupter.interrupt_current();
                    }
                    if let Some(worker) = &mut self.worker {
                        worker.discard();
                    }
                }
            }
        }
        self.status()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.broken {
            return Poll::Ready(Err(lost()));
        }
        if matches!(self.state, State::Away { .. }) && !self.recovering {
            self.abandon();
            // Whatever it is doing will be rolled back.
            self.interrupter.interrupt_current();
        }
        loop {
            match &self.state {
                State::Away { .. } => {
                    let mut batch = std::mem::take(&mut self.scratch);
                    let polled = self.poll_worker(cx, &mut batch);
                    self.scratch = batch;
                    match polled {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(_) if self.broken => return Poll::Ready(Err(lost())),
                        // The rollback is our own; its failure is not the command's.
                        Poll::Ready(Err(error)) if self.recovering => {
                            self.broken = true;
                            return Poll::Ready(Err(error));
                        }
                        Poll::Ready(_) => {}
                    }
                }
                State::Inline(_) | State::Handed(_) => {
                    self.abandon();
                }
                State::Ready | State::Done => {
                    let Some(engine) = &mut self.engine else {
                        return Poll::Ready(Err(self.lose()));
                    };
                    if engine.handle.autocommit() {
                        self.recovering = false;
                        self.state = State::Ready;
                        return Poll::Ready(Ok(()));
                    }
                    if engine.ends_quickly() {
                        if let Err(error) = engine.rollback(Place::Inline) {
                            self.broken = true;
                            return Poll::Ready(Err(error));
                        }
                    } else {
                        self.recovering = true;
                        if let Err(error) = self.submit(Job::Rollback, false) {
                            return Poll::Ready(Err(error));
                        }
                    }
                }
            }
        }
    }

    fn status(&self) -> Status {
        if self.broken {
            return Status::Broken;
        }
        match (&self.state, &self.engine) {
            (State::Ready, Some(engine)) => Self::transaction_status(engine),
            (State::Done, Some(engine)) if self.abandoned => Self::transaction_status(engine),
            _ => Status::Busy,
        }
    }

    fn session_changed(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| engine.session.changed)
    }

    fn adopt_session(&mut self) {
        if let Ok(engine) = self.ready() {
            engine.handle.begin();
            engine.handle.set_budget(None);
            engine.handle.busy_timeout(0);
            engine.adopt_session();
        }
    }

    fn canceller(&self) -> Canceller {
        Canceller::new(Arc::new(Interrupt(self.interrupter.clone())))
    }

    fn take_description(&mut self) -> Option<Description> {
        self.engine.as_mut()?.description.take()
    }

    fn counters(&self) -> Counters {
        let mut counters = self.engine.as_ref().map_or(self.counters, |engine| engine.counters());
        counters.rounds = self.rounds;
        counters
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            self.shut();
            if let Some(worker) = &mut self.worker {
                poll_fn(|cx| worker.poll_gone(cx)).await;
            }
            Ok(())
        })
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        self.shut();
    }
}

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection")
            .field("status", &self.status())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Stops the command under way when it is called. An interrupt names the operation that is current at
/// that moment, and every command is an operation of its own: a later one is never hit.
struct Interrupt(Interrupter);

impl Cancel for Interrupt {
    fn cancel(&self) -> BoxFuture<'static, ()> {
        self.0.interrupt_current();
        Box::pin(std::future::ready(()))
    }
}

#[cold]
fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the worker of the SQLite connection is gone")
        .with_hint("open another connection")
}

#[cold]
fn misuse(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, what).with_nothing_sent(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aquifer_testkit::block_on_for;

    use super::*;

    fn memory() -> SqliteConnection {
        let opening = Opening {
            path: None,
            name: "memory".into(),
            options: Arc::default(),
            access: aquifer_driver::Access::ReadWrite,
            first: Arc::default(),
        };
        let connection = block_on_for(Duration::from_secs(30), SqliteConnection::open(opening));
        connection.expect("a wake").expect("a database in memory")
    }

    #[test]
    fn a_panic_on_the_worker_breaks_the_connection_and_hangs_nobody() {
        let mut connection = memory();
        let panics = connection.call(|_| -> Result<()> { panic!("injected") });
        let error = block_on_for(Duration::from_secs(30), panics).expect("a wake").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionLost);
        assert_eq!(connection.status(), Status::Broken);
        assert!(connection.start(Command::Ping).is_err());
        assert_eq!(connection.abandon(), Status::Broken);
        let recovered = poll_fn(|cx| connection.poll_recover(cx));
        assert!(block_on_for(Duration::from_secs(30), recovered).expect("a wake").is_err());
        let closed = Box::new(connection).close();
        assert!(block_on_for(Duration::from_secs(30), closed).expect("a wake").is_ok());
    }
}
