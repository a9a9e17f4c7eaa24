//! Warnings: what a statement that succeeded was warned of is asked for, if anybody hears it or it matters.
//!
//! An answer only counts them. `SHOW WARNINGS` tells the warnings of the last statement, so those of a statement
//! behind which others are under way already are lost. That a ROLLBACK was warned of says enough: there is one reason.

use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Retry, ServerNotice, Step};

use super::Pipeline;
use super::job::{Action, Job, Role, Settled};
use crate::placeholders;
use crate::protocol::reader::Reader;

/// `ER_WARNING_NOT_COMPLETE_ROLLBACK`: some of the work was done in tables without transactions.
const NOT_ROLLED_BACK: &[u8] = b"1196";

impl Pipeline {
    /// The job that asks for the warnings of this one, which has succeeded; `None` if nobody needs them.
    pub(super) fn asks_for_warnings(&self, job: &Job) -> Option<Job> {
        if job.warnings == 0 {
            return None;
        }
        let users = matches!(job.role, Role::Statement | Role::Script);
        let matters = job.rolls_back || (users && self.undoes(job).unwrap_or(true));
        // What EXPLAIN notes is the statement, rewritten, with its arguments.
        let heard = users && self.observer.is_some() && !explains(job.sql());
        if !(matters || heard) || self.encoded > 0 || self.discarding {
            return None;
        }
        let mut asks = Job::new(Action::Query, Role::Warnings);
        asks.text = Some(Arc::from("SHOW WARNINGS"));
        asks.rolls_back = matters;
        asks.sibling = job.sibling;
        Some(asks)
    }

    /// Why a statement fails that was warned of, and whose warnings cannot be asked for.
    pub(super) fn refuses(&self, job: &Job) -> Option<Error> {
        let behind = job.warnings > 0 && self.encoded > 0 && job.role == Role::Statement;
        (behind && self.undoes(job) == Some(true)).then(not_rolled_back)
    }

    /// A statement of a text of several was warned of, and others of them have been run since.
    pub(super) fn warned_within(&mut self, was_open: bool) {
        let Some(job) = self.jobs.front() else { return };
        let undoes = self.undoes(job);
        let mentioned = || contains(job.sql(), "rollback");
        if undoes.is_none() && was_open && !self.server.in_transaction() && mentioned() {
            // Any statement that ends transactions may have had any warning.
            let Some(observer) = &self.observer else { return };
            let text = "a transaction within a text of several statements ended with a warning: if by ROLLBACK, \
                        tables without transactions stay changed";
            observer.notice(&ServerNotice::new("Warning", text).code(Some("1196")));
        }
        if undoes == Some(true)
            && let Some(job) = self.jobs.front_mut()
        {
            job.refused.get_or_insert_with(not_rolled_back);
        }
    }

    /// Whether the statement of the present result is a ROLLBACK; `None` if that is not certain.
    fn undoes(&self, job: &Job) -> Option<bool> {
        let sql = job.sql();
        if !contains(sql, "rollback") {
            return Some(false);
        }
        // Each statement has one result, but for those that run others.
        if ["call", "exec", "not atomic", "procedure", "function", "trigger", "event", "package"]
            .iter()
            .any(|word| contains(sql, word))
        {
            return None;
        }
        let statements = placeholders::statements(sql, !self.server.takes_backslashes())?;
        Some(statements.get(job.results).is_some_and(|sql| begins_with_rollback(sql)))
    }

    /// Takes a row of `SHOW WARNINGS`: level, number, text.
    pub(super) fn hear_warning(&mut self, row: &[u8]) -> Result<()> {
        let mut reader = Reader::new(row);
        let (level, code, text) = (reader.bytes()?, reader.bytes()?, reader.bytes()?);
        if let Some(observer) = &self.observer {
            let [level, number, text] = [level, code, text].map(String::from_utf8_lossy);
            observer.notice(&ServerNotice::new(&level, &text).code(Some(&number)));
        }
        if code == NOT_ROLLED_BACK
            && let Some(job) = self.jobs.front_mut()
            && job.rolls_back
        {
            job.refused = Some(not_rolled_back());
        }
        Ok(())
    }

    /// The warnings are told: what they were asked for is settled.
    pub(super) fn warnings_told(&mut self, job: Job) {
        let Some(then) = job.then else { return };
        let settled = match job.refused {
            Some(error) if !job.sibling => Settled { step: Err(error), columns: None },
            Some(error) => Settled { step: Ok(Step::Failed(error)), columns: then.columns },
            None => then,
        };
        self.steps.push_back(settled);
    }
}

fn begins_with_rollback(sql: &str) -> bool {
    sql.get(..8).is_some_and(|word| word.eq_ignore_ascii_case("rollback"))
}

/// Whether a text has a word in it, in small letters, anywhere.
fn contains(sql: &str, word: &str) -> bool {
    let (sql, word) = (sql.as_bytes(), word.as_bytes());
    sql.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// Whether it asks for a plan; behind a comment, as the facade writes it, as well.
fn explains(sql: &str) -> bool {
    let word = b"explain";
    let head = sql.trim_start().as_bytes();
    let comment = if head.starts_with(b"/*M!") { 64 } else { word.len() };
    head[..head.len().min(comment)].windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

#[cold]
fn not_rolled_back() -> Error {
    Error::new(
        ErrorKind::Database,
        "the transaction was rolled back, but what it had changed in tables without transactions stays changed",
    )
    .with_code("1196")
    .with_nothing_sent(false)
    .with_retry(Retry::Never)
    .with_hint("use an engine with transactions (InnoDB) for all tables of the transaction")
}

#[cfg(test)]
mod tests {
    use super::explains;

    #[test]
    fn questions_for_plans_are_known() {
        for (sql, asks) in [
            (" explain FORMAT=JSON SELECT 1", true),
            (
                "/*M!100100 ANALYZE FORMAT=JSON*//*!80018 EXPLAIN ANALYZE FORMAT=TREE*/ SELECT 1",
                true,
            ),
            ("SELECT 'explain'", false),
            ("/* explain */ SELECT 1", false),
            ("", false),
        ] {
            assert_eq!(explains(sql), asks, "{sql}");
        }
    }
}
