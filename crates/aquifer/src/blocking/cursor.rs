//! [`Cursor`], without `async`.

use crate::{Params, Result};

use super::runtime::Runtime;
use super::{Place, Rows};

/// As [`Cursor`](crate::Cursor), opened by [`open`](Self::open).
///
/// ```
/// # fn run(db: aquifer::blocking::Db) -> aquifer::Result<()> {
/// let mut rows = db.cursor("SELECT id FROM stations ORDER BY id", ()).fetch_size(500).open()?;
/// while let Some(row) = rows.next()? {
///     println!("{}", row.get::<i64>(0)?);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a cursor is opened by `open`"]
pub struct Cursor<'q, 'c, P> {
    inner: crate::Cursor<'q, 'c, P>,
    runtime: &'q Runtime,
}

impl<'q, 'c: 'q, P: Params + Send + 'q> Cursor<'q, 'c, P> {
    pub(super) fn new(inner: crate::Cursor<'q, 'c, P>, runtime: &'q Runtime) -> Self {
        Self { inner, runtime }
    }

    /// As [`fetch_size`](crate::Cursor::fetch_size).
    pub fn fetch_size(self, rows: u32) -> Self {
        Self { inner: self.inner.fetch_size(rows), runtime: self.runtime }
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// As [`query`](crate::Db::query), and inside an async task.
    pub fn open(self) -> Result<Rows<'c>> {
        let rows = self.runtime.run(self.inner.into_future())?;
        Ok(Rows::new(rows, self.runtime))
    }
}

impl<'q, P: Params + Send + 'q> Cursor<'q, 'q, P> {
    pub(super) fn on(place: Place<'q>, sql: &'q str, params: P) -> Self {
        Self::new(crate::Cursor::new(place.target, sql, params), place.runtime)
    }
}
