//! A connection that counts, and fails on demand.
#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test binary uses its part"
)]

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use aquifer_pool::{
    AcquireRequest, BoxFuture, CloseReason, Fate, Hooks, Manage, Pool, PoolOptions,
};
use tokio::time::sleep;

#[derive(Debug, PartialEq, Eq)]
pub struct Fault(pub &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Fault {}

#[derive(Default)]
pub struct Server {
    pub dials: AtomicU32,
    pub live: AtomicU32,
    pub live_peak: AtomicU32,
    pub checks: AtomicU32,
    pub recovers: AtomicU32,
    pub closes: Mutex<Vec<(u32, CloseReason)>>,
    pub connect_ms: AtomicU64,
    pub close_ms: AtomicU64,
    pub check_ms: AtomicU64,
    pub recover_ms: AtomicU64,
    /// The next so many dials fail; `u32::MAX`: all.
    pub refuse: AtomicU32,
    pub incurable: AtomicBool,
    pub checks_fail: AtomicBool,
    pub panic_in: Mutex<&'static str>,
}

/// Alive for as long as it exists, dials and goodbyes included.
pub struct Connection {
    pub id: u32,
    pub fate: Fate,
    _alive: Alive,
}

struct Alive(Arc<Server>);

impl Alive {
    fn new(server: &Arc<Server>) -> Alive {
        let live = server.live.fetch_add(1, SeqCst) + 1;
        server.live_peak.fetch_max(live, SeqCst);
        Alive(Arc::clone(server))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}

impl Server {
    pub fn new() -> Arc<Server> {
        Arc::new(Server::default())
    }

    pub fn slow_connect(ms: u64) -> Arc<Server> {
        let server = Server::new();
        server.connect_ms.store(ms, SeqCst);
        server
    }

    fn explode(&self, place: &str) {
        assert!(*self.panic_in.lock().unwrap() != place, "asked to panic in {place}");
    }

    pub fn live(&self) -> u32 {
        self.live.load(SeqCst)
    }

    pub fn dials(&self) -> u32 {
        self.dials.load(SeqCst)
    }

    pub fn closed_for(&self, reason: CloseReason) -> usize {
        self.closes.lock().unwrap().iter().filter(|(_, why)| *why == reason).count()
    }
}

async fn pause(ms: &AtomicU64) {
    let ms = ms.load(SeqCst);
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

impl Manage for Server {
    type Connection = Connection;
    type Error = Fault;

    fn connect(self: Arc<Self>) -> BoxFuture<Result<Connection, Fault>> {
        Box::pin(async move {
            let id = self.dials.fetch_add(1, SeqCst) + 1;
            let alive = Alive::new(&self);
            self.explode("connect");
            pause(&self.connect_ms).await;
            let left = self.refuse.load(SeqCst);
            if left > 0 {
                if left < u32::MAX {
                    self.refuse.fetch_sub(1, SeqCst);
                }
                return Err(Fault("connection refused"));
            }
            Ok(Connection { id, fate: Fate::Keep, _alive: alive })
        })
    }

    fn is_transient(&self, _: &Fault) -> bool {
        !self.incurable.load(SeqCst)
    }

    fn check(self: Arc<Self>, connection: Connection) -> BoxFuture<Result<Connection, Fault>> {
        Box::pin(async move {
            self.checks.fetch_add(1, SeqCst);
            self.explode("check");
            pause(&self.check_ms).await;
            if self.checks_fail.load(SeqCst) { Err(Fault("no pong")) } else { Ok(connection) }
        })
    }

    fn on_release(&self, connection: &mut Connection) -> Fate {
        self.explode("on_release");
        std::mem::replace(&mut connection.fate, Fate::Keep)
    }

    fn recover(self: Arc<Self>, connection: Connection) -> BoxFuture<Option<Connection>> {
        Box::pin(async move {
            self.recovers.fetch_add(1, SeqCst);
            self.explode("recover");
            pause(&self.recover_ms).await;
            Some(connection)
        })
    }

    fn close(self: Arc<Self>, connection: Connection, reason: CloseReason) -> BoxFuture<()> {
        Box::pin(async move {
            self.closes.lock().unwrap().push((connection.id, reason));
            self.explode("close");
            pause(&self.close_ms).await;
            drop(connection);
        })
    }
}

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn pool_of(server: &Arc<Server>, options: PoolOptions) -> Pool<Server> {
    Pool::with_seed(Arc::clone(server), options, Hooks::new(), 42).unwrap()
}

pub fn limit(max_open: u32) -> PoolOptions {
    PoolOptions { max_open, ..PoolOptions::default() }
}

pub fn request() -> AcquireRequest {
    AcquireRequest::default()
}

pub fn within(budget: Duration) -> AcquireRequest {
    AcquireRequest { timeout: Some(budget), ..AcquireRequest::default() }
}

pub fn labelled(label: &str) -> AcquireRequest {
    AcquireRequest { holder: Some(label.into()), ..AcquireRequest::default() }
}
