//! [`Conn`]: one connection, held.

use aquifer_driver::{Connection, Result, Status, TxOptions};
use std::time::Duration;

use crate::session::{Order, Session};
use crate::target::{Target, borrowing_calls, calls};
use crate::tx::ConnTx;

/// A connection taken out of the pool, for session state and the driver's own powers.
///
/// It goes back when it is dropped. What a dropped future left unfinished on it is drained before the
/// next call; a transaction that is still open when it goes back is rolled back. Session settings,
/// temporary tables and attached databases stay while it is held; [`reset`](Self::reset) undoes them, and so
/// does the pool before it lends the connection again, where the driver can tell that there are any.
/// [`discard`](Self::discard) closes it instead of pooling it.
#[derive(Debug)]
pub struct Conn {
    session: Session,
}

impl Conn {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    pub(crate) fn target(&mut self) -> Target<'_> {
        Target::session(&mut self.session)
    }

    calls! { self, &mut self }
    borrowing_calls! {}

    /// Begins a transaction on this connection, with the engine's defaults.
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub async fn begin(&mut self) -> Result<ConnTx<'_>> {
        self.begin_with(TxOptions::new()).await
    }

    /// Begins a transaction on this connection.
    ///
    /// # Errors
    ///
    /// The engine's error, also for an option that it lacks.
    pub async fn begin_with(&mut self, options: TxOptions) -> Result<ConnTx<'_>> {
        ConnTx::begin(&mut self.session, options).await
    }

    /// Asks the engine for a sign of life.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn ping(&mut self) -> Result<()> {
        self.session.command(Order::Ping).await.map(drop)
    }

    /// Puts the session back into the state it had after connecting.
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub async fn reset(&mut self) -> Result<()> {
        self.session.command(Order::Reset).await.map(drop)
    }

    /// The driver's own connection.
    ///
    /// # Errors
    ///
    /// If the URL chose another driver, or a dropped call has not been cleared yet.
    pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
        self.session.driver()
    }

    /// Where the connection stands, in the engine's own word.
    pub fn status(&self) -> Status {
        self.session.link_ref().status()
    }

    /// From now on, calls end within `timeout`; `None` sets no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.session.set_timeout(timeout);
    }

    /// From now on, calls are counted, and named in errors, as `label`. (Leak reports keep the label that
    /// the connection was taken with.)
    pub fn set_label(&mut self, label: Option<&str>) {
        self.session.set_label(label);
    }

    /// How old the connection is, how long it was idle before, how often it was used.
    pub fn info(&self) -> crate::pool::ConnectionInfo {
        self.session.lease().info()
    }

    /// Closes the connection instead of giving it back to the pool. A database in memory lives in its one
    /// connection: there it is given back, and only reset.
    pub fn discard(self) {
        self.session.discard();
    }
}
