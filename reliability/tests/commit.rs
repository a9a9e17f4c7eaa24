//! Commits whose answer is lost: what `commit` says became of them is what is there, and nothing is there twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, Retry, TxOptions};
use aquifer_reliability::{Arena, Books, Engine, Random, Server, Soak};

use aquifer_testkit::faults::{Counts, Fault, FaultProxy, Side, What, When};
use aquifer_testkit::postgres;

const MARK: &str = "INSERT INTO marks (tag, part) VALUES (?, ?)";
/// Faults of each kind in the bounded form.
const FAULTS: u64 = 150;
const SILENCE: Duration = Duration::from_secs(300);
/// The deadline of a commit that meets silence.
const PATIENCE: Duration = Duration::from_millis(600);

/// How a transaction's outcome can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Plain,
    Tracked,
    Marked,
}

impl How {
    fn options(self) -> TxOptions {
        match self {
            Self::Plain => TxOptions::new(),
            Self::Tracked => TxOptions::new().track_commit(),
            Self::Marked => TxOptions::new().mark_commit(),
        }
    }

    /// Whether a server that lives can always tell.
    fn always_tells(self, engine: Engine) -> bool {
        match self {
            Self::Plain => false,
            Self::Tracked => engine == Engine::Postgres,
            Self::Marked => true,
        }
    }
}

/// How a transaction comes to its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// On a connection of the pool's.
    Lent,
    /// On one that is held.
    Held,
    /// With its last statement queued.
    LastQueued,
    /// With all of them queued.
    AllQueued,
}

impl On {
    const ALL: [Self; 4] = [Self::Lent, Self::Held, Self::LastQueued, Self::AllQueued];
}

/// What a commit said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Committed,
    FoundOut,
    Undone,
    Unknown,
}

impl Said {
    fn of(error: &Error, what: &str) -> Self {
        assert!(!error.to_string().contains("aquifer:aquifer"), "a secret: {error}");
        match (error.kind(), error.retry()) {
            (ErrorKind::CommitUnknown, Retry::Unknown) => Self::Unknown,
            (ErrorKind::ConnectionLost | ErrorKind::Timeout, Retry::Transaction | Retry::Safe) => {
                Self::Undone
            }
            _ => panic!("{what}: {error:?}"),
        }
    }
}

/// What was said of transactions, to be compared with what is there.
#[derive(Debug, Default)]
struct Record {
    said: BTreeMap<i64, Said>,
    met: BTreeMap<(String, How, Said), u64>,
}

impl Record {
    fn add(&mut self, tag: i64, what: &str, how: How, said: Said) {
        self.said.insert(tag, said);
        *self.met.entry((what.to_owned(), how, said)).or_default() += 1;
    }

    fn count(&self, how: How, said: Said) -> u64 {
        let of = |(_, h, s): &(String, How, Said)| *h == how && *s == said;
        self.met.iter().filter(|(key, _)| of(key)).map(|(_, times)| times).sum()
    }

    /// Also what was said long ago: a COMMIT that arrives late must not have changed it.
    fn compare(&self, there: &[(i64, i64, i64)]) {
        let mut parts: BTreeMap<i64, i64> = BTreeMap::new();
        for (tag, part, times) in there {
            assert_eq!(*times, 1, "part {part} of {tag} is there {times} times");
            *parts.entry(*tag).or_default() += 1;
        }
        for (tag, said) in &self.said {
            let there = parts.get(tag).copied().unwrap_or(0);
            match said {
                Said::Committed | Said::FoundOut => assert_eq!(there, 2, "{tag} is {said:?}"),
                Said::Undone => assert_eq!(there, 0, "{tag} is {said:?}"),
                Said::Unknown => assert!(there == 0 || there == 2, "half of {tag}"),
            }
        }
    }

    fn print(&self, engine: Engine, seed: u64) {
        println!("{engine}: {} commits; seed {seed}", self.said.len());
        for ((what, how, said), times) in &self.met {
            println!("  {times:>6}  {what:<28} {how:<8?} {said:?}");
        }
    }
}

const THERE: &str = "SELECT tag, part, count(*) FROM marks GROUP BY tag, part";

struct Stage {
    engine: Engine,
    proxy: FaultProxy,
    books: Books,
    db: Db,
    tag: i64,
    record: Record,
}

impl Stage {
    async fn new(engine: Engine) -> (Self, Arena) {
        let arena = Arena::new(engine).await;
        let proxy = arena.proxy().expect("an engine behind a network");
        let books = arena.books().await;
        // One connection: whoever finds out about a commit has that of the commit.
        let builder = arena.through(&proxy).max_open(1).set("recover_timeout", "100ms").unwrap();
        let builder = builder.set("commit_resolve_timeout", "60s").unwrap();
        let db = builder.open().unwrap();
        (Self { engine, proxy, books, db, tag: 0, record: Record::default() }, arena)
    }

    /// What passes while a commit is answered.
    async fn counts(&mut self, how: How) -> Counts {
        self.tag += 1;
        let mut tx = self.begin(how).await;
        tx.exec(MARK, (self.tag, 1)).await.unwrap();
        // The most that a commit has to say.
        tx.enqueue(MARK, (self.tag, 2)).await.unwrap();
        self.proxy.count();
        tx.commit().await.unwrap();
        self.proxy.counts()
    }

    /// After cuts that may have come when nobody looked: until a connection answers.
    async fn come_to_rest(&self) {
        while self.db.ping().await.is_err() {}
    }

    /// Those that had committed, or asked, are the network's to end; none is in a transaction.
    async fn none_in_a_transaction(&self) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while self.books.sessions().await.iter().any(|session| session.in_transaction) {
            assert!(std::time::Instant::now() < until, "{:?}", self.books.sessions().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn begin(&self, how: How) -> aquifer::Tx {
        self.db.begin_with(how.options()).await.unwrap()
    }

    /// A commit that `fault` strikes.
    async fn strike(&mut self, how: How, fault: Fault, on: On) {
        let what = format!("{}, {how:?}, {fault:?}", self.engine);
        self.tag += 1;
        let tag = self.tag;
        let silent = fault.what == What::Delay(SILENCE);
        let patience = silent.then_some(PATIENCE);
        let committed = if on == On::Held {
            let mut conn = self.db.acquire().await.unwrap();
            let mut tx = conn.begin_with(how.options()).await.unwrap();
            tx.exec(MARK, (tag, 1)).await.unwrap();
            tx.exec(MARK, (tag, 2)).await.unwrap();
            tx.set_timeout(patience);
            self.proxy.arm(fault);
            tx.commit().await
        } else {
            let mut tx = self.begin(how).await;
            if on != On::AllQueued {
                tx.exec(MARK, (tag, 1)).await.unwrap();
            } else {
                tx.enqueue(MARK, (tag, 1)).await.unwrap();
            }
            if on == On::Lent {
                tx.exec(MARK, (tag, 2)).await.unwrap();
            } else {
                tx.enqueue(MARK, (tag, 2)).await.unwrap();
            }
            tx.set_timeout(patience);
            self.proxy.arm(fault);
            tx.commit().await
        };
        let said = match &committed {
            Ok(committed) if committed.found_out => Said::FoundOut,
            Ok(_) => Said::Committed,
            Err(error) => Said::of(error, &what),
        };
        if how.always_tells(self.engine) && !silent {
            assert_ne!(said, Said::Unknown, "{what}: {committed:?}");
        }
        // A fault behind the last message meets nobody else.
        self.proxy.count();
        if matches!(fault.when, When::Elapsed(_)) {
            self.come_to_rest().await;
        }
        let probe: i64 = self.db.get("SELECT ? + 0", (tag,)).await.unwrap();
        assert_eq!(probe, tag, "{what}: the next borrower's answer");
        let marks = self.books.marks(tag).await;
        match said {
            Said::Committed | Said::FoundOut => {
                assert_eq!(marks, [(1, 1), (2, 1)], "{what}: {committed:?}")
            }
            Said::Undone => assert_eq!(marks, [], "{what}: {committed:?}"),
            Said::Unknown => {}
        }
        let name = match (fault.what, fault.when) {
            (What::Delay(SILENCE), _) => "Silence".to_owned(),
            (other, When::Elapsed(_)) => format!("{other:?} at a time"),
            (other, _) => format!("{other:?}"),
        };
        self.record.add(tag, &format!("{name} of {:?}", fault.side), how, said);
    }
}

async fn strikes(engine: Engine, faults: &[What], ways: &[How]) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let mut struck = 0;
    'all: loop {
        for &how in ways {
            let counts = stage.counts(how).await;
            for side in [Side::Client, Side::Server] {
                for &what in faults {
                    for message in 0..=counts.messages(side) {
                        let on = On::ALL[random.below(4) as usize];
                        stage
                            .strike(how, Fault::new(side, When::Messages(message), what), on)
                            .await;
                        struck += 1;
                    }
                    let byte = random.below(counts.bytes(side).max(1));
                    stage.strike(how, Fault::new(side, When::Bytes(byte), what), On::Lent).await;
                    struck += 1;
                    // While the server works on it, or somebody asks: of all connections at once.
                    if !matches!(what, What::Delay(_)) {
                        let after = When::Elapsed(Duration::from_micros(random.below(300)));
                        stage.strike(how, Fault::new(side, after, what), On::LastQueued).await;
                        struck += 1;
                    }
                    let bounded = if what == What::Delay(SILENCE) { FAULTS / 4 } else { FAULTS };
                    if !soak.goes_on(struck, bounded) {
                        break 'all;
                    }
                }
            }
        }
    }
    let there = arena.direct().open().unwrap();
    stage.record.compare(&there.select(THERE, ()).await.unwrap());
    stage.record.print(engine, soak.seed);
    for &how in ways.iter().filter(|how| how.always_tells(engine)) {
        let told = stage.record.count(how, Said::FoundOut) + stage.record.count(how, Said::Undone);
        assert!(told > 0, "{how:?}: nothing had to be found out");
    }
    assert!(stage.db.close().await.is_clean());
}

const BREAKS: [What; 3] = [What::Cut, What::Reset, What::HalfClose];
const SLOW: [What; 2] = [What::Delay(Duration::from_millis(5)), What::Delay(SILENCE)];

#[tokio::test]
async fn soak_postgres_commits_that_are_cut() {
    strikes(Engine::Postgres, &BREAKS, &[How::Tracked, How::Marked, How::Plain]).await;
}

#[tokio::test]
async fn soak_mysql_commits_that_are_cut() {
    strikes(Engine::Mysql, &BREAKS, &[How::Marked, How::Tracked, How::Plain]).await;
}

#[tokio::test]
async fn soak_postgres_commits_that_meet_silence() {
    strikes(Engine::Postgres, &SLOW, &[How::Tracked, How::Marked]).await;
}

#[tokio::test]
async fn soak_mysql_commits_that_meet_silence() {
    strikes(Engine::Mysql, &SLOW, &[How::Marked]).await;
}

/// Connections that are lost to their clients only: the server does not hear of it, and their sessions stand there.
/// They are ended before the outcome is told, with all that they have locked.
async fn stranded(engine: Engine, how: How) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let counts = stage.counts(how).await;
    let mut struck = 0;
    while soak.goes_on(struck, FAULTS / 2) {
        let side = *random.pick(&[Side::Client, Side::Server]);
        let when = match random.below(2) {
            0 => When::Messages(random.below(1 + counts.messages(side))),
            _ => When::Bytes(random.below(counts.bytes(side))),
        };
        // What is lost is the COMMIT, or its answer, or the flight that it stands in: a mark's goes alone.
        let on = *random.pick(match how {
            How::Marked => &[On::Lent, On::Held],
            _ => &[On::Lent, On::Held, On::LastQueued],
        });
        stage.strike(how, Fault::new(side, when, What::Strand), on).await;
        struck += 1;
        if struck % FAULTS == 0 {
            // A server takes only so many of those that stay.
            stage.none_in_a_transaction().await;
            stage.proxy.cut_all();
            stage.come_to_rest().await;
        }
    }
    stage.none_in_a_transaction().await;
    let there = arena.direct().open().unwrap();
    stage.record.compare(&there.select(THERE, ()).await.unwrap());
    stage.record.print(engine, soak.seed);
    for said in [Said::FoundOut, Said::Undone] {
        assert!(stage.record.count(how, said) > 0, "none was {said:?}");
    }
}

#[tokio::test]
async fn soak_postgres_commits_whose_sessions_are_stranded() {
    stranded(Engine::Postgres, How::Tracked).await;
}

#[tokio::test]
async fn soak_mysql_commits_whose_sessions_are_stranded() {
    stranded(Engine::Mysql, How::Marked).await;
}

/// Sessions that the server ends while they commit.
async fn killed_sessions(engine: Engine, how: How) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let killer = arena.direct().max_open(1).open().unwrap();
    let mut struck = 0;
    while soak.goes_on(struck, FAULTS) {
        stage.tag += 1;
        let tag = stage.tag;
        let mut conn = stage.db.acquire().await.unwrap();
        let mut tx = conn.begin_with(how.options()).await.unwrap();
        tx.exec(MARK, (tag, 1)).await.unwrap();
        tx.exec(MARK, (tag, 2)).await.unwrap();
        let id: i64 = match engine {
            Engine::Postgres => tx.get("SELECT pg_backend_pid()::bigint", ()).await.unwrap(),
            _ => tx.get("SELECT CONNECTION_ID()", ()).await.unwrap(),
        };
        let kill = match engine {
            Engine::Postgres => format!("SELECT pg_terminate_backend({id})"),
            _ => format!("KILL {id}"),
        };
        let (before, after) = (random.below(400), random.below(400));
        let committing = async {
            tokio::time::sleep(Duration::from_micros(before)).await;
            tx.commit().await
        };
        let killing = async {
            tokio::time::sleep(Duration::from_micros(after)).await;
            // It may have ended by itself.
            let _ = killer.exec(&kill, ()).await;
        };
        let (committed, ()) = tokio::join!(committing, killing);
        // The end may have come after the commit.
        conn.discard();
        let said = match &committed {
            Ok(committed) if committed.found_out => Said::FoundOut,
            Ok(_) => Said::Committed,
            Err(error) => Said::of(error, &format!("{engine}, {how:?}, killed")),
        };
        assert_ne!(said, Said::Unknown, "{engine}, {how:?}: {committed:?}");
        stage.record.add(tag, "Session killed", how, said);
        struck += 1;
    }
    stage.record.compare(&killer.select(THERE, ()).await.unwrap());
    stage.record.print(engine, soak.seed);
}

#[tokio::test]
async fn soak_postgres_commits_of_sessions_that_are_killed() {
    killed_sessions(Engine::Postgres, How::Tracked).await;
}

#[tokio::test]
async fn soak_mysql_commits_of_sessions_that_are_killed() {
    killed_sessions(Engine::Mysql, How::Marked).await;
}

/// Servers that are killed, and started again, while tasks commit.
async fn killed_servers(engine: Engine, ways: &'static [How]) {
    const TASKS: usize = 8;
    let soak = Soak::from_env();
    let server = Server::start(engine, 60);
    let arena = Arena::on(&server).await;
    let builder = arena.direct().max_open(4).acquire_timeout(Duration::from_secs(60));
    let db = builder.set("commit_resolve_timeout", "60s").unwrap().open().unwrap();
    let record = Arc::new(Mutex::new(Record::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicI64::new(1));
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let how = ways[task % ways.len()];
        let (db, record, stop, next) =
            (db.clone(), Arc::clone(&record), Arc::clone(&stop), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let tag = next.fetch_add(1, Ordering::Relaxed);
                let Ok(mut tx) = db.begin_with(how.options()).await else { continue };
                let written = [tx.exec(MARK, (tag, 1)).await, tx.exec(MARK, (tag, 2)).await];
                if written.iter().any(Result::is_err) {
                    continue;
                }
                let said = match tx.commit().await {
                    Ok(committed) if committed.found_out => Said::FoundOut,
                    Ok(_) => Said::Committed,
                    Err(error) => Said::of(&error, "killed"),
                };
                assert!(how != How::Marked || said != Said::Unknown, "marked, and unknown");
                record.lock().unwrap().add(tag, "Server killed", how, said);
            }
        }));
    }
    let (mut kills, mut random) = (0, Random::new(soak.seed));
    while soak.goes_on(kills, 3) {
        let before = record.lock().unwrap().said.len();
        while record.lock().unwrap().said.len() < before + 20 * TASKS {
            tokio::time::sleep(Duration::from_millis(1 + random.below(20))).await;
        }
        server.kill();
        server.restart();
        kills += 1;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let there = arena.direct().open().unwrap();
    let there: Vec<(i64, i64, i64)> = there.select(THERE, ()).await.unwrap();
    let record = record.lock().unwrap();
    record.compare(&there);
    println!("{kills} kills");
    record.print(engine, soak.seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_commits_while_the_server_is_killed() {
    killed_servers(Engine::Postgres, &[How::Tracked, How::Marked]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_mysql_commits_while_the_server_is_killed() {
    killed_servers(Engine::Mysql, &[How::Marked]).await;
}

/// Networks that go on failing: whoever finds out about a commit is cut off, too.
async fn cut_again(engine: Engine, how: How) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let mut struck = 0;
    while soak.goes_on(struck, FAULTS / 3) {
        stage.tag += 1;
        let tag = stage.tag;
        let mut tx = stage.begin(how).await;
        tx.exec(MARK, (tag, 1)).await.unwrap();
        tx.exec(MARK, (tag, 2)).await.unwrap();
        let side = *random.pick(&[Side::Client, Side::Server]);
        stage.proxy.arm(Fault::new(side, When::Messages(0), What::Cut));
        let (proxy, pauses) = (&stage.proxy, [0; 6].map(|_| random.below(6000)));
        let cutting = async {
            for pause in pauses {
                tokio::time::sleep(Duration::from_micros(pause)).await;
                proxy.cut_all();
            }
        };
        let (committed, ()) = tokio::join!(tx.commit(), cutting);
        let said = match &committed {
            Ok(committed) if committed.found_out => Said::FoundOut,
            Ok(_) => Said::Committed,
            Err(error) => Said::of(error, "cut again"),
        };
        assert_ne!(said, Said::Unknown, "{engine}, {how:?}: {committed:?}");
        stage.proxy.count();
        stage.come_to_rest().await;
        stage.record.add(tag, &format!("{side:?} cut, and all others"), how, said);
        struck += 1;
    }
    let there = arena.direct().open().unwrap();
    stage.record.compare(&there.select(THERE, ()).await.unwrap());
    println!("{} connections", stage.proxy.accepted());
    stage.record.print(engine, soak.seed);
}

#[tokio::test]
async fn soak_postgres_commits_whose_askers_are_cut_off() {
    cut_again(Engine::Postgres, How::Tracked).await;
    cut_again(Engine::Postgres, How::Marked).await;
}

#[tokio::test]
async fn soak_mysql_commits_whose_askers_are_cut_off() {
    cut_again(Engine::Mysql, How::Marked).await;
}

/// Commits whose future is dropped while they find out what became of them.
async fn dropped(engine: Engine, how: How) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let (mut struck, mut dropped) = (0, 0);
    while soak.goes_on(struck, FAULTS) {
        stage.tag += 1;
        let tag = stage.tag;
        let mut tx = stage.begin(how).await;
        tx.exec(MARK, (tag, 1)).await.unwrap();
        tx.exec(MARK, (tag, 2)).await.unwrap();
        let what = *random.pick(&[What::Cut, What::Reset]);
        stage.proxy.arm(Fault::new(Side::Server, When::Messages(0), what));
        // A dial takes some milliseconds of it.
        let patience = Duration::from_micros(random.below(8000));
        let said = match tokio::time::timeout(patience, tx.commit()).await {
            Err(_) => {
                dropped += 1;
                Said::Unknown
            }
            Ok(Ok(committed)) if committed.found_out => Said::FoundOut,
            Ok(Ok(_)) => Said::Committed,
            Ok(Err(error)) => Said::of(&error, "dropped"),
        };
        stage.proxy.count();
        let probe: i64 = stage.db.get("SELECT ? + 0", (tag,)).await.unwrap();
        assert_eq!(probe, tag, "the next borrower's answer");
        stage.books.at_rest(Duration::from_secs(20)).await;
        stage.record.add(tag, "dropped", how, said);
        struck += 1;
    }
    assert!(dropped > 0, "all of them had time enough");
    let there = arena.direct().open().unwrap();
    stage.record.compare(&there.select(THERE, ()).await.unwrap());
    stage.record.print(engine, soak.seed);
    assert!(stage.db.close().await.is_clean());
}

#[tokio::test]
async fn soak_postgres_commits_that_are_dropped() {
    dropped(Engine::Postgres, How::Tracked).await;
    dropped(Engine::Postgres, How::Marked).await;
}

#[tokio::test]
async fn soak_mysql_commits_that_are_dropped() {
    dropped(Engine::Mysql, How::Marked).await;
}

/// Transactions that are run again where that is safe: each is there once in the end.
async fn repeated(engine: Engine, how: How) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let (mut stage, arena) = Stage::new(engine).await;
    let counts = stage.counts(how).await;
    let (mut struck, mut attempts) = (0, 0);
    while soak.goes_on(struck, FAULTS) {
        stage.tag += 1;
        let tag = stage.tag;
        let side = *random.pick(&[Side::Client, Side::Server]);
        let what = *random.pick(&BREAKS);
        let fault = Fault::new(side, When::Bytes(random.below(counts.bytes(side))), what);
        let mut armed = false;
        let (proxy, attempts) = (&stage.proxy, &mut attempts);
        let done = stage.db.transaction_retry(how.options(), 3, async |tx| {
            *attempts += 1;
            tx.exec(MARK, (tag, 1)).await?;
            tx.exec(MARK, (tag, 2)).await?;
            if !std::mem::replace(&mut armed, true) {
                proxy.arm(fault);
            }
            Ok(())
        });
        done.await.unwrap_or_else(|error| panic!("{engine}, {fault:?}: {error:?}"));
        stage.proxy.count();
        stage.record.add(tag, "repeated", how, Said::Committed);
        struck += 1;
    }
    assert!(attempts > struck, "nothing was run again");
    println!("{attempts} attempts");
    let there = arena.direct().open().unwrap();
    stage.record.compare(&there.select(THERE, ()).await.unwrap());
    stage.record.print(engine, soak.seed);
}

#[tokio::test]
async fn soak_postgres_transactions_that_are_repeated() {
    repeated(Engine::Postgres, How::Tracked).await;
}

#[tokio::test]
async fn soak_mysql_transactions_that_are_repeated() {
    repeated(Engine::Mysql, How::Marked).await;
}

/// Commits whose deadline passes somewhere in them, where the database is a file.
#[tokio::test]
async fn soak_sqlite_commits_that_are_late() {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let arena = Arena::new(Engine::Sqlite).await;
    let db = arena.yielding(None).max_open(3).open().unwrap();
    let (mut record, mut tag) = (Record::default(), 0_i64);
    while soak.goes_on(tag.unsigned_abs(), 2 * FAULTS) {
        tag += 1;
        let mut tx = db.begin_with(How::Marked.options()).await.unwrap();
        tx.exec(MARK, (tag, 1)).await.unwrap();
        tx.exec(MARK, (tag, 2)).await.unwrap();
        tx.set_timeout(Some(Duration::from_micros(random.below(300))));
        let said = match tx.commit().await {
            Ok(committed) if committed.found_out => Said::FoundOut,
            Ok(_) => Said::Committed,
            Err(error) => Said::of(&error, "SQLite"),
        };
        record.add(tag, "Deadline", How::Marked, said);
    }
    record.compare(&db.select(THERE, ()).await.unwrap());
    record.print(Engine::Sqlite, soak.seed);
}

/// What befalls a server of PostgreSQL while the answer to a commit is on its way.
#[derive(Debug, Clone, Copy)]
enum Event {
    Restart,
    Crash,
    Failover,
}

/// A commit that has taken effect, whose answer is kept from it until that has happened.
async fn committed_before(event: Event, how: How) -> Result<aquifer::Committed, Error> {
    let settings = postgres::Settings::new().set("synchronous_commit", "on");
    let server = postgres::Server::start(settings).unwrap();
    let proxy = postgres::Proxy::start(server.address()).unwrap();
    let db = Db::open(&format!("{}&pool_commit_resolve_timeout=60s", proxy.url())).unwrap();
    db.exec(TxOptions::MARKS_TABLE, ()).await.unwrap();
    db.exec("CREATE TABLE marks (tag BIGINT, part INT)", ()).await.unwrap();
    let mut tx = db.begin_with(how.options()).await.unwrap();
    tx.exec(MARK, (1, 1)).await.unwrap();
    proxy.hold_answers();
    let there = || server.psql("SELECT count(*) FROM marks").unwrap() == "1\n";
    let happens = async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match event {
            Event::Restart => {}
            Event::Crash => server.kill9().unwrap(),
            Event::Failover => {
                // It goes on as its own standby would.
                server.stop().unwrap();
                std::fs::write(server.socket_dir().join("data/standby.signal"), "").unwrap();
            }
        }
        server.restart().unwrap();
        if let Event::Failover = event {
            assert_eq!(server.psql("SELECT pg_promote()").unwrap(), "t\n");
        }
        proxy.cut();
        proxy.release_answers();
    };
    let (committed, ()) = tokio::join!(tx.commit(), happens);
    assert!(there(), "{event:?}");
    committed
}

#[tokio::test]
async fn a_restart_that_loses_nothing_keeps_what_the_server_knows() {
    assert!(committed_before(Event::Restart, How::Tracked).await.unwrap().found_out);
}

#[tokio::test]
async fn after_a_crash_a_number_proves_no_commit() {
    let unknown = committed_before(Event::Crash, How::Tracked).await.unwrap_err();
    assert_eq!(Said::of(&unknown, "crash"), Said::Unknown);
    assert!(unknown.message().contains("crashed"), "{unknown}");
}

#[tokio::test]
async fn after_a_failover_a_number_proves_nothing() {
    let unknown = committed_before(Event::Failover, How::Tracked).await.unwrap_err();
    assert_eq!(Said::of(&unknown, "failover"), Said::Unknown);
    assert!(unknown.message().contains("failover"), "{unknown}");
}

#[tokio::test]
async fn a_mark_proves_a_commit_after_a_crash_and_after_a_failover() {
    assert!(committed_before(Event::Crash, How::Marked).await.unwrap().found_out);
    assert!(committed_before(Event::Failover, How::Marked).await.unwrap().found_out);
}

#[tokio::test]
async fn after_a_crash_what_had_not_committed_is_known_to_be_undone() {
    let server = Server::start(Engine::Postgres, 60);
    let arena = Arena::on(&server).await;
    for how in [How::Tracked, How::Marked] {
        // What the one before has kept back stays there.
        let proxy = arena.proxy().unwrap();
        let builder = arena.through(&proxy).set("commit_resolve_timeout", "60s").unwrap();
        let db = builder.open().unwrap();
        let mut tx = db.begin_with(how.options()).await.unwrap();
        tx.exec(MARK, (1, 1)).await.unwrap();
        proxy.arm(Fault::new(Side::Client, When::Messages(0), What::Delay(SILENCE)));
        let crash = async {
            while !proxy.fired() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            server.kill();
            server.restart();
        };
        let (committed, ()) = tokio::join!(tx.commit(), crash);
        let undone = committed.unwrap_err();
        assert_eq!(Said::of(&undone, "crash"), Said::Undone, "{undone:?}");
        assert_eq!(db.get::<i64>("SELECT count(*) FROM marks", ()).await.unwrap(), 0);
    }
}
