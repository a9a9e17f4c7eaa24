//! Opening files: what works, and what the errors of the rest say.

mod support;

use aquifer_driver::{Access, Driver, Dsn, EmptyEnvironment, ErrorKind, Layout, Retry, Value};
use aquifer_sqlite::SqliteDriver;
use aquifer_testkit::client::{execute, script};

use support::{Dir, connect, connector, run};

fn refused(url: &str) -> aquifer_driver::Error {
    run(connector(url).connect(Access::ReadWrite)).map(drop).unwrap_err()
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_the_reason() {
    let dir = Dir::new();
    std::fs::write(dir.path().join("text.db"), "hello ".repeat(100)).unwrap();
    std::fs::create_dir(dir.path().join("folder.db")).unwrap();
    for (file, query, kind, reason) in [
        ("missing.db", "mode=rw", ErrorKind::Connect, "does not exist"),
        ("missing.db", "mode=ro", ErrorKind::Connect, "does not exist"),
        ("no/such/dir/a.db", "", ErrorKind::Connect, "directory of the database"),
        ("folder.db", "", ErrorKind::Connect, "is a directory"),
        ("text.db", "", ErrorKind::Corrupt, "not a SQLite database"),
        ("text.db", "mode=ro", ErrorKind::Corrupt, "not a SQLite database"),
    ] {
        let error = refused(&dir.url(file, query));
        assert_eq!(error.kind(), kind, "{file}: {error}");
        assert_eq!(error.retry(), Retry::Never, "{file}");
        let text = error.to_string();
        assert!(text.contains(reason) && text.contains(file), "{file}: {text}");
    }
    assert!(!dir.path().join("missing.db").exists());
}

#[test]
fn names_with_odd_characters_are_files() {
    let dir = Dir::new();
    run(async {
        for name in ["a%20b%3F%23.db", "%C3%BC.db", "file%3Ax.db"] {
            let mut c = connect(&dir.url(name, "")).await;
            script(&mut *c, "CREATE TABLE t (n)").await.unwrap();
        }
        for name in ["a b?#.db", "ü.db", "file:x.db"] {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    });
}

#[test]
fn a_read_only_file_is_read_and_not_written() {
    let dir = Dir::new();
    run(async {
        let mut c = connect(&dir.url("a.db", "")).await;
        script(&mut *c, "CREATE TABLE t (n); INSERT INTO t VALUES (3)").await.unwrap();
        let mut reader = connect(&dir.url("a.db", "mode=ro")).await;
        let set = execute(&mut *reader, "SELECT n FROM t", &()).await.unwrap();
        assert_eq!(set.scalar(), Some(&Value::Int(3)));
        let error = execute(&mut *reader, "DELETE FROM t", &()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly);
        assert_eq!(error.code(), Some("SQLITE_READONLY"));
    });
}

#[test]
fn the_layout_follows_file_mode_and_journal() {
    for (url, layout) in [
        ("sqlite:a.db", Layout::ReadersAndWriter),
        ("sqlite:a.db?mode=rw", Layout::ReadersAndWriter),
        ("sqlite:a.db?mode=ro", Layout::Equal),
        ("sqlite:a.db?journal_mode=delete", Layout::Equal),
        ("sqlite::memory:", Layout::One),
        ("sqlite:a.db?mode=memory", Layout::One),
    ] {
        assert_eq!(connector(url).layout(), layout, "{url}");
    }
    assert_eq!(connector("sqlite:some/a.db").target(), "some/a.db");
}

#[test]
fn settings_of_the_url_reach_the_connection() {
    let dir = Dir::new();
    run(async {
        let url = dir.url(
            "a.db",
            "journal_mode=truncate&synchronous=full&foreign_keys=off&cache_size=-512&temp_store=memory",
        );
        let mut c = connect(&url).await;
        for (pragma, value) in [
            ("journal_mode", Value::Text("truncate".into())),
            ("synchronous", Value::Int(2)),
            ("foreign_keys", Value::Int(0)),
            ("cache_size", Value::Int(-512)),
            ("temp_store", Value::Int(2)),
        ] {
            let set = execute(&mut *c, &format!("PRAGMA {pragma}"), &()).await.unwrap();
            assert_eq!(set.scalar(), Some(&value), "{pragma}");
        }
    });
}

#[test]
fn a_bad_url_is_refused_before_anything_is_opened() {
    for url in ["sqlite:", "sqlite:a.db?mod=ro", "sqlite:a.db?mode=x", "sqlite:a%00.db"] {
        let dsn = Dsn::parse(url).unwrap();
        let error = SqliteDriver::new().connector(&dsn, &EmptyEnvironment).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_or_removed_is_not_opened_again() {
    let dir = Dir::new();
    run(async {
        let path = dir.path().join("a.db");
        let connector = connector(&dir.url("a.db", ""));
        let mut c = connector.clone().connect(Access::ReadWrite).await.unwrap();
        script(&mut *c, "CREATE TABLE t (n)").await.unwrap();
        drop(connector.clone().connect(Access::ReadOnly).await.unwrap());
        let refused = async || {
            let error = connector.clone().connect(Access::ReadOnly).await.map(drop).unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Connect, Retry::Never));
            assert!(
                error.to_string().contains("replaced or removed since it was opened"),
                "{error}"
            );
        };
        let moved = dir.path().join("moved.db");
        std::fs::rename(&path, &moved).unwrap();
        refused().await;
        assert!(!path.exists(), "an empty database was made in its place");
        std::fs::write(&path, "").unwrap();
        refused().await;
        std::fs::rename(&moved, &path).unwrap();
        drop(connector.clone().connect(Access::ReadOnly).await.unwrap());
    });
}
