//! Rows: from the read buffer into a batch, without a copy where that pays.

use aquifer_driver::{Error, ErrorKind, Result, RowBatch, Want};

use super::Pipeline;
use super::cursor::number_at;
use super::job::Action;
use crate::protocol::frame::{self, Found, Packet};
use crate::types::{Cells, Shape, binary, text};

/// A batch is handed over when its rows pass this many bytes.
const BATCH_BYTES: usize = 128 * 1024;

/// The same in the text protocol, whose digits grow when they are rewritten.
const TEXT_BATCH_BYTES: usize = 48 * 1024;

/// Fewer bytes than this are copied: the whole buffer is handed over only if it is worth it.
const SWAP_BYTES: usize = 4 * 1024;

impl Pipeline {
    /// Takes the run of rows that begins with `first` into the batch, which must be empty. `split`: the first came
    /// in several packets.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    pub(super) fn take_rows(
        &mut self,
        first: Packet,
        split: bool,
        batch: &mut RowBatch,
    ) -> Result<()> {
        let discarding = self.discarding;
        let Some(job) = self.jobs.front_mut() else { return Err(undescribed()) };
        let skip =
            discarding || job.want == Want::Outcome || (job.want == Want::First && job.gave_rows);
        if skip {
            job.rows += 1;
            self.take(first);
            return Ok(());
        }
        let shape = job.shape.clone().ok_or_else(undescribed)?;
        let is_text = job.action == Action::Query;
        job.gave_rows = true;
        batch.set_columns(&shape.columns);
        if split {
            job.rows += 1;
            self.scratch.clear();
            let payload = &self.input.bytes[first.body..first.end];
            batch.bytes_mut().extend_from_slice(payload);
            self.take(first);
            return locate(batch, &shape, is_text, &mut self.scratch, false);
        }
        let start = first.body - frame::HEADER;
        let most = match (job.want, is_text) {
            (Want::First, _) => 0,
            (_, true) => TEXT_BATCH_BYTES,
            (_, false) => BATCH_BYTES,
        };
        let plain = shape.plain.as_ref().filter(|_| !is_text);
        let mut slots = batch.slots();
        let bytes = &self.input.bytes;
        let any_number = self.settings.agreed.compresses();
        let last = run(bytes, first, most, any_number, |row, at| {
            job.rows += 1;
            plain.map_or(Ok(()), |plain| plain.row(row, at, &mut slots))
        })?;
        let tail = self.input.bytes.len() - last.end;
        if last.end - start >= SWAP_BYTES.max(tail) {
            self.sequence = last.next;
            let spare = batch.swap_bytes(Vec::new(), 0);
            let full = self.input.split(last.end, spare);
            batch.swap_bytes(full, start);
        } else {
            batch.bytes_mut().extend_from_slice(&self.input.bytes[start..last.end]);
            self.take(last);
        }
        if plain.is_some() {
            return Ok(());
        }
        self.scratch.clear();
        locate(batch, &shape, is_text, &mut self.scratch, true)
    }
}

/// Looks at rows until they pass `most` bytes, `first` included; gives the last one's packet. Of each, `take` gets
/// the payload and how far from the first packet's head it is. `any_number`: those of the packets tell nothing.
#[inline]
pub(super) fn run(
    bytes: &[u8],
    first: Packet,
    most: usize,
    any_number: bool,
    mut take: impl FnMut(&[u8], usize) -> Result<()>,
) -> Result<Packet> {
    let start = first.body - frame::HEADER;
    let mut last = first;
    take(&bytes[first.body..first.end], frame::HEADER)?;
    while last.end - start < most
        && let due = if any_number { number_at(bytes, last.end) } else { last.next }
        && let Found::Whole(next) = frame::find(bytes, last.end, due)?
        && let payload = &bytes[next.body..next.end]
        && is_row(payload)
    {
        take(payload, next.body - start)?;
        last = next;
    }
    Ok(last)
}

/// Whether a packet among rows is one: 0xfe ends them, 0xff is an error. (A row that begins with 0xfe is at least
/// 16 MiB long, and comes in several packets.)
#[inline]
pub(super) fn is_row(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| *first < 0xfe)
}

/// Finds the cells. `framed`: the rows are packets behind one another; else there is one row, the whole buffer.
#[inline]
pub(super) fn locate(
    batch: &mut RowBatch,
    shape: &Shape,
    is_text: bool,
    scratch: &mut Vec<u8>,
    framed: bool,
) -> Result<()> {
    let (bytes, slots) = batch.locate();
    let width = shape.kinds.len();
    let mut cells = Cells { slots, scratch, scratch_at: bytes.len(), no_day: shape.reading.no_day };
    let mut at = 0;
    while at < bytes.len() {
        let (body, end) = if framed {
            let Some([a, b, c, _]) = bytes[at..].first_chunk::<{ frame::HEADER }>() else {
                return Err(undescribed());
            };
            let body = at + frame::HEADER;
            (body, body + u32::from_le_bytes([*a, *b, *c, 0]) as usize)
        } else {
            (0, bytes.len())
        };
        if is_text {
            text::row(bytes, body, end, &shape.kinds, &mut cells)?;
        } else {
            binary::row(bytes, body, end, &shape.kinds, &mut cells)?;
        }
        cells.slots.end_row(width);
        at = end;
    }
    batch.bytes_mut().extend_from_slice(scratch);
    Ok(())
}

#[cold]
fn undescribed() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent a row that it did not describe before")
}
