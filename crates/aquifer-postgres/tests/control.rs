//! BEGIN and COMMIT by name: what is sent, what stays at the server, and what becomes of transactions when the names
//! are dropped.

mod support;

use std::sync::Arc;

use aquifer_driver::{
    Batch, Command, ErrorKind, Isolation, Result, Retry, Status, TxOptions, Value, Want,
};
use aquifer_testkit::client;
use aquifer_testkit::postgres::{Database, Proxy};

use support::{SERVER, Session, connect, run};

const SET: &str = "UPDATE t SET n = n + 1 WHERE id = 1";

fn table() -> Database {
    let database = SERVER.fresh_database().unwrap();
    database
        .psql(
            "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); INSERT INTO t VALUES (1, 0); \
             CREATE FUNCTION drop_all() RETURNS int LANGUAGE plpgsql AS \
             $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 1; END $$; \
             CREATE PROCEDURE dropping() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
        )
        .unwrap();
    database
}

async fn begin(session: &mut Session, options: TxOptions) {
    client::command(&mut *session.connection, Command::Begin(options)).await.unwrap();
}

/// A COMMIT in the flight of a statement that was queued.
async fn commit_behind(session: &mut Session, sql: &str) -> Result<()> {
    let mut queued = Batch::new();
    queued.push(&Arc::from(sql), &(), Want::Outcome)?;
    session.connection.start_after(&Arc::new(queued), Command::Commit)?;
    client::read(&mut *session.connection, None).await.map(drop)
}

/// The statements that the server keeps for this session. Asked by a script, which keeps none itself.
async fn on_server(session: &mut Session) -> u64 {
    let sql = "SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql";
    match session.script(sql).await.unwrap()[0][0] {
        Value::Int(count) => count as u64,
        ref other => panic!("{other:?}"),
    }
}

async fn value(session: &mut Session) -> i64 {
    match session.script("SELECT n FROM t WHERE id = 1").await.unwrap()[0][0] {
        Value::Int(n) => n,
        ref other => panic!("{other:?}"),
    }
}

/// Every way in which a transaction can begin.
fn options() -> Vec<TxOptions> {
    let levels = [
        TxOptions::new(),
        TxOptions::isolation(Isolation::ReadCommitted),
        TxOptions::isolation(Isolation::RepeatableRead),
        TxOptions::serializable(),
    ];
    levels
        .into_iter()
        .flat_map(|options| [options, options.read_only(), options.read_only().deferrable()])
        .collect()
}

#[test]
fn a_transaction_of_kept_statements_is_two_flights_in_which_nothing_is_parsed() {
    let database = table();
    let proxy = Proxy::start(SERVER.address()).unwrap();
    run(async {
        let url = proxy.url_of("aquifer", "aquifer", database.name());
        let mut session = connect(&url).await.unwrap();
        session.query(SET, &()).await.unwrap();
        proxy.take_only();
        for flights in [["PBEBES", "BEPBES"], ["BEBES", "BEBES"], ["BEBES", "BEBES"]] {
            begin(&mut session, TxOptions::new()).await;
            session.query(SET, &()).await.unwrap();
            commit_behind(&mut session, SET).await.unwrap();
            assert_eq!(proxy.take_only().client_flights(), flights);
        }
        assert_eq!(value(&mut session).await, 7);
    });
}

#[test]
fn whatever_begins_them_transactions_leave_no_more_statements_than_allowed() {
    let database = table();
    run(async {
        for capacity in [0, 1, 2, 3, 4, 6, 9, 256] {
            let url = format!("{}?statement_cache_capacity={capacity}", database.url());
            let mut session = connect(&url).await.unwrap();
            for turn in 0..4 {
                for (index, options) in options().into_iter().enumerate() {
                    begin(&mut session, options).await;
                    let sql = format!("SELECT {} + 1", (index + turn) % 5);
                    session.query(&sql, &()).await.unwrap();
                    commit_behind(&mut session, "SELECT 7").await.unwrap();
                    let kept = on_server(&mut session).await;
                    assert!(kept <= capacity, "{kept} of {capacity}");
                    assert_eq!(kept, session.connection.counters().cached, "of {capacity}");
                }
            }
        }
    });
}

#[test]
fn an_isolation_level_by_name_is_the_one_that_was_asked_for() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        for turn in 0..3 {
            for (options, level) in [
                (TxOptions::new(), "read committed"),
                (TxOptions::serializable(), "serializable"),
                (TxOptions::isolation(Isolation::RepeatableRead).read_only(), "repeatable read"),
            ] {
                begin(&mut session, options).await;
                let shown = session.scalar("SHOW transaction_isolation").await.unwrap();
                assert_eq!(shown, Value::from(level), "{turn}");
                commit_behind(&mut session, "SELECT 7").await.unwrap();
            }
        }
        assert_eq!(on_server(&mut session).await, 6);
    });
}

/// All of these drop the session's statements; the last one so that nobody can see it.
const DROPS: [&str; 5] = [
    "DEALLOCATE ALL",
    "DEALLOCATE PREPARE ALL",
    "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
    "CALL dropping()",
    "SELECT drop_all()",
];

#[test]
fn names_that_were_dropped_outside_of_transactions_fail_none() {
    let database = table();
    run(async {
        for drop in DROPS.into_iter().chain(["DISCARD ALL"]) {
            for script in [false, true] {
                let mut session = connect(database.url()).await.unwrap();
                let before = value(&mut session).await;
                for turn in 1..=6 {
                    // What is new in each transaction does not tell that the old is gone.
                    begin(&mut session, TxOptions::new()).await;
                    session.query(&format!("SELECT {turn}"), &()).await.unwrap();
                    commit_behind(&mut session, &format!("{SET} -- {turn}")).await.unwrap();
                    // One flight.
                    begin(&mut session, TxOptions::serializable()).await;
                    commit_behind(&mut session, &format!("{SET} --- {turn}")).await.unwrap();
                    match script {
                        true => session.script(drop).await.unwrap(),
                        false => session.query(drop, &()).await.unwrap(),
                    };
                    assert_eq!(value(&mut session).await, before + 2 * turn, "{drop}");
                }
            }
        }
    });
}

#[test]
fn names_that_were_dropped_within_a_transaction_fail_it_only_where_nobody_could_see_it() {
    let database = table();
    run(async {
        for drop in DROPS {
            for queued in [false, true] {
                let mut session = connect(database.url()).await.unwrap();
                for turn in 0..6 {
                    let before = value(&mut session).await;
                    begin(&mut session, TxOptions::new()).await;
                    session.query(&format!("{SET} -- {turn}"), &()).await.unwrap();
                    // New each time: a kept statement that is gone would fail the transaction itself.
                    let dropping = format!("{drop} -- {turn}");
                    let result = match queued {
                        true => commit_behind(&mut session, &dropping).await,
                        false => {
                            session.query(&dropping, &()).await.unwrap();
                            commit_behind(&mut session, &format!("SELECT {turn}")).await
                        }
                    };
                    let after = value(&mut session).await;
                    match result {
                        Ok(()) => assert_eq!(after, before + 1, "{drop}"),
                        Err(error) => {
                            assert_eq!(drop, "SELECT drop_all()", "{error}");
                            assert_eq!(error.kind(), ErrorKind::TxFailed, "{error:?}");
                            assert_eq!(error.retry(), Retry::Transaction);
                            assert_eq!(session.status(), Status::FailedTransaction);
                            client::rollback(&mut *session.connection).await.unwrap();
                            assert_eq!(value(&mut session).await, before);
                        }
                    }
                }
            }
        }
    });
}
