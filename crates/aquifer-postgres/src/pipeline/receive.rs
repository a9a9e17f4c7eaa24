//! Replies become steps.

use std::num::NonZeroU32;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Outcome, Result, RowBatch, Step, Want};
use aquifer_net::Flow;

use super::control::{COMMIT, commit_forgotten};
use super::trace::{Known, Server, Trace};
use super::work::{Expect, Learning, Role, Settled, Work};
use super::{Failure, Phase, Pipeline, StatementMode};
use crate::protocol::backend::{self, Ready};
use crate::protocol::frame::{self, Found, Frame};
use crate::protocol::frontend;
use crate::server_error::{Notice, ServerError};
use crate::session_change;
use crate::statement::{Shape, Statement};

/// SQLSTATEs after which a kept statement is of no use any more.
pub(crate) const FEATURE_NOT_SUPPORTED: &str = "0A000";
pub(crate) const PROTOCOL_VIOLATION: &str = "08P01";
pub(crate) const INVALID_STATEMENT_NAME: &str = "26000";

/// That of a statement that was stopped.
pub(crate) const QUERY_CANCELED: &str = "57014";

impl Pipeline {
    /// Reads replies until there is a step to give; `None` if more bytes are needed. The batch is cleared
    /// first, unless it holds the one row that was wanted and waits for the end of its statement.
    ///
    /// # Errors
    ///
    /// The command's error, or one that ends the connection.
    pub(crate) fn advance(&mut self, batch: &mut RowBatch) -> Result<Option<Step>> {
        if !std::mem::take(&mut self.holding_first) {
            batch.clear();
            if let Some(step) = self.take_lone(batch)? {
                return Ok(Some(step));
            }
            self.unfold();
            if let Some(step) = self.take_committed(batch) {
                return Ok(Some(step));
            }
        }
        loop {
            // A command is not over before it is written: only a COPY can be answered before.
            if self.copy != Phase::None && !self.steps.is_empty() && !self.output().is_empty() {
                return Ok(None);
            }
            if let Some(settled) = self.steps.pop_front() {
                if let Some(columns) = &settled.columns {
                    batch.set_columns(columns);
                }
                if self.steps.is_empty() && self.expected.is_empty() {
                    self.finish_command();
                }
                return settled.step.map(Some);
            }
            if let Some(rows) = self.next_page.take() {
                self.ask_next_page(rows);
                return Ok(None);
            }
            if self.expected.is_empty() {
                // Nothing is owed: the command was settled before, or there is none.
                self.finish_command();
                return Ok(Some(Step::End(Outcome::default())));
            }
            let found = match frame::find(&self.input.bytes, self.input.at) {
                Ok(found) => found,
                Err(error) => return Err(self.broke(error)),
            };
            let frame = match found {
                Found::Whole(frame) => frame,
                Found::Part(len) => {
                    self.input.frame = len;
                    self.holding_first = !batch.is_empty() && self.awaits_end();
                    let rows = !batch.is_empty() && !self.holding_first;
                    return Ok(rows.then_some(Step::Rows));
                }
            };
            // What ends a result set may share a step with its last rows; nothing else may.
            if !batch.is_empty() && matches!(frame.tag, b'D' | b'E' | b'T' | b'G' | b'H' | b'W') {
                match frame.tag {
                    b'D' if self.awaits_end() => {}
                    // The row is of a statement that failed after all.
                    b'E' if self.awaits_end() => batch.clear(),
                    _ => return Ok(Some(Step::Rows)),
                }
            }
            if let Some(step) = self.next_set_begins(frame.tag, batch) {
                return Ok(Some(step));
            }
            let received = if frame.tag == b'D' && self.expected.front() != Some(&Expect::Trace) {
                self.row(frame, batch)
            } else {
                self.input.at = frame.end;
                // Taken out for the moment: what receives the message changes everything else.
                let bytes = std::mem::take(&mut self.input.bytes);
                let received = self.receive(frame.tag, &bytes[frame.body..frame.end]);
                self.input.bytes = bytes;
                received
            };
            if let Err(error) = received {
                return Err(self.broke(error));
            }
            if self.next_page.is_some() && !batch.is_empty() {
                return Ok(Some(Step::Rows));
            }
        }
    }

    /// Takes what came while nothing was owed: notices, notifications, changed settings, a farewell.
    ///
    /// # Errors
    ///
    /// If the server says that the session is over, or anything that it may not say now.
    pub(crate) fn receive_unasked(&mut self) -> Result<()> {
        loop {
            match frame::find(&self.input.bytes, self.input.at) {
                Ok(Found::Whole(frame)) => {
                    self.input.at = frame.end;
                    let body = self.input.bytes[frame.body..frame.end].to_vec();
                    let taken = match frame.tag {
                        b'N' | b'S' | b'A' => self.asynchronous(frame.tag, &body),
                        b'E' => {
                            let server = ServerError::parse(&body);
                            Err(server.map_or_else(|error| error, |server| server.into_error(None)))
                        }
                        tag => Err(unexpected(tag)),
                    };
                    if let Err(error) = taken {
                        return Err(self.broke(error));
                    }
                }
                Ok(Found::Part(len)) => {
                    self.input.frame = len;
                    self.input.settle();
                    return Ok(());
                }
                Err(error) => return Err(self.broke(error)),
            }
        }
    }

    #[inline]
    pub(super) fn finish_command(&mut self) {
        self.running = false;
        self.discarding = false;
        self.input.settle();
        self.shrink_scratch();
    }

    #[inline]
    pub(crate) fn shrink_scratch(&mut self) {
        if self.scratch.capacity() > super::rows::SCRATCH_BYTES {
            self.scratch = Vec::new();
        }
    }

    fn row(&mut self, frame: Frame, batch: &mut RowBatch) -> Result<()> {
        if !matches!(self.expected.front(), Some(Expect::Execute | Expect::Query)) {
            return Err(unexpected(b'D'));
        }
        match self.take_rows(frame, batch) {
            Err(error) if error.kind() != ErrorKind::Protocol => {
                // One cell cannot be read: the statement fails, the session goes on.
                batch.clear();
                if let Some(work) = self.works.front_mut() {
                    work.want = Want::Outcome;
                }
                self.failure.get_or_insert(Failure { error, server: None, planning: false });
                Ok(())
            }
            taken => taken,
        }
    }

    /// In a script the next set's first message tells that the last set's end was not the script's.
    fn next_set_begins(&mut self, tag: u8, batch: &mut RowBatch) -> Option<Step> {
        if !matches!(tag, b'T' | b'C' | b'I' | b'E' | b'G' | b'H') {
            return None;
        }
        let work = self.works.front_mut().filter(|work| work.role == Role::Script)?;
        let outcome = work.done.take()?;
        if self.discarding {
            return None;
        }
        if !work.gave_rows {
            batch.set_columns(work.shape.as_ref().map_or(&self.no_columns, |shape| &shape.columns));
        }
        work.gave_rows = false;
        work.shape = None;
        Some(Step::EndOfSet(outcome))
    }

    pub(super) fn receive(&mut self, tag: u8, body: &[u8]) -> Result<()> {
        if matches!(tag, b'N' | b'S' | b'A') {
            return self.asynchronous(tag, body);
        }
        let Some(&expect) = self.expected.front() else { return Err(unexpected(tag)) };
        match (tag, expect) {
            (b'1', Expect::Parse) | (b'2', Expect::Bind) => {
                self.expected.pop_front();
            }
            (b'1', Expect::ParseKept) => {
                self.expected.pop_front();
                self.kept_undescribed();
            }
            (b'3', Expect::Close) => {
                self.expected.pop_front();
                self.closing.pop_front();
            }
            (b't', Expect::Parameters) => {
                self.expected.pop_front();
                let parameters = backend::parameter_description(body)?;
                if let Some(learning) = self.works.front_mut().and_then(|w| w.learning.as_mut()) {
                    learning.parameters = Some(parameters);
                }
            }
            (b'T', Expect::Fields) => {
                self.expected.pop_front();
                self.described(backend::row_description(body)?);
            }
            (b'n', Expect::Fields) => {
                self.expected.pop_front();
                self.described(Vec::new());
            }
            (b'T', Expect::Query) => {
                let fields = backend::row_description(body)?;
                if let Some(work) = self.works.front_mut() {
                    work.shape = Some(Arc::new(Shape::text(&fields, &self.codecs)));
                    work.gave_rows = false;
                }
            }
            (b'C', Expect::Execute | Expect::Query) => self.complete(expect, body)?,
            (b's', Expect::Execute) if self.page_rows().is_some() => {
                self.expected.pop_front();
                if let (Some(rows), Some(work)) = (self.page_rows(), self.works.front_mut()) {
                    work.paged += u64::from(rows.get());
                }
                match self.page_rows().filter(|_| !self.discarding) {
                    Some(rows) => self.next_page = Some(rows),
                    None => self.end_segment(),
                }
            }
            (b'I' | b's', Expect::Execute | Expect::Query) => {
                self.completed(expect, Outcome::default());
            }
            (b'T', Expect::Trace) => {}
            (b'D', Expect::Trace) => self.traced(body),
            (b'C', Expect::Trace) => {
                self.expected.pop_front();
            }
            (b'Z', Expect::Ready) => self.segment_ended(backend::ready_for_query(body)?),
            (b'Z', Expect::Query) => {
                self.expected.pop_front();
                self.segment_ended(backend::ready_for_query(body)?);
            }
            (b'E', _) => self.failed(ServerError::parse(body)?),
            (b'G' | b'H' | b'W', Expect::Execute | Expect::Query) => {
                self.copy_begins(tag, body, expect)?;
            }
            (b'c', Expect::Query) if self.copy == Phase::Out => self.copy_ended(),
            // Data that nobody wants any more.
            (b'd', Expect::Query) if self.copy == Phase::Out && self.discarding => {}
            // Data of a COPY that was refused.
            (b'd' | b'c', Expect::Execute | Expect::Query) if self.failure.is_some() => {}
            _ => return Err(unexpected(tag)),
        }
        Ok(())
    }

    /// Of the statement at the head only the first row is wanted, and it is not handed over before the
    /// statement has ended: what it wrote is committed only then, and any query may call a function that
    /// writes. Nor may it be broken off inside a transaction, which would fail with it.
    fn awaits_end(&self) -> bool {
        self.works.front().is_some_and(|work| work.want == Want::First)
    }

    /// The size of the pages in which the statement at the head is read.
    fn page_rows(&self) -> Option<NonZeroU32> {
        match self.works.front()?.want {
            Want::Paged(rows) => Some(rows),
            _ => None,
        }
    }

    /// What the server may say at any time.
    pub(crate) fn asynchronous(&mut self, tag: u8, body: &[u8]) -> Result<()> {
        match tag {
            b'N' => {
                let notice = Notice::parse(body)?;
                if notice.routine() == Some("SyncRepWaitForLSN") {
                    match self.works.front_mut() {
                        Some(work) => work.unreplicated = true,
                        None => self.lane.unreplicated(),
                    }
                }
                if let Some(observer) = &self.settings.observer {
                    observer.notice(&notice);
                }
            }
            b'S' => {
                let (name, value) = backend::parameter_status(body)?;
                if let Some(observer) = &self.settings.observer {
                    observer.parameter(&name, &value);
                }
                let garbles = name == "client_encoding" && value != "UTF8";
                self.parameters.set(name, value);
                if garbles {
                    return Err(other_encoding());
                }
            }
            _ => {
                let notified = backend::notification(body)?;
                if let Some(observer) = &self.settings.observer {
                    observer.notification(&notified.into());
                }
            }
        }
        Ok(())
    }

    /// The statement at the head is described: by Describe of a statement, or of a portal.
    fn described(&mut self, fields: Vec<backend::Field>) {
        let Some(work) = self.works.front_mut() else { return };
        if let Some(Learning { name, text, declared, parameters }) = work.learning.take() {
            let shape = Arc::new(Shape::text(&fields, &self.codecs));
            let parameters = parameters.unwrap_or_default();
            let codecs = &self.codecs;
            let statement =
                Arc::new(Statement::new(name, text, parameters, declared, fields, codecs));
            work.shape = Some(Arc::clone(&shape));
            work.statement = Some(Arc::clone(&statement));
            if let Some(sibling) = work.follows.and_then(|place| self.siblings.get_mut(place)) {
                sibling.shape = Some(shape);
            }
            self.keep(&statement);
            return;
        }
        match (&work.statement, work.role) {
            // A description of what is kept: of the same columns, or of others if the schema has changed.
            (Some(statement), Role::Prepare) => {
                if !statement.has_fields(&fields) {
                    let statement = Arc::clone(statement);
                    let anew = Arc::new(Statement::new(
                        statement.name.clone(),
                        Arc::clone(&statement.text),
                        statement.parameters.clone(),
                        statement.declared.clone(),
                        fields,
                        &self.codecs,
                    ));
                    self.cache.remove(&statement);
                    work.statement = Some(Arc::clone(&anew));
                    self.keep(&anew);
                }
            }
            (statement, _) => {
                let shape = Shape::as_described(&fields, &self.codecs);
                if let Some(statement) = statement.clone()
                    && !statement.has_fields(&fields)
                {
                    self.cache.remove(&statement);
                }
                work.shape = Some(Arc::new(shape));
            }
        }
    }

    pub(crate) fn keep(&mut self, statement: &Arc<Statement>) {
        // One of a batch's that went without a name.
        if statement.name.is_empty() && self.settings.mode == StatementMode::Named {
            return;
        }
        let replaced = self.cache.insert(statement);
        if let Some(replaced) = replaced {
            self.counters.evicted += 1;
            if replaced.name != statement.name || self.cache.max() == 0 {
                self.close_later(&replaced);
            }
        }
    }

    /// The answer about the transaction or the server. One that makes no sense tells nothing.
    fn traced(&mut self, row: &[u8]) {
        let cell = backend::only_cell(row).unwrap_or_default();
        if self.works.front().is_some_and(|work| work.role == Role::Server) {
            if let Some(server) = Server::parse(cell) {
                self.trace = Some(Trace::new(server.clone()));
                self.server = Known::Server(server);
            }
        } else if let Some(trace) = &mut self.trace {
            trace.told(cell);
        }
    }

    fn complete(&mut self, expect: Expect, body: &[u8]) -> Result<()> {
        let tag = backend::command_complete(body)?;
        let Some(work) = self.works.front_mut() else { return Err(unexpected(b'C')) };
        // A query's tag counts its last page only.
        let before = if tag.command == "SELECT" { work.paged } else { 0 };
        let outcome = Outcome::new(tag.rows + before, None);
        work.committed = tag.command == "COMMIT";
        work.refused_commit = tag.command == "ROLLBACK" && work.sql().is_some_and(commits);
        // The server has dropped our statements along with the user's, whatever else the text does.
        if matches!(tag.command, "DEALLOCATE ALL" | "DISCARD ALL") && work.role != Role::Silent {
            self.cache.clear();
            self.closing.clear();
        }
        let drops = session_change::may_drop_statements(tag.command);
        let copies = matches!(work.role, Role::CopyIn | Role::CopyOut);
        let users = copies || matches!(work.role, Role::Statement | Role::Script);
        if users {
            let by_tag = session_change::in_tag(tag.command, work.sql());
            let by_text =
                work.statement.as_ref().is_some_and(|statement| statement.changes_session);
            if by_tag || by_text {
                let repeatable = match (&work.statement, work.role) {
                    (Some(statement), _) if statement.parameters.is_empty() => {
                        Some(Arc::clone(&statement.text))
                    }
                    (None, Role::Script) => work.text.clone(),
                    _ => None,
                };
                self.session_changes(tag.command, repeatable);
            }
        }
        if drops {
            self.doubt_names();
        }
        if copies && self.works.front().is_some_and(|work| work.begin.is_none()) {
            // Of a text with several statements, the COPY counts.
            if tag.command != "COPY" {
                return Ok(());
            }
            self.copy = Phase::Over;
        }
        self.completed(expect, outcome);
        Ok(())
    }

    /// The session is not as it was any more. `text` makes the same change again, if it can be repeated.
    pub(crate) fn session_changes(&mut self, command: &str, text: Option<Arc<str>>) {
        self.user_prepared |= command == "PREPARE";
        self.session_changed = true;
        let known = text
            .as_ref()
            .is_some_and(|text| self.changes.texts.last().is_some_and(|last| last == text));
        if !known {
            self.changes.add(text);
        }
    }

    /// A statement is done; whether it stays done, its Sync will tell.
    fn completed(&mut self, expect: Expect, outcome: Outcome) {
        let Some(work) = self.works.front_mut() else { return };
        if expect == Expect::Query {
            // The BEGIN that was put before a script.
            if work.prefix > 0 && work.begin.take().is_some() {
                return;
            }
            work.done = Some(outcome);
            return;
        }
        self.expected.pop_front();
        work.done = Some(outcome);
        if matches!(work.want, Want::Paged(_)) {
            self.end_segment();
            return;
        }
        if !work.ends_segment
            && let Some(work) = self.works.pop_front()
        {
            // What the server does not know of is this statement's own: those that follow go on.
            let failed = self.failure.take().map(|failed| failed.error);
            self.settle(work, failed.map_or(Ok(outcome), Err));
        }
        self.follow();
    }

    /// The next statement may be one that an earlier one has prepared.
    fn follow(&mut self) {
        if let Some(work) = self.works.front_mut()
            && work.shape.is_none()
            && let Some(sibling) = work.follows.and_then(|place| self.siblings.get(place))
        {
            work.shape = sibling.shape.clone();
        }
    }

    /// The server skips to the next Sync.
    fn failed(&mut self, server: ServerError) {
        let planning = matches!(
            self.expected.front(),
            Some(Expect::Parse | Expect::ParseKept | Expect::Parameters | Expect::Bind)
        );
        self.note_forgotten_begin(&server);
        while let Some(&expect) = self.expected.front() {
            if expect == Expect::Ready {
                break;
            }
            self.expected.pop_front();
        }
        if self.expected.is_empty() {
            // Of a flight of pages, whose Sync is still to be sent.
            self.end_segment();
        }
        if self.failure.is_some() {
            return;
        }
        let mut server = server;
        let mut prefix = 0;
        let mut sql = None;
        if let Some(work) = self.works.front_mut() {
            work.done = None;
            if work.rewritten {
                server = server.without_place();
            } else {
                prefix = work.prefix;
            }
            if let Some(sibling) = work.follows.and_then(|place| self.siblings.get_mut(place)) {
                if work.learning.is_some() {
                    sibling.failure = Some(server.clone());
                } else if is_state(&server, INVALID_STATEMENT_NAME)
                    && let Some(first) = &sibling.failure
                {
                    server = first.clone();
                }
            }
            // The BEGIN before it does not point into the statement's text.
            if work.role != Role::Begin {
                sql = work.sql().map(str::to_owned);
            }
        }
        let counted = self.works.front().and_then(wrong_count);
        let mut error = match counted.filter(|_| is_state(&server, PROTOCOL_VIOLATION)) {
            Some(error) => error,
            None => server.clone().into_error(sql.as_deref()),
        };
        if prefix > 0
            && let Some(at) = error.position()
        {
            error = error.with_position(at.saturating_sub(prefix as u32));
        }
        self.failure = Some(Failure { error, server: Some(server), planning });
        self.copy_ended();
    }

    /// COPY needs calls of its own: here it is ended without data, and the statement fails.
    pub(super) fn refuse_copy(&mut self, tag: u8, expect: Expect) -> Result<()> {
        let failure = Failure::stray_copy(tag, self.copy);
        if tag == b'W' {
            return Err(failure.error.with_kind(ErrorKind::Protocol));
        }
        self.failure.get_or_insert(failure);
        if tag == b'G' {
            frontend::copy_fail(&mut self.out, "COPY was not started by a copy call");
            if expect == Expect::Execute {
                // The Sync that was sent along was ignored as part of the COPY.
                self.counters.syncs += 1;
                frontend::sync(&mut self.out);
            }
        }
        Ok(())
    }

    /// ReadyForQuery: everything up to its Sync is settled.
    fn segment_ended(&mut self, ready: Ready) {
        self.expected.pop_front();
        self.ready = ready;
        self.began = false;
        if ready == Ready::Idle {
            self.doubt_names();
        }
        if self.begin_again() {
            return;
        }
        let mut failure = self.failure.take();
        let (mut skipped, mut over, mut unbegun) = (false, false, false);
        while let Some(mut work) = self.works.pop_front() {
            let ends = work.ends_segment;
            if over {
                // The command has the error of a statement that was queued before it.
            } else if work.role == Role::Server {
                // Not to be told is no failure of the BEGIN that follows.
                if failure.take().is_some() {
                    self.server = Known::Refused;
                }
                self.settle(work, Ok(Outcome::default()));
            } else if work.role == Role::Trace && failure.is_none() {
                self.counters.rounds += 1;
                self.send_commit(COMMIT);
                return;
            } else if work.role == Role::Begin {
                // Its failure is the failure of the statement that it was sent with, which must not run
                // again: it would do so outside of the transaction.
                if let Some(failed) = &mut failure {
                    failed.server = None;
                    unbegun = true;
                }
            } else if let Some(failed) = failure.take() {
                (skipped, over) = (true, work.queued > 0);
                if unbegun {
                    // It is not this one's.
                    work.queued = 0;
                }
                match self.heal(work, failed) {
                    Some((work, error)) => self.settle(work, Err(error)),
                    None => return,
                }
            } else if skipped {
                self.settle(work, Err(not_run()));
            } else {
                let result = finish(&work);
                self.settle(work, result);
            }
            if ends {
                break;
            }
        }
        self.follow();
    }

    /// A kept statement that the server can use no more is forgotten, and where nothing speaks against it,
    /// prepared and run again: `None` then.
    fn heal(&mut self, work: Work, failed: Failure) -> Option<(Work, Error)> {
        let is = |state| failed.server.as_ref().is_some_and(|server| is_state(server, state));
        let Some(statement) = work.statement.clone() else { return Some((work, failed.error)) };
        // Only before it runs: a function may raise the same.
        let gone = failed.planning && is(INVALID_STATEMENT_NAME);
        // The types that were learnt may be gone, or be those of another schema: to be learnt anew, but not
        // here, since the arguments are encoded already.
        let stale = failed.planning && failed.server.as_ref().is_some_and(is_of_the_schema);
        let changed = failed.planning && is(FEATURE_NOT_SUPPORTED);
        if !(gone || stale || changed) {
            return Some((work, failed.error));
        }
        if gone {
            self.doubt_names();
            if work.role == Role::Commit {
                self.counters.evicted += u64::from(self.cache.remove(&statement));
                return Some((work, commit_forgotten(failed.error)));
            }
        }
        // Only a kept plan makes it worth another try.
        if !self.cache.remove(&statement) {
            return Some((work, failed.error));
        }
        self.counters.evicted += 1;
        if !gone {
            self.close_later(&statement);
        }
        let again = !stale
            && work.arguments.is_some()
            && !work.gave_rows
            && !self.discarding
            && self.ready == Ready::Idle
            && self.expected.is_empty()
            && self.works.is_empty();
        if !again {
            return Some((work, failed.error));
        }
        self.send_again(work, &statement);
        None
    }

    fn settle(&mut self, work: Work, result: Result<Outcome>) {
        if work.role == Role::Begin {
            self.began = result.is_ok();
            return;
        }
        let result = match result {
            // Nobody wants it.
            Ok(_) if work.queued > 0 => return,
            Err(error) if work.queued > 0 => Err(error.with_statement(work.queued)),
            result => result,
        };
        if work.resets && result.is_ok() {
            self.session_changed = false;
            self.changes = super::Changes::default();
            self.user_prepared = false;
        }
        if work.role == Role::Prepare && result.is_ok() {
            self.description = work.statement.as_ref().map(|statement| statement.description());
            self.described = work.statement.clone();
        }
        let last = self.works.is_empty() && self.expected.is_empty();
        let columns = if work.gave_rows || work.role == Role::Prepare {
            None
        } else {
            let shape = work.shape.as_ref();
            Some(Arc::clone(shape.map_or(&self.no_columns, |shape| &shape.columns)))
        };
        let step = match result {
            Ok(outcome) if last => Ok(Step::End(outcome)),
            Ok(outcome) => Ok(Step::EndOfSet(outcome)),
            Err(error) if work.sibling => Ok(Step::Failed(error)),
            Err(error) => Err(error),
        };
        let ended = matches!(step, Ok(Step::Failed(_))) && last;
        self.steps.push_back(Settled { step, columns });
        if ended {
            self.steps.push_back(Settled::end(Outcome::default()));
        }
    }
}

/// The result of a piece of work whose segment went well.
fn finish(work: &Work) -> Result<Outcome> {
    if work.refused_commit || (work.role == Role::Commit && !work.committed) {
        return Err(rolled_back());
    }
    // A statement on its own is a transaction, too.
    if work.unreplicated {
        return Err(not_replicated());
    }
    Ok(work.done.unwrap_or_default())
}

#[cold]
pub(crate) fn not_replicated() -> Error {
    Error::new(
        ErrorKind::CommitNotReplicated,
        "the transaction is committed on this server, but the wait for its standby was broken off: a \
         failover may lose it",
    )
    .with_hint("do not run it again; look at the standby")
}

#[cold]
fn rolled_back() -> Error {
    Error::new(ErrorKind::TxFailed, "the transaction had failed: COMMIT rolled it back")
        .with_hint("look at the first error inside the transaction; nothing of it took effect")
}

/// Whether a text commits, by its first word.
fn commits(sql: &str) -> bool {
    let word =
        sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["COMMIT", "END"].iter().any(|commits| word.eq_ignore_ascii_case(commits))
}

/// At its first use a statement's number of parameters becomes known when the arguments are under way.
fn wrong_count(work: &Work) -> Option<Error> {
    let statement = work.statement.as_ref()?;
    statement.check_count(work.given).err().map(|error| error.with_nothing_sent(true))
}

pub(crate) fn is_state(server: &ServerError, state: &str) -> bool {
    server.sqlstate().is_some_and(|given| given.as_str() == state)
}

/// True if the text and the types do not fit the schema (class 42), an argument does not fit the type that
/// was learnt for it, which may have changed, or a type is gone (an internal error).
pub(crate) fn is_of_the_schema(server: &ServerError) -> bool {
    const OUT_OF_TYPE: [&str; 5] = ["22003", "22007", "22008", "22P02", "22P03"];
    server.sqlstate().is_some_and(|state| {
        ["42", "XX"].contains(&state.class()) || OUT_OF_TYPE.contains(&state.as_str())
    })
}

/// All text goes as UTF-8, both ways.
#[cold]
fn other_encoding() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the session's client_encoding was set to another one than UTF8; the connection is closed",
    )
    .with_hint(
        "leave client_encoding alone; convert single values with convert_to and convert_from",
    )
}

#[cold]
fn not_run() -> Error {
    Error::new(ErrorKind::TxFailed, "the statement did not run, because one before it failed")
}

#[cold]
pub(crate) fn unexpected(tag: u8) -> Error {
    Error::new(
        ErrorKind::Protocol,
        format!("the server sent a message out of turn (tag {})", tag.escape_ascii()),
    )
    .with_hint("the connection is closed")
}
