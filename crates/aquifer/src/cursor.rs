//! [`Cursor`]: a query whose rows the engine gives a page at a time.

use std::fmt;
use std::num::NonZeroU32;

use aquifer_driver::{BoxFuture, Error, ErrorKind, Params, Result, Want};

use crate::rows::Rows;
use crate::target::Target;

/// Rows that a page has unless [`Cursor::fetch_size`] says otherwise: few enough to fit into a few hundred
/// kilobytes, enough that the round trips between pages do not count.
const FETCH_SIZE: u32 = 1_000;

/// A query that is about to be opened as a cursor; await it for its [`Rows`].
///
/// The engine works out a page when it is asked for the first row in it, and waits in between, however
/// long the caller takes: what is never read is never computed. [`query`](crate::Conn::query) in
/// contrast lets the engine run ahead until the network is full, which is faster for whoever reads all of
/// it. Each page is a round trip.
///
/// The rows of a [`Db`](crate::Db)'s cursor own their connection, and give it back at their end. The rows
/// that are open see the table as it was when the cursor was opened, however long that is ago: a cursor
/// that is read slowly keeps the server from clearing away what was deleted since.
///
/// Engines without such a thing give the same rows as `query` does; SQLite computes each row as it is read
/// anyway.
///
/// ```
/// # async fn run(tx: &mut aquifer::Tx) -> aquifer::Result<()> {
/// let mut rows = tx.cursor("SELECT id, code FROM stations ORDER BY id", ()).fetch_size(500).await?;
/// while let Some(row) = rows.next().await? {
///     let (id, code): (i64, &str) = row.scan()?;
///     if code.starts_with('N') {
///         println!("{id} {code}");
///         break; // the pages that were not asked for are not computed
///     }
/// }
/// # Ok(()) }
/// ```
#[must_use = "a cursor is opened by `.await`"]
pub struct Cursor<'q, 'c, P> {
    target: Target<'c>,
    sql: &'q str,
    params: P,
    fetch_size: u32,
}

impl<'q, 'c, P> Cursor<'q, 'c, P> {
    pub(crate) fn new(target: Target<'c>, sql: &'q str, params: P) -> Self {
        Self { target, sql, params, fetch_size: FETCH_SIZE }
    }

    /// How many rows a page has; at least one. Default: 1000.
    pub fn fetch_size(mut self, rows: u32) -> Self {
        self.fetch_size = rows;
        self
    }
}

impl<'q, 'c: 'q, P: Params + Send + 'q> IntoFuture for Cursor<'q, 'c, P> {
    type Output = Result<Rows<'c>>;
    type IntoFuture = BoxFuture<'q, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { target, sql, params, fetch_size } = self;
            let Some(rows) = NonZeroU32::new(fetch_size) else {
                return Err(target.handle().refused(sql, no_rows()));
            };
            target.query_as(sql, params, Want::Paged(rows)).await
        })
    }
}

#[cold]
fn no_rows() -> Error {
    Error::new(ErrorKind::Argument, "a page of a cursor has at least one row")
        .with_nothing_sent(true)
}

impl<P> fmt::Debug for Cursor<'_, '_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("fetch_size", &self.fetch_size).finish_non_exhaustive()
    }
}
