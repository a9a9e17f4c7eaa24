//! Beginning and ending transactions.

use aquifer_driver::{Error, ErrorKind, Result, TxOptions};

use crate::engine::{Engine, Failure, Place, read_only};
use crate::errors::{self, Doing};
use crate::raw::TransactionState;

impl Engine {
    /// The text that begins such a transaction, and whether running it takes no lock.
    ///
    /// # Errors
    ///
    /// If a transaction is open, or writes are refused here.
    pub(crate) fn plan_begin(&mut self, options: TxOptions) -> Result<(&'static str, bool)> {
        if !self.handle.autocommit() {
            return Err(Error::new(ErrorKind::Database, "a transaction is open already")
                .with_nothing_sent(true));
        }
        self.read_only_tx = false;
        // Every level is served: SQLite's transactions are serializable. `deferrable` asks for a
        // snapshot that cannot fail, and SQLite's snapshots never do.
        if options.read_only || self.reader {
            if !options.read_only && !options.lock_late {
                return Err(read_only(true));
            }
            self.read_only_tx = options.read_only;
            return Ok(("BEGIN", true));
        }
        Ok(if options.lock_late { ("BEGIN", true) } else { ("BEGIN IMMEDIATE", self.private) })
    }

    /// Whether ending the transaction touches no disk and waits for nothing.
    pub(crate) fn ends_quickly(&self) -> bool {
        self.runs_inline()
            && self
                .handle
                .transaction_state(None)
                .is_ok_and(|state| state != TransactionState::Write)
    }

    /// Runs one of `BEGIN`, `BEGIN IMMEDIATE`, `COMMIT`, `ROLLBACK`.
    pub(crate) fn control(&mut self, place: Place, sql: &'static str) -> Result<()> {
        self.handle.set_budget(None);
        let at = match self.cache.find(sql) {
            Some(at) => at,
            // The texts are ours and name nothing: preparing them is short.
            None => match self.prepare(Place::Worker, sql).map_err(Failure::error)? {
                Some(at) => at,
                None => return Ok(()),
            },
        };
        self.handle.busy_timeout(if place == Place::Inline { 0 } else { self.busy_timeout_ms });
        let entry = self.cache.entry(at);
        let ran = self.handle.statement(entry.id).and_then(|mut statement| {
            statement.run()?;
            statement.reset()
        });
        if self.read_only_tx && self.handle.autocommit() {
            self.read_only_tx = false;
        }
        ran.map_err(|raw| errors::error(&raw, Doing::Running))
    }

    /// Rolls back what is open. A rollback cannot be cancelled: an interrupt that comes in between
    /// makes it start again.
    pub(crate) fn rollback(&mut self, place: Place) -> Result<()> {
        loop {
            if self.handle.autocommit() {
                self.read_only_tx = false;
                return Ok(());
            }
            self.handle.begin();
            match self.control(place, "ROLLBACK") {
                Err(error) if error.kind() == ErrorKind::Cancelled => {}
                Err(_) if self.handle.autocommit() => {}
                Err(error) => return Err(error),
                Ok(()) => {}
            }
        }
    }
}
