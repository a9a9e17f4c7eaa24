//! Where the layer above may step in.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{
    manage::{CloseReason, Manage},
    stats::{Move, Warning},
};

/// A boxed future that may borrow the connection.
pub type HookFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

type BeforeConnect<M> =
    dyn Fn() -> HookFuture<'static, Result<(), <M as Manage>::Error>> + Send + Sync;
type AfterConnect<M> = dyn for<'a> Fn(
        &'a mut <M as Manage>::Connection,
        ConnectionInfo,
    ) -> HookFuture<'a, Result<(), <M as Manage>::Error>>
    + Send
    + Sync;
type Judge<M> = dyn for<'a> Fn(
        &'a mut <M as Manage>::Connection,
        ConnectionInfo,
    ) -> HookFuture<'a, Result<bool, <M as Manage>::Error>>
    + Send
    + Sync;
type BeforeClose<M> = dyn for<'a> Fn(&'a mut <M as Manage>::Connection, ConnectionInfo, CloseReason) -> HookFuture<'a, ()>
    + Send
    + Sync;
type OnError<M> = dyn Fn(Stage, &<M as Manage>::Error) + Send + Sync;
type OnWarning = dyn Fn(&Warning) + Send + Sync;
type OnEvent = dyn Fn(&PoolEvent) + Send + Sync;

/// Callbacks around a connection's life. None is ever called under the pool's lock; a panic costs at most the connection at hand.
///
/// The asynchronous ones run in the pool's own tasks and within the budget of what they belong to, so a caller that goes away does not
/// interrupt them. Those that look at every acquire or release make each pass through a task: leave them out on a hot path.
pub struct Hooks<M: Manage> {
    pub(crate) before_connect: Option<Arc<BeforeConnect<M>>>,
    pub(crate) after_connect: Option<Arc<AfterConnect<M>>>,
    pub(crate) before_acquire: Option<Arc<Judge<M>>>,
    pub(crate) after_release: Option<Arc<Judge<M>>>,
    pub(crate) before_close: Option<Arc<BeforeClose<M>>>,
    pub(crate) on_error: Option<Arc<OnError<M>>>,
    pub(crate) on_warning: Option<Arc<OnWarning>>,
    pub(crate) on_event: Option<Arc<OnEvent>>,
}

impl<M: Manage> Hooks<M> {
    /// No hooks.
    #[must_use]
    pub fn new() -> Hooks<M> {
        Hooks::default()
    }

    /// Before each dial, within `connect_timeout`: to fetch a fresh password, say. An error fails the dial.
    #[must_use]
    pub fn before_connect<F>(mut self, hook: F) -> Self
    where
        F: Fn() -> HookFuture<'static, Result<(), M::Error>> + Send + Sync + 'static,
    {
        self.before_connect = Some(Arc::new(hook));
        self
    }

    /// After each dial, within `connect_timeout`: session settings, warm-up statements. An error fails the dial.
    #[must_use]
    pub fn after_connect<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(
                &'a mut M::Connection,
                ConnectionInfo,
            ) -> HookFuture<'a, Result<(), M::Error>>
            + Send
            + Sync
            + 'static,
    {
        self.after_connect = Some(Arc::new(hook));
        self
    }

    /// Before a connection that was used before is handed out, within `check_timeout`. `false` or an error closes it and the next
    /// one is tried. With this hook every acquire waits for a task, and `try_acquire` finds nothing.
    #[must_use]
    pub fn before_acquire<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(
                &'a mut M::Connection,
                ConnectionInfo,
            ) -> HookFuture<'a, Result<bool, M::Error>>
            + Send
            + Sync
            + 'static,
    {
        self.before_acquire = Some(Arc::new(hook));
        self
    }

    /// After a release, before anyone else may have the connection, within `recover_timeout`. `false` or an error closes it.
    #[must_use]
    pub fn after_release<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(
                &'a mut M::Connection,
                ConnectionInfo,
            ) -> HookFuture<'a, Result<bool, M::Error>>
            + Send
            + Sync
            + 'static,
    {
        self.after_release = Some(Arc::new(hook));
        self
    }

    /// Before a connection is closed, within `close_timeout`. Not called when there is no runtime to wait in.
    #[must_use]
    pub fn before_close<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut M::Connection, ConnectionInfo, CloseReason) -> HookFuture<'a, ()>
            + Send
            + Sync
            + 'static,
    {
        self.before_close = Some(Arc::new(hook));
        self
    }

    /// On each error that the pool swallows, or passes on from a dial. Must not block.
    #[must_use]
    pub fn on_error<F>(mut self, hook: F) -> Self
    where
        F: Fn(Stage, &M::Error) + Send + Sync + 'static,
    {
        self.on_error = Some(Arc::new(hook));
        self
    }

    /// Calls the `on_error` hook, if there is one: for a layer that puts a hook of its own around it.
    pub fn call_on_error(&self, stage: Stage, error: &M::Error) {
        if let Some(hook) = &self.on_error {
            hook(stage, error);
        }
    }

    /// On each warning. Must not block.
    #[must_use]
    pub fn on_warning<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Warning) + Send + Sync + 'static,
    {
        self.on_warning = Some(Arc::new(hook));
        self
    }

    /// On what the pool does by itself: dials, closes, checks, moves of the limit. Must not block.
    #[must_use]
    pub fn on_event<F>(mut self, hook: F) -> Self
    where
        F: Fn(&PoolEvent) + Send + Sync + 'static,
    {
        self.on_event = Some(Arc::new(hook));
        self
    }
}

impl<M: Manage> Default for Hooks<M> {
    fn default() -> Self {
        Hooks {
            before_connect: None,
            after_connect: None,
            before_acquire: None,
            after_release: None,
            before_close: None,
            on_error: None,
            on_warning: None,
            on_event: None,
        }
    }
}

impl<M: Manage> Clone for Hooks<M> {
    fn clone(&self) -> Self {
        Hooks {
            before_connect: self.before_connect.clone(),
            after_connect: self.after_connect.clone(),
            before_acquire: self.before_acquire.clone(),
            after_release: self.after_release.clone(),
            before_close: self.before_close.clone(),
            on_error: self.on_error.clone(),
            on_warning: self.on_warning.clone(),
            on_event: self.on_event.clone(),
        }
    }
}

impl<M: Manage> fmt::Debug for Hooks<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("before_connect", &self.before_connect.is_some())
            .field("after_connect", &self.after_connect.is_some())
            .field("before_acquire", &self.before_acquire.is_some())
            .field("after_release", &self.after_release.is_some())
            .field("before_close", &self.before_close.is_some())
            .field("on_error", &self.on_error.is_some())
            .field("on_warning", &self.on_warning.is_some())
            .field("on_event", &self.on_event.is_some())
            .finish()
    }
}

/// What the pool was doing when an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Dialling, with the hooks around it.
    Connect,
    /// Checking whether a connection is alive.
    Check,
    /// The `before_acquire` hook.
    BeforeAcquire,
    /// The `after_release` hook.
    AfterRelease,
}

/// A connection's history at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its number, counted from 1 in the order of dialling; never used again within the pool.
    pub id: u64,
    /// Time since it was established.
    pub age: Duration,
    /// Time it was idle before this.
    pub idle: Duration,
    /// How often it was lent, this time included.
    pub uses: u64,
}

/// Something the pool did by itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A dial succeeded.
    Connected {
        /// The new connection's number.
        connection: u64,
        /// What the dial took.
        took: Duration,
    },
    /// A dial failed; `on_error` has the error.
    ConnectFailed {
        /// What the dial took.
        took: Duration,
    },
    /// An idle or returning connection was checked.
    Checked {
        /// Which.
        connection: u64,
        /// Whether it may be used again.
        healthy: bool,
    },
    /// A connection is being closed.
    Closed {
        /// Its history.
        info: ConnectionInfo,
        /// Why.
        reason: CloseReason,
    },
    /// The adaptive policy moved the limit.
    Moved(Move),
}
