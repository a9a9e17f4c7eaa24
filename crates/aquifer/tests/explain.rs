//! Plans of real engines.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aquifer::{Db, Error, ErrorKind, Explain, Observer, QueryPlan, Result, SlowPlan, list};
use aquifer_testkit::mysql;
use aquifer_testkit::postgres::{Database, Server, Settings};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

static MARIADB: LazyLock<mysql::Server> =
    LazyLock::new(|| mysql::Server::start(mysql::Settings::new()).unwrap());

/// Its server is MariaDB by either scheme: `mysql:` URLs do not say which of the two there is.
async fn mariadb(scheme: &str) -> Result<(mysql::Database, Db, String)> {
    let database = MARIADB.fresh_database().unwrap();
    let url = database.url().replacen("mysql", scheme, 1);
    let db = Db::open(&url)?;
    db.exec(
        "CREATE TABLE rivers (id BIGINT PRIMARY KEY, name VARCHAR(50) NOT NULL, length DOUBLE, made DATE, \
         KEY by_made (made)); \
         INSERT INTO rivers SELECT seq, CONCAT('river ', seq), seq * 1.5, '2020-01-01' + INTERVAL seq DAY \
         FROM seq_1_to_2000; \
         ANALYZE TABLE rivers",
        (),
    )
    .await?;
    Ok((database, db, url))
}

async fn postgres() -> Result<(Database, Db)> {
    let database = SERVER.fresh_database().unwrap();
    let db = Db::open(database.url())?;
    db.exec(
        "CREATE TABLE rivers (id bigint PRIMARY KEY, name text NOT NULL);
         CREATE SEQUENCE names;
         INSERT INTO rivers SELECT n, 'river ' || n FROM generate_series(1, 2000) AS n;
         ANALYZE rivers",
        (),
    )
    .await?;
    Ok((database, db))
}

const BY_ID: &str = "SELECT name FROM rivers WHERE id = ?";
#[derive(aquifer::ToParams)]
struct Wanted<'a> {
    ids: aquifer::List<'a, i32>,
    name: &'a str,
}

const BY_NAMED: &str = "SELECT name FROM rivers WHERE id = :id";
const BY_NAME: &str = "SELECT id FROM rivers WHERE name = ?";

#[tokio::test]
async fn postgresql_tells_its_plan_and_what_came_of_it() -> Result<()> {
    let (_database, db) = postgres().await?;
    for _ in 0..2 {
        let plan = db.explain(BY_ID, (7,)).await?;
        let node = &plan.nodes[0];
        assert_eq!(node.node_type, "Index Scan");
        assert_eq!(node.relation.as_deref(), Some("rivers"));
        assert_eq!(node.index.as_deref(), Some("rivers_pkey"));
        assert!(node.condition.as_deref().unwrap().contains("id = "));
        assert_eq!((node.rows, node.actual, node.buffers), (Some(1.0), None, None));
        assert!(plan.raw[0]["Plan"]["Total Cost"].is_number());
    }
    let full = Explain::new().verbose().analyze().buffers();
    let plan = db.explain_with(full, BY_NAME, ("river 7",)).await?;
    let node = &plan.nodes[0];
    assert_eq!(node.node_type, "Seq Scan");
    let actual = node.actual.unwrap();
    assert_eq!((actual.rows, actual.rows_removed, actual.loops), (1.0, Some(1999.0), 1));
    assert!(actual.time.is_some() && plan.execution.is_some());
    assert!(node.buffers.unwrap().shared_hit > 0);
    assert_eq!(node.raw["Schema"], "public");
    assert!(plan.to_string().contains("filter: "), "{plan}");

    let untimed = Explain::new().analyze().timing(false);
    let ids = [1, 2, 3];
    let plan =
        db.explain_with(untimed, "SELECT * FROM rivers WHERE id IN (?)", (list(&ids),)).await?;
    let actual = plan.nodes[0].actual.unwrap();
    assert_eq!((actual.rows, actual.time), (3.0, None));

    // With names, lists among them.
    let some = "SELECT * FROM rivers WHERE id IN (:ids) AND name <> :name";
    let args = Wanted { ids: list(&ids), name: "Elbe" };
    assert!(db.explain_named(some, &args).await?.nodes[0].actual.is_none());
    let plan = db.explain_named_with(untimed, some, &args).await?;
    assert_eq!(plan.nodes[0].actual.unwrap().rows, 3.0);
    let missing = db.explain_named(BY_NAMED, &[("other", 1)]).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::ArgumentMismatch);
    let mut tx = db.begin().await?;
    let delete = "DELETE FROM rivers WHERE id = :id";
    let one = [("id", 7)];
    assert!(tx.explain_named_with(Explain::new().analyze(), delete, &one).await.is_err());
    tx.explain_named_with(Explain::new().analyze().rolled_back(), delete, &one).await?;
    assert_eq!(tx.get_named::<String>(BY_NAMED, &one).await?, "river 7");
    tx.commit().await?;

    // On a connection and in a transaction, with a scope.
    let mut conn = db.label("plans").acquire().await?;
    assert_eq!(conn.explain(BY_ID, (7,)).await?.nodes[0].node_type, "Index Scan");
    let mut tx = db.begin().await?;
    tx.exec("DROP INDEX IF EXISTS none", ()).await?;
    assert_eq!(tx.explain(BY_ID, (7,)).await?.nodes[0].node_type, "Index Scan");
    tx.rollback().await
}

#[tokio::test]
async fn a_write_is_analyzed_only_where_it_is_undone() -> Result<()> {
    let (_database, db) = postgres().await?;
    let delete = "DELETE FROM rivers WHERE id <= ?";
    let plan = db.explain(delete, (5,)).await?;
    assert_eq!(plan.nodes[0].node_type, "Delete");
    let analyze = Explain::new().analyze();
    let refused = db.explain_with(analyze, delete, (5,)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Argument);
    assert!(refused.nothing_sent() && refused.hint().unwrap().contains("rolled_back"));

    let undone = analyze.rolled_back();
    let count = "SELECT count(*) FROM rivers";
    let deleted = |plan: &aquifer::QueryPlan| plan.iter().last().unwrap().actual.unwrap().rows;
    assert_eq!(deleted(&db.explain_with(undone, delete, (5,)).await?), 5.0);
    assert_eq!(db.get::<i64>(count, ()).await?, 2000);
    let mut conn = db.acquire().await?;
    assert_eq!(deleted(&conn.explain_with(undone, delete, (6,)).await?), 6.0);
    assert_eq!(conn.get::<i64>(count, ()).await?, 2000);
    let mut tx = conn.begin().await?;
    tx.exec("DELETE FROM rivers WHERE id = 1", ()).await?;
    assert_eq!(deleted(&tx.explain_with(undone, delete, (7,)).await?), 6.0);
    assert_eq!(tx.get::<i64>(count, ()).await?, 1999, "what the transaction did stays");
    // A failure is undone as well, and the transaction goes on.
    tx.explain_with(undone, "INSERT INTO rivers VALUES (2, 'x')", ()).await.unwrap_err();
    tx.commit().await?;
    assert_eq!(db.get::<i64>(count, ()).await?, 1999);
    Ok(())
}

#[tokio::test]
async fn sqlite_tells_its_plan() -> Result<()> {
    let file = format!("{}/plans-{}.db", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    for url in ["sqlite::memory:", &format!("sqlite:{file}")] {
        sqlite_tells(&Db::open(url)?).await?;
    }
    for suffix in ["", "-wal", "-shm"] {
        // They are there or not.
        let _ = std::fs::remove_file(format!("{file}{suffix}"));
    }
    Ok(())
}

async fn sqlite_tells(db: &Db) -> Result<()> {
    db.exec("CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT, length REAL)", ()).await?;
    db.exec("CREATE INDEX by_name ON rivers (name)", ()).await?;
    let plan = db.explain(BY_ID, (7,)).await?;
    assert_eq!(plan.nodes[0].node_type, "SEARCH");
    assert_eq!(plan.nodes[0].index.as_deref(), Some("INTEGER PRIMARY KEY"));
    let plan = db.explain(BY_NAME, ("Elbe",)).await?;
    assert_eq!(plan.nodes[0].index.as_deref(), Some("by_name"));
    assert_eq!(plan.nodes[0].relation.as_deref(), Some("rivers"));
    let plan = db.explain_named(BY_NAMED, &[("id", 7)]).await?;
    assert_eq!(plan.nodes[0].index.as_deref(), Some("INTEGER PRIMARY KEY"));
    let sorted = "SELECT * FROM (SELECT name FROM rivers UNION ALL SELECT 'x') ORDER BY 1";
    let plan = db.explain(sorted, ()).await?;
    assert!(plan.iter().any(|node| !node.children.is_empty()), "{plan}");
    let plan = db.explain("DELETE FROM rivers WHERE length > ?", (1.5,)).await?;
    assert_eq!(plan.nodes[0].node_type, "SCAN");
    let analyze = Explain::new().analyze();
    let refused = db.explain_with(analyze, BY_ID, (7,)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    Ok(())
}

#[tokio::test]
async fn mariadb_tells_its_plan_and_what_came_of_it() -> Result<()> {
    for scheme in ["mysql", "mariadb"] {
        let (_database, db, url) = mariadb(scheme).await?;
        for _ in 0..2 {
            let plan = db.explain(BY_ID, (7,)).await?;
            let node = &plan.nodes[0];
            assert_eq!((&*node.node_type, node.index.as_deref()), ("const", Some("PRIMARY")));
            assert_eq!(node.relation.as_deref(), Some("rivers"));
            assert_eq!(node.condition.as_deref(), Some("id = const"));
            assert_eq!((node.rows, node.actual), (Some(1.0), None));
            assert!(plan.raw["query_block"].is_object());
        }
        let plan = db.explain_named(BY_NAMED, &[("id", 7)]).await?;
        assert_eq!(plan.nodes[0].index.as_deref(), Some("PRIMARY"));
        let analyze = Explain::new().analyze();
        let plan = db.explain_with(analyze, BY_NAME, ("river 7",)).await?;
        let actual = plan.nodes[0].actual.unwrap();
        assert_eq!((actual.rows, actual.rows_removed, actual.loops), (1.0, Some(1999.0), 1));
        assert!(actual.time.is_some() && plan.execution.is_some() && plan.planning.is_some());
        assert!(plan.to_string().contains("filter: "), "{plan}");
        let ids = [1, 2, 3];
        let plan = db.explain_with(analyze, "SELECT * FROM rivers WHERE id IN (?)", (list(&ids),));
        assert_eq!(plan.await?.nodes[0].actual.unwrap().rows, 3.0);
        let sorted = "SELECT r.name FROM rivers r JOIN rivers s ON s.id = r.id + ? \
                      WHERE r.made > '2024-01-01' ORDER BY s.length LIMIT 3";
        let plan = db.explain_with(analyze, sorted, (1,)).await?;
        assert!(plan.iter().any(|node| node.index.as_deref() == Some("by_made")), "{plan}");
        assert!(plan.iter().any(|node| node.node_type == "filesort"), "{plan}");

        for lacking in [Explain::new().verbose(), Explain::new().buffers(), analyze.timing(false)] {
            let refused = db.explain_with(lacking, BY_ID, (7,)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
            assert!(refused.nothing_sent());
        }
        // Written into the text, where nothing is prepared.
        let written = Db::open(&format!("{url}?interpolateParams=true"))?;
        let plan = written.explain(BY_ID, (7,)).await?;
        assert_eq!(plan.nodes[0].index.as_deref(), Some("PRIMARY"));
        // What is the server's to refuse, it refuses.
        let error = db.explain("SELECT nothing FROM rivers", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
    }
    Ok(())
}

#[tokio::test]
async fn mariadb_analyzes_a_write_only_where_it_is_undone() -> Result<()> {
    for scheme in ["mysql", "mariadb"] {
        let (_database, db, _) = mariadb(scheme).await?;
        let delete = "DELETE FROM rivers WHERE id <= ?";
        let plan = db.explain(delete, (5,)).await?;
        assert_eq!(plan.nodes[0].node_type, "delete");
        let analyze = Explain::new().analyze();
        let refused = db.explain_with(analyze, delete, (5,)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Argument);
        assert!(refused.nothing_sent() && refused.hint().unwrap().contains("rolled_back"));

        let undone = analyze.rolled_back();
        let count = "SELECT count(*) FROM rivers";
        let deleted = |plan: &QueryPlan| plan.iter().last().unwrap().actual.unwrap().rows;
        assert_eq!(deleted(&db.explain_with(undone, delete, (5,)).await?), 5.0);
        assert_eq!(db.get::<i64>(count, ()).await?, 2000);
        let mut conn = db.acquire().await?;
        assert_eq!(deleted(&conn.explain_with(undone, delete, (6,)).await?), 6.0);
        let mut tx = conn.begin().await?;
        tx.exec("DELETE FROM rivers WHERE id = 1", ()).await?;
        assert_eq!(deleted(&tx.explain_with(undone, delete, (7,)).await?), 6.0);
        assert_eq!(tx.get::<i64>(count, ()).await?, 1999, "what the transaction did stays");
        let double = "INSERT INTO rivers (id, name) VALUES (2, 'x')";
        tx.explain_with(undone, double, ()).await.unwrap_err();
        tx.commit().await?;
        assert_eq!(db.get::<i64>(count, ()).await?, 1999);
        // A function that a query calls may write: it is undone, too.
        db.exec(
            "CREATE FUNCTION wipes() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM rivers; RETURN 1; END",
            (),
        )
        .await?;
        db.explain_with(analyze, "SELECT wipes()", ()).await?;
        assert_eq!(db.get::<i64>(count, ()).await?, 1999);
        // What no rollback undoes is said.
        db.exec("CREATE TABLE kept (n INT) ENGINE = MyISAM", ()).await?;
        let kept = db.explain_with(undone, "INSERT INTO kept VALUES (?)", (1,)).await.unwrap_err();
        assert_eq!(kept.code(), Some("1196"), "{kept}");
    }
    Ok(())
}

/// Plans that were heard of, each with its text and label.
#[derive(Default)]
struct Plans(Mutex<Vec<(String, Option<String>, QueryPlan)>>);

impl Observer for Plans {
    fn slow_plan(&self, slow: &SlowPlan<'_>) {
        assert!(slow.elapsed > Duration::ZERO);
        let label = slow.label.map(str::to_owned);
        self.0.lock().unwrap().push((slow.sql.to_owned(), label, slow.plan.clone()));
    }

    fn notice(&self, _: &str, notice: &aquifer::driver::ServerNotice<'_>) {
        panic!("{notice:?}");
    }

    fn background_error(&self, _: &str, error: &Error) {
        panic!("{error:?}");
    }
}

impl Plans {
    /// A database whose every read is slow, with one connection.
    fn of(url: &str) -> Result<(Arc<Self>, Db)> {
        let plans = Arc::new(Self::default());
        let observer: Arc<dyn Observer> = Arc::<Self>::clone(&plans);
        let slow = Duration::from_nanos(1);
        let db = Db::builder(url)?.max_open(1).slow_plan(slow).observer(observer).open()?;
        Ok((plans, db))
    }

    fn texts(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(sql, ..)| sql.clone()).collect()
    }

    /// Runs `call` until the plan of `sql` is here: it is asked for only when a connection is idle.
    async fn after<T>(&self, sql: &str, call: impl AsyncFn() -> Result<T>) -> Result<QueryPlan> {
        let found = async {
            loop {
                call().await?;
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    let plans = self.0.lock().unwrap();
                    if let Some((.., plan)) = plans.iter().find(|(text, ..)| text == sql) {
                        return Ok(plan.clone());
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), found).await.expect("no plan came")
    }
}

#[tokio::test]
async fn the_plan_of_a_slow_read_is_told_without_its_arguments() -> Result<()> {
    let (_database, filled) = postgres().await?;
    let url = format!("{}?application_name=slow", _database.url());
    let (plans, db) = Plans::of(&url)?;
    let named = db.label("by name");
    let plan =
        plans.after(BY_NAME, async || named.select::<i64>(BY_NAME, ("hunter2",)).await).await?;
    assert_eq!(plan.nodes[0].node_type, "Seq Scan");
    assert!(plan.to_string().contains("name = $1"), "{plan}");
    let plan = plans.after(BY_ID, async || db.get_optional::<String>(BY_ID, (4711,)).await).await?;
    assert_eq!(plan.nodes[0].index.as_deref(), Some("rivers_pkey"));
    assert_eq!((plan.nodes[0].actual, plan.execution), (None, None), "it was not run");
    let plan = plans
        .after(BY_NAMED, async || db.select_named::<String>(BY_NAMED, &[("id", 4711)]).await)
        .await?;
    assert_eq!(plan.nodes[0].index.as_deref(), Some("rivers_pkey"));
    let some = "SELECT id FROM rivers WHERE id IN (?)";
    plans.after(some, async || db.select::<i64>(some, (list(&[4711, 4712]),)).await).await?;
    let all = "SELECT count(*) FROM rivers";
    let mut conn = db.acquire().await?;
    conn.get::<i64>(all, ()).await?;
    drop(conn);
    plans.after(all, async || db.get::<i64>(all, ()).await).await?;

    // Each once, however often it is slow; nothing of an argument; the session is as it was.
    for _ in 0..20 {
        db.get_optional::<String>(BY_ID, (4711,)).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(plans.texts(), [BY_NAME, BY_ID, BY_NAMED, some, all]);
    let told = format!("{:?}", plans.0.lock().unwrap());
    assert!(
        !told.contains("hunter2") && !told.contains("4711") && told.contains("by name"),
        "{told}"
    );
    assert_eq!(db.get::<String>("SHOW plan_cache_mode", ()).await?, "auto");
    drop(filled);
    Ok(())
}

#[tokio::test]
async fn no_plan_is_asked_for_of_what_writes_or_is_no_query() -> Result<()> {
    let (database, _filled) = postgres().await?;
    let (plans, db) = Plans::of(database.url())?;
    db.exec("INSERT INTO rivers VALUES (?, ?)", (3000, "x")).await?;
    db.get::<i64>("UPDATE rivers SET name = 'y' WHERE id = 3000 RETURNING id", ()).await?;
    db.get::<i64>("SELECT nextval('names')", ()).await?;
    db.get::<i64>("SELECT id FROM rivers WHERE id = 1 FOR UPDATE", ()).await?;
    db.get::<i64>(
        "WITH d AS (DELETE FROM rivers WHERE id = 3000 RETURNING id) SELECT id FROM d",
        (),
    )
    .await?;
    db.exec("SELECT 1; SELECT 2", ()).await?;
    db.get::<String>("SHOW work_mem", ()).await?;
    db.select::<String>("EXPLAIN SELECT 1", ()).await?;
    db.select::<i64>("SELECT no FROM rivers", ()).await.unwrap_err();
    // A read that runs out of time is the slowest of all.
    let late = "SELECT count(*) FROM rivers, pg_sleep(600)";
    let quick = db.timeout(Duration::from_millis(20));
    let plan =
        plans.after(late, async || Ok(quick.get::<i64>(late, ()).await.unwrap_err())).await?;
    assert_eq!(plan.nodes[0].node_type, "Aggregate");
    assert_eq!(plans.texts(), [late]);
    Ok(())
}

#[tokio::test]
async fn asking_for_a_plan_keeps_nobody_waiting() -> Result<()> {
    let (database, _filled) = postgres().await?;
    let (plans, db) = Plans::of(database.url())?;
    // The only connection is in use for as long as anybody looks for an idle one.
    let mut tx = db.begin().await?;
    for _ in 0..10 {
        tx.get::<String>(BY_ID, (7,)).await?;
    }
    assert_eq!(plans.texts(), [""; 0]);
    assert_eq!(db.stats().waiters, 0, "it does not queue");
    tx.commit().await?;
    plans.after(BY_ID, async || db.get::<String>(BY_ID, (7,)).await).await?;
    assert!(db.close().await.is_clean());
    Ok(())
}

#[tokio::test]
async fn sqlite_tells_the_plans_of_slow_reads_too() -> Result<()> {
    let (plans, db) = Plans::of("sqlite::memory:")?;
    db.exec("CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT)", ()).await?;
    let plan = plans.after(BY_ID, async || db.get_optional::<String>(BY_ID, (7,)).await).await?;
    assert_eq!(plan.nodes[0].node_type, "SEARCH");
    let plan = plans.after(BY_NAME, async || db.select::<i64>(BY_NAME, ("Elbe",)).await).await?;
    assert_eq!(plan.nodes[0].node_type, "SCAN");
    db.exec("DELETE FROM rivers WHERE id = ?", (1,)).await?;
    assert_eq!(plans.texts(), [BY_ID, BY_NAME]);
    Ok(())
}

#[tokio::test]
async fn mariadb_tells_the_plans_of_slow_reads_for_arguments_that_stand_for_any() -> Result<()> {
    let (_database, _filled, url) = mariadb("mysql").await?;
    let (plans, db) = Plans::of(&url)?;
    let plan = plans.after(BY_ID, async || db.get_optional::<String>(BY_ID, (4711,)).await).await?;
    assert_eq!((plan.nodes[0].index.as_deref(), plan.execution), (Some("PRIMARY"), None));
    let plan = plans.after(BY_NAME, async || db.select::<i64>(BY_NAME, ("hunter2",)).await).await?;
    assert_eq!(plan.nodes[0].node_type, "ALL");
    let some = "SELECT id FROM rivers WHERE id IN (?) LIMIT ?";
    plans.after(some, async || db.select::<i64>(some, (list(&[4711, 4712]), 5)).await).await?;
    let all = "SELECT count(*) FROM rivers WHERE made > '2021-01-01'";
    let plan = plans.after(all, async || db.get::<i64>(all, ()).await).await?;
    assert_eq!(plan.nodes[0].index.as_deref(), Some("by_made"));
    // Nothing has the number 1 any more: that plan would say nothing, and none is told.
    db.exec("DELETE FROM rivers WHERE id = ?", (1,)).await?;
    let other = "SELECT length FROM rivers WHERE id = ?";
    let last = "SELECT max(id) FROM rivers";
    db.get::<f64>(other, (7,)).await?;
    plans.after(last, async || db.get::<i64>(last, ()).await).await?;
    for _ in 0..20 {
        db.get::<f64>(other, (7,)).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(plans.texts(), [BY_ID, BY_NAME, some, all, last]);
    let told = format!("{:?}", plans.0.lock().unwrap());
    assert!(!told.contains("hunter2") && !told.contains("4711"), "{told}");
    Ok(())
}
