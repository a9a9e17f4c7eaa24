//! LISTEN and NOTIFY.
//!
//! [`Listener`] keeps a connection of its own and makes another when it is lost. `schedule` decides when it
//! dials, when it asks for a sign of life and when it gives a silent server up; `queue` keeps what was heard
//! until it is taken. Neither does I/O, and time comes in from outside. There is no task: whoever awaits a
//! call of the listener drives it.

mod channel;
mod listener;
mod notify;
mod options;
mod queue;
mod schedule;

pub use listener::{ListenCloser, Listener};
pub use options::{ListenOptions, Overflow};
pub use queue::{Event, Missed};
