//! EXPLAIN: how the engine goes about a statement, as a typed tree.
//!
//! [`Explain`] makes the engine's text out of the user's, [`QueryPlan`] is read from what the engine
//! answers: `json` from PostgreSQL's documents, `steps` from SQLite's rows, `blocks` from MariaDB's and MySQL's
//! documents and `tree` from MySQL's texts. Nothing here keeps state.

mod blocks;
mod json;
mod plan;
mod slow;
mod steps;
mod tree;

use aquifer_driver::{Dialect, Error, ErrorKind, Grammar, Params, Result, TxOptions};

pub use plan::{Actual, Buffers, PlanNode, QueryPlan};
pub(crate) use slow::SlowPlans;

use crate::Db;
use crate::named::{self, NamedArgs};
use crate::sql::{self, Access, Kind, Lexis};
use crate::target::{Place, Target};
use crate::tx::{ConnTx, Savepoint};

/// MariaDB's and MySQL's question for a plan.
const DOCUMENT: &str = "EXPLAIN FORMAT=JSON";

/// Runs what follows, on whichever of the two the server is: `mysql:` URLs lead to both. Each takes the other's part
/// for a comment.
const ANALYZE: &str = "/*M!100100 ANALYZE FORMAT=JSON*//*!80018 EXPLAIN ANALYZE FORMAT=TREE*/";

/// What to ask of EXPLAIN. The default asks for the plan alone and runs nothing.
///
/// ```
/// use aquifer::Explain;
/// let explain = Explain::new().analyze().buffers().timing(false);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explain {
    /// See [`verbose`](Self::verbose).
    pub verbose: bool,
    /// See [`analyze`](Self::analyze).
    pub analyze: bool,
    /// See [`buffers`](Self::buffers).
    pub buffers: bool,
    /// See [`timing`](Self::timing).
    pub timing: bool,
    /// See [`rolled_back`](Self::rolled_back).
    pub rolled_back: bool,
}

impl Default for Explain {
    fn default() -> Self {
        Self::new()
    }
}

impl Explain {
    /// The plan alone.
    pub const fn new() -> Self {
        Self { verbose: false, analyze: false, buffers: false, timing: true, rolled_back: false }
    }

    /// Adds output columns, schema names and the like. PostgreSQL.
    #[must_use]
    pub const fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }

    /// Runs the statement and adds what really happened. PostgreSQL, MariaDB, and MySQL since 8.0.18 (which does
    /// not take every statement that writes). A statement that writes, or may, is refused unless it is
    /// [`rolled_back`](Self::rolled_back).
    ///
    /// Whether a statement writes is judged by its text. Where a `SELECT` may call a function that writes
    /// (all of them), that is rolled back, too.
    #[must_use]
    pub const fn analyze(mut self) -> Self {
        self.analyze = true;
        self
    }

    /// Adds the pages that were read and written. PostgreSQL; of the execution only with
    /// [`analyze`](Self::analyze).
    #[must_use]
    pub const fn buffers(mut self) -> Self {
        self.buffers = true;
        self
    }

    /// Whether [`analyze`](Self::analyze) reads the clock for each node, which can cost more than the
    /// work itself. Default: true; MariaDB and MySQL have nothing else, and refuse it.
    #[must_use]
    pub const fn timing(mut self, timing: bool) -> Self {
        self.timing = timing;
        self
    }

    /// Lets [`analyze`](Self::analyze) run a statement that writes, in a transaction that is rolled back:
    /// one of its own, or a savepoint in the one that is open. What a rollback does not undo stays done:
    /// sequences move, functions may have acted outside the database, and on MariaDB and MySQL tables of an engine
    /// without transactions stay changed, which is an error (1196).
    #[must_use]
    pub const fn rolled_back(mut self) -> Self {
        self.rolled_back = true;
        self
    }

    /// The engine's text, and whether it has to be rolled back.
    fn text(self, dialect: &Dialect, sql: &str) -> Result<(String, bool)> {
        let class = sql::classify(sql, &Lexis::from(dialect.grammar));
        if class.several || class.kind == Kind::Empty {
            return Err(refused(ErrorKind::Argument, "EXPLAIN takes one statement"));
        }
        let writes = class.access != Access::Read;
        if self.analyze && writes && (!self.rolled_back || class.controls) {
            let error = refused(
                ErrorKind::Argument,
                "EXPLAIN ANALYZE would run a statement that writes or may write",
            );
            return Err(error.with_hint(
                "ask for it with `rolled_back`, which runs it in a transaction that is rolled back",
            ));
        }
        let rolls_back = self.analyze && (writes || dialect.queries_may_write);
        let text = match dialect.grammar {
            Grammar::Postgres => {
                let mut options = "FORMAT JSON".to_owned();
                let mut add = |name: &str, on: bool| {
                    options.push_str(", ");
                    options.push_str(name);
                    options.push_str(if on { "" } else { " OFF" });
                };
                if self.verbose {
                    add("VERBOSE", true);
                }
                if self.analyze {
                    add("ANALYZE", true);
                    add("TIMING", self.timing);
                }
                // Since version 18 ANALYZE has it on by default.
                if self.analyze || self.buffers {
                    add("BUFFERS", self.buffers);
                }
                format!("EXPLAIN ({options}) {sql}")
            }
            Grammar::Sqlite => {
                if let Some(option) = self.beyond_the_plan() {
                    let problem = format!("this engine's EXPLAIN has no `{option}`");
                    return Err(refused(ErrorKind::Unsupported, &problem));
                }
                format!("EXPLAIN QUERY PLAN {sql}")
            }
            Grammar::MySql | Grammar::MariaDb => {
                let beyond = [
                    (self.verbose, "verbose"),
                    (self.buffers, "buffers"),
                    (self.analyze && !self.timing, "timing(false)"),
                ];
                if let Some((_, option)) = beyond.into_iter().find(|(asked, _)| *asked) {
                    let problem = format!("this engine's EXPLAIN has no `{option}`");
                    return Err(refused(ErrorKind::Unsupported, &problem));
                }
                match (self.analyze, dialect.grammar) {
                    (false, _) => format!("{DOCUMENT} {sql}"),
                    (true, Grammar::MariaDb) => format!("ANALYZE FORMAT=JSON {sql}"),
                    (true, _) => format!("{ANALYZE} {sql}"),
                }
            }
            _ => {
                let problem = "plans of this engine are not read yet";
                return Err(refused(ErrorKind::Unsupported, problem));
            }
        };
        Ok((text, rolls_back))
    }

    /// An option that asks for more than the plan.
    fn beyond_the_plan(self) -> Option<&'static str> {
        [(self.verbose, "verbose"), (self.analyze, "analyze"), (self.buffers, "buffers")]
            .into_iter()
            .find_map(|(asked, name)| asked.then_some(name))
    }
}

#[cold]
fn refused(kind: ErrorKind, problem: &str) -> Error {
    Error::new(kind, problem.to_owned()).with_nothing_sent(true)
}

impl Target<'_> {
    pub(crate) async fn explain<P: Params>(
        self,
        explain: Explain,
        sql: &str,
        params: P,
    ) -> Result<QueryPlan> {
        let db = self.handle();
        let (text, rolls_back) =
            explain.text(db.dialect(), sql).map_err(|error| db.refused(sql, error))?;
        if !rolls_back {
            return self.read_plan(&text, params).await;
        }
        match self.0 {
            Place::Db(db) => undone(db, &text, params).await,
            Place::Scoped(scope, None) => undone(&scope, &text, params).await,
            Place::Session(session) | Place::Scoped(_, Some(session)) => {
                if session.is_within_transaction() {
                    let mut savepoint = Savepoint::begin(session).await?;
                    let plan = savepoint.target().read_plan(&text, params).await;
                    savepoint.rollback().await?;
                    plan
                } else {
                    let mut tx = ConnTx::begin(session, TxOptions::new()).await?;
                    let plan = tx.target().read_plan(&text, params).await;
                    tx.rollback().await?;
                    plan
                }
            }
        }
    }

    pub(crate) async fn explain_named(
        self,
        explain: Explain,
        sql: &str,
        args: impl NamedArgs,
    ) -> Result<QueryPlan> {
        let (text, buf) = named::bind(self.handle(), sql, &args)?;
        self.explain(explain, text.sql(), buf).await
    }

    /// Runs the engine's own EXPLAIN and reads its answer.
    async fn read_plan<P: Params>(self, text: &str, params: P) -> Result<QueryPlan> {
        match self.handle().dialect().grammar {
            Grammar::Sqlite => steps::read(self.select(text, params).await?),
            Grammar::MySql | Grammar::MariaDb => {
                blocks::read(&self.select::<String, P>(text, params).await?)
            }
            _ => json::read(&self.select::<String, P>(text, params).await?),
        }
    }
}

/// In a transaction of its own.
async fn undone<P: Params>(db: &Db, text: &str, params: P) -> Result<QueryPlan> {
    let mut tx = db.begin().await?;
    let plan = tx.target().read_plan(text, params).await;
    tx.rollback().await?;
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::Placeholder;

    const POSTGRES: Dialect =
        Dialect::new("postgresql", Grammar::Postgres).placeholder(Placeholder::Dollar);
    const SQLITE: Dialect = Dialect::new("sqlite", Grammar::Sqlite);

    #[test]
    fn each_option_is_said_as_the_engine_wants_it() {
        let plain = Explain::new();
        let all = plain.verbose().analyze().buffers().timing(false);
        for (explain, expected) in [
            (plain, "EXPLAIN (FORMAT JSON) SELECT 1"),
            (plain.buffers(), "EXPLAIN (FORMAT JSON, BUFFERS) SELECT 1"),
            (plain.timing(false), "EXPLAIN (FORMAT JSON) SELECT 1"),
            (plain.analyze(), "EXPLAIN (FORMAT JSON, ANALYZE, TIMING, BUFFERS OFF) SELECT 1"),
            (all, "EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, TIMING OFF, BUFFERS) SELECT 1"),
        ] {
            assert_eq!(explain.text(&POSTGRES, "SELECT 1").unwrap(), (expected.to_owned(), false));
        }
        let text = plain.text(&SQLITE, "SELECT 1").unwrap().0;
        assert_eq!(text, "EXPLAIN QUERY PLAN SELECT 1");
        for option in [plain.verbose(), plain.analyze(), plain.buffers()] {
            let error = option.text(&SQLITE, "SELECT 1").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn what_writes_is_run_only_to_be_undone() {
        let analyze = Explain::new().analyze();
        for write in [
            "DELETE FROM t",
            "WITH d AS (DELETE FROM t RETURNING id) SELECT * FROM d",
            "SELECT nextval('s')",
            "SELECT id FROM t FOR UPDATE",
            "EXECUTE something",
        ] {
            assert_eq!(analyze.text(&POSTGRES, write).unwrap_err().kind(), ErrorKind::Argument);
            assert!(analyze.rolled_back().text(&POSTGRES, write).unwrap().1);
            assert!(!Explain::new().text(&POSTGRES, write).unwrap().1);
        }
        assert!(!analyze.rolled_back().text(&POSTGRES, "SELECT 1").unwrap().1);
        // These would end the transaction that is to undo them.
        for text in ["COMMIT", "SELECT 1; DELETE FROM t", "", "-- nothing"] {
            assert!(analyze.rolled_back().text(&POSTGRES, text).is_err(), "{text}");
        }
    }
}
