//! PostgreSQL, statements of many tasks over few connections. The same SQL and the same data for every peer; each
//! answer is the row that was asked for, or the run fails.

use crate::drive::Threads;
use crate::goal::Goal;
use crate::peer::postgres::aquifer_shared::{Off, Ours, Reads1, Reads2, Statements1, Statements2};
use crate::peer::postgres::caller::{alone, errors, paced, paced_beside_stream, reads, writes};
use crate::peer::postgres::deadpool::Pooled;
use crate::peer::postgres::sqlx_shared::Sqlx;
use crate::peer::postgres::tokio_postgres_shared::OneSession;
use crate::peer::postgres::{aquifer_plain, floor};
use crate::registry::{Mode, Peer, Scale, Workload};
use crate::server::Engine;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pg_shared_64",
        about: "one row of 10 000 by its key from 64 tasks: ours over two shared connections, over one (_1) and over \
                a pool of 10 (_off), others over a pool of 10; tokio_postgres over one shared connection; all in the \
                same loops, and ours also written as a program that does nothing else (_plain); the floor without \
                tasks, 64 in flight with one Sync",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included (floor: 64 selects)",
        granule: |_| 6_400,
        // Long enough for what the clock does in between to matter little.
        counted: (6_400, 38_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", reads::<Ours<Reads2>, 64>),
            Peer::on_runtime("aquifer_1", reads::<Ours<Reads1>, 64>),
            Peer::on_runtime("aquifer_plain", aquifer_plain::reads::<Reads2, 64>),
            Peer::on_runtime("aquifer_plain_1", aquifer_plain::reads::<Reads1, 64>),
            Peer::on_runtime("aquifer_off", reads::<Ours<Off>, 64>),
            Peer::on_runtime("deadpool", reads::<Pooled, 64>),
            Peer::on_runtime("sqlx", reads::<Sqlx, 64>),
            Peer::on_runtime("tokio_postgres", reads::<OneSession, 64>),
            Peer::on_runtime("floor", floor::pipeline),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 3.0 },
            Goal::Faster { ours: "aquifer_1", peer: "deadpool", at_least: 3.0 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 5.5 },
            Goal::Faster { ours: "aquifer_1", peer: "sqlx", at_least: 5.5 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 2.1 },
            Goal::Faster { ours: "aquifer_1", peer: "tokio_postgres", at_least: 2.1 },
            Goal::InstructionsEach { ours: "aquifer_plain", at_most: 3_000.0 },
            Goal::InstructionsEach { ours: "aquifer_plain_1", at_most: 3_000.0 },
            Goal::Fair { ours: "aquifer", at_most: 1.2 },
            Goal::Fair { ours: "aquifer_1", at_most: 1.2 },
        ],
    },
    Workload {
        name: "pg_shared_1000",
        about: "the same from 1 000 tasks; ours over two shared connections and over one (_1), both also from 64 (_64); the \
                floor without tasks, 128 in flight over one connection or each of two (_two), and with as much memory to be touched as a \
                thousand tasks have (_cold)",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 20_000,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", reads::<Ours<Reads2>, 1_000>),
            Peer::on_runtime("aquifer_64", reads::<Ours<Reads2>, 64>),
            Peer::on_runtime("aquifer_1", reads::<Ours<Reads1>, 1_000>),
            Peer::on_runtime("aquifer_1_64", reads::<Ours<Reads1>, 64>),
            Peer::on_runtime("deadpool", reads::<Pooled, 1_000>),
            Peer::on_runtime("sqlx", reads::<Sqlx, 1_000>),
            Peer::on_runtime("tokio_postgres", reads::<OneSession, 1_000>),
            Peer::on_runtime("floor", floor::pipeline_twice),
            Peer::on_runtime("floor_cold", floor::pipeline_cold),
            Peer::on_runtime("floor_two", floor::pipelines),
            Peer::on_runtime("floor_two_cold", floor::pipelines_cold),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "aquifer_64", at_least: 1.0 },
            Goal::Faster { ours: "aquifer_1", peer: "aquifer_1_64", at_least: 1.0 },
            // Those of 64 tasks.
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 3.0 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 5.5 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 2.1 },
            Goal::Fair { ours: "aquifer", at_most: 1.2 },
        ],
    },
    Workload {
        name: "pg_shared_writes",
        about: "the same from 64 tasks, of whose calls each tenth updates one row by its key: ours with reads shared, \
                and with all statements shared (_statements)",
        unit: "call",
        sample: 1,
        sample_of: "one call of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", writes::<Ours<Reads2>, 64>),
            Peer::on_runtime("aquifer_statements", writes::<Ours<Statements2>, 64>),
            Peer::on_runtime("deadpool", writes::<Pooled, 64>),
            Peer::on_runtime("sqlx", writes::<Sqlx, 64>),
            Peer::on_runtime("tokio_postgres", writes::<OneSession, 64>),
        ],
        goals: &[Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.8 }],
    },
    Workload {
        name: "pg_shared_each",
        about: "the selects from 64 tasks, ours with a Sync for each: over two shared connections and over one (_1)",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", reads::<Ours<Statements2>, 64>),
            Peer::on_runtime("aquifer_1", reads::<Ours<Statements1>, 64>),
            Peer::on_runtime("deadpool", reads::<Pooled, 64>),
            Peer::on_runtime("sqlx", reads::<Sqlx, 64>),
            Peer::on_runtime("tokio_postgres", reads::<OneSession, 64>),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.75 },
            Goal::Faster { ours: "aquifer_1", peer: "deadpool", at_least: 1.45 },
            Goal::Fair { ours: "aquifer", at_most: 1.2 },
        ],
    },
    Workload {
        name: "pg_shared_errors",
        about: "the selects from 64 tasks, each hundredth of which divides by zero",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", errors::<Ours<Reads2>, 64>),
            Peer::on_runtime("aquifer_1", errors::<Ours<Reads1>, 64>),
            Peer::on_runtime("deadpool", errors::<Pooled, 64>),
            Peer::on_runtime("sqlx", errors::<Sqlx, 64>),
            Peer::on_runtime("tokio_postgres", errors::<OneSession, 64>),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 2.5 },
            Goal::Fair { ours: "aquifer", at_most: 1.2 },
        ],
    },
    Workload {
        name: "pg_shared_mt",
        about: "the selects from 64 tasks on two workers, client and server on all CPUs",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: Some((Mode::Free, Threads::Mt)),
        peers: &[
            Peer::on_runtime("aquifer", reads::<Ours<Reads2>, 64>),
            Peer::on_runtime("aquifer_1", reads::<Ours<Reads1>, 64>),
            Peer::on_runtime("deadpool", reads::<Pooled, 64>),
            Peer::on_runtime("sqlx", reads::<Sqlx, 64>),
            Peer::on_runtime("tokio_postgres", reads::<OneSession, 64>),
        ],
        goals: &[Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 2.4 }],
    },
    Workload {
        name: "pg_shared_mt_8",
        about: "the same from 8 tasks",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: Some((Mode::Free, Threads::Mt)),
        peers: &[
            Peer::on_runtime("aquifer", reads::<Ours<Reads2>, 8>),
            Peer::on_runtime("aquifer_1", reads::<Ours<Reads1>, 8>),
            Peer::on_runtime("deadpool", reads::<Pooled, 8>),
            Peer::on_runtime("sqlx", reads::<Sqlx, 8>),
            Peer::on_runtime("tokio_postgres", reads::<OneSession, 8>),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.0 },
            Goal::Faster { ours: "aquifer_1", peer: "deadpool", at_least: 1.0 },
        ],
    },
    Workload {
        name: "pg_shared_latency",
        about: "a thousand selects a second, each at its time, while one task reads a million rows through the same \
                pool, a hundred at a time with pauses; and without that task (_alone)",
        unit: "select",
        sample: 1,
        sample_of: "one select, from the time it was meant to begin",
        granule: |scale| match scale {
            Scale::Full => 2 * PER_SECOND as u64,
            Scale::Quick | Scale::Counted => PER_SECOND as u64 / 5,
        },
        counted: (200, 1_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", paced_beside_stream::<Ours<Reads2>>),
            Peer::on_runtime("aquifer_alone", paced::<Ours<Reads2>>),
            Peer::on_runtime("deadpool", paced_beside_stream::<Pooled>),
            Peer::on_runtime("deadpool_alone", paced::<Pooled>),
        ],
        goals: &[Goal::Tail { ours: "aquifer", peer: "aquifer_alone", at_most: 2.0 }],
    },
    Workload {
        name: "pg_shared_1",
        about: "the selects from one task: ours with reads shared, and with a connection to itself (_off)",
        unit: "select",
        sample: 1,
        sample_of: "one select",
        granule: |_| 1_000,
        counted: (500, 2_500),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", alone::<Ours<Reads2>>),
            Peer::on_runtime("aquifer_off", alone::<Ours<Off>>),
            Peer::on_runtime("deadpool", alone::<Pooled>),
            Peer::on_runtime("tokio_postgres", alone::<OneSession>),
        ],
        goals: &[Goal::Instructions { ours: "aquifer", peer: "aquifer_off", at_most: 1.03 }],
    },
];

/// Selects a second of `pg_shared_latency`: a small part of what one CPU can do.
pub const PER_SECOND: u32 = 1_000;
/// How the slow reader reads: so many rows, then a pause.
pub const ROWS_BETWEEN_PAUSES: u64 = 100;
pub const PAUSE_MS: u64 = 1;

/// Of the calls of `pg_shared_writes`, each tenth writes.
#[inline]
pub fn is_write(operation: u64) -> bool {
    operation % 10 == 9
}

/// What a select of `pg_shared_errors` divides its key by: each hundredth time by zero.
#[inline]
pub fn divisor(operation: u64) -> i64 {
    i64::from(operation % 100 != 99)
}

/// The select that can fail.
pub const DIVIDE: &str =
    "SELECT id, code, river, level_m FROM stations WHERE id = $1::bigint / $2::bigint";
/// What it fails with.
pub const DIVISION_BY_ZERO: &str = "22012";
/// Changes one row of those that nobody reads.
pub const RAISE: &str = "UPDATE gauges SET level_m = level_m + 0.01 WHERE id = $1";

/// The rows that are changed, as many as there are keys; with room for a row's next version beside it, and without
/// a log: what that costs the server is not the question.
pub const SCHEMA: &str =
    "CREATE UNLOGGED TABLE gauges (id bigint PRIMARY KEY, level_m double precision NOT NULL)
    WITH (fillfactor = 50);
INSERT INTO gauges SELECT i, 0 FROM generate_series(1, 10000) AS n(i);
VACUUM (FREEZE, ANALYZE) gauges;";
