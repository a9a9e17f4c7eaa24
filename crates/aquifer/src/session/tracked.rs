//! A session's commit that finds out what became of it, if its answer is lost: what is sent, and who is asked.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use aquifer_driver::{Command, ErrorKind, Result, Retry, Status};
use tokio::time::Instant;

use super::Session;
use crate::commit::{self, Fate, Mark, Tracked, Trail};
use crate::deadline::{During, within};
use crate::link::DriverConn;
use crate::observe::TransactionOutcome;

impl Session {
    /// A commit that finds out what became of it, if its answer is lost.
    pub(super) async fn tracked_commit(
        &mut self,
        tracked: Tracked,
        deadline: Option<Instant>,
    ) -> Result<bool> {
        let longest = self.db.options().calls.commit_resolve_timeout;
        let asks = self.db.has_equal_connections();
        let answer_due = match deadline {
            Some(deadline) if asks => Some(commit::answer_due(deadline, longest)),
            deadline => deadline,
        };
        let mark = (tracked == Tracked::Marked).then(Mark::new);
        let insert = mark.as_ref().map(|mark| mark.insert(true));
        let together = self.lease.connection().takes_commit_with();
        if let Some(sql) = insert.as_deref().filter(|_| !together)
            && let Err(error) = self.run_text(sql, deadline).await
        {
            self.over(TransactionOutcome::Failed);
            return Err(commit::unmarked(error));
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.committing = true;
        }
        let started = self.start(match &insert {
            Some(sql) if together => Command::CommitWith { sql },
            _ => Command::Commit,
        });
        let answer = match started {
            Ok(()) => self.lease.finish_before(answer_due, During::Commit).await,
            Err(error) => Err(error),
        };
        let lost = match answer {
            Err(error)
                if (error.is_timeout() || error.is_connection_lost()) && !error.nothing_sent() =>
            {
                error
            }
            answer => return self.answered(answer.map(|_| false), mark),
        };
        let now = Instant::now();
        let until = now + longest;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let trail = match mark {
            Some(mark) => Trail::Mark(mark, self.lease.connection().fence()),
            None => Trail::Trace(self.lease.connection().commit_trace()),
        };
        if asks {
            self.lease.surrender();
        }
        let fate = self.find_out(&trail, asks, until).await;
        let mark = match trail {
            Trail::Mark(mark, _) => Some(mark),
            Trail::Trace(_) => None,
        };
        match fate {
            Fate::Committed => self.answered(Ok(true), mark),
            Fate::Undone(why) => {
                let error = why.unwrap_or_else(|| commit::undone(lost));
                // What was written against a transaction stays: its COMMIT may be on its way.
                self.answered(Err(error), None)
            }
            Fate::Unknown(why) => {
                self.settle();
                self.over(TransactionOutcome::Unknown);
                Err(commit::unknown(lost, &why))
            }
        }
    }

    /// It is known what became of a commit.
    fn answered(&mut self, answer: Result<bool>, mark: Option<Mark>) -> Result<bool> {
        let answer = answer.map_err(|error| self.noted(error));
        self.settle();
        match answer {
            Err(error) if error.kind() != ErrorKind::CommitNotReplicated => {
                // A commit that the engine refused but did not undo (SQLite: busy) is undone now.
                self.over(TransactionOutcome::Failed);
                Err(commit::with_table(error))
            }
            answer => {
                self.over(TransactionOutcome::Committed);
                self.db.shared().marks.retire(mark);
                answer
            }
        }
    }

    /// Waits for the commit's own answer, if it can still come, and asks others meanwhile.
    async fn find_out(&mut self, trail: &Trail, asks: bool, until: Instant) -> Fate {
        let db = self.db.clone();
        let mut comes = self.lease.status() == Status::Busy;
        let mut answer = pin!(own_answer(&mut self.lease));
        let mut asking = pin!(commit::find_out(&db, trail, until));
        let (mut asks, mut why) = (asks, None);
        let fate = poll_fn(|cx| {
            if comes && let Poll::Ready(answered) = answer.as_mut().poll(cx) {
                comes = false;
                if let Some(fate) = answered {
                    return Poll::Ready(fate);
                }
            }
            if asks && let Poll::Ready(fate) = asking.as_mut().poll(cx) {
                asks = false;
                match fate {
                    // The answer itself would tell still.
                    Fate::Unknown(reason) if comes => why = Some(reason),
                    fate => return Poll::Ready(fate),
                }
            }
            match why.take() {
                _ if asks => Poll::Pending,
                reason if comes => {
                    why = reason;
                    Poll::Pending
                }
                Some(reason) => Poll::Ready(Fate::Unknown(reason)),
                None => Poll::Ready(Fate::Unknown("there is nobody else to ask".to_owned())),
            }
        });
        let told = within(Some(until), fate).await;
        told.unwrap_or_else(|| {
            let reason = why.unwrap_or_else(|| "there was no answer in time".to_owned());
            Fate::Unknown(reason)
        })
    }

    /// Deletes marks that are of no more use, if there are many.
    pub(super) async fn delete_marks(&mut self, deadline: Option<Instant>) -> Result<()> {
        let Some(marks) = self.db.shared().marks.take_due() else { return Ok(()) };
        let sql = commit::delete(&marks);
        let deleted = self.run(Command::Script { sql: &sql }, During::Begin, deadline).await;
        if let Err(error) = deleted {
            self.db.shared().marks.retire(marks);
            if error.is_connection_lost() || error.is_timeout() {
                // Nothing was sent of the transaction that was to begin, and marks can be deleted twice.
                return Err(error.with_nothing_sent(true).with_retry(Retry::Safe));
            }
        }
        Ok(())
    }
}

/// The answer to the commit that is under way, unless it is lost with its connection.
async fn own_answer(link: &mut DriverConn) -> Option<Fate> {
    match link.finish().await {
        Ok(_) => Some(Fate::Committed),
        Err(error) if error.is_connection_lost() => None,
        Err(error) => Some(Fate::Undone(Some(error))),
    }
}
