//! What a borrower does to its session over MariaDB, the next one does not find.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aquifer::{Conn, Db, ErrorKind, Result, TxOptions};
use aquifer_testkit::mysql::{Auth, Database, Server, Settings, User};

static SERVER: LazyLock<Server> =
    LazyLock::new(|| Server::start(Settings::new().performance_schema()).unwrap());

/// A database with a table and routines that do to a session what a text can.
async fn stage() -> Result<(Database, Db)> {
    let database = SERVER.fresh_database().unwrap();
    let admin = Db::open(database.url())?;
    for sql in [
        "CREATE TABLE t (n INT PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "CREATE PROCEDURE sets() BEGIN SET SESSION sort_buffer_size = 65536; SET @a = 1; END",
        "CREATE PROCEDURE locks() BEGIN DO GET_LOCK('held', 0); END",
        "CREATE PROCEDURE fails() BEGIN SET @a = 1; SIGNAL SQLSTATE '45000'; END",
        "CREATE PROCEDURE next() BEGIN SET TRANSACTION READ ONLY; END",
        "CREATE PROCEDURE gbk() BEGIN SET NAMES gbk; END",
        "CREATE PROCEDURE opens() BEGIN START TRANSACTION; INSERT INTO t VALUES (99); END",
        "CREATE FUNCTION fills() RETURNS INT BEGIN SET @a = 1; RETURN 1; END",
    ] {
        admin.exec(sql, ()).await?;
    }
    Ok((database, admin))
}

fn one(url: &str) -> Result<Db> {
    Db::open(&format!("{url}{}pool_max_open=1", if url.contains('?') { '&' } else { '?' }))
}

/// All that the server shows of a session, but for what changes by itself.
async fn shown(conn: &mut Conn) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = conn.select("SHOW SESSION VARIABLES", ()).await?;
    let ends = [
        "timestamp",
        "_id",
        "identity",
        "error_count",
        "warning_count",
        "rand_seed1",
        "rand_seed2",
    ];
    let mut all: BTreeMap<_, _> = rows
        .into_iter()
        .filter(|(name, _)| {
            let others = ["gtid", "gtids", "innodb_", "open_files", "last_", "general_log"];
            !ends.iter().any(|end| name.ends_with(end))
                && !others.iter().any(|part| name.contains(part))
        })
        .collect();
    for (name, sql) in [
        ("database", "SELECT IFNULL(DATABASE(), '')"),
        ("role", "SELECT IFNULL(CURRENT_ROLE(), '')"),
        ("variables", "SELECT CONCAT(IFNULL(@a, ''), '/', IFNULL(@b, ''))"),
        (
            "variables of all",
            "SELECT CAST(count(*) AS CHAR) FROM performance_schema.user_variables_by_thread v \
             JOIN performance_schema.threads t USING (THREAD_ID) WHERE t.PROCESSLIST_ID = CONNECTION_ID() \
             AND v.VARIABLE_NAME NOT IN ('a', 'b')",
        ),
        (
            "statements",
            "SELECT CAST(count(*) AS CHAR) FROM performance_schema.prepared_statements_instances p \
             JOIN performance_schema.threads t ON t.THREAD_ID = p.OWNER_THREAD_ID \
             WHERE t.PROCESSLIST_ID = CONNECTION_ID() AND p.STATEMENT_NAME IS NOT NULL",
        ),
        ("lock", "SELECT IFNULL(CAST(IS_USED_LOCK('held') AS CHAR), '')"),
    ] {
        all.insert(name.to_owned(), conn.get(sql, ()).await?);
    }
    Ok(all)
}

/// What a program may come upon to do.
const DEEDS: &[&[&str]] = &[
    &["SET @a = 1"],
    &["SELECT @a := 1"],
    &["SELECT 1 INTO\t@a"],
    &["SELECT 1 INTO/**/@a"],
    &["SELECT 1 /*! INTO @a */"],
    &["SELECT fills()"],
    &["GET DIAGNOSTICS @a = NUMBER"],
    &["SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"],
    &["SET sql_mode = CONCAT(@@sql_mode, ',ANSI')"],
    &["/*!50000 SET sql_mode = 'ANSI' */"],
    &["/*M!100100 SET SESSION sort_buffer_size = 65536 */"],
    &["SET @@sort_buffer_size = 65536, @@session.foreign_key_checks = 0"],
    &["SET STATEMENT sort_buffer_size = 65536 FOR SELECT 1"],
    &["SET STATEMENT sort_buffer_size = 65536 FOR CALL locks()"],
    &["SET TRANSACTION READ ONLY"],
    &["SET\tTRANSACTION ISOLATION LEVEL READ UNCOMMITTED"],
    &["SELECT 1; SET TRANSACTION READ ONLY"],
    &["CALL next()"],
    &["SET autocommit = 0"],
    &["SET autocommit = 0", "INSERT INTO t VALUES (7)"],
    &["SET time_zone = '+05:00'"],
    &["SET NAMES utf8mb3"],
    &["SET collation_connection = utf8mb4_bin"],
    &["SET ROLE NONE"],
    &["USE mysql"],
    &["USE mysql", "SET @a = 1"],
    &["CREATE TEMPORARY TABLE temporary (n INT)"],
    &["PREPARE s FROM 'SELECT 1'"],
    &["EXECUTE IMMEDIATE 'SET @a = 1'"],
    &["BEGIN NOT ATOMIC SET @b = 2; END"],
    &["IF 1 THEN DO GET_LOCK('held', 0); END IF"],
    &["DO GET_LOCK('held', 0)"],
    &["SELECT GET_LOCK/**/('held', 0)"],
    &["CALL locks()"],
    &["CALL sets()"],
    &["CALL fails()"],
    &["CALL opens()"],
    &["LOCK TABLES t WRITE"],
    &["LOCK/**/TABLES t READ"],
    &["HANDLER t OPEN"],
    &["FLUSH TABLES WITH READ LOCK"],
    &["BACKUP LOCK t"],
    &["BACKUP STAGE START"],
    &["XA START 'x'", "INSERT INTO t VALUES (8)"],
    &["XA START 'x'", "INSERT INTO t VALUES (8)", "XA END 'x'"],
    &["START TRANSACTION", "INSERT INTO t VALUES (9)"],
    &["START TRANSACTION READ ONLY"],
    &["SAVEPOINT s"],
    &["SET @a = 1; SELECT no; SET @b = 1"],
    &["SET @a = (SELECT no)"],
    &["SET sort_buffer_size = 65536, no_such_variable = 1"],
    &["SET profiling = 1"],
    &[
        "SET SESSION session_track_system_variables = '', session_track_state_change = OFF",
        "SET @a = 1",
    ],
    &["SET PASSWORD = PASSWORD('aquifer')"],
    &["LOAD DATA INFILE '/nonexistent' INTO TABLE t (@a)"],
];

#[tokio::test]
async fn the_next_borrower_finds_a_fresh_session() -> Result<()> {
    for interpolates in [false, true] {
        let (database, admin) = stage().await?;
        let db = one(&format!("{}?interpolateParams={interpolates}", database.url()))?;
        let fresh = shown(&mut db.acquire().await?).await?;
        for deed in DEEDS {
            let mut conn = db.acquire().await?;
            for sql in *deed {
                // Whatever comes of it.
                let _ = conn.exec(sql, ()).await;
            }
            drop(conn);
            let what = format!("{deed:?}, interpolated: {interpolates}");
            let mut conn = db.acquire().await?;
            let found = shown(&mut conn).await?;
            let changed: Vec<_> =
                found.iter().filter(|(name, value)| fresh.get(*name) != Some(value)).collect();
            assert!(changed.is_empty(), "{what}: {changed:?}");
            assert!(conn.exec("SELECT * FROM temporary", ()).await.is_err(), "{what}");
            assert!(conn.exec("HANDLER t READ FIRST", ()).await.is_err(), "{what}");
            assert!(conn.exec("EXECUTE s", ()).await.is_err(), "{what}");
            // It may write, at once and for good, and so may others.
            conn.exec("INSERT INTO t VALUES (2)", ()).await?;
            drop(conn);
            let others = admin.timeout(std::time::Duration::from_secs(20));
            others.exec("DELETE FROM t WHERE n = ?", (2,)).await.expect(&what);
            others.exec("ALTER TABLE t COMMENT 'x'", ()).await.expect(&what);
            assert_eq!(others.select::<i64>("SELECT n FROM t", ()).await?, [1], "{what}");
            let hard = "o'clock \\ \" ` \u{e9}\u{bf}' OR 1 = 1 -- ";
            assert_eq!(db.get::<String>("SELECT ?", (hard,)).await?, hard, "{what}");
        }
        let stats = db.stats();
        assert_eq!((stats.in_use, stats.open_connections), (0, 1), "{stats:?}");
    }
    Ok(())
}

#[tokio::test]
async fn arguments_are_quoted_by_the_session_s_present_rules() -> Result<()> {
    let (database, _admin) = stage().await?;
    let db = one(&format!("{}?interpolateParams=true", database.url()))?;
    let mut conn = db.acquire().await?;
    let hard = "o'clock \\' \\\\' \" `\0\n\u{1a} \u{e9}\u{bf}\u{5c}' OR 1 = 1 -- ";
    for sql in [
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "/*! SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES' */",
        "EXECUTE IMMEDIATE 'SET sql_mode = \\'\\''",
        "SET collation_connection = latin1_bin",
        "SET sql_mode = 'NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    ] {
        // One of them is not quoted for the mode that it meets.
        let _ = conn.exec(sql, ()).await;
        assert_eq!(conn.get::<String>("SELECT ?", (hard,)).await?, hard, "{sql}");
        let bytes = hard.as_bytes();
        assert_eq!(conn.get::<Vec<u8>>("SELECT ?", (bytes,)).await?, bytes, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_character_set_that_is_not_utf_8_is_refused_wherever_it_is_set() -> Result<()> {
    let (database, _admin) = stage().await?;
    for interpolates in [false, true] {
        let db = one(&format!("{}?interpolateParams={interpolates}", database.url()))?;
        for sql in [
            "SET NAMES gbk",
            "set\tnames 'big5' collate 'big5_bin'",
            "SET CHARACTER SET sjis",
            "SET CHARSET latin1",
            "SET character_set_client = cp932",
            "SET @@session.character_set_results = NULL",
            "/*!40101 SET NAMES gb2312 */",
            "SELECT 1; SET NAMES gbk",
            "CALL gbk()",
            "EXECUTE IMMEDIATE 'SET NAMES gbk'",
            "BEGIN NOT ATOMIC SET NAMES gbk; END",
        ] {
            let mut conn = db.acquire().await?;
            let error = conn.exec(sql, ()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error}");
            // Nothing more is sent in it.
            assert!(conn.get::<String>("SELECT ?", ("\u{bf}'",)).await.is_err(), "{sql}");
            drop(conn);
            let client: String = db.get("SELECT @@character_set_client", ()).await?;
            assert_eq!(client, "utf8mb4", "{sql}");
            let hard = "\u{bf}' OR 1 = 1 -- ";
            assert_eq!(db.get::<String>("SELECT ?", (hard,)).await?, hard);
        }
        // Restored within the same statement, nothing has happened.
        db.exec("SET STATEMENT character_set_results = utf8mb3 FOR SELECT 1", ()).await?;
    }
    for query in [
        "charset=gbk",
        "collation=gbk_chinese_ci",
        "character_set_client=gbk",
        "character_set_results=big5",
    ] {
        let error = Db::open(&format!("{}?{query}", database.url())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_server_sets_when_sessions_begin_does_not_count() -> Result<()> {
    let user = User::new("plain", Auth::Native).password("plain").without_privileges();
    let settings = Settings::new()
        .user(user)
        .option("init-connect=SET NAMES gbk, autocommit=0, time_zone='+07:00', sql_mode='NO_BACKSLASH_ESCAPES'")
        .option("character-set-server=gbk");
    let server = Server::start(settings).unwrap();
    server.sql("GRANT SELECT ON aquifer.* TO plain@'%'").unwrap();
    let db = one(&format!(
        "{}?interpolateParams=true&autocommit=1",
        server.url_of("plain", "plain", "aquifer")
    ))?;
    let hard = "\u{bf}' \\ OR 1 = 1 -- ";
    for _ in 0..2 {
        let mut conn = db.acquire().await?;
        let session: (String, String, String) = conn
            .get("SELECT @@character_set_client, @@character_set_results, @@time_zone", ())
            .await?;
        assert_eq!(session, ("utf8mb4".into(), "utf8mb4".into(), "+00:00".into()));
        assert_eq!(conn.get::<String>("SELECT ?", (hard,)).await?, hard);
        conn.exec("SET @a = 1", ()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_isolation_level_ends_with_its_transaction() -> Result<()> {
    let (database, _admin) = stage().await?;
    let db = one(database.url())?;
    let level = "SELECT @@tx_isolation";
    for options in [TxOptions::serializable(), TxOptions::new().read_only()] {
        let mut tx = db.begin_with(options).await?;
        tx.get::<i64>("SELECT count(*) FROM t", ()).await?;
        drop(tx);
        let mut tx = db.begin().await?;
        tx.exec("INSERT INTO t VALUES (3)", ()).await?;
        tx.rollback().await?;
        assert_eq!(db.get::<String>(level, ()).await?, "REPEATABLE-READ");
    }
    Ok(())
}
