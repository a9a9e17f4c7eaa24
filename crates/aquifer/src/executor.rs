//! [`Executor`]: one bound for a pool, a connection and a transaction.

use aquifer_driver::{FromRow, Params, Result};

use crate::done::Done;
use crate::named::NamedArgs;
use crate::rows::Rows;
use crate::target::Target;
use crate::{Conn, ConnTx, Db, Savepoint, Tx};

/// Whatever can run statements: a [`Db`], a [`Conn`], a [`Tx`], a [`Savepoint`], or a reference to one.
///
/// A function that takes `mut db: impl Executor` runs in or out of a transaction, as its caller likes,
/// and may use it as often as it wants; it passes `&mut db` on to the next such function.
///
/// ```
/// use aquifer::{Executor, Result};
///
/// async fn rename(mut db: impl Executor, id: i64, code: &str) -> Result<()> {
///     db.exec("UPDATE stations SET code = ? WHERE id = ?", (code, id)).await?.expect(1)?;
///     log(&mut db, id).await
/// }
///
/// async fn log(mut db: impl Executor, id: i64) -> Result<()> {
///     db.exec("INSERT INTO renames (station_id) VALUES (?)", (id,)).await.map(drop)
/// }
///
/// # async fn run(db: aquifer::Db) -> Result<()> {
/// rename(&db, 7, "N-07").await?;
/// let mut tx = db.begin().await?;
/// rename(&mut tx, 7, "N-07").await?;
/// # Ok(()) }
/// ```
pub trait Executor: Send {
    /// Where calls run. Not meant to be called or implemented outside this crate.
    #[doc(hidden)]
    fn target(&mut self) -> Target<'_>;

    /// As [`Db::exec`].
    fn exec<P: Params + Send>(
        &mut self,
        sql: &str,
        params: P,
    ) -> impl Future<Output = Result<Done>> + Send {
        self.target().exec(sql, params)
    }

    /// As [`Db::query`].
    fn query<P: Params + Send>(
        &mut self,
        sql: &str,
        params: P,
    ) -> impl Future<Output = Result<Rows<'_>>> + Send {
        self.target().query(sql, params)
    }

    /// As [`Db::get`].
    fn get<T>(
        &mut self,
        sql: &str,
        params: impl Params + Send,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().get(sql, params)
    }

    /// As [`Db::get_optional`].
    fn get_optional<T>(
        &mut self,
        sql: &str,
        params: impl Params + Send,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().get_optional(sql, params)
    }

    /// As [`Db::select`].
    fn select<T>(
        &mut self,
        sql: &str,
        params: impl Params + Send,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().select(sql, params)
    }

    /// As [`Db::explain_with`].
    #[cfg(feature = "explain")]
    fn explain_with(
        &mut self,
        explain: crate::Explain,
        sql: &str,
        params: impl Params + Send,
    ) -> impl Future<Output = Result<crate::QueryPlan>> + Send {
        self.target().explain(explain, sql, params)
    }

    /// As [`Db::explain_named_with`].
    #[cfg(feature = "explain")]
    fn explain_named_with(
        &mut self,
        explain: crate::Explain,
        sql: &str,
        args: impl NamedArgs,
    ) -> impl Future<Output = Result<crate::QueryPlan>> + Send {
        self.target().explain_named(explain, sql, args)
    }

    /// As [`Db::exec_named`].
    fn exec_named(
        &mut self,
        sql: &str,
        args: impl NamedArgs,
    ) -> impl Future<Output = Result<Done>> + Send {
        self.target().exec_named(sql, args)
    }

    /// As [`Db::get_named`].
    fn get_named<T>(
        &mut self,
        sql: &str,
        args: impl NamedArgs,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().get_named(sql, args)
    }

    /// As [`Db::get_optional_named`].
    fn get_optional_named<T>(
        &mut self,
        sql: &str,
        args: impl NamedArgs,
    ) -> impl Future<Output = Result<Option<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().get_optional_named(sql, args)
    }

    /// As [`Db::select_named`].
    fn select_named<T>(
        &mut self,
        sql: &str,
        args: impl NamedArgs,
    ) -> impl Future<Output = Result<Vec<T>>> + Send
    where
        T: for<'r> FromRow<'r> + Send,
    {
        self.target().select_named(sql, args)
    }
}

impl Executor for Db {
    fn target(&mut self) -> Target<'_> {
        Target::db(self)
    }
}

impl Executor for &Db {
    fn target(&mut self) -> Target<'_> {
        Target::db(self)
    }
}

impl Executor for Conn {
    fn target(&mut self) -> Target<'_> {
        Conn::target(self)
    }
}

impl Executor for Tx {
    fn target(&mut self) -> Target<'_> {
        Tx::target(self)
    }
}

impl Executor for ConnTx<'_> {
    fn target(&mut self) -> Target<'_> {
        ConnTx::target(self)
    }
}

impl Executor for Savepoint<'_> {
    fn target(&mut self) -> Target<'_> {
        Savepoint::target(self)
    }
}

impl<E: Executor + ?Sized> Executor for &mut E {
    fn target(&mut self) -> Target<'_> {
        (**self).target()
    }
}
