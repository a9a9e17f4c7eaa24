//! Everything at once, at random: money is neither made nor lost, and what was acknowledged is there.
//!
//! Several tasks move money between accounts and write each move into a journal, through transactions,
//! savepoints, held connections, batches and bulks, with faults, deadlines and futures dropped half-way.
//! Afterwards the balances must be what the journal says, and the journal what the tasks were told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquifer::{
    Db, Error, ErrorKind, Executor, Observer, Result, Retry, ToParams, TransactionEnd, TxOptions,
};
use aquifer_testkit::at_most;
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation, ServerCounters};

use crate::support::*;

const ACCOUNTS: i64 = 6;
const MONEY: i64 = ACCOUNTS * 1000;
const TASKS: u64 = 6;
const STEPS: usize = 40;
const MAX_OPEN: u32 = 3;

/// Splitmix64: a seed says it all.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Done,
    NotDone,
    Nothing,
}

/// What the tasks know of the moves that they tried.
#[derive(Default)]
struct World {
    next: AtomicI64,
    known: Mutex<HashMap<i64, Known>>,
    transactions: AtomicU64,
    ends: AtomicU64,
}

impl World {
    fn new_move(&self) -> i64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.note(id, Known::NotDone);
        id
    }

    fn note(&self, id: i64, known: Known) {
        self.known.lock().unwrap().insert(id, known);
    }

    /// What a failure tells about whether the work was done.
    fn note_failure(&self, id: i64, error: &Error) {
        // Every move has its own number: a second one is a statement that ran twice.
        assert_ne!(error.kind(), ErrorKind::UniqueViolation, "{error:?}");
        let unknown = matches!(
            error.kind(),
            ErrorKind::CommitUnknown
                | ErrorKind::ConnectionLost
                | ErrorKind::Protocol
                | ErrorKind::Timeout
                | ErrorKind::Cancelled
        ) && !error.nothing_sent();
        self.note(id, if unknown { Known::Nothing } else { Known::NotDone });
    }
}

impl Observer for World {
    fn transaction(&self, _end: &TransactionEnd<'_>) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(ToParams)]
struct Move {
    id: i64,
    payer: i64,
    payee: i64,
    amount: i64,
}

impl Move {
    fn random(id: i64, random: &mut Random) -> Self {
        let payer = random.below(ACCOUNTS as u64) as i64;
        let payee = random.below(ACCOUNTS as u64) as i64;
        Self { id, payer, payee, amount: random.below(50) as i64 }
    }

    async fn make(&self, mut db: impl Executor, random: &mut Random) -> Result<()> {
        db.exec(TAKE, (self.amount, self.payer)).await?.expect(1)?;
        match random.below(4) {
            // Rows that are given up.
            0 => {
                let mut rows = db.query("SELECT n FROM series(1, 300)", ()).await?;
                rows.next().await?;
            }
            1 => drop(
                db.get::<i64>("SELECT balance FROM accounts WHERE id = ?", (self.payer,)).await?,
            ),
            _ => {}
        }
        db.exec(TAKE, (-self.amount, self.payee)).await?.expect(1)?;
        db.exec_named("INSERT INTO journal VALUES (:id, :payer, :payee, :amount)", self)
            .await?
            .expect(1)?;
        Ok(())
    }
}

async fn setup(db: &Db) {
    db.exec("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)", ())
        .await
        .unwrap();
    db.exec(
        "CREATE TABLE journal (id INTEGER PRIMARY KEY, payer INTEGER, payee INTEGER, amount INTEGER)",
        (),
    )
    .await
    .unwrap();
    db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY)", ()).await.unwrap();
    for id in 0..ACCOUNTS {
        db.exec("INSERT INTO accounts VALUES (?, 1000)", (id,)).await.unwrap();
    }
}

fn random_fault(random: &mut Random, yielding: bool) -> Injection {
    use Operation::*;
    let operations = [
        Connect, Execute, Execute, Execute, Execute, Script, Prepare, Batch, Begin, Commit, Commit,
        Rollback, Ping, Fetch, Recover, Close, Cancel,
    ];
    // A yielding cancel beside a yielding recovery keeps its task awake, and so the paused clock still.
    let known = operations.len() - usize::from(yielding);
    let operation = operations[random.below(known as u64) as usize];
    let fault = match random.below(10) {
        0 => Fault::Fail(ErrorKind::Database),
        1 => Fault::EndsTransaction(ErrorKind::Deadlock),
        2 => Fault::LostUnsent,
        3 => Fault::LostUndone,
        4 => Fault::LostDone,
        5 => Fault::Protocol,
        6 => Fault::Hang,
        7 => Fault::Fail(ErrorKind::LockTimeout),
        _ => Fault::Delay(Duration::from_millis(random.below(60))),
    };
    Injection::new(operation, fault).nth(1 + random.below(8))
}

/// One thing that a task does.
async fn step(db: &Db, world: &World, random: &mut Random) {
    let db = match random.below(4) {
        0 => db.timeout(Duration::from_millis(random.below(40))),
        1 => db.label("labelled"),
        _ => db.clone(),
    };
    let db = &db;
    match random.below(12) {
        0..=3 => transfer(db, world, random).await,
        4 => transfer_on_a_held_connection(db, world, random).await,
        5 => {
            let id = world.new_move();
            let moved = Move::random(id, random);
            world.note(id, Known::Nothing);
            let result = db
                .try_transaction(TxOptions::new(), async |tx| {
                    world.transactions.fetch_add(1, Ordering::Relaxed);
                    moved.make(tx, random).await
                })
                .await;
            match result {
                Ok(()) => world.note(id, Known::Done),
                Err(error) => {
                    // A statement that was cut off is undone with its transaction.
                    let commit = error.kind() == ErrorKind::CommitUnknown;
                    world.note(id, if commit { Known::Nothing } else { Known::NotDone });
                }
            }
        }
        6 => {
            // A single statement: done once, or not at all.
            let id = world.new_move();
            world.note(id, Known::Nothing);
            match db.exec("INSERT INTO notes VALUES (?)", (id,)).await {
                Ok(done) => {
                    assert_eq!(done.rows_affected(), 1);
                    world.note(id, Known::Done);
                }
                Err(error) => world.note_failure(id, &error),
            }
        }
        7 => {
            let ids = [world.new_move(), world.new_move()];
            ids.iter().for_each(|id| world.note(*id, Known::Nothing));
            let mut batch = db.batch();
            let tickets = ids.map(|id| batch.exec("INSERT INTO notes VALUES (?)", (id,)));
            if let Ok(mut done) = batch.send().await {
                for (id, ticket) in ids.into_iter().zip(tickets) {
                    match done.take(ticket) {
                        Ok(done) => {
                            assert_eq!(done.rows_affected(), 1);
                            world.note(id, Known::Done);
                        }
                        Err(error) => world.note_failure(id, &error),
                    }
                }
            }
        }
        8 => {
            if let Ok(mut rows) = db.query("SELECT n FROM series(1, 500)", ()).await {
                let take = random.below(600);
                let mut expected = 0;
                for _ in 0..take {
                    match rows.next().await {
                        Ok(Some(row)) => {
                            expected += 1;
                            assert_eq!(row.get::<i64>(0).unwrap(), expected);
                        }
                        Ok(None) => break,
                        Err(_) => break,
                    }
                }
            }
        }
        9 => {
            let text = format!("SELECT {}", random.below(60));
            if let Ok(stmt) = db.prepare(&text).await {
                drop(stmt.get::<i64>(()).await);
            }
            drop(db.ping().await);
        }
        10 => drop(db.exec(&format!("SLEEP {}", random.below(80)), ()).await),
        _ => {
            // Whatever else goes on, nobody sees money made or lost.
            if let Ok(sum) = db.get::<i64>("SELECT sum(balance) FROM accounts", ()).await {
                assert_eq!(sum, MONEY);
            }
        }
    }
}

async fn transfer(db: &Db, world: &World, random: &mut Random) {
    let id = world.new_move();
    let moved = Move::random(id, random);
    let Ok(mut tx) = db.begin().await else { return };
    world.transactions.fetch_add(1, Ordering::Relaxed);
    if random.one_in(3) {
        // Something within that is undone, or adds up to nothing.
        let Ok(mut sp) = tx.savepoint().await else { return };
        let first = sp.exec(TAKE, (7, 0)).await;
        match random.below(4) {
            0 if first.is_ok() => {
                if sp.exec(TAKE, (-7, 0)).await.is_err() || sp.release().await.is_err() {
                    return;
                }
            }
            1 => drop(sp.rollback().await),
            2 => {
                let Ok(mut inner) = sp.savepoint().await else { return };
                drop(inner.exec(TAKE, (9, 1)).await);
                drop(inner);
            }
            _ => drop(sp),
        }
    }
    let made = moved.make(&mut tx, random).await;
    match random.below(8) {
        0 => drop(tx),
        1 => drop(tx.rollback().await),
        _ if made.is_err() && random.one_in(2) => drop(tx.rollback().await),
        // Half of what failed is dropped.
        _ if made.is_err() => drop(tx),
        _ => {
            world.note(id, Known::Nothing);
            match tx.commit().await {
                Ok(_) => world.note(id, Known::Done),
                Err(error) => {
                    let unknown = error.retry() == Retry::Unknown;
                    assert_eq!(unknown, error.kind() == ErrorKind::CommitUnknown, "{error:?}");
                    world.note(id, if unknown { Known::Nothing } else { Known::NotDone });
                }
            }
        }
    }
}

async fn transfer_on_a_held_connection(db: &Db, world: &World, random: &mut Random) {
    let Ok(mut conn) = db.acquire().await else { return };
    for _ in 0..2 {
        let id = world.new_move();
        let moved = Move::random(id, random);
        let polls = 1 + random.below(10) as usize;
        let cut = random.one_in(3);
        let work = async {
            let Ok(mut tx) = conn.begin().await else { return };
            world.transactions.fetch_add(1, Ordering::Relaxed);
            if moved.make(&mut tx, random).await.is_err() {
                return;
            }
            world.note(id, Known::Nothing);
            match tx.commit().await {
                Ok(_) => world.note(id, Known::Done),
                Err(error) => {
                    let unknown = error.kind() == ErrorKind::CommitUnknown;
                    world.note(id, if unknown { Known::Nothing } else { Known::NotDone });
                }
            }
        };
        if cut {
            at_most(polls, work).await;
        } else {
            work.await;
        }
        // Outside the transaction, whatever has become of it.
        let id = world.new_move();
        world.note(id, Known::Nothing);
        match conn.exec("INSERT INTO notes VALUES (?)", (id,)).await {
            Ok(_) => world.note(id, Known::Done),
            Err(error) => world.note_failure(id, &error),
        }
    }
}

/// Says which seed to run again.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("run again with AQUIFER_MODEL_SEED={}", self.0);
        }
    }
}

async fn run(seed: u64) -> ServerCounters {
    let _replay = Replay(seed);
    let mut random = Random(seed);
    let options = match seed % 3 {
        0 => FakeOptions::new(),
        1 => FakeOptions::like_sqlite(),
        _ => FakeOptions::like_postgres(),
    };
    let server = FakeServer::with_options(options);
    let world = Arc::new(World::default());
    let yielding = random.one_in(2);
    let mut registry = aquifer::Registry::new();
    match yielding {
        true => registry.register(yielding_driver(&server)).unwrap(),
        false => registry.register(server.driver()).unwrap(),
    };
    let db = Db::builder("fake:")
        .unwrap()
        .registry(registry)
        .max_open(MAX_OPEN)
        .query_timeout(ms(100))
        .acquire_timeout(ms(500))
        .observer(Arc::clone(&world) as _)
        .open()
        .unwrap();
    setup(&db.without_timeout()).await;

    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (db, world, server) = (db.clone(), Arc::clone(&world), server.clone());
            let mut random = Random(seed ^ (task + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
            tokio::spawn(async move {
                for _ in 0..STEPS {
                    if random.one_in(4) {
                        server.inject(random_fault(&mut random, yielding));
                    }
                    if random.one_in(4) {
                        let polls = 1 + random.below(14) as usize;
                        at_most(polls, step(&db, &world, &mut random)).await;
                    } else {
                        step(&db, &world, &mut random).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }

    server.clear_faults();
    settled_in_time(&db).await;
    assert_at_rest(&db, &server);
    assert!(server.counters().open_peak <= u64::from(MAX_OPEN));
    let db = db.without_timeout();
    let journal: Vec<(i64, i64, i64, i64)> =
        db.select("SELECT id, payer, payee, amount FROM journal", ()).await.unwrap();
    let notes: Vec<i64> = db.select("SELECT id FROM notes", ()).await.unwrap();
    let mut expected = vec![1000; ACCOUNTS as usize];
    let mut there: std::collections::HashSet<i64> = notes.into_iter().collect();
    for (id, payer, payee, amount) in journal {
        expected[payer as usize] -= amount;
        expected[payee as usize] += amount;
        there.insert(id);
    }
    assert_eq!(balances(&db).await, expected, "the balances are not what the journal says");
    for (id, known) in world.known.lock().unwrap().iter() {
        match known {
            Known::Done => assert!(there.contains(id), "{id} was acknowledged and is not there"),
            Known::NotDone => assert!(!there.contains(id), "{id} failed and is there"),
            Known::Nothing => {}
        }
    }
    let begun = world.transactions.load(Ordering::Relaxed);
    assert_eq!(world.ends.load(Ordering::Relaxed), begun, "each transaction ends once");
    assert!(db.close().await.is_clean());
    server.assert_clean();
    assert_eq!(server.connectors_closed(), 1);
    server.counters()
}

#[tokio::test(start_paused = true)]
async fn random_work_with_random_faults_keeps_every_promise() {
    if let Ok(seed) = std::env::var("AQUIFER_MODEL_SEED") {
        run(seed.parse().unwrap()).await;
        return;
    }
    let mut seen = [0; 6];
    for seed in 0..40 {
        let counters = run(seed).await;
        let counted = [
            counters.commits,
            counters.rollbacks,
            counters.recoveries,
            counters.cancels_hit,
            counters.closes,
            counters.drops,
        ];
        seen.iter_mut().zip(counted).for_each(|(sum, more)| *sum += more);
    }
    // Or it has proved nothing.
    assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
}
