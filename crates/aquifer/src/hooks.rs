//! [`Hooks`]: callbacks around a connection's life.

use std::future::poll_fn;
use std::sync::Arc;

use aquifer_driver::{Error, ErrorKind, Result, Status};
use aquifer_pool::{CloseReason, ConnectionInfo, HookFuture, Stage};

use crate::link::DriverConn;
use crate::manage::Manager;
use crate::observe::Book;

/// Callbacks around a connection's life: `before_connect` (fresh passwords), `after_connect` (session
/// settings, warm-up statements), `before_acquire`, `after_release`, `before_close` and `on_error`.
///
/// They run in the pool's own tasks, each within the budget of what it belongs to. A transaction or a
/// command that a hook leaves open is undone, within the same budget.
///
/// ```
/// use aquifer::{Db, Hooks};
///
/// let hooks = Hooks::new().after_connect(|link, _info| {
///     Box::pin(async move { link.exec("PRAGMA cache_size = -8000", ()).await.map(drop) })
/// });
/// let db = Db::builder("sqlite::memory:")?.hooks(hooks).open()?;
/// # Ok::<(), aquifer::Error>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Hooks {
    pool: aquifer_pool::Hooks<Manager>,
}

impl Hooks {
    /// No hooks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Before each dial, within `connect_timeout`. An error fails the dial.
    #[must_use]
    pub fn before_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn() -> HookFuture<'static, Result<()>> + Send + Sync + 'static,
    {
        self.pool = self.pool.before_connect(hook);
        self
    }

    /// After each dial, within `connect_timeout`. An error fails the dial.
    #[must_use]
    pub fn after_connect<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut DriverConn, ConnectionInfo) -> HookFuture<'a, Result<()>>
            + Send
            + Sync
            + 'static,
    {
        let hook = Arc::new(hook);
        self.pool = self.pool.after_connect(move |link, info| {
            let hook = Arc::clone(&hook);
            Box::pin(async move {
                hook(link, info).await?;
                tidy(link).await?;
                // What the hook has set is how every borrower is to find the session.
                link.connection().adopt_session();
                Ok(())
            })
        });
        self
    }

    /// Before a connection that was used before is lent again, within `check_timeout`. `false` or an
    /// error closes it and the next one is tried. Costs every acquire a task.
    #[must_use]
    pub fn before_acquire<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut DriverConn, ConnectionInfo) -> HookFuture<'a, Result<bool>>
            + Send
            + Sync
            + 'static,
    {
        let hook = Arc::new(hook);
        self.pool = self.pool.before_acquire(move |link, info| {
            let hook = Arc::clone(&hook);
            Box::pin(async move {
                let result = hook(link, info).await?;
                tidy(link).await.map(|()| result)
            })
        });
        self
    }

    /// After a release, before anyone else may have the connection, within `recover_timeout`. `false` or
    /// an error closes it. Costs every release a task.
    #[must_use]
    pub fn after_release<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut DriverConn, ConnectionInfo) -> HookFuture<'a, Result<bool>>
            + Send
            + Sync
            + 'static,
    {
        let hook = Arc::new(hook);
        self.pool = self.pool.after_release(move |link, info| {
            let hook = Arc::clone(&hook);
            Box::pin(async move {
                let result = hook(link, info).await?;
                tidy(link).await.map(|()| result)
            })
        });
        self
    }

    /// Before a connection is closed, within `close_timeout`.
    #[must_use]
    pub fn before_close<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut DriverConn, ConnectionInfo, CloseReason) -> HookFuture<'a, ()>
            + Send
            + Sync
            + 'static,
    {
        self.pool = self.pool.before_close(hook);
        self
    }

    /// On each error that the pool swallows, or passes on from a dial. Must not block.
    #[must_use]
    pub fn on_error<F>(mut self, hook: F) -> Self
    where
        F: Fn(Stage, &Error) + Send + Sync + 'static,
    {
        self.pool = self.pool.on_error(hook);
        self
    }

    /// These hooks, with the pool's own traffic shown to the observers under the pool's name.
    pub(crate) fn watched(
        &self,
        name: &Arc<str>,
        book: &Arc<Book>,
    ) -> aquifer_pool::Hooks<Manager> {
        if !book.is_watched() {
            return self.pool.clone();
        }
        let (warnings, warned) = (Arc::clone(book), Arc::clone(name));
        let (events, happened) = (Arc::clone(book), Arc::clone(name));
        let (errors, failed) = (Arc::clone(book), Arc::clone(name));
        let users = self.pool.clone();
        self.pool
            .clone()
            .on_warning(move |warning| warnings.tell(|observer| observer.warning(&warned, warning)))
            .on_event(move |event| events.tell(|observer| observer.pool(&happened, event)))
            .on_error(move |stage, error| {
                users.call_on_error(stage, error);
                errors.tell(|observer| observer.background_error(&failed, error));
            })
    }
}

/// Nobody inherits what a hook has left unfinished.
async fn tidy(link: &mut DriverConn) -> Result<()> {
    let status = match link.status() {
        Status::Busy => link.abandon(),
        status => status,
    };
    match status {
        Status::Idle => Ok(()),
        Status::Broken => {
            Err(Error::new(ErrorKind::ConnectionLost, "a hook has broken the connection"))
        }
        _ => poll_fn(|cx| link.connection().poll_recover(cx)).await,
    }
}
