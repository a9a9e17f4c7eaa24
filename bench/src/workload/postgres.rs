//! PostgreSQL: one row by its key, alone, from many tasks and many in flight; many rows; logging in. The same
//! SQL and the same data for every peer, over TCP without TLS.

use crate::goal::Goal;
use crate::peer::postgres::{
    aquifer, aquifer_driver, deadpool, diesel, floor, floor_connect, libpq, sqlx, tokio_postgres,
};
use crate::registry::{Peer, Scale, Setting, Workload};
use crate::server::Engine;

/// Tasks of `pg_pool_64`.
pub const TASKS: u64 = 64;
/// Connections of every pool.
pub const CONNECTIONS: usize = 10;
/// Statements in flight of `pg_pipeline_64`.
pub const FLIGHT: u64 = 64;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pg_point",
        about: "one row of 10 000 by its key, prepared, on one connection, into a struct of an integer, \
                two strings and an optional float",
        unit: "select",
        sample: 1,
        sample_of: "one select",
        granule: |_| 1_000,
        counted: (500, 2_500),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::point),
            Peer::on_runtime("driver", aquifer_driver::point),
            Peer::on_runtime("floor", floor::point),
            Peer::blocking("floor_blocking", floor::point_blocking),
            Peer::on_runtime("tokio_postgres", tokio_postgres::point),
            Peer::on_runtime("sqlx", sqlx::point),
            Peer::on_runtime("diesel_async", diesel::point),
            Peer::foreign("libpq", libpq::point),
        ],
        goals: &[
            Goal::InstructionsEach { ours: "aquifer", at_most: 5_000.0 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.1 },
            Goal::Allocations { ours: "aquifer", at_most: 3.0 },
        ],
    },
    Workload {
        name: "pg_pool_1",
        about: "the same through a pool, from one task",
        unit: "select",
        sample: 1,
        sample_of: "one select",
        granule: |_| 1_000,
        counted: (500, 2_500),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::pool_1),
            Peer::on_runtime("deadpool", deadpool::pool_1),
            Peer::on_runtime("sqlx", sqlx::pool_1),
        ],
        goals: &[
            Goal::InstructionsEach { ours: "aquifer", at_most: 5_000.0 },
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.12 },
            Goal::Allocations { ours: "aquifer", at_most: 3.0 },
        ],
    },
    Workload {
        name: "pg_pool_64",
        about: "the same from 64 tasks over a pool of 10",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::pool_64),
            Peer::on_runtime("deadpool", deadpool::pool_64),
            Peer::on_runtime("sqlx", sqlx::pool_64),
            Peer::on_runtime("sqlx_no_ping", sqlx::pool_64_no_ping),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "deadpool", at_least: 1.08 },
            Goal::Lighter { ours: "aquifer", peer: "deadpool", at_most: 0.72 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 2.0 },
            Goal::Allocations { ours: "aquifer", at_most: 3.0 },
            Goal::Fair { ours: "aquifer", at_most: 1.1 },
        ],
    },
    Workload {
        name: "pg_pipeline_64",
        about: "64 selects in flight on one connection, in a transaction; one Sync where the peer can \
                (tokio_postgres: one each)",
        unit: "select",
        sample: 1,
        sample_of: "64 selects",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::pipeline),
            // Outside a transaction each statement stands alone, and so has its own Sync.
            Peer::on_runtime("aquifer_alone", aquifer::pipeline_alone),
            Peer::on_runtime("floor", floor::pipeline),
            Peer::blocking("floor_blocking", floor::pipeline_blocking),
            Peer::on_runtime("tokio_postgres", tokio_postgres::pipeline),
            Peer::foreign("libpq", libpq::pipeline),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "libpq", at_least: 1.0 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.8 },
            Goal::Lighter { ours: "aquifer", peer: "tokio_postgres", at_most: 0.2 },
        ],
    },
    Workload {
        name: "pg_scan",
        about: "a million rows, one after the other, each into a struct that is looked at and dropped",
        unit: "row",
        sample: 1,
        sample_of: "a whole scan",
        granule: stations,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::scan),
            Peer::on_runtime("aquifer_borrowed", aquifer::scan_borrowed),
            Peer::on_runtime("driver", aquifer_driver::scan),
            Peer::on_runtime("floor", floor::scan),
            Peer::blocking("floor_blocking", floor::scan_blocking),
            Peer::on_runtime("tokio_postgres", tokio_postgres::scan),
            Peer::on_runtime("sqlx", sqlx::scan),
            Peer::on_runtime("diesel_async", diesel::scan),
            Peer::foreign("libpq", libpq::scan),
        ],
        goals: &[
            Goal::Lighter { ours: "aquifer", peer: "floor", at_most: 1.4 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.35 },
            // Two strings in each row.
            Goal::Allocations { ours: "aquifer", at_most: 2.01 },
            Goal::Allocations { ours: "aquifer_borrowed", at_most: 0.01 },
        ],
    },
    Workload {
        name: "pg_collect",
        about: "a million rows into a vector of structs",
        unit: "row",
        sample: 1,
        sample_of: "a whole select",
        granule: stations,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::collect),
            Peer::on_runtime("floor", floor::collect),
            Peer::on_runtime("tokio_postgres", tokio_postgres::collect),
            Peer::on_runtime("sqlx", sqlx::collect),
            Peer::on_runtime("diesel_async", diesel::collect),
        ],
        goals: &[
            Goal::Memory { ours: "aquifer", peer: "floor", at_most: 1.1 },
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.35 },
        ],
    },
    Workload {
        name: "pg_connect",
        about: "a connection opened with SCRAM-SHA-256, asked for one row and closed",
        unit: "connect",
        sample: 1,
        sample_of: "one connection",
        granule: |_| 10,
        counted: (10, 30),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_driver::connect),
            Peer::on_runtime("floor", floor_connect::connect),
            Peer::on_runtime("tokio_postgres", tokio_postgres::connect),
            Peer::on_runtime("sqlx", sqlx::connect),
            Peer::on_runtime("diesel_async", diesel::connect),
            Peer::foreign("libpq", libpq::connect),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "tokio_postgres", at_least: 1.25 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 1.25 },
            Goal::Faster { ours: "aquifer", peer: "diesel_async", at_least: 1.25 },
            Goal::Faster { ours: "aquifer", peer: "libpq", at_least: 1.25 },
        ],
    },
];

/// How many rows the table has.
pub fn stations(scale: Scale) -> u64 {
    match scale {
        Scale::Full => 1_000_000,
        Scale::Quick => 100_000,
        Scale::Counted => 20_000,
    }
}

/// How many rows a scan reads.
pub fn scanned(setting: &Setting) -> u64 {
    stations(setting.scale)
}

/// Asks for one row.
pub const POINT: &str = "SELECT id, code, river, level_m FROM stations WHERE id = $1";
/// Asks for the first so many; the table is read as it was filled, by ascending keys.
pub const SCAN: &str = "SELECT id, code, river, level_m FROM stations LIMIT $1";
/// What a connection is asked before it is closed again: a simple query, for every peer.
pub const HELLO: &str = "SELECT 7";

/// Who logs in with a password.
#[derive(Debug)]
pub struct Login;

impl Login {
    pub const ROLE: &'static str = "gauge";
    pub const PASSWORD: &'static str = "high-water-1951";

    /// The server's URL with this role.
    pub fn url(server: &str) -> String {
        server.replacen("aquifer:aquifer@", &format!("{}:{}@", Self::ROLE, Self::PASSWORD), 1)
    }
}

/// Makes the table, with so many rows.
pub fn schema(stations: u64) -> String {
    format!(
        "CREATE TABLE stations (
             id bigint NOT NULL, code text NOT NULL, river text NOT NULL, level_m double precision);
         INSERT INTO stations
         SELECT i, 'S-' || lpad(i::text, 7, '0'), 'River ' || (i % 97),
                CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 700) / 100.0 END
         FROM generate_series(1, {stations}) AS n(i);
         ALTER TABLE stations ADD PRIMARY KEY (id);
         GRANT SELECT ON stations TO PUBLIC;"
    )
}

/// Does what later readers would else do row by row: hint bits and visibility.
pub const SETTLE: &str = "VACUUM (FREEZE, ANALYZE) stations";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_with_a_password_takes_the_place_of_the_one_without() {
        let url = Login::url("postgres://aquifer:aquifer@127.0.0.1:5/aquifer?sslmode=disable");
        assert_eq!(url, "postgres://gauge:high-water-1951@127.0.0.1:5/aquifer?sslmode=disable");
    }
}
