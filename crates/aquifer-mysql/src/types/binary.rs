//! Rows of the binary protocol: a zero byte, a bit per column for NULL, then the cells that are not NULL.
//!
//! The hot path of every prepared query: most cells are read where they lie.

use aquifer_driver::Result;

use super::{Cells, Kind, malformed, temporal};
use crate::protocol::reader::int_at;

/// The bits of a row's NULLs begin at the third.
const NULL_OFFSET: usize = 2;

/// Finds the cells of the row in `bytes[at..end]`.
///
/// # Errors
///
/// If the row does not have the form that was described.
#[inline]
pub(crate) fn row(
    bytes: &[u8],
    at: usize,
    end: usize,
    kinds: &[Kind],
    cells: &mut Cells<'_>,
) -> Result<()> {
    let nulls = at + 1;
    let mut cell = nulls + (kinds.len() + NULL_OFFSET).div_ceil(8);
    if cell > end || end > bytes.len() || bytes[at] != 0 {
        return Err(malformed());
    }
    for (index, kind) in kinds.iter().enumerate() {
        let bit = index + NULL_OFFSET;
        if bytes[nulls + bit / 8] & (1 << (bit % 8)) != 0 {
            cells.null();
            continue;
        }
        if let Some(width) = kind.width() {
            cells.here(cell, width);
            cell += width;
            if cell > end {
                return Err(malformed());
            }
            continue;
        }
        let (start, after) = var(bytes, cell, end).ok_or_else(malformed)?;
        cell = after;
        if *kind == Kind::Bytes {
            cells.here(start, after - start);
        } else {
            rewrite(*kind, &bytes[start..after], cells).ok_or_else(malformed)?;
        }
    }
    if cell == end { Ok(()) } else { Err(malformed()) }
}

/// Where the cell that is behind a length begins and ends.
#[inline]
pub(super) fn var(bytes: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let (len, start) = int_at(bytes, at)?;
    let after = start.checked_add(usize::try_from(len).ok()?)?;
    (after <= end).then_some((start, after))
}

fn rewrite(kind: Kind, bytes: &[u8], cells: &mut Cells<'_>) -> Option<()> {
    match kind {
        Kind::Date => cells.date(temporal::date(bytes)?),
        Kind::DateTime(east) => cells.moment(temporal::date_time(bytes)?, east),
        Kind::DateText => cells.write(|out| temporal::put_date_text(bytes, out))?,
        Kind::DateTimeText(digits) => {
            cells.write(|out| temporal::put_date_time_text(bytes, digits, out))?;
        }
        Kind::Bits => cells.rewritten(&super::bits(bytes)?.to_le_bytes()),
        Kind::Time => cells.rewritten(&temporal::time(bytes)?.to_le_bytes()),
        Kind::Uuid => cells.rewritten(&super::text::uuid(bytes)?),
        _ => return None,
    }
    Some(())
}
