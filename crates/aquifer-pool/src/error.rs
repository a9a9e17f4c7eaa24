//! Why an acquire failed: an answer to "what do I look at next", not just "timed out".

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// Why there was no connection. Nothing was taken from the pool and nothing was sent to a server on the caller's behalf.
#[non_exhaustive]
pub enum AcquireError<E> {
    /// The pool is closed, or was closed while waiting.
    Closed,
    /// No idle connection could be given at once, and waiting needs a tokio runtime, which the caller is outside of.
    NoRuntime,
    /// As many callers wait already as `max_waiters` allows.
    QueueFull {
        /// Callers waiting.
        waiting: u32,
        /// The bound.
        max_waiters: u32,
    },
    /// Every connection is kept by work that itself waits for one, this caller's included: the wait could not end. Only
    /// leases with a [`LeaseScope`](crate::LeaseScope) tell so much.
    Deadlock {
        /// Who keeps them, the longest first; at most `holders_max`.
        holders: Vec<Holder>,
        /// The limit in force.
        limit: u32,
    },
    /// Dialling failed in a way that another try cannot cure.
    Connect {
        /// What the dial said.
        error: DialError<E>,
        /// Dials that failed in a row.
        failures: u64,
    },
    /// The budget was spent.
    Timeout(Box<TimeoutReport<E>>),
}

impl<E> AcquireError<E> {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> AcquireErrorKind {
        match self {
            AcquireError::Closed => AcquireErrorKind::Closed,
            AcquireError::NoRuntime => AcquireErrorKind::NoRuntime,
            AcquireError::QueueFull { .. } => AcquireErrorKind::QueueFull,
            AcquireError::Deadlock { .. } => AcquireErrorKind::Deadlock,
            AcquireError::Connect { .. } => AcquireErrorKind::Connect,
            AcquireError::Timeout(report) => AcquireErrorKind::Timeout(report.cause.kind()),
        }
    }

    /// The last error of a dial, if dialling is what failed.
    #[must_use]
    pub fn dial_error(&self) -> Option<&DialError<E>> {
        match self {
            AcquireError::Connect { error, .. } => Some(error),
            AcquireError::Timeout(report) => match &report.cause {
                TimeoutCause::ConnectFailing { last, .. } => Some(last),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The kinds of [`AcquireError`], without their details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquireErrorKind {
    /// [`AcquireError::Closed`]
    Closed,
    /// [`AcquireError::NoRuntime`]
    NoRuntime,
    /// [`AcquireError::QueueFull`]
    QueueFull,
    /// [`AcquireError::Deadlock`]
    Deadlock,
    /// [`AcquireError::Connect`]
    Connect,
    /// [`AcquireError::Timeout`], with its cause.
    Timeout(TimeoutKind),
}

/// The state of the pool when a budget was spent.
pub struct TimeoutReport<E> {
    /// How long the caller waited.
    pub waited: Duration,
    /// Why there was no connection.
    pub cause: TimeoutCause<E>,
    /// Connections in use.
    pub in_use: u32,
    /// Dials in progress.
    pub connecting: u32,
    /// Other callers still waiting.
    pub waiting: u32,
    /// The limit in force.
    pub limit: u32,
}

/// Why a budget was spent without a connection.
#[non_exhaustive]
pub enum TimeoutCause<E> {
    /// Others held the connections.
    Exhausted {
        /// Who holds them, the longest first; at most `holders_max`.
        holders: Vec<Holder>,
    },
    /// Dials fail, and would be tried again.
    ConnectFailing {
        /// Failed dials in a row.
        failures: u64,
        /// What the last one said.
        last: DialError<E>,
        /// When the next one starts.
        next_try: Duration,
    },
    /// A dial is under way and takes long.
    ConnectSlow {
        /// How long the oldest one has been under way.
        longest: Duration,
    },
    /// Connections were being checked, and no check came out in time.
    Checking {
        /// How many.
        checking: u32,
    },
    /// Connections were being drained, rolled back or closed.
    Recovering {
        /// How many.
        recovering: u32,
    },
    /// The deadline had passed before the call.
    Expired,
}

/// The kinds of [`TimeoutCause`], without their details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// [`TimeoutCause::Exhausted`]
    Exhausted,
    /// [`TimeoutCause::ConnectFailing`]
    ConnectFailing,
    /// [`TimeoutCause::ConnectSlow`]
    ConnectSlow,
    /// [`TimeoutCause::Checking`]
    Checking,
    /// [`TimeoutCause::Recovering`]
    Recovering,
    /// [`TimeoutCause::Expired`]
    Expired,
}

impl TimeoutKind {
    /// Every kind.
    pub const ALL: [TimeoutKind; 6] = [
        TimeoutKind::Exhausted,
        TimeoutKind::ConnectFailing,
        TimeoutKind::ConnectSlow,
        TimeoutKind::Checking,
        TimeoutKind::Recovering,
        TimeoutKind::Expired,
    ];

    /// The kind as a word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TimeoutKind::Exhausted => "exhausted",
            TimeoutKind::ConnectFailing => "connect_failing",
            TimeoutKind::ConnectSlow => "connect_slow",
            TimeoutKind::Checking => "checking",
            TimeoutKind::Recovering => "recovering",
            TimeoutKind::Expired => "expired",
        }
    }
}

impl<E> TimeoutCause<E> {
    /// What kind of cause it is.
    #[must_use]
    pub fn kind(&self) -> TimeoutKind {
        match self {
            TimeoutCause::Exhausted { .. } => TimeoutKind::Exhausted,
            TimeoutCause::ConnectFailing { .. } => TimeoutKind::ConnectFailing,
            TimeoutCause::ConnectSlow { .. } => TimeoutKind::ConnectSlow,
            TimeoutCause::Checking { .. } => TimeoutKind::Checking,
            TimeoutCause::Recovering { .. } => TimeoutKind::Recovering,
            TimeoutCause::Expired => TimeoutKind::Expired,
        }
    }
}

/// Why a dial failed.
#[non_exhaustive]
pub enum DialError<E> {
    /// The connect, or a hook around it, failed.
    Failed(Arc<E>),
    /// It took longer than `connect_timeout`.
    TimedOut(Duration),
    /// It panicked; the panic's message went where panics go.
    Panicked,
    /// Its runtime shut down.
    RuntimeGone,
}

impl<E> DialError<E> {
    /// The connector's own error, if it gave one.
    #[must_use]
    pub fn error(&self) -> Option<&Arc<E>> {
        match self {
            DialError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> Clone for DialError<E> {
    fn clone(&self) -> Self {
        match self {
            DialError::Failed(error) => DialError::Failed(Arc::clone(error)),
            DialError::TimedOut(budget) => DialError::TimedOut(*budget),
            DialError::Panicked => DialError::Panicked,
            DialError::RuntimeGone => DialError::RuntimeGone,
        }
    }
}

impl<E> fmt::Display for DialError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Failed(_) => f.write_str("the connect failed"),
            DialError::TimedOut(budget) => {
                write!(f, "the connect took longer than its budget of {}", Short(*budget))
            }
            DialError::Panicked => f.write_str("the connect panicked"),
            DialError::RuntimeGone => f.write_str("the runtime of the connect shut down"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for DialError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
            DialError::TimedOut(budget) => f.debug_tuple("TimedOut").field(budget).finish(),
            DialError::Panicked => f.write_str("Panicked"),
            DialError::RuntimeGone => f.write_str("RuntimeGone"),
        }
    }
}

impl<E: Error + 'static> Error for DialError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().map(|error| &**error as &(dyn Error + 'static))
    }
}

/// Who holds a connection, for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The connection's number.
    pub connection: u64,
    /// The label given with the acquire.
    pub label: Option<Arc<str>>,
    /// For how long it has been held.
    pub held: Duration,
    /// Its slot was given to others meanwhile; see `reclaim_after`.
    pub reclaimed: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => f.write_str(label)?,
            None => f.write_str("a call without a label")?,
        }
        write!(f, " for {}", Short(self.held))
    }
}

/// A duration with no more digits than a reader needs.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.0;
        let tenths = (span.as_millis() + 50) / 100;
        if span.as_secs() >= 600 {
            write!(f, "{}min", span.as_secs() / 60)
        } else if tenths >= 10 {
            match tenths % 10 {
                0 => write!(f, "{}s", tenths / 10),
                tenth => write!(f, "{}.{tenth}s", tenths / 10),
            }
        } else if span.is_zero() {
            f.write_str("0s")
        } else if span.as_millis() > 0 {
            write!(f, "{}ms", span.as_millis())
        } else {
            write!(f, "{}µs", span.as_micros())
        }
    }
}

/// `1 dial is`, `2 dials are`.
struct Count(u32, &'static str, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { self.1 } else { self.2 })
    }
}

fn list(f: &mut fmt::Formatter<'_>, holders: &[Holder]) -> fmt::Result {
    for (n, holder) in holders.iter().enumerate() {
        write!(f, "{}{holder}", if n == 0 { ", the longest by " } else { ", by " })?;
    }
    Ok(())
}

impl<E> fmt::Display for AcquireError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Closed => f.write_str("the pool is closed"),
            AcquireError::NoRuntime => f.write_str(
                "no connection is idle and waiting for one needs a tokio runtime with timers: call this from within one, built with `enable_time` or `enable_all`",
            ),
            AcquireError::QueueFull { waiting, max_waiters } => write!(
                f,
                "the pool is overloaded: {waiting} callers wait already (`max_waiters` is {max_waiters}); shed load or raise it"
            ),
            AcquireError::Deadlock { holders, limit } => {
                let connections = Count(*limit, "connection", "connections");
                write!(
                    f,
                    "waiting would never end: the limit is {connections}, and each is kept by work that itself waits for another"
                )?;
                list(f, holders)
            }
            AcquireError::Connect { error, failures } if *failures > 1 => {
                write!(f, "cannot connect: {error} ({failures} failures in a row)")
            }
            AcquireError::Connect { error, .. } => write!(f, "cannot connect: {error}"),
            AcquireError::Timeout(report) => fmt::Display::fmt(report, f),
        }
    }
}

impl<E> fmt::Display for TimeoutReport<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {}: ", Short(self.waited))?;
        match &self.cause {
            TimeoutCause::Exhausted { holders } => {
                let connections = Count(self.limit, "connection", "connections");
                let were = if self.in_use == 1 { "was" } else { "were" };
                write!(f, "{} of {connections} {were} in use", self.in_use)?;
                list(f, holders)?;
                match self.waiting {
                    0 => Ok(()),
                    n => write!(f, "; {} waiting", Count(n, "more caller is", "more callers are")),
                }
            }
            TimeoutCause::ConnectFailing { failures, last, next_try } => {
                write!(
                    f,
                    "dials are failing ({failures} in a row, next try in {}): {last}",
                    Short(*next_try)
                )
            }
            TimeoutCause::ConnectSlow { longest } => write!(
                f,
                "{} under way, the oldest for {}; check the server and the network",
                Count(self.connecting, "dial is", "dials are"),
                Short(*longest)
            ),
            TimeoutCause::Checking { checking } => {
                let connections = Count(*checking, "connection was", "connections were");
                write!(f, "{connections} being checked and no server has answered")
            }
            TimeoutCause::Recovering { recovering } => {
                let connections = Count(*recovering, "connection was", "connections were");
                write!(f, "{connections} being drained, rolled back or closed")
            }
            TimeoutCause::Expired => f.write_str("the deadline had passed before the call"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for AcquireError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Connect { error, failures } => {
                f.debug_struct("Connect").field("error", error).field("failures", failures).finish()
            }
            AcquireError::Timeout(report) => f.debug_tuple("Timeout").field(report).finish(),
            other => write!(f, "{:?}: {other}", other.kind()),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for TimeoutReport<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutReport")
            .field("waited", &self.waited)
            .field("cause", &self.cause)
            .field("in_use", &self.in_use)
            .field("connecting", &self.connecting)
            .field("waiting", &self.waiting)
            .field("limit", &self.limit)
            .finish()
    }
}

impl<E: fmt::Debug> fmt::Debug for TimeoutCause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutCause::Exhausted { holders } => {
                f.debug_struct("Exhausted").field("holders", holders).finish()
            }
            TimeoutCause::ConnectFailing { failures, last, next_try } => f
                .debug_struct("ConnectFailing")
                .field("failures", failures)
                .field("last", last)
                .field("next_try", next_try)
                .finish(),
            TimeoutCause::ConnectSlow { longest } => {
                f.debug_struct("ConnectSlow").field("longest", longest).finish()
            }
            TimeoutCause::Checking { checking } => {
                f.debug_struct("Checking").field("checking", checking).finish()
            }
            TimeoutCause::Recovering { recovering } => {
                f.debug_struct("Recovering").field("recovering", recovering).finish()
            }
            TimeoutCause::Expired => f.write_str("Expired"),
        }
    }
}

impl<E: Error + 'static> Error for AcquireError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Straight to the connector's error: Display has told the rest.
        let error = self.dial_error()?.error()?;
        Some(&**error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(in_use: u32, waiting: u32, label: Option<&str>) -> String {
        let held = Duration::from_micros(5_003_217);
        let label = label.map(Arc::from);
        let holder = Holder { connection: 1, label, held, reclaimed: false };
        AcquireError::<fmt::Error>::Timeout(Box::new(TimeoutReport {
            waited: Duration::from_micros(250_731),
            cause: TimeoutCause::Exhausted { holders: vec![holder] },
            in_use,
            connecting: 0,
            waiting,
            limit: in_use,
        }))
        .to_string()
    }

    #[test]
    fn a_timeout_counts_as_people_do_and_rounds_its_times() {
        assert_eq!(
            timeout(1, 0, Some("nightly.report")),
            "no connection within 250ms: 1 of 1 connection was in use, the longest by nightly.report for 5s"
        );
        assert_eq!(
            timeout(4, 1, None),
            "no connection within 250ms: 4 of 4 connections were in use, the longest by a call without a label for 5s; 1 more caller is waiting"
        );
        assert!(timeout(4, 2, None).ends_with("; 2 more callers are waiting"));
    }

    #[test]
    fn durations_have_few_digits() {
        for (micros, text) in [
            (0, "0s"),
            (7, "7µs"),
            (1_999, "1ms"),
            (949_999, "949ms"),
            (999_999, "1s"),
            (1_250_000, "1.3s"),
            (60_000_000, "60s"),
            (599_960_000, "600s"),
            (3_600_000_000, "60min"),
        ] {
            assert_eq!(Short(Duration::from_micros(micros)).to_string(), text);
        }
    }
}
