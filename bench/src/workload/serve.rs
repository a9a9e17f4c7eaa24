//! What starting a service takes, until it answers, and what it holds while nobody asks.

use crate::goal::Goal;
use crate::peer::program;
use crate::registry::{Peer, Workload};

/// The table.
pub const WORKLOADS: &[Workload] = &[Workload {
    name: "serve_start",
    about: "`aquifer serve` with nothing configured, from spawn to the first 200 of /readyz: the first \
            start, which makes and fills the demo; a later one; one with --memory",
    unit: "start",
    sample: 1,
    sample_of: "one start",
    granule: |_| 1,
    counted: (1, 2),
    stored: false,
    server: None,
    placed: None,
    peers: &[
        Peer::program("first", program::first),
        Peer::program("again", program::again),
        Peer::program("memory", program::memory),
    ],
    goals: &[
        Goal::Ready { ours: "first", below_ms: 300.0 },
        Goal::Ready { ours: "again", below_ms: 300.0 },
        Goal::Resident { ours: "first", below_mib: 40.0 },
        Goal::Resident { ours: "again", below_mib: 40.0 },
    ],
}];
