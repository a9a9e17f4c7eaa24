//! [`MysqlConnector`]: from a configuration to sessions.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use aquifer_driver::{
    BoxFuture, Command, Connection, Connector, Dialect, Dsn, Environment, Error, ErrorKind,
    Grammar, Layout, Result, Retry, RowBatch, Step,
};

use crate::config::Config;
use crate::connection::MysqlConnection;
use crate::kill::KillQuery;
use crate::login::{self, Access};
use crate::pipeline::{Pipeline, Settings};
use crate::stop::Stop;
use crate::tls::Tls;
use crate::types::bind::ARGUMENTS_MAX;

/// The limit of a command until the server has told its own: the least that servers can be set to.
const PACKET_MAX_AT_FIRST: usize = 16 * 1024;

static DIALECT: Dialect = dialect("mysql", Grammar::MySql);
static MARIADB: Dialect = dialect("mariadb", Grammar::MariaDb);

/// Stored functions may write, and any query may call one.
const fn dialect(name: &'static str, grammar: Grammar) -> Dialect {
    Dialect::new(name, grammar).params_max(ARGUMENTS_MAX).quote('`').queries_may_write()
}

/// A parsed URL: opens sessions with its server.
///
/// `Db::open` makes one. A program makes its own for what a URL cannot say, and gives it to
/// `Builder::from_connector`.
pub struct MysqlConnector {
    access: Arc<Access>,
    target: String,
    /// The URL said that the server is MariaDB.
    mariadb: bool,
}

impl MysqlConnector {
    /// Reads a URL or a DSN, the environment, and the files that they name. Dials nothing.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the parameter, the variable or the file.
    pub fn from_dsn(dsn: &Dsn, environment: &dyn Environment) -> Result<Self> {
        let mariadb = dsn.scheme() == "mariadb" || dsn.body().starts_with("mariadb://");
        Ok(Self { mariadb, ..Self::new(Config::from_dsn(dsn, environment)?)? })
    }

    /// A connector of this configuration. Reads the files that it names.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the file.
    pub fn new(config: Config) -> Result<Self> {
        let tls = Tls::load(&config)?;
        let target = config.target();
        Ok(Self { access: Arc::new(Access { config, tls }), target, mariadb: false })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.access.config
    }

    async fn open(&self) -> Result<MysqlConnection> {
        let config = &self.access.config;
        let opened = self.log_in();
        let Some(budget) = config.timeout else { return opened.await };
        match tokio::time::timeout(budget, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::new(
                ErrorKind::Connect,
                format!("no session with {}: not within the timeout of {budget:?}", config.place()),
            )
            .with_retry(Retry::Safe)),
        }
    }

    async fn log_in(&self) -> Result<MysqlConnection> {
        let config = &self.access.config;
        let login = login::open(&self.access).await?;
        let setup = setup(config, login.agreed.tracks_session());
        // A reset keeps the current database, whoever chose it.
        let mut fresh = setup.clone();
        if let Some(database) = &config.database {
            fresh.push_str(&format!(";\nUSE `{}`", database.replace('`', "``")));
        }
        let settings = Settings {
            agreed: login.agreed,
            statements_max: config.statement_cache_capacity,
            utc: config.time_zone == "+00:00",
            setup: fresh.into(),
            packet_max: PACKET_MAX_AT_FIRST,
        };
        let pipeline = Pipeline::new(settings, login.status);
        let session = login.greeting.connection;
        let request = KillQuery { access: Arc::clone(&self.access), session };
        let stop = Stop::new(Arc::new(request), tokio::runtime::Handle::current(), session);
        let server = login.greeting;
        let mut connection = MysqlConnection::new(
            login.stream,
            pipeline,
            stop,
            server.version.clone(),
            server.is_mariadb(),
        );
        let sql = format!("{setup};\nSELECT @@max_allowed_packet");
        let taken = set_up(&mut connection, &sql).await.map_err(|error| {
            let message = format!("no session with {}: {}", config.place(), error.message());
            let retry = error.retry();
            error_of(&error, message).with_retry(retry).with_source(error)
        })?;
        // The server refuses a packet of exactly that size.
        let taken = taken.saturating_sub(1);
        let most = match config.max_allowed_packet {
            0 => taken,
            asked => asked.min(taken),
        };
        connection.begin_session(most);
        Ok(connection)
    }
}

fn error_of(error: &Error, message: String) -> Error {
    let of = Error::new(error.kind(), message).with_nothing_sent(true);
    match error.code() {
        Some(code) => of.with_code(code.to_owned()),
        None => of,
    }
}

/// What makes a fresh session the one that was configured; also after each reset.
fn setup(config: &Config, tracks: bool) -> String {
    // The collation that belongs to utf8mb4 is the server's choice; the zone's letters were checked.
    let mut sql = format!("SET NAMES utf8mb4, time_zone = '{}'", config.time_zone);
    if tracks {
        sql.push_str(", session_track_state_change = ON");
    }
    sql
}

/// Runs the setup; the server's `max_allowed_packet`.
async fn set_up(connection: &mut MysqlConnection, sql: &str) -> Result<usize> {
    connection.start(Command::Script { sql })?;
    let mut batch = RowBatch::new();
    let mut most = 0;
    loop {
        let step = poll_fn(|cx| connection.poll_next(cx, &mut batch)).await?;
        if let Some(row) = batch.row(0) {
            most = row.get::<u64>(0)?;
        }
        if matches!(step, Step::End(_)) {
            return Ok(usize::try_from(most).unwrap_or(usize::MAX));
        }
    }
}

impl Connector for MysqlConnector {
    fn connect(
        self: Arc<Self>,
        _access: aquifer_driver::Access,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            if tokio::runtime::Handle::try_current().is_err() {
                return Err(Error::new(
                    ErrorKind::Runtime,
                    "a connection to MySQL needs a tokio runtime, and there is none",
                ));
            }
            Ok(Box::new(self.open().await?) as Box<dyn Connection>)
        })
    }

    fn dialect(&self) -> &Dialect {
        if self.mariadb { &MARIADB } else { &DIALECT }
    }

    fn layout(&self) -> Layout {
        Layout::Equal
    }

    fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Debug for MysqlConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlConnector").field("config", self.config()).finish_non_exhaustive()
    }
}
