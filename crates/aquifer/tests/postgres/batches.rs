//! Batches: how many Syncs they have, and what holds after an error.

use aquifer::{Db, ErrorKind, Result, Retry};
use aquifer_testkit::postgres::{Database, Proxy};

use super::SERVER;

const ADD: &str = "INSERT INTO tanks VALUES (?, ?)";
const TAKE: &str = "UPDATE tanks SET litres = litres - ? WHERE id = ?";
const LITRES: &str = "SELECT string_agg(litres::text, ' ' ORDER BY id) FROM tanks";

/// Two tanks of 100 litres, seen through a proxy by one connection.
async fn tanks(options: &str) -> Result<(Database, Proxy, Db)> {
    let database = SERVER.fresh_database().unwrap();
    database
        .psql(
            "CREATE TABLE tanks (id int PRIMARY KEY, litres int CHECK (litres >= 0));
             CREATE TABLE taps (tank int REFERENCES tanks DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO tanks VALUES (1, 100), (2, 100)",
        )
        .unwrap();
    let proxy = Proxy::start(SERVER.address()).unwrap();
    let url = proxy.url_of("aquifer", "aquifer", database.name());
    let db = Db::open(&format!("{url}&pool_max_open=1{options}"))?;
    db.ping().await?;
    proxy.take();
    Ok((database, proxy, db))
}

#[tokio::test]
async fn each_statement_alone_or_all_together_in_one_flight() -> Result<()> {
    let (database, proxy, db) = tanks("").await?;
    for (atomic, flights) in [
        // First use, then two that follow; later uses.
        (false, ["PDBESBESBES", "BESBESBES"]),
        (true, ["BEBEBES", "BEBEBES"]),
    ] {
        for flight in flights {
            let mut batch = if atomic { db.batch().atomic() } else { db.batch() };
            let tickets = [1, 2, 3].map(|litres| batch.exec(TAKE, (litres, 1)));
            let mut done = batch.send().await?;
            for ticket in tickets {
                assert_eq!(done.take(ticket)?.rows_affected(), 1);
            }
            let traffic = proxy.take_only();
            assert_eq!(traffic.client_flights(), [flight]);
            assert_eq!(traffic.count_client(b'S'), if atomic { 1 } else { 3 });
        }
    }
    assert_eq!(database.psql(LITRES).unwrap(), "76 100\n");
    // At its first use, too, and with rows of every kind.
    let mut batch = db.batch().atomic();
    let all = batch.select::<i32>("SELECT id FROM tanks ORDER BY id", ());
    let added = batch.exec(ADD, (3, 7));
    let one = batch.get::<i64>("SELECT count(*) FROM tanks", ());
    let none = batch.get_optional::<i32>("SELECT id FROM tanks WHERE id = ?", (9,));
    let mut done = batch.send().await?;
    assert_eq!(proxy.take_only().client_flights(), ["PDBEPDBEPDBEPDBES"]);
    assert_eq!(done.take(all)?, [1, 2]);
    assert_eq!(done.take(added)?.rows_affected(), 1);
    assert_eq!((done.take(one)?, done.take(none)?), (3, None));
    Ok(())
}

#[tokio::test]
async fn a_failure_is_one_statements_or_undoes_them_all() -> Result<()> {
    let (database, proxy, db) = tanks("").await?;
    let mut batch = db.batch();
    let taken = batch.exec(TAKE, (10, 1));
    let refused = batch.exec(TAKE, (1000, 2));
    let after = batch.exec(TAKE, (20, 1));
    let mut done = batch.send().await?;
    assert_eq!(done.take(taken)?.rows_affected(), 1);
    assert_eq!(done.take(refused).unwrap_err().kind(), ErrorKind::CheckViolation);
    assert_eq!(done.take(after)?.rows_affected(), 1);
    assert_eq!(database.psql(LITRES).unwrap(), "70 100\n");
    proxy.take();

    for number in 1..=3 {
        let mut batch = db.batch().atomic();
        for n in 1..=3 {
            let litres = if n == number { 1000 } else { 10 };
            drop(batch.exec(TAKE, (litres, 1)));
        }
        let error = batch.send().await.unwrap_err();
        assert_eq!((error.kind(), error.statement()), (ErrorKind::CheckViolation, Some(number)));
        assert!(error.to_string().contains(&format!("statement {number}: ")));
        assert_eq!(proxy.take_only().client_flights(), ["BEBEBES"], "nothing has to be undone");
        assert_eq!(database.psql(LITRES).unwrap(), "70 100\n");
    }

    // A text that cannot be prepared, before and after others.
    let mut batch = db.batch().atomic();
    drop(batch.exec(TAKE, (10, 1)));
    drop(batch.exec("UPDATE tankz SET litres = 0", ()));
    drop(batch.exec("UPDATE tankz SET litres = 0", ()));
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::UndefinedObject, Some(2)));

    // What fails as it is committed is the last statement's.
    let mut batch = db.batch().atomic();
    drop(batch.exec("INSERT INTO taps VALUES (9)", ()));
    drop(batch.exec(TAKE, (10, 1)));
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::ForeignKeyViolation, Some(2)));
    assert_eq!(database.psql("SELECT count(*) FROM taps").unwrap(), "0\n");
    assert_eq!(database.psql(LITRES).unwrap(), "70 100\n");
    assert_eq!(db.get::<i32>("SELECT 1", ()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_copy_has_no_place_in_a_batch_and_costs_no_connection() -> Result<()> {
    let (database, _proxy, db) = tanks("").await?;
    let server: i32 = db.get("SELECT pg_backend_pid()", ()).await?;
    for atomic in [false, true] {
        for into in [
            "COPY tanks FROM STDIN",
            "/* /* */ new */ -- ones\n copy tanks from stdin",
            "COPY tanks TO STDOUT",
        ] {
            let mut batch = if atomic { db.batch().atomic() } else { db.batch() };
            drop(batch.exec(TAKE, (1, 1)));
            drop(batch.exec(into, ()));
            drop(batch.exec(TAKE, (1, 1)));
            let error = batch.send().await.unwrap_err();
            assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::Unsupported, true));
            // Alone it is known to the server from then on.
            assert_eq!(db.exec(into, ()).await.unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
    assert_eq!(database.psql(LITRES).unwrap(), "100 100\n");
    assert_eq!(db.get::<i32>("SELECT pg_backend_pid()", ()).await?, server);
    Ok(())
}

#[tokio::test]
async fn the_simple_protocol_has_a_transaction_for_it() -> Result<()> {
    let (database, proxy, db) = tanks("&default_query_exec_mode=simple_protocol").await?;
    for (litres, number, expected) in [(10, None, "80 100\n"), (1000, Some(2), "80 100\n")] {
        let mut batch = db.batch().atomic();
        let first = batch.exec(TAKE, (10, 1));
        let second = batch.exec(TAKE, (litres, 1));
        match batch.send().await {
            Ok(mut done) => {
                assert_eq!(
                    done.take(first)?.rows_affected() + done.take(second)?.rows_affected(),
                    2
                );
            }
            Err(error) => assert_eq!(error.statement(), number),
        }
        assert_eq!(
            proxy.take_only().client_flights(),
            ["QQ", "Q"],
            "the end is a flight of its own"
        );
        assert_eq!(database.psql(LITRES).unwrap(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn within_a_transaction_it_is_a_savepoint() -> Result<()> {
    let (database, _proxy, db) = tanks("").await?;
    let mut tx = db.begin().await?;
    tx.exec(TAKE, (1, 2)).await?;
    let mut batch = tx.batch().atomic();
    drop(batch.exec(TAKE, (10, 1)));
    drop(batch.exec(TAKE, (1000, 1)));
    assert_eq!(batch.send().await.unwrap_err().statement(), Some(2));
    let mut batch = tx.batch().atomic();
    drop(batch.exec(TAKE, (5, 1)));
    batch.send().await?.finish()?;
    tx.commit().await?;
    assert_eq!(database.psql(LITRES).unwrap(), "95 99\n");

    let mut conn = db.acquire().await?;
    let mut batch = conn.batch().atomic();
    drop(batch.exec(TAKE, (5, 1)));
    drop(batch.exec("COMMIT", ()));
    let error = batch.send().await.unwrap_err();
    assert_eq!((error.kind(), error.nothing_sent()), (ErrorKind::TxControl, true));
    let mut batch = conn.batch().atomic();
    drop(batch.exec(TAKE, (5, 1)));
    drop(batch.exec(TAKE, (1000, 1)));
    batch.send().await.unwrap_err();
    drop(conn);
    assert_eq!(database.psql(LITRES).unwrap(), "95 99\n");
    Ok(())
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_their_own_failure_and_undo_nothing() -> Result<()> {
    let (database, _proxy, db) = tanks("").await?;
    let mut conn = db.acquire().await?;
    conn.exec("SET DateStyle = 'German'", ()).await?;
    for (day, expected) in [(1, "99 100\n"), (2, "98 100\n")] {
        let mut batch = conn.batch().atomic();
        let taken = batch.exec(TAKE, (1, 1));
        // Text, since it is new each time.
        let date = batch.select::<String>(&format!("SELECT date '2024-05-0{day}'"), ());
        let rest = batch.select::<i32>("SELECT litres FROM tanks ORDER BY id", ());
        let mut done = batch.send().await?;
        assert_eq!(done.take(taken)?.rows_affected(), 1);
        assert_eq!(done.take(date).unwrap_err().kind(), ErrorKind::Conversion);
        assert_eq!(done.take(rest)?, [100 - day, 100]);
        assert_eq!(database.psql(LITRES).unwrap(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn what_commits_by_itself_breaks_no_atomic_batch_apart() -> Result<()> {
    let (database, _proxy, db) = tanks("").await?;
    for committing in
        ["DO $$ BEGIN COMMIT; END $$", "VACUUM", "CREATE INDEX CONCURRENTLY i ON tanks (litres)"]
    {
        for first in [true, false] {
            let mut batch = db.batch().atomic();
            if first {
                let _ = batch.exec(committing, ());
            }
            let _ = batch.exec(TAKE, (1, 1));
            if !first {
                let _ = batch.exec(committing, ());
            }
            let _ = batch.exec("SELECT 1 / 0", ());
            let failed = batch.send().await.unwrap_err();
            assert_eq!(failed.statement(), Some(if first { 1 } else { 2 }), "{failed}");
            assert_eq!(database.psql(LITRES).unwrap(), "100 100\n", "{committing}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_of_queries_that_timed_out_may_have_written() -> Result<()> {
    let (_database, proxy, db) = tanks("").await?;
    proxy.hold_answers();
    let scoped = db.timeout(std::time::Duration::from_millis(100));
    let mut batch = scoped.batch();
    let _ = batch.select::<i32>("SELECT id FROM tanks", ());
    let late = batch.send().await.unwrap_err();
    proxy.release_answers();
    assert_eq!((late.kind(), late.retry()), (ErrorKind::Timeout, Retry::Unknown));
    Ok(())
}
