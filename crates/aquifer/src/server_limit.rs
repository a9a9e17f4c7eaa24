//! Whether a `Db` may open more connections than the server has: asked once, in the background.
//!
//! The question is asked only if there are observers to hear the warning, and on a connection that is idle:
//! no dial and no call waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use aquifer_driver::{Access, Command, Connection, Result};
use aquifer_pool::Warning;
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
    let max_open = db.options().pool.max_open;
    match asked {
        Ok(Some(server)) if server < i64::from(max_open) => {
            let server = u32::try_from(server).unwrap_or(0);
            let warning = Warning::ServerLimit { max_open, server };
            tell(db, |observer, pool| observer.warning(pool, &warning));
        }
        Ok(_) => {}
        Err(error) => tell(db, |observer, pool| observer.background_error(pool, &error)),
    }
}

fn tell(db: &Db, what: impl Fn(&dyn crate::Observer, &str)) {
    for named in db.shared().source.pools() {
        db.book().tell(|observer| what(observer, &named.name));
    }
}

/// The one integer of a text without arguments.
async fn read(link: &mut DriverConn, sql: &str) -> Result<Option<i64>> {
    link.start(Command::Script { sql })?;
    let mut found = None;
    loop {
        let step = link.step().await?;
        if let Some(row) = link.batch().row(0) {
            found = row.get::<Option<i64>>(0)?;
        }
        if let aquifer_driver::Step::End(_) = step {
            return Ok(found);
        }
    }
}
