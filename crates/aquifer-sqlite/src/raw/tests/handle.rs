use super::*;

#[test]
fn counters_follow_the_last_statement() {
    let mut handle = memory();
    handle
        .exec(
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE log(a);
             CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); END",
        )
        .unwrap();
    let done = handle.exec("INSERT INTO t(b) VALUES (1), (2), (3)").unwrap();
    assert_eq!(done, Executed { statements: 1, changes: 6 });
    assert_eq!(handle.changes(), 3);
    assert_eq!(handle.total_changes(), 6);
    assert_eq!(handle.last_insert_rowid(), 3);
}

#[test]
fn autocommit_and_transaction_state_tell_the_truth() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a UNIQUE ON CONFLICT ROLLBACK)").unwrap();
    assert!(handle.autocommit());
    assert_eq!(handle.transaction_state(None).unwrap(), TransactionState::None);
    handle.exec("BEGIN").unwrap();
    assert!(!handle.autocommit());
    assert_eq!(handle.transaction_state(Some("main")).unwrap(), TransactionState::None);
    handle.exec("SELECT count(*) FROM t").unwrap();
    assert_eq!(handle.transaction_state(None).unwrap(), TransactionState::Read);
    handle.exec("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(handle.transaction_state(None).unwrap(), TransactionState::Write);
    // SQLite ends this transaction by itself.
    let error = handle.exec("INSERT INTO t VALUES (1)").unwrap_err();
    assert_eq!(error.code().name(), "SQLITE_CONSTRAINT_UNIQUE");
    assert!(handle.autocommit());
    assert_eq!(handle.transaction_state(None).unwrap(), TransactionState::None);
}

#[test]
fn an_unknown_schema_is_an_error_by_name() {
    let mut handle = memory();
    let messages = [
        handle.filename("other").unwrap_err(),
        handle.is_readonly("other").unwrap_err(),
        handle.transaction_state(Some("other")).unwrap_err(),
        handle.serialize("other").unwrap_err(),
        handle.deserialize("other", b"").unwrap_err(),
    ];
    for error in messages {
        assert_eq!(error.message(), "there is no schema named \"other\"");
    }
    let nul = handle.is_readonly("a\0").unwrap_err();
    assert_eq!(nul.message(), "a name contains a NUL byte at 1");
    assert!(handle.wal_checkpoint(Some("other"), CheckpointMode::Passive).is_err());
}

#[test]
fn an_attached_schema_has_its_own_file() {
    let dir = Dir::new("attached");
    let path = dir.file("b.db");
    let mut handle = memory();
    handle.exec(&format!("ATTACH '{}' AS other", path.display())).unwrap();
    let name = handle.filename("other").unwrap().unwrap();
    assert!(name.ends_with(b"b.db"));
    assert_eq!(handle.filename("main").unwrap(), None);
}

#[test]
fn limits_are_read_set_and_enforced() {
    let mut handle = memory();
    let before = handle.limit(Limit::VariableNumber);
    assert_eq!(before, 32_766);
    assert_eq!(handle.set_limit(Limit::VariableNumber, 2), before);
    assert_eq!(handle.limit(Limit::VariableNumber), 2);
    assert!(handle.prepare("SELECT ?, ?", Persistence::Transient).is_ok());
    let error = handle.prepare("SELECT ?, ?, ?", Persistence::Transient).unwrap_err();
    assert!(error.message().contains("too many SQL variables"), "{error}");
    handle.set_limit(Limit::VariableNumber, u32::MAX);
    assert_eq!(handle.limit(Limit::VariableNumber), before);
    for limit in [
        Limit::Length,
        Limit::SqlLength,
        Limit::Columns,
        Limit::ExpressionDepth,
        Limit::CompoundSelect,
        Limit::Instructions,
        Limit::FunctionArguments,
        Limit::Attached,
        Limit::LikePatternLength,
        Limit::TriggerDepth,
    ] {
        assert!(handle.limit(limit) > 0, "{limit:?}");
    }
    assert_eq!(handle.limit(Limit::WorkerThreads), 0);
}

#[test]
fn every_switch_can_be_read_and_set() {
    let mut handle = memory();
    for config in [
        Config::ForeignKeys,
        Config::Triggers,
        Config::Views,
        Config::Defensive,
        Config::TrustedSchema,
        Config::DoubleQuotedStringsDdl,
        Config::DoubleQuotedStringsDml,
        Config::NoCheckpointOnClose,
        Config::QueryPlannerStability,
        Config::AttachCreate,
        Config::AttachWrite,
        Config::ResetDatabase,
    ] {
        for on in [true, false] {
            handle.set_config(config, on).unwrap();
            assert_eq!(handle.config(config).unwrap(), on, "{config:?}");
        }
    }
}

#[test]
fn a_script_stops_at_its_first_error_and_names_the_place() {
    let mut handle = memory();
    let sql = "CREATE TABLE t(a); -- one\n;; INSERT INTO t VALUES (1);\n INSERT INTO t VALUES (nope); INSERT INTO t VALUES (3)";
    let error = handle.exec(sql).unwrap_err();
    assert_eq!(error.code(), Code::ERROR);
    let offset = error.offset().unwrap();
    assert_eq!(&sql[offset..offset + 4], "nope");
    assert_eq!(number(&mut handle, "SELECT count(*) FROM t"), 1);
    assert_eq!(handle.statement_count(), 0);
    assert_eq!(handle.exec("  -- nothing\n ; /* at */ ").unwrap(), Executed::default());
    assert_eq!(handle.exec("").unwrap(), Executed::default());
    let done = handle.exec("SELECT 'é'; SELECT 'ü' /* ö */; /* ß").unwrap();
    assert_eq!(done.statements, 2);
}

#[test]
fn a_checkpoint_tells_what_it_copied() {
    let dir = Dir::new("checkpoint");
    let path = dir.file("a.db");
    let mut handle = open(&path);
    assert_eq!(
        handle.wal_checkpoint(None, CheckpointMode::Passive).unwrap(),
        Checkpoint { log_frames: None, copied_frames: None }
    );
    handle.exec("PRAGMA journal_mode = wal; CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    let done = handle.wal_checkpoint(Some("main"), CheckpointMode::Full).unwrap();
    assert_eq!(done.log_frames, done.copied_frames);
    assert!(done.log_frames > Some(0));
    handle.wal_checkpoint(None, CheckpointMode::Restart).unwrap();
    let done = handle.wal_checkpoint(None, CheckpointMode::Truncate).unwrap();
    assert_eq!(done.log_frames, Some(0));
    handle.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    let error = handle.wal_checkpoint(None, CheckpointMode::Full).unwrap_err();
    assert_eq!(error.code().name(), "SQLITE_LOCKED");
}

#[test]
fn a_missing_extension_is_an_error_and_leaves_loading_off() {
    let mut handle = memory();
    let error = handle.load_extension("/nonexistent/extension", None).unwrap_err();
    assert_eq!(error.code().primary(), Code::ERROR);
    assert!(error.message().contains("/nonexistent/extension"), "{error}");
    assert!(!handle.db_config(libsqlite3_sys::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1).unwrap());
    assert!(handle.load_extension("a\0b", None).is_err());
}

#[cfg(unix)]
#[test]
fn an_extension_is_loaded_by_its_entry_point() {
    let dir = Dir::new("extension");
    let (source, library) = (dir.file("nothing.c"), dir.file("nothing.so"));
    std::fs::write(
        &source,
        "int sqlite3_nothing_init(void *d, char **e, const void *a) { return 0; }
         int refuse(void *d, char **e, const void *a) { return 1; }",
    )
    .unwrap();
    // The library is built from C, so there is a compiler.
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(built.success());
    let mut handle = memory();
    let path = library.to_str().unwrap();
    handle.load_extension(path, None).unwrap();
    handle.load_extension(path, Some("sqlite3_nothing_init")).unwrap();
    assert!(handle.load_extension(path, Some("refuse")).is_err());
    assert!(!handle.db_config(libsqlite3_sys::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, -1).unwrap());
}

#[test]
fn a_database_survives_the_way_through_bytes() {
    let mut source = memory();
    source.exec("CREATE TABLE t(a); INSERT INTO t VALUES (41), (42)").unwrap();
    let bytes = source.serialize("main").unwrap();
    assert!(bytes.starts_with(b"SQLite format 3\0"));

    let mut target = memory();
    target.deserialize("main", &bytes).unwrap();
    assert_eq!(number(&mut target, "SELECT max(a) FROM t"), 42);
    target.exec("INSERT INTO t VALUES (43)").unwrap();
    assert_eq!(number(&mut target, "SELECT max(a) FROM t"), 43);

    target.deserialize("main", b"").unwrap();
    assert_eq!(number(&mut target, "SELECT count(*) FROM sqlite_schema"), 0);
    // An empty database has one page, or none, depending on the library's version.
    let empty = memory().serialize("main").unwrap();
    target.deserialize("main", &empty).unwrap();
    assert_eq!(number(&mut target, "SELECT count(*) FROM sqlite_schema"), 0);

    target.deserialize("main", b"this is no database, as every reader can see").unwrap();
    assert!(target.exec("SELECT * FROM sqlite_schema").is_err());

    let id = prepare(&mut source, "SELECT a FROM t");
    source.statement(id).unwrap().next_row().unwrap();
    assert_eq!(source.deserialize("main", &bytes).unwrap_err().code(), Code::BUSY);
    source.statement(id).unwrap().reset().unwrap();
    source.exec("BEGIN").unwrap();
    assert_eq!(source.deserialize("main", &bytes).unwrap_err().code(), Code::BUSY);
    source.exec("COMMIT").unwrap();
    source.deserialize("main", &bytes).unwrap();
    assert_eq!(rest(&mut source.statement(id).unwrap()).len(), 2);
}
