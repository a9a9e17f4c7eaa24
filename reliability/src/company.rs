//! Somebody to share connections with.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use aquifer::{Db, Result};

/// A call that is begun and never over: a caller beside it is not alone, so that its calls share connections where they can
/// (`multiplex`). Dropped, it is gone.
#[must_use]
pub struct Company(#[expect(dead_code, reason = "it is kept, not polled")] Call);

type Call = Pin<Box<dyn Future<Output = Result<i64>> + Send>>;

impl std::fmt::Debug for Company {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Company").finish_non_exhaustive()
    }
}

impl Company {
    /// Begins a call on `db`.
    pub async fn on(db: &Db) -> Self {
        let db = db.clone();
        let mut call: Call = Box::pin(async move { db.get("SELECT 1", ()).await });
        let begun = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(begun, "an answer without waiting for it");
        Self(call)
    }
}
