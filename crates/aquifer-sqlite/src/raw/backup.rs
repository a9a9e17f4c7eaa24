//! Copying a database while it is in use.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::ptr::NonNull;

use libsqlite3_sys as ffi;

use super::error::{Error, Result};
use super::handle::Handle;

/// Where a backup stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages still to copy. It can grow: a change by another connection starts the copy over.
    pub remaining: u32,
    /// Pages of the source.
    pub page_count: u32,
    /// The step did nothing, because another connection holds a lock: wait a while before going on.
    pub blocked: bool,
}

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupEnd {
    /// The target is a copy of the source at one moment.
    Complete {
        /// Pages of the source.
        page_count: u32,
    },
    /// The observer stopped it; the target is as it was before.
    Stopped,
}

/// Copies schema `source_schema` of `source` over schema `target_schema` of `target`, a few pages
/// at a time.
///
/// `observe` is called after every step that was not the last, with no lock held on the source: it
/// may sleep, so that others can write, and end the backup. The target is written in one
/// transaction: it changes at the end, and not at all if there is an error or the observer ends it.
///
/// # Errors
///
/// SQLite's. An interrupt of the current operation of either handle ends the backup between two
/// steps.
pub fn backup(
    source: &mut Handle,
    source_schema: &str,
    target: &mut Handle,
    target_schema: &str,
    pages_per_step: NonZeroU32,
    mut observe: impl FnMut(BackupProgress) -> ControlFlow<()>,
) -> Result<BackupEnd> {
    let from = source.schema(source_schema)?;
    let to = target.schema(target_schema)?;
    let pages = c_int::try_from(pages_per_step.get()).unwrap_or(c_int::MAX);
    // SAFETY: both connections are open and ours, they are two because both are borrowed
    // exclusively, and the names are C strings.
    let raw = unsafe {
        ffi::sqlite3_backup_init(target.db.as_ptr(), to.as_ptr(), source.db.as_ptr(), from.as_ptr())
    };
    let Some(raw) = NonNull::new(raw) else {
        // SAFETY: `target` is open and ours.
        let code = unsafe { ffi::sqlite3_extended_errcode(target.db.as_ptr()) };
        return Err(target.error(code));
    };
    let copy = Copy { raw: Some(raw), _handles: PhantomData };
    loop {
        if source.is_cancelled() || target.is_cancelled() {
            return Err(Error::cancelled());
        }
        // SAFETY: the backup is not finished, and nothing else uses its two connections.
        let code = unsafe { ffi::sqlite3_backup_step(raw.as_ptr(), pages) };
        let blocked = match code & 0xff {
            ffi::SQLITE_DONE => {
                let page_count = copy.progress(false).page_count;
                target.check(copy.finish())?;
                return Ok(BackupEnd::Complete { page_count });
            }
            ffi::SQLITE_OK => false,
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => true,
            _ => {
                // Finishing hands the error over to the target.
                let code = copy.finish();
                return Err(target.error(code));
            }
        };
        if observe(copy.progress(blocked)).is_break() {
            return Ok(BackupEnd::Stopped);
        }
    }
}

/// A backup in progress. It lives in the frame of `backup` only, so that it cannot outlive the
/// borrows of its connections by being forgotten.
struct Copy<'h> {
    /// `None` once it is finished.
    raw: Option<NonNull<ffi::sqlite3_backup>>,
    _handles: PhantomData<&'h mut Handle>,
}

impl Copy<'_> {
    fn progress(&self, blocked: bool) -> BackupProgress {
        let Some(raw) = self.raw else {
            return BackupProgress { remaining: 0, page_count: 0, blocked };
        };
        // SAFETY: the backup is not finished.
        let (remaining, page_count) = unsafe {
            (
                ffi::sqlite3_backup_remaining(raw.as_ptr()),
                ffi::sqlite3_backup_pagecount(raw.as_ptr()),
            )
        };
        BackupProgress {
            remaining: u32::try_from(remaining).unwrap_or(0),
            page_count: u32::try_from(page_count).unwrap_or(0),
            blocked,
        }
    }

    /// Commits if the last step was done, else rolls back; the result of the backup.
    fn finish(mut self) -> c_int {
        self.end()
    }

    fn end(&mut self) -> c_int {
        match self.raw.take() {
            // SAFETY: the backup was not finished, and its pointer has been given up.
            Some(raw) => unsafe { ffi::sqlite3_backup_finish(raw.as_ptr()) },
            None => ffi::SQLITE_OK,
        }
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
