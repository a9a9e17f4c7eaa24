//! [`Source`]: where a `Db` gets its connections from.
//!
//! A `Db` asks its source for a pool suited to an intent. One pool, or a writer with its readers, are the
//! sources there are; a cluster or a set of shards is another one, and nothing above this seam changes.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Access, Layout, Result};
use aquifer_pool::{Hooks, Pool, PoolOptions};

use crate::errors;
use crate::manage::Manager;

/// How long the only connection may take to recover: losing the data is worse than waiting.
const RECOVER_ONE: Duration = Duration::from_secs(24 * 60 * 60);

/// A lent connection.
pub(crate) type Lease = aquifer_pool::Lease<'static, Manager>;

/// What a call is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) access: Access,
}

#[derive(Debug)]
pub(crate) enum Source {
    /// Every connection can do everything.
    Equal(Named),
    /// As `Equal`; beside them are some that many calls share.
    Shared { primary: Named, shared: Named },
    /// The database is the connection.
    One(Named),
    /// One connection writes, in turn; the others read beside it.
    ReadersAndWriter { readers: Named, writer: Named },
}

/// A pool and what it is called in statistics and messages.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Arc<str>,
    pub(crate) pool: Pool<Manager>,
}

impl Source {
    /// The pools for a connector, as its layout and the limit allow.
    pub(crate) fn new(
        layout: Layout,
        options: &PoolOptions,
        shared: Option<(u32, Access)>,
        manager: impl Fn(&Arc<str>, Access) -> Manager,
        hooks: impl Fn(&Arc<str>) -> Hooks<Manager>,
    ) -> Result<Self> {
        let pool = |name: &str, access, options: PoolOptions| -> Result<Named> {
            let name: Arc<str> = name.into();
            let manager = Arc::new(manager(&name, access));
            let pool = Pool::new(manager, options, hooks(&name)).map_err(errors::options)?;
            Ok(Named { name, pool })
        };
        match layout {
            Layout::One => {
                // Closing the connection would lose the data: it is opened once and kept, and cleaning
                // it takes as long as it takes. Nobody else is on its other end, so there is nothing
                // to be checked.
                let kept = PoolOptions {
                    max_open: 1,
                    min_idle: 0,
                    max_idle: None,
                    max_lifetime: None,
                    max_idle_time: None,
                    adaptive: false,
                    reclaim_after: None,
                    recover_timeout: RECOVER_ONE,
                    check_after: None,
                    check_period: None,
                    check_on_acquire: false,
                    check_on_release: false,
                    ..options.clone()
                };
                Ok(Self::One(pool("primary", Access::ReadWrite, kept)?))
            }
            Layout::ReadersAndWriter if options.max_open > 1 => {
                let one = PoolOptions {
                    max_open: 1,
                    min_idle: options.min_idle.min(1),
                    max_idle: options.max_idle.map(|max| max.min(1)),
                    adaptive: false,
                    ..options.clone()
                };
                let rest = PoolOptions {
                    max_open: options.max_open - 1,
                    min_idle: options.min_idle.saturating_sub(1),
                    max_idle: options.max_idle.map(|max| max.saturating_sub(1)),
                    adaptive_min: options.adaptive_min.min(options.max_open - 1),
                    ..options.clone()
                };
                Ok(Self::ReadersAndWriter {
                    readers: pool("readers", Access::ReadOnly, rest)?,
                    writer: pool("writer", Access::ReadWrite, one)?,
                })
            }
            Layout::Equal if let Some((connections, access)) = shared => {
                let few = PoolOptions {
                    max_open: connections,
                    min_idle: 0,
                    max_idle: None,
                    adaptive: false,
                    // They are kept for long by design, all of them and by nobody in particular.
                    reclaim_after: None,
                    leak_after: None,
                    warn_in_use: None,
                    ..options.clone()
                };
                let max_open = options.max_open - connections;
                let rest = PoolOptions {
                    max_open,
                    min_idle: options.min_idle.min(max_open),
                    max_idle: options.max_idle.map(|max| max.min(max_open)),
                    adaptive_min: options.adaptive_min.min(max_open),
                    ..options.clone()
                };
                Ok(Self::Shared {
                    primary: pool("primary", Access::ReadWrite, rest)?,
                    shared: pool("shared", access, few)?,
                })
            }
            _ => Ok(Self::Equal(pool("primary", Access::ReadWrite, options.clone())?)),
        }
    }

    /// The pool that serves this intent.
    #[inline]
    pub(crate) fn route(&self, intent: Intent) -> &Pool<Manager> {
        match self {
            Self::Equal(pool) | Self::One(pool) | Self::Shared { primary: pool, .. } => &pool.pool,
            Self::ReadersAndWriter { readers, writer } => match intent.access {
                Access::ReadOnly => &readers.pool,
                Access::ReadWrite => &writer.pool,
            },
        }
    }

    /// True if a call refused as a write can be served by another pool.
    pub(crate) fn splits(&self) -> bool {
        matches!(self, Self::ReadersAndWriter { .. })
    }

    /// The pool of the connections that many calls share.
    pub(crate) fn shared(&self) -> Option<&Pool<Manager>> {
        match self {
            Self::Shared { shared, .. } => Some(&shared.pool),
            _ => None,
        }
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = &Named> {
        match self {
            Self::Equal(pool) | Self::One(pool) => [Some(pool), None],
            Self::ReadersAndWriter { readers, writer } => [Some(readers), Some(writer)],
            Self::Shared { primary, shared } => [Some(primary), Some(shared)],
        }
        .into_iter()
        .flatten()
    }
}
