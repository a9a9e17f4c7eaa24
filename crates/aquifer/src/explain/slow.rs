//! Plans of slow reads, for observers.
//!
//! A call that was slow leaves its text; a task of its own then borrows a connection that is idle, asks
//! for the plan there, and tells the observers. No call waits for it: it never queues for a connection,
//! and what it holds is free again after `check_timeout` at the latest. One asks at a time, and about one
//! text once a minute; the arguments are never part of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aquifer_driver::{Access, Command, FromRow, Grammar, Result, Step, Value, Want};
use hashlink::LruCache;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::{DOCUMENT, QueryPlan, blocks, json, steps};
use crate::db::{Db, Shared};
use crate::deadline::{During, before};
use crate::link::DriverConn;
use crate::observe::{Call, SlowPlan};
use crate::source::Intent;
use crate::sql::{self, Kind};
use crate::text::Text;

/// How long a text is let alone after it was asked about.
const INTERVAL: Duration = Duration::from_secs(60);
/// Texts that are remembered for that; beyond it the one that was asked about first is forgotten.
const TEXTS_MAX: usize = 256;
/// The first pause before an idle connection is looked for; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(1);
/// How often one is looked for; after that the statement must be slow again.
const LOOKS: u32 = 10;

/// Who asks for plans.
pub(crate) struct SlowPlans {
    after: Duration,
    db: OnceLock<Weak<Shared>>,
    turn: Arc<Turn>,
}

/// Whose turn it is to ask.
struct Turn {
    taken: AtomicBool,
    asked: Mutex<Asked>,
}

impl std::fmt::Debug for SlowPlans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlowPlans").field("after", &self.after).finish_non_exhaustive()
    }
}

impl SlowPlans {
    pub(crate) fn new(after: Duration) -> Self {
        let turn = Turn { taken: AtomicBool::new(false), asked: Mutex::new(Asked::new()) };
        Self { after, db: OnceLock::new(), turn: Arc::new(turn) }
    }

    /// Says whose calls they are.
    pub(crate) fn of(&self, db: &Db) {
        // It is told once, when the `Db` is made.
        let _ = self.db.set(db.downgrade());
    }

    /// A call has ended. A read that ran out of time was slow as well.
    #[inline]
    pub(crate) fn heard_of(&self, call: &Call<'_>) {
        let ran = call.error.is_none_or(|error| error.is_timeout());
        if ran && call.elapsed >= self.after && !self.turn.taken.load(Ordering::Relaxed) {
            self.was_slow(call);
        }
    }

    #[cold]
    fn was_slow(&self, call: &Call<'_>) {
        let Some(weak) = self.db.get() else { return };
        let (Some(db), Ok(runtime)) = (Db::upgrade(weak), Handle::try_current()) else { return };
        let now = Instant::now();
        if !self.turn.asked().is_due(call.sql, now) {
            return;
        }
        let text = match call.text {
            Some(text) => Arc::clone(text),
            None => match db.texts().get(call.sql) {
                Ok(text) => text,
                Err(_) => return,
            },
        };
        if !is_a_read(&db, &text) || self.turn.taken.swap(true, Ordering::Relaxed) {
            return;
        }
        let mine = Mine { turn: Arc::clone(&self.turn), text: Some(text) };
        mine.turn.asked().note(call.sql, now);
        let slow = Slow { label: call.label.map(str::to_owned), elapsed: call.elapsed };
        runtime.spawn(ask(Weak::clone(weak), mine, slow));
    }
}

/// What is told of the call along with the plan.
struct Slow {
    label: Option<String>,
    elapsed: Duration,
}

impl Turn {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn is this one's until it goes. A text that was not asked about may be, the next time.
struct Mine {
    turn: Arc<Turn>,
    text: Option<Arc<Text>>,
}

impl Drop for Mine {
    fn drop(&mut self) {
        if let Some(text) = self.text.take() {
            self.turn.asked().forget(text.source());
        }
        self.turn.taken.store(false, Ordering::Relaxed);
    }
}

/// One statement that reads as far as its text says, and has a plan. Planning runs nothing, so it may be one
/// of which the engine alone knows whether it writes.
fn is_a_read(db: &Db, text: &Text) -> bool {
    let class = sql::classify(text.sql(), db.texts().lexis());
    text.access() == Access::ReadOnly
        && class.access == sql::Access::Read
        && !class.several
        && matches!(class.kind, Kind::Select | Kind::Values | Kind::Table)
}

/// Ends without a word if the `Db` goes meanwhile, or has no connection to spare.
async fn ask(db: Weak<Shared>, mut mine: Mine, slow: Slow) {
    let mut pause = PAUSE;
    for _ in 0..LOOKS {
        sleep(pause).await;
        pause *= 2;
        let Some(db) = Db::upgrade(&db) else { return };
        let pool = db.shared().source.route(Intent { access: Access::ReadOnly });
        let Some(lease) = pool.try_acquire(&db.request(None)) else { continue };
        let mut lease = lease.into_owned();
        let Some(text) = mine.text.take() else { return };
        let deadline = Instant::now() + db.options().pool.check_timeout;
        let asked = before(Some(deadline), During::Check, plan(&db, &mut lease, &text)).await;
        // It is free again before anybody is told.
        drop(lease);
        match asked {
            Ok(Some(plan)) => {
                let Slow { label, elapsed } = slow;
                let label = label.as_deref();
                let told = SlowPlan { label, sql: text.source(), elapsed, plan: &plan };
                db.book().tell(|observer| observer.slow_plan(&told));
            }
            Ok(None) => {}
            Err(error) => {
                for named in db.shared().source.pools().take(1) {
                    db.book().tell(|observer| observer.background_error(&named.name, &error));
                }
            }
        }
        return;
    }
}

/// The plan of a text whose arguments are not known; `None` if this engine, or this mode of its driver,
/// has none for it.
async fn plan(db: &Db, link: &mut DriverConn, text: &Text) -> Result<Option<QueryPlan>> {
    let sql = text.sql();
    if matches!(db.dialect().grammar, Grammar::MySql | Grammar::MariaDb) {
        return plan_by_example(link, text).await;
    }
    link.start(Command::Prepare { sql })?;
    link.finish().await?;
    let description = link.connection().take_description().unwrap_or_default();
    if description.read_only == Some(false) {
        return Ok(None);
    }
    if db.dialect().grammar == Grammar::Sqlite {
        // Its plans do not depend on the arguments.
        let nulls = vec![Value::Null; description.parameters.len()];
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        link.start(Command::Execute { sql: &sql, params: &&nulls[..], want: Want::All })?;
        return steps::read(rows(link).await?).map(Some);
    }
    let Some(query) = link.connection().plan_query(sql) else { return Ok(None) };
    link.start(Command::Script { sql: &query })?;
    json::read(&rows(link).await?).map(Some)
}

/// MariaDB and MySQL plan for given arguments only. Each gets a `1` as text, which they compare with any column by
/// its index; `None` where the plan is that it finds nothing, which says nothing about other arguments.
async fn plan_by_example(link: &mut DriverConn, text: &Text) -> Result<Option<QueryPlan>> {
    let sql = format!("{DOCUMENT} {}", text.sql());
    let examples = vec![Value::from("1"); text.params()];
    link.start(Command::Execute { sql: &sql, params: &&examples[..], want: Want::All })?;
    let plan = blocks::read(&rows(link).await?)?;
    Ok((examples.is_empty() || !blocks::finds_nothing(&plan)).then_some(plan))
}

/// All rows of the command that was started.
async fn rows<T>(link: &mut DriverConn) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r>,
{
    let mut all = Vec::new();
    loop {
        let step = link.step().await?;
        for row in link.batch().rows() {
            all.push(row.scan()?);
        }
        if let Step::End(_) = step {
            return Ok(all);
        }
    }
}

/// When each text was asked about.
struct Asked(LruCache<Box<str>, Instant>);

impl Asked {
    fn new() -> Self {
        Self(LruCache::new(TEXTS_MAX))
    }

    fn is_due(&self, text: &str, now: Instant) -> bool {
        self.0.peek(text).is_none_or(|last| now.saturating_duration_since(*last) >= INTERVAL)
    }

    fn note(&mut self, text: &str, now: Instant) {
        self.0.insert(text.into(), now);
    }

    fn forget(&mut self, text: &str) {
        self.0.remove(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_about_once_in_an_interval_and_few_are_remembered() {
        let mut asked = Asked::new();
        let start = Instant::now();
        assert!(asked.is_due("a", start));
        asked.note("a", start);
        assert!(!asked.is_due("a", start + INTERVAL - Duration::from_nanos(1)));
        assert!(asked.is_due("b", start) && asked.is_due("a", start + INTERVAL));
        asked.forget("a");
        assert!(asked.is_due("a", start));
        for n in 0..=TEXTS_MAX {
            asked.note(&n.to_string(), start);
        }
        assert_eq!(asked.0.len(), TEXTS_MAX);
        assert!(asked.is_due("0", start) && !asked.is_due("1", start));
    }
}
