//! [`Conn`], without `async`.

use std::time::Duration;

use aquifer_driver::{Connection, Status};

use crate::pool::ConnectionInfo;
use crate::{Result, TxOptions};

use super::calls::{Done, blocking_calls, borrowing_blocking_calls};
use super::runtime::{Held, Runtime};
use super::{ConnTx, Place};

/// As [`Conn`](crate::Conn), without `async`.
#[derive(Debug)]
pub struct Conn {
    held: Held<crate::Conn>,
}

impl Conn {
    pub(super) fn new(conn: crate::Conn, runtime: &Runtime) -> Self {
        Self { held: Held::new(conn, runtime) }
    }

    pub(super) fn place(&mut self) -> Place<'_> {
        let (conn, runtime) = self.held.parts();
        Place { target: conn.target(), runtime }
    }

    blocking_calls! { pub self, (&mut self) }
    borrowing_blocking_calls! { pub fn }

    /// As [`begin`](crate::Conn::begin).
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub fn begin(&mut self) -> Result<ConnTx<'_>> {
        self.begin_with(TxOptions::new())
    }

    /// As [`begin_with`](crate::Conn::begin_with).
    ///
    /// # Errors
    ///
    /// The engine's error, also for an option that it lacks.
    pub fn begin_with(&mut self, options: TxOptions) -> Result<ConnTx<'_>> {
        let (conn, runtime) = self.held.parts();
        let tx = runtime.run(conn.begin_with(options))?;
        Ok(ConnTx::new(tx, runtime))
    }

    /// As [`ping`](crate::Conn::ping).
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub fn ping(&mut self) -> Result<()> {
        let (conn, runtime) = self.held.parts();
        runtime.run(conn.ping())
    }

    /// As [`reset`](crate::Conn::reset).
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub fn reset(&mut self) -> Result<()> {
        let (conn, runtime) = self.held.parts();
        runtime.run(conn.reset())
    }

    /// The driver's own connection. Its async calls run in [`Db::block_on`](super::Db::block_on).
    ///
    /// # Errors
    ///
    /// If the URL chose another driver.
    pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
        self.held.parts().0.driver()
    }

    /// As [`status`](crate::Conn::status).
    pub fn status(&self) -> Status {
        self.held.get().status()
    }

    /// As [`set_timeout`](crate::Conn::set_timeout).
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.held.parts().0.set_timeout(timeout);
    }

    /// As [`set_label`](crate::Conn::set_label).
    pub fn set_label(&mut self, label: Option<&str>) {
        self.held.parts().0.set_label(label);
    }

    /// As [`info`](crate::Conn::info).
    pub fn info(&self) -> ConnectionInfo {
        self.held.get().info()
    }

    /// As [`discard`](crate::Conn::discard).
    pub fn discard(self) {
        self.held.end(crate::Conn::discard);
    }
}
