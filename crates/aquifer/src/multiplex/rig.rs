//! [`Line`]: one shared connection with the calls that are under way on it, for whoever drives it.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aquifer_driver::{Error, ErrorKind, RowBatch};

use super::aloft::Aloft;
use super::call::Call;
use super::state::{Landed, Rig};
use crate::source::Lease;

/// A shared connection.
pub(super) struct Line {
    lease: Lease,
    aloft: Aloft,
    /// Who is woken by the connection.
    waker: Waker,
    wakers: Vec<Waker>,
    /// Each statement has a segment to itself.
    one_each: bool,
    /// One that holds up others may be stopped.
    makes_way: bool,
    /// Nothing is owed, and no request to stop is on its way.
    clear: bool,
    lost: bool,
    pub(super) flights: u64,
    pub(super) segments: u64,
}

impl Line {
    pub(super) fn new(lease: Lease, waker: Waker, one_each: bool, makes_way: bool) -> Self {
        Self {
            lease,
            aloft: Aloft::default(),
            waker,
            wakers: Vec::new(),
            one_each,
            makes_way,
            clear: true,
            lost: false,
            flights: 0,
            segments: 0,
        }
    }

    pub(super) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Sends what is to be sent, and takes what has come.
    pub(super) fn drive(&mut self) {
        if self.lost {
            return;
        }
        let Some(multiplex) = self.lease.connection().multiplex() else {
            return self.lose(&unable());
        };
        self.flights += u64::from(self.aloft.fresh() > 0);
        match self.aloft.push(multiplex, self.one_each) {
            Ok(segments) => self.segments += segments,
            Err(error) => return self.lose(&error),
        }
        let polled = self.aloft.poll_drive(multiplex, &mut Context::from_waker(&self.waker));
        self.clear = polled.is_ready();
        if let Poll::Ready(Err(error)) = polled {
            self.lose(&error);
        }
    }

    /// The connection is of no further use.
    #[cold]
    pub(super) fn lose(&mut self, error: &Error) {
        self.lost = true;
        self.aloft.lose(error);
    }

    /// See [`Aloft::move_behind`].
    pub(super) fn move_behind(&mut self) {
        self.aloft.move_behind();
    }

    /// See [`Aloft::lift_credit`].
    pub(super) fn lift_credit(&mut self) {
        self.aloft.lift_credit();
    }

    /// See [`Aloft::head`].
    pub(super) fn head(&self) -> Option<(u32, Option<&Call>)> {
        self.aloft.head()
    }

    /// The statement at the head is to be stopped: from now on, any may be hit.
    pub(super) fn stopping(&mut self) {
        self.clear = false;
        self.aloft.stopping();
    }

    /// How long the connection has lived.
    pub(super) fn age(&self) -> Duration {
        self.lease.info().age
    }
}

impl Rig for Box<Line> {
    #[inline]
    fn board(&mut self, at: u32, call: Box<Call>) {
        self.aloft.board(at, call);
    }

    fn forget(&mut self, at: u32) {
        self.aloft.forget(at);
    }

    #[inline]
    fn landed(&mut self) -> Option<Landed> {
        self.aloft.landed()
    }

    fn overflow(&mut self) -> Option<(u32, &mut RowBatch)> {
        self.aloft.overflow()
    }

    fn is_lost(&self) -> bool {
        self.lost
    }

    fn makes_way(&self) -> bool {
        self.makes_way && !self.aloft.is_unreplicated()
    }

    fn is_clear(&self) -> bool {
        self.clear
    }

    fn wakers(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("under_way", &self.aloft.len())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

#[cold]
fn unable() -> Error {
    Error::new(ErrorKind::Unsupported, "this session runs one statement at a time")
}
