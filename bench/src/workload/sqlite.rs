//! SQLite: one row by its key, many rows, inserts. The same SQL and the same data for every peer.
//!
//! Over a file everybody has the write-ahead log with `synchronous = normal`.

use ::aquifer::FromRow;

use crate::drive::Request;
use crate::failure::{Result, ensure};
use crate::goal::Goal;
use crate::peer::{aquifer, aquifer_driver, rusqlite, sqlx};
use crate::registry::{Peer, Scale, Setting, Workload};

/// Tasks of `sqlite_point_64`.
pub const TASKS: u64 = 64;
/// Rows of one transaction of `sqlite_insert`.
pub const INSERTS: u64 = 1_000;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "sqlite_point",
        about: "one row of 10 000 by its key, into a struct of an integer, two strings and an optional float",
        unit: "select",
        sample: 100,
        sample_of: "100 selects",
        granule: |_| 1_000,
        counted: (1_000, 3_000),
        stored: true,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::point),
            Peer::on_runtime("aquifer_tuple", aquifer::point_tuple),
            Peer::on_runtime("aquifer_conn", aquifer::point_conn),
            Peer::on_runtime("driver_dyn", aquifer_driver::point_dyn),
            Peer::on_runtime("driver", aquifer_driver::point),
            Peer::blocking("rusqlite", rusqlite::point),
            Peer::on_runtime("sqlx", sqlx::point),
            Peer::on_runtime("sqlx_conn", sqlx::point_conn),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "rusqlite", at_least: 0.85 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 5.0 },
            Goal::Faster { ours: "aquifer", peer: "sqlx_conn", at_least: 5.0 },
            Goal::Faster { ours: "driver_dyn", peer: "driver", at_least: 0.97 },
            Goal::Instructions { ours: "driver_dyn", peer: "driver", at_most: 1.06 },
            Goal::Faster { ours: "aquifer", peer: "driver", at_least: 0.97 },
            Goal::Instructions { ours: "aquifer", peer: "driver", at_most: 1.06 },
            Goal::Faster { ours: "aquifer_conn", peer: "driver", at_least: 0.97 },
            Goal::Instructions { ours: "aquifer_conn", peer: "driver", at_most: 1.06 },
        ],
    },
    Workload {
        name: "sqlite_point_64",
        about: "the same from 64 tasks (rusqlite: from one thread, without tasks)",
        unit: "select",
        sample: 1,
        sample_of: "one select of a task, its turn included (rusqlite: one select)",
        granule: |_| 6_400,
        counted: (2_000, 6_000),
        stored: true,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer_shared", aquifer::point_64_shared),
            Peer::on_runtime("aquifer_worker", aquifer::point_64_worker),
            Peer::on_runtime("aquifer", aquifer::point_64),
            Peer::blocking("rusqlite", rusqlite::point),
            Peer::on_runtime("sqlx", sqlx::point_64),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer_shared", peer: "rusqlite", at_least: 0.45 },
            Goal::Fair { ours: "aquifer_shared", at_most: 1.1 },
            Goal::Fair { ours: "aquifer_worker", at_most: 1.1 },
        ],
    },
    Workload {
        name: "sqlite_scan",
        about: "a million rows, one after the other, each into a struct that is looked at and dropped",
        unit: "row",
        sample: 1,
        sample_of: "a whole scan",
        granule: rows,
        counted: (5_000, 20_000),
        stored: true,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::scan),
            Peer::on_runtime("aquifer_borrowed", aquifer::scan_borrowed),
            Peer::on_runtime("driver_dyn", aquifer_driver::scan_dyn),
            Peer::on_runtime("driver", aquifer_driver::scan),
            Peer::blocking("rusqlite", rusqlite::scan),
            Peer::blocking("rusqlite_borrowed", rusqlite::scan_borrowed),
            Peer::on_runtime("sqlx", sqlx::scan),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "rusqlite", at_least: 0.8 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 3.5 },
            Goal::Faster { ours: "driver_dyn", peer: "driver", at_least: 0.97 },
            Goal::Faster { ours: "aquifer", peer: "driver", at_least: 0.97 },
            Goal::Instructions { ours: "aquifer", peer: "driver", at_most: 1.06 },
            // Two strings in each row.
            Goal::Allocations { ours: "aquifer", at_most: 2.01 },
            Goal::Allocations { ours: "aquifer_borrowed", at_most: 0.01 },
        ],
    },
    Workload {
        name: "sqlite_select",
        about: "a million rows into a vector of structs",
        unit: "row",
        sample: 1,
        sample_of: "a whole select",
        granule: rows,
        counted: (5_000, 20_000),
        stored: true,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::select),
            Peer::blocking("rusqlite", rusqlite::select),
            Peer::on_runtime("sqlx", sqlx::select),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer", peer: "rusqlite", at_least: 0.8 },
            Goal::Faster { ours: "aquifer", peer: "sqlx", at_least: 3.5 },
        ],
    },
    Workload {
        name: "sqlite_insert",
        about: "1 000 inserts of three values in one transaction",
        unit: "row",
        sample: 1,
        sample_of: "a transaction of 1 000",
        granule: |_| INSERTS,
        counted: (INSERTS, 3 * INSERTS),
        stored: true,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer::insert),
            Peer::blocking("rusqlite", rusqlite::insert),
            Peer::on_runtime("sqlx", sqlx::insert),
        ],
        goals: &[Goal::Faster { ours: "aquifer", peer: "rusqlite", at_least: 0.8 }],
    },
];

fn rows(scale: Scale) -> u64 {
    match scale {
        Scale::Full => 1_000_000,
        Scale::Quick => 100_000,
        Scale::Counted => 20_000,
    }
}

/// Rows of a table that is asked for single ones.
pub const POINTS: u64 = 10_000;

/// How many rows the table of a scan has.
pub fn scanned(setting: &Setting) -> u64 {
    rows(setting.scale)
}

/// Asks for one row.
pub const POINT: &str = "SELECT id, code, river, level_m FROM stations WHERE id = ?";
/// Asks for the first so many.
pub const SCAN: &str = "SELECT id, code, river, level_m FROM stations WHERE id <= ?";
pub const INSERT: &str = "INSERT INTO readings (station_id, code, level_m) VALUES (?, ?, ?)";
pub const COUNT: &str = "SELECT count(*) FROM readings";
pub const CLEAR: &str = "DELETE FROM readings";

/// What everybody's file has; the databases in memory have no log.
pub const FILE_PRAGMAS: &str = "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;";

/// Makes the tables, with so many stations.
pub fn schema(stations: u64) -> String {
    format!(
        "CREATE TABLE stations (
             id INTEGER PRIMARY KEY, code TEXT NOT NULL, river TEXT NOT NULL, level_m REAL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {stations})
         INSERT INTO stations
         SELECT i, printf('S-%07d', i), 'River ' || (i % 97),
                CASE WHEN i % 10 = 0 THEN NULL ELSE (i % 700) / 100.0 END
         FROM n;
         CREATE TABLE readings (
             id INTEGER PRIMARY KEY, station_id INTEGER NOT NULL, code TEXT NOT NULL, level_m REAL);"
    )
}

/// A row, owned.
#[derive(Debug, FromRow, ::sqlx::FromRow)]
pub struct Station {
    pub id: i64,
    pub code: String,
    pub river: String,
    pub level_m: Option<f64>,
}

/// A row that borrows its strings.
#[derive(Debug, FromRow)]
pub struct StationRef<'r> {
    pub id: i64,
    pub code: &'r str,
    pub river: &'r str,
    pub level_m: Option<f64>,
}

/// The same as a tuple.
pub type StationTuple = (i64, String, String, Option<f64>);

/// Whether a row is the one that was asked for.
///
/// # Errors
///
/// If not.
#[inline]
pub fn check(key: i64, id: i64, code: &str, river: &str, level_m: Option<f64>) -> Result<()> {
    let right =
        id == key && code.len() == 9 && river.len() > 6 && level_m.is_none() == (key % 10 == 0);
    ensure(right, "the row is another one than was asked for")
}

impl Station {
    /// # Errors
    ///
    /// If it is not the row with this key.
    #[inline]
    pub fn check(&self, key: i64) -> Result<()> {
        check(key, self.id, &self.code, &self.river, self.level_m)
    }
}

impl StationRef<'_> {
    /// # Errors
    ///
    /// If it is not the row with this key.
    #[inline]
    pub fn check(&self, key: i64) -> Result<()> {
        check(key, self.id, self.code, self.river, self.level_m)
    }
}

/// The key that an operation asks for: every one equally often, in no order.
#[inline]
pub fn key(operation: u64) -> i64 {
    // The finalizer of splitmix64.
    let mut mixed = operation.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed % POINTS) as i64 + 1
}

/// Checks the rows of a scan as they come.
#[derive(Debug, Default)]
pub struct Scan {
    rows: i64,
}

impl Scan {
    /// The key of the next row.
    #[inline]
    pub fn next(&mut self) -> i64 {
        self.rows += 1;
        self.rows
    }

    /// # Errors
    ///
    /// If there were fewer or more rows than asked for.
    pub fn done(self, request: Request) -> Result<()> {
        ensure(self.rows.unsigned_abs() == request.count, "the scan gave another number of rows")
    }
}

/// The arguments of one insert.
#[inline]
pub fn reading(operation: u64) -> (i64, &'static str, f64) {
    (key(operation), "N-07", (operation % 700) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spread_over_the_table() {
        let keys: std::collections::HashSet<i64> = (0..100_000).map(key).collect();
        assert!(keys.iter().all(|key| (1..=POINTS as i64).contains(key)));
        assert!(keys.len() > POINTS as usize * 99 / 100);
    }
}
