//! The statements of one connection, by name.

use std::ptr::NonNull;

use libsqlite3_sys as ffi;

/// The name of a prepared statement. It is good for the handle that prepared it, until it is
/// finalised there; then it names nothing, even if its place is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId {
    index: u32,
    generation: u32,
}

/// Where in its life a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reset: parameters may be bound, and the next step starts it.
    Ready,
    /// In the middle of its rows; it may hold locks.
    Running,
    /// Finished without an error: it holds no lock, but must be reset before the next use.
    Halted,
}

/// One prepared statement.
pub(super) struct Slot {
    /// Not finalised yet. Only `Slab` finalises.
    pub(super) stmt: NonNull<ffi::sqlite3_stmt>,
    /// Columns of the running or last result.
    pub(super) columns: u32,
    pub(super) phase: Phase,
}

/// Owns the statements; whoever owns the slab must empty it before the connection closes.
#[derive(Default)]
pub(super) struct Slab {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

struct Entry {
    /// Grows each time the place is emptied.
    generation: u32,
    slot: Option<Slot>,
}

impl Slab {
    /// Takes over a statement that nobody else finalises.
    pub(super) fn insert(&mut self, slot: Slot) -> StatementId {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.slot = Some(slot);
            return StatementId { index, generation: entry.generation };
        }
        // SQLite cannot hold 2^32 statements: each takes more than a kilobyte.
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 statements");
        self.entries.push(Entry { generation: 0, slot: Some(slot) });
        StatementId { index, generation: 0 }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: StatementId) -> Option<&mut Slot> {
        match self.entries.get_mut(id.index as usize) {
            Some(entry) if entry.generation == id.generation => entry.slot.as_mut(),
            _ => None,
        }
    }

    /// Empties the place; the caller finalises the statement.
    pub(super) fn remove(&mut self, id: StatementId) -> Option<Slot> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.generation != id.generation {
            return None;
        }
        let slot = entry.slot.take()?;
        // A place whose generations are used up is not used again.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.free.push(id.index);
        }
        Some(slot)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Slot> + '_ {
        self.free.clear();
        self.entries.drain(..).filter_map(|entry| entry.slot)
    }

    pub(super) fn any_running(&self) -> bool {
        self.entries
            .iter()
            .filter_map(|entry| entry.slot.as_ref())
            .any(|slot| slot.phase == Phase::Running)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.slot.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot { stmt: NonNull::dangling(), columns: 0, phase: Phase::Ready }
    }

    #[test]
    fn a_removed_name_stays_dead_when_its_place_is_used_again() {
        let mut slab = Slab::default();
        let first = slab.insert(slot());
        assert!(slab.get_mut(first).is_some());
        assert!(slab.remove(first).is_some());
        let second = slab.insert(slot());
        assert_eq!(first.index, second.index);
        assert!(slab.get_mut(first).is_none());
        assert!(slab.remove(first).is_none());
        assert!(slab.get_mut(second).is_some());
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.drain().count(), 1);
        assert!(slab.get_mut(second).is_none());
    }

    #[test]
    fn a_place_is_retired_when_its_generations_run_out() {
        let mut slab = Slab::default();
        let id = slab.insert(slot());
        slab.entries[0].generation = u32::MAX;
        let last = StatementId { index: id.index, generation: u32::MAX };
        assert!(slab.remove(last).is_some());
        assert_eq!(slab.insert(slot()).index, 1);
        assert!(slab.get_mut(last).is_none());
    }
}
