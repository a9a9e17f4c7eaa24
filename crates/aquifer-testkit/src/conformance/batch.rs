//! `Command::Batch`.

use std::sync::Arc;

use aquifer_driver::{Batch, Command, ErrorKind, Params, Value, Want};

use super::case::{Case, INSERT, Owner, SELECT, Stop, Verdict, expect_error, rule};
use crate::client::Set;

fn push(batch: &mut Batch, owner: &Owner, sql: &str, params: &dyn Params, want: Want) -> Verdict {
    let sql: Arc<str> = owner.sql(sql).into();
    batch.push(&sql, params, want)?;
    Ok(())
}

/// The entries of a batch, which must be as many as there are statements.
async fn send(owner: &mut Owner, batch: Batch) -> Result<Vec<aquifer_driver::Result<Set>>, Stop> {
    let len = batch.len();
    let entries = owner.batch(batch).await?;
    rule!(
        entries.len() == len,
        "Batch: each of {len} statements gives one result set or Step::Failed, got {}",
        entries.len()
    );
    Ok(entries)
}

/// `a`, a duplicate of it, and `last` if there is one.
fn with_duplicate(owner: &Owner, last: Option<&str>) -> Result<Batch, Stop> {
    let mut batch = Batch::new();
    push(&mut batch, owner, INSERT, &("a", 1), Want::Outcome)?;
    push(&mut batch, owner, INSERT, &("a", 2), Want::Outcome)?;
    if let Some(last) = last {
        push(&mut batch, owner, INSERT, &(last, 3), Want::Outcome)?;
    }
    Ok(batch)
}

pub(super) async fn outcomes_come_in_order(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let mut batch = Batch::new();
    for n in 0..30 {
        push(&mut batch, &owner, INSERT, &(format!("s{n}"), n), Want::Outcome)?;
    }
    for n in 0..30 {
        push(&mut batch, &owner, "UPDATE t SET n = 0 - n WHERE n > ?", &(n,), Want::Outcome)?;
        push(&mut batch, &owner, "UPDATE t SET n = 0 - n WHERE n < ?", &(0,), Want::Outcome)?;
    }
    let entries = send(&mut owner, batch).await?;
    for (n, entry) in entries.into_iter().enumerate() {
        let got = entry?.outcome.rows_affected;
        let right = match n {
            0..30 => 1,
            n => 29 - (n as u64 - 30) / 2,
        };
        rule!(got == right, "Batch: statement {n} changes {right} rows, got {got}: order is kept");
    }
    owner.must_be_usable("a batch").await
}

pub(super) async fn rows_belong_to_their_statement(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let mut batch = Batch::new();
    push(&mut batch, &owner, INSERT, &("a", 1), Want::Outcome)?;
    push(&mut batch, &owner, SELECT, &(), Want::All)?;
    push(&mut batch, &owner, INSERT, &("b", 2), Want::Outcome)?;
    push(&mut batch, &owner, "SELECT count(*) AS c FROM t", &(), Want::All)?;
    push(&mut batch, &owner, "SELECT s FROM t WHERE n = ?", &(99,), Want::All)?;
    push(&mut batch, &owner, case.target.series, &(5_000,), Want::All)?;
    let sets = send(&mut owner, batch).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let names: Vec<Vec<&str>> = sets.iter().map(|set| set.columns.names().collect()).collect();
    rule!(
        names == [vec![], vec!["s", "n"], vec![], vec!["c"], vec!["s"], vec!["n"]],
        "Batch: every result set has its own columns, got {names:?}"
    );
    rule!(
        sets[1].rows == [vec![Value::from("a"), Value::Int(1)]]
            && sets[3].scalar() == Some(&Value::Int(2))
            && sets[4].rows.is_empty()
            && sets[5].rows.len() == 5_000,
        "Batch: rows come with their own statement"
    );
    owner.must_be_usable("a batch with rows").await
}

pub(super) async fn a_failed_statement_is_one_entry(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let batch = with_duplicate(&owner, Some("b"))?;
    let mut entries = send(&mut owner, batch).await?.into_iter();
    rule!(entries.next().is_some_and(|first| first.is_ok()), "Batch: the first statement succeeds");
    let second = entries.next().unwrap_or_else(|| Ok(Set::default()));
    expect_error(second, ErrorKind::UniqueViolation, "Batch: a duplicate")?;
    let third = entries.next().unwrap_or_else(|| Ok(Set::default()));
    if case.target.batches_stop {
        expect_error(third, ErrorKind::TxFailed, "Batch: a statement after a failed one")?;
    } else {
        rule!(third.is_ok(), "Batch: outside a transaction the others go on, got {third:?}");
        let count = owner.count().await?;
        rule!(count == 2, "Batch: what succeeded is kept: 2 rows are right, got {count}");
    }
    owner.must_be_usable("a batch with a failed statement").await
}

pub(super) async fn a_failed_last_statement_ends_the_batch(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let batch = with_duplicate(&owner, None)?;
    let mut entries = send(&mut owner, batch).await?;
    let last = entries.pop().unwrap_or_else(|| Ok(Set::default()));
    expect_error(last, ErrorKind::UniqueViolation, "Batch: a duplicate at the end")?;
    owner.must_be_usable("a batch whose last statement failed").await
}

pub(super) async fn in_a_transaction_the_rest_fails(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    let batch = with_duplicate(&owner, Some("b"))?;
    let mut entries = send(&mut owner, batch).await?.into_iter();
    rule!(entries.next().is_some_and(|first| first.is_ok()), "Batch: the first statement succeeds");
    let second = entries.next().unwrap_or_else(|| Ok(Set::default()));
    expect_error(second, ErrorKind::UniqueViolation, "Batch: a duplicate")?;
    let third = entries.next().unwrap_or_else(|| Ok(Set::default()));
    let what = "Batch: inside a transaction, a statement after a failed one";
    expect_error(third, ErrorKind::TxFailed, what)?;
    owner.rollback().await?;
    let count = owner.count().await?;
    rule!(count == 0, "Batch: a rollback undoes it all, got {count} rows");
    owner.must_be_usable("a batch in a transaction").await
}

pub(super) async fn an_empty_batch_ends(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    send(&mut owner, Batch::new()).await?;
    owner.must_be_usable("an empty batch").await
}

pub(super) async fn wants_are_kept_apart(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let mut batch = Batch::new();
    for want in [Want::First, Want::Outcome, Want::All] {
        push(&mut batch, &owner, case.target.series, &(100,), want)?;
    }
    let sets = send(&mut owner, batch).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    rule!(
        sets[0].scalar() == Some(&Value::Int(1))
            && sets[1].rows.is_empty()
            && sets[2].rows.len() == 100,
        "Batch: each statement's Want is its own, got {}, {}, {} rows",
        sets[0].rows.len(),
        sets[1].rows.len(),
        sets[2].rows.len()
    );
    owner.must_be_usable("a batch of different wants").await
}

pub(super) async fn a_bad_argument_refuses_the_whole_batch(case: &Case) -> Verdict {
    let Some(bad) = case.target.refused.first() else {
        return case.needs(false, "the driver refuses no kind of argument");
    };
    let mut owner = case.with_table().await?;
    let mut batch = Batch::new();
    push(&mut batch, &owner, INSERT, &("a", 1), Want::Outcome)?;
    push(&mut batch, &owner, INSERT, &("b", bad), Want::Outcome)?;
    let before = owner.connection.counters().rounds;
    let Err(error) = owner.connection.start(Command::Batch(batch.into())) else {
        rule!(false, "start: a batch with an argument that the engine cannot take is refused");
        return Ok(());
    };
    rule!(
        error.kind() == ErrorKind::Argument && owner.connection.counters().rounds == before,
        "start: nothing of a batch with a bad argument is sent, got {error}"
    );
    let count = owner.count().await?;
    rule!(count == 0, "start: nothing of a refused batch is done, got {count} rows");
    owner.must_be_usable("a refused batch").await
}

pub(super) async fn many_equal_texts_are_prepared_once(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let before = owner.connection.counters();
    let mut batch = Batch::new();
    for n in 0..100 {
        push(&mut batch, &owner, INSERT, &(format!("s{n}"), n), Want::Outcome)?;
    }
    for entry in send(&mut owner, batch).await? {
        entry?;
    }
    let after = owner.connection.counters();
    rule!(
        after.prepared - before.prepared <= 1,
        "Batch: a text that occurs 100 times is prepared once, not {} times",
        after.prepared - before.prepared
    );
    let count = owner.count().await?;
    rule!(count == 100, "Batch: 100 rows are right, got {count}");
    owner.must_be_usable("a large batch").await
}

pub(super) async fn an_atomic_batch_is_all_or_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let able = owner.connection.takes_atomic_batches();
    case.needs(able, "the driver takes no atomic batches")?;
    let mut batch = with_duplicate(&owner, Some("b"))?;
    batch.set_atomic();
    let mut entries = send(&mut owner, batch).await?.into_iter();
    rule!(entries.next().is_some_and(|first| first.is_ok()), "Batch: the first statement succeeds");
    let second = entries.next().unwrap_or_else(|| Ok(Set::default()));
    expect_error(second, ErrorKind::UniqueViolation, "Batch: a duplicate")?;
    let third = entries.next().unwrap_or_else(|| Ok(Set::default()));
    expect_error(third, ErrorKind::TxFailed, "Batch: in an atomic one, after a failed statement")?;
    let count = owner.count().await?;
    rule!(count == 0, "Batch: nothing of an atomic one that failed is kept, got {count} rows");
    owner.must_be_usable("an atomic batch that failed").await?;

    let mut batch = Batch::new();
    push(&mut batch, &owner, INSERT, &("a", 1), Want::Outcome)?;
    push(&mut batch, &owner, INSERT, &("b", 2), Want::Outcome)?;
    batch.set_atomic();
    for entry in send(&mut owner, batch).await? {
        entry?;
    }
    let count = owner.count().await?;
    rule!(count == 2, "Batch: all of an atomic one that succeeded is kept, got {count} rows");
    owner.must_be_usable("an atomic batch").await
}
