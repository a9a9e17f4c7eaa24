//! [`Mux`]: the shared connections, and driving them in whatever task is awake.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use aquifer_driver::Error;
use aquifer_pool::{AcquireError, AcquireRequest, CloseReason, Pool};
use crossbeam_utils::atomic::AtomicCell;
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::{self, Handle};
use tokio::sync::Notify;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::MultiplexStats;
use super::call::{Call, Ending};
use super::keeper::{self, Pulse, TICK};
use super::pace::Floor;
use super::rig::Line;
use super::standby;
use super::state::{Bounds, Enter, Held, Job, Left, Refused, Rig, Settled, State, Turn};
use crate::errors;
use crate::manage::Manager;
use crate::options::Multiplexing;
use crate::source::Lease;
use crate::tally::Tally;
use crate::text::Text;

/// Rounds that one task drives for others before it goes about its own.
const ROUNDS: usize = 3;

/// How often a call that is polled once looks for work.
const TURNS: usize = 16;

/// So many calls in a row that were alone, and the next one that is has a connection to itself.
const LONELY: u32 = 16;

/// What many callers share. One for each `Db`.
pub(crate) struct Mux {
    inner: Mutex<Inner>,
    /// The call that was given back last, for whoever comes next: most find it without a lock.
    last: AtomicCell<Option<Box<Call>>>,
    /// The runtime whose calls shared last, if they still may: they need not ask before they are queued.
    home: AtomicCell<Option<runtime::Id>>,
    pool: Pool<Manager>,
    pub(super) mode: Multiplexing,
    options: Timing,
    me: Weak<Self>,
    /// Who is woken by each connection.
    wakers: Box<[Waker]>,
    /// What the quickest call took.
    floor: Floor,
    /// Calls that share now, or might.
    callers: AtomicU32,
    /// How many in a row were alone.
    lonely: AtomicU32,
}

/// A call that shares, or might: whoever comes meanwhile is not alone.
#[derive(Debug)]
pub(crate) struct Caller<'m>(&'m Mux);

impl<'m> Caller<'m> {
    pub(super) fn new(mux: &'m Mux) -> Self {
        mux.callers.fetch_add(1, Ordering::Relaxed);
        Self(mux)
    }

    /// With whom it shares.
    #[inline(always)]
    pub(super) fn mux(&self) -> &'m Mux {
        self.0
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a call is not queued.
#[derive(Debug)]
pub(super) enum Rejected {
    /// Calls of its runtime do not share.
    Alone(Box<Call>),
    /// There is no room for it.
    Elsewhere(Box<Call>),
}

/// The runtime that a call is made in.
#[inline(always)]
pub(super) fn here() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|here| here.id())
}

/// The times that bound what is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) cancel_after: Duration,
    pub(crate) recover_timeout: Duration,
    pub(crate) acquire_timeout: Duration,
    pub(crate) max_lifetime: Option<Duration>,
}

struct Inner {
    state: State<Box<Line>>,
    /// Whose timers and sockets the connections use.
    runtime: Option<runtime::Id>,
    keeper: Keeper,
    /// Wakes the keeper when there is work again; each has its own.
    unpark: Arc<Notify>,
    /// The sessions turned out to run one statement at a time.
    unable: bool,
    /// A runtime without timers: nobody can wait there.
    timeless: Option<runtime::Id>,
    flights: u64,
    segments: u64,
    /// Counts the calls that went well.
    tally: Tally,
}

impl Inner {
    /// Whether calls of this runtime share: the sessions can, and the connections are its, or there are none. One that has
    /// connections has timers.
    #[inline]
    fn is_free_for(&mut self, here: runtime::Id) -> bool {
        (self.runtime == Some(here) && !self.unable) || self.becomes_free_for(here)
    }

    #[cold]
    fn becomes_free_for(&mut self, here: runtime::Id) -> bool {
        let mine = self.runtime.is_none_or(|runtime| runtime == here);
        !self.unable && self.timeless != Some(here) && (mine || self.is_deserted())
    }

    /// There is work.
    #[inline]
    fn rouse(&mut self) {
        if self.keeper == Keeper::Dozing {
            self.keeper = Keeper::Awake;
            self.unpark.notify_one();
        }
    }

    /// The runtime whose calls share has opened nothing, or has given everything back, or nothing is left of it.
    #[cold]
    fn is_deserted(&mut self) -> bool {
        matches!(self.keeper, Keeper::None | Keeper::Parked) && self.state.is_deserted()
    }

    /// From now on calls of this runtime share. If another one's keeper is parked, it sees that as it wakes, and ends.
    #[cold]
    fn hand_over(&mut self, here: runtime::Id) {
        if self.runtime.replace(here) != Some(here) && self.keeper == Keeper::Parked {
            self.keeper = Keeper::None;
            std::mem::take(&mut self.unpark).notify_one();
        }
    }

    /// Whether the keeper that is woken by this is the one that there is now.
    fn is_kept_by(&self, unpark: &Arc<Notify>) -> bool {
        Arc::ptr_eq(&self.unpark, unpark)
    }
}

/// Where the keeper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    None,
    /// It waits to be woken.
    Parked,
    /// It looks again in a while, and is woken by work.
    Dozing,
    Awake,
}

/// Wakes somebody who waits for a connection.
pub(super) struct Signal {
    mux: Weak<Mux>,
    line: usize,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(mux) = self.mux.upgrade() {
            mux.signal(self.line);
        }
    }
}

/// Whole ticks, at least one.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2).max(1)
}

impl Mux {
    pub(crate) fn new(
        pool: Pool<Manager>,
        connections: u32,
        mode: Multiplexing,
        options: Timing,
        tally: Tally,
    ) -> Arc<Self> {
        let bounds = Bounds {
            slow: ticks(keeper::SLOW) + 1,
            hold: ticks(keeper::HOLD),
            stop: ticks(options.cancel_after),
            again: ticks(options.cancel_after.max(keeper::AGAIN)),
            patience: ticks(options.recover_timeout),
            idle: ticks(keeper::IDLE),
            drowsy: ticks(keeper::DROWSY),
            queue: options.acquire_timeout,
            even: mode == Multiplexing::Statements,
        };
        let lines = connections as usize;
        Arc::new_cyclic(|me: &Weak<Self>| Self {
            inner: Mutex::new(Inner {
                state: State::new(lines, bounds),
                runtime: None,
                keeper: Keeper::None,
                unpark: Arc::default(),
                unable: false,
                timeless: None,
                flights: 0,
                segments: 0,
                tally,
            }),
            last: AtomicCell::new(None),
            home: AtomicCell::new(None),
            pool,
            mode,
            options,
            me: Weak::clone(me),
            floor: Floor::new(),
            callers: AtomicU32::new(0),
            lonely: AtomicU32::new(0),
            wakers: (0..lines)
                .map(|line| Waker::from(Arc::new(Signal { mux: Weak::clone(me), line })))
                .collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// There has been nobody to share with for a while, and is nobody now: the call takes the short way, over a
    /// connection of its own that is idle in the pool `own`. If there is none, one may be opened meanwhile.
    #[inline(always)]
    pub(super) fn alone<'p>(&self, own: impl FnOnce() -> &'p Pool<Manager>) -> Option<Caller<'_>> {
        let lonely = self.lonely.load(Ordering::Relaxed);
        if self.callers.load(Ordering::Relaxed) > 0 {
            if lonely != 0 {
                self.lonely.store(0, Ordering::Relaxed);
            }
            return None;
        }
        self.alone_again(own(), lonely)
    }

    /// After so many that were.
    // Few are: the others' calls are to stay small.
    #[inline(never)]
    fn alone_again(&self, own: &Pool<Manager>, lonely: u32) -> Option<Caller<'_>> {
        if lonely <= LONELY {
            self.lonely.store(lonely + 1, Ordering::Relaxed);
        }
        if lonely < LONELY {
            return None;
        }
        let free = own.has_idle();
        if !free && lonely == LONELY && !own.is_exhausted() {
            open_another(own.clone());
        }
        free.then(|| Caller::new(self))
    }

    /// Whether calls of this runtime share, as far as can be seen: [`enter`](Self::enter) has the last word.
    #[inline(always)]
    pub(super) fn is_for(&self, here: runtime::Id) -> bool {
        self.home.load() == Some(here) || self.becomes_for(here)
    }

    #[cold]
    fn becomes_for(&self, here: runtime::Id) -> bool {
        self.lock().is_free_for(here)
    }

    /// A call to be used again.
    #[inline(always)]
    pub(super) fn spare(&self) -> Option<Box<Call>> {
        self.last.take().or_else(|| self.another_spare())
    }

    #[cold]
    fn another_spare(&self) -> Option<Box<Call>> {
        self.lock().state.spare()
    }

    pub(super) fn keep(&self, mut call: Box<Call>) {
        call.rest();
        if let Some(other) = self.last.swap(Some(call)) {
            self.lock().state.keep(other);
        }
    }

    /// Counts a call that went well.
    pub(super) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.lock().tally);
    }

    /// [Counts](Self::count) and [keeps](Self::keep) a call, with one lock.
    #[inline]
    pub(super) fn keep_counted(&self, mut call: Box<Call>, count: impl FnOnce(&mut Tally)) {
        call.rest();
        let other = self.last.swap(Some(call));
        let mut inner = self.lock();
        count(&mut inner.tally);
        if let Some(other) = other {
            inner.state.keep(other);
        }
    }

    #[inline(always)]
    pub(super) fn enter(
        &self,
        call: Box<Call>,
        waker: Waker,
        here: runtime::Id,
        now: Instant,
        until: Option<Instant>,
    ) -> Result<(u32, Enter), Rejected> {
        let mut inner = self.lock();
        if !inner.is_free_for(here) {
            return Err(Rejected::Alone(call));
        }
        let entered = inner.state.enter(call, waker, now, until);
        let entered = entered.map_err(|Refused(call)| Rejected::Elsewhere(call))?;
        if self.home.load() != Some(here) {
            inner.hand_over(here);
            self.home.store(Some(here));
        }
        inner.rouse();
        Ok(entered)
    }

    /// The call of this place, if it is over with nothing left to tell.
    #[inline(always)]
    pub(super) fn back(&self, at: u32) -> Option<Box<Call>> {
        self.lock().state.back(at)
    }

    /// Goes on for the caller of this place, until it has something or has to wait.
    #[inline(never)]
    pub(super) fn turn(&self, at: u32, waker: &Waker) -> Turn<Box<Line>> {
        let mut mine = None;
        let mut turn = self.lock().state.turn(at, waker, &mut mine);
        let mut turns = 0;
        loop {
            turns += 1;
            turn = match turn {
                Turn::Drive(held) if turns == TURNS => {
                    // Others are to have their turn, too.
                    self.run(held, None);
                    waker.wake_by_ref();
                    return Turn::Wait;
                }
                Turn::Drive(held) => self.run(held, Some((at, waker, &mut mine))),
                Turn::Open(line) => {
                    self.open(line);
                    self.lock().state.turn(at, waker, &mut mine)
                }
                Turn::Introduce => {
                    mine = Some(waker.clone());
                    self.lock().state.turn(at, waker, &mut mine)
                }
                over => return over,
            };
        }
    }

    /// Drives a connection, for all; then goes on for the caller, if there is one.
    fn run(
        &self,
        held: Held<Box<Line>>,
        mut me: Option<(u32, &Waker, &mut Option<Waker>)>,
    ) -> Turn<Box<Line>> {
        let at = me.as_ref().map(|me| me.0);
        let mut out = Out { mux: self, held: Some(held) };
        let mut rounds = 0;
        loop {
            let Some(held) = &mut out.held else { return Turn::Wait };
            drive(&mut held.rig);
            let mut inner = self.lock();
            inner.state.land(held, at);
            inner.flights += std::mem::take(&mut held.rig.flights);
            inner.segments += std::mem::take(&mut held.rig.segments);
            if !held.rig.wakers().is_empty() {
                drop(inner);
                held.rig.wakers().drain(..).for_each(Waker::wake);
                inner = self.lock();
            }
            rounds += 1;
            let Some(held) = out.held.take() else { return Turn::Wait };
            match inner.state.settle(held, rounds < ROUNDS) {
                Settled::Again(held) => out.held = Some(held),
                Settled::Back { waker, gone } => {
                    let turn = match &mut me {
                        Some((at, known, mine)) => inner.state.turn(*at, known, mine),
                        None => Turn::Wait,
                    };
                    drop(inner);
                    wake(waker);
                    if let Some(mut rig) = gone {
                        rig.wakers().drain(..).for_each(Waker::wake);
                        drop(rig);
                    }
                    return turn;
                }
            }
        }
    }

    fn signal(&self, line: usize) {
        let waker = {
            let mut inner = self.lock();
            inner.rouse();
            inner.state.signal(line)
        };
        wake(waker);
    }

    /// What a call took that had its connection to itself.
    pub(super) fn measured(&self, text: &Text, time: Duration) {
        let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        self.floor.note(us);
        text.pace().note(time);
    }

    /// Whether this text takes so long, or gives so much, that it is to have a connection to itself.
    pub(super) fn goes_alone(&self, text: &Text) -> bool {
        text.pace().goes_alone(self.floor.us())
    }

    /// A call was answered, and runs elsewhere all the same.
    #[cold]
    pub(super) fn goes_elsewhere(&self) {
        self.lock().state.counted.elsewhere += 1;
    }

    /// Whether the shared sessions may write.
    pub(super) fn takes_writes(&self) -> bool {
        self.mode == Multiplexing::Statements
    }

    /// A caller goes without its answer; whether it was queued still.
    pub(super) fn leave(&self, at: u32) -> bool {
        let Left { waker, old, queued } = self.lock().state.leave(at);
        wake(waker);
        drop(old);
        queued
    }

    /// Gets a connection for a line: at once if one is idle and somebody keeps it, else in a task.
    #[cold]
    fn open(&self, line: usize) {
        let kept = {
            let mut inner = self.lock();
            let kept = inner.keeper != Keeper::None;
            if matches!(inner.keeper, Keeper::Parked | Keeper::Dozing) {
                inner.keeper = Keeper::Awake;
                inner.unpark.notify_one();
            }
            kept
        };
        // Where statements that write may make way for others, the server is asked first.
        let now = kept && !self.takes_writes();
        if now && let Some(lease) = self.pool.try_acquire(&AcquireRequest::default()) {
            if lease.is_at_home() {
                return self.opened(line, lease.into_owned(), false);
            }
            lease.discard(CloseReason::Requested);
        }
        match (Handle::try_current(), self.me.upgrade()) {
            (Ok(runtime), Some(mux)) => {
                self.lock().runtime.get_or_insert(runtime.id());
                let opening = Opening { mux: Some(mux), line };
                runtime.spawn(connect(self.pool.clone(), opening));
            }
            _ => self.not_opened(line, AcquireError::NoRuntime),
        }
    }

    fn opened(&self, line: usize, mut lease: Lease, makes_way: bool) {
        if lease.connection().multiplex().is_none() {
            return self.disable(line);
        }
        let (one_each, waker) = (self.takes_writes(), self.wakers[line].clone());
        let anew = lease.info().uses == 1;
        // It goes in and out with each call, so it is small.
        let rig = Box::new(Line::new(lease, waker, one_each, makes_way));
        let held = {
            let mut inner = self.lock();
            if anew && !inner.state.has_connections() {
                // It may be over another network, to another server.
                self.floor.forget();
            }
            inner.state.opened(line, rig)
        };
        if let Some(held) = held {
            self.run(held, None);
        }
    }

    /// Called in a runtime that has timers.
    fn have_a_keeper(&self) {
        let mut inner = self.lock();
        if inner.keeper == Keeper::None
            && let Ok(runtime) = Handle::try_current()
            && inner.runtime.is_none_or(|here| here == runtime.id())
        {
            (inner.keeper, inner.runtime) = (Keeper::Awake, Some(runtime.id()));
            let park = Arc::clone(&inner.unpark);
            runtime.spawn(keeper::keep(Weak::clone(&self.me), park));
        }
    }

    /// The sessions run one statement at a time: nobody shares.
    #[cold]
    fn disable(&self, line: usize) {
        self.lock().unable = true;
        self.home.store(None);
        self.without(line);
    }

    /// A line gets no connection: if there is no other, those who wait have connections of their own.
    #[cold]
    fn without(&self, line: usize) {
        let mut wakers = Vec::new();
        let now = Instant::now();
        self.lock().state.not_opened(line, now, None, || Ending::Elsewhere, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    #[cold]
    fn not_opened(&self, line: usize, error: AcquireError<Error>) {
        let mut wakers = Vec::new();
        let without_timers = matches!(error, AcquireError::NoRuntime);
        // Each has waited since it came, not since the dial began.
        let waited = matches!(error, AcquireError::Timeout(_) | AcquireError::QueueFull { .. })
            .then_some(self.options.acquire_timeout);
        let error = errors::acquire(error);
        let more = {
            let mut inner = self.lock();
            if without_timers {
                inner.timeless = Handle::try_current().ok().map(|here| here.id());
                self.home.store(None);
                if inner.keeper == Keeper::None {
                    inner.runtime = None;
                }
            }
            let why = || match without_timers {
                true => Ending::Elsewhere,
                false => Ending::Failed(super::aloft::copy(&error)),
            };
            inner.state.not_opened(line, Instant::now(), waited, why, &mut wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        if more {
            self.open(line);
        }
    }

    /// Calls in the queue are told that the database is closed, and so is whoever comes; connections go back as
    /// they have nothing under way.
    pub(crate) fn close(&self) {
        let mut wakers = Vec::new();
        let rigs = self.lock().state.close(&mut wakers);
        drop(rigs);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn stats(&self) -> MultiplexStats {
        let inner = self.lock();
        let counted = inner.state.counted;
        MultiplexStats {
            shared: counted.shared,
            flights: inner.flights,
            segments: inner.segments,
            resent: counted.resent,
            moved: counted.moved,
            elsewhere: counted.elsewhere,
        }
    }
}

/// For the keeper.
impl Mux {
    /// Looks after everything once, after a doze of so many ticks.
    pub(super) fn look(&self, keeper: &Arc<Notify>, dozed: u64) -> Pulse {
        let (mut jobs, mut wakers) = (Vec::new(), Vec::new());
        let pulse = {
            let mut inner = self.lock();
            if !inner.is_kept_by(keeper) {
                return Pulse::Deposed;
            }
            inner.state.dozed(dozed);
            let network = match self.floor.us() {
                Floor::UNKNOWN => 0,
                us => ticks(4 * Duration::from_micros(us.into())) - 1,
            };
            let busy = inner.state.look(Instant::now(), network, &mut jobs, &mut wakers);
            let pulse = match (busy, jobs.is_empty() && inner.state.is_quiet()) {
                (false, _) => Pulse::Nothing,
                (true, true) => Pulse::Quiet,
                (true, false) => Pulse::Work,
            };
            inner.keeper = match pulse {
                Pulse::Nothing => Keeper::Parked,
                Pulse::Quiet => Keeper::Dozing,
                Pulse::Work | Pulse::Deposed => Keeper::Awake,
            };
            pulse
        };
        wakers.into_iter().for_each(Waker::wake);
        for job in jobs {
            self.see_to(job);
        }
        pulse
    }

    fn take(&self, line: usize) -> Option<Out<'_>> {
        let held = self.lock().state.take(line)?;
        Some(Out { mux: self, held: Some(held) })
    }

    fn see_to(&self, job: Job) {
        match job {
            Job::Drive(line) => {
                if let Some(mut out) = self.take(line)
                    && let Some(held) = out.held.take()
                {
                    self.run(held, None);
                }
            }
            Job::Move(line) => self.make_way(line),
            Job::Stop(line) => self.stop(line),
            Job::Lift(line) => self.lift(line),
            Job::GiveUp(line) => {
                if let Some(mut out) = self.take(line)
                    && let Some(mut held) = out.held.take()
                {
                    held.rig.lose(&keeper::given_up());
                    self.run(held, None);
                }
            }
            Job::Release(line) => drop(self.lock_and_release(line)),
            Job::Lead => self.lead(),
        }
    }

    fn lock_and_release(&self, line: usize) -> Option<Box<Line>> {
        self.lock().state.release(line)
    }

    fn lead(&self) {
        let turn = self.lock().state.lead();
        match turn {
            Some(Turn::Drive(held)) => {
                self.run(held, None);
            }
            Some(Turn::Open(line)) => self.open(line),
            _ => {}
        }
    }

    /// Moves what stands behind a statement that takes long, unless it is over by now.
    fn make_way(&self, line: usize) {
        let Some(mut out) = self.take(line) else {
            return self.lock().state.put_off_move(line);
        };
        let Some(held) = &mut out.held else { return };
        let before = held.rig.head().map(|head| head.0);
        drive(&mut held.rig);
        if let Some((at, call)) = held.rig.head()
            && before == Some(at)
        {
            if let Some(call) = call {
                call.text.pace().note(keeper::SLOW);
            }
            held.rig.move_behind();
        }
        if let Some(held) = out.held.take() {
            self.run(held, None);
        }
    }

    /// Lets the result at the head of a line grow beyond its credit.
    fn lift(&self, line: usize) {
        if let Some(mut out) = self.take(line)
            && let Some(mut held) = out.held.take()
        {
            held.rig.lift_credit();
            self.run(held, None);
        }
    }

    /// Tells the server to stop what is at the head of a line.
    fn stop(&self, line: usize) {
        let Some(mut out) = self.take(line) else {
            // Whoever drives it may see its end.
            return self.lock().state.put_off_stop(line);
        };
        let Some(held) = &mut out.held else { return };
        // It may be over by now: the request would hit the next.
        drive(&mut held.rig);
        let confirmed = {
            let mut inner = self.lock();
            inner.state.land(held, None);
            inner.state.confirm_stop(line)
        };
        held.rig.wakers().drain(..).for_each(Waker::wake);
        if confirmed {
            held.rig.stopping();
            let canceller = held.rig.lease().connection().canceller();
            let cancel = canceller.cancel();
            if let Ok(runtime) = Handle::try_current() {
                let waker = self.wakers[line].clone();
                runtime.spawn(async move {
                    cancel.await;
                    waker.wake();
                });
            }
        }
        if let Some(held) = out.held.take() {
            self.run(held, None);
        }
    }

    /// The runtime that the keeper belongs to is going away: its sockets will never be ready again.
    pub(super) fn orphan(&self, keeper: &Arc<Notify>) {
        let mut wakers = Vec::new();
        let rigs = {
            let mut inner = self.lock();
            if !inner.is_kept_by(keeper) {
                return;
            }
            inner.keeper = Keeper::None;
            inner.runtime = None;
            self.home.store(None);
            inner.state.orphan(&mut wakers)
        };
        drop(rigs);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What is known of the network grows old.
    pub(super) fn age_floor(&self) {
        self.floor.next_window();
    }

    /// Connections that have lived long enough take nothing new, and are given back.
    pub(super) fn retire(&self) {
        let Some(max) = self.options.max_lifetime else { return };
        let mut inner = self.lock();
        for line in 0..self.wakers.len() {
            if inner.state.rig(line).is_some_and(|rig| rig.age() >= max) {
                inner.state.retire(line);
            }
        }
    }
}

impl std::fmt::Debug for Mux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mux").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Drop for Mux {
    fn drop(&mut self) {
        // A keeper that is parked has to see that there is nothing left to keep.
        self.lock().unpark.notify_one();
    }
}

/// Drives a rig. Whoever does so does it for all: his own budget has nothing to do with it, and a socket that pends
/// because that is spent would never be ready.
fn drive(rig: &mut Line) {
    let work = unconstrained(poll_fn(|_| {
        rig.drive();
        Poll::Ready(())
    }));
    let mut work = pin!(work);
    let _ready = std::future::Future::poll(
        work.as_mut(),
        &mut std::task::Context::from_waker(Waker::noop()),
    );
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A rig that is driven. Should the driver panic, the connection is lost, and nothing else.
struct Out<'m> {
    mux: &'m Mux,
    held: Option<Held<Box<Line>>>,
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        held.rig.lose(&keeper::panicked());
        let mut inner = self.mux.lock();
        inner.state.land(&mut held, None);
        let wakers = std::mem::take(held.rig.wakers());
        let settled = inner.state.settle(held, false);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        if let Settled::Back { waker, gone } = settled {
            wake(waker);
            drop(gone);
        }
    }
}

/// Has the pool open a connection that is idle then. It does not matter if it cannot.
#[cold]
fn open_another(pool: Pool<Manager>) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { drop(pool.acquire(&AcquireRequest::default()).await) });
    }
}

/// The search for a connection; if its task is dropped, nobody has found one.
struct Opening {
    mux: Option<Arc<Mux>>,
    line: usize,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(mux) = self.mux.take() {
            // Its runtime goes away. If there is a keeper, that says so; one of another runtime's is left alone.
            mux.without(self.line);
        }
    }
}

async fn connect(pool: Pool<Manager>, mut opening: Opening) {
    let mut foreign = 0;
    let acquired = loop {
        let request = AcquireRequest::default();
        let mut acquire = pin!(pool.acquire(&request));
        let acquired = poll_fn(|cx| {
            let polled = acquire.as_mut().poll(cx);
            // Without timers nobody can wait for a connection, nor keep one.
            if !matches!(polled, Poll::Ready(Err(_)))
                && let Some(mux) = &opening.mux
            {
                mux.have_a_keeper();
            }
            polled
        })
        .await;
        match acquired {
            // Its socket is another runtime's, which may stand still.
            Ok(lease) if !lease.is_at_home() => drop(lease.discard(CloseReason::Requested)),
            acquired => break acquired,
        }
        foreign += 1;
        if let Some(mux) = opening.mux.take_if(|mux| foreign > mux.wakers.len()) {
            return mux.without(opening.line);
        }
    };
    let acquired = match (acquired, &opening.mux) {
        (Ok(lease), Some(mux)) if mux.takes_writes() => {
            let mut lease = lease.into_owned();
            let asked = standby::is_waited_for(&mut lease, mux.options.recover_timeout).await;
            if asked.is_err() {
                lease.discard(CloseReason::CheckFailed);
                if let Some(mux) = opening.mux.take() {
                    mux.without(opening.line);
                }
                return;
            }
            Ok((lease, asked.is_ok_and(|waits| !waits)))
        }
        (acquired, _) => acquired.map(|lease| (lease.into_owned(), false)),
    };
    let Some(mux) = opening.mux.take() else { return };
    match acquired {
        Ok((lease, makes_way)) => mux.opened(opening.line, lease, makes_way),
        Err(error) => mux.not_opened(opening.line, error),
    }
}
