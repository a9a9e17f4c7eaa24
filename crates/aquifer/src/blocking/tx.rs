//! [`Tx`], [`ConnTx`] and [`Savepoint`], without `async`.

use std::time::Duration;

use aquifer_driver::Connection;

use crate::{Committed, Result};

use super::Place;
use super::calls::{Done, blocking_calls, borrowing_blocking_calls};
use super::runtime::{Held, Runtime};

/// As [`Tx`](crate::Tx), without `async`. Dropped, it is rolled back in the background.
#[derive(Debug)]
pub struct Tx {
    held: Held<crate::Tx>,
}

/// As [`ConnTx`](crate::ConnTx), without `async`.
#[derive(Debug)]
pub struct ConnTx<'c> {
    held: Held<crate::ConnTx<'c>>,
}

/// As [`Savepoint`](crate::Savepoint), without `async`.
#[derive(Debug)]
pub struct Savepoint<'t> {
    held: Held<crate::Savepoint<'t>>,
}

macro_rules! transaction {
    ($type:ident $(<$life:lifetime>)?) => {
        impl $(<$life>)? $type $(<$life>)? {
            pub(super) fn new(tx: crate::$type $(<$life>)?, runtime: &Runtime) -> Self {
                Self { held: Held::new(tx, runtime) }
            }

            pub(super) fn place(&mut self) -> Place<'_> {
                let (tx, runtime) = self.held.parts();
                Place { target: tx.target(), runtime }
            }

            blocking_calls! { pub self, (&mut self) }
            borrowing_blocking_calls! { pub fn }

            /// As [`enqueue`](crate::Tx::enqueue).
            ///
            /// # Errors
            ///
            /// As [`enqueue`](crate::Tx::enqueue), and inside an async task.
            pub fn enqueue(&mut self, sql: &str, params: impl crate::Params) -> Result<()> {
                let (tx, runtime) = self.held.parts();
                runtime.run(tx.enqueue(sql, params))
            }

            /// As [`enqueue_named`](crate::Tx::enqueue_named).
            ///
            /// # Errors
            ///
            /// As [`enqueue_named`](crate::Tx::enqueue_named), and inside an async task.
            pub fn enqueue_named(&mut self, sql: &str, args: impl crate::NamedArgs) -> Result<()> {
                let (tx, runtime) = self.held.parts();
                runtime.run(tx.enqueue_named(sql, args))
            }

            /// As [`flush`](crate::Tx::flush).
            ///
            /// # Errors
            ///
            /// As [`flush`](crate::Tx::flush), and inside an async task.
            pub fn flush(&mut self) -> Result<()> {
                let (tx, runtime) = self.held.parts();
                runtime.run(tx.flush())
            }

            /// As [`savepoint`](crate::Tx::savepoint).
            ///
            /// # Errors
            ///
            /// The engine's error.
            pub fn savepoint(&mut self) -> Result<Savepoint<'_>> {
                let (tx, runtime) = self.held.parts();
                let savepoint = runtime.run(tx.savepoint())?;
                Ok(Savepoint::new(savepoint, runtime))
            }

            /// The driver's own connection. Its async calls run in
            /// [`Db::block_on`](super::Db::block_on).
            ///
            /// # Errors
            ///
            /// If the URL chose another driver.
            pub fn driver<T: Connection>(&mut self) -> Result<&mut T> {
                self.held.parts().0.driver()
            }

            /// As [`set_timeout`](crate::Tx::set_timeout).
            pub fn set_timeout(&mut self, timeout: Option<Duration>) {
                self.held.parts().0.set_timeout(timeout);
            }

            /// As [`set_label`](crate::Tx::set_label).
            pub fn set_label(&mut self, label: Option<&str>) {
                self.held.parts().0.set_label(label);
            }
        }
    };
}
transaction! { Tx }

impl Tx {
    pub(super) fn inner(&self) -> &crate::Tx {
        self.held.get()
    }
}

transaction! { ConnTx<'c> }
transaction! { Savepoint<'t> }

macro_rules! outermost {
    ($type:ident $(<$life:lifetime>)?) => {
        impl $(<$life>)? $type $(<$life>)? {
            /// As [`commit`](crate::Tx::commit).
            ///
            /// # Errors
            ///
            /// As [`commit`](crate::Tx::commit). Inside an async task the transaction is rolled back.
            pub fn commit(self) -> Result<Committed> {
                self.held.finish(|tx| tx.commit())
            }

            /// As [`rollback`](crate::Tx::rollback).
            ///
            /// # Errors
            ///
            /// If the connection broke; the transaction is gone then, too.
            pub fn rollback(self) -> Result<()> {
                self.held.finish(|tx| tx.rollback())
            }
        }
    };
}
outermost! { Tx }
outermost! { ConnTx<'c> }

impl Savepoint<'_> {
    /// As [`release`](crate::Savepoint::release).
    ///
    /// # Errors
    ///
    /// The engine's error; the savepoint is then undone.
    pub fn release(self) -> Result<()> {
        self.held.finish(|savepoint| savepoint.release())
    }

    /// As [`rollback`](crate::Savepoint::rollback).
    ///
    /// # Errors
    ///
    /// The engine's error.
    pub fn rollback(self) -> Result<()> {
        self.held.finish(|savepoint| savepoint.rollback())
    }
}
