//! Rows: read to the end, dropped, failed, in several sets.

use aquifer::{ErrorKind, FromRow};
use aquifer_testkit::fake::{FakeOptions, FakeServer, Fault, Injection, Operation};

use crate::support::*;

const SERIES: &str = "SELECT n FROM series(1, ?)";

#[tokio::test]
async fn after_the_end_there_is_nothing_and_the_columns_stay() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let mut rows = db.query("SELECT n AS number FROM series(1, 2)", ()).await.unwrap();
    assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["number"]);
    for expected in 1..=2 {
        let row = rows.next().await.unwrap().unwrap();
        assert_eq!(row.get::<i64>("number").unwrap(), expected);
    }
    for _ in 0..3 {
        assert!(rows.next().await.unwrap().is_none());
    }
    // The connection is back although the rows are still here.
    assert_eq!(db.stats().in_use, 0);
    assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["number"]);
    assert!(!rows.next_result_set().await.unwrap());
    assert!(rows.collect::<i64>().await.unwrap().is_empty());
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn rows_dropped_at_any_row_leave_a_clean_connection() {
    for options in [FakeOptions::new(), FakeOptions::like_postgres(), FakeOptions::like_sqlite()] {
        let server = FakeServer::with_options(options.batch_rows_max(4));
        let db = open_one(&server);
        for taken in 0..12 {
            let mut rows = db.query(SERIES, (10,)).await.unwrap();
            for _ in 0..taken {
                rows.next().await.unwrap();
            }
            if taken % 2 == 0 {
                drop(rows)
            } else {
                rows.close()
            }
            assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
        }
        settled(&db).await;
        assert_eq!(server.counters().connects, 1);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn an_error_in_mid_stream_closes_the_rows_and_gives_the_connection_back() {
    let server = FakeServer::new();
    let db = open_one(&server);
    for (fault, lost) in [(Fault::Fail(ErrorKind::Data), false), (Fault::LostUndone, true)] {
        server.inject(Injection::new(Operation::Fetch, fault).nth(2));
        let mut rows = db.query(SERIES, (1000,)).await.unwrap();
        let mut seen = 0;
        let error = loop {
            match rows.next().await {
                Ok(row) => seen += i64::from(row.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(seen, 128);
        assert_eq!(error.is_connection_lost(), lost);
        assert!(rows.next().await.unwrap().is_none());
        assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["n"]);
        drop(rows);
        settled(&db).await;
        assert_eq!(db.stats().in_use, 0);
        assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    }
    assert_eq!(server.counters().connects, 2);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_row_that_does_not_convert_ends_a_collect_and_not_a_scan() {
    let server = FakeServer::new();
    let db = open_one(&server);
    db.exec("CREATE TABLE t (id INTEGER, word TEXT)", ()).await.unwrap();
    db.exec("INSERT INTO t VALUES (1, '7'), (2, 'x'), (3, '9')", ()).await.unwrap();
    let error = db.select::<i64>("SELECT word FROM t ORDER BY id", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion);
    assert!(error.to_string().contains("word"), "{error}");
    let mut rows = db.query("SELECT id, word FROM t ORDER BY id", ()).await.unwrap();
    let row = rows.next().await.unwrap().unwrap();
    assert_eq!(row.get::<Option<i64>>("nothing").unwrap_err().kind(), ErrorKind::Column);
    // The rows go on.
    assert_eq!(rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 2);
    assert_eq!(rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap(), 3);
    assert!(rows.next().await.unwrap().is_none());
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn collect_takes_what_next_has_left() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let mut rows = db.query(SERIES, (200,)).await.unwrap();
    for _ in 0..70 {
        rows.next().await.unwrap();
    }
    let rest: Vec<i64> = rows.collect().await.unwrap();
    assert_eq!((rest.first(), rest.last(), rest.len()), (Some(&71), Some(&200), 130));
    drop(rows);
    assert_eq!(db.stats().calls.rows, 200);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_script_gives_one_result_set_per_statement() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let script = "SELECT 1 AS a; SELECT n AS b FROM series(1, 100); SELECT 3 AS c, 4 AS d";
    let mut rows = db.query(script, ()).await.unwrap();
    let mut names = Vec::new();
    let mut lens = Vec::new();
    loop {
        names.push(rows.columns().names().map(str::to_owned).collect::<Vec<_>>().join(","));
        let mut len = 0;
        while rows.next().await.unwrap().is_some() {
            len += 1;
        }
        lens.push(len);
        if !rows.next_result_set().await.unwrap() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c,d"]);
    assert_eq!(lens, [1, 100, 1]);
    // A set that is not read is passed over.
    let mut rows = db.query(script, ()).await.unwrap();
    assert!(rows.next_result_set().await.unwrap());
    rows.next().await.unwrap();
    assert!(rows.next_result_set().await.unwrap());
    assert_eq!(rows.next().await.unwrap().unwrap().scan::<(i64, i64)>().unwrap(), (3, 4));
    assert!(!rows.next_result_set().await.unwrap());
    drop(rows);
    // Dropped between the sets.
    let mut rows = db.query(script, ()).await.unwrap();
    rows.next().await.unwrap();
    assert!(rows.next_result_set().await.unwrap());
    drop(rows);
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_next_result_set_that_was_dropped_goes_on_where_it_was() {
    let server = FakeServer::new();
    let db = open_yielding(&server, 1);
    for polls in 1..10 {
        let mut rows = db.query("SELECT 1; SELECT 2; SELECT 3", ()).await.unwrap();
        rows.next().await.unwrap();
        assert!(rows.next().await.unwrap().is_none());
        let first = aquifer_testkit::at_most(polls, rows.next_result_set()).await;
        if first.is_none() {
            assert!(rows.next_result_set().await.unwrap());
        }
        let row = rows.next().await.unwrap().unwrap();
        assert_eq!(row.get::<i64>(0).unwrap(), 2, "no set is passed over");
        drop(rows);
    }
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_script_that_fails_names_its_error_and_keeps_the_connection() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let error = db
        .exec("UPDATE accounts SET balance = 1; SELECT nonsense FROM accounts; SELECT 1", ())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    assert_eq!(balances(&db).await, [1, 1]);
    let done = db
        .exec("UPDATE accounts SET balance = 2 WHERE id = 1; UPDATE accounts SET balance = 3", ())
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 3);
    let error = db.exec("SELECT 1; SELECT ?", (1,)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert!(error.nothing_sent());
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn a_large_result_is_streamed_in_bounded_batches() {
    let server = FakeServer::new();
    let db = open_one(&server);
    let mut rows = db.query(SERIES, (1_000_000_000,)).await.unwrap();
    let mut sum = 0;
    for _ in 0..10_000 {
        sum += rows.next().await.unwrap().unwrap().get::<i64>(0).unwrap();
    }
    assert_eq!(sum, 10_000 * 10_001 / 2);
    // The engine made what was asked for, and a batch more at most.
    assert!(server.counters().rows <= 10_064, "{}", server.counters().rows);
    drop(rows);
    let first: i64 = db.get("SELECT n FROM series(5, 1000000000)", ()).await.unwrap();
    assert_eq!(first, 5);
    assert_eq!(server.counters().connects, 1);
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn the_outcome_of_a_statement_that_returns_rows_is_known_at_its_end() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let mut rows = db
        .query("UPDATE accounts SET balance = balance + ? RETURNING id, balance", (5,))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        seen.push(row.scan::<(i64, i64)>().unwrap());
    }
    assert_eq!(seen, [(1, 105), (2, 105)]);
    assert_eq!(rows.outcome().rows_affected, 2);
    // Rows that nobody wants do not keep the work from being done.
    let done = db
        .exec("UPDATE accounts SET balance = balance + 1 RETURNING id, balance", ())
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 2);
    let first: i64 = db.get("UPDATE accounts SET balance = 0 RETURNING id", ()).await.unwrap();
    assert_eq!(first, 1);
    assert_eq!(balances(&db).await, [0, 0]);
    // A query on what gives no rows gives none.
    let mut none = db.query(TAKE, (0, 1)).await.unwrap();
    assert!(none.next().await.unwrap().is_none());
    assert_eq!(none.columns().len(), 0);
    assert_at_rest(&db, &server);
}

#[derive(FromRow, Debug, PartialEq)]
struct Account {
    id: i64,
    balance: i64,
}

#[tokio::test]
async fn a_stream_is_lazy_owned_and_ends_after_an_error() {
    let server = FakeServer::new();
    let db = open_one(&server);
    accounts(&db).await;
    let unused = db.stream::<Account>("SELECT id, balance FROM accounts", ());
    drop(unused);
    let calls = db.stats().calls.calls;
    let mut stream = db.stream::<Account>("SELECT id, balance FROM accounts ORDER BY id", ());
    assert_eq!(db.stats().calls.calls, calls);
    assert_eq!(stream.try_next().await.unwrap(), Some(Account { id: 1, balance: 100 }));
    drop(stream);
    assert_eq!(db.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
    let mut wrong = db.stream::<Account>("SELECT id FROM accounts", ());
    assert!(wrong.try_next().await.is_err());
    assert_eq!(wrong.try_next().await.unwrap(), None);
    let mut refused = db.stream::<i64>("SELECT ?", ());
    assert_eq!(refused.try_next().await.unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(refused.try_next().await.unwrap(), None);
    settled(&db).await;
    assert_at_rest(&db, &server);
}

#[tokio::test]
async fn rows_of_a_held_connection_may_be_dropped_and_the_connection_goes_on() {
    for options in [FakeOptions::new(), FakeOptions::like_sqlite(), FakeOptions::like_postgres()] {
        let server = FakeServer::with_options(options);
        let db = open_one(&server);
        let mut conn = db.acquire().await.unwrap();
        for _ in 0..5 {
            let mut rows = conn.query(SERIES, (1000,)).await.unwrap();
            rows.next().await.unwrap();
            drop(rows);
            assert_eq!(conn.get::<i64>("SELECT 1", ()).await.unwrap(), 1);
            let mut stream = conn.stream::<i64>(SERIES, (1000,));
            assert_eq!(stream.try_next().await.unwrap(), Some(1));
            drop(stream);
        }
        conn.ping().await.unwrap();
        drop(conn);
        settled(&db).await;
        assert_eq!(server.counters().connects, 1);
        assert_at_rest(&db, &server);
    }
}

#[tokio::test]
async fn get_and_select_of_several_statements_run_them_all_and_read_the_first_rows() {
    let server = FakeServer::new();
    let db = open(&server);
    accounts(&db).await;
    let mut conn = db.acquire().await.unwrap();
    assert_eq!(db.get::<i64>("SELECT 1; SELECT 2", ()).await.unwrap(), 1);
    assert_eq!(conn.get::<i64>("SELECT 1; SELECT 2", ()).await.unwrap(), 1);
    let two = "SELECT id FROM accounts ORDER BY id; SELECT 9";
    assert_eq!(db.select::<i64>(two, ()).await.unwrap(), [1, 2]);
    // What gives no columns is no result set, and what comes after the rows has its effect.
    let text =
        "DELETE FROM accounts WHERE id = 1; SELECT count(*) FROM accounts; DELETE FROM accounts";
    assert_eq!(db.get::<i64>(text, ()).await.unwrap(), 1);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM accounts", ()).await.unwrap(), 0);
    // The first result set has no row; the second one is not asked.
    let none = "SELECT id FROM accounts; SELECT 9";
    assert_eq!(db.get_optional::<i64>(none, ()).await.unwrap(), None);
    assert_eq!(db.get::<i64>(none, ()).await.unwrap_err().kind(), ErrorKind::NoRows);
    let nothing = "DELETE FROM accounts; DELETE FROM accounts";
    assert_eq!(conn.get_optional::<i64>(nothing, ()).await.unwrap(), None);
    assert!(conn.select::<i64>(nothing, ()).await.unwrap().is_empty());
    // A later statement's error is the call's.
    let error = db.get::<i64>("SELECT 1; SELECT nonsense", ()).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::NoRows);
    // `query` stands at the first statement's result, and goes no further than it is read.
    let mut rows =
        conn.query("SELECT 1; INSERT INTO accounts (id, balance) VALUES (5, 5)", ()).await.unwrap();
    assert!(rows.next().await.unwrap().is_some());
    assert!(rows.next().await.unwrap().is_none());
    assert!(rows.next_result_set().await.unwrap());
    assert!(!rows.next_result_set().await.unwrap());
    drop(rows);
    assert_eq!(conn.get::<i64>("SELECT count(*) FROM accounts", ()).await.unwrap(), 1);
    drop(conn);
    settled(&db).await;
    assert_at_rest(&db, &server);
}
