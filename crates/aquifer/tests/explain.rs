//! Plans of real engines.

use std::sync::LazyLock;

use aquifer::{Db, ErrorKind, Explain, Result, list};
use aquifer_testkit::postgres::{Database, Server, Settings};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(Settings::new()).unwrap());

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
