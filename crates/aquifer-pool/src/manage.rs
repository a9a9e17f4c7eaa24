//! What the layer above tells the pool about its connections.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A boxed future that owns what it needs: the pool runs it in a task of its own.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// How to make, check, clean and close one kind of connection.
///
/// The pool calls these, never under its lock; the asynchronous ones run in tasks that belong to the pool, each within a budget
/// of [`PoolOptions`](crate::PoolOptions). When a budget is spent, the future is dropped, and with it the connection inside: an
/// implementation must leave nothing behind then but a closed socket. A panic in any of them costs that connection only.
pub trait Manage: Send + Sync + 'static {
    /// What is pooled.
    type Connection: Send + 'static;
    /// What goes wrong with it.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Dials. Called when the pool decides that another connection is needed; the result belongs to the pool, whoever waits.
    fn connect(self: Arc<Self>) -> BoxFuture<Result<Self::Connection, Self::Error>>;

    /// May another dial help soon (refused, too many connections) or not (wrong password, bad path)?
    ///
    /// Transient errors are retried with back-off while waiters have time; others reach a waiter at once.
    fn is_transient(&self, error: &Self::Error) -> bool;

    /// Liveness check or validation query; gives the connection back. An error closes it.
    ///
    /// Called before a connection is handed out that was idle for longer than `check_after`, for idle ones every
    /// `check_period`, and at every acquire or release if the options say so.
    fn check(
        self: Arc<Self>,
        connection: Self::Connection,
    ) -> BoxFuture<Result<Self::Connection, Self::Error>>;

    /// What becomes of a connection that was just released. Called synchronously on the releasing task, perhaps outside any
    /// runtime or while it panics: it must not block. A panic in it discards the connection.
    fn on_release(&self, connection: &mut Self::Connection) -> Fate;

    /// Drains, rolls back or otherwise makes usable again, within `recover_timeout`. `None`: it could not be saved.
    fn recover(
        self: Arc<Self>,
        connection: Self::Connection,
    ) -> BoxFuture<Option<Self::Connection>>;

    /// Says goodbye, within `close_timeout`. Not called when a connection has to go outside any runtime: it is dropped then.
    fn close(self: Arc<Self>, connection: Self::Connection, reason: CloseReason) -> BoxFuture<()>;
}

/// What becomes of a released connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Known to be clean: the next caller may have it at once.
    Keep,
    /// In a known state that needs work first: see [`Manage::recover`].
    Recover,
    /// Not usable again.
    Discard(CloseReason),
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// Why a connection was closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CloseReason {
            $($(#[doc = $doc])* $name,)*
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &'static [CloseReason] = &[$(CloseReason::$name,)*];

            /// The reason as a word for metrics and logs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(CloseReason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// More were idle than `max_idle` allows.
    MaxIdle = "max_idle",
    /// Idle for longer than `max_idle_time`.
    MaxIdleTime = "max_idle_time",
    /// Older than `max_lifetime`, or replaced shortly before.
    MaxLifetime = "max_lifetime",
    /// The limit was lowered.
    Resized = "resized",
    /// Found broken when it was released.
    Broken = "broken",
    /// Came back in a state that nobody wants to inherit, such as inside a transaction.
    Dirty = "dirty",
    /// Could not be made usable within `recover_timeout`.
    NotRecovered = "not_recovered",
    /// A liveness check failed or took longer than its budget.
    CheckFailed = "check_failed",
    /// A hook refused it, failed, or took longer than its budget.
    HookRefused = "hook_refused",
    /// Whoever held it asked for it.
    Requested = "requested",
    /// Came back after its slot had been reclaimed.
    Reclaimed = "reclaimed",
    /// The runtime that worked on it is gone, or stands still for longer than the work's budget.
    RuntimeGone = "runtime_gone",
    /// The pool was closed.
    PoolClosed = "pool_closed",
}

impl CloseReason {
    pub(crate) const COUNT: usize = CloseReason::ALL.len();
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
