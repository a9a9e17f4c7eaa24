//! Transactions.

use aquifer_driver::{Command, ErrorKind, Status, TxOptions};

use super::case::{Case, INSERT, Owner, Verdict, expect_error, rule};

fn must_be(owner: &Owner, status: Status, when: &str) -> Verdict {
    rule!(owner.status() == status, "status: {status:?} is right {when}, got {:?}", owner.status());
    Ok(())
}

pub(super) async fn commit_keeps(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.commit().await?;
    let count = owner.count().await?;
    rule!(count == 1, "Commit keeps the work: 1 row is right, got {count}");
    owner.must_be_usable("a commit").await
}

pub(super) async fn rollback_undoes(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.insert("kept", 0).await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.run("UPDATE t SET n = ?", &(5,)).await?;
    owner.rollback().await?;
    let (count, max) = (owner.count().await?, owner.integer("SELECT max(n) FROM t").await?);
    rule!(count == 1 && max == 0, "Rollback undoes the work, got {count} rows up to {max}");
    owner.must_be_usable("a rollback").await
}

pub(super) async fn status_follows_the_transaction(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    must_be(&owner, Status::Idle, "before Begin")?;
    owner.begin().await?;
    must_be(&owner, Status::Transaction, "after Begin")?;
    owner.insert("a", 1).await?;
    must_be(&owner, Status::Transaction, "after a statement in a transaction")?;
    owner.commit().await?;
    must_be(&owner, Status::Idle, "after Commit")?;
    owner.begin().await?;
    owner.rollback().await?;
    must_be(&owner, Status::Idle, "after Rollback")
}

pub(super) async fn an_empty_transaction_ends(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for _ in 0..3 {
        owner.begin().await?;
        owner.commit().await?;
        owner.must_be_usable("an empty transaction").await?;
    }
    Ok(())
}

pub(super) async fn commit_without_begin_sends_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let before = owner.connection.counters().rounds;
    let got = owner.connection.start(Command::Commit);
    let Err(error) = got else {
        rule!(false, "start: Commit without a transaction is an error at once");
        return Ok(());
    };
    rule!(
        error.nothing_sent(),
        "start: nothing is sent for a Commit without a transaction: {error}"
    );
    rule!(
        owner.connection.counters().rounds == before,
        "start: a Commit without a transaction costs no round"
    );
    owner.must_be_usable("a refused Commit").await
}

pub(super) async fn rollback_without_begin_succeeds(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.rollback().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.rollback().await?;
    owner.rollback().await?;
    let count = owner.count().await?;
    rule!(
        count == 0,
        "Rollback succeeds if no transaction is open any more; {count} rows are left"
    );
    owner.must_be_usable("two rollbacks").await
}

pub(super) async fn a_savepoint_undoes_its_part(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.run("SAVEPOINT one", &()).await?;
    owner.insert("b", 2).await?;
    // The way out of an error, also on engines where it fails the transaction.
    expect_error(owner.insert("a", 3).await, ErrorKind::UniqueViolation, "a duplicate")?;
    owner.run("ROLLBACK TO SAVEPOINT one", &()).await?;
    must_be(&owner, Status::Transaction, "after ROLLBACK TO")?;
    owner.insert("c", 4).await?;
    owner.run("RELEASE SAVEPOINT one", &()).await?;
    owner.commit().await?;
    let set = owner.run("SELECT s FROM t ORDER BY s", &()).await?;
    let rows = set.first_column();
    rule!(rows == ["a".into(), "c".into()], "ROLLBACK TO undoes its part only, got {rows:?}");
    owner.must_be_usable("savepoints").await
}

pub(super) async fn ddl_is_undone(case: &Case) -> Verdict {
    case.needs(case.target.transactional_ddl, "the engine commits before DDL")?;
    let mut owner = case.connect().await?;
    owner.begin().await?;
    owner.run(&format!("CREATE TABLE u (a {})", case.target.integer), &()).await?;
    owner.run("INSERT INTO u (a) VALUES (?)", &(1,)).await?;
    owner.rollback().await?;
    let gone = owner.run("SELECT a FROM u", &()).await;
    expect_error(gone, ErrorKind::UndefinedObject, "a table whose CREATE was rolled back")?;
    owner.must_be_usable("DDL that was rolled back").await
}

pub(super) async fn a_read_only_transaction_refuses_writes(case: &Case) -> Verdict {
    case.needs(case.target.read_only_transactions, "the engine has no read-only transactions")?;
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    owner.command(Command::Begin(TxOptions::new().read_only())).await?;
    let seen = owner.count().await?;
    rule!(seen == 1, "a read-only transaction reads, got {seen} rows");
    let got = owner.run(INSERT, &("b", 2)).await;
    expect_error(got, ErrorKind::ReadOnly, "a write in a read-only transaction")?;
    owner.rollback().await?;
    owner.insert("b", 2).await?;
    owner.begin().await?;
    owner.insert("c", 3).await?;
    owner.commit().await?;
    let count = owner.count().await?;
    rule!(
        count == 3,
        "what was read-only ends with its transaction: 3 rows are right, got {count}"
    );
    owner.must_be_usable("a read-only transaction").await
}

pub(super) async fn an_error_leaves_the_status_that_the_engine_says(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    expect_error(owner.insert("a", 2).await, ErrorKind::UniqueViolation, "a duplicate")?;
    if case.target.errors_fail_transactions {
        must_be(&owner, Status::FailedTransaction, "after an error in a transaction")?;
        let got = owner.insert("b", 2).await;
        expect_error(got, ErrorKind::TxFailed, "a statement in a failed transaction")?;
        must_be(&owner, Status::FailedTransaction, "after a second error")?;
        owner.rollback().await?;
    } else {
        must_be(&owner, Status::Transaction, "after an error in a transaction")?;
        owner.insert("b", 2).await?;
        owner.commit().await?;
        let count = owner.count().await?;
        rule!(count == 2, "a transaction survives an error: 2 rows are right, got {count}");
    }
    owner.must_be_usable("an error in a transaction").await
}

pub(super) async fn a_transaction_begun_by_text_is_seen(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.run("BEGIN", &()).await?;
    must_be(&owner, Status::Transaction, "after the text BEGIN (status is the engine's word)")?;
    owner.insert("a", 1).await?;
    owner.run("ROLLBACK", &()).await?;
    must_be(&owner, Status::Idle, "after the text ROLLBACK")?;
    owner.run("BEGIN", &()).await?;
    owner.insert("b", 1).await?;
    owner.commit().await?;
    let count = owner.count().await?;
    rule!(count == 1, "Commit ends a transaction begun by text: 1 row is right, got {count}");
    owner.must_be_usable("transactions by text").await
}

pub(super) async fn others_do_not_see_uncommitted_work(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let mut beside = case.connect_beside().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    let seen = beside.count().await?;
    rule!(seen == 0, "another connection does not see uncommitted work, it saw {seen} rows");
    owner.commit().await?;
    let seen = beside.count().await?;
    rule!(seen == 1, "another connection sees committed work, it saw {seen} rows");
    beside.must_be_usable("looking from beside").await
}

pub(super) async fn a_connection_takes_many_transactions(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..50 {
        owner.begin().await?;
        owner.insert(&format!("s{n}"), n).await?;
        if n % 2 == 0 {
            owner.commit().await?;
        } else {
            owner.rollback().await?;
        }
    }
    let count = owner.count().await?;
    rule!(count == 25, "every second of 50 transactions was committed, got {count} rows");
    owner.must_be_usable("fifty transactions").await
}
