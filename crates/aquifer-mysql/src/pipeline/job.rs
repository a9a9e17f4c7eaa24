//! What is owed: a [`Job`] for each command that the server answers.

use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{Columns, Error, Outcome, Result, Step, Want};

use super::bulk::Rows;
use crate::statement::Statement;
use crate::types::Shape;
use crate::types::bind::Long;

/// Which command of the protocol a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The text, answered in the text protocol.
    Query,
    Prepare,
    Execute,
    /// The statement for many rows at once.
    Bulk,
    Ping,
    /// COM_RESET_CONNECTION.
    Reset,
}

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A statement of the user's.
    Statement,
    /// A text of several statements.
    Script,
    /// A statement that is only described.
    Describe,
    /// A statement that jobs behind this one will run.
    Learn,
    /// A statement that harms nobody, prepared and closed at once: after it no statement is the one that was prepared
    /// last.
    Vacate,
    Commit,
    /// Asks where the transaction stands after an error: errors do not say so.
    Probe,
    /// Asks for the warnings of the statement before it.
    Warnings,
    /// Asks whether what the transaction has done can be undone, before a bulk.
    Fitness,
    /// Asks how far the keys of the statement behind it will be apart.
    KeyStep,
    /// Asks whether what failed has left nothing behind.
    Undone,
    /// Anything whose outcome is nobody's.
    Own,
}

/// Where an Execute's arguments are.
#[derive(Debug, Clone, Default)]
pub(super) enum Arguments {
    #[default]
    None,
    /// Encoded, to be sent when the statement is known.
    Held(Vec<u8>),
    /// The same, but for some that are sent before.
    Long(Vec<u8>, Box<Long>),
    /// The text to send, with the arguments written into it.
    Written(String),
    /// In the flight buffer, for a statement that may be sent again.
    Flight(Range<usize>),
}

/// What becomes of a statement that could not be prepared.
#[derive(Debug)]
pub(super) enum Unprepared {
    /// It fails like this.
    Fails(Error),
    /// It is run as text.
    Text,
    /// It is prepared again: there is room now.
    Again,
}

/// One command under way or waiting to be sent.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) action: Action,
    pub(super) role: Role,
    /// Gives no step when it succeeds: another one of the same command follows.
    pub(super) quiet: bool,
    /// One of a batch: its error is an entry, not the command's end.
    pub(super) sibling: bool,
    /// Is not sent before everything before it has succeeded.
    pub(super) waits: bool,
    /// On success the server has forgotten the session.
    pub(super) resets: bool,
    /// On success the session is as fresh.
    pub(super) undoes: bool,
    /// Ends a transaction without its work.
    pub(super) rolls_back: bool,
    /// Warnings of the last result.
    pub(super) warnings: u16,
    /// Why the statement whose warnings are asked for, or the script, has failed after all.
    pub(super) refused: Option<Error>,
    /// Results that have ended before the present one.
    pub(super) results: usize,
    pub(super) want: Want,
    /// The text, unless the statement has it.
    pub(super) text: Option<Arc<str>>,
    pub(super) statement: Option<Arc<Statement>>,
    pub(super) arguments: Arguments,
    /// The rows that it stands for, if there are several.
    pub(super) bulk: Option<Box<Rows>>,
    /// Its outcome tells whether its table generates keys.
    pub(super) tells_keys: bool,
    /// How many arguments were given.
    pub(super) given: usize,
    /// It was tried before, with a statement that the server had forgotten.
    pub(super) retried: bool,
    /// It is sent right behind its Prepare, before the statement's number is known.
    pub(super) blind: bool,
    /// The Prepare that it was sent behind was refused: what becomes of it when it is refused, too.
    pub(super) unprepared: Option<Unprepared>,
    /// Why the server was given nothing when it asked for a file.
    pub(super) unloaded: Option<Error>,
    /// Why it will not be sent.
    pub(super) failed: Option<Error>,
    /// What a probe comes before.
    pub(super) then: Option<Settled>,
    /// The number of the packet that answers.
    pub(super) sequence: u8,
    /// Some of the answer was received.
    pub(super) answering: bool,
    /// How the rows of the present result set lie.
    pub(super) shape: Option<Arc<Shape>>,
    /// Rows of the present result set that were received.
    pub(super) rows: u64,
    /// Whether any of them was given.
    pub(super) gave_rows: bool,
    /// A result set of a procedure that has ended, until it is known whether another one follows.
    pub(super) ended: Option<Settled>,
    /// An answer said that the session changed.
    pub(super) changed: bool,
}

impl Job {
    pub(super) fn new(action: Action, role: Role) -> Self {
        Self {
            action,
            role,
            quiet: false,
            sibling: false,
            waits: false,
            resets: false,
            undoes: false,
            rolls_back: false,
            warnings: 0,
            refused: None,
            results: 0,
            want: Want::All,
            text: None,
            statement: None,
            arguments: Arguments::None,
            bulk: None,
            tells_keys: false,
            given: 0,
            retried: false,
            blind: false,
            unloaded: None,
            unprepared: None,
            failed: None,
            then: None,
            sequence: 0,
            answering: false,
            shape: None,
            rows: 0,
            gave_rows: false,
            ended: None,
            changed: false,
        }
    }

    /// Whether the server is to keep the rows for a cursor.
    pub(super) fn has_cursor(&self) -> bool {
        matches!(self.want, Want::Paged(_))
    }

    /// A text whose outcome is nobody's.
    pub(super) fn own(sql: &str) -> Self {
        Self { text: Some(sql.into()), ..Self::new(Action::Query, Role::Own) }
    }

    /// True if it cannot commit the transaction that it stands in. DDL does, and other statements do that are told
    /// from those that do not by their first word only, so few words count.
    pub(super) fn stays_in_its_transaction(&self) -> bool {
        const WORDS: [&str; 6] = ["select", "insert", "update", "delete", "replace", "with"];
        match self.role {
            Role::Statement => {
                let sql = self.sql();
                let word = sql.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next();
                // Behind a semicolon anything may follow.
                !sql.contains(';')
                    && word.is_some_and(|word| {
                        WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
                    })
            }
            Role::Script => false,
            _ => true,
        }
    }

    /// The statement's text.
    pub(super) fn sql(&self) -> &str {
        let statement = self.statement.as_ref().map(|statement| &*statement.text);
        statement.or(self.text.as_deref()).unwrap_or_default()
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
