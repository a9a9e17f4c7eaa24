//! [`Builder`]: options, hooks and observers, before a `Db` is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{
    Access, Connector, Dsn, Environment, Error, ErrorKind, Layout, ProcessEnvironment, Registry,
    Result,
};

use crate::commit::Marks;
use crate::db::{Db, Shared};
use crate::errors;
use crate::hooks::Hooks;
use crate::lane::Lane;
use crate::manage::{Curious, Farewell, Manager};
use crate::multiplex::{Mux, Timing};
use crate::observe::{Book, Ear, Observer};
use crate::options::{DbOptions, Multiplexing};
use crate::server_limit::ServerLimit;
use crate::source::Source;
use crate::text::Texts;
use crate::volatility::Volatility;

/// What our options' names begin with in a URL.
const PREFIX: &str = "pool_";

/// The hint of an unknown option, spelled as in a URL.
#[cold]
fn in_url(error: Error, name: &str) -> Error {
    let (ours, theirs) = (format!("`{name}`"), format!("`{PREFIX}{name}`"));
    let message = error.message().replacen(&ours, &theirs, 1);
    let error = Error::new(error.kind(), message).with_nothing_sent(error.nothing_sent());
    let near = aquifer_driver::suggest::nearest(name, DbOptions::names());
    match near.filter(|near| *near != name) {
        Some(near) => error.with_hint(format!("did you mean `{PREFIX}{near}`?")),
        None => error,
    }
}

/// The driver refused the URL: perhaps over an option that is ours, and lacks the prefix.
#[cold]
fn without_prefix(error: Error, dsn: &Dsn) -> Error {
    let ours = dsn.params().iter().find_map(|(key, _)| {
        let known = DbOptions::names().any(|name| name == key);
        (known && error.message().contains(&format!("`{key}`"))).then_some(key)
    });
    match ours {
        Some(key) => error.with_hint(format!("did you mean `{PREFIX}{key}`?")),
        None => error,
    }
}

#[cfg(not(feature = "explain"))]
#[cold]
fn without_plans(_: Duration) -> Error {
    Error::new(ErrorKind::Configuration, "the option `slow_plan` reads plans")
        .with_hint("enable the cargo feature `explain` of aquifer, or leave the option out")
}

/// What calls of many tasks share.
#[derive(Debug, Clone, Copy)]
enum Sharing {
    Nothing,
    /// Whole flights, one after the other, of reads.
    Flights,
    /// Connections, whose sessions are for this.
    Connections(Access),
}

/// What is shared with these options, over this engine.
fn sharing(connector: &dyn Connector, options: &DbOptions) -> Result<Sharing> {
    let (multiplex, dialect) = (options.calls.multiplex, connector.dialect());
    let access = match multiplex {
        Multiplexing::Off => return Ok(Sharing::Nothing),
        Multiplexing::Reads => Access::ReadOnly,
        Multiplexing::Statements => Access::ReadWrite,
    };
    if dialect.multiplexes && connector.layout() == Layout::Equal {
        let connections = options.calls.multiplex_connections;
        return match connections {
            0 => Err(nothing_to_share()),
            _ if connections < options.pool.max_open => Ok(Sharing::Connections(access)),
            _ => Err(no_room_to_share(connections, options.pool.max_open)),
        };
    }
    // What a dropped call leaves of a shared flight is sent again, so nothing in it may write.
    match multiplex {
        Multiplexing::Reads if !dialect.queries_may_write => Ok(Sharing::Flights),
        _ => Err(cannot_share(dialect.name, multiplex)),
    }
}

#[cold]
fn nothing_to_share() -> Error {
    Error::new(ErrorKind::Configuration, "`multiplex_connections` (0) must be at least 1")
        .with_hint("to share no connections, leave `multiplex` at `off`")
}

#[cold]
fn no_room_to_share(connections: u32, max_open: u32) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("`multiplex_connections` ({connections}) must be less than `max_open` ({max_open})"),
    )
    .with_hint("they count among `max_open`; transactions, and whatever else has a connection to itself, need at least one")
}

#[cold]
fn cannot_share(engine: &str, multiplex: Multiplexing) -> Error {
    let error = Error::new(
        ErrorKind::Configuration,
        format!(
            "the option `multiplex` is not usable: a session of {engine} runs one statement at a time"
        ),
    );
    error.with_hint(match multiplex {
        Multiplexing::Statements => "leave it `off`: each call then has a connection to itself; `reads` may be possible here",
        _ => "leave it `off`: each call then has a connection to itself",
    })
}

/// Makes a [`Db`]. Every option here is also a URL parameter (prefix `pool_`) and a configuration key.
///
/// Where an option is given more than once, in whatever order, the nearest to the program wins: a setter
/// here, then the URL, then [`options`](Self::options) (from a file or the environment), then the default.
///
/// ```
/// use std::time::Duration;
/// use aquifer::Db;
///
/// let db = Db::builder("sqlite::memory:")?
///     .max_open(20)
///     .acquire_timeout(Duration::from_millis(250))
///     .open()?;
/// # Ok::<(), aquifer::Error>(())
/// ```
pub struct Builder {
    origin: Origin,
    /// From a file, the environment, or the defaults.
    base: DbOptions,
    /// The URL's own, on top of those.
    from_url: Vec<(String, String)>,
    /// What the program has set, on top of all.
    set: Vec<Change>,
    registry: Registry,
    environment: Box<dyn Environment + Send>,
    hooks: Hooks,
    observers: Vec<Arc<dyn Observer>>,
    check_query: Option<Arc<str>>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("origin", &self.origin)
            .field("options", &self.effective())
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

/// Where connections come from.
enum Origin {
    Dsn(Dsn),
    Connector(Arc<dyn Connector>),
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dsn(dsn) => dsn.fmt(f),
            Self::Connector(connector) => connector.fmt(f),
        }
    }
}

/// An option that the program has set.
type Change = Box<dyn Fn(&mut DbOptions) + Send>;

/// Sets a pool option; the documentation is the option's own.
macro_rules! pool_options {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $value:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, $name: $type) -> Self {
            self.change(move |options| options.pool.$name = $value)
        }
    )*};
}

impl Builder {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let mut dsn = Dsn::parse(url)?;
        let mut options = DbOptions::default();
        let from_url = dsn.take_params(PREFIX);
        for (name, value) in &from_url {
            options.set(name, value).map_err(|error| in_url(error, name))?;
        }
        Ok(Self { from_url, ..Self::with(Origin::Dsn(dsn)) })
    }

    pub(crate) fn native(driver: &str, dsn: &str) -> Self {
        Self::with(Origin::Dsn(Dsn::native(driver, dsn)))
    }

    /// Starts a handle over a connector that the program has made itself, without URL or registry.
    ///
    /// ```
    /// use aquifer::Builder;
    /// use aquifer::driver::{Driver, Dsn, EmptyEnvironment};
    ///
    /// let dsn = Dsn::parse("sqlite::memory:")?;
    /// let connector = aquifer::sqlite::SqliteDriver::new().connector(&dsn, &EmptyEnvironment)?;
    /// let db = Builder::from_connector(connector).max_open(4).open()?;
    /// # Ok::<(), aquifer::Error>(())
    /// ```
    pub fn from_connector(connector: Arc<dyn Connector>) -> Self {
        Self::with(Origin::Connector(connector))
    }

    fn with(origin: Origin) -> Self {
        Self {
            origin,
            base: DbOptions::default(),
            from_url: Vec::new(),
            set: Vec::new(),
            registry: crate::drivers(),
            environment: Box::new(ProcessEnvironment),
            hooks: Hooks::default(),
            observers: Vec::new(),
            check_query: None,
        }
    }

    pool_options! {
        /// The most connections that may be open at any time.
        max_open: u32 => max_open;
        /// How many connections are kept idle and ready.
        min_idle: u32 => min_idle;
        /// How many connections may stay idle.
        max_idle: u32 => Some(max_idle);
        /// How old a connection may become; replaced before it expires.
        max_lifetime: Duration => Some(max_lifetime);
        /// How long a connection may stay idle.
        max_idle_time: Duration => Some(max_idle_time);
        /// How long a call may wait for a connection.
        acquire_timeout: Duration => acquire_timeout;
        /// How long opening a connection may take.
        connect_timeout: Duration => connect_timeout;
        /// How many calls may wait for a connection; further ones fail at once.
        max_waiters: u32 => max_waiters;
    }

    /// The budget of every call that sets none of its own.
    #[must_use]
    pub fn query_timeout(self, timeout: Duration) -> Self {
        self.change(move |options| options.calls.query_timeout = Some(timeout))
    }

    /// What many tasks run over few connections, without waiting for each other's answers.
    #[must_use]
    pub fn multiplex(self, multiplex: Multiplexing) -> Self {
        self.change(move |options| options.calls.multiplex = multiplex)
    }

    /// How many of the connections are shared where calls are multiplexed.
    #[must_use]
    pub fn multiplex_connections(self, connections: u32) -> Self {
        self.change(move |options| options.calls.multiplex_connections = connections)
    }

    /// From what duration on a call counts as slow.
    #[must_use]
    pub fn slow_call(self, bound: Duration) -> Self {
        self.change(move |options| options.calls.slow_call = Some(bound))
    }

    /// From what duration on the plan of a read is asked for, in the background, and shown to observers
    /// ([`Observer::slow_plan`]).
    #[cfg(feature = "explain")]
    #[must_use]
    pub fn slow_plan(self, bound: Duration) -> Self {
        self.change(move |options| options.calls.slow_plan = Some(bound))
    }

    /// Takes these options, as read from a file or the environment, in place of the defaults. What the URL
    /// or another method here says of an option comes before them, whichever is called first.
    #[must_use]
    pub fn options(mut self, options: DbOptions) -> Self {
        self.base = options;
        self
    }

    fn change(mut self, change: impl Fn(&mut DbOptions) + Send + 'static) -> Self {
        self.set.push(Box::new(change));
        self
    }

    /// The options in force.
    fn effective(&self) -> DbOptions {
        let mut options = self.base.clone();
        for (name, value) in &self.from_url {
            // It was checked when the URL was read.
            let _ = options.set(name, value);
        }
        for change in &self.set {
            change(&mut options);
        }
        options
    }

    /// Sets one option from text, by its name without the URL's prefix.
    ///
    /// # Errors
    ///
    /// An unknown name, or a value that cannot be used.
    pub fn set(self, name: &str, value: &str) -> Result<Self> {
        DbOptions::default().set(name, value)?;
        let (name, value) = (name.to_owned(), value.to_owned());
        Ok(self.change(move |options| {
            // It was checked when it was given.
            let _ = options.set(&name, &value);
        }))
    }

    /// The drivers to choose from, instead of the built-in ones.
    ///
    /// ```no_run
    /// # fn my_driver() -> impl aquifer_driver::Driver { aquifer_sqlite::SqliteDriver::new() }
    /// let mut registry = aquifer::Registry::new();
    /// registry.register(my_driver())?;
    /// let db = aquifer::Db::builder("sqlite::memory:")?.registry(registry).open()?;
    /// # Ok::<(), aquifer::Error>(())
    /// ```
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Where drivers look for variables, home and user name, instead of the process.
    #[must_use]
    pub fn environment(mut self, environment: impl Environment + Send + 'static) -> Self {
        self.environment = Box::new(environment);
        self
    }

    /// Callbacks around a connection's life.
    #[must_use]
    pub fn hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// Adds an observer.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// What a check of an idle connection runs, instead of the driver's own ping.
    #[must_use]
    pub fn check_query(mut self, sql: &str) -> Self {
        self.check_query = Some(sql.into());
        self
    }

    /// Makes the handle. Dials nothing and needs no runtime.
    ///
    /// # Errors
    ///
    /// An unknown scheme, a URL that the driver cannot use, or options that contradict each other.
    pub fn open(self) -> Result<Db> {
        let options = self.effective();
        let connector = match self.origin {
            Origin::Connector(connector) => connector,
            Origin::Dsn(dsn) => self
                .registry
                .connector(&dsn, &*self.environment)
                .map_err(|error| without_prefix(error, &dsn))?,
        };
        options.pool.validate().map_err(errors::options)?;
        let labels_max = options.calls.labels_max as usize;
        #[cfg_attr(not(feature = "explain"), expect(unused_mut, reason = "plans are read there"))]
        let mut book = Book::new(self.observers, options.calls.slow_call, labels_max);
        if let Some(after) = options.calls.slow_plan {
            #[cfg(feature = "explain")]
            book.wants_plans(after);
            #[cfg(not(feature = "explain"))]
            return Err(without_plans(after));
        }
        let book = Arc::new(book);
        let farewell = Arc::new(Farewell::new(Arc::clone(&connector)));
        let limit = book.is_watched().then(|| Arc::new(ServerLimit::default()));
        let manager = |name: &Arc<str>, access| {
            let check_query = self.check_query.clone();
            let cancel_after = options.calls.cancel_after;
            let tallies = Arc::clone(book.tallies());
            let curious = limit.clone().map(|limit| {
                let ear = Ear { book: Arc::clone(&book), pool: Arc::clone(name) };
                Curious { ear: Arc::new(ear), limit }
            });
            Manager::new(Arc::clone(&farewell), access, cancel_after, check_query, tallies)
                .heard_by(curious)
        };
        let hooks = |name: &Arc<str>| self.hooks.watched(name, &book);
        let sharing = sharing(&*connector, &options)?;
        let shared = match sharing {
            Sharing::Connections(access) => Some((options.calls.multiplex_connections, access)),
            Sharing::Nothing | Sharing::Flights => None,
        };
        let source = Source::new(connector.layout(), &options.pool, shared, manager, hooks)?;
        let mux = source.shared().map(|pool| {
            let calls = &options.calls;
            let timing = Timing {
                cancel_after: calls.cancel_after,
                recover_timeout: options.pool.recover_timeout,
                acquire_timeout: options.pool.acquire_timeout,
                max_lifetime: options.pool.max_lifetime,
            };
            let tally = book.tallies().tally();
            Mux::new(pool.clone(), calls.multiplex_connections, calls.multiplex, timing, tally)
        });
        let texts = Texts::new(connector.dialect(), options.calls.texts_max as usize);
        let lane = matches!(sharing, Sharing::Flights).then(Lane::default);
        let grammar = connector.dialect().grammar;
        let volatility = mux.as_ref().and_then(|_| Volatility::new(grammar));
        let db = Db::new(Shared {
            connector,
            farewell,
            source,
            texts,
            book,
            lane,
            mux,
            volatility,
            marks: Marks::default(),
            options,
        });
        if let Some(limit) = limit {
            limit.of(&db);
        }
        #[cfg(feature = "explain")]
        if let Some(plans) = db.book().plans() {
            plans.of(&db);
        }
        Ok(db)
    }

    /// [`open`](Self::open), then a ping: fails if the database cannot be reached.
    ///
    /// # Errors
    ///
    /// As `open` and [`Db::ping`].
    pub async fn connect(self) -> Result<Db> {
        let db = self.open()?;
        match db.ping().await {
            Ok(()) => Ok(db),
            Err(error) => {
                drop(db.close_within(Duration::ZERO).await);
                Err(error)
            }
        }
    }
}
