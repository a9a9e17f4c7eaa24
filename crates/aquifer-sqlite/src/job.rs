//! [`Job`]: what is done on the worker.

use std::sync::Arc;

use aquifer_driver::{Batch, Error, ErrorKind, Outcome, ParamBuf, Params, Result, RowBatch, Want};

use crate::batch::same_until;
use crate::engine::{Engine, Failure, Filled, Found, Place, Run, Started};
use crate::errors::{self, Doing};
use crate::raw::Persistence;
use crate::worker::{Ended, Event, Outbox};

/// A job without rows, from the connection's own powers.
pub(crate) type Call = Box<dyn FnOnce(&mut Engine) -> Result<()> + Send>;

/// A piece of work for the worker.
pub(crate) enum Job {
    /// Runs a bound statement, or goes on with one in the middle of its rows.
    Run(Run),
    /// Prepares, binds and runs a statement.
    Execute {
        sql: Box<str>,
        params: ParamBuf,
        want: Want,
    },
    /// Prepares and describes a statement.
    Prepare(Box<str>),
    Script(Box<str>),
    Batch(Arc<Batch>),
    /// Runs a batch whose results nobody wants, and then something else, if nothing failed.
    After(Arc<Batch>, Box<Job>),
    /// `BEGIN`, `BEGIN IMMEDIATE` or `COMMIT`.
    Control(&'static str),
    Rollback,
    Reset,
    Call(Call),
    Nothing,
}

impl Job {
    pub(crate) fn run(self, engine: &mut Engine, out: &mut Outbox<'_>) -> Ended {
        engine.limit(Place::Worker);
        let done = |()| (None, Outcome::default());
        match self {
            Self::Run(run) => rows(engine, run, out),
            Self::Execute { sql, params, want } => execute(engine, &sql, &params, want, out),
            Self::Prepare(sql) => {
                engine.describe(Place::Worker, &sql).map(done).map_err(Failure::error)
            }
            Self::Script(sql) => script(engine, &sql, out),
            Self::Batch(batch) => self::batch(engine, &batch, out),
            Self::After(queued, job) => {
                self::queued(engine, &queued, out)?;
                drop(queued);
                job.run(engine, out)
            }
            Self::Nothing => Ok((None, Outcome::default())),
            Self::Control(sql) => engine.control(Place::Worker, sql).map(done),
            Self::Rollback => engine.rollback(Place::Worker).map(done),
            Self::Reset => crate::reset::reset(engine).map(done),
            Self::Call(call) => call(engine).map(done),
        }
    }
}

/// Runs a statement to its end; full batches are sent, the last one is returned.
fn rows(engine: &mut Engine, mut run: Run, out: &mut Outbox<'_>) -> Ended {
    let mut batch = out.buffer();
    loop {
        match engine.fill(Place::Worker, &mut run, &mut batch) {
            Ok(Filled::Done(outcome)) => return Ok((Some(batch), outcome)),
            Ok(Filled::Full) => {
                out.send(Event::Rows(batch));
                batch = out.next_buffer();
            }
            Err(failure) => {
                out.keep(batch);
                return Err(failure.error());
            }
        }
    }
}

fn execute(
    engine: &mut Engine,
    sql: &str,
    params: &dyn Params,
    want: Want,
    out: &mut Outbox<'_>,
) -> Ended {
    match engine.start(Place::Worker, sql, params, want)? {
        Started::Inline(run) | Started::Worker(run) => rows(engine, run, out),
        Started::Nothing | Started::Late => Ok((None, Outcome::default())),
    }
}

/// The statements of a text, one after the other; each gives a result set. The first that fails ends
/// it; what ran before it stays done.
fn script(engine: &mut Engine, sql: &str, out: &mut Outbox<'_>) -> Ended {
    let mut at = 0;
    let mut last: Option<(Option<Box<RowBatch>>, Outcome)> = None;
    while at < sql.len() {
        let rest = &sql[at..];
        let here = |error: Error| match error.position() {
            Some(position) => error.with_position(position + u32::try_from(at).unwrap_or(0)),
            None => error,
        };
        let prepared = engine
            .handle
            .prepare(rest, Persistence::Transient)
            .map_err(|raw| here(errors::error(&raw, Doing::Preparing)))?;
        if let Some(id) = prepared.statement {
            if let Some((rows, outcome)) = last.take() {
                out.set(rows, outcome);
            }
            let run = engine.adopt(id, &rest[..prepared.tail]).map_err(here)?;
            let place = run.place();
            let ended = rows(engine, run, out);
            engine.dismiss(place);
            last = Some(ended.map_err(here)?);
        }
        if prepared.tail == 0 {
            break;
        }
        at += prepared.tail;
    }
    Ok(last.unwrap_or((None, Outcome::default())))
}

/// Every statement of a batch, in one go.
///
/// Outside a transaction each stands for itself. Inside one, nothing is run after the first that failed:
/// whoever collected the statements meant them as one. A cancel ends it all.
fn batch(engine: &mut Engine, batch: &Batch, out: &mut Outbox<'_>) -> Ended {
    let in_transaction = !engine.handle.autocommit();
    let mut stopped = false;
    // The last rows that were not sent yet.
    let mut last = None;
    let mut index = 0;
    while index < batch.len() {
        if let Some((rows, outcome)) = last.take() {
            out.set(rows, outcome);
        }
        if stopped {
            out.note(Event::Failed(not_run()));
            index += 1;
            continue;
        }
        let Some(one) = batch.get(index) else { break };
        let done = match engine.find(Place::Worker, one.sql, &one) {
            Err(failure) => Err((index, failure.error())),
            Ok(Found::Nothing) => {
                out.plain(Outcome::default());
                Ok(index + 1)
            }
            Ok(Found::Plain(place)) => {
                let end = same_until(batch, index);
                out.expect_plain(end - index);
                let plain = |outcome| out.plain(outcome);
                engine.run_plain(place, batch, index..end, plain).map(|()| end)
            }
            Ok(Found::Rows(place)) => match engine.bound(place, &one, one.want) {
                Ok(run) => rows(engine, run, out).map_err(|error| (index, error)).map(|ended| {
                    last = Some(ended);
                    index + 1
                }),
                Err(error) => Err((index, error)),
            },
        };
        index = match done {
            Ok(next) => next,
            Err((_, error)) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err((failed, error)) => {
                stopped = in_transaction || !engine.handle.autocommit();
                out.note(Event::Failed(error));
                failed + 1
            }
        };
    }
    // The last statement's end is the batch's, unless it failed.
    Ok(match last {
        Some(ended) => ended,
        None => (None, out.take_plain().unwrap_or_default()),
    })
}

/// The statements of a batch whose results nobody wants, up to the first that fails.
fn queued(engine: &mut Engine, batch: &Batch, out: &mut Outbox<'_>) -> Result<()> {
    let mut index = 0;
    while let Some(one) = batch.get(index) {
        let mut at = index;
        let done = match engine.find(Place::Worker, one.sql, &one) {
            Err(failure) => Err(failure.error()),
            Ok(Found::Nothing) => Ok(()),
            Ok(Found::Plain(place)) => {
                let end = same_until(batch, index);
                match engine.run_plain(place, batch, index..end, |_| {}) {
                    Ok(()) => {
                        index = end - 1;
                        Ok(())
                    }
                    Err((failed, error)) => {
                        at = failed;
                        Err(error)
                    }
                }
            }
            Ok(Found::Rows(place)) => engine
                .bound(place, &one, Want::Outcome)
                .and_then(|run| rows(engine, run, out))
                .map(|(batch, _)| {
                    if let Some(batch) = batch {
                        out.keep(batch);
                    }
                }),
        };
        done.map_err(|error| error.with_statement(u32::try_from(at + 1).unwrap_or(u32::MAX)))?;
        index += 1;
    }
    Ok(())
}

#[cold]
fn not_run() -> Error {
    Error::new(
        ErrorKind::TxFailed,
        "not run: an earlier statement of the batch failed in the same transaction",
    )
}
