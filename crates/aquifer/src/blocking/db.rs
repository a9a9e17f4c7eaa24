//! [`Db`], without `async`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::Dialect;
use crate::target::Target;
use crate::{
    CallStats, CloseReport, DbOptions, Error, FromRow, NamedArgs, Params, Result, Retry, Stats,
    TxOptions, WarmUp,
};

use super::calls::{Done, blocking_calls};
use super::runtime::Runtime;
use super::{Batch, Builder, Conn, Cursor, NamedStmt, Place, RowStream, Rows, Stmt, Tx};

/// As [`Db`](crate::Db), without `async`; see [the module](super).
#[derive(Debug, Clone)]
pub struct Db {
    inner: crate::Db,
    runtime: Runtime,
}

/// Opening and closing.
impl Db {
    pub(super) fn new(inner: crate::Db, runtime: Runtime) -> Self {
        Self { inner, runtime }
    }

    /// Reads a URL, makes a handle and starts its thread. Dials nothing: the first call connects.
    ///
    /// # Errors
    ///
    /// As [`open`](crate::Db::open), and if the thread cannot be started.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url)?.open()
    }

    /// [`open`](Self::open), then [`ping`](Self::ping): fails if the database cannot be reached.
    ///
    /// # Errors
    ///
    /// As `open` and `ping`.
    pub fn connect(url: &str) -> Result<Self> {
        Self::builder(url)?.connect()
    }

    /// As [`open`](Self::open), for a DSN in the driver's own form.
    ///
    /// # Errors
    ///
    /// An unknown driver, or a DSN that it cannot use.
    pub fn open_with(driver: &str, dsn: &str) -> Result<Self> {
        Ok(Self::new(crate::Db::open_with(driver, dsn)?, Runtime::new()?))
    }

    /// Starts a handle with options beyond the URL's.
    ///
    /// # Errors
    ///
    /// A URL that cannot be taken apart, or a `pool_` option that cannot be used.
    pub fn builder(url: &str) -> Result<Builder> {
        crate::Db::builder(url).map(Builder)
    }

    /// As [`ping`](crate::Db::ping).
    ///
    /// # Errors
    ///
    /// No connection in time, or no answer.
    pub fn ping(&self) -> Result<()> {
        self.runtime.run(self.inner.ping())
    }

    /// As [`close`](crate::Db::close).
    ///
    /// # Errors
    ///
    /// Only inside an async task.
    pub fn close(&self) -> Result<CloseReport> {
        self.runtime.wait(self.inner.close())
    }

    /// As [`close_within`](crate::Db::close_within).
    ///
    /// # Errors
    ///
    /// Only inside an async task.
    pub fn close_within(&self, patience: Duration) -> Result<CloseReport> {
        self.runtime.wait(self.inner.close_within(patience))
    }

    /// As [`stats`](crate::Db::stats).
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// As [`label_stats`](crate::Db::label_stats).
    pub fn label_stats(&self) -> Vec<(Arc<str>, CallStats)> {
        self.inner.label_stats()
    }

    /// As [`warm_up`](crate::Db::warm_up).
    ///
    /// # Errors
    ///
    /// If the pool is closed.
    pub fn warm_up(&self, connections: u32) -> Result<WarmUp> {
        self.runtime.run(self.inner.warm_up(connections))
    }

    /// As [`resize`](crate::Db::resize).
    ///
    /// # Errors
    ///
    /// A limit that cannot be used.
    pub fn resize(&self, max_open: u32) -> Result<()> {
        self.inner.resize(max_open)
    }

    /// As [`dialect`](crate::Db::dialect).
    pub fn dialect(&self) -> &Dialect {
        self.inner.dialect()
    }

    /// As [`location`](crate::Db::location).
    pub fn location(&self) -> &str {
        self.inner.location()
    }

    /// As [`rebind`](crate::Db::rebind).
    ///
    /// # Errors
    ///
    /// As [`rebind`](crate::Db::rebind).
    pub fn rebind(&self, sql: &str) -> Result<Arc<str>> {
        self.inner.rebind(sql)
    }

    /// As [`options`](crate::Db::options).
    pub fn options(&self) -> &DbOptions {
        self.inner.options()
    }

    /// Runs a future on this thread with the handle's runtime around it: for a driver's own calls, which
    /// are async.
    ///
    /// # Errors
    ///
    /// Only inside an async task.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        self.runtime.wait(future)
    }
}

/// Scopes: each gives another handle over the same pool and runtime.
impl Db {
    fn scoped(&self, inner: crate::Db) -> Self {
        Self { inner, runtime: self.runtime.clone() }
    }

    /// As [`timeout`](crate::Db::timeout).
    #[must_use]
    pub fn timeout(&self, timeout: Duration) -> Self {
        self.scoped(self.inner.timeout(timeout))
    }

    /// As [`without_timeout`](crate::Db::without_timeout).
    #[must_use]
    pub fn without_timeout(&self) -> Self {
        self.scoped(self.inner.without_timeout())
    }

    /// As [`without_label`](crate::Db::without_label).
    #[must_use]
    pub fn without_label(&self) -> Self {
        self.scoped(self.inner.without_label())
    }

    /// As [`label`](crate::Db::label).
    #[must_use]
    pub fn label(&self, label: &str) -> Self {
        self.scoped(self.inner.label(label))
    }

    /// As [`lax`](crate::Db::lax).
    #[must_use]
    pub fn lax(&self) -> Self {
        self.scoped(self.inner.lax())
    }

    /// As [`read_only`](crate::Db::read_only).
    #[must_use]
    pub fn read_only(&self) -> Self {
        self.scoped(self.inner.read_only())
    }
}

/// Calls.
impl Db {
    pub(super) fn place(&self) -> Place<'_> {
        Place { target: Target::db(&self.inner), runtime: &self.runtime }
    }

    blocking_calls! { pub self, (&self) }

    /// As [`query`](crate::Db::query). The rows own their connection.
    ///
    /// # Errors
    ///
    /// As [`query`](crate::Db::query), and inside an async task.
    pub fn query(&self, sql: &str, params: impl Params) -> Result<Rows<'static>> {
        let rows = self.runtime.run(self.inner.query(sql, params))?;
        Ok(Rows::new(rows, &self.runtime))
    }

    /// As [`query_named`](crate::Db::query_named). The rows own their connection.
    ///
    /// # Errors
    ///
    /// As [`query_named`](crate::Db::query_named), and inside an async task.
    pub fn query_named(&self, sql: &str, args: impl NamedArgs) -> Result<Rows<'static>> {
        let rows = self.runtime.run(self.inner.query_named(sql, args))?;
        Ok(Rows::new(rows, &self.runtime))
    }

    /// As [`cursor`](crate::Db::cursor). The rows own their connection.
    pub fn cursor<'q, P: Params + Send + 'q>(
        &'q self,
        sql: &'q str,
        params: P,
    ) -> Cursor<'q, 'static, P> {
        Cursor::new(self.inner.cursor(sql, params), &self.runtime)
    }

    /// As [`stream`](crate::Db::stream): the rows of a query as an iterator of owned values. Lazy.
    pub fn stream<T>(&self, sql: &str, params: impl Params) -> RowStream<'static, T>
    where
        T: for<'r> FromRow<'r>,
    {
        RowStream::new(self.inner.stream(sql, params), &self.runtime)
    }

    /// As [`batch`](crate::Db::batch).
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self.place())
    }

    /// As [`begin`](crate::Db::begin).
    ///
    /// # Errors
    ///
    /// No connection in time, or the engine's error.
    pub fn begin(&self) -> Result<Tx> {
        self.begin_with(TxOptions::new())
    }

    /// As [`begin_with`](crate::Db::begin_with).
    ///
    /// # Errors
    ///
    /// No connection in time, or the engine's error, also for an option that it lacks.
    pub fn begin_with(&self, options: TxOptions) -> Result<Tx> {
        let tx = self.runtime.run(self.inner.begin_with(options))?;
        Ok(Tx::new(tx, &self.runtime))
    }

    /// Runs `work` in a transaction, once: committed if it returns `Ok`, rolled back if it returns `Err`
    /// or panics.
    ///
    /// # Errors
    ///
    /// The error of `work`, or of begin or commit.
    pub fn transaction<T>(&self, work: impl FnOnce(&mut Tx) -> Result<T>) -> Result<T> {
        self.try_transaction(TxOptions::new(), work)
    }

    /// As [`transaction`](Self::transaction), with options and an error type of the caller's.
    ///
    /// # Errors
    ///
    /// The error of `work`, or of begin or commit.
    pub fn try_transaction<T, E: From<Error>>(
        &self,
        options: TxOptions,
        work: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tx = self.begin_with(options)?;
        let scope = tx.inner().scope();
        match scope.enter(|| work(&mut tx)) {
            Ok(value) => {
                tx.commit()?;
                Ok(value)
            }
            Err(error) => {
                // The caller's error matters more than a rollback that failed; a connection that could
                // not roll back is not pooled.
                drop(tx.rollback());
                Err(error)
            }
        }
    }

    /// As [`transaction_retry`](crate::Db::transaction_retry).
    ///
    /// # Errors
    ///
    /// The last attempt's error.
    pub fn transaction_retry<T>(
        &self,
        options: TxOptions,
        attempts: u32,
        mut work: impl FnMut(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            match self.try_transaction(options, &mut work) {
                Err(error) if error.retry() == Retry::Transaction && attempt < attempts => {
                    std::thread::sleep(crate::backoff::pause(attempt));
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// As [`prepare`](crate::Db::prepare).
    ///
    /// # Errors
    ///
    /// No connection in time, or the engine's error.
    pub fn prepare(&self, sql: &str) -> Result<Stmt> {
        let stmt = self.runtime.run(self.inner.prepare(sql))?;
        Ok(Stmt::new(stmt, &self.runtime))
    }

    /// As [`prepare_named`](crate::Db::prepare_named).
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    pub fn prepare_named(&self, sql: &str) -> Result<NamedStmt> {
        let stmt = self.runtime.run(self.inner.prepare_named(sql))?;
        Ok(NamedStmt::new(stmt, &self.runtime))
    }

    /// As [`acquire`](crate::Db::acquire).
    ///
    /// # Errors
    ///
    /// No connection in time; the message names the cause.
    pub fn acquire(&self) -> Result<Conn> {
        let conn = self.runtime.run(self.inner.acquire())?;
        Ok(Conn::new(conn, &self.runtime))
    }
}
