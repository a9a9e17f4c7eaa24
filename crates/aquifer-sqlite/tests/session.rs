//! What a session keeps between commands, and what a reset takes back.

mod support;

use aquifer_driver::{Access, Batch, Command, Connection, ErrorKind, Value, Want};
use aquifer_sqlite::SqliteConnection;
use aquifer_testkit::client::{batch, command, execute, script};

use support::{Dir, connect, connector, run};

async fn value(c: &mut dyn Connection, sql: &str) -> Option<Value> {
    execute(c, sql, &()).await.unwrap_or_else(|error| panic!("{sql}: {error}")).scalar().cloned()
}

/// Each with a value that no fresh session has.
const SETTINGS: [(&str, &str); 31] = [
    ("foreign_keys", "off"),
    ("ignore_check_constraints", "on"),
    ("recursive_triggers", "on"),
    ("defer_foreign_keys", "on"),
    ("reverse_unordered_selects", "on"),
    ("trusted_schema", "on"),
    ("cell_size_check", "on"),
    ("automatic_index", "off"),
    ("read_uncommitted", "on"),
    ("legacy_alter_table", "on"),
    ("full_column_names", "on"),
    ("short_column_names", "off"),
    ("count_changes", "on"),
    ("empty_result_callbacks", "on"),
    ("fullfsync", "on"),
    ("checkpoint_fullfsync", "on"),
    ("synchronous", "off"),
    ("cache_size", "77"),
    ("cache_spill", "off"),
    ("temp_store", "memory"),
    ("secure_delete", "on"),
    ("wal_autocheckpoint", "7"),
    ("journal_size_limit", "12345"),
    ("max_page_count", "5000"),
    ("mmap_size", "65536"),
    ("threads", "2"),
    ("analysis_limit", "9"),
    ("locking_mode", "exclusive"),
    ("main.locking_mode", "exclusive"),
    ("query_only", "on"),
    ("main.cache_size", "78"),
];

#[test]
fn every_setting_of_the_session_is_put_back_by_a_reset() {
    let dir = Dir::new();
    run(async {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let mut c = connector(&dir.url("a.db", "")).connect(access).await.unwrap();
            for (name, other) in SETTINGS {
                if access == Access::ReadOnly && name == "query_only" {
                    continue;
                }
                assert!(!c.session_changed(), "{name}");
                let asks = format!("PRAGMA {name}");
                let fresh = value(&mut *c, &asks).await;
                assert!(fresh.is_some() && !c.session_changed(), "{name}");
                execute(&mut *c, &format!("PRAGMA {name} = {other}"), &()).await.unwrap();
                assert!(c.session_changed(), "{name}");
                // Some take what they can get only: `threads` may be capped.
                let set = value(&mut *c, &asks).await;
                assert!(set != fresh || name == "threads", "{name}: {set:?}");
                command(&mut *c, Command::Reset).await.unwrap();
                assert!(!c.session_changed(), "{name}");
                assert_eq!(value(&mut *c, &asks).await, fresh, "{name}");
            }
        }
    });
}

#[test]
fn a_reader_only_reads_after_a_reset_and_like_folds_case_again() {
    let dir = Dir::new();
    run(async {
        drop(connect(&dir.url("a.db", "")).await);
        let mut c = connector(&dir.url("a.db", "")).connect(Access::ReadOnly).await.unwrap();
        let sql = "PRAGMA query_only = off; PRAGMA case_sensitive_like = on";
        script(&mut *c, sql).await.unwrap();
        assert!(c.session_changed());
        assert_eq!(value(&mut *c, "SELECT 'a' LIKE 'A'").await, Some(Value::Int(0)));
        command(&mut *c, Command::Reset).await.unwrap();
        assert_eq!(value(&mut *c, "PRAGMA query_only").await, Some(Value::Int(1)));
        assert_eq!(value(&mut *c, "SELECT 'a' LIKE 'A'").await, Some(Value::Int(1)));
    });
}

#[test]
fn an_exclusive_lock_is_let_go_by_a_reset() {
    let dir = Dir::new();
    run(async {
        for query in ["busy_timeout=0", "busy_timeout=0&journal_mode=delete"] {
            let url = dir.url(&format!("{}.db", query.len()), query);
            let mut c = connect(&url).await;
            let sql = "PRAGMA locking_mode = exclusive; CREATE TABLE t (n)";
            script(&mut *c, sql).await.unwrap();
            assert!(connector(&url).connect(Access::ReadWrite).await.is_err(), "{query}");
            command(&mut *c, Command::Reset).await.unwrap();
            let mut other = connect(&url).await;
            execute(&mut *other, "INSERT INTO t VALUES (1)", &()).await.unwrap();
        }
    });
}

#[test]
fn temporary_objects_and_attached_databases_change_the_session_however_they_come() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, "CREATE TABLE kept (n); INSERT INTO kept VALUES (1)").await.unwrap();
        assert!(!c.session_changed());
        for sql in [
            "CREATE TEMP TABLE p (n PRIMARY KEY); CREATE TABLE temp.q (n REFERENCES p); \
             INSERT INTO p VALUES (1); INSERT INTO q VALUES (1)",
            "CREATE TEMP VIEW v AS SELECT 1",
            "ATTACH ':memory:' AS other",
            "SELECT 1; EXPLAIN PRAGMA query_only = on",
        ] {
            script(&mut *c, sql).await.unwrap();
            assert!(c.session_changed(), "{sql}");
            command(&mut *c, Command::Reset).await.unwrap();
            assert!(!c.session_changed(), "{sql}");
        }
        // Twice: the second run finds its statement in the cache.
        for _ in 0..2 {
            let mut statements = Batch::new();
            for sql in ["SELECT n FROM kept", "CREATE TEMPORARY TABLE mine (n)"] {
                statements.push(&sql.into(), &(), Want::All).unwrap();
            }
            batch(&mut *c, statements).await.unwrap();
            assert!(c.session_changed());
            command(&mut *c, Command::Reset).await.unwrap();
            assert!(!c.session_changed());
        }
        let own = c.as_any_mut().downcast_mut::<SqliteConnection>().unwrap();
        own.attach(dir.path().join("b.db"), "b").await.unwrap();
        assert!(c.session_changed());
        command(&mut *c, Command::Reset).await.unwrap();
        let sql = "SELECT count(*) FROM pragma_database_list WHERE name != 'main'";
        assert!(matches!(value(&mut *c, sql).await, Some(Value::Int(0 | 1))));
        execute(&mut *c, "SELECT * FROM b.t", &()).await.unwrap_err();
        assert_eq!(
            value(&mut *c, "SELECT count(*) FROM temp.sqlite_schema").await,
            Some(Value::Int(0))
        );
    });
}

#[test]
fn what_goes_into_the_file_is_not_the_sessions() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, "PRAGMA user_version = 7; PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        assert!(!c.session_changed());
        command(&mut *c, Command::Reset).await.unwrap();
        assert_eq!(value(&mut *c, "PRAGMA user_version").await, Some(Value::Int(7)));
    });
}

#[test]
fn an_adopted_session_is_what_a_reset_goes_back_to() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        let sql = "PRAGMA cache_size = -99; ATTACH ':memory:' AS hooked; \
                   CREATE TEMP TABLE hook (n); INSERT INTO hook VALUES (4)";
        script(&mut *c, sql).await.unwrap();
        c.adopt_session();
        assert!(!c.session_changed());
        let sql = "PRAGMA cache_size = 5; ATTACH ':memory:' AS mine; CREATE TEMP TABLE mine (n)";
        script(&mut *c, sql).await.unwrap();
        command(&mut *c, Command::Reset).await.unwrap();
        assert!(!c.session_changed());
        for (sql, expected) in [
            ("PRAGMA cache_size", -99),
            ("SELECT n FROM hook", 4),
            ("SELECT count(*) FROM temp.sqlite_schema", 1),
            ("SELECT count(*) FROM pragma_database_list WHERE name = 'hooked'", 1),
            ("SELECT count(*) FROM pragma_database_list WHERE name = 'mine'", 0),
        ] {
            assert_eq!(value(&mut *c, sql).await, Some(Value::Int(expected)), "{sql}");
        }
    });
}

#[test]
fn preparing_a_pragma_has_no_effect() {
    run(async {
        let mut c = connect("sqlite::memory:").await;
        for (name, other, fresh) in
            [("query_only", 1, 0), ("foreign_keys", 0, 1), ("ignore_check_constraints", 1, 0)]
        {
            let asks = format!("PRAGMA {name}");
            for sql in [
                format!("PRAGMA {name} = {other}"),
                format!("/* x */ pragma main.{name}({other})"),
                format!("PRAGMA \"{name}\" = {other}"),
                format!("EXPLAIN PRAGMA {name} = {other}"),
                format!("EXPLAIN QUERY PLAN PRAGMA {name} = {other}"),
                format!("\u{feff};PRAGMA {name} = {other}"),
            ] {
                let error = command(&mut *c, Command::Prepare { sql: &sql }).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error}");
                assert!(error.hint().is_some_and(|hint| hint.contains("execute")));
                assert_eq!(value(&mut *c, &asks).await, Some(Value::Int(fresh)), "{sql}");
                assert!(!c.session_changed());
            }
            // Neither has the second statement of a text that may hold one only.
            let two = format!("SELECT 1; PRAGMA {name} = {other}");
            command(&mut *c, Command::Prepare { sql: &two }).await.unwrap_err();
            execute(&mut *c, &two, &()).await.unwrap_err();
            assert_eq!(value(&mut *c, &asks).await, Some(Value::Int(fresh)));
            // Running it goes on as ever, again and again.
            for _ in 0..2 {
                execute(&mut *c, &format!("PRAGMA {name} = {other}"), &()).await.unwrap();
                assert_eq!(value(&mut *c, &asks).await, Some(Value::Int(other)));
                execute(&mut *c, &format!("PRAGMA {name} = {fresh}"), &()).await.unwrap();
                assert_eq!(value(&mut *c, &asks).await, Some(Value::Int(fresh)));
            }
            command(&mut *c, Command::Reset).await.unwrap();
        }
        for sql in ["PRAGMA query_only", "PRAGMA table_info(t)", "EXPLAIN PRAGMA user_version"] {
            command(&mut *c, Command::Prepare { sql }).await.unwrap();
            assert!(!c.take_description().unwrap().columns.is_empty(), "{sql}");
        }
    });
}
