//! Servers that are killed, stand still, restart, are full or slow, while tasks write: nothing acknowledged is lost,
//! nobody waits past a deadline, there is no storm, and the pool is back by itself.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquifer::{Db, ErrorKind, Retry};
use aquifer_reliability::{Arena, Engine, Random, Server, Soak};
use aquifer_testkit::faults::FaultProxy;

const TASKS: usize = 12;
const MAX_OPEN: u32 = 6;
const DEADLINE: Duration = Duration::from_millis(400);
/// What a deadline may be overrun by, in the time of the runtime: see [`Tally::time`].
const OVERRUN: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
const MARK: &str = "INSERT INTO marks (tag, part) VALUES (?, 1)";

/// What the writers know.
#[derive(Debug, Default)]
struct Tally {
    next: AtomicI64,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<i64>>,
    /// Told that nothing was done.
    undone: Mutex<Vec<i64>>,
    unknown: AtomicU64,
    /// Counted by a task that sleeps for a [`TICK`] each time.
    ticks: AtomicU64,
    /// What the longest call took: by that count, and by the clock.
    longest: Mutex<(Duration, Duration)>,
}

impl Tally {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// The time that this process's timers have seen: while it gets no processor it stands still, and no deadline can be
    /// kept.
    fn time(&self) -> Duration {
        TICK * u32::try_from(self.ticks.load(Ordering::Relaxed)).expect("a test is not that long")
    }
}

async fn tick(tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(TICK).await;
        tally.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

async fn write(db: Db, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::Relaxed) {
        let tag = tally.next.fetch_add(1, Ordering::Relaxed);
        let (begun, time) = (Instant::now(), tally.time());
        let written = db.exec(MARK, (tag,)).await;
        let took = (tally.time() - time, begun.elapsed());
        {
            let mut longest = tally.longest.lock().unwrap();
            *longest = longest.max(took);
        }
        match written {
            Ok(_) => {
                tally.acknowledged.lock().unwrap().push(tag);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(error) => {
                let of_an_outage = matches!(
                    error.kind(),
                    ErrorKind::ConnectionLost
                        | ErrorKind::Connect
                        | ErrorKind::Timeout
                        | ErrorKind::PoolTimeout
                        | ErrorKind::Resources
                );
                assert!(of_an_outage, "{error:?}");
                assert!(!error.to_string().contains("aquifer:aquifer"), "a secret: {error}");
                match error.retry() {
                    Retry::Safe => tally.undone.lock().unwrap().push(tag),
                    _ => drop(tally.unknown.fetch_add(1, Ordering::Relaxed)),
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

/// A server under load, and what disturbs it.
struct Stage {
    engine: Engine,
    server: Arc<Server>,
    proxy: FaultProxy,
    arena: Arena,
    db: Db,
    tally: Arc<Tally>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Stage {
    async fn new(engine: Engine, connections: u32) -> Self {
        let server = Arc::new(Server::start(engine, connections));
        let arena = Arena::on(&server).await;
        let proxy = arena.proxy().unwrap();
        let builder = arena.through(&proxy).max_open(MAX_OPEN).query_timeout(DEADLINE);
        let db = builder.acquire_timeout(DEADLINE).open().unwrap();
        let tally = Arc::new(Tally::default());
        let mut tasks: Vec<_> =
            (0..TASKS).map(|_| tokio::spawn(write(db.clone(), Arc::clone(&tally)))).collect();
        tasks.push(tokio::spawn(tick(Arc::clone(&tally))));
        let stage = Self { engine, server, proxy, arena, db, tally, tasks };
        stage.succeeds("before anything").await;
        stage
    }

    /// Waits for more acknowledged writes; how long it took.
    async fn succeeds(&self, what: &str) -> Duration {
        let (begun, before) = (Instant::now(), self.tally.acknowledged());
        while self.tally.acknowledged() < before + 3 * TASKS {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{}: {what}: no recovery",
                self.engine
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        begun.elapsed()
    }

    /// Connections that were tried while `outage` went on, which lasted so long.
    async fn during(&self, outage: impl AsyncFnOnce()) -> (u64, Duration) {
        let (accepted, begun) = (self.proxy.accepted(), Instant::now());
        outage().await;
        (self.proxy.accepted() - accepted, begun.elapsed())
    }

    /// A storm is more than the pool's connections at once and then twenty tries in a second, for those that serve
    /// and for those that stop statements each.
    fn assert_no_storm(&self, tried: u64, lasted: Duration, what: &str) {
        let bound = 2.0 * (f64::from(MAX_OPEN) + 20.0 * lasted.as_secs_f64());
        assert!(
            (tried as f64) <= bound,
            "{}: {what}: {tried} connections in {lasted:?}",
            self.engine
        );
    }

    /// Stops the load and compares what the tasks were told with what is there.
    async fn finish(self, what: &str) {
        self.tally.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let (longest, of_the_clock) = *self.tally.longest.lock().unwrap();
        assert!(
            longest < DEADLINE + OVERRUN,
            "{}: {what}: a call took {longest:?}, by the clock {of_the_clock:?}",
            self.engine
        );
        let there = self.arena.direct().max_open(1).open().unwrap();
        let twice = "SELECT count(*) FROM (SELECT tag FROM marks GROUP BY tag HAVING count(*) > 1) AS twice";
        assert_eq!(
            there.get::<i64>(twice, ()).await.unwrap(),
            0,
            "{}: {what}: doubled",
            self.engine
        );
        let tags: Vec<i64> = there.select("SELECT tag FROM marks", ()).await.unwrap();
        let tags: std::collections::HashSet<i64> = tags.into_iter().collect();
        let acknowledged = std::mem::take(&mut *self.tally.acknowledged.lock().unwrap());
        let lost = acknowledged.iter().filter(|tag| !tags.contains(tag)).count();
        assert_eq!(lost, 0, "{}: {what}: acknowledged and lost", self.engine);
        let undone = std::mem::take(&mut *self.tally.undone.lock().unwrap());
        let wrong: Vec<_> = undone.iter().filter(|tag| tags.contains(tag)).collect();
        assert!(wrong.is_empty(), "{}: {what}: told undone, and there: {wrong:?}", self.engine);
        let stats = self.db.stats();
        assert_eq!((stats.in_use, stats.waiters), (0, 0), "{}: {what}: {stats:#?}", self.engine);
        assert!(self.db.close_within(Duration::from_secs(20)).await.is_clean());
        println!(
            "{}, {what}: {} acknowledged, {} told undone, {} unknown, lost 0, doubled 0; the longest call {longest:.1?}, \
             by the clock {of_the_clock:.1?}",
            self.engine,
            acknowledged.len(),
            undone.len(),
            self.tally.unknown.load(Ordering::Relaxed)
        );
    }
}

async fn killed(engine: Engine) {
    let soak = Soak::from_env();
    let stage = Stage::new(engine, 60).await;
    let mut kills = 0;
    while soak.goes_on(kills, 2) {
        let (tried, lasted) = stage
            .during(async || {
                stage.server.kill();
                tokio::time::sleep(Duration::from_millis(700)).await;
            })
            .await;
        stage.assert_no_storm(tried, lasted, "killed");
        stage.server.restart();
        let back = stage.succeeds("after a kill").await;
        println!(
            "{engine}: killed, {tried} tries in {lasted:.1?}, back {back:.2?} after the server"
        );
        kills += 1;
    }
    stage.finish("killed").await;
}

async fn stopped_and_restarted(engine: Engine) {
    let stage = Stage::new(engine, 60).await;
    let (tried, lasted) = stage
        .during(async || {
            stage.server.pause();
            tokio::time::sleep(Duration::from_millis(2500)).await;
        })
        .await;
    stage.assert_no_storm(tried, lasted, "stopped");
    stage.server.resume();
    let back = stage.succeeds("after standing still").await;
    println!("{engine}: stood still, {tried} tries in {lasted:.1?}, back after {back:.2?}");
    stage.server.restart();
    let back = stage.succeeds("after a restart").await;
    println!("{engine}: restarted, back after {back:.2?}");
    stage.finish("stopped and restarted").await;
}

/// Others take the connections that the server has.
async fn full_server(engine: Engine) {
    let stage = Stage::new(engine, 12).await;
    let mut others = Vec::new();
    for _ in 0..40 {
        let other = stage.arena.direct().max_open(1).acquire_timeout(Duration::from_millis(300));
        let other = other.open().unwrap();
        if other.ping().await.is_err() {
            break;
        }
        others.push(other);
    }
    assert!(!others.is_empty() && others.len() < 40, "{} fitted in", others.len());
    stage.proxy.cut_all();
    let (tried, lasted) = stage
        .during(async || {
            stage.succeeds("with those connections that are left").await;
            tokio::time::sleep(Duration::from_millis(1000)).await;
        })
        .await;
    stage.assert_no_storm(tried, lasted, "full");
    drop(others);
    stage.succeeds("when others have left").await;
    stage.finish("full").await;
}

/// Twenty times slower, then as before.
async fn slow_server(engine: Engine) {
    let stage = Stage::new(engine, 60).await;
    let slowed = stage.server.slowed(20);
    let (tried, lasted) = stage
        .during(async || {
            stage.succeeds("while it is slow").await;
            for _ in 0..4 {
                // It has to take new ones.
                stage.proxy.cut_all();
                stage.succeeds("with new connections while it is slow").await;
            }
        })
        .await;
    stage.assert_no_storm(tried, lasted, "slow");
    drop(slowed);
    let back = stage.succeeds("when it is fast again").await;
    println!("{engine}: slow, {tried} tries in {lasted:.1?}, back after {back:.2?}");
    stage.finish("slow").await;
}

/// The disk is full: writes are refused with a typed error, reads go on, and so do writes when there is room.
async fn full_disk(engine: Engine) {
    let server = Server::start_small(engine);
    let arena = Arena::on(&server).await;
    let db = arena.direct().max_open(2).open().unwrap();
    let text = if engine == Engine::Mysql { "LONGTEXT" } else { "text" };
    db.exec(&format!("CREATE TABLE big (id INT PRIMARY KEY, body {text})"), ()).await.unwrap();
    db.exec("INSERT INTO big VALUES (0, 'first')", ()).await.unwrap();
    server.fill_disk();
    // Letters in no order, so that no server makes little of them.
    let mut random = Random::new(7);
    let body: String = (0..400_000).map(|_| char::from(b'!' + random.below(90) as u8)).collect();
    let mut refused = None;
    for id in 1..200 {
        if let Err(error) = db.exec("INSERT INTO big VALUES (?, ?)", (id, &body)).await {
            refused = Some((id, error));
            break;
        }
    }
    let (id, error) = refused.unwrap_or_else(|| panic!("{engine}: the disk is never full"));
    // A file that may not grow has no SQLSTATE of its own at PostgreSQL, as a full disk has (53100).
    let told = error.kind() == ErrorKind::Resources || error.message().contains("File too large");
    assert!(told && error.retry() == Retry::Never, "{engine}: {error:?}");
    let rows: i64 = db.get("SELECT count(*) FROM big", ()).await.unwrap();
    assert_eq!(rows, id, "{engine}: all that was acknowledged, and nothing else");
    if server.empty_disk() {
        db.exec("INSERT INTO big VALUES (?, 'room again')", (1000,)).await.unwrap();
    }
    assert!(db.close().await.is_clean());
}

macro_rules! on_each_server {
    ($($scenario:ident: $postgres:ident, $mysql:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $postgres() {
                $scenario(Engine::Postgres).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $mysql() {
                $scenario(Engine::Mysql).await;
            }
        )*
    };
}

on_each_server! {
    killed: soak_postgres_killed, soak_mysql_killed;
    stopped_and_restarted: postgres_stopped_and_restarted, mysql_stopped_and_restarted;
    full_server: postgres_full, mysql_full;
    slow_server: postgres_slow, mysql_slow;
    full_disk: postgres_on_a_full_disk, mysql_on_a_full_disk;
}

#[tokio::test]
async fn sqlite_on_a_full_disk() {
    let arena = Arena::new(Engine::Sqlite).await;
    let db = arena.direct().max_open(1).open().unwrap();
    let mut conn = db.acquire().await.unwrap();
    conn.exec("PRAGMA max_page_count = 60", ()).await.unwrap();
    let mut refused = None;
    for tag in 0..100_000 {
        if let Err(error) = conn.exec(MARK, (tag,)).await {
            refused = Some((tag, error));
            break;
        }
    }
    let (tag, error) = refused.expect("60 pages are not for ever");
    assert_eq!(error.kind(), ErrorKind::Resources, "{error:?}");
    assert_eq!(conn.get::<i64>("SELECT count(*) FROM marks", ()).await.unwrap(), tag);
    conn.exec("PRAGMA max_page_count = 100000", ()).await.unwrap();
    conn.exec(MARK, (tag,)).await.unwrap();
}
