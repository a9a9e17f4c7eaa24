//! Commands become jobs, and jobs bytes.

use std::sync::Arc;

use aquifer_driver::{
    Batch, Command, Error, ErrorKind, Isolation, Params, Result, TxOptions, Want,
};
use mysql_common::constants::Command as Code;

use super::job::{Action, Arguments, Job, Role, Settled};
use super::{Pipeline, Stage};
use crate::placeholders;
use crate::protocol::{command, frame};
use crate::session_change;
use crate::statement::Statement;
use crate::types::{bind, literal};

/// Most bytes of the flight buffer that are kept between commands.
const KEPT_BYTES: usize = 64 * 1024;

impl Pipeline {
    /// Encodes a command. What needs no answer of the server is settled at once.
    ///
    /// # Errors
    ///
    /// If it cannot be sent as it is; nothing is then to be sent, and the session is as it was.
    pub(crate) fn start(&mut self, command: Command<'_>) -> Result<()> {
        self.check_free()?;
        self.begin_flight();
        let arranged = match &command {
            Command::Execute { sql, params, want } => self.start_lone(sql, *params, *want),
            _ => Ok(false),
        };
        let arranged = match arranged {
            Ok(true) => {
                self.running = true;
                self.counters.rounds += 1;
                return Ok(());
            }
            Ok(false) => self.arrange(command),
            Err(error) => Err(error),
        };
        if let Err(error) = arranged {
            self.take_back();
            return Err(error.with_nothing_sent(true));
        }
        if let Some(error) = self.jobs.iter_mut().find_map(|job| job.failed.take()) {
            self.take_back();
            return Err(error.with_nothing_sent(true));
        }
        self.running = true;
        if !self.jobs.is_empty() {
            self.counters.rounds += 1;
        }
        Ok(())
    }

    fn check_free(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(ErrorKind::ConnectionLost, "the connection is broken")
                .with_nothing_sent(true));
        }
        if self.running || !self.jobs.is_empty() {
            return Err(Error::new(
                ErrorKind::Protocol,
                "a command was started while another one is under way",
            )
            .with_nothing_sent(true));
        }
        Ok(())
    }

    fn begin_flight(&mut self) {
        // A lone statement whose answer came whole has touched nothing else.
        if !std::mem::take(&mut self.fresh) {
            self.begin_other();
        }
        self.out.clear();
        if self.out.capacity() > KEPT_BYTES {
            self.out.shrink_to(KEPT_BYTES);
        }
        self.sent = 0;
        self.touched = false;
    }

    fn begin_other(&mut self) {
        if self.touched {
            let closed = self.closing.drain(..self.closing_encoded);
            let last = self.last_prepared.as_ref().map(|last| last.id);
            if closed.into_iter().any(|id| last == Some(id)) {
                self.last_prepared = None;
            }
        }
        self.closing_encoded = 0;
        self.encoded = 0;
        self.stage = Stage::Head;
        self.holding_first = false;
        self.fetch_due = false;
        self.local = Default::default();
        self.level_pending = false;
        self.steps.clear();
        self.discarding = false;
        self.description = None;
    }

    fn arrange(&mut self, command: Command<'_>) -> Result<()> {
        match command {
            Command::Execute { sql, params, want } => self.execute(sql, params, want),
            Command::Script { sql } => {
                check_sql(sql)?;
                self.check_charset(sql)?;
                let mut job = Job::new(Action::Query, Role::Script);
                job.text = Some(sql.into());
                self.add(job);
                Ok(())
            }
            Command::Prepare { sql } => self.describe(sql),
            Command::Batch(batch) => self.batch(&batch),
            Command::Begin(options) => self.begin(options),
            Command::Commit => self.commit("COMMIT"),
            Command::CommitWith { sql } => {
                check_sql(sql)?;
                // In one packet: the server has all of it or nothing, and stops where it fails.
                self.commit(&format!("{sql};\nCOMMIT"))
            }
            Command::Rollback => {
                self.rollback();
                Ok(())
            }
            Command::Ping => {
                self.add(Job::new(Action::Ping, Role::Own));
                Ok(())
            }
            Command::Reset => self.reset(),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the MySQL driver does not have the command {other:?}"),
            )),
        }
    }

    fn execute(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<()> {
        let mut job = Job::new(Action::Execute, Role::Statement);
        job.want = want;
        if self.settings.several && self.is_several(sql) {
            return self.run_several(job, sql, params);
        }
        if self.settings.interpolates && self.write_in(&mut job, sql, params)? {
            self.add(job);
            return Ok(());
        }
        match self.cache.find(sql) {
            Some(statement) => {
                self.counters.cache_hits += 1;
                self.known(job, statement, params)
            }
            None => {
                check_sql(sql)?;
                self.check_charset(sql)?;
                let text: Arc<str> = sql.into();
                job.blind = self.settings.agreed.runs_last_prepared() && {
                    let escapes = !self.server.takes_backslashes();
                    placeholders::find(sql, escapes)
                        .is_some_and(|places| places.len() == params.count())
                };
                if job.blind {
                    self.make_room();
                    self.vacate();
                }
                self.learn(&text);
                self.unknown(job, text, params)
            }
        }
    }

    fn is_several(&self, sql: &str) -> bool {
        let found = placeholders::search(sql, !self.server.takes_backslashes());
        found.is_some_and(|(_, several)| several)
    }

    /// A text of several statements, which cannot be prepared.
    fn run_several(&mut self, mut job: Job, sql: &str, params: &dyn Params) -> Result<()> {
        check_sql(sql)?;
        if params.count() > 0 && self.settings.interpolates {
            check_mode(sql)?;
        }
        if params.count() == 0 {
            job.action = Action::Query;
            job.text = Some(sql.into());
            job.want = unpaged(job.want);
        } else if !self.settings.interpolates || !self.write_in(&mut job, sql, params)? {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                "a text of several statements has no arguments, unless they are written into it",
            )
            .with_hint("set `interpolateParams=true`, or run its statements one by one"));
        }
        job.role = Role::Script;
        self.add(job);
        Ok(())
    }

    /// Makes the job one that sends a text with its arguments written in. False for a text without arguments that
    /// may be several statements or one that has others in it: what it is, the server finds out by preparing it.
    fn write_in(&self, job: &mut Job, sql: &str, params: &dyn Params) -> Result<bool> {
        check_sql(sql)?;
        let escapes = !self.server.takes_backslashes();
        if params.count() == 0 && placeholders::find(sql, escapes).is_none() {
            return Ok(false);
        }
        let several = self.settings.several;
        let written = literal::interpolate(sql, params, self.clock(), escapes, several)?;
        job.action = Action::Query;
        job.given = params.count();
        job.text = Some(sql.into());
        job.arguments = Arguments::Written(written);
        job.want = unpaged(job.want);
        Ok(true)
    }

    /// Asks for the next rows of the first job's cursor, which the owner waits for.
    pub(super) fn fetch(&mut self) {
        self.fetch_due = false;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        let Some(job) = self.jobs.front_mut() else { return };
        let (Some(statement), Want::Paged(rows)) = (&job.statement, job.want) else { return };
        // The arguments are gone from the flight: it is not sent again.
        job.arguments = Arguments::None;
        job.retried = true;
        self.sequence = command::fetch(&mut self.out, statement.id, rows.get());
        self.counters.rounds += 1;
    }

    /// Nobody wants the rest of the first job's rows: the statement is closed, and its cursor with it.
    pub(super) fn leave_cursor(&mut self) {
        self.fetch_due = false;
        let Some(job) = self.jobs.pop_front() else { return };
        self.stage = Stage::Head;
        self.encoded = self.encoded.saturating_sub(1);
        if let Some(statement) = job.statement
            && self.cache.remove(&statement)
        {
            self.close_later(&statement);
        }
    }

    /// A Prepare in front of those who need it.
    fn learn(&mut self, text: &Arc<str>) {
        self.make_room();
        let mut job = Job::new(Action::Prepare, Role::Learn);
        job.quiet = true;
        job.text = Some(Arc::clone(text));
        self.add(job);
    }

    /// At `max_prepared_stmt_count` MariaDB refuses a Prepare and leaves the one before it the last that was prepared:
    /// an Execute right behind would run that one. So there must be none: one is prepared that harms nobody, and the
    /// last one is closed without a number. That is the new one; or, if it is refused for the same reason, the old one,
    /// which is then known to be closed.
    fn vacate(&mut self) {
        let Some(last) = &self.last_prepared else { return };
        if self.closing.contains(&last.id) {
            // In the same flight, ahead.
            return;
        }
        let mut job = Job::new(Action::Prepare, Role::Vacate);
        job.quiet = true;
        job.text = Some("DO 0".into());
        self.add(job);
    }

    /// Takes statements out of the cache until there is room for one more, and for those on their way.
    pub(super) fn make_room(&mut self) {
        let coming = self.jobs.iter().take_while(|job| job.role == Role::Learn).count();
        while let Some(evicted) = self.cache.make_room(coming + 1) {
            self.counters.evicted += 1;
            self.close_later(&evicted);
        }
    }

    fn unknown(&mut self, mut job: Job, text: Arc<str>, params: &dyn Params) -> Result<()> {
        job.arguments = self.hold(params)?;
        // What goes before it needs the statement's number.
        job.blind &= matches!(job.arguments, Arguments::Held(_));
        job.given = params.count();
        job.text = Some(text);
        self.add(job);
        Ok(())
    }

    /// The arguments, for a command that is sent later. If it were longer than the server takes, those go before it
    /// that have more than their share of bytes, so that the rest fits.
    pub(super) fn hold(&self, params: &dyn Params) -> Result<Arguments> {
        let (clock, max) = (self.clock(), self.settings.packet_max);
        let mut held = Vec::new();
        bind::put(&mut held, params, clock)?;
        if held.len() + command::EXECUTE_HEAD <= max {
            return Ok(Arguments::Held(held));
        }
        held.clear();
        let mut long = Box::new(bind::Long::new(max / (params.count() + 1), max));
        bind::put_short(&mut held, params, clock, &mut long)?;
        Ok(Arguments::Long(held, long))
    }

    fn known(
        &mut self,
        mut job: Job,
        statement: Arc<Statement>,
        params: &dyn Params,
    ) -> Result<()> {
        job.given = params.count();
        statement.check_count(job.given)?;
        if job.waits || self.encoded < self.jobs.len() {
            return self.known_later(job, statement, params);
        }
        self.flight_head();
        let start = command::begin_execute(&mut self.out, statement.id, job.has_cursor());
        let from = self.out.len();
        let clock = self.clock();
        bind::put(&mut self.out, params, clock)?;
        let range = from..self.out.len();
        if range.end - start - frame::HEADER > self.settings.packet_max {
            self.out.truncate(start);
            return self.known_later(job, statement, params);
        }
        // Split over several packets it could not be found again.
        let whole = self.out.len() - start < frame::PAYLOAD_MAX;
        job.sequence = frame::finish(&mut self.out, start, 0);
        job.arguments = if whole { Arguments::Flight(range) } else { Arguments::None };
        job.statement = Some(statement);
        self.jobs.push_back(job);
        self.encoded += 1;
        Ok(())
    }

    fn known_later(
        &mut self,
        mut job: Job,
        statement: Arc<Statement>,
        params: &dyn Params,
    ) -> Result<()> {
        job.arguments = self.hold(params)?;
        job.statement = Some(statement);
        self.add(job);
        Ok(())
    }

    /// The command whose packets begin at `start` must be one that the server takes.
    fn check_size(&self, start: usize) -> Result<()> {
        let len = frame::payload_len(self.out.len() - start);
        if len <= self.settings.packet_max {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Argument,
            format!(
                "a command of {len} bytes is longer than the {} that the server takes",
                self.settings.packet_max
            ),
        )
        .with_hint(bind::RAISE))
    }

    /// Queues a job, and encodes it if its time has come.
    pub(super) fn add(&mut self, job: Job) {
        self.jobs.push_back(job);
        self.encode_ready();
    }

    /// Encodes the jobs whose time has come.
    pub(super) fn encode_ready(&mut self) {
        while let Some(job) = self.jobs.get_mut(self.encoded) {
            // Right behind its Prepare a statement needs no number.
            let blind = job.blind && self.encoded > 0;
            let unresolved = job.executes() && job.statement.is_none() && !blind;
            if unresolved || job.failed.is_some() || (job.waits && self.encoded > 0) {
                return;
            }
            if job.action == Action::Bulk {
                self.encode_bulk();
                continue;
            }
            let cursor = job.has_cursor();
            let arguments = std::mem::take(&mut job.arguments);
            let makes_room = matches!(job.role, Role::Learn | Role::Describe) && job.retried;
            let vacates = job.role == Role::Vacate;
            let (action, statement, text) = (job.action, job.statement.clone(), job.text.clone());
            self.flight_head();
            if makes_room {
                self.encode_closes();
            }
            let text = text.as_deref().unwrap_or_default();
            let before = self.out.len();
            let mut start = before;
            let (sequence, arguments) = match (action, statement) {
                (Action::Execute, statement) => {
                    let id = statement.map_or(command::LAST_PREPARED, |statement| statement.id);
                    if let Arguments::Long(_, long) = &arguments {
                        let max = self.settings.packet_max;
                        for (index, value) in &long.values {
                            command::long_data(&mut self.out, id, *index, value, max);
                        }
                    }
                    start = command::begin_execute(&mut self.out, id, cursor);
                    if let Arguments::Held(held) | Arguments::Long(held, _) = &arguments {
                        self.out.extend_from_slice(held);
                    }
                    (frame::finish(&mut self.out, start, 0), arguments)
                }
                (Action::Query, _) => {
                    let sent = match &arguments {
                        Arguments::Written(written) => written,
                        _ => text,
                    };
                    (command::text(&mut self.out, Code::COM_QUERY, sent), Arguments::None)
                }
                // Encoded above.
                (Action::Bulk, _) => return,
                (Action::Ping, _) => (command::bare(&mut self.out, Code::COM_PING), arguments),
                (Action::Reset, _) => {
                    (command::bare(&mut self.out, Code::COM_RESET_CONNECTION), arguments)
                }
                (Action::Prepare, _) => {
                    let sequence = command::text(&mut self.out, Code::COM_STMT_PREPARE, text);
                    if vacates {
                        command::close(&mut self.out, command::LAST_PREPARED);
                    } else {
                        self.counters.prepared += 1;
                    }
                    (sequence, arguments)
                }
            };
            let fits = self.check_size(start);
            if fits.is_err() {
                self.out.truncate(before);
            }
            let Some(job) = self.jobs.get_mut(self.encoded) else { return };
            (job.sequence, job.arguments) = (sequence, arguments);
            if let Err(error) = fits {
                job.failed = Some(error);
                return;
            }
            self.encoded += 1;
        }
    }

    /// What goes before anything else of a command: statements that the server need not keep any more. Later in
    /// the command some of its own may be among them.
    pub(super) fn flight_head(&mut self) {
        if self.encoded > 0 || self.touched {
            return;
        }
        self.encode_closes();
    }

    /// Orders that have no answer.
    fn encode_closes(&mut self) {
        for id in &self.closing[self.closing_encoded..] {
            command::close(&mut self.out, *id);
        }
        self.closing_encoded = self.closing.len();
    }

    fn describe(&mut self, sql: &str) -> Result<()> {
        check_sql(sql)?;
        let mut job = Job::new(Action::Prepare, Role::Describe);
        match self.cache.find(sql) {
            // Prepared anew: the schema may have changed.
            Some(statement) => {
                self.counters.cache_hits += 1;
                self.cache.remove(&statement);
                self.close_later(&statement);
                self.counters.prepared = self.counters.prepared.saturating_sub(1);
            }
            None => self.make_room(),
        }
        job.text = Some(sql.into());
        self.add(job);
        Ok(())
    }

    /// Outside a transaction each statement stands alone, and all go in as few flights as their Prepares allow.
    /// Inside, one is sent when the one before has succeeded, because the server would go on after an error.
    fn batch(&mut self, batch: &Arc<Batch>) -> Result<()> {
        if batch.is_empty() {
            self.steps.push_back(Settled::end(Default::default()));
            return Ok(());
        }
        let waits = self.server.in_transaction();
        if self.settings.interpolates {
            return self.written_batch(batch, waits);
        }
        let mut unknown: Vec<&Arc<str>> = Vec::new();
        for (at, item) in batch.iter().enumerate() {
            if unknown.last().is_none_or(|last| ***last != **item.sql)
                && self.cache.find(item.sql).is_none()
                && !unknown.iter().any(|text| ***text == **item.sql)
            {
                check_sql(item.sql).map_err(of_statement(at))?;
                unknown.push(item.sql);
            }
        }
        for text in &unknown {
            self.learn(text);
        }
        let mut index = 0;
        while let Some(item) = batch.get(index) {
            let bulk = if waits { self.bulk_of(batch, index) } else { None };
            if let Some(bulk) = bulk {
                let count = bulk.0;
                let statement = self.cache.find(item.sql);
                match &statement {
                    Some(_) => self.counters.cache_hits += count as u64,
                    None => self.learn_for(item.sql, &mut unknown),
                }
                self.add_bulk(batch, index, bulk, statement)?;
                index += count;
                continue;
            }
            index += 1;
            let mut job = Job::new(Action::Execute, Role::Statement);
            job.sibling = true;
            job.waits = waits;
            // Pages are for one statement alone.
            job.want = match item.want {
                Want::Paged(_) => Want::All,
                want => want,
            };
            match self.cache.find(item.sql) {
                Some(statement) => {
                    self.counters.cache_hits += 1;
                    self.known(job, statement, &item).map_err(of_statement(index - 1))?;
                    if let Some(job) = self.jobs.back_mut()
                        && matches!(job.arguments, Arguments::Flight(_))
                    {
                        job.arguments = Arguments::None;
                    }
                }
                None => {
                    self.learn_for(item.sql, &mut unknown);
                    let added = self.unknown(job, Arc::clone(item.sql), &item);
                    added.map_err(of_statement(index - 1))?;
                }
            }
        }
        Ok(())
    }

    /// A Prepare for a statement of a batch, unless it is among those that have one.
    fn learn_for<'b>(&mut self, sql: &'b Arc<str>, unknown: &mut Vec<&'b Arc<str>>) {
        // It may have had to leave the cache for one of the new ones.
        if !unknown.iter().any(|text| ***text == **sql) {
            self.learn(sql);
            unknown.push(sql);
        }
    }

    /// A batch whose arguments are written into its texts.
    fn written_batch(&mut self, batch: &Batch, waits: bool) -> Result<()> {
        if batch.len() > 1 && batch.iter().any(|item| item.count() > 0) {
            let mut checked: Option<&Arc<str>> = None;
            for (at, item) in batch.iter().enumerate() {
                if checked.is_none_or(|last| !Arc::ptr_eq(last, item.sql)) {
                    check_mode(item.sql).map_err(of_statement(at))?;
                    checked = Some(item.sql);
                }
            }
        }
        for (at, item) in batch.iter().enumerate() {
            let mut job = Job::new(Action::Execute, Role::Statement);
            job.sibling = true;
            job.waits = waits;
            job.want = item.want;
            if !self.write_in(&mut job, item.sql, &item).map_err(of_statement(at))? {
                let error = Error::new(
                    ErrorKind::Argument,
                    "a statement of the batch may be several, and arguments are written into texts",
                )
                .with_hint("run it alone, or set `interpolateParams=false`");
                return Err(of_statement(at)(error));
            }
            self.add(job);
        }
        Ok(())
    }

    fn begin(&mut self, options: TxOptions) -> Result<()> {
        if self.server.in_transaction() {
            return Err(Error::new(ErrorKind::TxOpen, "a transaction is open already")
                .with_hint("use a savepoint, or end the transaction first"));
        }
        if let Some(level) = options.isolation {
            // A weaker level must not be taken for the one that was asked for, so BEGIN waits for this one.
            let mut job =
                Job::own(&format!("SET TRANSACTION ISOLATION LEVEL {}", level_text(level)));
            job.quiet = true;
            self.add(job);
            self.level_pending = true;
        }
        self.reads_only = options.read_only;
        let text =
            if options.read_only { "START TRANSACTION READ ONLY" } else { "START TRANSACTION" };
        let mut job = Job::own(text);
        job.waits = true;
        self.add(job);
        Ok(())
    }

    fn commit(&mut self, sql: &str) -> Result<()> {
        if !self.server.in_transaction() {
            return Err(Error::new(ErrorKind::TxDone, "there is no open transaction to commit"));
        }
        let mut job = Job::own(sql);
        job.role = Role::Commit;
        self.add(job);
        Ok(())
    }

    fn rollback(&mut self) {
        if self.server.in_transaction() {
            let mut job = Job::own("ROLLBACK");
            job.rolls_back = true;
            self.add(job);
        } else {
            self.steps.push_back(Settled::end(Default::default()));
        }
    }

    /// Undoes what is known to have changed; else COM_RESET_CONNECTION, then what makes a fresh session the one that
    /// was configured. The first leaves the statements prepared.
    fn reset(&mut self) -> Result<()> {
        if let Some(sql) = self.undo() {
            let mut job = Job::own(&sql);
            job.undoes = true;
            self.add(job);
            return Ok(());
        }
        if self.changed.database && self.settings.setup.use_database().is_none() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the session was begun without a database, and no command goes back to that",
            ));
        }
        if self.changed.role && !self.settings.setup.restores_role() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the session has another role, and no command goes back to that of the log-in",
            ));
        }
        if self.adopted.unrepeatable {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the session was set up by a statement with arguments, which a reset cannot repeat",
            ));
        }
        let mut job = Job::new(Action::Reset, Role::Own);
        job.resets = true;
        job.quiet = true;
        self.add(job);
        let mut setup = self.settings.setup.after_reset();
        for text in &self.adopted.texts {
            setup.push_str(";\n");
            setup.push_str(text);
        }
        // Behind it in the same flight: if the reset fails, the connection is given up anyway.
        self.add(Job::own(&setup));
        Ok(())
    }

    /// What undoes all changes since the session was fresh, if that is known.
    fn undo(&self) -> Option<String> {
        let autocommit = self.changed.variables.contains(&"autocommit");
        if self.changed.overlaps(&self.adopted.summary())
            || (!self.server.autocommits() && !autocommit)
        {
            return None;
        }
        self.settings.setup.undo(&self.changed)
    }

    /// For recovery: ends the transaction that was left open, if there is one. True if something is to be sent.
    pub(crate) fn roll_back_open(&mut self) -> bool {
        if !self.server.in_transaction() || self.broken {
            return false;
        }
        self.begin_flight();
        let mut job = Job::own("ROLLBACK");
        // Nobody waits for its outcome; somebody may hear its warnings.
        job.rolls_back = self.observer.is_some();
        self.add(job);
        self.counters.rounds += 1;
        true
    }

    /// Sends a statement that harms nobody, and takes away the mark of a stop that came too late. False if none can
    /// be sent.
    pub(crate) fn sweep(&mut self) -> bool {
        if self.broken || self.running || !self.jobs.is_empty() {
            return false;
        }
        let description = self.description.take();
        self.begin_flight();
        self.description = description;
        self.add(Job::own("DO 0"));
        self.running = true;
        self.counters.rounds += 1;
        true
    }

    /// Sends the statement at the head again: the server had forgotten it.
    pub(super) fn send_again(&mut self, mut job: Job) {
        let Some(statement) = job.statement.take() else { return };
        let arguments = match std::mem::take(&mut job.arguments) {
            Arguments::Flight(range) => Arguments::Held(self.out[range].to_vec()),
            Arguments::None | Arguments::Written(_) => Arguments::Held(Vec::new()),
            held => held,
        };
        if self.cache.remove(&statement) {
            self.close_later(&statement);
        }
        job.arguments = arguments;
        job.text = Some(Arc::clone(&statement.text));
        job.retried = true;
        job.answering = false;
        job.shape = None;
        let mut learn = Job::new(Action::Prepare, Role::Learn);
        learn.quiet = true;
        learn.text = Some(Arc::clone(&statement.text));
        self.jobs.push_front(job);
        self.jobs.push_front(learn);
    }

    /// Whether running this may change the session without the server's saying so.
    pub(super) fn hints_at_change(&self, job: &Job) -> bool {
        match &job.statement {
            Some(statement) => statement.changes_session,
            None => self.text_hints_at_change(job.sql()),
        }
    }

    /// The same of a text: worked out once for each statement.
    pub(super) fn text_hints_at_change(&self, sql: &str) -> bool {
        session_change::in_text(sql, self.settings.agreed.tracks_session())
    }

    /// Refuses what would have the server read or send another character set; where it tracks its sessions, it says so
    /// itself.
    fn check_charset(&self, sql: &str) -> Result<()> {
        if self.settings.agreed.tracks_session() || !session_change::sets_charset(sql) {
            return Ok(());
        }
        Err(not_utf_8())
    }
}

/// Cursors are of prepared statements.
fn unpaged(want: Want) -> Want {
    match want {
        Want::Paged(_) => Want::All,
        want => want,
    }
}

fn check_sql(sql: &str) -> Result<()> {
    // The server takes a NUL for the end of some texts, and for a letter in others.
    if sql.contains('\0') {
        return Err(Error::new(ErrorKind::Argument, "the statement's text has a NUL in it"));
    }
    Ok(())
}

/// Arguments are quoted by the mode that the session has before the first of several statements runs: none of them may
/// be one that changes it for those behind.
fn check_mode(sql: &str) -> Result<()> {
    const NAME: &[u8] = b"sql_mode";
    if !sql.as_bytes().windows(NAME.len()).any(|word| word.eq_ignore_ascii_case(NAME)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Argument,
        "one of several statements names `sql_mode`, by which the arguments of the others are quoted before any of \
         them runs",
    )
    .with_hint("set `sql_mode` in a call of its own, or set `interpolateParams=false`"))
}

/// All text of this driver is UTF-8: any other would be read wrong, and in some a quote hides in a letter.
#[cold]
pub(super) fn not_utf_8() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the session was to use a character set that is not UTF-8, and this driver's text is",
    )
    .with_hint("use `utf8mb4`; columns and tables may have any character set")
}

fn level_text(level: Isolation) -> &'static str {
    match level {
        Isolation::ReadUncommitted => "READ UNCOMMITTED",
        Isolation::ReadCommitted => "READ COMMITTED",
        Isolation::RepeatableRead => "REPEATABLE READ",
        _ => "SERIALIZABLE",
    }
}

/// What keeps a batch from being sent, with the number of the statement at `index`.
pub(super) fn of_statement(index: usize) -> impl Fn(Error) -> Error {
    let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
    move |error| error.with_statement(number).with_nothing_sent(true)
}
