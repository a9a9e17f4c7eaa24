//! Where a database is, and how it is opened.

use std::ffi::{CString, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::config::Config;
use super::error::{Error, Result};
use super::handle::Handle;
use super::interrupt::Control;
use super::slab::Slab;
use super::{busy, inserted, progress};

/// Where the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// A database of its own in memory, gone when the handle closes.
    Memory,
    /// A database of its own in a temporary file, gone when the handle closes.
    Temporary,
    /// A file. Its name is taken as it is: `:memory:` and `file:x` are files here.
    Path(&'a [u8]),
    /// A SQLite URI, beginning with `file:`, such as `file:shared?mode=memory&cache=shared`.
    Uri(&'a [u8]),
}

/// What the connection may do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Read it; it must exist.
    ReadOnly,
    /// Read and write it; it must exist. A file that is not writable is opened read-only
    /// ([`Handle::is_readonly`] tells).
    ReadWrite,
    /// Read and write it; it is created if it is missing.
    #[default]
    ReadWriteCreate,
}

impl Mode {
    fn flags(self) -> c_int {
        match self {
            Self::ReadOnly => ffi::SQLITE_OPEN_READONLY,
            Self::ReadWrite => ffi::SQLITE_OPEN_READWRITE,
            Self::ReadWriteCreate => ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE,
        }
    }
}

impl Location<'_> {
    /// The name as `sqlite3_open_v2` wants it, and the flags that go with it.
    fn name(self) -> Result<(CString, c_int)> {
        let (name, flags) = match self {
            Self::Memory => (b":memory:".to_vec(), 0),
            Self::Temporary => (Vec::new(), 0),
            Self::Path([]) => {
                return Err(Error::local(Code::CANTOPEN, "the path of the database is empty"));
            }
            // SQLite keeps names that begin with a colon for itself, and the bundled library reads
            // `file:` as a URI even without the flag.
            Self::Path(path) if path.starts_with(b":") || path.starts_with(b"file:") => {
                ([b"./", path].concat(), 0)
            }
            Self::Path(path) => (path.to_vec(), 0),
            Self::Uri(uri) if uri.starts_with(b"file:") => (uri.to_vec(), ffi::SQLITE_OPEN_URI),
            Self::Uri(_) => {
                return Err(Error::local(Code::CANTOPEN, "a SQLite URI begins with `file:`"));
            }
        };
        match CString::new(name) {
            Ok(name) => Ok((name, flags)),
            Err(error) => Err(Error::local(
                Code::CANTOPEN,
                format!("the path of the database contains a NUL byte at {}", error.nul_position()),
            )),
        }
    }
}

impl Handle {
    /// Opens a database. SQLite reads the file lazily: that it is no database shows at the first
    /// statement.
    ///
    /// The connection starts defensive: no writes to SQLite's own structures, no unsafe functions
    /// in schemas, no double-quoted strings, no extension loading, no wait for locks.
    /// [`set_config`](Self::set_config) relaxes that.
    ///
    /// # Errors
    ///
    /// `SQLITE_CANTOPEN` if the file cannot be opened or the name is malformed.
    pub fn open(location: Location<'_>, mode: Mode) -> Result<Self> {
        // SAFETY: reads a constant of the library.
        if unsafe { ffi::sqlite3_threadsafe() } == 0 {
            return Err(Error::local(
                Code::MISUSE,
                "the SQLite library was built without thread safety (SQLITE_THREADSAFE=0), so connections cannot move between threads: link another build",
            ));
        }
        let (name, flags) = location.name()?;
        let flags = flags | mode.flags() | ffi::SQLITE_OPEN_NOMUTEX | ffi::SQLITE_OPEN_EXRESCODE;
        let mut db = ptr::null_mut();
        // SAFETY: `name` is a C string, `db` a place for the result, and the default VFS is asked
        // for.
        let code = unsafe { ffi::sqlite3_open_v2(name.as_ptr(), &raw mut db, flags, ptr::null()) };
        let Some(db) = NonNull::new(db) else {
            return Err(Error::local(Code::new(code), "SQLite could not allocate a connection"));
        };
        if code != ffi::SQLITE_OK {
            // SAFETY: also after a failure `db` is a connection that can be asked for its error and
            // must be closed; nothing was prepared on it.
            let error = unsafe {
                let error = Error::last(db, code);
                ffi::sqlite3_close(db.as_ptr());
                error
            };
            return Err(error);
        }
        let control = Arc::new(Control::new(db));
        let mut handle = Self { db, open: true, statements: Slab::default(), control };
        handle.restore_handlers();
        handle.disable_extensions();
        handle.set_config(Config::Defensive, true)?;
        handle.set_config(Config::TrustedSchema, false)?;
        handle.set_config(Config::DoubleQuotedStringsDdl, false)?;
        handle.set_config(Config::DoubleQuotedStringsDml, false)?;
        Ok(handle)
    }

    /// Puts back this layer's progress, busy and update handlers, which `PRAGMA busy_timeout` or a loaded
    /// extension may have replaced.
    pub fn restore_handlers(&mut self) {
        let control = Arc::as_ptr(&self.control);
        // SAFETY: `db` is open and we own it. `control` stays valid until it is closed: `Handle`
        // keeps its `Arc` until after `sqlite3_close`, and leaks a count of it if the connection
        // has to stay open (see `shut`).
        unsafe {
            progress::install(self.db, control);
            busy::install(self.db, control);
            inserted::install(self.db, control);
        }
    }
}
