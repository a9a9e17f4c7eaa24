//! `Db` over a real MariaDB, by URL alone.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aquifer::pool::Warning;
use aquifer::{Db, ErrorKind, FromRow, Observer, Result, Retry, TxOptions, list};
use aquifer_testkit::mysql::{Auth, Database, Server, Settings, User};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

async fn shop() -> Result<(Database, Db)> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::connect(database.url()).await?;
    db.exec(
        "CREATE TABLE items (id BIGINT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, \
         price DECIMAL(10,2), made DATE)",
        (),
    )
    .await?;
    Ok((database, db))
}

#[derive(Debug, PartialEq, FromRow)]
struct Item {
    id: i64,
    code: String,
    price: Option<String>,
}

#[tokio::test]
async fn a_url_is_enough_for_prepared_statements_rows_and_errors() -> Result<()> {
    let (_database, db) = shop().await?;
    let done = db.exec("INSERT INTO items (code, price) VALUES (?, ?)", ("bolt", "1.50")).await?;
    assert_eq!(done.rows_affected(), 1);
    let item: Item = db.get("SELECT id, code, price FROM items WHERE code = ?", ("bolt",)).await?;
    assert_eq!(item, Item { id: 1, code: "bolt".into(), price: Some("1.50".into()) });
    let error = db.exec("INSERT INTO items (code) VALUES (?)", ("bolt",)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(error.constraint(), Some("code"));
    let codes: Vec<String> =
        db.select("SELECT code FROM items WHERE id IN (?)", (list(&[1_i64, 2, 3]),)).await?;
    assert_eq!(codes, ["bolt"]);
    // As on every other engine, what an UPDATE finds is counted, changed or not.
    let found = db.exec("UPDATE items SET code = ? WHERE id = ?", ("bolt", 1)).await?;
    assert_eq!(found.rows_affected(), 1);
    Ok(())
}

#[tokio::test]
async fn a_transaction_is_kept_or_undone_as_a_whole() -> Result<()> {
    let (_database, db) = shop().await?;
    let mut tx = db.begin_with(TxOptions::serializable()).await?;
    tx.exec("INSERT INTO items (code) VALUES (?)", ("nut",)).await?;
    tx.rollback().await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM items", ()).await?, 0);
    let mut tx = db.begin().await?;
    for n in 0..10 {
        tx.exec("INSERT INTO items (code) VALUES (?)", (format!("nut{n}"),)).await?;
    }
    tx.commit().await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM items", ()).await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_was_changed_comes_back_as_a_fresh_one() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::connect(&format!("{}?pool_max_open=1", database.url())).await?;
    let mut conn = db.acquire().await?;
    conn.exec("SET @mine = 5", ()).await?;
    drop(conn);
    assert_eq!(db.get::<Option<i64>>("SELECT @mine", ()).await?, None);
    Ok(())
}

#[tokio::test]
async fn go_s_grammar_opens_the_same_database() -> Result<()> {
    let database = SERVER.fresh_database().unwrap();
    let dsn = format!("aquifer:aquifer@tcp(127.0.0.1:{})/{}", SERVER.port(), database.name());
    let db = Db::open_with("mysql", &dsn)?;
    assert_eq!(db.get::<String>("SELECT DATABASE()", ()).await?, database.name());
    Ok(())
}

#[derive(Default)]
struct Warnings(Mutex<Vec<Warning>>);

impl Observer for Warnings {
    fn warning(&self, _: &str, warning: &Warning) {
        self.0.lock().unwrap().push(warning.clone());
    }
}

#[tokio::test]
async fn a_pool_that_exceeds_the_server_s_limits_is_warned_of_once() -> Result<()> {
    let settings = Settings::new().option("max-connections=17").option("wait-timeout=40");
    let server = Server::start(settings).unwrap();
    let (second, never) = (Duration::from_secs, "&pool_check_period=off");
    for (max_open, options, sessions, idle) in [
        (17, "", None, None),
        (18, "", Some(17), None),
        (17, never, None, Some(second(600))),
        (17, "&wait_timeout=20", None, Some(second(30))),
        (18, "&wait_timeout=20&pool_check_period=15s", Some(17), None),
    ] {
        let warnings = Arc::new(Warnings::default());
        let observer: Arc<dyn Observer> = Arc::<Warnings>::clone(&warnings);
        let url = format!("{}?pool_max_open={max_open}{options}", server.url());
        let db = Db::builder(&url)?.observer(observer).open()?;
        db.warm_up(1).await?;
        let limit = if options.contains("wait") { second(20) } else { second(40) };
        let expected: Vec<_> = (sessions.map(|server| Warning::ServerLimit { max_open, server }))
            .into_iter()
            .chain(idle.map(|idle| Warning::IdleLimit { idle, server: limit }))
            .collect();
        // The question takes the only connection for a moment, once.
        while db.stats().acquires == 0 || db.stats().in_use > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..3 {
            db.get::<i32>("SELECT 1", ()).await?;
        }
        assert_eq!(*warnings.0.lock().unwrap(), expected, "{options}");
        assert!(db.close().await.is_clean());
    }
    Ok(())
}

/// An administrator has one connection more; an application has not.
#[tokio::test]
async fn where_no_connection_is_left_for_the_kill_the_next_call_was_not_sent() -> Result<()> {
    let user = User::new("plain", Auth::Native).password("plain").without_privileges();
    let settings = Settings::new().user(user).option("max-connections=10");
    let server = Server::start(settings).unwrap();
    let url = server.url_of("plain", "plain", "");
    let db = Db::open(&format!("{url}?pool_max_open=10&pool_recover_timeout=200ms"))?;
    // The least that MariaDB can be set to, and so all that it has.
    db.warm_up(10).await?;
    let (mut conn, mut other) = (db.acquire().await?, db.acquire().await?);
    let mut tx = other.begin().await?;
    let slow = "SELECT SLEEP(60)";
    let soon = Duration::from_millis(100);
    conn.set_timeout(Some(soon));
    tx.set_timeout(Some(soon));
    let (alone, within) = tokio::join!(conn.get::<i64>(slow, ()), tx.get::<i64>(slow, ()));
    for error in [alone.unwrap_err(), within.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("is asked to stop"), "nobody told it: {error}");
    }
    conn.set_timeout(None);
    tx.set_timeout(None);
    let next = "SELECT 1";
    let (alone, within) = tokio::join!(conn.get::<i64>(next, ()), tx.get::<i64>(next, ()));
    for (error, retry) in
        [(alone.unwrap_err(), Retry::Safe), (within.unwrap_err(), Retry::Transaction)]
    {
        assert_eq!(error.kind(), ErrorKind::ConnectionLost, "{error}");
        assert!(error.nothing_sent(), "{error}");
        assert_eq!(error.retry(), retry, "{error}");
        assert!(error.to_string().contains("could not be stopped"), "{error}");
    }
    // So say those that follow.
    assert_eq!(conn.get::<i64>(next, ()).await.unwrap_err().retry(), Retry::Safe);
    assert_eq!(tx.get::<i64>(next, ()).await.unwrap_err().retry(), Retry::Transaction);
    Ok(())
}

/// The server undoes the statement alone, or with `innodb_rollback_on_timeout` the transaction.
#[tokio::test]
async fn a_lock_timeout_that_ended_the_transaction_is_known_to_it() -> Result<()> {
    for ends in [false, true] {
        let mut settings = Settings::new().option("innodb-lock-wait-timeout=1");
        if ends {
            settings = settings.option("innodb-rollback-on-timeout=ON");
        }
        let server = Server::start(settings).unwrap();
        let database = server.fresh_database().unwrap();
        let db = Db::connect(database.url()).await?;
        db.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", ()).await?;
        db.exec("INSERT INTO t VALUES (1, 1)", ()).await?;
        let (mut holder, mut tx) = (db.begin().await?, db.begin().await?);
        holder.exec("UPDATE t SET v = 10 WHERE id = 1", ()).await?;
        tx.exec("INSERT INTO t VALUES (2, 2)", ()).await?;
        let late = tx.exec("UPDATE t SET v = 20 WHERE id = 1", ()).await.unwrap_err();
        assert_eq!((late.kind(), late.code()), (ErrorKind::LockTimeout, Some("1205")), "{late}");
        assert_eq!(late.retry(), Retry::Transaction);
        let next = tx.exec("INSERT INTO t VALUES (3, 3)", ()).await;
        let committed = tx.commit().await;
        holder.rollback().await?;
        let kept: Vec<i32> = db.select("SELECT id FROM t ORDER BY id", ()).await?;
        if ends {
            let next = next.unwrap_err();
            assert!(next.nothing_sent(), "it would have committed by itself: {next}");
            assert_eq!(next.kind(), ErrorKind::TxDone, "{next}");
            assert!(committed.is_err(), "nothing was there to commit");
            assert_eq!(kept, [1]);
        } else {
            next?;
            committed?;
            assert_eq!(kept, [1, 2, 3]);
        }
    }
    Ok(())
}
