//! Bytes turned over and messages mangled on a live connection, and secrets planted wherever there may be some: no panic, no hang, bounded
//! memory, and nothing shown that is nobody's business.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquifer::mysql::MysqlConnection;
use aquifer::postgres::PostgresConnection;
use aquifer::{Call, Db, Error, ErrorKind, Observer, Result, TransactionEnd};
use aquifer_reliability::{Arena, Engine, Random, Soak};
use aquifer_testkit::faults::{Fault, Mutation, Side, What, When};

/// Faults of the bounded form, per engine.
const BOUNDED: u64 = 400;
const DEADLINE: Duration = Duration::from_millis(300);
/// What one hostile message may cost at most: a length that says so makes nobody set so much aside.
const MEMORY_KIB_MAX: u64 = 400 * 1024;

/// Something whose answer is read to its end, whatever it says.
async fn call(db: &Db, engine: Engine, kind: u64) -> Result<()> {
    match kind {
        0 => db.get::<i64>("SELECT ? + 0", (7,)).await.map(drop),
        1 => db.select::<i64>(engine.series(), (40,)).await.map(drop),
        2 => db
            .select::<(i64, String)>("SELECT 1, 'text' UNION SELECT 2, 'more'", ())
            .await
            .map(drop),
        3 => db.exec("UPDATE accounts SET balance = balance WHERE id = ?", (1,)).await.map(drop),
        4 => {
            let mut batch = db.batch();
            let first = batch.get::<i64>("SELECT ? + 0", (1,));
            drop(batch.exec("UPDATE accounts SET balance = balance WHERE id = ?", (1,)));
            let mut done = batch.send().await?;
            done.take(first)?;
            done.finish()
        }
        5 => {
            let mut tx = db.begin().await?;
            tx.exec("UPDATE accounts SET balance = balance WHERE id = ?", (2,)).await?;
            tx.commit().await.map(drop)
        }
        6 => db.exec("SELECT 1; SELECT 2", ()).await.map(drop),
        _ => db.prepare("SELECT id, balance FROM accounts WHERE id = ?").await.map(drop),
    }
}

/// Most memory that this process has had so far, in KiB.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// A bit turned over at some byte.
fn bit(random: &mut Random, cold: bool) -> (When, What) {
    let byte = random.below(if cold { 600 } else { 200 });
    (When::Bytes(byte), What::Corrupt(1 << random.below(8)))
}

/// Some message that arrives otherwise than it was sent, or does not.
fn message(random: &mut Random, cold: bool) -> (When, What) {
    let message = random.below(if cold { 16 } else { 8 });
    let mutation = *random.pick(&Mutation::ALL);
    (When::Messages(message), What::Mangle(mutation, random.number()))
}

async fn hostile(engine: Engine, kind_of_fault: fn(&mut Random, bool) -> (When, What)) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let arena = Arena::new(engine).await;
    let proxy = arena.proxy().unwrap();
    let builder = arena.through(&proxy).max_open(1).set("recover_timeout", "50ms").unwrap();
    let db = builder.set("close_timeout", "50ms").unwrap().open().unwrap();
    let (mut done, mut refused, mut unnoticed) = (0, 0, 0);
    let mut met: BTreeMap<String, u64> = BTreeMap::new();
    while soak.goes_on(done, BOUNDED) {
        let kind = random.below(8);
        // The end of a connection that was just cut may still be on its way.
        for tried in 0.. {
            match db.ping().await {
                Ok(()) => break,
                Err(error) => assert!(tried < 50, "{engine}: after {done} faults: {error:?}"),
            }
        }
        // Of a new connection as often as of one that is warm: the log-in is read, too.
        let side = if random.one_in(5) { Side::Client } else { Side::Server };
        let cold = random.one_in(3);
        if cold {
            proxy.cut_all();
        }
        let (when, what) = kind_of_fault(&mut random, cold);
        let fault = Fault::new(side, when, what);
        proxy.arm(fault);
        let (own, limited) = (db.timeout(DEADLINE), Duration::from_secs(60));
        let task = tokio::spawn(async move { call(&own, engine, kind).await });
        let ended = tokio::time::timeout(limited, task).await;
        let ended = ended.unwrap_or_else(|_| panic!("{engine}: call {kind} hangs, {fault:?}"));
        match ended.unwrap_or_else(|panic| panic!("{engine}: call {kind}, {fault:?}: {panic}")) {
            Ok(()) => unnoticed += 1,
            Err(error) => {
                refused += 1;
                *met.entry(format!("{:?}", error.kind())).or_default() += 1;
            }
        }
        proxy.count();
        done += 1;
        // A session that was misled into another state is not for the next one.
        proxy.cut_all();
    }
    let peak = memory_peak();
    println!(
        "{engine}: {done} faults: {refused} calls failed, {unnoticed} did not; no panic, no hang; {peak} KiB at most; \
         seed {}; {met:?}",
        soak.seed
    );
    assert!(peak < MEMORY_KIB_MAX, "{engine}: {peak} KiB");
    assert!(refused > 0 && unnoticed > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_bytes_turned_over() {
    hostile(Engine::Postgres, bit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_mysql_bytes_turned_over() {
    hostile(Engine::Mysql, bit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgres_messages_mangled() {
    hostile(Engine::Postgres, message).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_mysql_messages_mangled() {
    hostile(Engine::Mysql, message).await;
}

/// A password, and a value that is bound.
const PASSWORD: &str = "hunter2-s3cret";
const BOUND: &str = "b0und-parameter";

/// Writes down everything that it is shown, in every form that it has.
#[derive(Debug, Default)]
struct Scribe(Mutex<String>);

impl Scribe {
    fn note(&self, what: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{what:?}{what:#?}").unwrap();
    }

    /// An error with its causes.
    fn error(&self, error: &Error) {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            write!(self.0.lock().unwrap(), "{error}").unwrap();
            self.note(&error);
            next = error.source();
        }
        write!(self.0.lock().unwrap(), "{:?}", error.hint()).unwrap();
    }
}

impl Observer for Scribe {
    fn call(&self, call: &Call<'_>) {
        self.note(call);
    }

    fn slow(&self, call: &Call<'_>) {
        self.note(call);
    }

    fn transaction(&self, end: &TransactionEnd<'_>) {
        self.note(end);
    }

    fn pool(&self, _pool: &str, event: &aquifer::pool::PoolEvent) {
        self.note(event);
    }

    fn notice(&self, _pool: &str, notice: &aquifer::driver::ServerNotice<'_>) {
        self.note(notice);
    }

    fn background_error(&self, _pool: &str, error: &Error) {
        self.error(error);
    }
}

/// Runs something that is to fail, and writes down how.
async fn fails<T>(scribe: &Scribe, what: impl Future<Output = Result<T>>) -> ErrorKind {
    match what.await {
        Ok(_) => panic!("it was to fail"),
        Err(error) => {
            scribe.error(&error);
            error.kind()
        }
    }
}

/// The arena's URL, with a password that is asked for.
async fn planted(arena: &Arena) -> String {
    let url = arena.url();
    let planting = arena.direct().open().unwrap();
    match arena.engine() {
        Engine::Sqlite => return url,
        Engine::Postgres => {
            let sql = format!("CREATE ROLE planted SUPERUSER LOGIN PASSWORD '{PASSWORD}'");
            planting.exec(&sql, ()).await.unwrap();
        }
        Engine::Mysql => {
            let sql = format!("CREATE USER planted IDENTIFIED BY '{PASSWORD}'");
            planting.exec(&sql, ()).await.unwrap();
            planting.exec("GRANT ALL ON *.* TO planted", ()).await.unwrap();
        }
    }
    let own = url.replacen("aquifer:aquifer@", &format!("planted:{PASSWORD}@"), 1);
    assert!(own.contains(PASSWORD), "{url}");
    own
}

/// What servers say of values that they do not like has the values in it.
async fn quoted_by_the_server(scribe: &Scribe, db: &Db, engine: Engine) {
    match engine {
        Engine::Sqlite => {
            fails(scribe, db.get::<i64>("SELECT json_extract(?, '$.n')", (BOUND,))).await;
        }
        Engine::Postgres => {
            let cast = "SELECT CAST(CAST(? AS text) AS int)";
            assert_eq!(fails(scribe, db.get::<i64>(cast, (BOUND,))).await, ErrorKind::Data);
            let date = "SELECT CAST(CAST(? AS text) AS date)";
            fails(scribe, db.get::<String>(date, (BOUND,))).await;
            db.exec(
                "CREATE FUNCTION shout(what text) RETURNS int LANGUAGE plpgsql AS \
                 'BEGIN RAISE NOTICE ''heard %'', what; RAISE EXCEPTION ''no %'', what; END'",
                (),
            )
            .await
            .unwrap();
            fails(scribe, db.get::<i64>("SELECT shout(?)", (BOUND,))).await;
            let mut conn = db.acquire().await.unwrap();
            let pg: &mut PostgresConnection = conn.driver().unwrap();
            let copied = async {
                let mut copy = pg.copy_in("COPY secrets FROM STDIN").await?;
                copy.send(format!("key\t{BOUND}\n").as_bytes()).await?;
                copy.finish().await
            };
            fails(scribe, copied).await;
        }
        Engine::Mysql => {
            let insert = "INSERT INTO secrets (id, n) VALUES ('key', ?)";
            fails(scribe, db.exec(insert, (BOUND,))).await;
            let cast = "INSERT INTO secrets (id, n) SELECT 'key', CAST(? AS DATE) + 1";
            fails(scribe, db.exec(cast, (BOUND,))).await;
            let signal = "BEGIN NOT ATOMIC DECLARE what TEXT DEFAULT ?; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = what; END";
            fails(scribe, db.exec(signal, (BOUND,))).await;
            let mut conn = db.acquire().await.unwrap();
            let my: &mut MysqlConnection = conn.driver().unwrap();
            let sql = "LOAD DATA LOCAL INFILE 'rows' INTO TABLE secrets (id, n)";
            let rows = format!("key\t{BOUND}\n");
            // It may be no more than a warning.
            if let Err(error) = my.load_data(sql, "rows", rows.as_bytes()).await {
                scribe.error(&error);
            }
        }
    }
}

async fn nothing_secret_is_shown(engine: Engine) {
    let scribe = Arc::new(Scribe::default());
    // Panics are shown, too.
    let heard = Arc::clone(&scribe);
    std::panic::set_hook(Box::new(move |panic| heard.note(&panic.to_string())));
    let arena = Arena::new(engine).await;
    if let Some(address) = arena.address() {
        let scheme = if engine == Engine::Postgres { "postgres" } else { "mysql" };
        let there = format!("{scheme}://somebody:{PASSWORD}@{address}/nowhere");
        let nobody = format!("{scheme}://somebody:{PASSWORD}@127.0.0.1:1/nowhere");
        for url in [
            there.clone(),
            nobody,
            format!("{there}?tls=true&sslmode=verify-full"),
            format!("{there}?unheard_of_parameter=7"),
            format!("{there}?timeout=soon&connect_timeout=soon"),
            format!("{scheme}://somebody:{PASSWORD}@127.0.0.1:port/nowhere"),
            format!("{scheme}://somebody:{PASSWORD}@[::1/nowhere"),
            format!("somebody:{PASSWORD}@tcp({address})/nowhere"),
            format!("{scheme}x://somebody:{PASSWORD}@{address}/nowhere"),
        ] {
            match Db::builder(&url) {
                Ok(builder) => {
                    let builder = builder.acquire_timeout(Duration::from_secs(2));
                    let builder = builder.observer(Arc::clone(&scribe) as _);
                    scribe.note(&builder);
                    match builder.open() {
                        Ok(db) => {
                            scribe.note(&db);
                            // The server lets nobody in with that password, or lets everybody in and has no such database.
                            let kind = fails(&scribe, db.ping()).await;
                            assert_ne!(kind, ErrorKind::Argument);
                            scribe.note(&db.stats());
                        }
                        Err(error) => scribe.error(&error),
                    }
                }
                Err(error) => scribe.error(&error),
            }
        }
    }
    let db = Db::builder(&planted(&arena).await).unwrap().max_open(1).slow_call(Duration::ZERO);
    let db = db.observer(Arc::clone(&scribe) as _);
    scribe.note(&db);
    let db = db.open().unwrap();
    scribe.note(&db);
    db.exec("CREATE TABLE secrets (id VARCHAR(40) PRIMARY KEY, n INT NOT NULL)", ()).await.unwrap();
    let insert = "INSERT INTO secrets (id, n) VALUES (?, ?)";
    db.exec(insert, (BOUND, 1)).await.unwrap();
    assert_eq!(fails(&scribe, db.exec(insert, (BOUND, 1))).await, ErrorKind::UniqueViolation);
    fails(&scribe, db.exec(insert, (BOUND, None::<i64>))).await;
    fails(&scribe, db.get::<i64>("SELECT id FROM secrets WHERE id = ?", (BOUND,))).await;
    fails(&scribe, db.exec("SELEKT ?", (BOUND,))).await;
    fails(&scribe, db.exec(insert, (BOUND,))).await;
    quoted_by_the_server(&scribe, &db, engine).await;
    let late = db.timeout(Duration::from_millis(20));
    fails(&scribe, late.get::<Option<String>>(engine.endless(), ())).await;
    let mut batch = db.batch();
    drop(batch.exec(insert, (BOUND, 2)));
    scribe.note(&batch);
    fails(&scribe, async { batch.send().await?.finish() }).await;
    let mut tx = db.begin().await.unwrap();
    fails(&scribe, tx.exec(insert, (BOUND, 3))).await;
    scribe.note(&tx);
    drop(tx);
    let mut conn = db.acquire().await.unwrap();
    scribe.note(&conn);
    let stmt = conn.prepare(insert).await.unwrap();
    scribe.note(&stmt);
    drop(conn);
    // A panic inside a call is the caller's, and tells of nothing that is ours.
    let own = db.clone();
    let panics = tokio::spawn(async move {
        let mut tx = own.begin().await.unwrap();
        tx.exec(insert, ("other", 4)).await.unwrap();
        panic!("{tx:?} {own:?}");
    });
    assert!(panics.await.is_err());
    assert!(db.close_within(Duration::from_secs(30)).await.is_clean());
    let shown = std::mem::take(&mut *scribe.0.lock().unwrap());
    let _ = std::panic::take_hook();
    assert!(shown.len() > 5_000, "hardly anything was shown: {} bytes", shown.len());
    for secret in [PASSWORD, BOUND, "hunter2", "aquifer:aquifer"] {
        if let Some(at) = shown.find(secret) {
            let around = shown.get(at.saturating_sub(300)..at + 60).unwrap_or("...");
            panic!("{engine}: {secret} is shown: {around}");
        }
    }
}

#[tokio::test]
async fn sqlite_shows_no_secret() {
    nothing_secret_is_shown(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres_shows_no_secret() {
    nothing_secret_is_shown(Engine::Postgres).await;
}

#[tokio::test]
async fn mysql_shows_no_secret() {
    nothing_secret_is_shown(Engine::Mysql).await;
}
