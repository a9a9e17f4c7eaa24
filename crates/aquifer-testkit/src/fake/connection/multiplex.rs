//! Statements of several callers on one connection, one behind the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aquifer_driver::multiplex::{Answers, Multiplex, Room, Ticket};
use aquifer_driver::{Error, Outcome, Params, Result, Value, Want};

use super::super::answer::Answer;
use super::super::fault::{Event, Fault, Operation, Ordeal};
use super::super::session::Ran;
use super::command::wrong_count;
use super::{FakeConnection, Timer, cancelled, lost, misuse};

/// Statements that were pushed and are not answered.
#[derive(Default)]
pub(super) struct Pipeline {
    pushed: VecDeque<Pushed>,
    /// The segment that statements are added to, and whether it has any.
    segment: u64,
    open: bool,
    /// Something was pushed since the last write.
    unsent: bool,
}

struct Pushed {
    ticket: Ticket,
    sql: Arc<str>,
    params: Vec<Value>,
    want: Want,
    segment: u64,
    stage: Stage,
}

enum Stage {
    Queued,
    Travelling(Ordeal),
    Arrived,
    Sleeping(Timer, Answer),
    Giving(Giving),
    Fetching(Ordeal, Giving),
}

struct Giving {
    answer: Answer,
    /// The batch has the columns.
    begun: bool,
}

impl From<Answer> for Giving {
    fn from(answer: Answer) -> Self {
        Self { answer, begun: false }
    }
}

impl Pipeline {
    pub(super) fn is_empty(&self) -> bool {
        self.pushed.is_empty()
    }
}

/// Nobody reads what is drained.
struct Nobody;

impl Answers for Nobody {
    fn room(&mut self, _: Ticket) -> Room<'_> {
        Room::Skip
    }

    fn answered(&mut self, _: Ticket, _: Result<Outcome>) {}

    fn not_run(&mut self, _: Ticket) {}
}

impl FakeConnection {
    /// Reads off what is owed, for nobody.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.end_segment();
        while !self.pipeline.is_empty() {
            ready!(self.poll_head(cx, &mut Nobody))?;
        }
        Poll::Ready(Ok(()))
    }

    fn next_number(&mut self) -> u64 {
        self.commands += 1;
        self.commands
    }

    /// The statement at the head is over, with an error: nothing else of its segment runs.
    fn head_failed(&mut self, error: Error, answers: &mut dyn Answers) {
        let Some(head) = self.pipeline.pushed.pop_front() else { return };
        answers.answered(head.ticket, Err(error));
        while let Some(next) = self.pipeline.pushed.front()
            && next.segment == head.segment
        {
            let ticket = next.ticket;
            self.pipeline.pushed.pop_front();
            answers.not_run(ticket);
        }
    }

    /// Brings the statement at the head to its end.
    fn poll_head(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        loop {
            // Always asked: that is what registers the waker.
            if self.ticket.is_cancelled(cx.waker()) {
                let number = self.next_number();
                self.ticket.is_met(number);
                self.head_failed(cancelled(), answers);
                return Poll::Ready(Ok(()));
            }
            let Some(mut head) = self.pipeline.pushed.pop_front() else {
                return Poll::Ready(Ok(()));
            };
            let stage = std::mem::replace(&mut head.stage, Stage::Queued);
            let polled = self.advance_head(stage, &head, cx, answers);
            match polled {
                Step::On(stage) => {
                    head.stage = stage;
                    self.pipeline.pushed.push_front(head);
                }
                Step::Waits(stage) => {
                    head.stage = stage;
                    self.pipeline.pushed.push_front(head);
                    return Poll::Pending;
                }
                Step::Failed(error) => {
                    self.pipeline.pushed.push_front(head);
                    self.head_failed(error, answers);
                    return Poll::Ready(Ok(()));
                }
                Step::Over(outcome) => {
                    answers.answered(head.ticket, Ok(outcome));
                    return Poll::Ready(Ok(()));
                }
                Step::Lost(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn advance_head(
        &mut self,
        stage: Stage,
        head: &Pushed,
        cx: &mut Context<'_>,
        answers: &mut dyn Answers,
    ) -> Step {
        match stage {
            Stage::Queued => {
                let event = self.event(Operation::Execute, head);
                Step::On(Stage::Travelling(self.shared.arrive(&event)))
            }
            Stage::Travelling(mut ordeal) => match ordeal.poll(cx) {
                Poll::Pending => Step::Waits(Stage::Travelling(ordeal)),
                Poll::Ready(()) => match ordeal.blow {
                    Some(blow) => self.strike(&blow, head, cx),
                    None => Step::On(Stage::Arrived),
                },
            },
            Stage::Arrived => match self.run_head(head, cx) {
                Ok(Ran::Waits) => Step::Waits(Stage::Arrived),
                Ok(Ran::Sleeps(ms, answer)) => {
                    let timer = self.shared.clock.timer(Duration::from_millis(ms));
                    Step::On(Stage::Sleeping(timer, answer))
                }
                Ok(Ran::Done(answer)) => Step::On(Stage::Giving(answer.into())),
                Err(error) => Step::Failed(error),
            },
            Stage::Sleeping(mut timer, answer) => match timer.poll(cx) {
                Poll::Pending => Step::Waits(Stage::Sleeping(timer, answer)),
                Poll::Ready(()) => Step::On(Stage::Giving(answer.into())),
            },
            Stage::Fetching(mut ordeal, giving) => match ordeal.poll(cx) {
                Poll::Pending => Step::Waits(Stage::Fetching(ordeal, giving)),
                Poll::Ready(()) => match ordeal.blow {
                    Some(blow) => self.strike(&blow, head, cx),
                    None => Step::On(Stage::Giving(giving)),
                },
            },
            Stage::Giving(giving) => self.give_head(giving, head, answers),
        }
    }

    fn event<'a>(&self, operation: Operation, head: &'a Pushed) -> Event<'a> {
        Event { connection: self.number, operation, sql: Some(&head.sql) }
    }

    /// A blow falls on the statement at the head.
    fn strike(&mut self, blow: &Fault, head: &Pushed, cx: &mut Context<'_>) -> Step {
        if matches!(blow, Fault::LostDone) {
            // Nobody hears what became of it.
            drop(self.run_head(head, cx));
        }
        if matches!(blow, Fault::Panic) {
            self.break_down();
        }
        let (error, breaks) = blow.error(Operation::Execute);
        if breaks {
            self.break_down();
            return Step::Lost(error);
        }
        Step::Failed(error)
    }

    fn run_head(&mut self, head: &Pushed, cx: &mut Context<'_>) -> Result<Ran> {
        let parsed = self.prepare(&head.sql)?;
        if parsed.params != head.params.len() {
            return Err(wrong_count(parsed.params, head.params.len()));
        }
        let shares = self.pipeline.pushed.iter().any(|next| next.segment == head.segment);
        if shares && parsed.statement.writes() && !self.session.only_reads() {
            self.violate("a statement that writes shares its segment with one behind it");
        }
        let mut ran = self.session.run(&parsed, &head.params, cx.waker())?;
        if self.session.in_transaction() {
            self.violate("a statement that many callers share a session with began a transaction");
        }
        match &mut ran {
            Ran::Waits => return Ok(ran),
            Ran::Done(answer) | Ran::Sleeps(_, answer) => match head.want {
                Want::First => answer.first_only(),
                Want::Outcome => answer.no_rows(),
                _ => {}
            },
        }
        self.shared.state().counters.statements += 1;
        Ok(ran)
    }

    fn give_head(&mut self, mut giving: Giving, head: &Pushed, answers: &mut dyn Answers) -> Step {
        if head.want == Want::Outcome || giving.answer.columns.is_empty() {
            return Step::Over(giving.answer.outcome);
        }
        let batch = match answers.room(head.ticket) {
            Room::Full => return Step::Waits(Stage::Giving(giving)),
            Room::Skip => return Step::Over(giving.answer.outcome),
            Room::Into(batch) => batch,
        };
        if !std::mem::replace(&mut giving.begun, true) {
            batch.set_columns(&giving.answer.columns);
        }
        let before = batch.len();
        match giving.answer.add(batch, &self.shared.options) {
            Err(error) => Step::Failed(error),
            Ok(more) => {
                self.shared.state().counters.rows += (batch.len() - before) as u64;
                if !more {
                    return Step::Over(giving.answer.outcome);
                }
                let event = self.event(Operation::Fetch, head);
                Step::On(Stage::Fetching(self.shared.arrive(&event), giving))
            }
        }
    }
}

enum Step {
    On(Stage),
    Waits(Stage),
    Failed(Error),
    Over(Outcome),
    Lost(Error),
}

impl Multiplex for FakeConnection {
    fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()> {
        if self.broken {
            return Err(lost());
        }
        if self.running.is_some() || self.recovery.is_some() || self.session.in_transaction() {
            self.violate("a statement was pushed while a command or a transaction is under way");
            return Err(misuse("a command is under way"));
        }
        if self.pipeline.pushed.iter().any(|pushed| pushed.ticket == ticket) {
            self.violate("two statements under way have the same ticket");
        }
        let params = self.bind(params)?;
        if let Some(parsed) = self.cached(sql)
            && parsed.params != params.len()
        {
            return Err(wrong_count(parsed.params, params.len()));
        }
        if self.pipeline.is_empty() {
            let number = self.next_number();
            self.ticket.begin(number);
        }
        (self.pipeline.open, self.pipeline.unsent) = (true, true);
        self.pipeline.pushed.push_back(Pushed {
            ticket,
            sql: Arc::clone(sql),
            params,
            want,
            segment: self.pipeline.segment,
            stage: Stage::Queued,
        });
        Ok(())
    }

    fn end_segment(&mut self) {
        if std::mem::take(&mut self.pipeline.open) {
            self.pipeline.segment += 1;
            self.shared.state().counters.segments += 1;
        }
    }

    fn owed(&self) -> usize {
        self.pipeline.pushed.len()
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        if self.broken {
            return Poll::Ready(Err(lost()));
        }
        if self.pipeline.open {
            self.violate("statements were driven before their segment was ended");
            self.end_segment();
        }
        if std::mem::take(&mut self.pipeline.unsent) {
            self.counters.rounds += 1;
            self.shared.state().counters.rounds += 1;
        }
        while !self.pipeline.is_empty() {
            ready!(self.poll_head(cx, answers))?;
        }
        if self.ticket.is_awaited() {
            // It wakes when it has arrived or is lost.
            let _ = self.ticket.is_cancelled(cx.waker());
            return Poll::Pending;
        }
        self.finish();
        Poll::Ready(Ok(()))
    }
}
