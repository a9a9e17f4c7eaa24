//! [`PostgresConnection`]: the owner's side, and the only place that reads and writes a session's socket.

mod multiplex;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use aquifer_driver::multiplex::Multiplex;
use aquifer_driver::{
    Batch, BoxFuture, Canceller, Command, CommitTrace, Connection, Counters, Description, Error,
    ErrorKind, Result, RowBatch, Status, Step,
};
use aquifer_net::stop::{Stop, stopped, useless};
use aquifer_net::{Flow, Stream, Wire};

use self::multiplex::Period;
use crate::multiplex::Nobody;
use crate::pipeline::{CopyStep, Direction, Pipeline};
use crate::protocol::frontend;
use crate::types::Codecs;
use crate::user_types::TypeNames;

/// A session with a PostgreSQL server.
///
/// Applications reach it through `conn.driver::<PostgresConnection>()`, for what only PostgreSQL has.
/// I/O happens in the task that uses it; there is no task behind it.
pub struct PostgresConnection {
    wire: Wire,
    pipeline: Pipeline,
    stop: Arc<Stop>,
    /// A command's last step, while a stop that was asked for during it is still on its way.
    held: Option<Result<Step>>,
    /// Whether statements of several callers are under way, instead of a command.
    period: Period,
    /// Takes what nobody reads during a recovery.
    scratch: RowBatch,
    names: TypeNames,
}

impl PostgresConnection {
    pub(crate) fn new(stream: Stream, pipeline: Pipeline, stop: Arc<Stop>) -> Self {
        Self {
            wire: Wire::new(stream),
            pipeline,
            stop,
            held: None,
            period: Period::None,
            scratch: RowBatch::new(),
            names: TypeNames::default(),
        }
    }

    pub(crate) fn names(&self) -> &TypeNames {
        &self.names
    }

    pub(crate) fn names_mut(&mut self) -> &mut TypeNames {
        &mut self.names
    }

    pub(crate) fn set_codecs(&mut self, codecs: Codecs) {
        self.pipeline.set_codecs(codecs);
    }

    /// The server's process that serves this session (`pg_backend_pid()`); behind a pooler, what the
    /// pooler says.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.stop.session()
    }

    /// A setting that the server reports by itself, as it is now: `server_version`, `TimeZone`,
    /// `in_hot_standby`. `None` for those that it does not report.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.pipeline.parameters().get(name)
    }

    /// Whether the server is a standby that replays another one's changes; `None` if it does not report
    /// that (before PostgreSQL 14). Kept up to date by the server, also through a promotion.
    #[must_use]
    pub fn in_hot_standby(&self) -> Option<bool> {
        self.pipeline.parameters().in_hot_standby()
    }

    /// Whether new transactions are read-only unless they say otherwise; `None` before PostgreSQL 14.
    #[must_use]
    pub fn default_transaction_read_only(&self) -> Option<bool> {
        self.pipeline.parameters().default_transaction_read_only()
    }

    /// Writes what waits, reads what comes, until the pipeline has a step.
    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        batch: Option<&mut RowBatch>,
    ) -> Poll<Result<Step>> {
        let Some(batch) = batch else {
            // An empty batch costs an allocation, so this is not for every poll.
            let mut scratch = std::mem::take(&mut self.scratch);
            let polled = self.poll_flow(cx, |pipeline| pipeline.advance(&mut scratch));
            self.scratch = scratch;
            return polled;
        };
        self.poll_flow(cx, |pipeline| pipeline.advance(batch))
    }

    /// As [`poll_step`](Self::poll_step), for a statement alone in its flight: writes it, or takes its
    /// answer. Where that is not all there is to do, `poll_step` goes on.
    #[inline]
    fn poll_lone(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        if self.pipeline.untouched() {
            self.wire.poll_liveness(cx, &mut self.pipeline)?;
            if !self.stop.may_send() {
                self.pipeline.abandon();
                return Poll::Ready(Err(stopped()));
            }
            // The answer cannot be there yet, and the task is woken when it comes.
            let _ = self.wire.poll_write(cx, &mut self.pipeline)?;
            return Poll::Pending;
        }
        if self.pipeline.output().is_empty() && !self.wire.is_unflushed() {
            if self.wire.poll_fill(cx, &mut self.pipeline)?.is_pending() {
                return Poll::Pending;
            }
            if let Some(step) = self.pipeline.take_lone(batch)? {
                return Poll::Ready(Ok(step));
            }
        }
        self.poll_step(cx, Some(batch))
    }

    #[inline]
    fn poll_flow<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut advance: impl FnMut(&mut Pipeline) -> Result<Option<T>>,
    ) -> Poll<Result<T>> {
        // Whether this task is woken when bytes come.
        let mut registered = false;
        // A transaction is not begun on a session that is known to be over, though its BEGIN waits.
        let sends = self.pipeline.owes();
        if self.pipeline.untouched() && (sends || self.pipeline.holds_begin()) {
            self.wire.poll_liveness(cx, &mut self.pipeline)?;
            registered = true;
            if sends && !self.stop.may_send() {
                self.pipeline.abandon();
                return Poll::Ready(Err(stopped()));
            }
        }
        loop {
            let blocked = self.wire.poll_write(cx, &mut self.pipeline)?.is_pending();
            if self.pipeline.may_advance() {
                match advance(&mut self.pipeline) {
                    Ok(Some(step)) => return Poll::Ready(Ok(step)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
                if !blocked && !self.pipeline.output().is_empty() {
                    continue;
                }
            }
            if registered || self.wire.poll_fill(cx, &mut self.pipeline)?.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Starts a COPY, of which [`poll_copy`](Self::poll_copy) tells how far it has come.
    pub(crate) fn start_copy(&mut self, sql: &str, direction: Direction) -> Result<()> {
        if self.is_held() {
            return Err(useless());
        }
        self.pipeline.start_copy(sql, direction)?;
        if !self.stop.command_begins() {
            self.pipeline.abandon();
            return Err(useless());
        }
        Ok(())
    }

    /// The end of what was under way has not been told.
    #[inline]
    fn is_held(&self) -> bool {
        self.held.is_some() || self.period != Period::None
    }

    /// A command has been encoded.
    fn begins(&mut self) -> Result<()> {
        if self.pipeline.owes() && !self.stop.command_begins() {
            self.pipeline.abandon();
            return Err(useless());
        }
        Ok(())
    }

    pub(crate) fn pipeline(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    /// Drives a COPY until it has started, data has come, or it is over.
    pub(crate) fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Vec<u8>,
    ) -> Poll<Result<CopyStep>> {
        let step = match self.held.take() {
            Some(Ok(Step::End(outcome))) => Ok(CopyStep::End(outcome)),
            Some(Err(error)) => Err(error),
            _ => match self.poll_flow(cx, |pipeline| pipeline.advance_copy(data)) {
                Poll::Ready(step) => step,
                Poll::Pending => return Poll::Pending,
            },
        };
        self.poll_copy_over(cx, step)
    }

    /// Ready when what was sent of a COPY is written; with a step if the server has something to say
    /// meanwhile, which must be heard, because it may wait for that itself.
    pub(crate) fn poll_copy_written(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<CopyStep>>> {
        if self.held.is_some() {
            return self.poll_copy(cx, &mut Vec::new()).map_ok(Some);
        }
        loop {
            let blocked = self.wire.poll_write(cx, &mut self.pipeline)?.is_pending();
            match self.pipeline.advance_copy(&mut Vec::new()) {
                Ok(None) => {}
                Ok(Some(step)) => return self.poll_copy_over(cx, Ok(step)).map_ok(Some),
                Err(error) => return self.poll_copy_over(cx, Err(error)).map_ok(Some),
            }
            if self.wire.poll_fill(cx, &mut self.pipeline)?.is_ready() {
                continue;
            }
            return if blocked { Poll::Pending } else { Poll::Ready(Ok(None)) };
        }
    }

    fn poll_copy_over(
        &mut self,
        cx: &mut Context<'_>,
        step: Result<CopyStep>,
    ) -> Poll<Result<CopyStep>> {
        let held = match &step {
            Ok(CopyStep::Started(_) | CopyStep::Data) => return Poll::Ready(step),
            _ if self.stop.poll_command_ends(cx).is_ready() => return Poll::Ready(step),
            _ => step.map(|step| match step {
                CopyStep::End(outcome) => Step::End(outcome),
                CopyStep::Started(_) | CopyStep::Data => Step::Rows,
            }),
        };
        self.held = Some(held);
        Poll::Pending
    }

    /// Takes what the server says while nothing is owed, to its observer; ready when it has said something.
    pub(crate) fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        // What was read along with the last answer.
        self.pipeline.receive_unasked()?;
        match self.wire.poll_fill(cx, &mut self.pipeline)? {
            Poll::Ready(()) => Poll::Ready(self.pipeline.receive_unasked()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The owner of a COPY is gone.
    pub(crate) fn give_up(&mut self) {
        self.held = None;
        self.pipeline.abandon();
    }

    /// Runs what a dropped call has left to its end; an open transaction stays open.
    pub(crate) async fn read_off(&mut self) -> Result<()> {
        if self.status() != Status::Busy {
            return Ok(());
        }
        self.abandon();
        std::future::poll_fn(|cx| self.poll_period(cx, &mut Nobody)).await?;
        while self.pipeline.owes() {
            let step = std::future::poll_fn(|cx| self.poll_step(cx, None)).await;
            if let Err(error) = step
                && self.pipeline.status() == Status::Broken
            {
                return Err(error);
            }
        }
        std::future::poll_fn(|cx| self.stop.poll_command_ends(cx)).await;
        Ok(())
    }
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("process_id", &self.process_id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Connection for PostgresConnection {
    fn start(&mut self, command: Command<'_>) -> Result<()> {
        if self.is_held() {
            return Err(useless());
        }
        self.pipeline.start(command)?;
        self.begins()
    }

    fn start_after(&mut self, queued: &Arc<Batch>, command: Command<'_>) -> Result<()> {
        if self.is_held() {
            return Err(useless());
        }
        self.pipeline.start_after(queued, command)?;
        self.begins()
    }

    fn takes_queued(&self) -> bool {
        self.pipeline.takes_queued()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, batch: &mut RowBatch) -> Poll<Result<Step>> {
        let polled = match self.held.take() {
            Some(step) => Poll::Ready(step),
            None if self.pipeline.is_lone() => self.poll_lone(cx, batch),
            None => self.poll_step(cx, Some(batch)),
        };
        let Poll::Ready(step) = polled else { return Poll::Pending };
        let over = matches!(step, Ok(Step::End(_)) | Err(_));
        // A stop must have hit this command, or nothing, before another one may follow.
        if over && self.stop.poll_command_ends(cx).is_pending() {
            self.held = Some(step);
            return Poll::Pending;
        }
        Poll::Ready(step)
    }

    fn abandon(&mut self) -> Status {
        self.held = None;
        if self.period != Period::None {
            self.abandon_period();
        }
        self.pipeline.abandon();
        self.status()
    }

    fn poll_recover(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.held = None;
        if self.period != Period::None && self.poll_period(cx, &mut Nobody)?.is_pending() {
            return Poll::Pending;
        }
        loop {
            while self.pipeline.owes() {
                match self.poll_step(cx, None) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => {
                        if self.pipeline.status() == Status::Broken {
                            return Poll::Ready(Err(error));
                        }
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.pipeline.status() == Status::Broken {
                return Poll::Ready(Err(Error::new(
                    ErrorKind::ConnectionLost,
                    "the connection is broken",
                )));
            }
            if self.stop.poll_command_ends(cx).is_pending() {
                return Poll::Pending;
            }
            self.stop.check()?;
            if !self.pipeline.roll_back_open() {
                self.scratch.shrink(0);
                return Poll::Ready(Ok(()));
            }
            self.stop.command_begins();
        }
    }

    fn status(&self) -> Status {
        self.stop.status(self.pipeline.status(), self.is_held())
    }

    fn session_changed(&self) -> bool {
        self.pipeline.session_changed()
    }

    fn adopt_session(&mut self) {
        self.pipeline.adopt_session();
    }

    fn canceller(&self) -> Canceller {
        self.stop.canceller()
    }

    fn take_description(&mut self) -> Option<Description> {
        self.pipeline.take_description()
    }

    fn counters(&self) -> Counters {
        self.pipeline.counters()
    }

    fn limit_query(&self) -> Option<String> {
        // Behind a pooler the process is the pooler's invention, and the limit is none of this client's.
        Some(format!(
            "SELECT CASE WHEN pg_catalog.pg_backend_pid() = {} THEN LEAST(\
             pg_catalog.current_setting('max_connections')::int8 \
             - pg_catalog.current_setting('superuser_reserved_connections')::int8 \
             - COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::int8, \
             CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0 THEN r.rolconnlimit END, \
             CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0 THEN d.datconnlimit END) END \
             FROM pg_catalog.pg_roles r, pg_catalog.pg_database d \
             WHERE r.rolname = SESSION_USER AND d.datname = pg_catalog.current_database()",
            self.process_id()
        ))
    }

    fn plan_query(&self, sql: &str) -> Option<String> {
        let statement = self.pipeline.kept(sql)?;
        let nulls = vec!["NULL"; statement.parameters.len()].join(", ");
        let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
        // The plan for these very arguments would be that nothing is found.
        Some(format!(
            "SET LOCAL plan_cache_mode = force_generic_plan; \
             EXPLAIN (FORMAT JSON) EXECUTE \"{}\"{arguments}",
            statement.name
        ))
    }

    fn takes_atomic_batches(&self) -> bool {
        self.pipeline.takes_atomic_batches()
    }

    fn takes_commit_with(&self) -> bool {
        true
    }

    fn commit_trace(&self) -> CommitTrace {
        self.pipeline.commit_trace()
    }

    fn multiplex(&mut self) -> Option<&mut dyn Multiplex> {
        if self.pipeline.multiplexes() { Some(self) } else { None }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            if self.status() == Status::Broken {
                return Ok(());
            }
            let mut farewell = Vec::new();
            frontend::terminate(&mut farewell);
            self.wire.close(&farewell).await;
            Ok(())
        })
    }
}
