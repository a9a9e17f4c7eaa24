//! One connection and everything that belongs to it.

use std::ffi::{CStr, CString, c_int};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result, text};
use super::interrupt::{Control, Interrupter, Operation};
use super::slab::{Slab, StatementId};
use super::statement::Statement;

/// An open connection with its prepared statements. Dropping it closes it.
///
/// It may move between threads, with all its statements, but only one thread uses it at a time.
pub struct Handle {
    /// Open until `shut`. Used by the thread that has the handle, but for `sqlite3_interrupt`.
    pub(super) db: NonNull<ffi::sqlite3>,
    /// `false` only from `shut` until the value is gone: no method is called in between.
    pub(super) open: bool,
    /// Every statement this layer has prepared on `db` and not finalised.
    pub(super) statements: Slab,
    /// SQLite holds a pointer to it while `db` is open.
    pub(super) control: Arc<Control>,
}

// SAFETY: SQLite allows a connection and its statements to be used from any thread, one at a time
// (`open` checks that the library is built for threads). All pointers to them are in this value, or
// in borrows of it; what is shared (`control`) is `Send + Sync`.
unsafe impl Send for Handle {}

/// What a connection is doing in a transaction, as `sqlite3_txn_state` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// Nothing is read or written: a `BEGIN` may have been given, but no statement has touched the
    /// database since.
    None,
    /// A read transaction is open.
    Read,
    /// A write transaction is open.
    Write,
}

/// What closing found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Closed {
    /// Statements that had not been finalised. They have been now.
    pub statements_left: usize,
    /// SQL texts of statements that this layer does not know: a loaded extension left them.
    pub foreign: Vec<String>,
    /// Whether the connection could not be closed, because of `foreign`: its memory, file and locks
    /// stay until the process ends.
    pub lingers: bool,
}

impl Handle {
    /// Finalises what is left, closes the connection, and says what was left. The last connection
    /// to a WAL database checkpoints it.
    pub fn close(mut self) -> Closed {
        self.shut()
    }

    /// Must be called once, as the last use of `db`.
    fn shut(&mut self) -> Closed {
        self.open = false;
        self.control.disconnect();
        let mut closed = Closed::default();
        for slot in self.statements.drain() {
            closed.statements_left += 1;
            // SAFETY: the slab held a statement of `db` that was not finalised, and has given it
            // up.
            unsafe { ffi::sqlite3_finalize(slot.stmt.as_ptr()) };
        }
        // SAFETY: we own `db`, no statement or row borrows it, and interrupters have been cut off.
        if unsafe { ffi::sqlite3_close(self.db.as_ptr()) } == ffi::SQLITE_OK {
            return closed;
        }
        // Statements of virtual tables are gone by now, so what is left belongs to an extension and
        // is not ours to finalise.
        closed.lingers = true;
        closed.foreign = self.sql_of_open_statements();
        // The connection stays open, and SQLite may call the handlers for as long as it does: the
        // memory they point to is given away for good.
        mem::forget(Arc::clone(&self.control));
        closed
    }

    fn sql_of_open_statements(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut stmt = ptr::null_mut();
        loop {
            // SAFETY: `db` is open; `stmt` is null or one of its statements, and nothing is
            // finalised during the walk.
            stmt = unsafe { ffi::sqlite3_next_stmt(self.db.as_ptr(), stmt) };
            if stmt.is_null() {
                return found;
            }
            // SAFETY: an open statement; the text lives as long as it does and is copied.
            found.extend(unsafe { text(ffi::sqlite3_sql(stmt)) });
        }
    }

    /// The statement of this name, for exclusive use.
    ///
    /// # Errors
    ///
    /// `SQLITE_MISUSE` if it has been finalised.
    #[inline]
    pub fn statement(&mut self, id: StatementId) -> Result<Statement<'_>> {
        match self.statements.get_mut(id) {
            Some(slot) => Ok(Statement::new(self.db, slot, &self.control)),
            None => Err(stale()),
        }
    }

    /// Frees a statement, in whatever state it is; `false` if that has been done before.
    pub fn finalize(&mut self, id: StatementId) -> bool {
        match self.statements.remove(id) {
            Some(slot) => {
                // The result repeats the error of the last step.
                // SAFETY: the slab held a statement of `db` that was not finalised, and has given
                // it up.
                unsafe { ffi::sqlite3_finalize(slot.stmt.as_ptr()) };
                true
            }
            None => false,
        }
    }

    /// How many statements are prepared and not finalised.
    #[must_use]
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// A way to stop this handle's operations from other threads.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter::new(Arc::clone(&self.control))
    }

    /// Starts the next operation: interrupts of earlier ones have no effect any more, and a spent
    /// budget is no longer reported.
    #[inline]
    pub fn begin(&mut self) -> Operation {
        self.control.budget_spent.store(false, Ordering::Relaxed);
        self.control.begin()
    }

    /// The operation of the last [`begin`](Self::begin).
    #[inline]
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.control.current()
    }

    /// Whether the current operation has been told to stop.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.control.is_cancelled()
    }

    /// What the following statements may do together, in virtual-machine operations, before one of
    /// them is stopped with [`Interruption::Budget`](super::Interruption::Budget); `None` for no
    /// limit. A limit is kept to within [`TICK_OPS`](super::TICK_OPS): no statement is stopped
    /// before `ops` operations, none goes on after `ops + 2 * TICK_OPS`.
    ///
    /// The cost is two stores. A spent budget stops every further statement until it is set again.
    #[inline]
    pub fn set_budget(&mut self, ops: Option<u32>) {
        self.control.set_budget(ops);
    }

    /// How long a step waits for a lock before it fails with `SQLITE_BUSY`, in milliseconds of
    /// sleep; 0, the default, is not at all. An interrupt ends the wait.
    ///
    /// The cost is one store.
    #[inline]
    pub fn busy_timeout(&mut self, ms: u32) {
        self.control.busy_timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// Whether the connection is *not* in a transaction that `BEGIN` or `SAVEPOINT` opened. SQLite
    /// itself ends a transaction on some errors; this is the truth about it.
    #[inline]
    #[must_use]
    pub fn autocommit(&self) -> bool {
        // SAFETY: `db` is open and we own it.
        unsafe { ffi::sqlite3_get_autocommit(self.db.as_ptr()) != 0 }
    }

    /// Rows that the last completed `INSERT`, `UPDATE` or `DELETE` changed by itself, without
    /// triggers and foreign-key actions.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> i64 {
        // SAFETY: `db` is open and we own it.
        unsafe { ffi::sqlite3_changes64(self.db.as_ptr()) }
    }

    /// Rows that all statements since the connection was opened have changed, with triggers and
    /// foreign-key actions.
    #[inline]
    #[must_use]
    pub fn total_changes(&self) -> i64 {
        // SAFETY: `db` is open and we own it.
        unsafe { ffi::sqlite3_total_changes64(self.db.as_ptr()) }
    }

    /// The rowid of the last successful `INSERT` into a rowid table; 0 if there was none.
    #[inline]
    #[must_use]
    pub fn last_insert_rowid(&self) -> i64 {
        // SAFETY: `db` is open and we own it.
        unsafe { ffi::sqlite3_last_insert_rowid(self.db.as_ptr()) }
    }

    /// The absolute path of a schema's file; `None` for a database in memory or in a temporary
    /// file.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if there is no schema of that name.
    pub fn filename(&self, schema: &str) -> Result<Option<Vec<u8>>> {
        let name = self.schema(schema)?;
        // SAFETY: `db` is open and we own it; `name` is a C string.
        let path = unsafe { ffi::sqlite3_db_filename(self.db.as_ptr(), name.as_ptr()) };
        if path.is_null() {
            return Ok(None);
        }
        // SAFETY: not null: a C string that lives until the schema is detached, which nobody can do
        // during this call.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        Ok((!path.is_empty()).then(|| path.to_vec()))
    }

    /// Whether a schema cannot be written: it was opened read-only, or its file does not allow
    /// more.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if there is no schema of that name.
    pub fn is_readonly(&self, schema: &str) -> Result<bool> {
        let name = c_string(schema)?;
        // SAFETY: `db` is open and we own it; `name` is a C string.
        match unsafe { ffi::sqlite3_db_readonly(self.db.as_ptr(), name.as_ptr()) } {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unknown_schema(schema)),
        }
    }

    /// What the connection is doing with a schema, or with the busiest one for `None`.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if there is no schema of that name.
    pub fn transaction_state(&self, schema: Option<&str>) -> Result<TransactionState> {
        let name = schema.map(c_string).transpose()?;
        let pointer = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: `db` is open and we own it; `pointer` is null or a C string.
        match unsafe { ffi::sqlite3_txn_state(self.db.as_ptr(), pointer) } {
            ffi::SQLITE_TXN_NONE => Ok(TransactionState::None),
            ffi::SQLITE_TXN_READ => Ok(TransactionState::Read),
            ffi::SQLITE_TXN_WRITE => Ok(TransactionState::Write),
            _ => Err(unknown_schema(schema.unwrap_or_default())),
        }
    }

    /// Gives memory that the connection can spare back to the system; how much is not told.
    pub fn release_memory(&mut self) {
        // SAFETY: `db` is open and we own it; no row is borrowed.
        unsafe { ffi::sqlite3_db_release_memory(self.db.as_ptr()) };
    }

    /// The name as a C string, if there is a schema of that name.
    pub(super) fn schema(&self, schema: &str) -> Result<CString> {
        self.is_readonly(schema)?;
        c_string(schema)
    }

    /// The error for `code`, the result of the last call on this connection.
    pub(super) fn error(&self, code: c_int) -> Error {
        // SAFETY: `db` is open and we own it.
        let error = unsafe { Error::last(self.db, code) };
        if error.code().primary() == Code::INTERRUPT {
            error.with_interruption(self.control.interruption())
        } else {
            error
        }
    }

    /// `Ok` for `SQLITE_OK`, else the error of the last call.
    pub(super) fn check(&self, code: c_int) -> Result<()> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.open {
            self.shut();
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("statements", &self.statements.len())
            .field("autocommit", &self.autocommit())
            .finish_non_exhaustive()
    }
}

#[cold]
fn stale() -> Error {
    Error::local(Code::MISUSE, "the statement has been finalised: prepare it again")
}

#[cold]
fn unknown_schema(schema: &str) -> Error {
    Error::local(Code::ERROR, format!("there is no schema named {schema:?}"))
}

pub(super) fn c_string(name: &str) -> Result<CString> {
    CString::new(name).map_err(|error| {
        Error::local(
            Code::MISUSE,
            format!("a name contains a NUL byte at {}", error.nul_position()),
        )
    })
}
