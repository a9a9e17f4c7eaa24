//! What a statement's result columns are called and where they come from.
//!
//! Read it once per statement: every call copies a name. A schema change may give a statement other
//! columns at its first step; [`StatementCounter::Reprepare`](super::StatementCounter::Reprepare)
//! tells when to read again.

use std::ffi::{c_char, c_int};

use libsqlite3_sys as ffi;

use super::error::text;
use super::statement::Statement;

/// The table column that a result column shows unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnOrigin {
    /// `main`, `temp`, or the name in `ATTACH`.
    pub schema: String,
    /// The table, not its alias.
    pub table: String,
    /// The column, not its alias.
    pub column: String,
}

type Getter = unsafe extern "C" fn(*mut ffi::sqlite3_stmt, c_int) -> *const c_char;

impl Statement<'_> {
    /// How many columns a row has; 0 for a statement without rows.
    #[inline]
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.count_columns() as usize
    }

    /// The name: what follows `AS`, else the text of the expression as SQLite gives it. `None` if
    /// there is no such column, for this and the following.
    #[must_use]
    pub fn column_name(&self, index: usize) -> Option<String> {
        self.column_text(index, ffi::sqlite3_column_name)
    }

    /// The declared type, as it was written in `CREATE TABLE`; `None` also for an expression and
    /// for a column without a type.
    #[must_use]
    pub fn column_decltype(&self, index: usize) -> Option<String> {
        self.column_text(index, ffi::sqlite3_column_decltype)
    }

    /// The table column shown; `None` also for an expression.
    #[must_use]
    pub fn column_origin(&self, index: usize) -> Option<ColumnOrigin> {
        Some(ColumnOrigin {
            schema: self.column_text(index, ffi::sqlite3_column_database_name)?,
            table: self.column_text(index, ffi::sqlite3_column_table_name)?,
            column: self.column_text(index, ffi::sqlite3_column_origin_name)?,
        })
    }

    #[inline]
    pub(super) fn count_columns(&self) -> u32 {
        // SAFETY: a statement of ours that is not finalised.
        let count = unsafe { ffi::sqlite3_column_count(self.stmt.as_ptr()) };
        u32::try_from(count).unwrap_or(0)
    }

    fn column_text(&self, index: usize, getter: Getter) -> Option<String> {
        let index = c_int::try_from(index).ok()?;
        // SAFETY: `getter` is one of the functions above, all of which check the index; the
        // statement is not finalised, and the text is copied before the next call.
        unsafe { text(getter(self.stmt.as_ptr(), index)) }
    }
}
