//! [`Builder`]: a handle with options, without `async`.

use std::sync::Arc;
use std::time::Duration;

use crate::driver::{Connector, Environment};
use crate::{DbOptions, Hooks, Multiplexing, Observer, Registry, Result};

use super::Db;
use super::runtime::Runtime;

/// As [`Builder`](crate::Builder), for a blocking [`Db`].
#[derive(Debug)]
pub struct Builder(pub(super) crate::Builder);

/// Passes an option on.
macro_rules! options {
    ($($name:ident: $type:ty;)*) => {$(
        #[doc = concat!("As [`", stringify!($name), "`](crate::Builder::", stringify!($name), ").")]
        #[must_use]
        pub fn $name(self, $name: $type) -> Self {
            Self(self.0.$name($name))
        }
    )*};
}

impl Builder {
    /// As [`from_connector`](crate::Builder::from_connector).
    pub fn from_connector(connector: Arc<dyn Connector>) -> Self {
        Self(crate::Builder::from_connector(connector))
    }

    options! {
        max_open: u32;
        min_idle: u32;
        max_idle: u32;
        max_lifetime: Duration;
        max_idle_time: Duration;
        acquire_timeout: Duration;
        connect_timeout: Duration;
        max_waiters: u32;
        query_timeout: Duration;
        multiplex: Multiplexing;
        multiplex_connections: u32;
        slow_call: Duration;
        options: DbOptions;
        registry: Registry;
        environment: impl Environment + Send + 'static;
        hooks: Hooks;
        observer: Arc<dyn Observer>;
        check_query: &str;
    }

    /// As [`set`](crate::Builder::set).
    ///
    /// # Errors
    ///
    /// An unknown name, or a value that cannot be used.
    pub fn set(self, name: &str, value: &str) -> Result<Self> {
        self.0.set(name, value).map(Self)
    }

    /// Makes the handle and starts its thread. Dials nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](crate::Builder::open), and if the thread cannot be started.
    pub fn open(self) -> Result<Db> {
        Ok(Db::new(self.0.open()?, Runtime::new()?))
    }

    /// [`open`](Self::open), then a ping: fails if the database cannot be reached.
    ///
    /// # Errors
    ///
    /// As `open` and [`Db::ping`].
    pub fn connect(self) -> Result<Db> {
        let runtime = Runtime::new()?;
        let db = runtime.run(self.0.connect())?;
        Ok(Db::new(db, runtime))
    }
}
