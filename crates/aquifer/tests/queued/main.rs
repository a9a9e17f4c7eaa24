//! Statements that are queued inside a transaction: on every engine what they do and how they fail, on
//! PostgreSQL how they go over the wire.

use std::sync::LazyLock;
use std::time::Duration;

use aquifer::{Db, ErrorKind, Executor, Result, Retry, TxOptions, list};
use aquifer_testkit::postgres::{Database, Proxy, Server, Settings};
use aquifer_testkit::{CountingAllocator, allocations_of, mysql};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

static POSTGRES: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());
static MYSQL: LazyLock<mysql::Server> =
    LazyLock::new(|| mysql::Server::start(mysql::Settings::new()).unwrap());

const ADD: &str = "INSERT INTO tanks (id, litres) VALUES (?, ?)";
const TAKE: &str = "UPDATE tanks SET litres = litres - ? WHERE id = ?";
const LITRES: &str = "SELECT litres FROM tanks WHERE id = ?";
const COUNT: &str = "SELECT count(*) FROM tanks";
const ALL: &str = "SELECT id, litres FROM tanks ORDER BY id";

/// Two tanks of 100 litres; with them, whatever must live as long.
struct Tanks<T>(Db, T);

async fn tanks<T>(url: &str, keep: T) -> Result<Tanks<T>> {
    let between = if url.contains('?') { '&' } else { '?' };
    let db = Db::open(&format!("{url}{between}pool_max_open=2"))?;
    db.exec("CREATE TABLE tanks (id INTEGER PRIMARY KEY, litres INTEGER NOT NULL)", ()).await?;
    db.exec(ADD, (1, 100)).await?;
    db.exec(ADD, (2, 100)).await?;
    Ok(Tanks(db, keep))
}

async fn all(db: &Db) -> Result<Vec<(i64, i64)>> {
    db.select(ALL, ()).await
}

/// Each scenario on each engine.
macro_rules! on_every_engine {
    ($($name:ident)+) => {
        mod on_sqlite {
            on_engine! { crate::on_sqlite(), $($name)+ }
        }
        mod on_postgres {
            on_engine! { crate::on_postgres(""), $($name)+ }
        }
        mod on_postgres_simple {
            on_engine! { crate::on_postgres("?default_query_exec_mode=simple_protocol"), $($name)+ }
        }
        mod on_mysql {
            on_engine! { crate::on_mysql(), $($name)+ }
        }
    };
}

macro_rules! on_engine {
    ($tanks:expr, $($name:ident)+) => {
        $(#[tokio::test]
        async fn $name() -> aquifer::Result<()> {
            let tanks = $tanks.await?;
            super::$name(&tanks.0).await
        })+
    };
}

async fn on_sqlite() -> Result<Tanks<File>> {
    let file = File::new();
    tanks(&format!("sqlite://{}", file.0.display()), file).await
}

async fn on_postgres(options: &str) -> Result<Tanks<Database>> {
    let database = POSTGRES.fresh_database().unwrap();
    tanks(&format!("{}{options}", database.url()), database).await
}

async fn on_mysql() -> Result<Tanks<mysql::Database>> {
    let database = MYSQL.fresh_database().unwrap();
    let url = database.url().to_owned();
    tanks(&url, database).await
}

/// A database file, gone with this.
struct File(std::path::PathBuf);

impl File {
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let name = format!("aquifer-queued-{:016x}.db", RandomState::new().hash_one("file"));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

mod statements;

on_every_engine! {
    what_is_queued_is_there_for_every_call_that_follows
    a_commit_takes_what_is_queued_along
    a_failed_statement_fails_the_call_that_sends_it_and_is_named
    a_failed_statement_fails_the_commit_and_nothing_is_kept
    what_is_queued_is_thrown_away_by_a_rollback_and_a_drop
    savepoints_keep_the_order_and_heal
    wrong_texts_and_arguments_are_refused_at_once
    a_full_queue_is_sent
    closures_queue_and_functions_over_executors_send
    a_marked_commit_takes_what_is_queued_along
    a_transaction_on_a_connection_leaves_nothing_behind
    a_call_that_is_dropped_with_queued_statements_dooms_the_transaction
}

async fn what_is_queued_is_there_for_every_call_that_follows(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    assert_eq!(tx.get::<i64>(LITRES, (1,)).await?, 99);
    tx.enqueue(TAKE, (1, 1)).await?;
    assert_eq!(tx.get_optional::<i64>(LITRES, (1,)).await?, Some(98));
    tx.enqueue(TAKE, (1, 1)).await?;
    assert_eq!(tx.select::<(i64, i64)>(ALL, ()).await?, [(1, 97), (2, 100)]);
    tx.enqueue(TAKE, (1, 1)).await?;
    assert_eq!(
        tx.exec("UPDATE tanks SET litres = 0 WHERE litres = ?", (96,)).await?.rows_affected(),
        1
    );
    tx.enqueue(TAKE, (-5, 1)).await?;
    tx.enqueue(TAKE, (-5, 1)).await?;
    let mut rows = tx.query(ALL, ()).await?;
    assert_eq!(rows.next().await?.unwrap().scan::<(i64, i64)>()?, (1, 10));
    drop(rows);
    tx.enqueue(TAKE, (1, 2)).await?;
    let mut batch = tx.batch();
    let first = batch.get::<i64>(LITRES, (2,));
    let second = batch.exec(TAKE, (1, 2));
    let mut done = batch.send().await?;
    assert_eq!((done.take(first)?, done.take(second)?.rows_affected()), (99, 1));
    tx.enqueue(TAKE, (1, 2)).await?;
    let mut batch = tx.batch().atomic();
    let first = batch.get::<i64>(LITRES, (2,));
    let second = batch.exec(TAKE, (1, 2));
    let mut done = batch.send().await?;
    assert_eq!((done.take(first)?, done.take(second)?.rows_affected()), (97, 1));
    tx.enqueue(TAKE, (1, 2)).await?;
    let stmt = tx.prepare(LITRES).await?;
    tx.enqueue(TAKE, (1, 2)).await?;
    assert_eq!(stmt.on(&mut tx).get::<i64>((2,)).await?, 94);
    tx.enqueue(TAKE, (1, 2)).await?;
    let mut cursor = tx.cursor(ALL, ()).fetch_size(1).await?;
    let mut seen = Vec::new();
    while let Some(row) = cursor.next().await? {
        seen.push(row.scan::<(i64, i64)>()?);
    }
    assert_eq!(seen, [(1, 10), (2, 93)]);
    drop(cursor);
    tx.enqueue("UPDATE tanks SET litres = litres + 1 WHERE id IN (?)", (list(&[1, 2]),)).await?;
    tx.exec("UPDATE tanks SET litres = litres * 2 WHERE id = 1; UPDATE tanks SET litres = 7 WHERE id = 2", ())
        .await?;
    tx.enqueue("SELECT litres FROM tanks", ()).await?;
    tx.flush().await?;
    tx.flush().await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 22), (2, 7)]);
    Ok(())
}

async fn a_commit_takes_what_is_queued_along(db: &Db) -> Result<()> {
    for _ in 0..3 {
        let mut tx = db.begin().await?;
        let litres: i64 = tx.get(LITRES, (1,)).await?;
        tx.enqueue(TAKE, (litres / 10, 1)).await?;
        tx.enqueue(TAKE, (-litres / 10, 2)).await?;
        tx.commit().await?;
    }
    // Nothing else is run in it.
    let mut tx = db.begin().await?;
    tx.enqueue(ADD, (3, 5)).await?;
    tx.enqueue(ADD, (4, 5)).await?;
    tx.enqueue(TAKE, (1, 3)).await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 73), (2, 127), (3, 4), (4, 5)]);
    let calls = db.stats().calls;
    assert_eq!((calls.calls, calls.failures), (3 + 3 * 3 + 3 + 1, 0));
    Ok(())
}

async fn a_failed_statement_fails_the_call_that_sends_it_and_is_named(db: &Db) -> Result<()> {
    for number in 1..=3 {
        let mut tx = db.begin().await?;
        tx.exec(TAKE, (10, 1)).await?;
        for queued in 1..=3 {
            let id = if queued == number { 2 } else { 10 + queued };
            tx.enqueue(ADD, (id, queued)).await?;
        }
        let error = tx.exec(TAKE, (20, 1)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.statement()),
            (ErrorKind::UniqueViolation, Some(number as u32))
        );
        let said = error.to_string();
        assert!(said.starts_with(&format!("statement {number}: ")), "{said}");
        assert!(said.contains("INSERT INTO tanks (id, litres) VALUES"), "{said}");
        // Those behind it have not run, so what is there must not be kept.
        let error = tx.exec(TAKE, (30, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TxFailed);
        let error = tx.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TxFailed);
        assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    }
    // The call's own error is its own.
    let mut tx = db.begin().await?;
    tx.enqueue(ADD, (3, 3)).await?;
    let error = tx.exec(ADD, (3, 4)).await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, None));
    tx.rollback().await?;
    assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    Ok(())
}

async fn a_failed_statement_fails_the_commit_and_nothing_is_kept(db: &Db) -> Result<()> {
    for number in 1..=3 {
        let mut tx = db.begin().await?;
        tx.exec(TAKE, (10, 1)).await?;
        for queued in 1..=3 {
            let id = if queued == number { 2 } else { 10 + queued };
            tx.enqueue(ADD, (id, queued)).await?;
        }
        let error = tx.commit().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.statement()),
            (ErrorKind::UniqueViolation, Some(number as u32))
        );
        assert_eq!(error.retry(), Retry::Never);
        assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    }
    let calls = db.stats().calls;
    assert_eq!(calls.failures, 1 + 2 + 3, "what has failed and what has not run");
    Ok(())
}

async fn what_is_queued_is_thrown_away_by_a_rollback_and_a_drop(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.enqueue("a text that no engine takes", ()).await?;
    tx.rollback().await?;
    let mut tx = db.begin().await?;
    tx.exec(TAKE, (1, 1)).await?;
    tx.enqueue("a text that no engine takes", ()).await?;
    drop(tx);
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (2, 2)).await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 100), (2, 98)]);
    Ok(())
}

async fn savepoints_keep_the_order_and_heal(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.enqueue(ADD, (3, 3)).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(ADD, (4, 4)).await?;
    savepoint.rollback().await?;
    tx.enqueue(ADD, (5, 5)).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(ADD, (6, 6)).await?;
    savepoint.release().await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(ADD, (7, 7)).await?;
    let mut inner = savepoint.savepoint().await?;
    inner.enqueue(ADD, (7, 7)).await?;
    assert_eq!(inner.flush().await.unwrap_err().kind(), ErrorKind::UniqueViolation);
    // The order of what is owed and what is queued.
    drop(inner);
    savepoint.enqueue(ADD, (8, 8)).await?;
    savepoint.release().await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(ADD, (9, 9)).await?;
    savepoint.enqueue(ADD, (8, 8)).await?;
    let error = savepoint.release().await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, Some(2)));
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.commit().await?;
    let ids: Vec<i64> = all(db).await?.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [1, 2, 3, 5, 6, 7, 8]);
    Ok(())
}

async fn wrong_texts_and_arguments_are_refused_at_once(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.enqueue(ADD, (3, 3)).await?;
    let error = tx.enqueue(ADD, (3,)).await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::ArgumentMismatch, true));
    let error = tx.enqueue("SELECT 1; SELECT 2", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    let error = tx.enqueue("COMMIT", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxControl);
    let error =
        tx.enqueue("UPDATE tanks SET litres = 1 WHERE id IN (?)", (list::<i64>(&[]),)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Argument);
    // What was queued before is as it was.
    tx.commit().await?;
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 3);
    // The awaited call's own arguments leave the queue as it was, too.
    let mut tx = db.begin().await?;
    tx.enqueue(ADD, (4, 4)).await?;
    assert_eq!(tx.exec(TAKE, (1,)).await.unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    tx.commit().await?;
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 4);
    Ok(())
}

async fn a_full_queue_is_sent(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    for id in 3..=3000 {
        tx.enqueue(ADD, (id, 1)).await?;
    }
    tx.commit().await?;
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 3000);
    // Its number counts from the last call, however often the queue was sent in between.
    let mut tx = db.begin().await?;
    let mut failed = None;
    for id in 4000..=6500 {
        let id = if id == 5999 { 1 } else { id };
        if let Err(error) = tx.enqueue(ADD, (id, 1)).await {
            failed = Some(error);
            break;
        }
    }
    let error = failed.expect("the second time that it was full");
    assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, Some(2000)));
    tx.rollback().await?;
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 3000);
    Ok(())
}

async fn closures_queue_and_functions_over_executors_send(db: &Db) -> Result<()> {
    async fn litres(mut db: impl Executor, id: i64) -> Result<i64> {
        db.get(LITRES, (id,)).await
    }
    let left = db
        .transaction(async |tx| {
            tx.enqueue(TAKE, (1, 1)).await?;
            let left = litres(&mut *tx, 1).await?;
            tx.enqueue(TAKE, (1, 1)).await?;
            Ok(left)
        })
        .await?;
    assert_eq!(left, 99);
    assert_eq!(litres(db, 1).await?, 98);
    let error = db.transaction(async |tx| tx.enqueue(ADD, (1, 1)).await).await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, Some(1)));
    let spawned = db.clone();
    tokio::spawn(async move {
        let mut tx = spawned.begin().await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        tx.commit().await.map(drop)
    })
    .await
    .unwrap()?;
    assert_eq!(litres(db, 1).await?, 97);
    Ok(())
}

async fn a_marked_commit_takes_what_is_queued_along(db: &Db) -> Result<()> {
    db.exec(TxOptions::MARKS_TABLE, ()).await?;
    for options in [TxOptions::new().mark_commit(), TxOptions::new().track_commit()] {
        let mut tx = db.begin_with(options).await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        assert!(!tx.commit().await?.found_out);
        let mut tx = db.begin_with(options).await?;
        tx.exec(TAKE, (1, 1)).await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        tx.commit().await?;
        let mut tx = db.begin_with(options).await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        tx.enqueue(ADD, (1, 1)).await?;
        let error = tx.commit().await.unwrap_err();
        assert_eq!((error.kind(), error.statement()), (ErrorKind::UniqueViolation, Some(2)));
    }
    assert_eq!(all(db).await?, [(1, 94), (2, 100)]);
    Ok(())
}

async fn a_transaction_on_a_connection_leaves_nothing_behind(db: &Db) -> Result<()> {
    let mut conn = db.acquire().await?;
    let mut tx = conn.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    drop(tx);
    conn.exec(TAKE, (10, 2)).await?;
    let mut tx = conn.begin().await?;
    tx.enqueue(TAKE, (5, 1)).await?;
    assert_eq!(tx.driver::<NoDriver>().unwrap_err().kind(), ErrorKind::Unsupported);
    tx.commit().await?;
    let mut tx = conn.begin().await?;
    tx.enqueue(ADD, (1, 1)).await?;
    tx.commit().await.unwrap_err();
    conn.exec(TAKE, (10, 2)).await?;
    assert_eq!(all(db).await?, [(1, 95), (2, 80)]);
    Ok(())
}

type NoDriver = aquifer::sqlite::SqliteConnection;

async fn a_call_that_is_dropped_with_queued_statements_dooms_the_transaction(
    db: &Db,
) -> Result<()> {
    // SQLite might be done with anything short before it is asked for the first time.
    let sqlite = db.get::<String>("SELECT sqlite_version()", ()).await.is_ok();
    let slow = if sqlite {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) \
         SELECT count(*) FROM n"
    } else {
        "UPDATE tanks SET litres = litres - 1 WHERE id = 1"
    };
    let mut tx = db.begin().await?;
    tx.exec(TAKE, (1, 1)).await?;
    tx.enqueue(slow, ()).await?;
    {
        let mut call = std::pin::pin!(tx.exec(TAKE, (1, 1)));
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx)));
        assert!(once.await.is_pending());
    }
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TxFailed);
    assert!(error.to_string().contains("given up"), "{error}");
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::TxFailed);
    assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    // Within a savepoint it costs no more than that.
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(slow, ()).await?;
    {
        let mut call = std::pin::pin!(savepoint.exec(TAKE, (1, 1)));
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx)));
        assert!(once.await.is_pending());
    }
    savepoint.rollback().await?;
    tx.commit().await?;
    assert_eq!(all(db).await?, [(1, 99), (2, 100)]);
    Ok(())
}

#[test]
fn blocking_transactions_queue() {
    let db = aquifer::blocking::Db::open("sqlite::memory:").unwrap();
    db.exec("CREATE TABLE tanks (id INTEGER PRIMARY KEY, litres INTEGER NOT NULL)", ()).unwrap();
    let mut tx = db.begin().unwrap();
    tx.enqueue(ADD, (1, 1)).unwrap();
    let mut savepoint = tx.savepoint().unwrap();
    savepoint.enqueue(ADD, (2, 2)).unwrap();
    savepoint.flush().unwrap();
    savepoint.release().unwrap();
    tx.enqueue(ADD, (3, 3)).unwrap();
    tx.enqueue_named(statements::ADD_NAMED, &[("id", 4), ("litres", 4)]).unwrap();
    let add = tx.prepare(ADD).unwrap();
    add.on(&mut tx).enqueue((5, 5)).unwrap();
    let named = tx.prepare_named(statements::ADD_NAMED).unwrap();
    named.on(&mut tx).enqueue(&[("id", 6), ("litres", 6)]).unwrap();
    tx.commit().unwrap();
    assert_eq!(db.get::<i64>(COUNT, ()).unwrap(), 6);
}

/// PostgreSQL through a proxy that sees every message, with one connection.
async fn watched() -> (Db, Proxy, Database) {
    let database = POSTGRES.fresh_database().unwrap();
    let proxy = Proxy::start(POSTGRES.address()).unwrap();
    let url = proxy.url_of("aquifer", "aquifer", database.name());
    let tanks = tanks(&url, database).await.unwrap();
    // One connection: while it is rolled back, another would be opened for who comes.
    tanks.0.resize(1).unwrap();
    tanks.0.get::<i64>(COUNT, ()).await.unwrap();
    proxy.take();
    (tanks.0, proxy, tanks.1)
}

async fn four_statements(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    let litres: i64 = tx.get("SELECT litres FROM tanks WHERE id = ? FOR UPDATE", (1,)).await?;
    tx.enqueue("UPDATE tanks SET litres = ? WHERE id = ?", (litres - 1, 1)).await?;
    tx.commit().await.map(drop)
}

#[tokio::test]
async fn a_transaction_of_four_statements_takes_two_round_trips_with_a_sync_each() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    four_statements(&db).await?;
    assert_eq!(proxy.take_only().client_flights(), ["PBEPDBES", "PDBEPBES"]);
    // Nothing is parsed any more, neither BEGIN nor COMMIT.
    for _ in 0..3 {
        four_statements(&db).await?;
        let traffic = proxy.take_only();
        assert_eq!(traffic.client_flights(), ["BEBES", "BEBES"]);
        assert_eq!((traffic.count_client(b'S'), traffic.count_client(b'Q')), (2, 0));
    }
    assert_eq!(all(&db).await?, [(1, 96), (2, 100)]);
    Ok(())
}

#[tokio::test]
async fn a_thousand_queued_inserts_take_one_flight_and_no_allocation_each() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    for round in 0..3 {
        let from = 10_000 * (round + 1);
        let work = async {
            let mut tx = db.begin().await?;
            for id in from..from + 1000 {
                tx.enqueue(ADD, (id, 1)).await?;
            }
            tx.commit().await
        };
        let (committed, spent) = allocations_of(work).await;
        committed?;
        let traffic = proxy.take_only();
        let flights = traffic.client_flights();
        assert_eq!((flights.len(), traffic.count_client(b'S')), (1, 1), "{}", flights.len());
        assert_eq!(traffic.count_client(b'E'), 1002);
        assert!(round == 0 || spent.count < 60, "{spent:?}");
    }
    assert_eq!(db.get::<i64>(COUNT, ()).await?, 3002);
    Ok(())
}

#[tokio::test]
async fn every_call_takes_the_queue_along_in_its_own_flight() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    let mut tx = db.begin().await?;
    tx.exec(TAKE, (0, 1)).await?;
    tx.get::<i64>(LITRES, (1,)).await?;
    proxy.take();
    let flights = || proxy.take_only().client_flights();
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.enqueue(TAKE, (1, 2)).await?;
    tx.get::<i64>(LITRES, (1,)).await?;
    assert_eq!(flights(), ["BEBEBES"]);
    tx.enqueue(TAKE, (1, 1)).await?;
    let mut batch = tx.batch();
    let first = batch.exec(TAKE, (1, 1));
    let second = batch.get::<i64>(LITRES, (1,));
    let mut done = batch.send().await?;
    assert_eq!(done.take(first)?.rows_affected(), 1);
    assert_eq!(done.take(second)?, 97);
    assert_eq!(flights(), ["BEBEBES"]);
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.flush().await?;
    assert_eq!(flights(), ["BES"]);
    tx.enqueue(TAKE, (1, 1)).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.enqueue(TAKE, (1, 1)).await?;
    savepoint.release().await?;
    assert_eq!(flights(), ["BEPDBES", "BEPDBES"]);
    // What has answers of another kind is waited for by itself.
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.exec("SELECT 1; SELECT 2", ()).await?;
    assert_eq!(flights(), ["BES", "Q"]);
    // What is thrown away is not sent.
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.rollback().await?;
    assert_eq!(flights(), ["Q"]);
    Ok(())
}

#[tokio::test]
async fn a_commit_behind_a_failed_statement_is_one_flight_that_commits_nothing() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    let mut tx = db.begin().await?;
    tx.enqueue(TAKE, (1, 1)).await?;
    tx.enqueue(ADD, (1, 1)).await?;
    tx.enqueue(TAKE, (1, 2)).await?;
    let error = tx.commit().await.unwrap_err();
    assert_eq!((error.sqlstate(), error.statement()), (Some("23505"), Some(2)));
    assert_eq!(all(&db).await?, [(1, 100), (2, 100)]);
    let flights = proxy.take_only().client_flights();
    assert_eq!(flights.len(), 3, "the rollback, and a look: {flights:?}");
    Ok(())
}

#[tokio::test]
async fn a_tracked_commit_goes_along_once_its_number_is_known() -> Result<()> {
    let (db, proxy, _database) = watched().await;
    let tracked = TxOptions::new().track_commit();
    for commit in ["BEPBES", "BEBES"] {
        let mut tx = db.begin_with(tracked).await?;
        tx.exec(TAKE, (1, 1)).await?;
        proxy.take();
        tx.enqueue(TAKE, (1, 2)).await?;
        tx.commit().await?;
        assert_eq!(proxy.take_only().client_flights(), [commit]);
        // Before the number is known no COMMIT is sent.
        let mut tx = db.begin_with(tracked).await?;
        tx.enqueue(TAKE, (1, 2)).await?;
        tx.commit().await?;
        assert_eq!(proxy.take_only().client_flights(), ["BEBEPBES", "Q"]);
    }
    assert_eq!(all(&db).await?, [(1, 98), (2, 96)]);
    Ok(())
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_or_found_out() -> Result<()> {
    let (db, proxy, database) = watched().await;
    let litres = |database: &Database| -> i64 {
        database.psql("SELECT litres FROM tanks WHERE id = 1").unwrap().trim().parse().unwrap()
    };
    let options = [TxOptions::new(), TxOptions::new().track_commit()];
    for (options, before) in options.into_iter().zip([100, 99]) {
        let mut tx = db.begin_with(options).await?;
        tx.get::<i64>("SELECT litres FROM tanks WHERE id = ? FOR UPDATE", (1,)).await?;
        tx.exec(TAKE, (0, 1)).await?;
        tx.enqueue(TAKE, (1, 1)).await?;
        proxy.hold_answers();
        let (committed, ()) = tokio::join!(tx.commit(), async {
            // It has committed, and nobody has heard of it.
            while litres(&database) != before - 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            proxy.cut();
            proxy.release_answers();
        });
        match options.track_commit {
            false => assert_eq!(committed.unwrap_err().kind(), ErrorKind::CommitUnknown),
            true => assert!(committed?.found_out),
        }
        assert_eq!(db.get::<i64>(LITRES, (1,)).await?, before - 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_passes_dooms_the_transaction() -> Result<()> {
    let (db, _proxy, _database) = watched().await;
    let mut tx = db.begin().await?;
    tx.exec(TAKE, (1, 1)).await?;
    tx.set_timeout(Some(Duration::from_millis(50)));
    tx.enqueue("SELECT pg_sleep(60)", ()).await?;
    let error = tx.exec(TAKE, (1, 1)).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.retry(), Retry::Transaction);
    tx.set_timeout(None);
    assert_eq!(tx.exec(TAKE, (1, 1)).await.unwrap_err().kind(), ErrorKind::TxFailed);
    tx.rollback().await?;
    assert_eq!(all(&db).await?, [(1, 100), (2, 100)]);
    Ok(())
}

#[tokio::test]
async fn sqlite_takes_the_queue_and_the_commit_in_one_hop() -> Result<()> {
    let file = File::new();
    let tanks = tanks(&format!("sqlite://{}", file.0.display()), file).await?;
    let mut conn = tanks.0.acquire().await?;
    let mut hops = async || {
        let sqlite: &mut aquifer::sqlite::SqliteConnection = conn.driver()?;
        let before = aquifer::driver::Connection::counters(sqlite).rounds;
        let mut tx = conn.begin().await?;
        for id in 10..20 {
            tx.enqueue(TAKE, (1, id)).await?;
        }
        tx.commit().await?;
        let sqlite: &mut aquifer::sqlite::SqliteConnection = conn.driver()?;
        Ok::<_, aquifer::Error>(aquifer::driver::Connection::counters(sqlite).rounds - before)
    };
    hops().await?;
    assert_eq!(hops().await?, 2, "BEGIN IMMEDIATE, and all the rest");
    Ok(())
}

/// The engines whose drivers find out before anything is sent: a number that is none is not to be had there.
#[tokio::test]
async fn an_argument_that_cannot_be_sent_is_named_with_its_statement() -> Result<()> {
    let file = File::new();
    let on_sqlite = tanks(&format!("sqlite://{}", file.0.display()), file).await?;
    let database = MYSQL.fresh_database().unwrap();
    let on_mysql = tanks(database.url(), ()).await?;
    let written = MYSQL.fresh_database().unwrap();
    let url = written.url();
    let between = if url.contains('?') { '&' } else { '?' };
    let on_written = tanks(&format!("{url}{between}interpolateParams=true"), ()).await?;
    for db in [&on_sqlite.0, &on_mysql.0, &on_written.0] {
        // Rows that go together, and statements of their own; known, and not.
        for sql in [TAKE, "DELETE FROM tanks WHERE litres < ? AND id > ?", ADD, ADD] {
            let mut tx = db.begin().await?;
            tx.enqueue(TAKE, (1, 1)).await?;
            tx.enqueue(sql, (1.5, 7)).await?;
            tx.enqueue(sql, (f64::NAN, 8)).await?;
            tx.enqueue(sql, (2.5, 9)).await?;
            let error = tx.commit().await.unwrap_err();
            let said = (error.kind(), error.statement(), error.nothing_sent());
            assert_eq!(said, (ErrorKind::Argument, Some(3), true), "{sql}: {error}");
            assert!(error.hint().is_some_and(|hint| hint.contains(sql)), "{sql}: {error:?}");
        }
        assert_eq!(all(db).await?, [(1, 100), (2, 100)]);
    }
    Ok(())
}
