//! What became of a COMMIT whose answer was lost.
//!
//! Two kinds of things can be asked for it, over another connection of the pool: the server's own memory, if the
//! driver knows how ([`CommitTrace`]); or a [`Mark`], a row that is committed together with the transaction. A
//! mark is asked for by writing it: the server lets nobody know whether a row with that key can be written before
//! the transaction that has written it first is over, and once somebody else has written it that transaction can
//! never commit, however late its COMMIT arrives.
//!
//! A session that waits for a COMMIT which will never come keeps its locks: the next try of the transaction would wait
//! for them, and who asks for a mark that it has written already, too. So it is ended first ([`Fence`]) where it has
//! nothing to do; one that has, and may be committing, is waited for.
//!
//! Nothing here is done while commits are answered, but to keep count of the marks that are of no more use.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aquifer_driver::{
    Access, Command, CommitTrace, Error, ErrorKind, Fence, FromValue, Result, Retry, Step,
    TxOptions,
};
use tokio::time::{Instant, sleep};

use crate::backoff;
use crate::db::Db;
use crate::deadline::within;
use crate::link::DriverConn;

/// Marks that are of no more use are deleted so many at a time.
const DELETED_AT_ONCE: usize = 64;
/// Those that could not be deleted are kept in mind up to this many.
const USELESS_MAX: usize = 4 * DELETED_AT_ONCE;
/// How long to wait for what a session runs, before looking at it again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How the outcome of a transaction can be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracked {
    No,
    /// By the server's memory.
    Traced,
    /// By a row of its own.
    Marked,
}

/// A key that no other transaction has.
#[derive(Debug)]
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        // Keyed by the standard library's random keys, as unguessable as they are.
        let random = RandomState::new();
        Self(format!("{:016x}{:016x}", random.hash_one("left"), random.hash_one("right")))
    }

    /// Writes the row: for the transaction, or against it.
    pub(crate) fn insert(&self, done: bool) -> String {
        format!("INSERT INTO aquifer_commits (id, done) VALUES ('{}', {})", self.0, i32::from(done))
    }

    fn select(&self) -> String {
        format!("SELECT done FROM aquifer_commits WHERE id = '{}'", self.0)
    }
}

/// Marks of transactions whose outcome is known.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    useless: Mutex<Vec<Mark>>,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.useless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody will ask for it any more.
    pub(crate) fn retire(&self, marks: impl IntoIterator<Item = Mark>) {
        let mut useless = self.lock();
        for mark in marks {
            if useless.len() < USELESS_MAX {
                useless.push(mark);
            }
        }
    }

    /// Those that are to be deleted now, if it is worth it.
    pub(crate) fn take_due(&self) -> Option<Vec<Mark>> {
        let mut useless = self.lock();
        let due = useless.len() >= DELETED_AT_ONCE;
        due.then(|| useless.drain(..DELETED_AT_ONCE).collect())
    }

    /// Those that are left.
    pub(crate) fn take_rest(&self) -> Vec<Mark> {
        std::mem::take(&mut *self.lock())
    }
}

/// Deletes marks by their keys, which locks nothing that others want.
pub(crate) fn delete(marks: &[Mark]) -> String {
    let mut sql = String::from("DELETE FROM aquifer_commits WHERE id IN (");
    for (index, mark) in marks.iter().enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(sql, "{}'{}'", if index == 0 { "" } else { ", " }, mark.0);
    }
    sql.push(')');
    sql
}

/// What can be asked about a transaction.
#[derive(Debug)]
pub(crate) enum Trail {
    /// A row, and how its session is ended, if that can be.
    Mark(Mark, Option<Fence>),
    Trace(CommitTrace),
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Fate {
    Committed,
    /// Undone, for this reason if it is known.
    Undone(Option<Error>),
    /// Nobody knows, because of this.
    Unknown(String),
}

/// What one question gave.
enum Answer {
    Fate(Fate),
    NotYet,
}

/// The times of a commit that is tracked: when to stop waiting for its answer, so that there is time left to find
/// out about it.
pub(crate) fn answer_due(deadline: Instant, longest: Duration) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - longest.min(left / 4)
}

/// Asks until there is an answer or the time is up. May be dropped at any time: what it has asked changes nothing
/// about a transaction that has committed.
pub(crate) async fn find_out(db: &Db, trail: &Trail, until: Instant) -> Fate {
    match trail {
        Trail::Trace(CommitTrace::Unchanged) => return Fate::Undone(None),
        Trail::Trace(CommitTrace::Untold(why)) => return Fate::Unknown((*why).to_owned()),
        Trail::Trace(_) | Trail::Mark(..) => {}
    }
    let mut why = None;
    let mut learnt = Learnt::new(until);
    let asking = async {
        for attempt in 0.. {
            match ask(db, trail, &mut learnt, until, attempt).await {
                Ok(Answer::Fate(fate)) => return fate,
                Ok(Answer::NotYet) => {
                    why = Some("the transaction has not ended on the server".to_owned());
                }
                Err(error) if error.retry() == Retry::Never && !error.is_connection_lost() => {
                    return Fate::Unknown(error.to_string());
                }
                Err(error) => why = Some(error.to_string()),
            }
            sleep(backoff::pause(attempt + 1)).await;
        }
        Fate::Unknown(String::new())
    };
    match within(Some(until), asking).await {
        Some(Fate::Committed) => Fate::Committed,
        _ if learnt.undone => Fate::Undone(None),
        Some(fate) => fate,
        None => Fate::Unknown(why.unwrap_or_else(|| "there was no answer in time".to_owned())),
    }
}

/// What is known between one question and the next.
#[derive(Debug)]
struct Learnt {
    /// Its mark is taken: it can never commit.
    undone: bool,
    /// Its session is left alone: it may not be ended, or takes too long.
    leaves_session: bool,
    /// How long its session is looked after. What is left then is for its mark, which tells in any case.
    patience: Instant,
}

impl Learnt {
    fn new(until: Instant) -> Self {
        let now = Instant::now();
        let patience = now + until.saturating_duration_since(now) / 2;
        Self { undone: false, leaves_session: false, patience }
    }
}

/// Asks for a mark, and sees to it that the session of its transaction ends.
async fn ask_behind(
    link: &mut DriverConn,
    mark: &Mark,
    fence: &Fence,
    learnt: &mut Learnt,
) -> Result<Answer> {
    let stands = read::<String>(link, fence.look()).await;
    let stands = match stands {
        Err(error) if error.is_connection_lost() => return Err(error),
        // The books may be closed to this role.
        stands => stands.unwrap_or_default(),
    };
    match stands.as_deref() {
        Some(Fence::IDLE) => {
            link.start(Command::Script { sql: fence.end() })?;
            match link.finish().await {
                Err(error) if error.is_connection_lost() => return Err(error),
                // Unless it has ended by itself, it may not be ended.
                ended => learnt.leaves_session = ended.is_err(),
            }
            Ok(Answer::NotYet)
        }
        Some(Fence::ENDING) => Ok(Answer::NotYet),
        Some(Fence::RUNNING) if learnt.undone => Ok(Answer::NotYet),
        _ if learnt.undone => Ok(Answer::Fate(Fate::Undone(None))),
        // Waits for what it runs, but not for ever: that may fail, and leave it with its locks.
        _ => {
            let again = Instant::now() + LOOK_AGAIN;
            match within(Some(again), ask_mark(link, mark)).await.transpose()? {
                Some(Fate::Undone(_)) => {
                    learnt.undone = true;
                    Ok(Answer::NotYet)
                }
                Some(fate) => Ok(Answer::Fate(fate)),
                None => Ok(Answer::NotYet),
            }
        }
    }
}

async fn ask(
    db: &Db,
    trail: &Trail,
    learnt: &mut Learnt,
    until: Instant,
    attempt: u32,
) -> Result<Answer> {
    let mut link = db.lease_again(Access::ReadWrite, Some(until), attempt).await?;
    let fate = match trail {
        Trail::Mark(mark, Some(fence))
            if !learnt.leaves_session && Instant::now() < learnt.patience =>
        {
            return ask_behind(&mut link, mark, fence, learnt).await;
        }
        Trail::Mark(..) if learnt.undone => Fate::Undone(None),
        Trail::Mark(mark, _) => ask_mark(&mut link, mark).await?,
        Trail::Trace(CommitTrace::Query(sql)) => {
            match read::<String>(&mut link, sql).await?.as_deref() {
                Some(CommitTrace::COMMITTED) => Fate::Committed,
                Some(CommitTrace::ROLLED_BACK) => Fate::Undone(None),
                Some(CommitTrace::IN_PROGRESS) => return Ok(Answer::NotYet),
                why => Fate::Unknown(why.unwrap_or("the server does not say").to_owned()),
            }
        }
        Trail::Trace(_) => Fate::Unknown("the driver does not say".to_owned()),
    };
    Ok(Answer::Fate(fate))
}

async fn ask_mark(link: &mut DriverConn, mark: &Mark) -> Result<Fate> {
    link.start(Command::Script { sql: &mark.insert(false) })?;
    match link.finish().await {
        Ok(_) => return Ok(Fate::Undone(None)),
        Err(error) if error.kind() == ErrorKind::UniqueViolation => {}
        Err(error) => return Err(with_table(error)),
    }
    // Whose row is it: the transaction's, or one of an earlier try to ask?
    Ok(match read::<i64>(link, &mark.select()).await? {
        Some(0) => Fate::Undone(None),
        Some(_) => Fate::Committed,
        None => Fate::Unknown("somebody has deleted its row in `aquifer_commits`".to_owned()),
    })
}

/// The only cell of a text's answer.
async fn read<T: for<'r> FromValue<'r>>(link: &mut DriverConn, sql: &str) -> Result<Option<T>> {
    link.start(Command::Script { sql })?;
    let mut found = None;
    loop {
        let step = link.step().await?;
        if let Some(row) = link.batch().row(0) {
            found = row.get(0)?;
        }
        if let Step::End(_) = step {
            return Ok(found);
        }
    }
}

/// How long closing a database may wait until the last marks are deleted.
const FAREWELL: Duration = Duration::from_secs(1);

/// Deletes the marks that are left, if that can be done soon; if not, they stay.
pub(crate) async fn tidy_up(db: &Db, patience: Duration) {
    let marks = db.shared().marks.take_rest();
    if marks.is_empty() {
        return;
    }
    let until = Instant::now() + patience.min(FAREWELL);
    let deleting = async {
        let mut link = db.lease_again(Access::ReadWrite, Some(until), 0).await?;
        link.start(Command::Script { sql: &delete(&marks) })?;
        link.finish().await.map(drop)
    };
    if !matches!(within(Some(until), deleting).await, Some(Ok(()))) {
        // Should somebody close it again.
        db.shared().marks.retire(marks);
    }
}

/// An error about marks, with what to do if their table is missing.
#[cold]
pub(crate) fn with_table(error: Error) -> Error {
    match error.kind() {
        ErrorKind::UndefinedObject => {
            error.with_hint(format!("make the table of marks: {}", TxOptions::MARKS_TABLE))
        }
        _ => error,
    }
}

/// The error of a commit whose mark could not be written: no COMMIT was sent.
#[cold]
pub(crate) fn unmarked(error: Error) -> Error {
    match error.is_timeout() || error.is_connection_lost() {
        true => error.with_retry(Retry::Transaction),
        false => with_table(error),
    }
}

/// The error of a commit that did not take effect, though its answer was lost.
#[cold]
pub(crate) fn undone(lost: Error) -> Error {
    let kind = if lost.is_timeout() { ErrorKind::Timeout } else { ErrorKind::ConnectionLost };
    Error::new(kind, "the commit was not answered, and the transaction has been rolled back")
        .with_retry(Retry::Transaction)
        .with_hint("nothing of it took effect: run all of it again")
        .with_source(lost)
}

/// The error of a commit of which nobody knows.
#[cold]
pub(crate) fn unknown(lost: Error, why: &str) -> Error {
    Error::new(
        ErrorKind::CommitUnknown,
        format!(
            "the commit was not answered, and whether it took effect could not be found out: {why}"
        ),
    )
    .with_hint("look whether the work is there before doing it again")
    .with_source(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_apart() {
        let marks: std::collections::HashSet<String> = (0..1000).map(|_| Mark::new().0).collect();
        assert_eq!(marks.len(), 1000);
        assert!(marks.iter().all(|mark| mark.len() == 32));
    }

    #[test]
    fn marks_are_deleted_many_at_a_time_and_kept_in_mind_in_bounds() {
        let marks = Marks::default();
        marks.retire((1..DELETED_AT_ONCE).map(|_| Mark::new()));
        assert!(marks.take_due().is_none());
        marks.retire((0..2 * USELESS_MAX).map(|_| Mark::new()));
        assert_eq!(marks.take_due().unwrap().len(), DELETED_AT_ONCE);
        assert_eq!(marks.take_rest().len(), USELESS_MAX - DELETED_AT_ONCE);
        assert_eq!(
            delete(&[Mark("a".into()), Mark("b".into())]),
            "DELETE FROM aquifer_commits WHERE id IN ('a', 'b')"
        );
    }
}
