//! Ping, reset, abandon, recover, close, drop.

use aquifer_driver::{Command, Counters, Layout, RowBatch, Status, Step};

use super::case::{Case, Owner, SELECT, Stop, Verdict, rule};

/// More rows than any driver puts into one batch.
const MANY: i64 = 30_000;

pub(super) async fn ping_answers(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for _ in 0..3 {
        owner.command(Command::Ping).await?;
    }
    owner.begin().await?;
    owner.command(Command::Ping).await?;
    rule!(
        owner.status() == Status::Transaction,
        "Ping leaves the transaction open, got {:?}",
        owner.status()
    );
    owner.rollback().await?;
    owner.must_be_usable("Ping").await
}

pub(super) async fn reset_ends_the_transaction(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.command(Command::Reset).await?;
    owner.must_be_usable("Reset").await?;
    let count = owner.count().await?;
    rule!(count == 0, "Reset rolls back what was open, got {count} rows");
    owner.insert("b", 1).await?;
    owner.insert("c", 1).await?;
    Ok(())
}

pub(super) async fn reset_clears_the_session(case: &Case) -> Verdict {
    let Some((set, show)) = case.target.session else {
        return case.needs(false, "the target names no session state");
    };
    let mut owner = case.connect().await?;
    let fresh = owner.run(show, &()).await?.rows;
    owner.run(set, &()).await?;
    let changed = owner.run(show, &()).await?.rows;
    rule!(fresh != changed, "the target's statement `{set}` must change what `{show}` gives");
    owner.command(Command::Reset).await?;
    let after = owner.run(show, &()).await?.rows;
    rule!(
        after == fresh,
        "Reset puts the session back into the state after connecting: {fresh:?}, got {after:?}"
    );
    owner.must_be_usable("Reset").await
}

/// Polls up to `steps` steps; false if the command ended before.
async fn read_some(owner: &mut Owner, steps: usize) -> Result<bool, Stop> {
    let mut batch = RowBatch::new();
    for _ in 0..steps {
        if matches!(owner.step(&mut batch).await?, Step::End(_)) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn abandon_and_recover(owner: &mut Owner, when: &str) -> Verdict {
    let status = owner.connection.abandon();
    rule!(
        status == owner.status(),
        "abandon returns the status that results: it said {status:?}, status says {:?}",
        owner.status()
    );
    rule!(
        matches!(status, Status::Idle | Status::Busy),
        "abandon outside a transaction leaves Idle or Busy, got {status:?} {when}"
    );
    owner.recover().await?;
    owner.must_be_usable(&format!("abandon and recovery {when}")).await
}

pub(super) async fn abandon_at_every_step_recovers(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    owner.start(case.target.series, &(MANY,))?;
    let mut steps: usize = 0;
    while read_some(&mut owner, 1).await? {
        steps += 1;
    }
    rule!(steps > 0, "{MANY} rows do not come in one batch");
    // Each of the first steps, each of the last, and some between.
    let chosen =
        (1..=steps).filter(|step| *step < 10 || steps - *step < 3 || step.is_multiple_of(97));
    let mut given_up = 0;
    for step in chosen {
        owner.start(case.target.series, &(MANY,))?;
        // Over a network the bytes may come in fewer pieces this time.
        if !read_some(&mut owner, step).await? {
            continue;
        }
        given_up += 1;
        abandon_and_recover(&mut owner, &format!("after {step} of {steps} steps")).await?;
    }
    rule!(given_up > 0, "a result of {MANY} rows can be given up on its way");
    Ok(())
}

pub(super) async fn abandon_before_the_first_poll_recovers(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..5 {
        owner.start(case.target.series, &(MANY,))?;
        abandon_and_recover(&mut owner, "before the first poll").await?;
        owner.start("INSERT INTO t (s, n) VALUES (?, ?)", &(format!("s{n}"), n))?;
        abandon_and_recover(&mut owner, "of a write before the first poll").await?;
        let count = owner.count().await?;
        rule!(count <= n + 1, "an abandoned write runs at most once");
        owner.begin().await?;
        owner.rollback().await?;
    }
    Ok(())
}

pub(super) async fn abandon_in_a_transaction_keeps_it(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    for steps in [0, 1, 2] {
        owner.start(case.target.series, &(MANY,))?;
        read_some(&mut owner, steps).await?;
        let mut status = owner.connection.abandon();
        if status == Status::Busy {
            // Whoever keeps the transaction polls on to the end of the command.
            for set in owner.read().await? {
                let rows = set?.rows.len();
                rule!(rows == 0, "poll_next gives no more rows after abandon, got {rows}");
            }
            status = owner.status();
        }
        rule!(
            status == Status::Transaction,
            "abandon and polling to the end keep the transaction, got {status:?}"
        );
    }
    owner.insert("b", 2).await?;
    owner.commit().await?;
    let count = owner.count().await?;
    rule!(count == 2, "a transaction goes on after an abandoned result: 2 rows, got {count}");
    owner.must_be_usable("an abandoned result in a transaction").await
}

pub(super) async fn abandon_when_idle_is_harmless(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for _ in 0..2 {
        let status = owner.connection.abandon();
        rule!(status == Status::Idle, "abandon when no command is under way: Idle, got {status:?}");
    }
    owner.begin().await?;
    let status = owner.connection.abandon();
    rule!(
        status == Status::Transaction,
        "abandon when no command is under way does not end the transaction, got {status:?}"
    );
    owner.rollback().await?;
    owner.must_be_usable("abandon when idle").await
}

pub(super) async fn recover_when_idle_is_harmless(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    owner.insert("a", 1).await?;
    for _ in 0..3 {
        owner.recover().await?;
    }
    let count = owner.count().await?;
    rule!(count == 1, "recovery of an idle connection does nothing, got {count} rows");
    owner.must_be_usable("recovery when idle").await
}

pub(super) async fn recover_rolls_back(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for with_result in [false, true] {
        owner.begin().await?;
        owner.insert("a", 1).await?;
        if with_result {
            owner.start(case.target.series, &(MANY,))?;
            read_some(&mut owner, 1).await?;
        }
        owner.connection.abandon();
        owner.recover().await?;
        rule!(owner.status() == Status::Idle, "poll_recover leaves Idle, got {:?}", owner.status());
        let count = owner.count().await?;
        rule!(count == 0, "poll_recover rolls back what is open, got {count} rows");
    }
    owner.begin().await?;
    owner.insert("a", 1).await?;
    let _ = owner.insert("a", 2).await;
    owner.connection.abandon();
    owner.recover().await?;
    owner.must_be_usable("recovery of a transaction with an error").await?;
    let count = owner.count().await?;
    rule!(count == 0, "poll_recover rolls back after an error too, got {count} rows");
    Ok(())
}

fn needs_more_connections(case: &Case) -> Verdict {
    case.needs(
        case.connector().layout() != Layout::One,
        "the database goes with its only connection",
    )
}

pub(super) async fn a_connection_dropped_in_a_result_frees_everything(case: &Case) -> Verdict {
    needs_more_connections(case)?;
    let mut owner = case.with_table().await?;
    for n in 0..100 {
        owner.insert(&format!("s{n}"), n).await?;
    }
    owner.start(case.target.series, &(MANY,))?;
    read_some(&mut owner, 1).await?;
    drop(owner);
    let mut owner = case.connect().await?;
    owner.run("DELETE FROM t", &()).await?;
    owner.run("DROP TABLE t", &()).await?;
    owner.must_be_usable("another connection was dropped in a result").await
}

pub(super) async fn a_connection_dropped_in_a_transaction_undoes_it(case: &Case) -> Verdict {
    needs_more_connections(case)?;
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    drop(owner);
    let mut owner = case.connect().await?;
    // Waits for whatever the engine still holds.
    owner.insert("b", 2).await?;
    let set = owner.run(SELECT, &()).await?;
    let rows = set.first_column();
    rule!(rows == ["b".into()], "dropping a connection undoes its transaction, got {rows:?}");
    Ok(())
}

pub(super) async fn close_ends_an_open_transaction(case: &Case) -> Verdict {
    needs_more_connections(case)?;
    let mut owner = case.with_table().await?;
    owner.begin().await?;
    owner.insert("a", 1).await?;
    owner.connection.close().await?;
    let mut owner = case.connect().await?;
    owner.insert("b", 2).await?;
    let count = owner.count().await?;
    rule!(count == 1, "close undoes what was open: 1 row is right, got {count}");
    owner.connection.close().await?;
    Ok(())
}

pub(super) async fn counters_never_fall(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let mut last = owner.connection.counters();
    let falls = |before: Counters, now: Counters| {
        now.rounds < before.rounds
            || now.prepared < before.prepared
            || now.cache_hits < before.cache_hits
            || now.evicted < before.evicted
    };
    for n in 0..40 {
        match n % 5 {
            0 => drop(owner.insert(&format!("s{n}"), n).await?),
            1 => drop(owner.run("SELEC", &()).await),
            2 => owner.begin().await?,
            3 => owner.command(Command::Reset).await?,
            _ => drop(owner.run(&format!("SELECT {n}"), &()).await?),
        }
        let now = owner.connection.counters();
        rule!(!falls(last, now), "counters never fall: {last:?}, then {now:?}");
        if n % 5 == 0 {
            rule!(
                now.rounds > last.rounds,
                "counters: a statement costs at least one round, {last:?}, then {now:?}"
            );
        }
        last = now;
    }
    Ok(())
}

pub(super) async fn a_connection_moves_between_threads(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..4 {
        // Begun here, read there; then the other way round.
        owner.start("INSERT INTO t (s, n) VALUES (?, ?)", &(format!("s{n}"), n))?;
        let runner = &case.target.runner;
        let read = std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                let mut read = None;
                let ended = runner(Box::pin(async {
                    let first = owner.read().await.map(drop);
                    let next = owner.start(case.target.series, &(MANY,));
                    read = Some(first.and(next));
                }));
                (ended, read)
            });
            there.join()
        });
        match read {
            Ok((true, Some(read))) => read?,
            _ => {
                rule!(false, "a connection moves between threads; its poll on another did not end")
            }
        }
        let rows = owner.read().await?.pop().transpose()?.map_or(0, |set| set.rows.len());
        rule!(rows as i64 == MANY, "a connection moves between threads: {MANY} rows, got {rows}");
    }
    let count = owner.count().await?;
    rule!(count == 4, "a connection moves between threads: 4 rows are right, got {count}");
    owner.must_be_usable("moving between threads").await
}
