//! The hot path: answers of kept statements that have come as a whole.

use aquifer_driver::multiplex::{Answers, Room};
use aquifer_driver::{Outcome, Want};

use super::{Stage, Taken, What};
use crate::pipeline::{BOUND, ONE_SELECTED, Pipeline, counted, malformed, take_found};
use crate::protocol::frame::{self, Found};

/// Rows of longer answers are enough to make up for the rest.
const BYTES_MAX: usize = 4 * 1024;

/// ReadyForQuery outside a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// An answer that is there as a whole.
struct Whole {
    /// How many rows it has.
    rows: usize,
    /// Where they end; they begin behind BindComplete.
    rows_end: usize,
    /// Where it ends, with the ReadyForQuery that it waited for.
    end: usize,
    outcome: Outcome,
}

impl Pipeline {
    /// Takes the answers at the head of the queue, one after the other, as long as each has come as a whole and
    /// there is nothing more to it than rows that are read where they lie. What it leaves is for
    /// [`take_answers`](Self::take_answers), which knows every case.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    #[inline]
    pub(super) fn take_whole(
        &mut self,
        answers: &mut dyn Answers,
    ) -> aquifer_driver::Result<Taken> {
        let mut answered = 0;
        let taken = self.take_whole_from(&mut answered, answers);
        self.lane.owed.drain(..answered);
        match taken {
            Ok(taken) => Ok(taken),
            Err(error) => Err(self.broke(error)),
        }
    }

    /// Those that are answered stay where they are, and are counted.
    #[inline]
    fn take_whole_from(
        &mut self,
        answered: &mut usize,
        answers: &mut dyn Answers,
    ) -> aquifer_driver::Result<Taken> {
        let lane = &self.lane;
        while lane.stage == Stage::Begin
            && let Some(owed) = lane.owed.get(*answered)
            && owed.closes == 0
            && !lane.skipping
            && let What::Kept(statement) = &owed.what
            && statement.flight().is_some()
            && let answer = &self.input.bytes[self.input.at..]
            && let Some(whole) = find_whole(answer, owed.ends_segment)
            && !lane.unreplicated
        {
            let shape = statement.shape();
            let rows = &answer[BOUND.len()..whole.rows_end];
            let rowless = shape.cells.is_empty() && rows.is_empty();
            if !rowless && owed.want != Want::Outcome {
                match answers.room(owed.ticket) {
                    Room::Full => return Ok(Taken::Full),
                    Room::Skip => {}
                    Room::Into(batch) => {
                        batch.set_columns(&shape.columns);
                        let first = owed.want == Want::First;
                        let (width, rows_max) =
                            (shape.cells.len(), if first { 1 } else { usize::MAX });
                        let end = take_found(rows, whole.rows, width, rows_max, batch.slots())?;
                        batch.bytes_mut().extend_from_slice(&rows[..end]);
                        // Whatever a row's length claims, it does not go on behind the last.
                        if !first && end != rows.len() {
                            return Err(malformed());
                        }
                    }
                }
            }
            self.input.at += whole.end;
            *answered += 1;
            answers.answered(owed.ticket, Ok(whole.outcome));
        }
        Ok(Taken::All)
    }
}

#[inline]
fn find_whole(bytes: &[u8], ends_segment: bool) -> Option<Whole> {
    if !bytes.starts_with(BOUND) {
        return None;
    }
    let (mut rows, mut rows_end) = (0, BOUND.len());
    while bytes.get(rows_end) == Some(&b'D') {
        let Ok(Found::Whole(frame)) = frame::find(bytes, rows_end) else { return None };
        (rows, rows_end) = (rows + 1, frame.end);
        if rows_end > BYTES_MAX {
            return None;
        }
    }
    let done = &bytes[rows_end..];
    // What a point select says, at once.
    let (len, outcome) = if done.starts_with(ONE_SELECTED) {
        (ONE_SELECTED.len(), Outcome::new(1, None))
    } else {
        let ([b'C', a, b, c, d], rest) = done.split_first_chunk()? else { return None };
        let len = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let tag = rest.get(..len.checked_sub(4)?)?;
        (1 + len, Outcome::new(counted(tag)?, None))
    };
    let end = if ends_segment {
        done.get(len..)?.starts_with(READY).then_some(rows_end + len + READY.len())?
    } else {
        rows_end + len
    };
    Some(Whole { rows, rows_end, end, outcome })
}
