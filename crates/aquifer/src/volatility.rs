//! Which functions are volatile: asked of the server once for each name, and remembered for a while.
//!
//! Owns the answer to whether a text shares a connection: what its words say ([`sql::sharing`]) and, where it calls
//! functions, what the catalogue says of these. A call whose functions are not known yet does not wait: it has a
//! connection to itself, and the first one of them has the names asked for in the background, one question at a time. A
//! text remembers what was decided, so that most calls read one atomic.
//!
//! What is known grows old: `CREATE OR REPLACE` and `ALTER FUNCTION` may change it. After [`FRESH`] it is asked for anew
//! and used meanwhile; after twice that time it counts for nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use aquifer_driver::{Access, Command, Error, Grammar, Result, Step};
use hashlink::LruCache;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::db::{Db, Shared};
use crate::deadline::{During, before};
use crate::link::DriverConn;
use crate::multiplex::Verdict;
use crate::sql::{self, Lexis, Sharing, quote_literal};
use crate::text::Text;

/// Seconds after which what is known is asked for anew.
const FRESH: u32 = 300;
/// Seconds until the next question after one that failed, and until a text looks again at what is being asked for.
const PAUSE: u32 = 5;
/// Functions that are remembered.
const KNOWN_MAX: usize = 4096;
/// Names in one question, and names that may wait for one.
const ASKED_MAX: usize = 512;

/// What a text knows of itself. Made with the text, filled when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    sharing: OnceLock<Sharing>,
    /// What was decided in the lower two bits, and until which second in the others; 0 if nothing was.
    decided: AtomicU32,
}

impl Standing {
    const FOREVER: u32 = u32::MAX >> 2;

    #[inline]
    fn decided(&self, now: u32) -> Option<Verdict> {
        let decided = self.decided.load(Ordering::Relaxed);
        (decided >> 2 > now).then(|| Self::verdict(decided))
    }

    /// What was decided by the words alone, and needs no look at the clock.
    #[inline]
    fn decided_for_ever(&self) -> Option<Verdict> {
        let decided = self.decided.load(Ordering::Relaxed);
        (decided >> 2 == Self::FOREVER).then(|| Self::verdict(decided))
    }

    #[inline]
    fn verdict(decided: u32) -> Verdict {
        match decided & 3 {
            1 => Verdict::Reads,
            2 => Verdict::Writes,
            _ => Verdict::Alone,
        }
    }

    fn decide(&self, shares: Verdict, until: u32) -> Verdict {
        let low = match shares {
            Verdict::Reads => 1,
            Verdict::Writes => 2,
            Verdict::Alone => 3,
        };
        self.decided.store(until.min(Self::FOREVER) << 2 | low, Ordering::Relaxed);
        shares
    }
}

/// What the catalogue says of all functions of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// None of them is volatile.
    Calm,
    Volatile,
    /// There is none: a key word that is syntax, or a type that converts.
    Absent,
}

/// What the functions of a text amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opinion {
    Calm { until: u32 },
    Volatile { until: u32 },
    Unknown,
}

/// What is known, what is to be asked for, and whether somebody asks.
struct Catalogue {
    /// Each with the second in which the answer came.
    known: LruCache<Box<str>, (Function, u32), foldhash::fast::RandomState>,
    wanted: BTreeSet<Box<str>>,
    asking: bool,
    /// No question before this second.
    rest_until: u32,
}

impl Catalogue {
    fn new() -> Self {
        let random = foldhash::fast::RandomState::default();
        Self {
            known: LruCache::with_hasher(KNOWN_MAX, random),
            wanted: BTreeSet::new(),
            asking: false,
            rest_until: 0,
        }
    }

    /// What is known of these functions; those that must be asked for are noted.
    fn opinion(&mut self, functions: &[Box<str>], now: u32) -> Opinion {
        let (mut unknown, mut volatile) = (false, false);
        let mut until = Standing::FOREVER;
        for name in functions {
            let known = self.known.get(name).copied().filter(|(_, since)| now < since + 2 * FRESH);
            let fresh_until = known.map_or(0, |(_, since)| since + FRESH);
            if fresh_until <= now && self.wanted.len() < ASKED_MAX {
                self.wanted.insert(name.clone());
            }
            match known {
                None => unknown = true,
                Some((Function::Calm, _)) => {}
                Some((Function::Absent, _)) if sql::is_key_word(name) => {}
                Some(_) => volatile = true,
            }
            until = until.min(fresh_until.max(now + PAUSE));
        }
        match (volatile, unknown) {
            (true, _) => Opinion::Volatile { until },
            (false, true) => Opinion::Unknown,
            (false, false) => Opinion::Calm { until },
        }
    }

    /// The names for the next question, if it is time for one. It must be [answered](Self::answered) or have
    /// [failed](Self::failed) before there is another.
    fn question(&mut self, now: u32) -> Option<BTreeSet<Box<str>>> {
        if self.asking || self.wanted.is_empty() || now < self.rest_until {
            return None;
        }
        self.asking = true;
        Some(std::mem::take(&mut self.wanted))
    }

    /// The functions that are there, and whether they are volatile; the other names are of none.
    fn answered(&mut self, names: BTreeSet<Box<str>>, there: &[(String, bool)], now: u32) {
        self.asking = false;
        for name in names {
            // Calls that came meanwhile want it again.
            self.wanted.remove(&name);
            let function = match there.iter().find(|(known, _)| **known == *name) {
                None => Function::Absent,
                Some((_, true)) => Function::Volatile,
                Some((_, false)) => Function::Calm,
            };
            self.known.insert(name, (function, now));
        }
    }

    fn failed(&mut self, now: u32) {
        self.asking = false;
        self.rest_until = now + PAUSE;
    }
}

/// Decides which texts share, for one database.
pub(crate) struct Volatility {
    lexis: Lexis,
    started: Instant,
    catalogue: Mutex<Catalogue>,
}

impl fmt::Debug for Volatility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volatility").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Volatility {
    /// `None` for an engine whose catalogue cannot be asked.
    pub(crate) fn new(grammar: Grammar) -> Option<Self> {
        (grammar == Grammar::Postgres).then(|| Self {
            lexis: grammar.into(),
            started: Instant::now(),
            catalogue: Mutex::new(Catalogue::new()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the `Db` was made, from 1.
    #[inline]
    fn second(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.started).as_secs();
        u32::try_from(seconds + 1).unwrap_or(Standing::FOREVER).min(Standing::FOREVER - 2 * FRESH)
    }

    /// Whether a text shares. Never waits; what it lacks it has asked for.
    #[inline]
    pub(crate) fn verdict(&self, db: &Db, text: &Text, now: Instant) -> Verdict {
        if let Some(shares) = text.standing().decided_for_ever() {
            return shares;
        }
        let now = self.second(now);
        match text.standing().decided(now) {
            Some(shares) => shares,
            None => self.decide(db, text, now),
        }
    }

    #[cold]
    fn decide(&self, db: &Db, text: &Text, now: u32) -> Verdict {
        let standing = text.standing();
        let sharing = standing.sharing.get_or_init(|| sql::sharing(text.sql(), &self.lexis));
        let shares = match sharing.verdict {
            sql::Verdict::Read => Verdict::Reads,
            sql::Verdict::Write => Verdict::Writes,
            sql::Verdict::Never(_) => return standing.decide(Verdict::Alone, Standing::FOREVER),
        };
        let (opinion, question) = {
            let mut catalogue = self.lock();
            let opinion = catalogue.opinion(&sharing.functions, now);
            (opinion, catalogue.question(now))
        };
        if let Some(names) = question {
            self.ask(db, names);
        }
        match opinion {
            Opinion::Calm { until } => standing.decide(shares, until),
            Opinion::Volatile { until } => standing.decide(Verdict::Alone, until),
            Opinion::Unknown => Verdict::Alone,
        }
    }

    fn ask(&self, db: &Db, names: BTreeSet<Box<str>>) {
        let asking = Asking { db: db.downgrade(), answered: false };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(asking.run(names));
        }
    }
}

/// A question on its way. Dropped without an answer it has failed.
struct Asking {
    db: Weak<Shared>,
    answered: bool,
}

impl Asking {
    async fn run(mut self, names: BTreeSet<Box<str>>) {
        let Some(db) = Db::upgrade(&self.db) else { return };
        let asked = match question(&names) {
            Ok(question) => read(&db, &question).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(there) => {
                if let Some(volatility) = db.volatility() {
                    let now = volatility.second(Instant::now());
                    volatility.lock().answered(names, &there, now);
                    self.answered = true;
                }
            }
            Err(error) => {
                for named in db.shared().source.pools() {
                    db.book().tell(|observer| observer.background_error(&named.name, &error));
                }
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.answered
            && let Some(db) = Db::upgrade(&self.db)
            && let Some(volatility) = db.volatility()
        {
            let now = volatility.second(Instant::now());
            volatility.lock().failed(now);
        }
    }
}

/// Functions of `pg_catalog` that are volatile because they answer anew each time, and do nothing else. What
/// [`random`](https://www.postgresql.org/docs/current/functions-math.html) remembers only `setseed` makes matter.
const ANEW: [&str; 7] = [
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// The question for functions of these names, in any schema. An aggregate is as volatile as the functions it is made of.
fn question(names: &BTreeSet<Box<str>>) -> Result<String> {
    let list = |names: &mut dyn Iterator<Item = &str>| -> Result<String> {
        let quoted: std::result::Result<Vec<_>, _> =
            names.map(|name| quote_literal(name, &Lexis::postgres())).collect();
        Ok(quoted.map_err(Error::from)?.join(", "))
    };
    let names = list(&mut names.iter().map(|name| &**name))?;
    let anew = list(&mut ANEW.into_iter())?;
    Ok(format!(
        "SELECT p.proname::text, pg_catalog.bool_or(p.provolatile = 'v' AND NOT (n.nspname = 'pg_catalog' AND \
         p.proname IN ({anew})) OR f.oid IS NOT NULL)::int FROM pg_catalog.pg_proc p \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid \
         LEFT JOIN pg_catalog.pg_proc f ON f.provolatile = 'v' AND f.oid IN (a.aggtransfn, a.aggfinalfn, \
         a.aggcombinefn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn) \
         WHERE p.proname IN ({names}) GROUP BY p.proname"
    ))
}

/// Asks on a connection of its own.
async fn read(db: &Db, question: &str) -> Result<Vec<(String, bool)>> {
    let mut lease = db.lease_for(Access::ReadOnly, None).await?;
    let deadline = Instant::now() + db.options().pool.check_timeout;
    before(Some(deadline), During::Check, rows(&mut lease, question)).await
}

async fn rows(link: &mut DriverConn, sql: &str) -> Result<Vec<(String, bool)>> {
    link.start(Command::Script { sql })?;
    let mut there = Vec::new();
    loop {
        let step = link.step().await?;
        for row in link.batch().rows() {
            there.push((row.get(0)?, row.get::<i64>(1)? != 0));
        }
        if let Step::End(_) = step {
            return Ok(there);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn told(there: &[(&str, bool)]) -> Vec<(String, bool)> {
        there.iter().map(|(name, volatile)| ((*name).to_owned(), *volatile)).collect()
    }

    #[test]
    fn what_is_not_known_is_asked_for_once() {
        let mut catalogue = Catalogue::new();
        assert_eq!(catalogue.opinion(&[], 1), Opinion::Calm { until: Standing::FOREVER });
        assert_eq!(catalogue.question(1), None);
        assert_eq!(catalogue.opinion(&names(&["lower", "over"]), 1), Opinion::Unknown);
        let question = catalogue.question(1).unwrap();
        assert_eq!(question.len(), 2);
        // Others that come meanwhile wait for the next question.
        assert_eq!(catalogue.opinion(&names(&["lower", "upper"]), 2), Opinion::Unknown);
        assert_eq!(catalogue.question(2), None);
        catalogue.answered(question, &told(&[("lower", false)]), 3);
        assert_eq!(
            catalogue.opinion(&names(&["lower", "over"]), 3),
            Opinion::Calm { until: 3 + FRESH }
        );
        assert_eq!(
            catalogue.question(3).unwrap().into_iter().collect::<Vec<_>>(),
            names(&["upper"])
        );
    }

    #[test]
    fn volatile_functions_and_names_without_one_do_not_share() {
        let mut catalogue = Catalogue::new();
        let asked = names(&["audit", "lower", "money_of", "json_value"]);
        catalogue.opinion(&asked, 1);
        let question = catalogue.question(1).unwrap();
        catalogue.answered(question, &told(&[("audit", true), ("lower", false)]), 1);
        let volatile = Opinion::Volatile { until: 1 + FRESH };
        assert_eq!(catalogue.opinion(&names(&["lower", "audit"]), 2), volatile);
        assert_eq!(catalogue.opinion(&names(&["money_of"]), 2), volatile);
        let calm = Opinion::Calm { until: 1 + FRESH };
        assert_eq!(catalogue.opinion(&names(&["json_value"]), 2), calm);
        // One that is volatile decides, whatever the others are.
        assert_eq!(
            catalogue.opinion(&names(&["audit", "new"]), 2),
            Opinion::Volatile { until: 2 + PAUSE }
        );
    }

    #[test]
    fn answers_grow_old_are_asked_for_anew_and_end() {
        let mut catalogue = Catalogue::new();
        let lower = names(&["lower"]);
        catalogue.opinion(&lower, 1);
        let question = catalogue.question(1).unwrap();
        catalogue.answered(question, &told(&[("lower", false)]), 1);
        let old = 1 + FRESH;
        assert_eq!(catalogue.opinion(&lower, old), Opinion::Calm { until: old + PAUSE });
        assert!(catalogue.question(old).is_some());
        catalogue.failed(old);
        assert_eq!(catalogue.opinion(&lower, old + 1), Opinion::Calm { until: old + 1 + PAUSE });
        assert_eq!(catalogue.question(old + 1), None);
        let question = catalogue.question(old + PAUSE).unwrap();
        assert_eq!(catalogue.opinion(&lower, old + FRESH), Opinion::Unknown);
        catalogue.answered(question, &told(&[("lower", true)]), old + FRESH);
        assert_eq!(
            catalogue.opinion(&lower, old + FRESH),
            Opinion::Volatile { until: old + 2 * FRESH }
        );
    }

    #[test]
    fn what_is_remembered_and_asked_for_is_bounded() {
        let mut catalogue = Catalogue::new();
        let many: Vec<Box<str>> = (0..ASKED_MAX + 9).map(|n| format!("f{n}").into()).collect();
        assert_eq!(catalogue.opinion(&many, 1), Opinion::Unknown);
        assert_eq!(catalogue.question(1).unwrap().len(), ASKED_MAX);
        for round in 0..10 {
            let names = (0..ASKED_MAX).map(|n| format!("g{round}_{n}").into()).collect();
            catalogue.answered(names, &[], 1);
        }
        assert_eq!(catalogue.known.len(), KNOWN_MAX);
    }

    #[test]
    fn a_decision_is_kept_until_its_time() {
        let standing = Standing::default();
        assert_eq!(standing.decided(1), None);
        for verdict in [Verdict::Reads, Verdict::Writes, Verdict::Alone] {
            standing.decide(verdict, 7);
            assert_eq!((standing.decided(6), standing.decided(7)), (Some(verdict), None));
        }
        standing.decide(Verdict::Alone, Standing::FOREVER);
        assert_eq!(standing.decided(Standing::FOREVER - 1), Some(Verdict::Alone));
    }

    #[test]
    fn names_are_quoted_in_the_question() {
        let question = question(&names(&["a'b", "c\\d"]).into_iter().collect()).unwrap();
        assert!(question.contains("p.proname IN ('a''b', E'c\\\\d') GROUP BY"), "{question}");
        assert!(ANEW.is_sorted());
    }
}
