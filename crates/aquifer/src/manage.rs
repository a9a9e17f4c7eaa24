//! How the pool makes, checks, cleans and closes a driver's connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquifer_driver::{Access, Command, Connector, Error, ErrorKind, Result, Retry, Status, Step};
use aquifer_pool::{BoxFuture, CloseReason, Fate, Manage};

use crate::deadline::within;
use crate::link::DriverConn;
use crate::observe::Ear;
use crate::server_limit::ServerLimit;
use crate::tally::Tallies;

/// Tells a connector, once, that its last connection is gone: when the `Db` was closed, or when nothing
/// that could hold a connection is left of it.
pub(crate) struct Farewell {
    connector: Arc<dyn Connector>,
    said: AtomicBool,
}

impl Farewell {
    pub(crate) fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector, said: AtomicBool::new(false) }
    }

    pub(crate) fn say(&self) {
        if !self.said.swap(true, Ordering::Relaxed) {
            self.connector.closed();
        }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.say();
    }
}

impl std::fmt::Debug for Farewell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Farewell").field("said", &self.said).finish_non_exhaustive()
    }
}

/// Who hears what servers say besides answers, and how many connections they have.
pub(crate) struct Curious {
    pub(crate) ear: Arc<Ear>,
    pub(crate) limit: Arc<ServerLimit>,
}

/// The pool's view of one connector.
pub(crate) struct Manager {
    connector: Arc<dyn Connector>,
    access: Access,
    /// How long a drain may take before the server is told to stop.
    cancel_after: Duration,
    /// What a check runs instead of the driver's own ping.
    check_query: Option<Arc<str>>,
    tallies: Arc<Tallies>,
    /// Who hears more than answers.
    curious: Option<Curious>,
    /// Lives as long as any connection, lent or not: whoever has one holds the pool.
    _farewell: Arc<Farewell>,
}

impl Manager {
    pub(crate) fn new(
        farewell: Arc<Farewell>,
        access: Access,
        cancel_after: Duration,
        check_query: Option<Arc<str>>,
        tallies: Arc<Tallies>,
    ) -> Self {
        let connector = Arc::clone(&farewell.connector);
        Self {
            connector,
            access,
            cancel_after,
            check_query,
            tallies,
            curious: None,
            _farewell: farewell,
        }
    }

    /// The manager, with someone who hears more than answers.
    pub(crate) fn heard_by(self, curious: Option<Curious>) -> Self {
        Self { curious, ..self }
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager")
            .field("target", &self.connector.target())
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Manage for Manager {
    type Connection = DriverConn;
    type Error = Error;

    fn connect(self: Arc<Self>) -> BoxFuture<Result<DriverConn>> {
        let connector = Arc::clone(&self.connector);
        Box::pin(async move {
            let connection = match &self.curious {
                None => connector.connect(self.access).await?,
                Some(Curious { ear, limit }) => {
                    let ear = Arc::<Ear>::clone(ear);
                    let connection = connector.connect_observed(self.access, ear).await?;
                    limit.connected(&*connection);
                    connection
                }
            };
            Ok(DriverConn::new(connection, self.tallies.tally()))
        })
    }

    fn is_transient(&self, error: &Error) -> bool {
        error.retry() == Retry::Safe
    }

    fn check(self: Arc<Self>, mut link: DriverConn) -> BoxFuture<Result<DriverConn>> {
        Box::pin(async move {
            match &self.check_query {
                Some(sql) => link.exec(sql, ()).await?,
                None => {
                    link.start(Command::Ping)?;
                    link.finish().await?
                }
            };
            match link.status() {
                Status::Idle => Ok(link),
                status => Err(Error::new(
                    ErrorKind::Protocol,
                    format!("the check left the connection in the state {status:?}"),
                )),
            }
        })
    }

    fn on_release(&self, link: &mut DriverConn) -> Fate {
        link.unwatch();
        let mut status = link.status();
        if status == Status::Busy {
            status = link.abandon();
        }
        link.rest();
        match status {
            // What this borrower set, the next one must not inherit.
            Status::Idle if link.connection().session_changed() => Fate::Recover,
            Status::Idle => Fate::Keep,
            Status::Broken => Fate::Discard(CloseReason::Broken),
            Status::Busy | Status::Transaction | Status::FailedTransaction => Fate::Recover,
        }
    }

    fn recover(self: Arc<Self>, mut link: DriverConn) -> BoxFuture<Option<DriverConn>> {
        Box::pin(async move {
            let canceller = link.connection().canceller();
            let recovered = {
                let mut recovery = std::pin::pin!(poll_fn(|cx| link.connection().poll_recover(cx)));
                let patience = tokio::time::Instant::now() + self.cancel_after;
                match within(Some(patience), &mut recovery).await {
                    Some(result) => result,
                    None => {
                        // The pool's budget ends the wait for both.
                        let mut cancel = std::pin::pin!(canceller.cancel());
                        let mut cancelled = false;
                        poll_fn(|cx| {
                            if !cancelled {
                                cancelled = cancel.as_mut().poll(cx).is_ready();
                            }
                            recovery.as_mut().poll(cx)
                        })
                        .await
                    }
                }
            };
            link.unwatch();
            if recovered.is_err() || link.status() != Status::Idle {
                return None;
            }
            if link.connection().session_changed() {
                link.start(Command::Reset).ok()?;
                link.finish().await.ok()?;
            }
            (link.status() == Status::Idle).then_some(link)
        })
    }

    fn close(self: Arc<Self>, link: DriverConn, _reason: CloseReason) -> BoxFuture<()> {
        Box::pin(async move {
            // A goodbye that fails changes nothing: the connection is gone either way.
            drop(link.into_connection().close().await);
        })
    }
}

/// Reads what is left of a command that nobody waits for, telling the engine to stop if that takes long;
/// gives the command's own answer.
///
/// Unlike a recovery this leaves an open transaction open. Its errors are those of a call of which nothing was sent,
/// outside a transaction.
pub(crate) async fn drain(
    link: &mut DriverConn,
    cancel_after: Duration,
    budget: Duration,
) -> Result<Result<()>> {
    let start = tokio::time::Instant::now();
    let canceller = link.connection().canceller();
    let mut reading = std::pin::pin!(async {
        loop {
            match link.step().await {
                Ok(Step::End(_)) => return Ok(Ok(())),
                Ok(_) => {}
                // What broke is the statement before; of this call nothing was sent.
                Err(error) if error.is_connection_lost() => {
                    return Err(error.with_nothing_sent(true).with_retry(Retry::Safe));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    });
    if let Some(result) = within(Some(start + cancel_after), &mut reading).await {
        return result;
    }
    let stop = async {
        let mut cancel = std::pin::pin!(canceller.cancel());
        let mut cancelled = false;
        poll_fn(|cx| {
            if !cancelled {
                cancelled = cancel.as_mut().poll(cx).is_ready();
            }
            reading.as_mut().poll(cx)
        })
        .await
    };
    match within(Some(start + budget), stop).await {
        Some(result) => result,
        None => Err(Error::new(
            ErrorKind::ConnectionLost,
            "the statement before could not be stopped in time; the connection is given up",
        )
        .with_nothing_sent(true)
        .with_retry(Retry::Safe)
        .with_hint(
            "run it on another connection; a server that has none left for the request to stop needs a larger limit",
        )),
    }
}
