//! BEGIN and COMMIT in the segments of other statements: kept by name, as other statements are, so that the server does
//! not parse them anew for each transaction.
//!
//! They are not worth what a statement of the user's is: they take a place that is free, and make nobody leave. And
//! they must not fail where statements were dropped without a word (`DEALLOCATE ALL` within a function). A BEGIN that
//! the server does not know by its name any more has begun nothing, nor has anything behind it run: its flight is
//! sent again, with the text. A COMMIT has no second try, because the server has failed the transaction by then. So
//! it goes by name only if the BEGIN before it did and has got its name first: whatever drops all statements in between
//! would have dropped that, too. What is left is a drop within the transaction: one that can be seen, or suspected
//! (`DO`, `CALL`), has the COMMIT sent as text, too.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Retry, TxOptions};
use aquifer_net::Statements;

use super::Pipeline;
use super::receive::{INVALID_STATEMENT_NAME, is_state};
use super::work::{Expect, Learning, Role, Work};
use crate::protocol::backend::Ready;
use crate::protocol::frontend;
use crate::server_error::ServerError;
use crate::statement::Statement;

pub(super) const COMMIT: &str = "COMMIT";

/// A flight that began with the name of a BEGIN that the server does not know any more.
#[derive(Debug)]
pub(super) struct Forgotten {
    /// What it was owed from that BEGIN on.
    owed: VecDeque<Expect>,
    /// How long it was.
    len: usize,
}

impl Pipeline {
    /// The BEGIN that was held back, in the segment of the statement that follows.
    pub(super) fn send_held_begin(&mut self) {
        let kept = self.kept_begin();
        let Some(begin) = self.held_begin.take() else { return };
        if let Some(statement) = kept {
            let sent = self.run_kept(&statement);
            self.begun_by = Some(Arc::clone(&statement));
            self.queue_begin(statement, begin, sent);
            return;
        }
        self.doubt_names();
        let mut work = Work::new(Role::Begin);
        work.ends_segment = false;
        // With room for the statement that it is sent with.
        let named = self.settings.names_last() && self.has_room(2);
        self.control(&mut work, &begin, named);
        work.begin = Some(begin);
        self.works.push_back(work);
    }

    /// The BEGIN that waits for a statement, if it can go by its name.
    #[inline]
    pub(super) fn kept_begin(&mut self) -> Option<Arc<Statement>> {
        let begin = self.held_begin.as_deref()?;
        if self.settings.names_last() { find_named(&mut self.cache, begin) } else { None }
    }

    /// Queues a BEGIN that goes by its name, and stands at this place of the flight.
    pub(super) fn queue_begin(
        &mut self,
        statement: Arc<Statement>,
        text: Cow<'static, str>,
        sent: Range<usize>,
    ) {
        let mut work = Work::new(Role::Begin);
        work.ends_segment = false;
        work.statement = Some(statement);
        // To be sent again without the name.
        work.arguments = Some(sent);
        work.begin = Some(text);
        self.works.push_back(work);
    }

    /// COMMIT in the segment of the statements before it. One that is tracked is sent when its number is known.
    /// `kept`: the server still keeps then what it keeps now.
    pub(super) fn commit_behind(&mut self, kept: bool) {
        if self.lacks_number() {
            self.ask_along();
            self.works.push_back(Work::new(Role::Trace));
        } else {
            let mut work = Work::new(Role::Commit);
            let begin = if kept { self.begun_by.take() } else { None };
            match begin.as_ref().and_then(|begin| self.find_commit(begin)) {
                Some(commit) => {
                    work.arguments = Some(self.run_kept(&commit));
                    work.statement = Some(commit);
                }
                None => self.control(&mut work, COMMIT, begin.is_some() && self.has_room(1)),
            }
            self.works.push_back(work);
        }
        self.end_segment();
    }

    /// The kept COMMIT. One that may be gone though this BEGIN is there leaves the cache, to get another name.
    fn find_commit(&mut self, begin: &Statement) -> Option<Arc<Statement>> {
        let commit = find_named(&mut self.cache, COMMIT)?;
        if order(&commit.name) > order(&begin.name) {
            return Some(commit);
        }
        self.counters.evicted += u64::from(self.cache.remove(&commit));
        self.close_now(&commit);
        None
    }

    /// Something ran that may have dropped the session's statements.
    pub(super) fn doubt_names(&mut self) {
        self.begun_by = None;
    }

    /// Encodes a statement without arguments and results: by a new name if that is allowed, or as text.
    fn control(&mut self, work: &mut Work, text: &str, named: bool) {
        if !named {
            return self.run_text(text);
        }
        let name = self.next_name();
        frontend::parse(&mut self.out, &name, text, &[]);
        self.expected.push_back(Expect::ParseKept);
        self.run(&name);
        self.counters.prepared += 1;
        work.learning =
            Some(Learning { name, text: text.into(), declared: [].into(), parameters: None });
    }

    /// Encodes one that is kept; its place in the flight.
    fn run_kept(&mut self, statement: &Statement) -> Range<usize> {
        let start = self.out.len();
        match statement.flight() {
            Some(flight) => {
                // No arguments: this cannot fail.
                let _ = flight.append(&mut self.out, &(), |_, _| Ok(()));
                self.expected.extend([Expect::Bind, Expect::Execute]);
            }
            None => self.run(&statement.name),
        }
        start..self.out.len()
    }

    fn run_text(&mut self, text: &str) {
        frontend::parse(&mut self.out, "", text, &[]);
        self.expected.push_back(Expect::Parse);
        self.run("");
    }

    fn run(&mut self, name: &str) {
        // No arguments, no results: this cannot fail.
        let _ = frontend::bind(&mut self.out, "", name, 0, &[], |_, _| Ok(()));
        frontend::execute(&mut self.out, "", 0);
        self.expected.extend([Expect::Bind, Expect::Execute]);
    }

    /// So many statements can be kept without another one's leaving, those that are learnt in this flight counted.
    fn has_room(&self, more: usize) -> bool {
        let learning = self.works.iter().filter(|work| work.learning.is_some()).count();
        self.cache.len() + learning + more <= self.cache.max()
    }

    /// The server keeps a statement that is not described: there is nothing to describe.
    pub(super) fn kept_undescribed(&mut self) {
        let Some(work) = self.works.front_mut() else { return };
        let Some(Learning { name, text, declared, parameters }) = work.learning.take() else {
            return;
        };
        let parameters = parameters.unwrap_or_default();
        let statement = Statement::new(name, text, parameters, declared, Vec::new(), &self.codecs);
        let statement = Arc::new(statement);
        if work.role == Role::Begin {
            self.begun_by = Some(Arc::clone(&statement));
        }
        work.statement = Some(Arc::clone(&statement));
        self.keep(&statement);
    }

    /// Remembers the flight under way, if this error of the server's is that it does not know a BEGIN by its name.
    pub(super) fn note_forgotten_begin(&mut self, server: &ServerError) {
        let begins = self
            .works
            .front()
            .is_some_and(|work| work.role == Role::Begin && work.arguments.is_some());
        if begins
            && self.expected.front() == Some(&Expect::Bind)
            && is_state(server, INVALID_STATEMENT_NAME)
        {
            self.forgotten_begin =
                Some(Forgotten { owed: self.expected.clone(), len: self.out.len() });
        }
    }

    /// Sends the flight of a forgotten BEGIN again, with its text: nothing of it has run. False, and nothing is sent,
    /// if nobody waits for it, or it was none.
    pub(super) fn begin_again(&mut self) -> bool {
        let Some(Forgotten { mut owed, len }) = self.forgotten_begin.take() else { return false };
        let Some(work) = self.works.front_mut() else { return false };
        let (Some(statement), Some(begin), Some(sent)) =
            (work.statement.take(), &work.begin, work.arguments.take())
        else {
            return false;
        };
        let begin = begin.clone();
        if self.cache.remove(&statement) {
            self.counters.evicted += 1;
        }
        self.doubt_names();
        if self.discarding || self.ready != Ready::Idle || !self.expected.is_empty() {
            return false;
        }
        let flight = std::mem::take(&mut self.out);
        self.sent = 0;
        self.run_text(&begin);
        // Of the Bind and the Execute that the BEGIN had.
        owed.drain(..2);
        // The COMMIT of the same flight has a name that is as doubtful.
        let commit = self.works.back_mut().filter(|work| work.role == Role::Commit);
        match commit.and_then(|work| Some((work.statement.take()?, work.arguments.take()?))) {
            Some((_, commit)) => {
                self.out.extend_from_slice(&flight[sent.end..commit.start]);
                // Its Bind and Execute, and the Sync behind them.
                owed.truncate(owed.len() - 3);
                self.expected.append(&mut owed);
                self.run_text(COMMIT);
                self.end_segment();
            }
            None => {
                self.out.extend_from_slice(&flight[sent.end..len]);
                self.counters.syncs += u64::from(owed.contains(&Expect::Ready));
                self.expected.append(&mut owed);
            }
        }
        self.counters.rounds += 1;
        self.failure = None;
        // Their arguments have moved.
        self.works.iter_mut().for_each(|work| work.arguments = None);
        true
    }
}

#[inline]
fn find_named(cache: &mut Statements<Statement>, text: &str) -> Option<Arc<Statement>> {
    cache.find(text).filter(|kept| !kept.name.is_empty())
}

/// Names in the order in which they were given; they differ in their number only.
fn order(name: &str) -> (usize, &str) {
    (name.len(), name)
}

/// The error of a COMMIT that the server does not know by its name any more.
#[cold]
pub(super) fn commit_forgotten(error: Error) -> Error {
    Error::new(
        ErrorKind::TxFailed,
        "nothing was committed: the session's prepared statements were dropped within the transaction, that of \
         its COMMIT among them",
    )
    .with_hint(
        "run the transaction again; DEALLOCATE ALL and DISCARD ALL within functions fail the transactions that \
         call them: say them on their own, or set statement_cache_capacity=0",
    )
    .with_retry(Retry::Transaction)
    .with_source(error)
}

pub(super) fn begin_text(options: TxOptions) -> Cow<'static, str> {
    if options.isolation.is_none() && !options.read_only && !options.deferrable {
        return Cow::Borrowed("BEGIN");
    }
    let mut sql = String::from("BEGIN");
    if let Some(level) = options.isolation {
        sql.push_str(&format!(" ISOLATION LEVEL {level}"));
    }
    if options.read_only {
        sql.push_str(" READ ONLY");
    }
    if options.deferrable {
        sql.push_str(" DEFERRABLE");
    }
    Cow::Owned(sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_says_only_what_was_asked_for() {
        assert_eq!(begin_text(TxOptions::new()), "BEGIN");
        assert_eq!(
            begin_text(TxOptions::serializable().read_only().deferrable()),
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"
        );
    }

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let names = ["s_1", "s_2", "s_9", "s_10", "s_11", "s_99", "s_100"];
        assert!(names.is_sorted_by(|a, b| order(a) < order(b)));
    }
}
