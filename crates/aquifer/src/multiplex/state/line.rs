//! [`Line`]: one connection, and who has what under way on it.

use super::super::fifo::Fifo;
use super::NOBODY;

/// Statements under way on one connection: at first, at least, and at most.
const DEPTH: usize = 64;
const DEPTH_MIN: usize = 4;
const DEPTH_MAX: usize = 256;

/// So many times its depth, and it grows by one.
const SMOOTH: usize = 4;

#[derive(Debug)]
pub(super) struct Line<R> {
    pub(super) phase: Phase<R>,
    /// The places whose statements are under way, in order.
    pub(super) order: Fifo<u32>,
    pub(super) depth: usize,
    /// There is something to read, or to write, and nobody has seen to it.
    pub(super) signalled: bool,
    /// The keeper has seen that.
    pub(super) seen: bool,
    /// Who was woken for it.
    pub(super) delegate: Option<u32>,
    /// Whose callers have left since the rig was last out.
    pub(super) left: Vec<u32>,
    /// The result that has no room.
    pub(super) full: Option<u32>,
    /// What is at the head holds up the rest: nothing is added.
    pub(super) stalled: bool,
    /// What is at the head is to be stopped, or something was.
    pub(super) stopping: Option<Stop>,
    /// It is to be given back as soon as nothing is under way.
    pub(super) retiring: bool,
    /// It is of no further use, though its rig does not know yet.
    pub(super) doomed: bool,
    /// Nobody waits for the statement at the head: which that is, as in [`Stop`], and since when that is known.
    pub(super) forsaken: Option<(u64, u64)>,
    /// Since when the statement at the head is there.
    pub(super) head_since: u64,
    /// How many have left the head: tells one statement there from the next, whoever waits for them.
    pub(super) passed: u64,
    /// When something was last added.
    pub(super) used: u64,
    /// When its rig was last taken out.
    pub(super) taken: u64,
    /// Statements that were added while others had no room, since the depth was last changed, or the head was late.
    pub(super) smooth: usize,
}

/// A request to stop what is at the head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// When it first became due for this statement.
    pub(super) first: u64,
    /// When it became due last.
    pub(super) since: u64,
    /// Which statement it is meant for: how many had left before it.
    pub(super) head: u64,
    /// One was sent since the line was last clear: it may hit anyone.
    pub(super) sent: bool,
    /// It was for the sake of those behind it.
    pub(super) for_others: bool,
}

#[derive(Debug)]
pub(super) enum Phase<R> {
    /// No connection, and nobody gets one.
    Vacant,
    /// Somebody gets one.
    Opening,
    Here(R),
    /// Somebody drives it.
    Out,
}

impl<R> Line<R> {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Vacant,
            order: Fifo::new(),
            depth: DEPTH,
            signalled: false,
            seen: false,
            delegate: None,
            left: Vec::new(),
            full: None,
            stalled: false,
            stopping: None,
            retiring: false,
            doomed: false,
            forsaken: None,
            head_since: 0,
            passed: 0,
            used: 0,
            taken: 0,
            smooth: 0,
        }
    }

    pub(super) fn is_here(&self) -> bool {
        matches!(self.phase, Phase::Here(_))
    }

    /// Whether nothing may be added, however few are under way.
    pub(super) fn is_barred(&self) -> bool {
        self.stalled
            || self.full.is_some()
            || self.stopping.is_some()
            || self.retiring
            || self.doomed
    }

    pub(super) fn has_room(&self) -> bool {
        !self.is_barred() && self.order.len() < self.depth
    }

    /// Whether some of so many that wait are to be sent now: where there is not room for all, half of the depth at once. The
    /// server answers what has come together in few pieces; sending one for each as it comes makes all of them small.
    pub(super) fn takes(&self, queued: usize) -> bool {
        let under_way = self.order.len();
        !self.is_barred() && (under_way + queued <= self.depth || under_way <= self.depth / 2)
    }

    /// So many more were added, and there was no room for others.
    pub(super) fn went_well(&mut self, added: usize) {
        self.smooth += added;
        if self.smooth > SMOOTH * self.depth {
            self.smooth = 0;
            self.depth = (self.depth + 1).min(DEPTH_MAX);
        }
    }

    /// One has held up the others.
    pub(super) fn went_badly(&mut self) {
        (self.depth, self.smooth) = ((self.depth / 2).max(DEPTH_MIN), 0);
    }

    /// The statement at the head is over.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        if self.full.is_some() && self.full == self.order.first().copied() {
            self.full = None;
        }
        self.order.pop_front();
        self.passed += 1;
    }

    /// The statement of this place is over, or `stays` as one that nobody waits for here.
    pub(super) fn leave(&mut self, at: u32, stays: bool) {
        if !stays && self.order.first() == Some(&at) {
            return self.pass();
        }
        if self.full == Some(at) {
            self.full = None;
        }
        let Some(position) = self.order.iter().position(|there| *there == at) else { return };
        match stays {
            true => self.order[position] = NOBODY,
            false => self.order.remove(position),
        }
    }

    /// The line has no connection any more.
    pub(super) fn vacate(&mut self) {
        self.phase = Phase::Vacant;
        (self.signalled, self.seen, self.delegate) = (false, false, None);
        (self.stalled, self.retiring, self.doomed) = (false, false, false);
        (self.full, self.stopping) = (None, None);
        self.left.clear();
    }
}
