//! [`Stmt`] and [`NamedStmt`], without `async`.

use std::time::Duration;

use aquifer_driver::Parameter;

use crate::{Columns, Done, FromRow, NamedArgs, Params, Result};

use super::runtime::Runtime;
use super::{Executor, Rows};

/// As [`Stmt`](crate::Stmt), without `async`.
#[derive(Debug, Clone)]
pub struct Stmt {
    inner: crate::Stmt,
    runtime: Runtime,
}

impl Stmt {
    pub(super) fn new(inner: crate::Stmt, runtime: &Runtime) -> Self {
        Self { inner, runtime: runtime.clone() }
    }

    /// As [`sql`](crate::Stmt::sql).
    pub fn sql(&self) -> &str {
        self.inner.sql()
    }

    /// As [`engine_sql`](crate::Stmt::engine_sql).
    pub fn engine_sql(&self) -> &str {
        self.inner.engine_sql()
    }

    /// As [`parameters`](crate::Stmt::parameters).
    pub fn parameters(&self) -> &[Parameter] {
        self.inner.parameters()
    }

    /// As [`columns`](crate::Stmt::columns).
    pub fn columns(&self) -> &Columns {
        self.inner.columns()
    }

    /// As [`is_read_only`](crate::Stmt::is_read_only).
    pub fn is_read_only(&self) -> Option<bool> {
        self.inner.is_read_only()
    }

    /// The same statement run elsewhere: in a transaction, on a connection.
    pub fn on<'a>(&'a self, executor: &'a mut impl Executor) -> StmtOn<'a> {
        let place = executor.place();
        StmtOn { inner: self.inner.on_target(place.target), runtime: place.runtime }
    }
}

/// A [`Stmt`] bound to where it will run once.
#[derive(Debug)]
pub struct StmtOn<'a> {
    inner: crate::StmtOn<'a>,
    runtime: &'a Runtime,
}

impl StmtOn<'_> {
    /// As [`StmtOn::enqueue`](crate::StmtOn::enqueue).
    ///
    /// # Errors
    ///
    /// As `StmtOn::enqueue`, and inside an async task.
    pub fn enqueue(self, params: impl Params) -> Result<()> {
        self.runtime.run(self.inner.enqueue(params))
    }
}

/// As [`NamedStmt`](crate::NamedStmt), without `async`.
#[derive(Debug, Clone)]
pub struct NamedStmt {
    inner: crate::NamedStmt,
    runtime: Runtime,
}

impl NamedStmt {
    pub(super) fn new(inner: crate::NamedStmt, runtime: &Runtime) -> Self {
        Self { inner, runtime: runtime.clone() }
    }

    /// As [`sql`](crate::NamedStmt::sql).
    pub fn sql(&self) -> &str {
        self.inner.sql()
    }

    /// As [`names`](crate::NamedStmt::names).
    pub fn names(&self) -> &[String] {
        self.inner.names()
    }

    /// As [`columns`](crate::NamedStmt::columns).
    pub fn columns(&self) -> &Columns {
        self.inner.columns()
    }

    /// As [`is_read_only`](crate::NamedStmt::is_read_only).
    pub fn is_read_only(&self) -> Option<bool> {
        self.inner.is_read_only()
    }

    /// The same statement run elsewhere: in a transaction, on a connection.
    pub fn on<'a>(&'a self, executor: &'a mut impl Executor) -> NamedStmtOn<'a> {
        let place = executor.place();
        NamedStmtOn { inner: self.inner.on_target(place.target), runtime: place.runtime }
    }
}

/// A [`NamedStmt`] bound to where it will run once.
#[derive(Debug)]
pub struct NamedStmtOn<'a> {
    inner: crate::NamedStmtOn<'a>,
    runtime: &'a Runtime,
}

impl NamedStmtOn<'_> {
    /// As [`NamedStmtOn::enqueue`](crate::NamedStmtOn::enqueue).
    ///
    /// # Errors
    ///
    /// As `NamedStmtOn::enqueue`, and inside an async task.
    pub fn enqueue(self, args: impl NamedArgs) -> Result<()> {
        self.runtime.run(self.inner.enqueue(args))
    }
}

/// Scopes, as the async statements have them.
macro_rules! scopes {
    ($type:ident $(<$life:lifetime>)?, ($($receiver:tt)+), $self:ident, $rest:expr) => {
        impl $(<$life>)? $type $(<$life>)? {
            /// As [`Db::timeout`](super::Db::timeout).
            #[must_use]
            pub fn timeout($($receiver)+, timeout: Duration) -> Self {
                Self { inner: $self.inner.timeout(timeout), ..$rest }
            }

            /// As [`Db::without_timeout`](super::Db::without_timeout).
            #[must_use]
            pub fn without_timeout($($receiver)+) -> Self {
                Self { inner: $self.inner.without_timeout(), ..$rest }
            }

            /// As [`Db::label`](super::Db::label).
            #[must_use]
            pub fn label($($receiver)+, label: &str) -> Self {
                Self { inner: $self.inner.label(label), ..$rest }
            }

            /// As [`Db::lax`](super::Db::lax).
            #[must_use]
            pub fn lax($($receiver)+) -> Self {
                Self { inner: $self.inner.lax(), ..$rest }
            }
        }
    };
}
scopes! { Stmt, (&self), self, self.clone() }
scopes! { StmtOn<'a>, (self), self, self }
scopes! { NamedStmt, (&self), self, self.clone() }
scopes! { NamedStmtOn<'a>, (self), self, self }

/// The calls of a statement: its text is known, only arguments are given.
macro_rules! statement {
    ($type:ident $(<$life:lifetime>)?, $receiver:tt, $self:ident, $bound:ident, $rows:lifetime) => {
        impl $(<$life>)? $type $(<$life>)? {
            statement! { @one $receiver $self $bound exec [] Done }
            statement! { @one $receiver $self $bound get [T] T }
            statement! { @one $receiver $self $bound get_optional [T] Option<T> }
            statement! { @one $receiver $self $bound select [T] Vec<T> }
            statement! { @query $receiver $self $bound $rows }
        }
    };
    (@one ($($receiver:tt)+) $self:ident $bound:ident $name:ident [$($row:ident)?] $output:ty) => {
        #[doc = concat!("As [`Db::", stringify!($name), "`](super::Db::", stringify!($name), ").")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As `Db::", stringify!($name), "`.")]
        pub fn $name $(<$row: for<'r> FromRow<'r>>)? (
            $($receiver)+,
            args: impl $bound,
        ) -> Result<$output> {
            $self.runtime.run($self.inner.$name(args))
        }
    };
    (@query ($($receiver:tt)+) $self:ident $bound:ident $rows:lifetime) => {
        /// As [`Db::query`](super::Db::query).
        ///
        /// # Errors
        ///
        /// As `Db::query`.
        pub fn query($($receiver)+, args: impl $bound) -> Result<Rows<$rows>> {
            let rows = $self.runtime.run($self.inner.query(args))?;
            Ok(Rows::new(rows, &$self.runtime))
        }
    };
}
statement! { Stmt, (&self), self, Params, 'static }
statement! { StmtOn<'a>, (self), self, Params, 'a }
statement! { NamedStmt, (&self), self, NamedArgs, 'static }
statement! { NamedStmtOn<'a>, (self), self, NamedArgs, 'a }
