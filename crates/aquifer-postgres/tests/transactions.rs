//! Transactions: what they are begun as, and how they end when something goes wrong.

mod support;

use std::sync::Arc;

use aquifer_driver::{
    Batch, Command, ErrorKind, Isolation, Result, Retry, Status, TxOptions, Value, Want,
};
use aquifer_testkit::client;
use aquifer_testkit::postgres::{Proxy, Server, Settings};

use support::{Postgres, SERVER, Session, connect, run, until};

async fn begin_with(session: &mut Session, options: TxOptions) -> Result<()> {
    client::command(&mut *session.connection, Command::Begin(options)).await
}

async fn begin(session: &mut Session) {
    begin_with(session, TxOptions::new()).await.unwrap();
}

async fn commit(session: &mut Session) -> Result<()> {
    client::commit(&mut *session.connection).await
}

#[test]
fn every_option_reaches_the_server() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        for (level, name) in [
            (Isolation::ReadUncommitted, "read uncommitted"),
            (Isolation::ReadCommitted, "read committed"),
            (Isolation::RepeatableRead, "repeatable read"),
            (Isolation::Serializable, "serializable"),
        ] {
            for (read_only, deferrable) in [(false, false), (true, false), (true, true)] {
                let mut options = TxOptions::isolation(level);
                options = if read_only { options.read_only() } else { options };
                options = if deferrable { options.deferrable() } else { options };
                begin_with(&mut session, options).await.unwrap();
                let on = |on| Value::from(if on { "on" } else { "off" });
                let shown = |sql| format!("SHOW {sql}");
                let level = session.scalar(&shown("transaction_isolation")).await.unwrap();
                assert_eq!(level, Value::from(name));
                let shows = session.scalar(&shown("transaction_read_only")).await.unwrap();
                assert_eq!(shows, on(read_only), "{name}");
                let shows = session.scalar(&shown("transaction_deferrable")).await.unwrap();
                assert_eq!(shows, on(deferrable), "{name}");
                commit(&mut session).await.unwrap();
                assert_eq!(session.status(), Status::Idle);
            }
        }
    });
}

#[test]
fn a_read_only_transaction_refuses_writes_and_the_session_goes_on() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        begin_with(&mut session, TxOptions::new().read_only()).await.unwrap();
        let refused = session.query("CREATE TABLE never (id int)", &()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.sqlstate()), (ErrorKind::ReadOnly, Some("25006")));
        assert_eq!(session.status(), Status::FailedTransaction);
        client::rollback(&mut *session.connection).await.unwrap();
        assert_eq!(session.scalar("SELECT 1").await.unwrap(), Value::Int(1));
    });
}

#[test]
fn a_begin_that_the_server_refuses_fails_the_first_statement_and_runs_nothing() {
    let standby = Server::start(Settings::new().standby()).unwrap();
    run(async {
        let mut session = connect(&standby.url()).await.unwrap();
        for script in [false, true] {
            begin_with(&mut session, TxOptions::serializable()).await.unwrap();
            let sql = "SELECT pg_advisory_lock(1)";
            let refused = match script {
                true => session.script(sql).await.unwrap_err(),
                false => session.query(sql, &()).await.unwrap_err(),
            };
            assert_eq!(refused.sqlstate(), Some("0A000"), "{refused}");
            assert_eq!(session.status(), Status::Idle, "there is no transaction");
            let locks = session.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
            assert_eq!(locks.await.unwrap(), Value::Int(0));
        }
        // A statement that is kept would be run again after such an error, if it were its own.
        session.query("SELECT pg_advisory_lock(1)", &()).await.unwrap();
        session.query("SELECT pg_advisory_unlock(1)", &()).await.unwrap();
        begin_with(&mut session, TxOptions::serializable()).await.unwrap();
        let refused = session.query("SELECT pg_advisory_lock(1)", &()).await.unwrap_err();
        assert_eq!(refused.sqlstate(), Some("0A000"), "{refused}");
        let locks = session.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
        assert_eq!(locks.await.unwrap(), Value::Int(0));
        let batch = one_each(&["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(2)"]);
        begin_with(&mut session, TxOptions::serializable()).await.unwrap();
        let sets = client::batch(&mut *session.connection, batch).await.unwrap();
        assert!(sets.iter().all(Result::is_err), "{sets:?}");
        assert_eq!(session.status(), Status::Idle);
        let locks = session.scalar("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
        assert_eq!(locks.await.unwrap(), Value::Int(0));
    });
}

fn one_each(texts: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for text in texts {
        batch.push(&Arc::from(*text), &(), Want::All).unwrap();
    }
    batch
}

#[test]
fn the_commit_of_a_failed_transaction_is_an_error_and_nothing_of_it_stays() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        begin(&mut session).await;
        session.query("INSERT INTO t VALUES (1)", &()).await.unwrap();
        let twice = session.query("INSERT INTO t VALUES (1)", &()).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::UniqueViolation);
        let after = session.query("SELECT 1", &()).await.unwrap_err();
        assert_eq!((after.kind(), after.sqlstate()), (ErrorKind::TxFailed, Some("25P02")));
        assert_eq!(commit(&mut session).await.unwrap_err().kind(), ErrorKind::TxFailed);
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(0));
    });
}

#[test]
fn a_connection_that_breaks_between_commit_and_its_answer_leaves_the_outcome_unknown() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int)").unwrap();
    let proxy = Proxy::start(SERVER.address()).unwrap();
    run(async {
        let url = proxy.url_of("aquifer", "aquifer", database.name());
        let mut session = connect(&url).await.unwrap();
        begin(&mut session).await;
        session.query("INSERT INTO t VALUES (1)", &()).await.unwrap();
        proxy.hold_answers();
        let committed = async {
            until(|| database.psql("SELECT count(*) FROM t").unwrap() == "1\n").await;
            proxy.cut();
            proxy.release_answers();
        };
        let (ended, ()) = tokio::join!(client::commit(&mut *session.connection), committed);
        let unknown = ended.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::CommitUnknown);
        assert!(!unknown.nothing_sent());
        assert_ne!(unknown.retry(), Retry::Safe);
        assert!(unknown.hint().is_some());
        assert_eq!(session.status(), Status::Broken);
    });
}

#[test]
fn a_commit_that_was_never_sent_is_no_unknown_commit() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int)").unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        begin(&mut session).await;
        session.query("INSERT INTO t VALUES (1)", &()).await.unwrap();
        terminate(&mut session, &database).await;
        let lost = commit(&mut session).await.unwrap_err();
        assert_eq!((lost.kind(), lost.sqlstate()), (ErrorKind::ConnectionLost, Some("57P01")));
        assert!(lost.nothing_sent());
        assert_eq!(database.psql("SELECT count(*) FROM t").unwrap(), "0\n");
    });
}

/// Ends the session at the server and waits until it is gone there.
async fn terminate(session: &mut Session, database: &aquifer_testkit::postgres::Database) {
    let process = session.postgres().process_id();
    database.psql(&format!("SELECT pg_terminate_backend({process})")).unwrap();
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
    until(|| database.psql(&gone).unwrap() == "0\n").await;
}

#[test]
fn a_session_that_was_ended_while_idle_says_so_at_its_next_use_and_has_sent_nothing() {
    let database = SERVER.fresh_database().unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        terminate(&mut session, &database).await;
        let lost = session.query("SELECT 1", &()).await.unwrap_err();
        assert_eq!((lost.kind(), lost.sqlstate()), (ErrorKind::ConnectionLost, Some("57P01")));
        assert!(lost.nothing_sent());
        assert_eq!(lost.retry(), Retry::Safe);
        assert!(lost.to_string().contains("administrator command"), "{lost}");
        assert_eq!(session.status(), Status::Broken);
    });
}

#[test]
fn no_transaction_begins_on_a_session_that_is_over() {
    let database = SERVER.fresh_database().unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        terminate(&mut session, &database).await;
        let lost = begin_with(&mut session, TxOptions::new()).await.unwrap_err();
        assert_eq!((lost.kind(), lost.sqlstate()), (ErrorKind::ConnectionLost, Some("57P01")));
        assert!(lost.nothing_sent());
        assert_eq!((lost.retry(), session.status()), (Retry::Safe, Status::Broken));
    });
}

#[test]
fn a_session_that_is_ended_in_the_middle_keeps_the_servers_words() {
    let database = SERVER.fresh_database().unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        let process = session.postgres().process_id();
        let sleeping = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'PgSleep'"
        );
        let killed = async {
            until(|| database.psql(&sleeping).unwrap() == "1\n").await;
            database.psql(&format!("SELECT pg_terminate_backend({process})")).unwrap();
        };
        let (ended, ()) = tokio::join!(session.query("SELECT pg_sleep(3600)", &()), killed);
        let lost = ended.unwrap_err();
        assert_eq!((lost.kind(), lost.sqlstate()), (ErrorKind::ConnectionLost, Some("57P01")));
        assert!(!lost.nothing_sent());
        assert_ne!(lost.retry(), Retry::Safe);
        assert!(lost.to_string().contains("administrator command"), "{lost}");
        assert_eq!(session.status(), Status::Broken);
    });
}

#[test]
fn a_transaction_that_idled_for_too_long_is_told_why_it_ended() {
    let database = SERVER.fresh_database().unwrap();
    run(async {
        let url = format!("{}?idle_in_transaction_session_timeout=20ms", database.url());
        let mut session = connect(&url).await.unwrap();
        begin(&mut session).await;
        session.query("SELECT 1", &()).await.unwrap();
        let process = session.postgres().process_id();
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
        until(|| database.psql(&gone).unwrap() == "0\n").await;
        let ended = session.query("SELECT 1", &()).await.unwrap_err();
        assert_eq!(ended.sqlstate(), Some("25P03"), "{ended}");
        assert!(ended.nothing_sent());
        assert_eq!(session.status(), Status::Broken);
    });
}

const DEFERRED: &str = "CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);";
const ORPHAN: &str = "INSERT INTO child VALUES ($1) RETURNING parent";

#[test]
fn a_deferred_constraint_fails_the_commit_that_checks_it() {
    let database = SERVER.fresh_database().unwrap();
    database.psql(DEFERRED).unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        for _ in 0..2 {
            begin(&mut session).await;
            assert_eq!(session.query(ORPHAN, &(1,)).await.unwrap(), [[Value::Int(1)]]);
            let refused = commit(&mut session).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ForeignKeyViolation);
            assert_eq!(refused.constraint(), Some("child_parent_fkey"));
            assert_eq!(session.status(), Status::Idle);
        }
        assert_eq!(session.scalar("SELECT count(*) FROM child").await.unwrap(), Value::Int(0));
    });
}

#[test]
fn a_deferred_constraint_fails_the_statement_that_commits_by_itself() {
    let database = SERVER.fresh_database().unwrap();
    database.psql(DEFERRED).unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        // The first use, a cached one, and a text that the server reads as a whole.
        for _ in 0..2 {
            let refused = session.query(ORPHAN, &(1,)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ForeignKeyViolation);
        }
        let refused = session.script("INSERT INTO child VALUES (1)").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ForeignKeyViolation);
        let mut batch = Batch::new();
        for (sql, id) in [
            ("INSERT INTO parent VALUES ($1)", 7),
            (ORPHAN, 8),
            (ORPHAN, 7),
            ("INSERT INTO parent VALUES ($1)", 9),
        ] {
            batch.push(&Arc::from(sql), &(id,), Want::All).unwrap();
        }
        let sets = client::batch(&mut *session.connection, batch).await.unwrap();
        let failed: Vec<bool> = sets.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false, false], "{sets:?}");
        assert_eq!(session.status(), Status::Idle);
        let kept = session.scalar("SELECT sum(parent) FROM child").await.unwrap();
        assert_eq!(kept, Value::Int(7));
    });
}

#[test]
fn a_failure_in_a_batch_inside_a_transaction_fails_what_follows_and_the_commit() {
    let database = SERVER.fresh_database().unwrap();
    database.psql("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    run(async {
        let mut session = connect(database.url()).await.unwrap();
        begin(&mut session).await;
        let texts = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)", "SELECT 1"];
        let sets = client::batch(&mut *session.connection, one_each(&texts)).await.unwrap();
        let kinds: Vec<_> = sets.iter().map(|set| set.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::UniqueViolation), Some(ErrorKind::TxFailed)]);
        assert_eq!(session.status(), Status::FailedTransaction);
        assert_eq!(commit(&mut session).await.unwrap_err().kind(), ErrorKind::TxFailed);
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(0));
    });
}

#[test]
fn a_commit_that_did_not_wait_for_its_standby_is_reported() {
    let settings =
        Settings::new().set("synchronous_commit", "on").set("synchronous_standby_names", "nobody");
    let server = Server::start(settings).unwrap();
    run(async {
        let mut session =
            connect(&format!("{}?synchronous_commit=off", server.url())).await.unwrap();
        session.query("CREATE TABLE t (id int)", &()).await.unwrap();
        begin(&mut session).await;
        session.query("SET LOCAL synchronous_commit = 'on'", &()).await.unwrap();
        session.query("INSERT INTO t VALUES (1)", &()).await.unwrap();
        let process = session.postgres().process_id();
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'SyncRep'"
        );
        let stopped = async {
            until(|| server.psql(&waits).unwrap() == "1\n").await;
            server.psql(&format!("SELECT pg_cancel_backend({process})")).unwrap();
        };
        let (ended, ()) = tokio::join!(client::commit(&mut *session.connection), stopped);
        let ended = ended.unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::CommitNotReplicated);
        assert_eq!(ended.retry(), Retry::Never);
        assert_eq!(session.status(), Status::Idle);
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(1));

        // A statement on its own is committed by its Sync.
        session.query("SET synchronous_commit = 'on'", &()).await.unwrap();
        for n in 2..4 {
            let stopped = async {
                until(|| server.psql(&waits).unwrap() == "1\n").await;
                server.psql(&format!("SELECT pg_cancel_backend({process})")).unwrap();
            };
            let arguments = (n,);
            let insert = session.query("INSERT INTO t VALUES ($1::int)", &arguments);
            let (ended, ()) = tokio::join!(insert, stopped);
            assert_eq!(ended.unwrap_err().kind(), ErrorKind::CommitNotReplicated);
            assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(n));
        }
    });
}

#[test]
fn a_second_begin_and_a_commit_of_nothing_are_refused_without_sending() {
    run(async {
        let mut session = connect(&SERVER.url()).await.unwrap();
        let nothing = commit(&mut session).await.unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::TxDone);
        begin(&mut session).await;
        let twice = begin_with(&mut session, TxOptions::new()).await.unwrap_err();
        assert_eq!((twice.kind(), twice.nothing_sent()), (ErrorKind::TxOpen, true));
        session.query("SELECT 1", &()).await.unwrap();
        let twice = begin_with(&mut session, TxOptions::new()).await.unwrap_err();
        assert_eq!((twice.kind(), twice.nothing_sent()), (ErrorKind::TxOpen, true));
        assert_eq!(session.status(), Status::Transaction);
        commit(&mut session).await.unwrap();
    });
}
