//! The keeper: one task for each `Db` that shares, while there is work. It drives where those who were woken do not,
//! and does all that is about time.
//!
//! It ticks while a connection is held, and is parked otherwise; no call wakes it but the one that needs a
//! connection.

use std::sync::{Arc, Weak};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::engine::Mux;

/// How often it looks.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// A statement that is under way for longer holds up those behind it.
pub(super) const SLOW: Duration = Duration::from_millis(10);

/// A statement that may write is under way for longer, and others stand behind it: it is stopped, and runs elsewhere. PostgreSQL
/// looks for deadlocks after a second; those in which one wait is ours it cannot see.
pub(super) const HOLD: Duration = Duration::from_millis(500);

/// Another request to stop is sent no sooner than this after the last.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// A lease without work is given back after this.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// How many ticks pass between looks at the connections' age.
const AGE_TICKS: u32 = 200;

/// How many ticks pass until what was the quickest call may be so no more.
const FLOOR_TICKS: u32 = 2000;

/// Tells the engine when the runtime goes away.
struct Post(Weak<Mux>);

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(mux) = self.0.upgrade() {
            mux.orphan();
        }
    }
}

pub(super) async fn keep(mux: Weak<Mux>, unpark: Arc<Notify>) {
    let post = Post(mux);
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0;
    loop {
        clock.tick().await;
        let Some(mux) = post.0.upgrade() else { return };
        ticks += 1;
        if ticks % AGE_TICKS == 0 {
            mux.retire();
        }
        if ticks == FLOOR_TICKS {
            ticks = 0;
            mux.age_floor();
        }
        let busy = mux.look();
        drop(mux);
        if !busy {
            unpark.notified().await;
            clock.reset();
        }
    }
}

/// The error of what was under way on a connection that did not stop.
#[cold]
pub(super) fn given_up() -> Error {
    Error::new(
        ErrorKind::ConnectionLost,
        "a statement that nobody waits for could not be stopped in time; the connection is given up",
    )
}

/// The error of what was under way when the driver panicked.
#[cold]
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the driver panicked; the connection is given up")
}
