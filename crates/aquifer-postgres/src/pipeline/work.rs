//! What is owed: a reply for each message, and a result for each statement.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{Columns, Outcome, Result, Step, Want};

use crate::statement::{Shape, Statement};
use crate::types::Oid;

/// A reply that the server owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// CloseComplete.
    Close,
    /// ParseComplete.
    Parse,
    /// ParseComplete of a statement that is kept and not described.
    ParseKept,
    /// ParameterDescription.
    Parameters,
    /// RowDescription or NoData.
    Fields,
    /// BindComplete.
    Bind,
    /// Rows, ended by CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// Anything that a simple query answers, up to ReadyForQuery.
    Query,
    /// The one row of a query about the transaction or the server, ended by CommandComplete.
    Trace,
    /// ReadyForQuery.
    Ready,
}

/// What a piece of work is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A statement of the user's.
    Statement,
    /// A text of several statements.
    Script,
    /// A COPY from the client, and one to it.
    CopyIn,
    CopyOut,
    /// A statement that is only described.
    Prepare,
    /// The BEGIN that was held back.
    Begin,
    /// COMMIT.
    Commit,
    /// A question before it: what is the transaction's number?
    Trace,
    /// A question before a BEGIN: who is the server?
    Server,
    /// Anything whose outcome is nobody's: ROLLBACK, a ping, a reset.
    Silent,
}

/// A statement that the server is asked to prepare in this flight.
#[derive(Debug)]
pub(super) struct Learning {
    pub(super) name: Box<str>,
    pub(super) text: Arc<str>,
    /// The types that the arguments declare themselves.
    pub(super) declared: Box<[Oid]>,
    pub(super) parameters: Option<Box<[Oid]>>,
}

/// One statement under way.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) role: Role,
    /// One of a batch: its error is an entry, not the command's end.
    pub(super) sibling: bool,
    /// Its number among the statements that were queued before the command, from 1; 0 is none of them.
    pub(super) queued: u32,
    /// Its Sync follows.
    pub(super) ends_segment: bool,
    pub(super) want: Want,
    pub(super) statement: Option<Arc<Statement>>,
    pub(super) learning: Option<Learning>,
    /// The statement that an earlier work of the same flight prepares, by its place among the siblings.
    pub(super) follows: Option<usize>,
    /// How the results lie.
    pub(super) shape: Option<Arc<Shape>>,
    /// Whether rows of the present result set were given.
    pub(super) gave_rows: bool,
    /// How many rows the pages had that came before the last one.
    pub(super) paged: u64,
    /// How many arguments were given.
    pub(super) given: usize,
    /// The outcome, while it waits for the Sync or for the next result set.
    pub(super) done: Option<Outcome>,
    /// The answer's command was COMMIT.
    pub(super) committed: bool,
    /// The user's own COMMIT was answered with ROLLBACK.
    pub(super) refused_commit: bool,
    /// Where in the flight the arguments stand, for a statement that may be sent again; of BEGIN and COMMIT
    /// by name all of them.
    pub(super) arguments: Option<Range<usize>>,
    /// Bytes that were put before a script's own text, and whose answer is nobody's.
    pub(super) prefix: usize,
    /// What was sent is not the text: the server's places do not point into it.
    pub(super) rewritten: bool,
    /// The server broke off waiting for its standby.
    pub(super) unreplicated: bool,
    /// On success the session is as it was made.
    pub(super) resets: bool,
    /// The text of a BEGIN that was held back.
    pub(super) begin: Option<Cow<'static, str>>,
    /// The statement's text, to find an error's place in.
    pub(super) text: Option<Arc<str>>,
}

impl Work {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            sibling: false,
            queued: 0,
            ends_segment: true,
            want: Want::All,
            statement: None,
            learning: None,
            follows: None,
            shape: None,
            gave_rows: false,
            paged: 0,
            given: 0,
            done: None,
            committed: false,
            refused_commit: false,
            arguments: None,
            prefix: 0,
            resets: false,
            rewritten: false,
            unreplicated: false,
            begin: None,
            text: None,
        }
    }

    /// The statement's text, where it is known.
    pub(super) fn sql(&self) -> Option<&str> {
        let learning = self.learning.as_ref().map(|learning| &*learning.text);
        let statement = self.statement.as_ref().map(|statement| &*statement.text);
        learning.or(statement).or(self.text.as_deref())
    }
}

/// A step that is ready to be given.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) step: Result<Step>,
    /// The columns of a result set that gave no rows.
    pub(super) columns: Option<Arc<Columns>>,
}

impl Settled {
    /// The end of a command without rows.
    pub(super) fn end(outcome: Outcome) -> Self {
        Self { step: Ok(Step::End(outcome)), columns: None }
    }
}
