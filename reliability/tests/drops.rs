//! Every public operation, dropped at every one of its polls, on every engine: what is left is clean.

use std::time::Duration;

use aquifer::driver::Connection;
use aquifer::postgres::{Event, Listener};
use aquifer::sqlite::SqliteConnection;
use aquifer::{Db, Error, Multiplexing};
use aquifer_reliability::{Arena, Books, Company, Engine, Operation, operations, settled};
use aquifer_testkit::at_most;
use aquifer_testkit::faults::{Fault, FaultProxy, Side, What, When};
use tokio::task::JoinHandle;

/// Statements that a connection keeps.
const CACHE: i64 = 8;
/// How long a statement that nobody waits for may still run on a busy machine.
const GRACE: Duration = Duration::from_secs(20);
/// Files that SQLite may keep for connections to come: less than one for each drop.
const FILES_KEPT: usize = 4;
/// Statements that a connection to a file keeps.
const SQLITE_CACHE: u64 = 128;
const POLLS_MAX: usize = 3000;
/// Calls of others beside an operation, where they need a task each.
const NEIGHBOURS: i64 = 3;

struct Stage {
    arena: Arena,
    proxy: Option<FaultProxy>,
    books: Books,
    db: Db,
    company: Option<Company>,
    tag: i64,
}

impl Stage {
    async fn new(engine: Engine, multiplex: Multiplexing) -> Self {
        let arena = Arena::new(engine).await;
        let proxy = arena.proxy();
        let builder = arena.yielding(proxy.as_ref());
        let builder = match engine {
            Engine::Sqlite => builder.max_open(2).multiplex(multiplex),
            // One that is shared, and one for the rest.
            _ if multiplex != Multiplexing::Off => {
                builder.max_open(2).multiplex(multiplex).multiplex_connections(1)
            }
            _ => builder.max_open(1),
        };
        let db = builder.open().unwrap();
        let books = arena.books().await;
        let company = match (multiplex, engine) {
            // Whatever reads there shares; a call that nobody polls would keep the others waiting.
            (Multiplexing::Off, _) | (_, Engine::Sqlite) => None,
            _ => Some(Company::on(&db).await),
        };
        Self { arena, proxy, books, db, company, tag: 0 }
    }

    /// From here on what the server sends comes in small pieces, so that there are many polls.
    fn trickle(&self) {
        let slow = What::Throttle { bytes: 7, pause: Duration::from_micros(50) };
        if let Some(proxy) = &self.proxy {
            proxy.arm(Fault::new(Side::Server, When::Messages(0), slow));
        }
    }

    /// Where reads of many tasks go in one flight, which one of them leads: calls that are in flights with the
    /// operation's, and whose answers must be theirs, whoever of them is dropped.
    fn neighbours(&self) -> Vec<JoinHandle<()>> {
        let shares = self.db.options().calls.multiplex != Multiplexing::Off;
        let count = if shares && self.arena.engine() == Engine::Sqlite { NEIGHBOURS } else { 0 };
        let begin = |number| {
            let (db, expected) = (self.db.clone(), self.tag + number);
            tokio::spawn(async move {
                let answer: i64 = db.get("SELECT ? + 0", (expected,)).await.expect("an answer");
                assert_eq!(answer, expected, "a neighbour's answer");
            })
        };
        (0..count).map(begin).collect()
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
        match books.prepared(db).await {
            Some(prepared) => {
                assert!(prepared <= CACHE, "{what}: {prepared} statements at the server");
                // Cancel requests have connections of their own, and end with them.
                assert!(!sessions.is_empty(), "{what}: the connection is gone");
            }
            None => {
                let mut conn = db.acquire().await.unwrap();
                let sqlite: &mut SqliteConnection = conn.driver().unwrap();
                let held = sqlite.statement_count().expect("no command is under way") as u64;
                assert_eq!(held, sqlite.counters().cached, "{what}: statements of the engine's");
                assert!(held <= SQLITE_CACHE, "{what}: {held} statements");
            }
        }
        // Over a file nobody keeps a connection to share it.
        let kept = db.options().calls.multiplex != Multiplexing::Off;
        if kept && arena.engine() != Engine::Sqlite {
            primary_settled(db, &what).await;
        } else {
            settled(db, &what).await;
        }
        let stats = db.stats();
        assert_eq!((stats.pools[0].1.in_use, stats.waiters), (0, 0), "{what}: {stats:#?}");
        assert!(stats.open_connections <= stats.max_open_connections, "{what}: {stats:#?}");
        let made = stats.closed_total() + u64::from(stats.open_connections);
        assert_eq!(stats.connects_ok, made, "{what}: {stats:#?}");
        let held = stats.hold.count() + u64::from(stats.in_use);
        assert_eq!(stats.acquires, held, "{what}: {stats:#?}");
        if arena.engine() != Engine::Sqlite {
            let open = stats.open_connections as usize;
            self.books.at_most(open, GRACE).await;
        }
    }
}

/// As [`settled`], for the connections that are not shared: those that are stay with who shares them.
async fn primary_settled(db: &Db, what: &str) {
    for _ in 0..10_000 {
        let stats = &db.stats().pools[0].1;
        let busy = stats.in_use + stats.connecting + stats.checking + stats.recovering;
        if busy + stats.closing + stats.waiters == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    panic!("{what}: the pool does not come to rest: {:#?}", db.stats());
}

async fn dropped_at_every_poll(engine: Engine, multiplex: Multiplexing) {
    let mut stage = Stage::new(engine, multiplex).await;
    let (mut drops, mut ran) = (0, 0);
    let mut sharing = Vec::new();
    for operation in operations(engine) {
        stage.trickle();
        let mut shared = 0;
        for polls in 1.. {
            assert!(polls < POLLS_MAX, "{engine}, {}: it does not end", operation.name);
            stage.tag += 1;
            let before = stage.db.stats().multiplex.shared;
            let run = operation.run(&stage.db, engine, stage.tag);
            let neighbours = stage.neighbours();
            let ended = at_most(polls, run).await;
            let begun = neighbours.len() as u64;
            for neighbour in neighbours {
                neighbour.await.expect("a neighbour's answer");
            }
            shared += stage.db.stats().multiplex.shared - before - begun;
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
        if shared > 0 {
            sharing.push(operation.name);
        }
    }
    let shared = |name| sharing.contains(&name);
    assert_eq!(shared("select, first use"), multiplex != Multiplexing::Off, "{sharing:?}");
    assert_eq!(shared("exec, first use"), multiplex == Multiplexing::Statements, "{sharing:?}");
    let counted = stage.db.stats().multiplex;
    if multiplex != Multiplexing::Off && engine == Engine::Sqlite {
        // Calls went together, and those of others have outlived the one that led them.
        assert!(counted.flights < counted.shared && counted.resent > 0, "{counted:?}");
    }
    println!("{engine}: {ran} operations, dropped {drops} times");
    drop(stage.company);
    assert!(stage.db.close().await.is_clean());
}

#[tokio::test]
async fn sqlite_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Sqlite, Multiplexing::Off).await;
}

#[tokio::test]
async fn sqlite_operations_that_share_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Sqlite, Multiplexing::Reads).await;
}

#[tokio::test]
async fn postgres_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Postgres, Multiplexing::Off).await;
}

#[tokio::test]
async fn postgres_operations_that_share_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Postgres, Multiplexing::Reads).await;
}

#[tokio::test]
async fn postgres_operations_that_share_and_write_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Postgres, Multiplexing::Statements).await;
}

#[tokio::test]
async fn mysql_operations_dropped_at_every_poll() {
    dropped_at_every_poll(Engine::Mysql, Multiplexing::Off).await;
}

/// Opens, asks and closes; dropped anywhere, and then the `Db` with it.
async fn opened_and_closed(engine: Engine) {
    let stage = Stage::new(engine, Multiplexing::Off).await;
    // Their own connections only.
    assert!(stage.db.close().await.is_clean());
    stage.books.at_most(0, GRACE).await;
    let files = open_files();
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "{engine}: it does not end");
        stage.trickle();
        let db = stage.arena.yielding(stage.proxy.as_ref()).max_open(2).open().unwrap();
        let run = async {
            db.ping().await?;
            let conn = db.acquire().await?;
            drop(conn);
            assert!(db.close().await.is_clean());
            Ok::<(), Error>(())
        };
        let ended = at_most(polls, run).await;
        if ended.is_none() && polls % 2 == 0 {
            // Whoever gave up may close it in peace.
            assert!(db.close().await.is_clean(), "{engine}: dropped after {polls} polls");
            assert_eq!(db.stats().open_connections, 0, "{engine}: after {polls} polls");
        }
        drop(db);
        stage.books.at_most(0, GRACE).await;
        if engine == Engine::Sqlite {
            // The engine keeps some of a closed connection for the next one, while another is open.
            until(|| open_files() <= files + FILES_KEPT, "files are left open").await;
        }
        if let Some(result) = ended {
            result.unwrap_or_else(|error| panic!("{engine}: {error:?}"));
            assert!(polls > 3, "{engine}: it was dropped {polls} times");
            println!("{engine}: opened and closed, dropped {} times", polls - 1);
            return;
        }
    }
}

/// Files of this process, where they have names.
fn open_files() -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("the kernel lists them");
    let targets = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("test.db")).count()
}

async fn until(mut holds: impl FnMut() -> bool, what: &str) {
    for _ in 0..4000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn sqlite_opened_and_closed_dropped_at_every_poll() {
    opened_and_closed(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_opened_and_closed_dropped_at_every_poll() {
    opened_and_closed(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_opened_and_closed_dropped_at_every_poll() {
    opened_and_closed(Engine::Mysql).await;
}

#[tokio::test]
async fn postgres_listening_dropped_at_every_poll() {
    let stage = Stage::new(Engine::Postgres, Multiplexing::Off).await;
    let proxy = stage.proxy.as_ref().unwrap();
    let there = stage.arena.address().unwrap().to_string();
    let url = stage.arena.url().replace(&there, &proxy.address().to_string());
    let url = url.replace("&statement_cache_capacity=8", "");
    let sender = stage.arena.direct().max_open(1).open().unwrap();
    sender.ping().await.unwrap();
    for polls in 1.. {
        assert!(polls < POLLS_MAX, "it does not end");
        stage.trickle();
        let run = async {
            let mut listener = Listener::connect(&url).await?;
            listener.listen("c").await?;
            listener.ping().await?;
            sender.exec("NOTIFY c, 'x'", ()).await?;
            loop {
                match listener.recv().await {
                    Some(Event::Notification(heard)) => {
                        assert_eq!((&*heard.channel, &*heard.payload), ("c", "x"));
                        return Ok::<(), Error>(());
                    }
                    Some(_) => {}
                    None => panic!("nobody has closed it"),
                }
            }
        };
        let ended = at_most(polls, run).await;
        // That of the sender.
        stage.books.at_most(1, GRACE).await;
        sender.ping().await.unwrap();
        if let Some(result) = ended {
            result.unwrap();
            assert!(polls > 3, "it was dropped {polls} times");
            println!("PostgreSQL: listening, dropped {} times", polls - 1);
            break;
        }
    }
    assert!(sender.close().await.is_clean());
}

/// A transaction that is dropped is over for whoever has its connection next: the one who holds it, and the one who gets
/// it from the pool, which keeps it.
async fn a_dropped_transaction_is_rolled_back(engine: Engine) {
    let arena = Arena::new(engine).await;
    let db = arena.direct().max_open(1).open().unwrap();
    let other = arena.direct().max_open(1).open().unwrap();
    let insert = "INSERT INTO marks (tag, part) VALUES (?, ?)";
    let tags = "SELECT tag FROM marks ORDER BY tag";
    let mut conn = db.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    tx.exec(insert, (1, 1)).await.unwrap();
    drop(tx);
    conn.exec(insert, (2, 1)).await.unwrap();
    // Not within what was dropped: others see it while the connection is held.
    assert_eq!(other.select::<i64>(tags, ()).await.unwrap(), [2], "{engine}");
    let mut tx = conn.begin().await.unwrap();
    tx.exec(insert, (3, 1)).await.unwrap();
    drop(tx);
    drop(conn);
    settled(&db, "a transaction dropped with its connection").await;
    // Nobody has borrowed it since, and nothing is locked.
    other.exec("UPDATE marks SET part = 2", ()).await.unwrap();
    other.exec("DELETE FROM marks WHERE tag = 3", ()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.exec(insert, (4, 1)).await.unwrap();
    tx.exec("UPDATE marks SET part = 3 WHERE tag = 2", ()).await.unwrap();
    drop(tx);
    db.exec(insert, (5, 1)).await.unwrap();
    assert_eq!(other.select::<i64>(tags, ()).await.unwrap(), [2, 5], "{engine}");
    // By a rollback, not by the end of its session.
    let stats = db.stats();
    assert_eq!((stats.connects_ok, stats.closed_total()), (1, 0), "{engine}: {stats:#?}");
}

#[tokio::test]
async fn sqlite_dropped_transactions_are_rolled_back_and_their_connections_kept() {
    a_dropped_transaction_is_rolled_back(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_dropped_transactions_are_rolled_back_and_their_connections_kept() {
    a_dropped_transaction_is_rolled_back(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_dropped_transactions_are_rolled_back_and_their_connections_kept() {
    a_dropped_transaction_is_rolled_back(Engine::Mysql).await;
}
