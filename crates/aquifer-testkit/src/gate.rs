//! [`Gate`]: holds operations until the test lets them go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A door that is shut until it is opened. Clones are the same door.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<Door>>);

#[derive(Default)]
struct Door {
    open: bool,
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Gate {
    /// A shut door.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        let waiting = {
            let mut door = self.door();
            door.open = true;
            std::mem::take(&mut door.waiting)
        };
        for waker in waiting.into_values() {
            waker.wake();
        }
    }

    /// How many stand before the door.
    pub fn waiting(&self) -> usize {
        self.door().waiting.len()
    }

    /// Waits until the door is open.
    pub async fn pass(&self) {
        let mut pass = self.enter();
        std::future::poll_fn(move |cx| pass.poll(cx)).await;
    }

    pub(crate) fn enter(&self) -> Pass {
        let mut door = self.door();
        door.next += 1;
        Pass { gate: self.clone(), number: door.next }
    }

    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let door = self.door();
        f.debug_struct("Gate")
            .field("open", &door.open)
            .field("waiting", &door.waiting.len())
            .finish()
    }
}

/// One who wants through.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
    number: u64,
}

impl Pass {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut door = self.gate.door();
        if door.open {
            return Poll::Ready(());
        }
        door.waiting.insert(self.number, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.door().waiting.remove(&self.number);
    }
}
