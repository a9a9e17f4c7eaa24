//! What went wrong, as SQLite tells it.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::ptr::NonNull;

use libsqlite3_sys as ffi;

use super::code::Code;

/// The result of a call into this layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call. It never contains a bound parameter; SQLite's message may quote names and
/// fragments of the SQL text.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    message: String,
    offset: Option<usize>,
    system: Option<i32>,
    interruption: Option<Interruption>,
}

/// Who stopped a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interruption {
    /// The budget of [`Handle::set_budget`](super::Handle::set_budget) was spent: the same
    /// statement may be run again with a larger one.
    Budget,
    /// [`Interrupter::interrupt`](super::Interrupter::interrupt) named the operation: its caller is
    /// gone.
    Cancelled,
}

impl Error {
    /// The result code, extended where there is one.
    #[must_use]
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// SQLite's message, without the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Where in the SQL text, in bytes from its start, if SQLite knows the place.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.inner.offset
    }

    /// What the system said, by its own number, if a file could not be opened, read or written.
    #[must_use]
    pub fn system(&self) -> Option<i32> {
        self.inner.system
    }

    /// Who stopped the statement, if it was stopped. A cancelled wait for a lock has the code
    /// `SQLITE_BUSY` and says so here.
    #[must_use]
    pub fn interruption(&self) -> Option<Interruption> {
        self.inner.interruption
    }

    /// An error that SQLite had no part in.
    #[cold]
    pub(super) fn local(code: Code, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                code,
                message: message.into(),
                offset: None,
                system: None,
                interruption: None,
            }),
        }
    }

    #[cold]
    pub(super) fn cancelled() -> Self {
        let mut error = Self::local(Code::INTERRUPT, "the operation was cancelled");
        error.inner.interruption = Some(Interruption::Cancelled);
        error
    }

    /// The error of the call on `db` that has just returned `code`; it must be asked for before any
    /// other call on `db`.
    ///
    /// # Safety
    ///
    /// `db` is an open connection that no other thread is using.
    #[cold]
    pub(super) unsafe fn last(db: NonNull<ffi::sqlite3>, code: c_int) -> Self {
        // SAFETY: the caller promises an open connection of ours; the message is a C string that
        // lives until the next call on it, and is copied at once.
        let message = unsafe { text(ffi::sqlite3_errmsg(db.as_ptr())) };
        // SAFETY: as above.
        let offset = unsafe { ffi::sqlite3_error_offset(db.as_ptr()) };
        // SAFETY: as above.
        let system = unsafe { ffi::sqlite3_system_errno(db.as_ptr()) };
        let mut error = Self::local(Code::new(code), message.unwrap_or_default());
        // It is set by failures of these two kinds only, and left as it was by others.
        let is_of_a_file = matches!(code & 0xff, ffi::SQLITE_CANTOPEN | ffi::SQLITE_IOERR);
        error.inner.system = (is_of_a_file && system != 0).then_some(system);
        error.inner.offset = usize::try_from(offset).ok();
        error
    }

    pub(super) fn with_interruption(mut self, interruption: Option<Interruption>) -> Self {
        self.inner.interruption = interruption;
        self
    }

    /// Counts the offset from the start of a longer text, of which the failed statement began at
    /// `base`.
    pub(super) fn shifted(mut self, base: usize) -> Self {
        self.inner.offset = self.inner.offset.map(|offset| offset + base);
        self
    }

    pub(super) fn at(mut self, offset: usize) -> Self {
        self.inner.offset = Some(offset);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.inner.message, self.inner.code)?;
        if let Some(offset) = self.inner.offset {
            write!(f, " at byte {offset} of the SQL text")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.inner.code)
            .field("message", &self.inner.message)
            .field("offset", &self.inner.offset)
            .field("interruption", &self.inner.interruption)
            .finish()
    }
}

impl std::error::Error for Error {}

/// A copy of a C string, with invalid UTF-8 replaced; `None` for a null pointer.
///
/// # Safety
///
/// `pointer` is null, or a NUL-terminated string that is valid during the call.
pub(super) unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller promises a NUL-terminated string.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned())
}
