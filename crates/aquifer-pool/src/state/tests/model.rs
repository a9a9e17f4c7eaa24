//! Random histories against a small reference model.
//!
//! The model is written for clarity with plain maps and vectors: it predicts who is served, in which order, what is closed and why, and what
//! is counted. What it does not predict, because any answer within bounds is right (how many dials, when to sweep), it checks
//! against the bounds. Every step compares everything. A failure prints the seed and the step.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env,
    time::{Duration, Instant},
};

use super::super::{
    Config, Errand, Job, Joined, Kept, Out, Passes, Polled, SlotId, State,
    slots::{Counts, Phase},
    waiters::{Seat, WaiterId},
};
use crate::{
    clock::{Nanos, nanos},
    error::{AcquireError, AcquireErrorKind, DialError},
    manage::{CloseReason, Fate},
    options::PoolOptions,
    random::Random,
};

type Connection = u64;
type Waker = u32;
type Pool = State<Connection, Waker, ()>;

const STEPS_PER_HISTORY: u64 = 500;
const HISTORIES: u64 = 2_000;

#[test]
fn soak_a_million_random_steps_agree_with_the_model() {
    let seed = |name| env::var(name).ok().map(|text: String| text.parse().expect("a whole number"));
    if let Some(seed) = seed("AQUIFER_POOL_SEED") {
        // One history again: the seed that a failure printed.
        return history(seed);
    }
    let first: u64 = seed("AQUIFER_SOAK_SEED").unwrap_or(1);
    (0..HISTORIES).for_each(|n| history(first.wrapping_add(n)));
    if let Ok(minutes) = env::var("AQUIFER_SOAK_MINUTES") {
        let minutes: f64 = minutes.parse().expect("a number of minutes");
        let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
        let mut seed = first.wrapping_add(HISTORIES);
        while Instant::now() < until {
            history(seed);
            seed = seed.wrapping_add(1);
        }
    }
}

fn history(seed: u64) {
    let mut world = World::new(seed);
    for step in 0..STEPS_PER_HISTORY {
        world.label = format!("AQUIFER_POOL_SEED={seed}, step {step}");
        world.step();
        world.compare();
    }
    world.finish();
}

#[derive(Clone, Debug)]
struct Wait {
    id: WaiterId,
    deadline: Nanos,
    joined: Nanos,
    decided: Option<Decided>,
    woken: bool,
    /// It looks at its deadline itself.
    timer: bool,
    kept: Vec<Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Decided {
    Granted(Connection),
    Failed(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    slot: SlotId,
    expires: Nanos,
    created: Nanos,
    rested: Nanos,
    healthy: Nanos,
    lent: Nanos,
    uses: u64,
    retire: bool,
    reclaimed: bool,
}

#[derive(Default)]
struct Tally {
    acquires: u64,
    waits: u64,
    waited: u64,
    timeouts: u64,
    refused: u64,
    deadlocks: u64,
    connects: u64,
    connect_failures: u64,
    holds: u64,
    closed: BTreeMap<&'static str, u64>,
}

struct World {
    label: String,
    random: Random,
    now: Nanos,
    options: PoolOptions,
    passes: Passes,
    pool: Pool,
    generation: u64,
    // The model.
    closed: bool,
    told_drained: bool,
    known: BTreeMap<Connection, Known>,
    /// Last in, last here.
    idle: Vec<Connection>,
    /// Undecided, first come first here.
    queue: VecDeque<Waker>,
    waits: BTreeMap<Waker, Wait>,
    lent: Vec<Connection>,
    dials: Vec<SlotId>,
    errands: Vec<(Connection, Errand)>,
    goodbyes: Vec<(Connection, bool)>,
    /// Work on slots that were given up, whose results will come late.
    late: Vec<(SlotId, Option<Connection>)>,
    parked: usize,
    tally: Tally,
    occupied_before: u32,
    next_waker: Waker,
    next_connection: Connection,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let ms = Duration::from_millis;
        let max_open = random.between(1, 6) as u32;
        let chance = |random: &mut Random, percent| random.between(1, 100) <= percent;
        let options = PoolOptions {
            max_open,
            min_idle: if chance(&mut random, 30) {
                random.between(0, u64::from(max_open)) as u32
            } else {
                0
            },
            max_idle: None,
            max_lifetime: chance(&mut random, 60).then(|| ms(random.between(500, 5_000))),
            max_idle_time: chance(&mut random, 60).then(|| ms(random.between(200, 3_000))),
            check_after: chance(&mut random, 60).then(|| ms(random.between(50, 1_000))),
            check_period: chance(&mut random, 60).then(|| ms(random.between(50, 1_000))),
            check_on_acquire: chance(&mut random, 10),
            check_on_release: chance(&mut random, 10),
            maintenance_period: ms(random.between(10, 300)),
            max_waiters: random.between(0, 12) as u32,
            max_connecting: random.between(1, 4) as u32,
            elide_dials: chance(&mut random, 70),
            leak_after: Some(ms(300)),
            warn_period: ms(100),
            reclaim_after: chance(&mut random, 30).then(|| ms(random.between(100, 1_000))),
            reclaim_max: random.between(1, 2) as u32,
            connect_timeout: ms(500),
            adaptive: chance(&mut random, 20),
            adaptive_min: 1,
            adaptive_period: ms(200),
            ..PoolOptions::default()
        };
        let max_idle =
            chance(&mut random, 30).then(|| random.between(u64::from(options.min_idle), 6) as u32);
        let options = PoolOptions { max_idle, ..options };
        options.validate().unwrap();
        let passes = Passes {
            before_acquire: chance(&mut random, 10),
            after_release: chance(&mut random, 10),
        };
        let mut pool = State::new(Config::new(&options, passes), seed);
        let generation = pool.start_maintenance(Nanos(0), &mut Out::new()).unwrap();
        World {
            label: String::new(),
            random,
            now: Nanos(0),
            options,
            passes,
            pool,
            generation,
            closed: false,
            told_drained: false,
            known: BTreeMap::new(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            waits: BTreeMap::new(),
            lent: Vec::new(),
            dials: Vec::new(),
            errands: Vec::new(),
            goodbyes: Vec::new(),
            late: Vec::new(),
            parked: 0,
            tally: Tally::default(),
            occupied_before: 0,
            next_waker: 0,
            next_connection: 0,
        }
    }

    fn pick(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.random.between(0, len as u64 - 1) as usize)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.between(1, 100) <= percent
    }

    fn step(&mut self) {
        let pause = match self.random.between(0, 9) {
            0..=4 => 0,
            5..=8 => self.random.between(0, 5_000_000),
            _ => self.random.between(0, 400_000_000),
        };
        self.now = self.now.after(pause);
        let event = self.random.between(0, 99);
        match event {
            0..=24 => self.acquire(),
            25..=39 => self.look(),
            40..=44 => self.cancel(),
            45..=64 => self.release(),
            65..=76 => self.dial_ends(),
            77..=83 => self.errand_ends(),
            84..=89 => self.goodbye_ends(),
            90..=94 => self.tick(),
            95 => self.reconfigure(),
            96 => self.late_result(),
            97 => self.unpark(),
            98 => self.dial_on_demand(),
            _ => {
                if self.chance(3) {
                    self.close();
                }
            }
        }
    }

    // Events.

    fn acquire(&mut self) {
        let mut out = Out::new();
        let mut holder = self.chance(50).then(|| "somebody".into());
        let watched = self.chance(70);
        let deadline = self.now.after(self.random.between(0, 600_000_000));
        let kept = self.some_kept();
        self.next_waker += 1;
        let waker = self.next_waker;
        if self.closed {
            let joined = self.pool.join(
                self.now,
                self.now,
                deadline,
                holder,
                watched,
                Vec::new(),
                waker,
                &mut out,
            );
            assert!(matches!(joined, Joined::Refused(AcquireError::Closed)), "{}", self.label);
            return;
        }
        let expected = self.model_take();
        let taken = self.pool.try_take(self.now, &mut holder, &mut out);
        if let Some(taken) = taken {
            self.absorb(out);
            assert_eq!(Some(taken.connection), expected, "{}", self.label);
            assert_eq!(taken.waited, 0);
            assert!(holder.is_none());
            self.model_lend(taken.connection);
            self.begin_lease(taken.connection, taken.slot, self.pool.history(taken.slot).uses);
            return;
        }
        self.absorb(out);
        assert_eq!(expected, None, "{}: an idle connection was not lent", self.label);
        let mut out = Out::new();
        match self.pool.join(
            self.now,
            self.now,
            deadline,
            holder,
            watched,
            kept.clone(),
            waker,
            &mut out,
        ) {
            Joined::Taken(_) => panic!("{}: nothing had changed", self.label),
            Joined::Refused(error) => {
                assert_eq!(out.garbage, Some(waker));
                match error.kind() {
                    AcquireErrorKind::QueueFull => {
                        assert_eq!(
                            self.queue.len(),
                            self.options.max_waiters as usize,
                            "{}",
                            self.label
                        );
                        self.tally.refused += 1;
                    }
                    AcquireErrorKind::Deadlock => {
                        assert!(self.all_are_kept(&kept), "{}: not all are kept", self.label);
                        self.tally.deadlocks += 1;
                    }
                    AcquireErrorKind::Timeout(_) => {
                        assert!(deadline <= self.now);
                        self.tally.timeouts += 1;
                    }
                    other => panic!("{}: {other:?}", self.label),
                }
                self.absorb(out);
            }
            Joined::Waiting { id, timer } => {
                assert!(self.queue.len() < self.options.max_waiters as usize, "{}", self.label);
                assert!(watched || timer, "{}", self.label);
                assert!(!self.all_are_kept(&kept), "{}: nobody can end this", self.label);
                let (joined, decided, woken) = (self.now, None, false);
                let wait = Wait { id, deadline, joined, decided, woken, timer, kept };
                self.waits.insert(waker, wait);
                self.queue.push_back(waker);
                self.tally.waits += 1;
                self.model_prepare();
                self.absorb(out);
            }
        }
    }

    /// Leases that a caller keeps while it waits. They may come back all the same: a scope is a promise of its user's.
    fn some_kept(&mut self) -> Vec<Kept> {
        if !self.chance(40) {
            return Vec::new();
        }
        let share = self.random.between(1, 100);
        let lent = self.lent.clone();
        let mut kept = Vec::new();
        for connection in lent {
            if self.chance(share) {
                kept.push(self.kept(connection));
            }
        }
        kept
    }

    fn kept(&self, connection: Connection) -> Kept {
        let known = self.known[&connection];
        Kept { slot: known.slot, uses: known.uses }
    }

    /// Whether each connection that counts is kept by one who waits, the next one included, and none will be added.
    fn all_are_kept(&self, next: &[Kept]) -> bool {
        let granted = self.waits.values().filter_map(|wait| match wait.decided {
            Some(Decided::Granted(connection)) => Some(connection),
            _ => None,
        });
        let lent = self.lent.iter().copied().filter(|lent| !self.known[lent].reclaimed);
        let leases: Vec<Kept> = lent.chain(granted).map(|lease| self.kept(lease)).collect();
        let kept = |lease: &Kept| {
            let waiting = self.queue.iter().map(|waker| &self.waits[waker]);
            next.contains(lease) || waiting.into_iter().any(|wait| wait.kept.contains(lease))
        };
        let fixed =
            self.pool.limit == self.options.max_open && self.options.reclaim_after.is_none();
        let full = leases.len() as u32 >= self.pool.limit;
        !next.is_empty() && fixed && full && leases.iter().all(kept)
    }

    fn look(&mut self) {
        let Some(nth) = self.pick(self.waits.len()) else { return };
        let (&waker, wait) = self.waits.iter().nth(nth).unwrap();
        let wait = wait.clone();
        let mut out = Out::new();
        let spent = wait.deadline <= self.now;
        let polled = if spent {
            self.pool.expire(wait.id, self.now, &mut out)
        } else {
            self.pool.poll(wait.id, &mut out)
        };
        match (polled, &wait.decided) {
            (Polled::Pending, None) => {
                if self.chance(30) {
                    self.pool.set_waker(wait.id, waker, &mut out);
                }
            }
            (Polled::Ready(taken), Some(Decided::Granted(connection))) => {
                assert_eq!(taken.connection, *connection, "{}", self.label);
                let lent = self.known[connection].lent;
                assert_eq!((taken.at, taken.waited), (lent, lent.since(wait.joined)));
                self.begin_lease(taken.connection, taken.slot, self.pool.history(taken.slot).uses);
                self.waits.remove(&waker);
            }
            (Polled::Failed(error), Some(Decided::Failed(why))) => {
                assert_eq!(kind(&error), *why, "{}", self.label);
                self.waits.remove(&waker);
            }
            (Polled::Failed(error), None) if spent => {
                assert_eq!(kind(&error), "timeout", "{}", self.label);
                self.tally.timeouts += 1;
                self.tally.waited += self.now.since(wait.joined);
                self.leave(waker);
            }
            (_, decided) => panic!("{}: the model has {decided:?}", self.label),
        }
        self.absorb(out);
    }

    fn cancel(&mut self) {
        let Some(nth) = self.pick(self.waits.len()) else { return };
        let (&waker, wait) = self.waits.iter().nth(nth).unwrap();
        let wait = wait.clone();
        let mut out = Out::new();
        self.pool.cancel(wait.id, self.now, &mut out);
        self.leave(waker);
        if wait.decided.is_none() {
            self.tally.waited += self.now.since(wait.joined);
        }
        if let Some(Decided::Granted(connection)) = wait.decided {
            self.known.get_mut(&connection).unwrap().uses -= 1;
            self.model_deliver(connection, true);
            self.model_prepare();
        }
        self.absorb(out);
    }

    fn leave(&mut self, waker: Waker) {
        self.waits.remove(&waker);
        self.queue.retain(|&other| other != waker);
    }

    fn release(&mut self) {
        let Some(nth) = self.pick(self.lent.len()) else { return };
        // It still counts while the pool judges it.
        let staying = self.staying();
        let connection = self.lent.swap_remove(nth);
        let fate = match self.random.between(0, 19) {
            0 => Fate::Discard(CloseReason::Broken),
            1 | 2 => Fate::Recover,
            _ => Fate::Keep,
        };
        let known = *self.known.get(&connection).unwrap();
        let mut out = Out::new();
        let held = self.pool.release(known.slot, connection, fate, self.now, &mut out);
        assert_eq!(held, self.now.since(known.lent), "{}", self.label);
        self.tally.holds += 1;
        let model = self.known.get_mut(&connection).unwrap();
        model.rested = self.now;
        model.healthy = self.now;
        model.lent = Nanos::NEVER;
        let clean =
            fate == Fate::Recover || self.options.check_on_release || self.passes.after_release;
        if known.reclaimed {
            self.model_close(connection, CloseReason::Reclaimed);
        } else if let Fate::Discard(reason) = fate {
            self.model_close(connection, reason);
        } else if self.closed {
            self.model_close(connection, CloseReason::PoolClosed);
        } else if self.now >= known.expires || known.retire {
            self.model_close(connection, CloseReason::MaxLifetime);
        } else if staying > self.pool.limit {
            self.model_close(connection, CloseReason::Resized);
        } else if clean {
            let errand = Errand::Clean {
                recover: fate == Fate::Recover,
                check: self.options.check_on_release,
                hook: self.passes.after_release,
            };
            self.errands.push((connection, errand));
        } else {
            self.model_deliver(connection, false);
        }
        self.absorb(out);
    }

    fn dial_ends(&mut self) {
        let Some(nth) = self.pick(self.dials.len()) else { return };
        let slot = self.dials.swap_remove(nth);
        let mut out = Out::new();
        let entry = self.pool.slots.get(slot.index);
        let replaces = entry.replaces.filter(|old| self.pool.slots.holds(*old));
        match self.random.between(0, 9) {
            0..=6 => {
                self.next_connection += 1;
                let connection = self.next_connection;
                self.pool.connected(slot, connection, self.now, &mut out);
                self.tally.connects += 1;
                let mut known = Known {
                    slot,
                    expires: self.pool.slots.get(slot.index).expires,
                    created: self.now,
                    rested: self.now,
                    healthy: self.now,
                    lent: Nanos::NEVER,
                    uses: 0,
                    retire: false,
                    reclaimed: false,
                };
                if let Some(lifetime) = self.options.max_lifetime {
                    let (lifetime, jitter) = (nanos(lifetime) as f64, self.options.lifetime_jitter);
                    let life = known.expires.since(self.now) as f64;
                    assert!(
                        life >= lifetime * (1.0 - jitter) - 1.0
                            && life <= lifetime * (1.0 + jitter) + 1.0
                    );
                } else {
                    assert_eq!(known.expires, Nanos::NEVER);
                }
                if let Some(old) = replaces.and_then(|old| self.connection_in(old)) {
                    self.known.get_mut(&old).unwrap().retire = true;
                    if self.idle.contains(&old) {
                        known.rested = self.known[&old].rested;
                        self.idle.retain(|&other| other != old);
                        self.model_close(old, CloseReason::MaxLifetime);
                    }
                }
                self.known.insert(connection, known);
                self.model_deliver(connection, true);
                self.model_prepare();
            }
            7 => {
                self.pool.connect_aborted(slot, self.now, &mut out);
                self.tally.connect_failures += 1;
            }
            kind => {
                let transient = kind == 8;
                // Connections that exist may still come to a waiter; dials do not count, they would fail alike.
                let hopeless = self.staying() == self.dials.len() as u32;
                self.pool.connect_failed(slot, DialError::Panicked, transient, self.now, &mut out);
                self.tally.connect_failures += 1;
                if !transient {
                    let told = if hopeless { self.queue.len() } else { self.queue.len().min(1) };
                    for _ in 0..told {
                        self.decide_front(Decided::Failed("connect"));
                    }
                }
            }
        }
        self.absorb(out);
    }

    fn errand_ends(&mut self) {
        let Some(nth) = self.pick(self.errands.len()) else { return };
        let (connection, errand) = self.errands.swap_remove(nth);
        let slot = self.known[&connection].slot;
        let mut out = Out::new();
        match self.random.between(0, 9) {
            0 => {
                self.pool.errand_failed(slot, None, CloseReason::RuntimeGone, self.now, &mut out);
                *self.tally.closed.entry(CloseReason::RuntimeGone.as_str()).or_default() += 1;
                self.known.remove(&connection);
            }
            1 => {
                let reason = CloseReason::HookRefused;
                self.pool.errand_failed(slot, Some(connection), reason, self.now, &mut out);
                self.model_close(connection, reason);
            }
            _ => {
                self.pool.errand_done(slot, connection, errand, self.now, &mut out);
                let known = self.known.get_mut(&connection).unwrap();
                known.healthy = self.now;
                if let Errand::Clean { .. } = errand {
                    known.rested = self.now;
                }
                let prepared = match errand {
                    Errand::Prepare { .. } => true,
                    Errand::IdleCheck => !self.passes.before_acquire,
                    Errand::Clean { .. } => false,
                };
                self.model_deliver(connection, prepared);
            }
        }
        self.model_prepare();
        self.absorb(out);
    }

    fn goodbye_ends(&mut self) {
        let Some(nth) = self.pick(self.goodbyes.len()) else { return };
        let (connection, _) = self.goodbyes.swap_remove(nth);
        let known = self.known.remove(&connection).unwrap();
        let mut out = Out::new();
        self.pool.gone(known.slot, self.now, &mut out);
        self.model_prepare();
        self.absorb(out);
    }

    fn tick(&mut self) {
        if self.chance(50) && self.pool.timers_planned() != Nanos::NEVER {
            self.now = self.now.max(self.pool.timers_planned());
        }
        if self.parked > 0 {
            self.unpark();
        }
        let mut out = Out::new();
        let sweeps = self.pool.timers_sweep_at() <= self.now;
        let next = self.pool.tick(self.generation, self.now, &mut out);
        let now = self.now;
        let due: Vec<Waker> = self
            .queue
            .iter()
            .copied()
            .filter(|waker| {
                let wait = &self.waits[waker];
                !self.closed && !wait.timer && wait.deadline <= now
            })
            .collect();
        for waker in due {
            self.queue.retain(|&other| other != waker);
            let wait = self.waits.get_mut(&waker).unwrap();
            wait.decided = Some(Decided::Failed("timeout"));
            self.tally.timeouts += 1;
            self.tally.waited += now.since(wait.joined);
        }
        assert_eq!(next.is_none(), self.closed, "{}", self.label);
        // Reclaims, and work given up, are read off; they are judged in `absorb`.
        for (&connection, known) in &mut self.known {
            let slot = known.slot;
            if !self.pool.slots.holds(slot) {
                continue;
            }
            if self.pool.slots.get(slot.index).phase == Phase::Reclaimed && !known.reclaimed {
                let bound = self.options.reclaim_after.expect("only on request");
                assert!(self.now.since(known.lent) >= nanos(bound), "{}", self.label);
                assert!(self.lent.contains(&connection), "{}", self.label);
                known.reclaimed = true;
            }
        }
        self.absorb_tick(out, sweeps);
    }

    fn reconfigure(&mut self) {
        if self.closed {
            return;
        }
        let max_open = self.random.between(1, 6) as u32;
        self.options.max_open = max_open;
        self.options.min_idle = self.options.min_idle.min(max_open);
        self.options.validate().unwrap();
        let before = self.pool.limit;
        let mut out = Out::new();
        self.pool.set_config(Config::new(&self.options, self.passes), self.now, &mut out);
        if self.options.adaptive {
            assert_eq!(
                self.pool.limit,
                before.clamp(self.options.adaptive_min, max_open),
                "{}",
                self.label
            );
        } else {
            assert_eq!(self.pool.limit, max_open, "{}", self.label);
        }
        self.model_shrink();
        self.model_prepare();
        self.absorb(out);
    }

    fn late_result(&mut self) {
        let Some((slot, connection)) = self.late.pop() else { return };
        let mut out = Out::new();
        match connection {
            None => {
                self.next_connection += 1;
                self.pool.connected(slot, self.next_connection, self.now, &mut out);
            }
            Some(connection) => {
                self.pool.errand_done(slot, connection, Errand::IdleCheck, self.now, &mut out);
            }
        }
        assert!(
            matches!(out.take_jobs().as_slice(), [Job::Close { slot: None, .. }]),
            "{}: an orphan is closed",
            self.label
        );
    }

    fn unpark(&mut self) {
        let jobs = self.pool.take_parked();
        assert_eq!(jobs.len(), self.parked, "{}", self.label);
        self.parked = 0;
        // They were entered into the model when they were decided.
    }

    fn dial_on_demand(&mut self) {
        let mut out = Out::new();
        if let Some(slot) = self.pool.dial_on_demand(self.now, &mut out) {
            self.dials.push(slot);
        }
        self.absorb(out);
    }

    fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        let mut out = Out::new();
        self.pool.close(self.now, &mut out);
        while !self.queue.is_empty() {
            self.decide_front(Decided::Failed("closed"));
        }
        while let Some(connection) = self.idle.pop() {
            self.model_close(connection, CloseReason::PoolClosed);
        }
        // Jobs that were parked are given out again, once; the model has them already.
        let parked = std::mem::take(&mut self.parked);
        let mut jobs = out.take_jobs();
        jobs.drain(..parked);
        out.add_jobs(jobs);
        self.absorb(out);
    }

    /// Lets everything end, and checks that nothing is left.
    fn finish(&mut self) {
        self.label.push_str(", at the end");
        self.close();
        self.compare();
        let mut rounds = 0;
        while !(self.waits.is_empty()
            && self.lent.is_empty()
            && self.dials.is_empty()
            && self.errands.is_empty()
            && self.goodbyes.is_empty())
        {
            self.look();
            self.release();
            self.dial_ends();
            self.errand_ends();
            self.goodbye_ends();
            self.compare();
            rounds += 1;
            assert!(rounds < 10_000, "{}: it does not end", self.label);
        }
        assert!(self.pool.is_drained(), "{}", self.label);
        assert!(self.told_drained, "{}: nobody was told", self.label);
        assert!(
            self.known.is_empty() && self.idle.is_empty() && self.queue.is_empty(),
            "{}",
            self.label
        );
        assert_eq!(self.pool.slots.counts, Counts::default(), "{}", self.label);
    }

    // The model's rules.

    /// The connection that a newcomer gets; closes expired ones on the way.
    fn model_take(&mut self) -> Option<Connection> {
        if !self.queue.is_empty() {
            return None;
        }
        while let Some(&top) = self.idle.last() {
            let known = self.known[&top];
            if self.now >= known.expires {
                self.idle.pop();
                self.model_close(top, CloseReason::MaxLifetime);
                continue;
            }
            if self.unfit(&known) {
                return None;
            }
            self.idle.pop();
            return Some(top);
        }
        None
    }

    fn unfit(&self, known: &Known) -> bool {
        let bound = self.options.check_after.map_or(u64::MAX, nanos);
        self.passes.before_acquire
            || self.options.check_on_acquire
            || self.now.since(known.healthy) >= bound
    }

    fn model_lend(&mut self, connection: Connection) {
        let now = self.now;
        let known = self.known.get_mut(&connection).unwrap();
        known.lent = now;
        known.uses += 1;
    }

    fn begin_lease(&mut self, connection: Connection, slot: SlotId, uses: u64) {
        let known = self.known[&connection];
        assert_eq!((known.slot, known.uses), (slot, uses), "{}", self.label);
        self.lent.push(connection);
        self.tally.acquires += 1;
    }

    fn model_close(&mut self, connection: Connection, reason: CloseReason) {
        let reclaimed = self.known[&connection].reclaimed;
        self.goodbyes.push((connection, reclaimed));
        *self.tally.closed.entry(reason.as_str()).or_default() += 1;
    }

    fn decide_front(&mut self, decided: Decided) {
        let waker = self.queue.pop_front().unwrap();
        let wait = self.waits.get_mut(&waker).unwrap();
        wait.decided = Some(decided);
        self.tally.waited += self.now.since(wait.joined);
    }

    /// A place for a connection that is in none.
    fn model_deliver(&mut self, connection: Connection, prepared: bool) {
        let known = self.known[&connection];
        // It is in none of the lists that `staying` counts.
        if self.closed {
            return self.model_close(connection, CloseReason::PoolClosed);
        }
        if self.now >= known.expires || known.retire {
            return self.model_close(connection, CloseReason::MaxLifetime);
        }
        if self.staying() >= self.pool.limit {
            return self.model_close(connection, CloseReason::Resized);
        }
        while let Some(front) = self.queue.front() {
            if self.waits[front].deadline > self.now {
                break;
            }
            self.tally.timeouts += 1;
            self.decide_front(Decided::Failed("timeout"));
        }
        if self.queue.is_empty() {
            if self.idle.len() >= self.options.max_idle.unwrap_or(u32::MAX) as usize {
                return self.model_close(connection, CloseReason::MaxIdle);
            }
            let place = self.idle.iter().position(|other| self.known[other].rested > known.rested);
            self.idle.insert(place.unwrap_or(self.idle.len()), connection);
            return;
        }
        if !prepared && self.unfit(&known) {
            let bound = self.options.check_after.map_or(u64::MAX, nanos);
            let check = self.options.check_on_acquire || self.now.since(known.healthy) >= bound;
            let errand = Errand::Prepare { check, hook: self.passes.before_acquire };
            self.errands.push((connection, errand));
            return;
        }
        self.model_lend(connection);
        self.decide_front(Decided::Granted(connection));
    }

    /// Idle connections go to those who wait, after a check; as many as there are callers without one under way.
    fn model_prepare(&mut self) {
        while self.queue.len() > self.checking() && !self.idle.is_empty() {
            let connection = self.idle.pop().unwrap();
            self.model_deliver(connection, false);
        }
    }

    fn model_shrink(&mut self) {
        while self.staying() > self.pool.limit && !self.idle.is_empty() {
            let oldest = self.idle.remove(0);
            self.model_close(oldest, CloseReason::Resized);
        }
        while self.idle.len() > self.options.max_idle.unwrap_or(u32::MAX) as usize {
            let oldest = self.idle.remove(0);
            self.model_close(oldest, CloseReason::MaxIdle);
        }
    }

    fn checking(&self) -> usize {
        self.errands.iter().filter(|(_, errand)| !matches!(errand, Errand::Clean { .. })).count()
    }

    fn granted(&self) -> usize {
        self.waits.values().filter(|wait| matches!(wait.decided, Some(Decided::Granted(_)))).count()
    }

    fn reclaimed(&self) -> usize {
        self.lent.iter().filter(|connection| self.known[connection].reclaimed).count()
    }

    /// Connections and dials that count and are not about to go.
    fn staying(&self) -> u32 {
        let lent = self.lent.len() - self.reclaimed();
        (self.dials.len() + self.idle.len() + lent + self.granted() + self.errands.len()) as u32
    }

    fn connection_in(&self, slot: SlotId) -> Option<Connection> {
        self.known.iter().find(|(_, known)| known.slot == slot).map(|(&connection, _)| connection)
    }

    // What the pool decided.

    /// Takes the decisions in; those that the model predicts must be in the model already.
    fn absorb(&mut self, out: Out<Connection, Waker>) {
        self.take_in(out, false);
    }

    /// As `absorb` after a sweep, whose closes and checks are judged instead of predicted.
    fn absorb_tick(&mut self, mut out: Out<Connection, Waker>, swept: bool) {
        let jobs = out.take_jobs();
        let moved = jobs.iter().any(|job| matches!(job, Job::Moved(_)));
        out.add_jobs(jobs);
        self.take_in(out, true);
        if moved {
            assert!(self.options.adaptive);
        }
        for &connection in &self.idle {
            let known = self.known[&connection];
            // Only what was there when the sweep looked.
            if known.rested < self.now && swept {
                assert!(self.now < known.expires, "{}: {connection} outlived its time", self.label);
                let over = self
                    .options
                    .max_idle_time
                    .is_some_and(|max| self.now.since(known.rested) >= nanos(max));
                assert!(
                    !over || self.idle.len() <= self.options.min_idle as usize,
                    "{}",
                    self.label
                );
            }
        }
    }

    fn take_in(&mut self, mut out: Out<Connection, Waker>, sweep: bool) {
        if out.drained {
            assert!(self.closed);
            self.told_drained = true;
        }
        if let Some(waker) = out.wake.take() {
            self.woken(waker);
        }
        let mut jobs = out.take_jobs();
        for job in &mut jobs {
            match job {
                Job::Wake(waker) => self.woken(*waker),
                Job::Dial(slot) => {
                    assert!(!self.dials.contains(slot), "{}", self.label);
                    self.dials.push(*slot);
                }
                Job::Errand { slot, connection, errand, .. } => {
                    if sweep && !self.errands.iter().any(|(other, _)| other == connection) {
                        assert_eq!(*errand, Errand::IdleCheck, "{}", self.label);
                        let known = self.known[connection];
                        let period = self.options.check_period.expect("only on request");
                        assert!(self.now.since(known.healthy) >= nanos(period), "{}", self.label);
                        self.take_from_idle(*connection);
                        self.errands.push((*connection, *errand));
                    }
                    assert!(
                        self.errands.contains(&(*connection, *errand)),
                        "{}: {errand:?}",
                        self.label
                    );
                    assert_eq!(self.known[connection].slot, *slot);
                }
                Job::Close { slot, connection, reason, info } => {
                    let known = self.known[connection];
                    if sweep && !self.goodbyes.iter().any(|(other, _)| other == connection) {
                        self.judge_close(*connection, *reason);
                        self.take_from_idle(*connection);
                        self.model_close(*connection, *reason);
                    }
                    assert!(
                        self.goodbyes.contains(&(*connection, known.reclaimed)),
                        "{}: {reason:?}",
                        self.label
                    );
                    assert_eq!(*slot, Some(known.slot), "{}", self.label);
                    assert_eq!(info.age, known.created.until(self.now));
                }
                Job::Abort(slot) => self.stopped(*slot, sweep),
                Job::Warn(_) | Job::Moved(_) => {}
            }
        }
        // Now and then there is no runtime.
        if !self.closed && self.chance(5) {
            for job in jobs {
                if matches!(job, Job::Dial(_) | Job::Errand { .. } | Job::Close { .. }) {
                    let mut out = Out::new();
                    self.pool.park(job, &mut out);
                    self.parked += 1;
                    assert!(out.hasten && self.pool.needs_upkeep(), "{}", self.label);
                    if let Some(waker) = out.wake {
                        self.woken(waker);
                    }
                }
            }
        }
    }

    fn woken(&mut self, waker: Waker) {
        let wait = self.waits.get_mut(&waker);
        wait.unwrap_or_else(|| panic!("{}: woke {waker}, who is gone", self.label)).woken = true;
    }

    /// Work that the sweep gave up, or dials that a close aborts: their slots are free, their results come late.
    fn stopped(&mut self, slot: SlotId, sweep: bool) {
        if !sweep {
            assert!(self.closed && self.dials.contains(&slot), "{}", self.label);
            return;
        }
        if let Some(nth) = self.dials.iter().position(|other| *other == slot) {
            self.dials.swap_remove(nth);
            self.late.push((slot, None));
            self.tally.connect_failures += 1;
            return;
        }
        let connection = self.connection_in(slot).unwrap();
        self.known.remove(&connection);
        if let Some(nth) = self.errands.iter().position(|(other, _)| *other == connection) {
            self.errands.swap_remove(nth);
            self.late.push((slot, Some(connection)));
            *self.tally.closed.entry(CloseReason::RuntimeGone.as_str()).or_default() += 1;
        } else {
            let nth = self.goodbyes.iter().position(|(other, _)| *other == connection).unwrap();
            self.goodbyes.swap_remove(nth);
        }
    }

    fn judge_close(&self, connection: Connection, reason: CloseReason) {
        let known = self.known[&connection];
        match reason {
            CloseReason::MaxLifetime => assert!(self.now >= known.expires, "{}", self.label),
            CloseReason::MaxIdleTime => {
                let bound = self.options.max_idle_time.expect("only on request");
                assert!(self.now.since(known.rested) >= nanos(bound), "{}", self.label);
                assert!(self.idle.len() > self.options.min_idle as usize, "{}", self.label);
                assert_eq!(self.idle.first(), Some(&connection), "{}: not the oldest", self.label);
            }
            CloseReason::Resized => assert!(self.options.adaptive, "{}", self.label),
            other => panic!("{}: a sweep closed for {other}", self.label),
        }
    }

    fn take_from_idle(&mut self, connection: Connection) {
        let place = self.idle.iter().position(|&other| other == connection);
        self.idle
            .remove(place.unwrap_or_else(|| panic!("{}: {connection} was not idle", self.label)));
    }

    // Everything that can be compared.

    fn compare(&mut self) {
        let label = &self.label;
        let pool = &self.pool;
        let idle: Vec<Connection> = pool
            .slots
            .idle
            .iter()
            .map(|&index| pool.slots.get(index).connection.unwrap())
            .collect();
        assert_eq!(idle, self.idle, "{label}: idle");
        let undecided: Vec<WaiterId> =
            self.queue.iter().map(|waker| self.waits[waker].id).collect();
        assert_eq!(pool.waiters.waiting() as usize, undecided.len(), "{label}: queue");
        for (waiter, waker) in pool.waiters.iter().zip(&self.queue) {
            let wait = &self.waits[waker];
            assert_eq!(
                (waiter.joined, waiter.deadline),
                (wait.joined, wait.deadline),
                "{label}: order"
            );
            assert!(
                waiter.waker == Some(*waker) || (waiter.waker.is_none() && wait.woken),
                "{label}: waker"
            );
        }
        for wait in self.waits.values() {
            match (&pool.waiters.get(wait.id).seat, &wait.decided) {
                (Seat::Waiting, None) => {}
                (Seat::Granted(index), Some(Decided::Granted(connection))) => {
                    let slot = pool.slots.get(*index);
                    assert_eq!(
                        (slot.connection, slot.phase),
                        (Some(*connection), Phase::InUse),
                        "{label}"
                    );
                    assert!(wait.woken, "{label}: a waiter was served and not told");
                }
                (Seat::Failed(error), Some(Decided::Failed(why))) => {
                    assert_eq!(kind(error), *why, "{label}");
                    assert!(wait.woken, "{label}: a waiter was refused and not told");
                }
                (_, decided) => panic!("{label}: the model has {decided:?}"),
            }
        }
        let expected = Counts {
            connecting: self.dials.len() as u32,
            in_use: (self.lent.len() - self.reclaimed() + self.granted()) as u32,
            checking: self.checking() as u32,
            recovering: (self.errands.len() - self.checking()) as u32,
            closing: self.goodbyes.iter().filter(|(_, reclaimed)| !reclaimed).count() as u32,
            reclaimed: self.reclaimed() as u32,
            leaving: self.goodbyes.iter().filter(|(_, reclaimed)| *reclaimed).count() as u32,
        };
        assert_eq!(pool.slots.counts, expected, "{label}: counts");
        let slots: BTreeSet<SlotId> =
            self.known.values().map(|known| known.slot).chain(self.dials.iter().copied()).collect();
        assert_eq!(slots.len(), pool.slots.iter().count(), "{label}: a slot leaked");
        assert_eq!(slots.len(), self.known.len() + self.dials.len(), "{label}: two in one slot");
        let lent_at = pool.slots.iter().filter(|(_, slot)| slot.phase == Phase::InUse);
        assert_eq!(
            pool.lent_at,
            lent_at.map(|(_, slot)| slot.since.0).fold(0, u64::wrapping_add),
            "{label}"
        );

        let occupied = pool.slots.occupied();
        assert!(
            occupied <= pool.limit || occupied <= self.occupied_before,
            "{label}: {occupied} of {} after {}",
            pool.limit,
            self.occupied_before
        );
        self.occupied_before = occupied;
        assert!(expected.connecting <= self.options.max_connecting, "{label}: dials");
        assert!(
            expected.reclaimed + expected.leaving <= self.options.reclaim_max,
            "{label}: reclaims"
        );
        if !self.queue.is_empty() {
            assert!(
                self.idle.is_empty() || self.queue.len() <= self.checking(),
                "{label}: idle beside waiters"
            );
            // Nobody waits for nothing: something is under way, or somebody will look again.
            let under_way = expected.connecting > 0 || self.checking() > 0;
            let planned = pool.timers_planned() <= pool.timers_dial_at()
                && pool.timers_dial_at() != Nanos::NEVER;
            assert!(
                under_way || pool.room() == 0 || planned,
                "{label}: a waiter is forgotten: {expected:?}, room {}, {:?}",
                pool.room(),
                pool.timers_planned()
            );
            let will_end = occupied > 0;
            assert!(will_end || planned, "{label}: a waiter waits for ever");
        }
        self.compare_counters();
    }

    fn compare_counters(&self) {
        let (label, counters, tally) = (&self.label, &self.pool.counters, &self.tally);
        assert_eq!(counters.acquires(), tally.acquires, "{label}: acquires");
        assert_eq!(counters.wait_count, tally.waits, "{label}: waits");
        assert_eq!(counters.wait_nanos, tally.waited, "{label}: time waited");
        assert_eq!(counters.timeouts_total(), tally.timeouts, "{label}: timeouts");
        assert_eq!(counters.refused_queue_full, tally.refused, "{label}: refused");
        assert_eq!(counters.refused_deadlock, tally.deadlocks, "{label}: deadlocks");
        assert_eq!(counters.connect.count(), tally.connects, "{label}: connects");
        assert_eq!(counters.connects_failed, tally.connect_failures, "{label}: failed connects");
        assert_eq!(counters.hold.count(), tally.holds, "{label}: holds");
        for &reason in CloseReason::ALL {
            let expected = tally.closed.get(reason.as_str()).copied().unwrap_or(0);
            assert_eq!(counters.closed[reason as usize], expected, "{label}: {reason}");
        }
    }
}

fn kind(error: &AcquireError<()>) -> &'static str {
    match error.kind() {
        AcquireErrorKind::Closed => "closed",
        AcquireErrorKind::QueueFull => "queue full",
        AcquireErrorKind::Deadlock => "deadlock",
        AcquireErrorKind::Connect => "connect",
        AcquireErrorKind::Timeout(_) => "timeout",
        AcquireErrorKind::NoRuntime => "no runtime",
    }
}
