//! Whether a `Db` may open more connections than the server has, or leave them idle for longer than the server bears:
//! asked once, in the background.
//!
//! The question is asked only if there are observers to hear the warning, and on a connection that is idle:
//! no dial and no call waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use aquifer_driver::{Access, Command, Connection, Result};
use aquifer_pool::{PoolOptions, Warning};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::db::{Db, Shared};
use crate::deadline::{During, before};
use crate::link::DriverConn;
use crate::source::{Intent, Lease};

/// The first pause before the pool is looked at for an idle connection; each is twice as long as the one
/// before.
const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked at; after that the question queues for a connection like any call.
const LOOKS: u32 = 8;

/// Asks, once per `Db`.
#[derive(Default)]
pub(crate) struct ServerLimit {
    asked: AtomicBool,
    db: OnceLock<Weak<Shared>>,
}

impl ServerLimit {
    /// Says whose limit it is.
    pub(crate) fn of(&self, db: &Db) {
        // It is told once, when the `Db` is made.
        let _ = self.db.set(db.downgrade());
    }

    /// Called after each dial, in the pool's own task.
    pub(crate) fn connected(&self, connection: &dyn Connection) {
        if self.asked.load(Ordering::Relaxed) || connection.limit_query().is_none() {
            return;
        }
        if let (Some(db), Ok(runtime)) = (self.db.get(), Handle::try_current())
            && !self.asked.swap(true, Ordering::Relaxed)
        {
            runtime.spawn(ask(Weak::clone(db)));
        }
    }
}

impl std::fmt::Debug for ServerLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerLimit").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// Ends without a word if the `Db` goes meanwhile, or the server does not tell.
async fn ask(db: Weak<Shared>) {
    let mut pause = PAUSE;
    for _ in 0..LOOKS {
        sleep(pause).await;
        pause *= 2;
        let Some(db) = Db::upgrade(&db) else { return };
        let pool = db.shared().source.route(Intent { access: Access::ReadWrite });
        if let Some(lease) = pool.try_acquire(&db.request(None)) {
            let lease = lease.into_owned();
            return compare(&db, lease).await;
        }
    }
    let Some(db) = Db::upgrade(&db) else { return };
    if let Ok(lease) = db.lease_for(Access::ReadWrite, None).await {
        compare(&db, lease).await;
    }
}

async fn compare(db: &Db, mut lease: Lease) {
    let Some(sql) = lease.connection().limit_query() else { return };
    let deadline = Instant::now() + db.options().pool.check_timeout;
    let asked = before(Some(deadline), During::Check, read(&mut lease, &sql)).await;
    let Limits { sessions, idle_seconds } = match asked {
        Ok(limits) => limits,
        Err(error) => return tell(db, |observer, pool| observer.background_error(pool, &error)),
    };
    let options = &db.options().pool;
    let max_open = options.max_open;
    if let Some(server) = sessions
        && server < i64::from(max_open)
    {
        let server = u32::try_from(server).unwrap_or(0);
        let warning = Warning::ServerLimit { max_open, server };
        tell(db, |observer, pool| observer.warning(pool, &warning));
    }
    let idle = silent_max(options);
    if let Some(server) = idle_seconds.and_then(|seconds| u64::try_from(seconds).ok())
        && Duration::from_secs(server) <= idle
    {
        let warning = Warning::IdleLimit { idle, server: Duration::from_secs(server) };
        tell(db, |observer, pool| observer.warning(pool, &warning));
    }
}

/// How long an idle connection may hear nothing from its pool.
fn silent_max(options: &PoolOptions) -> Duration {
    // The last ones stay, however long they are idle.
    let left = options.max_idle_time.filter(|_| options.min_idle == 0);
    let lived = options.max_lifetime;
    [options.check_period, left, lived].into_iter().flatten().min().unwrap_or(Duration::MAX)
}

fn tell(db: &Db, what: impl Fn(&dyn crate::Observer, &str)) {
    for named in db.shared().source.pools() {
        db.book().tell(|observer| what(observer, &named.name));
    }
}

/// What a server says of itself.
#[derive(Default)]
struct Limits {
    /// Sessions.
    sessions: Option<i64>,
    /// How long one may be idle.
    idle_seconds: Option<i64>,
}

/// The one or two integers of a text without arguments.
async fn read(link: &mut DriverConn, sql: &str) -> Result<Limits> {
    link.start(Command::Script { sql })?;
    let mut found = Limits::default();
    loop {
        let step = link.step().await?;
        if let Some(row) = link.batch().row(0) {
            found.sessions = row.get(0)?;
            if row.len() > 1 {
                found.idle_seconds = row.get(1)?;
            }
        }
        if let aquifer_driver::Step::End(_) = step {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_silent_until_it_is_checked_or_leaves() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let mut options = PoolOptions::default();
        (options.check_period, options.max_idle_time) = (seconds(30), seconds(600));
        assert_eq!(silent_max(&options), Duration::from_secs(30));
        options.check_period = None;
        assert_eq!(silent_max(&options), Duration::from_secs(600));
        options.min_idle = 1;
        options.max_lifetime = seconds(1800);
        assert_eq!(silent_max(&options), Duration::from_secs(1800));
        options.max_lifetime = None;
        assert_eq!(silent_max(&options), Duration::MAX);
    }
}
