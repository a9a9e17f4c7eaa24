//! `Command::Execute`: arguments, outcomes, and how much is wanted.

use aquifer_driver::{ErrorKind, Value, Want};

use super::case::{Case, INSERT, SELECT, Verdict, expect_error, rule};

pub(super) async fn rows_affected_counts_what_changed(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let sql = "INSERT INTO t (s, n) VALUES (?, ?), (?, ?), (?, ?)";
    let steps: [(&str, Vec<Value>, u64); 4] = [
        (sql, vec!["a".into(), 1.into(), "b".into(), 2.into(), "c".into(), 2.into()], 3),
        ("UPDATE t SET n = ? WHERE n = ?", vec![5.into(), 2.into()], 2),
        ("UPDATE t SET n = ? WHERE n = ?", vec![5.into(), 99.into()], 0),
        ("DELETE FROM t WHERE n = ?", vec![1.into()], 1),
    ];
    for (sql, params, expected) in steps {
        let got = owner.run(sql, &params).await?.outcome.rows_affected;
        rule!(got == expected, "rows_affected of `{sql}` is {expected}, got {got}");
    }
    Ok(())
}

pub(super) async fn last_insert_id_is_the_generated_key(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    if !case.target.last_insert_id {
        let id = owner.insert("a", 1).await?.outcome.last_insert_id;
        rule!(id.is_none(), "last_insert_id is None where the engine tells no key, got one");
        return Ok(());
    }
    for text in ["a", "b"] {
        let told = owner.insert(text, 1).await?.outcome.last_insert_id;
        let set = owner.run("SELECT id FROM t WHERE s = ?", &(text,)).await?;
        rule!(
            told.map(Value::Int).as_ref() == set.scalar(),
            "last_insert_id is the generated key {:?}, got {told:?}",
            set.scalar()
        );
    }
    Ok(())
}

pub(super) async fn returning_gives_rows_and_counts(case: &Case) -> Verdict {
    case.needs(case.target.returning, "the engine has no RETURNING")?;
    let mut owner = case.with_table().await?;
    let sql = "INSERT INTO t (s, n) VALUES (?, ?), (?, ?) RETURNING s, n";
    let set = owner.run(sql, &("a", 1, "b", 2)).await?;
    let rows: [Vec<Value>; 2] = [vec!["a".into(), 1.into()], vec!["b".into(), 2.into()]];
    rule!(set.rows == rows, "RETURNING gives the inserted rows, got {:?}", set.rows);
    let set = owner.run("DELETE FROM t WHERE n = ? RETURNING s", &(2,)).await?;
    rule!(
        set.rows == [vec![Value::from("b")]] && set.outcome.rows_affected == 1,
        "DELETE … RETURNING gives and counts the row, got {:?}, {}",
        set.rows,
        set.outcome.rows_affected
    );
    Ok(())
}

async fn wrong_count(case: &Case, params: &[Value], what: &str) -> Verdict {
    let mut owner = case.with_table().await?;
    // Once when the statement is new, once when it may be in the cache.
    for round in ["first use", "cached use"] {
        let got = owner.run(INSERT, &params).await;
        let error = expect_error(got, ErrorKind::ArgumentMismatch, &format!("{what} at {round}"))?;
        rule!(
            error.nothing_sent(),
            "{what}: the statement did not run, so nothing_sent is true ({round})"
        );
        owner.must_be_usable(what).await?;
        owner.insert(round, 1).await?;
    }
    let count = owner.count().await?;
    rule!(count == 2, "{what}: a refused statement changes nothing; 2 rows are right, got {count}");
    Ok(())
}

pub(super) async fn too_few_arguments_are_refused(case: &Case) -> Verdict {
    wrong_count(case, &["x".into()], "too few arguments").await
}

pub(super) async fn too_many_arguments_are_refused(case: &Case) -> Verdict {
    wrong_count(case, &["x".into(), 1.into(), 2.into()], "too many arguments").await
}

pub(super) async fn many_arguments_are_taken(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..3 {
        owner.insert(&format!("s{n}"), n).await?;
    }
    let many = case.connector().dialect().params_max.min(500);
    let marks = vec!["?"; many].join(", ");
    let params: Vec<Value> = (1..=many as i64).map(Value::Int).collect();
    let sql = format!("SELECT count(*) FROM t WHERE n IN ({marks})");
    let set = owner.run(&sql, &params).await?;
    rule!(
        set.scalar() == Some(&Value::Int(2)),
        "{many} arguments are within the dialect's params_max; got {:?}",
        set.scalar()
    );
    Ok(())
}

pub(super) async fn an_argument_is_never_read_as_sql(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for (n, text) in
        ["'; DELETE FROM t; --", "' OR '1' = '1", "\\'; DELETE FROM t; --", "?", "$1", "%s", "\0"]
            .into_iter()
            .enumerate()
    {
        if text == "\0" {
            continue;
        }
        owner.insert(text, n as i64).await?;
        let set = owner.run("SELECT n FROM t WHERE s = ?", &(text,)).await?;
        rule!(
            set.rows == [vec![Value::Int(n as i64)]],
            "an argument is data, never SQL: `{text}` found {:?}",
            set.rows
        );
    }
    let count = owner.count().await?;
    rule!(count == 6, "an argument is data, never SQL: 6 rows are right, got {count}");
    Ok(())
}

pub(super) async fn want_first_stops_early(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for _ in 0..3 {
        let set = owner.run_for(case.target.series, &(20_000,), Want::First).await?;
        rule!(
            set.scalar() == Some(&Value::Int(1)),
            "Want::First gives the first row, got {:?}",
            set.scalar()
        );
        owner.must_be_usable("Want::First").await?;
    }
    let set = owner.run_for(case.target.series, &(0,), Want::First).await?;
    rule!(set.rows.is_empty(), "Want::First of no rows gives none, got {}", set.rows.len());
    let set = owner.run(case.target.series, &(10,)).await?;
    rule!(
        set.rows.len() == 10,
        "Want belongs to one execution, not to the cached statement: 10 rows are right, got {}",
        set.rows.len()
    );
    Ok(())
}

pub(super) async fn want_first_lets_a_write_finish(case: &Case) -> Verdict {
    case.needs(case.target.returning, "the engine has no RETURNING")?;
    let mut owner = case.with_table().await?;
    let sql = "INSERT INTO t (s, n) VALUES (?, ?), (?, ?), (?, ?) RETURNING s";
    let params: Vec<Value> = vec!["a".into(), 1.into(), "b".into(), 2.into(), "c".into(), 3.into()];
    let set = owner.run_for(sql, &params, Want::First).await?;
    rule!(set.scalar() == Some(&"a".into()), "Want::First gives the first row, got {:?}", set.rows);
    let count = owner.count().await?;
    rule!(count == 3, "Want::First must let a write finish: 3 rows are right, got {count}");
    owner.must_be_usable("Want::First of a write").await
}

pub(super) async fn want_outcome_gives_no_rows(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let done = owner.run_for(INSERT, &("a", 1), Want::Outcome).await?;
    rule!(
        done.outcome.rows_affected == 1,
        "Want::Outcome gives the outcome: 1 row, got {}",
        done.outcome.rows_affected
    );
    for sql in [SELECT, SELECT] {
        let set = owner.run_for(sql, &(), Want::Outcome).await?;
        rule!(set.rows.is_empty(), "Want::Outcome reads no rows, got {}", set.rows.len());
        owner.must_be_usable("Want::Outcome").await?;
    }
    if case.target.returning {
        let sql = "INSERT INTO t (s, n) VALUES (?, ?) RETURNING s";
        owner.run_for(sql, &("b", 2), Want::Outcome).await?;
        let count = owner.count().await?;
        rule!(count == 2, "Want::Outcome lets a write finish: 2 rows are right, got {count}");
    }
    Ok(())
}

pub(super) async fn every_execution_of_one_text_takes_its_own_arguments(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..20 {
        owner.insert(&format!("s{n}"), n).await?;
    }
    for n in (0..20).rev() {
        let set = owner.run("SELECT s FROM t WHERE n = ?", &(n,)).await?;
        rule!(
            set.rows == [vec![Value::Text(format!("s{n}"))]],
            "a cached statement takes new arguments: n = {n} gave {:?}",
            set.rows
        );
    }
    let set = owner.run("SELECT s FROM t WHERE n = ?", &(None::<i64>,)).await?;
    rule!(set.rows.is_empty(), "no argument of an earlier execution stays bound: NULL found a row");
    Ok(())
}
