//! Kept statements that go stale, and what stays at the server: as much as the books say, whatever happens.

mod support;

use std::sync::Arc;

use aquifer_driver::{Batch, Command, ErrorKind, Result, Status, TxOptions, Value, Want};
use aquifer_testkit::{Meter, client};

use support::{Postgres, SERVER, Session, connect, run};

/// The statements that the server keeps for this session. Asked by a script, which keeps none itself.
async fn on_server(session: &mut Session) -> u64 {
    let sql = "SELECT count(*) FROM pg_prepared_statements";
    match session.script(sql).await.unwrap()[0][0] {
        Value::Int(count) => count as u64,
        ref other => panic!("{other:?}"),
    }
}

/// The server keeps what the driver's books say.
async fn assert_books(session: &mut Session) {
    assert_eq!(on_server(session).await, session.connection.counters().cached);
}

/// What a function dropped, nobody told the driver of: it finds out when it uses them.
async fn assert_books_or_less(session: &mut Session) {
    assert!(on_server(session).await <= session.connection.counters().cached);
}

/// How often something is prepared and sent during `work`.
async fn spent<T>(
    session: &mut Session,
    work: impl AsyncFnOnce(&mut Session) -> T,
) -> (T, u64, u64) {
    let meter = Meter::start(&*session.connection);
    let result = work(session).await;
    let spent = meter.spent(&*session.connection);
    (result, spent.prepared, spent.rounds)
}

const ALL: &str = "SELECT * FROM t WHERE id = $1";

fn table() -> aquifer_testkit::postgres::Database {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'Elbe')").unwrap();
    database
}

#[test]
fn after_alter_table_a_kept_statement_runs_again_with_the_new_columns() {
    let database = table();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        for column in ["length", "source"] {
            for _ in 0..2 {
                session.query(ALL, &(1,)).await.unwrap();
            }
            let before = session.query(ALL, &(1,)).await.unwrap()[0].len();
            database.psql(&format!("ALTER TABLE t ADD {column} int DEFAULT 7")).unwrap();
            let (rows, prepared, rounds) =
                spent(&mut session, async |session| session.query(ALL, &(1,)).await.unwrap()).await;
            assert_eq!((rows[0].len(), prepared, rounds), (before + 1, 1, 2));
            assert_eq!(rows[0].last(), Some(&Value::Int(7)));
            assert_books(&mut session).await;
            let (again, prepared, rounds) =
                spent(&mut session, async |session| session.query(ALL, &(1,)).await.unwrap()).await;
            assert_eq!((again, prepared, rounds), (rows, 0, 1));
        }
    });
}

#[test]
fn inside_a_transaction_a_stale_statement_fails_once_and_is_forgotten() {
    let database = table();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        session.query(ALL, &(1,)).await.unwrap();
        database.psql("ALTER TABLE t ADD length int DEFAULT 7").unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        let stale = session.query(ALL, &(1,)).await.unwrap_err();
        assert_eq!(stale.sqlstate(), Some("0A000"), "{stale}");
        assert_eq!(session.status(), Status::FailedTransaction);
        client::rollback(&mut *session.connection).await.unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        assert_eq!(session.query(ALL, &(1,)).await.unwrap()[0].len(), 3);
        client::commit(&mut *session.connection).await.unwrap();
        assert_books(&mut session).await;
    });
}

#[test]
fn ddl_of_the_session_itself_between_two_uses_is_seen_inside_a_transaction_too() {
    let database = table();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        client::begin(&mut *session.connection).await.unwrap();
        session.query("SELECT name FROM t", &()).await.unwrap();
        // The columns stay what they are, so the server plans anew and nobody need know.
        session.query("CREATE INDEX ON t (id)", &()).await.unwrap();
        session.query("ALTER TABLE t ADD length int", &()).await.unwrap();
        let (rows, prepared, _) = spent(&mut session, async |session| {
            session.query("SELECT name FROM t", &()).await.unwrap()
        })
        .await;
        assert_eq!((rows, prepared), (vec![vec![Value::from("Elbe")]], 0));
        client::commit(&mut *session.connection).await.unwrap();
    });
}

#[test]
fn a_parameter_whose_column_has_changed_its_type_is_learnt_anew() {
    let database = table();
    run(async {
        for mode in ["cache_statement", "cache_describe"] {
            database.psql("DROP TABLE t; CREATE TABLE t (id int, name text)").unwrap();
            database.psql("INSERT INTO t VALUES (1, 'Elbe')").unwrap();
            let url = format!("{}?default_query_exec_mode={mode}", database.url());
            let mut session = connect(&url).await.unwrap();
            let sql = "SELECT name FROM t WHERE id = $1";
            for _ in 0..3 {
                assert_eq!(session.query(sql, &(1,)).await.unwrap().len(), 1);
            }
            database.psql("ALTER TABLE t ALTER id TYPE text").unwrap();
            // The arguments were encoded for the old type, so this use is lost. The next is not.
            let _ = session.query(sql, &("1",)).await;
            for _ in 0..3 {
                assert_eq!(session.query(sql, &("1",)).await.unwrap().len(), 1, "{mode}");
            }
            if mode == "cache_statement" {
                assert_books(&mut session).await;
            }
        }
    });
}

#[test]
fn a_type_that_was_made_again_is_learnt_anew() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TYPE mood AS ENUM ('sad', 'ok')").unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        let sql = "SELECT $1::mood::text";
        for _ in 0..3 {
            session.query(sql, &("ok",)).await.unwrap();
        }
        database.psql("DROP TYPE mood; CREATE TYPE mood AS ENUM ('ok', 'fine')").unwrap();
        let _ = session.query(sql, &("fine",)).await;
        for _ in 0..3 {
            let rows = session.query(sql, &("fine",)).await.unwrap();
            assert_eq!(rows, [[Value::from("fine")]]);
        }
        assert_books(&mut session).await;
    });
}

/// Ways in which a user drops all statements of a session, ours along with them.
const DROPS: [&str; 3] =
    ["DEALLOCATE ALL", "DISCARD ALL", "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"];

#[test]
fn statements_that_the_user_dropped_are_prepared_again() {
    run(async {
        for drop in DROPS {
            for script in [false, true] {
                let mut session = connect(&SERVER.url()).await.unwrap();
                for _ in 0..2 {
                    session.query("SELECT $1::int8", &(1,)).await.unwrap();
                    session.query("SELECT $1::text", &("a",)).await.unwrap();
                }
                match script {
                    true => session.script(drop).await.unwrap(),
                    false => session.query(drop, &()).await.unwrap(),
                };
                for _ in 0..2 {
                    let rows = session.query("SELECT $1::int8", &(1,)).await.unwrap();
                    assert_eq!(rows, [[Value::Int(1)]], "{drop}");
                    let rows = session.query("SELECT $1::text", &("a",)).await.unwrap();
                    assert_eq!(rows, [[Value::from("a")]], "{drop}");
                }
                assert_books_or_less(&mut session).await;
            }
        }
    });
}

#[test]
fn a_dropped_statement_fails_a_transaction_at_most_once() {
    run(async {
        for drop in DROPS.into_iter().filter(|drop| *drop != "DISCARD ALL") {
            let mut session = connect(&SERVER.url()).await.unwrap();
            session.query("SELECT $1::int8", &(1,)).await.unwrap();
            client::begin(&mut *session.connection).await.unwrap();
            session.query(drop, &()).await.unwrap();
            let first = session.query("SELECT $1::int8", &(1,)).await;
            assert!(first.err().is_none_or(|error| error.sqlstate() == Some("26000")));
            client::rollback(&mut *session.connection).await.unwrap();
            client::begin(&mut *session.connection).await.unwrap();
            session.query("SELECT $1::int8", &(1,)).await.unwrap();
            client::commit(&mut *session.connection).await.unwrap();
            assert_books_or_less(&mut session).await;
        }
    });
}

#[test]
fn a_batch_around_a_drop_of_all_statements_runs_to_its_end_and_leaves_nothing_stale() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        session.query("SELECT 1", &()).await.unwrap();
        let mut batch = Batch::new();
        for sql in ["SELECT 1", "SELECT 2", "DEALLOCATE ALL", "SELECT 1", "SELECT 2", "SELECT 3"] {
            batch.push(&Arc::from(sql), &(), Want::All).unwrap();
        }
        let sets = client::batch(&mut *session.connection, batch).await.unwrap();
        assert!(sets.iter().all(Result::is_ok), "{sets:?}");
        client::begin(&mut *session.connection).await.unwrap();
        for sql in ["SELECT 1", "SELECT 2", "SELECT 3"] {
            session.query(sql, &()).await.unwrap();
        }
        client::commit(&mut *session.connection).await.unwrap();
        assert_books(&mut session).await;
    });
}

#[test]
fn a_text_that_drops_all_statements_and_does_something_else_leaves_nothing_stale() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        for text in
            ["DEALLOCATE ALL; SELECT 1", "SELECT 1; DEALLOCATE PREPARE ALL; SELECT 2", "COPY"]
        {
            for _ in 0..2 {
                session.query("SELECT $1::int8", &(1,)).await.unwrap();
            }
            match text {
                "COPY" => {
                    let sql = "DEALLOCATE ALL; COPY (SELECT 1) TO STDOUT";
                    let copy = session.postgres().copy_out(sql).await.unwrap();
                    copy.write_to(&mut tokio::io::sink()).await.unwrap();
                }
                sql => drop(session.script(sql).await.unwrap()),
            }
            // In a transaction, where a stale statement would be the end.
            client::begin(&mut *session.connection).await.unwrap();
            session.query("SELECT $1::int8", &(1,)).await.unwrap();
            client::commit(&mut *session.connection).await.unwrap();
            assert_books(&mut session).await;
        }
    });
}

#[test]
fn with_no_room_for_statements_nothing_stays_at_the_server() {
    run(async {
        let url = format!("{}?statement_cache_capacity=0", SERVER.url());
        let mut session = connect(&url).await.unwrap();
        for n in 0..20 {
            let rows = session.query("SELECT $1::int8", &(n,)).await.unwrap();
            assert_eq!(rows, [[Value::Int(n)]]);
            client::command(&mut *session.connection, Command::Prepare { sql: "SELECT 1" })
                .await
                .unwrap();
            let mut batch = Batch::new();
            for sql in ["SELECT $1::int8", "SELECT $1::int8 + 1"] {
                batch.push(&Arc::from(sql), &(n,), Want::All).unwrap();
            }
            client::batch(&mut *session.connection, batch).await.unwrap();
            session.query("SELECT 1 / $1::int8", &(0,)).await.unwrap_err();
            assert_eq!(on_server(&mut session).await, 0);
            assert_eq!(session.connection.counters().cached, 0);
        }
    });
}

/// A small generator, so that a failure is repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One random operation; whatever it gives must be right.
async fn act(session: &mut Session, random: &mut Random) -> &'static str {
    let n = random.below(12);
    let text = format!("SELECT $1::int8 + {n}");
    let sum = |k: i64| vec![vec![Value::Int(k + n as i64)]];
    let failed = session.status() == Status::FailedTransaction;
    let check = |result: Result<Vec<Vec<Value>>>, right: Vec<Vec<Value>>| match result {
        Ok(rows) => assert_eq!(rows, right),
        Err(error) => assert!(failed && error.kind() == ErrorKind::TxFailed, "{error}"),
    };
    match random.below(14) {
        0..=5 => {
            let result = session.query(&text, &(5_i64,)).await;
            check(result, sum(5));
            "query"
        }
        6 => {
            let mut batch = Batch::new();
            let many = random.below(9);
            for k in 0..many {
                let text = format!("SELECT $1::int8 + {}", (n + k) % 12);
                batch.push(&text.into(), &(k as i64,), Want::All).unwrap();
            }
            let sets = client::batch(&mut *session.connection, batch).await.unwrap();
            for (k, set) in sets.into_iter().enumerate() {
                let k = k as u64;
                check(set.map(|set| set.rows), vec![vec![Value::Int((k + (n + k) % 12) as i64)]]);
            }
            "batch"
        }
        7 => {
            let prepared =
                client::command(&mut *session.connection, Command::Prepare { sql: &text });
            prepared.await.map_err(|error| assert!(failed, "{error}")).ok();
            "prepare"
        }
        8 => {
            let error = session.query("SELECT 1 / $1::int8", &(0_i64,)).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Data | ErrorKind::TxFailed), "{error}");
            "failure at the execution"
        }
        9 => {
            session.query("SELECT nothing FROM nowhere", &()).await.unwrap_err();
            "failure at the parse"
        }
        10 => {
            let queued = || {
                let mut batch = Batch::new();
                batch.push(&text.as_str().into(), &(5_i64,), Want::Outcome).unwrap();
                Arc::new(batch)
            };
            match (session.status(), random.below(3)) {
                (Status::Idle, turn) => {
                    let options = TxOptions::new();
                    let options = if turn == 0 { options.read_only() } else { options };
                    let begin = Command::Begin(options);
                    client::command(&mut *session.connection, begin).await.unwrap();
                }
                (Status::Transaction, 0) => {
                    client::commit(&mut *session.connection).await.unwrap();
                }
                (Status::Transaction, 1) => {
                    session.connection.start_after(&queued(), Command::Commit).unwrap();
                    client::read(&mut *session.connection, None).await.unwrap();
                }
                _ => client::rollback(&mut *session.connection).await.unwrap(),
            }
            "begin, commit or rollback"
        }
        11 => {
            let dropped = session.query("DEALLOCATE ALL", &()).await;
            dropped.map_err(|error| assert!(failed, "{error}")).ok();
            "deallocate"
        }
        12 => {
            let command = Command::Execute { sql: &text, params: &(5_i64,), want: Want::First };
            session.connection.start(command).unwrap();
            session.connection.abandon();
            "abandoned before it is sent"
        }
        _ => {
            let many = "SELECT n FROM generate_series(1, $1::int8) AS n";
            let command = Command::Execute { sql: many, params: &(30_000_i64,), want: Want::All };
            session.connection.start(command).unwrap();
            let _ = session.step().await;
            client::recover(&mut *session.connection).await.unwrap();
            assert_eq!(session.status(), Status::Idle);
            "abandoned in its rows"
        }
    }
}

#[test]
fn whatever_is_run_the_server_keeps_what_the_books_say_and_no_more_than_allowed() {
    run(async {
        for (capacity, seed) in [(0, 1), (1, 2), (2, 3), (3, 4), (5, 5), (8, 6), (512, 7)] {
            let url = format!("{}?statement_cache_capacity={capacity}", SERVER.url());
            let mut session = connect(&url).await.unwrap();
            let mut random = Random(seed);
            let mut history = Vec::new();
            for _ in 0..150 {
                history.push(act(&mut session, &mut random).await);
                let cached = session.connection.counters().cached;
                assert!(cached <= capacity, "{cached} of {capacity} after {history:?}");
                if session.status() == Status::Idle && random.below(3) == 0 {
                    let kept = on_server(&mut session).await;
                    assert_eq!(kept, cached, "capacity {capacity}, after {history:?}");
                }
            }
        }
    });
}
