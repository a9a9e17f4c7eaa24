//! Rows: from the read buffer into a batch, without a copy where that pays.

use aquifer_driver::{CellSlots, Error, ErrorKind, Result, RowBatch, Want};
use aquifer_net::Input;

use super::Pipeline;
use crate::protocol::frame::{self, Found, Frame};
use crate::statement::Shape;
use crate::types::Transcode;

/// A batch is handed over when its rows pass this many bytes.
const BATCH_BYTES: usize = 128 * 1024;

/// Fewer bytes than this are copied: the whole buffer is handed over only if it is worth it.
const SWAP_BYTES: usize = 4 * 1024;

/// Most bytes that are kept for re-encoding from one command to the next.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

/// Tag, length and the number of cells.
const ROW_HEADER: usize = frame::HEADER + 2;

impl Pipeline {
    /// Takes the run of rows that begins with `first` into the batch, which must be empty.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    pub(super) fn take_rows(&mut self, first: Frame, batch: &mut RowBatch) -> Result<()> {
        let Some(work) = self.works.front_mut() else { return Err(undescribed()) };
        // Rows of a statement that has failed already are nobody's either.
        let skip = self.discarding
            || self.failure.is_some()
            || work.want == Want::Outcome
            || (work.want == Want::First && work.gave_rows);
        if skip {
            self.input.at = first.end;
            return Ok(());
        }
        let shape = work.shape.clone().ok_or_else(undescribed)?;
        let rows_max = if work.want == Want::First { 1 } else { usize::MAX };
        work.gave_rows = true;
        batch.set_columns(&shape.columns);
        append_rows(&mut self.input, first, &shape, rows_max, batch, &mut self.scratch)
    }
}

/// Takes the run of rows that begins with `first`, and at most `rows_max` of them, out of the input and adds
/// them to what the batch holds. The rest of a run that passes the bound of a batch stays.
///
/// # Errors
///
/// If a row does not have the form that was described (`Protocol`): the session cannot go on. If a cell cannot be
/// re-encoded: the rows were taken then, and the batch is of no use before it is cleared.
pub(crate) fn append_rows(
    input: &mut Input,
    first: Frame,
    shape: &Shape,
    rows_max: usize,
    batch: &mut RowBatch,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let base = batch.locate().0.len();
    let start = first.body - frame::HEADER;
    // A place in a batch has 32 bits; a run passes its bound by one row at most.
    if base > 0 && base + BATCH_BYTES + frame::LARGE_MAX > u32::MAX as usize {
        input.at = first.end;
        return Err(too_large());
    }
    let end = if shape.plain {
        start
            + take_plain(
                &input.bytes[start..],
                shape.cells.len(),
                rows_max,
                base as u32,
                batch.slots(),
            )?
    } else {
        rows_end(&input.bytes, first, rows_max)?
    };
    let tail = input.bytes.len() - end;
    if base == 0 && end - start >= SWAP_BYTES.max(tail) {
        let spare = batch.swap_bytes(Vec::new(), 0);
        let full = input.split(end, spare);
        batch.swap_bytes(full, start);
    } else {
        batch.bytes_mut().extend_from_slice(&input.bytes[start..end]);
        input.at = end;
    }
    if shape.plain {
        return Ok(());
    }
    scratch.clear();
    locate_with(batch, base, shape, scratch)
}

/// Finds the cells of rows that are read where they lie, in one pass and at most `rows_max` of them; gives
/// where the last row ends. `bytes` begin with a whole row, and come to lie behind the `base` bytes of the batch.
#[inline]
pub(crate) fn take_plain(
    bytes: &[u8],
    width: usize,
    rows_max: usize,
    base: u32,
    mut slots: CellSlots<'_>,
) -> Result<usize> {
    let mut at = 0;
    let mut rows = 0;
    while at < BATCH_BYTES
        && rows < rows_max
        && let Some([b'D', a, b, c, d, x, y]) =
            bytes.get(at..).and_then(<[u8]>::first_chunk::<ROW_HEADER>)
    {
        // Where 32 bits do not hold the sum, it ends before it begins.
        let end = (at + 1).wrapping_add(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        let Some(row) = bytes.get(..end).filter(|_| end >= at + ROW_HEADER) else {
            if end <= bytes.len() {
                return Err(malformed());
            }
            // Not whole yet.
            break;
        };
        if usize::from(u16::from_be_bytes([*x, *y])) != width
            || !take_cells(row, at + ROW_HEADER, width, base, &mut slots)
        {
            return Err(malformed());
        }
        rows += 1;
        at = end;
    }
    if rows == 0 { Err(malformed()) } else { Ok(at) }
}

/// As [`take_plain`], for an empty batch, of `count` rows that were found before and are all that there is: that they are
/// rows, and as long as they say, was seen then.
// Always: one row is what most answers have.
#[inline(always)]
pub(crate) fn take_found(
    bytes: &[u8],
    count: usize,
    width: usize,
    rows_max: usize,
    mut slots: CellSlots<'_>,
) -> Result<usize> {
    if count != 1 {
        return if count == 0 { Ok(0) } else { take_plain(bytes, width, rows_max, 0, slots) };
    }
    match bytes.first_chunk::<ROW_HEADER>() {
        Some([_, _, _, _, _, x, y])
            if usize::from(u16::from_be_bytes([*x, *y])) == width
                && take_cells(bytes, ROW_HEADER, width, 0, &mut slots) =>
        {
            Ok(bytes.len())
        }
        _ => Err(malformed()),
    }
}

/// Adds the cells of a row that begin at `cell` and end where `row` does. False if they do not; what was added is of no
/// use then.
#[inline(always)]
fn take_cells(
    row: &[u8],
    mut cell: usize,
    width: usize,
    base: u32,
    slots: &mut CellSlots<'_>,
) -> bool {
    let mut sound = true;
    slots.push_row(width, || {
        let Some(Ok(word)) = row.get(cell..cell + 4).map(<&[u8; 4]>::try_from) else {
            sound = false;
            return (0, 0);
        };
        let len = u32::from_be_bytes(*word);
        cell += 4;
        let start = base + cell as u32;
        if len as i32 >= 0 {
            // One that goes on behind the row leaves it somewhere else than at its end.
            cell += len as usize;
        } else {
            sound &= len == CellSlots::NULL;
        }
        (start, len)
    });
    sound && cell == row.len()
}

/// The end of the run of rows that begins with `first`.
fn rows_end(bytes: &[u8], first: Frame, rows_max: usize) -> Result<usize> {
    let (start, mut end, mut rows) = (first.body - frame::HEADER, first.end, 1);
    while rows < rows_max
        && end - start < BATCH_BYTES
        && let Found::Whole(next) = frame::find(bytes, end)?
        && next.tag == b'D'
    {
        end = next.end;
        rows += 1;
    }
    Ok(end)
}

/// Finds the cells of the rows behind `base`, of which some have to be re-encoded; those are appended to the batch.
fn locate_with(
    batch: &mut RowBatch,
    base: usize,
    shape: &Shape,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let (bytes, mut slots) = batch.locate();
    let width = shape.cells.len();
    let mut at = base;
    while at < bytes.len() {
        let (mut cell, end) = row(bytes, at, width)?;
        for read in &shape.cells {
            let Some(len) = cell_at(bytes, cell, end)? else {
                slots.push_null();
                cell += 4;
                continue;
            };
            let start = cell + 4;
            cell = start + len as usize;
            let skip = usize::from(read.skip).min(len as usize);
            match read.transcode {
                None => slots.push((start + skip) as u32, len - skip as u32),
                Some(transcode) => {
                    let from = scratch.len();
                    let value = &bytes[start + skip..cell];
                    match transcode {
                        Transcode::User(user) => shape.codecs.read(user, value, scratch)?,
                        transcode => transcode.run(value, scratch)?,
                    }
                    let place = u32::try_from(bytes.len() + from).map_err(|_| too_large())?;
                    slots.push(place, (scratch.len() - from) as u32);
                }
            }
        }
        if cell != end {
            return Err(malformed());
        }
        slots.end_row(width);
        at = end;
    }
    batch.bytes_mut().extend_from_slice(scratch);
    Ok(())
}

/// The place of a row's first cell, and its end.
#[inline]
fn row(bytes: &[u8], at: usize, width: usize) -> Result<(usize, usize)> {
    let Some([_, a, b, c, d, x, y]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<7>) else {
        return Err(malformed());
    };
    let end = at + 1 + u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    if usize::from(u16::from_be_bytes([*x, *y])) != width || end > bytes.len() {
        return Err(malformed());
    }
    Ok((at + 7, end))
}

/// The length of the cell at `at`; `None` is NULL.
#[inline]
fn cell_at(bytes: &[u8], at: usize, end: usize) -> Result<Option<u32>> {
    let Some(word) = bytes.get(at..end).and_then(<[u8]>::first_chunk::<4>) else {
        return Err(malformed());
    };
    let len = i32::from_be_bytes(*word);
    match u32::try_from(len) {
        Ok(len) if at + 4 + len as usize <= end => Ok(Some(len)),
        Err(_) if len == -1 => Ok(None),
        _ => Err(malformed()),
    }
}

#[cold]
pub(crate) fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a row that is not of the form it described")
}

#[cold]
fn undescribed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a row that it did not describe before")
}

#[cold]
fn too_large() -> Error {
    Error::new(ErrorKind::Resources, "a batch of rows would pass 4 GiB")
        .with_hint("read the large value in parts")
}
