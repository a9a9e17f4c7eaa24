//! What the tests share: one server for a test binary, and a runtime.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod peer;

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Connection, Connector, Dsn, EmptyEnvironment, Params, Result, RowBatch,
    Status, Step, Value, Want,
};
use aquifer_mysql::{MysqlConnection, MysqlConnector};
use aquifer_testkit::mysql::{Auth, Server, ServerCertificate, Settings, User};

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
    let connector: Arc<dyn Connector> = Arc::new(connector(url));
    Ok(Session { connection: connector.connect(Access::ReadWrite).await?, batch: RowBatch::new() })
}

/// Runs a future to its end, on a runtime of one thread; panics if it takes a minute.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
    })
}

/// Waits for a state that another process reaches soon; [`run`] bounds the wait.
pub(crate) async fn until(mut reached: impl FnMut() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The runtime hears of what sockets have got meanwhile.
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// A connection and its owner.
pub(crate) struct Session {
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) batch: RowBatch,
}

impl Session {
    pub(crate) fn mysql(&mut self) -> &mut MysqlConnection {
        self.connection.as_any_mut().downcast_mut().expect("a MySQL connection")
    }

    pub(crate) async fn step(&mut self) -> Result<Step> {
        std::future::poll_fn(|cx| self.connection.poll_next(cx, &mut self.batch)).await
    }

    /// Runs a command; all rows of all its result sets.
    pub(crate) async fn command(&mut self, command: Command<'_>) -> Result<Vec<Vec<Value>>> {
        self.connection.start(command)?;
        let mut rows = Vec::new();
        loop {
            let step = self.step().await?;
            for row in self.batch.rows() {
                rows.push((0..row.len()).map(|n| row.get(n)).collect::<Result<_>>()?);
            }
            if matches!(step, Step::End(_)) {
                return Ok(rows);
            }
        }
    }

    pub(crate) async fn query(
        &mut self,
        sql: &str,
        params: &dyn Params,
    ) -> Result<Vec<Vec<Value>>> {
        self.command(Command::Execute { sql, params, want: Want::All }).await
    }

    /// The one value of a query without arguments.
    pub(crate) async fn scalar(&mut self, sql: &str) -> Result<Value> {
        let mut rows = self.query(sql, &()).await?;
        Ok(rows.pop().and_then(|mut row| row.pop()).expect("one value"))
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<Vec<Vec<Value>>> {
        self.command(Command::Script { sql }).await
    }

    pub(crate) async fn recover(&mut self) -> Result<()> {
        std::future::poll_fn(|cx| self.connection.poll_recover(cx)).await
    }

    pub(crate) fn status(&self) -> Status {
        self.connection.status()
    }
}
