//! Where statements run: on the calling thread, on the worker, or first here and then there.

mod support;

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use aquifer_driver::{
    Batch, Command, Connection, ErrorKind, RowBatch, Status, Step, TxOptions, Value, Want,
};
use aquifer_testkit::client::{
    batch, begin, command, commit, execute, execute_for, recover, rollback, script, step,
};

use support::{Dir, ENDLESS, SERIES, connect, run};

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT, level REAL, note BLOB); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
    INSERT INTO t SELECT i, 'code ' || i, i * 0.5, iif(i % 3, x'00ff', NULL) FROM n";

async fn with_table(query: &str) -> Box<dyn Connection> {
    let mut connection = connect(&format!("sqlite::memory:?{query}")).await;
    script(&mut *connection, TABLE).await.unwrap();
    connection
}

fn rounds(connection: &dyn Connection) -> u64 {
    connection.counters().rounds
}

#[test]
fn a_short_query_takes_no_hop_and_a_write_takes_one() {
    run(async {
        let mut c = with_table("").await;
        let before = rounds(&*c);
        let set = execute(&mut *c, "SELECT code FROM t WHERE id = ?", &(7,)).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Text("code 7".into())));
        execute(&mut *c, "SELECT id FROM t WHERE id < 500", &()).await.unwrap();
        command(&mut *c, Command::Ping).await.unwrap();
        assert_eq!(rounds(&*c), before);
        execute(&mut *c, "UPDATE t SET level = 1 WHERE id = ?", &(7,)).await.unwrap();
        assert_eq!(rounds(&*c), before + 1);
    });
}

#[test]
fn reads_of_one_batch_are_handed_over_together() {
    #[derive(Debug, Default)]
    struct Wakes(AtomicU64, Mutex<Option<Waker>>);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1.lock().unwrap().take().unwrap().wake();
        }
    }
    run(async {
        let mut c = with_table("inline_budget=off").await;
        let select: Arc<str> = "SELECT code, note FROM t WHERE id = ?".into();
        let wakes = Arc::new(Wakes::default());
        for times in 1..=3 {
            let mut items = Batch::new();
            for n in 1..=100 {
                // The last ones give nothing.
                items.push(&select, &(n * 60,), Want::First).unwrap();
            }
            let mut rows = RowBatch::new();
            c.start(Command::Batch(items.into())).unwrap();
            let mut n = 0;
            loop {
                let step = poll_fn(|cx| {
                    *wakes.1.lock().unwrap() = Some(cx.waker().clone());
                    let waker = Waker::from(Arc::clone(&wakes));
                    c.poll_next(&mut std::task::Context::from_waker(&waker), &mut rows)
                });
                let step = step.await.unwrap();
                n += 1;
                let expected = (n * 60 <= 5000).then(|| format!("code {}", n * 60));
                let got = rows.row(0).map(|row| row.get::<String>(0).unwrap());
                assert_eq!(got, expected);
                if matches!(step, Step::End(_)) {
                    break;
                }
            }
            assert_eq!(n, 100);
            assert!(wakes.0.load(Ordering::Relaxed) <= times);
        }
    });
}

#[test]
fn a_batch_takes_one_hop() {
    run(async {
        let mut c = with_table("").await;
        let before = rounds(&*c);
        let insert: Arc<str> = "INSERT INTO t (code) VALUES (?)".into();
        let mut items = Batch::new();
        for n in 0..1000 {
            items.push(&insert, &(n,), Want::Outcome).unwrap();
        }
        let sets = batch(&mut *c, items).await.unwrap();
        assert_eq!(sets.len(), 1000);
        assert_eq!(sets[999].as_ref().unwrap().outcome.last_insert_id, Some(6000));
        assert_eq!(rounds(&*c), before + 1);
        assert_eq!(c.counters().prepared, 1);
    });
}

#[test]
fn outcomes_taken_many_at_a_time_are_those_of_the_steps_in_their_order() {
    run(async {
        let mut told = Vec::new();
        for at_a_time in [false, true] {
            let mut c = with_table("").await;
            let mut items = Batch::new();
            for _ in 0..300 {
                items
                    .push(&"INSERT INTO t (code) VALUES (?)".into(), &("x",), Want::Outcome)
                    .unwrap();
            }
            items.push(&"SELECT count(*) FROM t".into(), &(), Want::All).unwrap();
            for id in [9_001, 9_002, 9_001, 9_003, 9_004] {
                items.push(&"INSERT INTO t (id) VALUES (?)".into(), &(id,), Want::Outcome).unwrap();
            }
            let all = items.len();
            c.start(Command::Batch(Arc::new(items))).unwrap();
            let (mut results, mut taken) = (Vec::new(), 0);
            let mut rows = RowBatch::new();
            loop {
                let step = poll_fn(|cx| c.poll_next(cx, &mut rows)).await.unwrap();
                let (result, over) = match step {
                    Step::EndOfSet(outcome) => (format!("{} {outcome:?}", rows.len()), false),
                    Step::End(outcome) => (format!("{} {outcome:?}", rows.len()), true),
                    Step::Failed(error) => (format!("{:?}", error.kind()), false),
                    other => panic!("{other:?}"),
                };
                results.push(result);
                if over {
                    break;
                }
                if at_a_time && !results.last().unwrap().starts_with("Unique") {
                    let mut outcomes = Vec::new();
                    c.take_outcomes(&mut outcomes);
                    taken += outcomes.len();
                    results.extend(outcomes.iter().map(|outcome| format!("0 {outcome:?}")));
                }
            }
            assert_eq!(results.len(), all);
            assert_eq!(results.iter().filter(|result| !result.starts_with(['0', '1'])).count(), 1);
            if at_a_time {
                assert!(taken > 250, "{taken} were taken at a time");
            }
            let mut none = Vec::new();
            c.take_outcomes(&mut none);
            assert!(none.is_empty());
            told.push(results);
        }
        assert_eq!(told[0], told[1]);
    });
}

#[test]
fn a_transaction_that_only_reads_takes_no_hop() {
    run(async {
        let mut c = with_table("").await;
        let before = rounds(&*c);
        command(&mut *c, Command::Begin(TxOptions::new().read_only())).await.unwrap();
        execute(&mut *c, "SELECT code FROM t WHERE id = 1", &()).await.unwrap();
        commit(&mut *c).await.unwrap();
        command(&mut *c, Command::Begin(TxOptions::new().lock_late())).await.unwrap();
        rollback(&mut *c).await.unwrap();
        assert_eq!(rounds(&*c), before);
        assert_eq!(c.status(), Status::Idle);
    });
}

#[test]
fn a_write_lock_is_taken_here_only_where_nobody_else_can_hold_it() {
    let dir = Dir::new();
    run(async {
        let mut c = with_table("").await;
        let before = rounds(&*c);
        begin(&mut *c).await.unwrap();
        assert_eq!(c.status(), Status::Transaction);
        assert_eq!(rounds(&*c), before);
        execute(&mut *c, "DELETE FROM t", &()).await.unwrap();
        rollback(&mut *c).await.unwrap();
        assert_eq!(rounds(&*c), before + 2);
        let path = dir.path().join("other.db");
        let attach = format!("ATTACH '{}' AS other", path.display());
        execute(&mut *c, &attach, &()).await.unwrap();
        let before = rounds(&*c);
        begin(&mut *c).await.unwrap();
        assert_eq!(rounds(&*c), before + 1);
        rollback(&mut *c).await.unwrap();
    });
}

#[test]
fn every_way_of_running_gives_the_same() {
    let queries: [(&str, i64); 6] = [
        ("SELECT * FROM t WHERE id <= ?", 5000),
        ("SELECT * FROM t WHERE id = ?", 17),
        ("SELECT code, note FROM t WHERE id > ? ORDER BY code DESC", 100),
        ("SELECT count(*), sum(level) FROM t WHERE id <> ?", 5),
        ("SELECT a.id, b.code FROM t a JOIN t b ON b.id = a.id + 1 WHERE a.id < ?", 3000),
        (SERIES, 20_000),
    ];
    run(async {
        let mut plain = with_table("").await;
        for other in ["inline_budget=off", "inline_budget=1", "inline_budget=700"] {
            let mut c = with_table(other).await;
            for (sql, argument) in queries {
                for _ in 0..2 {
                    let one = execute(&mut *plain, sql, &(argument,)).await.unwrap();
                    let two = execute(&mut *c, sql, &(argument,)).await.unwrap();
                    assert!(!one.rows.is_empty());
                    assert_eq!(one.rows, two.rows, "{other}: {sql}");
                    let first = execute_for(&mut *c, sql, &(argument,), Want::First).await.unwrap();
                    assert_eq!(first.rows[..], one.rows[..1], "{other}: {sql}");
                }
            }
        }
    });
}

#[test]
fn a_scan_begins_here_and_goes_on_on_the_worker() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        let mut rows = RowBatch::new();
        c.start(Command::Execute { sql: SERIES, params: &(100_000,), want: Want::All }).unwrap();
        let first = poll_fn(|cx| c.poll_next(cx, &mut rows)).await.unwrap();
        assert!(matches!(first, Step::Rows));
        assert_eq!(rounds(&*c), 0);
        let mut next = 1;
        loop {
            for row in rows.rows() {
                assert_eq!(row.decode::<i64>(0).unwrap(), next);
                next += 1;
            }
            if let Step::End(_) = step(&mut *c, &mut rows).await.unwrap() {
                break;
            }
        }
        for row in rows.rows() {
            assert_eq!(row.decode::<i64>(0).unwrap(), next);
            next += 1;
        }
        assert_eq!(next, 100_001);
        assert_eq!(rounds(&*c), 1);
    });
}

#[test]
fn a_query_that_spends_its_budget_is_run_again_with_its_arguments() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
                   SELECT sum(i), ?2 FROM n";
        let set = execute(&mut *c, sql, &(200_000, "kept")).await.unwrap();
        let expected = vec![Value::Int(20_000_100_000), Value::Text("kept".into())];
        assert_eq!(set.rows, vec![expected]);
        assert_eq!(rounds(&*c), 1);
        assert_eq!(c.counters().prepared, 1);
    });
}

#[test]
fn what_the_budget_cannot_stop_never_runs_here() {
    run(async {
        let mut c = with_table("").await;
        script(&mut *c, "CREATE VIEW v AS SELECT count(*) AS n FROM t").await.unwrap();
        for sql in [
            "SELECT count(*) FROM t",
            "SELECT n FROM v",
            "SELECT value FROM json_each('[1]')",
            "PRAGMA user_version",
        ] {
            let before = rounds(&*c);
            let set = execute(&mut *c, sql, &()).await.unwrap();
            assert_eq!(set.rows.len(), 1, "{sql}");
            assert_eq!(rounds(&*c), before + 1, "{sql}");
        }
    });
}

#[test]
fn rows_that_come_late_after_the_first_do_not_hold_up_the_caller() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        // Two thousand quick rows, then none for ever.
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT i FROM n WHERE i <= 2000";
        c.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
        let mut rows = RowBatch::new();
        assert!(matches!(step(&mut *c, &mut rows).await.unwrap(), Step::Rows));
        let seen = rows.len();
        assert!(seen > 0);
        let pending = poll_fn(|cx| std::task::Poll::Ready(c.poll_next(cx, &mut rows).is_pending()));
        assert!(pending.await, "the rest is the worker's");
        assert_eq!(c.abandon(), Status::Busy);
        recover(&mut *c).await.unwrap();
        assert_eq!(c.status(), Status::Idle);
    });
}

#[test]
fn an_abandoned_query_of_the_calling_thread_ends_at_once() {
    run(async {
        let mut c = with_table("").await;
        let before = rounds(&*c);
        let mut rows = RowBatch::new();
        let sql = "SELECT * FROM t";
        c.start(Command::Execute { sql, params: &(), want: Want::All }).unwrap();
        assert!(matches!(step(&mut *c, &mut rows).await.unwrap(), Step::Rows));
        assert_eq!(c.abandon(), Status::Idle);
        assert!(matches!(step(&mut *c, &mut rows).await.unwrap(), Step::End(_)));
        assert!(rows.is_empty());
        assert_eq!(rounds(&*c), before);
        // Nothing is left that could hold up a change of the schema.
        script(&mut *c, "DROP TABLE t").await.unwrap();
    });
}

#[test]
fn an_abandoned_query_of_the_worker_keeps_its_transaction() {
    run(async {
        let mut c = with_table("").await;
        begin(&mut *c).await.unwrap();
        execute(&mut *c, "DELETE FROM t WHERE id = 1", &()).await.unwrap();
        c.start(Command::Execute { sql: ENDLESS, params: &(), want: Want::All }).unwrap();
        let mut rows = RowBatch::new();
        let pending = poll_fn(|cx| std::task::Poll::Ready(c.poll_next(cx, &mut rows).is_pending()));
        assert!(pending.await);
        assert_eq!(c.abandon(), Status::Busy);
        assert!(matches!(step(&mut *c, &mut rows).await.unwrap(), Step::End(_)));
        assert_eq!(c.status(), Status::Transaction);
        commit(&mut *c).await.unwrap();
        let left = execute(&mut *c, "SELECT count(*) FROM t", &()).await.unwrap();
        assert_eq!(left.scalar(), Some(&Value::Int(4999)));
    });
}

#[test]
fn a_schema_change_is_seen_by_a_statement_that_is_kept() {
    run(async {
        let mut c = with_table("").await;
        let sql = "SELECT * FROM t WHERE id = 1";
        assert_eq!(execute(&mut *c, sql, &()).await.unwrap().columns.len(), 4);
        script(&mut *c, "ALTER TABLE t RENAME COLUMN code TO name").await.unwrap();
        let set = execute(&mut *c, sql, &()).await.unwrap();
        assert_eq!(set.columns.names().collect::<Vec<_>>(), ["id", "name", "level", "note"]);
        script(&mut *c, "ALTER TABLE t ADD COLUMN river TEXT DEFAULT 'Nera'").await.unwrap();
        let set = execute(&mut *c, sql, &()).await.unwrap();
        assert_eq!(set.columns.len(), 5);
        assert_eq!(set.rows[0][4], Value::Text("Nera".into()));
    });
}

#[test]
fn a_cancelled_write_ends_its_transaction_and_says_so() {
    run(async {
        let mut c = with_table("").await;
        begin(&mut *c).await.unwrap();
        let sql = "INSERT INTO t (code) WITH RECURSIVE n(i) AS \
                   (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        c.start(Command::Execute { sql, params: &(), want: Want::Outcome }).unwrap();
        c.canceller().cancel().await;
        let mut rows = RowBatch::new();
        let error = step(&mut *c, &mut rows).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        // SQLite rolls back if the write had begun; if the cancel came first, nothing was undone.
        if c.status() == Status::Transaction {
            rollback(&mut *c).await.unwrap();
        }
        assert_eq!(c.status(), Status::Idle);
        let left = execute(&mut *c, "SELECT count(*) FROM t", &()).await.unwrap();
        assert_eq!(left.scalar(), Some(&Value::Int(5000)));
    });
}

#[test]
fn a_conflict_that_rolls_back_ends_the_transaction_and_the_batch() {
    run(async {
        let mut c = with_table("").await;
        begin(&mut *c).await.unwrap();
        let mut items = Batch::new();
        let insert: Arc<str> = "INSERT OR ROLLBACK INTO t (id) VALUES (?)".into();
        for id in [9000, 1, 9001] {
            items.push(&insert, &(id,), Want::Outcome).unwrap();
        }
        let sets = batch(&mut *c, items).await.unwrap();
        assert!(sets[0].is_ok());
        assert_eq!(sets[1].as_ref().unwrap_err().kind(), ErrorKind::UniqueViolation);
        assert_eq!(sets[2].as_ref().unwrap_err().kind(), ErrorKind::TxFailed);
        assert_eq!(c.status(), Status::Idle);
        let left = execute(&mut *c, "SELECT id FROM t WHERE id >= 9000", &()).await.unwrap();
        assert!(left.rows.is_empty());
    });
}

#[test]
fn a_result_of_many_batches_waits_for_its_reader() {
    run(async {
        let mut c = connect("sqlite::memory:?inline_budget=off").await;
        let set = execute(&mut *c, SERIES, &(50_000,)).await.unwrap();
        assert_eq!(set.rows.len(), 50_000);
        assert!(set.rows_max <= 1024 && set.bytes_max <= 64 * 1024 + 1024);
    });
}
