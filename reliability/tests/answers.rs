//! Many tasks, random deadlines and drops, queries whose answers say whose they are: none is crossed, lost or doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, Multiplexing, Result, TxOptions};
use aquifer_reliability::Soak;
use aquifer_reliability::{Arena, Engine, Random};
use aquifer_testkit::at_most;

const TASKS: u64 = 24;
const MAX_OPEN: u32 = 4;
/// Operations of the bounded form, per engine.
const BOUNDED: u64 = 6_000;

/// What was tried and what came of it.
#[derive(Debug, Default)]
struct Tally {
    begun: AtomicU64,
    answered: AtomicU64,
    dropped: AtomicU64,
    timed_out: AtomicU64,
}

fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

/// One call whose answer contains `tag`, which no other call has.
async fn call(db: &Db, engine: Engine, kind: u64, tag: i64) -> Result<()> {
    match kind {
        0 => {
            let answer: i64 = db.get("SELECT ? + 0", (tag,)).await?;
            assert_eq!(answer, tag, "{engine}: another call's answer");
        }
        1 => {
            // A text of its own, so that statements come and go.
            let sql = format!("SELECT ? + {}", tag % 40);
            let answer: i64 = db.get(&sql, (tag,)).await?;
            assert_eq!(
                answer,
                tag + tag % 40,
                "{engine}: another call's answer, or another statement"
            );
        }
        2 => {
            let rows = 1 + tag % 60;
            let all: Vec<i64> = db.select(engine.series(), (rows,)).await?;
            assert!(all.into_iter().eq(1..=rows), "{engine}: another call's rows");
        }
        3 => {
            // Given up in the middle: the rest is nobody's.
            let mut rows = db.query(engine.series(), (500 + tag % 500,)).await?;
            for expected in 1..=tag % 7 {
                let row = rows.next().await?.expect("there are more");
                assert_eq!(row.get::<i64>(0)?, expected, "{engine}: another call's row");
            }
        }
        4 => {
            let mut batch = db.batch();
            let first = batch.get::<i64>("SELECT ? + 0", (tag,));
            let fails = batch.exec("INSERT INTO accounts (id, balance) VALUES (?, 0)", (1,));
            let last = batch.get::<i64>("SELECT ? + 1", (tag,));
            let mut done = batch.send().await?;
            assert_eq!(done.take(first)?, tag, "{engine}: another statement's answer");
            match done.take(fails) {
                Err(error) if error.kind() == ErrorKind::UniqueViolation => {}
                Err(error) => return Err(error),
                Ok(_) => panic!("{engine}: a taken key was taken again"),
            }
            assert_eq!(done.take(last)?, tag + 1, "{engine}: another statement's answer");
        }
        5 => {
            let failed =
                db.exec("INSERT INTO accounts (id, balance) VALUES (?, 0)", (1 + tag % 2,)).await;
            match failed {
                Err(error) if error.kind() == ErrorKind::UniqueViolation => {}
                Err(error) => return Err(error),
                Ok(_) => panic!("{engine}: a taken key was taken again"),
            }
        }
        6 => {
            let stmt = db.prepare("SELECT ? + 2").await?;
            let answer: i64 = stmt.get((tag,)).await?;
            assert_eq!(answer, tag + 2, "{engine}: another call's answer");
        }
        7 => match db.get::<i64>("SELECT ? + id FROM nowhere", (tag,)).await {
            Err(error) if error.kind() == ErrorKind::UndefinedObject => {}
            Err(error) => return Err(error),
            Ok(_) => panic!("{engine}: a table that is not there was read"),
        },
        _ => {
            let mut tx = db.begin_with(TxOptions::new()).await?;
            tx.exec("INSERT INTO marks (tag, part) VALUES (?, 1)", (tag,)).await?;
            let own: i64 = tx.get("SELECT count(*) FROM marks WHERE tag = ?", (tag,)).await?;
            assert_eq!(own, 1, "{engine}: what the transaction wrote is not there");
            tx.rollback().await?;
        }
    }
    Ok(())
}

/// What may go wrong by itself: nothing but the deadline that the call was given.
fn is_expected(error: &Error) -> bool {
    error.is_timeout()
        // SQLite has one writer: whoever waits for it longer than `busy_timeout` is told so.
        || error.kind() == ErrorKind::LockTimeout
}

async fn task(db: Db, engine: Engine, mut random: Random, soak: Soak, tally: Arc<Tally>) {
    loop {
        let number = count(&tally.begun);
        if !soak.goes_on(number, BOUNDED) {
            return;
        }
        let tag = i64::try_from(number).unwrap() + 1;
        let kind = random.below(9);
        let result = match random.below(4) {
            0 => {
                let polls = 1 + usize::try_from(random.below(12)).unwrap();
                at_most(polls, call(&db, engine, kind, tag)).await
            }
            1 => {
                let limit = Duration::from_micros(200 + random.below(6_000));
                Some(call(&db.timeout(limit), engine, kind, tag).await)
            }
            _ => Some(call(&db, engine, kind, tag).await),
        };
        match result {
            None => count(&tally.dropped),
            Some(Ok(())) => count(&tally.answered),
            Some(Err(error)) if is_expected(&error) => count(&tally.timed_out),
            Some(Err(error)) => panic!("{engine}, call {kind} of tag {tag}: {error:?}"),
        };
    }
}

async fn no_answer_is_anothers(engine: Engine, multiplex: Multiplexing) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let arena = Arena::new(engine).await;
    let db = arena.direct().max_open(MAX_OPEN).multiplex(multiplex).open().unwrap();
    let books = arena.books().await;
    let tally = Arc::new(Tally::default());
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (soak, tally) = (soak.clone(), Arc::clone(&tally));
            tokio::spawn(task(db.clone(), engine, random.split(), soak, tally))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (answered, dropped, timed_out) =
        (load(&tally.answered), load(&tally.dropped), load(&tally.timed_out));
    println!(
        "{engine}: {} operations: {answered} answered, {dropped} dropped, {timed_out} past their deadline; \
         wrong answers 0; seed {}",
        answered + dropped + timed_out,
        soak.seed
    );
    assert!(answered > 0 && dropped > 0, "nothing was tried: {tally:?}");
    // None was lost or doubled: what was begun has ended in one way.
    assert_eq!(answered + dropped + timed_out + TASKS, load(&tally.begun));
    let report = db.close_within(Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{engine}: {report:?}");
    books.at_rest(Duration::from_secs(20)).await;
    let left = "SELECT count(*) FROM marks";
    assert_eq!(arena.direct().open().unwrap().get::<i64>(left, ()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_sqlite_answers() {
    no_answer_is_anothers(Engine::Sqlite, Multiplexing::Off).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_sqlite_answers_to_reads_that_share() {
    no_answer_is_anothers(Engine::Sqlite, Multiplexing::Reads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_answers() {
    no_answer_is_anothers(Engine::Postgres, Multiplexing::Off).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_answers_to_reads_that_share() {
    no_answer_is_anothers(Engine::Postgres, Multiplexing::Reads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_answers_to_statements_that_share() {
    no_answer_is_anothers(Engine::Postgres, Multiplexing::Statements).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_mysql_answers() {
    no_answer_is_anothers(Engine::Mysql, Multiplexing::Off).await;
}
