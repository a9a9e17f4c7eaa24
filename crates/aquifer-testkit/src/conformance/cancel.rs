//! Stopping what is under way.

use std::task::Poll;

use aquifer_driver::{ErrorKind, RowBatch, Status};

use super::case::{Case, Owner, Stop, Verdict, rule};

/// A connection on which a statement runs that only a stop can end.
async fn long(case: &Case) -> Result<Owner, Stop> {
    let Some(sql) = case.target.long_statement else {
        return Err(Stop::NotApplicable("the target has no statement that runs long"));
    };
    let mut owner = case.connect().await?;
    owner.start(sql, &())?;
    let mut batch = RowBatch::new();
    let first = std::future::poll_fn(|cx| {
        Poll::Ready(owner.connection.poll_next(cx, &mut batch).map_ok(drop))
    })
    .await;
    rule!(
        first.is_pending(),
        "the target's long statement must run long, it gave {first:?} at once"
    );
    rule!(owner.status() == Status::Busy, "status: Busy while a statement runs");
    Ok(owner)
}

async fn must_be_stopped(owner: &mut Owner) -> Verdict {
    match owner.read().await {
        Err(error) => rule!(
            matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout),
            "a stopped statement is an error of kind Cancelled, got {:?}: {error}",
            error.kind()
        ),
        Ok(_) => rule!(false, "a stopped statement is an error, but it succeeded"),
    }
    owner.must_be_usable("a stop").await
}

pub(super) async fn a_long_statement_is_stopped(case: &Case) -> Verdict {
    let mut owner = long(case).await?;
    owner.connection.canceller().cancel().await;
    must_be_stopped(&mut owner).await?;
    // And once more on the same connection.
    owner.start(case.target.long_statement.unwrap_or_default(), &())?;
    let canceller = owner.connection.canceller();
    canceller.cancel().await;
    canceller.clone().cancel().await;
    must_be_stopped(&mut owner).await
}

pub(super) async fn a_stop_works_from_another_thread(case: &Case) -> Verdict {
    let mut owner = long(case).await?;
    let canceller = owner.connection.canceller();
    let runner = std::sync::Arc::clone(&case.target.runner);
    let thread = std::thread::spawn(move || runner(Box::pin(async { canceller.cancel().await })));
    let stopped = must_be_stopped(&mut owner).await;
    rule!(thread.join().unwrap_or(false), "cancel: its future ends");
    stopped
}

pub(super) async fn an_abandoned_long_statement_recovers_after_a_stop(case: &Case) -> Verdict {
    let mut owner = long(case).await?;
    let canceller = owner.connection.canceller();
    canceller.cancel().await;
    let status = owner.connection.abandon();
    rule!(
        matches!(status, Status::Busy | Status::Idle),
        "abandon of a statement outside a transaction leaves Busy or Idle, got {status:?}"
    );
    owner.recover().await?;
    owner.must_be_usable("stop, abandon and recovery").await?;

    let mut owner = long(case).await?;
    owner.connection.abandon();
    owner.connection.canceller().cancel().await;
    owner.recover().await?;
    owner.must_be_usable("abandon, stop and recovery").await
}

pub(super) async fn a_stop_when_idle_hits_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    let canceller = owner.connection.canceller();
    for n in 0..20 {
        canceller.cancel().await;
        owner.insert(&format!("s{n}"), n).await?;
        owner.must_be_usable("a stop when idle").await?;
    }
    Ok(())
}

pub(super) async fn a_stop_after_the_end_hits_nothing(case: &Case) -> Verdict {
    let mut owner = case.with_table().await?;
    for n in 0..20 {
        owner.insert(&format!("s{n}"), n).await?;
        // Asked for between two commands; on its way while the next one runs.
        let canceller = owner.connection.canceller();
        let on_its_way = canceller.cancel();
        owner.start("SELECT count(*) FROM t", &())?;
        on_its_way.await;
        if let Some(Err(error)) =
            owner.read().await.map(|mut sets| sets.pop()).unwrap_or_else(|e| Some(Err(e)))
        {
            return Err(Stop::Broken(format!(
                "cancel: a stop asked for before a command must not hit it; it failed: {error}"
            )));
        }
        // Asked for during a command that may end before it is hit.
        owner.start("SELECT count(*) FROM t", &())?;
        let on_its_way = owner.connection.canceller().cancel();
        let _ = owner.read().await;
        if owner.status() != Status::Idle {
            owner.recover().await?;
        }
        on_its_way.await;
        owner.must_be_usable("a late stop").await?;
    }
    Ok(())
}

pub(super) async fn a_stop_outlives_the_connection(case: &Case) -> Verdict {
    let owner = case.connect().await?;
    let canceller = owner.connection.canceller();
    owner.connection.close().await?;
    canceller.cancel().await;
    let owner = case.connect().await?;
    let canceller = owner.connection.canceller();
    drop(owner);
    canceller.cancel().await;
    case.connect().await?.must_be_usable("a stop of a connection that is gone").await
}
