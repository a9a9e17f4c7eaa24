//! An acquire within work that keeps a lease: told at once when it could not end, and left alone when it can.

mod common;

use std::sync::Arc;

use aquifer_pool::{AcquireErrorKind, TimeoutKind};
use common::*;
use tokio::{
    sync::Barrier,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

#[tokio::test(start_paused = true)]
async fn a_nested_acquire_over_the_only_connection_fails_at_once_and_names_the_holder() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let lease = pool.acquire(&labelled("orders.place")).await.unwrap();
    let (scope, begun) = (lease.scope(), Instant::now());
    let nested = scope.run(async { pool.acquire(&labelled("stock.get")).await.map(drop) }).await;
    let error = nested.unwrap_err();
    assert_eq!(begun.elapsed(), ms(0), "no budget was spent");
    assert_eq!(error.kind(), AcquireErrorKind::Deadlock);
    assert_eq!(
        error.to_string(),
        "waiting would never end: the limit is 1 connection, and each is kept by work that itself waits for another, the longest by orders.place for 0s"
    );
    let stats = pool.stats();
    assert_eq!((stats.refused_deadlock, stats.waiters, stats.in_use), (1, 0, 1));
    drop(lease);
    drop(pool.acquire(&request()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn of_tasks_that_each_keep_one_and_ask_for_another_one_fails_and_the_others_go_on() {
    let server = Server::new();
    let pool = pool_of(&server, limit(5));
    let all_have_one = Arc::new(Barrier::new(5));
    let mut tasks = JoinSet::new();
    for _ in 0..5 {
        let (pool, all_have_one) = (pool.clone(), Arc::clone(&all_have_one));
        tasks.spawn(async move {
            let lease = pool.acquire(&request()).await.unwrap();
            let work = async {
                all_have_one.wait().await;
                pool.acquire(&request()).await.map(drop)
            };
            lease.scope().run(work).await.map_err(|error| error.kind())
        });
    }
    let begun = Instant::now();
    let mut outcomes = tasks.join_all().await;
    assert_eq!(begun.elapsed(), ms(0));
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), Ok(()), Err(AcquireErrorKind::Deadlock)]);
    assert_eq!(pool.stats().refused_deadlock, 1);
}

#[tokio::test(start_paused = true)]
async fn two_calls_beside_each_other_in_one_task_are_not_nested() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let call = || async {
        let lease = pool.acquire(&request()).await?;
        lease.scope().run(sleep(ms(10))).await;
        Ok::<_, aquifer_pool::AcquireError<Fault>>(())
    };
    let (one, two, three) = tokio::join!(call(), call(), call());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_another_holder_will_end_goes_on() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let other = pool.acquire(&request()).await.unwrap().into_owned();
    tokio::spawn(async move {
        sleep(ms(30)).await;
        drop(other);
    });
    let lease = pool.acquire(&request()).await.unwrap();
    let nested = lease.scope().run(async { pool.acquire(&request()).await.map(|l| l.waited()) });
    assert_eq!(nested.await.unwrap(), ms(30));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_given_up_keeps_nobody_waiting() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let (one, two) =
        (pool.acquire(&request()).await.unwrap(), pool.acquire(&request()).await.unwrap());
    let given_up = one.scope().run(timeout(ms(5), async { pool.acquire(&request()).await }));
    assert!(given_up.await.is_err());
    // The first has stopped waiting: it may give its connection back, and so the second may wait.
    let nested = two.scope().run(async { pool.acquire(&within(ms(20))).await.map(drop) });
    let kind = nested.await.unwrap_err().kind();
    assert_eq!(kind, AcquireErrorKind::Timeout(TimeoutKind::Exhausted));
    drop((one, two));
}

#[tokio::test(start_paused = true)]
async fn another_pool_and_another_task_are_not_nested() {
    let (server, other) = (Server::new(), Server::new());
    let (pool, elsewhere) = (pool_of(&server, limit(1)), pool_of(&other, limit(1)));
    let lease = pool.acquire(&request()).await.unwrap();
    let local = LocalSet::new();
    let exhausted = AcquireErrorKind::Timeout(TimeoutKind::Exhausted);
    let work = async {
        drop(elsewhere.acquire(&request()).await.unwrap());
        let asking = pool.clone();
        // Polled within the scope, but a task of its own: the work need not wait for it.
        let beside = async move { asking.acquire(&within(ms(20))).await.map(drop) };
        let beside = local.run_until(local.spawn_local(beside)).await;
        assert_eq!(beside.unwrap().unwrap_err().kind(), exhausted);
    };
    lease.scope().run(work).await;
    // And outside of the scope again: the lease may come back any time.
    assert_eq!(pool.acquire(&within(ms(20))).await.map(drop).unwrap_err().kind(), exhausted);
}

#[tokio::test(start_paused = true)]
async fn leases_of_nested_work_all_count() {
    let server = Server::new();
    let pool = pool_of(&server, limit(2));
    let outer = pool.acquire(&request()).await.unwrap();
    let work = async {
        let inner = pool.acquire(&request()).await.unwrap();
        let nested = inner.scope().run(async { pool.acquire(&request()).await.map(drop) }).await;
        nested.unwrap_err().kind()
    };
    assert_eq!(outer.scope().run(work).await, AcquireErrorKind::Deadlock);
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_the_work_leaves_nothing_behind() {
    let server = Server::new();
    let pool = pool_of(&server, limit(1));
    let panicking = tokio::spawn({
        let pool = pool.clone();
        async move {
            let lease = pool.acquire(&request()).await.unwrap();
            lease.scope().run(async { panic!("asked to") }).await
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    let blocking = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lease = pool.try_acquire(&request()).unwrap();
        lease.scope().enter(|| panic!("asked to"))
    }));
    assert!(blocking.is_err());
    let _held = pool.acquire(&request()).await.unwrap();
    let kind = pool.acquire(&within(ms(20))).await.map(drop).unwrap_err().kind();
    assert_eq!(kind, AcquireErrorKind::Timeout(TimeoutKind::Exhausted), "no scope is open");
}
