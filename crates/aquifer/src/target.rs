//! [`Target`]: where a call runs, a `Db` or a connection in hand; and every call, written once.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

use aquifer_driver::{Description, FromRow, ParamBuf, Params, Result, Want};

use crate::Db;
use crate::batch::Batch;
use crate::done::Done;
use crate::first::{self, Begun, One, Optional, Shape};
use crate::link::no_rows;
use crate::multiplex::{Caller, Elsewhere, Shared, Way};
use crate::named::{self, NamedArgs};
use crate::rows::Rows;
use crate::session::queued::no_transaction;
use crate::session::{Scoped, Session};
use crate::stream::RowStream;
use crate::text::{Text, Texts};

/// Where a call runs. Users meet it as `Db`, `Conn`, `Tx`, `Savepoint`, or any
/// [`Executor`](crate::Executor).
#[derive(Debug)]
pub struct Target<'e>(pub(crate) Place<'e>);

#[derive(Debug)]
pub(crate) enum Place<'e> {
    Db(&'e Db),
    Session(&'e mut Session),
    /// One call under a scope of its own: on that session, or else on the scope's `Db`.
    Scoped(Box<Db>, Option<&'e mut Session>),
}

impl<'e> Target<'e> {
    pub(crate) fn db(db: &'e Db) -> Self {
        Self(Place::Db(db))
    }

    pub(crate) fn session(session: &'e mut Session) -> Self {
        Self(Place::Session(session))
    }

    /// As [`db`](Self::db), where the call may outlive the handle.
    pub(crate) fn owned(db: &Db) -> Target<'static> {
        Target(Place::Scoped(Box::new(db.clone()), None))
    }

    /// The handle whose scope the call has.
    pub(crate) fn handle(&self) -> &Db {
        match &self.0 {
            Place::Db(db) => db,
            Place::Session(session) => session.db(),
            Place::Scoped(scope, _) => scope,
        }
    }

    /// The same place, under the scope that `change` makes of its own.
    pub(crate) fn scoped(self, change: impl FnOnce(&Db) -> Db) -> Self {
        let scope = Box::new(change(self.handle()));
        let session = match self.0 {
            Place::Db(_) => None,
            Place::Session(session) => Some(session),
            Place::Scoped(_, session) => session,
        };
        Self(Place::Scoped(scope, session))
    }

    fn texts(&self) -> &Texts {
        self.handle().texts()
    }

    /// The rows of a query, opened in `held`: they are large, and would be moved by every caller in turn.
    ///
    /// So are futures: each is moved once before it is first polled, with all that it may ever hold. On
    /// this way, whatever happens rarely is in a box.
    #[inline]
    async fn open<'h, P: Params>(
        self,
        sql: &str,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'e>>,
    ) -> Result<&'h mut Rows<'e>> {
        if params.has_lists() {
            let (text, buf) = self.expanded(sql, &params)?;
            return self.open_text(text, buf, want, held).await;
        }
        let text = self.texts().get(sql).map_err(|error| self.handle().refused(sql, error))?;
        self.open_text(text, params, want, held).await
    }

    /// A text and arguments with one value for each of the lists'.
    pub(crate) fn expanded(
        &self,
        sql: &str,
        params: &impl Params,
    ) -> Result<(Arc<Text>, ParamBuf)> {
        self.texts().expand(sql, params).map_err(|error| self.handle().refused(sql, error))
    }

    /// The rows of a text that is already worked out; see [`open`](Self::open).
    #[inline]
    pub(crate) async fn open_text<'h, P: Params>(
        self,
        text: Arc<Text>,
        params: P,
        want: Want,
        held: &'h mut Option<Rows<'e>>,
    ) -> Result<&'h mut Rows<'e>> {
        match self.0 {
            Place::Db(db) => db.open_text(Begun::Not(text), params, want, held).await,
            Place::Session(session) => session.open(text, params, want, held).await,
            Place::Scoped(scope, Some(session)) => {
                Box::pin(session.open_in(&scope, text, params, want, held)).await
            }
            Place::Scoped(scope, None) => {
                Box::pin(scope.open_text(Begun::Not(text), params, want, held)).await
            }
        }
    }

    #[inline]
    pub(crate) async fn exec<P: Params>(mut self, sql: &str, mut params: P) -> Result<Done> {
        if params.has_lists() {
            let (text, buf) = self.expanded(sql, &params)?;
            return Box::pin(self.exec_of_text(text, buf)).await;
        }
        let alone = self.alone(true);
        if alone.is_none()
            && let Place::Db(db) = self.0
            && let Some(passage) = db.sharing_write(sql)
        {
            match passage.outcome(None, &mut params).await? {
                Shared::Done(outcome) => return Ok(Done::new(outcome)),
                Shared::Elsewhere(elsewhere) => self = self.since(elsewhere),
                Shared::Not => {}
            }
        }
        self.open(sql, params, Want::Outcome, &mut None).await?.finish().await.map(Done::new)
    }

    pub(crate) async fn exec_file(self, path: &Path) -> Result<Done> {
        let db = self.handle();
        let sql = crate::file::read(path).await.map_err(|error| db.named(error))?;
        let text = db.texts().once(&sql).map_err(|error| db.refused(&sql, error))?;
        self.open_text(text, (), Want::Outcome, &mut None).await?.finish().await.map(Done::new)
    }

    #[inline]
    pub(crate) async fn query<P: Params>(self, sql: &str, params: P) -> Result<Rows<'e>> {
        self.query_as(sql, params, Want::All).await
    }

    #[inline]
    pub(crate) async fn query_as<P: Params>(
        self,
        sql: &str,
        params: P,
        want: Want,
    ) -> Result<Rows<'e>> {
        let mut held = None;
        self.open(sql, params, want, &mut held).await?;
        Rows::lend(held)
    }

    #[inline]
    pub(crate) fn get<T, P>(self, sql: &str, params: P) -> impl Future<Output = Result<T>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
    {
        self.first::<T, P, One>(sql, params, One)
    }

    #[inline]
    pub(crate) fn get_optional<T, P>(
        self,
        sql: &str,
        params: P,
    ) -> impl Future<Output = Result<Option<T>>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
    {
        self.first::<T, P, Optional>(sql, params, Optional)
    }

    // Each task that waits has this future.
    #[expect(clippy::manual_async_fn, reason = "an async function keeps its arguments twice")]
    #[inline]
    fn first<T, P, S>(
        mut self,
        sql: &str,
        mut params: P,
        shape: S,
    ) -> impl Future<Output = Result<S::Output>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
        S: Shape<T>,
    {
        async move {
            if params.has_lists() {
                let (text, buf) = self.expanded(sql, &params)?;
                return Box::pin(self.first_of_text(text, buf, shape)).await;
            }
            // Until the call is over.
            let alone = self.alone(false);
            if let Place::Db(db) = self.0 {
                if let Some(passage) = &mut db.passage(sql, &params, Want::First)
                    && let Some(first) = poll_fn(|cx| passage.poll_first(cx)).await?
                {
                    return shape.shape(first).ok_or_else(|| db.named(no_rows()));
                }
                // Where it stands, because it is large.
                let mut sharing = if alone.is_none() { db.sharing(sql) } else { None };
                if let Some(passage) = &mut sharing {
                    let run = poll_fn(|cx| passage.poll_run(None, &mut params, Want::First, cx));
                    match run.await {
                        Way::Over => return passage.first(shape),
                        Way::Elsewhere => self = self.since(passage.elsewhere()),
                        Way::Failed(error) => return Err(error),
                        Way::Alone => {}
                    }
                }
            }
            match self.0 {
                Place::Db(db) => first::through_pool::<T, P, S>(db, sql, params, shape).await,
                Place::Session(session) => {
                    first::in_hand::<T, P, S>(session, sql, params, shape).await
                }
                place => {
                    Box::pin(async {
                        let held = &mut None;
                        Self(place).open(sql, params, Want::First, held).await?.shaped(shape).await
                    })
                    .await
                }
            }
        }
    }

    #[inline]
    pub(crate) async fn select<T, P>(mut self, sql: &str, mut params: P) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
    {
        if params.has_lists() {
            let (text, buf) = self.expanded(sql, &params)?;
            return Box::pin(self.all_of_text(text, buf)).await;
        }
        let alone = self.alone(false);
        if let Place::Db(db) = self.0 {
            if let Some(passage) = &mut db.passage(sql, &params, Want::All)
                && let Some(all) = poll_fn(|cx| passage.poll_all(cx)).await?
            {
                return Ok(all);
            }
            if alone.is_none()
                && let Some(passage) = db.sharing(sql)
            {
                match passage.all(None, &mut params).await? {
                    Shared::Done(all) => return Ok(all),
                    Shared::Elsewhere(elsewhere) => self = self.since(elsewhere),
                    Shared::Not => {}
                }
            }
        }
        self.open(sql, params, Want::All, &mut None).await?.all().await
    }

    /// See [`Db::alone`].
    #[inline]
    fn alone(&self, writes: bool) -> Option<Caller<'e>> {
        match self.0 {
            Place::Db(db) => db.alone(writes),
            _ => None,
        }
    }

    /// The same place, for the rest of a call that was to share a connection.
    #[cold]
    fn since(self, elsewhere: Elsewhere) -> Self {
        self.scoped(|db| db.since(elsewhere.since))
    }

    /// The handle whose calls may share connections, where this is no connection.
    fn sharer(&self) -> Option<&Db> {
        match &self.0 {
            Place::Db(db) => Some(db),
            Place::Scoped(scope, None) => Some(scope),
            Place::Session(_) | Place::Scoped(_, Some(_)) => None,
        }
    }

    /// As [`exec`](Self::exec), for a text that is already worked out.
    pub(crate) async fn exec_of_text<P: Params>(
        mut self,
        text: Arc<Text>,
        mut params: P,
    ) -> Result<Done> {
        let alone = self.alone(true);
        let mut elsewhere = None;
        if alone.is_none()
            && let Some(db) = self.sharer()
            && let Some(passage) = db.sharing_write(text.source())
        {
            match passage.outcome(Some(&text), &mut params).await? {
                Shared::Done(outcome) => return Ok(Done::new(outcome)),
                Shared::Elsewhere(since) => elsewhere = Some(since),
                Shared::Not => {}
            }
        }
        if let Some(elsewhere) = elsewhere {
            self = self.since(elsewhere);
        }
        self.open_text(text, params, Want::Outcome, &mut None).await?.finish().await.map(Done::new)
    }

    /// As [`first`](Self::first), for a text that is already worked out.
    pub(crate) async fn first_of_text<T, P, S>(
        mut self,
        text: Arc<Text>,
        mut params: P,
        shape: S,
    ) -> Result<S::Output>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
        S: Shape<T>,
    {
        if let Some(db) = self.sharer()
            && let Some(passage) = &mut db.passage_of_text(&text, &params, Want::First)
            && let Some(first) = poll_fn(|cx| passage.poll_first(cx)).await?
        {
            return shape.shape(first).ok_or_else(|| db.named(no_rows()));
        }
        let mut elsewhere = None;
        let alone = self.alone(false);
        if alone.is_none()
            && let Some(db) = self.sharer()
            && let Some(mut passage) = db.sharing(text.source())
        {
            let run = poll_fn(|cx| passage.poll_run(Some(&text), &mut params, Want::First, cx));
            match run.await {
                Way::Over => return passage.first(shape),
                Way::Elsewhere => elsewhere = Some(passage.elsewhere()),
                Way::Failed(error) => return Err(error),
                Way::Alone => {}
            }
        }
        if let Some(elsewhere) = elsewhere {
            self = self.since(elsewhere);
        }
        self.open_text(text, params, Want::First, &mut None).await?.shaped(shape).await
    }

    /// As [`select`](Self::select), for a text that is already worked out.
    pub(crate) async fn all_of_text<T, P>(
        mut self,
        text: Arc<Text>,
        mut params: P,
    ) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
        P: Params,
    {
        if let Some(db) = self.sharer()
            && let Some(passage) = &mut db.passage_of_text(&text, &params, Want::All)
            && let Some(all) = poll_fn(|cx| passage.poll_all(cx)).await?
        {
            return Ok(all);
        }
        let mut elsewhere = None;
        let alone = self.alone(false);
        if alone.is_none()
            && let Some(db) = self.sharer()
            && let Some(passage) = db.sharing(text.source())
        {
            match passage.all(Some(&text), &mut params).await? {
                Shared::Done(all) => return Ok(all),
                Shared::Elsewhere(since) => elsewhere = Some(since),
                Shared::Not => {}
            }
        }
        if let Some(elsewhere) = elsewhere {
            self = self.since(elsewhere);
        }
        self.open_text(text, params, Want::All, &mut None).await?.all().await
    }

    pub(crate) async fn exec_named(self, sql: &str, args: impl NamedArgs) -> Result<Done> {
        named::exec(self, sql, args).await
    }

    pub(crate) async fn query_named(self, sql: &str, args: impl NamedArgs) -> Result<Rows<'e>> {
        let (text, buf) = named::bind(self.handle(), sql, &args)?;
        let mut held = None;
        self.open_text(text, buf, Want::All, &mut held).await?;
        Rows::lend(held)
    }

    pub(crate) async fn get_named<T>(self, sql: &str, args: impl NamedArgs) -> Result<T>
    where
        T: for<'r> FromRow<'r>,
    {
        let (text, buf) = named::bind(self.handle(), sql, &args)?;
        self.first_of_text(text, buf, One).await
    }

    pub(crate) async fn get_optional_named<T>(
        self,
        sql: &str,
        args: impl NamedArgs,
    ) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let (text, buf) = named::bind(self.handle(), sql, &args)?;
        self.first_of_text(text, buf, Optional).await
    }

    pub(crate) async fn select_named<T>(self, sql: &str, args: impl NamedArgs) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let (text, buf) = named::bind(self.handle(), sql, &args)?;
        self.all_of_text(text, buf).await
    }

    pub(crate) fn stream<T>(self, sql: &str, params: &impl Params) -> RowStream<'e, T>
    where
        T: for<'r> FromRow<'r>,
    {
        let prepared = self.handle().prepared(sql, params);
        RowStream::new(Box::pin(async move {
            let (text, buf) = prepared.map_err(|refused| refused.tell(self.handle()))?;
            let mut held = None;
            self.open_text(text, buf, Want::All, &mut held).await?;
            Rows::lend(held)
        }))
    }

    pub(crate) async fn describe(self, text: &Text) -> Result<Description> {
        match self.0 {
            Place::Db(db) => db.describe(text).await,
            Place::Session(session) => session.describe(text).await,
            Place::Scoped(scope, None) => scope.describe(text).await,
            Place::Scoped(scope, Some(session)) => {
                Scoped::new(session, *scope).session.describe(text).await
            }
        }
    }

    /// Queues what `push` does, in the transaction that this is.
    pub(crate) async fn enqueue(
        self,
        push: impl FnOnce(&mut Session) -> Result<bool>,
    ) -> Result<()> {
        match self.0 {
            Place::Session(session) => session.enqueue_in_transaction(push).await,
            Place::Scoped(scope, Some(session)) => {
                Scoped::new(session, *scope).session.enqueue_in_transaction(push).await
            }
            place => Err(Self(place).handle().named(no_transaction())),
        }
    }

    pub(crate) fn batch(self) -> Batch<'e> {
        Batch::new(self)
    }
}

/// The calls, as methods: on `&self` for a `Db`, on `&mut self` where a connection is in hand.
macro_rules! calls {
    ($self:ident, $($receiver:tt)+) => {
        /// Runs a statement and says what it did; rows that it gives are discarded.
        ///
        /// Without arguments the text may have several statements; the outcome is then the sum of
        /// theirs. Outside a transaction [they are not all or nothing](crate#what-is-all-or-nothing) on
        /// every engine: on SQLite each commits by itself, and after an error the ones before it are
        /// kept.
        ///
        /// # Errors
        ///
        /// No connection in time, the engine's error, or the deadline.
        pub fn exec<P: $crate::Params>(
            $($receiver)+,
            sql: &str,
            params: P,
        ) -> impl Future<Output = $crate::Result<$crate::Done>> {
            $self.target().exec(sql, params)
        }

        /// Runs the statements of a file, as [`exec`](Self::exec) runs a text of several.
        ///
        /// # Errors
        ///
        /// [`Io`](crate::ErrorKind::Io) for a file that cannot be read or is not UTF-8, with nothing sent;
        /// else as [`exec`](Self::exec).
        pub async fn exec_file(
            $($receiver)+,
            path: impl AsRef<std::path::Path>,
        ) -> $crate::Result<$crate::Done> {
            $self.target().exec_file(path.as_ref()).await
        }

        /// The first row as `T`: a scalar, a tuple, or a struct. Further rows are discarded unread.
        ///
        /// A text of several statements runs to its end; the row is the first one of the first result
        /// set that has columns.
        ///
        /// # Errors
        ///
        /// [`NoRows`](crate::ErrorKind::NoRows) without a row; else as [`query`](Self::query), and if
        /// the row does not convert.
        pub fn get<T>(
            $($receiver)+,
            sql: &str,
            params: impl $crate::Params,
        ) -> impl Future<Output = $crate::Result<T>>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().get(sql, params)
        }

        /// The first row as `T`, or `None` if there is none.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query), and if the row does not convert.
        pub fn get_optional<T>(
            $($receiver)+,
            sql: &str,
            params: impl $crate::Params,
        ) -> impl Future<Output = $crate::Result<Option<T>>>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().get_optional(sql, params)
        }

        /// All rows as `T`s, in memory; for results that may be large, see [`query`](Self::query).
        ///
        /// A text of several statements runs to its end; the rows are those of the first result set that
        /// has columns.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query), and if a row does not convert.
        pub fn select<T>(
            $($receiver)+,
            sql: &str,
            params: impl $crate::Params,
        ) -> impl Future<Output = $crate::Result<Vec<T>>>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().select(sql, params)
        }

        /// As [`exec`](Self::exec), with `:name` placeholders filled from a struct, a map, or, for a bulk
        /// `INSERT ... VALUES (...)`, a slice of them.
        ///
        /// A bulk that needs more than one statement is all or nothing.
        ///
        /// # Errors
        ///
        /// As [`exec`](Self::exec), and if a name has no value.
        pub async fn exec_named($($receiver)+, sql: &str, args: impl $crate::NamedArgs) -> $crate::Result<$crate::Done> {
            $self.target().exec_named(sql, args).await
        }

        /// As [`get`](Self::get), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As [`get`](Self::get), and if a name has no value.
        pub async fn get_named<T>($($receiver)+, sql: &str, args: impl $crate::NamedArgs) -> $crate::Result<T>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().get_named(sql, args).await
        }

        /// As [`get_optional`](Self::get_optional), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As [`get_optional`](Self::get_optional), and if a name has no value.
        pub async fn get_optional_named<T>($($receiver)+, sql: &str, args: impl $crate::NamedArgs) -> $crate::Result<Option<T>>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().get_optional_named(sql, args).await
        }

        /// As [`select`](Self::select), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As [`select`](Self::select), and if a name has no value.
        pub async fn select_named<T>($($receiver)+, sql: &str, args: impl $crate::NamedArgs) -> $crate::Result<Vec<T>>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            $self.target().select_named(sql, args).await
        }

        /// Has the engine check a statement, and gives a handle to it.
        ///
        /// A statement is text: every connection prepares it when it first runs there and keeps it in a
        /// bounded cache, so it cannot leak and survives lost connections. A handle that was made on a
        /// connection in hand is checked there (it knows that connection's temporary tables); it runs on
        /// the pool like any other, and on the connection by [`on`](crate::Stmt::on).
        ///
        /// # Errors
        ///
        /// The engine's error, or no connection in time. A task that holds the only connection must
        /// prepare on that one: the pool has no other to give.
        pub async fn prepare($($receiver)+, sql: &str) -> $crate::Result<$crate::Stmt> {
            $crate::Stmt::prepare($self.target(), sql).await
        }

        /// As [`prepare`](Self::prepare), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As [`prepare`](Self::prepare).
        pub async fn prepare_named($($receiver)+, sql: &str) -> $crate::Result<$crate::NamedStmt> {
            $crate::NamedStmt::prepare($self.target(), sql).await
        }

        /// How the engine would go about a statement, with these arguments. Runs nothing but the planner.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query); [`Unsupported`](crate::ErrorKind::Unsupported) for an engine whose
        /// plans are not read.
        #[cfg(feature = "explain")]
        pub async fn explain(
            $($receiver)+,
            sql: &str,
            params: impl $crate::Params,
        ) -> $crate::Result<$crate::QueryPlan> {
            $self.target().explain($crate::Explain::new(), sql, params).await
        }

        /// As [`explain`](Self::explain), with options; with [`analyze`](crate::Explain::analyze) the
        /// statement is run.
        ///
        /// # Errors
        ///
        /// As `explain`, and for an option that the engine lacks. A statement that writes is not run
        /// unless it is to be [rolled back](crate::Explain::rolled_back).
        #[cfg(feature = "explain")]
        pub async fn explain_with(
            $($receiver)+,
            explain: $crate::Explain,
            sql: &str,
            params: impl $crate::Params,
        ) -> $crate::Result<$crate::QueryPlan> {
            $self.target().explain(explain, sql, params).await
        }

        /// As [`explain`](Self::explain), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As `explain`, and if a name has no value.
        #[cfg(feature = "explain")]
        pub async fn explain_named(
            $($receiver)+,
            sql: &str,
            args: impl $crate::NamedArgs,
        ) -> $crate::Result<$crate::QueryPlan> {
            $self.target().explain_named($crate::Explain::new(), sql, args).await
        }

        /// As [`explain_with`](Self::explain_with), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As `explain_with`, and if a name has no value.
        #[cfg(feature = "explain")]
        pub async fn explain_named_with(
            $($receiver)+,
            explain: $crate::Explain,
            sql: &str,
            args: impl $crate::NamedArgs,
        ) -> $crate::Result<$crate::QueryPlan> {
            $self.target().explain_named(explain, sql, args).await
        }

        /// Collects statements to be sent in as few flights as the driver can. On a `Db` each commits by
        /// itself, unless they are to be [`atomic`](crate::Batch::atomic); on a transaction they are part
        /// of it.
        pub fn batch($($receiver)+) -> $crate::Batch<'_> {
            $self.target().batch()
        }
    };
}
pub(crate) use calls;

/// The calls whose rows borrow the connection in hand.
macro_rules! borrowing_calls {
    () => {
        /// Runs a query and gives its rows, one at a time and borrowed. A text of several statements gives
        /// one result set after the other ([`Rows::next_result_set`](crate::Rows::next_result_set)), and
        /// goes no further than it is read.
        ///
        /// When this returns, the engine has accepted the statement and its first rows are here.
        ///
        /// # Errors
        ///
        /// No connection in time, the engine's error, or the deadline.
        pub async fn query<P: $crate::Params>(
            &mut self,
            sql: &str,
            params: P,
        ) -> $crate::Result<$crate::Rows<'_>> {
            self.target().query(sql, params).await
        }

        /// As [`query`](Self::query), with `:name` placeholders.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query), and if a name has no value.
        pub async fn query_named(
            &mut self,
            sql: &str,
            args: impl $crate::NamedArgs,
        ) -> $crate::Result<$crate::Rows<'_>> {
            self.target().query_named(sql, args).await
        }

        /// A query whose rows the engine gives a page at a time, and waits in between: see
        /// [`Cursor`](crate::Cursor). Lazy: nothing is sent before it is awaited.
        pub fn cursor<'q, P: $crate::Params + Send + 'q>(
            &'q mut self,
            sql: &'q str,
            params: P,
        ) -> $crate::Cursor<'q, 'q, P> {
            $crate::Cursor::new(self.target(), sql, params)
        }

        /// The rows of a query as a `Stream` of owned values. Lazy.
        pub fn stream<T>(
            &mut self,
            sql: &str,
            params: impl $crate::Params,
        ) -> $crate::RowStream<'_, T>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            self.target().stream(sql, &params)
        }
    };
}
pub(crate) use borrowing_calls;
