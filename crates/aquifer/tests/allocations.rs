//! What a call costs in memory: no allocation for taking a connection and giving it back, and a small future.

use aquifer::{Db, Registry};
use aquifer_testkit::fake::FakeServer;
use aquifer_testkit::{CountingAllocator, allocations_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

fn fake() -> (FakeServer, Db) {
    let server = FakeServer::new();
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    let db = Db::builder("fake:").unwrap().registry(registry).open().unwrap();
    (server, db)
}

#[tokio::test]
async fn acquire_and_release_allocate_nothing_once_warm() {
    let (server, db) = fake();
    let labelled = db.label("stations.get");
    for handle in [&db, &labelled] {
        // Long enough for the runtime to have made tasks yield, too.
        for _ in 0..1000 {
            drop(handle.acquire().await.unwrap());
        }
        let work = async {
            for _ in 0..1000 {
                drop(handle.acquire().await.unwrap());
            }
        };
        let ((), spent) = allocations_of(work).await;
        assert_eq!(spent.count, 0, "{spent:?}");
    }
    assert_eq!(server.counters().connects, 1);
}

/// Each task that waits for a row has this in it.
#[tokio::test]
async fn the_future_of_a_row_takes_less_than_three_hundred_bytes() {
    let (_server, db) = fake();
    let call = db.get::<(i64, String)>("SELECT id, code FROM stations WHERE id = $1", (7_i64,));
    let size = size_of_val(&call);
    assert!((100..300).contains(&size), "{size}");
}

#[tokio::test]
async fn scoped_handles_allocate_nothing_for_a_label_that_is_known() {
    let (_server, db) = fake();
    drop(db.label("stations.get"));
    let work = async {
        for _ in 0..100 {
            drop(db.timeout(std::time::Duration::from_secs(1)).label("stations.get").lax());
        }
    };
    let ((), spent) = allocations_of(work).await;
    assert_eq!(spent.count, 0, "{spent:?}");
}
