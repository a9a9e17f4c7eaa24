//! What the driver's tests share: throwaway files and connections to them.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aquifer_driver::{Access, Connection, Connector, Driver, Dsn, EmptyEnvironment};
use aquifer_sqlite::SqliteDriver;

/// A directory that goes with its content when this is dropped.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("aquifer-sqlite-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The URL of a file in it.
    pub(crate) fn url(&self, file: &str, query: &str) -> String {
        format!("sqlite://{}?{query}", self.0.join(file).display())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn connector(url: &str) -> Arc<dyn Connector> {
    let dsn = Dsn::parse(url).expect("a URL");
    SqliteDriver::new().connector(&dsn, &EmptyEnvironment).expect("a connector")
}

pub(crate) async fn connect(url: &str) -> Box<dyn Connection> {
    connector(url).connect(Access::ReadWrite).await.expect("a connection")
}

/// Runs a test's future, and fails it if nothing wakes it for half a minute.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    aquifer_testkit::block_on_for(Duration::from_secs(30), future).expect("a wake within 30 s")
}

/// The integers from 1 to the argument.
pub(crate) const SERIES: &str = "WITH RECURSIVE series(n) AS \
    (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < ?1) SELECT n FROM series";

/// Runs until it is stopped, and gives no row before.
pub(crate) const ENDLESS: &str = "WITH RECURSIVE series(n) AS \
    (SELECT 1 UNION ALL SELECT n + 1 FROM series) SELECT sum(n) FROM series";
