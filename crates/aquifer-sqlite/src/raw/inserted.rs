//! Whether a statement has inserted a row.
//!
//! `sqlite3_last_insert_rowid` keeps the key of the last insert for ever: after an upsert that updated, or an insert into a table without rowids, it
//! is an earlier statement's. The update hook tells an insert from both; it costs one call per changed row.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use libsqlite3_sys as ffi;

use super::handle::Handle;
use super::interrupt::Control;
use super::statement::Statement;

impl Handle {
    /// Whether a row was inserted into a rowid table, by a statement or its triggers, since the last call.
    #[inline]
    pub fn take_inserted(&mut self) -> bool {
        let inserted = self.control.inserted.load(Ordering::Relaxed);
        self.control.inserted.store(false, Ordering::Relaxed);
        inserted
    }
}

impl Statement<'_> {
    /// As [`Handle::take_inserted`] and [`Handle::last_insert_rowid`], of the run that has just ended.
    #[inline]
    pub fn take_inserted_rowid(&mut self) -> Option<i64> {
        if !self.control.inserted.load(Ordering::Relaxed) {
            return None;
        }
        self.control.inserted.store(false, Ordering::Relaxed);
        // SAFETY: the statement's connection is open, and nothing else uses it.
        Some(unsafe { ffi::sqlite3_last_insert_rowid(self.db.as_ptr()) })
    }

    /// As [`Handle::changes`], of the run that has just ended.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> i64 {
        // SAFETY: the statement's connection is open, and nothing else uses it.
        unsafe { ffi::sqlite3_changes64(self.db.as_ptr()) }
    }
}

unsafe extern "C" fn updated(
    control: *mut c_void,
    operation: c_int,
    _schema: *const c_char,
    _table: *const c_char,
    _rowid: ffi::sqlite3_int64,
) {
    if operation == ffi::SQLITE_INSERT {
        // SAFETY: `install` was given a pointer that outlives the connection, and `Control` is `Sync` with interior mutability only.
        let control = unsafe { &*control.cast::<Control>() };
        control.inserted.store(true, Ordering::Relaxed);
    }
}

/// Installs the handler.
///
/// # Safety
///
/// `db` is open and used by this thread only; `control` stays valid until `db` has been closed or another handler is installed.
pub(super) unsafe fn install(db: NonNull<ffi::sqlite3>, control: *const Control) {
    // SAFETY: as the caller promises; `updated` only writes to an atomic behind the pointer. The call cannot fail on an open connection.
    unsafe {
        ffi::sqlite3_update_hook(db.as_ptr(), Some(updated), control.cast_mut().cast::<c_void>());
    }
}
