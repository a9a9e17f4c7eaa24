//! Running a script: several statements in one text, for their effects.

use super::error::Result;
use super::handle::Handle;
use super::prepare::Persistence;

/// What a script did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Executed {
    /// Statements run.
    pub statements: usize,
    /// Rows changed, with triggers and foreign-key actions.
    pub changes: i64,
}

impl Handle {
    /// Runs every statement of `sql` to its end, in order, and drops their rows. Parameters are
    /// NULL.
    ///
    /// # Errors
    ///
    /// Stops at the first statement that fails; what ran before stays done, unless a transaction
    /// around it is rolled back. The place is counted from the start of `sql`.
    pub fn exec(&mut self, sql: &str) -> Result<Executed> {
        let before = self.total_changes();
        let mut at = 0;
        let mut statements = 0;
        while at < sql.len() {
            let rest = sql.get(at..).unwrap_or_default();
            let prepared =
                self.prepare(rest, Persistence::Transient).map_err(|error| error.shifted(at))?;
            if let Some(id) = prepared.statement {
                let outcome = self.statement(id).and_then(|mut statement| statement.run());
                self.finalize(id);
                outcome.map_err(|error| error.shifted(at))?;
                statements += 1;
            }
            if prepared.tail == 0 {
                break;
            }
            at += prepared.tail;
        }
        Ok(Executed { statements, changes: self.total_changes() - before })
    }
}
