//! [`Db`]: the handle that everything starts from.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use aquifer_driver::{
    Access, Command, Connector, Description, Dialect, Error, ErrorKind, FromRow, Layout, Mapping,
    ParamBuf, Params, Result, TxOptions, Want,
};
use aquifer_pool::{AcquireError, AcquireRequest, CloseReason, Pool};
use tokio::time::Instant;

use crate::builder::Builder;
use crate::commit::{self, Marks};
use crate::conn::Conn;
use crate::deadline::During;
use crate::errors;
use crate::first::Begun;
use crate::lane::Lane;
use crate::manage::{Farewell, Manager};
use crate::multiplex::{MultiplexStats, Mux};
use crate::named::{self, NamedArgs};
use crate::observe::{Book, Call, CallStats, Label};
use crate::options::DbOptions;
use crate::rows::{Owner, Rows, Watch};
use crate::session::Session;
use crate::source::{Intent, Lease, Source};
use crate::sql::{self, Lexis};
use crate::stats::{CloseReport, Stats, WarmUp};
use crate::stream::RowStream;
use crate::target::{Target, calls};
use crate::text::{Text, Texts};
use crate::tx::Tx;
use crate::volatility::Volatility;

/// How often a call is tried again because the connection it got turned out to be dead before anything
/// was sent: twice, as `database/sql` does.
const BAD_CONNECTION_RETRIES: u32 = 2;

/// A database: a cheap handle to a pool of connections, shared by cloning.
///
/// A handle carries a scope: a timeout, a label, a way of mapping rows. [`timeout`](Self::timeout),
/// [`label`](Self::label) and the like give another handle over the same pool with another scope.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
    /// None if there is nothing to it: what most handles lack is seen at one look.
    scope: Option<Scope>,
}

pub(crate) struct Shared {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) farewell: Arc<Farewell>,
    pub(crate) source: Source,
    pub(crate) texts: Texts,
    pub(crate) book: Arc<Book>,
    pub(crate) lane: Option<Lane>,
    pub(crate) mux: Option<Arc<Mux>>,
    /// Where functions can be volatile, and it matters.
    pub(crate) volatility: Option<Volatility>,
    pub(crate) marks: Marks,
    pub(crate) options: DbOptions,
}

/// What a handle's calls have in common.
#[derive(Debug, Clone, Default)]
struct Scope {
    timeout: Option<Duration>,
    label: Option<Arc<Label>>,
    mapping: Mapping,
    access: Option<Access>,
    /// Of one call that has begun elsewhere: when.
    since: Option<Instant>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("target", &self.shared.connector.target())
            .field("engine", &self.shared.connector.dialect().name)
            .finish_non_exhaustive()
    }
}

/// Opening and closing.
impl Db {
    /// Reads a URL and makes a handle. Dials nothing and needs no runtime: the first call connects.
    ///
    /// ```
    /// let db = aquifer::Db::open("sqlite::memory:")?;
    /// # Ok::<(), aquifer::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A URL, scheme or option that cannot be used.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url)?.open()
    }

    /// [`open`](Self::open), then [`ping`](Self::ping): fails if the database cannot be reached.
    ///
    /// # Errors
    ///
    /// As `open` and `ping`.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder(url)?.connect().await
    }

    /// As [`open`](Self::open), for a DSN in the driver's own form.
    ///
    /// # Errors
    ///
    /// An unknown driver, or a DSN that it cannot use.
    pub fn open_with(driver: &str, dsn: &str) -> Result<Self> {
        Builder::native(driver, dsn).open()
    }

    /// Starts a handle with options beyond the URL's.
    ///
    /// # Errors
    ///
    /// A URL that cannot be taken apart, or a `pool_` option that cannot be used.
    pub fn builder(url: &str) -> Result<Builder> {
        Builder::new(url)
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self::over(Arc::new(shared))
    }

    fn over(shared: Arc<Shared>) -> Self {
        let timeout = shared.options.calls.query_timeout;
        let db = Self { shared, scope: None };
        if timeout.is_some() { db.scoped(|scope| scope.timeout = timeout) } else { db }
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    #[inline]
    pub(crate) fn volatility(&self) -> Option<&Volatility> {
        self.shared.volatility.as_ref()
    }

    /// A handle without a scope of its own, if the database is still in use.
    pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(Self::over)
    }

    /// Gets a connection and asks the engine for a sign of life.
    ///
    /// # Errors
    ///
    /// No connection in time, or no answer.
    pub async fn ping(&self) -> Result<()> {
        let deadline = self.deadline();
        let access = self.own_access().unwrap_or(Access::ReadWrite);
        let mut lease = self.lease(access, deadline).await?;
        lease.start(Command::Ping).map_err(|error| self.named(error))?;
        let answer = lease.finish_before(deadline, During::Check).await;
        answer.map(drop).map_err(|error| self.named(error))
    }

    /// Closes the pool: newcomers and waiters fail at once with
    /// [`Closed`](crate::ErrorKind::Closed), idle connections go, and connections that are out are waited
    /// for, for up to ten seconds; see [`close_within`](Self::close_within).
    pub async fn close(&self) -> CloseReport {
        self.close_within(Duration::from_secs(10)).await
    }

    /// As [`close`](Self::close), waiting for connections that are out for up to `patience`. What is
    /// still out then is reported, and closed as it comes back.
    pub async fn close_within(&self, patience: Duration) -> CloseReport {
        let started = Instant::now();
        Box::pin(commit::tidy_up(self, patience)).await;
        if let Some(mux) = &self.shared.mux {
            mux.close();
        }
        let mut closed = CloseReport::default();
        for named in self.shared.source.pools() {
            let left = patience.saturating_sub(started.elapsed());
            closed.add(named.pool.close(left).await);
        }
        if closed.is_clean() {
            self.shared.farewell.say();
        }
        closed
    }

    /// What the pool and the calls have done so far.
    pub fn stats(&self) -> Stats {
        let pools = self
            .shared
            .source
            .pools()
            .map(|named| (Arc::clone(&named.name), named.pool.stats()))
            .collect();
        let multiplex = match (&self.shared.mux, &self.shared.lane) {
            (Some(mux), _) => mux.stats(),
            (None, Some(lane)) => lane.stats(),
            (None, None) => MultiplexStats::default(),
        };
        Stats::new(pools, self.shared.book.calls(), multiplex)
    }

    /// Statistics by label, sorted by name.
    pub fn label_stats(&self) -> Vec<(Arc<str>, CallStats)> {
        self.shared.book.labels()
    }

    /// Opens connections now until `connections` are open, never beyond the limit, with the hooks around
    /// a dial; what was achieved is reported, also if it is only a part.
    ///
    /// # Errors
    ///
    /// If the pool is closed, or there is no runtime.
    pub async fn warm_up(&self, connections: u32) -> Result<WarmUp> {
        crate::stats::warm_up(&self.shared.source, connections).await
    }

    /// Changes the most connections that may be open; surplus idle ones go now, busy ones as they come
    /// back.
    ///
    /// # Errors
    ///
    /// A limit that cannot be used.
    pub fn resize(&self, max_open: u32) -> Result<()> {
        let refuse = |problem: &'static str| {
            Err(Error::new(ErrorKind::Configuration, problem).with_nothing_sent(true))
        };
        match &self.shared.source {
            Source::Equal(named) => named.pool.resize(max_open).map_err(errors::options),
            Source::Shared { primary, shared } => {
                let connections = shared.pool.options().max_open;
                match max_open.checked_sub(connections).filter(|rest| *rest > 0) {
                    Some(rest) => primary.pool.resize(rest).map_err(errors::options),
                    None => refuse(
                        "`multiplex_connections` are shared by many calls: `max_open` must be larger than that",
                    ),
                }
            }
            Source::One(_) if max_open == 1 => Ok(()),
            Source::One(_) => refuse("this database lives in its one connection; it has no other"),
            Source::ReadersAndWriter { .. } if max_open < 2 => refuse(
                "this database has one connection that writes and others that read: `max_open` must be at least 2",
            ),
            Source::ReadersAndWriter { readers, .. } => {
                readers.pool.resize(max_open - 1).map_err(errors::options)
            }
        }
    }

    /// The engine's dialect: name, placeholder form, limits.
    pub fn dialect(&self) -> &Dialect {
        self.shared.connector.dialect()
    }

    /// Where connections go: `db1:5432/shop`, `demo.db`. Never a password.
    pub fn location(&self) -> &str {
        self.shared.connector.target()
    }

    /// A text with `?` as the engine will get it, for text that goes elsewhere. Calls on this handle do it
    /// themselves.
    ///
    /// # Errors
    ///
    /// A text that mixes `?` with the engine's own form, or ends inside a string or comment.
    pub fn rebind(&self, sql: &str) -> Result<Arc<str>> {
        self.texts().get(sql).map(|text| Arc::clone(text.shared_sql()))
    }

    /// Any name, quoted for text of this engine. For SQL that names a table or a column that is chosen at
    /// run time; a dot in it is part of the name (see [`Ident`](crate::Ident) for qualified names).
    ///
    /// ```
    /// # fn run(db: &aquifer::Db, table: &str) -> aquifer::Result<()> {
    /// let sql = format!("SELECT count(*) FROM {}", db.quote_ident(table)?);
    /// # Ok(()) }
    /// # let db = aquifer::Db::open("sqlite::memory:")?;
    /// # run(&db, "levels")?;
    /// assert_eq!(db.quote_ident("water \"levels\"")?, r#""water ""levels""""#);
    /// # Ok::<(), aquifer::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorKind::Argument): an empty name, or one with a NUL byte.
    pub fn quote_ident(&self, name: &str) -> Result<String> {
        Ok(sql::quote_ident(name, self.lexis().ident_quote())?)
    }

    /// A text as a string literal of this engine, where no argument can stand (DDL, `SET`). Prefer an
    /// argument wherever the engine takes one.
    ///
    /// ```
    /// # let db = aquifer::Db::open("sqlite::memory:")?;
    /// assert_eq!(db.quote_literal("it's")?, "'it''s'");
    /// # Ok::<(), aquifer::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Argument`](crate::ErrorKind::Argument): a text with a NUL byte.
    pub fn quote_literal(&self, text: &str) -> Result<String> {
        Ok(sql::quote_literal(text, &self.lexis())?)
    }

    fn lexis(&self) -> Lexis {
        Lexis::from(self.dialect().grammar)
    }

    /// The options in force.
    pub fn options(&self) -> &DbOptions {
        &self.shared.options
    }
}

/// Scopes: each gives another handle over the same pool.
impl Db {
    /// Calls through the new handle end within `timeout`, all included: queue, connect, execution, and
    /// reading. The shorter of this and `acquire_timeout` bounds the queue.
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        self.scoped(|scope| scope.timeout = Some(timeout))
    }

    /// Calls through the new handle have no timeout of their own, whatever the `Db`'s default.
    #[must_use]
    pub fn without_timeout(&self) -> Self {
        self.scoped(|scope| scope.timeout = None)
    }

    /// Calls through the new handle are counted, and named in errors and leak reports, as `label`.
    ///
    /// The first `labels_max` labels (256 by default) have statistics of their own; the calls of further
    /// ones are counted together as `_other`.
    #[must_use]
    pub fn label(&self, label: &str) -> Self {
        let label = self.shared.book.label(label);
        self.scoped(|scope| scope.label = Some(label))
    }

    /// Calls through the new handle have no label.
    #[must_use]
    pub fn without_label(&self) -> Self {
        self.scoped(|scope| scope.label = None)
    }

    /// Rows read through the new handle may have columns that no field takes.
    #[must_use]
    pub fn lax(&self) -> Self {
        self.scoped(|scope| scope.mapping = Mapping::Lax)
    }

    /// Calls through the new handle go to connections that only read, where there are such; a write
    /// there fails with [`ReadOnly`](crate::ErrorKind::ReadOnly).
    #[must_use]
    pub fn read_only(&self) -> Self {
        self.scoped(|scope| scope.access = Some(Access::ReadOnly))
    }
}

/// Calls.
impl Db {
    fn target(&self) -> Target<'_> {
        Target::db(self)
    }

    calls! { self, &self }

    /// Runs a query and gives its rows, one at a time and borrowed. They own their connection. A text of
    /// several statements gives one result set after the other
    /// ([`Rows::next_result_set`](crate::Rows::next_result_set)), and goes no further than it is read.
    ///
    /// When this returns, the engine has accepted the statement and its first rows are here.
    ///
    /// # Errors
    ///
    /// No connection in time, the engine's error, or the deadline.
    pub async fn query<P: Params>(&self, sql: &str, params: P) -> Result<Rows<'static>> {
        if params.has_lists() {
            let (text, buf) =
                self.texts().expand(sql, &params).map_err(|error| self.refused(sql, error))?;
            let mut held = None;
            self.open_text(Begun::Not(text), buf, Want::All, &mut held).await?;
            return Rows::lend(held);
        }
        let text = self.texts().get(sql).map_err(|error| self.refused(sql, error))?;
        let mut held = None;
        self.open_text(Begun::Not(text), params, Want::All, &mut held).await?;
        Rows::lend(held)
    }

    /// As [`query`](Self::query), with `:name` placeholders.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and if a name has no value.
    pub async fn query_named(&self, sql: &str, args: impl NamedArgs) -> Result<Rows<'static>> {
        let (text, buf) = named::bind(self, sql, &args)?;
        let mut held = None;
        self.open_text(Begun::Not(text), buf, Want::All, &mut held).await?;
        Rows::lend(held)
    }

    /// A query whose rows the engine gives a page at a time, and waits in between: see
    /// [`Cursor`](crate::Cursor). Lazy: nothing is sent before it is awaited. The rows own their
    /// connection until they end.
    ///
    /// ```
    /// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    /// let mut rows = db.cursor("SELECT id FROM stations ORDER BY id", ()).fetch_size(500).await?;
    /// while let Some(row) = rows.next().await? {
    ///     println!("{}", row.get::<i64>(0)?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn cursor<'q, P: Params + Send + 'q>(
        &self,
        sql: &'q str,
        params: P,
    ) -> crate::Cursor<'q, 'static, P> {
        crate::Cursor::new(Target::owned(self), sql, params)
    }

    /// The rows of a query as a `Stream` of owned values. Lazy; owns what it needs.
    pub fn stream<T>(&self, sql: &str, params: impl Params) -> RowStream<'static, T>
    where
        T: for<'r> FromRow<'r>,
    {
        let prepared = self.prepared(sql, &params);
        let db = self.clone();
        RowStream::new(Box::pin(async move {
            let (text, buf) = prepared.map_err(|refused| refused.tell(&db))?;
            let mut held = None;
            db.open_text(Begun::Not(text), buf, Want::All, &mut held).await?;
            Rows::lend(held)
        }))
    }

    /// Begins a transaction with the engine's defaults.
    ///
    /// # Errors
    ///
    /// No connection in time, or the engine's error.
    pub async fn begin(&self) -> Result<Tx> {
        self.begin_with(TxOptions::new()).await
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// No connection in time, or the engine's error, also for an option that it lacks.
    pub async fn begin_with(&self, options: TxOptions) -> Result<Tx> {
        let read_only = options.read_only || self.own_access() == Some(Access::ReadOnly);
        let options = if read_only { options.read_only() } else { options };
        let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
        let deadline = self.deadline();
        let mut attempt = 0;
        loop {
            let lease = self.lease_again(access, deadline, attempt).await?;
            match Tx::begin(Session::new(lease, self.clone()), options, deadline).await {
                Err(error) if retriable(&error, attempt) => attempt += 1,
                result => return result,
            }
        }
    }

    /// Runs `work` in a transaction, once: committed if it returns `Ok`, rolled back if it returns `Err`
    /// or is dropped.
    ///
    /// # Errors
    ///
    /// The error of `work`, or of begin or commit.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T>,
    {
        self.try_transaction(TxOptions::new(), work).await
    }

    /// As [`transaction`](Self::transaction), with options and an error type of the caller's.
    ///
    /// # Errors
    ///
    /// The error of `work`, or of begin or commit.
    pub async fn try_transaction<T, E, F>(
        &self,
        options: TxOptions,
        work: F,
    ) -> std::result::Result<T, E>
    where
        F: AsyncFnOnce(&mut Tx) -> std::result::Result<T, E>,
        E: From<Error>,
    {
        let mut tx = self.begin_with(options).await?;
        // A call in there that needs another connection may be one that could never get it.
        let scope = tx.scope();
        match scope.run(work(&mut tx)).await {
            Ok(value) => {
                tx.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // The caller's error matters more than a rollback that failed; a connection that could
                // not roll back is not pooled.
                drop(tx.rollback().await);
                Err(error)
            }
        }
    }

    /// As [`transaction`](Self::transaction), repeated from the start when the engine undid it because
    /// of other transactions ([`Retry::Transaction`](crate::Retry::Transaction)), up to `attempts` times
    /// in all, with a short random pause in between.
    ///
    /// `work` must be prepared to run more than once; what it did outside the database is not undone.
    ///
    /// # Errors
    ///
    /// The last attempt's error.
    pub async fn transaction_retry<T, F>(
        &self,
        options: TxOptions,
        attempts: u32,
        mut work: F,
    ) -> Result<T>
    where
        F: AsyncFnMut(&mut Tx) -> Result<T>,
    {
        let mut attempt = 1;
        loop {
            let result = self.try_transaction(options, async |tx: &mut Tx| work(tx).await).await;
            match result {
                Err(error) if error.retry() == crate::Retry::Transaction && attempt < attempts => {
                    tokio::time::sleep(crate::backoff::pause(attempt)).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Takes a connection out of the pool until the [`Conn`] is dropped.
    ///
    /// # Errors
    ///
    /// No connection in time; the message names the cause.
    pub async fn acquire(&self) -> Result<Conn> {
        let access = self.own_access().unwrap_or(Access::ReadWrite);
        let lease = self.lease(access, self.deadline()).await?;
        Ok(Conn::new(Session::new(lease, self.clone())))
    }
}

/// For the rest of the crate.
impl Db {
    pub(crate) fn texts(&self) -> &Texts {
        &self.shared.texts
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What the handle's scope says, as the next ones: none where it says nothing.
    #[inline]
    pub(crate) fn own_timeout(&self) -> Option<Duration> {
        self.scope.as_ref().and_then(|scope| scope.timeout)
    }

    #[inline]
    pub(crate) fn own_label(&self) -> Option<&Label> {
        self.scope.as_ref().and_then(|scope| scope.label.as_deref())
    }

    #[inline]
    pub(crate) fn own_access(&self) -> Option<Access> {
        self.scope.as_ref().and_then(|scope| scope.access)
    }

    /// When the call began, where it began elsewhere.
    #[inline]
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.scope.as_ref().and_then(|scope| scope.since)
    }

    #[inline]
    pub(crate) fn mapping(&self) -> Mapping {
        self.scope.as_ref().map_or(Mapping::Strict, |scope| scope.mapping)
    }

    /// Another handle over the same pool, with a scope of its own.
    fn scoped(&self, change: impl FnOnce(&mut Scope)) -> Self {
        let mut scope = self.scope.clone().unwrap_or_default();
        change(&mut scope);
        Self { shared: Arc::clone(&self.shared), scope: Some(scope) }
    }

    #[inline]
    pub(crate) fn book(&self) -> &Arc<Book> {
        &self.shared.book
    }

    pub(crate) fn label_entry(&self) -> Option<Arc<Label>> {
        self.scope.as_ref().and_then(|scope| scope.label.clone())
    }

    /// For the rest of a call that has begun then.
    #[cold]
    pub(crate) fn since(&self, since: Instant) -> Self {
        self.scoped(|scope| scope.since = Some(since))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let begun = || self.begun().unwrap_or_else(Instant::now);
        self.own_timeout().and_then(|timeout| begun().checked_add(timeout))
    }

    /// True if all connections are equal: one can stand in for another that is out.
    pub(crate) fn has_equal_connections(&self) -> bool {
        self.shared.connector.layout() == Layout::Equal
    }

    /// True if the data lives and dies with the one connection.
    pub(crate) fn keeps_its_connection(&self) -> bool {
        self.shared.connector.layout() == Layout::One
    }

    /// True if a transaction that may write takes a lock on the whole database before anything else.
    pub(crate) fn begins_with_a_lock(&self) -> bool {
        self.shared.connector.dialect().begin_locks
    }

    pub(crate) fn drain_budget(&self) -> (Duration, Duration) {
        (self.shared.options.calls.cancel_after, self.shared.options.pool.recover_timeout)
    }

    /// A text and its arguments, owned.
    pub(crate) fn prepared(
        &self,
        sql: &str,
        params: &impl Params,
    ) -> std::result::Result<(Arc<Text>, ParamBuf), Refused> {
        let prepared = if params.has_lists() {
            self.texts().expand(sql, params)
        } else {
            self.texts().get(sql).and_then(|text| Ok((text, ParamBuf::of(params)?)))
        };
        prepared.map_err(|error| Refused { sql: sql.into(), error })
    }

    /// The error of a call whose text or arguments could not be used; it is recorded as any other.
    #[cold]
    pub(crate) fn refused(&self, sql: &str, error: Error) -> Error {
        let error = self.named(error);
        let label = self.own_label();
        let call = Call {
            label: label.map(|label| &*label.name),
            sql,
            waited: Duration::ZERO,
            first_row: Duration::ZERO,
            elapsed: Duration::ZERO,
            rows: 0,
            error: Some(&error),
            text: None,
        };
        self.shared.book.record(label, &call);
        error
    }

    /// The error with the scope's label.
    #[cold]
    pub(crate) fn named(&self, error: Error) -> Error {
        match self.own_label() {
            Some(label) => error.with_label(&label.name),
            None => error,
        }
    }

    #[inline]
    async fn lease(&self, access: Access, deadline: Option<Instant>) -> Result<Lease> {
        match self.acquire_from_pool(access, deadline).await {
            Ok(lease) => Ok(lease),
            Err(error) => Err(self.named(errors::acquire(error))),
        }
    }

    /// The pool for calls that need this.
    #[inline]
    pub(crate) fn pool(&self, access: Access) -> &Pool<Manager> {
        self.shared.source.route(Intent { access })
    }

    #[inline]
    async fn acquire_from_pool(
        &self,
        access: Access,
        deadline: Option<Instant>,
    ) -> std::result::Result<Lease, AcquireError<Error>> {
        self.pool(access)
            .acquire(&self.request(deadline))
            .await
            .map(aquifer_pool::Lease::into_owned)
    }

    #[inline]
    pub(crate) fn request(&self, deadline: Option<Instant>) -> AcquireRequest {
        let holder = self.own_label().map(|label| Arc::clone(&label.name));
        AcquireRequest { timeout: None, deadline, holder }
    }

    /// A connection for another try. The last one gets a connection that is new or gives a sign of life,
    /// so that a server's restart is survived however many dead connections it left in the pool.
    pub(crate) async fn lease_again(
        &self,
        access: Access,
        deadline: Option<Instant>,
        attempt: u32,
    ) -> Result<Lease> {
        if attempt < BAD_CONNECTION_RETRIES {
            return self.lease(access, deadline).await;
        }
        let started = Instant::now();
        loop {
            let mut lease = self.lease(access, deadline).await?;
            if lease.info().age < started.elapsed() {
                return Ok(lease);
            }
            let budget = Instant::now() + self.shared.options.pool.check_timeout;
            let budget = deadline.map_or(budget, |deadline| budget.min(deadline));
            let alive = match lease.start(Command::Ping) {
                Ok(()) => lease.finish_before(Some(budget), During::Check).await,
                Err(error) => Err(error),
            };
            if alive.is_ok() {
                return Ok(lease);
            }
            // There are only so many to be thrown away.
            lease.discard(CloseReason::CheckFailed);
        }
    }

    /// True if a write that was refused on a connection that only reads can be served by another one.
    pub(crate) fn may_write_elsewhere(&self) -> bool {
        self.own_access().is_none() && self.shared.source.splits()
    }

    /// For a transaction around statements that need `access`. Where only the texts say that they read,
    /// and any connection may write, they are not held to it.
    pub(crate) fn atomic_options(&self, access: Access) -> TxOptions {
        let held = self.own_access().is_some() || self.shared.source.splits();
        match access {
            Access::ReadOnly if held => TxOptions::new().read_only(),
            _ => TxOptions::new(),
        }
    }

    /// What a call that needs `access` is to ask for.
    pub(crate) fn access(&self, access: Access) -> Access {
        self.own_access().unwrap_or(access)
    }

    pub(crate) async fn lease_for(
        &self,
        access: Access,
        deadline: Option<Instant>,
    ) -> Result<Lease> {
        self.lease(self.access(access), deadline).await
    }

    /// Has the engine check a text.
    pub(crate) async fn describe(&self, text: &Text) -> Result<Description> {
        let access = self.own_access().unwrap_or_else(|| text.access());
        let deadline = self.deadline();
        let mut attempt = 0;
        loop {
            let mut lease = self.lease_again(access, deadline, attempt).await?;
            let described = match lease.start(Command::Prepare { sql: text.sql() }) {
                Ok(()) => lease.finish_before(deadline, During::Check).await,
                Err(error) => Err(error),
            };
            match described {
                Ok(_) => return Ok(lease.connection().take_description().unwrap_or_default()),
                Err(error) if retriable(&error, attempt) => attempt += 1,
                Err(error) => return Err(self.named(self.texts().explain(error))),
            }
        }
    }

    /// True if both are handles to one database.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The rows of a text, opened in `held`, where they may have been begun.
    pub(crate) async fn open_text<'e, 'h, P: Params>(
        &self,
        begun: Begun,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'e>>,
    ) -> Result<&'h mut Rows<'e>> {
        let deadline = self.deadline();
        let access = match &begun {
            Begun::Not(text) => text.access(),
            Begun::Answered(_) => Rows::opened(held)?.text().access(),
        };
        let mut access = self.own_access().unwrap_or(access);
        let mut attempt = 0;
        let mut next = match begun {
            Begun::Not(text) => Next::Connect(Watch::new(self, text)),
            Begun::Answered(answer) => Next::Judge(answer),
        };
        loop {
            let answer = match next {
                Next::Judge(answer) => answer,
                Next::Connect(mut watch) => {
                    if let Err(error) = watch.text().check(params.count()) {
                        return Err(watch.refuse(error));
                    }
                    let lease = if attempt == 0 {
                        match self.acquire_from_pool(access, deadline).await {
                            Ok(lease) => lease,
                            Err(error) => {
                                watch.waited += errors::waited(&error);
                                return Err(watch.refuse(errors::acquire(error)));
                            }
                        }
                    } else {
                        match Box::pin(self.lease_again(access, deadline, attempt)).await {
                            Ok(lease) => lease,
                            Err(error) => return Err(watch.refuse(error)),
                        }
                    };
                    self.texts().lent(watch.text());
                    watch.waited += lease.waited();
                    watch.started = Some(lease.acquired_at());
                    let owner = Owner::Lease(lease);
                    let rows = held.insert(Rows::new(owner, self.mapping(), deadline, watch));
                    match rows.start(&params, want) {
                        Ok(()) => rows.first_answer().await,
                        Err(error) => Err(error),
                    }
                }
            };
            let Err(error) = answer else { return Rows::opened(held) };
            let rows = Rows::opened(held)?;
            let text = Arc::clone(rows.text());
            if error.kind() == ErrorKind::ReadOnly
                && access == Access::ReadOnly
                && self.may_write_elsewhere()
            {
                // The text looked like a read and is none; nothing was done.
                text.is_a_write();
                access = Access::ReadWrite;
            } else if retriable(&error, attempt) {
                attempt += 1;
            } else {
                return Err(rows.give_up(self.texts().explain(error)));
            }
            let mut watch = Watch::new(self, text);
            watch.waited = rows.try_again();
            next = Next::Connect(watch);
        }
    }
}

/// What a call that opens rows does next.
enum Next {
    /// Gets a connection and starts its statement there.
    Connect(Watch),
    /// Sees whether the answer is one.
    Judge(Result<()>),
}

/// A text or arguments that cannot be used, found before the call began.
pub(crate) struct Refused {
    sql: Box<str>,
    error: Error,
}

impl Refused {
    #[cold]
    pub(crate) fn tell(self, db: &Db) -> Error {
        db.refused(&self.sql, self.error)
    }
}

/// True if the connection was dead before anything was sent, and there are tries left.
pub(crate) fn retriable(error: &Error, attempt: u32) -> bool {
    attempt < BAD_CONNECTION_RETRIES && error.is_connection_lost() && error.nothing_sent()
}
