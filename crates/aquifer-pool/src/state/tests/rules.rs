//! Each rule alone, on a virtual clock.

use std::time::Duration;

use super::super::{
    Config, Errand, GRACE, Job, Joined, Out, Passes, Polled, SlotId, State, WaiterId,
};
use crate::{
    clock::{Nanos, nanos},
    error::{AcquireError, DialError, TimeoutCause, TimeoutKind},
    manage::{CloseReason, Fate},
    options::PoolOptions,
    stats::{MoveReason, Warning},
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Nothing happens by itself that a test did not ask for.
fn plain(max_open: u32) -> PoolOptions {
    PoolOptions {
        max_open,
        max_lifetime: None,
        max_idle_time: None,
        check_after: None,
        check_period: None,
        leak_after: None,
        warn_in_use: None,
        warn_wait: None,
        ..PoolOptions::default()
    }
}

/// A lease in the hands of a test.
#[derive(Clone, Copy, Debug)]
struct Held {
    slot: SlotId,
    connection: u32,
    waited: u64,
}

/// A pool whose outside world does what a test says, and which remembers what it asked for.
struct Rig {
    pool: State<u32, u32, &'static str>,
    now: Nanos,
    generation: u64,
    dials: Vec<SlotId>,
    errands: Vec<(SlotId, u32, Errand)>,
    closes: Vec<(Option<SlotId>, u32, CloseReason)>,
    aborts: Vec<SlotId>,
    warnings: Vec<Warning>,
    woken: Vec<u32>,
    hastened: bool,
    next: u32,
}

impl Rig {
    fn new(options: &PoolOptions) -> Rig {
        Rig::with_passes(options, Passes::default())
    }

    fn with_passes(options: &PoolOptions, passes: Passes) -> Rig {
        options.validate().unwrap();
        let mut pool = State::new(Config::new(options, passes), 7);
        let generation = pool.start_maintenance(Nanos(0), &mut Out::new()).unwrap();
        Rig {
            pool,
            now: Nanos(0),
            generation,
            dials: Vec::new(),
            errands: Vec::new(),
            closes: Vec::new(),
            aborts: Vec::new(),
            warnings: Vec::new(),
            woken: Vec::new(),
            hastened: false,
            next: 0,
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(nanos(span));
    }

    fn absorb(&mut self, mut out: Out<u32, u32>) {
        self.woken.extend(out.wake);
        self.hastened |= out.hasten;
        for job in out.take_jobs() {
            match job {
                Job::Wake(waker) => self.woken.push(waker),
                Job::Dial(slot) => self.dials.push(slot),
                Job::Errand { slot, connection, errand, .. } => {
                    self.errands.push((slot, connection, errand))
                }
                Job::Close { slot, connection, reason, .. } => {
                    self.closes.push((slot, connection, reason))
                }
                Job::Abort(slot) => self.aborts.push(slot),
                Job::Warn(warning) => self.warnings.push(warning),
                Job::Moved(_) => {}
            }
        }
    }

    fn take(&mut self) -> Option<Held> {
        let mut out = Out::new();
        let taken = self.pool.try_take(self.now, &mut None, &mut out);
        self.absorb(out);
        taken.map(|taken| Held {
            slot: taken.slot,
            connection: taken.connection,
            waited: taken.waited,
        })
    }

    fn join(
        &mut self,
        waker: u32,
        budget: Duration,
    ) -> Result<WaiterId, AcquireError<&'static str>> {
        self.join_as(waker, budget, "")
    }

    fn join_as(
        &mut self,
        waker: u32,
        budget: Duration,
        label: &str,
    ) -> Result<WaiterId, AcquireError<&'static str>> {
        let mut out = Out::new();
        let deadline = self.now.after(nanos(budget));
        let holder = (!label.is_empty()).then(|| label.into());
        let joined =
            self.pool.join(self.now, self.now, deadline, holder, true, Vec::new(), waker, &mut out);
        self.absorb(out);
        match joined {
            Joined::Waiting { id, .. } => Ok(id),
            Joined::Refused(error) => Err(error),
            Joined::Taken(_) => panic!("a connection was idle"),
        }
    }

    /// A wait within work that keeps leases.
    fn join_keeping(&mut self, leases: &[Held]) -> Result<WaiterId, AcquireError<&'static str>> {
        self.next += 1;
        let (waker, deadline) = (self.next, self.now.after(nanos(ms(60_000))));
        let kept = leases.iter().map(|held| self.pool.kept(held.slot)).collect();
        let mut out = Out::new();
        let joined =
            self.pool.join(self.now, self.now, deadline, None, true, kept, waker, &mut out);
        self.absorb(out);
        match joined {
            Joined::Waiting { id, .. } => Ok(id),
            Joined::Refused(error) => Err(error),
            Joined::Taken(_) => panic!("a connection was idle"),
        }
    }

    fn wait(&mut self) -> WaiterId {
        self.next += 1;
        self.join(self.next, ms(60_000)).unwrap()
    }

    fn poll(&mut self, id: WaiterId) -> Polled<u32, &'static str> {
        let mut out = Out::new();
        let polled = self.pool.poll(id, &mut out);
        self.absorb(out);
        polled
    }

    fn served(&mut self, id: WaiterId) -> Held {
        match self.poll(id) {
            Polled::Ready(taken) => {
                Held { slot: taken.slot, connection: taken.connection, waited: taken.waited }
            }
            Polled::Failed(error) => panic!("{error:?}"),
            Polled::Pending => panic!("still waiting"),
        }
    }

    fn waits(&mut self, id: WaiterId) -> bool {
        matches!(self.poll(id), Polled::Pending)
    }

    fn failed(&mut self, id: WaiterId) -> AcquireError<&'static str> {
        match self.poll(id) {
            Polled::Failed(error) => error,
            _ => panic!("it has not failed"),
        }
    }

    fn expire(&mut self, id: WaiterId) -> AcquireError<&'static str> {
        let mut out = Out::new();
        let polled = self.pool.expire(id, self.now, &mut out);
        self.absorb(out);
        match polled {
            Polled::Failed(error) => error,
            _ => panic!("it has not failed"),
        }
    }

    fn connected(&mut self) -> u32 {
        let slot = self.dials.remove(0);
        self.next += 1;
        let mut out = Out::new();
        self.pool.connected(slot, self.next, self.now, &mut out);
        self.absorb(out);
        self.next
    }

    fn refused(&mut self, error: &'static str, transient: bool) {
        let slot = self.dials.remove(0);
        let mut out = Out::new();
        let error = DialError::Failed(std::sync::Arc::new(error));
        self.pool.connect_failed(slot, error, transient, self.now, &mut out);
        self.absorb(out);
    }

    fn release(&mut self, held: Held) {
        self.release_as(held, Fate::Keep);
    }

    fn release_as(&mut self, held: Held, fate: Fate) {
        let mut out = Out::new();
        self.pool.release(held.slot, held.connection, fate, self.now, &mut out);
        self.absorb(out);
    }

    fn errand_done(&mut self) {
        let (slot, connection, errand) = self.errands.remove(0);
        let mut out = Out::new();
        self.pool.errand_done(slot, connection, errand, self.now, &mut out);
        self.absorb(out);
    }

    fn errand_failed(&mut self) {
        let (slot, ..) = self.errands.remove(0);
        let mut out = Out::new();
        self.pool.errand_failed(slot, None, CloseReason::CheckFailed, self.now, &mut out);
        self.absorb(out);
    }

    fn gone(&mut self) {
        let (slot, ..) = self.closes.remove(0);
        let mut out = Out::new();
        self.pool.gone(slot.unwrap(), self.now, &mut out);
        self.absorb(out);
    }

    fn tick(&mut self) -> Option<Nanos> {
        let mut out = Out::new();
        let next = self.pool.tick(self.generation, self.now, &mut out);
        self.absorb(out);
        next
    }

    fn configure(&mut self, options: &PoolOptions) {
        let mut out = Out::new();
        self.pool.set_config(Config::new(options, Passes::default()), self.now, &mut out);
        self.absorb(out);
    }

    fn close(&mut self) {
        let mut out = Out::new();
        self.pool.close(self.now, &mut out);
        self.absorb(out);
    }

    /// Opens `n` connections that take `connect` to dial, and leaves them idle, the highest number on top.
    fn open(&mut self, n: u32, connect: Duration) {
        for _ in 0..n {
            let mut out = Out::new();
            let slot = self.pool.dial_on_demand(self.now, &mut out).expect("room");
            self.absorb(out);
            self.dials.push(slot);
            self.pass(connect);
            self.connected();
        }
    }

    /// As `open`, and lends them.
    fn lend(&mut self, n: u32) -> Vec<Held> {
        self.open(n, ms(10));
        (0..n).map(|_| self.take().unwrap()).collect()
    }
}

// Dialling.

#[test]
fn a_burst_that_open_connections_serve_sooner_dials_nothing() {
    let mut rig = Rig::new(&plain(50));
    let held = {
        rig.open(5, ms(150));
        let held: Vec<Held> = (0..5).map(|_| rig.take().unwrap()).collect();
        rig.pass(ms(2));
        held.into_iter().for_each(|one| rig.release(one));
        (0..5).map(|_| rig.take().unwrap()).collect::<Vec<_>>()
    };
    let waiting: Vec<WaiterId> = (0..45).map(|_| rig.wait()).collect();
    assert!(rig.dials.is_empty());
    rig.pass(ms(2));
    held.into_iter().for_each(|one| rig.release(one));
    waiting[..5].iter().for_each(|&id| assert_eq!(rig.served(id).waited, nanos(ms(2))));
    assert!(rig.waits(waiting[5]));
    assert!(rig.dials.is_empty());
}

#[test]
fn a_queue_that_stands_longer_than_a_connect_takes_is_dialled_for() {
    let mut rig = Rig::new(&PoolOptions { max_connecting: 2, ..plain(50) });
    let held = rig.lend(1);
    rig.pass(ms(1));
    rig.release(held[0]);
    let _held = rig.take().unwrap();
    rig.tick();
    rig.hastened = false;
    let _waiting: Vec<WaiterId> = (0..4).map(|_| rig.wait()).collect();
    assert!(
        rig.dials.is_empty() && rig.hastened,
        "one connect takes 10 ms, in which 10 are served"
    );
    rig.pass(ms(10));
    rig.tick();
    assert_eq!(rig.dials.len(), 2, "bounded by max_connecting");
    rig.connected();
    assert_eq!(rig.dials.len(), 2, "the next one follows");
}

#[test]
fn an_unmeasured_hold_is_worth_one_dial_at_a_time() {
    let mut rig = Rig::new(&plain(50));
    let _held = rig.lend(1);
    (0..9).for_each(|_| {
        rig.wait();
    });
    assert_eq!(rig.dials.len(), 1);
}

#[test]
fn a_dial_belongs_to_the_pool_and_outlives_its_waiter() {
    let mut rig = Rig::new(&plain(3));
    let id = rig.wait();
    let mut out = Out::new();
    rig.pool.cancel(id, rig.now, &mut out);
    rig.absorb(out);
    let connection = rig.connected();
    assert_eq!(rig.take().unwrap().connection, connection);
}

#[test]
fn after_a_failure_one_dial_probes_and_only_when_the_pause_is_over() {
    let mut rig = Rig::new(&plain(10));
    (0..3).for_each(|_| {
        rig.wait();
    });
    assert_eq!(rig.dials.len(), 3);
    (0..3).for_each(|_| rig.refused("no", true));
    assert!(rig.dials.is_empty());
    let next = rig.tick().unwrap();
    let pause = next.since(rig.now);
    assert!((nanos(ms(50))..=nanos(ms(400))).contains(&pause), "{pause}");
    rig.now = Nanos(next.0 - 1);
    rig.tick();
    assert!(rig.dials.is_empty());
    rig.now = next;
    rig.tick();
    assert_eq!(rig.dials.len(), 1);
    rig.connected();
    assert_eq!(rig.dials.len(), 2, "the queue has stood for long enough");
    assert_eq!(rig.pool.stats().connect_failures_in_row, 0);
}

#[test]
fn an_incurable_error_reaches_every_waiter_of_a_pool_without_connections() {
    let mut rig = Rig::new(&plain(10));
    let ids: Vec<WaiterId> = (0..3).map(|_| rig.wait()).collect();
    rig.refused("wrong password", false);
    for id in ids {
        match rig.failed(id) {
            AcquireError::Connect { error, failures: 1 } => {
                assert_eq!(**error.error().unwrap(), "wrong password")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_incurable_error_reaches_one_waiter_if_connections_may_still_come_back() {
    let mut rig = Rig::new(&PoolOptions { elide_dials: false, ..plain(10) });
    let _held = rig.lend(1);
    let (first, second) = (rig.wait(), rig.wait());
    rig.refused("too many roles", false);
    assert!(matches!(rig.failed(first), AcquireError::Connect { .. }));
    assert!(rig.waits(second));
}

#[test]
fn a_curable_error_is_tried_again_and_named_when_the_budget_is_spent() {
    let mut rig = Rig::new(&plain(10));
    let id = rig.join(1, ms(100)).unwrap();
    rig.refused("refused", true);
    assert!(rig.waits(id));
    rig.pass(ms(20));
    let AcquireError::Timeout(report) = rig.expire(id) else { panic!("a timeout") };
    match report.cause {
        TimeoutCause::ConnectFailing { failures: 1, last, next_try } => {
            assert_eq!(**last.error().unwrap(), "refused");
            assert!(next_try <= ms(100) && report.waited == ms(20));
        }
        _ => panic!("{report:?}"),
    }
}

#[test]
fn a_lost_runtime_costs_the_dial_and_nothing_else() {
    let mut rig = Rig::new(&plain(1));
    let id = rig.wait();
    let slot = rig.dials.remove(0);
    let mut out = Out::new();
    rig.pool.connect_aborted(slot, rig.now, &mut out);
    rig.absorb(out);
    assert_eq!(rig.dials.len(), 1, "dialled again at once");
    rig.connected();
    rig.served(id);
    assert_eq!(rig.pool.stats().connects_failed, 1);
}

#[test]
fn a_dial_that_stands_still_is_given_up_and_its_late_result_closed() {
    let mut rig = Rig::new(&plain(1));
    let id = rig.wait();
    let stuck = rig.dials[0];
    rig.dials.clear();
    rig.now = Nanos(nanos(PoolOptions::default().connect_timeout) + GRACE);
    rig.tick();
    assert_eq!(rig.aborts, [stuck]);
    assert_eq!(rig.dials.len(), 1);
    let mut out = Out::new();
    rig.pool.connected(stuck, 99, rig.now, &mut out);
    rig.absorb(out);
    assert_eq!(rig.closes, [(None, 99, CloseReason::RuntimeGone)]);
    let connection = rig.connected();
    assert_eq!(rig.served(id).connection, connection);
}

#[test]
fn dials_and_goodbyes_count_against_the_limit() {
    let mut rig = Rig::new(&plain(1));
    let held = rig.lend(1)[0];
    let _id = rig.wait();
    rig.release_as(held, Fate::Discard(CloseReason::Broken));
    assert!(rig.dials.is_empty(), "the old connection is still being closed");
    rig.gone();
    assert_eq!(rig.dials.len(), 1);
}

// The queue.

#[test]
fn a_full_queue_refuses_at_once() {
    let mut rig = Rig::new(&PoolOptions { max_waiters: 2, ..plain(1) });
    let _held = rig.lend(1);
    let (_first, _second) = (rig.wait(), rig.wait());
    match rig.join(9, ms(100)) {
        Err(AcquireError::QueueFull { waiting: 2, max_waiters: 2 }) => {}
        _ => panic!("the queue is full"),
    }
    assert_eq!(rig.pool.stats().refused_queue_full, 1);
}

#[test]
fn a_wait_that_only_waits_could_end_is_refused() {
    let mut rig = Rig::new(&plain(2));
    let held = rig.lend(2);
    // One of the two may still come back.
    let first = rig.join_keeping(&held[..1]).unwrap();
    let error = rig.join_keeping(&held[1..]).unwrap_err();
    let AcquireError::Deadlock { holders, limit: 2 } = &error else { panic!("{error:?}") };
    assert_eq!(holders.len(), 2);
    assert_eq!(rig.pool.stats().refused_deadlock, 1);
    // The one that was refused gives up its own, and the other is served.
    rig.release(held[1]);
    let second = rig.served(first);
    assert_eq!(second.connection, held[1].connection);
    // Now both are kept by the same work.
    assert!(matches!(rig.join_keeping(&[held[0], second]), Err(AcquireError::Deadlock { .. })));
}

#[test]
fn a_wait_that_has_ended_keeps_nothing() {
    let mut rig = Rig::new(&plain(2));
    let held = rig.lend(2);
    let first = rig.join_keeping(&held[..1]).unwrap();
    let mut out = Out::new();
    rig.pool.cancel(first, rig.now, &mut out);
    rig.absorb(out);
    let second = rig.join_keeping(&held[1..]).expect("the other does not wait any more");
    rig.release(held[0]);
    rig.served(second);
}

#[test]
fn a_lease_of_the_same_connection_that_comes_later_is_not_the_one_that_was_kept() {
    let mut rig = Rig::new(&plain(1));
    let held = rig.lend(1);
    let kept = vec![rig.pool.kept(held[0].slot)];
    rig.release(held[0]);
    let _other = rig.take().unwrap();
    let mut out = Out::new();
    let deadline = rig.now.after(nanos(ms(100)));
    let joined = rig.pool.join(rig.now, rig.now, deadline, None, true, kept, 9, &mut out);
    rig.absorb(out);
    assert!(matches!(joined, Joined::Waiting { .. }), "the other will come back");
}

#[test]
fn where_a_dial_or_a_reclaim_can_help_a_wait_is_a_wait() {
    let mut rig = Rig::new(&plain(2));
    let held = rig.lend(1);
    let waiting = rig.join_keeping(&held).expect("there is room for another");
    rig.connected();
    rig.served(waiting);
    let mut rig = Rig::new(&PoolOptions { reclaim_after: Some(ms(500)), ..plain(1) });
    let held = rig.lend(1);
    rig.join_keeping(&held).expect("its slot will be given away");
}

#[test]
fn a_connection_passes_over_waiters_whose_budget_is_spent() {
    let mut rig = Rig::new(&plain(1));
    let held = rig.lend(1)[0];
    let late = rig.join(1, ms(10)).unwrap();
    let ready = rig.join(2, ms(100)).unwrap();
    rig.pass(ms(10));
    rig.release(held);
    assert!(matches!(rig.failed(late), AcquireError::Timeout(_)));
    assert_eq!(rig.served(ready).waited, nanos(ms(10)));
    assert_eq!(rig.pool.stats().timeouts(TimeoutKind::Exhausted), 1);
}

#[test]
fn a_waiter_that_leaves_after_it_was_served_hands_on() {
    let mut rig = Rig::new(&plain(1));
    let held = rig.lend(1)[0];
    let (first, second) = (rig.wait(), rig.wait());
    rig.release(held);
    let mut out = Out::new();
    rig.pool.cancel(first, rig.now, &mut out);
    rig.absorb(out);
    let again = rig.served(second);
    assert_eq!(again.connection, held.connection);
    rig.release(again);
    let stats = rig.pool.stats();
    assert_eq!(
        (stats.acquires, stats.hold.count()),
        (2, 2),
        "what was never fetched was never lent"
    );
}

#[test]
fn a_zero_budget_takes_what_is_idle_or_fails_at_once() {
    let mut rig = Rig::new(&plain(1));
    let _held = rig.lend(1);
    match rig.join(1, Duration::ZERO) {
        Err(AcquireError::Timeout(report)) => {
            assert_eq!(report.cause.kind(), TimeoutKind::Exhausted)
        }
        _ => panic!("nothing is idle"),
    }
}

#[test]
fn each_cause_of_a_timeout_is_named() {
    let cause = |rig: &mut Rig, id| match rig.expire(id) {
        AcquireError::Timeout(report) => report.cause.kind(),
        other => panic!("{other:?}"),
    };
    let mut rig = Rig::new(&plain(1));
    let id = rig.wait();
    rig.pass(ms(30));
    assert_eq!(cause(&mut rig, id), TimeoutKind::ConnectSlow);
    rig.connected();
    let held = rig.take().unwrap();
    let id = rig.wait();
    assert_eq!(cause(&mut rig, id), TimeoutKind::Exhausted);
    let id = rig.wait();
    rig.release_as(held, Fate::Recover);
    assert_eq!(cause(&mut rig, id), TimeoutKind::Recovering);

    let mut rig = Rig::new(&PoolOptions { check_on_acquire: true, ..plain(1) });
    rig.open(1, ms(1));
    let id = rig.wait();
    assert_eq!(cause(&mut rig, id), TimeoutKind::Checking);
    let error: AcquireError<&str> = rig.pool.expired_before(rig.now);
    assert!(
        matches!(error, AcquireError::Timeout(report) if report.cause.kind() == TimeoutKind::Expired)
    );
    let counted = rig.pool.stats();
    assert_eq!(
        (counted.timeouts(TimeoutKind::Checking), counted.timeouts(TimeoutKind::Expired)),
        (1, 1)
    );
}

// Age and idleness.

#[test]
fn an_expired_connection_is_not_lent() {
    let mut rig =
        Rig::new(&PoolOptions { max_lifetime: Some(ms(1_000)), lifetime_jitter: 0.0, ..plain(2) });
    rig.open(1, ms(10));
    rig.pass(ms(999));
    let held = rig.take().unwrap();
    rig.release(held);
    rig.pass(ms(1));
    assert!(rig.take().is_none());
    assert_eq!(rig.closes[0].2, CloseReason::MaxLifetime);
    assert_eq!(rig.pool.stats().max_lifetime_closed, 1);
}

#[test]
fn a_connection_that_expires_while_lent_is_closed_when_it_comes_back() {
    let mut rig = Rig::new(&PoolOptions {
        max_lifetime: Some(ms(1_000)),
        lifetime_jitter: 0.0,
        replace_ahead: 0.0,
        ..plain(2)
    });
    let held = rig.lend(1)[0];
    rig.pass(ms(5_000));
    rig.tick();
    assert!(rig.closes.is_empty());
    rig.release(held);
    assert_eq!(rig.closes[0].2, CloseReason::MaxLifetime);
}

#[test]
fn lifetimes_are_spread_by_the_jitter() {
    let mut rig = Rig::new(&PoolOptions {
        max_lifetime: Some(ms(1_000)),
        lifetime_jitter: 0.1,
        maintenance_period: ms(10),
        ..plain(90)
    });
    rig.open(60, ms(0));
    rig.pass(ms(899));
    rig.tick();
    assert!(rig.closes.is_empty());
    rig.pass(ms(101));
    rig.tick();
    let by_half_time = rig.closes.len();
    assert!((10..50).contains(&by_half_time), "{by_half_time}");
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.pool.stats().max_lifetime_closed, 60);
}

fn aging() -> PoolOptions {
    PoolOptions {
        max_lifetime: Some(ms(100_000)),
        lifetime_jitter: 0.0,
        replace_ahead: 0.05,
        ..plain(2)
    }
}

#[test]
fn a_replacement_is_dialled_before_expiry_and_takes_the_place() {
    let mut rig = Rig::new(&aging());
    rig.open(1, ms(0));
    rig.pass(ms(94_999));
    rig.tick();
    assert!(rig.dials.is_empty());
    rig.pass(ms(1_001));
    rig.tick();
    assert_eq!((rig.dials.len(), rig.closes.len()), (1, 0), "dialled first");
    rig.tick();
    assert_eq!(rig.dials.len(), 1, "once");
    let new = rig.connected();
    assert_eq!(rig.closes.len(), 1, "closed then");
    assert_eq!(rig.take().unwrap().connection, new);
}

#[test]
fn a_replacement_of_a_lent_connection_retires_it_when_it_comes_back() {
    let mut rig = Rig::new(&aging());
    let held = rig.lend(1)[0];
    rig.pass(ms(96_000));
    rig.tick();
    let new = rig.connected();
    assert!(rig.closes.is_empty());
    rig.release(held);
    assert_eq!(rig.closes, [(Some(held.slot), held.connection, CloseReason::MaxLifetime)]);
    assert_eq!(rig.take().unwrap().connection, new);
}

#[test]
fn without_room_there_is_no_replacement_and_the_limit_holds() {
    let mut rig = Rig::new(&PoolOptions { max_open: 1, ..aging() });
    rig.open(1, ms(0));
    rig.pass(ms(99_000));
    rig.tick();
    assert!(rig.dials.is_empty() && rig.closes.is_empty());
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.closes.len(), 1);
}

#[test]
fn a_failed_replacement_is_tried_again() {
    let mut rig = Rig::new(&aging());
    rig.open(1, ms(0));
    rig.pass(ms(96_000));
    rig.tick();
    rig.refused("restarting", true);
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.dials.len(), 1);
}

#[test]
fn idle_connections_are_reaped_oldest_first_down_to_min_idle() {
    let mut rig =
        Rig::new(&PoolOptions { max_idle_time: Some(ms(1_000)), min_idle: 1, ..plain(5) });
    rig.open(3, ms(100));
    rig.pass(ms(850));
    rig.tick();
    assert_eq!(rig.closes.iter().map(|close| close.1).collect::<Vec<_>>(), [1]);
    rig.pass(ms(5_000));
    rig.tick();
    assert_eq!(
        rig.closes.iter().map(|close| (close.1, close.2)).collect::<Vec<_>>()[1..],
        [(2, CloseReason::MaxIdleTime)]
    );
    assert_eq!((rig.pool.stats().idle, rig.pool.stats().max_idle_time_closed), (1, 2));
}

#[test]
fn a_replacement_inherits_the_idle_time() {
    let options = PoolOptions { max_idle_time: Some(ms(97_000)), ..aging() };
    let mut rig = Rig::new(&options);
    rig.open(1, ms(0));
    rig.pass(ms(96_000));
    rig.tick();
    rig.connected();
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.closes[1].2, CloseReason::MaxIdleTime);
}

#[test]
fn a_full_idle_stack_closes_what_comes_back() {
    let mut rig = Rig::new(&PoolOptions { max_idle: Some(1), ..plain(5) });
    let held: Vec<Held> = (0..2)
        .map(|_| {
            rig.open(1, ms(1));
            rig.take().unwrap()
        })
        .collect();
    held.iter().for_each(|&one| rig.release(one));
    assert_eq!(rig.closes, [(Some(held[1].slot), held[1].connection, CloseReason::MaxIdle)]);
    assert_eq!(rig.pool.stats().max_idle_closed, 1);
}

#[test]
fn min_idle_is_refilled_after_a_whole_period_of_shortage_only() {
    let mut rig = Rig::new(&PoolOptions { min_idle: 2, ..plain(5) });
    rig.tick();
    assert_eq!(rig.dials.len(), 2, "from the start");
    (0..2).for_each(|_| {
        rig.connected();
    });
    let held = [rig.take().unwrap(), rig.take().unwrap()];
    rig.pass(ms(1_000));
    rig.tick();
    assert!(rig.dials.is_empty(), "they were idle within this period");
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.dials.len(), 2, "and not within this one");
    held.into_iter().for_each(|one| rig.release(one));
}

// Checks.

fn checked() -> PoolOptions {
    PoolOptions { check_after: Some(ms(100)), ..plain(3) }
}

#[test]
fn a_connection_is_checked_on_its_way_only_if_it_was_idle_for_long() {
    let mut rig = Rig::new(&checked());
    rig.open(1, ms(1));
    rig.pass(ms(99));
    let held = rig.take().unwrap();
    rig.release(held);
    rig.pass(ms(100));
    assert!(rig.take().is_none());
    let id = rig.wait();
    assert_eq!(
        rig.errands,
        [(held.slot, held.connection, Errand::Prepare { check: true, hook: false })]
    );
    assert!(rig.dials.is_empty(), "the check is the help");
    rig.errand_done();
    assert_eq!(rig.served(id).connection, held.connection);
}

#[test]
fn a_failed_check_tries_the_next_idle_one_then_dials() {
    let mut rig = Rig::new(&checked());
    rig.open(2, ms(1));
    rig.pass(ms(200));
    let id = rig.wait();
    rig.errand_failed();
    assert_eq!(rig.errands.len(), 1);
    rig.errand_failed();
    assert_eq!(rig.dials.len(), 1);
    let connection = rig.connected();
    assert_eq!(rig.served(id).connection, connection);
    assert_eq!(rig.pool.stats().closed(CloseReason::CheckFailed), 2);
}

#[test]
fn a_check_nobody_waits_for_any_more_leaves_the_connection_idle_and_fresh() {
    let mut rig = Rig::new(&checked());
    rig.open(1, ms(1));
    rig.pass(ms(200));
    let id = rig.wait();
    let mut out = Out::new();
    rig.pool.cancel(id, rig.now, &mut out);
    rig.absorb(out);
    rig.errand_done();
    assert!(rig.take().is_some());
}

#[test]
fn background_checks_take_the_longest_unchecked_and_at_most_half_of_the_idle() {
    let mut rig =
        Rig::new(&PoolOptions { check_period: Some(ms(1_000)), max_connecting: 4, ..plain(10) });
    rig.open(5, ms(1));
    rig.pass(ms(1_000));
    rig.tick();
    assert_eq!(rig.errands.iter().map(|errand| errand.1).collect::<Vec<_>>(), [1, 2]);
    assert!(rig.errands.iter().all(|errand| errand.2 == Errand::IdleCheck));
    assert_eq!(rig.take().unwrap().connection, 5, "others are lent meanwhile");
    rig.errand_done();
    rig.errand_done();
    let order: Vec<u32> = std::iter::from_fn(|| rig.take().map(|held| held.connection)).collect();
    assert_eq!(order, [4, 3, 2, 1], "a check does not change the order of use");
}

#[test]
fn an_always_check_or_hook_sends_every_reused_connection_through_a_task() {
    let mut rig = Rig::new(&PoolOptions { check_on_acquire: true, ..plain(1) });
    let id = rig.wait();
    rig.connected();
    let held = rig.served(id);
    rig.release(held);
    assert!(rig.take().is_none());
    let (first, second) = (rig.wait(), rig.wait());
    rig.errand_done();
    let held = rig.served(first);
    rig.release(held);
    assert_eq!(
        rig.errands[0].2,
        Errand::Prepare { check: true, hook: false },
        "also on direct hand-over"
    );
    rig.errand_done();
    rig.served(second);

    let mut rig = Rig::with_passes(&plain(1), Passes { before_acquire: true, after_release: true });
    let id = rig.wait();
    rig.connected();
    let held = rig.served(id);
    rig.release(held);
    assert_eq!(rig.errands[0].2, Errand::Clean { recover: false, check: false, hook: true });
    rig.errand_done();
    let id = rig.wait();
    assert_eq!(rig.errands[0].2, Errand::Prepare { check: false, hook: true });
    rig.errand_done();
    rig.served(id);
}

#[test]
fn work_that_stands_still_is_given_up() {
    let mut rig = Rig::new(&checked());
    rig.open(1, ms(1));
    rig.pass(ms(200));
    let _id = rig.wait();
    let (slot, connection, errand) = rig.errands.remove(0);
    rig.pass(PoolOptions::default().idle_check_timeout);
    rig.now = rig.now.after(GRACE);
    rig.dials.clear();
    rig.tick();
    assert_eq!(rig.aborts, [slot]);
    let mut out = Out::new();
    rig.pool.errand_done(slot, connection, errand, rig.now, &mut out);
    rig.absorb(out);
    assert_eq!(rig.closes.last().unwrap().0, None);
}

// Limits.

#[test]
fn a_lowered_limit_closes_idle_connections_now_and_lent_ones_as_they_come_back() {
    let mut rig = Rig::new(&plain(5));
    let held = rig.lend(2);
    rig.open(2, ms(1));
    rig.configure(&plain(1));
    assert_eq!(rig.closes.len(), 2);
    assert!(rig.closes.iter().all(|close| close.2 == CloseReason::Resized));
    rig.release(held[0]);
    assert_eq!(rig.closes.len(), 3);
    rig.release(held[1]);
    assert_eq!((rig.closes.len(), rig.pool.stats().idle), (3, 1));
}

#[test]
fn a_raised_limit_dials_for_those_who_wait() {
    let mut rig = Rig::new(&PoolOptions { elide_dials: false, ..plain(1) });
    let _held = rig.lend(1);
    let _id = rig.wait();
    assert!(rig.dials.is_empty());
    rig.configure(&PoolOptions { elide_dials: false, ..plain(3) });
    assert_eq!(rig.dials.len(), 1);
}

#[test]
fn a_changed_lifetime_applies_to_connections_that_exist() {
    let mut rig = Rig::new(&plain(5));
    rig.open(1, ms(1));
    rig.pass(ms(5_000));
    rig.configure(&PoolOptions { max_lifetime: Some(ms(1_000)), ..plain(5) });
    assert!(rig.take().is_none());
    assert_eq!(rig.closes[0].2, CloseReason::MaxLifetime);
}

#[test]
fn a_reclaimed_lease_frees_its_slot_once_and_is_closed_when_it_comes_back() {
    let options = PoolOptions { reclaim_after: Some(ms(500)), reclaim_max: 1, ..plain(2) };
    let mut rig = Rig::new(&options);
    let held = rig.lend(2);
    let id = rig.wait();
    rig.pass(ms(500));
    rig.tick();
    assert_eq!(rig.pool.stats().reclaimed, 1, "bounded by reclaim_max");
    assert!(matches!(&rig.warnings[..], [Warning::Reclaimed { holder }] if holder.reclaimed));
    assert_eq!(rig.dials.len(), 1);
    let connection = rig.connected();
    assert_eq!(rig.served(id).connection, connection);
    assert_eq!(rig.pool.stats().open_connections, 2);
    let lost = held.iter().find(|one| rig.pool.is_reclaimed(one.slot)).copied().unwrap();
    rig.release(lost);
    assert_eq!(rig.closes[0].2, CloseReason::Reclaimed);
    rig.gone();
    assert_eq!(rig.pool.stats().reclaimed, 0);
    assert_eq!(rig.pool.stats().hold.count(), 1);
}

#[test]
fn the_adaptive_limit_grows_with_the_queue_and_says_why() {
    let options =
        PoolOptions { adaptive: true, adaptive_min: 2, adaptive_period: ms(1_000), ..plain(10) };
    let mut rig = Rig::new(&options);
    assert_eq!(rig.pool.stats().limit, 2);
    let mut held = rig.lend(2);
    rig.tick();
    for _ in 0..10 {
        let id = rig.wait();
        rig.pass(ms(100));
        rig.release(held.remove(0));
        held.push(rig.served(id));
    }
    rig.tick();
    let stats = rig.pool.stats();
    assert_eq!((stats.limit, stats.max_open_connections), (3, 10));
    assert_eq!((stats.moves[0].why, stats.moves[0].waits), (MoveReason::Queueing, 10));
}

// Warnings.

#[test]
fn a_leak_is_reported_once_with_its_holder() {
    let mut rig = Rig::new(&PoolOptions {
        leak_after: Some(ms(500)),
        warn_period: ms(100),
        holders_max: 1,
        ..plain(3)
    });
    let _held = rig.lend(2);
    let id = rig.join_as(1, ms(1_000), "report").unwrap();
    rig.connected();
    let _labelled = rig.served(id);
    rig.pass(ms(499));
    rig.tick();
    rig.warnings.clear();
    rig.pass(ms(1_000));
    rig.tick();
    match &rig.warnings[..] {
        [Warning::Leak { total: 3, holders }] => {
            assert_eq!(holders.len(), 1, "bounded by holders_max")
        }
        other => panic!("{other:?}"),
    }
    let labels: Vec<_> =
        rig.pool.holders(rig.now, 0, 9).into_iter().filter_map(|holder| holder.label).collect();
    assert_eq!(labels, ["report".into()]);
    rig.warnings.clear();
    rig.pass(ms(1_000));
    rig.tick();
    assert!(rig.warnings.is_empty());
}

#[test]
fn the_share_in_use_is_averaged_over_the_interval() {
    let options = PoolOptions { warn_in_use: Some(0.8), warn_period: ms(1_000), ..plain(10) };
    for (lent, warns) in [(7, false), (8, true), (9, true)] {
        let mut rig = Rig::new(&options);
        rig.open(10, ms(0));
        rig.pass(ms(1_000));
        rig.tick();
        let held: Vec<Held> = (0..lent).map(|_| rig.take().unwrap()).collect();
        rig.pass(ms(1_000));
        held.into_iter().for_each(|one| rig.release(one));
        rig.tick();
        assert_eq!(!rig.warnings.is_empty(), warns, "{lent}: {:?}", rig.warnings);
    }
    let mut rig = Rig::new(&options);
    rig.open(10, ms(0));
    rig.pass(ms(1_000));
    rig.tick();
    rig.pass(ms(700));
    let _held: Vec<Held> = (0..10).map(|_| rig.take().unwrap()).collect();
    rig.pass(ms(300));
    rig.tick();
    assert!(rig.warnings.is_empty(), "a peak of three tenths of the interval");
}

#[test]
fn long_waits_are_counted_per_interval_those_under_way_included() {
    let mut rig =
        Rig::new(&PoolOptions { warn_wait: Some(ms(100)), warn_period: ms(1_000), ..plain(1) });
    let held = rig.lend(1)[0];
    rig.tick();
    let first = rig.wait();
    let _second = rig.wait();
    rig.pass(ms(150));
    rig.release(held);
    rig.served(first);
    rig.pass(ms(850));
    rig.tick();
    assert_eq!(rig.warnings, [Warning::Waits { count: 2, longest: ms(1_000) }]);
}

// Maintenance and runtimes.

#[test]
fn one_maintenance_task_runs_and_another_replaces_it_when_it_ends_or_stands_still() {
    let mut rig = Rig::new(&plain(1));
    assert_eq!(rig.pool.start_maintenance(rig.now, &mut Out::new()), None);
    rig.open(1, ms(1));
    let next = rig.tick().unwrap();
    assert_eq!(rig.pool.start_maintenance(next, &mut Out::new()), None);
    rig.now = next.after(GRACE);
    let second = rig.pool.start_maintenance(rig.now, &mut Out::new()).unwrap();
    assert_eq!(rig.tick(), None, "the old one ends");
    rig.generation = second;
    assert!(rig.tick().is_some());
    let mut out = Out::new();
    rig.pool.maintenance_ended(1, &mut out);
    assert!(!rig.pool.needs_upkeep(), "nobody minds the old one");
    rig.pool.maintenance_ended(second, &mut out);
    assert!(rig.pool.needs_upkeep());
    let mut out = Out::new();
    rig.pool.try_take(rig.now, &mut None, &mut out).unwrap();
    assert!(out.upkeep, "the next acquire starts one");
}

#[test]
fn maintenance_sleeps_for_good_while_there_is_nothing_to_look_after() {
    let mut rig = Rig::new(&plain(1));
    assert_eq!(rig.tick(), Some(Nanos::NEVER));
    rig.hastened = false;
    let _id = rig.wait();
    assert!(rig.hastened);
    assert!(rig.tick().unwrap() < Nanos::NEVER);
}

#[test]
fn parked_jobs_call_the_first_waiter_and_the_next_if_it_leaves() {
    let mut rig = Rig::new(&plain(1));
    let (first, _second) = (rig.join(1, ms(100)).unwrap(), rig.join(2, ms(100)).unwrap());
    let slot = rig.dials.remove(0);
    let mut out = Out::new();
    rig.pool.park(Job::Dial(slot), &mut out);
    rig.absorb(out);
    assert_eq!(rig.woken, [1]);
    let mut out = Out::new();
    rig.pool.cancel(first, rig.now, &mut out);
    rig.absorb(out);
    assert_eq!(rig.woken, [1, 2]);
    assert!(matches!(&rig.pool.take_parked()[..], [Job::Dial(parked)] if *parked == slot));
    assert!(!rig.pool.needs_upkeep());
}

#[test]
fn closing_ends_everything_and_nothing_begins() {
    let mut rig = Rig::new(&plain(3));
    let held = rig.lend(1)[0];
    rig.open(1, ms(1));
    let _other = rig.take().unwrap();
    let id = rig.wait();
    let dial = rig.dials[0];
    rig.close();
    assert!(matches!(rig.failed(id), AcquireError::Closed));
    assert_eq!(rig.aborts, [dial]);
    assert!(matches!(rig.join(5, ms(9)), Err(AcquireError::Closed)));
    rig.release(held);
    assert_eq!(rig.closes[0].2, CloseReason::PoolClosed);
    assert_eq!(rig.tick(), None);
    assert_eq!(rig.pool.start_maintenance(rig.now, &mut Out::new()), None);
    assert!(!rig.pool.is_drained());
    rig.connected();
    assert_eq!(rig.closes[1].2, CloseReason::PoolClosed, "a dial that was too fast to abort");
}
