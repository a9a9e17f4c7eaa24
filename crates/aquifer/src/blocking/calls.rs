//! Every call, listed once, for every place where it can be made.

/// The calls that give owned values, as methods: `(&self)` for a `Db`, `(&mut self)` where a connection
/// is in hand, without `pub` for the trait.
macro_rules! blocking_calls {
    ($visibility:vis $self:ident, $receiver:tt) => {
        blocking_calls! { @each ($visibility) $self $receiver
            exec(params: Params) -> Done;
            get<T>(params: Params) -> T;
            get_optional<T>(params: Params) -> Option<T>;
            select<T>(params: Params) -> Vec<T>;
            exec_named(args: NamedArgs) -> Done;
            get_named<T>(args: NamedArgs) -> T;
            get_optional_named<T>(args: NamedArgs) -> Option<T>;
            select_named<T>(args: NamedArgs) -> Vec<T>;
        }
        blocking_calls! { @file ($visibility) $self $receiver }
        blocking_calls! { @explain ($visibility) $self $receiver }
    };
    (@explain ($visibility:vis) $self:ident ($($receiver:tt)+)) => {
        /// As [`Db::explain`](crate::Db::explain), with options.
        ///
        /// # Errors
        ///
        /// As `Db::explain_with`, and inside an async task.
        #[cfg(feature = "explain")]
        $visibility fn explain_with(
            $($receiver)+,
            explain: $crate::Explain,
            sql: &str,
            params: impl $crate::blocking::calls::Params,
        ) -> $crate::Result<$crate::QueryPlan> {
            let place = $self.place();
            place.runtime.run(place.target.explain(explain, sql, params))
        }

        /// As [`Db::explain_named`](crate::Db::explain_named), with options.
        ///
        /// # Errors
        ///
        /// As `Db::explain_named_with`, and inside an async task.
        #[cfg(feature = "explain")]
        $visibility fn explain_named_with(
            $($receiver)+,
            explain: $crate::Explain,
            sql: &str,
            args: impl $crate::blocking::calls::NamedArgs,
        ) -> $crate::Result<$crate::QueryPlan> {
            let place = $self.place();
            place.runtime.run(place.target.explain_named(explain, sql, args))
        }
    };
    (@file ($visibility:vis) $self:ident ($($receiver:tt)+)) => {
        /// As [`Db::exec_file`](crate::Db::exec_file).
        ///
        /// # Errors
        ///
        /// As `Db::exec_file`, and inside an async task.
        $visibility fn exec_file(
            $($receiver)+,
            path: impl AsRef<std::path::Path>,
        ) -> $crate::Result<$crate::Done> {
            let place = $self.place();
            place.runtime.run(place.target.exec_file(path.as_ref()))
        }
    };
    (@each $visibility:tt $self:ident $receiver:tt
        $($name:ident $(<$row:ident>)? ($args:ident: $bound:ident) -> $output:ty;)*) => {
        $(blocking_calls! { @one $visibility $self $receiver $name [$($row)?] $args $bound $output })*
    };
    (@one ($visibility:vis) $self:ident ($($receiver:tt)+)
        $name:ident [$($row:ident)?] $args:ident $bound:ident $output:ty) => {
        #[doc = concat!("As [`Db::", stringify!($name), "`](crate::Db::", stringify!($name), ").")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As `Db::", stringify!($name), "`, and inside an async task.")]
        $visibility fn $name $(<$row>)? (
            $($receiver)+,
            sql: &str,
            $args: impl $crate::blocking::calls::$bound,
        ) -> $crate::Result<$output>
        $(where $row: for<'r> $crate::FromRow<'r>)?
        {
            let place = $self.place();
            place.runtime.run(place.target.$name(sql, $args))
        }
    };
}
pub(super) use blocking_calls;

/// The calls whose rows borrow the connection in hand.
macro_rules! borrowing_blocking_calls {
    ($visibility:vis fn) => {
        /// As [`Db::query`](crate::Db::query); the rows borrow the connection.
        ///
        /// # Errors
        ///
        /// As `Db::query`, and inside an async task.
        $visibility fn query(
            &mut self,
            sql: &str,
            params: impl $crate::Params,
        ) -> $crate::Result<$crate::blocking::Rows<'_>> {
            let place = self.place();
            let rows = place.runtime.run(place.target.query(sql, params))?;
            Ok($crate::blocking::Rows::new(rows, place.runtime))
        }

        /// As [`Db::query_named`](crate::Db::query_named); the rows borrow the connection.
        ///
        /// # Errors
        ///
        /// As `Db::query_named`, and inside an async task.
        $visibility fn query_named(
            &mut self,
            sql: &str,
            args: impl $crate::NamedArgs,
        ) -> $crate::Result<$crate::blocking::Rows<'_>> {
            let place = self.place();
            let rows = place.runtime.run(place.target.query_named(sql, args))?;
            Ok($crate::blocking::Rows::new(rows, place.runtime))
        }

        /// As [`Db::cursor`](crate::Db::cursor); the rows borrow the connection.
        $visibility fn cursor<'q, P: $crate::Params + Send + 'q>(
            &'q mut self,
            sql: &'q str,
            params: P,
        ) -> $crate::blocking::Cursor<'q, 'q, P> {
            $crate::blocking::Cursor::on(self.place(), sql, params)
        }

        /// As [`Db::stream`](crate::Db::stream); the rows borrow the connection.
        $visibility fn stream<T>(
            &mut self,
            sql: &str,
            params: impl $crate::Params,
        ) -> $crate::blocking::RowStream<'_, T>
        where
            T: for<'r> $crate::FromRow<'r>,
        {
            let place = self.place();
            $crate::blocking::RowStream::new(place.target.stream(sql, &params), place.runtime)
        }

        /// As [`Db::prepare`](crate::Db::prepare), checked on this connection.
        ///
        /// # Errors
        ///
        /// As `Db::prepare`, and inside an async task.
        $visibility fn prepare(&mut self, sql: &str) -> $crate::Result<$crate::blocking::Stmt> {
            let place = self.place();
            let stmt = place.runtime.run($crate::Stmt::prepare(place.target, sql))?;
            Ok($crate::blocking::Stmt::new(stmt, place.runtime))
        }

        /// As [`Db::prepare_named`](crate::Db::prepare_named), checked on this connection.
        ///
        /// # Errors
        ///
        /// As `Db::prepare_named`, and inside an async task.
        $visibility fn prepare_named(
            &mut self,
            sql: &str,
        ) -> $crate::Result<$crate::blocking::NamedStmt> {
            let place = self.place();
            let stmt = place.runtime.run($crate::NamedStmt::prepare(place.target, sql))?;
            Ok($crate::blocking::NamedStmt::new(stmt, place.runtime))
        }

        /// As [`Db::batch`](crate::Db::batch).
        $visibility fn batch(&mut self) -> $crate::blocking::Batch<'_> {
            $crate::blocking::Batch::new(self.place())
        }
    };
}
pub(super) use borrowing_blocking_calls;

pub(super) use crate::{Done, NamedArgs, Params};
