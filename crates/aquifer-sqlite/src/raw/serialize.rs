//! A database as bytes.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::slice;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result};
use super::handle::{Handle, TransactionState};

impl Handle {
    /// The bytes that a file with a copy of this schema would have.
    ///
    /// # Errors
    ///
    /// `SQLITE_NOMEM`, or what reading the database brings up.
    pub fn serialize(&mut self, schema: &str) -> Result<Vec<u8>> {
        let name = self.schema(schema)?;
        let mut length: ffi::sqlite3_int64 = -1;
        // SAFETY: `db` is open and we own it; the name is a C string and the length has a place.
        let bytes =
            unsafe { ffi::sqlite3_serialize(self.db.as_ptr(), name.as_ptr(), &raw mut length, 0) };
        if bytes.is_null() {
            // An empty database has no pages.
            return if length == 0 {
                Ok(Vec::new())
            } else {
                Err(Error::local(Code::NOMEM, "the database could not be copied into memory"))
            };
        }
        let length = usize::try_from(length).unwrap_or(0);
        // SAFETY: `length` bytes of SQLite's allocator, ours to copy and free.
        unsafe {
            let copy = slice::from_raw_parts(bytes, length).to_vec();
            ffi::sqlite3_free(bytes.cast::<c_void>());
            Ok(copy)
        }
    }

    /// Replaces a schema by a database in memory with these bytes. That they are no database shows
    /// at the first statement.
    ///
    /// # Errors
    ///
    /// `SQLITE_NOMEM`; `SQLITE_BUSY` in a transaction or while a statement is in the middle of its
    /// rows.
    pub fn deserialize(&mut self, schema: &str, bytes: &[u8]) -> Result<()> {
        let name = self.schema(schema)?;
        // Libraries before 3.52 do not look, and take the pages away from under a running
        // statement.
        let idle = TransactionState::None;
        if self.statements.any_running()
            || !self.autocommit()
            || self.transaction_state(None)? != idle
        {
            return Err(Error::local(
                Code::BUSY,
                "a database in use cannot be replaced: finish its statements and its transaction first",
            ));
        }
        let length = bytes.len() as u64;
        // SAFETY: has no conditions. At least one byte, because nothing is allocated for none.
        let copy = unsafe { ffi::sqlite3_malloc64(length.max(1)) }.cast::<u8>();
        if copy.is_null() {
            return Err(Error::local(Code::NOMEM, "there is no memory for the database"));
        }
        let flags = ffi::SQLITE_DESERIALIZE_FREEONCLOSE | ffi::SQLITE_DESERIALIZE_RESIZEABLE;
        // SAFETY: the fresh allocation has room for `bytes`. SQLite takes it over, and frees it in
        // case of failure too (FREEONCLOSE).
        let code: c_int = unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), copy, bytes.len());
            ffi::sqlite3_deserialize(
                self.db.as_ptr(),
                name.as_ptr(),
                copy,
                length as i64,
                length.max(1) as i64,
                flags,
            )
        };
        self.check(code)
    }
}
