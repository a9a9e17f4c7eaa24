//! Which statements share connections (`multiplex`), by what the server says of the functions they call.

use std::time::Duration;

use aquifer::sql::{Lexis, Verdict, sharing};
use aquifer::{Db, Multiplexing, Result};
use tokio::time::{Instant, sleep};

use crate::rivers;

async fn db(multiplex: Multiplexing) -> Result<(aquifer_testkit::postgres::Database, Db)> {
    let (database, plain) = rivers().await?;
    plain
        .exec(
            "CREATE SEQUENCE numbers;
             CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY, who text);
             CREATE FUNCTION visit(who text) RETURNS bigint LANGUAGE sql VOLATILE AS
                 $$ INSERT INTO visits (who) VALUES (who) RETURNING id $$;
             CREATE FUNCTION calm(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n + 1';
             CREATE FUNCTION calmer(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + 2';
             CREATE SCHEMA other;
             CREATE FUNCTION other.calmer(n text) RETURNS text LANGUAGE sql STABLE AS 'SELECT n';
             CREATE FUNCTION mixed(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n';
             CREATE FUNCTION other.mixed(n text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT n';
             CREATE FUNCTION add_noted(a bigint, n int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS
                 $$ BEGIN RETURN a + n; END $$;
             CREATE AGGREGATE noted(int) (SFUNC = add_noted, STYPE = bigint, INITCOND = '0');
             CREATE FUNCTION pretends(who text) RETURNS bigint LANGUAGE plpgsql STABLE AS
                 $$ BEGIN RETURN visit(who); END $$",
            (),
        )
        .await?;
    let _ = plain.close().await;
    let db = Db::builder(database.url())?.multiplex(multiplex).max_open(4).open()?;
    Ok((database, db))
}

fn shared(db: &Db) -> u64 {
    db.stats().multiplex.shared
}

#[test]
fn a_runtime_that_rests_leaves_its_sockets_to_nobody() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, two) = (runtime(), runtime());
    let (_database, db) = one.block_on(db(Multiplexing::Reads)).unwrap();
    let (reads, dialled) = ("SELECT 7::bigint", || db.stats().pools[1].1.connects_ok);
    one.block_on(async {
        comes_to_share(&db, reads).await.unwrap();
        // Until its connections are given back.
        while db.stats().pools[1].1.in_use > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        // And its keeper has seen that there is nothing left.
        sleep(Duration::from_millis(100)).await;
    });
    let before = dialled();
    // Nobody drives the first one's sockets now.
    two.block_on(comes_to_share(&db, reads)).unwrap();
    assert!(dialled() > before, "{:#?}", db.stats());
    let before = shared(&db);
    one.block_on(db.get::<i64>(reads, ())).unwrap();
    assert_eq!(shared(&db), before, "the second one's are in use");
    two.block_on(async { drop(db.close().await) });
}

/// Reads until the read shares.
async fn comes_to_share(db: &Db, sql: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = shared(db);
        // Two: one alone has nobody to share with.
        let (one, other) = tokio::join!(db.get::<i64>(sql, ()), db.get::<i64>(sql, ()));
        one?;
        other?;
        if shared(db) > before {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{sql} never shares");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Has all that was called before asked for: questions are asked one after the other, with all names that wait.
async fn all_is_known(db: &Db, sentinel: &str) -> Result<()> {
    comes_to_share(db, &format!("SELECT {sentinel}('7')::bigint")).await
}

#[tokio::test]
async fn functions_share_if_none_of_their_name_is_volatile() -> Result<()> {
    let (_database, db) = db(Multiplexing::Reads).await?;
    // Without functions there is nothing to ask.
    let before = shared(&db);
    let _: i64 = db.get("SELECT 1::bigint", ()).await?;
    assert_eq!(shared(&db), before + 1);
    for sql in [
        "SELECT count(*) FROM rivers",
        "SELECT calm(1)::bigint",
        "SELECT PUBLIC.Calmer(2)::bigint",
        "SELECT row_number() OVER (ORDER BY id) FROM rivers LIMIT 1",
        "SELECT length(gen_random_uuid()::text)::bigint",
        "SELECT x.n::bigint FROM generate_series(1, 1) AS x(n) LEFT JOIN (SELECT 1) y ON true",
        "SELECT count(*) FROM rivers GROUP BY ROLLUP (name) LIMIT 1",
    ] {
        comes_to_share(&db, sql).await?;
    }
    let alone = [
        "SELECT mixed(1)::bigint",
        "SELECT noted(1) FROM rivers",
        "SELECT visit('a')",
        "SELECT nextval('numbers')",
        "SELECT pg_backend_pid()::bigint",
        "SELECT count(*) FROM pg_catalog.pg_settings",
    ];
    for sql in alone {
        let _: i64 = db.get(sql, ()).await?;
    }
    all_is_known(&db, "int8").await?;
    let before = shared(&db);
    for sql in alone {
        let _: i64 = db.get(sql, ()).await?;
    }
    assert_eq!(shared(&db), before);
    let visits: i64 = db.get("SELECT max(id) FROM visits", ()).await?;
    assert_eq!(visits, 2);
    Ok(())
}

#[tokio::test]
async fn a_stable_function_that_writes_is_refused_where_it_shares_and_runs_alone() -> Result<()> {
    let (_database, db) = db(Multiplexing::Reads).await?;
    let pretends = "SELECT pretends('b')";
    let _: i64 = db.get(pretends, ()).await?;
    all_is_known(&db, "int8").await?;
    let before = shared(&db);
    for _ in 0..4 {
        let _: i64 = db.get(pretends, ()).await?;
    }
    // Tried once, refused (25006), and known from then on.
    assert_eq!(shared(&db), before + 1);
    assert_eq!(db.stats().multiplex.elsewhere, 1);
    let visits: i64 = db.get("SELECT count(*) FROM visits", ()).await?;
    assert_eq!(visits, 5);
    Ok(())
}

#[tokio::test]
async fn a_function_that_is_declared_immutable_and_changes_its_session_does_not_share() -> Result<()>
{
    let (_database, db) = db(Multiplexing::Reads).await?;
    db.exec("CREATE EXTENSION isn", ()).await?;
    comes_to_share(&db, "SELECT length(isbn('0-306-40615-2')::text)::bigint").await?;
    let before = shared(&db);
    for _ in 0..3 {
        assert!(db.get::<bool>("SELECT isn_weak(true)", ()).await?);
    }
    assert_eq!(shared(&db), before);
    // Its check digit is wrong, and a session in the weak mode does not mind.
    for _ in 0..3 {
        db.get::<String>("SELECT isbn('0-306-40615-1')::text", ()).await.unwrap_err();
    }
    assert_eq!(shared(&db), before + 3, "the others do");
    Ok(())
}

#[tokio::test]
async fn writes_share_where_statements_do_unless_a_function_is_volatile() -> Result<()> {
    let (_database, db) = db(Multiplexing::Statements).await?;
    let insert = "INSERT INTO visits (who) VALUES (?)";
    let before = shared(&db);
    db.exec(insert, ("c",)).await?;
    assert_eq!(shared(&db), before + 1);
    let alone = "UPDATE visits SET who = who WHERE visit('d') > 0";
    db.exec(alone, ()).await?;
    all_is_known(&db, "int8").await?;
    let before = shared(&db);
    db.exec(alone, ()).await?;
    assert_eq!(shared(&db), before);
    let visits: i64 = db.get("SELECT sum(1) FROM visits", ()).await?;
    assert_eq!(visits, 4);
    Ok(())
}

#[tokio::test]
async fn key_words_are_those_of_the_server() -> Result<()> {
    let (_database, db) = rivers().await?;
    let words: Vec<(String, String)> =
        db.select("SELECT word, catcode::text FROM pg_get_keywords()", ()).await?;
    assert!(words.len() > 400);
    // What 15 lets be a function's name is treated as one for every version, so later ones may have more syntax.
    let version: i32 = db.get("SELECT current_setting('server_version_num')::int4", ()).await?;
    let exact = version < 160_000;
    for (word, role) in &words {
        let sharing = sharing(&format!("SELECT {word}(1)"), &Lexis::postgres());
        let called = sharing.functions.iter().any(|name| **name == **word);
        // `substring (a, b)` is a call; what `TREAT (a AS b)` is, is not told.
        let exempt = ["substring", "overlay", "treat"].contains(&&**word);
        let may_be = exempt || role == "U" || role == "T";
        let never = matches!(sharing.verdict, Verdict::Never(_));
        let right = called == may_be || (never && may_be) || (called && !exact);
        assert!(right, "{word} ({role}), version {version}: {sharing:?}");
    }
    Ok(())
}
