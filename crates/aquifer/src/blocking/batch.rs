//! [`Batch`], without `async`.

use crate::{BatchDone, Done, FromRow, Params, Result, Ticket};

use super::Place;
use super::runtime::Runtime;

/// As [`Batch`](crate::Batch); only [`send`](Self::send) blocks.
#[derive(Debug)]
pub struct Batch<'e> {
    inner: crate::Batch<'e>,
    runtime: &'e Runtime,
}

impl<'e> Batch<'e> {
    pub(super) fn new(place: Place<'e>) -> Self {
        Self { inner: place.target.batch(), runtime: place.runtime }
    }

    /// As [`atomic`](crate::Batch::atomic).
    #[must_use]
    pub fn atomic(self) -> Self {
        Self { inner: self.inner.atomic(), runtime: self.runtime }
    }

    /// As [`len`](crate::Batch::len).
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// As [`is_empty`](crate::Batch::is_empty).
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// As [`exec`](crate::Batch::exec).
    pub fn exec(&mut self, sql: &str, params: impl Params) -> Ticket<Done> {
        self.inner.exec(sql, params)
    }

    /// As [`get`](crate::Batch::get).
    pub fn get<T>(&mut self, sql: &str, params: impl Params) -> Ticket<T>
    where
        T: for<'r> FromRow<'r>,
    {
        self.inner.get(sql, params)
    }

    /// As [`get_optional`](crate::Batch::get_optional).
    pub fn get_optional<T>(&mut self, sql: &str, params: impl Params) -> Ticket<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        self.inner.get_optional(sql, params)
    }

    /// As [`select`](crate::Batch::select).
    pub fn select<T>(&mut self, sql: &str, params: impl Params) -> Ticket<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        self.inner.select(sql, params)
    }

    /// As [`send`](crate::Batch::send).
    ///
    /// # Errors
    ///
    /// No connection in time, a lost connection, or the deadline.
    pub fn send(self) -> Result<BatchDone> {
        self.runtime.run(self.inner.send())
    }
}
