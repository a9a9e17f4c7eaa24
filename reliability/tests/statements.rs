//! What the driver's books say of prepared statements is what the server's own say, after random histories.

use std::time::Duration;

use aquifer::driver::Connection;
use aquifer::mysql::MysqlConnection;
use aquifer::postgres::PostgresConnection;
use aquifer::sqlite::SqliteConnection;
use aquifer::{Conn, Db, ErrorKind, Result};
use aquifer_reliability::{Arena, Books, Engine, Random, Soak, operations};
use aquifer_testkit::pgbouncer::{Options, PgBouncer, PoolMode};
use aquifer_testkit::{at_most, postgres};

/// Statements that a connection keeps, as the arena's URLs say.
const CACHE: u64 = 8;
/// SQLite's, by default.
const SQLITE_CACHE: u64 = 128;
/// Steps between two looks into the books, and looks of the bounded form.
const STEPS: u64 = 12;
const LOOKS: u64 = 60;
/// Looks at one database: a table takes a limited number of changes.
const LOOKS_EACH: u64 = 300;

/// Something that makes or unmakes statements.
async fn step(db: &Db, engine: Engine, random: &mut Random, tag: i64) -> Result<()> {
    match random.below(9) {
        // One of more texts than are kept.
        0..=2 => {
            let sql = format!("SELECT ? + {}", random.below(30));
            db.get::<i64>(&sql, (tag,)).await.map(drop)
        }
        3 => db.get::<i64>("SELECT missing FROM nowhere WHERE id = ?", (tag,)).await.map(drop),
        4 => {
            // The plans of what reads it are of the past.
            let column = format!("c{tag}");
            db.exec(&format!("ALTER TABLE accounts ADD COLUMN {column} INT"), ()).await?;
            let read: (i64, Option<i64>) = db
                .get(&format!("SELECT balance, {column} FROM accounts WHERE id = ?"), (1,))
                .await?;
            assert_eq!(read, (100, None));
            db.exec(&format!("ALTER TABLE accounts DROP COLUMN {column}"), ()).await.map(drop)
        }
        5 => {
            let read: Vec<i64> =
                db.select("SELECT balance FROM accounts WHERE id < ?", (9,)).await?;
            assert_eq!(read, [100, 100]);
            Ok(())
        }
        6 => {
            // The session is reset when it comes back, and with it the statements may be.
            let mut conn = db.acquire().await?;
            conn.exec(engine.set(), ()).await.map(drop)
        }
        7 => {
            let stmt = db.prepare(&format!("SELECT ? * {}", random.below(30))).await?;
            stmt.get::<i64>((tag,)).await.map(drop)
        }
        _ => {
            let all = operations(engine);
            random.pick(&all).run(db, engine, tag).await
        }
    }
}

/// Statements by the driver's books and by the engine's.
async fn books(conn: &mut Conn, engine: Engine, books: &Books) -> (u64, u64) {
    match engine {
        Engine::Sqlite => {
            let sqlite: &mut SqliteConnection = conn.driver().unwrap();
            let held = sqlite.statement_count().expect("no command is under way");
            (sqlite.counters().cached, held as u64)
        }
        Engine::Postgres => {
            // Asked as a script, it is none of them.
            let sql = "SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql; SELECT 1";
            let held: i64 = conn.get(sql, ()).await.unwrap();
            let own: &mut PostgresConnection = conn.driver().unwrap();
            (own.counters().cached, u64::try_from(held).unwrap())
        }
        Engine::Mysql => {
            // Orders to close go with the next command, and have no answer: with a ping behind them they have come.
            conn.ping().await.unwrap();
            let own: &mut MysqlConnection = conn.driver().unwrap();
            let (id, cached) = (i64::from(own.connection_id()), own.counters().cached);
            let sessions = books.sessions().await;
            let session = sessions.iter().find(|session| session.id == id).expect("it is there");
            (cached, u64::try_from(session.prepared).unwrap())
        }
    }
}

async fn statements_are_accounted_for(engine: Engine) {
    let soak = Soak::from_env();
    let mut random = Random::new(soak.seed);
    let mut arena = Arena::new(engine).await;
    let mut asked = arena.books().await;
    let mut db = arena.direct().max_open(1).open().unwrap();
    let (mut tag, mut looks, mut dropped, mut most) = (0, 0, 0_u64, 0);
    while soak.goes_on(looks, LOOKS) {
        if looks > 0 && looks % LOOKS_EACH == 0 {
            assert!(db.close_within(Duration::from_secs(30)).await.is_clean());
            arena = Arena::new(engine).await;
            asked = arena.books().await;
            db = arena.direct().max_open(1).open().unwrap();
        }
        for _ in 0..STEPS {
            tag += 1;
            if random.one_in(3) {
                let polls = 1 + usize::try_from(random.below(3)).unwrap();
                let mut own = random.split();
                match at_most(polls, step(&db, engine, &mut own, tag)).await {
                    Some(result) => expected(engine, result),
                    None => dropped += 1,
                }
            } else {
                expected(engine, step(&db, engine, &mut random, tag).await);
            }
        }
        let mut conn = db.acquire().await.unwrap();
        let (cached, held) = self::books(&mut conn, engine, &asked).await;
        assert_eq!(
            cached, held,
            "{engine}: by the driver's books and by the engine's, seed {}",
            soak.seed
        );
        let bound = if engine == Engine::Sqlite { SQLITE_CACHE } else { CACHE };
        assert!(held <= bound, "{engine}: {held} statements");
        most = most.max(held);
        looks += 1;
    }
    println!(
        "{engine}: {tag} steps, {dropped} dropped, {looks} looks: statements as in the books, at most {most}; seed {}",
        soak.seed
    );
    assert!(most > 0 && dropped > 0);
    assert!(db.close_within(Duration::from_secs(30)).await.is_clean());
}

fn expected(engine: Engine, result: Result<()>) {
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::UndefinedObject, "{engine}: {error:?}");
    }
}

#[tokio::test]
async fn soak_sqlite_statements() {
    statements_are_accounted_for(Engine::Sqlite).await;
}

#[tokio::test]
async fn soak_postgres_statements() {
    statements_are_accounted_for(Engine::Postgres).await;
}

#[tokio::test]
async fn soak_mysql_statements() {
    statements_are_accounted_for(Engine::Mysql).await;
}

/// Behind a pooler in transaction mode the sessions are others' too: nothing is left on any.
#[tokio::test]
async fn a_pooler_s_sessions_keep_no_statement() {
    let mut random = Random::new(Soak::from_env().seed);
    let server = postgres::Server::start(postgres::Settings::new()).unwrap();
    let bouncer =
        PgBouncer::start(&server, Options::new(PoolMode::Transaction).pool_size(2)).unwrap();
    let db = Db::builder(&format!("{}?pooler=transaction", bouncer.url())).unwrap();
    let db = db.max_open(4).open().unwrap();
    db.exec("CREATE TABLE accounts (id INT PRIMARY KEY, balance INT)", ()).await.unwrap();
    for tag in 0..200_i64 {
        let sql = format!("SELECT ? + {}", random.below(30));
        let call = db.get::<i64>(&sql, (tag,));
        if random.one_in(3) {
            drop(at_most(1 + usize::try_from(random.below(4)).unwrap(), call).await);
        } else {
            call.await.unwrap();
        }
        if random.one_in(20) {
            db.exec(&format!("ALTER TABLE accounts ADD COLUMN c{tag} INT"), ()).await.unwrap();
            db.select::<i64>("SELECT balance FROM accounts WHERE id = ?", (1,)).await.unwrap();
        }
    }
    for _ in 0..8 {
        let kept: i64 = db.get("SELECT count(*) FROM pg_prepared_statements", ()).await.unwrap();
        assert_eq!(kept, 0);
    }
    assert!(db.close_within(Duration::from_secs(30)).await.is_clean());
}
