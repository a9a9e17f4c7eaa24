//! Interleaved rounds: A B C, C B A, ..., so that a slow minute of the machine hits every peer.

use std::time::Duration;

use crate::affinity::{Affinity, Pinned};
use crate::drive::Subject;
use crate::failure::{Failure, Result};
use crate::measure::{Plan, Slot, Watch, median, percentile};
use crate::peer::program;
use crate::registry::{Choice, Peer, Scale};
use crate::server::Server;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// About how long one peer works at a time.
    pub slot: Duration,
    pub scale: Scale,
}

/// The figures of one table.
#[derive(Debug)]
pub struct Compared {
    pub pinned: Pinned,
    pub figures: Vec<Figures>,
    /// Whether goals about speed are judged by CPU time, the server's included, instead of by the wall
    /// clock: where everything that works shares one CPU, the two are the same, but for what other
    /// processes take.
    pub by_cpu: bool,
    /// Where the server is that took part.
    pub server: Option<String>,
    /// Its version.
    pub version: Option<&'static str>,
}

/// One peer's figures: medians over the rounds.
#[derive(Debug)]
pub struct Figures {
    pub peer: &'static Peer,
    /// Operations per second, of each round.
    pub rates: Vec<f64>,
    /// Operations per second of client CPU, of each round.
    pub cpu_rates: Vec<f64>,
    /// Operations per second of CPU time, the server's included, of each round.
    pub work_rates: Vec<f64>,
    pub ops_s: f64,
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
    pub cpu_us_op: f64,
    /// The server's CPU time, where there is a server.
    pub server_us_op: Option<f64>,
    /// The most bytes that were held at once while allocations were counted.
    pub peak: Option<u64>,
    pub allocations: Option<f64>,
    pub instructions: Option<f64>,
    /// The most operations of one task over the fewest of one; infinite if a task got none.
    pub service: Option<f64>,
    /// Bytes of memory that a program held while idle.
    pub resident: Option<u64>,
}

impl Figures {
    /// [`resident`](Self::resident) in MiB.
    pub fn resident_mib(&self) -> Option<f64> {
        Some(self.resident? as f64 / f64::from(1 << 20))
    }
}

impl Compared {
    pub fn get(&self, name: &str) -> Option<&Figures> {
        self.figures.iter().find(|figures| figures.peer.name == name)
    }

    /// How many times the operations per second of `peer` the other one does: the median over the
    /// rounds, in each of which they ran beside each other.
    pub fn ratio(&self, ours: &str, peer: &str) -> Option<f64> {
        let (ours, peer) = (self.get(ours)?, self.get(peer)?);
        beside(&ours.rates, &peer.rates)
    }

    /// The same per second of CPU time, the server's included.
    pub fn work_ratio(&self, ours: &str, peer: &str) -> Option<f64> {
        let (ours, peer) = (self.get(ours)?, self.get(peer)?);
        beside(&ours.work_rates, &peer.work_rates)
    }

    /// The same per second of client CPU.
    pub fn cpu_ratio(&self, ours: &str, peer: &str) -> Option<f64> {
        let (ours, peer) = (self.get(ours)?, self.get(peer)?);
        beside(&ours.cpu_rates, &peer.cpu_rates)
    }
}

fn beside(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}

struct Contestant {
    peer: &'static Peer,
    server: Option<&'static Server>,
    subject: Box<dyn Subject>,
    operations: u64,
    /// The number of the next operation.
    next: u64,
    slots: Vec<Slot>,
    allocations: Option<f64>,
    peak: Option<u64>,
    resident: Option<u64>,
}

impl Contestant {
    fn run(&mut self, operations: u64, watch: Watch) -> Result<Slot> {
        let plan = Plan { operations, first: self.next, watch, server: self.server };
        let named = |error| Failure::new(format!("{}: {error}", self.peer.name));
        self.subject.prepare().map_err(named)?;
        let slot = self.subject.run(&plan).map_err(named)?;
        self.next += operations;
        Ok(slot)
    }

    /// Finds out how many operations fill a slot; this is the warm-up as well.
    fn calibrate(&mut self, slot: Duration, granule: u64, watch: Watch) -> Result<()> {
        let enough = slot / 5;
        let mut operations = granule;
        loop {
            let trial = self.run(operations, watch)?;
            if trial.elapsed >= enough {
                let fitting = operations as f64 * slot.div_duration_f64(trial.elapsed);
                let granules = (fitting / granule as f64).round().max(1.0) as u64;
                self.operations = granules * granule;
                return Ok(());
            }
            operations *= 4;
        }
    }
}

/// Runs all peers of a choice.
///
/// # Errors
///
/// The first peer's that cannot be set up, fails or answers wrongly.
pub fn compare(choice: &Choice, effort: &Effort) -> Result<Compared> {
    let workload = choice.workload;
    let is_program = choice.peers().iter().any(|peer| peer.program);
    if is_program {
        // Before anything is pinned: the compiler may have all CPUs.
        program::executable()?;
    }
    let affinity = Affinity::initial();
    let start = || workload.server.map(|engine| Server::shared(engine, effort.scale)).transpose();
    let (pinned, server) = choice.mode.pin(&affinity, start);
    let server = server?;
    let url = server.map(|server| server.url(choice.socket));
    let folder = choice.file.then(tempfile::tempdir).transpose()?;
    let granule = (workload.granule)(effort.scale);
    let watch = Watch::Time { sample: workload.sample };
    let mut contestants = Vec::new();
    for peer in choice.peers() {
        let folder = match &folder {
            Some(folder) => {
                let own = folder.path().join(peer.name);
                std::fs::create_dir(&own)?;
                Some(own)
            }
            None => None,
        };
        let setting = choice.setting(effort.scale, folder, url.clone());
        let subject = match (peer.build)(&setting) {
            Ok(subject) => subject,
            Err(error) if error.absent => {
                println!("{}: {} is left out: {error}", choice.name(), peer.name);
                continue;
            }
            Err(error) => return Err(Failure::new(format!("{}: {error}", peer.name))),
        };
        let mut contestant = Contestant {
            peer,
            server,
            subject,
            operations: 0,
            next: 0,
            slots: Vec::new(),
            allocations: None,
            peak: None,
            resident: None,
        };
        contestant.calibrate(effort.slot, granule, watch)?;
        contestants.push(contestant);
    }
    for round in 0..effort.rounds {
        let count = contestants.len();
        for place in 0..count {
            let index = if round % 2 == 0 { place } else { count - 1 - place };
            let contestant = &mut contestants[index];
            let slot = contestant.run(contestant.operations, watch)?;
            contestant.slots.push(slot);
        }
    }
    for contestant in &mut contestants {
        let operations = contestant.operations.min(granule.max(10_000));
        let slot = contestant.run(operations, Watch::Allocations)?;
        let allocations = slot.allocated.count as f64 / slot.operations as f64;
        let seen = !contestant.peer.program && !contestant.peer.foreign;
        contestant.allocations = seen.then_some(allocations);
        contestant.peak = seen.then_some(slot.allocated.peak);
        contestant.resident = slot.resident;
    }
    let figures = contestants.into_iter().map(summary).collect();
    affinity.all();
    let by_cpu = matches!(pinned, Pinned::To(_)) && !choice.file && !is_program;
    Ok(Compared { pinned, figures, by_cpu, server: url, version: server.map(Server::version) })
}

/// Fewer samples than this have no 99th percentile.
const P99_SAMPLES: usize = 100;

fn summary(contestant: Contestant) -> Figures {
    let Contestant { peer, server, mut slots, allocations, peak, resident, .. } = contestant;
    let rates: Vec<f64> =
        slots.iter().map(|slot| slot.operations as f64 / slot.elapsed.as_secs_f64()).collect();
    let cpu_rates: Vec<f64> =
        slots.iter().map(|slot| slot.operations as f64 / slot.cpu.as_secs_f64()).collect();
    let work = |slot: &Slot| slot.operations as f64 / (slot.cpu + slot.server).as_secs_f64();
    let work_rates: Vec<f64> = slots.iter().map(work).collect();
    let server_us = |slot: &Slot| slot.server.as_secs_f64() * 1e6 / slot.operations as f64;
    let server_us_op = server.and_then(|_| median(slots.iter().map(server_us)));
    let mut latency = |share, needed| {
        let of_rounds = slots.iter_mut().filter(|slot| slot.samples.len() >= needed);
        let of_rounds = of_rounds.filter_map(|slot| percentile(&mut slot.samples, share));
        median(of_rounds.map(|nanos| f64::from(nanos) / 1e3))
    };
    let (p50_us, p99_us) = (latency(0.5, 1), latency(0.99, P99_SAMPLES));
    Figures {
        peer,
        ops_s: median(rates.iter().copied()).unwrap_or(f64::NAN),
        rates,
        cpu_us_op: median(cpu_rates.iter().map(|rate| 1e6 / rate)).unwrap_or(f64::NAN),
        cpu_rates,
        work_rates,
        server_us_op,
        peak,
        p50_us,
        p99_us,
        allocations,
        instructions: None,
        resident,
        service: median(
            slots.iter().filter_map(|slot| slot.service).map(|(min, max)| max as f64 / min as f64),
        ),
    }
}
