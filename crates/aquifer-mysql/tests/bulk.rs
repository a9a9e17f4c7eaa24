//! Batches of one INSERT inside a transaction, which MariaDB takes as bulks: what they did is told of each statement,
//! as if each had been sent alone.

mod support;

use aquifer_driver::{
    Batch, Command, Date, ErrorKind, Outcome, Params, Status, Step, TxOptions, Value, Want,
};

use support::{SERVER, Session, connect, run};

const INSERT: &str = "INSERT INTO t VALUES (?, ?)";

/// What became of a statement: rows and key, or why not.
type Told = Result<(u64, Option<i64>), ErrorKind>;

fn told(outcome: Outcome) -> Told {
    Ok((outcome.rows_affected, outcome.last_insert_id))
}

/// What became of each statement.
async fn send(session: &mut Session, batch: Batch) -> Vec<Told> {
    let count = batch.len();
    session.connection.start(Command::Batch(batch.into())).unwrap();
    let mut results = Vec::new();
    loop {
        match session.step().await.unwrap() {
            Step::EndOfSet(outcome) => {
                results.push(told(outcome));
                let mut more = Vec::new();
                session.connection.take_outcomes(&mut more);
                results.extend(more.into_iter().map(told));
            }
            Step::Failed(error) => results.push(Err(error.kind())),
            Step::End(outcome) => {
                if results.len() < count {
                    results.push(told(outcome));
                }
                assert_eq!(results.len(), count);
                return results;
            }
            Step::Rows => {}
            other => panic!("{other:?}"),
        }
    }
}

fn batch<P: Params>(sql: &str, rows: impl IntoIterator<Item = P>) -> Batch {
    let (mut batch, sql) = (Batch::new(), sql.into());
    rows.into_iter().for_each(|row| batch.push(&sql, &row, Want::Outcome).unwrap());
    batch
}

async fn begin(session: &mut Session) {
    session.command(Command::Begin(TxOptions::new())).await.unwrap();
}

/// How many statements of a batch the server was sent, whatever rows each was for.
async fn executions(session: &mut Session) -> u64 {
    let rows = session.script("SHOW SESSION STATUS LIKE 'Com_stmt_execute'").await.unwrap();
    let Value::Text(count) = &rows[0][1] else { panic!("{rows:?}") };
    count.parse().unwrap()
}

const ONE: Told = Ok((1, None));

#[test]
fn a_thousand_rows_take_one_round_once_their_statement_is_known() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY, s VARCHAR(20))", &()).await.unwrap();
        begin(&mut session).await;
        let mut rounds = Vec::new();
        for turn in 0..3 {
            let before = session.connection.counters().rounds;
            let rows =
                (0..1000).map(|n| (turn * 1000 + n, (n % 3 > 0).then(|| format!("row {n}"))));
            assert_eq!(send(&mut session, batch(INSERT, rows)).await, vec![ONE; 1000]);
            rounds.push(session.connection.counters().rounds - before);
        }
        // It is prepared; a row alone tells that there are no keys; the rest goes as one.
        assert_eq!(rounds, [3, 1, 1]);
        // CREATE TABLE and the row alone are two more.
        assert_eq!(executions(&mut session).await, 3 + 2);
        session.command(Command::Commit).await.unwrap();
        let rows = session.query("SELECT count(*), count(s), sum(n) FROM t", &()).await.unwrap();
        let sum = Value::Decimal("4498500".into());
        assert_eq!(rows, [[Value::Int(3000), Value::Int(1998), sum]]);
    });
}

#[test]
fn the_row_that_fails_is_named_and_those_before_it_are_kept() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY, s VARCHAR(5))", &()).await.unwrap();
        session.query(INSERT, &(500, "there")).await.unwrap();
        for known in [false, true] {
            begin(&mut session).await;
            let results = send(&mut session, batch(INSERT, (490..510).map(|n| (n, "new")))).await;
            assert_eq!(results[..10], vec![ONE; 10], "{known}");
            assert_eq!(results[10], Err(ErrorKind::UniqueViolation));
            assert_eq!(results[11..], vec![Err(ErrorKind::TxFailed); 9]);
            assert_eq!(session.status(), Status::Transaction);
            let count = session.scalar("SELECT count(*) FROM t WHERE s = 'new'").await.unwrap();
            assert_eq!(count, Value::Int(10));
            session.command(Command::Rollback).await.unwrap();
            assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(1));
        }
        // The last one fails; and one that is too long for its column, between others.
        begin(&mut session).await;
        let mut mixed = batch(INSERT, (0..3).map(|n| (n, "a")));
        mixed.push(&"UPDATE t SET s = ?".into(), &("b",), Want::Outcome).unwrap();
        mixed.push(&INSERT.into(), &(7, "too long"), Want::Outcome).unwrap();
        let results = send(&mut session, mixed).await;
        assert_eq!(results, [ONE, ONE, ONE, Ok((4, None)), Err(ErrorKind::Data)]);
        let results = send(&mut session, batch(INSERT, [(8, "a"), (9, "too long")])).await;
        assert_eq!(results, [ONE, Err(ErrorKind::Data)]);
        session.command(Command::Commit).await.unwrap();
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(5));
        assert!(!session.connection.session_changed());
    });
}

#[test]
fn a_table_that_generates_keys_tells_each() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20), n INT)";
        session.query(sql, &()).await.unwrap();
        begin(&mut session).await;
        let insert = "INSERT INTO t (s, n) VALUES (?, ?)";
        for (turn, step) in [(0, 1), (1, 1), (2, 5)] {
            session.script(&format!("SET auto_increment_increment = {step}")).await.unwrap();
            let before = session.connection.counters().rounds;
            // The first row does not tell whether its key is generated: it has a NULL.
            let rows = (0..500).map(|n| (format!("row {turn} {n}"), (n > 0).then_some(n)));
            let results = send(&mut session, batch(insert, rows)).await;
            // The statement and two rows alone, then the statement for 497, once only, and the last row.
            assert_eq!(session.connection.counters().rounds - before, [6, 3, 2][turn as usize]);
            let (_, last) = *results.last().unwrap().as_ref().unwrap();
            let next = session.scalar("SELECT CAST(LAST_INSERT_ID() AS SIGNED)").await.unwrap();
            assert_eq!(Some(next), last.map(Value::Int), "as if it had been inserted alone");
            let sql = "SELECT id FROM t WHERE s LIKE concat('row ', ?, ' %') ORDER BY n";
            let keys = session.query(sql, &(turn,)).await.unwrap();
            let keys = keys.iter().map(|row| match row[0] {
                Value::Int(key) => Ok((1, Some(key))),
                _ => panic!("{row:?}"),
            });
            assert_eq!(results, keys.collect::<Vec<_>>(), "{turn}");
        }
    });
}

#[test]
fn keys_that_are_given_are_told_as_they_are() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(20))";
        session.query(sql, &()).await.unwrap();
        begin(&mut session).await;
        let rows = (0..20).map(|n| ((n % 4 > 0).then_some(100 + n * 3), format!("{n}")));
        let results = send(&mut session, batch("INSERT INTO t VALUES (?, ?)", rows)).await;
        let keys = session.query("SELECT id FROM t ORDER BY CAST(s AS INT)", &()).await.unwrap();
        let keys = keys.iter().map(|row| match row[0] {
            Value::Int(key) => Ok((1, Some(key))),
            _ => panic!("{row:?}"),
        });
        assert_eq!(results, keys.collect::<Vec<_>>());
        // None of it went together.
        assert_eq!(executions(&mut session).await, 1 + 20 + 1);
    });
}

#[test]
fn a_row_that_fails_among_those_with_keys_is_named() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let sql = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT UNIQUE)";
        session.query(sql, &()).await.unwrap();
        begin(&mut session).await;
        let insert = "INSERT INTO t (n) VALUES (?)";
        let learnt = send(&mut session, batch(insert, (10..20).map(|n| (n,)))).await;
        assert!(learnt.iter().all(Result::is_ok), "{learnt:?}");
        let results = send(&mut session, batch(insert, (1..20).map(|n| (n,)))).await;
        let good: Vec<_> = results.iter().filter(|told| told.is_ok()).collect();
        assert_eq!(good.len(), 9);
        assert_eq!(results[9], Err(ErrorKind::UniqueViolation));
        assert_eq!(results[10..], vec![Err(ErrorKind::TxFailed); 9]);
        let keys = session.query("SELECT id FROM t WHERE n < 10 ORDER BY n", &()).await.unwrap();
        for (told, row) in results.iter().zip(&keys) {
            let key = told.unwrap().1.map(Value::Int);
            assert_eq!(key.as_ref(), Some(&row[0]));
        }
    });
}

/// As one of many rows a NULL would become a zero.
#[test]
fn where_the_mode_is_not_strict_a_null_is_refused_as_in_a_row_alone() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        for key in ["", "id INT AUTO_INCREMENT PRIMARY KEY, "] {
            session
                .script(&format!("CREATE OR REPLACE TABLE t ({key} n INT NOT NULL)"))
                .await
                .unwrap();
            for mode in ["STRICT_ALL_TABLES", "", "TRADITIONAL"] {
                session.query(&format!("SET sql_mode = '{mode}'"), &()).await.unwrap();
                begin(&mut session).await;
                let rows = (0..20).map(|n| ((n != 18).then_some(n),));
                let results = send(&mut session, batch("INSERT INTO t (n) VALUES (?)", rows)).await;
                assert!(results[..18].iter().all(Result::is_ok), "{key}{mode}: {results:?}");
                let behind = [Err(ErrorKind::NotNullViolation), Err(ErrorKind::TxFailed)];
                assert_eq!(results[18..], behind, "{key}{mode}");
                session.command(Command::Rollback).await.unwrap();
            }
        }
    });
}

#[test]
fn a_table_without_transactions_gets_its_rows_one_by_one() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT, s VARCHAR(5)) ENGINE = MyISAM", &()).await.unwrap();
        begin(&mut session).await;
        // As one command the server would cut the text of any row but the first.
        let rows = [(1, "a"), (2, "b"), (3, "too long"), (4, "d")];
        let results = send(&mut session, batch(INSERT, rows)).await;
        assert_eq!(results, [ONE, ONE, Err(ErrorKind::Data), Err(ErrorKind::TxFailed)]);
        let kept = session.query("SELECT n FROM t ORDER BY n", &()).await.unwrap();
        assert_eq!(kept, [[Value::Int(1)], [Value::Int(2)]]);
    });
}

#[test]
fn rows_that_stayed_after_a_bulk_failed_are_not_inserted_twice() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY, s VARCHAR(5))", &()).await.unwrap();
        begin(&mut session).await;
        assert_eq!(send(&mut session, batch(INSERT, (1..4).map(|n| (n, "a")))).await, [ONE; 3]);
        session.command(Command::Commit).await.unwrap();
        session.query("ALTER TABLE t ENGINE = MyISAM", &()).await.unwrap();
        begin(&mut session).await;
        let rows = [(4, "b"), (5, "b"), (1, "b"), (6, "b")];
        let results = send(&mut session, batch(INSERT, rows)).await;
        let failed = Err(ErrorKind::TxFailed);
        assert_eq!(results, [Err(ErrorKind::UniqueViolation), failed, failed, failed]);
        let kept = session.scalar("SELECT count(*) FROM t WHERE s = 'b'").await.unwrap();
        assert_eq!(kept, Value::Int(2));
    });
}

#[test]
fn bulks_are_split_by_size_and_by_type_and_give_way_where_they_cannot_be() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT, s LONGTEXT)", &()).await.unwrap();
        begin(&mut session).await;
        let learnt = send(&mut session, batch(INSERT, (0..3).map(|n| (n, "a")))).await;
        assert_eq!(learnt, [ONE; 3]);
        for (rows, rounds) in [
            // A number for some rows and a text for others.
            (vec![(Value::Int(1), 1), (Value::Int(2), 1), ("3".into(), 1), ("4".into(), 1)], 2),
            // Five rows in 4 MiB, twice.
            (vec![(Value::Int(1), 800_000); 10], 2),
            // One that goes alone, beside one that is not too long to go with others.
            (vec![(Value::Int(1), 5 << 20), (Value::Int(2), 1), (Value::Int(3), 1)], 2),
        ] {
            let before = session.connection.counters().rounds;
            let count = rows.len();
            let rows = rows.into_iter().map(|(n, len)| vec![n, "x".repeat(len).into()]);
            assert_eq!(send(&mut session, batch(INSERT, rows)).await, vec![ONE; count]);
            assert_eq!(session.connection.counters().rounds - before, rounds);
        }
        // What the engine cannot take is refused before anything is sent.
        let rows = [vec![Value::Int(1), "a".into()], vec![Value::Float(f64::NAN), "a".into()]];
        let refused = session.connection.start(Command::Batch(batch(INSERT, rows).into()));
        let error = refused.unwrap_err();
        assert!(error.kind() == ErrorKind::Argument && error.nothing_sent(), "{error}");
        // Longer than the server takes: an error of its own row.
        let rows = [(1, "a".to_owned()), (2, "x".repeat(17 << 20)), (3, "c".to_owned())];
        let results = send(&mut session, batch(INSERT, rows)).await;
        assert_eq!(results, [ONE, Err(ErrorKind::Argument), Err(ErrorKind::TxFailed)]);
        session.command(Command::Commit).await.unwrap();
        let found = session.query("SELECT count(*), max(length(s)) FROM t", &()).await.unwrap();
        assert_eq!(found, [[Value::Int(21), Value::Int(5 << 20)]]);
    });
}

#[test]
fn every_type_arrives_as_it_does_alone() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        let columns = "b BOOL, u BIGINT UNSIGNED, f DOUBLE, d DECIMAL(20,5), y BLOB, j JSON, day DATE, \
                       at DATETIME(6), instant TIMESTAMP(6) NULL, t TIME(6), id UUID";
        session.query(&format!("CREATE TABLE t (n INT, {columns})"), &()).await.unwrap();
        let row = |n: i64| {
            vec![
                Value::Int(n),
                Value::Bool(true),
                Value::UInt(u64::MAX),
                Value::Float(-1.5e-300),
                Value::Decimal("-12.50000".into()),
                Value::Bytes((0..=255).collect()),
                Value::Json("{\"a\": 1}".into()),
                Value::Date(Date(20_000)),
                Value::Timestamp(1_795_162_500_000_001),
                Value::TimestampTz(1_795_162_500_000_001),
                Value::Time(-3_020_399_999_999),
                Value::Uuid([7; 16]),
            ]
        };
        let nulls = |n: i64| {
            let mut row = row(n);
            row[1..].fill(Value::Null);
            row
        };
        let sql = "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        session.query(sql, &row(1)).await.unwrap();
        session.query(sql, &nulls(2)).await.unwrap();
        begin(&mut session).await;
        let rows = [row(9), row(1), nulls(2), row(1), nulls(2)];
        assert_eq!(send(&mut session, batch(sql, rows)).await, [ONE; 5]);
        assert_eq!(executions(&mut session).await, 3 + 2);
        let rows = session.query("SELECT * FROM t WHERE n < 9 ORDER BY n", &()).await.unwrap();
        assert!(rows[..3].iter().all(|row| *row == rows[0]) && rows[0][3] != Value::Null);
        assert!(rows[3..].iter().all(|row| *row == rows[3]) && rows[3][3] == Value::Null);
        assert_eq!(rows.len(), 6);
    });
}

#[test]
fn outside_a_transaction_each_statement_stands_alone() {
    run(async {
        let database = SERVER.fresh_database().unwrap();
        let mut session = connect(database.url()).await.unwrap();
        session.query("CREATE TABLE t (n INT PRIMARY KEY, s VARCHAR(5))", &()).await.unwrap();
        for _ in 0..2 {
            let rows = [(1, "a"), (2, "b"), (1, "again"), (3, "c")];
            let results = send(&mut session, batch(INSERT, rows)).await;
            assert_eq!(results[2], Err(ErrorKind::UniqueViolation));
        }
        assert_eq!(session.scalar("SELECT count(*) FROM t").await.unwrap(), Value::Int(3));
        assert_eq!(executions(&mut session).await, 2 + 8);
    });
}
