//! Loadable extensions: native code in shared libraries.

use std::ffi::c_void;
use std::ptr;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result, text};
use super::handle::{Handle, c_string};

impl Handle {
    /// Loads an extension into this connection. `entry` is its entry point; SQLite derives one from
    /// the file name for `None`.
    ///
    /// The file is native code that becomes part of the process: nothing here can check it, and
    /// what it does, the caller answers for. Its path must come from the program's own
    /// configuration, never from data. Loading is possible during this call only, and never from
    /// SQL.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` with the loader's message.
    pub fn load_extension(&mut self, path: &str, entry: Option<&str>) -> Result<()> {
        let path = c_string(path)?;
        let entry = entry.map(c_string).transpose()?;
        self.db_config(ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1)?;
        let mut message = ptr::null_mut();
        // SAFETY: `db` is open and we own it; both names are C strings or null. What the library
        // does is the caller's to answer for, as documented.
        let code = unsafe {
            ffi::sqlite3_load_extension(
                self.db.as_ptr(),
                path.as_ptr(),
                entry.as_ref().map_or(ptr::null(), |entry| entry.as_ptr()),
                &raw mut message,
            )
        };
        self.disable_extensions();
        // An extension may have installed handlers of its own.
        self.restore_handlers();
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        // SAFETY: null, or a C string of SQLite's allocator that is ours to free.
        let message = unsafe {
            let copy = text(message);
            ffi::sqlite3_free(message.cast::<c_void>());
            copy
        };
        Err(Error::local(
            Code::new(code),
            message.unwrap_or_else(|| "the extension could not be loaded".to_owned()),
        ))
    }

    /// Switches off loading by the C interface and by SQL.
    pub(super) fn disable_extensions(&mut self) {
        // SAFETY: `db` is open and we own it. The call cannot fail on an open connection.
        unsafe { ffi::sqlite3_enable_load_extension(self.db.as_ptr(), 0) };
    }
}
