//! [`FakeDriver`] and [`FakeConnector`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aquifer_driver::{
    Access, BoxFuture, Connection, Connector, Dialect, Driver, DriverOption, Dsn, Environment,
    Error, ErrorKind, Grammar, Layout, Result, Retry, suggest,
};

use super::connection::FakeConnection;
use super::fault::{Event, Operation};
use super::server::{FakeServer, Shared};

const OPTIONS: &[DriverOption] = &[DriverOption::new(
    "mode",
    "rw",
    "`rw` reads and writes; `ro` gives connections that refuse writes",
)];

static DIALECT: Dialect = Dialect::new("fake", Grammar::Sqlite).params_max(1000);
static MULTIPLEXING: Dialect = DIALECT.multiplexes();

/// A driver for URLs with the scheme `fake`; all of them lead to one [`FakeServer`].
///
/// The part of the URL after the last `@` is the target that messages show.
#[derive(Debug, Clone)]
pub struct FakeDriver {
    server: FakeServer,
}

impl FakeDriver {
    /// A driver for that engine.
    pub fn new(server: FakeServer) -> Self {
        Self { server }
    }
}

impl Driver for FakeDriver {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["fake"]
    }

    fn options(&self) -> &'static [DriverOption] {
        OPTIONS
    }

    fn connector(&self, dsn: &Dsn, _environment: &dyn Environment) -> Result<Arc<dyn Connector>> {
        let mut access = Access::ReadWrite;
        for (key, value) in dsn.params() {
            match (key.as_str(), value.as_str()) {
                ("mode", "rw") => access = Access::ReadWrite,
                ("mode", "ro") => access = Access::ReadOnly,
                ("mode", _) => {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        "`mode` must be `rw` or `ro`",
                    ));
                }
                _ => {
                    let short: String = key.chars().take(40).collect();
                    let error = Error::new(
                        ErrorKind::Configuration,
                        format!("the driver `fake` has no option `{short}`"),
                    );
                    let known = OPTIONS.iter().map(|option| option.name);
                    return Err(match suggest::nearest(key, known) {
                        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                        None => error.with_hint("its options are: mode"),
                    });
                }
            }
        }
        let body = dsn.body().trim_start_matches('/');
        let target = body.rsplit_once('@').map_or(body, |(_, host)| host);
        let target = if target.is_empty() { "fake" } else { target };
        Ok(Arc::new(FakeConnector::new(Arc::clone(&self.server.0), target, access)))
    }
}

/// Opens connections to a [`FakeServer`].
#[derive(Debug)]
pub struct FakeConnector {
    shared: Arc<Shared>,
    target: Box<str>,
    access: Access,
    /// Every connection holds a clone.
    alive: Arc<()>,
    closed: AtomicBool,
}

impl FakeConnector {
    pub(super) fn new(shared: Arc<Shared>, target: &str, access: Access) -> Self {
        Self {
            shared,
            target: target.into(),
            access,
            alive: Arc::default(),
            closed: AtomicBool::new(false),
        }
    }
}

impl Connector for FakeConnector {
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let ordeal = {
                self.shared.state().counters.dials += 1;
                let event = Event { connection: 0, operation: Operation::Connect, sql: None };
                self.shared.arrive(&event)
            };
            if let Some(blow) = ordeal.endure().await {
                return Err(blow.error(Operation::Connect).0);
            }
            let access = if self.access == Access::ReadOnly { self.access } else { access };
            let max = self.shared.options.connections_max;
            let number = self.shared.state().open(access, max).ok_or_else(|| {
                Error::new(ErrorKind::Resources, "the fake server takes no more connections")
                    .with_code("FAKE_FULL")
                    .with_sqlstate("53300")
                    .with_nothing_sent(true)
                    .with_retry(Retry::Safe)
            })?;
            let connection = FakeConnection::new(
                number,
                access,
                Arc::clone(&self.shared),
                Arc::clone(&self.alive),
            );
            Ok(Box::new(connection) as Box<dyn Connection>)
        })
    }

    fn dialect(&self) -> &Dialect {
        if self.shared.options.multiplexes { &MULTIPLEXING } else { &DIALECT }
    }

    fn layout(&self) -> Layout {
        self.shared.options.layout
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn closed(&self) {
        self.shared.state().connectors_closed += 1;
        let open = Arc::strong_count(&self.alive) - 1;
        if open > 0 {
            self.shared.violate(format!(
                "Connector::closed was called while {open} of its connections were open"
            ));
        }
        if self.closed.swap(true, Ordering::Relaxed) {
            self.shared.violate("Connector::closed was called twice");
        }
    }
}
