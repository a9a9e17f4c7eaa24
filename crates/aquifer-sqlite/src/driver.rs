//! [`SqliteDriver`]: the entry in a registry.

use std::sync::Arc;

use aquifer_driver::{Connector, Driver, DriverOption, Dsn, Environment, Result};

use crate::connector::SqliteConnector;
use crate::options::OPTIONS;

/// The embedded SQLite driver: `sqlite://file.db`, `sqlite:///absolute/file.db`, `sqlite::memory:`.
///
/// The library is compiled in. Options are checked when a `Db` is opened; files are touched when it
/// connects.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SqliteDriver;

impl SqliteDriver {
    /// The driver. It has no state.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Driver for SqliteDriver {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite", "sqlite3"]
    }

    fn options(&self) -> &'static [DriverOption] {
        &OPTIONS
    }

    fn connector(&self, dsn: &Dsn, _environment: &dyn Environment) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(SqliteConnector::new(dsn)?))
    }
}
