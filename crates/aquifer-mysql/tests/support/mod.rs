//! What the tests share: one server for a test binary, and a runtime.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

pub(crate) mod peer;

use std::sync::LazyLock;

use aquifer_driver::{Dsn, EmptyEnvironment, Result};
use aquifer_mysql::{MysqlConnection, MysqlConnector};
use aquifer_testkit::mysql::{Auth, Server, ServerCertificate, Settings, User};

pub(crate) use aquifer_testkit::session::{Session, run, until};

/// One server for all tests of a binary that do not disturb it.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let settings = Settings::new()
        .performance_schema()
        .tls(ServerCertificate::Good)
        .user(User::new("ed", Auth::Ed25519).password("signs"))
        .user(User::new("safe", Auth::Native).password("tls").require_tls())
        .user(User::new("empty", Auth::Native));
    Server::start(settings).unwrap_or_else(|error| panic!("no server: {error}"))
});

/// For tests that use connections from several threads: sockets are served while they block.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// A connector of this URL, without environment.
pub(crate) fn connector(url: &str) -> MysqlConnector {
    let dsn = Dsn::parse(url).expect("a URL");
    MysqlConnector::from_dsn(&dsn, &EmptyEnvironment).expect("a configuration")
}

/// The URL of the account `aquifer` over the server's unix socket.
pub(crate) fn socket_url(server: &Server) -> String {
    format!("mysql://aquifer:aquifer@/aquifer?socket={}", server.socket().display())
}

/// Opens a session with this URL.
pub(crate) async fn connect(url: &str) -> Result<Session> {
    Session::open(connector(url)).await
}

/// What only this driver's connections have.
pub(crate) trait Mysql {
    fn mysql(&mut self) -> &mut MysqlConnection;
}

impl Mysql for Session {
    fn mysql(&mut self) -> &mut MysqlConnection {
        self.driver()
    }
}
