//! `Command::Script`.

use aquifer_driver::{Status, Value};

use super::case::{Case, Owner, Verdict, rule};
use crate::client::{self, Set};

async fn script(owner: &mut Owner, sql: &str) -> aquifer_driver::Result<Vec<Set>> {
    client::script(&mut *owner.connection, sql).await
}

pub(super) async fn every_statement_gives_a_result_set(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let sets = script(
        &mut owner,
        "SELECT 1 AS a; INSERT INTO t (s, n) VALUES ('x;y', 5); SELECT n AS b, s FROM t;",
    )
    .await?;
    rule!(sets.len() == 3, "Script: each statement gives one result set: 3, got {}", sets.len());
    let names: Vec<Vec<&str>> = sets.iter().map(|set| set.columns.names().collect()).collect();
    rule!(
        names == [vec!["a"], vec![], vec!["b", "s"]],
        "Script: every result set has its own columns, got {names:?}"
    );
    rule!(
        sets[0].scalar() == Some(&Value::Int(1))
            && sets[1].outcome.rows_affected == 1
            && sets[2].rows == [vec![Value::Int(5), "x;y".into()]],
        "Script: rows and counts come with their own statement; a `;` in a string ends nothing"
    );
    owner.must_be_usable("a script").await
}

pub(super) async fn a_script_leaves_the_cache_alone(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let before = owner.connection.counters().cached;
    script(&mut owner, "SELECT 1; SELECT 2; SELECT count(*) FROM t").await?;
    let after = owner.connection.counters().cached;
    rule!(after == before, "Script: it goes by the cache: {before} statements, then {after}");
    Ok(())
}

pub(super) async fn an_error_ends_the_script(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let sql = "INSERT INTO t (s, n) VALUES ('a', 1); \
               INSERT INTO t (s, n) VALUES ('a', 2); \
               INSERT INTO t (s, n) VALUES ('b', 3)";
    let got = script(&mut owner, sql).await;
    super::case::expect_error(
        got,
        aquifer_driver::ErrorKind::UniqueViolation,
        "Script: a failing statement",
    )?;
    let later = owner.integer("SELECT count(*) FROM t WHERE s = 'b'").await?;
    rule!(later == 0, "Script: what comes after an error does not run");
    owner.must_be_usable("a script that failed").await
}

pub(super) async fn an_empty_script_ends(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for sql in ["", " ; ;", "-- nothing\n"] {
        let sets = script(&mut owner, sql).await?;
        rule!(
            sets.iter().all(|set| set.rows.is_empty()),
            "Script: a text without statements gives no rows"
        );
        owner.must_be_usable("an empty script").await?;
    }
    Ok(())
}

pub(super) async fn a_script_can_hold_a_transaction(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    script(&mut owner, "BEGIN; INSERT INTO t (s, n) VALUES ('a', 1); COMMIT").await?;
    let count = owner.count().await?;
    rule!(count == 1, "Script: a committed transaction is kept: 1 row, got {count}");
    script(&mut owner, "BEGIN; INSERT INTO t (s, n) VALUES ('b', 2)").await?;
    rule!(
        owner.status() == Status::Transaction,
        "status: Transaction after a script that leaves one open, got {:?}",
        owner.status()
    );
    owner.rollback().await?;
    let count = owner.count().await?;
    rule!(count == 1, "Script: what it left open is rolled back: 1 row, got {count}");
    owner.must_be_usable("a script with a transaction").await
}
