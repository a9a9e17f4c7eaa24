//! [`PostgresDriver`]: the entry in a registry.

use std::sync::Arc;

use aquifer_driver::{Connector, Driver, DriverOption, Dsn, Environment, Result};

use crate::config::parameters::OPTIONS;
use crate::connector::PostgresConnector;

/// The PostgreSQL driver: `postgres://app@db1/shop?sslmode=verify-full`, or libpq's key=value form.
///
/// The connection string, the environment and the files they name are read when a `Db` is opened;
/// nothing is dialled before it connects.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PostgresDriver;

impl PostgresDriver {
    /// The driver. It has no state.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Driver for PostgresDriver {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["postgres", "postgresql"]
    }

    fn options(&self) -> &'static [DriverOption] {
        &OPTIONS
    }

    fn connector(&self, dsn: &Dsn, environment: &dyn Environment) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(PostgresConnector::from_dsn(dsn, environment)?))
    }
}
