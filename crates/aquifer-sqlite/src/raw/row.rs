//! Reading the current row.
//!
//! A cell costs one `sqlite3_column_value`, which checks the index, and then the light
//! `sqlite3_value_*` calls, instead of two or three `sqlite3_column_*` calls that each check, lock
//! and look for failed allocations.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use libsqlite3_sys as ffi;

use super::code::Code;
use super::error::{Error, Result};

/// The row a statement stands on. Its cells can be read until the statement is used again.
pub struct Row<'s> {
    stmt: NonNull<ffi::sqlite3_stmt>,
    columns: u32,
    _statement: PhantomData<&'s ()>,
}

/// A cell, as SQLite stores it: nothing is converted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'r> {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A float; never NaN, which SQLite stores as NULL.
    Real(f64),
    /// Text in what should be UTF-8: SQLite does not check it. It may contain NUL bytes.
    Text(&'r [u8]),
    /// Bytes.
    Blob(&'r [u8]),
}

/// What kind of value a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellKind {
    /// NULL.
    Null,
    /// A 64-bit integer.
    Integer,
    /// A float.
    Real,
    /// Text.
    Text,
    /// Bytes.
    Blob,
}

impl Cell<'_> {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> CellKind {
        match self {
            Self::Null => CellKind::Null,
            Self::Integer(_) => CellKind::Integer,
            Self::Real(_) => CellKind::Real,
            Self::Text(_) => CellKind::Text,
            Self::Blob(_) => CellKind::Blob,
        }
    }
}

impl<'s> Row<'s> {
    /// `stmt` stands on a row and is not used while `'s` lasts.
    #[inline]
    pub(super) fn new(stmt: NonNull<ffi::sqlite3_stmt>, columns: u32) -> Self {
        Self { stmt, columns, _statement: PhantomData }
    }

    /// How many cells the row has.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns as usize
    }

    /// Whether the row has no cells, which no SQL statement brings about.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// The cell at `index`, from 0.
    ///
    /// # Errors
    ///
    /// `SQLITE_RANGE` if there is no such column, `SQLITE_NOMEM` if memory ran out while a text was
    /// converted to UTF-8.
    #[inline]
    pub fn cell(&self, index: usize) -> Result<Cell<'s>> {
        match u32::try_from(index) {
            Ok(index) if index < self.columns => self.read(index),
            _ => Err(out_of_range(index, self.columns)),
        }
    }

    /// Shows every cell to `visit`, from the first to the last.
    ///
    /// # Errors
    ///
    /// As [`cell`](Self::cell), before the cell is shown.
    #[inline]
    pub fn visit(&self, mut visit: impl FnMut(usize, Cell<'s>)) -> Result<()> {
        for index in 0..self.columns {
            visit(index as usize, self.read(index)?);
        }
        Ok(())
    }

    #[inline]
    fn read(&self, index: u32) -> Result<Cell<'s>> {
        let index = index.cast_signed();
        // SAFETY: the statement is not finalised and nothing else uses it; SQLite checks the index
        // and gives a NULL value outside the row. The value is unprotected, which makes no
        // difference in a connection without a mutex ("interchangeable", says its documentation).
        let value = unsafe { ffi::sqlite3_column_value(self.stmt.as_ptr(), index) };
        // SAFETY: `value` is a value of the current row, valid until the next step. Only calls that
        // fit its type follow, so none converts it in place, and what an earlier `Cell` points to
        // stays where it is. (The first read of a UTF-16 text turns it into UTF-8; later ones find
        // it so.)
        unsafe {
            Ok(match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => Cell::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => Cell::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    let start = ffi::sqlite3_value_text(value);
                    let length = ffi::sqlite3_value_bytes(value);
                    // The text itself is never null, so this is a failed allocation.
                    if start.is_null() {
                        return Err(no_memory());
                    }
                    Cell::Text(slice::from_raw_parts(start, length as usize))
                }
                ffi::SQLITE_BLOB => {
                    let start = ffi::sqlite3_value_blob(value).cast::<u8>();
                    let length = ffi::sqlite3_value_bytes(value);
                    match (start.is_null(), length) {
                        (false, length) => {
                            Cell::Blob(slice::from_raw_parts(start, length as usize))
                        }
                        // An empty blob is a null pointer of length 0. A failed allocation turns
                        // the cell into NULL.
                        (true, _) if ffi::sqlite3_value_type(value) == ffi::SQLITE_BLOB => {
                            Cell::Blob(&[])
                        }
                        (true, _) => return Err(no_memory()),
                    }
                }
                _ => Cell::Null,
            })
        }
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cold]
fn out_of_range(index: usize, columns: u32) -> Error {
    Error::local(
        Code::RANGE,
        format!("there is no column {index}: the row has {columns}, counted from 0"),
    )
}

#[cold]
fn no_memory() -> Error {
    Error::local(Code::NOMEM, "out of memory while a cell was read")
}
