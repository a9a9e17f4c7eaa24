//! Messages become answers: every case, one message at a time.

use std::sync::Arc;

use aquifer_driver::multiplex::{Answers, Room};
use aquifer_driver::{Error, ErrorKind, Outcome, Result, RowBatch, Want};

use super::{Known, Owed, Stage, Taken, What, over};
use crate::pipeline::{
    FEATURE_NOT_SUPPORTED, INVALID_STATEMENT_NAME, PROTOCOL_VIOLATION, Pipeline, QUERY_CANCELED,
    append_rows, is_of_the_schema, is_state, not_replicated, unexpected,
};
use crate::protocol::backend::{self, Field, Ready};
use crate::protocol::frame::{self, Found, Frame};
use crate::server_error::ServerError;
use crate::session_change;
use crate::statement::{Shape, Statement};

impl Pipeline {
    /// Hands over what has come, until more bytes are needed or there is no room.
    ///
    /// # Errors
    ///
    /// One that ends the session.
    pub(crate) fn take_answers(&mut self, answers: &mut dyn Answers) -> Result<Taken> {
        while self.lane.is_busy() {
            if self.take_whole(answers)? == Taken::Full {
                return Ok(Taken::Full);
            }
            // What follows the last answer is not for those who were answered.
            if !self.lane.is_busy() {
                break;
            }
            let frame = match frame::find(&self.input.bytes, self.input.at) {
                Ok(Found::Whole(frame)) => frame,
                Ok(Found::Part(len)) => {
                    self.input.frame = len;
                    break;
                }
                Err(error) => return Err(self.broke(error)),
            };
            let taken = match frame.tag {
                b'D' => self.take_run(frame, answers),
                tag => self.take_message(tag, frame, answers),
            };
            match taken {
                Ok(Taken::All) => {}
                Ok(Taken::Full) => return Ok(Taken::Full),
                Err(error) => return Err(self.broke(error)),
            }
        }
        self.input.settle();
        Ok(Taken::All)
    }

    /// Rows of the statement at the head.
    fn take_run(&mut self, first: Frame, answers: &mut dyn Answers) -> Result<Taken> {
        let lane = &self.lane;
        let Some(owed) = lane.owed.front().filter(|_| lane.stage == Stage::Rows) else {
            return Err(unexpected(b'D'));
        };
        let head = &lane.head;
        let enough = owed.want == Want::First && head.roomed;
        if head.skips || enough || head.failure.is_some() || owed.want == Want::Outcome {
            self.input.at = first.end;
            return Ok(Taken::All);
        }
        let Some(shape) = owed.shape(lane).cloned() else { return Err(unexpected(b'D')) };
        let (ticket, want) = (owed.ticket, owed.want);
        let head = &mut self.lane.head;
        match answers.room(ticket) {
            Room::Full => Ok(Taken::Full),
            Room::Skip => {
                head.skips = true;
                self.input.at = first.end;
                Ok(Taken::All)
            }
            Room::Into(batch) => {
                let rows_max = if want == Want::First { 1 } else { usize::MAX };
                begin_rows(batch, &shape, std::mem::replace(&mut head.roomed, true));
                let scratch = &mut self.scratch;
                match append_rows(&mut self.input, first, &shape, rows_max, batch, scratch) {
                    // One cell cannot be read: the statement fails, the session goes on.
                    Err(error) if error.kind() != ErrorKind::Protocol => {
                        batch.clear();
                        head.failure = Some(error);
                    }
                    taken => taken?,
                }
                Ok(Taken::All)
            }
        }
    }

    /// Anything but a row.
    fn take_message(&mut self, tag: u8, frame: Frame, answers: &mut dyn Answers) -> Result<Taken> {
        if matches!(tag, b'C' | b'I') && !self.tell_columns(answers) {
            return Ok(Taken::Full);
        }
        self.input.at = frame.end;
        // Taken out for the moment: what receives the message changes everything else.
        let bytes = std::mem::take(&mut self.input.bytes);
        let received = self.receive_answer(tag, &bytes[frame.body..frame.end], answers);
        self.input.bytes = bytes;
        received.map(|()| Taken::All)
    }

    /// A statement that ends without rows tells its columns; false if there is no room for them.
    fn tell_columns(&mut self, answers: &mut dyn Answers) -> bool {
        let lane = &self.lane;
        let Some(owed) = lane.owed.front().filter(|_| lane.stage == Stage::Rows) else {
            return true;
        };
        if lane.head.roomed || lane.head.skips || owed.want == Want::Outcome {
            return true;
        }
        let Some(shape) = owed.shape(lane).filter(|shape| !shape.cells.is_empty()) else {
            return true;
        };
        match answers.room(owed.ticket) {
            Room::Full => false,
            Room::Skip => true,
            Room::Into(batch) => {
                begin_rows(batch, shape, false);
                true
            }
        }
    }

    fn receive_answer(&mut self, tag: u8, body: &[u8], answers: &mut dyn Answers) -> Result<()> {
        if matches!(tag, b'N' | b'S' | b'A') {
            return self.asynchronous(tag, body);
        }
        if tag == b'E' {
            return self.failed_answer(ServerError::parse(body)?, answers);
        }
        if self.lane.skipping {
            return match tag {
                b'Z' => {
                    self.lane.skipping = false;
                    self.segment_is_over(body)
                }
                _ => Err(unexpected(tag)),
            };
        }
        let Some(owed) = self.lane.owed.front_mut() else { return Err(unexpected(tag)) };
        let parses = matches!(owed.what, What::First(..));
        match (tag, self.lane.stage) {
            (b'3', Stage::Begin) if owed.closes > 0 => {
                owed.closes -= 1;
                self.lane.closing.pop_front();
            }
            (_, Stage::Begin) if owed.closes > 0 => return Err(unexpected(tag)),
            (b'1', Stage::Begin) if parses => self.lane.stage = Stage::Parameters,
            (b't', Stage::Parameters) => {
                let parameters = backend::parameter_description(body)?;
                if let What::First(number, _) = owed.what
                    && let Some(first) = self.lane.first_mut(number)
                {
                    first.parameters = parameters;
                }
                self.lane.stage = Stage::Fields;
            }
            (b'T', Stage::Fields) => self.first_described(backend::row_description(body)?),
            (b'n', Stage::Fields) => self.first_described(Vec::new()),
            (b'2', Stage::Bind) => self.lane.stage = Stage::Rows,
            (b'2', Stage::Begin) if !parses => self.lane.stage = Stage::Rows,
            (b'C', Stage::Rows) => self.completed_by(body, answers)?,
            (b'I', Stage::Rows) => self.statement_is_over(Outcome::default(), answers),
            (b'G' | b'H' | b'W', Stage::Rows) => return Err(copies()),
            (b'Z', Stage::Ready) => {
                let unreplicated = std::mem::take(&mut self.lane.unreplicated);
                self.segment_is_over(body)?;
                let answer = match self.lane.head.failure.take() {
                    Some(error) => Err(error),
                    None if unreplicated => Err(not_replicated()),
                    None => Ok(self.lane.head.outcome),
                };
                self.answer(answer, answers);
            }
            _ => return Err(unexpected(tag)),
        }
        Ok(())
    }

    /// The first use of a text has told what it takes and gives: the statement is kept from now on.
    fn first_described(&mut self, fields: Vec<Field>) {
        self.lane.stage = Stage::Bind;
        let Some(What::First(number, _)) = self.lane.owed.front().map(|owed| &owed.what) else {
            return;
        };
        let number = *number;
        let codecs = &self.codecs;
        let Some(first) = self.lane.first_mut(number) else { return };
        let shape = Arc::new(Shape::text(&fields, codecs));
        let statement = Arc::new(Statement::new(
            first.name.clone(),
            Arc::clone(&first.text),
            first.parameters.clone(),
            first.declared.clone(),
            fields,
            codecs,
        ));
        first.state = Known::Described(Arc::clone(&statement), shape);
        self.keep(&statement);
    }

    /// CommandComplete.
    fn completed_by(&mut self, body: &[u8], answers: &mut dyn Answers) -> Result<()> {
        let tag = backend::command_complete(body)?;
        if let Some(owed) = self.lane.owed.front() {
            let text = owed.text(&self.lane);
            let statement = owed.statement(&self.lane);
            let by_text = statement.is_some_and(|statement| statement.changes_session);
            // Nobody should have pushed it. The session is known to be another one all the same.
            if by_text || session_change::in_tag(tag.command, text.map(|text| &**text)) {
                let repeatable = statement.is_some_and(|known| known.parameters.is_empty());
                let text = text.filter(|_| repeatable).map(Arc::clone);
                self.session_changes(tag.command, text);
            }
        }
        // The server has dropped our statements along with the user's.
        if matches!(tag.command, "DEALLOCATE ALL" | "DISCARD ALL") {
            self.cache.clear();
            self.closing.clear();
        }
        self.statement_is_over(Outcome::new(tag.rows, None), answers);
        Ok(())
    }

    /// The statement at the head has run. The last one of a segment is not answered before that is committed.
    fn statement_is_over(&mut self, outcome: Outcome, answers: &mut dyn Answers) {
        if self.lane.owed.front().is_some_and(|owed| owed.ends_segment) {
            self.lane.stage = Stage::Ready;
            self.lane.head.outcome = outcome;
            return;
        }
        let failure = self.lane.head.failure.take();
        self.answer(failure.map_or(Ok(outcome), Err), answers);
    }

    fn answer(&mut self, answer: Result<Outcome>, answers: &mut dyn Answers) {
        if let Some(owed) = self.lane.next() {
            self.lane.release(&owed.what);
            answers.answered(owed.ticket, answer);
        }
    }

    /// ReadyForQuery.
    fn segment_is_over(&mut self, body: &[u8]) -> Result<()> {
        self.lane.unreplicated = false;
        match backend::ready_for_query(body)? {
            Ready::Idle => Ok(()),
            Ready::Transaction | Ready::Failed => Err(in_transaction()),
        }
    }

    /// The server skips to the next Sync, and so do we.
    fn failed_answer(&mut self, server: ServerError, answers: &mut dyn Answers) -> Result<()> {
        if server.is_fatal() {
            return Err(over(server));
        }
        if self.lane.skipping {
            return Ok(());
        }
        let stage = self.lane.stage;
        let Some(owed) = self.lane.next() else { return Err(server.into_error(None)) };
        self.lane.skipping = true;
        self.lane.was_hit |= is_state(&server, QUERY_CANCELED);
        self.reopen(owed.closes as usize);
        match self.judge(&owed, stage, server) {
            Some(error) => answers.answered(owed.ticket, Err(error)),
            None => answers.not_run(owed.ticket),
        }
        self.lane.release(&owed.what);
        let mut over = owed.ends_segment;
        while !over && let Some(owed) = self.lane.next() {
            over = owed.ends_segment;
            self.reopen(owed.closes as usize);
            if let What::First(number, _) = owed.what
                && let Some(first) = self.lane.first_mut(number)
            {
                first.state = Known::Gone;
            }
            self.lane.release(&owed.what);
            answers.not_run(owed.ticket);
        }
        Ok(())
    }

    /// The error of a statement; `None` if it was not run, and is prepared anew when it is pushed again.
    fn judge(&mut self, owed: &Owed, stage: Stage, server: ServerError) -> Option<Error> {
        let is = |state| is_state(&server, state);
        // Only before it runs: a function may raise the same.
        let planning = matches!(stage, Stage::Begin | Stage::Parameters | Stage::Bind);
        let gone = planning && is(INVALID_STATEMENT_NAME);
        let changed = planning && is(FEATURE_NOT_SUPPORTED);
        let stale = planning && is_of_the_schema(&server);
        let anew = match &owed.what {
            What::Kept(statement) => {
                let statement = Arc::clone(statement);
                if gone || changed || stale {
                    self.forget(&statement, !gone);
                }
                gone || changed
            }
            What::First(number, _) => {
                self.first_failed(*number, stage);
                false
            }
            What::Follower(..) => {
                let statement = owed.statement(&self.lane).map(Arc::clone);
                if let Some(statement) = statement.filter(|_| gone || changed) {
                    self.forget(&statement, !gone);
                }
                gone || changed
            }
        };
        if anew {
            return None;
        }
        // At its first uses a statement's number of parameters is known when the arguments are under way.
        let counted = match (&owed.what, owed.statement(&self.lane)) {
            (What::First(_, given) | What::Follower(_, given), Some(statement)) => {
                statement.check_count(*given).err()
            }
            _ => None,
        };
        match counted.filter(|_| is(PROTOCOL_VIOLATION)) {
            Some(error) => Some(error),
            None => Some(server.into_error(owed.text(&self.lane).map(|text| &**text))),
        }
    }

    /// A kept statement is of no use any more, though the server may still have it.
    fn forget(&mut self, statement: &Arc<Statement>, close: bool) {
        if self.cache.remove(statement) {
            self.counters.evicted += 1;
            if close {
                self.close_later(statement);
            }
        }
    }

    /// What a first use was to prepare is not there, or nothing is known of it.
    fn first_failed(&mut self, number: usize, stage: Stage) {
        let Some(first) = self.lane.first_mut(number) else { return };
        if !matches!(first.state, Known::Asked) {
            return;
        }
        first.state = Known::Gone;
        if stage != Stage::Begin && !first.name.is_empty() {
            self.closing.push_back(first.name.clone());
        }
    }
}

/// Rows are added to what is in the batch. Before the first ones it gets its columns.
fn begin_rows(batch: &mut RowBatch, shape: &Shape, begun: bool) {
    // Those who take the rows away may have put another batch in their place.
    if !begun || !Arc::ptr_eq(batch.columns(), &shape.columns) {
        batch.set_columns(&shape.columns);
    }
}

#[cold]
fn copies() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a COPY was started on a connection that several callers share; the connection is closed",
    )
    .with_hint("run it with the driver's copy_in or copy_out, on a connection of its own")
}

#[cold]
fn in_transaction() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a statement began a transaction on a connection that several callers share; the connection is closed",
    )
    .with_hint("begin transactions with `begin`, on a connection of their own")
}
