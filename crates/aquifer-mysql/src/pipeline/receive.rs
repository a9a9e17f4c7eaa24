//! Replies become steps.

use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Outcome, Result, Retry, RowBatch, Step, Want};

use super::command::not_utf_8;
use super::job::{Action, Arguments, Job, Role, Settled, Unprepared};
use super::{Pipeline, Stage, bulk};
use crate::placeholders;
use crate::protocol::answer::{self, Ok as Done, Prepared};
use crate::protocol::frame::{PAYLOAD_MAX, Packet};
use crate::protocol::reader::{Reader, malformed};
use crate::server_error::ServerError;
use crate::server_error::numbers;
use crate::session_change::{self, Changed};
use crate::statement::Statement;
use crate::types::Shape;

/// Most columns of a result, and more than any server's tables have.
const COLUMNS_MAX: u64 = 65_535;

impl Pipeline {
    /// Reads replies until there is a step to give; `None` if more bytes are needed, or some wait to be written. The
    /// batch is cleared first, unless it holds the one row that was wanted and waits for the end of its statement.
    ///
    /// # Errors
    ///
    /// The command's error, or one that ends the connection.
    pub(crate) fn advance(&mut self, batch: &mut RowBatch) -> Result<Option<Step>> {
        if !std::mem::take(&mut self.holding_first) {
            batch.clear();
        }
        if self.is_lone() {
            if let Some(step) = self.take_lone(batch)? {
                return Ok(Some(step));
            }
            self.unfold();
        }
        loop {
            if let Some(settled) = self.steps.pop_front() {
                if let Some(columns) = &settled.columns {
                    batch.set_columns(columns);
                }
                let followed = matches!(settled.step, Ok(Step::Failed(_)));
                if self.steps.is_empty() && self.jobs.is_empty() && !followed {
                    self.finish_command();
                }
                return settled.step.map(Some);
            }
            if self.fetch_due {
                if self.discarding {
                    self.leave_cursor();
                    continue;
                }
                if !batch.is_empty() {
                    return Ok(Some(Step::Rows));
                }
                self.fetch();
            }
            if self.jobs.is_empty() {
                // Nothing is owed: the command was settled before, or its owner gave it up.
                self.finish_command();
                return Ok(Some(Step::End(Outcome::default())));
            }
            if self.encoded == 0 {
                match self.jobs.front_mut().and_then(|job| job.failed.take()) {
                    Some(error) => {
                        self.front_failed(error);
                        continue;
                    }
                    None => self.send_next(),
                }
                if self.encoded == 0 {
                    continue;
                }
            }
            if self.sent < self.out.len() && self.input.is_drained() && batch.is_empty() {
                return Ok(None);
            }
            if self.stage == Stage::Head && self.is_first_packet() {
                self.sequence = self.jobs.front().map_or(0, |job| job.sequence);
            }
            let peeked = match self.peek() {
                Ok(peeked) => peeked,
                Err(error) => return Err(self.broke(error)),
            };
            let Some((packet, split)) = peeked else {
                self.holding_first = !batch.is_empty() && self.awaits_end();
                let rows = !batch.is_empty() && !self.holding_first;
                return Ok(rows.then_some(Step::Rows));
            };
            let first = self.input.bytes.get(packet.body).copied().unwrap_or_default();
            let is_row = self.stage == Stage::Rows && packet.end > packet.body && {
                let ends = first == answer::EOF && packet.end - packet.body < PAYLOAD_MAX;
                !ends && first != answer::ERR
            };
            // What ends a result set may share a step with its last rows; nothing else may.
            if !batch.is_empty() {
                match first {
                    _ if is_row && self.awaits_end() => {}
                    answer::ERR if self.awaits_end() => batch.clear(),
                    answer::EOF if self.stage == Stage::Rows && !is_row => {}
                    _ => return Ok(Some(Step::Rows)),
                }
            }
            let own = self.jobs.front().map(|job| job.role);
            let own = own.filter(|role| is_row && matches!(role, Role::Warnings | Role::KeyStep));
            let received = if is_row && own.is_none() {
                self.take_rows(packet, split, batch)
            } else {
                self.take(packet);
                // Taken out for the moment: what receives the packet changes everything else.
                let bytes = std::mem::take(&mut self.input.bytes);
                let payload = &bytes[packet.body..packet.end];
                let received = match own {
                    Some(Role::Warnings) => self.hear_warning(payload),
                    Some(_) => self.hear_key_step(payload),
                    None => self.receive(payload),
                };
                self.input.bytes = bytes;
                self.input.settle();
                received
            };
            if let Err(error) = received {
                return Err(self.broke(error));
            }
        }
    }

    /// The next job's turn to be sent has come, after an answer.
    fn send_next(&mut self) {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        self.encode_ready();
        if self.encoded > 0 {
            self.counters.rounds += 1;
        }
    }

    /// True before anything of the first job's answer was read.
    fn is_first_packet(&self) -> bool {
        self.jobs.front().is_some_and(|job| !job.answering)
    }

    /// The one row that is wanted is in the batch, and waits for its statement's end.
    fn awaits_end(&self) -> bool {
        self.jobs.front().is_some_and(|job| job.want == Want::First && job.gave_rows)
    }

    pub(super) fn finish_command(&mut self) {
        self.running = false;
        self.discarding = false;
        self.input.settle();
    }

    /// Takes what came while nothing was owed: a farewell.
    ///
    /// # Errors
    ///
    /// If the server says that the session is over, or anything that it may not say now.
    pub(crate) fn receive_unasked(&mut self) -> Result<()> {
        match self.peek() {
            Ok(Some((Packet { body, end, .. }, _))) => {
                let packet = self.input.bytes[body..end].to_vec();
                let error = match ServerError::parse(&packet) {
                    Ok(error) => {
                        let error = error.into_error(None);
                        if error.is_connection_lost() {
                            error
                        } else {
                            error.with_kind(ErrorKind::ConnectionLost)
                        }
                    }
                    Err(_) => unasked(),
                };
                Err(self.broke(error))
            }
            Ok(None) if self.input.is_drained() => Ok(()),
            // A server says nothing but farewell, and that in one piece: this is what is left of an answer.
            Ok(None) => Err(self.broke(unasked())),
            Err(error) => Err(self.broke(error)),
        }
    }

    /// Takes a packet that is no row.
    fn receive(&mut self, packet: &[u8]) -> Result<()> {
        if let Some(job) = self.jobs.front_mut() {
            job.answering = true;
        }
        let first = *packet.first().ok_or_else(|| malformed("it is empty"))?;
        if first == answer::ERR {
            return self.failed(ServerError::parse(packet)?);
        }
        match self.stage {
            Stage::Head => self.head(first, packet),
            Stage::Parameters(parameters, columns) => {
                match parameters {
                    0 | 1 if self.settings.agreed.deprecates_eof() => {
                        self.describe_columns(columns.into());
                    }
                    0 | 1 => self.stage = Stage::ParametersEnd(columns),
                    more => self.stage = Stage::Parameters(more - 1, columns),
                }
                Ok(())
            }
            Stage::ParametersEnd(columns) => {
                Done::parse_eof(packet)?;
                self.describe_columns(columns.into());
                Ok(())
            }
            Stage::Columns(left) => {
                self.raw.extend_from_slice(&(packet.len() as u32).to_le_bytes());
                self.raw.extend_from_slice(packet);
                if left > 1 {
                    self.stage = Stage::Columns(left - 1);
                    return Ok(());
                }
                if self.settings.agreed.deprecates_eof() {
                    return self.columns_described();
                }
                self.stage = Stage::ColumnsEnd;
                Ok(())
            }
            Stage::ColumnsEnd => {
                let done = Done::parse_eof(packet)?;
                self.columns_described()?;
                // A cursor's rows come only when they are fetched.
                self.fetch_due = self.stage == Stage::Rows && done.status.has_cursor();
                Ok(())
            }
            Stage::Rows => {
                let done = if self.settings.agreed.deprecates_eof() {
                    Done::parse(packet, self.settings.agreed)?
                } else {
                    Done::parse_eof(packet)?
                };
                self.set_ended(done)
            }
        }
    }

    /// The first packet of an answer, or of its next result set.
    fn head(&mut self, first: u8, packet: &[u8]) -> Result<()> {
        let agreed = self.settings.agreed;
        let Some(job) = self.jobs.front_mut() else { return Err(malformed("nothing is owed")) };
        match (job.action, first) {
            (Action::Prepare, _) => {
                let prepared = Prepared::parse(packet)?;
                self.prepared = Some(prepared);
                match prepared.parameters {
                    0 => self.describe_columns(prepared.columns.into()),
                    parameters => self.stage = Stage::Parameters(parameters, prepared.columns),
                }
                Ok(())
            }
            (_, _) if job.unprepared.is_some() => {
                Err(malformed("a statement was run that could not be prepared"))
            }
            (_, answer::OK) => {
                let done = Done::parse(packet, agreed)?;
                job.shape = None;
                self.set_ended(done)
            }
            (Action::Query | Action::Execute, answer::LOCAL_INFILE) => {
                self.asked_for_file(packet.get(1..).unwrap_or_default())
            }
            (Action::Query | Action::Execute, _) => {
                let mut reader = Reader::new(packet);
                let count = reader.int()?;
                if count == 0 || count > COLUMNS_MAX {
                    return Err(malformed("a result has an impossible number of columns"));
                }
                let described = !agreed.caches_metadata() || reader.is_empty() || reader.u8()? != 0;
                if let Some(ended) = job.ended.take() {
                    self.steps.push_back(ended);
                }
                if described {
                    self.describe_columns(count);
                    return Ok(());
                }
                let reading = self.reading;
                let statement = job.statement.clone();
                let shape = match statement {
                    Some(statement) => Some(statement.shape_for(reading, agreed)?),
                    None => None,
                };
                let shape = shape
                    .filter(|shape| shape.kinds.len() as u64 == count)
                    .ok_or_else(|| malformed("a result was not described"))?;
                self.raw.clear();
                if agreed.deprecates_eof() {
                    self.rows_begin(shape);
                } else {
                    job.shape = Some(shape);
                    self.stage = Stage::ColumnsEnd;
                }
                Ok(())
            }
            (Action::Ping | Action::Reset | Action::Bulk, _) => {
                Err(malformed("a command without a result was answered by one"))
            }
        }
    }

    /// So many columns are described next; a prepared statement may have none.
    fn describe_columns(&mut self, count: u64) {
        self.raw.clear();
        self.stage = Stage::Columns(count);
        if count == 0 {
            self.prepared(Arc::new(Shape::new(&[], self.reading)));
        }
    }

    fn rows_begin(&mut self, shape: Arc<Shape>) {
        if let Some(job) = self.jobs.front_mut() {
            job.shape = Some(shape);
            job.rows = 0;
            job.gave_rows = false;
        }
        self.stage = Stage::Rows;
    }

    /// All columns of a statement or a result are described.
    fn columns_described(&mut self) -> Result<()> {
        let Some(job) = self.jobs.front_mut() else { return Err(malformed("nothing is owed")) };
        if let (true, Some(shape)) = (self.raw.is_empty(), job.shape.clone()) {
            // They were not described again.
            self.rows_begin(shape);
            return Ok(());
        }
        let same = job.statement.as_ref().and_then(|statement| {
            statement.shape_of(&self.raw).filter(|shape| shape.reading == self.reading)
        });
        let shape = match same {
            Some(shape) => shape,
            None => {
                let shape = Shape::parse(&self.raw, self.settings.agreed, self.reading)?;
                let shape = Arc::new(shape);
                if let Some(statement) = self.jobs.front().and_then(|job| job.statement.as_ref()) {
                    statement.describe(&self.raw, &shape);
                }
                shape
            }
        };
        if self.prepared.is_some() {
            self.prepared(shape);
        } else {
            self.rows_begin(shape);
        }
        Ok(())
    }

    /// A statement is prepared: it is kept, and those who waited for it can be sent.
    fn prepared(&mut self, shape: Arc<Shape>) {
        let Some(prepared) = self.prepared.take() else { return };
        let Some(job) = self.pop() else { return };
        let text = job.text.unwrap_or_else(|| "".into());
        let raw = self.raw.as_slice().into();
        let changes = self.text_hints_at_change(&text);
        let statement = Arc::new(Statement::new(
            prepared.id,
            Arc::clone(&text),
            prepared.parameters,
            changes,
            raw,
            shape,
        ));
        if job.role == Role::Vacate {
            // A proxy may not know the number that it was closed by; one order too many does no harm.
            self.close_later(&statement);
            self.last_prepared = None;
            return;
        }
        self.last_prepared = Some(Arc::clone(&statement));
        if let Some(leaves) = self.cache.insert(&statement) {
            self.close_later(&leaves);
        }
        for waiting in self.jobs.iter_mut().filter(|job| {
            job.executes() && job.statement.is_none() && job.text.as_deref() == Some(&*text)
        }) {
            match statement.check_count(waiting.given) {
                Ok(()) => waiting.statement = Some(Arc::clone(&statement)),
                // Sent with other placeholders than it has: nothing but a refusal may follow.
                Err(error) if waiting.blind => waiting.unprepared = Some(Unprepared::Fails(error)),
                Err(error) => waiting.failed = Some(error),
            }
        }
        if job.role == Role::Describe && !self.discarding {
            self.description = Some(statement.description());
            self.steps.push_back(Settled::end(Outcome::default()));
        }
        if self.encoded > 0 {
            // Others are under way already: these go along.
            self.encode_ready();
        }
    }

    /// The first job is answered.
    fn pop(&mut self) -> Option<Job> {
        self.stage = Stage::Head;
        self.encoded = self.encoded.saturating_sub(1);
        self.jobs.pop_front()
    }

    /// A result set has ended, or a statement without one.
    fn set_ended(&mut self, done: Done<'_>) -> Result<()> {
        let was_open = std::mem::replace(&mut self.server, done.status).in_transaction();
        if let Some(gtid) = done.gtid.filter(|gtid| !gtid.is_empty()) {
            self.last_gtid = Some(String::from_utf8_lossy(gtid).into());
        }
        self.stage = Stage::Head;
        let discarding = self.discarding;
        let Some(job) = self.jobs.front_mut() else { return Err(malformed("nothing is owed")) };
        if job.shape.is_some()
            && job.has_cursor()
            && done.status.has_cursor()
            && !done.status.cursor_ended()
        {
            self.stage = Stage::Rows;
            self.fetch_due = true;
            return Ok(());
        }
        job.changed |= done.session_changed;
        if done.other_charset {
            return Err(not_utf_8().with_retry(Retry::Never));
        }
        if let Some(zone) = done.zone {
            self.reading.zone = zone;
        }
        job.warnings = match job.role {
            Role::Undone | Role::Fitness => job.warnings | done.warnings,
            _ => done.warnings,
        };
        let rows = job.shape.as_ref().map_or(0, |_| job.rows);
        let affected = if done.affected == 0 { rows } else { done.affected };
        let id = i64::try_from(done.insert_id).ok().filter(|id| *id != 0);
        let outcome = Outcome::new(affected, id);
        let columns = match job.shape.take() {
            Some(_) if job.gave_rows => None,
            Some(shape) => Some(Arc::clone(&shape.columns)),
            None => Some(Arc::clone(&self.no_columns)),
        };
        let had_columns = rows > 0 || columns.as_ref().is_none_or(|columns| !columns.is_empty());
        if done.status.more_results() {
            let settled = Settled { step: Ok(Step::EndOfSet(outcome)), columns };
            // A procedure's results end with an OK of the call, which is no result of its own.
            if job.role == Role::Statement && had_columns {
                job.ended = Some(settled);
            } else if !discarding
                && !matches!(job.role, Role::Own | Role::Commit | Role::Undone | Role::Fitness)
            {
                self.steps.push_back(settled);
            }
            if done.warnings > 0 && !had_columns {
                self.warned_within(was_open);
            }
            if let Some(job) = self.jobs.front_mut() {
                job.results += 1;
            }
            return Ok(());
        }
        let Some(mut job) = self.pop() else { return Ok(()) };
        if let Some(error) = job.unloaded.take() {
            self.settle_failure_unless_discarded(&job, error);
            return Ok(());
        }
        let columns = match job.ended.take() {
            Some(Settled { columns, .. }) if !had_columns => columns,
            Some(ended) => {
                if !discarding {
                    self.steps.push_back(ended);
                }
                columns
            }
            None => columns,
        };
        self.succeeded(job, outcome, columns);
        Ok(())
    }

    fn succeeded(
        &mut self,
        mut job: Job,
        outcome: Outcome,
        columns: Option<Arc<aquifer_driver::Columns>>,
    ) {
        let users = matches!(job.role, Role::Statement | Role::Script);
        if users && (job.changed || self.hints_at_change(&job)) {
            self.session_changed = true;
            let changed = Changed::by(job.sql());
            if job.bulk.is_none() && changed.may_relax() {
                self.fitness.doubt();
            }
            self.changed.add(changed);
            let text = (job.given == 0).then(|| Arc::from(job.sql()));
            self.changes.add(text);
        }
        if job.resets {
            self.fitness.clear();
            self.cache.clear();
            self.closing.clear();
            self.closing_encoded = 0;
            self.last_prepared = None;
        }
        if job.resets || job.undoes {
            self.fitness.doubt();
            self.is_fresh();
            // The setup that follows sets it; not all servers say so when they are told what to track at once.
            self.reading.zone = self.settings.reading.zone;
        }
        self.learn_keys(&job, outcome);
        // Behind it the level is the transaction's, and ends with it.
        self.level_pending &= job.quiet;
        if self.discarding {
            return;
        }
        if job.role == Role::Warnings {
            self.warnings_told(job);
            return;
        }
        // A warning says that not all can be undone.
        let undoes_all = job.warnings == 0 && self.server.in_transaction();
        match job.role {
            Role::Undone => return self.told_undone(job, undoes_all),
            Role::Fitness => return self.told_fitness(undoes_all),
            _ => {}
        }
        let outcome = self.bulk_succeeded(&job, outcome);
        if let Some(then) = job.then {
            self.steps.push_back(then);
            return;
        }
        if job.quiet {
            return;
        }
        let step = match job.refused.take().or_else(|| self.refuses(&job)) {
            Some(error) if job.sibling => Ok(Step::Failed(error)),
            Some(error) => Err(error),
            None if job.sibling && !self.jobs.is_empty() => Ok(Step::EndOfSet(outcome)),
            None => Ok(Step::End(outcome)),
        };
        let settled = Settled { step, columns };
        match self.asks_for_warnings(&job) {
            Some(mut asks) => {
                asks.then = Some(settled);
                self.jobs.push_front(asks);
            }
            None => self.steps.push_back(settled),
        }
    }

    /// The server refuses the first job.
    fn failed(&mut self, server: ServerError) -> Result<()> {
        if server.ends_session() {
            let sql = self.jobs.front().map(|job| job.sql().to_owned());
            return Err(server.into_error(sql.as_deref()));
        }
        self.prepared = None;
        let in_flight = self.encoded.saturating_sub(1);
        let Some(mut job) = self.pop() else { return Err(malformed("nothing is owed")) };
        let number = server.number();
        match job.unprepared.take() {
            Some(Unprepared::Fails(error)) => {
                self.settle_failure_unless_discarded(&job, error);
                return Ok(());
            }
            Some(_) if self.discarding => return Ok(()),
            Some(Unprepared::Text) => {
                job.blind = false;
                job.action = Action::Query;
                job.answering = false;
                self.jobs.push_front(job);
                return Ok(());
            }
            Some(Unprepared::Again) => {
                let again = learn_again(job.text.clone());
                job.blind = false;
                job.answering = false;
                self.jobs.push_front(job);
                self.jobs.push_front(again);
                return Ok(());
            }
            None => {}
        }
        match job.role {
            Role::Learn => {
                self.not_prepared(job, &server);
                return Ok(());
            }
            Role::Vacate => {
                // The order behind it has closed the one that was the last.
                if let Some(last) = self.last_prepared.take()
                    && self.cache.remove(&last)
                {
                    self.close_later(&last);
                    self.counters.evicted += 1;
                }
                return Ok(());
            }
            Role::Describe
                if number == numbers::TOO_MANY_STATEMENTS
                    && !job.retried
                    && !self.discarding
                    && self.give_way() =>
            {
                (job.retried, job.answering) = (true, false);
                self.jobs.push_front(job);
                return Ok(());
            }
            _ => {}
        }
        if job.role == Role::Warnings {
            // The statement has succeeded all the same.
            self.warnings_told(job);
            return Ok(());
        }
        match job.role {
            Role::Undone => {
                self.told_undone(job, false);
                return Ok(());
            }
            Role::Fitness => {
                self.told_fitness(false);
                return Ok(());
            }
            _ => {}
        }
        self.may_have_changed(&job);
        if std::mem::take(&mut self.level_pending) {
            self.anything_changed();
        }
        if self.settings.reject_read_only && server.is_read_only() && self.rejects(&job) {
            self.reject(&job, server);
            return Ok(());
        }
        if job.role == Role::Script && number == numbers::EMPTY_QUERY {
            self.succeeded(job, Outcome::default(), Some(Arc::clone(&self.no_columns)));
            return Ok(());
        }
        let forgotten = [numbers::UNKNOWN_STATEMENT, numbers::NEEDS_REPREPARE].contains(&number);
        if forgotten
            && job.action == Action::Execute
            && !job.retried
            && !job.gave_rows
            && in_flight == 0
            && !self.discarding
        {
            self.send_again(job);
            return Ok(());
        }
        if let (Arguments::Long(..), Some(statement)) = (&job.arguments, &job.statement)
            && self.cache.remove(statement)
        {
            // What was sent before it may still wait there for the next one.
            self.close_later(statement);
        }
        let was_open = self.server.in_transaction();
        if server.ends_transaction() {
            self.server.0 &= !answer::IN_TRANSACTION;
        }
        // Later answers of the flight tell where the transaction stands; if there are none, a ping does.
        let unclear = was_open || may_begin(&job);
        let repeats = job.statements() > 1 && bulk::is_of_a_row(&server);
        let error = server.into_error(Some(job.sql()));
        if repeats && !self.discarding {
            self.bulk_failed(job, error);
            return Ok(());
        }
        if unclear && in_flight == 0 {
            let mut probe = Job::new(Action::Ping, Role::Probe);
            probe.quiet = true;
            if !self.discarding {
                self.settle_failure(&job, error);
                // Given when the server's word is here.
                probe.then = self.steps.pop_back();
            }
            self.jobs.push_front(probe);
        } else if !self.discarding {
            self.settle_failure(&job, error);
        }
        Ok(())
    }

    /// The first job is not sent, for this reason.
    fn front_failed(&mut self, error: Error) {
        if let Some(job) = self.jobs.pop_front() {
            self.settle_failure(&job, error);
        }
    }

    fn settle_failure_unless_discarded(&mut self, job: &Job, error: Error) {
        if !self.discarding {
            self.settle_failure(job, error);
        }
    }

    pub(super) fn settle_failure(&mut self, job: &Job, error: Error) {
        if job.sibling {
            for later in self.jobs.iter_mut().filter(|later| later.waits) {
                later.failed.get_or_insert_with(bulk::unsent);
            }
            let behind = std::iter::repeat_with(bulk::unsent).take(job.statements() - 1);
            for error in std::iter::once(error).chain(behind) {
                self.steps.push_back(Settled {
                    step: Ok(Step::Failed(error)),
                    columns: Some(Arc::clone(&self.no_columns)),
                });
            }
        } else {
            // What was to follow is not sent.
            self.jobs.truncate(self.encoded);
            self.steps.push_back(Settled { step: Err(error), columns: None });
        }
    }

    /// A text could not be prepared: those who would run it fail, or run it unprepared.
    fn not_prepared(&mut self, learn: Job, server: &ServerError) {
        let full = server.number() == numbers::TOO_MANY_STATEMENTS;
        if full && !learn.retried && self.give_way() {
            let text = learn.text.clone();
            let blind = self.jobs.iter_mut().find(|job| job.blind && job.sql() == learn.sql());
            match blind {
                // It is on its way, and will be refused; then both are sent again.
                Some(job) => job.unprepared = Some(Unprepared::Again),
                None => self.jobs.push_front(learn_again(text)),
            }
            return;
        }
        let sql = learn.sql();
        // A server that is full has not looked at the text, and would run several statements as well.
        let single = || placeholders::find(sql, !self.server.takes_backslashes()).is_some();
        let unpreparable = match full {
            true => single(),
            false => server.number() == numbers::UNSUPPORTED_PREPARE,
        };
        for job in self
            .jobs
            .iter_mut()
            .filter(|job| job.executes() && job.statement.is_none() && job.sql() == sql)
        {
            let unprepared = unpreparable && job.given == 0;
            let error = || server.clone().into_error(Some(sql)).with_nothing_sent(true);
            if job.statements() > 1 && job.action == Action::Execute {
                // One for many rows is the driver's idea.
                let many = std::mem::replace(job, Job::new(Action::Bulk, Role::Statement));
                *job = many.singly();
            } else if job.blind {
                // It is on its way, and will be refused.
                let fails = || Unprepared::Fails(error());
                job.unprepared = Some(if unprepared { Unprepared::Text } else { fails() });
            } else if unprepared {
                job.action = Action::Query;
            } else {
                job.failed = Some(error());
            }
        }
    }

    /// The server has as many statements as it takes, of all its clients: half of ours are closed. False if there
    /// are none.
    fn give_way(&mut self) -> bool {
        let (mut any, used) = (false, &self.jobs);
        for statement in self.cache.give_way() {
            let waits = used.iter().any(|job| {
                job.statement.as_ref().is_some_and(|known| Arc::ptr_eq(known, &statement))
            });
            if waits {
                self.cache.insert(&statement);
            } else {
                self.closing.push(statement.id);
                self.counters.evicted += 1;
                any = true;
            }
        }
        any
    }

    /// A statement that failed may have changed the session before, and an error does not tell.
    fn may_have_changed(&mut self, job: &Job) {
        let users = matches!(job.role, Role::Statement | Role::Script);
        let sql = job.sql();
        let sets = sql.trim_start().get(..3).is_some_and(|word| word.eq_ignore_ascii_case("set"));
        if users && (sets || may_begin(job) || self.hints_at_change(job)) {
            self.changed.role |= session_change::sets_role(sql);
            self.anything_changed();
        }
    }

    /// Whether a server that only reads loses the connection for this job: not for a transaction that was begun to
    /// read only.
    fn rejects(&self, job: &Job) -> bool {
        let own = self.reads_only && self.server.in_transaction();
        !own && matches!(job.role, Role::Statement | Role::Script | Role::Own | Role::Commit)
    }

    /// The connection is given up; what can be run elsewhere says so.
    fn reject(&mut self, job: &Job, server: ServerError) {
        let alone = job.role == Role::Statement && !job.sibling && !self.server.in_transaction();
        let refused = server.into_error(Some(job.sql()));
        let error = if alone {
            let message =
                format!("the server only reads, and loses this connection: {}", refused.message());
            Error::new(ErrorKind::ConnectionLost, message)
                .with_code(refused.code().unwrap_or_default().to_owned())
                .with_nothing_sent(true)
                .with_retry(Retry::Safe)
                .with_source(refused)
        } else {
            refused.with_retry(Retry::Transaction)
        };
        self.broken = true;
        self.running = false;
        self.jobs.clear();
        self.encoded = 0;
        self.steps.clear();
        self.steps.push_back(Settled { step: Err(error), columns: None });
    }
}

#[cold]
fn unasked() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent something that nobody asked for")
        .with_hint("the connection is closed")
}

/// A Prepare that is sent again, behind orders to close others.
fn learn_again(text: Option<Arc<str>>) -> Job {
    let mut again = Job::new(Action::Prepare, Role::Learn);
    (again.quiet, again.retried, again.text) = (true, true, text);
    again
}

/// Whether a failed job may have begun or ended a transaction before it failed.
fn may_begin(job: &Job) -> bool {
    let word = job.sql().trim_start().get(..4).unwrap_or_default();
    job.role == Role::Script
        || ["call", "begi", "exec"].iter().any(|known| word.eq_ignore_ascii_case(known))
}
