//! Statements of a transaction that go in front of a command, and whose results nobody wants.

use std::sync::Arc;

use aquifer_driver::{Batch, Command, ErrorKind, Params, Result, Status, Value, Want};

use super::case::{Case, INSERT, Owner, SELECT, Stop, Verdict, expect_error, rule};
use crate::client::Set;

/// A connection with the table, in a transaction.
async fn begun(case: &Case) -> Result<Owner, Stop> {
    let mut owner = case.with_table().await?;
    let able = owner.connection.takes_queued();
    case.needs(able, "the driver takes no queued statements")?;
    owner.begin().await?;
    Ok(owner)
}

/// Rows to be added.
fn queue(owner: &Owner, rows: &[&dyn Params]) -> Result<Arc<Batch>, Stop> {
    let sql: Arc<str> = owner.sql(INSERT).into();
    let mut batch = Batch::new();
    for row in rows {
        batch.push(&sql, *row, Want::Outcome)?;
    }
    Ok(Arc::new(batch))
}

async fn send(owner: &mut Owner, queued: &Arc<Batch>, command: Command<'_>) -> Result<Vec<Set>> {
    owner.connection.start_after(queued, command)?;
    owner.read().await?.into_iter().collect()
}

async fn select(owner: &mut Owner, queued: &Arc<Batch>) -> Result<Vec<Set>> {
    let sql = owner.sql(SELECT);
    send(owner, queued, Command::Execute { sql: &sql, params: &(), want: Want::All }).await
}

/// The error of a queued statement, which says which one.
fn expect_number(got: Result<Vec<Set>>, what: &str) -> Verdict {
    let error = expect_error(got, ErrorKind::UniqueViolation, what)?;
    let number = error.statement();
    rule!(number == Some(2), "start_after: {what} has its number, 2, got {number:?}");
    Ok(())
}

/// Nothing of the transaction is left, whatever state it is in.
async fn must_be_undone(owner: &mut Owner) -> Verdict {
    owner.recover().await?;
    let count = owner.count().await?;
    rule!(
        count == 0,
        "start_after: nothing behind a failed statement takes effect, got {count} rows"
    );
    owner.must_be_usable("a queued statement that failed").await
}

pub(super) async fn they_run_in_order_before_the_command(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1), &("b", 2), &("c", 3)])?;
    let sets = select(&mut owner, &queued).await?;
    rule!(
        sets.len() == 1,
        "start_after: the steps are the command's alone, got {} sets",
        sets.len()
    );
    let names: Vec<_> = sets[0].rows.iter().filter_map(|row| row.first().cloned()).collect();
    let right = ["a", "b", "c"].map(Value::from);
    rule!(names == right, "start_after: the command sees what was queued, in order, got {names:?}");
    rule!(owner.status() == Status::Transaction, "start_after: the transaction goes on");
    owner.commit().await?;
    let count = owner.count().await?;
    rule!(count == 3, "start_after: what was queued is committed, got {count} rows");
    owner.must_be_usable("queued statements").await
}

pub(super) async fn they_and_the_command_are_one_flight(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    // Once, so that the statements are known.
    let queued = queue(&owner, &[&("a", 1), &("b", 2)])?;
    select(&mut owner, &queued).await?;
    let before = owner.connection.counters().rounds;
    let queued = queue(&owner, &[&("c", 3), &("d", 4), &("e", 5)])?;
    select(&mut owner, &queued).await?;
    let rounds = owner.connection.counters().rounds - before;
    rule!(
        rounds <= 1,
        "start_after: queued statements and the command are one flight, not {rounds}"
    );
    let before = owner.connection.counters().rounds;
    let queued = queue(&owner, &[&("f", 6)])?;
    send(&mut owner, &queued, Command::Commit).await?;
    let rounds = owner.connection.counters().rounds - before;
    rule!(rounds <= 1, "start_after: queued statements and COMMIT are one flight, not {rounds}");
    owner.must_be_usable("queued statements").await
}

pub(super) async fn a_commit_sends_and_keeps_them(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1), &("b", 2)])?;
    send(&mut owner, &queued, Command::Commit).await?;
    let count = owner.count().await?;
    rule!(count == 2, "start_after: COMMIT keeps what was queued, got {count} rows");
    owner.must_be_usable("a COMMIT behind queued statements").await
}

pub(super) async fn a_ping_sends_them(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1)])?;
    send(&mut owner, &queued, Command::Ping).await?;
    let count = owner.count().await?;
    rule!(count == 1, "start_after: a Ping sends what was queued, got {count} rows");
    owner.rollback().await?;
    owner.must_be_usable("a Ping behind queued statements").await
}

pub(super) async fn a_failed_one_is_the_commands_error_with_its_number(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1), &("a", 2), &("b", 3)])?;
    expect_number(select(&mut owner, &queued).await, "a queued duplicate")?;
    must_be_undone(&mut owner).await?;
    owner.begin().await?;
    expect_number(send(&mut owner, &queued, Command::Ping).await, "a queued duplicate")?;
    must_be_undone(&mut owner).await
}

pub(super) async fn no_commit_takes_effect_behind_a_failed_one(case: &Case) -> Verdict {
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1), &("a", 2), &("b", 3)])?;
    let committed = send(&mut owner, &queued, Command::Commit).await;
    expect_number(committed, "a queued duplicate before a COMMIT")?;
    must_be_undone(&mut owner).await
}

pub(super) async fn one_that_cannot_be_sent_is_named_and_nothing_is_sent(case: &Case) -> Verdict {
    let Some(bad) = case.target.refused.first() else {
        return case.needs(false, "the driver refuses no kind of argument");
    };
    let mut owner = begun(case).await?;
    let queued = queue(&owner, &[&("a", 1), &("b", bad)])?;
    let before = owner.connection.counters().rounds;
    let sent = select(&mut owner, &queued).await;
    let error = expect_error(sent, ErrorKind::Argument, "an argument that cannot be sent")?;
    let number = error.statement();
    rule!(number == Some(2), "start_after: what cannot be sent has its number, 2, got {number:?}");
    let rounds = owner.connection.counters().rounds - before;
    rule!(
        rounds == 0,
        "start_after: nothing is sent if one statement cannot be, got {rounds} rounds"
    );
    let count = owner.count().await?;
    rule!(count == 0, "start_after: nothing of a refused queue is done, got {count} rows");
    owner.rollback().await?;
    owner.must_be_usable("a refused queue").await
}
