//! The hot path: the answer to one kept statement, taken at once where all of it has come.
//!
//! Anything that is not exactly that is left as it is for `receive`, which knows every case. A point select
//! takes a third of the instructions that it takes there (2026-11: some 500 instead of 1 500).

use aquifer_driver::{Outcome, Result, RowBatch, Step, Want};

use super::Pipeline;
use super::work::{Expect, Role};
use crate::protocol::backend::Ready;
use crate::protocol::frame::{self, Found, Frame};

/// Longer answers have rows enough to make up for the rest.
const BYTES_MAX: usize = 4 * 1024;

/// What an answer that has come whole consists of, besides its rows.
struct Whole {
    first_row: Option<Frame>,
    outcome: Outcome,
    ready: Ready,
}

impl Pipeline {
    /// Takes a whole answer into the batch, which must be empty; `None`, and nothing has changed, if it is
    /// not there or not as simple as expected here.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    #[inline]
    pub(super) fn take_whole(&mut self, batch: &mut RowBatch) -> Result<Option<Step>> {
        if self.expected.len() != 3 || self.works.len() != 1 || !self.is_simple() {
            return Ok(None);
        }
        let Some(whole) = self.find_whole() else { return Ok(None) };
        match whole.first_row {
            Some(frame) => self.take_rows(frame, batch)?,
            None => {
                if let Some(shape) = self.works.front().and_then(|work| work.shape.as_ref()) {
                    batch.set_columns(&shape.columns);
                }
            }
        }
        self.input.at = self.input.bytes.len();
        self.ready = whole.ready;
        self.expected.clear();
        self.works.clear();
        self.finish_command();
        Ok(Some(Step::End(whole.outcome)))
    }

    /// Whether the command under way is one statement that is kept, whose cells are read where they lie and
    /// of which nothing is to be remembered.
    #[inline]
    fn is_simple(&self) -> bool {
        let expected = [Expect::Bind, Expect::Execute, Expect::Ready];
        let Some(work) = self.works.front() else { return false };
        work.role == Role::Statement
            && !work.sibling
            && !work.gave_rows
            && work.learning.is_none()
            && matches!(work.want, Want::First | Want::All)
            && work.statement.as_ref().is_some_and(|statement| !statement.changes_session)
            && work.shape.as_ref().is_some_and(|shape| shape.plain)
            && self.failure.is_none()
            && !self.discarding
            && self.expected.iter().eq(&expected)
    }

    #[inline]
    fn find_whole(&self) -> Option<Whole> {
        let bytes = &*self.input.bytes;
        let mut at = self.input.at;
        if bytes.len() - at > BYTES_MAX || !bytes[at..].starts_with(b"2\0\0\0\x04") {
            return None;
        }
        at += frame::HEADER;
        let mut first_row = None;
        let done = loop {
            let Ok(Found::Whole(frame)) = frame::find(bytes, at) else { return None };
            at = frame.end;
            match frame.tag {
                b'D' if first_row.is_none() => first_row = Some(frame),
                b'D' if self.works.front()?.want == Want::All => {}
                b'C' => break frame,
                _ => return None,
            }
        };
        let outcome = Outcome::new(counted(&bytes[done.body..done.end])?, None);
        let ready = match bytes[at..] {
            [b'Z', 0, 0, 0, 5, b'I'] => Ready::Idle,
            [b'Z', 0, 0, 0, 5, b'T'] => Ready::Transaction,
            _ => return None,
        };
        Some(Whole { first_row, outcome, ready })
    }
}

/// The number in the tag of a command that reads or writes rows.
#[inline]
fn counted(tag: &[u8]) -> Option<u64> {
    let number = match tag {
        [b'S', b'E', b'L', b'E', b'C', b'T', b' ', number @ ..]
        | [b'U', b'P', b'D', b'A', b'T', b'E', b' ', number @ ..]
        | [b'D', b'E', b'L', b'E', b'T', b'E', b' ', number @ ..]
        | [b'I', b'N', b'S', b'E', b'R', b'T', b' ', b'0', b' ', number @ ..] => number,
        _ => return None,
    };
    let (0, digits) = number.split_last()? else { return None };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn tags_of_reads_and_writes_give_their_number_and_others_none() {
        assert_eq!(counted(b"SELECT 1000000\0"), Some(1_000_000));
        assert_eq!(counted(b"INSERT 0 5\0"), Some(5));
        assert_eq!(counted(b"UPDATE 0\0"), Some(0));
        for other in
            [b"COMMIT\0".as_slice(), b"SELECT 1", b"SELECT \0", b"SELECT 1x\0", b"COPY 7\0"]
        {
            assert_eq!(counted(other), None);
        }
        assert_eq!(counted(b"DELETE 99999999999999999999\0"), None);
    }
}
