//! The suite finds what it looks for: drivers with one fault each fail the check that names it.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::multiplex::{Answers, Multiplex, Room, Ticket};
use aquifer_driver::{
    Access, BoxFuture, Canceller, Command, Connection, Connector, Counters, Description, Dialect,
    Error, ErrorKind, Layout, Outcome, Params, Result, RowBatch, Status, Step, Want,
};
use aquifer_testkit::conformance::{Ending, Target, checks, run, run_check};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Operation};
use aquifer_testkit::{Yielding, block_on_for};

/// What is wrong with a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Puts an argument into an error's text.
    Leaks,
    /// Says Idle inside a transaction.
    GuessesStatus,
    /// Forgets to clear the batch that it is given.
    KeepsRows,
    /// Loses the newest waker.
    KeepsTheFirstWaker,
    /// Ends a recovery without rolling back.
    RecoversHalf,
    /// Keeps the transaction on `Reset`.
    ResetsNothing,
    /// Reports no counts.
    CountsNothing,
    /// Ends a batch at its first failed statement.
    DropsTheRestOfABatch,
    /// Reads every result to its end before it gives a batch.
    GathersEverything,
    /// Forgets what `Prepare` learnt.
    DescribesNothing,
    /// A stop does nothing.
    DoesNotStop,
    /// Another kind for a duplicate.
    MixesUpKinds,
    /// Gives rows that nobody wants.
    IgnoresWant,
    /// Its counters start anew now and then.
    CountersFall,
    /// Says of what a neighbour's error has kept from running that it is done.
    HidesWhatDidNotRun,
    /// Tells several callers in the wrong order.
    AnswersBackwards,
}

struct Flawed {
    inner: Arc<dyn Connector>,
    flaw: Flaw,
}

impl Connector for Flawed {
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner).connect(access).await?;
            Ok(Box::new(FlawedConnection {
                inner,
                flaw: self.flaw,
                waker: None,
                gathered: Vec::new(),
                asked: std::cell::Cell::new(0),
                owed: 0,
            }) as Box<dyn Connection>)
        })
    }

    fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    fn layout(&self) -> Layout {
        self.inner.layout()
    }

    fn target(&self) -> &str {
        self.inner.target()
    }
}

struct FlawedConnection {
    inner: Box<dyn Connection>,
    flaw: Flaw,
    waker: Option<Waker>,
    gathered: Vec<Vec<u8>>,
    asked: std::cell::Cell<u64>,
    owed: usize,
}

impl FlawedConnection {
    fn poll_inner(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.flaw == Flaw::KeepsTheFirstWaker {
            let first = self.waker.get_or_insert_with(|| cx.waker().clone()).clone();
            let polled = self.inner.poll_next(&mut Context::from_waker(&first), batch);
            if polled.is_ready() {
                self.waker = None;
            }
            return polled;
        }
        self.inner.poll_next(cx, batch)
    }

    /// All batches of a result in one.
    fn poll_everything(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RowBatch,
    ) -> Poll<Result<Step>> {
        let mut part = RowBatch::new();
        loop {
            let step = match self.inner.poll_next(cx, &mut part) {
                Poll::Ready(Ok(step)) => step,
                other => return other,
            };
            for row in part.rows() {
                self.gathered.extend(
                    (0..row.len())
                        .map(|i| row.cell(i).and_then(|c| c.raw()).unwrap_or_default().to_vec()),
                );
            }
            if !matches!(step, Step::Rows) {
                batch.set_columns(part.columns());
                for cells in std::mem::take(&mut self.gathered).chunks(part.columns().len().max(1))
                {
                    for cell in cells {
                        batch.push_bytes(cell)?;
                    }
                    batch.end_row();
                }
                return Poll::Ready(Ok(step));
            }
        }
    }
}

impl Connection for FlawedConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        let command = match command {
            Command::Reset if self.flaw == Flaw::ResetsNothing => Command::Ping,
            Command::Execute { sql, params, want } => {
                let want = if self.flaw == Flaw::IgnoresWant { Want::All } else { want };
                Command::Execute { sql, params, want }
            }
            other => other,
        };
        self.inner.start(command)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.flaw == Flaw::GathersEverything {
            return self.poll_everything(cx, batch);
        }
        if self.flaw == Flaw::KeepsRows {
            let mut other = RowBatch::new();
            let polled = self.poll_inner(cx, &mut other);
            if !other.columns().is_empty() {
                *batch = other;
            }
            return polled;
        }
        let polled = self.poll_inner(cx, batch);
        match (self.flaw, polled) {
            (Flaw::Leaks, Poll::Ready(Err(error)))
                if error.kind() == ErrorKind::UniqueViolation =>
            {
                Poll::Ready(Err(Error::new(error.kind(), "duplicate value hunter2-4711")
                    .with_constraint("t_s_key")))
            }
            (Flaw::MixesUpKinds, Poll::Ready(Err(error)))
                if error.kind() == ErrorKind::UniqueViolation =>
            {
                Poll::Ready(Err(error.with_kind(ErrorKind::Database)))
            }
            (Flaw::CountsNothing, Poll::Ready(Ok(Step::End(_)))) => {
                Poll::Ready(Ok(Step::End(Outcome::default())))
            }
            (Flaw::DropsTheRestOfABatch, Poll::Ready(Ok(Step::Failed(error)))) => {
                self.inner.abandon();
                Poll::Ready(Err(error))
            }
            (_, polled) => polled,
        }
    }

    fn abandon(&mut self) -> Status {
        self.inner.abandon()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.flaw == Flaw::RecoversHalf && self.inner.status() == Status::Transaction {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_recover(cx)
    }

    fn status(&self) -> Status {
        match self.inner.status() {
            Status::Transaction if self.flaw == Flaw::GuessesStatus => Status::Idle,
            status => status,
        }
    }

    fn canceller(&self) -> Canceller {
        if self.flaw == Flaw::DoesNotStop {
            struct Nothing;
            impl aquifer_driver::Cancel for Nothing {
                fn cancel(&self) -> BoxFuture<'static, ()> {
                    Box::pin(std::future::ready(()))
                }
            }
            return Canceller::new(Arc::new(Nothing));
        }
        self.inner.canceller()
    }

    fn take_description(&mut self) -> Option<Description> {
        let learnt = self.inner.take_description();
        if self.flaw == Flaw::DescribesNothing { None } else { learnt }
    }

    fn counters(&self) -> Counters {
        self.asked.set(self.asked.get() + 1);
        if self.flaw == Flaw::CountersFall && self.asked.get() > 5 {
            return Counters::default();
        }
        self.inner.counters()
    }

    fn multiplex(&mut self) -> Option<&mut dyn Multiplex> {
        self.owed = self.inner.multiplex()?.owed();
        Some(self)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner.as_any_mut()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.inner.close()
    }
}

/// Hands on what it is told, with the flaw.
struct FlawedAnswers<'a> {
    inner: &'a mut dyn Answers,
    flaw: Flaw,
    told: Vec<(Ticket, Result<Outcome>)>,
}

impl Answers for FlawedAnswers<'_> {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        self.inner.room(ticket)
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        match self.flaw {
            Flaw::AnswersBackwards => self.told.push((ticket, answer)),
            _ => self.inner.answered(ticket, answer),
        }
    }

    fn not_run(&mut self, ticket: Ticket) {
        match self.flaw {
            Flaw::HidesWhatDidNotRun => self.inner.answered(ticket, Ok(Outcome::default())),
            _ => self.inner.not_run(ticket),
        }
    }
}

impl Multiplex for FlawedConnection {
    fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()> {
        let pushed = self.inner.multiplex().unwrap().push(ticket, sql, params, want);
        self.owed = self.inner.multiplex().unwrap().owed();
        pushed
    }

    fn end_segment(&mut self) {
        self.inner.multiplex().unwrap().end_segment();
    }

    fn owed(&self) -> usize {
        self.owed
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        let mut flawed = FlawedAnswers { inner: answers, flaw: self.flaw, told: Vec::new() };
        let polled = self.inner.multiplex().unwrap().poll_drive(cx, &mut flawed);
        for (ticket, answer) in flawed.told.into_iter().rev() {
            answers.answered(ticket, answer);
        }
        polled
    }
}

fn target(flaw: Flaw) -> Target {
    Target::new("SELECT n FROM series(1, ?)", move || {
        let server = FakeServer::with_options(FakeOptions::like_sqlite().multiplexes(true));
        if flaw == Flaw::KeepsTheFirstWaker {
            // Somebody must have to be woken.
            server.set_latency(Operation::Execute, Some(Duration::from_millis(1)));
        }
        let inner: Arc<dyn Connector> = Yielding::new(server.connector());
        Arc::new(Flawed { inner, flaw }) as Arc<dyn Connector>
    })
    .long_statement("SLEEP 1000000")
    .session("SET zone = 'north'", "SHOW zone")
    .statements_max(16)
    .batch_bytes_max(64 * 1024)
    // A lost waker is noticed soon: nothing here waits for anything real.
    .run_with(|check| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let _entered = runtime.enter();
        block_on_for(Duration::from_millis(200), check).is_some()
    })
}

fn ending(flaw: Flaw, name: &str) -> Ending {
    let check = checks().iter().find(|check| check.name() == name).unwrap();
    run_check(&target(flaw), check)
}

#[test]
fn each_flaw_fails_the_check_that_names_its_rule() {
    for (flaw, name, part) in [
        (Flaw::Leaks, "errors::no_error_shows_an_argument", "never shows a bound argument"),
        (
            Flaw::GuessesStatus,
            "transactions::status_follows_the_transaction",
            "Transaction is right",
        ),
        (Flaw::KeepsRows, "rows::a_stale_batch_is_cleared", "neither rows nor columns"),
        (Flaw::KeepsTheFirstWaker, "wake::the_newest_waker_is_woken", "followed by a wake"),
        (Flaw::RecoversHalf, "lifecycle::recover_rolls_back", "leaves Idle"),
        (Flaw::ResetsNothing, "lifecycle::reset_clears_the_session", "Reset puts the session back"),
        (Flaw::ResetsNothing, "lifecycle::reset_ends_the_transaction", "Idle after Reset"),
        (Flaw::CountsNothing, "execute::rows_affected_counts_what_changed", "rows_affected of"),
        (Flaw::DropsTheRestOfABatch, "batch::a_failed_statement_is_one_entry", "where none may be"),
        (Flaw::GathersEverything, "rows::rows_come_in_order_in_bounded_batches", "when it is full"),
        (Flaw::DescribesNothing, "statements::a_description_is_taken_once", "Prepare learnt it"),
        (Flaw::DoesNotStop, "cancel::a_long_statement_is_stopped", "followed by a wake"),
        (Flaw::MixesUpKinds, "errors::a_unique_violation", "kind UniqueViolation"),
        (Flaw::IgnoresWant, "execute::want_outcome_gives_no_rows", "reads no rows"),
        (Flaw::CountersFall, "lifecycle::counters_never_fall", "counters never fall"),
        (
            Flaw::HidesWhatDidNotRun,
            "multiplex::an_error_is_its_own_statements_and_those_behind_it_run_again",
            "nothing of its segment runs",
        ),
        (
            Flaw::AnswersBackwards,
            "multiplex::answers_come_in_the_order_of_the_statements",
            "in the order of the statements",
        ),
    ] {
        match ending(flaw, name) {
            Ending::Failed(why) => assert!(why.contains(part), "{flaw:?}, {name}: {why}"),
            other => panic!("{flaw:?} must fail {name}, but {other:?}"),
        }
    }
}

#[test]
fn a_report_lists_failures_and_what_does_not_apply() {
    let report = run(&target(Flaw::MixesUpKinds).checks(false), "errors::");
    assert!(!report.passed());
    assert!(report.failures().any(|(name, _)| name == "errors::a_unique_violation"));
    let not_applicable: Vec<_> = report.not_applicable().collect();
    assert_eq!(
        not_applicable,
        [("errors::a_check_violation", "the engine does not enforce CHECK")]
    );
    let text = report.to_string();
    assert!(text.contains("FAIL  errors::a_unique_violation: "), "{text}");
    assert!(text.contains("n/a   errors::a_check_violation"), "{text}");
    assert!(!run(&target(Flaw::Leaks), "no such check").passed());
}
