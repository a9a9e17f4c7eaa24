//! Counts that this process takes: round trips, Syncs, allocations, tasks.

use aquifer_testkit::{allocations, postgres::Traffic};
use tokio::runtime::Runtime;

use crate::Result;
use crate::operation::{Engine, Operation};
use crate::servers::Servers;
use crate::still::Still;

/// What one operation costs; `None` where it is not known or makes no sense.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Of the caller's process, in user mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<f64>,
    /// How often the client waited for the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) round_trips: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) syncs: Option<f64>,
    /// On the caller's thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations: Option<f64>,
    /// Spawned, blocking ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tasks: Option<f64>,
}

impl Counts {
    pub(crate) fn with(self, instructions: f64) -> Self {
        Self { instructions: Some(instructions), ..self }
    }

    /// Of each count the lesser.
    fn or_less(self, other: Self) -> Self {
        let less = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            instructions: less(self.instructions, other.instructions),
            round_trips: less(self.round_trips, other.round_trips),
            syncs: less(self.syncs, other.syncs),
            allocations: less(self.allocations, other.allocations),
            tasks: less(self.tasks, other.tasks),
        }
    }
}

/// All but the instructions. Of two runs that differ in length the difference, so that what a run costs by itself
/// (its tasks, the first growth of a buffer) is not counted; of several such pairs the least.
pub(crate) fn counts(operation: &Operation, servers: &Servers) -> Result<Counts> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watched = servers.watched(operation.engine);
    let (url, proxy) = match watched {
        Some((url, proxy)) => (url, Some(proxy)),
        None => (servers.url(operation.engine), None),
    };
    let _still = operation.still.then(|| runtime.block_on(async { Still::begin() }));
    let db = runtime.block_on(operation.open(&url))?;
    runtime.block_on(operation.run(&db, operation.warm_up()))?;
    let measured = |operations: u64| -> Result<Spent> {
        if let Some(proxy) = proxy {
            proxy.take();
        }
        let first = task_number(&runtime)?;
        let (done, spent) = allocations(|| runtime.block_on(operation.run(&db, operations)));
        done?;
        let last = task_number(&runtime)?;
        let traffic = proxy.map(|proxy| proxy.take()).unwrap_or_default();
        Ok(Spent { allocations: spent.count, tasks: last - first - 1, traffic })
    };
    let each = |more: u64, less: u64| {
        // To three places: what is left of the growth of buffers is not a regression.
        let each = more.saturating_sub(less) as f64 / operation.run as f64;
        Some((each * 1_000.0).round() / 1_000.0)
    };
    let round_trips = |spent: &Spent| sum(&spent.traffic, Traffic::round_trips);
    let syncs = |spent: &Spent| sum(&spent.traffic, |traffic| traffic.count_client(b'S'));
    let is_postgres = operation.engine == Engine::Postgres;
    let mut least = Counts::default();
    for _ in 0..PAIRS {
        let short = measured(operation.run)?;
        let long = measured(2 * operation.run)?;
        let here = Counts {
            instructions: None,
            round_trips: operation
                .waits
                .then(|| each(round_trips(&long), round_trips(&short)))
                .flatten(),
            syncs: is_postgres.then(|| each(syncs(&long), syncs(&short))).flatten(),
            allocations: each(long.allocations, short.allocations),
            tasks: each(long.tasks, short.tasks),
        };
        least = least.or_less(here);
    }
    Ok(least)
}

/// Pairs of runs. What a busy machine adds (a buffer that grows because a read came in other pieces) is not in all of
/// them, so the least counts.
const PAIRS: usize = 3;

#[derive(Debug)]
struct Spent {
    allocations: u64,
    tasks: u64,
    traffic: Vec<Traffic>,
}

fn sum(traffic: &[Traffic], count: impl Fn(&Traffic) -> usize) -> u64 {
    traffic.iter().map(count).sum::<usize>() as u64
}

/// The number of a task that is made now: tokio numbers all of a process's in sequence.
fn task_number(runtime: &Runtime) -> Result<u64> {
    let id = runtime.spawn(std::future::ready(())).id();
    Ok(id.to_string().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_counts_the_least_is_taken() {
        let one = Counts { allocations: Some(2.1), tasks: Some(0.0), ..Counts::default() };
        let other = Counts { allocations: Some(2.0), syncs: Some(1.0), ..Counts::default() };
        let least = Counts { tasks: Some(0.0), ..other };
        assert_eq!(one.or_less(other), least);
        assert_eq!(other.or_less(one), least);
    }

    #[test]
    fn each_spawned_task_is_counted_and_blocking_ones_too() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let counted = || {
            let before = task_number(&runtime).unwrap();
            runtime.block_on(async {
                tokio::spawn(std::future::ready(())).await.unwrap();
                tokio::task::spawn_blocking(|| ()).await.unwrap();
            });
            task_number(&runtime).unwrap() - before - 1
        };
        // Tasks of tests beside this one have numbers of the same sequence.
        assert_eq!((0..100).map(|_| counted()).min(), Some(2));
    }
}
