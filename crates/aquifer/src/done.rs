//! [`Done`]: what a statement without rows did.

use aquifer_driver::{Error, ErrorKind, Outcome, Result};

/// What a statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done(Outcome);

impl Done {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self(outcome)
    }

    /// Rows inserted, updated or deleted.
    pub fn rows_affected(&self) -> u64 {
        self.0.rows_affected
    }

    /// The key that the engine generated for the last inserted row. `None` on PostgreSQL (use
    /// RETURNING), and where the statement inserted nothing.
    pub fn last_insert_id(&self) -> Option<i64> {
        self.0.last_insert_id
    }

    /// Fails unless exactly `rows` rows changed: optimistic locking in one word.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RowCount`]. The change itself stands; inside a transaction, return the error and it
    /// is rolled back.
    pub fn expect(self, rows: u64) -> Result<Self> {
        let changed = self.rows_affected();
        if changed == rows {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::RowCount,
            format!(
                "expected {rows} row{} to change, {changed} did",
                if rows == 1 { "" } else { "s" }
            ),
        ))
    }
}
