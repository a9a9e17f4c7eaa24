//! Checkpoints of the write-ahead log.

use std::ffi::c_int;
use std::ptr;

use libsqlite3_sys as ffi;

use super::error::Result;
use super::handle::{Handle, c_string};

/// How hard a checkpoint tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointMode {
    /// Copies what it can without waiting for anybody.
    Passive,
    /// Waits for writers, then for readers of old snapshots, and copies everything.
    Full,
    /// Also waits until the next writer can start the log over.
    Restart,
    /// Also cuts the log file to nothing.
    Truncate,
}

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Frames in the log; `None` if the database is not in WAL mode.
    pub log_frames: Option<u32>,
    /// Frames of them that have been copied into the database; `None` if the database is not in WAL
    /// mode.
    pub copied_frames: Option<u32>,
}

impl Handle {
    /// Copies the write-ahead log of a schema, or of all for `None`, into its database.
    ///
    /// # Errors
    ///
    /// `SQLITE_BUSY` if the busy timeout ran out first (what could be copied has been),
    /// `SQLITE_LOCKED` inside a write transaction of this connection.
    pub fn wal_checkpoint(
        &mut self,
        schema: Option<&str>,
        mode: CheckpointMode,
    ) -> Result<Checkpoint> {
        let name = schema.map(c_string).transpose()?;
        let mode = match mode {
            CheckpointMode::Passive => ffi::SQLITE_CHECKPOINT_PASSIVE,
            CheckpointMode::Full => ffi::SQLITE_CHECKPOINT_FULL,
            CheckpointMode::Restart => ffi::SQLITE_CHECKPOINT_RESTART,
            CheckpointMode::Truncate => ffi::SQLITE_CHECKPOINT_TRUNCATE,
        };
        let mut log: c_int = -1;
        let mut copied: c_int = -1;
        // SAFETY: `db` is open and we own it; the name is a C string or null, and both results have
        // a place.
        let code = unsafe {
            ffi::sqlite3_wal_checkpoint_v2(
                self.db.as_ptr(),
                name.as_ref().map_or(ptr::null(), |name| name.as_ptr()),
                mode,
                &raw mut log,
                &raw mut copied,
            )
        };
        self.check(code)?;
        Ok(Checkpoint {
            log_frames: u32::try_from(log).ok(),
            copied_frames: u32::try_from(copied).ok(),
        })
    }
}
