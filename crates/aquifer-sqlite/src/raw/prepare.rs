//! From SQL text to a statement.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result};
use super::handle::Handle;
use super::slab::{Phase, Slot, StatementId};

/// How long a statement is meant to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Persistence {
    /// It is run once or a few times.
    #[default]
    Transient,
    /// It is kept in a cache: SQLite keeps it out of its small pool of quick memory.
    Persistent,
}

/// What came of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The first statement; `None` if the text is only white space, comments or a semicolon.
    pub statement: Option<StatementId>,
    /// Where the first statement ends and the rest begins, in bytes.
    pub tail: usize,
}

impl Handle {
    /// Prepares the first statement of `sql`. The budget and interrupts apply here too.
    ///
    /// # Errors
    ///
    /// SQLite's, with the place in the text where it knows it; `SQLITE_ERROR` for a NUL byte
    /// outside strings, where SQLite would stop reading.
    pub fn prepare(&mut self, sql: &str, persistence: Persistence) -> Result<Prepared> {
        if self.control.is_cancelled() {
            return Err(Error::cancelled());
        }
        // SQLite ends the text at a NUL byte, wherever it stands: what follows would be dropped
        // without a word.
        if let Some(at) = sql.bytes().position(|byte| byte == 0) {
            return Err(Error::local(Code::ERROR, "the SQL text contains a NUL byte").at(at));
        }
        let Ok(length) = c_int::try_from(sql.len()) else {
            return Err(Error::local(Code::TOOBIG, "the SQL text is too long"));
        };
        let flags = match persistence {
            Persistence::Transient => 0,
            Persistence::Persistent => ffi::SQLITE_PREPARE_PERSISTENT,
        };
        let start = sql.as_ptr();
        let mut stmt = ptr::null_mut();
        let mut tail = ptr::null();
        // SAFETY: `db` is open and we own it; SQLite reads `length` bytes from `start` and writes
        // both results.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                self.db.as_ptr(),
                start.cast(),
                length,
                flags,
                &raw mut stmt,
                &raw mut tail,
            )
        };
        self.check(code)?;
        // SQLite points `tail` into the text it was given; compared as numbers, nothing depends on
        // it for soundness.
        let tail = if tail.is_null() {
            sql.len()
        } else {
            (tail as usize).saturating_sub(start as usize).min(sql.len())
        };
        let statement = NonNull::new(stmt)
            .map(|stmt| self.statements.insert(Slot { stmt, columns: 0, phase: Phase::Ready }));
        Ok(Prepared { statement, tail })
    }
}
