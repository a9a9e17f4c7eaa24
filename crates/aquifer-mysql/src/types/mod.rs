//! Values on the wire: arguments into packets, cells into the contract's encodings.
//!
//! A column reads alike whichever protocol brought it: what the binary protocol sends in one of the contract's
//! encodings is read where it lies, everything else is rewritten into it.

pub(crate) mod binary;
pub(crate) mod bind;
pub(crate) mod bulk;
pub(crate) mod column;
pub(crate) mod literal;
pub(crate) mod plain;
mod reading;
mod temporal;
pub(crate) mod text;
mod zone;

pub(crate) use column::{Kind, Shape};
pub(crate) use reading::{NoDay, Reading};
pub(crate) use zone::{Clock, Zone};

use aquifer_driver::{CellSlots, Error, ErrorKind};

/// Where the cells of rows go: places in the rows' own bytes, and what had to be rewritten, which is appended to
/// them later.
pub(crate) struct Cells<'a> {
    pub(crate) slots: CellSlots<'a>,
    pub(crate) scratch: &'a mut Vec<u8>,
    /// Where the rewritten cells will begin.
    pub(crate) scratch_at: usize,
    /// What a date that is none becomes.
    pub(crate) no_day: NoDay,
}

impl Cells<'_> {
    #[inline]
    fn here(&mut self, at: usize, len: usize) {
        // Packets and batches are shorter than 4 GiB.
        self.slots.push(at as u32, len as u32);
    }

    #[inline]
    fn null(&mut self) {
        self.slots.push_null();
    }

    #[inline]
    fn rewritten(&mut self, bytes: &[u8]) {
        let at = self.scratch_at + self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        self.slots.push(at as u32, bytes.len() as u32);
    }
}

impl Cells<'_> {
    fn date(&mut self, day: i32) {
        if day == temporal::NO_DAY { self.no_day() } else { self.rewritten(&day.to_le_bytes()) }
    }

    /// A moment of clocks that are so many seconds east of UTC, in UTC.
    fn moment(&mut self, micros: i64, east: i32) {
        if micros == temporal::NO_MOMENT {
            return self.no_day();
        }
        self.rewritten(&(micros - i64::from(east) * 1_000_000).to_le_bytes());
    }

    #[cold]
    fn no_day(&mut self) {
        match self.no_day {
            NoDay::Null => self.null(),
            NoDay::Empty => self.rewritten(&[]),
        }
    }

    /// What `put` writes.
    fn write(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
        let from = self.scratch.len();
        put(self.scratch)?;
        let len = self.scratch.len() - from;
        self.slots.push((self.scratch_at + from) as u32, len as u32);
        Some(())
    }
}

/// The number that the bytes of a BIT are.
fn bits(bytes: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    word.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(u64::from_be_bytes(word))
}

#[cold]
fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a row that is not of the form it described")
}
