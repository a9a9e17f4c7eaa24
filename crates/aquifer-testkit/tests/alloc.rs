//! The counting allocator, installed for this file's tests.

use aquifer_testkit::{CountingAllocator, allocations, allocations_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::new();

#[test]
fn work_without_allocations_counts_none() {
    let (_, spent) = allocations(|| std::hint::black_box(7_u64).count_ones());
    assert_eq!((spent.count, spent.bytes), (0, 0));
}

#[test]
fn every_allocation_and_growth_counts() {
    let (kept, spent) = allocations(|| {
        let mut vec = Vec::<u8>::with_capacity(10);
        vec.resize(1000, 1);
        vec
    });
    assert_eq!((kept.len(), spent.count), (1000, 2));
    assert!(spent.bytes >= 1010, "{spent:?}");
}

#[test]
fn other_threads_do_not_disturb_the_count() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let noise = std::thread::spawn(move || {
        let mut made = 0_u64;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            made += std::hint::black_box(vec![0_u8; 64]).len() as u64;
        }
        made
    });
    let (_, spent) = allocations(|| {
        let mut sum = 0_u64;
        for n in 0..1_000_000_u64 {
            sum = sum.wrapping_add(std::hint::black_box(n));
        }
        sum
    });
    drop(stop);
    assert!(noise.join().unwrap() > 0);
    assert_eq!(spent.count, 0);
}

#[tokio::test]
async fn a_futures_own_polls_count_and_other_tasks_do_not() {
    let noise = tokio::spawn(async {
        for _ in 0..100 {
            std::hint::black_box(vec![0_u8; 64]);
            tokio::task::yield_now().await;
        }
    });
    let (_, spent) = allocations_of(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        std::hint::black_box(Box::new(1_u64));
    })
    .await;
    noise.await.unwrap();
    // The box; a yield may make tokio's deferred list grow once, on its first use.
    assert!((1..=2).contains(&spent.count), "{spent:?}");
}
