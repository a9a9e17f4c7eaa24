//! A process without file descriptors: calls fail with an error that says so, what is open goes on, the pool is back by itself
//! when there are some again, and none is lost. One test, because the limit is the process's.

use std::fs::File;
use std::time::Duration;

use aquifer::{Db, ErrorKind, Retry};
use aquifer_reliability::{Arena, Engine};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So few that they are soon used up, and more than all engines' servers and their arenas need.
const DESCRIPTORS: u64 = 200;
const MAX_OPEN: u32 = 8;
const CALLS: usize = 20;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the kernel lists them").count()
}

/// Takes every one that is left.
fn take_all() -> Vec<File> {
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
                assert!(!taken.is_empty(), "none was left to take");
                return taken;
            }
        }
    }
}

/// Until as many are open as at some time before; goodbyes are said in the background.
async fn assert_none_lost(engine: Engine, before: usize) {
    for _ in 0..500 {
        if open_descriptors() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{engine}: {} descriptors are open, {before} were", open_descriptors());
}

fn calls(db: &Db) -> Vec<tokio::task::JoinHandle<aquifer::Result<i32>>> {
    let call = |_| {
        let db = db.clone();
        tokio::spawn(async move { db.get::<i32>("SELECT 2", ()).await })
    };
    (0..CALLS).map(call).collect()
}

async fn exhaust(engine: Engine, arena: &Arena) {
    let before = open_descriptors();
    let builder = arena.direct().max_open(MAX_OPEN).acquire_timeout(Duration::from_millis(500));
    let db = builder.open().unwrap();
    let mut held = db.acquire().await.unwrap();
    assert_eq!(held.get::<i32>("SELECT 1", ()).await.unwrap(), 1);

    let taken = take_all();
    for call in calls(&db) {
        let error = call.await.expect("no panic").expect_err("it needs a descriptor");
        let said = format!("{error:?}");
        let of_an_outage = [ErrorKind::PoolTimeout, ErrorKind::Connect, ErrorKind::Resources]
            .contains(&error.kind());
        assert!(of_an_outage && error.nothing_sent(), "{engine}: {said}");
        assert_ne!(error.retry(), Retry::Unknown, "{engine}: {said}");
        assert!(said.contains("open files") && !said.contains("panicked"), "{engine}: {said}");
    }
    // What is open needs no other.
    assert_eq!(held.get::<i32>("SELECT 3", ()).await.unwrap(), 3, "{engine}");
    drop(taken);

    // By itself. A dial that failed is tried again after a pause, which may be longer than one budget.
    for _ in 0..60 {
        match db.get::<i32>("SELECT 4", ()).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::PoolTimeout, "{engine}: {error:?}"),
        }
    }
    for call in calls(&db) {
        assert_eq!(call.await.expect("no panic").expect("there are some again"), 2, "{engine}");
    }
    drop(held);
    let stats = db.stats();
    assert_eq!((stats.in_use, stats.waiters), (0, 0), "{engine}: {stats:?}");
    assert!(stats.connects_failed > 0, "{engine}: {stats:?}");
    assert!(db.close().await.is_clean());
    drop(db);
    assert_none_lost(engine, before).await;
}

#[tokio::test]
async fn a_process_without_descriptors_gets_errors_that_say_so_and_recovers_and_loses_none() {
    // The servers first: they would inherit the limit.
    let mut arenas = Vec::new();
    for engine in Engine::ALL {
        arenas.push((engine, Arena::new(engine).await));
    }
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum }).expect("lower");
    for (engine, arena) in arenas.iter().chain(&arenas) {
        exhaust(*engine, arena).await;
    }
}
