use super::*;

#[test]
fn a_missing_file_is_created_only_in_the_mode_that_creates() {
    let dir = Dir::new("modes");
    let path = dir.file("a.db");
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let error = Handle::open(Location::Path(bytes(&path)), mode).unwrap_err();
        assert_eq!(error.code().primary(), Code::CANTOPEN);
        assert!(!path.exists());
    }
    let mut handle = open(&path);
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    assert!(!handle.is_readonly("main").unwrap());
    drop(handle);

    let mut handle = Handle::open(Location::Path(bytes(&path)), Mode::ReadOnly).unwrap();
    assert!(handle.is_readonly("main").unwrap());
    assert_eq!(number(&mut handle, "SELECT a FROM t"), 1);
    let error = handle.exec("INSERT INTO t VALUES (2)").unwrap_err();
    assert_eq!(error.code().primary().name(), "SQLITE_READONLY");
}

#[test]
fn a_path_is_never_taken_for_a_uri_or_a_special_name() {
    let dir = Dir::new("special-names");
    // These names are relative by nature, so they are looked at through the name that SQLite made
    // of them.
    for name in [":memory:", "file:x.db?mode=memory"] {
        let opened = Handle::open(Location::Path(name.as_bytes()), Mode::ReadOnly);
        assert_eq!(opened.unwrap_err().code().primary(), Code::CANTOPEN, "{name}");
    }
    let odd = dir.file("a?b%41 c#d");
    let mut handle = open(&odd);
    handle.exec("CREATE TABLE t(a)").unwrap();
    assert!(odd.exists());
    let name = handle.filename("main").unwrap().unwrap();
    assert!(name.ends_with(b"a?b%41 c#d"));
}

#[test]
fn a_uri_may_name_a_shared_database_in_memory() {
    let uri = Location::Uri(b"file:raw-open-shared?mode=memory&cache=shared");
    let mut first = Handle::open(uri, Mode::default()).unwrap();
    let mut second = Handle::open(uri, Mode::default()).unwrap();
    first.exec("CREATE TABLE t(a); INSERT INTO t VALUES (7)").unwrap();
    assert_eq!(number(&mut second, "SELECT a FROM t"), 7);
}

#[test]
fn malformed_names_are_refused_with_their_reason() {
    let cases: [(Location<'_>, &str); 4] = [
        (Location::Path(b""), "the path of the database is empty"),
        (Location::Path(b"a\0b"), "the path of the database contains a NUL byte at 1"),
        (Location::Uri(b"file:a\0b"), "the path of the database contains a NUL byte at 6"),
        (Location::Uri(b"demo.db"), "a SQLite URI begins with `file:`"),
    ];
    for (location, message) in cases {
        let error = Handle::open(location, Mode::default()).unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::CANTOPEN, message));
    }
}

#[test]
fn databases_in_memory_and_in_temporary_files_have_no_file_name() {
    for location in [Location::Memory, Location::Temporary] {
        let mut handle = Handle::open(location, Mode::default()).unwrap();
        handle.exec("CREATE TABLE t(a)").unwrap();
        assert_eq!(handle.filename("main").unwrap(), None);
    }
}

#[test]
fn a_directory_and_an_unreachable_path_cannot_be_opened() {
    let dir = Dir::new("unreachable");
    for path in [dir.0.clone(), dir.file("missing/a.db")] {
        let error = Handle::open(Location::Path(bytes(&path)), Mode::default())
            .and_then(|mut handle| handle.exec("SELECT 1 FROM sqlite_schema"))
            .unwrap_err();
        assert_eq!(error.code().primary(), Code::CANTOPEN, "{error}");
    }
}

#[test]
fn a_fresh_connection_is_defensive() {
    let mut handle = memory();
    assert!(handle.config(Config::Defensive).unwrap());
    assert!(!handle.config(Config::TrustedSchema).unwrap());
    assert!(handle.exec("SELECT \"not a column\"").is_err());
    assert!(handle.exec("CREATE TABLE t(a CHECK (a <> \"x\"))").is_err());
    handle.exec("CREATE VIRTUAL TABLE f USING fts5(a)").unwrap();
    assert!(handle.exec("DELETE FROM f_data").is_err());
    let refused = handle.exec("SELECT load_extension('x')").unwrap_err();
    assert!(refused.message().contains("not authorized"), "{refused}");
}
