//! What the tests share: one server for a test binary, and a runtime.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

use std::sync::LazyLock;

use aquifer_driver::{Dsn, EmptyEnvironment, Result};
use aquifer_postgres::{PostgresConnection, PostgresConnector};
use aquifer_testkit::postgres::{Server, Settings};

pub(crate) use aquifer_testkit::session::{Session, run, until};

/// One server for all tests of a binary that do not disturb it.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let settings = Settings::new().max_connections(200);
    Server::start(settings).unwrap_or_else(|error| panic!("no server: {error}"))
});

/// For tests that use connections from several threads: sockets are served while they block.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// A connector of this URL, without environment.
pub(crate) fn connector(url: &str) -> PostgresConnector {
    let dsn = Dsn::parse(url).expect("a URL");
    PostgresConnector::from_dsn(&dsn, &EmptyEnvironment).expect("a configuration")
}

/// The URL of the superuser over the server's unix socket.
pub(crate) fn socket_url(server: &Server) -> String {
    let directory = server.socket_dir().display();
    format!("postgres://aquifer@/aquifer?host={directory}&port={}", server.port())
}

/// Opens a session with this URL.
pub(crate) async fn connect(url: &str) -> Result<Session> {
    Session::open(connector(url)).await
}

/// What only this driver's connections have.
pub(crate) trait Postgres {
    fn postgres(&mut self) -> &mut PostgresConnection;
}

impl Postgres for Session {
    fn postgres(&mut self) -> &mut PostgresConnection {
        self.driver()
    }
}
