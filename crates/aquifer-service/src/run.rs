//! Running a query for a request: arguments in, rows as JSON out, chunk by chunk.
//!
//! Whoever drops a [`Feed`] before its end cancels the statement in the database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aquifer::{Error, ErrorKind, Rows};
use aquifer_driver::Value;

use crate::head::Kind;
use crate::json::RowLayout;
use crate::metrics::{Cancelled, Outcome};
use crate::problem::{Problem, Situation};
use crate::service::Inner;

/// Bytes of a streamed answer that are handed over at once.
const CHUNK_BYTES: usize = 32 * 1024;
/// Bytes of a limited answer that are collected before its head is sent, so that the head can say
/// whether it was cut off.
const LIMITED_BYTES: usize = 256 * 1024;

/// A query on its way through the database. Dropped before [`end`](Self::end), it counts as cancelled.
#[derive(Debug)]
struct Execution {
    service: Arc<Inner>,
    query: usize,
    started: Instant,
    rows: u64,
    ended: bool,
}

impl Execution {
    fn start(service: &Arc<Inner>, query: usize) -> Self {
        Self { service: Arc::clone(service), query, started: Instant::now(), rows: 0, ended: false }
    }

    fn end(&mut self, outcome: Outcome, error: &'static str) {
        if !std::mem::replace(&mut self.ended, true) {
            let elapsed = self.started.elapsed();
            self.service.metrics.execution(self.query, outcome, error, self.rows, elapsed);
        }
    }

    fn fail(&mut self, error: &Error) -> Problem {
        let outcome = match error.kind() {
            ErrorKind::Timeout => {
                self.service.metrics.cancelled(Cancelled::Deadline);
                Outcome::Timeout
            }
            ErrorKind::Cancelled => Outcome::Cancelled,
            _ => Outcome::Error,
        };
        self.end(outcome, error.kind().name());
        let query = &self.service.catalog.queries()[self.query];
        Problem::of(error).with_query(&query.name)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (why, outcome, error) = if self.service.is_forced() {
            (Cancelled::Shutdown, Outcome::Cancelled, ErrorKind::Cancelled)
        } else if self.started.elapsed() >= self.service.options.request_timeout {
            (Cancelled::Deadline, Outcome::Timeout, ErrorKind::Timeout)
        } else {
            (Cancelled::Client, Outcome::Cancelled, ErrorKind::Cancelled)
        };
        self.service.metrics.cancelled(why);
        self.end(outcome, error.name());
    }
}

/// What a query gave for a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The whole body.
    Whole {
        body: Vec<u8>,
        /// The limit cut rows off.
        truncated: bool,
        /// Time in the database.
        db: Duration,
    },
    /// The body's beginning, and what gives the rest.
    Streamed { first: Vec<u8>, rest: Box<Feed>, db: Duration },
}

/// Runs a query with its arguments, given in the order of its parameters.
///
/// # Errors
///
/// The problem to answer with; nothing of the body has been sent then.
pub(crate) async fn run(
    service: &Arc<Inner>,
    index: usize,
    arguments: &[Value],
) -> Result<Answer, Problem> {
    let query = &service.catalog.queries()[index];
    let checked = &service.checked[index];
    let values: Vec<&Value> = checked.slots.iter().map(|slot| &arguments[*slot]).collect();
    let mut execution = Execution::start(service, index);
    if query.kind == Kind::Exec {
        let done = match checked.statement.exec(&values[..]).await {
            Ok(done) => done,
            Err(error) => return Err(execution.fail(&error)),
        };
        execution.end(Outcome::Ok, "");
        let mut body = format!("{{\"rows_affected\":{}", done.rows_affected()).into_bytes();
        if let Some(id) = done.last_insert_id() {
            body.extend_from_slice(b",\"last_insert_id\":");
            body.extend_from_slice(id.to_string().as_bytes());
        }
        body.push(b'}');
        return Ok(Answer::Whole { body, truncated: false, db: execution.started.elapsed() });
    }
    let rows = match checked.statement.query(&values[..]).await {
        Ok(rows) => rows,
        Err(error) => return Err(execution.fail(&error)),
    };
    let layout = RowLayout::of(rows.columns());
    let limit = query.limit.and_then(|_| match arguments.last() {
        Some(Value::Int(limit)) => u64::try_from(*limit).ok(),
        _ => None,
    });
    let feed = Feed { rows, layout, limit, execution };
    if query.kind == Kind::One { one(feed).await } else { many(feed, limit.is_some()).await }
}

async fn one(mut feed: Feed) -> Result<Answer, Problem> {
    let mut body = Vec::with_capacity(256);
    let found = match feed.rows.next().await {
        Ok(Some(row)) => feed.layout.row(&mut body, row).map(|()| true),
        Ok(None) => Ok(false),
        Err(error) => return Err(feed.execution.fail(&error)),
    };
    match found {
        Err(column) => Err(feed.damaged(column)),
        Ok(false) => {
            feed.execution.end(Outcome::NoRow, "");
            let query = &feed.execution.service.catalog.queries()[feed.execution.query];
            Err(Problem::new(Situation::NoRow).with_query(&query.name))
        }
        Ok(true) => {
            feed.execution.rows = 1;
            if !feed.only_reads() {
                // A statement that writes does its work to the end.
                feed.finish().await?;
            }
            feed.execution.end(Outcome::Ok, "");
            let db = feed.execution.started.elapsed();
            Ok(Answer::Whole { body, truncated: false, db })
        }
    }
}

async fn many(mut feed: Feed, limited: bool) -> Result<Answer, Problem> {
    let mut first = Vec::with_capacity(1024);
    first.push(b'[');
    let bound = if limited { LIMITED_BYTES } else { CHUNK_BYTES };
    let filled = feed.fill(&mut first, bound).await?;
    let db = feed.execution.started.elapsed();
    Ok(match filled {
        Filled::End { truncated } => Answer::Whole { body: first, truncated, db },
        Filled::Full => Answer::Streamed { first, rest: Box::new(feed), db },
    })
}

/// How a call of [`Feed::fill`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The buffer is full; there may be more.
    Full,
    /// The array is closed.
    End {
        /// The limit cut rows off.
        truncated: bool,
    },
}

/// Rows that are being read and written as JSON.
#[derive(Debug)]
pub(crate) struct Feed {
    rows: Rows<'static>,
    layout: RowLayout,
    limit: Option<u64>,
    execution: Execution,
}

impl Feed {
    /// Appends the next chunk of the body.
    pub(crate) async fn next(&mut self, out: &mut Vec<u8>) -> Result<Filled, Problem> {
        self.fill(out, CHUNK_BYTES).await
    }

    /// Appends rows until the buffer holds `bound` bytes or the array is closed.
    async fn fill(&mut self, out: &mut Vec<u8>, bound: usize) -> Result<Filled, Problem> {
        while out.len() < bound {
            let row = match self.rows.next().await {
                Ok(row) => row,
                Err(error) => return Err(self.execution.fail(&error)),
            };
            let cut = row.is_some() && self.limit == Some(self.execution.rows);
            let Some(row) = row.filter(|_| !cut) else {
                out.push(b']');
                if cut && !self.only_reads() {
                    // A statement that writes does its work to the end.
                    self.finish().await?;
                }
                self.execution.end(Outcome::Ok, "");
                return Ok(Filled::End { truncated: cut });
            };
            if self.execution.rows > 0 {
                out.push(b',');
            }
            let written = self.layout.row(out, row);
            if let Err(column) = written {
                return Err(self.damaged(column));
            }
            self.execution.rows += 1;
        }
        Ok(Filled::Full)
    }

    fn only_reads(&self) -> bool {
        let checked = &self.execution.service.checked[self.execution.query];
        checked.statement.is_read_only() == Some(true)
    }

    /// Reads off what is left.
    async fn finish(&mut self) -> Result<(), Problem> {
        loop {
            match self.rows.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.execution.fail(&error)),
            }
        }
    }

    /// The name of the query whose rows these are.
    pub(crate) fn query_name(&self) -> &str {
        &self.execution.service.catalog.queries()[self.execution.query].name
    }

    /// Whether a limit may cut rows off.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// The rows are not wanted: not a cancellation, as far as anybody counts.
    pub(crate) fn forgo(mut self) {
        self.execution.end(Outcome::Ok, "");
    }

    fn damaged(&mut self, (index, error): (usize, aquifer::ConversionError)) -> Problem {
        let error = error.at(index, &self.rows.columns()[index]);
        self.execution.fail(&error)
    }
}
