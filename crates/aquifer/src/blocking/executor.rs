//! [`Executor`]: one bound for a pool, a connection and a transaction, without `async`.

use crate::target::Target;

use super::calls::{Done, blocking_calls, borrowing_blocking_calls};
use super::runtime::Runtime;
use super::{Conn, ConnTx, Db, Savepoint, Tx};

/// Where a blocking call runs: a target and the runtime that serves it.
#[derive(Debug)]
pub struct Place<'e> {
    pub(super) target: Target<'e>,
    pub(super) runtime: &'e Runtime,
}

/// Whatever can run statements: a [`Db`], a [`Conn`], a [`Tx`], a [`Savepoint`], or a reference to one.
///
/// ```
/// use aquifer::blocking::Executor;
///
/// fn rename(mut db: impl Executor, id: i64, code: &str) -> aquifer::Result<()> {
///     db.exec("UPDATE stations SET code = ? WHERE id = ?", (code, id))?.expect(1)?;
///     log(&mut db, id)
/// }
///
/// fn log(mut db: impl Executor, id: i64) -> aquifer::Result<()> {
///     db.exec("INSERT INTO renames (station_id) VALUES (?)", (id,)).map(drop)
/// }
///
/// # fn run(db: aquifer::blocking::Db) -> aquifer::Result<()> {
/// rename(&db, 7, "N-07")?;
/// let mut tx = db.begin()?;
/// rename(&mut tx, 7, "N-07")?;
/// # Ok(()) }
/// ```
pub trait Executor {
    /// Where calls run. Not meant to be called or implemented outside this crate.
    #[doc(hidden)]
    fn place(&mut self) -> Place<'_>;

    blocking_calls! { self, (&mut self) }
    borrowing_blocking_calls! { fn }
}

impl Executor for Db {
    fn place(&mut self) -> Place<'_> {
        Db::place(self)
    }
}

impl Executor for &Db {
    fn place(&mut self) -> Place<'_> {
        Db::place(self)
    }
}

impl Executor for Conn {
    fn place(&mut self) -> Place<'_> {
        Conn::place(self)
    }
}

impl Executor for Tx {
    fn place(&mut self) -> Place<'_> {
        Tx::place(self)
    }
}

impl Executor for ConnTx<'_> {
    fn place(&mut self) -> Place<'_> {
        ConnTx::place(self)
    }
}

impl Executor for Savepoint<'_> {
    fn place(&mut self) -> Place<'_> {
        Savepoint::place(self)
    }
}

impl<E: Executor + ?Sized> Executor for &mut E {
    fn place(&mut self) -> Place<'_> {
        (**self).place()
    }
}
