//! PostgreSQL's COPY: rows into a table and out of one, in binary.

use ::aquifer::ToParams;

use crate::drive::Request;
use crate::goal::Goal;
use crate::peer::postgres::{aquifer_copy, floor_copy, sqlx, tokio_postgres};
use crate::registry::{Peer, Workload};
use crate::server::Engine;
use crate::workload::postgres::stations;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pg_copy_in",
        about: "a million rows by binary COPY into an empty table (sqlx_raw has no rows: its bytes are written \
                by the floor's code)",
        unit: "row",
        sample: 1,
        sample_of: "a whole COPY",
        granule: stations,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_copy::rows),
            Peer::on_runtime("aquifer_named", aquifer_copy::named),
            Peer::on_runtime("aquifer_stream", aquifer_copy::stream),
            Peer::on_runtime("aquifer_writer", aquifer_copy::writer),
            Peer::on_runtime("floor", floor_copy::load),
            Peer::on_runtime("tokio_postgres", tokio_postgres::load),
            Peer::on_runtime("sqlx_raw", sqlx::load),
        ],
        goals: &[
            Goal::Lighter { ours: "aquifer", peer: "floor", at_most: 1.5 },
            Goal::Lighter { ours: "aquifer_named", peer: "floor", at_most: 1.5 },
            Goal::Lighter { ours: "aquifer_stream", peer: "floor", at_most: 1.5 },
            Goal::Allocations { ours: "aquifer", at_most: 0.01 },
        ],
    },
    Workload {
        name: "pg_copy_out",
        about: "a million rows by binary COPY, each into a struct that is looked at and dropped",
        unit: "row",
        sample: 1,
        sample_of: "a whole COPY",
        granule: stations,
        counted: (5_000, 20_000),
        stored: false,
        server: Some(Engine::Postgres),
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer", aquifer_copy::unload),
            Peer::on_runtime("floor", floor_copy::unload),
            Peer::on_runtime("tokio_postgres", tokio_postgres::unload),
        ],
        goals: &[
            // Two strings in each row.
            Goal::Allocations { ours: "aquifer", at_most: 2.01 },
        ],
    },
];

/// The table that rows are copied into. Without a log: what it costs the server is not the question.
pub const SCHEMA: &str = "CREATE UNLOGGED TABLE arrivals (
    id bigint NOT NULL, code text NOT NULL, river text NOT NULL, level_m double precision);";
/// What makes it empty again, between the slots.
pub const EMPTY: &str = "TRUNCATE arrivals";
pub const TABLE: &str = "arrivals";
pub const COLUMNS: [&str; 4] = ["id", "code", "river", "level_m"];
/// The same for peers that write their COPY by hand.
pub const COPY_IN: &str = "COPY arrivals (id, code, river, level_m) FROM STDIN (FORMAT binary)";

/// The query whose rows come out.
pub fn unloaded(rows: u64) -> String {
    format!("SELECT id, code, river, level_m FROM stations LIMIT {rows}")
}

/// The same for peers that write their COPY by hand.
pub fn copy_out(rows: u64) -> String {
    format!("COPY ({}) TO STDOUT (FORMAT binary)", unloaded(rows))
}

/// A row on its way in.
#[derive(Debug, Clone, Copy, ToParams)]
pub struct Arrival<'a> {
    pub id: i64,
    pub code: &'a str,
    pub river: &'a str,
    pub level_m: Option<f64>,
}

/// The rows to copy: what they are made of is made once, so that a row costs next to nothing.
#[derive(Debug)]
pub struct Arrivals {
    codes: Vec<String>,
    rivers: Vec<String>,
}

impl Arrivals {
    pub fn new() -> Self {
        Self {
            codes: (0..1024).map(|number| format!("S-{number:07}")).collect(),
            rivers: (0..128).map(|number| format!("River {number}")).collect(),
        }
    }

    #[inline]
    pub fn row(&self, operation: u64) -> Arrival<'_> {
        Arrival {
            id: operation as i64,
            code: &self.codes[operation as usize % self.codes.len()],
            river: &self.rivers[operation as usize % self.rivers.len()],
            level_m: (!operation.is_multiple_of(10)).then_some((operation % 700) as f64 / 100.0),
        }
    }
}

impl Arrivals {
    /// The rows of some operations.
    pub fn rows(&self, request: Request) -> Rows<'_> {
        Rows { arrivals: self, next: request.first, end: request.first + request.count }
    }
}

/// Rows as structs. A type with a name: a closure over borrowed rows, in a task, is more than the compiler
/// can follow.
#[derive(Debug)]
pub struct Rows<'a> {
    arrivals: &'a Arrivals,
    next: u64,
    end: u64,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Arrival<'a>;

    #[inline]
    fn next(&mut self) -> Option<Arrival<'a>> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        Some(self.arrivals.row(self.next - 1))
    }
}

/// Rows as tuples.
#[derive(Debug)]
pub struct Tuples<'a>(pub Rows<'a>);

impl<'a> Iterator for Tuples<'a> {
    type Item = (i64, &'a str, &'a str, Option<f64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Arrival { id, code, river, level_m } = self.0.next()?;
        Some((id, code, river, level_m))
    }
}
