//! Pools of nothing: what acquiring and releasing costs when the connection itself is free.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Failure, Result, ensure};
use crate::goal::Goal;
use crate::peer::{aquifer_pool, bb8, deadpool, semaphore};
use crate::registry::{Peer, Workload};

/// The size of every pool.
pub const CONNECTIONS: u32 = 10;
/// Tasks of `pool_1000`.
pub const TASKS: u64 = 1_000;

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pool_1",
        about: "one task acquires and releases a connection, out of 10",
        unit: "acquire",
        sample: 100,
        sample_of: "100 acquires",
        granule: |_| 1_000,
        counted: (1_000, 5_000),
        stored: false,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer-pool", aquifer_pool::alone),
            Peer::on_runtime("aquifer-pool_owned", aquifer_pool::alone_owned),
            Peer::on_runtime("deadpool", deadpool::alone),
            Peer::on_runtime("bb8", bb8::alone),
            Peer::on_runtime("semaphore", semaphore::alone),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer-pool", peer: "deadpool", at_least: 1.5 },
            Goal::Allocations { ours: "aquifer-pool", at_most: 0.001 },
        ],
    },
    Workload {
        name: "pool_1000",
        about: "1 000 tasks share 10 connections; each holder yields once",
        unit: "acquire",
        sample: 1,
        sample_of: "one acquire, hold and release of a task",
        granule: |_| 20_000,
        counted: (10_000, 30_000),
        stored: false,
        server: None,
        placed: None,
        peers: &[
            Peer::on_runtime("aquifer-pool", aquifer_pool::crowd),
            Peer::on_runtime("deadpool", deadpool::crowd),
            // Ours always has an acquire timeout; this is what one costs there.
            Peer::on_runtime("deadpool_timeout", deadpool::crowd_with_timeout),
            Peer::on_runtime("bb8", bb8::crowd),
            Peer::on_runtime("semaphore", semaphore::crowd),
        ],
        goals: &[
            Goal::Faster { ours: "aquifer-pool", peer: "deadpool", at_least: 1.1 },
            Goal::Fair { ours: "aquifer-pool", at_most: 1.1 },
            Goal::Allocations { ours: "aquifer-pool", at_most: 0.001 },
        ],
    },
];

/// What the pools lend: a number, and whether somebody has it.
#[derive(Debug)]
pub struct Connection {
    number: u32,
    lent: bool,
}

impl Connection {
    /// # Errors
    ///
    /// If the pool was lent this connection twice, or has more than it should.
    #[inline]
    pub fn take(&mut self) -> Result<()> {
        ensure(!self.lent, "a connection was lent to two tasks at once")?;
        ensure(self.number < CONNECTIONS, "the pool opened more connections than its limit")?;
        self.lent = true;
        Ok(())
    }

    #[inline]
    pub fn give_back(&mut self) {
        self.lent = false;
    }
}

/// Makes the connections of one pool.
#[derive(Debug, Default)]
pub struct Maker {
    made: AtomicU32,
}

impl Maker {
    pub fn make(&self) -> Connection {
        Connection { number: self.made.fetch_add(1, Ordering::Relaxed), lent: false }
    }
}

/// What goes wrong with these connections: nothing.
#[derive(Debug)]
pub struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number cannot fail")
    }
}

impl std::error::Error for Never {}

/// A pool must be full before it is measured: ten connections that exist, not one that is quick.
///
/// # Errors
///
/// If there are fewer.
pub fn full(open: usize) -> Result<()> {
    if open == CONNECTIONS as usize {
        Ok(())
    } else {
        Err(Failure::new(format!("the pool has {open} connections, not {CONNECTIONS}")))
    }
}
