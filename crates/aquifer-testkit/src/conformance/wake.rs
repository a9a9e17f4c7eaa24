//! Wakers, spurious polls, and futures that are dropped.

use std::task::{Context, Poll, Waker};

use aquifer_driver::{RowBatch, Status, Step};

use super::case::{Case, Owner, Stop, Verdict, rule};
use crate::poll::{Ended, drop_at_every_poll};

/// No operation of these checks takes more polls.
const POLLS_MAX: usize = 10_000;

/// Reads the command under way with `poll` in place of a plain poll; gives the number of rows.
async fn read_by(
    owner: &mut Owner,
    mut poll: impl FnMut(
        &mut Owner,
        &mut Context<'_>,
        &mut RowBatch,
    ) -> Poll<aquifer_driver::Result<Step>>,
) -> Result<usize, Stop> {
    let mut batch = RowBatch::new();
    let mut rows = 0;
    loop {
        let step = std::future::poll_fn(|cx| poll(owner, cx, &mut batch)).await?;
        rows += batch.len();
        if matches!(step, Step::End(_)) {
            return Ok(rows);
        }
    }
}

pub(super) async fn the_newest_waker_is_woken(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..10 {
        owner.start("INSERT INTO t (s, n) VALUES (?, ?)", &(format!("s{n}"), n))?;
        // First with a waker that leads nowhere, then with the real one: a driver that keeps the first
        // one hangs, and the runner says so.
        let stale = |owner: &mut Owner, cx: &mut Context<'_>, batch: &mut RowBatch| {
            let mut nowhere = Context::from_waker(Waker::noop());
            match owner.connection.poll_next(&mut nowhere, batch) {
                Poll::Pending => owner.connection.poll_next(cx, batch),
                ready => ready,
            }
        };
        read_by(&mut owner, stale).await?;
        owner.start(case.target.series, &(5_000,))?;
        let rows = read_by(&mut owner, stale).await?;
        rule!(rows == 5_000, "poll_next: 5000 rows are right, got {rows}");
    }
    owner.must_be_usable("changing wakers").await
}

pub(super) async fn polls_without_a_wake_are_harmless(case: &Case) -> Verdict {
    let mut owner = case.connect().await?;
    for _ in 0..3 {
        owner.start(case.target.series, &(20_000,))?;
        let rows = read_by(&mut owner, |owner, cx, batch| {
            for _ in 0..5 {
                if let Poll::Ready(step) = owner.connection.poll_next(cx, batch) {
                    return Poll::Ready(step);
                }
            }
            Poll::Pending
        })
        .await?;
        rule!(rows == 20_000, "poll_next may be called without a wake: 20000 rows, got {rows}");
    }
    owner.must_be_usable("polls without a wake").await
}

pub(super) async fn an_operation_dropped_at_every_poll_recovers(case: &Case) -> Verdict {
    let owner = case.with_table().await?;
    let mut state = (owner, Ok(()), 0);
    drop_at_every_poll(
        POLLS_MAX,
        &mut state,
        async |(owner, _, number)| {
            *number += 1;
            let sql = "INSERT INTO t (s, n) VALUES (?, ?)";
            owner.run(sql, &(format!("s{number}"), *number)).await.map(drop)
        },
        async |(owner, verdict, number), ended| {
            if verdict.is_ok() {
                *verdict = after_write(owner, *number, ended).await;
            }
        },
    )
    .await;
    state.1
}

async fn after_write(
    owner: &mut Owner,
    number: i64,
    ended: Ended<aquifer_driver::Result<()>>,
) -> Verdict {
    let when = match ended {
        Ended::Dropped(polls) => format!("a write dropped after {polls} polls"),
        Ended::Done(done) => {
            done?;
            "a write".to_owned()
        }
    };
    owner.connection.abandon();
    owner.recover().await?;
    owner.must_be_usable(&when).await?;
    let sql = format!("SELECT count(*) FROM t WHERE n = {number}");
    let count = owner.integer(&sql).await?;
    rule!(count <= 1, "{when} is done once or not at all, got {count}");
    Ok(())
}

pub(super) async fn a_transaction_dropped_at_every_poll_is_whole_or_nothing(
    case: &Case,
) -> Verdict {
    let owner = case.with_table().await?;
    let mut state = (owner, Ok(()), 0);
    drop_at_every_poll(
        POLLS_MAX,
        &mut state,
        async |(owner, _, number)| {
            *number += 1;
            let sql = "INSERT INTO t (s, n) VALUES (?, ?)";
            owner.begin().await?;
            owner.run(sql, &(format!("a{number}"), *number)).await?;
            owner.run(sql, &(format!("b{number}"), *number)).await?;
            owner.commit().await
        },
        async |(owner, verdict, number), ended| {
            if verdict.is_ok() {
                *verdict = after_transaction(owner, *number, ended).await;
            }
        },
    )
    .await;
    state.1
}

async fn after_transaction(
    owner: &mut Owner,
    number: i64,
    ended: Ended<aquifer_driver::Result<()>>,
) -> Verdict {
    let (when, done) = match ended {
        Ended::Dropped(polls) => (format!("a transaction dropped after {polls} polls"), false),
        Ended::Done(done) => {
            done?;
            ("a transaction".to_owned(), true)
        }
    };
    let status = owner.connection.abandon();
    rule!(status != Status::Broken, "{when} does not break the connection");
    owner.recover().await?;
    owner.must_be_usable(&when).await?;
    let sql = format!("SELECT count(*) FROM t WHERE n = {number}");
    let count = owner.integer(&sql).await?;
    rule!(count == 2 || (count == 0 && !done), "{when} is whole or nothing, got {count} of 2 rows");
    Ok(())
}
