//! The options as the decisions use them: nanoseconds, and what the hooks make necessary.

use std::time::Duration;

use crate::{clock::nanos, options::PoolOptions};

const NEVER: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) max_open: u32,
    pub(crate) min_idle: u32,
    pub(crate) max_idle: u32,
    pub(crate) max_lifetime: Option<u64>,
    pub(crate) lifetime_jitter: f64,
    pub(crate) replace_ahead: f64,
    pub(crate) max_idle_time: u64,
    pub(crate) max_waiters: u32,
    pub(crate) max_connecting: u32,
    pub(crate) elide_dials: bool,
    pub(crate) backoff_min: u64,
    pub(crate) backoff_max: u64,
    /// Idle (and unchecked) for longer than this: checked on the way to a caller. Zero: everything goes that way.
    pub(crate) check_after: u64,
    pub(crate) check_period: u64,
    pub(crate) check_on_acquire: bool,
    /// The part of `check_after` that the options ask for, apart from what hooks need.
    pub(crate) check_idle: u64,
    pub(crate) check_on_release: bool,
    pub(crate) before_acquire: bool,
    pub(crate) after_release: bool,
    pub(crate) maintenance_period: u64,
    pub(crate) warn_period: u64,
    pub(crate) warn_in_use: f64,
    pub(crate) warn_wait: u64,
    pub(crate) leak_after: u64,
    pub(crate) holders_max: usize,
    pub(crate) reclaim_after: u64,
    pub(crate) reclaim_max: u32,
    pub(crate) adaptive: bool,
    pub(crate) adaptive_min: u32,
    pub(crate) adaptive_period: u64,
    pub(crate) adaptive_tolerance: f64,
    /// When work on a connection is overdue: its budget, and some more because its runtime may merely be slow.
    pub(crate) connect_overdue: u64,
    pub(crate) check_overdue: u64,
    pub(crate) recover_overdue: u64,
    pub(crate) close_overdue: u64,
}

/// How much later than planned a task may be before its runtime counts as standing still.
pub(crate) const GRACE: u64 = 5_000_000_000;

/// Which hooks make a connection pass through a task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passes {
    pub(crate) before_acquire: bool,
    pub(crate) after_release: bool,
}

impl Config {
    pub(crate) fn new(options: &PoolOptions, passes: Passes) -> Config {
        let optional = |span: Option<Duration>| span.map_or(NEVER, nanos);
        let check_idle = optional(options.check_after);
        let everything = options.check_on_acquire || passes.before_acquire;
        let overdue = |budget: Duration| nanos(budget).saturating_add(GRACE);
        Config {
            max_open: options.max_open,
            min_idle: options.min_idle,
            max_idle: options.max_idle.unwrap_or(u32::MAX),
            max_lifetime: options.max_lifetime.map(nanos),
            lifetime_jitter: options.lifetime_jitter,
            replace_ahead: options.replace_ahead,
            max_idle_time: optional(options.max_idle_time),
            max_waiters: options.max_waiters,
            max_connecting: options.max_connecting,
            elide_dials: options.elide_dials,
            backoff_min: nanos(options.backoff_min),
            backoff_max: nanos(options.backoff_max),
            check_after: if everything { 0 } else { check_idle },
            check_period: optional(options.check_period),
            check_on_acquire: options.check_on_acquire,
            check_idle,
            check_on_release: options.check_on_release,
            before_acquire: passes.before_acquire,
            after_release: passes.after_release,
            maintenance_period: nanos(options.maintenance_period),
            warn_period: nanos(options.warn_period),
            warn_in_use: options.warn_in_use.unwrap_or(f64::INFINITY),
            warn_wait: optional(options.warn_wait),
            leak_after: optional(options.leak_after),
            holders_max: options.holders_max as usize,
            reclaim_after: optional(options.reclaim_after),
            reclaim_max: options.reclaim_max,
            adaptive: options.adaptive,
            adaptive_min: options.adaptive_min,
            adaptive_period: nanos(options.adaptive_period),
            adaptive_tolerance: options.adaptive_tolerance,
            connect_overdue: overdue(options.connect_timeout),
            check_overdue: overdue(options.check_timeout.max(options.idle_check_timeout)),
            recover_overdue: overdue(options.recover_timeout),
            close_overdue: overdue(options.close_timeout),
        }
    }
}
