//! `KILL QUERY` over a connection of its own, to the same server by the same way.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::BoxFuture;
use aquifer_net::stop::{Request, SendRequest};

use crate::access::{Access, Source};
use crate::login;

/// How long a request may take where no `timeout` says so.
const BUDGET: Duration = Duration::from_secs(10);

/// No such session: it has ended, and its command with it.
const NO_SUCH_THREAD: u16 = 1094;

/// Everything that a request needs.
pub(crate) struct KillQuery {
    pub(crate) source: Arc<Source>,
    /// How the session was opened.
    pub(crate) access: Arc<Access>,
    pub(crate) session: u32,
}

impl SendRequest for KillQuery {
    fn send(&self) -> BoxFuture<'static, Request> {
        let (source, access) = (Arc::clone(&self.source), Arc::clone(&self.access));
        let session = self.session;
        let budget = access.config.timeout.unwrap_or(BUDGET);
        Box::pin(async move {
            let opened = async { login::open(&*source.same_server(&access).await?).await };
            let Ok(Ok(mut login)) = tokio::time::timeout(budget, opened).await else {
                return Request::NotSent;
            };
            let sql = format!("KILL QUERY {session}");
            match tokio::time::timeout(budget, login.run(&sql)).await {
                Ok(Ok(None)) => Request::Marked,
                Ok(Ok(Some(error))) if error.number() == NO_SUCH_THREAD => Request::Marked,
                // Refused: the account may not stop its own sessions, which no server says.
                Ok(Ok(Some(_))) => Request::NotSent,
                _ => Request::Uncertain,
            }
        })
    }
}
