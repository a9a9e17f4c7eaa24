//! Preparing without effects.
//!
//! SQLite applies most settings of a `PRAGMA` while it compiles it, also under `EXPLAIN`. An authorizer is
//! asked before that, and about nothing else here.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use libsqlite3_sys as ffi;

use super::error::Result;
use super::handle::Handle;
use super::prepare::{Persistence, Prepared};

impl Handle {
    /// As [`prepare`](Self::prepare), but a `PRAGMA` with an argument is refused with `SQLITE_AUTH`
    /// unless `allows` takes its name (in lower case as SQLite knows it): it might be applied here.
    ///
    /// Every other statement is prepared anew by its next run.
    ///
    /// # Errors
    ///
    /// As for `prepare`, and `SQLITE_AUTH`.
    pub fn prepare_inert(
        &mut self,
        sql: &str,
        persistence: Persistence,
        allows: fn(&[u8]) -> bool,
    ) -> Result<Prepared> {
        let mut allows = allows;
        // SAFETY: `db` is open and we own it. `allows` outlives the authorizer, which is taken off
        // below, before this function returns; preparing does not unwind.
        unsafe {
            ffi::sqlite3_set_authorizer(
                self.db.as_ptr(),
                Some(authorize),
                (&raw mut allows).cast::<c_void>(),
            );
        }
        let prepared = self.prepare(sql, persistence);
        // SAFETY: `db` is open and we own it.
        unsafe { ffi::sqlite3_set_authorizer(self.db.as_ptr(), None, ptr::null_mut()) };
        prepared
    }
}

unsafe extern "C" fn authorize(
    allows: *mut c_void,
    action: c_int,
    name: *const c_char,
    argument: *const c_char,
    _schema: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    if action != ffi::SQLITE_PRAGMA || argument.is_null() || name.is_null() {
        return ffi::SQLITE_OK;
    }
    // SAFETY: `prepare_inert` passed a pointer to such a function, and is still running.
    let allows = unsafe { *allows.cast::<fn(&[u8]) -> bool>() };
    // SAFETY: not null: SQLite passes the name of the PRAGMA as a C string.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    if allows(name) { ffi::SQLITE_OK } else { ffi::SQLITE_DENY }
}
