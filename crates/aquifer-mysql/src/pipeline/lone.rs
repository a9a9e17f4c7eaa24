//! The hot path: one kept statement, alone in its flight, whose answer comes whole.
//!
//! Its answer is owed as much as any other, but no job is queued for it: one field says all of it. Whatever turns out
//! to be anything else becomes a job then ([`Pipeline::unfold`]) and is left to `receive`, which knows every case.

use std::sync::Arc;

use aquifer_driver::{Outcome, Params, Result, RowBatch, Step, Want};

use super::job::{Action, Arguments, Job, Role};
use super::rows::{self, is_row};
use super::{Pipeline, Stage};
use crate::protocol::answer::{self, Ok as Done, ServerStatus};
use crate::protocol::frame::{self, Found, Packet};
use crate::protocol::{Agreed, command};
use crate::statement::Statement;
use crate::types::{Shape, bind};

/// Longer answers have rows enough to make up for the rest.
const BYTES_MAX: usize = 4 * 1024;

/// A kept statement alone in its flight, to whose answer nothing has been done yet.
#[derive(Debug)]
pub(super) struct Lone {
    /// Lent by the cache.
    statement: Arc<Statement>,
    want: Want,
    /// How many arguments were given.
    given: usize,
    /// Where they begin in the flight, which ends with them.
    arguments: usize,
}

/// What an answer that has come whole says, besides its rows.
struct Whole {
    /// Where the packets of rows are.
    rows_at: usize,
    rows_end: usize,
    /// The first of them.
    first_row: Option<Packet>,
    /// How many columns they have; 0 for an answer without rows.
    width: usize,
    outcome: Outcome,
    status: ServerStatus,
}

impl Whole {
    /// Copies the rows into the batch and finds their cells.
    #[inline]
    fn take_rows(
        &self,
        answer: &[u8],
        shape: &Shape,
        batch: &mut RowBatch,
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(first) = self.first_row else { return Ok(()) };
        let rows = &answer[self.rows_at..self.rows_end];
        if let Some(plain) = &shape.plain {
            let mut slots = batch.slots();
            rows::run(answer, first, rows.len(), false, |row, at| plain.row(row, at, &mut slots))?;
            batch.bytes_mut().extend_from_slice(rows);
            return Ok(());
        }
        batch.bytes_mut().extend_from_slice(rows);
        scratch.clear();
        rows::locate(batch, shape, false, scratch, true)
    }
}

impl Pipeline {
    /// True while the command under way is a lone statement.
    #[inline]
    pub(crate) fn is_lone(&self) -> bool {
        self.lone.is_some()
    }

    /// Encodes a statement, if it is kept, nothing else has to go along and nothing of it is to be remembered. False,
    /// and nothing is written, if not.
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
        let other = !self.closing.is_empty() || self.settings.interpolates;
        if other || matches!(want, Want::Paged(_)) {
            return Ok(false);
        }
        let Some(statement) = self.cache.lend(sql) else { return Ok(false) };
        if statement.changes_session {
            self.cache.give_back(statement);
            return Ok(false);
        }
        let (given, id) = (params.count(), statement.id);
        statement.check_count(given)?;
        let start = command::begin_execute(&mut self.out, id, false);
        let arguments = self.out.len();
        let clock = self.clock();
        bind::put(&mut self.out, params, clock)?;
        let len = self.out.len() - start - frame::HEADER;
        if len >= frame::PAYLOAD_MAX || len > self.settings.packet_max {
            // It takes more than one packet, if it can be sent at all.
            self.out.clear();
            self.cache.give_back(statement);
            return Ok(false);
        }
        frame::finish(&mut self.out, start, 0);
        self.counters.cache_hits += 1;
        self.lone = Some(Lone { statement, want, given, arguments });
        Ok(true)
    }

    /// Takes a lone statement's answer, if all of it has come and there is nothing more to it than rows and their
    /// end; `None`, and nothing has changed, if not.
    ///
    /// # Errors
    ///
    /// If a row does not have the form that was described: the session cannot go on.
    #[inline]
    pub(crate) fn take_lone(&mut self, batch: &mut RowBatch) -> Result<Option<Step>> {
        let Some(lone) = &self.lone else { return Ok(None) };
        let answer = &self.input.bytes[self.input.at..];
        let agreed = self.settings.agreed;
        let Some(whole) = find_whole(answer, lone.want, agreed) else { return Ok(None) };
        if whole.width == 0 {
            batch.set_columns(&self.no_columns);
        } else {
            let Some(shape) = lone.statement.shape_if(self.reading) else { return Ok(None) };
            if shape.kinds.len() != whole.width {
                return Ok(None);
            }
            batch.set_columns(&shape.columns);
            if let Err(error) = whole.take_rows(answer, &shape, batch, &mut self.scratch) {
                return Err(self.broke(error));
            }
        }
        if let Some(lone) = self.lone.take() {
            self.cache.give_back(lone.statement);
        }
        self.input.at = self.input.bytes.len();
        self.server = whole.status;
        self.fresh = true;
        self.finish_command();
        Ok(Some(Step::End(whole.outcome)))
    }

    /// Makes a lone statement a job like any other.
    pub(super) fn unfold(&mut self) {
        let Some(Lone { statement, want, given, arguments }) = self.lone.take() else { return };
        let mut job = Job::new(Action::Execute, Role::Statement);
        job.want = want;
        job.given = given;
        job.statement = Some(statement);
        job.arguments = Arguments::Flight(arguments..self.out.len());
        job.sequence = 1;
        self.jobs.push_back(job);
        self.encoded = 1;
        self.stage = Stage::Head;
    }
}

/// The answer in `bytes`, if it is whole and says nothing but rows of columns that were described before, or how many
/// rows were changed.
#[inline]
fn find_whole(bytes: &[u8], want: Want, agreed: Agreed) -> Option<Whole> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let head = packet(bytes, 0, 1)?;
    let (mut rows, mut first_row, mut last) = (0, None, head);
    let width = match *bytes.get(head.body..head.end)? {
        [answer::OK, ..] => 0,
        // So many columns, which are not described again.
        [width @ 1..=0xfa, 0] if agreed.caches_metadata() && agreed.deprecates_eof() => {
            last = packet(bytes, head.end, head.next)?;
            while is_row(&bytes[last.body..last.end]) {
                first_row.get_or_insert(last);
                rows += 1;
                last = packet(bytes, last.end, last.next)?;
            }
            usize::from(width)
        }
        _ => return None,
    };
    match want {
        Want::First if rows > 1 => return None,
        Want::Outcome if rows > 0 => return None,
        _ => {}
    }
    let payload = bytes.get(last.body..last.end)?;
    let ends = width == 0 || payload.first() == Some(&answer::EOF);
    if !ends || last.end != bytes.len() {
        return None;
    }
    let done = Done::parse_plain(payload)?;
    let affected = if done.affected == 0 { rows } else { done.affected };
    let id = i64::try_from(done.insert_id).ok().filter(|id| *id != 0);
    Some(Whole {
        rows_at: head.end,
        first_row,
        rows_end: last.body - frame::HEADER,
        width,
        outcome: Outcome::new(affected, id),
        status: done.status,
    })
}

/// The packet with that number at that place, if all of it is there.
#[inline]
fn packet(bytes: &[u8], at: usize, sequence: u8) -> Option<Packet> {
    match frame::find(bytes, at, sequence) {
        Ok(Found::Whole(packet)) => Some(packet),
        _ => None,
    }
}
