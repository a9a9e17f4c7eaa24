//! [`Stmt`] and [`NamedStmt`]: statements kept by the caller.

use std::sync::Arc;
use std::time::Duration;

use aquifer_driver::{Columns, Description, FromRow, Parameter, Params, Result, Want};

use crate::db::Db;
use crate::done::Done;
use crate::executor::Executor;
use crate::first::{Begun, One, Optional};
use crate::named::{self, NamedArgs};
use crate::rows::Rows;
use crate::target::Target;
use crate::text::Text;

/// Scopes, as [`Db`] has them: `$change` is the holder with what `$scope` makes of its handle.
macro_rules! scopes {
    ($self:ident, ($($receiver:tt)+), $scope:ident => $change:expr) => {
        /// As [`Db::timeout`]: calls of the new handle end within `timeout`.
        #[must_use]
        pub fn timeout($($receiver)+, timeout: Duration) -> Self {
            let $scope = move |db: &Db| db.timeout(timeout);
            $change
        }

        /// As [`Db::without_timeout`].
        #[must_use]
        pub fn without_timeout($($receiver)+) -> Self {
            let $scope = Db::without_timeout;
            $change
        }

        /// As [`Db::label`]: calls of the new handle are counted, and named in errors, as `label`.
        #[must_use]
        pub fn label($($receiver)+, label: &str) -> Self {
            let $scope = |db: &Db| db.label(label);
            $change
        }

        /// As [`Db::lax`]: rows may have columns that no field takes.
        #[must_use]
        pub fn lax($($receiver)+) -> Self {
            let $scope = Db::lax;
            $change
        }
    };
}

/// A statement that the engine has checked. Cheap to clone; usable from any task.
///
/// It holds the text and what the engine said of it, and no server object: each connection prepares it
/// when it first runs there, and keeps it in a bounded cache.
#[derive(Debug, Clone)]
pub struct Stmt {
    db: Db,
    text: Arc<Text>,
    description: Arc<Description>,
}

impl Stmt {
    scopes! { self, (&self), scope => Self { db: scope(&self.db), ..self.clone() } }

    pub(crate) async fn prepare(target: Target<'_>, sql: &str) -> Result<Self> {
        let db = target.handle().clone();
        let text = db.texts().get(sql).map_err(|error| db.named(error))?;
        let description = target.describe(&text).await?;
        Ok(Self { db, text, description: Arc::new(description) })
    }

    /// The text as it was written.
    pub fn sql(&self) -> &str {
        self.text.source()
    }

    /// The text as the engine gets it, in its own placeholder form.
    pub fn engine_sql(&self) -> &str {
        self.text.sql()
    }

    /// The placeholders, in order.
    pub fn parameters(&self) -> &[Parameter] {
        &self.description.parameters
    }

    /// The columns of its rows; none for a statement that gives no rows.
    pub fn columns(&self) -> &Columns {
        &self.description.columns
    }

    /// Whether the engine says that it only reads; `None` where the engine does not say.
    pub fn is_read_only(&self) -> Option<bool> {
        self.description.read_only
    }

    /// The same statement run elsewhere: in a transaction, on a connection.
    pub fn on<'a>(&'a self, executor: &'a mut impl Executor) -> StmtOn<'a> {
        self.on_target(executor.target())
    }

    pub(crate) fn on_target<'a>(&'a self, target: Target<'a>) -> StmtOn<'a> {
        StmtOn { at_home: target.handle().is_same(&self.db), text: &self.text, target }
    }

    fn here(&self) -> StmtOn<'_> {
        StmtOn { at_home: true, text: &self.text, target: Target::db(&self.db) }
    }

    /// As [`Db::exec`].
    ///
    /// # Errors
    ///
    /// As `Db::exec`.
    pub async fn exec(&self, params: impl Params) -> Result<Done> {
        self.here().exec(params).await
    }

    /// As [`Db::query`].
    ///
    /// # Errors
    ///
    /// As `Db::query`.
    pub async fn query(&self, params: impl Params) -> Result<Rows<'static>> {
        if params.has_lists() {
            return self.db.query(self.text.source(), params).await;
        }
        let mut held = None;
        self.db.open_text(Begun::Not(Arc::clone(&self.text)), params, Want::All, &mut held).await?;
        Rows::lend(held)
    }

    /// As [`Db::get`].
    ///
    /// # Errors
    ///
    /// As `Db::get`.
    pub async fn get<T: for<'r> FromRow<'r>>(&self, params: impl Params) -> Result<T> {
        self.here().get(params).await
    }

    /// As [`Db::get_optional`].
    ///
    /// # Errors
    ///
    /// As `Db::get_optional`.
    pub async fn get_optional<T: for<'r> FromRow<'r>>(
        &self,
        params: impl Params,
    ) -> Result<Option<T>> {
        self.here().get_optional(params).await
    }

    /// As [`Db::select`].
    ///
    /// # Errors
    ///
    /// As `Db::select`.
    pub async fn select<T: for<'r> FromRow<'r>>(&self, params: impl Params) -> Result<Vec<T>> {
        self.here().select(params).await
    }
}

/// A [`Stmt`] bound to where it will run once.
#[derive(Debug)]
pub struct StmtOn<'a> {
    text: &'a Arc<Text>,
    target: Target<'a>,
    /// The target is the database that checked the statement.
    at_home: bool,
}

impl<'a> StmtOn<'a> {
    scopes! { self, (self), scope => Self { target: self.target.scoped(scope), ..self } }

    async fn open<'h>(
        self,
        params: impl Params,
        want: Want,
        held: &'h mut Option<Rows<'a>>,
    ) -> Result<&'h mut Rows<'a>> {
        // A list changes the text, so the kept one does not serve.
        if params.has_lists() {
            let (text, buf) = self.target.expanded(self.text.source(), &params)?;
            return self.target.open_text(text, buf, want, held).await;
        }
        let text = if self.at_home {
            Arc::clone(self.text)
        } else {
            // Another database may have another placeholder form.
            let db = self.target.handle();
            db.texts().get(self.text.source()).map_err(|error| db.named(error))?
        };
        self.target.open_text(text, params, want, held).await
    }

    /// As [`Db::exec`].
    ///
    /// # Errors
    ///
    /// As `Db::exec`.
    pub async fn exec(self, params: impl Params) -> Result<Done> {
        if params.has_lists() {
            let (text, buf) = self.target.expanded(self.text.source(), &params)?;
            return self.target.exec_of_text(text, buf).await;
        }
        if self.at_home {
            return self.target.exec_of_text(Arc::clone(self.text), params).await;
        }
        self.open(params, Want::Outcome, &mut None).await?.finish().await.map(Done::new)
    }

    /// As [`Tx::enqueue`](crate::Tx::enqueue): it goes out with the transaction's next call, and is counted
    /// and limited like what goes with it; a timeout or a label that this was given holds only for sending
    /// a queue that is full.
    ///
    /// ```
    /// # async fn run(db: aquifer::Db) -> aquifer::Result<()> {
    /// let spend = db.prepare("UPDATE accounts SET balance = balance - ? WHERE id = ?").await?;
    /// let mut tx = db.begin().await?;
    /// for id in [1, 2, 3] {
    ///     spend.on(&mut tx).enqueue((10, id)).await?;
    /// }
    /// tx.commit().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As `Tx::enqueue`, and [`Unsupported`](crate::ErrorKind::Unsupported), with nothing queued, where
    /// this is [on](Stmt::on) a `Db`, or on a `Conn` and not on its transaction.
    pub async fn enqueue(self, params: impl Params) -> Result<()> {
        let Self { text, target, at_home } = self;
        target
            .enqueue(|session| match at_home {
                true => session.enqueue_text(text, &params),
                // Another database may have another placeholder form.
                false => session.enqueue(text.source(), &params),
            })
            .await
    }

    /// As [`Db::query`].
    ///
    /// # Errors
    ///
    /// As `Db::query`.
    pub async fn query(self, params: impl Params) -> Result<Rows<'a>> {
        let mut held = None;
        self.open(params, Want::All, &mut held).await?;
        Rows::lend(held)
    }

    /// As [`Db::get`].
    ///
    /// # Errors
    ///
    /// As `Db::get`.
    pub async fn get<T: for<'r> FromRow<'r>>(self, params: impl Params) -> Result<T> {
        if params.has_lists() {
            let (text, buf) = self.target.expanded(self.text.source(), &params)?;
            return self.target.first_of_text(text, buf, One).await;
        }
        if self.at_home {
            return self.target.first_of_text(Arc::clone(self.text), params, One).await;
        }
        self.open(params, Want::First, &mut None).await?.shaped(One).await
    }

    /// As [`Db::get_optional`].
    ///
    /// # Errors
    ///
    /// As `Db::get_optional`.
    pub async fn get_optional<T: for<'r> FromRow<'r>>(
        self,
        params: impl Params,
    ) -> Result<Option<T>> {
        if params.has_lists() {
            let (text, buf) = self.target.expanded(self.text.source(), &params)?;
            return self.target.first_of_text(text, buf, Optional).await;
        }
        if self.at_home {
            return self.target.first_of_text(Arc::clone(self.text), params, Optional).await;
        }
        self.open(params, Want::First, &mut None).await?.first().await
    }

    /// As [`Db::select`].
    ///
    /// # Errors
    ///
    /// As `Db::select`.
    pub async fn select<T: for<'r> FromRow<'r>>(self, params: impl Params) -> Result<Vec<T>> {
        if params.has_lists() {
            let (text, buf) = self.target.expanded(self.text.source(), &params)?;
            return self.target.all_of_text(text, buf).await;
        }
        if self.at_home {
            return self.target.all_of_text(Arc::clone(self.text), params).await;
        }
        self.open(params, Want::All, &mut None).await?.all().await
    }
}

/// A statement with `:name` placeholders that the engine has checked.
#[derive(Debug, Clone)]
pub struct NamedStmt {
    db: Db,
    sql: Arc<str>,
    names: Arc<[String]>,
    description: Arc<Description>,
}

impl NamedStmt {
    scopes! { self, (&self), scope => Self { db: scope(&self.db), ..self.clone() } }

    pub(crate) async fn prepare(target: Target<'_>, sql: &str) -> Result<Self> {
        let db = target.handle().clone();
        let (names, text) = named::prepared(&db, sql)?;
        let description = target.describe(&text).await?;
        Ok(Self { db, sql: sql.into(), names: names.into(), description: Arc::new(description) })
    }

    /// The text as it was written.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The names, in order of first appearance, without the colon.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns of its rows; none for a statement that gives no rows.
    pub fn columns(&self) -> &Columns {
        &self.description.columns
    }

    /// Whether the engine says that it only reads; `None` where the engine does not say.
    pub fn is_read_only(&self) -> Option<bool> {
        self.description.read_only
    }

    /// The same statement run elsewhere: in a transaction, on a connection.
    pub fn on<'a>(&'a self, executor: &'a mut impl Executor) -> NamedStmtOn<'a> {
        self.on_target(executor.target())
    }

    pub(crate) fn on_target<'a>(&'a self, target: Target<'a>) -> NamedStmtOn<'a> {
        NamedStmtOn { sql: &self.sql, target }
    }

    /// As [`Db::exec_named`].
    ///
    /// # Errors
    ///
    /// As `Db::exec_named`.
    pub async fn exec(&self, args: impl NamedArgs) -> Result<Done> {
        self.db.exec_named(&self.sql, args).await
    }

    /// As [`Db::query_named`].
    ///
    /// # Errors
    ///
    /// As `Db::query_named`.
    pub async fn query(&self, args: impl NamedArgs) -> Result<Rows<'static>> {
        self.db.query_named(&self.sql, args).await
    }

    /// As [`Db::get_named`].
    ///
    /// # Errors
    ///
    /// As `Db::get_named`.
    pub async fn get<T: for<'r> FromRow<'r>>(&self, args: impl NamedArgs) -> Result<T> {
        self.db.get_named(&self.sql, args).await
    }

    /// As [`Db::get_optional_named`].
    ///
    /// # Errors
    ///
    /// As `Db::get_optional_named`.
    pub async fn get_optional<T: for<'r> FromRow<'r>>(
        &self,
        args: impl NamedArgs,
    ) -> Result<Option<T>> {
        self.db.get_optional_named(&self.sql, args).await
    }

    /// As [`Db::select_named`].
    ///
    /// # Errors
    ///
    /// As `Db::select_named`.
    pub async fn select<T: for<'r> FromRow<'r>>(&self, args: impl NamedArgs) -> Result<Vec<T>> {
        self.db.select_named(&self.sql, args).await
    }
}

/// A [`NamedStmt`] bound to where it will run once.
#[derive(Debug)]
pub struct NamedStmtOn<'a> {
    sql: &'a str,
    target: Target<'a>,
}

impl<'a> NamedStmtOn<'a> {
    scopes! { self, (self), scope => Self { target: self.target.scoped(scope), ..self } }

    /// As [`Db::exec_named`].
    ///
    /// # Errors
    ///
    /// As `Db::exec_named`.
    pub async fn exec(self, args: impl NamedArgs) -> Result<Done> {
        self.target.exec_named(self.sql, args).await
    }

    /// As [`Tx::enqueue_named`](crate::Tx::enqueue_named), and otherwise as [`StmtOn::enqueue`].
    ///
    /// # Errors
    ///
    /// As `Tx::enqueue_named` and `StmtOn::enqueue`.
    pub async fn enqueue(self, args: impl NamedArgs) -> Result<()> {
        let Self { sql, target } = self;
        target.enqueue(|session| session.enqueue_named(sql, &args)).await
    }

    /// As [`Db::query_named`].
    ///
    /// # Errors
    ///
    /// As `Db::query_named`.
    pub async fn query(self, args: impl NamedArgs) -> Result<Rows<'a>> {
        self.target.query_named(self.sql, args).await
    }

    /// As [`Db::get_named`].
    ///
    /// # Errors
    ///
    /// As `Db::get_named`.
    pub async fn get<T: for<'r> FromRow<'r>>(self, args: impl NamedArgs) -> Result<T> {
        self.target.get_named(self.sql, args).await
    }

    /// As [`Db::get_optional_named`].
    ///
    /// # Errors
    ///
    /// As `Db::get_optional_named`.
    pub async fn get_optional<T: for<'r> FromRow<'r>>(
        self,
        args: impl NamedArgs,
    ) -> Result<Option<T>> {
        self.target.get_optional_named(self.sql, args).await
    }

    /// As [`Db::select_named`].
    ///
    /// # Errors
    ///
    /// As `Db::select_named`.
    pub async fn select<T: for<'r> FromRow<'r>>(self, args: impl NamedArgs) -> Result<Vec<T>> {
        self.target.select_named(self.sql, args).await
    }
}
