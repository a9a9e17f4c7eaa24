//! The statement cache, and what `Prepare` learns.

use aquifer_driver::{Command, ErrorKind};

use super::case::{Case, INSERT, Owner, Verdict, expect_error, rule};

async fn prepare(owner: &mut Owner, sql: &str) -> aquifer_driver::Result<()> {
    let sql = owner.sql(sql);
    owner.command(Command::Prepare { sql: &sql }).await
}

pub(super) async fn prepare_describes_parameters_and_columns(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for (sql, parameters, columns) in [
        ("SELECT s, n AS level FROM t WHERE id = ? AND n > ?", 2, vec!["s", "level"]),
        ("SELECT * FROM t", 0, vec!["id", "s", "n"]),
        (INSERT, 2, vec![]),
    ] {
        for round in ["first", "second"] {
            prepare(&mut owner, sql).await?;
            let Some(description) = owner.connection.take_description() else {
                rule!(false, "take_description: the {round} Prepare of `{sql}` learnt nothing");
                continue;
            };
            let names: Vec<_> = description.columns.names().collect();
            rule!(
                names == columns,
                "Prepare tells the columns of `{sql}`: {columns:?} is right, got {names:?} ({round})"
            );
            rule!(
                description.parameters.len() == parameters,
                "Prepare tells the parameters of `{sql}`: {parameters} is right, got {} ({round})",
                description.parameters.len()
            );
            let writes = columns.is_empty();
            rule!(
                description.read_only.is_none_or(|reads| reads != writes),
                "Prepare must not call a write read-only, or a read a write: `{sql}`"
            );
        }
    }
    let count = owner.count().await?;
    rule!(count == 0, "Prepare runs nothing; the table has {count} rows");
    owner.must_be_usable("Prepare").await
}

pub(super) async fn prepare_of_a_bad_text_describes_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for (sql, kind) in [
        ("SELEC 1", ErrorKind::Syntax),
        ("SELECT a FROM missing", ErrorKind::UndefinedObject),
        ("SELECT missing FROM t", ErrorKind::UndefinedObject),
    ] {
        for _ in 0..2 {
            let got = prepare(&mut owner, sql).await;
            expect_error(got, kind, &format!("Prepare of `{sql}`"))?;
            rule!(
                owner.connection.take_description().is_none(),
                "take_description: a Prepare that failed (`{sql}`) has learnt nothing"
            );
            owner.must_be_usable("a Prepare that failed").await?;
        }
    }
    Ok(())
}

pub(super) async fn a_description_is_taken_once(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    prepare(&mut owner, INSERT).await?;
    rule!(owner.connection.take_description().is_some(), "take_description: Prepare learnt it");
    rule!(owner.connection.take_description().is_none(), "take_description: it is taken once");
    Ok(())
}

pub(super) async fn a_prepared_text_is_executed_from_the_cache(case: &Case) -> Verdict {
    case.needs(case.target.statements_max != Some(0), "the target keeps no statements")?;
    let mut owner = case.with_table().await?;
    prepare(&mut owner, INSERT).await?;
    let before = owner.connection.counters();
    for n in 0..10 {
        owner.insert(&format!("s{n}"), n).await?;
    }
    let after = owner.connection.counters();
    rule!(
        after.prepared == before.prepared,
        "Execute finds what Prepare has kept; {} statements were prepared again",
        after.prepared - before.prepared
    );
    rule!(
        after.cache_hits == before.cache_hits + 10,
        "counters: 10 executions hit the cache, got {}",
        after.cache_hits - before.cache_hits
    );
    Ok(())
}

pub(super) async fn the_cache_is_bounded(case: &Case) -> Verdict {
    let Some(max) = case.target.statements_max.filter(|max| *max > 0) else {
        return case.needs(false, "the target keeps no statements, or does not tell how many");
    };
    let mut owner = case.connect().await?;
    for n in 0..max * 10 {
        owner.integer(&format!("SELECT {n}")).await?;
        let cached = owner.connection.counters().cached;
        rule!(cached <= max, "the statement cache holds at most {max}; after {n} texts {cached}");
    }
    let counters = owner.connection.counters();
    rule!(
        counters.evicted + counters.cached >= max * 10,
        "counters: each of {} texts is in the cache or has left it, got {counters:?}",
        max * 10
    );
    let last = max * 10 - 1;
    let hits = counters.cache_hits;
    owner.integer(&format!("SELECT {last}")).await?;
    rule!(owner.connection.counters().cache_hits == hits + 1, "the cache keeps the newest texts");
    owner.must_be_usable("many texts").await
}

pub(super) async fn the_engines_own_books_are_bounded(case: &Case) -> Verdict {
    let (Some(max), Some(look)) = (case.target.statements_max, &case.target.statements_on_server)
    else {
        return case.needs(false, "the engine cannot be asked for its statements");
    };
    let mut owner = case.with_table().await?;
    for n in 0..max * 10 {
        owner.integer(&format!("SELECT {n}")).await?;
        if n % 7 == 0 {
            // Failures must not leave statements behind either.
            let _ = owner.run(&format!("SELECT missing{n} FROM t"), &()).await;
            let _ = owner.run(INSERT, &("too few",)).await;
        }
    }
    let held = look(&mut *owner.connection).await?;
    // The look itself may need one.
    rule!(
        held <= max + 1,
        "on the engine's own books a connection holds at most {max} statements, got {held}"
    );
    owner.must_be_usable("many texts").await
}

pub(super) async fn a_new_column_is_seen_by_a_cached_statement(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    for _ in 0..3 {
        let set = owner.run("SELECT * FROM t", &()).await?;
        rule!(set.columns.len() == 3, "3 columns are right, got {}", set.columns.len());
    }
    owner.run(&format!("ALTER TABLE t ADD COLUMN extra {}", case.target.text), &()).await?;
    for _ in 0..2 {
        let set = owner.run("SELECT * FROM t", &()).await?;
        let names: Vec<_> = set.columns.names().collect();
        rule!(
            names == ["id", "s", "n", "extra"] && set.rows.first().is_some_and(|r| r.len() == 4),
            "a cached `SELECT *` sees a new column, got {names:?}"
        );
    }
    prepare(&mut owner, "SELECT * FROM t").await?;
    let described = owner.connection.take_description().map_or(0, |d| d.columns.len());
    rule!(described == 4, "Prepare of a cached text tells the columns of now: 4, got {described}");
    owner.must_be_usable("a new column").await
}

pub(super) async fn a_table_made_anew_is_seen_by_a_cached_statement(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let text = case.target.text;
    owner.run("SELECT n FROM t", &()).await?;
    owner.run("SELECT n FROM t", &()).await?;
    owner.run("DROP TABLE t", &()).await?;
    let gone = owner.run("SELECT n FROM t", &()).await;
    expect_error(gone, ErrorKind::UndefinedObject, "a cached statement over a dropped table")?;
    owner.run(&format!("CREATE TABLE t (n {text})"), &()).await?;
    owner.run("INSERT INTO t (n) VALUES (?)", &("now text",)).await?;
    let set = owner.run("SELECT n FROM t", &()).await?;
    rule!(
        set.scalar() == Some(&"now text".into()),
        "a cached statement reads the table of now, got {:?}",
        set.scalar()
    );
    owner.must_be_usable("a table made anew").await
}
