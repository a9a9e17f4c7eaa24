//! What a command consists of, and doing it, job by job.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use aquifer_driver::{
    Command, Description, Error, ErrorKind, Outcome, ParamSink, Parameter, Params, Result, Value,
    ValueRef, Want,
};

use super::super::answer::{Answer, describe};
use super::super::fault::Operation;
use super::super::kind::argument;
use super::super::options::Cells;
use super::super::parse::{Parsed, parse_one, parse_script};
use super::super::session::{Ran, no_transaction, tx_failed};
use super::super::statement::Statement;
use super::{FakeConnection, Job, Performed, Running, Stage};

/// Takes arguments as the engine takes them.
struct Binder {
    values: Vec<Value>,
    cells: Cells,
}

impl ParamSink for Binder {
    fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
        self.values.push(argument(value, self.cells)?);
        Ok(())
    }
}

impl FakeConnection {
    /// What a command needs; an error leaves the connection as it was.
    pub(super) fn accept(&mut self, command: Command<'_>) -> Result<Running> {
        let mut sql = None;
        let mut jobs = VecDeque::new();
        let open = self.session.in_transaction() || self.begin_held.is_some();
        let operation = match command {
            Command::Execute { sql: text, params, want } => {
                let params = self.bind(params)?;
                // What is prepared has told how many arguments it takes.
                if let Some(parsed) = self.cached(text)
                    && parsed.params != params.len()
                {
                    return Err(wrong_count(parsed.params, params.len()));
                }
                let text: Arc<str> = text.into();
                sql = Some(Arc::clone(&text));
                jobs.push_back(Job::Statement { sql: text, params, want });
                Operation::Execute
            }
            Command::Script { sql: text } => {
                let text: Arc<str> = text.into();
                sql = Some(Arc::clone(&text));
                jobs.push_back(Job::Script(text));
                Operation::Script
            }
            Command::Prepare { sql: text } => {
                let text: Arc<str> = text.into();
                sql = Some(Arc::clone(&text));
                jobs.push_back(Job::Prepare(text));
                Operation::Prepare
            }
            Command::Batch(batch) => {
                let mut texts = Vec::new();
                for item in batch.iter() {
                    let params = self.bind(&item)?;
                    texts.push(&**item.sql);
                    jobs.push_back(Job::Statement {
                        sql: Arc::clone(item.sql),
                        params,
                        want: item.want,
                    });
                }
                sql = Some(texts.join("; ").into());
                Operation::Batch
            }
            Command::Begin(options) => {
                if open {
                    return Err(Error::new(ErrorKind::Database, "a transaction is open already")
                        .with_code("FAKE_ACTIVE_TX")
                        .with_sqlstate("25001")
                        .with_nothing_sent(true));
                }
                if self.shared.options.lazy_begin {
                    self.begin_held = Some(options);
                } else {
                    jobs.push_back(Job::Begin(options));
                }
                Operation::Begin
            }
            Command::Commit => {
                if !open {
                    return Err(no_transaction());
                }
                if self.begin_held.take().is_none() {
                    jobs.push_back(Job::Commit);
                }
                Operation::Commit
            }
            Command::Rollback => {
                if self.begin_held.take().is_none() && open {
                    jobs.push_back(Job::Rollback);
                }
                Operation::Rollback
            }
            Command::Ping => {
                jobs.push_back(Job::Ping);
                Operation::Ping
            }
            Command::Reset => {
                self.begin_held = None;
                jobs.push_back(Job::Reset);
                Operation::Reset
            }
            other => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("the fake driver does not know the command {other:?}"),
                ));
            }
        };
        Ok(Running { operation, sql, jobs, stage: Stage::Fresh, ordeal: None, stopped: false })
    }

    pub(super) fn perform(
        &mut self,
        job: Job,
        running: &mut Running,
        waker: &Waker,
    ) -> Result<Performed> {
        let done = || Ok(Performed::Ran(Ran::Done(Answer::none(Outcome::default()))));
        match job {
            Job::Statement { sql, params, want } => {
                let parsed = self.prepare(&sql).inspect_err(|_| self.session.note_error())?;
                if parsed.params != params.len() {
                    self.session.note_error();
                    return Err(wrong_count(parsed.params, params.len()));
                }
                let mut ran = self.session.run(&parsed, &params, waker)?;
                self.shared.state().counters.statements += u64::from(!matches!(ran, Ran::Waits));
                match &mut ran {
                    Ran::Waits => running.jobs.push_front(Job::Statement { sql, params, want }),
                    Ran::Done(answer) | Ran::Sleeps(_, answer) => match want {
                        Want::First => answer.first_only(),
                        Want::Outcome => answer.no_rows(),
                        _ => {}
                    },
                }
                Ok(Performed::Ran(ran))
            }
            Job::Parsed(parsed) => {
                let ran = self.session.run(&parsed, &[], waker)?;
                self.shared.state().counters.statements += u64::from(!matches!(ran, Ran::Waits));
                if matches!(ran, Ran::Waits) {
                    running.jobs.push_front(Job::Parsed(parsed));
                }
                Ok(Performed::Ran(ran))
            }
            Job::Script(sql) => {
                let all = parse_script(&sql).inspect_err(|_| self.session.note_error())?;
                if let Some(bad) = all.iter().find(|parsed| parsed.params > 0) {
                    self.session.note_error();
                    return Err(wrong_count(bad.params, 0));
                }
                if all.is_empty() {
                    return done();
                }
                running.jobs.extend(all.into_iter().map(|parsed| Job::Parsed(Arc::new(parsed))));
                Ok(Performed::Expanded)
            }
            Job::Prepare(sql) => {
                let parsed = self.prepare(&sql)?;
                if self.session.is_failed() {
                    return Err(tx_failed());
                }
                let data = self.session.view();
                let cells = self.shared.options.cells;
                let columns = describe(&parsed.statement, parsed.params, &data, cells)
                    .inspect_err(|_| self.session.note_error())?;
                let parameters = vec![Parameter::default(); parsed.params];
                let reads = matches!(parsed.statement, Statement::Select(_) | Statement::Show(_));
                self.description =
                    Some(Description::new(parameters, Arc::new(columns), Some(reads)));
                done()
            }
            Job::Begin(options) => {
                self.session.begin(options)?;
                done()
            }
            Job::Commit => {
                self.session.commit()?;
                done()
            }
            Job::Rollback => {
                self.session.rollback();
                done()
            }
            Job::Ping => {
                self.shared.state().counters.pings += 1;
                done()
            }
            Job::Reset => {
                self.session.reset();
                let mut state = self.shared.state();
                state.counters.resets += 1;
                drop(state);
                done()
            }
        }
    }

    pub(super) fn bind(&self, params: &dyn Params) -> Result<Vec<Value>> {
        let mut binder = Binder { values: Vec::new(), cells: self.shared.options.cells };
        params.bind(&mut binder)?;
        Ok(binder.values)
    }

    pub(super) fn cached(&self, sql: &str) -> Option<&Arc<Parsed>> {
        self.cache.iter().find(|(text, _)| **text == *sql).map(|(_, parsed)| parsed)
    }

    /// The prepared statement of that text; it becomes the most recently used.
    pub(super) fn prepare(&mut self, sql: &Arc<str>) -> Result<Arc<Parsed>> {
        if let Some(at) = self.cache.iter().position(|(text, _)| text == sql)
            && let Some(entry) = self.cache.remove(at)
        {
            let parsed = Arc::clone(&entry.1);
            self.cache.push_back(entry);
            self.counters.cache_hits += 1;
            return Ok(parsed);
        }
        let parsed = Arc::new(parse_one(sql)?);
        self.counters.prepared += 1;
        let max = self.shared.options.statements_max;
        while self.cache.len() >= max.max(1) {
            self.cache.pop_front();
            self.counters.evicted += 1;
        }
        if max > 0 {
            self.cache.push_back((Arc::clone(sql), Arc::clone(&parsed)));
        }
        self.counters.cached = self.cache.len() as u64;
        let mut state = self.shared.state();
        state.counters.prepares += 1;
        state.set_prepared(self.number, self.cache.len());
        Ok(parsed)
    }
}

pub(super) fn wrong_count(expected: usize, got: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!("the statement takes {expected} arguments, {got} were given"),
    )
}
