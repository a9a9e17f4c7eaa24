//! Counting allocations: an allocator that counts per thread, and what it counted for one piece of work.
//!
//! A test or bench that wants to count installs the allocator itself:
//!
//! ```
//! use aquifer_testkit::{CountingAllocator, allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator::new();
//!
//! # fn main() {
//! let (sum, spent) = allocations(|| (0..100).sum::<u64>());
//! assert_eq!((sum, spent.count), (4950, 0));
//! let (_, spent) = allocations(|| vec![0_u8; 100]);
//! assert_eq!((spent.count, spent.bytes), (1, 100));
//! # }
//! ```
//!
//! This file holds the crate's only unsafe code: `GlobalAlloc` cannot be implemented without. It only
//! counts and hands on to the system's allocator.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much was allocated. Growing in place counts as one allocation of the new bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Allocations {
    /// Calls to the allocator for new or more memory.
    pub count: u64,
    /// Bytes that those calls asked for.
    pub bytes: u64,
}

impl Allocations {
    fn since(self, before: Self) -> Self {
        Self { count: self.count - before.count, bytes: self.bytes - before.bytes }
    }

    fn plus(self, more: Self) -> Self {
        Self { count: self.count + more.count, bytes: self.bytes + more.bytes }
    }
}

thread_local! {
    // State by thread, because the allocator is process-wide and tests run side by side: each sees its
    // own thread's work only. Constant and without a destructor, so that touching it never allocates.
    static SPENT: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

/// The system's allocator, counting for each thread what it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator(());

impl CountingAllocator {
    /// For a `#[global_allocator]`.
    pub const fn new() -> Self {
        Self(())
    }
}

fn note(bytes: usize) {
    // A thread that is going away has no counter any more, and nobody who asks.
    let _ = SPENT.try_with(|spent| {
        let now = spent.get();
        spent.set(now.plus(Allocations { count: 1, bytes: bytes as u64 }));
    });
}

// SAFETY: every method hands its arguments on to `System`, which keeps the trait's promises, and gives back
// what it gave; `note` neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises about `layout` are the ones that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: `pointer` came from this allocator, so from `System`, with this `layout`; the caller
        // promises the rest.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from this allocator, so from `System`, with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and tells what it allocated on this thread.
///
/// # Panics
///
/// If [`CountingAllocator`] is not installed: a count that is always zero would prove anything.
#[track_caller]
pub fn allocations<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    must_count();
    let before = SPENT.get();
    let output = work();
    (output, SPENT.get().since(before))
}

/// Awaits `future` and tells what its own polls allocated, on whichever threads they ran. What other tasks
/// allocate in between does not count.
///
/// # Panics
///
/// If [`CountingAllocator`] is not installed.
#[track_caller]
pub fn allocations_of<F: Future>(future: F) -> Counted<F> {
    must_count();
    Counted { future: Box::pin(future), spent: Allocations::default() }
}

#[track_caller]
fn must_count() {
    let before = SPENT.get().count;
    drop(std::hint::black_box(Box::new(0_u8)));
    assert!(
        SPENT.get().count > before,
        "allocations are not counted: install `CountingAllocator` as the `#[global_allocator]`"
    );
}

/// Made by [`allocations_of`].
#[derive(Debug)]
pub struct Counted<F> {
    future: Pin<Box<F>>,
    spent: Allocations,
}

impl<F: Future> Future for Counted<F> {
    type Output = (F::Output, Allocations);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let before = SPENT.get();
        let polled = self.future.as_mut().poll(cx);
        self.spent = self.spent.plus(SPENT.get().since(before));
        polled.map(|output| (output, self.spent))
    }
}
