//! Batches that are all or nothing.
//!
//! Outside a transaction the driver takes such a batch as it is, where it can; elsewhere a transaction is
//! begun for it, and within the caller's a savepoint is set.

use std::sync::Arc;

use aquifer_driver::{Batch, Error, ErrorKind, Result, TxOptions};
use tokio::time::Instant;

use crate::batch::{self, Ready};
use crate::db::Db;
use crate::deadline::During;
use crate::link::DriverConn;
use crate::session::{Scoped, Session, controls};
use crate::source::Lease;
use crate::text::Text;
use crate::tx::{ConnTx, Savepoint};

/// What is sent, and what its statements gave.
type Sent = Result<Vec<Result<Ready>>>;

/// An error if a text would begin or end the transaction that the batch is.
pub(crate) fn check<'t>(mut texts: impl Iterator<Item = &'t Arc<Text>>) -> Result<()> {
    match texts.any(|text| text.controls()) {
        true => Err(controls()),
        false => Ok(()),
    }
}

/// Which statement failed, if one did. The others are then errors as well: of a statement that was undone
/// nobody is to hear that it went well.
pub(crate) fn failed(results: &mut [Result<Ready>]) -> Option<usize> {
    let failed = results.iter().position(is_failure)?;
    if is_committed(results) {
        return Some(failed);
    }
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = Err(undone());
    }
    Some(failed)
}

/// The error of the whole, from that of the statement at `index`.
#[cold]
pub(crate) fn of_statement(index: usize, error: Error) -> Error {
    error.with_statement(u32::try_from(index + 1).unwrap_or(u32::MAX))
}

/// Rows that cannot be read are their caller's matter: the statement has run.
fn is_failure(result: &Result<Ready>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Conversion)
}

/// All of it is committed, though a failover may lose it.
fn is_committed(results: &[Result<Ready>]) -> bool {
    let unreplicated = |error: &Error| error.kind() == ErrorKind::CommitNotReplicated;
    results.iter().any(|result| result.as_ref().is_err_and(unreplicated))
}

#[cold]
fn undone() -> Error {
    Error::new(
        ErrorKind::TxFailed,
        "the statement was undone with its batch, in which another failed",
    )
}

/// True if the driver can be given the batch as it is, outside a transaction.
///
/// One flight is one transaction only of statements that run in a transaction: others (`DO`, `CALL`, `VACUUM`)
/// may commit what came before them.
pub(crate) fn goes_as_it_is(link: &mut DriverConn, statements: &Batch) -> bool {
    statements.len() < 2
        || link.connection().takes_atomic_batches()
            && statements.iter().all(|item| never_commits(item.sql))
}

/// Whether a statement cannot commit by itself, by its first word.
fn never_commits(sql: &str) -> bool {
    const PLAIN: [&str; 8] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "WITH"];
    let text = sql.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    PLAIN.iter().any(|word| text[..end].eq_ignore_ascii_case(word))
}

/// On a connection of the pool's, in a transaction of the batch's own.
pub(crate) async fn on_lease(
    db: &Db,
    lease: Lease,
    statements: &Arc<Batch>,
    options: TxOptions,
    deadline: Option<Instant>,
) -> Sent {
    let mut session = Session::new(lease, db.clone());
    in_transaction(&mut session, statements, options, deadline).await
}

/// On a connection in hand.
pub(crate) async fn on_session(
    session: &mut Session,
    statements: Arc<Batch>,
    deadline: Option<Instant>,
) -> Sent {
    if session.is_within_transaction() {
        return in_savepoint(session, statements, deadline).await;
    }
    in_transaction(session, &statements, TxOptions::new(), deadline).await
}

async fn in_transaction(
    session: &mut Session,
    statements: &Arc<Batch>,
    options: TxOptions,
    deadline: Option<Instant>,
) -> Sent {
    let scope = until(session.db(), deadline);
    let scoped = Scoped::new(session, scope);
    let mut tx = ConnTx::begin(scoped.session, options).await?;
    let results = batch::run_in_session(tx.session(), Arc::clone(statements), deadline).await?;
    if results.iter().any(is_failure) {
        // What the statement says matters more than a rollback that failed: nothing is kept either way.
        drop(tx.rollback().await);
        return Ok(results);
    }
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(During::Statement { reads: false }.passed());
    }
    tx.set_timeout(left);
    tx.commit().await?;
    Ok(results)
}

async fn in_savepoint(
    session: &mut Session,
    statements: Arc<Batch>,
    deadline: Option<Instant>,
) -> Sent {
    let scope = until(session.db(), deadline);
    let scoped = Scoped::new(session, scope);
    let mut savepoint = Savepoint::begin(scoped.session).await?;
    let results = batch::run_in_session(savepoint.session(), statements, deadline).await?;
    match results.iter().any(is_failure) {
        true => savepoint.rollback().await?,
        false => savepoint.release().await?,
    }
    Ok(results)
}

/// The same scope, whose calls end by then.
fn until(db: &Db, deadline: Option<Instant>) -> Db {
    match deadline {
        Some(deadline) => db.timeout(deadline.saturating_duration_since(Instant::now())),
        None => db.without_timeout(),
    }
}
