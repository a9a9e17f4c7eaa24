//! What a workload promises, so that a table can say whether it is kept.

use std::fmt;

use crate::rounds::Compared;

/// A promise about the figures of one table.
#[derive(Debug)]
pub enum Goal {
    /// Operations per second are at least so many times a peer's; see [`Compared::by_cpu`].
    Faster { ours: &'static str, peer: &'static str, at_least: f64 },
    /// Instructions per operation are at most so many times a peer's.
    Instructions { ours: &'static str, peer: &'static str, at_most: f64 },
    /// Instructions per operation.
    InstructionsEach { ours: &'static str, at_most: f64 },
    /// Client CPU per operation is at most so many times a peer's.
    Lighter { ours: &'static str, peer: &'static str, at_most: f64 },
    /// The 99th percentile is at most so many times a peer's.
    Tail { ours: &'static str, peer: &'static str, at_most: f64 },
    /// The most memory held at once is at most so many times a peer's.
    Memory { ours: &'static str, peer: &'static str, at_most: f64 },
    /// Allocations per operation.
    Allocations { ours: &'static str, at_most: f64 },
    /// The best served task got at most so many times what the worst served one got.
    Fair { ours: &'static str, at_most: f64 },
    /// Half of the operations take less than so many milliseconds.
    Ready { ours: &'static str, below_ms: f64 },
    /// A program holds less than so much memory while idle.
    Resident { ours: &'static str, below_mib: f64 },
}

impl Goal {
    /// Whom it is about.
    #[cfg(test)]
    pub fn peers(&self) -> Vec<&'static str> {
        match *self {
            Self::Faster { ours, peer, .. }
            | Self::Instructions { ours, peer, .. }
            | Self::Lighter { ours, peer, .. }
            | Self::Tail { ours, peer, .. }
            | Self::Memory { ours, peer, .. } => vec![ours, peer],
            Self::InstructionsEach { ours, .. }
            | Self::Allocations { ours, .. }
            | Self::Fair { ours, .. }
            | Self::Ready { ours, .. }
            | Self::Resident { ours, .. } => vec![ours],
        }
    }

    /// The figure, and whether it is as promised; `None` if it was not measured.
    pub fn judge(&self, compared: &Compared) -> Option<(f64, bool)> {
        match *self {
            Self::Faster { ours, peer, at_least } => {
                let ratio = match compared.by_cpu {
                    true => compared.work_ratio(ours, peer)?,
                    false => compared.ratio(ours, peer)?,
                };
                Some((ratio, ratio >= at_least))
            }
            Self::Instructions { ours, peer, at_most } => {
                let of = |name| compared.get(name)?.instructions;
                let ratio = of(ours)? / of(peer)?;
                Some((ratio, ratio <= at_most))
            }
            Self::InstructionsEach { ours, at_most } => {
                let figure = compared.get(ours)?.instructions?;
                Some((figure, figure <= at_most))
            }
            Self::Lighter { ours, peer, at_most } => {
                let ratio = compared.cpu_ratio(peer, ours)?;
                Some((ratio, ratio <= at_most))
            }
            Self::Tail { ours, peer, at_most } => {
                let of = |name| compared.get(name)?.p99_us;
                let ratio = of(ours)? / of(peer)?;
                Some((ratio, ratio <= at_most))
            }
            Self::Memory { ours, peer, at_most } => {
                let of = |name| Some(compared.get(name)?.peak? as f64);
                let ratio = of(ours)? / of(peer)?;
                Some((ratio, ratio <= at_most))
            }
            Self::Allocations { ours, at_most } => {
                let figure = compared.get(ours)?.allocations?;
                Some((figure, figure <= at_most))
            }
            Self::Fair { ours, at_most } => {
                let figure = compared.get(ours)?.service?;
                Some((figure, figure <= at_most))
            }
            Self::Ready { ours, below_ms } => {
                let figure = compared.get(ours)?.p50_us? / 1e3;
                Some((figure, figure < below_ms))
            }
            Self::Resident { ours, below_mib } => {
                let figure = compared.get(ours)?.resident_mib()?;
                Some((figure, figure < below_mib))
            }
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Faster { ours, peer, at_least } => {
                write!(f, "{ours} >= {at_least} x {peer}")
            }
            Self::Instructions { ours, peer, at_most } => {
                write!(f, "{ours} <= {at_most} x the instructions of {peer}")
            }
            Self::InstructionsEach { ours, at_most } => {
                write!(f, "{ours} <= {at_most} instructions each")
            }
            Self::Lighter { ours, peer, at_most } => {
                write!(f, "{ours} <= {at_most} x the client CPU of {peer}")
            }
            Self::Tail { ours, peer, at_most } => {
                write!(f, "{ours}: p99 <= {at_most} x that of {peer}")
            }
            Self::Memory { ours, peer, at_most } => {
                write!(f, "{ours} <= {at_most} x the memory of {peer}")
            }
            Self::Allocations { ours, at_most } => {
                write!(f, "{ours} <= {at_most} allocations each")
            }
            Self::Fair { ours, at_most } => {
                write!(f, "{ours}: max/min service <= {at_most}")
            }
            Self::Ready { ours, below_ms } => {
                write!(f, "{ours}: ready in < {below_ms} ms")
            }
            Self::Resident { ours, below_mib } => {
                write!(f, "{ours}: < {below_mib} MiB resident when idle")
            }
        }
    }
}
