//! The thin shell of the lane: its I/O, and when a request to stop may hit.

use std::sync::Arc;
use std::task::{Context, Poll};

use aquifer_driver::multiplex::{Answers, Multiplex, Ticket};
use aquifer_driver::{Error, ErrorKind, Params, Result, Status, Want};
use aquifer_net::Flow;
use aquifer_net::stop::useless;

use super::PostgresConnection;
use crate::multiplex::{Nobody, Taken};

/// Where the connection stands between the first statement that is pushed and the end of the last answer. To
/// those who stop things, all of that is one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Period {
    /// Nothing was pushed.
    #[default]
    None,
    /// Statements are under way.
    Runs,
    /// All are answered, and a request to stop them is still on its way. What is pushed now is not written
    /// before that has ended.
    Ends,
}

impl PostgresConnection {
    /// Ready when nothing is owed any more and no request to stop is on its way.
    pub(super) fn poll_period(
        &mut self,
        cx: &mut Context<'_>,
        answers: &mut dyn Answers,
    ) -> Poll<Result<()>> {
        loop {
            if self.period == Period::Runs {
                match self.poll_lane(cx, answers) {
                    Poll::Ready(Ok(())) => self.period = Period::Ends,
                    Poll::Ready(Err(error)) => {
                        self.period = Period::None;
                        return Poll::Ready(Err(error));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            if self.period == Period::Ends {
                if self.stop.poll_command_ends(cx).is_pending() {
                    return Poll::Pending;
                }
                self.period = Period::None;
                self.pipeline.lane_ended();
            }
            if self.pipeline.status() == Status::Broken {
                return Poll::Ready(Err(broken()));
            }
            self.stop.check().map_err(|error| self.pipeline.broke(error))?;
            if !self.pipeline.lane.is_busy() {
                return Poll::Ready(Ok(()));
            }
            // Pushed while the last period ended.
            self.stop.command_begins();
            self.period = Period::Runs;
        }
    }

    /// Writes what waits and takes what has come, until nothing is owed.
    fn poll_lane(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        self.pipeline.end_lane_segment();
        // Whether this task is woken when bytes come.
        let mut registered = false;
        if self.pipeline.untouched() && !self.pipeline.output().is_empty() {
            // What was read along with the last answer.
            if !self.pipeline.input.is_drained() {
                self.pipeline.receive_unasked()?;
            }
            self.wire.poll_liveness(cx, &mut self.pipeline)?;
            registered = true;
            if !self.stop.may_send() {
                self.pipeline.take_back_lane(answers);
                return Poll::Ready(Ok(()));
            }
        }
        let waits = !self.pipeline.output().is_empty() && self.pipeline.sent == 0;
        let mut blocked = self.wire.poll_write(cx, &mut self.pipeline)?.is_pending();
        if waits && (self.pipeline.sent > 0 || self.pipeline.output().is_empty()) {
            self.pipeline.counters.rounds += 1;
        }
        loop {
            if !self.pipeline.input.is_drained() {
                let taken = self.pipeline.take_answers(answers)?;
                if self.pipeline.lane.take_hit() && !self.pipeline.lane.is_abandoned() {
                    // Those behind it are somebody's: each is stopped for its own sake.
                    self.stop.command_was_hit();
                }
                if taken == Taken::Full {
                    return Poll::Pending;
                }
            }
            if !self.pipeline.lane.is_busy() && !blocked {
                return Poll::Ready(Ok(()));
            }
            if registered || self.wire.poll_fill(cx, &mut self.pipeline)?.is_pending() {
                return Poll::Pending;
            }
            if blocked {
                blocked = self.wire.poll_write(cx, &mut self.pipeline)?.is_pending();
            }
        }
    }

    /// The statements under way are nobody's any more.
    pub(super) fn abandon_period(&mut self) {
        // What was pushed after the end of a period waits unwritten.
        let ends = self.period == Period::Ends;
        if ends || self.pipeline.untouched() {
            self.pipeline.take_back_lane(&mut Nobody);
            if !ends {
                self.period = Period::None;
            }
        } else {
            self.pipeline.abandon_lane();
        }
    }
}

impl Multiplex for PostgresConnection {
    fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()> {
        let begins = self.period == Period::None;
        if begins {
            if self.held.is_some() {
                return Err(useless());
            }
            self.pipeline.begin_lane()?;
        }
        self.pipeline.push(ticket, sql, params, want)?;
        if begins {
            if !self.stop.command_begins() {
                self.pipeline.take_back_lane(&mut Nobody);
                return Err(useless());
            }
            self.period = Period::Runs;
        }
        Ok(())
    }

    fn end_segment(&mut self) {
        self.pipeline.end_lane_segment();
    }

    fn owed(&self) -> usize {
        self.pipeline.lane.owed()
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>> {
        if self.pipeline.lane.is_abandoned() {
            return self.poll_period(cx, &mut Nobody);
        }
        let polled = self.poll_period(cx, answers);
        if let Poll::Ready(Err(_)) = polled {
            self.pipeline.tell_unsent(answers);
        }
        polled
    }
}

#[cold]
fn broken() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the connection is broken")
}
