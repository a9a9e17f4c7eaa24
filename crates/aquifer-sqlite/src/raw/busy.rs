//! Waiting for a lock that another connection holds.
//!
//! SQLite's own `sqlite3_busy_timeout` sleeps through an interrupt. This handler keeps its
//! schedule, but an interrupt ends the wait at once, and changing the timeout is one store.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libsqlite3_sys as ffi;

use super::interrupt::Control;

/// SQLite's schedule, in milliseconds; the last delay repeats.
const DELAYS_MS: [u32; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

/// How long to sleep before try `tries`, of `timeout_ms` in all; `None` when it is used up.
fn delay_ms(tries: u32, timeout_ms: u32) -> Option<u32> {
    let mut waited = 0_u32;
    for n in 0..tries.min(DELAYS_MS.len() as u32) {
        waited = waited.saturating_add(DELAYS_MS[n as usize]);
    }
    let beyond = tries.saturating_sub(DELAYS_MS.len() as u32);
    let last = DELAYS_MS[DELAYS_MS.len() - 1];
    waited = waited.saturating_add(beyond.saturating_mul(last));
    let delay = DELAYS_MS.get(tries as usize).copied().unwrap_or(last);
    let left = timeout_ms.saturating_sub(waited);
    (left > 0).then(|| delay.min(left))
}

impl Control {
    /// Waits a while; whether the lock is worth another try.
    fn wait(&self, tries: u32) -> bool {
        let Some(delay) = delay_ms(tries, self.busy_timeout_ms.load(Ordering::Relaxed)) else {
            return false;
        };
        let connection = self.lock();
        // Interrupts hold this lock while they set the flag, so none can slip in between this look
        // and the wait.
        if self.is_cancelled() {
            return false;
        }
        let delay = Duration::from_millis(u64::from(delay));
        // A spurious wake-up makes one try come early.
        drop(self.stopped.wait_timeout(connection, delay).unwrap_or_else(PoisonError::into_inner));
        !self.is_cancelled()
    }
}

unsafe extern "C" fn busy(control: *mut c_void, tries: c_int) -> c_int {
    // SAFETY: `install` was given a pointer that outlives the connection, and `Control` is `Sync`
    // with interior mutability only.
    let control = unsafe { &*control.cast::<Control>() };
    c_int::from(control.wait(u32::try_from(tries).unwrap_or(u32::MAX)))
}

/// Installs the handler.
///
/// # Safety
///
/// `db` is open and used by this thread only; `control` stays valid until `db` has been closed or
/// another handler is installed.
pub(super) unsafe fn install(db: NonNull<ffi::sqlite3>, control: *const Control) {
    // SAFETY: as the caller promises; `busy` only reads through the pointer. The call cannot fail
    // on an open connection.
    unsafe {
        ffi::sqlite3_busy_handler(db.as_ptr(), Some(busy), control.cast_mut().cast::<c_void>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delays_add_up_to_the_timeout_exactly() {
        for timeout in [0, 1, 2, 3, 7, 100, 328, 329, 5_000] {
            let mut total = 0;
            let mut tries = 0;
            while let Some(delay) = delay_ms(tries, timeout) {
                total += delay;
                tries += 1;
            }
            assert_eq!(total, timeout);
        }
    }

    #[test]
    fn any_number_of_tries_is_within_bounds() {
        assert_eq!(delay_ms(u32::MAX, 60_000), None);
        assert_eq!(delay_ms(12, u32::MAX), Some(100));
    }
}
