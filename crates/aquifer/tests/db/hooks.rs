//! Callbacks around a connection's life, as a `Db` gives them.

use std::sync::{Arc, Mutex};

use aquifer::pool::CloseReason;
use aquifer::{ErrorKind, Hooks, Result};
use aquifer_testkit::fake::{FakeServer, Operation};

use crate::support::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn each_hook_runs_at_its_place() {
    let server = FakeServer::new();
    let log = Log::default();
    let logs: [Log; 5] = std::array::from_fn(|_| log.clone());
    let [first, second, third, fourth, fifth] = logs;
    let hooks = Hooks::new()
        .before_connect(move || {
            first.note("before_connect");
            Box::pin(async { Ok(()) })
        })
        .after_connect(move |link, info| {
            second.note(format!("after_connect {}", info.id));
            Box::pin(async move { link.exec("SET greeting = ?", ("hello",)).await.map(drop) })
        })
        .before_acquire(move |link, info| {
            third.note(format!("before_acquire {}", info.uses));
            Box::pin(async move { link.get::<String>("SHOW greeting", ()).await.map(|_| true) })
        })
        .after_release(move |_, info| {
            fourth.note(format!("after_release {}", info.uses));
            Box::pin(async { Ok(true) })
        })
        .before_close(move |_, _, reason: CloseReason| {
            fifth.note(format!("before_close {reason}"));
            Box::pin(async {})
        });
    let db = builder(&server).max_open(1).hooks(hooks).open().unwrap();
    assert_eq!(db.get::<String>("SHOW greeting", ()).await.unwrap(), "hello");
    assert_eq!(db.get::<String>("SHOW greeting", ()).await.unwrap(), "hello");
    assert!(db.close().await.is_clean());
    let expected = [
        "before_connect",
        "after_connect 1",
        "after_release 1",
        "before_acquire 1",
        "after_release 2",
        "before_close pool_closed",
    ];
    assert_eq!(log.take(), expected);
    server.assert_clean();
}

#[tokio::test]
async fn a_hook_that_leaves_a_transaction_open_does_not_hand_it_on() {
    let server = FakeServer::new();
    let hooks = Hooks::new().after_release(|link, _| {
        Box::pin(async move { link.exec("BEGIN", ()).await.map(|_| true) })
    });
    let db = builder(&server).max_open(1).hooks(hooks).open().unwrap();
    accounts(&db).await;
    db.exec(TAKE, (1, 1)).await.unwrap();
    drop(db.acquire().await.unwrap());
    settled(&db).await;
    let mut conn = db.acquire().await.unwrap();
    assert_eq!(conn.status(), aquifer::driver::Status::Idle);
    conn.exec(TAKE, (1, 1)).await.unwrap();
    drop(conn);
    assert_eq!(balances(&db).await, [98, 100]);
}

#[tokio::test]
async fn a_refused_connection_is_replaced_and_a_failed_dial_says_why() {
    let server = FakeServer::new();
    let hooks = Hooks::new().before_acquire(|_, info| {
        let fresh = info.uses < 2;
        Box::pin(async move { Ok(fresh) })
    });
    let db = builder(&server).max_open(1).hooks(hooks).open().unwrap();
    for _ in 0..4 {
        assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    }
    assert!(server.counters().connects >= 2);
    let hooks = Hooks::new().after_connect(|link, _| {
        Box::pin(async move { link.exec("SELECT nonsense", ()).await.map(drop) })
    });
    let db = builder(&server).max_open(1).hooks(hooks).open().unwrap();
    let error = db.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    assert!(error.nothing_sent());
}

#[tokio::test]
async fn a_check_query_stands_in_for_the_drivers_ping() -> Result<()> {
    let server = FakeServer::new();
    let db = builder(&server)
        .max_open(1)
        .set("check_on_acquire", "true")?
        .check_query("SELECT 'alive'")
        .open()?;
    db.exec("SELECT 1", ()).await?;
    db.exec("SELECT 1", ()).await?;
    assert_eq!(count(&server, Operation::Ping), 0);
    assert!(server.texts().iter().any(|sql| sql.contains("alive")));
    Ok(())
}
