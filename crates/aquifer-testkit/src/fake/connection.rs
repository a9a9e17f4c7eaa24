//! [`FakeConnection`]: the driver's side of a connection, strict about its caller.

mod command;
mod multiplex;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::multiplex::Multiplex;
use aquifer_driver::{
    Access, BoxFuture, Canceller, Command, Connection, Counters, Description, Error, ErrorKind,
    Outcome, Result, RowBatch, Status, Step, TxOptions, Value, Want,
};

use super::answer::Answer;
use super::cancel::{FakeCancel, Ticket};
use super::fault::{Event, Fault, Operation, Ordeal};
use super::options::Abandon;
use super::parse::Parsed;
use super::server::Shared;
use super::session::{Ran, Session, tx_failed};
use crate::clock::Timer;
use multiplex::Pipeline;

/// A connection to a [`FakeServer`](super::FakeServer).
///
/// What its caller does against the contract is recorded as a violation and answered with an error.
pub struct FakeConnection {
    number: u64,
    shared: Arc<Shared>,
    session: Session,
    ticket: Arc<Ticket>,
    running: Option<Running>,
    pipeline: Pipeline,
    /// The owner has abandoned the command, and replies are still owed.
    owed: bool,
    recovery: Option<Ordeal>,
    broken: bool,
    said_goodbye: bool,
    /// `Begin` was accepted and has not been sent.
    begin_held: Option<TxOptions>,
    /// Prepared statements, the least recently used first.
    cache: VecDeque<(Arc<str>, Arc<Parsed>)>,
    description: Option<Description>,
    counters: Counters,
    commands: u64,
    /// Tells the connector that this connection lives.
    _alive: Arc<()>,
}

/// A command under way.
struct Running {
    operation: Operation,
    sql: Option<Arc<str>>,
    jobs: VecDeque<Job>,
    stage: Stage,
    ordeal: Option<Ordeal>,
    /// A statement of a batch has failed, and the rest must not run.
    stopped: bool,
}

enum Stage {
    /// Nothing was sent yet.
    Fresh,
    /// On its way, or the next batch is.
    Travelling(Option<Answer>),
    /// The next job can run.
    Working,
    Sleeping(Timer, Answer),
    Giving(Answer),
}

enum Job {
    Statement { sql: Arc<str>, params: Vec<Value>, want: Want },
    Parsed(Arc<Parsed>),
    Script(Arc<str>),
    Prepare(Arc<str>),
    Begin(TxOptions),
    Commit,
    Rollback,
    Ping,
    Reset,
}

impl FakeConnection {
    pub(super) fn new(number: u64, access: Access, shared: Arc<Shared>, alive: Arc<()>) -> Self {
        Self {
            number,
            session: Session::new(number, Arc::clone(&shared), access),
            shared,
            ticket: Arc::default(),
            running: None,
            pipeline: Pipeline::default(),
            owed: false,
            recovery: None,
            broken: false,
            said_goodbye: false,
            begin_held: None,
            cache: VecDeque::new(),
            description: None,
            counters: Counters::default(),
            commands: 0,
            _alive: alive,
        }
    }

    /// The connection's number, from 1, in the order of dialling.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn violate(&self, what: &str) {
        self.shared.violate(format!("connection {}: {what}", self.number));
    }

    /// The command is over.
    fn finish(&mut self) {
        self.running = None;
        self.pipeline = Pipeline::default();
        self.owed = false;
        self.ticket.end();
        let open = self.session.in_transaction();
        self.shared.state().set_in_transaction(self.number, open);
    }

    /// The connection is over.
    fn break_down(&mut self) {
        self.broken = true;
        self.begin_held = None;
        self.session.rollback();
        self.cache.clear();
        self.counters.cached = 0;
        self.shared.state().set_prepared(self.number, 0);
        self.finish();
    }

    /// Sends what is to be sent, and finds out what it has to live through.
    fn send(&mut self, running: &mut Running) {
        self.counters.rounds += 1;
        self.shared.state().counters.rounds += 1;
        let mut waits = Vec::new();
        if let Some(options) = self.begin_held.take() {
            let event = Event { connection: self.number, operation: Operation::Begin, sql: None };
            waits.push(self.shared.arrive(&event));
            // It was checked when it was held back.
            let _ = self.session.begin(options);
        }
        let event = Event {
            connection: self.number,
            operation: running.operation,
            sql: running.sql.as_deref(),
        };
        let mut ordeal = self.shared.arrive(&event);
        for earlier in waits {
            ordeal.prepend(earlier);
        }
        running.ordeal = Some(ordeal);
    }

    fn drive(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        let Some(mut running) = self.running.take() else {
            return Poll::Ready(Err(misuse("no command is under way")));
        };
        let polled = self.advance(&mut running, cx, batch);
        match &polled {
            Poll::Ready(Ok(Step::End(_)) | Err(_)) => {
                self.finish();
                self.description_is_kept_only_for_prepare(&running);
            }
            _ => self.running = Some(running),
        }
        polled
    }

    fn description_is_kept_only_for_prepare(&mut self, running: &Running) {
        if running.operation != Operation::Prepare {
            self.description = None;
        }
    }

    fn advance(
        &mut self,
        running: &mut Running,
        cx: &mut Context<'_>,
        batch: &mut RowBatch,
    ) -> Poll<Result<Step>> {
        batch.clear();
        loop {
            let stoppable = !matches!(
                running.operation,
                Operation::Commit | Operation::Rollback | Operation::Begin
            );
            // Always asked: that is what registers the waker.
            if self.ticket.is_cancelled(cx.waker()) && stoppable {
                self.session.note_error();
                return Poll::Ready(Err(cancelled()));
            }
            match std::mem::replace(&mut running.stage, Stage::Working) {
                Stage::Fresh => {
                    let silent = running.jobs.is_empty();
                    if silent {
                        return Poll::Ready(Ok(Step::End(Outcome::default())));
                    }
                    self.send(running);
                    running.stage = Stage::Travelling(None);
                }
                Stage::Travelling(answer) => {
                    if let Some(ordeal) = &mut running.ordeal
                        && ordeal.poll(cx).is_pending()
                    {
                        running.stage = Stage::Travelling(answer);
                        return Poll::Pending;
                    }
                    if let Some(blow) = running.ordeal.take().and_then(|ordeal| ordeal.blow) {
                        return Poll::Ready(Err(self.suffer(&blow, running, cx)));
                    }
                    running.stage = answer.map_or(Stage::Working, Stage::Giving);
                }
                Stage::Working => match self.work(running, cx.waker()) {
                    Work::Waits => {
                        running.stage = Stage::Working;
                        return Poll::Pending;
                    }
                    Work::Ready(stage) => running.stage = stage,
                    Work::Step(step) => return Poll::Ready(step),
                },
                Stage::Sleeping(mut timer, answer) => {
                    if timer.poll(cx).is_pending() {
                        running.stage = Stage::Sleeping(timer, answer);
                        return Poll::Pending;
                    }
                    running.stage = Stage::Giving(answer);
                }
                Stage::Giving(answer) => return Poll::Ready(self.give(running, answer, batch)),
            }
        }
    }

    /// Hands over the next batch of an answer.
    fn give(
        &mut self,
        running: &mut Running,
        mut answer: Answer,
        batch: &mut RowBatch,
    ) -> Result<Step> {
        if self.owed {
            answer.no_rows();
        }
        let more = match answer.fill(batch, &self.shared.options) {
            Ok(more) => more,
            Err(error) => {
                batch.clear();
                self.session.note_error();
                return self.failed(running, error);
            }
        };
        self.shared.state().counters.rows += batch.len() as u64;
        if more {
            let event = Event {
                connection: self.number,
                operation: Operation::Fetch,
                sql: running.sql.as_deref(),
            };
            running.ordeal = Some(self.shared.arrive(&event));
            running.stage = Stage::Travelling(Some(answer));
            return Ok(Step::Rows);
        }
        Ok(if running.jobs.is_empty() {
            Step::End(answer.outcome)
        } else {
            Step::EndOfSet(answer.outcome)
        })
    }

    /// A statement failed: the end of the command, or of one item of a batch.
    fn failed(&mut self, running: &mut Running, error: Error) -> Result<Step> {
        if running.operation != Operation::Batch {
            return Err(error);
        }
        if self.session.in_transaction() || self.shared.options.batches_stop {
            running.stopped = true;
        }
        running.stage = Stage::Working;
        Ok(Step::Failed(error))
    }

    /// A blow falls on the command.
    fn suffer(&mut self, blow: &Fault, running: &mut Running, cx: &Context<'_>) -> Error {
        if matches!(blow, Fault::LostDone) {
            while let Some(job) = running.jobs.pop_front() {
                // Nobody hears what became of it; what would have to wait is not done.
                if let Ok(Performed::Ran(Ran::Waits)) = self.perform(job, running, cx.waker()) {
                    break;
                }
            }
        }
        if matches!(blow, Fault::Panic) {
            self.break_down();
        }
        let (error, breaks) = blow.error(running.operation);
        if matches!(blow, Fault::EndsTransaction(_)) {
            self.session.rollback();
        } else if breaks {
            self.break_down();
        } else {
            self.session.note_error();
        }
        error
    }

    fn work(&mut self, running: &mut Running, waker: &Waker) -> Work {
        let Some(job) = running.jobs.pop_front() else {
            // The last statement of a batch failed: its end belongs to no statement.
            return Work::Step(Ok(Step::End(Outcome::default())));
        };
        if running.stopped {
            return Work::Step(Ok(Step::Failed(tx_failed())));
        }
        match self.perform(job, running, waker) {
            Ok(Performed::Ran(Ran::Done(answer))) => Work::Ready(Stage::Giving(answer)),
            Ok(Performed::Ran(Ran::Sleeps(ms, answer))) => {
                let timer = self.shared.clock.timer(Duration::from_millis(ms));
                Work::Ready(Stage::Sleeping(timer, answer))
            }
            Ok(Performed::Ran(Ran::Waits)) => Work::Waits,
            Ok(Performed::Expanded) => Work::Ready(Stage::Working),
            Err(error) => Work::Step(self.failed(running, error)),
        }
    }
}

enum Work {
    Waits,
    Ready(Stage),
    Step(Result<Step>),
}

enum Performed {
    Ran(Ran),
    /// More jobs were queued in its place.
    Expanded,
}

impl Connection for FakeConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        if self.running.is_some() {
            self.violate(&format!("{command:?} was started while a command is under way"));
            return Err(misuse("a command is under way"));
        }
        if !self.pipeline.is_empty() {
            self.violate(&format!("{command:?} was started while statements of others are owed"));
            return Err(misuse("statements are owed"));
        }
        if self.recovery.is_some() {
            self.violate(&format!("{command:?} was started in the middle of a recovery"));
            return Err(misuse("the connection is recovering"));
        }
        if self.broken {
            return Err(lost());
        }
        let running = self.accept(command)?;
        self.commands += 1;
        self.ticket.begin(self.commands);
        self.running = Some(running);
        Ok(())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.broken {
            batch.clear();
            return Poll::Ready(Err(lost()));
        }
        if self.running.is_none() {
            self.violate("poll_next was called when no command was under way");
            return Poll::Ready(Err(misuse("no command is under way")));
        }
        if self.recovery.is_some() {
            self.violate("poll_next was called in the middle of a recovery");
            return Poll::Ready(Err(misuse("the connection is recovering")));
        }
        self.drive(cx, batch)
    }

    fn abandon(&mut self) -> Status {
        if self.running.is_some() || !self.pipeline.is_empty() {
            if self.owed {
                self.violate("abandon was called twice for one command");
            } else if self.shared.options.abandon == Abandon::Ends {
                self.finish();
            } else {
                self.owed = true;
            }
        }
        self.status()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.broken {
            return Poll::Ready(Err(lost()));
        }
        let busy = self.running.is_some() || !self.pipeline.is_empty();
        if busy && !self.owed {
            self.violate("poll_recover was called without abandon while a command is under way");
            self.owed = true;
        }
        if self.recovery.is_none() {
            if !busy && !self.session.in_transaction() && self.begin_held.is_none() {
                return Poll::Ready(Ok(()));
            }
            self.shared.state().counters.recoveries += 1;
            let event = Event { connection: self.number, operation: Operation::Recover, sql: None };
            self.recovery = Some(self.shared.arrive(&event));
        }
        if let Some(ordeal) = &mut self.recovery {
            if ordeal.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(blow) = ordeal.blow.take() {
                self.recovery = None;
                let (error, _) = blow.error(Operation::Recover);
                self.break_down();
                return Poll::Ready(Err(error));
            }
        }
        let mut scratch = RowBatch::new();
        while self.running.is_some() {
            match self.drive(cx, &mut scratch) {
                Poll::Pending => return Poll::Pending,
                // What became of the abandoned command is nobody's business any more.
                Poll::Ready(_) if self.broken => {
                    self.recovery = None;
                    return Poll::Ready(Err(lost()));
                }
                Poll::Ready(_) => {}
            }
        }
        if !self.pipeline.is_empty() {
            match self.drain(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.recovery = None;
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        self.recovery = None;
        self.begin_held = None;
        if self.session.in_transaction() {
            self.counters.rounds += 1;
            self.shared.state().counters.rounds += 1;
            self.session.rollback();
        }
        self.finish();
        Poll::Ready(Ok(()))
    }

    fn status(&self) -> Status {
        if self.broken {
            Status::Broken
        } else if self.running.is_some() || self.recovery.is_some() || !self.pipeline.is_empty() {
            Status::Busy
        } else if self.session.is_failed() {
            Status::FailedTransaction
        } else if self.session.in_transaction() || self.begin_held.is_some() {
            Status::Transaction
        } else {
            Status::Idle
        }
    }

    fn canceller(&self) -> Canceller {
        Canceller::new(Arc::new(FakeCancel {
            connection: self.number,
            shared: Arc::clone(&self.shared),
            ticket: Arc::clone(&self.ticket),
        }))
    }

    fn take_description(&mut self) -> Option<Description> {
        self.description.take()
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn multiplex(&mut self) -> Option<&mut dyn Multiplex> {
        if self.shared.options.multiplexes { Some(self) } else { None }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        if (self.running.is_some() || !self.pipeline.is_empty()) && !self.owed {
            self.violate("close was called while a command is under way that was not abandoned");
        }
        Box::pin(async move {
            let event = Event { connection: self.number, operation: Operation::Close, sql: None };
            let ordeal = self.shared.arrive(&event);
            if let Some(blow) = ordeal.endure().await {
                return Err(blow.error(Operation::Close).0);
            }
            self.said_goodbye = true;
            Ok(())
        })
    }
}

impl Drop for FakeConnection {
    fn drop(&mut self) {
        self.ticket.end();
        self.session.rollback();
        let mut state = self.shared.state();
        if self.said_goodbye {
            state.counters.closes += 1;
        } else {
            state.counters.drops += 1;
        }
        state.close(self.number);
    }
}

impl fmt::Debug for FakeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeConnection")
            .field("number", &self.number)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the statement was cancelled")
        .with_code("FAKE_CANCELLED")
        .with_sqlstate("57014")
}

fn lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection is broken").with_nothing_sent(true)
}

fn misuse(what: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the driver was used against its contract: {what}"))
}
