//! MySQL and MariaDB: one row by its key, alone and from many tasks; many rows; a thousand rows inserted; logging in.
//! The same SQL and the same data for every peer, over TCP without TLS.

use crate::goal::Goal;
use crate::peer::mysql::{
    aquifer, aquifer_driver, floor, floor_connect, floor_insert, mysql_async, sqlx,
};
use crate::registry::{Peer, Scale, Setting, Workload};
use crate::server::Engine;

use super::sqlite::reading;
pub use super::sqlite::{POINT, SCAN};

/// Tasks of `mysql_pool_64`.
pub const TASKS: u64 = 64;
/// Statements in flight of `mysql_pipeline_64`.
pub const FLIGHT: u64 = 64;
/// Connections of every pool.
pub const CONNECTIONS: usize = 10;
/// Rows of one insert of `mysql_insert`.
pub const INSERTS: u64 = 1_000;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "mysql_point",
        about: "one row of 10 000 by its key, prepared, on one connection, into a struct of an integer, \
                two strings and an optional float",
        unit: "select",
        sample: 1,
        sample_of: "one select",
        granule: |_| 1_000,
        counted: (500, 2_500),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::point),
            Peer::on_runtime("driver", aquifer_driver::point),
            Peer::on_runtime("floor", floor::point),
            Peer::blocking("floor_blocking", floor::point_blocking),
            Peer::on_runtime("mysql_async", mysql_async::point),
            Peer::on_runtime("sqlx", sqlx::point),
        ],
        goals: &[
            Goal::InstructionsEach { ours: "aquifer", at_most: 5_000.0 },
            Goal::Faster { ours: "aquifer", peer: "mysql_async", at_least: 1.1 },
            Goal::Allocations { ours: "aquifer", at_most: 3.0 },
        ],
    },
    Workload {
        name: "mysql_pool_64",
        about: "the same from 64 tasks over a pool of 10; what a borrower changes in its session is undone \
                (aquifer, mysql_async) or not (the others)",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its wait included",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::pool_64),
            Peer::on_runtime("mysql_async", mysql_async::pool_64),
            Peer::on_runtime("mysql_async_no_reset", mysql_async::pool_64_no_reset),
            Peer::on_runtime("sqlx", sqlx::pool_64),
            Peer::on_runtime("sqlx_no_ping", sqlx::pool_64_no_ping),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "mysql_async", at_least: 2.5 },
            Goal::Faster { ours: "aquifer", peer: "mysql_async_no_reset", at_least: 1.0 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 2.0 },
            Goal::Allocations { ours: "aquifer", at_most: 3.0 },
            Goal::Fair { ours: "aquifer", at_most: 1.1 },
        ],
    },
    Workload {
        name: "mysql_pipeline_64",
        about: "64 of the same written at once on one connection (`pipeline`), against one by one on one connection \
                and 64 tasks over ten: what sharing connections could gain",
        unit: "select",
        sample: FLIGHT,
        sample_of: "64 selects",
        granule: |_| 6_400,
        counted: (1_280, 6_400),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("pipeline", aquifer::pipeline),
            Peer::on_runtime("point", aquifer::point),
            Peer::on_runtime("pool_64", aquifer::pool_64),
            Peer::on_runtime("mysql_async_no_reset", mysql_async::pool_64_no_reset),
        ],
        goals: &[],
    },
    Workload {
        name: "mysql_scan",
        about: "a million rows, one after the other, each into a struct that is looked at and dropped",
        unit: "row",
        sample: 1,
        sample_of: "a whole scan",
        granule: stations,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::scan),
            Peer::on_runtime("aquifer_borrowed", aquifer::scan_borrowed),
            Peer::on_runtime("driver", aquifer_driver::scan),
            Peer::on_runtime("floor", floor::scan),
            Peer::blocking("floor_blocking", floor::scan_blocking),
            Peer::on_runtime("mysql_async", mysql_async::scan),
            Peer::on_runtime("sqlx", sqlx::scan),
        ],
        goals: &[
            Goal::Lighter { ours: "aquifer", peer: "floor", at_most: 1.5 },
            Goal::Faster { ours: "aquifer", peer: "mysql_async", at_least: 1.2 },
            // Two strings in each row.
            Goal::Allocations { ours: "aquifer", at_most: 2.01 },
            Goal::Allocations { ours: "aquifer_borrowed", at_most: 0.01 },
        ],
    },
    Workload {
        name: "mysql_insert",
        about: "a thousand rows with keys of their own inserted and committed together: by a batch of one \
                statement, or by one statement of 1 000 VALUES (`_values`, sqlx)",
        unit: "row",
        sample: 1,
        sample_of: "1 000 rows",
        granule: |_| INSERTS,
        counted: (2_000, 10_000),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::insert),
            Peer::on_runtime("aquifer_values", aquifer::insert_values),
            Peer::on_runtime("floor_values", floor_insert::values),
            Peer::on_runtime("mysql_async", mysql_async::insert),
            Peer::on_runtime("mysql_async_values", mysql_async::insert_values),
            Peer::on_runtime("sqlx", sqlx::insert),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "mysql_async", at_least: 1.0 },
            Goal::Faster { ours: "aquifer", peer: "mysql_async_values", at_least: 1.0 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 1.0 },
        ],
    },
    Workload {
        name: "mysql_insert_keys",
        about: "the same into a table that makes the keys, which aquifer tells for each row",
        unit: "row",
        sample: 1,
        sample_of: "1 000 rows",
        granule: |_| INSERTS,
        counted: (2_000, 10_000),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::insert_keys),
            Peer::on_runtime("mysql_async", mysql_async::insert_keys),
        ],
        goals: &[],
    },
    Workload {
        name: "mysql_connect",
        about: "a connection opened with mysql_native_password, asked for one row and closed",
        unit: "connect",
        sample: 1,
        sample_of: "one connection",
        granule: |_| 10,
        counted: (10, 30),
        stored: false,
        server: Some(Engine::Mysql),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_driver::connect),
            Peer::on_runtime("floor", floor_connect::connect),
            Peer::on_runtime("mysql_async", mysql_async::connect),
            Peer::on_runtime("sqlx", sqlx::connect),
        ],
        // What the session is set up with is more than theirs: what changes in it is tracked.
        goals: &[],
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

/// What a connection is asked before it is closed again: a simple query, for every peer.
pub const HELLO: &str = "SELECT 7";

/// A table to insert into, and how.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// One row, with its key or without.
    pub insert: &'static str,
    /// What makes the table empty again, between the slots.
    pub empty: &'static str,
}

/// Keys are given.
pub const GIVEN: Target = Target {
    insert: "INSERT INTO readings (id, station_id, code, level_m) VALUES (?, ?, ?, ?)",
    empty: "TRUNCATE readings",
};
/// The table makes them.
pub const MADE: Target = Target {
    insert: "INSERT INTO numbered (station_id, code, level_m) VALUES (?, ?, ?)",
    empty: "TRUNCATE numbered",
};

/// The row of one operation, behind its key.
pub type Row = (i64, i64, &'static str, f64);

/// See [`Row`].
#[inline]
pub fn row(operation: u64) -> Row {
    let (station, code, level) = reading(operation);
    (operation as i64, station, code, level)
}

/// [`GIVEN`] for so many rows at once.
pub fn insert_values(rows: u64) -> String {
    let more = ", (?, ?, ?, ?)".repeat(rows.saturating_sub(1) as usize);
    format!("{}{more}", GIVEN.insert)
}

/// Makes the tables, with so many rows in the first. The `1..n` is MariaDB's sequence engine.
pub fn schema(stations: u64) -> String {
    format!(
        "CREATE TABLE stations (
             id BIGINT NOT NULL PRIMARY KEY, code VARCHAR(16) NOT NULL, river VARCHAR(32) NOT NULL,
             level_m DOUBLE);
         INSERT INTO stations
         SELECT seq, CONCAT('S-', LPAD(seq, 7, '0')), CONCAT('River ', seq % 97),
                IF(seq % 10 = 0, NULL, (seq % 700) / 100.0)
         FROM seq_1_to_{stations};
         CREATE TABLE readings (
             id BIGINT NOT NULL PRIMARY KEY, station_id BIGINT NOT NULL, code VARCHAR(16) NOT NULL,
             level_m DOUBLE);
         CREATE TABLE numbered LIKE readings;
         ALTER TABLE numbered MODIFY id BIGINT NOT NULL AUTO_INCREMENT;
         ANALYZE TABLE stations;"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_of_many_rows_has_a_placeholder_for_each_cell() {
        assert!(insert_values(2).ends_with(" VALUES (?, ?, ?, ?), (?, ?, ?, ?)"));
        assert_eq!(insert_values(1_000).matches('?').count(), 4_000);
    }
}
