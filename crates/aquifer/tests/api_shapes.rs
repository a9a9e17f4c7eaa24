//! Every call shape of the API, as users write it, on a real SQLite database.
#![cfg(all(feature = "sqlite", feature = "derive"))]

use std::collections::BTreeMap;
use std::time::Duration;

use aquifer::{
    Db, Done, ErrorKind, Executor, FromRow, FromValue, Ident, Isolation, Map, Record, Result,
    Retry, ToParams, ToValue, TxOptions, Value, list,
};

#[derive(Debug, PartialEq, FromRow)]
struct Station {
    id: i64,
    code: String,
    river: String,
    level_m: Option<f64>,
}

#[derive(ToParams)]
struct NewStation {
    code: &'static str,
    river: &'static str,
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

const STATIONS: &str = "
    CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE, river TEXT, level_m REAL);
    INSERT INTO stations VALUES (7, 'N-07', 'Nera', 1.84), (8, 'N-08', 'Nera', NULL), (9, 'T-01', 'Tevere', 0.5);
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    INSERT INTO accounts VALUES (1, 100), (2, 0);";

async fn stations() -> Db {
    let db = Db::connect("sqlite::memory:").await.unwrap();
    db.exec(STATIONS, ()).await.unwrap();
    db
}

/// A database in a file, so that there is more than one connection.
struct File {
    db: Db,
    _folder: Folder,
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn file(name: &str) -> File {
    let folder =
        Folder(std::env::temp_dir().join(format!("aquifer-shapes-{}-{name}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("demo.db");
    let db = Db::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    db.exec(STATIONS, ()).await.unwrap();
    File { db, _folder: folder }
}

#[tokio::test]
async fn open_is_lazy_connect_is_not_and_a_builder_has_every_option() -> Result<()> {
    let db = Db::open("sqlite:///no/such/folder/demo.db?mode=ro")?;
    assert!(db.ping().await.is_err());
    assert!(Db::connect("sqlite:///no/such/folder/demo.db?mode=ro").await.is_err());
    let db = Db::builder("sqlite::memory:?pool_acquire_timeout=1s")?
        .max_open(20)
        .min_idle(2)
        .max_lifetime(minutes(30))
        .open()?;
    assert_eq!(db.options().pool.acquire_timeout, Duration::from_secs(1));
    assert_eq!(db.options().pool.max_lifetime, Some(minutes(30)));
    assert_eq!(db.get::<i64>("SELECT 1", ()).await?, 1);
    assert_eq!(Db::open("sqlite3::memory:")?.dialect().name, db.dialect().name);
    assert_eq!(Db::open("oracle://x").unwrap_err().kind(), ErrorKind::UnknownDriver);
    for path in ["file:demo.db", "demo.db", "C:\\demo.db"] {
        let error = Db::open(path).unwrap_err();
        assert!(error.hint().unwrap().contains("`sqlite:PATH`"), "{path}: {error}");
    }
    let error = Db::connect("sqlite:///no/such/folder/demo.db").await.unwrap_err();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        assert!(!error.to_string().contains(&next.to_string()), "{error} says {next} twice");
        cause = next.source();
    }
    Ok(())
}

#[tokio::test]
async fn the_destination_type_decides() -> Result<()> {
    let db = stations().await;
    let s: Station = db.get("SELECT * FROM stations WHERE id = ?", (7,)).await?;
    assert_eq!(s.code, "N-07");
    let v: Vec<Station> = db.select("SELECT * FROM stations WHERE river = ?", ("Nera",)).await?;
    assert_eq!(v.len(), 2);
    let n: i64 = db.get("SELECT count(*) FROM stations", ()).await?;
    assert_eq!(n, 3);
    let t: (i64, String) = db.get("SELECT id, code FROM stations WHERE id = ?", (7,)).await?;
    assert_eq!(t, (7, "N-07".to_owned()));
    let m: Option<Station> = db.get_optional("SELECT * FROM stations WHERE id = ?", (99,)).await?;
    assert_eq!(m, None);
    // A row with NULL in its only column is a row.
    let null: Option<f64> = db.get("SELECT level_m FROM stations WHERE id = ?", (8,)).await?;
    assert_eq!(null, None);
    let none = db.get::<Station>("SELECT * FROM stations WHERE id = ?", (99,)).await;
    assert_eq!(none.unwrap_err().kind(), ErrorKind::NoRows);

    let done = db.exec("UPDATE stations SET level_m = ? WHERE id = ?", (1.9, 7)).await?;
    assert_eq!(done.rows_affected(), 1);
    let done = db.exec("INSERT INTO stations (code) VALUES (?)", ("X",)).await?;
    assert_eq!(done.last_insert_id(), Some(10));
    Ok(())
}

#[tokio::test]
async fn arguments_come_as_tuples_slices_and_vectors() -> Result<()> {
    let db = stations().await;
    let by_two = "SELECT code FROM stations WHERE id IN (?, ?) ORDER BY id";
    let expected = ["N-07", "T-01"];
    assert_eq!(db.select::<String>(by_two, (7, 9)).await?, expected);
    assert_eq!(db.select::<String>(by_two, [7, 9]).await?, expected);
    let ids = vec![7i64, 9];
    assert_eq!(db.select::<String>(by_two, &ids[..]).await?, expected);
    assert_eq!(db.select::<String>(by_two, &ids).await?, expected);
    let values = [Value::from(7), Value::from(9)];
    assert_eq!(db.select::<String>(by_two, &values[..]).await?, expected);
    let mixed: [&(dyn ToValue + Sync); 2] = [&7i64, &9u8];
    assert_eq!(db.select::<String>(by_two, mixed).await?, expected);
    Ok(())
}

#[derive(FromRow)]
struct StationView<'r> {
    code: &'r str,
    level_m: Option<f64>,
}

#[tokio::test]
async fn rows_lend_and_may_be_dropped_early() -> Result<()> {
    let db = stations().await;
    let mut rows = db.query("SELECT id, code, level_m FROM stations ORDER BY id", ()).await?;
    let mut seen = Vec::new();
    while let Some(row) = rows.next().await? {
        let (id, code, level): (i64, &str, Option<f64>) = row.scan()?;
        let by_name: Option<f64> = row.get("level_m")?;
        assert_eq!(by_name, level);
        assert_eq!(row.get::<i64>(0)?, id);
        seen.push(code.to_owned());
    }
    assert_eq!(seen, ["N-07", "N-08", "T-01"]);

    let mut rows = db.query("SELECT code, level_m FROM stations ORDER BY id", ()).await?;
    let row = rows.next().await?.expect("there are stations");
    let StationView { code, level_m } = row.scan()?;
    assert_eq!((code, level_m), ("N-07", Some(1.84)));
    // A second scan of the same row gives the same again.
    let again: StationView<'_> = row.scan()?;
    assert_eq!(again.code, code);
    drop(rows);

    let mut rest = db.query("SELECT code FROM stations ORDER BY id", ()).await?;
    rest.next().await?;
    assert_eq!(rest.collect::<String>().await?, ["N-08", "T-01"]);
    assert_eq!(db.stats().connects_ok, 1);
    Ok(())
}

#[tokio::test]
async fn a_stream_owns_its_rows_and_the_connection() -> Result<()> {
    let db = stations().await;
    let mut stations = db.stream::<Station>("SELECT * FROM stations ORDER BY id", ());
    drop(db);
    let mut ids = Vec::new();
    while let Some(station) = stations.try_next().await? {
        ids.push(station.id);
    }
    assert_eq!(ids, [7, 8, 9]);
    Ok(())
}

#[tokio::test]
async fn a_stream_is_a_futures_stream() -> Result<()> {
    use futures_core::Stream;
    use std::pin::pin;
    let db = stations().await;
    let mut stream = pin!(db.stream::<(i64,)>("SELECT id FROM stations ORDER BY id", ()));
    let mut ids = Vec::new();
    while let Some(row) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        ids.push(row?.0);
    }
    assert_eq!(ids, [7, 8, 9]);
    Ok(())
}

#[tokio::test]
async fn named_parameters_come_from_structs_maps_and_pairs() -> Result<()> {
    let db = stations().await;
    let insert = "INSERT INTO stations (code, river) VALUES (:code, :river)";
    let new_station = NewStation { code: "N-10", river: "Nera" };
    db.exec_named(insert, &new_station).await?.expect(1)?;
    let many_stations =
        [NewStation { code: "A", river: "Aniene" }, NewStation { code: "B", river: "Aniene" }];
    db.exec_named(insert, &many_stations[..]).await?.expect(2)?;
    let by_code = "SELECT id FROM stations WHERE code = :code";
    let map = BTreeMap::from([("code", "T-01")]);
    assert_eq!(db.get_named::<i64>(by_code, &map).await?, 9);
    let pairs: [(&str, &(dyn ToValue + Sync)); 2] = [("code", &"T-01"), ("low", &0.1)];
    let n: Vec<i64> = db
        .select_named(
            "SELECT id FROM stations WHERE code = :code AND level_m > :low AND code = :code",
            &pairs,
        )
        .await?;
    assert_eq!(n, [9]);
    let row: Option<Map> =
        db.get_optional_named("SELECT * FROM stations WHERE code = :code", &map).await?;
    assert_eq!(row.unwrap().get("river"), Some(&"Tevere".into()));
    let mut rows = db.query_named(by_code, &new_station).await?;
    assert_eq!(rows.collect::<i64>().await?.len(), 1);

    let error = db.exec_named("SELECT :cod", &new_station).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert!(error.to_string().contains("code"), "{error}");
    let none: &[NewStation] = &[];
    assert_eq!(db.exec_named(insert, none).await.unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    Ok(())
}

#[tokio::test]
async fn a_bulk_that_is_split_is_all_or_nothing() -> Result<()> {
    #[derive(ToParams)]
    struct Row {
        id: i64,
        code: String,
    }
    let db = stations().await;
    let insert = "INSERT INTO stations (id, code) VALUES (:id, :code)";
    let mut many: Vec<Row> = (100..40_100).map(|id| Row { id, code: format!("C{id}") }).collect();
    db.exec_named(insert, &many[..]).await?.expect(40_000)?;
    many.iter_mut().for_each(|row| row.id += 100_000);
    // The last of all has a code that exists.
    let error = db.exec_named(insert, &many[..]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM stations", ()).await?, 40_003);
    Ok(())
}

#[tokio::test]
async fn a_list_stands_for_one_placeholder() -> Result<()> {
    let db = stations().await;
    let ids = [7, 9];
    let sql = "SELECT * FROM stations WHERE river <> ? AND id IN (?) ORDER BY id";
    let v: Vec<Station> = db.select(sql, ("Arno", list(&ids))).await?;
    assert_eq!(v.iter().map(|station| station.id).collect::<Vec<_>>(), [7, 9]);
    let none: [i64; 0] = [];
    let error = db.select::<Station>(sql, ("Arno", list(&none))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    Ok(())
}

#[tokio::test]
async fn a_question_mark_is_a_placeholder_only_where_it_is_one() -> Result<()> {
    let db = stations().await;
    let t: (String, i64) = db.get("SELECT '?', /* ? */ ? -- ?", (1,)).await?;
    assert_eq!(t, ("?".to_owned(), 1));
    // The engine's own form goes as it is.
    assert_eq!(db.get::<i64>("SELECT ?1 + ?1", (2,)).await?, 4);
    let error = db.get::<i64>("SELECT ?", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentMismatch);
    assert!(error.nothing_sent());
    let t: (String, i64) = db.get_named("SELECT '12:30', :n", &[("n", 1)]).await?;
    assert_eq!(t, ("12:30".to_owned(), 1));
    Ok(())
}

#[tokio::test]
async fn transactions_commit_roll_back_and_nest() -> Result<()> {
    let db = stations().await;
    let (from, to, amount) = (1, 2, 30);
    let mut tx = db.begin().await?;
    tx.exec("UPDATE accounts SET balance = balance - ? WHERE id = ?", (amount, from)).await?;
    tx.exec("UPDATE accounts SET balance = balance + ? WHERE id = ?", (amount, to)).await?;
    tx.commit().await?;
    let mut tx = db.begin().await?;
    tx.exec("DELETE FROM accounts", ()).await?;
    tx.rollback().await?;
    let mut tx = db.begin().await?;
    tx.exec("DELETE FROM accounts", ()).await?;
    drop(tx);
    let mut tx = db.begin().await?;
    let mut sp = tx.savepoint().await?;
    sp.exec("UPDATE accounts SET balance = balance + 1", ()).await?;
    sp.release().await?;
    let mut sp = tx.savepoint().await?;
    sp.exec("DELETE FROM accounts", ()).await?;
    drop(sp);
    tx.commit().await?;
    let total: i64 = db
        .transaction(async |tx| {
            tx.exec("UPDATE accounts SET balance = balance + 1 WHERE id = ?", (1,)).await?;
            tx.get("SELECT sum(balance) FROM accounts", ()).await
        })
        .await?;
    assert_eq!(total, 103);
    let mut tx = db.begin_with(TxOptions::serializable().read_only()).await?;
    let refused = tx.exec("DELETE FROM accounts", ()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    tx.rollback().await?;
    assert_eq!(
        TxOptions::serializable().read_only().deferrable().isolation,
        Some(Isolation::Serializable)
    );
    Ok(())
}

#[derive(Debug)]
enum AppError {
    Poor,
    Database(aquifer::Error),
}

impl From<aquifer::Error> for AppError {
    fn from(error: aquifer::Error) -> Self {
        Self::Database(error)
    }
}

#[tokio::test]
async fn a_transaction_may_fail_with_an_error_of_the_callers() -> Result<()> {
    let db = stations().await;
    let amount = 1_000;
    let result: Result<(), AppError> = db
        .try_transaction(TxOptions::new(), async |tx| {
            tx.exec("UPDATE accounts SET balance = balance - ? WHERE id = 1", (amount,)).await?;
            let left: i64 = tx.get("SELECT balance FROM accounts WHERE id = 1", ()).await?;
            if left < 0 { Err(AppError::Poor) } else { Ok(()) }
        })
        .await;
    assert!(matches!(result, Err(AppError::Poor)));
    assert_eq!(db.get::<i64>("SELECT balance FROM accounts WHERE id = 1", ()).await?, 100);
    let failed: Result<(), AppError> = db
        .try_transaction(TxOptions::new(), async |tx| {
            tx.exec("nonsense", ()).await?;
            Ok(())
        })
        .await;
    let Err(AppError::Database(error)) = failed else { panic!("the engine's error") };
    assert_eq!(error.kind(), ErrorKind::Syntax);
    Ok(())
}

#[tokio::test]
async fn closures_with_what_they_own_run_in_spawned_tasks() -> Result<()> {
    let db = stations().await;
    let spawned = db.clone();
    let code = String::from("Z-99");
    let task = tokio::spawn(async move {
        let total: i64 = spawned
            .transaction(async |tx| {
                tx.exec("UPDATE stations SET code = ? WHERE id = ?", (&code, 7)).await?;
                tx.get("SELECT count(*) FROM stations", ()).await
            })
            .await?;
        let text = code.clone();
        let tried: Result<i64, AppError> = spawned
            .try_transaction(TxOptions::new(), async move |tx| {
                let done = tx.exec("UPDATE stations SET code = ? WHERE id = 7", (text,)).await?;
                Ok(i64::try_from(done.rows_affected()).unwrap_or(-1))
            })
            .await;
        let mut runs = 0;
        let repeated = spawned
            .transaction_retry(TxOptions::new(), 3, async move |tx| {
                runs += 1;
                tx.exec("UPDATE stations SET code = ? WHERE id = ?", (&code, 8)).await?;
                if runs < 2 {
                    return Err(aquifer::Error::new(ErrorKind::Serialization, "once more"));
                }
                Ok(runs)
            })
            .await;
        Ok::<_, aquifer::Error>((total, tried.unwrap_or(-1), repeated))
    });
    let (total, tried, repeated) = task.await.unwrap()?;
    assert_eq!((total, tried), (3, 1));
    // The code is taken by station 7: the engine says so before the closure can ask for a repeat.
    assert_eq!(repeated.unwrap_err().kind(), ErrorKind::UniqueViolation);
    Ok(())
}

#[tokio::test]
async fn a_statement_runs_on_the_pool_and_elsewhere() -> Result<()> {
    let db = stations().await;
    let by_id = db.prepare("SELECT * FROM stations WHERE id = ?").await?;
    assert_eq!(by_id.parameters().len(), 1);
    assert_eq!(by_id.columns().names().collect::<Vec<_>>(), ["id", "code", "river", "level_m"]);
    assert_eq!(by_id.is_read_only(), Some(true));
    let s: Station = by_id.get((7,)).await?;
    assert_eq!(s.id, 7);
    let mut tx = db.begin().await?;
    let s: Station = by_id.on(&mut tx).get((8,)).await?;
    assert_eq!(s.id, 8);
    let mut rows = by_id.on(&mut tx).query((9,)).await?;
    assert_eq!(rows.collect::<Station>().await?[0].id, 9);
    drop(rows);
    tx.commit().await?;
    let mut conn = db.acquire().await?;
    assert_eq!(by_id.on(&mut conn).select::<Station>((9,)).await?.len(), 1);
    drop(conn);
    assert_eq!(by_id.on(&mut &db).get_optional::<Station>((99,)).await?, None);
    let by_code = db.prepare_named("SELECT id FROM stations WHERE code = :code").await?;
    assert_eq!(by_code.names(), ["code"]);
    assert_eq!(by_code.get::<i64>(&[("code", "N-08")]).await?, 8);
    let mut tx = db.begin().await?;
    assert_eq!(by_code.on(&mut tx).get::<i64>(&[("code", "T-01")]).await?, 9);
    assert!(by_code.on(&mut tx).select::<i64>(&[("code", "-")]).await?.is_empty());
    drop(tx);
    assert_eq!(&*db.rebind("SELECT '?', ?")?, "SELECT '?', ?");
    let error = db.prepare("SELECT nonsense").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    Ok(())
}

async fn rename(mut db: impl Executor, id: i64, code: &str) -> Result<()> {
    db.exec("UPDATE stations SET code = ? WHERE id = ?", (code, id)).await?.expect(1)?;
    let mut rows = db.query("SELECT code FROM stations WHERE id = ?", (id,)).await?;
    while let Some(row) = rows.next().await? {
        assert_eq!(row.get::<&str>("code")?, code);
    }
    drop(rows);
    other(&mut db, id).await?;
    other(&mut db, id).await
}

async fn other(mut db: impl Executor, id: i64) -> Result<()> {
    db.get::<Station>("SELECT * FROM stations WHERE id = ?", (id,)).await.map(drop)
}

#[tokio::test]
async fn one_function_takes_them_all() -> Result<()> {
    let db = stations().await;
    rename(&db, 7, "A").await?;
    rename(db.clone(), 7, "A").await?;
    let mut conn = db.acquire().await?;
    rename(&mut conn, 7, "C").await?;
    let mut tx = conn.begin().await?;
    rename(&mut tx, 7, "D").await?;
    let mut sp = tx.savepoint().await?;
    rename(&mut sp, 7, "E").await?;
    sp.release().await?;
    tx.commit().await?;
    drop(conn);
    let mut tx = db.begin().await?;
    rename(&mut tx, 7, "B").await?;
    tx.commit().await?;
    let code: String = db.get("SELECT code FROM stations WHERE id = 7", ()).await?;
    assert_eq!(code, "B");
    Ok(())
}

#[tokio::test]
async fn one_function_takes_them_all_in_spawned_tasks() -> Result<()> {
    let db = stations().await;
    let spawned = db.clone();
    tokio::spawn(async move { rename(&spawned, 7, "A").await }).await.unwrap()?;
    let spawned = db.clone();
    tokio::spawn(async move { rename(spawned, 7, "B").await }).await.unwrap()?;
    let spawned = db.clone();
    tokio::spawn(async move {
        let mut tx = spawned.begin().await?;
        rename(&mut tx, 7, "C").await?;
        tx.commit().await
    })
    .await
    .unwrap()?;
    let spawned = db.clone();
    tokio::spawn(async move {
        let mut conn = spawned.acquire().await?;
        rename(&mut conn, 7, "D").await?;
        let mut tx = conn.begin().await?;
        rename(&mut tx, 7, "E").await?;
        tx.rollback().await
    })
    .await
    .unwrap()?;
    let code: String = db.get("SELECT code FROM stations WHERE id = 7", ()).await?;
    assert_eq!(code, "D");
    Ok(())
}

#[tokio::test]
async fn scopes_travel_with_a_clone_of_the_handle() -> Result<()> {
    let db = stations().await;
    let scoped = db.timeout(ms(20_000)).label("stations.get");
    let s = scoped.get::<Station>("SELECT * FROM stations WHERE id = ?", (7,)).await?;
    assert_eq!(s.id, 7);
    assert_eq!(&*db.label_stats()[0].0, "stations.get");
    let strict = db.get::<(i64,)>("SELECT id, code FROM stations", ()).await.unwrap_err();
    assert_eq!(strict.kind(), ErrorKind::Column);
    #[derive(FromRow)]
    struct Id {
        id: i64,
    }
    assert!(db.get::<Id>("SELECT * FROM stations", ()).await.is_err());
    assert_eq!(db.lax().get::<Id>("SELECT * FROM stations ORDER BY id", ()).await?.id, 7);
    Ok(())
}

#[tokio::test]
async fn a_deadline_stops_the_engine() -> Result<()> {
    let db = stations().await;
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT count(*) FROM n";
    let error = db.timeout(ms(30)).get::<i64>(endless, ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(db.get::<i64>("SELECT 1", ()).await?, 1);
    let mut tx = db.begin().await?;
    tx.exec("UPDATE accounts SET balance = 5", ()).await?;
    tx.set_timeout(Some(ms(30)));
    let error = tx.get::<i64>(endless, ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    tx.set_timeout(None);
    tx.commit().await?;
    assert_eq!(db.select::<i64>("SELECT balance FROM accounts", ()).await?, [5, 5]);
    Ok(())
}

#[tokio::test]
async fn a_begin_that_waits_for_another_process_names_the_write_lock() -> Result<()> {
    let file = file("begin-lock").await;
    let other = Db::connect(&format!("sqlite://{}", file.db.location())).await?;
    let writing = other.begin().await?;
    let error = file.db.timeout(ms(30)).begin().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Safe));
    assert!(error.message().contains("waited for the write lock"), "{error}");
    writing.rollback().await?;
    file.db.begin().await?.commit().await?;
    Ok(())
}

#[tokio::test]
async fn a_journal_mode_that_other_connections_keep_from_changing_is_not_worth_another_try()
-> Result<()> {
    let file = file("journal").await;
    let url = format!("sqlite://{}?busy_timeout=20ms", file.db.location());
    let db = Db::connect(&url).await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM stations", ()).await?, 3);
    let error = db.exec("PRAGMA journal_mode = delete", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::LockTimeout, Retry::Never));
    assert!(error.hint().unwrap().contains("in the URL"), "{error}");
    assert_eq!(db.get::<String>("PRAGMA journal_mode", ()).await?, "wal");
    Ok(())
}

#[tokio::test]
async fn a_file_of_statements_runs_on_any_handle() -> Result<()> {
    let file = file("exec-file").await;
    let path = file._folder.0.join("more.sql");
    std::fs::write(
        &path,
        "\u{feff}CREATE TABLE more (a); -- why?\nINSERT INTO more VALUES (1), (2);",
    )
    .unwrap();
    assert_eq!(file.db.exec_file(&path).await?.rows_affected(), 2);
    std::fs::write(&path, "INSERT INTO more VALUES (3); INSERT INTO missing VALUES (4)").unwrap();
    let mut tx = file.db.begin().await?;
    assert_eq!(tx.exec_file(&path).await.unwrap_err().kind(), ErrorKind::UndefinedObject);
    tx.rollback().await?;
    assert_eq!(file.db.get::<i64>("SELECT count(*) FROM more", ()).await?, 2);
    let error = file.db.label("load").exec_file("no/such/file.sql").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Never));
    assert!(error.nothing_sent() && error.to_string().contains("no/such/file.sql"), "{error}");
    assert_eq!(error.label(), Some("load"));
    std::fs::write(&path, b"SELECT '\xff'").unwrap();
    assert_eq!(file.db.exec_file(&path).await.unwrap_err().kind(), ErrorKind::Io);
    Ok(())
}

#[tokio::test]
async fn what_belongs_to_one_connection_is_used_on_it_and_missed_with_a_hint() -> Result<()> {
    let file = file("temporary").await;
    let memory = stations().await;
    for db in [&file.db, &memory] {
        let missing = |error: aquifer::Error| {
            assert_eq!(error.kind(), ErrorKind::UndefinedObject);
            error.hint().map(str::to_owned)
        };
        // A plain misspelling has no such hint.
        assert_eq!(missing(db.exec("SELECT * FROM statoins", ()).await.unwrap_err()), None);
        db.exec("ATTACH ':memory:' AS side", ()).await?;
        let hint = missing(db.exec("SELECT * FROM side.t", ()).await.unwrap_err()).unwrap();
        assert!(hint.contains("ATTACH") && hint.contains("acquire"), "{hint}");
        db.exec("CREATE TEMP TABLE t (id)", ()).await?;
        assert!(missing(db.get::<i64>("SELECT id FROM t", ()).await.unwrap_err()).is_some());
        assert!(missing(db.prepare("SELECT id FROM t").await.unwrap_err()).is_some());

        let mut conn = db.acquire().await?;
        conn.exec(
            "ATTACH ':memory:' AS side; CREATE TABLE side.t (id); CREATE TEMP TABLE u (id)",
            (),
        )
        .await?;
        conn.exec("INSERT INTO side.t VALUES (1)", ()).await?;
        conn.exec("INSERT INTO u SELECT id FROM side.t", ()).await?;
        assert_eq!(conn.get::<i64>("SELECT id FROM u", ()).await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_is_held_and_has_its_drivers_own_powers() -> Result<()> {
    let db = stations().await;
    let mut conn = db.acquire().await?;
    conn.exec("PRAGMA cache_size = -4000", ()).await?;
    let sqlite: &mut aquifer::sqlite::SqliteConnection = conn.driver()?;
    let _: &dyn aquifer::driver::connection::Connection = sqlite;
    conn.ping().await?;
    drop(conn);
    let error = db.acquire().await?.driver::<Foreign>().map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    Ok(())
}

/// Another driver's connection, for a question that is answered with no.
type Foreign = aquifer_testkit::fake::FakeConnection;

#[tokio::test]
async fn errors_answer_questions() -> Result<()> {
    let db = stations().await;
    let err = db.exec("INSERT INTO stations (code) VALUES (?)", ("N-07",)).await.unwrap_err();
    let constraint = match err.kind() {
        ErrorKind::UniqueViolation => err.constraint(),
        _ => None,
    };
    assert_eq!(constraint, Some("stations.code"));
    assert_eq!(err.retry(), Retry::Never);
    assert!(!err.nothing_sent());
    assert!(err.code().is_some());
    assert!(!err.to_string().contains("N-07"), "no argument is ever shown: {err}");
    let err = db.exec("UPDATE accounts SET balance = 0", ()).await?.expect(1).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::RowCount);
    Ok(())
}

#[tokio::test]
async fn stats_read_like_dbstats() -> Result<()> {
    let db = stations().await;
    db.get::<i64>("SELECT 1", ()).await?;
    let stats = db.stats();
    assert_eq!(stats.max_open_connections, 1);
    assert_eq!((stats.open_connections, stats.in_use, stats.idle), (1, 0, 1));
    // The first call waited for the dial; nobody waited since.
    assert_eq!(stats.wait_count, 1);
    assert!(stats.wait_duration > Duration::ZERO);
    let _ = (stats.max_idle_closed, stats.max_idle_time_closed, stats.max_lifetime_closed);
    assert!(stats.wait.p99() < Duration::from_secs(60));
    assert_eq!(stats.calls.calls, 2);
    let held = db.acquire().await?;
    let closed = db.close_within(Duration::ZERO).await;
    assert_eq!(closed.still_out().len(), 1);
    drop(held);
    assert_eq!(db.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    Ok(())
}

#[tokio::test]
async fn a_batch_gives_each_statement_its_own_result() -> Result<()> {
    let db = stations().await;
    let mut batch = db.batch();
    let a = batch.exec("UPDATE stations SET level_m = ? WHERE id = ?", (2.0, 7));
    let b = batch.get::<Station>("SELECT * FROM stations WHERE id = ?", (7,));
    let c = batch.select::<i64>("SELECT id FROM stations WHERE id IN (?)", (list(&[7, 8]),));
    let d = batch.get_optional::<i64>("SELECT id FROM stations WHERE id = ?", (99,));
    let e = batch.exec("nonsense", ());
    let mut done = batch.send().await?;
    assert_eq!(done.take(a)?.rows_affected(), 1);
    assert_eq!(done.take(b)?.level_m, Some(2.0));
    assert_eq!(done.take(c)?, [7, 8]);
    assert_eq!(done.take(d)?, None);
    assert_eq!(done.take(e).unwrap_err().kind(), ErrorKind::Syntax);
    let mut tx = db.begin().await?;
    let mut batch = tx.batch();
    let a = batch.exec("DELETE FROM stations WHERE id = ?", (7,));
    let mut done = batch.send().await?;
    done.take(a)?.expect(1)?;
    tx.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn rows_of_unknown_shape_are_maps_and_records() -> Result<()> {
    let db = stations().await;
    let row: Map = db.get("SELECT * FROM stations WHERE id = 7", ()).await?;
    assert_eq!(row.get("code"), Some(&Value::Text("N-07".into())));
    let record: Record = db.get("SELECT * FROM stations WHERE id = 8", ()).await?;
    assert_eq!(record.values()[3], Value::Null);
    let names: Vec<_> = record.columns().names().collect();
    assert_eq!(names, ["id", "code", "river", "level_m"]);
    let column = Ident::new("code")?;
    let codes: Vec<String> =
        db.select(&format!("SELECT {column} FROM stations ORDER BY 1"), ()).await?;
    assert_eq!(codes.len(), 3);
    Ok(())
}

#[tokio::test]
async fn several_statements_give_several_result_sets() -> Result<()> {
    let db = stations().await;
    let mut rows = db.query("SELECT 1 AS a; SELECT 'x' AS b, 2 AS c", ()).await?;
    assert_eq!(rows.collect::<i64>().await?, [1]);
    assert!(rows.next_result_set().await?);
    assert_eq!(rows.columns().names().collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(rows.collect::<(String, i64)>().await?, [("x".to_owned(), 2)]);
    assert!(!rows.next_result_set().await?);
    Ok(())
}

#[derive(Debug, PartialEq, FromRow)]
struct Joined {
    id: i64,
    #[aquifer(nested = "river.")]
    river: Option<River>,
}

#[derive(Debug, PartialEq, FromRow)]
struct River {
    id: i64,
    name: String,
}

#[derive(Debug, FromRow)]
struct Shared {
    id: i64,
    #[aquifer(flatten)]
    river: River,
}

#[tokio::test]
async fn structs_map_by_the_rules_of_the_page_for_go() -> Result<()> {
    let db = stations().await;
    let joined = "SELECT 1 AS id, ? AS 'river.id', ? AS 'river.name'";
    let row: Joined = db.get(joined, (2, "Nera")).await?;
    assert_eq!(row, Joined { id: 1, river: Some(River { id: 2, name: "Nera".into() }) });
    let row: Joined = db.get(joined, (None::<i64>, None::<String>)).await?;
    assert_eq!(row, Joined { id: 1, river: None });
    // Some of its columns are NULL: then it is there, and they need an `Option`.
    let error = db.get::<Joined>(joined, (2, None::<String>)).await.unwrap_err();
    assert_eq!((error.kind(), error.column()), (ErrorKind::Conversion, Some("river.name")));

    let twice = db.get::<River>("SELECT 1 AS id, 2 AS id, 'x' AS name", ()).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Column);
    let map: Map = db.get("SELECT 1 AS id, 2 AS id", ()).await?;
    assert_eq!(map.len(), 2);
    let both: Shared = db.get("SELECT 1 AS id, 'x' AS name", ()).await?;
    assert_eq!((both.id, both.river), (1, River { id: 1, name: "x".into() }));
    let missing = db.get::<River>("SELECT 1 AS id", ()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Column);
    let float: i64 = db.get("SELECT 1.0", ()).await?;
    assert_eq!(float, 1);
    assert!(db.get::<bool>("SELECT 1.0", ()).await.is_err());
    assert!(db.get::<bool>("SELECT 1", ()).await?);
    Ok(())
}

#[tokio::test]
async fn lists_and_bulks_follow_the_page_for_go() -> Result<()> {
    let db = stations().await;
    let ids = [9, 7];
    let by_ids = "SELECT id FROM stations WHERE id IN (:ids) ORDER BY id";
    assert_eq!(db.select_named::<i64>(by_ids, &[("ids", list(&ids))]).await?, [7, 9]);
    // Bytes are a value, never a list.
    let bytes: Vec<u8> = db.get("SELECT ?", (vec![1u8, 2],)).await?;
    assert_eq!(bytes, [1, 2]);
    let many = [NewStation { code: "A", river: "Aniene" }, NewStation { code: "B", river: "" }];
    let without_values = "UPDATE stations SET river = :river WHERE code = :code";
    let error = db.exec_named(without_values, &many[..]).await.unwrap_err();
    assert!(error.nothing_sent(), "{error}");
    let error = db.exec("DELETE FROM stations; DELETE FROM accounts WHERE id = ?", (1,)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ArgumentMismatch);
    assert_eq!(db.get::<i64>("SELECT count(*) FROM stations", ()).await?, 3);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, FromValue, ToValue)]
#[aquifer(rename_all = "snake_case")]
enum State {
    InService,
}

#[derive(Debug, Clone, Copy, PartialEq, FromValue, ToValue)]
struct StationId(i64);

#[tokio::test]
async fn newtypes_and_enums_are_values() -> Result<()> {
    let db = stations().await;
    let (state, id): (State, StationId) =
        db.get("SELECT ?, ?", (State::InService, StationId(7))).await?;
    assert_eq!((state, id), (State::InService, StationId(7)));
    let text: String = db.get("SELECT ?", (State::InService,)).await?;
    assert_eq!(text, "in_service");
    let error = db.get::<State>("SELECT 'closed'", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion);
    Ok(())
}

#[tokio::test]
async fn rows_of_a_db_outlive_it_and_move_to_another_task() -> Result<()> {
    let File { db, _folder } = file("rows").await;
    let mut rows = db.query("SELECT code FROM stations ORDER BY id", ()).await?;
    // Meanwhile the handle is free, and so is the writer.
    let done: Done = db.exec("UPDATE stations SET level_m = 3", ()).await?;
    assert_eq!(done.rows_affected(), 3);
    let task = tokio::spawn(async move { rows.collect::<String>().await });
    assert_eq!(task.await.unwrap()?, ["N-07", "N-08", "T-01"]);
    let level: f64 = db.get("SELECT level_m FROM stations WHERE id = 7", ()).await?;
    assert_eq!(level, 3.0);
    assert!(db.close().await.is_clean());
    Ok(())
}

#[tokio::test]
async fn reads_go_beside_an_open_write_transaction() -> Result<()> {
    let File { db, _folder } = file("readers").await;
    let mut tx = db.begin().await?;
    tx.exec("DELETE FROM stations", ()).await?.expect(3)?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM stations", ()).await?, 3);
    tx.commit().await?;
    assert_eq!(db.get::<i64>("SELECT count(*) FROM stations", ()).await?, 0);
    let refused = db.read_only().exec("DELETE FROM accounts", ()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
    assert!(db.close().await.is_clean());
    Ok(())
}
