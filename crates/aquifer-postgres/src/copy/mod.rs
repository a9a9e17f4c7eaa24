//! COPY: bulk data, in and out.
//!
//! [`CopyIn`] and [`CopyOut`] carry bytes in whatever format the SQL names. [`CopyInRows`] and
//! [`CopyOutRows`] carry rows: `encode` and `decode`, which do no I/O, turn them into one of the three
//! formats of the manual's chapter "COPY", section "File Formats", and back.
//!
//! Nothing here waits for more than 64 KiB in either direction, and nothing is allocated per row.

mod copy_in;
mod copy_out;
mod decode;
mod encode;
mod format;
mod rows_in;
mod rows_out;

pub use copy_in::CopyIn;
pub use copy_out::CopyOut;
pub(crate) use decode::Decoder;
pub(crate) use encode::{Column, Encoder};
pub use format::CopyFormat;
pub use rows_in::{CopyInRows, CopyRowWriter};
pub use rows_out::CopyOutRows;

use std::sync::Arc;

use aquifer_driver::{Command, Connection, Error, ErrorKind, Result, RowBatch, Step};

use crate::connection::PostgresConnection;
use crate::statement::Statement;

/// What a statement's columns are, by the server's word at this moment.
async fn describe(connection: &mut PostgresConnection, sql: &str) -> Result<Arc<Statement>> {
    connection.start(Command::Prepare { sql })?;
    let mut batch = RowBatch::new();
    loop {
        let step = std::future::poll_fn(|cx| connection.poll_next(cx, &mut batch)).await?;
        if matches!(step, Step::End(_)) {
            break;
        }
    }
    connection
        .pipeline()
        .take_described()
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the server did not describe the statement"))
}

/// A name in quotes: case counts, and nothing in it is SQL.
///
/// # Errors
///
/// If it is empty or has a NUL character, which no name has.
fn quote(name: &str, out: &mut String) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        return Err(Error::new(
            ErrorKind::Argument,
            format!("`{}` is no name of a table or column", name.escape_debug()),
        )
        .with_nothing_sent(true));
    }
    out.push('"');
    for char in name.chars() {
        if char == '"' {
            out.push('"');
        }
        out.push(char);
    }
    out.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_cannot_leave_their_quotes() {
        let mut out = String::new();
        quote("a\"; DROP TABLE b --", &mut out).unwrap();
        assert_eq!(out, "\"a\"\"; DROP TABLE b --\"");
        assert!(quote("", &mut out).is_err() && quote("a\0", &mut out).is_err());
    }
}
