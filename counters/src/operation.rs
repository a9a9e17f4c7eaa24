//! The operations, as a user writes them, and the tables that they work on.

use std::sync::Arc;

use aquifer::{Db, FromRow};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use crate::Result;

/// Something whose cost is watched.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// What one of it is.
    pub(crate) about: &'static str,
    pub(crate) engine: Engine,
    /// Goes behind the server's URL.
    parameters: &'static str,
    work: Work,
    /// How many of it make up one run; the counts are of the second of two such runs.
    pub(crate) run: u64,
    /// Whether it waits for each of its answers, so that its round trips can be told apart.
    pub(crate) waits: bool,
    /// Whether something in it looks at the clock, so that time has to [stand](crate::still) while it is counted.
    pub(crate) still: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Mysql,
    Sqlite,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    /// One row by its key.
    Point,
    /// The same from so many tasks at once.
    PointFrom(u64),
    /// A long result, row by row into a struct.
    Scan,
    /// A batch of inserts, in a transaction.
    Insert,
    /// BEGIN, SELECT ... FOR UPDATE, UPDATE, COMMIT.
    Transaction,
    /// The same with the UPDATE sent along with the COMMIT.
    Queued,
}

const SHARED: &str = "&pool_multiplex=reads";

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "pg_point",
        about: "PostgreSQL: one row by its key, Db::get",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::Point,
        run: 1_000,
        waits: true,
        still: false,
    },
    Operation {
        name: "pg_point_64",
        about: "PostgreSQL: the same from 64 tasks over a pool of 10",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::PointFrom(64),
        run: 6_400,
        waits: false,
        still: false,
    },
    Operation {
        name: "pg_shared_1",
        about: "PostgreSQL: one row by its key, Db::get, where connections are shared and nobody else is there",
        engine: Engine::Postgres,
        parameters: SHARED,
        work: Work::Point,
        run: 1_000,
        waits: true,
        still: true,
    },
    Operation {
        name: "pg_shared_64",
        about: "PostgreSQL: the same from 64 tasks that share",
        engine: Engine::Postgres,
        parameters: SHARED,
        work: Work::PointFrom(64),
        run: 6_400,
        waits: true,
        still: true,
    },
    Operation {
        name: "pg_scan_1000",
        about: "PostgreSQL: 1 000 rows, each into a struct, Db::query",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::Scan,
        run: 10,
        waits: true,
        still: false,
    },
    Operation {
        name: "pg_insert_100",
        about: "PostgreSQL: 100 inserts in a transaction, Tx::batch",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::Insert,
        run: 40,
        waits: true,
        still: false,
    },
    Operation {
        name: "pg_transaction",
        about: "PostgreSQL: BEGIN, SELECT FOR UPDATE, UPDATE, COMMIT",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::Transaction,
        run: 500,
        waits: true,
        still: false,
    },
    Operation {
        name: "pg_transaction_queued",
        about: "PostgreSQL: the same with the UPDATE by Tx::enqueue",
        engine: Engine::Postgres,
        parameters: "",
        work: Work::Queued,
        run: 500,
        waits: true,
        still: false,
    },
    Operation {
        name: "mysql_point",
        about: "MariaDB: one row by its key, Db::get",
        engine: Engine::Mysql,
        parameters: "",
        work: Work::Point,
        run: 1_000,
        waits: true,
        still: false,
    },
    Operation {
        name: "sqlite_point",
        about: "SQLite: one row by its key, Db::get",
        engine: Engine::Sqlite,
        parameters: "",
        work: Work::Point,
        run: 2_000,
        waits: false,
        still: false,
    },
    Operation {
        name: "sqlite_scan_1000",
        about: "SQLite: 1 000 rows, each into a struct, Db::query",
        engine: Engine::Sqlite,
        parameters: "",
        work: Work::Scan,
        run: 10,
        waits: false,
        still: false,
    },
];

/// Rows of the table that is read.
const STATIONS: u64 = 10_000;
/// Rows of one result, and of one batch.
const ROWS: u64 = 1_000;

/// Rows of the batch that is inserted: few enough to be sent in one write, so that the server does not begin to answer before it has them all.
const INSERTS: u64 = 100;

#[derive(Debug, FromRow)]
struct Station {
    id: i64,
    code: String,
    river: String,
    level_m: Option<f64>,
}

impl Station {
    /// An answer of another question would make the figure worthless.
    fn check(&self, key: i64) -> Result<()> {
        let right = self.id == key
            && self.code.len() == 9
            && self.river.len() > 6
            && self.level_m.is_none() == (key % 10 == 0);
        if right { Ok(()) } else { Err(format!("{self:?} is not the row {key}").into()) }
    }
}

impl Operation {
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        let found = OPERATIONS.iter().find(|operation| operation.name == name);
        found.ok_or_else(|| format!("there is no operation {name}").into())
    }

    /// What is run once, so that connections are open and statements known.
    pub(crate) fn warm_up(&self) -> u64 {
        self.run
    }

    /// Opens the server behind `url`, or a database in memory, with the tables.
    pub(crate) async fn open(&self, url: &str) -> Result<Db> {
        let db = Db::builder(&format!("{url}{}", self.parameters))?.max_open(10).open()?;
        if self.engine == Engine::Sqlite {
            db.exec(&schema(Engine::Sqlite), ()).await?;
        }
        Ok(db)
    }

    /// Does it so many times and checks every answer.
    pub(crate) async fn run(&self, db: &Db, operations: u64) -> Result<()> {
        match self.work {
            Work::Point => {
                for number in 0..operations {
                    point(db, self.engine, number).await?;
                }
                Ok(())
            }
            Work::PointFrom(tasks) => points(db, self.engine, operations, tasks).await,
            Work::Scan => {
                for _ in 0..operations {
                    scan(db, self.engine).await?;
                }
                Ok(())
            }
            Work::Insert => {
                for number in 0..operations {
                    insert(db, number).await?;
                }
                Ok(())
            }
            Work::Transaction | Work::Queued => {
                for number in 0..operations {
                    transaction(db, number, matches!(self.work, Work::Queued)).await?;
                }
                Ok(())
            }
        }
    }
}

/// Each key equally often, in no order.
fn key(number: u64) -> i64 {
    (number * 7_919 % STATIONS) as i64 + 1
}

async fn point(db: &Db, engine: Engine, number: u64) -> Result<()> {
    let sql = match engine {
        Engine::Postgres => "SELECT id, code, river, level_m FROM stations WHERE id = $1",
        Engine::Mysql | Engine::Sqlite => {
            "SELECT id, code, river, level_m FROM stations WHERE id = ?"
        }
    };
    let key = key(number);
    let station: Station = db.get(sql, (key,)).await?;
    station.check(key)
}

/// From so many tasks, which begin each round together: so what goes into one write does not depend on the machine.
async fn points(db: &Db, engine: Engine, operations: u64, tasks: u64) -> Result<()> {
    let start = Arc::new(Barrier::new(tasks as usize));
    let mut handles: Vec<JoinHandle<Result<()>>> = Vec::new();
    for task in 0..tasks {
        let (db, start) = (db.clone(), Arc::clone(&start));
        handles.push(tokio::spawn(async move {
            for round in 0..operations / tasks {
                start.wait().await;
                point(&db, engine, round * tasks + task).await?;
            }
            Ok(())
        }));
    }
    for handle in handles {
        handle.await??;
    }
    Ok(())
}

async fn scan(db: &Db, engine: Engine) -> Result<()> {
    let sql = match engine {
        Engine::Postgres => "SELECT id, code, river, level_m FROM stations LIMIT $1",
        Engine::Mysql | Engine::Sqlite => "SELECT id, code, river, level_m FROM stations LIMIT ?",
    };
    let mut rows = db.query(sql, (ROWS as i64,)).await?;
    let mut seen = 0;
    while let Some(row) = rows.next().await? {
        seen += 1;
        let station: Station = row.scan()?;
        station.check(seen)?;
    }
    if seen.unsigned_abs() == ROWS { Ok(()) } else { Err(format!("{seen} rows").into()) }
}

async fn insert(db: &Db, number: u64) -> Result<()> {
    const SQL: &str = "INSERT INTO arrivals (id, code, level_m) VALUES ($1, $2, $3)";
    let mut tx = db.begin().await?;
    let mut batch = tx.batch();
    let tickets: Vec<_> = (0..INSERTS)
        .map(|row| batch.exec(SQL, ((number * INSERTS + row) as i64, "N-07", 1.5)))
        .collect();
    let mut results = batch.send().await?;
    let mut inserted = 0;
    for ticket in tickets {
        inserted += results.take(ticket)?.rows_affected();
    }
    tx.commit().await?;
    if inserted == INSERTS { Ok(()) } else { Err(format!("{inserted} rows inserted").into()) }
}

async fn transaction(db: &Db, number: u64, queued: bool) -> Result<()> {
    const SET: &str = "UPDATE gauges SET level_m = $2 WHERE id = $1";
    let key = key(number);
    let mut tx = db.begin().await?;
    let lock = "SELECT id, level_m FROM gauges WHERE id = $1 FOR UPDATE";
    let (id, level_m): (i64, f64) = tx.get(lock, (key,)).await?;
    let mut right = id == key;
    if queued {
        tx.enqueue(SET, (key, level_m + 1.0)).await?;
    } else {
        let done = tx.exec(SET, (key, level_m + 1.0)).await?;
        right &= done.rows_affected() == 1;
    }
    tx.commit().await?;
    if right { Ok(()) } else { Err(format!("another row than {key} was changed").into()) }
}

/// Makes the tables.
pub(crate) fn schema(engine: Engine) -> String {
    match engine {
        Engine::Postgres => format!(
            "CREATE TABLE stations (id bigint NOT NULL, code text NOT NULL, river text NOT NULL, level_m double precision);
             INSERT INTO stations SELECT i, 'S-' || lpad(i::text, 7, '0'), 'River ' || (i % 97),
                    CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 700) / 100.0 END
             FROM generate_series(1, {STATIONS}) AS n(i);
             ALTER TABLE stations ADD PRIMARY KEY (id);
             CREATE UNLOGGED TABLE gauges (id bigint PRIMARY KEY, level_m double precision NOT NULL);
             INSERT INTO gauges SELECT id, 0 FROM stations;
             CREATE UNLOGGED TABLE arrivals (id bigint, code text, level_m double precision);
             VACUUM (FREEZE, ANALYZE) stations;"
        ),
        Engine::Mysql => format!(
            "CREATE TABLE stations (id BIGINT PRIMARY KEY, code VARCHAR(20) NOT NULL, river VARCHAR(40) NOT NULL, level_m DOUBLE);
             INSERT INTO stations SELECT seq, concat('S-', lpad(seq, 7, '0')), concat('River ', seq % 97),
                    IF(seq % 10 = 0, NULL, (seq % 700) / 100.0)
             FROM seq_1_to_{STATIONS};"
        ),
        Engine::Sqlite => format!(
            "CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT NOT NULL, river TEXT NOT NULL, level_m REAL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {STATIONS})
             INSERT INTO stations SELECT i, printf('S-%07d', i), 'River ' || (i % 97),
                    CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 700) / 100.0 END
             FROM n;"
        ),
    }
}
