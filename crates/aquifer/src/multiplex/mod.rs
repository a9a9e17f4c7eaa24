//! Multiplexing: statements of many tasks, one behind the other over few connections.
//!
//! A call joins the [queue](state); whoever finds nobody leading lets all who are ready join, takes a connection's
//! [rig](rig), sends what is queued in one write, reads what has come and tells the others. No task does the I/O: it
//! happens in whatever caller is awake, and a [keeper](keeper) sees to what none of them does. `docs/multiplexing.md`
//! has the rules.
//!
//! What it never does: it runs no transaction, no text of several statements, nothing that keeps something in its
//! session, and nothing whose reader decides how long it lasts.

mod aloft;
mod call;
mod engine;
mod fifo;
mod keeper;
mod pace;
mod passage;
mod rig;
mod standby;
mod state;

pub(crate) use engine::{Caller, Mux, Timing};
pub(crate) use pace::Pace;
pub(crate) use passage::{Elsewhere, Shared, Way};

use aquifer_driver::Access;
use tokio::time::Instant;

use crate::db::Db;
use crate::text::Text;

/// Whether a text shares a connection with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does: it changes nothing.
    Reads,
    /// It does where sessions that are shared may write: one statement that keeps nothing in its session.
    Writes,
    /// It has a connection to itself.
    Alone,
}

/// Whether this text shares. Never waits: a text whose functions are not known yet does not share until they are.
#[inline]
pub(crate) fn shares(db: &Db, text: &Text, now: Instant) -> Verdict {
    match db.volatility() {
        // What the server has refused to run as a read does not read, whatever its words are.
        Some(volatility) => match volatility.verdict(db, text, now) {
            Verdict::Reads if text.access() == Access::ReadWrite => Verdict::Alone,
            verdict => verdict,
        },
        None => by_first_word(text),
    }
}

/// Of an engine whose functions do not write.
fn by_first_word(text: &Text) -> Verdict {
    if text.is_script() || text.controls() {
        return Verdict::Alone;
    }
    if text.access() == Access::ReadOnly {
        return Verdict::Reads;
    }
    let word = text.sql().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match ["insert", "update", "delete"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        true => Verdict::Writes,
        false => Verdict::Alone,
    }
}

/// What was shared so far, with the option `multiplex`: how many calls, and what became of them.
///
/// `shared / flights` says how many statements go together, and `elsewhere` and `moved` how well that goes. Calls that
/// were never to share (`docs/multiplexing.md` says which) are in none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MultiplexStats {
    /// Calls that were queued to share a connection, each once; most of those that are `elsewhere`, too. One task
    /// that calls alone, again and again, does not share (on SQLite it does).
    pub shared: u64,
    /// Times that statements were sent, as many together as were there: writes to a socket, on SQLite hops to the
    /// worker.
    pub flights: u64,
    /// Segments that they stood in: confirmations of the server's, on PostgreSQL Syncs. None on SQLite.
    pub segments: u64,
    /// Times that a statement was sent again: a neighbour's error had kept it from running, or its connection was
    /// lost; on SQLite also if the call that led its flight was dropped.
    pub resent: u64,
    /// Times that a read was moved to another connection, from behind a statement that took long or a result that nobody
    /// read. None on SQLite.
    pub moved: u64,
    /// Calls that were to share, and had a connection to themselves in the end: what the engine refused as a write
    /// after it was taken for a read (25006), what made way for those behind it, what its neighbours have kept from running too
    /// often, and what found no place, in the queue or on a connection, or no timers in its runtime.
    pub elsewhere: u64,
}
