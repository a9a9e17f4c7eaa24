//! Stopping an operation from another thread.
//!
//! `sqlite3_interrupt` alone has two holes: it does nothing between two steps, and it hits whatever
//! runs when it arrives, which may be the *next* caller's statement. So an interrupt names an
//! [`Operation`]: it is remembered until that operation is over, and it cannot touch another one.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use libsqlite3_sys as ffi;

use super::error::Interruption;
use super::progress;

/// One use of a [`Handle`](super::Handle), from one [`begin`](super::Handle::begin) to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation(u64);

/// Stops operations of one handle, from any thread and at any time, also after the handle has been
/// closed.
#[derive(Clone)]
pub struct Interrupter {
    control: Arc<Control>,
}

impl Interrupter {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Stops `operation` if it is still the current one of its handle, and says whether it was.
    ///
    /// Its running step fails soon, its wait for a lock ends at once, and every later step of it
    /// fails without starting. Another operation is never touched.
    pub fn interrupt(&self, operation: Operation) -> bool {
        self.control.interrupt(Some(operation.0))
    }

    /// Stops the current operation, whichever that is. `false` if the handle is closed or no
    /// operation was begun.
    pub fn interrupt_current(&self) -> bool {
        self.control.interrupt(None)
    }
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}

/// What the handle, its interrupters and the two C callbacks share. Every field may be touched from
/// any thread.
pub(super) struct Control {
    /// The operation the owner is in; 0 before the first. Written by the owner only.
    current: AtomicU64,
    /// The last operation told to stop; 0 for none. Written under the lock of `connection` only.
    cancelled: AtomicU64,
    /// An interrupt is between reading `current` and calling SQLite.
    interrupting: AtomicBool,
    /// Calls of the progress handler until the budget is spent. Written by the owner only (the
    /// handler runs inside its calls).
    pub(super) ticks_left: AtomicI64,
    /// Whether the progress handler has stopped a statement because the budget was spent. Written
    /// by the owner only.
    pub(super) budget_spent: AtomicBool,
    /// Whether a row was inserted into a rowid table since this was last taken. Written by the owner only.
    pub(super) inserted: AtomicBool,
    /// How long to wait for a lock, in milliseconds.
    pub(super) busy_timeout_ms: AtomicU32,
    /// `None` once the connection is closed.
    connection: Mutex<Option<Connection>>,
    /// Wakes a wait for a lock.
    pub(super) stopped: Condvar,
}

/// The connection as an interrupter sees it: good for `sqlite3_interrupt` and nothing else.
pub(super) struct Connection(NonNull<ffi::sqlite3>);

// SAFETY: the pointer is used for `sqlite3_interrupt` only, which SQLite allows from any thread
// while the connection is open; the mutex around this value keeps it open, because closing takes
// the value out first.
unsafe impl Send for Connection {}

impl Control {
    pub(super) fn new(db: NonNull<ffi::sqlite3>) -> Self {
        Self {
            current: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            interrupting: AtomicBool::new(false),
            ticks_left: AtomicI64::new(progress::UNLIMITED),
            budget_spent: AtomicBool::new(false),
            inserted: AtomicBool::new(false),
            busy_timeout_ms: AtomicU32::new(0),
            connection: Mutex::new(Some(Connection(db))),
            stopped: Condvar::new(),
        }
    }

    /// Starts the next operation. Called by the owner only.
    #[inline]
    pub(super) fn begin(&self) -> Operation {
        let next = self.current.load(Ordering::Relaxed) + 1;
        // Either the interrupt sees the new operation, and leaves it alone, or we see that it is at
        // work and let it finish: then its flag is set before our first step, which clears it. Both
        // sides store, then load the other's: that needs sequential consistency.
        self.current.store(next, Ordering::SeqCst);
        if self.interrupting.load(Ordering::SeqCst) {
            drop(self.lock());
        }
        Operation(next)
    }

    #[inline]
    pub(super) fn current(&self) -> Operation {
        Operation(self.current.load(Ordering::Relaxed))
    }

    /// Whether the current operation has been told to stop. Called by the owner only.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        let cancelled = self.cancelled.load(Ordering::Acquire);
        cancelled != 0 && cancelled == self.current.load(Ordering::Relaxed)
    }

    /// Who stopped the statement that has just failed. Called by the owner only.
    pub(super) fn interruption(&self) -> Option<Interruption> {
        if self.is_cancelled() {
            Some(Interruption::Cancelled)
        } else if self.budget_spent.load(Ordering::Relaxed) {
            Some(Interruption::Budget)
        } else {
            None
        }
    }

    fn interrupt(&self, operation: Option<u64>) -> bool {
        let connection = self.lock();
        let Some(connection) = connection.as_ref() else {
            return false;
        };
        self.interrupting.store(true, Ordering::SeqCst);
        let current = self.current.load(Ordering::SeqCst);
        let hit = current != 0 && operation.is_none_or(|operation| operation == current);
        if hit {
            self.cancelled.store(current, Ordering::Release);
            // SAFETY: the connection is open: `disconnect` would have taken it out, and cannot
            // before we release the lock. Any thread may interrupt.
            unsafe { ffi::sqlite3_interrupt(connection.0.as_ptr()) };
            self.stopped.notify_all();
        }
        self.interrupting.store(false, Ordering::SeqCst);
        hit
    }

    /// Ends all use of the connection by interrupters; must come before it is closed.
    pub(super) fn disconnect(&self) {
        *self.lock() = None;
    }

    /// The lock is never held while user code runs, so a poisoned one guards nothing broken.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
