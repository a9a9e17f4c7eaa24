//! PostgreSQL transactions: what of them can go together without waiting, and what has to wait.

use crate::goal::Goal;
use crate::peer::postgres::{aquifer_tx, deadpool, sqlx_tx, tokio_postgres_tx};
use crate::registry::{Peer, Workload};
use crate::server::Engine;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pg_tx4",
        about: "BEGIN, SELECT ... FOR UPDATE, UPDATE with what it gave, COMMIT, from 8 tasks over a pool of 10: ours \
                with the UPDATE sent along with the COMMIT, and awaited one by one (_awaited) as by the others",
        unit: "transaction",
        sample: 1,
        sample_of: "one transaction of a task",
        granule: |_| 800,
        counted: (400, 2_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_tx::raise),
            Peer::on_runtime("aquifer_awaited", aquifer_tx::raise_awaited),
            Peer::on_runtime("deadpool", deadpool::raise),
            Peer::on_runtime("sqlx", sqlx_tx::raise),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.4 },
            Goal::Fair { ours: "aquifer", at_most: 1.2 },
        ],
    },
    Workload {
        name: "pg_enqueue",
        about: "1 000 inserts in a transaction, with parameters: ours queued, as a batch (_batch), and awaited one by \
                one (_awaited) as by the others; tokio_postgres also all in flight (_joined)",
        unit: "row",
        sample: 1,
        sample_of: "a transaction of 1 000",
        granule: |_| INSERTS,
        counted: (INSERTS, 3 * INSERTS),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_tx::enqueue),
            Peer::on_runtime("aquifer_batch", aquifer_tx::batch),
            Peer::on_runtime("aquifer_awaited", aquifer_tx::awaited),
            Peer::on_runtime("tokio_postgres", tokio_postgres_tx::awaited),
            Peer::on_runtime("tokio_postgres_joined", tokio_postgres_tx::joined),
            Peer::on_runtime("sqlx", sqlx_tx::awaited),
        ],
        goals: &[Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.5 }],
    },
];

/// Tasks of `pg_tx4`.
pub const TASKS: u64 = 8;
/// Rows of one transaction of `pg_enqueue`.
pub const INSERTS: u64 = 1_000;

pub const LOCK: &str = "SELECT id, level_m FROM gauges WHERE id = $1 FOR UPDATE";
pub const SET: &str = "UPDATE gauges SET level_m = $2 WHERE id = $1";
pub const INSERT: &str = "INSERT INTO arrivals (id, code, river, level_m) VALUES ($1, $2, $3, $4)";

/// What a level becomes.
#[inline]
pub fn raised(level_m: f64) -> f64 {
    level_m + 0.01
}
