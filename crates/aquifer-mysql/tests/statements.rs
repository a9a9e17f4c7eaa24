//! The statements that a session keeps: what the server's own books say of them, and how many round trips they take.

mod support;

use aquifer_driver::{Batch, Command, ErrorKind, Params, Status, TxOptions, Value, Want};
use aquifer_testkit::mysql::{Server, Settings};

use support::{Mysql, SERVER, Session, connect, run};

/// How many statements each session of these tests keeps.
const CAP: usize = 4;

/// A session that reads the books of others.
struct Books {
    reader: Session,
}

impl Books {
    async fn open(server: &Server) -> Self {
        Self {
            reader: connect(&format!("{}?statement_cache_capacity=0", server.url())).await.unwrap(),
        }
    }

    /// The texts that the server keeps for this session, in order.
    async fn of(&mut self, session: u32) -> Vec<String> {
        let sql = format!(
            "SELECT CAST(p.SQL_TEXT AS CHAR) FROM performance_schema.prepared_statements_instances p \
             JOIN performance_schema.threads t ON t.THREAD_ID = p.OWNER_THREAD_ID \
             WHERE t.PROCESSLIST_ID = {session} ORDER BY 1"
        );
        let rows = self.reader.script(&sql).await.unwrap();
        let text = |row: &Vec<Value>| match &row[0] {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        rows.iter().map(text).collect()
    }
}

async fn small(server: &Server) -> Session {
    connect(&format!("{}?statement_cache_capacity={CAP}", server.url())).await.unwrap()
}

/// Numbers that repeat for a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Texts with one argument; some are refused when they are prepared, some when they are run.
fn text(n: u64) -> String {
    match n {
        0 => "SELECT no_such_column + ? FROM kept".to_owned(),
        1 => "SELEKT ?".to_owned(),
        2 => "INSERT INTO kept (id) VALUES (?)".to_owned(),
        3 => "SELECT * FROM kept WHERE id > ?".to_owned(),
        4 => "SELECT a.id FROM kept a, kept b, kept c WHERE a.id >= ?".to_owned(),
        5 => "SELECT ?, 'not certain' /*! + 1 */".to_owned(),
        n => format!("SELECT {n} + ?"),
    }
}

/// Starts a command and gives it up after so many looks.
async fn give_up(session: &mut Session, command: Command<'_>, looks: u64) {
    if session.connection.start(command).is_ok() {
        for _ in 0..looks {
            let polled = std::future::poll_fn(|cx| {
                let polled = session.connection.poll_next(cx, &mut session.batch);
                std::task::Poll::Ready(polled.is_ready())
            });
            if polled.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        session.connection.abandon();
    }
}

/// One thing that a program may do to a session.
async fn act(session: &mut Session, random: &mut Random, other: &mut Session, step: u64) {
    let sql = text(random.below(12));
    let number = i64::try_from(random.below(50)).unwrap();
    let execute = |sql| Command::Execute { sql, params: &(1_i64,), want: Want::All };
    // Whatever comes of it: what counts is what the books say then.
    let _ = match random.below(16) {
        0 => session.command(Command::Prepare { sql: &sql }).await,
        1 => {
            give_up(session, execute(&sql), random.below(4)).await;
            session.recover().await.map(|()| Vec::new())
        }
        2 => {
            let paged = Want::Paged(std::num::NonZeroU32::MIN);
            let command = Command::Execute { sql: &sql, params: &(0_i64,), want: paged };
            give_up(session, command, 1 + random.below(40)).await;
            session.recover().await.map(|()| Vec::new())
        }
        3 | 4 => {
            let mut batch = Batch::new();
            for _ in 0..=random.below(6) {
                batch.push(&text(random.below(12)).into(), &(number,), Want::All).unwrap();
            }
            session.command(Command::Batch(batch.into())).await
        }
        5 => {
            session.script("SET @changed = 1").await.unwrap();
            session.command(Command::Reset).await
        }
        6 => other.script(&format!("ALTER TABLE kept ADD COLUMN c{step} INT")).await,
        7 => session.script("SELECT 1; SELECT 2").await,
        8 => session.query(&sql, &()).await,
        9 => session.query("LOCK TABLES kept READ", &()).await,
        10 => session.query("UNLOCK TABLES", &()).await,
        11 => {
            let _ = session.command(Command::Begin(TxOptions::new())).await;
            let _ = session.query(&sql, &(number,)).await;
            session.command(Command::Rollback).await
        }
        _ => session.query(&sql, &(number,) as &dyn Params).await,
    };
    if session.status() != Status::Idle {
        session.recover().await.unwrap();
    }
}

#[test]
fn the_server_s_books_are_ours_after_whatever_happened() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let url = format!("{}?statement_cache_capacity={CAP}", database.url());
        let (mut books, mut other) = (Books::open(&SERVER).await, connect(&url).await.unwrap());
        other.script("CREATE TABLE kept (id BIGINT PRIMARY KEY)").await.unwrap();
        other.script("INSERT INTO kept SELECT seq + 1000 FROM seq_1_to_20").await.unwrap();
        other.script("SET lock_wait_timeout = 0").await.unwrap();
        for seed in 0..6 {
            let mut random = Random(seed);
            let mut session = connect(&url).await.unwrap();
            let id = session.mysql().connection_id();
            for step in 0..60 {
                act(&mut session, &mut random, &mut other, seed * 100 + step).await;
                // Orders to close go with the next command.
                session.command(Command::Ping).await.unwrap();
                let kept = books.of(id).await;
                let cached = session.connection.counters().cached;
                assert_eq!(kept.len() as u64, cached, "seed {seed}, step {step}: {kept:?}");
                assert!(kept.len() <= CAP, "seed {seed}, step {step}: {kept:?}");
                assert!(kept.windows(2).all(|pair| pair[0] != pair[1]), "twice: {kept:?}");
                assert!(!kept.iter().any(|text| text == "DO 0"), "{kept:?}");
            }
            session.connection.close().await.unwrap();
            while !books.of(id).await.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    });
}

#[test]
fn each_first_use_is_one_round_trip_and_leaves_one_statement() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let mut books = Books::open(&SERVER).await;
        let id = session.mysql().connection_id();
        for n in 0..10_i64 {
            let before = session.connection.counters();
            let sql = format!("SELECT {n} + ?");
            assert_eq!(session.query(&sql, &(n,)).await.unwrap(), [[Value::Int(2 * n)]]);
            let after = session.connection.counters();
            assert_eq!((after.rounds - before.rounds, after.prepared - before.prepared), (1, 1));
            assert_eq!(books.of(id).await.len() as u64, after.cached);
        }
        // One that is refused is one, too, and what comes after it.
        for sql in ["SELECT nothing FROM nowhere", "SELECT 11", "SELEKT", "SELECT 12"] {
            let before = session.connection.counters().rounds;
            assert_eq!(session.query(sql, &()).await.is_ok(), sql.len() == 9, "{sql}");
            assert_eq!(session.connection.counters().rounds - before, 1, "{sql}");
        }
        session.command(Command::Ping).await.unwrap();
        assert_eq!(books.of(id).await.len() as u64, session.connection.counters().cached);
    });
}

/// Two sessions and one that takes and gives room at random, at a server that is full most of the time: every INSERT
/// is done as often as its caller was told.
#[test]
fn at_a_full_server_no_statement_is_run_in_the_place_of_another() {
    let server = Server::start(Settings::new().option("max-prepared-stmt-count=5")).unwrap();
    run(async {
        let mut holder = connect(&server.url()).await.unwrap();
        holder.script("CREATE TABLE done (n INT, by_session INT)").await.unwrap();
        let mut sessions = [small(&server).await, small(&server).await];
        let mut random = Random(7);
        let (mut held, mut told, mut refused) = (0_u64, Vec::new(), 0);
        for n in 0..300_i64 {
            match random.below(8) {
                0..=4 if holder.script(&format!("PREPARE h{held} FROM 'DO 0'")).await.is_ok() => {
                    held += 1
                }
                5 if held > 0 => {
                    held -= 1;
                    holder.script(&format!("DEALLOCATE PREPARE h{held}")).await.unwrap();
                }
                _ => {}
            }
            let by = usize::try_from(random.below(2)).unwrap();
            let session = &mut sessions[by];
            if random.below(10) == 0 {
                // It has none of its own any more.
                session.script("SET @changed = 1").await.unwrap();
                session.command(Command::Reset).await.unwrap();
                continue;
            }
            // Mostly texts that are new: each names its number.
            let sql = match random.below(4) {
                0 => "INSERT INTO done VALUES (?, 1)".to_owned(),
                _ => format!("INSERT INTO done VALUES (?, {by} + 0 * {n})"),
            };
            match session.query(&sql, &(n,)).await {
                Ok(_) => told.push(n),
                Err(error) => {
                    let code = (error.kind(), error.code());
                    assert_eq!(code, (ErrorKind::Resources, Some("1461")), "{error}");
                    assert!(error.nothing_sent());
                    refused += 1;
                }
            }
        }
        assert!(refused > 0 && told.len() > 50, "{refused} refused, {} done", told.len());
        let rows = holder.script("SELECT n FROM done ORDER BY n").await.unwrap();
        let done: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(done, told.iter().map(|n| Value::Int(*n)).collect::<Vec<_>>());
        // A description makes room for itself as well.
        for _ in 0..5 {
            if holder.script(&format!("PREPARE h{held} FROM 'DO 0'")).await.is_ok() {
                held += 1;
            }
        }
        let [mut session, _other] = sessions;
        while session.connection.counters().cached == 0 {
            assert!(held > 0, "there is room for one");
            held -= 1;
            holder.script(&format!("DEALLOCATE PREPARE h{held}")).await.unwrap();
            session.query("DO ?", &(1,)).await.unwrap();
        }
        let evicted = session.connection.counters().evicted;
        session.command(Command::Prepare { sql: "SELECT ?, 'described'" }).await.unwrap();
        let described = session.connection.take_description().unwrap();
        assert_eq!(described.parameters.len(), 1);
        assert!(session.connection.counters().evicted > evicted);
    });
}
