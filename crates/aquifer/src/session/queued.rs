//! What a session's transaction has queued: when it is sent, and what becomes of the transaction if it fails.
//!
//! Statements that wait belong to the innermost savepoint: setting one sends what was queued before, and
//! undoing one throws away what waits.

use std::sync::Arc;

use aquifer_driver::{Command, Error, ErrorKind, Outcome, Params, Result, Status};
use tokio::time::Instant;

use super::{Doom, Session};
use crate::atomic::of_statement;
use crate::batch;
use crate::deadline::During;
use crate::named::{self, NamedArgs};
use crate::observe::went_away;
use crate::queue::{Queue, Way};
use crate::text::{Text, Texts};

impl Session {
    /// Queues a statement. True if the queue is full, and has to be [flushed](Self::flush_full).
    #[inline]
    pub(crate) fn enqueue(&mut self, sql: &str, params: &impl Params) -> Result<bool> {
        self.enqueue_by(sql, |queue, texts| queue.push(texts, sql, params))
    }

    /// As [`enqueue`](Self::enqueue), for a text that is already worked out.
    pub(crate) fn enqueue_text(&mut self, text: &Arc<Text>, params: &impl Params) -> Result<bool> {
        self.enqueue_by(text.source(), |queue, texts| match params.has_lists() {
            true => queue.push(texts, text.source(), params),
            false => queue.push_text(text, params),
        })
    }

    /// As [`enqueue`](Self::enqueue), with named arguments. A bulk that needs several statements is queued whole
    /// before the queue can be full, so that a call which is dropped while it is sent leaves no part of it.
    pub(crate) fn enqueue_named(&mut self, sql: &str, args: &impl NamedArgs) -> Result<bool> {
        let statements = named::statements(&self.db, sql, args)?;
        self.enqueue_by(sql, |queue, _| queue.push_made(&statements))
    }

    #[inline]
    fn enqueue_by(
        &mut self,
        sql: &str,
        push: impl FnOnce(&mut Queue, &Texts) -> Result<()>,
    ) -> Result<bool> {
        if !self.queue.as_ref().is_some_and(|queue| queue.way() == Way::Here) {
            self.begin_queue();
        }
        let Some(queue) = &mut self.queue else { return Ok(false) };
        match push(queue, self.db.texts()) {
            Ok(()) => Ok(queue.is_full()),
            Err(error) => {
                if queue.is_empty() {
                    self.drop_queued();
                }
                Err(self.db.refused(sql, error.with_nothing_sent(true)))
            }
        }
    }

    fn begin_queue(&mut self) {
        self.queue_over();
        self.queue = Some(self.lease.take_queue());
    }

    /// Queues what `push` does, if there is a transaction, and sends the queue if it is full.
    pub(crate) async fn enqueue_in_transaction(
        &mut self,
        push: impl FnOnce(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        if !self.in_transaction() {
            return Err(self.db.named(no_transaction()));
        }
        match push(self)? {
            true => Box::pin(self.flush_full()).await,
            false => Ok(()),
        }
    }

    /// Sends what is queued, because there is no room for more.
    pub(crate) async fn flush_full(&mut self) -> Result<()> {
        let sent = self.queue.as_ref().map_or(0, |queue| queue.len());
        let before = self.sent_before;
        self.flush().await?;
        self.sent_before = before.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Sends what is queued, and waits for it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let deadline = self.deadline();
        self.ready(deadline).await.map_err(|error| self.db.named(error))
    }

    /// As [`ready`](Self::ready), for a command that takes along what is queued, where the driver can.
    pub(crate) async fn ready_for_queued(&mut self, deadline: Option<Instant>) -> Result<()> {
        self.clear(deadline).await?;
        match self.queue.is_some() && !self.lease.connection().takes_queued() {
            true => Box::pin(self.send_queued(deadline)).await,
            false => Ok(()),
        }
    }

    /// Starts a command behind what is queued.
    #[inline]
    pub(crate) fn start(&mut self, command: Command<'_>) -> Result<()> {
        match &mut self.queue {
            None => self.lease.start(command),
            Some(queue) => {
                self.lease.start_after(queue.statements(), command)?;
                queue.left(Way::Along);
                Ok(())
            }
        }
    }

    /// Sends what is queued in a flight of its own.
    pub(super) async fn send_queued(&mut self, deadline: Option<Instant>) -> Result<()> {
        let during = During::Statement { reads: false };
        if self.lease.connection().takes_queued() {
            let started = self.start(Command::Ping);
            return self.conclude(started, during, deadline).await.map(drop);
        }
        let Some(queue) = &mut self.queue else { return Ok(()) };
        let (statements, count) = (queue.statements().clone(), queue.len());
        let sent = match self.lease.start(Command::Batch(statements)) {
            Ok(()) => {
                queue.left(Way::Apart);
                batch::receive(&mut self.lease, count, deadline).await
            }
            // They could never be sent.
            Err(error) => return Err(self.queued_failed(error.statement(), error)),
        };
        let failed = match sent {
            Ok(results) => {
                let mut results = results.into_iter().enumerate();
                results.find_map(|(index, result)| match result {
                    // Nobody wants their rows.
                    Err(error) if error.kind() == ErrorKind::Conversion => None,
                    Err(error) => Some(of_statement(index, error)),
                    Ok(_) => None,
                })
            }
            Err(error) if error.is_timeout() => Some(self.late(error)),
            Err(error) => Some(error),
        };
        let result = match failed {
            None => {
                self.queued_done();
                Ok(())
            }
            Some(error) => Err(self.noted(error)),
        };
        self.settle();
        result
    }

    /// Waits for the end of a command that was started, or has failed to.
    pub(super) async fn conclude(
        &mut self,
        started: Result<()>,
        during: During,
        deadline: Option<Instant>,
    ) -> Result<Outcome> {
        let result = match started {
            Ok(()) => self.lease.finish_before(deadline, during).await,
            Err(error) => Err(error),
        };
        let committing = self.transaction.as_ref().is_some_and(|there| there.committing);
        let result = result.map_err(|error| {
            let late = error.is_timeout() && !committing && self.has_queued_under_way();
            let error = if late { self.late(error) } else { error };
            self.noted(error)
        });
        self.settle();
        result
    }

    /// [Remembers](Self::note) an error, and names the queued statement that it is about, if it is about one.
    #[cold]
    pub(crate) fn noted(&mut self, error: Error) -> Error {
        let error = match error.statement() {
            None => error,
            number => self.queued_failed(number, error),
        };
        self.note(&error);
        error
    }

    /// True if queued statements are under way, and it is not known what became of them.
    pub(super) fn has_queued_under_way(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| match queue.way() {
            Way::Here => false,
            Way::Along => self.lease.is_behind_queued(),
            Way::Apart => true,
        })
    }

    /// A queued statement has failed: those behind it have not run, so the transaction must not be committed.
    fn queued_failed(&mut self, number: Option<u32>, error: Error) -> Error {
        let Some(mut queue) = self.queue.take() else { return error };
        queue.record(&self.db, Some((number.unwrap_or(1), &error)));
        let before = std::mem::take(&mut self.sent_before);
        self.doom(Doom::Queued(error.message().into()));
        let error = match number {
            Some(number) => {
                queue.named(number, error).with_statement(before.saturating_add(number))
            }
            None => error,
        };
        queue.clear();
        self.lease.keep_queue(queue);
        error
    }

    /// All that was queued has run.
    fn queued_done(&mut self) {
        let Some(mut queue) = self.queue.take() else { return };
        queue.record(&self.db, None);
        queue.clear();
        self.lease.keep_queue(queue);
        self.sent_before = 0;
    }

    /// Called when a command is over or given up: if statements were under way with it, either all have run, or
    /// nobody knows.
    pub(super) fn queue_over(&mut self) {
        match &self.queue {
            None => {}
            Some(queue) if queue.way() == Way::Here => {}
            Some(_) if self.has_queued_under_way() => {
                if let Some(queue) = self.queue.take() {
                    queue.record(&self.db, Some((1, &went_away())));
                }
                self.sent_before = 0;
                self.doom(Doom::Unknown);
            }
            Some(_) => self.queued_done(),
        }
    }

    /// What waits is not wanted any more.
    pub(super) fn drop_queued(&mut self) {
        if let Some(mut queue) = self.queue.take_if(|queue| queue.way() == Way::Here) {
            queue.clear();
            self.lease.keep_queue(queue);
            self.sent_before = 0;
        }
    }

    /// The transaction must not go on, though the engine would let it.
    fn doom(&mut self, doom: Doom) {
        // What has failed or ended it explains it better.
        let open = !matches!(self.lease.status(), Status::FailedTransaction | Status::Idle);
        if let Some(transaction) = &mut self.transaction
            && open
            && transaction.doomed.is_none()
        {
            transaction.doomed = Some(doom);
        }
    }
}

/// Something that only a transaction of this library's can do was asked of something else.
#[cold]
pub(crate) fn no_transaction() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "statements are queued in a transaction, and this is no `Tx`, `ConnTx` or `Savepoint`",
    )
    .with_nothing_sent(true)
    .with_hint("use `exec`, or run the statement `on` a transaction")
}
