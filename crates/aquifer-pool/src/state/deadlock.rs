//! Waits that keep each other waiting.
//!
//! A caller that waits while it keeps a lease stands in for that lease: it will not come back before the wait has ended. Once every
//! connection is kept like that, no wait can end but by its budget. That can become so only when somebody begins to wait
//! (what is handed over is lent to one who does not wait any more), so only then is it looked at.

use super::{SlotId, State, WaiterId, slots::Phase};
use crate::{clock::Nanos, error::AcquireError};

/// One time that a connection was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) slot: SlotId,
    /// Tells this lease from the next one of the same connection.
    pub(crate) uses: u64,
}

/// A wait, and what is kept meanwhile.
pub(super) struct Keeper {
    waiter: WaiterId,
    kept: Vec<Kept>,
}

impl<C, W, E> State<C, W, E> {
    pub(crate) fn kept(&self, slot: SlotId) -> Kept {
        Kept { slot, uses: self.slots.get(slot.index).uses }
    }

    /// Refuses a wait for which every connection would be kept by one who waits, itself included.
    pub(super) fn deadlock(&mut self, kept: &[Kept], now: Nanos) -> Option<AcquireError<E>> {
        if kept.is_empty() {
            return None;
        }
        let waiters = &self.waiters;
        self.keepers.retain(|keeper| waiters.is_waiting(keeper.waiter));
        // A limit that will rise, or a slot that is going to be given away, ends the wait after all.
        let may_grow = self.limit < self.config.max_open || self.config.reclaim_after < u64::MAX;
        if self.slots.counts.in_use < self.limit || may_grow {
            return None;
        }
        let is_kept = |lease: Kept| {
            kept.contains(&lease) || self.keepers.iter().any(|other| other.kept.contains(&lease))
        };
        let lent = self.slots.iter().filter(|(_, slot)| slot.phase == Phase::InUse);
        let mut leases =
            lent.map(|(index, slot)| Kept { slot: self.slots.id(index), uses: slot.uses });
        if !leases.all(is_kept) {
            return None;
        }
        self.counters.refused_deadlock += 1;
        let holders = self.holders(now, 0, self.config.holders_max);
        Some(AcquireError::Deadlock { holders, limit: self.limit })
    }

    /// Remembers what is kept by one who waits. Forgotten when the next one comes after the wait has ended, so that ending one
    /// costs nothing; at most as many are remembered as wait, and one.
    pub(super) fn keep(&mut self, waiter: WaiterId, kept: Vec<Kept>) {
        if !kept.is_empty() {
            self.keepers.push(Keeper { waiter, kept });
        }
    }
}
