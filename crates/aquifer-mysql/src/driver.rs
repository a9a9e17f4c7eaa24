//! [`MysqlDriver`]: the entry in a registry.

use std::sync::Arc;

use aquifer_driver::{Connector, Driver, DriverOption, Dsn, Environment, Result};

use crate::config::parameters::OPTIONS;
use crate::connector::MysqlConnector;

/// The driver of MySQL and MariaDB: `mysql://app@db1/shop?tls=true`, or the DSN of Go's driver.
///
/// The URL and the environment are read when a `Db` is opened; nothing is dialled before it connects.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct MysqlDriver;

impl MysqlDriver {
    /// The driver. It has no state.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Driver for MysqlDriver {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["mysql", "mariadb"]
    }

    fn options(&self) -> &'static [DriverOption] {
        &OPTIONS
    }

    fn connector(&self, dsn: &Dsn, environment: &dyn Environment) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(MysqlConnector::from_dsn(dsn, environment)?))
    }
}
