//! The decisions against callers, connections and time in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

use aquifer_driver::{Dialect, Grammar, Outcome, Want};
use proptest::prelude::*;

use super::*;
use crate::text::{Text, Texts};

/// A connection that answers when it is told to.
#[derive(Debug, Default)]
struct Fake {
    fresh: VecDeque<(u32, Box<Call>)>,
    flights: VecDeque<(u32, Option<Box<Call>>)>,
    landed: VecDeque<Landed>,
    wakers: Vec<Waker>,
    lost: bool,
}

impl Fake {
    /// Sends what is fresh, and takes this many answers.
    fn drive(&mut self, answers: usize, how: u8) {
        self.flights.extend(self.fresh.drain(..).map(|(at, call)| (at, Some(call))));
        for answer in 0..answers.min(self.flights.len()) {
            let Some((at, call)) = self.flights.pop_front() else { return };
            self.land(
                at,
                call,
                match (how, answer) {
                    (1, 1..) => Ending::Unrun,
                    (2, 0) => Ending::Hit,
                    _ => Ending::Open,
                },
            );
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        for (at, call) in std::mem::take(&mut self.flights) {
            self.land(at, call, Ending::Lost(Error::new(ErrorKind::ConnectionLost, "lost")));
        }
        for (at, call) in std::mem::take(&mut self.fresh) {
            self.land(at, Some(call), Ending::Unsent);
        }
    }

    fn move_behind(&mut self) {
        let mut moved = Vec::new();
        for flight in self.flights.iter_mut().skip(1) {
            if let Some(call) = flight.1.take() {
                let at = std::mem::replace(&mut flight.0, NOBODY);
                moved.push((at, call));
            }
        }
        for (at, call) in moved {
            self.land(at, Some(call), Ending::Moved);
        }
    }

    fn land(&mut self, at: u32, mut call: Option<Box<Call>>, ending: Ending) {
        if let Some(call) = &mut call {
            call.outcome = matches!(ending, Ending::Open).then(Outcome::default);
            call.ending = ending;
        }
        self.landed.push_back(Landed { at, call });
    }
}

impl Rig for Fake {
    fn board(&mut self, at: u32, call: Box<Call>) {
        self.fresh.push_back((at, call));
    }

    fn forget(&mut self, at: u32) {
        let known = self.flights.iter().any(|flight| flight.0 == at)
            || self.fresh.iter().any(|fresh| fresh.0 == at);
        assert!(known || self.lost, "somebody is forgotten who is not here");
    }

    fn landed(&mut self) -> Option<Landed> {
        self.landed.pop_front()
    }

    fn overflow(&mut self) -> Option<(u32, &mut RowBatch)> {
        None
    }

    fn is_lost(&self) -> bool {
        self.lost
    }

    fn makes_way(&self) -> bool {
        true
    }

    fn is_clear(&self) -> bool {
        self.flights.is_empty()
    }

    fn wakers(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A task with a call.
#[derive(Debug)]
struct Caller {
    at: u32,
    flag: Arc<Flag>,
    waker: Waker,
}

/// Whoever drives a connection, between its system call and its look at the state.
#[derive(Debug)]
struct Driver {
    held: Held<Fake>,
    me: Option<u32>,
    rounds: usize,
}

struct World {
    state: State<Fake>,
    text: Arc<Text>,
    callers: BTreeMap<u32, Caller>,
    drivers: Vec<Driver>,
    /// Lines for which somebody gets a connection.
    opening: Vec<usize>,
    now: Instant,
    entered: u32,
    told: u32,
    left: u32,
    /// How many statements a connection takes.
    depth: usize,
}

const LINES: usize = 2;

impl World {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(even: bool) -> Self {
        let bounds = Bounds {
            slow: 3,
            hold: 20,
            stop: 4,
            again: 4,
            patience: 1000,
            idle: 200,
            drowsy: 10,
            queue: Duration::from_secs(3600),
            even,
        };
        let texts = Texts::new(&Dialect::new("fake", Grammar::Sqlite), 4);
        Self {
            state: State::new(LINES, bounds),
            text: texts.get("SELECT 1").unwrap(),
            callers: BTreeMap::new(),
            drivers: Vec::new(),
            opening: Vec::new(),
            now: Instant::now(),
            entered: 0,
            told: 0,
            left: 0,
            depth: 64,
        }
    }

    fn enter(&mut self) {
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut call = self.state.spare().unwrap_or_else(|| Box::new(Call::new(self.text.clone())));
        call.renew(Want::First, false);
        if let Ok((at, enter)) = self.state.enter(call, waker.clone(), self.now, None) {
            self.entered += 1;
            // Both `Go` and `Yield` are polled again; only the latter may come to that late.
            flag.0.store(enter != Enter::Wait, Ordering::Relaxed);
            assert!(self.callers.insert(at, Caller { at, flag, waker }).is_none(), "a place twice");
        }
    }

    /// A caller who was woken is polled; what it drives is out until somebody goes on with it.
    fn poll(&mut self, at: u32) {
        let Some(caller) = self.callers.get(&at) else { return };
        if !caller.flag.0.swap(false, Ordering::Relaxed) {
            return;
        }
        self.turn(at);
    }

    fn turn(&mut self, at: u32) {
        let Some(caller) = self.callers.get(&at) else { return };
        let (at, known) = (caller.at, caller.waker.clone());
        let mut mine = None;
        loop {
            match self.state.turn(at, &known, &mut mine) {
                Turn::Wait => return,
                Turn::Introduce => mine = Some(known.clone()),
                Turn::Drive(held) => {
                    self.drivers.push(Driver { held, me: Some(at), rounds: 0 });
                    return;
                }
                Turn::Open(line) => self.opening.push(line),
                Turn::Done(mut call) => {
                    call.rest();
                    self.state.keep(call);
                    self.told += 1;
                    self.callers.remove(&at);
                    return;
                }
                Turn::Gone { .. } | Turn::Rows(_) | Turn::Restart | Turn::Late { .. } => {
                    unreachable!()
                }
            }
        }
    }

    /// A driver has made its system call, and looks.
    fn go_on(&mut self, index: usize, answers: usize, how: u8) {
        if self.drivers.is_empty() {
            return;
        }
        let mut driver = self.drivers.swap_remove(index % self.drivers.len());
        match how {
            3 => driver.held.rig.lose(),
            4 => {
                driver.held.rig.drive(0, 0);
                driver.held.rig.move_behind();
            }
            _ => driver.held.rig.drive(answers, how),
        }
        self.state.land(&mut driver.held, driver.me);
        driver.held.rig.wakers.drain(..).for_each(Waker::wake);
        driver.rounds += 1;
        match self.state.settle(driver.held, driver.rounds < 3) {
            Settled::Again(held) => self.drivers.push(Driver { held, ..driver }),
            Settled::Back { waker, gone } => {
                waker.into_iter().for_each(Waker::wake);
                if let Some(mut gone) = gone {
                    gone.wakers.drain(..).for_each(Waker::wake);
                }
                if let Some(me) = driver.me {
                    self.turn(me);
                }
            }
        }
    }

    fn open(&mut self) {
        if let Some(line) = self.opening.pop()
            && let Some(held) = self.state.opened(line, Fake::default())
        {
            self.state.lines[line].depth = self.depth;
            self.drivers.push(Driver { held, me: None, rounds: 0 });
        }
    }

    fn leave(&mut self, at: u32) {
        // One who drives is in the middle of a poll.
        let drives = self.drivers.iter().any(|driver| driver.me == Some(at));
        if !drives && self.callers.remove(&at).is_some() {
            self.left += 1;
            let left = self.state.leave(at);
            left.waker.into_iter().for_each(Waker::wake);
        }
    }

    fn signal(&mut self, line: usize) {
        self.state.signal(line).into_iter().for_each(Waker::wake);
    }

    fn look(&mut self) {
        let (mut jobs, mut wakers) = (Vec::new(), Vec::new());
        self.now += Duration::from_millis(5);
        self.state.look(self.now, 0, &mut jobs, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        for job in jobs {
            match job {
                Job::Drive(line) | Job::Stop(line) | Job::Lift(line) | Job::GiveUp(line) => {
                    self.take(line, 0);
                }
                Job::Move(line) => self.take(line, 4),
                Job::Release(line) => drop(self.state.release(line)),
                Job::Lead => match self.state.lead() {
                    Some(Turn::Drive(held)) => {
                        self.drivers.push(Driver { held, me: None, rounds: 0 });
                    }
                    Some(Turn::Open(line)) => self.opening.push(line),
                    _ => {}
                },
            }
        }
    }

    fn take(&mut self, line: usize, how: u8) {
        if let Some(held) = self.state.take(line) {
            self.drivers.push(Driver { held, me: None, rounds: 0 });
            let answers = if how == 4 { 0 } else { usize::MAX };
            self.go_on(self.drivers.len() - 1, answers, how);
        }
    }

    /// Everybody who is woken comes, connections answer: nobody but them.
    fn calm_down(&mut self) {
        for _ in 0..10_000 {
            while !self.opening.is_empty() {
                self.open();
            }
            while !self.drivers.is_empty() {
                self.go_on(0, usize::MAX, 0);
            }
            let woken: Vec<u32> = self
                .callers
                .values()
                .filter(|caller| caller.flag.0.load(Ordering::Relaxed))
                .map(|caller| caller.at)
                .collect();
            if woken.is_empty() {
                let owing: Vec<usize> = (0..LINES)
                    .filter(|line| self.state.rig(*line).is_some_and(|rig| !rig.flights.is_empty()))
                    .collect();
                let heard = owing.iter().any(|line| {
                    let waker = self.state.signal(*line);
                    waker.map(Waker::wake).is_some()
                });
                if !heard && self.drivers.is_empty() && self.opening.is_empty() {
                    return;
                }
                continue;
            }
            woken.into_iter().for_each(|at| self.poll(at));
        }
        panic!("it does not come to rest");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter,
    /// More than a connection takes, if that is little.
    Crowd,
    Poll(u8),
    GoOn(u8, u8, u8),
    Open,
    Leave(u8),
    Signal(u8),
    Look,
}

fn step(with_time: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Enter),
        1 => Just(Step::Crowd),
        8 => any::<u8>().prop_map(Step::Poll),
        8 => (any::<u8>(), 0..4u8, 0..=if with_time { 3u8 } else { 2 })
            .prop_map(|(which, answers, how)| Step::GoOn(which, answers, how)),
        2 => Just(Step::Open),
        1 => any::<u8>().prop_map(Step::Leave),
        3 => (0..LINES as u8).prop_map(Step::Signal),
        u32::from(with_time) => Just(Step::Look),
    ]
}

impl World {
    fn poll_all(&mut self) {
        let all: Vec<u32> = self.callers.keys().copied().collect();
        all.into_iter().for_each(|at| self.poll(at));
    }

    fn some(&self, which: u8) -> Option<u32> {
        let count = self.callers.len();
        self.callers.keys().nth(usize::from(which) % count.max(1)).copied()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter => self.enter(),
            Step::Crowd => (0..12).for_each(|_| self.enter()),
            Step::Poll(which) => self.some(which).into_iter().for_each(|at| self.poll(at)),
            Step::GoOn(which, answers, how) => {
                // A lost connection is rare.
                let how = if how == 3 && which % 8 != 0 { 0 } else { how };
                self.go_on(which.into(), answers.into(), how);
            }
            Step::Open => self.open(),
            Step::Leave(which) => self.some(which).into_iter().for_each(|at| self.leave(at)),
            Step::Signal(line) => self.signal(line.into()),
            Step::Look => self.look(),
        }
    }

    fn ends_well(&mut self) {
        assert!(self.callers.is_empty(), "{} wait for ever: {:?}", self.callers.len(), self.state);
        assert_eq!(self.told + self.left, self.entered);
        assert_eq!(self.state.queue_gone, 0);
        let mut free = self.state.free.clone();
        free.sort_unstable();
        free.dedup();
        assert_eq!(free.len(), self.state.places.len(), "places are lost: {:?}", self.state);
        let kept: BTreeSet<_> =
            self.state.spare.iter().map(|call| std::ptr::from_ref::<Call>(call)).collect();
        assert_eq!(kept.len(), self.state.spare.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whoever_comes_when_woken_is_answered_without_a_keeper(
        steps in prop::collection::vec(step(false), 1..150),
        even in any::<bool>(),
        depth in prop::sample::select(&[4, 8, 64][..]),
    ) {
        let mut world = World::with(even);
        world.depth = depth;
        steps.into_iter().for_each(|step| world.step(step));
        world.calm_down();
        // A caller who leaves last leaves what is under way behind; that is the keeper's.
        for line in 0..LINES {
            if world.state.rig(line).is_some_and(|rig| !rig.flights.is_empty()) {
                prop_assert!(world.callers.is_empty());
                world.take(line, 0);
                world.drivers.clear();
            }
        }
        prop_assert!(world.callers.is_empty(), "{:?}", world.state);
    }

    #[test]
    fn with_a_keeper_all_ends_well(
        steps in prop::collection::vec(step(true), 1..200),
        even in any::<bool>(),
        depth in prop::sample::select(&[4, 8, 64][..]),
    ) {
        let mut world = World::with(even);
        world.depth = depth;
        steps.into_iter().for_each(|step| world.step(step));
        for _ in 0..20 {
            world.calm_down();
            (0..LINES).for_each(|line| world.signal(line));
            world.look();
            world.look();
        }
        world.calm_down();
        world.ends_well();
    }
}

#[test]
fn a_lone_caller_goes_at_once_and_many_let_others_join() {
    let mut world = World::new();
    world.enter();
    world.calm_down();
    assert_eq!((world.told, world.state.led), (1, false));
    (0..5).for_each(|_| world.enter());
    assert_eq!(world.state.queue.len(), 5);
    world.calm_down();
    world.enter();
    assert!(world.state.led, "others came along the last time");
    world.calm_down();
    world.enter();
    assert!(!world.state.led, "nobody came along the last time");
    world.calm_down();
    assert_eq!(world.told, 8);
}

#[test]
fn the_first_connection_is_filled_before_the_next_is_opened() {
    let mut world = World::new();
    (0..100).for_each(|_| world.enter());
    world.poll_all();
    assert_eq!(world.opening, [0]);
    world.open();
    world.go_on(0, 0, 0);
    assert_eq!(world.state.lines[0].order.len(), 64);
    assert_eq!(world.state.queue.len(), 36);
    world.calm_down();
    assert_eq!(world.told, 100);
}

#[test]
fn who_comes_while_the_first_connection_is_driven_goes_with_it_as_far_as_it_has_room() {
    let mut world = World::new();
    (0..100).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    world.poll_all();
    world.open();
    world.calm_down();
    assert!(world.state.lines.iter().all(Line::is_here), "{:?}", world.state);
    let told = world.told;
    let come = |world: &mut World, callers: usize| {
        (0..callers).for_each(|_| world.enter());
        let all: Vec<u32> = world.callers.keys().copied().collect();
        all.into_iter().for_each(|at| world.turn(at));
    };
    come(&mut world, 1);
    assert_eq!(world.drivers.len(), 1, "{:?}", world.state);
    // Somebody drives the first one, and the second one is idle.
    come(&mut world, 62);
    assert_eq!((world.drivers.len(), world.state.queue.len()), (1, 62));
    // More than the first one takes.
    come(&mut world, 10);
    assert_eq!(world.drivers.len(), 2, "{:?}", world.state);
    world.calm_down();
    assert_eq!(world.told, told + 73);
    // Its driver stands still: nobody waits for that.
    come(&mut world, 1);
    come(&mut world, 5);
    assert_eq!(world.drivers.len(), 1);
    (0..2).for_each(|_| world.look());
    assert_eq!((world.drivers.len(), world.state.queue.len()), (2, 0), "{:?}", world.state);
    world.calm_down();
    assert_eq!(world.told, told + 79);
}

#[test]
fn where_there_is_not_room_for_all_half_of_the_depth_is_sent_at_once() {
    let mut world = World::new();
    world.depth = 8;
    (0..8).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    (0..12).for_each(|_| world.enter());
    world.poll_all();
    assert_eq!(world.opening, [1], "the second connection is still to come");
    let answer = |world: &mut World, answers: usize| {
        world.signal(0);
        world.poll_all();
        assert_eq!(world.drivers.len(), 1, "{:?}", world.state);
        world.go_on(0, answers, 0);
        let sent = world.drivers.pop().map(|driver| driver.held.rig.fresh.len());
        (sent, world.state.lines[0].order.len(), world.state.queue.len())
    };
    // Three places are free, and nothing goes: another answer, and four go together.
    assert_eq!(answer(&mut world, 3), (None, 5, 12));
    assert_eq!(answer(&mut world, 1), (Some(4), 8, 8));
    // What there is room for does not wait.
    let mut world = World::new();
    world.depth = 8;
    (0..6).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    (0..2).for_each(|_| world.enter());
    world.poll_all();
    assert_eq!((world.state.lines[0].order.len(), world.state.queue.len()), (8, 0));
    world.calm_down();
    assert_eq!(world.told, 8);
}

#[test]
fn a_connection_takes_more_and_more_while_others_wait_and_nothing_holds_it_up() {
    let mut world = World::new();
    (0..400).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    let before = world.state.lines[0].depth;
    world.calm_down();
    assert_eq!(world.told, 400);
    let after = world.state.lines[0].depth;
    assert!(after > before, "{before}, {after}");
    // Those that all have room say nothing of how many it takes.
    for _ in 0..400 {
        world.enter();
        world.calm_down();
    }
    assert_eq!(world.state.lines[0].depth, after);
    // As do those that another connection has room for.
    let mut world = World::with(true);
    (0..100).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.calm_down();
    let before: Vec<usize> = world.state.lines.iter().map(|line| line.depth).collect();
    for _ in 0..100 {
        (0..20).for_each(|_| world.enter());
        world.calm_down();
    }
    assert!(world.state.lines.iter().map(|line| line.depth).eq(before), "{:?}", world.state);
}

#[test]
fn a_connection_that_takes_long_for_what_it_has_is_not_given_more() {
    let mut world = World::new();
    (0..64).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    for _ in 0..100 {
        (0..60).for_each(|_| world.enter());
        world.signal(0);
        world.poll_all();
        world.look();
        world.go_on(0, 40, 0);
    }
    assert_eq!(world.state.lines[0].depth, 64, "{:?}", world.state);
}

#[test]
fn whoever_is_queued_goes_on_where_nobody_waits_for_what_is_under_way() {
    let mut world = World::new();
    world.depth = 8;
    (0..6).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    let gone: Vec<u32> = world.callers.keys().copied().collect();
    gone.into_iter().for_each(|at| world.leave(at));
    (0..6).for_each(|_| world.enter());
    world.poll_all();
    assert_eq!((world.state.queue.len(), world.opening.clone()), (6, vec![1]));
    // Answers that nobody reads, and no keeper.
    world.signal(0);
    world.poll_all();
    assert_eq!(world.drivers.len(), 1, "{:?}", world.state);
    world.go_on(0, 6, 0);
    assert_eq!(world.state.queue.len(), 0, "{:?}", world.state);
}

#[test]
fn where_each_is_confirmed_by_itself_all_connections_have_as_much_under_way() {
    let mut world = World::with(true);
    (0..100).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.calm_down();
    // The second connection is opened by whoever comes while the first has work, and waits for nobody.
    (0..10).for_each(|_| world.enter());
    world.calm_down();
    assert_eq!(world.told, 110);
    assert!(world.state.lines.iter().all(Line::is_here), "{:?}", world.state);
    (0..40).for_each(|_| world.enter());
    let all: Vec<u32> = world.callers.keys().copied().collect();
    all.into_iter().for_each(|at| world.turn(at));
    while world.drivers.iter().any(|driver| driver.rounds == 0) {
        let fresh = world.drivers.iter().position(|driver| driver.rounds == 0).unwrap();
        world.go_on(fresh, 0, 0);
    }
    let under_way = |world: &World| -> Vec<usize> {
        world.state.lines.iter().map(|line| line.order.len()).collect()
    };
    assert_eq!(under_way(&world), [20, 20]);
    world.calm_down();
    // Few need no second one.
    (0..3).for_each(|_| world.enter());
    world.calm_down();
    assert_eq!(world.told, 153);
}

#[test]
fn a_connection_that_takes_less_leaves_no_one_to_turn_in_circles() {
    let mut world = World::with(true);
    (0..100).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.calm_down();
    (0..10).for_each(|_| world.enter());
    world.calm_down();
    world.state.lines[1].depth = 32;
    let told = world.told;
    (0..120).for_each(|_| world.enter());
    // Nothing is answered. Whoever is woken comes, and in the end nobody is woken.
    for round in 0.. {
        assert!(round < 1000, "they turn in circles: {:?}", world.state);
        while !world.drivers.is_empty() {
            world.go_on(0, 0, 0);
        }
        let woken = |caller: &&Caller| caller.flag.0.load(Ordering::Relaxed);
        let woken: Vec<u32> = world.callers.values().filter(woken).map(|one| one.at).collect();
        if woken.is_empty() {
            break;
        }
        woken.into_iter().for_each(|at| world.poll(at));
    }
    let under_way: Vec<usize> = world.state.lines.iter().map(|line| line.order.len()).collect();
    assert_eq!((under_way, world.state.queue.len()), (vec![64, 32], 24));
    world.calm_down();
    assert_eq!(world.told, told + 120);
}

#[test]
fn time_that_the_keeper_has_slept_counts_for_connections_without_work_alone() {
    let mut world = World::new();
    world.enter();
    world.calm_down();
    assert!(!world.state.is_quiet(), "there was work just now");
    (0..10).for_each(|_| world.look());
    assert!(world.state.is_quiet());
    world.state.dozed(100);
    (0..89).for_each(|_| world.look());
    assert!(world.state.rig(0).is_some(), "it has been idle for 199 ticks");
    // Something comes while the keeper sleeps: it is not old when the keeper wakes.
    world.enter();
    assert!(!world.state.is_quiet());
    let before = world.state.tick;
    world.state.dozed(100);
    assert_eq!(world.state.tick, before);
    world.calm_down();
    (0..10).for_each(|_| world.look());
    world.state.dozed(1000);
    world.look();
    assert!(world.state.rig(0).is_none(), "it was idle for long enough");
    assert!(world.state.is_quiet());
}

#[test]
fn whoever_is_queued_for_too_long_is_told_so_and_no_other() {
    let mut world = World::new();
    world.state.lines.iter_mut().for_each(|line| line.phase = Phase::Opening);
    let bound = world.state.bounds.queue;
    world.enter();
    world.look();
    world.now += Duration::from_secs(10);
    (0..8).for_each(|_| world.enter());
    let places: Vec<u32> = world.state.queue.iter().copied().collect();
    let told = |world: &World| {
        let told = |at: &&u32| matches!(world.state.places[**at as usize].stage, Stage::Told);
        places.iter().filter(told).count()
    };
    world.now += bound - Duration::from_secs(11);
    world.look();
    assert_eq!((told(&world), world.state.queue.len()), (0, 9));
    world.now += Duration::from_secs(1);
    world.look();
    assert_eq!((told(&world), world.state.queue.len()), (1, 8));
    // Those who have left are let go once they are many.
    places[2..6].iter().for_each(|at| world.leave(*at));
    world.look();
    assert_eq!(world.state.queue.len(), 8);
    world.leave(places[6]);
    world.look();
    assert_eq!((world.state.queue.len(), world.state.queue_gone), (3, 0));
    world.now += Duration::from_secs(10);
    world.look();
    assert_eq!((told(&world), world.state.queue.len()), (4, 0));
    (0..LINES).for_each(|line| world.opening.push(line));
    world.calm_down();
    world.ends_well();
}

#[test]
fn memory_of_many_callers_at_once_is_given_back() {
    let mut world = World::new();
    (0..1000).for_each(|_| world.enter());
    world.calm_down();
    assert_eq!(world.state.places.len(), 1000);
    for _ in 0..2 * world.state.bounds.idle {
        world.look();
    }
    assert_eq!(world.state.places.len(), PLACES_KEPT);
    assert!(world.state.places.capacity() < 1000 && world.state.queue.capacity() < 1000);
    (0..300).for_each(|_| world.enter());
    world.calm_down();
    world.ends_well();
}

#[test]
fn calls_come_in_the_order_in_which_they_were_made() {
    let mut world = World::new();
    (0..10).for_each(|_| world.enter());
    let order: Vec<u32> = world.state.queue.iter().copied().collect();
    world.poll_all();
    world.open();
    assert_eq!(*world.state.lines[0].order, *order);
}

#[test]
fn a_place_is_not_mistaken_for_the_one_who_had_it_before() {
    let mut world = World::new();
    world.enter();
    let at = world.some(0).unwrap();
    world.poll(at);
    world.open();
    world.go_on(0, 0, 0);
    world.leave(at);
    // The answer comes before the rig hears that the caller has left.
    let held = world.state.take(0).unwrap();
    world.drivers.push(Driver { held, me: None, rounds: 2 });
    world.go_on(0, 1, 0);
    world.enter();
    assert_eq!(world.some(0), Some(at));
    world.calm_down();
    world.ends_well();
}

#[test]
fn a_slow_statement_is_left_alone_and_the_depth_shrinks() {
    let mut world = World::new();
    (0..10).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    (0..4).for_each(|_| world.look());
    assert_eq!(world.state.lines[0].depth, 32);
    assert_eq!(world.state.counted.moved, 9);
    world.calm_down();
    world.ends_well();
}

#[test]
fn each_of_those_whom_nobody_waits_for_has_its_own_time() {
    let mut world = World::new();
    (0..4).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    world.look();
    world.state.lines[0].stalled = true;
    world.take(0, 4);
    assert_eq!(world.state.lines[0].order.iter().filter(|at| **at == NOBODY).count(), 3);
    for _ in 0..3 {
        let held = world.state.take(0).unwrap();
        world.drivers.push(Driver { held, me: None, rounds: 2 });
        let before = world.state.lines[0].head_since;
        world.state.tick += 1;
        world.go_on(world.drivers.len() - 1, 1, 0);
        assert!(world.state.lines[0].head_since > before, "the next one is at the head");
    }
}

/// The first of two calls is dropped, and is to be stopped.
fn about_to_stop() -> World {
    let mut world = World::new();
    (0..2).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    let first = world.state.lines[0].order[0];
    world.leave(first);
    let (mut jobs, mut wakers) = (Vec::new(), Vec::new());
    while !jobs.contains(&Job::Stop(0)) {
        jobs.clear();
        world.state.look(world.now, 0, &mut jobs, &mut wakers);
    }
    world
}

#[test]
fn a_stop_is_asked_for_while_what_it_is_meant_for_is_at_the_head() {
    let mut world = about_to_stop();
    let held = world.state.take(0).unwrap();
    assert!(held.rig.fresh.is_empty());
    assert!(world.state.confirm_stop(0));
    world.drivers.push(Driver { held, me: None, rounds: 2 });
    world.go_on(0, 1, 0);
    assert!(world.state.lines[0].is_barred(), "it may hit the second one");
    world.calm_down();
    world.ends_well();
}

/// Looks until a stop is due, so often at most.
fn looks_until_stop(world: &mut World, looks: usize) -> Option<usize> {
    (1..=looks).find(|_| {
        let (mut jobs, mut wakers) = (Vec::new(), Vec::new());
        world.state.look(world.now, 0, &mut jobs, &mut wakers);
        jobs.contains(&Job::Stop(0))
    })
}

/// Writes on one line, in order.
fn writes(count: usize) -> (World, Vec<u32>) {
    let mut world = World::new();
    (0..count).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    world.go_on(0, 0, 0);
    let places: Vec<u32> = world.state.lines[0].order.iter().copied().collect();
    places.iter().for_each(|at| world.state.places[*at as usize].marks.writes = true);
    (world, places)
}

#[test]
fn a_write_that_holds_up_others_makes_way_and_runs_elsewhere() {
    let (mut world, places) = writes(3);
    assert_eq!(looks_until_stop(&mut world, 100), Some(20));
    for (turn, at) in places[..2].iter().enumerate() {
        let mut held = world.state.take(0).unwrap();
        assert!(world.state.confirm_stop(0));
        held.rig.flights[0].1.as_mut().unwrap().tries.makes_way = true;
        world.drivers.push(Driver { held, me: None, rounds: 2 });
        world.go_on(world.drivers.len() - 1, 1, 2);
        let place = &world.state.places[*at as usize];
        let ending = &place.call.as_ref().unwrap().ending;
        assert!(matches!((place.stage, ending), (Stage::Told, Ending::Elsewhere)), "{place:?}");
        assert!(world.state.lines[0].is_barred());
        // Those that are left have waited long enough, but the last one holds up nobody.
        assert_eq!(looks_until_stop(&mut world, 100), (turn == 0).then_some(4));
    }
    assert_eq!(world.state.counted.elsewhere, 2);
    world.calm_down();
    world.ends_well();
}

#[test]
fn a_write_that_holds_up_nobody_takes_its_time() {
    let (mut world, places) = writes(2);
    world.leave(places[1]);
    assert_eq!(looks_until_stop(&mut world, 100), None);
    world.calm_down();
}

#[test]
fn a_call_that_stops_of_others_hit_again_and_again_goes_elsewhere() {
    let mut world = World::new();
    world.enter();
    world.poll_all();
    world.open();
    for _ in 0..HIT_MAX {
        world.drivers[0].rounds = 0;
        world.go_on(0, 1, 2);
    }
    assert_eq!((world.state.counted.resent, world.state.counted.elsewhere), (2, 1));
    world.calm_down();
    world.ends_well();
}

#[test]
fn no_stop_is_asked_for_once_its_statement_is_over() {
    let mut world = about_to_stop();
    // Somebody else reads its answer.
    world.signal(0);
    let second = world.state.lines[0].order[1];
    world.poll(second);
    world.go_on(0, 1, 0);
    let held = world.state.take(0).unwrap();
    assert!(!world.state.confirm_stop(0));
    assert!(!world.state.lines[0].is_barred());
    world.drivers.push(Driver { held, me: None, rounds: 2 });
    world.calm_down();
    world.ends_well();
}

#[test]
fn a_call_that_neighbours_keep_from_running_gets_a_segment_and_then_goes_elsewhere() {
    let mut world = World::new();
    (0..2).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    for _ in 0..UNRUN_MAX {
        let driver = &mut world.drivers[0];
        driver.held.rig.drive(0, 0);
        let (at, call) = driver.held.rig.flights.pop_back().unwrap();
        assert_eq!(
            call.as_ref().unwrap().tries.alone,
            call.as_ref().unwrap().tries.unrun >= UNRUN_ALONE
        );
        driver.held.rig.land(at, call, Ending::Unrun);
        driver.rounds = 0;
        world.go_on(0, 0, 0);
        if world.drivers.is_empty() {
            break;
        }
    }
    assert_eq!(world.state.counted.elsewhere, 1);
}

#[test]
fn who_comes_when_all_connections_are_held_up_goes_elsewhere() {
    let mut world = World::new();
    world.enter();
    let at = world.some(0).unwrap();
    world.poll(at);
    world.open();
    world.go_on(0, 0, 0);
    world.state.lines[0].stalled = true;
    world.state.lines[1].phase = Phase::Here(Fake::default());
    world.state.lines[1].full = Some(at);
    let before = world.entered;
    world.enter();
    assert_eq!(world.entered, before);
    assert_eq!(world.state.counted.elsewhere, 1);
}

#[test]
fn a_connection_that_is_there_serves_while_another_is_opened() {
    let mut world = World::new();
    world.state.lines[0].phase = Phase::Opening;
    world.state.lines[1].phase = Phase::Here(Fake::default());
    world.enter();
    world.calm_down();
    assert_eq!(world.told, 1);
    assert!(matches!(world.state.lines[0].phase, Phase::Opening));
}

#[test]
fn where_there_is_no_connection_nobody_waits_for_a_leader_who_may_not_come() {
    let mut world = World::new();
    world.state.last_batch = 5;
    world.enter();
    assert!(!world.state.led);
    let at = world.some(0).unwrap();
    world.poll(at);
    assert_eq!(world.opening, [0]);
}

#[test]
fn a_write_whose_runtime_goes_away_is_not_run_again() {
    let mut world = World::new();
    (0..2).for_each(|_| world.enter());
    world.poll_all();
    world.open();
    let places: Vec<u32> = world.state.lines[0].order.iter().copied().collect();
    assert_eq!(places.len(), 2);
    world.state.places[places[1] as usize].marks.writes = true;
    let mut wakers = Vec::new();
    places.iter().for_each(|&at| world.state.send_off(at, &mut wakers));
    let mut told = |at: u32| world.state.turn(at, Waker::noop(), &mut None);
    assert!(matches!(told(places[0]), Turn::Gone { ran: false }));
    assert!(matches!(told(places[1]), Turn::Gone { ran: true }));
    let error = orphaned();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConnectionLost, Retry::Unknown));
}
