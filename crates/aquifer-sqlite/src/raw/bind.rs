//! Giving parameters their values.
//!
//! Indices count from 1, as SQLite's do. Binding to a statement in the middle of its rows resets it
//! first.

use std::ffi::{CString, c_int};

use libsqlite3_sys as ffi;

use super::error::{Result, text};
use super::slab::Phase;
use super::statement::Statement;

impl Statement<'_> {
    /// The highest parameter index.
    #[inline]
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        // SAFETY: a statement of ours that is not finalised.
        let count = unsafe { ffi::sqlite3_bind_parameter_count(self.stmt.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// The name of a parameter with its prefix (`:id`, `@id`, `$id`, `?7`); `None` for a bare `?`
    /// and for an index without a parameter.
    #[must_use]
    pub fn parameter_name(&self, index: usize) -> Option<String> {
        let index = c_int::try_from(index).ok()?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index, and the name
        // is copied at once.
        unsafe { text(ffi::sqlite3_bind_parameter_name(self.stmt.as_ptr(), index)) }
    }

    /// The index of the parameter with this name, prefix included.
    #[must_use]
    pub fn parameter_index(&self, name: &str) -> Option<usize> {
        let name = CString::new(name).ok()?;
        // SAFETY: a statement of ours that is not finalised; `name` is a C string.
        let index = unsafe { ffi::sqlite3_bind_parameter_index(self.stmt.as_ptr(), name.as_ptr()) };
        usize::try_from(index).ok().filter(|index| *index > 0)
    }

    /// Binds NULL.
    ///
    /// # Errors
    ///
    /// `SQLITE_RANGE` if there is no such parameter, for this and every other binding; what
    /// [`reset`](Self::reset) brings up.
    #[inline]
    pub fn bind_null(&mut self, index: usize) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index.
        let code = unsafe { ffi::sqlite3_bind_null(self.stmt.as_ptr(), index) };
        self.bound(code)
    }

    /// Binds an integer.
    ///
    /// # Errors
    ///
    /// As [`bind_null`](Self::bind_null).
    #[inline]
    pub fn bind_i64(&mut self, index: usize, value: i64) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index.
        let code = unsafe { ffi::sqlite3_bind_int64(self.stmt.as_ptr(), index, value) };
        self.bound(code)
    }

    /// Binds a float. NaN becomes NULL.
    ///
    /// # Errors
    ///
    /// As [`bind_null`](Self::bind_null).
    #[inline]
    pub fn bind_f64(&mut self, index: usize, value: f64) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index.
        let code = unsafe { ffi::sqlite3_bind_double(self.stmt.as_ptr(), index, value) };
        self.bound(code)
    }

    /// Binds a copy of a text.
    ///
    /// # Errors
    ///
    /// As [`bind_null`](Self::bind_null); `SQLITE_TOOBIG` beyond
    /// [`Limit::Length`](super::Limit::Length).
    #[inline]
    pub fn bind_text(&mut self, index: usize, value: &str) -> Result<()> {
        self.text(index, value, ffi::SQLITE_TRANSIENT())
    }

    /// Binds a copy of some bytes.
    ///
    /// # Errors
    ///
    /// As [`bind_text`](Self::bind_text).
    #[inline]
    pub fn bind_blob(&mut self, index: usize, value: &[u8]) -> Result<()> {
        self.blob(index, value, ffi::SQLITE_TRANSIENT())
    }

    /// Binds a blob of zeros, which takes no memory until it is written. (For incremental writing.)
    ///
    /// # Errors
    ///
    /// As [`bind_text`](Self::bind_text).
    pub fn bind_zeroblob(&mut self, index: usize, length: u64) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index and the
        // length.
        let code = unsafe { ffi::sqlite3_bind_zeroblob64(self.stmt.as_ptr(), index, length) };
        self.bound(code)
    }

    /// Sets every parameter to NULL. Not needed before a run that binds them all.
    ///
    /// # Errors
    ///
    /// What [`reset`](Self::reset) brings up.
    pub fn clear_bindings(&mut self) -> Result<()> {
        // A running statement's registers may point into its parameters.
        self.reset()?;
        // SAFETY: a statement of ours that is not finalised and has been reset.
        unsafe { ffi::sqlite3_clear_bindings(self.stmt.as_ptr()) };
        Ok(())
    }

    /// Runs `work` with a view of this statement that can bind texts and blobs without copying
    /// them. When `work` is over, also by a panic, the statement is reset and all its parameters
    /// are NULL.
    pub fn with_borrowed<'p, R>(&mut self, work: impl FnOnce(&mut Borrowed<'_, '_, 'p>) -> R) -> R {
        let mut borrowed = Borrowed { statement: Unbind(self), _values: std::marker::PhantomData };
        work(&mut borrowed)
    }

    /// Makes the statement ready for binding; the index as SQLite wants it. SQLite checks it
    /// against the statement.
    #[inline]
    fn parameter(&mut self, index: usize) -> Result<c_int> {
        if self.slot.phase != Phase::Ready {
            self.reset()?;
        }
        Ok(c_int::try_from(index).unwrap_or(c_int::MAX))
    }

    #[inline]
    fn bound(&self, code: c_int) -> Result<()> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    /// With `SQLITE_STATIC` the caller sees to it that `value` outlives the binding.
    #[inline]
    fn text(
        &mut self,
        index: usize,
        value: &str,
        destructor: ffi::sqlite3_destructor_type,
    ) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: a statement of ours that is not finalised; SQLite checks the index and the
        // length, reads `value` now and, if it is not told to copy it, for as long as the caller
        // vouches for. The pointer of an empty string is not null.
        let code = unsafe {
            ffi::sqlite3_bind_text64(
                self.stmt.as_ptr(),
                index,
                value.as_ptr().cast(),
                value.len() as u64,
                destructor,
                ffi::SQLITE_UTF8 as u8,
            )
        };
        self.bound(code)
    }

    /// With `SQLITE_STATIC` the caller sees to it that `value` outlives the binding.
    #[inline]
    fn blob(
        &mut self,
        index: usize,
        value: &[u8],
        destructor: ffi::sqlite3_destructor_type,
    ) -> Result<()> {
        let index = self.parameter(index)?;
        // SAFETY: as in `text`.
        let code = unsafe {
            ffi::sqlite3_bind_blob64(
                self.stmt.as_ptr(),
                index,
                value.as_ptr().cast(),
                value.len() as u64,
                destructor,
            )
        };
        self.bound(code)
    }
}

/// A statement whose texts and blobs may be borrowed for `'p`; see [`Statement::with_borrowed`].
pub struct Borrowed<'s, 'h, 'p> {
    statement: Unbind<'s, 'h>,
    /// Values are taken for exactly this long: it must not be shortened while the statement holds
    /// them.
    _values: std::marker::PhantomData<fn(&'p ()) -> &'p ()>,
}

impl<'p> Borrowed<'_, '_, 'p> {
    /// Binds a text without copying it.
    ///
    /// # Errors
    ///
    /// As [`Statement::bind_text`].
    #[inline]
    pub fn bind_text(&mut self, index: usize, value: &'p str) -> Result<()> {
        self.statement.0.text(index, value, ffi::SQLITE_STATIC())
    }

    /// Binds some bytes without copying them.
    ///
    /// # Errors
    ///
    /// As [`Statement::bind_blob`].
    #[inline]
    pub fn bind_blob(&mut self, index: usize, value: &'p [u8]) -> Result<()> {
        self.statement.0.blob(index, value, ffi::SQLITE_STATIC())
    }

    /// The statement, for everything else.
    ///
    /// It is a value of its own, not a reference to the one inside: that could be swapped with
    /// another statement, and this one would keep its bindings.
    #[inline]
    pub fn statement(&mut self) -> Statement<'_> {
        let inner = &mut *self.statement.0;
        Statement::new(inner.db, inner.slot, inner.control)
    }
}

impl std::fmt::Debug for Borrowed<'_, '_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Borrowed").field(&self.statement.0).finish()
    }
}

/// Takes all bindings back when it goes. It lives in the frame of `with_borrowed`, which user code
/// cannot forget.
struct Unbind<'s, 'h>(&'s mut Statement<'h>);

impl Drop for Unbind<'_, '_> {
    fn drop(&mut self) {
        // An error of an abandoned run; after it the statement is reset all the same.
        let _ = self.0.reset();
        // SAFETY: a statement of ours that is not finalised and has been reset, so no register
        // points to a value.
        unsafe { ffi::sqlite3_clear_bindings(self.0.stmt.as_ptr()) };
    }
}
