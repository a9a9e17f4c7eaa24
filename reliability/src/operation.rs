//! Every public operation, with what it leaves behind: rows in `marks` with the tag that it was given.

use std::pin::Pin;
use std::time::Duration;

use aquifer::mysql::MysqlConnection;
use aquifer::postgres::PostgresConnection;
use aquifer::{Db, Executor, Result, ToParams, TxOptions};

use crate::Engine;

/// What is in `marks` afterwards: the parts 1 to `parts`, each once, if the operation has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// How many.
    pub parts: i64,
    /// If it has not: none of them or all; else any of them from the first on.
    pub atomic: bool,
}

impl Effect {
    /// Whether these parts, with how often each is there, may be what the operation has left.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn check(self, marks: &[(i64, i64)], succeeded: bool) -> std::result::Result<(), String> {
        if let Some((part, times)) = marks.iter().find(|(_, times)| *times != 1) {
            return Err(format!("part {part} is there {times} times"));
        }
        let found = marks.len() as i64;
        if !marks.iter().map(|(part, _)| *part).eq(1..=found) {
            return Err(format!("parts are missing before others: {marks:?}"));
        }
        let may_be = match (succeeded, self.atomic) {
            (true, _) => found == self.parts,
            (false, true) => found == 0 || found == self.parts,
            (false, false) => found <= self.parts,
        };
        if may_be {
            return Ok(());
        }
        Err(format!("{found} of {} parts are there, succeeded: {succeeded}", self.parts))
    }
}

type Run = fn(Db, Engine, i64) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A public operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// What it is called in tables and messages.
    pub name: &'static str,
    /// What it leaves.
    pub effect: Effect,
    /// Whether it calls a driver's own methods, which know nothing of the deadlines of a `Db`.
    pub past_the_db: bool,
    run: Run,
}

impl Operation {
    /// Runs it with this tag.
    pub fn run(
        &self,
        db: &Db,
        engine: Engine,
        tag: i64,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        (self.run)(db.clone(), engine, tag)
    }
}

const MARK: &str = "INSERT INTO marks (tag, part) VALUES (?, ?)";
const TAKE: &str = "UPDATE accounts SET balance = balance - ? WHERE id = ?";
/// Rows of a result that is read.
const ROWS: i64 = 30;

/// `all` or `parts` says whether what is left of a run that was cut short is all or nothing, or some of it.
macro_rules! operation {
    (@atomic all) => { true };
    (@atomic parts) => { false };
    ($name:literal, $parts:literal $atomic:ident, |$db:ident, $engine:ident, $tag:ident| $body:block) => {
        Operation {
            name: $name,
            effect: Effect { parts: $parts, atomic: operation!(@atomic $atomic) },
            past_the_db: false,
            run: |$db, $engine, $tag| {
                Box::pin(async move {
                    let _ = (&$engine, $tag);
                    $body
                    Ok(())
                })
            },
        }
    };
}

/// The operations that an engine has.
#[must_use]
pub fn operations(engine: Engine) -> Vec<Operation> {
    let mut all = vec![
        operation!("acquire, ping, reset", 0 all, |db, engine, tag| {
            let mut conn = db.acquire().await?;
            conn.ping().await?;
            conn.reset().await?;
        }),
        operation!("acquire, behind another", 0 all, |db, engine, tag| {
            // Over SQLite one connection writes, whatever their number.
            let all = match engine {
                Engine::Sqlite => 1,
                // Those that are shared are for nobody alone.
                _ => db.stats().pools[0].1.max_open_connections,
            };
            let mut held = Vec::new();
            for _ in 0..all {
                held.push(db.acquire().await?);
            }
            let leaves = async {
                tokio::task::yield_now().await;
                held.pop();
            };
            let (conn, ()) = tokio::join!(db.acquire(), leaves);
            conn?.ping().await?;
        }),
        operation!("exec, first use", 1 all, |db, engine, tag| {
            // A text that no connection has seen.
            db.exec(&format!("INSERT INTO marks (tag, part) VALUES (?, 1 + 0 * {tag})"), (tag,)).await?;
        }),
        operation!("exec, cached", 1 all, |db, engine, tag| {
            db.exec(MARK, (tag, 1)).await?.expect(1)?;
        }),
        operation!("exec, several statements", 2 parts, |db, engine, tag| {
            let sql = format!(
                "INSERT INTO marks (tag, part) VALUES ({tag}, 1); INSERT INTO marks (tag, part) VALUES ({tag}, 2)"
            );
            db.exec(&sql, ()).await?;
        }),
        operation!("get", 0 all, |db, engine, tag| {
            let first: i64 = db.get(engine.series(), (ROWS,)).await?;
            assert_eq!(first, 1);
        }),
        operation!("select", 0 all, |db, engine, tag| {
            let all: Vec<i64> = db.select(engine.series(), (ROWS,)).await?;
            assert!(all.into_iter().eq(1..=ROWS));
        }),
        operation!("select, first use", 0 all, |db, engine, tag| {
            // A text that nobody knows to be slow: it shares, where reads do.
            let sql = format!("{} -- {tag}", engine.series());
            let all: Vec<i64> = db.select(&sql, (ROWS,)).await?;
            assert!(all.into_iter().eq(1..=ROWS));
        }),
        operation!("rows, left half-way", 0 all, |db, engine, tag| {
            let mut rows = db.query(engine.series(), (ROWS,)).await?;
            for _ in 0..3 {
                rows.next().await?;
            }
        }),
        operation!("stream", 0 all, |db, engine, tag| {
            let mut stream = db.stream::<i64>(engine.series(), (ROWS,));
            let mut next = 1;
            while let Some(n) = stream.try_next().await? {
                assert_eq!(n, next);
                next += 1;
            }
            assert_eq!(next, ROWS + 1);
        }),
        operation!("statement that fails", 0 all, |db, engine, tag| {
            let failed = db.exec("INSERT INTO accounts (id, balance) VALUES (?, 0)", (1,)).await;
            let error = failed.expect_err("the key is taken");
            if error.kind() != aquifer::ErrorKind::UniqueViolation {
                return Err(error);
            }
        }),
        operation!("prepared statement", 1 all, |db, engine, tag| {
            let stmt = db.prepare(MARK).await?;
            stmt.exec((tag, 1)).await?.expect(1)?;
        }),
        operation!("bulk insert", 12 all, |db, engine, tag| {
            let rows: Vec<Mark> = (1..=12).map(|part| Mark { tag, part }).collect();
            db.exec_named("INSERT INTO marks (tag, part) VALUES (:tag, :part)", &rows[..]).await?;
        }),
        operation!("batch", 3 parts, |db, engine, tag| {
            let mut batch = db.batch();
            for part in 1..=3 {
                drop(batch.exec(MARK, (tag, part)));
            }
            let all = batch.select::<i64>(engine.series(), (ROWS,));
            let mut done = batch.send().await?;
            assert_eq!(done.take(all)?.len() as i64, ROWS);
            done.finish()?;
        }),
        operation!("atomic batch", 3 all, |db, engine, tag| {
            let mut batch = db.batch().atomic();
            for part in 1..=3 {
                drop(batch.exec(MARK, (tag, part)));
            }
            batch.send().await?.finish()?;
        }),
        operation!("transaction, committed", 2 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            transfer(&mut tx).await?;
            tx.exec(MARK, (tag, 1)).await?;
            tx.exec(MARK, (tag, 2)).await?;
            tx.commit().await?;
        }),
        operation!("transaction, tracked", 2 all, |db, engine, tag| {
            let mut tx = db.begin_with(TxOptions::new().track_commit()).await?;
            tx.exec(MARK, (tag, 1)).await?;
            tx.exec(MARK, (tag, 2)).await?;
            tx.commit().await?;
        }),
        operation!("transaction, marked", 2 all, |db, engine, tag| {
            let mut conn = db.acquire().await?;
            let mut tx = conn.begin_with(TxOptions::new().mark_commit()).await?;
            tx.exec(MARK, (tag, 1)).await?;
            tx.exec(MARK, (tag, 2)).await?;
            tx.commit().await?;
        }),
        operation!("transaction, queued and committed", 3 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.exec(TAKE, (0, 1)).await?;
            for part in 1..=3 {
                tx.enqueue(MARK, (tag, part)).await?;
            }
            tx.commit().await?;
        }),
        operation!("transaction, queued before calls", 4 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.enqueue(MARK, (tag, 1)).await?;
            tx.exec(MARK, (tag, 2)).await?;
            let mut savepoint = tx.savepoint().await?;
            savepoint.enqueue(MARK, (tag, 3)).await?;
            savepoint.release().await?;
            tx.enqueue(MARK, (tag, 4)).await?;
            let parts: i64 =
                tx.get("SELECT count(*) FROM marks WHERE tag = ?", (tag,)).await?;
            assert_eq!(parts, 4);
            tx.commit().await?;
        }),
        operation!("transaction, queued by names and prepared", 6 all, |db, engine, tag| {
            let named = "INSERT INTO marks (tag, part) VALUES (:tag, :part)";
            let mut tx = db.begin().await?;
            let stmt = tx.prepare(MARK).await?;
            stmt.on(&mut tx).enqueue((tag, 1)).await?;
            tx.enqueue_named(named, &[("tag", tag), ("part", 2)]).await?;
            let bulk: Vec<_> = (3..=5).map(|part| [("tag", tag), ("part", part)]).collect();
            tx.enqueue_named(named, &bulk[..]).await?;
            tx.flush().await?;
            stmt.on(&mut tx).enqueue((tag, 6)).await?;
            tx.commit().await?;
        }),
        operation!("transaction, tracked and queued", 2 all, |db, engine, tag| {
            let mut tx = db.begin_with(TxOptions::new().track_commit()).await?;
            tx.enqueue(MARK, (tag, 1)).await?;
            tx.enqueue(MARK, (tag, 2)).await?;
            tx.commit().await?;
        }),
        operation!("transaction, a queued statement fails", 0 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.enqueue(MARK, (tag, 1)).await?;
            tx.enqueue("INSERT INTO accounts (id, balance) VALUES (?, 0)", (1,)).await?;
            tx.enqueue(MARK, (tag, 2)).await?;
            let error = tx.commit().await.expect_err("the key is taken");
            if error.kind() != aquifer::ErrorKind::UniqueViolation {
                return Err(error);
            }
        }),
        operation!("transaction, rolled back", 0 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.exec(TAKE, (1, 1)).await?;
            tx.exec(MARK, (tag, 1)).await?;
            tx.rollback().await?;
        }),
        operation!("transaction, dropped", 0 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.exec(MARK, (tag, 1)).await?;
            drop(tx);
            db.get::<i64>("SELECT 1", ()).await?;
        }),
        operation!("transaction by closure", 2 all, |db, engine, tag| {
            db.try_transaction(TxOptions::new(), async |tx| {
                transfer(&mut *tx).await?;
                tx.exec(MARK, (tag, 1)).await?;
                tx.exec(MARK, (tag, 2)).await.map(drop)
            })
            .await?;
        }),
        operation!("savepoints", 2 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.exec(MARK, (tag, 1)).await?;
            let mut undone = tx.savepoint().await?;
            undone.exec(MARK, (tag, 9)).await?;
            undone.rollback().await?;
            let mut kept = tx.savepoint().await?;
            kept.exec(MARK, (tag, 2)).await?;
            let mut dropped = kept.savepoint().await?;
            dropped.exec(MARK, (tag, 8)).await?;
            drop(dropped);
            kept.release().await?;
            tx.commit().await?;
        }),
        operation!("cursor in a transaction", 1 all, |db, engine, tag| {
            let mut tx = db.begin().await?;
            tx.exec(MARK, (tag, 1)).await?;
            {
                let mut rows = tx.cursor(engine.series(), (ROWS,)).fetch_size(7).await?;
                for _ in 0..9 {
                    rows.next().await?;
                }
            }
            tx.commit().await?;
        }),
        operation!("endless statement, deadline", 0 all, |db, engine, tag| {
            let db = db.timeout(Duration::from_millis(30));
            let late = db.get::<Option<String>>(engine.endless(), ());
            let error = late.await.expect_err("it takes minutes");
            if !error.is_timeout() {
                return Err(error);
            }
        }),
        operation!("session changed", 0 all, |db, engine, tag| {
            let mut conn = db.acquire().await?;
            conn.exec(engine.set(), ()).await?;
            let set: i64 = conn.get(engine.is_set(), ()).await?;
            assert_eq!(set, 1);
        }),
    ];
    let mut own = match engine {
        Engine::Sqlite => Vec::new(),
        Engine::Postgres => vec![
            operation!("COPY in", 12 all, |db, engine, tag| {
                let rows: Vec<(i64, i32)> = (1..=12).map(|part| (tag, part)).collect();
                let mut conn = db.acquire().await?;
                let pg: &mut PostgresConnection = conn.driver()?;
                pg.copy_in_rows("marks", &["tag", "part"]).send(&rows).await?;
            }),
            operation!("COPY out", 0 all, |db, engine, tag| {
                let mut conn = db.acquire().await?;
                let pg: &mut PostgresConnection = conn.driver()?;
                let copy = pg.copy_out("COPY (SELECT generate_series(1, 30)) TO STDOUT").await?;
                let mut out = Vec::new();
                copy.write_to(&mut out).await?;
                assert_eq!(out.len(), 9 * 2 + 21 * 3);
            }),
        ],
        Engine::Mysql => vec![operation!("LOAD DATA", 12 all, |db, engine, tag| {
            let rows: String = (1..=12).map(|part| format!("{tag}\t{part}\n")).collect();
            let mut conn = db.acquire().await?;
            let my: &mut MysqlConnection = conn.driver()?;
            let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE marks (tag, part)";
            my.load_data(sql, "rows", rows.as_bytes()).await?;
        })],
    };
    own.iter_mut().for_each(|operation| operation.past_the_db = true);
    all.append(&mut own);
    all
}

#[derive(Debug, ToParams)]
struct Mark {
    tag: i64,
    part: i64,
}

/// Moves money there and back.
async fn transfer(mut db: impl Executor) -> Result<()> {
    db.exec(TAKE, (1, 1)).await?.expect(1)?;
    db.exec(TAKE, (-1, 2)).await?.expect(1)?;
    db.exec(TAKE, (1, 2)).await?.expect(1)?;
    db.exec(TAKE, (-1, 1)).await?.expect(1).map(drop)
}
