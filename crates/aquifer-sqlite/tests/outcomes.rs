//! What statements tell of what they did, and what their errors tell.

mod support;

use aquifer_driver::{Command, Connection, ErrorKind, Value, Want};
use aquifer_testkit::client::{command, execute, script};

use support::{connect, run};

async fn memory(sql: &str) -> Box<dyn Connection> {
    let mut c = connect("sqlite::memory:").await;
    script(&mut *c, sql).await.unwrap();
    c
}

#[test]
fn rows_are_counted_for_changes_only() {
    run(async {
        let mut c = memory("CREATE TABLE t (id INTEGER PRIMARY KEY, n)").await;
        for (sql, count) in [
            ("INSERT INTO t (n) VALUES (1), (2), (3)", 3),
            ("CREATE TABLE u (n)", 0),
            ("UPDATE t SET n = 0 WHERE n > 1", 2),
            ("UPDATE t SET n = 0 WHERE n > 100", 0),
            ("WITH x AS (SELECT 1) UPDATE t SET n = 5", 3),
            ("SELECT * FROM t", 0),
            ("PRAGMA user_version", 0),
            ("DELETE FROM t", 3),
            ("DROP TABLE u", 0),
        ] {
            let set = execute(&mut *c, sql, &()).await.unwrap();
            assert_eq!(set.outcome.rows_affected, count, "{sql}");
        }
    });
}

#[test]
fn a_key_is_told_only_by_a_statement_that_made_one() {
    run(async {
        let mut c = memory(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n DEFAULT 0); \
             CREATE TABLE w (code TEXT PRIMARY KEY) WITHOUT ROWID",
        )
        .await;
        for (sql, key) in [
            ("INSERT INTO t (code) VALUES ('a')", Some(1)),
            ("INSERT OR IGNORE INTO t (code) VALUES ('a')", None),
            ("INSERT INTO t (code) VALUES ('a') ON CONFLICT DO UPDATE SET n = 1", None),
            ("INSERT INTO t (code) VALUES ('b') ON CONFLICT DO UPDATE SET n = 1", Some(2)),
            ("INSERT INTO w VALUES ('a')", None),
            ("UPDATE t SET n = 2", None),
            ("REPLACE INTO t (id, code) VALUES (9, 'b')", Some(9)),
            ("WITH x AS (SELECT 'c' AS c) INSERT INTO t (code) SELECT c FROM x", Some(10)),
            ("INSERT INTO t (code) VALUES ('d') RETURNING id", Some(11)),
            ("SELECT 1", None),
        ] {
            let set = execute(&mut *c, sql, &()).await.unwrap();
            assert_eq!(set.outcome.last_insert_id, key, "{sql}");
        }
    });
}

#[test]
fn violations_name_constraint_table_and_column() {
    run(async {
        let mut c = memory(
            "CREATE TABLE rivers (id INTEGER PRIMARY KEY); \
             CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, \
               level REAL CONSTRAINT level_is_sane CHECK (level < 100), \
               river INTEGER REFERENCES rivers); \
             CREATE UNIQUE INDEX by_half ON stations (level / 2); \
             CREATE TABLE strict_one (n INTEGER) STRICT; \
             INSERT INTO stations VALUES (1, 'N-07', 1, NULL)",
        )
        .await;
        for (sql, kind, constraint, column) in [
            (
                "INSERT INTO stations (code) VALUES ('N-07')",
                ErrorKind::UniqueViolation,
                Some("stations.code"),
                Some("code"),
            ),
            (
                "INSERT INTO stations (code, level) VALUES ('x', 1)",
                ErrorKind::UniqueViolation,
                Some("by_half"),
                None,
            ),
            (
                "INSERT INTO stations (id, code) VALUES (1, 'x')",
                ErrorKind::UniqueViolation,
                Some("stations.id"),
                Some("id"),
            ),
            (
                "INSERT INTO stations (code) VALUES (NULL)",
                ErrorKind::NotNullViolation,
                Some("stations.code"),
                Some("code"),
            ),
            (
                "INSERT INTO stations (code, level) VALUES ('x', 200)",
                ErrorKind::CheckViolation,
                Some("level_is_sane"),
                None,
            ),
            (
                "INSERT INTO stations (code, river) VALUES ('x', 5)",
                ErrorKind::ForeignKeyViolation,
                None,
                None,
            ),
            (
                "INSERT INTO strict_one VALUES ('x')",
                ErrorKind::Data,
                Some("strict_one.n"),
                Some("n"),
            ),
        ] {
            let error = execute(&mut *c, sql, &()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{sql}: {error:?}");
            assert_eq!(error.constraint(), constraint, "{sql}");
            assert_eq!(error.column(), column, "{sql}");
            assert!(error.code().is_some_and(|code| code.starts_with("SQLITE_CONSTRAINT")));
        }
    });
}

#[test]
fn errors_of_a_text_have_their_place() {
    run(async {
        let mut c = memory("CREATE TABLE t (n)").await;
        let error = execute(&mut *c, "SELECT n FROM t WHERE nn = 1", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UndefinedObject);
        assert_eq!(error.position(), Some(22));
        let error = script(&mut *c, "SELECT 1;\nSELECT nn FROM t").await.unwrap_err();
        assert_eq!(error.position(), Some(17));
        let error = execute(&mut *c, "SELECT 1; SELECT 2", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        execute(&mut *c, "SELECT 1; -- and no more\n ;", &()).await.unwrap();
    });
}

#[test]
fn what_may_quote_data_is_in_the_detail_only() {
    run(async {
        let mut c = memory("CREATE VIRTUAL TABLE docs USING fts5(body)").await;
        for (sql, argument) in [
            ("SELECT json_extract('{}', ?)", "hunter2"),
            ("SELECT * FROM docs WHERE docs MATCH ?", "hunter2:\""),
        ] {
            let error = execute(&mut *c, sql, &(argument,)).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
            assert!(error.detail().is_some());
        }
    });
}

#[test]
fn a_pragma_may_change_the_busy_timeout_until_the_reset() {
    run(async {
        let mut c = memory("").await;
        execute(&mut *c, "PRAGMA busy_timeout = 77", &()).await.unwrap();
        // The driver's own handler is back in place, so SQLite's own timeout is off.
        let set = execute(&mut *c, "PRAGMA busy_timeout", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(0)));
        command(&mut *c, Command::Reset).await.unwrap();
    });
}

#[test]
fn a_reset_puts_the_session_back() {
    run(async {
        let mut c = memory("CREATE TABLE kept (n)").await;
        script(
            &mut *c,
            "CREATE TEMP TABLE mine (n); CREATE TEMP VIEW \"my \"\"view\" AS SELECT 1; \
             CREATE TEMP TRIGGER tr AFTER INSERT ON kept BEGIN SELECT 1; END; \
             ATTACH ':memory:' AS other; PRAGMA foreign_keys = off; PRAGMA synchronous = off; \
             BEGIN; INSERT INTO kept VALUES (1)",
        )
        .await
        .unwrap();
        command(&mut *c, Command::Reset).await.unwrap();
        for (sql, value) in [
            ("SELECT count(*) FROM temp.sqlite_schema", 0),
            ("SELECT count(*) FROM pragma_database_list WHERE name = 'other'", 0),
            ("SELECT count(*) FROM kept", 0),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA synchronous", 1),
        ] {
            let set = execute(&mut *c, sql, &()).await.unwrap();
            assert_eq!(set.scalar(), Some(&Value::Int(value)), "{sql}");
        }
    });
}

#[test]
fn prepare_tells_names_types_and_tables() {
    run(async {
        let mut c = memory("CREATE TABLE t (id INTEGER PRIMARY KEY, code varchar(10))").await;
        let sql = "SELECT id, code AS c, id + 1 FROM t WHERE id = :id AND code = ?";
        command(&mut *c, Command::Prepare { sql }).await.unwrap();
        let description = c.take_description().unwrap();
        let names: Vec<_> = description.parameters.iter().map(|p| p.name.as_deref()).collect();
        assert_eq!(names, [Some("id"), None]);
        let columns = &description.columns;
        assert_eq!(columns.names().collect::<Vec<_>>(), ["id", "c", "id + 1"]);
        assert_eq!((&*columns[1].type_name, columns[1].length), ("VARCHAR", Some(10)));
        assert_eq!(columns[0].table.as_deref(), Some("t"));
        assert_eq!((&*columns[2].type_name, columns[2].table.as_deref()), ("", None));
        assert_eq!(description.read_only, Some(true));
        command(&mut *c, Command::Prepare { sql: "DELETE FROM t" }).await.unwrap();
        assert_eq!(c.take_description().unwrap().read_only, Some(false));
    });
}

#[test]
fn large_arguments_do_not_stay_with_the_statement() {
    run(async {
        let mut c = memory("CREATE TABLE t (b BLOB)").await;
        let used = |c: &mut dyn Connection| {
            c.as_any_mut()
                .downcast_mut::<aquifer_sqlite::SqliteConnection>()
                .and_then(|c| c.statement_memory())
                .unwrap()
        };
        let insert = "INSERT INTO t VALUES (?)";
        execute(&mut *c, insert, &(&b"x"[..],)).await.unwrap();
        execute(&mut *c, "DELETE FROM t", &()).await.unwrap();
        let before = used(&mut *c);
        execute(&mut *c, insert, &(vec![7u8; 1 << 20],)).await.unwrap();
        assert!(used(&mut *c) < before + (1 << 16));
        let sql = "SELECT length(?)";
        c.start(Command::Execute { sql, params: &("x".repeat(1 << 20),), want: Want::All })
            .unwrap();
        let mut rows = aquifer_driver::RowBatch::new();
        aquifer_testkit::client::step(&mut *c, &mut rows).await.unwrap();
        assert!(used(&mut *c) < before + (1 << 16));
    });
}
