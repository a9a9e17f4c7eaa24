//! The hot path of a COMMIT by name, behind what was queued, whose answer comes whole and says that all went well.
//!
//! What is owed is queued as ever; its replies are taken at once instead of one by one. Whatever turns out to be
//! anything else is left to `receive`, which knows every case.

use aquifer_driver::{Outcome, RowBatch, Step};

use super::lone::{BEGUN, BOUND, counted};
use super::work::{Expect, Role, Work};
use super::{Phase, Pipeline, Ready};

/// What a COMMIT answers behind its BindComplete, with the ReadyForQuery of its Sync.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I";

impl Pipeline {
    /// Takes the answer to a COMMIT and to what was queued before it, if all of it has come and there is nothing to
    /// tell but that it is committed; `None`, and nothing has changed, if not.
    #[inline]
    pub(super) fn take_committed(&mut self, batch: &mut RowBatch) -> Option<Step> {
        let commit = self.works.back()?;
        if commit.role != Role::Commit || commit.unreplicated {
            return None;
        }
        let plain = self.failure.is_none() && self.steps.is_empty() && self.copy == Phase::None;
        if !plain || self.discarding || !self.is_committed() {
            return None;
        }
        self.works.clear();
        self.expected.clear();
        self.input.at = self.input.bytes.len();
        self.ready = Ready::Idle;
        self.began = false;
        self.doubt_names();
        self.finish_command();
        batch.set_columns(&self.no_columns);
        Some(Step::End(Outcome::default()))
    }

    /// True if nothing has come of what is owed but what is here, and that is all of it.
    fn is_committed(&self) -> bool {
        let last = self.works.len() - 1;
        let mut owed = self.expected.iter();
        let mut rest = &self.input.bytes[self.input.at..];
        for (place, work) in self.works.iter().enumerate() {
            if owed.next() != Some(&Expect::Bind) || owed.next() != Some(&Expect::Execute) {
                return false;
            }
            if place < last {
                let Some(behind) = behind(work, rest) else { return false };
                rest = behind;
            }
        }
        owed.eq([&Expect::Ready]) && rest.strip_prefix(BOUND) == Some(COMMITTED)
    }
}

/// What comes behind the answer to this, if that says nothing that anybody has to be told.
#[inline]
fn behind<'a>(work: &Work, answer: &'a [u8]) -> Option<&'a [u8]> {
    if work.role == Role::Begin {
        return answer.strip_prefix(BEGUN);
    }
    let statement = work.statement.as_ref()?;
    if work.role != Role::Statement || work.queued == 0 || statement.changes_session {
        return None;
    }
    let done = answer.strip_prefix(BOUND)?;
    let ([b'C', a, b, c, d], _) = done.split_first_chunk()? else { return None };
    let end = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).checked_add(1)?;
    // Rows, and all commands but the frequent ones, have more to them.
    counted(done.get(5..end)?)?;
    done.get(end..)
}
