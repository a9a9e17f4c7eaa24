//! One slot per connection, from the decision to dial until it is closed.

use std::sync::Arc;

use super::History;
use crate::clock::Nanos;

/// Names a slot for as long as its connection lives; late results of an abandoned one do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlotId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What a slot's connection is doing. All but `Free`, `Reclaimed` and `Leaving` count against the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Free,
    Connecting,
    Idle,
    /// Lent, or handed to a waiter that has not fetched it yet; then the slot still has the connection.
    InUse,
    /// On the way to a waiter, or being checked while idle.
    Checking,
    /// On the way back from a lease.
    Recovering,
    Closing,
    /// Lent for so long that its place was given away.
    Reclaimed,
    /// Being closed after having been reclaimed.
    Leaving,
}

pub(crate) struct Slot<C> {
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    /// Closed as soon as nobody uses it, because a replacement has arrived.
    pub(crate) retire: bool,
    /// A replacement is being dialled.
    pub(crate) replacing: bool,
    /// The leak report has named it.
    pub(crate) reported: bool,
    pub(crate) connection: Option<C>,
    /// When the phase began (not kept for `Idle`, see `rested`).
    pub(crate) since: Nanos,
    /// When it last came back from a lease, or was established.
    pub(crate) rested: Nanos,
    /// When it was last known to work.
    pub(crate) healthy: Nanos,
    pub(crate) expires: Nanos,
    pub(crate) uses: u64,
    pub(crate) holder: Option<Arc<str>>,
    pub(crate) id: u64,
    pub(crate) created: Nanos,
    /// Where in the jitter range its lifetime lies, -1 to 1.
    pub(crate) spread: f64,
    /// While connecting: whom it will replace.
    pub(crate) replaces: Option<SlotId>,
}

impl<C> Slot<C> {
    #[inline]
    pub(crate) fn history(&self) -> History {
        History { id: self.id, created: self.created, rested: self.rested, uses: self.uses }
    }
}

/// How many slots are in each phase; the idle ones are counted by their stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connecting: u32,
    pub(crate) in_use: u32,
    pub(crate) checking: u32,
    pub(crate) recovering: u32,
    pub(crate) closing: u32,
    pub(crate) reclaimed: u32,
    pub(crate) leaving: u32,
}

impl Counts {
    fn of(&mut self, phase: Phase) -> Option<&mut u32> {
        match phase {
            Phase::Free | Phase::Idle => None,
            Phase::Connecting => Some(&mut self.connecting),
            Phase::InUse => Some(&mut self.in_use),
            Phase::Checking => Some(&mut self.checking),
            Phase::Recovering => Some(&mut self.recovering),
            Phase::Closing => Some(&mut self.closing),
            Phase::Reclaimed => Some(&mut self.reclaimed),
            Phase::Leaving => Some(&mut self.leaving),
        }
    }
}

pub(crate) struct Slots<C> {
    all: Vec<Slot<C>>,
    free: Vec<u32>,
    /// Those at rest, oldest return first: lent from the end, reaped from the start.
    pub(crate) idle: Vec<u32>,
    pub(crate) counts: Counts,
    last_id: u64,
}

impl<C> Slots<C> {
    pub(crate) fn new() -> Slots<C> {
        Slots {
            all: Vec::new(),
            free: Vec::new(),
            idle: Vec::new(),
            counts: Counts::default(),
            last_id: 0,
        }
    }

    /// A slot in phase `Connecting`.
    pub(crate) fn open(&mut self, now: Nanos) -> SlotId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push(Slot {
                generation: 0,
                phase: Phase::Free,
                retire: false,
                replacing: false,
                reported: false,
                connection: None,
                since: now,
                rested: now,
                healthy: now,
                expires: Nanos::NEVER,
                uses: 0,
                holder: None,
                id: 0,
                created: now,
                spread: 0.0,
                replaces: None,
            });
            (self.all.len() - 1) as u32
        });
        self.set_phase(index, Phase::Connecting, now);
        self.last_id += 1;
        self.all[index as usize].id = self.last_id;
        SlotId { index, generation: self.all[index as usize].generation }
    }

    pub(crate) fn free(&mut self, index: u32) {
        self.set_phase(index, Phase::Free, Nanos::START);
        let slot = &mut self.all[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.retire = false;
        slot.replacing = false;
        slot.reported = false;
        slot.uses = 0;
        slot.holder = None;
        slot.replaces = None;
        self.free.push(index);
    }

    pub(crate) fn set_phase(&mut self, index: u32, phase: Phase, now: Nanos) {
        let slot = &mut self.all[index as usize];
        if let Some(count) = self.counts.of(slot.phase) {
            *count -= 1;
        }
        if let Some(count) = self.counts.of(phase) {
            *count += 1;
        }
        slot.phase = phase;
        slot.since = now;
    }

    /// Whether the id still names a living connection.
    pub(crate) fn holds(&self, id: SlotId) -> bool {
        self.all
            .get(id.index as usize)
            .is_some_and(|slot| slot.generation == id.generation && slot.phase != Phase::Free)
    }

    pub(crate) fn id(&self, index: u32) -> SlotId {
        SlotId { index, generation: self.all[index as usize].generation }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Slot<C> {
        &self.all[index as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Slot<C> {
        &mut self.all[index as usize]
    }

    /// Puts a connection at its place among the idle ones, so that the stack stays ordered by the time of return.
    #[inline]
    pub(crate) fn rest(&mut self, index: u32) {
        let rested = self.get(index).rested;
        match self.idle.last() {
            Some(&top) if self.get(top).rested > rested => {
                let all = &self.all;
                let place =
                    self.idle.partition_point(|&other| all[other as usize].rested <= rested);
                self.idle.insert(place, index);
            }
            _ => self.idle.push(index),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Slot<C>)> {
        self.all
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.phase != Phase::Free)
            .map(|(index, slot)| (index as u32, slot))
    }

    /// Bounds index loops over all slots that change them on the way.
    pub(crate) fn len(&self) -> u32 {
        self.all.len() as u32
    }

    /// Connections and dials that count against the limit.
    #[inline]
    pub(crate) fn occupied(&self) -> u32 {
        self.staying() + self.counts.closing
    }

    /// Those of them that are not about to go.
    #[inline]
    pub(crate) fn staying(&self) -> u32 {
        let Counts { connecting, in_use, checking, recovering, .. } = self.counts;
        connecting + in_use + checking + recovering + self.idle.len() as u32
    }

    /// Established connections that count against the limit.
    pub(crate) fn established(&self) -> u32 {
        self.occupied() - self.counts.connecting
    }
}
