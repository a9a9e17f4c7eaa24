//! Transactions: how they begin, fail, end, and what they leave.

use std::sync::{Arc, Mutex};

use aquifer::{
    Db, ErrorKind, Isolation, Observer, Result, Retry, TransactionEnd, TransactionOutcome,
    TxOptions,
};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};
use aquifer_testkit::{Gate, at_most};

use crate::support::*;

#[derive(Default)]
struct Ends(Mutex<Vec<TransactionOutcome>>);

impl Observer for Ends {
    fn transaction(&self, end: &TransactionEnd<'_>) {
        self.0.lock().unwrap().push(end.outcome);
    }
}

impl Ends {
    fn take(&self) -> Vec<TransactionOutcome> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn observed(server: &FakeServer) -> (Db, Arc<Ends>) {
    let ends = Arc::new(Ends::default());
    let db = builder(server).max_open(1).observer(Arc::clone(&ends) as _).open().unwrap();
    (db, ends)
}

#[tokio::test]
async fn options_reach_the_engine() {
    let server = FakeServer::new();
    let db = open_with(&server, |options| options.pool.max_open = 2);
    accounts(&db).await;
    let mut tx = db.begin_with(TxOptions::isolation(Isolation::RepeatableRead)).await.unwrap();
    let before: i64 = tx.get("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap();
    db.exec(TAKE, (50, 1)).await.unwrap();
    let after: i64 = tx.get("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap();
    assert_eq!((before, after), (100, 100));
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Serialization, Retry::Transaction));
    tx.rollback().await.unwrap();
    let mut tx = db.begin_with(TxOptions::new().read_only()).await.unwrap();
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    tx.commit().await.unwrap();
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_statement_that_fails_leaves_the_transaction_open_where_the_engine_does() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    assert!(tx.exec("INSERT INTO accounts VALUES (1, 0)", ()).await.is_err());
    tx.exec(TAKE, (1, 1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [98, 100]);
    assert_eq!(ends.take(), [TransactionOutcome::Committed]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_failed_transaction_says_what_failed_it_and_commits_nothing() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    let first = tx.exec("INSERT INTO accounts VALUES (1, 0)", ()).await.unwrap_err();
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::TxFailed);
    let error = tx.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxFailed);
    assert!(error.to_string().contains(first.message()), "{error}");
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(ends.take(), [TransactionOutcome::Failed]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn once_the_engine_has_ended_it_nothing_is_sent_and_every_call_says_how() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let (db, ends) = observed(&server);
        accounts(&db).await;
        for end in 0..3 {
            let mut tx = db.begin().await.unwrap();
            tx.exec(TAKE, (1, 1)).await.unwrap();
            server.inject(
                Injection::new(Operation::Execute, Fault::EndsTransaction(ErrorKind::Deadlock))
                    .matching("UPDATE"),
            );
            let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Deadlock, Retry::Transaction));
            let seen = server.log().len();
            for _ in 0..2 {
                let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TxDone);
                assert!(error.nothing_sent());
                assert!(error.to_string().contains("engine ended"), "{error}");
            }
            assert_eq!(tx.savepoint().await.unwrap_err().kind(), ErrorKind::TxDone);
            let mut batch = tx.batch();
            let _ticket = batch.exec(TAKE, (1, 1));
            assert_eq!(batch.send().await.unwrap_err().kind(), ErrorKind::TxDone);
            match end {
                0 => tx.rollback().await.unwrap(),
                1 => assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxDone),
                _ => drop(tx),
            }
            assert_eq!(server.log().len(), seen, "{:?}", server.log());
            assert_eq!(ends.take(), [TransactionOutcome::Failed]);
        }
        assert_eq!(balances(&db).await, [100, 100]);
        assert_eq!(server.counters().connects, 1);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_commit_cut_off_after_it_was_sent_is_unknown_and_before_is_not() {
    for (fault, kind, committed) in [
        (Fault::LostUnsent, ErrorKind::ConnectionLost, false),
        (Fault::LostUndone, ErrorKind::CommitUnknown, false),
        (Fault::LostDone, ErrorKind::CommitUnknown, true),
        (Fault::Protocol, ErrorKind::CommitUnknown, false),
        (Fault::Fail(ErrorKind::Serialization), ErrorKind::Serialization, false),
    ] {
        let server = FakeServer::new();
        let (db, ends) = observed(&server);
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        server.fail_next(Operation::Commit, fault);
        let error = tx.commit().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let unknown = kind == ErrorKind::CommitUnknown;
        assert_eq!(error.retry() == Retry::Unknown, unknown, "{error:?}");
        assert_eq!(balances(&db).await, [100 - i64::from(committed), 100]);
        let end = if unknown { TransactionOutcome::Unknown } else { TransactionOutcome::Failed };
        assert_eq!(ends.take(), [end]);
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_tracked_commit_over_a_driver_that_keeps_no_track_is_as_unknown_as_any() {
    for (fault, committed) in [(Fault::LostUndone, false), (Fault::LostDone, true)] {
        let server = FakeServer::new();
        let (db, ends) = observed(&server);
        accounts(&db).await;
        let mut tx = db.begin_with(TxOptions::new().track_commit()).await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        server.fail_next(Operation::Commit, fault);
        let error = tx.commit().await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::CommitUnknown, Retry::Unknown));
        assert!(error.message().contains("keeps no track"), "{error}");
        assert_eq!(balances(&db).await, [100 - i64::from(committed), 100]);
        assert_eq!(ends.take(), [TransactionOutcome::Unknown]);
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tracked_commit_has_all_of_its_time_where_nobody_else_can_be_asked() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut tx = db.begin_with(TxOptions::new().track_commit()).await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    tx.set_timeout(Some(ms(100)));
    server.fail_next(Operation::Commit, Fault::Delay(ms(95)));
    assert!(tx.commit().await.unwrap().found_out);
    assert_eq!(ends.take(), [TransactionOutcome::Committed]);
    let mut tx = db.begin_with(TxOptions::new().track_commit()).await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    tx.set_timeout(Some(ms(100)));
    server.fail_next(Operation::Commit, Fault::Delay(ms(105)));
    let begun = tokio::time::Instant::now();
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::CommitUnknown);
    assert_eq!(begun.elapsed(), ms(100));
    assert_eq!(ends.take(), [TransactionOutcome::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_runs_out_of_time_is_unknown() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    tx.set_timeout(Some(ms(10)));
    server.fail_next(Operation::Commit, Fault::Delay(ms(100)));
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::CommitUnknown);
    conn.set_timeout(None);
    // Whatever became of it, what comes next is not part of it.
    conn.exec(TAKE, (1, 2)).await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await[1], 99);
    assert_eq!(ends.take(), [TransactionOutcome::Unknown]);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_commit_that_is_refused_but_not_undone_does_not_linger() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    server.fail_next(Operation::Commit, Fault::Fail(ErrorKind::LockTimeout));
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::LockTimeout);
    conn.exec(TAKE, (5, 2)).await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await, [100, 95]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_begin_dropped_at_any_poll_opens_no_transaction_that_outlives_it() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_yielding(&server, 1);
        accounts(&db).await;
        let mut conn = db.acquire().await.unwrap();
        for polls in 1..12 {
            let begun = at_most(polls, conn.begin()).await.is_some();
            // Dropped here in either case; what follows stands for itself.
            conn.exec(TAKE, (1, 1)).await.unwrap();
            let kept: i64 = {
                let mut probe =
                    conn.query("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap();
                probe.next().await.unwrap().unwrap().get(0).unwrap()
            };
            assert_eq!(kept, 100 - polls as i64, "polls {polls}, begun {begun}");
            assert!(server.connections().iter().all(|book| !book.in_transaction));
        }
        drop(conn);
        assert_eq!(balances(&db).await, [89, 100]);
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_commit_dropped_at_any_poll_is_whole_or_nothing() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_yielding(&server, 1);
        accounts(&db).await;
        for polls in 1..12 {
            let before = balances(&db).await;
            let mut conn = db.acquire().await.unwrap();
            let mut tx = conn.begin().await.unwrap();
            tx.exec(TAKE, (1, 1)).await.unwrap();
            tx.exec(TAKE, (-1, 2)).await.unwrap();
            let done = at_most(polls, tx.commit()).await;
            // On the same connection, at once: not part of it.
            conn.exec("UPDATE accounts SET balance = balance", ()).await.unwrap();
            drop(conn);
            let after = balances(&db).await;
            assert_eq!(after.iter().sum::<i64>(), 200);
            match done {
                Some(result) => {
                    result.unwrap();
                    assert_eq!(after[0], before[0] - 1);
                }
                None => assert!((0..=1).contains(&(before[0] - after[0]))),
            }
        }
        settled(&db).await;
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_rollback_after_the_connection_is_lost_says_so() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    server.inject(Injection::new(Operation::Execute, Fault::LostUndone).matching("SELECT"));
    assert!(tx.get::<i64>("SELECT 1", ()).await.is_err());
    let error = tx.rollback().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionLost);
    assert!(error.to_string().contains("injected"), "{error}");
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(ends.take(), [TransactionOutcome::Failed]);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_dropped_transaction_on_a_held_connection_is_undone_before_its_next_call() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    drop(tx);
    assert_eq!(
        conn.get::<i64>("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap(),
        100
    );
    conn.exec(TAKE, (1, 2)).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 2)).await.unwrap();
    drop(tx);
    // Straight into the next one.
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (10, 2)).await.unwrap();
    tx.commit().await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await, [100, 89]);
    use TransactionOutcome::{Committed, Dropped};
    assert_eq!(ends.take(), [Dropped, Dropped, Committed]);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_connection_given_back_with_a_transaction_of_the_users_own_is_rolled_back() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    conn.exec("BEGIN", ()).await.unwrap();
    conn.exec(TAKE, (1, 1)).await.unwrap();
    let error = conn.begin().await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("savepoint")), "{error}");
    // Still the user's: the refused begin changed nothing.
    assert_eq!(conn.get::<i64>("SELECT balance FROM accounts WHERE id = 1", ()).await.unwrap(), 99);
    drop(conn);
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn rows_dropped_within_a_transaction_do_not_keep_it_from_committing() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        let mut rows = tx.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
        rows.next().await.unwrap();
        drop(rows);
        tx.commit().await.unwrap();
        assert_eq!(balances(&db).await, [99, 100]);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_take_a_while_to_drain_do_not_fail_the_transaction_by_a_cancel() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let db = open_one(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    server.set_latency(Operation::Fetch, Some(ms(100)));
    let mut rows = tx.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
    rows.next().await.unwrap();
    drop(rows);
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [99, 100]);
    assert_eq!(server.counters().cancels, 0);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_statement_out_of_time_costs_the_transaction_only_where_the_engine_says_so() {
    for (options, survives) in [(FakeOptions::new(), true), (FakeOptions::like_postgres(), false)] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        tx.set_timeout(Some(ms(10)));
        assert_eq!(tx.exec("SLEEP 60000", ()).await.unwrap_err().kind(), ErrorKind::Timeout);
        tx.set_timeout(None);
        let next = tx.exec(TAKE, (1, 1)).await;
        assert_eq!(next.is_ok(), survives, "{next:?}");
        assert_eq!(tx.commit().await.is_ok(), survives);
        let left = if survives { 98 } else { 100 };
        assert_eq!(balances(&db).await, [left, 100]);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn savepoints_may_be_dropped_and_the_outer_transaction_commits() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        accounts(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.exec(TAKE, (1, 1)).await.unwrap();
        let mut outer = tx.savepoint().await.unwrap();
        outer.exec(TAKE, (10, 1)).await.unwrap();
        let mut inner = outer.savepoint().await.unwrap();
        inner.exec(TAKE, (20, 1)).await.unwrap();
        let mut innermost = inner.savepoint().await.unwrap();
        innermost.exec(TAKE, (40, 1)).await.unwrap();
        drop(innermost);
        drop(inner);
        outer.exec(TAKE, (2, 1)).await.unwrap();
        outer.release().await.unwrap();
        let mut dropped = tx.savepoint().await.unwrap();
        dropped.exec(TAKE, (5, 2)).await.unwrap();
        let mut kept = dropped.savepoint().await.unwrap();
        kept.exec(TAKE, (5, 2)).await.unwrap();
        kept.release().await.unwrap();
        drop(dropped);
        tx.commit().await.unwrap();
        assert_eq!(balances(&db).await, [87, 100]);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn a_savepoint_heals_a_failed_transaction() {
    let server = FakeServer::with_options(FakeOptions::like_postgres());
    let db = open_one(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    for round in 0..3 {
        let mut sp = tx.savepoint().await.unwrap();
        sp.exec(TAKE, (50, 1)).await.unwrap();
        assert!(sp.exec("INSERT INTO accounts VALUES (1, 0)", ()).await.is_err());
        match round {
            0 => drop(sp),
            1 => sp.rollback().await.unwrap(),
            // Releasing what has failed fails; it is undone then.
            _ => assert_eq!(sp.release().await.unwrap_err().kind(), ErrorKind::TxFailed),
        }
        tx.exec(TAKE, (1, 1)).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [96, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn savepoint_calls_dropped_at_any_poll_leave_a_transaction_that_knows_itself() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_yielding(&server, 1);
        accounts(&db).await;
        for what in ["set", "release", "rollback"] {
            for polls in 1..12 {
                db.exec("UPDATE accounts SET balance = 100", ()).await.unwrap();
                let mut tx = db.begin().await.unwrap();
                tx.exec(TAKE, (1, 1)).await.unwrap();
                let mut kept = None;
                let ended = if what == "set" {
                    at_most(polls, tx.savepoint()).await.map(|sp| sp.map(drop))
                } else {
                    let mut sp = tx.savepoint().await.unwrap();
                    sp.exec(TAKE, (10, 1)).await.unwrap();
                    if what == "release" {
                        let ended = at_most(polls, sp.release()).await;
                        kept = Some(ended.is_some());
                        ended
                    } else {
                        at_most(polls, sp.rollback()).await
                    }
                };
                if let Some(result) = ended {
                    result.unwrap();
                }
                let next = tx.exec(TAKE, (2, 1)).await;
                let context = format!("{what} {polls} {next:?}");
                match next {
                    Ok(_) => {
                        tx.commit().await.unwrap();
                        let left = if kept == Some(true) { 87 } else { 97 };
                        assert_eq!(balances(&db).await, [left, 100], "{context}");
                    }
                    Err(error) => {
                        // Only a release that took effect unseen cannot be undone.
                        assert_eq!(error.kind(), ErrorKind::TxFailed, "{context}");
                        assert_eq!(kept, Some(false), "{context}");
                        assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxFailed);
                        assert_eq!(balances(&db).await, [100, 100], "{context}");
                    }
                }
            }
        }
        settled(&db).await;
        assert_eq!(server.counters().connects, 1);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_out_of_time_that_took_effect_dooms_the_transaction_and_not_a_savepoint_around_it()
 {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    let mut outer = tx.savepoint().await.unwrap();
    outer.exec(TAKE, (10, 1)).await.unwrap();
    {
        let inner = outer.savepoint().await.unwrap();
        server.inject(Injection::new(Operation::Execute, Fault::Delay(ms(15))).matching("RELEASE"));
        // Its own future, dropped by the timeout; the answer comes before the cancel would.
        let cut = tokio::time::timeout(ms(10), inner.release()).await;
        assert!(cut.is_err());
    }
    assert_eq!(outer.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::TxFailed);
    outer.rollback().await.unwrap();
    tx.exec(TAKE, (2, 1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [97, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn many_savepoints_leave_none_behind_on_the_server() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    for n in 0..100 {
        let mut sp = tx.savepoint().await.unwrap();
        sp.exec(TAKE, (1, 1)).await.unwrap();
        match n % 3 {
            0 => sp.release().await.unwrap(),
            1 => sp.rollback().await.unwrap(),
            _ => drop(sp),
        }
    }
    let _: i64 = tx.get("SELECT 1", ()).await.unwrap();
    let set = server.texts().iter().filter(|sql| sql.starts_with("SAVEPOINT")).count();
    let gone = server.texts().iter().filter(|sql| sql.starts_with("RELEASE")).count();
    assert_eq!((set, gone), (100, 100));
    tx.commit().await.unwrap();
    assert_eq!(balances(&db).await, [66, 100]);
}

#[tokio::test]
async fn the_drivers_own_connection_is_not_given_out_in_the_middle_of_something() {
    use aquifer_testkit::fake::FakeConnection;
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    assert_eq!(conn.driver::<FakeConnection>().unwrap().number(), 1);
    let mut rows = conn.query("SELECT n FROM series(1, 1000)", ()).await.unwrap();
    rows.next().await.unwrap();
    drop(rows);
    assert_eq!(conn.driver::<FakeConnection>().unwrap_err().kind(), ErrorKind::Unsupported);
    conn.ping().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    drop(tx);
    assert!(conn.driver::<FakeConnection>().is_err(), "a rollback is owed");
    conn.ping().await.unwrap();
    assert!(conn.driver::<FakeConnection>().is_ok());
    drop(conn);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_rolled_back_when_it_fails_and_when_it_is_dropped() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    let gate = Gate::new();
    {
        let work = db.transaction(async |tx| {
            tx.exec(TAKE, (1, 1)).await?;
            gate.pass().await;
            Ok(())
        });
        assert!(tokio::time::timeout(ms(10), work).await.is_err());
    }
    assert_eq!(balances(&db).await, [100, 100]);
    let failed: Result<()> = db
        .transaction(async |tx| {
            tx.exec(TAKE, (1, 1)).await?;
            tx.exec("INSERT INTO accounts VALUES (1, 0)", ()).await?;
            Ok(())
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::UniqueViolation);
    assert_eq!(balances(&db).await, [100, 100]);
    assert_eq!(ends.take(), [TransactionOutcome::Dropped, TransactionOutcome::RolledBack]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_others_undid_is_run_again() {
    let server = FakeServer::new();
    let (db, ends) = observed(&server);
    accounts(&db).await;
    server
        .inject(Injection::new(Operation::Commit, Fault::Fail(ErrorKind::Serialization)).times(2));
    let mut runs = 0;
    db.transaction_retry(TxOptions::new(), 5, async |tx| {
        runs += 1;
        tx.exec(TAKE, (1, 1)).await.map(drop)
    })
    .await
    .unwrap();
    assert_eq!(runs, 3);
    assert_eq!(balances(&db).await, [99, 100]);
    server
        .inject(Injection::new(Operation::Commit, Fault::Fail(ErrorKind::Serialization)).always());
    let error = db
        .transaction_retry(TxOptions::new(), 2, async |tx| tx.exec(TAKE, (1, 1)).await.map(drop))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Serialization);
    use TransactionOutcome::{Committed, Failed};
    assert_eq!(ends.take(), [Failed, Failed, Committed, Failed, Failed]);
    assert_eq!(balances(&db).await, [99, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_the_wait_for_a_connection_and_the_begin() {
    let server = FakeServer::new();
    let db = open_one(&server);
    db.ping().await.unwrap();
    let held = db.acquire().await.unwrap();
    server.set_latency(Operation::Begin, Some(ms(80)));
    let begun = tokio::spawn({
        let db = db.timeout(ms(100));
        async move { db.begin().await.map(drop) }
    });
    tokio::time::sleep(ms(50)).await;
    drop(held);
    assert_eq!(begun.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_text_that_would_end_the_transaction_is_refused_and_nothing_is_sent() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    let mut on_conn = conn.begin().await.unwrap();
    on_conn.exec(TAKE, (1, 2)).await.unwrap();
    server.clear_log();
    for text in [
        "COMMIT",
        "rollback",
        "BEGIN",
        "COMMIT; BEGIN",
        "SELECT 1; END",
        "START TRANSACTION",
        "ABORT",
    ] {
        let error = on_conn.exec(text, ()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::TxControl, Retry::Never), "{text}");
        assert!(error.nothing_sent() && error.hint().unwrap().contains("`commit`"), "{error}");
        let error = on_conn.get::<i64>(text, ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TxControl, "{text}");
    }
    let mut savepoint = on_conn.savepoint().await.unwrap();
    assert_eq!(savepoint.exec("COMMIT", ()).await.unwrap_err().kind(), ErrorKind::TxControl);
    let mut batch = savepoint.batch();
    let refused = batch.exec("COMMIT", ());
    let runs = batch.get::<i64>("SELECT 1", ());
    let mut done = batch.send().await.unwrap();
    assert_eq!(done.take(refused).unwrap_err().kind(), ErrorKind::TxControl);
    assert_eq!(done.take(runs).unwrap(), 1);
    savepoint.release().await.unwrap();
    // Savepoints of the user's own are his.
    on_conn.exec("SAVEPOINT mine", ()).await.unwrap();
    on_conn.exec("ROLLBACK TO mine", ()).await.unwrap();
    on_conn.exec("RELEASE mine", ()).await.unwrap();
    assert!(!server.texts().iter().any(|text| text.to_lowercase().starts_with("commit")));
    on_conn.commit().await.unwrap();
    // Without a `Tx`, the transaction is the user's.
    conn.exec("BEGIN", ()).await.unwrap();
    assert_eq!(conn.begin().await.unwrap_err().kind(), ErrorKind::TxOpen);
    conn.exec("COMMIT", ()).await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await, [100, 99]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_statement_that_ended_the_transaction_by_itself_says_so_and_nothing_follows() {
    let server = FakeServer::with_options(FakeOptions::new().ddl_commits(true));
    let db = open(&server);
    accounts(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.exec(TAKE, (1, 1)).await.unwrap();
    let error = tx.exec("CREATE TABLE more (id INTEGER)", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::TxDone, Retry::Never));
    assert!(!error.nothing_sent());
    let error = tx.exec(TAKE, (1, 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxDone);
    assert!(error.to_string().contains("the statement has ended the transaction"), "{error}");
    assert!(error.nothing_sent());
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxDone);
    assert_eq!(balances(&db).await, [99, 100]);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_batch_that_leaves_a_transaction_open_on_a_db_is_an_error() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut batch = db.batch();
    let _ = batch.exec("BEGIN", ());
    let _ = batch.exec(TAKE, (1, 1));
    assert_eq!(batch.send().await.unwrap_err().kind(), ErrorKind::TxControl);
    let mut batch = db.batch();
    let _ = batch.exec("BEGIN", ());
    let taken = batch.exec(TAKE, (1, 2));
    let _ = batch.exec("COMMIT", ());
    batch.send().await.unwrap().take(taken).unwrap();
    assert_eq!(balances(&db).await, [100, 99]);
    settled(&db).await;
    assert_at_rest(&db, &server);
}
