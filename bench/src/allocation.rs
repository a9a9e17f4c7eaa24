//! The system's allocator with two counters, which run only while allocations are being measured.
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Counts what Rust code allocates on any thread. What C code allocates (SQLite's own memory) is not seen.
pub struct Counting;

// An allocator has no other place for its state. The switch keeps the count's atomic addition out of
// the slots whose time is measured.
static ON: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Bytes held beyond those that were held at the start, and the most of them so far.
static HELD: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

#[inline]
fn note(taken: usize, given_back: usize) {
    if ON.load(Ordering::Relaxed) {
        COUNT.fetch_add(u64::from(taken > 0), Ordering::Relaxed);
        let change = taken as i64 - given_back as i64;
        let held = HELD.fetch_add(change, Ordering::Relaxed) + change;
        PEAK.fetch_max(held, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Starts counting from zero.
pub fn start() {
    COUNT.store(0, Ordering::Relaxed);
    HELD.store(0, Ordering::Relaxed);
    PEAK.store(0, Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocated {
    pub count: u64,
    /// The most bytes that were held at once, beyond those held at the start.
    pub peak: u64,
}

/// Stops counting and gives the counts.
pub fn stop() -> Allocated {
    ON.store(false, Ordering::Relaxed);
    let peak = PEAK.load(Ordering::Relaxed).unsigned_abs();
    Allocated { count: COUNT.load(Ordering::Relaxed), peak }
}
