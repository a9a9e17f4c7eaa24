//! A network that fails at every message of every operation: a typed error with the right advice, nothing there twice,
//! and a pool that goes on by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, Result, Retry};
use aquifer_reliability::{Arena, Books, Engine, Operation, Random, Soak, operations, settled};
use aquifer_testkit::faults::{Counts, Fault, FaultProxy, Side, What, When};

/// How long a statement that nobody waits for may still run on a busy machine.
const GRACE: Duration = Duration::from_secs(20);
/// What silence an operation meets, and for how long it is ready to.
const SILENCE: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_millis(150);
/// Places for each operation, side and fault in the bounded form; the long form takes all.
const PLACES: usize = 6;

struct Stage {
    engine: Engine,
    /// Removed with its database when this goes.
    _arena: Arena,
    proxy: FaultProxy,
    books: Books,
    db: Db,
    tag: i64,
    /// How often each outcome was met.
    met: BTreeMap<String, u64>,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        let arena = Arena::new(engine).await;
        let proxy = arena.proxy().expect("an engine behind a network");
        let books = arena.books().await;
        // Whoever comes next waits for no more than this until a silent connection is given up.

        let builder = arena.through(&proxy).max_open(1).set("recover_timeout", "100ms").unwrap();
        let db = builder.open().unwrap();
        Self { engine, _arena: arena, proxy, books, db, tag: 0, met: BTreeMap::new() }
    }

    /// What passes while the operation runs undisturbed, on a connection that is warm.
    async fn counts(&mut self, operation: &Operation) -> Counts {
        for _ in 0..2 {
            self.tag += 1;
            self.db.ping().await.unwrap();
            self.proxy.count();
            operation.run(&self.db, self.engine, self.tag).await.unwrap();
        }
        settled(&self.db, "counting").await;
        self.proxy.counts()
    }

    /// Waits for a connection that was not cut, after cuts that came when nobody looked.
    async fn works_again(&self) {
        for tried in 0.. {
            match self.db.ping().await {
                Ok(()) => return,
                Err(error) => assert!(tried < 9, "it does not recover: {error:?}"),
            }
        }
    }

    async fn strike(&mut self, operation: &Operation, fault: Fault) {
        let what = format!("{}, {}, {fault:?}", self.engine, operation.name);
        // The connection is warm, as when the messages were counted.
        self.tag += 1;
        let before = operation.run(&self.db, self.engine, self.tag).await;
        before.unwrap_or_else(|error| panic!("{what}: before: {error:?}"));
        settled(&self.db, &what).await;
        self.tag += 1;
        let corrupt = matches!(fault.what, What::Corrupt(_));
        // A length that was turned over has one side wait for what never comes.
        let silent = corrupt || matches!(fault.what, What::Delay(SILENCE));
        let db = if silent { self.db.timeout(PATIENCE) } else { self.db.clone() };
        self.proxy.arm(fault);
        let run = operation.run(&db, self.engine, self.tag);
        // What goes past the `Db` to its driver has no deadline but its caller's.
        let own = operation.past_the_db && silent;
        let limit = if own { PATIENCE } else { Duration::from_secs(60) };
        let result = match tokio::time::timeout(limit, run).await {
            Ok(result) => result,
            Err(_) if own => Err(Error::new(ErrorKind::Timeout, "dropped by the test")),
            Err(_) => panic!("{what}: it hangs"),
        };
        if matches!(fault.when, When::Elapsed(_)) {
            while !self.proxy.fired() {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            self.works_again().await;
        }
        let fired = self.proxy.fired();
        if !fired {
            // It was placed behind the last message: nobody else shall meet it.
            self.proxy.count();
        }
        // The next borrower, with no advice and no second try.
        let probe = self.db.timeout(Duration::from_secs(60));
        let probe: Result<i64> = probe.get("SELECT ? + 0", (self.tag,)).await;
        let probe = probe.unwrap_or_else(|error| panic!("{what}: the next borrower: {error:?}"));
        assert_eq!(probe, self.tag, "{what}: the next borrower's answer");
        let harmless = !fired
            || !matches!(
                fault.what,
                What::Cut | What::Reset | What::HalfClose | What::Delay(SILENCE) | What::Corrupt(_)
            );
        let outcome = match &result {
            Ok(()) => "done".to_owned(),
            Err(error) => {
                assert!(!harmless, "{what}: {error:?}");
                check_error(error, &what, silent, corrupt);
                format!("{:?}, {:?}", error.kind(), error.retry())
            }
        };
        *self.met.entry(outcome).or_default() += 1;
        self.proxy.count();
        // One whose connection was lost, or given up, has nobody who would have it stopped.
        self.books.at_rest_after(&what, 1, !harmless, GRACE).await;
        let marks = self.books.marks(self.tag).await;
        operation.effect.check(&marks, result.is_ok()).unwrap_or_else(|wrong| {
            panic!("{what}: {wrong}, after {result:?}");
        });
        if let Err(error) = &result {
            let undone =
                error.nothing_sent() || matches!(error.retry(), Retry::Safe | Retry::Transaction);
            let many = !operation.effect.atomic;
            assert!(
                !undone || many || marks.is_empty(),
                "{what}: told that nothing was done: {error:?}"
            );
        }
        assert_eq!(self.books.money().await, 200, "{what}: money was made or lost");
    }
}

/// What a network that fails may look like to whoever called.
fn check_error(error: &Error, what: &str, silent: bool, corrupt: bool) {
    let typed = match error.kind() {
        ErrorKind::ConnectionLost | ErrorKind::CommitUnknown => true,
        ErrorKind::Timeout | ErrorKind::PoolTimeout => silent,
        // Or the server refuses what it cannot read.
        _ => corrupt,
    };
    assert!(typed, "{what}: {error:?}");
    let advice = error.retry();
    let advised = advice != Retry::Never || !error.is_connection_lost();
    assert!(advised, "{what}: no advice: {error:?}");
    if error.kind() == ErrorKind::CommitUnknown {
        assert_eq!(advice, Retry::Unknown, "{what}: {error:?}");
    }
    if error.nothing_sent() && (!corrupt || error.is_connection_lost()) {
        assert!(matches!(advice, Retry::Safe | Retry::Transaction), "{what}: {error:?}");
    }
}

/// Up to `most` of the numbers from 0 to `last`: the first and the last two, where a COMMIT is, among them.
fn places(last: u64, most: usize, random: &mut Random) -> Vec<u64> {
    let mut places: Vec<u64> = (0..=last).collect();
    while places.len() > most.max(3) {
        let leaves = 1 + random.below(places.len() as u64 - 3);
        places.remove(usize::try_from(leaves).unwrap());
    }
    places
}

async fn strikes(engine: Engine, faults: &[What]) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let mut stage = Stage::new(engine).await;
    let all = operations(engine);
    let mut struck = 0;
    for round in 0.. {
        if round > 0 && (!soak.is_long() || !soak.goes_on(round, 1)) {
            break;
        }
        for operation in &all {
            let counts = stage.counts(operation).await;
            for side in [Side::Client, Side::Server] {
                for &what in faults {
                    if matches!((what, side), (What::Corrupt(_), Side::Client)) {
                        // What a server makes of other bytes than were sent is its own affair.
                        continue;
                    }
                    let most = match what {
                        _ if soak.is_long() => usize::MAX,
                        // Each is waited for.
                        What::Delay(SILENCE) => PLACES / 2,
                        _ => PLACES,
                    };
                    let what = match what {
                        What::Corrupt(_) => What::Corrupt(1 << random.below(8)),
                        what => what,
                    };
                    for message in places(counts.messages(side), most, &mut random) {
                        stage
                            .strike(operation, Fault::new(side, When::Messages(message), what))
                            .await;
                        struck += 1;
                    }
                    // What is turned over inside a message may be somebody's data.
                    if !matches!(what, What::Corrupt(_)) {
                        let byte = random.below(counts.bytes(side).max(1));
                        stage.strike(operation, Fault::new(side, When::Bytes(byte), what)).await;
                        struck += 1;
                    }
                    if matches!(what, What::Cut | What::Reset | What::HalfClose) {
                        // While it goes on, whoever is at it; of all connections.
                        let after = When::Elapsed(Duration::from_micros(random.below(1500)));
                        stage.strike(operation, Fault::new(side, after, what)).await;
                        struck += 1;
                    }
                }
            }
        }
    }
    println!("{engine}: {struck} faults in {} operations; seed {}", all.len(), soak.seed);
    for (outcome, times) in &stage.met {
        println!("  {times:>6} {outcome}");
    }
    assert!(stage.db.close().await.is_clean());
}

const BREAKS: [What; 3] = [What::Cut, What::Reset, What::HalfClose];
const SLOW: [What; 3] = [
    What::Delay(Duration::from_millis(5)),
    What::Throttle { bytes: 40, pause: Duration::from_micros(50) },
    What::Delay(SILENCE),
];
const REPEATS: [What; 1] = [What::Twice];
/// Some bit of the first byte.
const CORRUPTS: [What; 1] = [What::Corrupt(1)];

#[tokio::test]
async fn soak_postgres_connections_that_break() {
    strikes(Engine::Postgres, &BREAKS).await;
}

#[tokio::test]
async fn soak_mysql_connections_that_break() {
    strikes(Engine::Mysql, &BREAKS).await;
}

#[tokio::test]
async fn soak_postgres_connections_that_stand_still() {
    strikes(Engine::Postgres, &SLOW).await;
}

#[tokio::test]
async fn soak_mysql_connections_that_stand_still() {
    strikes(Engine::Mysql, &SLOW).await;
}

#[tokio::test]
async fn soak_postgres_connections_that_repeat() {
    strikes(Engine::Postgres, &REPEATS).await;
}

#[tokio::test]
async fn soak_mysql_connections_that_repeat() {
    strikes(Engine::Mysql, &REPEATS).await;
}

#[tokio::test]
async fn soak_postgres_connections_that_corrupt() {
    strikes(Engine::Postgres, &CORRUPTS).await;
}

#[tokio::test]
async fn soak_mysql_connections_that_corrupt() {
    strikes(Engine::Mysql, &CORRUPTS).await;
}
