//! What the topics share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aquifer::driver::Connector;
use aquifer::driver::{Driver, Dsn, Environment};
use aquifer::{Builder, Db, DbOptions, Registry, Result};
use aquifer_testkit::Yielding;
use aquifer_testkit::fake::{FakeDriver, FakeServer, LogEntry, Operation};

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A builder over the fake server.
pub(crate) fn builder(server: &FakeServer) -> Builder {
    let mut registry = Registry::new();
    registry.register(server.driver()).unwrap();
    Db::builder("fake:").unwrap().registry(registry)
}

pub(crate) fn open(server: &FakeServer) -> Db {
    builder(server).open().unwrap()
}

/// With one connection, so that whatever is left on it meets the next borrower.
pub(crate) fn open_one(server: &FakeServer) -> Db {
    builder(server).max_open(1).open().unwrap()
}

pub(crate) fn open_with(server: &FakeServer, options: impl FnOnce(&mut DbOptions)) -> Db {
    let mut all = DbOptions::default();
    options(&mut all);
    builder(server).options(all).open().unwrap()
}

/// A driver whose every wait is at least one pending poll.
struct YieldingDriver(FakeDriver);

impl Driver for YieldingDriver {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.0.schemes()
    }

    fn options(&self) -> &'static [aquifer::driver::DriverOption] {
        self.0.options()
    }

    fn connector(&self, dsn: &Dsn, environment: &dyn Environment) -> Result<Arc<dyn Connector>> {
        Ok(Yielding::new(self.0.connector(dsn, environment)?))
    }
}

pub(crate) fn yielding_driver(server: &FakeServer) -> impl Driver {
    YieldingDriver(server.driver())
}

/// As [`open_one`], pending wherever the driver contract allows it.
pub(crate) fn open_yielding(server: &FakeServer, max_open: u32) -> Db {
    let mut registry = Registry::new();
    registry.register(YieldingDriver(server.driver())).unwrap();
    Db::builder("fake:").unwrap().registry(registry).max_open(max_open).open().unwrap()
}

/// Two accounts of 100 each.
pub(crate) async fn accounts(db: &Db) {
    db.exec("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)", ())
        .await
        .unwrap();
    db.exec("INSERT INTO accounts (id, balance) VALUES (1, 100), (2, 100)", ()).await.unwrap();
}

pub(crate) async fn balances(db: &Db) -> Vec<i64> {
    db.select("SELECT balance FROM accounts ORDER BY id", ()).await.unwrap()
}

pub(crate) const TAKE: &str = "UPDATE accounts SET balance = balance - ? WHERE id = ?";

/// Waits until the pool has nothing left to do but to lend.
pub(crate) async fn settled(db: &Db) {
    for _ in 0..10_000 {
        let stats = db.stats();
        let busy = stats.in_use + stats.connecting + stats.checking + stats.recovering;
        if busy + stats.closing + stats.waiters == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the pool does not come to rest: {:#?}", db.stats());
}

/// As [`settled`], where recovery or a dial takes time.
pub(crate) async fn settled_in_time(db: &Db) {
    for _ in 0..10_000 {
        let stats = db.stats();
        let busy = stats.in_use + stats.connecting + stats.checking + stats.recovering;
        if busy + stats.closing + stats.waiters == 0 {
            return;
        }
        tokio::time::sleep(ms(5)).await;
    }
    panic!("the pool does not come to rest: {:#?}", db.stats());
}

/// Nothing is lent, no transaction is open on any connection, and the contract was kept.
#[track_caller]
pub(crate) fn assert_at_rest(db: &Db, server: &FakeServer) {
    server.assert_no_violations();
    let stats = db.stats();
    assert_eq!(stats.in_use, 0, "{stats:#?}");
    for book in server.connections() {
        assert!(!book.in_transaction, "{book:?}");
        assert!(book.prepared_peak <= server.options().statements_max, "{book:?}");
    }
    assert_eq!(u64::from(stats.open_connections), server.counters().open);
}

/// What reached the server, operation by operation.
pub(crate) fn operations(server: &FakeServer) -> Vec<Operation> {
    server.log().into_iter().map(|LogEntry { operation, .. }| operation).collect()
}

pub(crate) fn count(server: &FakeServer, operation: Operation) -> usize {
    operations(server).into_iter().filter(|seen| *seen == operation).count()
}

/// A folder of its own for a database file, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aquifer-db-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The URL of the database in it.
    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.0.join("test.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
