//! [`Call`]: a statement on its way, and what it gave.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{ParamBuf, RowBatch, Want};
use tokio::time::Instant;

use crate::text::Text;

/// Memory that a call keeps for arguments, and for rows, until it is used again.
const KEEP: usize = 1024;
const KEEP_ROWS: usize = 4 * 1024;

/// A statement with its arguments and rows. It goes round: from a caller to the queue, to a connection, and back.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) text: Arc<Text>,
    /// Its text was given as one that is made, by a named call or a kept statement: a plain one of the same words may mean
    /// something else.
    pub(super) made: bool,
    pub(super) params: ParamBuf,
    pub(super) want: Want,
    pub(super) rows: RowBatch,
    /// It may change something: once it was sent, it is sent again only if it has not run.
    pub(super) writes: bool,
    /// How long it was queued, where that took a while.
    pub(super) waited: Duration,
    /// Connections that were lost under it.
    pub(super) lost: u32,
    /// How often the server has not run it.
    pub(super) unrun: u32,
    /// How often a stop that was meant for another one has hit it.
    pub(super) hit: u32,
    /// It holds up others, and was asked to stop: once it has, it runs elsewhere.
    pub(super) makes_way: bool,
    /// It shares no segment: its neighbours' errors have kept it from running often enough.
    pub(super) alone: bool,
    /// Nothing else was under way when it was sent: how long it takes is its own doing.
    pub(super) solo: bool,
    /// When its answer was read.
    pub(super) ended: Option<Instant>,
}

impl Call {
    pub(super) fn new(text: Arc<Text>) -> Self {
        Self {
            text,
            made: false,
            params: ParamBuf::new(),
            want: Want::All,
            rows: RowBatch::new(),
            writes: false,
            waited: Duration::ZERO,
            lost: 0,
            unrun: 0,
            hit: 0,
            makes_way: false,
            alone: false,
            solo: false,
            ended: None,
        }
    }

    /// Makes it ready for another statement.
    pub(super) fn renew(&mut self, want: Want, writes: bool) {
        self.params.clear();
        (self.want, self.writes, self.waited) = (want, writes, Duration::ZERO);
        (self.lost, self.unrun, self.hit) = (0, 0, 0);
        (self.alone, self.solo, self.makes_way) = (false, false, false);
        self.ended = None;
    }

    /// Gives back what one large statement took.
    pub(super) fn rest(&mut self) {
        self.params.shrink(KEEP);
        self.rows.shrink(KEEP_ROWS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Texts;
    use aquifer_driver::{Dialect, Grammar};

    #[test]
    fn a_call_that_is_used_again_knows_nothing_of_the_last() {
        let texts = Texts::new(&Dialect::new("fake", Grammar::Sqlite), 4);
        let text = texts.get("SELECT 1").unwrap();
        let fresh = format!("{:?}", Call::new(Arc::clone(&text)));
        let mut call = Call {
            want: Want::First,
            writes: true,
            waited: Duration::from_secs(1),
            lost: 1,
            unrun: 1,
            hit: 1,
            alone: true,
            makes_way: true,
            solo: true,
            ended: Some(Instant::now()),
            ..Call::new(text)
        };
        assert_ne!(format!("{call:?}"), fresh);
        call.rest();
        call.renew(Want::All, false);
        assert_eq!(format!("{call:?}"), fresh);
    }
}
