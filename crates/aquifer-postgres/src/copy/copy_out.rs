//! [`CopyOut`]: bytes out of a table or query.

use std::fmt;
use std::future::poll_fn;

use aquifer_driver::{Error, ErrorKind, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::copy_in::not_copy;
use crate::connection::PostgresConnection;
use crate::pipeline::{CopyStep, Direction};
use crate::protocol::backend;

/// How much of a large chunk's memory is kept for the next one.
const KEPT_BYTES: usize = 128 * 1024;

impl PostgresConnection {
    /// Starts a `COPY ... TO STDOUT`; the data comes through the reader that this returns.
    ///
    /// ```no_run
    /// # async fn f(connection: &mut aquifer_postgres::PostgresConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// let copy = connection.copy_out("COPY rivers TO STDOUT (FORMAT csv, HEADER)").await?;
    /// let mut file = tokio::io::sink();
    /// let rows = copy.write_to(&mut file).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, or [`Unsupported`](ErrorKind::Unsupported) if the text is another kind of statement;
    /// one that ran before that was found out has taken effect.
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>> {
        self.read_off().await?;
        self.start_copy(sql, Direction::Out)?;
        let format = backend::CopyFormat { binary: false, columns: 0 };
        let mut copy =
            CopyOut { connection: self, format, chunk: Vec::new(), rows: 0, over: false };
        match copy.step().await? {
            CopyStep::Started(format) => {
                copy.format = format;
                Ok(copy)
            }
            CopyStep::Data | CopyStep::End(_) => Err(not_copy("TO STDOUT", "copy_in")),
        }
    }
}

/// A COPY that gives data; made by [`PostgresConnection::copy_out`].
///
/// No more is read than the chunk that was asked for and what the network's buffers hold: a reader that
/// takes its time makes the server wait. A reader that is dropped before the end leaves the rest to
/// whoever uses the connection next: the pool reads it off, or has the server stop.
#[must_use = "dropping it gives the COPY up"]
pub struct CopyOut<'c> {
    connection: &'c mut PostgresConnection,
    format: backend::CopyFormat,
    chunk: Vec<u8>,
    rows: u64,
    over: bool,
}

impl CopyOut<'_> {
    /// True if the data is in the binary format.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.format.binary
    }

    /// How many columns there are.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.format.columns
    }

    /// The next chunk of data: whole rows as the server sends them, some 64 KiB together, or one row if
    /// that is larger. `None` at the end. If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// The server's; it is the end, and what came before it may not be all.
    pub async fn try_next(&mut self) -> Result<Option<&[u8]>> {
        if self.over {
            return Ok(None);
        }
        self.chunk.clear();
        self.chunk.shrink_to(KEPT_BYTES);
        match self.step().await? {
            CopyStep::End(outcome) => {
                self.rows = outcome.rows_affected;
                Ok(None)
            }
            _ => Ok(Some(&self.chunk)),
        }
    }

    /// How many rows there were, by the server's count; 0 before the end.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes everything that is left into the writer, and flushes it; how many rows there were in all.
    ///
    /// # Errors
    ///
    /// The server's, and [`Io`](ErrorKind::Io) if writing fails.
    pub async fn write_to(
        mut self,
        writer: &mut (impl AsyncWrite + Unpin + ?Sized),
    ) -> Result<u64> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "the data of a COPY cannot be written").with_source(error)
        };
        while let Some(chunk) = self.try_next().await? {
            writer.write_all(chunk).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        Ok(self.rows)
    }

    async fn step(&mut self) -> Result<CopyStep> {
        let step = poll_fn(|cx| self.connection.poll_copy(cx, &mut self.chunk)).await;
        self.over = !matches!(step, Ok(CopyStep::Started(_) | CopyStep::Data));
        step
    }
}

impl Drop for CopyOut<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.connection.give_up();
        }
    }
}

impl fmt::Debug for CopyOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOut")
            .field("binary", &self.format.binary)
            .field("columns", &self.format.columns)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
