//! The keeper: one task for each `Db` that shares, while there is work. It drives where those who were woken do not,
//! and does all that is about time.
//!
//! It ticks while there is work, dozes while connections have none, and is parked while none is held. The first call
//! wakes it, and no other. Why it dozes: a timer that is soon due makes each wait for the socket dearer, by some 1.5 us on
//! a virtual machine, whose clock has to be set for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

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

/// It dozes once there was no work for so long.
pub(super) const DROWSY: Duration = Duration::from_millis(50);

/// How long it dozes at most.
const DOZE: Duration = Duration::from_millis(250);

/// How many ticks pass between looks at the connections' age.
const AGE_TICKS: u64 = 200;

/// How many ticks pass until what was the quickest call may be so no more.
const FLOOR_TICKS: u64 = 2000;

/// What there is to look after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Something is under way.
    Work,
    /// Connections that have had no work for a while.
    Quiet,
    Nothing,
    /// Calls of another runtime share now, and have a keeper of their own.
    Deposed,
}

/// Tells the engine when the runtime goes away.
struct Post {
    mux: Weak<Mux>,
    /// Wakes this keeper, and no other: by it they are told apart.
    unpark: Arc<Notify>,
}

impl Drop for Post {
    fn drop(&mut self) {
        if let Some(mux) = self.mux.upgrade() {
            mux.orphan(&self.unpark);
        }
    }
}

pub(super) async fn keep(mux: Weak<Mux>, unpark: Arc<Notify>) {
    let post = Post { mux, unpark };
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut age, mut floor_age, mut dozed) = (0, 0, 0);
    loop {
        clock.tick().await;
        let Some(mux) = post.mux.upgrade() else { return };
        age += 1 + dozed;
        floor_age += 1 + dozed;
        let pulse = mux.look(&post.unpark, dozed);
        if pulse == Pulse::Deposed {
            return;
        }
        if age >= AGE_TICKS {
            age = 0;
            mux.retire();
        }
        if floor_age >= FLOOR_TICKS {
            floor_age = 0;
            mux.age_floor();
        }
        drop(mux);
        dozed = 0;
        match pulse {
            Pulse::Work | Pulse::Deposed => {}
            Pulse::Quiet => {
                let since = Instant::now();
                let _woken_or_not = timeout(DOZE, post.unpark.notified()).await;
                dozed = (since.elapsed().as_millis() / TICK.as_millis()) as u64;
                clock.reset();
            }
            Pulse::Nothing => {
                post.unpark.notified().await;
                clock.reset();
            }
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
