//! [`Registry`]: which driver answers to which scheme.

use std::fmt;
use std::sync::Arc;

use crate::{Connector, Driver, Dsn, Environment, Error, ErrorKind, Result};

/// The drivers that a program can choose from at run time.
///
/// A registry is a value, not a global: a program that adds a driver of its own makes one, registers it
/// there, and opens its databases through it.
#[derive(Clone, Default)]
pub struct Registry {
    drivers: Vec<Arc<dyn Driver>>,
}

impl Registry {
    /// A registry without drivers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a driver.
    ///
    /// # Errors
    ///
    /// If one of its schemes is taken.
    pub fn register(&mut self, driver: impl Driver) -> Result<&mut Self> {
        for scheme in driver.schemes() {
            if let Some(taken) = self.find(scheme) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "the scheme `{scheme}` already belongs to the driver `{}`",
                        taken.name()
                    ),
                ));
            }
        }
        self.drivers.push(Arc::new(driver));
        Ok(self)
    }

    /// The registered drivers' names, sorted.
    pub fn drivers(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.drivers.iter().map(|driver| driver.name()).collect();
        names.sort_unstable();
        names
    }

    /// The driver for a DSN's scheme, or of that name.
    ///
    /// # Errors
    ///
    /// If there is none; the message lists those that exist.
    pub fn driver(&self, scheme: &str) -> Result<&Arc<dyn Driver>> {
        self.find(scheme).ok_or_else(|| self.unknown("scheme", scheme))
    }

    #[cold]
    fn unknown(&self, what: &str, name: &str) -> Error {
        let known: Vec<_> =
            self.drivers.iter().flat_map(|driver| driver.schemes()).copied().collect();
        let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        let error = Error::new(
            ErrorKind::UnknownDriver,
            if known.is_empty() {
                "no driver is registered".to_owned()
            } else {
                format!("unknown {what} `{shown}`; known are {}", known.join(", "))
            },
        );
        // `file:x.db`, and `C:\x.db`.
        if (name == "file" || name.len() == 1) && known.contains(&"sqlite") {
            return error.with_hint("a database in a file is `sqlite:PATH`: `sqlite:stations.db`");
        }
        match crate::suggest::nearest(name, known.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint(format!(
                "if there is a driver for `{shown}`, enable its cargo feature or register it"
            )),
        }
    }

    /// Reads a DSN into a connector, dialling nothing.
    ///
    /// # Errors
    ///
    /// If no driver answers to the scheme, or the driver refuses the DSN.
    pub fn connector(
        &self,
        dsn: &Dsn,
        environment: &dyn Environment,
    ) -> Result<Arc<dyn Connector>> {
        let what = if dsn.is_url() { "scheme" } else { "driver" };
        let name = dsn.scheme();
        let driver = self.find(name).ok_or_else(|| self.unknown(what, name))?;
        driver.connector(dsn, environment)
    }

    fn find(&self, scheme: &str) -> Option<&Arc<dyn Driver>> {
        self.drivers.iter().find(|driver| driver.schemes().contains(&scheme))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.drivers()).finish()
    }
}
