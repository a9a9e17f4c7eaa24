//! Commands become flights.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{
    Batch, BatchItem, Command, Error, ErrorKind, ParamSink, Params, Result, Status, TxOptions,
    ValueRef, Want,
};

use super::control::{COMMIT, begin_text};
use super::trace::{self, Known, Trace};
use super::work::Settled;
use super::work::{Expect, Learning, Role, Work};
use super::{Phase, Pipeline, Sibling, StatementMode};
use crate::interpolate::interpolate;
use crate::pooler::{self, Drops};
use crate::protocol::backend::Ready;
use crate::protocol::flight::Flight;
use crate::protocol::frontend::{self, Formats, Object};
use crate::session_change;
use crate::statement::{self, Statement};
use crate::types::{self, Codecs, Oid};

/// Most arguments of one statement: their number has 16 bits.
pub(crate) const ARGUMENTS_MAX: usize = 65_535;

/// Most bytes of the flight buffer that are kept between commands.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;

impl Pipeline {
    /// Encodes a command. What needs no answer of the server is settled at once.
    ///
    /// # Errors
    ///
    /// If it cannot be sent as it is; nothing is then to be sent, and the session is as it was.
    pub(crate) fn start(&mut self, command: Command<'_>) -> Result<()> {
        self.check_free()?;
        if self.is_pooled_now() {
            pooler::check(&command)?;
        }
        self.begin_flight();
        self.follow_trace(&command);
        let lone = match &command {
            Command::Execute { sql, params, want } => self.start_lone(sql, *params, *want)?,
            _ => false,
        };
        if !lone {
            self.encode(command).inspect_err(|_| self.take_back())?;
        }
        self.running = true;
        if self.owes() {
            self.counters.rounds += 1;
        }
        Ok(())
    }

    /// What is run now may run on another session than what comes after it.
    pub(super) fn is_pooled_now(&self) -> bool {
        self.settings.pooled && self.ready == Ready::Idle && self.held_begin.is_none()
    }

    /// A command can start.
    #[inline]
    pub(crate) fn check_free(&self) -> Result<()> {
        let busy = self.running || self.owes() || self.lane.is_busy();
        if self.broken || busy { Err(self.not_free()) } else { Ok(()) }
    }

    #[cold]
    fn not_free(&self) -> Error {
        let error = if self.broken {
            Error::new(ErrorKind::ConnectionLost, "the connection is broken")
        } else {
            Error::new(ErrorKind::Protocol, "a command was started while another one is under way")
        };
        error.with_nothing_sent(true)
    }

    #[inline]
    pub(crate) fn begin_flight(&mut self) {
        self.out.clear();
        if self.out.capacity() > KEPT_BYTES {
            self.out.shrink_to(KEPT_BYTES);
        }
        self.sent = 0;
        self.touched = false;
        if !std::mem::take(&mut self.fresh) {
            self.forget_last();
        }
    }

    fn forget_last(&mut self) {
        self.next_page = None;
        self.holding_first = false;
        self.steps.clear();
        self.works.clear();
        self.discarding = false;
        self.failure = None;
        self.siblings.clear();
        self.siblings_from = 0;
        self.description = None;
        self.described = None;
        self.copy = Phase::None;
        self.copy_begun = None;
    }

    fn encode(&mut self, command: Command<'_>) -> Result<()> {
        match command {
            Command::Execute { sql, params, want } => self.execute(sql, params, want),
            Command::Script { sql } => self.simple_query(Role::Script, sql),
            Command::Prepare { sql } => self.prepare(sql),
            Command::Batch(batch) => self.batch(&batch, true),
            Command::Begin(options) => self.begin(options),
            Command::Commit => self.commit(None),
            Command::CommitWith { sql } => self.commit(Some(sql)),
            Command::Rollback => {
                self.rollback();
                Ok(())
            }
            Command::Ping => {
                self.flight_head();
                self.counters.syncs += 1;
                frontend::sync(&mut self.out);
                self.works.push_back(Work::new(Role::Silent));
                self.expected.push_back(Expect::Ready);
                Ok(())
            }
            Command::Reset => self.reset(),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the PostgreSQL driver does not have the command {other:?}"),
            )),
        }
    }

    fn query(&mut self, sql: &str) {
        self.counters.syncs += 1;
        frontend::query(&mut self.out, sql);
    }

    /// What goes before anything else: statements that the server need not keep any more.
    pub(super) fn flight_head(&mut self) {
        if !self.out.is_empty() {
            return;
        }
        for name in &self.closing {
            frontend::close(&mut self.out, Object::Statement, name);
            self.expected.push_back(Expect::Close);
        }
    }

    pub(super) fn end_segment(&mut self) {
        self.counters.syncs += 1;
        frontend::sync(&mut self.out);
        self.expected.push_back(Expect::Ready);
    }

    fn execute(&mut self, sql: &str, params: &dyn Params, want: Want) -> Result<()> {
        if self.settings.mode == StatementMode::Simple {
            return self.simple(sql, params, want, false);
        }
        self.flight_head();
        self.send_held_begin();
        self.one(sql, params, want, true)
    }

    /// The last statement of a flight; `kept` if the server still keeps at that point what it keeps now.
    fn one(&mut self, sql: &str, params: &dyn Params, want: Want, kept: bool) -> Result<()> {
        let mut work = Work::new(Role::Statement);
        work.want = want;
        match if kept { self.cache.find(sql) } else { None } {
            Some(statement) => {
                self.counters.cache_hits += 1;
                self.known(work, statement, params)?;
            }
            None => {
                let learning = self.learn(sql)?;
                self.unknown(work, learning, params)?;
            }
        }
        match want {
            // The Sync would end the portal.
            Want::Paged(_) => frontend::flush(&mut self.out),
            _ => {
                self.ask_along();
                self.end_segment();
            }
        }
        Ok(())
    }

    /// Asks for the next page of the rows under way.
    pub(super) fn ask_next_page(&mut self, rows: NonZeroU32) {
        frontend::execute(&mut self.out, "", rows.get());
        frontend::flush(&mut self.out);
        self.expected.push_back(Expect::Execute);
        self.counters.rounds += 1;
    }

    /// One statement by the simple protocol, its arguments written into its text.
    fn simple(&mut self, sql: &str, params: &dyn Params, want: Want, sibling: bool) -> Result<()> {
        // Older servers, and those who ask for it, take backslashes in plain literals for escapes.
        let plain = self.parameters.get("standard_conforming_strings") != Some("off");
        if params.count() > 0 && !plain {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "arguments cannot be written into the text while standard_conforming_strings is off",
            )
            .with_hint("set it on, or use another default_query_exec_mode")
            .with_nothing_sent(true));
        }
        let text = interpolate(sql, params)?;
        self.simple_query(Role::Script, &text)?;
        if let Some(work) = self.works.back_mut() {
            work.want = want;
            work.sibling = sibling;
            work.given = params.count();
            if params.count() > 0 {
                work.rewritten = true;
                work.text = Some(sql.into());
            }
        }
        Ok(())
    }

    /// A name for a statement that is new; the cache has room for it.
    fn learn(&mut self, sql: &str) -> Result<Learning> {
        frontend::check_sql(sql)?;
        let named = self.settings.mode == StatementMode::Named && self.cache.max() > 0;
        let name = if named { self.next_name() } else { "".into() };
        Ok(Learning { name, text: sql.into(), declared: [].into(), parameters: None })
    }

    pub(crate) fn next_name(&mut self) -> Box<str> {
        self.names += 1;
        format!("{}{}", self.settings.name_prefix, self.names).into()
    }

    /// Takes statements out of the cache until there is room for one more, and closes them first.
    fn make_room(&mut self) {
        while let Some(evicted) = self.cache.make_room(1) {
            self.counters.evicted += 1;
            if !evicted.name.is_empty() {
                self.close_now(&evicted);
            }
        }
    }

    /// Closes a statement that has left the cache, at this place of the flight; later, if that is skipped.
    pub(super) fn close_now(&mut self, statement: &Statement) {
        frontend::close(&mut self.out, Object::Statement, &statement.name);
        self.expected.push_back(Expect::Close);
        self.close_later(statement);
    }

    /// First use: prepared, described and run in one flight. The types are not known yet, so arguments
    /// and results go as text.
    fn unknown(
        &mut self,
        mut work: Work,
        mut learning: Learning,
        params: &dyn Params,
    ) -> Result<()> {
        self.make_room();
        let declared = declared(params)?;
        frontend::parse(&mut self.out, &learning.name, &learning.text, &declared);
        frontend::describe(&mut self.out, Object::Statement, &learning.name);
        self.bind(&learning.name, None, params)?;
        frontend::execute(&mut self.out, "", rows_max(work.want));
        self.counters.prepared += 1;
        self.expected.extend([
            Expect::Parse,
            Expect::Parameters,
            Expect::Fields,
            Expect::Bind,
            Expect::Execute,
        ]);
        work.given = params.count();
        learning.declared = declared.into();
        work.learning = Some(learning);
        self.works.push_back(work);
        Ok(())
    }

    /// Later use: the types are known.
    fn known(
        &mut self,
        mut work: Work,
        statement: Arc<Statement>,
        params: &dyn Params,
    ) -> Result<()> {
        statement.check_count(params.count())?;
        let start = self.out.len();
        let unnamed = statement.name.is_empty();
        if unnamed {
            frontend::parse(&mut self.out, "", &statement.text, &statement.parameters);
        }
        let Some(arguments) = self.bind(&statement.name, Some(&statement), params)? else {
            self.out.truncate(start);
            let learning = self.learn(&statement.text)?;
            return self.unknown(work, learning, params);
        };
        if unnamed {
            self.expected.push_back(Expect::Parse);
        }
        self.expected.push_back(Expect::Bind);
        if unnamed {
            // The schema may have changed since the types were learnt, and the server cannot tell.
            frontend::describe(&mut self.out, Object::Portal, "");
            self.expected.push_back(Expect::Fields);
        } else {
            work.shape = Some(Arc::clone(statement.shape()));
            work.arguments = Some(arguments).filter(|_| rows_max(work.want) == 0);
        }
        frontend::execute(&mut self.out, "", rows_max(work.want));
        self.expected.push_back(Expect::Execute);
        work.statement = Some(statement);
        self.works.push_back(work);
        Ok(())
    }

    /// Binds the arguments: by the types of the statement that was learnt, or as text for a first use.
    /// `None`, and nothing is written, if they declare other types than those it was learnt with.
    pub(crate) fn bind(
        &mut self,
        name: &str,
        learnt: Option<&Statement>,
        params: &dyn Params,
    ) -> Result<Option<Range<usize>>> {
        let results = learnt.map_or(&[][..], |statement| &statement.formats);
        let mut other = false;
        let values = values(learnt, params, &self.codecs, &mut other);
        let bound = frontend::bind(&mut self.out, "", name, params.count(), results, values);
        match bound {
            Ok(arguments) => Ok(Some(arguments)),
            Err(_) if other => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A text as a simple query.
    pub(super) fn simple_query(&mut self, role: Role, sql: &str) -> Result<()> {
        frontend::check_sql(sql)?;
        self.flight_head();
        self.session_changed |= session_change::in_text(sql);
        let mut work = Work::new(role);
        match self.held_begin.take() {
            // In one query: if BEGIN fails, nothing of the script may run.
            Some(begin) => {
                self.doubt_names();
                let whole = format!("{begin};\n{sql}");
                work.prefix = whole.len() - sql.len();
                work.begin = Some(begin);
                self.query(&whole);
                work.text = Some(whole.into());
            }
            None => {
                self.query(sql);
                work.text = Some(sql.into());
            }
        }
        self.works.push_back(work);
        self.expected.extend([Expect::Query, Expect::Ready]);
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<()> {
        self.flight_head();
        let mut work = Work::new(Role::Prepare);
        if let Some(statement) = self.cache.find(sql).filter(|found| !found.name.is_empty()) {
            // Described anew: the schema may have changed.
            self.counters.cache_hits += 1;
            frontend::describe(&mut self.out, Object::Statement, &statement.name);
            self.expected.extend([Expect::Parameters, Expect::Fields]);
            work.statement = Some(statement);
        } else {
            let learning = self.learn(sql)?;
            self.make_room();
            frontend::parse(&mut self.out, &learning.name, sql, &[]);
            frontend::describe(&mut self.out, Object::Statement, &learning.name);
            self.counters.prepared += 1;
            self.expected.extend([Expect::Parse, Expect::Parameters, Expect::Fields]);
            work.learning = Some(learning);
        }
        self.works.push_back(work);
        self.end_segment();
        Ok(())
    }

    /// One Sync after each statement outside a transaction, so that each stands alone; one at the end of an
    /// atomic batch, which the server takes for a transaction, and inside a transaction, where they stand
    /// and fall together anyway.
    fn batch(&mut self, batch: &Batch, kept: bool) -> Result<()> {
        if batch.is_empty() {
            self.steps.push_back(Settled::end(Default::default()));
            return Ok(());
        }
        let outside = self.status() == Status::Idle;
        if self.settings.mode == StatementMode::Simple {
            if outside && batch.is_atomic() {
                return Err(no_atomic_batch());
            }
            return batch.iter().try_for_each(|item| self.simple(item.sql, &item, item.want, true));
        }
        let alone = outside && !batch.is_atomic();
        self.flight_head();
        self.send_held_begin();
        self.statements(batch, kept, |index, work| {
            work.sibling = true;
            work.ends_segment = alone || index + 1 == batch.len();
        })?;
        Ok(())
    }

    /// The statements of a batch, each of which is made out to be what it is. `kept`, and the answer when they
    /// have run: the server still keeps then what it keeps now.
    fn statements(
        &mut self,
        batch: &Batch,
        mut kept: bool,
        make: impl Fn(usize, &mut Work),
    ) -> Result<bool> {
        for (index, item) in batch.iter().enumerate() {
            let mut work = Work::new(Role::Statement);
            make(index, &mut work);
            let (ends, queued) = (work.ends_segment, work.queued);
            // Pages would need a flight each.
            work.want = match item.want {
                Want::Paged(_) => Want::All,
                want => want,
            };
            let drops = self.statement(work, &item, kept).map_err(|error| match queued {
                0 => error,
                number => error.with_statement(number).with_nothing_sent(true),
            })?;
            if ends {
                self.ask_along();
                self.end_segment();
            }
            match drops {
                Drops::None => {}
                Drops::Perhaps => self.doubt_names(),
                Drops::All => {
                    kept = false;
                    self.siblings_from = self.siblings.len();
                }
            }
        }
        Ok(kept)
    }

    fn statement(&mut self, mut work: Work, item: &BatchItem<'_>, kept: bool) -> Result<Drops> {
        match if kept { self.cache.find(item.sql) } else { None } {
            Some(statement) if statement.copies => Err(copy_in_a_batch()),
            Some(statement) => {
                self.counters.cache_hits += 1;
                let drops = statement.drops;
                if let Some(flight) = statement.flight()
                    && self.append_flight(&statement, flight, item)?
                {
                    self.expected.extend([Expect::Bind, Expect::Execute]);
                    work.shape = Some(Arc::clone(statement.shape()));
                    work.statement = Some(statement);
                    self.works.push_back(work);
                    return Ok(drops);
                }
                self.known(work, statement, item)?;
                if let Some(work) = self.works.back_mut() {
                    work.arguments = None;
                }
                Ok(drops)
            }
            None => {
                self.unknown_sibling(work, item)?;
                Ok(Drops::of(item.sql))
            }
        }
    }

    /// Encodes a statement that is kept by what its flights have in common, without a Sync. False, and nothing is
    /// written, if the arguments are of other types than those it was learnt with.
    #[inline(always)]
    pub(crate) fn append_flight(
        &mut self,
        statement: &Statement,
        flight: &Flight,
        params: &dyn Params,
    ) -> Result<bool> {
        statement.check_count(params.count())?;
        let start = self.out.len();
        let mut other = false;
        let values = values(Some(statement), params, &self.codecs, &mut other);
        let written = flight.append(&mut self.out, params, values);
        if other {
            self.out.truncate(start);
            return Ok(false);
        }
        written.map(|()| true)
    }

    /// As [`start`](Self::start), behind the statements of a batch whose results nobody wants: all of it in one
    /// segment, so that the server runs nothing behind one that fails, and no COMMIT.
    ///
    /// # Errors
    ///
    /// As `start`; the number of the statement that cannot be sent, if it is one of the batch.
    pub(crate) fn start_after(&mut self, queued: &Batch, command: Command<'_>) -> Result<()> {
        self.check_free()?;
        self.begin_flight();
        if let Some(trace) = &mut self.trace {
            trace.is_fresh = false;
        }
        self.encode_after(queued, command).inspect_err(|_| self.take_back())?;
        self.running = true;
        self.counters.rounds += 1;
        Ok(())
    }

    /// The simple protocol has an answer for each of its messages, whatever became of the one before.
    pub(crate) fn takes_queued(&self) -> bool {
        self.settings.mode != StatementMode::Simple
    }

    fn encode_after(&mut self, queued: &Batch, command: Command<'_>) -> Result<()> {
        let outside = self.held_begin.is_none() && self.ready == Ready::Idle;
        if !self.takes_queued() || outside {
            return Err(not_after_others(&command));
        }
        self.flight_head();
        self.send_held_begin();
        let kept = self.statements(queued, true, |index, work| {
            work.queued = u32::try_from(index + 1).unwrap_or(u32::MAX);
            work.ends_segment = false;
        })?;
        match command {
            Command::Execute { sql, params, want } => self.one(sql, params, want, kept),
            Command::Batch(batch) if !batch.is_empty() => self.batch(&batch, kept),
            Command::Commit => {
                self.commit_behind(kept);
                Ok(())
            }
            Command::Ping | Command::Batch(_) => {
                self.ask_along();
                self.works.push_back(Work::new(Role::Silent));
                self.end_segment();
                Ok(())
            }
            other => Err(not_after_others(&other)),
        }
    }

    /// The simple protocol has a transaction for each of its messages.
    pub(crate) fn takes_atomic_batches(&self) -> bool {
        self.settings.mode != StatementMode::Simple
    }

    /// A statement of a batch that is not kept yet: prepared by the first that uses it.
    fn unknown_sibling(&mut self, mut work: Work, item: &BatchItem<'_>) -> Result<()> {
        let declared = declared(item)?;
        let from = self.siblings_from;
        let known = self.siblings[from..].iter().position(|sibling| {
            *sibling.text == **item.sql && sibling.declared == declared && !sibling.name.is_empty()
        });
        let Some(place) = known.map(|place| from + place) else {
            if statement::copies(item.sql) {
                return Err(copy_in_a_batch());
            }
            let mut learning = self.learn(item.sql)?;
            let seen = self.siblings.iter().any(|sibling| *sibling.text == **item.sql);
            if learning.name.is_empty() && seen {
                // Parsed again without a name: its types are learnt once all the same.
                self.counters.prepared -= 1;
                return self.unknown(work, learning, item);
            }
            // What the cache cannot take is not named: it would stay at the server until the next flight.
            if self.siblings.len() >= self.cache.max() {
                learning.name = "".into();
                return self.unknown(work, learning, item);
            }
            work.follows = Some(self.siblings.len());
            self.siblings.push(Sibling {
                name: learning.name.clone(),
                text: Arc::clone(&learning.text),
                declared,
                shape: None,
                failure: None,
            });
            return self.unknown(work, learning, item);
        };
        let name = self.siblings[place].name.clone();
        self.bind(&name, None, item)?;
        frontend::execute(&mut self.out, "", 0);
        self.expected.extend([Expect::Bind, Expect::Execute]);
        work.text = Some(Arc::clone(item.sql));
        work.given = item.count();
        work.follows = Some(place);
        self.works.push_back(work);
        Ok(())
    }

    fn begin(&mut self, options: TxOptions) -> Result<()> {
        if self.held_begin.is_some() || self.ready != Ready::Idle {
            return Err(Error::new(ErrorKind::TxOpen, "a transaction is open already")
                .with_hint("use a savepoint, or end the transaction first")
                .with_nothing_sent(true));
        }
        self.held_begin = Some(begin_text(options));
        self.trace = None;
        // What is read only has no outcome.
        if options.track_commit && !options.read_only && self.tracks() {
            return Ok(());
        }
        self.steps.push_back(Settled::end(Default::default()));
        Ok(())
    }

    fn commit(&mut self, with: Option<&str>) -> Result<()> {
        if self.held_begin.take().is_some() {
            self.steps.push_back(Settled::end(Default::default()));
            return Ok(());
        }
        if self.ready == Ready::Idle {
            return Err(Error::new(ErrorKind::TxDone, "there is no open transaction to commit")
                .with_nothing_sent(true));
        }
        self.flight_head();
        let open = self.ready == Ready::Transaction;
        if let Some(sql) = with.filter(|_| open) {
            frontend::check_sql(sql)?;
            // One message, which the server has as a whole or not at all.
            self.send_commit(&format!("{sql};\nCOMMIT"));
        } else if open
            && self.lacks_number()
            && self.trace.as_ref().is_some_and(|trace| !trace.is_fresh)
        {
            self.ask(Role::Trace, trace::TRANSACTION);
        } else {
            self.send_commit(COMMIT);
        }
        Ok(())
    }

    /// Sends the COMMIT, or a text that ends with one.
    pub(super) fn send_commit(&mut self, sql: &str) {
        self.query(sql);
        self.works.push_back(Work::new(Role::Commit));
        self.expected.extend([Expect::Query, Expect::Ready]);
    }

    /// Asks a question in a message of its own.
    fn ask(&mut self, role: Role, sql: &str) {
        self.query(sql);
        self.works.push_back(Work::new(role));
        self.expected.extend([Expect::Trace, Expect::Ready]);
    }

    /// Prepares to track the transaction; true if that takes a question, once per session.
    fn tracks(&mut self) -> bool {
        match &self.server {
            Known::Server(server) => self.trace = Some(Trace::new(server.clone())),
            Known::Unasked if trace::is_told_by(self.parameters.get("server_version")) => {
                self.flight_head();
                self.ask(Role::Server, trace::SERVER);
                return true;
            }
            Known::Unasked | Known::Refused => {}
        }
        false
    }

    /// True if the transaction is tracked and its number is not known.
    #[inline]
    pub(super) fn lacks_number(&self) -> bool {
        self.trace.as_ref().is_some_and(Trace::lacks_number)
    }

    /// What is run now may give the transaction its number.
    #[inline]
    fn follow_trace(&mut self, command: &Command<'_>) {
        if let Some(trace) = &mut self.trace
            && !matches!(command, Command::Commit | Command::CommitWith { .. } | Command::Ping)
        {
            trace.is_fresh = false;
        }
    }

    /// In the segment of a statement, after it: what is the transaction's number?
    pub(super) fn ask_along(&mut self) {
        if self.lacks_number() {
            frontend::parse(&mut self.out, "", trace::TRANSACTION, &[]);
            // No arguments, no results in binary: this cannot fail.
            let _ = frontend::bind(&mut self.out, "", "", 0, &[], |_, _| Ok(()));
            frontend::execute(&mut self.out, "", 0);
            self.expected.extend([Expect::Parse, Expect::Bind, Expect::Trace]);
        }
    }

    fn rollback(&mut self) {
        let held = self.held_begin.take().is_some();
        if held || self.ready == Ready::Idle {
            self.steps.push_back(Settled::end(Default::default()));
            return;
        }
        self.silent("ROLLBACK");
    }

    /// A simple query whose outcome is nobody's.
    fn silent(&mut self, sql: &str) {
        self.flight_head();
        self.query(sql);
        self.works.push_back(Work::new(Role::Silent));
        self.expected.extend([Expect::Query, Expect::Ready]);
    }

    /// As `DISCARD ALL`, which cannot be used because it also drops the statements that the cache keeps,
    /// and without what connections were set up with.
    fn reset(&mut self) -> Result<()> {
        if self.adopted.unrepeatable {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the session was set up by a statement with arguments, which a reset cannot repeat",
            )
            .with_nothing_sent(true));
        }
        self.held_begin = None;
        let mut sql = String::new();
        if self.ready != Ready::Idle {
            sql.push_str("ROLLBACK;\n");
        }
        sql.push_str(
            "CLOSE ALL;\nSET SESSION AUTHORIZATION DEFAULT;\nRESET ALL;\nUNLISTEN *;\n\
             SELECT pg_advisory_unlock_all();\nDISCARD TEMP;\nDISCARD SEQUENCES",
        );
        if self.user_prepared {
            sql.push_str(";\nDEALLOCATE ALL");
            self.cache.clear();
            self.closing.clear();
        }
        for text in &self.adopted.texts {
            sql.push_str(";\n");
            sql.push_str(text);
        }
        self.silent(&sql);
        if let Some(work) = self.works.back_mut() {
            work.resets = true;
        }
        Ok(())
    }

    /// For recovery: ends the transaction that was left open, if there is one. True if something is to be
    /// sent.
    pub(crate) fn roll_back_open(&mut self) -> bool {
        self.held_begin = None;
        if self.ready == Ready::Idle || self.broken {
            return false;
        }
        self.begin_flight();
        self.silent("ROLLBACK");
        self.counters.rounds += 1;
        true
    }

    /// Sends the statement at the head again under a new name, with the arguments of its first try.
    pub(super) fn send_again(&mut self, mut work: Work, statement: &Arc<Statement>) {
        let Some(arguments) = work.arguments.take() else { return };
        let arguments = self.out[arguments].to_vec();
        self.out.clear();
        self.sent = 0;
        self.flight_head();
        let learning = Learning {
            name: self.next_name(),
            text: Arc::clone(&statement.text),
            declared: statement.declared.clone(),
            parameters: None,
        };
        self.make_room();
        frontend::parse(&mut self.out, &learning.name, &learning.text, &statement.parameters);
        frontend::describe(&mut self.out, Object::Statement, &learning.name);
        frontend::bind_again(&mut self.out, &learning.name, &arguments);
        frontend::execute(&mut self.out, "", 0);
        self.counters.prepared += 1;
        self.counters.rounds += 1;
        self.expected.extend([
            Expect::Parse,
            Expect::Parameters,
            Expect::Fields,
            Expect::Bind,
            Expect::Execute,
        ]);
        work.learning = Some(learning);
        work.statement = None;
        work.shape = None;
        self.works.push_front(work);
        self.end_segment();
    }
}

/// Writes arguments into a Bind.
struct Arguments<'a> {
    out: &'a mut Vec<u8>,
    formats: Formats,
    /// Whose types the arguments have; `None` at a first use, where all but bytes goes as text.
    learnt: Option<&'a Statement>,
    codecs: &'a Codecs,
    /// How many were written.
    index: usize,
    /// An argument declares another type than the statement was learnt with.
    other: bool,
}

impl ParamSink for Arguments<'_> {
    #[inline]
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        let oid = match self.learnt {
            None => 0,
            Some(statement) => {
                let oid = statement.parameters.get(self.index).copied().unwrap_or(0);
                if !declared_alike(statement, self.index, oid, value) {
                    self.other = true;
                    return Err(declares_other());
                }
                oid
            }
        };
        let format = self.codecs.put(oid, value, self.out).map_err(|error| self.at(error))?;
        self.formats.set(self.out, self.index, format);
        self.index += 1;
        Ok(())
    }
}

impl<'a> Arguments<'a> {
    #[inline]
    fn new(
        out: &'a mut Vec<u8>,
        formats: Formats,
        learnt: Option<&'a Statement>,
        codecs: &'a Codecs,
    ) -> Self {
        Self { out, formats, learnt, codecs, index: 0, other: false }
    }

    #[cold]
    fn at(&self, error: Error) -> Error {
        let message = format!("argument ${}: {}", self.index + 1, error.message());
        let kind = error.kind();
        let hint = error.hint().map(str::to_owned);
        let at = Error::new(kind, message).with_nothing_sent(true);
        match hint {
            Some(hint) => at.with_hint(hint),
            None => at,
        }
    }
}

/// Whether a statement was learnt with an argument that declares the type that this one declares: bytes are
/// bytes whatever the statement makes of them, so a statement that took something else is another one.
#[inline]
fn declared_alike(statement: &Statement, index: usize, oid: Oid, value: ValueRef<'_>) -> bool {
    let declares = types::declared(value);
    let learnt = statement.declared.get(index).copied().unwrap_or(0);
    // What was NULL when it was learnt may still have the right type.
    declares == learnt || value.is_null() || (learnt == 0 && oid == declares)
}

/// Ends the encoding of arguments that are for another statement; nobody sees it.
#[cold]
fn declares_other() -> Error {
    Error::new(ErrorKind::ArgumentMismatch, "the argument declares another type")
}

/// The types that arguments must declare themselves, so that the server reads them as they are sent.
pub(crate) fn declared(params: &dyn Params) -> Result<Vec<Oid>> {
    struct Declare {
        oids: Vec<Oid>,
        any: bool,
    }
    impl ParamSink for Declare {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            let oid = types::declared(value);
            self.any |= oid != 0;
            self.oids.push(oid);
            Ok(())
        }
    }
    let count = params.count();
    if count > ARGUMENTS_MAX {
        return Err(Error::new(
            ErrorKind::ArgumentMismatch,
            format!("{count} arguments are more than the {ARGUMENTS_MAX} of one statement"),
        )
        .with_hint("split the work, pass an array, or use COPY"));
    }
    let mut declare = Declare { oids: Vec::with_capacity(count), any: false };
    params.bind(&mut declare)?;
    Ok(if declare.any { declare.oids } else { Vec::new() })
}

/// Writes the arguments of a Bind, as those of the statement that was learnt, or as text for a first use. `other` tells
/// that they are of other types than it was learnt with.
#[inline]
pub(super) fn values<'a>(
    learnt: Option<&'a Statement>,
    params: &'a dyn Params,
    codecs: &'a Codecs,
    other: &'a mut bool,
) -> impl FnOnce(&mut Vec<u8>, Formats) -> Result<()> + 'a {
    move |out, formats| {
        let count = params.count();
        let mut sink = Arguments::new(out, formats, learnt, codecs);
        let given = params.bind(&mut sink);
        *other = sink.other;
        given?;
        if sink.index == count { Ok(()) } else { Err(unequal(sink.index, count)) }
    }
}

/// How many rows Execute asks for; 0 is all.
fn rows_max(want: Want) -> u32 {
    match want {
        Want::Paged(rows) => rows.get(),
        _ => 0,
    }
}

#[cold]
fn unequal(given: usize, count: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!("{count} arguments were announced and {given} were given"),
    )
    .with_nothing_sent(true)
}

/// The server would take the messages of the statements that follow for the data, and end the session.
#[cold]
pub(crate) fn copy_in_a_batch() -> Error {
    Error::new(ErrorKind::Unsupported, "COPY from or to the client cannot run in a batch")
        .with_hint("use the driver's copy_in and copy_out")
        .with_nothing_sent(true)
}

#[cold]
fn not_after_others(command: &Command<'_>) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("{command:?} cannot follow queued statements in one flight here"),
    )
    .with_nothing_sent(true)
}

#[cold]
fn no_atomic_batch() -> Error {
    Error::new(ErrorKind::Unsupported, "the simple protocol has no atomic batches")
        .with_hint("send the batch within a transaction")
        .with_nothing_sent(true)
}
