use std::num::NonZeroU32;
use std::ops::ControlFlow;

use super::super::backup;
use super::*;

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn filled() -> Handle {
    let mut handle = memory();
    handle
        .exec(
            "CREATE TABLE t(a);
             INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n",
        )
        .unwrap();
    handle
}

#[test]
fn a_backup_copies_page_by_page_and_tells_how_far_it_is() {
    let dir = Dir::new("backup");
    let mut source = filled();
    let mut target = open(&dir.file("copy.db"));
    target.exec("CREATE TABLE old(a)").unwrap();
    let mut seen = Vec::new();
    let end = backup(&mut source, "main", &mut target, "main", ONE, |progress| {
        assert!(!progress.blocked);
        seen.push((progress.remaining, progress.page_count));
        ControlFlow::Continue(())
    })
    .unwrap();
    let BackupEnd::Complete { page_count } = end else { panic!("{end:?}") };
    assert!(page_count > 5);
    let expected: Vec<_> = (1..page_count).rev().map(|left| (left, page_count)).collect();
    assert_eq!(seen, expected);
    assert_eq!(number(&mut target, "SELECT sum(a) FROM t"), 2_001_000);
    assert!(target.exec("SELECT * FROM old").is_err());
    let check = query(&mut target, "PRAGMA integrity_check");
    assert_eq!(check, [[Owned::Text(b"ok".to_vec())]]);
}

#[test]
fn a_backup_that_is_stopped_leaves_the_target_as_it_was() {
    let mut source = filled();
    let mut target = memory();
    target.exec("CREATE TABLE old(a); INSERT INTO old VALUES (1)").unwrap();
    let end =
        backup(&mut source, "main", &mut target, "main", ONE, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(end, BackupEnd::Stopped);
    assert_eq!(number(&mut target, "SELECT a FROM old"), 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        backup(&mut source, "main", &mut target, "main", ONE, |_| panic!("in the observer"))
    }));
    assert!(panicked.is_err());
    assert_eq!(number(&mut target, "SELECT a FROM old"), 1);
    assert_eq!(source.close(), Closed::default());
    assert_eq!(target.close(), Closed::default());
}

#[test]
fn an_interrupt_ends_a_backup_between_two_steps() {
    let mut source = filled();
    let mut target = memory();
    source.begin();
    let interrupter = source.interrupter();
    let mut steps = 0;
    let error = backup(&mut source, "main", &mut target, "main", ONE, |_| {
        steps += 1;
        if steps == 3 {
            interrupter.interrupt_current();
        }
        ControlFlow::Continue(())
    })
    .unwrap_err();
    assert_eq!((steps, error.interruption()), (3, Some(Interruption::Cancelled)));
}

#[test]
fn a_lock_on_the_target_is_reported_as_a_block() {
    let dir = Dir::new("backup-lock");
    let path = dir.file("copy.db");
    let mut holder = open(&path);
    holder.exec("CREATE TABLE old(a); BEGIN EXCLUSIVE").unwrap();
    let mut source = filled();
    let mut target = open(&path);
    let mut blocked = 0;
    let end = backup(&mut source, "main", &mut target, "main", ONE, |progress| {
        if progress.blocked {
            blocked += 1;
            if blocked == 3 {
                holder.exec("COMMIT").unwrap();
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(matches!(end, BackupEnd::Complete { .. }));
    assert_eq!(blocked, 3);
    assert_eq!(number(&mut target, "SELECT count(*) FROM t"), 2_000);
}

#[test]
fn a_change_by_another_connection_during_a_backup_is_in_the_copy() {
    let dir = Dir::new("backup-change");
    let path = dir.file("a.db");
    let mut writer = open(&path);
    writer
        .exec(
            "PRAGMA journal_mode = wal; CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))",
        )
        .unwrap();
    let mut source = open(&path);
    let mut target = memory();
    let mut steps = 0;
    backup(&mut source, "main", &mut target, "main", ONE, |_| {
        steps += 1;
        if steps == 5 {
            writer.exec("INSERT INTO t VALUES (1)").unwrap();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(number(&mut target, "SELECT count(*) FROM t"), 2);
}

#[test]
fn a_backup_from_or_to_an_impossible_place_is_an_error() {
    let mut source = filled();
    let mut target = memory();
    let go = |_| ControlFlow::Continue(());
    assert!(backup(&mut source, "nope", &mut target, "main", ONE, go).is_err());
    assert!(backup(&mut source, "main", &mut target, "nope", ONE, go).is_err());
    target.exec("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    let id = prepare(&mut target, "SELECT a FROM t");
    target.statement(id).unwrap().next_row().unwrap();
    let error = backup(&mut source, "main", &mut target, "main", ONE, go).unwrap_err();
    assert!(error.message().contains("in use"), "{error}");
}
