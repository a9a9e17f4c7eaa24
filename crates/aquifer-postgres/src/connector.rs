//! [`PostgresConnector`]: from a connection string to sessions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Access, BoxFuture, Command, Connection, Connector, Dialect, Dsn, Environment, Error, ErrorKind,
    Grammar, Layout, Placeholder, Result, Retry, RowBatch, ServerObserver, Step, Want,
};
use aquifer_net::SystemFiles;
use aquifer_net::stop::Stop;

use crate::auth::{Authenticator, Identity, NONCE_BYTES, Password, Policy, SaltedPasswords};
use crate::cancel_request::CancelRequest;
use crate::config::{Config, Found, HostSpec, Pooler, QueryMode, TargetSessionAttrs};
use crate::connection::PostgresConnection;
use crate::dial::plan::{Attempt, Plan, suits};
use crate::dial::{self, Failure};
use crate::pipeline::{ARGUMENTS_MAX, Pipeline, Settings, StatementMode};
use crate::server_error::Notice;
use crate::session_observer::{Both, SessionObserver};
use crate::startup::{self, Startup};
use crate::tls::Tls;
use crate::tls::reload::TlsSource;
use crate::types::{Registered, TypeCodec};
use crate::user_types::{self, KnownTypes};

/// A parsed connection string: opens sessions with one of its hosts.
///
/// `Db::open` makes one. A program makes its own for what a connection string cannot say, and gives it to
/// `Builder::from_connector`: passwords that are fetched for each connection
/// ([`before_connect`](Self::before_connect)), a token, a [`SessionObserver`].
pub struct PostgresConnector {
    config: Config,
    tls: TlsSource,
    policy: Policy,
    before_connect: Option<BeforeConnect>,
    salted: Arc<SaltedPasswords>,
    observer: Option<Arc<dyn SessionObserver>>,
    codecs: Vec<Registered>,
    known_types: KnownTypes,
    target: String,
}

/// Makes the configuration of one connection.
type BeforeConnect = Box<dyn Fn(Config) -> BoxFuture<'static, Result<Config>> + Send + Sync>;

/// How one connection is opened.
struct Dialing<'a> {
    config: &'a Config,
    policy: &'a Policy,
    tls: Tls,
    salted: &'a Arc<SaltedPasswords>,
    observer: Option<Arc<dyn SessionObserver>>,
    /// The session is to refuse writes.
    reads: bool,
}

static DIALECT: Dialect = Dialect::new("postgresql", Grammar::Postgres)
    .placeholder(Placeholder::Dollar)
    .params_max(ARGUMENTS_MAX)
    .queries_may_write()
    .stop_fails_transaction()
    .multiplexes();

/// Of sessions whose statements have no names that last.
static DIALECT_ALONE: Dialect = {
    let mut dialect = DIALECT;
    dialect.multiplexes = false;
    dialect
};

impl PostgresConnector {
    /// Reads a connection string, the environment, and the files that they name. Dials nothing.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the parameter, the variable or the file.
    pub fn from_dsn(dsn: &Dsn, environment: &dyn Environment) -> Result<Self> {
        Self::new(Config::from_dsn(dsn, environment)?)
    }

    /// A connector of this configuration. Reads the files that it names.
    ///
    /// # Errors
    ///
    /// `Configuration`, naming the parameter or the file.
    pub fn new(config: Config) -> Result<Self> {
        let tls = TlsSource::new(config.ssl.clone());
        // What is wrong with a file is said now, not by the first connect.
        tls.get(&SystemFiles)?;
        Ok(Self {
            tls,
            policy: config.policy()?,
            before_connect: None,
            salted: Arc::new(SaltedPasswords::new(SaltedPasswords::ENTRIES)),
            observer: None,
            codecs: Vec::new(),
            known_types: KnownTypes::default(),
            target: config.target(),
            config,
        })
    }

    /// Has `hook` make the configuration of each connection, just before it is dialled, from a copy of
    /// this connector's: for passwords and tokens that expire, and for hosts that move.
    ///
    /// It is called once per connection, before the first host is tried, within the pool's
    /// `connect_timeout` but outside the one of the configuration, and may be called for several
    /// connections at the same time. Its future may be dropped. Its error fails the connect as it stands, and
    /// a waiting call gets it; with [`Retry::Safe`] the pool dials again after a pause. What cannot change
    /// is where connections are said to go ([`Connector::target`]).
    ///
    /// ```
    /// # use aquifer_driver::{Dsn, ProcessEnvironment, Result};
    /// # use aquifer_postgres::{PostgresConnector, Secret};
    /// # async fn fetch_token() -> Result<String> { Ok(String::new()) }
    /// # fn main() -> Result<()> {
    /// let dsn = Dsn::parse("postgres://app@db1/shop")?;
    /// let connector = PostgresConnector::from_dsn(&dsn, &ProcessEnvironment)?
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
        self.before_connect = Some(Box::new(move |config| Box::pin(hook(config))));
        self
    }

    /// Has `observer` hear the notices, notifications and changed settings of all sessions.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn SessionObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Has `codec` read and write the values of the type of this name in their binary form.
    ///
    /// The name is as SQL has it, found by the session's `search_path`: `vector`, `public.geometry`,
    /// `"Mixed"`. A new session asks for the types' numbers, which is one round trip more, unless another one
    /// to the same database has been told all of them within the last minute: an extension that is dropped and created
    /// again is known to sessions that are opened a minute later. Where a database does not have the type, the codec waits. The
    /// later of two codecs of one type counts. A name that is none in SQL fails the connect with `Configuration`.
    ///
    /// See [`TypeCodec`] for an example of one, and for what it must keep to.
    #[must_use]
    pub fn with_codec(mut self, name: &str, codec: impl TypeCodec) -> Self {
        self.codecs.push(Registered { name: name.into(), codec: Arc::new(codec) });
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    async fn open(
        &self,
        access: Access,
        observer: Option<Arc<dyn ServerObserver>>,
    ) -> Result<PostgresConnection> {
        let observer = match observer {
            Some(general) => {
                let both = Both { own: self.observer.clone(), general };
                Some(Arc::new(both) as Arc<dyn SessionObserver>)
            }
            None => self.observer.clone(),
        };
        let (mut connection, database) = self.dial_to(access, observer).await?;
        user_types::learn(&mut connection, &self.codecs, &self.known_types, &database).await?;
        Ok(connection)
    }

    /// Who hears the sessions of this connector.
    pub(crate) fn observer(&self) -> Option<Arc<dyn SessionObserver>> {
        self.observer.clone()
    }

    /// A session that only `observer` hears.
    pub(crate) async fn dial(
        &self,
        observer: Option<Arc<dyn SessionObserver>>,
    ) -> Result<PostgresConnection> {
        Ok(self.dial_to(Access::ReadWrite, observer).await?.0)
    }

    /// As [`dial`](Self::dial), and which database that is.
    async fn dial_to(
        &self,
        access: Access,
        observer: Option<Arc<dyn SessionObserver>>,
    ) -> Result<(PostgresConnection, String)> {
        let Some(hook) = &self.before_connect else {
            let tls = self.tls.get(&SystemFiles)?;
            let dialing = self.dialing(&self.config, &self.policy, tls, observer, access);
            let (connection, host) = dialing.open().await?;
            return Ok((connection, self.database(&self.config, host)));
        };
        let config = hook(self.config.clone()).await?;
        if config.hosts.is_empty() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the hook `before_connect` has left no host to connect to",
            ));
        }
        let tls = match config.ssl == self.config.ssl {
            true => self.tls.get(&SystemFiles)?,
            false => Tls::load(&config.ssl, &SystemFiles)?,
        };
        let (connection, host) =
            self.dialing(&config, &config.policy()?, tls, observer, access).open().await?;
        Ok((connection, self.database(&config, host)))
    }

    /// What decides what the name of a type means: the host, the database, the user and the settings. Asked
    /// for codecs only.
    fn database(&self, config: &Config, host: usize) -> String {
        match self.codecs.is_empty() {
            true => String::new(),
            false => format!("{} {:?}", config.hosts[host], config.startup_parameters()),
        }
    }

    fn dialing<'a>(
        &'a self,
        config: &'a Config,
        policy: &'a Policy,
        tls: Tls,
        observer: Option<Arc<dyn SessionObserver>>,
        access: Access,
    ) -> Dialing<'a> {
        // Only of sessions that several callers share anybody asks for that.
        let reads = access == Access::ReadOnly && multiplexes(config);
        Dialing { config, policy, tls, salted: &self.salted, observer, reads }
    }

    async fn connect_with(
        self: Arc<Self>,
        access: Access,
        observer: Option<Arc<dyn ServerObserver>>,
    ) -> Result<Box<dyn Connection>> {
        aquifer_net::runtime("PostgreSQL")?;
        let connection = self.open(access, observer).await?;
        Ok(Box::new(connection))
    }
}

impl Dialing<'_> {
    /// Tries hosts and kinds of encryption until one gives the session that is wanted; that host's index, too.
    async fn open(&self) -> Result<(PostgresConnection, usize)> {
        let mut plan = Plan::new(self.config, seed()?);
        while let Some(attempt) = plan.next() {
            match self.attempt(attempt).await {
                Ok(connection) => return Ok((connection, attempt.host)),
                Err((failure, error)) => plan.failed(failure, error),
            }
        }
        Err(plan.into_error())
    }

    async fn attempt(&self, attempt: Attempt) -> Result<PostgresConnection, (Failure, Error)> {
        let host = &self.config.hosts[attempt.host];
        let tried = async {
            match self.log_in(host, attempt, self.reads).await {
                // A pooler refuses settings that it does not know. Nothing else has this one in its error.
                Err((_, error)) if self.reads && error.message().contains(READ_ONLY) => {
                    self.log_in(host, attempt, false).await
                }
                tried => tried,
            }
        };
        // A host that is silent must not take the time of the next one.
        let several = self.config.hosts.len() > 1;
        let budget = self.config.connect_timeout.or(several.then_some(OF_SEVERAL_HOSTS));
        let connection = match budget {
            None => tried.await,
            // As in libpq, each attempt has the whole budget.
            Some(budget) => match tokio::time::timeout(budget, tried).await {
                Ok(tried) => tried,
                Err(_) => Err((Failure::Unreachable, too_slow(host, budget))),
            },
        }?;
        Ok(connection)
    }

    async fn log_in(
        &self,
        host: &HostSpec,
        attempt: Attempt,
        reads: bool,
    ) -> Result<PostgresConnection, (Failure, Error)> {
        let tcp = &self.config.tcp;
        let peer = self.config.require_peer.as_deref();
        let dialled = dial::dial(host, tcp, &self.tls, peer, attempt.encryption, attempt.shuffle)
            .await
            .map_err(|undialled| (undialled.failure, undialled.error))?;
        let encrypted = dialled.tls();
        let mut stream = dialled.stream;
        let (password, hint) = self.password(host);
        if let (Some(why), Some(observer)) = (&hint, &self.observer) {
            observer.notice(&Notice::warning(why));
        }
        let identity = Identity {
            user: self.config.user.clone(),
            password,
            token: self.config.token.as_ref().map(|token| Password::from(token.expose())),
            tls: encrypted,
            end_point: dialled.end_point,
        };
        let nonce = nonce().map_err(|error| (Failure::Final, error))?;
        let salted = Arc::clone(self.salted);
        let authenticator = Authenticator::new(self.policy.clone(), identity, salted, nonce);
        let versions =
            (self.config.min_protocol_version.number(), self.config.max_protocol_version.number());
        let startup = Startup::new(authenticator, self.observer.clone(), versions);
        let mut parameters = self.config.startup_parameters();
        // Where the role of the host shows in the same setting, it is looked at before that is set.
        let told_by_it = [TargetSessionAttrs::ReadWrite, TargetSessionAttrs::ReadOnly];
        if reads && !told_by_it.contains(&attempt.wanted) {
            parameters.retain(|(name, _)| !name.eq_ignore_ascii_case(READ_ONLY));
            // It counts more than what stands in `options`.
            parameters.push((READ_ONLY, "on"));
        }
        let session = startup::log_in(&mut stream, startup, parameters)
            .await
            .map_err(|error| (Failure::of_session(&error, encrypted), at(host, error, hint)))?;
        let mode = statement_mode(self.config);
        let pooled = self.config.pooler == Pooler::Transaction;
        let request = CancelRequest {
            address: dialled.address,
            tcp: tcp.clone(),
            tls: self.tls.clone(),
            process: session.process,
            key: session.key,
            budget: self.config.connect_timeout,
            behind_pooler: mode != StatementMode::Named || pooled,
        };
        let runtime = tokio::runtime::Handle::current();
        let stop = Stop::new(Arc::new(request), runtime, session.process);
        let settings = Settings {
            mode,
            pooled,
            statements_max: self.config.statement_cache_capacity,
            name_prefix: name_prefix().map_err(|error| (Failure::Final, error))?,
            observer: self.observer.clone(),
        };
        let pipeline = Pipeline::new(settings, session.parameters);
        let mut connection = PostgresConnection::new(stream, pipeline, stop);
        self.check_role(&mut connection, host, attempt.wanted).await?;
        // Not set yet, refused or ignored by a pooler, or not reported (before version 14).
        if self.reads && connection.default_transaction_read_only() != Some(true) {
            set_read_only(&mut connection).await.map_err(|error| (Failure::Unreachable, error))?;
        }
        Ok(connection)
    }

    /// The session must be what `target_session_attrs` wants. What the server reports decides; servers
    /// before version 14 are asked.
    async fn check_role(
        &self,
        connection: &mut PostgresConnection,
        host: &HostSpec,
        wanted: TargetSessionAttrs,
    ) -> Result<(), (Failure, Error)> {
        if wanted == TargetSessionAttrs::Any {
            return Ok(());
        }
        let reported = (connection.default_transaction_read_only(), connection.in_hot_standby());
        let (read_only, standby) = match reported {
            (Some(read_only), Some(standby)) => (read_only, standby),
            _ => ask_role(connection).await.map_err(|error| (Failure::Unreachable, error))?,
        };
        if suits(wanted, read_only, standby) {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::Connect,
            format!("no connection to {host}: the session is not {}", wanted.word()),
        )
        .with_retry(Retry::Safe);
        Err((Failure::WrongRole, error))
    }

    /// The password for a host, and why a password file was not used.
    fn password(&self, host: &HostSpec) -> (Option<Password>, Option<String>) {
        match self.config.password_for(host, &SystemFiles) {
            Found::Password(secret) => (Some(Password::from(secret.expose())), None),
            Found::Nothing => (None, None),
            Found::Ignored(why) => (None, Some(why)),
        }
    }
}

impl fmt::Debug for PostgresConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnector").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Connector for PostgresConnector {
    fn connect(self: Arc<Self>, access: Access) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(self.connect_with(access, None))
    }

    fn connect_observed(
        self: Arc<Self>,
        access: Access,
        observer: Arc<dyn ServerObserver>,
    ) -> BoxFuture<'static, Result<Box<dyn Connection>>> {
        Box::pin(self.connect_with(access, Some(observer)))
    }

    fn dialect(&self) -> &Dialect {
        if multiplexes(&self.config) { &DIALECT } else { &DIALECT_ALONE }
    }

    fn layout(&self) -> Layout {
        Layout::Equal
    }

    fn target(&self) -> &str {
        &self.target
    }
}

/// The setting whose value new transactions have.
const READ_ONLY: &str = "default_transaction_read_only";

fn statement_mode(config: &Config) -> StatementMode {
    match config.query_mode {
        QueryMode::CacheDescribe => StatementMode::Described,
        QueryMode::SimpleProtocol => StatementMode::Simple,
        QueryMode::CacheStatement => StatementMode::Named,
    }
}

/// Whether sessions can run statements of several callers: names must last as long as the session.
fn multiplexes(config: &Config) -> bool {
    statement_mode(config) == StatementMode::Named && config.pooler != Pooler::Transaction
}

/// Has a session refuse writes that was not opened so.
async fn set_read_only(connection: &mut PostgresConnection) -> Result<()> {
    connection.start(Command::Script { sql: "SET default_transaction_read_only = on" })?;
    let mut batch = RowBatch::new();
    let poll = |cx: &mut std::task::Context<'_>| connection.poll_next(cx, &mut batch);
    std::future::poll_fn(poll).await?;
    connection.adopt_session();
    Ok(())
}

/// The error, with the host it came from.
fn at(host: &HostSpec, error: Error, hint: Option<String>) -> Error {
    let kind = match error.kind() {
        kind @ (ErrorKind::Authentication
        | ErrorKind::Connect
        | ErrorKind::Protocol
        | ErrorKind::Unsupported
        | ErrorKind::Configuration) => kind,
        _ => ErrorKind::Connect,
    };
    let (retry, state) = (error.retry(), error.sqlstate().map(str::to_owned));
    let mut at = Error::new(kind, format!("no session with {host}: {}", error.message()))
        .with_retry(retry)
        .with_nothing_sent(true);
    if let Some(state) = state {
        at = at.with_sqlstate(&state);
    }
    if let Some(hint) = hint.or_else(|| error.hint().map(str::to_owned)) {
        at = at.with_hint(hint);
    }
    match std::error::Error::source(&error) {
        Some(_) => at.with_source(error),
        None => at,
    }
}

/// What each of several hosts may take where no `connect_timeout` says so.
const OF_SEVERAL_HOSTS: Duration = Duration::from_secs(2);

#[cold]
fn too_slow(host: &HostSpec, budget: Duration) -> Error {
    let budget = budget.as_secs();
    Error::new(
        ErrorKind::Connect,
        format!("no connection to {host}: not within the {budget} s of `connect_timeout`"),
    )
    .with_retry(Retry::Safe)
}

/// For servers that do not report their role.
async fn ask_role(connection: &mut PostgresConnection) -> Result<(bool, bool)> {
    const SQL: &str = "SELECT current_setting('default_transaction_read_only') = 'on', \
                       pg_catalog.pg_is_in_recovery()";
    connection.start(Command::Execute { sql: SQL, params: &(), want: Want::All })?;
    let mut batch = RowBatch::new();
    let mut role = None;
    loop {
        let step = std::future::poll_fn(|cx| connection.poll_next(cx, &mut batch)).await?;
        if let Some(row) = batch.row(0) {
            role = Some((row.get::<bool>(0)?, row.get::<bool>(1)?));
        }
        if matches!(step, Step::End(_)) {
            let none = || Error::new(ErrorKind::Protocol, "the server did not tell its role");
            return role.ok_or_else(none);
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Io, format!("the system gives no random numbers: {error}"))
    })?;
    Ok(bytes)
}

fn nonce() -> Result<[u8; NONCE_BYTES]> {
    random()
}

fn seed() -> Result<u64> {
    random().map(u64::from_ne_bytes)
}

/// Statement names that no other client of a pooler uses.
fn name_prefix() -> Result<Box<str>> {
    let [a, b, c, d] = random::<4>()?;
    Ok(format!("aq{a:02x}{b:02x}{c:02x}{d:02x}_").into())
}
