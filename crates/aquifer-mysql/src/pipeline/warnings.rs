//! Warnings: what a statement that succeeded was warned of is asked for, if anybody hears it or it matters.
//!
//! An answer only counts them. `SHOW WARNINGS` tells the warnings of the last statement, so those of a statement
//! behind which others are under way already are lost.

use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Retry, ServerNotice};

use super::Pipeline;
use super::job::{Action, Job, Role, Settled};
use crate::protocol::reader::Reader;

/// `ER_WARNING_NOT_COMPLETE_ROLLBACK`: some of the work was done in tables without transactions.
const NOT_ROLLED_BACK: &[u8] = b"1196";

impl Pipeline {
    /// The job that asks for the warnings of this one, which has succeeded; `None` if nobody needs them.
    pub(super) fn asks_for_warnings(&self, job: &Job) -> Option<Job> {
        let users = matches!(job.role, Role::Statement | Role::Script);
        let matters = job.rolls_back || (users && begins_with_rollback(job.sql()));
        // What EXPLAIN notes is the statement, rewritten, with its arguments.
        let heard = users && self.observer.is_some() && !explains(job.sql());
        if job.warnings == 0 || !(matters || heard) || self.encoded > 0 || self.discarding {
            return None;
        }
        let mut asks = Job::new(Action::Query, Role::Warnings);
        asks.text = Some(Arc::from("SHOW WARNINGS"));
        asks.rolls_back = matters;
        asks.sibling = job.sibling;
        Some(asks)
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
            _ => then,
        };
        self.steps.push_back(settled);
    }
}

fn begins_with_rollback(sql: &str) -> bool {
    sql.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("rollback"))
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
