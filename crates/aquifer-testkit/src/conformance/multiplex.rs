//! Statements of several callers on one connection, one behind the other.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use aquifer_driver::multiplex::{Answers, Room, Ticket};
use aquifer_driver::{Error, ErrorKind, Outcome, Params, Result, RowBatch, Status, Want};

use super::case::{Case, INSERT, Owner, Stop, Verdict, expect_error, rule};

/// Rows that a slow reader takes at once.
const PORTION: usize = 1000;

/// What became of a statement.
#[derive(Debug)]
enum Ended {
    /// With how many rows.
    Done(Outcome, usize),
    Failed(Error),
    NotRun,
}

/// Takes what comes.
#[derive(Debug, Default)]
struct Seen {
    batches: BTreeMap<Ticket, RowBatch>,
    /// Rows that were taken from a batch.
    taken: BTreeMap<Ticket, usize>,
    ended: Vec<(Ticket, Ended)>,
    /// Whose rows nobody reads.
    skips: Option<Ticket>,
    /// There is room for [`PORTION`] rows of a statement.
    is_slow: bool,
    was_full: bool,
    /// What must never be.
    wrong: Option<String>,
}

impl Seen {
    fn end(&mut self, ticket: Ticket, ended: Ended) {
        if self.ended.iter().any(|(known, _)| *known == ticket) {
            self.wrong = Some(format!("{ticket:?} is answered twice"));
        }
        self.ended.push((ticket, ended));
    }

    /// Takes what is there; the integers of each statement's rows go from 1 on.
    fn make_room(&mut self) {
        for (ticket, batch) in &mut self.batches {
            let taken = self.taken.entry(*ticket).or_default();
            for row in batch.rows() {
                *taken += 1;
                match row.get::<i64>(0) {
                    Ok(n) if n == *taken as i64 => {}
                    other => self.wrong = Some(format!("row {taken} of {ticket:?} is {other:?}")),
                }
            }
            batch.clear();
        }
        self.was_full = false;
    }
}

impl Answers for Seen {
    fn room(&mut self, ticket: Ticket) -> Room<'_> {
        if self.skips == Some(ticket) {
            return Room::Skip;
        }
        let batch = self.batches.entry(ticket).or_default();
        if self.is_slow && batch.len() >= PORTION {
            self.was_full = true;
            return Room::Full;
        }
        Room::Into(batch)
    }

    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>) {
        self.make_room();
        let rows = self.taken.get(&ticket).copied().unwrap_or_default();
        self.end(ticket, answer.map_or_else(Ended::Failed, |outcome| Ended::Done(outcome, rows)));
    }

    fn not_run(&mut self, ticket: Ticket) {
        self.end(ticket, Ended::NotRun);
    }
}

struct Shared {
    owner: Owner,
    seen: Seen,
    next: u32,
}

impl Shared {
    fn over(case: &Case, mut owner: Owner) -> std::result::Result<Self, Stop> {
        let able = owner.connection.multiplex().is_some();
        case.needs(able, "the driver runs one statement at a time")?;
        Ok(Self { owner, seen: Seen::default(), next: 0 })
    }

    fn try_push(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<Ticket> {
        let sql: Arc<str> = self.owner.sql(sql).into();
        let ticket = Ticket(self.next);
        self.next += 1;
        match self.owner.connection.multiplex() {
            Some(lane) => lane.push(ticket, &sql, params, want).map(|()| ticket),
            None => Err(Error::new(ErrorKind::Unsupported, "it multiplexes no more")),
        }
    }

    fn push(&mut self, sql: &str, params: &dyn Params) -> Result<Ticket> {
        self.try_push(sql, params, Want::All)
    }

    fn end(&mut self) {
        if let Some(lane) = self.owner.connection.multiplex() {
            lane.end_segment();
        }
    }

    fn owed(&mut self) -> usize {
        self.owner.connection.multiplex().map_or(0, |lane| lane.owed())
    }

    /// Until nothing is owed; whoever waits for room is given some.
    async fn drive(&mut self) -> Verdict {
        self.end();
        let Self { owner, seen, .. } = self;
        poll_fn(|cx| {
            let Some(lane) = owner.connection.multiplex() else { return Poll::Ready(Ok(())) };
            let polled = lane.poll_drive(cx, seen);
            if polled.is_pending() && seen.was_full {
                seen.make_room();
                cx.waker().wake_by_ref();
            }
            polled
        })
        .await?;
        if let Some(wrong) = self.seen.wrong.take() {
            return Err(Stop::Broken(format!("Multiplex: {wrong}")));
        }
        let owed = self.owed();
        rule!(owed == 0, "poll_drive: Ready when nothing is owed, got {owed}");
        Ok(())
    }

    /// Once: the answers are still to come.
    async fn drive_once(&mut self) -> Verdict {
        self.end();
        let Self { owner, seen, .. } = self;
        let polled = poll_fn(|cx| {
            Poll::Ready(
                owner.connection.multiplex().map(|lane| lane.poll_drive(cx, seen).is_ready()),
            )
        });
        rule!(polled.await == Some(false), "poll_drive: Pending while a long statement runs");
        rule!(self.owner.status() == Status::Busy, "status: Busy while statements are owed");
        Ok(())
    }

    fn ended(&self, ticket: Ticket) -> std::result::Result<&Ended, Stop> {
        let found = self.seen.ended.iter().find(|(known, _)| *known == ticket);
        match found {
            Some((_, ended)) => Ok(ended),
            None => Err(Stop::Broken(format!("Multiplex: {ticket:?} is never answered"))),
        }
    }

    fn must_have_rows(&self, ticket: Ticket, rows: usize) -> Verdict {
        match self.ended(ticket)? {
            Ended::Done(_, got) if *got == rows => Ok(()),
            other => {
                Err(Stop::Broken(format!("Multiplex: {ticket:?} has {rows} rows, got {other:?}")))
            }
        }
    }

    /// In the order they were pushed.
    fn must_be_in_order(&self) -> Verdict {
        let order: Vec<u32> = self.seen.ended.iter().map(|(ticket, _)| ticket.0).collect();
        rule!(
            order.is_sorted(),
            "Multiplex: answers come in the order of the statements, got {order:?}"
        );
        Ok(())
    }
}

async fn reading(case: &Case) -> std::result::Result<Shared, Stop> {
    let mut shared = Shared::over(case, case.connect().await?)?;
    // Once, so that the statement is known.
    let first = shared.push(case.target.series, &(2,))?;
    shared.drive().await?;
    shared.must_have_rows(first, 2)?;
    Ok(shared)
}

pub(super) async fn answers_come_in_the_order_of_the_statements(case: &Case) -> Verdict {
    let mut shared = reading(case).await?;
    let mut expected = Vec::new();
    for n in 0..64 {
        expected.push((shared.push(case.target.series, &(n,))?, n as usize));
        if n % 8 == 7 {
            shared.end();
        }
    }
    let owed = shared.owed();
    rule!(owed == 64, "owed: 64 were pushed, got {owed}");
    rule!(shared.owner.status() == Status::Busy, "status: Busy while statements are owed");
    shared.drive().await?;
    for (ticket, rows) in expected {
        shared.must_have_rows(ticket, rows)?;
    }
    shared.must_be_in_order()?;
    shared.owner.must_be_usable("statements of several callers").await
}

pub(super) async fn an_error_is_its_own_statements_and_those_behind_it_run_again(
    case: &Case,
) -> Verdict {
    let mut shared = reading(case).await?;
    let series = case.target.series;
    let before = shared.push(series, &(3,))?;
    let fails = shared.push("SELECT n FROM nowhere", &())?;
    let behind = [shared.push(series, &(4,))?, shared.push(series, &(5,))?];
    shared.end();
    let next = shared.push(series, &(6,))?;
    shared.drive().await?;
    shared.must_have_rows(before, 3)?;
    shared.must_have_rows(next, 6)?;
    let failed = matches!(shared.ended(fails)?, Ended::Failed(error) if error.kind() == ErrorKind::UndefinedObject);
    rule!(failed, "Multiplex: a statement's error is its own, got {:?}", shared.ended(fails)?);
    for ticket in behind {
        let not_run = matches!(shared.ended(ticket)?, Ended::NotRun);
        rule!(
            not_run,
            "Multiplex: behind an error nothing of its segment runs, got {:?}",
            shared.ended(ticket)?
        );
    }
    shared.must_be_in_order()?;
    let again = shared.push(series, &(4,))?;
    shared.drive().await?;
    shared.must_have_rows(again, 4)?;
    shared.owner.must_be_usable("an error among several callers").await
}

pub(super) async fn writes_in_segments_of_their_own_are_each_kept_or_not(case: &Case) -> Verdict {
    let mut shared = Shared::over(case, case.with_table().await?)?;
    let mut tickets = Vec::new();
    for s in ["a", "b", "a", "c"] {
        tickets.push(shared.try_push(INSERT, &(s, 1), Want::Outcome)?);
        shared.end();
    }
    shared.drive().await?;
    for (n, ticket) in tickets.into_iter().enumerate() {
        let right = match shared.ended(ticket)? {
            Ended::Done(outcome, 0) => n != 2 && outcome.rows_affected == 1,
            Ended::Failed(error) => n == 2 && error.kind() == ErrorKind::UniqueViolation,
            _ => false,
        };
        rule!(right, "Multiplex: write {n} is for itself, got {:?}", shared.ended(ticket)?);
    }
    let count = shared.owner.count().await?;
    rule!(count == 3, "Multiplex: each write commits by itself, got {count} rows");
    shared.owner.must_be_usable("writes of several callers").await
}

pub(super) async fn wants_are_each_statements_own(case: &Case) -> Verdict {
    let mut shared = reading(case).await?;
    let wants = [Want::First, Want::Outcome, Want::All]
        .map(|want| shared.try_push(case.target.series, &(50,), want));
    shared.drive().await?;
    for (ticket, rows) in wants.into_iter().zip([1, 0, 50]) {
        shared.must_have_rows(ticket?, rows)?;
    }
    shared.owner.must_be_usable("different wants").await
}

pub(super) async fn a_large_result_waits_for_room_and_is_whole(case: &Case) -> Verdict {
    let mut shared = reading(case).await?;
    shared.seen.is_slow = true;
    let large = shared.push(case.target.series, &(20_000,))?;
    let behind = shared.push(case.target.series, &(3,))?;
    shared.drive().await?;
    shared.must_have_rows(large, 20_000)?;
    shared.must_have_rows(behind, 3)?;
    shared.must_be_in_order()?;
    shared.owner.must_be_usable("a result that waited for room").await
}

pub(super) async fn rows_that_nobody_reads_are_skipped(case: &Case) -> Verdict {
    let mut shared = reading(case).await?;
    let unread = shared.push(case.target.series, &(20_000,))?;
    let behind = shared.push(case.target.series, &(3,))?;
    shared.seen.skips = Some(unread);
    shared.drive().await?;
    shared.must_have_rows(unread, 0)?;
    shared.must_have_rows(behind, 3)?;
    shared.owner.must_be_usable("rows that nobody read").await
}

pub(super) async fn what_cannot_be_sent_is_refused_alone(case: &Case) -> Verdict {
    let Some(bad) = case.target.refused.first() else {
        return case.needs(false, "the driver refuses no kind of argument");
    };
    let mut shared = reading(case).await?;
    let before = shared.push(case.target.series, &(3,))?;
    let refused = shared.push(case.target.series, &(bad,));
    expect_error(refused, ErrorKind::Argument, "push: an argument that cannot be sent")?;
    let owed = shared.owed();
    rule!(owed == 1, "push: what is refused is not under way, got {owed} that are");
    let behind = shared.push(case.target.series, &(4,))?;
    shared.drive().await?;
    shared.must_have_rows(before, 3)?;
    shared.must_have_rows(behind, 4)?;
    shared.owner.must_be_usable("a refused argument").await
}

pub(super) async fn a_stop_ends_what_runs_and_nothing_is_lost(case: &Case) -> Verdict {
    let Some(sql) = case.target.long_statement else {
        return Err(Stop::NotApplicable("the target has no statement that runs long"));
    };
    let mut shared = reading(case).await?;
    let long = shared.push(sql, &())?;
    shared.end();
    let behind = shared.push(case.target.series, &(3,))?;
    shared.drive_once().await?;
    // A stop that comes before the statement runs hits nothing, so it is repeated.
    let canceller = shared.owner.connection.canceller();
    let over = Arc::new(AtomicBool::new(false));
    let (runner, until) = (Arc::clone(&case.target.runner), Arc::clone(&over));
    let thread = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            let stop = canceller.clone();
            runner(Box::pin(async move { stop.cancel().await }));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let driven = shared.drive().await;
    over.store(true, Ordering::Relaxed);
    rule!(thread.join().is_ok(), "cancel: its future ends");
    driven?;
    let is_stop = |error: &Error| matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout);
    let stopped = matches!(shared.ended(long)?, Ended::Failed(error) if is_stop(error));
    rule!(stopped, "Multiplex: a stop is its statement's error, got {:?}", shared.ended(long)?);
    let kept = match shared.ended(behind)? {
        Ended::Done(_, rows) => *rows == 3,
        Ended::NotRun => true,
        // Several stops were sent.
        Ended::Failed(error) => is_stop(error),
    };
    rule!(kept, "Multiplex: what stands behind is run or told, got {:?}", shared.ended(behind)?);
    shared.owner.must_be_usable("a stop among several callers").await
}

pub(super) async fn what_is_abandoned_is_read_off(case: &Case) -> Verdict {
    let mut shared = reading(case).await?;
    for n in [20_000, 3, 4] {
        shared.push(case.target.series, &(n,))?;
    }
    shared.end();
    let status = shared.owner.connection.abandon();
    rule!(
        matches!(status, Status::Busy | Status::Idle),
        "abandon of statements outside a transaction leaves Busy or Idle, got {status:?}"
    );
    shared.owner.recover().await?;
    let owed = shared.owed();
    rule!(owed == 0, "recover: nothing is owed afterwards, got {owed}");
    shared.owner.must_be_usable("statements of several callers that were abandoned").await
}
