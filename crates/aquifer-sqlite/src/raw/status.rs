//! Counters, versions and build options.

use std::ffi::{CStr, c_int};

use libsqlite3_sys as ffi;

use super::error::{Result, text};
use super::handle::Handle;
use super::statement::Statement;

/// A counter of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementCounter {
    /// Steps forward in a scan of a whole table.
    FullscanStep,
    /// Sorts.
    Sort,
    /// Rows put into indices built for one run.
    AutoIndex,
    /// Virtual-machine operations.
    VmStep,
    /// How often it was prepared again by itself, after the schema or a telling parameter had
    /// changed.
    Reprepare,
    /// Runs.
    Run,
    /// Times a Bloom filter did not save a search.
    FilterMiss,
    /// Times a Bloom filter saved a search.
    FilterHit,
    /// Bytes of memory it takes, as far as SQLite can tell. Not reset.
    MemoryUsed,
}

impl StatementCounter {
    fn op(self) -> c_int {
        match self {
            Self::FullscanStep => ffi::SQLITE_STMTSTATUS_FULLSCAN_STEP,
            Self::Sort => ffi::SQLITE_STMTSTATUS_SORT,
            Self::AutoIndex => ffi::SQLITE_STMTSTATUS_AUTOINDEX,
            Self::VmStep => ffi::SQLITE_STMTSTATUS_VM_STEP,
            Self::Reprepare => ffi::SQLITE_STMTSTATUS_REPREPARE,
            Self::Run => ffi::SQLITE_STMTSTATUS_RUN,
            Self::FilterMiss => ffi::SQLITE_STMTSTATUS_FILTER_MISS,
            Self::FilterHit => ffi::SQLITE_STMTSTATUS_FILTER_HIT,
            Self::MemoryUsed => ffi::SQLITE_STMTSTATUS_MEMUSED,
        }
    }
}

impl Statement<'_> {
    /// A counter since the statement was prepared, or since it was last read with `reset`. It may
    /// wrap around.
    #[inline]
    #[must_use]
    pub fn status(&self, counter: StatementCounter, reset: bool) -> u32 {
        // SAFETY: a statement of ours that is not finalised; every counter we pass exists.
        unsafe { ffi::sqlite3_stmt_status(self.stmt.as_ptr(), counter.op(), c_int::from(reset)) }
            .cast_unsigned()
    }
}

/// A measure of one connection's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryCounter {
    /// Bytes of the page caches.
    Cache,
    /// Bytes of the schemas.
    Schema,
    /// Bytes of the statements.
    Statements,
    /// Pages found in the cache.
    CacheHit,
    /// Pages not found in the cache.
    CacheMiss,
    /// Pages written.
    CacheWrite,
    /// Pages written before their transaction ended, for lack of room in the cache.
    CacheSpill,
}

impl Handle {
    /// A measure of this connection's memory.
    ///
    /// # Errors
    ///
    /// `SQLITE_ERROR` if the library does not know it.
    pub fn memory(&self, counter: MemoryCounter) -> Result<u32> {
        let op = match counter {
            MemoryCounter::Cache => ffi::SQLITE_DBSTATUS_CACHE_USED,
            MemoryCounter::Schema => ffi::SQLITE_DBSTATUS_SCHEMA_USED,
            MemoryCounter::Statements => ffi::SQLITE_DBSTATUS_STMT_USED,
            MemoryCounter::CacheHit => ffi::SQLITE_DBSTATUS_CACHE_HIT,
            MemoryCounter::CacheMiss => ffi::SQLITE_DBSTATUS_CACHE_MISS,
            MemoryCounter::CacheWrite => ffi::SQLITE_DBSTATUS_CACHE_WRITE,
            MemoryCounter::CacheSpill => ffi::SQLITE_DBSTATUS_CACHE_SPILL,
        };
        let mut current: c_int = 0;
        let mut highest: c_int = 0;
        // SAFETY: `db` is open and we own it, and both results have a place.
        let code = unsafe {
            ffi::sqlite3_db_status(self.db.as_ptr(), op, &raw mut current, &raw mut highest, 0)
        };
        self.check(code)?;
        Ok(current.cast_unsigned())
    }
}

/// Bytes that all connections of the process have allocated now.
#[must_use]
pub fn memory_used() -> i64 {
    // SAFETY: has no conditions.
    unsafe { ffi::sqlite3_memory_used() }
}

/// The most bytes that all connections of the process have had allocated at one time.
#[must_use]
pub fn memory_highwater() -> i64 {
    // SAFETY: has no conditions.
    unsafe { ffi::sqlite3_memory_highwater(0) }
}

/// The version of the library that runs, such as `3.51.3`.
#[must_use]
pub fn version() -> &'static str {
    // SAFETY: a static C string.
    unsafe { CStr::from_ptr(ffi::sqlite3_libversion()) }.to_str().unwrap_or_default()
}

/// The version as a number, such as `3051003`.
#[must_use]
pub fn version_number() -> u32 {
    // SAFETY: has no conditions.
    unsafe { ffi::sqlite3_libversion_number() }.cast_unsigned()
}

/// The date and hash of the library's source.
#[must_use]
pub fn source_id() -> &'static str {
    // SAFETY: a static C string.
    unsafe { CStr::from_ptr(ffi::sqlite3_sourceid()) }.to_str().unwrap_or_default()
}

/// What the library was built with, such as `ENABLE_FTS5`.
#[must_use]
pub fn compile_options() -> Vec<String> {
    (0..)
        // SAFETY: null beyond the last option, else a static C string.
        .map_while(|n| unsafe { text(ffi::sqlite3_compileoption_get(n)) })
        .collect()
}
