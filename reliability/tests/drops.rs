//! Every public operation, dropped at every one of its polls, on every engine: what is left is clean.

use std::time::Duration;

use aquifer::Db;
use aquifer_reliability::{Arena, Books, Engine, Operation, operations, settled};
use aquifer_testkit::at_most;
use aquifer_testkit::faults::{Fault, FaultProxy, Side, What, When};

/// Statements that a connection keeps.
const CACHE: i64 = 8;
/// How long a statement that nobody waits for may still run on a busy machine.
const GRACE: Duration = Duration::from_secs(20);
const POLLS_MAX: usize = 3000;

struct Stage {
    arena: Arena,
    proxy: Option<FaultProxy>,
    books: Books,
    db: Db,
    tag: i64,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        let arena = Arena::new(engine).await;
        let proxy = arena.proxy();
        let builder = arena.yielding(proxy.as_ref());
        let builder = match engine {
            Engine::Sqlite => builder.max_open(2),
            _ => builder.max_open(1),
        };
        let db = builder.open().unwrap();
        let books = arena.books().await;
        Self { arena, proxy, books, db, tag: 0 }
    }

    /// From here on what the server sends comes in small pieces, so that there are many polls.
    fn trickle(&self) {
        let slow = What::Throttle { bytes: 7, pause: Duration::from_micros(50) };
        if let Some(proxy) = &self.proxy {
            proxy.arm(Fault::new(Side::Server, When::Messages(0), slow));
        }
    }

    /// What must hold after a drop.
    async fn check(&mut self, operation: &Operation, polls: usize, succeeded: bool) {
        let Self { arena, books, db, tag, .. } = self;
        let what = format!("{}, {}, dropped after {polls} polls", arena.engine(), operation.name);
        // The next borrower, at once, on the one connection that there is.
        let probe: i64 = db.get("SELECT ? + 0", (*tag,)).await.unwrap_or_else(|error| {
            panic!("{what}: the next borrower: {error:?}");
        });
        assert_eq!(probe, *tag, "{what}: the next borrower's answer");
        let set: i64 = db.get(arena.engine().is_set(), ()).await.unwrap();
        assert_eq!(set, 0, "{what}: the session is not as it was");
        let sessions = books.at_rest(GRACE).await;
        assert_eq!(books.money().await, 200, "{what}: money was made or lost");
        let marks = books.marks(*tag).await;
        operation.effect.check(&marks, succeeded).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        if let Some(prepared) = books.prepared(db).await {
            assert!(prepared <= CACHE, "{what}: {prepared} statements at the server");
            // Cancel requests have connections of their own, and end with them.
            assert!(!sessions.is_empty(), "{what}: the connection is gone");
        }
        settled(db, &what).await;
        let stats = db.stats();
        assert_eq!((stats.in_use, stats.waiters), (0, 0), "{what}: {stats:#?}");
        assert!(stats.open_connections <= stats.max_open_connections, "{what}: {stats:#?}");
    }
}

async fn dropped_at_every_poll(engine: Engine) {
    let mut stage = Stage::new(engine).await;
    let (mut drops, mut ran) = (0, 0);
    for operation in operations(engine) {
        stage.trickle();
        for polls in 1.. {
            assert!(polls < POLLS_MAX, "{engine}, {}: it does not end", operation.name);
            stage.tag += 1;
            let run = operation.run(&stage.db, engine, stage.tag);
            let ended = at_most(polls, run).await;
            let succeeded = ended.is_some();
            if let Some(result) = ended {
                result.unwrap_or_else(|error| panic!("{engine}, {}: {error:?}", operation.name));
            }
            stage.check(&operation, polls, succeeded).await;
            if succeeded {
                assert!(polls > 1, "{engine}, {}: it was never dropped", operation.name);
                drops += polls - 1;
                ran += 1;
                break;
            }
        }
    }
    println!("{engine}: {ran} operations, dropped {drops} times");
    assert!(stage.db.close().await.is_clean());
}

#[tokio::test]
async fn sqlite_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Mysql).await;
}
