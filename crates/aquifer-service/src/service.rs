//! [`Service`]: a database, its checked queries, and what is counted about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquifer::Db;

use crate::catalog::Catalog;
use crate::check::{self, Checked};
use crate::diagnostic::Diagnostic;
use crate::incident::Log;
use crate::metrics::{Labels, Metrics};

/// How a service behaves. The defaults suit a small machine behind a load balancer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How long a request may take in the database: queue, execution and reading. Default 10 s.
    pub request_timeout: Duration,
    /// Bytes that a request's body may have. Default 1 MiB.
    pub body_bytes_max: usize,
    /// How long a request's body may take to arrive. Default 10 s.
    pub body_timeout: Duration,
    /// How long a connection may take to send a request's head; also how long it may be idle. Default 30 s.
    pub head_timeout: Duration,
    /// How long a client may leave an answer unread before its connection is closed. Default 30 s.
    pub write_timeout: Duration,
    /// Connections open at once, per listener; more wait in the operating system's queue. Default 1 024.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection. Default 256.
    pub streams_max: u32,
    /// Names that the listeners answer to, besides addresses and `localhost`; `.example` stands for itself
    /// and every name below it. Default none: a listener on loopback then answers to no other name, which
    /// keeps out web pages that have their own name resolve to it; any other listener answers to all.
    pub allowed_hosts: Vec<String>,
    /// How long requests in flight may take to finish when the service stops. Default 25 s.
    pub grace: Duration,
    /// Who is told of failures that are not the caller's fault. Default nobody.
    pub log: Log,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            body_bytes_max: 1 << 20,
            body_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections_max: 1_024,
            streams_max: 256,
            allowed_hosts: Vec::new(),
            grace: Duration::from_secs(25),
            log: Log::default(),
        }
    }
}

/// A database and the queries that it has accepted, ready to be served.
#[derive(Debug, Clone)]
pub struct Service(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) datasource: String,
    pub(crate) catalog: Catalog,
    /// One per query of the catalogue, in its order.
    pub(crate) checked: Vec<Checked>,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    query_names: Vec<String>,
    /// The service is stopping: probes say so.
    draining: AtomicBool,
    /// The grace is over: whatever is cancelled from here on is cancelled by the shutdown.
    forced: AtomicBool,
}

impl Service {
    /// Checks the queries against the database and makes a service of them. `datasource` is the
    /// database's name in metrics and probes.
    ///
    /// # Errors
    ///
    /// All queries that the database does not accept.
    pub async fn new(
        db: Db,
        datasource: impl Into<String>,
        catalog: Catalog,
        options: Options,
    ) -> Result<Self, Vec<Diagnostic>> {
        let checked = check::check(&db.timeout(options.request_timeout), &catalog).await?;
        let query_names = catalog.queries().iter().map(|query| query.name.clone()).collect();
        Ok(Self(Arc::new(Inner {
            db,
            datasource: datasource.into(),
            catalog,
            checked,
            options,
            metrics: Metrics::default(),
            query_names,
            draining: AtomicBool::new(false),
            forced: AtomicBool::new(false),
        })))
    }

    /// The queries.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The page of metrics, in Prometheus's text format.
    pub fn metrics(&self) -> String {
        let labels = Labels {
            datasource: &self.0.datasource,
            system: self.0.db.dialect().name,
            queries: &self.0.query_names,
        };
        self.0.metrics.page(&labels, &self.0.db.stats())
    }
}

impl Inner {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }

    pub(crate) fn force(&self) {
        self.forced.store(true, Ordering::Release);
    }
}
