//! [`Call`]: a statement on its way, and what it gave.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Error, Outcome, ParamBuf, RowBatch, Want};
use tokio::time::Instant;

use crate::text::Text;

/// Memory that a call keeps for arguments, and for rows, until it is used again.
const KEEP: usize = 1024;
const KEEP_ROWS: usize = 4 * 1024;

/// What has come of a call that did not go well.
#[derive(Debug, Default)]
pub(super) enum Ending {
    /// Nothing yet.
    #[default]
    Open,
    /// It is over, with this error.
    Failed(Error),
    /// It has to run on a connection of its own; nothing has come of it here.
    Elsewhere,
    /// The server has not run it.
    Unrun,
    /// A stop has hit it that was not its caller's: nothing has come of it.
    Hit,
    /// It only reads: another connection can run it, whatever becomes of it here.
    Moved,
    /// It was not sent.
    Unsent,
    /// The connection is lost, with this to be said.
    Lost(Error),
}

/// How a call has fared so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Connections that were lost under it.
    pub(super) lost: u8,
    /// How often the server has not run it.
    pub(super) unrun: u8,
    /// How often a stop that was meant for another one has hit it.
    pub(super) hit: u8,
    /// It holds up others, and was asked to stop: once it has, it runs elsewhere.
    pub(super) makes_way: bool,
    /// It shares no segment: its neighbours' errors have kept it from running often enough.
    pub(super) alone: bool,
    /// Nothing else was under way when it was sent: how long it takes is its own doing.
    pub(super) solo: bool,
}

/// A statement with its arguments, its rows and its end. It goes round: from a caller to the queue, to a connection, and back.
// Of many that wait, each is in no cache when its turn comes: it begins where a line of one does, what is looked at as it is
// sent is in the first two, and what its answer changes in the last two.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Call {
    pub(super) text: Arc<Text>,
    pub(super) want: Want,
    /// When it was queued by the keeper's clock.
    pub(super) since_tick: u64,
    /// It may change something: once it was sent, it is sent again only if it has not run.
    pub(super) writes: bool,
    /// Its text was given as one that is made, by a named call or a kept statement: a plain one of the same words may mean
    /// something else.
    pub(super) made: bool,
    pub(super) tries: Tries,
    pub(super) params: ParamBuf,
    /// When it was queued.
    pub(super) since: Option<Instant>,
    /// How long it was queued, where that took a while.
    pub(super) waited: Duration,
    /// Rows of before, which its caller has not taken.
    pub(super) part: Option<Box<RowBatch>>,
    pub(super) ending: Ending,
    /// When its answer was read.
    pub(super) ended: Option<Instant>,
    /// What it did, if it went well.
    pub(super) outcome: Option<Outcome>,
    pub(super) rows: RowBatch,
}

impl Call {
    pub(super) fn new(text: Arc<Text>) -> Self {
        Self {
            text,
            made: false,
            params: ParamBuf::new(),
            want: Want::All,
            rows: RowBatch::new(),
            outcome: None,
            ending: Ending::Open,
            part: None,
            writes: false,
            since: None,
            since_tick: 0,
            waited: Duration::ZERO,
            tries: Tries::default(),
            ended: None,
        }
    }

    /// Whether it is of the text that somebody wrote so.
    #[inline]
    pub(super) fn is_of(&self, sql: &str) -> bool {
        !self.made && self.text.source() == sql
    }

    /// Makes it ready for another statement, after it has [rested](Self::rest). `since` is the queue's to set.
    #[inline]
    pub(super) fn renew(&mut self, want: Want, writes: bool) {
        (self.want, self.writes, self.waited) = (want, writes, Duration::ZERO);
        self.tries = Tries::default();
        (self.ended, self.outcome) = (None, None);
    }

    /// Forgets its arguments, its rows and what came of it, and gives back what one large statement took.
    #[inline]
    pub(super) fn rest(&mut self) {
        self.params.shrink(KEEP);
        self.rows.shrink(KEEP_ROWS);
        if self.part.is_some() {
            self.part = None;
        }
        if !matches!(self.ending, Ending::Open) {
            self.ending = Ending::Open;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Texts;
    use aquifer_driver::{Dialect, Grammar};

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_an_answer_changes_is_in_the_last_two_of_four_lines() {
        assert_eq!((size_of::<Call>(), std::mem::offset_of!(Call, ending)), (256, 128));
    }

    #[test]
    fn a_call_that_is_used_again_knows_nothing_of_the_last() {
        let texts = Texts::new(&Dialect::new("fake", Grammar::Sqlite), 4);
        let text = texts.get("SELECT 1").unwrap();
        let fresh = format!("{:?}", Call::new(Arc::clone(&text)));
        let mut call = Call {
            want: Want::First,
            writes: true,
            waited: Duration::from_secs(1),
            tries: Tries { lost: 1, unrun: 1, hit: 1, alone: true, makes_way: true, solo: true },
            since: Some(Instant::now()),
            since_tick: 1,
            outcome: Some(Outcome::default()),
            ending: Ending::Elsewhere,
            part: Some(Box::default()),
            ended: Some(Instant::now()),
            ..Call::new(text)
        };
        assert_ne!(format!("{call:?}"), fresh);
        call.rest();
        // Nothing that takes memory is kept until then.
        assert!(call.part.is_none() && matches!(call.ending, Ending::Open));
        call.renew(Want::All, false);
        (call.since, call.since_tick) = (None, 0);
        assert_eq!(format!("{call:?}"), fresh);
    }
}
