use super::*;

#[test]
fn the_library_tells_what_it_is() {
    assert!(version().starts_with("3."));
    let parts: Vec<u32> = version().split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(version_number(), parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2]);
    assert!(version_number() >= 3_050_000);
    assert!(source_id().len() > 40);
    let options = compile_options();
    for needed in ["THREADSAFE=1", "ENABLE_COLUMN_METADATA", "ENABLE_FTS5"] {
        assert!(options.iter().any(|option| option == needed), "{needed} in {options:?}");
    }
}

#[test]
fn a_statement_counts_its_work() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (3), (1), (2)").unwrap();
    let id = prepare(&mut handle, "SELECT a FROM t ORDER BY a");
    let mut statement = handle.statement(id).unwrap();
    rest(&mut statement);
    assert_eq!(statement.status(StatementCounter::FullscanStep, false), 2);
    assert_eq!(statement.status(StatementCounter::Sort, false), 1);
    assert_eq!(statement.status(StatementCounter::Run, true), 1);
    assert_eq!(statement.status(StatementCounter::Run, false), 0);
    assert!(statement.status(StatementCounter::VmStep, false) > 10);
    assert!(statement.status(StatementCounter::MemoryUsed, false) > 500);
    for zero in [
        StatementCounter::AutoIndex,
        StatementCounter::Reprepare,
        StatementCounter::FilterHit,
        StatementCounter::FilterMiss,
    ] {
        assert_eq!(statement.status(zero, false), 0);
    }
}

#[test]
fn memory_is_measured_and_given_back() {
    let mut handle = memory();
    handle.exec("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))").unwrap();
    prepare(&mut handle, "SELECT a FROM t");
    for counter in [MemoryCounter::Cache, MemoryCounter::Schema, MemoryCounter::Statements] {
        assert!(handle.memory(counter).unwrap() > 0, "{counter:?}");
    }
    for counter in [
        MemoryCounter::CacheHit,
        MemoryCounter::CacheMiss,
        MemoryCounter::CacheWrite,
        MemoryCounter::CacheSpill,
    ] {
        handle.memory(counter).unwrap();
    }
    assert!(memory_used() > 0);
    assert!(memory_highwater() >= memory_used());
    handle.release_memory();
    assert_eq!(number(&mut handle, "SELECT count(*) FROM t"), 1);
}
