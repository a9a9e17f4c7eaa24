//! [`MysqlConnector`]: from a configuration to sessions.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use aquifer_driver::{
    BoxFuture, Command, Connection, Connector, Dialect, Dsn, Environment, Error, ErrorKind,
    Grammar, Layout, Result, Retry, RowBatch, ServerObserver, Step,
};
use aquifer_net::stop::Stop;

use crate::access::{Access, Source};
use crate::config::{Config, ZeroDates};
use crate::connection::MysqlConnection;
use crate::fence::{self, Standing};
use crate::kill::KillQuery;
use crate::login;
use crate::pipeline::{Pipeline, Settings};
use crate::protocol::frame;
use crate::setup::{Server, Setup};
use crate::types::bind::ARGUMENTS_MAX;
use crate::types::{Reading, Zone};

/// The limit of a command until the server has told its own.
const PACKET_MAX_AT_FIRST: usize = 16 * 1024;

/// The least that servers can be set to take.
const PACKET_MAX_LEAST: usize = 1024;

/// `ER_UNKNOWN_CHARACTER_SET` and `ER_UNKNOWN_SYSTEM_VARIABLE`.
const UNKNOWN_CHARSET: &str = "1115";
const UNKNOWN_VARIABLE: &str = "1193";

static DIALECT: Dialect = dialect("mysql", Grammar::MySql);
static MARIADB: Dialect = dialect("mariadb", Grammar::MariaDb);

/// Stored functions may write, and any query may call one.
const fn dialect(name: &'static str, grammar: Grammar) -> Dialect {
    Dialect::new(name, grammar).params_max(ARGUMENTS_MAX).quote('`').queries_may_write()
}

/// A parsed URL: opens sessions with its server.
///
/// `Db::open` makes one. A program makes its own for what a URL cannot say, and gives it to
/// `Builder::from_connector`: passwords that are fetched for each connection
/// ([`before_connect`](Self::before_connect)), hosts that move.
pub struct MysqlConnector {
    source: Arc<Source>,
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

    /// A connector of this configuration. Reads the files that it names, now and again for the first connection after
    /// one of them has changed: certificates and keys may be replaced while the program runs.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the file.
    pub fn new(config: Config) -> Result<Self> {
        let target = config.target();
        Ok(Self { source: Arc::new(Source::new(config)?), target, mariadb: false })
    }

    /// Has `hook` make the configuration of each connection, just before it is dialled, from a copy of
    /// this connector's: for passwords and tokens that expire, and for hosts that move.
    ///
    /// It is called once per connection, within the pool's `connect_timeout` but outside the `timeout` of the
    /// configuration, and again where a session is to be stopped, since that takes a connection of its own; that
    /// one goes to the session's own server, whatever the hook says. It may be called for several connections at the
    /// same time. Its future may be dropped. Its error fails the connect as it stands, and a waiting call gets it; with
    /// [`Retry::Safe`] the pool dials again after a pause. What cannot change is where connections are said to go
    /// ([`Connector::target`]).
    ///
    /// ```
    /// # use aquifer_driver::{Dsn, ProcessEnvironment, Result};
    /// # use aquifer_mysql::{MysqlConnector, Secret};
    /// # async fn fetch_token() -> Result<String> { Ok(String::new()) }
    /// # fn main() -> Result<()> {
    /// let dsn = Dsn::parse("mysql://app@db1/shop?tls=true&allowCleartextPasswords=true")?;
    /// let connector = MysqlConnector::from_dsn(&dsn, &ProcessEnvironment)?
    ///     .before_connect(|mut config| async {
    ///         config.password = Some(Secret::new(fetch_token().await?));
    ///         Ok(config)
    ///     });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn before_connect<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Config) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Config>> + Send + 'static,
    {
        let hook: crate::access::BeforeConnect = Box::new(move |config| Box::pin(hook(config)));
        self.source = Arc::new(self.source.with_hook(hook));
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.source.config()
    }

    async fn connect_with(
        self: Arc<Self>,
        observer: Option<Arc<dyn ServerObserver>>,
    ) -> Result<Box<dyn Connection>> {
        aquifer_net::runtime("MySQL")?;
        let mut connection = self.open().await?;
        if let Some(observer) = observer {
            connection.set_observer(observer);
        }
        Ok(Box::new(connection))
    }

    async fn open(&self) -> Result<MysqlConnection> {
        let access = self.source.next().await?;
        let config = &access.config;
        let opened = self.log_in(&access);
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

    async fn log_in(&self, access: &Arc<Access>) -> Result<MysqlConnection> {
        let config = &access.config;
        let login = login::open(access).await?;
        let (greeting, agreed) = (login.greeting, login.agreed);
        let server = Server { tracks: agreed.tracks_session(), mariadb: greeting.is_mariadb() };
        let mut charsets = config.charset.iter().map(String::as_str).peekable();
        let setup =
            |charset: Option<&str>| Setup::new(config, server, charset.unwrap_or("utf8mb4"));
        let first = setup(charsets.next());
        let settings = Settings {
            agreed,
            statements_max: config.statement_cache_capacity,
            reading: Reading {
                zone: Zone::parse(&config.time_zone),
                no_day: config.zero_dates.no_day(),
                dates_as_text: config.zero_dates == ZeroDates::Text,
                full_names: config.columns_with_alias,
            },
            setup: first.clone(),
            packet_max: PACKET_MAX_AT_FIRST,
            grain: config.grain(),
            several: config.multi_statements,
            files: config.files(),
            interpolates: config.interpolate_params,
            reject_read_only: config.reject_read_only,
        };
        let pipeline = Pipeline::new(settings, login.status);
        let session = greeting.connection;
        let (source, ours) = (Arc::clone(&self.source), Arc::clone(access));
        let request = KillQuery { source, access: ours, session };
        let stop = Stop::new(Arc::new(request), tokio::runtime::Handle::current(), session);
        let mut connection = MysqlConnection::new(
            login.stream,
            pipeline,
            stop,
            greeting.version.clone(),
            server.mariadb,
        );
        connection.set_patience(config);
        let mut tried = first;
        // MariaDB keeps the role of a session through a reset. Those that track sessions have roles for certain.
        let asks_role = server.mariadb && server.tracks;
        let taken = loop {
            let zone = config.zone_question().map(|zone| format!(", {zone}")).unwrap_or_default();
            let role = if asks_role { ", CURRENT_ROLE()" } else { "" };
            let sql = format!(
                "{};\nSELECT @@max_allowed_packet, {}{role}{zone}",
                tried.sql(),
                fence::QUESTION
            );
            let error = match set_up(&mut connection, &sql, asks_role).await {
                Ok(Told { zone_is_meant: false, .. }) => {
                    return Err(not_set_up(config, config.other_zone()));
                }
                Ok(told) => {
                    if asks_role {
                        tried.set_role(told.role.as_deref());
                    }
                    let standing = told.standing.as_deref();
                    connection.set_standing(standing.and_then(|it| Standing::parse(it, session)));
                    break told.packet_max;
                }
                Err(error) => error,
            };
            // The server does not have this character set: the next one.
            if error.code() == Some(UNKNOWN_CHARSET) && charsets.peek().is_some() {
                tried = setup(charsets.next());
                continue;
            }
            return Err(not_set_up(config, error));
        };
        // The server refuses a packet of exactly that size. Less than the least it can be set to is no server's word.
        let taken = taken.max(PACKET_MAX_LEAST) - 1;
        // Of what was compressed it counts the packets' heads, too.
        let taken = match agreed.compresses() {
            true => taken.saturating_sub(frame::HEADER * (taken / frame::PAYLOAD_MAX + 1)),
            false => taken,
        };
        let most = match config.max_allowed_packet {
            0 => taken,
            asked => asked.min(taken),
        };
        connection.begin_session(tried, most);
        Ok(connection)
    }
}

/// Why the session is not as it was configured.
#[cold]
fn not_set_up(config: &Config, error: Error) -> Error {
    let message = format!("no session with {}: {}", config.place(), error.message());
    let retry = error.retry();
    let failed = error_of(&error, message).with_retry(retry);
    let failed = match config.meant() {
        Some((name, near)) if error.code() == Some(UNKNOWN_VARIABLE) => failed.with_hint(format!(
            "`{name}` is no parameter and was set as a variable of the session; did you mean `{near}`?"
        )),
        _ if error.code() == Some(UNKNOWN_VARIABLE) => {
            failed.with_hint("what is no parameter is set as a variable of the session")
        }
        _ => match error.hint() {
            Some(hint) => failed.with_hint(hint.to_owned()),
            None => failed,
        },
    };
    failed.with_source(error)
}

fn error_of(error: &Error, message: String) -> Error {
    let of = Error::new(error.kind(), message).with_nothing_sent(true);
    match error.code() {
        Some(code) => of.with_code(code.to_owned()),
        None => of,
    }
}

/// What a server says of a session that was set up.
struct Told {
    /// `max_allowed_packet`.
    packet_max: usize,
    /// See [`fence::QUESTION`].
    standing: Option<String>,
    /// The session's role, if it was asked.
    role: Option<String>,
    /// Whether the session's zone is the one that is meant.
    zone_is_meant: bool,
}

/// Runs the setup and the questions behind it.
async fn set_up(connection: &mut MysqlConnection, sql: &str, asks_role: bool) -> Result<Told> {
    connection.start(Command::Script { sql })?;
    let mut batch = RowBatch::new();
    let mut told = Told { packet_max: 0, standing: None, role: None, zone_is_meant: true };
    loop {
        let step = poll_fn(|cx| connection.poll_next(cx, &mut batch)).await?;
        if let Some(row) = batch.row(0) {
            told.packet_max = usize::try_from(row.get::<u64>(0)?).unwrap_or(usize::MAX);
            told.standing = row.get(1)?;
            let zone = if asks_role { 3 } else { 2 };
            if asks_role {
                told.role = row.get(2)?;
            }
            told.zone_is_meant = row.len() <= zone || row.get::<i64>(zone)? == 1;
        }
        if matches!(step, Step::End(_)) {
            return Ok(told);
        }
    }
}

impl Connector for MysqlConnector {
    fn connect(
        self: Arc<Self>,
        _access: aquifer_driver::Access,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(self.connect_with(None))
    }

    fn connect_observed(
        self: Arc<Self>,
        _access: aquifer_driver::Access,
        observer: Arc<dyn ServerObserver>,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(self.connect_with(Some(observer)))
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
