//! What an acquire and a release cost: alone, and with a thousand tasks over ten connections.

use std::{convert::Infallible, hint::black_box, sync::Arc};

use aquifer_pool::{
    AcquireRequest, BoxFuture, CloseReason, Fate, Hooks, Manage, Pool, PoolOptions,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

struct Nothing;

impl Manage for Nothing {
    type Connection = u64;
    type Error = Infallible;

    fn connect(self: Arc<Self>) -> BoxFuture<Result<u64, Infallible>> {
        Box::pin(async { Ok(1) })
    }

    fn is_transient(&self, error: &Infallible) -> bool {
        match *error {}
    }

    fn check(self: Arc<Self>, connection: u64) -> BoxFuture<Result<u64, Infallible>> {
        Box::pin(async move { Ok(connection) })
    }

    fn on_release(&self, _: &mut u64) -> Fate {
        Fate::Keep
    }

    fn recover(self: Arc<Self>, connection: u64) -> BoxFuture<Option<u64>> {
        Box::pin(async move { Some(connection) })
    }

    fn close(self: Arc<Self>, _: u64, _: CloseReason) -> BoxFuture<()> {
        Box::pin(async {})
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn pool(max_open: u32) -> Pool<Nothing> {
    let options = PoolOptions { max_open, ..PoolOptions::default() };
    Pool::new(Arc::new(Nothing), options, Hooks::new()).expect("valid options")
}

const ROUNDS: u64 = 1_000;

fn alone(c: &mut Criterion) {
    let runtime = runtime();
    let pool = pool(10);
    let request = AcquireRequest::default();
    let mut group = c.benchmark_group("acquire");
    group.throughput(Throughput::Elements(ROUNDS));
    group.bench_function("one task", |b| {
        b.iter(|| {
            runtime.block_on(async {
                for _ in 0..ROUNDS {
                    black_box(*pool.acquire(&request).await.expect("a connection"));
                }
            });
        });
    });
    group.finish();
}

const TASKS: u64 = 1_000;
const TURNS: u64 = 20;

fn crowded(c: &mut Criterion) {
    let runtime = runtime();
    let pool = pool(10);
    runtime.block_on(async { pool.warm_up(10).await.expect("ten connections") });
    let mut group = c.benchmark_group("acquire");
    group.throughput(Throughput::Elements(TASKS * TURNS));
    group.bench_function("1 000 tasks over 10 connections", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let pool = pool.clone();
                        tokio::spawn(async move {
                            let request = AcquireRequest::default();
                            for _ in 0..TURNS {
                                let lease = pool.acquire(&request).await.expect("a connection");
                                tokio::task::yield_now().await;
                                drop(lease);
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            });
        });
    });
    group.finish();
}

criterion_group!(benches, alone, crowded);
criterion_main!(benches);
