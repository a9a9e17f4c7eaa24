//! What a `Db` makes of PostgreSQL's sessions: savepoints, lost connections, dropped futures, and what each
//! call costs on the wire.

use std::sync::LazyLock;
use std::time::Duration;

use aquifer::postgres::PostgresConnection;
use aquifer::{Db, ErrorKind, Explain, Result, Retry, TxOptions};
use aquifer_testkit::pgbouncer::{Options, PgBouncer, PoolMode};
use aquifer_testkit::postgres::{Database, Proxy, Server, Settings};
use aquifer_testkit::{CountingAllocator, allocations_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

const ONE: &str = "pool_max_open=1";

fn fresh(options: &str) -> (Database, Db) {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let db = Db::open(&format!("{}?{options}", database.url())).unwrap();
    (database, db)
}

/// Waits for a state that another process reaches soon; the runtime hears of it, too.
async fn until(mut reached: impl FnMut() -> bool) {
    let waited = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.expect("it does not come about");
}

/// A database with one session, through a proxy that counts.
async fn watched() -> (Database, Proxy, Db) {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    let proxy = Proxy::start(SERVER.address()).unwrap();
    let url = proxy.url_of("aquifer", "aquifer", database.name());
    let db = Db::open(&format!("{url}&{ONE}")).unwrap();
    db.ping().await.unwrap();
    proxy.take();
    (database, proxy, db)
}

fn flights(proxy: &Proxy) -> Vec<String> {
    let mut traffic = proxy.take();
    assert!(traffic.len() <= 1, "{traffic:?}");
    traffic.pop().map(|traffic| traffic.client_flights()).unwrap_or_default()
}

#[tokio::test]
async fn calls_cost_what_the_driver_costs_and_lending_a_connection_nothing() -> Result<()> {
    let (_database, proxy, db) = watched().await;
    let sql = "SELECT id FROM t WHERE id = ?";
    for flight in ["PDBES", "BES", "BES"] {
        let none: Option<i32> = db.get_optional(sql, (1,)).await?;
        assert_eq!(none, None);
        assert_eq!(flights(&proxy), [flight]);
    }
    drop(db.acquire().await?);
    assert_eq!(flights(&proxy), [""; 0], "an idle connection is lent without a word");
    db.ping().await?;
    assert_eq!(flights(&proxy), ["S"]);
    let mut tx = db.begin().await?;
    assert_eq!(flights(&proxy), [""; 0]);
    let none: Option<i32> = tx.get_optional(sql, (1,)).await?;
    assert_eq!(none, None);
    tx.commit().await?;
    assert_eq!(flights(&proxy), ["PBEBES", "Q"]);
    db.transaction(async |tx| tx.exec("DELETE FROM t", ()).await).await?;
    assert_eq!(flights(&proxy), ["BEPDBES", "Q"]);
    drop(db.begin().await?);
    db.begin().await?.rollback().await?;
    assert_eq!(flights(&proxy), [""; 0]);
    let stmt = db.prepare("SELECT count(*) FROM t").await?;
    assert_eq!(flights(&proxy), ["PDS"]);
    assert_eq!(stmt.get::<i64>(()).await?, 0);
    assert_eq!(flights(&proxy), ["BES"]);
    Ok(())
}

#[tokio::test]
async fn a_point_select_allocates_no_more_than_its_value() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let sql = "SELECT ?::int8, 'river'";
    for n in 0..20_i64 {
        db.get::<(i64, String)>(sql, (n,)).await?;
    }
    let (done, spent) = allocations_of(async {
        for n in 0..100_i64 {
            let (found, _) = db.get::<(i64, String)>(sql, (n,)).await?;
            assert_eq!(found, n);
        }
        Ok::<_, aquifer::Error>(())
    })
    .await;
    done?;
    // The text of each row.
    assert_eq!(spent.count, 100, "{} bytes", spent.bytes);
    Ok(())
}

#[tokio::test]
async fn savepoints_undo_their_part_and_let_the_transaction_go_on() -> Result<()> {
    let (database, db) = fresh("");
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    let mut savepoint = tx.savepoint().await?;
    savepoint.exec("INSERT INTO t VALUES (2)", ()).await?;
    let mut inner = savepoint.savepoint().await?;
    inner.exec("INSERT INTO t VALUES (3)", ()).await?;
    let twice = inner.exec("INSERT INTO t VALUES (1)", ()).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::UniqueViolation);
    inner.rollback().await?;
    savepoint.exec("INSERT INTO t VALUES (4)", ()).await?;
    savepoint.release().await?;
    let mut dropped = tx.savepoint().await?;
    dropped.exec("INSERT INTO t VALUES (5)", ()).await?;
    drop(dropped);
    tx.exec("INSERT INTO t VALUES (6)", ()).await?;
    tx.commit().await?;
    let ids = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t";
    assert_eq!(database.psql(ids).unwrap(), "1 2 4 6\n");
    Ok(())
}

#[tokio::test]
async fn a_begin_that_is_refused_runs_nothing_outside_of_a_transaction() -> Result<()> {
    let standby = Server::start(Settings::new().standby()).unwrap();
    let db = Db::open(&format!("{}?{ONE}", standby.url()))?;
    let lock = "SELECT pg_advisory_lock(?)";
    db.exec(lock, (1,)).await?;
    db.exec("SELECT pg_advisory_unlock(?)", (1,)).await?;
    let mut tx = db.begin_with(TxOptions::serializable()).await?;
    let refused = tx.exec(lock, (1,)).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("0A000"), "{refused}");
    for _ in 0..2 {
        let over = tx.exec(lock, (1,)).await.unwrap_err();
        assert!(matches!(over.kind(), ErrorKind::TxFailed | ErrorKind::TxDone), "{over:?}");
    }
    assert!(tx.commit().await.is_err());
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(db.get::<i64>(locks, ()).await?, 0);
    Ok(())
}

async fn terminate(database: &Database) {
    let others = "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'aquifer'";
    database.psql(&format!("SELECT pg_terminate_backend(pid) {others}")).unwrap();
    until(|| database.psql(&format!("SELECT count(*) {others}")).unwrap() == "0\n").await;
}

#[tokio::test]
async fn a_session_that_was_ended_while_idle_is_replaced_without_a_word() -> Result<()> {
    let (database, db) = fresh("pool_max_open=3");
    db.warm_up(3).await?;
    for n in 0..2 {
        terminate(&database).await;
        db.exec("INSERT INTO t VALUES (?)", (n,)).await?;
        terminate(&database).await;
        let mut tx = db.begin().await?;
        assert_eq!(tx.get::<i64>("SELECT count(*) FROM t", ()).await?, i64::from(n) + 1);
        tx.commit().await?;
        terminate(&database).await;
        let mut rows = db.query("SELECT id FROM t", ()).await?;
        assert!(rows.next().await?.is_some());
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_started_again_is_used_again() -> Result<()> {
    let server = Server::start(Settings::new()).unwrap();
    let db = Db::open(&server.url())?;
    assert_eq!(db.get::<i32>("SELECT 1", ()).await?, 1);
    server.restart().unwrap();
    until(|| true).await;
    assert_eq!(db.get::<i32>("SELECT 1", ()).await?, 1);
    server.stop().unwrap();
    until(|| true).await;
    let away = db.timeout(Duration::from_secs(1)).get::<i32>("SELECT 1", ()).await.unwrap_err();
    assert!(
        matches!(away.kind(), ErrorKind::Connect | ErrorKind::PoolTimeout | ErrorKind::Timeout),
        "{away:?}"
    );
    server.restart().unwrap();
    until(|| true).await;
    assert_eq!(db.get::<i32>("SELECT 1", ()).await?, 1);
    Ok(())
}

/// How many statements sleep in this database.
fn sleeping(database: &Database) -> String {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event = 'PgSleep'";
    database.psql(sql).unwrap()
}

#[tokio::test]
async fn a_dropped_call_is_stopped_at_the_server_and_its_connection_goes_on() -> Result<()> {
    let (database, db) = fresh(ONE);
    let process: i32 = db.get("SELECT pg_backend_pid()", ()).await?;
    for _ in 0..3 {
        let call = db.exec("SELECT pg_sleep(3600)", ());
        tokio::select! {
            biased;
            done = call => panic!("{done:?}"),
            () = until(|| sleeping(&database) == "1\n") => {}
        }
        until(|| sleeping(&database) == "0\n").await;
        assert_eq!(db.get::<i32>("SELECT pg_backend_pid()", ()).await?, process);
    }
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    {
        let call = tx.exec("SELECT pg_sleep(3600)", ());
        tokio::select! {
            biased;
            done = call => panic!("{done:?}"),
            () = until(|| sleeping(&database) == "1\n") => {}
        }
    }
    drop(tx);
    until(|| sleeping(&database) == "0\n").await;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await?, 0);
    assert_eq!(db.get::<i32>("SELECT pg_backend_pid()", ()).await?, process);
    Ok(())
}

#[tokio::test]
async fn rows_that_nobody_reads_on_are_stopped_and_the_connection_goes_on() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let process: i32 = db.get("SELECT pg_backend_pid()", ()).await?;
    for _ in 0..3 {
        let many = "SELECT generate_series(1, 2000000000), repeat('x', 100)";
        let mut rows = db.query(many, ()).await?;
        assert!(rows.next().await?.is_some());
        drop(rows);
        assert_eq!(db.get::<i32>("SELECT pg_backend_pid()", ()).await?, process);
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_is_not_tried_again() -> Result<()> {
    let (database, proxy, db) = watched().await;
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    proxy.hold_answers();
    let lost = async {
        until(|| database.psql("SELECT count(*) FROM t").unwrap() == "1\n").await;
        proxy.cut();
        proxy.release_answers();
    };
    let (committed, ()) = tokio::join!(tx.commit(), lost);
    assert_eq!(committed.unwrap_err().kind(), ErrorKind::CommitUnknown);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_commit_that_is_tracked_finds_out_what_became_of_it() -> Result<()> {
    let (database, proxy, db) = watched().await;
    let mut tx = db.begin_with(TxOptions::new().track_commit()).await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    proxy.hold_answers();
    let lost = async {
        until(|| database.psql("SELECT count(*) FROM t").unwrap() == "1\n").await;
        proxy.cut();
        proxy.release_answers();
    };
    let (committed, ()) = tokio::join!(tx.commit(), lost);
    assert!(committed?.found_out);
    Ok(())
}

#[tokio::test]
async fn tracking_a_transaction_costs_no_round_trip_once_the_server_is_known() -> Result<()> {
    let (_database, proxy, db) = watched().await;
    let options = TxOptions::new().track_commit();
    let insert = "INSERT INTO t VALUES (?)";
    // Who the server is, once per session.
    let mut tx = db.begin_with(options).await?;
    assert_eq!(flights(&proxy), ["Q"]);
    tx.exec(insert, (1,)).await?;
    assert_eq!(flights(&proxy), ["PBEPDBEPBES"]);
    tx.commit().await?;
    assert_eq!(flights(&proxy), ["Q"]);
    // The number is asked for until there is one.
    let mut tx = db.begin_with(options).await?;
    assert_eq!(tx.get::<i32>("SELECT 7", ()).await?, 7);
    tx.exec(insert, (2,)).await?;
    tx.exec(insert, (3,)).await?;
    tx.commit().await?;
    assert_eq!(flights(&proxy), ["BEPDBEPBES", "BEPBES", "BES", "Q"]);
    // After what cannot be accompanied it is asked for alone.
    let mut tx = db.begin_with(options).await?;
    tx.exec("INSERT INTO t VALUES (4); INSERT INTO t VALUES (5)", ()).await?;
    tx.commit().await?;
    assert_eq!(flights(&proxy), ["Q", "Q", "Q"]);
    // What only reads is not tracked.
    let mut tx = db.begin_with(options.read_only()).await?;
    assert_eq!(tx.select::<i32>("SELECT id FROM t ORDER BY id", ()).await?, [1, 2, 3, 4, 5]);
    tx.commit().await?;
    assert_eq!(flights(&proxy), ["PBEPDBES", "Q"]);
    Ok(())
}

#[tokio::test]
async fn a_mark_goes_in_the_message_of_the_commit_and_is_deleted_with_others() -> Result<()> {
    let (database, proxy, db) = watched().await;
    let options = TxOptions::new().mark_commit();
    let insert = "INSERT INTO t VALUES (?)";
    let mut tx = db.begin_with(options).await?;
    tx.exec(insert, (0,)).await?;
    let missing = tx.commit().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::UndefinedObject);
    assert!(
        missing.hint().is_some_and(|hint| hint.contains(TxOptions::MARKS_TABLE)),
        "{missing:?}"
    );
    database.psql(TxOptions::MARKS_TABLE).unwrap();
    // What failed is rolled back before.
    db.ping().await?;
    proxy.take();
    for id in 1..=100 {
        let mut tx = db.begin_with(options).await?;
        tx.exec(insert, (id,)).await?;
        tx.commit().await?;
        if id == 1 {
            assert_eq!(flights(&proxy), ["BEBES", "Q"]);
        }
    }
    let kept = "SELECT count(*) FROM aquifer_commits";
    assert_eq!(database.psql(kept).unwrap(), "36\n");
    assert_eq!(database.psql("SELECT count(*) FROM t").unwrap(), "100\n");
    assert!(db.close().await.is_clean());
    assert_eq!(database.psql(kept).unwrap(), "0\n");
    Ok(())
}

#[tokio::test]
async fn whoever_may_not_say_which_server_it_is_commits_all_the_same() -> Result<()> {
    let (database, db) = fresh(ONE);
    database
        .psql(
            "CREATE ROLE narrow LOGIN PASSWORD 'narrow'; GRANT ALL ON t TO narrow; \
                   REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        )
        .unwrap();
    assert!(db.close().await.is_clean());
    let url = database.url().replacen("aquifer:aquifer@", "narrow:narrow@", 1);
    let db = Db::open(&format!("{url}?{ONE}")).unwrap();
    for id in 1..=2 {
        let mut tx = db.begin_with(TxOptions::new().track_commit()).await?;
        tx.exec("INSERT INTO t VALUES (?)", (id,)).await?;
        assert!(!tx.commit().await?.found_out);
    }
    assert_eq!(database.psql("SELECT count(*) FROM t").unwrap(), "2\n");
    assert!(db.close().await.is_clean());
    database.psql("DROP OWNED BY narrow; DROP ROLE narrow").unwrap();
    Ok(())
}

#[tokio::test]
async fn a_deferred_constraint_fails_the_transaction_at_its_commit() -> Result<()> {
    let (database, db) = fresh("");
    database.psql("CREATE TABLE child (t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)").unwrap();
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO child VALUES (?)", (1,)).await?;
    assert_eq!(tx.commit().await.unwrap_err().kind(), ErrorKind::ForeignKeyViolation);
    let alone = db.exec("INSERT INTO child VALUES (?)", (1,)).await.unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::ForeignKeyViolation);
    let fine = db
        .transaction(async |tx| {
            tx.exec("INSERT INTO child VALUES (?)", (1,)).await?;
            tx.exec("INSERT INTO t VALUES (?)", (1,)).await
        })
        .await?;
    assert_eq!(fine.rows_affected(), 1);
    Ok(())
}

#[tokio::test]
async fn a_borrower_leaves_no_settings_behind() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let before: String = db.get("SHOW work_mem", ()).await?;
    let mut conn = db.acquire().await?;
    conn.exec("SET work_mem = '1234kB'", ()).await?;
    assert_eq!(conn.get::<String>("SHOW work_mem", ()).await?, "1234kB");
    drop(conn);
    assert_eq!(db.get::<String>("SHOW work_mem", ()).await?, before);
    Ok(())
}

async fn work_behind_a_pooler(db: Db, task: i64) -> Result<()> {
    for n in 0..10_i64 {
        let sum: i64 = db.get("SELECT ?::int8 + ?::int8", (task, n)).await?;
        assert_eq!(sum, task + n);
        db.transaction(async |tx| {
            tx.exec("INSERT INTO t VALUES (?)", (task,)).await?;
            let mut inner = tx.savepoint().await?;
            inner.exec("INSERT INTO t VALUES (?)", (-1,)).await?;
            inner.rollback().await
        })
        .await?;
        let mut batch = db.batch();
        let first = batch.get::<i64>("SELECT ?::int8", (n,));
        let second = batch.exec("INSERT INTO t VALUES (?)", (task,));
        let mut done = batch.send().await?;
        assert_eq!(done.take(first)?, n);
        assert_eq!(done.take(second)?.rows_affected(), 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_of_transactions_a_pool_serves_many_tasks() -> Result<()> {
    let server = Server::start(Settings::new()).unwrap();
    server.psql("CREATE TABLE t (id int8)").unwrap();
    let options = Options::new(PoolMode::Transaction).pool_size(2);
    let bouncer = PgBouncer::start(&server, options).unwrap();
    let mode = "default_query_exec_mode=cache_describe&pool_max_open=6";
    let db = Db::open(&format!("{}?{mode}", bouncer.url()))?;
    let tasks: Vec<_> =
        (0..20).map(|task| tokio::spawn(work_behind_a_pooler(db.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap()?;
    }
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t WHERE id >= 0", ()).await?, 400);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t WHERE id < 0", ()).await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_first_row_of_a_long_result_harms_no_transaction_and_loses_no_write() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let long = "SELECT i, repeat('x', 100) FROM generate_series(1, 300000) AS i";
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    let (first, _): (i32, String) = tx.get(long, ()).await?;
    assert_eq!(first, 1);
    let mut rows = tx.query(long, ()).await?;
    assert!(rows.next().await?.is_some());
    drop(rows);
    tx.exec("INSERT INTO t VALUES (2)", ()).await?;
    tx.commit().await?;

    db.exec(
        "CREATE FUNCTION w(i int) RETURNS text LANGUAGE sql AS
         $$ INSERT INTO t VALUES (i + 100); SELECT repeat('y', 1000) $$",
        (),
    )
    .await?;
    let _: String = db.get("SELECT w(i) FROM generate_series(1, 2000) AS i", ()).await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await?, 2002);
    db.explain_with(Explain::new().analyze(), "SELECT w(?)", (5000,)).await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await?, 2002, "looked at, not done");
    Ok(())
}

#[tokio::test]
async fn a_query_that_timed_out_may_have_written() -> Result<()> {
    let (_database, proxy, db) = watched().await;
    db.exec(
        "CREATE FUNCTION w(i int) RETURNS int LANGUAGE sql AS
         $$ INSERT INTO t VALUES (i); SELECT 1 $$",
        (),
    )
    .await?;
    proxy.hold_answers();
    let late = db.timeout(Duration::from_millis(200)).get::<i32>("SELECT w(?)", (1,)).await;
    proxy.release_answers();
    let late = late.unwrap_err();
    assert_eq!((late.kind(), late.retry()), (ErrorKind::Timeout, Retry::Unknown), "{late}");
    Ok(())
}

#[tokio::test]
async fn what_any_command_set_is_undone_before_the_next_borrower() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let usual: String = db.get("SHOW search_path", ()).await?;
    let copied = "SET search_path = evil, public; COPY t FROM STDIN";
    for text in [
        "SET LOCAL work_mem = '1MB'; SET search_path = evil",
        "DO $$ BEGIN SET search_path = evil; END $$",
        copied,
    ] {
        if text == copied {
            let mut conn = db.acquire().await?;
            let postgres = conn.driver::<PostgresConnection>()?;
            postgres.copy_in(text).await?.finish().await?;
        } else {
            db.exec(text, ()).await?;
        }
        assert_eq!(db.get::<String>("SHOW search_path", ()).await?, usual, "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_lost_in_a_transaction_loses_the_transaction() -> Result<()> {
    let (database, db) = fresh(ONE);
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", ()).await?;
    database.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()").unwrap();
    for _ in 0..2 {
        let lost = tx.exec("INSERT INTO t VALUES (2)", ()).await.unwrap_err();
        assert_eq!((lost.kind(), lost.retry()), (ErrorKind::ConnectionLost, Retry::Transaction));
    }
    let lost = tx.commit().await.unwrap_err();
    assert_eq!((lost.kind(), lost.retry()), (ErrorKind::ConnectionLost, Retry::Transaction));
    Ok(())
}

#[tokio::test]
async fn a_commit_by_hand_that_rolls_back_is_an_error() -> Result<()> {
    let (_database, db) = fresh(ONE);
    let mut conn = db.acquire().await?;
    for commit in ["COMMIT", " end transaction", "commit"] {
        conn.exec("BEGIN", ()).await?;
        conn.exec("INSERT INTO t VALUES ('x')", ()).await.unwrap_err();
        let refused = conn.exec(commit, ()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TxFailed, "{commit}");
        conn.exec("BEGIN", ()).await?;
        conn.exec("INSERT INTO t VALUES (1)", ()).await?;
        conn.exec("ROLLBACK", ()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_wider_column_takes_is_taken_at_the_second_try() -> Result<()> {
    let (_database, db) = fresh(ONE);
    db.exec("INSERT INTO t VALUES (?)", (1,)).await?;
    db.exec("ALTER TABLE t ALTER id TYPE bigint", ()).await?;
    // The types that were learnt are the narrow ones.
    let narrow = db.exec("INSERT INTO t VALUES (?)", (5_000_000_000_i64,)).await.unwrap_err();
    assert_eq!(narrow.kind(), ErrorKind::Data);
    db.exec("INSERT INTO t VALUES (?)", (5_000_000_000_i64,)).await?;
    assert_eq!(db.get::<i64>("SELECT max(id) FROM t", ()).await?, 5_000_000_000);
    Ok(())
}

#[tokio::test]
async fn a_statement_that_raises_as_if_it_were_unknown_runs_once() -> Result<()> {
    let (_database, db) = fresh(ONE);
    db.exec(
        "CREATE PROCEDURE p(i int) LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t; COMMIT;
             IF i > 0 THEN RAISE EXCEPTION USING ERRCODE = '26000'; END IF; END $$",
        (),
    )
    .await?;
    db.exec("CALL p(?)", (0,)).await?;
    let raised = db.exec("CALL p(?)", (1,)).await.unwrap_err();
    assert_eq!(raised.sqlstate(), Some("26000"));
    assert_eq!(db.get::<i64>("SELECT count(*) FROM t", ()).await?, 2);
    Ok(())
}
