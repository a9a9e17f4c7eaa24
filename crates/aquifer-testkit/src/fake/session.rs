//! The engine's side of one connection: its transaction and its variables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use aquifer_driver::{Access, Error, ErrorKind, Isolation, Outcome, Result, TxOptions, Value};

use super::answer::{Answer, run, whole};
use super::eval::Scope;
use super::parse::Parsed;
use super::server::Shared;
use super::statement::Statement;
use super::table::Data;

/// What a statement led to.
pub(super) enum Ran {
    /// It is done; the rows can be read.
    Done(Answer),
    /// It is done after so many milliseconds.
    Sleeps(u64, Answer),
    /// Another connection holds the write lock; the waker was noted.
    Waits,
}

/// The engine's side of one connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u64,
    shared: Arc<Shared>,
    access: Access,
    variables: BTreeMap<String, Value>,
    tx: Option<Tx>,
}

#[derive(Debug, Default)]
struct Tx {
    options: TxOptions,
    failed: bool,
    /// What was committed when the transaction first looked, on levels that need it.
    snapshot: Option<Arc<Data>>,
    /// With the transaction's own changes, once there are some.
    own: Option<Data>,
    savepoints: Vec<(String, Option<Data>)>,
}

impl Session {
    pub(super) fn new(id: u64, shared: Arc<Shared>, access: Access) -> Self {
        Self { id, shared, access, variables: BTreeMap::new(), tx: None }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.tx.is_some()
    }

    /// True if whatever it does changes nothing.
    pub(super) fn only_reads(&self) -> bool {
        self.access == Access::ReadOnly
    }

    pub(super) fn is_failed(&self) -> bool {
        self.tx.as_ref().is_some_and(|tx| tx.failed)
    }

    pub(super) fn begin(&mut self, options: TxOptions) -> Result<()> {
        if self.tx.is_some() {
            return Err(Error::new(ErrorKind::Database, "a transaction is open already")
                .with_code("FAKE_ACTIVE_TX")
                .with_sqlstate("25001"));
        }
        self.tx = Some(Tx { options, ..Tx::default() });
        self.shared.state().counters.begins += 1;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        let Some(tx) = self.tx.take() else { return Err(no_transaction()) };
        let mut state = self.shared.state();
        let wakers = state.unlock(self.id);
        if tx.failed {
            state.counters.rollbacks += 1;
            drop(state);
            wake_all(wakers);
            return Err(Error::new(
                ErrorKind::TxFailed,
                "the transaction had failed and was rolled back",
            )
            .with_code("FAKE_TX_FAILED")
            .with_sqlstate("25P02"));
        }
        if let Some(own) = tx.own {
            state.committed = Arc::new(own);
        }
        state.counters.commits += 1;
        drop(state);
        wake_all(wakers);
        Ok(())
    }

    /// Ends the transaction without effect; none is fine too.
    pub(super) fn rollback(&mut self) {
        if self.tx.take().is_some() {
            let mut state = self.shared.state();
            state.counters.rollbacks += 1;
            let wakers = state.unlock(self.id);
            drop(state);
            wake_all(wakers);
        }
    }

    /// An error was given to the caller: on some engines that fails the transaction.
    pub(super) fn note_error(&mut self) {
        if self.shared.options.errors_fail_transactions
            && let Some(tx) = &mut self.tx
        {
            tx.failed = true;
        }
    }

    pub(super) fn reset(&mut self) {
        self.rollback();
        self.variables.clear();
    }

    /// What a statement sees.
    pub(super) fn view(&mut self) -> Arc<Data> {
        let committed = Arc::clone(&self.shared.state().committed);
        match &mut self.tx {
            Some(Tx { own: Some(own), .. }) => Arc::new(own.clone()),
            Some(tx) if tx.is_stable() => Arc::clone(tx.snapshot.get_or_insert(committed)),
            _ => committed,
        }
    }

    /// Runs one statement.
    pub(super) fn run(&mut self, parsed: &Parsed, params: &[Value], waker: &Waker) -> Result<Ran> {
        let statement = &parsed.statement;
        let heals =
            matches!(statement, Statement::Rollback | Statement::RollbackTo(_) | Statement::Commit);
        if self.is_failed() && !heals {
            return Err(tx_failed());
        }
        let ran = self.run_inner(statement, params, waker);
        if ran.is_err() {
            self.note_error();
        }
        ran
    }

    fn run_inner(&mut self, statement: &Statement, params: &[Value], waker: &Waker) -> Result<Ran> {
        let cells = self.shared.options.cells;
        let scope = Scope { columns: &[], params };
        if statement.is_border() {
            self.border(statement)?;
            return Ok(Ran::Done(Answer::none(Outcome::default())));
        }
        if self.shared.options.ddl_commits && statement.is_ddl() && self.tx.is_some() {
            self.commit()?;
        }
        match statement {
            Statement::Sleep(time) => {
                let time = scope.value(time, &[])?;
                let ms = u64::try_from(whole(&time)?).unwrap_or(0);
                Ok(Ran::Sleeps(ms, Answer::single("sleep", time, cells)))
            }
            Statement::Set { name, value } => {
                let value = scope.value(value, &[])?;
                self.variables.insert(name.to_ascii_lowercase(), value);
                Ok(Ran::Done(Answer::none(Outcome::default())))
            }
            Statement::Show(name) => {
                let value =
                    self.variables.get(&name.to_ascii_lowercase()).cloned().unwrap_or_default();
                Ok(Ran::Done(Answer::single(name, value, cells)))
            }
            _ if statement.writes() => self.write(statement, params, waker),
            _ => {
                let mut data = Data::clone(&self.view());
                run(statement, params.to_vec(), &mut data, cells).map(Ran::Done)
            }
        }
    }

    fn write(&mut self, statement: &Statement, params: &[Value], waker: &Waker) -> Result<Ran> {
        let read_only = self.tx.as_ref().is_some_and(|tx| tx.options.read_only);
        if self.access == Access::ReadOnly || read_only {
            let what = if read_only { "transaction" } else { "connection" };
            return Err(Error::new(ErrorKind::ReadOnly, format!("this {what} only reads"))
                .with_code("FAKE_READ_ONLY")
                .with_sqlstate("25006"));
        }
        let mut state = self.shared.state();
        if !state.lock_for(self.id, self.tx.is_some()) {
            if self.shared.options.writes_wait {
                state.wait_for_lock(self.id, waker);
                return Ok(Ran::Waits);
            }
            return Err(Error::new(ErrorKind::LockTimeout, "another transaction is writing")
                .with_code("FAKE_BUSY")
                .with_sqlstate("55P03"));
        }
        let mut data = match &self.tx {
            Some(Tx { own: Some(own), .. }) => own.clone(),
            Some(Tx { snapshot: Some(snapshot), .. })
                if !Arc::ptr_eq(snapshot, &state.committed) =>
            {
                return Err(Error::new(
                    ErrorKind::Serialization,
                    "another transaction has committed since this one first looked",
                )
                .with_code("FAKE_SERIALIZATION")
                .with_sqlstate("40001"));
            }
            _ => Data::clone(&state.committed),
        };
        // Run on a copy: a statement that fails half-way has done nothing.
        let answer = run(statement, params.to_vec(), &mut data, self.shared.options.cells)?;
        match &mut self.tx {
            Some(tx) => tx.own = Some(data),
            None => state.committed = Arc::new(data),
        }
        Ok(Ran::Done(answer))
    }

    fn border(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Begin => return self.begin(TxOptions::default()),
            Statement::Commit => return self.commit(),
            Statement::Rollback => {
                self.rollback();
                return Ok(());
            }
            _ => {}
        }
        let Some(tx) = &mut self.tx else { return Err(no_transaction()) };
        let find = |tx: &Tx, name: &str| {
            tx.savepoints.iter().rposition(|(known, _)| known == name).ok_or_else(|| {
                Error::new(ErrorKind::UndefinedObject, format!("no such savepoint: {name}"))
                    .with_code("FAKE_UNDEFINED")
                    .with_sqlstate("3B001")
            })
        };
        match statement {
            Statement::Savepoint(name) => tx.savepoints.push((name.clone(), tx.own.clone())),
            Statement::Release(name) => {
                let at = find(tx, name)?;
                tx.savepoints.truncate(at);
            }
            Statement::RollbackTo(name) => {
                let at = find(tx, name)?;
                tx.savepoints.truncate(at + 1);
                tx.own = tx.savepoints[at].1.clone();
                tx.failed = false;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Tx {
    /// True if every statement must see what the first one saw.
    fn is_stable(&self) -> bool {
        matches!(self.options.isolation, Some(Isolation::RepeatableRead | Isolation::Serializable))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.rollback();
        self.shared.state().forget_waiter(self.id);
    }
}

/// Wakes without a lock held: a waker may drop a task, and with it a connection.
fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// The error of a statement in a transaction that has failed.
pub(super) fn tx_failed() -> Error {
    Error::new(ErrorKind::TxFailed, "the transaction has failed: only a rollback is possible")
        .with_code("FAKE_TX_FAILED")
        .with_sqlstate("25P02")
}

/// The error of ending what has not begun.
pub(super) fn no_transaction() -> Error {
    Error::new(ErrorKind::TxDone, "no transaction is open").with_hint("begin one first")
}
