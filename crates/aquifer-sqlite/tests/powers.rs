//! What only SQLite has.

mod support;

use std::ops::ControlFlow;

use aquifer_driver::{Command, Connection, ErrorKind, Status, Value, Want};
use aquifer_sqlite::{CheckpointMode, SqliteConnection};
use aquifer_testkit::client::{begin, execute, recover, rollback, script};

use support::{Dir, connect, run};

fn own(connection: &mut dyn Connection) -> &mut SqliteConnection {
    connection.as_any_mut().downcast_mut().unwrap()
}

const FILL: &str = "CREATE TABLE t (n INTEGER, filler TEXT); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
    INSERT INTO t SELECT i, printf('%0200d', i) FROM n";

#[test]
fn a_backup_is_a_copy_and_tells_its_progress() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, FILL).await.unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let pages = own(&mut *c)
            .backup(dir.path().join("copy.db"), move |progress| {
                send.send((progress.remaining, progress.page_count)).unwrap();
                ControlFlow::Continue(())
            })
            .await
            .unwrap();
        let seen: Vec<_> = receive.try_iter().collect();
        assert!(seen.len() > 1 && seen.iter().all(|(_, count)| *count == pages));
        assert!(seen.windows(2).all(|two| two[0].0 > two[1].0));
        let mut copy = connect(&dir.url("copy.db", "mode=ro")).await;
        let set = execute(&mut *copy, "SELECT sum(n) FROM t", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(200_010_000)));
    });
}

#[test]
fn a_stopped_backup_changes_nothing() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, FILL).await.unwrap();
        let error = own(&mut *c)
            .backup(dir.path().join("copy.db"), |_| ControlFlow::Break(()))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(c.status(), Status::Idle);
        let error = own(&mut *c)
            .backup(dir.path().join("no/such/copy.db"), |_| ControlFlow::Continue(()))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("SQLITE_CANTOPEN"));
        let mut copy = connect(&dir.url("copy.db", "")).await;
        let set = execute(&mut *copy, "SELECT count(*) FROM sqlite_schema", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(0)));
    });
}

#[test]
fn a_backup_whose_future_is_dropped_is_stopped_by_the_recovery() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, FILL).await.unwrap();
        {
            let backup = own(&mut *c).backup(dir.path().join("copy.db"), |_| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                ControlFlow::Continue(())
            });
            let mut backup = std::pin::pin!(backup);
            let pending = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(backup.as_mut().poll(cx).is_pending())
            });
            assert!(pending.await);
        }
        assert_eq!(c.status(), Status::Busy);
        recover(&mut *c).await.unwrap();
        assert_eq!(c.status(), Status::Idle);
        execute(&mut *c, "SELECT n FROM t WHERE n = 1", &()).await.unwrap();
    });
}

#[test]
fn a_database_is_attached_and_detached() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        let path = dir.path().join("it's another.db");
        own(&mut *c).attach(&path, "odd \"name\"").await.unwrap();
        script(&mut *c, "CREATE TABLE \"odd \"\"name\"\"\".t (n)").await.unwrap();
        assert!(path.exists());
        let error = own(&mut *c).attach(&path, "odd \"name\"").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        own(&mut *c).detach("odd \"name\"").await.unwrap();
        assert!(own(&mut *c).detach("odd \"name\"").await.is_err());
        assert_eq!(c.status(), Status::Idle);
    });
}

#[test]
fn a_checkpoint_empties_the_log() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, FILL).await.unwrap();
        let done = own(&mut *c).wal_checkpoint(CheckpointMode::Truncate).await.unwrap();
        assert_eq!(done.log_frames, done.copied_frames);
        let log = std::fs::metadata(dir.path().join("a.db-wal")).unwrap();
        assert_eq!(log.len(), 0);
        begin(&mut *c).await.unwrap();
        execute(&mut *c, "DELETE FROM t", &()).await.unwrap();
        let error = own(&mut *c).wal_checkpoint(CheckpointMode::Full).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        rollback(&mut *c).await.unwrap();
    });
}

#[test]
fn extensions_are_off_unless_the_url_says_otherwise() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        let error = own(&mut *c).load_extension("/no/such/library", None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        let mut c = connect("sqlite::memory:?extensions=on").await;
        let error = own(&mut *c).load_extension("/no/such/library", None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        let sql = "SELECT load_extension('/no/such/library')";
        let error = execute(&mut *c, sql, &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Database);
        assert!(!SqliteConnection::library_version().is_empty());
    });
}

#[test]
fn a_power_is_refused_while_a_command_is_under_way() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        c.start(Command::Execute { sql: "SELECT 1", params: &(), want: Want::All }).unwrap();
        let error = own(&mut *c).wal_checkpoint(CheckpointMode::Passive).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.nothing_sent());
    });
}
