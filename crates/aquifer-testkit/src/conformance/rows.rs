//! Result sets: columns, batches, and their bounds.

use aquifer_driver::{RowBatch, Step, Value};

use super::case::{Case, SELECT, Verdict, rule};

pub(super) async fn columns_are_set_without_rows(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for _ in 0..2 {
        let set = owner.run(SELECT, &()).await?;
        let names: Vec<_> = set.columns.names().collect();
        rule!(
            names == ["s", "n"] && set.rows.is_empty(),
            "poll_next: the columns are set also if there are no rows, got {names:?}"
        );
    }
    let set = owner.insert("a", 1).await?;
    rule!(
        set.columns.is_empty(),
        "poll_next: a statement without rows has no columns, got {:?}",
        set.columns.names().collect::<Vec<_>>()
    );
    Ok(())
}

pub(super) async fn rows_come_in_order_in_bounded_batches(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let rows = 100_000;
    owner.start(case.target.series, &(rows,))?;
    let mut batch = RowBatch::new();
    let (mut next, mut batches) = (1, 0);
    loop {
        let step = owner.step(&mut batch).await?;
        batches += usize::from(!batch.is_empty());
        rule!(
            batch.byte_len() <= case.target.batch_bytes_max,
            "poll_next: a batch is handed over when it is full; one of {} bytes came",
            batch.byte_len()
        );
        for row in batch.rows() {
            let n: i64 = row.decode(0)?;
            rule!(n == next, "poll_next: rows come in order, each once; expected {next}, got {n}");
            next += 1;
        }
        match step {
            Step::Rows => rule!(!batch.is_empty(), "poll_next: Step::Rows comes with rows"),
            Step::End(_) => break,
            other => {
                rule!(false, "poll_next: one statement gives Rows and End, got {other:?}");
            }
        }
    }
    rule!(next == rows + 1, "poll_next: {rows} rows are right, got {}", next - 1);
    rule!(batches > 1, "poll_next: {rows} rows do not come in one batch");
    owner.must_be_usable("a large result").await
}

pub(super) async fn a_stale_batch_is_cleared(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    let mut batch = RowBatch::new();
    for (sql, names, rows) in [
        (SELECT, vec!["s", "n"], 1),
        ("SELECT n FROM t WHERE n = 2", vec!["n"], 0),
        (SELECT, vec!["s", "n"], 1),
    ] {
        // The batch still holds what came before.
        owner.start(sql, &())?;
        let step = owner.step(&mut batch).await?;
        rule!(matches!(step, Step::End(_)), "poll_next: a small result ends at once, got {step:?}");
        let got: Vec<_> = batch.columns().names().collect();
        rule!(
            got == names && batch.len() == rows,
            "poll_next: the driver clears the caller's batch before it fills it; got {} rows of {got:?}",
            batch.len()
        );
    }
    owner.start("DELETE FROM t", &())?;
    let step = owner.step(&mut batch).await?;
    rule!(
        matches!(step, Step::End(_)) && batch.is_empty() && batch.columns().is_empty(),
        "poll_next: a statement without rows leaves neither rows nor columns in the batch"
    );
    Ok(())
}

pub(super) async fn each_poll_may_bring_another_batch(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let rows = 50_000;
    owner.start(case.target.series, &(rows,))?;
    let mut next = 1;
    loop {
        let mut batch = RowBatch::new();
        let step = owner.step(&mut batch).await?;
        for row in batch.rows() {
            let n: i64 = row.decode(0)?;
            rule!(
                n == next,
                "poll_next: the batch is the caller's, a new one may come; row {next}"
            );
            next += 1;
        }
        rule!(
            batch.is_empty() || batch.columns().len() == 1,
            "poll_next: every batch with rows has their columns"
        );
        if matches!(step, Step::End(_)) {
            break;
        }
    }
    rule!(next == rows + 1, "poll_next: {rows} rows are right, got {}", next - 1);
    Ok(())
}

pub(super) async fn equal_names_are_both_kept(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    let set = owner.run("SELECT 1 AS a, 2 AS a", &()).await?;
    let names: Vec<_> = set.columns.names().collect();
    rule!(
        names == ["a", "a"] && set.rows == [vec![Value::Int(1), Value::Int(2)]],
        "columns are by position: two of one name are two, got {names:?} {:?}",
        set.rows
    );
    Ok(())
}

pub(super) async fn a_value_beyond_the_bound_arrives_whole(case: &Case) -> Verdict {
    // Without a unique key: engines bound what an index takes.
    let mut owner = case.connect().await?;
    let (insert, select) =
        ("INSERT INTO large (s, n) VALUES (?, ?)", "SELECT s FROM large ORDER BY n");
    let (text, integer) = (case.target.text, case.target.integer);
    owner.run(&format!("CREATE TABLE large (s {text}, n {integer})"), &()).await?;
    let size = case.target.batch_bytes_max * 2 + 17;
    let text: String = ('a'..='z').cycle().take(size).collect();
    owner.run(insert, &("small", 1)).await?;
    owner.run(insert, &(&text, 2)).await?;
    owner.run(insert, &("last", 3)).await?;
    for _ in 0..2 {
        let set = owner.run(select, &()).await?;
        rule!(set.rows.len() == 3, "3 rows are right, got {}", set.rows.len());
        rule!(
            set.rows[1][0] == Value::Text(text.clone()),
            "a value larger than the driver's bound arrives whole"
        );
        rule!(set.rows[2][0] == "last".into(), "the row after a large value is intact");
    }
    owner.must_be_usable("a large value").await
}

pub(super) async fn wide_rows_keep_batches_bounded(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let size = case.target.batch_bytes_max / 8;
    for n in 0..40 {
        let text = format!("{n:05}{}", "x".repeat(size));
        owner.insert(&text, n).await?;
    }
    let set = owner.run(SELECT, &()).await?;
    rule!(set.rows.len() == 40, "40 rows are right, got {}", set.rows.len());
    // One row may pass the bound; two may not.
    let bound = case.target.batch_bytes_max + 2 * size;
    rule!(
        set.bytes_max <= bound,
        "poll_next: a batch is bounded in bytes; {} came at once, {bound} may",
        set.bytes_max
    );
    Ok(())
}

pub(super) async fn a_half_read_result_waits(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    owner.start(case.target.series, &(50_000,))?;
    let mut batch = RowBatch::new();
    let step = owner.step(&mut batch).await?;
    rule!(matches!(step, Step::Rows), "50 000 rows do not come at once, got {step:?}");
    rule!(
        owner.status() == aquifer_driver::Status::Busy,
        "status: Busy while a result is half read, got {:?}",
        owner.status()
    );
    let sets = owner.read().await?;
    let rest = sets.into_iter().next().transpose()?.map_or(0, |set| set.rows.len());
    rule!(
        rest + batch.len() == 50_000,
        "a half-read result goes on where it stopped; {rest} rows came after {}",
        batch.len()
    );
    owner.must_be_usable("a result read in two parts").await
}
