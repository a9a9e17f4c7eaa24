//! Values on the wire: arguments into packets, cells into the contract's encodings.
//!
//! A column reads alike whichever protocol brought it: what the binary protocol sends in one of the contract's
//! encodings is read where it lies, everything else is rewritten into it.

pub(crate) mod binary;
pub(crate) mod bind;
pub(crate) mod column;
mod temporal;
pub(crate) mod text;

pub(crate) use column::{Kind, Shape};

use aquifer_driver::{CellSlots, Error, ErrorKind};

/// Where the cells of rows go: places in the rows' own bytes, and what had to be rewritten, which is appended to
/// them later.
pub(crate) struct Cells<'a> {
    pub(crate) slots: CellSlots<'a>,
    pub(crate) scratch: &'a mut Vec<u8>,
    /// Where the rewritten cells will begin.
    pub(crate) scratch_at: usize,
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

#[cold]
fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a row that is not of the form it described")
}
