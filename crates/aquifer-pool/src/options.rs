//! The pool's options: plain data, each defined once.
//!
//! The table below is the only definition of an option: the struct, its default, the check, the parsing from text, the
//! (de)serialization and `docs/pool.md` all derive from it.

mod value;

use std::{fmt, ops::RangeInclusive, time::Duration};

use self::value::{OptionValue, Scalar};
pub use self::value::{parse_duration, show_duration};

/// What one option is called, takes and means.
#[derive(Clone, Copy)]
pub struct OptionInfo {
    /// The name in configuration files, environment variables and URLs (where a prefix such as `pool_` may precede it).
    pub name: &'static str,
    /// What kind of value it takes, for a reader: `count`, `duration`, `number`, ...
    pub kind: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Why the default is what it is.
    pub reason: &'static str,
    default_note: &'static str,
    default: fn() -> String,
    bounds: fn() -> String,
}

impl OptionInfo {
    /// The default as text that [`PoolOptions::set`] takes, or a formula where it depends on the machine.
    #[must_use]
    pub fn default_text(&self) -> String {
        if self.default_note.is_empty() { (self.default)() } else { self.default_note.to_owned() }
    }

    /// The values that are accepted, for a reader: `1..=100000`.
    #[must_use]
    pub fn bounds_text(&self) -> String {
        (self.bounds)()
    }
}

impl fmt::Debug for OptionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptionInfo")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("default", &self.default_text())
            .field("bounds", &self.bounds_text())
            .finish_non_exhaustive()
    }
}

macro_rules! options {
    ($($name:ident: $type:ty = $default:expr, $note:literal, $range:expr, $help:literal, $reason:literal;)*) => {
        /// Every limit, budget, period and policy of a pool, as plain data.
        ///
        /// Made with `PoolOptions { max_open: 20, ..PoolOptions::default() }`, from text with [`PoolOptions::set`], or through serde
        /// (durations are text such as `"250ms"`, `"30m"`; absent means the default; an unknown name is an error). Checked by
        /// [`Pool::new`](crate::Pool::new) and [`Pool::set_options`](crate::Pool::set_options), which refuse a bad value and
        /// never correct it.
        #[derive(Clone, Debug, PartialEq)]
        pub struct PoolOptions {
            $(#[doc = $help] pub $name: $type,)*
        }

        impl Default for PoolOptions {
            fn default() -> PoolOptions {
                PoolOptions { $($name: $default,)* }
            }
        }

        /// Every option, in the order of the documentation.
        pub const OPTIONS: &[OptionInfo] = &[$(OptionInfo {
            name: stringify!($name),
            kind: <$type as OptionValue>::KIND,
            help: $help,
            reason: $reason,
            default_note: $note,
            default: || { let default: $type = $default; default.show() },
            bounds: || { value::show_bounds::<$type>(&$range) },
        },)*];

        impl PoolOptions {
            /// Sets one option from text: `set("max_open", "20")`, `set("acquire_timeout", "250ms")`, `set("max_lifetime", "off")`.
            ///
            /// # Errors
            /// [`OptionsError::Unknown`] for a name that is not in [`OPTIONS`], [`OptionsError::Invalid`] for a value that does not
            /// parse or is out of bounds; nothing is changed then. How options fit together is checked by
            /// [`validate`](PoolOptions::validate).
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), OptionsError> {
                match name {
                    $(stringify!($name) => {
                        let value = <$type as OptionValue>::parse(text.trim())
                            .and_then(|value| { value::check(&value, &$range)?; Ok(value) })
                            .map_err(|problem| OptionsError::invalid(stringify!($name), text, problem))?;
                        self.$name = value;
                        Ok(())
                    })*
                    _ => Err(OptionsError::Unknown { name: name.to_owned() }),
                }
            }

            /// One option as the text that [`set`](PoolOptions::set) takes; `None` for an unknown name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $(stringify!($name) => Some(self.$name.show()),)*
                    _ => None,
                }
            }

            fn validate_each(&self) -> Result<(), OptionsError> {
                $(value::check(&self.$name, &$range)
                    .map_err(|problem| OptionsError::invalid(stringify!($name), &self.$name.show(), problem))?;)*
                Ok(())
            }

            fn scalars(&self) -> Vec<(&'static str, Scalar)> {
                vec![$((stringify!($name), self.$name.scalar()),)*]
            }
        }
    };
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const SPAN: RangeInclusive<Duration> = SHORTEST..=LONGEST;
const COUNT_MAX: u32 = 100_000;

options! {
    max_open: u32 = default_max_open(cores()), "2 x cores, at least 10, at most 40", 1..=COUNT_MAX,
        "Most connections at any time, those being dialled and those being closed included.",
        "A connection waits for the network as well as for the server, so some more than the cores; more than that only moves the queue into the database, whose own limit is shared with other processes.";
    min_idle: u32 = 0, "", 0..=COUNT_MAX,
        "Connections kept ready beside those in use, as far as `max_open` allows.",
        "A small service should be able to rest; `warm_up` covers a known rush.";
    max_idle: Option<u32> = None, "", 0..=COUNT_MAX,
        "Most connections kept idle; a connection returned beyond it is closed. `off` keeps all; `0` keeps none.",
        "Closing on return only to dial again is the classic trap of a low limit; `max_idle_time` shrinks the pool instead.";
    max_lifetime: Option<Duration> = Some(minutes(30)), "", SPAN,
        "A connection older than this is replaced and closed, never while in use. `off` keeps it for ever.",
        "Bounds what a server session can accumulate and lets traffic follow a changed address within the hour.";
    lifetime_jitter: f64 = 0.1, "", 0.0..=0.5,
        "Each connection's lifetime is spread by this share to both sides.",
        "Connections born together must not die together: ten per cent spreads thirty minutes over six.";
    replace_ahead: f64 = 0.05, "", 0.0..=0.5,
        "A replacement is dialled when this share of the lifetime is left, if `max_open` has room for it. 0 turns it off.",
        "Ninety seconds of thirty minutes: enough for any connect, so nobody waits for one because of age.";
    max_idle_time: Option<Duration> = Some(minutes(10)), "", SPAN,
        "A connection idle for longer is closed, down to `min_idle`. `off` keeps it.",
        "Longer than the gaps of steady traffic, shorter than most firewalls' patience.";
    acquire_timeout: Duration = seconds(5), "", Duration::ZERO..=LONGEST,
        "Budget of one acquire, everything included. `0s` takes an idle connection or fails at once.",
        "Callers give up about then; what waits longer is better refused with the cause named.";
    connect_timeout: Duration = seconds(10), "", SPAN,
        "Budget of one dial: `before_connect`, the connect itself and `after_connect`.",
        "A cold server with TLS answers in a second; ten allow a few lost packets, and the dial outlives its waiter anyway.";
    check_timeout: Duration = seconds(1), "", SPAN,
        "Budget of a liveness check, and of `before_acquire`, while a caller waits.",
        "A server that needs a second for a ping will not serve the caller either; the next connection is tried.";
    idle_check_timeout: Duration = seconds(5), "", SPAN,
        "Budget of a liveness check in the background.",
        "Nobody waits for it, so a slow answer is still an answer.";
    recover_timeout: Duration = seconds(1), "", SPAN,
        "Budget to drain or roll back a connection that came back unfinished, and of `after_release`.",
        "A new connection costs less than a second of draining.";
    close_timeout: Duration = seconds(2), "", SPAN,
        "Budget to say goodbye, `before_close` included; the connection is dropped then. Until closed it counts as open.",
        "A live server answers in one round trip; a dead one must not keep the slot for long.";
    max_waiters: u32 = 4_096, "", 0..=1_000_000,
        "Most callers that wait at a time; the next one is refused at once.",
        "About a megabyte, and more than ten connections can serve within the acquire budget unless calls are fast.";
    max_connecting: u32 = 4, "", 1..=COUNT_MAX,
        "Most dials at a time.",
        "Fast enough to fill a small pool, gentle to a server that pays tens of milliseconds of CPU for each login.";
    elide_dials: bool = true, "", false..=true,
        "Dial for a queue only as far as the measured hold and connect times say that it helps.",
        "A short burst over connections that are fast is served before the first dial would finish.";
    backoff_min: Duration = ms(50), "", SPAN,
        "Shortest pause after a failed dial.",
        "A restarting server is back within a second; twenty tries a second are harmless.";
    backoff_max: Duration = seconds(5), "", SPAN,
        "The pause doubles up to this, with full jitter; after errors that another try cannot cure, up to one second.",
        "The acquire budget: a caller sees at least one fresh attempt.";
    check_after: Option<Duration> = Some(seconds(30)), "", Duration::ZERO..=LONGEST,
        "A connection that was idle (and unchecked) for longer is checked before it is handed out. `off` never checks.",
        "Busy connections pay nothing; one ping after half a minute of silence costs nothing that anyone notices.";
    check_period: Option<Duration> = Some(seconds(30)), "", SPAN,
        "Idle connections are checked in the background this often. `off` never checks.",
        "As `check_after`, so that a caller rarely waits for a ping, and dead connections leave before they are needed.";
    check_on_acquire: bool = false, "", false..=true,
        "Check at every acquire, however short the connection was idle.",
        "A round trip per acquire cuts throughput by a fifth to a third.";
    check_on_release: bool = false, "", false..=true,
        "Check at every release, before the connection can be used again.",
        "The protocol's own state already tells whether a connection is clean.";
    maintenance_period: Duration = seconds(1), "", ms(10)..=minutes(10),
        "How often lifetimes, idle times, leaks and `min_idle` are looked after while any connection is open.",
        "One look at a few connections per second is free and makes every limit exact to a second.";
    warn_period: Duration = seconds(10), "", ms(10)..=minutes(60),
        "Warnings are computed over, and at most once per, this interval.",
        "Long enough to ignore a burst, short enough to act on.";
    warn_in_use: Option<f64> = Some(0.8), "", 0.01..=1.0,
        "Warn when this share of the limit was in use on average over the interval. `off` never warns.",
        "Queues grow quickly beyond four fifths.";
    warn_wait: Option<Duration> = Some(seconds(1)), "", SPAN,
        "Warn when callers waited longer than this. `off` never warns.",
        "A fifth of the acquire budget: time to look before callers fail.";
    leak_after: Option<Duration> = Some(minutes(1)), "", SPAN,
        "Report whoever holds a connection longer than this, once. `off` never reports.",
        "A minute is no request; long jobs may raise it or use a pool of their own.";
    holders_max: u32 = 8, "", 1..=1_000,
        "Most holders named in one error or warning, longest first.",
        "Enough to see the culprit, short enough for a log line.";
    reclaim_after: Option<Duration> = None, "", SPAN,
        "Give the slot of a connection held longer than this to others; the connection itself is closed when it comes back. `off` never does.",
        "Nobody can take a connection from a running task safely; this is a remedy for known leaks.";
    reclaim_max: u32 = 2, "", 1..=COUNT_MAX,
        "Most reclaimed connections not yet returned; the server may see this many beyond `max_open`.",
        "The excess over `max_open` has to be bounded, too.";
    adaptive: bool = false, "", false..=true,
        "Let the limit move between `adaptive_min` and `max_open` with the measured queueing and hold time.",
        "A fixed limit is easier to reason about; try this when the right limit is unknown or changes.";
    adaptive_min: u32 = 4, "", 1..=COUNT_MAX,
        "Lowest limit the adaptive policy may set, and where it starts.",
        "Enough to keep measuring.";
    adaptive_period: Duration = seconds(5), "", ms(10)..=minutes(60),
        "The adaptive policy decides once per this interval, and rests for as long after a move.",
        "The effect of a move has to be measured before the next one.";
    adaptive_tolerance: f64 = 1.5, "", 1.0..=10.0,
        "The hold time may rise to this multiple of its long-term value before the limit shrinks.",
        "Half as long again is noise in most workloads; more is queueing in the server.";
}

impl PoolOptions {
    /// The defaults for a machine with this many cores; `default()` asks the machine.
    #[must_use]
    pub fn for_cores(cores: u32) -> PoolOptions {
        PoolOptions { max_open: default_max_open(cores), ..PoolOptions::default() }
    }

    /// Checks every value and how they fit together.
    ///
    /// # Errors
    /// The first value that is out of bounds, or the first pair that contradicts itself.
    pub fn validate(&self) -> Result<(), OptionsError> {
        self.validate_each()?;
        let conflict = |name, other, problem: &str| {
            Err(OptionsError::Conflict { name, other, problem: problem.to_owned() })
        };
        if self.min_idle > self.max_open {
            return conflict("min_idle", "max_open", "more connections cannot be idle than open");
        }
        if self.max_idle.is_some_and(|max| max < self.min_idle) {
            return conflict("min_idle", "max_idle", "the pool would dial what it has to close");
        }
        if self.backoff_min > self.backoff_max {
            return conflict(
                "backoff_min",
                "backoff_max",
                "the shortest pause is longer than the longest",
            );
        }
        if self.adaptive && self.adaptive_min > self.max_open {
            return conflict("adaptive_min", "max_open", "the lowest limit is above the highest");
        }
        Ok(())
    }
}

fn default_max_open(cores: u32) -> u32 {
    cores.saturating_mul(2).clamp(10, 40)
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// Why options were refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// No option has this name; [`OPTIONS`] has those that exist.
    Unknown {
        /// The name as it was given.
        name: String,
    },
    /// The value does not parse or is out of bounds.
    Invalid {
        /// The option.
        name: &'static str,
        /// The value as it was given.
        value: String,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// Two options contradict each other.
    Conflict {
        /// The option.
        name: &'static str,
        /// The one it contradicts.
        other: &'static str,
        /// Why they cannot both be.
        problem: String,
    },
}

impl OptionsError {
    fn invalid(name: &'static str, value: &str, problem: String) -> OptionsError {
        OptionsError::Invalid { name, value: value.to_owned(), problem }
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionsError::Unknown { name } => write!(f, "the pool has no option `{name}`"),
            OptionsError::Invalid { name, value, problem } => {
                write!(f, "pool option `{name}` cannot be `{value}`: {problem}")
            }
            OptionsError::Conflict { name, other, problem } => {
                write!(f, "pool options `{name}` and `{other}` contradict each other: {problem}")
            }
        }
    }
}

impl std::error::Error for OptionsError {}

#[cfg(test)]
mod tests;
