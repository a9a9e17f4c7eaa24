//! The budget: how much work a statement may do before it is stopped.
//!
//! The progress handler is installed once, when the connection opens. SQLite calls it every
//! [`TICK_OPS`] virtual-machine operations, and setting a budget is one store, so it can be done
//! around every point select.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use libsqlite3_sys as ffi;

use super::interrupt::Control;
use super::statement::Statement;

/// Virtual-machine operations between two looks at the budget and at a pending interrupt.
///
/// An operation takes about 10 ns, so a statement is stopped within some microseconds. Only
/// operations count: one that does much by itself is one operation
/// ([`Handle::budget_holds`](super::Handle::budget_holds) tells).
pub const TICK_OPS: u32 = 256;

pub(super) const UNLIMITED: i64 = i64::MAX;

impl Control {
    /// Sets what the owner's next steps may spend together. Called by the owner only.
    #[inline]
    pub(super) fn set_budget(&self, ops: Option<u32>) {
        // SQLite counts on from a statement's earlier runs, so the first tick may come after a
        // single operation: one more is allowed for it.
        let ticks = ops.map_or(UNLIMITED, |ops| i64::from(ops.div_ceil(TICK_OPS)));
        self.ticks_left.store(ticks, Ordering::Relaxed);
        self.budget_spent.store(false, Ordering::Relaxed);
    }

    /// Whether the statement must stop now.
    fn tick(&self) -> bool {
        if self.is_cancelled() {
            return true;
        }
        let left = self.ticks_left.load(Ordering::Relaxed);
        if left <= 0 {
            self.budget_spent.store(true, Ordering::Relaxed);
            return true;
        }
        if left != UNLIMITED {
            self.ticks_left.store(left - 1, Ordering::Relaxed);
        }
        false
    }
}

impl Statement<'_> {
    /// Virtual-machine operations that are left of the budget, to within [`TICK_OPS`]; `None` without a limit.
    #[inline]
    #[must_use]
    pub fn budget_left(&self) -> Option<u64> {
        match self.control.ticks_left.load(Ordering::Relaxed) {
            UNLIMITED => None,
            ticks => Some(u64::try_from(ticks).unwrap_or(0) * u64::from(TICK_OPS)),
        }
    }
}

unsafe extern "C" fn tick(control: *mut c_void) -> c_int {
    // SAFETY: `install` was given a pointer that outlives the connection, and `Control` is `Sync`
    // with interior mutability only.
    let control = unsafe { &*control.cast::<Control>() };
    c_int::from(control.tick())
}

/// Installs the handler.
///
/// # Safety
///
/// `db` is open and used by this thread only; `control` stays valid until `db` has been closed or
/// another handler is installed.
pub(super) unsafe fn install(db: NonNull<ffi::sqlite3>, control: *const Control) {
    let every = c_int::try_from(TICK_OPS).unwrap_or(c_int::MAX);
    // SAFETY: as the caller promises; `tick` only reads through the pointer.
    unsafe {
        ffi::sqlite3_progress_handler(
            db.as_ptr(),
            every,
            Some(tick),
            control.cast_mut().cast::<c_void>(),
        );
    }
}
