//! Threads: connections end theirs, and many may be used at once. One test, because it counts the
//! threads of the process.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aquifer_driver::{Command, Connection, RowBatch, Value, Want};
use aquifer_sqlite::SqliteConnection;
use aquifer_testkit::client::{begin, commit, execute, script};

use support::{Dir, ENDLESS, SERIES, connect, connector, run};

/// How many workers the process has; `None` where it cannot be told.
fn workers() -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let names =
        tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    Some(names.filter(|name| name.trim_end() == "aquifer-sqlite").count())
}

/// Waits until there are that many: a thread that has done its last act is still seen for a moment.
fn expect_workers(expected: usize, when: &str) {
    let started = Instant::now();
    while let Some(count) = workers()
        && count != expected
    {
        assert!(started.elapsed() < Duration::from_secs(30), "{count} workers {when}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn poll_once(connection: &mut dyn Connection) {
    let mut rows = RowBatch::new();
    std::future::poll_fn(|cx| {
        let _ = connection.poll_next(cx, &mut rows);
        std::task::Poll::Ready(())
    })
    .await;
}

#[test]
fn workers_end_with_their_connections_and_many_run_at_once() {
    // Memory has no worker until something must not run on the calling thread.
    run(async {
        let mut c = connect("sqlite::memory:").await;
        execute(&mut *c, "SELECT 1", &()).await.unwrap();
        expect_workers(0, "before the first write");
        script(&mut *c, "CREATE TABLE t (n)").await.unwrap();
        expect_workers(1, "after the first write");
        drop(c);
        expect_workers(0, "after the connection was dropped");
    });

    // A file's connection is dropped at every point.
    let dir = Dir::new();
    let url = dir.url("threads.db", "");
    run(async {
        let mut c = connect(&url).await;
        script(&mut *c, "CREATE TABLE t (n)").await.unwrap();
        c.close().await.unwrap();
        expect_workers(0, "after close");

        // In the middle of opening.
        for _ in 0..20 {
            let mut opening = connector(&url).connect(aquifer_driver::Access::ReadWrite);
            std::future::poll_fn(|cx| {
                let _ = opening.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
        }
        expect_workers(0, "after dropped connects");

        let commands: [(&str, i64); 4] =
            [(ENDLESS, 0), (SERIES, 1_000_000), ("INSERT INTO t VALUES (?1)", 1), ("SELECT ?1", 1)];
        for polls in 0..4 {
            for (sql, argument) in commands {
                let mut c = connect(&url).await;
                let params: Vec<Value> = match sql {
                    ENDLESS => vec![],
                    _ => vec![Value::Int(argument)],
                };
                c.start(Command::Execute { sql, params: &params, want: Want::All }).unwrap();
                for _ in 0..polls {
                    poll_once(&mut *c).await;
                }
                drop(c);
            }
        }
        expect_workers(0, "after connections were dropped in the middle");

        // In a transaction: it is rolled back, and others can write.
        let mut c = connect(&url).await;
        begin(&mut *c).await.unwrap();
        execute(&mut *c, "DELETE FROM t", &()).await.unwrap();
        drop(c);
        let mut c = connect(&url).await;
        begin(&mut *c).await.unwrap();
        commit(&mut *c).await.unwrap();
    });
    expect_workers(0, "after a dropped transaction");

    // Sixty-four threads, each with a connection of its own, over one file.
    let connector = connector(&dir.url("many.db", "busy_timeout=1m"));
    run(async {
        let connector = Arc::clone(&connector);
        let mut c = connector.connect(aquifer_driver::Access::ReadWrite).await.unwrap();
        script(&mut *c, "CREATE TABLE t (thread INTEGER, n INTEGER)").await.unwrap();
    });
    let threads: Vec<_> = (0..64_i64)
        .map(|thread| {
            let connector = Arc::clone(&connector);
            std::thread::spawn(move || {
                run(async {
                    let mut c = connector.connect(aquifer_driver::Access::ReadWrite).await.unwrap();
                    for n in 0..5_i64 {
                        begin(&mut *c).await.unwrap();
                        let insert = "INSERT INTO t VALUES (?, ?)";
                        execute(&mut *c, insert, &(thread, n)).await.unwrap();
                        commit(&mut *c).await.unwrap();
                        let sql = "SELECT count(*) FROM t WHERE thread = ?";
                        let set = execute(&mut *c, sql, &(thread,)).await.unwrap();
                        assert_eq!(set.scalar(), Some(&Value::Int(n + 1)));
                    }
                    let own = c.as_any_mut().downcast_mut::<SqliteConnection>().unwrap();
                    let books = own.statement_count().unwrap();
                    assert_eq!(books as u64, own.counters().cached);
                })
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    run(async {
        let mut c = connector.connect(aquifer_driver::Access::ReadOnly).await.unwrap();
        let set = execute(&mut *c, "SELECT count(*) FROM t", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(320)));
    });
    expect_workers(0, "after sixty-four connections");
}
