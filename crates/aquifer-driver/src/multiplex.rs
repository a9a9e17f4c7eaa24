//! [`Multiplex`]: a session that runs statements of several callers, one behind the other.
//!
//! # Who calls, and when
//!
//! Between commands, whoever owns a connection may ask it for its [`Multiplex`]
//! ([`Connection::multiplex`](crate::Connection::multiplex)), push statements of many callers, and drive them
//! together. Statements are pushed while others are under way; none waits for another's answer. They run
//! outside transactions, carry no state of the session, and are answered in the order they were pushed. There
//! is no task of the driver's own: I/O happens in whatever task drives.
//!
//! Statements between two ends of a segment share one confirmation of the server's (on PostgreSQL a Sync), and
//! with it one implicit transaction: once one of them fails, the server runs none of those behind it in that
//! segment, and these come back as [`not_run`](Answers::not_run). Only statements that change nothing may share
//! one, because an error also undoes what stood before it.
//!
//! # What dropped callers mean
//!
//! Nobody else can see them: who drives answers [`Room::Skip`] for what nobody reads. To stop a statement that
//! nobody waits for, the owner uses the connection's [`Canceller`](crate::Canceller), and pushes nothing more
//! until nothing is owed: what the request hits may be another statement than the one it was meant for, and
//! whoever sent it sees to it that the one which was hit runs again.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::{Outcome, Params, Result, RowBatch, Want};

/// Tells a statement under way from the others; chosen by whoever pushes it, and given back with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u32);

/// A session that runs statements of several callers. See the [module's documentation](self).
pub trait Multiplex {
    /// Encodes a statement behind those that are under way. Nothing is sent. Callers end the segment
    /// ([`end_segment`](Self::end_segment)) before they drive.
    ///
    /// # Errors
    ///
    /// What is wrong with this statement or its arguments, or with the connection: nothing was encoded then,
    /// the statement is not under way, and the others are as they were.
    fn push(
        &mut self,
        ticket: Ticket,
        sql: &Arc<str>,
        params: &dyn Params,
        want: Want,
    ) -> Result<()>;

    /// Ends the segment of the statements pushed since the last one ended; does nothing if there are none.
    fn end_segment(&mut self);

    /// How many statements were pushed and are not answered.
    fn owed(&self) -> usize;

    /// Writes what waits, in as few writes as the socket takes, and hands over what has come. Ready when
    /// nothing is owed any more, everything is written, and no request to stop is on its way.
    ///
    /// While it is pending the waker is woken as soon as there is more to do, except that it waits for
    /// [room](Room::Full): then whoever makes room drives again.
    ///
    /// # Errors
    ///
    /// The connection is of no further use. Those of which nothing was written were [not run](Answers::not_run), as far
    /// as the driver knows which ones these are; [`nothing_sent`](crate::Error::nothing_sent) says that all were not that
    /// are not answered. Nothing is known of the others; those that change nothing can be run elsewhere.
    fn poll_drive(&mut self, cx: &mut Context<'_>, answers: &mut dyn Answers) -> Poll<Result<()>>;
}

impl fmt::Debug for dyn Multiplex + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multiplex").field("owed", &self.owed()).finish_non_exhaustive()
    }
}

/// Takes what comes for the statements under way. If one of these panics, the connection is of no further use.
pub trait Answers {
    /// Where the rows go that have come for this statement. Asked before the rows of each read of the socket,
    /// and for a statement that gives columns but no rows once. The driver adds to what is in the batch, whose
    /// columns it sets before the first rows, and again if another batch has taken its place; once there was room it
    /// asks no more for a statement's [first row](Want::First), and never if only its [outcome](Want::Outcome) is wanted.
    fn room(&mut self, ticket: Ticket) -> Room<'_>;

    /// The statement is over: with its outcome, or its error. Rows that were handed over before an error are
    /// worth nothing. The last statement of a segment is over when the segment is: what fails as that is committed
    /// is its error.
    fn answered(&mut self, ticket: Ticket, answer: Result<Outcome>);

    /// The server did not run the statement, because of another one's error, because it must be prepared
    /// anew, or because the connection was lost before it was written: nothing keeps it from being pushed again.
    fn not_run(&mut self, ticket: Ticket);
}

/// Where rows go.
#[derive(Debug)]
pub enum Room<'a> {
    /// Into this batch, as many as are there.
    Into(&'a mut RowBatch),
    /// Nobody reads them. This holds for the rest of the statement's rows.
    Skip,
    /// Nowhere yet: nothing more is read from the server until there is room.
    Full,
}
