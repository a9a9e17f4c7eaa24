//! Running a prepared statement.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result, text};
use super::handle::Handle;
use super::interrupt::Control;
use super::row::Row;
use super::slab::{Phase, Slot};

/// A prepared statement, borrowed from its [`Handle`] for exclusive use.
///
/// It may be dropped at any point: what it was doing stays as it is, with its locks, until
/// [`reset`](Self::reset), the next binding, or [`Handle::finalize`].
pub struct Statement<'h> {
    pub(super) db: NonNull<ffi::sqlite3>,
    /// A copy of `slot.stmt`.
    pub(super) stmt: NonNull<ffi::sqlite3_stmt>,
    pub(super) slot: &'h mut Slot,
    pub(super) control: &'h Control,
    /// The pointers are borrowed from the handle, exclusively.
    _handle: PhantomData<&'h mut Handle>,
}

// SAFETY: it stands for an exclusive borrow of a `Handle`, which is `Send`; nothing else can use
// the connection while it lives.
unsafe impl Send for Statement<'_> {}

impl<'h> Statement<'h> {
    #[inline]
    pub(super) fn new(db: NonNull<ffi::sqlite3>, slot: &'h mut Slot, control: &'h Control) -> Self {
        Self { db, stmt: slot.stmt, slot, control, _handle: PhantomData }
    }

    /// Steps to the next row; `None` after the last one, and from then on until the statement is
    /// reset. The first step starts the statement.
    ///
    /// # Errors
    ///
    /// SQLite's. The statement has then been reset and has kept its bindings: stepping starts it
    /// again. Whether a transaction survived tells [`Handle::autocommit`].
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        if self.slot.phase == Phase::Halted {
            return Ok(None);
        }
        if self.control.is_cancelled() {
            return Err(self.cancelled());
        }
        // SAFETY: a statement of ours that is not finalised; nothing else uses its connection; no
        // row is borrowed.
        let code = unsafe { ffi::sqlite3_step(self.stmt.as_ptr()) };
        if code == ffi::SQLITE_ROW {
            if self.slot.phase == Phase::Ready {
                self.slot.phase = Phase::Running;
                // Only now: the first step may have prepared the statement again, after the schema
                // has changed.
                self.slot.columns = self.count_columns();
            }
            return Ok(Some(Row::new(self.stmt, self.slot.columns)));
        }
        if code == ffi::SQLITE_DONE {
            self.slot.phase = Phase::Halted;
            return Ok(None);
        }
        Err(self.failed(code))
    }

    /// The row it stands on, once more; `None` if it stands on none.
    #[inline]
    #[must_use]
    pub fn current_row(&self) -> Option<Row<'_>> {
        // `Running` is set when a step gave a row, and left by every call that moves on.
        (self.slot.phase == Phase::Running).then(|| Row::new(self.stmt, self.slot.columns))
    }

    /// Runs to the end and drops the rows.
    ///
    /// # Errors
    ///
    /// As [`next_row`](Self::next_row).
    #[inline]
    pub fn run(&mut self) -> Result<()> {
        while self.next_row()?.is_some() {}
        Ok(())
    }

    /// Back to the start: locks are released, bindings are kept. Nothing is done if it is there
    /// already.
    ///
    /// # Errors
    ///
    /// What stopping in the middle brought up: `INSERT ... RETURNING` may have been left before its
    /// commit, which happens now.
    #[inline]
    pub fn reset(&mut self) -> Result<()> {
        if self.slot.phase == Phase::Ready {
            return Ok(());
        }
        self.slot.phase = Phase::Ready;
        // SAFETY: a statement of ours that is not finalised; no row is borrowed.
        let code = unsafe { ffi::sqlite3_reset(self.stmt.as_ptr()) };
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    /// Whether it is in the middle of its rows, and may hold locks.
    #[inline]
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.slot.phase == Phase::Running
    }

    /// Whether it makes no direct change to the database file. `BEGIN`, `COMMIT` and `ROLLBACK`
    /// count as read-only, and so does a `SELECT` whose functions write.
    #[inline]
    #[must_use]
    pub fn readonly(&self) -> bool {
        // SAFETY: a statement of ours that is not finalised.
        unsafe { ffi::sqlite3_stmt_readonly(self.stmt.as_ptr()) != 0 }
    }

    /// Whether it is an `EXPLAIN` or `EXPLAIN QUERY PLAN`.
    #[must_use]
    pub fn is_explain(&self) -> bool {
        // SAFETY: a statement of ours that is not finalised.
        unsafe { ffi::sqlite3_stmt_isexplain(self.stmt.as_ptr()) != 0 }
    }

    /// The SQL text, without what followed the statement.
    #[must_use]
    pub fn sql(&self) -> String {
        // SAFETY: a statement of ours that is not finalised; the text lives as long as it does and
        // is copied.
        unsafe { text(ffi::sqlite3_sql(self.stmt.as_ptr())) }.unwrap_or_default()
    }

    #[cold]
    fn cancelled(&mut self) -> Error {
        // What an abandoned statement's reset brings up is beside the point now.
        let _ = self.reset();
        Error::cancelled()
    }

    #[cold]
    #[inline(never)]
    fn failed(&mut self, code: c_int) -> Error {
        let error = self.error(code);
        self.slot.phase = Phase::Ready;
        // SAFETY: a statement of ours that is not finalised; no row is borrowed. The result repeats
        // `code`.
        unsafe { ffi::sqlite3_reset(self.stmt.as_ptr()) };
        error
    }

    /// The error for `code`, the result of the last call on this statement.
    #[cold]
    pub(super) fn error(&self, code: c_int) -> Error {
        // SAFETY: the statement's connection is open, and nothing else uses it.
        let error = unsafe { Error::last(self.db, code) };
        let stopped = match error.code().primary() {
            Code::INTERRUPT => self.control.interruption(),
            // A wait for a lock that an interrupt has ended.
            Code::BUSY if self.control.is_cancelled() => self.control.interruption(),
            _ => None,
        };
        error.with_interruption(stopped)
    }
}

impl std::fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement")
            .field("sql", &self.sql())
            .field("phase", &self.slot.phase)
            .finish_non_exhaustive()
    }
}
