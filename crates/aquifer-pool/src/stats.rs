//! What the pool knows about itself.

use std::{fmt, time::Duration};

use crate::{
    error::{Holder, TimeoutKind},
    histogram::Histogram,
    manage::CloseReason,
};

/// A snapshot of the pool: what is, and what was counted since it was made.
///
/// The first nine fields are those of Go's `sql.DBStats`. Two differ in what they count: `open_connections` leaves out dials in
/// progress, and `wait_count` includes callers that waited for a dial of their own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The configured `max_open`.
    pub max_open_connections: u32,
    /// Established connections: idle, in use, and those the pool itself works on (`checking`, `recovering`, `closing`).
    /// Dials in progress are `connecting`.
    pub open_connections: u32,
    /// Connections lent out.
    pub in_use: u32,
    /// Connections ready to be lent.
    pub idle: u32,
    /// Acquires that had to wait, those that failed in the end included.
    pub wait_count: u64,
    /// Time they waited in total.
    pub wait_duration: Duration,
    /// Closed because of `max_idle`.
    pub max_idle_closed: u64,
    /// Closed because of `max_idle_time`.
    pub max_idle_time_closed: u64,
    /// Closed because of `max_lifetime`.
    pub max_lifetime_closed: u64,

    /// Dials in progress.
    pub connecting: u32,
    /// Connections being checked.
    pub checking: u32,
    /// Connections being drained, rolled back, or in `after_release`.
    pub recovering: u32,
    /// Connections being closed.
    pub closing: u32,
    /// Reclaimed connections that have not come back; not part of `open_connections`.
    pub reclaimed: u32,
    /// Callers waiting now.
    pub waiters: u32,
    /// The limit in force: `max_open`, or what the adaptive policy made of it.
    pub limit: u32,
    /// Most connections kept idle: `max_idle`, as far as the limit allows.
    pub limit_idle: u32,
    /// Connections kept ready: `min_idle`, as far as the limit allows.
    pub min_idle: u32,
    /// Most connections lent out at once since the pool was made.
    pub peak_in_use: u32,
    /// Successful acquires.
    pub acquires: u64,
    /// Successful dials.
    pub connects_ok: u64,
    /// Failed dials.
    pub connects_failed: u64,
    /// Dials failed in a row, now.
    pub connect_failures_in_row: u64,
    /// Acquires refused because `max_waiters` were waiting.
    pub refused_queue_full: u64,
    /// Acquires refused because every connection was kept by a caller that itself waited for one.
    pub refused_deadlock: u64,
    /// Time that successful acquires waited, zero for most. The wait ends when the connection is handed over.
    pub wait: Histogram,
    /// Time that connections were lent for.
    pub hold: Histogram,
    /// Time that successful dials took.
    pub connect: Histogram,
    /// Why the adaptive policy moved the limit, oldest first; the last 32 moves.
    pub moves: Vec<Move>,
    pub(crate) timeouts: [u64; TimeoutKind::ALL.len()],
    pub(crate) closed: [u64; CloseReason::COUNT],
}

impl Stats {
    /// Acquires that timed out for this cause.
    #[must_use]
    pub fn timeouts(&self, cause: TimeoutKind) -> u64 {
        self.timeouts[cause as usize]
    }

    /// Acquires that timed out, whatever the cause.
    #[must_use]
    pub fn timeouts_total(&self) -> u64 {
        self.timeouts.iter().sum()
    }

    /// Connections closed for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize]
    }

    /// Connections closed, whatever the reason.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().sum()
    }
}

/// Nothing yet: what a sum starts from.
impl Default for Stats {
    fn default() -> Stats {
        Stats {
            max_open_connections: 0,
            open_connections: 0,
            in_use: 0,
            idle: 0,
            wait_count: 0,
            wait_duration: Duration::ZERO,
            max_idle_closed: 0,
            max_idle_time_closed: 0,
            max_lifetime_closed: 0,
            connecting: 0,
            checking: 0,
            recovering: 0,
            closing: 0,
            reclaimed: 0,
            waiters: 0,
            limit: 0,
            limit_idle: 0,
            min_idle: 0,
            peak_in_use: 0,
            acquires: 0,
            connects_ok: 0,
            connects_failed: 0,
            connect_failures_in_row: 0,
            refused_queue_full: 0,
            refused_deadlock: 0,
            wait: Histogram::new(),
            hold: Histogram::new(),
            connect: Histogram::new(),
            moves: Vec::new(),
            timeouts: [0; TimeoutKind::ALL.len()],
            closed: [0; CloseReason::COUNT],
        }
    }
}

impl Stats {
    /// Adds another pool's figures to these: for several pools that together serve one database.
    ///
    /// Peaks are added, too, though they may have been at different times; moves are appended.
    pub fn merge(&mut self, other: &Stats) {
        self.max_open_connections += other.max_open_connections;
        self.open_connections += other.open_connections;
        self.in_use += other.in_use;
        self.idle += other.idle;
        self.wait_count += other.wait_count;
        self.wait_duration += other.wait_duration;
        self.max_idle_closed += other.max_idle_closed;
        self.max_idle_time_closed += other.max_idle_time_closed;
        self.max_lifetime_closed += other.max_lifetime_closed;
        self.connecting += other.connecting;
        self.checking += other.checking;
        self.recovering += other.recovering;
        self.closing += other.closing;
        self.reclaimed += other.reclaimed;
        self.waiters += other.waiters;
        self.limit += other.limit;
        self.limit_idle += other.limit_idle;
        self.min_idle += other.min_idle;
        self.peak_in_use += other.peak_in_use;
        self.acquires += other.acquires;
        self.connects_ok += other.connects_ok;
        self.connects_failed += other.connects_failed;
        self.connect_failures_in_row += other.connect_failures_in_row;
        self.refused_queue_full += other.refused_queue_full;
        self.refused_deadlock += other.refused_deadlock;
        self.wait.merge(&other.wait);
        self.hold.merge(&other.hold);
        self.connect.merge(&other.connect);
        self.moves.extend_from_slice(&other.moves);
        for (sum, more) in self.timeouts.iter_mut().zip(other.timeouts) {
            *sum += more;
        }
        for (sum, more) in self.closed.iter_mut().zip(other.closed) {
            *sum += more;
        }
    }
}

/// One decision of the adaptive policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// When, since the pool was made.
    pub at: Duration,
    /// The limit before.
    pub from: u32,
    /// The limit after.
    pub to: u32,
    /// Why.
    pub why: MoveReason,
    /// Mean hold time over the interval.
    pub hold: Duration,
    /// Its long-term value.
    pub hold_usual: Duration,
    /// Acquires that waited in the interval.
    pub waits: u64,
    /// Most connections in use in the interval.
    pub in_use_peak: u32,
}

/// Why the adaptive policy moved the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoveReason {
    /// Callers waited, the limit was in full use, and the hold time had not risen.
    Queueing,
    /// The hold time rose: the server is the bottleneck, and more connections only make its queue longer.
    SlowServer,
    /// `max_open` or `adaptive_min` changed.
    Bounds,
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MoveReason::Queueing => "callers queue",
            MoveReason::SlowServer => "server slows down",
            MoveReason::Bounds => "bounds changed",
        })
    }
}

/// Something an operator should look at. At most one of each kind per `warn_period`, apart from reclaims.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The share of the limit in use, averaged over the interval, reached `warn_in_use`.
    InUse {
        /// The share, 0 to 1.
        share: f64,
        /// The limit.
        limit: u32,
        /// Callers waiting now.
        waiting: u32,
    },
    /// Callers waited longer than `warn_wait` in the interval.
    Waits {
        /// How many, those still waiting included.
        count: u64,
        /// The longest wait.
        longest: Duration,
    },
    /// Connections have been held for longer than `leak_after`. Each is reported once.
    Leak {
        /// How many crossed the bound in the interval.
        total: u32,
        /// Who holds them, the longest first; at most `holders_max`.
        holders: Vec<Holder>,
    },
    /// A connection was held for longer than `reclaim_after`, and its slot was given to others.
    Reclaimed {
        /// Who holds it.
        holder: Holder,
    },
    /// The pool may open more connections than the server has for clients like this one. Not found by the pool, which
    /// asks no server: whoever made the pool and can ask reports it, once.
    ServerLimit {
        /// The pool's `max_open`.
        max_open: u32,
        /// How many the server has, for all its clients together.
        server: u32,
    },
    /// The server closes sessions that are silent for less time than the pool leaves a connection idle and unchecked.
    /// Reported as [`ServerLimit`](Self::ServerLimit) is.
    IdleLimit {
        /// How long a connection of the pool may be silent.
        idle: Duration,
        /// How long the server bears it.
        server: Duration,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::InUse { share, limit, waiting } => {
                write!(
                    f,
                    "{:.0} % of {limit} connections in use, {waiting} callers waiting",
                    share * 100.0
                )
            }
            Warning::Waits { count, longest } => {
                write!(f, "{count} callers waited too long, the longest {longest:?}")
            }
            Warning::Leak { total, holders } => {
                write!(f, "{total} connections held too long")?;
                holders.iter().try_for_each(|holder| write!(f, ", by {holder}"))
            }
            Warning::Reclaimed { holder } => {
                write!(f, "slot of connection {} reclaimed: held by {holder}", holder.connection)
            }
            Warning::ServerLimit { max_open, server } => {
                write!(
                    f,
                    "`max_open` is {max_open}, but the server has {server} connections for all its clients"
                )
            }
            Warning::IdleLimit { idle, server } => {
                match *idle {
                    Duration::MAX => {
                        f.write_str("a connection may be idle and unchecked for ever")?
                    }
                    idle => write!(f, "a connection may be idle and unchecked for {idle:?}")?,
                }
                write!(
                    f,
                    ", but the server closes it after {server:?}: lower `check_period` or `max_idle_time`"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_every_figure() {
        let mut one = Stats { idle: 2, acquires: 5, limit: 3, ..Stats::default() };
        one.wait.record(Duration::from_millis(4));
        one.closed[CloseReason::Broken as usize] = 1;
        one.timeouts[TimeoutKind::Exhausted as usize] = 7;
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!((sum.idle, sum.acquires, sum.limit, sum.wait.count()), (4, 10, 6, 2));
        assert_eq!((sum.closed(CloseReason::Broken), sum.closed_total()), (2, 2));
        assert_eq!((sum.timeouts(TimeoutKind::Exhausted), sum.timeouts_total()), (14, 14));
    }

    #[test]
    fn warnings_read_as_one_line() {
        let holder = Holder {
            connection: 3,
            label: Some("nightly".into()),
            held: Duration::from_secs(90),
            reclaimed: false,
        };
        let leak = Warning::Leak { total: 1, holders: vec![holder] };
        assert_eq!(leak.to_string(), "1 connections held too long, by nightly for 90s");
        let load = Warning::InUse { share: 0.85, limit: 10, waiting: 2 };
        assert_eq!(load.to_string(), "85 % of 10 connections in use, 2 callers waiting");
        let idle = |idle| Warning::IdleLimit { idle, server: Duration::from_secs(9) }.to_string();
        assert!(
            idle(Duration::from_secs(30)).contains("for 30s, but the server closes it after 9s")
        );
        assert!(idle(Duration::MAX).contains("for ever"));
    }
}
