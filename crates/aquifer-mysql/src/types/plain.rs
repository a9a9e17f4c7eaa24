//! [`Plain`]: rows of the binary protocol whose cells are all read where they lie, found in one pass.
//!
//! The hot path of every prepared query of numbers and text; [`binary`](super::binary) knows all kinds.

use aquifer_driver::{CellSlots, Result};

use super::{Kind, malformed};
use crate::protocol::reader::int_at;

/// Most columns: the bits of their NULLs, which begin at the third, fit into a word.
const COLUMNS_MAX: usize = 62;

/// How the cells lie.
#[derive(Debug)]
pub(crate) struct Plain {
    /// The bytes of each column's cells; 0 for those behind a length.
    widths: Box<[u8]>,
    /// Where the cells begin in a row, behind its zero byte and the bits.
    cells_at: usize,
}

impl Plain {
    /// `None` if a column's cells have to be rewritten, or there are too many columns.
    pub(crate) fn of(kinds: &[Kind]) -> Option<Self> {
        let widths: Option<Box<[u8]>> = kinds
            .iter()
            .map(|kind| match kind.width() {
                // Eight at most.
                Some(width) => Some(width as u8),
                None => (*kind == Kind::Bytes).then_some(0),
            })
            .collect();
        let cells_at = 1 + (kinds.len() + 2).div_ceil(8);
        widths.filter(|_| kinds.len() <= COLUMNS_MAX).map(|widths| Self { widths, cells_at })
    }

    /// Finds the cells of a row, which begins `at` bytes behind where cells count from.
    ///
    /// # Errors
    ///
    /// If the row does not have the form that was described.
    // Always: the loop over the rows keeps what it needs in registers.
    #[inline(always)]
    pub(crate) fn row(&self, row: &[u8], at: usize, slots: &mut CellSlots<'_>) -> Result<()> {
        let Some(mut nulls) = nulls(row, self.cells_at) else { return Err(malformed()) };
        let mut cell = self.cells_at;
        let mut widths = self.widths.iter();
        slots.push_row(self.widths.len(), || {
            let width = usize::from(widths.next().copied().unwrap_or_default());
            nulls >>= 1;
            if nulls & 1 != 0 {
                return (0, CellSlots::NULL);
            }
            let (start, len) = match width {
                0 => length(row, cell),
                width => (cell, width),
            };
            cell = start + len;
            ((at + start) as u32, len as u32)
        });
        if cell == row.len() { Ok(()) } else { Err(malformed()) }
    }
}

/// The bits of a row's NULLs, and others behind them; the first column's is the third.
#[inline(always)]
fn nulls(row: &[u8], cells_at: usize) -> Option<u64> {
    let word = match row.first_chunk::<9>() {
        Some([0, word @ ..]) => *word,
        Some(_) => return None,
        None => short_nulls(row, cells_at)?,
    };
    if cells_at > row.len() {
        return None;
    }
    // One is shifted out before the first is looked at.
    Some(u64::from_le_bytes(word) >> 1)
}

#[cold]
fn short_nulls(row: &[u8], cells_at: usize) -> Option<[u8; 8]> {
    let [0, bits @ ..] = row.get(..cells_at)? else { return None };
    let mut word = [0; 8];
    word.get_mut(..bits.len())?.copy_from_slice(bits);
    Some(word)
}

/// Where the cell that is behind its length at `at` begins, and the length. One that is not there, or goes beyond the
/// row, is longer than the row.
#[inline(always)]
fn length(row: &[u8], at: usize) -> (usize, usize) {
    match row.get(at) {
        Some(&len @ 0..=0xfa) => (at + 1, len.into()),
        _ => long(row, at),
    }
}

#[cold]
fn long(row: &[u8], at: usize) -> (usize, usize) {
    let beyond = row.len() + 1;
    match int_at(row, at) {
        Some((len, start)) => (start, usize::try_from(len).unwrap_or(beyond).min(beyond)),
        None => (at, beyond),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquifer_driver::RowBatch;

    use crate::types::{Cells, NoDay, binary};

    fn row(nulls: &[u8], cells: &[&[u8]]) -> Vec<u8> {
        let mut row = vec![0];
        row.extend_from_slice(nulls);
        cells.iter().for_each(|cell| row.extend_from_slice(cell));
        row
    }

    /// The cells that both ways find, which must be the same.
    fn found(kinds: &[Kind], row: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
        let definitions =
            vec![aquifer_driver::Column::new("c", aquifer_driver::Encoding::Bytes); kinds.len()];
        let columns = std::sync::Arc::new(aquifer_driver::Columns::new(definitions));
        let cells = |fill: &dyn Fn(&mut RowBatch) -> Result<()>| {
            let mut batch = RowBatch::new();
            batch.set_columns(&columns);
            fill(&mut batch).ok()?;
            batch.bytes_mut().extend_from_slice(row);
            let found = batch.row(0)?;
            let cell = |index| found.cell(index).and_then(|cell| cell.raw()).map(<[u8]>::to_vec);
            Some((0..kinds.len()).map(cell).collect::<Vec<_>>())
        };
        let plain = cells(&|batch| Plain::of(kinds).unwrap().row(row, 0, &mut batch.slots()));
        let general = cells(&|batch| {
            let mut scratch = Vec::new();
            let mut cells = Cells {
                slots: batch.slots(),
                scratch: &mut scratch,
                scratch_at: row.len(),
                no_day: NoDay::Empty,
            };
            binary::row(row, 0, row.len(), kinds, &mut cells)?;
            cells.slots.end_row(kinds.len());
            Ok(())
        });
        assert_eq!(plain, general, "{kinds:?} of {row:?}");
        plain
    }

    #[test]
    fn cells_are_found_as_the_general_way_finds_them_and_cut_rows_are_refused() {
        let kinds = [Kind::I64, Kind::Bytes, Kind::F64, Kind::Bytes, Kind::I8];
        let long = [&[0xfc, 0, 1][..], &[7; 256]].concat();
        for nulls in 0..32_u8 {
            let all: [&[u8]; 5] = [&[1; 8], b"\x02ab", &[2; 8], &long, &[9]];
            let kept = (0..5).filter(|at| nulls >> at & 1 == 0).map(|at| all[at]);
            let row = row(&[nulls << 2], &kept.collect::<Vec<_>>());
            let cells = found(&kinds, &row).unwrap();
            assert_eq!(
                cells.iter().filter(|cell| cell.is_none()).count(),
                nulls.count_ones() as usize
            );
            for cut in 1..row.len() {
                assert!(found(&kinds, &row[..cut]).is_none());
            }
        }
        assert!(found(&kinds, &[1, 0x7c]).is_none(), "a row begins with zero");
    }

    #[test]
    fn many_columns_have_many_bits_and_too_many_go_the_general_way() {
        for count in [1, 5, 6, 7, 13, 14, 62] {
            let kinds = vec![Kind::U8; count];
            // Every third is NULL.
            let mut bits = vec![0; (count + 2).div_ceil(8)];
            (0..count).step_by(3).for_each(|at| bits[(at + 2) / 8] |= 1 << ((at + 2) % 8));
            let cells = vec![7; count - count.div_ceil(3)];
            let found = found(&kinds, &row(&bits, &[&cells])).unwrap();
            assert!(found.iter().enumerate().all(|(at, cell)| cell.is_none() == (at % 3 == 0)));
        }
        assert!(Plain::of(&[Kind::U8; 63]).is_none());
        assert!(Plain::of(&[Kind::I64, Kind::Date]).is_none());
    }

    #[test]
    fn a_length_beyond_everything_is_refused() {
        for length in
            [&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255][..], &[0xfb], &[0xff], &[250]]
        {
            assert!(found(&[Kind::Bytes, Kind::Bytes, Kind::I64], &row(&[0], &[length])).is_none());
        }
    }
}
