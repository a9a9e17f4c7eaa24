//! The hot path: one kept statement, alone in its flight or behind the kept BEGIN of its transaction, whose answer
//! comes whole.
//!
//! Its three replies and its result are owed as much as any others, but they are not queued: one field says
//! all of it. Whatever turns out to be anything else is queued then ([`Pipeline::unfold`]) and left to
//! `receive`, which knows every case.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{Outcome, Params, Result, RowBatch, Step, Want};

use super::command::values;
use super::rows::{malformed, take_found};
use super::work::{Expect, Role, Work};
use super::{Pipeline, Ready};
use crate::protocol::frame::{self, Found};
use crate::protocol::frontend;
use crate::statement::Statement;

/// Longer answers have rows enough to make up for the rest.
const BYTES_MAX: usize = 4 * 1024;

/// A kept statement alone in its flight, to whose answer nothing has been done yet.
#[derive(Debug)]
pub(super) struct Lone {
    /// What goes before it.
    begin: Option<KeptBegin>,
    /// Lent by the cache.
    statement: Arc<Statement>,
    want: Want,
}

/// A BEGIN that was held back, and goes by its name.
#[derive(Debug)]
struct KeptBegin {
    statement: Arc<Statement>,
    text: Cow<'static, str>,
    /// How much of the flight it is.
    len: usize,
}

/// What an answer that has come whole says, besides its rows.
struct Whole {
    /// Where the rows are, behind BindComplete.
    rows: Range<usize>,
    /// How many rows there are.
    count: usize,
    outcome: Outcome,
    ready: Ready,
}

/// BindComplete.
pub(crate) const BOUND: &[u8] = b"2\0\0\0\x04";

/// What a kept BEGIN answers.
pub(super) const BEGUN: &[u8] = b"2\0\0\0\x04C\0\0\0\x0aBEGIN\0";

/// CommandComplete of a select that gave one row.
pub(crate) const ONE_SELECTED: &[u8] = b"C\0\0\0\x0dSELECT 1\0";

impl Pipeline {
    /// True while the command under way is a lone statement.
    #[inline]
    pub(crate) fn is_lone(&self) -> bool {
        self.lone.is_some()
    }

    /// Encodes a statement, if it is kept, nothing else has to go along, its cells are read where they lie
    /// and nothing of it is to be remembered. False, and nothing is written, if not.
    ///
    /// # Errors
    ///
    /// If the arguments cannot be sent.
    #[inline]
    pub(super) fn start_lone(
        &mut self,
        sql: &str,
        params: &dyn Params,
        want: Want,
    ) -> Result<bool> {
        let accompanied = !self.closing.is_empty() || self.lacks_number();
        if accompanied || matches!(want, Want::Paged(_)) {
            return Ok(false);
        }
        let begin = self.kept_begin();
        if begin.is_none() && self.held_begin.is_some() {
            return Ok(false);
        }
        let Some(statement) = self.cache.lend(sql) else { return Ok(false) };
        let written = self.write_lone(begin.as_ref(), &statement, params);
        let Ok(Some(len)) = written else {
            self.out.clear();
            self.cache.give_back(statement);
            return written.map(|_| false);
        };
        self.counters.cache_hits += 1;
        self.counters.syncs += 1;
        self.fresh = true;
        let begin = begin.and_then(|begin| {
            self.begun_by = Some(Arc::clone(&begin));
            Some(KeptBegin { statement: begin, text: self.held_begin.take()?, len })
        });
        self.lone = Some(Lone { begin, statement, want });
        Ok(true)
    }

    /// How much of the flight the BEGIN is; `None` if it is no such flight.
    #[inline]
    fn write_lone(
        &mut self,
        begin: Option<&Arc<Statement>>,
        statement: &Statement,
        params: &dyn Params,
    ) -> Result<Option<usize>> {
        let Some(flight) = statement.flight() else { return Ok(None) };
        statement.check_count(params.count())?;
        let mut other = false;
        let values = values(Some(statement), params, &self.codecs, &mut other);
        let mut len = 0;
        let written = match begin {
            None => flight.write(&mut self.out, params, values),
            Some(begin) => {
                let Some(begin) = begin.flight() else { return Ok(None) };
                // No arguments: this cannot fail.
                let _ = begin.append(&mut self.out, &(), |_, _| Ok(()));
                len = self.out.len();
                flight.append(&mut self.out, params, values).map(|()| frontend::sync(&mut self.out))
            }
        };
        // Of other types than it was learnt with: that is another statement.
        if other { Ok(None) } else { written.map(|()| Some(len)) }
    }

    /// Takes a lone statement's answer, if all of it has come and there is nothing more to it than rows and
    /// their end; `None`, and nothing has changed, if not.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    #[inline]
    pub(crate) fn take_lone(&mut self, batch: &mut RowBatch) -> Result<Option<Step>> {
        let Some(lone) = &self.lone else { return Ok(None) };
        let answer = &self.input.bytes[self.input.at..];
        let Some(whole) = find_whole(answer, lone.want, lone.begin.is_some()) else {
            return Ok(None);
        };
        let shape = lone.statement.shape();
        batch.set_columns(&shape.columns);
        let rows = &answer[whole.rows];
        match take_found(rows, whole.count, shape.cells.len(), usize::MAX, batch.slots()) {
            Ok(end) if end == rows.len() => batch.bytes_mut().extend_from_slice(rows),
            Ok(_) => return Err(self.broke(malformed())),
            Err(error) => return Err(self.broke(error)),
        }
        if let Some(lone) = self.lone.take() {
            self.cache.give_back(lone.statement);
        }
        self.input.at = self.input.bytes.len();
        self.ready = whole.ready;
        self.finish_command();
        Ok(Some(Step::End(whole.outcome)))
    }

    /// Queues what a lone statement is owed.
    pub(super) fn unfold(&mut self) {
        let Some(Lone { begin, statement, want }) = self.lone.take() else { return };
        let mut arguments = statement.flight().map(|flight| flight.arguments(self.out.len()));
        if let Some(KeptBegin { statement, text, len }) = begin {
            self.queue_begin(statement, text, 0..len);
            self.expected.extend([Expect::Bind, Expect::Execute]);
            arguments = None;
        }
        let mut work = Work::new(Role::Statement);
        work.want = want;
        work.shape = Some(Arc::clone(statement.shape()));
        work.arguments = arguments;
        self.cache.give_back(Arc::clone(&statement));
        work.statement = Some(statement);
        self.works.push_back(work);
        self.expected.extend([Expect::Bind, Expect::Execute, Expect::Ready]);
        self.fresh = false;
    }
}

#[inline]
fn find_whole(bytes: &[u8], want: Want, begins: bool) -> Option<Whole> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let before = if begins { bytes.strip_prefix(BEGUN)? } else { bytes };
    if !before.starts_with(BOUND) {
        return None;
    }
    let rows_from = bytes.len() - before.len() + BOUND.len();
    let mut rows_end = rows_from;
    let mut count = 0;
    while bytes.get(rows_end) == Some(&b'D') {
        let Ok(Found::Whole(frame)) = frame::find(bytes, rows_end) else { return None };
        rows_end = frame.end;
        count += 1;
    }
    match want {
        Want::First if count > 1 => return None,
        Want::Outcome if count > 0 => return None,
        _ => {}
    }
    let (done, ready) = bytes.get(rows_end..)?.split_last_chunk()?;
    let ready = match ready {
        [b'Z', 0, 0, 0, 5, b'I'] if !begins => Ready::Idle,
        [b'Z', 0, 0, 0, 5, b'T'] => Ready::Transaction,
        _ => return None,
    };
    // What a point select says, at once.
    if done == ONE_SELECTED {
        let outcome = Outcome::new(1, None);
        return Some(Whole { rows: rows_from..rows_end, count, outcome, ready });
    }
    let ([b'C', a, b, c, d], tag) = done.split_first_chunk()? else { return None };
    if u32::from_be_bytes([*a, *b, *c, *d]) as usize != done.len() - 1 {
        return None;
    }
    let outcome = Outcome::new(counted(tag)?, None);
    Some(Whole { rows: rows_from..rows_end, count, outcome, ready })
}

/// The number in the tag of a command that reads or writes rows.
#[inline]
pub(crate) fn counted(tag: &[u8]) -> Option<u64> {
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
