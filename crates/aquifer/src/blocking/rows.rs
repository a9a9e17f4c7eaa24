//! [`Rows`] and [`RowStream`], without `async`.

use aquifer_driver::Outcome;

use crate::{Columns, FromRow, Result, Row};

use super::runtime::{Held, Runtime};

/// As [`Rows`](crate::Rows), without `async`: a lending cursor.
#[derive(Debug)]
pub struct Rows<'c> {
    held: Held<crate::Rows<'c>>,
}

impl<'c> Rows<'c> {
    pub(super) fn new(rows: crate::Rows<'c>, runtime: &Runtime) -> Self {
        Self { held: Held::new(rows, runtime) }
    }

    /// As [`next`](crate::Rows::next).
    ///
    /// # Errors
    ///
    /// The engine's error, or the deadline.
    #[allow(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        let (rows, runtime) = self.held.parts();
        runtime.run(rows.next())
    }

    /// As [`next_result_set`](crate::Rows::next_result_set).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn next_result_set(&mut self) -> Result<bool> {
        let (rows, runtime) = self.held.parts();
        runtime.run(rows.next_result_set())
    }

    /// As [`columns`](crate::Rows::columns).
    pub fn columns(&self) -> &Columns {
        self.held.get().columns()
    }

    /// As [`outcome`](crate::Rows::outcome).
    pub fn outcome(&self) -> Outcome {
        self.held.get().outcome()
    }

    /// As [`close`](crate::Rows::close).
    pub fn close(self) {
        self.held.end(crate::Rows::close);
    }

    /// As [`collect`](crate::Rows::collect).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), and if a row does not convert.
    pub fn collect<T>(&mut self) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let (rows, runtime) = self.held.parts();
        runtime.run(rows.collect())
    }
}

/// As [`RowStream`](crate::RowStream), as an [`Iterator`]. Lazy; after an error it ends.
#[derive(Debug)]
pub struct RowStream<'c, T> {
    held: Held<crate::RowStream<'c, T>>,
    ended: bool,
}

impl<'c, T> RowStream<'c, T> {
    pub(super) fn new(stream: crate::RowStream<'c, T>, runtime: &Runtime) -> Self {
        Self { held: Held::new(stream, runtime), ended: false }
    }
}

impl<T: for<'r> FromRow<'r>> Iterator for RowStream<'_, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.ended {
            return None;
        }
        let (stream, runtime) = self.held.parts();
        let next = runtime.run(stream.try_next()).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<T: for<'r> FromRow<'r>> std::iter::FusedIterator for RowStream<'_, T> {}
