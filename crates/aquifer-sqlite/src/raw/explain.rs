//! Looking into a statement's program.

use super::error::Result;
use super::handle::Handle;
use super::prepare::Persistence;
use super::row::Cell;
use super::slab::StatementId;

/// Operations that can take long by themselves, between two looks at the budget.
const LONG: [&[u8]; 14] = [
    // A whole table's rows are counted in one go.
    b"Count",
    b"IntegrityCk",
    // A virtual table does in one call what it likes: a full-text search, for one.
    b"VFilter",
    b"VUpdate",
    b"VBegin",
    // The end of a transaction may write and sync, although SQLite calls it read-only.
    b"AutoCommit",
    b"Savepoint",
    b"Checkpoint",
    b"JournalMode",
    b"Vacuum",
    b"IncrVacuum",
    b"Clear",
    b"Destroy",
    b"SqlExec",
];

impl Handle {
    /// Whether the budget of [`set_budget`](Self::set_budget) can stop the statement wherever it
    /// is. `false` if one of its operations can take long by itself: a count of a whole table, a
    /// virtual table's search, the end of a transaction.
    ///
    /// It costs about as much as preparing the statement once more; keep the answer with it. It
    /// says nothing about functions with large arguments. (A `PRAGMA` that takes effect while it is
    /// prepared takes effect once more.)
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare), and `SQLITE_MISUSE` if the statement has been finalised.
    pub fn budget_holds(&mut self, id: StatementId) -> Result<bool> {
        let statement = self.statement(id)?;
        if statement.is_explain() {
            return Ok(true);
        }
        let sql = format!("EXPLAIN {}", statement.sql());
        let Some(explain) = self.prepare(&sql, Persistence::Transient)?.statement else {
            return Ok(true);
        };
        let outcome = self.has_long_operation(explain);
        self.finalize(explain);
        outcome.map(|long| !long)
    }

    fn has_long_operation(&mut self, explain: StatementId) -> Result<bool> {
        let mut statement = self.statement(explain)?;
        while let Some(row) = statement.next_row()? {
            // Address, operation, operands.
            if matches!(row.cell(1)?, Cell::Text(operation) if LONG.contains(&operation)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
